//! IPv4 options (RFC 791 section 3.1 and its successors).

use super::field::{Field, Visitor, bytes};
use super::packet::Walk;

/// Everything odd about the options; `later_fragment` where the fragment offset is not zero.
pub(super) fn judge(walk: &mut Walk<'_>, options: &[u8], later_fragment: bool) {
    let _ = (walk, options, later_fragment);
}

/// The last address of a source route that is not yet used up.
pub(super) fn last_stop(options: &[u8]) -> Option<[u8; 4]> {
    let _ = options;
    None
}

/// Describes each option as an item; `options` begins at byte 20 of the header.
pub(super) fn fields<V: Visitor>(options: &[u8], v: &mut V) {
    v.field(Field::bytes(
        "",
        "Options",
        bytes(20, options.len()),
        options,
    ));
}
