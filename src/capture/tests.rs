//! Captures built byte by byte, and what reading them must give.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::unnecessary_wraps,
    reason = "tests fail by panicking, and what they build is small and known"
)]

mod damage;
mod packed;
mod reading;
mod round_trip;
mod writing;

use std::io::{self, Cursor, Read, Write};
use std::sync::{Arc, Mutex};

use super::{Batch, FrameSource, Interface, Reader};
use crate::error::{Error, Kind};
use crate::wire::frame::{Direction, Frame, LinkType, Offload, Time};

/// A frame that owns what it holds, to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Owned {
    number: u64,
    time: Option<Time>,
    link_type: LinkType,
    wire_len: u32,
    bytes: Vec<u8>,
    interface: Option<u32>,
    direction: Option<Direction>,
    offload: Offload,
    comments: Vec<String>,
}

impl From<Frame<'_>> for Owned {
    fn from(frame: Frame<'_>) -> Self {
        Self {
            number: frame.number,
            time: frame.time,
            link_type: frame.link_type,
            wire_len: frame.wire_len,
            bytes: frame.bytes.to_vec(),
            interface: frame.interface,
            direction: frame.direction,
            offload: frame.offload,
            comments: frame.comments.to_vec(),
        }
    }
}

/// Everything that came out of a source.
#[derive(Debug, Default)]
struct Outcome {
    frames: Vec<Owned>,
    /// The interface of each frame.
    interfaces: Vec<Interface>,
    notices: Vec<String>,
    error: Option<Error>,
}

impl Outcome {
    fn of(mut reader: Reader) -> Self {
        let mut outcome = Self::default();
        loop {
            match reader.next_batch() {
                Ok(Some(batch)) => outcome.take(&batch),
                Ok(None) => return outcome,
                Err(error) => {
                    assert!(outcome.error.is_none(), "a second error: {error}");
                    outcome.error = Some(error);
                }
            }
        }
    }

    fn take(&mut self, batch: &Batch) {
        self.notices.extend_from_slice(batch.notices());
        assert_eq!(batch.frames().count(), batch.len());
        for (index, frame) in batch.frames().enumerate() {
            assert_eq!(frame.number, batch.first_number() + index as u64);
            assert_eq!(Owned::from(batch.frame(index).unwrap()), frame.into());
            self.interfaces
                .push(batch.interface(&frame).unwrap().clone());
            self.frames.push(frame.into());
        }
        assert!(batch.frame(batch.len()).is_none());
    }

    /// The error's text; it must be damage.
    fn damage(&self) -> String {
        let error = self.error.as_ref().expect("damage is told");
        assert_eq!(error.kind(), Kind::Damaged);
        error.to_string()
    }
}

fn reader(bytes: &[u8]) -> Result<Reader, Error> {
    Reader::new("x", Cursor::new(bytes.to_vec()))
}

fn read(bytes: &[u8]) -> Outcome {
    Outcome::of(reader(bytes).unwrap())
}

/// Hands out at most so many bytes a read, in turn.
struct Trickle {
    bytes: Cursor<Vec<u8>>,
    sizes: Vec<usize>,
    turn: usize,
}

impl Trickle {
    fn new(bytes: &[u8], sizes: &[usize]) -> Self {
        Self {
            bytes: Cursor::new(bytes.to_vec()),
            sizes: sizes.to_vec(),
            turn: 0,
        }
    }
}

impl Read for Trickle {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let size = self.sizes[self.turn % self.sizes.len()].min(room.len());
        self.turn += 1;
        self.bytes.read(&mut room[..size])
    }
}

/// Keeps what is written to it, up to a limit at which the disk is full.
#[derive(Clone)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    limit: usize,
}

impl Disk {
    fn new(limit: usize) -> Self {
        let bytes = Arc::default();
        Self { bytes, limit }
    }

    fn bytes(&self) -> Vec<u8> {
        self.bytes.lock().unwrap().clone()
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut disk = self.bytes.lock().unwrap();
        let count = bytes.len().min(self.limit - disk.len());
        if count == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        disk.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The byte order that a capture is built in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Order {
    fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    fn words(self, values: &[u32]) -> Vec<u8> {
        values.iter().flat_map(|value| self.u32(*value)).collect()
    }
}

const MICRO: u32 = 0xa1b2_c3d4;
const NANO: u32 = 0xa1b2_3c4d;
const MODIFIED: u32 = 0xa1b2_cd34;

/// A pcap file header of version 2.4.
fn pcap(order: Order, magic: u32, snaplen: u32, link: u32) -> Vec<u8> {
    pcap_version(order, magic, (2, 4), snaplen, link)
}

fn pcap_version(
    order: Order,
    magic: u32,
    (major, minor): (u16, u16),
    snaplen: u32,
    link: u32,
) -> Vec<u8> {
    let mut file = order.u32(magic).to_vec();
    file.extend(order.u16(major));
    file.extend(order.u16(minor));
    file.extend(order.words(&[0, 0, snaplen, link]));
    file
}

/// A pcap record: its four fields as given, and its bytes.
fn record(order: Order, fields: [u32; 4], bytes: &[u8]) -> Vec<u8> {
    let mut record = order.words(&fields);
    record.extend_from_slice(bytes);
    record
}

/// An Ethernet pcap of frames 1, 2, 3, ... with as many bytes, each of its number.
fn counting(frames: u32) -> Vec<u8> {
    let mut file = pcap(Order::Little, MICRO, 65_535, 1);
    for number in 1..=frames {
        let bytes = vec![number as u8; number as usize];
        let fields = [number, 0, number, number];
        file.extend(record(Order::Little, fields, &bytes));
    }
    file
}

/// A pcapng block around a body, which is padded.
fn block(order: Order, block_type: u32, body: &[u8]) -> Vec<u8> {
    let length = 12 + body.len().next_multiple_of(4);
    let mut block = order.words(&[block_type, length as u32]);
    block.extend_from_slice(body);
    block.resize(length - 4, 0);
    block.extend(order.u32(length as u32));
    block
}

fn option(order: Order, code: u16, value: &[u8]) -> Vec<u8> {
    let mut option = order.u16(code).to_vec();
    option.extend(order.u16(value.len() as u16));
    option.extend_from_slice(value);
    option.resize(option.len().next_multiple_of(4), 0);
    option
}

/// A section header whose length is unknown.
fn shb(order: Order) -> Vec<u8> {
    shb_version(order, (1, 0), u64::MAX)
}

fn shb_version(order: Order, (major, minor): (u16, u16), length: u64) -> Vec<u8> {
    let mut body = order.u32(0x1a2b_3c4d).to_vec();
    body.extend(order.u16(major));
    body.extend(order.u16(minor));
    body.extend(match order {
        Order::Little => length.to_le_bytes(),
        Order::Big => length.to_be_bytes(),
    });
    block(order, 0x0a0d_0d0a, &body)
}

fn idb(order: Order, link: u16, snaplen: u32, options: &[u8]) -> Vec<u8> {
    let mut body = order.u16(link).to_vec();
    body.extend([0; 2]);
    body.extend(order.u32(snaplen));
    body.extend_from_slice(options);
    block(order, 1, &body)
}

/// An enhanced packet block that kept all its bytes.
fn epb(order: Order, interface: u32, ticks: u64, bytes: &[u8], options: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u32;
    let fields = [
        interface,
        (ticks >> 32) as u32,
        ticks as u32,
        length,
        length,
    ];
    let mut body = order.words(&fields);
    body.extend_from_slice(bytes);
    body.resize(body.len().next_multiple_of(4), 0);
    body.extend_from_slice(options);
    block(order, 6, &body)
}

fn at(seconds: i64, nanoseconds: u32) -> Option<Time> {
    Some(Time {
        seconds,
        nanoseconds,
    })
}
