//! How much passed when: a bounded row of buckets that grow wider as time goes on.
//!
//! Buckets begin at whole multiples of their width, counted from 1970, and the width is the
//! smallest that fits; so the row is the same in whatever order its moments came.

use super::counts::Volume;
use crate::wire::frame::Time;

/// Buckets at most. When more would be needed, two become one until they fit.
pub const MOST_BUCKETS: usize = 256;

/// The width to begin with, in nanoseconds.
const NARROWEST: i64 = 1_000_000;

/// Packets and bytes over time.
#[derive(Debug, Clone)]
pub struct Rate {
    /// In nanoseconds; [`NARROWEST`] times a power of two.
    width: i64,
    /// Which multiple of the width the first bucket begins at.
    start: i64,
    buckets: Vec<Volume>,
    /// The bucket of the moment before, as nanoseconds since 1970, and its place.
    latest: (i64, usize),
}

impl Default for Rate {
    fn default() -> Self {
        Self {
            width: NARROWEST,
            start: 0,
            buckets: Vec::new(),
            latest: (0, usize::MAX),
        }
    }
}

impl Rate {
    pub(super) fn clear(&mut self) {
        let mut buckets = std::mem::take(&mut self.buckets);
        buckets.clear();
        *self = Self {
            buckets,
            ..Self::default()
        };
    }

    /// Adds a frame of so many bytes.
    #[inline]
    pub(super) fn add(&mut self, time: Time, bytes: u32) {
        // What lies before 1677 or behind 2262 is counted at that end.
        let moment = time
            .seconds
            .saturating_mul(1_000_000_000)
            .saturating_add(i64::from(time.nanoseconds));
        let volume = Volume::of(bytes);
        let (from, place) = self.latest;
        let within = moment.checked_sub(from);
        if within.is_some_and(|within| (0..self.width).contains(&within))
            && let Some(bucket) = self.buckets.get_mut(place)
        {
            bucket.add(volume);
            return;
        }
        self.put(moment.div_euclid(self.width), volume);
        let number = moment.div_euclid(self.width);
        let place = usize::try_from(number.saturating_sub(self.start)).unwrap_or(usize::MAX);
        self.latest = (number.saturating_mul(self.width), place);
    }

    /// Adds to the bucket of this number, which counts the width it was given in.
    fn put(&mut self, number: i64, volume: Volume) {
        let mut number = number;
        if self.buckets.is_empty() {
            self.start = number;
        }
        loop {
            let end = self.start.saturating_add(self.len());
            let (from, to) = (self.start.min(number), end.max(number.saturating_add(1)));
            let needed = to.saturating_sub(from);
            if usize::try_from(needed).is_ok_and(|needed| needed <= MOST_BUCKETS) {
                if number < self.start {
                    let before = usize::try_from(self.start - number).unwrap_or(0);
                    let empty = std::iter::repeat_n(Volume::default(), before);
                    self.buckets.splice(0..0, empty);
                    self.start = number;
                }
                let place = usize::try_from(number - self.start).unwrap_or(0);
                if place >= self.buckets.len() {
                    self.buckets
                        .resize(place.saturating_add(1), Volume::default());
                }
                if let Some(bucket) = self.buckets.get_mut(place) {
                    bucket.add(volume);
                }
                return;
            }
            self.widen();
            number = number.div_euclid(2);
        }
    }

    fn len(&self) -> i64 {
        // At most MOST_BUCKETS.
        i64::try_from(self.buckets.len()).unwrap_or(i64::MAX)
    }

    /// Buckets twice as wide.
    fn widen(&mut self) {
        let start = self.start.div_euclid(2);
        // The first bucket may be the second half of a wider one.
        let odd = usize::from(self.start.rem_euclid(2) == 1);
        let wider = (self.buckets.len() + odd).div_ceil(2);
        let mut buckets = vec![Volume::default(); wider];
        for (place, volume) in (odd..).zip(&self.buckets) {
            if let Some(bucket) = buckets.get_mut(place / 2) {
                bucket.add(*volume);
            }
        }
        self.start = start;
        self.buckets = buckets;
        self.width = self.width.saturating_mul(2);
        self.latest = (0, usize::MAX);
    }

    pub(super) fn merge(&mut self, other: &Self) {
        if other.buckets.is_empty() {
            return;
        }
        while self.width < other.width {
            self.widen();
        }
        for (offset, volume) in (0..).zip(&other.buckets) {
            if *volume == Volume::default() {
                continue;
            }
            let moment = other
                .start
                .saturating_add(offset)
                .saturating_mul(other.width);
            self.put(moment.div_euclid(self.width), *volume);
        }
        self.latest = (0, usize::MAX);
    }

    /// The width of a bucket, in nanoseconds.
    #[must_use]
    pub fn width(&self) -> u64 {
        self.width.unsigned_abs()
    }

    /// When each bucket begins, and what passed in it; there are no gaps.
    pub fn buckets(&self) -> impl Iterator<Item = (Time, Volume)> {
        (self.start..).zip(&self.buckets).map(|(number, volume)| {
            let moment = number.saturating_mul(self.width);
            let time = Time {
                seconds: moment.div_euclid(1_000_000_000),
                nanoseconds: u32::try_from(moment.rem_euclid(1_000_000_000)).unwrap_or(0),
            };
            (time, *volume)
        })
    }
}
