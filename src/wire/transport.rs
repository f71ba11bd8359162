//! What UDP and TCP share: ports, and a checksum that also covers the addresses.
//!
//! Knows when such a checksum can be judged at all; of a segment it knows only where it lies.

use super::checksum::{Unjudged, Verdict};
use super::field::{Brief, Field, Lens, Visitor, bits};
use super::names::{Service, Transport};
use super::packet::{Region, Walk};

/// The verdict on a transport checksum (RFC 768, RFC 9293 section 3.1) over the pseudo header
/// and all of `segment`, which holds `carried` in its checksum field.
#[inline]
pub(super) fn verdict(walk: &Walk<'_>, protocol: u8, segment: Region, carried: u16) -> Verdict {
    let Some(pseudo) = walk.context.pseudo else {
        return Verdict::Unknown(Unjudged::NoPseudoHeader);
    };
    if walk.context.fragmented {
        return Verdict::Unknown(Unjudged::Fragment);
    }
    if !segment.is_whole() {
        return Verdict::Unknown(Unjudged::Cut);
    }
    let Ok(len) = u32::try_from(segment.promised_len()) else {
        return Verdict::Unknown(Unjudged::Length);
    };
    let pseudo = pseudo.sum(protocol, len);
    match pseudo.with(walk.bytes(segment)).verdict(carried) {
        // Whoever leaves the checksum to the hardware puts the pseudo header's sum in its place,
        // for the hardware to go on from: what a host captures of its own sending is no error.
        Verdict::Bad { .. }
            if walk.frame.offload.checksum_not_ready
                || walk.frame.offload.segmentation
                || carried == pseudo.fold() =>
        {
            Verdict::Unknown(Unjudged::Offload)
        }
        verdict => verdict,
    }
}

/// Describes the two ports that every transport begins with, or as many as were captured.
#[inline]
pub(super) fn ports<V: Visitor>(lens: Lens<'_>, transport: Transport, v: &mut V) {
    let Some(port) = lens.u16(0) else { return };
    v.field(
        Field::number("source_port", "Source port", bits(0, 16), port)
            .meaning(&Service { port, transport })
            .brief(Brief::SourcePort),
    );
    let Some(port) = lens.u16(2) else { return };
    v.field(
        Field::number("destination_port", "Destination port", bits(16, 16), port)
            .meaning(&Service { port, transport })
            .brief(Brief::DestinationPort),
    );
}
