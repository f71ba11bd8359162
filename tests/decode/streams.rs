//! Pipes: frames as they come, readers that go away, outputs that are full, interrupts.
//!
//! Nothing here waits for time to pass: each step waits for what the step before it brings about.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{IPV4, Said, dotquad, file, pcap, pcap_header, record, udp};

/// A decoder that was started, its output at hand.
fn start(words: &[&str], input: Stdio) -> (Child, BufReader<impl Read + use<>>) {
    let mut child = Command::new(assert_cmd::cargo::cargo_bin!("dotquad"))
        .arg("decode")
        .args(words)
        .stdin(input)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let out = child.stdout.take().expect("its output is piped");
    (child, BufReader::new(out))
}

/// Its next line.
fn line(out: &mut impl BufRead) -> String {
    let mut line = String::new();
    out.read_line(&mut line).expect("a line can be read");
    line
}

/// Sends frames one by one, each only after the one before was shown.
fn shown_as_they_come(writer: &mut impl Write, out: &mut impl BufRead) {
    writer
        .write_all(&pcap_header(IPV4))
        .expect("the pipe takes it");
    for number in 1..=5 {
        writer
            .write_all(&record(number, 0, &udp(b"data")))
            .expect("the pipe takes it");
        writer.flush().expect("the pipe takes it");
        let line = line(out);
        assert!(
            line.starts_with(&format!("{number} 00:00:0{number}")),
            "{line:?}"
        );
    }
}

/// How it ended, and what it said meanwhile.
fn ended(mut child: Child, mut out: impl Read) -> Said {
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("text comes out");
    let mut err = String::new();
    let mut complaints = child.stderr.take().expect("its messages are piped");
    complaints.read_to_string(&mut err).expect("text comes out");
    let code = child.wait().expect("it ends").code();
    Said {
        out: rest,
        err,
        code,
    }
}

#[test]
fn frames_down_a_pipe_are_shown_as_they_come() {
    let (mut child, mut out) = start(&["-"], Stdio::piped());
    let mut writer = child.stdin.take().expect("its input is piped");
    shown_as_they_come(&mut writer, &mut out);
    drop(writer);
    let said = ended(child, out);
    assert_eq!(
        (said.out.as_str(), said.err.as_str(), said.code),
        ("", "", Some(0))
    );
}

/// A FIFO in a folder of its own.
fn fifo() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fifo").to_string_lossy().into_owned();
    let made = Command::new("mkfifo")
        .arg(&path)
        .status()
        .expect("mkfifo runs");
    assert!(made.success());
    (folder, path)
}

#[test]
fn frames_in_a_fifo_are_shown_as_they_come() {
    let (_folder, path) = fifo();
    let (child, mut out) = start(&[&path], Stdio::null());
    let mut writer = OpenOptions::new()
        .write(true)
        .open(&path)
        .expect("it opens");
    shown_as_they_come(&mut writer, &mut out);
    drop(writer);
    let said = ended(child, out);
    assert_eq!(
        (said.out.as_str(), said.err.as_str(), said.code),
        ("", "", Some(0))
    );
}

#[test]
fn a_pipe_that_breaks_off_says_where() {
    let (mut child, mut out) = start(&["-"], Stdio::piped());
    let mut writer = child.stdin.take().expect("its input is piped");
    shown_as_they_come(&mut writer, &mut out);
    writer.write_all(&[0; 7]).expect("the pipe takes it");
    drop(writer);
    let said = ended(child, out);
    assert!(
        said.err
            .contains("standard input: damaged at byte 264, frame 6"),
        "{}",
        said.err
    );
    assert_eq!((said.out.as_str(), said.code), ("", Some(1)));
}

#[test]
fn an_interrupt_ends_the_wait_for_a_quiet_fifo() {
    for (signal, code) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let (_folder, path) = fifo();
        let (child, mut out) = start(&[&path], Stdio::null());
        let mut writer = OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("it opens");
        shown_as_they_come(&mut writer, &mut out);
        let pid = i32::try_from(child.id()).expect("a process id");
        kill(Pid::from_raw(pid), signal).expect("it is ours to interrupt");
        // The FIFO stays open: nothing but the signal can end this.
        let said = ended(child, out);
        drop(writer);
        assert_eq!(
            (said.out.as_str(), said.err.as_str(), said.code),
            ("", "", Some(code))
        );
    }
}

/// A capture whose lines fill more than any pipe holds.
fn long() -> tempfile::NamedTempFile {
    let frames = vec![udp(b"data"); 20_000];
    file(&pcap(IPV4, &frames))
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let capture = long();
    for words in [
        &[][..],
        &["-v"],
        &["--format", "ndjson"],
        &["--format", "table"],
        &["--format", "csv"],
    ] {
        let path = capture.path().to_string_lossy().into_owned();
        let words = [words, &[path.as_str()]].concat();
        let (child, mut out) = start(&words, Stdio::null());
        assert!(!line(&mut out).is_empty());
        drop(out);
        let said = ended(child, std::io::empty());
        assert_eq!((said.err.as_str(), said.code), ("", Some(0)), "{words:?}");
    }
}

#[test]
fn an_output_that_is_full_is_told() {
    let capture = long();
    let capture = capture.path().to_string_lossy().into_owned();
    for words in [
        &[][..],
        &["--format", "ndjson"],
        &["-v"],
        &["--count"],
        &["--format", "csv"],
        &["--format", "table"],
    ] {
        let full = File::create("/dev/full").expect("it is a device");
        let output = Command::new(assert_cmd::cargo::cargo_bin!("dotquad"))
            .arg("decode")
            .args(words)
            .arg(&capture)
            .stdout(full)
            .output();
        let said = Said::from(output.expect("it runs"));
        assert_eq!(said.code, Some(2), "{words:?}: {}", said.err);
        assert!(
            said.err.starts_with("dotquad: writing to standard output"),
            "{}",
            said.err
        );
        assert!(said.err.contains("No space left on device"), "{}", said.err);
        assert_eq!(said.err.lines().count(), 1, "{}", said.err);
    }
    let full = File::create("/dev/full").expect("it is a device");
    let output = Command::new(assert_cmd::cargo::cargo_bin!("dotquad"))
        .arg("interfaces")
        .stdout(full)
        .output();
    let said = Said::from(output.expect("it runs"));
    assert_eq!(said.code, Some(2), "{}", said.err);
}

#[test]
fn a_closed_standard_input_is_told() {
    let script = "exec \"$0\" decode - <&-";
    let binary = assert_cmd::cargo::cargo_bin!("dotquad");
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(binary)
        .output();
    let said = Said::from(output.expect("it runs"));
    assert_eq!(
        (said.out.as_str(), said.code),
        ("", Some(2)),
        "{}",
        said.err
    );
    assert!(said.err.starts_with("dotquad: "), "{}", said.err);
}

#[test]
fn standard_input_reads_as_the_file_does() {
    for name in [
        "icmp_echo.pcap",
        "pcapng_all_blocks.pcapng",
        "pcap_gzip.pcap.gz",
    ] {
        let path = format!("captures/{name}");
        let bytes = std::fs::read(super::root().join(&path)).expect("it is there");
        let piped = super::decode_bytes("--format ndjson", bytes);
        assert_eq!(
            piped,
            dotquad(&["decode", "--format", "ndjson", &path]),
            "{name}"
        );
    }
}

#[test]
fn a_file_that_grows_is_read_as_far_as_it_goes() {
    let mut growing = file(&pcap(IPV4, &[udp(b"data")]));
    let path = growing.path().to_string_lossy().into_owned();
    let said = dotquad(&["decode", "--count", &path]);
    assert_eq!((said.out.as_str(), said.code), ("1\n", Some(0)));
    growing
        .write_all(&record(0, 0, &udp(b"more"))[..20])
        .expect("it can be written");
    let said = dotquad(&["decode", "--count", &path]);
    assert_eq!(
        (said.out.as_str(), said.code),
        ("1\n", Some(1)),
        "{}",
        said.err
    );
    growing
        .write_all(&record(0, 0, &udp(b"more"))[20..])
        .expect("it can be written");
    let said = dotquad(&["decode", "--count", &path]);
    assert_eq!((said.out.as_str(), said.code), ("2\n", Some(0)));
}

#[test]
fn a_signal_ends_who_waits_for_a_capture_to_begin() {
    let folder = tempfile::tempdir().expect("a folder");
    let fifo = folder.path().join("fifo");
    let made = Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo runs").success());
    for command in ["decode", "stats"] {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("dotquad"))
            .arg(command)
            .arg(&fifo)
            .spawn()
            .expect("it starts");
        // Once the other end is open, it waits for the first bytes.
        let writer = OpenOptions::new().write(true).open(&fifo);
        let pid = i32::try_from(child.id()).expect("a process has a number");
        kill(Pid::from_raw(pid), Signal::SIGINT).expect("it is ours to interrupt");
        // The end of its input comes after the signal.
        drop(writer);
        let ended = child.wait().expect("it ends");
        assert_eq!(ended.signal(), Some(Signal::SIGINT as i32), "{command}");
    }
}
