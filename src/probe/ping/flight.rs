//! The probes that were sent, by target and sequence number: those waited for, and the last ones
//! that no longer are, so that what comes late or twice is known for what it is.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use crate::probe::{ProbeId, Stamp};

/// So many probes are remembered after their end: as many as have a 16-bit sequence number of
/// their own.
const REMEMBERED: usize = 1 << 16;
/// Bits of a probe's number in its [`ProbeId`]; the target's index has the rest.
const NUMBER_BITS: u32 = 40;

/// What became of a probe so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Waiting,
    Answered,
    Lost,
    Failed,
}

/// A probe that was sent. Times are in nanoseconds of the run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flight {
    pub(super) number: u64,
    /// Which of all first attempts, for paces that follow the answers.
    pub(super) turn: u64,
    pub(super) sent: u64,
    pub(super) stamp: Option<Stamp>,
    pub(super) target: u32,
    /// The time of day in it, for ICMP timestamps.
    pub(super) asked: u32,
    pub(super) attempt: u32,
    pub(super) state: State,
    /// Whether the kernel was asked when it left.
    pub(super) stamped: bool,
}

impl Flight {
    pub(super) fn id(&self) -> ProbeId {
        id(self.target, self.number)
    }
}

fn id(target: u32, number: u64) -> ProbeId {
    (u64::from(target) << NUMBER_BITS) | (number & ((1 << NUMBER_BITS) - 1))
}

/// Spreads the table's keys. They are our own numbers: nothing from outside is ever inserted, so
/// nobody can make them collide.
#[derive(Debug, Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, key: u64) {
        // Places are the lowest bits and tags the highest: neighbours lie within 64 places of each
        // other, so that a flood's next probe is where the last ones were, with tags of their own.
        let block = (self.0 ^ (key >> 6)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = block ^ (block >> 32) ^ (key & 63) ^ (key << 58);
    }
}

/// The probes by target and sequence number.
#[derive(Debug)]
enum Table {
    /// Of one target: each has the place of its sequence number, so that a flood touches little
    /// memory, one probe beside the other.
    One(Vec<Option<Flight>>),
    /// Of many.
    Many {
        flights: HashMap<u64, Flight, BuildHasherDefault<Spread>>,
        /// Those no longer waited for, the oldest first.
        ended: VecDeque<ProbeId>,
    },
}

/// The table.
#[derive(Debug)]
pub(super) struct Flights {
    table: Table,
    /// When to give up which; entries of probes that ended sooner are dropped as they surface.
    deadlines: BinaryHeap<Reverse<(u64, ProbeId)>>,
    waiting: usize,
    sequence_bits: u32,
}

impl Flights {
    /// A table that has room for a probe to each of so many targets, within bounds.
    pub(super) fn new(sequence_bits: u32, targets: u32) -> Self {
        let room = REMEMBERED.min(targets as usize);
        let table = match targets {
            0 | 1 => Table::One(Vec::new()),
            _ => Table::Many {
                flights: HashMap::with_capacity_and_hasher(room, BuildHasherDefault::default()),
                ended: VecDeque::new(),
            },
        };
        Self {
            table,
            deadlines: BinaryHeap::new(),
            waiting: 0,
            sequence_bits: sequence_bits.min(16),
        }
    }

    fn key(&self, target: u32, number: u64) -> u64 {
        let mask = (1 << self.sequence_bits) - 1;
        (u64::from(target) << 16) | (number & mask)
    }

    /// How many are waited for.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    fn at(&self, key: u64) -> Option<&Flight> {
        match &self.table {
            Table::One(flights) => flights.get(usize::try_from(key).ok()?)?.as_ref(),
            Table::Many { flights, .. } => flights.get(&key),
        }
    }

    /// Whoever has the sequence number that probe `number` to `target` would have.
    pub(super) fn occupant(&self, target: u32, number: u64) -> Option<&Flight> {
        self.at(self.key(target, number))
    }

    pub(super) fn get(&self, target: u32, number: u64) -> Option<&Flight> {
        self.occupant(target, number)
            .filter(|flight| flight.number == number)
    }

    pub(super) fn by_id(&self, id: ProbeId) -> Option<&Flight> {
        self.at(self.key_of(id)).filter(|f| f.id() == id)
    }

    pub(super) fn by_id_mut(&mut self, id: ProbeId) -> Option<&mut Flight> {
        let key = self.key_of(id);
        let flight = match &mut self.table {
            Table::One(flights) => flights.get_mut(usize::try_from(key).ok()?)?.as_mut(),
            Table::Many { flights, .. } => flights.get_mut(&key),
        };
        flight.filter(|f| f.id() == id)
    }

    fn key_of(&self, id: ProbeId) -> u64 {
        self.key((id >> NUMBER_BITS) as u32, id)
    }

    /// Takes in a probe, in the place of an ended one that had its sequence number.
    pub(super) fn insert(&mut self, flight: Flight, deadline: Option<u64>) {
        if let Some(deadline) = deadline {
            self.deadlines.push(Reverse((deadline, flight.id())));
        }
        let key = self.key(flight.target, flight.number);
        match &mut self.table {
            Table::One(flights) => {
                let place = usize::try_from(key).unwrap_or(usize::MAX);
                // No further than sequence numbers go.
                if flights.len() <= place && place < REMEMBERED {
                    flights.resize(place + 1, None);
                }
                if let Some(room) = flights.get_mut(place) {
                    *room = Some(flight);
                }
            }
            Table::Many { flights, .. } => {
                flights.insert(key, flight);
            }
        }
        self.waiting += 1;
    }

    /// Ends a probe, or changes what became of it. Returns what it was before.
    pub(super) fn end(&mut self, id: ProbeId, state: State) -> Option<Flight> {
        let flight = self.by_id_mut(id)?;
        let before = *flight;
        flight.state = state;
        if before.state == State::Waiting {
            self.waiting = self.waiting.saturating_sub(1);
            self.forget_before(id);
        }
        Some(before)
    }

    /// Of many targets' probes, the one that ended the longest ago makes room for this one.
    fn forget_before(&mut self, id: ProbeId) {
        let Table::Many { ended, .. } = &mut self.table else {
            return;
        };
        ended.push_back(id);
        if ended.len() <= REMEMBERED {
            return;
        }
        let Some(oldest) = ended.pop_front() else {
            return;
        };
        let key = self.key_of(oldest);
        let is_there = self.by_id(oldest).is_some();
        if let Table::Many { flights, .. } = &mut self.table
            && is_there
        {
            flights.remove(&key);
        }
    }

    /// Until when the first of those waited for is waited for, as it was told.
    pub(super) fn first_deadline(&mut self) -> Option<(u64, ProbeId)> {
        while let Some(&Reverse((deadline, id))) = self.deadlines.peek() {
            if self.by_id(id).is_some_and(|f| f.state == State::Waiting) {
                return Some((deadline, id));
            }
            self.deadlines.pop();
        }
        None
    }

    /// Waits longer for the one of [`first_deadline`](Self::first_deadline).
    pub(super) fn postpone_first(&mut self, deadline: u64) {
        if let Some(Reverse((_, id))) = self.deadlines.pop() {
            self.deadlines.push(Reverse((deadline, id)));
        }
    }

    /// All that are waited for, by target and number.
    pub(super) fn all_waiting(&self) -> Vec<ProbeId> {
        let waiting = |flight: &&Flight| flight.state == State::Waiting;
        let mut ids: Vec<ProbeId> = match &self.table {
            Table::One(flights) => {
                let flights = flights.iter().flatten();
                flights.filter(waiting).map(Flight::id).collect()
            }
            Table::Many { flights, .. } => {
                let flights = flights.values();
                flights.filter(waiting).map(Flight::id).collect()
            }
        };
        ids.sort_unstable();
        ids
    }
}
