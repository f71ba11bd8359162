//! The link layer as it is saved: a VLAN tag that the hardware took out put back, a cooked header
//! (LINKTYPE_LINUX_SLL and LINKTYPE_LINUX_SLL2) put before packets that come without one.
//!
//! Knows what the kernel tells beside a packet (packet(7), if_packet.h), whichever way it does; not
//! how packets are fetched.

use std::ops::Range;

use nix::libc;

use crate::net::ancillary;
use crate::wire::frame::{Direction, Frame, LinkType, Offload, Time};

/// Length of `struct sockaddr_ll`.
pub(super) const SENDER_LEN: usize = 20;
/// How many bytes before a packet the longest header put there takes, with a tag behind it.
pub(super) const ROOM: usize = 24;

/// `TP_STATUS_GSO_TCP`, which libc does not have.
const GSO_TCP: u32 = 1 << 8;
/// The tag's protocol when the kernel does not say: IEEE 802.1Q.
const VLAN: u16 = 0x8100;
/// Both MAC addresses of an Ethernet header: a tag comes after them.
const ADDRESSES: usize = 12;

/// What a socket hands over in front of the packet, and what is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// The link's own header, whatever it is.
    Own(LinkType),
    /// No header: version 1 of the cooked one is saved.
    Cooked,
    /// No header: version 2 is saved, which names the interface.
    Cooked2,
}

impl Layer {
    /// The link type of the frames as they are saved.
    pub(super) fn link_type(self) -> LinkType {
        match self {
            Self::Own(link_type) => link_type,
            Self::Cooked => LinkType::LINUX_SLL,
            Self::Cooked2 => LinkType::LINUX_SLL2,
        }
    }
}

/// Whom a packet came from: `struct sockaddr_ll`, as bytes.
#[derive(Debug, Clone, Copy)]
pub(in crate::net) struct Sender<'a>(pub(in crate::net) &'a [u8; SENDER_LEN]);

impl Sender<'_> {
    /// The number of the interface.
    pub(super) fn interface(self) -> u32 {
        let [_, _, _, _, a, b, c, d, ..] = *self.0;
        u32::from_ne_bytes([a, b, c, d])
    }

    /// Whether this host sent it.
    pub(in crate::net) fn direction(self) -> Direction {
        let [_, _, _, _, _, _, _, _, _, _, kind, ..] = *self.0;
        match kind {
            libc::PACKET_OUTGOING => Direction::Out,
            _ => Direction::In,
        }
    }

    /// The Ethertype of the packet, in network byte order.
    fn protocol(self) -> [u8; 2] {
        let [_, _, p, q, ..] = *self.0;
        [p, q]
    }

    /// The 16 bytes of a cooked header (all numbers in network byte order): packet type, hardware
    /// type, length of the address, address, the protocol of what follows.
    fn cooked(self, [p, q]: [u8; 2]) -> [u8; 16] {
        let [_, _, _, _, _, _, _, _, h, i, kind, len, address @ ..] = *self.0;
        let [h, i] = u16::from_ne_bytes([h, i]).to_be_bytes();
        let [a, b, c, d, e, f, g, j] = address;
        [0, kind, h, i, 0, len, a, b, c, d, e, f, g, j, p, q]
    }

    /// The 20 bytes of version 2: the protocol of what follows, two of zero, interface, hardware
    /// type, packet type, length of the address, address.
    fn cooked2(self, [p, q]: [u8; 2]) -> [u8; 20] {
        let [_, _, _, _, _, _, _, _, h, i, kind, len, address @ ..] = *self.0;
        let [h, i] = u16::from_ne_bytes([h, i]).to_be_bytes();
        let [w, x, y, z] = self.interface().to_be_bytes();
        let [a, b, c, d, e, f, g, j] = address;
        [
            p, q, 0, 0, w, x, y, z, h, i, kind, len, a, b, c, d, e, f, g, j,
        ]
    }
}

/// What the kernel tells beside a packet.
#[derive(Debug, Clone, Copy)]
pub(in crate::net) struct Told<'a> {
    /// When it came.
    pub(super) time: Time,
    /// `TP_STATUS_` bits.
    pub(super) status: u32,
    /// How long it was, without what is put back.
    pub(super) length: u32,
    /// The VLAN tag that was taken out: priority and number, as they stand in the tag.
    pub(super) vlan: u16,
    /// The protocol of that tag.
    pub(super) vlan_protocol: u16,
    /// Whom it came from.
    pub(super) sender: Sender<'a>,
}

impl<'a> Told<'a> {
    /// Of a packet of this length that a socket handed over, whose control messages say the rest.
    pub(in crate::net) fn new(sender: Sender<'a>, length: u32) -> Self {
        Self {
            time: Time::default(),
            status: 0,
            length,
            vlan: 0,
            vlan_protocol: 0,
            sender,
        }
    }

    /// Takes in the data of a `PACKET_AUXDATA` control message, `struct tpacket_auxdata`: status,
    /// length, captured, offset of the link header and of the packet, VLAN tag, its protocol.
    pub(in crate::net) fn auxdata(&mut self, data: &[u8]) {
        let word = |at: usize| ancillary::integer(data.get(at..)?);
        let half = |at: usize| {
            let bytes = data.get(at..)?.first_chunk()?;
            Some(u16::from_ne_bytes(*bytes))
        };
        self.status = word(0).unwrap_or(0);
        self.length = word(4).unwrap_or(self.length);
        self.vlan = half(16).unwrap_or(0);
        self.vlan_protocol = half(18).unwrap_or(0);
    }

    /// The four bytes of the tag that was taken out, if one was.
    pub(in crate::net) fn tag(&self) -> Option<[u8; 4]> {
        if self.status & libc::TP_STATUS_VLAN_VALID == 0 && self.vlan == 0 {
            return None;
        }
        let protocol = if self.status & libc::TP_STATUS_VLAN_TPID_VALID != 0 {
            self.vlan_protocol
        } else {
            VLAN
        };
        let [p, q] = protocol.to_be_bytes();
        let [t, u] = self.vlan.to_be_bytes();
        Some([p, q, t, u])
    }

    /// Puts back what is missing in front of the packet whose bytes are those at `place`, using
    /// bytes from `floor` on; answers where the frame is now, cut to the snaplen. A packet without
    /// the room, or cut before the place of its tag, stays as it is.
    pub(super) fn complete(
        &self,
        layer: Layer,
        bytes: &mut [u8],
        floor: usize,
        place: Range<usize>,
        snaplen: usize,
    ) -> Range<usize> {
        let tag = self.tag();
        let start = match layer {
            Layer::Own(LinkType::ETHERNET) => {
                tag.and_then(|tag| put_tag(bytes, floor, &place, tag))
            }
            Layer::Own(_) => None,
            Layer::Cooked | Layer::Cooked2 => self.put_cooked(layer, bytes, floor, place.start),
        };
        let start = start.unwrap_or(place.start);
        start..place.end.min(start.saturating_add(snaplen))
    }

    /// Writes a cooked header before the packet, and behind it the tag that was taken out: the
    /// header then names the tag's protocol, and the tag the packet's. The new start.
    fn put_cooked(
        &self,
        layer: Layer,
        bytes: &mut [u8],
        floor: usize,
        start: usize,
    ) -> Option<usize> {
        let inner = self.sender.protocol();
        let (start, protocol) = match self.tag() {
            None => (start, inner),
            Some([p, q, t, u]) => {
                let [i, j] = inner;
                (put_before(bytes, floor, start, &[t, u, i, j])?, [p, q])
            }
        };
        if layer == Layer::Cooked {
            put_before(bytes, floor, start, &self.sender.cooked(protocol))
        } else {
            put_before(bytes, floor, start, &self.sender.cooked2(protocol))
        }
    }

    /// All that is known of the frame besides its bytes, of which `added` were put in front.
    pub(super) fn frame(&self, layer: Layer, interface: u32, added: usize) -> Frame<'static> {
        let added = u32::try_from(added).unwrap_or(0);
        Frame {
            number: 0,
            time: Some(self.time),
            link_type: layer.link_type(),
            wire_len: self.length.saturating_add(added),
            bytes: &[],
            interface: Some(interface),
            direction: Some(self.sender.direction()),
            offload: Offload {
                checksum_not_ready: self.status & libc::TP_STATUS_CSUMNOTREADY != 0,
                checksum_valid: self.status & libc::TP_STATUS_CSUM_VALID != 0,
                segmentation: self.status & GSO_TCP != 0,
            },
            comments: &[],
        }
    }
}

/// Writes a header before the packet; the new start.
fn put_before(bytes: &mut [u8], floor: usize, start: usize, header: &[u8]) -> Option<usize> {
    let from = start.checked_sub(header.len()).filter(|&it| it >= floor)?;
    bytes.get_mut(from..start)?.copy_from_slice(header);
    Some(from)
}

/// Moves the addresses of an Ethernet header forward and writes the tag behind them; the new
/// start.
fn put_tag(bytes: &mut [u8], floor: usize, place: &Range<usize>, tag: [u8; 4]) -> Option<usize> {
    let from = place
        .start
        .checked_sub(tag.len())
        .filter(|&it| it >= floor)?;
    if place.len() < ADDRESSES {
        return None;
    }
    let header = bytes.get_mut(from..place.start.checked_add(ADDRESSES)?)?;
    header.copy_within(tag.len().., 0);
    header.get_mut(ADDRESSES..)?.copy_from_slice(&tag);
    Some(from)
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use super::*;

    /// `sockaddr_ll` of IPv4, interface 7, Ethernet, sent, from 02:00:00:00:00:01.
    fn sender() -> [u8; SENDER_LEN] {
        let mut bytes = [0; SENDER_LEN];
        let parts: [&[u8]; 6] = [
            &17_u16.to_ne_bytes(),
            &[0x08, 0x00],
            &7_u32.to_ne_bytes(),
            &1_u16.to_ne_bytes(),
            &[4, 6],
            &[2, 0, 0, 0, 0, 1],
        ];
        for (to, from) in bytes.iter_mut().zip(parts.concat()) {
            *to = from;
        }
        bytes
    }

    fn told(sender: &[u8; SENDER_LEN], status: u32, vlan: u16) -> Told<'_> {
        Told {
            time: Time::default(),
            status,
            length: 60,
            vlan,
            vlan_protocol: 0x88a8,
            sender: Sender(sender),
        }
    }

    #[test]
    fn a_tag_comes_back_behind_the_addresses() {
        let sender = sender();
        let ethernet = Layer::Own(LinkType::ETHERNET);
        let frame: Vec<u8> = (1..=14).chain([0x45]).collect();
        for (status, protocol) in [(0x10, [0x81, 0]), (0x50, [0x88, 0xa8])] {
            let mut bytes = [vec![0; 8], frame.clone()].concat();
            let told = told(&sender, status, 0x2005);
            let place = told.complete(ethernet, &mut bytes, 4, 8..23, usize::MAX);
            assert_eq!(place, 4..23);
            let expected = [&frame[..12], &protocol, &[0x20, 0x05], &frame[12..]].concat();
            assert_eq!(bytes.get(place), Some(&expected[..]));
            assert_eq!(told.frame(ethernet, 0, 4).wire_len, 64);
        }
        // No tag, no room, or nothing to put it behind.
        let mut bytes = [0; 24];
        let untagged = told(&sender, 0, 0);
        assert_eq!(untagged.complete(ethernet, &mut bytes, 0, 8..23, 9), 8..17);
        let tagged = told(&sender, 0x10, 5);
        for (floor, place) in [(5, 8..23), (0, 8..19), (0, 3..23)] {
            let same = tagged.complete(ethernet, &mut bytes, floor, place.clone(), usize::MAX);
            assert_eq!(same, place);
        }
        assert_eq!(bytes, [0; 24]);
    }

    #[test]
    fn cooked_headers_are_laid_out_as_registered() {
        let sender = sender();
        let told = told(&sender, 0, 0);
        let mut bytes = [0xee; 24];
        let place = told.complete(Layer::Cooked2, &mut bytes, 2, 22..24, 21);
        assert_eq!(place, 2..23);
        let header = [8, 0, 0, 0, 0, 0, 0, 7, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0];
        assert_eq!(bytes.get(2..22), Some(&header[..]));
        let place = told.complete(Layer::Cooked, &mut bytes, 6, 22..24, 99);
        assert_eq!(place, 6..24);
        let header = [0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
        assert_eq!(bytes.get(6..22), Some(&header[..]));
    }

    #[test]
    fn a_tag_comes_back_behind_a_cooked_header() {
        let sender = sender();
        let told = told(&sender, 0x50, 0x2005);
        for (layer, header) in [
            (
                Layer::Cooked2,
                &[
                    0x88, 0xa8, 0, 0, 0, 0, 0, 7, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0,
                ][..],
            ),
            (
                Layer::Cooked,
                &[0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x88, 0xa8],
            ),
        ] {
            let mut bytes = [0x45; 30];
            let place = told.complete(layer, &mut bytes, 2, 26..30, usize::MAX);
            let expected = [header, &[0x20, 0x05, 8, 0], &[0x45; 4]].concat();
            assert_eq!(bytes.get(place.clone()), Some(&expected[..]));
            assert_eq!(
                told.frame(layer, 0, 26 - place.start).wire_len,
                60 + 4 + u32::try_from(header.len()).unwrap_or(0)
            );
        }
        // Without the room for both there is neither.
        let mut bytes = [0x45; 30];
        assert_eq!(
            told.complete(Layer::Cooked2, &mut bytes, 3, 26..30, usize::MAX),
            26..30
        );
    }

    #[test]
    fn the_kernels_bits_are_told() {
        let sender = sender();
        let frame = told(&sender, 1 << 3 | 1 << 8, 0).frame(Layer::Cooked2, 3, 20);
        assert!(frame.offload.checksum_not_ready && frame.offload.segmentation);
        assert!(!frame.offload.checksum_valid);
        assert_eq!(frame.direction, Some(Direction::Out));
        assert_eq!((frame.interface, frame.wire_len), (Some(3), 80));
        let verified = told(&sender, 1 << 7, 0).frame(Layer::Cooked2, 3, 20);
        assert!(verified.offload.checksum_valid);
    }
}
