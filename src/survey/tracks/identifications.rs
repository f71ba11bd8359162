//! How senders number what may be fragmented.
//!
//! RFC 6864 section 4 lets atomic datagrams (DF set, no fragment) have any identification; all
//! others must not have the same one within their lifetime. Numbers by chance meet again in any
//! capture that is long enough, and counters come round, so that a single repetition says
//! nothing; one number for all of them does. Of fragmented datagrams, where a repetition does
//! damage, reassembly speaks.

use super::passing::{Nanoseconds, Passing, apart};
use super::table::{Dated, Table};
use super::{SECOND, Together};
use crate::wire::anomaly::Anomaly;

/// RFC 791's maximum datagram lifetime, as RFC 6864 section 3 takes it.
const LIFETIME: u64 = 120 * SECOND;
/// So many in a row: by chance, once in 2^48.
const RUN: usize = 4;
/// What every link carries whole (RFC 791 section 3.2) is in practice atomic.
const NEVER_CUT: u16 = 68;
const CAPACITY: u32 = 1 << 14;

#[derive(Debug)]
struct State {
    last: Nanoseconds,
    fingerprint: u64,
    frames: [u64; RUN],
    run: u8,
    identification: u16,
}

impl Dated for State {
    fn last(&self) -> Nanoseconds {
        self.last
    }
}

#[derive(Debug)]
pub(super) struct Identifications {
    table: Table<State>,
}

impl Identifications {
    pub(super) fn new(seed: [u64; 2]) -> Self {
        Self {
            table: Table::new(seed, CAPACITY, LIFETIME),
        }
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.table.forgotten()
    }

    #[inline]
    pub(super) fn add(&mut self, passing: &Passing, now: Nanoseconds, found: &mut Vec<Together>) {
        let many_hosts = passing.flow.source == 0;
        let atomic = passing.atomic || passing.total_length <= NEVER_CUT;
        if atomic || passing.fragment || many_hosts {
            return;
        }
        let flow = passing.flow;
        let key = u128::from(flow.source) << 64
            | u128::from(flow.destination) << 32
            | u128::from(flow.protocol);
        let mut begun = State {
            last: now,
            fingerprint: passing.fingerprint,
            frames: [0; RUN],
            run: 1,
            identification: passing.identification,
        };
        begun.frames[0] = passing.number;
        let Some(state) = self.table.get(key) else {
            self.table.insert(key, begun, now);
            return;
        };
        let again =
            state.identification == passing.identification && apart(state.last, now) <= LIFETIME;
        if !again {
            *state = begun;
            return;
        }
        if state.fingerprint == passing.fingerprint {
            // A copy of it, or the same on its way out again.
            return;
        }
        state.fingerprint = passing.fingerprint;
        state.last = now;
        // Once the run is told there is no place left.
        let Some(place) = state.frames.get_mut(usize::from(state.run)) else {
            return;
        };
        *place = passing.number;
        state.run += 1;
        if usize::from(state.run) == RUN {
            let earlier = state.frames.split_last().map_or(&[][..], |(_, it)| it);
            let frames = earlier.to_vec();
            found.push((Anomaly::Ipv4IdentificationConstant, passing.layer, frames));
        }
    }
}
