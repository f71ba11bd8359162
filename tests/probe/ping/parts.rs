//! A run in parts says what one machine says: both are led through the same world, in which
//! what becomes of a probe depends on its target and its number alone.

use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::time::Duration;

use dotquad::probe::Probe;
use dotquad::probe::ping::{Config, Part, Ping, Report, Strays, Summary, Sums, Whole};
use dotquad::probe::targets::Targets;

use super::super::network::{self, Dice, Mail, Post, World, datagram};
use super::{IDENTIFIER, echo, ms, one, reply_from, sum};

/// Hosts that answer, or do anything else, each in a way of its own. Whose identifiers are in use.
struct Fates {
    identifiers: Vec<u16>,
}

impl World for Fates {
    fn sent(&mut self, now: Duration, probe: &Probe, _: &[u8], body: &[u8], post: &mut Post) {
        let target = probe.destination;
        assert!(
            self.identifiers
                .contains(&u16::from_be_bytes([body[4], body[5]]))
        );
        let number = u64::from(u16::from_be_bytes([body[6], body[7]]));
        let mut dice = Dice(u64::from(target.to_bits()) * 7 + number);
        let at = now + Duration::from_micros(100 + dice.below(200_000));
        let answer = reply_from(target, echo(body));
        match dice.below(12) {
            0 => {}
            1 => post.deliver(now, Mail::SendFailed(probe.id, 113, None)),
            2 => post.deliver(
                at,
                Mail::Error {
                    offender: Ipv4Addr::new(10, 9, 9, 9),
                    icmp_type: 3,
                    code: 1,
                    info: 0,
                    quoted: datagram(probe, body, 64),
                },
            ),
            3 => {
                post.deliver(at, answer.clone());
                post.deliver(at + ms(1), answer);
            }
            // Too late.
            4 => post.deliver(now + ms(1500), answer),
            5 => {
                let mut wrong = echo(body);
                let last = wrong.len() - 1;
                wrong[last] ^= 0xff;
                sum(&mut wrong);
                post.deliver(at, reply_from(target, wrong));
            }
            // Somebody else knows our cookie; somebody's answer is to nobody.
            6 => post.deliver(at, reply_from(Ipv4Addr::new(10, 9, 9, 9), echo(body))),
            7 => {
                let other = [0, 0, 0, 0, body[4], body[5], 0, 9, 1, 2, 3, 4];
                let mut other = other.to_vec();
                sum(&mut other);
                post.deliver(at, reply_from(Ipv4Addr::new(10, 9, 9, 8), other));
                post.deliver(at, Mail::LocalDrops(1));
            }
            _ => post.deliver(at, answer),
        }
    }
}

/// What a run says, without the order in which things happened to different targets.
#[derive(Debug, PartialEq)]
struct Said {
    events: Vec<String>,
    sums: Vec<Summary>,
    strays: Strays,
    rounds: u64,
}

#[derive(Default)]
struct Heard {
    events: Vec<String>,
    sums: Vec<Summary>,
    rounds: u64,
}

impl Heard {
    fn take(&mut self, report: Report) {
        match report {
            Report::Summary(summary) => self.sums.push(*summary),
            Report::Round(number) => self.rounds = self.rounds.max(number),
            other => self.events.push(format!("{other:?}")),
        }
    }

    fn said(mut self, sums: &dyn Sums) -> Said {
        self.events.sort_unstable();
        for (index, summary) in (0..).zip(&self.sums) {
            assert_eq!(sums.summary(index).as_ref(), Some(summary));
        }
        Said {
            events: self.events,
            sums: self.sums,
            strays: sums.strays(),
            rounds: self.rounds,
        }
    }
}

fn at_once(config: &Config) -> Said {
    let mut ping = Ping::new(config.clone());
    let mut heard = Heard::default();
    let mut world = Fates {
        identifiers: vec![IDENTIFIER],
    };
    network::run(&mut ping, &mut world, Duration::ZERO, |_, report, _| {
        heard.take(report);
    });
    heard.said(&ping)
}

fn in_parts(config: &Config, parts: u16) -> Said {
    let stretches = Part::stretches(&config.targets, u32::from(parts));
    assert_eq!(stretches.len(), usize::from(parts));
    let mut heard = Heard::default();
    let mut end = Duration::ZERO;
    let mut driven = Vec::new();
    for (number, stretch) in (0..).zip(&stretches) {
        let identifier = IDENTIFIER + number;
        let mut part = Part::new(config, stretch, u32::from(parts), identifier);
        let mut world = Fates {
            identifiers: vec![identifier],
        };
        let over = network::run(&mut part, &mut world, Duration::ZERO, |_, report, _| {
            assert!(!matches!(report, Report::Summary(_)), "{report:?}");
            heard.take(report);
        });
        end = end.max(over);
        driven.push(part);
    }
    let mut whole = Whole::new(driven);
    let told = whole.sum_up(end, |report| {
        assert!(matches!(report, Report::Summary(_)), "{report:?}");
        heard.take(report);
        ControlFlow::Continue(())
    });
    assert_eq!(told, ControlFlow::Continue(()));
    heard.said(&whole)
}

/// Four /24 and pieces of others, probed three times with a retry.
fn sweep() -> Config {
    let range = |a: [u8; 4], b: [u8; 4]| (Ipv4Addr::from(a), Ipv4Addr::from(b));
    let ranges = [
        range([10, 1, 0, 1], [10, 1, 3, 254]),
        range([10, 2, 0, 7], [10, 2, 0, 7]),
        range([10, 2, 7, 9], [10, 2, 8, 200]),
    ];
    Config {
        targets: Targets::new(ranges).unwrap(),
        shuffle: true,
        retries: 1,
        percentiles: true,
        ..one(3)
    }
}

#[test]
fn parts_say_what_the_whole_says() {
    let config = sweep();
    let whole = at_once(&config);
    let targets = usize::try_from(config.targets.len()).unwrap();
    assert_eq!(whole.sums.len(), targets);
    // Everything that can happen did.
    let count = |of: fn(&Summary) -> u64| whole.sums.iter().map(of).sum::<u64>();
    for happened in [
        count(|it| it.received),
        count(|it| it.lost),
        count(|it| it.late),
        count(|it| it.failed),
        count(|it| it.duplicates),
        count(|it| it.corrupted),
        whole.strays.foreign,
        whole.strays.strange,
        whole.strays.local_drops,
        whole.rounds,
    ] {
        assert!(happened > 2);
    }
    for parts in [2, 3, 4] {
        let divided = in_parts(&config, parts);
        assert_eq!(divided.sums, whole.sums, "{parts}");
        assert_eq!(divided, whole, "{parts}");
    }
}

#[test]
fn parts_that_nobody_drove_to_their_end_are_ended() {
    let config = sweep();
    let stretches = Part::stretches(&config.targets, 2);
    let parts = stretches.iter().map(|it| Part::new(&config, it, 2, 1));
    let mut whole = Whole::new(parts.collect());
    let mut heard = Heard::default();
    let _ = whole.sum_up(ms(5), |report| {
        heard.take(report);
        ControlFlow::Continue(())
    });
    assert_eq!(heard.events, Vec::<String>::new());
    assert_eq!(heard.sums.len(), config.targets.len() as usize);
    assert!(heard.sums.iter().all(|it| it.transmitted == 0));
    // Who has enough is told no more.
    let mut told = 0;
    let mut whole = Whole::new(vec![Part::new(&config, &stretches[0], 2, 1)]);
    let end = whole.sum_up(ms(5), |_| {
        told += 1;
        ControlFlow::Break(())
    });
    assert_eq!((end, told), (ControlFlow::Break(()), 1));
}
