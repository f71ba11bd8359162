//! The extensions of an ICMP error as values, for those who act on them instead of showing them.
//!
//! Reads what can be read and leaves the rest out; must not know who asks.

use std::net::Ipv4Addr;

use super::{HEADER, INTERFACE_INFORMATION, MPLS, OBJECT, Place, VERSION, objects, place};
use crate::wire::checksum::Sum;
use crate::wire::field::Lens;

/// The most label stack entries and interfaces that are kept of one message.
const MOST: usize = 16;

/// A label stack entry (RFC 3032 section 2.1), as RFC 4950 reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Label {
    /// The label, 20 bits.
    pub label: u32,
    /// The traffic class, 3 bits (RFC 5462).
    pub traffic_class: u8,
    /// Whether it is the last of its stack.
    pub bottom: bool,
    /// The time to live.
    pub ttl: u8,
}

/// What an interface is to the datagram (RFC 5837 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// The datagram arrived at it.
    Incoming,
    /// The part of it below IP that the datagram arrived at.
    SubIp,
    /// The datagram would have left by it.
    Outgoing,
    /// It is the next hop.
    NextHop,
}

/// Interface information (RFC 5837), as far as it was given.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Interface {
    /// What it is to the datagram.
    pub role: Role,
    /// Its ifIndex.
    pub index: Option<u32>,
    /// Its IPv4 address.
    pub address: Option<Ipv4Addr>,
    /// Its name, as the bytes it came in: at most 63, any of them, without padding.
    pub name: Option<Vec<u8>>,
    /// Its MTU, in bytes.
    pub mtu: Option<u32>,
}

/// What an error says beside its quote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extensions {
    /// The labels the datagram arrived with, top first; at most 16.
    pub labels: Vec<Label>,
    /// The interfaces that were named; at most 16.
    pub interfaces: Vec<Interface>,
    /// The bytes of the message from which on it no longer is quote.
    pub start: Option<usize>,
}

/// Reads the extensions of a whole ICMP error, given from its type on. Objects whose length is
/// impossible end the reading (RFC 4884 section 7.1); a structure of another version than 2, one
/// whose place is a lie, or one whose checksum is given and wrong, has none.
#[must_use]
pub fn read(message: &[u8]) -> Extensions {
    let mut extensions = Extensions::default();
    let Place::At(at) = place(message, message.len()) else {
        return extensions;
    };
    let structure = message.get(at..).unwrap_or_default();
    if structure.first().is_none_or(|first| first >> 4 != VERSION) || structure.len() < HEADER {
        return extensions;
    }
    let is_summed = structure.get(2..4).is_some_and(|sum| sum != [0, 0]);
    if is_summed && Sum::new().with(structure).fold() != 0xffff {
        return extensions;
    }
    extensions.start = Some(at);
    for object in objects(structure, structure.len()) {
        if !object.sound {
            break;
        }
        let lens = Lens(object.bytes);
        match (lens.u8(2), lens.u8(3)) {
            (Some(MPLS), Some(1)) => {
                let entries = object.bytes.get(OBJECT..).unwrap_or_default();
                let room = MOST.saturating_sub(extensions.labels.len());
                let labels = entries.as_chunks().0.iter().take(room);
                extensions.labels.extend(labels.map(|&entry| label(entry)));
            }
            (Some(INTERFACE_INFORMATION), Some(c_type)) if extensions.interfaces.len() < MOST => {
                extensions.interfaces.push(interface(lens, c_type));
            }
            _ => {}
        }
    }
    extensions
}

fn label(entry: [u8; 4]) -> Label {
    let word = u32::from_be_bytes(entry);
    let [.., ttl] = entry;
    Label {
        label: word >> 12,
        traffic_class: (word >> 9 & 7) as u8,
        bottom: word & 0x100 != 0,
        ttl,
    }
}

/// The parts in their one possible order; one that is cut short ends the reading.
fn interface(object: Lens<'_>, c_type: u8) -> Interface {
    let mut read = Interface {
        role: match c_type >> 6 {
            0 => Role::Incoming,
            1 => Role::SubIp,
            2 => Role::Outgoing,
            _ => Role::NextHop,
        },
        index: None,
        address: None,
        name: None,
        mtu: None,
    };
    let mut next = OBJECT;
    if c_type & 0x08 != 0 {
        read.index = object.u32(next);
        next += 4;
    }
    if c_type & 0x04 != 0 {
        match object.u16(next) {
            Some(1) => {
                read.address = object.array::<4>(next + 4).map(Ipv4Addr::from);
                next += 8;
            }
            Some(2) => next += 20,
            _ => return read,
        }
    }
    if c_type & 0x02 != 0 {
        // The length counts itself (RFC 5837 section 4.3).
        let Some(len) = object.u8(next).map(usize::from) else {
            return read;
        };
        let end = next + len.clamp(1, 64);
        let name = object.slice(next + 1, end);
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        read.name = Some(name.to_vec());
        next = end;
    }
    if c_type & 0x01 != 0 {
        read.mtu = object.u32(next);
    }
    read
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::checksum::checksum;

    /// A time exceeded message with a padded quote of 128 bytes, then `objects`.
    fn message(objects: &[u8]) -> Vec<u8> {
        let mut message = vec![11, 0, 0, 0, 0, 32, 0, 0];
        message.resize(8 + 128, 0);
        message.extend([0x20, 0, 0, 0]);
        message.extend(objects);
        message
    }

    #[test]
    fn labels_and_interfaces_are_read() {
        let mut objects = vec![0, 12, 1, 1];
        objects.extend((24_001_u32 << 12 | 5 << 9 | 1).to_be_bytes());
        objects.extend((7_u32 << 12 | 0x100 | 0xfe).to_be_bytes());
        // Incoming, with index, address, name and MTU.
        objects.extend([0, 28, 2, 0x0f, 0, 0, 0, 3, 0, 1, 0, 0, 10, 1, 2, 3]);
        objects.extend(*b"\x08eth0\0\0\0");
        objects.extend(1500_u32.to_be_bytes());
        let read = read(&message(&objects));
        let entry = |label, traffic_class, bottom, ttl| Label {
            label,
            traffic_class,
            bottom,
            ttl,
        };
        assert_eq!(
            read.labels,
            [entry(24_001, 5, false, 1), entry(7, 0, true, 254)]
        );
        let interface = Interface {
            role: Role::Incoming,
            index: Some(3),
            address: Some(Ipv4Addr::new(10, 1, 2, 3)),
            name: Some(b"eth0".to_vec()),
            mtu: Some(1500),
        };
        assert_eq!(read.interfaces, [interface]);
        assert_eq!(read.start, Some(136));
    }

    #[test]
    fn lies_are_left_out() {
        // An object of length 0, one past the end, a thousand labels, a length that lies.
        assert_eq!(read(&message(&[0, 0, 1, 1])).labels, []);
        assert_eq!(read(&message(&[0, 40, 1, 1, 0, 0, 0, 0])).labels, []);
        let mut many = vec![0x0f, 0xa4, 1, 1];
        many.resize(4004, 0);
        assert_eq!(read(&message(&many)).labels.len(), MOST);
        let mut lying = message(&[0, 8, 1, 1, 0, 0, 0x11, 1]);
        lying.splice(5..6, [200]);
        assert_eq!(read(&lying), Extensions::default());
        // A checksum that is wrong; one that is right.
        let mut summed = message(&[0, 8, 1, 1, 0, 0, 0x11, 1]);
        summed.splice(138..140, [0xbe, 0xef]);
        assert_eq!(read(&summed), Extensions::default());
        summed.splice(138..140, [0, 0]);
        let sum = checksum(summed.get(136..).unwrap_or_default());
        summed.splice(138..140, sum.to_be_bytes());
        assert_eq!(read(&summed).labels.len(), 1);
        // No name at all, where one is announced.
        let nameless = read(&message(&[0, 8, 2, 2, 0, 0, 0, 0]));
        assert_eq!(
            nameless
                .interfaces
                .first()
                .and_then(|one| one.name.as_deref()),
            Some(&[][..])
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = read(&bytes);
            let mut error = message(&bytes);
            let _ = read(&error);
            error.truncate(bytes.len());
            let _ = read(&error);
        }
    }
}
