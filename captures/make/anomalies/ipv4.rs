//! The IPv4 header, its fragments and its options.

use super::super::conversations::dhcp_discover;
use super::super::file::Record;
use super::super::fragments::teardrop;
use super::super::packet::{
    A, ACK, B, DF, ICMP, ICMPV6, IP, Ip, MF, OPEN, RESERVED, ROUTER, SEGMENT, TCP, Tcp, UDP, cut,
    echo, from, icmp, ipv4, join, pattern, sent, tcp, tcp_segment, to_many, udp, udp_message,
};
use super::{ETHERNET, Oddity, odd, records};

/// An echo request under some header.
fn ping(ip: &Ip<'_>) -> Vec<u8> {
    sent(&echo(ip, 1, 8))
}

/// One with these options.
fn with(options: &[u8]) -> Vec<u8> {
    ping(&Ip { options, ..IP })
}

/// A piece of the datagram of this identification.
fn piece(id: u16, flags: u8, offset: usize, protocol: u8, bytes: &[u8]) -> Vec<u8> {
    sent(&ipv4(
        &Ip {
            id,
            flags,
            offset,
            ..IP
        },
        protocol,
        bytes,
    ))
}

pub(crate) fn oddities() -> Vec<Oddity> {
    let mut all = header();
    all.extend(fragments());
    all.extend(gathered());
    all.extend(options());
    all.extend(addresses());
    all
}

fn header() -> Vec<Oddity> {
    let forty = Ip {
        options: &[1; 40],
        ..IP
    };
    let lengths = |total| {
        sent(&ipv4(
            &Ip {
                total_length: Some(total),
                ..IP
            },
            253,
            b"",
        ))
    };
    vec![
        odd(
            "ipv4.version",
            "Version 5",
            ping(&Ip { version: 5, ..IP }),
            "Version 4",
            ping(&IP),
        ),
        odd(
            "ipv4.ihl.short",
            "A header of 4 words",
            ping(&Ip { ihl: Some(4), ..IP }),
            "Of 5",
            ping(&Ip { ihl: Some(5), ..IP }),
        ),
        odd(
            "ipv4.ihl.truncated",
            "A header of 15 words in 36 bytes",
            ping(&Ip {
                ihl: Some(15),
                ..IP
            }),
            "A header of 15 words, of which the snaplen left 36 bytes",
            ping(&forty),
        )
        .cut(14 + 36),
        odd(
            "ipv4.total_length.short",
            "A total length of 19",
            lengths(19),
            "Of 20, with nothing in it",
            lengths(20),
        ),
        odd(
            "ipv4.total_length.zero",
            "A total length of 0",
            ping(&Ip {
                total_length: Some(0),
                ..IP
            }),
            "Of 36, as there are",
            ping(&IP),
        ),
        odd(
            "ipv4.total_length.truncated",
            "A total length of 37 in 36 bytes on the wire",
            ping(&Ip {
                total_length: Some(37),
                ..IP
            }),
            "Of 36, of which the snaplen left 30",
            ping(&IP),
        )
        .cut(14 + 30),
        odd(
            "ipv4.flags.reserved",
            "The reserved flag",
            ping(&Ip {
                flags: RESERVED,
                ..IP
            }),
            "Don't fragment, beside it",
            ping(&Ip { flags: DF, ..IP }),
        ),
        odd(
            "ipv4.checksum.bad",
            "A checksum of 0",
            ping(&Ip {
                checksum: Some(0),
                ..IP
            }),
            "The right one",
            ping(&IP),
        ),
        odd(
            "ipv4.ttl.zero",
            "TTL 0",
            ping(&Ip { ttl: 0, ..IP }),
            "TTL 1",
            ping(&Ip { ttl: 1, ..IP }),
        ),
        odd(
            "ipv4.ttl.low",
            "TTL 1 within a TCP connection",
            sent(&tcp(&Ip { ttl: 1, ..IP }, &SEGMENT, b"data")),
            "TTL 1 on a SYN, as traceroute sends it",
            sent(&tcp(&Ip { ttl: 1, ..IP }, &OPEN, b"")),
        ),
        odd(
            "ipv4.protocol.reserved",
            "Protocol 255",
            sent(&ipv4(&IP, 255, b"reserved")),
            "Protocol 254, for experiments",
            sent(&ipv4(&IP, 254, b"experiment")),
        ),
        odd(
            "ipv4.protocol.icmpv6",
            "An ICMPv6 echo request",
            sent(&ipv4(&IP, ICMPV6, &[128, 0, 0x7f, 0xf7, 0, 7, 0, 1])),
            "An ICMP echo request",
            sent(&icmp(&IP, 8, 0, [0, 7, 0, 1], b"")),
        ),
    ]
}

fn fragments() -> Vec<Oddity> {
    let segment = tcp_segment(
        &IP,
        &Tcp {
            flags: ACK,
            ..SEGMENT
        },
        &pattern(44),
    );
    let message = udp_message(&IP, 5000, 5001, &pattern(52));
    let head = |len| cut(&segment, len);
    let adjacent = [
        piece(0x1003, MF, 0, UDP, &cut(&message, 24)),
        piece(0x1003, 0, 24, UDP, &from(&message, 24)),
    ];
    let overlap = teardrop(0x1001, false);
    let conflict = teardrop(0x1002, true);
    vec![
        odd(
            "ipv4.fragment.df",
            "A first fragment with Don't Fragment",
            piece(0x1011, MF | DF, 0, UDP, &cut(&message, 24)),
            "The same without",
            piece(0x1012, MF, 0, UDP, &cut(&message, 24)),
        ),
        odd(
            "ipv4.fragment.tiny",
            "A first fragment with 16 bytes of TCP: no flags in it",
            piece(0x1013, MF, 0, TCP, &head(16)),
            "With 24: the whole header",
            piece(0x1014, MF, 0, TCP, &head(24)),
        ),
        odd(
            "ipv4.fragment.unaligned",
            "More fragments behind 20 bytes",
            piece(0x1015, MF, 8, UDP, &cut(&message, 20)),
            "No more behind 20 bytes",
            piece(0x1016, 0, 8, UDP, &cut(&message, 20)),
        ),
        Oddity {
            id: "ipv4.fragment.overlap",
            odd: "Frame 2 brings the last 8 bytes of frame 1 again",
            near: "Frame 4 starts where frame 3 ended",
            link: ETHERNET,
            frames: records(&[overlap, adjacent.to_vec()].concat(), 1000),
            fires: &[2],
        },
        Oddity {
            id: "ipv4.fragment.conflict",
            odd: "Frame 2 brings other bytes where frame 1 has been",
            near: "Frame 4 brings the same bytes where frame 3 has been: an overlap, no conflict",
            link: ETHERNET,
            frames: records(&[conflict, teardrop(0x1001, false)].concat(), 1000),
            fires: &[2],
        },
        odd(
            "ipv4.fragment.oversize",
            "A last fragment up to byte 65,536",
            piece(0x1017, 0, 65_504, ICMP, &pattern(12)),
            "Up to byte 65,535",
            piece(0x1018, 0, 65_504, ICMP, &pattern(11)),
        ),
        odd(
            "ipv4.fragment.offset_one",
            "TCP at byte 8, where the flags are",
            piece(0x1019, MF, 8, TCP, &from(&head(32), 8)),
            "UDP at byte 8",
            piece(0x101a, MF, 8, UDP, &cut(&from(&message, 8), 24)),
        ),
    ]
}

/// What shows only when a datagram should be put together.
fn gathered() -> Vec<Oddity> {
    let message = udp_message(&IP, 5000, 5001, &pattern(40));
    let other = udp_message(&IP, 5000, 5001, &pattern(41));
    let first = |id| piece(id, MF, 0, UDP, &cut(&message, 16));
    let middle = |id| piece(id, MF, 16, UDP, &cut(&from(&message, 16), 16));
    let last = |id| piece(id, 0, 32, UDP, &from(&message, 32));
    let other_first = |id| piece(id, MF, 0, UDP, &cut(&other, 32));
    let other_last = |id| piece(id, 0, 32, UDP, &from(&other, 32));
    let rest = |id| piece(id, 0, 16, UDP, &from(&message, 16));
    vec![
        Oddity {
            id: "ipv4.fragment.end",
            odd: "Frame 2 goes on behind the end that frame 1 has brought",
            near: "Frame 4 goes on up to it",
            link: ETHERNET,
            frames: records(
                &[
                    last(0x1021),
                    piece(0x1021, MF, 48, UDP, &pattern(8)),
                    last(0x1022),
                    middle(0x1022),
                ],
                1000,
            ),
            fires: &[2],
        },
        Oddity {
            id: "ipv4.fragment.timeout",
            odd: "Frame 3 comes 61 seconds after frames 1 and 2, whose datagram lacks its middle",
            near: "Frame 4 comes 59 seconds after frame 3, and completes it",
            link: ETHERNET,
            frames: at(&[
                (0, first(0x1023)),
                (0, last(0x1023)),
                (61, first(0x1024)),
                (120, rest(0x1024)),
            ]),
            fires: &[3],
        },
        Oddity {
            id: "ipv4.fragment.missing_first",
            odd: "Frame 2 comes 61 seconds after frame 1, the last fragment of its datagram",
            near: "Frame 3 comes 59 seconds after frame 2, and completes it",
            link: ETHERNET,
            frames: at(&[(0, rest(0x1025)), (61, rest(0x1026)), (120, first(0x1026))]),
            fires: &[2],
        },
        Oddity {
            id: "ipv4.fragment.missing_last",
            odd: "Frame 2 comes 61 seconds after frame 1, the first fragment of its datagram",
            near: "Frame 3 comes 59 seconds after frame 2, and completes it",
            link: ETHERNET,
            frames: at(&[(0, first(0x1027)), (61, first(0x1028)), (120, rest(0x1028))]),
            fires: &[2],
        },
        Oddity {
            id: "ipv4.identification.reused",
            odd: "Frame 3 begins another datagram under the number of frames 1 and 2, one second later",
            near: "Frame 5 does so after another 61",
            link: ETHERNET,
            frames: at(&[
                (0, first(0x1029)),
                (0, rest(0x1029)),
                (1, other_first(0x1029)),
                (1, other_last(0x1029)),
                (62, first(0x1029)),
                (62, rest(0x1029)),
            ]),
            fires: &[3],
        },
    ]
}

/// Frames at these seconds.
fn at(frames: &[(u32, Vec<u8>)]) -> Vec<Record> {
    let bytes: Vec<Vec<u8>> = frames.iter().map(|(_, bytes)| bytes.clone()).collect();
    let mut records = records(&bytes, 1000);
    for (record, (seconds, _)) in records.iter_mut().zip(frames) {
        record.seconds += seconds;
    }
    records
}

fn options() -> Vec<Oddity> {
    let later = |options: &[u8]| {
        sent(&ipv4(
            &Ip {
                offset: 1480,
                options,
                ..IP
            },
            UDP,
            &pattern(8),
        ))
    };
    let route = join(&[&[7, 7, 4], &[0; 4]]);
    let cases = vec![
        odd(
            "ipv4.option.length",
            "A Record Route of 39 bytes in a header with room for 8",
            with(&[7, 39, 4, 0, 0, 0, 0, 0]),
            "Of 7, and the end of the list",
            with(&route),
        ),
        odd(
            "ipv4.option.pointer",
            "A Record Route whose pointer is 5, in the middle of a slot",
            with(&join(&[&[7, 7, 5], &ROUTER])),
            "Whose pointer is 8, past its end: it is full",
            with(&join(&[&[7, 7, 8], &ROUTER])),
        ),
        odd(
            "ipv4.option.source_route",
            "A Loose Source Route",
            with(&join(&[&[131, 7, 4], &ROUTER])),
            "A Record Route",
            with(&route),
        ),
        odd(
            "ipv4.option.unknown",
            "Option 200",
            with(&[200, 4, 0, 0]),
            "Option 222, for experiments",
            with(&[222, 4, 0, 0]),
        ),
        odd(
            "ipv4.option.deprecated",
            "A stream identifier",
            with(&[136, 4, 0, 42]),
            "A Router Alert",
            with(&[148, 4, 0, 0]),
        ),
        odd(
            "ipv4.option.duplicate",
            "Two Record Routes",
            with(&join(&[&route, &route])),
            "One, between two No Operations",
            with(&join(&[&[1], &route, &[1]])),
        ),
        odd(
            "ipv4.option.copied",
            "A later fragment with a Record Route, which only the first may carry",
            later(&route),
            "A later fragment with a Router Alert, which each must carry",
            later(&[148, 4, 0, 0]),
        ),
    ];
    cases
}

fn addresses() -> Vec<Oddity> {
    let discover = dhcp_discover();
    let between = |source, destination| Ip {
        source,
        destination,
        ..IP
    };
    vec![
        odd(
            "ipv4.source.martian",
            "From 127.0.0.1 to another host",
            ping(&between([127, 0, 0, 1], B)),
            "From 0.0.0.0 to everyone, as a host without an address asks for one",
            to_many(&udp(&between([0; 4], [255; 4]), 68, 67, &discover)),
        ),
        odd(
            "ipv4.destination.martian",
            "To 240.0.0.1",
            ping(&between(A, [240, 0, 0, 1])),
            "To 255.255.255.255",
            to_many(&udp(&between(A, [255; 4]), 5000, 5001, b"everyone")),
        ),
        odd(
            "ipv4.land",
            "From a host to itself on the wire, from port 80 to port 80",
            sent(&tcp(&between(B, B), &Tcp { from: 80, ..OPEN }, b"")),
            "From its neighbour, with the same ports",
            sent(&tcp(
                &between([198, 51, 100, 3], B),
                &Tcp { from: 80, ..OPEN },
                b"",
            )),
        ),
    ]
}
