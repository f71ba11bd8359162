//! ICMPv6 (RFC 4443) and the messages of neighbour discovery (RFC 4861), by name and checksum.
//!
//! Knows the head of each message; what follows it is left as it is.

use std::fmt::{self, Display};

use super::anomaly::Anomaly;
use super::checksum::{Unjudged, Verdict};
use super::field::{Brief, Field, Value, Visitor, bits, bytes};
use super::ipv6::AddressKind;
use super::names;
use super::packet::{Next, Protocol, Region, View, Walk};

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

fn verdict(walk: &Walk<'_>, region: Region, carried: u16) -> Verdict {
    let Some(pseudo @ super::checksum::Pseudo::V6(..)) = walk.context.pseudo else {
        return Verdict::Unknown(Unjudged::NoPseudoHeader);
    };
    if walk.context.fragmented {
        return Verdict::Unknown(Unjudged::Fragment);
    }
    if !region.is_whole() {
        return Verdict::Unknown(Unjudged::Cut);
    }
    if walk.frame.offload.checksum_not_ready {
        return Verdict::Unknown(Unjudged::Offload);
    }
    let Ok(len) = u32::try_from(region.len()) else {
        return Verdict::Unknown(Unjudged::Length);
    };
    pseudo
        .sum(names::PROTOCOL_ICMPV6, len)
        .with(walk.bytes(region))
        .verdict(carried)
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
            v.field(Field::number("mtu", "MTU", bytes(4, 4), word).brief(Brief::Value("mtu ")))
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
