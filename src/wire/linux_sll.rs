//! Linux cooked capture, versions 1 and 2: what the `any` device puts before every packet in
//! place of the link's own header.
//!
//! One layer for both; the frame's link type says which of the two layouts to read. Knows what
//! the kernel told and how it names the protocol; nothing of the links themselves.

use super::arp;
use super::ethernet::{EtherType, by_ethertype};
use super::field::{Bits, Brief, Field, Lens, Name, Visitor, bytes};
use super::frame::{Frame, LinkType};
use super::packet::{Next, Protocol, Region, View, Walk};

/// 802.3 without LLC, in the place of an EtherType (ETH_P_802_3).
const P_802_3: u16 = 0x0001;
/// An LLC header follows (ETH_P_802_2).
const P_802_2: u16 = 0x0004;
/// ARPHRD_LOOPBACK.
const LOOPBACK: u16 = etherparse::ArpHardwareId::LOOPBACK.0;
/// ARPHRD_NETLINK: the protocol is a netlink family.
const NETLINK: u16 = etherparse::ArpHardwareId::NETLINK.0;

/// Where each field begins; the two versions hold the same ones in another order.
struct Layout {
    len: usize,
    packet_type: (usize, usize),
    hardware_type: usize,
    address_length: (usize, usize),
    address: usize,
    protocol: usize,
    interface_index: Option<usize>,
}

const V1: Layout = Layout {
    len: 16,
    packet_type: (0, 2),
    hardware_type: 2,
    address_length: (4, 2),
    address: 6,
    protocol: 14,
    interface_index: None,
};

const V2: Layout = Layout {
    len: 20,
    packet_type: (10, 1),
    hardware_type: 8,
    address_length: (11, 1),
    address: 12,
    protocol: 0,
    interface_index: Some(4),
};

impl Layout {
    fn of(frame: &Frame<'_>) -> &'static Self {
        if frame.link_type == LinkType::LINUX_SLL2 {
            &V2
        } else {
            &V1
        }
    }
}

/// One byte or two, as a number.
fn number(lens: Lens<'_>, (at, len): (usize, usize)) -> Option<u16> {
    match len {
        1 => lens.u8(at).map(u16::from),
        _ => lens.u16(at),
    }
}

#[inline]
pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let layout = Layout::of(walk.frame);
    let lens = walk.lens(region);
    let (Some(hardware), Some(protocol), true) = (
        lens.u16(layout.hardware_type),
        lens.u16(layout.protocol),
        lens.0.len() >= layout.len,
    ) else {
        return walk.stop_short(Protocol::LinuxSll, region, layout.len, None);
    };
    walk.push(Protocol::LinuxSll, region, layout.len);
    walk.context.loopback |= hardware == LOOPBACK;
    let rest = region.after(layout.len);
    Some((
        match protocol {
            _ if hardware == NETLINK => Protocol::Payload,
            P_802_2 => Protocol::Llc,
            _ => by_ethertype(protocol),
        },
        rest,
    ))
}

#[inline]
pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let layout = Layout::of(view.frame);
    let lens = view.lens();
    if let Some(packet_type) = number(lens, layout.packet_type) {
        let (at, len) = layout.packet_type;
        v.field(
            Field::number("packet_type", "Packet type", bytes(at, len), packet_type)
                .meaning(&Name(packet_type_name(packet_type)))
                .brief(Brief::Meaning("")),
        );
    }
    if let Some(at) = layout.interface_index
        && let Some(index) = lens.u32(at)
    {
        v.field(
            Field::number("interface_index", "Interface", bytes(at, 4), index)
                .brief(Brief::Value("interface ")),
        );
    }
    if let Some(hardware) = lens.u16(layout.hardware_type) {
        v.field(
            Field::number(
                "hardware_type",
                "Hardware type",
                bytes(layout.hardware_type, 2),
                hardware,
            )
            .meaning(&Name(arp::hardware(hardware))),
        );
    }
    let Some(address_length) = number(lens, layout.address_length) else {
        return describe_protocol(layout, lens, v);
    };
    let (at, len) = layout.address_length;
    v.field(
        Field::number(
            "address_length",
            "Address length",
            bytes(at, len),
            address_length,
        )
        .meaning(&"bytes"),
    );
    // Longer addresses are cut to the eight bytes there is room for.
    let address = lens.slice(
        layout.address,
        layout.address + usize::from(address_length).min(8),
    );
    let place = bytes(layout.address, address.len());
    match *address {
        [] => {}
        [a, b, c, d, e, f] => {
            v.field(Field::mac("source", "Source", place, [a, b, c, d, e, f]).brief(Brief::Source))
        }
        [a, b, c, d] if is_ipv4_tunnel(lens.u16(layout.hardware_type)) => {
            v.field(Field::ipv4("source", "Source", place, [a, b, c, d]));
        }
        _ => v.field(Field::bytes("source", "Source", place, address)),
    }
    describe_protocol(layout, lens, v);
}

fn describe_protocol<V: Visitor>(layout: &Layout, lens: Lens<'_>, v: &mut V) {
    let Some(protocol) = lens.u16(layout.protocol) else {
        return;
    };
    let netlink = lens.u16(layout.hardware_type) == Some(NETLINK);
    let place: Bits = bytes(layout.protocol, 2);
    let field = Field::hex("protocol", "Protocol", place, protocol).brief(Brief::Inside);
    match protocol {
        _ if netlink => v.field(field.meaning(&"netlink family")),
        P_802_3 => v.field(field.meaning(&"802.3 without LLC")),
        P_802_2 => v.field(field.meaning(&"LLC")),
        _ => v.field(field.meaning(&EtherType(protocol))),
    }
}

/// The kernel's PACKET_HOST and its fellows.
fn packet_type_name(packet_type: u16) -> Option<&'static str> {
    Some(match packet_type {
        0 => "to us",
        1 => "broadcast",
        2 => "multicast",
        3 => "to another host",
        4 => "sent by us",
        5 => "looped back",
        6 => "to user space",
        7 => "to the kernel",
        _ => return None,
    })
}

/// Links whose address is an IPv4 address: IPv4 in IPv4, SIT, GRE.
fn is_ipv4_tunnel(hardware: Option<u16>) -> bool {
    use etherparse::ArpHardwareId as Id;
    hardware.is_some_and(|hardware| matches!(Id(hardware), Id::TUNNEL | Id::SIT | Id::IPGRE))
}
