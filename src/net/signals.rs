//! Signals as a flag that is looked at, so that whoever writes can finish what it began.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use nix::sys::signal::{SigSet, Signal};

use crate::error::{Error, Result};

/// Watches for the signals that ask a program to end.
#[derive(Debug)]
pub struct Signals {
    caught: Arc<AtomicU8>,
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
        let failed = |error: &dyn std::fmt::Display| Error::usage("watching for signals", error);
        let mut ending = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
            ending.add(signal);
        }
        let mut blocked = ending;
        blocked.add(Signal::SIGXFSZ);
        blocked.thread_block().map_err(|error| failed(&error))?;
        let caught = Arc::new(AtomicU8::new(0));
        let flag = Arc::clone(&caught);
        std::thread::Builder::new()
            .spawn(move || {
                if let Ok(signal) = ending.wait() {
                    flag.store(
                        u8::try_from(signal as i32).unwrap_or(u8::MAX),
                        Ordering::Release,
                    );
                    // Only blocked signals wait; from now on they may act.
                    let _ = ending.thread_unblock();
                    std::thread::park();
                }
            })
            .map_err(|error| failed(&error))?;
        Ok(Self { caught })
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
