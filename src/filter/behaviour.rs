//! What expressions mean: which hand-built frames each matches, which are the same, and what is
//! said about the ones that are none.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;
use std::net::Ipv4Addr;

use super::{Expression, Filter, Fragments, NoNames, Options, Resolve, Target};
use crate::wire::frame::{Direction, Frame, LinkType, Offload};

struct Hosts;

impl Resolve for Hosts {
    fn host(&self, name: &str) -> Result<Vec<Ipv4Addr>, String> {
        match name {
            "pair" => Ok(vec![Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 9)]),
            _ => Err("unknown host".to_owned()),
        }
    }

    fn network(&self, _: &str) -> Result<(Ipv4Addr, Ipv4Addr), String> {
        Ok((Ipv4Addr::new(10, 1, 0, 0), Ipv4Addr::new(255, 255, 0, 0)))
    }

    fn ethernet(&self, _: &str) -> Result<[u8; 6], String> {
        Ok([2, 0, 0, 0, 0, 9])
    }
}

fn options(link_type: LinkType, target: Target, deep: bool) -> Options<'static> {
    Options {
        deep,
        target,
        link_type,
        snaplen: 0,
        netmask: None,
        resolve: &Hosts,
    }
}

fn compiled(text: &str, link_type: LinkType, deep: bool) -> Filter {
    let expression = Expression::parse(text)
        .map_err(|error| format!("{error}"))
        .unwrap();
    Filter::compile(&expression, &options(link_type, Target::File, deep))
        .map_err(|error| format!("{error}"))
        .unwrap()
}

fn frame(link_type: LinkType, bytes: &[u8]) -> Frame<'_> {
    Frame {
        number: 1,
        time: None,
        link_type,
        wire_len: u32::try_from(bytes.len()).unwrap(),
        bytes,
        interface: None,
        direction: Some(Direction::Out),
        offload: Offload::default(),
        comments: &[],
    }
}

/// An IPv4 header (RFC 791) from 10.0.0.1 to 10.0.0.2, then `payload`.
fn ipv4(protocol: u8, fragment: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = fragment.to_be_bytes();
    let mut bytes = vec![0x45, 0, 0, 60, 0, 7, high, low, 64, protocol, 0, 0];
    bytes.extend([10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend(payload);
    bytes
}

/// Ports and the rest of a TCP header without options (RFC 9293).
fn tcp(source: u16, destination: u16, flags: u8) -> Vec<u8> {
    let mut bytes = source.to_be_bytes().to_vec();
    bytes.extend(destination.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, flags, 1, 0, 0, 0, 0, 0]);
    bytes
}

/// A UDP header (RFC 768), then `payload`.
fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = source.to_be_bytes().to_vec();
    bytes.extend(destination.to_be_bytes());
    bytes.extend([0, 30, 0, 0]);
    bytes.extend(payload);
    bytes
}

fn ethernet(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    bytes.extend(ethertype.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// One letter a frame, for the table of matches.
fn frames() -> Vec<(char, Vec<u8>)> {
    let web = ipv4(6, 0, &tcp(40000, 80, 0x02));
    let dns = ipv4(17, 0, &udp(53, 5353, b"dns"));
    let echo = ipv4(1, 0, &[8, 0, 0, 0, 0, 1, 0, 1]);
    let mut ipv6 = vec![0x60, 0, 0, 0, 0, 20, 6, 64];
    for last in [1, 2] {
        ipv6.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    ipv6.extend(tcp(443, 50000, 0x12));
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1];
    arp.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    let tagged = [&[0, 5, 8, 0], web.as_slice()].concat();
    let twice = [&[0, 5, 0x81, 0, 0, 6, 8, 0], web.as_slice()].concat();
    let labelled = [&[0, 1, 0, 64, 0, 2, 1, 64], web.as_slice()].concat();
    let session = [&[0x11, 0, 0, 3, 0, 62, 0, 0x21], web.as_slice()].concat();
    let inner = ethernet(0x0800, &dns);
    let vxlan = [&[8, 0, 0, 0, 0, 0, 42, 0], inner.as_slice()].concat();
    let geneve = [&[0, 0, 8, 0, 0, 0, 9, 0], web.as_slice()].concat();
    vec![
        ('w', ethernet(0x0800, &web)),
        ('d', ethernet(0x0800, &dns)),
        ('e', ethernet(0x0800, &echo)),
        ('6', ethernet(0x86dd, &ipv6)),
        ('a', ethernet(0x0806, &arp)),
        ('f', ethernet(0x0800, &ipv4(6, 0x0003, &tcp(40000, 80, 0)))),
        ('v', ethernet(0x8100, &tagged)),
        ('q', ethernet(0x88a8, &twice)),
        ('m', ethernet(0x8847, &labelled)),
        ('p', ethernet(0x8864, &session)),
        ('i', ethernet(0x0800, &ipv4(4, 0, &web))),
        (
            'g',
            ethernet(
                0x0800,
                &ipv4(47, 0, &[&[0, 0, 8, 0], web.as_slice()].concat()),
            ),
        ),
        ('x', ethernet(0x0800, &ipv4(17, 0, &udp(1, 4789, &vxlan)))),
        ('n', ethernet(0x0800, &ipv4(17, 0, &udp(1, 6081, &geneve)))),
        ('s', ethernet(0x0026, &[0x42, 0x42, 3, 0, 0])),
        ('t', vec![2, 0, 0]),
    ]
}

fn matched(text: &str, deep: bool) -> String {
    let filter = compiled(text, LinkType::ETHERNET, deep);
    let mut letters = String::new();
    for (letter, bytes) in frames() {
        if filter.matches(&frame(LinkType::ETHERNET, &bytes)) {
            letters.push(letter);
        }
    }
    letters
}

#[test]
fn each_expression_matches_its_frames() {
    let table = [
        ("", "wde6afvqmpigxnst"),
        ("ip", "wdefigxn"),
        ("ip6", "6"),
        ("arp", "a"),
        ("tcp", "w6f"),
        ("udp", "dxn"),
        ("icmp", "e"),
        ("stp", "s"),
        ("llc", "s"),
        ("llc u", "s"),
        ("llc ui and stp", "s"),
        ("llc i or llc s or llc xid", ""),
        ("tcp port 80", "w"),
        ("port 80 or 53", "wd"),
        ("port (http or domain)", "wd"),
        ("tcp src port https", "6"),
        ("portrange 50-90", "wd"),
        ("host 10.0.0.1", "wdeafigxn"),
        ("arp host 10.0.0.2", "a"),
        ("src host 10.0.0.2", ""),
        ("dst 10.0.0.2", "wdeafigxn"),
        ("10.0.0.2 and tcp", "wf"),
        ("net 10.0.0.0/30 and udp", "dxn"),
        ("net 10 and icmp", "e"),
        ("ip host pair and not icmp", "wdfigxn"),
        ("gateway pair", ""),
        ("ether src 2:0:0:0:0:1 and arp", "a"),
        ("ether dst 02-00-00-00-00-02 and ip6", "6"),
        ("host 2001:db8::1", "6"),
        ("src net 2001:db8::/64", "6"),
        ("ip proto \\tcp", "wf"),
        ("proto 47", "g"),
        ("protochain 6", "w6f"),
        ("ip[6:2] & 0x1fff != 0", "f"),
        ("tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn", "w"),
        ("icmp[icmptype] = icmp-echo", "e"),
        ("ip[2:2] - 20 = 40 and tcp", "wf"),
        ("less 20", "st"),
        ("len = 3", "t"),
        // What a frame is too short for does not match it, negated or not.
        ("not ip", "6avqmps"),
        ("vlan", "vq"),
        ("vlan 5 and tcp", "v"),
        ("vlan 5 and vlan 6 and port 80", "q"),
        ("vlan and not vlan", "v"),
        ("mpls 16", "m"),
        ("mpls and mpls 32 and tcp", "m"),
        ("pppoes 3 and tcp dst port 80", "p"),
        ("vxlan 42 and udp src port 53", "x"),
        ("vxlan 41", ""),
        ("geneve 9 and tcp port 80", "n"),
        ("geneve and not udp", "n"),
        // Right of a tunnel everything is looked for inside it, but the length is the frame's.
        ("geneve or vxlan", "n"),
        ("geneve or ip", "n"),
        ("geneve or less 20", "ns"),
        ("outbound and icmp", "e"),
        ("inbound", ""),
    ];
    for (text, expected) in table {
        assert_eq!(matched(text, false), expected, "{text}");
    }
}

#[test]
fn deep_filters_look_through_every_encapsulation() {
    let table = [
        ("tcp dst port 80", "wvqmpign"),
        ("udp port 53", "dx"),
        ("vlan 6", "q"),
        ("vlan 6 and port 80 and vlan 5", "q"),
        ("port 80 and not vlan", "wmpign"),
        ("mpls 32", "m"),
        ("proto 4 and tcp", "i"),
        ("vxlan 42 or geneve 9 or pppoes 3", "pxn"),
        ("ether src 2:0:0:0:0:1 and udp", "dxn"),
        ("tcp[tcpflags] = tcp-syn", "wvqmpign"),
    ];
    for (text, expected) in table {
        assert_eq!(matched(text, true), expected, "{text}");
        assert!(!compiled(text, LinkType::ETHERNET, true).is_exact());
    }
}

#[test]
fn later_fragments_are_judged_by_the_ports_of_the_first() {
    let filter = compiled("udp port 53", LinkType::ETHERNET, true);
    let other = compiled("udp port 54", LinkType::ETHERNET, true);
    let first = ethernet(0x0800, &ipv4(17, 0x2000, &udp(53, 1000, b"")));
    let later = ethernet(0x0800, &ipv4(17, 0x0001, &[0, 53, 0, 53, 0, 0, 0, 0]));
    let mut stranger = later.clone();
    if let Some(identification) = stranger.get_mut(19) {
        *identification = 8;
    }
    let mut fragments = Fragments::new();
    let mut judge = |filter: &Filter, bytes: &[u8]| {
        fragments.matches(filter, &frame(LinkType::ETHERNET, bytes))
    };
    assert!(
        !judge(&filter, &later),
        "its first fragment has not been seen"
    );
    assert!(judge(&filter, &first));
    assert!(judge(&filter, &later));
    assert!(!judge(&other, &later));
    assert!(!judge(&filter, &stranger));
}

#[test]
fn the_same_said_differently_is_the_same_program() {
    let pairs = [
        ("tcp port 80 or 443", "tcp port 80 or tcp port 443"),
        (
            "host 10.0.0.1 or 10.0.0.2",
            "host 10.0.0.1 or host 10.0.0.2",
        ),
        ("not tcp and udp", "(not tcp) and udp"),
        ("tcp or udp and icmp", "(tcp or udp) and icmp"),
        ("tcp && !udp || arp", "tcp and not udp or arp"),
        ("port not 80", "not port 80"),
        ("src or dst port 80", "port 80"),
        ("net 10.1", "net 10.1.0.0/16"),
        ("src net office", "src net 10.1.0.0/16"),
        ("net 10.1", "net 10.1.0.0 mask 255.255.0.0"),
        ("less 60", "len <= 60"),
        ("ip[0] + 2 * 3 = 9", "ip[0] = 3"),
        ("ip[0] & 15 | 16 ^ 3 = 5", "((ip[0] & 15) | (16 ^ 3)) = 5"),
        ("ip[8] << 1 + 1 = 8", "(ip[8] << 2) = 8"),
        ("ip[0] = 0x45", "ip[0:1] == 0105"),
        ("ip[0] = 0b1000101", "ip[0] = 69"),
        ("portrange 90-80", "portrange 80-90"),
        ("ip and ip", "ip"),
        ("ip or not ip", ""),
        ("tcp and (ip or arp)", "ip proto 6"),
        ("- 1 = 0xffffffff", ""),
    ];
    for (one, other) in pairs {
        let [first, second] = [one, other].map(|text| compiled(text, LinkType::ETHERNET, false));
        assert_eq!(first.program(), second.program(), "{one} and {other}");
    }
}

#[test]
fn a_shorter_program_asks_a_frame_for_no_byte_more() {
    // TCP decides before the byte that this frame does not hold; `ip proto 6` behind it does not
    // make the first one needless.
    let text = "ip[9] = 6 or (ip[9] != 17 and (ip[1000] = 1 or ip[9] = 6))";
    let filter = compiled(text, LinkType::RAW, false);
    assert!(filter.matches(&frame(LinkType::RAW, &ipv4(6, 0, &tcp(1, 2, 0)))));
    assert!(!filter.matches(&frame(LinkType::RAW, &ipv4(1, 0, &[8, 0]))));
}

#[test]
fn either_byte_order_of_a_loopback_header() {
    let packet = ipv4(6, 0, &tcp(1, 80, 0));
    let sixth = [0x60, 0, 0, 0, 0, 0, 6, 64];
    for (text, little, big) in [
        ("ip", true, true),
        ("tcp dst port 80", true, true),
        ("ip6", false, false),
        // Known to match nothing, or everything, in one order alone.
        ("ip and link[0:4] = 2", false, true),
        ("not (ip and link[3] = 2)", true, false),
    ] {
        let filter = compiled(text, LinkType::NULL, false);
        for (family, expected) in [([2, 0, 0, 0], little), ([0, 0, 0, 2], big)] {
            let bytes = [&family, packet.as_slice()].concat();
            let found = filter.matches(&frame(LinkType::NULL, &bytes));
            assert_eq!(found, expected, "{text} {family:?}");
        }
        assert!(!filter.never_matches() || (!little && !big), "{text}");
        assert!(!filter.accepts_all(), "{text}");
    }
    for family in [10, 24, 28, 30] {
        for header in [[family, 0, 0, 0], [0, 0, 0, family]] {
            let bytes = [header.as_slice(), &sixth].concat();
            let filter = compiled("ip6 proto 6", LinkType::NULL, false);
            assert!(filter.matches(&frame(LinkType::NULL, &bytes)), "{header:?}");
        }
    }
}

#[test]
fn what_can_be_known_beforehand_is_said() {
    assert!(compiled("arp", LinkType::RAW, false).never_matches());
    assert!(compiled("ip and arp", LinkType::ETHERNET, false).never_matches());
    assert!(compiled("tcp port 80 and udp port 80", LinkType::ETHERNET, false).never_matches());
    assert!(compiled("ip", LinkType::IPV4, false).accepts_all());
    assert!(compiled("", LinkType::ETHERNET, false).accepts_all());
    assert!(!compiled("ip", LinkType::ETHERNET, false).never_matches());
}

#[test]
fn osi_over_cisco_hdlc_stands_behind_one_byte_of_padding() {
    // Type 0xfefe; then padding, and IS-IS's network layer protocol identifier.
    let bytes = [0x0f, 0, 0xfe, 0xfe, 3, 0x83, 0, 0];
    for (text, expected) in [
        ("iso", true),
        ("isis", true),
        ("esis", false),
        ("ip", false),
    ] {
        let filter = compiled(text, LinkType::C_HDLC, false);
        let found = filter.matches(&frame(LinkType::C_HDLC, &bytes));
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn a_filter_can_be_shared_by_threads() {
    fn shared<T: Send + Sync + Clone>(_: &T) {}
    shared(&compiled("tcp", LinkType::ETHERNET, true));
}

#[test]
fn names_resolve_to_all_their_addresses() {
    assert_eq!(
        compiled("host pair", LinkType::ETHERNET, false).program(),
        compiled("host 10.0.0.1 or 10.0.0.9", LinkType::ETHERNET, false).program()
    );
    let expression = Expression::parse("host nobody").unwrap();
    let error = Filter::compile(
        &expression,
        &options(LinkType::ETHERNET, Target::File, false),
    );
    assert!(error.unwrap_err().to_string().contains("unknown host"));
}

#[test]
fn a_program_too_long_for_the_kernel_is_a_superset() {
    let mut text = String::from("port 1");
    for port in 1..3000 {
        let _ = write!(text, " or {}", port * 2);
    }
    let expression = Expression::parse(&text).unwrap();
    let live = options(LinkType::ETHERNET, Target::Live, false);
    let filter = Filter::compile(&expression, &live).unwrap();
    assert!(!filter.is_exact());
    assert!(filter.program().len() <= super::LONGEST_KERNEL_PROGRAM);
    let (even, odd) = (tcp(9, 4000, 0), tcp(9, 4001, 0));
    let judge = |payload: &[u8]| {
        let bytes = ethernet(0x0800, &ipv4(6, 0, payload));
        filter.matches(&frame(LinkType::ETHERNET, &bytes))
    };
    assert!(judge(&even) && !judge(&odd));
}

/// The message and the words under the caret.
fn refused(text: &str) -> (String, String) {
    let message = match Expression::parse(text) {
        Err(error) => error.to_string(),
        Ok(expression) => {
            let options = Options {
                resolve: &NoNames,
                ..options(LinkType::RAW, Target::File, false)
            };
            Filter::compile(&expression, &options)
                .unwrap_err()
                .to_string()
        }
    };
    let mut lines = message.lines();
    let (first, shown, caret) = (lines.next(), lines.next(), lines.next());
    let marked = caret
        .unwrap()
        .chars()
        .zip(shown.unwrap().chars().chain(std::iter::repeat(' ')));
    let under = marked
        .filter(|(mark, _)| *mark == '^')
        .map(|(_, character)| character)
        .collect();
    (first.unwrap().to_owned(), under)
}

#[test]
fn errors_point_at_the_word() {
    let table = [
        ("tcp port htpp", "htpp", "no known service"),
        ("vci 3", "vci", "not supported: it is of ATM"),
        (
            "wlan type mgt",
            "type",
            "not supported: it is of IEEE 802.11",
        ),
        ("tcp and l1", "l1", "not supported: it is of IS-IS"),
        ("llc foo", "foo", "expected `and`"),
        ("src net nowhere", "src net nowhere", "in numbers"),
        ("port 65536", "65536", "65535"),
        ("host 10.0.0.256", "10.0.0.256", "255"),
        ("net 10.0.0.1/8", "10.0.0.1/8", "the net is 10.0.0.0"),
        ("net 10.0.0.0/33", "33", "32 bits"),
        ("tcp and", " ", "expected a primitive"),
        ("(tcp", " ", "expected `)`"),
        ("tcp)", ")", "expected `and`"),
        ("tcp udp", "udp", "expected `and`"),
        ("TCP", "TCP", "small letters: `tcp`"),
        ("80", "80", "qualifies nothing"),
        ("tcp or 80", "80", "qualifies nothing"),
        ("ip[0", " ", "expected `]`"),
        ("ip[0:3] = 1", "3", "1, 2 or 4"),
        ("ip[0]", "ip[0]", "expected a comparison"),
        ("ip[0] / 0 = 1", "0", "division by zero"),
        ("ip[0] << 32 = 1", "32", "31 bits"),
        ("len = 4294967296", "4294967296", "32 bits"),
        ("vlan 4096", "4096", "4095"),
        ("icmp port 80", "icmp", "have ports"),
        ("tcp host 10.0.0.1", "tcp", "looked for in"),
        ("host 1:2:3:4:5:6", "1:2:3:4:5:6", "ether host"),
        ("src proto 6", "src", "no direction"),
        ("tcp = 3", "=", "expected `and`"),
        ("3 = tcp", "tcp", "expected a number"),
        ("tcp § udp", "§", "starts nothing"),
        ("ether", "ether", "says nothing"),
        // In the language, but not on raw IP.
        (
            "tcp and ether host 1:2:3:4:5:6",
            "ether host 1:2:3:4:5:6",
            "RAW",
        ),
        ("vlan 3", "vlan 3", "no VLAN tags"),
        ("mpls", "mpls", "no MPLS"),
        ("host example.com", "host example.com", "not resolved"),
        (
            "ip[2147483648] = 0",
            "ip[2147483648] = 0",
            "outside any packet",
        ),
        ("ifindex 3", "ifindex 3", "interface"),
    ];
    for (text, expected, words) in table {
        let (message, under) = refused(text);
        assert_eq!(under, expected, "{text}: {message}");
        assert!(message.contains(words), "{text}: {message}");
    }
}

/// A program cannot follow a chain of headers. What is asked only when the chain has TCP must not
/// refuse a frame that has none, and is too short for it.
#[test]
fn what_may_not_be_asked_refuses_nothing() {
    // The first bytes of IPv6, with ICMP as the next header.
    let bytes = [0x60, 0, 0, 0, 0, 0, 1];
    let frame = frame(LinkType::RAW, &bytes);
    for text in [
        "(protochain 6 and ip6 multicast) or not port 79",
        "not (not protochain 6 or ip6 multicast) or not port 79",
        "((protochain 6 or ip) and ip6 multicast) or not port 79",
    ] {
        let filter = compiled(text, LinkType::RAW, false);
        assert!(filter.matches(&frame), "{text}");
        let passed = super::Machine::new(filter.program()).unwrap().run(&frame);
        assert_ne!(passed, 0, "{text}");
    }
}

#[test]
fn link_layer_words_are_refused_on_a_cooked_socket() {
    for text in ["ether host 1:2:3:4:5:6", "link[12] = 1", "ether multicast"] {
        let expression = Expression::parse(text).unwrap();
        let cooked = options(LinkType::LINUX_SLL2, Target::LiveCooked, false);
        assert!(Filter::compile(&expression, &cooked).is_err(), "{text}");
    }
}

#[test]
fn hostile_expressions_are_refused() {
    let deep = 100_000;
    let mut long = String::from("host 10.0.0.1");
    for number in 0..60_000 {
        let _ = write!(long, " or tcp[{}] = {number}", number % 1000);
    }
    for text in [
        "(".repeat(deep),
        format!("{}ip{}", "(".repeat(deep), ")".repeat(deep)),
        format!("{}1 = 1", "-".repeat(deep)),
        format!("{}0{} = 1", "ip[".repeat(deep), "]".repeat(deep)),
        format!("port {}80", "not (".repeat(deep)),
        format!("ip[0]{} = 1", " + ip[0]".repeat(deep)),
        format!("ip{}", " and tcp or udp".repeat(deep / 2)),
        "a".repeat(2 << 20),
        "geneve and ".repeat(10) + "ip",
        long,
    ] {
        let refused = match Expression::parse(&text) {
            Err(_) => true,
            Ok(expression) => {
                let ethernet = options(LinkType::ETHERNET, Target::File, false);
                Filter::compile(&expression, &ethernet).is_err()
            }
        };
        assert!(refused, "{}…", text.get(..40).unwrap_or(&text));
    }
    // Long, but plain: `not` any number of times, a long list.
    assert!(
        !compiled(
            &format!("{}ip", "not ".repeat(deep)),
            LinkType::ETHERNET,
            false
        )
        .never_matches()
    );
    let mut list = String::from("port 1");
    for port in 2..5000 {
        let _ = write!(list, " or {port}");
    }
    let filter = compiled(&list, LinkType::ETHERNET, false);
    assert!(filter.matches(&frame(
        LinkType::ETHERNET,
        &ethernet(0x0800, &ipv4(6, 0, &tcp(9, 4999, 0)))
    )));
    assert!(!filter.matches(&frame(
        LinkType::ETHERNET,
        &ethernet(0x0800, &ipv4(6, 0, &tcp(6000, 6001, 0)))
    )));
}
