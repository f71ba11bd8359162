//! Conversations between two IPv4 addresses, and what each address sent and received.
//!
//! Exact as long as there are no more of them than were allowed. Then each new one takes the place
//! of the one with the least to its name, and takes over its weight as what it may have said
//! before (space-saving: Metwally, Agrawal and El Abbadi 2005). All weights together are what was
//! said at all, so the least is at most the whole divided by the number of places: no figure is
//! short of more than that, and nobody who said more is missing. What was said in conversations
//! that made room is still counted for their addresses. Memory is fixed, whatever is sent.

use std::cmp::Reverse;

use super::counts::Volume;
use super::heap::Heap;
use super::span::Span;
use super::table::{Record, Table};
use super::{Measure, Passage};

/// Conversations, and addresses, that can be kept apart with less than 128 MiB.
pub const MOST: usize = 500_000;

/// What two addresses said to each other. Addresses are 32-bit numbers; `a` spoke first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conversation {
    /// Who spoke first.
    pub a: u32,
    /// The other one; the same where an address speaks to itself.
    pub b: u32,
    /// From `a` to `b`.
    pub ab: Volume,
    /// From `b` to `a`.
    pub ba: Volume,
    /// From when to when.
    pub span: Span,
}

/// What an address, a 32-bit number, sent and received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub address: u32,
    /// Sent.
    pub out: Volume,
    /// Received.
    pub into: Volume,
}

/// What is not listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Left {
    /// Packets and bytes of it.
    pub volume: Volume,
    /// The most, in the unit of the [`Measure`], that any one lacks, listed or not. At most all
    /// there is divided by the number of places; for addresses, at most four times that.
    pub short: u64,
}

/// A record that may have to make room.
trait Ranked: Record {
    fn volume(&self) -> Volume;
}

impl Conversation {
    /// Both directions together.
    #[must_use]
    pub fn volume(&self) -> Volume {
        let mut sum = self.ab;
        sum.add(self.ba);
        sum
    }
}

impl Endpoint {
    /// Sent and received together.
    #[must_use]
    pub fn volume(&self) -> Volume {
        let mut sum = self.out;
        sum.add(self.into);
        sum
    }
}

/// The key of two addresses in whatever order.
#[inline]
fn pair(a: u32, b: u32) -> u64 {
    u64::from(a.min(b)) << 32 | u64::from(a.max(b))
}

impl Record for Conversation {
    #[inline]
    fn key(&self) -> u64 {
        pair(self.a, self.b)
    }
}

impl Ranked for Conversation {
    fn volume(&self) -> Volume {
        Self::volume(self)
    }
}

impl Record for Endpoint {
    #[inline]
    fn key(&self) -> u64 {
        u64::from(self.address)
    }
}

impl Ranked for Endpoint {
    fn volume(&self) -> Volume {
        Self::volume(self)
    }
}

/// The heaviest first, and then by key.
fn rank<R: Ranked>(measure: Measure, record: &R) -> (Reverse<u64>, u64) {
    (Reverse(measure.of(record.volume())), record.key())
}

/// A table that never holds more than it may.
#[derive(Debug, Clone)]
struct Bounded<R> {
    table: Table<R>,
    measure: Measure,
    most: usize,
    /// What each record has to its name and what it has taken over, once the table is full.
    weights: Option<Heap>,
    left: Left,
}

impl<R: Ranked> Bounded<R> {
    fn new(seed: [u64; 2], measure: Measure, most: usize) -> Self {
        Self {
            table: Table::new(seed),
            measure,
            most: most.max(1),
            weights: None,
            left: Left::default(),
        }
    }

    /// Adds to the record of this key if there is one.
    #[inline]
    fn add(&mut self, key: u64, volume: Volume, add: impl FnOnce(&mut R)) -> bool {
        let Some(place) = self.table.find(key) else {
            return false;
        };
        if let Some(record) = self.table.at(place) {
            add(record);
        }
        if let Some(weights) = &mut self.weights {
            weights.add(place, self.measure.of(volume));
        }
        true
    }

    /// Adds a record whose key is not there yet; answers the one that makes room for it.
    fn insert(&mut self, record: R) -> Option<R> {
        if self.table.len() < self.most {
            self.table.insert(record);
            return None;
        }
        let measure = self.measure;
        let records = self.table.records();
        let weights = self
            .weights
            .get_or_insert_with(|| Heap::new(records.iter().map(|it| measure.of(it.volume()))));
        let (least, place) = weights.least()?;
        weights.add(place, measure.of(record.volume()));
        let gone = self.table.replace(place, record)?;
        self.left.volume.add(gone.volume());
        // The least never becomes less.
        self.left.short = least;
        Some(gone)
    }
}

/// Who spoke to whom.
#[derive(Debug, Clone)]
pub struct Flows {
    seed: [u64; 2],
    conversations: Bounded<Conversation>,
    /// What addresses said in conversations that are not kept any more.
    forgotten: Bounded<Endpoint>,
}

impl Flows {
    pub(super) fn new(seed: [u64; 2], measure: Measure, most: usize) -> Self {
        Self {
            seed,
            conversations: Bounded::new(seed, measure, most),
            forgotten: Bounded::new(seed, measure, most),
        }
    }

    #[inline]
    pub(super) fn add(&mut self, passage: &Passage) {
        let Passage {
            source,
            destination,
            bytes,
            time,
        } = *passage;
        let volume = Volume::of(bytes);
        let known = |known: &mut Conversation| {
            if known.a == source {
                known.ab.add(volume);
            } else {
                known.ba.add(volume);
            }
            if let Some(time) = time {
                known.span.add(time);
            }
        };
        if self
            .conversations
            .add(pair(source, destination), volume, known)
        {
            return;
        }
        let mut span = Span::default();
        if let Some(time) = time {
            span.add(time);
        }
        let conversation = Conversation {
            a: source,
            b: destination,
            ab: volume,
            ba: Volume::default(),
            span,
        };
        if let Some(gone) = self.conversations.insert(conversation) {
            both_ends(&mut self.forgotten, &gone);
        }
    }

    /// What each address sent and received, the heaviest first, and what is not listed.
    #[must_use]
    pub fn endpoints(&self) -> (Vec<Endpoint>, Left) {
        let (measure, most) = (self.conversations.measure, self.conversations.most);
        let mut endpoints = Bounded::new(self.seed, measure, most);
        for endpoint in self.forgotten.table.records() {
            let Endpoint { address, out, into } = *endpoint;
            passed(&mut endpoints, address, out, into);
        }
        for conversation in self.conversations.table.records() {
            both_ends(&mut endpoints, conversation);
        }
        let mut left = endpoints.left;
        left.volume.add(self.forgotten.left.volume);
        left.short = left.short.saturating_add(self.forgotten.left.short);
        // Where they are: there may be many.
        let mut records = endpoints.table.into_records();
        records.sort_unstable_by_key(|record| rank(measure, record));
        (records, left)
    }

    /// All conversations, the heaviest first, and what is not listed.
    #[must_use]
    pub fn conversations(&self) -> (Vec<&Conversation>, Left) {
        let conversations = &self.conversations;
        let mut records: Vec<&Conversation> = conversations.table.records().iter().collect();
        records.sort_unstable_by_key(|record| rank(conversations.measure, *record));
        (records, conversations.left)
    }

    /// How many of either can be listed.
    #[must_use]
    pub fn most(&self) -> usize {
        self.conversations.most
    }
}

/// Counts a conversation for its two addresses.
fn both_ends(endpoints: &mut Bounded<Endpoint>, conversation: &Conversation) {
    let Conversation { a, b, ab, ba, .. } = *conversation;
    passed(endpoints, a, ab, ba);
    passed(endpoints, b, ba, ab);
}

fn passed(endpoints: &mut Bounded<Endpoint>, address: u32, out: Volume, into: Volume) {
    let endpoint = Endpoint { address, out, into };
    let known = |known: &mut Endpoint| {
        known.out.add(out);
        known.into.add(into);
    };
    if !endpoints.add(endpoint.key(), endpoint.volume(), known) {
        endpoints.insert(endpoint);
    }
}
