//! Packets live off the interfaces of this host, in the same batches as those of a file.
//!
//! Knows how the kernel hands over packets and what it says of them; nothing of what is in them,
//! nor of where they go. Linux only (packet(7)).

mod meter;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

pub use meter::{Figures, Meter};

use crate::capture::{Batch, FrameSource, Interface};
use crate::error::{Error, Result};
use crate::filter::{Filter, Target};
use crate::wire::frame::{Direction, LinkType};

/// What to listen to, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names of interfaces, at least one; `any` alone is all of them.
    pub interfaces: Vec<String>,
    /// Only packets that go this way; both if none is named. On the loopback each packet is seen
    /// once: as received, unless only sent ones are wanted.
    pub direction: Option<Direction>,
    /// The most bytes kept of a frame, link header included; 0 keeps all, up to 262,144.
    pub snaplen: u32,
    /// Also packets for other hosts, where the interface can; not for `any`.
    pub promiscuous: bool,
    /// Size of the ring of each interface, or of its receive buffer, in MiB.
    pub ring_mib: u32,
    /// How long the kernel may keep a packet back to fill a block, at least one millisecond.
    pub block_timeout: Duration,
    /// How packets are fetched. Where it cannot be, the next one is taken and a notice says so.
    pub backend: Backend,
    /// How many rings share one interface, each flow always in the same one; 0 and 1 are one.
    pub fanout: u16,
    /// Whose clock.
    pub timestamps: Timestamps,
}

impl Options {
    /// Everything on these interfaces, through a ring of 64 MiB.
    #[must_use]
    pub fn new(interfaces: Vec<String>) -> Self {
        Self {
            interfaces,
            direction: None,
            snaplen: 0,
            promiscuous: false,
            ring_mib: 64,
            block_timeout: Duration::from_millis(10),
            backend: Backend::Ring,
            fanout: 1,
            timestamps: Timestamps::Kernel,
        }
    }
}

/// Ways to fetch packets, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// A ring shared with the kernel (`TPACKET_V3`): no copy, no system call per packet.
    Ring,
    /// Batches of messages (recvmmsg(2)): all that the ring knows, at the price of a copy.
    Recvmmsg,
    /// pnet's channel: the packets alone. Direction, original length, the kernel's time, VLAN tags
    /// that the hardware took out and the state of checksums are not known.
    Pnet,
}

impl Backend {
    /// `ring`, `recvmmsg` or `pnet`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ring => "ring",
            Self::Recvmmsg => "recvmmsg",
            Self::Pnet => "pnet",
        }
    }
}

/// Whose clock stamps the packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timestamps {
    /// The kernel's, when the packet reaches it.
    Kernel,
    /// The network card's, where it has one that can be switched on.
    Hardware,
}

/// What the filter of one socket is compiled for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The interface's name, or `any`.
    pub interface: &'a str,
    /// The link type of the frames as they are handed out.
    pub link_type: LinkType,
    /// Where the program will run.
    pub target: Target,
    /// The netmask of the interface's first IPv4 address, most significant byte first.
    pub netmask: Option<u32>,
    /// As in the [`Options`].
    pub snaplen: u32,
}

/// A live source: opened whole, with filters attached before the first packet can come.
///
/// Its batches are leases on the ring: each gives its block back when its last clone is dropped,
/// so whoever keeps many of them keeps the ring full.
#[derive(Debug)]
pub struct Live {
    listening: Vec<Interface>,
    stop: Stopper,
    meter: Meter,
}

impl Live {
    /// Opens the sockets; `compile` makes the filter of each, of an empty expression where every
    /// packet is wanted.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::error::Kind::Usage): an interface that is missing or down, the
    /// privilege that is missing, a filter that does not compile or that the kernel refuses.
    pub fn open(
        options: &Options,
        compile: &mut dyn FnMut(&Wanted<'_>) -> Result<Filter>,
    ) -> Result<Self> {
        let _ = compile;
        Err(Error::usage(
            format!("listening on {}", options.interfaces.join(", ")),
            "not built yet",
        ))
    }

    /// What is listened to, in the order of the options: one for each name, `any` being one.
    #[must_use]
    pub fn listening(&self) -> &[Interface] {
        &self.listening
    }

    /// How to end it from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stop.clone()
    }

    /// Its counters.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }
}

impl FrameSource for Live {
    /// The next batch; an empty one when none came within 200 ms, so that whoever asks can look
    /// at signals and clocks. `None` after a stop, when the ring has been emptied and the counters
    /// are final.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::error::Kind::Usage) when an interface was removed, after everything
    /// that came before has been handed out; or what the kernel says.
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        Ok(None)
    }
}

/// Ends a live source from any thread. No packet enters the ring after that; the one who asks for
/// batches gets what is in it, then `None`.
#[derive(Debug, Clone)]
pub struct Stopper {
    state: Arc<AtomicU8>,
}

impl Stopper {
    /// The packets in the ring are still handed out.
    pub fn finish(&self) {
        self.state.fetch_max(1, Ordering::Release);
    }

    /// The packets in the ring are counted as left unread.
    pub fn abandon(&self) {
        self.state.fetch_max(2, Ordering::Release);
    }
}
