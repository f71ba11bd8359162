//! The frame's bytes, sixteen a row: hexadecimal, ASCII, or both.

use super::text::Text;

/// What `-x`, `-X` and `-A` ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dump {
    /// Hexadecimal.
    Hex,
    /// Hexadecimal and ASCII beside it.
    HexAscii,
    /// ASCII alone.
    Ascii,
}

/// Writes `bytes` under a frame's line.
pub(super) fn render(bytes: &[u8], dump: Dump, out: &mut Text) {
    if dump == Dump::Ascii {
        // Lines of the payload stay lines, each behind a tab: none can pose as one of ours.
        for line in bytes.split(|byte| *byte == b'\n') {
            out.push(b'\t');
            for byte in line {
                out.push(printable(*byte));
            }
            out.push(b'\n');
        }
        return;
    }
    for (row, bytes) in bytes.chunks(16).enumerate() {
        out.str("\t0x");
        out.hex(row as u64 * 16, 4);
        out.str(": ");
        for pair in bytes.chunks(2) {
            out.push(b' ');
            out.hex_bytes(pair);
        }
        if dump == Dump::HexAscii {
            let shown = bytes.len() * 2 + bytes.len().div_ceil(2);
            for _ in shown..42 {
                out.push(b' ');
            }
            for byte in bytes {
                out.push(printable(*byte));
            }
        }
        out.push(b'\n');
    }
}

fn printable(byte: u8) -> u8 {
    if byte.is_ascii_graphic() || byte == b' ' {
        byte
    } else {
        b'.'
    }
}
