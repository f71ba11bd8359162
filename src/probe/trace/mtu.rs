//! The largest datagram that gets there, and behind which hops the narrow links are.
//!
//! A size is tried at all distances at once: hops before a narrow link say that the time to live
//! is exceeded, those behind it are answered for by the hop before the link, which says that the
//! datagram is too large (RFC 1191), with or without the size it would take, or by nobody. Where
//! no size is told, it is searched for. Knows sizes and distances, not packets.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::ledger::{Ask, Ledger};
use super::row::Heard;
use super::rows::Next;
use super::{Config, Hop, Mark, Mtu, MtuSource, Outcome};

/// The smallest MTU there can be (RFC 791 section 3.2).
const LEAST: u16 = 68;
/// No size has passed yet.
const NONE: u16 = LEAST - 1;
/// The MTUs that there are (RFC 1191 section 7.1), and Ethernet's.
const PLATEAUS: [u16; 11] = [
    32_000, 17_914, 8_166, 4_352, 2_002, 1_500, 1_492, 1_006, 508, 296, LEAST,
];
/// So often is a size tried before its silence counts.
const TRIES: u16 = 3;
/// Beyond three times what the hop has taken so far.
const PATIENCE: Duration = Duration::from_millis(100);

/// Between later tries.
const SLOWLY: Duration = Duration::from_secs(1);
/// So often may the kernel refuse a size before it is believed: it also hands over what errors
/// said that came for earlier probes (`SO_ERROR`, socket(7)).
const REFUSALS: u16 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Queued,
    Asked(u64),
    /// It got there.
    Passed,
    /// Somebody said that it is too large, and perhaps what is not.
    TooLarge(Option<u16>, Ipv4Addr),
    Silent,
}

#[derive(Debug, Clone, Copy)]
struct Step {
    ttl: u8,
    address: Ipv4Addr,
    patience: Duration,
    state: State,
    tries: u16,
    refusals: u16,
}

impl Step {
    fn open(&mut self) {
        self.state = State::Open;
        self.tries = 0;
        self.refusals = 0;
    }
}

/// The search for one path.
#[derive(Debug)]
pub(super) struct Search {
    flow: u16,
    /// The hops that answered, nearest first.
    steps: Vec<Step>,
    /// Those before this one are done with.
    from: usize,
    /// The hop before the narrow link that is looked at, where it said so itself.
    near: Option<u8>,
    size: u16,
    /// When the size for one hop is searched: the largest known to pass there, the smallest
    /// known not to, and how the narrow link showed.
    bounds: Option<(u16, u16, MtuSource)>,
    found: Vec<(u8, Mtu)>,
    failed: bool,
}

impl Search {
    /// Over the hops of a path that is known, from the MTU of the interface down, on the way that
    /// `flow` takes.
    pub(super) fn new(size: u16, hops: &[Hop], flow: u16) -> Self {
        let steps = hops.iter().filter_map(|hop| {
            let own = hop.queries.iter().filter(|query| query.flow == flow);
            let answers = own.filter_map(|query| match &query.outcome {
                Outcome::Answered(answer) => Some(answer),
                Outcome::Lost | Outcome::Refused(_) => None,
            });
            let slowest = answers.max_by_key(|answer| answer.rtt.nanoseconds)?;
            let address = slowest.address;
            let slowest = Duration::from_nanos(slowest.rtt.nanoseconds);
            Some(Step {
                ttl: hop.ttl,
                address,
                patience: slowest.saturating_mul(3).saturating_add(PATIENCE),
                state: State::Open,
                tries: 0,
                refusals: 0,
            })
        });
        Self {
            flow,
            steps: steps.collect(),
            from: 0,
            near: None,
            size: size.max(LEAST),
            bounds: None,
            found: Vec::new(),
            failed: false,
        }
    }

    /// The largest size that got there.
    pub(super) fn size(&self) -> Option<u16> {
        Some(self.size).filter(|_| !self.failed && !self.steps.is_empty())
    }

    /// What was found about the link behind a hop.
    pub(super) fn behind(&self, ttl: u8) -> Option<Mtu> {
        let mut found = self.found.iter();
        found.find(|(at, _)| *at == ttl).map(|(_, mtu)| *mtu)
    }

    fn step(&mut self, ask: &Ask) -> Option<&mut Step> {
        let size = self.size;
        let mut steps = self.steps.iter_mut();
        steps.find(|step| step.ttl == ask.ttl && ask.size == Some(size))
    }

    pub(super) fn wants(&mut self, ask: &Ask) -> bool {
        let queued = |step: &mut Step| step.state == State::Queued && step.tries == ask.query;
        self.step(ask).is_some_and(queued)
    }

    pub(super) fn asked(&mut self, ask: &Ask, index: u64) {
        if let Some(step) = self.step(ask) {
            step.state = State::Asked(index);
        }
    }

    /// The kernel refused a size: it is the interface's MTU that is smaller.
    pub(super) fn refused(&mut self, ask: &Ask, mtu: Option<u32>) {
        let (size, searching) = (self.size, self.bounds.is_some());
        let Some(step) = self
            .step(ask)
            .filter(|step| matches!(step.state, State::Asked(_)))
        else {
            return;
        };
        step.refusals += 1;
        if step.refusals < REFUSALS {
            step.state = State::Open;
            return;
        }
        step.state = State::Silent;
        let smaller = mtu.and_then(|mtu| u16::try_from(mtu).ok());
        if let Some(mtu) = smaller.filter(|mtu| (LEAST..size).contains(mtu) && !searching) {
            self.size = mtu;
            self.open_all();
        }
    }

    /// False when it is about a size that is no longer asked about.
    pub(super) fn heard(&mut self, ask: &Ask, heard: &Heard) -> bool {
        let Some(step) = self.step(ask) else {
            return false;
        };
        step.state = match heard.answer.mark {
            Some(Mark::Fragmentation(mtu)) => State::TooLarge(mtu, heard.answer.address),
            _ => State::Passed,
        };
        true
    }

    fn open_all(&mut self) {
        let steps = self.steps.iter_mut().skip(self.from);
        steps.for_each(Step::open);
    }

    pub(super) fn advance(
        &mut self,
        now: Duration,
        config: &Config,
        ledger: &Ledger,
        asks: &mut VecDeque<Ask>,
    ) -> Next {
        loop {
            let mut wake = Duration::MAX;
            let size = self.size;
            // A search asks one hop, a sweep all.
            let many = if self.bounds.is_some() { 1 } else { usize::MAX };
            for step in self.steps.iter_mut().skip(self.from).take(many) {
                if let State::Asked(index) = step.state {
                    let at = ledger.get(index).map_or(Duration::ZERO, |sent| sent.at);
                    // Silence may be a limit on answers, commonly one a second: the tries
                    // after the first are as far apart.
                    let patience = match step.tries {
                        0 => step.patience,
                        _ => step.patience.max(SLOWLY),
                    };
                    let due = at.saturating_add(patience.min(config.wait));
                    if due > now {
                        wake = wake.min(due);
                    } else {
                        step.tries += 1;
                        step.state = match step.tries {
                            TRIES.. => State::Silent,
                            _ => State::Open,
                        };
                    }
                }
                if step.state == State::Open {
                    step.state = State::Queued;
                    asks.push_back(Ask {
                        ttl: step.ttl,
                        query: step.tries,
                        flow: self.flow,
                        size: Some(size),
                    });
                }
            }
            let decided = match self.bounds {
                None => self.sweep(),
                Some(bounds) => self.narrow(bounds),
            };
            match decided {
                Decision::Waits => return Next::At(wake),
                Decision::Done => return Next::Finished,
                Decision::Goes => {}
            }
        }
    }

    /// All hops were asked with one size.
    fn sweep(&mut self) -> Decision {
        if self
            .steps
            .last()
            .is_none_or(|last| last.state == State::Passed)
        {
            return Decision::Done;
        }
        let mut silent = None;
        for (at, step) in self.steps.iter().enumerate().skip(self.from) {
            match step.state {
                State::Open | State::Queued | State::Asked(_) => return Decision::Waits,
                // Silent ones before it had their own reasons.
                State::Passed => silent = None,
                State::Silent => silent = silent.or(Some(at)),
                State::TooLarge(told, who) => {
                    // Who says so stands before the link; else it is before the first hop
                    // that what is too large does not get to.
                    let mut nearer = self.steps.iter().take(at);
                    let known = nearer.position(|step| step.address == who);
                    let near = known.and_then(|known| self.steps.get(known));
                    self.near = near.map(|step| step.ttl);
                    let at = known.map(|known| known + 1).or(silent).unwrap_or(at);
                    let told = told.filter(|told| (LEAST..self.size).contains(told));
                    let Some(bytes) = told else {
                        return self.search(at, MtuSource::Searched);
                    };
                    return self.settle(at, bytes, MtuSource::Told);
                }
            }
        }
        match silent {
            Some(at) => {
                self.near = None;
                self.search(at, MtuSource::Silent)
            }
            None => Decision::Done,
        }
    }

    /// Begins to search for the size that gets to a step.
    fn search(&mut self, at: usize, source: MtuSource) -> Decision {
        self.from = at;
        self.bounds = Some((NONE, self.size, source));
        self.size = PLATEAUS
            .into_iter()
            .find(|&plateau| plateau < self.size)
            .unwrap_or(LEAST);
        self.open_all();
        Decision::Goes
    }

    /// One size of a search was answered, or not.
    fn narrow(&mut self, (low, high, source): (u16, u16, MtuSource)) -> Decision {
        let Some(step) = self.steps.get_mut(self.from) else {
            return Decision::Done;
        };
        let (low, high) = match step.state {
            State::Open | State::Queued | State::Asked(_) => return Decision::Waits,
            State::Passed => (self.size, high),
            State::TooLarge(Some(told), _) if (LEAST.max(low)..self.size).contains(&told) => {
                // It says so after all.
                return self.settle(self.from, told, MtuSource::Told);
            }
            // Not even the smallest: it is silent for another reason.
            State::TooLarge(..) | State::Silent if self.size <= LEAST => {
                self.failed = true;
                return Decision::Done;
            }
            State::TooLarge(..) | State::Silent => (low, self.size),
        };
        if high - low <= 1 {
            return self.settle(self.from, low, source);
        }
        self.bounds = Some((low, high, source));
        let plateau = PLATEAUS.into_iter().find(|&plateau| plateau < high);
        self.size = match plateau {
            // Down the plateaus until one passes, then between.
            Some(plateau) if low == NONE => plateau,
            _ => low + (high - low) / 2,
        };
        step.open();
        Decision::Goes
    }

    /// The link before a step takes no more than so much.
    fn settle(&mut self, at: usize, bytes: u16, source: MtuSource) -> Decision {
        let before = self.steps.get(at);
        let before = before.map_or(0, |step| step.ttl.saturating_sub(1));
        let near = self.near.take().unwrap_or(before);
        self.found.retain(|(ttl, _)| *ttl != near);
        self.found.push((near, Mtu { bytes, source }));
        self.bounds = None;
        self.from = at;
        self.size = bytes;
        self.open_all();
        Decision::Goes
    }
}

enum Decision {
    /// For answers.
    Waits,
    /// There is something new to be asked.
    Goes,
    Done,
}
