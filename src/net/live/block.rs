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
    /// When it came, as it says itself.
    pub(super) time: Time,
}

/// Reads the block's header; none when the block is too short for one.
pub(super) fn summary(block: &[u8]) -> Option<Summary> {
    // version 0, offset of private data 4, status 8, packets 12, first packet 16, length 20,
    // sequence number 24. The times from 32 on are those of the block's opening and closing.
    let header: &[u8; 48] = block.first_chunk()?;
    let first = word(header, 16)?;
    let packet = block.get(index(first)..).unwrap_or_default();
    Some(Summary {
        packets: word(header, 12)?,
        first,
        time: match (word(packet, 4), word(packet, 8)) {
            (Some(seconds), Some(nanoseconds)) => time(seconds, nanoseconds),
            _ => Time::default(),
        },
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

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use super::*;
    use crate::capture::{Batch, Interface, Lease};
    use crate::wire::frame::{Direction, LinkType};
    use proptest::prelude::*;
    use std::sync::Arc;

    /// A block's header is this long, and packets begin behind it.
    const FIRST: usize = 48;
    /// Where the link header of an Ethernet frame is, from its packet on.
    const MAC: usize = 82;

    struct Owned(Vec<u8>);

    impl Lease for Owned {
        fn bytes(&self) -> &[u8] {
            &self.0
        }
    }

    fn put(block: &mut [u8], at: usize, bytes: &[u8]) {
        block[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// A block as the kernel fills it (packet_mmap.rst), with a frame of this length in each of
    /// the packets, which lie 256 bytes apart.
    fn block(lengths: &[u8]) -> Vec<u8> {
        let mut block = vec![0; FIRST + 256 * lengths.len()];
        let words = [1, 48, 1, lengths.len(), FIRST, block.len(), 7, 0, 1600, 9];
        for (place, word) in words.into_iter().enumerate() {
            let word = u32::try_from(word).unwrap_or(0);
            put(&mut block, 4 * place, &word.to_ne_bytes());
        }
        for (index, length) in lengths.iter().enumerate() {
            let at = FIRST + 256 * index;
            let next = if index + 1 < lengths.len() { 256 } else { 0 };
            let number = u32::try_from(index).unwrap_or(0);
            // Next packet, seconds, nanoseconds, captured, length, status.
            let words = [next, 1700, 500 + number, (*length).into(), 1500, 1];
            for (place, word) in words.into_iter().enumerate() {
                put(&mut block, at + 4 * place, &word.to_ne_bytes());
            }
            put(&mut block, at + 24, &82_u16.to_ne_bytes());
            put(&mut block, at + 26, &96_u16.to_ne_bytes());
            // The sender: IPv4, interface 3, Ethernet, to us.
            put(&mut block, at + HEADER, &17_u16.to_ne_bytes());
            put(&mut block, at + HEADER + 2, &[8, 0]);
            put(&mut block, at + HEADER + 4, &3_u32.to_ne_bytes());
            let frame: Vec<u8> = (0..*length).collect();
            put(&mut block, at + MAC, &frame);
        }
        block
    }

    fn walked(mut block: Vec<u8>, layer: Layer) -> (Batch, Result<(), Broken>) {
        let mut places = Places::default();
        let result = walk(&mut block, layer, usize::MAX, &mut |_| 0, &mut places);
        let table = Arc::new(vec![Interface::new(layer.link_type())]);
        let batch = Batch::leased(1, Box::new(Owned(block)), places, table);
        (batch, result)
    }

    const ETHERNET: Layer = Layer::Own(LinkType::ETHERNET);

    #[test]
    fn every_packet_is_found() {
        let block = block(&[60, 14, 0, 100]);
        let summary = summary(&block).map(|it| (it.packets, it.time));
        let time = |nanoseconds| Time {
            seconds: 1700,
            nanoseconds,
        };
        assert_eq!(summary, Some((4, time(500))));
        let (batch, result) = walked(block, ETHERNET);
        assert_eq!(result, Ok(()));
        let lengths: Vec<_> = batch.frames().map(|frame| frame.bytes.len()).collect();
        assert_eq!(lengths, [60, 14, 0, 100]);
        for (index, frame) in (0..).zip(batch.frames()) {
            assert!((0..).zip(frame.bytes).all(|(value, byte)| value == *byte));
            assert_eq!(frame.wire_len, 1500);
            assert_eq!(frame.time, Some(time(500 + index)));
            assert_eq!(frame.direction, Some(Direction::In));
        }
    }

    #[test]
    fn a_header_is_put_in_front_within_the_packet_s_own_room() {
        // The link header of a cooked packet is 96 bytes after the packet's start.
        let mut block = block(&[60, 60]);
        for at in [FIRST, FIRST + 256] {
            put(&mut block, at + 24, &96_u16.to_ne_bytes());
        }
        let (batch, result) = walked(block, Layer::Cooked2);
        assert_eq!(result, Ok(()));
        for frame in batch.frames() {
            assert_eq!((frame.bytes.len(), frame.wire_len), (80, 1520));
            assert_eq!(frame.bytes[..8], [8, 0, 0, 0, 0, 0, 0, 3]);
        }
        assert_eq!(batch.len(), 2);
    }

    #[test]
    fn lies_end_the_walk_and_keep_what_came_before() {
        let second = FIRST + 256;
        let whole = block(&[60, 60, 60]);
        let lies: [(usize, &[u8], usize); 8] = [
            // A first packet outside, or too near the end for a header.
            (16, &u32::MAX.to_ne_bytes(), 0),
            (16, &800_u32.to_ne_bytes(), 0),
            // A second one outside, or none.
            (FIRST, &u32::MAX.to_ne_bytes(), 1),
            (FIRST, &0_u32.to_ne_bytes(), 1),
            // More bytes than the block has, or a link header outside or inside the headers.
            (second + 12, &u32::MAX.to_ne_bytes(), 1),
            (second + 12, &600_u32.to_ne_bytes(), 1),
            (second + 24, &u16::MAX.to_ne_bytes(), 1),
            (second + 24, &67_u16.to_ne_bytes(), 1),
        ];
        for (at, bytes, kept) in lies {
            let mut block = whole.clone();
            put(&mut block, at, bytes);
            let (batch, result) = walked(block, ETHERNET);
            assert_eq!((batch.len(), result), (kept, Err(Broken)), "at {at}");
        }
        for length in 0..FIRST + HEADER {
            let (batch, result) = walked(whole[..length].to_vec(), ETHERNET);
            assert_eq!((batch.len(), result), (0, Err(Broken)));
        }
    }

    proptest! {
        /// Whatever the kernel says, the walk ends, and frames are inside the block.
        #[test]
        fn any_block_is_walked_to_an_end(
            noise in prop::collection::vec((0..400_usize, any::<u32>()), 0..12),
            cooked: bool,
        ) {
            let mut block = block(&[60, 40, 80]);
            for (at, word) in noise {
                let at = (at * 2).min(block.len() - 4);
                // Small numbers lead further than large ones.
                let word = if word % 3 == 0 { word } else { word % 1024 };
                put(&mut block, at, &word.to_ne_bytes());
            }
            let length = block.len();
            let layer = if cooked { Layer::Cooked2 } else { ETHERNET };
            let (batch, _) = walked(block, layer);
            for frame in batch.frames() {
                prop_assert!(frame.bytes.len() <= length);
            }
        }
    }
}
