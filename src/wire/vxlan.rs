//! VXLAN (RFC 7348): Ethernet inside UDP.
//!
//! Knows the eight bytes behind the UDP header. A datagram to its port that does not carry the
//! flag every VXLAN packet has belongs to somebody else.

use super::anomaly::Anomaly;
use super::field::{Brief, Field, Name, Visitor, bits, bytes};
use super::packet::{Next, Protocol, Region, View, Walk};

/// Where VXLAN listens (RFC 7348 section 5).
pub(super) const PORT: u16 = 4789;
/// Flags, reserved, network identifier, reserved (RFC 7348 section 5).
const HEADER: usize = 8;
/// The network identifier is valid: set in every packet.
const VALID: u8 = 0x08;
/// A group policy identifier is present (draft-smith-vxlan-group-policy).
const POLICY: u8 = 0x80;

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let lens = walk.lens(region);
    if lens.u8(0).is_none_or(|flags| flags & VALID == 0) {
        return Some((Protocol::Payload, region));
    }
    if lens.0.len() < HEADER {
        return walk.stop_short(
            Protocol::Vxlan,
            region,
            HEADER,
            Some(Anomaly::VxlanTruncated),
        );
    }
    walk.push(Protocol::Vxlan, region, HEADER);
    Some((Protocol::Ethernet, region.after(HEADER)))
}

pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(flags) = lens.u8(0) else { return };
    v.field(
        Field::hex("flags", "Flags", bits(0, 8), flags).meaning(&Name(Some(
            if flags & POLICY == 0 {
                "network identifier valid"
            } else {
                "network identifier valid, group policy"
            },
        ))),
    );
    if flags & POLICY != 0 {
        let Some(policy) = lens.u16(2) else { return };
        v.field(Field::number(
            "group_policy_id",
            "Group policy",
            bytes(2, 2),
            policy,
        ));
    }
    let Some([a, b, c]) = lens.array(4) else {
        return;
    };
    v.field(
        Field::number(
            "vni",
            "Network identifier",
            bytes(4, 3),
            u32::from_be_bytes([0, a, b, c]),
        )
        .brief(Brief::Value("vxlan ")),
    );
}
