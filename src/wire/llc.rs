//! Logical link control (IEEE 802.2) with SNAP: what an 802.3 length opens.
//!
//! Knows the two service access points, the control field and the SNAP header; of what they
//! carry only IPv4, directly or by EtherType.

use std::fmt::{self, Display};

use super::ethernet::{EtherType, by_ethertype};
use super::field::{Brief, Field, Lens, Name, Visitor, bits, bytes};
use super::packet::{Next, Protocol, Region, View, Walk};

/// Two access points and the short control field.
const HEADER: usize = 3;
/// Every access point of the station.
const ALL: u8 = 0xff;
/// The low bit: a group of access points at the destination, a response at the source.
const GROUP: u8 = 0x01;
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
const CISCO: u32 = 0x0000_000c;
const APPLE: u32 = 0x0008_0007;

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
            .brief(if is_snap(lens) {
                Brief::Hidden
            } else {
                Brief::Inside
            }),
    );
    let Some(ssap) = lens.u8(1) else { return };
    v.field(
        Field::hex("ssap", "Source access point", bits(8, 8), ssap)
            .meaning(&Name(access_point(ssap & !GROUP))),
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
    v.field(
        Field::hex("protocol", "Protocol", bytes(6, 2), protocol)
            .meaning(&Inside {
                organization,
                protocol,
            })
            .brief(Brief::Inside),
    );
}

/// What a SNAP header announces: an EtherType, or what an organization numbers for itself.
struct Inside {
    organization: u32,
    protocol: u16,
}

impl Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match (self.organization, self.protocol) {
            (ENCAPSULATED_ETHERNET | BRIDGE_TUNNEL, kind) => return EtherType(kind).fmt(f),
            (CISCO, 0x010b) => "spanning tree per VLAN",
            (CISCO, 0x0111) => "UDLD",
            (CISCO, 0x2000) => "CDP",
            (CISCO, 0x2003) => "VTP",
            (CISCO, 0x2004) => "DTP",
            (APPLE, 0x809b) => "AppleTalk",
            (organization, protocol) => {
                return write!(f, "SNAP {organization:06x}:{protocol:04x}");
            }
        };
        f.write_str(name)
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
    if sap == ALL {
        return Some("all");
    }
    Some(match sap & !GROUP {
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
        _ => return None,
    })
}

fn organization_name(oui: u32) -> Option<&'static str> {
    Some(match oui {
        ENCAPSULATED_ETHERNET => "encapsulated Ethernet",
        BRIDGE_TUNNEL => "bridge tunnel",
        CISCO => "Cisco",
        0x00_80c2 => "IEEE 802.1",
        APPLE => "Apple",
        _ => return None,
    })
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has found something"
)]
mod tests {
    use crate::wire::frame::LinkType;
    use crate::wire::outline::{DATAGRAM, assert_every_prefix_holds, frame, has, outline};

    fn framed(data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], &length[..], data].concat()
    }

    fn text(data: &[u8]) -> String {
        outline(&frame(LinkType::ETHERNET, &framed(data)))
    }

    #[test]
    fn snap_with_an_ethertype() {
        let data = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &DATAGRAM[..]].concat();
        let text = text(&data);
        assert!(has(&text, "llc.dsap = 0xaa (SNAP)"), "{text}");
        assert!(has(&text, "llc.control = 0x03"));
        assert!(has(&text, "llc.oui = 0x000000 (encapsulated Ethernet)"));
        assert!(has(&text, "llc.protocol = 0x0800"));
        assert!(has(&text, "ipv4.checksum_ok = true"));
        assert_every_prefix_holds(LinkType::ETHERNET, &framed(&data));
    }

    #[test]
    fn snap_of_an_organization() {
        let text = text(&[0xaa, 0xaa, 3, 0, 0, 0x0c, 0x20, 0, 2]);
        assert!(has(&text, "llc.oui = 0x00000c (Cisco)"), "{text}");
        assert!(has(&text, "llc.protocol = 0x2000 (CDP)"));
        assert!(has(&text, "payload.length = 1"));
    }

    #[test]
    fn ipv4_by_access_point() {
        let text = text(&[&[0x06, 0x06, 3], &DATAGRAM[..]].concat());
        assert!(has(&text, "llc.ssap = 0x06 (IPv4)"), "{text}");
        assert!(has(&text, "ipv4.checksum_ok = true"));
    }

    #[test]
    fn numbered_frames_have_two_bytes_of_control() {
        let text = text(&[0xf0, 0xf1, 0x01, 0x0a, 7]);
        assert!(has(&text, "llc.control = 0x010a"), "{text}");
        assert!(has(&text, "payload.length = 1"));
    }

    #[test]
    fn a_short_header_stops() {
        assert!(text(&[0xaa, 0xaa]).contains("stopped llc at 14: 2 of 3 header bytes"));
        assert!(text(&[0xaa, 0xaa, 3, 0]).contains("stopped llc at 14: 4 of 8 header bytes"));
        assert!(text(&[0xf0, 0xf0, 0]).contains("stopped llc at 14: 3 of 4 header bytes"));
    }
}
