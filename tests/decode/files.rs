//! Every kind of file that can be read, and what files may say that is odd without being damage.

use std::fmt::Write as _;
use std::process::Command;

use serde_json::Value;

use super::{
    ETHERNET, IPV4, Said, block, decode, decode_bytes, dotquad, enhanced, file, interface, objects,
    pcap, pcap_header, record, section, udp,
};

/// One value of each frame.
fn each<'a>(objects: &'a [Value], key: &str) -> Vec<&'a str> {
    let text = |object: &'a Value| object[key].as_str().unwrap_or("null");
    objects.iter().map(text).collect()
}

#[test]
fn every_byte_order_resolution_and_packing_reads_alike() {
    let plain = decode("--format ndjson captures/pcap_big_endian.pcap");
    assert_eq!((plain.code, plain.objects().is_empty()), (Some(0), false));
    for name in ["pcap_modified.pcap", "pcap_modified_swapped.pcap"] {
        let said = decode(&format!("--format ndjson captures/{name}"));
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{name}");
        let sources: Vec<_> = said
            .objects()
            .iter()
            .map(|o| o["layers"][1].clone())
            .collect();
        assert!(!sources.is_empty(), "{name}");
        assert!(
            sources.iter().all(|layer| layer["layer"] == "ipv4"),
            "{name}"
        );
    }
    let packed = [
        "pcap_gzip.pcap.gz",
        "pcap_gzip_members.pcap.gz",
        "pcap_zstd.pcap.zst",
        "pcap_lz4.pcap.lz4",
    ];
    let outputs = packed.map(|name| decode(&format!("captures/{name}")));
    for (name, said) in packed.iter().zip(&outputs) {
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{name}");
        assert!(said.out.contains("192.0.2.1"), "{name}: {}", said.out);
    }
    let nanoseconds = decode("--format ndjson captures/pcap_nanoseconds.pcap");
    let swapped = decode("--format ndjson captures/pcap_nanoseconds_big_endian.pcap");
    assert_eq!(nanoseconds, swapped);
}

#[test]
fn what_packs_a_capture_is_found_by_content_and_not_by_name() {
    let bytes = std::fs::read(super::root().join("captures/pcap_zstd.pcap.zst"));
    let misnamed = tempfile::Builder::new()
        .suffix(".gz")
        .tempfile()
        .expect("a file");
    std::fs::write(misnamed.path(), bytes.expect("it is there")).expect("it can be written");
    let said = dotquad(&["decode", &misnamed.path().to_string_lossy()]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.out, decode("captures/pcap_zstd.pcap.zst").out);
}

#[test]
fn the_versions_of_pcap_are_read_or_refused_by_name() {
    // 2.3 kept the two lengths in whichever order; a capture of whole frames does not care.
    for (major, minor, code) in [
        (2, 4, 0),
        (2, 3, 0),
        (543, 0, 0),
        (7, 4, 2),
        (1, 0, 2),
        (3, 0, 2),
    ] {
        let mut bytes = pcap(IPV4, &[udp(b"data")]);
        let version: u32 = major | minor << 16;
        bytes[4..8].copy_from_slice(&version.to_le_bytes());
        let said = decode_bytes("", bytes);
        assert_eq!(said.code, Some(code), "{major}.{minor}: {}", said.err);
        let named = said.err.contains(&format!("version {major}.{minor}"));
        assert_eq!(named, code == 2, "{}", said.err);
        assert_eq!(said.out.lines().count(), usize::from(code == 0));
    }
}

#[test]
fn an_unknown_link_type_is_shown_as_bytes_and_said_once() {
    let frames = vec![udp(b"looks like IPv4"); 3];
    let said = decode_bytes("--format ndjson", pcap(9999, &frames));
    assert_eq!(said.code, Some(0));
    for object in said.objects() {
        assert!(super::layer(&object, "ipv4").is_none(), "{object}");
    }
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    assert!(said.err.contains("9999"), "{}", said.err);
}

#[test]
fn sections_of_pcapng_have_their_own_byte_order_and_interfaces() {
    let said = decode("--format ndjson captures/pcapng_two_sections.pcapng");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let objects = said.objects();
    let first = |object: &Value| object["layers"][0]["layer"].as_str().map(str::to_owned);
    let kinds: std::collections::BTreeSet<_> = objects.iter().map(first).collect();
    assert!(kinds.len() >= 2, "{kinds:?}");
    let numbers: Vec<_> = objects
        .iter()
        .filter_map(|object| object["frame"].as_u64())
        .collect();
    assert!(numbers.iter().copied().eq(1..=numbers.len() as u64));
}

#[test]
fn blocks_between_packets_do_not_count() {
    let said = decode("--format ndjson captures/pcapng_all_blocks.pcapng");
    assert_eq!(said.code, Some(0), "{}", said.err);
    let numbers: Vec<_> = said
        .objects()
        .iter()
        .filter_map(|object| object["frame"].as_u64())
        .collect();
    assert!(!numbers.is_empty() && numbers.iter().copied().eq(1..=numbers.len() as u64));

    let packet = || enhanced(0, 0, &udp(b"data"));
    let mut bytes = [section(), interface(IPV4, &[])].concat();
    for kind in [4, 5, 9, 10, 0xbad, 0x4000_0bad, 0x7fff_ffff] {
        bytes.extend(packet());
        bytes.extend(block(kind, &[0; 16]));
    }
    assert_eq!(objects(bytes).len(), 7);
}

#[test]
fn a_section_length_that_lies_is_not_believed() {
    let mut lying = section();
    lying[16..24].copy_from_slice(&4_u64.to_le_bytes());
    let bytes = [lying, interface(IPV4, &[]), enhanced(0, 0, &udp(b"data"))].concat();
    assert_eq!(objects(bytes).len(), 1);
}

/// An interface with one option, and a frame at this count of its ticks.
fn timed(option: u16, value: &[u8], ticks: u64) -> Said {
    let length = u16::try_from(value.len()).expect("it is short");
    let mut options = [option, length].map(u16::to_le_bytes).concat();
    options.extend_from_slice(value);
    options.resize(options.len().next_multiple_of(4), 0);
    options.extend([0; 4]);
    let bytes = [
        section(),
        interface(IPV4, &options),
        enhanced(0, ticks, &udp(b"data")),
    ];
    decode_bytes("--format ndjson", bytes.concat())
}

#[test]
fn any_resolution_and_any_offset_gives_a_time() {
    // if_tsresol (9): powers of ten, and of two with the high bit.
    for (resolution, ticks, time) in [
        (0, 7, "7.000000000"),
        (3, 1_500, "1.500000000"),
        (9, 1_000_000_001, "1.000000001"),
        (12, 1_000_000_000_001, "1.000000000"),
        (0x80 | 1, 3, "1.500000000"),
        (0x80 | 0x0a, 1024, "1.000000000"),
        (127, u64::MAX, "0.000000000"),
        (0xff, u64::MAX, "0.000000000"),
    ] {
        let said = timed(9, &[resolution], ticks);
        assert_eq!(
            (said.code, each(&said.objects(), "time")),
            (Some(0), vec![time]),
            "{resolution}"
        );
    }
    // if_tsoffset (14): whole seconds, signed; ticks are microseconds.
    for (offset, time) in [
        (1_700_000_000, "1700000001.000000000"),
        (-3, "-2.000000000"),
        (i64::MIN, "-9223372036854775807.000000000"),
    ] {
        let said = timed(14, &offset.to_le_bytes(), 1_000_000);
        assert_eq!(
            (said.code, each(&said.objects(), "time")),
            (Some(0), vec![time]),
            "{offset}"
        );
    }
    // Past the last second there is: shown somehow, never a panic.
    let said = timed(14, &i64::MAX.to_le_bytes(), u64::MAX);
    assert_eq!((said.code, said.objects().len()), (Some(0), 1));
}

#[test]
fn an_option_that_lies_about_its_length_costs_no_frame() {
    // A comment (1) of 60,000 bytes, behind the frame.
    let mut body = [0_u32, 0, 0, 36, 36].map(u32::to_le_bytes).concat();
    body.extend(udp(b"12345678"));
    body.extend([1, 60_000].map(u16::to_le_bytes).concat());
    let start = [section(), interface(IPV4, &[])].concat();
    let next = enhanced(0, 0, &udp(b"data"));
    let said = super::decode_bytes("--format ndjson", [start, block(6, &body), next].concat());
    assert_eq!(said.code, Some(0));
    assert!(
        said.err
            .contains("frame 1 at byte 48: an option reaches past its block"),
        "{}",
        said.err
    );
    let objects = said.objects();
    assert_eq!(objects.len(), 2);
    assert!(objects[0].get("comments").is_none());

    // A list of options without its end.
    let mut options = [2, 3].map(u16::to_le_bytes).concat();
    options.extend(b"lo0\0");
    let bytes = [
        section(),
        interface(IPV4, &options),
        enhanced(0, 0, &udp(b"data")),
    ]
    .concat();
    assert_eq!(each(&super::objects(bytes), "interface"), ["lo0"]);
}

#[test]
fn times_are_printed_exactly() {
    let mut bytes = pcap_header(IPV4);
    let times = [
        (0, 0),
        (0x8000_0000, 1),
        (u32::MAX, 999_999),
        (10, 1_500_000),
        (5, 0),
    ];
    for (seconds, microseconds) in times {
        bytes.extend(record(seconds, microseconds, &udp(b"data")));
    }
    let exact = [
        "0.000000",
        "2147483648.000001",
        "4294967295.999999",
        "11.500000",
        "5.000000",
    ];
    let said = decode_bytes("--time epoch", bytes.clone());
    let shown: Vec<_> = said
        .out
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert_eq!(shown, exact);
    assert_eq!(
        each(&objects(bytes.clone()), "time"),
        exact.map(|time| format!("{time}000"))
    );
    let said = decode_bytes("--time delta", bytes.clone());
    let shown: Vec<_> = said
        .out
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .collect();
    assert_eq!(shown[3..], ["-4294967284.499999", "-6.500000"]);
    for format in [
        "-v",
        "--time local",
        "--time relative",
        "--format csv",
        "--format table",
    ] {
        let said = decode_bytes(format, bytes.clone());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{format}");
    }
}

/// Counts the frames of a file within so many KiB of address space.
fn count_within(kib: u32, path: &std::path::Path) -> Said {
    let script = format!("ulimit -v {kib}; exec \"$0\" decode -j 1 --count \"$1\"");
    let output = Command::new("bash")
        .args(["-c", &script])
        .args([assert_cmd::cargo::cargo_bin!("dotquad"), path])
        .env("MALLOC_ARENA_MAX", "1")
        .output();
    output.expect("it runs").into()
}

#[test]
fn what_unpacks_to_very_much_is_read_in_little_memory() {
    // Behind the header 256 MiB of zeros, which are records of no bytes at all.
    let empty_records = 256 << 20;
    let packed = file(&[]);
    let mut encoder = zstd::Encoder::new(packed.as_file(), 1).expect("zstd is there");
    std::io::copy(&mut pcap_header(ETHERNET).as_slice(), &mut encoder).expect("it is written");
    let mut zeros = std::io::Read::take(std::io::repeat(0), empty_records);
    std::io::copy(&mut zeros, &mut encoder).expect("it is written");
    encoder.finish().expect("it is written");
    let said = count_within(192 << 10, packed.path());
    assert_eq!((said.err.as_str(), said.code), ("", Some(0)));
    assert_eq!(said.out, format!("{}\n", empty_records / 16));
}

#[test]
fn a_million_blocks_and_very_many_interfaces_are_no_trouble() {
    let mut bytes = [section(), interface(IPV4, &[])].concat();
    for _ in 0..1_000_000 {
        bytes.extend(block(0xbad, &[]));
    }
    bytes.extend(interface(IPV4, &[]).repeat(100_000));
    bytes.extend(enhanced(100_000, 0, &udp(b"data")));
    let many = file(&bytes);
    let said = count_within(256 << 10, many.path());
    assert_eq!(
        (said.out.as_str(), said.err.as_str(), said.code),
        ("1\n", "", Some(0))
    );
}

#[test]
fn frames_of_several_captures_run_on() {
    let echo = decode("--format ndjson captures/icmp_echo.pcap")
        .objects()
        .len();
    let arp = decode("--format ndjson captures/arp.pcap").objects().len();
    let objects =
        decode("--format ndjson -r captures/icmp_echo.pcap -r captures/arp.pcap").objects();
    assert_eq!(objects.len(), echo + arp);
    let mut expected = String::new();
    let mut found = String::new();
    for (number, object) in (1..).zip(&objects) {
        let name = if number <= echo { "icmp_echo" } else { "arp" };
        let _ = writeln!(expected, "{number} captures/{name}.pcap");
        let _ = writeln!(
            found,
            "{} {}",
            object["frame"],
            object["file"].as_str().unwrap_or("")
        );
    }
    assert_eq!(found, expected);
}

#[test]
fn the_objects_of_every_capture_parse_and_count_upwards() {
    let mut captures = 0;
    for folder in ["captures", "captures/anomalies"] {
        for entry in std::fs::read_dir(super::root().join(folder)).expect("there are captures") {
            let path = entry.expect("a folder can be listed").path();
            if !path.is_file() || !path.to_string_lossy().contains(".pcap") {
                continue;
            }
            captures += 1;
            let said = dotquad(&["decode", "--format", "ndjson", &path.to_string_lossy()]);
            let mut before = 0;
            for object in said.objects() {
                let number = object["frame"].as_u64().expect("a frame has a number");
                assert!(
                    number > before,
                    "{}: {number} after {before}",
                    path.display()
                );
                assert!(object["layers"].is_array(), "{}", path.display());
                before = number;
            }
        }
    }
    assert!(captures > 100, "{captures} captures");
}

#[test]
fn an_unknown_link_type_is_said_once_wherever_it_comes() {
    let mut bytes = [section(), interface(IPV4, &[]), interface(9999, &[])].concat();
    for _ in 0..3 {
        bytes.extend(enhanced(0, 0, &udp(b"data")));
        bytes.extend(enhanced(1, 0, b"opaque"));
    }
    let said = super::decode_bytes("", bytes);
    assert_eq!(said.code, Some(0));
    assert_eq!(
        said.err.matches("link type 9999 is unknown here").count(),
        1,
        "{}",
        said.err
    );
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
}

#[test]
fn what_can_never_match_is_said_once_a_link_type() {
    // IPv6 may come on Ethernet (1) and never on raw IPv4.
    let mut bytes = [section(), interface(1, &[]), interface(IPV4, &[])].concat();
    for _ in 0..40_000 {
        bytes.extend(enhanced(0, 0, &[0; 60]));
        bytes.extend(enhanced(1, 0, &udp(b"data")));
    }
    let capture = super::file(&bytes);
    let said = super::dotquad(&[
        "decode",
        "--count",
        &capture.path().to_string_lossy(),
        "ip6",
    ]);
    assert_eq!(said.code, Some(0));
    assert_eq!(
        said.err
            .matches("no frame of link type IPV4 can match")
            .count(),
        1,
        "{}",
        said.err
    );
    assert_eq!(said.err.lines().count(), 1, "{}", said.err);
}
