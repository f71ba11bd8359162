//! The Internet checksum (RFC 1071) and the verdicts on it.
//!
//! Knows how to sum and what a sum means; which bytes count is for each protocol to say.

use std::fmt;

/// What became of a layer's checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The layer has no checksum, or its checksum was not asked for.
    None,
    /// It is right.
    Good,
    /// It is wrong; `expected` is what should stand in the header.
    Bad {
        /// The right value, as it would stand in the header.
        expected: u16,
    },
    /// The sender left it out (UDP over IPv4, RFC 768).
    Absent,
    /// It cannot be judged.
    Unknown(Unjudged),
}

/// Why a checksum cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unjudged {
    /// Not all of the summed bytes were captured.
    Cut,
    /// The datagram is one of several fragments.
    Fragment,
    /// The checksum was left for the hardware to fill in.
    Offload,
    /// The pseudo header is not known.
    NoPseudoHeader,
    /// The length it covers cannot be told.
    Length,
}

impl Verdict {
    /// `Some(true)` when right, `Some(false)` when wrong, `None` when it cannot be judged.
    #[inline]
    #[must_use]
    pub const fn ok(self) -> Option<bool> {
        match self {
            Self::Good => Some(true),
            Self::Bad { .. } => Some(false),
            Self::None | Self::Absent | Self::Unknown(_) => None,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("not judged"),
            Self::Good => f.write_str("good"),
            Self::Bad { expected } => write!(f, "bad, should be 0x{expected:04x}"),
            Self::Absent => f.write_str("absent"),
            Self::Unknown(why) => f.write_str(match why {
                Unjudged::Cut => "not judged: cut short",
                Unjudged::Fragment => "not judged: a fragment",
                Unjudged::Offload => "not judged: left to the hardware",
                Unjudged::NoPseudoHeader => "not judged: addresses unknown",
                Unjudged::Length => "not judged: length unclear",
            }),
        }
    }
}

/// The addresses a transport checksum covers beside the segment itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pseudo {
    /// RFC 793 section 3.1: source, destination.
    V4([u8; 4], [u8; 4]),
    /// RFC 8200 section 8.1: source, destination.
    V6([u8; 16], [u8; 16]),
}

impl Pseudo {
    /// The sum of the pseudo header, for a segment of `len` bytes of `protocol`.
    #[inline]
    #[must_use]
    pub fn sum(&self, protocol: u8, len: u32) -> Sum {
        let sum = match self {
            Self::V4(source, destination) => Sum::new().with(source).with(destination),
            Self::V6(source, destination) => Sum::new().with(source).with(destination),
        };
        sum.with(&[0, protocol]).with(&len.to_be_bytes())
    }
}

/// A running one's complement sum of 16-bit words.
///
/// The sum is kept in the machine's own byte order and turned once at the end, which RFC 1071
/// section 2(B) allows; only the last piece added may have an odd length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sum(u64);

impl Sum {
    /// Nothing summed yet.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds bytes; an odd last byte is padded with zero, as the RFCs say.
    #[inline]
    #[must_use]
    pub fn with(self, bytes: &[u8]) -> Self {
        // Four-byte words into 64-bit lanes: no carry can be lost before 2^32 words, so nothing
        // wraps; said with `wrapping_add`, because a checked add keeps the compiler from turning
        // the loop into vector adds, a fourth of the speed.
        let (words, rest) = bytes.as_chunks::<4>();
        let last = match *rest {
            [a] => [a, 0, 0, 0],
            [a, b] => [a, b, 0, 0],
            [a, b, c] => [a, b, c, 0],
            _ => [0; 4],
        };
        let total = words
            .iter()
            .fold(u64::from(u32::from_ne_bytes(last)), |total, word| {
                total.wrapping_add(u64::from(u32::from_ne_bytes(*word)))
            });
        let sum = self.0 + (total & 0xffff_ffff) + (total >> 32);
        Self((sum & 0xffff_ffff) + (sum >> 32))
    }

    /// The sum folded to 16 bits, in network byte order.
    #[inline]
    #[must_use]
    pub fn fold(self) -> u16 {
        let mut sum = self.0;
        sum = (sum & 0xffff_ffff) + (sum >> 32);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        u16::from_be((sum & 0xffff) as u16)
    }

    /// What stands in the header when the checksum field was zero in this sum.
    #[inline]
    #[must_use]
    pub fn checksum(self) -> u16 {
        !self.fold()
    }

    /// The verdict on a sum that includes the checksum field, which holds `carried`.
    #[inline]
    #[must_use]
    pub fn verdict(self, carried: u16) -> Verdict {
        let folded = self.fold();
        if folded == 0xffff {
            return Verdict::Good;
        }
        // Take the carried value out again: subtracting is adding the complement (RFC 1624).
        let without = u32::from(folded) + u32::from(!carried);
        let without = (without & 0xffff) + (without >> 16);
        Verdict::Bad {
            expected: !((without & 0xffff) as u16),
        }
    }
}

/// The checksum of a header or segment whose checksum field is zero.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    Sum::new().with(bytes).checksum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 1071 section 3: the words 0001 f203 f4f5 f6f7 sum to ddf2.
    #[test]
    fn the_example_of_rfc_1071() {
        assert_eq!(
            Sum::new()
                .with(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7])
                .fold(),
            0xddf2
        );
    }

    proptest! {
        #[test]
        fn agrees_with_etherparse(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let theirs = etherparse::checksum::u64_16bit_word::ones_complement(
                etherparse::checksum::u64_16bit_word::add_slice(0, &bytes)).to_be();
            prop_assert_eq!(checksum(&bytes), theirs);
        }

        #[test]
        fn a_bad_checksum_names_the_right_one(mut bytes in prop::collection::vec(any::<u8>(), 20..60), wrong: u16) {
            if bytes.len() % 2 == 1 { bytes.pop(); }
            bytes.splice(10..12, [0, 0]);
            let right = checksum(&bytes);
            bytes.splice(10..12, wrong.to_be_bytes());
            match Sum::new().with(&bytes).verdict(wrong) {
                Verdict::Good => prop_assert!(wrong == right || (wrong == 0xffff && right == 0) || (wrong == 0 && right == 0xffff)),
                Verdict::Bad { expected } => prop_assert!(expected == right || (expected ^ right) == 0xffff && (right == 0 || right == 0xffff)),
                other => prop_assert!(false, "{other:?}"),
            }
        }
    }
}
