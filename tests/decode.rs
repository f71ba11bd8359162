//! `dotquad decode` as a person meets it: what it says and how it exits, whatever it is given.
//!
//! One module a theme; here is what they share. Captures that a test needs and captures/ does not
//! have are built in place, byte by byte.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::io::Write as _;
use std::path::Path;
use std::process::Output;

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;
use tempfile::NamedTempFile;

#[path = "decode/choosing.rs"]
mod choosing;
#[path = "decode/damage.rs"]
mod damage;
#[path = "decode/files.rs"]
mod files;
#[path = "decode/hostile_text.rs"]
mod hostile_text;
#[path = "decode/names.rs"]
mod names;
#[path = "decode/packets.rs"]
mod packets;
#[path = "decode/reassembly.rs"]
mod reassembly;
#[path = "decode/streams.rs"]
mod streams;
#[path = "decode/writing.rs"]
mod writing;

/// Link types of the LINKTYPE_ registry.
const ETHERNET: u32 = 1;
const IPV4: u32 = 228;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// How a run went.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    out: String,
    err: String,
    code: Option<i32>,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            out: String::from_utf8(output.stdout).expect("what it says is text"),
            err: String::from_utf8(output.stderr).expect("what it says is text"),
            code: output.status.code(),
        }
    }
}

impl Said {
    /// The objects of NDJSON, each on a line of its own.
    fn objects(&self) -> Vec<Value> {
        assert!(
            self.out.is_empty() || self.out.ends_with('\n'),
            "{}",
            self.out
        );
        let object = |line| serde_json::from_str(line).expect("a line is an object");
        self.out.lines().map(object).collect()
    }
}

/// Runs `dotquad` in the root of the repository.
fn dotquad(arguments: &[&str]) -> Said {
    let mut command = cargo_bin_cmd!("dotquad");
    command.current_dir(root()).env_remove("NO_COLOR");
    command.args(arguments);
    command.output().expect("it runs").into()
}

/// Runs `dotquad decode` on these words, separated by spaces.
fn decode(words: &str) -> Said {
    let words: Vec<&str> = ["decode"]
        .into_iter()
        .chain(words.split_whitespace())
        .collect();
    dotquad(&words)
}

/// Decodes bytes that come down a pipe.
fn decode_bytes(options: &str, bytes: Vec<u8>) -> Said {
    let mut command = cargo_bin_cmd!("dotquad");
    command.arg("decode").args(options.split_whitespace());
    command.arg("-").write_stdin(bytes);
    command.output().expect("it runs").into()
}

/// The objects of a capture that must be fine.
fn objects(bytes: Vec<u8>) -> Vec<Value> {
    let said = decode_bytes("--format ndjson", bytes);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    said.objects()
}

/// A file with these bytes, for as long as it is kept.
fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().expect("a file can be made");
    file.write_all(bytes).expect("a file can be written");
    file
}

/// The header of a pcap file: little-endian, microseconds.
fn pcap_header(link_type: u32) -> Vec<u8> {
    let words = [0xa1b2_c3d4, 2 | 4 << 16, 0, 0, 262_144, link_type];
    words.map(u32::to_le_bytes).concat()
}

/// A record of a pcap file.
fn record(seconds: u32, microseconds: u32, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("a frame is small");
    let words = [seconds, microseconds, length, length];
    let mut record = words.map(u32::to_le_bytes).concat();
    record.extend_from_slice(bytes);
    record
}

/// A pcap file of these frames, all at one moment.
fn pcap(link_type: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = pcap_header(link_type);
    for frame in frames {
        bytes.extend(record(1_700_000_000, 0, frame));
    }
    bytes
}

/// A pcapng block: type, length, body, length (little-endian).
fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let padding = body.len().next_multiple_of(4) - body.len();
    let length = u32::try_from(12 + body.len() + padding).expect("a block is small");
    let mut block = [kind, length].map(u32::to_le_bytes).concat();
    block.extend_from_slice(body);
    block.extend(std::iter::repeat_n(0, padding));
    block.extend(length.to_le_bytes());
    block
}

/// A section header.
fn section() -> Vec<u8> {
    let mut body = [0x1a2b_3c4d, 1].map(u32::to_le_bytes).concat();
    body.extend([0xff; 8]);
    block(0x0a0d_0d0a, &body)
}

/// An interface of this link type, with options as they are.
fn interface(link_type: u32, options: &[u8]) -> Vec<u8> {
    let mut body = [link_type, 0].map(u32::to_le_bytes).concat();
    body.extend_from_slice(options);
    block(1, &body)
}

/// An enhanced packet.
fn enhanced(interface: u32, time: u64, frame: &[u8]) -> Vec<u8> {
    let length = u32::try_from(frame.len()).expect("a frame is small");
    let (high, low) = ((time >> 32) as u32, (time & 0xffff_ffff) as u32);
    let words = [interface, high, low, length, length];
    let mut body = words.map(u32::to_le_bytes).concat();
    body.extend_from_slice(frame);
    block(6, &body)
}

/// The Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum & 0xffff).unwrap_or(0)
}

/// Sets the two bytes at `at`.
fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

/// An IPv4 datagram from 192.0.2.1 to 198.51.100.2 with these options (a multiple of four bytes).
fn ipv4_with(options: &[u8], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let words = u8::try_from(5 + options.len() / 4).expect("options fit");
    let mut datagram = vec![
        0x40 | words & 0xf,
        0,
        0,
        0,
        0x12,
        0x34,
        0,
        0,
        64,
        protocol,
        0,
        0,
    ];
    datagram.extend([192, 0, 2, 1, 198, 51, 100, 2]);
    datagram.extend_from_slice(options);
    let header = datagram.len();
    datagram.extend_from_slice(payload);
    let length = u16::try_from(datagram.len()).unwrap_or(u16::MAX);
    put(&mut datagram, 2, length);
    let sum = checksum(&datagram[..header]);
    put(&mut datagram, 10, sum);
    datagram
}

/// An IPv4 datagram without options.
fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(&[], protocol, payload)
}

/// A UDP datagram from port 5000 to port 5001, without a checksum.
fn udp(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + data.len()).expect("data fits");
    let mut message = [5000, 5001, length, 0].map(u16::to_be_bytes).concat();
    message.extend_from_slice(data);
    ipv4(17, &message)
}

/// The layer of this name, if the frame has it.
fn layer<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let layers = object["layers"].as_array().expect("a frame has layers");
    layers.iter().find(|layer| layer["layer"] == name)
}

/// The anomalies of a frame.
fn anomalies(object: &Value) -> Vec<&str> {
    let found = object["anomalies"].as_array().into_iter().flatten();
    found.filter_map(|found| found["id"].as_str()).collect()
}
