//! Ping, as a machine: one host or sixteen million, one probe or a flood. Knows what to send when
//! and what to make of what comes; no socket, no clock, no output.
//!
//! Nothing in an answer is believed that the run's own table does not say too: the table knows
//! when each probe left, and a cookie, a keyed function of target and number, says whether an
//! answer's sender has seen the probe. Every probe ends as exactly one of answered, late, lost
//! and failed ([`Summary`]); everything else that comes is counted, and what can be told about
//! it is reported.

pub mod config;
pub mod report;

mod answer;
mod flight;
mod message;
mod networks;
mod parts;
mod path_mtu;
mod receiving;
mod schedule;
mod sending;
mod sums;
mod tally;

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::targets::Permutation;
use super::{Event, Machine, Outbox, ProbeId, Wait};
use flight::{Flight, Flights, State};
use networks::{Ask, Networks};
use schedule::Schedule;
use tally::Tally;

pub use config::{Config, Interface, Kind, Pace, Patience};
pub use message::PORTS;
pub use parts::{Part, Sums, Whole};
pub use path_mtu::{MtuConfig, MtuReport, PathMtu, Verdict};
pub use report::{
    Answer, Failure, Oddity, OptionBytes, Reply, Report, RoundTrips, Summary, Which, WrongByte,
};

/// So many probes are handed out in one poll at most.
const BATCH: usize = 64;
/// So many reports are made in one poll at the end, so that a million need no memory at once.
const CHUNK: u32 = 1024;
/// So many targets have a histogram, where one is asked for.
const HISTOGRAMS: u32 = 64;
/// So long a reply's report waits for the stamp of its probe.
const STAMP_WAIT: u64 = 1_000_000;

/// What came and belongs to no probe: counted for the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strays {
    /// Answers that are not ours, other people's pings most of all.
    pub foreign: u64,
    /// Answers reported as [`Report::Strange`].
    pub strange: u64,
    /// ICMP errors that quote nothing of ours, or nothing that can be read.
    pub unproven: u64,
    /// Messages that our own receive buffer had no room for.
    pub local_drops: u64,
}

/// A reply whose report waits for its probe's stamp.
#[derive(Debug)]
struct Held {
    id: ProbeId,
    until: u64,
    reply: Reply,
}

/// How far the run is.
#[derive(Debug)]
enum Stage {
    Running,
    /// These are still to be given up; true when before their time.
    GivingUp(Vec<ProbeId>, bool),
    /// The target that is summed up next.
    SummingUp(u32),
}

/// A run of pings.
#[derive(Debug)]
pub struct Ping {
    config: Config,
    order: Option<Permutation>,
    schedule: Schedule,
    networks: Networks,
    flights: Flights,
    tallies: Vec<Tally>,
    histograms: Vec<Option<Histogram<u64>>>,
    /// Probes to be sent again.
    again: VecDeque<Ask>,
    held: VecDeque<Held>,
    strays: Strays,
    stage: Stage,
    stopped: bool,
    /// When the first poll was, and when a probe or an answer was last.
    began: Option<u64>,
    latest: u64,
    /// When all is sent and patience is one for all: until when answers are waited for.
    linger: Option<u64>,
    longest: Option<u64>,
    /// Targets with as many answers as asked for.
    satisfied: u32,
    /// With one target: the most probes that were out when one was answered, itself included.
    pipe: u64,
}

impl Ping {
    /// A run that has not begun.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let targets = config.targets.len();
        let mut tallies = Vec::new();
        tallies.resize_with(targets as usize, Tally::default);
        let mut histograms = Vec::new();
        if config.percentiles {
            histograms.resize_with(targets.min(HISTOGRAMS) as usize, || None);
        }
        Self {
            order: config
                .shuffle
                .then(|| Permutation::new(targets, config.seed)),
            schedule: Schedule::new(&config),
            networks: Networks::new(config.in_flight_per_network),
            flights: Flights::new(message::sequence_bits(&config), targets),
            tallies,
            histograms,
            again: VecDeque::new(),
            held: VecDeque::new(),
            strays: Strays::default(),
            stage: Stage::Running,
            stopped: false,
            began: None,
            latest: 0,
            linger: None,
            longest: None,
            satisfied: 0,
            pipe: 0,
            config,
        }
    }

    /// Ends the run at the next poll: nothing more is sent, what is waited for is given up, the
    /// summaries follow.
    pub fn stop(&mut self) {
        self.stopped = true;
    }

    /// The sums so far for the target with this index.
    #[must_use]
    pub fn summary(&self, index: u32) -> Option<Summary> {
        let target = self.config.targets.get(index)?;
        let tally = self.tallies.get(index as usize)?;
        let histogram = self.histograms.get(index as usize);
        let since = |time: u64| Duration::from_nanos(time.saturating_sub(self.began.unwrap_or(0)));
        let one = self.tallies.len() == 1;
        Some(tally.summary(
            (index, target),
            histogram.and_then(Option::as_ref),
            (since(self.latest), since(self.schedule.last())),
            if one { self.pipe } else { 0 },
        ))
    }

    /// How many probes went to the target with this index, by the number of the last.
    #[must_use]
    pub fn transmitted(&self, index: u32) -> u64 {
        let tally = self.tallies.get(index as usize);
        tally.map_or(0, Tally::transmitted)
    }

    /// What came and belongs to no probe.
    #[must_use]
    pub fn strays(&self) -> Strays {
        self.strays
    }

    fn address(&self, target: u32) -> Option<Ipv4Addr> {
        self.config.targets.get(target)
    }

    fn which(&self, target: u32, number: u64) -> Option<Which> {
        Some(Which {
            target: self.address(target)?,
            index: target,
            number,
        })
    }

    /// Ends a probe or changes how it ended. What it was before.
    fn end(&mut self, id: ProbeId, state: State) -> Option<Flight> {
        let before = self.flights.end(id, state)?;
        if before.state == State::Waiting {
            if let Some(tally) = self.tallies.get_mut(before.target as usize) {
                tally.end();
            }
            if self.networks.are_limited()
                && let Some(address) = self.address(before.target)
            {
                self.networks.leave(address);
            }
        }
        Some(before)
    }

    /// Ends a probe that is waited for.
    fn end_waiting(&mut self, id: ProbeId, state: State) -> Option<Flight> {
        self.flights
            .by_id(id)
            .filter(|flight| flight.state == State::Waiting)?;
        self.end(id, state)
    }

    /// Gives a probe up.
    fn lose(&mut self, id: ProbeId, cut: bool, outbox: &mut Outbox<Report>) -> Option<Flight> {
        let before = self.end_waiting(id, State::Lost)?;
        let probe = self.which(before.target, before.number)?;
        outbox.report(Report::Lost { probe, cut });
        Some(before)
    }

    /// Gives up the probes whose time is over.
    fn expire(&mut self, now: u64, outbox: &mut Outbox<Report>) {
        while let Some((deadline, id)) = self.flights.first_deadline() {
            if deadline > now {
                return;
            }
            // A probe that the network took late is waited for from then on.
            let due = self.flights.by_id(id).map_or(0, |flight| {
                let wait = self.wait_for(flight.attempt);
                flight.sent.saturating_add(wait)
            });
            if due > now {
                self.flights.postpone_first(due);
                continue;
            }
            let Some(lost) = self.lose(id, false, outbox) else {
                return;
            };
            if lost.attempt < self.config.retries {
                self.again.push_back(Ask {
                    target: lost.target,
                    attempt: lost.attempt + 1,
                    turn: lost.turn,
                });
            }
        }
    }

    /// Takes the way from one stage to the next; true when the run goes on.
    fn advance(&mut self, now: u64, over: bool) -> bool {
        let deadline = self.config.deadline.map(nanoseconds);
        let late = deadline
            .is_some_and(|deadline| now >= self.began.unwrap_or(0).saturating_add(deadline));
        let targets = self.config.targets.len();
        let satisfied = deadline.is_some() && targets > 0 && self.satisfied >= targets;
        let cut = self.stopped || late || satisfied;
        let lingered = over && self.linger.is_some_and(|linger| now >= linger);
        let done = over && self.flights.waiting() == 0 && self.held.is_empty();
        if !(cut || lingered || done) {
            return true;
        }
        let mut waiting = self.flights.all_waiting();
        waiting.reverse();
        self.stage = Stage::GivingUp(waiting, cut);
        false
    }

    /// Until when the last answers are waited for, once everything is sent.
    fn linger(&mut self) {
        if self.config.patience == Patience::End && self.linger.is_none() {
            let wait = match self.longest {
                None => nanoseconds(self.config.wait),
                Some(longest) => longest
                    .saturating_mul(2)
                    .max(nanoseconds(self.config.interval)),
            };
            self.linger = Some(self.schedule.last().saturating_add(wait));
        }
    }

    fn run(&mut self, now: Duration, outbox: &mut Outbox<Report>) -> Wait {
        let t = nanoseconds(now);
        let began = *self.began.get_or_insert(t);
        self.release(t, outbox);
        if self.config.patience == Patience::Each {
            self.expire(t, outbox);
        }
        if !self.advance(t, false) {
            return Wait::Until(now);
        }
        let next = self.send_due(now, outbox);
        let over = next == sending::Next::Over;
        if over {
            self.linger();
        }
        if !self.advance(t, over) {
            return Wait::Until(now);
        }
        let next = match next {
            sending::Next::At(time) => Some(time),
            sending::Next::Over | sending::Next::Full => None,
        };
        let times = [
            next,
            self.flights.first_deadline().map(|(deadline, _)| deadline),
            self.held.front().map(|held| held.until),
            self.config
                .deadline
                .map(|deadline| began.saturating_add(nanoseconds(deadline))),
            self.linger.filter(|_| over),
        ];
        let first = times.into_iter().flatten().min();
        // With nothing to wait for but an answer, there is still no harm in looking again.
        let idle = t.saturating_add(1_000_000_000);
        Wait::Until(Duration::from_nanos(first.unwrap_or(idle)))
    }
}

impl Machine for Ping {
    type Report = Report;

    fn poll(&mut self, now: Duration, outbox: &mut Outbox<Report>) -> Wait {
        match &mut self.stage {
            Stage::Running => return self.run(now, outbox),
            Stage::GivingUp(ids, cut) => {
                let cut = *cut;
                let rest = ids.split_off(ids.len().saturating_sub(CHUNK as usize));
                let done = ids.is_empty();
                for id in rest.into_iter().rev() {
                    self.lose(id, cut, outbox);
                }
                if done {
                    self.release(u64::MAX, outbox);
                    if let Some(rounds) = self.schedule.round_over() {
                        outbox.report(Report::Round(rounds));
                    }
                    self.stage = Stage::SummingUp(0);
                }
            }
            Stage::SummingUp(first) => {
                let first = *first;
                for index in first..first.saturating_add(CHUNK) {
                    let Some(summary) = self.summary(index) else {
                        return Wait::Done;
                    };
                    outbox.report(Report::Summary(Box::new(summary)));
                }
                self.stage = Stage::SummingUp(first.saturating_add(CHUNK));
            }
        }
        Wait::Until(now)
    }

    fn handle(&mut self, now: Duration, event: &Event<'_>, outbox: &mut Outbox<Report>) {
        self.take_in(now, event, outbox);
    }
}

/// Nanoseconds of the run; 584 years are for ever.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
