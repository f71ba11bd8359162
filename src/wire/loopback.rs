//! The BSD loopback header (link types NULL and LOOP): an address family and nothing else.
//!
//! NULL files hold it in the byte order of the host that wrote them and LOOP files in network
//! order; since families are small numbers, either order is understood in both.

use super::field::{Brief, Field, Lens, Name, Visitor, bytes};
use super::packet::{Next, Protocol, Region, View, Walk};

/// One 32-bit number.
const HEADER: usize = 4;
/// AF_INET, the same everywhere.
const INET: u32 = 2;

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    walk.context.loopback = true;
    let Some(family) = family(walk.lens(region)) else {
        return walk.stop_short(Protocol::Loopback, region, HEADER, None);
    };
    walk.push(Protocol::Loopback, region, HEADER);
    Some((
        match family {
            INET => Protocol::Ipv4,
            _ if is_inet6(family) => Protocol::Ipv6,
            _ => Protocol::Payload,
        },
        region.after(HEADER),
    ))
}

/// The family in whichever order makes it the smaller number.
fn family(lens: Lens<'_>) -> Option<u32> {
    let family = lens.u32(0)?;
    Some(family.min(family.swap_bytes()))
}

/// AF_INET6 of Linux, of NetBSD and OpenBSD, of FreeBSD, of Darwin.
fn is_inet6(family: u32) -> bool {
    matches!(family, 10 | 24 | 28 | 30)
}

pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let Some(family) = family(view.lens()) else {
        return;
    };
    let name = match family {
        INET => Some("IPv4"),
        7 => Some("ISO"),
        16 => Some("AppleTalk"),
        23 => Some("IPX"),
        _ if is_inet6(family) => Some("IPv6"),
        _ => None,
    };
    v.field(
        Field::number("family", "Address family", bytes(0, HEADER), family)
            .meaning(&Name(name))
            .brief(Brief::Inside),
    );
}
