//! Messages made by hand, and what RFC 792 and its successors say of them.

use crate::wire::checksum::checksum;
use crate::wire::frame::LinkType;
use crate::wire::outline::{frame, outline, outline_ipv4};

/// A datagram that carries `data` of `protocol`, its checksum right.
fn datagram(protocol: u8, source: [u8; 4], destination: [u8; 4], data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + data.len()).unwrap().to_be_bytes();
    let mut bytes = vec![0x45, 0, length[0], length[1], 0, 1, 0, 0];
    bytes.extend([64, protocol, 0, 0]);
    bytes.extend(source);
    bytes.extend(destination);
    let sum = checksum(&bytes);
    bytes.splice(10..12, sum.to_be_bytes());
    bytes.extend(data);
    bytes
}

const NEAR: [u8; 4] = [10, 0, 0, 1];
const FAR: [u8; 4] = [10, 0, 0, 2];

/// A message from 10.0.0.1 to 10.0.0.2, its checksum filled in.
fn message(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let sum = checksum(&bytes);
    bytes.splice(2..4, sum.to_be_bytes());
    datagram(1, NEAR, FAR, &bytes)
}

/// An error's 8 bytes and the datagram it quotes.
fn error(header: [u8; 8], quoted: &[u8]) -> Vec<u8> {
    message(&[&header[..], quoted].concat())
}

/// What a host sent that an error is about: 8 bytes of an experimental protocol, so that its
/// own dissection adds nothing here.
fn quoted() -> Vec<u8> {
    datagram(253, FAR, NEAR, &[1, 2, 3, 4, 5, 6, 7, 8])
}

/// The lines of the ICMP layer itself, and the anomalies, without their path and without the
/// checksum, which has a test of its own.
fn described(bytes: &[u8]) -> Vec<String> {
    outline_ipv4(bytes)
        .lines()
        .filter_map(|line| line.strip_prefix("icmpv4."))
        .filter(|line| !line.starts_with("quoted.") && !line.starts_with("checksum"))
        .map(str::to_owned)
        .collect()
}

fn anomalies(bytes: &[u8]) -> Vec<String> {
    outline_ipv4(bytes)
        .lines()
        .filter_map(|line| line.strip_prefix("! "))
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect()
}

const NONE: [&str; 0] = [];

#[test]
fn echo_is_described_as_the_contract_says() {
    // Sum of the words 0800 0000 0007 0001 6162 is 0x696a; its complement is the checksum.
    let text = outline_ipv4(&datagram(
        1,
        NEAR,
        FAR,
        &[8, 0, 0x96, 0x95, 0, 7, 0, 1, 0x61, 0x62],
    ));
    let lines: Vec<_> = text
        .lines()
        .skip_while(|l| !l.starts_with("icmp"))
        .collect();
    assert_eq!(
        lines,
        [
            "icmpv4.type = 8 (echo request)",
            "icmpv4.code = 0",
            "icmpv4.checksum = 0x9695",
            "icmpv4.checksum_ok = true (good)",
            "icmpv4.identifier = 7 (0x0007)",
            "icmpv4.sequence = 1",
            "payload.length = 2",
        ]
    );
    let wrong = datagram(1, NEAR, FAR, &[8, 0, 0x96, 0x94, 0, 7, 0, 1, 0x61, 0x62]);
    let text = outline_ipv4(&wrong);
    assert!(
        text.contains("checksum_ok = false (bad, should be 0x9695)"),
        "{text}"
    );
    assert!(text.contains("! icmpv4.checksum.bad at 1"), "{text}");
    let swapped = message(&[0, 0, 0, 0, 0, 7, 2, 0]);
    assert_eq!(
        described(&swapped)[3],
        "sequence = 512 (2 if little-endian)"
    );
}

#[test]
fn an_error_quotes_the_datagram_and_says_why() {
    let text = outline_ipv4(&error([3, 4, 0, 0, 0, 0, 0x05, 0x78], &quoted()));
    for line in [
        "icmpv4.type = 3 (destination unreachable)",
        "icmpv4.code = 4 (fragmentation needed)",
        "icmpv4.length = 0 (not given)",
        "icmpv4.next_hop_mtu = 1400 (bytes)",
        "icmpv4.quoted.layers.ipv4.total_length = 28 (bytes)",
        "icmpv4.quoted.layers.ipv4.source = 10.0.0.2",
        "icmpv4.quoted.layers.payload.length = 8",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.contains('!') && !text.contains("stopped"), "{text}");
}

#[test]
fn a_router_that_gives_no_mtu_leaves_the_plateau() {
    let mut big = quoted();
    big.splice(2..4, 1500_u16.to_be_bytes());
    assert_eq!(
        described(&error([3, 4, 0, 0, 0, 0, 0, 0], &big))[4],
        "next_hop_mtu = 0 (not given; the plateau below the datagram's length is 1492)"
    );
    assert_eq!(
        described(&error([3, 3, 0, 0, 0, 0, 0, 0], &big))[4],
        "next_hop_mtu = 0 (unused)"
    );
}

#[test]
fn redirect_names_the_gateway_and_parameter_problem_the_field() {
    assert_eq!(
        described(&error([5, 1, 0, 0, 10, 0, 0, 254], &quoted()))[1..2],
        ["code = 1 (redirect for host)"]
    );
    assert!(
        described(&error([5, 1, 0, 0, 10, 0, 0, 254], &quoted()))[2]
            .starts_with("gateway = 10.0.0.254")
    );
    for (pointer, field) in [
        (0, "version and header length"),
        (1, "type of service"),
        (8, "time to live"),
        (13, "source address"),
        (19, "destination address"),
        (20, "data behind the header"),
    ] {
        assert_eq!(
            described(&error([12, 0, 0, 0, pointer, 0, 0, 0], &quoted()))[2],
            format!("pointer = {pointer} ({field})")
        );
    }
    // A header with a router alert from byte 20 and two no operations behind it.
    let mut options = quoted();
    options[0] = 0x47;
    options.splice(20..20, [148, 4, 0, 0, 1, 1, 0, 0]);
    for (pointer, field) in [
        (22, "option Router alert"),
        (25, "option No operation"),
        (27, "options"),
        (28, "data behind the header"),
    ] {
        assert_eq!(
            described(&error([12, 0, 0, 0, pointer, 0, 0, 0], &options))[2],
            format!("pointer = {pointer} ({field})")
        );
    }
}

#[test]
fn timestamps_are_times_of_day() {
    // 45,296,789 ms since midnight, once in the wrong byte order.
    let bytes = [
        14, 0, 0, 0, 0, 7, 0, 1, 0x02, 0xb3, 0x2c, 0x95, 0x95, 0x2c, 0xb3, 0x02, 0x7f, 0xff, 0xff,
        0xff,
    ];
    assert_eq!(
        described(&message(&bytes))[2..],
        [
            "identifier = 7 (0x0007)",
            "sequence = 1",
            "originate_timestamp = 45296789 (12:34:56.789 UTC)",
            "receive_timestamp = 2502734594 (non-standard; little-endian it would be 12:34:56.789 UTC)",
            "transmit_timestamp = 2147483647 (not a time of day)",
        ]
    );
}

#[test]
fn router_advertisement_lists_its_routers() {
    let bytes = [
        9, 0, 0, 0, 2, 2, 7, 8, 10, 0, 0, 254, 0, 0, 0, 0, 10, 0, 0, 253, 0x80, 0, 0, 0,
    ];
    assert_eq!(
        described(&message(&bytes))[1..],
        [
            "code = 0 (normal)",
            "num_addrs = 2",
            "addr_entry_size = 2 (8 bytes)",
            "lifetime = 1800 (seconds)",
            "entries.[Router].router_address = 10.0.0.254",
            "entries.[Router].preference_level = 0",
            "entries.[Router].router_address = 10.0.0.253",
            "entries.[Router].preference_level = -2147483648 (not to be used as a default router)",
        ]
    );
    let mut lying = bytes;
    lying[4] = 3;
    assert_eq!(anomalies(&message(&lying)), ["icmpv4.truncated"]);
}

#[test]
fn the_rarer_messages_are_read_in_full() {
    let mask = [17, 0, 0, 0, 0, 1, 0, 2, 255, 255, 255, 0];
    assert_eq!(
        described(&message(&mask))[4],
        "address_mask = 255.255.255.0 (/24)"
    );
    let traceroute = [
        30, 0, 0, 0, 0, 9, 0, 0, 0, 3, 0, 4, 0, 0x12, 0xd6, 0x87, 0, 0, 5, 220,
    ];
    assert_eq!(
        described(&message(&traceroute))[1..],
        [
            "code = 0 (outbound packet forwarded)",
            "id_number = 9",
            "unused = 0",
            "outbound_hop_count = 3",
            "return_hop_count = 4",
            "output_link_speed = 1234567 (bytes a second)",
            "output_link_mtu = 1500",
        ]
    );
    assert_eq!(
        described(&message(&[43, 0, 0, 0, 0, 9, 5, 0x46]))[1..],
        [
            "code = 0 (no error)",
            "identifier = 9 (0x0009)",
            "sequence = 5",
            "state = 2 (reachable)",
            "reserved = 0",
            "active = true (active)",
            "ipv4 = true",
            "ipv6 = false",
        ]
    );
    assert_eq!(
        described(&message(&[40, 1, 0, 0, 0, 0, 0, 20]))[1..],
        [
            "code = 1 (authentication failed)",
            "reserved = 0",
            "pointer = 20 (byte of the original datagram where the SPI stands)",
        ]
    );
    let name = [38, 0, 0, 0, 0, 9, 0, 1, 0, 0, 0, 60, 1, b'a', 0];
    assert_eq!(described(&message(&name))[4], "ttl = 60 (seconds)");
}

#[test]
fn unknown_types_and_codes_are_named_so() {
    assert_eq!(anomalies(&message(&[44, 0, 0, 0])), ["icmpv4.type.unknown"]);
    assert_eq!(anomalies(&message(&[253, 9, 0, 0])), NONE);
    assert_eq!(
        anomalies(&error([11, 2, 0, 0, 0, 0, 0, 0], &quoted())),
        ["icmpv4.code.unknown"]
    );
    assert_eq!(
        anomalies(&error([11, 1, 0, 0, 0, 0, 0, 0], &quoted())),
        NONE
    );
    assert_eq!(
        anomalies(&message(&[15, 0, 0, 0, 0, 1, 0, 1])),
        ["icmpv4.type.deprecated"]
    );
    assert_eq!(anomalies(&message(&[10, 0, 0, 0, 0, 0, 0, 0])), NONE);
    assert_eq!(
        anomalies(&message(&[8, 1, 0, 0, 0, 1, 0, 1])),
        ["icmpv4.code.unknown"]
    );
}

#[test]
fn what_no_error_may_be_about() {
    let unreachable = [3, 1, 0, 0, 0, 0, 0, 0];
    // An error quotes a redirect or an unreachable; an echo may be quoted.
    let about = |kind| {
        error(
            unreachable,
            &datagram(1, FAR, NEAR, &[kind, 0, 0, 0, 0, 0, 0, 0]),
        )
    };
    assert_eq!(anomalies(&about(3)), ["icmpv4.error.about_error"]);
    assert_eq!(anomalies(&about(11)), ["icmpv4.error.about_error"]);
    assert_eq!(anomalies(&about(8)), NONE);

    let mut fragment = quoted();
    fragment[7] = 1;
    assert_eq!(
        anomalies(&error(unreachable, &fragment)),
        ["icmpv4.error.about_fragment"]
    );
    fragment[6] = 0x20;
    fragment[7] = 0;
    assert_eq!(anomalies(&error(unreachable, &fragment)), NONE);

    for (source, destination, odd) in [
        (FAR, [224, 0, 0, 5], true),
        (FAR, [255; 4], true),
        ([0; 4], NEAR, true),
        ([239, 1, 1, 1], NEAR, true),
        (FAR, [223, 255, 255, 254], false),
    ] {
        let quoted = datagram(253, source, destination, &[0; 8]);
        let expected = if odd {
            vec!["icmpv4.error.about_many"]
        } else {
            vec![]
        };
        assert_eq!(anomalies(&error(unreachable, &quoted)), expected);
    }

    let mut bytes = [&unreachable[..], &quoted()].concat();
    let sum = checksum(&bytes);
    bytes.splice(2..4, sum.to_be_bytes());
    assert_eq!(
        anomalies(&datagram(1, NEAR, [224, 0, 0, 1], &bytes)),
        ["icmpv4.error.to_many"]
    );
}

#[test]
fn an_mtu_below_68_cannot_be() {
    let mtu = |mtu| anomalies(&error([3, 4, 0, 0, 0, 0, 0, mtu], &quoted()));
    assert_eq!(mtu(1), ["icmpv4.unreachable.mtu"]);
    assert_eq!(mtu(67), ["icmpv4.unreachable.mtu"]);
    assert_eq!(mtu(68), NONE);
    assert_eq!(mtu(0), NONE);
}

#[test]
fn an_echo_to_everybody_is_said() {
    let mut echo = vec![8, 0, 0, 0, 0, 7, 0, 1];
    let sum = checksum(&echo);
    echo.splice(2..4, sum.to_be_bytes());
    assert_eq!(
        anomalies(&datagram(1, NEAR, [255; 4], &echo)),
        ["icmpv4.echo.broadcast"]
    );
    assert_eq!(anomalies(&datagram(1, NEAR, [224, 0, 0, 1], &echo)), NONE);
}

#[test]
fn a_quote_may_be_short_only_where_the_datagram_was() {
    let exceeded = [11, 0, 0, 0, 0, 0, 0, 0];
    let quoted = quoted();
    for len in 0..quoted.len() {
        assert_eq!(
            anomalies(&error(exceeded, &quoted[..len])),
            ["icmpv4.quote.short"],
            "{len}"
        );
    }
    assert_eq!(anomalies(&error(exceeded, &quoted)), NONE);
    // A datagram without data is quoted whole by its 20 bytes.
    assert_eq!(
        anomalies(&error(exceeded, &datagram(253, FAR, NEAR, &[]))),
        NONE
    );
    let mut version = quoted.clone();
    version[0] = 0x65;
    assert_eq!(
        anomalies(&error(exceeded, &version)),
        ["icmpv4.quote.version"]
    );
}

#[test]
fn quotes_end_where_they_get_absurd() {
    let mut inner = quoted();
    for _ in 0..20 {
        inner = error([11, 0, 0, 0, 0, 0, 0, 0], &inner);
    }
    let text = outline_ipv4(&inner);
    assert!(text.contains("stopped ipv4"), "{text}");
    assert!(
        !text.contains("quoted.layers.icmpv4.quoted.layers.icmpv4.quoted.layers.icmpv4.quoted")
    );
}

#[test]
fn every_type_and_every_length_has_a_description() {
    for kind in 0..=255 {
        for fill in [0, 1, 2, 32, 33, 0x45, 255] {
            for len in 1..=48 {
                let mut bytes = [fill; 48];
                bytes[0] = kind;
                outline_ipv4(&datagram(1, NEAR, FAR, &bytes[..len]));
            }
        }
    }
    for (header, short) in [
        (&[8, 0, 0, 0, 0, 1, 0, 1][..], 8),
        (
            &[13, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            20,
        ),
        (&[43, 0, 0, 0, 0, 1, 1, 0], 8),
    ] {
        for len in 1..short {
            let text = outline_ipv4(&datagram(1, NEAR, FAR, &header[..len]));
            assert!(text.contains("! icmpv4.truncated at 1"), "{len}: {text}");
            assert!(text.contains("stopped icmpv4 at 20"), "{len}: {text}");
        }
        let whole = message(header);
        for len in 0..whole.len() {
            let mut cut = frame(LinkType::IPV4, &whole[..len]);
            cut.wire_len = u32::try_from(whole.len()).unwrap();
            let text = outline(&cut);
            assert!(!text.contains('!'), "{len}: {text}");
            assert!(!text.contains("icmpv4.checksum_ok = true"), "{len}: {text}");
        }
    }
    assert!(outline_ipv4(&datagram(1, NEAR, FAR, &[])).contains("! icmpv4.truncated at 0"));
}

/// The first fragment of a long message: nothing can be said of the checksum or of lengths.
#[test]
fn a_first_fragment_is_not_taken_for_a_message() {
    let mut bytes = datagram(1, NEAR, FAR, &[13, 0, 0, 0, 0, 1, 0, 1]);
    bytes[6] = 0x20;
    bytes.splice(10..12, [0, 0]);
    let sum = checksum(&bytes[..20]);
    bytes.splice(10..12, sum.to_be_bytes());
    let text = outline_ipv4(&bytes);
    assert!(text.contains("icmpv4.checksum_ok = ? (not judged: a fragment)"));
    assert!(!text.contains('!'), "{text}");
}
