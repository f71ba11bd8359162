//! The chain of IPv6 extension headers (RFC 8200 section 4), walked and described.
//!
//! Knows where each header ends, what the next one is and what a few of them mean to the
//! transport behind; every header takes at least eight bytes, so every walk ends.

use std::fmt::{self, Display};

use super::field::{Brief, Field, Lens, Name, Value, Visitor, bits, bytes};
use super::ipv6::AddressKind;
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

/// Options of hop-by-hop and destination headers (IANA ipv6-parameters).
const PAD_1: u8 = 0x00;
const PAD_N: u8 = 0x01;
const ROUTER_ALERT: u8 = 0x05;
const JUMBO: u8 = 0xc2;
const HOME_ADDRESS: u8 = 0xc9;

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
        Options::of(self.header)
            .find(|option| option.kind == HOME_ADDRESS && option.data.len() == 16)
            .and_then(|option| Lens(option.data).array(0))
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
                    self.data(2, v);
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

/// One option of a hop-by-hop or destination header.
#[derive(Debug, Clone, Copy)]
struct TlvOption<'a> {
    kind: u8,
    /// First byte, counted from the start of the extension header.
    at: usize,
    /// What its length gives it of the header, or as much as there is.
    data: &'a [u8],
    /// The length it carries; `Pad1` has none.
    len: Option<u8>,
}

/// The options in a header, whatever their lengths say.
struct Options<'a> {
    header: Lens<'a>,
    at: usize,
}

impl<'a> Options<'a> {
    /// They begin behind next header and length.
    fn of(header: Lens<'a>) -> Self {
        Self { header, at: 2 }
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = TlvOption<'a>;

    fn next(&mut self) -> Option<TlvOption<'a>> {
        let at = self.at;
        let kind = self.header.u8(at)?;
        let len = if kind == PAD_1 {
            None
        } else {
            self.header.u8(at + 1)
        };
        let start = at + 1 + usize::from(kind != PAD_1);
        let end = start + usize::from(len.unwrap_or(0));
        self.at = end;
        Some(TlvOption {
            kind,
            at,
            data: self.header.slice(start, end),
            len,
        })
    }
}

impl TlvOption<'_> {
    fn fields<V: Visitor>(&self, base: usize, v: &mut V) {
        let at = base + self.at;
        let name = Name(option_name(self.kind));
        let len = 1 + usize::from(self.len.is_some()) + self.data.len();
        v.item(name.0.unwrap_or("Option"), bytes(at, len), |v| {
            v.field(
                Field::number("type", "Type", bytes(at, 1), self.kind)
                    .meaning(&OptionKind(self.kind)),
            );
            let Some(len) = self.len else { return };
            v.field(Field::number("length", "Length", bytes(at + 1, 1), len).meaning(&"bytes"));
            let data = Lens(self.data);
            let place = bytes(at + 2, self.data.len());
            match (self.kind, self.data.len()) {
                (_, 0) => {}
                (ROUTER_ALERT, 2) => v.field(Field::number(
                    "value",
                    "Value",
                    place,
                    data.u16(0).unwrap_or_default(),
                )),
                (JUMBO, 4) => v.field(Field::number(
                    "jumbo_payload_length",
                    "Jumbo payload length",
                    place,
                    data.u32(0).unwrap_or_default(),
                )),
                (HOME_ADDRESS, 16) => v.field(Field::new(
                    "home_address",
                    "Home address",
                    place,
                    Value::Ipv6(data.array(0).unwrap_or_default()),
                )),
                _ => v.field(Field::bytes("data", "Data", place, self.data)),
            }
        });
    }
}

/// Name, and what a node that does not know the option has to do (RFC 8200 section 4.2).
struct OptionKind(u8);

impl Display for OptionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(option_name(self.0).unwrap_or("unknown"))?;
        f.write_str(match self.0 >> 6 {
            0 => ", skip if unknown",
            1 => ", discard if unknown",
            2 => ", discard and report if unknown",
            _ => ", discard and report if unknown and unicast",
        })
    }
}

fn option_name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        PAD_1 => "Pad1",
        PAD_N => "PadN",
        0x04 => "Tunnel encapsulation limit",
        ROUTER_ALERT => "Router alert",
        0x07 => "CALIPSO",
        0x08 => "SMF duplicate detection",
        0x0f => "Performance and diagnostic metrics",
        0x11 | 0x31 => "IOAM",
        0x23 | 0x63 => "RPL",
        0x26 => "Quick-start",
        0x30 => "Minimum path MTU",
        0x6d => "MPL",
        0x8b => "ILNP nonce",
        JUMBO => "Jumbo payload",
        HOME_ADDRESS => "Home address",
        _ => return None,
    })
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
