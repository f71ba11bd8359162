//! Packets within packets, and IPv6.

use super::file::{ETHERNET, pcap};
use super::icmp::mpls;
use super::packet::{
    ETHERTYPE_IPV4, ETHERTYPE_IPV6, GRE, ICMPV6, IP, IPIP, IPV6, Ip, MAC_A, MAC_B, TCP, UDP,
    checksum, cut, echo, ethernet, ipv4, join, patched, pattern, sent, udp, udp_message,
};
use super::{Capture, capture, long, short};

/// 2001:db8::1 and 2001:db8:1::2, the two hosts' IPv6 addresses.
const A6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
const B6: [u8; 16] = [0x20, 1, 0x0d, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

pub(crate) fn captures() -> Vec<Capture> {
    let file = |frames: Vec<Vec<u8>>| pcap(ETHERNET, &frames);
    vec![
        capture(
            "ipip.pcap",
            "IPv4 in IPv4",
            file(vec![sent(&ipv4(&OUTER, IPIP, &inner()))]),
        ),
        capture(
            "6in4.pcap",
            "IPv6 in IPv4",
            file(vec![sent(&ipv4(&OUTER, IPV6, &echo6(1)))]),
        ),
        capture(
            "gre.pcap",
            "GRE: bare, with checksum, key and sequence, with Ethernet inside, with RFC 1701 \
             routing, ERSPAN",
            file(gre()),
        ),
        capture(
            "gre_pptp.pcap",
            "Enhanced GRE of PPTP (RFC 2637) with PPP inside, and a bare acknowledgment",
            file(pptp()),
        ),
        capture(
            "vxlan.pcap",
            "VXLAN network 4096 with Ethernet and IPv4 inside: ICMP, UDP, TCP",
            file(vec![vxlan(&inner()), vxlan(&message()), vxlan(&opening())]),
        ),
        capture(
            "geneve.pcap",
            "Geneve: UDP in an Ethernet frame in network 5, TCP behind two options, IPv4 without \
             Ethernet in network 7, TCP over IPv6, a control packet, a header cut short by the \
             datagram's end",
            file(geneve()),
        ),
        capture(
            "tunnels_deep.pcap",
            "Forty IPv4 headers, one in the other, past any sane depth; then twenty VLAN tags",
            file(vec![deep(), tagged_deep()]),
        ),
        capture(
            "ipv6.pcap",
            "IPv6: echo, UDP, TCP, neighbour solicitation",
            file(plain6()),
        ),
        capture(
            "ipv6_extensions.pcap",
            "IPv6 extension headers: hop-by-hop with Router Alert, routing, destination options, \
             fragments, authentication, nothing next",
            file(extended6()),
        ),
    ]
}

/// Between the ends of a tunnel.
const OUTER: Ip<'static> = Ip {
    source: [203, 0, 113, 1],
    destination: [203, 0, 113, 2],
    ttl: 255,
    ..IP
};

/// Between the hosts inside it.
const INNER: Ip<'static> = Ip {
    source: [10, 1, 0, 1],
    destination: [10, 2, 0, 2],
    ..IP
};

fn inner() -> Vec<u8> {
    echo(&INNER, 1, 8)
}

/// A label stack entry, as bytes.
pub(crate) fn mpls_entry(label: u32, class: u32, bottom: bool, ttl: u8) -> Vec<u8> {
    mpls(label, class, bottom, ttl)
}

/// A GRE header (RFC 2784, RFC 2890): flags and version, protocol, then what the flags promise.
pub(crate) fn gre_header(flags: u16, protocol: u16, rest: &[u8]) -> Vec<u8> {
    join(&[&flags.to_be_bytes(), &protocol.to_be_bytes(), rest])
}

/// GRE with a checksum over all of it; key 42, sequence 1.
pub(crate) fn gre_summed() -> Vec<u8> {
    let fields = [&[0; 4][..], &42u32.to_be_bytes(), &1u32.to_be_bytes()].concat();
    let packet = join(&[&gre_header(0xb000, ETHERTYPE_IPV4, &fields), &inner()]);
    let sum = checksum(&[&packet]);
    patched(packet, 4, &sum.to_be_bytes())
}

fn gre() -> Vec<Vec<u8>> {
    let over = |packet: &[u8]| sent(&ipv4(&OUTER, GRE, packet));
    let wire = ethernet(MAC_B, MAC_A, ETHERTYPE_IPV4, &inner());
    // RFC 1701: a strict route of one IPv4 hop, then the entry that ends the list.
    let routing = [0, 0, 0, 0, 8, 0, 0, 4, 203, 0, 113, 2, 0, 0, 0, 0];
    // ERSPAN II: version 1, VLAN 100, session 7, port index 3.
    let erspan = join(&[
        &7u32.to_be_bytes(),
        &[0x10, 100, 0x18, 7, 0, 0, 0, 3],
        &wire,
    ]);
    vec![
        over(&join(&[&gre_header(0, ETHERTYPE_IPV4, &[]), &inner()])),
        over(&gre_summed()),
        over(&join(&[
            &gre_header(0x2000, 0x6558, &42u32.to_be_bytes()),
            &wire,
        ])),
        over(&join(&[
            &gre_header(0x4000, ETHERTYPE_IPV4, &routing),
            &inner(),
        ])),
        over(&join(&[&gre_header(0x1000, 0x88be, &[]), &erspan])),
    ]
}

fn pptp() -> Vec<Vec<u8>> {
    let over = |packet: &[u8]| sent(&ipv4(&OUTER, GRE, packet));
    let ppp = join(&[&[0xff, 3, 0, 0x21], &inner()]);
    let length_and_call = |len: usize| join(&[&short(len).to_be_bytes(), &[0, 9]]);
    let data = join(&[&length_and_call(ppp.len()), &[0, 0, 0, 5, 0, 0, 0, 4], &ppp]);
    let acknowledgment = join(&[&length_and_call(0), &[0, 0, 0, 5]]);
    vec![
        over(&gre_header(0x3081, 0x880b, &data)),
        over(&gre_header(0x2081, 0x880b, &acknowledgment)),
    ]
}

/// Inside a tunnel, by UDP.
fn message() -> Vec<u8> {
    udp(&INNER, 5000, 5001, b"inside")
}

/// Inside a tunnel, by TCP to a web server.
fn opening() -> Vec<u8> {
    super::packet::tcp(&INNER, &super::packet::OPEN, b"")
}

fn vxlan(packet: &[u8]) -> Vec<u8> {
    let wire = ethernet(MAC_B, MAC_A, ETHERTYPE_IPV4, packet);
    let packet = join(&[&[8, 0, 0, 0, 0, 0x10, 0, 0], &wire]);
    sent(&udp(&OUTER, 51000, 4789, &packet))
}

/// RFC 8926 section 3.4: version 0 and the length of the options in words, flags (control 0x80,
/// critical options 0x40), what is inside, the network, options.
fn geneve_header(flags: u8, protocol: u16, network: u8, options: &[u8]) -> Vec<u8> {
    let words = u8::try_from(options.len() / 4).unwrap_or(0);
    join(&[
        &[words, flags],
        &protocol.to_be_bytes(),
        &[0, 0, network, 0],
        options,
    ])
}

fn geneve() -> Vec<Vec<u8>> {
    const ETHERNET_INSIDE: u16 = 0x6558;
    let over = |packet: &[u8]| sent(&udp(&OUTER, 51000, 6081, packet));
    let wire = |packet: &[u8]| ethernet(MAC_B, MAC_A, ETHERTYPE_IPV4, packet);
    // Classes for experiments (RFC 8926 section 7): one critical of a word, one of none.
    let options = [
        0xff, 0xf0, 0x81, 1, 0xde, 0xad, 0xbe, 0xef, 0xff, 0xf1, 2, 0,
    ];
    let segment = super::packet::tcp_segment(&IP, &super::packet::OPEN, b"");
    let sixth = ipv6(TCP, &summed6(B6, TCP, 16, &segment));
    vec![
        over(&join(&[
            &geneve_header(0, ETHERNET_INSIDE, 5, &[]),
            &wire(&message()),
        ])),
        over(&join(&[
            &geneve_header(0x40, ETHERNET_INSIDE, 5, &options),
            &wire(&opening()),
        ])),
        over(&join(&[
            &geneve_header(0, ETHERTYPE_IPV4, 7, &[]),
            &message(),
        ])),
        over(&join(&[&geneve_header(0, ETHERTYPE_IPV6, 7, &[]), &sixth])),
        over(&join(&[
            &geneve_header(0x80, ETHERTYPE_IPV4, 9, &[]),
            &inner(),
        ])),
        over(&cut(&geneve_header(0, ETHERNET_INSIDE, 5, &[]), 6)),
    ]
}

fn deep() -> Vec<u8> {
    let mut datagram = inner();
    for _ in 0..40 {
        datagram = ipv4(&OUTER, IPIP, &datagram);
    }
    sent(&datagram)
}

fn tagged_deep() -> Vec<u8> {
    let mut rest = join(&[&[0, 1], &ETHERTYPE_IPV4.to_be_bytes(), &inner()]);
    for id in 2..21u16 {
        rest = join(&[&id.to_be_bytes(), &[0x81, 0], &rest]);
    }
    ethernet(MAC_B, MAC_A, 0x8100, &rest)
}

/// An IPv6 packet (RFC 8200).
pub(crate) fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    ipv6_to(B6, 64, next, payload)
}

fn ipv6_to(destination: [u8; 16], hops: u8, next: u8, payload: &[u8]) -> Vec<u8> {
    // Class EF, flow label 0x12345.
    join(&[
        &[0x6b, 0x81, 0x23, 0x45],
        &short(payload.len()).to_be_bytes(),
        &[next, hops],
        &A6,
        &destination,
        payload,
    ])
}

/// Puts the checksum over the pseudo header of RFC 8200 section 8.1 where it belongs.
fn summed6(destination: [u8; 16], protocol: u8, at: usize, message: &[u8]) -> Vec<u8> {
    let message = patched(message.to_vec(), at, &[0, 0]);
    let pseudo = join(&[
        &A6,
        &destination,
        &long(message.len()).to_be_bytes(),
        &[0, 0, 0, protocol],
    ]);
    let sum = checksum(&[&pseudo, &message]);
    patched(message, at, &sum.to_be_bytes())
}

fn echo_message6(sequence: u8) -> Vec<u8> {
    summed6(
        B6,
        ICMPV6,
        2,
        &join(&[&[128, 0, 0, 0, 0, 7, 0, sequence], &pattern(8)]),
    )
}

/// An ICMPv6 echo request.
pub(crate) fn echo6(sequence: u8) -> Vec<u8> {
    ipv6(ICMPV6, &echo_message6(sequence))
}

fn udp6() -> Vec<u8> {
    summed6(B6, UDP, 6, &udp_message(&IP, 5000, 5001, b"sixth"))
}

/// An IPv6 packet in an Ethernet frame.
fn sent6(packet: &[u8]) -> Vec<u8> {
    ethernet(MAC_B, MAC_A, ETHERTYPE_IPV6, packet)
}

fn plain6() -> Vec<Vec<u8>> {
    let syn = super::packet::tcp_segment(&IP, &super::packet::OPEN, b"");
    let ack = super::packet::tcp_segment(&IP, &super::packet::SEGMENT, b"");
    // ff02::1:ff00:2 for 2001:db8:1::2, with the sender's link address (RFC 4861 section 4.3).
    let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 2];
    let ask = join(&[&[135, 0, 0, 0, 0, 0, 0, 0], &B6, &[1, 1], &MAC_A]);
    let ask = summed6(group, ICMPV6, 2, &ask);
    vec![
        sent6(&echo6(1)),
        sent6(&ipv6(UDP, &udp6())),
        sent6(&ipv6(TCP, &summed6(B6, TCP, 16, &syn))),
        sent6(&ipv6(TCP, &summed6(B6, TCP, 16, &ack))),
        ethernet(
            [0x33, 0x33, 0xff, 0, 0, 2],
            MAC_A,
            ETHERTYPE_IPV6,
            &ipv6_to(group, 255, ICMPV6, &ask),
        ),
    ]
}

fn extended6() -> Vec<Vec<u8>> {
    const HOP_BY_HOP: u8 = 0;
    const ROUTING: u8 = 43;
    const FRAGMENT: u8 = 44;
    const AUTHENTICATION: u8 = 51;
    const NOTHING: u8 = 59;
    const OPTIONS: u8 = 60;
    // MLD report (RFC 2710) to the group, which is why the packet carries Router Alert.
    let group = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, 0, 0, 2];
    let report = summed6(
        group,
        ICMPV6,
        2,
        &join(&[&[131, 0, 0, 0, 0, 0, 0, 0], &group]),
    );
    let alert = join(&[&[ICMPV6, 0, 5, 2, 0, 0, 1, 0], &report]);
    // A type 0 routing header, all stops made; padding in destination options.
    let routed = join(&[&[UDP, 2, 0, 0, 0, 0, 0, 0], &A6, &udp6()]);
    let optional = join(&[&[ROUTING, 0, 1, 4, 0, 0, 0, 0], &routed]);
    let hop = join(&[&[OPTIONS, 0, 1, 4, 0, 0, 0, 0], &optional]);
    let message = echo_message6(2);
    let piece = |offset: u16, more: bool, bytes: &[u8]| {
        let field = offset | u16::from(more);
        join(&[
            &[ICMPV6, 0],
            &field.to_be_bytes(),
            &[0xde, 0xad, 0xbe, 0xef],
            bytes,
        ])
    };
    let authenticated = join(&[
        &[UDP, 4, 0, 0, 0, 0, 0x10, 0x01, 0, 0, 0, 1],
        &pattern(12),
        &udp6(),
    ]);
    vec![
        ethernet(
            [0x33, 0x33, 0xff, 0, 0, 2],
            MAC_A,
            ETHERTYPE_IPV6,
            &ipv6_to(group, 1, HOP_BY_HOP, &alert),
        ),
        sent6(&ipv6(HOP_BY_HOP, &hop)),
        sent6(&ipv6(FRAGMENT, &piece(0, true, &cut(&message, 8)))),
        sent6(&ipv6(
            FRAGMENT,
            &piece(8, false, &super::packet::from(&message, 8)),
        )),
        sent6(&ipv6(AUTHENTICATION, &authenticated)),
        sent6(&ipv6(NOTHING, b"")),
    ]
}
