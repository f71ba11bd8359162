//! A bar for long work and a line for live work, on standard error, on terminals only.
//!
//! The one place in cli/ that looks at a clock and writes by itself: indicatif draws from a
//! thread of its own.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::capture::{Batch, FrameSource};
use crate::error::Result;
use crate::net::live::Live;

/// Work shorter than this shows no bar.
const QUIET: Duration = Duration::from_secs(1);
const REDRAW: Duration = Duration::from_millis(100);

/// A bar that follows a counter until it is dropped.
#[derive(Debug)]
pub(super) struct Progress {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// The size of `files`, where a person would see both a bar and an end: standard error is a
    /// terminal, standard output is not, all files have a size.
    pub(super) fn goal(files: &[PathBuf]) -> Option<u64> {
        if std::io::stdout().is_terminal() {
            return None;
        }
        Self::goal_before_output(files)
    }

    /// The same for work that writes nothing before it is done: standard output may be a terminal
    /// too.
    pub(super) fn goal_before_output(files: &[PathBuf]) -> Option<u64> {
        if !std::io::stderr().is_terminal() {
            return None;
        }
        let sizes: Option<Vec<u64>> = files
            .iter()
            .map(|file| {
                file.metadata()
                    .ok()
                    .filter(std::fs::Metadata::is_file)
                    .map(|metadata| metadata.len())
            })
            .collect();
        Some(sizes?.into_iter().sum())
    }

    /// Follows `consumed` towards its goal.
    pub(super) fn start(consumed: &Arc<AtomicU64>, goal: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, consumed) = (Arc::clone(&stop), Arc::clone(consumed));
        let thread = std::thread::Builder::new().spawn(move || {
            std::thread::park_timeout(QUIET);
            if stopped.load(Ordering::Acquire) {
                return;
            }
            let bar = ProgressBar::new(goal);
            if let Ok(style) =
                ProgressStyle::with_template("{wide_bar} {bytes} of {total_bytes}, {eta} left")
            {
                bar.set_style(style);
            }
            while !stopped.load(Ordering::Acquire) {
                bar.set_position(consumed.load(Ordering::Relaxed));
                std::thread::park_timeout(REDRAW);
            }
            bar.finish_and_clear();
        });
        Self {
            stop,
            thread: thread.ok(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// A live source whose bytes are counted where a person can see the count.
#[derive(Debug)]
pub(super) struct Weighed {
    live: Live,
    /// Bytes of the frames so far, if anybody looks.
    bytes: Option<Arc<AtomicU64>>,
}

impl Weighed {
    /// `shows` says that packets go to standard output as they come.
    pub(super) fn new(live: Live, shows: bool) -> Self {
        let between = shows && std::io::stdout().is_terminal();
        let seen = std::io::stderr().is_terminal() && !between;
        Self {
            live,
            bytes: seen.then(Arc::default),
        }
    }
}

impl FrameSource for Weighed {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        let batch = self.live.next_batch()?;
        if let (Some(bytes), Some(batch)) = (&self.bytes, &batch) {
            let sum = batch.frames().map(|frame| u64::from(frame.wire_len)).sum();
            bytes.fetch_add(sum, Ordering::Relaxed);
        }
        Ok(batch)
    }
}

/// A line that says how a live capture goes, until it is dropped.
#[derive(Debug)]
pub(super) struct Status {
    bar: ProgressBar,
    _line: Progress,
}

impl Status {
    /// Follows a live source, when a person would see it and it would not stand between packets:
    /// standard error is a terminal, and packets are not shown on one.
    pub(super) fn start(weighed: &Weighed) -> Option<Self> {
        let bytes = Arc::clone(weighed.bytes.as_ref()?);
        let meter = weighed.live.meter();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            bar.set_style(style);
        }
        let drawn = bar.clone();
        let thread = std::thread::Builder::new().spawn(move || {
            let bar = drawn;
            let mut before = (Instant::now(), 0, 0);
            loop {
                std::thread::park_timeout(QUIET);
                if stopped.load(Ordering::Acquire) {
                    break;
                }
                let figures = meter.read();
                let now = (
                    Instant::now(),
                    figures.delivered,
                    bytes.load(Ordering::Relaxed),
                );
                let milliseconds = now.0.duration_since(before.0).as_millis().max(1);
                let rate = |now: u64, before: u64| {
                    u128::from(now.saturating_sub(before)) * 1000 / milliseconds
                };
                let (packets, volume) = (rate(now.1, before.1), rate(now.2, before.2));
                let volume = u64::try_from(volume).unwrap_or(u64::MAX);
                bar.set_message(format!(
                    "{} packets, {packets}/s, {}/s; {} dropped; ring {} % full",
                    figures.delivered,
                    indicatif::DecimalBytes(volume),
                    figures.dropped_ring,
                    figures.ring_fill,
                ));
                before = now;
            }
            bar.finish_and_clear();
        });
        let line = Progress {
            stop,
            thread: thread.ok(),
        };
        Some(Self { bar, _line: line })
    }

    /// Takes the line away while something else is said.
    pub(super) fn aside(&self, say: impl FnOnce()) {
        self.bar.suspend(say);
    }
}
