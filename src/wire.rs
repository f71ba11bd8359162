//! What bytes mean: frames in, layers and fields out. No I/O, no clock, no printing.
//!
//! [`packet::dissect`] walks a [`frame::Frame`] and notes in a reused [`packet::Packet`] which
//! layers it found and where; [`packet::visit`] then describes their fields to any
//! [`field::Visitor`]. One file a protocol, each with the same paragraphs in the same order:
//! constants, `dissect`, `fields`, meanings, tests. A new protocol is one such file, its line in
//! the table of `packet.rs`, and one line where its parent says what comes next.

pub mod anomaly;
pub mod build;
pub mod checksum;
pub mod field;
pub mod frame;
pub mod icmp_extensions;
pub mod names;
pub mod packet;

mod ah;
mod arp;
mod cisco_hdlc;
mod ethernet;
mod gre;
mod icmpv4;
mod icmpv6;
mod igmp;
mod ipv4;
mod ipv4_options;
mod ipv6;
mod ipv6_extensions;
mod ipv6_options;
mod linux_sll;
mod llc;
mod loopback;
mod mpls;
#[cfg(test)]
mod outline;
mod payload;
mod ppp;
mod pppoe;
mod slip;
mod tcp;
mod tcp_options;
mod trailer;
mod transport;
mod udp;
mod vlan;
mod vxlan;
