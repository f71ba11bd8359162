//! The words that look into an encapsulation: each tests for it and moves on to what is inside.

use super::{Lowering, MOST_TUNNELS, Result, Span};
use crate::filter::layout::{self, Link, Place, View};
use crate::filter::names;
use crate::filter::tree::{Operator, Primitive};
use crate::filter::value::{Comparison, Logic};

impl Lowering<'_> {
    pub(super) fn encapsulation(&mut self, primitive: &Primitive, span: Span) -> Result<Logic> {
        match primitive {
            // Discovery carries no packet to look into.
            Primitive::PppoeDiscovery => {
                Ok(self.seen(|this, view| this.loader.carries(view, names::PPPOE_DISCOVERY)))
            }
            // The exact filter takes every encapsulated frame; the ones left here have none.
            _ if self.deep => Ok(Logic::Constant(false)),
            Primitive::Vlan(id) => self.vlan(*id, span),
            Primitive::Mpls(label) => self.mpls(*label, span),
            Primitive::PppoeSession(session) => Ok(self.pppoe(*session)),
            Primitive::Geneve(network) => self.tunnel(names::GENEVE_PORT, *network, span),
            Primitive::Vxlan(network) => self.tunnel(names::VXLAN_PORT, *network, span),
            _ => Ok(Logic::Constant(false)),
        }
    }

    /// True for every frame that a deep filter finds more in than a plain one: encapsulated or
    /// fragmented ones. No load of it can fail, so that it decides nothing else.
    pub(in crate::filter) fn encapsulated(&mut self) -> Logic {
        let view = View::new(self.loader.link_type, self.loader.order);
        let at = view.network;
        let mut found = Vec::new();
        for number in [
            names::VLANS.as_slice(),
            &[names::MPLS, names::MPLS_UPSTREAM, names::PPPOE_SESSION],
        ]
        .concat()
        {
            found.push(self.loader.carries(&view, number));
        }
        let carried = Logic::any(found);
        let layer2 = Logic::all([self.holds(at), carried]);

        let ip = self.loader.carries(&view, names::IPV4);
        let field = self.loader.load(at.plus(6), 2);
        // More fragments, or an offset.
        let fragment = self.bit_set(field, 0x3fff);
        let inside = self.one_of(at.plus(9), &[4, 41, 47, 137]);
        let udp = self.loader.equals(at.plus(9), 1, names::UDP.into());
        let tunnel = match self.loader.after_ipv4(at) {
            Some(header) => self.tunnel_port(header),
            None => Logic::Constant(true),
        };
        let more = Logic::any([fragment, inside, Logic::all([udp, tunnel])]);
        let ipv4 = Logic::all([self.holds(at.plus(20)), ip, more]);

        let ip6 = self.loader.carries(&view, names::IPV6);
        let inside = self.one_of(at.plus(6), &[4, 41, 47, 137, 0, 43, 44, 60]);
        let udp = self.loader.equals(at.plus(6), 1, names::UDP.into());
        let tunnel = self.tunnel_port(at.plus(40));
        let more = Logic::any([inside, Logic::all([udp, tunnel])]);
        let ipv6 = Logic::all([self.holds(at.plus(7)), ip6, more]);
        Logic::any([layer2, ipv4, ipv6])
    }

    /// The frame is long enough to reach up to `end`.
    fn holds(&mut self, end: Place) -> Logic {
        let length = self.loader.length();
        let values = &mut *self.loader.values;
        let offset = values.constant(end.offset);
        let end = match end.base {
            None => offset,
            Some(base) => values.binary(Operator::Add, base, offset),
        };
        layout::test(values, Comparison::GreaterEqual, length, end)
    }

    /// The UDP header at `header` is there and goes to a tunnel's port.
    fn tunnel_port(&mut self, header: Place) -> Logic {
        let vxlan = self
            .loader
            .equals(header.plus(2), 2, names::VXLAN_PORT.into());
        let geneve = self
            .loader
            .equals(header.plus(2), 2, names::GENEVE_PORT.into());
        Logic::all([self.holds(header.plus(4)), Logic::any([vxlan, geneve])])
    }

    /// Tests the view and replaces it by what it holds.
    fn inward(&mut self, step: impl FnOnce(&mut Self, &mut View) -> Logic) -> Logic {
        let mut view = self.view.clone();
        let logic = step(self, &mut view);
        let guard = view.guard.clone();
        self.view = view;
        Logic::all([guard, logic])
    }

    /// IEEE 802.1Q: two bytes of tag control information, then the next type field.
    fn vlan(&mut self, id: Option<u16>, span: Span) -> Result<Logic> {
        match self.view.link {
            Link::Ethernet(_) | Link::EtherType(_) | Link::Cooked(_) => {}
            Link::Mpls => return self.error(span, "no VLAN tag can follow an MPLS label"),
            _ => {
                let link_type = self.loader.link_type;
                return self.error(
                    span,
                    format!("there are no VLAN tags here (link type {link_type})"),
                );
            }
        }
        Ok(self.inward(|this, view| {
            let tags = names::VLANS.map(|tag| this.loader.carries(view, tag));
            let tagged = Logic::any(tags);
            let tag = view.network;
            let right = match id {
                Some(id) => this.loader.masked(tag, 2, 0xfff, id.into()),
                None => Logic::Constant(true),
            };
            let field = tag.plus(2);
            view.link = match view.link {
                Link::Ethernet(_) => Link::Ethernet(field),
                Link::Cooked(_) => Link::Cooked(field),
                _ => Link::EtherType(field),
            };
            view.network = tag.plus(4);
            Logic::all([tagged, right])
        }))
    }

    /// RFC 3032: labels of four bytes; the packet follows the one marked as the last.
    fn mpls(&mut self, label: Option<u32>, span: Span) -> Result<Logic> {
        if !matches!(
            self.view.link,
            Link::Ethernet(_) | Link::EtherType(_) | Link::Cooked(_) | Link::Ppp(_) | Link::Mpls
        ) {
            let link_type = self.loader.link_type;
            return self.error(
                span,
                format!("there are no MPLS labels here (link type {link_type})"),
            );
        }
        Ok(self.inward(|this, view| {
            let labelled = if view.link == Link::Mpls {
                this.loader.label_is_last(view.network, false)
            } else {
                this.loader.carries(view, names::MPLS)
            };
            let right = match label {
                Some(label) => this
                    .loader
                    .masked(view.network, 4, 0xffff_f000, label << 12),
                None => Logic::Constant(true),
            };
            view.link = Link::Mpls;
            view.network = view.network.plus(4);
            Logic::all([labelled, right])
        }))
    }

    /// RFC 2516: six bytes of header, then PPP's protocol number.
    fn pppoe(&mut self, session: Option<u16>) -> Logic {
        self.inward(|this, view| {
            let carried = this.loader.carries(view, names::PPPOE_SESSION);
            let right = match session {
                Some(session) => this.loader.equals(view.network.plus(2), 2, session.into()),
                None => Logic::Constant(true),
            };
            view.header = view.network.plus(6);
            view.ethernet = Logic::Constant(false);
            view.link = Link::Ppp(view.header);
            view.network = view.header.plus(2);
            Logic::all([carried, right])
        })
    }

    /// Geneve (RFC 8926) and VXLAN (RFC 7348): over UDP over either version of IP.
    fn tunnel(&mut self, port: u16, identifier: Option<u32>, span: Span) -> Result<Logic> {
        if self.tunnels >= MOST_TUNNELS {
            return self.error(span, "too many tunnels within tunnels");
        }
        self.tunnels += 1;
        let outer = self.view.clone();
        let mut versions = Vec::new();
        for version in [names::IPV4, names::IPV6] {
            let (there, header) = self.over_udp(&outer, version, port);
            let Some(header) = header else { continue };
            let flags = if port == names::GENEVE_PORT {
                // Version 0 in the top two bits.
                self.loader.masked(header, 1, 0xc0, 0)
            } else {
                // The identifier is valid.
                self.loader.masked(header, 1, 0x08, 0x08)
            };
            let right = match identifier {
                Some(number) => self
                    .loader
                    .masked(header.plus(4), 4, 0xffff_ff00, number << 8),
                None => Logic::Constant(true),
            };
            versions.push(Logic::all([there, flags, right]));
        }
        let guard = Logic::all([outer.guard.clone(), Logic::any(versions)]);
        let never = Logic::Constant(false);
        let inner = if guard == never {
            None
        } else {
            let udp = self.loader.after_ip(&outer);
            udp.and_then(|udp| self.inner(port, udp.plus(8), guard.clone()))
        };
        // Nothing can be behind a tunnel that cannot be.
        self.view = inner.unwrap_or(View {
            guard: never,
            ..outer
        });
        Ok(guard)
    }

    /// That UDP to this port is there, and where its data begins.
    fn over_udp(&mut self, view: &View, version: u32, port: u16) -> (Logic, Option<Place>) {
        let carried = self.loader.carries(view, version);
        if carried == Logic::Constant(false) {
            return (carried, None);
        }
        let udp = u32::from(names::UDP);
        let (checks, header) = if version == names::IPV4 {
            let is_udp = self.loader.equals(view.network.plus(9), 1, udp);
            let first = self.first_fragment(view.network);
            (
                Logic::all([is_udp, first]),
                self.loader.after_ipv4(view.network),
            )
        } else {
            let is_udp = self.loader.equals(view.network.plus(6), 1, udp);
            (is_udp, Some(view.network.plus(40)))
        };
        let Some(header) = header else {
            return (Logic::Constant(false), None);
        };
        let to = self.loader.equals(header.plus(2), 2, port.into());
        (Logic::all([carried, checks, to]), Some(header.plus(8)))
    }

    /// The view of what a tunnel header at `header` carries.
    fn inner(&mut self, port: u16, header: Place, guard: Logic) -> Option<View> {
        if port == names::VXLAN_PORT {
            let ethernet = header.plus(8);
            return Some(View {
                guard,
                link: Link::Ethernet(ethernet.plus(12)),
                header: ethernet,
                ethernet: Logic::Constant(true),
                network: ethernet.plus(14),
            });
        }
        // The length of Geneve's options, in words, is in the low six bits of its first byte.
        let first = self.loader.load(header, 1)?;
        let words = self.loader.with(Operator::And, first, 0x3f);
        let options = self.loader.with(Operator::ShiftLeft, words, 2);
        // Whether an Ethernet header follows: 1 if the protocol is that, else 0.
        let protocol = self.loader.load(header.plus(2), 2)?;
        let apart = self.loader.with(Operator::Xor, protocol, names::BRIDGED);
        let borrowed = self.loader.with(Operator::Subtract, apart, 1);
        let bridged = self.loader.with(Operator::ShiftRight, borrowed, 31);
        let inside = self.loader.further(header, options).plus(8);
        let length = self.loader.with(Operator::Multiply, bridged, 14);
        let skipped = self.loader.values.binary(Operator::Add, options, length);
        let network = self.loader.further(header, skipped).plus(8);
        // The type is the inner header's, two bytes before the packet, or Geneve's own, where no
        // number is small enough to be taken for a length.
        let start = network.base?;
        let behind = match header.base {
            Some(base) => self.loader.values.binary(Operator::Subtract, start, base),
            None => start,
        };
        let behind = self.loader.with(Operator::Add, behind, 4);
        let chosen = self
            .loader
            .values
            .binary(Operator::Multiply, behind, bridged);
        let field = self.loader.further(header, chosen).plus(2);
        Some(View {
            guard,
            link: Link::Ethernet(field),
            header: inside,
            ethernet: self
                .loader
                .compare(Comparison::Equal, protocol, names::BRIDGED),
            network,
        })
    }
}
