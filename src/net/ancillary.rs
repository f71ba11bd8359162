//! What stands beside a message's bytes: its name (an address of any family) and its control
//! messages (cmsg(3)), laid out and read back as bytes.
//!
//! Every length is checked, whoever wrote it. Knows layouts, not what they are used for.

use std::net::{Ipv4Addr, SocketAddrV4};

use libc::c_int;

/// Room for the control messages of one message: three time stamps, an extended error with its
/// offender, 40 bytes of options, TTL, TOS, addresses and a drop count take less.
const CONTROL_ROOM: usize = 256;
/// Room for a name: `sockaddr_in` takes 16 bytes, `sockaddr_ll` 20, `sockaddr_in6` 28.
const NAME_ROOM: usize = 32;
/// Control messages begin at multiples of the machine's word.
const ALIGNMENT: usize = size_of::<usize>();
/// `struct cmsghdr`: length (a word), level (4), type (4).
const HEADER: usize = (ALIGNMENT + 8).next_multiple_of(ALIGNMENT);

/// The address a message goes to or came from: a `sockaddr` of some family.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Name {
    pub(super) bytes: [u8; NAME_ROOM],
    pub(super) length: usize,
}

impl Name {
    /// No address.
    pub(super) const fn none() -> Self {
        Self {
            bytes: [0; NAME_ROOM],
            length: 0,
        }
    }

    /// Any family's address, as its `sockaddr` bytes; cut to the room there is.
    pub(super) fn new(sockaddr: &[u8]) -> Self {
        let mut name = Self::none();
        for (to, from) in name.bytes.iter_mut().zip(sockaddr) {
            *to = *from;
        }
        name.length = sockaddr.len().min(NAME_ROOM);
        name
    }

    /// An IPv4 address and port (`struct sockaddr_in`, ip(7)).
    pub(super) fn ipv4(address: SocketAddrV4) -> Self {
        let mut sockaddr = [0; 16];
        let family = u16::try_from(libc::AF_INET).unwrap_or_default();
        let [a, b] = family.to_ne_bytes();
        let [c, d] = address.port().to_be_bytes();
        let [e, f, g, h] = address.ip().octets();
        if let Some(start) = sockaddr.first_chunk_mut() {
            *start = [a, b, c, d, e, f, g, h];
        }
        Self::new(&sockaddr)
    }

    /// The bytes of the `sockaddr`.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }

    /// The address and port, if it is IPv4's.
    pub(super) fn as_ipv4(&self) -> Option<SocketAddrV4> {
        sockaddr_in(self.as_bytes())
    }
}

/// Reads a `struct sockaddr_in`.
fn sockaddr_in(bytes: &[u8]) -> Option<SocketAddrV4> {
    let [a, b, c, d, e, f, g, h] = *bytes.first_chunk()?;
    let ipv4 = c_int::from(u16::from_ne_bytes([a, b])) == libc::AF_INET;
    ipv4.then(|| SocketAddrV4::new(Ipv4Addr::new(e, f, g, h), u16::from_be_bytes([c, d])))
}

/// The control messages of one message.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
pub(super) struct Control {
    pub(super) bytes: [u8; CONTROL_ROOM],
    pub(super) length: usize,
}

impl Control {
    /// None yet.
    pub(super) const fn new() -> Self {
        Self {
            bytes: [0; CONTROL_ROOM],
            length: 0,
        }
    }

    /// Adds one. False, and nothing added, when there is no room for it.
    #[must_use]
    pub(super) fn push(&mut self, level: c_int, kind: c_int, data: &[u8]) -> bool {
        let length = HEADER.saturating_add(data.len());
        let end = self
            .length
            .saturating_add(length.next_multiple_of(ALIGNMENT));
        let Some(room) = self.bytes.get_mut(self.length..end) else {
            return false;
        };
        room.fill(0);
        let words = [
            &length.to_ne_bytes()[..],
            &level.to_ne_bytes(),
            &kind.to_ne_bytes(),
        ];
        for (to, from) in room.iter_mut().zip(words.into_iter().flatten()) {
            *to = *from;
        }
        for (to, from) in room.iter_mut().skip(HEADER).zip(data) {
            *to = *from;
        }
        self.length = end;
        true
    }

    /// All of them, as they lie.
    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }

    /// Each with its level and type. What is cut short is left out, and ends the list.
    pub(super) fn iter(&self) -> impl Iterator<Item = (c_int, c_int, &[u8])> {
        let mut rest = self.as_bytes();
        std::iter::from_fn(move || {
            let (header, _) = rest.split_at_checked(HEADER)?;
            let (length, kinds) = header.split_first_chunk::<ALIGNMENT>()?;
            let length = usize::from_ne_bytes(*length);
            let (level, kinds) = kinds.split_first_chunk()?;
            let kind = kinds.first_chunk()?;
            let data = rest.get(HEADER..length)?;
            // The last may lack its padding.
            let next = length.checked_next_multiple_of(ALIGNMENT)?;
            rest = rest.get(next..).unwrap_or_default();
            Some((
                c_int::from_ne_bytes(*level),
                c_int::from_ne_bytes(*kind),
                data,
            ))
        })
    }
}

/// An integer of the machine: TTL, drop count.
pub(super) fn integer(data: &[u8]) -> Option<u32> {
    data.first_chunk().copied().map(u32::from_ne_bytes)
}

/// A small number, which some kernels give as one byte and some as an integer: TOS.
pub(super) fn octet(data: &[u8]) -> Option<u8> {
    match *data {
        [octet] => Some(octet),
        _ => u8::try_from(integer(data)?).ok(),
    }
}

/// The software and the hardware stamp of `SCM_TIMESTAMPING_NEW`, in nanoseconds of their clocks'
/// epochs; zero is what the kernel writes for none.
pub(super) fn time_stamps(data: &[u8]) -> Option<(Option<i64>, Option<i64>)> {
    let one = |at: usize| {
        let (seconds, rest) = data.get(at..)?.split_first_chunk()?;
        let seconds = i64::from_ne_bytes(*seconds);
        let nanoseconds = i64::from_ne_bytes(*rest.first_chunk()?);
        let all = seconds.checked_mul(1_000_000_000)?;
        Some(all.checked_add(nanoseconds)?).map(|all| (all != 0).then_some(all))
    };
    // The second of the three has been unused since Linux 3.17.
    Some((one(0)?, one(32)?))
}

/// What an error queue says of one entry (`struct sock_extended_err`, ip(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ExtendedError {
    /// The error number.
    pub(super) number: u32,
    /// Who says it: `SO_EE_ORIGIN_*`.
    pub(super) origin: u8,
    /// ICMP's type.
    pub(super) icmp_type: u8,
    /// ICMP's code.
    pub(super) code: u8,
    /// The MTU, or which kind of send stamp it is.
    pub(super) info: u32,
    /// The number of a send stamp.
    pub(super) data: u32,
    /// Who sent the ICMP error.
    pub(super) offender: Option<Ipv4Addr>,
}

/// Reads the data of an `IP_RECVERR` control message.
pub(super) fn extended_error(data: &[u8]) -> Option<ExtendedError> {
    let (number, rest) = data.split_first_chunk()?;
    let ([origin, icmp_type, code, _], rest) = rest.split_first_chunk()?;
    let (info, rest) = rest.split_first_chunk()?;
    let (data, offender) = rest.split_first_chunk()?;
    Some(ExtendedError {
        number: u32::from_ne_bytes(*number),
        origin: *origin,
        icmp_type: *icmp_type,
        code: *code,
        info: u32::from_ne_bytes(*info),
        data: u32::from_ne_bytes(*data),
        offender: sockaddr_in(offender).map(|address| *address.ip()),
    })
}

/// The address a datagram was sent to, from the data of `IP_PKTINFO`: interface (4), local address
/// (4), the header's destination (4).
pub(super) fn destination(data: &[u8]) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = *data.get(8..)?.first_chunk()?;
    Some(Ipv4Addr::from(octets))
}

/// The data of `IP_PKTINFO` that chooses the source of a datagram to be sent.
pub(super) fn with_source(source: Ipv4Addr) -> [u8; 12] {
    let [a, b, c, d] = source.octets();
    [0, 0, 0, 0, a, b, c, d, 0, 0, 0, 0]
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_read() {
        let mut control = Control::new();
        assert!(control.push(libc::SOL_IP, libc::IP_TTL, &64_i32.to_ne_bytes()));
        assert!(control.push(libc::SOL_IP, libc::IP_TOS, &[0xb8]));
        assert!(control.push(1, 2, &[]));
        let all: Vec<_> = control.iter().collect();
        assert_eq!(all.len(), 3);
        assert_eq!((all[0].0, all[0].1), (libc::SOL_IP, libc::IP_TTL));
        assert_eq!(octet(all[0].2), Some(64));
        assert_eq!(octet(all[1].2), Some(0xb8));
        assert_eq!(all[2], (1, 2, &[][..]));
    }

    /// The layout is the C library's.
    #[test]
    fn headers_are_as_long_as_the_system_says() {
        assert_eq!(
            HEADER,
            size_of::<libc::cmsghdr>().next_multiple_of(ALIGNMENT)
        );
        assert!(size_of::<libc::sockaddr_ll>() <= NAME_ROOM);
        assert!(size_of::<libc::sockaddr_in6>() <= NAME_ROOM);
    }

    #[test]
    fn a_full_list_takes_no_more() {
        let mut control = Control::new();
        assert!(!control.push(0, 0, &[0; CONTROL_ROOM]));
        assert!(control.push(0, 0, &[0; CONTROL_ROOM - HEADER]));
        assert!(!control.push(0, 0, &[]));
        assert_eq!(control.iter().count(), 1);
    }

    #[test]
    fn a_name_is_read_back() {
        let address = SocketAddrV4::new(Ipv4Addr::new(192, 0, 2, 7), 33434);
        let name = Name::ipv4(address);
        assert_eq!(name.as_bytes().len(), size_of::<libc::sockaddr_in>());
        assert_eq!(name.as_ipv4(), Some(address));
        assert_eq!(Name::none().as_ipv4(), None);
        assert_eq!(Name::new(&[0; 64]).as_bytes().len(), NAME_ROOM);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(bytes in prop::collection::vec(any::<u8>(), 0..CONTROL_ROOM)) {
            let mut control = Control::new();
            control.bytes[..bytes.len()].copy_from_slice(&bytes);
            control.length = bytes.len();
            let read: usize = control.iter().map(|(_, _, data)| data.len() + HEADER).sum();
            prop_assert!(read <= bytes.len());
            for (_, _, data) in control.iter() {
                let _ = (integer(data), octet(data), time_stamps(data), extended_error(data));
            }
        }
    }
}
