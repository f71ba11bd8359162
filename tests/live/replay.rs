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
use std::time::{Duration, Instant};

use dotquad::capture::{FrameSource, open};
use dotquad::wire::frame::LinkType;
use libtest_mimic::{Failed, Trial};

use super::Powers;
use super::send::{Pair, captures, dotquad, good, paced, text, untagged};

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    vec![
        powers.trial("replay_arrives_as_it_was_saved", replay_arrives),
        powers.trial("replay_has_a_pace", replay_has_a_pace),
        powers.trial("replay_rewrites_addresses", replay_rewrites),
    ]
}

/// What is to become of a capture on a link of Ethernet.
enum Fate {
    /// It is no capture, or none that can be read.
    Unreadable,
    /// Not all of its frames are of Ethernet: none of them leaves.
    Foreign,
    /// These frames arrive; so many are shorter than Ethernet's header and are refused by the
    /// kernel, and behind them the file is damaged or not.
    Arrives(Vec<Vec<u8>>, usize, bool),
}

fn fate(path: &Path) -> Fate {
    let Ok(mut reader) = open(path) else {
        return Fate::Unreadable;
    };
    let (mut frames, mut refused) = (Vec::new(), 0);
    let damaged = loop {
        let batch = match reader.next_batch() {
            Ok(Some(batch)) => batch,
            Ok(None) => break false,
            Err(_) => break true,
        };
        for frame in batch.frames() {
            if frame.link_type != LinkType::ETHERNET {
                return Fate::Foreign;
            }
            match frame.bytes.len() {
                0..=13 => refused += 1,
                _ => frames.push(frame.bytes.to_vec()),
            }
        }
    };
    Fate::Arrives(frames, refused, damaged)
}

/// Every file of captures/: its frames arrive as they were saved, up to damage if there is any; or
/// it is refused before the first of them leaves.
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
    let folders = [captures().join("anomalies"), captures()];
    let files = folders.iter().flat_map(|it| std::fs::read_dir(it).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    let (mut whole, mut foreign, mut unreadable, mut total) = (0, 0, 0, 0);
    for path in files.filter(|path| path.is_file()) {
        let name = path.to_str().unwrap();
        if path.extension().is_some_and(|it| it == "md" || it == "rs") {
            continue;
        }
        let words = ["replay", name, "-i", &pair.a, "--topspeed", "--yes"];
        let output = dotquad(&[&words[..], &["--broadcast"]].concat());
        let (_, err) = text(&output);
        let code = output.status.code().unwrap();
        let (frames, refused, damaged) = match fate(&path) {
            Fate::Arrives(frames, refused, damaged) => (frames, refused, damaged),
            Fate::Unreadable => {
                assert!(code != 0 && err.contains("reading"), "{name}: {err}");
                unreadable += 1;
                continue;
            }
            Fate::Foreign => {
                assert!(code == 2 && !err.contains("sent"), "{name}: {err}");
                assert!(
                    err.contains("the interface takes ETHERNET"),
                    "{name}: {err}"
                );
                foreign += 1;
                continue;
            }
        };
        let s = if frames.len() == 1 { "" } else { "s" };
        let count = format!("dotquad: {} frame{s} sent", frames.len());
        let failed = format!("; {refused} failed");
        assert!(
            err.starts_with(&count) && err.contains(&failed),
            "{name}: {err}"
        );
        let expected = match (refused, damaged) {
            (0, false) => 0,
            (0, true) => 1,
            _ => 2,
        };
        assert_eq!(code, expected, "{name}: {err}");
        for (number, frame) in (1..).zip(frames) {
            // The receiving kernel throws away a frame that ends within its VLAN tag, unseen.
            if frame.len() < 20 && untagged(frame.clone()) != frame {
                continue;
            }
            let seen = told.recv_timeout(Duration::from_secs(5));
            let Ok(seen) = seen else {
                return Err(format!("{name} frame {number} never arrived: {frame:02x?}").into());
            };
            assert_eq!(seen, untagged(frame), "{name} frame {number}");
            total += 1;
        }
        whole += 1;
    }
    assert!(
        whole >= 190 && total >= 500 && foreign <= 25 && unreadable <= 5,
        "{whole} files arrive, {total} frames; {foreign} of other links, {unreadable} unreadable"
    );
    // None is left over: what was refused did not leave.
    let last = captures().join("udp_zero_checksum.pcap");
    good(&["replay", last.to_str().unwrap(), "-i", &pair.a, "--yes"]);
    let Fate::Arrives(frames, ..) = fate(&last) else {
        return Err("it cannot be read".into());
    };
    assert_eq!(told.recv_timeout(Duration::from_secs(5))?, frames[0]);
    Ok(())
}

/// At its own pace or another, what is said of it is what was asked: no frame is judged by the
/// clock of this test, which others share.
fn replay_has_a_pace() -> Result<(), Failed> {
    let pair = Pair::new("dqsc");
    let (_, mut wire) = pair.listen();
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("paced.pcap");
    // 20 frames, 5 ms apart: 95 ms from the first to the last.
    std::fs::write(&file, paced(20, 5_000))?;
    let file = file.to_str().unwrap();
    for (more, least) in [
        (&[][..], 95),
        (&["--speed", "2"], 47),
        (&["--rate", "100"], 190),
    ] {
        let start = Instant::now();
        let (_, err) = good(&[&["replay", file, "-i", &pair.a][..], more].concat());
        // Not faster than asked, however busy the machine is.
        assert!(start.elapsed() >= Duration::from_millis(least), "{more:?}");
        assert!(err.contains("20 frames sent, 1200 bytes"), "{err}");
        assert!(err.contains("more than 1 ms late, at most"), "{err}");
        for number in 0..20_u32 {
            assert!(wire.next()?.ends_with(&number.to_be_bytes()), "{number}");
        }
    }
    // What would be too fast at its own pace may go, if it is meant or slowed down.
    let quick = folder.path().join("quick.pcap");
    std::fs::write(&quick, paced(150, 10))?;
    let quick = quick.to_str().unwrap();
    good(&["replay", quick, "-i", &pair.a, "--yes"]);
    good(&["replay", quick, "-i", &pair.a, "--speed", "0.01"]);
    let mut stream = Command::new(env!("CARGO_BIN_EXE_dotquad"));
    stream.args(["replay", "-", "-i", &pair.a]);
    stream.stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut stream = stream.spawn()?;
    // The reader may have gone before it took everything.
    let _ = stream.stdin.take().unwrap().write_all(&paced(150, 10));
    let output = stream.wait_with_output()?;
    let (_, err) = text(&output);
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("frame 101") && err.contains("--yes"), "{err}");
    Ok(())
}

fn replay_rewrites() -> Result<(), Failed> {
    let pair = Pair::new("dqs7");
    let (_, mut wire) = pair.listen();
    let path = captures().join("dns_udp.pcap");
    let Fate::Arrives(saved, ..) = fate(&path) else {
        return Err("it cannot be read".into());
    };
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
