//! The same datagram again: unchanged, or with a lower TTL each time.
//!
//! RFC 791 lets the network duplicate datagrams, so one copy is odd and not wrong. A router that
//! forwards between two links of one capture shows each datagram twice, with TTLs one apart; so
//! only what comes over the same link again is compared, and a loop takes three.

use super::passing::{Nanoseconds, Passing, apart};
use super::table::{Dated, Table};
use super::{SECOND, Together};
use crate::wire::anomaly::Anomaly;

/// Copies that somebody made come at once; a sender who says the same again waits longer: a
/// second is TCP's first timeout (RFC 6298 section 2.1).
const WINDOW: u64 = SECOND;
const CAPACITY: u32 = 1 << 16;

#[derive(Debug)]
struct Sighting {
    link: u64,
    around: u64,
    last: Nanoseconds,
    first_frame: u64,
    last_frame: u64,
    ttl: u8,
    falls: u8,
}

impl Dated for Sighting {
    fn last(&self) -> Nanoseconds {
        self.last
    }
}

/// Where a datagram was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Nowhere.
    New,
    /// On this link.
    Here,
    /// On another: it is being forwarded.
    Elsewhere,
}

#[derive(Debug)]
pub(super) struct Repeats {
    table: Table<Sighting>,
}

impl Repeats {
    pub(super) fn new(seed: [u64; 2]) -> Self {
        Self {
            table: Table::new(seed, CAPACITY, WINDOW),
        }
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.table.forgotten()
    }

    #[inline]
    pub(super) fn add(
        &mut self,
        passing: &Passing,
        now: Nanoseconds,
        found: &mut Vec<Together>,
    ) -> Before {
        let flow = passing.flow;
        let key = u128::from(passing.fingerprint) << 64
            | u128::from(flow.source) << 32
            | u128::from(flow.destination);
        let first = Sighting {
            link: passing.link,
            around: passing.around,
            last: now,
            first_frame: passing.number,
            last_frame: passing.number,
            ttl: passing.ttl,
            falls: 0,
        };
        let Some(sighting) = self.table.get(key) else {
            self.table.insert(key, first, now);
            return Before::New;
        };
        if apart(sighting.last, now) > WINDOW {
            *sighting = first;
            return Before::New;
        }
        if sighting.link != passing.link {
            return Before::Elsewhere;
        }
        if passing.ttl > sighting.ttl {
            // Sent anew, from nearer by.
            *sighting = first;
            return Before::Here;
        }
        if passing.ttl < sighting.ttl {
            sighting.falls = sighting.falls.saturating_add(1);
            if sighting.falls == 2 {
                let frames = vec![sighting.first_frame, sighting.last_frame];
                found.push((Anomaly::Ipv4Loop, passing.layer, frames));
            }
        } else if passing.identification != 0 && passing.around == sighting.around {
            // Whoever does not number datagrams may well say the same twice (RFC 6864).
            let frames = vec![sighting.last_frame];
            found.push((Anomaly::Ipv4Duplicate, passing.layer, frames));
        }
        sighting.ttl = passing.ttl;
        sighting.last = now;
        sighting.last_frame = passing.number;
        Before::Here
    }
}
