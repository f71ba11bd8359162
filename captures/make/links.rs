//! Link layers, each around an echo or two, and what only a link layer shows.

use super::file::{ETHERNET, PCAP, Pcap, RAW_IPV4, pcap};
use super::packet::{
    A, ACK, ETHERTYPE_IPV4, ETHERTYPE_IPV6, IP, Ip, MAC_A, MAC_B, PSH, REPLY, SEGMENT, Tcp, cut,
    echo, echo_reply, ethernet, ipv4, join, pattern, sent, tcp, udp,
};
use super::tunnels::{echo6, mpls_entry};
use super::{Capture, capture, short};

const BROADCAST: [u8; 6] = [0xff; 6];

pub(crate) fn captures() -> Vec<Capture> {
    let file = |frames: &[Vec<u8>]| pcap(ETHERNET, frames);
    vec![
        capture(
            "ethernet_trailer.pcap",
            "A frame padded to 60 bytes, one with a vendor's trailer behind a longer datagram",
            file(&[
                sent(&join(&[&echo(&IP, 1, 4), &[0; 14]])),
                sent(&join(&[&echo(&IP, 2, 56), b"\xde\xad\xbe\xef"])),
            ]),
        ),
        capture(
            "ethertypes.pcap",
            "EtherTypes that are named and not dissected: LLDP, EAPOL, PTP, MACsec, a local one",
            file(&ethertypes()),
        ),
        capture(
            "frames_short.pcap",
            "Frames of 0, 1, 13 and 14 bytes, and a datagram of 1 and of 19 bytes",
            file(&[
                vec![],
                vec![2],
                cut(&sent(&[]), 13),
                sent(&[]),
                sent(&[0x45]),
                sent(&cut(&echo(&IP, 1, 0), 19)),
            ]),
        ),
        capture(
            "tso_zero_length.pcap",
            "A segment as the sender's own capture shows it before segmentation offload: total \
             length 0, 2,000 bytes of data",
            file(&[offloaded()]),
        ),
        capture(
            "loopback_ethernet.pcap",
            "Linux's loopback: Ethernet without addresses, 127.0.0.1 to itself, which is no anomaly",
            file(&loopback()),
        ),
        capture("llc_snap.pcap", LLC, file(&llc())),
        capture(
            "vlan.pcap",
            "802.1Q: VLAN 100 at priority 5, a priority tag; 802.1ad over 802.1Q; the old 0x9100",
            file(&vlans()),
        ),
        capture(
            "arp.pcap",
            "ARP: who has, is at, announcement, probe (RFC 5227), reverse ARP",
            file(&arps()),
        ),
        capture(
            "mpls.pcap",
            "MPLS: one label, three labels, explicit null over IPv6, a pseudowire with its control \
             word",
            file(&label_switched()),
        ),
        capture(
            "pppoe.pcap",
            "PPPoE: discovery (PADI), sessions with IPv4, IPv6 and LCP",
            file(&pppoe()),
        ),
        capture(
            "pppoe_session.pcap",
            "PPPoE without Ethernet (link type 51)",
            pcap(51, &[pppoe_session(0x0021, &echo(&IP, 1, 8))]),
        ),
        capture(
            "linux_sll.pcap",
            "Linux cooked capture, version 1: to us, from us, to all",
            pcap(113, &sll()),
        ),
        capture(
            "linux_sll2.pcap",
            "Linux cooked capture, version 2: with interfaces, one of them the loopback; LLC",
            pcap(276, &sll2()),
        ),
        capture(
            "raw_ip.pcap",
            "Raw IP (101): IPv4, IPv6, neither",
            pcap(101, &raw()),
        ),
        capture(
            "raw_ip_bsd.pcap",
            "Raw IP as BSD numbers it (12)",
            pcap(12, &raw()),
        ),
        capture(
            "raw_ip_openbsd.pcap",
            "Raw IP as OpenBSD numbers it (14)",
            pcap(14, &raw()),
        ),
        capture(
            "raw_ipv4.pcap",
            "Raw IPv4 (228)",
            pcap(RAW_IPV4, &[echo(&IP, 1, 8)]),
        ),
        capture("raw_ipv6.pcap", "Raw IPv6 (229)", pcap(229, &[echo6(1)])),
        capture(
            "null_little_endian.pcap",
            "BSD loopback (0) of a little-endian host: IPv4, IPv6 of FreeBSD and macOS",
            null(u32::to_le_bytes),
        ),
        capture(
            "null_big_endian.pcap",
            "BSD loopback (0) of a big-endian host: IPv4, IPv6 of FreeBSD and macOS",
            null(u32::to_be_bytes),
        ),
        capture(
            "loop.pcap",
            "OpenBSD loopback (108): IPv4 and IPv6, family in network byte order",
            pcap(
                108,
                &[
                    join(&[&[0, 0, 0, 2], &echo(&IP, 1, 8)]),
                    join(&[&[0, 0, 0, 24], &echo6(1)]),
                ],
            ),
        ),
        capture(
            "ppp.pcap",
            "PPP (9): plain, with address and control, compressed protocol, IPv6, LCP",
            pcap(9, &ppp()),
        ),
        capture(
            "ppp_hdlc.pcap",
            "PPP in HDLC-like framing (50)",
            pcap(
                50,
                &[
                    join(&[&[0xff, 0x03, 0x00, 0x21], &echo(&IP, 1, 8)]),
                    join(&[&[0xff, 0x03, 0x00, 0x57], &echo6(1)]),
                ],
            ),
        ),
        capture(
            "cisco_hdlc.pcap",
            "Cisco HDLC (104): IPv4, IPv6, SLARP keep-alive",
            pcap(104, &cisco_hdlc()),
        ),
        capture(
            "slip.pcap",
            "SLIP (8) with the BSD header: received and sent",
            pcap(
                8,
                &[
                    join(&[&[0, 0x45], &[0; 14], &echo_reply(&REPLY, 1, 8)]),
                    join(&[&[1, 0x45], &[0; 14], &echo(&IP, 1, 8)]),
                ],
            ),
        ),
        capture(
            "unknown_link_type.pcap",
            "Frames of an unassigned link type (9999)",
            unknown(),
        ),
    ]
}

const LLC: &str = "802.3 frames: SNAP with IPv4, a spanning tree BPDU and padding, LLC with IPv4, \
                   Novell's raw IPX";

fn ethertypes() -> Vec<Vec<u8>> {
    let frame = |ethertype, payload: &[u8]| ethernet(MAC_B, MAC_A, ethertype, payload);
    // LLDP: chassis, port, time to live, end.
    let lldp = [
        2, 7, 4, 2, 0, 0, 0, 0, 1, 4, 5, 5, b'e', b't', b'h', b'0', 6, 2, 0, 120, 0, 0,
    ];
    vec![
        ethernet([1, 0x80, 0xc2, 0, 0, 0x0e], MAC_A, 0x88cc, &lldp),
        frame(0x888e, &[2, 1, 0, 0]),
        frame(0x88f7, &join(&[&[0x0b, 2, 0, 64], &[0; 60]])),
        frame(0x88e5, &join(&[&[0x20, 0, 0, 0, 0, 1], &pattern(32)])),
        frame(0x88b5, b"local experiment"),
    ]
}

fn offloaded() -> Vec<u8> {
    let segment = Tcp {
        flags: ACK | PSH,
        ..SEGMENT
    };
    sent(&tcp(
        &Ip {
            total_length: Some(0),
            flags: 2,
            ..IP
        },
        &segment,
        &pattern(2000),
    ))
}

fn loopback() -> Vec<Vec<u8>> {
    let within = Ip {
        source: [127, 0, 0, 1],
        destination: [127, 0, 0, 1],
        ..IP
    };
    let frame = |datagram: &[u8]| ethernet([0; 6], [0; 6], ETHERTYPE_IPV4, datagram);
    vec![
        frame(&echo(&within, 1, 8)),
        frame(&echo_reply(&within, 1, 8)),
    ]
}

/// An 802.3 frame: a length where Ethernet II has its type.
pub(crate) fn ieee802_3(to: [u8; 6], payload: &[u8]) -> Vec<u8> {
    ethernet(to, MAC_A, short(payload.len()), payload)
}

/// IEEE 802.1D: root and bridge 02:00:00:00:00:01 at priority 32768, port 0x8001.
fn bpdu() -> Vec<u8> {
    let bridge = join(&[&[0x80, 0], &MAC_A]);
    join(&[
        &[0x42, 0x42, 3, 0, 0, 0, 0, 0],
        &bridge,
        &[0; 4],
        &bridge,
        &[0x80, 1, 0, 0, 20, 0, 2, 0, 15, 0],
    ])
}

fn llc() -> Vec<Vec<u8>> {
    let snap = join(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &echo(&IP, 1, 8)]);
    let ip = join(&[&[0x06, 0x06, 3], &echo(&IP, 2, 8)]);
    let ipx = join(&[&[0xff, 0xff, 0, 30, 0, 4], &[0; 24]]);
    vec![
        ieee802_3(MAC_B, &snap),
        join(&[&ieee802_3([1, 0x80, 0xc2, 0, 0, 0], &bpdu()), &[0; 8]]),
        ieee802_3(MAC_B, &ip),
        ieee802_3(BROADCAST, &ipx),
    ]
}

/// A tag and what follows it: priority, drop eligible, id (IEEE 802.1Q section 9.6).
pub(crate) fn tag(priority: u16, eligible: bool, id: u16, ethertype: u16, rest: &[u8]) -> Vec<u8> {
    let control = priority << 13 | u16::from(eligible) << 12 | id;
    join(&[&control.to_be_bytes(), &ethertype.to_be_bytes(), rest])
}

fn vlans() -> Vec<Vec<u8>> {
    let frame = |ethertype, rest: &[u8]| ethernet(MAC_B, MAC_A, ethertype, rest);
    let inner = tag(5, false, 100, ETHERTYPE_IPV4, &echo(&IP, 1, 8));
    vec![
        frame(0x8100, &inner),
        frame(0x8100, &tag(3, false, 0, ETHERTYPE_IPV4, &echo(&IP, 2, 8))),
        frame(0x88a8, &tag(5, true, 200, 0x8100, &inner)),
        frame(0x9100, &tag(0, false, 300, 0x8100, &inner)),
    ]
}

/// An ARP packet (RFC 826) for Ethernet and IPv4.
pub(crate) fn arp(
    operation: u16,
    sender: ([u8; 6], [u8; 4]),
    target: ([u8; 6], [u8; 4]),
) -> Vec<u8> {
    join(&[
        &[0, 1, 8, 0, 6, 4],
        &operation.to_be_bytes(),
        &sender.0,
        &sender.1,
        &target.0,
        &target.1,
    ])
}

fn arps() -> Vec<Vec<u8>> {
    let gateway = [192, 0, 2, 254];
    let nobody = ([0; 6], [0; 4]);
    let ask = |packet: &[u8]| ethernet(BROADCAST, MAC_A, 0x0806, packet);
    vec![
        ask(&arp(1, (MAC_A, A), ([0; 6], gateway))),
        ethernet(MAC_A, MAC_B, 0x0806, &arp(2, (MAC_B, gateway), (MAC_A, A))),
        ask(&arp(1, (MAC_A, A), ([0; 6], A))),
        ask(&arp(1, (MAC_A, [0; 4]), ([0; 6], A))),
        ethernet(
            BROADCAST,
            MAC_A,
            0x8035,
            &arp(3, (MAC_A, [0; 4]), (MAC_A, nobody.1)),
        ),
    ]
}

fn label_switched() -> Vec<Vec<u8>> {
    let frame = |rest: &[u8]| ethernet(MAC_B, MAC_A, 0x8847, rest);
    let stack = join(&[
        &mpls_entry(16001, 0, false, 62),
        &mpls_entry(24002, 5, false, 62),
        &mpls_entry(299_776, 0, true, 62),
    ]);
    let wire = sent(&echo(&IP, 3, 8));
    vec![
        frame(&join(&[&mpls_entry(24001, 0, true, 63), &echo(&IP, 1, 8)])),
        frame(&join(&[&stack, &echo(&IP, 2, 8)])),
        frame(&join(&[&mpls_entry(2, 0, true, 64), &echo6(1)])),
        frame(&join(&[&mpls_entry(24003, 0, true, 255), &[0; 4], &wire])),
    ]
}

/// A PPPoE session packet (RFC 2516 section 6) of session 0x0011.
pub(crate) fn pppoe_session(protocol: u16, payload: &[u8]) -> Vec<u8> {
    join(&[
        &[0x11, 0, 0, 0x11],
        &short(2 + payload.len()).to_be_bytes(),
        &protocol.to_be_bytes(),
        payload,
    ])
}

/// An LCP echo request (RFC 1661 section 5.8).
const LCP: &[u8] = &[9, 1, 0, 8, 0x12, 0x34, 0x56, 0x78];

fn pppoe() -> Vec<Vec<u8>> {
    // PADI: an empty service name, and a tag to know the answer by.
    let padi = [
        0x11, 9, 0, 0, 0, 12, 1, 1, 0, 0, 1, 3, 0, 4, 0xde, 0xad, 0xbe, 0xef,
    ];
    let session = |packet: &[u8]| ethernet(MAC_B, MAC_A, 0x8864, packet);
    vec![
        ethernet(BROADCAST, MAC_A, 0x8863, &padi),
        session(&pppoe_session(0x0021, &echo(&IP, 1, 8))),
        session(&pppoe_session(0x0057, &echo6(1))),
        session(&pppoe_session(0xc021, LCP)),
    ]
}

fn sll() -> Vec<Vec<u8>> {
    let cooked = |kind: u16, arphrd: u16, address: [u8; 6], protocol: u16, payload: &[u8]| {
        join(&[
            &kind.to_be_bytes(),
            &arphrd.to_be_bytes(),
            &[0, 6],
            &address,
            &[0, 0],
            &protocol.to_be_bytes(),
            payload,
        ])
    };
    let all = Ip {
        destination: [255; 4],
        ..IP
    };
    vec![
        cooked(0, 1, MAC_B, ETHERTYPE_IPV4, &echo_reply(&REPLY, 1, 8)),
        cooked(4, 1, MAC_A, ETHERTYPE_IPV4, &echo(&IP, 1, 8)),
        cooked(
            1,
            1,
            MAC_A,
            ETHERTYPE_IPV4,
            &udp(&all, 5000, 5001, b"everyone"),
        ),
        cooked(4, 1, MAC_A, ETHERTYPE_IPV6, &echo6(1)),
    ]
}

fn sll2() -> Vec<Vec<u8>> {
    let cooked =
        |protocol: u16, index: u32, arphrd: u16, kind: u8, address: [u8; 6], payload: &[u8]| {
            join(&[
                &protocol.to_be_bytes(),
                &[0, 0],
                &index.to_be_bytes(),
                &arphrd.to_be_bytes(),
                &[kind, 6],
                &address,
                &[0, 0],
                payload,
            ])
        };
    let within = Ip {
        source: [127, 0, 0, 1],
        destination: [127, 0, 0, 1],
        ..IP
    };
    let gateway = [192, 0, 2, 254];
    let who = arp(1, (MAC_B, gateway), ([0; 6], A));
    vec![
        cooked(ETHERTYPE_IPV4, 2, 1, 4, MAC_A, &echo(&IP, 1, 8)),
        cooked(ETHERTYPE_IPV4, 2, 1, 0, MAC_B, &echo_reply(&REPLY, 1, 8)),
        cooked(ETHERTYPE_IPV4, 1, 772, 0, [0; 6], &echo(&within, 1, 8)),
        cooked(0x0806, 2, 1, 1, MAC_B, &who),
        cooked(ETHERTYPE_IPV6, 3, 1, 3, MAC_B, &echo6(1)),
        // Protocol 4 stands for an LLC header (linux/if_ether.h): of ISO, whose network layer is
        // left out, and of the spanning tree.
        cooked(4, 2, 1, 2, MAC_B, &[0xfe, 0xfe, 3, 0]),
        cooked(4, 2, 1, 2, MAC_B, &bpdu()),
    ]
}

fn raw() -> Vec<Vec<u8>> {
    vec![echo(&IP, 1, 8), echo6(1), vec![0x70, 0, 0, 0]]
}

fn null(family: fn(u32) -> [u8; 4]) -> Vec<u8> {
    pcap(
        0,
        &[
            join(&[&family(2), &echo(&IP, 1, 8)]),
            join(&[&family(28), &echo6(1)]),
            join(&[&family(30), &echo6(2)]),
        ],
    )
}

fn ppp() -> Vec<Vec<u8>> {
    vec![
        join(&[&[0x00, 0x21], &echo(&IP, 1, 8)]),
        join(&[&[0xff, 0x03, 0x00, 0x21], &echo(&IP, 2, 8)]),
        join(&[&[0x21], &echo(&IP, 3, 8)]),
        join(&[&[0x00, 0x57], &echo6(1)]),
        join(&[&[0xff, 0x03, 0xc0, 0x21], LCP]),
    ]
}

fn cisco_hdlc() -> Vec<Vec<u8>> {
    // SLARP keep-alive: my sequence 2, yours 1, reliability.
    let slarp = [
        0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0xff, 0xff, 0, 0, 0x12, 0x34,
    ];
    vec![
        join(&[&[0x0f, 0, 8, 0], &echo(&IP, 1, 8)]),
        join(&[&[0x0f, 0, 0x86, 0xdd], &echo6(1)]),
        join(&[&[0x8f, 0, 0x80, 0x35], &slarp]),
    ]
}

fn unknown() -> Vec<u8> {
    let frames = [sent(&ipv4(&IP, 253, b"not to be guessed at")), pattern(40)];
    Pcap { link: 9999, ..PCAP }.frames(&frames)
}
