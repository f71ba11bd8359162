//! Paths as one graph for Graphviz: hops that several paths share are drawn once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::Ipv4Addr;

use super::Show;
use super::facts::Facts;
use crate::cli::text::Text;
use crate::probe::trace::{Hop, Outcome, Summary};

/// A node: somebody who answered, the beginning, or silence at a distance from the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Node {
    Here,
    Silent(Ipv4Addr, u8),
    Hop(Ipv4Addr),
}

/// Collects the graph.
#[derive(Debug, Default)]
pub(super) struct Dot {
    /// Links behind the first hop come with the summary, and not from one hop to the next.
    multipath: bool,
    /// Each hop's best time, in nanoseconds.
    nodes: BTreeMap<Node, Option<u64>>,
    links: BTreeSet<(Node, Node)>,
    /// The hop before, of each path.
    last: HashMap<(Ipv4Addr, u32), BTreeSet<Node>>,
    targets: BTreeSet<Ipv4Addr>,
    balancing: BTreeMap<(Ipv4Addr, u8), &'static str>,
    /// At which distances of which paths a node stands.
    places: BTreeMap<Node, BTreeSet<(Ipv4Addr, u8)>>,
}

impl Dot {
    pub(super) fn new(multipath: bool) -> Self {
        Self {
            multipath,
            ..Self::default()
        }
    }

    fn stands(&mut self, node: Node, target: Ipv4Addr, ttl: u8, rtt: Option<u64>) {
        let best = self.nodes.entry(node).or_insert(rtt);
        *best = match (*best, rtt) {
            (Some(known), Some(new)) => Some(known.min(new)),
            (known, new) => known.or(new),
        };
        self.places.entry(node).or_default().insert((target, ttl));
    }

    fn label(&self, node: Node, facts: &Facts, out: &mut Text) {
        match node {
            Node::Here => out.str("here"),
            Node::Silent(..) => out.push(b'*'),
            Node::Hop(address) => {
                let mut lines = Text::default();
                facts.person(address, &mut lines);
                escape(&lines, out);
                if let Some(Some(best)) = self.nodes.get(&node) {
                    out.str("\\n");
                    super::lines::milliseconds(*best, out);
                }
                let places = self.places.get(&node).into_iter().flatten();
                let ways: BTreeSet<&str> = places
                    .filter_map(|place| self.balancing.get(place).copied())
                    .collect();
                for way in ways {
                    out.str("\\n");
                    out.str(way);
                }
            }
        }
    }
}

/// What stands in a string of the DOT language.
fn escape(text: &Text, out: &mut Text) {
    for byte in text.as_bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
}

fn id(node: Node, out: &mut Text) {
    match node {
        Node::Here => out.str("\"here\""),
        Node::Hop(address) => out.display(&format_args!("\"{address}\"")),
        Node::Silent(target, ttl) => out.display(&format_args!("\"{target} {ttl}\"")),
    }
}

impl Show for Dot {
    fn hop(&mut self, hop: &Hop, _: &Facts, _: &mut Text) {
        self.targets.insert(hop.target);
        let mut here = BTreeSet::new();
        for query in &hop.queries {
            if let Outcome::Answered(answer) = &query.outcome {
                let node = Node::Hop(answer.address);
                self.stands(node, hop.target, hop.ttl, Some(answer.rtt.nanoseconds));
                here.insert(node);
            }
        }
        let path = (hop.target, hop.cycle);
        // From the second hop on, the links of all ways come with the summary.
        if self.multipath && self.last.contains_key(&path) {
            return;
        }
        if here.is_empty() {
            let node = Node::Silent(hop.target, hop.ttl);
            self.stands(node, hop.target, hop.ttl, None);
            here.insert(node);
        }
        let before = self.last.insert(path, here.clone());
        let before = before.unwrap_or_else(|| BTreeSet::from([Node::Here]));
        for from in before {
            for to in &here {
                self.links.insert((from, *to));
            }
        }
    }

    fn summary(&mut self, target: Ipv4Addr, summary: &Summary, _: &Facts, _: &mut Text) {
        for link in &summary.links {
            let node = |end: Option<Ipv4Addr>, ttl| match end {
                Some(address) => Node::Hop(address),
                None => Node::Silent(target, ttl),
            };
            let from = node(link.from, link.ttl);
            let to = node(link.to, link.ttl.saturating_add(1));
            self.stands(from, target, link.ttl, None);
            self.stands(to, target, link.ttl.saturating_add(1), None);
            self.links.insert((from, to));
        }
        for (ttl, balancing) in &summary.balancing {
            self.balancing.insert((target, *ttl), balancing.name());
        }
    }

    fn finish(&mut self, facts: &Facts, out: &mut Text) {
        out.str("digraph paths {\n  rankdir=LR;\n  node [shape=box, fontname=\"monospace\"];\n");
        let mut nodes: BTreeSet<Node> = self.nodes.keys().copied().collect();
        nodes.extend(self.links.iter().flat_map(|(from, to)| [*from, *to]));
        for node in nodes {
            out.str("  ");
            id(node, out);
            out.str(" [label=\"");
            self.label(node, facts, out);
            out.push(b'"');
            match node {
                Node::Here => out.str(", shape=ellipse"),
                Node::Silent(..) => out.str(", style=dashed"),
                Node::Hop(address) if self.targets.contains(&address) => {
                    out.str(", style=bold");
                }
                Node::Hop(_) => {}
            }
            out.str("];\n");
        }
        for (from, to) in &self.links {
            out.str("  ");
            id(*from, out);
            out.str(" -> ");
            id(*to, out);
            out.str(";\n");
        }
        out.str("}\n");
    }
}
