//! `dotquad ping` as a person meets it: on the loopback, over a cable to another namespace, and
//! against a host whose answers are wrong in every way. Every test has network namespaces of its
//! own; nothing waits for time to pass.

#![allow(clippy::indexing_slicing, reason = "what is not there has failed")]

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;

use assert_cmd::cargo::cargo_bin;
use libtest_mimic::{Failed, Trial};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, gettid};

use super::Powers;
use super::cable::{alone, has_ip, ip, up};

#[path = "ping/forms.rs"]
mod forms;
#[path = "ping/hostile.rs"]
mod hostile;
#[path = "ping/lanes.rs"]
mod lanes;
#[path = "ping/played.rs"]
mod played;

type Test = fn() -> Result<(), Failed>;

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    let tests: [(&str, Test); 29] = [
        ("ping_lo_as_iputils_prints_it", lo),
        ("ping_objects", objects),
        ("ping_many", many),
        ("ping_signals", signals),
        ("ping_full_disk", full),
        ("ping_prometheus_replaces", replaces),
        ("ping_tcp_and_udp", ports),
        ("ping_hostile_answers", hostile::answers_are_judged),
        ("ping_interface_vanishes", vanishes),
        ("ping_path_mtu", path_mtu),
        ("ping_without_route", no_route),
        ("ping_extended_echo", forms::extended),
        ("ping_histogram_and_bells", forms::drawn),
        ("ping_sizes", forms::sizes),
        ("ping_live_line_on_a_terminal", forms::live),
        ("ping_names", forms::names),
        ("ping_broadcast", forms::spread),
        ("ping_retry_one", forms::retried),
        ("ping_progress_on_a_terminal", forms::progress),
        ("ping_lists_of_one", forms::lists),
        ("ping_prometheus_is_always_whole", forms::whole),
        ("ping_lanes_say_what_one_says", lanes::shared),
        ("ping_lanes_in_every_form", lanes::forms),
        ("ping_lanes_interrupted", lanes::interrupted),
        ("ping_lanes_that_fail_tell_their_sums", lanes::failed),
        ("ping_lanes_miss_nobody", lanes::all),
        ("ping_lanes_full_disk", lanes::full),
        ("ping_over_60_ms_with_loss", played::path),
        ("ping_path_mtu_that_a_router_tells", played::mtu),
    ];
    let can = powers.namespace && has_ip();
    let trial = |(name, test): (&str, Test)| {
        if can {
            return Trial::test(name, move || alone(test));
        }
        let missing = || Err("no namespace, or no ip(8)".into());
        Trial::test(format!("{name} (needs a namespace and iproute2)"), missing)
            .with_ignored_flag(true)
    };
    let mut all: Vec<Trial> = tests.into_iter().map(trial).collect();
    let name = "ping_unprivileged";
    let real = fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().last() == Some("4294967295"));
    all.push(if can && real {
        Trial::test(name, || alone(unprivileged))
    } else {
        let missing = || Err("not really root".into());
        Trial::test(format!("{name} (needs real root)"), missing).with_ignored_flag(true)
    });
    all
}

fn ensure(holds: bool, what: impl Into<String>) -> Result<(), Failed> {
    if holds {
        Ok(())
    } else {
        Err(what.into().into())
    }
}

fn same(found: &str, expected: &str) -> Result<(), Failed> {
    ensure(
        found == expected,
        format!("expected:\n{expected}\nfound:\n{found}"),
    )
}

fn command(words: &str) -> Command {
    let mut command = Command::new(cargo_bin("dotquad"));
    command.arg("ping").args(words.split_whitespace());
    command
}

fn ping(words: &str) -> Result<Output, Failed> {
    Ok(command(words).output()?)
}

fn code(output: &Output, expected: i32) -> Result<(), Failed> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure(
        output.status.code() == Some(expected),
        format!("{:?} instead of {expected}: {said}", output.status),
    )
}

/// Output whose numbers with a point are N, as are times of whole milliseconds.
fn masked(output: &[u8]) -> String {
    let mut text = String::new();
    for line in String::from_utf8_lossy(output).lines() {
        let words: Vec<String> = line.split(' ').map(mask).collect();
        text += &words.join(" ");
        text.push('\n');
    }
    text
}

fn mask(word: &str) -> String {
    // From 100 ms on it has no point.
    if word.starts_with("time=") {
        return "time=N".to_owned();
    }
    let is_time = |word: &str| {
        let points = word.contains('.') && word.matches('.').count() == 1;
        points
            && word
                .bytes()
                .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    if word.ends_with("ms") && word.len() > 2 {
        return "Nms".to_owned();
    }
    let parts: Vec<&str> = word
        .split('/')
        .map(|it| if is_time(it) { "N" } else { it })
        .collect();
    parts.join("/")
}

/// The lines of ping(8) of iputils 20221126 for the same words.
fn lo() -> Result<(), Failed> {
    let output = ping("-n -c 2 -i 0.01 127.0.0.1")?;
    code(&output, 0)?;
    same(
        &masked(&output.stdout),
        "PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.\n\
         64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=N ms\n\
         64 bytes from 127.0.0.1: icmp_seq=2 ttl=64 time=N ms\n\
         \n\
         --- 127.0.0.1 ping statistics ---\n\
         2 packets transmitted, 2 received, 0% packet loss, time Nms\n\
         rtt min/avg/max/mdev = N/N/N/N ms\n",
    )?;
    ensure(output.stderr.is_empty(), "it says something")?;
    let output = ping("-c 2 -i 0.01 -R -s 8 -p ff 127.0.1")?;
    same(
        &masked(&output.stdout),
        "PATTERN: 0xff\n\
         PING 127.0.1 (127.0.0.1) 8(76) bytes of data.\n\
         16 bytes from 127.0.0.1: icmp_seq=1 ttl=64\n\
         RR: \t127.0.0.1\n\t127.0.0.1\n\t127.0.0.1\n\t127.0.0.1\n\n\
         16 bytes from 127.0.0.1: icmp_seq=2 ttl=64\t(same route)\n\
         \n\
         --- 127.0.1 ping statistics ---\n\
         2 packets transmitted, 2 received, 0% packet loss, time Nms\n\n",
    )?;
    let output = ping("-f -c 2 -I lo 127.0.0.1")?;
    same(
        &masked(&output.stdout),
        "PING 127.0.0.1 (127.0.0.1) from 127.0.0.1 lo: 56(84) bytes of data.\n\
         .\u{8} \u{8}.\u{8} \u{8}\n\
         --- 127.0.0.1 ping statistics ---\n\
         2 packets transmitted, 2 received, 0% packet loss, time Nms\n\
         rtt min/avg/max/mdev = N/N/N/N ms, ipg/ewma N/N ms\n",
    )
}

fn objects() -> Result<(), Failed> {
    let output = ping("-c 3 -i 0.01 --format ndjson 127.0.0.1")?;
    code(&output, 0)?;
    let lines: Vec<serde_json::Value> = String::from_utf8(output.stdout)?
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    ensure(lines.len() == 4, "three replies and a summary")?;
    for (line, number) in lines.iter().zip(1..=3) {
        ensure(line["event"] == "reply", "a reply")?;
        ensure(line["sequence"] == number, "in order")?;
        ensure(line["bytes"] == 64 && line["ttl"] == 64, "its size")?;
        ensure(line["timestamps"] == "kernel", "timed by the kernel")?;
        ensure(line["rtt_ns"].as_u64() > Some(0), "its time")?;
    }
    let summary = &lines[3];
    ensure(summary["event"] == "summary", "a summary")?;
    ensure(
        summary["transmitted"] == 3 && summary["received"] == 3,
        "its sums",
    )?;
    ensure(summary["loss_percent"] == 0.0, "its loss")?;
    ensure(summary["rtt_ns"]["p99"].is_u64(), "its percentiles")
}

fn many() -> Result<(), Failed> {
    // 10.9.0.0/29 is our own address and a route that refuses the others.
    ip("address add 10.9.0.1/32 dev lo")?;
    ip("route add unreachable 10.9.0.0/29")?;
    let output = ping("--alive 127.0.0.0/29 10.9.0.0/29")?;
    code(&output, 1)?;
    let mut alive: Vec<String> = (1..7).map(|it| format!("127.0.0.{it}")).collect();
    alive.insert(0, "10.9.0.1".to_owned());
    same(
        &String::from_utf8(output.stdout)?,
        &(alive.join("\n") + "\n"),
    )?;
    let output = ping("--alive --unreachable 10.9.0.1-3")?;
    same(
        &String::from_utf8(output.stdout)?,
        "10.9.0.1 is alive\n10.9.0.2 is unreachable\n10.9.0.3 is unreachable\n",
    )?;
    // A list of one is a list.
    let output = ping("--alive 10.9.0.1")?;
    same(&String::from_utf8(output.stdout)?, "10.9.0.1\n")?;
    let output = ping("--unreachable --retry 1 10.9.0.2")?;
    same(&String::from_utf8(output.stdout)?, "10.9.0.2\n")?;
    code(&ping("-q --min-alive 1 10.9.0.1-3")?, 0)?;
    code(&ping("-q --min-alive 2 10.9.0.1-3")?, 1)?;
    code(&ping("-q 127.0.0.1 127.0.0.2")?, 0)?;
    let output = ping("--per-probe -c 2 -i 0.01 10.9.0.1-2")?;
    same(&masked(&output.stdout), "10.9.0.1 : N N\n10.9.0.2 : - -\n")?;
    let output = ping("--sort loss 10.9.0.1-2 127.1")?;
    let table = String::from_utf8(output.stdout)?;
    let firsts: Vec<&str> = table
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    ensure(
        firsts.get(2) == Some(&"10.9.0.2") && firsts.contains(&"127.1"),
        format!("the worst is first: {table}"),
    )?;
    ensure(
        table.contains("No route to host"),
        format!("its reason: {table}"),
    )?;
    let output = ping("127.0.0.1 nosuch.invalid")?;
    code(&output, 2)?;
    let table = String::from_utf8(output.stdout)?;
    ensure(table.contains("1 alive"), "the rest is done")
}

fn signals() -> Result<(), Failed> {
    let mut child = command("-i 0.01 127.0.0.1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err("no pipes".into());
    };
    let (mut out, mut err) = (BufReader::new(out), BufReader::new(err));
    let mut line = String::new();
    out.read_line(&mut line)?;
    out.read_line(&mut line)?;
    kill(pid, Signal::SIGQUIT)?;
    let mut status = String::new();
    err.read_line(&mut status)?;
    ensure(
        status.starts_with('\r') && status.contains(" packets, 0% loss, min/avg/ewma/max = "),
        format!("the status: {status}"),
    )?;
    // Both are on their way before the first is heeded, as from a terminal and from whoever
    // passes it on.
    kill(pid, Signal::SIGINT)?;
    kill(pid, Signal::SIGTERM)?;
    let mut rest = String::new();
    out.read_to_string(&mut rest)?;
    ensure(child.wait()?.code() == Some(0), "it was answered")?;
    ensure(
        rest.contains("--- 127.0.0.1 ping statistics ---"),
        rest.clone(),
    )?;
    ensure(rest.contains(" 0% packet loss"), rest)?;
    // A sweep says how far it is, terminal or not.
    let mut child = command("-c 100000 -i 0.01 --format csv 127.0.0.1 127.0.0.2")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let pid = Pid::from_raw(i32::try_from(child.id())?);
    let mut out = BufReader::new(child.stdout.take().ok_or("no pipe")?);
    let mut err = BufReader::new(child.stderr.take().ok_or("no pipe")?);
    for target in ["127.0.0.1", "127.0.0.2"] {
        // Whoever has not answered before the end has not answered.
        while !(line.contains("reply") && line.contains(target)) {
            line.clear();
            ensure(out.read_line(&mut line)? > 0, "it ended by itself")?;
        }
    }
    kill(pid, Signal::SIGQUIT)?;
    // It goes on until it has been heard.
    let reader = thread::spawn(move || out.read_to_string(&mut String::new()));
    let mut status = String::new();
    err.read_line(&mut status)?;
    ensure(status.contains(" done to 2 targets, "), status)?;
    kill(pid, Signal::SIGINT)?;
    ensure(child.wait()?.code() == Some(0), "all answered")?;
    let _ = reader.join();
    Ok(())
}

fn full() -> Result<(), Failed> {
    for words in ["", "--format ndjson", "-o /dev/full", "--format csv"] {
        let mut command = command(&format!("-c 1 {words} 127.0.0.1"));
        let full = fs::OpenOptions::new().write(true).open("/dev/full")?;
        let output = command.stdout(full).output()?;
        code(&output, 2)?;
        let said = String::from_utf8(output.stderr)?;
        ensure(said.contains("No space left on device"), said)?;
    }
    Ok(())
}

fn replaces() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ping.prom");
    fs::write(&file, "what was before")?;
    let words = format!(
        "--format prometheus -o {} -c 2 -i 0.01 127.1 127.0.0.2",
        file.display()
    );
    code(&ping(&words)?, 0)?;
    let text = fs::read_to_string(&file)?;
    for line in [
        "# TYPE dotquad_ping_up gauge",
        "dotquad_ping_up{target=\"127.1\",address=\"127.0.0.1\"} 1",
        "dotquad_ping_received_total{target=\"127.0.0.2\",address=\"127.0.0.2\"} 2",
    ] {
        ensure(
            text.lines().any(|it| it == line),
            format!("{line} in {text}"),
        )?;
    }
    ensure(
        fs::read_dir(folder.path())?.count() == 1,
        "nothing beside it",
    )
}

fn ports() -> Result<(), Failed> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let open = listener.local_addr()?.port();
    let output = ping(&format!("-c 1 --tcp {open} 127.0.0.1"))?;
    code(&output, 0)?;
    let text = String::from_utf8(output.stdout)?;
    ensure(text.contains("tcp_seq=1 ttl=64 open time="), text)?;
    let output = ping("-c 1 --tcp 9 127.0.0.1")?;
    code(&output, 0)?;
    let text = String::from_utf8(output.stdout)?;
    ensure(text.contains("tcp_seq=1 ttl=64 closed time="), text)?;
    let output = ping("-c 1 --udp 9 127.0.0.1")?;
    code(&output, 0)?;
    let text = String::from_utf8(output.stdout)?;
    ensure(text.contains("udp_seq=1 ttl=64 closed time="), text)?;
    let output = ping("-c 1 --timestamp 127.0.0.1")?;
    code(&output, 0)?;
    let text = String::from_utf8(output.stdout)?;
    ensure(
        text.contains("20 bytes from 127.0.0.1: icmp_seq=1 ttl=64 clock=+"),
        text,
    )
}

/// A cable to another namespace, in which `host` runs on a thread once told where; it ends when
/// what it gives back is dropped.
fn far(prepare: fn() -> Result<(), Failed>) -> Result<mpsc::Sender<()>, Failed> {
    ip("link add left type veth peer name right")?;
    ip("address add 10.7.0.1/24 dev left")?;
    let (tell, told) = mpsc::channel();
    let (moved, is_moved) = mpsc::channel::<()>();
    let (ready, is_ready) = mpsc::channel();
    let (end, is_end) = mpsc::channel::<()>();
    thread::spawn(move || {
        let run = || {
            unshare(CloneFlags::CLONE_NEWNET)?;
            tell.send(gettid())?;
            is_moved.recv()?;
            ip("address add 10.7.0.2/24 dev right")?;
            up(&["right"])?;
            prepare()
        };
        let _ = ready.send(run().map_err(|why: Failed| format!("{why:?}")));
        // The namespace lives as long as this thread.
        let _ = is_end.recv();
    });
    let there = told.recv()?;
    ip(&format!("link set dev right netns {there}"))?;
    ip("link set dev left up")?;
    moved.send(())?;
    is_ready.recv()??;
    up(&["left"])?;
    Ok(end)
}

fn vanishes() -> Result<(), Failed> {
    let _end = far(|| Ok(()))?;
    let mut child = command("-c 3 -i 0.1 -W 0.1 10.7.0.2")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut out = BufReader::new(child.stdout.take().ok_or("no pipe")?);
    let mut line = String::new();
    out.read_line(&mut line)?;
    out.read_line(&mut line)?;
    ensure(line.contains("icmp_seq=1 ttl=64"), line.clone())?;
    ip("link delete left")?;
    let mut rest = String::new();
    out.read_to_string(&mut rest)?;
    let output = child.wait_with_output()?;
    code(&output, 0)?;
    let said = String::from_utf8(output.stderr)?;
    ensure(said.contains("dotquad: sendmsg: "), said)?;
    ensure(
        rest.contains("3 packets transmitted, 1 received, +2 errors"),
        rest,
    )
}

fn path_mtu() -> Result<(), Failed> {
    let _end = far(|| ip("link set dev right mtu 9000"))?;
    ip("link set dev left mtu 1400")?;
    let output = ping("--mtu 10.7.0.2")?;
    code(&output, 0)?;
    same(
        &String::from_utf8(output.stdout)?,
        "path MTU to 10.7.0.2 (10.7.0.2) is 1400 bytes\n",
    )?;
    // What the kernel believes of the path is not what the path takes.
    ip("route add 10.7.0.2/32 dev left mtu 1300")?;
    let output = ping("--mtu 10.7.0.2")?;
    code(&output, 0)?;
    same(
        &String::from_utf8(output.stdout)?,
        "path MTU to 10.7.0.2 (10.7.0.2) is 1400 bytes\n",
    )?;
    ip("route delete 10.7.0.2/32")?;
    let output = ping("-c 1 -M do -s 1373 10.7.0.2")?;
    code(&output, 1)?;
    same(
        &String::from_utf8(output.stderr)?,
        "dotquad: local error: message too long, mtu=1400\n",
    )?;
    // From within the sandbox, and of each of many.
    let output = ping("-c 1 -M do -s 1373 --format ndjson 10.7.0.2 127.0.0.1")?;
    code(&output, 1)?;
    let told = String::from_utf8(output.stdout)?;
    let refused = "\"sequence\":1,\"errno\":90,\"mtu\":1400,\"message\":\"Message too long\"}";
    ensure(told.contains(refused), told)
}

fn no_route() -> Result<(), Failed> {
    let output = ping("-c 1 192.0.2.1")?;
    code(&output, 2)?;
    ensure(output.stdout.is_empty(), "nothing was sent")?;
    let said = String::from_utf8(output.stderr)?;
    ensure(
        said.starts_with("dotquad: pinging 192.0.2.1: Network is unreachable"),
        said,
    )
}

/// Another user: without permission a sentence that helps, with it the same lines.
fn unprivileged() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let program = folder.path().join("dotquad");
    // Another process copies it, so that none of ours holds it open for writing.
    let copied = Command::new("cp")
        .arg(cargo_bin("dotquad"))
        .arg(&program)
        .status()?;
    ensure(copied.success(), "cp")?;
    let nobody = |words: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        command
            .arg(&program)
            .arg("ping")
            .args(words.split_whitespace());
        command.output()
    };
    let output = nobody("-c 1 127.0.0.1")?;
    code(&output, 2)?;
    let said = String::from_utf8(output.stderr)?;
    for word in ["CAP_NET_RAW", "setcap", "ping_group_range"] {
        ensure(said.contains(word), said.clone())?;
    }
    ensure(output.stdout.is_empty(), "nothing was sent")?;
    fs::write("/proc/sys/net/ipv4/ping_group_range", "65534 65534")?;
    let output = nobody("-c 2 -i 0.01 127.0.0.1")?;
    code(&output, 0)?;
    same(
        &masked(&output.stdout),
        "PING 127.0.0.1 (127.0.0.1) 56(84) bytes of data.\n\
         64 bytes from 127.0.0.1: icmp_seq=1 ttl=64 time=N ms\n\
         64 bytes from 127.0.0.1: icmp_seq=2 ttl=64 time=N ms\n\
         \n\
         --- 127.0.0.1 ping statistics ---\n\
         2 packets transmitted, 2 received, 0% packet loss, time Nms\n\
         rtt min/avg/max/mdev = N/N/N/N ms\n",
    )?;
    // UDP takes no permission, and its errors come by the kernel's error queue.
    let output = nobody("-c 3 -i 0.01 --udp 9 127.0.0.1")?;
    code(&output, 0)?;
    let line = |number| format!("From 127.0.0.1: udp_seq={number} ttl=64 closed time=N ms\n");
    let told = masked(&output.stdout);
    let lines: String = (1..=3).map(line).collect();
    ensure(told.contains(&lines), told)?;
    let listener = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let echo = thread::spawn(move || {
        let mut buffer = [0; 100];
        let (length, from) = listener.recv_from(&mut buffer)?;
        listener.send_to(&buffer[..length], from)
    });
    let output = nobody(&format!("-c 1 --udp {port} 127.0.0.1"))?;
    code(&output, 0)?;
    let told = masked(&output.stdout);
    let line = "64 bytes from 127.0.0.1: udp_seq=1 ttl=64 open time=N ms\n";
    ensure(told.contains(line), told)?;
    ensure(echo.join().is_ok_and(|it| it.is_ok()), "no echo")?;
    // What only raw sockets send says so, and what to do.
    for words in ["--tcp 9", "--timestamp"] {
        let output = nobody(&format!("-c 1 {words} 127.0.0.1"))?;
        code(&output, 2)?;
        ensure(output.stdout.is_empty(), "nothing was sent")?;
        let said = String::from_utf8(output.stderr)?;
        let setcap = format!("sudo setcap cap_net_raw+ep {}", program.display());
        for word in ["CAP_NET_RAW", &setcap] {
            ensure(said.contains(word), said.clone())?;
        }
    }
    let output = nobody("-e 7 -c 1 127.0.0.1")?;
    code(&output, 2)?;
    let said = String::from_utf8(output.stderr)?;
    ensure(
        said.contains("taking identifier 7: without raw sockets"),
        said,
    )?;
    let output = nobody("-l 4 -c 1 127.0.0.1")?;
    code(&output, 2)
}
