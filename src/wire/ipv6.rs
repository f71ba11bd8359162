//! IPv6 (RFC 8200), so that a tunnel's other half is no blank: the header, its chain of
//! extension headers, and what comes behind them.
//!
//! Knows which bytes are the packet and which trail behind it, and what a transport needs for
//! its pseudo header; what the extension headers hold is the next file's business.

use std::fmt::{self, Display};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::anomaly::Anomaly;
use super::checksum::Pseudo;
use super::field::{Brief, Extent, Field, Lens, Name, Value, Visitor, bits, bytes};
use super::ipv6_extensions::{Chain, End, Extension};
use super::packet::{Next, Protocol, Reason, Region, View, Walk};
use super::{ipv4, names};

/// The header without extensions.
pub(super) const HEADER: usize = 40;
/// The next header that says: nothing.
const NO_NEXT_HEADER: u8 = 59;

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let Some(&header) = walk.bytes(region).first_chunk::<HEADER>() else {
        return walk.stop_short(Protocol::Ipv6, region, HEADER, Some(Anomaly::Ipv6Truncated));
    };
    if header[0] >> 4 != 6 {
        walk.push(Protocol::Ipv6, region, HEADER);
        walk.anomaly(Anomaly::Ipv6Version);
        return walk.stop(
            Protocol::Ipv6,
            region,
            Reason::Invalid("the version is not 6"),
        );
    }
    let payload_length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let next_header = header[6];
    // A length of zero is a jumbogram (RFC 2675), or a segment that the hardware was still to
    // cut; the packet is then presumed to fill its frame.
    let fills = payload_length == 0 && next_header != NO_NEXT_HEADER;
    let packet = if fills {
        region
    } else {
        let end = region.start.saturating_add(HEADER + payload_length);
        Region {
            start: region.start,
            end: region.end.min(end),
            promised_end: end,
        }
    };

    let source: [u8; 16] = array(&header, 8);
    let destination: [u8; 16] = array(&header, 24);
    // A tunnel's fragment holds only the first part of what it carries.
    let in_fragment = walk.context.fragmented;
    walk.context.pseudo = Some(Pseudo::V6(source, destination));
    walk.context.fragmented = false;
    walk.context.ttl = Some(header[7]);
    walk.context.to_many = destination[0] == 0xff;

    let mut chain = Chain::new(walk.lens(packet), HEADER, next_header);
    for extension in &mut chain {
        tell(walk, &extension, source, destination);
    }
    walk.push(Protocol::Ipv6, region, chain.at);
    if source[0] == 0xff {
        walk.anomaly(Anomaly::Ipv6SourceMulticast);
    }
    if packet.promised_end > region.promised_end && !in_fragment {
        walk.anomaly(Anomaly::Ipv6PayloadLengthTruncated);
    }
    if !fills {
        walk.trailer(region.after(HEADER + payload_length));
    }
    let rest = packet.after(chain.at);
    match chain.end {
        End::Cut { at, need, .. } => {
            if at.saturating_add(need) > packet.promised_len() && !in_fragment {
                walk.anomaly(Anomaly::Ipv6ExtensionTruncated);
            }
            walk.stop_cut(Protocol::Ipv6, packet.after(at), need)
        }
        End::Fragment => Some((Protocol::Payload, rest)),
        End::Upper(NO_NEXT_HEADER) => {
            walk.trailer(rest);
            None
        }
        End::Upper(number) => Some((ipv4::by_protocol(number), rest)),
    }
}

/// What an extension header changes for the transport behind it.
fn tell(walk: &mut Walk<'_>, extension: &Extension<'_>, source: [u8; 16], destination: [u8; 16]) {
    walk.context.fragmented |= extension.is_fragment();
    if let Some(Pseudo::V6(from, to)) = walk.context.pseudo {
        // RFC 8200 section 8.1: the final destination; RFC 6275 section 6.3: the home address.
        let from = extension.home_address().unwrap_or(from);
        let to = extension.final_destination().unwrap_or(to);
        if (from, to) != (source, destination) {
            walk.context.pseudo = Some(Pseudo::V6(from, to));
        }
    }
    if extension.hides_destination() {
        walk.context.pseudo = None;
    }
}

/// Sixteen bytes of a header that is all there.
fn array(header: &[u8; HEADER], at: usize) -> [u8; 16] {
    Lens(header).array(at).unwrap_or_default()
}

pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(first) = lens.u8(0) else { return };
    v.field(Field::number("version", "Version", bits(0, 4), first >> 4));
    let Some(head) = lens.u16(0) else { return };
    let service = (head >> 4 & 0xff) as u8;
    v.field(
        Field::number("dscp", "DSCP", bits(4, 6), service >> 2)
            .meaning(&Name(names::dscp(service >> 2))),
    );
    v.field(Field::number("ecn", "ECN", bits(10, 2), service & 3).meaning(&names::ecn(service)));
    let Some(word) = lens.u32(0) else { return };
    v.field(Field::hex(
        "flow_label",
        "Flow label",
        bits(12, 20),
        word & 0x000f_ffff,
    ));
    let Some(length) = lens.u16(4) else { return };
    let Some(next) = lens.u8(6) else { return };
    v.field(
        Field::number("payload_length", "Payload length", bits(32, 16), length).meaning(
            &PayloadLength {
                length,
                next,
                present: view.promised_len().saturating_sub(40),
            },
        ),
    );
    v.field(
        Field::number("next_header", "Next header", bits(48, 8), next)
            .meaning(&names::ProtocolName(next)),
    );
    let Some(hop_limit) = lens.u8(7) else { return };
    v.field(Field::number(
        "hop_limit",
        "Hop limit",
        bits(56, 8),
        hop_limit,
    ));
    let Some(source) = lens.array(8) else { return };
    v.field(
        Field::new("source", "Source", bytes(8, 16), Value::Ipv6(source))
            .meaning(&AddressKind(source))
            .brief(Brief::Source),
    );
    let Some(destination) = lens.array(24) else {
        return;
    };
    v.field(
        Field::new(
            "destination",
            "Destination",
            bytes(24, 16),
            Value::Ipv6(destination),
        )
        .meaning(&AddressKind(destination))
        .brief(Brief::Destination),
    );
    let mut chain = Chain::new(lens, HEADER, next);
    let place = bytes(HEADER, lens.0.len().saturating_sub(HEADER));
    v.list("extensions", "Extension headers", place, |v| {
        for extension in &mut chain {
            extension.fields(v);
        }
    });
    if let End::Upper(number) | End::Cut { kind: number, .. } = chain.end {
        v.field(
            Field::number("protocol", "Protocol", bits(0, 0), number)
                .meaning(&names::ProtocolName(number))
                .brief(Brief::Inside),
        );
    }
}

struct PayloadLength {
    length: u16,
    next: u8,
    present: u32,
}

impl Display for PayloadLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.length == 0 && self.next != NO_NEXT_HEADER {
            return write!(f, "presumed {}: a jumbogram or offload", self.present);
        }
        Extent {
            claimed: u32::from(self.length),
            present: self.present,
        }
        .fmt(f)
    }
}

/// What kind of IPv6 address this is (RFC 4291 section 2.4 and IANA's special-purpose registry).
pub(super) struct AddressKind(pub(super) [u8; 16]);

impl AddressKind {
    /// The IPv4 address that stands inside this one.
    fn ipv4_at(&self, at: usize) -> Ipv4Addr {
        Ipv4Addr::from(Lens(&self.0).array(at).unwrap_or([0; 4]))
    }
}

impl Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from(self.0);
        if let Some(v4) = address.to_ipv4_mapped() {
            return write!(f, "IPv4-mapped {v4}");
        }
        f.write_str(match self.0 {
            [0xff, scope, ..] => return write!(f, "multicast, {}", scope_name(scope & 0x0f)),
            [0x20, 0x02, ..] => return write!(f, "6to4 of {}", self.ipv4_at(2)),
            _ if address == Ipv6Addr::UNSPECIFIED => "unspecified",
            _ if address == Ipv6Addr::LOCALHOST => "loopback",
            [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, ..] => {
                return write!(f, "translated {}", self.ipv4_at(12));
            }
            [0xfe, second, ..] if second & 0xc0 == 0x80 => "link-local",
            [0xfe, second, ..] if second & 0xc0 == 0xc0 => "site-local, deprecated",
            [first, ..] if first & 0xfe == 0xfc => "unique local",
            [0x20, 0x01, 0x0d, 0xb8, ..] | [0x3f, 0xff, 0x00..=0x0f, ..] => "documentation",
            [0x20, 0x01, 0x00, 0x00, ..] => "Teredo",
            [0x01, 0x00, 0, 0, 0, 0, 0, 0, ..] => "discard only",
            _ => "global",
        })
    }
}

/// RFC 7346 section 2.
fn scope_name(scope: u8) -> &'static str {
    match scope {
        1 => "within the host",
        2 => "on the link",
        3 => "in the realm",
        4 => "in the administrative scope",
        5 => "in the site",
        8 => "in the organization",
        14 => "global",
        _ => "of a scope without a name",
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
    use crate::wire::outline::{assert_every_prefix_holds, frame, has, outline};
    use proptest::prelude::*;

    /// From fe80::1 to fe80::2.
    fn packet(length: u16, next: u8, payload: &[u8]) -> Vec<u8> {
        let mut header = [0; HEADER];
        header[..8].copy_from_slice(&[0x6b, 0x81, 0x23, 0x45, 0, 0, next, 64]);
        header[4..6].copy_from_slice(&length.to_be_bytes());
        (header[8], header[9], header[23]) = (0xfe, 0x80, 1);
        (header[24], header[25], header[39]) = (0xfe, 0x80, 2);
        [&header[..], payload].concat()
    }

    fn text(bytes: &[u8]) -> String {
        outline(&frame(LinkType::IPV6, bytes))
    }

    #[test]
    fn the_fixed_header() {
        let bytes = packet(4, 253, &[1, 2, 3, 4, 0, 0]);
        let text = text(&bytes);
        for line in [
            "ipv6.version = 6",
            "ipv6.dscp = 46",
            "ipv6.ecn = 0",
            "ipv6.flow_label = 0x12345",
            "ipv6.payload_length = 4 (bytes, 2 behind it)",
            "ipv6.next_header = 253",
            "ipv6.hop_limit = 64",
            "ipv6.source = fe80::1 (link-local)",
            "ipv6.destination = fe80::2 (link-local)",
            "ipv6.protocol = 253",
            "payload.length = 4",
            "trailer.length = 2",
        ] {
            assert!(has(&text, line), "{line} in {text}");
        }
        assert!(!text.contains("! "), "{text}");
        assert_every_prefix_holds(LinkType::IPV6, &bytes);
    }

    #[test]
    fn a_length_of_zero_fills_and_no_next_header_does_not() {
        let jumbo = text(&packet(0, 253, &[0; 9]));
        assert!(has(
            &jumbo,
            "ipv6.payload_length = 0 (presumed 9: a jumbogram or offload)"
        ));
        assert!(has(&jumbo, "payload.length = 9"), "{jumbo}");
        let none = text(&packet(0, NO_NEXT_HEADER, &[0; 9]));
        assert!(has(&none, "trailer.length = 9"), "{none}");
        assert!(!none.contains("payload."), "{none}");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let mut bytes = packet(5, 253, &[0; 4]);
        let long = text(&bytes);
        assert!(
            long.contains("! ipv6.payload_length.truncated at 0"),
            "{long}"
        );
        bytes[8] = 0xff;
        assert!(text(&bytes).contains("! ipv6.source.multicast at 0"));
        bytes[0] = 0x50;
        let version = text(&bytes);
        assert!(version.contains("! ipv6.version at 0"), "{version}");
        assert!(version.contains("stopped ipv6 at 0: the version is not 6"));
        assert!(has(&version, "ipv6.hop_limit = 64"));
        assert!(text(&bytes[..39]).contains("! ipv6.truncated at 0"));
    }

    #[test]
    fn in_ipv4_and_in_raw_frames() {
        let header = [
            0x45, 0, 0, 0x44, 0, 1, 0, 0, 64, 41, 0x66, 0x8e, 10, 0, 0, 1, 10, 0, 0, 2,
        ];
        let bytes = [&header[..], &packet(8, 253, &[0; 8])].concat();
        for link_type in [LinkType::RAW, LinkType::IPV4] {
            let text = outline(&frame(link_type, &bytes));
            assert!(has(&text, "ipv4.checksum_ok = true"), "{text}");
            assert!(has(&text, "ipv6.source = fe80::1"));
            assert!(!text.contains("! "), "{text}");
        }
        let text = outline(&frame(LinkType::RAW_BSD, &packet(0, NO_NEXT_HEADER, &[])));
        assert!(has(&text, "ipv6.version = 6"), "{text}");
        let text = outline(&frame(LinkType::RAW, &[0x70, 1]));
        assert!(has(&text, "payload.length = 2"), "{text}");
    }

    #[test]
    fn kinds_of_addresses() {
        for (address, kind) in [
            ("::", "unspecified"),
            ("::1", "loopback"),
            ("::ffff:192.0.2.1", "IPv4-mapped 192.0.2.1"),
            ("64:ff9b::192.0.2.33", "translated 192.0.2.33"),
            ("2002:c000:201::1", "6to4 of 192.0.2.1"),
            ("2001::1", "Teredo"),
            ("2001:db8::1", "documentation"),
            ("fd00::1", "unique local"),
            ("ff02::1", "multicast, on the link"),
            ("2a00::1", "global"),
        ] {
            let octets = address.parse::<Ipv6Addr>().unwrap().octets();
            assert_eq!(AddressKind(octets).to_string(), kind);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_etherparse(mut bytes: [u8; 32], next in 61..130_u8) {
            bytes[0] = 0x60 | bytes[0] & 0x0f;
            let bytes = [&bytes[..], &[0; 8]].concat();
            let mut bytes: [u8; HEADER] = bytes.try_into().unwrap();
            bytes[6] = next;
            let (theirs, _) = etherparse::Ipv6Header::from_slice(&bytes).unwrap();
            let text = text(&bytes);
            for line in [
                format!("ipv6.dscp = {}", theirs.dscp().value()),
                format!("ipv6.ecn = {}", theirs.ecn().value()),
                format!("ipv6.flow_label = 0x{:05x}", theirs.flow_label.value()),
                format!("ipv6.payload_length = {}", theirs.payload_length),
                format!("ipv6.next_header = {}", theirs.next_header.0),
                format!("ipv6.hop_limit = {}", theirs.hop_limit),
                format!("ipv6.source = {}", theirs.source_addr()),
                format!("ipv6.destination = {}", theirs.destination_addr()),
            ] {
                prop_assert!(has(&text, &line), "{line} in {text}");
            }
        }
    }
}
