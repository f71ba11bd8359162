//! Which way the datagrams of a source come.
//!
//! Where a source is known to arrive and then arrives elsewhere, or where this host's own
//! addresses arrive from outside, somebody may be using an address that is not theirs (RFC 3704,
//! RFC 1812 section 5.3.8). A bridge, a router or a container shows one datagram on several
//! interfaces; such sources are not judged.

use super::passing::{Nanoseconds, Passing, apart};
use super::repeats::Before;
use super::table::{Dated, Table};
use super::{SECOND, Together};
use crate::wire::anomaly::Anomaly;
use crate::wire::frame::Direction;

/// A source that was silent for so long may have moved.
const STAY: u64 = 10 * SECOND;
const CAPACITY: u32 = 1 << 15;

#[derive(Debug)]
struct State {
    last: Nanoseconds,
    last_frame: u64,
    interface: Option<u64>,
    direction: Option<Direction>,
    /// It passes through, or this link leads nowhere: nothing can be said.
    passes: bool,
    told: bool,
}

impl Dated for State {
    fn last(&self) -> Nanoseconds {
        self.last
    }
}

#[derive(Debug)]
pub(super) struct Hosts {
    table: Table<State>,
}

impl Hosts {
    pub(super) fn new(seed: [u64; 2]) -> Self {
        Self {
            table: Table::new(seed, CAPACITY, STAY),
        }
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.table.forgotten()
    }

    /// Whether this address has sent anything lately that is remembered.
    pub(super) fn has_sent(&mut self, address: u32) -> bool {
        self.table.get(u128::from(address)).is_some()
    }

    #[inline]
    pub(super) fn add(
        &mut self,
        passing: &Passing,
        before: Before,
        now: Nanoseconds,
        found: &mut Vec<Together>,
    ) {
        if !passing.has_own_source() {
            return;
        }
        let key = u128::from(passing.flow.source);
        let Some(state) = self.table.get(key) else {
            let begun = State {
                last: now,
                last_frame: passing.number,
                interface: passing.interface,
                direction: passing.direction,
                passes: before == Before::Elsewhere,
                told: false,
            };
            // What a host says to itself says nothing of what comes from outside.
            if !passing.loopback {
                self.table.insert(key, begun, now);
            }
            return;
        };
        state.passes |= before == Before::Elsewhere;
        let (Some(interface), Some(direction)) = (passing.interface, passing.direction) else {
            state.last = now;
            return;
        };
        if state.passes || passing.loopback {
            state.last = now;
            return;
        }
        let own = direction == Direction::In && state.direction == Some(Direction::Out);
        let moved = direction == Direction::In
            && state.direction == Some(Direction::In)
            && state.interface.is_some_and(|old| old != interface)
            && apart(state.last, now) <= STAY;
        if (own || moved) && before == Before::New {
            if !state.told {
                state.told = true;
                let anomaly = if own {
                    Anomaly::Ipv4SourceOwn
                } else {
                    Anomaly::Ipv4SourceInterface
                };
                found.push((anomaly, passing.layer, vec![state.last_frame]));
            }
            return;
        }
        if direction == Direction::In || state.direction == Some(direction) {
            state.interface = Some(interface);
            state.direction = state.direction.or(Some(direction));
            state.last = now;
            state.last_frame = passing.number;
        }
    }
}
