//! ICMP, its quotes and extensions, and IGMP.

use super::super::icmp::{about, extension, filled, label_stack, object};
use super::super::igmp::{ALL_HOSTS, GROUP, V3_ROUTERS, query, record, report, short_message};
use super::super::packet::{
    FROM_ROUTER, ICMP, IGMP, IP, Ip, ROUTER, ROUTER_ALERT, UDP, cut, echo, echo_word, icmp,
    icmp_message, igmp as igmp_datagram, ipv4, join, patched, pattern, received, sent, summed,
    to_many, udp,
};
use super::{Oddity, odd};

/// The datagram that errors are about.
fn probe(ip: &Ip<'_>) -> Vec<u8> {
    cut(&udp(ip, 40000, 33434, &pattern(8)), 28)
}

fn unreachable(quoted: &[u8]) -> Vec<u8> {
    about(3, 3, [0; 4], quoted)
}

pub(crate) fn oddities() -> Vec<Oddity> {
    let mut all = messages();
    all.extend(errors());
    all.extend(extensions());
    all
}

fn messages() -> Vec<Oddity> {
    let message = icmp_message(8, 0, echo_word(7, 1), &pattern(8));
    let timestamp = icmp_message(13, 0, echo_word(7, 1), &[0; 12]);
    let everyone = Ip {
        destination: [255; 4],
        ..IP
    };
    let group = Ip {
        destination: ALL_HOSTS,
        ttl: 1,
        ..IP
    };
    let kind = |kind, code| sent(&icmp(&IP, kind, code, [0; 4], &pattern(8)));
    let frag_needed = |mtu| about(3, 4, [0, 0, 0, mtu], &probe(&IP));
    vec![
        odd(
            "icmpv4.checksum.bad",
            "A wrong checksum",
            sent(&ipv4(
                &IP,
                ICMP,
                &patched(message.clone(), 2, &[0xde, 0xad]),
            )),
            "The right one",
            sent(&ipv4(&IP, ICMP, &message)),
        ),
        odd(
            "icmpv4.truncated",
            "A timestamp request of 12 bytes",
            sent(&ipv4(&IP, ICMP, &summed(&cut(&timestamp, 12)))),
            "One of 20, of which the snaplen left 12",
            sent(&ipv4(&IP, ICMP, &timestamp)),
        )
        .cut(14 + 20 + 12),
        odd(
            "icmpv4.type.unknown",
            "Type 200",
            kind(200, 0),
            "Type 253, for experiments",
            kind(253, 0),
        ),
        odd(
            "icmpv4.type.deprecated",
            "Source quench",
            about(4, 0, [0; 4], &probe(&IP)),
            "Time exceeded",
            about(11, 0, [0; 4], &probe(&IP)),
        ),
        odd(
            "icmpv4.code.unknown",
            "Unreachable, code 16",
            about(3, 16, [0; 4], &probe(&IP)),
            "Unreachable, code 15",
            about(3, 15, [0; 4], &probe(&IP)),
        ),
        odd(
            "icmpv4.echo.broadcast",
            "An echo request to everyone",
            to_many(&echo(&everyone, 1, 8)),
            "An echo request to a group",
            to_many(&echo(&group, 1, 8)),
        ),
        odd(
            "icmpv4.unreachable.mtu",
            "A next hop that takes 67 bytes",
            frag_needed(67),
            "One that takes 68",
            frag_needed(68),
        ),
    ]
}

fn errors() -> Vec<Oddity> {
    let everyone = Ip {
        destination: [255; 4],
        ..FROM_ROUTER
    };
    let exceeded = icmp(&IP, 11, 0, [0; 4], &probe(&IP));
    let fragment = |offset| ipv4(&Ip { offset, ..IP }, UDP, &pattern(8));
    vec![
        odd(
            "icmpv4.error.to_many",
            "An error to everyone",
            to_many(&icmp(&everyone, 3, 3, [0; 4], &probe(&IP))),
            "The same to the sender",
            received(&icmp(&FROM_ROUTER, 3, 3, [0; 4], &probe(&IP))),
        ),
        odd(
            "icmpv4.error.about_error",
            "An error about a time exceeded",
            unreachable(&cut(&exceeded, 36)),
            "An error about an echo request",
            unreachable(&echo(&IP, 1, 8)),
        ),
        odd(
            "icmpv4.error.about_fragment",
            "An error about a later fragment",
            unreachable(&fragment(1480)),
            "About a first one",
            unreachable(&probe(&Ip { flags: 1, ..IP })),
        ),
        odd(
            "icmpv4.error.about_many",
            "An error about a datagram to a group",
            unreachable(&probe(&Ip {
                destination: GROUP,
                ..IP
            })),
            "About one to a host",
            unreachable(&probe(&IP)),
        ),
        odd(
            "icmpv4.quote.short",
            "A quote of 27 bytes",
            unreachable(&cut(&probe(&IP), 27)),
            "Of 28: the header and 8 bytes",
            unreachable(&probe(&IP)),
        ),
        odd(
            "icmpv4.quote.version",
            "A quote of version 6",
            unreachable(&patched(probe(&IP), 0, &[0x65])),
            "Of version 4",
            unreachable(&probe(&IP)),
        ),
    ]
}

fn extensions() -> Vec<Oddity> {
    let whole = udp(&IP, 40000, 33434, &pattern(8));
    let exceeded =
        |extension: &[u8]| about(11, 0, [0, 32, 0, 0], &join(&[&filled(&whole), extension]));
    let good = extension(&[label_stack()]);
    let version = |version: u8| summed(&patched(good.clone(), 0, &[version << 4]));
    // Claims 20 bytes, and has 8.
    let lying = patched(object(1, 1, &[0; 4]), 0, &[0, 20]);
    vec![
        odd(
            "icmpv4.extension.version",
            "An extension of version 3",
            exceeded(&version(3)),
            "Of version 2",
            exceeded(&version(2)),
        ),
        odd(
            "icmpv4.extension.checksum",
            "An extension with a wrong checksum",
            exceeded(&patched(good.clone(), 2, &[0xde, 0xad])),
            "With the right one",
            exceeded(&good),
        ),
        odd(
            "icmpv4.extension.length",
            "An object that claims 20 bytes where there are 8",
            exceeded(&extension(&[lying])),
            "One that claims the 12 it has",
            exceeded(&good),
        ),
    ]
}

pub(crate) fn igmp() -> Vec<Oddity> {
    let join_group = short_message(0x16, 0, GROUP);
    let one = report(&[record(4, GROUP, &[], &[])]);
    let to = |group, message: &[u8]| to_many(&igmp_datagram(group, message));
    let hops = |ttl| {
        let ip = Ip {
            ttl,
            destination: GROUP,
            options: ROUTER_ALERT,
            ..IP
        };
        to_many(&ipv4(&ip, IGMP, &summed(&join_group)))
    };
    let spoilt = Ip {
        ttl: 1,
        destination: GROUP,
        options: ROUTER_ALERT,
        ..IP
    };
    let spoilt = ipv4(
        &spoilt,
        IGMP,
        &patched(join_group.clone(), 2, &[0xde, 0xad]),
    );
    let asked = |group| query(100, group, 2, 125, &[]);
    vec![
        odd(
            "igmp.checksum.bad",
            "A wrong checksum",
            to_many(&spoilt),
            "The right one",
            to(GROUP, &join_group),
        ),
        odd(
            "igmp.truncated",
            "A report of 4 bytes",
            to(GROUP, &cut(&join_group, 4)),
            "Of 8, of which the snaplen left 4",
            to(GROUP, &join_group),
        )
        .cut(14 + 24 + 4),
        odd(
            "igmp.type.unknown",
            "Type 0x99",
            to(GROUP, &short_message(0x99, 0, GROUP)),
            "Type 0x16",
            to(GROUP, &join_group),
        ),
        odd(
            "igmp.ttl",
            "A report with TTL 2",
            hops(2),
            "With TTL 1",
            hops(1),
        ),
        odd(
            "igmp.destination",
            "An IGMPv3 report to the group it reports",
            to(GROUP, &one),
            "To 224.0.0.22",
            to(V3_ROUTERS, &one),
        ),
        odd(
            "igmp.group",
            "A query for 203.0.113.9, which is a host",
            to(ALL_HOSTS, &asked(ROUTER)),
            "A query for 0.0.0.0, which is every group",
            to(ALL_HOSTS, &asked([0; 4])),
        ),
        odd(
            "igmp.records",
            "A report of two records that has one",
            to(V3_ROUTERS, &patched(one.clone(), 6, &[0, 2])),
            "A report of one record that has one",
            to(V3_ROUTERS, &one),
        ),
    ]
}
