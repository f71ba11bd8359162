//! What is said of IGMP version 3: the rest of a query, and the group records of a report, each a
//! word that is read and written here.

use std::net::Ipv4Addr;

use super::fields::Part;
use super::given::{Given, hex, to_hex};
use super::notation::{addresses, small};
use crate::error::{Error, Result};
use crate::wire::build::igmp::{Query, Record, Report, Version3};
use crate::wire::build::{Igmp, Spec};

/// Words of record types (RFC 9776 section 4.2.13).
const TYPES: [(&str, u8); 6] = [
    ("is-include", 1),
    ("is-exclude", 2),
    ("to-include", 3),
    ("to-exclude", 4),
    ("allow", 5),
    ("block", 6),
];

/// Changes what a version 3 query has beyond older ones; the message becomes one.
pub(super) fn query(spec: &mut Spec, given: &Given, change: impl FnOnce(&mut Query)) -> Result<()> {
    let igmp = Igmp::of_mut(spec, &given.name)?;
    let new = || Version3::Query(Query::default());
    match igmp.version3.get_or_insert_with(new) {
        Version3::Query(query) => {
            change(query);
            Ok(())
        }
        Version3::Report(_) => Err(Error::usage(
            format!("reading {}", given.name),
            "it belongs to a query, and this message is a report",
        )),
    }
}

/// Changes what a version 3 report has; the message becomes one.
pub(super) fn report(
    spec: &mut Spec,
    given: &Given,
    change: impl FnOnce(&mut Report),
) -> Result<()> {
    let igmp = Igmp::of_mut(spec, &given.name)?;
    if !igmp.group.is_unspecified() {
        return Err(Error::usage(
            format!("reading {}", given.name),
            "a version 3 report has no group but those of its records",
        )
        .advice("leave out --igmp-group"));
    }
    let new = || Version3::Report(Report::default());
    match igmp.version3.get_or_insert_with(new) {
        Version3::Report(report) => {
            change(report);
            Ok(())
        }
        Version3::Query(_) => Err(Error::usage(
            format!("reading {}", given.name),
            "it belongs to a report, and this message is a query",
        )),
    }
}

/// True for what is a report, or will be one.
pub(super) fn is_report(spec: &Spec) -> bool {
    // The type of a version 3 report.
    Igmp::of(spec).is_some_and(|igmp| match &igmp.version3 {
        Some(version3) => matches!(version3, Version3::Report(_)),
        None => igmp.kind() == 0x22,
    })
}

/// What a spec says of a query.
pub(super) fn of_query(spec: &Spec) -> Option<&Query> {
    match Igmp::of(spec)?.version3.as_ref()? {
        Version3::Query(query) => Some(query),
        Version3::Report(_) => None,
    }
}

/// What a spec says of a report.
pub(super) fn of_report(spec: &Spec) -> Option<&Report> {
    match Igmp::of(spec)?.version3.as_ref()? {
        Version3::Report(report) => Some(report),
        Version3::Query(_) => None,
    }
}

/// Reads a group record: TYPE:GROUP, TYPE:GROUP:SOURCE,.. with auxiliary data in hexadecimal behind
/// a third colon, or 0xHEX.
pub(super) fn record(given: &Given) -> Result<Record> {
    parse(given.string()?).ok_or_else(|| {
        let words = TYPES.map(|(word, _)| word).join(" ");
        given.refuse(&format!(
            "a group record: TYPE:GROUP[:SOURCE,..[:HEX]] with TYPE a number or one of {words}, or 0xHEX"
        ))
    })
}

fn parse(text: &str) -> Option<Record> {
    if let Some(bytes) = text.strip_prefix("0x") {
        return Some(Record::Raw(hex(bytes)?));
    }
    let mut parts = text.splitn(4, ':');
    let word = parts.next()?;
    let named = TYPES.iter().find(|(known, _)| *known == word);
    let kind = match named {
        Some((_, kind)) => *kind,
        None => small(word)?,
    };
    let group: Ipv4Addr = parts.next()?.parse().ok()?;
    let sources = match parts.next() {
        None | Some("") => Vec::new(),
        Some(list) => addresses(list)?,
    };
    let auxiliary = parts.next().map_or(Some(Vec::new()), hex)?;
    Some(Record::Whole {
        kind,
        group,
        sources,
        auxiliary,
    })
}

/// Writes a group record, so that reading it gives the same bytes.
pub(super) fn show_record(record: &Record) -> String {
    let (kind, group, sources, auxiliary) = match record {
        Record::Raw(bytes) => return format!("0x{}", to_hex(bytes)),
        Record::Whole {
            kind,
            group,
            sources,
            auxiliary,
        } => (kind, group, sources, auxiliary),
    };
    let named = TYPES.iter().find(|(_, known)| known == kind);
    let kind = named.map_or_else(|| kind.to_string(), |(word, _)| (*word).to_owned());
    let sources: Vec<String> = sources.iter().map(Ipv4Addr::to_string).collect();
    let mut text = format!("{kind}:{group}");
    if !sources.is_empty() || !auxiliary.is_empty() {
        text.push(':');
        text.push_str(&sources.join(","));
    }
    if !auxiliary.is_empty() {
        text.push(':');
        text.push_str(&to_hex(auxiliary));
    }
    text
}
