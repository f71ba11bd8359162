//! Messages made by hand, and what RFC 1112, RFC 2236 and RFC 9776 say of them.

use super::version3::float;
use crate::wire::checksum::checksum;
use crate::wire::frame::LinkType;
use crate::wire::outline::{frame, outline, outline_ipv4};

const ALL_SYSTEMS: [u8; 4] = [224, 0, 0, 1];
const ALL_ROUTERS: [u8; 4] = [224, 0, 0, 2];
const REPORTS: [u8; 4] = [224, 0, 0, 22];
const GROUP: [u8; 4] = [239, 1, 2, 3];

/// A datagram with router alert around these bytes, both checksums right.
fn datagram(ttl: u8, destination: [u8; 4], message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(24 + message.len()).unwrap().to_be_bytes();
    let mut bytes = vec![0x46, 0xc0, length[0], length[1], 0, 1, 0, 0];
    bytes.extend([ttl, 2, 0, 0, 10, 0, 0, 1]);
    bytes.extend(destination);
    bytes.extend([148, 4, 0, 0]);
    let sum = checksum(&bytes);
    bytes.splice(10..12, sum.to_be_bytes());
    let mut message = message.to_vec();
    if message.len() >= 4 {
        message.splice(2..4, [0, 0]);
        let sum = checksum(&message);
        message.splice(2..4, sum.to_be_bytes());
    }
    [bytes, message].concat()
}

/// The lines about IGMP without the checksum, and the anomalies.
fn described(destination: [u8; 4], message: &[u8]) -> Vec<String> {
    outline_ipv4(&datagram(1, destination, message))
        .lines()
        .filter_map(|line| {
            line.strip_prefix("igmp.")
                .or_else(|| line.strip_suffix(" at 1"))
        })
        .filter(|line| !line.starts_with("checksum"))
        .map(str::to_owned)
        .collect()
}

fn anomalies(destination: [u8; 4], message: &[u8]) -> Vec<String> {
    described(destination, message)
        .into_iter()
        .filter_map(|line| line.strip_prefix("! ").map(str::to_owned))
        .collect()
}

const NONE: [&str; 0] = [];

#[test]
fn queries_are_told_apart_by_time_and_length() {
    assert_eq!(
        described(ALL_SYSTEMS, &[0x11, 0, 0, 0, 0, 0, 0, 0]),
        [
            "type = 0x11 (v1 query)",
            "unused = 0",
            "group_address = 0.0.0.0 (general: all groups)",
        ]
    );
    assert_eq!(
        described(ALL_SYSTEMS, &[0x11, 100, 0, 0, 0, 0, 0, 0])[..2],
        ["type = 0x11 (v2 query)", "max_resp_time = 100 (10.0 s)"]
    );
    // S set, robustness 2, interval code 0x8f: (15 | 16) << (0 + 3) is 248 s; two sources.
    let query = [
        0x11, 0x8f, 0, 0, 239, 1, 2, 3, 0x0a, 0x8f, 0, 2, 10, 0, 0, 7, 10, 0, 0, 8,
    ];
    let lines = described(GROUP, &query);
    assert_eq!(
        lines[..2],
        ["type = 0x11 (v3 query)", "max_resp_code = 143 (24.8 s)"]
    );
    assert!(lines[2].starts_with("group_address = 239.1.2.3"));
    assert_eq!(
        lines[3..],
        [
            "resv = 0 (no extension)",
            "s = true (routers leave their timers alone)",
            "qrv = 2",
            "qqic = 143 (248 s)",
            "number_of_sources = 2",
            "source_addresses = 10.0.0.7",
            "source_addresses = 10.0.0.8",
        ]
    );
}

/// RFC 9776 section 4.1.1: from 128 on, (mantissa | 16) << (exponent + 3).
#[test]
fn codes_are_floating_point() {
    assert_eq!([0, 100, 127].map(float), [0, 100, 127]);
    assert_eq!([0x80, 0x81, 0x8f, 0x90].map(float), [128, 136, 248, 256]);
    assert_eq!(float(0xff), 31 << 10);
}

#[test]
fn a_report_lists_its_records() {
    let report = [
        &[0x22, 0, 0, 0, 0, 0, 0, 2][..],
        // To exclude mode without sources: a join.
        &[4, 0, 0, 0, 239, 1, 2, 3],
        // Allow one source, with a word of auxiliary data.
        &[5, 1, 0, 1, 232, 1, 2, 3, 10, 0, 0, 7, 0xca, 0xfe, 0, 1],
        // Bytes behind the records are covered and ignored.
        &[1, 2],
    ]
    .concat();
    let lines = described(REPORTS, &report);
    let lines: Vec<_> = lines
        .iter()
        .map(|line| line.replace("group_records.[Group record].", ""))
        .collect();
    assert_eq!(
        lines[..7],
        [
            "type = 0x22 (v3 report)",
            "reserved = 0",
            "flags = 0 (no extension)",
            "number_of_group_records = 2",
            "record_type = 4 (CHANGE_TO_EXCLUDE_MODE)",
            "aux_data_len = 0 (32-bit words)",
            "number_of_sources = 0",
        ]
    );
    assert!(lines[7].starts_with("multicast_address = 239.1.2.3"));
    assert_eq!(lines[8], "record_type = 5 (ALLOW_NEW_SOURCES)");
    assert_eq!(
        lines[12..],
        ["source_addresses = 10.0.0.7", "auxiliary_data = cafe0001"]
    );
    let text = outline_ipv4(&datagram(1, REPORTS, &report));
    assert!(text.contains("igmp.checksum_ok = true (good)"), "{text}");
    assert!(text.contains("payload.length = 2"), "{text}");
}

#[test]
fn what_else_speaks_igmp_is_named() {
    for (number, name) in [
        (0x13, "DVMRP"),
        (0x14, "PIM v1"),
        (0x1f, "multicast traceroute"),
        (0x31, "multicast router solicitation"),
        (0xfd, "RGMP join group"),
    ] {
        let lines = described(ALL_SYSTEMS, &[number, 0, 0, 0, 224, 0, 0, 9]);
        assert_eq!(lines[0], format!("type = 0x{number:02x} ({name})"));
        assert_eq!(anomalies(ALL_SYSTEMS, &[number, 0, 0, 0, 0, 0, 0, 0]), NONE);
    }
    assert_eq!(
        described(ALL_SYSTEMS, &[0x30, 20, 0, 0, 0, 125, 0, 2])[1..],
        [
            "advertisement_interval = 20 (seconds)",
            "query_interval = 125 (seconds)",
            "robustness_variable = 2",
        ]
    );
    let create = [1, 1, 0, 0, 0, 0, 0, 9, 224, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1];
    assert_eq!(
        described(ALL_SYSTEMS, &create)[2..],
        [
            "identifier = 9",
            "group_address = 224.1.1.1",
            "access_key = 0x0000000000000001",
        ]
    );
    assert_eq!(
        described(ALL_SYSTEMS, &[0x13, 7, 0, 0, 0, 0, 0, 0])[1],
        "code = 7 (prune)"
    );
}

#[test]
fn what_is_odd_is_said_and_its_neighbour_is_not() {
    let join = [0x16, 0, 0, 0, 239, 1, 2, 3];
    let mut bytes = datagram(1, GROUP, &join);
    bytes[26] ^= 1;
    assert!(outline_ipv4(&bytes).contains("! igmp.checksum.bad at 1"));
    assert!(!outline_ipv4(&datagram(1, GROUP, &join)).contains('!'));
    assert!(outline_ipv4(&datagram(64, GROUP, &join)).contains("! igmp.ttl at 1"));
    assert!(!outline_ipv4(&datagram(64, GROUP, &[0x13, 1, 0, 0])).contains("igmp.ttl"));

    assert_eq!(
        anomalies(ALL_SYSTEMS, &[0x50, 0, 0, 0, 0, 0, 0, 0]),
        ["igmp.type.unknown"]
    );
    assert_eq!(anomalies(ALL_SYSTEMS, &[0xf0, 0, 0, 0, 0, 0, 0, 0]), NONE);
    assert_eq!(
        anomalies(GROUP, &[0x16, 0, 0, 0, 10, 1, 2, 3]),
        ["igmp.group"]
    );
    // A switch that lost its tree leaves group 0.0.0.0 to be asked again.
    assert_eq!(anomalies(ALL_ROUTERS, &[0x17, 0, 0, 0, 0, 0, 0, 0]), NONE);

    let leave = [0x17, 0, 0, 0, 239, 1, 2, 3];
    assert_eq!(anomalies(ALL_ROUTERS, &leave), NONE);
    assert_eq!(anomalies(GROUP, &leave), NONE);
    assert_eq!(anomalies(ALL_SYSTEMS, &leave), ["igmp.destination"]);
    let report = [0x22, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 0, 239, 1, 2, 3];
    assert_eq!(anomalies(REPORTS, &report), NONE);
    assert_eq!(anomalies(GROUP, &report), ["igmp.destination"]);
}

#[test]
fn lengths_that_lie_are_said() {
    for len in 1..8 {
        assert_eq!(
            anomalies(GROUP, &[0x16, 0, 0, 0, 239, 1, 2][..len]),
            ["igmp.truncated"]
        );
    }
    for len in 9..12 {
        assert_eq!(
            anomalies(ALL_SYSTEMS, &[0x11, 100, 0, 0, 0, 0, 0, 0, 0, 0, 0][..len]),
            ["igmp.truncated"]
        );
    }
    let query = [0x11, 100, 0, 0, 0, 0, 0, 0, 2, 125, 0, 1, 10, 0, 0, 7];
    assert_eq!(anomalies(ALL_SYSTEMS, &query), NONE);
    assert_eq!(anomalies(ALL_SYSTEMS, &query[..15]), ["igmp.records"]);
    let report = [
        0x22, 0, 0, 0, 0, 0, 0, 1, 6, 0, 0, 1, 239, 1, 2, 3, 10, 0, 0, 7,
    ];
    assert_eq!(anomalies(REPORTS, &report), NONE);
    for len in 8..report.len() {
        assert_eq!(
            anomalies(REPORTS, &report[..len]),
            ["igmp.records"],
            "{len}"
        );
    }
    let mut more = report;
    more[7] = 2;
    assert_eq!(anomalies(REPORTS, &more), ["igmp.records"]);
}

#[test]
fn every_type_and_every_length_has_a_description() {
    for number in 0..=255 {
        for fill in [0, 1, 2, 0x91, 255] {
            for len in 1..=40 {
                let mut message = [fill; 40];
                message[0] = number;
                outline_ipv4(&datagram(1, GROUP, &message[..len]));
            }
        }
    }
    let report = [
        0x22, 0, 0, 0, 0, 0, 0, 2, 6, 1, 0, 1, 239, 1, 2, 3, 10, 0, 0, 7, 1, 2, 3, 4, 4, 0, 0, 0,
        239, 1, 2, 4,
    ];
    let whole = datagram(1, REPORTS, &report);
    for len in 0..whole.len() {
        let mut cut = frame(LinkType::IPV4, &whole[..len]);
        cut.wire_len = u32::try_from(whole.len()).unwrap();
        let text = outline(&cut);
        assert!(!text.contains('!'), "{len}: {text}");
    }
    assert!(outline_ipv4(&datagram(1, GROUP, &[])).contains("! igmp.truncated at 0"));
}
