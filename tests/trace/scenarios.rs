//! Every scenario of the folder, and what must be found in it.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use dotquad::probe::trace::{Config, Hop, Method, Outcome, Report, Summary, Target, Trace};
use toml::Table;

use crate::drive::{Run, Sight, drive, over};
use crate::internet::Internet;

pub(crate) const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

pub(crate) fn scenario(name: &str) -> Table {
    let path = format!("{}/tests/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.parse()
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

pub(crate) fn config(scenario: &Table, internet: &Internet) -> Config {
    let method = match scenario
        .get("method")
        .map(|method| method.as_str().unwrap())
    {
        Some("icmp") => Method::Icmp,
        Some("tcp") => Method::Tcp,
        _ => Method::Udp,
    };
    let target = Target {
        address: internet.destination(),
        source: SOURCE,
    };
    let mut config = Config::new(vec![target], method);
    let number = |key: &str| scenario.get(key).map(|value| value.as_integer().unwrap());
    config.queries = number("queries").map_or(config.queries, |value| value as u8);
    config.max = number("max").map_or(config.max, |value| value as u8);
    config.first = number("first").map_or(config.first, |value| value as u8);
    config.tos = number("tos").map_or(config.tos, |value| value as u8);
    config.cycles = number("cycles").map_or(config.cycles, |value| value as u32);
    config.mtu = number("interface_mtu").map(|mtu| mtu as u16);
    config.recheck = scenario
        .get("recheck")
        .is_some_and(|recheck| recheck.as_bool().unwrap());
    config.seed = 7;
    config
}

/// A hop in one line: distance, who answered how often, and what is special about it.
pub(crate) fn line(hop: &Hop) -> String {
    let mut line = format!("{}", hop.ttl);
    let mut last: Option<(String, u32)> = None;
    let mut flags: Vec<String> = Vec::new();
    let flush = |last: &mut Option<(String, u32)>, line: &mut String| {
        if let Some((who, count)) = last.take() {
            write!(line, " {who}").unwrap();
            if count > 1 {
                write!(line, " x{count}").unwrap();
            }
        }
    };
    for query in &hop.queries {
        let who = match &query.outcome {
            Outcome::Answered(answer) => {
                let mut flag = |text: String| {
                    if !flags.contains(&text) {
                        flags.push(text);
                    }
                };
                if let Some(mark) = answer.mark {
                    flag(mark.to_string());
                }
                if let Some(ttl) = answer.quoted_ttl {
                    flag(format!("quoted-ttl={ttl}"));
                }
                if let Some(tos) = answer.tos_quoted {
                    flag(format!("tos={tos}"));
                }
                if let Some(key) = answer.unmatched_key {
                    flag(format!("unmatched={}", key.name()));
                }
                if let Some(open) = answer.open {
                    flag(format!("open={open}"));
                }
                for label in &answer.labels {
                    flag(format!("mpls={}", label.label));
                }
                for interface in &answer.interfaces {
                    let name = interface.name.as_deref().unwrap_or_default();
                    flag(format!("interface={}", name.escape_ascii()));
                }
                if answer.return_hops.is_some_and(|hops| hops != hop.ttl) {
                    flag(format!("back={}", answer.return_hops.unwrap()));
                }
                answer.address.to_string()
            }
            Outcome::Lost => "*".to_owned(),
            Outcome::Refused(error) => format!("error {error}"),
        };
        match &mut last {
            Some((before, count)) if *before == who => *count += 1,
            _ => {
                flush(&mut last, &mut line);
                last = Some((who, 1));
            }
        }
    }
    flush(&mut last, &mut line);
    for (is, word) in [
        (hop.nat, "nat"),
        (hop.repeated, "repeated"),
        (hop.rate_limited, "rate-limited"),
        (hop.undecided, "undecided"),
    ] {
        if is {
            flags.push(word.to_owned());
        }
    }
    if let Some(mtu) = hop.mtu {
        flags.push(format!("mtu={} {}", mtu.bytes, mtu.source.name()));
    }
    for flag in flags {
        write!(line, " [{flag}]").unwrap();
    }
    line
}

pub(crate) fn summary(run: &Run<Report>) -> &Summary {
    match run.reports.last() {
        Some((_, Report::Summary(summary))) => summary,
        other => panic!("the last report is {other:?}"),
    }
}

pub(crate) fn lines(run: &Run<Report>) -> Vec<String> {
    let hops = run.reports.iter().filter_map(|(_, report)| match report {
        Report::Hop(hop) => Some(line(hop)),
        Report::Summary(_) => None,
    });
    hops.collect()
}

fn check(name: &str) {
    let scenario = scenario(name);
    let mut internet = Internet::read(&scenario);
    let mut config = config(&scenario, &internet);
    let sight = match scenario.get("sight").map(|sight| sight.as_str().unwrap()) {
        Some("unprivileged") => {
            config.header_included = false;
            Sight::Unprivileged
        }
        Some("late-stamps") => {
            config.sent_stamps = true;
            Sight::LateStamps
        }
        _ => Sight::Raw,
    };
    let mut trace = Trace::new(config);
    let run = drive(&mut trace, sight, over(&mut internet));
    let expect = scenario["expect"].as_table().unwrap();
    let rows: Vec<&str> = expect["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row.as_str().unwrap())
        .collect();
    assert_eq!(lines(&run), rows, "{name}");
    let found = summary(&run);
    let flag = |key: &str| {
        expect
            .get(key)
            .is_some_and(|value| value.as_bool().unwrap())
    };
    assert_eq!(found.reached, flag("reached"), "{name}: {found:?}");
    assert_eq!(found.looped, flag("looped"), "{name}: {found:?}");
    let probes = expect["probes"].as_integer().unwrap() as usize;
    assert_eq!(run.sent.len(), probes, "{name}: {found:?}");
    assert_eq!(found.probes, probes as u64, "{name}");
    let millis = expect["at_most_ms"].as_integer().unwrap() as u64;
    assert!(
        run.end <= Duration::from_millis(millis),
        "{name}: {:?}",
        run.end
    );
    if let Some(mtu) = expect.get("path_mtu") {
        assert_eq!(found.path_mtu.map(i64::from), mtu.as_integer(), "{name}");
    }
}

macro_rules! scenarios {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            check(&stringify!($name).replace('_', "-"));
        })*

        #[test]
        fn every_file_is_tried() {
            let folder = format!("{}/tests/scenarios", env!("CARGO_MANIFEST_DIR"));
            let mut files: Vec<String> = fs::read_dir(folder)
                .unwrap()
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect();
            files.sort();
            let mut known = vec![$(format!("{}.toml", stringify!($name).replace('_', "-"))),*];
            known.sort();
            assert_eq!(files, known);
        }
    };
}

scenarios! {
    quiet_udp quiet_icmp quiet_tcp tcp_open tcp_curt unprivileged unprivileged_icmp unprivileged_bare unprivileged_icmp_bare
    late_stamps
    silent_hop
    silent_end
    silence
    limited_target
    empty_bucket
    limited_hop
    limited_hop_quick
    limited_hop_in_time
    loss_hop
    loss_hop_in_time
    lost_probe
    nat
    nat_blunt
    nat_perfect
    two_nats
    mpls
    interfaces
    zero_ttl
    circle
    tos
    asymmetric
    slow_router
    satellite
    elsewhere_udp
    elsewhere_icmp
    udp_answers
    short_path
    one_query
    max_too_small
    first_later
    cycles
    limited_cycles
    liars
    wrong_destination
    lost_at_target
    unreachable
    mtu_told_udp
    mtu_told_icmp
    mtu_told_tcp
    mtu_wide
    mtu_untold
    mtu_limited
    mtu_limited_target
    mtu_silent
}
