//! MPLS label stack entries (RFC 3032): one layer an entry.
//!
//! Knows the entry and the labels with a meaning of their own. What lies below the bottom is not
//! named anywhere; only its first nibble hints at it (RFC 4928 section 3).

use std::fmt::{self, Display};

use super::anomaly::Anomaly;
use super::field::{Brief, Field, Visitor, bits};
use super::packet::{Next, Protocol, Region, View, Walk};

/// Label, traffic class, bottom of stack, time to live.
const ENTRY: usize = 4;
/// Signalled to say "pop the stack for me", never sent (RFC 3032 section 2.1).
const IMPLICIT_NULL: u32 = 3;

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let Some(entry) = walk.lens(region).u32(0) else {
        return walk.stop_short(Protocol::Mpls, region, ENTRY, Some(Anomaly::MplsTruncated));
    };
    walk.push(Protocol::Mpls, region, ENTRY);
    if entry >> 12 == IMPLICIT_NULL {
        walk.anomaly(Anomaly::MplsLabelImplicitNull);
    }
    let rest = region.after(ENTRY);
    if entry & 0x100 == 0 {
        if rest.promised_len() == 0 {
            walk.anomaly(Anomaly::MplsTruncated);
        }
        return Some((Protocol::Mpls, rest));
    }
    Some((
        match walk.lens(rest).u8(0) {
            // A pseudowire's MAC address can begin like an IPv4 header, seldom with its length.
            Some(0x45..=0x4f) => Protocol::Ipv4,
            Some(0x60..=0x6f) => Protocol::Ipv6,
            _ => Protocol::Payload,
        },
        rest,
    ))
}

pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some([high, middle, low]) = lens.array(0) else {
        return;
    };
    let head = u32::from_be_bytes([0, high, middle, low]);
    let label = head >> 4;
    v.field(
        Field::number("label", "Label", bits(0, 20), label)
            .meaning(&Label(label))
            .brief(Brief::Value("mpls ")),
    );
    v.field(Field::number(
        "tc",
        "Traffic class",
        bits(20, 3),
        head >> 1 & 7,
    ));
    v.field(Field::flag(
        "bottom",
        "Bottom of stack",
        bits(23, 1),
        head & 1 != 0,
    ));
    let Some(ttl) = lens.u8(3) else { return };
    v.field(Field::number("ttl", "Time to live", bits(24, 8), ttl));
}

/// IANA's special-purpose MPLS label values (RFC 7274).
struct Label(u32);

impl Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "IPv4 explicit null",
            1 => "router alert",
            2 => "IPv6 explicit null",
            IMPLICIT_NULL => "implicit null",
            7 => "entropy label indicator",
            13 => "generic associated channel",
            14 => "OAM alert",
            15 => "extension",
            4..=12 => "special purpose, unassigned",
            _ => "a path of the network's choosing",
        })
    }
}
