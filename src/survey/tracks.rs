//! What is odd about several datagrams that is odd about none of them: copies and loops, TTLs and
//! identifications that change or do not, sources that come another way, scans, smurf, ICMP
//! errors that tell of nothing that was there, redirects that contradict each other.
//!
//! Fed in order with [`Passing`]s, which anybody may read out of dissected frames in any order.
//! All tables have a fixed size, and what was entered first makes room; nothing is allocated for
//! a datagram about which there is nothing to say. Time is that of the frames: there is no clock
//! here. Each thing is told once, on the frame that makes it certain.

mod echoes;
mod errors;
mod flows;
mod hosts;
mod identifications;
mod passing;
mod repeats;
mod scans;
mod table;
#[cfg(test)]
mod tests;

use echoes::Echoes;
use errors::Errors;
use flows::{Flows, Step};
use hosts::Hosts;
use identifications::Identifications;
use passing::{ICMP, Nanoseconds};
pub use passing::{Origin, Passing};
use repeats::Repeats;
use scans::Scans;

use super::reassembly::Together;

/// In nanoseconds.
const SECOND: u64 = 1_000_000_000;
/// Earlier frames that one anomaly names at most.
const MAX_NAMED: usize = 16;

/// What full tables have forgotten while it was still of use; anomalies may have been missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Forgotten {
    /// Single datagrams.
    pub datagrams: u64,
    /// Flows.
    pub flows: u64,
    /// Hosts, and what they asked and were told.
    pub hosts: u64,
}

/// Remembers what passed by.
#[derive(Debug)]
pub struct Tracks {
    /// Nothing was filtered out before: what was not seen was not there.
    complete: bool,
    now: Nanoseconds,
    repeats: Repeats,
    flows: Flows,
    identifications: Identifications,
    hosts: Hosts,
    scans: Scans,
    echoes: Echoes,
    errors: Errors,
}

impl Tracks {
    /// Nothing remembered yet. `seed` keeps a sender from knowing which keys collide, and has no
    /// effect on what is found; without `complete` a filter has chosen the frames, and nothing is
    /// concluded from what is missing among them.
    #[must_use]
    pub fn new(seed: [u64; 2], complete: bool) -> Self {
        Self {
            complete,
            now: 0,
            repeats: Repeats::new(seed),
            flows: Flows::new(seed),
            identifications: Identifications::new(seed),
            hosts: Hosts::new(seed),
            scans: Scans::new(seed),
            echoes: Echoes::new(seed),
            errors: Errors::new(seed),
        }
    }

    /// Takes the next datagram; answers what is odd about it beside the earlier ones.
    #[inline]
    pub fn add(&mut self, passing: &Passing) -> Vec<Together> {
        let mut found = Vec::new();
        // A frame without a time came when the one before did.
        self.now = passing.time.unwrap_or(self.now);
        let now = self.now;
        let before = self.repeats.add(passing, now, &mut found);
        self.hosts.add(passing, before, now, &mut found);
        self.identifications.add(passing, now, &mut found);
        if !passing.has_ports {
            return found;
        }
        let step = self.flows.add(passing, now, &mut found);
        let (complete, flows) = (self.complete, &mut self.flows);
        self.scans.add(passing, step, complete, now, &mut found);
        if step == Step::First || passing.flow.protocol == ICMP {
            self.errors
                .add(passing, step, flows, complete, now, &mut found);
            let hosts = &mut self.hosts;
            self.echoes.add(passing, hosts, complete, now, &mut found);
        }
        found
    }

    /// What was forgotten too early.
    #[must_use]
    pub fn forgotten(&self) -> Forgotten {
        Forgotten {
            datagrams: self.repeats.forgotten(),
            flows: self.flows.forgotten() + self.identifications.forgotten(),
            hosts: self.hosts.forgotten()
                + self.scans.forgotten()
                + self.echoes.forgotten()
                + self.errors.forgotten(),
        }
    }
}
