//! The round trips of ping(8)'s last line: those of every answer, duplicates included.

/// Running sums of round trips in nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Times {
    count: u64,
    pub(super) min: u64,
    pub(super) max: u64,
    /// Welford's running mean and sum of squared differences.
    pub(super) mean: f64,
    squares: f64,
    /// A moving average in which the latest weighs an eighth.
    pub(super) ewma: f64,
}

#[expect(clippy::cast_precision_loss, reason = "averages of nanoseconds")]
impl Times {
    /// Takes in a round trip.
    pub(super) fn take(&mut self, nanoseconds: u64) {
        self.count = self.count.saturating_add(1);
        let time = nanoseconds as f64;
        if self.count == 1 {
            (self.min, self.max) = (nanoseconds, nanoseconds);
            (self.mean, self.ewma) = (time, time);
            return;
        }
        self.min = self.min.min(nanoseconds);
        self.max = self.max.max(nanoseconds);
        let off = time - self.mean;
        self.mean += off / self.count as f64;
        self.squares += off * (time - self.mean);
        self.ewma += (time - self.ewma) / 8.0;
    }

    /// True before the first.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The standard deviation of them all (ping's `mdev`).
    pub(super) fn deviation(&self) -> f64 {
        (self.squares / self.count.max(1) as f64).max(0.0).sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What ping(8) of iputils 20221126 said of 11.9, 8.89, 59.1, 0.164 and 0.177 ms, the third
    /// a duplicate: 0.164/16.049/59.086/22.021.
    #[test]
    fn the_sums_are_those_of_ping() {
        let mut times = Times::default();
        assert!(times.is_empty());
        for micros in [11_900, 8_890, 59_086, 164, 177] {
            times.take(micros * 1000);
        }
        assert_eq!((times.min, times.max), (164_000, 59_086_000));
        assert!((times.mean - 16_049_000.0).abs() < 10_000.0);
        assert!((times.deviation() - 22_021_000.0).abs() < 10_000.0);
    }
}
