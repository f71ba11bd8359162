//! Security labels: the options of RFC 791 and RFC 1108, and CIPSO as its draft
//! (draft-ietf-cipso-ipsecurity) and FIPS 188 give it.
//!
//! Each describing function answers how many bytes of the option it has described.

use std::fmt::{self, Display};

use super::bytes;
use crate::wire::field::{Brief, Field, Lens, Name, Visitor};

/// The one length of RFC 791's option; other lengths are RFC 1108's.
const RFC_791: usize = 11;
/// Type, length and domain of interpretation; tags follow.
const TAGS: usize = 6;
/// A tag's type, length, alignment octet and sensitivity level; categories follow.
const CATEGORIES: usize = 4;

/// The basic security option.
pub(super) fn security<V: Visitor>(option: &[u8], at: usize, v: &mut V) -> usize {
    if option.len() == RFC_791 {
        return security_791(Lens(option), at, v);
    }
    let Some(level) = option.get(2).copied() else {
        return 2;
    };
    v.field(
        Field::hex(
            "classification_level",
            "Classification level",
            bytes(at + 2, 1),
            level,
        )
        .meaning(&Name(match level {
            0x3d => Some("Top Secret"),
            0x5a => Some("Secret"),
            0x96 => Some("Confidential"),
            0xab => Some("Unclassified"),
            0x01 | 0x66 | 0xcc | 0xf1 => Some("reserved"),
            _ => None,
        })),
    );
    let authorities = option.get(3..).unwrap_or_default();
    if !authorities.is_empty() {
        v.field(
            Field::bytes(
                "protection_authority",
                "Protection authority",
                bytes(at + 3, authorities.len()),
                authorities,
            )
            .meaning(&Authorities(authorities)),
        );
    }
    option.len()
}

/// RFC 791 section 3.1, security.
fn security_791<V: Visitor>(lens: Lens<'_>, at: usize, v: &mut V) -> usize {
    let (Some(level), Some(compartments)) = (lens.u16(2), lens.u16(4)) else {
        return 2;
    };
    v.field(
        Field::hex("security", "Security", bytes(at + 2, 2), level).meaning(&Name(match level {
            0x0000 => Some("Unclassified"),
            0xf135 => Some("Confidential"),
            0x789a => Some("EFTO"),
            0xbc4d => Some("MMMM"),
            0x5e26 => Some("PROG"),
            0xaf13 => Some("Restricted"),
            0xd788 => Some("Secret"),
            0x6bc5 => Some("Top Secret"),
            0x35e2 | 0x9af1 | 0x4d78 | 0x24bd | 0x135e | 0x89af | 0xc4d6 | 0xe26b => {
                Some("reserved")
            }
            _ => None,
        })),
    );
    v.field(
        Field::hex(
            "compartments",
            "Compartments",
            bytes(at + 4, 2),
            compartments,
        )
        .meaning(&if compartments == 0 {
            "not compartmented"
        } else {
            "by arrangement with the DIA"
        }),
    );
    v.field(Field::new(
        "handling_restrictions",
        "Handling restrictions",
        bytes(at + 6, 2),
        crate::wire::field::Value::Text(lens.slice(6, 8)),
    ));
    v.field(Field::new(
        "transmission_control_code",
        "Transmission control code",
        bytes(at + 8, 3),
        crate::wire::field::Value::Text(lens.slice(8, 11)),
    ));
    RFC_791
}

/// The extended security option (RFC 1108 section 3).
pub(super) fn extended<V: Visitor>(option: &[u8], at: usize, v: &mut V) -> usize {
    let Some(format) = option.get(2).copied() else {
        return 2;
    };
    v.field(Field::number(
        "format_code",
        "Additional security information format code",
        bytes(at + 2, 1),
        format,
    ));
    let information = option.get(3..).unwrap_or_default();
    if !information.is_empty() {
        v.field(Field::bytes(
            "additional_security_information",
            "Additional security information",
            bytes(at + 3, information.len()),
            information,
        ));
    }
    option.len()
}

/// One tag of a CIPSO option: what kind it is and where it lies.
struct Tag<'a> {
    at: usize,
    kind: u8,
    bytes: &'a [u8],
    sound: bool,
}

/// The tags of a CIPSO option in order, up to the first whose length leads nowhere.
fn tags(option: &[u8]) -> impl Iterator<Item = Tag<'_>> {
    let mut at = TAGS;
    std::iter::from_fn(move || {
        let rest = option.get(at..)?;
        let (&kind, behind) = rest.split_first()?;
        // Type 0 is padding, one byte long.
        let claimed = match (kind, behind.first()) {
            (0, _) => Some(1),
            (_, Some(&len)) => Some(usize::from(len)).filter(|&len| len >= 2),
            (_, None) => None,
        };
        let len = claimed.unwrap_or(usize::MAX).min(rest.len());
        let tag = Tag {
            at,
            kind,
            bytes: rest.get(..len)?,
            sound: claimed == Some(len),
        };
        at += len;
        Some(tag)
    })
}

/// Whether there is a domain of interpretation, and every tag ends inside the option.
pub(super) fn tags_fit(option: &[u8]) -> bool {
    option.len() >= TAGS && tags(option).all(|tag| tag.sound)
}

/// CIPSO.
pub(super) fn commercial<V: Visitor>(option: &[u8], at: usize, v: &mut V) -> usize {
    let Some(doi) = Lens(option).u32(2) else {
        return 2;
    };
    v.field(
        Field::number("doi", "Domain of interpretation", bytes(at + 2, 4), doi)
            .brief(Brief::Value("cipso doi ")),
    );
    let len = option.len() - TAGS;
    v.list("tags", "Tags", bytes(at + TAGS, len), |v| {
        for tag in tags(option) {
            v.item("Tag", bytes(at + tag.at, tag.bytes.len()), |v| {
                describe(&tag, at + tag.at, v);
            });
        }
    });
    option.len()
}

fn describe<V: Visitor>(tag: &Tag<'_>, at: usize, v: &mut V) {
    let lens = Lens(tag.bytes);
    v.field(
        Field::number("type", "Type", bytes(at, 1), tag.kind).meaning(&Name(match tag.kind {
            0 => Some("padding"),
            1 => Some("restrictive bitmap"),
            2 => Some("enumerated categories"),
            5 => Some("ranged categories"),
            6 => Some("permissive bitmap"),
            7 => Some("free form"),
            128.. => Some("local to the domain of interpretation"),
            _ => None,
        })),
    );
    let Some(length) = lens.u8(1).filter(|_| tag.kind != 0) else {
        return;
    };
    let field = Field::number("length", "Length", bytes(at + 1, 1), length);
    v.field(if tag.sound {
        field
    } else {
        field.meaning(&"impossible here")
    });
    let mut described = 2;
    if matches!(tag.kind, 1 | 2 | 5)
        && let Some(level) = lens.u8(3)
    {
        v.field(Field::number(
            "sensitivity_level",
            "Sensitivity level",
            bytes(at + 3, 1),
            level,
        ));
        let categories = lens.slice(CATEGORIES, tag.bytes.len());
        let place = bytes(at + CATEGORIES, categories.len());
        v.list("categories", "Categories", place, |v| match tag.kind {
            1 => bitmap(categories, at + CATEGORIES, v),
            2 => enumerated(categories, at + CATEGORIES, v),
            _ => ranged(categories, at + CATEGORIES, v),
        });
        described = tag.bytes.len();
    }
    let data = lens.slice(described, tag.bytes.len());
    if !data.is_empty() {
        v.field(Field::bytes(
            "data",
            "Data",
            bytes(at + described, data.len()),
            data,
        ));
    }
}

/// Category 0 is the most significant bit of the first byte.
fn bitmap<V: Visitor>(map: &[u8], at: usize, v: &mut V) {
    for (index, byte) in map.iter().enumerate() {
        for bit in 0..8_u32 {
            if byte & (0x80 >> bit) != 0 {
                let category = index as u64 * 8 + u64::from(bit);
                let place = super::within(at + index, bit, 1);
                v.field(Field::number("", "Category", place, category));
            }
        }
    }
}

fn enumerated<V: Visitor>(list: &[u8], at: usize, v: &mut V) {
    for (index, &category) in list.as_chunks::<2>().0.iter().enumerate() {
        let category = u16::from_be_bytes(category);
        v.field(Field::number(
            "",
            "Category",
            bytes(at + index * 2, 2),
            category,
        ));
    }
}

/// Pairs of top and bottom; the last bottom may be left out where it is 0.
fn ranged<V: Visitor>(list: &[u8], at: usize, v: &mut V) {
    for (index, range) in list.chunks(4).enumerate() {
        let (lens, at) = (Lens(range), at + index * 4);
        let Some(top) = lens.u16(0) else { return };
        v.item("Range", bytes(at, range.len()), |v| {
            v.field(Field::number("top", "Top", bytes(at, 2), top));
            let bottom = lens.u16(2);
            let field = Field::number(
                "bottom",
                "Bottom",
                bytes(at + 2, if bottom.is_some() { 2 } else { 0 }),
                bottom.unwrap_or_default(),
            );
            v.field(if bottom.is_some() {
                field
            } else {
                field.meaning(&"left out")
            });
        });
    }
}

/// Under whose rules the datagram is protected (RFC 1108 section 2.4): a bit each, the last of
/// every byte saying that another byte follows.
struct Authorities<'a>(&'a [u8]);

impl Display for Authorities<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.first().copied().unwrap_or_default();
        let mut none = true;
        for (bit, name) in [
            (0x80, "GENSER"),
            (0x40, "SIOP-ESI"),
            (0x20, "SCI"),
            (0x10, "NSA"),
            (0x08, "DOE"),
        ] {
            if first & bit != 0 {
                f.write_str(if none { "" } else { ", " })?;
                f.write_str(name)?;
                none = false;
            }
        }
        if none {
            f.write_str("no named authority")?;
        }
        Ok(())
    }
}
