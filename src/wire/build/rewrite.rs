//! Captured frames with other addresses: IPv4 and transport checksums follow by RFC 1624, so
//! that a wrong one stays exactly as wrong as it was.
//!
//! Rewrites the outermost IPv4 header; what an ICMP error quotes or a tunnel carries stays.

use std::net::Ipv4Addr;

use super::put;
use crate::wire::frame::Frame;
use crate::wire::packet::{Packet, Protocol};

/// Which addresses a frame gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rewrite {
    /// Source address of the IPv4 header.
    pub source: Option<Ipv4Addr>,
    /// Destination address of the IPv4 header.
    pub destination: Option<Ipv4Addr>,
    /// Source address of the Ethernet header.
    pub source_mac: Option<[u8; 6]>,
    /// Destination address of the Ethernet header.
    pub destination_mac: Option<[u8; 6]>,
}

impl Rewrite {
    /// True when nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Puts the frame, changed, into `out`; `packet` is its dissection.
    pub fn apply(&self, frame: &Frame<'_>, packet: &Packet, out: &mut Vec<u8>) {
        out.clear();
        out.extend_from_slice(frame.bytes);
        let layers = packet.layers();
        if let Some(layer) = layers.first()
            && layer.protocol == Protocol::Ethernet
        {
            let start = layer.start as usize;
            for (at, mac) in [(0, self.destination_mac), (6, self.source_mac)] {
                let place = out
                    .get_mut(start.saturating_add(at)..)
                    .and_then(<[u8]>::first_chunk_mut);
                if let (Some(place), Some(mac)) = (place, mac) {
                    *place = mac;
                }
            }
        }
        let Some(index) = layers
            .iter()
            .position(|layer| layer.protocol == Protocol::Ipv4 && layer.depth == 0)
        else {
            return;
        };
        let Some(ip) = layers.get(index) else { return };
        let ip_start = ip.start as usize;
        let Some(&[flags, low]) = word(out, ip_start.saturating_add(6)) else {
            return;
        };
        // Only the first fragment carries the transport header.
        let next = layers
            .get(index.saturating_add(1))
            .filter(|_| u16::from_be_bytes([flags & 0x1f, low]) == 0);
        let transport = next.and_then(|layer| match layer.protocol {
            Protocol::Udp => Some((layer.start as usize).saturating_add(6)),
            Protocol::Tcp => Some((layer.start as usize).saturating_add(16)),
            _ => None,
        });
        let udp = next.is_some_and(|layer| layer.protocol == Protocol::Udp);
        for (at, address) in [(12, self.source), (16, self.destination)] {
            let Some(address) = address else { continue };
            let at = ip_start.saturating_add(at);
            let Some(place) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<4>) else {
                continue;
            };
            let old = std::mem::replace(place, address.octets());
            follow(out, ip_start.saturating_add(10), old, address.octets());
            if let Some(at) = transport
                // RFC 768: zero says that there is no checksum.
                && !(udp && word(out, at) == Some(&[0, 0]))
            {
                follow(out, at, old, address.octets());
                if udp && word(out, at) == Some(&[0, 0]) {
                    put(out, at, 0xffff);
                }
            }
        }
    }
}

fn word(bytes: &[u8], at: usize) -> Option<&[u8; 2]> {
    bytes.get(at..)?.first_chunk()
}

/// The checksum at `at` after four summed bytes changed: HC' = ~(~HC + ~m + m') (RFC 1624
/// section 3).
fn follow(bytes: &mut [u8], at: usize, old: [u8; 4], new: [u8; 4]) {
    let Some(&carried) = word(bytes, at) else {
        return;
    };
    let half = |address: [u8; 4]| {
        let word = u32::from_be_bytes(address);
        [word >> 16, word & 0xffff]
    };
    let mut sum = u32::from(!u16::from_be_bytes(carried));
    for word in half(old) {
        sum = sum.saturating_add(!word & 0xffff);
    }
    for word in half(new) {
        sum = sum.saturating_add(word);
    }
    // Six words of 16 bits: two folds are enough.
    sum = (sum & 0xffff).saturating_add(sum >> 16);
    sum = (sum & 0xffff).saturating_add(sum >> 16);
    put(bytes, at, !u16::try_from(sum & 0xffff).unwrap_or(0));
}
