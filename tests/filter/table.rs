//! Expressions and the frames of captures/ that each matches.
//!
//! `PEERS` was made with `tcpdump -r captures/FILE EXPRESSION` (tcpdump 4.99, libpcap 1.10), frame
//! by frame; `OWN` holds what tcpdump refuses or answers otherwise, each with its reason and
//! checked against the bytes of the capture.

/// A capture, and for expressions over it the numbers of the frames that match.
pub(crate) type Rows = &'static [(&'static str, &'static [(&'static str, &'static [u64])])];

/// Every construct of the language, with tcpdump's own answers.
#[rustfmt::skip]
pub(crate) const PEERS: Rows = &[
    (
        "tour.pcapng",
        &[
            ("", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
            ("ip", &[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16]),
            ("arp", &[1, 2]),
            ("not ip", &[1, 2, 13]),
            ("! ip", &[1, 2, 13]),
            ("host 192.0.2.254", &[1, 2, 11, 12]),
            ("src host 203.0.113.80", &[6]),
            ("dst host 203.0.113.80", &[5, 7, 8, 9]),
            ("src or dst host 198.51.100.66", &[14, 15, 16]),
            ("src and dst net 192.0.2.0/24", &[1, 2, 11, 12]),
            ("arp host 192.0.2.254", &[1, 2]),
            ("arp src 192.0.2.254", &[2]),
            ("ip host 192.0.2.254", &[11, 12]),
            ("host 203.0.113.9 or 198.51.100.53", &[3, 4, 10]),
            ("net 198.51.100.0/24", &[3, 4, 14, 15, 16]),
            ("net 198.51.100", &[3, 4, 14, 15, 16]),
            ("net 198.51.100.0 mask 255.255.255.0", &[3, 4, 14, 15, 16]),
            ("src net 203.0.113", &[6, 10]),
            ("tcp", &[5, 6, 7, 8, 16]),
            ("udp", &[3, 4, 9, 14, 15]),
            ("icmp", &[10, 11, 12]),
            ("ip proto 17", &[3, 4, 9, 14, 15]),
            (r"ip proto \udp", &[3, 4, 9, 14, 15]),
            (r"proto \icmp", &[10, 11, 12]),
            ("port 80", &[5, 6, 7, 8]),
            ("port domain", &[3, 4]),
            ("tcp port http", &[5, 6, 7, 8]),
            ("src port 80", &[6]),
            ("dst port 80", &[5, 7, 8]),
            ("src or dst port 53", &[3, 4]),
            ("src and dst port 53", &[]),
            ("udp port 80", &[]),
            ("tcp port 80 or 22", &[5, 6, 7, 8, 16]),
            ("port (22 or domain)", &[3, 4, 16]),
            ("portrange 20-60", &[3, 4, 16]),
            ("udp dst portrange 33434-33534", &[9]),
            ("portrange 60-20", &[3, 4, 16]),
            ("ether host 02:00:00:00:00:fe", &[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16]),
            ("ether src 02:00:00:00:00:fe", &[2, 4, 6, 10, 12, 14, 15, 16]),
            ("ether dst 0200.0000.00fe", &[3, 5, 7, 8, 9, 11]),
            ("ether broadcast", &[1]),
            ("ether multicast", &[1, 13]),
            ("broadcast or multicast", &[1, 13]),
            ("ether proto 0x806", &[1, 2]),
            (r"ether proto \ip", &[3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16]),
            ("vlan", &[13]),
            ("vlan 100", &[13]),
            ("vlan 101", &[]),
            ("vlan and igmp", &[13]),
            ("igmp", &[]),
            ("vlan and ip multicast", &[13]),
            ("greater 100", &[8, 10]),
            ("less 60", &[1, 2, 13, 14, 16]),
            ("len = 74", &[5, 6, 9]),
            ("len > 60 and len <= 74", &[3, 5, 6, 7, 9, 15]),
            ("tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn", &[5, 16]),
            ("tcp[tcpflags] & tcp-push != 0", &[8]),
            ("tcp[13] = 0x12", &[6]),
            ("icmp[icmptype] = icmp-echo", &[11]),
            ("icmp[icmptype] == icmp-timxceed and icmp[icmpcode] = 0", &[10]),
            ("tcp port 80 and (((ip[2:2] - ((ip[0]&0xf)<<2)) - ((tcp[12]&0xf0)>>2)) != 0)", &[8]),
            ("tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420", &[8]),
            ("ip[6:2] & 0x1fff != 0", &[15]),
            ("ip[6] & 0x20 != 0", &[14]),
            ("udp[4:2] > 40", &[4, 14]),
            ("ip[8] < 64", &[4, 6, 9, 14, 15, 16]),
            ("ip[ip[0] & 0xf] = 0", &[6]),
            ("ether[0] & 1 = 1", &[1, 13]),
            ("link[12:2] = 0x0806", &[1, 2]),
            ("arp[6:2] = 2", &[2]),
            ("ip[16] ^ 192 = 0", &[4, 6, 10, 11, 12, 14, 15, 16]),
            ("ip[2:2] / 10 - 1 | 1 = 5", &[3, 5, 6, 7, 9, 15]),
            ("not tcp and not udp", &[1, 2, 10, 11, 12, 13]),
            ("tcp or udp and port 53", &[3, 4]),
            ("icmp || tcp && dst port 22", &[16]),
            ("not (tcp or udp or icmp)", &[1, 2, 13]),
            ("not tcp and port 53", &[3, 4]),
            ("tcp port not 80", &[1, 2, 3, 4, 9, 10, 11, 12, 13, 14, 15, 16]),
            ("host 192.0.2.10 and not port 80 and not 53", &[1, 2, 9, 10, 11, 12, 14, 15, 16]),
            ("1 = 1", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
            ("ip6", &[]),
            ("protochain 6", &[5, 6, 7, 8, 16]),
        ],
    ),
    (
        "fragments.pcap",
        &[
            ("port 5000", &[1]),
            ("udp", &[1, 2, 3]),
            ("icmp[0] = 8", &[6]),
            ("ip[6:2] & 0x2000 != 0", &[1, 2, 5, 6]),
        ],
    ),
    (
        "llc_snap.pcap",
        &[
            ("llc", &[1, 2, 3]),
            ("llc i", &[]),
            ("llc u", &[1, 2, 3]),
            ("llc ui and not stp", &[1, 3]),
            ("llc rr or llc rnr or llc rej", &[]),
            ("llc xid or llc test or llc frmr or llc ua or llc disc or llc sabme", &[]),
            ("stp", &[2]),
            ("ipx", &[4]),
            ("iso", &[]),
            ("ether proto 0x42", &[2]),
            ("ether[12:2] <= 1500", &[1, 2, 3, 4]),
        ],
    ),
    (
        "mpls.pcap",
        &[
            ("mpls", &[1, 2, 3, 4]),
            ("mpls 24001", &[1]),
            ("mpls and ip", &[1]),
            ("mpls 16001 and mpls 24002", &[2]),
            ("mpls and mpls and mpls and icmp", &[2]),
            ("mpls and ip6", &[3]),
            ("ip", &[]),
        ],
    ),
    (
        "vlan.pcap",
        &[
            ("vlan 100", &[1]),
            ("vlan 200 and vlan 100", &[3]),
            ("vlan and vlan and icmp", &[3, 4]),
            ("vlan 300 and vlan and src 192.0.2.1", &[4]),
            ("vlan 0", &[2]),
        ],
    ),
    (
        "pppoe.pcap",
        &[
            ("pppoed", &[1]),
            ("pppoes", &[2, 3, 4]),
            ("pppoes 0x11 and icmp", &[2]),
            ("pppoes 12", &[]),
            ("pppoes and ip6", &[3]),
        ],
    ),
    (
        "vxlan.pcap",
        &[
            ("udp port 4789", &[1, 2, 3]),
            ("icmp", &[]),
            ("tcp", &[]),
        ],
    ),
    (
        "geneve.pcap",
        &[
            ("geneve", &[1, 2, 3, 4, 5, 6]),
            ("geneve 5", &[1, 2]),
            ("geneve 7", &[3, 4]),
            ("geneve 6", &[]),
            ("geneve and udp", &[1, 3]),
            ("geneve and udp port 5001", &[1, 3]),
            ("geneve 7 and udp port 5001", &[3]),
            ("geneve and tcp port 80", &[2, 4]),
            ("geneve 5 and tcp", &[2]),
            ("geneve and tcp[tcpflags] = tcp-syn", &[2]),
            ("geneve and ip6", &[4]),
            ("geneve 9 and icmp", &[5]),
            ("geneve and src 10.1.0.1", &[1, 2, 3, 5]),
            ("geneve and host 203.0.113.1", &[]),
            ("geneve and ether src 02:00:00:00:00:01", &[1, 2]),
            ("geneve and ether proto 0x800", &[1, 2, 3, 5]),
            ("udp port 6081", &[1, 2, 3, 4, 5, 6]),
            ("tcp", &[]),
            ("not geneve", &[]),
        ],
    ),
    (
        "gre.pcap",
        &[
            ("proto 47", &[1, 2, 3, 4, 5]),
            (r"proto \gre", &[1, 2, 3, 4, 5]),
            ("icmp", &[]),
        ],
    ),
    (
        "ipip.pcap",
        &[
            ("ip proto 4", &[1]),
            ("icmp", &[]),
        ],
    ),
    (
        "6in4.pcap",
        &[
            ("proto 41", &[1]),
            ("icmp6", &[]),
        ],
    ),
    (
        "ipv6.pcap",
        &[
            ("ip6", &[1, 2, 3, 4, 5]),
            ("icmp6", &[1, 5]),
            ("tcp port 80", &[3, 4]),
            ("port 5001", &[2]),
            ("ip6 host 2001:db8::1", &[1, 2, 3, 4, 5]),
            ("dst host 2001:db8:1::2", &[1, 2, 3, 4]),
            ("dst net 2001:db8:1::/48", &[1, 2, 3, 4]),
            ("ip6 multicast", &[5]),
            ("icmp6[icmp6type] = icmp6-echo", &[1]),
            ("ip6 proto 17", &[2]),
            ("ip6[6] = 6", &[3, 4]),
            ("ip6[4:2] > 20", &[5]),
            ("tcp[13] = 2", &[]),
        ],
    ),
    (
        "ipv6_extensions.pcap",
        &[
            ("ip6 proto 17", &[]),
            ("udp", &[]),
            (r"ip6 protochain \udp", &[2, 5]),
        ],
    ),
    (
        "arp.pcap",
        &[
            ("arp", &[1, 2, 3, 4]),
            ("rarp", &[5]),
            ("arp[6:2] = 1", &[1, 3, 4]),
            ("arp dst host 192.0.2.254", &[1]),
            ("host 192.0.2.1", &[1, 2, 3, 4]),
        ],
    ),
    (
        "multicast.pcap",
        &[
            ("ip multicast", &[1, 2, 3]),
            ("multicast", &[1, 2, 3]),
            (r"ip proto \ospf", &[3]),
            ("udp port 1900", &[2]),
        ],
    ),
    (
        "protocols.pcap",
        &[
            ("esp", &[1]),
            ("sctp", &[2]),
            ("sctp port 5000", &[]),
            ("ip proto 200", &[4]),
            ("ah or pim or vrrp or igrp", &[]),
        ],
    ),
    (
        "dhcp.pcap",
        &[
            ("ip broadcast", &[1, 2]),
            ("port (bootps or bootpc)", &[1, 2]),
        ],
    ),
    (
        "linux_sll.pcap",
        &[
            ("inbound", &[1, 3]),
            ("outbound", &[2, 4]),
            ("icmp", &[1, 2]),
            ("udp port 5001", &[3]),
            ("link[0:2] = 4", &[2, 4]),
        ],
    ),
    (
        "linux_sll2.pcap",
        &[
            ("ifindex 2", &[1, 2, 4, 6, 7]),
            ("outbound", &[1]),
            ("arp", &[4]),
            ("host 127.0.0.1", &[3]),
            ("ip6", &[5]),
        ],
    ),
    (
        "raw_ip.pcap",
        &[
            ("icmp", &[1]),
            ("icmp6", &[2]),
            ("not ip and not ip6", &[3]),
        ],
    ),
    (
        "raw_ipv4.pcap",
        &[
            ("icmp", &[1]),
        ],
    ),
    (
        "null_little_endian.pcap",
        &[
            ("icmp", &[1]),
            ("ip6", &[2, 3]),
        ],
    ),
    (
        "loop.pcap",
        &[
            ("icmp", &[1]),
            ("icmp6", &[2]),
        ],
    ),
    (
        "ppp.pcap",
        &[
            ("icmp", &[2]),
            ("ip6", &[]),
        ],
    ),
    (
        "ppp_hdlc.pcap",
        &[
            ("icmp", &[1]),
        ],
    ),
    (
        "cisco_hdlc.pcap",
        &[
            ("icmp6", &[2]),
        ],
    ),
    (
        "slip.pcap",
        &[
            ("outbound", &[2]),
        ],
    ),
    (
        "snaplen_cut.pcap",
        &[
            ("tcp", &[1, 2, 3]),
            ("not tcp", &[]),
            ("port 80", &[1, 2]),
            ("tcp[13] = 16", &[1, 2]),
            ("greater 100", &[1, 2, 3, 4]),
            ("host 198.51.100.2", &[1, 2]),
        ],
    ),
    (
        "frames_short.pcap",
        &[
            ("not ip", &[]),
            ("not icmp", &[]),
            ("ip", &[4, 5, 6]),
        ],
    ),
    (
        "tcp_flags.pcap",
        &[
            ("tcp[tcpflags] & (tcp-ece|tcp-cwr) = tcp-ece|tcp-cwr", &[1, 2]),
            ("tcp[tcpflags] & tcp-urg != 0", &[5]),
            ("tcp[tcpflags] == tcp-rst", &[7]),
        ],
    ),
    (
        "igmp_v2.pcap",
        &[
            ("igmp[0] = 0x16", &[3]),
            ("dst 224.0.0.2", &[4]),
        ],
    ),
    (
        "ethertypes.pcap",
        &[
            ("ether proto 0x88cc", &[1]),
        ],
    ),
];

/// Where tcpdump refuses or differs, and why.
#[rustfmt::skip]
pub(crate) const OWN: Rows = &[
    (
        "tour.pcapng",
        &[
            // The direction stands in pcapng's packet flags, which libpcap does not read.
            ("inbound", &[2, 4, 6, 10, 12, 14, 15, 16]),
            ("outbound", &[1, 3, 5, 7, 8, 9, 11, 13]),
            // An address without a word before it, where libpcap wants one before the first.
            ("203.0.113.9", &[10]),
            // Binary numbers, which libpcap does not know.
            ("ip[8] = 0b1000000 and ip[9] = 021", &[3]),
            // libpcap's grammar gives `%` and `^` no precedence, so that what is to their right
            // goes first; in C `*` and `%` go from left to right: 60 * 2 % 7 = 1.
            ("ip[2:2] * 2 % 7 = 1", &[5, 6, 9]),
            // An expression that starts with `-`, which tcpdump takes for an option of its own.
            ("-len + 1 = 0xffffffd7", &[1]),
        ],
    ),
    (
        "null_big_endian.pcap",
        &[
            // libpcap takes the address family in the file's byte order only; this one was written
            // by a host of the other.
            ("icmp", &[1]),
            ("ip6", &[2, 3]),
        ],
    ),
    // libpcap looks for the IP version in the first byte of SLIP's own header, the direction.
    ("slip.pcap", &[("icmp", &[1, 2]), ("inbound and dst 192.0.2.1", &[1])]),
    // libpcap from 1.11 on only.
    (
        "vxlan.pcap",
        &[
            ("vxlan", &[1, 2, 3]),
            ("vxlan 4096 and icmp", &[1]),
            ("vxlan 5", &[]),
            ("vxlan and src 10.1.0.1", &[1, 2, 3]),
            ("vxlan and udp port 5001", &[2]),
            ("vxlan and tcp port 80", &[3]),
        ],
    ),
    (
        "linux_sll2.pcap",
        &[
            // libpcap compares LLC's service access points with the protocol field, where no
            // frame has them: the kernel's number for all of LLC stands there.
            ("iso", &[6]),
            ("stp", &[7]),
            ("ether proto 0x42", &[7]),
        ],
    ),
    // tcpdump calls this an error: it can never match.
    ("raw_ip.pcap", &[("arp", &[]), ("ip and ip6", &[])]),
    ("ethertypes.pcap", &[(r"ether proto \lldp", &[1])]),
];

/// With `--deep`; libpcap has no such thing. Later fragments match by the ports of the first.
#[rustfmt::skip]
pub(crate) const DEEP: Rows = &[
    ("vlan.pcap", &[("icmp", &[1, 2, 3, 4]), ("vlan 100", &[1, 3, 4]), ("icmp and not vlan 200", &[1, 2, 4])]),
    ("mpls.pcap", &[("icmp", &[1, 2]), ("icmp6", &[3]), ("mpls 24002 and src 192.0.2.1", &[2])]),
    ("pppoe.pcap", &[("icmp", &[2]), ("ip6", &[3])]),
    ("gre.pcap", &[("icmp and src 10.1.0.1", &[1, 2, 3]), ("proto 47", &[1, 2, 3, 4, 5])]),
    ("ipip.pcap", &[("icmp", &[1]), ("host 203.0.113.1 and host 10.1.0.1", &[1])]),
    ("6in4.pcap", &[("icmp6", &[1]), ("host 2001:db8::1 and host 203.0.113.2", &[1])]),
    (
        "vxlan.pcap",
        &[
            ("icmp", &[1]),
            ("vxlan 4096 and udp port 4789 and icmp", &[1]),
            ("udp port 5001", &[2]),
            ("tcp port 80", &[3]),
        ],
    ),
    (
        "geneve.pcap",
        &[
            ("geneve 5", &[1, 2]),
            ("udp port 5001", &[1, 3]),
            ("tcp port 80", &[2, 4]),
            ("tcp port 80 and udp port 6081", &[2, 4]),
            ("geneve 7 and tcp port 80", &[4]),
            ("src 10.1.0.1 and src 203.0.113.1", &[1, 2, 3, 5]),
            ("ip6", &[4]),
            ("icmp", &[5]),
        ],
    ),
    ("tour.pcapng", &[("igmp", &[13]), ("dst 224.0.0.22", &[13]), ("src port 31337", &[14, 15, 16])]),
    ("fragments.pcap", &[("port 5000", &[1, 2, 3]), ("udp dst port 5001", &[1, 2, 3]), ("port 5002", &[])]),
];
