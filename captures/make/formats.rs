//! Files that are whole, in every format: classic pcap in its variants, pcapng with all its
//! blocks, compression around them.

use super::conversations::{HOSTILE, echoes};
use super::file::{
    COMMENT, ETHERNET, MODIFIED, NANO, Order, PCAP, Pcap, RAW_IPV4, START, Section, gzip, lz4,
    pcap, records, zstd,
};
use super::packet::{
    A, DF, IP, Ip, SEGMENT, Tcp, cut, echo, from, join, patched, pattern, sent, tcp, udp,
};
use super::{Capture, capture, long};

pub(crate) fn captures() -> Vec<Capture> {
    let plain = pcap(ETHERNET, &echoes());
    let two = plain.len() / 2;
    vec![
        capture(
            "header_only.pcap",
            "A pcap header and no frame",
            PCAP.header(),
        ),
        capture(
            "pcap_big_endian.pcap",
            "Big-endian, microseconds",
            Pcap {
                order: Order::Big,
                ..PCAP
            }
            .frames(&echoes()),
        ),
        capture(
            "pcap_nanoseconds.pcap",
            "Little-endian, nanoseconds that microseconds would lose",
            Pcap {
                magic: NANO,
                ..PCAP
            }
            .file(&nanoseconds()),
        ),
        capture(
            "pcap_nanoseconds_big_endian.pcap",
            "Big-endian, nanoseconds that microseconds would lose",
            Pcap {
                order: Order::Big,
                magic: NANO,
                ..PCAP
            }
            .file(&nanoseconds()),
        ),
        capture(
            "pcap_modified.pcap",
            "Kuznetsov's modified format: 24-byte record headers",
            Pcap {
                magic: MODIFIED,
                ..PCAP
            }
            .frames(&echoes()),
        ),
        capture(
            "pcap_modified_swapped.pcap",
            "The modified format, big-endian",
            Pcap {
                order: Order::Big,
                magic: MODIFIED,
                ..PCAP
            }
            .frames(&echoes()),
        ),
        capture(
            "pcap_fcs.pcap",
            "A link type field that says each frame ends with its frame check sequence",
            with_fcs(),
        ),
        capture("pcap_odd_times.pcap", TIMES, odd_times()),
        capture(
            "pcap_over_snaplen.pcap",
            "A frame longer than the file's snaplen of 64, whole all the same",
            Pcap {
                snaplen: 64,
                ..PCAP
            }
            .frames(&[sent(&echo(&IP, 1, 56)), sent(&echo(&IP, 2, 8))]),
        ),
        capture(
            "snaplen_cut.pcap",
            "Frames cut by a snaplen: in the data, in the TCP options, in the IPv4 header, in the \
             Ethernet header",
            snaplen_cut(),
        ),
        capture(
            "pcapng_two_sections.pcapng",
            "Two sections of different byte order and link type",
            two_sections(),
        ),
        capture(
            "pcapng_interfaces.pcapng",
            "Four interfaces: nanoseconds on Ethernet, 2^-20 s on raw IPv4, an offset of 1.7e9 s, \
             a snaplen of 60; directions in the flags",
            interfaces(),
        ),
        capture("pcapng_all_blocks.pcapng", BLOCKS, all_blocks()),
        capture(
            "pcapng_odd_times.pcapng",
            "Resolutions of 2^-127, 10^-127 and 1 s; offsets at both ends of 64 bits",
            extreme_times(),
        ),
        capture(
            "pcapng_hostile_text.pcapng",
            "Names and comments of terminal escapes, quotes and invalid UTF-8",
            hostile_text(),
        ),
        capture("pcap_gzip.pcap.gz", "gzip around a pcap", gzip(&plain, 6)),
        capture(
            "pcap_gzip_members.pcap.gz",
            "gzip in two members, cut within a record, stored",
            join(&[&gzip(&cut(&plain, two), 0), &gzip(&from(&plain, two), 0)]),
        ),
        capture("pcap_zstd.pcap.zst", "zstd around a pcap", zstd(&plain)),
        capture(
            "pcapng_zstd_frames.pcapng.zst",
            "zstd in two frames with a skippable one between, around a pcapng",
            zstd_frames(),
        ),
        capture("pcap_lz4.pcap.lz4", "lz4 around a pcap", lz4(&plain)),
    ]
}

const TIMES: &str = "Times that go back, the first and last second of 32 bits, a fraction of more \
                     than a second";

const BLOCKS: &str = "Every kind of pcapng block: section and interface with all options, enhanced \
                      (flags, two comments, hash, drops, queue), simple and obsolete packets, \
                      names, statistics, secrets, systemd journal, custom, unknown";

fn nanoseconds() -> Vec<super::file::Record> {
    let mut records = records(&echoes(), 1_000_000);
    for (index, record) in records.iter_mut().enumerate() {
        record.fraction += 16_001 + index as u32;
    }
    records
}

/// The frame check sequence of IEEE 802.3 section 3.2.9, as it stands on the wire.
fn fcs(frame: &[u8]) -> [u8; 4] {
    let mut crc = u32::MAX;
    for byte in frame {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 0 {
                crc >> 1
            } else {
                crc >> 1 ^ 0xedb8_8320
            };
        }
    }
    (!crc).to_le_bytes()
}

fn with_fcs() -> Vec<u8> {
    let frames: Vec<_> = echoes()
        .iter()
        .map(|frame| join(&[frame, &fcs(frame)]))
        .collect();
    // The length of the check sequence in 16-bit words, and the flag that says it is known.
    let field = 2u32 << 28 | 1 << 26 | u32::from(ETHERNET);
    patched(pcap(ETHERNET, &frames), 20, &field.to_le_bytes())
}

fn odd_times() -> Vec<u8> {
    let mut records = records(&vec![sent(&echo(&IP, 1, 8)); 6], 1000);
    let times = [
        (1_700_000_000, 500_000),
        (1_699_999_999, 0),
        (0, 0),
        (1 << 31, 0),
        (u32::MAX, 999_999),
        (1_700_000_000, 2_500_000),
    ];
    for (record, (seconds, fraction)) in records.iter_mut().zip(times) {
        record.seconds = seconds;
        record.fraction = fraction;
    }
    PCAP.file(&records)
}

fn snaplen_cut() -> Vec<u8> {
    let options = super::conversations::stamped(100, 200);
    let segment = Tcp {
        options: &options,
        ..SEGMENT
    };
    let frame = sent(&tcp(&Ip { flags: DF, ..IP }, &segment, &pattern(100)));
    let mut records = records(&vec![frame; 4], 1000);
    for (record, len) in records.iter_mut().zip([96, 60, 30, 10]) {
        record.bytes.truncate(len);
        record.captured = long(len);
    }
    Pcap {
        snaplen: 96,
        ..PCAP
    }
    .file(&records)
}

/// Ticks of so many a second, so many milliseconds after the first frame.
fn ticks(per_second: u64, milliseconds: u64) -> u64 {
    START * per_second + per_second * milliseconds / 1000
}

fn two_sections() -> Vec<u8> {
    let mut first = Section::new(Order::Little, &[]);
    first.interface(ETHERNET, 65535, &[(2, b"eth0")]);
    first.packet(0, ticks(1_000_000, 0), &sent(&echo(&IP, 1, 8)), &[]);
    first.packet(0, ticks(1_000_000, 1), &sent(&echo(&IP, 2, 8)), &[]);
    let mut second = Section::new(Order::Big, &[]);
    second.interface(RAW_IPV4, 65535, &[(2, b"tun0"), (9, &[9])]);
    second.packet(0, ticks(1_000_000_000, 2), &echo(&IP, 3, 8), &[]);
    join(&[&first.bytes, &second.bytes])
}

/// The bit of if_tsresol that makes it a power of two.
const TWO_TO_THE: u8 = 0x80;

fn interfaces() -> Vec<u8> {
    let mut section = Section::new(Order::Little, &[]);
    let offset = section.wide(START);
    section.interface(ETHERNET, 0, &[(2, b"eth0"), (9, &[9])]);
    section.interface(RAW_IPV4, 0, &[(2, b"tun0"), (9, &[TWO_TO_THE + 20])]);
    section.interface(ETHERNET, 0, &[(2, b"eth1"), (9, &[6]), (14, &offset)]);
    section.interface(ETHERNET, 60, &[(2, b"eth2")]);
    let (inward, outward) = (section.flags(1), section.flags(2));
    section.packet(
        0,
        ticks(1_000_000_000, 0) + 16_001,
        &sent(&echo(&IP, 1, 8)),
        &[(2, &outward)],
    );
    // 2048 of 2^-20 s: 1.953125 ms.
    section.packet(1, (START << 20) + 2048, &echo(&IP, 2, 8), &[(2, &inward)]);
    section.packet(2, 4000, &sent(&echo(&IP, 3, 8)), &[]);
    let long_one = sent(&echo(&IP, 4, 56));
    section.cut_packet(
        3,
        ticks(1_000_000, 6),
        &cut(&long_one, 60),
        long_one.len(),
        &[],
    );
    section.bytes
}

fn all_blocks() -> Vec<u8> {
    let mut section = Section::new(
        Order::Little,
        &[
            (COMMENT, b"one block of every kind"),
            (2, b"a small machine"),
            (3, b"an operating system"),
            (4, b"captures/make.rs"),
            (2988, b"\xd9\x7e\x00\x00custom text"),
        ],
    );
    let speed = section.wide(1_000_000_000);
    section.interface(
        ETHERNET,
        65535,
        &[
            (COMMENT, b"the interface"),
            (2, b"eth0"),
            (3, b"towards the router"),
            (4, &[192, 0, 2, 1, 255, 255, 255, 0]),
            (6, &[0x02, 0, 0, 0, 0, 0x01]),
            (8, &speed),
            (9, &[6]),
            (11, b"\0icmp"),
            (12, b"an operating system"),
            (13, &[0]),
        ],
    );
    let at = |milliseconds| ticks(1_000_000, milliseconds);
    let frame = |sequence| sent(&echo(&IP, sequence, 8));
    let outward = section.flags(2);
    let (drops, id) = (section.wide(3), section.wide(77));
    section.packet(
        0,
        at(0),
        &frame(1),
        &[
            (COMMENT, b"first comment"),
            (COMMENT, b"second comment"),
            (2, &outward),
            (3, &[2, 0x12, 0x34, 0x56, 0x78]),
            (4, &drops),
            (5, &id),
            (6, &[0, 0, 0, 0]),
        ],
    );
    section.simple_packet(&frame(2));
    section.old_packet(0, 5, at(2), &frame(3));
    section.block(4, &names());
    section.block(0x0a, &secrets());
    section.block(
        9,
        b"__REALTIME_TIMESTAMP=1700000000003000\nMESSAGE=link up\n",
    );
    section.block(0x0bad, b"\xd9\x7e\x00\x00copied when the file is rewritten");
    section.block(0x4000_0bad, b"\xd9\x7e\x00\x00not copied");
    section.block(0x8000_0001, b"a block for local use");
    section.block(0x0000_7fff, b"a block that nobody has registered");
    section.block(5, &statistics(&section, at(0), at(4)));
    section.packet(0, at(4), &frame(4), &[]);
    section.bytes
}

/// A name resolution block: an IPv4 record, an IPv6 record, the end, and a comment.
fn names() -> Vec<u8> {
    let six = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    join(&[
        &[1, 0, 17, 0],
        &A,
        b"example.net\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
            .get(..16)
            .expect("long enough"),
        &[2, 0, 28, 0],
        &six,
        b"example.net\0",
        &[0; 4],
    ])
}

/// A decryption secrets block with a line of a TLS key log.
fn secrets() -> Vec<u8> {
    let log = b"CLIENT_RANDOM 00 11\n";
    join(&[
        &0x544c_534bu32.to_le_bytes(),
        &long(log.len()).to_le_bytes(),
        log,
    ])
}

/// An interface statistics block.
fn statistics(section: &Section, first: u64, last: u64) -> Vec<u8> {
    // The high half of a time comes first, whatever the byte order.
    let stamp = |ticks: u64| {
        let halves = [(ticks >> 32) as u32, ticks as u32];
        halves.map(u32::to_le_bytes).concat()
    };
    let mut body = join(&[&[0; 4], &stamp(last)]);
    let options = [
        (2u16, stamp(first)),
        (3, stamp(last)),
        (4, section.wide(9).to_vec()),
        (5, section.wide(3).to_vec()),
    ];
    for (code, value) in options {
        body.extend(code.to_le_bytes());
        body.extend([8, 0]);
        body.extend(value);
    }
    body.extend([0; 4]);
    body
}

fn extreme_times() -> Vec<u8> {
    let mut section = Section::new(Order::Little, &[]);
    let (least, most) = (section.wide(1 << 63), section.wide(u64::MAX >> 1));
    section.interface(ETHERNET, 0, &[(9, &[0xff])]);
    section.interface(ETHERNET, 0, &[(9, &[127])]);
    section.interface(ETHERNET, 0, &[(9, &[0])]);
    section.interface(ETHERNET, 0, &[(14, &least)]);
    section.interface(ETHERNET, 0, &[(14, &most)]);
    for interface in 0..5u16 {
        let frame = sent(&echo(&IP, interface, 8));
        section.packet(u32::from(interface), u64::MAX, &frame, &[]);
    }
    section.packet(2, START, &sent(&echo(&IP, 6, 8)), &[]);
    section.bytes
}

fn hostile_text() -> Vec<u8> {
    let mut section = Section::new(Order::Little, &[(4, HOSTILE)]);
    section.interface(ETHERNET, 0, &[(2, HOSTILE), (3, HOSTILE)]);
    section.packet(
        0,
        ticks(1_000_000, 0),
        &sent(&udp(&IP, 9999, 9999, HOSTILE)),
        &[(COMMENT, HOSTILE)],
    );
    section.bytes
}

fn zstd_frames() -> Vec<u8> {
    let bytes = interfaces();
    let half = bytes.len() / 2;
    // RFC 8878 section 3.1.2.
    let skippable = join(&[&0x184d_2a50u32.to_le_bytes(), &4u32.to_le_bytes(), b"skip"]);
    join(&[
        &zstd(&cut(&bytes, half)),
        &skippable,
        &zstd(&from(&bytes, half)),
    ])
}
