//! IGMP messages: values to bytes, and back as far as they are whole (RFC 9776).
//!
//! Knows nothing of who is a member of what, nor of the IPv4 header.

use std::net::Ipv4Addr;

use super::{put, too_much};
use crate::error::Result;
use crate::wire::checksum::checksum;
use crate::wire::field::Lens;

/// The whole message in versions 1 and 2.
const HEADER: usize = 8;
/// A version 3 query without its sources.
const QUERY_3: usize = 12;
/// A group record without its sources.
const RECORD: usize = 8;
const QUERY: u8 = 0x11;
const REPORT_3: u8 = 0x22;

/// An IGMP message (RFC 1112, RFC 2236, RFC 9776).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Igmp {
    /// Type; that of a version 3 report where there are group records, else a query.
    pub kind: Option<u8>,
    /// Maximum response time, in a query 10 seconds when not given; else reserved, and 0.
    pub code: Option<u8>,
    /// Right by the bytes when not given.
    pub checksum: Option<u16>,
    /// The group; in a version 3 report its place is taken by what that has there.
    pub group: Ipv4Addr,
    /// What only version 3 has.
    pub version3: Option<Version3>,
}

impl Default for Igmp {
    /// A general query of version 2.
    fn default() -> Self {
        Self {
            kind: None,
            code: None,
            checksum: None,
            group: Ipv4Addr::UNSPECIFIED,
            version3: None,
        }
    }
}

/// What a version 3 message has beyond the older ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version3 {
    /// Behind the group (RFC 9776 section 4.1).
    Query(Query),
    /// In place of the group and behind it (RFC 9776 section 4.2).
    Report(Report),
}

/// The rest of a version 3 query.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// 4 bits, the first of which says that an extension follows (RFC 9279).
    pub reserved: u8,
    /// S: routers leave their timers alone.
    pub suppress: bool,
    /// The querier's robustness variable, 3 bits.
    pub robustness: u8,
    /// The querier's query interval, as a code (RFC 9776 section 4.1.7).
    pub interval: u8,
    /// Number of sources; as many as there are when not given.
    pub count: Option<u16>,
    /// Source addresses.
    pub sources: Vec<Ipv4Addr>,
}

/// The rest of a version 3 report.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// 16 bits, the first of which says that an extension follows (RFC 9279).
    pub reserved: u16,
    /// Number of group records; as many as there are when not given.
    pub count: Option<u16>,
    /// Group records.
    pub records: Vec<Record>,
}

/// One group record of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// A whole one, whose lengths are right (RFC 9776 section 4.2.4).
    Whole {
        /// Record type.
        kind: u8,
        /// Multicast address.
        group: Ipv4Addr,
        /// Source addresses.
        sources: Vec<Ipv4Addr>,
        /// Auxiliary data; padded with zeros to whole words.
        auxiliary: Vec<u8>,
    },
    /// Any bytes in place of one.
    Raw(Vec<u8>),
}

impl Igmp {
    /// The type that the message will have.
    #[must_use]
    pub fn kind(&self) -> u8 {
        self.kind.unwrap_or(match self.version3 {
            Some(Version3::Report(_)) => REPORT_3,
            _ => QUERY,
        })
    }

    pub(super) fn build(&self, payload: &[u8]) -> Result<Vec<u8>> {
        // Only queries give a time to answer within (RFC 2236 section 2.2).
        let code = self.code.unwrap_or(match self.kind() {
            QUERY => 100,
            _ => 0,
        });
        let mut bytes = vec![self.kind(), code, 0, 0];
        match &self.version3 {
            None => bytes.extend_from_slice(&self.group.octets()),
            Some(Version3::Query(query)) => {
                bytes.extend_from_slice(&self.group.octets());
                query.write(&mut bytes)?;
            }
            Some(Version3::Report(report)) => report.write(&mut bytes)?,
        }
        bytes.extend_from_slice(payload);
        let checksum = self.checksum.unwrap_or_else(|| checksum(&bytes));
        put(&mut bytes, 2, checksum);
        Ok(bytes)
    }

    /// A message as it stands and what is behind it; the rest of a version 3 message is taken
    /// apart where `whole` and it is there.
    pub(super) fn read(bytes: &[u8], whole: bool) -> Option<(Self, &[u8])> {
        let lens = Lens(bytes);
        let mut igmp = Self {
            kind: Some(lens.u8(0)?),
            code: Some(lens.u8(1)?),
            checksum: Some(lens.u16(2)?),
            group: lens.array(4)?.into(),
            version3: None,
        };
        let mut end = HEADER;
        if whole {
            let (version3, at) = match lens.u8(0)? {
                QUERY => Query::read(lens)?,
                REPORT_3 => Report::read(lens)?,
                _ => return None,
            };
            if matches!(version3, Version3::Report(_)) {
                igmp.group = Ipv4Addr::UNSPECIFIED;
            }
            igmp.version3 = Some(version3);
            end = at;
        }
        Some((igmp, lens.slice(end, usize::MAX)))
    }
}

impl Query {
    fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        let flags = self.reserved << 4 | u8::from(self.suppress) << 3 | self.robustness & 7;
        let count = count(self.count, self.sources.len(), "igmp.sources")?;
        out.extend_from_slice(&[flags, self.interval]);
        out.extend_from_slice(&count.to_be_bytes());
        out.extend(self.sources.iter().flat_map(Ipv4Addr::octets));
        Ok(())
    }

    fn read(message: Lens<'_>) -> Option<(Version3, usize)> {
        let flags = message.u8(HEADER)?;
        let count = message.u16(10)?;
        let sources = sources(message, QUERY_3, count);
        let end = QUERY_3.saturating_add(sources.len().saturating_mul(4));
        let query = Self {
            reserved: flags >> 4,
            suppress: flags & 8 != 0,
            robustness: flags & 7,
            interval: message.u8(9)?,
            count: Some(count),
            sources,
        };
        Some((Version3::Query(query), end))
    }
}

impl Report {
    fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        let count = count(self.count, self.records.len(), "igmp.records")?;
        out.extend_from_slice(&self.reserved.to_be_bytes());
        out.extend_from_slice(&count.to_be_bytes());
        self.records.iter().try_for_each(|record| record.write(out))
    }

    /// Records up to the first that is not whole.
    fn read(message: Lens<'_>) -> Option<(Version3, usize)> {
        let count = message.u16(6)?;
        let mut report = Self {
            reserved: message.u16(4)?,
            count: Some(count),
            records: Vec::new(),
        };
        let mut at = HEADER;
        while report.records.len() < usize::from(count)
            && let Some((record, len)) = Record::read(message.slice(at, usize::MAX))
        {
            report.records.push(record);
            at = at.saturating_add(len);
        }
        Some((Version3::Report(report), at))
    }
}

impl Record {
    /// Appends the record.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::error::Kind::Usage) when its lengths cannot be said.
    pub fn write(&self, out: &mut Vec<u8>) -> Result<()> {
        let (kind, group, sources, auxiliary) = match self {
            Self::Raw(bytes) => {
                out.extend_from_slice(bytes);
                return Ok(());
            }
            Self::Whole {
                kind,
                group,
                sources,
                auxiliary,
            } => (*kind, group, sources, auxiliary),
        };
        let padded = auxiliary.len().next_multiple_of(4);
        let words = u8::try_from(padded / 4).map_err(|_| {
            too_much(
                "igmp.records",
                padded,
                1_020,
                "less auxiliary data, or the record as 0xHEX",
            )
        })?;
        out.extend_from_slice(&[kind, words]);
        out.extend_from_slice(&count(None, sources.len(), "igmp.records")?.to_be_bytes());
        out.extend_from_slice(&group.octets());
        out.extend(sources.iter().flat_map(Ipv4Addr::octets));
        out.extend_from_slice(auxiliary);
        let padding = padded.saturating_sub(auxiliary.len());
        out.extend(std::iter::repeat_n(0, padding));
        Ok(())
    }

    /// The record that the bytes begin with, and its length in bytes, if all of it is there.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<(Self, usize)> {
        let lens = Lens(bytes);
        let count = lens.u16(2)?;
        let data = RECORD.checked_add(usize::from(count).checked_mul(4)?)?;
        let end = data.checked_add(usize::from(lens.u8(1)?).checked_mul(4)?)?;
        let record = Self::Whole {
            kind: lens.u8(0)?,
            group: lens.array(4)?.into(),
            sources: sources(lens, RECORD, count),
            auxiliary: bytes.get(data..end)?.to_vec(),
        };
        Some((record, end))
    }
}

/// A number as it is given, or how many there are.
fn count(given: Option<u16>, are: usize, field: &str) -> Result<u16> {
    match given {
        Some(count) => Ok(count),
        None => u16::try_from(are)
            .map_err(|_| too_much(field, are.saturating_mul(4), 262_140, "fewer addresses")),
    }
}

/// As many of `count` addresses from byte `start` on as are there.
fn sources(lens: Lens<'_>, start: usize, count: u16) -> Vec<Ipv4Addr> {
    let end = start.saturating_add(usize::from(count).saturating_mul(4));
    let (addresses, _) = lens.slice(start, end).as_chunks::<4>();
    addresses.iter().copied().map(Ipv4Addr::from).collect()
}
