//! Whom to ask: addresses, ranges and networks as one set that is never written out, and an order
//! over it that is never written out either. Knows addresses, no names.

mod permutation;

use std::net::Ipv4Addr;
use std::ops::Range;
use std::sync::Arc;

pub use permutation::Permutation;

/// A run of neighbouring addresses: the first, and how many of the set come before it. The next
/// run's number says how long it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: u32,
    before: u32,
}

/// A set of addresses in ascending order, each with its index. Takes 8 bytes for each run of
/// neighbouring addresses, whatever its length; copies share them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Targets {
    spans: Arc<Vec<Span>>,
    len: u32,
}

impl Targets {
    /// The most addresses a set may hold: a /8.
    pub const MOST: u32 = 1 << 24;

    /// The set of all these ranges, both ends included. Addresses named twice are in it once; a
    /// range whose ends are the wrong way round is turned. `None` when there are more than
    /// [`MOST`](Self::MOST).
    #[must_use]
    pub fn new(ranges: impl IntoIterator<Item = (Ipv4Addr, Ipv4Addr)>) -> Option<Self> {
        // At first `before` holds the last address of its run, so that nothing is there twice.
        let mut spans: Vec<Span> = ranges
            .into_iter()
            .map(|(a, b)| Span {
                first: a.min(b).to_bits(),
                before: a.max(b).to_bits(),
            })
            .collect();
        spans.sort_unstable_by_key(|span| span.first);
        spans.dedup_by(|next, kept| {
            let joined = u64::from(next.first) <= u64::from(kept.before) + 1;
            if joined {
                kept.before = kept.before.max(next.before);
            }
            joined
        });
        let mut len: u32 = 0;
        for span in &mut spans {
            let last = std::mem::replace(&mut span.before, len);
            let size = (last - span.first).checked_add(1)?;
            len = len.checked_add(size).filter(|&len| len <= Self::MOST)?;
        }
        spans.shrink_to_fit();
        Some(Self {
            spans: Arc::new(spans),
            len,
        })
    }

    /// One address.
    #[must_use]
    pub fn one(address: Ipv4Addr) -> Self {
        Self::new([(address, address)]).unwrap_or_default()
    }

    /// The addresses of a network, as a range for [`new`](Self::new): without its own and its
    /// broadcast address, but where a prefix of 31 (RFC 3021) or 32 leaves no room for them.
    /// A prefix above 32 is one address.
    #[must_use]
    pub fn network(address: Ipv4Addr, prefix: u8) -> (Ipv4Addr, Ipv4Addr) {
        let host = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
        let first = address.to_bits() & !host;
        let last = first | host;
        let edge = u32::from(prefix < 31);
        (
            Ipv4Addr::from_bits(first.saturating_add(edge)),
            Ipv4Addr::from_bits(last.saturating_sub(edge)),
        )
    }

    /// How many addresses.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len
    }

    /// True when there is nobody.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The last run of which `begins` holds, as it does of all before; a single one in any case.
    fn last(&self, begins: impl FnMut(&Span) -> bool) -> Option<(Span, u32)> {
        let place = match self.spans.as_slice() {
            [_] => 0,
            spans => spans.partition_point(begins).checked_sub(1)?,
        };
        self.span(place)
    }

    /// The run at this place, and how many addresses it has.
    fn span(&self, place: usize) -> Option<(Span, u32)> {
        let span = *self.spans.get(place)?;
        let next = self.spans.get(place.saturating_add(1));
        let end = next.map_or(self.len, |next| next.before);
        Some((span, end.saturating_sub(span.before)))
    }

    /// The address with this index.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<Ipv4Addr> {
        let (span, len) = self.last(|span| span.before <= index)?;
        let within = index.checked_sub(span.before).filter(|&it| it < len)?;
        Some(Ipv4Addr::from_bits(span.first.checked_add(within)?))
    }

    /// The index of this address.
    #[must_use]
    pub fn index_of(&self, address: Ipv4Addr) -> Option<u32> {
        let address = address.to_bits();
        let (span, len) = self.last(|span| span.first <= address)?;
        let within = address.checked_sub(span.first)?;
        (within < len).then(|| span.before.saturating_add(within))
    }

    /// The targets whose indexes are in this stretch, as a set of their own.
    #[must_use]
    pub fn stretch(&self, indexes: &Range<u32>) -> Self {
        let places = (0..self.spans.len()).filter_map(|place| self.span(place));
        let ranges = places.filter_map(|(span, len)| {
            let start = indexes.start.max(span.before);
            let end = indexes.end.min(span.before.saturating_add(len));
            let address = |index: u32| {
                let within = index.checked_sub(span.before)?;
                span.first.checked_add(within).map(Ipv4Addr::from_bits)
            };
            let last = end.checked_sub(1).filter(|last| *last >= start)?;
            Some((address(start)?, address(last)?))
        });
        // A part of a set is no larger than the set.
        Self::new(ranges).unwrap_or_default()
    }

    /// All addresses, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Ipv4Addr> {
        (0..self.spans.len())
            .filter_map(|place| self.span(place))
            .flat_map(|(span, len)| (0..len).filter_map(move |it| span.first.checked_add(it)))
            .map(Ipv4Addr::from_bits)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use super::*;
    use proptest::prelude::*;

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_leaves_out_its_edges() {
        let network = |text, prefix| {
            let (first, last) = Targets::network(ip(text), prefix);
            (first.to_string(), last.to_string())
        };
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(network("10.1.2.3", 24), pair("10.1.2.1", "10.1.2.254"));
        assert_eq!(network("10.1.2.3", 30), pair("10.1.2.1", "10.1.2.2"));
        assert_eq!(network("10.1.2.3", 31), pair("10.1.2.2", "10.1.2.3"));
        assert_eq!(network("10.1.2.3", 32), pair("10.1.2.3", "10.1.2.3"));
        assert_eq!(network("10.1.2.3", 0), pair("0.0.0.1", "255.255.255.254"));
    }

    #[test]
    fn too_many_are_refused() {
        let all = (ip("0.0.0.0"), ip("255.255.255.255"));
        assert_eq!(Targets::new([all]), None);
        let eight = Targets::new([(ip("10.0.0.0"), ip("10.255.255.255"))]).unwrap();
        assert_eq!(eight.len(), Targets::MOST);
        assert_eq!(eight.get(Targets::MOST), None);
        assert_eq!(Targets::new([(ip("10.0.0.0"), ip("11.0.0.0"))]), None);
    }

    proptest! {
        #[test]
        fn index_and_address_are_inverse(
            ranges in prop::collection::vec((0u32..600, 0u32..40), 0..20),
        ) {
            let ends = ranges.iter().map(|&(a, n)| {
                (Ipv4Addr::from_bits(a), Ipv4Addr::from_bits(a + n))
            });
            let set = Targets::new(ends).unwrap();
            let mut plain: Vec<u32> = ranges.iter().flat_map(|&(a, n)| a..=a + n).collect();
            plain.sort_unstable();
            plain.dedup();
            prop_assert_eq!(set.len() as usize, plain.len());
            let all: Vec<u32> = set.iter().map(Ipv4Addr::to_bits).collect();
            prop_assert_eq!(&all, &plain);
            for address in 0..700 {
                let index = plain.binary_search(&address).ok().map(|i| u32::try_from(i).unwrap());
                prop_assert_eq!(set.index_of(Ipv4Addr::from_bits(address)), index);
                if let Some(index) = index {
                    prop_assert_eq!(set.get(index), Some(Ipv4Addr::from_bits(address)));
                }
            }
            prop_assert_eq!(set.get(set.len()), None);
        }
    }
}
