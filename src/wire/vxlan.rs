//! VXLAN (RFC 7348): Ethernet inside UDP.
//!
//! Knows the eight bytes behind the UDP header. A datagram to its port that does not carry the
//! flag every VXLAN packet has belongs to somebody else.

use super::anomaly::Anomaly;
use super::field::{Brief, Field, Name, Visitor, bits, bytes};
use super::packet::{Next, Protocol, Region, View, Walk};

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
        .brief(Brief::Value("")),
    );
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that panics has found something"
)]
mod tests {
    use crate::wire::frame::LinkType;
    use crate::wire::outline::{DATAGRAM, assert_every_prefix_holds, has, outline_ipv4};

    /// IPv4 and UDP to port 4789 (no checksum) around these bytes.
    fn datagram(vxlan: &[u8]) -> Vec<u8> {
        let len = |more: usize| u16::try_from(vxlan.len() + more).unwrap().to_be_bytes();
        let mut header = [
            0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ];
        header[2..4].copy_from_slice(&len(28));
        let checksum = super::super::checksum::checksum(&header);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        let [high, low] = len(8);
        let udp = [0xc0, 0, 0x12, 0xb5, high, low, 0, 0];
        [&header[..], &udp, vxlan].concat()
    }

    fn frame_inside(header: [u8; 8]) -> Vec<u8> {
        let ethernet = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        datagram(&[&header[..], &ethernet, &DATAGRAM].concat())
    }

    #[test]
    fn ethernet_inside() {
        let bytes = frame_inside([0x08, 0, 0, 0, 0, 1, 2, 0]);
        let text = outline_ipv4(&bytes);
        assert!(
            has(&text, "vxlan.flags = 0x08 (network identifier valid)"),
            "{text}"
        );
        assert!(has(&text, "vxlan.vni = 258"));
        assert!(has(&text, "ethernet.ethertype = 0x0800"));
        assert_eq!(text.matches("ipv4.checksum_ok = true").count(), 2, "{text}");
        assert!(!text.contains("! "), "{text}");
        assert_every_prefix_holds(LinkType::IPV4, &bytes);
    }

    #[test]
    fn a_group_policy() {
        let text = outline_ipv4(&frame_inside([0x88, 0, 0, 5, 0, 0, 1, 0]));
        assert!(has(&text, "vxlan.group_policy_id = 5"), "{text}");
    }

    #[test]
    fn others_may_use_the_port() {
        let text = outline_ipv4(&datagram(&[0x00, 1, 2, 3, 4, 5, 6, 7, 8]));
        assert!(has(&text, "payload.length = 9"), "{text}");
        assert!(!text.contains("vxlan.") && !text.contains("! "), "{text}");
    }

    #[test]
    fn a_short_header_is_truncated() {
        let text = outline_ipv4(&datagram(&[0x08, 0, 0, 0, 0, 0, 1]));
        assert!(text.contains("! vxlan.truncated at 2"), "{text}");
    }
}
