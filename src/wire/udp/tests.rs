//! What UDP shows of datagrams made by hand from RFC 768.

#![allow(
    clippy::indexing_slicing,
    reason = "a test that reaches past its own bytes should say so"
)]

use super::super::frame::{Frame, LinkType, Offload};
use super::super::outline::{frame, outline, outline_ipv4};
use super::super::transport::tests::{fragment, ipv4, sealed};

/// A datagram of four bytes from port 1024 to 53, its checksum filled in.
fn datagram() -> Vec<u8> {
    let mut datagram = vec![4, 0, 0, 53, 0, 12, 0, 0, b'p', b'i', b'n', b'g'];
    sealed(&mut datagram, 17, 6);
    datagram
}

fn shows(text: &str, line: &str) -> bool {
    text.lines().any(|shown| shown == line)
}

#[test]
fn every_field() {
    // The sum of RFC 768 by hand: 0a00+0001+0a00+0002+0011+000c (pseudo header), 0400+0035+
    // 000c (header), 7069+6e67 (data) = f731; its complement is 08ce.
    let text = outline_ipv4(&ipv4(17, &datagram()));
    for line in [
        "udp.source_port = 1024 (user port)",
        "udp.destination_port = 53 (domain)",
        "udp.length = 12 (bytes, 4 of them data)",
        "udp.checksum = 0x08ce",
        "udp.checksum_ok = true (good)",
        "payload.length = 4",
    ] {
        assert!(shows(&text, line), "{line} in\n{text}");
    }
    assert!(!text.contains("! ") && !text.contains("stopped"), "{text}");
}

#[test]
fn a_wrong_checksum_is_told_and_the_right_one_named() {
    // The last word of data goes from 6e67 to 6e66: the checksum goes up by one.
    let mut bytes = ipv4(17, &datagram());
    bytes[31] ^= 1;
    let text = outline_ipv4(&bytes);
    assert!(
        text.contains("checksum_ok = false (bad, should be 0x08cf)"),
        "{text}"
    );
    assert!(shows(&text, "! udp.checksum.bad at 1"), "{text}");
}

#[test]
fn no_checksum_is_no_anomaly() {
    let mut bytes = datagram();
    bytes[6..8].fill(0);
    let text = outline_ipv4(&ipv4(17, &bytes));
    assert!(shows(&text, "udp.checksum_ok = ? (absent)"), "{text}");
    assert!(!text.contains("! "), "{text}");
}

/// RFC 768: a sum that comes out as zero is sent as ffff.
#[test]
fn a_checksum_of_zero_is_sent_as_its_other_form() {
    let mut bytes = datagram();
    // Take the checksum that is due and add it to the data: then zero is due.
    let due = u16::from_be_bytes([bytes[6], bytes[7]]);
    let data = u16::from_be_bytes([bytes[8], bytes[9]]);
    bytes[8..10].copy_from_slice(&(data + due).to_be_bytes());
    bytes[6..8].fill(0xff);
    let text = outline_ipv4(&ipv4(17, &bytes));
    assert!(shows(&text, "udp.checksum_ok = true (good)"), "{text}");
    bytes[7] = 0xfe;
    let text = outline_ipv4(&ipv4(17, &bytes));
    assert!(text.contains("(bad, should be 0xffff)"), "{text}");
}

/// What the kernel leaves for the hardware is the pseudo header's sum, not complemented.
#[test]
fn a_checksum_left_to_the_hardware_is_not_judged() {
    let mut bytes = datagram();
    // 0a00+0001+0a00+0002+0011+000c.
    bytes[6..8].copy_from_slice(&[0x14, 0x20]);
    let text = outline_ipv4(&ipv4(17, &bytes));
    assert!(
        text.contains("checksum_ok = ? (not judged: left to the hardware)"),
        "{text}"
    );
    assert!(!text.contains("! "), "{text}");

    bytes[6..8].copy_from_slice(&[0x14, 0x21]);
    let bytes = ipv4(17, &bytes);
    assert!(outline_ipv4(&bytes).contains("udp.checksum.bad"));
    let told = Frame {
        offload: Offload {
            checksum_not_ready: true,
            ..Offload::default()
        },
        ..frame(LinkType::IPV4, &bytes)
    };
    assert!(outline(&told).contains("not judged: left to the hardware"));
}

#[test]
fn every_wrong_length() {
    for (length, anomaly, stopped) in [
        (0, Some("udp.length.short"), false),
        (1, Some("udp.length.short"), true),
        (7, Some("udp.length.short"), true),
        (8, None, false),
        (11, None, false),
        (12, None, false),
        (13, Some("udp.length.long"), false),
        (u16::MAX, Some("udp.length.long"), false),
    ] {
        let mut bytes = datagram();
        bytes[4..6].copy_from_slice(&length.to_be_bytes());
        bytes[6..8].fill(0);
        let text = outline_ipv4(&ipv4(17, &bytes));
        let found = text.lines().find_map(|line| line.strip_prefix("! "));
        assert_eq!(
            found,
            anomaly.map(|id| format!("{id} at 1")).as_deref(),
            "{length}"
        );
        assert_eq!(text.contains("stopped udp"), stopped, "{length}\n{text}");
    }
}

/// RFC 9868: what IP carries behind the datagram is the surplus area.
#[test]
fn surplus_is_a_trailer_and_not_summed() {
    let mut bytes = datagram();
    bytes.extend([0xff; 6]);
    let text = outline_ipv4(&ipv4(17, &bytes));
    assert!(
        shows(
            &text,
            "udp.length = 12 (bytes, 4 of them data, 6 behind it)"
        ),
        "{text}"
    );
    assert!(shows(&text, "udp.checksum_ok = true (good)"), "{text}");
    assert!(shows(&text, "payload.length = 4"), "{text}");
    assert!(text.contains("trailer.length = 6"), "{text}");
    assert!(!text.contains("! "), "{text}");
}

#[test]
fn the_length_is_that_of_all_fragments() {
    let mut bytes = datagram();
    bytes[5] = 200;
    bytes.truncate(16);
    bytes.resize(16, 0);
    let text = outline_ipv4(&fragment(17, &bytes));
    assert!(
        text.contains("checksum_ok = ? (not judged: a fragment)"),
        "{text}"
    );
    assert!(!text.contains("! udp"), "{text}");
}

#[test]
fn cut_anywhere() {
    let bytes = ipv4(17, &datagram());
    for len in 20..bytes.len() {
        let cut = Frame {
            wire_len: 32,
            ..frame(LinkType::IPV4, &bytes[..len])
        };
        let text = outline(&cut);
        assert!(!text.contains("! "), "{len}\n{text}");
        assert_eq!(text.contains("stopped udp"), len < 28, "{len}\n{text}");
        assert_eq!(text.contains("udp.length"), len >= 26, "{len}\n{text}");
    }
}

#[test]
fn too_short_a_datagram() {
    for len in 0..8 {
        let text = outline_ipv4(&ipv4(17, &datagram()[..len]));
        assert!(text.contains("! udp.truncated"), "{len}\n{text}");
    }
    let text = outline_ipv4(&ipv4(17, &[4, 0, 0, 53, 0, 8, 0, 0]));
    assert!(!text.contains("! "), "{text}");
}

#[test]
fn port_zero_is_legal_to_speak_from_and_not_to_listen_on() {
    let zero = |at: usize| {
        let mut bytes = datagram();
        bytes[at..at + 2].fill(0);
        bytes[6..8].fill(0);
        outline_ipv4(&ipv4(17, &bytes))
    };
    assert!(!zero(0).contains("! "));
    assert!(shows(&zero(2), "! udp.port.zero at 1"));
}
