//! How round trips are distributed, drawn for people: a histogram, and a line of the latest.

use std::collections::{BTreeMap, VecDeque};

use super::numbers::milliseconds;
use crate::cli::text::Text;

/// Bars of a histogram at most.
const BARS: u32 = 24;
/// The longest bar, in eighths of a cell.
const LONGEST: u64 = 50 * 8;
const EIGHTHS: [&str; 8] = ["▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"];
const HEIGHTS: [&str; 8] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// Round trips in the line of the latest.
const LATEST: usize = 60;

/// Counts of round trips in buckets of a 32nd of a power of two.
#[derive(Debug, Default)]
pub(super) struct Spread {
    buckets: BTreeMap<u32, u64>,
}

/// Buckets of a power of two.
const PARTS: u32 = 5;

fn bucket(nanoseconds: u64) -> u32 {
    let value = nanoseconds.max(1);
    let power = value.ilog2();
    let fine = value.checked_shl(63 - power).unwrap_or(0) >> (63 - PARTS);
    // The highest bit is always set, and says nothing more.
    (power << PARTS) | (fine & ((1 << PARTS) - 1)) as u32
}

/// The least value of a bucket.
fn least(bucket: u32) -> u64 {
    let (power, fine) = (bucket >> PARTS, u64::from(bucket & ((1 << PARTS) - 1)));
    let whole = (1_u64 << PARTS) | fine;
    if power >= PARTS {
        whole.checked_shl(power - PARTS).unwrap_or(u64::MAX)
    } else {
        whole >> (PARTS - power)
    }
}

impl Spread {
    /// Takes in a round trip.
    pub(super) fn take(&mut self, nanoseconds: u64) {
        *self.buckets.entry(bucket(nanoseconds)).or_insert(0) += 1;
    }

    /// Draws a bar for each range of times.
    pub(super) fn draw(&self, out: &mut Text) {
        let ends = (self.buckets.keys().next(), self.buckets.keys().next_back());
        let (Some(first), Some(last)) = ends else {
            return;
        };
        let width = (last - first) / BARS + 1;
        let mut bars: BTreeMap<u32, u64> = BTreeMap::new();
        for (bucket, count) in &self.buckets {
            *bars.entry((bucket - first) / width).or_insert(0) += count;
        }
        let most = bars.values().copied().max().unwrap_or(1).max(1);
        let digits = bars.values().map(|count| count.to_string().len()).max();
        let digits = digits.unwrap_or(1);
        // One decimal of a unit that leaves more before the point.
        let (unit, name) = if least(*last) < 10_000_000 {
            (100, "us")
        } else {
            (100_000, "ms")
        };
        for bar in 0..=(last - first) / width {
            let count = bars.get(&bar).copied().unwrap_or(0);
            let from = least(first + bar * width);
            let to = least(first + (bar + 1) * width);
            out.display(&format_args!(
                "{:>9}.{} to {:>6}.{} {name} {count:>digits$} ",
                from / unit / 10,
                from / unit % 10,
                to / unit / 10,
                to / unit % 10,
            ));
            let eighths = count.saturating_mul(LONGEST).div_ceil(most);
            for _ in 0..eighths / 8 {
                out.str("█");
            }
            if let Some(rest) = (eighths % 8).checked_sub(1)
                && let Some(part) = EIGHTHS.get(usize::try_from(rest).unwrap_or(0))
            {
                out.str(part);
            }
            out.push(b'\n');
        }
    }
}

/// The latest round trips as one line.
#[derive(Debug, Default)]
pub(super) struct Latest {
    /// Nanoseconds; none for a probe without an answer.
    times: VecDeque<Option<u64>>,
}

impl Latest {
    /// Takes in what became of a probe.
    pub(super) fn take(&mut self, time: Option<u64>) {
        if self.times.len() >= LATEST {
            self.times.pop_front();
        }
        self.times.push_back(time);
    }

    /// Draws the line, without its end.
    pub(super) fn draw(&self, out: &mut Text) {
        let known = || self.times.iter().flatten().copied();
        let (Some(least), Some(most)) = (known().min(), known().max()) else {
            return;
        };
        for time in &self.times {
            let Some(time) = time else {
                out.push(b'!');
                continue;
            };
            let height = (time - least).saturating_mul(7).checked_div(most - least);
            let height = usize::try_from(height.unwrap_or(0)).unwrap_or(7);
            out.str(HEIGHTS.get(height).copied().unwrap_or("█"));
        }
        out.push(b' ');
        milliseconds(out, least);
        out.str(" to ");
        milliseconds(out, most);
        out.str(" ms");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_bucket_holds_what_is_put_there(value in 1..u64::MAX) {
            let bucket = bucket(value);
            prop_assert!(least(bucket) <= value);
            // And no coarser than a 32nd.
            prop_assert!(value - least(bucket) <= value / 32);
        }
    }

    #[test]
    fn bars_are_as_long_as_their_counts() {
        let mut spread = Spread::default();
        for (time, count) in [(1_000_000, 4), (2_000_000, 1)] {
            (0..count).for_each(|_| spread.take(time));
        }
        let mut out = Text::default();
        spread.draw(&mut out);
        let drawn = out.into_string();
        let bar = |line: &str| line.chars().filter(|it| *it == '█').count();
        let bars: Vec<usize> = drawn.lines().map(bar).collect();
        assert_eq!(bars.iter().max(), Some(&50));
        assert_eq!(bars.iter().sum::<usize>(), 62, "{drawn}");
        assert!(drawn.lines().count() <= 25, "{drawn}");
    }

    #[test]
    fn the_latest_are_drawn_between_their_ends() {
        let mut latest = Latest::default();
        for time in [Some(1_000_000), None, Some(8_000_000), Some(4_500_000)] {
            latest.take(time);
        }
        let mut out = Text::default();
        latest.draw(&mut out);
        assert_eq!(out.into_string(), "▁!█▄ 1.000 to 8.000 ms");
    }
}
