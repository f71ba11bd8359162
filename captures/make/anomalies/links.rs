//! Frames, links, tags, ARP, tunnels and IPv6.

use super::super::links::{arp, ieee802_3, pppoe_session, tag};
use super::super::packet::{
    A, AH, B, ETHERTYPE_IPV4, ETHERTYPE_IPV6, GRE, ICMPV6, IP, Ip, MAC_A, MAC_B, cut, echo,
    ethernet, ipv4, join, patched, pattern, sent, udp, udp_message,
};
use super::super::tunnels::{echo6, gre_header, gre_summed, ipv6, mpls_entry};
use super::{Oddity, long, odd};

/// More bytes than the frame had.
pub(crate) fn frame_length() -> Oddity {
    let frame = sent(&echo(&IP, 1, 8));
    let mut oddity = odd(
        "frame.length",
        "50 bytes captured of a frame of 40",
        frame.clone(),
        "40 bytes captured of a frame of 50",
        frame,
    )
    .cut(40);
    if let Some(first) = oddity.frames.first_mut() {
        first.wire_len = long(40);
    }
    oddity
}

pub(crate) fn oddities() -> Vec<Oddity> {
    let mut all = links();
    all.extend(tags());
    all.extend(points());
    all.extend(arps());
    all.extend(tunnels());
    all
}

fn frame(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    ethernet(MAC_B, MAC_A, ethertype, payload)
}

fn links() -> Vec<Oddity> {
    let snap = join(&[&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &echo(&IP, 1, 8)]);
    let good = ieee802_3(MAC_B, &snap);
    let group = |group, mac| {
        let datagram = udp(
            &Ip {
                destination: group,
                ttl: 255,
                ..IP
            },
            5004,
            5004,
            b"audio",
        );
        ethernet(mac, MAC_A, ETHERTYPE_IPV4, &datagram)
    };
    let from = |mac| ethernet(MAC_B, mac, ETHERTYPE_IPV4, &echo(&IP, 1, 8));
    vec![
        odd(
            "ethernet.truncated",
            "A frame of 13 bytes",
            cut(&sent(&[]), 13),
            "Of 50, of which the snaplen left 13",
            sent(&echo(&IP, 1, 8)),
        )
        .cut(13),
        odd(
            "ethernet.length",
            "An 802.3 length one more than there is",
            patched(good.clone(), 13, &[45]),
            "One less than there is: the rest is padding",
            join(&[&good, &[0]]),
        ),
        odd(
            "ethernet.source.multicast",
            "From a group address",
            from([0x03, 0, 0, 0, 0, 1]),
            "From a locally administered address",
            from(MAC_A),
        ),
        odd(
            "ethernet.destination.mismatch",
            "224.0.0.251 in the frame of 224.0.0.5",
            group([224, 0, 0, 251], [1, 0, 0x5e, 0, 0, 5]),
            "225.128.0.251, which shares its frame with 224.0.0.251",
            group([225, 128, 0, 251], [1, 0, 0x5e, 0, 0, 251]),
        ),
    ]
}

fn tags() -> Vec<Oddity> {
    let vlan = |id| frame(0x8100, &tag(0, false, id, ETHERTYPE_IPV4, &echo(&IP, 1, 8)));
    let labels =
        |entries: &[Vec<u8>], rest: &[u8]| frame(0x8847, &join(&[&entries.concat(), rest]));
    let label = |label, bottom| mpls_entry(label, 0, bottom, 64);
    vec![
        odd(
            "vlan.truncated",
            "Three bytes of a tag",
            cut(&vlan(100), 17),
            "A frame of which the snaplen left three bytes of its tag",
            vlan(100),
        )
        .cut(17),
        odd(
            "vlan.id.reserved",
            "VLAN 4095",
            vlan(4095),
            "VLAN 4094",
            vlan(4094),
        ),
        odd(
            "mpls.truncated",
            "Two labels, and no bottom",
            labels(&[label(16, false), label(17, false)], b""),
            "Two labels, the second the bottom",
            labels(&[label(16, false), label(17, true)], &echo(&IP, 1, 8)),
        ),
        odd(
            "mpls.label.implicit_null",
            "Label 3",
            labels(&[label(3, true)], &echo(&IP, 1, 8)),
            "Label 0, the explicit null",
            labels(&[label(0, true)], &echo(&IP, 1, 8)),
        ),
    ]
}

fn points() -> Vec<Oddity> {
    let session = pppoe_session(0x0021, &echo(&IP, 1, 8));
    let over = |packet: &[u8]| frame(0x8864, packet);
    vec![
        odd(
            "pppoe.truncated",
            "Five bytes of a header of six",
            over(&cut(&session, 5)),
            "A frame of which the snaplen left five bytes of it",
            over(&session),
        )
        .cut(14 + 5),
        odd(
            "pppoe.version",
            "Version 2",
            over(&patched(session.clone(), 0, &[0x21])),
            "Version 1",
            over(&session),
        ),
        odd(
            "pppoe.length",
            "A length one more than there is",
            over(&patched(session.clone(), 4, &[0, 39])),
            "One less than there is: the rest is padding",
            over(&join(&[&session, &[0]])),
        ),
        odd(
            "ppp.truncated",
            "Address and control, and nothing",
            vec![0xff, 0x03],
            "Address, control, and an LCP echo request",
            vec![0xff, 0x03, 0xc0, 0x21, 9, 1, 0, 8, 0, 0, 0, 0],
        )
        .on(9),
    ]
}

fn arps() -> Vec<Oddity> {
    let over = |packet: &[u8]| frame(0x0806, packet);
    let who = |mac| arp(1, (mac, A), ([0; 6], B));
    let who_has = who(MAC_A);
    // Hardware type 24 is IEEE 1394, whose addresses have eight bytes; the second half of
    // each address is of zeros.
    let wide = |hardware| {
        join(&[
            &[0, hardware, 8, 0, 8, 4, 0, 1],
            &MAC_A,
            &[0; 2],
            &A,
            &[0; 8],
            &B,
        ])
    };
    vec![
        odd(
            "arp.truncated",
            "27 bytes of 28",
            over(&cut(&who_has, 27)),
            "28, of which the snaplen left 27",
            over(&who_has),
        )
        .cut(14 + 27),
        odd(
            "arp.address_length",
            "Ethernet addresses of eight bytes",
            over(&wide(1)),
            "IEEE 1394 addresses of eight bytes",
            over(&wide(24)),
        ),
        odd(
            "arp.sender.multicast",
            "The sender says that it is a group",
            over(&who([0x03, 0, 0, 0, 0, 1])),
            "That it is itself",
            over(&who_has),
        ),
    ]
}

fn tunnels() -> Vec<Oddity> {
    let gre = |packet: &[u8]| sent(&ipv4(&IP, GRE, packet));
    let plain = |flags| {
        gre(&join(&[
            &gre_header(flags, ETHERTYPE_IPV4, &[]),
            &echo(&IP, 1, 8),
        ]))
    };
    let keyed = gre_header(0x2000, ETHERTYPE_IPV4, &42u32.to_be_bytes());
    let header = [8, 0, 0, 0, 0, 0x10, 0, 0];
    let wire = sent(&echo(&IP, 1, 8));
    let authentication = [17, 4, 0, 0, 0, 0, 0x10, 1, 0, 0, 0, 1];
    let message = udp_message(&IP, 5000, 5001, b"authentic");
    let authenticated = join(&[&authentication, &pattern(12), &message]);
    let ah = |packet: &[u8]| sent(&ipv4(&IP, AH, packet));
    let vxlan = |packet: &[u8]| sent(&udp(&IP, 51000, 4789, packet));
    vec![
        odd(
            "ah.truncated",
            "An authentication header of 24 bytes where there are 20",
            ah(&cut(&authenticated, 20)),
            "Of 24, and UDP behind it",
            ah(&authenticated),
        ),
        odd(
            "gre.truncated",
            "A key is promised, and half of it is there",
            gre(&cut(&keyed, 6)),
            "A key is promised, and the snaplen left half of it",
            gre(&join(&[&keyed, &echo(&IP, 1, 8)])),
        )
        .cut(14 + 20 + 6),
        odd("gre.version", "Version 2", plain(2), "Version 0", plain(0)),
        odd(
            "gre.checksum.bad",
            "A wrong checksum",
            gre(&patched(gre_summed(), 4, &[0xde, 0xad])),
            "The right one",
            gre(&gre_summed()),
        ),
        odd(
            "vxlan.truncated",
            "Seven bytes of a header of eight",
            vxlan(&cut(&header, 7)),
            "A frame of which the snaplen left seven bytes of it",
            vxlan(&join(&[&header, &wire])),
        )
        .cut(14 + 20 + 8 + 7),
    ]
}

pub(crate) fn ipv6_oddities() -> Vec<Oddity> {
    let over = |packet: &[u8]| frame(ETHERTYPE_IPV6, packet);
    let good = echo6(1);
    let nothing = ipv6(59, b"");
    let short = ipv6(ICMPV6, &[128, 0, 0]);
    let hop = |length: u8| ipv6(0, &[59, length, 1, 4, 0, 0, 0, 0]);
    vec![
        odd(
            "ipv6.truncated",
            "39 bytes of a header of 40",
            over(&cut(&nothing, 39)),
            "40, and nothing in it",
            over(&nothing),
        ),
        odd(
            "ipv6.version",
            "Version 5 under the EtherType of IPv6",
            over(&patched(good.clone(), 0, &[0x5b])),
            "Version 6",
            over(&good),
        ),
        odd(
            "ipv6.payload_length.truncated",
            "A payload length one more than there is",
            over(&patched(good.clone(), 4, &[0, 17])),
            "Of 16, of which the snaplen left 10",
            over(&good),
        )
        .cut(14 + 40 + 10),
        odd(
            "ipv6.extension.truncated",
            "A hop-by-hop header of 16 bytes where there are 8",
            over(&hop(1)),
            "Of 8",
            over(&hop(0)),
        ),
        odd(
            "ipv6.source.multicast",
            "From ff01:db8::1",
            over(&patched(nothing.clone(), 8, &[0xff])),
            "From 2001:db8::1",
            over(&nothing),
        ),
        odd(
            "icmpv6.truncated",
            "Three bytes of a header of four",
            over(&short),
            "A message of which the snaplen left three bytes",
            over(&good),
        )
        .cut(14 + 40 + 3),
        odd(
            "icmpv6.checksum.bad",
            "A wrong checksum",
            over(&patched(good.clone(), 42, &[0xde, 0xad])),
            "The right one",
            over(&good),
        ),
    ]
}
