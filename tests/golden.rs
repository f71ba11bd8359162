//! What decode says about every capture of captures/, word for word, and that anomalies show where
//! they are and nowhere else.
//!
//! tests/golden/ holds one transcript a capture: commands as typed, then exactly what they say.
//! After a change that is meant to change them, look at what
//! `BLESS=1 cargo test --test golden` makes of them.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::cargo::cargo_bin_cmd;
use dotquad::wire::anomaly::Anomaly;
use serde_json::Value;

#[path = "captures/odd.rs"]
mod odd;

use odd::{ODD, OFFLOADED};

/// How each capture is shown.
const SHOWN: &[&str] = &[
    "",
    "-v",
    "--format diagram",
    "--format ndjson",
    "--format csv",
];

/// How those of one anomaly are: the rest would say the same again.
const SHOWN_ODD: &[&str] = &["", "--format ndjson"];

/// How those are besides that take several datagrams, and which they are.
const SHOWN_TRACKED: &[&str] = &["--track", "--anomalies-only --format ndjson"];
const TRACKED: [&str; 11] = [
    "ipv4.duplicate",
    "ipv4.loop",
    "ipv4.ttl.changed",
    "ipv4.identification.constant",
    "ipv4.source.own",
    "ipv4.source.interface",
    "ipv4.scan.hosts",
    "ipv4.scan.ports",
    "icmpv4.smurf",
    "icmpv4.quote.unseen",
    "icmpv4.redirect.contradiction",
];

/// How those of fragments are besides.
const SHOWN_WHOLE: &[&str] = &[
    "--reassemble",
    "--reassemble -v",
    "--reassemble --format diagram",
    "--reassemble --format table",
    "--reassemble --format ndjson",
    "--reassemble --format csv --fields frame,len,layers,udp.checksum_ok,reassembled",
    "--reassemble --reassembly-policy first",
    "--reassemble --reassembly-policy last",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a folder of the repository holds, files only, by name.
fn listed(folder: &str) -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(root().join(folder)).into_iter().flatten();
    let paths = entries.map(|entry| entry.expect("a folder can be listed").path());
    let named = |path: PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        (name.into_owned(), path)
    };
    paths.filter(|path| path.is_file()).map(named).collect()
}

/// The captures of a folder below captures/, by their paths from the root of the repository.
fn captures(folder: &str) -> Vec<String> {
    let folder = format!("captures{folder}");
    let names: Vec<String> = listed(&folder)
        .into_keys()
        .filter(|name| name.contains(".pcap"))
        .map(|name| format!("{folder}/{name}"))
        .collect();
    assert!(names.len() > 50, "{folder} holds captures");
    names
}

/// Whether a capture shows what takes several datagrams.
fn is_tracked(capture: &str) -> bool {
    let own = |id: &&str| capture.ends_with(&format!("/{id}.pcap"));
    TRACKED.iter().any(own)
}

/// Runs a command line of words without spaces and writes down how it went.
fn play(line: &str, transcript: &mut String) {
    let mut command = cargo_bin_cmd!("dotquad");
    command.current_dir(root()).env_remove("NO_COLOR");
    command.args(line.split_whitespace().skip(1));
    let output = command.output().expect("it runs");
    let said = |bytes: Vec<u8>| String::from_utf8(bytes).expect("what it says is text");
    let _ = writeln!(transcript, "$ {line}");
    transcript.push_str(&said(output.stdout));
    for complaint in said(output.stderr).lines() {
        let _ = writeln!(transcript, "stderr: {complaint}");
    }
    if !output.status.success() {
        let _ = writeln!(transcript, "{}", output.status);
    }
}

/// The first line in which two texts differ.
fn difference(expected: &str, found: &str) -> String {
    let mut lines = (1..).zip(expected.lines().zip(found.lines()));
    match lines.find(|(_, (expected, found))| expected != found) {
        Some((number, (expected, found))) => {
            format!("line {number}:\n  expected {expected}\n  found    {found}")
        }
        None => "one ends before the other".to_owned(),
    }
}

/// Compares the captures of a folder with its transcripts, or makes new ones.
fn compare(folder: &str, options: &[&str]) {
    let bless = std::env::var_os("BLESS").is_some();
    let golden = format!("tests/golden{folder}");
    let mut transcripts = listed(&golden);
    let mut wrong = Vec::new();
    if bless {
        fs::create_dir_all(root().join(&golden)).expect("a folder can be made");
    }
    for capture in captures(folder) {
        let mut found = String::new();
        let whole = if capture.contains("/fragments") {
            SHOWN_WHOLE
        } else {
            &[]
        };
        let tracked = if is_tracked(&capture) {
            SHOWN_TRACKED
        } else {
            &[]
        };
        for option in options.iter().chain(whole).chain(tracked) {
            let space = if option.is_empty() { "" } else { " " };
            play(
                &format!("dotquad decode{space}{option} {capture}"),
                &mut found,
            );
        }
        let own = capture.rsplit('/').next().unwrap_or_default();
        let name = format!("{own}.txt");
        let path = transcripts.remove(&name);
        let expected = path.map(|path| fs::read_to_string(path).expect("a transcript is text"));
        match expected {
            Some(expected) if expected == found => {}
            _ if bless => {
                fs::write(root().join(&golden).join(name), found).expect("a transcript is kept");
            }
            Some(expected) => wrong.push(format!(
                "{golden}/{name}, {}",
                difference(&expected, &found)
            )),
            None => wrong.push(format!("{capture} has no transcript")),
        }
    }
    for (name, path) in transcripts {
        if bless {
            fs::remove_file(path).expect("a transcript can go");
        } else {
            wrong.push(format!("{golden}/{name} has no capture"));
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\n\nIf this is meant: BLESS=1 cargo test --test golden, and look at the difference",
        wrong.join("\n")
    );
}

#[test]
fn every_capture_reads_as_its_transcript_says() {
    compare("", SHOWN);
}

#[test]
fn every_anomaly_reads_as_its_transcript_says() {
    compare("/anomalies", SHOWN_ODD);
}

/// The ids that each frame of a capture shows, by its number.
fn shown(capture: &str) -> Vec<(u64, Vec<String>)> {
    let mut command = cargo_bin_cmd!("dotquad");
    command.current_dir(root());
    command.args(["decode", "--format", "ndjson", capture]);
    if is_tracked(capture) {
        command.arg("--track");
    }
    let output = command.output().expect("it runs");
    let objects = output.stdout.split(|byte| *byte == b'\n');
    objects
        .filter(|line| !line.is_empty())
        .map(|line| {
            let object: Value = serde_json::from_slice(line).expect("each line is an object");
            let found = object["anomalies"].as_array().into_iter().flatten();
            let ids = found.filter_map(|found| Some(found["id"].as_str()?.to_owned()));
            (object["frame"].as_u64().unwrap_or(0), ids.collect())
        })
        .collect()
}

/// The table of captures/README.md: for each id, the frame that shows it.
fn promised() -> BTreeMap<String, u64> {
    let page = fs::read_to_string(root().join("captures/README.md")).expect("there is a table");
    let (_, table) = page.split_once("| id | fires |").expect("it has the table");
    let mut promised = BTreeMap::new();
    for row in table.lines().skip(2).take_while(|row| row.starts_with('|')) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let frame = cells[2].strip_prefix("Frame ").and_then(|words| {
            let (number, _) = words.split_once(' ')?;
            number.parse().ok()
        });
        promised.insert(cells[1].trim_matches('`').to_owned(), frame.unwrap_or(1));
    }
    promised
}

#[test]
fn an_anomaly_shows_on_its_frame_and_not_on_the_near_miss() {
    let promised = promised();
    let mut wrong = Vec::new();
    for anomaly in Anomaly::ALL {
        let id = anomaly.id();
        let Some(expected) = promised.get(id) else {
            wrong.push(format!("{id} is not in the table of captures/README.md"));
            continue;
        };
        let frames = shown(&format!("captures/anomalies/{id}.pcap"));
        let fired: Vec<u64> = frames
            .iter()
            .filter(|(_, ids)| ids.iter().any(|shown| shown == id))
            .map(|(number, _)| *number)
            .collect();
        if fired != [*expected] || frames.len() < 2 {
            wrong.push(format!(
                "{id} shows on {fired:?} of {} frames, not on frame {expected} alone",
                frames.len()
            ));
        }
        // All that is wrong with a near miss is that it missed.
        let near = frames.iter().filter(|(number, _)| number > expected);
        for (number, ids) in near.filter(|(_, ids)| !ids.is_empty()) {
            let overlap = id == "ipv4.fragment.conflict" && ids == &["ipv4.fragment.overlap"];
            if !overlap {
                wrong.push(format!("{id}: the near miss {number} shows {ids:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(promised.len(), Anomaly::ALL.len(), "the table knows more");
}

#[test]
fn what_is_legal_shows_nothing() {
    let mut wrong = Vec::new();
    for capture in captures("") {
        // What one frame alone does not show, several do.
        let odd = ODD
            .iter()
            .chain(&[OFFLOADED, "fragments_overlap.pcap"])
            .any(|name| capture.ends_with(&format!("/{name}")));
        let frames = shown(&capture);
        let any = frames.iter().any(|(_, ids)| !ids.is_empty());
        if any != odd {
            wrong.push(format!("{capture}: {frames:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
