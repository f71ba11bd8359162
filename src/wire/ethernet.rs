//! Ethernet II and IEEE 802.3 framing, with LLC and SNAP behind an 802.3 length.
//!
//! Knows the link header and how to find what it carries by EtherType; nothing of IP.

use super::field::{Brief, Field, Name, Visitor, bits, bytes};
use super::names;
use super::packet::{Next, Protocol, Region, View, Walk};

/// Destination, source, EtherType or length.
const HEADER: usize = 14;
/// Up to here the field is a length (IEEE 802.3 clause 3.2.6).
const MAX_LENGTH: u16 = 1500;

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let Some(kind) = walk.lens(region).u16(12) else {
        if !region.is_empty() {
            walk.push(Protocol::Ethernet, region, HEADER);
        }
        return walk.stop_cut(Protocol::Ethernet, region, HEADER);
    };
    walk.push(Protocol::Ethernet, region, HEADER);
    by_ethertype(walk, kind, region.after(HEADER))
}

/// What follows an EtherType, wherever that stands: Ethernet, VLAN tag, SLL, GRE, SNAP.
#[inline]
pub(super) fn by_ethertype(walk: &mut Walk<'_>, kind: u16, rest: Region) -> Next {
    let _ = walk;
    Some((
        match kind {
            names::ETHERTYPE_IPV4 => Protocol::Ipv4,
            _ => Protocol::Payload,
        },
        rest,
    ))
}

#[inline]
pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(destination) = lens.array(0) else {
        return;
    };
    v.field(
        Field::mac("destination", "Destination", bytes(0, 6), destination)
            .brief(Brief::Destination),
    );
    let Some(source) = lens.array(6) else { return };
    v.field(Field::mac("source", "Source", bytes(6, 6), source).brief(Brief::Source));
    let Some(kind) = lens.u16(12) else { return };
    if kind <= MAX_LENGTH {
        v.field(Field::number("length", "Length", bits(96, 16), kind));
    } else {
        v.field(
            Field::hex("ethertype", "EtherType", bits(96, 16), kind)
                .meaning(&Name(names::ethertype(kind)))
                .brief(Brief::Inside),
        );
    }
}
