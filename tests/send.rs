//! `dotquad send` without a privilege: what is built and shown, spec files there and back, and what
//! is refused.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use assert_cmd::Command;

fn dotquad(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::cargo_bin("dotquad").unwrap();
    let output = command.args(args).write_stdin(input).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn good(args: &[&str], input: &str) -> String {
    let (code, out, err) = dotquad(args, input);
    assert_eq!(code, Some(0), "{args:?}: {err}");
    out
}

/// The digits of a hexadecimal dump.
fn digits(dump: &str) -> String {
    let rows = dump.lines().filter_map(|line| line.strip_prefix("\t0x"));
    rows.filter_map(|row| row.split_once(": "))
        .flat_map(|(_, digits)| digits.split_whitespace())
        .collect()
}

const BASE: [&str; 4] = ["send", "198.51.100.2", "--source", "192.0.2.1"];

#[test]
fn a_dry_run_shows_every_field_and_every_byte() {
    let out = good(
        &[
            &BASE[..],
            &["--icmp", "--icmp-id", "7", "--data", "hello", "--dry-run"],
        ]
        .concat(),
        "",
    );
    for words in [
        "Header length",
        "echo request",
        "Identifier                    7",
        "good",
    ] {
        assert!(out.contains(words), "{words}: {out}");
    }
    // RFC 791, RFC 792 and RFC 1071, worked out apart from this program.
    let dump = good(
        &[
            &BASE[..],
            &[
                "--icmp",
                "--icmp-id",
                "7",
                "--data",
                "hello",
                "--dry-run",
                "--format",
                "hex",
            ],
        ]
        .concat(),
        "",
    );
    let expected = "450000210001000040018ea4c0000201c63364020800b4260007000068656c6c6f";
    assert_eq!(digits(&dump), expected);
    let diagram = good(
        &[&BASE[..], &["--udp", "--dry-run", "--format", "diagram"]].concat(),
        "",
    );
    assert!(
        diagram.contains("Time to live") && diagram.contains("+-"),
        "{diagram}"
    );
}

#[test]
fn a_captured_packet_is_shown_as_a_spec_and_sent_again_unchanged() {
    for name in [
        "icmp_echo.pcap",
        "option_record_route.pcap",
        "icmp_extensions.pcap",
        "igmp_v3.pcap",
        "tcp_handshake_options.pcap",
        "vlan.pcap",
        "fragments.pcap",
        "anomalies/ipv4.ihl.truncated.pcap",
    ] {
        let path = format!("{}/captures/{name}", env!("CARGO_MANIFEST_DIR"));
        let spec = good(
            &[
                "decode", &path, "-c", "1", "--format", "spec", "ip", "or", "vlan",
            ],
            "",
        );
        let dump = good(&["decode", &path, "-c", "1", "-x", "ip", "or", "vlan"], "");
        let again = good(
            &["send", "--spec", "-", "--dry-run", "--format", "hex"],
            &spec,
        );
        assert_eq!(digits(&again), digits(&dump), "{name}:\n{spec}");
        // And once more as a spec.
        let rewritten = good(
            &["send", "--spec", "-", "--dry-run", "--format", "spec"],
            &spec,
        );
        assert!(
            spec.contains(rewritten.trim()),
            "{name}:\n{spec}\n{rewritten}"
        );
        // One field changed, and all else is right again.
        let changed = good(
            &[
                "send",
                "--spec",
                "-",
                "--ttl",
                "3",
                "--dry-run",
                "--format",
                "ndjson",
            ],
            &spec,
        );
        assert!(changed.contains("\"ttl\":3"), "{name}: {changed}");
    }
}

#[test]
fn a_packet_can_be_written_to_a_capture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pcap");
    let path = path.to_str().unwrap();
    good(
        &[
            &BASE[..],
            &["--udp", "--dport", "53", "-c", "3", "-w", path],
        ]
        .concat(),
        "",
    );
    assert_eq!(
        good(&["decode", path, "--count", "udp", "port", "53"], ""),
        "3\n"
    );
}

#[test]
fn what_is_wrong_is_named_with_its_range() {
    for (args, words) in [
        (&["--ttl", "256"][..], &["--ttl", "256", "0 to 255"][..]),
        (&["--ttl", "-1"], &["--ttl", "-1", "0 to 255"]),
        (&["--ihl", "16"], &["--ihl", "0 to 15"]),
        (&["--offset", "12"], &["--offset", "multiple of 8"]),
        (&["--offset", "65529"], &["--offset", "65528"]),
        (&["--udp", "--dport", "65536"], &["--dport", "0 to 65535"]),
        (&["--dport", "53"], &["--dport", "--udp", "--tcp"]),
        (&["--udp", "--seq", "1"], &["--seq", "tcp"]),
        (&["--udp", "--tcp"], &["--udp", "--tcp"]),
        (&["--tcp", "--flags", "SX"], &["--flags", "SX"]),
        (&["--option", "rr:64"], &["--option", "rr:64"]),
        (&["--option", "rr:10"], &["options", "40"]),
        (&["--data-hex", "abc"], &["--data-hex", "abc"]),
        (&["--data-len", "262145"], &["--data-len", "262144"]),
        (&["--data-file", "/nonexistent"], &["/nonexistent"]),
        (&["--spec", "/nonexistent"], &["/nonexistent"]),
        (&["--ethernet", "02:00"], &["--ethernet", "MAC"]),
        (&["--vlan", "4096"], &["--vlan", "4095"]),
        (&["--fragment", "67"], &["--fragment", "68"]),
        (
            &[
                "--fragment",
                "576",
                "--fragment-overlap",
                "3",
                "--data-len",
                "999",
            ],
            &["--fragment-overlap", "8"],
        ),
        (&["-c", "0"], &["0", "1.."]),
        (&["-c", "9223372036854775809999"], &["-c"]),
        (&["--interval", "NaN"], &["--interval"]),
        (&["--interval", "-1"], &["--interval"]),
        (&["--listen", "1e400"], &["--listen"]),
    ] {
        let (code, out, err) = dotquad(&[&BASE[..], args, &["--dry-run"]].concat(), "");
        assert_eq!((code, out.as_str()), (Some(2), ""), "{args:?}: {err}");
        for word in words {
            assert!(err.contains(word), "{args:?}: {word} in {err}");
        }
    }
    let (code, _, err) = dotquad(&["send", "--udp", "--dry-run"], "");
    assert!(code == Some(2) && err.contains("destination"), "{err}");
    let (code, _, err) = dotquad(&["send", "--spec", "-", "--dry-run"], "[ipv4]\nttl = 999\n");
    assert!(
        code == Some(2) && err.contains("ipv4.ttl") && err.contains("0 to 255"),
        "{err}"
    );
}
