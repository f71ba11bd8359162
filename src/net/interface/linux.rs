//! Interfaces by rtnetlink (rtnetlink(7)): one list of links, one of addresses.
//!
//! Knows what the messages mean and nothing of how they are fetched.

use std::ffi::{OsStr, OsString};
use std::io;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;

use nix::libc;

use super::{Flags, Interface, Mac, Prefix};
use crate::net::netlink::{Message, Netlink, attributes, u16_at, u32_at};
use crate::wire::frame::LinkType;

/// Length of `struct ifinfomsg`: family (1), padding (1), hardware type (2), index (4),
/// flags (4), change mask (4).
const LINK_HEADER_LEN: usize = 16;
/// Length of `struct ifaddrmsg`: family (1), prefix length (1), flags (1), scope (1), index (4).
const ADDRESS_HEADER_LEN: usize = 8;
/// Length of `struct rtmsg`: family (1), bits of destination and source (2), TOS (1), table (1),
/// protocol (1), scope (1), type (1), flags (4).
const ROUTE_HEADER_LEN: usize = 12;

/// A way to ask for the links again and again, over a socket that is opened once.
#[derive(Debug)]
pub(in crate::net) struct Links(Netlink);

impl Links {
    pub(in crate::net) fn open() -> io::Result<Self> {
        Netlink::open().map(Self)
    }

    /// The interfaces of this network namespace, without their addresses.
    pub(in crate::net) fn list(&mut self) -> io::Result<Vec<Interface>> {
        self.0.list(libc::RTM_GETLINK, LINK_HEADER_LEN, link)
    }
}

pub(super) fn interfaces() -> io::Result<Vec<Interface>> {
    let mut links = Links::open()?;
    let mut interfaces = links.list()?;
    for (index, prefix) in links
        .0
        .list(libc::RTM_GETADDR, ADDRESS_HEADER_LEN, address)?
    {
        // An interface that came into being between the two lists is not shown this time.
        let Some(owner) = interfaces.iter_mut().find(|it| it.index == index) else {
            continue;
        };
        let bits = prefix.bits;
        match prefix.address {
            IpAddr::V4(address) => owner.ipv4.push(Prefix { address, bits }),
            IpAddr::V6(address) => owner.ipv6.push(Prefix { address, bits }),
        }
    }
    Ok(interfaces)
}

/// The interface of the IPv4 default route, by its index.
pub(super) fn default_route() -> io::Result<Option<u32>> {
    let routes = Netlink::open()?.list(libc::RTM_GETROUTE, ROUTE_HEADER_LEN, route)?;
    // The kernel takes the lowest metric, and of equals the first.
    let best = routes.into_iter().min_by_key(|(metric, _)| *metric);
    Ok(best.map(|(_, index)| index))
}

/// Metric and interface of a default route in the main table, out of an `RTM_NEWROUTE` message.
fn route(message: Message<'_>) -> Option<(u32, u32)> {
    if message.kind != libc::RTM_NEWROUTE {
        return None;
    }
    let (header, rest) = message.body.split_at_checked(ROUTE_HEADER_LEN)?;
    let (&[family, destination_bits, _, _, table, _, _, kind], _) = header.split_first_chunk()?;
    let wanted = i32::from(family) == libc::AF_INET
        && destination_bits == 0
        && table == libc::RT_TABLE_MAIN
        && kind == libc::RTN_UNICAST;
    if !wanted {
        return None;
    }
    let find = |wanted| attributes(rest).find_map(|(kind, it)| (kind == wanted).then_some(it));
    let metric = find(libc::RTA_PRIORITY).and_then(|value| u32_at(value, 0));
    // Of several next hops the first: struct rtnexthop has the interface at 4.
    let index = find(libc::RTA_OIF)
        .and_then(|value| u32_at(value, 0))
        .or_else(|| u32_at(find(libc::RTA_MULTIPATH)?, 4))?;
    Some((metric.unwrap_or(0), index))
}

/// An interface without its addresses, out of an `RTM_NEWLINK` message (rtnetlink(7)).
fn link(message: Message<'_>) -> Option<Interface> {
    if message.kind != libc::RTM_NEWLINK {
        return None;
    }
    let (header, rest) = message.body.split_at_checked(LINK_HEADER_LEN)?;
    let mut interface = Interface {
        name: OsString::new(),
        index: u32_at(header, 4)?,
        flags: Flags(u32_at(header, 8)?),
        mac: None,
        ipv4: Vec::new(),
        ipv6: Vec::new(),
        mtu: None,
        link_type: Some(link_type(u16_at(header, 2)?)),
    };
    for (kind, value) in attributes(rest) {
        match kind {
            libc::IFLA_IFNAME => {
                let name = value.split(|&byte| byte == 0).next().unwrap_or_default();
                OsStr::from_bytes(name).clone_into(&mut interface.name);
            }
            libc::IFLA_ADDRESS => interface.mac = Mac::new(value),
            libc::IFLA_MTU => interface.mtu = u32_at(value, 0),
            _ => {}
        }
    }
    Some(interface)
}

/// What a packet socket hands out for this hardware type (`ARPHRD_` in if_arp.h), as libpcap
/// chooses it too, so that captures of both tools look alike.
///
/// Whatever has no header, or none to rely on (PPP: some drivers show one, some do not), is
/// captured cooked: the kernel then says in a header of its own what follows.
fn link_type(hardware: u16) -> LinkType {
    /// A raw IP modem (if_arp.h); libc has no name for it.
    const ARPHRD_RAWIP: u16 = 519;
    match hardware {
        // The Linux loopback wears an Ethernet header of zeros.
        libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => LinkType::ETHERNET,
        libc::ARPHRD_NONE
        | ARPHRD_RAWIP
        | libc::ARPHRD_TUNNEL
        | libc::ARPHRD_TUNNEL6
        | libc::ARPHRD_SIT => LinkType::RAW,
        libc::ARPHRD_CISCO => LinkType::C_HDLC,
        _ => LinkType::LINUX_SLL,
    }
}

/// The index of an interface and an address of its own, out of an `RTM_NEWADDR` message.
fn address(message: Message<'_>) -> Option<(u32, Prefix<IpAddr>)> {
    if message.kind != libc::RTM_NEWADDR {
        return None;
    }
    let (header, rest) = message.body.split_at_checked(ADDRESS_HEADER_LEN)?;
    let (&[family, bits], _) = header.split_first_chunk()?;
    let find = |wanted| attributes(rest).find_map(|(kind, it)| (kind == wanted).then_some(it));
    // On a point-to-point interface IFA_ADDRESS is the other end; IFA_LOCAL is always ours.
    let own = find(libc::IFA_LOCAL).or_else(|| find(libc::IFA_ADDRESS))?;
    let address = match i32::from(family) {
        libc::AF_INET => <[u8; 4]>::try_from(own).ok()?.into(),
        libc::AF_INET6 => <[u8; 16]>::try_from(own).ok()?.into(),
        _ => return None,
    };
    Some((u32_at(header, 4)?, Prefix { address, bits }))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use super::*;
    use crate::net::interface::State;
    use crate::net::netlink::attribute;

    fn message(kind: u16, body: &[u8]) -> Message<'_> {
        let flags = 0;
        Message { kind, flags, body }
    }

    fn link_body(hardware: u16, flags: u32) -> Vec<u8> {
        let mut body = vec![0; 2];
        body.extend(hardware.to_ne_bytes());
        body.extend(9_u32.to_ne_bytes());
        body.extend(flags.to_ne_bytes());
        body.extend([0; 4]);
        body
    }

    #[test]
    fn a_link_is_read_whole() {
        let mut body = link_body(libc::ARPHRD_NONE, 0x1051);
        body.extend(attribute(libc::IFLA_IFNAME, b"t\x1b\xff0\0"));
        body.extend(attribute(libc::IFLA_MTU, &1420_u32.to_ne_bytes()));
        let read = link(message(libc::RTM_NEWLINK, &body)).unwrap();
        assert_eq!(read.name.as_encoded_bytes(), b"t\x1b\xff0");
        assert_eq!((read.index, read.mtu), (9, Some(1420)));
        assert_eq!(read.link_type, Some(LinkType::RAW));
        assert_eq!((read.state(), read.mac), (State::Up, None));
        assert!(read.flags.is_point_to_point() && read.flags.is_multicast());
        assert!(!read.flags.is_broadcast() && !read.flags.is_loopback());
        for length in 0..LINK_HEADER_LEN {
            let short = message(libc::RTM_NEWLINK, &body[..length]);
            assert_eq!(link(short), None);
        }
        assert_eq!(link(message(libc::RTM_NEWADDR, &body)), None);
    }

    #[test]
    fn a_tunnel_keeps_no_mac_where_others_do() {
        let mut body = link_body(libc::ARPHRD_SIT, 0);
        body.extend(attribute(libc::IFLA_ADDRESS, &[192, 0, 2, 1]));
        let read = link(message(libc::RTM_NEWLINK, &body)).unwrap();
        assert_eq!((read.mac, read.link_type), (None, Some(LinkType::RAW)));
        let mut body = link_body(libc::ARPHRD_ETHER, 0);
        body.extend(attribute(libc::IFLA_ADDRESS, &[2, 0, 0, 0, 0, 1]));
        let read = link(message(libc::RTM_NEWLINK, &body)).unwrap();
        assert_eq!(read.mac, Some(Mac([2, 0, 0, 0, 0, 1])));
    }

    #[test]
    fn what_has_no_header_to_rely_on_is_captured_cooked() {
        assert_eq!(link_type(libc::ARPHRD_PPP), LinkType::LINUX_SLL);
        assert_eq!(link_type(0xabcd), LinkType::LINUX_SLL);
    }

    #[test]
    fn the_own_address_is_taken_and_not_the_peers() {
        let mut body = vec![2, 32, 0, 0];
        body.extend(9_u32.to_ne_bytes());
        body.extend(attribute(libc::IFA_ADDRESS, &[10, 0, 0, 2]));
        body.extend(attribute(libc::IFA_LOCAL, &[10, 0, 0, 1]));
        let (index, own) = address(message(libc::RTM_NEWADDR, &body)).unwrap();
        assert_eq!((index, own.to_string().as_str()), (9, "10.0.0.1/32"));
        for length in 0..ADDRESS_HEADER_LEN + 8 {
            let short = message(libc::RTM_NEWADDR, &body[..length]);
            assert_eq!(address(short), None);
        }
    }

    #[test]
    fn a_default_route_is_told_from_others() {
        let body = |bits, table, attributes: &[Vec<u8>]| {
            let mut body = vec![2, bits, 0, 0, table, 3, 0, libc::RTN_UNICAST, 0, 0, 0, 0];
            body.extend(attributes.concat());
            body
        };
        let oif = attribute(libc::RTA_OIF, &7_u32.to_ne_bytes());
        let metric = attribute(libc::RTA_PRIORITY, &100_u32.to_ne_bytes());
        let main = body(0, libc::RT_TABLE_MAIN, &[metric.clone(), oif.clone()]);
        assert_eq!(route(message(libc::RTM_NEWROUTE, &main)), Some((100, 7)));
        let hop = [&[16_u8, 0, 0, 0][..], &9_u32.to_ne_bytes(), &[0; 8]].concat();
        let several = body(0, 254, &[attribute(libc::RTA_MULTIPATH, &hop)]);
        assert_eq!(route(message(libc::RTM_NEWROUTE, &several)), Some((0, 9)));
        for other in [
            body(24, 254, std::slice::from_ref(&oif)),
            body(0, 255, std::slice::from_ref(&oif)),
            body(0, 254, &[metric]),
        ] {
            assert_eq!(route(message(libc::RTM_NEWROUTE, &other)), None);
        }
        for length in 0..main.len() {
            let _ = route(message(libc::RTM_NEWROUTE, &main[..length]));
        }
    }

    #[test]
    fn an_ipv6_address_has_no_local_attribute() {
        let mut body = vec![10, 64, 0, 0];
        body.extend(9_u32.to_ne_bytes());
        let mut octets = [0; 16];
        (octets[0], octets[1], octets[15]) = (0xfe, 0x80, 1);
        body.extend(attribute(libc::IFA_ADDRESS, &octets));
        let (_, own) = address(message(libc::RTM_NEWADDR, &body)).unwrap();
        assert_eq!(own.to_string(), "fe80::1/64");
    }
}
