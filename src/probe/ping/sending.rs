//! The sending half: whose turn it is, whether it may, and what goes out.

use std::time::Duration;

use super::flight::{Flight, State};
use super::networks::Ask;
use super::report::Report;
use super::schedule::Gate;
use super::{BATCH, Kind, Pace, Patience, Ping, message, nanoseconds};
use crate::probe::{Outbox, Probe};

/// What comes after what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// More at this time of the run, in nanoseconds.
    At(u64),
    /// More when something that is waited for ends.
    Full,
    /// No more.
    Over,
}

impl Ping {
    /// Sends what is due, a batch at most.
    pub(super) fn send_due(&mut self, now: Duration, outbox: &mut Outbox<Report>) -> Next {
        let t = nanoseconds(now);
        // As many turns as probes: whom a full network makes wait costs a turn as well.
        for _ in 0..BATCH {
            if self.is_full() {
                return Next::Full;
            }
            if let Err(later) = self.schedule.slot(t) {
                return if self.has_more(t) {
                    Next::At(later)
                } else {
                    self.wait_for_more(t)
                };
            }
            let Some(ask) = self.whose_turn(t, outbox) else {
                self.schedule.rest(t);
                return self.wait_for_more(t);
            };
            let Some(address) = self.address(ask.target) else {
                continue;
            };
            if self.is_satisfied(ask.target) || !self.networks.enter(address, ask) {
                continue;
            }
            self.send(now, ask, outbox);
        }
        Next::At(t)
    }

    /// No probe may be added to those waited for. With patience for all until the end there is
    /// no such limit, because nothing would ever end.
    fn is_full(&self) -> bool {
        self.config.patience == Patience::Each
            && self.flights.waiting() >= self.config.in_flight.max(1) as usize
    }

    /// With a deadline, the count is one of answers.
    fn is_satisfied(&self, target: u32) -> bool {
        let tally = self.tallies.get(target as usize);
        self.config.deadline.is_some()
            && self
                .config
                .count
                .is_some_and(|count| tally.is_some_and(|tally| tally.answers() >= count))
    }

    /// The average round trip of late, which is what an adaptive pace goes by; 0 is none.
    fn moving(&self) -> u64 {
        match self.config.pace {
            Pace::Adaptive => self.tallies.first().map_or(0, super::Tally::moving),
            Pace::Interval | Pace::Flood => 0,
        }
    }

    fn has_more(&mut self, now: u64) -> bool {
        let moving = self.moving();
        self.networks.has_ready()
            || !self.again.is_empty()
            || (!self.networks.is_full()
                && matches!(self.schedule.next(now, moving), Gate::Turn(_)))
    }

    /// What to wait for when nobody can be asked now.
    fn wait_for_more(&mut self, now: u64) -> Next {
        let moving = self.moving();
        match self.schedule.next(now, moving) {
            Gate::At(time) => Next::At(time),
            Gate::Over if self.networks.is_empty() => Next::Over,
            Gate::Over | Gate::Turn(_) => Next::Full,
        }
    }

    fn whose_turn(&mut self, now: u64, outbox: &mut Outbox<Report>) -> Option<Ask> {
        if let Some(ask) = self.networks.ready() {
            return Some(ask);
        }
        if let Some(ask) = self.again.pop_front() {
            return Some(ask);
        }
        if self.networks.is_full() || self.tallies.is_empty() {
            return None;
        }
        let moving = self.moving();
        let Gate::Turn(position) = self.schedule.next(now, moving) else {
            return None;
        };
        let (turn, over) = self.schedule.take();
        if let Some(rounds) = over {
            outbox.report(Report::Round(rounds));
        }
        Some(Ask {
            target: self.order.map_or(position, |order| order.at(position)),
            attempt: 0,
            turn,
        })
    }

    /// How long the answer to such an attempt is waited for, in nanoseconds.
    pub(super) fn wait_for(&self, attempt: u32) -> u64 {
        let wait = nanoseconds(self.config.wait);
        if attempt == 0 {
            return wait;
        }
        let backoff = self.config.backoff;
        let backoff = if backoff.is_finite() {
            backoff.max(1.0)
        } else {
            1.0
        };
        let factor = backoff.powi(i32::try_from(attempt).unwrap_or(i32::MAX));
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a time that is not exact; the cast stops at the largest one"
        )]
        let longer = (wait as f64 * factor) as u64;
        longer
    }

    fn send(&mut self, now: Duration, ask: Ask, outbox: &mut Outbox<Report>) {
        let t = nanoseconds(now);
        let Some(tally) = self.tallies.get_mut(ask.target as usize) else {
            return;
        };
        let number = tally.send();
        let Some(which) = self.which(ask.target, number) else {
            return;
        };
        self.tell_unanswered(ask.target, number, outbox);
        // Whoever still has this sequence number could not be told from the new one.
        let taken = self.flights.occupant(ask.target, number);
        if let Some(old) = taken.filter(|old| old.state == State::Waiting) {
            let id = old.id();
            self.lose(id, false, outbox);
        }
        let asked = match self.config.kind {
            Kind::Timestamp { wall } => message::milliseconds(wall, now),
            _ => 0,
        };
        let stamped = self.config.send_stamps && !self.schedule.is_swift();
        let flight = Flight {
            number,
            turn: ask.turn,
            sent: t,
            stamp: None,
            target: ask.target,
            asked,
            attempt: ask.attempt,
            state: State::Waiting,
            stamped,
        };
        let each = self.config.patience == Patience::Each;
        let deadline = each.then(|| t.saturating_add(self.wait_for(ask.attempt)));
        self.flights.insert(flight, deadline);
        self.latest = self.latest.max(t);
        self.schedule.sent(t);
        let probe = Probe {
            id: flight.id(),
            destination: which.target,
            source: self.config.source,
            ttl: self.config.ttl,
            tos: self.config.tos,
            fragmentation: self.config.fragmentation,
            identification: None,
            protocol: message::protocol(&self.config.kind),
            stamped,
        };
        let config = &self.config;
        outbox.send(probe, &config.options, |out| {
            message::write(config, which, now, out);
        });
    }

    fn tell_unanswered(&self, target: u32, number: u64, outbox: &mut Outbox<Report>) {
        if !self.config.tell_unanswered || number < 2 {
            return;
        }
        let before = self.flights.get(target, number - 1);
        if before.is_some_and(|flight| flight.state == State::Waiting)
            && let Some(which) = self.which(target, number - 1)
        {
            outbox.report(Report::Unanswered(which));
        }
    }
}
