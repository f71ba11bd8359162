//! VLAN tags (IEEE 802.1Q, stacked by 802.1ad and by what came before it): one layer a tag.
//!
//! Knows the four bytes behind the EtherType that announces a tag; how deep tags are stacked is
//! the walk's business.

use std::fmt::{self, Display};

use super::anomaly::Anomaly;
use super::ethernet;
use super::field::{Brief, Field, Name, Visitor, bits};
use super::packet::{Next, Protocol, Region, View, Walk};

/// Priority, drop eligibility and VLAN, then the type or length of what is tagged.
pub(super) const HEADER: usize = 4;
/// Reserved: may not be configured and may not be sent (IEEE 802.1Q table 9-2).
const RESERVED: u16 = 0xfff;

#[inline]
pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let lens = walk.lens(region);
    let (Some(tag), Some(kind)) = (lens.u16(0), lens.u16(2)) else {
        return walk.stop_short(Protocol::Vlan, region, HEADER, Some(Anomaly::VlanTruncated));
    };
    walk.push(Protocol::Vlan, region, HEADER);
    if tag & 0x0fff == RESERVED {
        walk.anomaly(Anomaly::VlanIdReserved);
    }
    Some(ethernet::inside(walk, kind, region.after(HEADER)))
}

#[inline]
pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(tag) = lens.u16(0) else { return };
    let (priority, id) = (tag >> 13, tag & 0x0fff);
    v.field(
        Field::number("priority", "Priority", bits(0, 3), priority)
            .meaning(&Name(traffic(priority))),
    );
    v.field(Field::flag(
        "dei",
        "Drop eligible",
        bits(3, 1),
        tag & 0x1000 != 0,
    ));
    v.field(
        Field::number("id", "VLAN", bits(4, 12), id)
            .meaning(&Id(id))
            .brief(Brief::Value("")),
    );
    let Some(kind) = lens.u16(2) else { return };
    ethernet::describe_inside(kind, 16, v);
}

/// What a priority is suggested for (IEEE 802.1Q annex I).
fn traffic(priority: u16) -> Option<&'static str> {
    Some(match priority {
        0 => "best effort",
        1 => "background",
        2 => "excellent effort",
        3 => "critical applications",
        4 => "video",
        5 => "voice",
        6 => "internetwork control",
        7 => "network control",
        _ => return None,
    })
}

struct Id(u16);

impl Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0 => "no VLAN, the priority alone",
            1 => "the default VLAN of most bridges",
            RESERVED => "reserved",
            _ => "VLAN",
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
    use proptest::prelude::*;

    fn tagged(tags: &[u8], rest: &[u8]) -> Vec<u8> {
        [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], tags, rest].concat()
    }

    fn text(bytes: &[u8]) -> String {
        outline(&frame(LinkType::ETHERNET, bytes))
    }

    #[test]
    fn two_tags() {
        // 0x88a8: priority 5, drop eligible, VLAN 100; 0x8100: VLAN 4094.
        let tags = [0x88, 0xa8, 0xb0, 0x64, 0x81, 0x00, 0x0f, 0xfe, 0x08, 0x00];
        let bytes = tagged(&tags, &DATAGRAM);
        let text = text(&bytes);
        assert!(has(&text, "vlan.priority = 5"), "{text}");
        assert!(has(&text, "vlan.dei = true"));
        assert!(has(&text, "vlan.id = 100"));
        assert!(has(&text, "vlan.ethertype = 0x8100"));
        assert!(has(&text, "vlan.id = 4094"));
        assert!(has(&text, "ipv4.checksum_ok = true"));
        assert!(!text.contains("! "), "{text}");
        assert_every_prefix_holds(LinkType::ETHERNET, &bytes);
    }

    #[test]
    fn a_tag_can_hold_a_length() {
        let bytes = tagged(&[0x81, 0x00, 0, 1, 0, 4], &[0x42, 0x42, 3, 9, 0, 0]);
        let text = text(&bytes);
        assert!(has(&text, "vlan.length = 4"), "{text}");
        assert!(has(&text, "payload.length = 1"));
        assert!(has(&text, "trailer.length = 2"));
    }

    #[test]
    fn vlan_4095_is_reserved() {
        let bytes = tagged(&[0x91, 0x00, 0x0f, 0xff, 0x08, 0x00], &DATAGRAM);
        assert!(text(&bytes).contains("! vlan.id.reserved at 1"));
    }

    #[test]
    fn half_a_tag_is_truncated() {
        let text = text(&tagged(&[0x92, 0x00, 0x00, 0x07, 0x08], &[]));
        assert!(has(&text, "vlan.id = 7"), "{text}");
        assert!(text.contains("! vlan.truncated at 1"), "{text}");
        assert!(text.contains("stopped vlan at 14: 3 of 4 header bytes"));
    }

    #[test]
    fn a_hostile_stack_ends() {
        let text = text(&tagged(&[0x81, 0x00, 0x00, 0x01].repeat(300), &[]));
        assert!(
            text.contains("stopped vlan at 138: more than 32 layers"),
            "{text}"
        );
    }

    proptest! {
        #[test]
        fn agrees_with_etherparse(tag: [u8; 4]) {
            let theirs = etherparse::SingleVlanHeader::from_bytes(tag);
            let text = text(&tagged(&[0x81, 0x00], &tag));
            for line in [
                format!("vlan.priority = {}", theirs.pcp.value()),
                format!("vlan.dei = {}", theirs.drop_eligible_indicator),
                format!("vlan.id = {}", theirs.vlan_id.value()),
            ] {
                prop_assert!(has(&text, &line), "{line} in {text}");
            }
        }
    }
}
