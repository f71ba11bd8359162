//! Batches of frames: a table of records over one chunk of bytes, both shared and pooled.
//!
//! Knows nothing of file formats: it holds what a walk over a chunk has found.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::record::{Lease, Places, Record};
use crate::wire::frame::{Frame, LinkType, Time};

/// How many bytes one read asks for, and the size of a pooled chunk. It fits the second-level
/// cache together with its record table, which is what makes walking as fast as copying.
pub(super) const CHUNK: usize = 256 << 10;

/// How many chunks on loan are remembered for reuse; beyond that they are simply freed.
const MAX_LENT: usize = 64;

/// The unit of an interface's time stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resolution {
    /// 10 to the minus this many seconds: 6 is microseconds, 9 nanoseconds.
    Decimal(u8),
    /// 2 to the minus this many seconds.
    Binary(u8),
}

impl Resolution {
    /// Microseconds.
    pub const MICRO: Self = Self::Decimal(6);
    /// Nanoseconds.
    pub const NANO: Self = Self::Decimal(9);

    /// How many decimal places of a second are worth showing, 0 to 9.
    #[must_use]
    pub fn digits(self) -> u8 {
        match self {
            Self::Decimal(digits) => digits.min(9),
            // 2^-n needs at most n places; three bits are about one.
            Self::Binary(bits) => (bits / 3 + u8::from(bits > 0)).min(9),
        }
    }

    /// The moment `ticks` units and `offset` seconds after 1970; finer than a nanosecond is
    /// cut, beyond 64 bits of seconds saturates.
    pub(super) fn time(self, ticks: u64, offset: i64) -> Time {
        const NANOS: u64 = 1_000_000_000;
        let (seconds, nanoseconds) = match self {
            Self::Decimal(6) => (ticks / 1_000_000, ticks % 1_000_000 * 1_000),
            Self::Decimal(9) => (ticks / NANOS, ticks % NANOS),
            Self::Decimal(digits @ 0..=8) => {
                let unit = 10_u64.pow(u32::from(digits));
                (ticks / unit, ticks % unit * (NANOS / unit))
            }
            Self::Decimal(digits) => {
                // 10^20 and more nanoseconds' parts exceed any tick count: the time is zero.
                let part = 10_u64.checked_pow(u32::from(digits) - 9);
                let nanoseconds = part.map_or(0, |part| ticks / part);
                (nanoseconds / NANOS, nanoseconds % NANOS)
            }
            Self::Binary(bits @ 0..=63) => {
                let rest = ticks & ((1 << bits) - 1);
                let nanoseconds = (u128::from(rest) * u128::from(NANOS)) >> bits;
                (ticks >> bits, u64::try_from(nanoseconds).unwrap_or(0))
            }
            Self::Binary(bits) => {
                let nanoseconds = (u128::from(ticks) * u128::from(NANOS))
                    .checked_shr(u32::from(bits))
                    .unwrap_or(0);
                (0, u64::try_from(nanoseconds).unwrap_or(0))
            }
        };
        Time {
            seconds: offset.saturating_add_unsigned(seconds),
            // Always below a second: every arm takes a remainder or a fraction.
            nanoseconds: u32::try_from(nanoseconds).unwrap_or(0),
        }
    }
}

/// One interface that frames were captured on, as the source describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name on the capturing host, such as `eth0`.
    pub name: Option<String>,
    /// What a person calls it.
    pub description: Option<String>,
    /// The kind of the first header of its frames.
    pub link_type: LinkType,
    /// The most bytes kept of a frame; 0 means no limit.
    pub snaplen: u32,
    /// The unit of its time stamps.
    pub resolution: Resolution,
    /// Seconds already added to its time stamps (pcapng `if_tsoffset`).
    pub time_offset: i64,
    /// Which section of its source it belongs to, counted from 0. Interfaces of two sections
    /// are different ones even when they are described alike.
    pub section: u32,
}

impl Interface {
    /// An interface of which only the link type is known; it stamps nanoseconds.
    #[must_use]
    pub fn new(link_type: LinkType) -> Self {
        Self {
            name: None,
            description: None,
            link_type,
            snaplen: 0,
            resolution: Resolution::NANO,
            time_offset: 0,
            section: 0,
        }
    }
}

/// One chunk of bytes as it was read, and what a walk over it has found so far.
#[derive(Default)]
pub(super) struct Chunk {
    /// Always initialised to its full length; how much of it is filled is its reader's matter.
    pub(super) bytes: Vec<u8>,
    /// Where the bytes really are, for a source that lends its own.
    lease: Option<Box<dyn Lease>>,
    /// Where `bytes` begins in the (decompressed) stream.
    pub(super) base: u64,
    /// The number of the first record.
    pub(super) first_number: u64,
    pub(super) records: Vec<Record>,
    /// The few records that have comments, by their place in `records`, in order.
    comments: Vec<(usize, Vec<String>)>,
    pub(super) notices: Vec<String>,
}

impl Chunk {
    /// The number of the frame that would be found next.
    pub(super) fn next_number(&self) -> u64 {
        self.first_number + self.records.len() as u64
    }

    /// Adds a frame and its comments, usually none.
    pub(super) fn push(&mut self, mut record: Record, comments: Vec<String>) {
        if !comments.is_empty() {
            record.mark_commented();
            self.comments.push((self.records.len(), comments));
        }
        self.records.push(record);
    }

    fn comments(&self, index: usize) -> &[String] {
        self.comments
            .binary_search_by_key(&index, |(index, _)| *index)
            .ok()
            .and_then(|at| self.comments.get(at))
            .map_or(&[], |(_, comments)| comments)
    }

    /// The bytes that the records point into.
    #[inline]
    fn store(&self) -> &[u8] {
        match &self.lease {
            None => &self.bytes,
            Some(lease) => lease.bytes(),
        }
    }

    fn clear(&mut self) {
        self.records.clear();
        self.comments.clear();
        self.notices.clear();
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Chunk")
            .field("first_number", &self.first_number)
            .field("records", &self.records.len())
            .field("notices", &self.notices)
            .finish_non_exhaustive()
    }
}

/// The chunks of one reader: lent to batches, taken back when the last clone is dropped.
#[derive(Debug, Default)]
pub(super) struct Pool {
    lent: VecDeque<Arc<Chunk>>,
}

impl Pool {
    /// An empty chunk of at least [`CHUNK`] bytes: one that has come back, or a new one.
    pub(super) fn take(&mut self) -> Chunk {
        for _ in 0..self.lent.len() {
            match self.lent.pop_front().map(Arc::try_unwrap) {
                Some(Ok(mut chunk)) => {
                    chunk.clear();
                    return chunk;
                }
                Some(Err(still_lent)) => self.lent.push_back(still_lent),
                None => break,
            }
        }
        Chunk {
            bytes: vec![0; CHUNK],
            ..Chunk::default()
        }
    }

    /// Puts a finished chunk on loan. One that had to grow for a large record is not kept, so
    /// that a single such record does not cost memory for ever.
    pub(super) fn lend(&mut self, chunk: Chunk) -> Arc<Chunk> {
        let chunk = Arc::new(chunk);
        if chunk.bytes.len() == CHUNK && self.lent.len() < MAX_LENT {
            self.lent.push_back(Arc::clone(&chunk));
        }
        chunk
    }
}

/// Frames that belong together: what one read returned, cut to whole records of one section.
///
/// Owned, cheap to clone, `Send` and `Sync`: a lease on pooled bytes, which go back to their
/// source when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Batch {
    chunk: Arc<Chunk>,
    /// The records of the chunk that are in this batch.
    from: usize,
    to: usize,
    interfaces: Arc<Vec<Interface>>,
    /// True when the chunk's notices are this batch's to tell.
    tells: bool,
}

impl Batch {
    pub(super) fn new(
        chunk: Arc<Chunk>,
        from: usize,
        to: usize,
        interfaces: Arc<Vec<Interface>>,
    ) -> Self {
        Self {
            chunk,
            from,
            to,
            interfaces,
            tells: from == 0,
        }
    }

    /// A batch that holds copies of these frames, numbered from `first_number` on: for sources
    /// that have no chunk to lend. The frames' own numbers are ignored.
    #[must_use]
    pub fn copied<'a>(
        first_number: u64,
        frames: impl IntoIterator<Item = Frame<'a>>,
        interfaces: Arc<Vec<Interface>>,
    ) -> Self {
        let mut chunk = Chunk {
            first_number,
            ..Chunk::default()
        };
        for frame in frames {
            let captured = u32::try_from(frame.bytes.len()).unwrap_or(u32::MAX);
            let record = Record::described(chunk.bytes.len(), captured, &frame);
            chunk.bytes.extend_from_slice(frame.bytes);
            chunk.push(record, frame.comments.to_vec());
        }
        let to = chunk.records.len();
        Self::new(Arc::new(chunk), 0, to, interfaces)
    }

    /// A batch over bytes on loan, given back when its last clone is dropped. The frames are
    /// numbered from `first_number` on.
    #[must_use]
    pub fn leased(
        first_number: u64,
        lease: Box<dyn Lease>,
        places: Places,
        interfaces: Arc<Vec<Interface>>,
    ) -> Self {
        let to = places.records.len();
        let chunk = Chunk {
            lease: Some(lease),
            first_number,
            records: places.records,
            ..Chunk::default()
        };
        Self::new(Arc::new(chunk), 0, to, interfaces)
    }

    /// A batch without frames that says something to the person, or nothing at all: for sources
    /// that have waited long enough.
    #[must_use]
    pub fn telling(
        first_number: u64,
        notices: Vec<String>,
        interfaces: Arc<Vec<Interface>>,
    ) -> Self {
        let chunk = Chunk {
            first_number,
            notices,
            ..Chunk::default()
        };
        Self::new(Arc::new(chunk), 0, 0, interfaces)
    }

    /// The 1-based number of the first frame.
    #[must_use]
    pub fn first_number(&self) -> u64 {
        self.chunk.first_number + self.from as u64
    }

    /// How many frames there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.to - self.from
    }

    /// True when there is no frame: such a batch only brings notices.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// The frame at this place, counted from 0.
    #[must_use]
    pub fn frame(&self, index: usize) -> Option<Frame<'_>> {
        let index = self.from.checked_add(index).filter(|at| *at < self.to)?;
        let record = self.chunk.records.get(index)?;
        Some(self.view(index, record, self.chunk.store()))
    }

    /// All frames, in order.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        let records = self.chunk.records.get(self.from..self.to);
        let store = self.chunk.store();
        records
            .unwrap_or_default()
            .iter()
            .zip(self.from..)
            .map(move |(record, index)| self.view(index, record, store))
    }

    /// The interfaces of the section that the frames belong to; [`Frame::interface`] counts
    /// into it. Classic pcap has exactly one, which its frames do not name.
    #[must_use]
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// The interface that a frame of this batch was captured on.
    #[must_use]
    pub fn interface(&self, frame: &Frame<'_>) -> Option<&Interface> {
        let index = frame.interface.unwrap_or(0);
        self.interfaces.get(index as usize)
    }

    /// What the person should hear about this part of the input; each thing is said once.
    #[must_use]
    pub fn notices(&self) -> &[String] {
        if self.tells { &self.chunk.notices } else { &[] }
    }

    #[inline]
    fn view<'a>(&'a self, index: usize, record: &Record, store: &'a [u8]) -> Frame<'a> {
        let comments = if record.is_commented() {
            self.chunk.comments(index)
        } else {
            &[]
        };
        record.frame(self.chunk.first_number + index as u64, store, comments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(resolution: Resolution, ticks: u64, offset: i64) -> (i64, u32) {
        let time = resolution.time(ticks, offset);
        (time.seconds, time.nanoseconds)
    }

    #[test]
    fn every_resolution_gives_the_same_moment() {
        assert_eq!(time(Resolution::Decimal(0), 7, 0), (7, 0));
        assert_eq!(time(Resolution::Decimal(3), 7_250, 0), (7, 250_000_000));
        assert_eq!(time(Resolution::MICRO, 7_250_000, 0), (7, 250_000_000));
        assert_eq!(time(Resolution::NANO, 7_250_000_001, 0), (7, 250_000_001));
        assert_eq!(
            time(Resolution::Decimal(11), 725_000_000_199, 0),
            (7, 250_000_001)
        );
        assert_eq!(time(Resolution::Binary(0), 7, 0), (7, 0));
        assert_eq!(time(Resolution::Binary(2), 29, 0), (7, 250_000_000));
        assert_eq!(time(Resolution::Binary(32), 29 << 30, 0), (7, 250_000_000));
        assert_eq!(time(Resolution::Binary(64), 1 << 63, 0), (0, 500_000_000));
    }

    #[test]
    fn no_resolution_and_no_offset_overflows() {
        for exponent in 0..=127 {
            for ticks in [0, 1, u64::MAX] {
                for offset in [i64::MIN, -1, 0, i64::MAX] {
                    for resolution in [Resolution::Decimal(exponent), Resolution::Binary(exponent)]
                    {
                        assert!(resolution.time(ticks, offset).nanoseconds < 1_000_000_000);
                        assert!(resolution.digits() <= 9);
                    }
                }
            }
        }
        assert_eq!(time(Resolution::Decimal(0), u64::MAX, i64::MIN).0, i64::MAX);
        assert_eq!(time(Resolution::Decimal(0), u64::MAX, 1).0, i64::MAX);
        assert_eq!(time(Resolution::Decimal(127), u64::MAX, 3), (3, 0));
        assert_eq!(
            time(Resolution::Binary(127), u64::MAX, i64::MIN).0,
            i64::MIN
        );
    }

    #[test]
    fn a_chunk_comes_back_when_its_last_batch_is_dropped() {
        let mut pool = Pool::default();
        let chunk = pool.take();
        let place = chunk.bytes.as_ptr();
        let batch = Batch::new(pool.lend(chunk), 0, 0, Arc::default());
        let clone = batch.clone();
        drop(batch);
        assert_ne!(pool.take().bytes.as_ptr(), place);
        drop(clone);
        assert_eq!(pool.take().bytes.as_ptr(), place);
    }
}
