//! The table of interfaces that frames point into, and which of the kernel's numbers stands where.
//!
//! Grows as packets of new interfaces appear. Knows nothing of packets.

use std::collections::HashMap;
use std::sync::Arc;

use crate::capture::Interface;
use crate::net::interface::Links;
use crate::wire::frame::LinkType;

/// Keeps all of a frame: what a filter without a limit asks for.
pub(super) const WHOLE_FRAME: u32 = 262_144;

#[derive(Debug)]
pub(super) struct Directory {
    table: Arc<Vec<Interface>>,
    /// From the kernel's number to the place in the table.
    places: HashMap<u32, u32>,
    /// The last answer: packets of one interface come together.
    last: Option<(u32, u32)>,
    links: Links,
    snaplen: u32,
}

impl Directory {
    pub(super) fn new(links: Links, snaplen: u32) -> Self {
        Self {
            table: Arc::default(),
            places: HashMap::new(),
            last: None,
            links,
            snaplen,
        }
    }

    /// The table as it is now.
    pub(super) fn table(&self) -> Arc<Vec<Interface>> {
        Arc::clone(&self.table)
    }

    /// The description of an interface whose frames are of this link type.
    pub(super) fn describe(&self, name: &str, link_type: LinkType) -> Interface {
        Interface {
            name: Some(name.to_owned()),
            snaplen: match self.snaplen {
                0 => WHOLE_FRAME,
                snaplen => snaplen,
            },
            ..Interface::new(link_type)
        }
    }

    /// Adds an interface; its place.
    pub(super) fn add(&mut self, interface: Interface) -> u32 {
        let table = Arc::make_mut(&mut self.table);
        table.push(interface);
        u32::try_from(table.len().saturating_sub(1)).unwrap_or(u32::MAX)
    }

    /// The place of the interface with this number, which is asked for by name when it is new.
    #[inline]
    pub(super) fn place(&mut self, number: u32, link_type: LinkType) -> u32 {
        match self.last {
            Some((last, place)) if last == number => place,
            _ => self.look_up(number, link_type),
        }
    }

    fn look_up(&mut self, number: u32, link_type: LinkType) -> u32 {
        let place = if let Some(place) = self.places.get(&number) {
            *place
        } else {
            let name = self.name(number);
            let interface = self.describe(&name, link_type);
            let place = self.add(interface);
            self.places.insert(number, place);
            place
        };
        self.last = Some((number, place));
        place
    }

    fn name(&mut self, number: u32) -> String {
        let links = self.links.list().unwrap_or_default();
        let found = links.into_iter().find(|link| link.index == number);
        found.map_or_else(
            // It was removed before its packets were read.
            || format!("interface {number}"),
            |link| link.name.to_string_lossy().into_owned(),
        )
    }

    /// Whether the interface is there, and if so, up; None when the kernel does not say.
    pub(super) fn presence(&mut self, number: u32) -> Option<Presence> {
        let links = self.links.list().ok()?;
        let found = links.into_iter().find(|link| link.index == number);
        Some(match found {
            Some(link) if link.flags.is_up() => Presence::Up,
            Some(_) => Presence::Down,
            None => Presence::Gone,
        })
    }
}

/// How an interface is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Up,
    Down,
    Gone,
}
