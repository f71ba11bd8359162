//! Fragments of the same datagram, seen side by side: which overlap, and which contradict.
//!
//! Not reassembly: nothing is put together here, only compared. Memory is bounded whatever the
//! sender does; what is forgotten first is what has waited longest.

use std::collections::{HashMap, VecDeque};

use crate::wire::anomaly::Anomaly;
use crate::wire::frame::{Frame, Time};
use crate::wire::packet::Packet;

/// Bytes of fragments that are remembered at most.
const MAX_BYTES: usize = 4 << 20;
/// Datagrams that are remembered at most.
const MAX_DATAGRAMS: usize = 4096;
/// Fragments of one datagram that are remembered at most; 65,535 bytes in pieces of eight would
/// make the comparison quadratic.
const MAX_PIECES: usize = 512;
/// A datagram's pieces belong together for this long (RFC 1122 section 3.3.2: 60 to 120 s).
const LIFETIME_NANOSECONDS: i128 = 60 * 1_000_000_000;

/// RFC 791: what tells one datagram's fragments from another's. The interface stands for the
/// link they came over.
type Key = ([u8; 4], [u8; 4], u8, u16, Option<u32>);

/// What was seen of one datagram.
#[derive(Debug)]
struct Datagram {
    /// Tells a new datagram of the same key from the one that was forgotten.
    birth: u64,
    first_seen: Option<Time>,
    bytes: usize,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    frame: u64,
    offset: u32,
    data: Vec<u8>,
}

impl Piece {
    fn end(&self) -> u32 {
        self.offset
            .saturating_add(u32::try_from(self.data.len()).unwrap_or(u32::MAX))
    }
}

/// An anomaly of several frames: which, at which layer of the newest frame, and with which
/// earlier frames.
pub type Together = (Anomaly, u8, Vec<u64>);

/// Remembers fragments and compares new ones with them. Frames come in order.
#[derive(Debug, Default)]
pub struct Fragments {
    datagrams: HashMap<Key, Datagram>,
    order: VecDeque<(Key, u64)>,
    bytes: usize,
    births: u64,
}

impl Fragments {
    /// Remembers the fragment that `packet` found in `frame`, and says how it disagrees with
    /// earlier ones. A second copy of a fragment, equal in every byte, is a duplicate and legal.
    pub fn track(&mut self, frame: &Frame<'_>, packet: &Packet) -> Vec<Together> {
        let Some(fragment) = packet.fragment() else {
            return Vec::new();
        };
        let Some(data) = frame.bytes.get(fragment.data.start..fragment.data.end) else {
            return Vec::new();
        };
        let header = packet
            .layers()
            .get(usize::from(fragment.layer))
            .map_or(0, |layer| layer.start as usize);
        let Some(header) = frame
            .bytes
            .get(header..)
            .and_then(|bytes| bytes.first_chunk::<20>())
        else {
            return Vec::new();
        };
        let key = (
            [header[12], header[13], header[14], header[15]],
            [header[16], header[17], header[18], header[19]],
            header[9],
            u16::from_be_bytes([header[4], header[5]]),
            frame.interface,
        );
        let piece = Piece {
            frame: frame.number,
            offset: fragment.offset,
            data: data.to_vec(),
        };
        self.forget_expired(&key, frame.time);
        let found = self
            .datagrams
            .get(&key)
            .map(|datagram| compare(datagram, &piece))
            .unwrap_or_default();
        self.remember(key, frame.time, piece);
        found
            .into_iter()
            .map(|(anomaly, frames)| (anomaly, fragment.layer, frames))
            .collect()
    }

    fn forget_expired(&mut self, key: &Key, now: Option<Time>) {
        let expired =
            self.datagrams
                .get(key)
                .is_some_and(|datagram| match (datagram.first_seen, now) {
                    (Some(then), Some(now)) => now.since(then) > LIFETIME_NANOSECONDS,
                    _ => false,
                });
        if expired {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: &Key) {
        if let Some(datagram) = self.datagrams.remove(key) {
            self.bytes = self.bytes.saturating_sub(datagram.bytes);
        }
    }

    fn remember(&mut self, key: Key, now: Option<Time>, piece: Piece) {
        let births = &mut self.births;
        let order = &mut self.order;
        let datagram = self.datagrams.entry(key).or_insert_with(|| {
            *births += 1;
            order.push_back((key, *births));
            Datagram {
                birth: *births,
                first_seen: now,
                bytes: 0,
                pieces: Vec::new(),
            }
        });
        if datagram.pieces.len() < MAX_PIECES {
            datagram.bytes += piece.data.len();
            self.bytes += piece.data.len();
            datagram.pieces.push(piece);
        }
        while self.bytes > MAX_BYTES || self.order.len() > MAX_DATAGRAMS {
            let Some((oldest, birth)) = self.order.pop_front() else {
                break;
            };
            if self
                .datagrams
                .get(&oldest)
                .is_some_and(|datagram| datagram.birth == birth)
            {
                self.forget(&oldest);
            }
        }
    }
}

/// How a fragment disagrees with those before it.
fn compare(datagram: &Datagram, piece: &Piece) -> Vec<(Anomaly, Vec<u64>)> {
    let (mut overlaps, mut conflicts) = (Vec::new(), Vec::new());
    for earlier in &datagram.pieces {
        let (start, end) = (
            earlier.offset.max(piece.offset),
            earlier.end().min(piece.end()),
        );
        if start >= end {
            continue;
        }
        let part = |piece: &Piece| {
            let range = (start - piece.offset) as usize..(end - piece.offset) as usize;
            piece
                .data
                .get(range)
                .map(<[u8]>::to_vec)
                .unwrap_or_default()
        };
        let same_place = earlier.offset == piece.offset && earlier.end() == piece.end();
        if part(earlier) != part(piece) {
            conflicts.push(earlier.frame);
            overlaps.push(earlier.frame);
        } else if !same_place {
            overlaps.push(earlier.frame);
        }
    }
    let mut found = Vec::new();
    if !overlaps.is_empty() {
        found.push((Anomaly::Ipv4FragmentOverlap, overlaps));
    }
    if !conflicts.is_empty() {
        found.push((Anomaly::Ipv4FragmentConflict, conflicts));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::{LinkType, Offload};
    use crate::wire::packet::{Judge, dissect};

    /// A fragment of datagram `id` from 192.0.2.1 to 192.0.2.2: its frame's bytes.
    fn fragment(id: u16, offset: u16, more: bool, data: &[u8]) -> Vec<u8> {
        let total = u16::try_from(20 + data.len()).unwrap_or(u16::MAX);
        let mut bytes = vec![0x45, 0];
        bytes.extend(total.to_be_bytes());
        bytes.extend(id.to_be_bytes());
        bytes.extend(((u16::from(more) << 13) | (offset / 8)).to_be_bytes());
        bytes.extend([64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        bytes.extend(data);
        bytes
    }

    fn track(
        fragments: &mut Fragments,
        number: u64,
        seconds: i64,
        bytes: &[u8],
    ) -> Vec<(Anomaly, Vec<u64>)> {
        let frame = Frame {
            number,
            time: Some(Time {
                seconds,
                nanoseconds: 0,
            }),
            link_type: LinkType::IPV4,
            wire_len: u32::try_from(bytes.len()).unwrap_or(0),
            bytes,
            interface: None,
            direction: None,
            offload: Offload::default(),
            comments: &[],
        };
        let mut packet = Packet::new();
        dissect(&frame, Judge::ALL, &mut packet);
        fragments
            .track(&frame, &packet)
            .into_iter()
            .map(|(anomaly, _, frames)| (anomaly, frames))
            .collect()
    }

    #[test]
    fn neighbours_and_exact_copies_are_legal() {
        let mut fragments = Fragments::default();
        assert_eq!(
            track(&mut fragments, 1, 0, &fragment(7, 0, true, &[1; 16])),
            []
        );
        assert_eq!(
            track(&mut fragments, 2, 0, &fragment(7, 16, false, &[2; 16])),
            []
        );
        assert_eq!(
            track(&mut fragments, 3, 0, &fragment(7, 0, true, &[1; 16])),
            []
        );
        assert_eq!(
            track(&mut fragments, 4, 0, &fragment(8, 8, true, &[3; 16])),
            [],
            "another datagram"
        );
    }

    #[test]
    fn an_overlap_names_the_earlier_frame_and_a_conflict_the_difference() {
        let mut fragments = Fragments::default();
        assert_eq!(
            track(&mut fragments, 1, 0, &fragment(7, 0, true, &[1; 16])),
            []
        );
        let overlap = track(&mut fragments, 2, 0, &fragment(7, 8, true, &[1; 16]));
        assert_eq!(overlap, [(Anomaly::Ipv4FragmentOverlap, vec![1])]);
        let conflict = track(&mut fragments, 3, 0, &fragment(7, 16, false, &[9; 8]));
        assert_eq!(
            conflict,
            [
                (Anomaly::Ipv4FragmentOverlap, vec![2]),
                (Anomaly::Ipv4FragmentConflict, vec![2])
            ]
        );
    }

    #[test]
    fn an_identification_used_again_after_a_minute_is_a_new_datagram() {
        let mut fragments = Fragments::default();
        assert_eq!(
            track(&mut fragments, 1, 0, &fragment(7, 0, true, &[1; 16])),
            []
        );
        assert_eq!(
            track(&mut fragments, 2, 61, &fragment(7, 0, true, &[2; 16])),
            []
        );
    }

    #[test]
    fn memory_is_bounded_under_a_flood_of_datagrams_and_of_pieces() {
        let mut fragments = Fragments::default();
        for id in 0..=u16::MAX {
            track(
                &mut fragments,
                u64::from(id),
                0,
                &fragment(id, 0, true, &[1; 256]),
            );
        }
        assert!(fragments.bytes <= MAX_BYTES && fragments.datagrams.len() <= MAX_DATAGRAMS);
        for offset in 0..4000 {
            track(
                &mut fragments,
                1,
                0,
                &fragment(7, offset * 8, true, &[1; 8]),
            );
        }
        assert!(
            fragments
                .datagrams
                .values()
                .all(|datagram| datagram.pieces.len() <= MAX_PIECES)
        );
    }
}
