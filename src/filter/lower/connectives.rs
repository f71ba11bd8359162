//! `and`, `or` and `not`: what is asked when, and what is not asked at all.
//!
//! Knows that a load outside the frame ends a program and refuses the frame; nothing of what is
//! loaded.

use super::{Lowering, Result};
use crate::filter::tree::{Node, Primitive};
use crate::filter::value::Logic;

impl Lowering<'_> {
    /// The tests that `node` stands for.
    pub(in crate::filter) fn node(&mut self, node: &Node) -> Result<Logic> {
        match node {
            Node::And(nodes) => {
                let mut known = Vec::new();
                let parts = self.in_turn(nodes, true, |this, node| {
                    // What stands right of a tunnel in a conjunction is reached only inside it.
                    if let Node::Primitive(Primitive::Geneve(_) | Primitive::Vxlan(_), _) = node {
                        let always = Logic::Constant(true);
                        known.push(std::mem::replace(&mut this.view.guard, always));
                    }
                })?;
                known.push(std::mem::replace(
                    &mut self.view.guard,
                    Logic::Constant(true),
                ));
                self.view.guard = Logic::all(known);
                Ok(Logic::all(parts))
            }
            Node::Or(nodes) => Ok(Logic::any(self.in_turn(nodes, false, |_, _| {})?)),
            Node::Not(inner) => {
                self.positive = !self.positive;
                let logic = self.node(inner);
                self.positive = !self.positive;
                Ok(!logic?)
            }
            Node::Primitive(primitive, span) => self.primitive(primitive, *span),
        }
    }

    /// The tests that nodes stand for, of which the next is asked only while each before it came
    /// out as `asking`; `after` each.
    fn in_turn(
        &mut self,
        nodes: &[Node],
        asking: bool,
        mut after: impl FnMut(&mut Self, &Node),
    ) -> Result<Vec<Logic>> {
        let was_exact = std::mem::replace(&mut self.exact, true);
        let mut parts = Vec::with_capacity(nodes.len());
        for node in nodes {
            // Whatever is not known is taken as what lets the frame pass. Where that is the answer
            // on which the next one is asked, the true answer may be the other one: then nothing
            // more is asked, and no load may refuse the frame.
            let certain = self.exact || self.positive != asking;
            let logic = self.node(node)?;
            after(self, node);
            parts.push(if certain {
                logic
            } else {
                Logic::Constant(asking)
            });
        }
        self.exact &= was_exact;
        Ok(parts)
    }
}
