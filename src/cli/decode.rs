//! `dotquad decode`: what was typed becomes a plan.

use std::path::{Path, PathBuf};

use super::args::{Color, Decode};
use super::captures::Captures;
use super::pipeline::Pieces;
use super::plan::{Plan, workers};
use super::progress::Progress;
use super::reading::Reading;
use super::recorder::{Capture, Recorder, is_read_live};
use super::selector::Selector;
use super::stage::Stage;
use super::{Console, Outcome, confine};
use crate::capture::{Target, Writer};
use crate::error::{self, Error, Result};
use crate::net::sandbox::{self, Sandbox};
use crate::net::signals::Signals;

/// Pieces that may wait for the disk: enough to keep it busy, few enough to bound memory.
const QUEUE: usize = 2;

/// Runs the command.
///
/// # Errors
/// Wrong words, files that cannot be opened, damaged captures, outputs that cannot be written.
pub(super) fn run(args: &Decode, color: Color, console: &mut Console<'_>) -> Result<Outcome> {
    let (files, filter) = files_and_filter(&args.words, &args.read, "decode")?;
    let selector = Selector::parse(&filter, args.show.deep)?;
    let mut plan = Plan::new(&args.show, color, args.write.is_none(), selector)?;
    plan.skip = args.skip;
    plan.renderer.odd_only = args.anomalies_only;
    // Columns without anomalies do not look for them.
    plan.renderer.judge.anomalies |= args.anomalies_only;
    plan.renderer.judge.checksums |= args.anomalies_only;
    if args.show.track || args.anomalies_only {
        plan.track(filter.trim().is_empty());
    }
    let workers = workers(args.show.workers);
    let goal = Progress::goal(&files);
    let captures = Captures::open(&files)?;
    let target = match &args.write {
        Some(path) => Some((open_target(path, &files)?, is_read_live(path))),
        None => None,
    };
    let sandbox = Sandbox {
        inputs: &captures.later(),
        ..Sandbox::new(sandbox::Command::Decode)
    };
    confine::enter(&args.confinement, &sandbox, false, console)?;
    let fresh = target.as_ref().is_some_and(|(target, _)| target.is_fresh());
    let reading = Reading::start(captures).inspect_err(|_| {
        if let (true, Some(path)) = (fresh, &args.write) {
            // From in here nothing can be removed any more.
            let name = error::named(path);
            console.note(&format_args!("{name} was created and is left empty"));
        }
    })?;
    // Until a capture has begun, a signal ends us as it ends any program.
    let mut signals = Signals::watch()?;
    plan.interface = reading.interface();
    // Only now is there something to write: a mistyped name must not empty an older capture.
    if let Some((target, at_once)) = target {
        let capture = Capture::One(Box::new(Writer::start(target)?));
        plan.recorder = Some(Recorder::start(capture, QUEUE, at_once, None)?);
    }
    let consumed = reading.consumed();
    let pieces = Pieces::start(reading, workers, &plan.renderer)?;
    let progress = goal.map(|goal| Progress::start(&consumed, goal));
    let outcome = Stage::new(plan).run(pieces, &mut signals, console);
    drop(progress);
    outcome
}

/// Which words are captures and which are the filter; `read` are captures named by -r.
///
/// # Errors
/// No capture is named, or one where the filter is.
pub(super) fn files_and_filter(
    mut words: &[String],
    read: &[PathBuf],
    command: &str,
) -> Result<(Vec<PathBuf>, String)> {
    let mut files = Vec::new();
    if let [first, rest @ ..] = words
        && (read.is_empty() || Path::new(first).exists() || first == "-")
    {
        files.push(PathBuf::from(first));
        words = rest;
    }
    files.extend(read.iter().cloned());
    if files.is_empty() {
        return Err(
            Error::usage("reading the command line", "no capture is named")
                .advice(format!("dotquad {command} FILE, where - is standard input")),
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
