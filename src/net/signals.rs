//! Signals as a flag that is looked at, so that whoever writes can finish what it began.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use nix::sys::signal::{SigSet, Signal};
use signal_hook::flag;

use crate::error::{Error, Result};

/// Watches for the signals that ask a program to end, or how it goes.
#[derive(Debug)]
pub struct Signals {
    /// The number of the last signal that asked for an end; 0 before there was one.
    caught: Arc<AtomicUsize>,
    /// Any that comes while this is set acts as usual.
    enough: Arc<AtomicBool>,
    /// One came that was not looked at, where so many more than one change nothing.
    pending: Arc<AtomicBool>,
    patience: AtomicU32,
    asked: Arc<AtomicBool>,
}

impl Signals {
    /// Starts watching for SIGINT, SIGTERM and SIGHUP, and keeps SIGXFSZ from killing: a write
    /// past RLIMIT_FSIZE then fails with EFBIG, which can be told to the user (setrlimit(2)).
    /// Call it before any other thread starts.
    ///
    /// After the first signal the others act as usual, so that a second Ctrl-C ends even a
    /// program that is stuck.
    ///
    /// # Errors
    /// When the signals cannot be watched.
    pub fn watch() -> Result<Self> {
        Self::start(&[], 0)
    }

    /// As [`watch`](Self::watch), for who has an end to make: a second signal changes nothing, the
    /// third acts as usual, once those before were looked at. SIGUSR1 asks how it goes.
    ///
    /// # Errors
    /// As [`watch`](Self::watch).
    pub fn watch_live() -> Result<Self> {
        Self::start(&[Signal::SIGUSR1], 1)
    }

    /// As [`watch_live`](Self::watch_live), where who asks how it goes sends SIGQUIT, as to
    /// ping(8). Whoever passes on a Ctrl-C that the terminal sent to both sends the second one.
    ///
    /// # Errors
    /// As [`watch`](Self::watch).
    pub fn watch_quit() -> Result<Self> {
        Self::start(&[Signal::SIGQUIT], 1)
    }

    fn start(asking: &[Signal], patience: u32) -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| Error::usage("watching for signals", error);
        let mut blocked = SigSet::empty();
        blocked.add(Signal::SIGXFSZ);
        blocked.thread_block().map_err(|error| failed(&error))?;
        let signals = Self {
            caught: Arc::default(),
            enough: Arc::default(),
            pending: Arc::default(),
            patience: AtomicU32::new(patience),
            asked: Arc::default(),
        };
        let first = if patience > 0 {
            &signals.pending
        } else {
            &signals.enough
        };
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            let ends = signals.end_at(signal, first);
            ends.map_err(|error| failed(&error))?;
        }
        for signal in asking {
            flag::register(*signal as i32, Arc::clone(&signals.asked))
                .map_err(|error| failed(&error))?;
        }
        Ok(signals)
    }

    /// The first such signal sets a flag.
    fn end_at(&self, signal: Signal, first: &Arc<AtomicBool>) -> std::io::Result<()> {
        let number = signal as i32;
        let value = usize::try_from(number).unwrap_or(usize::MAX);
        // In this order they are done when it comes.
        flag::register_conditional_default(number, Arc::clone(&self.enough))?;
        flag::register_usize(number, Arc::clone(&self.caught), value)?;
        flag::register(number, Arc::clone(first))?;
        Ok(())
    }

    /// True once for each time that the signal that asks came, those that came together being one.
    pub fn asked(&mut self) -> bool {
        self.asked.load(Ordering::Relaxed) && self.asked.swap(false, Ordering::AcqRel)
    }

    /// The number of the signal that came, if one did.
    #[must_use]
    pub fn interrupted(&self) -> Option<u8> {
        let caught = self.caught.load(Ordering::Acquire);
        if caught == 0 {
            return None;
        }
        let less = |patience: u32| patience.checked_sub(1);
        let order = Ordering::AcqRel;
        if self.pending.swap(false, order)
            && self
                .patience
                .fetch_update(order, Ordering::Acquire, less)
                .is_err()
        {
            self.enough.store(true, Ordering::Release);
        }
        Some(u8::try_from(caught).unwrap_or(u8::MAX))
    }
}
