//! What has come of one datagram: its pieces, how they contradict each other, and the whole.
//!
//! Knows nothing of other datagrams or of time.

use super::difference::{self, Difference, MAX_DIFFERENCES};
use super::queue::{Added, Policy, Queue, Span};
use crate::wire::anomaly::Anomaly;
use crate::wire::checksum::Sum;
use crate::wire::frame::LinkType;

/// Different pieces of one datagram that are remembered at most: 65,535 bytes by eight.
const MAX_PIECES: usize = 8192;
/// Frames that one anomaly names at most.
const MAX_NAMED: usize = 16;
/// Bytes of the largest datagram (RFC 791 section 3.1).
const MAX_DATAGRAM: usize = 65_535;
/// What a piece costs beside its bytes.
const PIECE_OVERHEAD: usize = 64;

/// One fragment as it came.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fragment<'a> {
    pub(super) frame: u64,
    pub(super) offset: u32,
    pub(super) more: bool,
    pub(super) data: &'a [u8],
    /// The capture cut its data short.
    pub(super) cut: bool,
    /// Its header's checksum is wrong: no host would use it.
    pub(super) broken: bool,
    /// What stands before its data: headers of the link, then the IPv4 header.
    pub(super) head: Head<'a>,
}

/// What stands before the data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) link_type: LinkType,
    /// Headers of the link, where they say nothing of lengths.
    pub(super) link: &'a [u8],
    /// The IPv4 header with its options.
    pub(super) ipv4: &'a [u8],
}

impl Fragment<'_> {
    fn span(&self) -> Span {
        let len = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        Span {
            start: self.offset,
            end: self.offset.saturating_add(len),
        }
    }
}

#[derive(Debug)]
struct Piece {
    frame: u64,
    start: u32,
    data: Box<[u8]>,
}

impl Piece {
    fn end(&self) -> u32 {
        let len = u32::try_from(self.data.len()).unwrap_or(u32::MAX);
        self.start.saturating_add(len)
    }

    /// Its bytes of this place, which lies within it.
    fn part(&self, place: Span) -> Option<&[u8]> {
        let from = place.start.checked_sub(self.start)? as usize;
        let to = place.end.checked_sub(self.start)? as usize;
        self.data.get(from..to)
    }
}

/// A datagram put together from its fragments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The kind of the first header in `bytes`.
    pub link_type: LinkType,
    /// The link's headers of the first fragment (none where they tell a length: then the link
    /// type is that of raw IPv4), its IPv4 header with total length, flags, offset and checksum
    /// of the whole, and the data.
    pub bytes: Vec<u8>,
    /// Length of the datagram from its IPv4 header on, in bytes.
    pub length: u32,
    /// The frames it came from, in their order.
    pub frames: Vec<u64>,
}

/// The first fragment's headers.
#[derive(Debug)]
struct Start {
    link_type: LinkType,
    link: Box<[u8]>,
    ipv4: Box<[u8]>,
}

/// What is known of one datagram.
#[derive(Debug, Default)]
pub(super) struct Datagram {
    /// In the order they came.
    pieces: Vec<Piece>,
    /// Their numbers, by where they start.
    sorted: Vec<u32>,
    /// The longest piece, in bytes.
    longest: u32,
    /// What all this costs, in bytes.
    pub(super) cost: usize,
    queue: Queue,
    start: Option<Start>,
    /// It was put together.
    pub(super) finished: bool,
    /// The capture cut a fragment short.
    pub(super) cut: bool,
    /// No whole can come of it: cut by the capture, too large, in too many pieces.
    hopeless: bool,
}

/// What a fragment did.
#[derive(Debug, Default)]
pub(super) struct Effect {
    pub(super) found: Vec<(Anomaly, Vec<u64>)>,
    /// Where it contradicts earlier ones.
    pub(super) differences: Vec<Difference>,
    /// It was the last that was missing.
    pub(super) whole: Option<Whole>,
}

impl Datagram {
    /// The frames of its pieces, as many as one names.
    pub(super) fn frames(&self) -> Vec<u64> {
        let frames = self.pieces.iter().map(|piece| piece.frame);
        frames.take(MAX_NAMED).collect()
    }

    /// True when an earlier fragment had this place and these bytes.
    pub(super) fn has(&self, fragment: &Fragment<'_>) -> bool {
        self.copy_of(fragment).is_some()
    }

    /// More fragments could make it whole.
    pub(super) fn is_waiting(&self) -> bool {
        !self.hopeless && !self.queue.is_empty()
    }

    /// Bytes are missing at the start; bytes are missing at the end.
    pub(super) fn lacks(&self) -> (bool, bool) {
        (!self.queue.has_first(), !self.queue.has_last())
    }

    /// For tests: the filled stretches lie apart, in order, and are rightly counted.
    #[cfg(test)]
    pub(super) fn is_in_order(&self) -> bool {
        self.queue.is_in_order()
    }

    /// Compares a fragment with those before it and puts it in its place.
    pub(super) fn add(
        &mut self,
        fragment: &Fragment<'_>,
        policy: Policy,
        assemble: bool,
    ) -> Effect {
        let mut effect = Effect::default();
        // A copy equal in every byte is a duplicate and legal.
        let piece = self.copy_of(fragment).or_else(|| {
            self.compare(fragment, &mut effect);
            self.remember(fragment)
        });
        let Some(piece) = piece else {
            return effect;
        };
        if fragment.broken {
            return effect;
        }
        self.cut |= fragment.cut;
        if fragment.cut || fragment.span().end as usize > MAX_DATAGRAM {
            self.hopeless = true;
        }
        if fragment.offset == 0 && self.start.is_none() {
            self.cost += fragment.head.link.len() + fragment.head.ipv4.len();
            self.start = Some(Start {
                link_type: fragment.head.link_type,
                link: fragment.head.link.into(),
                ipv4: fragment.head.ipv4.into(),
            });
        }
        if self.hopeless {
            return effect;
        }
        let added = self.queue.add(
            policy,
            fragment.span(),
            fragment.more,
            piece,
            fragment.frame,
        );
        match added {
            Added::Waiting => {}
            Added::Whole => {
                self.finish(assemble, &mut effect);
            }
            Added::Ends => {
                effect
                    .found
                    .push((Anomaly::Ipv4FragmentEnd, self.others(fragment.frame)));
                self.restart();
            }
            Added::Discarded => self.restart(),
        }
        effect
    }

    /// What has come of a second datagram of this number, all of it equal to pieces of the first.
    pub(super) fn renewed(mut self) -> Self {
        let mut new = Self::default();
        let mut queue = std::mem::take(&mut self.queue);
        let mut moved = vec![None; self.pieces.len()];
        let complete = queue.renumber(|segment| {
            let place = moved.get_mut(segment.piece as usize)?;
            if place.is_none() {
                let old = self.pieces.get(segment.piece as usize)?;
                *place = new.keep(segment.frame, old.start, &old.data);
            }
            *place
        });
        if complete {
            new.queue = queue;
            new.start = self.start;
        }
        new
    }

    /// Begins to put together anew; the pieces stay, to be compared with.
    fn restart(&mut self) {
        self.queue = Queue::default();
        self.start = None;
    }

    /// The frames of its pieces but this one.
    fn others(&self, frame: u64) -> Vec<u64> {
        let frames = self.pieces.iter().map(|piece| piece.frame);
        frames
            .filter(|other| *other != frame)
            .take(MAX_NAMED)
            .collect()
    }

    fn finish(&mut self, assemble: bool, effect: &mut Effect) {
        let header = self.start.as_ref().map_or(0, |start| start.ipv4.len());
        if header + self.queue.reach() as usize > MAX_DATAGRAM {
            let frames = self.frames();
            effect.found.push((Anomaly::Ipv4FragmentOversize, frames));
            self.hopeless = true;
            return;
        }
        if assemble {
            effect.whole = self.whole();
        }
        self.finished = true;
        self.restart();
    }

    fn whole(&self) -> Option<Whole> {
        let start = self.start.as_ref()?;
        let mut header = start.ipv4.to_vec();
        let length = header.len() + self.queue.reach() as usize;
        let [high, low] = u16::try_from(length).ok()?.to_be_bytes();
        let checksum = {
            let fixed = header.first_chunk_mut::<20>()?;
            (fixed[2], fixed[3]) = (high, low);
            // Neither more fragments nor an offset; the reserved flag and DF stay.
            (fixed[6], fixed[7]) = (fixed[6] & 0xc0, 0);
            (fixed[10], fixed[11]) = (0, 0);
            Sum::new().with(&header).checksum()
        };
        header
            .get_mut(10..12)?
            .copy_from_slice(&checksum.to_be_bytes());
        let mut bytes = Vec::with_capacity(start.link.len() + length);
        bytes.extend_from_slice(&start.link);
        bytes.append(&mut header);
        let mut frames = Vec::new();
        for segment in self.queue.segments() {
            let piece = self.pieces.get(segment.piece as usize)?;
            bytes.extend_from_slice(piece.part(segment.span)?);
            frames.push(segment.frame);
        }
        frames.sort_unstable();
        frames.dedup();
        Some(Whole {
            link_type: start.link_type,
            bytes,
            length: u32::try_from(length).ok()?,
            frames,
        })
    }

    /// The pieces that may share bytes with this place, by number.
    fn near(&self, place: Span) -> impl Iterator<Item = (u32, &Piece)> {
        let piece = |number: &u32| self.pieces.get(*number as usize);
        let first = place.start.saturating_sub(self.longest);
        let from = self
            .sorted
            .partition_point(|number| piece(number).is_some_and(|piece| piece.start < first));
        let near = self.sorted.get(from..).unwrap_or_default();
        near.iter()
            .filter_map(|number| {
                let piece = self.pieces.get(*number as usize)?;
                Some((*number, piece))
            })
            .take_while(move |(_, piece)| piece.start < place.end.max(place.start + 1))
    }

    fn copy_of(&self, fragment: &Fragment<'_>) -> Option<u32> {
        let start = |number: &u32| {
            let piece = self.pieces.get(*number as usize);
            piece.map_or(u32::MAX, |piece| piece.start)
        };
        let from = self
            .sorted
            .partition_point(|number| start(number) < fragment.offset);
        let near = self.sorted.get(from..)?;
        near.iter()
            .take_while(|number| start(number) == fragment.offset)
            .copied()
            .find(|number| {
                let piece = self.pieces.get(*number as usize);
                piece.is_some_and(|piece| *piece.data == *fragment.data)
            })
    }

    fn compare(&self, fragment: &Fragment<'_>, effect: &mut Effect) {
        let (mut overlaps, mut conflicts) = (Vec::new(), Vec::new());
        let place = fragment.span();
        let new = |place: Span| {
            let from = place.start.checked_sub(fragment.offset)? as usize;
            let to = place.end.checked_sub(fragment.offset)? as usize;
            fragment.data.get(from..to)
        };
        for (_, earlier) in self.near(place) {
            let both = Span {
                start: earlier.start.max(place.start),
                end: earlier.end().min(place.end),
            };
            if both.start >= both.end {
                continue;
            }
            // Bytes that the capture cut away were not seen to differ.
            let (old, new) = (earlier.part(both), new(both));
            if old != new {
                conflicts.push(earlier.frame);
                let (old, new) = (old.unwrap_or_default(), new.unwrap_or_default());
                let room = MAX_DIFFERENCES.saturating_sub(effect.differences.len());
                let found = difference::between(earlier.frame, both.start, old, new);
                effect.differences.extend(found.take(room));
            }
            overlaps.push(earlier.frame);
            if overlaps.len() == MAX_NAMED {
                break;
            }
        }
        overlaps.sort_unstable();
        conflicts.sort_unstable();
        if !overlaps.is_empty() {
            effect.found.push((Anomaly::Ipv4FragmentOverlap, overlaps));
        }
        if !conflicts.is_empty() {
            effect
                .found
                .push((Anomaly::Ipv4FragmentConflict, conflicts));
        }
    }

    /// Keeps a fragment; none when there are too many.
    fn remember(&mut self, fragment: &Fragment<'_>) -> Option<u32> {
        if self.pieces.len() >= MAX_PIECES {
            self.hopeless = true;
            return None;
        }
        self.keep(fragment.frame, fragment.offset, fragment.data)
    }

    fn keep(&mut self, frame: u64, start: u32, data: &[u8]) -> Option<u32> {
        let number = u32::try_from(self.pieces.len()).ok()?;
        let at = self.sorted.partition_point(|number| {
            let piece = self.pieces.get(*number as usize);
            piece.is_some_and(|piece| piece.start <= start)
        });
        self.sorted.insert(at, number);
        self.longest = self
            .longest
            .max(u32::try_from(data.len()).unwrap_or(u32::MAX));
        self.cost += data.len() + PIECE_OVERHEAD;
        self.pieces.push(Piece {
            frame,
            start,
            data: data.into(),
        });
        Some(number)
    }
}
