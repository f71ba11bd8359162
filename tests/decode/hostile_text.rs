//! Text that came off the wire, or out of a file, reaches a terminal only when it is harmless, and
//! JSON only when it is JSON.

use serde_json::Value;

use super::{IPV4, block, dotquad, file};
use super::{decode, decode_bytes, enhanced, interface, pcap, section, udp};

/// What a terminal would obey, or a reader misread.
fn harmful(c: char) -> bool {
    c.is_control() && c != '\n' || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202e}')
}

/// Escape, carriage return, bell, C1, quotes, a line separator, not UTF-8.
const HOSTILE: &[u8] = b"\x1b]0;owned\x07\r\x9b2J\xc2\x9b\"\\\xe2\x80\xa8\xe2\x80\xae\xff\n1 fake";

#[test]
fn the_hostile_captures_are_shown_harmlessly() {
    for name in ["text_escapes.pcap", "pcapng_hostile_text.pcapng"] {
        for format in [
            "",
            "-e",
            "-v",
            "--format diagram",
            "--format table",
            "--format ndjson",
            "--format csv",
            "-x",
            "-X",
            "-v -X",
        ] {
            let said = decode(&format!("{format} captures/{name}"));
            assert_eq!(said.code, Some(0), "{name} {format}: {}", said.err);
            let dumped = said.out.replace("\n\t0x", "\n0x");
            assert!(!dumped.contains(harmful), "{name} {format}: {:?}", said.out);
            assert!(
                !said.err.contains(harmful),
                "{name} {format}: {:?}",
                said.err
            );
        }
        for object in decode(&format!("--format ndjson captures/{name}")).objects() {
            assert!(object["frame"].is_u64());
        }
    }
    // ASCII below a frame keeps lines and tabs, as every such dump does, and nothing else.
    let said = decode("-A captures/text_escapes.pcap");
    assert!(
        !said.out.replace('\t', " ").contains(harmful),
        "{:?}",
        said.out
    );
}

/// A pcapng file whose interface and frame carry hostile text.
fn hostile() -> Vec<u8> {
    let mut text = HOSTILE.to_vec();
    text.resize(HOSTILE.len().next_multiple_of(4), 0);
    let option = |code: u16| {
        let length = u16::try_from(HOSTILE.len()).expect("it is short");
        let mut option = [code, length].map(u16::to_le_bytes).concat();
        option.extend_from_slice(&text);
        option
    };
    let mut packet = [0_u32, 0, 0, 32, 32].map(u32::to_le_bytes).concat();
    packet.extend(udp(b"data"));
    packet.extend(option(1));
    packet.extend([0; 4]);
    [
        section(),
        interface(IPV4, &option(2)),
        block(6, &packet),
        enhanced(0, 0, &udp(HOSTILE)),
    ]
    .concat()
}

#[test]
fn names_and_comments_are_escaped_and_stay_what_they_are() {
    for format in [
        "",
        "-v",
        "--format diagram",
        "--format table",
        "--format ndjson",
        "-X",
    ] {
        let said = decode_bytes(format, hostile());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{format}");
        let dumped = said.out.replace("\n\t0x", "\n0x");
        assert!(!dumped.contains(harmful), "{format}: {:?}", said.out);
    }
    let said = decode_bytes("", hostile());
    assert_eq!(
        said.out.lines().count(),
        2,
        "no name makes a line of its own: {:?}",
        said.out
    );
    let said = decode_bytes("--format ndjson", hostile());
    let objects = said.objects();
    let expected = Value::from(String::from_utf8_lossy(HOSTILE));
    assert_eq!(objects[0]["interface"], expected);
    assert_eq!(objects[0]["comments"][0], expected);
    // A cell of CSV may hold what it likes in quotes, but a terminal may be reading.
    let said = decode_bytes("--format csv --fields frame,interface", hostile());
    assert!(!said.out.contains('\x1b'), "{:?}", said.out);
}

#[test]
fn a_hostile_name_of_a_file_is_harmless_in_messages() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a\x1b[2Jb\r.pcap");
    std::fs::write(&path, b"no capture").expect("it can be written");
    let said = dotquad(&["decode", &path.to_string_lossy()]);
    assert_eq!(said.code, Some(2));
    assert!(!said.err.contains(harmful), "{:?}", said.err);
    let fine = file(&pcap(IPV4, &[udp(b"data")]));
    std::fs::copy(fine.path(), &path).expect("it can be copied");
    let words = [
        "decode",
        "-r",
        &path.to_string_lossy(),
        "-r",
        &fine.path().to_string_lossy(),
    ];
    let said = dotquad(&words);
    assert_eq!(
        (said.out.lines().count(), said.code),
        (2, Some(0)),
        "{}",
        said.err
    );
    assert!(!said.out.contains(harmful), "{:?}", said.out);
}
