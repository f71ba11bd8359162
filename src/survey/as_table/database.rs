//! A MaxMind DB file with autonomous systems, in memory.
//!
//! The crate that reads it ends the program on some damaged ones, by a panic or by a stack that
//! is full: what it is handed has been past the guard, which refuses those.

mod guard;

use std::net::{IpAddr, Ipv4Addr};

use maxminddb::{Metadata, PathElement, Reader};

use super::{Fault, System};
use guard::{SEPARATOR, Values};

/// What the metadata begin with, somewhere in the last 128 KiB (MaxMind DB format, version 2.0);
/// the last one counts.
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
const METADATA: usize = 128 << 10;

/// What stands in front of data, and behind it, in a database of one node and 24 bits that leads
/// all addresses to its first value.
const FRONT: &[u8] = b"\0\0\x11\0\0\x11\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const BACK: &[u8] = b"\xab\xcd\xefMaxMind.com\xe9\x4anode_count\xc1\x01\x4brecord_size\xa1\x18\
    \x4aip_version\xa1\x04\x4ddatabase_type\x40\x49languages\0\x04\
    \x5bbinary_format_major_version\xa1\x02\x5bbinary_format_minor_version\xa0\
    \x4bbuild_epoch\0\x02\x4bdescription\xe0";

/// Where various makers write the number: as a number, or as text behind AS.
const NUMBERS: [&str; 3] = ["autonomous_system_number", "asn", "as_number"];
const HOLDERS: [&str; 5] = [
    "autonomous_system_organization",
    "as_name",
    "name",
    "as_organization",
    "organization",
];

/// Where the marker begins.
fn marker(bytes: &[u8]) -> Option<usize> {
    let start = bytes.len().saturating_sub(METADATA);
    let end = bytes.get(start..).unwrap_or_default();
    let last = end
        .windows(MARKER.len())
        .rposition(|window| window == MARKER)?;
    start.checked_add(last)
}

/// Whether bytes are such a file.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    marker(bytes).is_some()
}

/// The metadata, read as the data of a small database of their own: with a whole file the crate
/// would look into the tree before anybody could ask how large it says it is.
fn metadata(section: &[u8]) -> Result<Metadata, Fault> {
    Values::first(section).ok_or_else(damaged)?;
    let alone = [FRONT, section, BACK].concat();
    let alone = Reader::from_source(alone).map_err(|_| damaged())?;
    let found = alone.lookup(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let found = found.map_err(|_| damaged())?;
    found.decode().ok().flatten().ok_or_else(damaged)
}

fn damaged() -> Fault {
    Fault::Database("the MaxMind DB is damaged".to_owned())
}

/// Whether the tree and the data, the parts of the file in front of the marker, keep the rules.
fn are_sound(bytes: &[u8], metadata: &Metadata) -> Option<bool> {
    let nodes = usize::try_from(metadata.node_count).ok()?;
    let width = usize::from(metadata.record_size / 4);
    let (tree, rest) = bytes.split_at_checked(nodes.checked_mul(width)?)?;
    let data = rest.get(usize::try_from(SEPARATOR).ok()?..)?;
    Some(Values::all(data)?.are_led_to(tree, metadata.node_count, width))
}

#[derive(Debug)]
pub(super) struct Database(Reader<Vec<u8>>);

impl Database {
    pub(super) fn read(bytes: Vec<u8>) -> Result<Self, Fault> {
        let (front, behind) = marker(&bytes)
            .and_then(|at| bytes.split_at_checked(at))
            .ok_or_else(damaged)?;
        let metadata = metadata(behind.get(MARKER.len()..).unwrap_or_default())?;
        if metadata.binary_format_major_version != 2 {
            let why = "the MaxMind DB is not of version 2";
            return Err(Fault::Database(why.to_owned()));
        }
        if are_sound(front, &metadata) != Some(true) {
            return Err(damaged());
        }
        let reader = Reader::from_source(bytes);
        Ok(Self(
            reader.map_err(|why| Fault::Database(why.to_string()))?,
        ))
    }

    pub(super) fn system(&self, address: Ipv4Addr) -> Option<System> {
        let found = self.0.lookup(IpAddr::V4(address)).ok()?;
        let text = |key: &str| -> Option<&str> {
            found.decode_path(&[PathElement::Key(key)]).ok().flatten()
        };
        let number = NUMBERS.iter().find_map(|key| {
            let number: Option<u32> = found.decode_path(&[PathElement::Key(key)]).ok().flatten();
            number.or_else(|| {
                let text = text(key)?;
                text.strip_prefix("AS").unwrap_or(text).parse().ok()
            })
        })?;
        let holder = HOLDERS.iter().find_map(|key| text(key)).map(str::to_owned);
        Some(System { number, holder })
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
        bytes.extend(metadata(node_count, 24, 4));
        bytes
    }

    /// What stands behind the data.
    fn metadata(nodes: u32, size: u8, version: u8) -> Vec<u8> {
        let mut bytes = MARKER.to_vec();
        let metadata = [
            ("node_count", number(6, nodes)),
            ("record_size", number(5, size.into())),
            ("ip_version", number(5, version.into())),
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
        bytes.extend(metadata(nodes, size, version));
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

    /// A file of these data, to whose byte `at` all addresses below 128.0.0.0 lead.
    fn holding(at: u8, data: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 1 + 16 + at, 0, 0, 1];
        bytes.extend([0; 16]);
        bytes.extend(data);
        bytes.extend(metadata(1, 24, 4));
        bytes
    }

    /// Arrays in the last of each other, so many, around a boolean.
    fn nest(arrays: usize) -> Vec<u8> {
        [[1, 4].repeat(arrays), vec![1, 7]].concat()
    }

    /// A boolean, and arrays behind it with so many pointers to what was in front of them.
    fn chain(arrays: u8, pointers: u8) -> Vec<u8> {
        let mut data = vec![1, 7];
        let mut last = 0;
        for _ in 0..arrays {
            let next = u8::try_from(data.len()).unwrap();
            data.extend([pointers, 4]);
            data.extend([0x20, last].repeat(pointers.into()));
            last = next;
        }
        data
    }

    #[test]
    fn what_is_too_deep_or_too_much_is_refused() {
        let is_read = |data: &[u8]| AsTable::read(holding(0, data)).is_ok();
        // The boolean is the innermost.
        assert!(is_read(&nest(31)));
        assert!(!is_read(&nest(32)));
        // A pointer is one deeper than what it leads to, and stands in an array.
        assert!(is_read(&chain(15, 1)));
        assert!(!is_read(&chain(16, 1)));
        // Each array is more than three times the one before: 3^10 and what holds it.
        assert!(is_read(&chain(9, 3)));
        assert!(!is_read(&chain(11, 3)));
    }

    #[test]
    fn what_leads_to_no_beginning_is_refused() {
        // Two booleans and an array of a pointer: to the first, the second, into the first, to
        // itself, to its array, behind all, and to a pointer.
        for (to, is_read) in [
            (0, true),
            (2, true),
            (1, false),
            (6, false),
            (4, false),
            (8, false),
        ] {
            let data = [1, 7, 1, 7, 1, 4, 0x20, to];
            assert_eq!(AsTable::read(holding(0, &data)).is_ok(), is_read, "{to}");
        }
        assert!(AsTable::read(holding(0, &[1, 7, 2, 4, 0x20, 0, 0x20, 4])).is_err());
        // Low bits of a long pointer, which say nothing.
        assert!(AsTable::read(holding(0, &[1, 7, 0x38, 0, 0, 0, 0])).is_ok());
        assert!(AsTable::read(holding(0, &[1, 7, 0x3d, 0, 0, 0, 0])).is_err());
        // A record of the tree into a value, behind all, and between tree and data.
        assert!(AsTable::read(holding(2, &[1, 7, 1, 7])).is_ok());
        assert!(AsTable::read(holding(1, &[1, 7, 1, 7])).is_err());
        assert!(AsTable::read(holding(4, &[1, 7, 1, 7])).is_err());
        for record in 2..17 {
            let mut bytes = holding(0, &[1, 7]);
            bytes.splice(2..3, [record]);
            assert!(AsTable::read(bytes).is_err(), "{record}");
        }
    }

    #[test]
    fn a_pointer_in_a_circle_is_refused() {
        // A map whose key points to itself, and one whose value does.
        for data in [
            vec![0xe1, 0x20, 0x01, 0xa1, 1],
            [&[0xe1][..], &string("asn"), &[0x20, 0x05]].concat(),
        ] {
            assert!(AsTable::read(holding(0, &data)).is_err(), "{data:02x?}");
        }
    }
}
