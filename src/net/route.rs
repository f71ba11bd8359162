//! Which way a datagram leaves: the route, the interface, and the neighbour's MAC address, all as
//! the kernel would choose them (rtnetlink(7)); no privilege is needed to ask.
//!
//! Sends nothing; who is no neighbour yet is asked for in `transmit`.

use std::ffi::OsStr;
use std::io;
use std::net::Ipv4Addr;

use nix::libc;

use super::interface::{Interface, interfaces};
use super::netlink::{Message, Netlink, attribute, attributes, u16_at, u32_at};
use crate::error::{Error, Result};

/// Length of `struct rtmsg`: family, destination bits, source bits, TOS, table, protocol, scope,
/// type (1 each), flags (4).
const ROUTE_HEADER_LEN: usize = 12;
/// Length of `struct ndmsg`: family (1), padding (3), index (4), state (2), flags (1), type (1).
const NEIGHBOUR_HEADER_LEN: usize = 12;
/// Length of `struct ifinfomsg`: family, padding (1 each), type (2), index, flags, change (4).
const LINK_HEADER_LEN: usize = 16;
/// Of a route's metrics, the MTU (linux/rtnetlink.h).
const RTAX_MTU: u16 = 2;
/// The neighbour's link-layer address (linux/neighbour.h).
const NDA_LLADDR: u16 = 2;
/// The neighbour's address.
const NDA_DST: u16 = 1;
/// States in which an entry's MAC address may be used: reachable, stale, delay, probe, noarp,
/// permanent.
const NUD_VALID: u16 = 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80;

/// What the kernel does with a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It is this host.
    Local,
    /// It is one other host.
    Unicast,
    /// It is everyone on a link.
    Broadcast,
    /// It is a group.
    Multicast,
}

/// The way to a destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    /// Where it leaves.
    pub interface: Interface,
    /// Our own address that the kernel would use.
    pub source: Option<Ipv4Addr>,
    /// The gateway, or the destination itself where it is on the link.
    pub next_hop: Ipv4Addr,
    /// What it is.
    pub reach: Reach,
}

/// The interface of this name.
///
/// # Errors
/// [`Kind::Usage`](crate::error::Kind::Usage) when there is none, or it is down.
pub fn interface(name: &OsStr) -> Result<Interface> {
    let doing = || format!("using interface {}", name.to_string_lossy());
    let found = interfaces()?.into_iter().find(|it| it.name == name);
    let found = found.ok_or_else(|| {
        Error::usage(doing(), "there is no such interface").advice("dotquad interfaces lists them")
    })?;
    if !found.flags.is_up() {
        return Err(Error::usage(doing(), "it is down"));
    }
    Ok(found)
}

/// The way to `destination`, by this interface if one is given.
///
/// # Errors
/// [`Kind::Usage`](crate::error::Kind::Usage) when there is no route, or no such interface.
pub fn path(destination: Ipv4Addr, by: Option<&OsStr>) -> Result<Path> {
    let by = by.map(interface).transpose()?;
    let doing = || format!("finding a route to {destination}");
    let refuse = |why: io::Error| {
        Error::usage(doing(), super::plain(&why))
            .advice("-i INTERFACE and --ethernet MAC send without a route")
    };
    let answer = lookup(destination, by.as_ref().map(|it| it.index)).map_err(refuse)?;
    let Some(answer) = answer else {
        return Err(Error::usage(doing(), "the kernel's answer makes no sense"));
    };
    let leaving = match by {
        // What is local leaves by the loopback, unless an interface is asked for by name.
        Some(by) => by,
        None => interfaces()?
            .into_iter()
            .find(|it| it.index == answer.interface)
            .ok_or_else(|| Error::usage(doing(), "its interface has just gone"))?,
    };
    let reach = match answer.kind {
        libc::RTN_LOCAL => Reach::Local,
        libc::RTN_BROADCAST => Reach::Broadcast,
        libc::RTN_MULTICAST => Reach::Multicast,
        _ => Reach::Unicast,
    };
    Ok(Path {
        source: answer
            .source
            .or_else(|| leaving.ipv4.first().map(|own| own.address)),
        interface: leaving,
        next_hop: answer.gateway.unwrap_or(destination),
        reach,
    })
}

/// Who may be asked for path MTUs at any time: the socket is open, and asking takes no more than
/// what a sandbox allows.
#[derive(Debug)]
pub(super) struct Ways {
    netlink: Netlink,
    by: Option<u32>,
}

impl Ways {
    /// Ways by the interface of this name, or by any.
    pub(super) fn open(by: Option<&OsStr>) -> io::Result<Self> {
        let by = by.map(nix::net::if_::if_nametoindex).transpose()?;
        let netlink = Netlink::open()?;
        Ok(Self { netlink, by })
    }

    /// The path MTU to `destination` as the kernel knows it, in bytes: what routers told it, or
    /// that of the interface.
    pub(super) fn mtu(&mut self, destination: Ipv4Addr) -> io::Result<u32> {
        let answer = ask(&mut self.netlink, destination, self.by)?;
        let answer = answer.ok_or(io::ErrorKind::InvalidData)?;
        match answer.mtu {
            Some(mtu) => Ok(mtu),
            None => self.interface_mtu(answer.interface),
        }
    }

    /// The MTU of the interface on the way to `destination`, in bytes, whatever routers said of
    /// the links behind it.
    pub(super) fn link_mtu(&mut self, destination: Ipv4Addr) -> io::Result<u32> {
        let answer = ask(&mut self.netlink, destination, self.by)?;
        self.interface_mtu(answer.ok_or(io::ErrorKind::InvalidData)?.interface)
    }

    fn interface_mtu(&mut self, interface: u32) -> io::Result<u32> {
        let mut body = vec![0; LINK_HEADER_LEN];
        if let Some(index) = body.get_mut(4..).and_then(|rest| rest.first_chunk_mut()) {
            *index = interface.to_ne_bytes();
        }
        let mtu = self.netlink.ask(libc::RTM_GETLINK, &body, |message| {
            let (_, rest) = message.body.split_at_checked(LINK_HEADER_LEN)?;
            let mut all = attributes(rest).filter(|_| message.kind == libc::RTM_NEWLINK);
            all.find_map(|(kind, value)| u32_at(value, 0).filter(|_| kind == libc::IFLA_MTU))
        })?;
        // An IPv4 datagram is no longer, whatever the loopback would take.
        let mtu = mtu.ok_or(io::ErrorKind::InvalidData)?;
        Ok(mtu.min(u32::from(u16::MAX)))
    }
}

/// What `RTM_GETROUTE` answers.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    kind: u8,
    interface: u32,
    gateway: Option<Ipv4Addr>,
    source: Option<Ipv4Addr>,
    /// What is known of the path's MTU beside the interface's.
    mtu: Option<u32>,
}

fn lookup(destination: Ipv4Addr, by: Option<u32>) -> io::Result<Option<Answer>> {
    ask(&mut Netlink::open()?, destination, by)
}

fn ask(
    netlink: &mut Netlink,
    destination: Ipv4Addr,
    by: Option<u32>,
) -> io::Result<Option<Answer>> {
    let mut body = vec![0; ROUTE_HEADER_LEN];
    let family = u8::try_from(libc::AF_INET).unwrap_or_default();
    if let Some(start) = body.first_chunk_mut() {
        *start = [family, 32];
    }
    body.extend(attribute(libc::RTA_DST, &destination.octets()));
    if let Some(index) = by {
        body.extend(attribute(libc::RTA_OIF, &index.to_ne_bytes()));
    }
    netlink.ask(libc::RTM_GETROUTE, &body, answer)
}

fn answer(message: Message<'_>) -> Option<Answer> {
    if message.kind != libc::RTM_NEWROUTE {
        return None;
    }
    let (header, rest) = message.body.split_at_checked(ROUTE_HEADER_LEN)?;
    let mut answer = Answer {
        kind: *header.get(7)?,
        interface: 0,
        gateway: None,
        source: None,
        mtu: None,
    };
    let address = |value: &[u8]| value.first_chunk::<4>().copied().map(Ipv4Addr::from);
    for (kind, value) in attributes(rest) {
        match kind {
            libc::RTA_OIF => answer.interface = u32_at(value, 0)?,
            libc::RTA_GATEWAY => answer.gateway = address(value),
            libc::RTA_PREFSRC => answer.source = address(value),
            libc::RTA_METRICS => {
                let mut all = attributes(value).filter(|(kind, _)| *kind == RTAX_MTU);
                answer.mtu = all.find_map(|(_, value)| u32_at(value, 0));
            }
            _ => {}
        }
    }
    Some(answer)
}

/// The MAC address of a neighbour on this interface, if the kernel knows one that it would use.
///
/// # Errors
/// [`Kind::Usage`](crate::error::Kind::Usage) when the kernel refuses to list its neighbours.
pub fn neighbour(interface: u32, address: Ipv4Addr) -> Result<Option<[u8; 6]>> {
    let listed = Netlink::open().and_then(|mut netlink| {
        netlink.list(libc::RTM_GETNEIGH, NEIGHBOUR_HEADER_LEN, |message| {
            entry(message, interface, address)
        })
    });
    let found = listed.map_err(|why| Error::usage("listing the neighbours", super::plain(&why)))?;
    Ok(found.first().copied())
}

fn entry(message: Message<'_>, interface: u32, address: Ipv4Addr) -> Option<[u8; 6]> {
    let (header, rest) = message.body.split_at_checked(NEIGHBOUR_HEADER_LEN)?;
    if message.kind != libc::RTM_NEWNEIGH
        || u32_at(header, 4)? != interface
        || u16_at(header, 8)? & NUD_VALID == 0
    {
        return None;
    }
    let find = |wanted| attributes(rest).find_map(|(kind, it)| (kind == wanted).then_some(it));
    (find(NDA_DST)? == address.octets())
        .then(|| find(NDA_LLADDR)?.try_into().ok())
        .flatten()
}

/// True for addresses of this host and the loopback's: what is sent there leaves no wire.
///
/// # Errors
/// As [`interfaces`].
pub fn is_own(address: Ipv4Addr) -> Result<bool> {
    if address.is_loopback() {
        return Ok(true);
    }
    let own = interfaces()?;
    let mut all = own.iter().flat_map(|it| &it.ipv4);
    Ok(all.any(|own| own.address == address))
}

/// The MAC address of a group (RFC 1112 section 6.4): 01-00-5e and its low 23 bits.
#[must_use]
pub fn group_mac(group: Ipv4Addr) -> [u8; 6] {
    let [_, b, c, d] = group.octets();
    [0x01, 0x00, 0x5e, b & 0x7f, c, d]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;

    #[test]
    fn the_loopback_is_reached_by_itself() {
        let path = path(Ipv4Addr::LOCALHOST, None).unwrap();
        assert_eq!(path.reach, Reach::Local);
        assert_eq!(path.interface.name, "lo");
        assert_eq!(path.next_hop, Ipv4Addr::LOCALHOST);
        assert_eq!(path.source, Some(Ipv4Addr::LOCALHOST));
        assert!(is_own(Ipv4Addr::new(127, 9, 9, 9)).unwrap());
        assert!(!is_own(Ipv4Addr::new(192, 0, 2, 77)).unwrap());
        let mut ways = Ways::open(None).unwrap();
        assert_eq!(ways.mtu(Ipv4Addr::LOCALHOST).unwrap(), 65_535);
    }

    #[test]
    fn a_route_is_read_whole() {
        let mut body = vec![2, 32, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0];
        body.extend(attribute(libc::RTA_OIF, &3_u32.to_ne_bytes()));
        body.extend(attribute(libc::RTA_GATEWAY, &[10, 0, 0, 1]));
        body.extend(attribute(libc::RTA_PREFSRC, &[10, 0, 0, 7]));
        let metrics = [(1, 1_u32), (2, 1400)];
        let metrics = metrics.map(|(kind, value)| attribute(kind, &value.to_ne_bytes()));
        body.extend(attribute(libc::RTA_METRICS, &metrics.concat()));
        let message = |body| Message {
            kind: libc::RTM_NEWROUTE,
            flags: 0,
            body,
        };
        let read = answer(message(&body)).unwrap();
        assert_eq!((read.kind, read.interface), (libc::RTN_UNICAST, 3));
        assert_eq!(read.gateway, Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(read.source, Some(Ipv4Addr::new(10, 0, 0, 7)));
        assert_eq!(read.mtu, Some(1400));
        assert_eq!(answer(message(body.get(..11).unwrap())), None);
    }

    #[test]
    fn a_neighbour_counts_only_on_its_interface_and_while_it_is_known() {
        let body = |index: u32, state: u16| {
            let mut body = vec![2, 0, 0, 0];
            body.extend(index.to_ne_bytes());
            body.extend(state.to_ne_bytes());
            body.extend([0, 1]);
            body.extend(attribute(NDA_DST, &[10, 0, 0, 1]));
            body.extend(attribute(NDA_LLADDR, &[2, 0, 0, 0, 0, 1]));
            body
        };
        let known = |index, state| {
            let body = body(index, state);
            let message = Message {
                kind: libc::RTM_NEWNEIGH,
                flags: 0,
                body: &body,
            };
            entry(message, 3, Ipv4Addr::new(10, 0, 0, 1))
        };
        // NUD_STALE, NUD_INCOMPLETE, NUD_FAILED.
        assert_eq!(known(3, 0x04), Some([2, 0, 0, 0, 0, 1]));
        assert_eq!(known(4, 0x04), None);
        assert_eq!(known(3, 0x01), None);
        assert_eq!(known(3, 0x20), None);
    }

    #[test]
    fn a_group_has_the_mac_of_rfc_1112() {
        let mac = group_mac(Ipv4Addr::new(239, 255, 1, 2));
        assert_eq!(mac, [0x01, 0x00, 0x5e, 0x7f, 1, 2]);
    }
}
