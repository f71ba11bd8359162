//! `-w`: what is written reads back as the same lines, and what cannot be written in full is told
//! and still ends on a whole record.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{IPV4, Said, decode, dotquad, file, pcap, udp};

/// Writes a capture in the root of the repository to `target`.
fn write(options: &str, capture: &str, target: &Path) -> Said {
    let mut words: Vec<&str> = ["decode"]
        .into_iter()
        .chain(options.split_whitespace())
        .collect();
    let target = target.to_string_lossy();
    words.extend(["-w", &target, capture]);
    dotquad(&words)
}

#[test]
fn what_is_written_reads_back_as_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    for capture in [
        "tour.pcapng",
        "icmp_echo.pcap",
        "pcap_nanoseconds.pcap",
        "pcapng_interfaces.pcapng",
        "pcapng_two_sections.pcapng",
        "snaplen_cut.pcap",
        "fragments.pcap",
        "frames_short.pcap",
        "linux_sll2.pcap",
        "pcap_odd_times.pcap",
        "pcapng_hostile_text.pcapng",
    ] {
        let capture = format!("captures/{capture}");
        for ending in ["pcapng", "pcapng.gz", "pcapng.zst", "pcapng.lz4", "other"] {
            let target = folder.path().join(format!("out.{ending}"));
            let said = write("", &capture, &target);
            assert_eq!(
                (said.out.as_str(), said.err.as_str(), said.code),
                ("", "", Some(0)),
                "{capture} {ending}"
            );
            for format in ["line", "ndjson"] {
                let again = dotquad(&["decode", "--format", format, &target.to_string_lossy()]);
                assert_eq!(
                    again,
                    decode(&format!("--format {format} {capture}")),
                    "{capture} as {ending}"
                );
            }
        }
    }
}

#[test]
fn a_capture_may_go_down_a_pipe() {
    let mut command = assert_cmd::cargo::cargo_bin_cmd!("dotquad");
    command.current_dir(super::root());
    command.args(["decode", "-w", "-", "captures/icmp_echo.pcap"]);
    let output = command.output().expect("it runs");
    assert_eq!(
        (output.status.code(), output.stderr.as_slice()),
        (Some(0), &b""[..])
    );
    let again = super::decode_bytes("", output.stdout);
    assert_eq!(again, decode("captures/icmp_echo.pcap"));
}

#[test]
fn classic_pcap_keeps_all_it_can() {
    let folder = tempfile::tempdir().expect("a folder");
    for capture in [
        "icmp_echo.pcap",
        "pcap_nanoseconds.pcap",
        "snaplen_cut.pcap",
        "raw_ip.pcap",
        "frames_short.pcap",
        "udp_surplus.pcap",
    ] {
        let capture = format!("captures/{capture}");
        for ending in ["pcap", "pcap.gz", "pcap.zst"] {
            let target = folder.path().join(format!("out.{ending}"));
            let said = write("", &capture, &target);
            assert_eq!(
                (said.err.as_str(), said.code),
                ("", Some(0)),
                "{capture} {ending}"
            );
            let again = dotquad(&["decode", "--format", "ndjson", &target.to_string_lossy()]);
            assert_eq!(
                again,
                decode(&format!("--format ndjson {capture}")),
                "{capture} as {ending}"
            );
        }
    }
}

#[test]
fn classic_pcap_refuses_a_second_link_type() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("out.pcap");
    let said = write("", "captures/pcapng_two_sections.pcapng", &target);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert!(said.err.contains("out.pcap"), "{}", said.err);
    assert!(
        said.err.contains("pcapng"),
        "what to do is said: {}",
        said.err
    );
}

#[test]
fn the_chosen_frames_are_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("out.pcapng");
    let count = |options: &str| {
        let said = write(options, "captures/icmp_echo.pcap", &target);
        assert_eq!((said.err.as_str(), said.code), ("", Some(0)), "{options}");
        dotquad(&["decode", "--count", &target.to_string_lossy()]).out
    };
    assert_eq!(count("-c 3"), "3\n");
    assert_eq!(count("--skip 3"), "1\n");
    assert_eq!(count("--skip 9"), "0\n");
    let target = target.to_string_lossy();
    let said = dotquad(&[
        "decode",
        "-w",
        &target,
        "captures/icmp_echo.pcap",
        "src 192.0.2.1",
    ]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(dotquad(&["decode", "--count", &target]).out, "2\n");
}

#[test]
fn all_before_the_damage_is_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("out.pcapng");
    let said = write("", "captures/damaged_caplen_huge.pcap", &target);
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("damaged at byte 252, frame 3"),
        "{}",
        said.err
    );
    let said = dotquad(&["decode", "--count", &target.to_string_lossy()]);
    assert_eq!(
        (said.out.as_str(), said.code),
        ("2\n", Some(0)),
        "{}",
        said.err
    );
}

#[test]
fn the_capture_being_read_is_not_written_over() {
    let capture = file(&pcap(IPV4, &[udp(b"data")]));
    let before = fs::read(capture.path()).expect("it is there");
    let path = capture.path().to_string_lossy();
    let said = dotquad(&["decode", "-w", &path, &path]);
    assert_eq!(said.code, Some(2), "{}", said.err);
    assert_eq!(fs::read(capture.path()).expect("it is there"), before);
}

#[test]
fn a_place_that_cannot_be_written_is_told() {
    for target in ["/nowhere/out.pcap", "/"] {
        let said = write("", "captures/icmp_echo.pcap", Path::new(target));
        assert_eq!((said.out.as_str(), said.code), ("", Some(2)), "{target}");
        assert!(
            said.err.starts_with("dotquad: ") && said.err.contains(target),
            "{}",
            said.err
        );
    }
    let said = write("", "captures/icmp_echo.pcap", Path::new("/dev/full"));
    assert_eq!((said.out.as_str(), said.code), ("", Some(2)));
    assert!(
        said.err.contains("/dev/full") && said.err.contains('0'),
        "{}",
        said.err
    );
    assert!(
        fs::metadata("/dev/full").is_ok(),
        "the device is still there"
    );
}

/// Frames that no compressor makes smaller.
fn noise(frames: u32) -> Vec<Vec<u8>> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut word = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut frame = || {
        let data: Vec<u8> = std::iter::repeat_with(&mut word)
            .take(128)
            .flatten()
            .collect();
        udp(&data)
    };
    (0..frames).map(|_| frame()).collect()
}

#[test]
fn a_full_disk_leaves_a_whole_capture_and_its_count() {
    let capture = file(&pcap(IPV4, &noise(6000)));
    let folder = tempfile::tempdir().expect("a folder");
    // 4,000 KiB of room for 6 MB, of which SIGXFSZ tells at a byte no record ends at.
    let script = "ulimit -f 4000; exec \"$0\" decode -w \"$1\" \"$2\"";
    for ending in ["pcap", "pcapng", "pcap.gz", "pcapng.zst", "pcap.lz4"] {
        let target = folder.path().join(format!("out.{ending}"));
        let binary = assert_cmd::cargo::cargo_bin!("dotquad");
        let output = Command::new("bash")
            .args(["-c", script])
            .args([binary, &target, capture.path()])
            .output();
        let said = Said::from(output.expect("it runs"));
        assert_eq!(
            (said.out.as_str(), said.code),
            ("", Some(2)),
            "{ending}: {}",
            said.err
        );
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
        assert!(said.err.contains(&format!("out.{ending}")), "{}", said.err);

        let again = dotquad(&["decode", "--count", &target.to_string_lossy()]);
        assert_eq!((again.err.as_str(), again.code), ("", Some(0)), "{ending}");
        let count: u32 = again.out.trim().parse().expect("a count is a number");
        assert!(count > 1000 && count < 6000, "{ending}: {count}");
        let mut words = said.err.split(|c: char| !c.is_ascii_digit());
        assert!(
            words.any(|word| word == count.to_string()),
            "{ending}: {count} in {}",
            said.err
        );
    }
}

#[test]
fn what_cannot_be_read_leaves_the_output_as_it_was() {
    let kept = b"the work of a day";
    let not_a_capture = file(b"neither is this");
    for input in ["no such file", &not_a_capture.path().to_string_lossy()] {
        let target = file(kept);
        let said = dotquad(&["decode", input, "-w", &target.path().to_string_lossy()]);
        assert_eq!(said.code, Some(2), "{}", said.err);
        let after = fs::read(target.path()).expect("it is still there");
        assert_eq!(after, kept, "{}", said.err);
    }
}

#[test]
fn a_capture_without_frames_keeps_its_link_type() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("out.pcap");
    // LINKTYPE_RAW is 101, LINKTYPE_LINUX_SLL2 276, LINKTYPE_IPV4 228.
    let none = file(&pcap(IPV4, &[]));
    let none = none.path().to_string_lossy();
    for (capture, link_type) in [
        ("captures/raw_ip.pcap", 101_u32),
        ("captures/linux_sll2.pcap", 276),
        (&none, 228),
    ] {
        let said = dotquad(&["decode", capture, "-w", &target.to_string_lossy(), "less 1"]);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
        let written = fs::read(&target).expect("it is written");
        assert_eq!(written.len(), 24, "a file header and no record");
        assert_eq!(written[20..24], link_type.to_le_bytes(), "{capture}");
    }
}

#[test]
fn an_output_that_never_begins_is_not_left_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("output.pcapng");
    let output = output.to_str().expect("a name");
    let text = folder.path().join("text");
    fs::write(&text, "no capture at all\n").expect("a file");
    let empty = folder.path().join("empty");
    fs::write(&empty, "").expect("a file");
    let sound = "captures/icmp_echo.pcap";
    let no_user = ["--user", "no such user"];
    for words in [
        vec!["decode", text.to_str().expect("a name")],
        vec!["decode", empty.to_str().expect("a name")],
        [&["decode", sound][..], &no_user].concat(),
        vec!["decode", sound, "--format", "csv", "--fields", "nonsense"],
        [
            &["send", "192.0.2.1", "--source", "192.0.2.2", "--udp"][..],
            &no_user,
        ]
        .concat(),
        vec![
            "send",
            "192.0.2.1",
            "--source",
            "192.0.2.2",
            "--udp",
            "--fragment",
            "20",
        ],
    ] {
        let said = dotquad(&[&words[..], &["-w", output]].concat());
        assert_eq!(said.code, Some(2), "{words:?}: {}", said.err);
        assert!(!Path::new(output).exists(), "{words:?}");
        // What was there before stays as it was.
        fs::write(output, "older").expect("a file");
        let said = dotquad(&[&words[..], &["-w", output]].concat());
        assert_eq!(said.code, Some(2), "{words:?}: {}", said.err);
        assert_eq!(
            fs::read(output).expect("it is there"),
            b"older",
            "{words:?}"
        );
        fs::remove_file(output).expect("it is there");
    }
}

/// What the first bytes do not tell is found where nothing can be removed any more: it is said.
#[test]
fn an_output_that_stays_empty_is_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = folder.path().join("output.pcapng");
    let cut = folder.path().join("cut.pcap");
    fs::write(&cut, &pcap(IPV4, &[])[..10]).expect("a file");
    let words = ["decode", "-w", output.to_str().expect("a name")];
    let said = dotquad(&[&words[..], &[cut.to_str().expect("a name")]].concat());
    assert_eq!(said.code, Some(1), "{}", said.err);
    assert!(
        said.err
            .contains("output.pcapng was created and is left empty"),
        "{}",
        said.err
    );
}
