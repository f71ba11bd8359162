//! Many targets: a /16 under the guard of its networks, more in flight than there are sequence
//! numbers, and a million.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use dotquad::probe::Probe;
use dotquad::probe::ping::{Config, Ping, Report};
use dotquad::probe::targets::Targets;

use super::super::network::{self, Mail, Post, World};
use super::{echo, ms, one, reply_from};

fn sweep(address: [u8; 4], prefix: u8) -> Config {
    let range = Targets::network(Ipv4Addr::from(address), prefix);
    Config {
        targets: Targets::new([range]).unwrap(),
        shuffle: true,
        ..one(1)
    }
}

/// Answers for the hosts that are there, and watches how many probes are on their way.
struct Watch {
    delay: Duration,
    dead: fn(Ipv4Addr) -> bool,
    wait: Duration,
    /// Per /24: when the probes on their way end.
    open: HashMap<u32, Vec<Duration>>,
    most: usize,
    sent: HashMap<Ipv4Addr, u32>,
    times: Vec<Duration>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            delay: ms(1),
            dead: |_| false,
            wait: ms(1000),
            open: HashMap::new(),
            most: 0,
            sent: HashMap::new(),
            times: Vec::new(),
        }
    }
}

impl World for Watch {
    fn sent(&mut self, now: Duration, probe: &Probe, _: &[u8], body: &[u8], post: &mut Post) {
        let target = probe.destination;
        let dead = (self.dead)(target);
        let end = now + if dead { self.wait } else { self.delay };
        let open = self.open.entry(target.to_bits() >> 8).or_default();
        open.retain(|&end| end > now);
        open.push(end);
        self.most = self.most.max(open.len());
        *self.sent.entry(target).or_default() += 1;
        self.times.push(now);
        if !dead {
            post.deliver(end, reply_from(target, echo(body)));
        }
    }
}

/// Runs a sweep; how many targets were answered, and at most how many were lost.
fn run(config: Config, world: &mut Watch) -> (u32, u32, Duration) {
    let mut ping = Ping::new(config);
    let (mut up, mut down) = (0, 0);
    let end = network::run(&mut ping, world, Duration::ZERO, |_, report, _| {
        if let Report::Summary(summary) = report {
            up += u32::from(summary.received == 1);
            down += u32::from(summary.received == 0);
            assert_eq!(summary.waiting, 0);
        }
    });
    (up, down, end)
}

#[test]
fn a_network_is_never_hit_by_more_than_it_may() {
    let config = Config {
        in_flight_per_network: Some(64),
        retries: 1,
        ..sweep([10, 3, 0, 0], 20)
    };
    let mut world = Watch {
        delay: ms(20),
        wait: ms(1000),
        dead: |address| address.octets()[3] % 3 == 0,
        ..Watch::default()
    };
    let (up, down, _) = run(config, &mut world);
    assert_eq!(up + down, 4094);
    assert!(world.most <= 64, "{}", world.most);
    for (address, &times) in &world.sent {
        assert_eq!(times, 1 + u32::from((world.dead)(*address)), "{address}");
    }
}

#[test]
fn the_rate_holds_where_networks_are_full() {
    let config = Config {
        in_flight_per_network: Some(8),
        rate: Some(1000.0),
        wait: ms(50),
        ..sweep([10, 3, 0, 0], 22)
    };
    let mut world = Watch {
        wait: ms(50),
        dead: |_| true,
        ..Watch::default()
    };
    let (up, down, _) = run(config, &mut world);
    assert_eq!((up, down), (0, 1022));
    assert!(world.most <= 8);
    // In no tenth of a second more than a hundred, give or take the one at its edge.
    for (nth, time) in world.times.iter().enumerate() {
        if let Some(later) = world.times.get(nth + 101) {
            assert!(*later >= *time + ms(100), "{nth}: {time:?} {later:?}");
        }
    }
}

#[test]
fn more_in_flight_than_there_are_sequence_numbers() {
    let mut world = Watch {
        delay: ms(900),
        ..Watch::default()
    };
    let config = Config {
        in_flight: 1 << 18,
        ..sweep([10, 64, 0, 0], 14)
    };
    let (up, down, end) = run(config, &mut world);
    assert_eq!((up, down), ((1 << 18) - 2, 0));
    // All at once, and all have the same sequence number.
    assert_eq!(end, ms(900));
}

#[test]
fn a_million_targets() {
    let mut world = Million(0);
    let config = Config {
        in_flight: 4096,
        ..sweep([127, 0, 0, 0], 12)
    };
    let mut ping = Ping::new(config);
    let (mut replies, mut summaries) = (0u32, 0u32);
    network::run(
        &mut ping,
        &mut world,
        Duration::ZERO,
        |_, report, _| match report {
            Report::Reply(reply) => {
                assert!(!reply.duplicate && !reply.late);
                replies += 1;
            }
            Report::Summary(summary) => {
                assert_eq!(summary.transmitted, 1);
                summaries += 1;
            }
            _ => {}
        },
    );
    assert_eq!((replies, summaries), ((1 << 20) - 2, (1 << 20) - 2));
    assert_eq!(world.0, (1 << 20) - 2);
}

/// Answers everybody, and drops nothing.
struct Million(u32);

impl World for Million {
    fn sent(&mut self, now: Duration, probe: &Probe, _: &[u8], body: &[u8], post: &mut Post) {
        self.0 += 1;
        let at = now + Duration::from_micros(30);
        post.deliver(at, reply_from(probe.destination, echo(body)));
    }
}

#[test]
fn rounds_are_told_and_the_kernel_may_refuse_some() {
    let config = Config {
        count: Some(3),
        interval: ms(500),
        ..sweep([10, 0, 0, 0], 28)
    };
    let mut ping = Ping::new(config);
    let mut world = super::Does(
        |now, nth, probe: &Probe, body: &[u8], post: &mut Post| {
            if nth % 14 == 3 {
                post.deliver(now, Mail::SendFailed(probe.id, 101, None));
            } else {
                post.deliver(now + ms(1), reply_from(probe.destination, echo(body)));
            }
        },
        0,
    );
    let mut rounds = Vec::new();
    let mut failed = 0;
    network::run(
        &mut ping,
        &mut world,
        Duration::ZERO,
        |now, report, _| match report {
            Report::Round(number) => rounds.push((now, number)),
            Report::Summary(summary) => failed += summary.failed,
            _ => {}
        },
    );
    assert_eq!(rounds, [(ms(500), 1), (ms(1000), 2), (ms(1001), 3)]);
    assert_eq!(failed, 3);
}
