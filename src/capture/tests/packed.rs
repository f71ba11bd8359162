//! Captures inside gzip, zstd and LZ4, found by content.

use super::*;
use crate::capture::Compression;

const PACKED: [Compression; 3] = [Compression::Gzip, Compression::Zstd, Compression::Lz4];

fn pack(compression: Compression, content: &[u8]) -> Vec<u8> {
    let mut packed = Vec::new();
    compression.pack(content, &mut packed).unwrap();
    packed
}

/// A skippable frame of zstd or LZ4 (RFC 8878 section 3.1.2).
fn skippable(bytes: &[u8]) -> Vec<u8> {
    [
        &[0x5a, 0x2a, 0x4d, 0x18],
        &(bytes.len() as u32).to_le_bytes()[..],
        bytes,
    ]
    .concat()
}

#[test]
fn members_one_after_another_are_one_capture() {
    let file = counting(200);
    for compression in PACKED {
        let packed: Vec<u8> = file
            .chunks(1_000)
            .flat_map(|part| pack(compression, part))
            .collect();
        for sizes in [&[usize::MAX][..], &[1], &[7, 900, 3]] {
            let reader = Reader::new("x", Trickle::new(&packed, sizes)).unwrap();
            assert_eq!(reader.compression(), compression);
            let outcome = Outcome::of(reader);
            assert!(outcome.error.is_none(), "{:?}", outcome.error);
            assert_eq!(outcome.frames, read(&file).frames);
        }
        let empty = reader(&pack(compression, b"")).map(|_| ()).unwrap_err();
        assert_eq!(empty.kind(), Kind::Usage);
        assert_eq!(
            empty.to_string(),
            format!("reading x: empty inside the {compression}: not a capture")
        );
        let twice = reader(&pack(compression, &packed)).map(|_| ()).unwrap_err();
        assert_eq!(twice.kind(), Kind::Usage);
    }
}

#[test]
fn skippable_frames_may_stand_anywhere() {
    let file = counting(20);
    for compression in [Compression::Zstd, Compression::Lz4] {
        let (first, second) = file.split_at(100);
        let packed = [
            skippable(b"an index"),
            skippable(b""),
            pack(compression, first),
            skippable(&[0; 300]),
            pack(compression, b""),
            pack(compression, second),
            skippable(b"the end"),
        ]
        .concat();
        let outcome = read(&packed);
        assert!(outcome.error.is_none(), "{:?}", outcome.error);
        assert_eq!(outcome.frames, read(&file).frames);
    }
    let error = reader(&skippable(b"cut")[..9]).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged);
    assert!(reader(&skippable(b"alone")).is_err());
}

#[test]
fn a_stream_cut_anywhere_is_damage_unless_between_members() {
    // Bytes that do not compress, so that a cut loses little.
    let mut file = pcap(Order::Little, MICRO, 65_535, 1);
    let mut state = 1_u32;
    for number in 0..8 {
        let bytes: Vec<u8> = (0..40)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        file.extend(record(Order::Little, [number, 0, 40, 40], &bytes));
    }
    let whole = read(&file).frames;
    let (first, second) = file.split_at(24 + 4 * 56);
    for compression in PACKED {
        let members = [pack(compression, first), pack(compression, second)];
        let packed = members.concat();
        for length in members[0].len()..packed.len() {
            let outcome = read(&packed[..length]);
            assert!(outcome.frames.len() >= 4, "{compression} {length}");
            assert_eq!(outcome.frames, whole[..outcome.frames.len()]);
            if length == members[0].len() {
                assert!(outcome.error.is_none(), "{:?}", outcome.error);
            } else {
                let damage = outcome.damage();
                let place = format!("after decompression, frame {}: ", outcome.frames.len() + 1);
                assert!(damage.contains(&place), "{damage}");
                assert!(damage.contains(&compression.to_string()), "{damage}");
            }
        }
        for length in 4..members[0].len() {
            let error = match reader(&packed[..length]) {
                Ok(reader) => Outcome::of(reader).error,
                Err(error) => Some(error),
            };
            assert!(error.is_some(), "{compression} {length}");
        }
    }
}

#[test]
fn damage_inside_a_member_is_told() {
    let file = counting(100);
    for compression in PACKED {
        let good = pack(compression, &file);
        let mut bad = pack(compression, &counting(0)[..0]);
        bad.extend_from_slice(&good);
        let middle = bad.len() - good.len() / 2;
        bad[middle] ^= 0x55;
        let outcome = match reader(&bad) {
            Ok(reader) => Outcome::of(reader),
            Err(error) => {
                assert_eq!(error.kind(), Kind::Damaged);
                continue;
            }
        };
        outcome.damage();
    }
}

/// Far more content than memory: what the reader holds does not depend on it.
#[test]
fn a_bomb_is_a_bounded_stream() {
    let mut state = 0_usize;
    for compression in PACKED {
        let part = vec![0_u8; 8 << 20];
        let zeros = pack(compression, &part);
        let mut bomb = pack(compression, &counting(0));
        for _ in 0..32 {
            bomb.extend_from_slice(&zeros);
        }
        let mut reader = reader(&bomb).unwrap();
        let mut frames = 0;
        while let Some(batch) = reader.next_batch().unwrap() {
            state = state.max(
                batch
                    .frames()
                    .map(|frame| frame.bytes.len())
                    .max()
                    .unwrap_or(0),
            );
            frames += batch.len();
        }
        // Records of zeros: no bytes, sixteen of header.
        assert_eq!(frames, 32 * (8 << 20) / 16);
        assert_eq!(state, 0);
    }
}
