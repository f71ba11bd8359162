//! What is on the disk while it runs: after a kill, by the clock, and what a file says was counted.

#![allow(
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use libtest_mimic::Failed;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use pcap_parser::{Block, parse_block_le};

use super::super::cable::cable;
use super::{Ended, PORT, count, decode, folder, names, send, send_to, sniff};

/// Tells when something happens to the files of a folder.
struct Watch(Inotify);

impl Watch {
    fn new(folder: &Path, what: AddWatchFlags) -> Result<Self, Failed> {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC)?;
        inotify.add_watch(folder, what)?;
        Ok(Self(inotify))
    }

    /// Waits for it, as long as a file may take and much longer.
    fn happened(&self) -> Result<usize, Failed> {
        let mut polled = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        if poll(&mut polled, PollTimeout::from(60_000_u16))? == 0 {
            return Err("nothing happened".into());
        }
        Ok(self.0.read_events()?.len())
    }
}

/// What was written more than a second ago is there, whole, when it is killed.
pub(super) fn killed() -> Result<(), Failed> {
    for name in ["x.pcap", "x.pcapng", "x.pcapng.gz", "x.pcapng.zst"] {
        let folder = folder()?;
        let path = folder.path().join(name);
        let mut sniffer = sniff(&["-i", "lo", "-w", &path.to_string_lossy(), "udp"])?;
        let watch = Watch::new(folder.path(), AddWatchFlags::IN_MODIFY)?;
        // What is flushed first is whole, and so is what comes after it.
        for sent in [50, 100] {
            send(50)?;
            while watch.happened().is_ok() && count(&path).ok() != Some(sent) {}
        }
        sniffer.child.kill()?;
        let status = sniffer.child.wait()?;
        assert_eq!(status.code(), None, "{status}");
        assert_eq!(count(&path)?, 100, "{name}");
    }
    Ok(())
}

/// Seconds and the rest of the frames of a capture.
fn stamps(path: &Path) -> Result<Vec<(i64, i64)>, Failed> {
    let path = path.to_string_lossy();
    let rows = decode(&[
        "--format", "csv", "--fields", "time", "--time", "epoch", &path,
    ])?;
    let stamp = |row: &str| -> Result<(i64, i64), Failed> {
        let (seconds, rest) = row.split_once('.').ok_or("a fraction")?;
        Ok((seconds.parse()?, rest.parse()?))
    };
    rows.lines().skip(1).map(stamp).collect()
}

/// A file ends with its second, though no packet comes, and the next one begins a file; aligned,
/// seconds are those of the clock.
pub(super) fn rotates_by_time() -> Result<(), Failed> {
    let (plain, aligned) = (folder()?, folder()?);
    let paths = [
        plain.path().join("x.pcapng"),
        aligned.path().join("%s-x.pcapng"),
    ];
    let [first, second] = paths.each_ref().map(|it| it.to_string_lossy());
    let sniffers = [
        sniff(&["-i", "lo", "-w", &first, "--rotate-time", "1s", "udp"])?,
        sniff(&[
            "-i",
            "lo",
            "-w",
            &second,
            "--rotate-time",
            "1s",
            "--rotate-aligned",
            "udp",
        ])?,
    ];
    let watches = [&plain, &aligned].map(|it| Watch::new(it.path(), AddWatchFlags::IN_MOVED_TO));
    let mut sent = 0;
    for _ in 0..2 {
        send(5)?;
        sent += 5;
        for watch in &watches {
            watch
                .as_ref()
                .map_err(|it| it.message().unwrap_or("?").to_owned())?
                .happened()?;
        }
    }
    send(5)?;
    sent += 5;
    for sniffer in sniffers {
        sniffer.signal("INT")?;
        let ended = sniffer.ended()?;
        ended.comes_to("written", sent);
    }
    let files = names(plain.path())?;
    assert!(files.len() >= 3, "{files:?}");
    let mut origin = None;
    let (mut last, mut found) = (-1, 0);
    for name in files {
        assert!(
            name.starts_with("x-0000") && name.ends_with(".pcapng"),
            "{name}"
        );
        let stamps = stamps(&plain.path().join(&name))?;
        let (seconds, rest) = *origin.get_or_insert(stamps[0]);
        // Whole seconds since the first packet of all.
        let since = |it: &(i64, i64)| (it.0 - seconds) - i64::from(it.1 < rest);
        let period = since(&stamps[0]);
        assert!(
            stamps.iter().all(|it| since(it) == period),
            "{name} {stamps:?}"
        );
        assert!(period > last, "{name}");
        (last, found) = (period, found + stamps.len());
    }
    assert_eq!(found, 15);
    let files = names(aligned.path())?;
    assert!(files.len() >= 3, "{files:?}");
    let mut found = 0;
    for name in files {
        let stamps = stamps(&aligned.path().join(&name))?;
        let second = name.strip_suffix("-x.pcapng").ok_or("a name")?;
        let second: i64 = second.parse()?;
        assert!(stamps.iter().all(|it| it.0 == second), "{name} {stamps:?}");
        found += stamps.len();
    }
    assert_eq!(found, 15);
    Ok(())
}

/// Of an interface: its name, and the counters of its block (draft-ietf-opsawg-pcapng section
/// 4.6): dropped by it, matched, dropped by the system, delivered.
type Counted = (String, [Option<u64>; 4]);

fn statistics(path: &Path) -> Result<Vec<Counted>, Failed> {
    let bytes = fs::read(path)?;
    let (mut rest, mut names, mut found) = (bytes.as_slice(), Vec::new(), Vec::new());
    while let Ok((after, block)) = parse_block_le(rest) {
        rest = after;
        match block {
            Block::InterfaceDescription(block) => {
                let name = block.options.iter().find(|it| it.code.0 == 2);
                let name = name.ok_or("a name")?.value.to_vec();
                names.push(String::from_utf8(name)?.trim_end_matches('\0').to_owned());
            }
            Block::InterfaceStatistics(block) => {
                let counter = |code: u16| {
                    let option = block.options.iter().find(|it| it.code.0 == code);
                    option.map(|it| u64::from_le_bytes(it.value[..8].try_into().unwrap()))
                };
                let name = names[usize::try_from(block.if_id)?].clone();
                found.push((name, [5, 6, 7, 8].map(counter)));
            }
            _ => {}
        }
    }
    assert!(rest.is_empty());
    Ok(found)
}

/// The sums over all blocks are the counters told.
fn sums_are_told(counted: &[Counted], ended: &Ended) {
    for (place, words) in [
        "dropped by the interface",
        "matched",
        "dropped by the ring",
        "written",
    ]
    .into_iter()
    .enumerate()
    {
        let sum: u64 = counted.iter().filter_map(|(_, counts)| counts[place]).sum();
        assert_eq!(sum, ended.counter(words), "{words} {counted:?}");
    }
}

pub(super) fn statistics_of_each() -> Result<(), Failed> {
    cable()?;
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let written = path.to_string_lossy();
    let filter = "udp dst port 9000";
    let listened = |interfaces: &[&str]| -> Result<(Vec<Counted>, Ended), Failed> {
        let words = [interfaces, &["-w", &written, filter]].concat();
        let sniffer = sniff(&words)?;
        send_to(("127.0.0.1", PORT), 3)?;
        send_to(("10.7.0.2", PORT), 20)?;
        sniffer.signal("INT")?;
        let ended = sniffer.ended()?;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        ended.adds_up("written");
        let counted = statistics(&path)?;
        sums_are_told(&counted, &ended);
        Ok((counted, ended))
    };
    let (counted, _) = listened(&["-i", "lo", "-i", "left", "-i", "right"])?;
    let rows: Vec<_> = counted
        .iter()
        .map(|(name, [_, matched, dropped, delivered])| {
            (name.as_str(), *matched, *dropped, *delivered)
        })
        .collect();
    assert_eq!(
        rows,
        [
            ("lo", Some(3), Some(0), Some(3)),
            ("left", Some(20), Some(0), Some(20)),
            ("right", Some(20), Some(0), Some(20)),
        ]
    );
    // Of all at once the kernel tells one sum; what was written is known of each.
    let (counted, _) = listened(&["-i", "any"])?;
    let mut delivered: Vec<_> = counted
        .iter()
        .map(|(name, counts)| (name.as_str(), counts[1], counts[3]))
        .collect();
    delivered.sort_unstable();
    assert_eq!(
        delivered,
        [
            ("any", Some(43), None),
            ("left", None, Some(20)),
            ("lo", None, Some(3)),
            ("right", None, Some(20)),
        ]
    );
    // One ring or several, an interface has one block.
    let (counted, _) = listened(&["-i", "lo", "--fanout", "2"])?;
    assert_eq!(counted.len(), 1);
    assert_eq!(counted[0].1[1..], [Some(3), Some(0), Some(3)]);
    Ok(())
}
