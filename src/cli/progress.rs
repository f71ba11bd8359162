//! A bar on standard error for long work, on terminals only.
//!
//! The one place in cli/ that looks at a clock and writes by itself: indicatif draws from a
//! thread of its own.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

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
        if !std::io::stderr().is_terminal() || std::io::stdout().is_terminal() {
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
