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
    Some(inside(walk, kind, region.after(HEADER)))
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
pub(super) fn inside(walk: &mut Walk<'_>, kind: u16, rest: Region) -> (Protocol, Region) {
    if kind > MAX_LENGTH {
        return (by_ethertype(kind), rest);
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
        return (Protocol::Payload, data);
    }
    (Protocol::Llc, data)
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

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has found something"
)]
mod tests {
    use super::*;
    use crate::wire::frame::LinkType;
    use crate::wire::outline::{DATAGRAM, assert_every_prefix_holds, frame, has, outline};
    use proptest::prelude::*;

    const ADDRESSES: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

    fn ethernet(parts: &[&[u8]]) -> String {
        outline(&frame(LinkType::ETHERNET, &parts.concat()))
    }

    #[test]
    fn ethernet_two() {
        let text = ethernet(&[&ADDRESSES, &[0x08, 0x00], &DATAGRAM, &[0; 26]]);
        assert!(
            has(&text, "ethernet.destination = 02:00:00:00:00:01"),
            "{text}"
        );
        assert!(has(&text, "ethernet.source = 02:00:00:00:00:02"));
        assert!(has(&text, "ethernet.ethertype = 0x0800"));
        assert!(has(&text, "ipv4.total_length = 20"));
        assert!(has(&text, "trailer.length = 26"), "padding is a trailer");
        assert!(!text.contains("! "), "{text}");
        assert_every_prefix_holds(
            LinkType::ETHERNET,
            &[&ADDRESSES, &[0x08, 0x00][..], &DATAGRAM].concat(),
        );
    }

    #[test]
    fn a_length_ends_where_it_says() {
        let llc = [0x42, 0x42, 0x03, 1, 2];
        let text = ethernet(&[&ADDRESSES, &[0, 5], &llc, &[0; 41]]);
        assert!(has(&text, "ethernet.length = 5"), "{text}");
        assert!(has(&text, "llc.dsap = 0x42"));
        assert!(has(&text, "payload.length = 2"));
        assert!(has(&text, "trailer.length = 41"));
        assert!(!text.contains("! "), "{text}");
        let text = ethernet(&[&ADDRESSES, &[0, 6], &llc]);
        assert!(text.contains("! ethernet.length at 0"), "{text}");
        let mut cut = frame(LinkType::ETHERNET, &[]);
        let bytes = [&ADDRESSES, &[0, 6][..], &llc].concat();
        (cut.bytes, cut.wire_len) = (&bytes, 20);
        assert!(!outline(&cut).contains("! "), "cut by the snaplen");
    }

    #[test]
    fn neither_length_nor_ethertype_is_opaque() {
        let text = ethernet(&[&ADDRESSES, &[0x05, 0xdd], &DATAGRAM]);
        assert!(has(&text, "ethernet.ethertype = 0x05dd"), "{text}");
        assert!(has(&text, "payload.length = 20"));
        let text = ethernet(&[&ADDRESSES, &[0x00, 0x14], &[0xff; 20]]);
        assert!(has(&text, "payload.length = 20"), "raw IPX: {text}");
    }

    #[test]
    fn a_runt_is_truncated_and_a_cut_is_not() {
        let text = ethernet(&[&ADDRESSES, &[8]]);
        assert!(text.contains("! ethernet.truncated at 0"), "{text}");
        assert!(text.contains("stopped ethernet at 0: 13 of 14 header bytes"));
        assert!(has(&text, "ethernet.source = 02:00:00:00:00:02"));
    }

    #[test]
    fn a_source_is_no_group() {
        let mut addresses = ADDRESSES;
        addresses[6] = 3;
        let text = ethernet(&[&addresses, &[0x08, 0x00], &DATAGRAM]);
        assert!(text.contains("! ethernet.source.multicast at 0"), "{text}");
    }

    #[test]
    fn a_group_maps_to_its_low_23_bits() {
        let to = |mac: [u8; 6], tag: &[u8], source: &[u8; 6]| {
            // 224.129.2.3 maps to 01:00:5e:01:02:03: the top bit of 129 is lost.
            let mut datagram = DATAGRAM;
            datagram[8] = 1;
            datagram[10..12].copy_from_slice(&[0xcc, 0x67]);
            datagram[16..].copy_from_slice(&[224, 129, 2, 3]);
            let text = ethernet(&[&mac, source, tag, &[0x08, 0x00], &datagram]);
            assert!(has(&text, "ipv4.checksum_ok = true"), "{text}");
            text.contains("! ethernet.destination.mismatch at 0")
        };
        let source = [2, 0, 0, 0, 0, 2];
        let tag = [0x81, 0x00, 0x00, 0x05];
        assert!(!to([1, 0, 0x5e, 1, 2, 3], &[], &source));
        assert!(!to([1, 0, 0x5e, 1, 2, 3], &tag, &source));
        assert!(!to([0xff; 6], &[], &source));
        assert!(
            !to([0; 6], &[], &[0; 6]),
            "a loopback device has no addresses"
        );
        assert!(to([1, 0, 0x5e, 0x81, 2, 3], &[], &source));
        assert!(to([1, 0, 0x5e, 1, 2, 4], &[], &source));
        assert!(to([2, 0, 0, 0, 0, 1], &[], &source));
        assert!(to([2, 0, 0, 0, 0, 1], &tag, &source));
    }

    #[test]
    fn a_tunnels_fragment_is_not_a_lie() {
        // IPv4 in IPv4 in two fragments: the first brings 24 of the inner 100 bytes.
        let outer = [
            0x45, 0, 0, 44, 0, 1, 0x20, 0, 64, 4, 0x46, 0xcb, 10, 0, 0, 1, 10, 0, 0, 2,
        ];
        let inner = [
            0x45, 0, 0, 100, 0, 1, 0, 0, 64, 253, 0x65, 0x9a, 10, 0, 0, 1, 10, 0, 0, 2, 0, 0, 0, 0,
        ];
        let text = ethernet(&[&ADDRESSES, &[0x08, 0x00], &outer, &inner]);
        assert!(has(&text, "ipv4.total_length = 100"), "{text}");
        assert!(!text.contains("! "), "{text}");
        let mut whole = outer;
        whole[6] = 0;
        whole[10..12].copy_from_slice(&[0x66, 0xcb]);
        let text = ethernet(&[&ADDRESSES, &[0x08, 0x00], &whole, &inner]);
        assert!(
            text.contains("! ipv4.total_length.truncated at 2"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn agrees_with_etherparse(bytes: [u8; 14]) {
            let theirs = etherparse::Ethernet2Header::from_bytes(bytes);
            let text = outline(&frame(LinkType::ETHERNET, &bytes));
            let mac = |address: [u8; 6]| address.map(|byte| format!("{byte:02x}")).join(":");
            let destination = format!("ethernet.destination = {}", mac(theirs.destination));
            prop_assert!(has(&text, &destination));
            let source = format!("ethernet.source = {}", mac(theirs.source));
            prop_assert!(has(&text, &source));
            let kind = theirs.ether_type.0;
            let line = if kind <= MAX_LENGTH {
                format!("ethernet.length = {kind}")
            } else {
                format!("ethernet.ethertype = 0x{kind:04x}")
            };
            prop_assert!(has(&text, &line));
        }

        #[test]
        fn the_walk_is_total(
            link_type in prop::sample::select(
                &[0, 1, 8, 9, 12, 50, 51, 101, 104, 108, 113, 228, 229, 276][..]),
            bytes in prop::collection::vec(any::<u8>(), 0..160),
            kind in prop::sample::select(&[
                0x0800, 0x0806, 0x8035, 0x8100, 0x86dd, 0x8847, 0x8863, 0x8864, 0x880b, 0x6558,
                0x0010][..]),
            cut: u8,
        ) {
            let mut bytes = bytes;
            // Half of the noise goes behind an EtherType that somebody reads.
            if cut % 2 == 0 && link_type == 1 && let Some(at) = bytes.get_mut(12..14) {
                at.copy_from_slice(&u16::to_be_bytes(kind));
            }
            let mut frame = frame(LinkType(link_type), &bytes);
            frame.wire_len += u32::from(cut) / 8;
            outline(&frame);
        }
    }
}
