//! One source that tries many hosts, or many ports of one, and hardly gets an answer.
//!
//! What counts is who does not answer: a resolver and a browser speak to many as well. A try is a
//! TCP SYN, an ICMP echo request, or a first UDP datagram to a port below its own; it failed when
//! it was refused, or when nothing came back within a second.

use super::flows::Step;
use super::passing::{ACK, Flow, ICMP, Message, Nanoseconds, Passing, RST, SYN, TCP, UDP, apart};
use super::table::{Dated, Table};
use super::{MAX_NAMED, SECOND, Together};
use crate::wire::anomaly::Anomaly;

/// Tries further apart are not of one scan; the same as Zeek's scan policy, and so are the counts
/// of what failed. Looked at are so many in a row, so that who fails now and then is no scanner.
const WINDOW: u64 = 300 * SECOND;
const HOSTS: usize = 25;
const OF_HOSTS: usize = 32;
const PORTS: usize = 15;
const OF_PORTS: usize = 20;
/// Nobody waits longer for an answer before asking again (RFC 6298 section 2.1, RFC 1035 says
/// more).
const PATIENCE: u64 = SECOND;
/// UDP below this TTL is traceroute, whose ports count up.
const TRACEROUTE: u8 = 32;
const CAPACITY: u32 = 1 << 12;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Answered,
    Refused,
}

#[derive(Debug, Clone, Copy)]
struct Try {
    /// The host or the port.
    target: u32,
    since: Nanoseconds,
    frame: u64,
    fate: Fate,
}

const NOTHING: Try = Try {
    target: 0,
    since: 0,
    frame: 0,
    fate: Fate::Open,
};

/// Some tries in a row, at most `N` of them. What comes while they wait for answers is passed over,
/// however fast it comes; once all have their answer or had the time, others are looked at.
#[derive(Debug)]
struct Tries<const N: usize> {
    last: Nanoseconds,
    list: [Try; N],
    /// How many there are.
    len: usize,
    /// Somebody answered, in one way or another: answers are seen here.
    heard: bool,
    told: bool,
}

impl<const N: usize> Dated for Tries<N> {
    fn last(&self) -> Nanoseconds {
        self.last
    }
}

impl<const N: usize> Tries<N> {
    fn new(now: Nanoseconds) -> Self {
        Self {
            last: now,
            list: [NOTHING; N],
            len: 0,
            heard: false,
            told: false,
        }
    }

    fn all(&self) -> &[Try] {
        self.list.get(..self.len).unwrap_or_default()
    }

    fn known(&mut self, target: u32) -> Option<&mut Try> {
        let all = self.list.iter_mut().take(self.len);
        all.into_iter().find(|it| it.target == target)
    }

    fn note(&mut self, target: u32, frame: u64, now: Nanoseconds) {
        self.last = now;
        if self.known(target).is_some() {
            return;
        }
        let over = |it: &Try| it.fate != Fate::Open || apart(it.since, now) > PATIENCE;
        let long_ago = |it: &Try| apart(it.since, now) > WINDOW;
        if self.all().first().is_some_and(long_ago) || self.len == N && self.all().iter().all(over)
        {
            self.len = 0;
        }
        if let Some(place) = self.list.get_mut(self.len) {
            *place = Try {
                target,
                since: now,
                frame,
                fate: Fate::Open,
            };
            self.len += 1;
        }
    }

    fn answer(&mut self, target: u32, fate: Fate) {
        self.heard = true;
        if let Some(known) = self.known(target)
            && (known.fate == Fate::Open || fate == Fate::Answered)
        {
            known.fate = fate;
        }
    }

    /// The frames of the tries that failed, the first time that there are so many.
    fn verdict(&mut self, enough: usize, silent: bool, now: Nanoseconds) -> Option<Vec<u64>> {
        if self.told || self.len < enough || silent && !self.heard {
            return None;
        }
        let failed = |it: &&Try| {
            let alone = it.fate == Fate::Open && apart(it.since, now) > PATIENCE;
            alone || it.fate == Fate::Refused
        };
        if self.all().iter().filter(failed).count() < enough {
            return None;
        }
        let failed = self.all().iter().filter(failed);
        let mut frames: Vec<u64> = failed.map(|it| it.frame).collect();
        self.told = true;
        frames.sort_unstable();
        frames.truncate(MAX_NAMED);
        Some(frames)
    }
}

#[derive(Debug)]
pub(super) struct Scans {
    by_port: Table<Tries<OF_HOSTS>>,
    by_host: Table<Tries<OF_PORTS>>,
}

impl Scans {
    pub(super) fn new(seed: [u64; 2]) -> Self {
        Self {
            by_port: Table::new(seed, CAPACITY, WINDOW),
            by_host: Table::new(seed, CAPACITY, WINDOW),
        }
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.by_port.forgotten() + self.by_host.forgotten()
    }

    /// `step` is how far the datagram's flow is; without `complete` not all answers are here.
    #[inline]
    pub(super) fn add(
        &mut self,
        passing: &Passing,
        step: Step,
        complete: bool,
        now: Nanoseconds,
        found: &mut Vec<Together>,
    ) {
        let flow = passing.flow;
        let asks = complete && !passing.to_many;
        match (flow.protocol, passing.message) {
            (TCP, _) if passing.tcp & (SYN | ACK | RST) == SYN && asks => {
                self.tried(passing, now, found);
            }
            (TCP, _) if passing.tcp & (SYN | RST) == SYN => {
                self.answered(reverse(flow), Fate::Answered);
            }
            (TCP, _) if passing.tcp & RST != 0 => self.answered(reverse(flow), Fate::Refused),
            // Whoever goes on after a SYN has got an answer, seen here or not.
            (TCP, _) if step == Step::Second => self.answered(flow, Fate::Answered),
            (UDP, _) if step == Step::First => {
                self.answered(reverse(flow), Fate::Answered);
                if asks && flow.from > flow.to && passing.ttl >= TRACEROUTE {
                    self.tried(passing, now, found);
                }
            }
            (ICMP, Some(Message::Request { .. })) if asks => {
                self.tried(passing, now, found);
            }
            (ICMP, Some(Message::Reply { .. })) => {
                self.answered(reverse(flow), Fate::Answered);
            }
            (ICMP, Some(Message::Error { about, .. })) => self.answered(about, Fate::Refused),
            _ => {}
        }
    }

    fn tried(&mut self, passing: &Passing, now: Nanoseconds, found: &mut Vec<Together>) {
        let flow = passing.flow;
        // TCP shows by itself whether it goes on; else it takes an answer to know of answers.
        let silent = flow.protocol != TCP;
        let hosts = enter(&mut self.by_port, port_key(flow), now);
        if let Some(tries) = hosts {
            if let Some(frames) = tries.verdict(HOSTS, silent, now) {
                found.push((Anomaly::Ipv4ScanHosts, passing.layer, frames));
            }
            tries.note(flow.destination, passing.number, now);
        }
        if flow.protocol == ICMP {
            return;
        }
        let ports = enter(&mut self.by_host, host_key(flow), now);
        if let Some(tries) = ports {
            if let Some(frames) = tries.verdict(PORTS, silent, now) {
                found.push((Anomaly::Ipv4ScanPorts, passing.layer, frames));
            }
            tries.note(u32::from(flow.to), passing.number, now);
        }
    }

    /// Something came of what this flow has tried.
    fn answered(&mut self, flow: Flow, fate: Fate) {
        if let Some(tries) = self.by_port.get(port_key(flow)) {
            tries.answer(flow.destination, fate);
        }
        if flow.protocol != ICMP
            && let Some(tries) = self.by_host.get(host_key(flow))
        {
            tries.answer(u32::from(flow.to), fate);
        }
    }
}

/// The tries of this key, begun anew where the last one is long past.
fn enter<const N: usize>(
    table: &mut Table<Tries<N>>,
    key: u128,
    now: Nanoseconds,
) -> Option<&mut Tries<N>> {
    match table.get(key) {
        Some(tries) => {
            if apart(tries.last, now) > WINDOW {
                *tries = Tries::new(now);
            }
        }
        None => table.insert(key, Tries::new(now), now),
    }
    table.get(key)
}

fn port_key(flow: Flow) -> u128 {
    u128::from(flow.source) << 64 | u128::from(flow.to) << 16 | u128::from(flow.protocol)
}

fn host_key(flow: Flow) -> u128 {
    u128::from(flow.source) << 64 | u128::from(flow.destination) << 16 | u128::from(flow.protocol)
}

fn reverse(flow: Flow) -> Flow {
    Flow {
        source: flow.destination,
        destination: flow.source,
        from: flow.to,
        to: flow.from,
        ..flow
    }
}
