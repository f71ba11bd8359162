//! Whose network an address is in: a table of autonomous systems, read from bytes.
//!
//! Two kinds of tables are known: ip2asn's (first address, last address, number, country, holder,
//! between tabs; <https://iptoasn.com>), and MaxMind DB files with the keys of GeoLite2-ASN or of
//! those who do as it does. Nothing is fetched, and nothing is believed: a table that is damaged
//! is an error, or knows nothing.

mod database;

use std::fmt;
use std::net::Ipv4Addr;

use database::Database;

/// An autonomous system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// Its number.
    pub number: u32,
    /// Who holds it, as the table has it; any characters.
    pub holder: Option<String>,
}

/// A table of autonomous systems.
#[derive(Debug)]
pub struct AsTable(Kind);

#[derive(Debug)]
enum Kind {
    Rows(Vec<Row>),
    Database(Database),
}

/// Addresses from `first` to `last` are of one system.
#[derive(Debug)]
struct Row {
    first: u32,
    last: u32,
    number: u32,
    holder: Box<str>,
}

/// Why bytes are no table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// A line, counted from 1, and what is wrong with it.
    Line(usize, &'static str),
    /// There is not one row for IPv4.
    Empty,
    /// What the reader of MaxMind DB files says.
    Database(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number, why) => write!(f, "line {number}: {why}"),
            Self::Empty => f.write_str("there is no row for IPv4 in it"),
            Self::Database(why) => f.write_str(why),
        }
    }
}

impl AsTable {
    /// Reads a table, of whichever kind the bytes are.
    ///
    /// # Errors
    /// A line that is no row, no row at all, or a damaged MaxMind DB.
    pub fn read(bytes: Vec<u8>) -> Result<Self, Fault> {
        if database::is_one(&bytes) {
            return Database::read(bytes).map(|it| Self(Kind::Database(it)));
        }
        let mut rows = Vec::new();
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            match row(line) {
                Ok(Some(row)) => rows.push(row),
                Ok(None) => {}
                Err(why) => return Err(Fault::Line(at.saturating_add(1), why)),
            }
        }
        if rows.is_empty() {
            return Err(Fault::Empty);
        }
        rows.sort_unstable_by_key(|row| (row.first, std::cmp::Reverse(row.last)));
        Ok(Self(Kind::Rows(rows)))
    }

    /// The system that an address belongs to, where the table knows one. Of rows that overlap, the
    /// one that begins last counts.
    #[must_use]
    pub fn system(&self, address: Ipv4Addr) -> Option<System> {
        match &self.0 {
            Kind::Database(database) => database.system(address),
            Kind::Rows(rows) => {
                let wanted = address.to_bits();
                let after = rows.partition_point(|row| row.first <= wanted);
                let row = rows.get(after.checked_sub(1)?)?;
                (wanted <= row.last).then(|| System {
                    number: row.number,
                    holder: (!row.holder.is_empty()).then(|| row.holder.to_string()),
                })
            }
        }
    }
}

/// One line; `None` for IPv6, and for what nobody announces (number 0).
fn row(line: &[u8]) -> Result<Option<Row>, &'static str> {
    let line = String::from_utf8_lossy(line);
    let mut columns = line.split('\t');
    let mut column = || columns.next().map(str::trim);
    let (first, last) = (column().unwrap_or_default(), column().unwrap_or_default());
    if first.contains(':') {
        return Ok(None);
    }
    let first = address(first).ok_or("the first column is no address")?;
    let last = address(last).ok_or("the second column is no address")?;
    if last < first {
        return Err("the range ends before it begins");
    }
    let number = column().unwrap_or_default();
    let number = number.strip_prefix("AS").unwrap_or(number);
    let number: u32 = number
        .parse()
        .map_err(|_| "the third column is no number of an autonomous system")?;
    let _country = column();
    let holder = column().unwrap_or_default().into();
    Ok((number != 0).then_some(Row {
        first,
        last,
        number,
        holder,
    }))
}

/// An address with dots, or as one number.
fn address(text: &str) -> Option<u32> {
    let dotted = text.parse::<Ipv4Addr>().ok().map(Ipv4Addr::to_bits);
    dotted.or_else(|| text.parse().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    const TABLE: &str = "1.0.0.0\t1.0.0.255\t64500\tAU\tEXAMPLE-ONE\r\n\
                         1.0.1.0\t1.0.3.255\t0\tNone\tNot routed\n\
                         2001:db8::\t2001:db8::ff\t64502\tZZ\tSIX\n\
                         # remark\n\n\
                         16909056\t16909311\tAS64501\tUS\t\n";

    #[test]
    fn a_row_is_found_by_any_address_in_it() {
        let table = AsTable::read(TABLE.into()).unwrap();
        let one = Some(System {
            number: 64500,
            holder: Some("EXAMPLE-ONE".to_owned()),
        });
        assert_eq!(table.system(ip("1.0.0.0")), one);
        assert_eq!(table.system(ip("1.0.0.255")), one);
        let two = table.system(ip("1.2.3.7")).unwrap();
        assert_eq!((two.number, two.holder), (64501, None));
        for unknown in ["0.255.255.255", "1.0.1.0", "1.2.4.0", "255.255.255.255"] {
            assert_eq!(table.system(ip(unknown)), None, "{unknown}");
        }
    }

    #[test]
    fn what_is_no_table_is_told_by_its_line() {
        let fault = |text: &str| AsTable::read(text.into()).unwrap_err().to_string();
        assert_eq!(
            fault("1.0.0.0\t1.0.0.9\t1\n\nhello"),
            "line 3: the first column is no address"
        );
        assert_eq!(
            fault("1.0.0.0\t1.0.0.x\t1"),
            "line 1: the second column is no address"
        );
        assert_eq!(
            fault("1.0.0.9\t1.0.0.0\t1"),
            "line 1: the range ends before it begins"
        );
        assert_eq!(
            fault("1.0.0.0\t1.0.0.9\tx"),
            "line 1: the third column is no number of an autonomous system"
        );
        assert_eq!(fault(""), "there is no row for IPv4 in it");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(table) = AsTable::read(bytes) {
                let _ = table.system(Ipv4Addr::LOCALHOST);
            }
        }
    }
}
