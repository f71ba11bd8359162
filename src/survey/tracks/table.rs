//! A table of fixed size: what is new takes the place of what was entered longest ago.
//!
//! Whoever chooses the keys cannot make it slow, as they are hashed with a seed that nobody outside
//! knows; and who makes room never depends on that seed. Storage is taken once; the kernel gives
//! it when it is first used. What is kept is not its business, only when that was last of use.

use super::passing::{Nanoseconds, apart, fold};

/// What is kept in a table.
pub(super) trait Dated {
    /// When it was last seen.
    fn last(&self) -> Nanoseconds;
}

#[derive(Debug)]
struct Entry<V> {
    key: u128,
    /// The place of the next entry of the same row and one, or 0.
    next: u32,
    value: V,
}

/// Values by their keys.
#[derive(Debug)]
pub(super) struct Table<V> {
    seed: [u64; 2],
    /// The first entry of each row: its place and one, or 0. A power of two of them.
    rows: Vec<u32>,
    entries: Vec<Entry<V>>,
    capacity: usize,
    /// The place of what was entered longest ago, once all are taken.
    oldest: usize,
    /// For how long a value is of use, in nanoseconds.
    life: u64,
    forgotten: u64,
    /// When a value that was still of use was last forgotten.
    blind: Option<Nanoseconds>,
}

impl<V: Dated> Table<V> {
    /// An empty table for so many values, each of use for `life` nanoseconds.
    pub(super) fn new(seed: [u64; 2], capacity: u32, life: u64) -> Self {
        let capacity = capacity.max(1) as usize;
        Self {
            seed,
            rows: vec![0; capacity.next_power_of_two()],
            entries: Vec::with_capacity(capacity),
            capacity,
            oldest: 0,
            life,
            forgotten: 0,
            blind: None,
        }
    }

    /// The value of this key, if there is one.
    #[inline]
    pub(super) fn get(&mut self, key: u128) -> Option<&mut V> {
        let place = self.find(key)?;
        self.entries.get_mut(place).map(|entry| &mut entry.value)
    }

    /// Enters a value whose key is not there yet.
    pub(super) fn insert(&mut self, key: u128, value: V, now: Nanoseconds) {
        let row = self.row(key);
        let place = if self.entries.len() < self.capacity {
            self.entries.len()
        } else {
            let place = self.oldest;
            self.oldest = (place + 1) % self.capacity;
            self.unlink(place, now);
            place
        };
        let Some(first) = self.rows.get_mut(row) else {
            return;
        };
        let entry = Entry {
            key,
            next: *first,
            value,
        };
        *first = u32::try_from(place + 1).unwrap_or(0);
        match self.entries.get_mut(place) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }

    /// How many values were forgotten while they were still of use.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Whether what is not there now has not been there: nothing of use was forgotten lately.
    pub(super) fn is_sure(&self, now: Nanoseconds) -> bool {
        self.blind.is_none_or(|blind| apart(blind, now) > self.life)
    }

    #[inline]
    fn find(&self, key: u128) -> Option<usize> {
        let mut link = *self.rows.get(self.row(key))?;
        while let Some(place) = link.checked_sub(1) {
            let entry = self.entries.get(place as usize)?;
            if entry.key == key {
                return Some(place as usize);
            }
            link = entry.next;
        }
        None
    }

    #[inline]
    fn row(&self, key: u128) -> usize {
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        let (low, high) = (key as u64, (key >> 64) as u64);
        let mixed = fold(
            fold(low ^ self.seed[0], self.seed[1] | 1) ^ high,
            self.seed[0] | 1,
        );
        #[expect(clippy::cast_possible_truncation, reason = "the lower bits are wanted")]
        let place = mixed as usize;
        place & self.rows.len().wrapping_sub(1)
    }

    /// Takes the entry of this place out of its row.
    fn unlink(&mut self, place: usize, now: Nanoseconds) {
        let Some(old) = self.entries.get(place) else {
            return;
        };
        if apart(old.value.last(), now) <= self.life {
            self.forgotten += 1;
            self.blind = Some(now);
        }
        let (row, next) = (self.row(old.key), old.next);
        let wanted = u32::try_from(place + 1).unwrap_or(0);
        let Some(first) = self.rows.get_mut(row) else {
            return;
        };
        if *first == wanted {
            *first = next;
            return;
        }
        let mut link = *first;
        while let Some(before) = link.checked_sub(1) {
            let Some(entry) = self.entries.get_mut(before as usize) else {
                return;
            };
            if entry.next == wanted {
                entry.next = next;
                return;
            }
            link = entry.next;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Dot(i64);

    impl Dated for Dot {
        fn last(&self) -> Nanoseconds {
            self.0
        }
    }

    #[test]
    fn what_was_entered_first_makes_room() {
        let mut table = Table::new([1, 2], 3, 10);
        for key in 0..5_u128 {
            table.insert(key, Dot(i64::try_from(key).unwrap()), 4);
        }
        assert!(table.get(0).is_none() && table.get(1).is_none());
        assert_eq!(table.get(2), Some(&mut Dot(2)));
        assert_eq!(table.forgotten(), 2);
        assert!(!table.is_sure(14) && table.is_sure(15));
    }

    #[test]
    fn what_is_past_use_is_not_missed() {
        let mut table = Table::new([1, 2], 1, 10);
        table.insert(1, Dot(0), 0);
        table.insert(2, Dot(11), 11);
        assert_eq!(table.forgotten(), 0);
        assert!(table.is_sure(11));
    }

    proptest! {
        /// The same as a queue that is searched from end to end.
        #[test]
        fn it_is_a_queue_with_a_short_cut(
            keys in proptest::collection::vec(0..40_u128, 0..400),
            capacity in 1..20_u32,
            seed in any::<[u64; 2]>(),
        ) {
            let mut table = Table::new(seed, capacity, 0);
            let mut queue: VecDeque<u128> = VecDeque::new();
            for key in keys {
                prop_assert_eq!(table.get(key).is_some(), queue.contains(&key));
                if !queue.contains(&key) {
                    table.insert(key, Dot(0), 1);
                    queue.push_back(key);
                    if queue.len() > capacity as usize {
                        queue.pop_front();
                    }
                }
            }
        }
    }
}
