//! The classic pcap format: its file header, and the walk over its records.
//!
//! Microsecond and nanosecond files and the modified ones of old Linux distributions, in both
//! byte orders, and the versions that libpcap knows
//! (<https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-04.html>, pcap-savefile(5)).
//! Knows nothing of where the bytes come from.

use super::batch::{Chunk, Interface, Resolution};
use super::byte_order::Order;
use super::lengths::{Oddities, max_captured};
use super::reader::{Damage, Walked};
use super::record::Record;
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
    order: Order,
    nanosecond: bool,
    record_header: usize,
    lengths: Lengths,
    link_type: LinkType,
    snaplen: u32,
    max_captured: u32,
    oddities: Oddities,
}

/// True for the first four bytes of a pcap file.
pub(super) fn is_magic(first: [u8; 4]) -> bool {
    byte_order(first).is_some()
}

/// The byte order of the file, and its magic number.
fn byte_order(first: [u8; 4]) -> Option<(Order, u32)> {
    let known = |magic| matches!(magic, MICRO_MAGIC | NANO_MAGIC | MODIFIED_MAGIC);
    let (little, big) = (u32::from_le_bytes(first), u32::from_be_bytes(first));
    if known(little) {
        Some((Order::Little, little))
    } else {
        known(big).then_some((Order::Big, big))
    }
}

impl Pcap {
    /// Reads the file header; the second value is what should be said about it.
    ///
    /// Errors are sentences: a version or a kind of link type that nothing is known about.
    pub(super) fn new(header: &[u8; HEADER]) -> Result<(Self, Vec<String>), String> {
        let known = header
            .first_chunk()
            .and_then(|first| byte_order(*first))
            .and_then(|(order, magic)| {
                Some((order, magic, order.u32s(header)?, order.u16s(header)?))
            });
        let Some((order, magic, [_, _, _, _, snaplen, link], [_, _, major, minor])) = known else {
            return Err("not a pcap file header".into());
        };
        let lengths = match (major, minor) {
            (2, 0..=2) | (543, 0) => Lengths::Swapped,
            (2, 3) => Lengths::Either,
            (2, 4) => Lengths::Ordered,
            _ => {
                return Err(format!(
                    "pcap version {major}.{minor} is unknown; versions 2.0 to 2.4 and 543.0 can be read"
                ));
            }
        };
        // draft-ietf-opsawg-pcap section 4: FCS length in 16-bit units (4 bits), R, P, reserved
        // (10 bits), link type.
        if link & 0x03ff_0000 != 0 {
            // Some systems had classes of link types of their own there: not ours to guess.
            return Err(format!(
                "its link type {link:#010x} has reserved bits set, so that its meaning is unknown"
            ));
        }
        let mut notices = Vec::new();
        if link & (1 << 26) != 0 {
            notices.push(format!(
                "the file header says that every frame ends in {} bytes of frame check sequence",
                (link >> 28) * 2
            ));
        }
        #[expect(clippy::cast_possible_truncation, reason = "the low 16 bits are meant")]
        let link_type = LinkType(link as u16);
        let pcap = Self {
            order,
            nanosecond: magic == NANO_MAGIC,
            record_header: if magic == MODIFIED_MAGIC { 24 } else { 16 },
            lengths,
            link_type,
            snaplen,
            max_captured: max_captured(link_type.0, snaplen),
            oddities: Oddities::default(),
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
        let mut at = from;
        loop {
            let rest = chunk.bytes.get(at..filled).unwrap_or_default();
            let Some([seconds, fraction, mut captured, mut wire_len]) = self.order.u32s(rest)
            else {
                return Ok(Walked {
                    consumed: at,
                    need: self.record_header,
                });
            };
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
            let snaplen = self.snaplen;
            self.oddities.check(chunk, at, captured, wire_len, snaplen);
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
