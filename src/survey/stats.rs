//! What a capture holds as a whole, in one pass: how much, when, which protocols, who with whom,
//! what is odd.
//!
//! Two steps, so that all cores can work. A [`Digest`] is made of some frames anywhere, with no
//! memory of others; [`Stats`] takes digests in the order of the frames. Sums are alike in any
//! order; who spoke first, and who makes room when a table is full, is not, and so never depends
//! on how frames were cut into digests. It must not know how frames are read or shown.

mod counts;
mod flows;
mod heap;
mod paths;
mod rate;
mod span;
mod table;

pub use counts::{Counts, FIRST_SIZES, Fragments, Seen, Volume};
pub use flows::{Conversation, Endpoint, Flows, Left, MOST};
pub use paths::{MAX_DEPTH, Node, Paths};
pub use rate::{MOST_BUCKETS, Rate};
pub use span::Span;

use crate::wire::anomaly::Anomaly;
use crate::wire::frame::{Frame, Time};
use crate::wire::packet::{Packet, Protocol};

/// What conversations and endpoints are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Measure {
    /// How many packets.
    #[default]
    Packets,
    /// How many bytes, as frames had them on the wire.
    Bytes,
}

impl Measure {
    /// The number that counts.
    #[inline]
    #[must_use]
    pub fn of(self, volume: Volume) -> u64 {
        match self {
            Self::Packets => volume.packets,
            Self::Bytes => volume.bytes,
        }
    }
}

/// One packet between two IPv4 addresses, as 32-bit numbers.
#[derive(Debug, Clone, Copy)]
struct Passage {
    source: u32,
    destination: u32,
    /// Length of the frame.
    bytes: u32,
    time: Option<Time>,
}

/// What some frames hold: sums, and who spoke to whom in which order.
#[derive(Debug, Clone, Default)]
pub struct Digest {
    counts: Counts,
    passages: Vec<Passage>,
}

impl Digest {
    /// Forgets everything and keeps the storage.
    pub fn clear(&mut self) {
        self.counts.clear();
        self.passages.clear();
    }

    /// Counts a frame that was dissected as `packet`; the order of frames matters.
    #[inline]
    pub fn add(&mut self, frame: &Frame<'_>, packet: &Packet) {
        let outermost = |layer: &&crate::wire::packet::Layer| layer.protocol == Protocol::Ipv4;
        let layer = packet.layers().iter().find(outermost);
        let header = layer.and_then(|layer| {
            let start = layer.start as usize;
            let header = start..start.saturating_add(layer.header_len as usize);
            let header = frame.bytes.get(header)?;
            let fixed = header.first_chunk::<20>()?;
            // What only looks like a header has no addresses either.
            (fixed[0] >> 4 == 4 && fixed[0] & 0x0f >= 5).then_some((fixed, header))
        });
        self.counts.frame(frame, packet);
        if let Some((fixed, header)) = header {
            self.counts.ipv4(frame, fixed, header);
            self.passages.push(Passage {
                source: u32::from_be_bytes([fixed[12], fixed[13], fixed[14], fixed[15]]),
                destination: u32::from_be_bytes([fixed[16], fixed[17], fixed[18], fixed[19]]),
                bytes: frame.wire_len,
                time: frame.time,
            });
        }
    }

    /// How many frames were added.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.counts.all.packets
    }
}

/// What all frames together hold.
#[derive(Debug)]
pub struct Stats {
    counts: Counts,
    flows: Flows,
}

impl Stats {
    /// Nothing yet. `seed` keeps a sender from knowing which addresses collide in the tables.
    /// `most` conversations and addresses are kept apart; where there are more, `measure` says who
    /// makes room.
    #[must_use]
    pub fn new(seed: [u64; 2], measure: Measure, most: usize) -> Self {
        Self {
            counts: Counts::default(),
            flows: Flows::new(seed, measure, most),
        }
    }

    /// Takes in what the next frames hold.
    pub fn absorb(&mut self, digest: &Digest) {
        self.counts.merge(&digest.counts);
        for passage in &digest.passages {
            self.flows.add(passage);
        }
    }

    /// An anomaly that only several frames together show, on the last of them; `alone` where
    /// nothing else is odd about that one.
    pub fn together(&mut self, anomaly: Anomaly, frame: u64, alone: bool) {
        self.counts.odd(anomaly, frame);
        self.counts.odd_frames += u64::from(alone);
    }

    /// The sums.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Who spoke to whom.
    #[must_use]
    pub fn flows(&self) -> &Flows {
        &self.flows
    }
}

#[cfg(test)]
mod tests;
