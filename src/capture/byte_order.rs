//! The byte order of a file or a section: numbers out of bytes.

/// Which end of a number comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The least significant byte first.
    Little,
    /// The most significant byte first, network byte order.
    Big,
}

impl Order {
    /// An unsigned 32-bit number.
    #[inline]
    pub(super) fn u32(self, bytes: [u8; 4]) -> u32 {
        match self {
            Self::Little => u32::from_le_bytes(bytes),
            Self::Big => u32::from_be_bytes(bytes),
        }
    }

    /// An unsigned 16-bit number.
    pub(super) fn u16(self, bytes: [u8; 2]) -> u16 {
        match self {
            Self::Little => u16::from_le_bytes(bytes),
            Self::Big => u16::from_be_bytes(bytes),
        }
    }

    /// The first `N` unsigned 32-bit numbers, if there are as many.
    #[inline]
    pub(super) fn u32s<const N: usize>(self, bytes: &[u8]) -> Option<[u32; N]> {
        let (words, _) = bytes.as_chunks::<4>();
        words
            .first_chunk()
            .map(|words| words.map(|word| self.u32(word)))
    }

    /// The first `N` unsigned 16-bit numbers, if there are as many.
    pub(super) fn u16s<const N: usize>(self, bytes: &[u8]) -> Option<[u16; N]> {
        let (halves, _) = bytes.as_chunks::<2>();
        halves
            .first_chunk()
            .map(|halves| halves.map(|half| self.u16(half)))
    }

    /// A signed 64-bit number.
    pub(super) fn i64(self, bytes: [u8; 8]) -> i64 {
        match self {
            Self::Little => i64::from_le_bytes(bytes),
            Self::Big => i64::from_be_bytes(bytes),
        }
    }
}
