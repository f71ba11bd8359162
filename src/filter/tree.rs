//! The typed tree: an expression with every word's meaning settled, for any link type.
//!
//! Numbers in the tree are as the language writes them: addresses and masks as 32-bit numbers
//! whose first dotted part is the most significant, labels and ids unshifted.

use super::fault::Span;

/// A boolean expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// True when all are.
    And(Vec<Node>),
    /// True when one is.
    Or(Vec<Node>),
    /// True when it is not.
    Not(Box<Node>),
    /// One primitive and its place in the text.
    Primitive(Primitive, Span),
}

/// Which of a packet's two addresses or ports must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// `src`
    Source,
    /// `dst`
    Destination,
    /// `src or dst`, and when nothing is said
    Either,
    /// `src and dst`
    Both,
}

/// Which network protocols an IPv4 address is looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// IPv4, ARP and RARP.
    Any,
    /// IPv4 only.
    Ip,
    /// ARP only.
    Arp,
    /// RARP only.
    Rarp,
}

/// Which versions of IP a protocol number is looked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// IPv4 and IPv6.
    Any,
    /// IPv4 only.
    V4,
    /// IPv6 only.
    V6,
}

/// One test that the language has a word for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Primitive {
    /// One of these IPv4 addresses, or nets where the mask is not all ones.
    Host {
        /// Where to look.
        family: Family,
        /// Which address.
        direction: Direction,
        /// Address and mask of each that counts; no address has bits outside its mask.
        networks: Vec<(u32, u32)>,
    },
    /// One of these IPv6 addresses or nets.
    Host6 {
        /// Which address.
        direction: Direction,
        /// Address and mask of each that counts; no address has bits outside its mask.
        networks: Vec<(u128, u128)>,
    },
    /// A name that stands for an IPv4 net.
    NetName {
        /// Where to look.
        family: Family,
        /// Which address.
        direction: Direction,
        /// The name.
        name: String,
    },
    /// A name that stands for IPv4 addresses.
    HostName {
        /// Where to look.
        family: Family,
        /// Which address.
        direction: Direction,
        /// The name.
        name: String,
    },
    /// Seen at this host's Ethernet address without being from or to its IP address.
    Gateway {
        /// The host's name.
        name: String,
    },
    /// One of these Ethernet addresses.
    EtherHost {
        /// Which address.
        direction: Direction,
        /// Each that counts.
        addresses: Vec<[u8; 6]>,
    },
    /// A name that stands for an Ethernet address.
    EtherName {
        /// Which address.
        direction: Direction,
        /// The name.
        name: String,
    },
    /// A port in one of these ranges.
    Port {
        /// The transport protocols that count, by number: of 6 (TCP), 17 (UDP), 132 (SCTP).
        transports: Vec<u8>,
        /// Which port.
        direction: Direction,
        /// The lowest and the highest port of each range.
        ranges: Vec<(u16, u16)>,
    },
    /// What the link layer carries: an Ethertype, or up to 1500 an LLC service access point.
    LinkProtocol(u32),
    /// The protocol number of the IP header.
    IpProtocol {
        /// In which IP header.
        version: Version,
        /// The number.
        number: u8,
    },
    /// The protocol number of the IP header or of any extension header after it.
    ProtocolChain {
        /// In which IP header.
        version: Version,
        /// The number.
        number: u8,
    },
    /// The network layer protocol identifier of an OSI packet.
    IsoProtocol(u8),
    /// To the Ethernet broadcast address.
    EtherBroadcast,
    /// To an Ethernet group address.
    EtherMulticast,
    /// To an IPv4 broadcast address of the capturing interface's net.
    IpBroadcast,
    /// To an IPv4 multicast address.
    IpMulticast,
    /// To an IPv6 multicast address.
    Ip6Multicast,
    /// Received by the capturing host.
    Inbound,
    /// Sent by the capturing host.
    Outbound,
    /// Captured on the interface with this kernel index.
    InterfaceIndex(u32),
    /// In an 802.1Q VLAN.
    Vlan(Option<u16>),
    /// Behind an MPLS label.
    Mpls(Option<u32>),
    /// `PPPoE` discovery.
    PppoeDiscovery,
    /// In a `PPPoE` session.
    PppoeSession(Option<u16>),
    /// In a Geneve tunnel.
    Geneve(Option<u32>),
    /// In a VXLAN tunnel.
    Vxlan(Option<u32>),
    /// With an LLC header whose control field (IEEE 802.2) has these bits of the mask.
    Llc {
        /// The bits that count; none of them when any LLC header does.
        mask: u8,
        /// What they are.
        bits: u8,
    },
    /// Two numbers compared.
    Relation {
        /// The left number.
        left: Arithmetic,
        /// The comparison.
        comparison: Comparison,
        /// The right number.
        right: Arithmetic,
    },
}

/// How two numbers are compared, both unsigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterEqual,
}

impl Comparison {
    pub(super) fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => left < right,
            Self::LessEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterEqual => left >= right,
        }
    }
}

/// Where an accessor's offset counts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Layer {
    /// The link layer header.
    Link,
    /// The header of what this Ethertype names.
    Network(u32),
    /// The header of this protocol right after an IPv4 header, in an unfragmented or first
    /// fragment.
    Transport(u8),
    /// `ICMPv6` right after the IPv6 header.
    Icmp6,
}

/// A number computed from the packet: 32 bits, unsigned, wrapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Arithmetic {
    /// A constant.
    Number(u32),
    /// The packet's length on the wire, in bytes.
    Length,
    /// Bytes of the packet, first one most significant.
    Load {
        /// Where the offset counts from.
        layer: Layer,
        /// The offset in bytes.
        offset: Box<Arithmetic>,
        /// 1, 2 or 4 bytes.
        size: u8,
    },
    /// Two's complement.
    Negate(Box<Arithmetic>),
    /// Two numbers combined.
    Binary {
        /// The operator.
        operator: Operator,
        /// The left number.
        left: Box<Arithmetic>,
        /// The right number.
        right: Box<Arithmetic>,
    },
}

impl Arithmetic {
    /// Whether bytes of the packet are in it.
    pub(super) fn loads(&self) -> bool {
        match self {
            Self::Number(_) | Self::Length => false,
            Self::Load { .. } => true,
            Self::Negate(of) => of.loads(),
            Self::Binary { left, right, .. } => left.loads() || right.loads(),
        }
    }
}

/// An arithmetic operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Operator {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`; by zero, the packet does not match
    Divide,
    /// `%`; by zero, the packet does not match
    Modulo,
    /// `&`
    And,
    /// `|`
    Or,
    /// `^`
    Xor,
    /// `<<`; by more than 31, zero
    ShiftLeft,
    /// `>>`; by more than 31, zero
    ShiftRight,
}

impl Operator {
    /// The result, or none for a division by zero.
    #[must_use]
    pub(super) fn apply(self, left: u32, right: u32) -> Option<u32> {
        Some(match self {
            Self::Add => left.wrapping_add(right),
            Self::Subtract => left.wrapping_sub(right),
            Self::Multiply => left.wrapping_mul(right),
            Self::Divide => left.checked_div(right)?,
            Self::Modulo => left.checked_rem(right)?,
            Self::And => left & right,
            Self::Or => left | right,
            Self::Xor => left ^ right,
            Self::ShiftLeft => left.checked_shl(right).unwrap_or(0),
            Self::ShiftRight => left.checked_shr(right).unwrap_or(0),
        })
    }
}
