//! What a person has to put up with: routers with strange names, name servers that are dead,
//! limits that nobody had time to see, and their own impatience.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use libtest_mimic::Failed;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::internet::Internet;
use super::{dotquad, ensure, mtu, read, router};

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// A router names its interface with an escape sequence that clears the screen (RFC 5837).
pub(super) fn control_bytes() -> Result<(), Failed> {
    let scenario = read("interfaces")?;
    router::play(Internet::read(&scenario), mtu(&scenario))?;
    for format in ["text", "ndjson", "table", "csv", "dot"] {
        let output = dotquad(&owned(&["--format", format, "10.0.99.1"]))?;
        ensure(output.status.success(), || format!("{output:?}"))?;
        let raw = |byte: &u8| byte.is_ascii_control() && *byte != b'\n';
        let clean = !output.stdout.iter().any(raw);
        let text = String::from_utf8_lossy(&output.stdout);
        ensure(clean, || format!("{format}: {text:?}"))?;
        if matches!(format, "text" | "ndjson") {
            let named = text.contains("et-0/0/1") && text.contains("[2J");
            ensure(named, || format!("{format}: {text}"))?;
        }
    }
    Ok(())
}

/// A hop that answers in part on a quick path: it is said that nobody knows why, and how to know.
pub(super) fn undecided() -> Result<(), Failed> {
    let scenario = read("limited-hop-quick")?;
    router::play(Internet::read(&scenario), mtu(&scenario))?;
    let output = dotquad(&owned(&["10.0.99.1"]))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().nth(2).unwrap_or_default();
    ensure(
        line.contains("10.0.2.1") && line.contains(" * *") && line.ends_with("[limit?]"),
        || text.clone().into_owned(),
    )?;
    ensure(text.contains("--recheck finds out"), || text.into_owned())
}

/// Runs `$2` where `$1` is /etc.
const SCRIPT: &str = "mount --bind \"$1\" /etc && exec timeout 60 \"$2\" trace --names 10.0.99.1";

/// A name server that never answers keeps neither probes nor the path back.
pub(super) fn dead_name_server() -> Result<(), Failed> {
    let scenario = read("quiet-udp")?;
    let carried = router::play(Internet::read(&scenario), mtu(&scenario))?;
    // It hears the questions, and says nothing.
    let server = UdpSocket::bind((Ipv4Addr::new(127, 53, 0, 9), 53))?;
    let etc = tempfile::tempdir()?;
    for (name, text) in [
        ("nsswitch.conf", "hosts: files dns\n"),
        ("resolv.conf", "nameserver 127.53.0.9\n"),
        ("hosts", "127.0.0.1 localhost\n"),
    ] {
        fs::write(etc.path().join(name), text)?;
    }
    let mut command = Command::new("unshare");
    command.args(["-m", "--", "sh", "-c", SCRIPT, "sh"]);
    let output = command
        .arg(etc.path())
        .arg(env!("CARGO_BIN_EXE_dotquad"))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let words = String::from_utf8_lossy(&output.stderr);
    ensure(output.status.code() == Some(0), || words.to_string())?;
    ensure(text.contains("\n12  10.0.99.1 "), || text.to_string())?;
    // Two seconds after the path was known, or when the name server is given up, whichever a busy
    // machine comes to first.
    ensure(words.contains("no name server has answered"), || {
        words.to_string()
    })?;
    let probes = carried.load(Ordering::Relaxed);
    // 30, 2 more to each of 11 hops, and at most 11 beyond.
    ensure((30..=63).contains(&probes), || format!("{probes} probes"))?;
    let mut question = [0; 512];
    let heard = server.recv(&mut question)?;
    ensure(heard > 12, || "the name server was not asked".to_owned())
}

/// Ctrl-C: what is known is shown, and the exit status is what it deserves so far.
pub(super) fn interrupted() -> Result<(), Failed> {
    // The end is silent for a second; before, three hops are shown.
    let scenario = read("silent-end")?;
    router::play(Internet::read(&scenario), mtu(&scenario))?;
    let (code, lines) = interrupt(&["10.0.99.1"], 2)?;
    ensure(code == Some(1), || format!("{code:?}"))?;
    ensure(lines[1].starts_with(" 1  10.0.1.1 "), || lines.join("\n"))?;
    let whole = lines.iter().all(|line| !line.starts_with(" 9"));
    ensure(whole, || lines.join("\n"))?;
    // Nothing is known yet but what was asked for.
    let (code, lines) = interrupt(&["-f", "20", "10.0.99.1"], 1)?;
    let heading = lines
        .first()
        .is_some_and(|it| it.starts_with("traceroute to "));
    ensure(code == Some(1) && heading, || format!("{code:?} {lines:?}"))?;
    // Asked again and again, and reached each time.
    let words = [
        "-m",
        "4",
        "--cycles",
        "1000",
        "--interval",
        "0.1",
        "--format",
        "ndjson",
        "10.0.4.1",
    ];
    let (code, lines) = interrupt(&words, 20)?;
    ensure(code == Some(0), || lines.join("\n"))?;
    let whole = lines.iter().all(|line| line.ends_with('}'));
    ensure(whole, || lines.join("\n"))?;
    let end = lines.last().map(String::as_str).unwrap_or_default();
    for part in [
        "\"event\":\"trace\"",
        "\"reached\":true",
        "\"interrupted\":true",
    ] {
        ensure(end.contains(part), || end.to_owned())?;
    }
    // All ways, of which the fifth hop is silent: those before it are known when it is asked.
    let words = ["--multipath", "--format", "ndjson", "10.0.99.1"];
    let (_, lines) = interrupt(&words, 1)?;
    let end = lines.last().map(String::as_str).unwrap_or_default();
    ensure(end.contains("\"interrupted\":true"), || lines.join("\n"))
}

/// Interrupts the command when it has written so many lines; its status, and all its lines.
fn interrupt(words: &[&str], after: usize) -> Result<(Option<i32>, Vec<String>), Failed> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dotquad"));
    command.arg("trace").args(words).stdout(Stdio::piped());
    let mut child = command.spawn()?;
    let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
    let mut lines = Vec::new();
    let mut line = String::new();
    while lines.len() < after && output.read_line(&mut line)? > 0 {
        lines.push(line.trim_end_matches('\n').to_owned());
        line.clear();
    }
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT)?;
    let mut rest = String::new();
    output.read_to_string(&mut rest)?;
    lines.extend(rest.lines().map(str::to_owned));
    Ok((child.wait()?.code(), lines))
}
