//! What is known of one distance when all ways are looked for: which flow met whom, and how many
//! flows it takes to know that. Knows nothing of its neighbours.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::ledger::Ask;
use super::row::{Heard, Place};
use super::{Balancing, Confidence};

/// A router, as far as it is known; `None` is a silent one.
pub(super) type Node = Option<Ipv4Addr>;

/// How many flows without a `branches`th successor rule it out with this confidence.
///
/// One may stop too early at any number of branches up to the last. The first of these chances
/// is by far the greatest where there are two; the later ones get half of the risk, so that
/// together they stay under it.
pub(super) fn enough(branches: usize, confidence: Confidence) -> usize {
    let risk = match confidence {
        Confidence::Percent95 => 0.05,
        Confidence::Percent99 => 0.01,
    };
    flows(branches, if branches > 2 { risk / 2.0 } else { risk })
}

/// With fewer branches than that, all of them alike, so many flows would have missed one with a
/// probability under `risk`.
fn flows(branches: usize, risk: f64) -> usize {
    let branches = u32::try_from(branches.max(2)).unwrap_or(u32::MAX);
    let branches = f64::from(branches);
    let flows = (risk / branches).ln() / ((branches - 1.0) / branches).ln();
    // At most some 15 flows a branch: no number that would not fit.
    (1..=usize::from(u16::MAX))
        .find(|&count| u32::try_from(count).is_ok_and(|count| f64::from(count) >= flows))
        .unwrap_or(usize::from(u16::MAX))
}

#[derive(Debug)]
pub(super) enum State {
    Queued,
    /// To be asked again, not before this.
    Later(Duration),
    Asked(u64),
    Heard(Box<Heard>),
    Lost,
}

#[derive(Debug)]
pub(super) struct Trial {
    pub(super) state: State,
    pub(super) tries: u16,
}

/// All that is known of one distance.
#[derive(Debug, Default)]
pub(super) struct Level {
    pub(super) flows: BTreeMap<u16, Trial>,
    /// One flow, sent again and again.
    pub(super) again: Vec<Trial>,
    pub(super) again_flow: Option<u16>,
    pub(super) balancing: Option<Balancing>,
    /// Flows that seem to have passed a silent router here.
    pub(super) silent: BTreeSet<u16>,
    /// Flows that were looked for so that more would pass through its routers.
    pub(super) tried: usize,
    /// Its flows are counted for each router before it.
    pub(super) by_router: bool,
    /// Flows that were lost, and are asked again slowly.
    pub(super) slowly: Vec<u16>,
}

impl Trial {
    pub(super) fn new() -> Self {
        Self {
            state: State::Queued,
            tries: 0,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(
            self.state,
            State::Queued | State::Later(_) | State::Asked(_)
        )
    }

    pub(super) fn heard(&self) -> Option<&Heard> {
        match &self.state {
            State::Heard(heard) => Some(heard),
            _ => None,
        }
    }

    pub(super) fn address(&self) -> Node {
        self.heard().map(|heard| heard.answer.address)
    }
}

impl Level {
    /// A flow to be asked for here, which was not before.
    pub(super) fn ask(&mut self, ttl: u8, flow: u16) -> Ask {
        self.flows.insert(flow, Trial::new());
        Ask {
            ttl,
            query: 0,
            flow,
            size: None,
        }
    }

    pub(super) fn trials(&self) -> impl Iterator<Item = &Trial> {
        self.flows.values().chain(&self.again)
    }

    pub(super) fn heard(&self) -> impl Iterator<Item = &Heard> {
        self.trials().filter_map(Trial::heard)
    }

    pub(super) fn is_sprayed(&self) -> bool {
        self.balancing == Some(Balancing::PerPacket)
    }

    /// Its routers, each with the flows that pass through it and go on.
    pub(super) fn nodes(&self) -> BTreeMap<Node, BTreeSet<u16>> {
        let mut nodes: BTreeMap<Node, BTreeSet<u16>> = BTreeMap::new();
        for (&flow, trial) in &self.flows {
            let goes_on = match trial.heard() {
                Some(heard) => heard.place == Place::OnTheWay,
                None => self.silent.contains(&flow),
            };
            if goes_on {
                nodes.entry(trial.address()).or_default().insert(flow);
            }
        }
        nodes
    }

    /// What some flows met here: silence only if they met nothing else.
    pub(super) fn met(&self, flows: &BTreeSet<u16>) -> BTreeSet<Node> {
        let settled = flows.iter().filter_map(|flow| self.flows.get(flow));
        let settled = settled.filter(|trial| !trial.is_open());
        let mut met: BTreeSet<Node> = settled.map(Trial::address).collect();
        if met.len() > 1 {
            met.remove(&None);
        }
        met
    }

    pub(super) fn addresses(&self) -> BTreeSet<Ipv4Addr> {
        self.heard().map(|heard| heard.answer.address).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ceil(ln(eps / k) / ln((k - 1) / k)), as published for k = 2 to 20.
    #[test]
    fn so_many_flows_rule_out_another_branch() {
        let table = |risk| (2..=20).map(|k| flows(k, risk)).collect::<Vec<_>>();
        assert_eq!(
            table(0.05),
            [
                6, 11, 16, 21, 27, 33, 39, 45, 51, 57, 63, 70, 77, 83, 90, 97, 103, 110, 117
            ]
        );
        assert_eq!(
            table(0.01),
            [
                8, 15, 21, 28, 36, 43, 51, 58, 66, 74, 82, 90, 98, 106, 115, 123, 132, 140, 149
            ]
        );
    }
}
