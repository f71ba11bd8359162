//! A MaxMind DB file with autonomous systems, in memory.
//!
//! The crate that reads it trusts the file's own numbers and may panic on a damaged one: what it
//! is asked is asked where a panic is an answer like any other.

use std::net::{IpAddr, Ipv4Addr};
use std::panic::{self, AssertUnwindSafe};

use maxminddb::{PathElement, Reader};

use super::{Fault, System};

/// What the metadata begin with, somewhere in the last 128 KiB (MaxMind DB format, version 2.0).
const MARKER: &[u8] = b"\xab\xcd\xefMaxMind.com";
const METADATA: usize = 128 << 10;

/// Where various makers write the number: as a number, or as text behind AS.
const NUMBERS: [&str; 3] = ["autonomous_system_number", "asn", "as_number"];
const HOLDERS: [&str; 5] = [
    "autonomous_system_organization",
    "as_name",
    "name",
    "as_organization",
    "organization",
];

/// Whether bytes are such a file.
pub(super) fn is_one(bytes: &[u8]) -> bool {
    let start = bytes.len().saturating_sub(METADATA);
    let end = bytes.get(start..).unwrap_or_default();
    end.windows(MARKER.len()).any(|window| window == MARKER)
}

#[derive(Debug)]
pub(super) struct Database(Reader<Vec<u8>>);

impl Database {
    pub(super) fn read(bytes: Vec<u8>) -> Result<Self, Fault> {
        let damaged = || Fault::Database("the MaxMind DB is damaged".to_owned());
        let database = guarded(|| Reader::from_source(bytes))
            .ok_or_else(damaged)?
            .map_err(|why| Fault::Database(why.to_string()))?;
        let database = Self(database);
        // The first look finds what is wrong with the tree.
        guarded(|| {
            database
                .0
                .lookup(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)))
                .is_ok()
        })
        .filter(|fine| *fine)
        .ok_or_else(damaged)?;
        Ok(database)
    }

    pub(super) fn system(&self, address: Ipv4Addr) -> Option<System> {
        guarded(|| self.look_up(address)).flatten()
    }

    fn look_up(&self, address: Ipv4Addr) -> Option<System> {
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

/// What `ask` answers; `None` when it panics.
fn guarded<T>(ask: impl FnOnce() -> T) -> Option<T> {
    panic::catch_unwind(AssertUnwindSafe(ask)).ok()
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
}
