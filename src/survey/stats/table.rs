//! A table of records by a 64-bit key that whoever chooses the keys cannot make slow.
//!
//! Records lie one behind the other and the slots that find them hold nothing but their places:
//! at most eight bytes a record, and one cache line of its own for a record of 64. Keys are hashed
//! with a seed that nobody outside knows.

/// What is kept in a table.
pub(super) trait Record {
    /// What tells records apart.
    fn key(&self) -> u64;
}

/// Records by their keys.
#[derive(Debug, Clone)]
pub(super) struct Table<R> {
    seed: [u64; 2],
    records: Vec<R>,
    /// Place of a record and one, or 0; twice as many as records at least, and a power of two.
    slots: Vec<u32>,
}

/// The slots to begin with.
const FEWEST: usize = 64;

impl<R: Record> Table<R> {
    pub(super) fn new(seed: [u64; 2]) -> Self {
        Self {
            seed,
            records: Vec::new(),
            slots: vec![0; FEWEST],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    pub(super) fn into_records(self) -> Vec<R> {
        self.records
    }

    pub(super) fn records(&self) -> &[R] {
        &self.records
    }

    /// The place of the record of this key, if there is one.
    #[inline]
    pub(super) fn find(&self, key: u64) -> Option<u32> {
        let slot = self.slot(key);
        self.slots.get(slot).copied().unwrap_or(0).checked_sub(1)
    }

    /// The record of a place.
    #[inline]
    pub(super) fn at(&mut self, place: u32) -> Option<&mut R> {
        self.records.get_mut(place as usize)
    }

    /// Adds a record whose key is not there yet.
    pub(super) fn insert(&mut self, record: R) {
        if (self.records.len() + 1) * 2 > self.slots.len() {
            self.spread(self.slots.len() * 2);
        }
        let slot = self.slot(record.key());
        self.records.push(record);
        if let Some(slot) = self.slots.get_mut(slot) {
            // Whoever fills a table stops far below 2^32 records.
            *slot = u32::try_from(self.records.len()).unwrap_or(0);
        }
    }

    /// Puts a record whose key is not there yet in the place of another one, which it answers.
    pub(super) fn replace(&mut self, place: u32, record: R) -> Option<R> {
        let key = record.key();
        let old = std::mem::replace(self.records.get_mut(place as usize)?, record);
        self.close(old.key(), place);
        let slot = self.slot(key);
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = place.saturating_add(1);
        }
        Some(old)
    }

    /// Empties the slot that notes `place` under this key, which is no record's any more, and moves
    /// back what was only further on because of it.
    fn close(&mut self, key: u64, place: u32) {
        let mask = self.slots.len().wrapping_sub(1);
        let noted = |slots: &[u32], slot: usize| slots.get(slot).copied().unwrap_or(0);
        let mut hole = self.home(key);
        while noted(&self.slots, hole) != place.saturating_add(1) {
            if noted(&self.slots, hole) == 0 {
                return;
            }
            hole = (hole + 1) & mask;
        }
        let mut slot = hole;
        loop {
            slot = (slot + 1) & mask;
            let next = noted(&self.slots, slot);
            let Some(record) = next.checked_sub(1) else {
                break;
            };
            let home = self.records.get(record as usize).map(Record::key);
            let home = home.map_or(slot, |key| self.home(key));
            // It may stand in the hole unless its search begins behind that.
            if slot.wrapping_sub(home) & mask >= slot.wrapping_sub(hole) & mask {
                if let Some(empty) = self.slots.get_mut(hole) {
                    *empty = next;
                }
                hole = slot;
            }
        }
        if let Some(empty) = self.slots.get_mut(hole) {
            *empty = 0;
        }
    }

    /// Where the search for this key begins.
    #[inline]
    fn home(&self, key: u64) -> usize {
        let mask = self.slots.len().wrapping_sub(1);
        // Both halves of a product of unknown factors: no bit of the key is without effect.
        let product = u128::from(key ^ self.seed[0]) * u128::from(self.seed[1] | 1);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
        let mixed = (product as u64) ^ ((product >> 64) as u64);
        #[expect(clippy::cast_possible_truncation, reason = "masked")]
        let home = mixed as usize & mask;
        home
    }

    /// Where the record of this key is noted, or would be.
    #[inline]
    fn slot(&self, key: u64) -> usize {
        let mask = self.slots.len().wrapping_sub(1);
        let mut slot = self.home(key);
        loop {
            let place = self.slots.get(slot).copied().unwrap_or(0);
            let Some(place) = place.checked_sub(1) else {
                return slot;
            };
            let found = self.records.get(place as usize);
            if found.is_none_or(|record| record.key() == key) {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Notes all records anew in so many slots.
    fn spread(&mut self, slots: usize) {
        self.slots.clear();
        self.slots.resize(slots, 0);
        for place in 0..self.records.len() {
            let Some(key) = self.records.get(place).map(Record::key) else {
                continue;
            };
            let slot = self.slot(key);
            if let Some(slot) = self.slots.get_mut(slot) {
                *slot = u32::try_from(place + 1).unwrap_or(0);
            }
        }
    }
}
