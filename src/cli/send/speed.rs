//! How many and how fast: counts and lengths of time, in numbers that never overflow.

use std::time::Duration;

/// Packets, and packets a second, that nobody is asked about.
pub(super) const CAREFUL: u64 = 1_000;

/// A time in seconds, as a length of time.
pub(super) fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// So many times a length of time; what is longer than there is a word for is the longest.
pub(super) fn times(each: Duration, count: u64) -> Duration {
    let nanoseconds = each.as_nanos().saturating_mul(count.into());
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

/// How many a second that makes.
pub(super) fn per_second(count: u64, took: Duration) -> u128 {
    u128::from(count)
        .saturating_mul(Duration::from_secs(1).as_nanos())
        .checked_div(took.as_nanos())
        .unwrap_or(0)
}
