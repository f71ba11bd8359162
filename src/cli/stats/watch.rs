//! `sniff --stats-every`: the page of a survey that goes on, time and again, with all that has come
//! since the start.
//!
//! Knows live sources and when to show; what is shown is that of a saved capture.

use std::io::IsTerminal;
use std::time::Duration;

use super::collect::{Collector, Part};
use super::sections::{Found, Interfaces};
use super::{How, PATIENCE, Together, seed, show, take_in};
use crate::cli::args::{By, Color, Format, Sniff, StatsFormat};
use crate::cli::paint::Paint;
use crate::cli::pipeline::{Made, Next, Pieces, Source};
use crate::cli::plan::{self, Plan, wants_color};
use crate::cli::recorder::{Chosen, Parcel};
use crate::cli::stage::finish_capture;
use crate::cli::tally::Tally;
use crate::cli::{Console, Outcome};
use crate::error::{Error, Kind, Result};
use crate::net::clock::Stopwatch;
use crate::net::signals::Signals;
use crate::survey::reassembly::Reassembly;
use crate::survey::stats::{MOST, Stats};
use crate::survey::tracks::Tracks;

/// Puts the cursor at the top of a terminal and empties it.
const EMPTIED: &[u8] = b"\x1b[H\x1b[J";

/// Refuses the words of a command line that mean nothing beside statistics.
///
/// # Errors
/// Which word, and what to do.
pub(in crate::cli) fn refuse(args: &Sniff) -> Result<()> {
    let show = &args.show;
    let format = plan::format(show);
    let shown = [
        (
            "-c",
            show.limit.is_some(),
            "leave it away, and end with --duration or Ctrl-C",
        ),
        ("--count", show.count, "leave it away: packets are counted"),
        (
            "--print",
            args.print,
            "leave it away: statistics are shown instead of packets",
        ),
        (
            "--reassemble",
            show.reassembly.reassemble,
            "leave it away: statistics are of frames",
        ),
        (
            "-x, -X or -A",
            show.hex || show.hex_ascii || show.ascii,
            "leave it away: statistics are shown instead of packets",
        ),
        (
            "--format",
            !matches!(format, Format::Line | Format::Ndjson),
            "statistics are a page, or objects with --format ndjson",
        ),
    ];
    match shown.into_iter().find(|(_, given, _)| *given) {
        Some((word, _, advice)) => Err(Error::usage(
            format!("reading {word}"),
            "it means nothing beside --stats-every",
        )
        .advice(advice)),
        None => Ok(()),
    }
}

/// A survey that goes on.
pub(in crate::cli) struct Watch {
    plan: Plan,
    tally: Tally,
    collector: Collector,
    together: Together,
    found: Found,
    format: StatsFormat,
    paint: Paint,
    /// Standard output is a terminal: each page takes the place of the one before.
    redraw: bool,
    every: Duration,
    since: Stopwatch,
    /// When the last page was shown.
    told: Duration,
    /// Pages so far.
    pages: u64,
    /// Frames surveyed.
    done: u64,
}

impl Watch {
    /// Nothing seen yet; the page comes each time `every` has passed. `filtered` by the kernel or
    /// here.
    pub(in crate::cli) fn new(
        mut plan: Plan,
        tally: Tally,
        every: Duration,
        format: Format,
        color: Color,
        filtered: bool,
    ) -> Self {
        let secret = seed();
        Self {
            collector: Collector::new(
                plan.renderer.selector.take(),
                plan.renderer.judge.anomalies,
                plan.renderer.track,
            ),
            together: Together {
                fragments: Reassembly::new(plan.reassembly),
                // Where none are wanted, none are fed.
                tracks: (plan.tracks.take()).unwrap_or_else(|| Tracks::new(secret, !filtered)),
            },
            found: Found {
                files: 1,
                container: None,
                lost: std::sync::Arc::default(),
                read: 0,
                filtered,
                stats: Stats::new(secret, By::default().measure(), MOST),
                interfaces: Interfaces::default(),
            },
            plan,
            tally,
            format: match format {
                Format::Ndjson => StatsFormat::Ndjson,
                _ => StatsFormat::Text,
            },
            paint: Paint {
                on: wants_color(color),
            },
            redraw: std::io::stdout().is_terminal(),
            every,
            since: Stopwatch::start(),
            told: Duration::ZERO,
            pages: 0,
            done: 0,
        }
    }

    /// Surveys what comes until it ends; the last page has all of it.
    ///
    /// # Errors
    /// What ended the source, or what kept the output from being written.
    pub(in crate::cli) fn run(
        mut self,
        source: impl Source + 'static,
        workers: usize,
        signals: &mut Signals,
        console: &mut Console<'_>,
    ) -> Result<Outcome> {
        let mut pieces = Pieces::start(source, workers, &self.collector)?;
        let taken = self.take(&mut pieces, signals, console);
        self.leave(&mut pieces);
        self.tally.status = None;
        let shown = match &taken {
            Ok(_) => self.page(console),
            Err(_) => Ok(()),
        };
        self.plan.tally = Some(self.tally);
        let written = finish_capture(&mut self.plan, &mut self.done);
        let unread =
            |result: &Result<()>| matches!(result, Err(error) if error.kind() == Kind::ClosedPipe);
        let reader_left =
            unread(&shown) || matches!(&taken, Err(error) if error.kind() == Kind::ClosedPipe);
        if let Some(tally) = &self.plan.tally
            && !reader_left
        {
            tally.tell(self.done, console);
        }
        let failed = taken?;
        shown.and(written)?;
        failed.map_or(Ok(Outcome::Done), Err)
    }

    fn take(
        &mut self,
        pieces: &mut Pieces<Collector>,
        signals: &mut Signals,
        console: &mut Console<'_>,
    ) -> Result<Option<Error>> {
        loop {
            let next = pieces.next(PATIENCE);
            self.tally.look(signals, self.done, console);
            match next {
                Next::Waiting => {
                    if let Some(recorder) = &mut self.plan.recorder {
                        recorder.look()?;
                    }
                }
                Next::End => return Ok(None),
                Next::Made(Made::Failed(error)) => return Ok(Some(error)),
                Next::Made(Made::Piece(part)) => {
                    self.part(&part, console)?;
                    pieces.recycle(part);
                }
            }
            let now = self.since.elapsed();
            if now.saturating_sub(self.told) >= self.every {
                self.told = now;
                self.page(console)?;
            }
        }
    }

    fn part(&mut self, part: &Part, console: &mut Console<'_>) -> Result<()> {
        for notice in part.batch.notices() {
            self.tally.aside(|| console.note(notice));
        }
        take_in(
            part,
            &mut self.collector,
            &mut self.together,
            &mut self.found,
        );
        let selected = part.digest.packets();
        self.done = self.done.saturating_add(selected);
        let all = part.batch.len() as u64;
        self.tally.refuse(all.saturating_sub(selected));
        let Some(recorder) = &mut self.plan.recorder else {
            return Ok(());
        };
        if selected == 0 {
            return Ok(());
        }
        recorder.write(Parcel {
            batch: part.batch.clone(),
            frames: match &part.selected {
                Some(places) => Chosen::Some(places.clone()),
                None => Chosen::All(0..part.batch.len()),
            },
            next_source: false,
        })
    }

    /// Lets the source end: what is still on its way is counted, and the counters are final.
    fn leave(&mut self, pieces: &mut Pieces<Collector>) {
        self.tally.enough();
        loop {
            match pieces.next(PATIENCE) {
                Next::End => return,
                Next::Made(Made::Piece(part)) => self.tally.unused(part.batch.len() as u64),
                Next::Waiting | Next::Made(Made::Failed(_)) => {}
            }
        }
    }

    /// Shows all there is so far.
    fn page(&mut self, console: &mut Console<'_>) -> Result<()> {
        if let Ok(mut lost) = self.found.lost.lock() {
            *lost = self.tally.lost();
        }
        let before: &[u8] = match self.format {
            StatsFormat::Text if self.redraw => EMPTIED,
            StatsFormat::Text if self.pages > 0 => b"\n",
            _ => b"",
        };
        self.pages = self.pages.saturating_add(1);
        console
            .out
            .write_all(before)
            .map_err(|error| Error::write("writing to standard output", &error))?;
        let how = How {
            format: self.format,
            tables: &[],
            top: None,
            by: By::default(),
            paint: self.paint,
        };
        show(&how, &self.found, console)
    }
}
