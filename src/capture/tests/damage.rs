//! Damaged captures: every frame before the damage, then where it is, then the end.

use super::*;

/// Where frame `number` of [`counting`] begins.
fn begin(number: usize) -> usize {
    24 + (1..number).map(|bytes| 16 + bytes).sum::<usize>()
}

#[test]
fn a_file_header_cut_anywhere_is_damage() {
    for length in 1..24 {
        let error = reader(&counting(1)[..length]).map(|_| ()).unwrap_err();
        assert_eq!(error.kind(), Kind::Damaged, "{length}: {error}");
        assert!(
            error.to_string().contains(&format!("{length} are there")),
            "{error}"
        );
    }
    for length in 1..28 {
        let error = match reader(&shb(Order::Big)[..length]) {
            Ok(reader) => Outcome::of(reader).error.unwrap(),
            Err(error) => error,
        };
        assert_eq!(error.kind(), Kind::Damaged, "{length}: {error}");
    }
}

#[test]
fn a_record_cut_anywhere_costs_only_itself() {
    let file = counting(4);
    for length in begin(4)..file.len() {
        let outcome = read(&file[..length]);
        assert_eq!(outcome.frames.len(), 3, "{length}");
        let rest = length - begin(4);
        if rest == 0 {
            assert!(outcome.error.is_none());
            continue;
        }
        let what = if rest < 16 {
            format!("the file ends inside a record header: 16 bytes expected, {rest} are there")
        } else {
            let rest = rest - 16;
            format!("the file ends inside a record: 4 captured bytes expected, {rest} are there")
        };
        let whole = format!("reading x: damaged at byte {}, frame 4: {what}", begin(4));
        assert_eq!(outcome.damage(), whole);
    }
}

#[test]
fn an_impossible_captured_length_is_refused_without_waiting_for_it() {
    for length in [300_000, u32::MAX] {
        let mut file = counting(2);
        file.extend(record(Order::Little, [1, 0, length, length], &[]));
        file.extend(counting(9));
        let outcome = read(&file);
        assert_eq!(outcome.frames.len(), 2);
        assert_eq!(
            outcome.damage(),
            format!(
                "reading x: damaged at byte {}, frame 3: a captured length of {length} bytes, more than the 262144 that are possible here",
                begin(3)
            )
        );
    }
}

/// A block length that cannot be, at the third block of a section with one good frame.
#[test]
fn an_impossible_block_length_stops_at_its_block() {
    for order in [Order::Little, Order::Big] {
        let good = [
            shb(order),
            idb(order, 1, 0, &[]),
            epb(order, 0, 1, b"abcd", &[]),
        ]
        .concat();
        let place = format!("reading x: damaged at byte {}, frame 2: ", good.len());
        for (length, why) in [
            (0, "less than the 12 of an empty block"),
            (4, "less than the 12 of an empty block"),
            (11, "less than the 12 of an empty block"),
            (13, "not a multiple of 4"),
            (0xffff_fffc, "more than the 16777216 that are possible here"),
        ] {
            let mut file = good.clone();
            let bad = epb(order, 0, 2, b"abcd", &[]);
            file.extend_from_slice(&bad[..4]);
            file.extend(order.u32(length));
            file.extend_from_slice(&bad[8..]);
            let outcome = read(&file);
            assert_eq!(outcome.frames.len(), 1);
            let expected = format!("{place}a block length of {length} bytes, {why}");
            assert_eq!(outcome.damage(), expected);
        }
        let mut file = [&good[..], &epb(order, 0, 2, b"abcd", &[])].concat();
        let end = file.len() - 4;
        file[end..].copy_from_slice(&order.u32(40));
        let outcome = read(&file);
        assert_eq!(outcome.frames.len(), 1);
        assert!(outcome.damage().ends_with("whose last field says 40 bytes"));
    }
}

#[test]
fn a_block_cut_anywhere_costs_only_itself() {
    let order = Order::Big;
    let good = [
        shb(order),
        idb(order, 1, 0, &[]),
        epb(order, 0, 1, b"abcd", &[]),
    ]
    .concat();
    let file = [&good[..], &epb(order, 0, 2, b"efgh", &[])].concat();
    for length in good.len() + 1..file.len() {
        let outcome = read(&file[..length]);
        assert_eq!(outcome.frames.len(), 1, "{length}");
        let rest = length - good.len();
        let expected = if rest < 12 {
            format!("block header: 12 bytes expected, {rest} are there")
        } else {
            format!("block: 36 bytes expected, {rest} are there")
        };
        assert!(
            outcome.damage().ends_with(&expected),
            "{}",
            outcome.damage()
        );
    }
}

#[test]
fn a_packet_that_contradicts_its_block_or_section_is_damage() {
    let order = Order::Little;
    let section = [shb(order), idb(order, 1, 0, &[])].concat();
    let damage = |start: &[u8], bad: &[u8]| {
        let damage = read(&[start, bad].concat()).damage();
        let at = format!("at byte {}, frame 1: ", start.len());
        assert!(damage.contains(&at), "{damage}");
        damage.split_once(&at).unwrap().1.to_owned()
    };
    assert_eq!(
        damage(&section, &epb(order, 7, 1, b"abcd", &[])),
        "a packet of interface 7, but only interface 0 is described"
    );
    let two = [&section[..], &idb(order, 1, 0, &[])].concat();
    assert_eq!(
        damage(&two, &epb(order, 2, 1, b"abcd", &[])),
        "a packet of interface 2, but only 0 to 1 are described"
    );
    assert_eq!(
        damage(&shb(order), &epb(order, 0, 1, b"abcd", &[])),
        "a packet of interface 0 before any interface is described"
    );
    assert_eq!(
        damage(&shb(order), &block(order, 3, &order.u32(0))),
        "a packet of interface 0 before any interface is described"
    );
    let long = order.words(&[0, 0, 0, 9, 9, 0, 0]);
    assert_eq!(
        damage(&section, &block(order, 6, &long)),
        "a captured length of 9 bytes in an enhanced packet block with room for 8"
    );
    let huge = order.words(&[0, 0, 0, u32::MAX, 9]);
    assert!(damage(&section, &block(order, 6, &huge)).contains("4294967295 bytes"));
    let simple = order.words(&[9, 0, 0]);
    assert!(damage(&section, &block(order, 3, &simple)).contains("room for 8"));
    for (block_type, fixed) in [(6, 20), (2, 20), (3, 4)] {
        for body in (0..fixed).step_by(4) {
            let short = damage(&section, &block(order, block_type, &vec![0; body]));
            assert!(short.contains("without"), "{short}");
        }
        let whole = block(order, block_type, &vec![0; fixed]);
        assert_eq!(read(&[&section[..], &whole].concat()).frames.len(), 1);
    }
}

#[test]
fn a_section_header_that_is_none_is_damage() {
    let order = Order::Little;
    let good = [
        shb(order),
        idb(order, 1, 0, &[]),
        epb(order, 0, 1, b"abcd", &[]),
    ]
    .concat();
    let mut magic = shb(order);
    magic[8..12].copy_from_slice(&[1, 2, 3, 4]);
    let version = shb_version(order, (2, 0), u64::MAX);
    for (bad, why) in [
        (magic, "whose byte-order magic is 01 02 03 04"),
        (
            version,
            "pcapng version 2.0 is unknown; versions 1.0 and 1.2 can be read",
        ),
        (
            block(order, 0x0a0d_0d0a, &order.u32(0x1a2b_3c4d)),
            "without a version",
        ),
    ] {
        let outcome = read(&[&good[..], &bad, &good].concat());
        assert_eq!(outcome.frames.len(), 1);
        assert!(outcome.damage().ends_with(why), "{}", outcome.damage());
        assert!(outcome.damage().contains("frame 2"));
        assert!(read(&bad).damage().contains("at byte 0, frame 1"));
    }
}

#[test]
fn more_interfaces_than_any_host_has_are_refused() {
    let order = Order::Little;
    let mut file = shb(order);
    for _ in 0..=1 << 17 {
        file.extend(idb(order, 1, 0, &[]));
    }
    assert!(
        read(&file)
            .damage()
            .ends_with("a section with more than 131072 interfaces")
    );
}

#[test]
fn a_failing_read_is_told_after_the_frames_before_it() {
    struct Failing(Cursor<Vec<u8>>);
    impl Read for Failing {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            match self.0.read(room)? {
                0 => Err(io::Error::from_raw_os_error(5)),
                count => Ok(count),
            }
        }
    }
    let reader = Reader::new("x", Failing(Cursor::new(counting(2)))).unwrap();
    let outcome = Outcome::of(reader);
    assert_eq!(outcome.frames.len(), 2);
    let at = begin(3);
    assert_eq!(
        outcome.damage(),
        format!("reading x: damaged at byte {at}, frame 3: input/output error")
    );
}
