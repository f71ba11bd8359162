//! Options made by hand, and what RFC 791 and its successors say of them.

use super::last_stop;
use crate::wire::checksum::checksum;
use crate::wire::outline::outline_ipv4;

/// A datagram of an experimental protocol from 10.0.0.1 to 10.0.0.2 with these options, filled
/// up with zero bytes as the header asks.
fn datagram(options: &[u8], fragment_offset: u8) -> Vec<u8> {
    let mut options = options.to_vec();
    options.resize(options.len().next_multiple_of(4), 0);
    let words = 5 + u8::try_from(options.len() / 4).unwrap();
    let mut bytes = vec![0x40 | words, 0, 0, words * 4, 0, 1, 0, fragment_offset];
    bytes.extend([64, 253, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    bytes.extend(options);
    let sum = checksum(&bytes);
    bytes.splice(10..12, sum.to_be_bytes());
    bytes
}

/// The lines about the options, and the anomalies, without the path before each item.
fn described(options: &[u8]) -> Vec<String> {
    outline_ipv4(&datagram(options, 0))
        .lines()
        .filter(|line| line.contains(".options") || line.starts_with('!'))
        .map(|line| line.replace("ipv4.options.", ""))
        .collect()
}

fn anomalies(options: &[u8], fragment_offset: u8) -> Vec<String> {
    outline_ipv4(&datagram(options, fragment_offset))
        .lines()
        .filter_map(|line| line.strip_prefix("! "))
        .map(|line| line.replace(" at 0", ""))
        .collect()
}

#[test]
fn record_route_says_which_slot_is_next() {
    // RFC 791: type 7, length 3 + 2 * 4, pointer at the second slot (byte 8, counted from 1).
    let option = [7, 11, 8, 192, 0, 2, 1, 0, 0, 0, 0, 0];
    assert_eq!(
        described(&option),
        [
            "[Record route].type = 7 (Record route: not copied, control, number 7)",
            "[Record route].length = 11",
            "[Record route].pointer = 8 (slot 2)",
            "[Record route].addresses = 192.0.2.1 (recorded)",
            "[Record route].addresses = 0.0.0.0 (next to be written)",
            "[End of options list].type = 0 (End of options list: not copied, control, number 0)",
        ]
    );
    assert!(described(&[7, 7, 8, 192, 0, 2, 1, 0])[2].ends_with("pointer = 8 (full)"));
}

#[test]
fn a_source_route_says_where_the_datagram_goes() {
    let option = [131, 11, 8, 192, 0, 2, 1, 192, 0, 2, 9, 1];
    let lines = described(&option);
    assert_eq!(
        lines[0],
        "[Loose source route].type = 131 (Loose source route: copied, control, number 3)"
    );
    assert_eq!(
        lines[3],
        "[Loose source route].addresses = 192.0.2.1 (recorded)"
    );
    assert_eq!(
        lines[4],
        "[Loose source route].addresses = 192.0.2.9 (next stop)"
    );
    assert_eq!(lines.last().unwrap(), "! ipv4.option.source_route at 0");
    assert_eq!(last_stop(&option), Some([192, 0, 2, 9]));
    // Behind the end the route is used up, and the header's destination is the last stop.
    let used_up = [1, 137, 7, 8, 192, 0, 2, 1];
    assert_eq!(last_stop(&used_up), None);
    assert_eq!(last_stop(&[131, 11, 4, 192, 0, 2, 1, 192]), None);
    assert_eq!(last_stop(&[7, 7, 4, 192, 0, 2, 1]), None);
}

#[test]
fn timestamps_come_in_three_forms() {
    // Flag 0: 12:34:56.789 is 45,296,789 ms.
    let alone = [68, 12, 9, 0x10, 0x02, 0xb3, 0x2c, 0x95, 0, 0, 0, 0];
    assert_eq!(
        described(&alone)[1..],
        [
            "[Internet timestamp].length = 12",
            "[Internet timestamp].pointer = 9 (slot 2)",
            "[Internet timestamp].overflow = 1 (hosts that found no room)",
            "[Internet timestamp].flag = 0 (timestamps only)",
            "[Internet timestamp].entries.[Entry].timestamp = 45296789 (12:34:56.789 UTC)",
            "[Internet timestamp].entries.[Entry].timestamp = 0 (next to be written)",
        ]
    );
    // Flag 1, with the high bit for a time that is not since midnight.
    let with_address = [68, 12, 13, 1, 10, 0, 0, 7, 0x80, 0, 0, 1];
    assert_eq!(
        described(&with_address)[4..],
        [
            "[Internet timestamp].flag = 1 (each with its address)",
            "[Internet timestamp].entries.[Entry].address = 10.0.0.7 (recorded)",
            "[Internet timestamp].entries.[Entry].timestamp = 2147483649 (non-standard; little-endian it would be 04:39:37.344 UTC)",
        ]
    );
    let prespecified = [68, 12, 5, 3, 10, 0, 0, 7, 0, 0, 0, 0];
    assert_eq!(
        described(&prespecified)[4..],
        [
            "[Internet timestamp].flag = 3 (from the addresses given)",
            "[Internet timestamp].entries.[Entry].address = 10.0.0.7 (next to be written)",
            "[Internet timestamp].entries.[Entry].timestamp = 0 (next to be written)",
        ]
    );
}

#[test]
fn security_is_told_apart_by_its_length() {
    let old = [130, 11, 0xf1, 0x35, 0, 0, b'A', b'B', b'X', b'Y', b'Z', 0];
    assert_eq!(
        described(&old)[2..6],
        [
            "[Security].security = 0xf135 (Confidential)",
            "[Security].compartments = 0x0000 (not compartmented)",
            "[Security].handling_restrictions = \"AB\"",
            "[Security].transmission_control_code = \"XYZ\"",
        ]
    );
    // RFC 1108: Secret, under the rules of GENSER and the NSA.
    assert_eq!(
        described(&[130, 4, 0x5a, 0x90])[2..],
        [
            "[Security].classification_level = 0x5a (Secret)",
            "[Security].protection_authority = 90 (GENSER, NSA)",
        ]
    );
    assert_eq!(
        described(&[133, 5, 7, 0xab, 0xcd, 0, 0, 0])[2..4],
        [
            "[Extended security].format_code = 7",
            "[Extended security].additional_security_information = abcd",
        ]
    );
}

#[test]
fn cipso_shows_its_levels_and_categories() {
    // A bitmap with bits 0, 2 and 239 (the last bit of byte 29) of 30 bytes would fill the
    // header; 2 bytes with bits 0, 2 and 15 say the same.
    let bitmap = [134, 12, 0, 0, 0, 5, 1, 6, 0, 3, 0xa0, 0x01];
    let tag = "[Commercial security (CIPSO)].tags.[Tag]";
    assert_eq!(
        described(&bitmap)[2..],
        [
            "[Commercial security (CIPSO)].doi = 5".to_owned(),
            format!("{tag}.type = 1 (restrictive bitmap)"),
            format!("{tag}.length = 6"),
            format!("{tag}.sensitivity_level = 3"),
            format!("{tag}.categories = 0"),
            format!("{tag}.categories = 2"),
            format!("{tag}.categories = 15"),
        ]
    );
    let enumerated = [134, 14, 0, 0, 0, 5, 2, 8, 0, 3, 0, 9, 1, 0, 1, 1];
    assert_eq!(
        described(&enumerated)[6..8],
        [
            format!("{tag}.categories = 9"),
            format!("{tag}.categories = 256"),
        ]
    );
    // Two ranges, 9 down to 5 and 3 down to a 0 that is left out.
    let ranged = [134, 16, 0, 0, 0, 5, 5, 10, 0, 3, 0, 9, 0, 5, 0, 3];
    assert_eq!(
        described(&ranged)[6..],
        [
            format!("{tag}.categories.[Range].top = 9"),
            format!("{tag}.categories.[Range].bottom = 5"),
            format!("{tag}.categories.[Range].top = 3"),
            format!("{tag}.categories.[Range].bottom = 0 (left out)"),
        ]
    );
    let free_form = [134, 12, 0, 0, 0, 5, 0, 7, 5, 1, 2, 3];
    assert_eq!(
        described(&free_form)[3..],
        [
            format!("{tag}.type = 0 (padding)"),
            format!("{tag}.type = 7 (free form)"),
            format!("{tag}.length = 5"),
            format!("{tag}.data = 010203"),
        ]
    );
    assert_eq!(
        anomalies(&[134, 10, 0, 0, 0, 5, 1, 0, 0, 3], 0),
        ["ipv4.option.length"]
    );
}

#[test]
fn small_options_are_read_in_full() {
    assert_eq!(
        described(&[148, 4, 0, 0])[2],
        "[Router alert].value = 0 (every router examines the packet)"
    );
    // RFC 4782: rate 5 is 40 kbit/s * 2^5; the nonce has 30 bits, the last 2 are reserved.
    assert_eq!(
        described(&[25, 8, 0x05, 64, 1, 2, 3, 5])[2..],
        [
            "[Quick-Start].function = 0 (rate request)",
            "[Quick-Start].rate = 5 (1280 kbit/s)",
            "[Quick-Start].qs_ttl = 64",
            "[Quick-Start].qs_nonce = 0x004080c1",
            "[Quick-Start].reserved = 1",
        ]
    );
    assert_eq!(
        described(&[82, 12, 0, 7, 0, 3, 0xff, 0xff, 10, 0, 0, 9])[2..6],
        [
            "[Traceroute].id_number = 7",
            "[Traceroute].outbound_hop_count = 3",
            "[Traceroute].return_hop_count = 65535",
            "[Traceroute].originator = 10.0.0.9",
        ]
    );
    assert_eq!(described(&[11, 4, 5, 220])[2], "[MTU probe].mtu = 1500");
    assert_eq!(
        described(&[136, 4, 0, 42])[2],
        "[Stream identifier].stream_id = 42"
    );
    assert_eq!(
        described(&[0x1e, 4, 0xca, 0xfe])[2],
        "[RFC 3692 experiment].data = cafe"
    );
}

#[test]
fn bytes_behind_the_end_are_shown() {
    assert_eq!(
        described(&[1, 0, 0, 0])[2],
        "[Padding].padding = 0000 (zero, as it should be)"
    );
    assert_eq!(
        described(&[1, 0, 7, 9])[2],
        "[Padding].padding = 0709 (not zero: bytes hidden behind the end of the list)"
    );
}

#[test]
fn legal_options_are_no_anomaly() {
    for options in [
        &[148, 4, 0, 0][..],
        &[68, 12, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[68, 40, 5, 0x10],
        &[7, 39, 4],
        &[7, 7, 8, 10, 0, 0, 1],
        &[134, 10, 0, 0, 0, 5, 1, 4, 0, 3],
        &[130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        &[25, 8, 5, 64, 0, 0, 0, 0],
        &[1, 1, 1, 1],
        &[0; 40],
        &[222, 2],
    ] {
        let len = match options {
            [0 | 1, ..] => options.len(),
            [_, len, ..] => usize::from(*len),
            _ => 0,
        };
        let mut whole = options.to_vec();
        whole.resize(len, 0);
        assert_eq!(anomalies(&whole, 0), [""; 0], "{whole:?}");
    }
}

#[test]
fn what_is_odd_is_said_and_its_neighbour_is_not() {
    let cases: &[(&[u8], &str)] = &[
        (&[7, 0, 4, 0], "ipv4.option.length"),
        (&[7, 1, 4, 0], "ipv4.option.length"),
        (&[7, 9, 4, 0, 0, 0, 0, 0], "ipv4.option.length"),
        (&[1, 1, 1, 148], "ipv4.option.length"),
        (&[148, 3, 0, 0], "ipv4.option.length"),
        (&[7, 6, 4, 0, 0, 0, 0, 0], "ipv4.option.length"),
        (&[68, 8, 5, 1, 0, 0, 0, 0], "ipv4.option.length"),
        (&[7, 7, 3, 0, 0, 0, 0], "ipv4.option.pointer"),
        (&[7, 7, 0, 0, 0, 0, 0], "ipv4.option.pointer"),
        (&[7, 7, 5, 0, 0, 0, 0], "ipv4.option.pointer"),
        (&[68, 8, 4, 0, 0, 0, 0, 0], "ipv4.option.pointer"),
        (
            &[68, 12, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            "ipv4.option.pointer",
        ),
        (&[3, 4, 0, 0], "ipv4.option.unknown"),
        (&[136, 4, 0, 1], "ipv4.option.deprecated"),
        (&[137, 7, 4, 10, 0, 0, 9], "ipv4.option.source_route"),
        (
            &[7, 7, 4, 0, 0, 0, 0, 7, 7, 4, 0, 0, 0, 0],
            "ipv4.option.duplicate",
        ),
    ];
    for (options, id) in cases {
        assert_eq!(anomalies(options, 0), [*id], "{options:?}");
    }
    // One slot further, past the end, is a full option and legal.
    assert_eq!(anomalies(&[7, 7, 8, 0, 0, 0, 0], 0), [""; 0]);
    assert_eq!(anomalies(&[68, 8, 9, 0, 0, 0, 0, 0], 0), [""; 0]);
    // Two router alerts are allowed.
    assert_eq!(anomalies(&[148, 4, 0, 0, 148, 4, 0, 0], 0), [""; 0]);
    // Record route stays in the first fragment, router alert goes into all.
    assert_eq!(
        anomalies(&[7, 7, 8, 10, 0, 0, 1], 1),
        ["ipv4.option.copied"]
    );
    assert_eq!(anomalies(&[148, 4, 0, 0], 1), [""; 0]);
}

/// Whatever a header is cut to, and whatever its option bytes are, there is a description; a
/// header that the capture cut short is no anomaly.
#[test]
fn every_prefix_and_every_type_has_a_description() {
    for kind in 0..=255 {
        for len in [0, 1, 2, 3, 4, 7, 11, 39, 40, 41, 255] {
            for fill in [0, 4, 5, 0x91, 255] {
                let mut options = [fill; 40];
                options[0] = kind;
                options[1] = len;
                outline_ipv4(&datagram(&options, 0));
            }
        }
    }
    let whole = datagram(&[134, 12, 0, 0, 0, 5, 1, 6, 0, 3, 0xa0, 1], 0);
    let wire_len = u32::try_from(whole.len()).unwrap();
    for end in 0..whole.len() {
        let mut frame =
            crate::wire::outline::frame(crate::wire::frame::LinkType::IPV4, &whole[..end]);
        frame.wire_len = wire_len;
        let text = crate::wire::outline::outline(&frame);
        assert!(!text.contains('!'), "{end}: {text}");
    }
}
