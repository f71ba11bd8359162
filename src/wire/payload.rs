//! Bytes that are not taken apart: what the last header carries.
//!
//! Knows nothing of what they mean; an empty payload is no layer.

use super::field::{Field, Visitor, bytes};
use super::packet::{Next, Protocol, Region, View, Walk};

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    if region.promised_len() > 0 {
        walk.push(Protocol::Payload, region, region.len());
    }
    None
}

#[inline]
pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let captured = view.header();
    v.field(Field::number(
        "length",
        "Length",
        bytes(0, captured.len()),
        view.promised_len(),
    ));
    if view.layer.header_len < view.promised_len() {
        v.field(Field::number(
            "captured",
            "Captured",
            bytes(0, captured.len()),
            view.layer.header_len,
        ));
    }
}
