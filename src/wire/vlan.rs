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
    ethernet::inside(walk, kind, region.after(HEADER))
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
            .brief(Brief::Value("vlan ")),
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
