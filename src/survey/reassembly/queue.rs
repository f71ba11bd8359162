//! The bytes of one datagram in their order: who brought which, and whether any are missing.
//!
//! Where two fragments bring the same place, hosts differ in whom they believe; that is the
//! policy. Knows places and numbers of pieces, not their bytes.

use std::fmt;

/// Whom a host believes where fragments overlap.
///
/// What each system does was measured by Shankar and Paxson (2003) and Novak ("Target-Based
/// Fragmentation Reassembly", 2005), and is what Snort and Suricata call by these names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// What came first stays.
    First,
    /// What came last stays.
    Last,
    /// The fragment that starts further left, and the earlier one of two that start alike: BSD
    /// and what descends from it. Fragments before the last whose length is not a multiple of
    /// eight are dropped.
    Bsd,
    /// An overlap discards the whole datagram; what lies wholly within bytes that came in order
    /// is taken for a duplicate, unread (RFC 5722 applied to IPv4, Linux since 4.20).
    #[default]
    Linux,
    /// What came first stays, unless the new fragment reaches past it on both sides.
    Windows,
    /// What came first stays, unless the new fragment starts before it and reaches its end.
    Solaris,
}

impl Policy {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::First,
        Self::Last,
        Self::Bsd,
        Self::Linux,
        Self::Windows,
        Self::Solaris,
    ];

    /// Its name, as people type it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Last => "last",
            Self::Bsd => "bsd",
            Self::Linux => "linux",
            Self::Windows => "windows",
            Self::Solaris => "solaris",
        }
    }

    /// Whether a new fragment takes what an old one has brought.
    fn prefers(self, new: Span, old: Span) -> bool {
        match self {
            Self::First | Self::Linux => false,
            Self::Last => true,
            Self::Bsd => new.start < old.start,
            Self::Windows => new.start < old.start && new.end > old.end,
            Self::Solaris => new.start < old.start && new.end >= old.end,
        }
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Bytes of a datagram's data, by offset; `start <= end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u32,
    pub(super) end: u32,
}

/// A stretch that is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) span: Span,
    /// The piece that holds its bytes.
    pub(super) piece: u32,
    /// The frame that brought them.
    pub(super) frame: u64,
    /// It came in order, right behind the segment before it: one run of Linux's.
    joined: bool,
}

/// What became of a fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Added {
    /// It has its place, or was not needed; bytes are still missing.
    Waiting,
    /// Nothing is missing any more.
    Whole,
    /// The fragments end the datagram at different places.
    Ends,
    /// The policy discards the datagram.
    Discarded,
}

/// One datagram's filled stretches, in order, none overlapping another.
#[derive(Debug, Default)]
pub(super) struct Queue {
    segments: Vec<Segment>,
    /// Bytes that are filled.
    filled: u32,
    /// The furthest byte that a fragment reaches.
    reach: u32,
    /// The last fragment has come: the datagram ends at `reach`.
    ended: bool,
}

impl Queue {
    /// Adds a fragment: its place, whether more follow, and which piece and frame it is.
    pub(super) fn add(
        &mut self,
        policy: Policy,
        mut span: Span,
        more: bool,
        piece: u32,
        frame: u64,
    ) -> Added {
        if more && !span.end.is_multiple_of(8) {
            if policy == Policy::Bsd {
                return Added::Waiting;
            }
            span.end -= span.end % 8;
        }
        let ends_elsewhere = if more {
            self.ended && span.end > self.reach
        } else {
            span.end < self.reach || self.ended && span.end != self.reach
        };
        if ends_elsewhere {
            return Added::Ends;
        }
        self.ended |= !more;
        self.reach = self.reach.max(span.end);
        if span.start >= span.end {
            // Linux takes a fragment without data for an attack.
            return match policy {
                Policy::Linux => Added::Discarded,
                _ => self.state(),
            };
        }
        let new = Segment {
            span,
            piece,
            frame,
            joined: false,
        };
        if policy == Policy::Linux {
            return self.insert(new);
        }
        self.overlay(policy, new);
        self.state()
    }

    fn state(&self) -> Added {
        if self.ended && self.filled == self.reach {
            Added::Whole
        } else {
            Added::Waiting
        }
    }

    /// What is filled, in order.
    pub(super) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Changes of each stretch which piece holds it; false where there is none.
    pub(super) fn renumber(&mut self, mut piece: impl FnMut(&Segment) -> Option<u32>) -> bool {
        self.segments.iter_mut().all(|segment| {
            let number = piece(segment);
            segment.piece = number.unwrap_or(0);
            number.is_some()
        })
    }

    /// Length of the data as far as it is known, in bytes.
    pub(super) fn reach(&self) -> u32 {
        self.reach
    }

    /// The start of the datagram is there.
    pub(super) fn has_first(&self) -> bool {
        self.segments
            .first()
            .is_some_and(|segment| segment.span.start == 0)
    }

    /// The end of the datagram is there.
    pub(super) fn has_last(&self) -> bool {
        self.ended
    }

    pub(super) fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    #[cfg(test)]
    pub(super) fn is_in_order(&self) -> bool {
        let len: u32 = self
            .segments
            .iter()
            .map(|it| it.span.end - it.span.start)
            .sum();
        let apart = |pair: &[Segment]| matches!(pair, [a, b] if a.span.end <= b.span.start);
        len == self.filled
            && self.segments.windows(2).all(apart)
            && self.segments.iter().all(|it| it.span.start < it.span.end)
    }

    /// As Linux does, which looks whether the datagram is whole only where a fragment was of use.
    fn insert(&mut self, mut new: Segment) -> Added {
        let span = new.span;
        match self.segments.last() {
            Some(last) if last.span.end < span.end => {
                if span.start < last.span.end {
                    return Added::Discarded;
                }
                new.joined = span.start == last.span.end;
            }
            None => {}
            Some(_) => {
                let at = self
                    .segments
                    .partition_point(|old| old.span.end <= span.start);
                let behind = self.segments.get(at..).unwrap_or_default();
                if behind.first().is_some_and(|old| old.span.start < span.end) {
                    return if within_run(behind, span) {
                        Added::Waiting
                    } else {
                        Added::Discarded
                    };
                }
                self.filled += span.end - span.start;
                self.segments.insert(at, new);
                return self.state();
            }
        }
        self.filled += span.end - span.start;
        self.segments.push(new);
        self.state()
    }

    /// Lays the new fragment over those it overlaps, each byte going to whom the policy prefers.
    fn overlay(&mut self, policy: Policy, new: Segment) {
        let (start, end) = (new.span.start, new.span.end);
        let from = self.segments.partition_point(|old| old.span.end <= start);
        let to = self.segments.partition_point(|old| old.span.start < end);
        let mut laid = Vec::new();
        let mut put = |segment: Segment, start: u32, end: u32| {
            if start < end {
                laid.push(Segment {
                    span: Span { start, end },
                    ..segment
                });
            }
        };
        let mut at = start;
        let mut tail = None;
        let mut before = 0;
        for old in self.segments.get(from..to).unwrap_or_default() {
            before += old.span.end - old.span.start;
            if policy.prefers(new.span, old.span) {
                put(*old, old.span.start, start);
                tail = Some(*old);
            } else {
                put(new, at, old.span.start);
                put(*old, old.span.start, old.span.end);
                at = old.span.end;
                tail = None;
            }
        }
        put(new, at, end);
        if let Some(old) = tail {
            put(old, end, old.span.end);
        }
        let after: u32 = laid
            .iter()
            .map(|segment| segment.span.end - segment.span.start)
            .sum();
        self.filled = self.filled.saturating_sub(before).saturating_add(after);
        self.segments.splice(from..to.max(from), laid);
    }
}

/// Whether a place lies within the run that the first of these segments is of.
fn within_run(segments: &[Segment], place: Span) -> bool {
    let Some((first, rest)) = segments.split_first() else {
        return false;
    };
    if place.start < first.span.start {
        return false;
    }
    let mut end = first.span.end;
    for next in rest {
        if end >= place.end || !next.joined {
            break;
        }
        end = next.span.end;
    }
    end >= place.end
}
