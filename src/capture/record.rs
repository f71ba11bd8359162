//! What a batch keeps of each frame besides its bytes, and where those bytes are when they are on
//! loan.
//!
//! Knows neither file formats nor rings: both fill the same table.

use std::ops::Range;

use crate::wire::frame::{Direction, Frame, LinkType, Offload, Time};

/// What is kept of one frame besides its bytes: half a cache line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    time: Time,
    offset: u32,
    captured: u32,
    wire_len: u32,
    interface: u32,
    link_type: LinkType,
    flags: u8,
}

const NO_INTERFACE: u32 = u32::MAX;

const TIMED: u8 = 1;
const IN: u8 = 1 << 1;
const OUT: u8 = 1 << 2;
const CHECKSUM_NOT_READY: u8 = 1 << 3;
const CHECKSUM_VALID: u8 = 1 << 4;
const SEGMENTATION: u8 = 1 << 5;
const COMMENTED: u8 = 1 << 6;

impl Record {
    /// A frame whose bytes are the `captured` ones from `offset` of its chunk.
    #[inline]
    pub(super) fn new(offset: usize, captured: u32, wire_len: u32, link_type: LinkType) -> Self {
        Self {
            time: Time {
                seconds: 0,
                nanoseconds: 0,
            },
            // A chunk holds at most a few reads or one record, far below 4 GiB.
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            captured,
            wire_len,
            interface: NO_INTERFACE,
            link_type,
            flags: 0,
        }
    }

    #[inline]
    pub(super) fn time(mut self, time: Time) -> Self {
        self.time = time;
        self.flags |= TIMED;
        self
    }

    pub(super) fn interface(mut self, interface: u32) -> Self {
        self.interface = interface;
        self
    }

    pub(super) fn direction(mut self, direction: Option<Direction>) -> Self {
        self.flags |= match direction {
            Some(Direction::In) => IN,
            Some(Direction::Out) => OUT,
            None => 0,
        };
        self
    }

    pub(super) fn offload(mut self, offload: Offload) -> Self {
        for (is_set, flag) in [
            (offload.checksum_not_ready, CHECKSUM_NOT_READY),
            (offload.checksum_valid, CHECKSUM_VALID),
            (offload.segmentation, SEGMENTATION),
        ] {
            if is_set {
                self.flags |= flag;
            }
        }
        self
    }

    /// A frame whose bytes are the `captured` ones from `offset`, and which is otherwise as
    /// described. Comments are kept elsewhere.
    #[inline]
    pub(super) fn described(offset: usize, captured: u32, frame: &Frame<'_>) -> Self {
        let mut record = Self::new(offset, captured, frame.wire_len, frame.link_type)
            .interface(frame.interface.unwrap_or(NO_INTERFACE))
            .direction(frame.direction)
            .offload(frame.offload);
        if let Some(time) = frame.time {
            record = record.time(time);
        }
        record
    }

    /// Notes that the frame has comments.
    pub(super) fn mark_commented(&mut self) {
        self.flags |= COMMENTED;
    }

    /// True when the frame has comments.
    #[inline]
    pub(super) fn is_commented(&self) -> bool {
        self.has(COMMENTED)
    }

    /// The frame, whose bytes are in `store`.
    #[inline]
    pub(super) fn frame<'a>(
        &self,
        number: u64,
        store: &'a [u8],
        comments: &'a [String],
    ) -> Frame<'a> {
        let from = self.offset as usize;
        let to = from.saturating_add(self.captured as usize);
        Frame {
            number,
            time: self.has(TIMED).then_some(self.time),
            link_type: self.link_type,
            wire_len: self.wire_len,
            bytes: store.get(from..to).unwrap_or_default(),
            interface: (self.interface != NO_INTERFACE).then_some(self.interface),
            direction: if self.has(IN) {
                Some(Direction::In)
            } else if self.has(OUT) {
                Some(Direction::Out)
            } else {
                None
            },
            offload: Offload {
                checksum_not_ready: self.has(CHECKSUM_NOT_READY),
                checksum_valid: self.has(CHECKSUM_VALID),
                segmentation: self.has(SEGMENTATION),
            },
            comments,
        }
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Bytes that belong to someone else until this is dropped, such as a block of a ring that is
/// shared with the kernel.
pub trait Lease: Send + Sync {
    /// The bytes: the same ones at every call.
    fn bytes(&self) -> &[u8];
}

/// Where in bytes on loan the frames lie, and what is known of each: what a walk over them found.
#[derive(Debug, Default)]
pub struct Places {
    pub(super) records: Vec<Record>,
}

impl Places {
    /// Room for this many frames.
    #[must_use]
    pub fn with_capacity(frames: usize) -> Self {
        Self {
            records: Vec::with_capacity(frames),
        }
    }

    /// Adds the frame whose bytes are those at `place`. The described frame's own bytes, number and
    /// comments are ignored. A place outside of the bytes makes an empty frame.
    #[inline]
    pub fn push(&mut self, place: Range<usize>, frame: &Frame<'_>) {
        let captured = u32::try_from(place.len()).unwrap_or(u32::MAX);
        self.records
            .push(Record::described(place.start, captured, frame));
    }

    /// When the first frame was captured, if there is one and it has a time.
    #[must_use]
    pub fn first_time(&self) -> Option<Time> {
        let first = self.records.first()?;
        first.has(TIMED).then_some(first.time)
    }

    /// How many frames there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// True when there is no frame.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_small() {
        assert!(size_of::<Record>() <= 40, "{}", size_of::<Record>());
    }
}
