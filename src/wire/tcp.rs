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
    if let Some(flags) = flags {
        v.say(&Flags(flags));
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
struct Flags(u8);

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
            if self.0 & flag != 0 {
                f.write_str(separator)?;
                f.write_str(name)?;
                separator = ",";
            }
        }
        if separator.is_empty() {
            f.write_str("no flags")?;
        }
        Ok(())
    }
}
