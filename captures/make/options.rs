//! IPv4 options, one kind a capture, on echo requests.

use super::file::{ETHERNET, pcap};
use super::packet::{A, B, DF, IP, Ip, ROUTER, UDP, echo, ipv4, join, pattern, sent, udp_message};
use super::{Capture, capture};

/// The far router of a route.
const FAR: [u8; 4] = [203, 0, 113, 17];

pub(crate) fn captures() -> Vec<Capture> {
    vec![
        with(
            "option_record_route.pcap",
            "Record Route: empty, two of three slots used, full",
            &[
                join(&[&[7, 15, 4], &[0; 12]]),
                join(&[&[7, 15, 12], &ROUTER, &FAR, &[0; 4]]),
                join(&[&[7, 11, 12], &ROUTER, &FAR]),
            ],
        ),
        with("option_timestamp.pcap", TIMESTAMP, &timestamps()),
        capture(
            "option_loose_source_route.pcap",
            "Loose Source Route: setting out, half way, arrived; and UDP under way, whose checksum \
             covers the last stop and not the next",
            pcap(ETHERNET, &loose()),
        ),
        with(
            "option_strict_source_route.pcap",
            "Strict Source Route: setting out, arrived",
            &[
                join(&[&[137, 11, 4], &FAR, &B]),
                join(&[&[137, 11, 12], &ROUTER, &FAR]),
            ],
        ),
        with(
            "option_security.pcap",
            "Security: the RFC 791 form, the basic and extended options of RFC 1108",
            &[
                vec![130, 11, 0xf1, 0x35, 0, 1, 0, 2, b'U', b'S', b'A'],
                vec![130, 4, 0xab, 0x80],
                vec![130, 5, 0x5a, 0x41, 0x02, 133, 6, 1, 0xde, 0xad, 0xbe],
            ],
        ),
        with(
            "option_cipso.pcap",
            "CIPSO in domain 5: tag types 1 (bitmap), 2 (enumerated), 5 (ranges), 6 (permissive), \
             7 (free form) and Linux's local 128",
            &[
                vec![134, 12, 0, 0, 0, 5, 1, 6, 0, 3, 0xa0, 0x01],
                vec![134, 14, 0, 0, 0, 5, 2, 8, 0, 3, 0, 7, 0x01, 0x00],
                vec![134, 18, 0, 0, 0, 5, 5, 12, 0, 3, 0, 20, 0, 10, 0, 5, 0, 2],
                vec![134, 12, 0, 0, 0, 5, 6, 6, 0, 1, 0xff, 0x00],
                vec![134, 11, 0, 0, 0, 5, 7, 5, b'a', b'b', b'c'],
                vec![134, 12, 0, 0, 0, 5, 128, 6, 1, 0, 0, 0],
            ],
        ),
        with(
            "option_router_alert.pcap",
            "Router Alert: value 0, and RSVP aggregation level 3 of RFC 3175",
            &[vec![148, 4, 0, 0], vec![148, 4, 0, 3]],
        ),
        with(
            "option_stream_id.pcap",
            "Stream identifier, withdrawn by RFC 6814",
            &[vec![136, 4, 0, 42]],
        ),
        with(
            "option_quick_start.pcap",
            "Quick-Start: a rate request and the report of the rate approved",
            &[
                vec![25, 8, 0x09, 64, 0x12, 0x34, 0x56, 0x78],
                vec![25, 8, 0x87, 0, 0x12, 0x34, 0x56, 0x78],
            ],
        ),
        with(
            "option_mtu_probe.pcap",
            "MTU Probe and MTU Reply of RFC 1063",
            &[vec![11, 4, 0x05, 0xdc], vec![12, 4, 0x02, 0x40]],
        ),
        with(
            "option_traceroute.pcap",
            "The traceroute option of RFC 1393",
            &[join(&[&[82, 12, 0x12, 0x34, 0, 3, 0xff, 0xff], &A])],
        ),
        with(
            "option_experiment.pcap",
            "The four experimental options of RFC 4727",
            &[
                vec![30, 4, 0xab, 0xcd],
                vec![94, 4, 0xab, 0xcd],
                vec![158, 4, 0xab, 0xcd],
                vec![222, 6, 0xab, 0xcd, 1, 2],
            ],
        ),
        with(
            "option_withdrawn.pcap",
            "Options that RFC 6814 withdrew: ENCODE, VISA, EIP, ADDEXT, SDB, DPS, UMP",
            &[
                vec![15, 4, 0, 0],
                vec![142, 4, 0, 0],
                vec![145, 4, 0, 0],
                join(&[&[147, 11, 0], &pattern(8)]),
                join(&[&[149, 10], &ROUTER, &FAR]),
                vec![151, 4, 0, 0],
                vec![152, 4, 0, 0],
            ],
        ),
        with(
            "option_obscure.pcap",
            "Options registered, never withdrawn and hardly ever seen: ZSU, IMITD, FINN",
            &[vec![10, 4, 0, 0], vec![144, 4, 0, 0], vec![205, 4, 0, 0]],
        ),
        with(
            "option_unknown.pcap",
            "Options that nobody has registered: one of class 2, one of a reserved class, each \
             before one that is known",
            &[
                vec![200, 6, 1, 2, 3, 4, 148, 4, 0, 0],
                vec![0x21, 2, 148, 4, 0, 0],
            ],
        ),
        with(
            "option_padding.pcap",
            "No Operation and End of Options List: alignment, four in a row, forty, bytes behind \
             the end",
            &[
                vec![1, 1, 148, 4, 0, 0, 0, 0],
                vec![1; 4],
                vec![1; 40],
                vec![0, 0xde, 0xad, 0xbe],
            ],
        ),
        with(
            "option_malformed.pcap",
            "Options that lie: length 0, length 1, length past the header, no length byte; Record \
             Route with a pointer of 3, of 5, far behind, without one, with nine slots and a byte more",
            &[
                vec![7, 0, 4, 0],
                vec![7, 1, 4, 0],
                vec![7, 39, 4, 0, 0, 0, 0, 0],
                vec![1, 1, 1, 7],
                join(&[&[7, 7, 3], &ROUTER]),
                join(&[&[7, 11, 5], &ROUTER, &FAR]),
                join(&[&[7, 7, 200], &ROUTER]),
                vec![7, 2, 1, 1],
                join(&[&[7, 40, 4], &[0; 37]]),
            ],
        ),
    ]
}

const TIMESTAMP: &str = "Internet Timestamp in its three forms: times alone, with addresses, of \
                         addresses given; then one that ran over twice, and a time that is not \
                         standard";

/// Milliseconds since midnight UT: 22:13:20.
const NOON: [u8; 4] = 80_000_000u32.to_be_bytes();
const LATER: [u8; 4] = 80_000_012u32.to_be_bytes();

/// One datagram a frame for each set of options.
fn with(path: &str, shows: &str, options: &[Vec<u8>]) -> Capture {
    let mut frames = Vec::new();
    for (index, options) in options.iter().enumerate() {
        frames.push(sent(&echo(&Ip { options, ..IP }, index as u16 + 1, 8)));
    }
    capture(path, shows, pcap(ETHERNET, &frames))
}

fn timestamps() -> Vec<Vec<u8>> {
    vec![
        join(&[&[68, 16, 13, 0x00], &NOON, &LATER, &[0; 4]]),
        join(&[&[68, 20, 13, 0x01], &ROUTER, &NOON, &[0; 8]]),
        join(&[&[68, 20, 13, 0x03], &ROUTER, &NOON, &FAR, &[0; 4]]),
        join(&[&[68, 8, 9, 0x20], &NOON]),
        join(&[&[68, 8, 9, 0x00], &[0x80, 0, 0, 1]]),
    ]
}

fn loose() -> Vec<Vec<u8>> {
    let route =
        |pointer: u8, first: &[u8], second: &[u8]| join(&[&[131, 11, pointer], first, second]);
    let setting_out = Ip {
        destination: ROUTER,
        options: &route(4, &FAR, &B),
        ..IP
    };
    let half_way = Ip {
        destination: FAR,
        ttl: 60,
        options: &route(8, &ROUTER, &B),
        ..IP
    };
    let arrived = Ip {
        ttl: 57,
        options: &route(12, &ROUTER, &FAR),
        ..IP
    };
    let message = udp_message(&IP, 5000, 5001, b"by way of");
    vec![
        sent(&echo(&setting_out, 1, 8)),
        sent(&echo(&half_way, 1, 8)),
        sent(&echo(&arrived, 1, 8)),
        sent(&ipv4(
            &Ip {
                flags: DF,
                ..setting_out
            },
            UDP,
            &message,
        )),
    ]
}
