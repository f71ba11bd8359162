//! What the probes look like on the way: to a balancer by flow they are one flow, to a pace they
//! keep, to the kernel they may be refused, and a thousand paths are as good as one.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use dotquad::probe::trace::{
    Confidence, Config, Method, Multipath, Outcome, Pace, Report, Target, Trace,
};
use dotquad::probe::{Event, Machine, Outbox, Quoted, Wait};
use toml::Table;

use crate::drive::{Sight, drive, over};
use crate::internet::Internet;
use crate::scenarios::{SOURCE, config, scenario};

/// Four hops, each one of three routers; the second stage is reached from any of the first.
fn diamond(seed: u64, balance: &str) -> Internet {
    let mut text = format!(
        "seed = {seed}\ndestination = \"10.0.99.1\"\n[[hop]]\naddress = \"10.0.0.1\"\nbalance = \"{balance}\"\nnext = [\"10.1.0.1\", \"10.1.0.2\", \"10.1.0.3\"]\n"
    );
    for stage in 1..=4 {
        for router in 1..=3 {
            let next: Vec<String> = match stage {
                4 => vec!["\"10.0.99.1\"".to_owned()],
                _ => (1..=3)
                    .map(|next| format!("\"10.{}.0.{next}\"", stage + 1))
                    .collect(),
            };
            write!(
                text,
                "[[hop]]\naddress = \"10.{stage}.0.{router}\"\nbalance = \"{balance}\"\nnext = [{}]\n",
                next.join(", ")
            )
            .unwrap();
        }
    }
    text += "[[hop]]\naddress = \"10.0.99.1\"\n";
    Internet::read(&text.parse::<Table>().unwrap())
}

fn target(address: Ipv4Addr) -> Target {
    Target {
        address,
        source: SOURCE,
    }
}

fn addresses(reports: &[(Duration, Report)]) -> Vec<Vec<Ipv4Addr>> {
    let hops = reports.iter().filter_map(|(_, report)| match report {
        Report::Hop(hop) => Some(hop),
        Report::Summary(_) => None,
    });
    hops.map(|hop| {
        let mut found: Vec<_> = hop
            .queries
            .iter()
            .filter_map(|query| match &query.outcome {
                Outcome::Answered(answer) => Some(answer.address),
                _ => None,
            })
            .collect();
        found.sort();
        found.dedup();
        found
    })
    .collect()
}

#[test]
fn probes_of_one_flow_stay_together_and_those_of_another_do_not() {
    for method in [Method::Udp, Method::Icmp, Method::Tcp] {
        let mut ways = std::collections::HashSet::new();
        for flow in 0..40 {
            let mut internet = diamond(3, "flow");
            let mut config = Config::new(vec![target(internet.destination())], method);
            config.flow = flow;
            config.queries = 10;
            let run = drive(&mut Trace::new(config), Sight::Raw, over(&mut internet));
            let rows = addresses(&run.reports);
            assert_eq!(rows.len(), 6, "{method:?}");
            assert!(
                rows.iter().all(|row| row.len() == 1),
                "{method:?}: {rows:?}"
            );
            ways.insert(rows);
        }
        // 40 flows over 81 ways.
        assert!(ways.len() > 15, "{method:?}: {}", ways.len());
    }
}

/// What goes where before anything has come back.
#[test]
fn the_first_twelve_rows_are_asked_in_full_at_once_as_far_as_that_is_no_more_than_it_may_be() {
    for (queries, max, firsts, others) in [
        // In all, with 30 distances: sixteen, and 30 less as many as sixteen ask in full.
        (1, 30, 30, 0),
        (2, 30, 26, 12),
        (3, 30, 17, 24),
        (3, 20, 17, 14),
        (3, 255, 17, 24),
        (10, 30, 17, 28),
    ] {
        let mut internet = Internet::read(&scenario("quiet-udp"));
        let mut config = config(&Table::new(), &internet);
        config.queries = queries;
        config.max = max;
        config.pace.packets = 0;
        let run = drive(&mut Trace::new(config), Sight::Raw, over(&mut internet));
        let at_once = run.sent.iter().take_while(|(time, _)| time.is_zero());
        let distances: Vec<u8> = at_once.map(|(_, datagram)| datagram[8]).collect();
        let more = (1..=30).flat_map(|distance| vec![distance; usize::from(queries) - 1]);
        let expected: Vec<u8> = (1..=firsts).chain(more.take(others)).collect();
        assert_eq!(distances, expected, "{queries} {max}");
    }
}

#[test]
fn balancing_by_packet_shows() {
    let mut internet = diamond(3, "packet");
    let mut config = Config::new(vec![target(internet.destination())], Method::Udp);
    config.queries = 10;
    let run = drive(&mut Trace::new(config), Sight::Raw, over(&mut internet));
    let rows = addresses(&run.reports);
    assert!(rows[1..5].iter().all(|row| row.len() > 1), "{rows:?}");
}

#[test]
fn a_thousand_paths_keep_one_pace() {
    let text = "destination = \"10.0.99.1\"\n[[hop]]\naddress = \"10.0.0.1\"\n[[hop]]\naddress = \"10.0.0.2\"\nms = 20.0\n[[hop]]\nname = \"anybody\"\n";
    let mut internet = Internet::read(&text.parse::<Table>().unwrap());
    let targets: Vec<_> = (0..1000_u32)
        .map(|host| target(Ipv4Addr::from(0x0a63_0000 + host)))
        .collect();
    let mut config = Config::new(targets, Method::Udp);
    assert_eq!(config.pace, Pace::per_second(1000));
    config.max = 8;
    let run = drive(&mut Trace::new(config), Sight::Raw, over(&mut internet));
    let mut reached = 0;
    let mut probes = 0;
    for (_, report) in &run.reports {
        if let Report::Summary(summary) = report {
            assert!(summary.reached && summary.hops == 3, "{summary:?}");
            reached += 1;
            probes += summary.probes;
        }
    }
    // 8 at first and 2 to each hop.
    assert_eq!((reached, probes, run.sent.len()), (1000, 12_000, 12_000));
    let times: Vec<_> = run.sent.iter().map(|(time, _)| *time).collect();
    assert!(
        times
            .iter()
            .zip(times.iter().skip(10))
            .all(|(from, to)| to.saturating_sub(*from) >= Duration::from_millis(10))
    );
    assert!(run.end < Duration::from_millis(12_100), "{:?}", run.end);
}

#[test]
fn an_interrupt_tells_what_was_given_up() {
    let new = || {
        let target = target(Ipv4Addr::new(10, 0, 0, 9));
        Trace::new(Config::new(vec![target], Method::Udp))
    };
    let mut outbox = Outbox::default();
    let mut trace = new();
    let now = Duration::from_millis(20);
    assert!(trace.so_far(now).is_empty(), "nothing was asked");
    trace.poll(Duration::ZERO, &mut outbox);
    let told = trace.so_far(now);
    let [Report::Summary(summary)] = told.as_slice() else {
        panic!("answers may come: {told:?}");
    };
    assert!(summary.interrupted && !summary.reached, "{summary:?}");
    assert_eq!(summary.target, Some(Ipv4Addr::new(10, 0, 0, 9)));
    assert_eq!(summary.duration, now);
    // Nobody answers: a second and a half later the first question to each hop is given up, of
    // which as many are told as would be at the end.
    let mut trace = new();
    trace.poll(Duration::ZERO, &mut outbox);
    trace.poll(Duration::from_millis(1600), &mut outbox);
    assert_eq!(outbox.reports().count(), 0, "no row is complete");
    let mut rows = trace.so_far(Duration::from_millis(1600));
    assert!(matches!(rows.pop(), Some(Report::Summary(_))));
    let hops = rows.iter().filter_map(|report| match report {
        Report::Hop(hop) => Some(hop),
        Report::Summary(_) => None,
    });
    let ttls: Vec<u8> = hops.clone().map(|hop| hop.ttl).collect();
    assert_eq!(ttls, [1, 2, 3, 4, 5]);
    for hop in hops {
        let outcomes: Vec<_> = hop.queries.iter().map(|query| &query.outcome).collect();
        assert_eq!(outcomes, [&Outcome::Lost]);
    }
}

#[test]
fn what_the_kernel_refuses_is_told() {
    let mut trace = Trace::new(Config::new(
        vec![target(Ipv4Addr::new(10, 0, 0, 9))],
        Method::Udp,
    ));
    let mut outbox = Outbox::default();
    let mut hops = 0;
    for _ in 0..100 {
        let wait = trace.poll(Duration::ZERO, &mut outbox);
        let ids: Vec<_> = outbox.probes().map(|(probe, ..)| probe.id).collect();
        outbox.clear_probes();
        for id in ids {
            let refused = Event::SendFailed {
                id,
                error: 101,
                mtu: None,
            };
            trace.handle(Duration::ZERO, &refused, &mut outbox);
        }
        for report in outbox.reports() {
            match report {
                Report::Hop(hop) => {
                    hops += 1;
                    let refused = |query: &dotquad::probe::trace::Query| {
                        query.outcome == Outcome::Refused(101)
                    };
                    assert!(hop.queries.iter().any(refused), "{hop:?}");
                }
                Report::Summary(summary) => {
                    assert!(!summary.reached && summary.probes == 0, "{summary:?}");
                }
            }
        }
        if wait == Wait::Done {
            assert_eq!(hops, 5);
            return;
        }
    }
    panic!("no end");
}

proptest::proptest! {
    /// Whatever comes, nothing panics, and the machine comes to its end.
    #[test]
    fn hostile_bytes_are_survived(
        bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..80),
        icmp_type: u8,
        code: u8,
        method in 0..3_usize,
        mode in 0..3,
    ) {
        let method = [Method::Udp, Method::Icmp, Method::Tcp][method];
        let address = Ipv4Addr::new(10, 0, 0, 9);
        let mut config = Config::new(vec![target(address)], method);
        config.mtu = (mode == 1).then_some(1500);
        let confidence = Confidence::Percent95;
        config.multipath = (mode == 2).then_some(Multipath { confidence, budget: 500, each: false });
        let mut trace = Trace::new(config);
        let mut outbox = Outbox::default();
        let mut now = Duration::ZERO;
        for step in 0..10_000 {
            let wait = trace.poll(now, &mut outbox);
            outbox.clear_probes();
            outbox.reports().for_each(drop);
            let Wait::Until(until) = wait else { return Ok(()) };
            let mut whole = bytes.clone();
            if step % 2 == 0 && whole.len() >= 20 {
                whole[0] = 0x45;
                whole[6..8].fill(0);
                whole[9] = [17, 1, 6][step / 2 % 3];
                whole[16..20].copy_from_slice(&address.octets());
            }
            let quotes = [
                Quoted::Datagram(&whole),
                Quoted::Sent { destination: address, port: 0, id: Some(step as u64), payload: &whole },
                Quoted::Sent { destination: address, port: 0, id: None, payload: &whole },
            ];
            for quoted in quotes {
                trace.handle(now, &Event::IcmpError {
                    offender: address, icmp_type, code, info: 0, message: Some(&whole), quoted,
                    ttl: Some(code), tos: None, stamp: None,
                }, &mut outbox);
            }
            for protocol in [1, 6, 17] {
                trace.handle(now, &Event::Reply {
                    source: address, destination: None, protocol, message: &whole, truncated: true,
                    ttl: None, tos: None, options: &[], stamp: None, ours: true,
                }, &mut outbox);
            }
            now = now.max(until);
        }
        proptest::prop_assert!(false, "no end");
    }
}
