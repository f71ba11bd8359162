//! The guard of the networks that are swept: so many probes on their way in each /24, and who
//! has to wait for that.

use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasherDefault;
use std::net::Ipv4Addr;

use super::flight::Spread;

/// Somebody to be asked: a target's index, the attempt, and the turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) target: u32,
    pub(super) attempt: u32,
    pub(super) turn: u64,
}

/// So many may wait at once; with more, the order of targets waits as well.
const HELD: usize = 1 << 16;

/// Probes on their way in a network, and who waits for one of them to end.
#[derive(Debug, Default)]
struct Network {
    open: u32,
    held: VecDeque<Ask>,
}

/// All networks with a probe on its way.
#[derive(Debug)]
pub(super) struct Networks {
    limit: Option<u32>,
    table: HashMap<u64, Network, BuildHasherDefault<Spread>>,
    ready: VecDeque<Ask>,
    held: usize,
}

fn key(address: Ipv4Addr) -> u64 {
    u64::from(address.to_bits() >> 8)
}

impl Networks {
    pub(super) fn new(limit: Option<u32>) -> Self {
        Self {
            limit: limit.map(|limit| limit.max(1)),
            table: HashMap::default(),
            ready: VecDeque::new(),
            held: 0,
        }
    }

    /// A probe to `address` wants to go. False when it was put aside instead.
    pub(super) fn enter(&mut self, address: Ipv4Addr, ask: Ask) -> bool {
        let Some(limit) = self.limit else {
            return true;
        };
        let network = self.table.entry(key(address)).or_default();
        if network.open < limit {
            network.open += 1;
            return true;
        }
        network.held.push_back(ask);
        self.held += 1;
        false
    }

    /// Whether any network is held up.
    pub(super) fn are_limited(&self) -> bool {
        self.limit.is_some()
    }

    /// A probe to `address` ended.
    pub(super) fn leave(&mut self, address: Ipv4Addr) {
        let key = key(address);
        let Some(network) = self.table.get_mut(&key) else {
            return;
        };
        network.open = network.open.saturating_sub(1);
        if let Some(next) = network.held.pop_front() {
            self.held = self.held.saturating_sub(1);
            self.ready.push_back(next);
        } else if network.open == 0 {
            self.table.remove(&key);
        }
    }

    /// Whoever waited and may try again.
    pub(super) fn ready(&mut self) -> Option<Ask> {
        self.ready.pop_front()
    }

    /// Somebody waited and may try again.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Nobody waits.
    pub(super) fn is_empty(&self) -> bool {
        self.held == 0 && self.ready.is_empty()
    }

    /// So many wait that no more should come.
    pub(super) fn is_full(&self) -> bool {
        self.held >= HELD
    }
}
