//! A path as traceroute writes it: a line a hop. Several paths do not mix: each is written when
//! it is whole.

use std::collections::HashMap;
use std::net::Ipv4Addr;

use super::Show;
use super::facts::Facts;
use super::marks::{self, Legend};
use super::plan::Plan;
use crate::cli::text::Text;
use crate::probe::trace::{Hop, Outcome, Summary};

/// Writes lines.
#[derive(Debug)]
pub(super) struct Lines {
    /// The one target, where there are not several.
    only: Option<Ipv4Addr>,
    max: u8,
    length: u16,
    paths: HashMap<Ipv4Addr, Block>,
}

/// What is written of one path.
#[derive(Debug, Default)]
struct Block {
    text: Text,
    legend: Legend,
    cycle: u32,
}

impl Lines {
    pub(super) fn new(plan: &Plan) -> Self {
        let only = match plan.config.targets.as_slice() {
            [target] => Some(target.address),
            _ => None,
        };
        Self {
            only,
            max: plan.config.max,
            length: plan.shown_length,
            paths: HashMap::new(),
        }
    }

    fn block(&mut self, target: Ipv4Addr, facts: &Facts) -> &mut Block {
        let (max, length) = (self.max, self.length);
        self.paths.entry(target).or_insert_with(|| {
            let mut block = Block::default();
            heading(target, facts, max, length, &mut block.text);
            block
        })
    }
}

/// The line that traceroute begins with.
pub(super) fn heading(target: Ipv4Addr, facts: &Facts, max: u8, length: u16, text: &mut Text) {
    text.str("traceroute to ");
    text.escaped(facts.label(target).as_bytes());
    text.display(&format_args!(
        " ({target}), {max} hops max, {length} byte packets\n"
    ));
}

/// Milliseconds, as traceroute has them.
pub(super) fn milliseconds(nanoseconds: u64, out: &mut Text) {
    let microseconds = nanoseconds.saturating_add(500) / 1000;
    let (whole, rest) = (microseconds / 1000, microseconds % 1000);
    out.display(&format_args!("{whole}.{rest:03} ms"));
}

fn line(hop: &Hop, facts: &Facts, legend: &mut Legend, out: &mut Text) {
    out.display(&format_args!("{:>2} ", hop.ttl));
    let mut last = None;
    let mut extra: Vec<String> = Vec::new();
    for query in &hop.queries {
        match &query.outcome {
            Outcome::Lost => out.str(" *"),
            Outcome::Refused(errno) => {
                out.push(b' ');
                out.str(&marks::of_refusal(*errno, legend));
            }
            Outcome::Answered(answer) => {
                if last.replace(answer.address) != Some(answer.address) {
                    out.push(b' ');
                    facts.person(answer.address, out);
                }
                out.str("  ");
                milliseconds(answer.rtt.nanoseconds, out);
                if let Some(mark) = answer.mark {
                    out.push(b' ');
                    out.str(&marks::of_mark(mark, legend));
                }
                for mark in marks::of_answer(hop, answer, legend) {
                    if !extra.contains(&mark) {
                        extra.push(mark);
                    }
                }
            }
        }
    }
    extra.extend(marks::of_hop(hop, legend));
    for (at, mark) in extra.iter().enumerate() {
        out.str(if at == 0 { "  " } else { " " });
        out.str(mark);
    }
    out.push(b'\n');
}

impl Show for Lines {
    fn start(&mut self, facts: &Facts, out: &mut Text) {
        // Of several, each begins when it is whole.
        if let Some(target) = self.only {
            let block = self.block(target, facts);
            out.raw(block.text.as_bytes());
            block.text.clear();
        }
    }

    fn hop(&mut self, hop: &Hop, facts: &Facts, out: &mut Text) {
        let several = self.only.is_none();
        let block = self.block(hop.target, facts);
        if hop.cycle > 1 && hop.cycle != block.cycle {
            block.text.display(&format_args!("cycle {}\n", hop.cycle));
        }
        block.cycle = hop.cycle;
        line(hop, facts, &mut block.legend, &mut block.text);
        if !several {
            out.raw(block.text.as_bytes());
            block.text.clear();
        }
    }

    fn summary(&mut self, target: Ipv4Addr, summary: &Summary, facts: &Facts, out: &mut Text) {
        self.block(target, facts);
        let Some(mut block) = self.paths.remove(&target) else {
            return;
        };
        if let Some(mtu) = summary.path_mtu {
            block.text.display(&format_args!("path MTU {mtu}\n"));
        }
        block.legend.write(&mut block.text);
        if self.only.is_none() {
            block.text.push(b'\n');
        }
        out.raw(block.text.as_bytes());
    }

    fn finish(&mut self, _facts: &Facts, out: &mut Text) {
        // Interrupted: what there is, in the order of the targets.
        let mut rest: Vec<_> = self.paths.drain().collect();
        rest.sort_unstable_by_key(|(target, _)| *target);
        for (_, mut block) in rest {
            block.legend.write(&mut block.text);
            out.raw(block.text.as_bytes());
        }
    }
}
