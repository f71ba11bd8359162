//! The distributions: packets by length, by fields of the IPv4 header, by anomaly.
//!
//! Each is a table over one array of sums; nothing of addresses or times.

use std::borrow::Cow;

use super::{Cell, Column, Look, Section, both, data, section, shown, some, text};
use crate::survey::stats::{Counts, FIRST_SIZES, Volume};
use crate::wire::names;

pub(super) fn sizes(counts: &Counts) -> Section<'_> {
    const COLUMNS: &[Column] = &[
        data("from"),
        data("to"),
        shown("bytes each"),
        both("packets", "packets"),
        both("bytes", "bytes"),
        shown("share"),
    ];
    let all = counts.all.packets;
    let ends = FIRST_SIZES.iter().skip(1).map(|next| Some(next - 1));
    let ranges = FIRST_SIZES.iter().zip(ends.chain([None]));
    let rows = ranges.zip(&counts.sizes).map(|((from, to), volume)| {
        let label = match to {
            Some(to) => format!("{from} to {to}"),
            None => format!("{from} and more"),
        };
        vec![
            Cell::Number((*from).into()),
            some(to, |to| Cell::Number(to.into())),
            Cell::Text(Cow::Owned(label)),
            Cell::Number(volume.packets),
            Cell::Bytes(volume.bytes),
            Cell::Share(volume.packets, all),
        ]
    });
    let rows = if all > 0 { rows.collect() } else { Vec::new() };
    section("size", "Packet lengths", Look::Ordered, COLUMNS, rows)
}

pub(super) fn ip_protocols(counts: &Counts) -> Section<'_> {
    const COLUMNS: &[Column] = &[
        both("protocol", "protocol"),
        both("name", "name"),
        both("packets", "packets"),
        both("bytes", "bytes"),
        shown("share"),
    ];
    let mut seen: Vec<(u8, Volume)> = (0..=u8::MAX)
        .zip(counts.protocols.iter().copied())
        .filter(|(_, volume)| volume.packets > 0)
        .collect();
    seen.sort_by_key(|(number, volume)| (std::cmp::Reverse(volume.packets), *number));
    let rows = seen.into_iter().map(|(number, volume)| {
        vec![
            Cell::Number(number.into()),
            some(names::protocol(number), text),
            Cell::Number(volume.packets),
            Cell::Bytes(volume.bytes),
            Cell::Share(volume.packets, counts.ipv4.packets),
        ]
    });
    section(
        "ip_protocol",
        "IPv4 protocol numbers",
        Look::Ranked,
        COLUMNS,
        rows.collect(),
    )
}

/// Packets by a small number, those with most packets first: number, name, packets, share.
fn ranked(sums: &[u64], whole: u64, name: impl Fn(u8) -> Option<&'static str>) -> Vec<Vec<Cell>> {
    let mut seen: Vec<(u8, u64)> = (0..=u8::MAX)
        .zip(sums.iter().copied())
        .filter(|(_, packets)| *packets > 0)
        .collect();
    seen.sort_by_key(|(number, packets)| (std::cmp::Reverse(*packets), *number));
    let rows = seen.into_iter().map(|(number, packets)| {
        vec![
            Cell::Number(number.into()),
            some(name(number), text),
            Cell::Number(packets),
            Cell::Share(packets, whole),
        ]
    });
    rows.collect()
}

pub(super) fn ttl(counts: &Counts) -> Section<'_> {
    const COLUMNS: &[Column] = &[
        both("ttl", "TTL"),
        data(""),
        both("packets", "packets"),
        shown("share"),
    ];
    let rows = ranked(&*counts.ttl, counts.ipv4.packets, |_| None);
    section("ttl", "Time to live", Look::Ranked, COLUMNS, rows)
}

/// The usual first TTLs; a packet likely began with the smallest that is not below its own.
const FIRST_TTLS: [u8; 4] = [32, 64, 128, 255];

pub(super) fn hops(counts: &Counts) -> Section<'_> {
    const COLUMNS: &[Column] = &[
        both("hops", "hops"),
        data(""),
        both("packets", "packets"),
        shown("share"),
    ];
    let mut sums = [0_u64; 256];
    for (ttl, packets) in (0..=u8::MAX).zip(counts.ttl.iter()) {
        let first = FIRST_TTLS.iter().find(|first| **first >= ttl);
        let hops = first.map_or(0, |first| first - ttl);
        if let Some(sum) = sums.get_mut(usize::from(hops)) {
            *sum += packets;
        }
    }
    let rows = ranked(&sums, counts.ipv4.packets, |_| None);
    section(
        "hops",
        "Hops so far, as the TTL has it",
        Look::Ranked,
        COLUMNS,
        rows,
    )
}

pub(super) fn dscp(counts: &Counts) -> Section<'_> {
    const COLUMNS: &[Column] = &[
        both("dscp", "DSCP"),
        both("name", "name"),
        both("packets", "packets"),
        shown("share"),
    ];
    let rows = ranked(&counts.dscp, counts.ipv4.packets, names::dscp);
    section(
        "dscp",
        "Differentiated services",
        Look::Ranked,
        COLUMNS,
        rows,
    )
}

pub(super) fn ecn(counts: &Counts) -> Section<'_> {
    const COLUMNS: &[Column] = &[
        both("ecn", "ECN"),
        both("name", "name"),
        both("packets", "packets"),
        shown("share"),
    ];
    let rows = ranked(&counts.ecn, counts.ipv4.packets, |codepoint| {
        Some(names::ecn(codepoint))
    });
    section(
        "ecn",
        "Congestion notification",
        Look::Ranked,
        COLUMNS,
        rows,
    )
}

pub(super) fn fragments(counts: &Counts) -> Section<'_> {
    const COLUMNS: &[Column] = &[
        both("packets", "Packets"),
        both("bytes", "Bytes"),
        both("first", "First fragments"),
        both("middle", "Middle fragments"),
        both("last", "Last fragments"),
    ];
    let fragments = counts.fragments;
    let row = vec![
        Cell::Number(fragments.all.packets),
        Cell::Bytes(fragments.all.bytes),
        Cell::Number(fragments.first),
        Cell::Number(fragments.middle),
        Cell::Number(fragments.last),
    ];
    let rows = if fragments.all.packets > 0 {
        vec![row]
    } else {
        Vec::new()
    };
    section("fragments", "Fragments", Look::Facts, COLUMNS, rows)
}

pub(super) fn options(counts: &Counts) -> Section<'_> {
    const COLUMNS: &[Column] = &[
        both("option", "type"),
        both("name", "name"),
        both("packets", "packets"),
        shown("share"),
    ];
    let rows = ranked(&*counts.options, counts.with_options, names::ipv4_option);
    section("option", "IPv4 options", Look::Ranked, COLUMNS, rows)
}

pub(super) fn anomalies(counts: &Counts) -> Section<'_> {
    const COLUMNS: &[Column] = &[
        both("id", "anomaly"),
        both("packets", "packets"),
        both("first_frame", "first in frame"),
        shown("what it means"),
    ];
    let mut seen: Vec<_> = counts.anomalies().collect();
    seen.sort_by_key(|seen| std::cmp::Reverse(seen.packets));
    let rows = seen.into_iter().map(|seen| {
        vec![
            text(seen.anomaly.id()),
            Cell::Number(seen.packets),
            Cell::Number(seen.first_frame),
            text(seen.anomaly.entry().meaning),
        ]
    });
    section(
        "anomaly",
        "Anomalies",
        Look::Ordered,
        COLUMNS,
        rows.collect(),
    )
}
