//! A sweep that several threads share says what one says: on the loopback, beside networks that
//! are silent, refused by our own kernel, and refused by a router.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::super::cable::{cable, ip};
use super::{code, command, ensure, masked, ping, same};

/// Networks before and behind a /22 of our own: 10.4 and 10.6 have no hosts.
const NETWORKS: [&str; 7] = [
    "10.4.0.0/28",
    "10.4.0.16/28",
    "10.4.0.32/28",
    "10.5.0.0/22",
    "10.6.0.0/28",
    "10.6.0.16/28",
    "10.6.0.32/28",
];
/// Those of ours, and those of the others.
const ALIVE: usize = 1022;
const DEAD: usize = 6 * 14;

fn networks() -> Result<(), Failed> {
    cable()?;
    // What comes out at the right end is routed by a table of its own: the router drops it, or
    // says that its time to live is over.
    for (name, value) in [
        ("ip_forward", "1"),
        ("conf/right/accept_local", "1"),
        ("conf/right/rp_filter", "0"),
        ("conf/all/rp_filter", "0"),
        ("icmp_ratelimit", "0"),
    ] {
        fs::write(format!("/proc/sys/net/ipv4/{name}"), value)?;
    }
    ip("rule add pref 1 iif right lookup 100")?;
    ip("route add default dev left table 100")?;
    ip("rule del pref 0")?;
    ip("rule add pref 2 lookup local")?;
    for net in ["10.4", "10.6"] {
        ip(&format!("route add blackhole {net}.0.0/28 table 100"))?;
        ip(&format!("route add {net}.0.0/28 via 10.7.0.2 dev left"))?;
        ip(&format!("route add unreachable {net}.0.16/28"))?;
        ip(&format!("route add {net}.0.32/28 via 10.7.0.2 dev left"))?;
    }
    ip("route add local 10.5.0.0/22 dev lo")
}

fn sweep(words: &str) -> String {
    format!("--rate 0 --yes -W 0.2 -t 1 {words} {}", NETWORKS.join(" "))
}

/// What happened how often, without times.
fn events(output: &[u8]) -> Result<BTreeMap<String, usize>, Failed> {
    let mut events = BTreeMap::new();
    for line in String::from_utf8(output.to_vec())?.lines() {
        let mut line: Value = serde_json::from_str(line)?;
        let object = line.as_object_mut().ok_or("an object a line")?;
        for key in ["time", "rtt_ns", "timestamps"] {
            object.remove(key);
        }
        *events.entry(line.to_string()).or_insert(0) += 1;
    }
    Ok(events)
}

fn targets(output: &[u8], event: &str) -> Result<Vec<String>, Failed> {
    let mut targets = Vec::new();
    for line in String::from_utf8(output.to_vec())?.lines() {
        let line: Value = serde_json::from_str(line)?;
        if line["event"] == event {
            targets.push(line["target"].as_str().unwrap_or_default().to_owned());
        }
    }
    Ok(targets)
}

pub(super) fn shared() -> Result<(), Failed> {
    networks()?;
    let alone = ping(&sweep("-j 1 --format ndjson"))?;
    code(&alone, 1)?;
    let events_alone = events(&alone.stdout)?;
    let summaries = targets(&alone.stdout, "summary")?;
    ensure(summaries.len() == ALIVE + DEAD, "a summary for each")?;
    let count = |event: &str| targets(&alone.stdout, event).map(|them| them.len());
    let counts = ["reply", "timeout", "error"].map(count);
    let [reply, timeout, error] = counts;
    let found = (reply?, timeout?, error?);
    // What our kernel refuses is an error as well.
    let expected = (ALIVE, DEAD / 3, DEAD / 3 * 2);
    ensure(found == expected, format!("{found:?}"))?;
    for lanes in [2, 3, 4] {
        let words = format!("-v -j {lanes} --format ndjson");
        let shared = ping(&sweep(&words))?;
        code(&shared, 1)?;
        ensure(shared.stderr.is_empty(), "it says something")?;
        let events = events(&shared.stdout)?;
        ensure(events == events_alone, format!("{lanes}: {events:?}"))?;
        // One after the other, in the order of their addresses.
        let sums = targets(&shared.stdout, "summary")?;
        ensure(sums == summaries, format!("{lanes}: {sums:?}"))?;
    }
    Ok(())
}

pub(super) fn forms() -> Result<(), Failed> {
    networks()?;
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), "10.5.0.9 # twice\n10.5.2.0/24\n")?;
    let more = format!("10.5.0.9 10.6.0.17-20 @{}", file.path().display());
    for (words, exit) in [
        ("--alive", 1),
        ("--alive --unreachable", 1),
        ("--unreachable --retry 2", 1),
        ("--per-probe -c 3 -i 0.01", 1),
        ("-q --min-alive 1022", 0),
        ("-q --min-alive 1023", 1),
        ("--sort address", 1),
        ("--format prometheus", 1),
    ] {
        let [alone, shared] = ["-j 1", "-j 3"].map(|lanes| {
            let with_file = sweep(&format!("{words} {lanes} {more}"));
            ping(&sweep(&format!("{words} {lanes}"))).and_then(|it| Ok((it, ping(&with_file)?)))
        });
        let ((alone, alone_file), (shared, shared_file)) = (alone?, shared?);
        for output in [&alone, &shared, &alone_file, &shared_file] {
            code(output, exit)?;
        }
        for (one, other) in [(&alone, &shared), (&alone_file, &shared_file)] {
            same(&shown(&other.stdout), &shown(&one.stdout))?;
            same(&shown(&other.stderr), &shown(&one.stderr))?;
        }
    }
    // The worst of those that something is known of, and then the others.
    let output = ping(&sweep("-j 2 --sort loss"))?;
    let table = String::from_utf8(output.stdout)?;
    let mut firsts = table.lines().filter_map(|it| it.split_whitespace().next());
    ensure(firsts.nth(2) == Some("10.4.0.17"), table.clone())?;
    let last = table.lines().last().unwrap_or_default();
    ensure(
        last.starts_with("1106 targets: 1022 alive, 84 unreachable; 1106 packets in "),
        last,
    )
}

/// Output without its times, and without the widths that follow from them.
fn shown(output: &[u8]) -> String {
    let masked = masked(output);
    let lines = masked.lines().map(|line| {
        let words = line
            .split_whitespace()
            .map(|word| match word.parse::<f64>() {
                Ok(number) if word.contains(['.', 'e']) || number < 0.0 => "N",
                _ => word,
            });
        words.collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// In the middle of all, summaries for all.
pub(super) fn interrupted() -> Result<(), Failed> {
    networks()?;
    let words = sweep("-j 2 -c 1000000 -i 0.01 --format ndjson");
    let mut child = command(&words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pid = child.id();
    let out = child.stdout.take().ok_or("no pipe")?;
    let err = child.stderr.take().ok_or("no pipe")?;
    let (mut first, mut last) = (false, false);
    let (mut threads, mut replies, mut received, mut sums) = (0, 0, 0, 0);
    for line in BufReader::new(out).lines() {
        let line: Value = serde_json::from_str(&line?)?;
        let target = line["target"].as_str().unwrap_or_default();
        if line["event"] == "reply" {
            replies += 1;
            first |= target.starts_with("10.5.0.");
            last |= target.starts_with("10.5.3.");
            // Of both lanes something came.
            if first && last && threads == 0 {
                threads = fs::read_dir(format!("/proc/{pid}/task"))?.count();
                let pid = Pid::from_raw(i32::try_from(pid)?);
                kill(pid, Signal::SIGQUIT)?;
                kill(pid, Signal::SIGINT)?;
            }
        }
        if line["event"] == "summary" {
            sums += 1;
            received += line["received"].as_u64().unwrap_or(0);
            let count = |name: &str| line[name].as_u64().unwrap_or(0);
            let ended = count("received") + count("errors");
            let transmitted = count("transmitted");
            ensure(transmitted >= ended, line.to_string())?;
        }
    }
    // Who writes, beside the two that send.
    ensure(threads == 3, format!("{threads} threads"))?;
    ensure(sums == ALIVE + DEAD, format!("{sums} summaries"))?;
    ensure(received == replies, format!("{received} and {replies}"))?;
    let said = io::read_to_string(err)?;
    ensure(said.contains(" done to "), format!("how far it is: {said}"))?;
    ensure(child.wait()?.code() == Some(1), "some never answered")
}

/// Lanes that cannot go on end the run with their error, and what was done is told: waiting fails
/// with EINVAL where fewer descriptors are allowed than are waited for (poll(2)).
pub(super) fn failed() -> Result<(), Failed> {
    let words = "--rate 0 -j 2 -c 1000000 -i 0.5 --format ndjson 127.1.0.0/22";
    let mut child = command(words)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pid = child.id().to_string();
    let out = child.stdout.take().ok_or("no pipe")?;
    let (mut replies, mut received, mut sums) = (0, 0, 0);
    for line in BufReader::new(out).lines() {
        let line: Value = serde_json::from_str(&line?)?;
        if line["event"] == "reply" {
            replies += 1;
        }
        if replies == 1 && line["event"] == "reply" {
            let mut limit = Command::new("prlimit");
            let limited = limit.args(["--nofile=1:1", "--pid", &pid]).status()?;
            ensure(limited.success(), "prlimit")?;
        }
        if line["event"] == "summary" {
            sums += 1;
            received += line["received"].as_u64().unwrap_or(0);
        }
    }
    let output = child.wait_with_output()?;
    code(&output, 2)?;
    let said = String::from_utf8(output.stderr)?;
    same(
        &said,
        "dotquad: waiting for replies: EINVAL: Invalid argument\n",
    )?;
    ensure(sums == 1022, format!("{sums} summaries"))?;
    ensure(received == replies, format!("{received} and {replies}"))
}

/// A whole /16, and nobody is missed.
pub(super) fn all() -> Result<(), Failed> {
    for words in ["-j 2", "-j 1", "-j 4 -c 2 -i 0.01", ""] {
        let words = format!("-q --min-alive 65534 --rate 0 {words} 127.1.0.0/16");
        let output = ping(&words)?;
        code(&output, 0)?;
        ensure(output.stderr.is_empty(), "it says something")?;
    }
    let output = ping("--rate 0 -j 2 -c 2 -i 0.01 --format csv 127.1.0.0/16")?;
    code(&output, 0)?;
    let text = String::from_utf8(output.stdout)?;
    let replies = text.lines().filter(|it| it.starts_with("reply,")).count();
    ensure(replies == 2 * 65534, format!("{replies} replies"))
}

/// An output that cannot be written ends all lanes.
pub(super) fn full() -> Result<(), Failed> {
    let mut command = command("--rate 0 -j 2 -c 1000000 -i 0 --format ndjson 127.1.0.0/16");
    let full = fs::OpenOptions::new().write(true).open("/dev/full")?;
    let output = command.stdout(full).output()?;
    code(&output, 2)?;
    let said = String::from_utf8(output.stderr)?;
    ensure(said.contains("No space left on device"), said)
}
