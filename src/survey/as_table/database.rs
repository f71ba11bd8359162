//! A MaxMind DB file with autonomous systems, in memory (MaxMind DB file format, version 2.0).
//!
//! Read here and not by a crate: those follow pointers wherever they lead, and a damaged file leads
//! in circles. Here nothing is followed but from a value to where it stands, once; each step
//! of a walk takes a bit of the address or a byte of the file.

use std::net::Ipv4Addr;

use super::{Fault, System};

/// What the metadata begin with, somewhere in the last 128 KiB; the last one counts.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
const METADATA: usize = 128 << 10;

/// Zeros between the tree and the data.
const SEPARATOR: usize = 16;

/// Where various makers write the number: as a number, or as text behind AS.
const NUMBERS: [&str; 3] = ["autonomous_system_number", "asn", "as_number"];
const HOLDERS: [&str; 5] = [
    "autonomous_system_organization",
    "as_name",
    "name",
    "as_organization",
    "organization",
];

// Types of values.
const POINTER: u8 = 1;
const STRING: u8 = 2;
const DOUBLE: u8 = 3;
const BYTES: u8 = 4;
const UINT16: u8 = 5;
const UINT32: u8 = 6;
const MAP: u8 = 7;
const INT32: u8 = 8;
const UINT64: u8 = 9;
const UINT128: u8 = 10;
const ARRAY: u8 = 11;
const BOOLEAN: u8 = 14;
const FLOAT: u8 = 15;

/// Where the metadata begin.
fn metadata(bytes: &[u8]) -> Option<usize> {
    let start = bytes.len().saturating_sub(METADATA);
    let end = bytes.get(start..).unwrap_or_default();
    let last = end
        .windows(MARKER.len())
        .rposition(|window| window == MARKER)?;
    start.checked_add(last)?.checked_add(MARKER.len())
}

/// Whether bytes are such a file.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    metadata(bytes).is_some()
}

/// How wide the two records of a node are.
#[derive(Debug, Clone, Copy)]
enum Width {
    Bits24,
    Bits28,
    Bits32,
}

impl Width {
    /// Bytes of a node.
    fn node(self) -> usize {
        match self {
            Self::Bits24 => 6,
            Self::Bits28 => 7,
            Self::Bits32 => 8,
        }
    }
}

#[derive(Debug)]
pub(super) struct Database {
    bytes: Vec<u8>,
    nodes: u32,
    width: Width,
    /// Where the data begin.
    data: usize,
    /// Where the tree of IPv4 addresses begins: a node, or already what is known of all of them.
    root: u32,
}

impl Database {
    pub(super) fn read(bytes: Vec<u8>) -> Result<Self, Fault> {
        let fault = |why: &str| Fault::Database(why.to_owned());
        let damaged = || fault("the MaxMind DB is damaged");
        let start = metadata(&bytes).ok_or_else(damaged)?;
        let section = Section(bytes.get(start..).unwrap_or_default());
        let number = |key| section.entry(0, key).and_then(Value::number);
        let nodes = number("node_count").ok_or_else(damaged)?;
        let nodes = u32::try_from(nodes).map_err(|_| damaged())?;
        let width = match number("record_size") {
            Some(24) => Width::Bits24,
            Some(28) => Width::Bits28,
            Some(32) => Width::Bits32,
            _ => return Err(damaged()),
        };
        if number("binary_format_major_version") != Some(2) {
            return Err(fault("the MaxMind DB is not of version 2"));
        }
        let is_of_ipv6 = number("ip_version") == Some(6);
        let tree = usize::try_from(nodes).ok();
        let tree = tree.and_then(|nodes| nodes.checked_mul(width.node()));
        let data = tree.and_then(|tree| tree.checked_add(SEPARATOR));
        let data = data.filter(|data| *data <= start).ok_or_else(damaged)?;
        let mut database = Self {
            bytes,
            nodes,
            width,
            data,
            root: 0,
        };
        if is_of_ipv6 {
            // IPv4 addresses are the last 32 bits of addresses that begin with zeros.
            database.root = database.walk(0, 0, 96).ok_or_else(damaged)?;
        }
        Ok(database)
    }

    pub(super) fn system(&self, address: Ipv4Addr) -> Option<System> {
        let record = self.walk(self.root, address.to_bits(), 32)?;
        let found = record.checked_sub(self.nodes).filter(|it| *it != 0)?;
        let found = usize::try_from(found).ok()?.checked_sub(SEPARATOR)?;
        let section = Section(self.bytes.get(self.data..)?);
        let number = NUMBERS.iter().find_map(|key| {
            let value = section.entry(found, key)?;
            let number = value.number().or_else(|| {
                let text = value.text()?;
                text.strip_prefix("AS").unwrap_or(text).parse().ok()
            })?;
            u32::try_from(number).ok()
        })?;
        let holder = HOLDERS.iter().find_map(|key| {
            let value = section.entry(found, key)?;
            value.text().map(str::to_owned)
        });
        Some(System { number, holder })
    }

    /// The record that the first so many of these bits lead to, from this one on; nothing behind
    /// what is no node.
    fn walk(&self, from: u32, bits: u32, count: u32) -> Option<u32> {
        let mut record = from;
        for step in 0..count {
            if record >= self.nodes {
                break;
            }
            let right = bits.checked_shl(step).unwrap_or(0) >> 31 == 1;
            record = self.record(record, right)?;
        }
        Some(record)
    }

    fn record(&self, node: u32, right: bool) -> Option<u32> {
        let start = usize::try_from(node).ok()?.checked_mul(self.width.node())?;
        let node = self.bytes.get(start..)?;
        Some(match (self.width, right) {
            (Width::Bits24, _) => {
                let [a, b, c] = *node.get(if right { 3 } else { 0 }..)?.first_chunk()?;
                u32::from_be_bytes([0, a, b, c])
            }
            (Width::Bits28, _) => {
                let [a, b, c, middle, d, e, f] = *node.first_chunk()?;
                if right {
                    u32::from_be_bytes([middle & 0x0f, d, e, f])
                } else {
                    u32::from_be_bytes([middle >> 4, a, b, c])
                }
            }
            (Width::Bits32, _) => {
                u32::from_be_bytes(*node.get(if right { 4 } else { 0 }..)?.first_chunk()?)
            }
        })
    }
}

/// A section of values, in which pointers count from its beginning.
#[derive(Debug, Clone, Copy)]
struct Section<'a>(&'a [u8]);

/// What stands in front of a value.
#[derive(Debug, Clone, Copy)]
struct Head {
    kind: u8,
    /// Bytes, or entries, or where a pointer points.
    size: usize,
    /// Where the value itself begins.
    at: usize,
}

/// A value and its bytes.
#[derive(Debug, Clone, Copy)]
struct Value<'a> {
    kind: u8,
    bytes: &'a [u8],
}

impl<'a> Value<'a> {
    fn text(self) -> Option<&'a str> {
        (self.kind == STRING).then(|| std::str::from_utf8(self.bytes).ok())?
    }

    fn number(self) -> Option<u64> {
        let fits = matches!(self.kind, UINT16 | UINT32 | UINT64) && self.bytes.len() <= 8;
        let sum = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        fits.then(|| self.bytes.iter().fold(0, sum))
    }
}

impl<'a> Section<'a> {
    fn byte(self, at: usize) -> Option<usize> {
        self.0.get(at).copied().map(usize::from)
    }

    /// Bytes as a number, the first one the highest.
    fn number(self, at: usize, count: usize) -> Option<usize> {
        let bytes = self.0.get(at..at.checked_add(count)?)?;
        Some(
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        )
    }

    fn head(self, at: usize) -> Option<Head> {
        let control = self.byte(at)?;
        let mut at = at.checked_add(1)?;
        let low = control & 0x1f;
        let mut kind = u8::try_from(control >> 5).ok()?;
        if kind == POINTER {
            let count = (low >> 3).checked_add(1)?;
            let high = if count == 4 { 0 } else { low & 7 };
            let base = [0, 2048, 526_336, 0].get(low >> 3)?;
            let value = high << (count * 8) | self.number(at, count)?;
            return Some(Head {
                kind,
                size: value.checked_add(*base)?,
                at: at.checked_add(count)?,
            });
        }
        if kind == 0 {
            kind = u8::try_from(self.byte(at)?.checked_add(7)?).ok()?;
            at = at.checked_add(1)?;
        }
        // How many bytes say the size, and what is to be added to what they say.
        let (count, base) = match low {
            29 => (1, 29),
            30 => (2, 285),
            31 => (3, 65_821),
            size => (0, size),
        };
        Some(Head {
            kind,
            size: self.number(at, count)?.checked_add(base)?,
            at: at.checked_add(count)?,
        })
    }

    /// Where the value behind this one begins; what a pointer points to is no part of it.
    fn behind(self, at: usize) -> Option<usize> {
        let (mut at, mut left) = (at, 1_usize);
        while left > 0 {
            let head = self.head(at)?;
            let (entries, bytes) = match head.kind {
                MAP => (head.size.checked_mul(2)?, 0),
                ARRAY => (head.size, 0),
                POINTER | BOOLEAN => (0, 0),
                STRING | DOUBLE | BYTES | UINT16 | UINT32 | INT32 | UINT64 | UINT128 | FLOAT => {
                    (0, head.size)
                }
                _ => return None,
            };
            left = (left - 1).checked_add(entries)?;
            at = head.at.checked_add(bytes)?;
        }
        Some(at)
    }

    /// What stands in front of this value, or of the one that it points to.
    fn resolved(self, at: usize) -> Option<Head> {
        let head = self.head(at)?;
        match head.kind {
            // A pointer to a pointer is none.
            POINTER => self.head(head.size).filter(|head| head.kind != POINTER),
            _ => Some(head),
        }
    }

    fn value(self, at: usize) -> Option<Value<'a>> {
        let head = self.resolved(at)?;
        let bytes = match head.kind {
            MAP | ARRAY | BOOLEAN => &[],
            _ => self.0.get(head.at..head.at.checked_add(head.size)?)?,
        };
        Some(Value {
            kind: head.kind,
            bytes,
        })
    }

    /// The value of this key in the map at this place.
    fn entry(self, map: usize, key: &str) -> Option<Value<'a>> {
        let map = self.resolved(map).filter(|head| head.kind == MAP)?;
        let mut at = map.at;
        for _ in 0..map.size {
            let name = self.value(at)?;
            at = self.behind(at)?;
            if name.text() == Some(key) {
                return self.value(at);
            }
            at = self.behind(at)?;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::super::AsTable;
    use super::*;

    /// A string of the format: type 2, short length.
    fn string(text: &str) -> Vec<u8> {
        let len = u8::try_from(text.len()).unwrap();
        let mut bytes = if len < 29 {
            vec![0x40 | len]
        } else {
            vec![0x5d, len - 0x1d]
        };
        bytes.extend(text.bytes());
        bytes
    }

    /// An unsigned number of 16 (type 5) or 32 (type 6) bits.
    fn number(kind: u8, value: u32) -> Vec<u8> {
        let bytes = value.to_be_bytes();
        let bytes = if kind == 5 { &bytes[2..] } else { &bytes[..] };
        let mut whole = vec![kind << 5 | u8::try_from(bytes.len()).unwrap()];
        whole.extend(bytes);
        whole
    }

    /// One node of 24 bits: addresses below 128.0.0.0 belong to AS64500, the others to nobody.
    fn file(node_count: u32) -> Vec<u8> {
        let mut bytes = Vec::new();
        // A record above the number of nodes points into the data, 16 bytes behind the tree.
        bytes.extend([0, 0, 1 + 16]);
        bytes.extend([0, 0, 1]);
        bytes.extend([0; 16]);
        bytes.push(0xe2);
        bytes.extend(string("autonomous_system_number"));
        bytes.extend(number(6, 64500));
        bytes.extend(string("autonomous_system_organization"));
        bytes.extend(string("EXAMPLE"));
        bytes.extend(MARKER);
        let metadata = [
            ("node_count", number(6, node_count)),
            ("record_size", number(5, 24)),
            ("ip_version", number(5, 4)),
            ("database_type", string("ASN")),
            ("languages", vec![0x00, 0x04]),
            ("binary_format_major_version", number(5, 2)),
            ("binary_format_minor_version", number(5, 0)),
            ("build_epoch", vec![0x01, 0x02, 1]),
            ("description", vec![0xe0]),
        ];
        bytes.push(0xe0 | u8::try_from(metadata.len()).unwrap());
        for (key, value) in metadata {
            bytes.extend(string(key));
            bytes.extend(value);
        }
        bytes
    }

    #[test]
    fn a_system_is_found() {
        let table = AsTable::read(file(1)).unwrap();
        let found = table.system(Ipv4Addr::new(10, 0, 0, 1)).unwrap();
        assert_eq!(found.number, 64500);
        assert_eq!(found.holder.as_deref(), Some("EXAMPLE"));
        assert_eq!(table.system(Ipv4Addr::new(192, 0, 2, 1)), None);
    }

    #[test]
    fn a_damaged_file_is_refused_or_knows_nothing() {
        let whole = file(1);
        for at in 0..whole.len() {
            for bits in [0xff, 0x80, 0x01] {
                let mut bytes = whole.clone();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= bits;
                }
                if let Ok(table) = AsTable::read(bytes) {
                    let _ = table.system(Ipv4Addr::new(10, 0, 0, 1));
                }
            }
        }
        assert!(AsTable::read(file(u32::MAX)).is_err());
    }

    /// A tree of one branch: 1.2.0.0/16 belongs to AS64500, all else to nobody. Records of `size`
    /// bits, of addresses of this version of IP.
    fn branch(size: u8, version: u8) -> Vec<u8> {
        let zeros = if version == 6 { 96 } else { 0 };
        let way = [vec![false; zeros], bits(0x0102_0000, 16)].concat();
        let nodes = u32::try_from(way.len()).unwrap();
        let mut bytes = Vec::new();
        for (node, right) in (1..).zip(&way) {
            // The last node leads to the first byte of the data.
            let next = if node == nodes { nodes + 16 } else { node };
            let (left, right) = if *right { (nodes, next) } else { (next, nodes) };
            let (a, b) = (left.to_be_bytes(), right.to_be_bytes());
            match size {
                24 => bytes.extend([&a[1..], &b[1..]].concat()),
                28 => bytes.extend([&a[1..], &[a[0] << 4 | b[0]], &b[1..]].concat()),
                _ => bytes.extend([a, b].concat()),
            }
        }
        bytes.extend([0; 16]);
        bytes.push(0xe1);
        bytes.extend(string("asn"));
        bytes.extend(string("AS64500"));
        bytes.extend(MARKER);
        bytes.push(0xe4);
        for (key, value) in [
            ("node_count", number(6, nodes)),
            ("record_size", number(5, size.into())),
            ("ip_version", number(5, version.into())),
            ("binary_format_major_version", number(5, 2)),
        ] {
            bytes.extend(string(key));
            bytes.extend(value);
        }
        bytes
    }

    /// The first so many bits of an address.
    fn bits(address: u32, count: u32) -> Vec<bool> {
        (0..count).map(|at| address << at >> 31 == 1).collect()
    }

    #[test]
    fn records_of_every_width_and_both_versions_lead_there() {
        for size in [24, 28, 32] {
            for version in [4, 6] {
                let table = AsTable::read(branch(size, version)).unwrap();
                let system = |address: [u8; 4]| table.system(address.into()).map(|it| it.number);
                for known in [[1, 2, 0, 0], [1, 2, 3, 4], [1, 2, 255, 255]] {
                    assert_eq!(system(known), Some(64500), "{size} {version}");
                }
                for unknown in [[0; 4], [1, 1, 255, 255], [1, 3, 0, 0], [129, 2, 0, 0]] {
                    assert_eq!(system(unknown), None, "{size} {version}");
                }
            }
        }
    }

    #[test]
    fn a_pointer_in_a_circle_leads_nowhere() {
        // A map whose key points to itself, and one whose value does.
        for data in [
            vec![0xe1, 0x20, 0x01, 0xa1, 1],
            [&[0xe1][..], &string("asn"), &[0x20, 0x05]].concat(),
        ] {
            let mut bytes = vec![0, 0, 1 + 16, 0, 0, 1];
            bytes.extend([0; 16]);
            bytes.extend(data);
            let whole = file(1);
            let metadata = whole.windows(MARKER.len()).rposition(|it| it == MARKER);
            bytes.extend(whole.get(metadata.unwrap()..).unwrap());
            let table = AsTable::read(bytes).unwrap();
            assert_eq!(table.system(Ipv4Addr::new(10, 0, 0, 1)), None);
        }
    }
}
