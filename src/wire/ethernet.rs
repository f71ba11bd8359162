//! Ethernet II and IEEE 802.3 framing.
//!
//! Knows the link header, how to tell a length from an EtherType and what an EtherType says
//! comes next, wherever it stands; of IPv4 only which group address a multicast group maps to.

use std::fmt::{self, Display};

use super::anomaly::Anomaly;
use super::field::{Brief, Field, Lens, Visitor, bits, bytes};
use super::names;
use super::packet::{Next, Protocol, Region, View, Walk};

/// Destination, source, EtherType or length (IEEE 802.3 clause 3.1.1).
const HEADER: usize = 14;
/// Up to here the field is a length (IEEE 802.3 clause 3.2.6).
const MAX_LENGTH: u16 = 1500;
/// From here on it is an EtherType; what lies between is neither.
const MIN_ETHERTYPE: u16 = 1536;
/// VLAN tags as some switches stacked them before 802.1ad.
const ETHERTYPE_QINQ_OLDER: u16 = 0x9200;
/// PPPoE discovery stage (RFC 2516 section 5).
pub(super) const ETHERTYPE_PPPOE_DISCOVERY: u16 = 0x8863;
/// Reverse ARP (RFC 903).
pub(super) const ETHERTYPE_RARP: u16 = 0x8035;

#[inline]
pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let lens = walk.lens(region);
    let Some(&header) = lens.0.first_chunk::<HEADER>() else {
        return walk.stop_short(
            Protocol::Ethernet,
            region,
            HEADER,
            Some(Anomaly::EthernetTruncated),
        );
    };
    walk.push(Protocol::Ethernet, region, HEADER);
    if header.first_chunk() == Some(&[0; 12]) {
        walk.context.loopback = true;
    }
    if walk.judge.anomalies {
        judge(walk, &header, lens);
    }
    let kind = u16::from_be_bytes([header[12], header[13]]);
    inside(walk, kind, region.after(HEADER))
}

fn judge(walk: &mut Walk<'_>, header: &[u8; HEADER], lens: Lens<'_>) {
    if header[6] & 1 != 0 {
        walk.anomaly(Anomaly::EthernetSourceMulticast);
    }
    if let Some(group) = ipv4_group(lens)
        && !walk.context.loopback
        && !reaches(header, group)
    {
        walk.anomaly(Anomaly::EthernetDestinationMismatch);
    }
}

/// The multicast group an IPv4 datagram behind the header, or behind VLAN tags, is sent to.
fn ipv4_group(lens: Lens<'_>) -> Option<[u8; 4]> {
    let mut at = HEADER;
    while is_tag(lens.u16(at - 2)?) {
        at += super::vlan::HEADER;
    }
    if lens.u16(at - 2)? != names::ETHERTYPE_IPV4 || lens.u8(at)? >> 4 != 4 {
        return None;
    }
    let destination: [u8; 4] = lens.array(at + 16)?;
    (destination[0] >> 4 == 0xe).then_some(destination)
}

/// RFC 1112 section 6.4: the low 23 bits of the group behind 01:00:5e. The broadcast address
/// reaches every member too.
fn reaches(header: &[u8; HEADER], group: [u8; 4]) -> bool {
    let destination = [
        header[0], header[1], header[2], header[3], header[4], header[5],
    ];
    destination == [0xff; 6]
        || destination == [0x01, 0x00, 0x5e, group[1] & 0x7f, group[2], group[3]]
}

/// What follows the field behind the addresses, or behind a tag: an EtherType or, for 802.3, the
/// length of what an LLC header opens.
#[inline]
pub(super) fn inside(walk: &mut Walk<'_>, kind: u16, rest: Region) -> Next {
    if kind > MAX_LENGTH {
        return Some((by_ethertype(kind), rest));
    }
    let length = usize::from(kind);
    if length > rest.promised_len() && !walk.context.fragmented {
        walk.anomaly(Anomaly::EthernetLength);
    }
    walk.trailer(rest.after(length));
    let data = rest.first(length);
    // Novell's first framing had no LLC: an IPX header, whose checksum is always ffff.
    let raw = walk.bytes(data).starts_with(&[0xff, 0xff]);
    if raw || data.promised_len() == 0 {
        return Some((Protocol::Payload, data));
    }
    Some((Protocol::Llc, data))
}

/// What follows an EtherType, wherever that stands: Ethernet, VLAN tag, SLL, GRE, SNAP.
#[inline]
pub(super) fn by_ethertype(kind: u16) -> Protocol {
    match kind {
        names::ETHERTYPE_IPV4 => Protocol::Ipv4,
        names::ETHERTYPE_IPV6 => Protocol::Ipv6,
        names::ETHERTYPE_ARP | ETHERTYPE_RARP => Protocol::Arp,
        names::ETHERTYPE_MPLS | names::ETHERTYPE_MPLS_UPSTREAM => Protocol::Mpls,
        names::ETHERTYPE_PPPOE | ETHERTYPE_PPPOE_DISCOVERY => Protocol::Pppoe,
        names::ETHERTYPE_PPP => Protocol::Ppp,
        names::ETHERTYPE_TEB => Protocol::Ethernet,
        _ if is_tag(kind) => Protocol::Vlan,
        _ => Protocol::Payload,
    }
}

/// True for the EtherTypes of VLAN tags.
#[inline]
fn is_tag(kind: u16) -> bool {
    matches!(
        kind,
        names::ETHERTYPE_VLAN
            | names::ETHERTYPE_SERVICE_VLAN
            | names::ETHERTYPE_QINQ_OLD
            | ETHERTYPE_QINQ_OLDER
    )
}

#[inline]
pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(destination) = lens.array(0) else {
        return;
    };
    v.field(
        Field::mac("destination", "Destination", bytes(0, 6), destination)
            .meaning(&MacKind(destination))
            .brief(Brief::Destination),
    );
    let Some(source) = lens.array(6) else { return };
    v.field(
        Field::mac("source", "Source", bytes(6, 6), source)
            .meaning(&MacKind(source))
            .brief(Brief::Source),
    );
    let Some(kind) = lens.u16(12) else { return };
    describe_inside(kind, 96, v);
}

/// The field that `inside` follows, `start` bits into its layer.
#[inline]
pub(super) fn describe_inside<V: Visitor>(kind: u16, start: u32, v: &mut V) {
    if kind <= MAX_LENGTH {
        v.field(
            Field::number("length", "Length", bits(start, 16), kind)
                .meaning(&"bytes, IEEE 802.3 framing"),
        );
    } else {
        v.field(
            Field::hex("ethertype", "EtherType", bits(start, 16), kind)
                .meaning(&EtherType(kind))
                .brief(Brief::Inside),
        );
    }
}

/// An EtherType by name, or by number where nobody has named it.
pub(super) struct EtherType(pub(super) u16);

impl Display for EtherType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (names::ethertype(self.0), self.0) {
            (Some(name), _) => f.write_str(name),
            (None, ETHERTYPE_QINQ_OLDER) => f.write_str("VLAN tag, old style"),
            (None, kind) if kind < MIN_ETHERTYPE => {
                write!(f, "0x{kind:04x}, neither length nor EtherType")
            }
            (None, kind) => write!(f, "ethertype 0x{kind:04x}"),
        }
    }
}

/// What kind of MAC address this is: the two low bits of its first byte (IEEE 802 clause 8.2).
pub(super) struct MacKind(pub(super) [u8; 6]);

impl Display for MacKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            [0, 0, 0, 0, 0, 0] => "all zero",
            [0xff, 0xff, 0xff, 0xff, 0xff, 0xff] => "broadcast",
            [0x01, 0x00, 0x5e, third, ..] if third < 0x80 => "IPv4 multicast",
            [0x33, 0x33, ..] => "IPv6 multicast",
            [0x01, 0x80, 0xc2, 0, 0, last] if last < 0x10 => "link-local group, not forwarded",
            [0x00, 0x00, 0x5e, 0x00, 0x01, _] => "virtual router (VRRP)",
            [first, ..] if first & 1 != 0 => "group",
            [first, ..] if first & 2 != 0 => "unicast, locally administered",
            _ => "unicast, globally unique",
        })
    }
}
