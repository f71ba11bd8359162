//! What stands behind the checksum of an ICMPv4 message: one layout for each type.
//!
//! Describes only; what is odd is judged where the message is dissected. A `None` in here says
//! that the header ends before the description does.

use std::fmt::{self, Display};

use super::{HEADER, entry_len, message};
use crate::wire::field::{Brief, Field, Lens, Name, Value, Visitor, bits, bytes};
use crate::wire::icmp_extensions::{self, Place};
use crate::wire::ipv4_options::{self, SinceMidnight};
use crate::wire::names;
use crate::wire::packet::View;

/// Identifier and sequence number, which many messages have behind the checksum.
#[inline]
pub(super) fn identified<V: Visitor>(lens: Lens<'_>, v: &mut V) -> Option<()> {
    let identifier = lens.u16(4)?;
    v.field(
        Field::number("identifier", "Identifier", bits(32, 16), identifier)
            .meaning(&Hexadecimal(identifier))
            .brief(Brief::Value("id ")),
    );
    let sequence = lens.u16(6)?;
    let field = Field::number("sequence", "Sequence number", bits(48, 16), sequence)
        .brief(Brief::Value("seq "));
    // A sequence that counts in the wrong byte order begins 256, 512, 768.
    let swapped = Swapped(sequence);
    v.field(if sequence != 0 && sequence.trailing_zeros() >= 8 {
        field.meaning(&swapped)
    } else {
        field
    });
    Some(())
}

/// What follows the checksum in all but echo, and the extensions behind a quote.
pub(super) fn describe<V: Visitor>(view: &View<'_>, kind: u8, code: u8, v: &mut V) {
    if words(view, kind, code, v).is_none() {
        return;
    }
    let place = match kind {
        message::EXTENDED_ECHO_REQUEST => Place::At(HEADER),
        _ if message::is_multipart(kind) => {
            icmp_extensions::place(view.all(), view.promised_len() as usize)
        }
        _ => Place::Absent,
    };
    if let Place::At(at) = place {
        icmp_extensions::fields(view, at, v);
    }
}

/// `None` says that the header ends early.
fn words<V: Visitor>(view: &View<'_>, kind: u8, code: u8, v: &mut V) -> Option<()> {
    let lens = view.lens();
    match kind {
        message::UNREACHABLE => {
            unused(lens, v)?;
            multipart_length(lens, v)?;
            let mtu = lens.u16(6)?;
            let field = Field::number("next_hop_mtu", "Next-hop MTU", bits(48, 16), mtu);
            let meaning = Mtu {
                mtu,
                quoted: Lens(view.all()).u16(HEADER + 2),
            };
            v.field(if code == message::FRAGMENTATION_NEEDED {
                field.meaning(&meaning).brief(Brief::Value("mtu "))
            } else {
                field.meaning(&"unused")
            });
        }
        message::TIME_EXCEEDED => {
            unused(lens, v)?;
            multipart_length(lens, v)?;
            let word = lens.u16(6)?;
            v.field(Field::number("unused_2", "Unused", bits(48, 16), word));
        }
        message::PARAMETER_PROBLEM => {
            let pointer = lens.u8(4)?;
            let field = Field::number("pointer", "Pointer", bits(32, 8), pointer);
            let meaning = Pointer {
                pointer: pointer.into(),
                quoted: view.all().get(HEADER..).unwrap_or_default(),
            };
            v.field(if code == 0 {
                field.meaning(&meaning).brief(Brief::Meaning("at "))
            } else {
                field
            });
            multipart_length(lens, v)?;
            let word = lens.u16(6)?;
            v.field(Field::number("unused", "Unused", bits(48, 16), word));
        }
        message::REDIRECT => {
            let gateway = lens.array(4)?;
            v.field(
                Field::ipv4("gateway", "Gateway", bits(32, 32), gateway)
                    .meaning(&names::AddressKind(gateway))
                    .brief(Brief::Value("to ")),
            );
        }
        message::SOURCE_QUENCH | message::ROUTER_SOLICITATION => {
            let word = lens.u32(4)?;
            v.field(Field::number("unused", "Unused", bits(32, 32), word));
        }
        message::ROUTER_ADVERTISEMENT => router_advertisement(lens, v)?,
        message::TIMESTAMP_REQUEST | message::TIMESTAMP_REPLY => {
            identified(lens, v)?;
            for (at, name, label) in [
                (8, "originate_timestamp", "Originate timestamp"),
                (12, "receive_timestamp", "Receive timestamp"),
                (16, "transmit_timestamp", "Transmit timestamp"),
            ] {
                let time = lens.u32(at)?;
                let field = Field::number(name, label, bytes(at, 4), time);
                v.field(field.meaning(&SinceMidnight(time)));
            }
        }
        message::INFORMATION_REQUEST
        | message::INFORMATION_REPLY
        | message::DOMAIN_NAME_REQUEST => identified(lens, v)?,
        message::DOMAIN_NAME_REPLY => {
            identified(lens, v)?;
            let seconds = lens.u32(8)?;
            v.field(
                Field::number("ttl", "Time to live", bits(64, 32), seconds).meaning(&"seconds"),
            );
        }
        message::MASK_REQUEST | message::MASK_REPLY => {
            identified(lens, v)?;
            let mask = lens.array(8)?;
            v.field(
                Field::ipv4("address_mask", "Address mask", bits(64, 32), mask)
                    .meaning(&Mask(mask))
                    .brief(Brief::Value("")),
            );
        }
        message::TRACEROUTE => traceroute(lens, v)?,
        message::CONVERSION_ERROR => {
            let pointer = lens.u32(4)?;
            v.field(
                Field::number("pointer", "Pointer", bits(32, 32), pointer)
                    .meaning(&"byte of the header that could not be converted"),
            );
        }
        message::PHOTURIS => {
            let reserved = lens.u16(4)?;
            v.field(Field::number(
                "reserved",
                "Reserved",
                bits(32, 16),
                reserved,
            ));
            let pointer = lens.u16(6)?;
            v.field(
                Field::number("pointer", "Pointer", bits(48, 16), pointer)
                    .meaning(&"byte of the original datagram where the SPI stands"),
            );
        }
        message::MOBILITY => {
            let word = lens.u32(4)?;
            v.field(
                Field::number("subtype", "Subtype", bits(32, 8), word >> 24).meaning(&Name(
                    match word >> 24 {
                        0 => Some("candidate access router discovery"),
                        _ => None,
                    },
                )),
            );
            v.field(Field::number(
                "reserved",
                "Reserved",
                bits(40, 24),
                word & 0x00ff_ffff,
            ));
        }
        message::EXTENDED_ECHO_REQUEST | message::EXTENDED_ECHO_REPLY => {
            extended_echo(lens, kind, v)?;
        }
        _ => {}
    }
    Some(())
}

fn unused<V: Visitor>(lens: Lens<'_>, v: &mut V) -> Option<()> {
    let byte = lens.u8(4)?;
    v.field(Field::number("unused", "Unused", bits(32, 8), byte));
    Some(())
}

/// RFC 4884 section 4.1: how long the quote is, padding included.
fn multipart_length<V: Visitor>(lens: Lens<'_>, v: &mut V) -> Option<()> {
    let words = lens.u8(5)?;
    let field = Field::number("length", "Length of the quote", bits(40, 8), words);
    let meaning = Words(words);
    v.field(match words {
        0 => field.meaning(&"not given"),
        _ => field.meaning(&meaning),
    });
    Some(())
}

/// RFC 1256 section 3.1.
fn router_advertisement<V: Visitor>(lens: Lens<'_>, v: &mut V) -> Option<()> {
    let count = lens.u8(4)?;
    v.field(
        Field::number("num_addrs", "Number of addresses", bits(32, 8), count)
            .brief(Brief::Value("addresses ")),
    );
    let size = lens.u8(5)?;
    v.field(
        Field::number("addr_entry_size", "Address entry size", bits(40, 8), size)
            .meaning(&Words(size)),
    );
    let lifetime = lens.u16(6)?;
    v.field(
        Field::number("lifetime", "Lifetime", bits(48, 16), lifetime)
            .meaning(&"seconds")
            .brief(Brief::Value("lifetime ")),
    );
    let entry = entry_len(lens)?;
    let present = lens
        .0
        .len()
        .saturating_sub(HEADER)
        .min(usize::from(count) * entry);
    v.list("entries", "Entries", bytes(HEADER, present), |v| {
        for index in 0..usize::from(count) {
            let at = HEADER + index * entry;
            let (Some(address), Some(preference)) = (lens.array(at), lens.u32(at + 4)) else {
                return;
            };
            v.item("Router", bytes(at, entry), |v| {
                v.field(Field::ipv4(
                    "router_address",
                    "Router address",
                    bytes(at, 4),
                    address,
                ));
                let level = i64::from(preference.cast_signed());
                let place = bytes(at + 4, 4);
                let value = Value::Signed(level);
                let field = Field::new("preference_level", "Preference level", place, value);
                v.field(if preference == 0x8000_0000 {
                    field.meaning(&"not to be used as a default router")
                } else {
                    field
                });
            });
        }
    });
    Some(())
}

/// RFC 1393 section 2.3.
fn traceroute<V: Visitor>(lens: Lens<'_>, v: &mut V) -> Option<()> {
    let id = lens.u16(4)?;
    v.field(Field::number("id_number", "ID number", bits(32, 16), id).brief(Brief::Value("id ")));
    v.field(Field::number(
        "unused",
        "Unused",
        bits(48, 16),
        lens.u16(6)?,
    ));
    v.field(Field::number(
        "outbound_hop_count",
        "Outbound hop count",
        bits(64, 16),
        lens.u16(8)?,
    ));
    v.field(Field::number(
        "return_hop_count",
        "Return hop count",
        bits(80, 16),
        lens.u16(10)?,
    ));
    v.field(
        Field::number(
            "output_link_speed",
            "Output link speed",
            bits(96, 32),
            lens.u32(12)?,
        )
        .meaning(&"bytes a second"),
    );
    v.field(Field::number(
        "output_link_mtu",
        "Output link MTU",
        bits(128, 32),
        lens.u32(16)?,
    ));
    Some(())
}

/// RFC 8335 sections 2 and 3.
fn extended_echo<V: Visitor>(lens: Lens<'_>, kind: u8, v: &mut V) -> Option<()> {
    let identifier = lens.u16(4)?;
    v.field(
        Field::number("identifier", "Identifier", bits(32, 16), identifier)
            .meaning(&Hexadecimal(identifier))
            .brief(Brief::Value("id ")),
    );
    let sequence = lens.u8(6)?;
    v.field(
        Field::number("sequence", "Sequence number", bits(48, 8), sequence)
            .brief(Brief::Value("seq ")),
    );
    let last = lens.u8(7)?;
    if kind == message::EXTENDED_ECHO_REQUEST {
        v.field(Field::number(
            "reserved",
            "Reserved",
            bits(56, 7),
            last >> 1,
        ));
        v.field(
            Field::flag("local", "Local", bits(63, 1), last & 1 != 0).meaning(&if last & 1 == 0 {
                "the interface belongs to a neighbour of the probed node"
            } else {
                "the interface belongs to the probed node"
            }),
        );
        return Some(());
    }
    v.field(
        Field::number("state", "State", bits(56, 3), last >> 5).meaning(&Name(match last >> 5 {
            0 => Some("not a neighbour cache entry"),
            1 => Some("incomplete"),
            2 => Some("reachable"),
            3 => Some("stale"),
            4 => Some("delay"),
            5 => Some("probe"),
            6 => Some("failed"),
            _ => None,
        })),
    );
    v.field(Field::number(
        "reserved",
        "Reserved",
        bits(59, 2),
        last >> 3 & 3,
    ));
    v.field(
        Field::flag("active", "Active", bits(61, 1), last & 4 != 0)
            .meaning(&if last & 4 == 0 { "inactive" } else { "active" })
            .brief(Brief::Meaning("")),
    );
    v.field(Field::flag("ipv4", "Runs IPv4", bits(62, 1), last & 2 != 0));
    v.field(Field::flag("ipv6", "Runs IPv6", bits(63, 1), last & 1 != 0));
    Some(())
}

/// A number whose sender may never have meant it as decimal.
struct Hexadecimal(u16);

impl Display for Hexadecimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04x}", self.0)
    }
}

/// The same 16 bits in the other byte order.
struct Swapped(u16);

impl Display for Swapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} if little-endian", self.0.swap_bytes())
    }
}

/// A length in 32-bit words, as bytes.
struct Words(u8);

impl Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", u32::from(self.0) * 4)
    }
}

/// An MTU, or what a host must guess where a router older than RFC 1191 gives none: the next
/// plateau below the datagram's length (RFC 1191 section 7.1).
struct Mtu {
    mtu: u16,
    quoted: Option<u16>,
}

impl Display for Mtu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const PLATEAUS: [u16; 10] = [
            32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006, 508, 296, 68,
        ];
        if self.mtu != 0 {
            return f.write_str("bytes");
        }
        f.write_str("not given")?;
        let plateau = self
            .quoted
            .and_then(|length| PLATEAUS.into_iter().find(|&plateau| plateau < length));
        match plateau {
            Some(plateau) => write!(f, "; the plateau below the datagram's length is {plateau}"),
            None => Ok(()),
        }
    }
}

/// The field of the quoted header that a parameter problem points at.
struct Pointer<'a> {
    pointer: usize,
    quoted: &'a [u8],
}

impl Display for Pointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = Lens(self.quoted);
        let header = quoted
            .u8(0)
            .map_or(20, |first| usize::from(first & 0x0f) * 4);
        f.write_str(match self.pointer {
            0 => "version and header length",
            1 => "type of service",
            2 | 3 => "total length",
            4 | 5 => "identification",
            6 | 7 => "flags and fragment offset",
            8 => "time to live",
            9 => "protocol",
            10 | 11 => "header checksum",
            12..=15 => "source address",
            16..=19 => "destination address",
            at if at < header => {
                let options = quoted.slice(20, header);
                return match ipv4_options::name_at(options, at) {
                    Some(name) => write!(f, "option {name}"),
                    None => f.write_str("options"),
                };
            }
            _ => "data behind the header",
        })
    }
}

/// An address mask as a prefix length, where it is one.
struct Mask([u8; 4]);

impl Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mask = u32::from_be_bytes(self.0);
        if mask.leading_ones() + mask.trailing_zeros() >= 32 {
            write!(f, "/{}", mask.leading_ones())
        } else {
            f.write_str("not contiguous")
        }
    }
}
