//! The captures are what their maker makes, and each anomaly's capture fires it, and nothing legal
//! fires anything.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Cursor, Read};
use std::path::Path;

use dotquad::capture::{FrameSource, Reader};
use dotquad::wire::anomaly::Anomaly;
use dotquad::wire::packet::{Judge, Packet, dissect};

#[path = "../captures/make.rs"]
mod make;

#[path = "captures/odd.rs"]
mod odd;

use odd::{ODD, OFFLOADED};

/// What a compressor wrapped, if one did.
fn unpacked(path: &Path, bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut plain = Vec::new();
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("gz") => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut plain)?,
        Some("zst") => zstd::Decoder::new(bytes)?.read_to_end(&mut plain)?,
        Some("lz4") => lz4_flex::frame::FrameDecoder::new(bytes).read_to_end(&mut plain)?,
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    Ok(plain)
}

#[test]
fn the_maker_makes_what_is_there() {
    for made in make::everything() {
        let path = make::folder().join(&made.path);
        let there = fs::read(&path).unwrap_or_default();
        // Another version of a compressor may find other bytes for the same.
        let same = there == made.bytes
            || matches!(
                (unpacked(&path, &there), unpacked(&path, &made.bytes)),
                (Ok(there), Ok(made)) if there == made
            );
        assert!(
            same,
            "{} differs: run `cargo run --example captures`",
            made.path
        );
    }
}

#[test]
fn nothing_is_there_that_is_not_made() {
    let made: BTreeSet<_> = make::everything()
        .into_iter()
        .map(|capture| make::folder().join(capture.path))
        .collect();
    for folder in [make::folder(), make::folder().join("anomalies")] {
        for entry in fs::read_dir(folder).expect("the folder is there") {
            let path = entry.expect("the folder can be read").path();
            let maker = path.is_dir() || path.ends_with("make.rs");
            assert!(
                maker || made.contains(&path),
                "{} is of nobody's making",
                path.display()
            );
        }
    }
}

/// For each frame that the file gives, damaged or not, the ids that it fires by itself.
fn fired(path: &str, bytes: Vec<u8>) -> Vec<Vec<&'static str>> {
    let mut out = Vec::new();
    let mut packet = Packet::new();
    let Ok(mut reader) = Reader::new(path, Cursor::new(bytes)) else {
        return out;
    };
    while let Ok(Some(batch)) = reader.next_batch() {
        for frame in batch.frames() {
            dissect(&frame, Judge::ALL, &mut packet);
            let found = packet.anomalies().iter();
            out.push(found.map(|found| found.anomaly.id()).collect());
        }
    }
    out
}

#[test]
fn every_anomaly_has_its_capture_and_every_capture_its_anomaly() {
    let made: BTreeSet<_> = make::oddities().iter().map(|oddity| oddity.id).collect();
    let known: BTreeSet<_> = Anomaly::ALL.iter().map(|anomaly| anomaly.id()).collect();
    assert_eq!(known, made);
}

/// Frames alone cannot show what takes several of them.
const NEEDS_SEVERAL: [&str; 18] = [
    "ipv4.fragment.overlap",
    "ipv4.fragment.conflict",
    "ipv4.fragment.end",
    "ipv4.fragment.timeout",
    "ipv4.fragment.missing_first",
    "ipv4.fragment.missing_last",
    "ipv4.identification.reused",
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

#[test]
fn each_anomaly_fires_where_it_is_shown_and_nowhere_near() {
    let mut wrong = Vec::new();
    for oddity in make::oddities() {
        if NEEDS_SEVERAL.contains(&oddity.id) {
            continue;
        }
        let made = oddity.capture();
        let fired = fired(&made.path, made.bytes);
        assert_eq!(fired.len(), oddity.frames.len(), "{}", made.path);
        for (number, ids) in (1..).zip(fired) {
            if ids.contains(&oddity.id) != oddity.fires.contains(&number) {
                wrong.push(format!("{} frame {number}: {ids:?}", oddity.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_legal_fires_nothing() {
    let mut wrong = Vec::new();
    for made in make::everything() {
        let odd = ODD.contains(&made.path.as_str()) || made.path.starts_with("anomalies/");
        for (number, ids) in (1..).zip(fired(&made.path, made.bytes)) {
            if !odd && !ids.is_empty() && made.path != OFFLOADED {
                wrong.push(format!("{} frame {number}: {ids:?}", made.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
