//! All paths to a target as text: each hop's addresses, and where the way goes on from each.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::Show;
use super::facts::Facts;
use super::lines::{heading, milliseconds};
use super::marks::{self, Legend};
use super::plan::Plan;
use crate::cli::text::Text;
use crate::probe::trace::{Hop, Outcome, Summary};

/// What is known of one address at one distance.
#[derive(Debug, Default)]
struct Node {
    /// Nanoseconds.
    best: Option<u64>,
    flows: BTreeSet<u16>,
    marks: Vec<String>,
    next: BTreeSet<Option<Ipv4Addr>>,
}

/// The hops of one path by distance, and the addresses of each; `None` is silence.
#[derive(Debug, Default)]
struct Graph {
    hops: BTreeMap<u8, BTreeMap<Option<Ipv4Addr>, Node>>,
    /// Marks of a whole hop, by its distance.
    marks: BTreeMap<u8, Vec<String>>,
    legend: Legend,
}

/// Writes a graph when it is whole.
#[derive(Debug)]
pub(super) struct Ways {
    max: u8,
    length: u16,
    graphs: BTreeMap<Ipv4Addr, Graph>,
}

impl Ways {
    pub(super) fn new(plan: &Plan) -> Self {
        let mut graphs = BTreeMap::new();
        // Of one, the heading stands there however soon it ends.
        if let [target] = plan.config.targets.as_slice() {
            graphs.insert(target.address, Graph::default());
        }
        Self {
            max: plan.config.max,
            length: plan.shown_length,
            graphs,
        }
    }

    fn write(&self, target: Ipv4Addr, graph: &Graph, rules: &Rules, facts: &Facts, out: &mut Text) {
        heading(target, facts, self.max, self.length, out);
        for (ttl, nodes) in &graph.hops {
            let mut first = true;
            for (address, node) in nodes {
                let is_first = std::mem::take(&mut first);
                if is_first {
                    out.display(&format_args!("{ttl:>2}  "));
                } else {
                    out.str("    ");
                }
                match address {
                    Some(address) => facts.person(*address, out),
                    None => out.push(b'*'),
                }
                if let Some(best) = node.best {
                    out.str("  ");
                    milliseconds(best, out);
                }
                // Where everything goes on the same way, the next line says it.
                let beyond = graph.hops.get(&ttl.saturating_add(1));
                if beyond.is_some_and(|it| it.len() > 1) || nodes.len() > 1 {
                    let mut arrow = "  -> ";
                    for next in &node.next {
                        out.str(arrow);
                        arrow = ", ";
                        match next {
                            Some(next) => out.display(next),
                            None => out.push(b'*'),
                        }
                    }
                }
                if nodes.len() > 1
                    && let Some(rule) = rules.get(ttl)
                {
                    out.display(&format_args!("  [{rule}]"));
                }
                // What holds for the hop stands in its first line.
                let own = graph.marks.get(ttl).filter(|_| is_first);
                for (at, mark) in node
                    .marks
                    .iter()
                    .chain(own.into_iter().flatten())
                    .enumerate()
                {
                    out.str(if at == 0 { "  " } else { " " });
                    out.str(mark);
                }
                out.push(b'\n');
            }
        }
        graph.legend.write(out);
    }
}

/// How the hop at a distance shares its load.
type Rules = BTreeMap<u8, &'static str>;

impl Show for Ways {
    fn hop(&mut self, hop: &Hop, _: &Facts, _: &mut Text) {
        let graph = self.graphs.entry(hop.target).or_default();
        let nodes = graph.hops.entry(hop.ttl).or_default();
        for query in &hop.queries {
            let Outcome::Answered(answer) = &query.outcome else {
                continue;
            };
            let node = nodes.entry(Some(answer.address)).or_default();
            let rtt = answer.rtt.nanoseconds;
            node.best = Some(node.best.map_or(rtt, |best| best.min(rtt)));
            node.flows.insert(query.flow);
            let mut marks = marks::of_answer(hop, answer, &mut graph.legend);
            marks.extend(answer.mark.map(|it| marks::of_mark(it, &mut graph.legend)));
            for mark in marks {
                if !node.marks.contains(&mark) {
                    node.marks.push(mark);
                }
            }
        }
        if nodes.is_empty() {
            nodes.insert(None, Node::default());
        }
        let known = graph.marks.entry(hop.ttl).or_default();
        for mark in marks::of_hop(hop, &mut graph.legend) {
            if !known.contains(&mark) {
                known.push(mark);
            }
        }
    }

    fn summary(&mut self, target: Ipv4Addr, summary: &Summary, facts: &Facts, out: &mut Text) {
        let mut graph = self.graphs.remove(&target).unwrap_or_default();
        for link in &summary.links {
            if let Some(nodes) = graph.hops.get_mut(&link.ttl) {
                nodes.entry(link.from).or_default().next.insert(link.to);
            }
        }
        let rules = summary.balancing.iter();
        let rules = rules.map(|(ttl, rule)| (*ttl, rule.name())).collect();
        self.write(target, &graph, &rules, facts, out);
    }

    fn finish(&mut self, facts: &Facts, out: &mut Text) {
        // Interrupted: hops without their links.
        for (target, graph) in &self.graphs {
            self.write(*target, graph, &Rules::new(), facts, out);
        }
    }
}
