//! TCP (RFC 9293): one segment, without memory of the connection it belongs to.
//!
//! Knows the header and what no segment may say. Options are the next file's business, streams
//! nobody's here.

use std::fmt::{self, Display};

use super::anomaly::Anomaly;
use super::checksum::Verdict;
use super::field::{Brief, Field, Name, Value, Visitor, bits, bytes};
use super::names::{self, Transport};
use super::packet::{Next, Protocol, Reason, Region, View, Walk};
use super::{tcp_options, transport};

/// The header without options.
const HEADER: usize = 20;
/// What every ICMP error quotes of a segment (RFC 792): ports and sequence number.
const QUOTED: usize = 8;

const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const URG: u8 = 0x20;
const ECE: u8 = 0x40;
const CWR: u8 = 0x80;
/// Accurate ECN (RFC 9768), in the byte before the other flags.
const AE: u8 = 0x01;
/// The reserved bits beside it.
const RESERVED: u8 = 0x0e;

#[inline]
pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let Some(&header) = walk.bytes(region).first_chunk::<HEADER>() else {
        if !region.is_empty() {
            walk.push(Protocol::Tcp, region, HEADER);
        }
        if region.promised_len() < HEADER && !walk.context.fragmented {
            walk.anomaly(Anomaly::TcpTruncated);
        }
        return stop_cut(walk, region, HEADER);
    };
    let header_len = usize::from(header[12] >> 4) * 4;
    walk.push(Protocol::Tcp, region, header_len.max(HEADER));
    if walk.judge.checksums {
        let carried = u16::from_be_bytes([header[16], header[17]]);
        walk.set_checksum(transport::verdict(
            walk,
            names::PROTOCOL_TCP,
            region,
            carried,
        ));
    }
    if walk.judge.anomalies && !walk.is_quoted() {
        judge(walk, &header, region);
    }
    if header_len < HEADER {
        return walk.stop(
            Protocol::Tcp,
            region,
            Reason::Invalid("the header length is below 20 bytes"),
        );
    }
    if header_len > region.promised_len() && !walk.context.fragmented && !walk.is_quoted() {
        return walk.stop(
            Protocol::Tcp,
            region,
            Reason::Invalid("the header is longer than the segment"),
        );
    }
    if header_len > region.len() {
        return stop_cut(walk, region, header_len);
    }
    Some((Protocol::Payload, region.after(header_len)))
}

/// Ends the walk at a header that is not all there. What RFC 792 has an ICMP error quote is
/// never all of it, and nothing is missing then.
fn stop_cut(walk: &mut Walk<'_>, region: Region, need: usize) -> Next {
    if walk.is_quoted() && region.len() >= QUOTED {
        return None;
    }
    walk.stop_cut(Protocol::Tcp, region, need)
}

/// Everything odd about the segment.
#[inline]
fn judge(walk: &mut Walk<'_>, header: &[u8; HEADER], region: Region) {
    let header_len = usize::from(header[12] >> 4) * 4;
    let present = region.promised_len();
    if matches!(walk.checksum(), Verdict::Bad { .. }) {
        walk.anomaly(Anomaly::TcpChecksumBad);
    }
    // The rest of a header may be in the next fragment.
    let overlong = header_len > present && !walk.context.fragmented;
    if header_len < HEADER {
        walk.anomaly(Anomaly::TcpDataOffsetShort);
    } else if overlong {
        walk.anomaly(Anomaly::TcpDataOffsetLong);
    }
    if header[..2] == [0, 0] || header[2..4] == [0, 0] {
        walk.anomaly(Anomaly::TcpPortZero);
    }
    if header[12] & RESERVED != 0 {
        walk.anomaly(Anomaly::TcpReserved);
    }
    let flags = header[13];
    judge_flags(walk, flags);
    let options = walk.lens(region).slice(HEADER, header_len);
    if header_len > HEADER && !overlong {
        tcp_options::judge(walk, options, header_len - HEADER);
    }
    // With options cut away nobody knows whether Fast Open was among them.
    if flags & (SYN | ACK | RST | FIN) == SYN
        && (HEADER..present).contains(&header_len)
        && options.len() == header_len - HEADER
        && !tcp_options::fast_open(options)
    {
        walk.anomaly(Anomaly::TcpSynPayload);
    }
}

/// Which flags no state of RFC 9293 section 3.10.7 sends together.
#[inline]
fn judge_flags(walk: &mut Walk<'_>, flags: u8) {
    const XMAS: u8 = FIN | PSH | URG;
    let anomaly = match flags & (FIN | SYN | RST | PSH | ACK | URG) {
        0 => Anomaly::TcpFlagsNull,
        set if set & (SYN | RST) == SYN | RST => Anomaly::TcpFlagsSynRst,
        set if set & (SYN | FIN) == SYN | FIN => Anomaly::TcpFlagsSynFin,
        set if set & (XMAS | ACK) == XMAS => Anomaly::TcpFlagsXmas,
        set if set & (FIN | RST | ACK) == FIN => Anomaly::TcpFlagsFinWithoutAck,
        _ => return,
    };
    walk.anomaly(anomaly);
}

#[inline]
pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    transport::ports(lens, Transport::Tcp, v);
    let Some(sequence) = lens.u32(4) else { return };
    // What happens comes first on the line, before the numbers; a quote may end before it.
    let flags = lens.u8(13);
    if let (Some(flags), Some(offset)) = (flags, lens.u8(12)) {
        let accurate = offset & AE != 0;
        v.say(&Flags { flags, accurate });
    }
    let is = |flag| flags.is_some_and(|flags| flags & flag != 0);
    v.field(
        Field::number("sequence", "Sequence number", bits(32, 32), sequence)
            .meaning(&Name(Some(if is(SYN) {
                "where the numbering begins"
            } else {
                "of the first data byte"
            })))
            .brief(Brief::Value("seq ")),
    );
    let Some(acknowledgment) = lens.u32(8) else {
        return;
    };
    v.field(
        Field::number(
            "acknowledgment",
            "Acknowledgment number",
            bits(64, 32),
            acknowledgment,
        )
        .meaning(&Name(Some(if is(ACK) {
            "the next byte expected"
        } else {
            "of no meaning without ACK"
        })))
        .brief(if is(ACK) {
            Brief::Value("ack ")
        } else {
            Brief::Hidden
        }),
    );
    let Some(offset) = lens.u8(12) else { return };
    v.field(
        Field::number("data_offset", "Data offset", bits(96, 4), offset >> 4)
            .meaning(&Words(offset >> 4)),
    );
    v.field(Field::number(
        "reserved",
        "Reserved",
        bits(100, 3),
        (offset & RESERVED) >> 1,
    ));
    let Some(flags) = flags else { return };
    v.object("flags", "Flags", bits(103, 9), |v| {
        let mut flag = |name, label, bit, set, meaning| {
            let meaning = Name(Some(meaning));
            let field = Field::flag(name, label, bits(bit, 1), set);
            v.field(if set { field.meaning(&meaning) } else { field });
        };
        let ae = offset & AE != 0;
        flag("ae", "Accurate ECN", 103, ae, "part of the CE counter");
        let (cwr, ece) = if flags & SYN == 0 {
            ("the sender has slowed down", "congestion was experienced")
        } else {
            ("the sender knows ECN", "the sender knows ECN")
        };
        flag("cwr", "Congestion window reduced", 104, is(CWR), cwr);
        flag("ece", "ECN echo", 105, is(ECE), ece);
        let urg = "the urgent pointer counts";
        flag("urg", "Urgent", 106, is(URG), urg);
        let ack = "the acknowledgment number counts";
        flag("ack", "Acknowledgment", 107, is(ACK), ack);
        let psh = "to be handed on at once";
        flag("psh", "Push", 108, is(PSH), psh);
        flag(
            "rst",
            "Reset",
            109,
            is(RST),
            "the connection is refused or aborted",
        );
        flag("syn", "Synchronize", 110, is(SYN), "the connection begins");
        flag(
            "fin",
            "Finish",
            111,
            is(FIN),
            "no more data from the sender",
        );
    });
    let Some(window) = lens.u16(14) else { return };
    v.field(
        Field::number("window", "Window", bits(112, 16), window)
            .meaning(&Name(Some(match window {
                0 => "no room at the receiver",
                _ if is(SYN) => "bytes, never scaled in a SYN",
                _ => "bytes, before any window scale",
            })))
            .brief(Brief::Value("win ")),
    );
    let Some(checksum) = lens.u16(16) else { return };
    v.field(Field::hex("checksum", "Checksum", bits(128, 16), checksum));
    let ok = view.layer.checksum.ok().map_or(Value::Unknown, Value::Bool);
    v.field(Field::new("checksum_ok", "Checksum", bits(0, 0), ok).meaning(&view.layer.checksum));
    let Some(urgent) = lens.u16(18) else { return };
    v.field(
        Field::number("urgent_pointer", "Urgent pointer", bits(144, 16), urgent)
            .meaning(&Name(Some(if is(URG) {
                "end of the urgent data, from the sequence number"
            } else {
                "of no meaning without URG"
            })))
            .brief(if is(URG) {
                Brief::Value("urg ")
            } else {
                Brief::Hidden
            }),
    );
    let options = lens.slice(HEADER, usize::MAX);
    v.list("options", "Options", bytes(HEADER, options.len()), |v| {
        if !options.is_empty() {
            let area = (usize::from(offset >> 4) * 4).saturating_sub(HEADER);
            tcp_options::fields(options, area, acknowledgment, v);
        }
    });
}

/// The data offset as bytes.
struct Words(u8);

impl Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of header", u32::from(self.0) * 4)
    }
}

/// The flags in a row: what the segment is, then what goes with it.
struct Flags {
    flags: u8,
    /// The ninth flag, which lies in the byte before the others.
    accurate: bool,
}

impl Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(u8, &str); 8] = [
            (SYN, "SYN"),
            (FIN, "FIN"),
            (RST, "RST"),
            (PSH, "PSH"),
            (ACK, "ACK"),
            (URG, "URG"),
            (ECE, "ECE"),
            (CWR, "CWR"),
        ];
        let mut separator = "";
        for (flag, name) in NAMES {
            if self.flags & flag != 0 {
                f.write_str(separator)?;
                f.write_str(name)?;
                separator = ",";
            }
        }
        match (self.accurate, separator) {
            (true, _) => write!(f, "{separator}AE"),
            (false, "") => f.write_str("no flags"),
            (false, _) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test that reaches past its own bytes should say so"
    )]

    use std::fmt::Write;

    use super::super::field::{Group, Head, Visitor};
    use super::super::frame::{Frame, LinkType};
    use super::super::outline::{frame, outline, outline_ipv4};
    use super::super::packet::{Judge, Packet, dissect, visit};
    use super::super::transport::tests::{fragment, ipv4, sealed};
    use super::*;

    /// A SYN from port 1024 to 80 with an MSS of 1460.
    fn syn() -> Vec<u8> {
        segment(SYN, &[2, 4, 0x05, 0xb4], b"")
    }

    fn segment(flags: u8, options: &[u8], data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![
            4, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0,
        ];
        bytes[12] += u8::try_from(options.len() / 4).unwrap() << 4;
        bytes.extend(options);
        bytes.extend(data);
        sealed(&mut bytes, 6, 16);
        bytes
    }

    /// The anomalies of a segment that a host at 10.0.0.1 sends to 10.0.0.2.
    fn anomalies(segment: &[u8]) -> Vec<String> {
        outline_ipv4(&ipv4(6, segment))
            .lines()
            .filter_map(|line| line.strip_prefix("! ")?.split(' ').next())
            .map(str::to_owned)
            .collect()
    }

    fn shows(text: &str, line: &str) -> bool {
        text.lines().any(|shown| shown == line)
    }

    #[test]
    fn every_field() {
        let text = outline_ipv4(&ipv4(6, &segment(ACK | PSH | ECE, &[], b"GET ")));
        for line in [
            "tcp.source_port = 1024 (user port)",
            "tcp.destination_port = 80 (http)",
            "tcp.sequence = 1 (of the first data byte)",
            "tcp.acknowledgment = 2 (the next byte expected)",
            "tcp.data_offset = 5 (20 bytes of header)",
            "tcp.reserved = 0",
            "tcp.flags.ae = false",
            "tcp.flags.cwr = false",
            "tcp.flags.ece = true (congestion was experienced)",
            "tcp.flags.urg = false",
            "tcp.flags.ack = true (the acknowledgment number counts)",
            "tcp.flags.psh = true (to be handed on at once)",
            "tcp.flags.rst = false",
            "tcp.flags.syn = false",
            "tcp.flags.fin = false",
            "tcp.window = 65535 (bytes, before any window scale)",
            "tcp.checksum_ok = true (good)",
            "tcp.urgent_pointer = 0 (of no meaning without URG)",
            "payload.length = 4",
        ] {
            assert!(shows(&text, line), "{line} in\n{text}");
        }
        assert!(!text.contains("! ") && !text.contains("stopped"), "{text}");
    }

    /// RFC 9293 section 3.1 has three reserved bits; the fourth is Accurate ECN's (RFC 9768).
    #[test]
    fn accurate_ecn_is_no_reserved_bit() {
        let with = |bits| {
            let mut bytes = segment(SYN | ECE | CWR, &[], b"");
            bytes[12] |= bits;
            sealed(&mut bytes, 6, 16);
            bytes
        };
        assert!(anomalies(&with(1)).is_empty());
        let text = outline_ipv4(&ipv4(6, &with(1)));
        assert!(text.contains("tcp.flags.ae = true"), "{text}");
        for bits in [2, 4, 8] {
            assert_eq!(anomalies(&with(bits)), ["tcp.reserved"]);
        }
        let text = outline_ipv4(&ipv4(6, &with(8)));
        assert!(shows(&text, "tcp.reserved = 4"), "{text}");
    }

    #[test]
    fn a_wrong_checksum() {
        let mut bytes = syn();
        bytes[16] ^= 0x40;
        assert_eq!(anomalies(&bytes), ["tcp.checksum.bad"]);
        let right = u16::from_be_bytes([bytes[16] ^ 0x40, bytes[17]]);
        let text = outline_ipv4(&ipv4(6, &bytes));
        assert!(
            text.contains(&format!("(bad, should be 0x{right:04x})")),
            "{text}"
        );
    }

    #[test]
    fn every_data_offset() {
        for offset in 0..=15u8 {
            let mut bytes = segment(ACK, &[1; 20], b"");
            bytes[12] = offset << 4;
            sealed(&mut bytes, 6, 16);
            let expected: &[&str] = match offset {
                0..5 => &["tcp.data_offset.short"],
                5..=10 => &[],
                11.. => &["tcp.data_offset.long"],
            };
            assert_eq!(anomalies(&bytes), expected, "{offset}");
            let text = outline_ipv4(&ipv4(6, &bytes));
            assert!(text.contains("tcp.urgent_pointer"), "{text}");
            assert_eq!(text.contains("stopped tcp"), !expected.is_empty(), "{text}");
        }
    }

    /// The rest of the header is in the next fragment.
    #[test]
    fn a_header_may_go_on_in_the_next_fragment() {
        let bytes = segment(ACK, &[1; 20], b"");
        let text = outline_ipv4(&fragment(6, &bytes[..24]));
        assert!(!text.contains("! tcp"), "{text}");
        assert!(
            shows(&text, "stopped tcp at 20: 24 of 40 header bytes"),
            "{text}"
        );
    }

    #[test]
    fn flags_that_no_host_sends() {
        for flags in 0..=u8::MAX {
            let low = flags & 0x3f;
            let has = |flag| low & flag != 0;
            let expected = if low == 0 {
                Some("tcp.flags.null")
            } else if has(SYN) && has(RST) {
                Some("tcp.flags.syn_rst")
            } else if has(SYN) && has(FIN) {
                Some("tcp.flags.syn_fin")
            } else if has(FIN) && has(PSH) && has(URG) && !has(ACK) {
                Some("tcp.flags.xmas")
            } else if has(FIN) && !has(ACK) && !has(RST) {
                Some("tcp.flags.fin_without_ack")
            } else {
                None
            };
            let found = anomalies(&segment(flags, &[], b""));
            assert_eq!(found.first().map(String::as_str), expected, "{flags:#04x}");
            assert!(found.len() <= 1);
        }
    }

    #[test]
    fn data_in_a_syn_needs_fast_open() {
        assert_eq!(anomalies(&segment(SYN, &[], b"data")), ["tcp.syn.payload"]);
        for legal in [
            segment(SYN, &[], b""),
            segment(SYN | ACK, &[], b"data"),
            segment(SYN, &[1, 1, 34, 2], b"data"),
            segment(SYN, &[254, 8, 0xf9, 0x89, 1, 2, 3, 4], b"data"),
        ] {
            assert!(anomalies(&legal).is_empty());
        }
    }

    #[test]
    fn port_zero() {
        for at in [0, 2] {
            let mut bytes = syn();
            bytes[at..at + 2].fill(0);
            sealed(&mut bytes, 6, 16);
            assert_eq!(anomalies(&bytes), ["tcp.port.zero"]);
        }
    }

    #[test]
    fn cut_anywhere() {
        let bytes = ipv4(6, &syn());
        for len in 20..bytes.len() {
            let cut = Frame {
                wire_len: 44,
                ..frame(LinkType::IPV4, &bytes[..len])
            };
            let text = outline(&cut);
            assert!(!text.contains("! "), "{len}\n{text}");
            assert!(text.contains("stopped tcp"), "{len}\n{text}");
            assert_eq!(text.contains("tcp.sequence"), len >= 28, "{len}\n{text}");
            assert_eq!(text.contains("tcp.flags"), len >= 34, "{len}\n{text}");
            assert_eq!(text.contains("tcp.options"), len > 40, "{len}\n{text}");
        }
    }

    #[test]
    fn too_short_a_datagram() {
        for len in 0..20 {
            assert_eq!(anomalies(&syn()[..len]), ["tcp.truncated"], "{len}");
        }
    }

    /// What the one-line summary hears, in its order.
    #[derive(Default)]
    struct Line(String);

    impl Visitor for Line {
        fn layer(&mut self, head: Head) -> bool {
            head.protocol == Protocol::Tcp
        }
        fn field(&mut self, field: Field<'_>) {
            if let (Brief::Value(words), Value::Number(value)) = (field.brief, field.value) {
                write!(self.0, " {words}{value}").unwrap();
            }
        }
        fn open(&mut self, _: Group) {}
        fn close(&mut self, _: crate::wire::field::Shape) {}
        fn end_layer(&mut self) {}
        fn say(&mut self, words: &dyn Display) {
            write!(self.0, " {words}").unwrap();
        }
    }

    fn line(segment: &[u8]) -> String {
        let bytes = ipv4(6, segment);
        let frame = frame(LinkType::IPV4, &bytes);
        let mut packet = Packet::new();
        dissect(&frame, Judge::ALL, &mut packet);
        let mut line = Line::default();
        visit(&frame, &packet, &mut line);
        line.0
    }

    #[test]
    fn the_line_says_what_happens() {
        assert_eq!(line(&syn()), " SYN seq 1 win 65535 mss 1460");
        assert_eq!(
            line(&segment(SYN | ACK, &[2, 4, 5, 0xb4, 1, 3, 3, 7], b"")),
            " SYN,ACK seq 1 ack 2 win 65535 mss 1460 wscale 7"
        );
        assert_eq!(
            line(&segment(ACK, &[1, 1, 5, 10, 0, 0, 0, 9, 0, 0, 0, 12], b"")),
            " ACK seq 1 ack 2 win 65535 sack 9-12"
        );
        assert_eq!(line(&segment(0, &[], b"")), " no flags seq 1 win 65535");
        assert_eq!(line(&syn()[..8]), " seq 1");
    }
}
