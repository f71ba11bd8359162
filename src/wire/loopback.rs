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

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has found something"
)]
mod tests {
    use crate::wire::frame::LinkType;
    use crate::wire::outline::{DATAGRAM, assert_every_prefix_holds, frame, has, outline};

    #[test]
    fn either_byte_order_in_either_link_type() {
        for link_type in [LinkType::NULL, LinkType::LOOP] {
            for family in [[2, 0, 0, 0], [0, 0, 0, 2]] {
                let bytes = [&family, &DATAGRAM[..]].concat();
                let text = outline(&frame(link_type, &bytes));
                assert!(has(&text, "loopback.family = 2 (IPv4)"), "{text}");
                assert!(has(&text, "ipv4.checksum_ok = true"));
                assert_every_prefix_holds(link_type, &bytes);
            }
        }
    }

    #[test]
    fn every_ipv6_family() {
        for family in [10, 24, 28, 30] {
            let text = outline(&frame(LinkType::NULL, &[family, 0, 0, 0, 0x60]));
            assert!(has(&text, "ipv6.version = 6"), "{family}: {text}");
        }
        let text = outline(&frame(LinkType::NULL, &[7, 0, 0, 0, 0x60]));
        assert!(has(&text, "payload.length = 1"), "{text}");
    }

    #[test]
    fn a_host_may_speak_to_itself() {
        let datagram = [
            0x45, 0, 0, 20, 0, 1, 0, 0, 64, 253, 0x7b, 0xea, 127, 0, 0, 1, 127, 0, 0, 1,
        ];
        let text = outline(&frame(
            LinkType::NULL,
            &[&[2, 0, 0, 0], &datagram[..]].concat(),
        ));
        assert!(
            !text.contains("martian") && !text.contains("land"),
            "{text}"
        );
    }
}
