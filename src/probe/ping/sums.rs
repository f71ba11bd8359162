//! The sums for one target of many probes, in full.

use std::net::Ipv4Addr;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::report::{RoundTrips, Summary};

/// So many of the last probes are known to be answered or not, after they were forgotten.
pub(super) const WINDOW: u64 = 64;

/// What most targets have none of.
#[derive(Debug, Default)]
struct Rare {
    late: u64,
    duplicates: u64,
    corrupted: u64,
    reordered: u64,
    /// Errors beyond those that ended a probe.
    more_errors: u64,
}

/// What became of the probes to one target.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) transmitted: u64,
    received: u64,
    failed: u64,
    /// Bit n: probe `transmitted - n` was answered.
    answered: u64,
    /// The highest number that was answered.
    highest: u64,
    /// Round trips taken in.
    samples: u64,
    min: u64,
    max: u64,
    /// Welford's running mean and sum of squared differences.
    mean: f64,
    squares: f64,
    last: u64,
    jitter: f32,
    ewma: f32,
    waiting: u32,
    rare: Option<Box<Rare>>,
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "averages of nanoseconds"
)]
impl Sums {
    /// What is known of a few probes: so many sent, refused and waited for, and which one was
    /// answered, 0 for none.
    pub(super) fn of_few(transmitted: u8, failed: u8, waiting: u8, answered: u8) -> Self {
        let age = transmitted.saturating_sub(answered);
        let known = answered > 0;
        Self {
            transmitted: u64::from(transmitted),
            received: u64::from(known),
            failed: u64::from(failed),
            answered: u64::from(known).checked_shl(u32::from(age)).unwrap_or(0),
            highest: u64::from(answered),
            waiting: u32::from(waiting),
            ..Self::default()
        }
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// A probe goes out; its number.
    pub(super) fn send(&mut self) -> u64 {
        self.transmitted = self.transmitted.saturating_add(1);
        self.answered <<= 1;
        self.waiting = self.waiting.saturating_add(1);
        self.transmitted
    }

    /// A probe is no longer waited for.
    pub(super) fn end(&mut self) {
        self.waiting = self.waiting.saturating_sub(1);
    }

    /// Whether a probe was answered; `None` when it was sent too long ago to know.
    pub(super) fn was_answered(&self, number: u64) -> Option<bool> {
        let age = self.transmitted.checked_sub(number)?;
        (age < WINDOW).then(|| (self.answered >> age) & 1 == 1)
    }

    /// Whether one of the last three probes that have ended was answered.
    fn answered_lately(&self) -> bool {
        // Those that are waited for are the latest, nearly always.
        let ended = u64::from(self.waiting).saturating_add(3).min(WINDOW - 1);
        self.answered & ((1 << ended) - 1) != 0
    }

    /// A probe is answered, for the first time. True when a later one was before.
    pub(super) fn answer(&mut self, number: u64, late: bool) -> bool {
        if let Some(age) = self.transmitted.checked_sub(number)
            && age < WINDOW
        {
            self.answered |= 1 << age;
        }
        if late {
            self.rare().late += 1;
        } else {
            self.received += 1;
        }
        let reordered = number < self.highest;
        if reordered {
            self.rare().reordered += 1;
        }
        self.highest = self.highest.max(number);
        reordered
    }

    /// A late answer came to a probe that had failed: it counts as late alone.
    pub(super) fn revive(&mut self) {
        self.failed = self.failed.saturating_sub(1);
        self.rare().more_errors += 1;
    }

    pub(super) fn duplicate(&mut self) {
        self.rare().duplicates += 1;
    }

    pub(super) fn corrupted(&mut self) {
        self.rare().corrupted += 1;
    }

    /// An error that ended a probe, or one that did not.
    pub(super) fn error(&mut self, ended: bool) {
        if ended {
            self.failed = self.failed.saturating_add(1);
        } else {
            self.rare().more_errors += 1;
        }
    }

    /// Answers in time and late.
    pub(super) fn answers(&self) -> u64 {
        let late = self.rare.as_deref().map_or(0, |rare| rare.late);
        self.received.saturating_add(late)
    }

    /// Takes in a round trip in nanoseconds.
    pub(super) fn time(&mut self, rtt: u64) {
        self.samples = self.samples.saturating_add(1);
        let x = rtt as f64;
        if self.samples == 1 {
            (self.min, self.max, self.mean) = (rtt, rtt, x);
            self.ewma = x as f32;
        } else {
            self.min = self.min.min(rtt);
            self.max = self.max.max(rtt);
            let off = x - self.mean;
            self.mean += off / self.samples as f64;
            self.squares += off * (x - self.mean);
            // RFC 3550 section 6.4.1: the difference of transits is that of round trips here.
            let difference = self.last.abs_diff(rtt) as f32;
            self.jitter += (difference - self.jitter) / 16.0;
            self.ewma += (x as f32 - self.ewma) / 8.0;
        }
        self.last = rtt;
    }

    /// The moving average of round trips, 0 when there are none.
    pub(super) fn moving(&self) -> u64 {
        self.ewma as u64
    }

    /// The sums.
    pub(super) fn summary(
        &self,
        (index, target): (u32, Ipv4Addr),
        histogram: Option<&Histogram<u64>>,
        (elapsed, sending): (Duration, Duration),
        pipe: u64,
    ) -> Summary {
        let none = Rare::default();
        let rare = self.rare.as_deref().unwrap_or(&none);
        let ended = [
            self.received,
            rare.late,
            self.failed,
            u64::from(self.waiting),
        ];
        let samples = self.samples;
        let percentile = |histogram: &Histogram<u64>, quantile| {
            let value = histogram.value_at_quantile(quantile);
            // A bucket's upper end may lie above all that is in it.
            value.max(self.min).min(self.max)
        };
        Summary {
            target,
            index,
            transmitted: self.transmitted,
            received: self.received,
            late: rare.late,
            failed: self.failed,
            lost: ended
                .into_iter()
                .fold(self.transmitted, u64::saturating_sub),
            waiting: u64::from(self.waiting),
            recent: self.answered_lately(),
            duplicates: rare.duplicates,
            corrupted: rare.corrupted,
            reordered: rare.reordered,
            errors: self.failed.saturating_add(rare.more_errors),
            rtt: (samples > 0).then(|| RoundTrips {
                min: self.min,
                mean: self.mean,
                max: self.max,
                stddev: (self.squares / samples as f64).max(0.0).sqrt(),
                jitter: f64::from(self.jitter),
                ewma: f64::from(self.ewma),
                percentiles: match samples {
                    // One or two tell their own, by nearest rank.
                    1 | 2 => Some([self.min, self.max, self.max]),
                    _ => histogram
                        .filter(|histogram| !histogram.is_empty())
                        .map(|h| [0.5, 0.9, 0.99].map(|quantile| percentile(h, quantile))),
                },
            }),
            elapsed,
            sending,
            pipe,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn percentiles(rtts: &[u64]) -> Option<[u64; 3]> {
        let mut sums = Sums::default();
        for rtt in rtts {
            sums.time(*rtt);
        }
        let target = (0, Ipv4Addr::LOCALHOST);
        let summary = sums.summary(target, None, Default::default(), 0);
        summary.rtt.and_then(|rtt| rtt.percentiles)
    }

    #[test]
    fn who_falls_silent_is_no_longer_up() {
        let mut sums = Sums::default();
        let recent = |sums: &Sums| {
            let target = (0, Ipv4Addr::LOCALHOST);
            sums.summary(target, None, Default::default(), 0).recent
        };
        assert!(!recent(&sums));
        let first = sums.send();
        assert!(!recent(&sums));
        sums.answer(first, false);
        sums.end();
        assert!(recent(&sums));
        for silent in 1..=4 {
            sums.send();
            // What is waited for says nothing yet.
            assert_eq!(recent(&sums), silent <= 3, "{silent}");
            sums.end();
            assert_eq!(recent(&sums), silent < 3, "{silent}");
        }
        for _ in 0..100 {
            sums.send();
        }
        assert!(!recent(&sums));
        sums.answer(100, false);
        assert!(recent(&sums));
    }

    /// By nearest rank: of n the one at ceil(n * q).
    #[test]
    fn one_or_two_round_trips_need_no_histogram() {
        assert_eq!(percentiles(&[]), None);
        assert_eq!(percentiles(&[7]), Some([7, 7, 7]));
        assert_eq!(percentiles(&[9, 7]), Some([7, 9, 9]));
        assert_eq!(percentiles(&[9, 7, 8]), None);
    }
}
