//! What the protocols over IP share: ports, and when a checksum can be judged at all.
//!
//! Of a segment or message it knows only where it lies and which addresses its checksum covers.

use super::checksum::{Sum, Unjudged, Verdict};
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

/// The verdict on the checksum of a message that covers itself alone (RFC 792, RFC 1112): it
/// stands two bytes into the message.
#[inline]
pub(super) fn message_verdict(walk: &Walk<'_>, message: Region) -> Verdict {
    if walk.context.fragmented {
        return Verdict::Unknown(Unjudged::Fragment);
    }
    if !message.is_whole() {
        return Verdict::Unknown(Unjudged::Cut);
    }
    let lens = walk.lens(message);
    lens.u16(2)
        .map_or(Verdict::Unknown(Unjudged::Length), |carried| {
            Sum::new().with(lens.0).verdict(carried)
        })
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

#[cfg(test)]
pub(super) mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test that cannot make its own input should say so"
    )]

    use etherparse::checksum::u64_16bit_word::{
        add_2bytes, add_4bytes, add_slice, ones_complement,
    };
    use etherparse::{IpFragOffset, IpNumber, Ipv4Header};

    const SOURCE: [u8; 4] = [10, 0, 0, 1];
    const DESTINATION: [u8; 4] = [10, 0, 0, 2];

    /// An IPv4 datagram from 10.0.0.1 to 10.0.0.2 around a segment.
    pub(in super::super) fn ipv4(protocol: u8, segment: &[u8]) -> Vec<u8> {
        datagram(protocol, segment, false)
    }

    /// The same as a first fragment.
    pub(in super::super) fn fragment(protocol: u8, segment: &[u8]) -> Vec<u8> {
        datagram(protocol, segment, true)
    }

    fn datagram(protocol: u8, segment: &[u8], more: bool) -> Vec<u8> {
        let len = u16::try_from(segment.len()).unwrap();
        let mut header = Ipv4Header::new(len, 64, IpNumber(protocol), SOURCE, DESTINATION).unwrap();
        header.dont_fragment = false;
        header.more_fragments = more;
        header.fragment_offset = IpFragOffset::ZERO;
        header.header_checksum = header.calc_header_checksum();
        let mut bytes = header.to_bytes().to_vec();
        bytes.extend(segment);
        bytes
    }

    /// Fills in the checksum at `at` of a segment between those hosts, summed by etherparse.
    pub(in super::super) fn sealed(segment: &mut [u8], protocol: u8, at: usize) {
        segment[at..at + 2].fill(0);
        let len = u16::try_from(segment.len()).unwrap();
        let mut sum = add_4bytes(0, SOURCE);
        sum = add_4bytes(sum, DESTINATION);
        sum = add_2bytes(sum, [0, protocol]);
        sum = add_2bytes(sum, len.to_be_bytes());
        sum = add_slice(sum, segment);
        segment[at..at + 2].copy_from_slice(&ones_complement(sum).to_ne_bytes());
    }
}
