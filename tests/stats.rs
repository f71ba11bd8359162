//! What `dotquad stats` and `dotquad anomalies` say: word for word on some captures, the same with
//! any number of workers, and in agreement with what `dotquad decode` says frame by frame.
//!
//! tests/golden/stats/ holds the transcripts. Figures in them agree with `capinfos` and
//! `tshark -q -z io,phs -z conv,ip -z endpoints,ip -z plen,tree`; `fuzz/against_tshark_stats.py`
//! compares many more. After a change that is meant to change them, look at what
//! `BLESS=1 cargo test --test stats` makes of them.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;

/// What is compared word for word.
const SHOWN: &[(&str, &[&str])] = &[
    (
        "tour",
        &[
            "stats captures/tour.pcapng",
            "stats --format ndjson captures/tour.pcapng",
            "stats --format csv captures/tour.pcapng",
            "stats --top 2 --by bytes --table endpoints,conversations captures/tour.pcapng udp",
        ],
    ),
    ("fragments", &["stats captures/fragments_overlap.pcap"]),
    ("ipip", &["stats --format ndjson captures/ipip.pcap"]),
    (
        "two_sections",
        &["stats --table capture,interfaces captures/pcapng_two_sections.pcapng"],
    ),
    (
        "drops",
        &["stats --table capture captures/pcapng_all_blocks.pcapng"],
    ),
    (
        "odd_times",
        &["stats --table capture,rate captures/pcapng_odd_times.pcapng"],
    ),
    (
        "damaged",
        &["stats --table capture,protocols captures/damaged_pcapng_cut.pcapng"],
    ),
    (
        "several",
        &[
            "stats --table capture,interfaces captures/icmp_echo.pcap icmp[icmptype]=8 -r captures/dns_udp.pcap",
        ],
    ),
    (
        "empty",
        &[
            "stats captures/header_only.pcap",
            "stats captures/empty.pcap",
        ],
    ),
    (
        "wrong",
        &[
            "stats",
            "stats --format csv --table ttl,hops captures/tour.pcapng",
            "stats captures/tour.pcapng captures/vlan.pcap",
            "anomalies --explain overlap",
            "anomalies --explain none.such",
        ],
    ),
    (
        "catalogue",
        &[
            "anomalies --explain ipv4.fragment.overlap",
            "anomalies --explain ipv4.fragment.overlap --format ndjson",
        ],
    ),
    (
        "anomalies_only",
        &[
            "decode --anomalies-only captures/tour.pcapng",
            "decode --anomalies-only --skip 1 --format csv --fields frame captures/tour.pcapng",
            "decode --anomalies-only --count captures/fragments_overlap.pcap",
            "decode --anomalies-only --count captures/icmp_echo.pcap",
        ],
    ),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn dotquad(words: &[&str]) -> Output {
    let mut command = cargo_bin_cmd!("dotquad");
    command.current_dir(root()).env_remove("NO_COLOR");
    command.args(words).output().expect("it runs")
}

fn said(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).expect("what it says is text")
}

#[test]
fn pages_read_as_their_transcripts_say() {
    let bless = std::env::var_os("BLESS").is_some();
    let folder = root().join("tests/golden/stats");
    let mut wrong = Vec::new();
    for (name, lines) in SHOWN {
        let mut found = String::new();
        for line in *lines {
            let words: Vec<&str> = line.split_whitespace().collect();
            let output = dotquad(&words);
            let _ = writeln!(found, "$ dotquad {line}");
            found.push_str(&said(output.stdout));
            for complaint in said(output.stderr).lines() {
                let _ = writeln!(found, "stderr: {complaint}");
            }
            if !output.status.success() {
                let _ = writeln!(found, "{}", output.status);
            }
        }
        let path = folder.join(format!("{name}.txt"));
        if bless {
            fs::create_dir_all(&folder).expect("a folder can be made");
            fs::write(&path, &found).expect("a transcript is kept");
        } else if fs::read_to_string(&path).unwrap_or_default() != found {
            wrong.push(format!("{name}:\n{found}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n\nIf this is meant: BLESS=1 cargo test --test stats, and look at the difference",
        wrong.join("\n")
    );
}

/// All captures of the project that can be read to their end.
fn captures() -> Vec<PathBuf> {
    let mut captures = Vec::new();
    for folder in ["captures", "captures/anomalies"] {
        for entry in fs::read_dir(root().join(folder)).expect("captures are there") {
            let path = entry.expect("a folder can be listed").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let bad = ["damaged", "empty", "not_a", "pcap_version_7"];
            if name.contains(".pcap") && !bad.iter().any(|bad| name.starts_with(bad)) {
                captures.push(path.clone());
            }
        }
    }
    captures.sort();
    assert!(captures.len() > 150, "{} captures", captures.len());
    captures
}

fn objects(words: &[&str]) -> Vec<Value> {
    let output = dotquad(words);
    assert!(output.status.success(), "{words:?}");
    let lines = output.stdout.split(|byte| *byte == b'\n');
    lines
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("each line is an object"))
        .collect()
}

/// Packets and bytes.
type Volume = (u64, u64);

/// What decode says frame by frame, summed up here in the plainest way.
#[derive(Debug, Default, PartialEq)]
struct Sums {
    all: Volume,
    sent: BTreeMap<(String, String), Volume>,
    ttl: BTreeMap<u64, u64>,
    paths: BTreeMap<String, Volume>,
    anomalies: BTreeMap<String, (u64, u64)>,
}

fn add(volume: &mut Volume, bytes: u64) {
    volume.0 += 1;
    volume.1 += bytes;
}

fn by_frame(capture: &str) -> Sums {
    let mut sums = Sums::default();
    for frame in objects(&["decode", "--track", "--format", "ndjson", capture]) {
        let bytes = frame["len"].as_u64().expect("each frame has a length");
        let number = frame["frame"].as_u64().expect("each frame has a number");
        add(&mut sums.all, bytes);
        let layers = frame["layers"].as_array().expect("each frame has layers");
        let mut path = String::new();
        for name in layers.iter().filter_map(|layer| layer["layer"].as_str()) {
            let alone = name == "payload" && layers.len() == 1;
            if !alone && matches!(name, "payload" | "trailer") {
                continue;
            }
            if path.matches('/').count() == 15 {
                break;
            }
            if !path.is_empty() {
                path.push('/');
            }
            path.push_str(name);
            add(sums.paths.entry(path.clone()).or_default(), bytes);
        }
        let ipv4 = layers.iter().find(|layer| layer["layer"] == "ipv4");
        if let Some(ipv4) = ipv4
            && ipv4["version"] == 4
            && ipv4["ihl"].as_u64() >= Some(5)
            && let Some(destination) = ipv4["destination"].as_str()
        {
            let source = ipv4["source"]
                .as_str()
                .expect("it stands before")
                .to_owned();
            let pair = (source, destination.to_owned());
            add(sums.sent.entry(pair).or_default(), bytes);
            let ttl = ipv4["ttl"].as_u64().expect("it stands before");
            *sums.ttl.entry(ttl).or_default() += 1;
        }
        let odd = frame["anomalies"].as_array().into_iter().flatten();
        let mut ids: Vec<&str> = odd.filter_map(|found| found["id"].as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let seen = sums.anomalies.entry(id.to_owned()).or_insert((0, number));
            seen.0 += 1;
        }
    }
    sums
}

fn number(object: &Value, key: &str) -> u64 {
    object[key].as_u64().unwrap_or_default()
}

fn text(object: &Value, key: &str) -> String {
    object[key].as_str().unwrap_or_default().to_owned()
}

fn as_a_whole(capture: &str) -> Sums {
    let mut sums = Sums::default();
    let mut endpoints = BTreeMap::new();
    for object in objects(&["stats", "--track", "--format", "ndjson", capture]) {
        let volume = (number(&object, "packets"), number(&object, "bytes"));
        match text(&object, "event").as_str() {
            "capture" => sums.all = volume,
            "protocol" => {
                sums.paths.insert(text(&object, "path"), volume);
            }
            "ttl" => {
                sums.ttl.insert(number(&object, "ttl"), volume.0);
            }
            "anomaly" => {
                let seen = (volume.0, number(&object, "first_frame"));
                sums.anomalies.insert(text(&object, "id"), seen);
            }
            "conversation" => {
                let (a, b) = (text(&object, "a"), text(&object, "b"));
                for (from, to, direction) in [(&a, &b, "ab"), (&b, &a, "ba")] {
                    let packets = number(&object, &format!("packets_{direction}"));
                    let bytes = number(&object, &format!("bytes_{direction}"));
                    if packets > 0 {
                        let pair = (from.clone(), to.clone());
                        sums.sent.insert(pair, (packets, bytes));
                    }
                }
            }
            "endpoint" => {
                let sent = (number(&object, "packets_out"), number(&object, "bytes_out"));
                let got = (number(&object, "packets_in"), number(&object, "bytes_in"));
                endpoints.insert(text(&object, "address"), (sent, got));
            }
            _ => {}
        }
    }
    let mut expected: BTreeMap<String, (Volume, Volume)> = BTreeMap::new();
    for ((from, to), (packets, bytes)) in &sums.sent {
        let sent = &mut expected.entry(from.clone()).or_default().0;
        *sent = (sent.0 + packets, sent.1 + bytes);
        let got = &mut expected.entry(to.clone()).or_default().1;
        *got = (got.0 + packets, got.1 + bytes);
    }
    assert_eq!(endpoints, expected, "{capture}: endpoints of conversations");
    sums
}

#[test]
fn the_whole_is_the_sum_of_its_frames() {
    for capture in captures() {
        let capture = capture.to_string_lossy();
        assert_eq!(as_a_whole(&capture), by_frame(&capture), "{capture}");
    }
}

#[test]
fn workers_change_nothing() {
    let all = captures();
    let mut words: Vec<String> = Vec::new();
    // Many times the same, so that there are batches for everyone.
    for _ in 0..4 {
        for capture in &all {
            words.extend(["-r".to_owned(), capture.to_string_lossy().into_owned()]);
        }
    }
    let said_with = |workers: &str, format: &str| {
        let mut line = vec!["stats", "--track", "-j", workers, "--format", format];
        line.extend(words.iter().map(String::as_str));
        let output = dotquad(&line);
        assert!(output.status.success(), "{output:?}");
        said(output.stdout)
    };
    for format in ["text", "ndjson"] {
        let alone = said_with("1", format);
        assert!(alone.len() > 1000);
        assert_eq!(alone, said_with("4", format));
        assert_eq!(alone, said_with("7", format));
    }
}

#[test]
fn the_catalogue_holds_every_anomaly() {
    let all = objects(&["anomalies", "--format", "ndjson"]);
    let ids: Vec<String> = all.iter().map(|entry| text(entry, "id")).collect();
    let known = dotquad::wire::anomaly::Anomaly::ALL;
    assert_eq!(ids, known.iter().map(|it| it.id()).collect::<Vec<_>>());
    for entry in &all {
        let example = root().join(text(entry, "example"));
        assert!(example.is_file(), "{entry}");
    }
    let table = said(dotquad(&["anomalies"]).stdout);
    assert_eq!(table.lines().count(), known.len() + 1);
}
