//! Sections for people: tables with bars, facts one below the other, a line over time.
//!
//! Knows cells, columns and looks, and no section by name.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::sections::{Cell, Column, Look, Section};
use crate::cli::paint::{Paint, Role};
use crate::cli::text::Text;
use crate::cli::time;

/// Columns of a full bar.
const BAR: u64 = 20;
/// Columns of the line over time, at most.
const LINE: usize = 64;
/// Rows of a table that is not ranked.
const MANY: usize = 64;
/// Parts of a column, from one eighth to all of it.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];
/// Heights of the line, from one eighth to all of it.
const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Writes a section; one without rows is left out.
pub(super) fn section(section: Section<'_>, top: usize, paint: Paint, out: &mut Text) {
    if section.len == 0 {
        return;
    }
    if section.look != Look::Facts || section.title != "Capture" {
        out.push(b'\n');
    }
    paint.start(out, Role::Protocol);
    out.str(section.title);
    paint.end(out);
    out.push(b'\n');
    let note = section.note.clone();
    match section.look {
        Look::Facts => facts(section, out),
        Look::Line => line(section, paint, out),
        Look::Ranked => table(section, top, out),
        Look::Ordered => table(section, MANY, out),
    }
    if let Some(note) = note {
        paint.start(out, Role::Wrong);
        out.str("  ");
        out.str(&note);
        paint.end(out);
        out.push(b'\n');
    }
}

/// Each fact on a line of its own.
fn facts(section: Section<'_>, out: &mut Text) {
    let widths = section.columns.iter().map(|column| column.label.len());
    let width = widths.max().unwrap_or(0);
    for row in section.rows {
        for (column, cell) in section.columns.iter().zip(&row) {
            if column.label.is_empty() || matches!(cell, Cell::None) {
                continue;
            }
            let mut value = Text::default();
            show(cell, &mut value);
            out.display(&format_args!(
                "  {:width$}  {}\n",
                column.label,
                value.into_string()
            ));
        }
    }
}

fn table(section: Section<'_>, most: usize, out: &mut Text) {
    let labelled: Vec<(usize, &Column)> = section
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| !column.label.is_empty())
        .collect();
    let rows: Vec<Vec<Cell>> = section.rows.take(most).collect();
    // A column that says nothing in any row is left out.
    let spoken: Vec<(usize, &Column)> = labelled
        .into_iter()
        .filter(|(place, _)| {
            let mut cells = rows.iter().filter_map(|row| row.get(*place));
            cells.any(|cell| !matches!(cell, Cell::None))
        })
        .collect();
    let largest = rows
        .iter()
        .flatten()
        .filter_map(|cell| match cell {
            Cell::Share(part, _) => Some(*part),
            _ => None,
        })
        .max()
        .unwrap_or(0);
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(spoken.iter().map(|(_, column)| column.label));
    for row in &rows {
        table.add_row(spoken.iter().map(|(place, _)| {
            let cell = row.get(*place).unwrap_or(&Cell::None);
            let mut text = Text::default();
            show(cell, &mut text);
            if let Cell::Share(part, _) = cell {
                text.push(b' ');
                bar(*part, largest, &mut text);
            }
            text.into_string()
        }));
    }
    for (column, (place, _)) in spoken.iter().enumerate() {
        let number = |row: &Vec<Cell>| {
            matches!(
                row.get(*place),
                Some(Cell::Number(_) | Cell::Bytes(_) | Cell::Nanoseconds(_))
            )
        };
        if rows.iter().any(number)
            && let Some(column) = table.column_mut(column)
        {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for line in table.trim_fmt().lines() {
        out.str(" ");
        out.str(line.trim_end());
        out.push(b'\n');
    }
    let more = section.len.saturating_sub(rows.len());
    if more > 0 {
        out.str("  and ");
        grouped(more as u64, out);
        out.str(" more\n");
    }
}

/// How many packets passed when, as a line of blocks.
fn line(section: Section<'_>, paint: Paint, out: &mut Text) {
    let (mut width, mut packets) = (0, Vec::new());
    for row in section.rows {
        for (column, cell) in section.columns.iter().zip(row) {
            match (column.key, cell) {
                ("width_ns", Cell::Nanoseconds(nanoseconds)) => width = nanoseconds,
                ("packets", Cell::Number(number)) => packets.push(number),
                _ => {}
            }
        }
    }
    let together = packets.len().div_ceil(LINE).max(1);
    let sums: Vec<u64> = packets
        .chunks(together)
        .map(|chunk| chunk.iter().sum())
        .collect();
    let largest = sums.iter().copied().max().unwrap_or(0);
    out.str("  ");
    paint.start(out, Role::Meaning);
    for sum in sums {
        let eighths = eighths(sum, largest, 8);
        let height = usize::try_from(eighths).ok();
        let height = height.and_then(|height| HEIGHTS.get(height.checked_sub(1)?));
        out.str(height.unwrap_or(&' ').encode_utf8(&mut [0; 4]));
    }
    paint.end(out);
    let width = width.saturating_mul(together as u128);
    out.str("\n  each column is ");
    duration(width, out);
    out.str(", the highest ");
    grouped(largest, out);
    out.str(" packets\n");
}

/// A bar as long as its part of the longest one.
fn bar(part: u64, largest: u64, out: &mut Text) {
    let eighths = eighths(part, largest, BAR * 8);
    for _ in 0..eighths / 8 {
        out.str("█");
    }
    let rest = usize::try_from(eighths % 8).unwrap_or(0);
    if let Some(rest) = rest.checked_sub(1).and_then(|rest| EIGHTHS.get(rest)) {
        out.str(rest.encode_utf8(&mut [0; 4]));
    }
}

/// How many of `all` eighths show this part of the largest; something is never nothing.
fn eighths(part: u64, largest: u64, all: u64) -> u64 {
    let scaled = u128::from(part) * u128::from(all);
    let rounded = (scaled + u128::from(largest) / 2).checked_div(u128::from(largest));
    let shown = rounded.and_then(|it| u64::try_from(it).ok()).unwrap_or(0);
    shown.max(u64::from(part > 0))
}

fn show(cell: &Cell, out: &mut Text) {
    match cell {
        Cell::None => {}
        Cell::Number(number) | Cell::Bytes(number) => grouped(*number, out),
        Cell::Address(address) => out.ipv4(address.to_be_bytes()),
        Cell::Text(words) => out.escaped(words.as_bytes()),
        Cell::Foreign(words) => out.escaped(words.as_bytes()),
        Cell::Time(moment) => time::date(out, *moment),
        Cell::Nanoseconds(nanoseconds) => duration(*nanoseconds, out),
        Cell::Share(part, whole) => share(*part, *whole, out),
    }
}

/// Digits in groups of three.
fn grouped(number: u64, out: &mut Text) {
    let mut digits = Text::default();
    digits.number(number);
    let digits = digits.as_bytes();
    for (place, digit) in digits.iter().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(b',');
        }
        out.push(*digit);
    }
}

/// Per cent with one decimal place, right-aligned.
fn share(part: u64, whole: u64, out: &mut Text) {
    let thousandths = (u128::from(part) * 1000 + u128::from(whole) / 2)
        .checked_div(u128::from(whole))
        .unwrap_or(0);
    let text = format!("{}.{} %", thousandths / 10, thousandths % 10);
    out.display(&format_args!("{text:>7}"));
}

/// Seconds, to the microsecond; to the nanosecond where that says more.
fn duration(nanoseconds: u128, out: &mut Text) {
    let digits = if nanoseconds.is_multiple_of(1000) {
        6
    } else {
        9
    };
    let signed = i128::try_from(nanoseconds).unwrap_or(i128::MAX);
    time::seconds(out, signed, digits);
    out.str(" s");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Text)) -> String {
        let mut out = Text::default();
        write(&mut out);
        out.into_string()
    }

    #[test]
    fn figures_as_people_write_them() {
        assert_eq!(written(|out| grouped(0, out)), "0");
        assert_eq!(written(|out| grouped(999, out)), "999");
        assert_eq!(written(|out| grouped(1000, out)), "1,000");
        assert_eq!(
            written(|out| grouped(u64::MAX, out)),
            "18,446,744,073,709,551,615"
        );
        assert_eq!(written(|out| share(1, 3, out)), " 33.3 %");
        assert_eq!(written(|out| share(3, 3, out)), "100.0 %");
        assert_eq!(written(|out| share(0, 0, out)), "  0.0 %");
        assert_eq!(written(|out| duration(1_500_000_000, out)), "1.500000 s");
        assert_eq!(written(|out| duration(1, out)), "0.000000001 s");
    }

    #[test]
    fn bars_are_in_proportion_and_something_is_never_nothing() {
        assert_eq!(written(|out| bar(8, 8, out)), "█".repeat(20));
        assert_eq!(written(|out| bar(4, 8, out)), "█".repeat(10));
        assert_eq!(written(|out| bar(1, 1_000_000, out)), "▏");
        assert_eq!(written(|out| bar(0, 8, out)), "");
        assert_eq!(written(|out| bar(0, 0, out)), "");
        assert_eq!(written(|out| bar(u64::MAX, u64::MAX, out)), "█".repeat(20));
    }
}
