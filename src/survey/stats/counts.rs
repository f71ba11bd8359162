//! The sums over frames: alike in whatever order frames come, and added up from parts.
//!
//! Knows the dissected frame and where the fields of an IPv4 header are; nothing of who speaks to
//! whom.

use super::paths::Paths;
use super::rate::Rate;
use super::span::Span;
use crate::wire::anomaly::Anomaly;
use crate::wire::frame::{Frame, LinkType};
use crate::wire::names;
use crate::wire::packet::Packet;

/// A number of packets, and their bytes as frames had them on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Volume {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Volume {
    /// One packet of so many bytes.
    #[inline]
    pub(super) fn of(bytes: u32) -> Self {
        Self {
            packets: 1,
            bytes: u64::from(bytes),
        }
    }

    #[inline]
    pub(super) fn add(&mut self, other: Self) {
        self.packets = self.packets.saturating_add(other.packets);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// Where the ranges of [`Counts::sizes`] begin, in bytes; the last one has no end. The same as
/// Wireshark's.
pub const FIRST_SIZES: [u32; 10] = [0, 20, 40, 80, 160, 320, 640, 1280, 2560, 5120];

/// Frames with IPv4 fragments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fragments {
    /// All of them.
    pub all: Volume,
    /// Offset zero, more to follow.
    pub first: u64,
    /// More to follow, but not the first.
    pub middle: u64,
    /// Nothing follows.
    pub last: u64,
}

/// Frames that show an anomaly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What is odd.
    pub anomaly: Anomaly,
    /// How many frames show it.
    pub packets: u64,
    /// The number of the first of them.
    pub first_frame: u64,
}

/// All sums.
#[derive(Debug, Clone)]
pub struct Counts {
    /// All frames.
    pub all: Volume,
    /// Bytes of them that were captured.
    pub captured: u64,
    /// Frames of which the capture holds only the first part.
    pub cut: u64,
    /// Frames without a time.
    pub timeless: u64,
    /// From when to when.
    pub span: Span,
    /// The shortest frame, in bytes on the wire; `u32::MAX` where there is none.
    pub shortest: u32,
    /// The longest frame, in bytes on the wire.
    pub longest: u32,
    /// Frames by link type, in the order these were first seen in.
    pub link_types: Vec<(LinkType, Volume)>,
    /// Frames by their length, in the ranges that begin at [`FIRST_SIZES`].
    pub sizes: [Volume; FIRST_SIZES.len()],
    /// The protocol tree.
    pub paths: Paths,
    /// Packets and bytes over time.
    pub rate: Rate,
    /// Frames with an IPv4 header; of several in a frame, here and below, the outermost counts.
    pub ipv4: Volume,
    /// Frames by the protocol number in the IPv4 header.
    pub protocols: Box<[Volume; 256]>,
    /// Frames by TTL.
    pub ttl: Box<[u64; 256]>,
    /// Frames by DSCP.
    pub dscp: [u64; 64],
    /// Frames by ECN codepoint.
    pub ecn: [u64; 4],
    /// Frames with fragments.
    pub fragments: Fragments,
    /// Frames whose IPv4 header has options.
    pub with_options: u64,
    /// Frames by the type of an option that they have, however often they have it.
    pub options: Box<[u64; 256]>,
    /// Frames by anomaly, in the order of the catalogue: how many, and the first one.
    odd: Vec<(u64, u64)>,
    /// How many frames are odd at all.
    pub odd_frames: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            all: Volume::default(),
            captured: 0,
            cut: 0,
            timeless: 0,
            span: Span::default(),
            shortest: u32::MAX,
            longest: 0,
            link_types: Vec::new(),
            sizes: [Volume::default(); FIRST_SIZES.len()],
            paths: Paths::default(),
            rate: Rate::default(),
            ipv4: Volume::default(),
            protocols: Box::new([Volume::default(); 256]),
            ttl: Box::new([0; 256]),
            dscp: [0; 64],
            ecn: [0; 4],
            fragments: Fragments::default(),
            with_options: 0,
            options: Box::new([0; 256]),
            odd: vec![(0, u64::MAX); Anomaly::ALL.len()],
            odd_frames: 0,
        }
    }
}

impl Counts {
    pub(super) fn clear(&mut self) {
        let mut kept = std::mem::take(self);
        kept.paths.clear();
        kept.rate.clear();
        kept.link_types.clear();
        self.paths = kept.paths;
        self.rate = kept.rate;
        self.link_types = kept.link_types;
    }

    /// Counts what every frame has.
    #[inline]
    pub(super) fn frame(&mut self, frame: &Frame<'_>, packet: &Packet) {
        let volume = Volume::of(frame.wire_len);
        self.all.add(volume);
        let captured = frame.bytes.len() as u64;
        self.captured += captured;
        self.cut += u64::from(captured < volume.bytes);
        self.shortest = self.shortest.min(frame.wire_len);
        self.longest = self.longest.max(frame.wire_len);
        match frame.time {
            Some(time) => {
                self.span.add(time);
                self.rate.add(time, frame.wire_len);
            }
            None => self.timeless += 1,
        }
        match self.link_types.last_mut() {
            Some((latest, sum)) if *latest == frame.link_type => sum.add(volume),
            _ => self.link_type(frame.link_type, volume),
        }
        if let Some(sum) = self.sizes.get_mut(range(frame.wire_len)) {
            sum.add(volume);
        }
        self.paths.add(packet, volume);
        let found = packet.anomalies();
        if !found.is_empty() {
            self.odd_frames += 1;
            for (place, this) in found.iter().enumerate() {
                let before = found.get(..place).unwrap_or_default();
                if !before.iter().any(|other| other.anomaly == this.anomaly) {
                    self.odd(this.anomaly, frame.number);
                }
            }
        }
        if let Some(fragment) = packet.fragment() {
            let sums = &mut self.fragments;
            sums.all.add(volume);
            match (fragment.offset, fragment.more) {
                (_, false) => sums.last += 1,
                (0, true) => sums.first += 1,
                (_, true) => sums.middle += 1,
            }
        }
    }

    /// Counts what an IPv4 header says; `header` is what was captured of it, options included.
    #[inline]
    pub(super) fn ipv4(&mut self, frame: &Frame<'_>, fixed: &[u8; 20], header: &[u8]) {
        let volume = Volume::of(frame.wire_len);
        self.ipv4.add(volume);
        if let Some(sum) = self.protocols.get_mut(usize::from(fixed[9])) {
            sum.add(volume);
        }
        for (sums, value) in [
            (self.ttl.as_mut_slice(), fixed[8]),
            (self.dscp.as_mut_slice(), fixed[1] >> 2),
            (self.ecn.as_mut_slice(), fixed[1] & 3),
        ] {
            if let Some(sum) = sums.get_mut(usize::from(value)) {
                *sum += 1;
            }
        }
        let options = header.get(fixed.len()..).unwrap_or_default();
        if options.is_empty() {
            return;
        }
        self.with_options += 1;
        let mut met = [0_u64; 4];
        for kind in names::ipv4_option_kinds(options) {
            let bit = 1 << (kind & 63);
            if let Some(word) = met.get_mut(usize::from(kind >> 6))
                && *word & bit == 0
                && let Some(sum) = self.options.get_mut(usize::from(kind))
            {
                *word |= bit;
                *sum += 1;
            }
        }
    }

    fn link_type(&mut self, link_type: LinkType, volume: Volume) {
        let known = self.link_types.iter_mut();
        let known = known
            .map(|(known, sum)| (*known, sum))
            .find(|(known, _)| *known == link_type);
        match known {
            Some((_, sum)) => sum.add(volume),
            None => self.link_types.push((link_type, volume)),
        }
    }

    pub(super) fn odd(&mut self, anomaly: Anomaly, frame: u64) {
        self.odd_times(anomaly as usize, 1, frame);
    }

    fn odd_times(&mut self, place: usize, times: u64, frame: u64) {
        if let Some((packets, first)) = self.odd.get_mut(place) {
            *packets = packets.saturating_add(times);
            *first = frame.min(*first);
        }
    }

    /// Adds the sums of other frames.
    pub fn merge(&mut self, other: &Self) {
        self.all.add(other.all);
        self.captured = self.captured.saturating_add(other.captured);
        self.cut += other.cut;
        self.timeless += other.timeless;
        self.span.merge(other.span);
        self.shortest = self.shortest.min(other.shortest);
        self.longest = self.longest.max(other.longest);
        for (link_type, volume) in &other.link_types {
            self.link_type(*link_type, *volume);
        }
        self.paths.merge(&other.paths);
        self.rate.merge(&other.rate);
        self.ipv4.add(other.ipv4);
        for (sum, more) in self.sizes.iter_mut().zip(&other.sizes) {
            sum.add(*more);
        }
        for (sum, more) in self.protocols.iter_mut().zip(other.protocols.iter()) {
            sum.add(*more);
        }
        for (sums, more) in [
            (self.ttl.as_mut_slice(), other.ttl.as_slice()),
            (self.dscp.as_mut_slice(), other.dscp.as_slice()),
            (self.ecn.as_mut_slice(), other.ecn.as_slice()),
            (self.options.as_mut_slice(), other.options.as_slice()),
        ] {
            for (sum, more) in sums.iter_mut().zip(more) {
                *sum += more;
            }
        }
        self.fragments.all.add(other.fragments.all);
        self.fragments.first += other.fragments.first;
        self.fragments.middle += other.fragments.middle;
        self.fragments.last += other.fragments.last;
        self.with_options += other.with_options;
        for (place, (packets, first)) in other.odd.iter().enumerate() {
            if *packets > 0 {
                self.odd_times(place, *packets, *first);
            }
        }
        self.odd_frames += other.odd_frames;
    }

    /// The anomalies that some frame shows, in the order of the catalogue.
    pub fn anomalies(&self) -> impl Iterator<Item = Seen> {
        let all = Anomaly::ALL.iter().zip(&self.odd);
        all.filter(|(_, (packets, _))| *packets > 0)
            .map(|(anomaly, (packets, first_frame))| Seen {
                anomaly: *anomaly,
                packets: *packets,
                first_frame: *first_frame,
            })
    }
}

/// The range of [`FIRST_SIZES`] that a length belongs to.
#[inline]
fn range(len: u32) -> usize {
    FIRST_SIZES
        .iter()
        .rposition(|first| *first <= len)
        .unwrap_or(0)
}
