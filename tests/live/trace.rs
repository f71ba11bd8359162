//! The scenarios of the simulated internet once more, by real sockets: a router behind a TUN
//! device plays them, the program traces, and must find what the machine finds.
//!
//! Each scene runs in a process and a network namespace of its own.

#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "what is not there has failed, and the networks are small"
)]

use std::collections::BTreeMap;
use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::process::{Command, ExitCode, Output};
use std::sync::atomic::Ordering;

use libtest_mimic::{Failed, Trial};
use serde_json::Value;
use toml::Table;

use super::Powers;
use internet::Internet;

#[path = "../internet/bytes.rs"]
mod bytes;
#[path = "../internet/internet.rs"]
pub(super) mod internet;
#[path = "trace/people.rs"]
mod people;
#[path = "../internet/router.rs"]
pub(super) mod router;
#[path = "trace/shown.rs"]
mod shown;

/// Set for the process that plays a scene.
const SCENE: &str = "DOTQUAD_LIVE_TRACE_SCENE";

/// Scenarios whose truth does not hang on a millisecond.
const SCENARIOS: &[&str] = &[
    "quiet-udp",
    "quiet-icmp",
    "quiet-tcp",
    "tcp-open",
    "tcp-curt",
    "unprivileged",
    "unprivileged-bare",
    "unprivileged-icmp",
    "unprivileged-icmp-bare",
    "silent-hop",
    "silent-end",
    "lost-probe",
    "nat",
    "nat-blunt",
    "nat-perfect",
    "two-nats",
    "mpls",
    "interfaces",
    "zero-ttl",
    "circle",
    "tos",
    "asymmetric",
    "slow-router",
    "satellite",
    "elsewhere-udp",
    "elsewhere-icmp",
    "udp-answers",
    "short-path",
    "one-query",
    "max-too-small",
    "first-later",
    "cycles",
    "liars",
    "wrong-destination",
    "unreachable",
    "limited-hop",
    "limited-hop-quick",
    "limited-hop-in-time",
    "loss-hop-in-time",
    "limited-target",
    "mtu-told-udp",
    "mtu-told-icmp",
    "mtu-told-tcp",
    "mtu-untold",
    "mtu-silent",
    "silence",
    "loss-hop",
    "lost-at-target",
    "mtu-wide",
    "mtu-limited",
    "mtu-limited-target",
];

type Scene = fn() -> Result<(), Failed>;

/// What is tried by hand.
const OTHERS: &[(&str, bool, Scene)] = &[
    ("twice_mtu", false, twice),
    ("diamond", false, shown::diamond),
    ("shown", false, shown::formats),
    ("many", false, shown::many),
    ("as_nobody", true, shown::nobody),
    ("control_bytes", false, people::control_bytes),
    ("undecided", false, people::undecided),
    ("dead_name_server", true, people::dead_name_server),
    ("interrupted", false, people::interrupted),
];

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    let names = SCENARIOS.iter().map(|name| (*name, false));
    let others = OTHERS.iter().map(|(name, root, _)| (*name, *root));
    let has_ip = Command::new("ip").arg("-V").output().is_ok();
    let device = File::options().read(true).write(true).open("/dev/net/tun");
    let is_root = fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().last() == Some("4294967295"));
    names
        .chain(others)
        .map(|(name, needs_root)| {
            let missing = match (has_ip, &device, is_root) {
                (false, ..) => Some("needs iproute2"),
                (_, Err(_), _) => Some("needs /dev/net/tun"),
                (.., false) if needs_root => Some("needs real root"),
                _ => None,
            };
            let title = format!("trace_{}", name.replace('-', "_"));
            if let Some(why) = missing {
                let missing = move || Err(why.into());
                return Trial::test(format!("{title} ({why})"), missing).with_ignored_flag(true);
            }
            powers.trial(&title, move || crate::play(SCENE, name))
        })
        .collect()
}

/// The scene that this process is for, if it is for one.
pub(super) fn scene() -> Option<ExitCode> {
    let name = env::var(SCENE).ok()?;
    let other = OTHERS.iter().find(|(known, ..)| *known == name);
    let played = match other {
        Some((.., scene)) => scene(),
        None => scenario(&name),
    };
    Some(match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("{}", failed.message().unwrap_or("failed"));
            ExitCode::FAILURE
        }
    })
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what().into()) }
}

fn read(name: &str) -> Result<Table, Failed> {
    let path = format!("{}/tests/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    Ok(fs::read_to_string(path)?.parse()?)
}

fn dotquad(words: &[String]) -> Result<Output, Failed> {
    let mut command = Command::new("timeout");
    command.args(["60", env!("CARGO_BIN_EXE_dotquad"), "trace"]);
    Ok(command.args(words).output()?)
}

/// The words that ask what a scenario asks.
fn words(scenario: &Table, internet: &Internet) -> Result<Vec<String>, Failed> {
    let mut words = vec!["--format".to_owned(), "ndjson".to_owned()];
    match scenario.get("method").and_then(|it| it.as_str()) {
        Some("icmp") => words.push("-I".to_owned()),
        Some("tcp") => words.push("-T".to_owned()),
        _ => {}
    }
    let numbers = [
        ("queries", "-q"),
        ("max", "-m"),
        ("first", "-f"),
        ("tos", "-Q"),
        ("cycles", "--cycles"),
    ];
    for (key, letter) in numbers {
        if let Some(value) = scenario.get(key) {
            words.extend([letter.to_owned(), value.to_string()]);
        }
    }
    if scenario.contains_key("cycles") && !scenario.contains_key("queries") {
        words.extend(["-q".to_owned(), "3".to_owned()]);
    }
    for (key, word) in [("interface_mtu", "--mtu"), ("recheck", "--recheck")] {
        if scenario.contains_key(key) {
            words.push(word.to_owned());
        }
    }
    if scenario.get("sight").and_then(|it| it.as_str()) == Some("unprivileged") {
        fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0")?;
        words.push("--unprivileged".to_owned());
    }
    words.push(internet.destination().to_string());
    Ok(words)
}

fn mtu(scenario: &Table) -> u16 {
    let told = scenario
        .get("interface_mtu")
        .and_then(toml::Value::as_integer);
    told.map_or(1500, |mtu| mtu as u16)
}

/// Everything that NDJSON says, as lines like those of the scenarios.
fn rows(output: &str) -> Result<(Vec<String>, Value), Failed> {
    let mut hops: BTreeMap<(u64, u64), Vec<Value>> = BTreeMap::new();
    let mut end = Value::Null;
    for line in output.lines() {
        let object: Value = serde_json::from_str(line)?;
        if object["event"] == "trace" {
            end = object;
            continue;
        }
        let cycle = object["cycle"].as_u64().unwrap_or(1);
        let ttl = object["ttl"].as_u64().ok_or("a hop without a distance")?;
        hops.entry((cycle, ttl)).or_default().push(object);
    }
    let rows = hops.iter().map(|((_, ttl), queries)| row(*ttl, queries));
    Ok((rows.collect(), end))
}

fn row(ttl: u64, queries: &[Value]) -> String {
    let mut line = ttl.to_string();
    let mut runs: Vec<(String, u32)> = Vec::new();
    let mut flags: Vec<String> = Vec::new();
    for query in queries {
        let who = query["address"].as_str().unwrap_or("*").to_owned();
        match runs.last_mut() {
            Some((last, count)) if *last == who => *count += 1,
            _ => runs.push((who, 1)),
        }
        let mut flag = |text: String| {
            if !flags.contains(&text) {
                flags.push(text);
            }
        };
        if let Some(mark) = query["mark"].as_str() {
            flag(mark.to_owned());
        }
        if let Some(ttl) = query["quoted_ttl"].as_u64() {
            flag(format!("quoted-ttl={ttl}"));
        }
        if let Some(tos) = query["tos_quoted"].as_u64() {
            flag(format!("tos={tos}"));
        }
        if let Some(key) = query["unmatched_key"].as_str() {
            flag(format!("unmatched={key}"));
        }
        if let Some(port) = query["port"].as_str() {
            flag(format!("open={}", port == "open"));
        }
        for label in query["mpls"].as_array().into_iter().flatten() {
            flag(format!("mpls={}", label["label"]));
        }
        for (_, told) in query["interface_info"].as_object().into_iter().flatten() {
            let name = told["name"].as_str().unwrap_or_default();
            flag(format!("interface={}", name.as_bytes().escape_ascii()));
        }
        if let Some(back) = query["return_hops"].as_u64().filter(|back| *back != ttl) {
            flag(format!("back={back}"));
        }
    }
    for (who, count) in runs {
        let _ = write!(line, " {who}");
        if count > 1 {
            let _ = write!(line, " x{count}");
        }
    }
    for (key, word) in [
        ("nat", "nat"),
        ("loop", "repeated"),
        ("rate_limited", "rate-limited"),
    ] {
        if queries[0][key] == true {
            flags.push(word.to_owned());
        }
    }
    if queries[0].get("rate_limited") == Some(&Value::Null) {
        flags.push("undecided".to_owned());
    }
    if let Some(mtu) = queries[0]["mtu"].as_u64() {
        let source = queries[0]["mtu_source"].as_str().unwrap_or_default();
        flags.push(format!("mtu={mtu} {source}"));
    }
    for flag in flags {
        let _ = write!(line, " [{flag}]");
    }
    line
}

/// Where the machine is busy, answers come together, and fewer guesses are made; where an answer
/// is late, a question more is asked.
const LATE: usize = 3;

/// What the program finds is what the scenario says is true, with no more probes than the machine
/// takes in simulated time.
fn scenario(name: &str) -> Result<(), Failed> {
    let scenario = read(name)?;
    let internet = Internet::read(&scenario);
    let words = words(&scenario, &internet)?;
    let carried = router::play(internet, mtu(&scenario))?;
    check(name, &scenario, &dotquad(&words)?)?;
    let probes = scenario["expect"]["probes"].as_integer().unwrap_or(0) as usize;
    let carried = carried.load(Ordering::Relaxed);
    ensure((probes / 2..=probes + LATE).contains(&carried), || {
        format!("{name}: {carried} probes, not {probes}")
    })
}

fn check(name: &str, scenario: &Table, output: &Output) -> Result<(), Failed> {
    let text = String::from_utf8_lossy(&output.stdout);
    let words = String::from_utf8_lossy(&output.stderr);
    let (found, end) = rows(&text)?;
    let expect = &scenario["expect"];
    let expected: Vec<&str> = expect["rows"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|row| row.as_str())
        .collect();
    ensure(found == expected, || {
        format!(
            "{name}: found\n{}\nnot\n{}\n{text}{words}",
            found.join("\n"),
            expected.join("\n")
        )
    })?;
    let reached = expect.get("reached").and_then(toml::Value::as_bool) == Some(true);
    ensure(end["reached"] == reached, || format!("{name}: {end}"))?;
    let code = i32::from(!reached);
    ensure(output.status.code() == Some(code), || {
        format!("{name}: exit status {}, not {code}: {words}", output.status)
    })
}

/// What the kernel learnt of a path MTU does not keep the next run from finding it.
fn twice() -> Result<(), Failed> {
    let scenario = read("mtu-told-udp")?;
    let internet = Internet::read(&scenario);
    let words = words(&scenario, &internet)?;
    router::play(internet, mtu(&scenario))?;
    for time in ["first", "second"] {
        check(time, &scenario, &dotquad(&words)?)?;
    }
    Ok(())
}
