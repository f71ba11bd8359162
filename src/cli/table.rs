//! Lines as a table: rows of cells, drawn a page at a time so that memory stays bounded.

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use super::line::CELL;

/// Rows a page: a page is measured as a whole before it is drawn.
const PAGE: usize = 1000;

/// A rule below the header and nothing else: rows of packets need no cages.
const RULED: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Rows that wait for their page.
#[derive(Debug, Default)]
pub(super) struct Pages {
    rows: Vec<Vec<String>>,
}

impl Pages {
    /// Takes one rendered row; answers a page when one is full.
    pub(super) fn row(&mut self, line: &[u8]) -> Option<String> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let cells = line
            .split(|byte| *byte == CELL)
            .map(|cell| String::from_utf8_lossy(cell).trim().to_owned());
        self.rows.push(cells.collect());
        if self.rows.len() >= PAGE {
            self.finish()
        } else {
            None
        }
    }

    /// The page so far, if there is any row.
    pub(super) fn finish(&mut self) -> Option<String> {
        if self.rows.is_empty() {
            return None;
        }
        let mut table = Table::new();
        table
            .load_style(RULED)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(["frame", "time", "source", "destination", "protocol", "what"]);
        table.add_rows(self.rows.drain(..));
        if let Some(column) = table.column_mut(0) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        Some(table.trim_fmt() + "\n")
    }
}
