//! The chain of IPv6 extension headers (RFC 8200 section 4), walked and described.
//!
//! Knows where each header ends, what the next one is and what a few of them mean to the
//! transport behind; every header takes at least eight bytes, so every walk ends.

use super::field::{Brief, Field, Lens, Name, Value, Visitor, bits, bytes};
use super::ipv6::AddressKind;
use super::ipv6_options::Options;
use super::{ah, names};

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const DESTINATION: u8 = 60;
const MOBILITY: u8 = 135;
const HOST_IDENTITY: u8 = 139;
const SHIM6: u8 = 140;
/// The shortest header, and the unit of all lengths but one.
const UNIT: usize = 8;

/// Routing types (IANA ipv6-parameters).
const SOURCE_ROUTE: u8 = 0;
const TYPE_2: u8 = 2;
const SEGMENT_ROUTING: u8 = 4;

/// One extension header.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extension<'a> {
    /// The number that announced it.
    kind: u8,
    /// First byte, counted from the start of the IPv6 header.
    at: usize,
    /// What was captured of it.
    header: Lens<'a>,
}

/// What ended a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// A header that is no extension: what the packet carries.
    Upper(u8),
    /// A piece of a fragmented packet that is not the first.
    Fragment,
    /// The bytes, in the middle of the header `kind` that begins at `at` and takes `need`.
    Cut {
        /// Which header.
        kind: u8,
        /// Where it begins, counted from the start of the IPv6 header.
        at: usize,
        /// Its length, or the least it can be.
        need: usize,
    },
}

/// An iterator over the extension headers of a packet. Once it is done, `end` says why and `at`
/// where.
#[derive(Debug)]
pub(super) struct Chain<'a> {
    packet: Lens<'a>,
    /// Where the next header begins, or what is carried.
    pub(super) at: usize,
    /// What comes there.
    pub(super) end: End,
}

impl<'a> Chain<'a> {
    /// The chain that begins `at` bytes into `packet` with a header of this kind.
    pub(super) fn new(packet: Lens<'a>, at: usize, kind: u8) -> Self {
        Self {
            packet,
            at,
            end: End::Upper(kind),
        }
    }
}

impl<'a> Iterator for Chain<'a> {
    type Item = Extension<'a>;

    fn next(&mut self) -> Option<Extension<'a>> {
        let End::Upper(kind) = self.end else {
            return None;
        };
        if !is_extension(kind) {
            return None;
        }
        let at = self.at;
        let len = match (kind, self.packet.u8(at.saturating_add(1))) {
            (FRAGMENT, _) | (_, None) => UNIT,
            (ah::PROTOCOL, Some(len)) => ah::len(len),
            (_, Some(len)) => (usize::from(len) + 1) * UNIT,
        };
        let extension = Extension {
            kind,
            at,
            header: Lens(self.packet.slice(at, at.saturating_add(len))),
        };
        let captured = extension.header.0.len();
        self.at = at.saturating_add(captured);
        self.end = match extension.header.u8(0) {
            Some(next) if captured == len => {
                if extension
                    .fragmentation()
                    .is_some_and(|(offset, _)| offset > 0)
                {
                    End::Fragment
                } else {
                    End::Upper(next)
                }
            }
            _ => End::Cut {
                kind,
                at,
                need: len,
            },
        };
        (captured > 0).then_some(extension)
    }
}

/// IANA's extension header types; ESP hides what is behind it and is left as payload.
fn is_extension(kind: u8) -> bool {
    matches!(
        kind,
        HOP_BY_HOP
            | ROUTING
            | FRAGMENT
            | DESTINATION
            | MOBILITY
            | HOST_IDENTITY
            | SHIM6
            | ah::PROTOCOL
    )
}

impl Extension<'_> {
    /// Offset in bytes and whether more follows, of a fragment header.
    fn fragmentation(&self) -> Option<(u16, bool)> {
        if self.kind != FRAGMENT {
            return None;
        }
        let word = self.header.u16(2)?;
        Some((word & 0xfff8, word & 1 != 0))
    }

    /// True for a piece of a packet; a fragment that is the whole packet (RFC 6946) is none.
    pub(super) fn is_fragment(&self) -> bool {
        self.fragmentation()
            .is_some_and(|(offset, more)| offset > 0 || more)
    }

    /// The sender's home address, from the option that carries it (RFC 6275 section 6.3).
    pub(super) fn home_address(&self) -> Option<[u8; 16]> {
        if self.kind != DESTINATION {
            return None;
        }
        Options::of(self.header).find_map(|option| option.home_address())
    }

    /// Where the packet ends up, while its routing header still has somewhere to send it.
    pub(super) fn final_destination(&self) -> Option<[u8; 16]> {
        if self.kind != ROUTING || self.header.u8(3)? == 0 {
            return None;
        }
        match self.header.u8(2)? {
            SOURCE_ROUTE => self
                .header
                .array(self.header.0.len().checked_sub(16)?.max(UNIT)),
            // Segments stand in reverse: the first is the last stop (RFC 8754 section 2).
            TYPE_2 | SEGMENT_ROUTING => self.header.array(UNIT),
            _ => None,
        }
    }

    /// True when the packet will be sent on to an address that cannot be told from here.
    pub(super) fn hides_destination(&self) -> bool {
        self.kind == ROUTING
            && self.header.u8(3).is_some_and(|left| left > 0)
            && self.final_destination().is_none()
    }

    /// Describes the header as one item of a list.
    pub(super) fn fields<V: Visitor>(&self, v: &mut V) {
        let (at, header) = (self.at, self.header);
        let name = Name(kind_name(self.kind));
        v.item(name.0.unwrap_or_default(), bytes(at, header.0.len()), |v| {
            v.field(Field::number("header", "Header", bits(0, 0), self.kind).meaning(&name));
            let Some(next) = header.u8(0) else { return };
            v.field(
                Field::number("next_header", "Next header", bytes(at, 1), next)
                    .meaning(&names::ProtocolName(next)),
            );
            if self.kind == FRAGMENT {
                return self.fragment_fields(v);
            }
            let Some(len) = header.u8(1) else { return };
            let len = match self.kind {
                ah::PROTOCOL => ah::len(len),
                _ => (usize::from(len) + 1) * UNIT,
            };
            v.field(
                Field::number("length", "Length", bytes(at + 1, 1), len as u64).meaning(&"bytes"),
            );
            match self.kind {
                HOP_BY_HOP | DESTINATION => self.option_fields(v),
                ROUTING => self.routing_fields(v),
                ah::PROTOCOL => ah::describe(header, at, Brief::Hidden, v),
                _ => {
                    if let Some(kind) = header.u8(2)
                        && self.kind == MOBILITY
                    {
                        v.field(Field::number("type", "Type", bytes(at + 2, 1), kind));
                    }
                    self.data(if self.kind == MOBILITY { 3 } else { 2 }, v);
                }
            }
        });
    }

    /// Everything from byte `from` of the header on, as bytes.
    fn data<V: Visitor>(&self, from: usize, v: &mut V) {
        let data = self.header.slice(from, usize::MAX);
        if !data.is_empty() {
            v.field(Field::bytes(
                "data",
                "Data",
                bytes(self.at + from, data.len()),
                data,
            ));
        }
    }

    fn fragment_fields<V: Visitor>(&self, v: &mut V) {
        let Some((offset, more)) = self.fragmentation() else {
            return;
        };
        let whole = offset == 0 && !more;
        let brief = |words| {
            if whole {
                Brief::Hidden
            } else {
                Brief::Value(words)
            }
        };
        let meaning = match (offset, more) {
            (0, false) => "the whole packet",
            (0, true) => "first fragment",
            (_, true) => "middle fragment",
            (_, false) => "last fragment",
        };
        v.field(
            Field::number(
                "fragment_offset",
                "Fragment offset",
                bits_at(self.at, 16, 13),
                offset,
            )
            .meaning(&meaning)
            .brief(brief("fragment offset ")),
        );
        v.field(Field::flag(
            "mf",
            "More fragments",
            bits_at(self.at, 31, 1),
            more,
        ));
        let Some(identification) = self.header.u32(4) else {
            return;
        };
        v.field(
            Field::number(
                "identification",
                "Identification",
                bytes(self.at + 4, 4),
                identification,
            )
            .brief(brief("id ")),
        );
    }

    fn routing_fields<V: Visitor>(&self, v: &mut V) {
        let (at, header) = (self.at, self.header);
        let Some(kind) = header.u8(2) else { return };
        v.field(
            Field::number("routing_type", "Routing type", bytes(at + 2, 1), kind)
                .meaning(&Name(routing_name(kind))),
        );
        let Some(left) = header.u8(3) else { return };
        v.field(Field::number(
            "segments_left",
            "Segments left",
            bytes(at + 3, 1),
            left,
        ));
        if kind == SEGMENT_ROUTING {
            let (Some(last), Some(flags), Some(tag)) = (header.u8(4), header.u8(5), header.u16(6))
            else {
                return;
            };
            v.field(Field::number(
                "last_entry",
                "Last entry",
                bytes(at + 4, 1),
                last,
            ));
            v.field(Field::hex("flags", "Flags", bytes(at + 5, 1), flags));
            v.field(Field::hex("tag", "Tag", bytes(at + 6, 2), tag));
        }
        let addresses = match kind {
            SOURCE_ROUTE | TYPE_2 => usize::MAX,
            SEGMENT_ROUTING => header.u8(4).map_or(0, |last| usize::from(last) + 1),
            _ => return self.data(4, v),
        };
        let bytes_of = header.slice(UNIT, UNIT.saturating_add(addresses.saturating_mul(16)));
        let (list, _) = bytes_of.as_chunks::<16>();
        let place = bytes(at + UNIT, list.len() * 16);
        v.list("addresses", "Addresses", place, |v| {
            for (index, address) in list.iter().enumerate() {
                let place = bytes(at + UNIT + index * 16, 16);
                v.field(
                    Field::new("", "Address", place, Value::Ipv6(*address))
                        .meaning(&AddressKind(*address)),
                );
            }
        });
        self.data(UNIT + list.len() * 16, v);
    }

    fn option_fields<V: Visitor>(&self, v: &mut V) {
        let data = self.header.slice(2, usize::MAX);
        v.list("options", "Options", bytes(self.at + 2, data.len()), |v| {
            for option in Options::of(self.header) {
                option.fields(self.at, v);
            }
        });
    }
}

/// `len` bits from bit `start` of a header that begins `at` bytes into its layer.
fn bits_at(at: usize, start: u32, len: u32) -> super::field::Bits {
    let start = bytes(at, 0).start.saturating_add(start);
    bits(start, len)
}

fn routing_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        SOURCE_ROUTE => "source route, deprecated",
        1 => "Nimrod, deprecated",
        TYPE_2 => "mobile IPv6",
        3 => "RPL source route",
        SEGMENT_ROUTING => "segment routing",
        _ => return None,
    })
}

fn kind_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        HOP_BY_HOP => "Hop-by-hop options",
        ROUTING => "Routing",
        FRAGMENT => "Fragment",
        DESTINATION => "Destination options",
        MOBILITY => "Mobility",
        HOST_IDENTITY => "Host identity",
        SHIM6 => "Shim6",
        ah::PROTOCOL => "Authentication",
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
    use super::*;
    use crate::wire::frame::LinkType;
    use crate::wire::ipv6_options::HOME_ADDRESS;
    use crate::wire::outline::{assert_every_prefix_holds, frame, has, outline};

    /// An echo request of one byte; its checksum is for fe80::1 to fe80::2.
    const ECHO: [u8; 9] = [0x80, 0, 0x81, 0xaf, 0, 7, 0, 1, 1];

    fn packet(next: u8, payload: &[&[u8]]) -> Vec<u8> {
        let payload = payload.concat();
        let mut header = [0; 40];
        (header[0], header[6], header[7]) = (0x60, next, 64);
        header[4..6].copy_from_slice(&u16::try_from(payload.len()).unwrap().to_be_bytes());
        (header[8], header[9], header[23]) = (0xfe, 0x80, 1);
        (header[24], header[25], header[39]) = (0xfe, 0x80, 2);
        [&header[..], &payload].concat()
    }

    fn text(next: u8, payload: &[&[u8]]) -> String {
        outline(&frame(LinkType::IPV6, &packet(next, payload)))
    }

    /// 2001:db8::`last`.
    fn address(last: u8) -> [u8; 16] {
        let mut address = [0; 16];
        (address[0], address[1], address[2], address[3]) = (0x20, 0x01, 0x0d, 0xb8);
        address[15] = last;
        address
    }

    #[test]
    fn a_chain_of_them() {
        let hop = [60, 0, 5, 2, 0, 0, 1, 0];
        let destination = [51, 0, 1, 4, 0, 0, 0, 0];
        let mut ah = [0; 16];
        ah[..12].copy_from_slice(&[44, 2, 0, 0, 0, 0, 0, 5, 0, 0, 0, 6]);
        let fragment = [58, 0, 0, 0, 0, 0, 0, 9];
        let parts: &[&[u8]] = &[&hop, &destination, &ah, &fragment, &ECHO];
        let text = text(0, parts);
        for line in [
            "ipv6.extensions.[Hop-by-hop options].header = 0 (Hop-by-hop options)",
            "ipv6.extensions.[Hop-by-hop options].options.[Router alert].value = 0",
            "ipv6.extensions.[Destination options].next_header = 51",
            "ipv6.extensions.[Destination options].options.[PadN].data = 00000000",
            "ipv6.extensions.[Authentication].length = 16 (bytes)",
            "ipv6.extensions.[Authentication].spi = 0x00000005",
            "ipv6.extensions.[Fragment].fragment_offset = 0 (the whole packet)",
            "ipv6.extensions.[Fragment].identification = 9",
            "ipv6.protocol = 58",
            "icmpv6.checksum_ok = true",
        ] {
            assert!(has(&text, line), "{line} in {text}");
        }
        assert!(!text.contains("! "), "{text}");
        assert_every_prefix_holds(LinkType::IPV6, &packet(0, parts));
    }

    #[test]
    fn fragments_are_not_read_as_what_they_are_not() {
        // Offset 8, last: what follows is the middle of something.
        let last = text(FRAGMENT, &[&[58, 0, 0, 8, 0, 0, 0, 9], &ECHO]);
        assert!(
            last.contains("fragment_offset = 8 (last fragment)"),
            "{last}"
        );
        assert!(has(&last, "payload.length = 9"));
        let first = text(FRAGMENT, &[&[58, 0, 0, 1, 0, 0, 0, 9], &ECHO]);
        assert!(
            has(&first, "icmpv6.checksum_ok = ? (not judged: a fragment)"),
            "{first}"
        );
        assert!(!first.contains("! "), "{first}");
    }

    #[test]
    fn the_transport_is_judged_by_where_the_packet_began_and_ends() {
        // From home address 2001:db8::9 to 2001:db8::a, by way of fe80::2.
        let (home, last) = (address(9), address(10));
        let option = [&[ROUTING, 2, 1, 2, 0, 0, HOME_ADDRESS, 16][..], &home].concat();
        let route = [&[58, 2, SOURCE_ROUTE, 1, 0, 0, 0, 0][..], &last].concat();
        let mut echo = ECHO;
        echo[2..4].copy_from_slice(&[0x23, 0x2f]);
        let text = text(DESTINATION, &[&option, &route, &echo]);
        assert!(
            text.contains("[Home address].home_address = 2001:db8::9"),
            "{text}"
        );
        assert!(text.contains("[Routing].segments_left = 1"));
        assert!(text.contains("[Routing].addresses = 2001:db8::a"));
        assert!(has(&text, "icmpv6.checksum_ok = true"), "{text}");
    }

    #[test]
    fn segment_routing_ends_at_its_first_segment() {
        let head = [58, 4, SEGMENT_ROUTING, 1, 1, 0, 0x12, 0x34];
        let route = [&head[..], &address(10), &address(11)].concat();
        let mut echo = ECHO;
        echo[2..4].copy_from_slice(&[0x52, 0x6f]);
        let text = text(ROUTING, &[&route, &echo]);
        assert!(text.contains("[Routing].tag = 0x1234"), "{text}");
        assert!(text.contains("[Routing].addresses = 2001:db8::b"));
        assert!(has(&text, "icmpv6.checksum_ok = true"), "{text}");
    }

    #[test]
    fn an_unknown_route_leaves_the_checksum_open() {
        let route = [58, 0, 99, 1, 0, 0, 0, 0];
        let text = text(ROUTING, &[&route, &ECHO]);
        assert!(text.contains("icmpv6.checksum_ok = ?"), "{text}");
    }

    #[test]
    fn lengths_that_lie() {
        let text = text(DESTINATION, &[&[58, 9, 1, 200, 0, 0, 0, 0], &ECHO]);
        assert!(text.contains("! ipv6.extension.truncated at 0"), "{text}");
        assert!(text.contains("stopped ipv6 at 40: 17 of 80 header bytes"));
        assert!(text.contains("[PadN].length = 200"), "{text}");
    }

    #[test]
    fn a_long_chain_ends() {
        let chain = [60, 0, 1, 4, 0, 0, 0, 0].repeat(1000);
        let text = text(DESTINATION, &[&chain]);
        assert!(
            text.contains("stopped ipv6 at 8040: 0 of 8 header bytes"),
            "{}",
            text.len()
        );
    }
}
