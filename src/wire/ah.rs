//! The IP authentication header (RFC 4302): what is authenticated lies open behind it.
//!
//! A layer of its own over IPv4; over IPv6 it stands in the chain of extension headers, which
//! describes it with the same words.

use super::anomaly::Anomaly;
use super::field::{Brief, Field, Lens, Visitor, bytes};
use super::ipv4;
use super::names;
use super::packet::{Next, Protocol, Region, View, Walk};

/// Its IP protocol number.
pub(super) const PROTOCOL: u8 = 51;
/// Next header, length, reserved, SPI, sequence number.
const HEADER: usize = 12;

/// The length in bytes that the second byte gives: 32-bit words beyond the first two.
pub(super) fn len(payload_len: u8) -> usize {
    (usize::from(payload_len) + 2) * 4
}

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let lens = walk.lens(region);
    let (Some(next), Some(payload_len)) = (lens.u8(0), lens.u8(1)) else {
        return walk.stop_short(Protocol::Ah, region, HEADER, Some(Anomaly::AhTruncated));
    };
    let need = len(payload_len);
    if lens.0.len() < need {
        return walk.stop_short(Protocol::Ah, region, need, Some(Anomaly::AhTruncated));
    }
    walk.push(Protocol::Ah, region, need);
    Some((ipv4::by_protocol(next), region.after(need)))
}

pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(next) = lens.u8(0) else { return };
    v.field(
        Field::number("next_header", "Next header", bytes(0, 1), next)
            .meaning(&names::ProtocolName(next))
            .brief(Brief::Inside),
    );
    let Some(payload_len) = lens.u8(1) else {
        return;
    };
    v.field(
        Field::number("length", "Length", bytes(1, 1), len(payload_len) as u64).meaning(&"bytes"),
    );
    describe(lens, 0, Brief::Value("ah spi "), v);
}

/// Everything behind next header and length, for a header that begins `at` bytes into its layer.
pub(super) fn describe<V: Visitor>(header: Lens<'_>, at: usize, brief: Brief, v: &mut V) {
    let Some(spi) = header.u32(4) else { return };
    v.field(Field::hex("spi", "Security parameters index", bytes(at + 4, 4), spi).brief(brief));
    let Some(sequence) = header.u32(8) else {
        return;
    };
    v.field(Field::number(
        "sequence",
        "Sequence number",
        bytes(at + 8, 4),
        sequence,
    ));
    let icv = header.slice(HEADER, usize::MAX);
    v.field(Field::bytes(
        "icv",
        "Integrity check value",
        bytes(at + HEADER, icv.len()),
        icv,
    ));
}
