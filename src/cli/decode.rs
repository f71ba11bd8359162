//! `dotquad decode`: what was typed becomes a plan.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{Color, Decode, Format};
use super::captures::Captures;
use super::confine;
use super::csv::{self, Csv};
use super::hexdump::Dump;
use super::line::{Line, Style};
use super::paint::Paint;
use super::pipeline::Pieces;
use super::progress::Progress;
use super::render::{Output, Renderer};
use super::selector::Selector;
use super::stage::Stage;
use super::text::Text;
use super::time::{self, Clock};
use super::{Console, Outcome};
use crate::capture::{Target, Writer};
use crate::error::{self, Error, Result};
use crate::net::resolver::Resolver;
use crate::net::sandbox::{self, Sandbox};
use crate::net::signals::Signals;
use crate::wire::packet::Judge;

/// Runs the command.
///
/// # Errors
/// Wrong words, files that cannot be opened, damaged captures, outputs that cannot be written.
pub(super) fn run(args: &Decode, color: Color, console: &mut Console<'_>) -> Result<Outcome> {
    let (files, filter) = files_and_filter(args)?;
    let selector = Selector::parse(&filter, args.deep)?;
    let mut plan = Plan::new(args, color, selector)?;
    let workers = match args.workers {
        Some(workers) => usize::from(workers),
        None => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    let goal = Progress::goal(&files);
    let captures = Captures::open(&files)?;
    let target = match &args.write {
        Some(path) => Some(open_target(path, &files)?),
        None => None,
    };
    let sandbox = Sandbox {
        inputs: &captures.later(),
        ..Sandbox::new(sandbox::Command::Decode)
    };
    confine::enter(&args.confinement, &sandbox, false, console)?;
    let signals = Signals::watch()?;
    let pieces = Pieces::start(captures, workers, &plan.renderer)?;
    // Only now is there something to write: a mistyped name must not empty an older capture.
    plan.capture = target.map(Writer::start).transpose()?;
    let progress = goal.map(|goal| Progress::start(&pieces.consumed, goal));
    let outcome = Stage::new(plan).run(pieces, &signals, console);
    drop(progress);
    outcome
}

/// Which words are captures and which are the filter.
fn files_and_filter(args: &Decode) -> Result<(Vec<PathBuf>, String)> {
    let mut files = Vec::new();
    let mut words = args.words.as_slice();
    if let [first, rest @ ..] = words
        && (args.read.is_empty() || Path::new(first).exists() || first == "-")
    {
        files.push(PathBuf::from(first));
        words = rest;
    }
    files.extend(args.read.iter().cloned());
    if files.is_empty() {
        return Err(
            Error::usage("reading the command line", "no capture is named")
                .advice("dotquad decode FILE, where - is standard input"),
        );
    }
    if let Some(word) = words.iter().find(|word| Path::new(word).is_file()) {
        return Err(Error::usage(
            format!("reading the filter word {word:?}"),
            "this is a file, not part of a filter",
        )
        .advice(format!("-r {word} reads one more capture")));
    }
    Ok((files, words.join(" ")))
}

/// What to do with each frame and where it goes.
pub(super) struct Plan {
    pub(super) renderer: Renderer,
    /// Frames go to this capture and are not shown.
    pub(super) capture: Option<Writer>,
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
    /// Who looks up names.
    pub(super) names: Option<Arc<Resolver>>,
}

impl Plan {
    fn new(args: &Decode, color: Color, selector: Option<Selector>) -> Result<Self> {
        let paint = Paint {
            on: wants_color(color),
        };
        let clock = Clock::new(args.time, None);
        let names = if args.names {
            Some(Arc::new(Resolver::start()?))
        } else {
            None
        };
        let format = if args.verbose {
            Format::Detail
        } else {
            args.format
        };
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
            _ if args.write.is_some() => Output::Capture,
            Format::Line => Output::Line(Line::new(style(false), clock)),
            Format::Table => Output::Line(Line::new(style(true), clock)),
            Format::Detail => Output::Detail(paint),
            Format::Diagram => Output::Diagram(paint),
            Format::Ndjson => Output::Ndjson,
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
        Ok(Self {
            renderer: Renderer::new(output, judge, dump, selector),
            capture: None,
            table: format == Format::Table,
            header,
            delta: args.time == time::Format::Delta
                && matches!(format, Format::Line | Format::Table),
            skip: args.skip,
            limit: args.limit,
            names,
        })
    }
}

/// Opens the capture to write, unless it is one of those to be read.
fn open_target(path: &Path, files: &[PathBuf]) -> Result<Target> {
    let same = |file: &PathBuf| match (file.canonicalize(), path.canonicalize()) {
        (Ok(file), Ok(path)) => file == path && path.is_file(),
        _ => false,
    };
    if files.iter().any(same) {
        return Err(Error::usage(
            format!("writing {}", error::named(path)),
            "it is also the capture to be read",
        )
        .advice("write to another file"));
    }
    Target::open(path)
}

fn wants_color(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
    }
}
