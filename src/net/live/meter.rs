//! Counters that add up: what the kernel counts on one side, what was handed out on the other.
//!
//! Knows how the kernel's counters are read and summed; nothing of packets.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::libc;

use super::{ANY, Figures, Part};
use crate::net::ring::Gauge;
use crate::net::sockopt;

/// The interfaces' own counters, in the network namespace of the thread that opens it.
const COUNTERS: &str = "/proc/thread-self/net/dev";

/// A handle to the counters of a live source, for any thread.
#[derive(Debug, Clone)]
pub struct Meter {
    counts: Arc<Counts>,
}

#[derive(Debug)]
struct Counts {
    delivered: AtomicU64,
    left_unread: AtomicU64,
    out_of_order: AtomicU64,
    gauges: Vec<Gauge>,
    kernel: Mutex<Kernel>,
}

/// A socket whose packets are counted.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    pub(super) socket: Arc<OwnedFd>,
    /// True for a ring, which counts one thing more.
    pub(super) is_ring: bool,
    /// Which of the names listened to it is for.
    pub(super) place: usize,
}

/// Sums of the kernel's counters, which are narrow and are cleared when they are read.
#[derive(Debug)]
struct Kernel {
    sockets: Vec<Counted>,
    /// What each name listened to has, but for the interface's own drops.
    parts: Vec<Part>,
    interfaces: Interfaces,
}

impl Meter {
    /// Counts the packets of these sockets, and the drops of the interfaces that are listened to,
    /// from now on.
    pub(super) fn new(sockets: Vec<Counted>, gauges: Vec<Gauge>, listening: &[&str]) -> Self {
        let part = |name: &&str| Part {
            name: (*name).to_owned(),
            ..Part::default()
        };
        let kernel = Kernel {
            sockets,
            parts: listening.iter().map(part).collect(),
            interfaces: Interfaces::new(listening),
        };
        Self {
            counts: Arc::new(Counts {
                delivered: AtomicU64::new(0),
                left_unread: AtomicU64::new(0),
                out_of_order: AtomicU64::new(0),
                gauges,
                kernel: Mutex::new(kernel),
            }),
        }
    }

    /// The sums as they are now.
    #[must_use]
    pub fn read(&self) -> Figures {
        let mut kernel = self.kernel();
        kernel.poll();
        let sum = |count: fn(&Part) -> u64| {
            let parts = kernel.parts.iter().map(count);
            parts.fold(0, u64::saturating_add)
        };
        let (matched, dropped_ring) = (sum(|it| it.matched), sum(|it| it.dropped_ring));
        let dropped_interface = kernel.interfaces.dropped();
        drop(kernel);
        Figures {
            matched,
            delivered: self.counts.delivered.load(Ordering::Relaxed),
            dropped_ring,
            left_unread: self.counts.left_unread.load(Ordering::Relaxed),
            dropped_interface,
            out_of_order: self.counts.out_of_order.load(Ordering::Relaxed),
            ring_fill: self.fill(),
        }
    }

    /// The sums as they are now, each name listened to apart, in their order. All interfaces at once
    /// are one name; behind it stands each of them with what it dropped itself.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        let mut kernel = self.kernel();
        kernel.poll();
        let mut parts = kernel.parts.clone();
        for (name, count) in &kernel.interfaces.counts {
            match parts.iter_mut().find(|part| part.name == *name) {
                Some(part) => part.dropped_interface = count.dropped,
                None => parts.push(Part {
                    name: name.clone(),
                    dropped_interface: count.dropped,
                    ..Part::default()
                }),
            }
        }
        parts
    }

    /// Says that this many of the packets delivered were thrown away unseen, as when enough had
    /// been shown: they are counted as left unread instead.
    pub fn unused(&self, packets: u64) {
        let packets = packets.min(self.counts.delivered.load(Ordering::Relaxed));
        self.counts.delivered.fetch_sub(packets, Ordering::Relaxed);
        self.left_unread(packets);
    }

    /// Reads the kernel's counters, before they can overflow.
    pub(super) fn poll(&self) {
        self.kernel().poll();
    }

    pub(super) fn delivered(&self, packets: u64) {
        self.counts.delivered.fetch_add(packets, Ordering::Relaxed);
    }

    pub(super) fn left_unread(&self, packets: u64) {
        let counts = &self.counts;
        counts.left_unread.fetch_add(packets, Ordering::Relaxed);
    }

    pub(super) fn out_of_order(&self, packets: u64) {
        let counts = &self.counts;
        counts.out_of_order.fetch_add(packets, Ordering::Relaxed);
    }

    /// True when every packet the kernel has counted is accounted for.
    pub(super) fn adds_up(&self) -> bool {
        let figures = self.read();
        let known = figures
            .delivered
            .saturating_add(figures.dropped_ring)
            .saturating_add(figures.left_unread);
        figures.matched <= known
    }

    fn fill(&self) -> u8 {
        let each = self.counts.gauges.iter().map(Gauge::read);
        let (waiting, blocks) = each.fold((0, 0), |sum: (usize, usize), it| {
            (sum.0.saturating_add(it.0), sum.1.saturating_add(it.1))
        });
        let percent = waiting.saturating_mul(100).checked_div(blocks);
        percent
            .and_then(|percent| u8::try_from(percent).ok())
            .unwrap_or(0)
    }

    fn kernel(&self) -> MutexGuard<'_, Kernel> {
        // Sums are whole whenever the lock is free, even after a panic.
        let kernel = self.counts.kernel.lock();
        kernel.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kernel {
    fn poll(&mut self) {
        for counted in &self.sockets {
            // `struct tpacket_stats` and `tpacket_stats_v3`: packets, drops among them, and how
            // often the ring froze.
            let socket = counted.socket.as_fd();
            let (level, name) = (libc::SOL_PACKET, libc::PACKET_STATISTICS);
            let read: io::Result<[u32; 2]> = if counted.is_ring {
                sockopt::get::<[u32; 3]>(socket, level, name).map(|[all, drops, _]| [all, drops])
            } else {
                sockopt::get(socket, level, name)
            };
            // Cannot fail on an open packet socket; a sandbox that forbids it shows in the sums.
            if let (Ok([packets, drops]), Some(part)) = (read, self.parts.get_mut(counted.place)) {
                part.matched = part.matched.saturating_add(packets.into());
                part.dropped_ring = part.dropped_ring.saturating_add(drops.into());
            }
        }
        self.interfaces.poll();
    }
}

/// The drops of interfaces, as /proc tells them.
#[derive(Debug)]
struct Interfaces {
    file: Option<File>,
    text: String,
    /// Those that are listened to; none where it is all of them.
    names: Option<Vec<String>>,
    counts: BTreeMap<String, Count>,
}

/// The drops of one interface.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    /// The kernel's sum when it was last read.
    last: u64,
    /// Since the start.
    dropped: u64,
}

impl Interfaces {
    fn new(listening: &[&str]) -> Self {
        let names = listening.iter().map(|name| (*name).to_owned()).collect();
        let mut interfaces = Self {
            // Without /proc there is nothing to tell.
            file: File::open(COUNTERS).ok(),
            text: String::new(),
            names: Some(names).filter(|_| listening != [ANY]),
            counts: BTreeMap::new(),
        };
        interfaces.poll();
        for count in interfaces.counts.values_mut() {
            count.dropped = 0;
        }
        interfaces
    }

    fn poll(&mut self) {
        let Some(file) = &mut self.file else { return };
        self.text.clear();
        if file.rewind().is_err() || file.read_to_string(&mut self.text).is_err() {
            return;
        }
        for (name, sum) in drops(&self.text) {
            let names = self.names.as_ref();
            if names.is_some_and(|names| !names.iter().any(|known| known == name)) {
                continue;
            }
            // Looked for by the borrowed name first: only a new interface costs a copy of it.
            let count = match self.counts.get_mut(name) {
                Some(count) => count,
                None => self.counts.entry(name.to_owned()).or_default(),
            };
            // An interface of the same name that was made anew begins at nothing.
            let more = sum.checked_sub(count.last).unwrap_or(sum);
            count.dropped = count.dropped.saturating_add(more);
            count.last = sum;
        }
    }

    /// The sum of all.
    fn dropped(&self) -> u64 {
        let counts = self.counts.values();
        counts.fold(0, |sum, count| sum.saturating_add(count.dropped))
    }
}

/// What each interface has dropped on reception: the columns `drop` and `fifo`, the fourth and the
/// fifth.
fn drops(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (name, columns) = line.rsplit_once(':')?;
        let columns = columns.split_ascii_whitespace().skip(3).take(2);
        let sum = columns.fold(0_u64, |sum, column| {
            sum.saturating_add(column.parse().unwrap_or(0))
        });
        Some((name.trim_start(), sum))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop
    lo: 1038 17 0 0 0 0 0 0 1038 17 0 0 0 0 0 0
  eth0: 52 1 9 30 4 9 9 9 9 9 9 500 9 9 9 9
eth0:1: 52 1 9 600 0 9 9 9 9 9 9 500 9 9 9 9
";

    #[test]
    fn drops_are_told_by_interface() {
        let found: Vec<_> = drops(TEXT).collect();
        assert_eq!(found, [("lo", 0), ("eth0", 34), ("eth0:1", 600)]);
        assert_eq!(drops("").count(), 0);
    }

    #[test]
    fn without_sockets_everything_adds_up() {
        let meter = Meter::new(Vec::new(), Vec::new(), &[]);
        meter.delivered(5);
        meter.unused(2);
        let figures = meter.read();
        assert_eq!((figures.delivered, figures.left_unread), (3, 2));
        meter.unused(9);
        assert_eq!(meter.read().left_unread, 5);
        assert!(meter.adds_up());
    }
}
