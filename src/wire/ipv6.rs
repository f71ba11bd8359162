//! IPv6 (RFC 8200), so that a tunnel's other half is no blank: the header, its chain of
//! extension headers, and what comes behind them.
//!
//! Knows which bytes are the packet and which trail behind it, and what a transport needs for
//! its pseudo header; what the extension headers hold is the next file's business.

use std::fmt::{self, Display};
use std::net::Ipv6Addr;

use super::anomaly::Anomaly;
use super::checksum::Pseudo;
use super::field::{Brief, Field, Name, Value, Visitor, bits, bytes};
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
    super::field::Lens(header).array(at).unwrap_or_default()
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
        let length = u32::from(self.length);
        match self.present.checked_sub(length) {
            None => write!(
                f,
                "{} more than there is",
                length.saturating_sub(self.present)
            ),
            Some(0) => f.write_str("bytes"),
            Some(behind) => write!(f, "bytes, {behind} behind it"),
        }
    }
}

/// What kind of IPv6 address this is (RFC 4291 section 2.4 and IANA's special-purpose registry).
pub(super) struct AddressKind(pub(super) [u8; 16]);

impl Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from(self.0);
        if let Some(v4) = address.to_ipv4_mapped() {
            return write!(f, "IPv4-mapped {v4}");
        }
        f.write_str(match self.0 {
            [0xff, scope, ..] => return write!(f, "multicast, {}", scope_name(scope & 0x0f)),
            [0x20, 0x02, a, b, c, d, ..] => {
                return write!(f, "6to4 of {a}.{b}.{c}.{d}");
            }
            _ if address == Ipv6Addr::UNSPECIFIED => "unspecified",
            _ if address == Ipv6Addr::LOCALHOST => "loopback",
            [0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d] => {
                return write!(f, "translated {a}.{b}.{c}.{d}");
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
