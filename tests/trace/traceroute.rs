//! Beside traceroute(8), as a small machine of its own on the same internets: sixteen probes in
//! flight, three to a hop, rows in order; the first that waits is given up after three times
//! what another of its hop took, else ten times what a later one took, else 5 s. The trace is
//! never slower, and sends no more than it and one to each distance beyond the target. Times are
//! simulated.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Write as _;
use std::fs;
use std::ops::RangeInclusive;
use std::time::Duration;

use dotquad::probe::trace::{Config, Method, Trace};
use toml::Table;

use crate::bytes;
use crate::drive::{Sight, drive, over};
use crate::internet::Internet;
use crate::scenarios::{SOURCE, config, scenario, summary};

const IN_FLIGHT: usize = 16;
/// Added to what an answer took, before it is multiplied.
const PRECISION: u64 = 1_000_000;

#[derive(Clone, Default)]
struct Question {
    sent: Option<u64>,
    /// What the answer took; 0 where it was given up.
    took: u64,
    done: bool,
    last: bool,
    /// The path ended with an error that is shown as a mark.
    marked: bool,
}

/// An answer that is on its way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Coming {
    time: u64,
    at: usize,
    last: bool,
    marked: bool,
}

struct Peer<'a> {
    internet: &'a mut Internet,
    config: &'a Config,
    questions: Vec<Question>,
    coming: BinaryHeap<Reverse<Coming>>,
    sent: usize,
}

impl Peer<'_> {
    fn per_hop(&self) -> usize {
        usize::from(self.config.queries)
    }

    fn datagram(&self, at: usize) -> Vec<u8> {
        let number = at as u16;
        let target = self.internet.destination();
        let (protocol, body) = match self.config.method {
            Method::Udp => (
                17,
                [40_000, 33_434 + number, 40, 0]
                    .map(u16::to_be_bytes)
                    .concat(),
            ),
            Method::Icmp => (
                1,
                [0x0800, 0, 77, number + 1].map(u16::to_be_bytes).concat(),
            ),
            Method::Tcp => (6, [40_000 + number, 80].map(u16::to_be_bytes).concat()),
        };
        let mut body = body;
        match self.config.method {
            Method::Tcp => {
                body.resize(20, 0);
                body[12] = 0x50;
                body[13] = 2;
            }
            _ => body.resize(40, 0),
        }
        let ttl = (at / self.per_hop() + 1) as u8;
        let mut datagram = bytes::ipv4(SOURCE, target, protocol, ttl, self.config.tos, &body);
        datagram[4..6].copy_from_slice(&(number + 1).to_be_bytes());
        bytes::fix_header(&mut datagram);
        datagram
    }

    fn send(&mut self, at: usize, now: u64) {
        let datagram = self.datagram(at);
        self.sent += 1;
        self.questions[at].sent = Some(now);
        for (delay, back) in self.internet.carry(now, &datagram) {
            let message = &back[20..];
            let is_error = back[9] == 1 && message[0] != 0;
            // The kernel gives an error to the socket whose datagram it quotes.
            let quote = message.get(8..).unwrap_or_default();
            let known = quote.len() >= 28
                && quote[0] == 0x45
                && quote[16..20] == datagram[16..20]
                && quote[20..24] == datagram[20..24];
            if !is_error || known {
                let last = !is_error || message[0] != 11;
                let time = now + delay;
                let marked = is_error && last && message[..2] != [3, 3];
                self.coming.push(Reverse(Coming {
                    time,
                    at,
                    last,
                    marked,
                }));
            }
        }
    }

    fn patience(&self, at: usize) -> u64 {
        let wait = self.config.wait.as_nanos() as u64;
        let hop = at - at % self.per_hop();
        let answered = |question: &&Question| question.done && question.took > 0;
        let here = self.questions[hop..hop + self.per_hop()]
            .iter()
            .find(answered);
        let sent = self.questions[at + 1..]
            .iter()
            .take_while(|question| question.sent.is_some());
        let near = sent.into_iter().find(answered);
        let here = here.map(|question| 3 * (question.took + PRECISION));
        let near = near.map(|question| 10 * (question.took + PRECISION));
        here.or(near).unwrap_or(wait).min(wait)
    }

    /// Gives a question up. Where the next that was answered was refused on the way, so was this
    /// one, as far as it knows.
    fn expire(&mut self, at: usize) {
        self.questions[at].done = true;
        let mut later = self.questions[at + 1..]
            .iter()
            .take_while(|question| question.sent.is_some());
        let next = later.find(|question| question.done && question.took > 0);
        self.questions[at].last = next.is_some_and(|question| question.marked);
    }

    /// When it came to an end.
    fn run(&mut self) -> u64 {
        let per_hop = self.per_hop();
        let mut now = 0;
        let mut start = usize::from(self.config.first - 1) * per_hop;
        let mut end = self.questions.len();
        while start < end {
            let mut next = None;
            let mut in_flight = 0;
            let mut at = start;
            while at < end {
                if at == start
                    && !self.questions[at].done
                    && let Some(sent) = self.questions[at].sent
                {
                    let due = sent + self.patience(at);
                    if due > now {
                        next = Some(due);
                    } else {
                        self.expire(at);
                    }
                }
                if self.questions[at].done {
                    start += usize::from(at == start);
                    if self.questions[at].last {
                        end = (at / per_hop + 1) * per_hop;
                    }
                    at += 1;
                    continue;
                }
                if self.questions[at].sent.is_none() {
                    self.send(at, now);
                }
                next = next.or_else(|| Some(self.questions[at].sent.unwrap() + self.patience(at)));
                in_flight += 1;
                if in_flight >= IN_FLIGHT {
                    break;
                }
                at += 1;
            }
            let Some(next) = next else { continue };
            let arrival = self
                .coming
                .peek()
                .map_or(u64::MAX, |Reverse(coming)| coming.time);
            now = now.max(next.min(arrival));
            while let Some(Reverse(coming)) = self.coming.peek()
                && coming.time <= now
            {
                let question = &mut self.questions[coming.at];
                if !question.done {
                    question.done = true;
                    question.last = coming.last;
                    question.marked = coming.marked;
                    question.took = coming.time - question.sent.unwrap();
                }
                self.coming.pop();
            }
        }
        now
    }
}

/// Traceroute's time and probes.
fn traceroute(internet: &mut Internet, config: &Config) -> (Duration, usize) {
    let count = usize::from(config.max) * usize::from(config.queries);
    let mut peer = Peer {
        internet,
        config,
        questions: vec![Question::default(); count],
        coming: BinaryHeap::new(),
        sent: 0,
    };
    let end = peer.run();
    (Duration::from_nanos(end), peer.sent)
}

/// One line of the table, and what is wrong with it.
fn compare(name: &str, internet: &Internet, config: &Config, sight: Sight) -> (String, bool) {
    let (time, probes) = traceroute(&mut internet.clone(), config);
    let run = drive(
        &mut Trace::new(config.clone()),
        sight,
        over(&mut internet.clone()),
    );
    let found = summary(&run);
    let beyond = usize::from(config.max - found.hops.min(config.max));
    let slower = run.end > time;
    let more = run.sent.len() > probes + beyond;
    let line = format!(
        "{name:24} {:9.1} ms {:9.1} ms  {:4} {:4} + {beyond:2}{}{}",
        run.end.as_secs_f64() * 1e3,
        time.as_secs_f64() * 1e3,
        run.sent.len(),
        probes,
        if slower { "  slower" } else { "" },
        if more { "  more probes" } else { "" },
    );
    (line, slower || more)
}

/// `hops` routers and the target; the first link takes `first` hundredths of a millisecond, the
/// others `ms`.
fn quiet(hops: usize, first: u32, ms: u32) -> Internet {
    let mut text = "destination = \"10.0.99.1\"\n".to_owned();
    for hop in 1..=hops {
        let delay = if hop == 1 { first } else { ms };
        let last = if hop == hops { 99 } else { hop };
        let delay = f64::from(delay) / 100.0;
        writeln!(text, "[[hop]]\naddress = \"10.0.{last}.1\"\nms = {delay:?}").unwrap();
    }
    Internet::read(&text.parse::<Table>().unwrap())
}

/// `hops` of 5 ms each there and back, of which these are silent.
fn partly_silent(hops: usize, silent: RangeInclusive<usize>) -> Internet {
    let mut text = "destination = \"10.0.99.1\"\n".to_owned();
    for hop in 1..=hops {
        let last = if hop == hops { 99 } else { hop };
        let is_silent = silent.contains(&hop);
        writeln!(
            text,
            "[[hop]]\naddress = \"10.0.{last}.1\"\nms = 2.5\nsilent = {is_silent}"
        )
        .unwrap();
    }
    Internet::read(&text.parse::<Table>().unwrap())
}

#[test]
fn never_slower_than_traceroute_nor_with_more_probes_than_one_beyond_the_target() {
    let mut wrong = Vec::new();
    println!("                            the trace      traceroute  probes");
    let mut show = |(line, is_wrong): (String, bool)| {
        println!("{line}");
        if is_wrong {
            wrong.push(line);
        }
    };
    let folder = format!("{}/tests/scenarios", env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    for name in &names {
        let name = name.trim_end_matches(".toml");
        let scenario = scenario(name);
        let internet = Internet::read(&scenario);
        let mut config = config(&scenario, &internet);
        // What traceroute does not do beside.
        config.mtu = None;
        config.multipath = None;
        config.cycles = 1;
        config.recheck = Config::new(Vec::new(), Method::Udp).recheck;
        let sight = match scenario.get("sight").map(|sight| sight.as_str().unwrap()) {
            Some("unprivileged") => Sight::Unprivileged,
            _ => Sight::Raw,
        };
        config.header_included = sight == Sight::Raw;
        show(compare(name, &internet, &config, sight));
    }
    // Where the whole way takes less than the 10 ms in which 64 probes may leave, the pace is what
    // takes time: from 19 hops on, more than traceroute does.
    for (first, ms, most) in [
        (250, 250, 30),
        (5, 5, 18),
        (30_000, 100, 30),
        (10, 2000, 30),
    ] {
        for hops in 1..=most {
            let internet = quiet(hops, first, ms);
            let config = config(&Table::new(), &internet);
            let name = format!("{hops} hops {first} {ms}");
            show(compare(&name, &internet, &config, Sight::Raw));
        }
    }
    // Some of the hops say nothing: one stretch anywhere, or up to the end.
    let asked = [1, 2, 3, 4, 6, 10, 20].map(|queries| (queries, 30, 1));
    let others = [
        (3, 6, 1),
        (3, 12, 1),
        (3, 20, 1),
        (3, 60, 1),
        (3, 30, 3),
        (2, 20, 5),
        (1, 60, 1),
    ];
    for (queries, max, first) in asked.into_iter().chain(others) {
        let more: &[usize] = if queries == 3 { &[16, 24, 30] } else { &[16] };
        for hops in (1..=12).chain(more.iter().copied()) {
            for from in 1..hops {
                for to in from..=hops {
                    let internet = partly_silent(hops, from..=to);
                    let mut config = config(&Table::new(), &internet);
                    config.queries = queries;
                    config.max = max;
                    config.first = first;
                    let name =
                        format!("q{queries} m{max} f{first}, {hops} hops, {from} to {to} silent");
                    show(compare(&name, &internet, &config, Sight::Raw));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
