//! Fragments of IPv4 datagrams, seen together: which overlap, contradict, never come, or come
//! under a number that is taken; and the datagrams they make (RFC 791 section 3.2, RFC 815).
//!
//! Frames come in order. Memory is bounded whatever the sender does; what is forgotten first is
//! what has waited longest. Time is that of the frames: there is no clock here.

mod datagram;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

pub use datagram::Whole;
use datagram::{Datagram, Fragment, Head};
pub use queue::Policy;

use crate::wire::anomaly::Anomaly;
use crate::wire::checksum::Verdict;
use crate::wire::frame::{Frame, LinkType, Time};
use crate::wire::packet::{Layer, Packet, Protocol};

/// A datagram's pieces belong together for this long (RFC 1122 section 3.3.2: 60 to 120 s).
const LIFETIME_NANOSECONDS: i128 = 60 * 1_000_000_000;
/// What a datagram costs beside its pieces: its place in the table and in the order.
const DATAGRAM_OVERHEAD: usize = 512;
/// Frames that one anomaly names at most.
const MAX_NAMED: usize = 16;

/// What to do with fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Put datagrams together, and not only compare their pieces.
    pub assemble: bool,
    /// Whom to believe where fragments overlap.
    pub policy: Policy,
    /// Bytes that may be kept.
    pub memory: usize,
    /// Every fragment of the input is seen here, so that one that does not come is missing.
    pub complete: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            assemble: false,
            policy: Policy::default(),
            memory: 4 << 20,
            complete: true,
        }
    }
}

/// An anomaly of several frames: which, at which layer of the newest frame, and with which
/// earlier frames.
pub type Together = (Anomaly, u8, Vec<u64>);

/// What one more fragment brought to light.
#[derive(Debug, Default)]
pub struct Seen {
    /// What is odd.
    pub together: Vec<Together>,
    /// The datagram that it completes.
    pub whole: Option<Whole>,
}

/// How datagrams ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Put together.
    pub whole: u64,
    /// Given up because their time was over.
    pub timed_out: u64,
    /// Given up for want of memory.
    pub evicted: u64,
    /// Not whole when the input ended.
    pub unfinished: u64,
    /// Of all those, the ones of which the capture cut a fragment short.
    pub cut: u64,
}

/// RFC 791: what tells one datagram's fragments from another's, and the link they came over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    source: [u8; 4],
    destination: [u8; 4],
    protocol: u8,
    identification: u16,
    interface: Option<u32>,
    /// The VLANs around it, outermost first, twelve bits each.
    vlans: u64,
}

#[derive(Debug)]
struct Entry {
    /// Tells a new datagram of the same key from the one that was forgotten.
    birth: u64,
    first_seen: Option<Time>,
    datagram: Datagram,
}

/// Remembers fragments until their datagrams are whole.
#[derive(Debug)]
pub struct Reassembly {
    options: Options,
    entries: HashMap<Key, Entry>,
    /// Oldest first; some may be gone already.
    order: VecDeque<(Key, u64)>,
    cost: usize,
    births: u64,
    counts: Counts,
}

impl Reassembly {
    /// Nothing remembered yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self {
            options,
            entries: HashMap::new(),
            order: VecDeque::new(),
            cost: 0,
            births: 0,
            counts: Counts::default(),
        }
    }

    /// Takes the fragment that `packet` found in `frame`; a frame without one brings nothing.
    /// A second copy of a fragment, equal in every byte, is a duplicate and legal. Header
    /// checksums should have been judged: what fails is compared and not used.
    pub fn track(&mut self, frame: &Frame<'_>, packet: &Packet) -> Seen {
        let mut seen = Seen::default();
        let Some((key, layer, fragment)) = read(frame, packet) else {
            return seen;
        };
        let mut found = self.expire(frame.time);
        let begun = self.renew(&key, &fragment, &mut found);
        let births = &mut self.births;
        let order = &mut self.order;
        let cost = &mut self.cost;
        let entry = self.entries.entry(key).or_insert_with(|| {
            *births += 1;
            order.push_back((key, *births));
            let mut datagram = begun.unwrap_or_default();
            datagram.cost += DATAGRAM_OVERHEAD;
            *cost += datagram.cost;
            Entry {
                birth: *births,
                first_seen: frame.time,
                datagram,
            }
        });
        let before = entry.datagram.cost;
        let effect = entry
            .datagram
            .add(&fragment, self.options.policy, self.options.assemble);
        self.cost += entry.datagram.cost.saturating_sub(before);
        self.counts.whole += u64::from(effect.whole.is_some());
        self.evict();
        found.extend(effect.found);
        seen.whole = effect.whole;
        seen.together = found
            .into_iter()
            .map(|(anomaly, frames)| (anomaly, layer, frames))
            .collect();
        seen
    }

    /// How the datagrams so far have ended, those that are still waiting being unfinished.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let waiting = self.entries.values().map(|entry| &entry.datagram);
        let mut counts = self.counts;
        for datagram in waiting.filter(|datagram| !datagram.finished) {
            counts.unfinished += 1;
            counts.cut += u64::from(datagram.cut);
        }
        counts
    }

    /// Forgets the datagrams whose time is over, and says what they lacked.
    fn expire(&mut self, now: Option<Time>) -> Vec<(Anomaly, Vec<u64>)> {
        let (mut late, mut no_first, mut no_last) = (Vec::new(), Vec::new(), Vec::new());
        while let Some(&(key, birth)) = self.order.front() {
            let entry = self.entries.get(&key).filter(|entry| entry.birth == birth);
            if let Some(entry) = entry {
                let (Some(then), Some(now)) = (entry.first_seen, now) else {
                    break;
                };
                if now.since(then) <= LIFETIME_NANOSECONDS {
                    break;
                }
            }
            self.order.pop_front();
            if entry.is_none() {
                continue;
            }
            let Some(datagram) = self.forget(&key) else {
                continue;
            };
            if datagram.finished {
                continue;
            }
            self.counts.timed_out += 1;
            self.counts.cut += u64::from(datagram.cut);
            if !datagram.is_waiting() || !self.options.complete {
                continue;
            }
            let frames = datagram.frames();
            let (first, last) = datagram.lacks();
            if first {
                no_first.extend(&frames);
            }
            if last {
                no_last.extend(&frames);
            }
            late.extend(frames);
        }
        [
            (Anomaly::Ipv4FragmentTimeout, late),
            (Anomaly::Ipv4FragmentMissingFirst, no_first),
            (Anomaly::Ipv4FragmentMissingLast, no_last),
        ]
        .into_iter()
        .filter(|(_, frames)| !frames.is_empty())
        .map(|(anomaly, mut frames)| {
            frames.sort_unstable();
            frames.dedup();
            frames.truncate(MAX_NAMED);
            (anomaly, frames)
        })
        .collect()
    }

    /// Ends the datagram of this number where a fragment cannot be of it any more; answers what
    /// has come of the next one before.
    fn renew(
        &mut self,
        key: &Key,
        fragment: &Fragment<'_>,
        found: &mut Vec<(Anomaly, Vec<u64>)>,
    ) -> Option<Datagram> {
        let datagram = &self.entries.get(key)?.datagram;
        if !datagram.finished || datagram.has(fragment) {
            return None;
        }
        let frames = datagram.frames();
        found.push((Anomaly::Ipv4IdentificationReused, frames));
        self.forget(key).map(Datagram::renewed)
    }

    fn forget(&mut self, key: &Key) -> Option<Datagram> {
        let entry = self.entries.remove(key)?;
        self.cost = self.cost.saturating_sub(entry.datagram.cost);
        Some(entry.datagram)
    }

    /// Forgets the oldest until the rest fits.
    fn evict(&mut self) {
        while self.cost > self.options.memory {
            let Some((key, birth)) = self.order.pop_front() else {
                return;
            };
            if self.entries.get(&key).is_some_and(|it| it.birth == birth)
                && let Some(datagram) = self.forget(&key)
                && !datagram.finished
            {
                self.counts.evicted += 1;
                self.counts.cut += u64::from(datagram.cut);
            }
        }
        // Numbers used again and again leave their old places in the order behind.
        if self.order.len() > 2 * self.entries.len() + 1024 {
            let entries = &self.entries;
            self.order
                .retain(|(key, birth)| entries.get(key).is_some_and(|it| it.birth == *birth));
        }
    }
}

/// The fragment of a frame, whose it is, and at which layer.
fn read<'a>(frame: &Frame<'a>, packet: &Packet) -> Option<(Key, u8, Fragment<'a>)> {
    let fragment = packet.fragment()?;
    let data = frame.bytes.get(fragment.data.start..fragment.data.end)?;
    let layers = packet.layers();
    let layer = layers.get(usize::from(fragment.layer))?;
    let around = layers.get(..usize::from(fragment.layer))?;
    let start = layer.start as usize;
    let ipv4 = frame
        .bytes
        .get(start..start.checked_add(layer.header_len as usize)?)?;
    let fixed = ipv4.first_chunk::<20>()?;
    let key = Key {
        source: [fixed[12], fixed[13], fixed[14], fixed[15]],
        destination: [fixed[16], fixed[17], fixed[18], fixed[19]],
        protocol: fixed[9],
        identification: u16::from_be_bytes([fixed[4], fixed[5]]),
        interface: frame.interface,
        vlans: around
            .iter()
            .filter(|layer| layer.protocol == Protocol::Vlan)
            .filter_map(|layer| frame.bytes.get(layer.start as usize..)?.first_chunk::<2>())
            .fold(0, |vlans, tag| {
                vlans << 12 | u64::from(u16::from_be_bytes(*tag) & 0xfff)
            }),
    };
    let (link_type, link) = if around.iter().all(is_without_length) {
        (frame.link_type, frame.bytes.get(..start)?)
    } else {
        (LinkType::IPV4, &[][..])
    };
    let fragment_of = Fragment {
        frame: frame.number,
        offset: fragment.offset,
        more: fragment.more,
        data,
        cut: !fragment.data.is_whole(),
        broken: matches!(layer.checksum, Verdict::Bad { .. }),
        head: Head {
            link_type,
            link,
            ipv4,
        },
    };
    Some((key, fragment.layer, fragment_of))
}

/// Headers that may stand before a larger datagram than they stood before.
fn is_without_length(layer: &Layer) -> bool {
    matches!(
        layer.protocol,
        Protocol::Ethernet
            | Protocol::Vlan
            | Protocol::LinuxSll
            | Protocol::Loopback
            | Protocol::CiscoHdlc
            | Protocol::Ppp
            | Protocol::Mpls
    )
}
