//! Paths as tables of what all queries together say: mtr's report, with a bar for the times.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, TableStyle};

use super::Show;
use super::facts::Facts;
use super::marks::{self, Legend};
use crate::cli::text::Text;
use crate::probe::trace::{Hop, Outcome, Summary};

/// How wide the bar of the slowest hop is.
const BAR: u32 = 24;

const RULED: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// Collects what is known of each hop.
#[derive(Debug)]
pub(super) struct Table {
    several: bool,
    paths: BTreeMap<Ipv4Addr, BTreeMap<u8, Row>>,
    path_mtu: BTreeMap<Ipv4Addr, u16>,
}

/// One hop.
#[derive(Debug, Default)]
struct Row {
    sent: u64,
    answered: u64,
    /// In the order they first answered, and how often.
    addresses: Vec<(Ipv4Addr, u64)>,
    /// Nanoseconds.
    last: u64,
    best: u64,
    worst: u64,
    mean: f64,
    /// Sum of squared differences from the mean (Welford).
    spread: f64,
    marks: Vec<String>,
    legend: Legend,
}

impl Row {
    #[expect(
        clippy::cast_precision_loss,
        reason = "no round trip takes 2^53 nanoseconds, a hundred days"
    )]
    fn time(&mut self, nanoseconds: u64) {
        self.answered += 1;
        self.last = nanoseconds;
        self.best = if self.answered == 1 {
            nanoseconds
        } else {
            self.best.min(nanoseconds)
        };
        self.worst = self.worst.max(nanoseconds);
        let value = nanoseconds as f64;
        let off = value - self.mean;
        self.mean += off / self.answered as f64;
        self.spread += off * (value - self.mean);
    }

    fn mark(&mut self, mark: String) {
        if !self.marks.contains(&mark) {
            self.marks.push(mark);
        }
    }

    fn has(&self, address: Ipv4Addr) -> bool {
        self.addresses.iter().any(|(known, _)| *known == address)
    }

    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    fn loss(&self) -> f64 {
        100.0 * (self.sent.saturating_sub(self.answered)) as f64 / self.sent.max(1) as f64
    }

    /// Of all answers, not of a sample: what mtr and ping say too.
    #[expect(clippy::cast_precision_loss, reason = "counts are small")]
    fn deviation(&self) -> f64 {
        (self.spread / self.answered.max(1) as f64).max(0.0).sqrt()
    }
}

impl Table {
    pub(super) fn new(several: bool) -> Self {
        Self {
            several,
            paths: BTreeMap::new(),
            path_mtu: BTreeMap::new(),
        }
    }
}

/// From best to worst, with the mean in it, on a scale that ends with the slowest hop.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "between 0 and the width of the bar"
)]
fn bar(row: &Row, slowest: u64) -> String {
    let place = |nanoseconds: f64| {
        let share = nanoseconds / slowest.max(1) as f64;
        (share.clamp(0.0, 1.0) * f64::from(BAR - 1)).round() as u32
    };
    let (from, to, mean) = (
        place(row.best as f64),
        place(row.worst as f64),
        place(row.mean),
    );
    let cells = (0..=to).map(|at| match at {
        _ if at == mean => '●',
        _ if at < from => ' ',
        _ => '━',
    });
    cells.collect()
}

#[expect(clippy::cast_precision_loss, reason = "for people")]
fn milliseconds(nanoseconds: u64) -> String {
    format!("{:.3}", nanoseconds as f64 / 1e6)
}

fn draw(rows: &BTreeMap<u8, Row>, facts: &Facts) -> String {
    let slowest = rows.values().map(|row| row.worst).max().unwrap_or(0);
    let mut table = comfy_table::Table::new();
    table
        .load_style(RULED)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header([
            "hop", "host", "loss", "sent", "last", "best", "mean", "worst", "stddev", "ms", "marks",
        ]);
    for (ttl, row) in rows {
        let mut hosts = Text::default();
        for (at, (address, count)) in row.addresses.iter().enumerate() {
            if at > 0 {
                hosts.push(b'\n');
            }
            facts.person(*address, &mut hosts);
            if row.addresses.len() > 1 {
                hosts.display(&format_args!(" ({count})"));
            }
        }
        if row.addresses.is_empty() {
            hosts.push(b'*');
        }
        let mut cells = vec![
            ttl.to_string(),
            hosts.into_string(),
            format!("{:.1}%", row.loss()),
            row.sent.to_string(),
        ];
        if row.answered > 0 {
            cells.extend([row.last, row.best].map(milliseconds));
            cells.push(format!("{:.3}", row.mean / 1e6));
            cells.push(milliseconds(row.worst));
            cells.push(format!("{:.3}", row.deviation() / 1e6));
            cells.push(bar(row, slowest));
        } else {
            cells.extend(std::iter::repeat_n(String::new(), 6));
        }
        cells.push(row.marks.join(" "));
        table.add_row(cells);
    }
    for at in [0, 2, 3, 4, 5, 6, 7, 8] {
        if let Some(column) = table.column_mut(at) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

impl Show for Table {
    fn hop(&mut self, hop: &Hop, _: &Facts, _: &mut Text) {
        let rows = self.paths.entry(hop.target).or_default();
        let row = rows.entry(hop.ttl).or_default();
        for query in &hop.queries {
            match &query.outcome {
                Outcome::Lost => row.sent += 1,
                Outcome::Refused(errno) => {
                    let mark = marks::of_refusal(*errno, &mut row.legend);
                    row.mark(mark);
                }
                Outcome::Answered(answer) => {
                    row.sent += 1;
                    row.time(answer.rtt.nanoseconds);
                    let mut known = row.addresses.iter_mut();
                    match known.find(|(address, _)| *address == answer.address) {
                        Some((_, count)) => *count += 1,
                        None => row.addresses.push((answer.address, 1)),
                    }
                    for mark in marks::of_answer(hop, answer, &mut row.legend) {
                        row.mark(mark);
                    }
                    if let Some(mark) = answer.mark {
                        let mark = marks::of_mark(mark, &mut row.legend);
                        row.mark(mark);
                    }
                }
            }
        }
        for mark in marks::of_hop(hop, &mut row.legend) {
            row.mark(mark);
        }
    }

    fn summary(&mut self, target: Ipv4Addr, summary: &Summary, _: &Facts, _: &mut Text) {
        self.paths.entry(target).or_default();
        self.path_mtu
            .extend(summary.path_mtu.map(|mtu| (target, mtu)));
    }

    fn finish(&mut self, facts: &Facts, out: &mut Text) {
        let mut legend = Legend::default();
        for (at, (target, rows)) in self.paths.iter_mut().enumerate() {
            // The target is where it answered to the fewest hops, however often it was missed
            // there: what answered, or did not, beyond is no hop.
            let mut own = rows.iter().filter(|(_, row)| row.has(*target));
            if let Some(end) = own.next().map(|(ttl, _)| *ttl) {
                rows.retain(|ttl, _| *ttl <= end);
            }
            for row in rows.values() {
                legend.join(&row.legend);
            }
            if self.several {
                if at > 0 {
                    out.push(b'\n');
                }
                out.escaped(facts.label(*target).as_bytes());
                out.push(b'\n');
            }
            out.str(&draw(rows, facts));
            out.push(b'\n');
            if let Some(mtu) = self.path_mtu.get(target) {
                out.display(&format_args!("path MTU {mtu}\n"));
            }
        }
        legend.write(out);
    }
}
