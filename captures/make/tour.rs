//! The capture at the front door: a host wakes up, finds its way, talks, traces a path and is
//! attacked.

use super::Capture;

use super::conversations::{answer, question, syn_options};
use super::file::{COMMENT, ETHERNET, Order, START, Section};
use super::icmp::{about_from, extension, filled, interface_information, label_stack};
use super::igmp::{GROUP, V3_ROUTERS, record, report};
use super::links::{arp, tag};
use super::packet::{
    ACK, DF, ETHERTYPE_IPV4, FIN, IGMP, IP, Ip, MF, PSH, RESERVED, ROUTER, ROUTER_ALERT, SYN, Tcp,
    UDP, cut, echo, echo_reply, ethernet, from, ipv4, join, patched, pattern, summed, tcp, udp,
    udp_message,
};

/// The host whose interface was captured.
const HOST: [u8; 4] = [192, 0, 2, 10];
const HOST_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0x0a];
/// Its gateway.
const GATEWAY: [u8; 4] = [192, 0, 2, 254];
const GATEWAY_MAC: [u8; 6] = [0x02, 0, 0, 0, 0, 0xfe];
const RESOLVER: [u8; 4] = [198, 51, 100, 53];
const SERVER: [u8; 4] = [203, 0, 113, 80];
/// Who means no good.
const STRANGER: [u8; 4] = [198, 51, 100, 66];

/// A frame of the tour: whether it went out, nanoseconds since the first, its bytes, a comment.
struct Scene {
    out: bool,
    at: u64,
    bytes: Vec<u8>,
    comment: &'static str,
}

pub(crate) fn capture() -> Capture {
    let mut section = Section::new(Order::Little, &[(4, b"captures/make.rs")]);
    section.interface(
        ETHERNET,
        262_144,
        &[(2, b"eth0"), (3, b"towards the gateway"), (9, &[9])],
    );
    for scene in scenes() {
        let flags = section.flags(if scene.out { 2 } else { 1 });
        let mut options: Vec<(u16, &[u8])> = vec![(2, &flags)];
        if !scene.comment.is_empty() {
            options.push((COMMENT, scene.comment.as_bytes()));
        }
        section.packet(0, START * 1_000_000_000 + scene.at, &scene.bytes, &options);
    }
    super::capture("tour.pcapng", SHOWS, section.bytes)
}

fn out(at: u64, datagram: &[u8]) -> Scene {
    let bytes = ethernet(GATEWAY_MAC, HOST_MAC, ETHERTYPE_IPV4, datagram);
    Scene {
        out: true,
        at,
        bytes,
        comment: "",
    }
}

fn back(at: u64, datagram: &[u8]) -> Scene {
    let bytes = ethernet(HOST_MAC, GATEWAY_MAC, ETHERTYPE_IPV4, datagram);
    Scene {
        out: false,
        at,
        bytes,
        comment: "",
    }
}

fn scenes() -> Vec<Scene> {
    let mut all = finding_the_way();
    all.extend(talking());
    all.extend(tracing());
    all.extend(attacked());
    all
}

const TO: Ip<'static> = Ip {
    source: HOST,
    flags: DF,
    ..IP
};
const FROM: Ip<'static> = Ip {
    destination: HOST,
    ttl: 57,
    ..IP
};

fn finding_the_way() -> Vec<Scene> {
    let who_has = arp(1, (HOST_MAC, HOST), ([0; 6], GATEWAY));
    let is_at = arp(2, (GATEWAY_MAC, GATEWAY), (HOST_MAC, HOST));
    let reply = join(&[&ethernet(HOST_MAC, GATEWAY_MAC, 0x0806, &is_at), &[0; 18]]);
    let ask = Ip {
        destination: RESOLVER,
        id: 0x0001,
        ..TO
    };
    let tell = Ip {
        source: RESOLVER,
        id: 0x4d2a,
        ..FROM
    };
    vec![
        Scene {
            out: true,
            at: 0,
            bytes: ethernet([0xff; 6], HOST_MAC, 0x0806, &who_has),
            comment: "",
        },
        Scene {
            out: false,
            at: 412_306,
            bytes: reply,
            comment: "",
        },
        out(467_112, &udp(&ask, 40000, 53, &question())),
        back(9_841_530, &udp(&tell, 53, 40000, &answer(SERVER))),
    ]
}

fn talking() -> Vec<Scene> {
    let to = Ip {
        destination: SERVER,
        id: 0x1f40,
        ..TO
    };
    let from = Ip {
        source: SERVER,
        id: 0,
        flags: DF,
        ..FROM
    };
    let client = Tcp {
        from: 49152,
        to: 80,
        sequence: 2_918_408_533,
        acknowledgment: 0,
        data_offset: None,
        flags: SYN,
        window: 64240,
        checksum: None,
        urgent: 0,
        options: &[],
    };
    let server = Tcp {
        from: 80,
        to: 49152,
        sequence: 1_044_120_907,
        window: 65160,
        ..client
    };
    let request = b"GET / HTTP/1.1\r\nHost: example.net\r\n\r\n";
    let syn = syn_options(3_200_100, 0);
    let syn_ack = syn_options(88_417_022, 3_200_100);
    let stamps = join(&[
        &[1, 1, 8, 10],
        &3_200_112u32.to_be_bytes(),
        &88_417_022u32.to_be_bytes(),
    ]);
    let ack = Tcp {
        sequence: client.sequence + 1,
        acknowledgment: server.sequence + 1,
        flags: ACK,
        window: 502,
        options: &stamps,
        ..client
    };
    vec![
        out(
            10_102_004,
            &tcp(
                &to,
                &Tcp {
                    options: &syn,
                    ..client
                },
                b"",
            ),
        ),
        back(
            22_518_771,
            &tcp(
                &from,
                &Tcp {
                    flags: SYN | ACK,
                    acknowledgment: client.sequence + 1,
                    options: &syn_ack,
                    ..server
                },
                b"",
            ),
        ),
        out(22_561_408, &tcp(&Ip { id: 0x1f41, ..to }, &ack, b"")),
        out(
            22_790_155,
            &tcp(
                &Ip { id: 0x1f42, ..to },
                &Tcp {
                    flags: PSH | ACK,
                    ..ack
                },
                request,
            ),
        ),
    ]
}

fn tracing() -> Vec<Scene> {
    let to = Ip {
        destination: SERVER,
        flags: 0,
        ..TO
    };
    let probe = udp(
        &Ip {
            ttl: 3,
            id: 0xd431,
            ..to
        },
        41000,
        33437,
        &pattern(32),
    );
    // What the router saw: the same datagram on its last hop.
    let seen = udp(
        &Ip {
            ttl: 1,
            id: 0xd431,
            ..to
        },
        41000,
        33437,
        &pattern(32),
    );
    let quoted = filled(&seen);
    let objects = extension(&[label_stack(), interface_information()]);
    let exceeded = join(&[&quoted, &objects]);
    let mut error = back(
        55_930_416,
        &about_from(ROUTER, HOST, 11, 0, [0, 32, 0, 0], &exceeded),
    );
    error.comment = "the third hop, inside an MPLS tunnel";
    let request = Ip {
        destination: GATEWAY,
        id: 0x0b0b,
        ..TO
    };
    let reply = Ip {
        source: GATEWAY,
        ttl: 64,
        id: 0x77e1,
        ..FROM
    };
    let member = Ip {
        source: HOST,
        destination: V3_ROUTERS,
        ttl: 1,
        tos: 0xc0,
        id: 0,
        flags: DF,
        options: ROUTER_ALERT,
        ..IP
    };
    let joining = summed(&report(&[record(4, GROUP, &[], &[])]));
    let membership = ipv4(&member, IGMP, &joining);
    let tagged = tag(5, false, 100, ETHERTYPE_IPV4, &membership);
    vec![
        out(41_000_210, &probe),
        error,
        out(60_114_002, &echo(&request, 1, 56)),
        back(60_448_519, &echo_reply(&reply, 1, 56)),
        Scene {
            out: true,
            at: 71_300_640,
            bytes: ethernet([1, 0, 0x5e, 0, 0, 22], HOST_MAC, 0x8100, &tagged),
            comment: "",
        },
    ]
}

fn attacked() -> Vec<Scene> {
    let evil = Ip {
        source: STRANGER,
        ttl: 49,
        ..FROM
    };
    let message = udp_message(&evil, 31337, 9, &pattern(40));
    let head = Ip {
        id: 0x00f2,
        flags: MF,
        ..evil
    };
    let tail = Ip {
        id: 0x00f2,
        offset: 16,
        ..evil
    };
    let conflict = patched(from(&message, 16), 0, b"teardrop");
    let scan = Tcp {
        from: 31337,
        to: 22,
        sequence: 0x0bad_cafe,
        acknowledgment: 0,
        data_offset: None,
        flags: SYN | FIN,
        window: 1024,
        checksum: None,
        urgent: 0,
        options: &[],
    };
    let flagged = Ip {
        id: 0x6666,
        flags: RESERVED,
        ..evil
    };
    let mut overlap = back(90_000_331, &ipv4(&tail, UDP, &conflict));
    overlap.comment = "covers bytes 16 to 23 again, with others";
    vec![
        back(90_000_119, &ipv4(&head, UDP, &cut(&message, 24))),
        overlap,
        back(95_771_003, &tcp(&flagged, &scan, b"")),
    ]
}

const SHOWS: &str = "A host finds its gateway (ARP) and a server (DNS), opens a TCP connection with \
                     its options and asks for a page, traces the path and hears from a router \
                     inside an MPLS tunnel (extensions), pings, joins a group on a VLAN; then \
                     somebody sends it overlapping fragments that disagree, and a SYN with FIN \
                     and the reserved flag";
