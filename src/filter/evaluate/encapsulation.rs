//! The words that look into an encapsulation.

use super::Run;
use super::view::{Link, View};
use crate::filter::names::{self, IPV4, IPV6};
use crate::filter::tree::Primitive;

impl Run<'_, '_> {
    /// The value of an encapsulation's word, and the move inward; none for other primitives.
    pub(super) fn encapsulation(
        &mut self,
        primitive: &Primitive,
        wanted: bool,
    ) -> Option<Option<bool>> {
        let tunnel = match primitive {
            Primitive::Geneve(id) => Some((names::GENEVE_PORT, *id)),
            Primitive::Vxlan(id) => Some((names::VXLAN_PORT, *id)),
            Primitive::Vlan(_) | Primitive::Mpls(_) | Primitive::PppoeSession(_) => None,
            Primitive::PppoeDiscovery if wanted => {
                return Some(self.any(|run, view| run.carries(view, names::PPPOE_DISCOVERY)));
            }
            _ => return None,
        };
        if let Some(tags) = self.deep {
            return Some(Some(tags.iter().any(|tag| tag.is(primitive))));
        }
        let mut value = Some(false);
        let Some((port, id)) = tunnel else {
            let mut views = self.views;
            for view in views.all_mut() {
                if value == Some(false) {
                    value = match view.holds {
                        Some(true) => self.tagged(view, primitive),
                        other => other,
                    };
                }
                *view = inward(*view, primitive);
            }
            self.views = views;
            return Some(value);
        };
        for view in self.views.take().all() {
            self.tunnel(view, port, id);
        }
        for view in self.views.all() {
            if value == Some(false) {
                value = view.holds;
            }
        }
        Some(value)
    }

    /// Whether the tag, label or session is there.
    fn tagged(&self, view: &View, primitive: &Primitive) -> Option<bool> {
        let at = view.network;
        match primitive {
            Primitive::Vlan(id) => {
                for tag in names::VLANS {
                    if self.carries(view, tag)? {
                        let right = |id: u16| Some(self.half(at)? & 0xfff == u32::from(id));
                        return id.map_or(Some(true), right);
                    }
                }
                Some(false)
            }
            Primitive::Mpls(label) => {
                let labelled = match view.link {
                    Link::Mpls => self.byte(at.checked_sub(2)?)? & 1 == 0,
                    _ => self.carries(view, names::MPLS)?,
                };
                let right = |label: u32| Some(self.word(at)? >> 12 == label);
                Some(labelled && label.map_or(Some(true), right)?)
            }
            Primitive::PppoeSession(session) => {
                let right = |session: u16| Some(self.half(at + 2)? == u32::from(session));
                Some(
                    self.carries(view, names::PPPOE_SESSION)?
                        && session.map_or(Some(true), right)?,
                )
            }
            _ => Some(false),
        }
    }

    /// Adds the views inside a tunnel over either version of IP.
    fn tunnel(&mut self, view: &View, port: u16, id: Option<u32>) {
        for version in [IPV4, IPV6] {
            let mut header = 0;
            let holds = (|| {
                if !view.holds? || !self.carries(view, version)? {
                    return Some(false);
                }
                let at = view.network;
                let udp = if version == IPV4 {
                    if self.byte(at + 9)? != 17 || self.half(at + 6)? & 0x1fff != 0 {
                        return Some(false);
                    }
                    self.after_ipv4(at)?
                } else {
                    if self.byte(at + 6)? != 17 {
                        return Some(false);
                    }
                    at + 40
                };
                header = udp + 8;
                Some(
                    self.half(udp + 2)? == u32::from(port)
                        && if port == names::GENEVE_PORT {
                            self.byte(header)? & 0xc0 == 0
                        } else {
                            self.byte(header)? & 8 != 0
                        }
                        && match id {
                            Some(id) => self.word(header + 4)? >> 8 == id,
                            None => true,
                        },
                )
            })();
            let ethernet = |header: usize, holds| View {
                holds,
                link: Link::Ethernet(header + 12),
                header,
                ethernet: true,
                network: header + 14,
            };
            if port == names::VXLAN_PORT {
                self.enter(ethernet(header + 8, holds));
                continue;
            }
            let bridged = self
                .half(header + 2)
                .map(|protocol| protocol == names::BRIDGED);
            let options = self
                .byte(header)
                .map_or(0, |first| 4 * (first & 0x3f) as usize);
            let inside = header + 8 + options;
            let and = |condition: Option<bool>| match holds {
                Some(true) => condition,
                other => other,
            };
            self.enter(ethernet(inside, and(bridged)));
            self.enter(View {
                holds: and(bridged.map(|bridged| !bridged)),
                link: Link::Ethernet(header + 2),
                header: inside,
                ethernet: false,
                network: inside,
            });
        }
    }

    /// Adds a view, unless it is known not to be the way: of each frame there is one.
    fn enter(&mut self, view: View) {
        if view.holds != Some(false) {
            self.views.push(view);
        }
    }
}

/// The view inside a tag, label or session.
fn inward(view: View, primitive: &Primitive) -> View {
    let at = view.network;
    match primitive {
        Primitive::Vlan(_) => {
            let link = match view.link {
                Link::Ethernet(_) => Link::Ethernet(at + 2),
                Link::Cooked(_) => Link::Cooked(at + 2),
                _ => Link::EtherType(at + 2),
            };
            View {
                link,
                network: at + 4,
                ..view
            }
        }
        Primitive::Mpls(_) => View {
            link: Link::Mpls,
            network: at + 4,
            ..view
        },
        Primitive::PppoeSession(_) => {
            let header = at + 6;
            View {
                link: Link::Ppp(header),
                header,
                ethernet: false,
                network: header + 2,
                ..view
            }
        }
        _ => view,
    }
}
