//! Ping over a network whose delay and losses are known, because a router of ours plays it behind a
//! TUN device.

use libtest_mimic::Failed;
use serde_json::Value;
use toml::Table;

use super::super::trace::{internet::Internet, router};
use super::{code, ensure, masked, ping, same};

/// 30 ms there and 30 ms back. Counted from 0, two packets are lost, two answered twice and one a
/// second late: in the first run the 4th, 6th and 8th, in the second the 2nd and the 3rd.
const SIXTY: &str = r#"
destination = "10.0.99.1"
hop = [
    { address = "10.0.1.1", ms = 10 },
    { address = "10.0.2.1", ms = 10 },
    { address = "10.0.99.1", ms = 10, initial_ttl = 64, drops = [3, 11], twice = [5, 12], tardy = [7] },
]
"#;
const SIXTY_MS: u64 = 60_000_000;

pub(super) fn path() -> Result<(), Failed> {
    router::play(Internet::read(&SIXTY.parse::<Table>()?), 1500)?;
    let output = ping("-c 10 -i 0.05 -W 5 --format ndjson 10.0.99.1")?;
    code(&output, 0)?;
    let lines: Vec<Value> = String::from_utf8(output.stdout)?
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let of = |event| lines.iter().filter(move |line| line["event"] == event);
    let sequences = |key: &'static str| {
        let all = of("reply").filter(move |line| line[key] == true);
        all.filter_map(|line| line["sequence"].as_u64())
            .collect::<Vec<_>>()
    };
    let text = || format!("{lines:?}");
    ensure(sequences("duplicate") == [6], text())?;
    ensure(sequences("reordered") == [8], text())?;
    ensure(of("reply").count() == 10, text())?;
    let lost: Vec<_> = of("timeout").map(|line| &line["sequence"]).collect();
    ensure(lost == [4], text())?;
    // No answer is sooner than the path is long; how much later depends on this machine.
    let soonest = of("reply").filter_map(|line| line["rtt_ns"].as_u64()).min();
    ensure(soonest >= Some(SIXTY_MS), text())?;
    let summary = of("summary").next().ok_or("no summary")?;
    for (key, value) in [
        ("transmitted", 10),
        ("received", 9),
        ("late", 0),
        ("duplicates", 1),
        ("corrupted", 0),
        ("reordered", 1),
        ("errors", 0),
    ] {
        ensure(summary[key] == value, format!("{key}: {summary}"))?;
    }
    ensure(summary["loss_percent"] == 10.0, summary.to_string())?;

    let output = ping("-c 4 -i 0.5 10.0.99.1")?;
    code(&output, 0)?;
    same(
        &masked(&output.stdout),
        "PING 10.0.99.1 (10.0.99.1) 56(84) bytes of data.\n\
         64 bytes from 10.0.99.1: icmp_seq=1 ttl=62 time=N ms\n\
         64 bytes from 10.0.99.1: icmp_seq=3 ttl=62 time=N ms\n\
         64 bytes from 10.0.99.1: icmp_seq=3 ttl=62 time=N ms (DUP!)\n\
         64 bytes from 10.0.99.1: icmp_seq=4 ttl=62 time=N ms\n\
         \n\
         --- 10.0.99.1 ping statistics ---\n\
         4 packets transmitted, 3 received, +1 duplicates, 25% packet loss, time Nms\n\
         rtt min/avg/max/mdev = N/N/N/N ms\n",
    )
}

const NARROW: &str = r#"
destination = "10.0.99.1"
hop = [
    { address = "10.0.1.1", ms = 1 },
    { address = "10.0.2.1", ms = 1, mtu = 1400 },
    { address = "10.0.99.1", ms = 1 },
]
"#;

pub(super) fn mtu() -> Result<(), Failed> {
    router::play(Internet::read(&NARROW.parse::<Table>()?), 1500)?;
    // The router's word comes back as an error of the first, and the kernel's of the next.
    let output = ping("-c 2 -i 0.3 -M do -s 1373 10.0.99.1")?;
    code(&output, 1)?;
    let told = masked(&output.stdout);
    let line = "From 10.0.2.1 icmp_seq=1 Frag needed and DF set (mtu = 1400)\n";
    ensure(told.contains(line), told.clone())?;
    let line = "2 packets transmitted, 0 received, +2 errors, 100% packet loss";
    ensure(told.contains(line), told)?;
    same(
        &String::from_utf8(output.stderr)?,
        "dotquad: local error: message too long, mtu=1400\n",
    )?;
    // What the kernel has learnt by now may be old: it is asked for again.
    let output = ping("--mtu 10.0.99.1")?;
    code(&output, 0)?;
    same(
        &String::from_utf8(output.stdout)?,
        "path MTU to 10.0.99.1 (10.0.99.1) is 1400 bytes, told by 10.0.2.1\n",
    )
}
