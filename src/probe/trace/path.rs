//! One destination: what was sent to it and what came back, made into answers for whatever is
//! being found out about it. Knows bytes and the order of things; how hops are asked is the
//! rows' business.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::ledger::{self, Appearance, Ask, Ledger, Match, Sent};
use super::mtu::Search;
use super::multipath::Ways;
use super::quote::Quote;
use super::recipe::Recipe;
use super::row::{Heard, Place};
use super::rows::{Next, Rows};
use super::{Answer, Config, Hop, Key, Mark, Method, Report, Summary, Target};
use crate::probe::{Fragmentation, Outbox, Probe, Rtt, Stamp};
use crate::wire::icmp_extensions;
use crate::wire::names::PROTOCOL_TCP;

const EXCEEDED: u8 = 11;
const UNREACHABLE: u8 = 3;
const PARAMETER: u8 = 12;
const PORT: u8 = 3;

/// What came, without what it is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) from: Ipv4Addr,
    pub(super) at: Duration,
    pub(super) ttl: Option<u8>,
    pub(super) stamp: Option<Stamp>,
}

/// An ICMP error, without its quote.
#[derive(Debug, Clone, Copy)]
pub(super) struct Complaint<'a> {
    pub(super) icmp_type: u8,
    pub(super) code: u8,
    pub(super) info: u32,
    pub(super) message: Option<&'a [u8]>,
}

/// What is being found out.
#[derive(Debug)]
enum Stage {
    Rows(Rows),
    Mtu(Search),
    Ways(Ways),
    /// Until the next cycle begins.
    Pause(Duration),
}

impl Stage {
    /// What a cycle begins with.
    fn first(config: &Config, recipe: &Recipe, cycle: u32, far: Option<u8>) -> Self {
        let target = recipe.target.address;
        let untouched = Appearance::untouched(recipe);
        if let Some(settings) = config.multipath {
            return Self::Ways(Ways::new(config, settings, target, untouched, cycle));
        }
        Self::Rows(Rows::new(config, target, untouched, cycle, far))
    }
}

/// A destination and all that is known of it.
#[derive(Debug)]
pub(super) struct Path {
    recipe: Recipe,
    ledger: Ledger,
    asks: VecDeque<Ask>,
    stage: Stage,
    cycle: u32,
    began: Option<Duration>,
    cycle_began: Duration,
    far: Option<u8>,
    /// Hops that are told when their links are known too.
    held: Vec<Hop>,
    summary: Summary,
}

impl Path {
    pub(super) fn new(config: &Config, target: Target) -> Self {
        let recipe = Recipe::new(config, target);
        Self {
            stage: Stage::first(config, &recipe, 1, None),
            recipe,
            ledger: Ledger::default(),
            asks: VecDeque::new(),
            cycle: 1,
            began: None,
            cycle_began: Duration::ZERO,
            far: None,
            held: Vec::new(),
            summary: Summary {
                target: Some(target.address),
                ..Summary::default()
            },
        }
    }

    /// Works out what is due at `now`.
    pub(super) fn advance(
        &mut self,
        now: Duration,
        config: &Config,
        outbox: &mut Outbox<Report>,
    ) -> Next {
        if self.began.is_none() {
            self.began = Some(now);
            self.cycle_began = now;
        }
        loop {
            let held = &mut self.held;
            let tell = |hop: Hop| match config.mtu {
                None => outbox.report(Report::Hop(hop)),
                Some(_) => held.push(hop),
            };
            let next = match &mut self.stage {
                Stage::Ways(ways) => ways.advance(now, config, &self.ledger, &mut self.asks, tell),
                Stage::Rows(rows) => rows.advance(now, config, &self.ledger, &mut self.asks, tell),
                Stage::Mtu(search) => search.advance(now, config, &self.ledger, &mut self.asks),
                Stage::Pause(until) if *until > now => Next::At(*until),
                Stage::Pause(_) => Next::Finished,
            };
            if let Next::At(_) = next {
                return next;
            }
            let more = self.next_stage(now, config);
            if !more || !matches!(self.stage, Stage::Mtu(_)) {
                let held = self.held.drain(..);
                held.for_each(|hop| outbox.report(Report::Hop(hop)));
            }
            if !more {
                let began = self.began.unwrap_or(now);
                self.summary.duration = now.saturating_sub(began);
                outbox.report(Report::Summary(std::mem::take(&mut self.summary)));
                return Next::Finished;
            }
        }
    }

    /// Tells what is known of a path that is not complete.
    pub(super) fn so_far(&mut self, now: Duration, config: &Config, mut tell: impl FnMut(Report)) {
        let mut hop = |hop: Hop| tell(Report::Hop(hop));
        self.held.drain(..).for_each(&mut hop);
        match &mut self.stage {
            Stage::Rows(rows) => {
                rows.so_far(config, hop);
                self.sum_up_rows();
            }
            Stage::Ways(ways) => {
                ways.so_far(hop);
                ways.sum_up(&mut self.summary);
            }
            Stage::Mtu(_) | Stage::Pause(_) => {}
        }
        self.summary.interrupted = true;
        self.summary.duration = now.saturating_sub(self.began.unwrap_or(now));
        tell(Report::Summary(std::mem::take(&mut self.summary)));
    }

    /// Takes what the rows of a cycle say of the whole path.
    fn sum_up_rows(&mut self) {
        let Stage::Rows(rows) = &self.stage else {
            return;
        };
        self.summary.reached |= rows.reached;
        // Missing once, or asked beyond its distance only, the target is where it was.
        let found = rows.reached.then_some(rows.hops);
        self.far = self.far.into_iter().chain(found).min();
        self.summary.hops = self.far.unwrap_or(rows.hops);
        self.summary.looped |= rows.looped;
        for &hop in &rows.nat_hops {
            if let Err(place) = self.summary.nat_hops.binary_search(&hop) {
                self.summary.nat_hops.insert(place, hop);
            }
        }
    }

    /// Goes on to what is to be found out next. False when that was all.
    fn next_stage(&mut self, now: Duration, config: &Config) -> bool {
        self.asks.clear();
        match &mut self.stage {
            Stage::Rows(_) => {
                self.sum_up_rows();
                return self.look_for_mtu(config) || self.pause(config);
            }
            Stage::Ways(ways) => {
                ways.sum_up(&mut self.summary);
                self.far = self.summary.reached.then_some(self.summary.hops);
                return self.look_for_mtu(config) || self.pause(config);
            }
            Stage::Mtu(search) => {
                for hop in &mut self.held {
                    hop.mtu = search.behind(hop.ttl);
                }
                if self.far.is_some() {
                    self.summary.path_mtu = search.size();
                }
                return self.pause(config);
            }
            Stage::Pause(_) => {
                self.cycle += 1;
                self.cycle_began = now;
                self.stage = Stage::first(config, &self.recipe, self.cycle, self.far);
            }
        }
        true
    }

    /// Goes on to the path MTU, where it is asked for: of one flow, when there are many.
    fn look_for_mtu(&mut self, config: &Config) -> bool {
        let flow = match config.multipath {
            Some(_) => 0,
            None => config.flow,
        };
        if let Some(size) = config.mtu {
            self.stage = Stage::Mtu(Search::new(size, &self.held, flow));
        }
        config.mtu.is_some()
    }

    /// Waits for the next cycle. False when that was the last.
    fn pause(&mut self, config: &Config) -> bool {
        if self.cycle >= config.cycles {
            return false;
        }
        let next = self.cycle_began.saturating_add(config.cycle_interval);
        self.stage = Stage::Pause(next);
        true
    }

    /// Hands out the next probe, if there is one: false when not. `name` makes its id of its
    /// index.
    pub(super) fn send(
        &mut self,
        now: Duration,
        config: &Config,
        name: impl Fn(u64) -> u64,
        outbox: &mut Outbox<Report>,
    ) -> bool {
        while let Some(ask) = self.asks.pop_front() {
            let wanted = match &mut self.stage {
                Stage::Rows(rows) => rows.wants(&ask),
                Stage::Mtu(search) => search.wants(&ask),
                Stage::Ways(ways) => ways.wants(&ask),
                Stage::Pause(_) => false,
            };
            if !wanted {
                continue;
            }
            let index = self.ledger.push(ask, now);
            match &mut self.stage {
                Stage::Rows(rows) => rows.asked(&ask, index),
                Stage::Mtu(search) => search.asked(&ask, index),
                Stage::Ways(ways) => ways.asked(&ask, index),
                Stage::Pause(_) => {}
            }
            self.summary.probes += 1;
            let number = ledger::number(index);
            let probe = Probe {
                id: name(index),
                destination: self.recipe.target.address,
                source: Some(self.recipe.target.source),
                ttl: Some(ask.ttl),
                tos: config.tos,
                fragmentation: match ask.size {
                    Some(_) => Fragmentation::Probe,
                    None => Fragmentation::Dont,
                },
                identification: config
                    .header_included
                    .then(|| self.recipe.identification(number)),
                protocol: self.recipe.protocol(),
                stamped: true,
            };
            let length = match (ask.size, config.method) {
                (Some(size), _) => size,
                (None, Method::Tcp) => 0,
                (None, _) => config.length,
            };
            outbox.send(probe, &[], |bytes| {
                self.recipe.body(number, ask.flow, length, bytes);
            });
            return true;
        }
        false
    }

    /// Whether there is anything to be sent.
    pub(super) fn has_asks(&self) -> bool {
        !self.asks.is_empty()
    }

    /// A probe was handed to the kernel.
    pub(super) fn handed_over(&mut self, index: u64, began: Duration) {
        if let Some(sent) = self.ledger.get_mut(index) {
            sent.at = began;
        }
    }

    /// A probe's stamp of departure.
    pub(super) fn departed(&mut self, index: u64, stamp: Stamp) {
        let Some(sent) = self.ledger.get_mut(index) else {
            return;
        };
        sent.stamp = Some(stamp);
        let (ask, at, answered) = (sent.ask, sent.at, sent.answered);
        if let Stage::Rows(rows) = &mut self.stage
            && answered
        {
            rows.retime(&ask, index, at, stamp);
        }
    }

    /// The kernel refused a probe.
    pub(super) fn refused(&mut self, index: u64, error: i32, mtu: Option<u32>) {
        let Some(sent) = self.ledger.get(index) else {
            return;
        };
        self.summary.probes = self.summary.probes.saturating_sub(1);
        match &mut self.stage {
            Stage::Rows(rows) => rows.refused(&sent.ask, error),
            Stage::Mtu(search) => search.refused(&sent.ask, mtu),
            Stage::Ways(ways) => ways.refused(&sent.ask),
            Stage::Pause(_) => {}
        }
    }

    /// Something came that is about no probe that waits.
    pub(super) fn stray(&mut self) {
        self.summary.strays = self.summary.strays.saturating_add(1);
    }

    pub(super) fn local_drops(&mut self, count: u64) {
        self.summary.local_drops = self.summary.local_drops.saturating_add(count);
    }

    /// The probe that a quote is about.
    pub(super) fn find(&self, quote: &Quote<'_>, config: &Config) -> Option<Match> {
        self.ledger
            .find(&self.recipe, quote, config.header_included)
    }

    /// An ICMP error about the probe `found`, quoted whole or as the kernel remembers it.
    pub(super) fn complaint(
        &mut self,
        config: &Config,
        arrival: Arrival,
        complaint: Complaint<'_>,
        found: Match,
        quote: Option<&Quote<'_>>,
    ) {
        let Complaint {
            icmp_type,
            code,
            info,
            message,
        } = complaint;
        let Some(ask) = self.ledger.get(found.index).map(|sent| sent.ask) else {
            return;
        };
        let target = self.recipe.target.address;
        let place = match (icmp_type, code) {
            _ if arrival.from == target => Place::Target,
            (UNREACHABLE, PORT) if config.method != Method::Icmp => Place::Target,
            (UNREACHABLE | PARAMETER, _) | (EXCEEDED, 1) => Place::Stopped,
            (EXCEEDED, _) => Place::OnTheWay,
            // Advice, no answer: redirect, source quench.
            _ => return,
        };
        let extensions = message.map(icmp_extensions::read).unwrap_or_default();
        let answer = Answer {
            address: arrival.from,
            icmp: Some((icmp_type, code)),
            quoted_ttl: quote.map(|quote| quote.ttl).filter(|&ttl| ttl != 1),
            tos_quoted: quote
                .map(|quote| quote.tos)
                .filter(|&tos| tos != config.tos),
            labels: extensions.labels,
            interfaces: extensions.interfaces,
            unmatched_key: found.failed,
            mark: Mark::of(icmp_type, code, info),
            ..plain(arrival)
        };
        let appearance =
            quote.map(|quote| Appearance::of(&self.recipe, quote, found.index, ask.flow));
        self.heard(found.index, arrival, answer, place, appearance);
    }

    /// A reply that is no ICMP error: an echo reply, a TCP segment, a UDP datagram. False when
    /// it is none to this path.
    pub(super) fn reply(
        &mut self,
        arrival: Arrival,
        protocol: u8,
        message: &[u8],
        ours: bool,
    ) -> bool {
        let elsewhere = arrival.from != self.recipe.target.address;
        let (index, icmp, open, failed) = if let Some(number) = self.recipe.echoed(message, ours)
            && protocol == self.recipe.protocol()
        {
            let named = message.get(8..).and_then(super::recipe::named_in_data);
            if elsewhere && named.is_none_or(|(named, _)| named != self.recipe.target.address) {
                return false;
            }
            let failed = elsewhere.then_some(Key::Destination);
            (self.ledger.index_of(number), Some((0, 0)), None, failed)
        } else if protocol == PROTOCOL_TCP
            && !elsewhere
            && let Some((index, open)) = self.acknowledged(message)
        {
            (Some(index), None, Some(open), None)
        } else if protocol == self.recipe.protocol() && !elsewhere {
            // Somebody listens on the port, or refuses it with a segment that acknowledges
            // nothing of ours, and does not say which probe it was. The first to get there was
            // the nearest that got no other answer, behind all that were answered on the way;
            // silent hops right before it are taken for it.
            let own = |(index, sent): &(u64, &Sent)| {
                let number = ledger::number(*index);
                self.recipe.is_back(message, number, sent.ask.flow)
            };
            let passed = self.ledger.iter().filter(own);
            let passed = passed.filter(|(_, sent)| sent.passed);
            let passed = passed.map(|(_, sent)| sent.ask.ttl).max();
            let waiting = self
                .ledger
                .iter()
                .filter(own)
                .filter(|(_, sent)| !sent.answered && Some(sent.ask.ttl) > passed);
            let nearest = match self.stage {
                // Asked hop by hop, the last question is the one that waits.
                Stage::Ways(_) => waiting.max_by_key(|(index, _)| *index),
                _ => waiting.min_by_key(|(index, sent)| (sent.ask.ttl, *index)),
            };
            let index = nearest.map(|(index, _)| index);
            let open = self.recipe.is_open(message);
            (index, None, open, Some(Key::Transport))
        } else {
            return false;
        };
        let Some(index) = index else { return false };
        let answer = Answer {
            icmp,
            open,
            unmatched_key: failed,
            ..plain(arrival)
        };
        self.heard(index, arrival, answer, Place::Target, None);
        true
    }

    /// The probe that a TCP segment acknowledges, and whether the port is open.
    fn acknowledged(&self, segment: &[u8]) -> Option<(u64, bool)> {
        let (count, open) = self.recipe.acknowledged(segment)?;
        // What a SYN carries is acknowledged by a reset, and not by a SYN.
        let index = self.ledger.index_of(count).filter(|_| count != 0);
        let bare = |index: &u64| {
            let sent = self.ledger.get(*index);
            open || sent.is_some_and(|sent| sent.ask.size.is_none())
        };
        let full = || {
            let mut sent = self.ledger.iter();
            let end = |index: u64, ask: &Ask| {
                ledger::number(index).checked_add(super::recipe::syn_data(ask.size))
            };
            let found = sent.find(|(index, sent)| end(*index, &sent.ask) == Some(count));
            found.map(|(index, _)| index)
        };
        let index = index.filter(bare).or_else(full)?;
        let flow = self.ledger.get(index)?.ask.flow;
        let is_back = self.recipe.is_back(segment, ledger::number(index), flow);
        is_back.then_some((index, open))
    }

    fn heard(
        &mut self,
        index: u64,
        arrival: Arrival,
        mut answer: Answer,
        place: Place,
        appearance: Option<Appearance>,
    ) {
        let Some(sent) = self.ledger.get_mut(index).filter(|sent| !sent.answered) else {
            self.stray();
            return;
        };
        sent.answered = true;
        sent.passed = place == Place::OnTheWay;
        answer.rtt = Rtt::between(sent.at, sent.stamp, arrival.at, arrival.stamp);
        let ask = sent.ask;
        let heard = Heard {
            answer,
            ttl: ask.ttl,
            place,
            appearance,
            seen: arrival.at,
            stamp: arrival.stamp,
        };
        let in_time = match &mut self.stage {
            Stage::Rows(rows) => rows.heard(&ask, index, heard),
            Stage::Mtu(search) => search.heard(&ask, &heard),
            Stage::Ways(ways) => ways.heard(&ask, heard),
            Stage::Pause(_) => false,
        };
        if !in_time {
            self.stray();
        }
    }

    /// The probe with this id, if it was sent to here.
    pub(super) fn sent(&self, index: u64) -> Option<Match> {
        self.ledger.get(index).map(|_| Match {
            index,
            failed: None,
        })
    }

    /// The probe whose number the data names.
    pub(super) fn numbered(&self, number: u16) -> Option<Match> {
        let index = self.ledger.index_of(number)?;
        self.sent(index)
    }

    /// The echo request of which at least the header came back.
    pub(super) fn echo(&self, message: &[u8]) -> Option<Match> {
        self.numbered(self.recipe.number_of_echo(message)?)
    }
}

/// An answer of which only the arrival is known.
fn plain(arrival: Arrival) -> Answer {
    Answer {
        address: arrival.from,
        rtt: Rtt::between(arrival.at, None, arrival.at, None),
        icmp: None,
        reply_ttl: arrival.ttl,
        return_hops: arrival.ttl.map(way_back),
        quoted_ttl: None,
        tos_quoted: None,
        labels: Vec::new(),
        interfaces: Vec::new(),
        unmatched_key: None,
        mark: None,
        open: None,
    }
}

/// How many hops an answer probably came, by the time to live it has left: hosts and routers
/// begin with 64, 128 or 255.
fn way_back(ttl: u8) -> u8 {
    match ttl {
        0..=64 => 65 - ttl,
        65..=128 => 129 - ttl,
        129..=255 => (255 - ttl).saturating_add(1),
    }
}
