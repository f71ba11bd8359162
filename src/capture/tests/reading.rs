//! What good and merely odd captures mean.

use super::*;

const ORDERS: [Order; 2] = [Order::Little, Order::Big];

#[test]
fn every_pcap_magic_in_either_order_means_the_same_frame() {
    for order in ORDERS {
        for (magic, fraction) in [(MICRO, 250_000), (NANO, 250_000_000), (MODIFIED, 250_000)] {
            let mut file = pcap(order, magic, 65_535, 101);
            for seconds in [0, 1 << 31, u32::MAX] {
                file.extend(record(order, [seconds, fraction, 3, 60], &[]));
                if magic == MODIFIED {
                    file.extend([0xee; 8]);
                }
                file.extend([1, 2, 3]);
            }
            let outcome = read(&file);
            assert!(outcome.error.is_none(), "{magic:x} {:?}", outcome.error);
            assert_eq!(outcome.notices, [""; 0]);
            assert_eq!(outcome.frames.len(), 3);
            for (frame, seconds) in outcome.frames.iter().zip([0, 1 << 31, (1 << 32) - 1]) {
                assert_eq!(frame.time, at(seconds, 250_000_000));
                assert_eq!((frame.wire_len, &frame.bytes[..]), (60, &[1, 2, 3][..]));
                assert_eq!(frame.link_type, LinkType::RAW);
                assert_eq!(frame.interface, None);
            }
            let digits = outcome.interfaces[0].resolution.digits();
            assert_eq!(digits, if magic == NANO { 9 } else { 6 });
        }
    }
}

#[test]
fn a_header_alone_is_a_capture_of_no_frames() {
    for file in [counting(0), shb(Order::Big)] {
        let outcome = read(&file);
        assert!(outcome.error.is_none());
        assert!(outcome.frames.is_empty());
    }
    let link = reader(&counting(0)).unwrap().interfaces()[0].link_type;
    assert_eq!(link, LinkType::ETHERNET);
}

/// Before 2.3 the two lengths stood the other way round, in 2.3 either way (pcap-savefile(5)).
#[test]
fn old_versions_have_their_lengths_elsewhere() {
    let lengths = |version, first, second| {
        let mut file = pcap_version(Order::Little, MICRO, version, 65_535, 1);
        file.extend(record(Order::Little, [1, 0, first, second], &[7; 3]));
        let outcome = read(&file);
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        (outcome.frames[0].bytes.len(), outcome.frames[0].wire_len)
    };
    assert_eq!(lengths((2, 4), 3, 60), (3, 60));
    assert_eq!(lengths((2, 3), 3, 60), (3, 60));
    assert_eq!(lengths((2, 3), 60, 3), (3, 60));
    assert_eq!(lengths((2, 2), 60, 3), (3, 60));
    assert_eq!(lengths((543, 0), 60, 3), (3, 60));
}

#[test]
fn what_cannot_be_read_is_refused_by_name() {
    let refused = |file: &[u8]| {
        let error = reader(file).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        error.to_string()
    };
    let version = |version| pcap_version(Order::Big, NANO, version, 65_535, 1);
    assert!(refused(&version((7, 4))).contains("pcap version 7.4 is unknown"));
    assert!(refused(&version((2, 5))).contains("pcap version 2.5 is unknown"));
    assert!(refused(&version((1, 2))).contains("pcap version 1.2 is unknown"));
    let reserved = pcap(Order::Little, MICRO, 65_535, 0x0030_0001);
    assert!(refused(&reserved).contains("link type 0x00300001 has reserved bits"));
    assert_eq!(refused(b""), "reading x: empty: not a capture");
    assert_eq!(
        refused(b"PK\x03\x04 and more"),
        "reading x: not a pcap or pcapng capture (the first bytes are 50 4b 03 04)"
    );
    assert!(refused(b"PK").contains("the first bytes are 50 4b"));
}

#[test]
fn the_check_sequence_bits_are_no_part_of_the_link_type() {
    let outcome = read(&pcap(Order::Little, MICRO, 65_535, 0x2400_0001));
    assert_eq!(
        outcome.notices,
        ["the file header says that every frame ends in 4 bytes of frame check sequence"]
    );
    // Without the bit that says so, the length means nothing.
    let mut file = pcap(Order::Little, MICRO, 65_535, 0x3000_0084);
    file.extend(record(Order::Little, [1, 0, 0, 0], &[]));
    let outcome = read(&file);
    assert_eq!(outcome.notices, [""; 0]);
    assert_eq!(outcome.frames[0].link_type, LinkType(0x84));
}

#[test]
fn a_fraction_of_more_than_a_second_is_carried() {
    let time = |magic, fraction| {
        let mut file = pcap(Order::Little, magic, 65_535, 1);
        file.extend(record(Order::Little, [10, fraction, 0, 0], &[]));
        read(&file).frames[0].time
    };
    assert_eq!(time(MICRO, 999_999), at(10, 999_999_000));
    assert_eq!(time(MICRO, 1_000_000), at(11, 0));
    assert_eq!(time(MICRO, u32::MAX), at(10 + 4_294, 967_295_000));
    assert_eq!(time(NANO, u32::MAX), at(10 + 4, 294_967_295));
}

#[test]
fn odd_lengths_are_read_and_said_once() {
    let mut file = pcap(Order::Little, MICRO, 40, 1);
    for _ in 0..2 {
        file.extend(record(Order::Little, [1, 0, 60, 50], &[1; 60]));
    }
    let mut next = shb(Order::Big);
    next.extend(idb(Order::Big, 1, 40, &[]));
    for _ in 0..2 {
        let body = Order::Big.words(&[0, 0, 0, 60, 50]);
        next.extend(block(Order::Big, 6, &[&body[..], &[1; 60]].concat()));
    }
    for (file, byte) in [(file, 24), (next, 28 + 20)] {
        let outcome = read(&file);
        assert!(outcome.error.is_none());
        assert_eq!(outcome.frames.len(), 2);
        assert_eq!(outcome.frames[1].bytes.len(), 60);
        assert_eq!(outcome.frames[1].wire_len, 50);
        assert_eq!(
            outcome.notices,
            [
                format!(
                    "frame 1 at byte {byte}: captured length 60 exceeds the snaplen 40; read anyway"
                ),
                format!(
                    "frame 1 at byte {byte}: captured length 60 exceeds the length on the wire 50; read anyway"
                ),
            ]
        );
    }
    // A snaplen of 0 is no limit.
    let mut file = pcap(Order::Little, MICRO, 0, 9_999);
    file.extend(record(Order::Little, [1, 0, 60, 60], &[1; 60]));
    let outcome = read(&file);
    assert_eq!(outcome.notices, [""; 0]);
    assert_eq!(outcome.frames[0].link_type, LinkType(9_999));
}

#[test]
fn packet_blocks_of_every_kind_are_frames_and_others_are_not() {
    for order in ORDERS {
        let mut file = shb(order);
        let name = [option(order, 2, b"eth0"), option(order, 3, b"up\xfflink")].concat();
        file.extend(idb(order, 1, 3, &name));
        file.extend(idb(order, 101, 0, &option(order, 9, &[9])));
        let other_blocks = |file: &mut Vec<u8>| {
            for block_type in [4, 5, 9, 10, 0xbad, 0x4000_0bad, 0x8000_0001, 77] {
                file.extend(block(order, block_type, b"anything at all "));
            }
        };
        other_blocks(&mut file);
        let flags = |flags: u32| option(order, 2, &order.u32(flags));
        let options = [
            option(order, 1, b"first"),
            flags(0b10 | 1 << 9 | 1 << 11),
            option(order, 2_988, b"ours"),
            option(order, 1, b"sec\xffond"),
            option(order, 0, b""),
            option(order, 1, b"after the end"),
        ];
        file.extend(epb(order, 1, 7_250_000_001, b"abcde", &options.concat()));
        other_blocks(&mut file);
        // A simple packet block: the snaplen of interface 0 cuts it to 3.
        file.extend(block(order, 3, &[&order.u32(9)[..], b"xyz"].concat()));
        other_blocks(&mut file);
        // An obsolete packet block: interface 1, 5 drops.
        let mut body = [order.u16(1), order.u16(5)].concat();
        body.extend(order.words(&[1, 2_955_032_706, 2, 60]));
        body.extend(b"pq\0\0");
        body.extend(flags(0b01 | 1 << 10));
        file.extend(block(order, 2, &body));
        other_blocks(&mut file);

        let outcome = read(&file);
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        let [enhanced, simple, obsolete] = &outcome.frames[..] else {
            panic!("{:?}", outcome.frames);
        };
        assert_eq!(
            *enhanced,
            Owned {
                number: 1,
                time: at(7, 250_000_001),
                link_type: LinkType::RAW,
                wire_len: 5,
                bytes: b"abcde".to_vec(),
                interface: Some(1),
                direction: Some(Direction::Out),
                offload: Offload {
                    checksum_not_ready: true,
                    checksum_valid: false,
                    segmentation: true,
                },
                comments: vec!["first".into(), "sec\u{fffd}ond".into()],
            }
        );
        assert_eq!(simple.time, None);
        assert_eq!((simple.wire_len, &simple.bytes[..]), (9, &b"xyz"[..]));
        assert_eq!((simple.number, simple.interface), (2, Some(0)));
        assert_eq!(simple.link_type, LinkType::ETHERNET);
        assert_eq!(obsolete.time, at(7, 250_000_002));
        assert_eq!((obsolete.wire_len, &obsolete.bytes[..]), (60, &b"pq"[..]));
        assert_eq!(obsolete.direction, Some(Direction::In));
        assert!(obsolete.offload.checksum_valid);
        let first = &outcome.interfaces[1];
        assert_eq!(first.name.as_deref(), Some("eth0"));
        assert_eq!(first.description.as_deref(), Some("up\u{fffd}link"));
        assert_eq!((first.snaplen, first.resolution.digits()), (3, 6));
        assert_eq!(outcome.interfaces[0].resolution.digits(), 9);
    }
}

#[test]
fn each_section_has_its_own_order_and_interfaces() {
    let mut file = Vec::new();
    for (index, order) in [Order::Little, Order::Big, Order::Little]
        .into_iter()
        .enumerate()
    {
        // A section length that lies is not believed.
        file.extend(shb_version(order, (1, 0), [4, 1 << 40, u64::MAX][index]));
        file.extend(idb(order, [1, 101, 113][index], 0, &[]));
        for _ in 0..2 {
            file.extend(epb(order, 0, 1_000_000 * index as u64, b"abc", &[]));
        }
    }
    for outcome in [
        read(&file),
        Outcome::of(Reader::new("x", Trickle::new(&file, &[1])).unwrap()),
    ] {
        assert!(outcome.error.is_none());
        let links: Vec<u16> = outcome
            .frames
            .iter()
            .map(|frame| frame.link_type.0)
            .collect();
        assert_eq!(links, [1, 1, 101, 101, 113, 113]);
        for (frame, interface) in outcome.frames.iter().zip(&outcome.interfaces) {
            assert_eq!(frame.link_type, interface.link_type);
            assert_eq!(frame.time, at(i64::from(interface.section), 0));
        }
    }
}

#[test]
fn time_resolutions_and_offsets_never_overflow() {
    for order in ORDERS {
        for resolution in [0, 6, 9, 20, 127, 128, 128 | 63, 255] {
            for offset in [i64::MIN, -1, 0, i64::MAX] {
                let bytes = match order {
                    Order::Little => offset.to_le_bytes(),
                    Order::Big => offset.to_be_bytes(),
                };
                let options = [option(order, 9, &[resolution]), option(order, 14, &bytes)];
                let mut file = shb(order);
                file.extend(idb(order, 1, 0, &options.concat()));
                file.extend(epb(order, 0, u64::MAX, b"", &[]));
                file.extend(epb(order, 0, 0, b"", &[]));
                let outcome = read(&file);
                assert!(outcome.error.is_none());
                assert_eq!(outcome.frames[1].time, at(offset, 0));
            }
        }
    }
}

#[test]
fn damaged_options_never_cost_the_frame() {
    let order = Order::Little;
    let long = [order.u16(2), order.u16(60_000)].concat();
    let endless = option(order, 1, b"no end");
    let cut = order.u16(1).to_vec();
    for options in [long, endless, cut] {
        let mut file = shb(order);
        file.extend(idb(order, 1, 0, &options));
        file.extend(epb(order, 0, 1, b"abcd", &options));
        let outcome = read(&file);
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        assert_eq!(outcome.frames.len(), 1);
    }
}

#[test]
fn numbers_run_on_over_several_files() {
    let mut reader = reader(&counting(3)).unwrap();
    reader.set_first_number(41);
    let outcome = Outcome::of(reader);
    assert_eq!(outcome.frames[0].number, 41);
    assert_eq!(outcome.frames[2].number, 43);
}

#[test]
fn frames_larger_than_a_chunk_come_whole() {
    let mut file = pcap(Order::Little, MICRO, 4 << 20, 1);
    for size in [1_u32, 1 << 20, 2, 4 << 20, 3] {
        let bytes = vec![size as u8 ^ 0x5a; size as usize];
        file.extend(record(Order::Little, [1, 0, size, size], &bytes));
    }
    for sizes in [&[usize::MAX][..], &[70_000], &[300_000, 1]] {
        let outcome = Outcome::of(Reader::new("x", Trickle::new(&file, sizes)).unwrap());
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        let lengths: Vec<_> = outcome
            .frames
            .iter()
            .map(|frame| frame.bytes.len())
            .collect();
        assert_eq!(lengths, [1, 1 << 20, 2, 4 << 20, 3]);
        assert!(outcome.frames[3].bytes.iter().all(|byte| *byte == 0x5a));
    }
}

/// What a pipe delivers is handed on with the read that completes it.
#[test]
fn a_frame_is_handed_on_by_the_read_that_completes_it() {
    let file = counting(3);
    // The header, frame 1 and half of frame 2; the rest of it and frame 3.
    let sizes = [4, 20 + 17 + 9, 9 + 19, 1];
    let mut reader = Reader::new("x", Trickle::new(&file, &sizes)).unwrap();
    assert_eq!(
        reader.position().load(std::sync::atomic::Ordering::Relaxed),
        24 + 17 + 9
    );
    assert_eq!(reader.next_batch().unwrap().unwrap().len(), 1);
    assert_eq!(reader.next_batch().unwrap().unwrap().len(), 2);
    assert!(reader.next_batch().unwrap().is_none());
    assert!(reader.next_batch().unwrap().is_none());
}

#[test]
fn many_interfaces_and_tiny_blocks_cost_little() {
    let order = Order::Little;
    let mut file = shb(order);
    for index in 0..100_000 {
        file.extend(idb(order, 1, 0, &[]));
        file.extend(epb(order, index, 1, b"", &[]));
    }
    let mut reader = reader(&file).unwrap();
    let mut frames = 0;
    while let Some(batch) = reader.next_batch().unwrap() {
        frames += batch.len();
    }
    assert_eq!(frames, 100_000);

    let mut file = shb(order);
    file.extend(idb(order, 1, 0, &[]));
    for _ in 0..1_000_000 {
        file.extend(block(order, 0x7777, b""));
    }
    file.extend(epb(order, 0, 1, b"last", &[]));
    let outcome = read(&file);
    assert_eq!(outcome.frames.len(), 1);
    assert_eq!(outcome.frames[0].number, 1);
}

#[test]
fn many_sections_cost_no_more_than_their_bytes() {
    let order = Order::Big;
    let section = [
        shb(order),
        idb(order, 1, 0, &[]),
        epb(order, 0, 1, b"", &[]),
    ]
    .concat();
    let file = section.repeat(100_000);
    let mut reader = reader(&file).unwrap();
    let mut frames = 0;
    while let Some(batch) = reader.next_batch().unwrap() {
        frames += batch.len();
    }
    assert_eq!(frames, 100_000);
}

#[test]
fn opening_what_is_no_file_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |path: &std::path::Path| {
        let error = crate::capture::open(path).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
        error.to_string()
    };
    assert!(refused(folder.path()).contains("it is a directory"));
    let missing = refused(&folder.path().join("missing.pcap"));
    assert!(
        missing.ends_with("missing.pcap: no such file or directory"),
        "{missing}"
    );
    let empty = folder.path().join("empty.pcap");
    std::fs::write(&empty, b"").unwrap();
    assert!(refused(&empty).ends_with("empty.pcap: empty: not a capture"));
    assert!(refused("/dev/null".as_ref()).ends_with("empty: not a capture"));
    let whole = folder.path().join("whole.pcap");
    std::fs::write(&whole, counting(2)).unwrap();
    let reader = crate::capture::open(&whole).unwrap();
    assert_eq!(reader.size(), Some(24 + 17 + 18));
    assert_eq!(Outcome::of(reader).frames.len(), 2);
}

#[test]
fn copied_frames_are_the_same_frames() {
    let outcome = read(&counting(3));
    let mut reader = reader(&counting(3)).unwrap();
    let batch = reader.next_batch().unwrap().unwrap();
    let interfaces = Arc::new(batch.interfaces().to_vec());
    let copy = Batch::copied(1, batch.frames(), interfaces);
    let copied: Vec<Owned> = copy.frames().map(Owned::from).collect();
    assert_eq!(copied, outcome.frames);
}
