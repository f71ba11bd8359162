//! That sums do not depend on how frames were cut into digests, that tables agree with a plain
//! map, and that what a full table says of itself is true.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::fmt::Write as _;

use std::collections::{BTreeMap, HashMap};

use proptest::prelude::*;

use super::flows::{Conversation, Flows, Left};
use super::heap::Heap;
use super::rate::{MOST_BUCKETS, Rate};
use super::table::{Record, Table};
use super::{Digest, Measure, Passage, Span, Stats};
use crate::wire::frame::{Frame, LinkType, Offload, Time};
use crate::wire::packet::{Judge, Packet, dissect};

const SEED: [u64; 2] = [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210];

/// An IPv4 datagram of twenty bytes that carries nothing.
const DATAGRAM: [u8; 20] = [
    0x45, 0, 0, 20, 0, 1, 0, 0, 64, 253, 0x65, 0xea, 10, 0, 0, 1, 10, 0, 0, 2,
];

fn frame(link_type: LinkType, bytes: &[u8]) -> Frame<'_> {
    Frame {
        number: 1,
        time: None,
        link_type,
        wire_len: u32::try_from(bytes.len()).unwrap(),
        bytes,
        interface: None,
        direction: None,
        offload: Offload::default(),
        comments: &[],
    }
}

/// What a frame of a test is made of.
#[derive(Debug, Clone)]
struct Sketch {
    link_type: u16,
    bytes: Vec<u8>,
    wire_len: u32,
    time: Option<Time>,
}

fn moment() -> impl Strategy<Value = Time> {
    let seconds = prop_oneof![4 => 0_i64..3, 2 => -3_i64..3000, 1 => any::<i64>()];
    (seconds, 0_u32..1_000_000_000).prop_map(|(seconds, nanoseconds)| Time {
        seconds,
        nanoseconds,
    })
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let bytes = prop_oneof![
        // Datagrams between few hosts, with whatever else in the header.
        (any::<[u8; 8]>(), 0_u8..4, 0_u8..4).prop_map(|(noise, a, b)| {
            let mut bytes = DATAGRAM.to_vec();
            bytes[0] = if noise[0] < 200 { 0x45 } else { noise[0] };
            bytes[1] = noise[1];
            bytes[6] = noise[2] & 0x60;
            bytes[8] = noise[3];
            bytes[9] = noise[4];
            bytes[15] = a;
            bytes[19] = b;
            bytes.extend(noise);
            bytes
        }),
        prop::collection::vec(any::<u8>(), 0..60),
    ];
    let link_type = prop_oneof![3 => Just(228_u16), 1 => Just(1), 1 => Just(9999)];
    let time = prop::option::weighted(0.9, moment());
    (link_type, bytes, 0_u32..2000, time).prop_map(|(link_type, bytes, wire_len, time)| Sketch {
        link_type,
        bytes,
        wire_len,
        time,
    })
}

/// Everything that a survey of these frames says, with digests that end at `ends`.
fn survey(sketches: &[Sketch], ends: &[usize]) -> String {
    let mut stats = Stats::new(SEED, Measure::Bytes, 1000);
    let mut digest = Digest::default();
    let mut packet = Packet::new();
    for (index, sketch) in sketches.iter().enumerate() {
        if ends.contains(&index) {
            stats.absorb(&digest);
            digest.clear();
        }
        let frame = Frame {
            number: index as u64 + 1,
            time: sketch.time,
            wire_len: sketch.wire_len,
            ..frame(LinkType(sketch.link_type), &sketch.bytes)
        };
        dissect(&frame, Judge::ALL, &mut packet);
        digest.add(&frame, &packet);
    }
    stats.absorb(&digest);
    let (counts, flows) = (stats.counts(), stats.flows());
    let tree = counts.paths.tree(|volume| volume.packets);
    let rate: Vec<_> = counts.rate.buckets().collect();
    let anomalies: Vec<_> = counts.anomalies().collect();
    let endpoints = flows.endpoints();
    let conversations = flows.conversations();
    let mut text = format!(
        "{tree:?} {} {rate:?} {anomalies:?} {endpoints:?} {conversations:?}",
        counts.rate.width()
    );
    let _ = write!(
        text,
        "{:?} {} {} {} {:?} {} {} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {} {:?} {}",
        counts.all,
        counts.captured,
        counts.cut,
        counts.timeless,
        counts.span,
        counts.shortest,
        counts.longest,
        counts.link_types,
        counts.sizes,
        counts.ipv4,
        counts.protocols,
        counts.ttl,
        (counts.dscp, counts.ecn),
        counts.fragments,
        counts.with_options,
        counts.options,
        counts.odd_frames,
    );
    text
}

proptest! {
    #[test]
    fn any_split_gives_the_same(
        sketches in prop::collection::vec(sketch(), 0..60),
        ends in prop::collection::vec(0_usize..60, 0..20),
    ) {
        prop_assert_eq!(survey(&sketches, &ends), survey(&sketches, &[]));
    }

    #[test]
    fn the_rate_is_the_same_in_any_order_and_bounded(
        moments in prop::collection::vec(moment(), 1..80).prop_flat_map(|moments| {
            (Just(moments.clone()), Just(moments).prop_shuffle())
        }),
    ) {
        let rate = |moments: &[Time]| {
            let mut rate = Rate::default();
            for time in moments {
                rate.add(*time, 7);
            }
            rate
        };
        let (one, other) = (rate(&moments.0), rate(&moments.1));
        let buckets: Vec<_> = one.buckets().collect();
        prop_assert_eq!(one.width(), other.width());
        prop_assert_eq!(&buckets, &other.buckets().collect::<Vec<_>>());
        prop_assert!(buckets.len() <= MOST_BUCKETS);
        let packets: u64 = buckets.iter().map(|(_, volume)| volume.packets).sum();
        prop_assert_eq!(packets, moments.0.len() as u64);
        // The ends are not empty: no bucket is there for nothing.
        prop_assert!(buckets.first().unwrap().1.packets > 0);
        prop_assert!(buckets.last().unwrap().1.packets > 0);
    }

    #[test]
    fn a_table_is_a_map(
        keys in prop::collection::vec(0_u64..300, 0..600),
        replaced in prop::collection::vec((0_u32..300, 1000_u64..2000), 0..300),
    ) {
        let mut table = Table::new(SEED);
        let mut map = BTreeMap::new();
        for key in keys {
            *map.entry(key).or_insert(0_u64) += 1;
            match table.find(key).and_then(|place| table.at(place)) {
                Some(Counted { count, .. }) => *count += 1,
                None => table.insert(Counted { key, count: 1 }),
            }
        }
        for (place, key) in replaced {
            if !map.contains_key(&key) && let Some(gone) = table.replace(place, Counted { key, count: 7 }) {
                prop_assert_eq!(map.remove(&gone.key), Some(gone.count));
                map.insert(key, 7);
            }
        }
        for (key, count) in &map {
            let found = table.find(*key).and_then(|place| table.at(place));
            prop_assert_eq!(found.map(|record| record.count), Some(*count));
        }
        prop_assert_eq!(table.len(), map.len());
        let unknown: Vec<_> = (0..2000).filter(|key| table.find(*key).is_some()).collect();
        prop_assert_eq!(unknown, map.keys().copied().collect::<Vec<_>>());
    }

    #[test]
    fn a_heap_knows_the_least(
        weights in prop::collection::vec(0_u64..50, 1..90),
        grown in prop::collection::vec((any::<prop::sample::Index>(), 0_u64..50), 0..200),
    ) {
        let mut heap = Heap::new(weights.iter().copied());
        let mut weights = weights;
        for (place, weight) in grown {
            let place = place.index(weights.len());
            weights[place] += weight;
            heap.add(u32::try_from(place).unwrap(), weight);
            let (least, place) = heap.least().unwrap();
            prop_assert_eq!(Some(&least), weights.iter().min());
            prop_assert_eq!(least, weights[place as usize]);
        }
    }

    #[test]
    fn a_full_table_says_how_much_is_missing(
        passages in prop::collection::vec((0_u32..20, 0_u32..20, 1_u32..50), 0..400),
        most in 1_usize..40,
        bytes: bool,
    ) {
        let measure = if bytes { Measure::Bytes } else { Measure::Packets };
        let mut flows = Flows::new(SEED, measure, most);
        let mut plenty = Flows::new(SEED, measure, usize::MAX);
        for (source, destination, bytes) in &passages {
            let passage = Passage { source: *source, destination: *destination, bytes: *bytes, time: None };
            flows.add(&passage);
            plenty.add(&passage);
        }
        let (all, none) = plenty.conversations();
        prop_assert_eq!(none, Left::default());
        let whole: u64 = all.iter().map(|it| measure.of(it.volume())).sum();
        let places = u64::try_from(most).unwrap();

        let (listed, left) = flows.conversations();
        prop_assert!(listed.len() <= most);
        if all.len() <= most {
            prop_assert_eq!(left, Left::default());
        }
        prop_assert!(left.short <= whole / places, "the bound of space-saving");
        let packets = |list: &[&Conversation]| list.iter().map(|it| it.volume().packets).sum::<u64>();
        prop_assert_eq!(packets(&listed) + left.volume.packets, packets(&all));
        let pair = |it: &Conversation| (it.a.min(it.b), it.a.max(it.b));
        let listed: HashMap<_, _> = listed.iter().map(|it| (pair(it), measure.of(it.volume()))).collect();
        for conversation in &all {
            let (known, said) = (listed.get(&pair(conversation)), measure.of(conversation.volume()));
            prop_assert!(known.is_some() || said <= left.short, "who said more is listed");
            let known = known.copied().unwrap_or(0);
            prop_assert!(known <= said && said - known <= left.short);
        }

        let (endpoints, left) = flows.endpoints();
        let all = plenty.endpoints().0;
        prop_assert!(endpoints.len() <= most);
        if left == Left::default() {
            prop_assert_eq!(&endpoints, &all);
        }
        prop_assert!(left.short <= 4 * whole / places);
        let listed: HashMap<_, _> = endpoints.iter().map(|it| (it.address, measure.of(it.volume()))).collect();
        for endpoint in &all {
            let (known, said) = (listed.get(&endpoint.address), measure.of(endpoint.volume()));
            prop_assert!(known.is_some() || said <= left.short);
            let known = known.copied().unwrap_or(0);
            prop_assert!(known <= said && said - known <= left.short);
        }
    }
}

struct Counted {
    key: u64,
    count: u64,
}

impl Record for Counted {
    fn key(&self) -> u64 {
        self.key
    }
}

fn at(seconds: i64, nanoseconds: u32) -> Time {
    Time {
        seconds,
        nanoseconds,
    }
}

#[test]
fn a_conversation_is_one_line_of_cache() {
    assert_eq!(size_of::<Conversation>(), 64);
}

#[test]
fn a_conversation_has_two_directions_and_who_spoke_first_is_a() {
    let mut flows = Flows::new(SEED, Measure::Packets, 9);
    for (source, destination, bytes, seconds) in [(9, 2, 60, 5), (2, 9, 40, 3), (9, 2, 100, 7)] {
        flows.add(&Passage {
            source,
            destination,
            bytes,
            time: Some(at(seconds, 0)),
        });
    }
    let (endpoints, _) = flows.endpoints();
    let sent: Vec<_> = endpoints
        .iter()
        .map(|it| (it.address, it.out.bytes, it.into.bytes))
        .collect();
    assert_eq!(sent, [(2, 40, 160), (9, 160, 40)]);
    let (conversations, _) = flows.conversations();
    let [one] = conversations.as_slice() else {
        panic!("one conversation, not {}", conversations.len());
    };
    assert_eq!((one.a, one.b), (9, 2));
    assert_eq!((one.ab.packets, one.ab.bytes), (2, 160));
    assert_eq!((one.ba.packets, one.ba.bytes), (1, 40));
    // The earliest and the latest, in whatever order they came.
    assert_eq!(one.span.first(), Some(at(3, 0)));
    assert_eq!(one.span.nanoseconds(), 4_000_000_000);
}

#[test]
fn who_speaks_to_itself_sends_and_receives() {
    let mut flows = Flows::new(SEED, Measure::Packets, 9);
    flows.add(&Passage {
        source: 1,
        destination: 1,
        bytes: 50,
        time: None,
    });
    let (endpoints, _) = flows.endpoints();
    assert_eq!(endpoints.len(), 1);
    assert_eq!((endpoints[0].out.bytes, endpoints[0].into.bytes), (50, 50));
}

#[test]
fn a_span_knows_moments_before_1970() {
    let mut span = Span::default();
    assert_eq!((span.first(), span.nanoseconds()), (None, 0));
    span.add(at(0, 5));
    span.add(at(-1, 999_999_999));
    assert_eq!(span.first(), Some(at(-1, 999_999_999)));
    assert_eq!(span.last(), Some(at(0, 5)));
    assert_eq!(span.nanoseconds(), 6);
}

#[test]
fn what_only_looks_like_a_header_has_no_addresses() {
    let judged = |bytes: &[u8]| {
        let frame = frame(LinkType::IPV4, bytes);
        let mut packet = Packet::new();
        dissect(&frame, Judge::ALL, &mut packet);
        let mut digest = Digest::default();
        digest.add(&frame, &packet);
        (digest.packets(), digest.counts.ipv4.packets)
    };
    let (mut version, mut short) = (DATAGRAM, DATAGRAM);
    version[0] = 0x65;
    short[0] = 0x44;
    assert_eq!(judged(&DATAGRAM), (1, 1));
    assert_eq!(judged(&version), (1, 0));
    assert_eq!(judged(&short), (1, 0));
    assert_eq!(judged(&DATAGRAM[..19]), (1, 0));
    assert_eq!(judged(&[]), (1, 0));
}
