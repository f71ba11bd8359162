//! Many targets for people: a table at the end, or lists of who answered and who did not.

use std::collections::HashMap;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use super::numbers::{general, milliseconds, three_digits, whole};
use super::output::Output;
use super::show::{Shared, Show};
use super::words;
use crate::cli::args::{Ping as Args, Sort};
use crate::cli::text::Text;
use crate::error::{Result, counted};
use crate::probe::ping::{Report, Summary, Sums};

/// Rows a page: a page is measured as a whole before it is drawn.
const PAGE: usize = 1000;
/// Of more targets than this, the table shows those that have something to say.
const ALL: u32 = 256;
/// Reasons for silence that are kept, for as many targets.
const REASONS: usize = 65_536;

const RULED: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// What is written of each target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Table,
    /// The addresses of who answered, of who did not, or each with the word for it.
    Lists {
        alive: bool,
        unreachable: bool,
    },
    PerProbe,
    Nothing,
}

/// Everything about many targets.
#[derive(Debug)]
pub(super) struct Many {
    form: Form,
    sort: Sort,
    /// A page of the table.
    rows: Vec<Summary>,
    /// Who comes when in a table that is not sorted by address: all that is kept of them.
    order: Vec<(f64, u32)>,
    /// Round trips by target and number, where each is written.
    probes: HashMap<u32, Vec<(u64, u64)>>,
    /// The last error about a target that has not answered.
    reasons: HashMap<u32, String>,
    targets: u32,
    alive: u32,
    /// Those whom the end of the run came before.
    unasked: u32,
    packets: u64,
    seconds: f64,
}

impl Many {
    pub(super) fn new(args: &Args) -> Self {
        let form = if args.per_probe {
            Form::PerProbe
        } else if args.alive || args.unreachable {
            Form::Lists {
                alive: args.alive,
                unreachable: args.unreachable,
            }
        } else if args.quiet {
            Form::Nothing
        } else {
            Form::Table
        };
        Self {
            form,
            sort: args.sort,
            rows: Vec::new(),
            order: Vec::new(),
            probes: HashMap::new(),
            reasons: HashMap::new(),
            targets: 0,
            alive: 0,
            unasked: 0,
            packets: 0,
            seconds: 0.0,
        }
    }

    fn summary(&mut self, summary: &Summary, shared: &Shared, out: &mut Text) {
        let alive = summary.answered() > 0;
        let asked = summary.transmitted > 0;
        self.targets += 1;
        self.alive += u32::from(alive);
        self.unasked += u32::from(!asked);
        self.packets = self.packets.saturating_add(summary.transmitted);
        self.seconds = self.seconds.max(summary.elapsed.as_secs_f64());
        match self.form {
            Form::Nothing => {}
            Form::Lists {
                alive: wants_alive,
                unreachable,
            } => {
                // Of whom nobody asked nothing is known.
                let wanted = if alive {
                    wants_alive
                } else {
                    unreachable && asked
                };
                if wanted {
                    label(out, shared, summary);
                    if wants_alive && unreachable {
                        out.str(if alive {
                            " is alive"
                        } else {
                            " is unreachable"
                        });
                    }
                    out.push(b'\n');
                }
            }
            Form::PerProbe => self.per_probe(summary, shared, out),
            Form::Table => {
                let says = alive || summary.errors > 0 || summary.corrupted > 0;
                if !says && shared.config.targets.len() > ALL {
                    return;
                }
                let key = match self.sort {
                    Sort::Address => return self.row(summary.clone(), shared, out),
                    Sort::Rtt => summary.rtt.map_or(f64::INFINITY, |rtt| rtt.mean),
                    Sort::Loss => -summary.loss_percent(),
                };
                self.order.push((key, summary.index));
            }
        }
    }

    /// As fping -C: a time or a dash for each probe.
    fn per_probe(&mut self, summary: &Summary, shared: &Shared, out: &mut Text) {
        let mut times = self.probes.remove(&summary.index).unwrap_or_default();
        times.sort_unstable();
        let mut times = times.into_iter().peekable();
        label(out, shared, summary);
        out.str(" :");
        for number in 1..=summary.transmitted {
            out.push(b' ');
            match times.next_if(|(of, _)| *of == number) {
                Some((_, time)) => three_digits(out, time),
                None => out.push(b'-'),
            }
        }
        out.push(b'\n');
    }

    fn row(&mut self, summary: Summary, shared: &Shared, out: &mut Text) {
        self.rows.push(summary);
        if self.rows.len() >= PAGE {
            self.page(shared, out);
        }
    }

    fn page(&mut self, shared: &Shared, out: &mut Text) {
        if self.rows.is_empty() {
            return;
        }
        let mut table = Table::new();
        table
            .load_style(RULED)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header([
                "target",
                "sent",
                "received",
                "loss",
                "min ms",
                "mean ms",
                "p99 ms",
                "max ms",
                "jitter ms",
                "what",
            ]);
        let rows = std::mem::take(&mut self.rows);
        for row in &rows {
            table.add_row(self.cells(row, shared));
        }
        for column in 1..=8 {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        out.str(&table.trim_fmt());
        out.push(b'\n');
    }

    fn cells(&self, row: &Summary, shared: &Shared) -> Vec<String> {
        let mut target = Text::default();
        label(&mut target, shared, row);
        let time = |nanoseconds: Option<u64>| {
            let mut cell = Text::default();
            match nanoseconds {
                Some(nanoseconds) => milliseconds(&mut cell, nanoseconds),
                None => cell.push(b'-'),
            }
            cell.into_string()
        };
        let rtt = row.rtt;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "six digits of it are shown"
        )]
        let loss = general(row.loss_percent() as f32);
        let mut what = Vec::new();
        if row.answered() == 0 {
            let silent = if row.transmitted > 0 {
                "no answer"
            } else {
                "not asked"
            };
            let reason = self.reasons.get(&row.index);
            what.push(reason.map_or(silent, String::as_str).to_owned());
        }
        for (count, word) in [
            (row.duplicates, "duplicate"),
            (row.corrupted, "corrupted"),
            (row.reordered, "reordered"),
            (row.late, "late"),
        ] {
            if count > 0 {
                what.push(format!("{count} {word}"));
            }
        }
        if row.errors > 0 && row.answered() > 0 {
            what.push(counted(row.errors, "error"));
        }
        vec![
            target.into_string(),
            row.transmitted.to_string(),
            row.answered().to_string(),
            format!("{loss}%"),
            time(rtt.map(|rtt| rtt.min)),
            time(rtt.map(|rtt| whole(rtt.mean))),
            time(rtt.and_then(|rtt| rtt.percentiles).map(|[_, _, p99]| p99)),
            time(rtt.map(|rtt| rtt.max)),
            time(
                rtt.filter(|_| row.answered() > 1)
                    .map(|rtt| whole(rtt.jitter)),
            ),
            what.join(", "),
        ]
    }
}

fn label(out: &mut Text, shared: &Shared, summary: &Summary) {
    match shared.labels.get(&summary.index) {
        Some(label) => out.escaped(label.as_bytes()),
        None => out.ipv4(summary.target.octets()),
    }
    if let Some(name) = shared.name(summary.target) {
        out.str(" (");
        out.escaped(name.as_bytes());
        out.push(b')');
    }
}

impl Show for Many {
    fn report(&mut self, report: &Report, shared: &Shared, out: &mut Text, _err: &mut Text) {
        match report {
            Report::Reply(reply) => {
                // Asked for now, a name is there when the table is drawn.
                if self.form != Form::Nothing {
                    let _ = shared.name(reply.probe.target);
                }
                if self.form == Form::PerProbe
                    && let Some(rtt) = reply.rtt.filter(|_| !reply.duplicate)
                {
                    let times = self.probes.entry(reply.probe.index).or_default();
                    times.push((reply.probe.number, rtt.nanoseconds));
                }
            }
            Report::Error(failure) if self.form == Form::Table && self.reasons.len() < REASONS => {
                let mut text = Text::default();
                words::failure(&mut text, failure);
                if failure.from != failure.target {
                    text.str(" from ");
                    text.ipv4(failure.from.octets());
                }
                self.reasons.insert(failure.index, text.into_string());
            }
            Report::Unsent { probe, error, .. }
                if self.form == Form::Table && self.reasons.len() < REASONS =>
            {
                self.reasons.insert(probe.index, words::errno(*error));
            }
            Report::Summary(summary) => self.summary(summary, shared, out),
            _ => {}
        }
    }

    fn status(&self, _summary: &Summary, _err: &mut Text) {}

    fn end(&mut self, sums: &dyn Sums, shared: &Shared, output: &mut Output<'_, '_>) -> Result<()> {
        if self.form != Form::Table {
            return Ok(());
        }
        let mut order = std::mem::take(&mut self.order);
        order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        for (_, index) in order {
            if let Some(summary) = sums.summary(index) {
                self.row(summary, shared, &mut output.text);
                output.relieve()?;
            }
        }
        self.page(shared, &mut output.text);
        let silent = self.targets.saturating_sub(self.alive);
        output.text.display(&format_args!(
            "\n{}: {} alive, {} unreachable",
            counted(self.targets.into(), "target"),
            self.alive,
            silent.saturating_sub(self.unasked),
        ));
        if self.unasked > 0 {
            output
                .text
                .display(&format_args!(", {} not asked", self.unasked));
        }
        output.text.display(&format_args!(
            "; {} in {:.3} s\n",
            counted(self.packets, "packet"),
            self.seconds
        ));
        Ok(())
    }
}
