//! All the ways that balancers may choose, by the Multipath Detection Algorithm (Augustin,
//! Friedman, Teixeira: Measuring Load-balanced Paths in the Internet, IMC 2007).
//!
//! Hop by hop: to find what follows a router, flows that are known to pass through it are sent
//! one hop farther, until so many have shown nothing new that one more branch would have shown
//! itself with the confidence asked for. Flows that pass through a router are found by trying.
//! Where routers of a hop look alike, `lite` counts for all of them together.
//! Knows flows, distances and answers, not packets.

mod lite;
mod marks;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use self::lite::Lite;
use super::ledger::{Appearance, Ask, Ledger};
use super::level::{Level, Node, State, Trial, enough};
use super::row::{Heard, Place};
use super::rows::Next;
use super::{Balancing, Config, Hop, Link, Multipath, Outcome, Query, Summary};

/// A flow is sent so often before its silence counts.
const TRIES: u16 = 2;
/// Beyond three times the slowest answer of the hop, or of all.
const NEAR: Duration = Duration::from_millis(100);
const TAIL: Duration = Duration::from_millis(500);
/// Where nothing has answered at all.
const SILENCE: Duration = Duration::from_millis(1500);
/// Questions that repeat a flow, to see whether it stays on its way, are numbered from here.
const AGAIN: u16 = 1000;
/// The most flows that are looked for at one time, so as not to flood a hop.
const AT_ONCE: usize = 64;

/// The search over one path.
#[derive(Debug)]
pub(super) struct Ways {
    first: u8,
    last: u8,
    levels: Vec<Level>,
    settings: Multipath,
    /// The first flow that has not been used.
    fresh: u16,
    sent: u32,
    exhausted: bool,
    slowest: Option<Duration>,
    /// How many levels have been told.
    told: usize,
    cycle: u32,
    target: Ipv4Addr,
    /// How a probe looks that nobody has changed.
    untouched: Appearance,
    nat_hops: Vec<u8>,
    looped: bool,
}

impl Ways {
    pub(super) fn new(
        config: &Config,
        settings: Multipath,
        target: Ipv4Addr,
        untouched: Appearance,
        cycle: u32,
    ) -> Self {
        Self {
            first: config.first.max(1),
            last: config.max,
            levels: vec![Level::default()],
            settings,
            fresh: 0,
            sent: 0,
            exhausted: false,
            slowest: None,
            told: 0,
            cycle,
            target,
            untouched,
            nat_hops: Vec::new(),
            looped: false,
        }
    }

    fn trial(&mut self, ask: &Ask) -> Option<&mut Trial> {
        let level = usize::from(ask.ttl.checked_sub(self.first)?);
        let level = self.levels.get_mut(level)?;
        match ask.query.checked_sub(AGAIN) {
            Some(at) => level.again.get_mut(usize::from(at)),
            None => level.flows.get_mut(&ask.flow),
        }
    }

    pub(super) fn wants(&mut self, ask: &Ask) -> bool {
        let left = self.sent < self.settings.budget;
        let Some(trial) = self.trial(ask).filter(|trial| trial.is_open()) else {
            return false;
        };
        if !left {
            trial.state = State::Lost;
            self.exhausted = true;
            return false;
        }
        self.sent += 1;
        true
    }

    pub(super) fn asked(&mut self, ask: &Ask, index: u64) {
        if let Some(trial) = self.trial(ask) {
            trial.state = State::Asked(index);
        }
    }

    pub(super) fn refused(&mut self, ask: &Ask) {
        if let Some(trial) = self.trial(ask) {
            trial.state = State::Lost;
        }
    }

    /// False when it was heard before.
    pub(super) fn heard(&mut self, ask: &Ask, heard: Heard) -> bool {
        let took = heard.rtt();
        match self.trial(ask) {
            Some(trial) if trial.heard().is_none() => {
                trial.state = State::Heard(Box::new(heard));
                self.slowest = self.slowest.max(Some(took));
                true
            }
            _ => false,
        }
    }

    pub(super) fn advance(
        &mut self,
        now: Duration,
        config: &Config,
        ledger: &Ledger,
        asks: &mut VecDeque<Ask>,
        mut tell: impl FnMut(Hop),
    ) -> Next {
        loop {
            if let Some(wake) = self.waits(now, config, ledger, asks) {
                return Next::At(wake);
            }
            if !self.exhausted && (self.plan(asks) || self.ask_slowly(now)) {
                continue;
            }
            // This hop is known. The one before will not be asked any more.
            self.mark_silence();
            self.looped |= self.is_circle();
            let ends = self.looped || self.ends(config);
            let known = if ends {
                self.levels.len()
            } else {
                self.levels.len() - 1
            };
            while self.told < known {
                let hop = self.tell();
                tell(hop);
            }
            if ends {
                return Next::Finished;
            }
            self.levels.push(Level::default());
        }
    }

    /// Gives up what is overdue, asks it again where that is due; until when to wait for the
    /// rest.
    fn waits(
        &mut self,
        now: Duration,
        config: &Config,
        ledger: &Ledger,
        asks: &mut VecDeque<Ask>,
    ) -> Option<Duration> {
        let mut wake = None;
        let tail = self.slowest.map_or(SILENCE, |slowest| {
            slowest.saturating_mul(3).saturating_add(TAIL)
        });
        let from = self.levels.len().saturating_sub(3);
        for (level, ttl) in self.levels.iter_mut().zip(self.first..=u8::MAX).skip(from) {
            let slowest = level.heard().map(Heard::rtt).max();
            let patience = slowest.map_or(tail, |slowest| {
                slowest.saturating_mul(3).saturating_add(NEAR)
            });
            let patience = patience.min(config.wait);
            let again_flow = level.again_flow.unwrap_or_default();
            let flows = level
                .flows
                .iter_mut()
                .map(|(flow, trial)| (*flow, 0, trial));
            let again = level.again.iter_mut().zip(AGAIN..);
            let again = again.map(|(trial, query)| (again_flow, query, trial));
            for (flow, query, trial) in flows.chain(again) {
                let due = match trial.state {
                    State::Asked(index) => {
                        let at = ledger.get(index).map_or(Duration::ZERO, |sent| sent.at);
                        at.saturating_add(patience)
                    }
                    State::Queued => Duration::MAX,
                    State::Later(when) => when,
                    State::Heard(_) | State::Lost => continue,
                };
                if due > now {
                    wake = Some(wake.unwrap_or(Duration::MAX).min(due));
                    continue;
                }
                let asked = matches!(trial.state, State::Asked(_));
                trial.tries += 1;
                if trial.tries >= TRIES && asked {
                    trial.state = State::Lost;
                } else {
                    trial.state = State::Queued;
                    wake = wake.or(Some(Duration::MAX));
                    asks.push_back(Ask {
                        ttl,
                        query,
                        flow,
                        size: None,
                    });
                }
            }
        }
        wake
    }

    /// The flows that pass through each router of the hop before the last: all of them through
    /// one where nobody can say which.
    fn sources(&self) -> (BTreeMap<Node, BTreeSet<u16>>, bool) {
        let before = self
            .levels
            .len()
            .checked_sub(2)
            .and_then(|at| self.levels.get(at));
        match before {
            Some(level) if !level.is_sprayed() => (level.nodes(), true),
            Some(level) => {
                let flows = level.nodes().into_values().flatten().collect();
                (BTreeMap::from([(None, flows)]), false)
            }
            None => (BTreeMap::from([(None, BTreeSet::new())]), false),
        }
    }

    /// Where all flows through a router met nobody, they met a silent one; unless the target
    /// is as near, whose silence is a limit on its answers.
    fn mark_silence(&mut self) {
        let (sources, _) = self.sources();
        let Some(level) = self.levels.last_mut() else {
            return;
        };
        if level.heard().any(|heard| heard.place != Place::OnTheWay) {
            return;
        }
        let is_lost = |flow: &u16| {
            let trial = level.flows.get(flow);
            trial.is_some_and(|trial| matches!(trial.state, State::Lost))
        };
        let all: BTreeSet<u16> = level.flows.keys().copied().collect();
        let mut silent = BTreeSet::new();
        for (node, flows) in &sources {
            let flows = if node.is_none() { &all } else { flows };
            if level.met(flows).iter().all(Option::is_none) {
                silent.extend(flows.iter().copied().filter(is_lost));
            }
        }
        level.silent = silent;
    }

    /// Asks what is needed to know the last hop. False when it is known.
    fn plan(&mut self, asks: &mut VecDeque<Ask>) -> bool {
        let (sources, controlled) = self.sources();
        let confidence = self.settings.confidence;
        let at = self.levels.len() - 1;
        if controlled && !self.settings.each {
            match self.plan_lite(at, &sources, asks) {
                Lite::Asked => return true,
                Lite::Known(branching) => {
                    return self.look_back(at, &sources, asks)
                        || self.test_flow(at, branching, asks);
                }
                Lite::Fails => {}
            }
        }
        let ttl = self.ttl(at);
        let mut fresh = self.fresh;
        let mut lacking = 0;
        let Some(level) = self.levels.get_mut(at) else {
            return false;
        };
        let mut asked: Vec<u16> = Vec::new();
        let mut branching = None;
        for (node, flows) in &sources {
            // Where nobody can say which way a flow takes, or all pass through one router, any
            // is as good as another.
            let is_any = !controlled || (node.is_some() && sources.len() == 1);
            let mut flows = flows.clone();
            if is_any {
                flows.extend(level.flows.keys());
            }
            let met = level.met(&flows);
            let trials = || flows.iter().filter_map(|flow| level.flows.get(flow));
            let heard = trials().filter(|trial| trial.heard().is_some()).count();
            let lost = trials().count() - heard;
            let silent = controlled && node.is_none() && met.iter().all(Option::is_none);
            let need = if silent {
                usize::from(TRIES)
            } else {
                enough(met.len().max(1) + 1, confidence)
            };
            if met.len() > 1 && branching.is_none() {
                branching = flows
                    .iter()
                    .find(|flow| {
                        level
                            .flows
                            .get(flow)
                            .is_some_and(|trial| trial.heard().is_some())
                    })
                    .copied();
            }
            // What was lost proves nothing, and is made up for, but not without end.
            let lost = if heard == 0 {
                lost
            } else {
                lost.saturating_sub(need)
            };
            let missing = need.saturating_sub(heard + lost);
            let ready: Vec<u16> = flows
                .iter()
                .filter(|flow| !level.flows.contains_key(flow))
                .take(missing)
                .copied()
                .collect();
            let short = missing - ready.len();
            asked.extend(ready);
            if is_any {
                for _ in 0..short.min(AT_ONCE) {
                    asked.push(fresh);
                    fresh = fresh.saturating_add(1);
                }
            } else if node.is_some() {
                lacking += short;
            }
        }
        if !asked.is_empty() {
            self.fresh = fresh;
            for flow in asked {
                asks.push_back(level.ask(ttl, flow));
            }
            return true;
        }
        if self.look_back(at, &sources, asks) {
            return true;
        }
        if lacking > 0 && self.look_for_flows(at, lacking, sources.len(), asks) {
            return true;
        }
        self.test_flow(at, branching, asks)
    }

    /// A router that only showed itself to flows that were looked for has no known neighbour
    /// before it: one of its flows is asked there. False when all have.
    fn look_back(
        &mut self,
        at: usize,
        sources: &BTreeMap<Node, BTreeSet<u16>>,
        asks: &mut VecDeque<Ask>,
    ) -> bool {
        let Some(before) = at.checked_sub(2) else {
            return false;
        };
        let ttl = self.ttl(before);
        let Some(level) = self.levels.get_mut(before) else {
            return false;
        };
        let mut more = false;
        for (node, flows) in sources {
            let known = flows.iter().any(|flow| level.flows.contains_key(flow));
            let Some(&flow) = flows.first().filter(|_| node.is_some() && !known) else {
                continue;
            };
            asks.push_back(level.ask(ttl, flow));
            more = true;
        }
        more
    }

    /// Tries flows nobody has used one hop nearer, so that some pass through the routers that
    /// lack them. False when enough have been tried in vain.
    fn look_for_flows(
        &mut self,
        at: usize,
        lacking: usize,
        width: usize,
        asks: &mut VecDeque<Ask>,
    ) -> bool {
        let near = at.saturating_sub(1);
        let ttl = self.ttl(near);
        let most = enough(width + 1, self.settings.confidence).saturating_mul(20);
        let fresh = self.fresh;
        let Some(level) = self.levels.get_mut(near) else {
            return false;
        };
        // A hop that answers hardly anybody cannot be asked its way.
        let heard = level
            .flows
            .values()
            .filter(|trial| trial.heard().is_some())
            .count();
        let lost = level.flows.len().saturating_sub(heard);
        let few = enough(2, self.settings.confidence);
        if level.tried >= most || lost > heard + few {
            return false;
        }
        let count = lacking.min(AT_ONCE);
        level.tried += count;
        for flow in (fresh..u16::MAX).take(count) {
            self.fresh = flow + 1;
            asks.push_back(level.ask(ttl, flow));
        }
        self.fresh > fresh
    }

    /// Sends one flow of a branching point again and again, to see whether it stays on its way.
    /// False when that is known.
    fn test_flow(&mut self, at: usize, flow: Option<u16>, asks: &mut VecDeque<Ask>) -> bool {
        let ttl = self.ttl(at);
        let count = enough(2, self.settings.confidence);
        let Some(level) = self.levels.get_mut(at) else {
            return false;
        };
        if let Some(flow) = level.again_flow {
            let way = level.flows.get(&flow).and_then(Trial::address);
            let mut ways = level.again.iter().filter_map(Trial::address);
            let stays = ways.all(|address| Some(address) == way);
            level.balancing = Some(if stays {
                Balancing::PerFlow
            } else {
                Balancing::PerPacket
            });
            return false;
        }
        let Some(flow) = flow else { return false };
        level.again_flow = Some(flow);
        for query in (AGAIN..).take(count) {
            level.again.push(Trial::new());
            asks.push_back(Ask {
                ttl,
                query,
                flow,
                size: None,
            });
        }
        true
    }

    fn ttl(&self, level: usize) -> u8 {
        u8::try_from(level).map_or(u8::MAX, |level| self.first.saturating_add(level))
    }

    /// Whether nothing lies behind the last hop that is known.
    fn ends(&self, config: &Config) -> bool {
        let at = self.levels.len() - 1;
        let Some(level) = self.levels.last() else {
            return true;
        };
        let gap = usize::from(config.gap.max(1));
        let mut tail = self.levels.iter().rev().take(gap);
        let silent = self.levels.len() >= gap && tail.all(|level| level.heard().next().is_none());
        self.exhausted || silent || level.nodes().is_empty() || self.ttl(at) >= self.last
    }

    fn tell(&mut self) -> Hop {
        let at = self.told;
        self.told += 1;
        let ttl = self.ttl(at);
        let marks = self.marks(at);
        if marks.nat {
            self.nat_hops.push(ttl);
        }
        let level = self.levels.get(at);
        let flows = level.into_iter().flat_map(|level| &level.flows);
        let queries = flows.map(|(&flow, trial)| Query {
            flow,
            outcome: match trial.heard() {
                Some(heard) => Outcome::Answered(Box::new(heard.answer.clone())),
                None => Outcome::Lost,
            },
        });
        Hop {
            target: self.target,
            ttl,
            cycle: self.cycle,
            flow: 0,
            queries: queries.collect(),
            repeated: marks.repeated,
            rate_limited: marks.rate_limited,
            // All ways are asked slowly where that is needed.
            undecided: false,
            nat: marks.nat,
            mtu: None,
        }
    }

    /// Tells the hops that have not been told, each with what has become of its questions.
    pub(super) fn so_far(&mut self, mut tell: impl FnMut(Hop)) {
        for level in self.levels.iter_mut().skip(self.told) {
            level.flows.retain(|_, trial| !trial.is_open());
            level.slowly.clear();
        }
        self.levels.retain(|level| !level.flows.is_empty());
        while self.told < self.levels.len() {
            tell(self.tell());
        }
    }

    /// What is known in the end.
    pub(super) fn sum_up(&self, summary: &mut Summary) {
        let mut last = 0;
        let mut reached = None;
        for (at, level) in self.levels.iter().enumerate() {
            let ttl = self.ttl(at);
            if level.heard().next().is_some() {
                last = ttl;
            }
            let mut places = level.heard().map(|heard| heard.place);
            if reached.is_none() && places.any(|place| place == Place::Target) {
                reached = Some(ttl);
            }
            if let Some(balancing) = level.balancing {
                summary.balancing.push((ttl, balancing));
            }
        }
        summary.exhausted |= self.exhausted;
        summary.looped |= self.looped;
        for &hop in &self.nat_hops {
            if let Err(place) = summary.nat_hops.binary_search(&hop) {
                summary.nat_hops.insert(place, hop);
            }
        }
        summary.reached |= reached.is_some();
        summary.hops = reached.unwrap_or(last);
        let pairs = self.levels.iter().zip(self.levels.iter().skip(1));
        for ((near, far), ttl) in pairs.zip(self.first..last) {
            for (from, flows) in near.nodes() {
                let met: BTreeSet<Node> = if !near.is_sprayed() {
                    far.met(&flows)
                } else if far.addresses().len() == 1 {
                    // Whatever way they took, this is where they came together.
                    far.addresses().into_iter().map(Some).collect()
                } else {
                    BTreeSet::new()
                };
                let links = met.into_iter().map(|to| Link { ttl, from, to });
                summary.links.extend(links);
            }
        }
        summary.links.sort_unstable();
        summary.links.dedup();
    }
}
