//! An expression in words: what each primitive looks for, one a line, groups indented.
//!
//! Knows the tree, not what becomes of it.

use std::fmt::{self, Write};

use super::Expression;
use super::names;
use super::tree::{Direction, Family, Node, Primitive, Version};

/// An expression's meaning as lines of English; every line ends with a newline.
#[derive(Debug, Clone, Copy)]
pub struct Explanation<'a>(pub(super) &'a Expression);

impl fmt::Display for Explanation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.tree {
            Some(tree) => lines(f, tree, &self.0.text, 0),
            None => writeln!(f, "every frame"),
        }
    }
}

fn lines(f: &mut fmt::Formatter<'_>, node: &Node, text: &str, depth: usize) -> fmt::Result {
    write!(f, "{:1$}", "", 2 * depth)?;
    let (head, nodes) = match node {
        Node::And(nodes) => ("all of", nodes.as_slice()),
        Node::Or(nodes) => ("any of", nodes.as_slice()),
        Node::Not(inner) => match &**inner {
            Node::Primitive(primitive, span) => {
                let text = text.get(span.start..span.end).unwrap_or_default();
                return writeln!(f, "not: {}", words(primitive, text));
            }
            Node::And(nodes) => ("not all of", nodes.as_slice()),
            Node::Or(nodes) => ("none of", nodes.as_slice()),
            Node::Not(_) => ("not", std::slice::from_ref(&**inner)),
        },
        Node::Primitive(primitive, span) => {
            let text = text.get(span.start..span.end).unwrap_or_default();
            return writeln!(f, "{}", words(primitive, text));
        }
    };
    writeln!(f, "{head}:")?;
    nodes
        .iter()
        .try_for_each(|node| lines(f, node, text, depth + 1))
}

/// What one primitive looks for; `text` is how it was written.
#[expect(clippy::too_many_lines, reason = "one arm a primitive")]
fn words(primitive: &Primitive, text: &str) -> String {
    match primitive {
        Primitive::Host {
            family,
            direction,
            networks,
        } => {
            let networks = listed(networks.iter().map(|&(address, mask)| net4(address, mask)));
            format!(
                "{} {networks} in {}",
                end(*direction, "address"),
                family_words(*family)
            )
        }
        Primitive::Host6 {
            direction,
            networks,
        } => {
            let networks = listed(networks.iter().map(|&(address, mask)| {
                let address = std::net::Ipv6Addr::from(address);
                match mask.leading_ones() {
                    128 => address.to_string(),
                    length => format!("{address}/{length}"),
                }
            }));
            format!("{} {networks} in IPv6", end(*direction, "address"))
        }
        Primitive::HostName {
            family,
            direction,
            name,
        } => {
            format!(
                "{} of the host {name} in {}",
                end(*direction, "address"),
                family_words(*family)
            )
        }
        Primitive::NetName {
            family,
            direction,
            name,
        } => format!(
            "{} of the net {name} in {}",
            end(*direction, "address"),
            family_words(*family)
        ),
        Primitive::Gateway { name } => {
            format!("sent through the host {name}: its Ethernet address, and not its IP address")
        }
        Primitive::EtherHost {
            direction,
            addresses,
        } => {
            let addresses = listed(addresses.iter().map(|address| {
                let bytes: Vec<String> = address.iter().map(|b| format!("{b:02x}")).collect();
                bytes.join(":")
            }));
            format!("Ethernet {} {addresses}", end(*direction, "address"))
        }
        Primitive::EtherName { direction, name } => {
            format!("Ethernet {} of the host {name}", end(*direction, "address"))
        }
        Primitive::Port {
            transports,
            direction,
            ranges,
        } => {
            let transports = listed(transports.iter().map(|&number| protocol_name(number)));
            let ranges = listed(ranges.iter().map(|&(low, high)| {
                if low == high {
                    low.to_string()
                } else {
                    format!("{low} to {high}")
                }
            }));
            format!(
                "{transports} over IPv4 (first fragment) or IPv6, {} {ranges}",
                end(*direction, "port")
            )
        }
        Primitive::LinkProtocol(number) => link_protocol(*number),
        Primitive::IpProtocol { version, number } => {
            format!(
                "{} protocol {}",
                version_words(*version),
                protocol_name(*number)
            )
        }
        Primitive::ProtocolChain { version, number } => {
            let protocol = protocol_name(*number);
            format!(
                "{} with a {protocol} header anywhere in its header chain",
                version_words(*version)
            )
        }
        Primitive::IsoProtocol(number) => format!("OSI network layer protocol {number:#04x}"),
        Primitive::EtherBroadcast => "to the Ethernet broadcast address".to_owned(),
        Primitive::EtherMulticast => "to an Ethernet group address".to_owned(),
        Primitive::IpBroadcast => "IPv4 to a broadcast address".to_owned(),
        Primitive::IpMulticast => "IPv4 to a multicast address".to_owned(),
        Primitive::Ip6Multicast => "IPv6 to a multicast address".to_owned(),
        Primitive::Inbound => "received by the capturing host".to_owned(),
        Primitive::Outbound => "sent by the capturing host".to_owned(),
        Primitive::InterfaceIndex(index) => format!("on the interface with index {index}"),
        Primitive::Vlan(id) => numbered("VLAN tag", "id", id.map(u32::from)),
        Primitive::Mpls(label) => numbered("MPLS label", "value", *label),
        Primitive::PppoeDiscovery => "PPPoE discovery".to_owned(),
        Primitive::PppoeSession(id) => numbered("PPPoE session", "id", id.map(u32::from)),
        Primitive::Geneve(id) => numbered("Geneve tunnel", "network", *id),
        Primitive::Vxlan(id) => numbered("VXLAN tunnel", "network", *id),
        Primitive::Llc { mask: 0, .. } => "IEEE 802.2 LLC header".to_owned(),
        Primitive::Llc { mask, bits } => {
            format!("IEEE 802.2 LLC header, control field {bits:#04x} under the mask {mask:#04x}")
        }
        Primitive::Relation { .. } => format!("`{text}` holds"),
    }
}

fn end(direction: Direction, noun: &str) -> String {
    match direction {
        Direction::Source => format!("source {noun}"),
        Direction::Destination => format!("destination {noun}"),
        Direction::Either => format!("source or destination {noun}"),
        Direction::Both => format!("source and destination {noun}"),
    }
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    items.join(" or ")
}

fn numbered(noun: &str, number: &str, value: Option<u32>) -> String {
    let mut words = noun.to_owned();
    if let Some(value) = value {
        // Writing to a string cannot fail.
        let _ = write!(words, " with {number} {value}");
    }
    words
}

fn net4(address: u32, mask: u32) -> String {
    let address = std::net::Ipv4Addr::from(address);
    match mask {
        u32::MAX => address.to_string(),
        _ if mask.leading_ones() == mask.count_ones() => format!("{address}/{}", mask.count_ones()),
        _ => format!("{address} mask {}", std::net::Ipv4Addr::from(mask)),
    }
}

fn family_words(family: Family) -> &'static str {
    match family {
        Family::Any => "IPv4, ARP or RARP",
        Family::Ip => "IPv4",
        Family::Arp => "ARP",
        Family::Rarp => "RARP",
    }
}

fn version_words(version: Version) -> &'static str {
    match version {
        Version::Any => "IPv4 or IPv6",
        Version::V4 => "IPv4",
        Version::V6 => "IPv6",
    }
}

fn protocol_name(number: u8) -> String {
    match number {
        1 => "ICMP".to_owned(),
        2 => "IGMP".to_owned(),
        names::TCP => "TCP".to_owned(),
        names::UDP => "UDP".to_owned(),
        names::SCTP => "SCTP".to_owned(),
        50 => "ESP".to_owned(),
        51 => "AH".to_owned(),
        58 => "ICMPv6".to_owned(),
        103 => "PIM".to_owned(),
        112 => "VRRP".to_owned(),
        other => other.to_string(),
    }
}

fn link_protocol(number: u32) -> String {
    match number {
        names::IPV4 => "IPv4".to_owned(),
        names::IPV6 => "IPv6".to_owned(),
        names::ARP => "ARP".to_owned(),
        names::RARP => "RARP".to_owned(),
        names::LLC_ISO => "OSI over LLC".to_owned(),
        names::LLC_STP => "spanning tree protocol".to_owned(),
        names::LLC_IPX | names::IPX => "IPX".to_owned(),
        names::LLC_NETBEUI => "NetBEUI".to_owned(),
        names::ATALK => "AppleTalk".to_owned(),
        names::AARP => "AppleTalk ARP".to_owned(),
        0..=names::LONGEST_802_3 => format!("LLC service access point {number:#04x}"),
        _ => format!("Ethertype {number:#06x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_says_what_is_looked_for() {
        let text = "tcp dst port 80 or 443 and not (net 10.1 or vlan 5) and len > 60";
        let Ok(expression) = Expression::parse(text) else {
            panic!("{text}")
        };
        assert_eq!(
            expression.explain().to_string(),
            "all of:\n\
             \x20 any of:\n\
             \x20   TCP over IPv4 (first fragment) or IPv6, destination port 80\n\
             \x20   TCP over IPv4 (first fragment) or IPv6, destination port 443\n\
             \x20 none of:\n\
             \x20   source or destination address 10.1.0.0/16 in IPv4, ARP or RARP\n\
             \x20   VLAN tag with id 5\n\
             \x20 `len > 60` holds\n"
        );
    }
}
