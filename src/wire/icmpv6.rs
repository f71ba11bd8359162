//! ICMPv6 (RFC 4443) and the messages of neighbour discovery (RFC 4861), by name and checksum.
//!
//! Knows the head of each message; what follows it is left as it is.

use std::fmt::{self, Display};

use super::anomaly::Anomaly;
use super::checksum::{Pseudo, Unjudged, Verdict};
use super::field::{Brief, Field, Value, Visitor, bits, bytes};
use super::ipv6::AddressKind;
use super::names;
use super::packet::{Next, Protocol, Region, View, Walk};
use super::transport;

/// Type, code, checksum.
const HEADER: usize = 4;
const PACKET_TOO_BIG: u8 = 2;
const PARAMETER_PROBLEM: u8 = 4;
const ECHO_REQUEST: u8 = 128;
const ECHO_REPLY: u8 = 129;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const REDIRECT: u8 = 137;

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let lens = walk.lens(region);
    let (Some(kind), Some(checksum)) = (lens.u8(0), lens.u16(2)) else {
        return walk.stop_short(
            Protocol::Icmpv6,
            region,
            HEADER,
            Some(Anomaly::Icmpv6Truncated),
        );
    };
    let need = header_len(kind);
    if lens.0.len() < need {
        return walk.stop_short(
            Protocol::Icmpv6,
            region,
            need,
            Some(Anomaly::Icmpv6Truncated),
        );
    }
    walk.push(Protocol::Icmpv6, region, need);
    if walk.judge.checksums {
        let verdict = verdict(walk, region, checksum);
        walk.set_checksum(verdict);
        if verdict.ok() == Some(false) {
            walk.anomaly(Anomaly::Icmpv6ChecksumBad);
        }
    }
    Some((Protocol::Payload, region.after(need)))
}

/// Errors and echoes have one more word, neighbour discovery an address behind it.
fn header_len(kind: u8) -> usize {
    match kind {
        NEIGHBOR_SOLICITATION | NEIGHBOR_ADVERTISEMENT | REDIRECT => HEADER + 20,
        1..=4 | ECHO_REQUEST | ECHO_REPLY => HEADER + 4,
        _ => HEADER,
    }
}

/// The sum covers IPv6 addresses; over anything else it means nothing.
fn verdict(walk: &Walk<'_>, region: Region, carried: u16) -> Verdict {
    match walk.context.pseudo {
        Some(Pseudo::V6(..)) => transport::verdict(walk, names::PROTOCOL_ICMPV6, region, carried),
        _ => Verdict::Unknown(Unjudged::NoPseudoHeader),
    }
}

pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(kind) = lens.u8(0) else { return };
    let code = lens.u8(1);
    v.field(
        Field::number("type", "Type", bits(0, 8), kind)
            .meaning(&Message { kind, code })
            .brief(Brief::Meaning("")),
    );
    let Some(code) = code else { return };
    v.field(Field::number("code", "Code", bits(8, 8), code));
    let Some(checksum) = lens.u16(2) else { return };
    v.field(Field::hex("checksum", "Checksum", bits(16, 16), checksum));
    let verdict = &view.layer.checksum;
    let ok = verdict.ok().map_or(Value::Unknown, Value::Bool);
    v.field(Field::new("checksum_ok", "Checksum", bits(0, 0), ok).meaning(verdict));
    let Some(word) = lens.u32(4) else { return };
    match kind {
        ECHO_REQUEST | ECHO_REPLY => {
            v.field(
                Field::number("identifier", "Identifier", bytes(4, 2), word >> 16)
                    .brief(Brief::Value("id ")),
            );
            v.field(
                Field::number("sequence", "Sequence number", bytes(6, 2), word & 0xffff)
                    .brief(Brief::Value("seq ")),
            );
        }
        PACKET_TOO_BIG => {
            v.field(Field::number("mtu", "MTU", bytes(4, 4), word).brief(Brief::Value("mtu ")));
        }
        PARAMETER_PROBLEM => v.field(
            Field::number("pointer", "Pointer", bytes(4, 4), word).brief(Brief::Value("pointer ")),
        ),
        NEIGHBOR_ADVERTISEMENT => {
            v.object("flags", "Flags", bits(32, 3), |v| {
                for (name, label, at) in [
                    ("router", "Router", 0),
                    ("solicited", "Solicited", 1),
                    ("override", "Override", 2),
                ] {
                    let set = word << at & 0x8000_0000 != 0;
                    v.field(Field::flag(name, label, bits(32 + at, 1), set));
                }
            });
        }
        _ => {}
    }
    let Some(target) = lens.array(8) else { return };
    v.field(
        Field::new("target", "Target", bytes(8, 16), Value::Ipv6(target))
            .meaning(&AddressKind(target))
            .brief(Brief::Value("")),
    );
}

/// Type and code in words (IANA icmpv6-parameters).
struct Message {
    kind: u8,
    code: Option<u8>,
}

impl Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.kind, self.code) {
            (1, Some(code)) => {
                return match unreachable(code) {
                    Some(why) => write!(f, "destination unreachable: {why}"),
                    None => f.write_str("destination unreachable"),
                };
            }
            (1, None) => "destination unreachable",
            (PACKET_TOO_BIG, _) => "packet too big",
            (3, Some(1)) => "time exceeded: reassembly",
            (3, _) => "time exceeded: hop limit",
            (PARAMETER_PROBLEM, Some(0)) => "parameter problem: header field",
            (PARAMETER_PROBLEM, Some(1)) => "parameter problem: unknown next header",
            (PARAMETER_PROBLEM, Some(2)) => "parameter problem: unknown option",
            (PARAMETER_PROBLEM, _) => "parameter problem",
            (ECHO_REQUEST, _) => "echo request",
            (ECHO_REPLY, _) => "echo reply",
            (130, _) => "multicast listener query",
            (131, _) => "multicast listener report",
            (132, _) => "multicast listener done",
            (133, _) => "router solicitation",
            (134, _) => "router advertisement",
            (NEIGHBOR_SOLICITATION, _) => "neighbor solicitation",
            (NEIGHBOR_ADVERTISEMENT, _) => "neighbor advertisement",
            (REDIRECT, _) => "redirect",
            (138, _) => "router renumbering",
            (139, _) => "node information query",
            (140, _) => "node information response",
            (141, _) => "inverse neighbor solicitation",
            (142, _) => "inverse neighbor advertisement",
            (143, _) => "multicast listener report v2",
            (144, _) => "home agent discovery request",
            (145, _) => "home agent discovery reply",
            (146, _) => "mobile prefix solicitation",
            (147, _) => "mobile prefix advertisement",
            (148, _) => "certification path solicitation",
            (149, _) => "certification path advertisement",
            (151, _) => "multicast router advertisement",
            (152, _) => "multicast router solicitation",
            (153, _) => "multicast router termination",
            (155, _) => "RPL control",
            (157, _) => "duplicate address request",
            (158, _) => "duplicate address confirmation",
            (160, _) => "extended echo request",
            (161, _) => "extended echo reply",
            (kind, _) => return write!(f, "type {kind}"),
        })
    }
}

fn unreachable(code: u8) -> Option<&'static str> {
    Some(match code {
        0 => "no route",
        1 => "prohibited",
        2 => "beyond the scope of the source",
        3 => "address",
        4 => "port",
        5 => "source address failed policy",
        6 => "reject route",
        7 => "error in source routing header",
        8 => "headers too long",
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
    use crate::wire::outline::{assert_every_prefix_holds, frame, has, outline};

    fn packet(message: &[u8]) -> Vec<u8> {
        let mut header = [0; 40];
        (header[0], header[6], header[7]) = (0x60, 58, 255);
        header[4..6].copy_from_slice(&u16::try_from(message.len()).unwrap().to_be_bytes());
        (header[8], header[9], header[23]) = (0xfe, 0x80, 1);
        (header[24], header[25], header[39]) = (0xfe, 0x80, 2);
        [&header[..], message].concat()
    }

    fn text(message: &[u8]) -> String {
        outline(&frame(LinkType::IPV6, &packet(message)))
    }

    #[test]
    fn echo() {
        let mut message = [0x80, 0, 0x81, 0xac, 0, 7, 0, 1, 1, 2];
        message[9] = 2;
        let good = text(&message);
        for line in [
            "icmpv6.type = 128 (echo request)",
            "icmpv6.code = 0",
            "icmpv6.checksum = 0x81ac",
            "icmpv6.checksum_ok = true (good)",
            "icmpv6.identifier = 7",
            "icmpv6.sequence = 1",
            "payload.length = 2",
        ] {
            assert!(has(&good, line), "{line} in {good}");
        }
        assert!(!good.contains("! "), "{good}");
        assert_every_prefix_holds(LinkType::IPV6, &packet(&message));
        message[9] = 3;
        let bad = text(&message);
        assert!(
            has(&bad, "icmpv6.checksum_ok = false (bad, should be 0x81ab)"),
            "{bad}"
        );
        assert!(bad.contains("! icmpv6.checksum.bad at 1"));
    }

    #[test]
    fn neighbor_solicitation() {
        let mut message = [0; 24];
        message[..4].copy_from_slice(&[135, 0, 0x7d, 0x25]);
        (message[8], message[9], message[23]) = (0xfe, 0x80, 2);
        let text = text(&message);
        assert!(
            has(&text, "icmpv6.type = 135 (neighbor solicitation)"),
            "{text}"
        );
        assert!(has(&text, "icmpv6.target = fe80::2"));
        assert!(has(&text, "icmpv6.checksum_ok = true"));
    }

    #[test]
    fn a_short_message_is_truncated() {
        let text = text(&[135, 0, 0, 0, 0, 0, 0, 0]);
        assert!(text.contains("! icmpv6.truncated at 1"), "{text}");
        assert!(text.contains("stopped icmpv6 at 40: 8 of 24 header bytes"));
    }

    #[test]
    fn over_ipv4_the_checksum_cannot_be_judged() {
        let datagram = [
            0x45, 0, 0, 28, 0, 1, 0, 0, 64, 58, 0x66, 0xa5, 10, 0, 0, 1, 10, 0, 0, 2, 128, 0, 1, 2,
            0, 7, 0, 1,
        ];
        let text = outline(&frame(LinkType::IPV4, &datagram));
        assert!(
            has(
                &text,
                "icmpv6.checksum_ok = ? (not judged: addresses unknown)"
            ),
            "{text}"
        );
        assert!(text.contains("! ipv4.protocol.icmpv6 at 0"), "{text}");
    }
}
