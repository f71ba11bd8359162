//! From when to when, in 24 bytes: there is one in every conversation.
//!
//! Knows moments, and nothing of what happened at them.

use crate::wire::frame::Time;

/// Nanoseconds that no time has: nothing was seen yet.
const NEVER: u32 = u32::MAX;

/// The first and the last of some moments, in whatever order they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    first_seconds: i64,
    last_seconds: i64,
    first_nanoseconds: u32,
    last_nanoseconds: u32,
}

impl Default for Span {
    fn default() -> Self {
        Self {
            first_seconds: 0,
            last_seconds: 0,
            first_nanoseconds: NEVER,
            last_nanoseconds: NEVER,
        }
    }
}

impl Span {
    /// Makes it reach to `time`.
    #[inline]
    pub fn add(&mut self, time: Time) {
        if self.first().is_none_or(|first| time < first) {
            self.first_seconds = time.seconds;
            self.first_nanoseconds = time.nanoseconds;
        }
        if self.last().is_none_or(|last| time > last) {
            self.last_seconds = time.seconds;
            self.last_nanoseconds = time.nanoseconds;
        }
    }

    /// Makes it reach over another one.
    pub fn merge(&mut self, other: Self) {
        for time in [other.first(), other.last()].into_iter().flatten() {
            self.add(time);
        }
    }

    /// The earliest moment.
    #[inline]
    #[must_use]
    pub fn first(self) -> Option<Time> {
        (self.first_nanoseconds != NEVER).then_some(Time {
            seconds: self.first_seconds,
            nanoseconds: self.first_nanoseconds,
        })
    }

    /// The latest moment.
    #[inline]
    #[must_use]
    pub fn last(self) -> Option<Time> {
        (self.last_nanoseconds != NEVER).then_some(Time {
            seconds: self.last_seconds,
            nanoseconds: self.last_nanoseconds,
        })
    }

    /// Nanoseconds between the two; 0 where there is but one.
    #[must_use]
    pub fn nanoseconds(self) -> u128 {
        match (self.first(), self.last()) {
            (Some(first), Some(last)) => u128::try_from(last.since(first)).unwrap_or(0),
            _ => 0,
        }
    }
}
