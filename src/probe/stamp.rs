//! Time stamps of the kernel, and what a round trip took.
//!
//! A stamp's clock may step, and one of the network card need not agree with any other; the
//! run's own clock never steps. So two stamps are believed as far as that clock allows.

use std::time::Duration;

/// Whose clock something was timed with, the better one first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The network card's.
    Hardware,
    /// The kernel's, read as the packet passed.
    Kernel,
    /// This program's own, read around its system calls.
    User,
}

impl Source {
    /// The word for it in the output.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hardware => "hardware",
            Self::Kernel => "kernel",
            Self::User => "user",
        }
    }
}

/// A moment on the kernel's or the card's clock. Never compared with the time of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Nanoseconds since the epoch of that clock.
    pub nanoseconds: i64,
    /// Which clock; never [`Source::User`].
    pub source: Source,
}

/// How long an answer took, and who timed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rtt {
    /// Nanoseconds.
    pub nanoseconds: u64,
    /// The clock that both ends were read from.
    pub source: Source,
}

impl Rtt {
    /// From the time a probe was handed over and the time its answer was seen, both of the run's
    /// clock, and from the two stamps if there are two of one clock. Stamps that say more than
    /// the run's clock allows, or less than nothing, come from a clock that stepped.
    #[must_use]
    pub fn between(
        sent: Duration,
        sent_stamp: Option<Stamp>,
        seen: Duration,
        seen_stamp: Option<Stamp>,
    ) -> Self {
        let outer = u64::try_from(seen.saturating_sub(sent).as_nanos()).unwrap_or(u64::MAX);
        if let (Some(from), Some(to)) = (sent_stamp, seen_stamp)
            && from.source == to.source
            && let Some(inner) = to.nanoseconds.checked_sub(from.nanoseconds)
            && let Ok(nanoseconds) = u64::try_from(inner)
            && nanoseconds <= outer
        {
            return Self {
                nanoseconds,
                source: from.source,
            };
        }
        Self {
            nanoseconds: outer,
            source: Source::User,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanoseconds: i64, source: Source) -> Stamp {
        Stamp {
            nanoseconds,
            source,
        }
    }

    #[test]
    fn two_stamps_inside_the_interval_are_believed() {
        let (sent, seen) = (Duration::from_nanos(100), Duration::from_nanos(5_100));
        let kernel = |nanoseconds| Some(at(nanoseconds, Source::Kernel));
        let rtt = |from, to| {
            let rtt = Rtt::between(sent, from, seen, to);
            (rtt.nanoseconds, rtt.source)
        };
        assert_eq!(rtt(kernel(7_000), kernel(11_200)), (4_200, Source::Kernel));
        // One stamp, none, or two clocks.
        assert_eq!(rtt(None, kernel(11_200)), (5_000, Source::User));
        assert_eq!(rtt(None, None), (5_000, Source::User));
        let hardware = Some(at(11_200, Source::Hardware));
        assert_eq!(rtt(kernel(7_000), hardware), (5_000, Source::User));
        // The clock stepped forwards, backwards, or over the end.
        assert_eq!(rtt(kernel(7_000), kernel(12_001)), (5_000, Source::User));
        assert_eq!(rtt(kernel(7_000), kernel(6_999)), (5_000, Source::User));
        assert_eq!(rtt(kernel(i64::MIN), kernel(1)), (5_000, Source::User));
    }
}
