//! The files around the packets: classic pcap in its variants, pcapng block by block, and
//! compression without names or times in its headers.

use std::io::Write;

use super::{long, short};

/// When the first frame of every capture was seen: 14 November 2023, 22:13:20 UTC.
pub(crate) const START: u64 = 1_700_000_000;

/// LINKTYPE_ETHERNET; the others are named where they are used.
pub(crate) const ETHERNET: u16 = 1;
/// LINKTYPE_IPV4: a datagram and nothing around it.
pub(crate) const RAW_IPV4: u16 = 228;

/// Byte order of a file or section.
#[derive(Clone, Copy)]
pub(crate) enum Order {
    Little,
    Big,
}

impl Order {
    pub(crate) fn u16(self, value: u16) -> [u8; 2] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    pub(crate) fn u32(self, value: u32) -> [u8; 4] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }

    fn u64(self, value: u64) -> [u8; 8] {
        match self {
            Self::Little => value.to_le_bytes(),
            Self::Big => value.to_be_bytes(),
        }
    }
}

/// What a classic file says of a frame before its bytes.
#[derive(Clone)]
pub(crate) struct Record {
    pub seconds: u32,
    /// Microseconds or nanoseconds, as the file's magic number says.
    pub fraction: u32,
    pub captured: u32,
    pub wire_len: u32,
    pub bytes: Vec<u8>,
}

/// The header of a classic file.
#[derive(Clone, Copy)]
pub(crate) struct Pcap {
    pub order: Order,
    pub magic: u32,
    pub version: u16,
    pub snaplen: u32,
    pub link: u16,
}

/// Microseconds.
pub(crate) const MICRO: u32 = 0xa1b2_c3d4;
/// Nanoseconds.
pub(crate) const NANO: u32 = 0xa1b2_3c4d;
/// The modified format of Alexey Kuznetsov's libpcap: eight more bytes in each record header.
pub(crate) const MODIFIED: u32 = 0xa1b2_cd34;

/// Little-endian, microseconds, Ethernet.
pub(crate) const PCAP: Pcap = Pcap {
    order: Order::Little,
    magic: MICRO,
    version: 2,
    snaplen: 65535,
    link: ETHERNET,
};

impl Pcap {
    /// The 24 bytes of the file header.
    pub(crate) fn header(&self) -> Vec<u8> {
        let order = self.order;
        let mut out = order.u32(self.magic).to_vec();
        out.extend(order.u16(self.version));
        out.extend(order.u16(4));
        out.extend([0; 8]);
        out.extend(order.u32(self.snaplen));
        out.extend(order.u32(u32::from(self.link)));
        out
    }

    /// The file.
    pub(crate) fn file(&self, records: &[Record]) -> Vec<u8> {
        let order = self.order;
        let mut out = self.header();
        for record in records {
            out.extend(order.u32(record.seconds));
            out.extend(order.u32(record.fraction));
            out.extend(order.u32(record.captured));
            out.extend(order.u32(record.wire_len));
            if self.magic == MODIFIED {
                // Interface index, protocol, packet type, padding.
                out.extend(order.u32(2));
                out.extend(order.u16(0x0800));
                out.extend([0, 0]);
            }
            out.extend(&record.bytes);
        }
        out
    }

    /// The file of whole frames, a millisecond apart.
    pub(crate) fn frames(&self, frames: &[Vec<u8>]) -> Vec<u8> {
        self.file(&records(
            frames,
            if self.magic == NANO { 1_000_000 } else { 1000 },
        ))
    }
}

/// Whole frames a millisecond apart, counted in so many units.
pub(crate) fn records(frames: &[Vec<u8>], millisecond: u32) -> Vec<Record> {
    let mut fraction = 0;
    let mut out = Vec::new();
    for bytes in frames {
        let len = long(bytes.len());
        out.push(Record {
            seconds: long(START as usize),
            fraction,
            captured: len,
            wire_len: len,
            bytes: bytes.clone(),
        });
        fraction += millisecond;
    }
    out
}

/// A plain capture of whole frames of any link type.
pub(crate) fn pcap(link: u16, frames: &[Vec<u8>]) -> Vec<u8> {
    Pcap { link, ..PCAP }.frames(frames)
}

/// A pcapng section, block by block.
pub(crate) struct Section {
    pub order: Order,
    pub bytes: Vec<u8>,
}

/// An option of a pcapng block: its code and its value.
pub(crate) type Opt<'a> = (u16, &'a [u8]);

/// A comment, on any block.
pub(crate) const COMMENT: u16 = 1;

impl Section {
    /// A section header block of unknown length, with options.
    pub(crate) fn new(order: Order, options: &[Opt<'_>]) -> Self {
        let mut section = Self {
            order,
            bytes: Vec::new(),
        };
        let mut body = order.u32(0x1a2b_3c4d).to_vec();
        body.extend(order.u16(1));
        body.extend(order.u16(0));
        body.extend([0xff; 8]);
        body.extend(section.options(options));
        section.block(0x0a0d_0d0a, &body);
        section
    }

    /// Any block; the body is filled up to whole words.
    pub(crate) fn block(&mut self, kind: u32, body: &[u8]) {
        let padded = body.len().next_multiple_of(4);
        let total = self.order.u32(long(padded + 12));
        self.bytes.extend(self.order.u32(kind));
        self.bytes.extend(total);
        self.bytes.extend(body);
        self.bytes.extend(vec![0; padded - body.len()]);
        self.bytes.extend(total);
    }

    /// Options as bytes, with their end; nothing when there are none.
    fn options(&self, options: &[Opt<'_>]) -> Vec<u8> {
        let mut out = Vec::new();
        for (code, value) in options {
            out.extend(self.order.u16(*code));
            out.extend(self.order.u16(short(value.len())));
            out.extend(*value);
            out.resize(out.len().next_multiple_of(4), 0);
        }
        if !out.is_empty() {
            out.extend([0; 4]);
        }
        out
    }

    /// An interface description block.
    pub(crate) fn interface(&mut self, link: u16, snaplen: u32, options: &[Opt<'_>]) {
        let mut body = self.order.u16(link).to_vec();
        body.extend([0, 0]);
        body.extend(self.order.u32(snaplen));
        body.extend(self.options(options));
        self.block(1, &body);
    }

    /// The time, lengths and bytes that enhanced and obsolete packet blocks share.
    fn stamped(&self, ticks: u64, bytes: &[u8], wire_len: usize) -> Vec<u8> {
        let mut body = self.order.u32(long((ticks >> 32) as usize)).to_vec();
        body.extend(self.order.u32(long((ticks & 0xffff_ffff) as usize)));
        body.extend(self.order.u32(long(bytes.len())));
        body.extend(self.order.u32(long(wire_len)));
        body.extend(bytes);
        body.resize(body.len().next_multiple_of(4), 0);
        body
    }

    /// An enhanced packet block; the time is in ticks of its interface.
    pub(crate) fn packet(&mut self, interface: u32, ticks: u64, bytes: &[u8], options: &[Opt<'_>]) {
        self.cut_packet(interface, ticks, bytes, bytes.len(), options);
    }

    /// An enhanced packet block of a frame that had more bytes.
    pub(crate) fn cut_packet(
        &mut self,
        interface: u32,
        ticks: u64,
        bytes: &[u8],
        wire_len: usize,
        options: &[Opt<'_>],
    ) {
        let mut body = self.order.u32(interface).to_vec();
        body.extend(self.stamped(ticks, bytes, wire_len));
        body.extend(self.options(options));
        self.block(6, &body);
    }

    /// An obsolete packet block, with its count of drops.
    pub(crate) fn old_packet(&mut self, interface: u16, drops: u16, ticks: u64, bytes: &[u8]) {
        let mut body = self.order.u16(interface).to_vec();
        body.extend(self.order.u16(drops));
        body.extend(self.stamped(ticks, bytes, bytes.len()));
        self.block(2, &body);
    }

    /// A simple packet block: no time, interface 0.
    pub(crate) fn simple_packet(&mut self, bytes: &[u8]) {
        let mut body = self.order.u32(long(bytes.len())).to_vec();
        body.extend(bytes);
        self.block(3, &body);
    }

    /// The flags option of a packet: 1 in, 2 out.
    pub(crate) fn flags(&self, flags: u32) -> [u8; 4] {
        self.order.u32(flags)
    }

    /// A 64-bit option.
    pub(crate) fn wide(&self, value: u64) -> [u8; 8] {
        self.order.u64(value)
    }
}

/// One gzip member (RFC 1952) without name or time; level 0 stores.
pub(crate) fn gzip(bytes: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = flate2::GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), flate2::Compression::new(level));
    encoder
        .write_all(bytes)
        .expect("memory takes what it is given");
    encoder.finish().expect("memory takes what it is given")
}

/// One zstd frame (RFC 8878) with its checksum.
pub(crate) fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 3).expect("level 3 exists");
    encoder.include_checksum(true).expect("checksums exist");
    encoder
        .write_all(bytes)
        .expect("memory takes what it is given");
    encoder.finish().expect("memory takes what it is given")
}

/// One LZ4 frame.
pub(crate) fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
    encoder
        .write_all(bytes)
        .expect("memory takes what it is given");
    encoder.finish().expect("memory takes what it is given")
}
