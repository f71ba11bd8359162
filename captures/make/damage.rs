//! Files that are not what they say, each broken in one place behind frames that are good.

use super::conversations::echoes;
use super::file::{ETHERNET, MICRO, Order, PCAP, Pcap, START, Section, gzip, pcap, records};
use super::packet::{IP, cut, echo, join, patched, sent};
use super::{Capture, capture};

pub(crate) fn captures() -> Vec<Capture> {
    let plain = pcap(ETHERNET, &echoes());
    // A header of 24 bytes; each record 16 and a frame of 98.
    let third = 24 + 2 * (16 + 98);
    vec![
        capture("empty.pcap", "Nothing at all", vec![]),
        capture(
            "not_a_capture.pcap",
            "Text that is named like a capture",
            b"The quick brown fox jumps over the lazy dog.\n".to_vec(),
        ),
        capture(
            "pcap_version_7.pcap",
            "A pcap of major version 7, which does not exist",
            Pcap { version: 7, ..PCAP }.frames(&echoes()),
        ),
        capture(
            "damaged_cut_in_file_header.pcap",
            "Cut after 10 bytes of the file header",
            cut(&plain, 10),
        ),
        capture(
            "damaged_cut_in_record_header.pcap",
            "Two frames, then 9 bytes of a record header",
            cut(&plain, third + 9),
        ),
        capture(
            "damaged_cut_in_record_body.pcap",
            "Two frames, then 69 bytes of a frame of 98",
            cut(&plain, third + 16 + 69),
        ),
        capture(
            "damaged_caplen_huge.pcap",
            "Two frames, then one that claims 4,294,967,295 bytes",
            huge_record(),
        ),
        capture(
            "damaged_garbage_behind.pcap",
            "Two frames, then bytes that are no record",
            join(&[&cut(&plain, third), &[0xff; 40]]),
        ),
        ng(
            "damaged_pcapng_cut.pcapng",
            "One frame, then a block that ends early",
            |good| {
                let next = block(6, &[0; 60]);
                join(&[&good, &cut(&next, 40)])
            },
        ),
        ng(
            "damaged_pcapng_block_length_zero.pcapng",
            "One frame, then a block of length 0",
            |good| join(&[&good, &6u32.to_le_bytes(), &[0; 28]]),
        ),
        ng(
            "damaged_pcapng_block_length_odd.pcapng",
            "One frame, then a block whose length is not a multiple of four",
            |good| join(&[&good, &6u32.to_le_bytes(), &33u32.to_le_bytes(), &[0; 28]]),
        ),
        ng(
            "damaged_pcapng_block_length_huge.pcapng",
            "One frame, then a block that claims 4,294,967,292 bytes",
            |good| {
                join(&[
                    &good,
                    &6u32.to_le_bytes(),
                    &0xffff_fffcu32.to_le_bytes(),
                    &[0; 28],
                ])
            },
        ),
        ng(
            "damaged_pcapng_trailer.pcapng",
            "One frame, then a block whose two lengths differ",
            |good| {
                let second = packet(0, 36, 36);
                let trailer = second.len() - 4;
                join(&[&good, &patched(second, trailer, &[72])])
            },
        ),
        ng(
            "damaged_pcapng_interface_id.pcapng",
            "One frame, then one of interface 7 where there is one interface",
            |good| join(&[&good, &packet(7, 36, 36)]),
        ),
        ng(
            "damaged_pcapng_caplen.pcapng",
            "One frame, then one that claims more bytes than its block holds",
            |good| join(&[&good, &packet(0, 2000, 36)]),
        ),
        ng(
            "damaged_pcapng_byte_order.pcapng",
            "One frame, then a section whose byte order is neither",
            |good| {
                let next = Section::new(Order::Little, &[]).bytes;
                join(&[&good, &patched(next, 8, &[1, 2, 3, 4])])
            },
        ),
        ng(
            "damaged_pcapng_version.pcapng",
            "One frame, then a section of major version 2",
            |good| {
                let next = Section::new(Order::Little, &[]).bytes;
                join(&[&good, &patched(next, 12, &[2])])
            },
        ),
        ng(
            "damaged_pcapng_option_length.pcapng",
            "Two frames, the second with a comment that claims to reach past its block",
            |good| {
                let mut section = Section::new(Order::Little, &[]);
                section.interface(ETHERNET, 65535, &[]);
                let before = section.bytes.len();
                section.packet(0, START * 1_000_000, &frame(), &[(1, b"comment")]);
                // The option's length follows block header, packet header, frame and code.
                let at = 8 + 20 + frame().len().next_multiple_of(4) + 2;
                let lying = patched(section.bytes.split_off(before), at, &[0xff, 0x7f]);
                join(&[&good, &lying])
            },
        ),
        capture(
            "damaged_pcapng_no_interface.pcapng",
            "A frame before any interface is described",
            join(&[&Section::new(Order::Little, &[]).bytes, &packet(0, 36, 36)]),
        ),
        capture(
            "damaged_gzip.pcap.gz",
            "gzip, stored, that ends within the third frame",
            // Ten bytes of gzip header and five of a stored block come before the data.
            cut(&gzip(&plain, 0), 15 + third + 16 + 20),
        ),
        capture(
            "damaged_gzip_checksum.pcap.gz",
            "gzip, stored, whose checksum at the end is wrong",
            wrong_crc(&gzip(&plain, 0)),
        ),
    ]
}

fn huge_record() -> Vec<u8> {
    let mut records = records(&echoes(), 1000);
    records.truncate(3);
    if let Some(last) = records.last_mut() {
        last.captured = u32::MAX;
    }
    debug_assert_eq!(PCAP.magic, MICRO);
    PCAP.file(&records)
}

fn frame() -> Vec<u8> {
    sent(&echo(&IP, 1, 8))
}

/// A section with an interface and a frame, and what damage follows it.
fn ng(path: &str, shows: &str, damage: impl Fn(Vec<u8>) -> Vec<u8>) -> Capture {
    let mut section = Section::new(Order::Little, &[]);
    section.interface(ETHERNET, 65535, &[]);
    section.packet(0, START * 1_000_000, &frame(), &[]);
    capture(path, shows, damage(section.bytes))
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let mut section = Section::new(Order::Little, &[]);
    section.bytes.clear();
    section.block(kind, body);
    section.bytes
}

/// An enhanced packet block that claims one length and holds another.
fn packet(interface: u32, claimed: u32, held: usize) -> Vec<u8> {
    let mut body = interface.to_le_bytes().to_vec();
    let ticks = START * 1_000_000 + 1000;
    body.extend(((ticks >> 32) as u32).to_le_bytes());
    body.extend((ticks as u32).to_le_bytes());
    body.extend(claimed.to_le_bytes());
    body.extend(claimed.to_le_bytes());
    body.extend(cut(&frame(), held));
    block(6, &body)
}

fn wrong_crc(member: &[u8]) -> Vec<u8> {
    patched(member.to_vec(), member.len() - 8, &[0xde, 0xad, 0xbe, 0xef])
}
