//! `dotquad anomalies`: the catalogue, or one entry of it in full.
//!
//! The catalogue itself is wire/'s; here it is only written down.

use std::fmt::Write as _;

use comfy_table::{ContentArrangement, Table, presets};

use super::args::{Anomalies, CatalogueFormat, Color};
use super::paint::{Paint, Role};
use super::plan::wants_color;
use super::text::Text;
use super::{Console, Outcome};
use crate::error::{Error, Result};
use crate::wire::anomaly::{Anomaly, Entry};

/// Writes the catalogue.
///
/// # Errors
/// An id that is not in it; output that cannot be written.
pub(super) fn run(args: &Anomalies, color: Color, console: &mut Console<'_>) -> Result<Outcome> {
    let chosen = match &args.explain {
        Some(id) => vec![find(id)?],
        None => Anomaly::ALL.to_vec(),
    };
    let mut out = Text::default();
    match (args.format, chosen.as_slice()) {
        (CatalogueFormat::Ndjson, chosen) => {
            for anomaly in chosen {
                object(*anomaly, &mut out);
            }
        }
        (CatalogueFormat::Text, [anomaly]) => {
            let on = wants_color(color);
            explain(*anomaly, Paint { on }, &mut out);
        }
        (CatalogueFormat::Text, chosen) => list(chosen, &mut out),
    }
    let written = console.out.write_all(out.as_bytes());
    written
        .and_then(|()| console.out.flush())
        .map(|()| Outcome::Done)
        .map_err(|error| Error::write("writing the catalogue", &error))
}

fn find(id: &str) -> Result<Anomaly> {
    let found = Anomaly::ALL.iter().find(|anomaly| anomaly.id() == id);
    found.copied().ok_or_else(|| {
        let near: Vec<&str> = Anomaly::ALL
            .iter()
            .map(|anomaly| anomaly.id())
            .filter(|known| !id.is_empty() && known.contains(id))
            .collect();
        let advice = if near.is_empty() {
            "dotquad anomalies lists them all".to_owned()
        } else {
            format!("there are {}", near.join(", "))
        };
        let doing = format!("explaining {}", id.escape_debug());
        Error::usage(doing, "no anomaly has this id").advice(advice)
    })
}

/// The capture of this project that shows it.
fn example(anomaly: Anomaly) -> String {
    format!("captures/anomalies/{}.pcap", anomaly.id())
}

/// What other tools call it, by the name of the tool.
fn elsewhere(entry: &Entry) -> impl Iterator<Item = (&'static str, &'static str)> {
    [
        ("suricata", entry.suricata),
        ("zeek", entry.zeek),
        ("wireshark", entry.wireshark),
    ]
    .into_iter()
    .filter(|(_, name)| !name.is_empty())
}

fn list(chosen: &[Anomaly], out: &mut Text) {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(["id", "what it means", "where it is written"]);
    for anomaly in chosen {
        let entry = anomaly.entry();
        table.add_row([entry.id, entry.meaning, entry.rfc]);
    }
    for line in table.trim_fmt().lines() {
        out.str(line.trim_end());
        out.push(b'\n');
    }
}

fn explain(anomaly: Anomaly, paint: Paint, out: &mut Text) {
    let entry = anomaly.entry();
    paint.start(out, Role::Protocol);
    out.str(entry.id);
    paint.end(out);
    let _ = write!(out, "\n  {}\n\n", entry.meaning);
    let mut line = |label: &str, value: &str| {
        // Writing to a buffer cannot fail.
        let _ = writeln!(out, "  {label:11}{value}");
    };
    line("Written in", entry.rfc);
    for (tool, name) in elsewhere(&entry) {
        let tool = match tool {
            "suricata" => "Suricata",
            "zeek" => "Zeek",
            _ => "Wireshark",
        };
        line(tool, name);
    }
    line("Example", &example(anomaly));
}

fn object(anomaly: Anomaly, out: &mut Text) {
    let entry = anomaly.entry();
    out.str("{\"id\":");
    out.json(entry.id.as_bytes());
    let example = example(anomaly);
    let always = [
        ("meaning", entry.meaning),
        ("rfc", entry.rfc),
        ("example", example.as_str()),
    ];
    let mut member = |(key, value): (&str, &str)| {
        out.str(",\"");
        out.str(key);
        out.str("\":");
        out.json(value.as_bytes());
    };
    always.into_iter().for_each(&mut member);
    elsewhere(&entry).for_each(&mut member);
    out.str("}\n");
}
