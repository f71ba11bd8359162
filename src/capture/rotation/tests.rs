//! Rotation over files in memory, told the time.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::io::{self, Cursor, Write};
use std::sync::{Arc, Mutex};

use super::*;
use crate::capture::{Compression, Format, FrameSource, Reader};
use crate::wire::frame::{LinkType, Offload};

/// Files in memory, with room for so many bytes.
#[derive(Debug, Clone, Default)]
struct Memory {
    files: Arc<Mutex<BTreeMap<PathBuf, Vec<u8>>>>,
    room: Option<usize>,
    /// Renaming fails.
    stuck: bool,
}

#[derive(Debug)]
struct Handle(Memory, PathBuf);

impl Write for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut files = self.0.files.lock().unwrap();
        let held: usize = files.values().map(Vec::len).sum();
        if self.0.room.is_some_and(|room| held + bytes.len() > room) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        files.get_mut(&self.1).unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Files for Memory {
    fn create(&mut self, partial: &Path, name: &Path) -> Result<Writer> {
        let (format, compression) = Format::from_name(name);
        self.files
            .lock()
            .unwrap()
            .insert(partial.into(), Vec::new());
        let handle = Handle(self.clone(), partial.into());
        Ok(Writer::new("x", handle, format, compression))
    }

    fn publish(&mut self, partial: &Path, name: &Path) -> Result<()> {
        if self.stuck {
            return Err(failed(
                "renaming".to_owned(),
                &io::ErrorKind::NotFound.into(),
            ));
        }
        let mut files = self.files.lock().unwrap();
        let bytes = files.remove(partial).unwrap();
        files.insert(name.into(), bytes);
        Ok(())
    }

    fn remove(&mut self, name: &Path) -> Result<()> {
        self.files.lock().unwrap().remove(name).unwrap();
        Ok(())
    }
}

impl Memory {
    /// Names, and how many frames each holds.
    fn held(&self) -> Vec<(String, usize)> {
        let files = self.files.lock().unwrap().clone();
        let held = files.into_iter().map(|(name, bytes)| {
            let mut frames = 0;
            if !bytes.is_empty() {
                let mut reader = Reader::new("x", Cursor::new(bytes)).unwrap();
                while let Some(batch) = reader.next_batch().unwrap() {
                    frames += batch.len();
                }
            }
            (name.to_str().unwrap().to_owned(), frames)
        });
        held.collect()
    }

    fn sizes(&self) -> Vec<usize> {
        self.files.lock().unwrap().values().map(Vec::len).collect()
    }
}

/// A name without time.
#[derive(Debug)]
struct Fixed(&'static str);

impl Names for Fixed {
    fn name(&mut self, _first: Time) -> PathBuf {
        self.0.into()
    }

    fn is_fixed(&self) -> bool {
        true
    }
}

/// A name of the seconds.
#[derive(Debug)]
struct Timed {
    unit: i64,
    offset: i64,
}

impl Names for Timed {
    fn name(&mut self, first: Time) -> PathBuf {
        format!("t{}.pcap", first.seconds.div_euclid(self.unit)).into()
    }

    fn is_fixed(&self) -> bool {
        false
    }

    fn offset(&self, _at: Time) -> i64 {
        self.offset
    }
}

fn time(seconds: i64, nanoseconds: u32) -> Time {
    Time {
        seconds,
        nanoseconds,
    }
}

fn frame(time: Time, bytes: &[u8]) -> Frame<'_> {
    Frame {
        number: 1,
        time: Some(time),
        link_type: LinkType::ETHERNET,
        wire_len: bytes.len() as u32,
        bytes,
        interface: None,
        direction: None,
        offload: Offload::default(),
        comments: &[],
    }
}

fn limits(bytes: u64, frames: u64, seconds: u64, aligned: bool) -> Limits {
    Limits {
        bytes: NonZeroU64::new(bytes),
        frames: NonZeroU64::new(frames),
        period: NonZeroU64::new(seconds).map(|seconds| Period { seconds, aligned }),
    }
}

/// What is held after frames of so many bytes at these times.
fn rotated(
    limits: Limits,
    keep: Option<usize>,
    names: impl Names + 'static,
    frames: &[(Time, usize)],
) -> Vec<(String, usize)> {
    let memory = Memory::default();
    let mut rotation = Rotation::new(limits, keep, Box::new(names), Box::new(memory.clone()));
    let interface = Interface::new(LinkType::ETHERNET);
    for (time, length) in frames {
        rotation
            .write(&frame(*time, &vec![7; *length]), &interface)
            .unwrap();
    }
    let written = rotation.finish().unwrap();
    assert_eq!(written.frames, frames.len() as u64);
    memory.held()
}

fn held(expected: &[(&str, usize)]) -> Vec<(String, usize)> {
    let owned = expected
        .iter()
        .map(|(name, frames)| ((*name).to_owned(), *frames));
    owned.collect()
}

#[test]
fn packets_end_a_file_exactly() {
    let frames = vec![(time(0, 0), 60); 7];
    assert_eq!(
        rotated(limits(0, 3, 0, false), None, Fixed("x.pcap"), &frames),
        held(&[
            ("x-00001.pcap", 3),
            ("x-00002.pcap", 3),
            ("x-00003.pcap", 1)
        ])
    );
    assert_eq!(
        rotated(limits(0, 7, 0, false), None, Fixed("x.pcap"), &frames),
        held(&[("x-00001.pcap", 7)])
    );
}

#[test]
fn a_file_may_be_exactly_as_large_as_was_said() {
    // pcap: 24 bytes of header, 16 before each frame.
    let frames = vec![(time(0, 0), 60); 5];
    for (bytes, expected) in [
        (24 + 3 * 76, [3, 2].as_slice()),
        (24 + 3 * 76 - 1, &[2, 2, 1]),
    ] {
        let counts: Vec<usize> =
            rotated(limits(bytes, 0, 0, false), None, Fixed("x.pcap"), &frames)
                .into_iter()
                .map(|(_, frames)| frames)
                .collect();
        assert_eq!(counts, expected, "{bytes}");
    }
}

#[test]
fn a_frame_larger_than_a_file_has_one_of_its_own() {
    let frames = [(time(0, 0), 10), (time(0, 0), 900), (time(0, 0), 10)];
    let held = rotated(limits(200, 0, 0, false), None, Fixed("x"), &frames);
    assert_eq!(
        held.iter().map(|(_, frames)| *frames).collect::<Vec<_>>(),
        [1, 1, 1]
    );
}

#[test]
fn no_file_of_any_kind_is_larger_than_was_said() {
    let mut state = 1_u32;
    let mut noise = |length: usize| -> Vec<u8> {
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8 & 0x3f
        };
        (0..length).map(|_| byte()).collect()
    };
    for name in [
        "x.pcapng",
        "x.pcap",
        "x.pcapng.zst",
        "x.pcap.gz",
        "x.pcap.lz4",
    ] {
        let memory = Memory::default();
        let mut rotation = Rotation::new(
            limits(20_000, 0, 0, false),
            None,
            Box::new(Fixed(name)),
            Box::new(memory.clone()),
        );
        let mut interface = Interface::new(LinkType::ETHERNET);
        interface.name = Some("eth0".to_owned());
        for number in 0..400 {
            let bytes = noise(number % 700);
            let mut frame = frame(time(0, 0), &bytes);
            frame.direction = (number % 2 == 0).then_some(crate::wire::frame::Direction::In);
            frame.interface = Some(number as u32 % 3);
            rotation.write(&frame, &interface).unwrap();
        }
        let written = rotation.finish().unwrap();
        let sizes = memory.sizes();
        assert_eq!(written.bytes, sizes.iter().sum::<usize>() as u64);
        assert!(sizes.iter().all(|size| *size <= 20_000), "{name} {sizes:?}");
        let full = &sizes[..sizes.len() - 1];
        assert!(full.iter().all(|size| *size > 17_500), "{name} {sizes:?}");
        let frames: usize = memory.held().iter().map(|(_, frames)| frames).sum();
        assert_eq!(frames, 400);
    }
}

#[test]
fn the_cost_of_a_frame_is_what_it_takes() {
    let comments = ["a".to_owned(), "four".to_owned()];
    let mut interface = Interface::new(LinkType::ETHERNET);
    interface.name = Some("lo".to_owned());
    for format in [Format::Pcap, Format::Pcapng] {
        let mut writer = Writer::new("x", io::sink(), format, Compression::None);
        for length in 0..9 {
            let bytes = vec![0; length];
            for (direction, comments) in [
                (None, &[][..]),
                (Some(crate::wire::frame::Direction::Out), &[]),
                (None, &comments),
                (Some(crate::wire::frame::Direction::In), &comments),
            ] {
                let frame = Frame {
                    direction,
                    comments,
                    ..frame(time(1, 0), &bytes)
                };
                let (before, cost) = (writer.size(), writer.cost(&frame, &interface));
                writer.write(&frame, &interface).unwrap();
                assert_eq!(writer.size(), before + cost, "{format:?} {length}");
            }
        }
    }
}

#[test]
fn a_period_ends_on_its_boundary() {
    let frames = [
        (time(103, 500_000_000), 1),
        (time(113, 499_999_999), 1),
        (time(113, 500_000_000), 1),
        (time(143, 499_999_999), 1),
        (time(143, 500_000_000), 1),
    ];
    // Counted from the first frame.
    assert_eq!(
        rotated(limits(0, 0, 10, false), None, Fixed("x.pcap"), &frames),
        held(&[
            ("x-00001.pcap", 2),
            ("x-00002.pcap", 1),
            ("x-00003.pcap", 1),
            ("x-00004.pcap", 1)
        ])
    );
    // By the clock.
    let frames = [
        (time(103, 0), 1),
        (time(109, 999_999_999), 1),
        (time(110, 0), 1),
        (time(119, 0), 1),
    ];
    let names = || Timed {
        unit: 10,
        offset: 0,
    };
    assert_eq!(
        rotated(limits(0, 0, 10, true), None, names(), &frames),
        held(&[("t10.pcap", 2), ("t11.pcap", 2)])
    );
    // By a clock that is 5 seconds ahead: 104 is 109 there, and 105 is 110.
    let frames = [(time(104, 999_999_999), 1), (time(105, 0), 1)];
    let ahead = Timed { unit: 1, offset: 5 };
    assert_eq!(
        rotated(limits(0, 0, 10, true), None, ahead, &frames),
        held(&[("t104.pcap", 1), ("t105.pcap", 1)])
    );
}

#[test]
fn a_late_frame_stays_and_a_set_clock_does_not() {
    let names = || Timed {
        unit: 10,
        offset: 0,
    };
    let frames = [(time(110, 0), 1), (time(109, 0), 1), (time(111, 0), 1)];
    assert_eq!(
        rotated(limits(0, 0, 10, true), None, names(), &frames),
        held(&[("t11.pcap", 3)])
    );
    let frames = [(time(110, 0), 1), (time(50, 0), 1), (time(51, 0), 1)];
    assert_eq!(
        rotated(limits(0, 0, 10, true), None, names(), &frames),
        held(&[("t11.pcap", 1), ("t5.pcap", 2)])
    );
}

#[test]
fn names_of_one_moment_are_told_apart() {
    let frames = vec![
        (time(100, 0), 1),
        (time(101, 0), 1),
        (time(102, 0), 1),
        (time(110, 0), 1),
    ];
    let names = Timed {
        unit: 10,
        offset: 0,
    };
    assert_eq!(
        rotated(limits(0, 1, 0, false), None, names, &frames),
        held(&[
            ("t10-00002.pcap", 1),
            ("t10-00003.pcap", 1),
            ("t10.pcap", 1),
            ("t11.pcap", 1)
        ])
    );
}

#[test]
fn a_ring_keeps_the_newest() {
    let frames = vec![(time(0, 0), 1); 9];
    assert_eq!(
        rotated(limits(0, 2, 0, false), Some(3), Fixed("x.pcap"), &frames),
        held(&[
            ("x-00003.pcap", 2),
            ("x-00004.pcap", 2),
            ("x-00005.pcap", 1)
        ])
    );
    // A name that comes round is written over, and counts once.
    let frames: Vec<_> = [0, 10, 20, 0, 10].map(|at| (time(at, 0), 1)).to_vec();
    assert_eq!(
        rotated(
            limits(0, 0, 10, true),
            Some(3),
            Timed {
                unit: 10,
                offset: 0
            },
            &frames
        ),
        held(&[("t0.pcap", 1), ("t1.pcap", 1), ("t2.pcap", 1)])
    );
}

#[test]
fn whichever_comes_first_ends_a_file() {
    let frames: Vec<_> = [0, 1, 2, 3, 10, 11].map(|at| (time(at, 0), 60)).to_vec();
    let counts = |limits| -> Vec<usize> {
        let held = rotated(limits, None, Fixed("x.pcap"), &frames);
        held.into_iter().map(|(_, frames)| frames).collect()
    };
    assert_eq!(counts(limits(24 + 3 * 76, 100, 10, true)), [3, 1, 2]);
    assert_eq!(counts(limits(24 + 3 * 76, 2, 10, true)), [2, 2, 2]);
    assert_eq!(counts(limits(0, 3, 2, true)), [2, 2, 2]);
}

#[test]
fn a_file_appears_when_it_is_whole_and_the_time_alone_may_end_it() {
    let memory = Memory::default();
    let mut rotation = Rotation::new(
        limits(0, 0, 10, true),
        None,
        Box::new(Timed {
            unit: 10,
            offset: 0,
        }),
        Box::new(memory.clone()),
    );
    let interface = Interface::new(LinkType::ETHERNET);
    rotation.tick(time(100, 0)).unwrap();
    assert!(memory.held().is_empty(), "nothing to say yet");
    rotation
        .write(&frame(time(105, 0), b"a"), &interface)
        .unwrap();
    rotation.flush().unwrap();
    assert_eq!(memory.held(), held(&[("t10.pcap.part", 1)]));
    rotation.tick(time(111, 999_999_999)).unwrap();
    assert_eq!(
        memory.held(),
        held(&[("t10.pcap.part", 1)]),
        "frames may still come"
    );
    rotation.tick(time(112, 0)).unwrap();
    assert_eq!(memory.held(), held(&[("t10.pcap", 1)]));
    // One that comes later still is not lost, and writes nothing over.
    rotation
        .write(&frame(time(109, 0), b"a"), &interface)
        .unwrap();
    rotation
        .write(&frame(time(112, 0), b"a"), &interface)
        .unwrap();
    drop(rotation);
    assert_eq!(
        memory.held(),
        held(&[("t10-00002.pcap", 1), ("t10.pcap", 1), ("t11.pcap", 1)])
    );
}

#[test]
fn a_full_disk_leaves_whole_files_and_their_count() {
    let memory = Memory {
        room: Some(1000),
        ..Memory::default()
    };
    let mut rotation = Rotation::new(
        limits(0, 3, 0, false),
        None,
        Box::new(Fixed("x.pcap")),
        Box::new(memory.clone()),
    );
    let interface = Interface::new(LinkType::ETHERNET);
    let mut error = None;
    for _ in 0..100 {
        if let Err(failure) = rotation.write(&frame(time(0, 0), &[0; 84]), &interface) {
            error = Some(failure);
            break;
        }
    }
    // 24 + 3 * 100 bytes a file: three files fit.
    let error = error.unwrap();
    assert_eq!(error.kind(), Kind::Write);
    assert!(
        error
            .to_string()
            .contains("9 frames were written to the files before"),
        "{error}"
    );
    let again = rotation
        .write(&frame(time(0, 0), &[0; 84]), &interface)
        .unwrap_err();
    assert_eq!(again.to_string(), error.to_string());
    drop(rotation);
    let names: Vec<_> = memory.held();
    assert_eq!(
        names[..3],
        held(&[
            ("x-00001.pcap", 3),
            ("x-00002.pcap", 3),
            ("x-00003.pcap", 3)
        ])
    );
}

#[test]
fn a_file_that_cannot_be_renamed_is_told() {
    let memory = Memory {
        stuck: true,
        ..Memory::default()
    };
    let mut rotation = Rotation::new(
        limits(0, 1, 0, false),
        None,
        Box::new(Fixed("x.pcap")),
        Box::new(memory.clone()),
    );
    let interface = Interface::new(LinkType::ETHERNET);
    rotation
        .write(&frame(time(0, 0), b"a"), &interface)
        .unwrap();
    let error = rotation
        .write(&frame(time(0, 0), b"a"), &interface)
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Write);
    assert_eq!(memory.held(), held(&[("x-00001.pcap.part", 1)]));
}

#[test]
fn a_counter_stands_before_the_endings() {
    for (name, expected) in [
        ("x", "x-00007"),
        ("x.pcap", "x-00007.pcap"),
        ("a.b/x.pcap.zst", "a.b/x-00007.pcap.zst"),
        (".hidden", ".hidden-00007"),
        ("/t/.h.pcap", "/t/.h-00007.pcap"),
    ] {
        assert_eq!(counted(Path::new(name), 7), Path::new(expected));
    }
    assert_eq!(counted(Path::new("x"), 123_456), Path::new("x-123456"));
}

#[test]
fn real_files_are_renamed_and_nothing_else_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let name = folder.path().join("x.pcap");
    let partial = partial(&name);
    // What a killed run left behind is no hindrance.
    std::fs::write(&partial, b"old").unwrap();
    let writer = Disk.create(&partial, &name).unwrap();
    assert!(!name.exists());
    writer.finish().unwrap();
    Disk.publish(&partial, &name).unwrap();
    assert_eq!(std::fs::metadata(&name).unwrap().len(), 24);
    assert!(!partial.exists());
    Disk.remove(&name).unwrap();
    Disk.remove(&name).unwrap();
    // A link in the way of the temporary name is not followed, one in place of the file stays.
    let target = folder.path().join("target");
    std::fs::write(&target, b"precious").unwrap();
    std::os::unix::fs::symlink(&target, &partial).unwrap();
    assert_eq!(
        Disk.create(&partial, &name).unwrap_err().kind(),
        Kind::Usage
    );
    std::fs::remove_file(&partial).unwrap();
    std::os::unix::fs::symlink(&target, &name).unwrap();
    assert_eq!(
        Disk.create(&partial, &name).unwrap_err().kind(),
        Kind::Usage
    );
    assert_eq!(std::fs::read(&target).unwrap(), b"precious");
    // A folder that is gone is told when the file is finished.
    std::fs::remove_file(&name).unwrap();
    let writer = Disk.create(&partial, &name).unwrap();
    std::fs::remove_file(&partial).unwrap();
    assert_eq!(writer.finish().unwrap_err().kind(), Kind::Write);
}
