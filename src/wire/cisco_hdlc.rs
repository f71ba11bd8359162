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

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has found something"
)]
mod tests {
    use crate::wire::frame::LinkType;
    use crate::wire::outline::{DATAGRAM, assert_every_prefix_holds, frame, has, outline};

    #[test]
    fn ipv4_in_both_link_types() {
        for link_type in [LinkType::C_HDLC, LinkType::PPP_HDLC] {
            let bytes = [&[0x0f, 0, 0x08, 0x00], &DATAGRAM[..]].concat();
            let text = outline(&frame(link_type, &bytes));
            assert!(has(&text, "cisco_hdlc.address = 0x0f (unicast)"), "{text}");
            assert!(has(&text, "cisco_hdlc.protocol = 0x0800"));
            assert!(has(&text, "ipv4.checksum_ok = true"));
            assert_every_prefix_holds(link_type, &bytes);
        }
    }

    #[test]
    fn slarp_is_not_reverse_arp() {
        let bytes = [0x8f, 0, 0x80, 0x35, 0, 0, 0, 2, 0, 0, 0, 5];
        let text = outline(&frame(LinkType::C_HDLC, &bytes));
        assert!(text.contains("(SLARP, Cisco's keepalive)"), "{text}");
        assert!(has(&text, "payload.length = 8"));
    }
}
