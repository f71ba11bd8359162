//! Extension objects that name an interface or a node: RFC 5837, RFC 8335 and
//! draft-ietf-intarea-extended-icmp-nodeid.
//!
//! Each function answers how many bytes of the object it has described.

use super::{OBJECT, bytes};
use crate::wire::field::{Brief, Field, Lens, Name, Value, Visitor, bits};

// What an object carries, by the low bits of its class type (RFC 5837 section 4.1).
const INDEX: u8 = 0x08;
const ADDRESS: u8 = 0x04;
const NAME: u8 = 0x02;
const MTU: u8 = 0x01;

// Address families (IANA address-family-numbers).
const AFI_IPV4: u16 = 1;
const AFI_IPV6: u16 = 2;
const AFI_802: u16 = 6;
const AFI_MAC_48: u16 = 16_389;

/// RFC 5837 section 4.
pub(super) fn information<V: Visitor>(object: &[u8], c_type: u8, at: usize, v: &mut V) -> usize {
    let role = c_type >> 6;
    v.field(
        Field::number("role", "Role", bits(bytes(at + 3, 0).start, 2), role).meaning(&match role {
            0 => "interface the datagram arrived at",
            1 => "sub-IP component of the interface it arrived at",
            2 => "interface it would have left by",
            _ => "next hop it would have gone to",
        }),
    );
    members(object, c_type, at, v)
}

/// Address and name alone, in the same forms.
pub(super) fn node<V: Visitor>(object: &[u8], c_type: u8, at: usize, v: &mut V) -> usize {
    members(object, c_type & (ADDRESS | NAME), at, v)
}

/// The parts that the class type announces, in their one possible order.
fn members<V: Visitor>(object: &[u8], parts: u8, at: usize, v: &mut V) -> usize {
    let lens = Lens(object);
    let mut next = OBJECT;
    if parts & INDEX != 0 {
        let Some(index) = lens.u32(next) else {
            return next;
        };
        let place = bytes(at + next, 4);
        v.field(Field::number("ifindex", "Interface index", place, index));
        next += 4;
    }
    if parts & ADDRESS != 0 {
        let Some(family) = lens.u16(next) else {
            return next;
        };
        v.field(family_field(family, at + next));
        let len = match family {
            AFI_IPV4 => 4,
            AFI_IPV6 => 16,
            _ => return next + 2,
        };
        let address = lens.slice(next + 4, next + 4 + len);
        if address.len() < len {
            return next + 2;
        }
        address_field(family, address, at + next + 4, v);
        next += 4 + len;
    }
    if parts & NAME != 0 {
        let Some(len) = lens.u8(next) else {
            return next;
        };
        let place = bytes(at + next, 1);
        v.field(Field::number("name_length", "Name length", place, len));
        let end = next + usize::from(len).max(1);
        name_field(lens.slice(next + 1, end), at + next + 1, v);
        next = end.min(object.len());
    }
    if parts & MTU != 0 {
        let Some(mtu) = lens.u32(next) else {
            return next;
        };
        let place = bytes(at + next, 4);
        v.field(Field::number("mtu", "MTU", place, mtu).meaning(&"bytes"));
        next += 4;
    }
    next
}

/// RFC 8335 section 2.1.
pub(super) fn identification<V: Visitor>(object: &[u8], c_type: u8, at: usize, v: &mut V) -> usize {
    let lens = Lens(object);
    match c_type {
        1 => {
            name_field(lens.slice(OBJECT, usize::MAX), at + OBJECT, v);
            object.len()
        }
        2 => {
            let Some(index) = lens.u32(OBJECT) else {
                return OBJECT;
            };
            let place = bytes(at + OBJECT, 4);
            v.field(
                Field::number("ifindex", "Interface index", place, index)
                    .brief(Brief::Value("interface ")),
            );
            OBJECT + 4
        }
        3 => {
            let (Some(family), Some(len)) = (lens.u16(OBJECT), lens.u8(OBJECT + 2)) else {
                return OBJECT;
            };
            v.field(family_field(family, at + OBJECT));
            let place = bytes(at + OBJECT + 2, 1);
            v.field(Field::number(
                "address_length",
                "Address length",
                place,
                len,
            ));
            let start = OBJECT + 4;
            let address = lens.slice(start, start + usize::from(len));
            address_field(family, address, at + start, v);
            (start + address.len()).min(object.len())
        }
        _ => OBJECT,
    }
}

fn family_field(family: u16, at: usize) -> Field<'static> {
    Field::number("afi", "Address family", bytes(at, 2), family).meaning(match family {
        AFI_IPV4 => &Name(Some("IPv4")),
        AFI_IPV6 => &Name(Some("IPv6")),
        AFI_802 => &Name(Some("IEEE 802")),
        AFI_MAC_48 => &Name(Some("48-bit MAC")),
        _ => &Name(None),
    })
}

fn address_field<V: Visitor>(family: u16, address: &[u8], at: usize, v: &mut V) {
    let value = match (family, address.len()) {
        (AFI_IPV4, 4) => address.first_chunk().copied().map(Value::Ipv4),
        (AFI_IPV6, 16) => address.first_chunk().copied().map(Value::Ipv6),
        (AFI_802 | AFI_MAC_48, 6) => address.first_chunk().copied().map(Value::Mac),
        _ => None,
    };
    if !address.is_empty() {
        v.field(
            Field::new(
                "address",
                "Address",
                bytes(at, address.len()),
                value.unwrap_or(Value::Bytes(address)),
            )
            .brief(Brief::Value("interface ")),
        );
    }
}

/// A name, filled up with zero bytes to a multiple of four.
fn name_field<V: Visitor>(padded: &[u8], at: usize, v: &mut V) {
    let end = padded
        .iter()
        .rposition(|&byte| byte != 0)
        .map_or(0, |last| last + 1);
    let name = padded.get(..end).unwrap_or_default();
    let place = bytes(at, padded.len());
    v.field(
        Field::new("name", "Interface name", place, Value::Text(name))
            .brief(Brief::Value("interface ")),
    );
}
