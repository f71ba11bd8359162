//! Deadlines on the monotonic clock: sleep while there is time, spin for the rest.
//!
//! Deadlines are counted from one start, so that lateness never adds up. Knows nothing of what is
//! done at them.

use std::hint::spin_loop;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A sleep may end this much late; what is left of the time after it is spun away. Sharpened
/// sleeps on an idle virtual machine end 33 microseconds late in the median, nine of ten within 50.
const SLACK: Duration = Duration::from_micros(80);
/// The longest single sleep, so that whoever waits can look around.
const NAP: Duration = Duration::from_millis(20);

/// Asks the kernel to end this thread's sleeps on time: by default it may be 50 microseconds late
/// to save wake-ups (PR_SET_TIMERSLACK(2const)). Must be called before the sandbox.
pub fn sharpen() {
    // Where it cannot be, more of the time is spun away.
    let _ = nix::sys::prctl::set_timerslack(1);
}

/// A clock that was started.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    start: Instant,
}

impl Pace {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// Since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Waits until `deadline` from the start, but for one nap at most; true when it has come.
    #[must_use]
    pub fn wait(&self, deadline: Duration) -> bool {
        let left = deadline.saturating_sub(self.elapsed());
        if left > NAP {
            sleep(NAP);
            return false;
        }
        if left > SLACK {
            sleep(left.saturating_sub(SLACK));
        }
        while self.elapsed() < deadline {
            spin_loop();
        }
        true
    }
}
