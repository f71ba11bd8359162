//! `dotquad send` without a privilege: what is built and shown, spec files there and back, and what
//! is refused.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use dotquad::capture::{FrameSource, open};
use dotquad::wire::frame::LinkType;

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

/// Linux answers a message of zeros alone with a checksum of zero, which is wrong.
#[test]
fn an_echo_request_has_an_identifier_unless_it_is_to_be_zero() {
    let spec = |words: &[&str]| {
        let words = [&BASE[..], words, &["--dry-run", "--format", "spec"]].concat();
        good(&words, "")
    };
    let identified = |words: &[&str], line: &str| {
        let said = spec(words);
        assert!(said.lines().any(|it| it == line), "{words:?}: {said}");
    };
    identified(&["--icmp"], "identifier = 1");
    identified(&["--icmp", "--icmp-type", "13"], "identifier = 1");
    identified(&["--icmp", "--icmp-sequence", "5"], "identifier = 1");
    identified(&["--icmp", "--icmp-id", "0"], "identifier = 0");
    identified(&["--icmp", "--icmp-rest", "0"], "identifier = 0");
    identified(&["--icmp", "--icmp-type", "3"], "rest = 0x00000000");
}

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

/// All captures there are.
fn captures() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let folders = [own.join("anomalies"), own];
    let files = folders.iter().flat_map(|it| fs::read_dir(it).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// Every frame of every capture: what holds IPv4 goes through a spec file and comes out the same,
/// with its Ethernet header where it has one. Of other links only the datagram can be said.
#[test]
fn every_captured_packet_goes_through_a_spec_unchanged() {
    let (mut whole, mut datagrams, mut others) = (0, 0, 0);
    for path in captures() {
        let Ok(mut reader) = open(&path) else {
            continue;
        };
        let name = path.to_str().unwrap();
        // Behind damage nothing more comes; what came before it counts.
        let (_, text, _) = dotquad(&["decode", "--format", "spec", name], "");
        let mut specs: Vec<String> = Vec::new();
        for line in text.split_inclusive('\n') {
            if line.starts_with("# frame ") {
                specs.push(String::new());
            }
            specs.last_mut().unwrap().push_str(line);
        }
        specs.reverse();
        while let Ok(Some(batch)) = reader.next_batch() {
            for frame in batch.frames() {
                let spec = specs.pop().unwrap();
                let at = format!("{name} frame {}", frame.number);
                assert!(
                    spec.starts_with(&format!("# frame {}", frame.number)),
                    "{at}"
                );
                if spec.contains("holds no IPv4 packet") {
                    others += 1;
                    continue;
                }
                let dump = good(
                    &["send", "--spec", "-", "--dry-run", "--format", "hex"],
                    &spec,
                );
                let built = digits(&dump);
                let saved: Vec<String> = frame.bytes.iter().map(|it| format!("{it:02x}")).collect();
                let saved = saved.concat();
                if spec.contains("[ethernet]") || built.len() == saved.len() {
                    assert_eq!(built, saved, "{at}:\n{spec}");
                    whole += 1;
                } else {
                    assert_ne!(frame.link_type, LinkType::ETHERNET, "{at}");
                    assert!(
                        saved.ends_with(&built) && !built.is_empty(),
                        "{at}:\n{spec}"
                    );
                    datagrams += 1;
                }
            }
        }
        assert!(specs.is_empty(), "{name}");
    }
    assert!(
        whole > 500 && datagrams > 10 && others > 50,
        "{whole} whole, {datagrams} datagrams, {others} without IPv4"
    );
}

/// RFC 9776 sections 4.1 and 4.2: a group-and-source-specific query and a report of two records.
#[test]
fn igmp_version_3_is_said_by_flags() {
    let hex = |args: &[&str]| {
        let dry = ["--ttl", "1", "--dry-run", "--format", "hex"];
        let dump = good(&[&BASE[..], args, &dry].concat(), "");
        digits(&dump).split_off(40)
    };
    let query = hex(&[
        "--igmp-group",
        "239.1.2.3",
        "--igmp-source",
        "192.0.2.7",
        "--igmp-source",
        "192.0.2.8",
        "--igmp-suppress",
        "--igmp-qrv",
        "2",
        "--igmp-qqic",
        "125",
    ]);
    assert_eq!(query, "11646f07ef0102030a7d0002c0000207c0000208");
    let report = hex(&[
        "--igmp-record",
        "to-exclude:239.1.2.3",
        "--igmp-record",
        "allow:239.1.2.4:192.0.2.7,192.0.2.8:0a0b0c0d",
    ]);
    assert_eq!(
        report,
        "220058c70000000204000000ef01020305010002ef010204c0000207c00002080a0b0c0d"
    );
    // What is given is taken literally.
    let lies = hex(&[
        "--igmp-record",
        "0x0409ffff",
        "--igmp-count",
        "7",
        "--igmp-reserved",
        "0x8000",
        "--igmp-type",
        "0x23",
        "--igmp-code",
        "1",
        "--igmp-checksum",
        "0",
    ]);
    assert_eq!(lies, "23010000800000070409ffff");
    for (args, words) in [
        (
            &["--igmp-record", "to-exclude:224"][..],
            &[
                "--igmp-record",
                "to-exclude:224",
                "TYPE:GROUP",
                "to-include",
            ][..],
        ),
        (&["--igmp-record", "256:239.1.2.3"], &["256:239.1.2.3"]),
        (&["--igmp-record", "4:239.1.2.3:192.0.2.1:a"], &["HEX"]),
        (&["--igmp-source", "192.0.2"], &["--igmp-source", "192.0.2"]),
        (&["--igmp-qrv", "8"], &["--igmp-qrv", "0 to 7"]),
        (
            &["--igmp-source", "192.0.2.1", "--igmp-reserved", "16"],
            &["--igmp-reserved", "0 to 15"],
        ),
        (
            &["--igmp-record", "4:239.1.2.3", "--igmp-source", "192.0.2.1"],
            &["--igmp-source", "query", "report"],
        ),
        (
            &["--igmp-record", "4:239.1.2.3", "--igmp-group", "239.1.2.3"],
            &["--igmp-record", "--igmp-group"],
        ),
    ] {
        let (code, _, err) = dotquad(&[&BASE[..], args, &["--dry-run"]].concat(), "");
        assert_eq!(code, Some(2), "{args:?}: {err}");
        for word in words {
            assert!(err.contains(word), "{args:?}: {word} in {err}");
        }
    }
}

#[test]
fn a_payload_is_said_in_every_way() {
    let payload = |args: &[&str], input: &str| {
        let args = [&BASE[..], args, &["--dry-run", "--format", "hex"]].concat();
        digits(&good(&args, input)).split_off(40)
    };
    assert_eq!(payload(&["--data", "hi"], ""), "6869");
    assert_eq!(payload(&["--data-hex", "0xde:ad be"], ""), "deadbe");
    assert_eq!(
        payload(&["--data-file", "-"], "from stdin"),
        "66726f6d20737464696e"
    );
    assert_eq!(payload(&["--data-len", "3"], ""), "000102");
    assert_eq!(
        payload(&["--data-len", "5", "--data-pattern", "c0ff"], ""),
        "c0ffc0ffc0"
    );
    let spec = "[ipv4]\nsource = \"192.0.2.1\"\n[payload]\nlength = 3\npattern = \"aa\"\n";
    let dump = good(
        &["send", "--spec", "-", "--dry-run", "--format", "hex"],
        spec,
    );
    assert_eq!(digits(&dump).split_off(40), "aaaaaa");
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
        (&["--data-pattern", "ff"], &["--data-pattern", "--data-len"]),
        (&["--shim", "0"], &["--shim", "hexadecimal"]),
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
