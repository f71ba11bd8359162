//! Registries: the names IANA and IEEE give to numbers, and the kinds of IPv4 addresses.
//!
//! Facts only; nothing here reads a packet.

use std::fmt::{self, Display};

/// IPv4 (RFC 894).
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// ARP (RFC 826).
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// Ethernet bridged inside GRE and NVGRE (RFC 1701, RFC 7637).
pub const ETHERTYPE_TEB: u16 = 0x6558;
/// A VLAN tag (IEEE 802.1Q).
pub const ETHERTYPE_VLAN: u16 = 0x8100;
/// IPv6 (RFC 2464).
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// PPP inside GRE (RFC 2637, RFC 3818).
pub const ETHERTYPE_PPP: u16 = 0x880b;
/// MPLS (RFC 3032, RFC 5332).
pub const ETHERTYPE_MPLS: u16 = 0x8847;
/// MPLS, upstream assigned or multicast (RFC 5332).
pub const ETHERTYPE_MPLS_UPSTREAM: u16 = 0x8848;
/// PPPoE session stage (RFC 2516).
pub const ETHERTYPE_PPPOE: u16 = 0x8864;
/// A service VLAN tag (IEEE 802.1ad).
pub const ETHERTYPE_SERVICE_VLAN: u16 = 0x88a8;
/// A VLAN tag as some switches stacked it before 802.1ad.
pub const ETHERTYPE_QINQ_OLD: u16 = 0x9100;

/// ICMP (RFC 792).
pub const PROTOCOL_ICMP: u8 = 1;
/// IGMP (RFC 1112, RFC 9776).
pub const PROTOCOL_IGMP: u8 = 2;
/// IPv4 in IP (RFC 2003).
pub const PROTOCOL_IPV4: u8 = 4;
/// TCP (RFC 9293).
pub const PROTOCOL_TCP: u8 = 6;
/// UDP (RFC 768).
pub const PROTOCOL_UDP: u8 = 17;
/// IPv6 in IP (RFC 4213).
pub const PROTOCOL_IPV6: u8 = 41;
/// GRE (RFC 2784).
pub const PROTOCOL_GRE: u8 = 47;
/// ICMPv6 (RFC 4443), at home in IPv6 only.
pub const PROTOCOL_ICMPV6: u8 = 58;
/// Reserved.
pub const PROTOCOL_RESERVED: u8 = 255;

/// The name of an EtherType.
#[must_use]
pub const fn ethertype(kind: u16) -> Option<&'static str> {
    Some(match kind {
        ETHERTYPE_IPV4 => "IPv4",
        _ => return None,
    })
}

/// The name of an IP protocol number (IANA protocol-numbers).
#[must_use]
pub const fn protocol(number: u8) -> Option<&'static str> {
    Some(match number {
        PROTOCOL_ICMP => "ICMP",
        PROTOCOL_TCP => "TCP",
        PROTOCOL_UDP => "UDP",
        _ => return None,
    })
}

/// The name of a differentiated services codepoint (IANA dscp-registry).
#[must_use]
pub const fn dscp(codepoint: u8) -> Option<&'static str> {
    Some(match codepoint {
        0 => "CS0, best effort",
        _ => return None,
    })
}

/// The name of an ECN codepoint, the low two bits (RFC 3168 section 5).
#[must_use]
pub const fn ecn(codepoint: u8) -> &'static str {
    match codepoint & 3 {
        0 => "Not-ECT",
        1 => "ECT(1)",
        2 => "ECT(0)",
        _ => "CE, congestion experienced",
    }
}

/// A protocol number by name, or `protocol N`.
#[derive(Debug, Clone, Copy)]
pub struct ProtocolName(pub u8);

impl Display for ProtocolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match protocol(self.0) {
            Some(name) => f.write_str(name),
            None => write!(f, "protocol {}", self.0),
        }
    }
}

/// What kind of IPv4 address this is (RFC 6890 and IANA's special-purpose registries).
#[derive(Debug, Clone, Copy)]
pub struct AddressKind(pub [u8; 4]);

impl Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            [127, ..] => "loopback",
            _ => "global",
        })
    }
}
