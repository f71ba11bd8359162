//! Structures made by hand, and what RFC 4884 and the objects' RFCs say of them.

use super::{Place, place};
use crate::wire::checksum::checksum;
use crate::wire::frame::LinkType;
use crate::wire::outline::{frame, outline, outline_ipv4};

/// The header of a structure, its checksum right, and these objects.
fn structure(objects: &[u8]) -> Vec<u8> {
    let mut bytes = [&[0x20, 0, 0, 0][..], objects].concat();
    let sum = checksum(&bytes);
    bytes.splice(2..4, sum.to_be_bytes());
    bytes
}

/// A datagram around an ICMP message of these bytes, both checksums right.
fn datagram(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + message.len()).unwrap().to_be_bytes();
    let mut bytes = vec![0x45, 0, length[0], length[1], 0, 1, 0, 0];
    bytes.extend([64, 1, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    let sum = checksum(&bytes);
    bytes.splice(10..12, sum.to_be_bytes());
    let mut message = message.to_vec();
    message.splice(2..4, [0, 0]);
    let sum = checksum(&message);
    message.splice(2..4, sum.to_be_bytes());
    [bytes, message].concat()
}

/// A time exceeded whose quote takes `words` words of the message, by its own word or (with
/// `said` false) silently.
fn exceeded(words: u8, said: bool, structure: &[u8]) -> Vec<u8> {
    let mut quote = vec![0x45, 0, 0, 28, 0, 1, 0, 0, 1, 253, 0, 0];
    quote.extend([10, 0, 0, 2, 10, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8]);
    quote.resize(usize::from(words) * 4, 0);
    let length = if said { words } else { 0 };
    datagram(&[&[11, 0, 0, 0, 0, length, 0, 0][..], &quote, structure].concat())
}

/// The lines about the extensions without the path before each, and the anomalies.
fn described(bytes: &[u8]) -> Vec<String> {
    let mut lines = lines(&outline_ipv4(bytes));
    lines.retain(|line| !line.starts_with("checksum"));
    lines
}

fn lines(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| {
            line.strip_prefix("icmpv4.extensions.")
                .or_else(|| line.strip_prefix("! "))
        })
        .map(|line| line.replace("objects.", ""))
        .collect()
}

/// Label 24001, traffic class 5, not the last, TTL 1; then label 3, the last, TTL 254.
/// 24001 is 0x05dc1: 0x05dc1 << 12 | 5 << 9 | 1 is 0x05dc1a01.
const STACK: [u8; 12] = [0, 12, 1, 1, 0x05, 0xdc, 0x1a, 0x01, 0x00, 0x00, 0x31, 0xfe];

fn stack_lines() -> Vec<String> {
    let entry = "[MPLS label stack].mpls.[Label stack entry]";
    vec![
        "version = 2".to_owned(),
        "reserved = 0".to_owned(),
        "[MPLS label stack].length = 12".to_owned(),
        "[MPLS label stack].class = 1 (MPLS label stack)".to_owned(),
        "[MPLS label stack].c_type = 1 (incoming label stack)".to_owned(),
        format!("{entry}.label = 24001"),
        format!("{entry}.tc = 5"),
        format!("{entry}.bottom = false"),
        format!("{entry}.ttl = 1"),
        format!("{entry}.label = 3"),
        format!("{entry}.tc = 0"),
        format!("{entry}.bottom = true"),
        format!("{entry}.ttl = 254"),
    ]
}

#[test]
fn a_label_stack_follows_a_quote_of_the_given_length() {
    let bytes = exceeded(32, true, &structure(&STACK));
    assert_eq!(described(&bytes), stack_lines());
    let text = outline_ipv4(&bytes);
    assert!(text.contains("icmpv4.length = 32 (128 bytes)"), "{text}");
    assert!(text.contains("icmpv4.extensions.checksum_ok = true (good)"));
    // The structure is not part of what is quoted, nor are the zeros before it.
    assert!(
        text.contains("icmpv4.quoted.layers.payload.length = 8"),
        "{text}"
    );
}

#[test]
fn older_routers_give_no_length_and_are_understood() {
    let whole = exceeded(32, false, &structure(&STACK));
    assert_eq!(described(&whole), stack_lines());
    // Bytes that only resemble a structure stay part of the quote.
    let mut wrong_sum = structure(&STACK);
    wrong_sum[3] ^= 1;
    assert_eq!(described(&exceeded(32, false, &wrong_sum)), [""; 0]);
    let mut no_sum = structure(&STACK);
    no_sum.splice(2..4, [0, 0]);
    assert_eq!(described(&exceeded(32, false, &no_sum)), [""; 0]);
    // With a length, a structure may do without a checksum.
    let text = outline_ipv4(&exceeded(32, true, &no_sum));
    assert!(text.contains("icmpv4.extensions.checksum_ok = ? (absent)"));
    assert!(!text.contains('!'), "{text}");
}

#[test]
fn an_interface_is_described_by_what_its_type_announces() {
    // RFC 5837: role 2, with index, IPv4 address, name and MTU.
    let object = [
        0, 28, 2, 0x8f, 0, 0, 0, 7, 0, 1, 0, 0, 192, 0, 2, 1, 8, b'e', b't', b'h', b'0', 0, 0, 0,
        0, 0, 5, 220,
    ];
    assert_eq!(
        described(&exceeded(32, true, &structure(&object)))[3..],
        [
            "[Interface information].class = 2 (Interface information)",
            "[Interface information].c_type = 143",
            "[Interface information].role = 2 (interface it would have left by)",
            "[Interface information].ifindex = 7",
            "[Interface information].afi = 1 (IPv4)",
            "[Interface information].address = 192.0.2.1",
            "[Interface information].name_length = 8",
            "[Interface information].name = \"eth0\"",
            "[Interface information].mtu = 1500 (bytes)",
        ]
    );
    let v6 = [
        &[0, 24, 2, 0x04, 0, 2, 0, 0, 0x20, 0x01, 0x0d, 0xb8][..],
        &[0; 11],
        &[1],
    ]
    .concat();
    assert_eq!(
        described(&exceeded(32, true, &structure(&v6)))[7],
        "[Interface information].address = 2001:db8::1"
    );
    let node = [0, 16, 5, 0x04, 0, 1, 0, 0, 192, 0, 2, 1, 0, 0, 0, 0];
    assert_eq!(
        described(&exceeded(32, true, &structure(&node)))[5..],
        [
            "[Node identification].afi = 1 (IPv4)",
            "[Node identification].address = 192.0.2.1",
            "[Node identification].data = 00000000",
        ]
    );
}

#[test]
fn an_extended_echo_names_the_interface_it_asks_for() {
    let ask = |object: &[u8]| {
        let message = [&[42, 0, 0, 0, 0, 9, 1, 1][..], &structure(object)].concat();
        described(&datagram(&message))
    };
    assert_eq!(
        ask(&[0, 12, 3, 1, b'e', b't', b'h', b'1', b'0', 0, 0, 0])[3..],
        [
            "[Interface identification].class = 3 (Interface identification)",
            "[Interface identification].c_type = 1 (by name)",
            "[Interface identification].name = \"eth10\"",
        ]
    );
    assert_eq!(
        ask(&[0, 8, 3, 2, 0, 0, 0, 7])[5],
        "[Interface identification].ifindex = 7"
    );
    assert_eq!(
        ask(&[0, 12, 3, 3, 0, 1, 4, 0, 192, 0, 2, 1])[5..],
        [
            "[Interface identification].afi = 1 (IPv4)",
            "[Interface identification].address_length = 4",
            "[Interface identification].address = 192.0.2.1",
        ]
    );
    // What a prober sends behind the object is data: no second object, not in the checksum.
    let data = [0x65, 0x93, 0x3a, 0x48, 0, 6, 0x32, 0x68];
    let object = structure(&[0, 10, 3, 1, b'e', b'n', b'p', b'1', b's', b'0']);
    let text = outline_ipv4(&datagram(
        &[&[42, 0, 0, 0, 0, 9, 1, 1][..], &object, &data].concat(),
    ));
    assert!(text.contains("name = \"enp1s0\""), "{text}");
    assert!(text.contains("extensions.checksum_ok = true"), "{text}");
    assert!(
        text.contains("payload.length = 8") && !text.contains('!'),
        "{text}"
    );
    assert_eq!(
        ask(&[0, 12, 3, 2, 0, 0, 0, 7]).last().unwrap(),
        "icmpv4.extension.length at 1"
    );
    let bare = [42, 0, 0, 0, 0, 9, 1, 1];
    assert_eq!(described(&datagram(&bare)), ["icmpv4.truncated at 1"]);
}

#[test]
fn unknown_objects_are_bytes() {
    assert_eq!(
        described(&exceeded(32, true, &structure(&[0, 6, 99, 1, 0xab, 0xcd])))[2..],
        [
            "[Object].length = 6",
            "[Object].class = 99 (unknown)",
            "[Object].c_type = 1",
            "[Object].data = abcd",
        ]
    );
    assert_eq!(
        described(&exceeded(32, true, &structure(&[0, 8, 4, 1, 0, 0, 0, 40])))[4..],
        [
            "[Extended information].c_type = 1 (pointer)",
            "[Extended information].pointer = 40",
        ]
    );
}

#[test]
fn what_is_odd_is_said_and_its_neighbour_is_not() {
    let odd = |bytes: &[u8]| {
        described(bytes)
            .into_iter()
            .filter_map(|line| line.strip_suffix(" at 1").map(str::to_owned))
            .collect::<Vec<_>>()
    };
    let (length, none) = (["icmpv4.extension.length"], [""; 0]);
    let mut wrong_sum = structure(&STACK);
    wrong_sum[3] ^= 1;
    assert_eq!(
        odd(&exceeded(32, true, &wrong_sum)),
        ["icmpv4.extension.checksum"]
    );
    let mut version = structure(&STACK);
    version[0] = 0x10;
    assert_eq!(
        odd(&exceeded(32, true, &version)),
        ["icmpv4.extension.version"]
    );
    // No room for the structure's header, then just room.
    assert_eq!(odd(&exceeded(32, true, &[0x20, 0])), length);
    assert_eq!(odd(&exceeded(32, true, &structure(&[]))), none);
    // A length with nothing behind the quote.
    assert_eq!(odd(&exceeded(32, true, &[])), none);
    // A quote of less than 128 bytes before a structure.
    assert_eq!(odd(&exceeded(31, true, &structure(&STACK))), length);
    for object in [
        &[0, 0, 1, 1][..],
        &[0, 3, 1, 1],
        &[0, 9, 1, 1, 0, 0, 0, 0],
        &[0, 8, 1, 1, 0, 0, 0, 0, 9],
    ] {
        assert_eq!(odd(&exceeded(32, true, &structure(object))), length);
    }
    assert_eq!(
        odd(&exceeded(32, true, &structure(&[0, 8, 1, 1, 0, 0, 1, 0]))),
        none
    );
    let mut lying = exceeded(32, true, &[]);
    lying[25] = 33;
    lying[23] = lying[23].wrapping_sub(1);
    assert_eq!(odd(&lying), length);
}

#[test]
fn every_cut_has_a_description_and_is_no_anomaly() {
    let interface = [
        0, 28, 2, 0x8f, 0, 0, 0, 7, 0, 1, 0, 0, 192, 0, 2, 1, 8, b'e', b't', b'h', b'0', 0, 0, 0,
        0, 0, 5, 220,
    ];
    let objects = [
        &STACK[..],
        &interface,
        &[0, 12, 3, 3, 0, 1, 4, 0, 1, 2, 3, 4],
    ]
    .concat();
    let whole = exceeded(32, true, &structure(&objects));
    for len in 0..whole.len() {
        let mut cut = frame(LinkType::IPV4, &whole[..len]);
        cut.wire_len = u32::try_from(whole.len()).unwrap();
        let text = outline(&cut);
        assert!(!text.contains('!'), "{len}: {text}");
        assert!(!text.contains("extensions.checksum_ok = true"), "{text}");
    }
    for class in 0..8 {
        for c_type in 0..=255 {
            for len in [4, 5, 8, 12, 20] {
                let mut object = [c_type; 20];
                object[..4].copy_from_slice(&[0, len, class, c_type]);
                let bytes = exceeded(32, true, &structure(&object[..usize::from(len)]));
                outline_ipv4(&bytes);
            }
        }
    }
}

#[test]
fn a_structure_is_found_only_where_it_can_be() {
    assert_eq!(place(&[], 0), Place::Absent);
    assert_eq!(place(&[11, 0, 0, 0, 0, 255, 0, 0], 8), Place::Lying);
    assert_eq!(place(&[11, 0, 0, 0, 0, 32, 0, 0], 136), Place::Absent);
    assert_eq!(place(&[11, 0, 0, 0, 0, 32, 0, 0], 139), Place::Lying);
    assert_eq!(place(&[11, 0, 0, 0, 0, 32, 0, 0], 140), Place::At(136));
}
