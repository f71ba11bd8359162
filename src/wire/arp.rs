//! ARP (RFC 826) and its kin: reverse ARP (RFC 903), inverse ARP (RFC 2390), address conflict
//! detection (RFC 5227).
//!
//! Knows the packet for any lengths of address, and the registry of hardware types that Linux
//! cooked captures share.

use std::fmt::{self, Display};

use etherparse::ArpHardwareId as Id;

use super::anomaly::Anomaly;
use super::field::{Bits, Brief, Field, Lens, Name, Visitor, bits, bytes};
use super::names;
use super::packet::{Next, Protocol, Region, View, Walk};

/// Types, lengths and operation; the four addresses follow.
const HEADER: usize = 8;

/// What the fixed part says about the addresses behind it.
#[derive(Clone, Copy)]
struct Shape {
    ethernet: bool,
    ipv4: bool,
    hardware_len: usize,
    protocol_len: usize,
}

impl Shape {
    fn read(lens: Lens<'_>) -> Option<Self> {
        let (hardware, protocol) = (Id(lens.u16(0)?), lens.u16(2)?);
        let (hardware_len, protocol_len) = (lens.u8(4)?, lens.u8(5)?);
        // ATM has lengths for numbers and subaddresses in this place (RFC 2225 section 8.2), and
        // more of them behind the operation.
        let foreign = hardware == Id::ATM;
        let keep = |len: u8| if foreign { 0 } else { usize::from(len) };
        Some(Self {
            ethernet: hardware == Id::ETHERNET,
            ipv4: protocol == names::ETHERTYPE_IPV4 && !foreign,
            hardware_len: keep(hardware_len),
            protocol_len: keep(protocol_len),
        })
    }

    fn len(self) -> usize {
        HEADER + 2 * (self.hardware_len + self.protocol_len)
    }

    /// Where the four addresses begin, in their order on the wire.
    fn starts(self) -> [usize; 4] {
        let sender_protocol = HEADER + self.hardware_len;
        let target_hardware = sender_protocol + self.protocol_len;
        [
            HEADER,
            sender_protocol,
            target_hardware,
            target_hardware + self.hardware_len,
        ]
    }
}

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let lens = walk.lens(region);
    let (Some(shape), true) = (Shape::read(lens), lens.0.len() >= HEADER) else {
        return walk.stop_short(Protocol::Arp, region, HEADER, Some(Anomaly::ArpTruncated));
    };
    let need = shape.len();
    if lens.0.len() < need {
        return walk.stop_short(Protocol::Arp, region, need, Some(Anomaly::ArpTruncated));
    }
    walk.push(Protocol::Arp, region, need);
    if shape.ethernet && (shape.hardware_len != 6 || shape.ipv4 && shape.protocol_len != 4) {
        walk.anomaly(Anomaly::ArpAddressLength);
    }
    let sender = lens.array::<6>(HEADER);
    if shape.ethernet && shape.hardware_len == 6 && sender.is_some_and(|[first, ..]| first & 1 != 0)
    {
        walk.anomaly(Anomaly::ArpSenderMulticast);
    }
    walk.trailer(region.after(need));
    None
}

pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(hardware_type) = lens.u16(0) else {
        return;
    };
    v.field(
        Field::number("hardware_type", "Hardware type", bits(0, 16), hardware_type)
            .meaning(&Name(hardware(hardware_type))),
    );
    let Some(protocol_type) = lens.u16(2) else {
        return;
    };
    v.field(
        Field::hex(
            "protocol_type",
            "Protocol type",
            bits(16, 16),
            protocol_type,
        )
        .meaning(&super::ethernet::EtherType(protocol_type)),
    );
    let Some(hardware_length) = lens.u8(4) else {
        return;
    };
    v.field(Field::number(
        "hardware_length",
        "Hardware length",
        bits(32, 8),
        hardware_length,
    ));
    let Some(protocol_length) = lens.u8(5) else {
        return;
    };
    v.field(Field::number(
        "protocol_length",
        "Protocol length",
        bits(40, 8),
        protocol_length,
    ));
    let (Some(operation), Some(shape)) = (lens.u16(6), Shape::read(lens)) else {
        return;
    };
    v.field(
        Field::number("operation", "Operation", bits(48, 16), operation)
            .meaning(&Operation {
                number: operation,
                addresses: Addresses::read(lens, shape),
            })
            .brief(Brief::Meaning("")),
    );
    let [
        sender_hardware,
        sender_protocol,
        target_hardware,
        target_protocol,
    ] = shape.starts();
    let hardware = |name, label, at| {
        let place = bytes(at, shape.hardware_len);
        let address = lens.slice(at, at + shape.hardware_len);
        match Lens(address).array(0) {
            Some(mac) if address.len() == 6 => Field::mac(name, label, place, mac),
            _ => Field::bytes(name, label, place, address),
        }
    };
    let protocol = |name, label, at| {
        let place = bytes(at, shape.protocol_len);
        let address = lens.slice(at, at + shape.protocol_len);
        match Lens(address).array(0) {
            Some(ipv4) if shape.ipv4 && address.len() == 4 => Field::ipv4(name, label, place, ipv4),
            _ => Field::bytes(name, label, place, address),
        }
    };
    for field in [
        hardware(
            "sender_hardware_address",
            "Sender hardware address",
            sender_hardware,
        ),
        protocol(
            "sender_protocol_address",
            "Sender protocol address",
            sender_protocol,
        ),
        hardware(
            "target_hardware_address",
            "Target hardware address",
            target_hardware,
        ),
        protocol(
            "target_protocol_address",
            "Target protocol address",
            target_protocol,
        ),
    ] {
        let Bits { start, len } = field.bits;
        if len > 0 && u64::from(start) + u64::from(len) <= lens.0.len() as u64 * 8 {
            v.field(field);
        }
    }
}

/// The addresses of IPv4 over a 48-bit link, when all four are there.
struct Addresses {
    sender_mac: [u8; 6],
    sender: [u8; 4],
    target_mac: [u8; 6],
    target: [u8; 4],
}

impl Addresses {
    fn read(lens: Lens<'_>, shape: Shape) -> Option<Self> {
        let [sender_mac, sender, target_mac, target] = shape.starts();
        if !shape.ipv4 || shape.hardware_len != 6 || shape.protocol_len != 4 {
            return None;
        }
        Some(Self {
            sender_mac: lens.array(sender_mac)?,
            sender: lens.array(sender)?,
            target_mac: lens.array(target_mac)?,
            target: lens.array(target)?,
        })
    }
}

/// The operation in a sentence (IANA arp-parameters).
struct Operation {
    number: u16,
    addresses: Option<Addresses>,
}

impl Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.number {
            1 => "request",
            2 => "reply",
            3 => "reverse request",
            4 => "reverse reply",
            8 => "inverse request",
            9 => "inverse reply",
            10 => "NAK",
            number => return write!(f, "operation {number}"),
        };
        f.write_str(name)?;
        let Some(addresses) = &self.addresses else {
            return Ok(());
        };
        let sender = std::net::Ipv4Addr::from(addresses.sender);
        let target = std::net::Ipv4Addr::from(addresses.target);
        let (sender_mac, target_mac) = (Mac(addresses.sender_mac), Mac(addresses.target_mac));
        match self.number {
            1 | 2 if sender == target => write!(f, " announcement {sender} is-at {sender_mac}"),
            1 if addresses.sender == [0; 4] => write!(f, " probe who-has {target}"),
            1 => write!(f, " who-has {target} tell {sender}"),
            2 => write!(f, " {sender} is-at {sender_mac}"),
            3 => write!(f, " who-is {target_mac} tell {sender_mac}"),
            4 => write!(f, " {target_mac} is {target}"),
            8 => write!(f, " who-is {target_mac} tell {sender}"),
            9 => write!(f, " {sender_mac} is {sender}"),
            _ => Ok(()),
        }
    }
}

struct Mac([u8; 6]);

impl Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02x}")?;
        }
        Ok(())
    }
}

/// The name of a hardware type: IANA's for ARP, and the kernel's own ARPHRD numbers.
pub(super) fn hardware(number: u16) -> Option<&'static str> {
    Some(match Id(number) {
        Id::ETHERNET => "Ethernet",
        Id::EETHER => "experimental Ethernet",
        Id::AX25 => "AX.25",
        Id::PRONET => "ProNET token ring",
        Id::CHAOS => "Chaosnet",
        Id::IEEE802 => "IEEE 802",
        Id::ARCNET => "ARCNET",
        Id::FRAME_RELAY => "frame relay",
        Id::ATM | Id::ATM_JXB2 | Id::ATM_21 => "ATM",
        Id::HDLC => "HDLC",
        Id::FIBRE_CHANNEL => "Fibre Channel",
        Id::SERIAL_LINE => "serial line",
        Id::IEEE1394 => "IEEE 1394",
        Id::EUI64 => "EUI-64",
        Id::INFINIBAND => "InfiniBand",
        Id::SLIP | Id::CSLIP | Id::SLIP6 | Id::CSLIP6 => "SLIP",
        Id::CAN => "CAN",
        Id::PPP => "PPP",
        Id::CISCO_HDLC => "Cisco HDLC",
        Id::RAWIP => "raw IP",
        Id::TUNNEL => "IPv4 in IPv4 tunnel",
        Id::TUNNEL6 => "IPv6 tunnel",
        Id::LOOPBACK => "loopback",
        Id::FDDI => "FDDI",
        Id::SIT => "IPv6 in IPv4 tunnel",
        Id::IPGRE => "GRE over IPv4",
        Id::IRDA => "IrDA",
        Id::IEEE802_TR => "IEEE 802.5 token ring",
        Id::IEEE80211 => "IEEE 802.11",
        Id::IEEE80211_PRISM => "IEEE 802.11 with Prism header",
        Id::IEEE80211_RADIOTAP => "IEEE 802.11 with radiotap",
        Id::IEEE802154 | Id::IEEE802154_MONITOR => "IEEE 802.15.4",
        Id::IP6GRE => "GRE over IPv6",
        Id::NETLINK => "netlink",
        Id::IPV6LOWPAN => "6LoWPAN",
        Id::VSOCKMON => "vsock monitor",
        Id::VOID => "nothing known",
        Id::NONE => "no link header",
        _ => return None,
    })
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has found something"
)]
mod tests {
    use super::*;
    use crate::wire::frame::LinkType;
    use crate::wire::outline::{assert_every_prefix_holds, frame, has, outline};
    use proptest::prelude::*;

    /// Ethernet and IPv4: 02:00:00:00:00:02 at 10.0.0.2 to 00:00:00:00:00:00 at 10.0.0.1.
    const REQUEST: [u8; 28] = [
        0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2, 0, 0, 0, 0, 0, 0, 10, 0, 0, 1,
    ];

    fn framed(kind: [u8; 2], packet: &[u8]) -> Vec<u8> {
        let addresses = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 2];
        [&addresses, &kind[..], packet].concat()
    }

    fn text(packet: &[u8]) -> String {
        outline(&frame(LinkType::ETHERNET, &framed([8, 6], packet)))
    }

    #[test]
    fn a_request() {
        let text = text(&[&REQUEST[..], &[0; 18]].concat());
        for line in [
            "arp.hardware_type = 1 (Ethernet)",
            "arp.protocol_type = 0x0800",
            "arp.hardware_length = 6",
            "arp.protocol_length = 4",
            "arp.operation = 1 (request who-has 10.0.0.1 tell 10.0.0.2)",
            "arp.sender_hardware_address = 02:00:00:00:00:02",
            "arp.sender_protocol_address = 10.0.0.2",
            "arp.target_hardware_address = 00:00:00:00:00:00",
            "arp.target_protocol_address = 10.0.0.1",
            "trailer.length = 18 (padding, all zero)",
        ] {
            assert!(has(&text, line), "{line} in {text}");
        }
        assert!(!text.contains("! ") && !text.contains("stopped"), "{text}");
        assert_every_prefix_holds(LinkType::ETHERNET, &framed([8, 6], &REQUEST));
    }

    #[test]
    fn every_operation_is_a_sentence() {
        let operation = |number: u8, change: &dyn Fn(&mut [u8; 28])| {
            let mut packet = REQUEST;
            packet[7] = number;
            change(&mut packet);
            let text = text(&packet);
            let line = text.lines().find(|line| line.starts_with("arp.operation"));
            line.unwrap().split_once('(').unwrap().1.to_owned()
        };
        let same = |_: &mut [u8; 28]| {};
        assert_eq!(
            operation(2, &same),
            "reply 10.0.0.2 is-at 02:00:00:00:00:02)"
        );
        assert_eq!(
            operation(3, &same),
            "reverse request who-is 00:00:00:00:00:00 tell 02:00:00:00:00:02)"
        );
        assert_eq!(
            operation(4, &same),
            "reverse reply 00:00:00:00:00:00 is 10.0.0.1)"
        );
        assert_eq!(
            operation(8, &same),
            "inverse request who-is 00:00:00:00:00:00 tell 10.0.0.2)"
        );
        assert_eq!(operation(99, &same), "operation 99)");
        // RFC 5227 sections 1.1 and 3.
        let probe = |packet: &mut [u8; 28]| packet[14..18].fill(0);
        assert_eq!(operation(1, &probe), "request probe who-has 10.0.0.1)");
        let announce = |packet: &mut [u8; 28]| packet[27] = 2;
        assert_eq!(
            operation(1, &announce),
            "request announcement 10.0.0.2 is-at 02:00:00:00:00:02)"
        );
    }

    #[test]
    fn reverse_arp_has_its_own_ethertype() {
        let bytes = framed([0x80, 0x35], &REQUEST);
        assert!(outline(&frame(LinkType::ETHERNET, &bytes)).contains("arp.operation = 1"));
    }

    #[test]
    fn other_lengths_are_bytes() {
        // Hardware type 24, IEEE 1394: RFC 2734 has sixteen bytes; here three, and protocol 1.
        let packet = [0, 24, 0, 1, 3, 1, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8];
        let text = text(&packet);
        assert!(has(&text, "arp.sender_hardware_address = 010203"), "{text}");
        assert!(has(&text, "arp.target_protocol_address = 08"));
        assert!(!text.contains("! "), "{text}");
    }

    #[test]
    fn atm_has_another_layout() {
        let packet = [0, 19, 8, 0, 0x54, 0, 0, 1, 4, 20, 0, 4, 1, 2, 3];
        let text = text(&packet);
        assert!(has(&text, "arp.operation = 1 (request)"), "{text}");
        assert!(has(&text, "trailer.length = 7"));
        assert!(!text.contains("! "), "{text}");
    }

    #[test]
    fn short_and_wrong() {
        let short = text(&REQUEST[..27]);
        assert!(short.contains("! arp.truncated at 1"), "{short}");
        assert!(has(
            &short,
            "arp.target_hardware_address = 00:00:00:00:00:00"
        ));
        assert!(!short.contains("arp.target_protocol_address"));
        assert!(text(&REQUEST[..7]).contains("! arp.truncated at 1"));
        let mut packet = REQUEST;
        packet[4] = 5;
        assert!(text(&packet).contains("! arp.address_length at 1"));
        packet = REQUEST;
        packet[8] = 3;
        assert!(text(&packet).contains("! arp.sender.multicast at 1"));
    }

    proptest! {
        #[test]
        fn agrees_with_etherparse(
            hardware in 0..40_u16,
            hardware_len in 0..9_u8,
            protocol_len in 0..9_u8,
            operation: u16,
            addresses in prop::collection::vec(any::<u8>(), 36),
        ) {
            prop_assume!(Id(hardware) != Id::ATM);
            let mut packet = [hardware.to_be_bytes(), [8, 0], [hardware_len, protocol_len]].concat();
            packet.extend(operation.to_be_bytes());
            packet.extend(&addresses);
            let theirs = etherparse::ArpPacketSlice::from_slice(&packet).unwrap();
            let text = text(&packet);
            let operation = format!("arp.operation = {}", theirs.operation().0);
            prop_assert!(has(&text, &operation));
            let hex = |bytes: &[u8]| {
                bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
            };
            for (name, address) in [
                ("sender_hardware_address", theirs.sender_hw_addr()),
                ("sender_protocol_address", theirs.sender_protocol_addr()),
                ("target_hardware_address", theirs.target_hw_addr()),
                ("target_protocol_address", theirs.target_protocol_addr()),
            ] {
                let name = format!("arp.{name} = ");
                let ours = text.lines().find_map(|line| line.strip_prefix(&name));
                let ours = ours.unwrap_or_default();
                let ours = match ours.parse::<std::net::Ipv4Addr>() {
                    Ok(address) => hex(&address.octets()),
                    Err(_) => ours.replace(':', ""),
                };
                prop_assert_eq!(ours, hex(address));
            }
        }
    }
}
