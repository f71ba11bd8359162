//! Whatever is written is read back the same, however it is packed and however it arrives.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::capture::{Compression, Format, Resolution, Writer};

/// A frame of one of two interfaces.
fn frame() -> impl Strategy<Value = Owned> {
    let time = option::weighted(0.9, (0..=u32::MAX, 0..1_000_000_000_u32));
    let bytes = vec(any::<u8>(), 0..200);
    let direction = prop_oneof![
        Just(None),
        Just(Some(Direction::In)),
        Just(Some(Direction::Out)),
    ];
    let offload = any::<[bool; 3]>();
    let comments = vec("[a-zäß€]{0,9}", 0..3);
    (
        time,
        bytes,
        any::<u16>(),
        0..2_u32,
        direction,
        offload,
        comments,
    )
        .prop_map(
            |(time, bytes, extra, interface, direction, offload, comments)| Owned {
                number: 0,
                time: time.map(|(seconds, nanoseconds)| Time {
                    seconds: i64::from(seconds),
                    nanoseconds,
                }),
                link_type: LinkType([1, 101][interface as usize]),
                wire_len: bytes.len() as u32 + u32::from(extra),
                bytes,
                interface: Some(interface),
                direction,
                offload: Offload {
                    checksum_not_ready: offload[0],
                    checksum_valid: offload[1],
                    segmentation: offload[2],
                },
                comments,
            },
        )
}

fn interfaces() -> [Interface; 2] {
    let described = Interface {
        name: Some("eth0".into()),
        description: Some("the first".into()),
        snaplen: 262_144,
        ..Interface::new(LinkType::ETHERNET)
    };
    [described, Interface::new(LinkType::RAW)]
}

fn view(frame: &Owned) -> Frame<'_> {
    Frame {
        number: frame.number,
        time: frame.time,
        link_type: frame.link_type,
        wire_len: frame.wire_len,
        bytes: &frame.bytes,
        interface: frame.interface,
        direction: frame.direction,
        offload: frame.offload,
        comments: &frame.comments,
    }
}

fn written(
    format: Format,
    compression: Compression,
    frames: &[Owned],
    interfaces: &[Interface],
    flush_every: usize,
) -> Vec<u8> {
    let disk = Disk::new(usize::MAX);
    let mut writer = Writer::new("x", disk.clone(), format, compression);
    for (index, frame) in frames.iter().enumerate() {
        let interface = &interfaces[frame.interface.unwrap_or(0) as usize];
        writer.write(&view(frame), interface).unwrap();
        if index % flush_every == 0 {
            writer.flush().unwrap();
        }
    }
    let written = writer.finish().unwrap();
    assert_eq!(written.frames, frames.len() as u64);
    assert_eq!(written.bytes, disk.bytes().len() as u64);
    disk.bytes()
}

fn compression() -> impl Strategy<Value = Compression> {
    prop_oneof![
        Just(Compression::None),
        Just(Compression::Gzip),
        Just(Compression::Zstd),
        Just(Compression::Lz4),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn pcap_gives_back_what_it_can_hold(
        frames in vec(frame(), 0..20),
        nanosecond in any::<bool>(),
        compression in compression(),
        sizes in vec(1..400_usize, 1..5),
        flush_every in 1..10_usize,
    ) {
        let format = if nanosecond { Format::PcapNano } else { Format::PcapMicro };
        let resolution = if nanosecond { Resolution::NANO } else { Resolution::MICRO };
        let frames: Vec<Owned> = frames
            .into_iter()
            .zip(1..)
            .map(|(frame, number)| Owned {
                number,
                interface: None,
                link_type: LinkType::ETHERNET,
                direction: None,
                offload: Offload::default(),
                comments: Vec::new(),
                time: frame.time.map_or(at(0, 0), |time| {
                    let unit = if nanosecond { 1 } else { 1_000 };
                    at(time.seconds, time.nanoseconds / unit * unit)
                }),
                ..frame
            })
            .collect();
        let bytes = written(format, compression, &frames, &interfaces(), flush_every);
        let outcome = Outcome::of(Reader::new("x", Trickle::new(&bytes, &sizes)).unwrap());
        prop_assert!(outcome.error.is_none(), "{:?}", outcome.error);
        prop_assert_eq!(outcome.frames, frames);
        prop_assert!(outcome.interfaces.iter().all(|found| found.resolution == resolution));
    }

    #[test]
    fn pcapng_gives_back_everything(
        frames in vec(frame(), 0..20),
        compression in compression(),
        sizes in vec(1..400_usize, 1..5),
        flush_every in 1..10_usize,
    ) {
        // What is without a time is in a simple packet block, which holds nothing else.
        let frames: Vec<Owned> = frames
            .into_iter()
            .zip(1..)
            .map(|(frame, number)| match frame.time {
                Some(_) => Owned { number, ..frame },
                None => Owned {
                    number,
                    wire_len: frame.bytes.len() as u32,
                    direction: None,
                    offload: Offload::default(),
                    comments: Vec::new(),
                    ..frame
                },
            })
            .collect();
        let known = interfaces();
        let bytes = written(Format::Pcapng, compression, &frames, &known, flush_every);
        let outcome = Outcome::of(Reader::new("x", Trickle::new(&bytes, &sizes)).unwrap());
        prop_assert!(outcome.error.is_none(), "{:?}", outcome.error);
        prop_assert_eq!(outcome.frames.len(), frames.len());
        let found = outcome.frames.into_iter().zip(&outcome.interfaces);
        for ((found, interface), frame) in found.zip(frames) {
            let expected = &known[frame.interface.unwrap() as usize];
            prop_assert_eq!(&Interface { section: 0, ..interface.clone() }, expected);
            // Interfaces are numbered as they first appear in their section.
            prop_assert_eq!(Owned { interface: frame.interface, ..found }, frame);
        }
    }

    /// No bytes whatever make the reader panic, or run on for ever.
    #[test]
    fn no_damage_is_worse_than_an_error(
        frames in vec(frame(), 0..6),
        pcapng in any::<bool>(),
        compression in compression(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        sizes in vec(1..400_usize, 1..5),
    ) {
        let format = if pcapng { Format::Pcapng } else { Format::PcapMicro };
        let frames: Vec<Owned> = frames
            .into_iter()
            .filter(|frame| pcapng || frame.link_type == LinkType::ETHERNET)
            .collect();
        let mut bytes = written(format, compression, &frames, &interfaces(), 3);
        for (place, value) in changes {
            *place.get_mut(&mut bytes) = value;
        }
        if let Ok(reader) = Reader::new("x", Trickle::new(&bytes, &sizes)) {
            Outcome::of(reader);
        }
    }
}
