//! Registries: the names IANA and IEEE give to numbers, and the kinds of IPv4 addresses.
//!
//! Facts only; nothing here reads a packet.

mod addresses;
mod protocols;
mod services;

pub use super::ipv4_options::{kinds as ipv4_option_kinds, name as ipv4_option};
pub use addresses::{AddressKind, address_kind};
pub use protocols::{ProtocolName, protocol};
pub use services::{PORT_VXLAN, Service, Transport, service};

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

/// The name of an EtherType (IANA ieee-802-numbers, IEEE registration authority).
#[must_use]
pub const fn ethertype(kind: u16) -> Option<&'static str> {
    Some(match kind {
        ETHERTYPE_IPV4 => "IPv4",
        0x0805 => "X.25",
        ETHERTYPE_ARP => "ARP",
        0x0842 => "Wake-on-LAN",
        0x22ea => "SRP",
        0x22eb => "ERSPAN III",
        0x22f0 => "AVTP",
        0x22f3 => "TRILL",
        0x22f4 => "L2-IS-IS",
        0x6001 => "DEC MOP dump and load",
        0x6002 => "DEC MOP remote console",
        0x6003 => "DECnet",
        0x6004 => "DEC LAT",
        ETHERTYPE_TEB => "Ethernet, bridged",
        0x8035 => "RARP",
        0x809b => "AppleTalk",
        0x80f3 => "AppleTalk ARP",
        ETHERTYPE_VLAN => "VLAN",
        0x8137 => "IPX",
        0x8204 => "QNX Qnet",
        ETHERTYPE_IPV6 => "IPv6",
        0x8808 => "MAC control",
        0x8809 => "slow protocols",
        ETHERTYPE_PPP => "PPP",
        ETHERTYPE_MPLS => "MPLS",
        ETHERTYPE_MPLS_UPSTREAM => "MPLS, upstream-assigned",
        0x8863 => "PPPoE discovery",
        ETHERTYPE_PPPOE => "PPPoE session",
        0x887b => "HomePlug",
        0x888e => "EAPOL",
        0x8892 => "PROFINET",
        0x889a => "HyperSCSI",
        0x88a2 => "ATA over Ethernet",
        0x88a4 => "EtherCAT",
        ETHERTYPE_SERVICE_VLAN => "service VLAN",
        0x88ab => "Ethernet Powerlink",
        0x88b5 | 0x88b6 => "local experiment",
        0x88b7 => "OUI-extended",
        0x88b8 => "GOOSE",
        0x88b9 => "GSE",
        0x88ba => "sampled values",
        0x88be => "ERSPAN II",
        0x88cc => "LLDP",
        0x88cd => "SERCOS III",
        0x88e1 => "HomePlug AV",
        0x88e3 => "MRP",
        0x88e5 => "MACsec",
        0x88e7 => "provider backbone bridging",
        0x88f5 => "MVRP",
        0x88f6 => "MMRP",
        0x88f7 => "PTP",
        0x88f8 => "NC-SI",
        0x88fb => "PRP",
        0x8902 => "CFM",
        0x8906 => "FCoE",
        0x8914 => "FCoE initialization",
        0x8915 => "RoCE",
        0x891d => "TTEthernet",
        0x892f => "HSR",
        0x893a => "IEEE 1905.1",
        0x894f => "NSH",
        0x9000 => "loopback test",
        ETHERTYPE_QINQ_OLD => "VLAN, old QinQ",
        0xf1c1 => "R-TAG",
        _ => return None,
    })
}

/// The name of a differentiated services codepoint (IANA dscp-registry: RFC 2474, RFC 2597,
/// RFC 3246, RFC 5865, RFC 8622, RFC 9956) and what RFC 4594 uses the class selectors for.
#[must_use]
pub const fn dscp(codepoint: u8) -> Option<&'static str> {
    Some(match codepoint {
        0 => "CS0, best effort",
        1 => "LE, lower effort",
        8 => "CS1, low-priority data",
        10 => "AF11, class 1, low drop precedence",
        12 => "AF12, class 1, medium drop precedence",
        14 => "AF13, class 1, high drop precedence",
        16 => "CS2, operations and management",
        18 => "AF21, class 2, low drop precedence",
        20 => "AF22, class 2, medium drop precedence",
        22 => "AF23, class 2, high drop precedence",
        24 => "CS3, broadcast video",
        26 => "AF31, class 3, low drop precedence",
        28 => "AF32, class 3, medium drop precedence",
        30 => "AF33, class 3, high drop precedence",
        32 => "CS4, real-time interactive",
        34 => "AF41, class 4, low drop precedence",
        36 => "AF42, class 4, medium drop precedence",
        38 => "AF43, class 4, high drop precedence",
        40 => "CS5, signaling",
        44 => "VOICE-ADMIT, admitted voice",
        45 => "NQB, non-queue-building",
        46 => "EF, expedited forwarding",
        48 => "CS6, network control",
        56 => "CS7, network control",
        // Pool 2 of RFC 2474 section 6: xxxx11.
        _ if codepoint < 64 && codepoint & 3 == 3 => "experimental or local use",
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

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2597 section 6: class and drop precedence are the bits of the codepoint.
    #[test]
    fn assured_forwarding_is_numbered_by_its_bits() {
        for class in 1..=4u8 {
            for drop in 1..=3u8 {
                let name = dscp(class << 3 | drop << 1).unwrap_or_default();
                assert!(name.starts_with(&format!("AF{class}{drop}, class {class}")));
            }
        }
    }

    #[test]
    fn codepoints_of_every_pool() {
        assert_eq!(dscp(46), Some("EF, expedited forwarding"));
        assert_eq!(dscp(45), Some("NQB, non-queue-building"));
        assert_eq!(dscp(63), Some("experimental or local use"));
        assert_eq!(dscp(2), None);
        assert_eq!(dscp(5), None);
    }

    #[test]
    fn ethertypes() {
        assert_eq!(ethertype(0x0800), Some("IPv4"));
        assert_eq!(ethertype(0x88cc), Some("LLDP"));
        assert_eq!(ethertype(0x1234), None);
    }
}
