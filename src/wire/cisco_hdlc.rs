//! Cisco HDLC: serial lines whose payload is named by an EtherType (RFC 1547 section 4.3.1).
//!
//! Knows the four bytes of the header and that one protocol number means something else here.

use std::fmt::{self, Display};

use super::ethernet::{ETHERTYPE_RARP, EtherType, by_ethertype};
use super::field::{Brief, Field, Name, Visitor, bits};
use super::packet::{Next, Protocol, Region, View, Walk};

/// Address, control, protocol.
const HEADER: usize = 4;
/// To the one at the other end.
const UNICAST: u8 = 0x0f;
/// To whoever is at the other end: keepalives and routing.
const BROADCAST: u8 = 0x8f;
/// SLARP has the number of reverse ARP and a format of its own.
const SLARP: u16 = ETHERTYPE_RARP;

/// True for the addresses that tell this framing from PPP's (link type PPP_HDLC).
pub(super) fn is_address(first: Option<u8>) -> bool {
    matches!(first, Some(UNICAST | BROADCAST))
}

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let Some(protocol) = walk.lens(region).u16(2) else {
        return walk.stop_short(Protocol::CiscoHdlc, region, HEADER, None);
    };
    walk.push(Protocol::CiscoHdlc, region, HEADER);
    let rest = region.after(HEADER);
    Some((
        match protocol {
            SLARP => Protocol::Payload,
            _ => by_ethertype(protocol),
        },
        rest,
    ))
}

pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(address) = lens.u8(0) else { return };
    let name = match address {
        UNICAST => Some("unicast"),
        BROADCAST => Some("broadcast"),
        _ => None,
    };
    v.field(Field::hex("address", "Address", bits(0, 8), address).meaning(&Name(name)));
    let Some(control) = lens.u8(1) else { return };
    v.field(Field::hex("control", "Control", bits(8, 8), control));
    let Some(protocol) = lens.u16(2) else { return };
    v.field(
        Field::hex("protocol", "Protocol", bits(16, 16), protocol)
            .meaning(&Inside(protocol))
            .brief(Brief::Inside),
    );
}

/// An EtherType, but for the numbers that Cisco chose.
struct Inside(u16);

impl Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SLARP => f.write_str("SLARP, Cisco's keepalive"),
            0x2000 => f.write_str("CDP"),
            0xfefe => f.write_str("ISO network layer"),
            kind => EtherType(kind).fmt(f),
        }
    }
}
