//! What each part costs, a frame at a time: `cargo bench --bench parts`, with a word to choose.
//!
//! Frames of everyday traffic, and those of `captures/`, which have every protocol there is. The
//! renderers have no door of their own: they run as `decode` with one worker, start and all.

#![allow(
    clippy::expect_used,
    reason = "a bench that cannot go on has nothing to measure"
)]
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

use std::fs;
use std::hint::black_box;
use std::io::Cursor;
use std::path::Path;
use std::process::{Command, Stdio};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use dotquad::capture::{Batch, FrameSource, Reader, open};
use dotquad::filter::{Expression, Filter, NoNames, Options, Target};
use dotquad::wire::checksum::checksum;
use dotquad::wire::field::{Field, Group, Head, Shape, Visitor};
use dotquad::wire::frame::LinkType;
use dotquad::wire::packet::{Judge, Packet, dissect, visit};

#[path = "generate/traffic.rs"]
mod traffic;

/// Frames of everyday traffic.
const FRAMES: usize = 20_000;

fn everyday() -> Vec<u8> {
    let mut capture = Vec::new();
    traffic::write(&mut capture, FRAMES, 59).expect("memory takes what it is given");
    capture
}

fn batches(mut reader: Reader) -> Vec<Batch> {
    // Of a damaged capture, what came before the damage.
    std::iter::from_fn(|| reader.next_batch().ok().flatten()).collect()
}

/// Every frame of `captures/` that is there to be read.
fn strange() -> Vec<Batch> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut files = Vec::new();
    for folder in [root.clone(), root.join("anomalies")] {
        for entry in fs::read_dir(folder).expect("captures/ can be read") {
            files.push(entry.expect("captures/ can be read").path());
        }
    }
    files.sort();
    let readers = files.iter().filter_map(|file| open(file).ok());
    readers.flat_map(batches).collect()
}

fn frames(batches: &[Batch]) -> u64 {
    batches.iter().map(|batch| batch.len() as u64).sum()
}

fn records(c: &mut Criterion) {
    let capture: &'static [u8] = everyday().leak();
    let mut group = c.benchmark_group("records");
    group.throughput(Throughput::Bytes(capture.len() as u64));
    group.bench_function("pcap", |b| {
        b.iter(|| {
            let mut reader = Reader::new("memory", Cursor::new(capture)).expect("it is a capture");
            let mut frames = 0;
            while let Ok(Some(batch)) = reader.next_batch() {
                frames += batch.len();
            }
            frames
        });
    });
    group.finish();
}

/// A listener that only keeps the description from being left out.
struct Heard(u64);

impl Visitor for Heard {
    fn layer(&mut self, head: Head) -> bool {
        black_box(head);
        true
    }

    fn field(&mut self, field: Field<'_>) {
        black_box(field.value);
        self.0 += 1;
    }

    fn open(&mut self, group: Group) {
        black_box(group.name);
    }

    fn close(&mut self, _: Shape) {}

    fn end_layer(&mut self) {}
}

fn dissection(c: &mut Criterion) {
    let everyday = Reader::new("memory", Cursor::new(everyday())).expect("it is a capture");
    let none = Judge {
        checksums: false,
        anomalies: false,
    };
    for (name, batches) in [("everyday", batches(everyday)), ("captures", strange())] {
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Elements(frames(&batches)));
        let mut packet = Packet::new();
        for (name, judge) in [("dissect", none), ("dissect and judge", Judge::ALL)] {
            group.bench_function(name, |b| {
                b.iter(|| {
                    for frame in batches.iter().flat_map(Batch::frames) {
                        dissect(&frame, judge, &mut packet);
                        black_box(&packet);
                    }
                });
            });
        }
        group.bench_function("dissect and visit", |b| {
            b.iter(|| {
                let mut heard = Heard(0);
                for frame in batches.iter().flat_map(Batch::frames) {
                    dissect(&frame, none, &mut packet);
                    visit(&frame, &packet, &mut heard);
                }
                heard.0
            });
        });
        group.finish();
    }
}

fn sums(c: &mut Criterion) {
    let mut group = c.benchmark_group("checksum");
    for len in [20, 64, 1460] {
        let bytes = vec![0x5a; len];
        group.throughput(Throughput::Bytes(len as u64));
        group.bench_function(format!("{len} bytes"), |b| {
            b.iter(|| checksum(black_box(&bytes)));
        });
    }
    group.finish();
}

fn filters(c: &mut Criterion) {
    let everyday = Reader::new("memory", Cursor::new(everyday())).expect("it is a capture");
    let batches = batches(everyday);
    let options = Options {
        deep: false,
        target: Target::File,
        link_type: LinkType::ETHERNET,
        snaplen: 0,
        netmask: None,
        resolve: &NoNames,
    };
    let mut group = c.benchmark_group("filter");
    group.throughput(Throughput::Elements(frames(&batches)));
    for (text, deep) in [
        ("icmp", false),
        ("tcp port 80", false),
        ("tcp port 80", true),
        ("net 10.128.0.0/9 and tcp[tcpflags] & tcp-syn != 0", false),
    ] {
        let expression = Expression::parse(text).expect("it is an expression");
        let options = Options { deep, ..options };
        let filter = Filter::compile(&expression, &options).expect("it compiles");
        let deep = if deep { "deep " } else { "" };
        group.bench_function(format!("{deep}{text}"), |b| {
            b.iter(|| {
                let frames = batches.iter().flat_map(Batch::frames);
                frames.filter(|frame| filter.matches(frame)).count()
            });
        });
    }
    group.finish();
}

fn renderers(c: &mut Criterion) {
    let folder = tempfile::tempdir().expect("there is room for a capture");
    let file = folder.path().join("everyday.pcap");
    fs::write(&file, everyday()).expect("there is room for a capture");
    let mut group = c.benchmark_group("decode");
    group.sample_size(20);
    group.throughput(Throughput::Elements(FRAMES as u64));
    for words in [
        "--format line",
        "--format line --no-anomalies",
        "--format line -e --color always",
        "--format detail",
        "--format diagram",
        "--format table",
        "--format ndjson",
        "--format csv",
        "--format csv --fields ipv4.source",
        "--count",
    ] {
        group.bench_function(words, |b| {
            b.iter(|| {
                let mut decode = Command::new(env!("CARGO_BIN_EXE_dotquad"));
                decode.args(["decode", "-j", "1"]).args(words.split(' '));
                let status = decode.arg(&file).stdout(Stdio::null()).status();
                assert!(status.expect("dotquad starts").success(), "{words}");
            });
        });
    }
    group.finish();
}

criterion_group!(parts, records, dissection, sums, filters, renderers);
criterion_main!(parts);
