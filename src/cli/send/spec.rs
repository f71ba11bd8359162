//! The spec file: one packet in TOML, with a table for each header.
//!
//! Knows tables and keys; which there are is for the table of fields to say.

use toml::{Table, Value};

use super::fields::{FIELDS, section};
use super::given::{Given, Typed};
use crate::cli::text::Text;
use crate::error::{Error, Result};
use crate::wire::build::{Icmp, Spec, Transport};

/// Quotes within quotes that a file may hold.
const MAX_QUOTES: u8 = 4;

/// Reads a file's text; `name` is what messages call it.
///
/// # Errors
/// Where it is no TOML, or says something that no packet can have.
pub(super) fn parse(text: &str, name: &str) -> Result<Spec> {
    let table: Table = toml::from_str(text).map_err(|error: toml::de::Error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.get(..at).unwrap_or_default().matches('\n').count();
        Error::usage(
            format!("reading {name}, line {}", line.saturating_add(1)),
            error.message(),
        )
        .advice("a spec holds one packet in TOML, as decode -c 1 --format spec prints it")
    })?;
    let mut spec = Spec::default();
    fill(&mut spec, &table, "", name, 0)?;
    Ok(spec)
}

fn fill(spec: &mut Spec, table: &Table, prefix: &str, file: &str, depth: u8) -> Result<()> {
    let refuse = |key: &str, why: String| {
        Err(Error::usage(
            format!("reading {prefix}{key} in {file}"),
            why,
        ))
    };
    for (name, value) in table {
        let known = FIELDS.iter().any(|field| field.section == name);
        let Some(keys) = value.as_table().filter(|_| known) else {
            let mut sections: Vec<&str> = FIELDS.iter().map(|field| field.section).collect();
            sections.dedup();
            return refuse(
                name,
                format!("there is no such table; there are {}", sections.join(", ")),
            );
        };
        if let Some(transport) = empty(name) {
            if spec.transport != Transport::None {
                let other = section(&spec.transport);
                return refuse(name, format!("a packet with {other} has no {name} too"));
            }
            spec.transport = transport;
        }
        // The rows' order, not the file's: a type is known before what depends on it.
        for field in FIELDS.iter().filter(|field| field.section == name) {
            if let Some(value) = keys.get(field.key) {
                let given = Given {
                    name: format!("{prefix}{name}.{} in {file}", field.key),
                    value: typed(value).ok_or_else(|| {
                        Error::usage(
                            format!("reading {prefix}{name}.{} in {file}", field.key),
                            format!("it cannot be {}", value.type_str()),
                        )
                    })?,
                };
                (field.set)(spec, &given)?;
            }
        }
        for (key, value) in keys {
            if name == "icmp" && key == "quote" {
                let Some(inner) = value.as_table() else {
                    return refuse("icmp.quote", "it is no table".to_owned());
                };
                if depth >= MAX_QUOTES {
                    return refuse("icmp.quote", format!("more than {MAX_QUOTES} deep"));
                }
                let mut quote = Spec::default();
                let prefix = format!("{prefix}icmp.quote.");
                fill(&mut quote, inner, &prefix, file, depth.saturating_add(1))?;
                if let Transport::Icmp(icmp) = &mut spec.transport {
                    icmp.quote = Some(Box::new(quote));
                }
            } else if !FIELDS
                .iter()
                .any(|field| field.section == name && field.key == key)
            {
                let fields = FIELDS.iter().filter(|field| field.section == name);
                let keys: Vec<&str> = fields.map(|field| field.key).collect();
                return refuse(
                    &format!("{name}.{key}"),
                    format!("there is no such key; there are {}", keys.join(", ")),
                );
            }
        }
    }
    Ok(())
}

/// The transport that the table of this name is about.
pub(super) fn empty(section: &str) -> Option<Transport> {
    Some(match section {
        "icmp" => Transport::Icmp(Icmp::default()),
        "igmp" => Transport::Igmp(Default::default()),
        "udp" => Transport::Udp(Default::default()),
        "tcp" => Transport::Tcp(Default::default()),
        _ => return None,
    })
}

fn typed(value: &Value) -> Option<Typed> {
    Some(match value {
        Value::String(text) => Typed::Text(text.clone()),
        Value::Integer(number) => Typed::Number(*number),
        Value::Boolean(bool) => Typed::Bool(*bool),
        Value::Array(list) => {
            let words = list.iter().map(|word| word.as_str().map(str::to_owned));
            Typed::List(words.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// Writes the packet as a spec file.
pub(in crate::cli) fn write(spec: &Spec, out: &mut Text) {
    tables(spec, "", out);
}

fn tables(spec: &Spec, prefix: &str, out: &mut Text) {
    let mut open = "";
    for field in FIELDS {
        let transport = empty(field.section).is_some();
        // A header that is there has its table, even when nothing in it needs to be said.
        let there = transport && field.section == section(&spec.transport);
        let value = (field.get)(spec);
        if field.section != open && (value.is_some() || there) {
            open = field.section;
            if out.len() > 0 && !out.as_bytes().ends_with(b"\n\n") {
                out.push(b'\n');
            }
            out.str(&format!("[{prefix}{open}]\n"));
        }
        if let Some(value) = value {
            out.str(&format!("{} = {value}\n", field.key));
        }
    }
    if let Transport::Icmp(icmp) = &spec.transport
        && let Some(quote) = &icmp.quote
    {
        tables(quote, &format!("{prefix}icmp.quote."), out);
    }
}
