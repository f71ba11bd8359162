//! Fewer flows where the path is narrow, after MDA-Lite (Vermeulen, Strowes, Fourmaux, Friedman:
//! Multilevel MDA-Lite Paris Traceroute, IMC 2018).
//!
//! Behind several routers, flows are counted for the hop as a whole instead of for each router.
//! That is as sure only if each router of a hop is as likely to be passed as any other: if they
//! are not meshed, and each has as many neighbours as the others. Two flows through each router
//! are to show that; where they show anything else, the hop is asked router by router.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::ledger::Ask;
use super::super::level::{Level, Node, enough};
use super::Ways;

/// So many flows through each router at least.
const EACH: usize = 2;

/// What is to be done about a hop.
pub(super) enum Lite {
    /// Wait for what was asked.
    Asked,
    /// It is known; a flow that passes a branching point before it, if there is one.
    Known(Option<u16>),
    /// It must be asked router by router.
    Fails,
}

/// Whether all routers of the hop before look alike from behind: what each of them leads to.
fn is_even(next: &BTreeMap<Node, BTreeSet<Node>>) -> bool {
    if next
        .values()
        .any(|met| met.is_empty() || met.contains(&None))
    {
        return false;
    }
    let mut degrees: BTreeMap<Node, usize> = BTreeMap::new();
    for &node in next.values().flatten() {
        *degrees.entry(node).or_default() += 1;
    }
    let all_alike = |mut counts: Box<dyn Iterator<Item = usize> + '_>| {
        counts
            .next()
            .is_none_or(|first| counts.all(|count| count == first))
    };
    // Ways part or come together, but not both.
    let parts = degrees.values().all(|&count| count == 1);
    let joins = next.values().all(|met| met.len() == 1);
    (parts || joins)
        && all_alike(Box::new(degrees.values().copied()))
        && all_alike(Box::new(next.values().map(BTreeSet::len)))
}

fn heard(level: &Level, flow: u16) -> bool {
    level
        .flows
        .get(&flow)
        .is_some_and(|trial| trial.heard().is_some())
}

impl Ways {
    /// Asks what is needed to know the hop `at`, behind more routers than one.
    pub(super) fn plan_lite(
        &mut self,
        at: usize,
        sources: &BTreeMap<Node, BTreeSet<u16>>,
        asks: &mut VecDeque<Ask>,
    ) -> Lite {
        let confidence = self.settings.confidence;
        let ttl = self.ttl(at);
        let Some(level) = self.levels.get_mut(at) else {
            return Lite::Fails;
        };
        if level.by_router || sources.len() < 2 || sources.contains_key(&None) {
            return Lite::Fails;
        }
        let all: BTreeSet<u16> = sources.values().flatten().copied().collect();
        let need = enough(level.met(&all).len().max(1) + 1, confidence);
        let tried = all
            .iter()
            .filter(|&flow| level.flows.contains_key(flow))
            .count();
        let answered = all.iter().filter(|&&flow| heard(level, flow)).count();
        if tried > answered + need {
            // Too many were lost to say anything about all alike.
            level.by_router = true;
            return Lite::Fails;
        }
        let mut missing = need.saturating_sub(answered);
        let mut lacking = 0;
        let mut asked: Vec<u16> = Vec::new();
        let mut more: Vec<Vec<u16>> = Vec::new();
        for flows in sources.values() {
            let fresh = flows.iter().filter(|&flow| !level.flows.contains_key(flow));
            let mut fresh: Vec<u16> = fresh.copied().collect();
            let own = flows.iter().filter(|&&flow| heard(level, flow)).count();
            let rest = fresh.split_off(fresh.len().min(EACH.saturating_sub(own)));
            lacking += EACH.saturating_sub(own + fresh.len());
            asked.extend(fresh);
            more.push(rest);
        }
        missing = missing.saturating_sub(asked.len());
        // Each router in turn gives one of its flows.
        let turns = more.iter().map(Vec::len).max().unwrap_or_default();
        let in_turn = (0..turns).flat_map(|turn| more.iter().filter_map(move |own| own.get(turn)));
        asked.extend(in_turn.take(missing));
        let given = more.iter().map(Vec::len).sum::<usize>();
        lacking = lacking.max(missing.saturating_sub(given));
        if !asked.is_empty() {
            for flow in asked {
                asks.push_back(level.ask(ttl, flow));
            }
            return Lite::Asked;
        }
        let next: BTreeMap<Node, BTreeSet<Node>> = sources
            .iter()
            .map(|(&node, flows)| (node, level.met(flows)))
            .collect();
        if lacking > 0 && self.look_for_flows(at, lacking, sources.len(), asks) {
            return Lite::Asked;
        }
        let Some(level) = self.levels.get_mut(at) else {
            return Lite::Fails;
        };
        if lacking > 0 || !is_even(&next) {
            level.by_router = true;
            return Lite::Fails;
        }
        let branching = next.iter().find(|(_, met)| met.len() > 1);
        let flows = branching.and_then(|(node, _)| sources.get(node));
        let flow = flows
            .into_iter()
            .flatten()
            .find(|&&flow| heard(level, flow));
        Lite::Known(flow.copied())
    }
}
