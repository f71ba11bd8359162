//! The words for what is no plain number: options, TCP's flags, VLAN tags, extension objects, ICMP
//! types. Read and written here, next to each other.

use std::net::Ipv4Addr;

use super::given::{Given, hex, number, to_hex};
use crate::error::Result;
use crate::wire::build::options::{
    Ipv4Option, LOOSE_SOURCE_ROUTE, RECORD_ROUTE, STRICT_SOURCE_ROUTE, TcpOption,
};
use crate::wire::build::{Object, Vlan};

/// The letters of TCP's flags from the lowest bit up.
const FLAGS: &[u8; 8] = b"FSRPAUEC";

/// The routes by their words.
const ROUTES: [(&str, u8); 3] = [
    ("rr", RECORD_ROUTE),
    ("lsrr", LOOSE_SOURCE_ROUTE),
    ("ssrr", STRICT_SOURCE_ROUTE),
];

/// Words of ICMP types (RFC 792 and its successors).
const ICMP_TYPES: [(&str, u8); 15] = [
    ("echo-reply", 0),
    ("unreachable", 3),
    ("source-quench", 4),
    ("redirect", 5),
    ("echo", 8),
    ("router-advertisement", 9),
    ("router-solicitation", 10),
    ("time-exceeded", 11),
    ("parameter-problem", 12),
    ("timestamp", 13),
    ("timestamp-reply", 14),
    ("mask", 17),
    ("mask-reply", 18),
    ("extended-echo", 42),
    ("extended-echo-reply", 43),
];

/// An ICMP type by number or word.
pub(super) fn icmp_type(given: &Given) -> Result<u8> {
    let named = given
        .string()
        .ok()
        .and_then(|text| ICMP_TYPES.iter().find(|(word, _)| *word == text));
    if let Some((_, kind)) = named {
        return Ok(*kind);
    }
    let number = given.number(255).map_err(|_| {
        let words = ICMP_TYPES.map(|(word, _)| word).join(", ");
        given.refuse(&format!("a number from 0 to 255, nor one of {words}"))
    })?;
    Ok(u8::try_from(number).unwrap_or(u8::MAX))
}

pub(super) fn addresses(text: &str) -> Option<Vec<Ipv4Addr>> {
    text.split(',').map(|one| one.parse().ok()).collect()
}

pub(super) fn small<T: TryFrom<u64>>(text: &str) -> Option<T> {
    T::try_from(number(text)?).ok()
}

/// Reads an IPv4 option.
pub(super) fn ipv4_option(given: &Given) -> Result<Ipv4Option> {
    parse_ipv4_option(given.string()?).ok_or_else(|| {
        given.refuse(
            "an option: rr:SLOTS, lsrr:ADDRESS,.., ssrr:ADDRESS,.., ts:SLOTS, ra, nop, eol, TYPE:HEX or 0xHEX",
        )
    })
}

fn parse_ipv4_option(text: &str) -> Option<Ipv4Option> {
    let (word, rest) = text.split_once(':').unwrap_or((text, ""));
    if let Some(&(_, kind)) = ROUTES.iter().find(|(name, _)| *name == word) {
        let (slots, pointer) = match rest.split_once('@') {
            Some((slots, pointer)) => (slots, small(pointer)?),
            None => (rest, 4),
        };
        let slots = match small::<u8>(slots) {
            // A route that is to be travelled needs its stops.
            Some(count) if kind == RECORD_ROUTE && count <= 62 => {
                vec![Ipv4Addr::UNSPECIFIED; count.into()]
            }
            _ => addresses(slots)?,
        };
        return Some(Ipv4Option::Route {
            kind,
            pointer,
            slots,
        });
    }
    let stamps = |flag, slots| Ipv4Option::Timestamp {
        pointer: 5,
        overflow: 0,
        flag,
        slots,
    };
    let empty = |count: u8, address| (count <= 31).then(|| vec![(address, 0); count.into()]);
    Some(match word {
        "eol" if rest.is_empty() => Ipv4Option::End,
        "nop" if rest.is_empty() => Ipv4Option::NoOperation,
        "ra" if rest.is_empty() => Ipv4Option::RouterAlert(0),
        "ra" => Ipv4Option::RouterAlert(small(rest)?),
        "ts" => stamps(0, empty(small(rest)?, None)?),
        "ts-address" => stamps(1, empty(small(rest)?, Some(Ipv4Addr::UNSPECIFIED))?),
        "ts-only" => {
            let slots = addresses(rest)?.into_iter();
            stamps(3, slots.map(|address| (Some(address), 0)).collect())
        }
        _ => {
            if let Some(bytes) = text.strip_prefix("0x") {
                return Some(Ipv4Option::Raw(hex(bytes)?));
            }
            let data = hex(text.split_once(':')?.1)?;
            Ipv4Option::Other(small(word)?, data)
        }
    })
}

/// Writes the options of a header, so that reading them gives the same bytes.
pub(super) fn ipv4_options(bytes: &[u8]) -> Vec<String> {
    let word = |option: &Ipv4Option| match option {
        Ipv4Option::End => "eol".to_owned(),
        Ipv4Option::NoOperation => "nop".to_owned(),
        Ipv4Option::Route {
            kind,
            pointer,
            slots,
        } => {
            let name = ROUTES.iter().find(|(_, known)| known == kind);
            let name = name.map_or("", |(name, _)| name);
            let slots: Vec<String> = slots.iter().map(Ipv4Addr::to_string).collect();
            format!("{name}:{}@{pointer}", slots.join(","))
        }
        Ipv4Option::RouterAlert(value) => format!("ra:{value}"),
        Ipv4Option::Timestamp { flag, slots, .. } => match flag {
            0 => format!("ts:{}", slots.len()),
            1 => format!("ts-address:{}", slots.len()),
            _ => {
                let slots = slots.iter().filter_map(|(address, _)| *address);
                let slots: Vec<String> = slots.map(|address| address.to_string()).collect();
                format!("ts-only:{}", slots.join(","))
            }
        },
        Ipv4Option::Other(kind, data) => format!("{kind}:{}", to_hex(data)),
        Ipv4Option::Raw(bytes) => format!("0x{}", to_hex(bytes)),
    };
    let options = Ipv4Option::split(bytes);
    let words = options.iter().map(|option| {
        let word = word(option);
        if parse_ipv4_option(&word).as_ref() == Some(option) {
            return word;
        }
        let mut bytes = Vec::new();
        option.write(&mut bytes);
        format!("0x{}", to_hex(&bytes))
    });
    words.collect()
}

/// Reads a TCP option.
pub(super) fn tcp_option(given: &Given) -> Result<TcpOption> {
    parse_tcp_option(given.string()?).ok_or_else(|| {
        given.refuse(
            "an option: mss:BYTES, ws:SHIFT, sackok, sack:LEFT-RIGHT,.., ts:VALUE,REPLY, nop, eol, KIND:HEX or 0xHEX",
        )
    })
}

fn parse_tcp_option(text: &str) -> Option<TcpOption> {
    let (word, rest) = text.split_once(':').unwrap_or((text, ""));
    Some(match word {
        "eol" if rest.is_empty() => TcpOption::End,
        "nop" if rest.is_empty() => TcpOption::NoOperation,
        "sackok" if rest.is_empty() => TcpOption::SackPermitted,
        "mss" => TcpOption::Mss(small(rest)?),
        "ws" => TcpOption::WindowScale(small(rest)?),
        "ts" => {
            let (value, reply) = rest.split_once(',')?;
            TcpOption::Timestamps(small(value)?, small(reply)?)
        }
        "sack" => {
            let block = |block: &str| {
                let (left, right) = block.split_once('-')?;
                Some((small(left)?, small(right)?))
            };
            TcpOption::Sack(rest.split(',').map(block).collect::<Option<_>>()?)
        }
        _ => {
            if let Some(bytes) = text.strip_prefix("0x") {
                return Some(TcpOption::Raw(hex(bytes)?));
            }
            let data = hex(text.split_once(':')?.1)?;
            TcpOption::Other(small(word)?, data)
        }
    })
}

/// Writes the options of a header, so that reading them gives the same bytes.
pub(super) fn tcp_options(bytes: &[u8]) -> Vec<String> {
    let options = TcpOption::split(bytes);
    let words = options.iter().map(|option| match option {
        TcpOption::End => "eol".to_owned(),
        TcpOption::NoOperation => "nop".to_owned(),
        TcpOption::SackPermitted => "sackok".to_owned(),
        TcpOption::Mss(bytes) => format!("mss:{bytes}"),
        TcpOption::WindowScale(shift) => format!("ws:{shift}"),
        TcpOption::Timestamps(value, reply) => format!("ts:{value},{reply}"),
        TcpOption::Sack(blocks) => {
            let blocks = blocks.iter().map(|(left, right)| format!("{left}-{right}"));
            format!("sack:{}", blocks.collect::<Vec<_>>().join(","))
        }
        TcpOption::Other(kind, data) => format!("{kind}:{}", to_hex(data)),
        TcpOption::Raw(bytes) => format!("0x{}", to_hex(bytes)),
    });
    words.collect()
}

/// Reads TCP's flags: letters of FSRPAUEC, or the number of all twelve bits.
pub(super) fn tcp_flags(given: &Given) -> Result<u16> {
    let letters = given.string().ok().and_then(|text| {
        let bit = |letter: u8| FLAGS.iter().position(|known| *known == letter);
        let bits = text.bytes().map(|letter| bit(letter.to_ascii_uppercase()));
        let mut bits = bits.map(|bit| bit.and_then(|bit| u32::try_from(bit).ok()));
        bits.try_fold(0, |all: u16, bit| Some(all | 1_u16.checked_shl(bit?)?))
    });
    if let Some(flags) = letters {
        return Ok(flags);
    }
    let number = given
        .number(0x0fff)
        .map_err(|_| given.refuse("made of the letters FSRPAUEC, nor a number from 0 to 4095"))?;
    Ok(u16::try_from(number).unwrap_or(u16::MAX))
}

/// Writes TCP's flags.
pub(super) fn show_tcp_flags(flags: u16) -> String {
    if flags == 0 || flags > 0xff {
        return format!("0x{flags:03x}");
    }
    let letters = (0_u32..).zip(FLAGS);
    let letters = letters.filter(|(bit, _)| flags.checked_shr(*bit).is_some_and(|it| it & 1 != 0));
    let letters: String = letters.map(|(_, letter)| char::from(*letter)).collect();
    format!("\"{letters}\"")
}

/// Reads a VLAN tag: ID, ID/PRIORITY or ID/PRIORITY/DEI, then @TPID.
pub(super) fn vlan(given: &Given) -> Result<Vlan> {
    let parse = |text: &str| {
        let (tag, tpid) = match text.split_once('@') {
            Some((tag, tpid)) => (tag, small(tpid)?),
            None => (text, 0x8100),
        };
        let mut parts = tag.split('/').map(small::<u16>);
        let id = parts.next()??;
        let priority = parts.next().unwrap_or(Some(0))?;
        let dei = parts.next().unwrap_or(Some(0))?;
        let fits = id <= 0x0fff && priority <= 7 && dei <= 1 && parts.next().is_none();
        fits.then_some(Vlan {
            tpid,
            tci: priority << 13 | dei << 12 | id,
        })
    };
    parse(given.string()?).ok_or_else(|| {
        given.refuse("a tag: ID (0 to 4095), ID/PRIORITY (0 to 7) or ID/PRIORITY/DEI (0 or 1), then @TPID if not 0x8100")
    })
}

/// Writes a VLAN tag.
pub(super) fn show_vlan(vlan: Vlan) -> String {
    let (id, priority, dei) = (vlan.tci & 0x0fff, vlan.tci >> 13, vlan.tci >> 12 & 1);
    format!("{id}/{priority}/{dei}@0x{:04x}", vlan.tpid)
}

/// Reads an extension object: mpls:LABEL/CLASS/BOTTOM/TTL,.. or CLASS/TYPE:HEX.
pub(super) fn object(given: &Given) -> Result<Object> {
    let entry = |text: &str| {
        let parts: Vec<u32> = text.split('/').map(small).collect::<Option<_>>()?;
        let &[label, class, bottom, ttl] = parts.as_slice() else {
            return None;
        };
        let (class, ttl) = (u8::try_from(class).ok()?, u8::try_from(ttl).ok()?);
        let fits = label <= 0x000f_ffff && class <= 7 && bottom <= 1;
        fits.then(|| Object::mpls_entry(label, class, bottom == 1, ttl))
    };
    let parse = |text: &str| {
        let (head, data) = text.split_once(':')?;
        if head == "mpls" {
            let entries = data.split(',').map(entry);
            let entries: Vec<[u8; 4]> = entries.collect::<Option<_>>()?;
            return Some(Object {
                class: 1,
                kind: 1,
                data: entries.concat(),
            });
        }
        let (class, kind) = head.split_once('/')?;
        Some(Object {
            class: small(class)?,
            kind: small(kind)?,
            data: hex(data)?,
        })
    };
    parse(given.string()?)
        .ok_or_else(|| given.refuse("an object: mpls:LABEL/CLASS/BOTTOM/TTL,.. or CLASS/TYPE:HEX"))
}

/// Writes an extension object.
pub(super) fn show_object(object: &Object) -> String {
    let (entries, rest) = object.data.as_chunks::<4>();
    if (object.class, object.kind) == (1, 1) && rest.is_empty() && !entries.is_empty() {
        let entries = entries.iter().map(|entry| {
            let word = u32::from_be_bytes(*entry);
            let (label, class, bottom) = (word >> 12, word >> 9 & 7, word >> 8 & 1);
            format!("{label}/{class}/{bottom}/{}", word & 0xff)
        });
        return format!("mpls:{}", entries.collect::<Vec<_>>().join(","));
    }
    format!("{}/{}:{}", object.class, object.kind, to_hex(&object.data))
}
