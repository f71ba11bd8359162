//! The buffer every renderer writes to: numbers, addresses and escaped text, without `fmt`.
//!
//! `fmt` costs a virtual call and a format parse a piece; at a hundred pieces a frame that is
//! most of the time of a frame, so what stands on every line is written by hand here. Meanings
//! and other rare things go through `fmt` all the same. Knows nothing of packets.

use std::fmt::{self, Display, Write};

/// A growing piece of output.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text(Vec<u8>);

/// The decimal digits of 0 to 99, two by two.
const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

const HEX: &[u8; 16] = b"0123456789abcdef";

impl Text {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The text as a string; what is not UTF-8 becomes U+FFFD.
    pub(crate) fn into_string(self) -> String {
        String::from_utf8(self.0)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    /// Takes away everything from `at` on.
    pub(crate) fn split_off(&mut self, at: usize) -> Vec<u8> {
        self.0.split_off(at.min(self.0.len()))
    }

    /// Makes room, so that the pieces of a frame find it.
    #[inline]
    pub(crate) fn reserve(&mut self, len: usize) {
        self.0.reserve(len);
    }

    #[inline]
    pub(crate) fn push(&mut self, byte: u8) {
        self.0.push(byte);
    }

    #[inline]
    pub(crate) fn str(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    #[inline]
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    #[inline]
    pub(crate) fn ends_with(&self, byte: u8) -> bool {
        self.0.last() == Some(&byte)
    }

    /// A decimal number.
    #[inline]
    pub(crate) fn number(&mut self, value: u64) {
        if value < 10 {
            self.0.push(b'0' + (value & 0xf) as u8);
            return;
        }
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = value;
        while rest >= 100 {
            at -= 2;
            put(&mut digits, at, pair(rest % 100));
            rest /= 100;
        }
        if rest >= 10 {
            at -= 2;
            put(&mut digits, at, pair(rest));
        } else {
            at -= 1;
            put(&mut digits, at, [b'0' + (rest & 0xf) as u8]);
        }
        self.0
            .extend_from_slice(digits.get(at..).unwrap_or_default());
    }

    pub(crate) fn signed(&mut self, value: i64) {
        if value < 0 {
            self.push(b'-');
        }
        self.number(value.unsigned_abs());
    }

    /// A number below 10^`digits`, with leading zeros; `digits` is at most 9.
    #[inline]
    pub(crate) fn padded(&mut self, value: u32, digits: usize) {
        let mut text = [b'0'; 10];
        let mut rest = u64::from(value);
        for at in [8, 6, 4, 2, 0] {
            put(&mut text, at, pair(rest % 100));
            rest /= 100;
        }
        self.0
            .extend_from_slice(text.get(10 - digits.min(9)..).unwrap_or_default());
    }

    /// A hexadecimal number with at least so many digits.
    pub(crate) fn hex(&mut self, value: u64, digits: u8) {
        let needed = (16 - value.leading_zeros() / 4)
            .max(1)
            .max(u32::from(digits))
            .min(16);
        for shift in (0..needed).rev() {
            self.push(nibble(((value >> (shift * 4)) & 0xf) as u8));
        }
    }

    #[inline]
    pub(crate) fn hex_byte(&mut self, byte: u8) {
        self.raw(&[nibble(byte >> 4), nibble(byte)]);
    }

    pub(crate) fn hex_bytes(&mut self, bytes: &[u8]) {
        self.0.reserve(bytes.len() * 2);
        for byte in bytes {
            self.hex_byte(*byte);
        }
    }

    /// An IPv4 address in dotted decimal.
    #[inline]
    pub(crate) fn ipv4(&mut self, address: [u8; 4]) {
        let mut text = [0; 16];
        let mut at = 0;
        for byte in address {
            // Nobody can foretell how many digits a byte takes: all three and the dot are there,
            // and the zeros that nobody writes are shifted out.
            let zeros = usize::from(byte < 10) + usize::from(byte < 100);
            let [tens, ones] = pair(u64::from(byte % 100));
            let digits = u32::from_le_bytes([b'0' + byte / 100, tens, ones, b'.']);
            put(&mut text, at, (digits >> (8 * zeros)).to_le_bytes());
            at += 4 - zeros;
        }
        self.0
            .extend_from_slice(text.get(..at - 1).unwrap_or_default());
    }

    pub(crate) fn ipv6(&mut self, address: [u8; 16]) {
        self.display(&std::net::Ipv6Addr::from(address));
    }

    #[inline]
    pub(crate) fn mac(&mut self, address: [u8; 6]) {
        let mut text = [b':'; 18];
        let mut at = 0;
        for byte in address {
            put(&mut text, at, [nibble(byte >> 4), nibble(byte)]);
            at += 3;
        }
        self.0.extend_from_slice(text.get(..17).unwrap_or_default());
    }

    /// Anything that knows how to show itself.
    pub(crate) fn display(&mut self, what: &dyn Display) {
        // Writing to a Vec cannot fail; a Display that fails has said all it could.
        let _ = write!(self, "{what}");
    }

    /// Text off the wire, safe for a terminal: control bytes and what is not UTF-8 as `\xNN`.
    pub(crate) fn escaped(&mut self, text: &[u8]) {
        for chunk in text.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character.is_control()
                    || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
                {
                    self.display(&character.escape_unicode());
                } else {
                    self.str(character.encode_utf8(&mut [0; 4]));
                }
            }
            for byte in chunk.invalid() {
                self.str("\\x");
                self.hex_byte(*byte);
            }
        }
    }

    /// A JSON string; bytes that are not UTF-8 become U+FFFD, as JSON has no bytes.
    pub(crate) fn json(&mut self, text: &[u8]) {
        self.push(b'"');
        for chunk in text.utf8_chunks() {
            for character in chunk.valid().chars() {
                match character {
                    '"' => self.str("\\\""),
                    '\\' => self.str("\\\\"),
                    '\u{0}'..='\u{1f}'
                    | '\u{7f}'..='\u{9f}'
                    | '\u{2028}'..='\u{202e}'
                    | '\u{2066}'..='\u{2069}' => {
                        self.str("\\u");
                        self.hex(u64::from(u32::from(character)), 4);
                    }
                    _ => self.str(character.encode_utf8(&mut [0; 4])),
                }
            }
            if !chunk.invalid().is_empty() {
                self.str("\u{fffd}");
            }
        }
        self.push(b'"');
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.str(text);
        Ok(())
    }
}

/// The two digits of a number below 100.
#[inline]
fn pair(value: u64) -> [u8; 2] {
    let at = usize::from((value % 100) as u8) * 2;
    PAIRS
        .get(at..)
        .and_then(|pair| pair.first_chunk())
        .copied()
        .unwrap_or_default()
}

#[inline]
fn nibble(value: u8) -> u8 {
    HEX.get(usize::from(value & 0xf))
        .copied()
        .unwrap_or_default()
}

#[inline]
fn put<const N: usize>(text: &mut [u8], at: usize, piece: [u8; N]) {
    if let Some(place) = text.get_mut(at..at + N) {
        place.copy_from_slice(&piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(write: impl FnOnce(&mut Text)) -> String {
        let mut text = Text::default();
        write(&mut text);
        String::from_utf8_lossy(text.as_bytes()).into_owned()
    }

    proptest! {
        #[test]
        fn agrees_with_fmt(number: u64, signed: i64, address: [u8; 4], mac: [u8; 6], nanoseconds in 0u32..1_000_000_000) {
            prop_assert_eq!(text(|t| t.number(number)), number.to_string());
            prop_assert_eq!(text(|t| t.signed(signed)), signed.to_string());
            prop_assert_eq!(text(|t| t.hex(number, 4)), format!("{number:04x}"));
            prop_assert_eq!(text(|t| t.padded(nanoseconds, 9)), format!("{nanoseconds:09}"));
            prop_assert_eq!(text(|t| t.padded(nanoseconds / 1000, 6)), format!("{:06}", nanoseconds / 1000));
            prop_assert_eq!(text(|t| t.ipv4(address)), std::net::Ipv4Addr::from(address).to_string());
            prop_assert_eq!(text(|t| t.mac(mac)), mac.map(|byte| format!("{byte:02x}")).join(":"));
        }

        #[test]
        fn nothing_raw_reaches_a_terminal(bytes: Vec<u8>) {
            let shown = text(|t| t.escaped(&bytes));
            prop_assert!(shown.chars().all(|c| !c.is_control()));
        }

        #[test]
        fn json_reads_back(string: String) {
            let json = text(|t| t.json(string.as_bytes()));
            prop_assert_eq!(serde_json::from_str::<String>(&json).ok(), Some(string));
        }
    }

    #[test]
    fn edges() {
        assert_eq!(text(|t| t.number(0)), "0");
        assert_eq!(text(|t| t.number(99)), "99");
        assert_eq!(text(|t| t.number(100)), "100");
        assert_eq!(text(|t| t.number(u64::MAX)), u64::MAX.to_string());
        assert_eq!(text(|t| t.signed(i64::MIN)), i64::MIN.to_string());
        assert_eq!(
            text(|t| t.escaped(b"a\x1b[2J\r\x07\xff")),
            "a\\u{1b}[2J\\u{d}\\u{7}\\xff"
        );
        assert_eq!(
            text(|t| t.json(b"\x1b\"\\\xff\x7f")),
            "\"\\u001b\\\"\\\\\u{fffd}\\u007f\""
        );
    }
}
