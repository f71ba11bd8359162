//! The forms that ping's answers are shown in, and the other questions it asks: on the loopback.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

use assert_cmd::cargo::cargo_bin;
use libtest_mimic::Failed;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{code, command, ensure, far, masked, ping, same};

/// RFC 8335: Linux answers when it is told to.
pub(super) fn extended() -> Result<(), Failed> {
    // Of this thread's namespace.
    let switch = "/proc/sys/net/ipv4/icmp_echo_enable_probe";
    fs::write(switch, "1")?;
    let line = |interface: &str| -> Result<String, Failed> {
        let output = ping(&format!("-c 1 --extended {interface} 127.0.0.1"))?;
        code(&output, 0)?;
        let told = masked(&output.stdout);
        Ok(told.lines().nth(1).unwrap_or_default().to_owned())
    };
    // Header 8, extension header 4, object header 4 and what it names; IPv6 as the host has it.
    for (interface, bytes) in [("lo", 20), ("1", 20), ("127.0.0.1", 24)] {
        let active = format!("{bytes} bytes from 127.0.0.1: icmp_seq=1 ttl=64 active ipv4");
        let told = line(interface)?;
        ensure(told.starts_with(&active), told)?;
    }
    let missing = line("nosuch0")?;
    ensure(missing.contains("no such interface"), missing)?;
    fs::write(switch, "0")?;
    let output = ping("-c 1 -W 0.1 --extended lo 127.0.0.1")?;
    code(&output, 1)
}

pub(super) fn drawn() -> Result<(), Failed> {
    let output = ping("-q -c 40 -i 0.002 --histogram --percentiles 127.0.0.1")?;
    code(&output, 0)?;
    let told = String::from_utf8(output.stdout)?;
    let drawn = told.split("\n--- ").next().unwrap_or_default();
    let bars = drawn.lines().filter(|line| line.contains(" to "));
    let counts: Vec<u64> = bars
        .filter_map(|line| line.split_whitespace().nth(4)?.parse().ok())
        .collect();
    ensure(counts.iter().sum::<u64>() == 40, told.clone())?;
    let more = drawn
        .lines()
        .find(|line| line.starts_with("rtt p50/p90/p99 = "));
    let more = more.ok_or("no percentiles")?;
    for word in [
        "round-trip delay variation",
        "0 reordered",
        "timed by the kernel",
    ] {
        ensure(more.contains(word), more)?;
    }
    // A bell for each answer, where ping(8) rings it.
    let output = ping("-c 2 -i 0.01 -a 127.0.0.1")?;
    let told = masked(&output.stdout);
    let line =
        |number| format!("64 bytes from 127.0.0.1: icmp_seq={number} ttl=64 time=N ms\u{7}\n");
    ensure(told.contains(&(line(1) + &line(2))), told)
}

pub(super) fn sizes() -> Result<(), Failed> {
    let output = ping("-c 4 -i 0.01 --sweep-size 1471..1473 127.0.0.1")?;
    code(&output, 0)?;
    let told = masked(&output.stdout);
    let line =
        |size, number| format!("{size} bytes from 127.0.0.1: icmp_seq={number} ttl=64 time=N ms\n");
    let lines = line(1479, 1) + &line(1480, 2) + &line(1481, 3) + &line(1479, 4);
    ensure(told.contains(&lines), told.clone())?;
    let first = "PING 127.0.0.1 (127.0.0.1) 1471..1473(1499..1501) bytes of data.\n";
    ensure(told.starts_with(first), told)
}

/// `script` lends its terminal.
pub(super) fn live() -> Result<(), Failed> {
    let line = format!(
        "{} ping -c 4 -i 0.01 --live 127.0.0.1",
        cargo_bin("dotquad").display()
    );
    let output = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::null())
        .output()?;
    code(&output, 0)?;
    let told = String::from_utf8(output.stdout)?;
    let bars = |part: &str| part.chars().filter(|it| ('▁'..='█').contains(it)).count();
    let lines: Vec<&str> = told.split("\r\u{1b}[K").collect();
    // Wiped before each reply, drawn again behind it with one more bar; the last is wiped as well.
    let counts: Vec<usize> = lines.iter().map(|it| bars(it)).collect();
    ensure(
        counts == [0, 1, 2, 3, 4, 0],
        format!("{counts:?}: {told:?}"),
    )?;
    let last = lines.last().copied().unwrap_or_default();
    // On a terminal come the percentiles unasked.
    for word in ["rtt p50/p90/p99 = ", "--- 127.0.0.1 ping statistics ---"] {
        ensure(last.contains(word), told.clone())?;
    }
    Ok(())
}

/// The lines with names that ping(8) prints without `-n`.
pub(super) fn names() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    fs::write(folder.path().join("hosts"), "127.0.0.77 loop.example\n")?;
    fs::write(folder.path().join("nsswitch.conf"), "hosts: files\n")?;
    let told = |words: &str| -> Result<String, Failed> {
        let mut command = Command::new("unshare");
        command.args(["-m", "--", "sh", "-ec"]).arg(
            "for it in hosts nsswitch.conf; do mount --bind \"$0/$it\" /etc/$it; done; exec \"$@\"",
        );
        command
            .arg(folder.path())
            .arg(cargo_bin("dotquad"))
            .arg("ping");
        let output = command.args(words.split(' ')).output()?;
        code(&output, 0)?;
        Ok(masked(&output.stdout))
    };
    let one = told("--names -c 1 loop.example")?;
    let lines = "PING loop.example (127.0.0.77) 56(84) bytes of data.\n\
                 64 bytes from loop.example (127.0.0.77): icmp_seq=1 ttl=64 time=N ms\n";
    ensure(one.starts_with(lines), one)?;
    let one = told("-n -c 1 loop.example")?;
    ensure(one.contains("\n64 bytes from 127.0.0.77: icmp_seq=1"), one)?;
    let many = told("--alive loop.example 127.0.0.1")?;
    same(&many, "127.0.0.1\nloop.example\n")?;
    // A sweep that is over at once waits for the names of who answered.
    let many = told("--names --alive --rate 0 127.0.0.77 127.0.0.1")?;
    same(&many, "127.0.0.1\n127.0.0.77 (loop.example)\n")
}

/// Whoever reads the file at any moment reads all of a round, and never the same file written anew.
pub(super) fn whole() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ping.prom");
    let words = format!(
        "--format prometheus -o {} -i 0.01 127.0.0.1",
        file.display()
    );
    let child = command(&words).stdout(Stdio::piped()).spawn()?;
    let mut rounds = Vec::new();
    let mut files = Vec::new();
    // A round is 10 ms; a read is far less.
    for _ in 0..10_000_000 {
        std::thread::yield_now();
        let Ok(text) = fs::read_to_string(&file) else {
            continue;
        };
        ensure(
            text.starts_with("# HELP dotquad_ping_up ")
                && text
                    .lines()
                    .last()
                    .is_some_and(|it| it.starts_with("dotquad_ping_local_drops_total ")),
            text.clone(),
        )?;
        let sent = text.lines().find_map(|it| {
            it.strip_prefix(
                "dotquad_ping_transmitted_total{target=\"127.0.0.1\",address=\"127.0.0.1\"} ",
            )
        });
        let sent: u64 = sent.ok_or("nothing sent")?.parse()?;
        if rounds.last() != Some(&sent) {
            rounds.push(sent);
            files.extend(fs::metadata(&file).map(|it| it.ino()));
        }
        if rounds.len() == 4 {
            break;
        }
    }
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT)?;
    let output = child.wait_with_output()?;
    code(&output, 0)?;
    ensure(
        rounds.len() == 4 && rounds.is_sorted(),
        format!("{rounds:?}"),
    )?;
    ensure(
        files.windows(2).any(|pair| pair[0] != pair[1]),
        "one file, written again",
    )?;
    ensure(output.stdout.is_empty(), "it goes to the file alone")?;
    ensure(
        fs::read_dir(folder.path())?.count() == 1,
        "nothing beside it",
    )
}

/// All answer who hear a broadcast: that is no news to ping(8).
pub(super) fn spread() -> Result<(), Failed> {
    let answer = || {
        let switch = "/proc/sys/net/ipv4/icmp_echo_ignore_broadcasts";
        fs::write(switch, "0").map_err(Failed::from)
    };
    let _end = far(answer)?;
    answer()?;
    let output = ping("-c 2 -i 0.1 -b 10.7.0.255")?;
    code(&output, 0)?;
    let told = masked(&output.stdout);
    for from in ["10.7.0.1", "10.7.0.2"] {
        let line = format!("64 bytes from {from}: icmp_seq=1 ttl=64 time=N ms\n");
        ensure(told.contains(&line), told.clone())?;
    }
    ensure(told.contains(" 2 received, +"), told.clone())?;
    ensure(!told.contains("DUP"), told)?;
    let output = ping("-v -c 2 -i 0.1 -b 10.7.0.255")?;
    let told = masked(&output.stdout);
    ensure(told.contains(" time=N ms (DUP!)\n"), told)
}

/// `--retry` is for one target as well.
pub(super) fn retried() -> Result<(), Failed> {
    // Nobody answers here.
    fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1")?;
    let output = ping("-c 1 --retry 2 -W 0.01 127.0.0.1")?;
    code(&output, 1)?;
    let told = masked(&output.stdout);
    let line = "\n3 packets transmitted, 0 received, 100% packet loss, time Nms\n";
    ensure(told.contains(line), told)?;
    fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "0")?;
    let output = ping("-c 2 -i 0.01 --retry 2 127.0.0.1")?;
    code(&output, 0)?;
    let told = masked(&output.stdout);
    let line = "\n2 packets transmitted, 2 received, 0% packet loss, time Nms\n";
    ensure(told.contains(line), told)
}

/// Where progress and data share a terminal, each begins a line of its own.
pub(super) fn progress() -> Result<(), Failed> {
    let told = |words: &str| -> Result<String, Failed> {
        let line = format!("{} ping {words}", cargo_bin("dotquad").display());
        let output = Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .stdin(Stdio::null())
            .output()?;
        code(&output, 0)?;
        Ok(String::from_utf8(output.stdout)?)
    };
    // Long enough for progress to be drawn.
    let list = told("-c 4 -i 0.1 --alive 127.0.0.1 127.0.0.2")?;
    ensure(list.contains(" probes done to 2 targets"), list.clone())?;
    ensure(
        list.ends_with("\r\u{1b}[K127.0.0.1\r\n127.0.0.2\r\n"),
        format!("{list:?}"),
    )?;
    // Objects that stream are progress enough.
    let objects = told("-c 4 -i 0.1 --format ndjson 127.0.0.1 127.0.0.2")?;
    ensure(objects.lines().all(|it| it.starts_with('{')), objects)
}

/// What was typed as a list is one, however many it holds.
pub(super) fn lists() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("hosts");
    fs::write(&file, "127.0.0.1\n")?;
    let file = format!("@{}", file.display());
    for words in [
        file.as_str(),
        "127.0.0.1/32",
        "127.0.0.1-127.0.0.1",
        "127.0.0.1 127.0.0.1",
    ] {
        let output = ping(words)?;
        code(&output, 0)?;
        let told = String::from_utf8(output.stdout)?;
        let last = told.lines().last().unwrap_or_default();
        ensure(last.starts_with("1 target: 1 alive, 0 unreachable"), told)?;
    }
    // Of those whom nobody asked nothing is claimed: at this rate most of them.
    let output = ping("-w 0.3 --rate 5 --unreachable 127.0.0.0/28")?;
    code(&output, 1)?;
    ensure(output.stdout.is_empty(), "each that was asked answers")?;
    let output = ping("-w 0.3 --rate 5 127.0.0.0/28")?;
    code(&output, 1)?;
    let told = String::from_utf8(output.stdout)?;
    let last = told.lines().last().unwrap_or_default();
    ensure(
        last.contains(" alive, 0 unreachable, ") && last.contains(" not asked; "),
        told,
    )
}
