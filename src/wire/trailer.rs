//! What a frame holds behind the end that an inner length gives: padding to the minimum frame
//! size, check sequences, a vendor's time stamp (RFC 894, RFC 1122 section 2.3.3).
//!
//! Never part of the datagram, so never fed to a transport or a checksum.

use super::field::{Field, Name, Visitor, bytes};
use super::packet::{Next, Protocol, Region, View, Walk};

/// The walk records trailers itself, after everything else; nothing dispatches to one.
pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    walk.push(Protocol::Trailer, region, region.len());
    None
}

#[inline]
pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let captured = view.header();
    let zero = captured.iter().all(|byte| *byte == 0);
    v.field(
        Field::number(
            "length",
            "Length",
            bytes(0, captured.len()),
            view.layer.header_len,
        )
        .meaning(&Name(Some(if zero {
            "padding, all zero"
        } else {
            "not part of the datagram"
        }))),
    );
}
