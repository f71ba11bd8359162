//! Interfaces by getifaddrs, through pnet, for every Unix that is not Linux.
//!
//! Compiled on Linux for the tests alone, as a second opinion: pnet takes every name for UTF-8,
//! which a Linux name need not be. Knows neither MTU nor link type.

use pnet::datalink::NetworkInterface;
use pnet::ipnetwork::IpNetwork;

use super::{Flags, Interface, Mac, Prefix};

pub(super) fn interfaces() -> Vec<Interface> {
    pnet::datalink::interfaces()
        .into_iter()
        .map(interface)
        .collect()
}

fn interface(pnet: NetworkInterface) -> Interface {
    let flags = [
        (pnet.is_up(), Flags::UP),
        (pnet.is_broadcast(), Flags::BROADCAST),
        (pnet.is_loopback(), Flags::LOOPBACK),
        (pnet.is_point_to_point(), Flags::POINT_TO_POINT),
        (pnet.is_running(), Flags::RUNNING),
        (pnet.is_multicast(), Flags::MULTICAST),
    ]
    .into_iter()
    .filter_map(|(is_set, bit)| is_set.then_some(bit))
    .sum();
    let mut interface = Interface {
        name: pnet.name.into(),
        index: pnet.index,
        flags: Flags(flags),
        mac: pnet.mac.and_then(|mac| Mac::new(&mac.octets())),
        ipv4: Vec::new(),
        ipv6: Vec::new(),
        mtu: None,
        link_type: None,
    };
    for network in pnet.ips {
        match network {
            IpNetwork::V4(network) => interface.ipv4.push(Prefix {
                address: network.ip(),
                bits: network.prefix(),
            }),
            IpNetwork::V6(network) => interface.ipv6.push(Prefix {
                address: network.ip(),
                bits: network.prefix(),
            }),
        }
    }
    interface
}
