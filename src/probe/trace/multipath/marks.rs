//! What the answers to many flows say about a hop, beside who stands there. Only answers to one
//! and the same flow are compared: other flows go other ways, which may be longer.

use std::time::Duration;

use super::super::ledger::Appearance;
use super::super::level::State;
use super::{Trial, Ways};

/// Between slow questions: limits on answers are commonly one a second, by clocks other than
/// ours.
const SLOWLY: Duration = Duration::from_millis(1100);
/// So many lost flows are asked again.
const AGAIN: usize = 2;

/// What a trace marks a hop with.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Marks {
    pub(super) nat: bool,
    pub(super) repeated: bool,
    pub(super) rate_limited: bool,
}

impl Ways {
    /// The answers to a flow at the hops before one, the nearest to it first.
    fn earlier(&self, at: usize, flow: u16) -> impl Iterator<Item = (usize, &Trial)> {
        let levels = self.levels.iter().enumerate().take(at).rev();
        levels.filter_map(move |(before, level)| Some((before, level.flows.get(&flow)?)))
    }

    pub(super) fn marks(&self, at: usize) -> Marks {
        let mut marks = Marks::default();
        let Some(level) = self.levels.get(at) else {
            return marks;
        };
        let seen = self.levels.iter().take(at);
        let is_first = !seen
            .flat_map(super::super::level::Level::heard)
            .any(|heard| heard.appearance.is_some());
        for (&flow, trial) in &level.flows {
            let Some(heard) = trial.heard() else { continue };
            let before = self
                .earlier(at, flow)
                .find_map(|(_, trial)| trial.heard()?.appearance);
            let before = before.or_else(|| is_first.then_some(self.untouched));
            let changed = |(now, before): (Appearance, Appearance)| now.differs(&before);
            marks.nat |= heard.appearance.zip(before).is_some_and(changed);
            let mut same = self
                .earlier(at, flow)
                .filter(|(_, other)| other.address() == trial.address());
            marks.repeated |= same.next().is_some_and(|(before, _)| at - before > 1);
        }
        let again = level.slowly.iter().map(|flow| level.flows.get(flow));
        marks.rate_limited =
            !level.slowly.is_empty() && again.flatten().all(|trial| trial.heard().is_some());
        marks
    }

    /// Whether all flows have come round twice: they meet who they met twice before, each time
    /// with another one between.
    pub(super) fn is_circle(&self) -> bool {
        let Some(level) = self.levels.last() else {
            return false;
        };
        let at = self.levels.len() - 1;
        let comes_round = |(&flow, trial): (&u16, &Trial)| {
            let mut times = 0;
            let mut last = at;
            for (before, other) in self.earlier(at, flow) {
                if other.address() == trial.address() {
                    times += usize::from(last - before > 1);
                    last = before;
                }
            }
            times >= 2
        };
        let mut heard = level
            .flows
            .iter()
            .filter(|(_, trial)| trial.heard().is_some())
            .peekable();
        heard.peek().is_some() && heard.all(comes_round)
    }

    /// Asks some flows again that the last hop left without answer while it answered others, a
    /// second apart: that tells a limit on answers from loss. False when that is done.
    pub(super) fn ask_slowly(&mut self, now: Duration) -> bool {
        let Some(level) = self.levels.last_mut() else {
            return false;
        };
        if !level.slowly.is_empty() || level.heard().next().is_none() {
            return false;
        }
        let lost = level
            .flows
            .iter()
            .filter(|(_, trial)| matches!(trial.state, State::Lost));
        let lost: Vec<u16> = lost.map(|(&flow, _)| flow).take(AGAIN).collect();
        if lost.len() < AGAIN {
            return false;
        }
        let mut when = now;
        for flow in &lost {
            when = when.saturating_add(SLOWLY);
            if let Some(trial) = level.flows.get_mut(flow) {
                trial.state = State::Later(when);
            }
        }
        level.slowly = lost;
        true
    }
}
