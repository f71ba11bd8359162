//! What a network says all day: echo, TCP, DNS, DHCP, multicast.

use super::file::{ETHERNET, pcap};
use super::packet::{
    A, ACK, AE, B, CWR, DF, ECE, FIN, IP, Ip, OPEN, PSH, REPLY, RST, SEGMENT, SYN, Tcp, URG, echo,
    echo_reply, ipv4, join, patched, pattern, received, sent, tcp, to_many, udp, udp_message,
};
use super::{Capture, capture, long};

pub(crate) fn captures() -> Vec<Capture> {
    vec![
        capture(
            "icmp_echo.pcap",
            "Two echo requests and their replies",
            pcap(ETHERNET, &echoes()),
        ),
        capture(
            "tcp_handshake_options.pcap",
            "A TCP connection from SYN to FIN: MSS, window scale, SACK, timestamps, a lost segment \
             and the SACK block that tells; then a connection refused with RST",
            pcap(ETHERNET, &connection()),
        ),
        capture(
            "tcp_options_rare.pcap",
            "One rare TCP option a frame, known and unknown, each followed by an MSS that must \
             still be found",
            pcap(ETHERNET, &rare_tcp_options()),
        ),
        capture(
            "tcp_flags.pcap",
            "Segments for each flag: ECN setup, CWR, ECE, AccECN, urgent data, keep-alive",
            pcap(ETHERNET, &flags()),
        ),
        capture(
            "dns_udp.pcap",
            "A DNS question and its answer over UDP",
            pcap(ETHERNET, &dns()),
        ),
        capture(
            "dhcp.pcap",
            "DHCP discover and offer: the legal use of 0.0.0.0 and 255.255.255.255",
            pcap(ETHERNET, &dhcp()),
        ),
        capture(
            "multicast.pcap",
            "mDNS, SSDP and OSPF to their groups, in the MAC addresses the groups map to",
            pcap(ETHERNET, &multicast()),
        ),
        capture(
            "udp_zero_checksum.pcap",
            "UDP without a checksum, which IPv4 allows, and the same with one",
            pcap(ETHERNET, &udp_checksums()),
        ),
        capture(
            "udp_surplus.pcap",
            "UDP that ends before its datagram: the surplus area of RFC 9868",
            pcap(ETHERNET, &[sent(&surplus())]),
        ),
        capture(
            "dscp_ecn.pcap",
            "Best effort, EF, AF41, CS6, LE and NQB, with each ECN codepoint",
            pcap(ETHERNET, &service_classes()),
        ),
        capture(
            "protocols.pcap",
            "IPv4 protocols that are named and not dissected: ESP, SCTP, an experiment, an \
             unassigned one, nothing next",
            pcap(ETHERNET, &protocols()),
        ),
        capture(
            "text_escapes.pcap",
            "A payload of terminal escapes, quotes and invalid UTF-8, to be shown harmlessly",
            pcap(ETHERNET, &[sent(&udp(&IP, 9999, 9999, HOSTILE))]),
        ),
    ]
}

/// Bytes that a careless terminal would obey.
pub(crate) const HOSTILE: &[u8] =
    b"\x1b[31mred\x1b]0;title\x07 \r\n\"quoted\\\" \x00\x9b2J \xff\xfe \xe2\x80\xa8 <b>&amp;";

/// Two echo exchanges: requests of `A`, replies of `B`.
pub(crate) fn echoes() -> Vec<Vec<u8>> {
    let request = Ip { flags: DF, ..IP };
    vec![
        sent(&echo(&request, 1, 56)),
        received(&echo_reply(&REPLY, 1, 56)),
        sent(&echo(
            &Ip {
                id: IP.id + 1,
                ..request
            },
            2,
            56,
        )),
        received(&echo_reply(
            &Ip {
                id: REPLY.id + 1,
                ..REPLY
            },
            2,
            56,
        )),
    ]
}

const NOP: &[u8] = &[1];
const SACK_PERMITTED: &[u8] = &[4, 2];

fn mss(bytes: u16) -> Vec<u8> {
    join(&[&[2, 4], &bytes.to_be_bytes()])
}

/// RFC 7323 timestamps.
fn timestamps(value: u32, echo: u32) -> Vec<u8> {
    join(&[&[8, 10], &value.to_be_bytes(), &echo.to_be_bytes()])
}

/// The options of an ordinary SYN.
pub(crate) fn syn_options(value: u32, echo: u32) -> Vec<u8> {
    join(&[
        &mss(1460),
        SACK_PERMITTED,
        &timestamps(value, echo),
        NOP,
        &[3, 3, 7],
    ])
}

/// The options of an ordinary segment.
pub(crate) fn stamped(value: u32, echo: u32) -> Vec<u8> {
    join(&[NOP, NOP, &timestamps(value, echo)])
}

fn connection() -> Vec<Vec<u8>> {
    let out = Ip { flags: DF, ..IP };
    let back = Ip { flags: DF, ..REPLY };
    let answer = Tcp {
        from: 80,
        to: OPEN.from,
        ..SEGMENT
    };
    let request = b"GET / HTTP/1.1\r\nHost: example.net\r\n\r\n";
    let asked = 1001 + long(request.len());
    let client = |acknowledgment, flags, options: &[u8], data: &[u8], sequence| {
        let segment = Tcp {
            sequence,
            acknowledgment,
            flags,
            options,
            ..SEGMENT
        };
        sent(&tcp(&out, &segment, data))
    };
    let server = |sequence, acknowledgment, flags, options: &[u8], data: &[u8]| {
        let segment = Tcp {
            sequence,
            acknowledgment,
            flags,
            options,
            ..answer
        };
        received(&tcp(&back, &segment, data))
    };
    // The first 20 bytes of the answer are lost and come again; SACK tells what did arrive.
    let sack = join(&[
        &stamped(103, 203),
        NOP,
        NOP,
        &[5, 10],
        &5021u32.to_be_bytes(),
        &5042u32.to_be_bytes(),
    ]);
    let status = b"HTTP/1.1 200 OK\r\n\r\nh";
    let syn = Tcp {
        options: &syn_options(100, 0),
        ..OPEN
    };
    let syn_ack = Tcp {
        sequence: 5000,
        acknowledgment: 1001,
        flags: SYN | ACK,
        window: 65160,
        options: &syn_options(200, 100),
        ..answer
    };
    let refused = Tcp {
        from: 49153,
        to: 81,
        options: &mss(1460),
        ..OPEN
    };
    let refusal = Tcp {
        from: 81,
        to: 49153,
        sequence: 0,
        acknowledgment: 1001,
        flags: RST | ACK,
        window: 0,
        ..OPEN
    };
    vec![
        sent(&tcp(&out, &syn, b"")),
        received(&tcp(&back, &syn_ack, b"")),
        client(5001, ACK, &stamped(101, 200), b"", 1001),
        client(5001, PSH | ACK, &stamped(102, 200), request, 1001),
        server(
            5021,
            asked,
            PSH | ACK,
            &stamped(203, 102),
            b"ello from example....",
        ),
        client(5001, ACK, &sack, b"", asked),
        server(5001, asked, ACK, &stamped(205, 103), status),
        server(5042, asked, FIN | ACK, &stamped(206, 103), b""),
        client(5043, FIN | ACK, &stamped(107, 206), b"", asked),
        server(5043, asked + 1, ACK, &stamped(207, 107), b""),
        sent(&tcp(&out, &refused, b"")),
        received(&tcp(&back, &refusal, b"")),
    ]
}

/// Rare options as they look on the wire; kind, length, data.
fn rare_tcp_options() -> Vec<Vec<u8>> {
    let key = pattern(16);
    let options: Vec<Vec<u8>> = vec![
        // Echo and echo reply (RFC 1072), partial order (RFC 1693), T/TCP (RFC 1644).
        vec![6, 6, 1, 2, 3, 4, 7, 6, 1, 2, 3, 4],
        vec![9, 2, 10, 3, 0xc0, 14, 3, 1, 15, 3, 0x55],
        vec![11, 6, 0, 0, 0, 1, 12, 6, 0, 0, 0, 2, 13, 6, 0, 0, 0, 1],
        // MD5 signature (RFC 2385), then TCP-AO (RFC 5925) with key ids 3 and 4.
        join(&[&[19, 18], &key]),
        join(&[&[29, 16, 3, 4], &pattern(12)]),
        // Quick-Start response (RFC 4782), user timeout of 5 minutes (RFC 5482).
        vec![27, 8, 0x0f, 0x20, 0x12, 0x34, 0x56, 0x78],
        vec![28, 4, 0x80, 0x05],
        // MPTCP (RFC 8684): MP_CAPABLE of a SYN, MP_CAPABLE with a key, MP_JOIN, DSS.
        vec![30, 4, 0x01, 0x01],
        join(&[&[30, 12, 0x01, 0x01], &pattern(8)]),
        join(&[&[30, 12, 0x10, 0x05], &pattern(8)]),
        vec![30, 8, 0x20, 0x01, 0x00, 0x00, 0x10, 0x01],
        // Fast Open (RFC 7413): a request for a cookie, a cookie; then its experimental form.
        vec![34, 2],
        join(&[&[34, 10], &pattern(8)]),
        join(&[&[254, 12, 0xf9, 0x89], &pattern(8)]),
        // ExID of TCP-ENO before it had a number; encryption negotiation (RFC 8547).
        vec![253, 4, 0x45, 0x4e],
        vec![69, 4, 0x00, 0x21],
        // Accurate ECN counters in both orders (RFC 9768).
        vec![172, 11, 0, 0, 1, 0, 0, 2, 0, 0, 3],
        vec![174, 5, 0, 0, 1],
        // A number that nobody has registered.
        vec![100, 6, 0xde, 0xad, 0xbe, 0xef],
    ];
    let mut frames = Vec::new();
    for (index, option) in options.iter().enumerate() {
        let all = join(&[option, &mss(1400)]);
        let open = Tcp {
            from: OPEN.from + index as u16,
            options: &all,
            ..OPEN
        };
        frames.push(sent(&tcp(&Ip { flags: DF, ..IP }, &open, b"")));
    }
    frames
}

fn flags() -> Vec<Vec<u8>> {
    let segment = |flags, acknowledgment, urgent, data: &[u8]| {
        sent(&tcp(
            &Ip { tos: 0x02, ..IP },
            &Tcp {
                acknowledgment,
                flags,
                urgent,
                ..SEGMENT
            },
            data,
        ))
    };
    let open = |from, flags| {
        sent(&tcp(
            &IP,
            &Tcp {
                from,
                flags,
                ..OPEN
            },
            b"",
        ))
    };
    vec![
        open(49152, SYN | ECE | CWR),
        open(49153, SYN | AE | ECE | CWR),
        segment(ACK | ECE, 5001, 0, b""),
        segment(ACK | PSH | CWR, 5001, 0, b"slower"),
        segment(ACK | PSH | URG, 5001, 3, b"now, later"),
        // A keep-alive: one byte before what is next, with nothing in it.
        sent(&tcp(
            &IP,
            &Tcp {
                sequence: 1000,
                ..SEGMENT
            },
            b"",
        )),
        sent(&tcp(
            &IP,
            &Tcp {
                flags: RST,
                acknowledgment: 0,
                window: 0,
                ..SEGMENT
            },
            b"",
        )),
    ]
}

/// A question for the address of example.net (RFC 1035).
pub(crate) fn question() -> Vec<u8> {
    join(&[
        &[0x1d, 0x0e, 0x01, 0x00, 0, 1, 0, 0, 0, 0, 0, 0],
        b"\x07example\x03net\x00",
        &[0, 1, 0, 1],
    ])
}

/// Its answer: one address, for an hour.
pub(crate) fn answer(address: [u8; 4]) -> Vec<u8> {
    let header = [0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0];
    let record = [0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4];
    join(&[&patched(question(), 2, &header), &record, &address])
}

fn dns() -> Vec<Vec<u8>> {
    vec![
        sent(&udp(&IP, 40000, 53, &question())),
        received(&udp(&REPLY, 53, 40000, &answer([203, 0, 113, 80]))),
    ]
}

/// A DHCP message (RFC 2131 section 2): operation, the address given, options.
fn dhcp_message(operation: u8, yours: [u8; 4], options: &[u8]) -> Vec<u8> {
    let mut bytes = vec![operation, 1, 6, 0, 0x3d, 0x1d, 0, 1, 0, 0, 0x80, 0];
    bytes.extend([0; 4]);
    bytes.extend(yours);
    bytes.extend([0; 8]);
    bytes.extend([0x02, 0, 0, 0, 0, 0x01]);
    bytes.resize(236, 0);
    join(&[&bytes, &[0x63, 0x82, 0x53, 0x63], options])
}

/// What a host says that has no address yet.
pub(crate) fn dhcp_discover() -> Vec<u8> {
    dhcp_message(1, [0; 4], &[53, 1, 1, 55, 3, 1, 3, 6, 255])
}

fn dhcp() -> Vec<Vec<u8>> {
    let everyone = Ip {
        destination: [255; 4],
        tos: 0x10,
        ..IP
    };
    let offer = dhcp_message(
        2,
        [192, 0, 2, 77],
        &[
            53, 1, 2, 54, 4, 192, 0, 2, 1, 51, 4, 0, 0, 0x0e, 0x10, 1, 4, 255, 255, 255, 0, 255,
        ],
    );
    vec![
        to_many(&udp(
            &Ip {
                source: [0; 4],
                ..everyone
            },
            68,
            67,
            &dhcp_discover(),
        )),
        to_many(&udp(&everyone, 67, 68, &offer)),
    ]
}

fn multicast() -> Vec<Vec<u8>> {
    let mdns = join(&[
        &[0; 4],
        &[0, 1, 0, 0, 0, 0, 0, 0],
        b"\x07printer\x05local\0",
        &[0, 1, 0, 1],
    ]);
    let ssdp =
        b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\n\r\n";
    // OSPF hello (RFC 2328 section A.3.2) of router 192.0.2.1 in the backbone.
    let mut hello = vec![2, 1, 0, 44, 192, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    hello.extend([0; 8]);
    hello.extend([
        255, 255, 255, 0, 0, 10, 0x02, 1, 0, 0, 0, 40, 192, 0, 2, 1, 0, 0, 0, 0,
    ]);
    let sum = super::packet::checksum(&[&hello]);
    let hello = patched(hello, 12, &sum.to_be_bytes());
    let to = |group, ttl| Ip {
        destination: group,
        ttl,
        ..IP
    };
    vec![
        to_many(&udp(&to([224, 0, 0, 251], 255), 5353, 5353, &mdns)),
        to_many(&udp(&to([239, 255, 255, 250], 4), 50000, 1900, ssdp)),
        to_many(&ipv4(
            &Ip {
                tos: 0xc0,
                ..to([224, 0, 0, 5], 1)
            },
            89,
            &hello,
        )),
    ]
}

fn udp_checksums() -> Vec<Vec<u8>> {
    let message = udp_message(&IP, 5000, 5001, b"unchecked");
    vec![
        sent(&ipv4(&IP, 17, &patched(message, 6, &[0, 0]))),
        sent(&udp(&IP, 5000, 5001, b"checked")),
    ]
}

fn surplus() -> Vec<u8> {
    // Behind the UDP length, on an even byte: the option checksum, then NOP and End of List.
    let message = udp_message(&IP, 5000, 5001, b"with options");
    ipv4(&IP, 17, &join(&[&message, &[0xfe, 0xfb, 1, 0]]))
}

fn service_classes() -> Vec<Vec<u8>> {
    let classes = [(0, 0), (46, 0), (34, 2), (48, 0), (1, 3), (45, 1)];
    let mut frames = Vec::new();
    for (dscp, ecn) in classes {
        frames.push(sent(&udp(
            &Ip {
                tos: dscp << 2 | ecn,
                ..IP
            },
            5004,
            5004,
            b"voice",
        )));
    }
    frames
}

fn protocols() -> Vec<Vec<u8>> {
    let esp = join(&[&[0, 0, 0x10, 0x01, 0, 0, 0, 1], &pattern(32)]);
    let sctp = [0xc0, 0, 0x0b, 0x59, 0, 0, 0, 1, 0, 0, 0, 0];
    vec![
        sent(&ipv4(&IP, 50, &esp)),
        sent(&ipv4(&IP, 132, &sctp)),
        sent(&ipv4(&IP, 253, b"RFC 3692")),
        sent(&ipv4(&IP, 200, b"unassigned")),
        received(&ipv4(
            &Ip {
                source: B,
                destination: A,
                ..IP
            },
            59,
            b"",
        )),
    ]
}
