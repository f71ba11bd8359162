//! When the next probe goes out. Every time is reckoned from the run's beginning, so that a poll
//! that comes late moves nothing after it. Knows counts and times, no targets.

use super::config::{Config, Pace};

/// A flood sends at least every so many nanoseconds.
const FLOOD: u64 = 10_000_000;
/// Who was stopped for longer than this does not send all that it missed.
const FORGIVEN: u64 = 1_000_000_000;
/// Probes that follow each other faster than this on average are swift.
const SWIFT: u64 = 50_000;
/// The longest time between two that the average takes in, and what it begins with.
const SLOW: u64 = 1_000_000;
/// What an adaptive pace waits for an answer while no round trip is known.
const UNKNOWN: u64 = 1_000_000_000;

/// What may happen now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// The target at this position of the order is next.
    Turn(u32),
    /// Not before this time, in nanoseconds of the run, or an answer.
    At(u64),
    /// Every target has had its count.
    Over,
}

/// Where in rounds, positions and slots the run stands. Times are nanoseconds of the run.
#[derive(Debug)]
pub(super) struct Schedule {
    pace: Pace,
    interval: u64,
    preload: u64,
    targets: u32,
    rounds: Option<u64>,
    /// Nanoseconds between any two packets; 0 is none.
    gap: f64,
    /// When slot 0 is.
    origin: u64,
    slots: u64,
    /// When round 0 is.
    start: Option<u64>,
    round: u64,
    position: u32,
    turns: u64,
    /// One more than the latest turn that was answered.
    acknowledged: u64,
    last: u64,
    /// The moving average of the time between packets.
    spacing: u64,
}

impl Schedule {
    pub(super) fn new(config: &Config) -> Self {
        let rate = config.rate.filter(|rate| rate.is_finite() && *rate > 0.0);
        Self {
            pace: config.pace,
            interval: super::nanoseconds(config.interval),
            preload: u64::from(config.preload.max(1)),
            targets: config.targets.len(),
            // With a deadline the count is one of answers.
            rounds: config.count.filter(|_| config.deadline.is_none()),
            gap: rate.map_or(0.0, |rate| 1e9 / rate),
            origin: 0,
            slots: 0,
            start: None,
            round: 0,
            position: 0,
            turns: 0,
            acknowledged: 0,
            last: 0,
            spacing: SLOW,
        }
    }

    /// Whether the overall rate lets a packet go: if not, when it will.
    pub(super) fn slot(&mut self, now: u64) -> Result<(), u64> {
        if !self.is_limited() {
            return Ok(());
        }
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a time in nanoseconds, exact below 2^53 of them"
        )]
        let offset = (self.slots as f64 * self.gap) as u64;
        let due = self.origin.saturating_add(offset);
        if due > now {
            return Err(due);
        }
        if now - due > FORGIVEN {
            self.rest(now);
        }
        Ok(())
    }

    fn is_limited(&self) -> bool {
        self.gap > 0.0
    }

    /// Nothing wants to be sent: slots that pass now do not come again.
    pub(super) fn rest(&mut self, now: u64) {
        if self.is_limited() && self.slot_is_past(now) {
            (self.origin, self.slots) = (now, 0);
        }
    }

    fn slot_is_past(&self, now: u64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "as above")]
        let (slots, since) = (self.slots as f64, now.saturating_sub(self.origin) as f64);
        slots * self.gap < since
    }

    /// A packet went out.
    pub(super) fn sent(&mut self, now: u64) {
        self.slots = self.slots.saturating_add(1);
        let since = now.saturating_sub(self.last).min(SLOW);
        self.spacing = self.spacing - self.spacing / 8 + since / 8;
        self.last = now;
    }

    /// Whether packets follow each other so fast that each microsecond spent on one counts.
    pub(super) fn is_swift(&self) -> bool {
        self.spacing < SWIFT
    }

    /// What the order of rounds says. `moving` is the average round trip, 0 when there is none.
    pub(super) fn next(&mut self, now: u64, moving: u64) -> Gate {
        let start = *self.start.get_or_insert(now);
        if self.targets == 0 || self.rounds.is_some_and(|rounds| self.round >= rounds) {
            return Gate::Over;
        }
        if self.position > 0 || self.turns == 0 {
            return Gate::Turn(self.position);
        }
        let due = match self.pace {
            Pace::Interval => self.interval_due(start),
            Pace::Flood if self.is_answered() => now,
            Pace::Flood => self.last.saturating_add(FLOOD),
            Pace::Adaptive if self.is_answered() => self.last.saturating_add(self.interval),
            Pace::Adaptive => {
                let patience = if moving == 0 {
                    UNKNOWN
                } else {
                    moving.saturating_mul(2)
                };
                self.last.saturating_add(patience.max(self.interval))
            }
        };
        if due > now {
            return Gate::At(due);
        }
        if self.pace == Pace::Interval
            && now - due > FORGIVEN.max(self.interval)
            && let Some(missed) = (now - due).checked_div(self.interval)
        {
            // Whole intervals are left out, so that the rest stays where it was.
            let skipped = missed.saturating_mul(self.interval);
            self.start = Some(start.saturating_add(skipped));
        }
        Gate::Turn(self.position)
    }

    fn interval_due(&self, start: u64) -> u64 {
        let intervals = self.round.saturating_add(1).saturating_sub(self.preload);
        start.saturating_add(intervals.saturating_mul(self.interval))
    }

    /// So few are unanswered that the next round may go.
    fn is_answered(&self) -> bool {
        let ahead = u64::from(self.targets).saturating_mul(self.preload - 1);
        self.turns.saturating_sub(self.acknowledged) <= ahead
    }

    /// Takes the turn that [`next`](Self::next) named. Its number, and the rounds that were over
    /// when it began a new one.
    pub(super) fn take(&mut self) -> (u64, Option<u64>) {
        let turn = self.turns;
        let over = (self.position == 0 && self.round > 0).then_some(self.round);
        self.turns = self.turns.saturating_add(1);
        self.position = self.position.saturating_add(1);
        if self.position >= self.targets {
            self.position = 0;
            self.round = self.round.saturating_add(1);
        }
        (turn, over)
    }

    /// A turn was answered.
    pub(super) fn acknowledge(&mut self, turn: u64) {
        self.acknowledged = self.acknowledged.max(turn.saturating_add(1));
    }

    /// When the last packet went out.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// The rounds that are over, unless the next has begun.
    pub(super) fn round_over(&self) -> Option<u64> {
        (self.position == 0 && self.round > 0).then_some(self.round)
    }
}
