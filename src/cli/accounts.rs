//! What a pcapng file says was counted, interface by interface.
//!
//! The kernel counts what matched and what it had no room for socket by socket, so once where all
//! interfaces share one; what an interface dropped itself and what was written is known of each.
//! Every number is stated where it is known best and once: the sums over all blocks are the
//! counters that a person is told. Knows of no file and no socket.

use crate::capture::{Interface, Statistics};
use crate::net::live::Part;
use crate::wire::frame::{Frame, Time};

/// The name of all interfaces at once.
pub(super) const ANY: &str = "any";
/// Where all interfaces at once stand among the ones of the frames: behind them.
const BEHIND: u32 = u32::MAX;

/// What a live source has counted when it ends.
#[derive(Debug)]
pub(super) struct Accounts {
    pub(super) start: Time,
    pub(super) end: Time,
    /// What was listened to.
    pub(super) listening: Vec<Interface>,
    /// The kernel's counters.
    pub(super) parts: Vec<Part>,
}

/// Frames written, by the place of their interface.
#[derive(Debug, Default)]
pub(super) struct Entries(Vec<Option<(Interface, u64)>>);

impl Entries {
    /// Counts a frame that was written.
    #[inline]
    pub(super) fn count(&mut self, frame: &Frame<'_>, interface: &Interface) {
        let place = frame.interface.unwrap_or(0) as usize;
        if let Some(Some((_, frames))) = self.0.get_mut(place) {
            *frames = frames.saturating_add(1);
        } else {
            self.begin(place, interface);
        }
    }

    #[cold]
    fn begin(&mut self, place: usize, interface: &Interface) {
        // A place is one of a table, which the frames of a batch share.
        if self.0.len() <= place {
            self.0.resize(place.saturating_add(1), None);
        }
        if let Some(entry) = self.0.get_mut(place) {
            *entry = Some((interface.clone(), 1));
        }
    }

    fn of(&self, place: usize) -> u64 {
        let entry = self.0.get(place).and_then(Option::as_ref);
        entry.map_or(0, |(_, frames)| *frames)
    }
}

impl Accounts {
    /// The blocks: of which interface, where it stands in the table of the frames, and what was
    /// counted on it.
    pub(super) fn blocks(mut self, written: &Entries) -> Vec<(Interface, u32, Statistics)> {
        let times = Statistics {
            start: Some(self.start),
            end: Some(self.end),
            ..Statistics::default()
        };
        let place = |index| u32::try_from(index).unwrap_or(BEHIND);
        let mut blocks = Vec::new();
        if self
            .listening
            .iter()
            .all(|it| it.name.as_deref() != Some(ANY))
        {
            for (index, interface) in self.listening.iter().enumerate() {
                let part = self.parts.get(index).cloned().unwrap_or_default();
                let statistics = Statistics {
                    interface_dropped: Some(part.dropped_interface),
                    matched: Some(part.matched),
                    dropped: Some(part.dropped_ring),
                    delivered: Some(written.of(index)),
                    ..times.clone()
                };
                blocks.push((interface.clone(), place(index), statistics));
            }
            return blocks;
        }
        for (index, entry) in written.0.iter().enumerate() {
            let Some((interface, frames)) = entry else {
                continue;
            };
            let statistics = Statistics {
                interface_dropped: Some(self.take_dropped(interface)),
                delivered: Some(*frames),
                ..times.clone()
            };
            blocks.push((interface.clone(), place(index), statistics));
        }
        let sum = |count: fn(&Part) -> u64| {
            let parts = self.parts.iter().map(count);
            Some(parts.fold(0, u64::saturating_add))
        };
        let statistics = Statistics {
            interface_dropped: sum(|it| it.dropped_interface),
            matched: sum(|it| it.matched),
            dropped: sum(|it| it.dropped_ring),
            comment: Some(
                "what the kernel counts for all interfaces together, and drops of interfaces \
                 without a frame here"
                    .to_owned(),
            ),
            ..times
        };
        let all = self.listening.first().cloned();
        blocks.extend(all.map(|all| (all, BEHIND, statistics)));
        blocks
    }

    /// What an interface dropped itself, for the first block that asks.
    fn take_dropped(&mut self, interface: &Interface) -> u64 {
        let named = |part: &&mut Part| Some(part.name.as_str()) == interface.name.as_deref();
        let part = self.parts.iter_mut().find(named);
        part.map_or(0, |part| std::mem::take(&mut part.dropped_interface))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::frame::{LinkType, Offload};

    fn interface(name: &str) -> Interface {
        Interface {
            name: Some(name.to_owned()),
            ..Interface::new(LinkType::ETHERNET)
        }
    }

    fn part(name: &str, matched: u64, dropped_ring: u64, dropped_interface: u64) -> Part {
        Part {
            name: name.to_owned(),
            matched,
            dropped_ring,
            dropped_interface,
        }
    }

    fn written(frames: &[(u32, &str)]) -> Entries {
        let mut entries = Entries::default();
        for (place, name) in frames {
            let frame = Frame {
                number: 1,
                time: None,
                link_type: LinkType::ETHERNET,
                wire_len: 0,
                bytes: &[],
                interface: Some(*place),
                direction: None,
                offload: Offload::default(),
                comments: &[],
            };
            entries.count(&frame, &interface(name));
        }
        entries
    }

    /// Name, place, dropped by the interface, matched, dropped by the ring, delivered.
    type Row = (String, u32, [Option<u64>; 4]);

    fn rows(listening: &[&str], parts: Vec<Part>, written: &Entries) -> Vec<Row> {
        let accounts = Accounts {
            start: Time::default(),
            end: Time::default(),
            listening: listening.iter().map(|name| interface(name)).collect(),
            parts,
        };
        let row = |(interface, place, it): (Interface, u32, Statistics)| {
            let counts = [it.interface_dropped, it.matched, it.dropped, it.delivered];
            (interface.name.unwrap_or_default(), place, counts)
        };
        accounts.blocks(written).into_iter().map(row).collect()
    }

    #[test]
    fn named_interfaces_have_all_their_counters() {
        let parts = vec![part("a", 9, 2, 4), part("b", 1, 0, 0)];
        let written = written(&[(0, "a"), (0, "a"), (0, "a")]);
        assert_eq!(
            rows(&["a", "b"], parts, &written),
            [
                ("a".to_owned(), 0, [Some(4), Some(9), Some(2), Some(3)]),
                ("b".to_owned(), 1, [Some(0), Some(1), Some(0), Some(0)]),
            ]
        );
    }

    #[test]
    fn of_all_at_once_each_number_is_stated_once() {
        let parts = vec![
            part(ANY, 9, 2, 0),
            part("a", 0, 0, 4),
            part("b", 0, 0, 5),
            part("c", 0, 0, 6),
        ];
        // The third place is an interface that was removed and made anew.
        let written = written(&[(0, "b"), (1, "a"), (2, "b"), (0, "b")]);
        assert_eq!(
            rows(&[ANY], parts, &written),
            [
                ("b".to_owned(), 0, [Some(5), None, None, Some(2)]),
                ("a".to_owned(), 1, [Some(4), None, None, Some(1)]),
                ("b".to_owned(), 2, [Some(0), None, None, Some(1)]),
                (ANY.to_owned(), u32::MAX, [Some(6), Some(9), Some(2), None]),
            ]
        );
    }
}
