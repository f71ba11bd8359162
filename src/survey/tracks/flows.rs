//! Who speaks to whom, and with which TTL.
//!
//! A flow's datagrams take one path, so that their TTL stays what it is; where it changes, the
//! path has, or somebody else speaks in the sender's name.

use super::passing::{Flow, Nanoseconds, Passing, SYN, TCP, UDP, apart};
use super::table::{Dated, Table};
use super::{SECOND, Together};
use crate::wire::anomaly::Anomaly;

/// A flow that was silent for so long may be another one under the same numbers.
const IDLE: u64 = 60 * SECOND;
/// So many datagrams in a row with one TTL, and it is the flow's: a machine in between may answer
/// the first one or two itself.
const STEADY: u8 = 4;
/// Who sends TTLs below this looks for the path: systems begin with 64, 128 or 255, and no path
/// has 32 hops.
const TRACEROUTE: u8 = 32;
const CAPACITY: u32 = 1 << 15;

#[derive(Debug)]
struct State {
    link: u64,
    last: Nanoseconds,
    last_frame: u64,
    ttl: u8,
    /// How many in a row had it.
    steady: u8,
    told: bool,
    packets: u8,
}

impl Dated for State {
    fn last(&self) -> Nanoseconds {
        self.last
    }
}

/// How far a flow is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    First,
    Second,
    Later,
}

#[derive(Debug)]
pub(super) struct Flows {
    table: Table<State>,
}

impl Flows {
    pub(super) fn new(seed: [u64; 2]) -> Self {
        Self {
            table: Table::new(seed, CAPACITY, IDLE),
        }
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.table.forgotten()
    }

    /// Whether this flow was there; `None` where it may have been forgotten.
    pub(super) fn knows(&mut self, flow: Flow, now: Nanoseconds) -> Option<bool> {
        let known = self.table.get(flow.key()).is_some();
        (known || self.table.is_sure(now)).then_some(known)
    }

    #[inline]
    pub(super) fn add(
        &mut self,
        passing: &Passing,
        now: Nanoseconds,
        found: &mut Vec<Together>,
    ) -> Step {
        let key = passing.flow.key();
        let begun = State {
            link: passing.link,
            last: now,
            last_frame: passing.number,
            ttl: passing.ttl,
            steady: 1,
            told: false,
            packets: 1,
        };
        let Some(state) = self.table.get(key) else {
            self.table.insert(key, begun, now);
            return Step::First;
        };
        if apart(state.last, now) > IDLE || passing.tcp & SYN != 0 {
            *state = begun;
            return Step::First;
        }
        state.packets = state.packets.saturating_add(1);
        let step = if state.packets == 2 {
            Step::Second
        } else {
            Step::Later
        };
        if state.link != passing.link {
            // The other side of a router, where the TTL is another one.
            return step;
        }
        if state.ttl == passing.ttl {
            state.steady = state.steady.saturating_add(1);
        } else {
            let judged = matches!(passing.flow.protocol, TCP | UDP)
                && !passing.to_many
                && state.steady >= STEADY
                && state.ttl.max(passing.ttl) >= TRACEROUTE;
            if judged && !state.told {
                state.told = true;
                let frames = vec![state.last_frame];
                found.push((Anomaly::Ipv4TtlChanged, passing.layer, frames));
            }
            state.ttl = passing.ttl;
            state.steady = 1;
        }
        state.last = now;
        state.last_frame = passing.number;
        step
    }
}
