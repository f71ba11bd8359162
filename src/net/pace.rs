//! Deadlines on the monotonic clock: sleep while there is time, spin for the rest.
//!
//! Deadlines are counted from one start, so that lateness never adds up. Knows nothing of what is
//! done at them.

use std::hint::spin_loop;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::wire::frame::Time;

/// A sleep may end this much late; what is left of the time after it is spun away.
const SLACK: Duration = Duration::from_micros(120);
/// The longest single sleep, so that whoever waits can look around.
const NAP: Duration = Duration::from_millis(20);

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

/// What the clock on the wall says; 1970 if it is set to before.
#[must_use]
pub fn wall() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: since.subsec_nanos(),
    }
}
