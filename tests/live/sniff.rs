//! `dotquad sniff` as a person meets it, on interfaces made for it: what it shows and writes, how
//! it ends, and that its counters add up. Every test has a network namespace of its own.
//!
//! Nothing here waits for time to pass: that it listens it says itself, and packets are counted.
//! Here is what the tests share; one module a theme.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::UdpSocket;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use libtest_mimic::{Failed, Trial};

use super::Powers;
use super::cable::{alone, has_ip};

#[path = "sniff/ending.rs"]
mod ending;
#[path = "sniff/lasting.rs"]
mod lasting;
#[path = "sniff/listening.rs"]
mod listening;
#[path = "sniff/showing.rs"]
mod showing;
#[path = "sniff/watching.rs"]
mod watching;

/// The port that tests send to, where nobody listens.
const PORT: u16 = 9000;

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    type Test = fn() -> Result<(), Failed>;
    let tests: [(&str, Test); 32] = [
        ("sniff_holds_nothing_on_any_thread", ending::holds_nothing),
        ("sniff_writes_what_it_shows", showing::writes_what_it_shows),
        (
            "sniff_of_any_writes_what_it_shows",
            showing::any_writes_what_it_shows,
        ),
        ("sniff_reassembles_behind_a_filter", showing::reassembles),
        ("sniff_tells_statistics_on_the_way", showing::surveys),
        (
            "sniff_writes_what_it_shows_of_real_traffic",
            showing::real_traffic,
        ),
        ("sniff_shows_the_same_by_every_backend", showing::backends),
        ("sniff_selects_as_decode_does", showing::selects_as_decode),
        (
            "sniff_numbers_what_a_coarse_program_leaves",
            showing::coarse_program,
        ),
        ("sniff_counts_add_up_at_a_limit", showing::limit),
        ("sniff_rotates_and_keeps_the_newest", showing::rotates),
        ("sniff_ends_whole_on_any_signal", ending::signals),
        ("sniff_tells_counters_when_asked", showing::asked),
        ("sniff_tells_counters_as_an_object", showing::as_object),
        ("sniff_writes_down_a_pipe", showing::pipe),
        ("sniff_writes_into_a_fifo", showing::fifo),
        ("sniff_ends_by_its_duration", ending::duration),
        (
            "sniff_is_quiet_when_its_reader_leaves",
            ending::reader_leaves,
        ),
        ("sniff_cuts_back_when_the_disk_is_full", ending::disk_full),
        ("sniff_tells_a_folder_that_is_gone", ending::folder_gone),
        ("sniff_waits_for_an_interface_that_is_down", ending::down),
        ("sniff_ends_with_its_interface", ending::removed),
        ("sniff_refuses_what_cannot_be", ending::refuses),
        ("sniff_needs_cap_net_raw", ending::no_capability),
        ("sniff_shares_an_interface_among_rings", listening::fanout),
        ("sniff_is_promiscuous_when_asked", listening::promiscuous),
        ("sniff_tells_whose_clock_it_has", listening::timestamps),
        ("sniff_of_any_puts_tags_back", listening::tags_on_any),
        ("sniff_leaves_what_it_flushed_when_killed", lasting::killed),
        ("sniff_rotates_by_the_clock", lasting::rotates_by_time),
        (
            "sniff_states_what_it_counted_of_each",
            lasting::statistics_of_each,
        ),
        ("sniff_draws_a_line_at_a_terminal", watching::status_line),
    ];
    let has_setpriv = Command::new("setpriv")
        .arg("-V")
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    let all = has_ip() && has_setpriv;
    let trial = |(name, test): (&str, Test)| {
        if all {
            return powers.trial(name, move || alone(test));
        }
        let missing = || Err("there is no ip or no setpriv here".into());
        Trial::test(format!("{name} (needs ip and setpriv)"), missing).with_ignored_flag(true)
    };
    let mut trials: Vec<Trial> = tests.into_iter().map(trial).collect();
    let name = "sniff_asks_for_names";
    trials.push(if !powers.namespace || (all && super::names::can_mount()) {
        powers.trial(name, || alone(listening::names_are_asked_for))
    } else {
        let missing = || Err("there is no ip, or no mount namespace can be made here".into());
        Trial::test(format!("{name} (needs ip and a mount namespace)"), missing)
            .with_ignored_flag(true)
    });
    trials
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
            err: std::mem::take(&mut self.said),
            code: self.child.wait()?.code(),
        })
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        // Where a test has failed, nobody else ends it; one that has ended takes no harm.
        let _ = self.child.kill();
        let _ = self.child.wait();
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

    /// Checks that it ended well, and that so many were shown or written.
    #[track_caller]
    fn comes_to(&self, fate: &str, number: u64) {
        assert_eq!(
            (self.code, self.adds_up(fate)),
            (Some(0), number),
            "{}",
            self.err
        );
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

/// The output of a program that says nothing.
fn stand_in() -> Result<ChildStdout, Failed> {
    let mut child = Command::new("true").stdout(Stdio::piped()).spawn()?;
    let out = child.stdout.take().expect("it is piped");
    child.wait()?;
    Ok(out)
}
