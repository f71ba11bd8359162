//! One captured frame and what its source knew about it: the input of everything in `wire`.
//!
//! Knows nothing of where frames come from: a file and a live ring hand out the same thing.

use std::fmt;

/// A moment, as seconds and nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted.
///
/// Seconds are signed because a pcapng time offset may be negative; `nanoseconds` is always
/// below 1,000,000,000 and counts forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Time {
    /// Whole seconds.
    pub seconds: i64,
    /// The rest, 0 to 999,999,999.
    pub nanoseconds: u32,
}

impl Time {
    /// Nanoseconds from `earlier` to `self`; negative when time went backwards.
    #[must_use]
    pub fn since(self, earlier: Self) -> i128 {
        self.total_nanoseconds() - earlier.total_nanoseconds()
    }

    /// Nanoseconds since 1970.
    #[must_use]
    pub fn total_nanoseconds(self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanoseconds)
    }
}

/// Which way a frame went through its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Received.
    In,
    /// Sent.
    Out,
}

impl Direction {
    /// `in` or `out`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

/// What the kernel or the driver knew about checksums and segmentation when it handed the
/// frame over. All false means: nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Offload {
    /// The transport checksum was left for the hardware: what the frame holds is not final.
    pub checksum_not_ready: bool,
    /// The hardware or the kernel has verified the transport checksum.
    pub checksum_valid: bool,
    /// The frame is a TCP segment of several wire packets (TSO, GRO, BIG TCP).
    pub segmentation: bool,
}

impl Offload {
    /// True when the source said anything at all.
    #[must_use]
    pub fn is_known(self) -> bool {
        self != Self::default()
    }
}

/// The kind of the first header, as the LINKTYPE_ number of pcap and pcapng files
/// (<https://www.tcpdump.org/linktypes.html>). Any number is representable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: address family in the byte order of the capturing host.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// SLIP with the BSD pseudo header.
    pub const SLIP: Self = Self(8);
    /// PPP, with or without HDLC-like framing.
    pub const PPP: Self = Self(9);
    /// Raw IP, as some systems number it in files.
    pub const RAW_BSD: Self = Self(12);
    /// Raw IP, as OpenBSD numbers it.
    pub const RAW_OPENBSD: Self = Self(14);
    /// PPP in HDLC-like framing (RFC 1662).
    pub const PPP_HDLC: Self = Self(50);
    /// PPP over Ethernet session frames without the Ethernet header.
    pub const PPP_ETHER: Self = Self(51);
    /// Raw IP.
    pub const RAW: Self = Self(101);
    /// Cisco HDLC.
    pub const C_HDLC: Self = Self(104);
    /// OpenBSD loopback: address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture, version 1.
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture, version 2.
    pub const LINUX_SLL2: Self = Self(276);

    /// The registered name without its `LINKTYPE_`, if dotquad dissects this type.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::NULL => "NULL",
            Self::ETHERNET => "ETHERNET",
            Self::SLIP => "SLIP",
            Self::PPP => "PPP",
            Self::RAW_BSD | Self::RAW_OPENBSD | Self::RAW => "RAW",
            Self::PPP_HDLC => "PPP_HDLC",
            Self::PPP_ETHER => "PPP_ETHER",
            Self::C_HDLC => "C_HDLC",
            Self::LOOP => "LOOP",
            Self::LINUX_SLL => "LINUX_SLL",
            Self::IPV4 => "IPV4",
            Self::IPV6 => "IPV6",
            Self::LINUX_SLL2 => "LINUX_SLL2",
            _ => return None,
        })
    }
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "link type {}", self.0),
        }
    }
}

/// One frame as it was captured, borrowed from the batch that holds it.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The 1-based number in its source, before any filtering.
    pub number: u64,
    /// When it was captured; a pcapng simple packet block has no time.
    pub time: Option<Time>,
    /// The kind of the first header in `bytes`.
    pub link_type: LinkType,
    /// How many bytes the frame had on the wire. A damaged source may claim fewer than it holds.
    pub wire_len: u32,
    /// The bytes that were kept: all of them, or the first part when a snaplen cut it.
    pub bytes: &'a [u8],
    /// Index in the source's interface table, for sources that have one.
    pub interface: Option<u32>,
    /// Which way it went, if the source knew.
    pub direction: Option<Direction>,
    /// What the source knew about offloading.
    pub offload: Offload,
    /// Comments that a pcapng file attaches to the frame.
    pub comments: &'a [String],
}
