//! Version 3: queries that name sources, and reports made of group records (RFC 9776).
//!
//! Describes and counts; what is odd is judged where the message is dissected.

use std::fmt::{self, Display};

use super::{HEADER, QUERY_3, group_address};
use crate::wire::field::{Brief, Field, Lens, Name, Visitor, bits, bytes};
use crate::wire::names;

/// A group record without its sources.
const RECORD: usize = 8;

/// One group record of a version 3 report.
pub(super) struct Record<'a> {
    /// First byte, counted from the message's first.
    pub(super) at: usize,
    /// What it should have, in bytes, by its own word.
    pub(super) len: usize,
    /// What of it was captured.
    pub(super) bytes: Lens<'a>,
}

/// The group records in order, up to the first that is not all there.
pub(super) struct Records<'a> {
    message: Lens<'a>,
    at: usize,
    left: u16,
}

impl<'a> Records<'a> {
    pub(super) fn new(message: Lens<'a>, count: u16) -> Self {
        Self {
            message,
            at: HEADER,
            left: count,
        }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        self.left = self.left.checked_sub(1)?;
        let at = self.at;
        let rest = Lens(self.message.slice(at, usize::MAX));
        let words = |at| rest.u8(at).map_or(0, usize::from);
        let sources = rest.u16(2).map_or(0, usize::from);
        let len = RECORD + (sources + words(1)) * 4;
        self.at += len;
        if rest.0.len() < len {
            self.left = 0;
        }
        Some(Record {
            at,
            len,
            bytes: Lens(rest.slice(0, len)),
        })
    }
}

/// RFC 9776 section 4.1.
pub(super) fn query_3<V: Visitor>(lens: Lens<'_>, v: &mut V) -> Option<()> {
    group_address(lens, v)?;
    let flags = lens.u8(8)?;
    v.field(
        Field::number("resv", "Reserved", bits(64, 4), flags >> 4).meaning(&if flags & 0x80 == 0 {
            "no extension"
        } else {
            "an extension follows (RFC 9279)"
        }),
    );
    v.field(
        Field::flag(
            "s",
            "Suppress router-side processing",
            bits(68, 1),
            flags & 8 != 0,
        )
        .meaning(&if flags & 8 == 0 {
            "routers update their timers"
        } else {
            "routers leave their timers alone"
        }),
    );
    let robustness = flags & 7;
    let field = Field::number(
        "qrv",
        "Querier's robustness variable",
        bits(69, 3),
        robustness,
    );
    v.field(if robustness == 0 {
        field.meaning(&"more than 7")
    } else {
        field
    });
    let interval = lens.u8(9)?;
    v.field(
        Field::number("qqic", "Querier's query interval", bits(72, 8), interval)
            .meaning(&Seconds(float(interval))),
    );
    let count = lens.u16(10)?;
    v.field(Field::number(
        "number_of_sources",
        "Number of sources",
        bits(80, 16),
        count,
    ));
    sources(lens, QUERY_3, count, 0, v);
    Some(())
}

/// RFC 9776 section 4.2.
pub(super) fn report_3<V: Visitor>(lens: Lens<'_>, v: &mut V) -> Option<()> {
    let flags = lens.u16(4)?;
    v.field(
        Field::number("flags", "Flags", bits(32, 16), flags).meaning(&if flags & 0x8000 == 0 {
            "no extension"
        } else {
            "an extension follows (RFC 9279)"
        }),
    );
    let count = lens.u16(6)?;
    v.field(
        Field::number(
            "number_of_group_records",
            "Number of group records",
            bits(48, 16),
            count,
        )
        .brief(Brief::Value("records ")),
    );
    let len = lens.0.len().saturating_sub(HEADER);
    v.list("group_records", "Group records", bytes(HEADER, len), |v| {
        for record in Records::new(lens, count) {
            if record.bytes.0.is_empty() {
                return;
            }
            let first = record.at == HEADER;
            let place = bytes(record.at, record.bytes.0.len());
            v.item("Group record", place, |v| {
                let _: Option<()> = group_record(&record, first, v);
            });
        }
    });
    Some(())
}

fn group_record<V: Visitor>(record: &Record<'_>, first: bool, v: &mut V) -> Option<()> {
    let (lens, at) = (record.bytes, record.at);
    let kind = lens.u8(0)?;
    // One record says on the line what kind of report this is; more would fill it.
    let brief = |brief| if first { brief } else { Brief::Hidden };
    v.field(
        Field::number("record_type", "Record type", bytes(at, 1), kind)
            .meaning(&Name(match kind {
                1 => Some("MODE_IS_INCLUDE"),
                2 => Some("MODE_IS_EXCLUDE"),
                3 => Some("CHANGE_TO_INCLUDE_MODE"),
                4 => Some("CHANGE_TO_EXCLUDE_MODE"),
                5 => Some("ALLOW_NEW_SOURCES"),
                6 => Some("BLOCK_OLD_SOURCES"),
                _ => None,
            }))
            .brief(brief(Brief::Meaning(""))),
    );
    let auxiliary = lens.u8(1)?;
    v.field(
        Field::number(
            "aux_data_len",
            "Auxiliary data length",
            bytes(at + 1, 1),
            auxiliary,
        )
        .meaning(&"32-bit words"),
    );
    let count = lens.u16(2)?;
    v.field(Field::number(
        "number_of_sources",
        "Number of sources",
        bytes(at + 2, 2),
        count,
    ));
    let group = lens.array(4)?;
    v.field(
        Field::ipv4(
            "multicast_address",
            "Multicast address",
            bytes(at + 4, 4),
            group,
        )
        .meaning(&names::AddressKind(group))
        .brief(brief(Brief::Value(""))),
    );
    sources(lens, RECORD, count, at, v);
    let data = lens.slice(RECORD + usize::from(count) * 4, usize::MAX);
    if !data.is_empty() {
        v.field(Field::bytes(
            "auxiliary_data",
            "Auxiliary data",
            bytes(at + lens.0.len() - data.len(), data.len()),
            data,
        ));
    }
    Some(())
}

/// The `count` source addresses from byte `start` of what begins at byte `at` of the message,
/// or as many as there are.
fn sources<V: Visitor>(lens: Lens<'_>, start: usize, count: u16, at: usize, v: &mut V) {
    let addresses = lens
        .slice(start, start + usize::from(count) * 4)
        .as_chunks()
        .0;
    let place = bytes(at + start, addresses.len() * 4);
    v.list("source_addresses", "Source addresses", place, |v| {
        for (index, &address) in addresses.iter().enumerate() {
            let place = bytes(at + start + index * 4, 4);
            v.field(Field::ipv4("", "Source address", place, address));
        }
    });
}

/// The codes of version 3: themselves below 128, then a 4-bit mantissa under a hidden one and a
/// 3-bit exponent (RFC 9776 section 4.1.1).
pub(super) fn float(code: u8) -> u32 {
    let code = u32::from(code);
    if code < 128 {
        code
    } else {
        (code & 0x0f | 0x10) << ((code >> 4 & 7) + 3)
    }
}

struct Seconds(u32);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0)
    }
}
