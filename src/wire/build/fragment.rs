//! One datagram cut into fragments: rightly as RFC 791 section 3.2 has it, or wrong on purpose.
//!
//! Works on built bytes, so that whatever the header says stays said. Sends nothing, in any order.

use super::options::copied;
use super::{HEADER, put};
use crate::error::{Error, Result};
use crate::wire::checksum::checksum;

/// The smallest MTU that every module must forward (RFC 791 section 3.2): the longest header and
/// eight bytes.
pub const MIN_MTU: u16 = 68;

/// In which order fragments leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// First to last.
    #[default]
    Forward,
    /// Last to first.
    Reverse,
    /// Shuffled, the same way for the same seed.
    Random {
        /// Any number.
        seed: u64,
    },
}

/// How to cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cut {
    /// The most bytes of a fragment, header included; at least [`MIN_MTU`].
    pub mtu: u16,
    /// Each fragment but the first begins so many bytes before the one before it ends. A
    /// multiple of 8, less than a fragment's data.
    pub overlap: u16,
    /// So many bytes behind the first fragment are never sent. A multiple of 8.
    pub gap: u16,
    /// In which order they leave.
    pub order: Order,
}

/// Cuts a datagram into fragments of at most `cut.mtu` bytes each. One that fits is handed back
/// as it is. Don't Fragment is left as it stands.
///
/// # Errors
/// [`Kind::Usage`](crate::error::Kind::Usage) when the datagram has no whole header, is a
/// fragment's end beyond what the offset can say, or the cut makes no sense.
pub fn fragments(datagram: &[u8], cut: &Cut) -> Result<Vec<Vec<u8>>> {
    let refuse = |field: &str, why: String| Err(Error::usage(format!("reading {field}"), why));
    if cut.mtu < MIN_MTU {
        return refuse(
            "--fragment",
            format!("{} is not within {MIN_MTU} to 65535", cut.mtu),
        );
    }
    for (flag, bytes) in [
        ("--fragment-overlap", cut.overlap),
        ("--fragment-gap", cut.gap),
    ] {
        if !bytes.is_multiple_of(8) {
            return refuse(flag, format!("{bytes} bytes are no multiple of 8"));
        }
    }
    let first = datagram.first().copied().unwrap_or_default();
    let header_len = usize::from(first & 0x0f).saturating_mul(4);
    let Some((header, data)) = datagram
        .split_at_checked(header_len)
        .filter(|_| header_len >= HEADER)
    else {
        return refuse(
            "--fragment",
            "the datagram has no whole header to copy".to_owned(),
        );
    };
    if datagram.len() <= usize::from(cut.mtu) {
        return Ok(vec![datagram.to_vec()]);
    }
    let (fixed, options) = header.split_at_checked(HEADER).unwrap_or((header, &[]));
    let mut later = fixed.to_vec();
    later.extend(copied(options));
    later.resize(later.len().next_multiple_of(4), 0);
    if let Some(first) = later.first_mut() {
        *first = *first & 0xf0 | u8::try_from(later_words(options)).unwrap_or(15);
    }
    let word = fixed
        .get(6..)
        .and_then(<[u8]>::first_chunk)
        .map_or(0, |word| u16::from_be_bytes(*word));
    let base = usize::from(word & 0x1fff).saturating_mul(8);

    let mut made = Vec::new();
    let mut start = 0_usize;
    loop {
        let header = if start == 0 { header } else { &later };
        let room = usize::from(cut.mtu).saturating_sub(header.len()) / 8 * 8;
        let end = start.saturating_add(room).min(data.len());
        let piece = data.get(start..end).unwrap_or_default();
        let last = end == data.len();
        let offset = base.saturating_add(start) / 8;
        let Some(offset) = u16::try_from(offset).ok().filter(|it| *it <= 0x1fff) else {
            return refuse(
                "--fragment",
                format!("byte {start} of the data lies beyond what the offset can say"),
            );
        };
        // The last piece of a fragment is followed by what followed the fragment.
        let more = if last { word & 0x2000 } else { 0x2000 };
        made.push(fragment(header, piece, word & 0xc000 | more | offset));
        if last {
            break;
        }
        let gap = if start == 0 { usize::from(cut.gap) } else { 0 };
        let next = end
            .saturating_add(gap)
            .saturating_sub(usize::from(cut.overlap));
        if next <= start {
            return refuse(
                "--fragment-overlap",
                format!(
                    "{} bytes are no less than the {room} of a fragment",
                    cut.overlap
                ),
            );
        }
        if next >= data.len() {
            return refuse(
                "--fragment-gap",
                format!("{} bytes leave nothing for a second fragment", cut.gap),
            );
        }
        start = next;
    }
    match cut.order {
        Order::Forward => {}
        Order::Reverse => made.reverse(),
        Order::Random { seed } => shuffle(&mut made, seed),
    }
    Ok(made)
}

/// Words of the header of every fragment but the first.
fn later_words(options: &[u8]) -> usize {
    HEADER.saturating_add(copied(options).len()).div_ceil(4)
}

/// A header with this flags and offset word, its length and its checksum right, and the data.
fn fragment(header: &[u8], data: &[u8], word: u16) -> Vec<u8> {
    let mut bytes = header.to_vec();
    let total = header.len().saturating_add(data.len());
    put(&mut bytes, 2, u16::try_from(total).unwrap_or(u16::MAX));
    put(&mut bytes, 6, word);
    put(&mut bytes, 10, 0);
    let sum = checksum(&bytes);
    put(&mut bytes, 10, sum);
    bytes.extend_from_slice(data);
    bytes
}

/// Fisher and Yates, by the numbers of a xorshift generator (Marsaglia 2003).
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed | 1;
    for at in (1..items.len()).rev() {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let among = u64::try_from(at).unwrap_or(u64::MAX).saturating_add(1);
        items.swap(at, usize::try_from(state % among).unwrap_or(0));
    }
}
