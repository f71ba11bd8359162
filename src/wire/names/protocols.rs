//! The names of IP protocol numbers.

use std::fmt::{self, Display};

/// The name of an IP protocol number (IANA protocol-numbers), or `None` where IANA has assigned
/// nothing.
#[must_use]
pub const fn protocol(number: u8) -> Option<&'static str> {
    Some(match number {
        0 => "HOPOPT",
        super::PROTOCOL_ICMP => "ICMP",
        super::PROTOCOL_IGMP => "IGMP",
        3 => "GGP",
        super::PROTOCOL_IPV4 => "IPv4",
        5 => "ST",
        super::PROTOCOL_TCP => "TCP",
        7 => "CBT",
        8 => "EGP",
        9 => "IGP",
        10 => "BBN-RCC-MON",
        11 => "NVP-II",
        12 => "PUP",
        13 => "ARGUS",
        14 => "EMCON",
        15 => "XNET",
        16 => "CHAOS",
        super::PROTOCOL_UDP => "UDP",
        18 => "MUX",
        19 => "DCN-MEAS",
        20 => "HMP",
        21 => "PRM",
        22 => "XNS-IDP",
        23 => "TRUNK-1",
        24 => "TRUNK-2",
        25 => "LEAF-1",
        26 => "LEAF-2",
        27 => "RDP",
        28 => "IRTP",
        29 => "ISO-TP4",
        30 => "NETBLT",
        31 => "MFE-NSP",
        32 => "MERIT-INP",
        33 => "DCCP",
        34 => "3PC",
        35 => "IDPR",
        36 => "XTP",
        37 => "DDP",
        38 => "IDPR-CMTP",
        39 => "TP++",
        40 => "IL",
        super::PROTOCOL_IPV6 => "IPv6",
        42 => "SDRP",
        43 => "IPv6-Route",
        44 => "IPv6-Frag",
        45 => "IDRP",
        46 => "RSVP",
        super::PROTOCOL_GRE => "GRE",
        48 => "DSR",
        49 => "BNA",
        50 => "ESP",
        51 => "AH",
        52 => "I-NLSP",
        53 => "SWIPE",
        54 => "NARP",
        55 => "Min-IPv4",
        56 => "TLSP",
        57 => "SKIP",
        super::PROTOCOL_ICMPV6 => "ICMPv6",
        59 => "IPv6-NoNxt",
        60 => "IPv6-Opts",
        61 => "any host internal protocol",
        62 => "CFTP",
        63 => "any local network",
        64 => "SAT-EXPAK",
        65 => "KRYPTOLAN",
        66 => "RVD",
        67 => "IPPC",
        68 => "any distributed file system",
        69 => "SAT-MON",
        70 => "VISA",
        71 => "IPCV",
        72 => "CPNX",
        73 => "CPHB",
        74 => "WSN",
        75 => "PVP",
        76 => "BR-SAT-MON",
        77 => "SUN-ND",
        78 => "WB-MON",
        79 => "WB-EXPAK",
        80 => "ISO-IP",
        81 => "VMTP",
        82 => "SECURE-VMTP",
        83 => "VINES",
        84 => "IPTM",
        85 => "NSFNET-IGP",
        86 => "DGP",
        87 => "TCF",
        88 => "EIGRP",
        89 => "OSPF",
        90 => "Sprite-RPC",
        91 => "LARP",
        92 => "MTP",
        93 => "AX.25",
        94 => "IPIP",
        95 => "MICP",
        96 => "SCC-SP",
        97 => "ETHERIP",
        98 => "ENCAP",
        99 => "any private encryption scheme",
        100 => "GMTP",
        101 => "IFMP",
        102 => "PNNI",
        103 => "PIM",
        104 => "ARIS",
        105 => "SCPS",
        106 => "QNX",
        107 => "A/N",
        108 => "IPComp",
        109 => "SNP",
        110 => "Compaq-Peer",
        111 => "IPX-in-IP",
        112 => "VRRP",
        113 => "PGM",
        114 => "any 0-hop protocol",
        115 => "L2TP",
        116 => "DDX",
        117 => "IATP",
        118 => "STP",
        119 => "SRP",
        120 => "UTI",
        121 => "SMP",
        122 => "SM",
        123 => "PTP",
        124 => "ISIS over IPv4",
        125 => "FIRE",
        126 => "CRTP",
        127 => "CRUDP",
        128 => "SSCOPMCE",
        129 => "IPLT",
        130 => "SPS",
        131 => "PIPE",
        132 => "SCTP",
        133 => "FC",
        134 => "RSVP-E2E-IGNORE",
        135 => "Mobility Header",
        136 => "UDPLite",
        137 => "MPLS-in-IP",
        138 => "manet",
        139 => "HIP",
        140 => "Shim6",
        141 => "WESP",
        142 => "ROHC",
        143 => "Ethernet",
        144 => "AGGFRAG",
        145 => "NSH",
        146 => "Homa",
        // RFC 3692
        253 | 254 => "experimental",
        super::PROTOCOL_RESERVED => "reserved",
        _ => return None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assigned_unassigned_and_reserved() {
        assert_eq!(ProtocolName(1).to_string(), "ICMP");
        assert_eq!(ProtocolName(89).to_string(), "OSPF");
        assert_eq!(ProtocolName(146).to_string(), "Homa");
        assert_eq!(ProtocolName(147).to_string(), "protocol 147");
        assert_eq!(ProtocolName(252).to_string(), "protocol 252");
        assert_eq!(ProtocolName(253).to_string(), "experimental");
        assert_eq!(ProtocolName(255).to_string(), "reserved");
    }
}
