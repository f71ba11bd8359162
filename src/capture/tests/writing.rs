//! What a writer refuses, and what is left when the disk is full.

use std::path::Path;

use super::*;
use crate::capture::{Compression, Format, Resolution, Statistics, Writer, Written};

const PACKED: [Compression; 3] = [Compression::Gzip, Compression::Zstd, Compression::Lz4];

fn frame(number: u64, bytes: &[u8]) -> Frame<'_> {
    Frame {
        number,
        time: at(i64::try_from(number).unwrap(), 0),
        link_type: LinkType::ETHERNET,
        wire_len: bytes.len() as u32,
        bytes,
        interface: None,
        direction: None,
        offload: Offload::default(),
        comments: &[],
    }
}

#[test]
fn the_name_says_what_to_write() {
    for (name, format, compression) in [
        ("x.pcap", Format::Pcap, Compression::None),
        ("x.PCAP.GZ", Format::Pcap, Compression::Gzip),
        ("x.pcap.zst", Format::Pcap, Compression::Zstd),
        ("x.pcapng.lz4", Format::Pcapng, Compression::Lz4),
        ("x.gz", Format::Pcapng, Compression::Gzip),
        ("x", Format::Pcapng, Compression::None),
        ("pcap", Format::Pcapng, Compression::None),
        ("-", Format::Pcapng, Compression::None),
    ] {
        let found = Format::from_name(Path::new(name));
        assert_eq!(found, (format, compression), "{name}");
    }
}

#[test]
fn pcap_keeps_the_digits_of_its_first_interface() {
    for (resolution, digits) in [
        (Resolution::MICRO, 6),
        (Resolution::Decimal(3), 6),
        (Resolution::NANO, 9),
        (Resolution::Binary(30), 9),
    ] {
        let disk = Disk::new(usize::MAX);
        let mut writer = Writer::new("x", disk.clone(), Format::Pcap, Compression::None);
        let interface = Interface {
            resolution,
            ..Interface::new(LinkType::IPV4)
        };
        writer.declare(&interface, 0).unwrap();
        assert_eq!(
            writer.finish().unwrap(),
            Written {
                frames: 0,
                bytes: 24
            }
        );
        let reader = reader(&disk.bytes()).unwrap();
        let [found] = reader.interfaces() else {
            panic!("one interface");
        };
        assert_eq!(
            (found.resolution.digits(), found.link_type),
            (digits, LinkType::IPV4)
        );
    }
}

#[test]
fn pcap_refuses_what_it_cannot_hold_and_goes_on() {
    let disk = Disk::new(usize::MAX);
    let mut writer = Writer::new("x", disk.clone(), Format::Pcap, Compression::None);
    let ethernet = Interface::new(LinkType::ETHERNET);
    writer.write(&frame(1, b"one"), &ethernet).unwrap();
    let raw = Frame {
        link_type: LinkType::RAW,
        ..frame(2, b"two")
    };
    let error = writer
        .write(&raw, &Interface::new(LinkType::RAW))
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    assert_eq!(
        error.to_string(),
        "writing x: frame 2 is of RAW, the frames before it of ETHERNET, and a pcap file holds one kind (write pcapng: any name that does not end in .pcap)"
    );
    for seconds in [-1, 1 << 32, i64::MIN, i64::MAX] {
        let late = Frame {
            time: at(seconds, 0),
            ..frame(3, b"three")
        };
        let error = writer.write(&late, &ethernet).unwrap_err();
        assert!(error.to_string().contains("the time of frame 3"), "{error}");
    }
    writer.write(&frame(4, b"four"), &ethernet).unwrap();
    assert_eq!(writer.finish().unwrap().frames, 2);
    let outcome = read(&disk.bytes());
    assert!(outcome.error.is_none());
    assert_eq!(outcome.frames[1].bytes, b"four");
}

#[test]
fn pcapng_keeps_absurd_times_that_their_interface_can_tell() {
    let disk = Disk::new(usize::MAX);
    let mut writer = Writer::new("x", disk.clone(), Format::Pcapng, Compression::None);
    let interface = Interface {
        time_offset: i64::MIN,
        ..Interface::new(LinkType::ETHERNET)
    };
    let time = at(i64::MIN + 5, 7);
    let early = Frame {
        time,
        ..frame(1, b"early")
    };
    writer.write(&early, &interface).unwrap();
    let error = writer.write(&frame(2, b"late"), &interface).unwrap_err();
    assert!(error.to_string().contains("the time of frame 2"), "{error}");
    writer.finish().unwrap();
    assert_eq!(read(&disk.bytes()).frames[0].time, time);
}

#[test]
fn statistics_are_what_another_reader_reads() {
    use pcap_parser::{Block, parse_block_le};

    let disk = Disk::new(usize::MAX);
    let mut writer = Writer::new("x", disk.clone(), Format::Pcapng, Compression::None);
    let interface = Interface::new(LinkType::ETHERNET);
    writer.write(&frame(1, b"one"), &interface).unwrap();
    let statistics = Statistics {
        start: at(7, 1),
        end: at(1_700_000_000, 5),
        interface_dropped: Some(4),
        matched: Some(u64::MAX),
        dropped: Some(2),
        delivered: Some(1),
        comment: Some("all".to_owned()),
    };
    writer.statistics(&interface, 0, &statistics).unwrap();
    writer.finish().unwrap();

    let bytes = disk.bytes();
    let (mut rest, mut found) = (bytes.as_slice(), Vec::new());
    while let Ok((after, block)) = parse_block_le(rest) {
        rest = after;
        if let Block::InterfaceStatistics(block) = block {
            let options = block.options.iter();
            let options = options.map(|it| (it.code.0, it.value.to_vec())).collect();
            found.push((block.if_id, block.ts_high, block.ts_low, options));
        }
    }
    assert!(rest.is_empty());
    let halves = |ticks: u64| ((ticks >> 32) as u32, ticks as u32);
    let stamp = |ticks| {
        let (high, low) = halves(ticks);
        [high.to_le_bytes(), low.to_le_bytes()].concat()
    };
    let (start, end) = (7_000_000_001, 1_700_000_000_000_000_005);
    let count = |count: u64| count.to_le_bytes().to_vec();
    // draft-ietf-opsawg-pcapng section 4.6: padding belongs to no value, but the parser keeps it.
    let options: Vec<(u16, Vec<u8>)> = vec![
        (1, b"all\0".to_vec()),
        (2, stamp(start)),
        (3, stamp(end)),
        (5, count(4)),
        (6, count(u64::MAX)),
        (7, count(2)),
        (8, count(1)),
        (0, Vec::new()),
    ];
    assert_eq!(found, [(0, halves(end).0, halves(end).1, options)]);
    assert_eq!(read(&bytes).frames.len(), 1);
    // Classic pcap has no place for it.
    let disk = Disk::new(usize::MAX);
    let mut writer = Writer::new("x", disk.clone(), Format::Pcap, Compression::None);
    writer.statistics(&interface, 0, &statistics).unwrap();
    assert_eq!(writer.finish().unwrap().bytes, 24);
}

#[test]
fn interfaces_of_two_sources_or_sections_are_not_one() {
    let disk = Disk::new(usize::MAX);
    let mut writer = Writer::new("x", disk.clone(), Format::Pcapng, Compression::None);
    let interface = Interface::new(LinkType::ETHERNET);
    let other_section = Interface {
        section: 1,
        ..interface.clone()
    };
    writer.write(&frame(1, b"a"), &interface).unwrap();
    writer.write(&frame(2, b"b"), &other_section).unwrap();
    writer.write(&frame(3, b"c"), &interface).unwrap();
    writer.next_source();
    writer.write(&frame(4, b"d"), &interface).unwrap();
    writer.finish().unwrap();
    let outcome = read(&disk.bytes());
    let found: Vec<_> = outcome.frames.iter().map(|frame| frame.interface).collect();
    assert_eq!(found, [Some(0), Some(1), Some(0), Some(2)]);
}

#[test]
fn a_text_too_long_for_an_option_is_cut_between_characters() {
    let disk = Disk::new(usize::MAX);
    let mut writer = Writer::new("x", disk.clone(), Format::Pcapng, Compression::None);
    let comments = ["€".repeat(30_000)];
    let commented = Frame {
        comments: &comments,
        ..frame(1, b"")
    };
    writer
        .write(&commented, &Interface::new(LinkType::ETHERNET))
        .unwrap();
    writer.finish().unwrap();
    // 0xfffc bytes hold 21844 whole characters of three.
    assert_eq!(read(&disk.bytes()).frames[0].comments, ["€".repeat(21_844)]);
}

/// Writes until the disk is full; what the error and the disk then say.
fn fill(limit: usize, format: Format, compression: Compression, step: usize) -> (Error, Vec<u8>) {
    let disk = Disk::new(limit);
    let mut writer = Writer::new("x", disk.clone(), format, compression);
    let interface = Interface::new(LinkType::ETHERNET);
    let error = (1..=1_000)
        .find_map(|number| {
            let flushed = writer
                .write(&frame(number, &[7; 100]), &interface)
                .and_then(|()| {
                    if number % step as u64 == 0 {
                        writer.flush()
                    } else {
                        Ok(())
                    }
                });
            flushed.err()
        })
        .unwrap_or_else(|| writer.finish().unwrap_err());
    assert_eq!(error.kind(), Kind::Write);
    (error, disk.bytes())
}

#[test]
fn a_full_disk_is_told_with_what_is_whole() {
    for limit in [0, 10, 24, 100, 5_000] {
        let (error, bytes) = fill(limit, Format::PcapMicro, Compression::None, 10);
        let whole = limit.saturating_sub(24) / 116;
        assert!(
            error.to_string().contains(&format!("; {whole} frames in ")),
            "{limit}: {error}"
        );
        assert_eq!(bytes.len(), limit);
        if limit >= 24 {
            assert_eq!(read(&bytes).frames.len(), whole);
        }
    }
    for compression in PACKED {
        let (error, bytes) = fill(1_000, Format::Pcapng, compression, 10);
        let frames = read(&bytes).frames.len();
        assert!(frames >= 10);
        let told = frames / 10 * 10;
        assert!(
            error.to_string().contains(&format!("; {told} frames in ")),
            "{error}"
        );
    }
}

#[test]
fn a_failed_writer_stays_failed() {
    let mut writer = Writer::new("x", Disk::new(50), Format::PcapMicro, Compression::None);
    let interface = Interface::new(LinkType::ETHERNET);
    writer.write(&frame(1, &[1; 100]), &interface).unwrap();
    let first = writer.flush().unwrap_err().to_string();
    let again = writer.write(&frame(2, b""), &interface).unwrap_err();
    assert_eq!(again.to_string(), first);
    assert_eq!(writer.finish().unwrap_err().to_string(), first);
}

#[test]
fn a_closed_pipe_is_no_failure() {
    struct Closed;
    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let writer = Writer::new("x", Closed, Format::Pcapng, Compression::None);
    assert_eq!(writer.finish().unwrap_err().kind(), Kind::ClosedPipe);
}

#[test]
fn files_are_made_and_replaced_and_devices_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.pcap.zst");
    std::fs::write(&path, vec![1; 100_000]).unwrap();
    let mut writer = Writer::create(&path).unwrap();
    let interface = Interface::new(LinkType::ETHERNET);
    writer.write(&frame(1, b"only"), &interface).unwrap();
    let written = writer.finish().unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), written.bytes);
    let outcome = Outcome::of(crate::capture::open(&path).unwrap());
    assert_eq!(outcome.frames[0].bytes, b"only");

    let error = Writer::create(folder.path()).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::Usage);
    let mut full = Writer::create(Path::new("/dev/full")).unwrap();
    full.write(&frame(1, b"lost"), &interface).unwrap();
    let error = full.finish().unwrap_err();
    assert_eq!(error.kind(), Kind::Write);
    assert_eq!(
        error.to_string(),
        "writing /dev/full: no space left on device; 0 frames in 0 bytes are written whole, and there may be part of another"
    );
}

/// A writer that is dropped early leaves a whole capture of what it was given.
#[test]
fn nothing_gathered_is_lost_by_dropping() {
    let disk = Disk::new(usize::MAX);
    let mut writer = Writer::new("x", disk.clone(), Format::PcapMicro, Compression::Gzip);
    writer
        .write(&frame(1, b"kept"), &Interface::new(LinkType::ETHERNET))
        .unwrap();
    drop(writer);
    assert_eq!(read(&disk.bytes()).frames[0].bytes, b"kept");
}
