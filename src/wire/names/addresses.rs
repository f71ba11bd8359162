//! What kind of IPv4 address an address is, by IANA's special-purpose and multicast registries.

use std::fmt::{self, Display};

/// The kind of an IPv4 address: IANA's special-purpose registry (RFC 6890, RFC 8190) and its
/// multicast blocks (RFC 5771); what stands in neither is `global`.
#[must_use]
pub const fn address_kind(address: [u8; 4]) -> &'static str {
    match address {
        // RFC 791, RFC 1122 section 3.2.1.3
        [0, 0, 0, 0] => "this host",
        [0, ..] => "this network",
        // RFC 1918
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => "private",
        // RFC 6598
        [100, 64..=127, ..] => "shared, carrier-grade NAT",
        // RFC 1122 section 3.2.1.3
        [127, ..] => "loopback",
        // RFC 3927
        [169, 254, ..] => "link-local",
        [192, 0, 0, last] => protocol_assignment(last),
        // RFC 5737
        [192, 0, 2, _] => "documentation, TEST-NET-1",
        [198, 51, 100, _] => "documentation, TEST-NET-2",
        [203, 0, 113, _] => "documentation, TEST-NET-3",
        // RFC 7535
        [192, 31, 196, _] => "AS112",
        // RFC 7450
        [192, 52, 193, _] => "AMT, automatic multicast tunnelling",
        // RFC 7526
        [192, 88, 99, _] => "6to4 relay anycast, deprecated",
        // RFC 7534
        [192, 175, 48, _] => "AS112, direct delegation",
        // RFC 2544
        [198, 18..=19, ..] => "benchmarking",
        [224..=239, ..] => multicast(address),
        // RFC 919, RFC 8190
        [255, 255, 255, 255] => "limited broadcast",
        // RFC 1112 section 4
        [240..=255, ..] => "reserved",
        _ => "global",
    }
}

/// 192.0.0.0/24: IETF protocol assignments, by the last byte.
const fn protocol_assignment(last: u8) -> &'static str {
    match last {
        // RFC 7335; within it the first addresses of DS-Lite and 464XLAT
        0..=7 => "IPv4 service continuity",
        // RFC 7600
        8 => "dummy address",
        // RFC 7723
        9 => "PCP anycast",
        // RFC 8155
        10 => "TURN anycast",
        // RFC 7050, RFC 8880
        170 | 171 => "NAT64 discovery",
        _ => "IETF protocol assignments",
    }
}

/// IANA multicast-addresses (RFC 5771).
const fn multicast(address: [u8; 4]) -> &'static str {
    match address {
        [224, 0, 0, last] => match last {
            1 => "multicast, all hosts of this link",
            2 => "multicast, all routers of this link",
            4 => "multicast, DVMRP routers",
            5 => "multicast, OSPF routers",
            6 => "multicast, OSPF designated routers",
            9 => "multicast, RIPv2 routers",
            10 => "multicast, EIGRP routers",
            13 => "multicast, PIM routers",
            18 => "multicast, VRRP",
            22 => "multicast, IGMPv3 reports",
            251 => "multicast, mDNS",
            252 => "multicast, LLMNR",
            _ => "multicast, local network control",
        },
        [224, 0, 1, 1] => "multicast, NTP",
        [224, 0, 1, 129..=132] => "multicast, PTP",
        [224, 0, 1, _] => "multicast, internetwork control",
        [224, 2, ..] => "multicast, session announcements",
        [224, 0 | 3 | 4, ..] | [233, 252..=255, ..] => "multicast, ad hoc",
        // RFC 4607
        [232, ..] => "multicast, source-specific",
        // RFC 3180
        [233, ..] => "multicast, GLOP",
        // RFC 6034
        [234, ..] => "multicast, unicast-prefix-based",
        // RFC 2365
        [239, 255, 255, 250] => "multicast, SSDP",
        [239, 255, ..] => "multicast, local scope",
        [239, 192..=195, ..] => "multicast, organization-local scope",
        [239, ..] => "multicast, administratively scoped",
        _ => "multicast",
    }
}

/// What kind of IPv4 address this is, as [`address_kind`] says it.
#[derive(Debug, Clone, Copy)]
pub struct AddressKind(pub [u8; 4]);

impl Display for AddressKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(address_kind(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// First and last address of each block of the registry, and the neighbours outside.
    #[test]
    fn blocks_end_where_the_registry_ends_them() {
        for (first, last, kind) in [
            ([10, 0, 0, 0], [10, 255, 255, 255], "private"),
            ([172, 16, 0, 0], [172, 31, 255, 255], "private"),
            ([192, 168, 0, 0], [192, 168, 255, 255], "private"),
            (
                [100, 64, 0, 0],
                [100, 127, 255, 255],
                "shared, carrier-grade NAT",
            ),
            ([127, 0, 0, 0], [127, 255, 255, 255], "loopback"),
            ([169, 254, 0, 0], [169, 254, 255, 255], "link-local"),
            (
                [192, 0, 2, 0],
                [192, 0, 2, 255],
                "documentation, TEST-NET-1",
            ),
            (
                [198, 51, 100, 0],
                [198, 51, 100, 255],
                "documentation, TEST-NET-2",
            ),
            (
                [203, 0, 113, 0],
                [203, 0, 113, 255],
                "documentation, TEST-NET-3",
            ),
            ([198, 18, 0, 0], [198, 19, 255, 255], "benchmarking"),
            (
                [192, 88, 99, 0],
                [192, 88, 99, 255],
                "6to4 relay anycast, deprecated",
            ),
        ] {
            assert_eq!(address_kind(first), kind);
            assert_eq!(address_kind(last), kind);
            let before = u32::from_be_bytes(first) - 1;
            let behind = u32::from_be_bytes(last) + 1;
            assert_ne!(address_kind(before.to_be_bytes()), kind);
            assert_ne!(address_kind(behind.to_be_bytes()), kind);
        }
    }

    #[test]
    fn multicast_and_what_lies_above_it() {
        assert_eq!(address_kind([223, 255, 255, 255]), "global");
        assert_eq!(
            address_kind([224, 0, 0, 1]),
            "multicast, all hosts of this link"
        );
        assert_eq!(address_kind([224, 0, 0, 251]), "multicast, mDNS");
        assert_eq!(address_kind([224, 1, 0, 0]), "multicast");
        assert_eq!(address_kind([232, 1, 2, 3]), "multicast, source-specific");
        assert_eq!(address_kind([233, 251, 255, 255]), "multicast, GLOP");
        assert_eq!(address_kind([233, 252, 0, 0]), "multicast, ad hoc");
        assert_eq!(address_kind([239, 255, 255, 250]), "multicast, SSDP");
        assert_eq!(address_kind([240, 0, 0, 0]), "reserved");
        assert_eq!(address_kind([255, 255, 255, 254]), "reserved");
        assert_eq!(address_kind([255; 4]), "limited broadcast");
        assert_eq!(address_kind([8, 8, 8, 8]), "global");
    }

    #[test]
    fn protocol_assignments() {
        assert_eq!(address_kind([192, 0, 0, 7]), "IPv4 service continuity");
        assert_eq!(address_kind([192, 0, 0, 8]), "dummy address");
        assert_eq!(address_kind([192, 0, 0, 11]), "IETF protocol assignments");
        assert_eq!(address_kind([192, 0, 0, 171]), "NAT64 discovery");
    }
}
