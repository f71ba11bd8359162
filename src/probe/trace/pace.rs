//! When the next packet may leave. Knows times, not packets.

use std::collections::VecDeque;
use std::time::Duration;

use super::Pace;

/// The departures of the last stretch of time.
#[derive(Debug)]
pub(super) struct Pacer {
    pace: Pace,
    departures: VecDeque<Duration>,
}

impl Pacer {
    pub(super) fn new(pace: Pace) -> Self {
        Self {
            pace,
            departures: VecDeque::new(),
        }
    }

    /// The first moment at which a packet may leave; it may be past.
    pub(super) fn next(&self) -> Duration {
        match self.departures.front() {
            Some(&first) if self.departures.len() >= self.pace.packets as usize => {
                first.saturating_add(self.pace.per)
            }
            _ => Duration::ZERO,
        }
    }

    /// A packet leaves.
    pub(super) fn depart(&mut self, now: Duration) {
        if self.pace.packets == 0 {
            return;
        }
        if self.departures.len() >= self.pace.packets as usize {
            self.departures.pop_front();
        }
        self.departures.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lets go as many as it may in the first second, looking at every millisecond.
    fn departures(pace: Pace) -> Vec<u128> {
        let mut pacer = Pacer::new(pace);
        let mut times = Vec::new();
        for now in (0..1000).map(Duration::from_millis) {
            while pacer.next() <= now && times.len() < 100_000 {
                pacer.depart(now);
                times.push(now.as_millis());
            }
        }
        times
    }

    #[test]
    fn no_stretch_of_time_has_more_than_it_may() {
        let times = departures(Pace::ONE);
        assert_eq!(times.len(), 6400);
        assert!(
            times
                .iter()
                .zip(times.iter().skip(64))
                .all(|(from, to)| to - from >= 10)
        );
        assert_eq!(departures(Pace::per_second(1000)).len(), 1000);
        assert_eq!(departures(Pace::per_second(3)).len(), 3);
        assert_eq!(departures(Pace::per_second(200)).len(), 200);
        // It is looked at each millisecond only.
        assert!((140..=150).contains(&departures(Pace::per_second(150)).len()));
        assert_eq!(departures(Pace::per_second(0)).len(), 100_000);
    }
}
