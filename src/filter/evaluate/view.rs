//! The ways to look at a frame: where its headers are, and what announces them.

use crate::filter::names::{IPV4, IPV6};
use crate::wire::frame::LinkType;

/// How a view's packet is announced; positions are offsets in the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::filter) enum Link {
    Ethernet(usize),
    Cooked(usize),
    EtherType(usize),
    Ppp(usize),
    HostFamily,
    NetworkFamily,
    Version,
    Mpls,
    /// This Ethertype, as something further out said.
    Known(u32),
    Opaque,
}

/// One way to look at the frame.
#[derive(Debug, Clone, Copy)]
pub(in crate::filter) struct View {
    /// Whether this is the way; none if the frame is too short to tell.
    pub(in crate::filter) holds: Option<bool>,
    pub(in crate::filter) link: Link,
    pub(in crate::filter) header: usize,
    pub(in crate::filter) ethernet: bool,
    pub(in crate::filter) network: usize,
}

impl View {
    /// Before any encapsulation.
    pub(in crate::filter) fn outermost(link_type: LinkType) -> Self {
        let (link, network) = match link_type {
            LinkType::ETHERNET => (Link::Ethernet(12), 14),
            LinkType::LINUX_SLL => (Link::Cooked(14), 16),
            LinkType::LINUX_SLL2 => (Link::Cooked(0), 20),
            LinkType::RAW | LinkType::RAW_BSD | LinkType::RAW_OPENBSD => (Link::Version, 0),
            LinkType::IPV4 => (Link::Known(IPV4), 0),
            LinkType::IPV6 => (Link::Known(IPV6), 0),
            LinkType::NULL => (Link::HostFamily, 4),
            LinkType::LOOP => (Link::NetworkFamily, 4),
            LinkType::SLIP => (Link::Version, 16),
            LinkType::PPP | LinkType::PPP_HDLC => (Link::Ppp(2), 4),
            LinkType::PPP_ETHER => (Link::Ppp(6), 8),
            LinkType::C_HDLC => (Link::EtherType(2), 4),
            _ => (Link::Opaque, 0),
        };
        let ethernet = link_type == LinkType::ETHERNET;
        Self {
            holds: Some(true),
            link,
            header: 0,
            ethernet,
            network,
        }
    }
}

/// The most views there are of one frame at one time.
pub(in crate::filter) const MOST_VIEWS: usize = 24;

/// A few views, without an allocation for every frame.
#[derive(Debug, Clone, Copy)]
pub(in crate::filter) struct Views {
    views: [View; MOST_VIEWS],
    count: usize,
}

impl Views {
    pub(in crate::filter) fn of(view: View) -> Self {
        Self {
            views: [view; MOST_VIEWS],
            count: 1,
        }
    }

    pub(in crate::filter) fn all(&self) -> &[View] {
        self.views.get(..self.count).unwrap_or_default()
    }

    pub(super) fn all_mut(&mut self) -> &mut [View] {
        self.views.get_mut(..self.count).unwrap_or_default()
    }

    /// Adds a view, if there is room; false when there is not.
    pub(in crate::filter) fn push(&mut self, view: View) -> bool {
        let slot = self.views.get_mut(self.count);
        let room = slot.is_some();
        if let Some(slot) = slot {
            *slot = view;
            self.count += 1;
        }
        room
    }

    pub(super) fn take(&mut self) -> Self {
        let taken = *self;
        self.count = 0;
        taken
    }
}
