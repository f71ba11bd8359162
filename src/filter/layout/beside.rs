//! Fields of the saved frame that the kernel's filter does not see among the bytes, and loads from
//! beside them.
//!
//! Knows the saved headers' layouts and the kernel's names for their fields; not what is done with
//! them.

use super::Source;
use crate::filter::value::Ancillary;
use crate::wire::frame::LinkType;

/// A field: the kernel's copy of it, where it begins in the saved frame, and its width in bytes.
type Field = (Ancillary, u32, u8);

/// An Ethernet header with a tag (IEEE 802.1Q).
const TAGGED: &[Field] = &[
    (Ancillary::VlanProtocol, 12, 2),
    (Ancillary::VlanTag, 14, 2),
];
/// LINKTYPE_LINUX_SLL.
const COOKED: &[Field] = &[
    (Ancillary::PacketType, 0, 2),
    (Ancillary::HardwareType, 2, 2),
    (Ancillary::Protocol, 14, 2),
];
/// The same with a tag behind it.
const COOKED_TAGGED: &[Field] = &[
    (Ancillary::PacketType, 0, 2),
    (Ancillary::HardwareType, 2, 2),
    (Ancillary::VlanProtocol, 14, 2),
    (Ancillary::VlanTag, 16, 2),
    (Ancillary::Protocol, 18, 2),
];
/// LINKTYPE_LINUX_SLL2.
const COOKED2: &[Field] = &[
    (Ancillary::Protocol, 0, 2),
    (Ancillary::InterfaceIndex, 4, 4),
    (Ancillary::HardwareType, 8, 2),
    (Ancillary::PacketType, 10, 1),
];
/// The same with a tag behind it.
const COOKED2_TAGGED: &[Field] = &[
    (Ancillary::VlanProtocol, 0, 2),
    (Ancillary::InterfaceIndex, 4, 4),
    (Ancillary::HardwareType, 8, 2),
    (Ancillary::PacketType, 10, 1),
    (Ancillary::VlanTag, 20, 2),
    (Ancillary::Protocol, 22, 2),
];

/// The field that the byte at `offset` of the saved frame is part of.
pub(super) fn kept(source: Source, link_type: LinkType, offset: u32) -> Option<Field> {
    let fields = match (source, link_type) {
        (Source::Untagged, _) => TAGGED,
        (Source::Headless(_), LinkType::LINUX_SLL) => COOKED,
        (Source::Headless(_), LinkType::LINUX_SLL2) => COOKED2,
        (Source::Tagless(_), LinkType::LINUX_SLL) => COOKED_TAGGED,
        (Source::Tagless(_), LinkType::LINUX_SLL2) => COOKED2_TAGGED,
        _ => &[],
    };
    fields
        .iter()
        .copied()
        .find(|&(_, start, width)| (start..start + u32::from(width)).contains(&offset))
}
