//! The decision graph: which test comes next on either answer, until a frame is accepted or
//! rejected. Equal tests with equal continuations are one node.

use std::collections::HashMap;

use super::value::{Logic, Test};

/// A node, or one of the two ends. Children always have smaller numbers than their parents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct NodeId(pub(super) u32);

/// The frame does not match.
pub(super) const REJECT: NodeId = NodeId(0);
/// The frame matches.
pub(super) const ACCEPT: NodeId = NodeId(1);

/// A test and where to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Node {
    pub(super) test: Test,
    pub(super) yes: NodeId,
    pub(super) no: NodeId,
}

/// A graph without cycles.
#[derive(Debug, Default, Clone)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    ids: HashMap<Node, NodeId>,
}

impl Graph {
    /// The test at `id`, unless it is an end.
    pub(super) fn node(&self, id: NodeId) -> Option<Node> {
        self.nodes
            .get(usize::try_from(id.0.checked_sub(2)?).ok()?)
            .copied()
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The node, made if there is none like it; where both answers lead to the same place, that.
    pub(super) fn intern(&mut self, node: Node) -> NodeId {
        if node.yes == node.no {
            return node.yes;
        }
        if let Some(&id) = self.ids.get(&node) {
            return id;
        }
        let id = NodeId(u32::try_from(self.nodes.len() + 2).unwrap_or(u32::MAX));
        self.nodes.push(node);
        self.ids.insert(node, id);
        id
    }

    /// The entry of a graph that goes to `yes` where `logic` is true, and else to `no`.
    pub(super) fn build(&mut self, logic: &Logic, yes: NodeId, no: NodeId) -> NodeId {
        match logic {
            Logic::Constant(true) => yes,
            Logic::Constant(false) => no,
            Logic::Test(test) => self.intern(Node {
                test: *test,
                yes,
                no,
            }),
            Logic::Not(inner) => self.build(inner, no, yes),
            Logic::And(parts) => parts
                .iter()
                .rev()
                .fold(yes, |next, part| self.build(part, next, no)),
            Logic::Or(parts) => parts
                .iter()
                .rev()
                .fold(no, |next, part| self.build(part, yes, next)),
        }
    }

    /// All tests that can be reached from `entry`, parents before children.
    pub(super) fn reachable(&self, entry: NodeId) -> Vec<NodeId> {
        let mut seen = vec![false; self.nodes.len() + 2];
        let mut stack = vec![entry];
        let mut found = Vec::new();
        while let Some(id) = stack.pop() {
            let Some(node) = self.node(id) else { continue };
            let Some(seen) = usize::try_from(id.0).ok().and_then(|at| seen.get_mut(at)) else {
                continue;
            };
            if !std::mem::replace(seen, true) {
                found.push(id);
                stack.extend([node.yes, node.no]);
            }
        }
        found.sort_unstable_by(|a, b| b.cmp(a));
        found
    }
}
