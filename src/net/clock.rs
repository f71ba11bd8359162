//! The two clocks: the one on the wall, and the one that only goes forward.
//!
//! Everything outside this room is told the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::wire::frame::Time;

/// The time of day, which whoever may can set.
#[must_use]
pub fn wall() -> Time {
    let now = SystemTime::now();
    let (seconds, nanoseconds) = match now.duration_since(UNIX_EPOCH) {
        Ok(since) => (i64::try_from(since.as_secs()), since.subsec_nanos()),
        // Before 1970 nobody needs the fraction.
        Err(before) => (i64::try_from(before.duration().as_secs()).map(|it| -it), 0),
    };
    Time {
        seconds: seconds.unwrap_or(0),
        nanoseconds,
    }
}

/// Time that has passed.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// How long ago it was started.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}
