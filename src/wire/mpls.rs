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
            .brief(Brief::Value("")),
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

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has found something"
)]
mod tests {
    use crate::wire::frame::LinkType;
    use crate::wire::outline::{DATAGRAM, assert_every_prefix_holds, frame, has, outline};

    fn labelled(stack: &[u8], rest: &[u8]) -> Vec<u8> {
        [
            &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0x47],
            stack,
            rest,
        ]
        .concat()
    }

    fn text(stack: &[u8], rest: &[u8]) -> String {
        outline(&frame(LinkType::ETHERNET, &labelled(stack, rest)))
    }

    #[test]
    fn two_entries() {
        // 24001 = 0x05dc1, class 5, TTL 1; then 16, bottom, TTL 255.
        let stack = [0x05, 0xdc, 0x1a, 1, 0, 1, 0x01, 255];
        let text = text(&stack, &DATAGRAM);
        assert!(has(&text, "mpls.label = 24001"), "{text}");
        assert!(has(&text, "mpls.tc = 5"));
        assert!(has(&text, "mpls.bottom = false"));
        assert!(has(&text, "mpls.ttl = 1"));
        assert!(has(&text, "mpls.label = 16"));
        assert!(has(&text, "mpls.bottom = true"));
        assert!(has(&text, "ipv4.checksum_ok = true"));
        assert!(!text.contains("! "), "{text}");
        assert_every_prefix_holds(LinkType::ETHERNET, &labelled(&stack, &DATAGRAM));
    }

    #[test]
    fn the_first_nibble_tells_what_is_below() {
        let bottom = [0, 1, 0x01, 64];
        assert!(has(&text(&bottom, &[0x60]), "ipv6.version = 6"));
        assert!(
            has(&text(&bottom, &[0; 8]), "payload.length = 8"),
            "a control word"
        );
        assert!(
            has(&text(&bottom, &[0x40; 8]), "payload.length = 8"),
            "no header length"
        );
    }

    #[test]
    fn implicit_null_is_never_sent() {
        assert!(text(&[0, 0, 0x31, 64], &DATAGRAM).contains("! mpls.label.implicit_null at 1"));
        assert!(
            !text(&[0, 0, 0x01, 64], &DATAGRAM).contains("! "),
            "explicit null is"
        );
    }

    #[test]
    fn a_stack_without_bottom() {
        let open = text(&[0, 1, 0, 64], &[]);
        assert!(open.contains("! mpls.truncated at 1"), "{open}");
        let half = text(&[0, 1, 0, 64], &[0, 1]);
        assert!(half.contains("! mpls.truncated at 2"), "{half}");
        let long = text(&[0, 1, 0, 64].repeat(100), &[]);
        assert!(long.contains("more than 32 layers"), "{long}");
    }
}
