//! `dotquad stats`: what was typed becomes a survey of captures, and what it found a page.

mod collect;
mod page;
mod rows;
mod sections;
mod watch;

use std::hash::BuildHasher;
use std::ops::Range;
use std::time::Duration;

use self::collect::{Collector, Part};
use self::sections::{Found, Interfaces};
pub(super) use self::watch::{Watch, refuse};
use super::args::{By, Color, Stats as Args, StatsFormat, Table};
use super::captures::Captures;
use super::decode::files_and_filter;
use super::paint::Paint;
use super::pipeline::{Made, Next, Pieces};
use super::plan::{wants_color, workers};
use super::progress::Progress;
use super::reading::Reading;
use super::selector::Selector;
use super::stage::overflow;
use super::text::Text;
use super::{Console, Outcome, confine};
use crate::error::{Error, Kind, Result};
use crate::net::sandbox::{self, Sandbox};
use crate::net::signals::Signals;
use crate::survey::reassembly::{Options, Reassembly};
use crate::survey::stats::{MOST, Stats};
use crate::survey::tracks::Tracks;
use crate::wire::anomaly::Anomaly;

/// How often a waiting survey looks whether it was interrupted.
const PATIENCE: Duration = Duration::from_millis(50);
/// Rows of a table that a person is shown.
const ROWS: usize = 10;
/// Places for each row that is asked for, and the fewest that there are.
const EACH: usize = 1024;
const FEWEST: usize = 1 << 16;
/// Text is written out when it has grown to this.
const WRITTEN: usize = 64 << 10;

/// Runs the command.
///
/// # Errors
/// Wrong words, files that cannot be opened, damaged captures, outputs that cannot be written.
pub(super) fn run(args: &Args, color: Color, console: &mut Console<'_>) -> Result<Outcome> {
    if args.format == StatsFormat::Csv && args.table.len() > 1 {
        return Err(Error::usage(
            "reading --table",
            "CSV has one kind of row: one table at a time",
        )
        .advice("--format ndjson has them all"));
    }
    let (files, filter) = files_and_filter(&args.words, &args.read, "stats")?;
    let selector = Selector::parse(&filter, args.deep)?;
    let workers = workers(args.workers);
    let goal = Progress::goal_before_output(&files);
    let captures = Captures::open(&files)?;
    let sandbox = Sandbox {
        inputs: &captures.later(),
        ..Sandbox::new(sandbox::Command::Stats)
    };
    confine::enter(&args.confinement, &sandbox, false, console)?;
    let reading = Reading::start(captures)?;
    // Until a capture has begun, a signal ends us as it ends any program.
    let signals = Signals::watch()?;
    let consumed = reading.consumed();
    let mut found = Found {
        files: files.len(),
        container: reading.container(),
        lost: reading.lost(),
        read: 0,
        filtered: selector.is_some(),
        stats: Stats::new(seed(), args.by.measure(), places(args.top)),
        interfaces: Interfaces::default(),
    };
    let seed = seed();
    let mut together = Together {
        fragments: Reassembly::new(Options {
            // Of what a filter refuses, nobody knows whether it came.
            complete: selector.is_none(),
            ..Options::default()
        }),
        tracks: Tracks::new(seed, selector.is_none()),
    };
    let collector = Collector::new(selector, !args.no_anomalies, args.track.then_some(seed));
    let pieces = Pieces::start(reading, workers, &collector)?;
    let progress = goal.map(|goal| Progress::start(&consumed, goal));
    let ended = collect(
        pieces,
        &collector,
        (&mut found, &mut together),
        &signals,
        console,
    );
    drop(progress);
    let (failed, interrupted) = ended?;
    if let Some(notice) = overflow(together.tracks.forgotten()) {
        console.note(&notice);
    }
    let paint = Paint {
        on: wants_color(color),
    };
    let how = How {
        format: args.format,
        tables: &args.table,
        top: args.top,
        by: args.by,
        paint,
    };
    show(&how, &found, console)?;
    match (failed, interrupted) {
        (Some(error), _) => Err(error),
        (None, Some(signal)) => Ok(Outcome::Interrupted(signal)),
        (None, None) => Ok(Outcome::Done),
    }
}

/// What several frames together show.
struct Together {
    fragments: Reassembly,
    tracks: Tracks,
}

/// How many conversations, and addresses, are kept apart: for the first few, a small part of what
/// would be exact is enough.
fn places(top: Option<u32>) -> usize {
    let asked = top.and_then(|top| usize::try_from(top).ok());
    asked.map_or(MOST, |top| top.saturating_mul(EACH).clamp(FEWEST, MOST))
}

/// A number that nobody outside knows, so that nobody can choose addresses that collide.
pub(super) fn seed() -> [u64; 2] {
    let random = std::hash::RandomState::new();
    [random.hash_one(1), random.hash_one(2)]
}

/// Takes in all there is; answers what was wrong with the input, and the signal that ended it.
fn collect(
    mut pieces: Pieces<Collector>,
    collector: &Collector,
    (found, together): (&mut Found, &mut Together),
    signals: &Signals,
    console: &mut Console<'_>,
) -> Result<(Option<Error>, Option<u8>)> {
    let mut collector = collector.clone();
    let mut failed = None;
    loop {
        if let Some(signal) = signals.interrupted() {
            return Ok((failed, Some(signal)));
        }
        match pieces.next(PATIENCE) {
            Next::Waiting => {}
            Next::End => return Ok((failed, None)),
            Next::Made(Made::Failed(error)) => {
                // A damaged capture does not keep the next one from being read.
                if error.kind() != Kind::Damaged {
                    return Err(error);
                }
                if let Some(earlier) = failed.replace(error) {
                    console.note(&earlier);
                }
            }
            Next::Made(Made::Piece(part)) => {
                for notice in part.batch.notices() {
                    console.note(notice);
                }
                take_in(&part, &mut collector, together, found);
                pieces.recycle(part);
            }
        }
    }
}

fn take_in(part: &Part, collector: &mut Collector, together: &mut Together, found: &mut Found) {
    found.read += part.batch.len() as u64;
    found.stats.absorb(&part.digest);
    found.interfaces.add(part);
    let mut odd: Vec<(u32, Vec<Anomaly>)> = Vec::new();
    for (index, passing) in &part.passings {
        let tracked = together.tracks.add(passing);
        if !tracked.is_empty() {
            odd.push((*index, tracked.iter().map(|(it, ..)| *it).collect()));
        }
    }
    let mut next = 0;
    for index in &part.fragments {
        past(part, next..*index, collector, together, &mut odd);
        compare(part, *index, collector, together, &mut odd);
        next = index.saturating_add(1);
    }
    let end = u32::try_from(part.batch.len()).unwrap_or(u32::MAX);
    past(part, next..end, collector, together, &mut odd);
    // By frame: what is odd in both ways makes one odd frame.
    odd.sort_by_key(|(index, _)| *index);
    for frame in odd.chunk_by(|(one, _), (other, _)| one == other) {
        let index = frame.first().map_or(0, |(index, _)| *index);
        let Some(last) = part.frame(index) else {
            continue;
        };
        let mut alone = collector.dissect(&last).anomalies().is_empty();
        let mut told = Vec::new();
        for anomaly in frame.iter().flat_map(|(_, anomalies)| anomalies) {
            if !told.contains(anomaly) {
                told.push(*anomaly);
                found.stats.together(*anomaly, last.number, alone);
                alone = false;
            }
        }
    }
}

/// Frames without fragments, of which one may show that the rest of a datagram never came.
fn past(
    part: &Part,
    places: Range<u32>,
    collector: &mut Collector,
    together: &mut Together,
    odd: &mut Vec<(u32, Vec<Anomaly>)>,
) {
    for index in places {
        if together.fragments.is_idle() {
            return;
        }
        let frame = part.frame(index);
        if frame.is_some_and(|frame| together.fragments.is_due(frame.time)) {
            compare(part, index, collector, together, odd);
        }
    }
}

/// Notes what is odd about a frame beside fragments before it.
fn compare(
    part: &Part,
    index: u32,
    collector: &mut Collector,
    together: &mut Together,
    odd: &mut Vec<(u32, Vec<Anomaly>)>,
) {
    let Some(frame) = part.frame(index) else {
        return;
    };
    let packet = collector.dissect(&frame);
    let seen = together.fragments.track(&frame, packet);
    let overdue = together.fragments.overdue(packet);
    let both = overdue.iter().chain(&seen.together);
    let found: Vec<Anomaly> = both.map(|(anomaly, ..)| *anomaly).collect();
    if !found.is_empty() {
        odd.push((index, found));
    }
}

/// How a survey is shown.
struct How<'a> {
    format: StatsFormat,
    /// Which tables; none of them are all.
    tables: &'a [Table],
    top: Option<u32>,
    by: By,
    paint: Paint,
}

fn show(how: &How<'_>, found: &Found, console: &mut Console<'_>) -> Result<()> {
    let wanted = |table: Table| match how.format {
        StatsFormat::Csv if how.tables.is_empty() => table == Table::Conversations,
        _ => how.tables.is_empty() || how.tables.contains(&table),
    };
    let top = how
        .top
        .map(|top| usize::try_from(top).unwrap_or(usize::MAX));
    let top = match how.format {
        StatsFormat::Text => top.unwrap_or(ROWS),
        StatsFormat::Ndjson | StatsFormat::Csv => top.unwrap_or(usize::MAX),
    };
    let mut out = Text::default();
    let mut result = Ok(());
    sections::each(found, how.by, wanted, &mut |section| {
        if result.is_err() {
            return;
        }
        if let (StatsFormat::Csv, Some(note)) = (how.format, &section.note) {
            console.note(note);
        }
        let (out_of, result) = (&mut *console.out, &mut result);
        let mut write = |text: &mut Text, least: usize| {
            if result.is_ok() && text.len() > least {
                *result = out_of.write_all(text.as_bytes());
                text.clear();
            }
        };
        match how.format {
            StatsFormat::Text => page::section(section, top, how.paint, &mut out),
            StatsFormat::Ndjson => {
                rows::ndjson(section, top, &mut out, &mut |out| write(out, WRITTEN));
            }
            StatsFormat::Csv => rows::csv(section, top, &mut out, &mut |out| write(out, WRITTEN)),
        }
        write(&mut out, 0);
    });
    result
        .and_then(|()| console.out.flush())
        .map_err(|error| Error::write("writing to standard output", &error))
}
