//! The tree made ready: names become addresses, and alternatives that look at the same field
//! become one primitive.
//!
//! A list of ports or addresses is one test of one field: `port (80 or 443)` loads the source port
//! once. So for a frame cut within the ports, the whole list is tried on the source port before
//! the missing destination port rejects the frame.

use std::sync::Arc;

use super::Resolve;
use super::fault::{CompileError, Fault, Span};
use super::tree::{Direction, Family, Node, Primitive};

/// The tree without names.
pub(super) fn resolved(
    node: &Node,
    text: &Arc<str>,
    resolve: &dyn Resolve,
) -> Result<Node, CompileError> {
    match node {
        Node::And(nodes) => {
            let nodes = nodes.iter().map(|node| resolved(node, text, resolve));
            Ok(conjunction(nodes.collect::<Result<_, _>>()?))
        }
        Node::Or(nodes) => {
            let nodes = nodes.iter().map(|node| resolved(node, text, resolve));
            Ok(disjunction(nodes.collect::<Result<_, _>>()?))
        }
        Node::Not(inner) => Ok(negation(resolved(inner, text, resolve)?)),
        Node::Primitive(primitive, span) => named(primitive, *span, text, resolve),
    }
}

fn named(
    primitive: &Primitive,
    span: Span,
    text: &Arc<str>,
    resolve: &dyn Resolve,
) -> Result<Node, CompileError> {
    let refused = |name: &str, why: String| {
        let message = format!("cannot resolve `{name}`: {why}");
        CompileError(Fault::new(text, span, message))
    };
    let host = |name: &str| match resolve.host(name) {
        Ok(addresses) if addresses.is_empty() => {
            Err(refused(name, "it has no IPv4 address".to_owned()))
        }
        Ok(addresses) => Ok(addresses
            .into_iter()
            .map(|address| (u32::from(address), u32::MAX))
            .collect()),
        Err(why) => Err(refused(name, why)),
    };
    let ether = |name: &str| resolve.ethernet(name).map_err(|why| refused(name, why));
    let node = |primitive| Node::Primitive(primitive, span);
    Ok(match primitive {
        Primitive::HostName {
            family,
            direction,
            name,
        } => {
            let networks: Vec<(u32, u32)> = host(name)?;
            let (family, direction) = (*family, *direction);
            if direction == Direction::Both {
                // Both ends have the same address, whichever of the name's it is.
                let each = networks.into_iter().map(|network| {
                    node(Primitive::Host {
                        family,
                        direction,
                        networks: vec![network],
                    })
                });
                return Ok(Node::Or(each.collect()));
            }
            node(Primitive::Host {
                family,
                direction,
                networks,
            })
        }
        Primitive::NetName {
            family,
            direction,
            name,
        } => {
            let network = resolve.network(name).map_err(|why| refused(name, why))?;
            let (address, mask) = (u32::from(network.0), u32::from(network.1));
            node(Primitive::Host {
                family: *family,
                direction: *direction,
                networks: vec![(address & mask, mask)],
            })
        }
        Primitive::EtherName { direction, name } => {
            let addresses = vec![ether(name)?];
            node(Primitive::EtherHost {
                direction: *direction,
                addresses,
            })
        }
        Primitive::Gateway { name } => {
            let direction = Direction::Either;
            let addresses = vec![ether(name)?];
            let (family, networks) = (Family::Any, host(name)?);
            Node::And(vec![
                node(Primitive::EtherHost {
                    direction,
                    addresses,
                }),
                Node::Not(Box::new(node(Primitive::Host {
                    family,
                    direction,
                    networks,
                }))),
            ])
        }
        other => node(other.clone()),
    })
}

/// `not a and not b` is `not (a or b)`, whose parts may join.
fn conjunction(nodes: Vec<Node>) -> Node {
    let mut kept: Vec<Node> = Vec::new();
    let mut negated: Vec<Node> = Vec::new();
    for node in nodes {
        match node {
            Node::Not(inner) => negated.push(*inner),
            node => {
                if !negated.is_empty() {
                    kept.push(negation(disjunction(std::mem::take(&mut negated))));
                }
                kept.push(node);
            }
        }
    }
    if !negated.is_empty() {
        kept.push(negation(disjunction(negated)));
    }
    match kept.len() {
        1 => kept.pop().unwrap_or(Node::And(Vec::new())),
        _ => Node::And(kept),
    }
}

fn disjunction(nodes: Vec<Node>) -> Node {
    let mut kept: Vec<Node> = Vec::new();
    for node in nodes {
        let nodes = match node {
            Node::Or(inner) => inner,
            node => vec![node],
        };
        for node in nodes {
            let apart = match kept.last_mut() {
                Some(last) => join(last, node),
                None => Some(node),
            };
            kept.extend(apart);
        }
    }
    match kept.len() {
        1 => kept.pop().unwrap_or(Node::Or(Vec::new())),
        _ => Node::Or(kept),
    }
}

fn negation(node: Node) -> Node {
    match node {
        Node::Not(inner) => *inner,
        node => Node::Not(Box::new(node)),
    }
}

/// Puts `node` into `last` if both look for something in the same fields, else gives it back.
fn join(last: &mut Node, node: Node) -> Option<Node> {
    let (Node::Primitive(first, _), Node::Primitive(second, _)) = (last, &node) else {
        return Some(node);
    };
    let joined = match (first, second) {
        (
            Primitive::Host {
                family,
                direction,
                networks,
            },
            Primitive::Host {
                family: other_family,
                direction: other,
                networks: more,
            },
        ) if family == other_family && direction == other && *direction != Direction::Both => {
            networks.extend(more);
            true
        }
        (
            Primitive::Host6 {
                direction,
                networks,
            },
            Primitive::Host6 {
                direction: other,
                networks: more,
            },
        ) if direction == other && *direction != Direction::Both => {
            networks.extend(more);
            true
        }
        (
            Primitive::EtherHost {
                direction,
                addresses,
            },
            Primitive::EtherHost {
                direction: other,
                addresses: more,
            },
        ) if direction == other && *direction != Direction::Both => {
            addresses.extend(more);
            true
        }
        (
            Primitive::Port {
                transports,
                direction,
                ranges,
            },
            Primitive::Port {
                transports: other_transports,
                direction: other,
                ranges: more,
            },
        ) if transports == other_transports
            && direction == other
            && *direction != Direction::Both =>
        {
            ranges.extend(more);
            true
        }
        _ => false,
    };
    (!joined).then_some(node)
}
