//! The classic pcap format: its file header, and the walk over its records.
//!
//! Microsecond and nanosecond files and the modified ones of old Linux distributions, in both
//! byte orders, and the versions that libpcap knows
//! (<https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html>, pcap-savefile(5)).
//! Knows nothing of where the bytes come from.

use super::batch::{Chunk, Interface, Record, Resolution};
use super::max_captured;
use super::reader::{Damage, Walked};
use crate::wire::frame::{LinkType, Time};

/// Bytes of the file header.
pub(super) const HEADER: usize = 24;

pub(super) const MICRO_MAGIC: u32 = 0xa1b2_c3d4;
pub(super) const NANO_MAGIC: u32 = 0xa1b2_3c4d;
/// Kuznetsov's patch: eight more bytes (interface index, protocol, packet type) a record.
const MODIFIED_MAGIC: u32 = 0xa1b2_cd34;

/// Whether captured and original length stand in each other's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lengths {
    /// Captured first, as in 2.4.
    Ordered,
    /// 2.3 was written both ways; the captured length cannot be the larger one.
    Either,
    /// Original first: before 2.3, and DG/UX's 543.0.
    Swapped,
}

/// What the header of a pcap file says about its records, and what was said about them.
#[derive(Debug, Clone)]
pub(super) struct Pcap {
    big_endian: bool,
    nanosecond: bool,
    record_header: usize,
    lengths: Lengths,
    link_type: LinkType,
    snaplen: u32,
    max_captured: u32,
    told_snaplen: bool,
    told_wire_len: bool,
}

/// True for the first four bytes of a pcap file.
pub(super) fn is_magic(first: [u8; 4]) -> bool {
    byte_order(first).is_some()
}

/// Whether the file is big-endian, and its magic number.
fn byte_order(first: [u8; 4]) -> Option<(bool, u32)> {
    let known = |magic| matches!(magic, MICRO_MAGIC | NANO_MAGIC | MODIFIED_MAGIC);
    let (little, big) = (u32::from_le_bytes(first), u32::from_be_bytes(first));
    if known(little) {
        Some((false, little))
    } else {
        known(big).then_some((true, big))
    }
}

/// The little- or big-endian number in four bytes.
#[inline]
fn number<const BIG: bool>(bytes: [u8; 4]) -> u32 {
    if BIG {
        u32::from_be_bytes(bytes)
    } else {
        u32::from_le_bytes(bytes)
    }
}

impl Pcap {
    /// Reads the file header; the second value is what should be said about it.
    ///
    /// Errors are sentences: a version that nothing is known about.
    pub(super) fn new(header: &[u8; HEADER]) -> Result<(Self, Vec<String>), String> {
        let [
            m0,
            m1,
            m2,
            m3,
            a0,
            a1,
            i0,
            i1,
            ..,
            s0,
            s1,
            s2,
            s3,
            l0,
            l1,
            l2,
            l3,
        ] = *header;
        let Some((big_endian, magic)) = byte_order([m0, m1, m2, m3]) else {
            return Err("not a pcap magic number".into());
        };
        let (short, long): (fn([u8; 2]) -> u16, fn([u8; 4]) -> u32) = if big_endian {
            (u16::from_be_bytes, u32::from_be_bytes)
        } else {
            (u16::from_le_bytes, u32::from_le_bytes)
        };
        let lengths = match (short([a0, a1]), short([i0, i1])) {
            (2, 0..=2) | (543, 0) => Lengths::Swapped,
            (2, 3) => Lengths::Either,
            (2, 4) => Lengths::Ordered,
            (major, minor) => {
                return Err(format!(
                    "pcap version {major}.{minor} is unknown; versions 2.0 to 2.4 and 543.0 can be read"
                ));
            }
        };
        let (snaplen, link) = (long([s0, s1, s2, s3]), long([l0, l1, l2, l3]));
        let mut notices = Vec::new();
        // draft-ietf-opsawg-pcap section 4: FCS length in 16-bit units (4 bits), R, P,
        // reserved (10 bits), link type.
        if link & (1 << 26) != 0 {
            notices.push(format!(
                "the file header says that every frame ends in {} bytes of frame check sequence",
                (link >> 28) * 2
            ));
        }
        if link & 0x03ff_0000 != 0 {
            notices.push(format!(
                "the file header's link type is {link:#010x}, with reserved bits set; its low 16 bits are used"
            ));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are meant")]
        let link_type = LinkType(link as u16);
        let pcap = Self {
            big_endian,
            nanosecond: magic == NANO_MAGIC,
            record_header: if magic == MODIFIED_MAGIC { 24 } else { 16 },
            lengths,
            link_type,
            snaplen,
            max_captured: max_captured(link_type.0, snaplen),
            told_snaplen: false,
            told_wire_len: false,
        };
        Ok((pcap, notices))
    }

    /// The one interface that a pcap file describes.
    pub(super) fn interface(&self) -> Interface {
        Interface {
            snaplen: self.snaplen,
            resolution: if self.nanosecond {
                Resolution::NANO
            } else {
                Resolution::MICRO
            },
            ..Interface::new(self.link_type)
        }
    }

    /// Walks the whole records in the chunk's bytes from `from` up to `filled`.
    pub(super) fn walk(
        &mut self,
        chunk: &mut Chunk,
        from: usize,
        filled: usize,
    ) -> Result<Walked, Damage> {
        if self.big_endian {
            self.walk_in_order::<true>(chunk, from, filled)
        } else {
            self.walk_in_order::<false>(chunk, from, filled)
        }
    }

    fn walk_in_order<const BIG: bool>(
        &mut self,
        chunk: &mut Chunk,
        from: usize,
        filled: usize,
    ) -> Result<Walked, Damage> {
        let mut at = from;
        loop {
            let rest = chunk.bytes.get(at..filled).unwrap_or_default();
            let Some(
                [
                    s0,
                    s1,
                    s2,
                    s3,
                    f0,
                    f1,
                    f2,
                    f3,
                    c0,
                    c1,
                    c2,
                    c3,
                    w0,
                    w1,
                    w2,
                    w3,
                ],
            ) = rest.first_chunk::<16>().copied()
            else {
                return Ok(Walked {
                    consumed: at,
                    need: self.record_header,
                });
            };
            let seconds = number::<BIG>([s0, s1, s2, s3]);
            let fraction = number::<BIG>([f0, f1, f2, f3]);
            let mut captured = number::<BIG>([c0, c1, c2, c3]);
            let mut wire_len = number::<BIG>([w0, w1, w2, w3]);
            if self.lengths != Lengths::Ordered
                && (self.lengths == Lengths::Swapped || captured > wire_len)
            {
                (captured, wire_len) = (wire_len, captured);
            }
            if captured > self.max_captured {
                return Err(Damage {
                    at,
                    why: format!(
                        "a captured length of {captured} bytes, more than the {} that are possible here",
                        self.max_captured
                    ),
                });
            }
            let size = self.record_header + captured as usize;
            if rest.len() < size {
                return Ok(Walked {
                    consumed: at,
                    need: size,
                });
            }
            if captured > wire_len || (captured > self.snaplen && self.snaplen != 0) {
                self.notice(chunk, at, captured, wire_len);
            }
            let time = self.time(seconds, fraction);
            let record = Record::new(at + self.record_header, captured, wire_len, self.link_type);
            chunk.push(record.time(time), Vec::new());
            at += size;
        }
    }

    #[inline]
    fn time(&self, seconds: u32, fraction: u32) -> Time {
        let (mut seconds, mut fraction) = (i64::from(seconds), u64::from(fraction));
        if !self.nanosecond {
            fraction *= 1_000;
        }
        // A fraction of a second or more is added up, as anyone who adds the two would.
        while fraction >= 1_000_000_000 {
            fraction -= 1_000_000_000;
            seconds += 1;
        }
        Time {
            seconds,
            nanoseconds: u32::try_from(fraction).unwrap_or(0),
        }
    }

    /// Says, once a file, what is odd about a length.
    #[cold]
    fn notice(&mut self, chunk: &mut Chunk, at: usize, captured: u32, wire_len: u32) {
        let place = chunk.place(at);
        if captured > self.snaplen && self.snaplen != 0 && !self.told_snaplen {
            self.told_snaplen = true;
            chunk.notices.push(format!(
                "{place}: captured length {captured} exceeds the snaplen {}; read anyway",
                self.snaplen
            ));
        }
        if captured > wire_len && !self.told_wire_len {
            self.told_wire_len = true;
            chunk.notices.push(format!(
                "{place}: captured length {captured} exceeds the length on the wire {wire_len}; read anyway"
            ));
        }
    }

    /// What is missing when the input ends in these bytes, fewer than a record.
    pub(super) fn cut(&self, rest: usize, need: usize) -> String {
        if rest < self.record_header {
            format!(
                "the file ends inside a record header: {} bytes expected, {rest} are there",
                self.record_header
            )
        } else {
            format!(
                "the file ends inside a record: {} captured bytes expected, {} are there",
                need.saturating_sub(self.record_header),
                rest - self.record_header
            )
        }
    }
}
