//! The captures are what their maker makes, and each anomaly's capture fires it and nothing near.

#![allow(clippy::expect_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use dotquad::wire::anomaly::Anomaly;
use dotquad::wire::frame::{Frame, LinkType, Offload};
use dotquad::wire::packet::{Judge, Packet, dissect};

#[path = "../captures/make.rs"]
mod make;

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

/// The ids that one frame fires, by itself.
fn fired(link: u16, wire_len: u32, bytes: &[u8]) -> Vec<&'static str> {
    let frame = Frame {
        number: 1,
        time: None,
        link_type: LinkType(link),
        wire_len,
        bytes,
        interface: None,
        direction: None,
        offload: Offload::default(),
        comments: &[],
    };
    let mut packet = Packet::new();
    dissect(&frame, Judge::ALL, &mut packet);
    let found = packet.anomalies().iter();
    found.map(|found| found.anomaly.id()).collect()
}

#[test]
fn every_anomaly_has_its_capture() {
    let made: BTreeSet<_> = make::oddities().iter().map(|oddity| oddity.id).collect();
    let missing: Vec<_> = Anomaly::ALL
        .iter()
        .map(|anomaly| anomaly.id())
        .filter(|id| !made.contains(id))
        .collect();
    assert!(missing.is_empty(), "no capture shows {missing:?}");
}

/// Frames alone cannot show what takes several of them.
const NEEDS_SEVERAL: [&str; 2] = ["ipv4.fragment.overlap", "ipv4.fragment.conflict"];

#[test]
fn each_anomaly_fires_where_it_is_shown_and_nowhere_near() {
    let known: BTreeSet<_> = Anomaly::ALL.iter().map(|anomaly| anomaly.id()).collect();
    let mut wrong = Vec::new();
    for oddity in make::oddities() {
        if NEEDS_SEVERAL.contains(&oddity.id) || !known.contains(oddity.id) {
            continue;
        }
        for (number, record) in (1..).zip(&oddity.frames) {
            let ids = fired(oddity.link, record.wire_len, &record.bytes);
            if ids.contains(&oddity.id) != oddity.fires.contains(&number) {
                wrong.push(format!("{} frame {number}: {ids:?}", oddity.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
