//! What `dotquad ping` refuses before it opens a socket: exit 2, nothing on standard output, and a
//! sentence that says why.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use assert_cmd::cargo::cargo_bin_cmd;

/// Runs with these words, and looks for `why` in what is said.
fn refused(words: &[&str], why: &str) {
    let output = cargo_bin_cmd!().arg("ping").args(words).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
    assert!(output.stdout.is_empty(), "{words:?}");
    assert!(said.contains(why), "{words:?}: {said}");
}

#[test]
fn what_has_no_payload_is_given_none() {
    for kind in ["--tcp=80", "--timestamp", "--extended=lo"] {
        for payload in ["-s=56", "-p=ff", "--sweep-size=56..60"] {
            refused(&[kind, payload, "127.0.0.1"], "cannot be used with");
        }
    }
}

#[test]
fn a_path_mtu_has_two_forms() {
    for format in ["csv", "prometheus"] {
        let words = ["--mtu", "--format", format, "127.0.0.1"];
        refused(&words, "as text or as ndjson");
    }
}

#[test]
fn numbers_that_are_none() {
    for (words, why) in [
        (&["-c", "0"][..], "1..="),
        (&["-c", "9223372036854775808"], "1..="),
        (&["-c", "2^63"], "invalid digit"),
        (&["-c", "-1"], "unexpected argument"),
        (&["-i", "-1"], "unexpected argument"),
        (&["-i=-1"], "time does not run backwards"),
        (&["-i", "NaN"], "has an end"),
        (&["-i", "inf"], "has an end"),
        (&["-i", "1e400"], "has an end"),
        (&["-i", "1e10"], "the most"),
        (&["-i", "x"], "no number of seconds"),
        (&["-w", "0"], "no answer comes in no time"),
        (&["-W", "0"], "no answer comes in no time"),
        (&["-W", "99999999999"], "the most"),
        (&["-s", "65508"], "0..=65507"),
        (&["-s", "-1"], "unexpected argument"),
        (&["-t", "0"], "1..="),
        (&["-t", "256"], "1..=255"),
        (&["-Q", "256"], "0 to 255"),
        (&["-Q", "0x"], "decimal, or hexadecimal behind 0x"),
        (&["-Q", "+1"], "decimal, or hexadecimal behind 0x"),
        (&["-l", "0"], "1..=65536"),
        (&["-m", "4294967296"], "too large"),
        (&["-e", "65536"], "0 to 65535"),
        (&["-S", "0"], "1..="),
        (&["-p", "zz"], "hexadecimal digits"),
        (
            &["-p", "000102030405060708090a0b0c0d0e0f10"],
            "1 to 16 bytes",
        ),
        (&["-p", "é"], "hexadecimal digits"),
        (&["-M", "maybe"], "possible values: do, want, dont, probe"),
        (
            &["-T", "all"],
            "possible values: tsonly, tsandaddr, tsprespec",
        ),
        (&["--tcp", "65536"], "1..=65535"),
        (&["--udp", "0"], "1..=65535"),
        (&["--rate", "-1"], "unexpected argument"),
        (&["--rate=-1"], "packets a second"),
        (&["--rate", "NaN"], "packets a second"),
        (&["--sweep-size", "100..56"], "the smaller first"),
        (&["--sweep-size", "0..65508"], "at most 65507"),
        (&["--min-alive", "0"], "1.."),
        (&["-6"], "dotquad speaks IPv4"),
        (&["-R", "-T", "tsonly"], "cannot be used with"),
        (&["--tcp", "80", "--udp", "53"], "cannot be used with"),
        (
            &["-I", "10.0.0.1", "-I", "10.0.0.2"],
            "one address and one interface",
        ),
        (&["--extended", "neighbor:eth0"], "named by its address"),
        (&["-T", "tsprespec"], "1 to 4 can be"),
    ] {
        let mut all = words.to_vec();
        all.extend(["--", "127.0.0.1"]);
        refused(&all, why);
    }
}

#[test]
fn targets_that_are_none() {
    for (target, why) in [
        ("192.168.34.442", "442 is above 255"),
        ("1.2.3.4.5", "four numbers at most"),
        ("010.0.0.1", "octal to some"),
        ("10.0.0.0/33", "0 to 32 bits"),
        ("10.0.0.9-10.0.0.1", "below its beginning"),
        ("::1", "IPv4 is all"),
        ("", "it is empty"),
        ("0.0.0.0/0", "more than 16777216"),
        (
            "@/nonexistent/hosts",
            "reading targets from /nonexistent/hosts",
        ),
        ("224.0.0.1", "multicast"),
        ("224.0.0.0/24", "multicast"),
        ("255.255.255.255", "broadcast"),
        ("127.255.255.255", "broadcast"),
        ("two words", "resolving two words"),
        ("semi;colon", "resolving semi;colon"),
        ("-foo", "resolving -foo"),
    ] {
        refused(&["-c", "1", "--", target], why);
    }
    refused(&[], "required");
}

#[test]
fn a_file_of_targets_is_read_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hosts");
    std::fs::write(&file, "10.0.0.1 # first\n\n10.0.0.300\n").unwrap();
    let word = format!("@{}", file.display());
    refused(&[&word], "reading line 3 of ");
    std::fs::write(&file, "10.0.0.1\n@other\n").unwrap();
    refused(&[&word], "a file names no other");
    std::fs::write(&file, "# nobody\n").unwrap();
    refused(&[&word], "there is none");
}

#[test]
fn floods_of_others_must_be_meant() {
    // TEST-NET-1 and the benchmarking networks (RFC 5737, RFC 2544): refused before any is asked.
    refused(&["--rate", "0", "192.0.2.0/24"], "--yes");
    refused(&["198.18.0.0/15"], "more than 65,536 outside this host");
}
