//! The words of `dotquad trace`: what is wrong is refused with its name before anything is sent.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on has failed"
)]

use std::fs;
use std::io::Write;

use assert_cmd::Command;

/// What the program says to these words, which must be refused.
fn refused(words: &[&str]) -> String {
    let mut command = Command::cargo_bin("dotquad").unwrap();
    let output = command.arg("trace").args(words).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{words:?}: {text}");
    assert!(output.stdout.is_empty(), "{words:?}");
    text
}

#[test]
fn what_takes_a_raw_socket_says_so() {
    for words in [&["--multipath"][..], &["-T"]] {
        let words = [words, &["--unprivileged", "127.0.0.1"]].concat();
        let text = refused(&words);
        assert!(
            text.contains("raw socket") && text.contains("CAP_NET_RAW"),
            "{text}"
        );
    }
}

#[test]
fn numbers_out_of_range_are_refused_by_name() {
    for (words, named) in [
        (&["-m", "0"][..], "--max"),
        (&["-m", "256"], "--max"),
        (&["-f", "0"], "--first"),
        (&["-q", "0"], "--queries"),
        (&["-q", "11"], "--queries"),
        (&["-w", "0"], "--wait"),
        (&["-w", "NaN"], "--wait"),
        (&["-w", "1e300"], "--wait"),
        (&["-l", "35"], "--length"),
        (&["-l", "65536"], "--length"),
        (&["-Q", "256"], "--tos"),
        (&["-Q", "+1"], "--tos"),
        (&["-p", "0"], "--port"),
        (&["--flow", "1024"], "--flow"),
        (&["--cycles", "0"], "--cycles"),
        (&["--rate", "-1"], "-1"),
        (&["-s", "fe80::1"], "--source"),
        (&["-I", "-T"], "--tcp"),
        (&["-I", "-p", "80"], "--port"),
        (&["--mtu", "-l", "100"], "--length"),
        (&["--confidence", "99"], "--multipath"),
        (&["-f", "5", "-m", "3"], "the first time to live is 5"),
    ] {
        let said = refused(&[words, &["127.0.0.1"]].concat());
        assert!(said.contains(named), "{words:?}: {said}");
    }
}

#[test]
fn targets_that_are_none_are_refused() {
    for (target, why) in [
        ("192.168.34.442", "442 is above 255"),
        ("10.0.0.0/33", "0 to 32 bits"),
        ("::1", "IPv4"),
        ("@/nonexistent", "/nonexistent"),
    ] {
        let said = refused(&[target]);
        assert!(said.contains(why), "{target}: {said}");
    }
}

#[test]
fn what_others_would_feel_is_asked_about() {
    for words in [
        &["--rate", "0", "192.0.2.1"][..],
        &["198.18.0.0/15"],
        &["127.0.0.1-127.1.0.1", "192.0.2.1"],
    ] {
        let said = refused(words);
        assert!(said.contains("--yes does it"), "{words:?}: {said}");
    }
}

#[test]
fn a_table_is_read_packed_and_its_faults_are_placed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.tsv.gz");
    let file = fs::File::create(&path).unwrap();
    let mut packed = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    packed
        .write_all(b"10.0.0.0\t10.0.0.255\t64500\tZZ\tONE\nhello\n")
        .unwrap();
    packed.finish().unwrap();
    let said = refused(&["--as", path.to_str().unwrap(), "127.0.0.1"]);
    assert!(
        said.contains("table.tsv.gz: line 2: the first column is no address"),
        "{said}"
    );
    let said = refused(&["--as", "/nonexistent", "127.0.0.1"]);
    assert!(said.contains("/nonexistent: no such file"), "{said}");
}
