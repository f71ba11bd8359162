//! The statistics of mutated captures: sums add up whatever the frames are, and it does not matter
//! in how many parts they are summed.

use std::io::Cursor;

use dotquad::capture::{FrameSource, Reader};
use dotquad::survey::stats::{Digest, Measure, Stats};
use dotquad::wire::packet::{Judge, Packet, dissect};

use super::{Xorshift, captures, mutant};

/// How many captures are summed.
const SUMMED: usize = 10_000;

/// More conversations than any mutant has: nothing makes room.
const MOST: usize = 65_536;

/// What a capture comes to, in parts of so many frames.
fn sum(bytes: Vec<u8>, part: u64) -> Option<(u64, String)> {
    let mut reader = Reader::new("any", Cursor::new(bytes)).ok()?;
    let mut stats = Stats::new([1, 2], Measure::Bytes, MOST);
    let (mut digest, mut packet, mut frames) = (Digest::default(), Packet::new(), 0_u64);
    while let Ok(Some(batch)) = reader.next_batch() {
        for frame in batch.frames() {
            frames += 1;
            dissect(&frame, Judge::ALL, &mut packet);
            digest.add(&frame, &packet);
            if digest.packets() >= part {
                stats.absorb(&digest);
                digest.clear();
            }
        }
    }
    stats.absorb(&digest);
    let (counts, flows) = (stats.counts(), stats.flows());
    let (endpoints, _) = flows.endpoints();
    let out: u64 = endpoints.iter().map(|it| it.out.packets).sum();
    let into: u64 = endpoints.iter().map(|it| it.into.packets).sum();
    let (conversations, _) = flows.conversations();
    let talked: u64 = conversations.iter().map(|it| it.volume().packets).sum();
    let passed = counts.ipv4.packets;
    assert!(
        [out, into, talked] == [passed; 3],
        "{out} {into} {talked} {passed}"
    );
    let sizes: u64 = counts.sizes.iter().map(|it| it.packets).sum();
    let dscp: u64 = counts.dscp.iter().sum();
    let timed: u64 = counts.rate.buckets().map(|(_, it)| it.packets).sum();
    assert_eq!((counts.all.packets, sizes, dscp), (frames, frames, passed));
    assert_eq!(timed, frames - counts.timeless);
    let protocols = counts.paths.tree(|volume| volume.bytes);
    let odd: Vec<_> = counts.anomalies().collect();
    let rate: Vec<_> = counts.rate.buckets().collect();
    let whole = format!(
        "{:?} {:?} {:?} {:?} {:?} {odd:?} {rate:?} {protocols:?} {endpoints:?} {conversations:?}",
        counts.captured, counts.cut, counts.span, counts.fragments, counts.link_types,
    );
    Some((frames, whole))
}

#[test]
fn sums_add_up_in_any_parts() {
    let captures = captures();
    let mut random = Xorshift(0xa54f_f53a_5f1d_36f1);
    let mut frames = 0;
    for _ in 0..SUMMED {
        let bytes = mutant(&mut random, &captures);
        let (at_once, by_one) = (sum(bytes.clone(), u64::MAX), sum(bytes, 1));
        assert!(at_once == by_one, "{at_once:?}\n{by_one:?}");
        frames += at_once.map_or(0, |(frames, _)| frames);
    }
    assert!(frames > SUMMED as u64, "{frames} frames were summed");
}
