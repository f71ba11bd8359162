//! Conversations between two IPv4 addresses, and what each address sent and received.
//!
//! Exact up to [`MOST`] conversations. When there are more, the half with the least to say makes
//! room: what they said is still counted for their addresses, and how much any conversation that
//! is listed may be short of is known (Misra and Gries 1982, halving as Karp, Shenker and
//! Papadimitriou 2003). So memory is bounded whatever is sent, and nobody who talks much is
//! missed.

use super::counts::Volume;
use super::span::Span;
use super::table::{Record, Table};
use super::{Measure, Passage};

/// Conversations, and addresses, that are kept apart.
pub const MOST: usize = 900_000;

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
    /// The most, in the unit of the [`Measure`], that any one lacks, listed or not.
    pub short: u64,
}

/// A record that may have to make room.
trait Ranked: Record {
    fn volume(&self) -> Volume;

    fn weight(&self, measure: Measure) -> u64 {
        match measure {
            Measure::Packets => self.volume().packets,
            Measure::Bytes => self.volume().bytes,
        }
    }
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

/// A table that never holds more than it may.
#[derive(Debug)]
struct Bounded<R> {
    table: Table<R>,
    measure: Measure,
    most: usize,
    left: Left,
}

impl<R: Ranked> Bounded<R> {
    fn new(seed: [u64; 2], measure: Measure, most: usize) -> Self {
        Self {
            table: Table::new(seed),
            measure,
            most: most.max(1),
            left: Left::default(),
        }
    }

    /// Adds a record whose key is not there yet; those that have to make room for it go to `take`.
    fn insert(&mut self, record: R, take: impl FnMut(R)) {
        if self.table.len() >= self.most {
            self.make_room(take);
        }
        self.table.insert(record);
    }

    /// Lets go of all whose weight is not above the median: half of them at least.
    #[cold]
    fn make_room(&mut self, mut take: impl FnMut(R)) {
        let measure = self.measure;
        let records = self.table.records().iter();
        let mut weights: Vec<u64> = records.map(|record| record.weight(measure)).collect();
        let middle = weights.len() / 2;
        let (_, median, _) = weights.select_nth_unstable(middle);
        let median = *median;
        drop(weights);
        let left = &mut self.left.volume;
        self.table.take_out(
            |record| record.weight(measure) <= median,
            |record| {
                left.add(record.volume());
                take(record);
            },
        );
        self.left.short = self.left.short.saturating_add(median);
    }

    /// All records, the heaviest first, and then by key.
    fn ranked(self) -> (Vec<R>, Left) {
        let measure = self.measure;
        let mut records = self.table.into_records();
        records.sort_unstable_by_key(|record| {
            (std::cmp::Reverse(record.weight(measure)), record.key())
        });
        (records, self.left)
    }
}

/// Who spoke to whom.
#[derive(Debug)]
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
        if let Some(known) = self.conversations.table.get(pair(source, destination)) {
            if known.a == source {
                known.ab.add(volume);
            } else {
                known.ba.add(volume);
            }
            if let Some(time) = time {
                known.span.add(time);
            }
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
        let forgotten = &mut self.forgotten;
        self.conversations
            .insert(conversation, |gone| both_ends(forgotten, &gone));
    }

    /// What each address sent and received, the heaviest first, and what is not listed.
    #[must_use]
    pub fn endpoints(&self) -> (Vec<Endpoint>, Left) {
        let (measure, most) = (self.conversations.measure, self.conversations.most);
        let mut endpoints = Bounded::new(self.seed, measure, most);
        endpoints.left = self.forgotten.left;
        for endpoint in self.forgotten.table.records() {
            passed(
                &mut endpoints,
                endpoint.address,
                endpoint.out,
                endpoint.into,
            );
        }
        for conversation in self.conversations.table.records() {
            both_ends(&mut endpoints, conversation);
        }
        endpoints.ranked()
    }

    /// All conversations, the heaviest first, and what is not listed.
    #[must_use]
    pub fn conversations(self) -> (Vec<Conversation>, Left) {
        self.conversations.ranked()
    }
}

/// Counts a conversation for its two addresses.
fn both_ends(endpoints: &mut Bounded<Endpoint>, conversation: &Conversation) {
    let Conversation { a, b, ab, ba, .. } = *conversation;
    passed(endpoints, a, ab, ba);
    passed(endpoints, b, ba, ab);
}

fn passed(endpoints: &mut Bounded<Endpoint>, address: u32, out: Volume, into: Volume) {
    match endpoints.table.get(u64::from(address)) {
        Some(known) => {
            known.out.add(out);
            known.into.add(into);
        }
        None => {
            endpoints.insert(Endpoint { address, out, into }, drop);
        }
    }
}
