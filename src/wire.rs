//! What bytes mean: frames in, layers and fields out. No I/O, no clock, no printing.
//!
//! [`packet::dissect`] walks a [`frame::Frame`] and notes in a reused [`packet::Packet`] which
//! layers it found and where; the protocol files then describe the fields of a layer to any
//! [`field::Visitor`]. One file a protocol, each with the same paragraphs in the same order:
//! constants, `dissect`, `fields`, meanings, tests.

pub mod anomaly;
pub mod checksum;
pub mod field;
pub mod frame;
pub mod names;
pub mod packet;
