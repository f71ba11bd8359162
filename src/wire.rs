//! What bytes mean: frames in, layers and fields out. No I/O, no clock, no printing.
//!
//! [`packet::dissect`] walks a [`frame::Frame`] and notes in a reused [`packet::Packet`] which
//! layers it found and where; [`packet::visit`] then describes their fields to any
//! [`field::Visitor`]. One file a protocol, each with the same paragraphs in the same order:
//! constants, `dissect`, `fields`, meanings, tests. A new protocol is one such file, its line in
//! the table of `packet.rs`, and one line where its parent says what comes next.

pub mod anomaly;
pub mod checksum;
pub mod field;
pub mod frame;
pub mod names;
pub mod packet;

mod ethernet;
mod icmp_extensions;
mod icmpv4;
mod igmp;
mod ipv4;
mod ipv4_options;
#[cfg(test)]
mod outline;
mod payload;
mod trailer;
