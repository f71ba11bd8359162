//! Ping on the simulated network. A host's behaviour is said as data; what the machine reports
//! is compared with what the network knows it did.

#[path = "ping/hostile.rs"]
mod hostile;
#[path = "ping/ledger.rs"]
mod ledger;
#[path = "ping/pace.rs"]
mod pace;
#[path = "ping/parts.rs"]
mod parts;
#[path = "ping/path_mtu.rs"]
mod path_mtu;
#[path = "ping/sweep.rs"]
mod sweep;
#[path = "ping/timing.rs"]
mod timing;

use std::net::Ipv4Addr;
use std::time::Duration;

use dotquad::probe::Probe;
use dotquad::probe::ping::{Config, Ping, Reply, Report, Summary};
use dotquad::probe::targets::Targets;

use super::network::{self, Mail, Post, World};

pub const TARGET: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
pub const IDENTIFIER: u16 = 0x4d51;

pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// So many probes to one target, 100 ms apart, each waited for a second.
pub fn one(count: u64) -> Config {
    Config {
        targets: Targets::one(TARGET),
        count: Some(count),
        interval: ms(100),
        wait: ms(1000),
        identifier: IDENTIFIER,
        seed: [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210],
        ..Config::default()
    }
}

/// The ICMP echo reply to `body`, with its checksum.
pub fn echo(body: &[u8]) -> Vec<u8> {
    let mut reply = body.to_vec();
    reply[0] = 0;
    sum(&mut reply);
    reply
}

/// Writes the checksum of an ICMP message anew. The slow way, as RFC 1071 says it in words.
pub fn sum(message: &mut [u8]) {
    message[2..4].fill(0);
    let mut total = 0u32;
    for pair in message.chunks(2) {
        total += u32::from(pair[0]) * 256 + pair.get(1).map_or(0, |&b| u32::from(b));
        total = total % 65_536 + total / 65_536;
    }
    let sum = !(total as u16);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
}

/// An echo reply on its way.
pub fn reply_from(source: Ipv4Addr, message: Vec<u8>) -> Mail {
    Mail::Reply {
        source,
        protocol: 1,
        message,
        truncated: false,
        ttl: 64,
        stamp: None,
        ours: false,
    }
}

/// A world that is a closure: the time, how many probes came before, the probe and its body.
pub struct Does<F>(pub F, pub u64);

impl<F: FnMut(Duration, u64, &Probe, &[u8], &mut Post)> World for Does<F> {
    fn sent(&mut self, now: Duration, probe: &Probe, _: &[u8], body: &[u8], post: &mut Post) {
        let nth = self.1;
        self.1 += 1;
        (self.0)(now, nth, probe, body, post);
    }
}

/// Everything that a run told.
#[derive(Debug, Default)]
pub struct Told {
    pub reports: Vec<(Duration, Report)>,
    pub end: Duration,
}

impl Told {
    pub fn replies(&self) -> Vec<Reply> {
        let reply = |(_, report): &(Duration, Report)| match report {
            Report::Reply(reply) => Some(reply.clone()),
            _ => None,
        };
        self.reports.iter().filter_map(reply).collect()
    }

    pub fn summary(&self) -> &Summary {
        let last = &self.reports.last().expect("something was told").1;
        let Report::Summary(summary) = last else {
            panic!("the last that is told is a summary, not {last:?}");
        };
        summary
    }

    pub fn count(&self, which: impl Fn(&Report) -> bool) -> usize {
        self.reports.iter().filter(|(_, r)| which(r)).count()
    }
}

/// Runs `config` in a world that does `behaviour` with each probe.
pub fn run(
    config: Config,
    behaviour: impl FnMut(Duration, u64, &Probe, &[u8], &mut Post),
) -> (Ping, Told) {
    run_late(config, Duration::ZERO, behaviour)
}

/// The same with polls that come late.
pub fn run_late(
    config: Config,
    lateness: Duration,
    behaviour: impl FnMut(Duration, u64, &Probe, &[u8], &mut Post),
) -> (Ping, Told) {
    let mut ping = Ping::new(config);
    let mut told = Told::default();
    let mut world = Does(behaviour, 0);
    told.end = network::run(&mut ping, &mut world, lateness, |now, report, _| {
        told.reports.push((now, report));
    });
    (ping, told)
}

/// Answers after `delay`.
pub fn answers(delay: Duration) -> impl FnMut(Duration, u64, &Probe, &[u8], &mut Post) {
    move |now, _, probe, body, post| {
        post.deliver(now + delay, reply_from(probe.destination, echo(body)));
    }
}
