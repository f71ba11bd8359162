//! Packets live off the interfaces of this host, in the same batches as those of a file.
//!
//! Knows how the kernel hands over packets and what it says of them; nothing of what is in them,
//! nor of where they go. Linux only (packet(7)).

#[cfg(target_os = "linux")]
mod block;
#[cfg(target_os = "linux")]
mod directory;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
pub(super) mod link;
#[cfg(target_os = "linux")]
mod meter;
#[cfg(target_os = "linux")]
mod open;
#[cfg(target_os = "linux")]
mod source;
#[cfg(target_os = "linux")]
mod tap;

use std::time::Duration;

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Live, Meter, Stopper};
#[cfg(target_os = "linux")]
pub use meter::Meter;
#[cfg(target_os = "linux")]
pub use source::{Live, Stopper};

use crate::filter::Target;
use crate::wire::frame::{Direction, LinkType};

/// The name that means all interfaces.
#[cfg(target_os = "linux")]
const ANY: &str = "any";

/// What to listen to, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// Names of interfaces, at least one; `any` alone is all of them. A VLAN tag that the hardware
    /// took out is put back: into Ethernet frames behind the addresses, elsewhere behind the cooked
    /// header, whose protocol is then the tag's. Of several tags the kernel tells a cooked socket,
    /// as that of `any` is, no more than the outermost.
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
    /// that the hardware took out and the state of checksums are not known; except where there is
    /// no link header, as on `any`, and each packet has to be looked at (`MSG_PEEK`) before it is
    /// taken.
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
    /// Packets that the interfaces themselves say they dropped since the start, whatever the
    /// filter: `drop` and `fifo` of the receiving side in /proc/net/dev. The kernel counts among
    /// them packets that no protocol wanted, though they may have been captured.
    pub dropped_interface: u64,
    /// Packets of blocks handed out after a block that began later: only where several rings are
    /// read.
    pub out_of_order: u64,
    /// How much of the rings waits to be read or given back, in percent.
    pub ring_fill: u8,
}

/// What one of the names listened to, or one interface of all, has in the [`Figures`]: the sums of
/// all parts are the figures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// The name.
    pub name: String,
    /// As in the figures; 0 for an interface that has no socket of its own.
    pub matched: u64,
    /// The same.
    pub dropped_ring: u64,
    /// As in the figures; 0 for all interfaces at once, which are told one by one.
    pub dropped_interface: u64,
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
