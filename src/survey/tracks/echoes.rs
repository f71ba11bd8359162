//! Echo replies to one that asked one host, or nobody: smurf, from the victim's side.
//!
//! Either a single echo request is answered by hosts that were not asked, as happens when it
//! went to everybody on a link in the victim's name; or replies of many come to a host that is
//! here seen sending, but never asking.

use super::hosts::Hosts;
use super::passing::{Message, Nanoseconds, Passing, apart};
use super::table::{Dated, Table};
use super::{SECOND, Together};
use crate::wire::anomaly::Anomaly;

/// Answers come within this, and a burst is no longer.
const WINDOW: u64 = 10 * SECOND;
/// For so long a question is remembered.
const LIFE: u64 = 60 * SECOND;
/// So many that were not asked answer one request: a clone or a proxy may be one of them.
const AMPLIFIED: usize = 3;
/// So many answer to whom has not asked: below, a late answer to a sweep is likelier.
const UNASKED: usize = 8;
const ASKED: u32 = 1 << 13;
const VICTIMS: u32 = 1 << 12;

/// The newest request under an identifier.
#[derive(Debug)]
struct Asked {
    last: Nanoseconds,
    frame: u64,
    destination: u32,
    sequence: u16,
    /// Several hosts were asked alike.
    several: bool,
}

impl Dated for Asked {
    fn last(&self) -> Nanoseconds {
        self.last
    }
}

/// Replies that one host got unasked.
#[derive(Debug)]
struct Burst {
    since: Nanoseconds,
    hosts: [u32; UNASKED],
    frames: [u64; UNASKED],
    len: usize,
    request: u64,
    told: bool,
}

impl Dated for Burst {
    fn last(&self) -> Nanoseconds {
        self.since
    }
}

impl Burst {
    fn new(since: Nanoseconds, request: u64) -> Self {
        Self {
            since,
            hosts: [0; UNASKED],
            frames: [0; UNASKED],
            len: 0,
            request,
            told: false,
        }
    }

    /// Adds a host's reply; the frames once there are `enough` hosts.
    fn add(&mut self, host: u32, frame: u64, enough: usize) -> Option<Vec<u64>> {
        let known = self.hosts.iter().take(self.len).any(|it| *it == host);
        if known || self.told {
            return None;
        }
        *self.hosts.get_mut(self.len)? = host;
        *self.frames.get_mut(self.len)? = frame;
        self.len += 1;
        if self.len < enough {
            return None;
        }
        self.told = true;
        let request = (self.request > 0).then_some(self.request);
        let earlier = self.frames.iter().take(self.len.saturating_sub(1)).copied();
        Some(request.into_iter().chain(earlier).collect())
    }
}

#[derive(Debug)]
pub(super) struct Echoes {
    asked: Table<Asked>,
    bursts: Table<Burst>,
}

impl Echoes {
    pub(super) fn new(seed: [u64; 2]) -> Self {
        Self {
            asked: Table::new(seed, ASKED, LIFE),
            bursts: Table::new(seed, VICTIMS, WINDOW),
        }
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.asked.forgotten() + self.bursts.forgotten()
    }

    pub(super) fn add(
        &mut self,
        passing: &Passing,
        hosts: &mut Hosts,
        complete: bool,
        now: Nanoseconds,
        found: &mut Vec<Together>,
    ) {
        match passing.message {
            Some(Message::Request { sequence }) => self.request(passing, sequence, now),
            Some(Message::Reply { sequence }) => {
                self.reply(passing, sequence, hosts, complete, now, found);
            }
            _ => {}
        }
    }

    fn request(&mut self, passing: &Passing, sequence: u16, now: Nanoseconds) {
        let flow = passing.flow;
        let key = key(flow.source, flow.from);
        let asked = Asked {
            last: now,
            frame: passing.number,
            destination: flow.destination,
            sequence,
            // RFC 1112: hosts of a group may answer, and are meant to.
            several: (0xe000_0000..0xf000_0000).contains(&flow.destination),
        };
        match self.asked.get(key) {
            Some(known) => {
                let several = known.sequence == sequence
                    && known.destination != flow.destination
                    && apart(known.last, now) <= LIFE;
                let again = known.sequence == sequence && known.several;
                *known = asked;
                known.several |= several || again;
            }
            None => self.asked.insert(key, asked, now),
        }
    }

    fn reply(
        &mut self,
        passing: &Passing,
        sequence: u16,
        hosts: &mut Hosts,
        complete: bool,
        now: Nanoseconds,
        found: &mut Vec<Together>,
    ) {
        let flow = passing.flow;
        let (victim, host) = (flow.destination, flow.source);
        let sure = self.asked.is_sure(now);
        let asked = self.asked.get(key(victim, flow.to));
        let (request, enough) = match asked {
            Some(asked) => {
                let unasked = asked.sequence == sequence
                    && !asked.several
                    && asked.destination != host
                    && apart(asked.last, now) <= WINDOW;
                if !unasked {
                    return;
                }
                (asked.frame, AMPLIFIED)
            }
            None if complete && sure && !passing.to_many && hosts.has_sent(victim) => (0, UNASKED),
            None => return,
        };
        let burst_key = u128::from(victim);
        if self.bursts.get(burst_key).is_none() {
            let burst = Burst::new(now, request);
            self.bursts.insert(burst_key, burst, now);
        }
        let Some(burst) = self.bursts.get(burst_key) else {
            return;
        };
        let over = apart(burst.since, now) > WINDOW;
        if over || burst.request != request && !burst.told {
            *burst = Burst::new(now, request);
        }
        if let Some(frames) = burst.add(host, passing.number, enough) {
            found.push((Anomaly::Icmpv4Smurf, passing.layer, frames));
        }
    }
}

fn key(asker: u32, identifier: u16) -> u128 {
    u128::from(asker) << 16 | u128::from(identifier)
}
