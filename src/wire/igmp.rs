//! IGMP: versions 1 to 3 of membership (RFC 1112, RFC 2236, RFC 9776), and by name whatever else
//! shares its protocol number.
//!
//! Versions are told apart by type and length. Knows nothing of who is a member of what.

mod version3;

use std::fmt::{self, Display};

use super::anomaly::Anomaly;
use super::checksum::Pseudo;
use super::field::{Brief, Field, Lens, Name, Value, Visitor, bits};
use super::names;
use super::packet::{Next, Protocol, Region, View, Walk};
use super::transport;
use version3::Records;

/// Type, code or time, checksum.
const COMMON: usize = 4;
/// The whole message in versions 1 and 2.
const HEADER: usize = 8;
/// A version 3 query without its sources.
const QUERY_3: usize = 12;

const QUERY: u8 = 0x11;
const REPORT_1: u8 = 0x12;
const DVMRP: u8 = 0x13;
const PIM_1: u8 = 0x14;
const REPORT_2: u8 = 0x16;
const LEAVE: u8 = 0x17;
const REPORT_3: u8 = 0x22;
const ROUTER_ADVERTISEMENT: u8 = 0x30;
const ROUTER_SOLICITATION: u8 = 0x31;
const ROUTER_TERMINATION: u8 = 0x32;

/// What a message is, as its type and its length say together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// RFC 988, long gone.
    Version0,
    Query1,
    Query2,
    Query3,
    Report1,
    Report2,
    Leave,
    Report3,
    /// Multicast router discovery (RFC 4286).
    RouterAdvertisement,
    /// Solicitation and termination (RFC 4286).
    RouterOther,
    /// RGMP (RFC 3488): a group, like version 2.
    Rgmp,
    /// Known by name alone.
    Other,
}

impl Kind {
    fn new(number: u8, message: Lens<'_>, promised_len: usize) -> Self {
        match number {
            1..=8 => Self::Version0,
            QUERY if promised_len >= QUERY_3 => Self::Query3,
            QUERY if message.u8(1) == Some(0) => Self::Query1,
            QUERY => Self::Query2,
            REPORT_1 => Self::Report1,
            REPORT_2 => Self::Report2,
            LEAVE => Self::Leave,
            REPORT_3 => Self::Report3,
            ROUTER_ADVERTISEMENT => Self::RouterAdvertisement,
            ROUTER_SOLICITATION | ROUTER_TERMINATION => Self::RouterOther,
            0xfc..=0xff => Self::Rgmp,
            _ => Self::Other,
        }
    }

    /// Membership messages, which RFC 1112, RFC 2236 and RFC 9776 keep on their link.
    fn is_membership(self) -> bool {
        matches!(
            self,
            Self::Query1
                | Self::Query2
                | Self::Query3
                | Self::Report1
                | Self::Report2
                | Self::Leave
                | Self::Report3
        )
    }

    /// Bytes without which the message cannot be what it is.
    fn least(self) -> usize {
        match self {
            Self::Version0 => 20,
            Self::Query3 => QUERY_3,
            Self::RouterOther | Self::Other => COMMON,
            _ => HEADER,
        }
    }
}

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let lens = walk.lens(region);
    let Some(number) = lens.u8(0) else {
        if region.is_whole() && !walk.context.fragmented {
            walk.anomaly(Anomaly::IgmpTruncated);
        }
        return walk.stop_cut(Protocol::Igmp, region, COMMON);
    };
    let kind = Kind::new(number, lens, region.promised_len());
    let end = end(kind, lens);
    walk.push(Protocol::Igmp, region, end);
    if walk.judge.checksums {
        walk.set_checksum(transport::message_verdict(walk, region));
    }
    if walk.judge.anomalies && !walk.is_quoted() {
        judge(walk, region, number, kind, end);
    }
    if region.len() < end {
        return walk.stop_cut(Protocol::Igmp, region, end);
    }
    // What follows is covered by the checksum and otherwise ignored (RFC 9776 section 4).
    Some((Protocol::Payload, region.after(end)))
}

/// Where the message proper ends, by its own word.
fn end(kind: Kind, message: Lens<'_>) -> usize {
    match kind {
        Kind::Query3 => {
            let sources = message.u16(10).unwrap_or_default();
            QUERY_3 + usize::from(sources) * 4
        }
        Kind::Report3 => {
            let count = message.u16(6).unwrap_or_default();
            let mut end = HEADER;
            for record in Records::new(message, count) {
                end = record.at + record.len;
            }
            end
        }
        _ => kind.least(),
    }
}

/// Everything odd about a message.
fn judge(walk: &mut Walk<'_>, region: Region, number: u8, kind: Kind, end: usize) {
    let lens = walk.lens(region);
    if walk.checksum().ok() == Some(false) {
        walk.anomaly(Anomaly::IgmpChecksumBad);
    }
    if type_name(number, kind).is_none() {
        walk.anomaly(Anomaly::IgmpTypeUnknown);
    }
    let promised = region.promised_len();
    if !walk.context.fragmented {
        // A query of 9 to 11 bytes is of no version (RFC 9776 section 7.1).
        let between = matches!(kind, Kind::Query1 | Kind::Query2) && promised > HEADER;
        if promised < kind.least() || between {
            walk.anomaly(Anomaly::IgmpTruncated);
        } else if promised < end {
            walk.anomaly(Anomaly::IgmpRecords);
        }
    }
    if !kind.is_membership() {
        return;
    }
    if walk.context.ttl.is_some_and(|ttl| ttl != 1) {
        walk.anomaly(Anomaly::IgmpTtl);
    }
    let group = lens.array(4).unwrap_or_default();
    if let Some(Pseudo::V4(_, destination)) = walk.context.pseudo {
        let astray = match kind {
            Kind::Report3 => destination != [224, 0, 0, 22],
            // Early hosts told the group that they left it.
            Kind::Leave => destination != [224, 0, 0, 2] && destination != group,
            _ => false,
        };
        if astray {
            walk.anomaly(Anomaly::IgmpDestination);
        }
    }
    let wrong = |group: [u8; 4]| group != [0; 4] && group[0] >> 4 != 0xe;
    let any_wrong = if kind == Kind::Report3 {
        let count = lens.u16(6).unwrap_or_default();
        Records::new(lens, count)
            .filter_map(|record| record.bytes.array(4))
            .any(wrong)
    } else {
        wrong(group)
    };
    if any_wrong {
        walk.anomaly(Anomaly::IgmpGroup);
    }
}

/// The name of a message (IANA igmp-type-numbers, and what is in use besides).
const fn type_name(number: u8, kind: Kind) -> Option<&'static str> {
    Some(match (number, kind) {
        (1, _) => "v0 create group request",
        (2, _) => "v0 create group reply",
        (3, _) => "v0 join group request",
        (4, _) => "v0 join group reply",
        (5, _) => "v0 leave group request",
        (6, _) => "v0 leave group reply",
        (7, _) => "v0 confirm group request",
        (8, _) => "v0 confirm group reply",
        (_, Kind::Query1) => "v1 query",
        (_, Kind::Query2) => "v2 query",
        (_, Kind::Query3) => "v3 query",
        (_, Kind::Report1) => "v1 report",
        (DVMRP, _) => "DVMRP",
        (PIM_1, _) => "PIM v1",
        (0x15, _) => "Cisco trace",
        (_, Kind::Report2) => "v2 report",
        (_, Kind::Leave) => "v2 leave",
        (0x1e, _) => "multicast traceroute response",
        (0x1f, _) => "multicast traceroute",
        (_, Kind::Report3) => "v3 report",
        (ROUTER_ADVERTISEMENT, _) => "multicast router advertisement",
        (ROUTER_SOLICITATION, _) => "multicast router solicitation",
        (ROUTER_TERMINATION, _) => "multicast router termination",
        (0x40, _) => "IGAP report",
        (0x41, _) => "IGAP query",
        (0x42, _) => "IGAP leave",
        (0xf0..=0xfb, _) => "experiment",
        (0xfc, _) => "RGMP leave group",
        (0xfd, _) => "RGMP join group",
        (0xfe, _) => "RGMP bye",
        (0xff, _) => "RGMP hello",
        _ => return None,
    })
}

pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(number) = lens.u8(0) else { return };
    let kind = Kind::new(number, lens, view.promised_len() as usize);
    let name = type_name(number, kind);
    v.field(
        Field::hex("type", "Type", bits(0, 8), number)
            .meaning(&Name(name))
            .brief(if name.is_some() {
                Brief::Meaning("")
            } else {
                Brief::Value("type ")
            }),
    );
    let Some(second) = lens.u8(1) else { return };
    second_byte(kind, number, second, v);
    let Some(checksum) = lens.u16(2) else { return };
    v.field(Field::hex("checksum", "Checksum", bits(16, 16), checksum));
    let ok = view.layer.checksum.ok().map_or(Value::Unknown, Value::Bool);
    v.field(Field::new("checksum_ok", "Checksum", bits(0, 0), ok).meaning(&view.layer.checksum));
    // `None` says that the message ends before its description does.
    let _: Option<()> = match kind {
        Kind::Version0 => version_0(lens, v),
        Kind::Query1 | Kind::Query2 | Kind::Report1 | Kind::Report2 | Kind::Leave | Kind::Rgmp => {
            group_address(lens, v)
        }
        Kind::Query3 => version3::query_3(lens, v),
        Kind::Report3 => version3::report_3(lens, v),
        Kind::RouterAdvertisement => router_advertisement(lens, v),
        Kind::RouterOther | Kind::Other => None,
    };
}

/// The byte behind the type, which every version uses otherwise.
fn second_byte<V: Visitor>(kind: Kind, number: u8, value: u8, v: &mut V) {
    let place = bits(8, 8);
    let (time, code) = (Tenths(value.into()), Tenths(version3::float(value)));
    let name = code_name(number, value);
    let named = Name(name);
    v.field(match kind {
        Kind::Query2 => {
            Field::number("max_resp_time", "Maximum response time", place, value).meaning(&time)
        }
        Kind::Query3 => {
            Field::number("max_resp_code", "Maximum response code", place, value).meaning(&code)
        }
        Kind::Report3 | Kind::RouterOther | Kind::Rgmp => {
            Field::number("reserved", "Reserved", place, value)
        }
        Kind::RouterAdvertisement => {
            Field::number("advertisement_interval", "Interval", place, value).meaning(&"seconds")
        }
        Kind::Query1 | Kind::Report1 | Kind::Report2 | Kind::Leave => {
            Field::number("unused", "Unused", place, value)
        }
        Kind::Version0 | Kind::Other => Field::number("code", "Code", place, value)
            .meaning(&named)
            .brief(match name {
                Some(_) => Brief::Meaning(""),
                None => Brief::Hidden,
            }),
    });
}

/// What the codes of the routing protocols inside IGMP say (draft-ietf-idmr-dvmrp-v3, and the
/// Internet-Draft that PIM version 1 never outgrew).
const fn code_name(number: u8, code: u8) -> Option<&'static str> {
    Some(match (number, code) {
        (DVMRP, 1) => "probe",
        (DVMRP, 2) => "report",
        (DVMRP, 3) => "ask neighbors",
        (DVMRP, 4) => "neighbors",
        (DVMRP, 5) => "ask neighbors 2",
        (DVMRP, 6) => "neighbors 2",
        (DVMRP, 7) => "prune",
        (PIM_1, 0) => "query",
        (PIM_1, 1) => "register",
        (PIM_1, 2) => "register stop",
        (PIM_1, 3) => "join/prune",
        (PIM_1, 4) => "RP reachable",
        (PIM_1, 5) => "assert",
        (DVMRP, 8) | (PIM_1, 6) => "graft",
        (DVMRP, 9) | (PIM_1, 7) => "graft acknowledgment",
        _ => return None,
    })
}

fn group_address<V: Visitor>(lens: Lens<'_>, v: &mut V) -> Option<()> {
    let group = lens.array(4)?;
    let field = Field::ipv4("group_address", "Group address", bits(32, 32), group);
    let kind = names::AddressKind(group);
    v.field(if group == [0; 4] {
        field.meaning(&"general: all groups")
    } else {
        field.meaning(&kind).brief(Brief::Value(""))
    });
    Some(())
}

/// RFC 988 appendix I.
fn version_0<V: Visitor>(lens: Lens<'_>, v: &mut V) -> Option<()> {
    let identifier = lens.u32(4)?;
    v.field(Field::number(
        "identifier",
        "Identifier",
        bits(32, 32),
        identifier,
    ));
    let group = lens.array(8)?;
    v.field(
        Field::ipv4("group_address", "Group address", bits(64, 32), group).brief(Brief::Value("")),
    );
    let key = lens.u64(12)?;
    v.field(Field::hex("access_key", "Access key", bits(96, 64), key));
    Some(())
}

/// RFC 4286 section 3.
fn router_advertisement<V: Visitor>(lens: Lens<'_>, v: &mut V) -> Option<()> {
    let interval = lens.u16(4)?;
    v.field(
        Field::number("query_interval", "Query interval", bits(32, 16), interval)
            .meaning(&"seconds"),
    );
    let robustness = lens.u16(6)?;
    v.field(Field::number(
        "robustness_variable",
        "Robustness variable",
        bits(48, 16),
        robustness,
    ));
    Some(())
}

/// Tenths of a second.
struct Tenths(u32);

impl Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} s", self.0 / 10, self.0 % 10)
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that reads what is not there has found something"
)]
mod tests;
