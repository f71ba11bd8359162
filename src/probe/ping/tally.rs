//! What became of the probes to one target. A sweep has millions of these: 16 bytes say
//! everything of a few probes with one answer at most, and only more than that costs more.

use std::net::Ipv4Addr;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::report::Summary;
use super::sums::{Sums, WINDOW};

/// A round trip that is not known.
const UNKNOWN: u64 = u64::MAX;

/// What became of the probes to one target.
#[derive(Debug)]
pub(super) enum Tally {
    /// Fewer probes than [`WINDOW`], one in-time answer at most, and nothing unusual.
    Few {
        transmitted: u8,
        failed: u8,
        waiting: u8,
        /// The number of the probe that was answered, from 1 on; 0 is none.
        answered: u8,
        /// Its round trip in nanoseconds.
        rtt: u64,
    },
    /// Anything else.
    Many(Box<Sums>),
}

impl Default for Tally {
    fn default() -> Self {
        Self::Few {
            transmitted: 0,
            failed: 0,
            waiting: 0,
            answered: 0,
            rtt: UNKNOWN,
        }
    }
}

/// What a few probes are in full.
fn spelled_out(transmitted: u8, failed: u8, waiting: u8, answered: u8, rtt: u64) -> Sums {
    let mut sums = Sums::of_few(transmitted, failed, waiting, answered);
    if rtt != UNKNOWN {
        sums.time(rtt);
    }
    sums
}

impl Tally {
    /// Something happens that 16 bytes do not hold.
    fn grow<T>(&mut self, happens: impl FnOnce(&mut Sums) -> T) -> T {
        match self {
            Self::Many(sums) => happens(sums),
            Self::Few {
                transmitted,
                failed,
                waiting,
                answered,
                rtt,
            } => {
                let sums = spelled_out(*transmitted, *failed, *waiting, *answered, *rtt);
                let mut sums = Box::new(sums);
                let result = happens(&mut sums);
                *self = Self::Many(sums);
                result
            }
        }
    }

    /// Probes sent so far, and by that the number of the last.
    pub(super) fn transmitted(&self) -> u64 {
        match self {
            Self::Few { transmitted, .. } => u64::from(*transmitted),
            Self::Many(sums) => sums.transmitted,
        }
    }

    /// A probe goes out; its number.
    pub(super) fn send(&mut self) -> u64 {
        match self {
            Self::Few {
                transmitted,
                waiting,
                ..
            } if u64::from(*transmitted) < WINDOW => {
                *transmitted += 1;
                *waiting = waiting.saturating_add(1);
                u64::from(*transmitted)
            }
            _ => self.grow(Sums::send),
        }
    }

    /// A probe is no longer waited for.
    pub(super) fn end(&mut self) {
        match self {
            Self::Few { waiting, .. } => *waiting = waiting.saturating_sub(1),
            Self::Many(sums) => sums.end(),
        }
    }

    /// The latest probe whose number has these lowest `bits`.
    pub(super) fn latest(&self, sequence: u64, bits: u32) -> Option<u64> {
        let mask = u64::MAX.checked_shr(u64::BITS.saturating_sub(bits))?;
        let back = self.transmitted().wrapping_sub(sequence) & mask;
        self.transmitted().checked_sub(back).filter(|&n| n > 0)
    }

    /// Whether a probe was answered; `None` when it was sent too long ago to know.
    pub(super) fn was_answered(&self, number: u64) -> Option<bool> {
        match self {
            Self::Few {
                transmitted,
                answered,
                ..
            } => {
                let sent = number <= u64::from(*transmitted);
                sent.then(|| number == u64::from(*answered))
            }
            Self::Many(sums) => sums.was_answered(number),
        }
    }

    /// A probe is answered, for the first time. True when a later one was before.
    pub(super) fn answer(&mut self, number: u64, late: bool) -> bool {
        if let Self::Few { answered, .. } = self
            && *answered == 0
            && !late
            && let Ok(number) = u8::try_from(number)
        {
            *answered = number;
            return false;
        }
        self.grow(|sums| sums.answer(number, late))
    }

    /// A late answer came to a probe that had failed: it counts as late alone.
    pub(super) fn revive(&mut self) {
        self.grow(Sums::revive);
    }

    pub(super) fn duplicate(&mut self) {
        self.grow(Sums::duplicate);
    }

    pub(super) fn corrupted(&mut self) {
        self.grow(Sums::corrupted);
    }

    /// An error that ended a probe, or one that did not.
    pub(super) fn error(&mut self, ended: bool) {
        match self {
            Self::Few { failed, .. } if ended => *failed = failed.saturating_add(1),
            _ => self.grow(|sums| sums.error(ended)),
        }
    }

    /// Answers in time and late.
    pub(super) fn answers(&self) -> u64 {
        match self {
            Self::Few { answered, .. } => u64::from(*answered > 0),
            Self::Many(sums) => sums.answers(),
        }
    }

    /// Takes in a round trip in nanoseconds.
    pub(super) fn time(&mut self, taken: u64) {
        match self {
            Self::Few { answered, rtt, .. } if *answered > 0 && *rtt == UNKNOWN => *rtt = taken,
            _ => self.grow(|sums| sums.time(taken)),
        }
    }

    /// The moving average of round trips, 0 when there are none.
    pub(super) fn moving(&self) -> u64 {
        match self {
            Self::Few { rtt, .. } if *rtt == UNKNOWN => 0,
            Self::Few { rtt, .. } => *rtt,
            Self::Many(sums) => sums.moving(),
        }
    }

    /// The sums.
    pub(super) fn summary(
        &self,
        target: (u32, Ipv4Addr),
        histogram: Option<&Histogram<u64>>,
        times: (Duration, Duration),
        pipe: u64,
    ) -> Summary {
        match self {
            Self::Few {
                transmitted,
                failed,
                waiting,
                answered,
                rtt,
            } => spelled_out(*transmitted, *failed, *waiting, *answered, *rtt)
                .summary(target, histogram, times, pipe),
            Self::Many(sums) => sums.summary(target, histogram, times, pipe),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;
    use proptest::prelude::*;

    /// What can happen to the probes of a target.
    #[derive(Debug, Clone, Copy)]
    enum Happens {
        Send,
        Answer { back: u64, late: bool, rtt: u64 },
        Error { ended: bool },
        Duplicate,
        Corrupted,
        End,
    }

    fn happens() -> impl Strategy<Value = Happens> {
        prop_oneof![
            4 => Just(Happens::Send),
            3 => (0u64..3, prop::bool::weighted(0.1), 1u64..1_000_000)
                .prop_map(|(back, late, rtt)| Happens::Answer { back, late, rtt }),
            1 => any::<bool>().prop_map(|ended| Happens::Error { ended }),
            1 => Just(Happens::Duplicate),
            1 => Just(Happens::Corrupted),
            2 => Just(Happens::End),
        ]
    }

    #[test]
    fn few_probes_take_16_bytes() {
        assert_eq!(size_of::<Tally>(), 16);
    }

    proptest! {
        /// The short form says what the long one does, whatever happens.
        #[test]
        fn few_are_counted_as_many_are(events in prop::collection::vec(happens(), 0..90)) {
            let mut short = Tally::default();
            let mut long = Tally::Many(Box::default());
            let summary = |tally: &Tally| {
                tally.summary((0, Ipv4Addr::LOCALHOST), None, Default::default(), 0)
            };
            for event in events {
                let [a, b] = [&mut short, &mut long].map(|tally| match event {
                    Happens::Send => tally.send(),
                    Happens::Answer { back, late, rtt } => {
                        let number = tally.transmitted().saturating_sub(back);
                        if number == 0 || tally.was_answered(number) != Some(false) {
                            return 0;
                        }
                        let reordered = tally.answer(number, late);
                        tally.time(rtt);
                        u64::from(reordered)
                    }
                    Happens::Error { ended } => {
                        tally.error(ended);
                        0
                    }
                    Happens::Duplicate => {
                        tally.duplicate();
                        0
                    }
                    Happens::Corrupted => {
                        tally.corrupted();
                        0
                    }
                    Happens::End => {
                        tally.end();
                        0
                    }
                });
                prop_assert_eq!(a, b);
                prop_assert_eq!(summary(&short), summary(&long));
                prop_assert_eq!(short.answers(), long.answers());
                for number in 1..=short.transmitted() {
                    if short.transmitted() - number < WINDOW {
                        prop_assert_eq!(short.was_answered(number), long.was_answered(number));
                    }
                }
            }
        }
    }
}
