//! Looking through encapsulation: every layer at which a primitive may be true.
//!
//! VLAN tags, MPLS, `PPPoE`, IP in IP, GRE, VXLAN and Geneve are entered; a frame cut short within
//! one is looked at as far as it goes. Knows positions, not the language.

use std::collections::{HashMap, VecDeque};

use super::evaluate::link::family;
use super::evaluate::view::{Link, View, Views};
use super::evaluate::{Ports, byte, half, word};
use super::names::{self, IPV4, IPV6};
use super::tree::Primitive;
use super::{Filter, User};
use crate::wire::frame::{Frame, LinkType};

/// How many tags are kept; more of them do not exist for a filter.
const MOST_TAGS: usize = 24;

/// An encapsulation that is there, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tag {
    Vlan(u32),
    Mpls(u32),
    Pppoe(u32),
    Geneve(u32),
    Vxlan(u32),
}

impl Tag {
    /// Whether this is what the word asks for.
    pub(super) fn is(self, primitive: &Primitive) -> bool {
        match (self, primitive) {
            (Self::Vlan(id), Primitive::Vlan(wanted)) => wanted.is_none_or(|w| u32::from(w) == id),
            (Self::Pppoe(id), Primitive::PppoeSession(wanted)) => {
                wanted.is_none_or(|w| u32::from(w) == id)
            }
            (Self::Mpls(id), Primitive::Mpls(wanted))
            | (Self::Geneve(id), Primitive::Geneve(wanted))
            | (Self::Vxlan(id), Primitive::Vxlan(wanted)) => wanted.is_none_or(|w| w == id),
            _ => false,
        }
    }
}

/// The layers of one frame, outermost first.
#[derive(Debug)]
pub(super) struct Layers {
    views: Views,
    tags: [Tag; MOST_TAGS],
    tag_count: usize,
}

/// What comes next on the way in.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// An Ethertype, and where its packet starts.
    Type(u32, usize),
    /// An Ethernet header.
    Ethernet(usize),
    /// The first header after IP, of this protocol.
    Transport(u32, usize),
    /// After the last MPLS label: the version tells.
    Unlabelled(usize),
}

impl Layers {
    /// The outermost layer alone.
    pub(super) fn new(link_type: LinkType) -> Self {
        let views = Views::of(View::outermost(link_type));
        Self {
            views,
            tags: [Tag::Vlan(0); MOST_TAGS],
            tag_count: 0,
        }
    }

    pub(super) fn views(&self) -> &Views {
        &self.views
    }

    pub(super) fn tags(&self) -> &[Tag] {
        self.tags.get(..self.tag_count).unwrap_or_default()
    }

    /// Adds the layers inside the outermost one.
    pub(super) fn descend(&mut self, bytes: &[u8]) {
        let Some(outer) = self.views.all().first().copied() else {
            return;
        };
        let mut next =
            protocol(bytes, &outer).and_then(|number| self.inside(bytes, number, outer.network));
        while let Some(step) = next {
            next = self.step(bytes, step);
        }
    }

    fn step(&mut self, bytes: &[u8], step: Next) -> Option<Next> {
        match step {
            Next::Type(number, at) => {
                let link = Link::Known(number);
                self.views
                    .push(View {
                        link,
                        network: at,
                        ..self.nearest()
                    })
                    .then_some(())?;
                self.inside(bytes, number, at)
            }
            Next::Ethernet(header) => {
                let view = View {
                    holds: Some(true),
                    link: Link::Ethernet(header + 12),
                    header,
                    ethernet: true,
                    network: header + 14,
                };
                let number = half(bytes, header + 12)?;
                self.views.push(view).then_some(())?;
                self.inside(bytes, number, header + 14)
            }
            Next::Unlabelled(at) => match byte(bytes, at)? >> 4 {
                4 => Some(Next::Type(IPV4, at)),
                6 => Some(Next::Type(IPV6, at)),
                _ => None,
            },
            Next::Transport(number, at) => self.transport(bytes, number, at),
        }
    }

    /// What a packet of this Ethertype at `at` holds.
    fn inside(&mut self, bytes: &[u8], number: u32, at: usize) -> Option<Next> {
        match number {
            _ if names::VLANS.contains(&number) => {
                self.tag(Tag::Vlan(half(bytes, at)? & 0xfff));
                Some(Next::Type(half(bytes, at + 2)?, at + 4))
            }
            names::MPLS | names::MPLS_UPSTREAM => {
                let mut at = at;
                loop {
                    let entry = word(bytes, at)?;
                    self.tag(Tag::Mpls(entry >> 12));
                    at += 4;
                    if entry & 0x100 != 0 {
                        return Some(Next::Unlabelled(at));
                    }
                }
            }
            names::PPPOE_SESSION => {
                self.tag(Tag::Pppoe(half(bytes, at + 2)?));
                let protocol = half(bytes, at + 6)?;
                Some(Next::Type(ethertype(protocol), at + 8))
            }
            IPV4 => {
                let fragment = fragment(bytes, at)?;
                if fragment.offset != 0 {
                    return None;
                }
                let length = 4 * (byte(bytes, at)? & 0xf) as usize;
                Some(Next::Transport(byte(bytes, at + 9)?, at + length))
            }
            IPV6 => {
                let (mut next, mut at) = (byte(bytes, at + 6)?, at + 40);
                // Extension headers (RFC 8200); a later fragment holds no header.
                loop {
                    let length = match next {
                        0 | 43 | 60 => 8 * (byte(bytes, at + 1)? as usize + 1),
                        44 if half(bytes, at + 2)? & 0xfff8 == 0 => 8,
                        44 => return None,
                        _ => return Some(Next::Transport(next, at)),
                    };
                    next = byte(bytes, at)?;
                    at += length;
                }
            }
            _ => None,
        }
    }

    fn transport(&mut self, bytes: &[u8], number: u32, at: usize) -> Option<Next> {
        match number {
            4 => Some(Next::Type(IPV4, at)),
            41 => Some(Next::Type(IPV6, at)),
            137 => Some(Next::Type(names::MPLS, at)),
            47 => gre(bytes, at),
            17 => self.tunnel(bytes, at),
            _ => None,
        }
    }

    /// VXLAN (RFC 7348) and Geneve (RFC 8926) by their UDP port.
    fn tunnel(&mut self, bytes: &[u8], udp: usize) -> Option<Next> {
        let header = udp + 8;
        let port = half(bytes, udp + 2)?;
        let first = byte(bytes, header)?;
        let number = word(bytes, header + 4)? >> 8;
        if port == u32::from(names::VXLAN_PORT) && first & 8 != 0 {
            self.tag(Tag::Vxlan(number));
            return Some(Next::Ethernet(header + 8));
        }
        if port == u32::from(names::GENEVE_PORT) && first & 0xc0 == 0 {
            self.tag(Tag::Geneve(number));
            let inside = header + 8 + 4 * (first & 0x3f) as usize;
            return Some(match half(bytes, header + 2)? {
                names::BRIDGED => Next::Ethernet(inside),
                protocol => Next::Type(protocol, inside),
            });
        }
        None
    }

    /// The Ethernet header that a tag or label belongs to stays in sight.
    fn nearest(&self) -> View {
        self.views.all().last().copied().unwrap_or(View {
            holds: Some(true),
            link: Link::Opaque,
            header: 0,
            ethernet: false,
            network: 0,
        })
    }

    fn tag(&mut self, tag: Tag) {
        if let Some(slot) = self.tags.get_mut(self.tag_count) {
            *slot = tag;
            self.tag_count += 1;
        }
    }
}

/// GRE (RFC 2784, RFC 2890): version 0 without source routing.
fn gre(bytes: &[u8], at: usize) -> Option<Next> {
    let flags = half(bytes, at)?;
    if flags & 0x4007 != 0 {
        return None;
    }
    let optional = [0x8000, 0x2000, 0x1000]
        .iter()
        .filter(|&bit| flags & bit != 0)
        .count();
    let inside = at + 4 + 4 * optional;
    Some(match half(bytes, at + 2)? {
        names::BRIDGED => Next::Ethernet(inside),
        protocol => Next::Type(protocol, inside),
    })
}

/// The Ethertype that the outermost layer announces, if it is one that can be entered.
fn protocol(bytes: &[u8], view: &View) -> Option<u32> {
    match view.link {
        Link::Ethernet(field) | Link::Cooked(field) | Link::EtherType(field) => half(bytes, field),
        Link::Ppp(field) => Some(ethertype(half(bytes, field)?)),
        Link::HostFamily | Link::NetworkFamily => {
            let found = word(bytes, 0)?;
            let swapped = if view.link == Link::HostFamily {
                found.swap_bytes()
            } else {
                found
            };
            [IPV4, IPV6]
                .into_iter()
                .find(|&number| family(number, found) || family(number, swapped))
        }
        Link::Version | Link::Mpls => match byte(bytes, view.network)? >> 4 {
            4 => Some(IPV4),
            6 => Some(IPV6),
            _ => None,
        },
        Link::Known(number) => Some(number),
        Link::Opaque => None,
    }
}

/// The PPP protocol number (IANA) of what an Ethertype or LLC service access point names.
pub(super) fn ppp_number(number: u32) -> u32 {
    const NUMBERS: [(u32, u32); 9] = [
        (IPV4, 0x21),
        (IPV6, 0x57),
        (names::MPLS, 0x281),
        (names::ATALK, 0x29),
        (names::IPX, 0x2b),
        (names::LLC_IPX, 0x2b),
        (names::LLC_ISO, 0x23),
        (names::LLC_STP, 0x31),
        (0x6003, 0x27),
    ];
    NUMBERS
        .iter()
        .find(|(named, _)| *named == number)
        .map_or(number, |&(_, ppp)| ppp)
}

/// The Ethertype of what a PPP protocol number names, for what can be entered.
fn ethertype(protocol: u32) -> u32 {
    match protocol {
        0x21 => IPV4,
        0x57 => IPV6,
        0x281 => names::MPLS,
        other => other,
    }
}

/// What an IPv4 header says about its fragment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fragment {
    /// In units of eight bytes.
    pub(super) offset: u32,
    more: bool,
    key: Key,
}

/// What the fragments of a datagram have in common (RFC 791).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    source: u32,
    destination: u32,
    identification: u32,
    protocol: u32,
}

/// The fragment whose IPv4 header is at `at`.
pub(super) fn fragment(bytes: &[u8], at: usize) -> Option<Fragment> {
    let field = half(bytes, at + 6)?;
    let key = Key {
        source: word(bytes, at + 12)?,
        destination: word(bytes, at + 16)?,
        identification: half(bytes, at + 4)?,
        protocol: byte(bytes, at + 9)?,
    };
    Some(Fragment {
        offset: field & 0x1fff,
        more: field & 0x2000 != 0,
        key,
    })
}

/// Remembers the ports of datagrams whose first fragment has been seen, so that a deep filter's
/// `port` matches their later fragments too.
///
/// A fragment before the first of its datagram cannot be told. Frames must be given in order, by
/// one caller; what is remembered is bounded, the oldest is forgotten first.
#[derive(Debug, Default)]
pub struct Fragments {
    ports: HashMap<Key, Ports>,
    order: VecDeque<Key>,
}

impl Fragments {
    /// How many datagrams are remembered.
    const MOST: usize = 8192;

    /// Nothing remembered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`Filter::matches`], with later fragments of known datagrams judged by their ports.
    pub fn matches(&mut self, filter: &Filter, frame: &Frame<'_>) -> bool {
        let User::Tree(evaluator) = &filter.user else {
            return filter.matches(frame);
        };
        if !evaluator.deep {
            return filter.matches(frame);
        }
        let mut layers = Layers::new(evaluator.link_type);
        layers.descend(frame.bytes);
        let ports = layers
            .views()
            .all()
            .iter()
            .find_map(|view| self.ports(frame.bytes, view));
        evaluator.evaluate(frame, ports) == Some(true)
    }

    /// Learns from a first fragment; the ports of a later one.
    fn ports(&mut self, bytes: &[u8], view: &View) -> Option<Ports> {
        let number = protocol(bytes, view)?;
        if number != IPV4 {
            return None;
        }
        let at = view.network;
        let fragment = fragment(bytes, at)?;
        if fragment.offset != 0 {
            return self.ports.get(&fragment.key).copied();
        }
        let has_ports = matches!(fragment.key.protocol, 6 | 17 | 132);
        if fragment.more && has_ports {
            let header = at + 4 * (byte(bytes, at)? & 0xf) as usize;
            let both = word(bytes, header)?.to_be_bytes();
            let [a, b, c, d] = both;
            let ports = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            if self.ports.insert(fragment.key, ports).is_none() {
                self.order.push_back(fragment.key);
                if self.order.len() > Self::MOST
                    && let Some(oldest) = self.order.pop_front()
                {
                    self.ports.remove(&oldest);
                }
            }
        }
        None
    }
}
