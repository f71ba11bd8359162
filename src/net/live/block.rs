//! Walking a block of the ring: packet after packet, each with what the kernel tells of it
//! (`struct tpacket_block_desc` and `tpacket3_hdr`, if_packet.h).
//!
//! Whatever numbers a block holds, nothing outside of it is looked at. Knows layouts; not whose the
//! memory is.

use std::ops::Range;

use super::link::{Layer, SENDER_LEN, Sender, Told};
use crate::capture::Places;
use crate::wire::frame::Time;

/// Length of `struct tpacket3_hdr`, behind which the sender stands.
const HEADER: usize = 48;
/// Length of both together.
const BEFORE: usize = HEADER + SENDER_LEN;

/// What a block's own header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Summary {
    /// How many packets there are.
    pub(super) packets: u32,
    /// Where the first one is.
    first: u32,
    /// When it came.
    pub(super) time: Time,
}

/// Reads the block's header; none when the block is too short for one.
pub(super) fn summary(block: &[u8]) -> Option<Summary> {
    // version 0, offset of private data 4, status 8, packets 12, first packet 16, length 20,
    // sequence number 24, seconds and nanoseconds of the first packet 32, of the last 40.
    let header: &[u8; 48] = block.first_chunk()?;
    Some(Summary {
        packets: word(header, 12)?,
        first: word(header, 16)?,
        time: time(word(header, 32)?, word(header, 36)?),
    })
}

/// Completes the frames of a block and notes where they are. `interface` turns an interface's
/// number into its place in the table.
///
/// # Errors
/// When the block does not hold together: the packets before that are noted.
pub(super) fn walk(
    block: &mut [u8],
    layer: Layer,
    snaplen: usize,
    interface: &mut dyn FnMut(u32) -> u32,
    places: &mut Places,
) -> Result<(), Broken> {
    let summary = summary(block).ok_or(Broken)?;
    let mut at = index(summary.first);
    for remaining in (0..summary.packets).rev() {
        let header: [u8; BEFORE] = *block
            .get(at..)
            .and_then(<[u8]>::first_chunk)
            .ok_or(Broken)?;
        let (packet, sender) = header.split_first_chunk::<HEADER>().ok_or(Broken)?;
        let sender = Sender(sender.first_chunk().ok_or(Broken)?);
        let read = |offset| word(packet, offset).ok_or(Broken);
        let told = Told {
            time: time(read(4)?, read(8)?),
            length: read(16)?,
            status: read(20)?,
            // The 32 bits hold a number of 16.
            vlan: u16::try_from(read(32)? & 0xffff).unwrap_or(0),
            vlan_protocol: half(packet, 36).ok_or(Broken)?,
            sender,
        };
        let floor = at.checked_add(BEFORE).ok_or(Broken)?;
        let start = half(packet, 24).and_then(|mac| at.checked_add(mac.into()));
        let start = start.filter(|&start| start >= floor).ok_or(Broken)?;
        let end = start.checked_add(index(read(12)?)).ok_or(Broken)?;
        if end > block.len() {
            return Err(Broken);
        }
        let place: Range<usize> = told.complete(layer, block, floor, start..end, snaplen);
        let frame = told.frame(layer, interface(sender.interface()), start - place.start);
        places.push(place, &frame);
        match read(0)? {
            0 if remaining > 0 => return Err(Broken),
            next => at = at.checked_add(index(next)).ok_or(Broken)?,
        }
    }
    Ok(())
}

/// A block that does not hold together: the kernel's fault or ours, never the network's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;

fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[inline]
fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

#[inline]
fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*bytes))
}

fn time(seconds: u32, nanoseconds: u32) -> Time {
    Time {
        seconds: seconds.into(),
        nanoseconds: nanoseconds.min(999_999_999),
    }
}
