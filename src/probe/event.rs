//! What the network tells a machine. Fields are `None` where the kernel hides them, which depends
//! on the socket: a raw one shows whole datagrams, a datagram one only what they carry.

use std::net::Ipv4Addr;

use super::outbox::ProbeId;
use super::stamp::Stamp;

/// What a network error quotes of the probe that caused it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quoted<'a> {
    /// The quoted datagram from its IPv4 header on, as far as it was quoted.
    Datagram(&'a [u8]),
    /// The kernel's own memory of what was sent (`IP_RECVERR`, ip(7)): no header is shown.
    Sent {
        /// Where the probe went.
        destination: Ipv4Addr,
        /// The port it went to, or 0 for a protocol without ports.
        port: u16,
        /// The probe, where only one can be meant: of UDP, the only one since long that went
        /// between these ports and addresses.
        id: Option<ProbeId>,
        /// As far as it came back, which may be nothing: of UDP what the datagram carried behind
        /// its header, of ICMP the message from its type on, with the kernel's identifier.
        payload: &'a [u8],
    },
}

/// Something that happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// A message came that is no ICMP error.
    Reply {
        /// Who sent it.
        source: Ipv4Addr,
        /// The address of ours that it was sent to.
        destination: Option<Ipv4Addr>,
        /// The protocol number of `message`.
        protocol: u8,
        /// What the datagram carries: an ICMP message, a UDP datagram or a TCP segment, from the
        /// first byte of its header.
        message: &'a [u8],
        /// True when the buffer was too small for all of it.
        truncated: bool,
        /// The time to live it arrived with.
        ttl: Option<u8>,
        /// The type of service octet it arrived with.
        tos: Option<u8>,
        /// The options of its IPv4 header.
        options: &'a [u8],
        /// When the kernel or the hardware saw it.
        stamp: Option<Stamp>,
        /// The identifier was chosen by the kernel, and is known to be the socket's.
        ours: bool,
    },
    /// An ICMP error (RFC 792, RFC 1122 section 3.2.2) that quotes a datagram.
    IcmpError {
        /// Who sent the error.
        offender: Ipv4Addr,
        /// ICMP type: 3, 4, 5, 11 or 12.
        icmp_type: u8,
        /// ICMP code.
        code: u8,
        /// The number in the second 32-bit word: next-hop MTU (16 bits), pointer (8 bits) or
        /// gateway (32 bits), as the type has it; 0 where the type has none.
        info: u32,
        /// The whole ICMP message from its type on, with any extensions (RFC 4884).
        message: Option<&'a [u8]>,
        /// What the error says it is about.
        quoted: Quoted<'a>,
        /// The time to live the error arrived with.
        ttl: Option<u8>,
        /// The type of service octet the error arrived with.
        tos: Option<u8>,
        /// When the kernel or the hardware saw it.
        stamp: Option<Stamp>,
    },
    /// A probe has left: its time stamp, which may come at any time after it was handed out, even
    /// after its reply. Not told for every probe, nor by every engine.
    Sent {
        /// Which probe.
        id: ProbeId,
        /// When the kernel or the hardware let it go.
        stamp: Stamp,
    },
    /// A probe was handed to the kernel, in a call before which it was `now`. Told for each probe
    /// that is not [`SendFailed`](Self::SendFailed), before anything it caused.
    HandedOver {
        /// Which probe.
        id: ProbeId,
    },
    /// A probe was refused by the kernel.
    SendFailed {
        /// Which probe.
        id: ProbeId,
        /// The error number, as in errno(3).
        error: i32,
        /// For EMSGSIZE, the MTU that the kernel knows.
        mtu: Option<u32>,
    },
    /// Our own receive buffers were full for so many messages since the last such event. It is
    /// the most that were ours: recent kernels count what a full raw socket would not have taken
    /// anyway, such as other people's ICMP, and on the loopback our own requests.
    LocalDrops(u64),
}
