//! IGMP in its versions, and what shares its protocol number.

use super::file::{ETHERNET, pcap};
use super::packet::{IGMP, IP, Ip, igmp, ipv4, join, summed, to_many};
use super::{Capture, capture, short};

pub(crate) const ALL_HOSTS: [u8; 4] = [224, 0, 0, 1];
pub(crate) const ALL_ROUTERS: [u8; 4] = [224, 0, 0, 2];
pub(crate) const V3_ROUTERS: [u8; 4] = [224, 0, 0, 22];
/// The group that hosts join here.
pub(crate) const GROUP: [u8; 4] = [233, 252, 0, 5];
/// Two senders.
const S1: [u8; 4] = [198, 51, 100, 11];
const S2: [u8; 4] = [198, 51, 100, 12];

pub(crate) fn captures() -> Vec<Capture> {
    let file = |frames: Vec<Vec<u8>>| pcap(ETHERNET, &frames);
    vec![
        capture(
            "igmp_v1.pcap",
            "IGMPv1: query and report",
            file(vec![
                plain(ALL_HOSTS, &short_message(0x11, 0, [0; 4])),
                plain(GROUP, &short_message(0x12, 0, GROUP)),
            ]),
        ),
        capture(
            "igmp_v2.pcap",
            "IGMPv2: general and group-specific query, report, leave",
            file(vec![
                to_many(&igmp(ALL_HOSTS, &short_message(0x11, 100, [0; 4]))),
                to_many(&igmp(GROUP, &short_message(0x11, 10, GROUP))),
                to_many(&igmp(GROUP, &short_message(0x16, 0, GROUP))),
                to_many(&igmp(ALL_ROUTERS, &short_message(0x17, 0, GROUP))),
            ]),
        ),
        capture(
            "igmp_v3.pcap",
            "IGMPv3: general query, query for a group and two sources with times in the floating \
             form, report with all six kinds of record, one with auxiliary data",
            file(version_3()),
        ),
        capture(
            "igmp_family.pcap",
            "What shares protocol 2: DVMRP, PIMv1, mtrace, multicast router discovery, RGMP",
            file(family()),
        ),
    ]
}

/// The eight bytes of IGMPv1 and v2.
pub(crate) fn short_message(kind: u8, code: u8, group: [u8; 4]) -> Vec<u8> {
    join(&[&[kind, code, 0, 0], &group])
}

/// An IGMPv1 frame: no Router Alert yet.
fn plain(group: [u8; 4], message: &[u8]) -> Vec<u8> {
    to_many(&ipv4(
        &Ip {
            ttl: 1,
            destination: group,
            ..IP
        },
        IGMP,
        &summed(message),
    ))
}

/// An IGMPv3 query: the response code, the group, suppress and robustness, the interval code.
pub(crate) fn query(
    code: u8,
    group: [u8; 4],
    srv: u8,
    interval: u8,
    sources: &[[u8; 4]],
) -> Vec<u8> {
    join(&[
        &[0x11, code, 0, 0],
        &group,
        &[srv, interval],
        &short(sources.len()).to_be_bytes(),
        &sources.concat(),
    ])
}

/// A group record of a report.
pub(crate) fn record(kind: u8, group: [u8; 4], sources: &[[u8; 4]], auxiliary: &[u8]) -> Vec<u8> {
    join(&[
        &[kind, (auxiliary.len() / 4) as u8],
        &short(sources.len()).to_be_bytes(),
        &group,
        &sources.concat(),
        auxiliary,
    ])
}

/// An IGMPv3 report.
pub(crate) fn report(records: &[Vec<u8>]) -> Vec<u8> {
    join(&[
        &[0x22, 0, 0, 0, 0, 0],
        &short(records.len()).to_be_bytes(),
        &records.concat(),
    ])
}

fn version_3() -> Vec<Vec<u8>> {
    let other = |last: u8| [233, 252, 0, last];
    let records = [
        record(1, other(1), &[S1], &[]),
        record(2, other(2), &[], &[]),
        record(3, other(3), &[], &[]),
        record(4, other(4), &[S1, S2], &[]),
        record(5, other(5), &[S1], &[]),
        record(6, other(6), &[S2], &[0xde, 0xad, 0xbe, 0xef]),
    ];
    vec![
        to_many(&igmp(ALL_HOSTS, &query(100, [0; 4], 2, 125, &[]))),
        // 0x9c is (12 + 16) << 4 tenths of a second, 0x8a is (10 + 16) << 3 seconds.
        to_many(&igmp(GROUP, &query(0x9c, GROUP, 0x0a, 0x8a, &[S1, S2]))),
        to_many(&igmp(V3_ROUTERS, &report(&records))),
    ]
}

fn family() -> Vec<Vec<u8>> {
    let trace = |kind| {
        join(&[
            &[kind, 16, 0, 0],
            &GROUP,
            &S1,
            &IP.source,
            &IP.source,
            &[64, 0, 0x12, 0x34],
        ])
    };
    let to = |group, message: &[u8]| plain(group, message);
    vec![
        to(
            [224, 0, 0, 4],
            &[0x13, 1, 0, 0, 0, 0x0e, 0xff, 3, 0x65, 0x53, 0xf1, 0],
        ),
        to(ALL_ROUTERS, &[0x14, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 105]),
        to(ALL_ROUTERS, &trace(0x1f)),
        to([224, 0, 1, 32], &trace(0x1e)),
        to([224, 0, 0, 106], &[0x30, 20, 0, 0, 0, 125, 0, 2]),
        to(ALL_ROUTERS, &[0x31, 0, 0, 0]),
        to([224, 0, 0, 106], &[0x32, 0, 0, 0]),
        to([224, 0, 0, 25], &[0xff, 0, 0, 0, 0, 0, 0, 0]),
        to([224, 0, 0, 25], &[0xfd, 0, 0, 0, 233, 252, 0, 5]),
    ]
}
