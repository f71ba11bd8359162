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
            .brief(Brief::Meaning("")),
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
    fn a_session_carries_ppp() {
        let mut bytes = [&[0x11, 0, 0, 0x2a, 0, 22, 0, 0x21], &DATAGRAM[..], &[0, 0]].concat();
        let text = outline(&frame(LinkType::PPP_ETHER, &bytes));
        assert!(has(&text, "pppoe.version = 1"), "{text}");
        assert!(has(&text, "pppoe.type = 1"));
        assert!(has(&text, "pppoe.code = 0x00 (session)"));
        assert!(has(&text, "pppoe.session_id = 0x002a"));
        assert!(has(&text, "pppoe.length = 22"));
        assert!(has(&text, "ppp.protocol = 0x0021 (IPv4)"));
        assert!(has(&text, "ipv4.checksum_ok = true"));
        assert!(has(&text, "trailer.length = 2"));
        assert!(!text.contains("! "), "{text}");
        assert_every_prefix_holds(LinkType::PPP_ETHER, &bytes);
        bytes[5] = 25;
        let text = outline(&frame(LinkType::PPP_ETHER, &bytes));
        assert!(
            text.contains("! pppoe.length at 0"),
            "one byte too many: {text}"
        );
        bytes[5] = 24;
        let text = outline(&frame(LinkType::PPP_ETHER, &bytes));
        assert!(!text.contains("! "), "{text}");
    }

    #[test]
    fn discovery_carries_tags() {
        let header = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0x63];
        let bytes = [&header, &[0x11, 0x09, 0, 0, 0, 4, 1, 1, 0, 0][..]].concat();
        let text = outline(&frame(LinkType::ETHERNET, &bytes));
        assert!(has(&text, "pppoe.code = 0x09 (PADI, initiation)"), "{text}");
        assert!(has(&text, "payload.length = 4"));
    }

    #[test]
    fn version_and_size() {
        let text = outline(&frame(LinkType::PPP_ETHER, &[0x12, 0, 0, 1, 0, 0]));
        assert!(text.contains("! pppoe.version at 0"), "{text}");
        let text = outline(&frame(LinkType::PPP_ETHER, &[0x11, 0, 0]));
        assert!(text.contains("! pppoe.truncated at 0"), "{text}");
    }
}
