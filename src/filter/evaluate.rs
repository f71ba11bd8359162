//! The tree evaluated on a frame's bytes, without a program.
//!
//! It shares no code with the compiler, so that each is a check of the other, and it does what no
//! BPF program can: look through any encapsulation, follow a chain of headers, and use what the
//! first fragment of a datagram said about its ports.

#![expect(
    clippy::option_option,
    reason = "the outer option is whether the frame holds the bytes, the inner whether what is \
              asked for is there"
)]

use super::deep;
use super::names::{self, IPV4, IPV6};
use super::tree::{Arithmetic, Direction, Family, Layer, Node, Primitive, Version};
use crate::wire::frame::{Direction as Way, Frame, LinkType};
use view::{Link, View, Views};

mod encapsulation;
pub(super) mod link;
pub(super) mod view;

/// The two ports of a datagram: source, destination.
pub(super) type Ports = (u16, u16);

/// A tree ready to be evaluated: it has no names.
#[derive(Debug)]
pub(super) struct Evaluator {
    pub(super) tree: Node,
    pub(super) link_type: LinkType,
    pub(super) netmask: Option<u32>,
    /// Look through encapsulation; its words then only ask whether it is there.
    pub(super) deep: bool,
}

impl Evaluator {
    /// Whether the frame matches; none if it does not hold the bytes that this depends on.
    /// `ports` are those of the datagram, for a fragment that is not the first.
    pub(super) fn evaluate(&self, frame: &Frame<'_>, ports: Option<Ports>) -> Option<bool> {
        let mut layers = deep::Layers::new(self.link_type);
        if self.deep {
            layers.descend(frame.bytes);
        }
        let deep = self.deep.then(|| layers.tags());
        let mut run = Run {
            evaluator: self,
            frame,
            ports,
            views: *layers.views(),
            deep,
        };
        run.node(&self.tree, true)
    }
}

struct Run<'a, 'b> {
    evaluator: &'a Evaluator,
    frame: &'a Frame<'b>,
    ports: Option<Ports>,
    views: Views,
    /// The encapsulations that are there, when they are looked through.
    deep: Option<&'a [deep::Tag]>,
}

impl Run<'_, '_> {
    /// The value of `node`. Where it is not `wanted`, only what its words move is done.
    fn node(&mut self, node: &Node, wanted: bool) -> Option<bool> {
        match node {
            Node::And(nodes) => self.list(nodes, wanted, false),
            Node::Or(nodes) => self.list(nodes, wanted, true),
            Node::Not(inner) => self.node(inner, wanted).map(|value| !value),
            Node::Primitive(primitive, _) => self.primitive(primitive, wanted),
        }
    }

    /// The first value that is `decisive`, or the other if there is none.
    fn list(&mut self, nodes: &[Node], wanted: bool, decisive: bool) -> Option<bool> {
        let mut result = Some(!decisive);
        for node in nodes {
            let open = result == Some(!decisive);
            let value = self.node(node, wanted && open);
            if open && wanted {
                result = value;
            }
        }
        result
    }

    fn primitive(&mut self, primitive: &Primitive, wanted: bool) -> Option<bool> {
        if let Some(value) = self.encapsulation(primitive, wanted) {
            return value;
        }
        if !wanted {
            return Some(false);
        }
        match primitive {
            Primitive::Inbound => return self.sent().map(|sent| !sent),
            Primitive::Outbound => return self.sent(),
            Primitive::InterfaceIndex(index) => return Some(self.word(4)? == *index),
            // The frame's length does not depend on where one looks.
            Primitive::Relation { left, right, .. } if !left.loads() && !right.loads() => {
                let view = View::outermost(self.evaluator.link_type);
                return self.test(primitive, &view);
            }
            _ => {}
        }
        self.any(|run, view| run.test(primitive, view))
    }

    /// True in one of the views that hold.
    fn any(&self, test: impl Fn(&Self, &View) -> Option<bool>) -> Option<bool> {
        for view in self.views.all() {
            if view.holds? && test(self, view)? {
                return Some(true);
            }
        }
        Some(false)
    }

    fn byte(&self, at: usize) -> Option<u32> {
        byte(self.frame.bytes, at)
    }

    fn half(&self, at: usize) -> Option<u32> {
        half(self.frame.bytes, at)
    }

    fn word(&self, at: usize) -> Option<u32> {
        word(self.frame.bytes, at)
    }

    fn sent(&self) -> Option<bool> {
        match self.evaluator.link_type {
            LinkType::LINUX_SLL => Some(self.half(0)? == 4),
            LinkType::LINUX_SLL2 => Some(self.byte(10)? == 4),
            LinkType::SLIP => Some(self.byte(0)? == 1),
            _ => Some(self.frame.direction? == Way::Out),
        }
    }

    #[expect(clippy::too_many_lines, reason = "one arm a primitive")]
    fn test(&self, primitive: &Primitive, view: &View) -> Option<bool> {
        let network = view.network;
        match primitive {
            Primitive::Host {
                family,
                direction,
                networks,
            } => {
                let families: &[(u32, usize, usize)] = match family {
                    Family::Any => &[(IPV4, 12, 16), (names::ARP, 14, 24), (names::RARP, 14, 24)],
                    Family::Ip => &[(IPV4, 12, 16)],
                    Family::Arp => &[(names::ARP, 14, 24)],
                    Family::Rarp => &[(names::RARP, 14, 24)],
                };
                for &(protocol, source, destination) in families {
                    if self.carries(view, protocol)? {
                        return directed(*direction, |far| {
                            let at = network + if far { destination } else { source };
                            let found = self.word(at)?;
                            Some(
                                networks
                                    .iter()
                                    .any(|(address, mask)| found & mask == *address),
                            )
                        });
                    }
                }
                Some(false)
            }
            Primitive::Host6 {
                direction,
                networks,
            } => Some(
                self.carries(view, IPV6)?
                    && directed(*direction, |far| {
                        self.in_net6(network + if far { 24 } else { 8 }, networks)
                    })?,
            ),
            Primitive::EtherHost {
                direction,
                addresses,
            } => self.ether(view, *direction, addresses),
            Primitive::EtherBroadcast => self.ether(view, Direction::Destination, &[[0xff; 6]]),
            Primitive::EtherMulticast => Some(view.ethernet && self.byte(view.header)? & 1 == 1),
            Primitive::Port {
                transports,
                direction,
                ranges,
            } => {
                let Some((source, destination)) = self.ports(view, transports)? else {
                    return Some(false);
                };
                directed(*direction, |far| {
                    let port = match (self.late(view), far) {
                        (Some((_, port)), true) | (Some((port, _)), false) => u32::from(port),
                        (None, far) => self.half(if far { destination } else { source })?,
                    };
                    Some(
                        ranges
                            .iter()
                            .any(|&(low, high)| (u32::from(low)..=u32::from(high)).contains(&port)),
                    )
                })
            }
            Primitive::LinkProtocol(number) => self.carries(view, *number),
            Primitive::IpProtocol { version, number } => {
                self.ip_protocol(view, *version, u32::from(*number))
            }
            Primitive::ProtocolChain { version, number } => {
                self.protocol_chain(view, *version, u32::from(*number))
            }
            Primitive::IsoProtocol(number) => {
                let past = match view.link {
                    Link::Ethernet(_) | Link::Cooked(_) => 3,
                    Link::EtherType(_) => 1,
                    _ => 0,
                };
                Some(
                    self.carries(view, names::LLC_ISO)?
                        && self.byte(network + past)? == u32::from(*number),
                )
            }
            Primitive::IpBroadcast => {
                if !self.carries(view, IPV4)? {
                    return Some(false);
                }
                let host = !self.evaluator.netmask.unwrap_or(0);
                let bits = self.word(network + 16)? & host;
                Some(bits == 0 || bits == host)
            }
            Primitive::IpMulticast => {
                Some(self.carries(view, IPV4)? && self.byte(network + 16)? >= 224)
            }
            Primitive::Ip6Multicast => {
                Some(self.carries(view, IPV6)? && self.byte(network + 24)? == 0xff)
            }
            Primitive::Llc { mask, bits } => {
                let there = match view.link {
                    Link::Ethernet(field) => {
                        self.half(field)? <= names::LONGEST_802_3 && self.half(network)? != 0xffff
                    }
                    Link::Cooked(field) => self.half(field)? == 4,
                    _ => false,
                };
                Some(
                    there
                        && (*mask == 0
                            || self.byte(network + 2)? & u32::from(*mask) == u32::from(*bits)),
                )
            }
            Primitive::Relation {
                left,
                comparison,
                right,
            } => {
                let (Some(left), Some(right)) =
                    (self.arithmetic(view, left)?, self.arithmetic(view, right)?)
                else {
                    return Some(false);
                };
                Some(comparison.holds(left, right))
            }
            _ => Some(false),
        }
    }

    fn in_net6(&self, at: usize, networks: &[(u128, u128)]) -> Option<bool> {
        for (address, mask) in networks {
            let mut equal = true;
            for (step, shift) in [(0, 96), (4, 64), (8, 32), (12, 0)] {
                let part = |number: u128| (number >> shift) & 0xffff_ffff;
                if equal && part(*mask) != 0 {
                    equal = u128::from(self.word(at + step)?) & part(*mask) == part(*address);
                }
            }
            if equal {
                return Some(true);
            }
        }
        Some(false)
    }

    fn ether(&self, view: &View, direction: Direction, addresses: &[[u8; 6]]) -> Option<bool> {
        if !view.ethernet {
            return Some(false);
        }
        directed(direction, |far| {
            let at = view.header + if far { 0 } else { 6 };
            let found = self.frame.bytes.get(at..)?.first_chunk::<6>()?;
            Some(addresses.contains(found))
        })
    }

    /// Where the ports are, if this is one of the transports and not a later fragment whose ports
    /// nobody knows.
    fn ports(&self, view: &View, transports: &[u8]) -> Option<Option<(usize, usize)>> {
        let network = view.network;
        let wanted = |number: u32| transports.iter().any(|&wanted| u32::from(wanted) == number);
        if self.carries(view, IPV6)? {
            let there = wanted(self.byte(network + 6)?);
            return Some(there.then_some((network + 40, network + 42)));
        }
        if !self.carries(view, IPV4)? || !wanted(self.byte(network + 9)?) {
            return Some(None);
        }
        if self.half(network + 6)? & 0x1fff != 0 {
            return Some(self.late(view).map(|_| (0, 0)));
        }
        let header = self.after_ipv4(network)?;
        Some(Some((header, header + 2)))
    }

    /// The ports that the first fragment had, for a later one.
    fn late(&self, view: &View) -> Option<Ports> {
        let later = deep::fragment(self.frame.bytes, view.network)?.offset != 0;
        self.ports
            .filter(|_| later && self.carries(view, IPV4) == Some(true))
    }

    fn after_ipv4(&self, network: usize) -> Option<usize> {
        Some(network + 4 * (self.byte(network)? & 0xf) as usize)
    }

    fn ip_protocol(&self, view: &View, version: Version, number: u32) -> Option<bool> {
        let network = view.network;
        if version != Version::V6 && self.carries(view, IPV4)? {
            return Some(self.byte(network + 9)? == number);
        }
        if version != Version::V4 && self.carries(view, IPV6)? {
            let next = self.byte(network + 6)?;
            return Some(next == number || (next == 44 && self.byte(network + 40)? == number));
        }
        Some(false)
    }

    /// The header chain: IPv6 extension headers (RFC 8200) and AH (RFC 4302).
    fn protocol_chain(&self, view: &View, version: Version, number: u32) -> Option<bool> {
        let network = view.network;
        let (sixth, mut next, mut at) = if version != Version::V6 && self.carries(view, IPV4)? {
            (false, self.byte(network + 9)?, self.after_ipv4(network)?)
        } else if version != Version::V4 && self.carries(view, IPV6)? {
            (true, self.byte(network + 6)?, network + 40)
        } else {
            return Some(false);
        };
        // Every header takes at least eight bytes, so the chain ends with the frame.
        while next != number {
            let units = |this: &Self| this.byte(at + 1).map(|length| length as usize);
            let length = match next {
                0 | 43 | 44 | 60 if sixth => 8 * (units(self)? + 1),
                51 => 4 * (units(self)? + 2),
                _ => return Some(false),
            };
            next = self.byte(at)?;
            at += length;
        }
        Some(true)
    }

    /// The number; the inner none where it is asked of a layer that is not there.
    fn arithmetic(&self, view: &View, arithmetic: &Arithmetic) -> Option<Option<u32>> {
        Some(Some(match arithmetic {
            Arithmetic::Number(number) => *number,
            Arithmetic::Length => self.frame.wire_len,
            Arithmetic::Load {
                layer,
                offset,
                size,
            } => {
                let Some(offset) = self.arithmetic(view, offset)? else {
                    return Some(None);
                };
                let Some(start) = self.layer(view, *layer)? else {
                    return Some(None);
                };
                let at = start.checked_add(usize::try_from(offset).ok()?)?;
                match size {
                    1 => self.byte(at)?,
                    2 => self.half(at)?,
                    _ => self.word(at)?,
                }
            }
            Arithmetic::Negate(of) => match self.arithmetic(view, of)? {
                Some(number) => number.wrapping_neg(),
                None => return Some(None),
            },
            Arithmetic::Binary {
                operator,
                left,
                right,
            } => {
                let Some(left) = self.arithmetic(view, left)? else {
                    return Some(None);
                };
                let Some(right) = self.arithmetic(view, right)? else {
                    return Some(None);
                };
                operator.apply(left, right)?
            }
        }))
    }

    fn layer(&self, view: &View, layer: Layer) -> Option<Option<usize>> {
        let network = view.network;
        Some(match layer {
            Layer::Link => Some(view.header),
            Layer::Network(number) => self.carries(view, number)?.then_some(network),
            Layer::Transport(number) => {
                let there = self.carries(view, IPV4)?
                    && self.byte(network + 9)? == u32::from(number)
                    && matches!(self.half(network + 6)? & 0x1fff, 0);
                if there {
                    Some(self.after_ipv4(network)?)
                } else {
                    None
                }
            }
            Layer::Icmp6 => {
                let there = self.carries(view, IPV6)? && self.byte(network + 6)? == 58;
                there.then_some(network + 40)
            }
        })
    }
}

/// `test` of the near end (source), the far end, either or both.
fn directed(direction: Direction, test: impl Fn(bool) -> Option<bool>) -> Option<bool> {
    match direction {
        Direction::Source => test(false),
        Direction::Destination => test(true),
        Direction::Either => Some(test(false)? || test(true)?),
        Direction::Both => Some(test(false)? && test(true)?),
    }
}

pub(super) fn byte(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at).map(|&byte| byte.into())
}

pub(super) fn half(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|field| u16::from_be_bytes(*field).into())
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|field| u32::from_be_bytes(*field))
}
