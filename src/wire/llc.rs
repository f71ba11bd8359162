//! Logical link control (IEEE 802.2) with SNAP: what an 802.3 length opens.
//!
//! Knows the two service access points, the control field and the SNAP header; of what they
//! carry only IPv4, directly or by EtherType.

use super::ethernet::{EtherType, by_ethertype};
use super::field::{Brief, Field, Lens, Name, Visitor, bits, bytes};
use super::packet::{Next, Protocol, Region, View, Walk};

/// Two access points and the short control field.
const HEADER: usize = 3;
/// Both access points say: a SNAP header follows (IEEE 802 clause 9.2).
const SNAP: u8 = 0xaa;
/// LLC, then organization and protocol.
const SNAP_HEADER: usize = 8;
/// The Internet protocol by its access point.
const IPV4: u8 = 0x06;
/// Unnumbered information: a datagram.
const UI: u8 = 0x03;
/// The organization that says: an EtherType follows (RFC 1042).
const ENCAPSULATED_ETHERNET: u32 = 0;
/// The same through a bridge that must not turn it back into Ethernet II (IEEE 802.1H).
const BRIDGE_TUNNEL: u32 = 0x0000_00f8;

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let lens = walk.lens(region);
    let need = header_len(lens);
    if lens.0.len() < need {
        return walk.stop_short(Protocol::Llc, region, need, None);
    }
    walk.push(Protocol::Llc, region, need);
    let rest = region.after(need);
    let next = match (lens.u8(0), oui(lens), lens.u16(6)) {
        (_, Some(ENCAPSULATED_ETHERNET | BRIDGE_TUNNEL), Some(protocol)) if is_snap(lens) => {
            by_ethertype(protocol)
        }
        (Some(IPV4), ..) if lens.u8(2) == Some(UI) => Protocol::Ipv4,
        _ => Protocol::Payload,
    };
    Some((next, rest))
}

/// The control field of a numbered frame has a second byte.
fn header_len(lens: Lens<'_>) -> usize {
    match lens.u8(2) {
        Some(_) if is_snap(lens) => SNAP_HEADER,
        Some(control) if control & 3 != 3 => HEADER + 1,
        _ => HEADER,
    }
}

fn is_snap(lens: Lens<'_>) -> bool {
    lens.array(0) == Some([SNAP, SNAP, UI])
}

fn oui(lens: Lens<'_>) -> Option<u32> {
    let [a, b, c] = lens.array(3)?;
    Some(u32::from_be_bytes([0, a, b, c]))
}

pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(dsap) = lens.u8(0) else { return };
    v.field(
        Field::hex("dsap", "Destination access point", bits(0, 8), dsap)
            .meaning(&Name(access_point(dsap)))
            .brief(Brief::Inside),
    );
    let Some(ssap) = lens.u8(1) else { return };
    v.field(
        Field::hex("ssap", "Source access point", bits(8, 8), ssap)
            .meaning(&Name(access_point(ssap & 0xfe))),
    );
    let Some(control) = lens.u8(2) else { return };
    match lens.u16(2) {
        Some(control) if header_len(lens) == HEADER + 1 => {
            v.field(Field::hex("control", "Control", bits(16, 16), control));
        }
        _ => v.field(
            Field::hex("control", "Control", bits(16, 8), control)
                .meaning(&Name(Some(unnumbered(control)))),
        ),
    }
    if !is_snap(lens) {
        return;
    }
    let Some(organization) = oui(lens) else {
        return;
    };
    v.field(
        Field::hex("oui", "Organization", bytes(3, 3), organization)
            .meaning(&Name(organization_name(organization))),
    );
    let Some(protocol) = lens.u16(6) else { return };
    let field = Field::hex("protocol", "Protocol", bytes(6, 2), protocol);
    match organization {
        ENCAPSULATED_ETHERNET | BRIDGE_TUNNEL => {
            v.field(field.meaning(&EtherType(protocol)).brief(Brief::Inside))
        }
        _ => v.field(field),
    }
}

fn unnumbered(control: u8) -> &'static str {
    match control & 0xef {
        UI => "UI, unnumbered information",
        0x43 => "DISC, disconnect",
        0x0f => "DM, disconnected mode",
        0x63 => "UA, acknowledgment",
        0x6f => "SABME, set balanced mode",
        0x87 => "FRMR, frame reject",
        0xaf => "XID, exchange identification",
        0xe3 => "TEST",
        _ if control & 3 == 1 => "supervisory",
        _ if control & 1 == 0 => "information",
        _ => "unnumbered",
    }
}

fn access_point(sap: u8) -> Option<&'static str> {
    Some(match sap {
        0x00 => "null",
        0x02 => "LLC management",
        IPV4 => "IPv4",
        0x42 => "spanning tree",
        0x7e => "ISO 8208, X.25",
        0x80 => "XNS",
        SNAP => "SNAP",
        0xbc => "Banyan VINES",
        0xe0 => "NetWare",
        0xf0 => "NetBIOS",
        0xf4 => "IBM management",
        0xfe => "ISO network layer",
        0xff => "all",
        _ => return None,
    })
}

fn organization_name(oui: u32) -> Option<&'static str> {
    Some(match oui {
        ENCAPSULATED_ETHERNET => "encapsulated Ethernet",
        BRIDGE_TUNNEL => "bridge tunnel",
        0x00_000c => "Cisco",
        0x00_80c2 => "IEEE 802.1",
        0x08_0007 => "Apple",
        _ => return None,
    })
}
