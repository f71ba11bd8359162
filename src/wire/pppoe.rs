//! PPP over Ethernet (RFC 2516): discovery and session stages alike.
//!
//! Knows the six bytes of the header. A session carries PPP; the tags of discovery are left as
//! they are.

use super::anomaly::Anomaly;
use super::field::{Brief, Field, Name, Visitor, bits};
use super::packet::{Next, Protocol, Region, View, Walk};

/// Version and type, code, session, length.
const HEADER: usize = 6;
/// The code of the session stage.
const SESSION: u8 = 0;

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let lens = walk.lens(region);
    let (Some(version_type), Some(code), Some(length)) = (lens.u8(0), lens.u8(1), lens.u16(4))
    else {
        return walk.stop_short(
            Protocol::Pppoe,
            region,
            HEADER,
            Some(Anomaly::PppoeTruncated),
        );
    };
    walk.push(Protocol::Pppoe, region, HEADER);
    if version_type != 0x11 {
        walk.anomaly(Anomaly::PppoeVersion);
    }
    let rest = region.after(HEADER);
    let length = usize::from(length);
    if length > rest.promised_len() && !walk.context.fragmented {
        walk.anomaly(Anomaly::PppoeLength);
    }
    walk.trailer(rest.after(length));
    Some((
        if code == SESSION {
            Protocol::Ppp
        } else {
            Protocol::Payload
        },
        rest.first(length),
    ))
}

pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(first) = lens.u8(0) else { return };
    v.field(Field::number("version", "Version", bits(0, 4), first >> 4));
    v.field(Field::number("type", "Type", bits(4, 4), first & 0x0f));
    let Some(code) = lens.u8(1) else { return };
    v.field(
        Field::hex("code", "Code", bits(8, 8), code)
            .meaning(&Name(code_name(code)))
            .brief(Brief::Meaning("pppoe ")),
    );
    let Some(session) = lens.u16(2) else { return };
    v.field(
        Field::hex("session_id", "Session", bits(16, 16), session).brief(if code == SESSION {
            Brief::Value("")
        } else {
            Brief::Hidden
        }),
    );
    let Some(length) = lens.u16(4) else { return };
    v.field(Field::number("length", "Length", bits(32, 16), length).meaning(&"bytes behind it"));
}

/// RFC 2516 section 5, with the credits of RFC 5578.
fn code_name(code: u8) -> Option<&'static str> {
    Some(match code {
        SESSION => "session",
        0x07 => "PADO, offer",
        0x09 => "PADI, initiation",
        0x0a => "PADG, session grant",
        0x0b => "PADC, session credit",
        0x0c => "PADQ, session quality",
        0x19 => "PADR, request",
        0x65 => "PADS, session confirmation",
        0xa7 => "PADT, terminate",
        _ => return None,
    })
}
