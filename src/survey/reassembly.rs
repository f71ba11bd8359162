//! Fragments of IPv4 datagrams, seen together: which overlap, contradict, never come, or come
//! under a number that is taken; and the datagrams they make (RFC 791 section 3.2, RFC 815).
//!
//! Frames come in order. Memory is bounded whatever the sender does; what is forgotten first is
//! what has waited longest. Time is that of the frames: there is no clock here.

mod datagram;
mod difference;
mod queue;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};

pub use datagram::Whole;
use datagram::{Datagram, Fragment, Head};
pub use difference::Difference;
pub use queue::Policy;

use crate::wire::anomaly::Anomaly;
use crate::wire::checksum::Verdict;
use crate::wire::frame::{Frame, LinkType, Time};
use crate::wire::packet::{Layer, Packet, Protocol};

/// A datagram's pieces belong together for this long (RFC 1122 section 3.3.2: 60 to 120 s).
const LIFETIME_SECONDS: i64 = 60;
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
    /// Where the fragment contradicts earlier ones; the first stretches where there are many.
    pub differences: Vec<Difference>,
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
    datagram: Datagram,
}

/// When a datagram's first fragment came.
#[derive(Debug, Clone, Copy)]
struct Begun {
    key: Key,
    birth: u64,
    time: Option<Time>,
}

/// A datagram that is not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    /// Where it comes from.
    pub source: [u8; 4],
    /// Where it goes.
    pub destination: [u8; 4],
    /// Number of the protocol in it.
    pub protocol: u8,
    /// Its number.
    pub identification: u16,
    /// The frames of its fragments, as many as are named.
    pub frames: Vec<u64>,
    /// Its start has not come.
    pub lacks_first: bool,
    /// Its end has not come.
    pub lacks_last: bool,
}

/// Frames of datagrams whose time is over, until somebody is told.
#[derive(Debug, Default)]
struct Overdue {
    all: Vec<u64>,
    without_first: Vec<u64>,
    without_last: Vec<u64>,
}

/// Remembers fragments until their datagrams are whole.
#[derive(Debug)]
pub struct Reassembly {
    options: Options,
    entries: HashMap<Key, Entry>,
    /// Oldest first; some may be gone already.
    order: VecDeque<Begun>,
    /// When the oldest has waited long enough.
    deadline: Option<Time>,
    overdue: Overdue,
    /// Whose time is over by the clock was told up to this birth.
    told: u64,
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
            deadline: None,
            overdue: Overdue::default(),
            told: 0,
            cost: 0,
            births: 0,
            counts: Counts::default(),
        }
    }

    /// True when a frame of this time must be shown to [`track`](Self::track), whatever is in it:
    /// a datagram has waited too long.
    #[inline]
    #[must_use]
    pub fn is_due(&self, now: Option<Time>) -> bool {
        matches!((self.deadline, now), (Some(deadline), Some(now)) if now > deadline)
    }

    /// Nothing waits, so that no frame can be [due](Self::is_due).
    #[inline]
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.deadline.is_none()
    }

    /// Takes the fragment that `packet` found in `frame`; of a frame without one, only the time.
    /// A second copy of a fragment, equal in every byte, is a duplicate and legal. Header
    /// checksums should have been judged: what fails is compared and not used.
    pub fn track(&mut self, frame: &Frame<'_>, packet: &Packet) -> Seen {
        let mut seen = Seen::default();
        self.expire(frame.time);
        let Some((key, layer, fragment)) = read(frame, packet) else {
            return seen;
        };
        let mut found = Vec::new();
        let begun = self.renew(&key, &fragment, &mut found);
        let births = &mut self.births;
        let order = &mut self.order;
        let cost = &mut self.cost;
        let entry = self.entries.entry(key).or_insert_with(|| {
            *births += 1;
            order.push_back(Begun {
                key,
                birth: *births,
                time: frame.time,
            });
            let mut datagram = begun.unwrap_or_default();
            datagram.cost += DATAGRAM_OVERHEAD;
            *cost += datagram.cost;
            Entry {
                birth: *births,
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
        self.set_deadline();
        found.extend(effect.found);
        seen.whole = effect.whole;
        seen.differences = effect.differences;
        seen.together = found
            .into_iter()
            .map(|(anomaly, frames)| (anomaly, layer, frames))
            .collect();
        seen
    }

    /// What the frame that was tracked last shows of datagrams whose time is over, together with
    /// what frames before it did that nobody asked about: anomalies of its outermost IPv4 layer.
    pub fn overdue(&mut self, packet: &Packet) -> Vec<Together> {
        if self.overdue.all.is_empty() {
            return Vec::new();
        }
        let mut layers = packet.layers().iter();
        let outermost = layers.position(|layer| layer.protocol == Protocol::Ipv4);
        let layer = outermost.and_then(|place| u8::try_from(place).ok());
        let overdue = std::mem::take(&mut self.overdue);
        [
            (Anomaly::Ipv4FragmentTimeout, overdue.all),
            (Anomaly::Ipv4FragmentMissingFirst, overdue.without_first),
            (Anomaly::Ipv4FragmentMissingLast, overdue.without_last),
        ]
        .into_iter()
        .filter(|(_, frames)| !frames.is_empty())
        .map(|(anomaly, mut frames)| {
            frames.sort_unstable();
            frames.dedup();
            frames.truncate(MAX_NAMED);
            (anomaly, layer.unwrap_or(0), frames)
        })
        .collect()
    }

    /// The datagrams whose time is over by a clock that goes on without frames, each once. The
    /// next frame shows them as any that is late does.
    pub fn late_by(&mut self, clock: Time) -> Vec<Unfinished> {
        if !self.options.complete || !self.is_due(Some(clock)) {
            return Vec::new();
        }
        let told = self.told;
        let from = self.order.partition_point(|begun| begun.birth <= told);
        let mut late = Vec::new();
        for begun in self.order.range(from..) {
            if begun.time.is_some_and(|time| !is_over(time, clock)) {
                break;
            }
            self.told = begun.birth;
            late.extend(self.waiting(begun));
        }
        late
    }

    /// The datagrams that could still become whole, the oldest first.
    pub fn unfinished(&self) -> impl Iterator<Item = Unfinished> {
        self.order.iter().filter_map(|begun| self.waiting(begun))
    }

    fn waiting(&self, begun: &Begun) -> Option<Unfinished> {
        let entry = self.entries.get(&begun.key)?;
        let datagram = &entry.datagram;
        if entry.birth != begun.birth || datagram.finished || !datagram.is_waiting() {
            return None;
        }
        let (lacks_first, lacks_last) = datagram.lacks();
        Some(Unfinished {
            source: begun.key.source,
            destination: begun.key.destination,
            protocol: begun.key.protocol,
            identification: begun.key.identification,
            frames: datagram.frames(),
            lacks_first,
            lacks_last,
        })
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

    /// Forgets the datagrams whose time is over, and notes what they lacked.
    fn expire(&mut self, now: Option<Time>) {
        if !self.is_due(now) {
            return;
        }
        while let Some(&begun) = self.order.front() {
            let known = self.entries.get(&begun.key);
            let gone = known.is_none_or(|entry| entry.birth != begun.birth);
            let over = begun
                .time
                .zip(now)
                .is_some_and(|(then, now)| is_over(then, now));
            if !gone && !over {
                break;
            }
            self.order.pop_front();
            if gone {
                continue;
            }
            let Some(datagram) = self.forget(&begun.key) else {
                continue;
            };
            if datagram.finished {
                continue;
            }
            self.counts.timed_out += 1;
            self.counts.cut += u64::from(datagram.cut);
            // Those that were told of beyond what is named would only take room.
            if !datagram.is_waiting()
                || !self.options.complete
                || self.overdue.all.len() > MAX_NAMED
            {
                continue;
            }
            let frames = datagram.frames();
            let (first, last) = datagram.lacks();
            if first {
                self.overdue.without_first.extend(&frames);
            }
            if last {
                self.overdue.without_last.extend(&frames);
            }
            self.overdue.all.extend(frames);
        }
        self.set_deadline();
    }

    fn set_deadline(&mut self) {
        let oldest = self.order.front().and_then(|begun| begun.time);
        self.deadline = oldest.map(|time| Time {
            seconds: time.seconds.saturating_add(LIFETIME_SECONDS),
            ..time
        });
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
            let Some(Begun { key, birth, .. }) = self.order.pop_front() else {
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
            self.order.retain(|begun| {
                entries
                    .get(&begun.key)
                    .is_some_and(|it| it.birth == begun.birth)
            });
        }
    }
}

/// Whether what began `then` has waited too long.
fn is_over(then: Time, now: Time) -> bool {
    now.since(then) > i128::from(LIFETIME_SECONDS) * 1_000_000_000
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
