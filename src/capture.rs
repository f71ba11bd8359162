//! Saved packets, read from any [`Read`](std::io::Read) and written to any
//! [`Write`](std::io::Write): pcap and pcapng, plain or compressed.
//!
//! Knows what the file formats mean and nothing of what the packets in them mean, nor of
//! interfaces, clocks or terminals. A live source hands out the same [`Batch`]es through the
//! same [`FrameSource`], so nothing to the right of this room knows which of the two it has.

mod batch;
mod compression;
mod pcap;
mod pcapng;
mod reader;
mod writer;

#[cfg(test)]
mod tests;

pub use batch::{Batch, Interface, Resolution};
pub use compression::Compression;
pub use reader::{Reader, open};
pub use writer::{Format, Writer, Written};

use crate::error::Result;

/// Where batches of frames come from.
pub trait FrameSource {
    /// The next batch, or `None` at the end.
    ///
    /// # Errors
    /// When the input is damaged, every good frame before the damage is handed out first; then
    /// this answers one error of [`Kind::Damaged`](crate::error::Kind::Damaged), and after it
    /// `None`.
    fn next_batch(&mut self) -> Result<Option<Batch>>;
}

/// The most bytes of one frame that are believed, as libpcap and Wireshark have it: more than
/// any link but USB and D-Bus carries.
const MAX_CAPTURED: u32 = 262_144;

/// What [`MAX_CAPTURED`] may be raised to by a file that declares a larger snaplen.
const MAX_DECLARED: u32 = 16 << 20;

/// The most bytes of one frame on a link whose "frames" are whole transfers.
const MAX_TRANSFER: u32 = 128 << 20;

/// The most bytes that one frame may claim to hold. Anything above is damage, told before a
/// byte of it is waited for.
fn max_captured(link_type: u16, snaplen: u32) -> u32 {
    match link_type {
        // USB_LINUX, USB_LINUX_MMAPPED, DBUS, USBPCAP, USB_DARWIN, EBHSCR
        189 | 220 | 231 | 249 | 266 | 279 => MAX_TRANSFER,
        _ => snaplen.clamp(MAX_CAPTURED, MAX_DECLARED),
    }
}
