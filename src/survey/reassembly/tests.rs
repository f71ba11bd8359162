//! Datagrams in pieces: in any order, overlapping as each policy sees it, and without end.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::type_complexity,
    reason = "a test that cannot build its fragment has failed"
)]

use proptest::prelude::*;

use super::datagram::Whole;
use super::*;
use crate::wire::checksum::checksum;
use crate::wire::frame::Offload;
use crate::wire::packet::{Judge, dissect};

/// A fragment of datagram `id` from 192.0.2.1 to 192.0.2.2: its frame's bytes.
fn fragment(id: u16, offset: u16, more: bool, data: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + data.len()).unwrap();
    let mut bytes = vec![0x45, 0];
    bytes.extend(total.to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.extend(((u16::from(more) << 13) | (offset / 8)).to_be_bytes());
    bytes.extend([64, 253, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
    let sum = checksum(&bytes).to_be_bytes();
    bytes[10..12].copy_from_slice(&sum);
    bytes.extend(data);
    bytes
}

fn track(reassembly: &mut Reassembly, number: u64, seconds: i64, bytes: &[u8]) -> Seen {
    let frame = Frame {
        number,
        time: Some(Time {
            seconds,
            nanoseconds: 0,
        }),
        link_type: LinkType::IPV4,
        wire_len: u32::try_from(bytes.len()).unwrap(),
        bytes,
        interface: None,
        direction: None,
        offload: Offload::default(),
        comments: &[],
    };
    let mut packet = Packet::new();
    dissect(&frame, Judge::ALL, &mut packet);
    let mut seen = reassembly.track(&frame, &packet);
    seen.together.splice(..0, reassembly.overdue(&packet));
    seen
}

fn with(policy: Policy) -> Reassembly {
    Reassembly::new(Options {
        assemble: true,
        policy,
        memory: 32 << 20,
        complete: true,
    })
}

/// What several fragments show, one list a fragment, frames numbered from 1.
fn found(reassembly: &mut Reassembly, frames: &[(i64, Vec<u8>)]) -> Vec<Vec<(Anomaly, Vec<u64>)>> {
    (1..)
        .zip(frames)
        .map(|(number, (seconds, bytes))| {
            let seen = track(reassembly, number, *seconds, bytes);
            let together = seen.together.into_iter();
            together
                .map(|(anomaly, _, frames)| (anomaly, frames))
                .collect()
        })
        .collect()
}

/// The data of the datagram that these fragments make, if they do.
fn made(policy: Policy, pieces: &[(u16, bool, &[u8])]) -> Option<Vec<u8>> {
    let mut reassembly = with(policy);
    let mut made = None;
    for (number, (offset, more, data)) in (1..).zip(pieces) {
        let seen = track(
            &mut reassembly,
            number,
            0,
            &fragment(7, *offset, *more, data),
        );
        made = made.or(seen.whole);
    }
    made.map(|whole| whole.bytes[20..].to_vec())
}

/// The same as one letter for eight bytes.
fn letters(policy: Policy, pieces: &[(u16, &str)]) -> Option<String> {
    let end = pieces
        .iter()
        .map(|(at, text)| usize::from(*at) + text.len())
        .max()?;
    let spread: Vec<(u16, bool, Vec<u8>)> = pieces
        .iter()
        .map(|(at, text)| {
            let more = usize::from(*at) + text.len() < end;
            let data = text.bytes().flat_map(|letter| [letter; 8]).collect();
            (at * 8, more, data)
        })
        .collect();
    let borrowed: Vec<_> = spread
        .iter()
        .map(|(at, more, data)| (*at, *more, data.as_slice()))
        .collect();
    let data = made(policy, &borrowed)?;
    Some(data.chunks(8).map(|eight| char::from(eight[0])).collect())
}

#[test]
fn the_whole_has_the_header_of_an_unfragmented_datagram() {
    let mut reassembly = with(Policy::Linux);
    assert_eq!(
        track(&mut reassembly, 4, 0, &fragment(7, 16, false, &[2; 5])).whole,
        None
    );
    let seen = track(&mut reassembly, 9, 0, &fragment(7, 0, true, &[1; 16]));
    let data = [[1; 16].as_slice(), &[2; 5]].concat();
    assert_eq!(
        seen.whole,
        Some(Whole {
            link_type: LinkType::IPV4,
            bytes: fragment(7, 0, false, &data),
            length: 41,
            frames: vec![4, 9],
        })
    );
    assert_eq!(
        reassembly.counts(),
        Counts {
            whole: 1,
            ..Counts::default()
        }
    );
}

/// Shankar and Paxson's figure of 2003 in small: overlaps on the left, on the right, in the
/// middle, enclosing and enclosed. The last piece closes the datagram.
#[test]
fn each_policy_believes_whom_it_says() {
    let cases: [(&[(u16, &str)], [&str; 5]); 7] = [
        // (pieces), then first, last, bsd, windows, solaris
        // The new one starts inside the old and goes on.
        (
            &[(0, "AA"), (1, "BB"), (3, "E")],
            ["AABE", "ABBE", "AABE", "AABE", "AABE"],
        ),
        // The new one starts before the old and ends in it.
        (
            &[(1, "AA"), (0, "BB"), (3, "E")],
            ["BAAE", "BBAE", "BBAE", "BAAE", "BAAE"],
        ),
        // The new one lies in the old.
        (
            &[(0, "AAA"), (1, "B"), (3, "E")],
            ["AAAE", "ABAE", "AAAE", "AAAE", "AAAE"],
        ),
        // The new one reaches past the old on both sides.
        (
            &[(1, "A"), (0, "BBB"), (3, "E")],
            ["BABE", "BBBE", "BBBE", "BBBE", "BBBE"],
        ),
        // Both start alike, the new one is longer.
        (
            &[(0, "A"), (0, "BB"), (2, "E")],
            ["ABE", "BBE", "ABE", "ABE", "ABE"],
        ),
        // Both end alike, the new one starts before.
        (
            &[(1, "A"), (0, "BB"), (2, "E")],
            ["BAE", "BBE", "BBE", "BAE", "BBE"],
        ),
        // The same place.
        (
            &[(0, "AA"), (0, "BB"), (2, "E")],
            ["AAE", "BBE", "AAE", "AAE", "AAE"],
        ),
    ];
    let policies = [
        Policy::First,
        Policy::Last,
        Policy::Bsd,
        Policy::Windows,
        Policy::Solaris,
    ];
    for (pieces, expected) in cases {
        for (policy, expected) in policies.into_iter().zip(expected) {
            let letters = letters(policy, pieces);
            assert_eq!(letters.as_deref(), Some(expected), "{policy} of {pieces:?}");
        }
    }
}

/// net/ipv4/ip_fragment.c and `inet_frag_queue_insert` of Linux.
#[test]
fn linux_discards_on_overlap_and_ignores_what_lies_within_a_run() {
    let made = |pieces: &[(u16, &str)]| letters(Policy::Linux, pieces);
    assert_eq!(made(&[(0, "AA"), (1, "BB"), (3, "E")]), None, "an overlap");
    assert_eq!(
        made(&[(0, "AA"), (0, "AA"), (2, "E")]).as_deref(),
        Some("AAE"),
        "a copy"
    );
    assert_eq!(
        made(&[(0, "AA"), (0, "BB"), (2, "E")]).as_deref(),
        Some("AAE"),
        "unread"
    );
    assert_eq!(
        made(&[(0, "AAA"), (1, "B"), (3, "E")]).as_deref(),
        Some("AAAE"),
        "within one"
    );
    assert_eq!(
        made(&[(0, "A"), (1, "B"), (0, "CC"), (2, "E")]).as_deref(),
        Some("ABE"),
        "within a run that came in order"
    );
    assert_eq!(
        made(&[(1, "B"), (0, "A"), (0, "CC"), (2, "E")]),
        None,
        "over two runs, which came out of order"
    );
    assert_eq!(
        made(&[(0, "A"), (0, "BB"), (2, "E")]),
        None,
        "longer than what came"
    );
    assert_eq!(
        made(&[(0, "AA"), (1, "BB"), (0, "CC"), (2, "DD")]).as_deref(),
        Some("CCDD"),
        "what comes after a discarded datagram is a new one"
    );
}

#[test]
fn neighbours_and_exact_copies_are_legal_and_a_copied_datagram_comes_again() {
    let mut reassembly = with(Policy::Linux);
    let (first, last) = (
        fragment(7, 0, true, &[1; 16]),
        fragment(7, 16, false, &[2; 16]),
    );
    for (number, (bytes, whole)) in (1..).zip([
        (&first, false),
        (&first, false),
        (&last, true),
        (&last, false),
        (&first, true),
    ]) {
        let seen = track(&mut reassembly, number, 0, bytes);
        assert_eq!(seen.together, [], "frame {number}");
        assert_eq!(seen.whole.is_some(), whole, "frame {number}");
    }
}

#[test]
fn an_overlap_names_the_earlier_frame_and_a_conflict_the_difference() {
    let shown = found(
        &mut with(Policy::Linux),
        &[
            (0, fragment(7, 0, true, &[1; 16])),
            (0, fragment(7, 8, true, &[1; 16])),
            (0, fragment(7, 16, false, &[9; 8])),
            (0, fragment(8, 8, true, &[3; 16])),
        ],
    );
    assert_eq!(
        shown,
        [
            vec![],
            vec![(Anomaly::Ipv4FragmentOverlap, vec![1])],
            vec![
                (Anomaly::Ipv4FragmentOverlap, vec![2]),
                (Anomaly::Ipv4FragmentConflict, vec![2])
            ],
            vec![],
        ]
    );
}

#[test]
fn fragments_that_end_a_datagram_at_two_places_discard_it() {
    let shown = found(
        &mut with(Policy::First),
        &[
            (0, fragment(7, 16, false, &[1; 8])),
            (0, fragment(7, 32, true, &[1; 8])),
        ],
    );
    assert_eq!(shown, [vec![], vec![(Anomaly::Ipv4FragmentEnd, vec![1])]]);
}

#[test]
fn a_minute_later_the_datagram_is_given_up_and_what_it_lacked_is_said() {
    let mut reassembly = with(Policy::Linux);
    let shown = found(
        &mut reassembly,
        &[
            (0, fragment(7, 0, true, &[1; 16])),
            (0, fragment(8, 16, false, &[1; 16])),
            (60, fragment(9, 0, true, &[1; 16])),
            (61, fragment(7, 16, false, &[2; 16])),
        ],
    );
    assert_eq!(
        shown,
        [
            vec![],
            vec![],
            vec![],
            vec![
                (Anomaly::Ipv4FragmentTimeout, vec![1, 2]),
                (Anomaly::Ipv4FragmentMissingFirst, vec![2]),
                (Anomaly::Ipv4FragmentMissingLast, vec![1]),
            ],
        ]
    );
    let counts = reassembly.counts();
    assert_eq!((counts.timed_out, counts.unfinished), (2, 2));
}

#[test]
fn a_frame_of_any_kind_shows_that_time_is_over() {
    let mut reassembly = with(Policy::Linux);
    let at = |seconds| {
        Some(Time {
            seconds,
            nanoseconds: 0,
        })
    };
    assert!(reassembly.is_idle());
    assert!(!reassembly.is_due(at(i64::MAX)));
    track(&mut reassembly, 1, 0, &fragment(7, 8, true, &[1; 16]));
    assert!(!reassembly.is_due(at(60)));
    assert!(!reassembly.is_due(None));
    assert!(reassembly.is_due(at(61)));
    // A clock tells it once, and leaves it to the next frame.
    let late = reassembly.late_by(at(61).unwrap());
    let told = Unfinished {
        source: [192, 0, 2, 1],
        destination: [192, 0, 2, 2],
        protocol: 253,
        identification: 7,
        frames: vec![1],
        lacks_first: true,
        lacks_last: true,
    };
    assert_eq!(late, std::slice::from_ref(&told));
    assert_eq!(reassembly.late_by(at(62).unwrap()), []);
    assert_eq!(reassembly.unfinished().collect::<Vec<_>>(), [told]);
    // No IPv4, no fragment.
    let seen = track(&mut reassembly, 2, 61, &[0; 4]);
    assert_eq!(
        seen.together,
        [
            (Anomaly::Ipv4FragmentTimeout, 0, vec![1]),
            (Anomaly::Ipv4FragmentMissingFirst, 0, vec![1]),
            (Anomaly::Ipv4FragmentMissingLast, 0, vec![1]),
        ]
    );
    assert!(reassembly.is_idle());
    assert_eq!(reassembly.unfinished().count(), 0);
}

#[test]
fn a_conflict_tells_the_bytes() {
    let mut reassembly = with(Policy::Linux);
    track(
        &mut reassembly,
        1,
        0,
        &fragment(7, 8, true, b"abcdefghijklmnop"),
    );
    let seen = track(&mut reassembly, 2, 0, &fragment(7, 16, true, b"ijXlmnYZ"));
    let difference = |offset, length, earlier: &[u8], later: &[u8]| Difference {
        frame: 1,
        offset,
        length,
        earlier: earlier.to_vec(),
        later: later.to_vec(),
    };
    assert_eq!(
        seen.differences,
        [
            difference(18, 1, b"k", b"X"),
            difference(22, 2, b"op", b"YZ")
        ]
    );
    // However much differs, what is told is bounded.
    track(&mut reassembly, 3, 0, &fragment(8, 0, true, &[1; 400]));
    let long = track(&mut reassembly, 4, 0, &fragment(8, 0, true, &[2; 800]));
    let told = Difference {
        frame: 3,
        ..difference(0, 400, &[1; 16], &[2; 16])
    };
    assert_eq!(long.differences, [told]);
    let alternating: Vec<u8> = (0..=255).map(|byte| byte & 1).collect();
    track(&mut reassembly, 5, 0, &fragment(9, 0, true, &[0; 256]));
    let many = track(&mut reassembly, 6, 0, &fragment(9, 0, true, &alternating));
    assert_eq!(many.differences.len(), 8);
}

#[test]
fn a_number_used_again_names_the_datagram_that_had_it() {
    let frames = |seconds: i64| {
        [
            (0, fragment(7, 0, true, &[1; 16])),
            (0, fragment(7, 16, false, &[1; 16])),
            (seconds, fragment(7, 0, true, &[2; 16])),
            (seconds, fragment(7, 16, false, &[2; 16])),
        ]
    };
    let shown = found(&mut with(Policy::Linux), &frames(59));
    let reused = vec![(Anomaly::Ipv4IdentificationReused, vec![1, 2])];
    assert_eq!(shown, [vec![], vec![], reused, vec![]]);
    let shown = found(&mut with(Policy::Linux), &frames(61));
    assert_eq!(shown, vec![vec![]; 4]);
}

/// The second datagram of a number may begin as the first did.
#[test]
fn a_copied_fragment_belongs_to_the_datagram_that_comes_next() {
    let mut reassembly = with(Policy::Linux);
    let shown = found(
        &mut reassembly,
        &[
            (0, fragment(7, 0, true, &[1; 16])),
            (0, fragment(7, 16, false, &[2; 16])),
            (0, fragment(7, 0, true, &[1; 16])),
        ],
    );
    assert_eq!(shown, vec![vec![]; 3]);
    let seen = track(&mut reassembly, 4, 0, &fragment(7, 16, false, &[3; 16]));
    assert_eq!(
        seen.together,
        [(Anomaly::Ipv4IdentificationReused, 0, vec![1, 2])]
    );
    assert_eq!(seen.whole.map(|whole| whole.frames), Some(vec![3, 4]));
}

#[test]
fn what_the_capture_cut_and_what_no_host_would_take_is_not_put_together() {
    let mut reassembly = with(Policy::Linux);
    let mut broken = fragment(7, 0, true, &[1; 16]);
    broken[10] ^= 1;
    assert!(track(&mut reassembly, 1, 0, &broken).whole.is_none());
    let last = fragment(7, 16, false, &[1; 16]);
    assert!(track(&mut reassembly, 2, 0, &last).whole.is_none());
    let first = fragment(7, 0, true, &[1; 16]);
    assert!(track(&mut reassembly, 3, 0, &first).whole.is_some());
    // A frame shorter than its total length says.
    let cut = fragment(8, 16, false, &[1; 16]);
    assert!(
        track(&mut reassembly, 4, 0, cut.get(..28).unwrap())
            .whole
            .is_none()
    );
    let first = fragment(8, 0, true, &[1; 16]);
    assert!(track(&mut reassembly, 5, 0, &first).whole.is_none());
    assert_eq!(reassembly.counts().cut, 1);
}

#[test]
fn memory_is_bounded_under_a_flood_of_datagrams_and_of_pieces() {
    let mut reassembly = Reassembly::new(Options::default());
    for id in 0..=u16::MAX {
        track(
            &mut reassembly,
            u64::from(id),
            0,
            &fragment(id, 0, true, &[1; 256]),
        );
    }
    let bound = Options::default().memory;
    assert!(reassembly.cost <= bound && reassembly.entries.len() < bound / 256);
    assert!(reassembly.order.len() <= 2 * reassembly.entries.len() + 1024);
    assert!(reassembly.counts().evicted > 60_000);
    // Backwards, and each longer than needed: the worst order for every list.
    for offset in (0..8000).rev() {
        track(
            &mut reassembly,
            1,
            0,
            &fragment(7, offset * 8, true, &[1; 64]),
        );
    }
    // The same number again and again leaves nothing behind.
    for number in 0..5000_u64 {
        let data = [number.to_le_bytes()[0]; 8];
        track(&mut reassembly, number, 0, &fragment(9, 0, true, &data));
        track(&mut reassembly, number, 0, &fragment(9, 8, false, &data));
    }
    assert!(
        reassembly.order.len() <= 2 * reassembly.entries.len() + 1024 && reassembly.cost <= bound
    );
    let kept: usize = reassembly
        .entries
        .values()
        .map(|entry| entry.datagram.cost)
        .sum();
    assert_eq!(kept, reassembly.cost);
}

/// Data, the places to cut it, and an order of its pieces, some of which come twice.
fn in_pieces() -> impl Strategy<Value = (Vec<u8>, Vec<(usize, usize)>)> {
    let data = prop::collection::vec(any::<u8>(), 1..2000);
    let cuts = prop::collection::btree_set(1..250_usize, 0..20);
    (data, cuts).prop_flat_map(|(data, cuts)| {
        let mut ends: Vec<usize> = cuts
            .iter()
            .map(|at| at * 8)
            .filter(|at| *at < data.len())
            .collect();
        ends.push(data.len());
        let starts = [0].into_iter().chain(ends.iter().copied());
        let pieces: Vec<_> = starts.zip(ends.iter().copied()).collect();
        let twice = prop::sample::subsequence(pieces.clone(), 0..=pieces.len());
        let order =
            twice.prop_flat_map(move |twice| Just([pieces.clone(), twice].concat()).prop_shuffle());
        (Just(data), order)
    })
}

proptest! {
    #[test]
    fn any_order_of_fragments_makes_the_datagram((data, pieces) in in_pieces()) {
        for policy in Policy::ALL {
            let mut reassembly = with(*policy);
            let mut whole = None;
            for (number, &(start, end)) in (1..).zip(&pieces) {
                let piece = data.get(start..end).unwrap_or_default();
                let offset = u16::try_from(start).unwrap_or(0);
                let bytes = fragment(7, offset, end < data.len(), piece);
                let seen = track(&mut reassembly, number, 0, &bytes);
                // One piece is no fragment.
                if pieces.iter().any(|piece| *piece != (0, data.len())) {
                    prop_assert_eq!(seen.together, []);
                }
                whole = whole.or(seen.whole);
            }
            if pieces.iter().any(|piece| *piece != (0, data.len())) {
                prop_assert_eq!(whole.map(|whole| whole.bytes), Some(fragment(7, 0, false, &data)));
            }
        }
    }

    /// Whatever overlaps whatever: the stretches stay in order, apart, and rightly counted.
    #[test]
    fn no_overlap_breaks_the_order(
        pieces in prop::collection::vec((0..12_u16, 1..6_usize, any::<u8>(), any::<bool>()), 1..40),
    ) {
        for policy in Policy::ALL {
            let mut reassembly = with(*policy);
            for (number, (at, len, byte, more)) in (1..).zip(&pieces) {
                let bytes = fragment(7, at * 8, *more, &vec![*byte; len * 8]);
                let seen = track(&mut reassembly, number, 0, &bytes);
                if let Some(whole) = seen.whole {
                    prop_assert_eq!(whole.bytes.len(), whole.length as usize);
                }
                for entry in reassembly.entries.values() {
                    prop_assert!(entry.datagram.is_in_order());
                }
            }
        }
    }
}
