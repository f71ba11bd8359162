//! The options of IPv6 hop-by-hop and destination headers (RFC 8200 section 4.2).
//!
//! Knows type, length and data of each, whatever the lengths say, and what a few of them mean;
//! an option takes at least one byte, so every walk ends.

use std::fmt::{self, Display};

use super::field::{Field, Lens, Name, Value, Visitor, bytes};

/// Options of hop-by-hop and destination headers (IANA ipv6-parameters).
const PAD_1: u8 = 0x00;
const PAD_N: u8 = 0x01;
const ROUTER_ALERT: u8 = 0x05;
const JUMBO: u8 = 0xc2;
pub(super) const HOME_ADDRESS: u8 = 0xc9;

/// One option of a hop-by-hop or destination header.
#[derive(Debug, Clone, Copy)]
pub(super) struct TlvOption<'a> {
    kind: u8,
    /// First byte, counted from the start of the extension header.
    at: usize,
    /// What its length gives it of the header, or as much as there is.
    data: &'a [u8],
    /// The length it carries; `Pad1` has none.
    len: Option<u8>,
}

/// The options in a header, whatever their lengths say.
pub(super) struct Options<'a> {
    header: Lens<'a>,
    at: usize,
}

impl<'a> Options<'a> {
    /// They begin behind next header and length.
    pub(super) fn of(header: Lens<'a>) -> Self {
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
    /// The sender's home address, in the option that carries it (RFC 6275 section 6.3).
    pub(super) fn home_address(&self) -> Option<[u8; 16]> {
        if self.kind != HOME_ADDRESS || self.data.len() != 16 {
            return None;
        }
        Lens(self.data).array(0)
    }

    /// Describes the option as one item of a list, for a header `base` bytes into its layer.
    pub(super) fn fields<V: Visitor>(&self, base: usize, v: &mut V) {
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
