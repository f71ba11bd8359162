//! Every probe ends as exactly one of answered, late, lost and failed, and everything else that
//! comes is counted: the network's own book of what it did is compared with the machine's.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::time::Duration;

use dotquad::probe::Probe;
use dotquad::probe::ping::{Config, Oddity, Ping, Report, Summary};
use dotquad::probe::targets::Targets;

use super::super::network::{self, Dice, Mail, Post, World, datagram};
use super::{echo, ms, one, reply_from, sum};

/// Milliseconds that a probe is waited for.
const WAIT: u64 = 200;
/// Probes to each target.
const PROBES: u64 = 300;

/// What the network did to the probes to one target.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Book {
    transmitted: u64,
    received: u64,
    late: u64,
    failed: u64,
    lost: u64,
    duplicates: u64,
    corrupted: u64,
    reordered: u64,
    errors: u64,
}

impl From<&Summary> for Book {
    fn from(summary: &Summary) -> Self {
        assert_eq!(summary.waiting, 0);
        Self {
            transmitted: summary.transmitted,
            received: summary.received,
            late: summary.late,
            failed: summary.failed,
            lost: summary.lost,
            duplicates: summary.duplicates,
            corrupted: summary.corrupted,
            reordered: summary.reordered,
            errors: summary.errors,
        }
    }
}

/// A network that does everything that networks do.
struct Wild {
    dice: Dice,
    books: BTreeMap<Ipv4Addr, Book>,
    /// First answers by target: when they arrive, in order of arrival, and to which probe.
    arrivals: HashMap<Ipv4Addr, BTreeMap<(Duration, u64), u64>>,
    foreign: u64,
    strange: u64,
    order: u64,
}

impl Wild {
    fn new(seed: u64) -> Self {
        Self {
            dice: Dice(seed),
            books: BTreeMap::new(),
            arrivals: HashMap::new(),
            foreign: 0,
            strange: 0,
            order: 0,
        }
    }

    /// Microseconds within a range of milliseconds, never at its ends.
    fn delay(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_micros(from * 1000 + 1 + self.dice.below((to - from) * 1000 - 2))
    }

    fn arrives(&mut self, target: Ipv4Addr, time: Duration, number: u64) {
        self.order += 1;
        let arrivals = self.arrivals.entry(target).or_default();
        arrivals.insert((time, self.order), number);
    }

    /// The book of a target, with what its arrivals say of reordering (RFC 4737 section 3.3: a
    /// packet is reordered when its number is smaller than the next one expected).
    fn closed(&self, target: Ipv4Addr) -> Book {
        let mut book = self.books.get(&target).cloned().unwrap_or_default();
        let mut expected = 0;
        for &number in self
            .arrivals
            .get(&target)
            .into_iter()
            .flat_map(BTreeMap::values)
        {
            if number < expected {
                book.reordered += 1;
            } else {
                expected = number + 1;
            }
        }
        book
    }
}

impl World for Wild {
    fn sent(&mut self, now: Duration, probe: &Probe, _: &[u8], body: &[u8], post: &mut Post) {
        let target = probe.destination;
        let mut fate = self.dice.below(12);
        let soon = now + self.delay(0, WAIT);
        let late = now + self.delay(WAIT, WAIT * 3);
        let after = soon + self.delay(0, 100);
        let mut copies = self.dice.below(3);
        let byte = self.dice.below(40) as usize;
        let book = self.books.entry(target).or_default();
        book.transmitted += 1;
        let number = book.transmitted;
        if number > PROBES - 40 {
            // Nothing is on its way any more when the run ends.
            (fate, copies) = (0, 0);
        }
        let whole = echo(body);
        let error = |at, post: &mut Post, icmp_type, code| {
            let quoted = datagram(probe, body, 8);
            let mail = Mail::Error {
                offender: Ipv4Addr::new(10, 0, 0, 254),
                icmp_type,
                code,
                info: 0,
                quoted,
            };
            post.deliver(at, mail);
        };
        match fate {
            // Answered, once or more than once.
            0..=3 => {
                book.received += 1;
                book.duplicates += copies;
                self.arrives(target, soon, number);
                for _ in 0..=copies {
                    post.deliver(soon, reply_from(target, whole.clone()));
                }
            }
            // Late, once or more than once.
            4 => {
                book.late += 1;
                book.duplicates += copies;
                self.arrives(target, late, number);
                for _ in 0..=copies {
                    post.deliver(late, reply_from(target, whole.clone()));
                }
            }
            5 => book.lost += 1,
            // An error, and sometimes an answer after it all the same.
            6 => {
                book.errors += 1;
                error(soon, post, 3, 1);
                if copies == 0 {
                    book.late += 1;
                    self.arrives(target, after, number);
                    post.deliver(after, reply_from(target, whole));
                } else {
                    book.failed += 1;
                }
            }
            // A redirect ends nothing.
            7 => {
                book.errors += 1;
                book.received += 1;
                error(now, post, 5, 1);
                self.arrives(target, soon, number);
                post.deliver(soon, reply_from(target, whole));
            }
            // A byte behind the cookie changes on the way back: ours all the same.
            8 => {
                book.received += 1;
                book.corrupted += 1;
                self.arrives(target, soon, number);
                let mut bad = whole;
                bad[24 + byte % 40] ^= 0x11;
                sum(&mut bad);
                post.deliver(soon, reply_from(target, bad));
            }
            // A byte of the cookie, or one without the checksum knowing.
            9 => {
                book.lost += 1;
                book.corrupted += 1;
                self.strange += 1;
                let mut bad = whole;
                if copies == 0 {
                    bad[24] ^= 0x40;
                } else {
                    bad[8 + byte % 8] ^= 0x40;
                    sum(&mut bad);
                }
                post.deliver(soon, reply_from(target, bad));
            }
            // Somebody else answers; other people's answers come by.
            10 => {
                book.lost += 1;
                self.strange += 1;
                self.foreign += 1;
                post.deliver(soon, reply_from(Ipv4Addr::new(10, 9, 9, 9), whole));
                let mut other = vec![0u8; 64];
                other[4] = 0x77;
                sum(&mut other);
                post.deliver(soon, reply_from(target, other));
            }
            // The kernel refuses it.
            _ => {
                book.failed += 1;
                book.errors += 1;
                post.deliver(now, Mail::SendFailed(probe.id, 101, None));
            }
        }
    }
}

#[test]
fn the_books_agree() {
    let targets = (Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 4));
    for seed in 0..40 {
        let config = Config {
            targets: Targets::new([targets]).unwrap(),
            interval: ms(20),
            wait: ms(WAIT),
            shuffle: seed % 2 == 1,
            ..one(PROBES)
        };
        let mut ping = Ping::new(config);
        let mut world = Wild::new(seed);
        let mut summaries = Vec::new();
        let mut strange = 0;
        let mut answered: HashMap<_, u32> = HashMap::new();
        let mut given_up = 0u64;
        network::run(
            &mut ping,
            &mut world,
            Duration::ZERO,
            |_, report, _| match report {
                Report::Summary(summary) => summaries.push(*summary),
                Report::Strange(_, Oddity::Stale) => panic!("all are remembered"),
                Report::Strange(..) => strange += 1,
                Report::Reply(reply) if !reply.duplicate => {
                    *answered.entry(reply.probe).or_default() += 1;
                }
                Report::Lost { .. } => given_up += 1,
                _ => {}
            },
        );
        assert_eq!(summaries.len(), 3);
        for summary in &summaries {
            let book = world.closed(summary.target);
            assert_eq!(Book::from(summary), book, "seed {seed} {}", summary.target);
            assert_eq!(book.transmitted, PROBES);
            let ends = book.received + book.late + book.failed + book.lost;
            assert_eq!(ends, book.transmitted);
            let rtt = summary.rtt.unwrap();
            assert!(rtt.min > 0 && rtt.min as f64 <= rtt.mean && rtt.mean <= rtt.max as f64);
        }
        assert!(answered.values().all(|&times| times == 1), "seed {seed}");
        let all: u64 = summaries.iter().map(Summary::answered).sum();
        assert_eq!(answered.len() as u64, all);
        assert_eq!(ping.strays().foreign, world.foreign);
        assert_eq!(ping.strays().strange, world.strange);
        assert_eq!(strange, world.strange);
        // Given up were the lost and those late that no error had ended.
        assert!(given_up >= summaries.iter().map(|s| s.lost).sum());
    }
}

#[test]
fn stopping_gives_everything_up_once() {
    let config = Config {
        count: None,
        ..one(0)
    };
    let mut ping = Ping::new(config);
    let mut world = Wild::new(7);
    let mut last = None;
    let mut seen = 0;
    network::run(&mut ping, &mut world, Duration::ZERO, |_, report, ping| {
        seen += 1;
        if seen == 100 {
            ping.stop();
        }
        if let Report::Summary(summary) = report {
            last = Some(*summary);
        }
    });
    let summary = last.expect("there is a summary");
    assert_eq!(summary.waiting, 0);
    let ends = summary.received + summary.late + summary.failed + summary.lost;
    assert_eq!(ends, summary.transmitted);
}
