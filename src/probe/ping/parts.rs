//! A run in parts: machines over neighbouring stretches of its targets, each with an identifier of
//! its own, and together exactly what one machine over all of them would say.
//!
//! Knows nothing of who drives the parts, nor whether at the same time.

use std::ops::{ControlFlow, Range};
use std::time::Duration;

use super::{Config, Ping, Report, Stage, Strays, Summary};
use crate::probe::targets::Targets;
use crate::probe::{Event, Machine, Outbox, Wait};

/// A part has this many targets at least: one alone is a run of another kind.
const FEWEST: u32 = 2;

/// What is known of a run's targets at any time.
pub trait Sums {
    /// The sums so far for the target with this index in the run.
    fn summary(&self, index: u32) -> Option<Summary>;

    /// What came and belongs to no probe.
    fn strays(&self) -> Strays;
}

impl Sums for Ping {
    fn summary(&self, index: u32) -> Option<Summary> {
        Self::summary(self, index)
    }

    fn strays(&self) -> Strays {
        Self::strays(self)
    }
}

/// One part of a run. Its reports name targets by their indexes in the whole run. It is done when
/// its last probe has ended: the sums are told by the [`Whole`].
#[derive(Debug)]
pub struct Part {
    /// The index of its first target in the run.
    first: u32,
    ping: Ping,
}

impl Part {
    /// Cuts targets into so many stretches of indexes, as equal as can be, or fewer where there are
    /// not enough. No /24 is in two of them.
    #[must_use]
    pub fn stretches(targets: &Targets, parts: u32) -> Vec<Range<u32>> {
        let len = targets.len();
        let network = |index| targets.get(index).map(|it| it.to_bits() >> 8);
        let mut stretches = Vec::new();
        let mut first = 0;
        for part in 1..parts.max(1) {
            let even = u64::from(len) * u64::from(part) / u64::from(parts);
            let even = u32::try_from(even).unwrap_or(len).max(first);
            let begins = |at: &u32| network(*at) != at.checked_sub(1).and_then(network);
            let cut = (even..len).find(begins).unwrap_or(len);
            let room = first.saturating_add(FEWEST)..=len.saturating_sub(FEWEST);
            if room.contains(&cut) {
                stretches.push(first..cut);
                first = cut;
            }
        }
        stretches.push(first..len);
        stretches
    }

    /// The part of a run over this stretch of its targets, one of so many that run at once and
    /// share what may be out at a time; with this ICMP identifier, which no other part has.
    #[must_use]
    pub fn new(run: &Config, stretch: &Range<u32>, parts: u32, identifier: u16) -> Self {
        let parts = parts.max(1);
        let config = Config {
            targets: run.targets.stretch(stretch),
            identifier,
            rate: run.rate.map(|rate| rate / f64::from(parts)),
            in_flight: (run.in_flight / parts).max(1),
            // Of the first few targets of the run.
            percentiles: run.percentiles && stretch.start == 0,
            ..run.clone()
        };
        Self {
            first: stretch.start,
            ping: Ping::new(config),
        }
    }

    /// As [`Ping::stop`].
    pub fn stop(&mut self) {
        self.ping.stop();
    }
}

impl Machine for Part {
    type Report = Report;

    fn poll(&mut self, now: Duration, outbox: &mut Outbox<Report>) -> Wait {
        if matches!(self.ping.stage, Stage::SummingUp(_)) {
            return Wait::Done;
        }
        let before = outbox.reported();
        let wait = self.ping.poll(now, outbox);
        outbox.revise(before, |report| report.shift(self.first));
        wait
    }

    fn handle(&mut self, now: Duration, event: &Event<'_>, outbox: &mut Outbox<Report>) {
        let before = outbox.reported();
        self.ping.handle(now, event, outbox);
        outbox.revise(before, |report| report.shift(self.first));
    }
}

/// All parts of a run, when nobody drives them any more.
#[derive(Debug)]
pub struct Whole {
    parts: Vec<Part>,
}

impl Whole {
    /// These parts, in the order of their stretches.
    #[must_use]
    pub fn new(mut parts: Vec<Part>) -> Self {
        // The run began with the first probe of any, and ends with the last of all.
        let began = parts.iter().filter_map(|part| part.ping.began).min();
        let latest = parts.iter().map(|part| part.ping.latest).max();
        for part in &mut parts {
            part.ping.began = began;
            part.ping.latest = latest.unwrap_or(0);
        }
        Self { parts }
    }

    /// Ends whatever is not over, as [`Ping::stop`] does, and tells the sums in the order of the
    /// targets, until `tell` has enough.
    pub fn sum_up(
        &mut self,
        now: Duration,
        mut tell: impl FnMut(Report) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut outbox = Outbox::default();
        for part in &mut self.parts {
            part.stop();
            let mut wait = Wait::Until(now);
            while wait != Wait::Done {
                wait = part.ping.poll(now, &mut outbox);
                outbox.revise(0, |report| report.shift(part.first));
                outbox.reports().try_for_each(&mut tell)?;
            }
        }
        ControlFlow::Continue(())
    }
}

impl Sums for Whole {
    fn summary(&self, index: u32) -> Option<Summary> {
        let after = self.parts.partition_point(|part| part.first <= index);
        let part = self.parts.get(after.checked_sub(1)?)?;
        let mut summary = part.ping.summary(index.checked_sub(part.first)?)?;
        summary.index = index;
        Some(summary)
    }

    fn strays(&self) -> Strays {
        let parts = self.parts.iter().map(|part| part.ping.strays());
        parts.fold(Strays::default(), |sum, strays| Strays {
            foreign: sum.foreign.saturating_add(strays.foreign),
            strange: sum.strange.saturating_add(strays.strange),
            unproven: sum.unproven.saturating_add(strays.unproven),
            local_drops: sum.local_drops.saturating_add(strays.local_drops),
        })
    }
}

impl Report {
    /// Names the same target in a run in which so many come before.
    fn shift(&mut self, first: u32) {
        let index = match self {
            Self::Reply(reply) | Self::Strange(reply, _) => &mut reply.probe.index,
            Self::Lost { probe, .. } | Self::Unsent { probe, .. } | Self::Unanswered(probe) => {
                &mut probe.index
            }
            Self::Error(failure) => {
                if let Some(probe) = &mut failure.probe {
                    probe.index = probe.index.saturating_add(first);
                }
                &mut failure.index
            }
            Self::Summary(summary) => &mut summary.index,
            Self::LocalDrops(_) | Self::Round(_) => return,
        };
        *index = index.saturating_add(first);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

    use std::net::Ipv4Addr;

    use super::*;
    use proptest::prelude::*;

    fn targets(ranges: &[(u32, u32)]) -> Targets {
        let ranges = ranges.iter().map(|&(first, more)| {
            let last = first.saturating_add(more);
            (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last))
        });
        Targets::new(ranges).unwrap()
    }

    #[test]
    fn a_network_is_cut_in_halves() {
        let network = targets(&[(0x7f01_0001, 0xfffd)]);
        assert_eq!(Part::stretches(&network, 2), [0..0x7fff, 0x7fff..0xfffe]);
        let whole = |targets: &Targets, parts| {
            let stretches = Part::stretches(targets, parts);
            assert_eq!(stretches.len(), 1);
            stretches.first().cloned()
        };
        assert_eq!(whole(&network, 1), Some(0..0xfffe));
        assert_eq!(whole(&network, 0), Some(0..0xfffe));
        // A single /24 stays whole.
        assert_eq!(whole(&targets(&[(0x0a00_0001, 253)]), 4), Some(0..254));
        assert_eq!(whole(&Targets::default(), 2), Some(0..0));
    }

    proptest! {
        #[test]
        fn stretches_are_all_targets_and_no_network_is_in_two(
            ranges in prop::collection::vec((0u32..9000, 0u32..700), 0..20),
            parts in 0u32..9,
        ) {
            let targets = targets(&ranges);
            let stretches = Part::stretches(&targets, parts);
            let mut next = 0;
            let mut networks = Vec::new();
            for stretch in &stretches {
                prop_assert_eq!(stretch.start, next);
                next = stretch.end;
                prop_assert!(stretches.len() == 1 || stretch.len() >= 2);
                let part = targets.stretch(stretch);
                prop_assert_eq!(part.len() as usize, stretch.len());
                for (at, index) in stretch.clone().enumerate() {
                    let at = u32::try_from(at).unwrap();
                    prop_assert_eq!(part.get(at), targets.get(index));
                    prop_assert_eq!(part.index_of(targets.get(index).unwrap()), Some(at));
                }
                let mut own: Vec<u32> = part.iter().map(|it| it.to_bits() >> 8).collect();
                own.dedup();
                networks.extend(own);
            }
            prop_assert_eq!(next, targets.len());
            let all = networks.len();
            networks.dedup();
            prop_assert_eq!(networks.len(), all);
            prop_assert!(stretches.len() <= parts.max(1) as usize);
        }
    }
}
