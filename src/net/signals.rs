//! Signals as a flag that is looked at, so that whoever writes can finish what it began.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use nix::sys::signal::{SigSet, Signal};

use crate::error::{Error, Result};

/// Watches for the signals that ask a program to end, or how it goes.
#[derive(Debug)]
pub struct Signals {
    caught: Arc<AtomicU8>,
    asked: Arc<AtomicU32>,
    answered: u32,
}

impl Signals {
    /// Starts watching for SIGINT, SIGTERM and SIGHUP, and keeps SIGXFSZ from killing: a write
    /// past RLIMIT_FSIZE then fails with EFBIG, which can be told to the user (setrlimit(2)).
    ///
    /// Call it before any other thread starts: the signals are blocked in this thread and in
    /// those it starts, and taken by one that waits for them. After the first signal the
    /// others act as usual, so that a second Ctrl-C ends even a program that is stuck.
    ///
    /// # Errors
    /// When the thread cannot be started or the signals not be blocked.
    pub fn watch() -> Result<Self> {
        Self::start(&[], 1)
    }

    /// As [`watch`](Self::watch), for who has an end to make: a second signal changes nothing, the
    /// third acts as usual. SIGUSR1 asks how it goes.
    ///
    /// # Errors
    /// As [`watch`](Self::watch).
    pub fn watch_live() -> Result<Self> {
        Self::start(&[Signal::SIGUSR1], 2)
    }

    /// As [`watch_live`](Self::watch_live), where who asks how it goes sends SIGQUIT, as to
    /// ping(8). Whoever passes on a Ctrl-C that the terminal sent to both sends the second one.
    ///
    /// # Errors
    /// As [`watch`](Self::watch).
    pub fn watch_quit() -> Result<Self> {
        Self::start(&[Signal::SIGQUIT], 2)
    }

    fn start(asking: &[Signal], patience: u32) -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| Error::usage("watching for signals", error);
        let mut ending = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            ending.add(signal);
        }
        let mut awaited = ending;
        awaited.extend(asking.iter().copied());
        let mut blocked = awaited;
        blocked.add(Signal::SIGXFSZ);
        blocked.thread_block().map_err(|error| failed(&error))?;
        let signals = Self {
            caught: Arc::default(),
            asked: Arc::default(),
            answered: 0,
        };
        let (caught, asked) = (Arc::clone(&signals.caught), Arc::clone(&signals.asked));
        std::thread::Builder::new()
            .spawn(move || {
                let mut left = patience;
                while let Ok(signal) = awaited.wait() {
                    if !ending.contains(signal) {
                        asked.fetch_add(1, Ordering::AcqRel);
                        continue;
                    }
                    let number = u8::try_from(signal as i32).unwrap_or(u8::MAX);
                    // The first one is the one that was heeded.
                    let _ = caught.compare_exchange(0, number, Ordering::AcqRel, Ordering::Acquire);
                    left = left.saturating_sub(1);
                    if left == 0 {
                        break;
                    }
                }
                // Only blocked signals wait; from now on they may act.
                let _ = ending.thread_unblock();
                loop {
                    std::thread::park();
                }
            })
            .map_err(|error| failed(&error))?;
        Ok(signals)
    }

    /// True once for each time that the signal that asks came, those that came together being one.
    pub fn asked(&mut self) -> bool {
        let asked = self.asked.load(Ordering::Acquire);
        std::mem::replace(&mut self.answered, asked) != asked
    }

    /// The number of the signal that came, if one did.
    #[must_use]
    pub fn interrupted(&self) -> Option<u8> {
        match self.caught.load(Ordering::Acquire) {
            0 => None,
            signal => Some(signal),
        }
    }
}
