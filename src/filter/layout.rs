//! Where things are: for each link type, how the protocol is told and where the packet begins;
//! and how positions in the frame a reader sees map to what a program can load.
//!
//! Positions are always those of the frame as it is saved. What the kernel's filter sees may
//! differ from it: a VLAN tag taken out by the hardware, a cooked socket's missing header.

mod beside;

use super::names;
use super::tree::Operator;
use super::value::{Comparison, Logic, Test, Value, ValueId, Values};
use crate::wire::frame::LinkType;

/// A position: a constant offset, after a computed base if there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) base: Option<ValueId>,
    pub(super) offset: u32,
}

impl Place {
    pub(super) fn at(offset: u32) -> Self {
        Self { base: None, offset }
    }

    /// `bytes` further on; far past any frame it stays there.
    pub(super) fn plus(self, bytes: u32) -> Self {
        Self {
            offset: self.offset.saturating_add(bytes),
            ..self
        }
    }
}

/// How the link layer tells what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    /// A type-or-length field as Ethernet has, at the place.
    Ethernet(Place),
    /// Linux cooked capture's protocol field.
    Cooked(Place),
    /// A plain Ethertype.
    EtherType(Place),
    /// A PPP protocol number of two bytes.
    Ppp(Place),
    /// A BSD address family of four bytes.
    Family(Place, Order),
    /// The version in the first half-byte of the packet.
    Version,
    /// Always IPv4.
    OnlyIpv4,
    /// Always IPv6.
    OnlyIpv6,
    /// Behind an MPLS label: the version, if the label is the last.
    Mpls,
    /// Not known.
    Opaque,
}

/// The byte order of a number that a host wrote as it had it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

impl Order {
    /// That of this machine.
    pub(super) const HOST: Self = if cfg!(target_endian = "big") {
        Self::Big
    } else {
        Self::Little
    };

    /// The one this is not.
    pub(super) fn other(self) -> Self {
        match self {
            Self::Little => Self::Big,
            Self::Big => Self::Little,
        }
    }

    /// The order in which the number that these bytes begin with is the smaller one.
    pub(super) fn of_small(bytes: &[u8]) -> Self {
        match bytes.first_chunk() {
            Some(&word) if u32::from_le_bytes(word) < u32::from_be_bytes(word) => Self::Little,
            _ => Self::Big,
        }
    }
}

/// What the program that is being made loads from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The frame as it is saved.
    Saved,
    /// A live Ethernet frame whose VLAN tag the hardware has taken out: four bytes from 12 on are
    /// missing.
    Untagged,
    /// The packet alone, without the cooked header of this many bytes that is saved before it.
    Headless(u32),
    /// The same without the VLAN tag that the hardware has taken out, which is saved behind the
    /// header and counted with it.
    Tagless(u32),
}

/// Where to look at the frame.
#[derive(Debug, Clone)]
pub(super) struct View {
    /// What must hold for its places to mean anything.
    pub(super) guard: Logic,
    pub(super) link: Link,
    /// The link layer header.
    pub(super) header: Place,
    /// Whether an Ethernet header is at `header`.
    pub(super) ethernet: Logic,
    /// The packet that the link layer carries.
    pub(super) network: Place,
}

impl View {
    /// The view of a frame of this type, before any encapsulation. A host that writes its own
    /// numbers has them in `order`.
    pub(super) fn new(link_type: LinkType, order: Order) -> Self {
        let at = Place::at;
        let (link, network) = match link_type {
            LinkType::ETHERNET => (Link::Ethernet(at(12)), 14),
            LinkType::LINUX_SLL => (Link::Cooked(at(14)), 16),
            LinkType::LINUX_SLL2 => (Link::Cooked(at(0)), 20),
            LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => (Link::Version, 0),
            LinkType::IPV4 => (Link::OnlyIpv4, 0),
            LinkType::IPV6 => (Link::OnlyIpv6, 0),
            LinkType::NULL => (Link::Family(at(0), order), 4),
            LinkType::LOOP => (Link::Family(at(0), Order::Big), 4),
            LinkType::SLIP => (Link::Version, 16),
            LinkType::PPP | LinkType::PPP_HDLC => (Link::Ppp(at(2)), 4),
            LinkType::PPP_ETHER => (Link::Ppp(at(6)), 8),
            LinkType::C_HDLC => (Link::EtherType(at(2)), 4),
            _ => (Link::Opaque, 0),
        };
        Self {
            guard: Logic::Constant(true),
            link,
            header: at(0),
            ethernet: Logic::Constant(link_type == LinkType::ETHERNET),
            network: at(network),
        }
    }
}

/// Loads, with the source taken into account.
#[derive(Debug)]
pub(super) struct Loader<'a> {
    pub(super) values: &'a mut Values,
    pub(super) source: Source,
    pub(super) link_type: LinkType,
    /// That of the host that wrote the frames.
    pub(super) order: Order,
}

impl Loader<'_> {
    /// `size` bytes (1, 2 or 4) at `place`; none where the source has no such bytes.
    pub(super) fn load(&mut self, place: Place, size: u8) -> Option<ValueId> {
        let Place { base, offset } = place;
        match self.source {
            Source::Saved => Some(self.plain(base, offset, size)),
            // A computed base is the length of an IP header, which lies past the tag; what else is
            // computed starts at the frame's start and cannot be mapped.
            Source::Untagged if base.is_some() => {
                let offset = offset.checked_sub(4).filter(|&offset| offset >= 12)?;
                Some(self.plain(base, offset, size))
            }
            Source::Headless(header) | Source::Tagless(header)
                if base.is_some() || offset >= header =>
            {
                let offset = offset.checked_sub(header)?;
                Some(self.plain(base, offset, size))
            }
            Source::Untagged if offset >= 16 => Some(self.plain(base, offset - 4, size)),
            Source::Untagged if offset.saturating_add(size.into()) <= 12 => {
                Some(self.plain(base, offset, size))
            }
            _ => self.assembled(offset, size),
        }
    }

    fn plain(&mut self, base: Option<ValueId>, offset: u32, size: u8) -> ValueId {
        self.values.intern(Value::Load { size, base, offset })
    }

    /// Bytes of which some are not in what the program sees, put together one by one.
    fn assembled(&mut self, offset: u32, size: u8) -> Option<ValueId> {
        if let Some((ancillary, start, width)) = beside::kept(self.source, self.link_type, offset)
            && start == offset
            && width == size
        {
            return Some(self.values.intern(Value::Ancillary(ancillary)));
        }
        let mut sum = None;
        for step in 0..size {
            let byte = self.byte(offset.saturating_add(step.into()))?;
            sum = Some(match sum {
                None => byte,
                Some(sum) => {
                    let eight = self.values.constant(8);
                    let shifted = self.values.binary(Operator::ShiftLeft, sum, eight);
                    self.values.binary(Operator::Or, shifted, byte)
                }
            });
        }
        sum
    }

    fn byte(&mut self, offset: u32) -> Option<ValueId> {
        if let Some((ancillary, start, width)) = beside::kept(self.source, self.link_type, offset) {
            let whole = self.values.intern(Value::Ancillary(ancillary));
            let below = u32::from(width).checked_sub(offset - start + 1)?;
            let places = self.values.constant(8 * below);
            let shifted = self.values.binary(Operator::ShiftRight, whole, places);
            let mask = self.values.constant(0xff);
            return Some(self.values.binary(Operator::And, shifted, mask));
        }
        match self.source {
            Source::Headless(header) | Source::Tagless(header) if offset < header => None,
            _ => self.load(Place::at(offset), 1),
        }
    }

    /// The frame's length as it is saved.
    pub(super) fn length(&mut self) -> ValueId {
        let seen = self.values.intern(Value::Length);
        let missing = self.values.constant(match self.source {
            Source::Saved => 0,
            Source::Untagged => 4,
            Source::Headless(header) | Source::Tagless(header) => header,
        });
        self.values.binary(Operator::Add, seen, missing)
    }

    /// The length of the IPv4 header at `network`, as its own field tells it.
    fn ipv4_length(&mut self, network: Place) -> Option<ValueId> {
        if network.base.is_none() {
            let offset = match self.source {
                Source::Saved => network.offset,
                Source::Untagged => network.offset.checked_sub(4).filter(|&at| at >= 12)?,
                Source::Headless(header) | Source::Tagless(header) => {
                    network.offset.checked_sub(header)?
                }
            };
            return Some(self.values.intern(Value::HeaderLength { offset }));
        }
        let first = self.load(network, 1)?;
        let words = self.with(Operator::And, first, 0xf);
        Some(self.with(Operator::ShiftLeft, words, 2))
    }

    /// The place right after the IPv4 header at `network`.
    pub(super) fn after_ipv4(&mut self, network: Place) -> Option<Place> {
        let length = self.ipv4_length(network)?;
        Some(self.further(network, length))
    }

    /// The place right after the IP header that `view` carries, which is there; IPv6 counts
    /// without extension headers. The version chooses by arithmetic, so that what follows is
    /// looked for in one place.
    pub(super) fn after_ip(&mut self, view: &View) -> Option<Place> {
        let never = Logic::Constant(false);
        if self.carries(view, names::IPV4) == never {
            return Some(view.network.plus(40));
        }
        if self.carries(view, names::IPV6) == never {
            return self.after_ipv4(view.network);
        }
        let sixth = self.is_ipv6(view)?;
        let fourth = self.ipv4_length(view.network)?;
        // All ones for IPv4 and zero for IPv6.
        let mask = self.with(Operator::Subtract, sixth, 1);
        let apart = self.with(Operator::Xor, fourth, 40);
        let chosen = self.values.binary(Operator::And, apart, mask);
        let length = self.with(Operator::Xor, chosen, 40);
        Some(self.further(view.network, length))
    }

    /// 1 if the packet that `view` carries is IPv6, 0 if it is IPv4; it is one of them. A bit tells
    /// them apart in every field that names them.
    fn is_ipv6(&mut self, view: &View) -> Option<ValueId> {
        let (field, size, bit) = match view.link {
            Link::Ethernet(field) | Link::Cooked(field) | Link::EtherType(field) => (field, 2, 15),
            Link::Ppp(field) => (field, 2, 6),
            Link::Family(field, Order::Little) => (field, 4, 27),
            Link::Family(field, Order::Big) => (field, 4, 3),
            Link::Version | Link::Mpls => (view.network, 1, 5),
            Link::OnlyIpv4 | Link::OnlyIpv6 | Link::Opaque => return None,
        };
        let whole = self.load(field, size)?;
        let shifted = self.with(Operator::ShiftRight, whole, bit);
        // The topmost bit of the field stands alone.
        let alone = u32::from(size) * 8 == bit + 1;
        Some(if alone {
            shifted
        } else {
            self.with(Operator::And, shifted, 1)
        })
    }

    /// `place`, and a computed number of bytes on.
    pub(super) fn further(&mut self, place: Place, bytes: ValueId) -> Place {
        let base = match place.base {
            None => bytes,
            Some(base) => self.values.binary(Operator::Add, bytes, base),
        };
        Place {
            base: Some(base),
            ..place
        }
    }

    /// A value combined with a constant.
    pub(super) fn with(&mut self, operator: Operator, left: ValueId, right: u32) -> ValueId {
        let right = self.values.constant(right);
        self.values.binary(operator, left, right)
    }

    /// The bytes at `place` equal `number`; false where there are none.
    pub(super) fn equals(&mut self, place: Place, size: u8, number: u32) -> Logic {
        let Some(left) = self.load(place, size) else {
            return Logic::Constant(false);
        };
        self.compare(Comparison::Equal, left, number)
    }

    /// The bits of `mask` in the bytes at `place` equal `number`.
    pub(super) fn masked(&mut self, place: Place, size: u8, mask: u32, number: u32) -> Logic {
        let Some(whole) = self.load(place, size) else {
            return Logic::Constant(false);
        };
        let mask = self.values.constant(mask);
        let left = self.values.binary(Operator::And, whole, mask);
        self.compare(Comparison::Equal, left, number)
    }

    /// A value compared with a constant.
    pub(super) fn compare(&mut self, comparison: Comparison, left: ValueId, number: u32) -> Logic {
        let right = self.values.constant(number);
        test(self.values, comparison, left, right)
    }

    /// True when the link layer carries this: an Ethertype or LLC service access point.
    pub(super) fn carries(&mut self, view: &View, number: u32) -> Logic {
        let network = view.network;
        let is = |known: bool| Logic::Constant(known);
        match view.link {
            Link::Ethernet(field) => self.ethernet_carries(field, network, number),
            Link::Cooked(field) => self.cooked_carries(field, network, number),
            Link::EtherType(field) => self.equals(field, 2, names::cisco(number)),
            Link::Ppp(field) => self.equals(field, 2, ppp_protocol(number)),
            Link::Family(field, order) => {
                let shift = match order {
                    Order::Little => 24,
                    Order::Big => 0,
                };
                let tests: Vec<Logic> = families(number)
                    .iter()
                    .map(|&family| self.equals(field, 4, u32::from(family) << shift))
                    .collect();
                Logic::any(tests)
            }
            Link::Version => match number {
                names::IPV4 => self.masked(network, 1, 0xf0, 0x40),
                names::IPV6 => self.masked(network, 1, 0xf0, 0x60),
                _ => is(false),
            },
            Link::OnlyIpv4 => is(number == names::IPV4),
            Link::OnlyIpv6 => is(number == names::IPV6),
            Link::Mpls => {
                let nibble = match number {
                    names::IPV4 => 0x40,
                    names::IPV6 => 0x60,
                    _ => return is(false),
                };
                let bottom = self.label_is_last(network, true);
                let version = self.masked(network, 1, 0xf0, nibble);
                Logic::all([bottom, version])
            }
            Link::Opaque => is(false),
        }
    }

    /// Whether the MPLS label right before `network` is the bottom of the stack (RFC 3032).
    pub(super) fn label_is_last(&mut self, network: Place, last: bool) -> Logic {
        let place = Place {
            offset: network.offset.saturating_sub(2),
            ..network
        };
        let Some(byte) = self.load(place, 1) else {
            return Logic::Constant(false);
        };
        let set = self.compare(Comparison::AnyBit, byte, 1);
        if last { set } else { !set }
    }

    /// IEEE 802.3 and Ethernet II: a number up to 1500 in the field is a length, and LLC follows.
    fn ethernet_carries(&mut self, field: Place, network: Place, number: u32) -> Logic {
        let Some(value) = self.load(field, 2) else {
            return Logic::Constant(false);
        };
        let llc =
            |loader: &mut Self| !loader.compare(Comparison::Greater, value, names::LONGEST_802_3);
        match number {
            names::ATALK | names::AARP | names::LLC_IPX => {
                let typed = if number == names::LLC_IPX {
                    names::IPX
                } else {
                    number
                };
                let plain = self.compare(Comparison::Equal, value, typed);
                let length = llc(self);
                let inside = self.llc_carries(network, number);
                let raw = if number == names::LLC_IPX {
                    self.equals(network, 2, 0xffff)
                } else {
                    Logic::Constant(false)
                };
                Logic::any([plain, Logic::all([length, Logic::any([inside, raw])])])
            }
            0..=names::LONGEST_802_3 => {
                let length = llc(self);
                let inside = self.llc_carries(network, number);
                Logic::all([length, inside])
            }
            _ => self.compare(Comparison::Equal, value, number),
        }
    }

    /// Linux cooked capture: 4 stands for LLC, 1 for raw 802.3 with IPX in it.
    fn cooked_carries(&mut self, field: Place, network: Place, number: u32) -> Logic {
        let llc = self.equals(field, 2, 4);
        let inside = self.llc_carries(network, number);
        match number {
            names::ATALK | names::AARP => {
                let typed = self.equals(field, 2, number);
                Logic::any([typed, Logic::all([llc, inside])])
            }
            names::LLC_IPX => {
                let typed = self.equals(field, 2, names::IPX);
                let raw = self.equals(field, 2, 1);
                Logic::any([typed, raw, Logic::all([llc, inside])])
            }
            0..=names::LONGEST_802_3 => Logic::all([llc, inside]),
            _ => self.equals(field, 2, number),
        }
    }

    /// The LLC header at `network` announces the protocol (IEEE 802.2; SNAP as in RFC 1042).
    fn llc_carries(&mut self, network: Place, number: u32) -> Logic {
        match number {
            names::LLC_ISO => self.equals(network, 2, 0xfefe),
            names::LLC_NETBEUI => self.equals(network, 2, 0xf0f0),
            names::LLC_IPX => {
                let snap = self.snap_carries(network, 0, names::IPX);
                let point = self.equals(network, 1, names::LLC_IPX);
                Logic::any([snap, point])
            }
            names::ATALK => self.snap_carries(network, 0x08_0007, names::ATALK),
            names::AARP => self.snap_carries(network, 0, names::AARP),
            number => self.equals(network, 1, number),
        }
    }

    /// A SNAP header with this organization and protocol.
    fn snap_carries(&mut self, network: Place, organization: u32, protocol: u32) -> Logic {
        let tail = ((organization & 0xffff) << 16) | protocol;
        let second = self.equals(network.plus(4), 4, tail);
        let first = self.equals(network, 4, 0xaaaa_0300 | (organization >> 16));
        Logic::all([second, first])
    }
}

/// A comparison of two values, folded where both are known and reduced to a bit test where it is
/// one.
pub(super) fn test(
    values: &mut Values,
    comparison: Comparison,
    left: ValueId,
    right: ValueId,
) -> Logic {
    if let (Some(first), Some(second)) = (values.as_constant(left), values.as_constant(right)) {
        return Logic::Constant(comparison.holds(first, second));
    }
    if let (Comparison::Equal, Some(wanted)) = (comparison, values.as_constant(right)) {
        if let Value::Binary {
            operator,
            left: whole,
            right: other,
        } = values.get(left)
        {
            let moved = match (operator, values.as_constant(other)) {
                (Operator::Add, Some(number)) => Some(wanted.wrapping_sub(number)),
                (Operator::Subtract, Some(number)) => Some(wanted.wrapping_add(number)),
                _ => None,
            };
            if let Some(wanted) = moved {
                let right = values.constant(wanted);
                return test(values, comparison, whole, right);
            }
        }
        if let Value::Binary {
            operator: Operator::And,
            left: whole,
            right: mask,
        } = values.get(left)
        {
            match values.as_constant(mask) {
                Some(_) if wanted == 0 => {
                    let test = Test {
                        comparison: Comparison::AnyBit,
                        left: whole,
                        right: mask,
                    };
                    return !Logic::Test(test);
                }
                Some(mask_bits) if mask_bits == wanted && wanted.is_power_of_two() => {
                    let test = Test {
                        comparison: Comparison::AnyBit,
                        left: whole,
                        right: mask,
                    };
                    return Logic::Test(test);
                }
                _ => {}
            }
        }
    }
    // A constant can only stand on the right.
    if comparison == Comparison::Equal && values.as_constant(left).is_some() {
        return Logic::Test(Test {
            comparison,
            left: right,
            right: left,
        });
    }
    Logic::Test(Test {
        comparison,
        left,
        right,
    })
}

/// The PPP protocol number (IANA) of what an Ethertype names; a number that is already one stays.
fn ppp_protocol(number: u32) -> u32 {
    match number {
        names::IPV4 => 0x0021,
        names::IPV6 => 0x0057,
        names::ATALK => 0x0029,
        names::IPX | names::LLC_IPX => 0x002b,
        names::LLC_STP => 0x0031,
        names::LLC_ISO => 0x0023,
        0x6003 => 0x0027,
        names::MPLS => 0x0281,
        other => other,
    }
}

/// The address families that BSD, macOS and Linux give what an Ethertype names.
fn families(number: u32) -> &'static [u8] {
    match number {
        names::IPV4 => &[2],
        names::IPV6 => &[30, 24, 28, 10],
        _ => &[],
    }
}
