//! Files that are damaged, or no captures at all: everything before the damage, then what and
//! where, then the right code.

use super::{ETHERNET, IPV4, block, pcap_header};
use super::{
    decode, decode_bytes, dotquad, enhanced, file, interface, ipv4, pcap, record, section, udp,
};

/// Each damaged file of captures/: frames before the damage, the byte, the frame, part of the why.
const DAMAGED: &[(&str, usize, u64, u64, &str)] = &[
    (
        "damaged_cut_in_record_header.pcap",
        2,
        252,
        3,
        "16 bytes expected, 9 are there",
    ),
    (
        "damaged_cut_in_record_body.pcap",
        2,
        252,
        3,
        "98 captured bytes expected, 69 are there",
    ),
    ("damaged_caplen_huge.pcap", 2, 252, 3, "4294967295"),
    ("damaged_garbage_behind.pcap", 2, 252, 3, "captured length"),
    (
        "damaged_pcapng_cut.pcapng",
        1,
        132,
        2,
        "72 bytes expected, 40 are there",
    ),
    (
        "damaged_pcapng_block_length_zero.pcapng",
        1,
        132,
        2,
        "length of 0",
    ),
    (
        "damaged_pcapng_block_length_odd.pcapng",
        1,
        132,
        2,
        "not a multiple of 4",
    ),
    (
        "damaged_pcapng_block_length_huge.pcapng",
        1,
        132,
        2,
        "4294967292",
    ),
    ("damaged_pcapng_trailer.pcapng", 1, 132, 2, "68"),
    (
        "damaged_pcapng_interface_id.pcapng",
        1,
        132,
        2,
        "interface 7",
    ),
    ("damaged_pcapng_caplen.pcapng", 1, 132, 2, "2000"),
    (
        "damaged_pcapng_byte_order.pcapng",
        1,
        132,
        2,
        "byte-order magic",
    ),
    ("damaged_pcapng_version.pcapng", 1, 132, 2, "version 2.0"),
    (
        "damaged_pcapng_no_interface.pcapng",
        0,
        28,
        1,
        "interface 0",
    ),
    ("damaged_gzip.pcap.gz", 2, 288, 3, "ends too early"),
    ("damaged_gzip_checksum.pcap.gz", 4, 480, 5, "checksum"),
];

#[test]
fn all_before_the_damage_is_shown_and_then_its_place_is_named() {
    for (name, frames, byte, frame, why) in DAMAGED {
        for format in ["line", "ndjson"] {
            let said = decode(&format!("--format {format} captures/{name}"));
            assert_eq!(said.out.lines().count(), *frames, "{name}: {}", said.out);
            assert!(said.out.is_empty() || said.out.ends_with('\n'), "{name}");
            let place = format!("dotquad: reading captures/{name}: damaged at byte {byte}");
            assert!(said.err.starts_with(&place), "{}", said.err);
            assert!(
                said.err.contains(&format!(", frame {frame}: ")),
                "{}",
                said.err
            );
            assert!(
                said.err.contains(why) && said.err.lines().count() == 1,
                "{}",
                said.err
            );
            assert_eq!(said.code, Some(1), "{name}");
        }
    }
}

#[test]
fn each_damaged_file_is_looked_at() {
    let folder = std::fs::read_dir(super::root().join("captures")).expect("there are captures");
    for entry in folder {
        let name = entry.expect("a folder can be listed").file_name();
        let name = name.to_string_lossy().into_owned();
        let known = DAMAGED.iter().any(|(damaged, ..)| *damaged == name)
            || name == "damaged_cut_in_file_header.pcap"
            || name == "damaged_pcapng_option_length.pcapng";
        assert!(known || !name.starts_with("damaged"), "{name}");
    }
}

#[test]
fn a_file_cut_anywhere_gives_all_whole_frames_before_the_cut() {
    let frame = udp(b"data");
    let whole = pcap(IPV4, &[frame.clone(), frame]);
    let second = 24 + 16 + 32;
    for cut in 25..whole.len() {
        let said = decode_bytes("--format ndjson", whole[..cut].to_vec());
        let frames = usize::from(cut >= second);
        assert_eq!(said.objects().len(), frames, "cut at {cut}");
        if cut == second {
            assert_eq!(
                (said.code, said.err.as_str()),
                (Some(0), ""),
                "cut at {cut}"
            );
        } else {
            let start = if frames == 0 { 24 } else { second };
            let place = format!("damaged at byte {start}, frame {}: ", frames + 1);
            assert!(said.err.contains(&place), "cut at {cut}: {}", said.err);
            assert_eq!(said.code, Some(1), "cut at {cut}");
        }
    }
}

#[test]
fn a_lie_about_length_costs_no_memory() {
    for length in [u32::MAX, 0x7fff_ffff, 300_000] {
        let mut bytes = pcap(IPV4, &[udp(b"data")]);
        bytes.extend(
            [1_700_000_000, 0, length, 60]
                .map(u32::to_le_bytes)
                .concat(),
        );
        let lying = file(&bytes);
        // 1 GiB of address space, which what these lengths claim together would not fit in.
        let script = "ulimit -v 1048576; exec \"$0\" decode \"$1\"";
        let binary = assert_cmd::cargo::cargo_bin!("dotquad");
        let output = std::process::Command::new("bash")
            .args(["-c", script])
            .args([binary, lying.path()])
            .env("MALLOC_ARENA_MAX", "1")
            .output();
        let said = super::Said::from(output.expect("it runs"));
        assert_eq!(said.out.lines().count(), 1);
        assert!(said.err.contains(&length.to_string()), "{}", said.err);
        assert_eq!(said.code, Some(1), "{length}");
    }
}

#[test]
fn what_is_no_capture_is_refused_by_name() {
    for (name, why) in [
        ("captures/empty.pcap", "empty: not a capture"),
        (
            "captures/not_a_capture.pcap",
            "not a pcap or pcapng capture",
        ),
        ("captures/pcap_version_7.pcap", "pcap version 7.4"),
        ("captures/nowhere.pcap", "no such file"),
        ("captures", "directory"),
    ] {
        let said = decode(name);
        assert_eq!((said.out.as_str(), said.code), ("", Some(2)), "{name}");
        assert!(
            said.err.starts_with("dotquad: ") && said.err.contains(name),
            "{}",
            said.err
        );
        assert!(said.err.contains(why), "{}", said.err);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
}

#[test]
fn a_file_that_may_not_be_read_is_refused_by_name() {
    use std::os::unix::fs::PermissionsExt as _;
    let secret = file(&pcap(IPV4, &[]));
    let nobody = std::fs::Permissions::from_mode(0);
    secret
        .as_file()
        .set_permissions(nobody)
        .expect("the mode is ours");
    // Root may read it all the same, and then it is an empty capture.
    let readable = std::fs::File::open(secret.path()).is_ok();
    let said = dotquad(&["decode", &secret.path().to_string_lossy()]);
    if readable {
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    } else {
        assert_eq!(said.code, Some(2));
        assert!(said.err.contains("permission denied"), "{}", said.err);
    }
}

#[test]
fn a_device_is_read_as_what_comes_out_of_it() {
    let said = decode("/dev/null");
    assert_eq!((said.out.as_str(), said.code), ("", Some(2)));
    assert!(
        said.err.contains("/dev/null: empty: not a capture"),
        "{}",
        said.err
    );
    let said = decode("/dev/zero");
    assert_eq!((said.out.as_str(), said.code), ("", Some(2)));
    assert!(said.err.contains("/dev/zero: not a pcap"), "{}", said.err);
}

#[test]
fn a_cut_file_header_is_damage() {
    let said = decode("captures/damaged_cut_in_file_header.pcap");
    assert_eq!((said.out.as_str(), said.code), ("", Some(1)));
    assert!(
        said.err.contains("24 bytes expected, 10 are there"),
        "{}",
        said.err
    );
    let said = decode("captures/header_only.pcap");
    assert_eq!(
        (said.out.as_str(), said.err.as_str(), said.code),
        ("", "", Some(0))
    );
}

#[test]
fn random_bytes_are_no_capture() {
    let mut state = 1_u32;
    for length in [1, 3, 4, 24, 1000] {
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .take(length)
        .collect();
        let said = decode_bytes("", bytes);
        assert_eq!(
            (said.out.as_str(), said.code),
            ("", Some(2)),
            "{length} bytes"
        );
        assert!(said.err.contains("standard input: not a"), "{}", said.err);
    }
}

#[test]
fn every_impossible_block_length_ends_the_reading_at_its_block() {
    let start = [
        section(),
        interface(IPV4, &[]),
        enhanced(0, 0, &udp(b"data")),
    ]
    .concat();
    for length in [0_u32, 4, 8, 11, 13, 0xffff_fffc] {
        let mut bytes = start.clone();
        let mut bad = block(6, &[0; 20]);
        bad[4..8].copy_from_slice(&length.to_le_bytes());
        bytes.extend(bad);
        let said = decode_bytes("", bytes);
        assert_eq!(
            (said.out.lines().count(), said.code),
            (1, Some(1)),
            "{length}"
        );
        let place = format!("damaged at byte {}, frame 2: ", start.len());
        assert!(said.err.contains(&place), "{length}: {}", said.err);
    }
}

#[test]
fn a_damaged_capture_does_not_keep_the_next_from_being_read() {
    let said = decode(
        "-r captures/damaged_cut_in_record_body.pcap -r captures/icmp_echo.pcap --format ndjson",
    );
    let objects = said.objects();
    let frames: Vec<u64> = objects
        .iter()
        .filter_map(|object| object["frame"].as_u64())
        .collect();
    assert_eq!(frames, [1, 2, 3, 4, 5, 6]);
    assert_eq!(
        objects[1]["file"],
        "captures/damaged_cut_in_record_body.pcap"
    );
    assert_eq!(objects[2]["file"], "captures/icmp_echo.pcap");
    assert!(
        said.err.contains("damaged at byte 252, frame 3"),
        "{}",
        said.err
    );
    assert_eq!(said.code, Some(1));
}

#[test]
fn a_later_capture_that_is_missing_is_told_after_the_first() {
    let said = decode("-r captures/icmp_echo.pcap -r captures/nowhere.pcap");
    assert_eq!((said.out.lines().count(), said.code), (4, Some(2)));
    assert!(
        said.err.contains("captures/nowhere.pcap: no such file"),
        "{}",
        said.err
    );
}

#[test]
fn lengths_that_disagree_are_decoded_and_said() {
    // More captured than the frame had: tcpdump and Wireshark read it too.
    let frame = ipv4(253, &[]);
    let mut bytes = pcap_header(IPV4);
    bytes.extend([0, 0, 20, 10].map(u32::to_le_bytes).concat());
    bytes.extend_from_slice(&frame);
    let said = decode_bytes("--format ndjson", bytes);
    assert_eq!(super::anomalies(&said.objects()[0]), ["frame.length"]);
    assert!(said.err.contains("frame 1 at byte 24"), "{}", said.err);
    assert_eq!((said.err.lines().count(), said.code), (1, Some(0)));

    // More captured than the snaplen of the file: read, and said once.
    let said = decode("captures/pcap_over_snaplen.pcap");
    assert_eq!((said.out.lines().count(), said.code), (2, Some(0)));
    let mut bytes = pcap(ETHERNET, &[]);
    bytes[16..20].copy_from_slice(&64_u32.to_le_bytes());
    bytes.extend(record(0, 0, &[0; 100]).repeat(3));
    let said = decode_bytes("", bytes);
    assert_eq!((said.out.lines().count(), said.code), (3, Some(0)));
    assert!(said.err.matches("snaplen").count() <= 1, "{}", said.err);
}
