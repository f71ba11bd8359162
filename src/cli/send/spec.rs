//! The spec file: one packet in TOML, with a table for each header.
//!
//! Knows tables and keys; which there are is for the table of fields to say.

use toml::{Table, Value};

use super::fields::{FIELDS, IDENTIFYING, identify, section};
use super::given::{Given, Typed};
use crate::cli::shot::Shot;
use crate::cli::text::Text;
use crate::error::{Error, Result};
use crate::wire::build::{Icmp, Igmp, Spec, Tcp, Transport, Udp};

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
        let mut identifying = IDENTIFYING.iter();
        if name == "icmp" && !identifying.any(|(key, _)| keys.contains_key(*key)) {
            identify(spec);
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
        "igmp" => Transport::Igmp(Igmp::default()),
        "udp" => Transport::Udp(Udp::default()),
        "tcp" => Transport::Tcp(Tcp::default()),
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

/// Writes the packet of a captured frame as a spec file.
pub(in crate::cli) fn render(shot: &Shot<'_>, out: &mut Text) {
    out.str("# frame ");
    out.number(shot.frame.number);
    match Spec::read(shot.frame, shot.packet) {
        Some(spec) => {
            out.str("\n\n");
            write(&spec, out);
        }
        None => out.str(" holds no IPv4 packet\n"),
    }
    out.push(b'\n');
}

/// Writes the packet as a spec file.
pub(super) fn write(spec: &Spec, out: &mut Text) {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use std::fs;
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;
    use crate::capture::{FrameSource, open};
    use crate::wire::packet::{Judge, Packet, dissect};

    /// All files below `folder`.
    fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                files(&path, found);
            } else {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_captured_packet_comes_back_from_its_spec_byte_for_byte() {
        let mut captures = Vec::new();
        files(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("captures"),
            &mut captures,
        );
        let (mut packets, mut framed) = (0, 0);
        for path in captures {
            let Ok(mut reader) = open(&path) else {
                continue;
            };
            // Behind damage nothing more comes; what came before it counts.
            while let Ok(Some(batch)) = reader.next_batch() {
                for frame in batch.frames() {
                    let mut packet = Packet::new();
                    dissect(&frame, Judge::ALL, &mut packet);
                    let Some(spec) = Spec::read(&frame, &packet) else {
                        continue;
                    };
                    let mut text = Text::default();
                    write(&spec, &mut text);
                    let text = text.into_string();
                    let again = parse(&text, "it").unwrap_or_else(|error| {
                        panic!("{} frame {}: {error}\n{text}", path.display(), frame.number)
                    });
                    let bytes = again.frame().unwrap();
                    assert!(
                        frame.bytes.ends_with(&bytes) && !bytes.is_empty(),
                        "{} frame {}:\n{text}",
                        path.display(),
                        frame.number
                    );
                    packets += 1;
                    framed += usize::from(bytes.len() == frame.bytes.len());
                }
            }
        }
        assert!(
            packets > 500 && framed > 400,
            "{packets} packets, {framed} whole frames"
        );
    }

    #[test]
    fn what_is_unknown_is_named() {
        for (text, words) in [
            ("[ipv4]\ntll = 3", vec!["ipv4.tll", "ttl"]),
            ("[ipv6]\nttl = 3", vec!["ipv6", "no such table", "ethernet"]),
            ("[ipv4]\nttl = 256", vec!["ipv4.ttl", "256", "0 to 255"]),
            ("[ipv4]\nttl = -1", vec!["ipv4.ttl", "-1", "0 to 255"]),
            ("[ipv4]\nttl = 1.5", vec!["ipv4.ttl", "float"]),
            (
                "[ipv4]\nfragment_offset = 12",
                vec!["fragment_offset", "multiple of 8"],
            ),
            ("[ipv4]\noptions = [\"rr:x\"]", vec!["ipv4.options", "rr:x"]),
            ("[udp]\n[tcp]", vec!["tcp", "udp"]),
            ("[ipv4\n", vec!["line 1"]),
            (
                "[icmp.quote.ipv4]\nttl = 256",
                vec!["icmp.quote.ipv4.ttl", "0 to 255"],
            ),
            ("ttl = 3", vec!["ttl", "no such table"]),
        ] {
            let error = parse(text, "x.toml").unwrap_err().to_string();
            for word in words {
                assert!(error.contains(word), "{text:?}: {error}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_datagram_comes_back_from_its_spec(
            header in prop::array::uniform20(any::<u8>()),
            body in prop::collection::vec(any::<u8>(), 0..120),
            words in 4..9u8,
            protocol in prop::sample::select(vec![1u8, 2, 6, 17, 50]),
            kind in prop::sample::select(vec![0u8, 3, 5, 8, 11, 12, 17, 42]),
            is_first: bool,
        ) {
            let mut bytes = [header.as_slice(), &body].concat();
            let at = usize::from(words) * 4;
            for (to, value) in [(0, 0x40 | words), (9, protocol), (at, kind)] {
                if let Some(place) = bytes.get_mut(to) {
                    *place = value;
                }
            }
            if is_first && let Some(place) = bytes.get_mut(6..8) {
                place.fill(0);
            }
            let spec = Spec::read_datagram(&bytes);
            let mut text = Text::default();
            write(&spec, &mut text);
            let text = text.into_string();
            let again = parse(&text, "it").unwrap();
            prop_assert_eq!(again.datagram().unwrap(), bytes, "{}", text);
        }

        #[test]
        fn no_text_is_too_odd(text in "[\\[\\]a-z0-9_=\"., \n]{0,80}") {
            let _ = parse(&text, "it");
        }
    }
}
