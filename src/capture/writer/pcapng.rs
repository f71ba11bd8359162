//! The blocks of a pcapng capture
//! (<https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html>), little-endian.
//!
//! Appends to a buffer and cannot fail but for frames that the format has no room for.

use std::collections::HashMap;

use pcap_parser::{BOM_MAGIC, EPB_MAGIC, IDB_MAGIC, ISB_MAGIC, SHB_MAGIC, SPB_MAGIC};

use super::{Refused, Statistics, captured, out_of_range};
use crate::capture::batch::{Interface, Resolution};
use crate::capture::pcapng::{OPT_COMMENT, OPT_EPB_FLAGS, flag};
use crate::wire::frame::{Direction, Frame, Time};

/// The most bytes of an option's value: its length has 16 bits and is kept a multiple of four.
const MAX_VALUE: usize = 0xfffc;

/// More than the blocks before a frame, and around it, can have: a section header, a
/// description with two texts of [`MAX_VALUE`] bytes, and the fields of a packet block.
pub(super) const MAX_DESCRIPTION: usize = 2 * MAX_VALUE + 256;

/// Where a frame's interface is among the ones written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Origin {
    source: u32,
    section: u32,
    index: u32,
}

/// The section being written.
#[derive(Debug, Default)]
pub(super) struct Pcapng {
    source: u32,
    written: HashMap<Origin, u32>,
    /// Most frames come from the interface of the one before them.
    last: Option<(Origin, u32)>,
}

impl Pcapng {
    /// Begins a section: interfaces are described anew in it.
    pub(super) fn start_section(&mut self, out: &mut Vec<u8>) {
        self.written.clear();
        self.last = None;
        let start = begin(out, SHB_MAGIC);
        put(out, BOM_MAGIC);
        out.extend_from_slice(&1_u16.to_le_bytes());
        out.extend_from_slice(&0_u16.to_le_bytes());
        // The length of the section is not known beforehand: -1.
        out.extend_from_slice(&(-1_i64).to_le_bytes());
        // shb_userappl
        option(out, 4, b"dotquad");
        option(out, 0, b"");
        end(out, start);
    }

    /// Tells that interfaces from now on are those of another source.
    pub(super) fn next_source(&mut self) {
        self.source = self.source.wrapping_add(1);
    }

    /// The number of an interface in this section, described now if it is new here.
    pub(super) fn interface(
        &mut self,
        out: &mut Vec<u8>,
        interface: &Interface,
        index: u32,
    ) -> u32 {
        let origin = Origin {
            source: self.source,
            section: interface.section,
            index,
        };
        if let Some((last, id)) = self.last
            && last == origin
        {
            return id;
        }
        let next = u32::try_from(self.written.len()).unwrap_or(u32::MAX);
        let id = *self.written.entry(origin).or_insert_with(|| {
            describe(out, interface);
            next
        });
        self.last = Some((origin, id));
        id
    }

    /// The most bytes that [`frame`](Self::frame) would append.
    pub(super) fn cost(&self, frame: &Frame<'_>, interface: &Interface) -> usize {
        let origin = Origin {
            source: self.source,
            section: interface.section,
            index: frame.interface.unwrap_or(0),
        };
        let known =
            self.last.is_some_and(|(last, _)| last == origin) || self.written.contains_key(&origin);
        let mut cost = 32 + frame.bytes.len().next_multiple_of(4);
        if !known {
            let mut description = Vec::new();
            describe(&mut description, interface);
            cost += description.len();
        }
        for comment in frame.comments {
            cost += 4 + comment.len().min(MAX_VALUE).next_multiple_of(4);
        }
        let flagged = flags(frame) != 0;
        cost + if flagged { 8 } else { 0 }
            + if flagged || !frame.comments.is_empty() {
                4
            } else {
                0
            }
    }

    /// What was counted on an interface, described if it has to be.
    pub(super) fn statistics(
        &mut self,
        out: &mut Vec<u8>,
        interface: &Interface,
        index: u32,
        statistics: &Statistics,
    ) {
        let id = self.interface(out, interface, index);
        let stamp = |time: Option<Time>| time.and_then(|time| since(time, interface));
        let end_time = stamp(statistics.end);
        let start = begin(out, ISB_MAGIC);
        put(out, id);
        put_ticks(out, end_time.unwrap_or(0));
        if let Some(comment) = &statistics.comment {
            option(out, OPT_COMMENT, comment.as_bytes());
        }
        for (code, ticks) in [(2, stamp(statistics.start)), (3, end_time)] {
            if let Some(ticks) = ticks {
                option(out, code, &halves(ticks));
            }
        }
        for (code, count) in [
            (5, statistics.interface_dropped),
            (6, statistics.matched),
            (7, statistics.dropped),
            (8, statistics.delivered),
        ] {
            if let Some(count) = count {
                option(out, code, &count.to_le_bytes());
            }
        }
        option(out, 0, b"");
        end(out, start);
    }

    /// One frame, whose interface is described if it has to be.
    pub(super) fn frame(
        &mut self,
        out: &mut Vec<u8>,
        frame: &Frame<'_>,
        interface: &Interface,
    ) -> Result<(), Refused> {
        let captured = captured(frame)?;
        let index = frame.interface.unwrap_or(0);
        let mut id = self.interface(out, interface, index);
        if is_simple(frame, interface, captured) {
            if id != 0 {
                // Simple packet blocks belong to their section's first interface.
                self.start_section(out);
                id = self.interface(out, interface, index);
            }
            debug_assert_eq!(id, 0, "the first interface of a section");
            let start = begin(out, SPB_MAGIC);
            put(out, frame.wire_len);
            padded(out, frame.bytes);
            end(out, start);
            return Ok(());
        }
        let ticks = ticks(frame, interface)?;
        let start = begin(out, EPB_MAGIC);
        put(out, id);
        put_ticks(out, ticks);
        put(out, captured);
        put(out, frame.wire_len);
        padded(out, frame.bytes);
        let flags = flags(frame);
        for comment in frame.comments {
            option(out, OPT_COMMENT, comment.as_bytes());
        }
        if flags != 0 {
            option(out, OPT_EPB_FLAGS, &flags.to_le_bytes());
        }
        if flags != 0 || !frame.comments.is_empty() {
            option(out, 0, b"");
        }
        end(out, start);
        Ok(())
    }
}

/// True when a simple packet block says all there is to say: no time, no options, and a
/// captured length that follows from the snaplen.
fn is_simple(frame: &Frame<'_>, interface: &Interface, captured: u32) -> bool {
    let room = match interface.snaplen {
        0 => u32::MAX,
        snaplen => snaplen,
    };
    frame.time.is_none()
        && flags(frame) == 0
        && frame.comments.is_empty()
        && captured == frame.wire_len.min(room)
}

fn flags(frame: &Frame<'_>) -> u32 {
    let direction = match frame.direction {
        Some(Direction::In) => flag::IN,
        Some(Direction::Out) => flag::OUT,
        None => 0,
    };
    let offload = frame.offload;
    [
        (offload.checksum_not_ready, flag::CHECKSUM_NOT_READY),
        (offload.checksum_valid, flag::CHECKSUM_VALID),
        (offload.segmentation, flag::SEGMENTATION),
    ]
    .into_iter()
    .filter(|(is_set, _)| *is_set)
    .fold(direction, |flags, (_, flag)| flags | flag)
}

/// The exponent of the unit that an interface's time stamps are written in.
fn exponent(interface: &Interface) -> u8 {
    match interface.resolution {
        Resolution::Decimal(digits @ 0..=9) => digits,
        _ => 9,
    }
}

fn ticks(frame: &Frame<'_>, interface: &Interface) -> Result<u64, Refused> {
    let Some(time) = frame.time else {
        return Ok(0);
    };
    since(time, interface)
        .ok_or_else(|| out_of_range(frame.number, time, "64 bits of its interface's unit"))
}

/// A moment in the unit of an interface, where it can be told in it.
fn since(time: Time, interface: &Interface) -> Option<u64> {
    let exponent = u32::from(exponent(interface));
    let part = u64::from(time.nanoseconds / 10_u32.pow(9 - exponent));
    time.seconds
        .checked_sub(interface.time_offset)
        .and_then(|seconds| u64::try_from(seconds).ok())
        .and_then(|seconds| seconds.checked_mul(10_u64.pow(exponent)))
        .and_then(|ticks| ticks.checked_add(part))
}

fn describe(out: &mut Vec<u8>, interface: &Interface) {
    let start = begin(out, IDB_MAGIC);
    out.extend_from_slice(&interface.link_type.0.to_le_bytes());
    out.extend_from_slice(&[0; 2]);
    put(out, interface.snaplen);
    if let Some(name) = &interface.name {
        option(out, 2, name.as_bytes());
    }
    if let Some(description) = &interface.description {
        option(out, 3, description.as_bytes());
    }
    option(out, 9, &[exponent(interface)]);
    if interface.time_offset != 0 {
        option(out, 14, &interface.time_offset.to_le_bytes());
    }
    option(out, 0, b"");
    end(out, start);
}

fn put(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// A moment as two numbers, the more significant half first.
fn put_ticks(out: &mut Vec<u8>, ticks: u64) {
    out.extend_from_slice(&halves(ticks));
}

fn halves(ticks: u64) -> [u8; 8] {
    ticks.rotate_left(32).to_le_bytes()
}

/// Bytes, and zeros up to the next multiple of four.
fn padded(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(bytes);
    let padding = bytes.len().next_multiple_of(4) - bytes.len();
    out.extend_from_slice([0; 4].get(..padding).unwrap_or_default());
}

/// An option; text that is longer than one can hold is cut between two characters.
fn option(out: &mut Vec<u8>, code: u16, value: &[u8]) {
    let mut value = value;
    if let Some(start) = value.get(..MAX_VALUE).filter(|_| value.len() > MAX_VALUE) {
        value = match std::str::from_utf8(start) {
            Err(error) if error.error_len().is_none() => {
                start.get(..error.valid_up_to()).unwrap_or_default()
            }
            _ => start,
        };
    }
    out.extend_from_slice(&code.to_le_bytes());
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    padded(out, value);
}

/// Starts a block; answers where, for [`end`].
fn begin(out: &mut Vec<u8>, block_type: u32) -> usize {
    let start = out.len();
    put(out, block_type);
    put(out, 0);
    start
}

/// Ends a block: its length goes to both ends of it.
fn end(out: &mut Vec<u8>, start: usize) {
    let length = u32::try_from(out.len() + 4 - start).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(start + 4..start + 8) {
        field.copy_from_slice(&length.to_le_bytes());
    }
    put(out, length);
}
