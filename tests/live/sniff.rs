//! `dotquad sniff` as a person meets it, on interfaces made for it: what it shows and writes, how
//! it ends, and that its counters add up. Every test has a network namespace of its own.
//!
//! Nothing here waits for time to pass: that it listens it says itself, and packets are counted.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread;

use libtest_mimic::{Failed, Trial};
use nix::sched::{CloneFlags, unshare};
use serde_json::Value;

use super::Powers;

/// The port that tests send to, where nobody listens.
const PORT: u16 = 9000;

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    type Test = fn() -> Result<(), Failed>;
    let tests: [(&str, Test); 19] = [
        ("sniff_writes_what_it_shows", writes_what_it_shows),
        (
            "sniff_of_any_writes_what_it_shows",
            any_writes_what_it_shows,
        ),
        ("sniff_shows_the_same_by_every_backend", backends),
        ("sniff_selects_as_decode_does", selects_as_decode),
        ("sniff_numbers_what_a_coarse_program_leaves", coarse_program),
        ("sniff_counts_add_up_at_a_limit", limit),
        ("sniff_rotates_and_keeps_the_newest", rotates),
        ("sniff_ends_whole_on_any_signal", signals),
        ("sniff_tells_counters_when_asked", asked),
        ("sniff_tells_counters_as_an_object", as_object),
        ("sniff_writes_down_a_pipe", pipe),
        ("sniff_ends_by_its_duration", duration),
        ("sniff_is_quiet_when_its_reader_leaves", reader_leaves),
        ("sniff_cuts_back_when_the_disk_is_full", disk_full),
        ("sniff_tells_a_folder_that_is_gone", folder_gone),
        ("sniff_waits_for_an_interface_that_is_down", down),
        ("sniff_ends_with_its_interface", removed),
        ("sniff_refuses_what_cannot_be", refuses),
        ("sniff_needs_cap_net_raw", no_capability),
    ];
    let there = |program: &str| {
        let mut command = Command::new(program);
        let quiet = command
            .arg("-V")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    };
    let all = there("ip") && there("setpriv");
    let trial = |(name, test): (&str, Test)| {
        if all {
            return powers.trial(name, move || alone(test));
        }
        let missing = || Err("there is no ip or no setpriv here".into());
        Trial::test(format!("{name} (needs ip and setpriv)"), missing).with_ignored_flag(true)
    };
    tests.into_iter().map(trial).collect()
}

/// Runs a test on a thread in a network namespace of its own, loopback up.
fn alone(test: fn() -> Result<(), Failed>) -> Result<(), Failed> {
    let run = move || {
        unshare(CloneFlags::CLONE_NEWNET)?;
        ip("link set dev lo up")?;
        test()
    };
    thread::spawn(run)
        .join()
        .unwrap_or_else(|_| Err("the test panicked".into()))
}

/// Changes the interfaces of this namespace.
fn ip(words: &str) -> Result<(), Failed> {
    let output = Command::new("ip").args(words.split(' ')).output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("ip {words}: {}", String::from_utf8_lossy(&output.stderr)).into())
}

/// Sends so many datagrams of different lengths over the loopback.
fn send(count: usize) -> Result<(), Failed> {
    send_to(("127.0.0.1", PORT), count)
}

fn send_to(to: (&str, u16), count: usize) -> Result<(), Failed> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    for number in 0..count {
        socket.send_to(&vec![b'x'; number % 100], to)?;
    }
    Ok(())
}

/// A sniffer that was started.
struct Sniffer {
    child: Child,
    out: BufReader<ChildStdout>,
    err: BufReader<ChildStderr>,
    /// What it has said so far.
    said: String,
}

/// How it ended.
#[derive(Debug)]
struct Ended {
    out: Vec<u8>,
    err: String,
    code: Option<i32>,
}

fn dotquad() -> &'static str {
    env!("CARGO_BIN_EXE_dotquad")
}

/// Starts one, and answers when it listens.
fn sniff(words: &[&str]) -> Result<Sniffer, Failed> {
    let mut command = Command::new(dotquad());
    command.arg("sniff").args(words);
    started(command)
}

fn started(mut command: Command) -> Result<Sniffer, Failed> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let out = BufReader::new(child.stdout.take().expect("it is piped"));
    let err = BufReader::new(child.stderr.take().expect("it is piped"));
    let mut sniffer = Sniffer {
        child,
        out,
        err,
        said: String::new(),
    };
    sniffer.says("listening on")?;
    Ok(sniffer)
}

impl Sniffer {
    /// Waits until it has said this.
    fn says(&mut self, words: &str) -> Result<(), Failed> {
        while !self.said.contains(words) {
            if self.err.read_line(&mut self.said)? == 0 {
                return Err(format!("it ended without {words:?}: {}", self.said).into());
            }
        }
        Ok(())
    }

    /// The next lines of its output.
    fn lines(&mut self, count: usize) -> Result<Vec<String>, Failed> {
        let mut lines = Vec::new();
        for _ in 0..count {
            let mut line = String::new();
            if self.out.read_line(&mut line)? == 0 {
                return Err(format!("{} lines of {count}", lines.len()).into());
            }
            lines.push(line);
        }
        Ok(lines)
    }

    fn signal(&self, signal: &str) -> Result<(), Failed> {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status()?;
        assert!(status.success());
        Ok(())
    }

    fn ended(mut self) -> Result<Ended, Failed> {
        // Words are few and fit a pipe, so the output may be read to its end first.
        let mut out = Vec::new();
        self.out.read_to_end(&mut out)?;
        self.err.read_to_string(&mut self.said)?;
        Ok(Ended {
            out,
            err: self.said,
            code: self.child.wait()?.code(),
        })
    }
}

impl Ended {
    /// A counter that is told exactly once.
    fn counter(&self, words: &str) -> u64 {
        let mut found = self.err.lines().filter_map(|line| {
            let (count, rest) = line.split_once(' ')?;
            (rest == words).then(|| count.parse::<u64>().expect("a count"))
        });
        let count = found.next();
        assert_eq!(found.next(), None, "{}", self.err);
        count.unwrap_or_else(|| panic!("no {words} in {}", self.err))
    }

    /// Checks that the counters are told once and add up; answers what was shown or written.
    fn adds_up(&self, fate: &str) -> u64 {
        let done = self.counter(fate);
        let delivered = self.counter("delivered");
        assert_eq!(
            self.counter("matched"),
            delivered + self.counter("dropped by the ring") + self.counter("left unread"),
            "{}",
            self.err
        );
        assert_eq!(
            delivered,
            done + self.counter("refused by the filter"),
            "{}",
            self.err
        );
        done
    }

    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.out);
        text.lines().map(str::to_owned).collect()
    }
}

/// What decode makes of a capture that must be whole.
fn decode(words: &[&str]) -> Result<String, Failed> {
    let output = Command::new(dotquad()).arg("decode").args(words).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("decode {words:?}: {said}").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn count(path: &Path) -> Result<u64, Failed> {
    let text = decode(&["--count", &path.to_string_lossy()])?;
    Ok(text.trim().parse()?)
}

fn folder() -> Result<tempfile::TempDir, Failed> {
    Ok(tempfile::tempdir()?)
}

fn names(folder: &Path) -> Result<Vec<String>, Failed> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn writes_what_it_shows() -> Result<(), Failed> {
    same_lines("lo")
}

fn any_writes_what_it_shows() -> Result<(), Failed> {
    same_lines("any")
}

/// Lines that sniff shows are those that decode shows of what sniff has written, in every format.
fn same_lines(interface: &str) -> Result<(), Failed> {
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let path = path.to_string_lossy();
    for format in ["line", "detail", "ndjson", "table"] {
        let words = [
            "-i", interface, "-w", &path, "--print", "--format", format, "-c", "40", "udp",
        ];
        let sniffer = sniff(&words)?;
        send(40)?;
        let ended = sniffer.ended()?;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let shown = String::from_utf8_lossy(&ended.out);
        assert_eq!(shown, decode(&["--format", format, &path])?, "{format}");
        assert!(shown.lines().count() >= 40, "{shown}");
        if format != "ndjson" {
            assert_eq!(ended.adds_up("written"), 40);
        }
        if format == "line" {
            let first = ended.lines().swap_remove(0);
            assert!(
                first.starts_with("1 ") && first.contains(" lo in 127.0.0.1:"),
                "{first}"
            );
        }
    }
    Ok(())
}

fn backends() -> Result<(), Failed> {
    // Without the time and, for pnet, without the direction.
    let plain = |lines: Vec<String>| -> Vec<String> {
        let plain = |line: String| {
            let words = line.split(' ').filter(|word| *word != "in").enumerate();
            let kept = words.filter(|(place, _)| *place != 1);
            kept.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
        };
        lines.into_iter().map(plain).collect()
    };
    let mut seen = Vec::new();
    for backend in ["ring", "recvmmsg", "pnet"] {
        let sniffer = sniff(&["-i", "lo", "--backend", backend, "-c", "30", "udp"])?;
        // The same source port for each.
        let socket = UdpSocket::bind("127.0.0.1:40000")?;
        for number in 0..30 {
            socket.send_to(&vec![b'x'; number], ("127.0.0.1", PORT))?;
        }
        drop(socket);
        let ended = sniffer.ended()?;
        assert_eq!(
            (ended.code, ended.adds_up("shown")),
            (Some(0), 30),
            "{}",
            ended.err
        );
        assert_eq!(
            ended.err.contains("with pnet the direction"),
            backend == "pnet"
        );
        seen.push(plain(ended.lines()));
    }
    assert_eq!(seen[0].len(), 30);
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    Ok(())
}

/// The kernel's filter selects the frames that the filter over the file selects.
fn selects_as_decode() -> Result<(), Failed> {
    let folder = folder()?;
    let (all, some) = (
        folder.path().join("all.pcapng"),
        folder.path().join("some.pcapng"),
    );
    for filter in [
        "dst port 9000",
        "udp[4:2] > 60 and src host 127.0.0.1",
        "icmp",
        "len > 100",
    ] {
        let (all, some) = (all.to_string_lossy(), some.to_string_lossy());
        let whole = sniff(&["-i", "lo", "-w", &all])?;
        let part = sniff(&["-i", "lo", "-w", &some, filter])?;
        // Nobody listens, so ICMP answers; packets are on the loopback when they are sent.
        send(100)?;
        for sniffer in [whole, part] {
            sniffer.signal("INT")?;
            let ended = sniffer.ended()?;
            assert_eq!(ended.code, Some(0), "{}", ended.err);
            ended.adds_up("written");
        }
        let layers = |text: String| -> Vec<String> {
            // All but the number and the time, which is stamped for each socket.
            let rest = |line: &str| {
                line.split_once("\"caplen\"")
                    .map(|(_, rest)| rest.to_owned())
            };
            text.lines().filter_map(rest).collect()
        };
        let expected = layers(decode(&["--format", "ndjson", &all, filter])?);
        assert_eq!(
            layers(decode(&["--format", "ndjson", &some])?),
            expected,
            "{filter}"
        );
        assert!(!expected.is_empty(), "{filter}");
    }
    Ok(())
}

/// Where the kernel's program is coarser than the filter, the rest is refused here, counted, and
/// leaves no gap in the numbers.
fn coarse_program() -> Result<(), Failed> {
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let path = path.to_string_lossy();
    let filter = "udp dst port 9000 and len > 100";
    let sniffer = sniff(&["-i", "lo", "--deep", "-w", &path, "--print", filter])?;
    send(100)?;
    sniffer.signal("TERM")?;
    let ended = sniffer.ended()?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    // 14 + 20 + 8 and the data.
    assert_eq!(ended.adds_up("written"), 41, "{}", ended.err);
    assert_eq!(String::from_utf8_lossy(&ended.out), decode(&[&path])?);
    Ok(())
}

fn limit() -> Result<(), Failed> {
    for words in [
        &["-i", "lo", "-c", "7"][..],
        &["-i", "lo", "-c", "7", "--count"],
    ] {
        let sniffer = sniff(words)?;
        send(500)?;
        let ended = sniffer.ended()?;
        assert_eq!(
            (ended.code, ended.adds_up("shown")),
            (Some(0), 7),
            "{}",
            ended.err
        );
    }
    Ok(())
}

fn rotates() -> Result<(), Failed> {
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let path = path.to_string_lossy();
    let words = [
        "-i",
        "lo",
        "-w",
        &path,
        "--rotate-packets",
        "10",
        "--files",
        "3",
        "udp",
    ];
    let sniffer = sniff(&words)?;
    send(55)?;
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    assert_eq!(
        (ended.code, ended.adds_up("written")),
        (Some(0), 55),
        "{}",
        ended.err
    );
    let kept = ["x-00004.pcapng", "x-00005.pcapng", "x-00006.pcapng"];
    assert_eq!(names(folder.path())?, kept);
    let mut counts = Vec::new();
    for name in kept {
        counts.push(count(&folder.path().join(name))?);
    }
    assert_eq!(counts, [10, 10, 5]);

    // By size, packed, with the time in the name.
    let folder = self::folder()?;
    let path = folder.path().join("%Y-x.pcap.zst");
    let path = path.to_string_lossy();
    let sniffer = sniff(&["-i", "lo", "-w", &path, "--rotate-size", "2k", "udp"])?;
    send(3000)?;
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    assert_eq!(
        (ended.code, ended.adds_up("written")),
        (Some(0), 3000),
        "{}",
        ended.err
    );
    let mut sum = 0;
    let kept = names(folder.path())?;
    assert!(kept.len() > 2, "{kept:?}");
    for name in kept {
        assert!(
            name.starts_with("20") && name.ends_with(".pcap.zst"),
            "{name}"
        );
        let path = folder.path().join(name);
        assert!(fs::metadata(&path)?.len() <= 2000);
        sum += count(&path)?;
    }
    assert_eq!(sum, 3000);
    Ok(())
}

fn signals() -> Result<(), Failed> {
    let folder = folder()?;
    for (name, signal) in [
        ("x.pcap", "INT"),
        ("x.pcapng", "TERM"),
        ("x.pcapng.gz", "HUP"),
    ] {
        let path = folder.path().join(name);
        let sniffer = sniff(&["-i", "lo", "-w", &path.to_string_lossy(), "udp"])?;
        send(200)?;
        // The second one changes nothing.
        sniffer.signal(signal)?;
        sniffer.signal(signal)?;
        let ended = sniffer.ended()?;
        assert_eq!(
            (ended.code, ended.adds_up("written")),
            (Some(0), 200),
            "{}",
            ended.err
        );
        assert_eq!(count(&path)?, 200);
    }
    Ok(())
}

fn asked() -> Result<(), Failed> {
    let mut sniffer = sniff(&["-i", "lo", "udp"])?;
    send(5)?;
    assert_eq!(sniffer.lines(5)?.len(), 5);
    sniffer.signal("USR1")?;
    sniffer.says("5 shown\n")?;
    sniffer.says("dropped by the interface\n")?;
    sniffer.said.clear();
    send(5)?;
    sniffer.lines(5)?;
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    assert_eq!(
        (ended.code, ended.adds_up("shown")),
        (Some(0), 10),
        "{}",
        ended.err
    );
    Ok(())
}

fn as_object() -> Result<(), Failed> {
    let mut sniffer = sniff(&["-i", "lo", "--format", "ndjson", "udp"])?;
    send(3)?;
    for line in sniffer.lines(3)? {
        let frame: Value = serde_json::from_str(&line)?;
        assert_eq!(
            (&frame["interface"], &frame["direction"]),
            (&"lo".into(), &"in".into())
        );
    }
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    let last = ended.err.lines().last().unwrap_or_default();
    let object: Value = serde_json::from_str(last)?;
    assert_eq!(object["event"], "counters");
    for (key, count) in [
        ("matched", 3),
        ("delivered", 3),
        ("shown", 3),
        ("refused", 0),
        ("dropped_ring", 0),
        ("left_unread", 0),
    ] {
        assert_eq!(object[key], count, "{last}");
    }
    assert!(object["dropped_interface"].is_u64() && object["out_of_order"].is_u64());
    Ok(())
}

/// A capture down a pipe, each packet readable before the next is sent.
fn pipe() -> Result<(), Failed> {
    let mut sniffer = sniff(&["-i", "lo", "-l", "-w", "-", "udp"])?;
    let pipe = std::mem::replace(
        &mut sniffer.out,
        // Nothing else is read of it.
        BufReader::new(stand_in()?),
    );
    let mut decoder = Command::new(dotquad())
        .args(["decode", "-"])
        .stdin(pipe.into_inner())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(decoder.stdout.take().expect("it is piped"));
    for number in 1..=5 {
        send(1)?;
        let mut line = String::new();
        lines.read_line(&mut line)?;
        assert!(line.starts_with(&format!("{number} ")), "{line:?}");
    }
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    assert_eq!(
        (ended.code, ended.adds_up("written")),
        (Some(0), 5),
        "{}",
        ended.err
    );
    let mut rest = String::new();
    lines.read_to_string(&mut rest)?;
    assert_eq!((rest.as_str(), decoder.wait()?.code()), ("", Some(0)));
    Ok(())
}

/// The output of a program that says nothing.
fn stand_in() -> Result<ChildStdout, Failed> {
    let mut child = Command::new("true").stdout(Stdio::piped()).spawn()?;
    let out = child.stdout.take().expect("it is piped");
    child.wait()?;
    Ok(out)
}

fn duration() -> Result<(), Failed> {
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let words = [
        "-i",
        "lo",
        "-w",
        &path.to_string_lossy(),
        "--duration",
        "200ms",
    ];
    let ended = sniff(&words)?.ended()?;
    assert_eq!(
        (ended.code, ended.adds_up("written")),
        (Some(0), 0),
        "{}",
        ended.err
    );
    // A capture without packets still says of what it is one.
    assert_eq!(count(&path)?, 0);
    Ok(())
}

fn reader_leaves() -> Result<(), Failed> {
    let mut sniffer = sniff(&["-i", "lo", "udp"])?;
    send(1)?;
    sniffer.lines(1)?;
    sniffer.out = BufReader::new(stand_in()?);
    send(1)?;
    let ended = sniffer.ended()?;
    assert_eq!(
        (ended.code, ended.err.lines().count()),
        (Some(0), 1),
        "{}",
        ended.err
    );
    Ok(())
}

fn disk_full() -> Result<(), Failed> {
    let folder = folder()?;
    for (name, more) in [
        ("x.pcap", ""),
        ("x.pcapng", ""),
        ("x.pcapng.gz", ""),
        ("r.pcapng", "--rotate-packets 1000"),
    ] {
        let path = folder.path().join(name);
        let mut command = Command::new("bash");
        // 64 KiB of room, of which SIGXFSZ tells at a byte no record ends at.
        let script = format!("ulimit -f 64; exec \"$0\" sniff -i lo -w \"$1\" {more} udp");
        command.args(["-c", &script, dotquad()]).arg(&path);
        let sniffer = started(command)?;
        // What no compressor makes smaller.
        let mut noise = vec![0_u8; 1000];
        let mut random = fs::File::open("/dev/urandom")?;
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        // More than fits; it ends by itself, and what comes then is nobody's.
        for _ in 0..3000 {
            random.read_exact(&mut noise)?;
            socket.send_to(&noise, ("127.0.0.1", PORT))?;
        }
        let ended = sniffer.ended()?;
        assert_eq!(ended.code, Some(2), "{name} {}", ended.err);
        let written = ended.adds_up("written");
        let path = match more {
            "" => path,
            _ => folder.path().join("r-00001.pcapng"),
        };
        assert_eq!(count(&path)?, written, "{name} {}", ended.err);
        let enough = if name.ends_with("gz") { 0 } else { 30 };
        assert!((enough..=70).contains(&written), "{name} {written}");
        let last = ended.err.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("dotquad: writing ") && last.contains(&format!("{written} frames")),
            "{last}"
        );
    }
    Ok(())
}

fn folder_gone() -> Result<(), Failed> {
    for more in [&[][..], &["--rotate-packets", "100"]] {
        let folder = folder()?;
        let path = folder.path().join("x.pcapng");
        let path = path.to_string_lossy();
        let words = [&["-i", "lo", "--print", "-w", &path, "udp"][..], more].concat();
        let mut sniffer = sniff(&words)?;
        send(5)?;
        // They are on their way to the file when they are shown.
        sniffer.lines(5)?;
        fs::remove_dir_all(folder.path())?;
        sniffer.signal("INT")?;
        let ended = sniffer.ended()?;
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        ended.adds_up("written");
        assert!(
            ended
                .err
                .lines()
                .last()
                .is_some_and(|it| it.contains("x.pcapng") || it.contains("x-00001")),
            "{}",
            ended.err
        );
    }
    Ok(())
}

fn down() -> Result<(), Failed> {
    ip("link add left type veth peer name right")?;
    let refused = Command::new(dotquad())
        .args(["sniff", "-i", "left"])
        .output()?;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("left") && said.contains("down"), "{said}");
    for name in ["left", "right"] {
        ip(&format!("link set dev {name} addrgenmode none"))?;
        ip(&format!("link set dev {name} up"))?;
    }
    ip("address add 10.7.0.1/24 dev left")?;
    ip("link set dev right address 02:00:00:00:00:02")?;
    ip("neighbour add 10.7.0.2 lladdr 02:00:00:00:00:02 dev left nud permanent")?;
    let mut sniffer = sniff(&["-i", "right", "udp"])?;
    send_to(("10.7.0.2", PORT), 1)?;
    assert!(
        sniffer
            .lines(1)?
            .swap_remove(0)
            .contains(" right in 10.7.0.1:")
    );
    ip("link set dev right down")?;
    sniffer.says("down")?;
    ip("link set dev right up")?;
    sniffer.says("up")?;
    send_to(("10.7.0.2", PORT), 1)?;
    assert!(sniffer.lines(1)?.swap_remove(0).starts_with("2 "));
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    assert_eq!(
        (ended.code, ended.adds_up("shown")),
        (Some(0), 2),
        "{}",
        ended.err
    );
    Ok(())
}

fn removed() -> Result<(), Failed> {
    ip("link add gone type veth peer name other")?;
    ip("link set dev other addrgenmode none")?;
    ip("link set dev other up")?;
    ip("link set dev gone addrgenmode none")?;
    ip("link set dev gone up")?;
    ip("address add 10.8.0.1/24 dev gone")?;
    ip("neighbour add 10.8.0.2 lladdr 02:00:00:00:00:02 dev gone nud permanent")?;
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let sniffer = sniff(&["-i", "gone", "-w", &path.to_string_lossy(), "udp"])?;
    send_to(("10.8.0.2", PORT), 20)?;
    ip("link delete gone")?;
    let ended = sniffer.ended()?;
    assert_eq!(
        (ended.code, ended.adds_up("written")),
        (Some(2), 20),
        "{}",
        ended.err
    );
    assert_eq!(count(&path)?, 20);
    let last = ended.err.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("dotquad: ") && last.contains("gone"),
        "{last}"
    );
    Ok(())
}

fn refuses() -> Result<(), Failed> {
    let fifo = folder()?;
    let path = fifo.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status()?.success());
    let path = path.to_string_lossy();
    for (words, expected) in [
        (&["-i", "nowhere"][..], "nowhere"),
        (&["-i", "any", "-i", "lo"], "any"),
        (&["-i", "lo", "port"], "port"),
        (&["-i", "lo", "-w", "-", "--rotate-packets", "1"], "rotated"),
        (
            &["-i", "lo", "-w", &path, "--rotate-packets", "1"],
            "rotated",
        ),
        (&["-i", "lo", "-w", "/nowhere/x"], "/nowhere/x"),
        (
            &["-i", "lo", "-w", "/nowhere/x", "--rotate-packets", "1"],
            "/nowhere",
        ),
        (&["-i", "lo", "-w", "x", "--files", "3"], "--rotate-size"),
        (
            &["-i", "lo", "-w", "x-%!", "--rotate-packets", "1"],
            "strftime",
        ),
        (&["-i", "lo", "--rotate-size", "5"], "-w"),
        (&["-i", "lo", "-c", "0"], "-c"),
        (
            &["-i", "lo", "-w", "x", "--rotate-size", "many"],
            "--rotate-size",
        ),
        (&["-i", "lo", "--duration=-1"], "--duration"),
        (&["-i", "lo", "--promiscuous", "-p"], "--promiscuous"),
    ] {
        let output = Command::new(dotquad()).arg("sniff").args(words).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?} {said}");
        assert!(said.contains(expected), "{words:?} {said}");
        assert!(output.stdout.is_empty());
    }
    let listed = Command::new(dotquad()).args(["sniff", "-D"]).output()?;
    assert!(listed.status.success() && String::from_utf8_lossy(&listed.stdout).contains(" lo "));
    Ok(())
}

fn no_capability() -> Result<(), Failed> {
    let mut command = Command::new("setpriv");
    command.args([
        "--bounding-set=-net_raw",
        "--inh-caps=-net_raw",
        "--ambient-caps=-net_raw",
    ]);
    let output = command.args([dotquad(), "sniff", "-i", "lo"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("setcap cap_net_raw"), "{said}");
    Ok(())
}
