//! SLIP (RFC 1055) as BSD captures it: sixteen bytes that never were on the line, then IP.
//!
//! Knows the pseudo header. The packet behind it is stored after decompression (RFC 1144), so
//! what the compressed header looked like is shown as bytes and matters to no one else.

use super::field::{Brief, Field, Name, Visitor, bits, bytes};
use super::ipv4;
use super::packet::{Next, Protocol, Region, View, Walk};

/// Direction, then fifteen bytes of the header as it was on the line.
const HEADER: usize = 16;

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    if region.len() < HEADER {
        return walk.stop_short(Protocol::Slip, region, HEADER, None);
    }
    walk.push(Protocol::Slip, region, HEADER);
    let rest = region.after(HEADER);
    Some((ipv4::by_version(walk.lens(rest).u8(0)), rest))
}

pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(direction) = lens.u8(0) else { return };
    let name = match direction {
        0 => Some("received"),
        1 => Some("sent"),
        _ => None,
    };
    v.field(
        Field::number("direction", "Direction", bits(0, 8), direction)
            .meaning(&Name(name))
            .brief(Brief::Meaning("")),
    );
    let Some(first) = lens.u8(1) else { return };
    let kind = if first & 0x80 != 0 {
        "compressed TCP/IP"
    } else if first >> 4 == 7 {
        "uncompressed TCP/IP, protocol replaced by the connection"
    } else {
        "IP, not compressed"
    };
    let header = lens.slice(1, HEADER);
    v.field(
        Field::bytes(
            "line_header",
            "Header on the line",
            bytes(1, header.len()),
            header,
        )
        .meaning(&kind),
    );
}
