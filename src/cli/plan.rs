//! From the words about output to a plan: what to do with each frame and where it goes.
//!
//! Must not know where frames come from.

use std::io;
use std::sync::Arc;

use super::args::{Color, Format, Show};
use super::csv::{self, Csv};
use super::hexdump::Dump;
use super::line::{Line, Style};
use super::paint::Paint;
use super::recorder::Recorder;
use super::render::{Output, Renderer};
use super::selector::Selector;
use super::stats::seed;
use super::tally::Tally;
use super::text::Text;
use super::time::{self, Clock};
use crate::capture::Interface;
use crate::error::{Error, Result};
use crate::net::resolver::Resolver;
use crate::survey::reassembly;
use crate::survey::tracks::Tracks;
use crate::wire::packet::Judge;

/// What to do with each frame and where it goes.
pub(super) struct Plan {
    pub(super) renderer: Renderer,
    /// Frames go to this capture.
    pub(super) recorder: Option<Recorder>,
    /// What an output without frames says it is a capture of.
    pub(super) interface: Option<Interface>,
    /// What there is to do beside where frames come live.
    pub(super) tally: Option<Tally>,
    /// Lines are rows of a table.
    pub(super) table: bool,
    /// Before the first frame.
    pub(super) header: Text,
    /// Lines show the time since the line before.
    pub(super) delta: bool,
    /// Frames to leave out at the start.
    pub(super) skip: u64,
    /// Frames to stop after.
    pub(super) limit: Option<u64>,
    /// What several packets together show.
    pub(super) tracks: Option<Tracks>,
    /// What to do with fragments.
    pub(super) reassembly: reassembly::Options,
    /// Who looks up names.
    pub(super) names: Option<Arc<Resolver>>,
}

impl Plan {
    /// Everything but where frames come from and are written to; with `shows` they are shown.
    ///
    /// # Errors
    /// Words that mean nothing together.
    pub(super) fn new(
        args: &Show,
        color: Color,
        shows: bool,
        selector: Option<Selector>,
    ) -> Result<Self> {
        let paint = Paint {
            on: wants_color(color),
        };
        let clock = Clock::new(args.time, None);
        let names = if args.names {
            Some(Arc::new(Resolver::start()?))
        } else {
            None
        };
        let format = format(args);
        if args.fields.is_some() && format != Format::Csv {
            return Err(
                Error::usage("reading --fields", "only --format csv has columns")
                    .advice("add --format csv"),
            );
        }
        let mut header = Text::default();
        let mut judge = Judge {
            checksums: true,
            anomalies: !args.no_anomalies,
        };
        let style = |cells: bool| Style {
            paint: Paint {
                on: paint.on && !cells,
            },
            link: args.link,
            names: names.clone(),
            cells,
        };
        let output = match format {
            _ if args.count => Output::Count,
            _ if !shows => Output::Capture,
            Format::Line => Output::Line(Line::new(style(false), clock)),
            Format::Table => Output::Line(Line::new(style(true), clock)),
            Format::Detail => Output::Detail(paint),
            Format::Diagram => Output::Diagram(paint),
            Format::Ndjson => Output::Ndjson,
            Format::Spec => Output::Spec,
            Format::Csv => {
                let csv = Csv::new(args.fields.as_deref().unwrap_or(csv::DEFAULT))?;
                judge.checksums = csv.needs_checksums();
                judge.anomalies &= csv.needs_anomalies();
                csv.header(&mut header);
                Output::Csv(csv)
            }
        };
        let dump = match (args.hex, args.hex_ascii, args.ascii) {
            (_, true, _) => Some(Dump::HexAscii),
            (true, ..) => Some(Dump::Hex),
            (_, _, true) => Some(Dump::Ascii),
            _ => None,
        };
        if dump.is_some() && !matches!(format, Format::Line | Format::Detail | Format::Diagram) {
            return Err(Error::usage(
                "reading -x, -X or -A",
                "bytes can stand below lines, details and diagrams only",
            ));
        }
        let reassembly = fragments(args, selector.is_none());
        let mut renderer = Renderer::new(output, judge, dump, selector);
        renderer.reassemble = reassembly.assemble;
        Ok(Self {
            renderer,
            reassembly,
            tracks: None,
            recorder: None,
            interface: None,
            tally: None,
            table: format == Format::Table,
            header,
            delta: args.time == time::Format::Delta
                && matches!(format, Format::Line | Format::Table),
            skip: 0,
            limit: args.limit,
            names,
        })
    }

    /// Looks for anomalies over several packets, too; `complete` input was not filtered anywhere.
    pub(super) fn track(&mut self, complete: bool) {
        if self.renderer.judge.anomalies {
            let seed = seed();
            // No host takes a datagram whose header is wrong.
            self.renderer.judge.checksums = true;
            self.renderer.track = Some(seed);
            self.tracks = Some(Tracks::new(seed, complete));
        }
    }
}

/// What to do with fragments; of a filter's input, not all are seen unless all are kept.
fn fragments(args: &Show, unfiltered: bool) -> reassembly::Options {
    if !args.reassembly.reassemble {
        return reassembly::Options {
            complete: unfiltered,
            ..reassembly::Options::default()
        };
    }
    reassembly::Options {
        assemble: true,
        policy: args.reassembly.policy.into(),
        memory: (args.reassembly.mib as usize).saturating_mul(1 << 20),
        complete: true,
    }
}

/// The format that was asked for, by one word or the other.
pub(super) fn format(args: &Show) -> Format {
    if args.verbose {
        Format::Detail
    } else {
        args.format
    }
}

/// How many workers there are: so many, or one a core.
pub(super) fn workers(asked: Option<u16>) -> usize {
    match asked {
        Some(workers) => usize::from(workers),
        None => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    }
}

pub(super) fn wants_color(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
    }
}
