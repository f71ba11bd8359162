//! The names the language resolves by itself, without the network and without the host's files:
//! services, IP protocols, Ethertypes, header fields and their values.

use super::tree::Layer;
use crate::wire::names as wire;
pub(super) use crate::wire::names::{
    PORT_VXLAN as VXLAN_PORT, PROTOCOL_TCP as TCP, PROTOCOL_UDP as UDP,
};

pub(super) mod services;

/// What a protocol word at the head of a primitive stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// The link layer itself.
    Link,
    /// What the link layer carries, by Ethertype or LLC service access point.
    Network(u32),
    /// An IP protocol, and whether it counts in IPv4, in IPv6, or in both.
    Ip(super::tree::Version, u8),
    /// A network layer protocol of OSI.
    Iso(u8),
}

impl Protocol {
    /// Where `word[offset]` counts from, for the protocols that have such an accessor.
    pub(super) fn layer(self) -> Option<Layer> {
        use super::tree::Version;
        match self {
            Self::Link => Some(Layer::Link),
            Self::Network(number) => Some(Layer::Network(number)),
            Self::Ip(Version::V6, 58) => Some(Layer::Icmp6),
            Self::Ip(Version::V4 | Version::Any, number) => Some(Layer::Transport(number)),
            Self::Ip(..) | Self::Iso(_) => None,
        }
    }
}

/// IPv4's Ethertype (RFC 894).
pub(super) const IPV4: u32 = wire::ETHERTYPE_IPV4 as u32;
/// ARP's Ethertype (RFC 826).
pub(super) const ARP: u32 = wire::ETHERTYPE_ARP as u32;
/// RARP's Ethertype (RFC 903).
pub(super) const RARP: u32 = 0x8035;
/// IPv6's Ethertype (RFC 2464).
pub(super) const IPV6: u32 = wire::ETHERTYPE_IPV6 as u32;
/// The Ethertypes of VLAN tags: 802.1Q, 802.1ad, and the one used before 802.1ad.
pub(super) const VLANS: [u32; 3] = [
    wire::ETHERTYPE_VLAN as u32,
    wire::ETHERTYPE_SERVICE_VLAN as u32,
    wire::ETHERTYPE_QINQ_OLD as u32,
];
/// MPLS unicast (RFC 5332).
pub(super) const MPLS: u32 = wire::ETHERTYPE_MPLS as u32;
/// MPLS with upstream-assigned label (RFC 5332).
pub(super) const MPLS_UPSTREAM: u32 = wire::ETHERTYPE_MPLS_UPSTREAM as u32;
/// `PPPoE` discovery (RFC 2516).
pub(super) const PPPOE_DISCOVERY: u32 = 0x8863;
/// `PPPoE` session (RFC 2516).
pub(super) const PPPOE_SESSION: u32 = wire::ETHERTYPE_PPPOE as u32;
/// Ethernet in GRE and Geneve (RFC 7637).
pub(super) const BRIDGED: u32 = wire::ETHERTYPE_TEB as u32;
/// `AppleTalk` over Ethernet.
pub(super) const ATALK: u32 = 0x809b;
/// `AppleTalk` ARP.
pub(super) const AARP: u32 = 0x80f3;
/// IPX over Ethernet, and in LLC's SNAP.
pub(super) const IPX: u32 = 0x8137;
/// LLC service access point of ISO network layer protocols.
pub(super) const LLC_ISO: u32 = 0xfe;
/// LLC service access point of the spanning tree protocol.
pub(super) const LLC_STP: u32 = 0x42;
/// LLC service access point of IPX.
pub(super) const LLC_IPX: u32 = 0xe0;
/// LLC service access point of `NetBEUI`.
pub(super) const LLC_NETBEUI: u32 = 0xf0;
/// The largest value of an Ethernet length field (IEEE 802.3); above it, it is a type.
pub(super) const LONGEST_802_3: u32 = 1500;
/// SCTP's protocol number.
pub(super) const SCTP: u8 = 132;
/// The UDP port of Geneve (RFC 8926).
pub(super) const GENEVE_PORT: u16 = 6081;

/// The protocol that a keyword names.
pub(super) fn protocol(word: &str) -> Option<Protocol> {
    use super::tree::Version::{Any, V4, V6};
    Some(match word {
        "ether" | "link" | "fddi" | "tr" | "wlan" | "ppp" | "slip" => Protocol::Link,
        "icmp" => Protocol::Ip(V4, 1),
        "igmp" => Protocol::Ip(V4, 2),
        "igrp" => Protocol::Ip(V4, 9),
        "vrrp" | "carp" => Protocol::Ip(V4, 112),
        "icmp6" => Protocol::Ip(V6, 58),
        "tcp" => Protocol::Ip(Any, TCP),
        "udp" => Protocol::Ip(Any, UDP),
        "sctp" => Protocol::Ip(Any, SCTP),
        "esp" => Protocol::Ip(Any, 50),
        "ah" => Protocol::Ip(Any, 51),
        "pim" => Protocol::Ip(Any, 103),
        "clnp" => Protocol::Iso(0x81),
        "esis" => Protocol::Iso(0x82),
        "isis" => Protocol::Iso(0x83),
        _ => Protocol::Network(link_keyword(word)?),
    })
}

/// The keyword's Ethertype or LLC service access point.
fn link_keyword(word: &str) -> Option<u32> {
    Some(match word {
        "ip" => IPV4,
        "ip6" => IPV6,
        "arp" => ARP,
        "rarp" => RARP,
        "atalk" => ATALK,
        "aarp" => AARP,
        "decnet" => 0x6003,
        "lat" => 0x6004,
        "sca" => 0x6007,
        "mopdl" => 0x6001,
        "moprc" => 0x6002,
        "ipx" => LLC_IPX,
        "stp" => LLC_STP,
        "iso" => LLC_ISO,
        "netbeui" => LLC_NETBEUI,
        _ => return None,
    })
}

/// The Ethertype or LLC service access point called this after `ether proto`.
pub(super) fn ether_protocol(name: &str) -> Option<u32> {
    match name {
        "ipv4" => Some(IPV4),
        "ipv6" => Some(IPV6),
        "loopback" => Some(0x9000),
        "vlan" => Some(wire::ETHERTYPE_VLAN.into()),
        "mpls" => Some(MPLS),
        "lldp" => Some(0x88cc),
        _ => link_keyword(name),
    }
}

/// The ISO network layer protocol called this after `iso proto`.
pub(super) fn iso_protocol(name: &str) -> Option<u8> {
    match protocol(name) {
        Some(Protocol::Iso(number)) => Some(number),
        _ => None,
    }
}

/// The IP protocol number called this after `ip proto`.
pub(super) fn ip_protocol(name: &str) -> Option<u8> {
    lookup(IP_PROTOCOLS, name)
}

/// The port of a service, and the transports it is registered for as the bits of `services`.
pub(super) fn service(name: &str) -> Option<(u16, u8)> {
    let at = services::SERVICES
        .binary_search_by(|(candidate, _, _)| (*candidate).cmp(name))
        .ok()?;
    services::SERVICES
        .get(at)
        .map(|&(_, port, transports)| (port, transports))
}

/// The type that Cisco's HDLC has for what an Ethertype or LLC service access point names: for OSI
/// the service access points of both ends.
pub(super) fn cisco(number: u32) -> u32 {
    if number == LLC_ISO { 0xfefe } else { number }
}

/// The bits of an LLC control field that a kind of frame has, and what they are (IEEE 802.2): any
/// bit for poll and final.
pub(super) fn llc_control(kind: &str) -> Option<(u8, u8)> {
    Some(match kind {
        "i" => (0x01, 0x00),
        "s" => (0x03, 0x01),
        "u" => (0x03, 0x03),
        "rr" => (0x0f, 0x01),
        "rnr" => (0x0f, 0x05),
        "rej" => (0x0f, 0x09),
        "ui" => (0xef, 0x03),
        "ua" => (0xef, 0x63),
        "disc" => (0xef, 0x43),
        "sabme" => (0xef, 0x6f),
        "test" => (0xef, 0xe3),
        "xid" => (0xef, 0xaf),
        "frmr" => (0xef, 0x87),
        _ => return None,
    })
}

/// What a word of the language belongs to that no link type here has.
pub(super) fn foreign(word: &str) -> Option<&'static str> {
    Some(match word {
        "type" | "subtype" | "dir" | "direction" | "ra" | "ta" | "addr1" | "addr2" | "addr3"
        | "addr4" | "radio" => "IEEE 802.11 captures",
        "lane" | "metac" | "bcc" | "oam" | "oamf4" | "oamf4ec" | "oamf4sc" | "sc" | "ilmic"
        | "connectmsg" | "metaconnect" | "vpi" | "vci" => "ATM captures",
        "fisu" | "lssu" | "lsu" | "msu" | "hfisu" | "hlssu" | "hmsu" | "sio" | "opc" | "dpc"
        | "sls" | "hsio" | "hopc" | "hdpc" | "hsls" => "SS7 captures",
        "ifname" | "on" | "rnr" | "rulenum" | "reason" | "rset" | "ruleset" | "srnr"
        | "subrulenum" | "action" => "the logs of OpenBSD's packet filter",
        "l1" | "l2" | "iih" | "lsp" | "snp" | "csnp" | "psnp" => {
            "IS-IS, whose packet types can be asked for by their byte, such as `isis and ether[21] & 31 = 18`"
        }
        _ => return None,
    })
}

/// The number a named field offset or field value stands for in arithmetic.
pub(super) fn constant(name: &str) -> Option<u32> {
    lookup(CONSTANTS, name)
}

fn lookup<T: Copy>(table: &[(&str, T)], name: &str) -> Option<T> {
    let at = table
        .binary_search_by(|(candidate, _)| (*candidate).cmp(name))
        .ok()?;
    table.get(at).map(|&(_, value)| value)
}

/// IANA's protocol numbers under the names Unix systems use.
#[rustfmt::skip]
const IP_PROTOCOLS: &[(&str, u8)] = &[
    ("ah", 51), ("ax.25", 93), ("carp", 112), ("cphb", 73), ("dccp", 33), ("ddp", 37), ("egp", 8),
    ("eigrp", 88), ("encap", 98), ("esp", 50), ("etherip", 97), ("ethernet", 143), ("fc", 133),
    ("ggp", 3), ("gre", 47), ("hip", 139), ("hmp", 20), ("hopopt", 0), ("icmp", 1), ("icmp6", 58),
    ("idpr-cmtp", 38), ("idrp", 45), ("igmp", 2), ("igp", 9), ("igrp", 9), ("ip", 0),
    ("ip-encap", 4), ("ip6", 41), ("ipcomp", 108), ("ipencap", 4), ("ipip", 94), ("ipsec-ah", 51),
    ("ipsec-esp", 50), ("ipv6", 41), ("ipv6-frag", 44), ("ipv6-icmp", 58), ("ipv6-nonxt", 59),
    ("ipv6-opts", 60), ("ipv6-route", 43), ("isis", 124), ("iso-tp4", 29), ("l2tp", 115),
    ("manet", 138), ("mobility-header", 135), ("mpls-in-ip", 137), ("nvp", 11), ("ospf", 89),
    ("ospfigp", 89), ("pgm", 113), ("pim", 103), ("pup", 12), ("rdp", 27), ("rohc", 142),
    ("rspf", 73), ("rsvp", 46), ("sctp", 132), ("shim6", 140), ("skip", 57), ("st", 5), ("tcp", 6),
    ("udp", 17), ("udp-lite", 136), ("udplite", 136), ("vmtp", 81), ("vrrp", 112), ("wesp", 141),
    ("xns-idp", 22), ("xtp", 36),
];

/// Offsets of fields, ICMP types (RFC 792, 950, 1256), `ICMPv6` types (IANA), TCP flags (RFC 9293).
#[rustfmt::skip]
const CONSTANTS: &[(&str, u32)] = &[
    ("icmp-echo", 8), ("icmp-echoreply", 0), ("icmp-ireq", 15), ("icmp-ireqreply", 16),
    ("icmp-maskreply", 18), ("icmp-maskreq", 17), ("icmp-paramprob", 12), ("icmp-redirect", 5),
    ("icmp-routeradvert", 9), ("icmp-routersolicit", 10), ("icmp-sourcequench", 4),
    ("icmp-timxceed", 11), ("icmp-tstamp", 13), ("icmp-tstampreply", 14), ("icmp-unreach", 3),
    ("icmp6-certpathadvert", 149), ("icmp6-certpathsolicit", 148),
    ("icmp6-destinationunreach", 1), ("icmp6-echo", 128), ("icmp6-echoreply", 129),
    ("icmp6-homeagentdiscoveryreply", 145), ("icmp6-homeagentdiscoveryrequest", 144),
    ("icmp6-ineighbordiscoveryadvert", 142), ("icmp6-ineighbordiscoverysolicit", 141),
    ("icmp6-mobileprefixadvert", 147), ("icmp6-mobileprefixsolicit", 146),
    ("icmp6-multicastlistenerdone", 132), ("icmp6-multicastlistenerquery", 130),
    ("icmp6-multicastlistenerreportv1", 131), ("icmp6-multicastlistenerreportv2", 143),
    ("icmp6-multicastrouteradvert", 151), ("icmp6-multicastroutersolicit", 152),
    ("icmp6-multicastrouterterm", 153), ("icmp6-neighboradvert", 136),
    ("icmp6-neighborsolicit", 135), ("icmp6-nodeinformationquery", 139),
    ("icmp6-nodeinformationresponse", 140), ("icmp6-packettoobig", 2),
    ("icmp6-parameterproblem", 4), ("icmp6-redirect", 137), ("icmp6-routeradvert", 134),
    ("icmp6-routerrenum", 138), ("icmp6-routersolicit", 133), ("icmp6-timeexceeded", 3),
    ("icmp6code", 1), ("icmp6type", 0), ("icmpcode", 1), ("icmptype", 0),
    ("tcp-ack", 0x10), ("tcp-cwr", 0x80), ("tcp-ece", 0x40), ("tcp-fin", 0x01),
    ("tcp-push", 0x08), ("tcp-rst", 0x04), ("tcp-syn", 0x02), ("tcp-urg", 0x20),
    ("tcpflags", 13),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_sorted_by_distinct_names() {
        assert!(IP_PROTOCOLS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(CONSTANTS.is_sorted_by(|a, b| a.0 < b.0));
        assert!(services::SERVICES.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn names_are_found() {
        assert_eq!(service("http"), Some((80, services::TCP)));
        assert_eq!(service("domain"), Some((53, services::TCP | services::UDP)));
        assert_eq!(ip_protocol("icmp"), Some(1));
        assert_eq!(constant("tcp-syn"), Some(2));
        assert_eq!(service("htpp"), None);
    }
}
