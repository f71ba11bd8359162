//! The interfaces of this host: names, addresses, what they are and what a capture on them holds.
//!
//! On Linux everything comes from rtnetlink, which answers for the network namespace of the
//! asker; `/sys` would answer for the one it was mounted in. Nothing here knows how a list is
//! shown.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(test, not(target_os = "linux")))]
mod portable;

use std::ffi::OsString;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

#[cfg(target_os = "linux")]
pub(super) use linux::Links;

use crate::error::{Error, Result};
use crate::wire::frame::LinkType;

/// One network interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Its name: bytes the administrator chose, not always UTF-8, not always printable.
    pub name: OsString,
    /// Its number, from 1; unique in its network namespace.
    pub index: u32,
    /// What it is and how it is.
    pub flags: Flags,
    /// Its MAC address; None where it has none, which includes the loopback's zeros.
    pub mac: Option<Mac>,
    /// Its own IPv4 addresses.
    pub ipv4: Vec<Prefix<Ipv4Addr>>,
    /// Its own IPv6 addresses.
    pub ipv6: Vec<Prefix<Ipv6Addr>>,
    /// The most bytes a packet may have above the link layer, if the system says.
    pub mtu: Option<u32>,
    /// What a capture on it begins with, if the system says.
    pub link_type: Option<LinkType>,
}

impl Interface {
    /// Whether it is up, and whether it can carry anything.
    #[must_use]
    pub fn state(&self) -> State {
        match (self.flags.is_up(), self.flags.is_running()) {
            (false, _) => State::Down,
            (true, false) => State::NoCarrier,
            (true, true) => State::Up,
        }
    }
}

/// The state of an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Switched off by the administrator: nothing can be captured on it.
    Down,
    /// Switched on, but with no carrier or nobody at the other end.
    NoCarrier,
    /// Switched on and able to carry packets.
    Up,
}

impl State {
    /// `down`, `no-carrier` or `up`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::NoCarrier => "no-carrier",
            Self::Up => "up",
        }
    }
}

/// What an interface is and how it is, as Linux numbers the bits (netdevice(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flags(u32);

impl Flags {
    const UP: u32 = 0x1;
    const BROADCAST: u32 = 0x2;
    const LOOPBACK: u32 = 0x8;
    const POINT_TO_POINT: u32 = 0x10;
    const RUNNING: u32 = 0x40;
    const MULTICAST: u32 = 0x1000;

    fn has(self, bit: u32) -> bool {
        self.0 & bit != 0
    }

    /// The administrator has switched it on.
    #[must_use]
    pub fn is_up(self) -> bool {
        self.has(Self::UP)
    }

    /// It has a carrier.
    #[must_use]
    pub fn is_running(self) -> bool {
        self.has(Self::RUNNING)
    }

    /// What is sent on it comes back.
    #[must_use]
    pub fn is_loopback(self) -> bool {
        self.has(Self::LOOPBACK)
    }

    /// It leads to exactly one other host.
    #[must_use]
    pub fn is_point_to_point(self) -> bool {
        self.has(Self::POINT_TO_POINT)
    }

    /// It has a broadcast address.
    #[must_use]
    pub fn is_broadcast(self) -> bool {
        self.has(Self::BROADCAST)
    }

    /// It carries multicast.
    #[must_use]
    pub fn is_multicast(self) -> bool {
        self.has(Self::MULTICAST)
    }
}

/// A 48-bit MAC address (IEEE 802), shown as six pairs of hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// None for anything but six bytes that are not all zero: tunnels keep IP addresses in the
    /// same place, and the loopback keeps zeros.
    fn new(bytes: &[u8]) -> Option<Self> {
        let mac = Self(bytes.try_into().ok()?);
        (mac.0 != [0; 6]).then_some(mac)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        write!(f, "{first:02x}")?;
        rest.iter().try_for_each(|byte| write!(f, ":{byte:02x}"))
    }
}

/// An address and how many of its bits name the network (CIDR, RFC 4632), shown as `address/bits`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix<A> {
    /// The address.
    pub address: A,
    /// Bits of the network part.
    pub bits: u8,
}

impl<A: fmt::Display> fmt::Display for Prefix<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Whether packets to this address stay on this host: the loopback net (RFC 1122 section 3.2.1.3)
/// and the addresses of its interfaces.
#[must_use]
pub fn is_local(address: Ipv4Addr, interfaces: &[Interface]) -> bool {
    let mut own = interfaces.iter().flat_map(|interface| &interface.ipv4);
    address.is_loopback() || own.any(|prefix| prefix.address == address)
}

/// The interfaces of this network namespace, ordered by index.
///
/// # Errors
///
/// [`crate::error::Kind::Usage`] when the kernel refuses to list them.
pub fn interfaces() -> Result<Vec<Interface>> {
    #[cfg(target_os = "linux")]
    let listed = linux::interfaces();
    #[cfg(not(target_os = "linux"))]
    let listed = Ok(portable::interfaces());
    let mut interfaces =
        listed.map_err(|why: std::io::Error| Error::usage("listing the interfaces", why))?;
    interfaces.sort_by_key(|interface| interface.index);
    Ok(interfaces)
}

/// The interface that packets without a better way leave by: that of the IPv4 default route with
/// the lowest metric. None where there is no such route, or no way to ask for it.
///
/// # Errors
///
/// [`crate::error::Kind::Usage`] when the kernel refuses to tell.
pub fn default_interface() -> Result<Option<Interface>> {
    #[cfg(target_os = "linux")]
    let index = linux::default_route();
    #[cfg(not(target_os = "linux"))]
    let index: std::io::Result<Option<u32>> = Ok(None);
    let index = index.map_err(|why| {
        Error::usage("looking for the default route", why).advice("name an interface with -i")
    })?;
    let Some(index) = index else { return Ok(None) };
    Ok(interfaces()?.into_iter().find(|it| it.index == index))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    fn lo(interfaces: &[Interface]) -> &Interface {
        let found = interfaces.iter().find(|it| it.flags.is_loopback());
        found.unwrap()
    }

    #[test]
    fn a_mac_is_six_bytes_not_all_zero() {
        assert_eq!(Mac::new(&[0; 6]), None);
        assert_eq!(Mac::new(&[192, 0, 2, 1]), None);
        let mac = Mac::new(&[2, 0xfc, 0, 0, 0, 1]).unwrap();
        assert_eq!(mac.to_string(), "02:fc:00:00:00:01");
    }

    #[test]
    fn down_is_down_whatever_the_carrier() {
        let state = |flags| {
            let mut interface = lo(&interfaces().unwrap()).clone();
            interface.flags = Flags(flags);
            interface.state().name()
        };
        assert_eq!(state(0), "down");
        assert_eq!(state(Flags::RUNNING), "down");
        assert_eq!(state(Flags::UP), "no-carrier");
        assert_eq!(state(Flags::UP | Flags::RUNNING), "up");
    }

    #[test]
    fn two_ways_of_asking_agree() {
        let asked = interfaces().unwrap();
        for other in portable::interfaces() {
            // getifaddrs names an address label (`eth0:1`) as if it were an interface.
            let Some(ours) = asked.iter().find(|it| it.name == other.name) else {
                continue;
            };
            assert_eq!(ours.index, other.index);
            assert_eq!(ours.state(), other.state());
            assert_eq!(ours.mac, other.mac);
            assert!(other.ipv4.iter().all(|it| ours.ipv4.contains(it)));
            assert!(other.ipv6.iter().all(|it| ours.ipv6.contains(it)));
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn every_namespace_has_a_loopback() {
        let interfaces = interfaces().unwrap();
        let lo = lo(&interfaces);
        assert_eq!((lo.name.as_os_str(), lo.index), ("lo".as_ref(), 1));
        assert_eq!(lo.link_type, Some(LinkType::ETHERNET));
        assert_eq!(lo.mac, None);
        assert!(lo.mtu.is_some());
        assert!(interfaces.is_sorted_by_key(|it| it.index));
    }
}
