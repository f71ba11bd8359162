//! The tree for one link type and target: every primitive becomes tests of loaded numbers.
//!
//! Encapsulation words move what is looked at, for everything right of them, as the language has
//! it. What the target's program cannot express becomes true where that lets more frames pass:
//! the result is then a superset, and says so.

use std::sync::Arc;

use super::Target;
use super::fault::{CompileError, Fault, Span};
use super::layout::{self, Link, Loader, Place, Source, View};
use super::names::{self, IPV4, IPV6};
use super::tree::{Arithmetic, Comparison, Direction, Family, Layer, Operator, Primitive, Version};
use super::value::{self, Ancillary, Logic, Value, ValueId};

mod connectives;
mod encapsulation;

type Result<T> = std::result::Result<T, CompileError>;

/// The most tunnels within tunnels: every place in the innermost is computed from all of them.
const MOST_TUNNELS: u32 = 3;

/// One run over the tree.
#[derive(Debug)]
pub(super) struct Lowering<'a> {
    pub(super) text: &'a Arc<str>,
    pub(super) loader: Loader<'a>,
    /// Where to look from here on.
    pub(super) view: View,
    /// How many tunnels have been entered.
    pub(super) tunnels: u32,
    /// True where a frame for which an answer is not known must count as a match.
    pub(super) positive: bool,
    /// False once something could not be expressed.
    pub(super) exact: bool,
    pub(super) target: Target,
    /// Encapsulation is looked through, by the exact filter; this one sees frames without any.
    pub(super) deep: bool,
    pub(super) netmask: Option<u32>,
}

impl Lowering<'_> {
    /// True when the program runs in the kernel.
    fn live(&self) -> bool {
        self.target != Target::File
    }

    fn error<T>(&self, span: Span, message: impl Into<String>) -> Result<T> {
        Err(CompileError(Fault::new(self.text, span, message)))
    }

    /// What the program cannot express: the exact filter decides.
    fn inexact(&mut self) -> Logic {
        self.exact = false;
        Logic::Constant(self.positive)
    }

    /// A test where the view is meant.
    fn seen(&mut self, test: impl FnOnce(&mut Self, &View) -> Logic) -> Logic {
        let view = self.view.clone();
        let logic = test(self, &view);
        Logic::all([view.guard, logic])
    }

    fn primitive(&mut self, primitive: &Primitive, span: Span) -> Result<Logic> {
        Ok(match primitive {
            Primitive::Host {
                family,
                direction,
                networks,
            } => self.seen(|this, view| this.host(view, *family, *direction, networks)),
            Primitive::Host6 {
                direction,
                networks,
            } => self.seen(|this, view| this.host6(view, *direction, networks)),
            Primitive::EtherHost {
                direction,
                addresses,
            } => {
                self.require_ethernet(span)?;
                self.seen(|this, view| this.ether_host(view, *direction, addresses))
            }
            Primitive::EtherBroadcast => {
                self.require_ethernet(span)?;
                self.seen(|this, view| this.ether_host(view, Direction::Destination, &[[0xff; 6]]))
            }
            Primitive::EtherMulticast => {
                self.require_ethernet(span)?;
                self.seen(|this, view| {
                    let first = this.loader.load(view.header, 1);
                    let group = this.bit_set(first, 1);
                    Logic::all([view.ethernet.clone(), group])
                })
            }
            Primitive::Port {
                transports,
                direction,
                ranges,
            } => self.seen(|this, view| this.port(view, transports, *direction, ranges)),
            Primitive::LinkProtocol(number) => {
                self.seen(|this, view| this.loader.carries(view, *number))
            }
            Primitive::IpProtocol { version, number } => {
                self.seen(|this, view| this.ip_protocol(view, *version, *number))
            }
            Primitive::ProtocolChain { .. } => self.inexact(),
            Primitive::IsoProtocol(number) => {
                self.seen(|this, view| this.iso_protocol(view, (*number).into()))
            }
            Primitive::Llc { mask, bits } => {
                self.seen(|this, view| this.llc(view, (*mask).into(), (*bits).into()))
            }
            Primitive::IpBroadcast => self.seen(Lowering::ip_broadcast),
            Primitive::IpMulticast => self.seen(|this, view| {
                let ip = this.loader.carries(view, IPV4);
                let first = this.loader.load(view.network.plus(16), 1);
                let group = this.at_least(first, 224);
                Logic::all([ip, group])
            }),
            Primitive::Ip6Multicast => self.seen(|this, view| {
                let ip6 = this.loader.carries(view, IPV6);
                let group = this.loader.equals(view.network.plus(24), 1, 0xff);
                Logic::all([ip6, group])
            }),
            Primitive::Inbound => self.direction(false),
            Primitive::Outbound => self.direction(true),
            Primitive::InterfaceIndex(index) => self.interface_index(*index, span)?,
            Primitive::Relation {
                left,
                comparison,
                right,
            } => self.relation(left, *comparison, right, span)?,
            // Names are addresses by now.
            Primitive::HostName { .. }
            | Primitive::NetName { .. }
            | Primitive::EtherName { .. }
            | Primitive::Gateway { .. } => Logic::Constant(false),
            _ => self.encapsulation(primitive, span)?,
        })
    }

    fn require_ethernet(&self, span: Span) -> Result<()> {
        if self.view.ethernet != Logic::Constant(false) {
            return Ok(());
        }
        let link_type = self.loader.link_type;
        self.error(
            span,
            format!("there are no Ethernet addresses here (link type {link_type})"),
        )
    }

    fn bit_set(&mut self, value: Option<ValueId>, bits: u32) -> Logic {
        match value {
            Some(value) => self.loader.compare(value::Comparison::AnyBit, value, bits),
            None => Logic::Constant(false),
        }
    }

    fn at_least(&mut self, value: Option<ValueId>, number: u32) -> Logic {
        match value {
            Some(value) => self
                .loader
                .compare(value::Comparison::GreaterEqual, value, number),
            None => Logic::Constant(false),
        }
    }

    /// `test` of the source or the destination or both, at their places.
    fn directed(
        &mut self,
        direction: Direction,
        (source, destination): (Place, Place),
        mut test: impl FnMut(&mut Self, Place) -> Logic,
    ) -> Logic {
        match direction {
            Direction::Source => test(self, source),
            Direction::Destination => test(self, destination),
            Direction::Either => {
                let first = test(self, source);
                let second = test(self, destination);
                Logic::any([first, second])
            }
            Direction::Both => {
                let first = test(self, source);
                let second = test(self, destination);
                Logic::all([first, second])
            }
        }
    }

    fn host(
        &mut self,
        view: &View,
        family: Family,
        direction: Direction,
        networks: &[(u32, u32)],
    ) -> Logic {
        let network = view.network;
        let ipv4 = (network.plus(12), network.plus(16));
        // ARP and RARP for Ethernet and IPv4 (RFC 826): sender and target protocol addresses.
        let arp = (network.plus(14), network.plus(24));
        let families: &[(u32, (Place, Place))] = match family {
            Family::Any => &[(IPV4, ipv4), (names::ARP, arp), (names::RARP, arp)],
            Family::Ip => &[(IPV4, ipv4)],
            Family::Arp => &[(names::ARP, arp)],
            Family::Rarp => &[(names::RARP, arp)],
        };
        let mut alternatives = Vec::new();
        for &(protocol, places) in families {
            let carried = self.loader.carries(view, protocol);
            let address = self.directed(direction, places, |this, place| {
                let tests = networks
                    .iter()
                    .map(|&(address, mask)| this.loader.masked(place, 4, mask, address));
                Logic::any(tests.collect::<Vec<_>>())
            });
            alternatives.push(Logic::all([carried, address]));
        }
        Logic::any(alternatives)
    }

    fn host6(&mut self, view: &View, direction: Direction, networks: &[(u128, u128)]) -> Logic {
        let carried = self.loader.carries(view, IPV6);
        let places = (view.network.plus(8), view.network.plus(24));
        let address = self.directed(direction, places, |this, place| {
            let mut alternatives = Vec::new();
            for &(address, mask) in networks {
                let mut words = Vec::new();
                for (word, shift) in [96, 64, 32, 0].into_iter().enumerate() {
                    let (Ok(step), Ok(address), Ok(mask)) = (
                        u32::try_from(word * 4),
                        u32::try_from((address >> shift) & u128::from(u32::MAX)),
                        u32::try_from((mask >> shift) & u128::from(u32::MAX)),
                    ) else {
                        continue;
                    };
                    if mask != 0 {
                        words.push(this.loader.masked(place.plus(step), 4, mask, address));
                    }
                }
                alternatives.push(Logic::all(words));
            }
            Logic::any(alternatives)
        });
        Logic::all([carried, address])
    }

    fn ether_host(&mut self, view: &View, direction: Direction, addresses: &[[u8; 6]]) -> Logic {
        let places = (view.header.plus(6), view.header);
        let address = self.directed(direction, places, |this, place| {
            let mut alternatives = Vec::new();
            for &[a, b, c, d, e, f] in addresses {
                // The lower half first: it tells cards of one maker apart.
                let low = this
                    .loader
                    .equals(place.plus(2), 4, u32::from_be_bytes([c, d, e, f]));
                let high = this
                    .loader
                    .equals(place, 2, u32::from_be_bytes([0, 0, a, b]));
                alternatives.push(Logic::all([low, high]));
            }
            Logic::any(alternatives)
        });
        Logic::all([view.ethernet.clone(), address])
    }

    fn port(
        &mut self,
        view: &View,
        transports: &[u8],
        direction: Direction,
        ranges: &[(u16, u16)],
    ) -> Logic {
        let network = view.network;
        let ip6 = self.loader.carries(view, IPV6);
        let transport = self.one_of(network.plus(6), transports);
        let ports = self.ports(network.plus(40), direction, ranges);
        let sixth = Logic::all([ip6, transport, ports]);

        let ip = self.loader.carries(view, IPV4);
        let transport = self.one_of(network.plus(9), transports);
        let first = self.first_fragment(network);
        let ports = match self.loader.after_ipv4(network) {
            Some(header) => self.ports(header, direction, ranges),
            None => Logic::Constant(false),
        };
        let fourth = Logic::all([ip, transport, first, ports]);
        Logic::any([sixth, fourth])
    }

    fn one_of(&mut self, place: Place, numbers: &[u8]) -> Logic {
        let tests = numbers
            .iter()
            .map(|&number| self.loader.equals(place, 1, number.into()));
        Logic::any(tests.collect::<Vec<_>>())
    }

    fn ports(&mut self, header: Place, direction: Direction, ranges: &[(u16, u16)]) -> Logic {
        self.directed(direction, (header, header.plus(2)), |this, place| {
            let Some(port) = this.loader.load(place, 2) else {
                return Logic::Constant(false);
            };
            let tests = ranges.iter().map(|&(low, high)| {
                let (low, high) = (u32::from(low), u32::from(high));
                if low == high {
                    return this.loader.compare(value::Comparison::Equal, port, low);
                }
                let from = this
                    .loader
                    .compare(value::Comparison::GreaterEqual, port, low);
                let to = !this.loader.compare(value::Comparison::Greater, port, high);
                Logic::all([from, to])
            });
            Logic::any(tests.collect::<Vec<_>>())
        })
    }

    /// The fragment offset of the IPv4 header at `network` is zero (RFC 791).
    fn first_fragment(&mut self, network: Place) -> Logic {
        let field = self.loader.load(network.plus(6), 2);
        !self.bit_set(field, 0x1fff)
    }

    fn ip_protocol(&mut self, view: &View, version: Version, number: u8) -> Logic {
        let network = view.network;
        let number = u32::from(number);
        let mut alternatives = Vec::new();
        if version != Version::V6 {
            let ip = self.loader.carries(view, IPV4);
            let is = self.loader.equals(network.plus(9), 1, number);
            alternatives.push(Logic::all([ip, is]));
        }
        if version != Version::V4 {
            let ip6 = self.loader.carries(view, IPV6);
            let direct = self.loader.equals(network.plus(6), 1, number);
            // A fragment header (RFC 8200, 4.5) right after the fixed one is looked past.
            let fragment = self.loader.equals(network.plus(6), 1, 44);
            let behind = self.loader.equals(network.plus(40), 1, number);
            let is = Logic::any([direct, Logic::all([fragment, behind])]);
            alternatives.push(Logic::all([ip6, is]));
        }
        Logic::any(alternatives)
    }

    fn ip_broadcast(&mut self, view: &View) -> Logic {
        let host_bits = !self.netmask.unwrap_or(0);
        let ip = self.loader.carries(view, IPV4);
        let destination = view.network.plus(16);
        let zeros = self.loader.masked(destination, 4, host_bits, 0);
        let ones = self.loader.masked(destination, 4, host_bits, host_bits);
        Logic::all([ip, Logic::any([zeros, ones])])
    }

    /// The network layer protocol identifier of an OSI packet (ISO/IEC TR 9577).
    fn iso_protocol(&mut self, view: &View, number: u32) -> Logic {
        let iso = self.loader.carries(view, names::LLC_ISO);
        // On Ethernet the three bytes of LLC stand before it, in Cisco's HDLC one of padding.
        let past = match view.link {
            Link::Ethernet(_) | Link::Cooked(_) => 3,
            Link::EtherType(_) => 1,
            _ => 0,
        };
        let is = self.loader.equals(view.network.plus(past), 1, number);
        Logic::all([iso, is])
    }

    fn llc(&mut self, view: &View, mask: u32, bits: u32) -> Logic {
        let there = match view.link {
            Link::Ethernet(field) => {
                let Some(value) = self.loader.load(field, 2) else {
                    return Logic::Constant(false);
                };
                let most = names::LONGEST_802_3;
                let length = !self.loader.compare(value::Comparison::Greater, value, most);
                let raw = self.loader.equals(view.network, 2, 0xffff);
                Logic::all([length, !raw])
            }
            Link::Cooked(field) => self.loader.equals(field, 2, 4),
            _ => Logic::Constant(false),
        };
        let right = if mask == 0 {
            Logic::Constant(true)
        } else {
            self.loader.masked(view.network.plus(2), 1, mask, bits)
        };
        Logic::all([there, right])
    }

    /// `outbound`, or `inbound`: whichever the frame says, or what is known beside it.
    fn direction(&mut self, outbound: bool) -> Logic {
        let at = match self.loader.link_type {
            crate::wire::frame::LinkType::LINUX_SLL => Some((0, 2, 4)),
            crate::wire::frame::LinkType::LINUX_SLL2 => Some((10, 1, 4)),
            crate::wire::frame::LinkType::SLIP => Some((0, 1, 1)),
            _ => None,
        };
        let sent = if let Some((offset, size, sent)) = at {
            self.loader.equals(Place::at(offset), size, sent)
        } else {
            let kind = self
                .loader
                .values
                .intern(Value::Ancillary(Ancillary::PacketType));
            self.loader.compare(value::Comparison::Equal, kind, 4)
        };
        if outbound { sent } else { !sent }
    }

    fn interface_index(&mut self, index: u32, span: Span) -> Result<Logic> {
        if self.loader.link_type == crate::wire::frame::LinkType::LINUX_SLL2 {
            return Ok(self.loader.equals(Place::at(4), 4, index));
        }
        if self.live() {
            let found = self
                .loader
                .values
                .intern(Value::Ancillary(Ancillary::InterfaceIndex));
            return Ok(self.loader.compare(value::Comparison::Equal, found, index));
        }
        self.error(
            span,
            "a saved frame of this link type does not hold the interface's index",
        )
    }

    fn relation(
        &mut self,
        left: &Arithmetic,
        comparison: Comparison,
        right: &Arithmetic,
        span: Span,
    ) -> Result<Logic> {
        let view = self.view.clone();
        let mut checks = Vec::new();
        if left.loads() || right.loads() {
            checks.push(view.guard.clone());
        }
        let first = self.arithmetic(&view, left, &mut checks, span)?;
        let second = self.arithmetic(&view, right, &mut checks, span)?;
        let (Some(first), Some(second)) = (first, second) else {
            return Ok(self.inexact());
        };
        let values = &mut *self.loader.values;
        let mut is = |comparison| layout::test(values, comparison, first, second);
        checks.push(match comparison {
            Comparison::Equal => is(value::Comparison::Equal),
            Comparison::NotEqual => !is(value::Comparison::Equal),
            Comparison::Greater => is(value::Comparison::Greater),
            Comparison::GreaterEqual => is(value::Comparison::GreaterEqual),
            Comparison::Less => !is(value::Comparison::GreaterEqual),
            Comparison::LessEqual => !is(value::Comparison::Greater),
        });
        Ok(Logic::all(checks))
    }

    /// The number, and onto `checks` what must hold for it to be meant; none if the program
    /// cannot compute it.
    fn arithmetic(
        &mut self,
        view: &View,
        arithmetic: &Arithmetic,
        checks: &mut Vec<Logic>,
        span: Span,
    ) -> Result<Option<ValueId>> {
        Ok(match arithmetic {
            Arithmetic::Number(number) => Some(self.loader.values.constant(*number)),
            Arithmetic::Length => Some(self.loader.length()),
            Arithmetic::Load {
                layer,
                offset,
                size,
            } => {
                let Some(offset) = self.arithmetic(view, offset, checks, span)? else {
                    return Ok(None);
                };
                let Some(start) = self.layer(view, *layer, checks) else {
                    return Ok(None);
                };
                self.accessed(start, offset, *size, span)?
            }
            Arithmetic::Negate(of) => self
                .arithmetic(view, of, checks, span)?
                .map(|of| self.loader.values.intern(Value::Negate(of))),
            Arithmetic::Binary {
                operator,
                left,
                right,
            } => {
                let left = self.arithmetic(view, left, checks, span)?;
                let right = self.arithmetic(view, right, checks, span)?;
                let (Some(left), Some(right)) = (left, right) else {
                    return Ok(None);
                };
                // The kernel shifts by the amount's low five bits only.
                let shift = matches!(operator, Operator::ShiftLeft | Operator::ShiftRight);
                if self.live() && shift && self.loader.values.as_constant(right).is_none() {
                    return Ok(None);
                }
                Some(self.loader.values.binary(*operator, left, right))
            }
        })
    }

    /// Where a layer's bytes start, and onto `checks` that it is there.
    fn layer(&mut self, view: &View, layer: Layer, checks: &mut Vec<Logic>) -> Option<Place> {
        match layer {
            Layer::Link => Some(view.header),
            Layer::Network(number) => {
                checks.push(self.loader.carries(view, number));
                Some(view.network)
            }
            Layer::Transport(number) => {
                checks.push(self.loader.carries(view, IPV4));
                checks.push(self.loader.equals(view.network.plus(9), 1, number.into()));
                checks.push(self.first_fragment(view.network));
                self.loader.after_ipv4(view.network)
            }
            Layer::Icmp6 => {
                checks.push(self.loader.carries(view, IPV6));
                checks.push(self.loader.equals(view.network.plus(6), 1, 58));
                Some(view.network.plus(40))
            }
        }
    }

    fn accessed(
        &mut self,
        start: Place,
        offset: ValueId,
        size: u8,
        span: Span,
    ) -> Result<Option<ValueId>> {
        let place = if let Some(offset) = self.loader.values.as_constant(offset) {
            let offset = start.offset.checked_add(offset).filter(|&at| at < 1 << 31);
            let Some(offset) = offset else {
                return self.error(span, "this offset lies outside any packet");
            };
            Place { offset, ..start }
        } else {
            // From the link layer's start a computed offset could fall on what is not there.
            let whole = self.loader.source == Source::Saved;
            if !whole && start.base.is_none() && start.offset < 16 {
                return Ok(None);
            }
            let base = match start.base {
                Some(base) => self.loader.values.binary(Operator::Add, offset, base),
                None => offset,
            };
            Place {
                base: Some(base),
                ..start
            }
        };
        match self.loader.load(place, size) {
            None if matches!(self.loader.source, Source::Headless(_)) => self.error(
                span,
                "this part of the link layer is not there on a cooked socket",
            ),
            value => Ok(value),
        }
    }
}
