//! Saved captures on the wire again: each frame arrives as it was saved, or with the addresses that
//! were asked for.

#![allow(
    clippy::indexing_slicing,
    clippy::unnecessary_wraps,
    reason = "a test stops at the first surprise; libtest-mimic asks for results"
)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use dotquad::capture::{FrameSource, open};
use dotquad::wire::frame::LinkType;
use libtest_mimic::{Failed, Trial};

use super::Powers;
use super::send::{Pair, captures, good, text, untagged};

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    vec![
        powers.trial("replay_arrives_as_it_was_saved", replay_arrives),
        powers.trial("replay_rewrites_addresses", replay_rewrites),
    ]
}

/// The frames of a capture, if all are Ethernet frames that a link can carry.
fn frames(path: &Path) -> Option<Vec<Vec<u8>>> {
    let mut reader = open(path).ok()?;
    let mut frames = Vec::new();
    while let Some(batch) = reader.next_batch().ok()? {
        for frame in batch.frames() {
            let fits = (15..=9_014).contains(&frame.bytes.len());
            // The receiving kernel throws away a frame that ends within its VLAN tag, unseen.
            let kept = frame.bytes.len() >= 20 || untagged(frame.bytes.to_vec()) == frame.bytes;
            if frame.link_type != LinkType::ETHERNET || !fits || !kept {
                return None;
            }
            frames.push(frame.bytes.to_vec());
        }
    }
    Some(frames).filter(|frames| !frames.is_empty())
}

fn replay_arrives() -> Result<(), Failed> {
    let pair = Pair::new("dqs6");
    let (_, mut wire) = pair.listen();
    let (tell, told) = channel();
    thread::spawn(move || {
        while let Ok(frame) = wire.next() {
            if tell.send(frame.to_vec()).is_err() {
                return;
            }
        }
    });
    let (mut files, mut total) = (0, 0);
    let mut folder: Vec<_> = std::fs::read_dir(captures()).unwrap().collect();
    folder.extend(std::fs::read_dir(captures().join("anomalies")).unwrap());
    for entry in folder {
        let path = entry.unwrap().path();
        let Some(saved) = frames(&path).filter(|_| path.is_file()) else {
            continue;
        };
        let name = path.to_str().unwrap();
        let (_, err) = good(&[
            "replay",
            name,
            "-i",
            &pair.a,
            "--topspeed",
            "--yes",
            "--broadcast",
        ]);
        let count = format!("dotquad: {} frames sent", saved.len());
        assert!(
            err.starts_with(&count) && err.contains("0 failed"),
            "{name}: {err}"
        );
        for (number, frame) in (1..).zip(saved) {
            let seen = told.recv_timeout(Duration::from_secs(5));
            let Ok(seen) = seen else {
                return Err(format!("{name} frame {number} never arrived: {frame:02x?}").into());
            };
            assert_eq!(seen, untagged(frame), "{name} frame {number}");
            total += 1;
        }
        files += 1;
    }
    assert!(files >= 50 && total >= 300, "{files} files, {total} frames");
    Ok(())
}

fn replay_rewrites() -> Result<(), Failed> {
    let pair = Pair::new("dqs7");
    let (_, mut wire) = pair.listen();
    let path = captures().join("dns_udp.pcap");
    let saved = frames(&path).unwrap();
    let args = [
        "replay",
        path.to_str().unwrap(),
        "udp",
        "-i",
        &pair.a,
        "--rate",
        "500",
        "--rewrite-source",
        "10.9.8.7,02:00:00:00:00:77",
        "--rewrite-destination",
        "10.9.8.6",
    ];
    good(&args);
    for frame in saved {
        let seen = wire.next().unwrap().to_vec();
        assert_eq!(seen[..6], frame[..6]);
        assert_eq!(seen[6..12], [2, 0, 0, 0, 0, 0x77]);
        assert_eq!(seen[26..34], [10, 9, 8, 7, 10, 9, 8, 6]);
        // What dotquad itself built: good before, good after.
        let mut decode = Command::new(env!("CARGO_BIN_EXE_dotquad"));
        decode.args(["decode", "-", "--format", "ndjson"]);
        decode.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut decode = decode.spawn().unwrap();
        let mut pcap = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        pcap.extend([0; 8]);
        pcap.extend(65_536_u32.to_le_bytes());
        pcap.extend(1_u32.to_le_bytes());
        pcap.extend([0; 8]);
        let length = u32::try_from(seen.len()).unwrap().to_le_bytes();
        pcap.extend(length);
        pcap.extend(length);
        pcap.extend(&seen);
        decode.stdin.take().unwrap().write_all(&pcap).unwrap();
        let (out, _) = text(&decode.wait_with_output().unwrap());
        assert_eq!(out.matches("\"checksum_ok\":true").count(), 2, "{out}");
    }
    Ok(())
}
