//! What there is to tell of a survey, said once: tables of named columns, whatever they become.
//!
//! Knows what each figure is called and where it comes from; nothing of how it is written.

mod distributions;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use self::distributions::{
    anomalies, dscp, ecn, fragments, hops, ip_protocols, options, sizes, ttl,
};
use super::collect::Part;
use crate::capture::{Compression, Format, Interface, Lost};
use crate::cli::args::{By, Table};
use crate::survey::stats::{Conversation, Counts, Endpoint, Left, Measure, Stats, Volume};
use crate::wire::frame::Time;

/// Interfaces that are told apart; a file with more is playing games.
const MOST_INTERFACES: usize = 1 << 16;

/// What a survey found.
pub(super) struct Found {
    pub(super) files: usize,
    /// Of the first capture.
    pub(super) container: Option<(Format, Compression)>,
    pub(super) lost: Arc<Mutex<Lost>>,
    /// Frames read, before the filter.
    pub(super) read: u64,
    pub(super) filtered: bool,
    pub(super) stats: Stats,
    pub(super) interfaces: Interfaces,
}

/// The capture where there are several, the section, and the number in it.
type InterfaceKey = (Option<Arc<str>>, u32, usize);

/// Frames by interface, over several captures and sections.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    known: BTreeMap<InterfaceKey, (Interface, u64)>,
}

impl Interfaces {
    /// Counts the frames of a batch.
    pub(super) fn add(&mut self, part: &Part) {
        for (place, (interface, packets)) in part
            .batch
            .interfaces()
            .iter()
            .zip(&part.interfaces)
            .enumerate()
        {
            if *packets == 0 {
                continue;
            }
            let key = (part.file.clone(), interface.section, place);
            if let Some((_, sum)) = self.known.get_mut(&key) {
                *sum += packets;
            } else if self.known.len() < MOST_INTERFACES {
                self.known.insert(key, (interface.clone(), *packets));
            }
        }
    }
}

/// One figure.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    /// Not known, or there is none.
    None,
    Number(u64),
    /// A number of bytes.
    Bytes(u64),
    Address(u32),
    /// Our own words.
    Text(Cow<'static, str>),
    /// Words of whoever wrote the capture.
    Foreign(String),
    Time(Time),
    Nanoseconds(u128),
    /// A part of a whole.
    Share(u64, u64),
}

/// A column: its key for programs and its label for people, empty where it is not for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) key: &'static str,
    pub(super) label: &'static str,
}

/// How a section is best looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// One row of facts, one below the other.
    Facts,
    /// The heaviest rows first: the first few will do.
    Ranked,
    /// Rows in an order of their own.
    Ordered,
    /// A line over time.
    Line,
}

/// One table.
pub(super) struct Section<'a> {
    /// The `event` of its rows.
    pub(super) event: &'static str,
    pub(super) title: &'static str,
    pub(super) look: Look,
    pub(super) columns: &'a [Column],
    pub(super) rows: Box<dyn Iterator<Item = Vec<Cell>> + 'a>,
    /// How many rows there are.
    pub(super) len: usize,
    /// What else there is to say.
    pub(super) note: Option<String>,
}

/// A column for both.
const fn both(key: &'static str, label: &'static str) -> Column {
    Column { key, label }
}

/// A column for programs alone.
const fn data(key: &'static str) -> Column {
    both(key, "")
}

/// A column for people alone.
const fn shown(label: &'static str) -> Column {
    both("", label)
}

/// Hands out the sections that are wanted, one after the other.
pub(super) fn each(
    found: &Found,
    by: By,
    wanted: impl Fn(Table) -> bool,
    take: &mut dyn FnMut(Section<'_>),
) {
    if wanted(Table::Capture) {
        take(capture(found));
    }
    if wanted(Table::Interfaces) {
        take(interfaces(found));
    }
    let (counts, flows) = (found.stats.counts(), found.stats.flows());
    let most = flows.most();
    if wanted(Table::Rate) {
        take(rate(counts));
    }
    if wanted(Table::Protocols) {
        take(protocols(counts, by));
    }
    if wanted(Table::Endpoints) {
        let (list, left) = flows.endpoints();
        take(Section {
            note: left_out("addresses", by, left, most),
            ..endpoints(&list, by, counts.ipv4)
        });
    }
    if wanted(Table::Conversations) {
        let (list, left) = flows.conversations();
        let start = counts.span.first();
        take(Section {
            note: left_out("conversations", by, left, most),
            ..conversations(&list, by, counts.ipv4, start)
        });
    }
    for (table, section) in [
        (Table::Sizes, sizes as for<'a> fn(&'a Counts) -> Section<'a>),
        (Table::IpProtocols, ip_protocols),
        (Table::Ttl, ttl),
        (Table::Hops, hops),
        (Table::Dscp, dscp),
        (Table::Ecn, ecn),
        (Table::Fragments, fragments),
        (Table::Options, options),
        (Table::Anomalies, anomalies),
    ] {
        if wanted(table) {
            take(section(counts));
        }
    }
}

fn section<'a>(
    event: &'static str,
    title: &'static str,
    look: Look,
    columns: &'a [Column],
    rows: Vec<Vec<Cell>>,
) -> Section<'a> {
    Section {
        event,
        title,
        look,
        columns,
        len: rows.len(),
        rows: Box::new(rows.into_iter()),
        note: None,
    }
}

fn text(words: &'static str) -> Cell {
    Cell::Text(Cow::Borrowed(words))
}

fn some<T>(value: Option<T>, cell: impl FnOnce(T) -> Cell) -> Cell {
    value.map_or(Cell::None, cell)
}

fn capture(found: &Found) -> Section<'static> {
    const COLUMNS: &[Column] = &[
        both("files", "Captures"),
        both("format", "Format"),
        both("compression", "Packed in"),
        both("link_types", "Link types"),
        both("read", "Frames read"),
        both("packets", "Packets"),
        both("bytes", "Bytes"),
        both("captured_bytes", "Bytes captured"),
        both("cut", "Packets cut short"),
        both("first", "First packet"),
        both("last", "Last packet"),
        both("duration_ns", "Duration"),
        both("packets_without_time", "Packets without time"),
        shown("Packets a second"),
        shown("Bits a second"),
        both("shortest", "Shortest packet"),
        shown("Mean packet"),
        both("longest", "Longest packet"),
        both("ipv4_packets", "IPv4 packets"),
        both("anomalous_packets", "Packets with anomalies"),
        both("dropped_by_interface", "Dropped by interface"),
        both("dropped_by_system", "Dropped by system"),
    ];
    let counts = found.stats.counts();
    let lost = found.lost.lock().map(|lost| *lost).unwrap_or_default();
    let one = if found.files == 1 {
        found.container
    } else {
        None
    };
    let link_types: Vec<String> = counts
        .link_types
        .iter()
        .take(16)
        .map(|(link_type, _)| link_type.to_string())
        .collect();
    let any = counts.all.packets > 0;
    let nonzero = |value: u64| {
        if value > 0 {
            Cell::Number(value)
        } else {
            Cell::None
        }
    };
    let nanoseconds = counts.span.nanoseconds();
    let a_second = |value: u64| {
        let scaled = u128::from(value).saturating_mul(1_000_000_000);
        let rate = scaled.checked_div(nanoseconds);
        some(rate.and_then(|rate| u64::try_from(rate).ok()), Cell::Number)
    };
    let row = vec![
        if found.files == 1 {
            Cell::None
        } else {
            Cell::Number(found.files as u64)
        },
        some(one, |(format, _)| {
            text(match format {
                Format::PcapNano => "pcap, nanoseconds",
                Format::PcapMicro | Format::Pcap => "pcap",
                Format::Pcapng => "pcapng",
            })
        }),
        match one {
            Some((_, Compression::Gzip)) => text("gzip"),
            Some((_, Compression::Zstd)) => text("zstd"),
            Some((_, Compression::Lz4)) => text("lz4"),
            Some((_, Compression::None)) | None => Cell::None,
        },
        if any {
            Cell::Text(Cow::Owned(link_types.join(", ")))
        } else {
            Cell::None
        },
        if found.filtered {
            Cell::Number(found.read)
        } else {
            Cell::None
        },
        Cell::Number(counts.all.packets),
        Cell::Bytes(counts.all.bytes),
        Cell::Bytes(counts.captured),
        nonzero(counts.cut),
        some(counts.span.first(), Cell::Time),
        some(counts.span.last(), Cell::Time),
        some(counts.span.first(), |_| Cell::Nanoseconds(nanoseconds)),
        nonzero(counts.timeless),
        a_second(counts.all.packets),
        a_second(counts.all.bytes.saturating_mul(8)),
        some(any.then_some(counts.shortest.into()), Cell::Bytes),
        some(
            counts.all.bytes.checked_div(counts.all.packets),
            Cell::Bytes,
        ),
        some(any.then_some(counts.longest.into()), Cell::Bytes),
        Cell::Number(counts.ipv4.packets),
        Cell::Number(counts.odd_frames),
        some(lost.by_interface, Cell::Number),
        some(lost.by_system, Cell::Number),
    ];
    section("capture", "Capture", Look::Facts, COLUMNS, vec![row])
}

fn interfaces(found: &Found) -> Section<'static> {
    const COLUMNS: &[Column] = &[
        both("file", "file"),
        data("section"),
        both("interface", "number"),
        both("name", "name"),
        both("link_type", "link type"),
        both("snaplen", "snaplen"),
        both("packets", "packets"),
        shown("share"),
    ];
    let all = found.stats.counts().all.packets;
    let known = found.interfaces.known.iter();
    let rows = known.map(|((file, _, place), (interface, packets))| {
        vec![
            some(file.as_deref(), |file| Cell::Foreign(file.to_owned())),
            Cell::Number(interface.section.into()),
            Cell::Number(*place as u64),
            some(interface.name.clone(), Cell::Foreign),
            Cell::Text(Cow::Owned(interface.link_type.to_string())),
            Cell::Number(interface.snaplen.into()),
            Cell::Number(*packets),
            Cell::Share(*packets, all),
        ]
    });
    section(
        "interface",
        "Interfaces",
        Look::Ordered,
        COLUMNS,
        rows.collect(),
    )
}

fn rate(counts: &Counts) -> Section<'_> {
    const COLUMNS: &[Column] = &[
        both("time", "time"),
        data("width_ns"),
        both("packets", "packets"),
        both("bytes", "bytes"),
    ];
    let width = u128::from(counts.rate.width());
    let rows = counts.rate.buckets().map(|(time, volume)| {
        vec![
            Cell::Time(time),
            Cell::Nanoseconds(width),
            Cell::Number(volume.packets),
            Cell::Bytes(volume.bytes),
        ]
    });
    section("rate", "Rate", Look::Line, COLUMNS, rows.collect())
}

fn weight(by: By, volume: Volume) -> u64 {
    by.measure().of(volume)
}

fn share(by: By, volume: Volume, whole: Volume) -> Cell {
    Cell::Share(weight(by, volume), weight(by, whole))
}

fn protocols(counts: &Counts, by: By) -> Section<'static> {
    const COLUMNS: &[Column] = &[
        data("path"),
        shown("protocol"),
        both("packets", "packets"),
        both("bytes", "bytes"),
        shown("share"),
    ];
    let tree = counts.paths.tree(|volume| weight(by, *volume)).into_iter();
    let rows = tree.map(|node| {
        let names: Vec<&str> = node.path.iter().map(|layer| layer.name()).collect();
        let label = node.path.last().map_or("", |layer| layer.label());
        let indent = 2 * node.path.len().saturating_sub(1);
        vec![
            Cell::Text(Cow::Owned(names.join("/"))),
            Cell::Text(Cow::Owned(format!("{:indent$}{label}", ""))),
            Cell::Number(node.volume.packets),
            Cell::Bytes(node.volume.bytes),
            share(by, node.volume, counts.all),
        ]
    });
    section(
        "protocol",
        "Protocols",
        Look::Ordered,
        COLUMNS,
        rows.collect(),
    )
}

/// Says that not all are listed, where that is so, and what is true then.
fn left_out(what: &str, by: By, left: Left, most: usize) -> Option<String> {
    let unit = match by.measure() {
        Measure::Packets => "packets",
        Measure::Bytes => "bytes",
    };
    (left != Left::default()).then(|| {
        format!(
            "more than {most} {what}: those with the fewest {unit} made room, with {} packets and \
             {} bytes; no figure here lacks more than {} {unit}, and none that has more is missing",
            left.volume.packets, left.volume.bytes, left.short
        )
    })
}

fn endpoints(list: &[Endpoint], by: By, whole: Volume) -> Section<'_> {
    const COLUMNS: &[Column] = &[
        both("address", "address"),
        shown("packets"),
        shown("bytes"),
        both("packets_out", "packets out"),
        both("bytes_out", "bytes out"),
        both("packets_in", "packets in"),
        both("bytes_in", "bytes in"),
        shown("share"),
    ];
    let rows = list.iter().map(move |endpoint| {
        let volume = endpoint.volume();
        vec![
            Cell::Address(endpoint.address),
            Cell::Number(volume.packets),
            Cell::Bytes(volume.bytes),
            Cell::Number(endpoint.out.packets),
            Cell::Bytes(endpoint.out.bytes),
            Cell::Number(endpoint.into.packets),
            Cell::Bytes(endpoint.into.bytes),
            share(by, volume, whole),
        ]
    });
    Section {
        event: "endpoint",
        title: "IPv4 endpoints",
        look: Look::Ranked,
        columns: COLUMNS,
        rows: Box::new(rows),
        len: list.len(),
        note: None,
    }
}

fn conversations<'a>(
    list: &'a [&'a Conversation],
    by: By,
    whole: Volume,
    start: Option<Time>,
) -> Section<'a> {
    const COLUMNS: &[Column] = &[
        both("a", "a"),
        both("b", "b"),
        shown("packets"),
        shown("bytes"),
        both("packets_ab", "a to b"),
        data("bytes_ab"),
        both("packets_ba", "b to a"),
        data("bytes_ba"),
        data("start"),
        shown("begins after"),
        both("duration_ns", "lasts"),
        shown("share"),
    ];
    let rows = list.iter().map(move |conversation| {
        let volume = conversation.volume();
        let first = conversation.span.first();
        let after = first.zip(start).map(|(first, start)| first.since(start));
        vec![
            Cell::Address(conversation.a),
            Cell::Address(conversation.b),
            Cell::Number(volume.packets),
            Cell::Bytes(volume.bytes),
            Cell::Number(conversation.ab.packets),
            Cell::Bytes(conversation.ab.bytes),
            Cell::Number(conversation.ba.packets),
            Cell::Bytes(conversation.ba.bytes),
            some(first, Cell::Time),
            some(
                after.and_then(|after| u128::try_from(after).ok()),
                Cell::Nanoseconds,
            ),
            some(first, |_| {
                Cell::Nanoseconds(conversation.span.nanoseconds())
            }),
            share(by, volume, whole),
        ]
    });
    Section {
        event: "conversation",
        title: "IPv4 conversations",
        look: Look::Ranked,
        columns: COLUMNS,
        rows: Box::new(rows),
        len: list.len(),
        note: None,
    }
}
