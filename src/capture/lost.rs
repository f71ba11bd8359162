//! What a capture says was lost before it was written: the interface statistics blocks of pcapng.
//!
//! Knows the counters, and not where they stand.

/// Frames that never reached a capture; None where it does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lost {
    /// Dropped by the interface (`isb_ifdrop`).
    pub by_interface: Option<u64>,
    /// Dropped by the system, as there was no room (`isb_osdrop`).
    pub by_system: Option<u64>,
}

impl Lost {
    /// What this one and another say together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let sum = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        };
        Self {
            by_interface: sum(self.by_interface, other.by_interface),
            by_system: sum(self.by_system, other.by_system),
        }
    }
}
