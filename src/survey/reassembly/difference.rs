//! Which bytes of a datagram two fragments tell differently, and what each says.
//!
//! Knows bytes and places, nothing of datagrams or policies.

/// Bytes of each value that are kept.
const MAX_KEPT: usize = 16;
/// Stretches that one fragment is told to differ in at most.
pub(super) const MAX_DIFFERENCES: usize = 8;

/// A stretch of a datagram's data in which every byte differs from what an earlier fragment
/// brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The frame of the earlier fragment.
    pub frame: u64,
    /// The first byte, counted from the start of the datagram's data as fragment offsets are.
    pub offset: u32,
    /// How many bytes, of which the values hold the first.
    pub length: u32,
    /// What the earlier fragment brought: at most 16 bytes.
    pub earlier: Vec<u8>,
    /// What this one brings: at most 16 bytes.
    pub later: Vec<u8>,
}

/// The stretches in which two values of one place differ, which begins at `offset`.
pub(super) fn between(
    frame: u64,
    offset: u32,
    earlier: &[u8],
    later: &[u8],
) -> impl Iterator<Item = Difference> {
    let kept = |bytes: &[u8], start: usize, len: usize| {
        let bytes = bytes.iter().skip(start);
        bytes.take(len.min(MAX_KEPT)).copied().collect()
    };
    let mut at = 0;
    std::iter::from_fn(move || {
        let differs = |(one, other): (&u8, &u8)| one != other;
        let mut rest = earlier.iter().zip(later).skip(at);
        let start = at + rest.position(differs)?;
        let len = 1 + rest.take_while(|pair| differs(*pair)).count();
        at = start + len;
        Some(Difference {
            frame,
            offset: offset.saturating_add(u32::try_from(start).unwrap_or(u32::MAX)),
            length: u32::try_from(len).unwrap_or(u32::MAX),
            earlier: kept(earlier, start, len),
            later: kept(later, start, len),
        })
    })
}
