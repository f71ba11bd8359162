//! Saved packets, read from any [`Read`](std::io::Read) and written to any
//! [`Write`](std::io::Write): pcap and pcapng, plain or compressed, one file or a row
//! of them.
//!
//! Knows what the file formats mean and nothing of what the packets in them mean, nor of
//! interfaces, clocks or terminals. A live source hands out the same [`Batch`]es through the
//! same [`FrameSource`], so nothing to the right of this room knows which of the two it has.

mod batch;
mod byte_order;
mod compression;
mod lengths;
mod pcap;
mod pcapng;
mod reader;
mod record;
pub mod rotation;
mod writer;

#[cfg(test)]
mod tests;

pub use batch::{Batch, Interface, Resolution};
pub use compression::{Compression, unpack};
pub use reader::{Input, Reader, open};
pub use record::{Lease, Places};
pub use writer::{Format, Statistics, Target, Writer, Written};

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
