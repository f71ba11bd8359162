//! All the ways through diamonds: what is found is what is there, as often as was promised.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use dotquad::probe::trace::{
    Balancing, Confidence, Config, Hop, Method, MtuSource, Multipath, Report, Summary, Target,
    Trace,
};
use dotquad::probe::{Event, Machine, Outbox, Wait};
use toml::Table;

use crate::drive::{Run, Sight, drive, over};
use crate::internet::Internet;
use crate::scenarios::{SOURCE, summary};

type Links = BTreeSet<(u8, Option<Ipv4Addr>, Option<Ipv4Addr>)>;

fn address(stage: usize, router: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, stage as u8, router as u8 + 1)
}

/// Stages of routers: `next[stage][router]` are the routers of the next stage it balances over.
/// The last stage is the target alone.
struct Diamond {
    next: Vec<Vec<Vec<usize>>>,
    balance: &'static str,
    extra: Vec<(usize, usize, &'static str)>,
}

impl Diamond {
    fn new(next: Vec<Vec<Vec<usize>>>) -> Self {
        Self {
            next,
            balance: "flow",
            extra: Vec::new(),
        }
    }

    fn internet(&self, seed: u64) -> Internet {
        let target = address(self.next.len(), 0);
        let mut text = format!("seed = {seed}\ndestination = \"{target}\"\n");
        for (stage, routers) in self.next.iter().enumerate() {
            for (router, next) in routers.iter().enumerate() {
                let next: Vec<String> = next
                    .iter()
                    .map(|&next| format!("\"{}\"", address(stage + 1, next)))
                    .collect();
                writeln!(
                    text,
                    "[[hop]]\naddress = \"{}\"\nbalance = \"{}\"\nnext = [{}]",
                    address(stage, router),
                    self.balance,
                    next.join(", ")
                )
                .unwrap();
                let own = |(at, which, _): &&(usize, usize, &str)| (*at, *which) == (stage, router);
                for (_, _, line) in self.extra.iter().filter(own) {
                    writeln!(text, "{line}").unwrap();
                }
            }
        }
        writeln!(text, "[[hop]]\naddress = \"{target}\"").unwrap();
        Internet::read(&text.parse::<Table>().unwrap())
    }

    fn links(&self) -> Links {
        let mut links = Links::new();
        for (stage, routers) in self.next.iter().enumerate() {
            for (router, next) in routers.iter().enumerate() {
                for &next in next {
                    links.insert((
                        stage as u8 + 1,
                        Some(address(stage, router)),
                        Some(address(stage + 1, next)),
                    ));
                }
            }
        }
        links
    }

    fn trace(&self, seed: u64, method: Method, confidence: Confidence, budget: u32) -> Summary {
        let settings = Multipath {
            confidence,
            budget,
            each: false,
        };
        let run = self.run(seed, method, settings, None);
        assert_eq!(run.sent.len() as u64, summary(&run).probes);
        assert!(run.sent.len() <= budget as usize);
        summary(&run).clone()
    }

    fn run(
        &self,
        seed: u64,
        method: Method,
        multipath: Multipath,
        mtu: Option<u16>,
    ) -> Run<Report> {
        let mut internet = self.internet(seed);
        let target = Target {
            address: internet.destination(),
            source: SOURCE,
        };
        let mut config = Config::new(vec![target], method);
        config.multipath = Some(multipath);
        config.mtu = mtu;
        config.seed = seed;
        drive(&mut Trace::new(config), Sight::Raw, over(&mut internet))
    }
}

fn found(summary: &Summary) -> Links {
    let links = summary.links.iter();
    links.map(|link| (link.ttl, link.from, link.to)).collect()
}

/// One balancer over so many, which come together again.
fn simple(width: usize) -> Diamond {
    Diamond::new(vec![
        vec![vec![0]],
        vec![(0..width).collect()],
        vec![vec![0]; width],
        vec![vec![0]],
    ])
}

#[test]
fn a_single_way_takes_as_few_flows_as_rule_out_another() {
    let diamond = simple(1);
    for (confidence, flows) in [(Confidence::Percent95, 6), (Confidence::Percent99, 8)] {
        let found = diamond.trace(1, Method::Udp, confidence, 10_000);
        assert!(
            found.reached && found.hops == 5 && !found.exhausted,
            "{found:?}"
        );
        assert_eq!(found.probes, 5 * flows);
        assert_eq!(found.balancing, []);
        assert_eq!(self::found(&found), diamond.links());
    }
}

#[test]
fn diamonds_are_missed_no_more_often_than_was_promised() {
    for (confidence, promised) in [(Confidence::Percent95, 50), (Confidence::Percent99, 10)] {
        let flows = match confidence {
            Confidence::Percent95 => [6, 11, 16, 21, 27, 33, 39, 45],
            Confidence::Percent99 => [8, 15, 21, 28, 36, 43, 51, 58],
        };
        for method in [Method::Udp, Method::Icmp, Method::Tcp] {
            let mut missed = 0;
            let mut probes = [(0, 0); 9];
            for seed in 0..1000 {
                let width = 2 + seed as usize % 7;
                let diamond = simple(width);
                let summary = diamond.trace(seed, method, confidence, 10_000);
                assert!(summary.reached && !summary.exhausted, "{seed}: {summary:?}");
                assert!(
                    found(&summary).is_subset(&diamond.links()),
                    "{seed}: {summary:?}"
                );
                missed += u32::from(found(&summary) != diamond.links());
                probes[width].0 += summary.probes;
                probes[width].1 += 1;
            }
            println!("{method:?} {confidence:?}: {missed} of 1000 missed");
            assert!(missed <= promised, "{method:?} {confidence:?}: {missed}");
            for (width, (sum, count)) in probes.into_iter().enumerate().skip(2) {
                let mean = sum / count;
                // With node control everywhere: two single hops, the diamond, each of its
                // routers, the target, and one flow again and again.
                let full = flows[0] * (4 + width as u64) + flows[width - 1];
                println!("  {width} wide: {mean} probes, {full} and more with node control");
                assert!(
                    mean < full,
                    "{method:?} {confidence:?} {width}: {mean}, {full}"
                );
            }
        }
    }
}

#[test]
fn nested_and_meshed_diamonds_are_told_apart() {
    // Parallel lines; a tree; a mesh; ways of different widths.
    let shapes = [
        vec![
            vec![vec![0, 1]],
            vec![vec![0], vec![1]],
            vec![vec![0], vec![0]],
        ],
        vec![
            vec![vec![0, 1]],
            vec![vec![0, 1], vec![2, 3]],
            vec![vec![0]; 4],
        ],
        vec![
            vec![vec![0, 1]],
            vec![vec![0, 1], vec![0, 1]],
            vec![vec![0], vec![0]],
        ],
        vec![
            vec![vec![0, 1]],
            vec![vec![0, 1, 2], vec![3]],
            vec![vec![0]; 4],
        ],
    ];
    for (at, shape) in shapes.into_iter().enumerate() {
        let diamond = Diamond::new(shape);
        let mut missed = 0;
        for seed in 0..1000 {
            let summary = diamond.trace(seed, Method::Udp, Confidence::Percent99, 10_000);
            assert!(
                found(&summary).is_subset(&diamond.links()),
                "{at}: {summary:?}"
            );
            missed += u32::from(found(&summary) != diamond.links());
        }
        println!("shape {at}: {missed} of 1000 missed");
        // At most three points of branching, each with 1 percent.
        assert!(missed <= 30, "{at}: {missed} of 1000");
    }
}

/// A hop of two routers that look alike, of which one sends half of its flows elsewhere. Where the
/// hop is asked as a whole, only half of the flows go through it: what the bound allows is one in a
/// hundred, what is missed one in sixteen. Where each router is asked, the bound holds.
#[test]
fn a_branch_in_secret_is_seen_by_asking_each_router() {
    let secret = Diamond::new(vec![
        vec![vec![0, 1]],
        vec![vec![0], vec![0, 1]],
        vec![vec![0], vec![0]],
    ]);
    let missed = |each: bool| {
        let mut missed = 0;
        let mut probes = 0;
        for seed in 0..1000 {
            let run = secret.run(seed, Method::Udp, Multipath { each, ..CAREFUL }, None);
            let summary = summary(&run);
            assert!(summary.reached, "{summary:?}");
            assert!(found(summary).is_subset(&secret.links()), "{summary:?}");
            missed += u32::from(found(summary) != secret.links());
            probes += summary.probes;
        }
        println!("{missed} of 1000 missed, {} probes", probes / 1000);
        (missed, probes)
    };
    let (lite, few) = missed(false);
    let (full, many) = missed(true);
    assert!(lite <= 100, "{lite}");
    // Two points of branching, each with 1 percent.
    assert!(full <= 20, "{full}");
    assert!(few < many, "{few} {many}");
}

#[test]
fn balancing_by_packet_is_told_from_balancing_by_flow() {
    let mut diamond = simple(3);
    for (balance, expected) in [
        ("flow", Balancing::PerFlow),
        ("packet", Balancing::PerPacket),
    ] {
        diamond.balance = balance;
        let mut right = 0;
        for seed in 0..100 {
            let summary = diamond.trace(seed, Method::Udp, Confidence::Percent95, 10_000);
            right += u32::from(summary.balancing == [(3, expected)]);
            assert!(summary.reached && summary.hops == 5, "{summary:?}");
        }
        assert!(right >= 95, "{balance}: {right}");
    }
    // Ways that come together are known to, by whatever rule they parted.
    let summary = diamond.trace(7, Method::Udp, Confidence::Percent99, 10_000);
    assert_eq!(found(&summary), diamond.links());
}

#[test]
fn silence_and_loss_are_no_routers_of_their_own() {
    let mut diamond = simple(2);
    diamond.extra = vec![(3, 0, "silent = true")];
    let summary = diamond.trace(5, Method::Udp, Confidence::Percent99, 10_000);
    assert!(summary.reached && summary.hops == 5, "{summary:?}");
    let links = found(&summary);
    assert!(links.contains(&(3, Some(address(2, 0)), None)), "{links:?}");
    assert!(links.contains(&(4, None, Some(address(4, 0)))), "{links:?}");
    // A router that loses every tenth packet.
    diamond.extra = vec![(2, 0, "loss = 0.1")];
    for seed in 0..20 {
        let summary = diamond.trace(seed, Method::Udp, Confidence::Percent99, 10_000);
        assert!(found(&summary).is_subset(&diamond.links()), "{summary:?}");
        assert!(summary.reached, "{summary:?}");
    }
}

#[test]
fn the_budget_is_kept() {
    let summary = simple(8).trace(5, Method::Udp, Confidence::Percent99, 40);
    assert!(summary.exhausted && summary.probes == 40, "{summary:?}");
}

const CAREFUL: Multipath = Multipath {
    confidence: Confidence::Percent99,
    budget: 10_000,
    each: false,
};

fn hops(run: &Run<Report>) -> Vec<&Hop> {
    let hops = run.reports.iter().filter_map(|(_, report)| match report {
        Report::Hop(hop) => Some(hop),
        Report::Summary(_) => None,
    });
    hops.collect()
}

/// Distances of the hops that have something.
fn which(run: &Run<Report>, has: impl Fn(&Hop) -> bool) -> Vec<u8> {
    let all = hops(run).into_iter();
    all.filter(|hop| has(hop)).map(|hop| hop.ttl).collect()
}

#[test]
fn hops_are_marked_as_those_of_a_plain_trace_are() {
    for method in [Method::Udp, Method::Tcp] {
        let mut diamond = simple(3);
        let run = diamond.run(3, method, CAREFUL, None);
        assert_eq!(
            which(&run, |hop| hop.nat || hop.repeated || hop.rate_limited),
            [0; 0]
        );
        // Before the balancer, so that all flows pass it.
        let nat = "nat = { to = \"203.0.113.5\", restores = \"nothing\" }";
        diamond.extra = vec![(0, 0, nat)];
        let run = diamond.run(3, method, CAREFUL, None);
        assert_eq!(which(&run, |hop| hop.nat), [2]);
        assert_eq!(summary(&run).nat_hops, [2]);
        diamond.extra = vec![(3, 0, "limit = { burst = 4, per_ms = 1000 }")];
        let run = diamond.run(3, method, CAREFUL, None);
        assert_eq!(which(&run, |hop| hop.rate_limited), [4]);
        diamond.extra = vec![(3, 0, "limit = { burst = 4, per_ms = 60000 }")];
        let run = diamond.run(3, method, CAREFUL, None);
        assert_eq!(which(&run, |hop| hop.rate_limited), [0; 0]);
    }
}

#[test]
fn a_circle_is_told_from_ways_of_unequal_length() {
    let read = |hops: &[(&str, &[&str])]| {
        let mut text = "destination = \"10.0.99.1\"\n".to_owned();
        for (address, next) in hops {
            writeln!(text, "[[hop]]\naddress = \"{address}\"").unwrap();
            if !next.is_empty() {
                writeln!(text, "next = {next:?}").unwrap();
            }
        }
        Internet::read(&text.parse::<Table>().unwrap())
    };
    let trace = |mut internet: Internet| {
        let target = Target {
            address: internet.destination(),
            source: SOURCE,
        };
        let mut config = Config::new(vec![target], Method::Udp);
        config.multipath = Some(CAREFUL);
        drive(&mut Trace::new(config), Sight::Raw, over(&mut internet))
    };
    let circle = trace(read(&[
        ("10.0.1.1", &[]),
        ("10.0.2.1", &[]),
        ("10.0.3.1", &["10.0.2.1"]),
        ("10.0.99.1", &[]),
    ]));
    let found = summary(&circle);
    assert!(found.looped && !found.reached, "{found:?}");
    assert_eq!(which(&circle, |hop| hop.repeated), [4, 5, 6]);
    // The second hop sends some flows straight to the last, others by way of two more.
    let unequal = trace(read(&[
        ("10.0.1.1", &[]),
        ("10.0.2.1", &["10.0.5.1", "10.0.3.1"]),
        ("10.0.3.1", &[]),
        ("10.0.4.1", &[]),
        ("10.0.5.1", &[]),
        ("10.0.99.1", &[]),
    ]));
    let found = summary(&unequal);
    assert!(!found.looped && found.reached, "{found:?}");
    assert_eq!(which(&unequal, |hop| hop.repeated), [0; 0]);
}

#[test]
fn the_path_mtu_is_that_of_one_way() {
    let mut diamond = simple(2);
    diamond.extra = vec![(1, 0, "mtu = 1400")];
    let run = diamond.run(3, Method::Udp, CAREFUL, Some(1500));
    assert_eq!(summary(&run).path_mtu, Some(1400));
    assert_eq!(found(summary(&run)), diamond.links());
    assert_eq!(which(&run, |hop| hop.mtu.is_some()), [2]);
    let mtu = hops(&run)[1].mtu.unwrap();
    assert_eq!((mtu.bytes, mtu.source), (1400, MtuSource::Told));
}

/// One who waits no longer than that.
struct Impatient {
    trace: Trace,
    until: Duration,
}

impl Machine for Impatient {
    type Report = Report;

    fn poll(&mut self, now: Duration, outbox: &mut Outbox<Report>) -> Wait {
        let wait = self.trace.poll(now, outbox);
        match wait {
            Wait::Until(_) if now >= self.until => {
                for report in self.trace.so_far(now) {
                    outbox.report(report);
                }
                Wait::Done
            }
            Wait::Until(time) => Wait::Until(time.min(self.until)),
            Wait::Done => Wait::Done,
        }
    }

    fn handle(&mut self, now: Duration, event: &Event<'_>, outbox: &mut Outbox<Report>) {
        self.trace.handle(now, event, outbox);
    }
}

#[test]
fn an_interrupt_tells_the_ways_that_are_known() {
    let diamond = simple(3);
    let truth = diamond.links();
    let mut most = 0;
    for millis in 0..200 {
        let mut internet = diamond.internet(5);
        let target = Target {
            address: internet.destination(),
            source: SOURCE,
        };
        let mut config = Config::new(vec![target], Method::Udp);
        config.multipath = Some(Multipath {
            confidence: Confidence::Percent95,
            budget: 1000,
            each: false,
        });
        let mut machine = Impatient {
            trace: Trace::new(config),
            until: Duration::from_millis(millis),
        };
        let run = drive(&mut machine, Sight::Raw, over(&mut internet));
        let summary = summary(&run);
        let hops = run.reports.iter().filter_map(|(_, report)| match report {
            Report::Hop(hop) => Some(hop),
            Report::Summary(_) => None,
        });
        let hops: Vec<&Hop> = hops.collect();
        let ttls: Vec<u8> = hops.iter().map(|hop| hop.ttl).collect();
        assert!(ttls.iter().copied().eq((1..).take(hops.len())), "{ttls:?}");
        assert!(hops.iter().all(|hop| !hop.rate_limited), "{hops:?}");
        let known = found(summary);
        assert!(known.is_subset(&truth), "after {millis} ms: {known:?}");
        assert!(known.len() >= most, "after {millis} ms: {known:?}");
        most = known.len();
        if !summary.interrupted {
            assert_eq!(known, truth);
            return;
        }
        // Between hops that are told there are links, from the first answers on.
        let heard = hops.iter().filter(|hop| !hop.queries.is_empty()).count();
        assert!(heard < 2 || !known.is_empty(), "after {millis} ms");
    }
    panic!("a path of six hops takes no fifth of a second");
}
