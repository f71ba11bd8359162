//! Paths nobody thought of: whatever they do to packets, the machine ends, tells hops in order,
//! says nothing that is not so, and sends no more than it may.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::Duration;

use dotquad::probe::trace::{
    Confidence, Config, Method, Multipath, Outcome, Report, Target, Trace,
};
use proptest::prelude::*;
use toml::Table;

use crate::drive::{Sight, drive, over};
use crate::internet::Internet;
use crate::scenarios::{SOURCE, summary};

/// What a hop may be beside ordinary.
const ODDITIES: [&str; 14] = [
    "",
    "",
    "",
    "",
    "silent = true",
    "loss = 0.2",
    "limit = { burst = 1, per_ms = 1000 }",
    "limit = { burst = 6, per_ms = 1000 }",
    "thinks_ms = 70",
    "labels = [3, 4]",
    "lies = \"identification\"",
    "lies = \"cut19\"",
    "nat = { to = \"203.0.113.5\", restores = \"addresses\" }",
    "mtu = 1300\nmtu_says = \"untold\"",
];

fn address(hop: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, hop as u8 + 1, 1)
}

fn internet(seed: u64, hops: &[(usize, u16)], port: &str) -> Internet {
    let mut text = format!("seed = {seed}\ndestination = \"{}\"\n", address(hops.len()));
    for (at, (oddity, delay)) in hops.iter().enumerate() {
        let delay = f64::from(*delay) / 100.0;
        let oddity = ODDITIES[*oddity];
        writeln!(
            text,
            "[[hop]]\naddress = \"{}\"\nms = {delay:?}\n{oddity}",
            address(at)
        )
        .unwrap();
    }
    writeln!(
        text,
        "[[hop]]\naddress = \"{}\"\nport = \"{port}\"",
        address(hops.len())
    )
    .unwrap();
    Internet::read(&text.parse::<Table>().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]
    #[test]
    fn any_path_is_told_as_it_is(
        seed: u32,
        hops in prop::collection::vec((0..ODDITIES.len(), 0..3000_u16), 0..14),
        port in prop::sample::select(vec!["closed", "open", "silent", "answers"]),
        method in prop::sample::select(vec![Method::Udp, Method::Icmp, Method::Tcp]),
        sight in prop::sample::select(vec![Sight::Raw, Sight::LateStamps]),
        mode in 0..3,
    ) {
        let mut internet = internet(seed.into(), &hops, port);
        let target = Target { address: internet.destination(), source: SOURCE };
        let mut config = Config::new(vec![target], method);
        config.seed = seed.into();
        config.sent_stamps = sight == Sight::LateStamps;
        match mode {
            1 => config.mtu = Some(1500),
            2 => {
                let confidence = Confidence::Percent95;
                config.multipath = Some(Multipath { confidence, budget: 2000, each: false });
            }
            _ => {}
        }
        let run = drive(&mut Trace::new(config), sight, over(&mut internet));
        // An answer in a protocol of its own does not say to which probe: silent hops right
        // before who gave it pass for it.
        let vague = method == Method::Udp && port == "answers";
        // Where all that was sent just so far was lost, the target seems to be farther.
        let lossy = hops.iter().any(|hop| ODDITIES[hop.0].starts_with("loss"));
        let mut ttl = 0;
        let mut answered = 0;
        for (_, report) in &run.reports {
            let Report::Hop(hop) = report else { continue };
            ttl += 1;
            prop_assert_eq!(hop.ttl, ttl);
            for query in &hop.queries {
                if let Outcome::Answered(answer) = &query.outcome {
                    answered += 1;
                    let farther = lossy && usize::from(ttl) > hops.len();
                    if (vague || farther) && answer.address == address(hops.len()) {
                        continue;
                    }
                    prop_assert_eq!(answer.address, address(usize::from(ttl) - 1));
                    let way: f64 = hops.iter().take(usize::from(ttl)).map(|hop| f64::from(hop.1)).sum();
                    let least = Duration::from_secs_f64(way * 2.0 / 100_000.0 * 0.999);
                    prop_assert!(Duration::from_nanos(answer.rtt.nanoseconds) >= least);
                }
            }
        }
        let found = summary(&run);
        prop_assert_eq!(found.probes, run.sent.len() as u64);
        prop_assert!(!found.looped && found.nat_hops.len() <= hops.len());
        if found.reached && !vague && !lossy {
            prop_assert_eq!(usize::from(found.hops), hops.len() + 1);
            prop_assert_eq!(usize::from(ttl), hops.len() + 1);
        }
        if mode == 0 {
            // 30 at first; 2 more to each hop told; each of those again at most once. When the
            // target was late, some behind it were taken for hops.
            let most = 30 + 2 * usize::from(ttl) + 3 * usize::from(ttl) + 10;
            prop_assert!(run.sent.len() <= most, "{} of {most}", run.sent.len());
        }
        prop_assert!(answered == 0 || run.end > Duration::ZERO || hops.iter().all(|hop| hop.1 == 0));
        let slow = if mode == 0 { 60 } else { 900 };
        prop_assert!(run.end < Duration::from_secs(slow), "{:?}", run.end);
    }
}
