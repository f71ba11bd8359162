//! Sections for programs: NDJSON, one object a row, and CSV.
//!
//! Knows cells and columns, and no section by name.

use super::sections::{Cell, Column, Section};
use crate::cli::text::Text;
use crate::cli::time;

/// Writes a section as objects; what is not known has no key. `flush` is called between rows.
pub(super) fn ndjson(
    section: Section<'_>,
    top: usize,
    out: &mut Text,
    flush: &mut dyn FnMut(&mut Text),
) {
    for row in section.rows.take(top) {
        out.str("{\"event\":\"");
        out.str(section.event);
        out.push(b'"');
        for (column, cell) in named(section.columns, &row) {
            if matches!(cell, Cell::None) {
                continue;
            }
            out.str(",\"");
            out.str(column.key);
            out.str("\":");
            match cell {
                Cell::Number(_) | Cell::Bytes(_) | Cell::Nanoseconds(_) => plain(cell, out),
                Cell::Text(words) => out.json(words.as_bytes()),
                Cell::Foreign(words) => out.json(words.as_bytes()),
                Cell::None | Cell::Address(_) | Cell::Time(_) | Cell::Share(..) => {
                    out.push(b'"');
                    plain(cell, out);
                    out.push(b'"');
                }
            }
        }
        out.str("}\n");
        flush(out);
    }
    if let Some(note) = section.note {
        out.str("{\"event\":\"note\",\"about\":\"");
        out.str(section.event);
        out.str("\",\"text\":");
        out.json(note.as_bytes());
        out.str("}\n");
    }
}

/// Writes a section as a header and rows; what is not known is empty.
pub(super) fn csv(
    section: Section<'_>,
    top: usize,
    out: &mut Text,
    flush: &mut dyn FnMut(&mut Text),
) {
    let columns = section.columns.iter();
    let keys = columns.map(|column| column.key);
    for (place, key) in keys.filter(|key| !key.is_empty()).enumerate() {
        if place > 0 {
            out.push(b',');
        }
        out.str(key);
    }
    out.push(b'\n');
    for row in section.rows.take(top) {
        for (place, (_, cell)) in named(section.columns, &row).enumerate() {
            if place > 0 {
                out.push(b',');
            }
            match cell {
                Cell::Text(words) => quoted(words.as_bytes(), out),
                Cell::Foreign(words) => quoted(words.as_bytes(), out),
                _ => plain(cell, out),
            }
        }
        out.push(b'\n');
        flush(out);
    }
}

/// The cells that have keys.
fn named<'a>(
    columns: &'a [Column],
    row: &'a [Cell],
) -> impl Iterator<Item = (&'a Column, &'a Cell)> {
    let cells = columns.iter().zip(row);
    cells.filter(|(column, _)| !column.key.is_empty())
}

fn plain(cell: &Cell, out: &mut Text) {
    match cell {
        Cell::None | Cell::Text(_) | Cell::Foreign(_) | Cell::Share(..) => {}
        Cell::Number(number) | Cell::Bytes(number) => out.number(*number),
        Cell::Address(address) => out.ipv4(address.to_be_bytes()),
        Cell::Time(moment) => time::epoch(out, *moment, 9),
        Cell::Nanoseconds(nanoseconds) => out.display(nanoseconds),
    }
}

/// RFC 4180: in quotes where it has to be, and escaped, as it may come off a wire.
fn quoted(words: &[u8], out: &mut Text) {
    let mut escaped = Text::default();
    escaped.escaped(words);
    let special = |byte: &u8| matches!(byte, b'"' | b',' | b'\n' | b'\r');
    if !escaped.as_bytes().iter().any(special) {
        out.raw(escaped.as_bytes());
        return;
    }
    out.push(b'"');
    for byte in escaped.as_bytes() {
        if *byte == b'"' {
            out.push(b'"');
        }
        out.push(*byte);
    }
    out.push(b'"');
}
