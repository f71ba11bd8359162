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
    for (name, label, at, len) in [
        (
            "sender_hardware_address",
            "Sender hardware address",
            sender_hardware,
            shape.hardware_len,
        ),
        (
            "sender_protocol_address",
            "Sender protocol address",
            sender_protocol,
            shape.protocol_len,
        ),
        (
            "target_hardware_address",
            "Target hardware address",
            target_hardware,
            shape.hardware_len,
        ),
        (
            "target_protocol_address",
            "Target protocol address",
            target_protocol,
            shape.protocol_len,
        ),
    ] {
        let address = lens.slice(at, at + len);
        if address.len() == len && len > 0 {
            v.field(field(name, label, bytes(at, len), address, shape));
        }
    }
}

fn field<'a>(
    name: &'static str,
    label: &'static str,
    place: Bits,
    address: &'a [u8],
    shape: Shape,
) -> Field<'a> {
    match *address {
        [a, b, c, d, e, f] if shape.hardware_len == 6 => {
            Field::mac(name, label, place, [a, b, c, d, e, f])
        }
        [a, b, c, d] if shape.ipv4 && shape.protocol_len == 4 => {
            Field::ipv4(name, label, place, [a, b, c, d])
        }
        _ => Field::bytes(name, label, place, address),
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
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
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
