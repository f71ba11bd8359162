//! Counters that add up: what the kernel counts on one side, what was handed out on the other.
//!
//! Knows how kernel counters are read and summed; nothing of packets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What has become of the packets so far. `matched` and `dropped_ring` are the kernel's own sums,
/// `delivered` and `left_unread` are counted where packets are taken; when all has been read
/// `matched` is the sum of the other three. While packets come, the difference is in the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Figures {
    /// Packets that passed the kernel's filter, with those it then had no room for.
    pub matched: u64,
    /// Packets handed out in batches.
    pub delivered: u64,
    /// Packets that found the ring or the receive buffer full.
    pub dropped_ring: u64,
    /// Packets that were in the ring when the source was told to stop, counted and thrown away.
    pub left_unread: u64,
    /// Packets the interfaces themselves say they dropped since the start, before any filter:
    /// /proc/net/dev's `drop` and `fifo` of the receiving side.
    pub dropped_interface: u64,
    /// Packets of blocks that came later than a block with younger packets was handed out: only
    /// where several rings are read.
    pub out_of_order: u64,
    /// How much of the rings is waiting to be read or given back, in percent.
    pub ring_fill: u8,
}

/// A handle to the counters of a live source, for any thread.
#[derive(Debug, Clone)]
pub struct Meter {
    pub(super) counts: Arc<Counts>,
}

/// The sums.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) delivered: AtomicU64,
    pub(super) left_unread: AtomicU64,
}

impl Meter {
    /// The sums as they are now.
    #[must_use]
    pub fn read(&self) -> Figures {
        Figures {
            delivered: self.counts.delivered.load(Ordering::Relaxed),
            left_unread: self.counts.left_unread.load(Ordering::Relaxed),
            ..Figures::default()
        }
    }

    /// Says that this many of the packets delivered were thrown away unseen, as when enough
    /// packets had been shown: they are counted as left unread instead.
    pub fn unused(&self, packets: u64) {
        self.counts.delivered.fetch_sub(packets, Ordering::Relaxed);
        self.counts
            .left_unread
            .fetch_add(packets, Ordering::Relaxed);
    }
}
