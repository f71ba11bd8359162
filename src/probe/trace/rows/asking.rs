//! Which question to a path goes when.
//!
//! A tool that asks row by row, with sixteen questions in flight, goes less far beyond the target
//! than one that asks all distances at once, but may put all its questions to each row there. No
//! more are put than such a tool puts, and one to each distance beyond the target: where all rows
//! before the target are silent, that is one to each distance, and so many others as sixteen are
//! more than the rows they are put to.
//!
//! What there is at once is divided so that the most common paths are known when their target is:
//! all questions to the first twelve rows. Where the others do not suffice for that, first
//! questions to the farthest distances are kept back for them, and go when a row before has
//! answered or is no longer waited for, as do others.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::ledger::{Ask, Ledger};
use super::super::row::{Row, Slot};
use super::super::{Config, Pace};
use super::Rows;

/// So many first questions are beyond the path or on their way, with those that are kept back:
/// hardly a path is longer.
const AHEAD: usize = 30;
/// So many rows are to be asked in full at once.
const IN_FULL: usize = 12;
/// So many first questions are kept back for that at most: a longer path has to wait for them.
const KEPT_BACK: usize = 13;
/// Questions that the tool which goes row by row has on their way.
const IN_FLIGHT: usize = 16;
/// Between slow questions: limits on answers are commonly one a second, by clocks other than
/// ours.
const SLOWLY: Duration = Duration::from_millis(1100);

/// Whether the pace is what takes time: what is asked in vain then holds up the rest.
fn is_slow(config: &Config) -> bool {
    (1..Pace::ONE.packets).contains(&config.pace.packets)
}

/// Whether silent ends are asked late: who waits less for an answer does not wait for a question.
pub(super) fn asks_late(config: &Config) -> bool {
    config.wait >= SLOWLY
}

impl Rows {
    /// Puts the questions that are worth it.
    pub(super) fn ask(
        &mut self,
        now: Duration,
        config: &Config,
        asks: &mut VecDeque<Ask>,
        wake: &mut Duration,
    ) {
        let end = self.end;
        let behind = self.behind_last();
        if end.is_none() {
            // A silent row holds the tool with sixteen up until it is given up.
            let on_the_way = self.rows.iter().take(behind);
            let passed = on_the_way.filter(|row| row.heard().next().is_some() || row.is_settled());
            let ahead = passed.count() + AHEAD - self.kept_back(config);
            let ahead = ahead.min(self.far);
            self.horizon = self.horizon.max(ahead);
            // Behind what was asked first, the path turned out to go on.
            let mut asked = self.rows.iter().take(self.horizon).skip(behind);
            if asked.all(|row| row.slots.first().is_some_and(Slot::is_settled)) {
                let farther = (behind + self.gap(config)).min(self.rows.len());
                self.horizon = self.horizon.max(farther);
            }
        }
        let silent = end.is_none() && self.is_tail_overdue(config);
        let limit = match end {
            Some(end) => end + 1,
            None if silent => behind + self.gap(config),
            None => behind,
        };
        let mut ahead = match end {
            None if !silent => self.ahead(behind, config),
            _ => 0,
        };
        let flow = self.flow;
        // In the first round all rows have their first question before one has its second.
        let rows = self.told..self.rows.len();
        let firsts = rows.clone().map(|at| (true, at));
        for (is_first_round, at) in firsts.chain(rows.map(|at| (false, at))) {
            let ttl = self.ttl(at);
            let is_first = at < self.horizon && end.is_none_or(|end| at <= end);
            let needed = if end == Some(at) {
                self.missing_at_end(at)
            } else {
                self.queries
            };
            let Some(row) = self.rows.get_mut(at) else {
                break;
            };
            let refused = matches!(row.slots.first(), Some(Slot::Refused(_)));
            for (query, slot) in row.slots.iter_mut().enumerate() {
                if is_first_round != (query == 0) {
                    continue;
                }
                match slot {
                    Slot::Open(None) => {
                        let known = at < limit && query < needed;
                        let guessed = at < self.horizon && ahead > 0;
                        let due = (query == 0 && is_first) || (!refused && (known || guessed));
                        if !due {
                            if refused && query > 0 {
                                *slot = Slot::Lost;
                            }
                            continue;
                        }
                        if query > 0 && at >= behind {
                            ahead = ahead.saturating_sub(1);
                        }
                    }
                    Slot::Open(Some(when)) if *when <= now => {}
                    Slot::Open(Some(when)) => {
                        *wake = (*wake).min(*when);
                        continue;
                    }
                    _ => continue,
                }
                *slot = Slot::Queued;
                row.late |= now.saturating_sub(row.began) >= SLOWLY;
                asks.push_back(Ask {
                    ttl,
                    query: u16::try_from(query).unwrap_or(u16::MAX),
                    flow,
                    size: None,
                });
            }
        }
    }

    /// Puts the first question to each row of a silent end once more, slowly: a target that answers
    /// no more than so many a second may have none left for us when the others come, if only by
    /// those before. As all go together, nearest first, the nearest that gets there is answered.
    pub(super) fn ask_late(
        &mut self,
        now: Duration,
        config: &Config,
        asks: &mut VecDeque<Ask>,
        wake: &mut Duration,
    ) {
        if self.end.is_some() || !asks_late(config) {
            return;
        }
        let behind = self.behind_last();
        for at in behind..behind + self.gap(config) {
            let (ttl, flow) = (self.ttl(at), self.flow);
            let Some(row) = self.rows.get_mut(at) else {
                break;
            };
            let mut slots = row.slots.iter();
            if !row.lacks_late() || slots.any(|slot| matches!(slot, Slot::Open(_) | Slot::Queued)) {
                continue;
            }
            let when = row.latest.saturating_add(SLOWLY);
            if when > now {
                *wake = (*wake).min(when);
                continue;
            }
            row.late = true;
            if let Some(slot) = row.slots.first_mut() {
                *slot = Slot::Queued;
            }
            asks.push_back(Ask {
                ttl,
                query: 0,
                flow,
                size: None,
            });
        }
    }

    /// How many other questions may be on their way to rows not known to lie on the path, beside
    /// a first one to each distance.
    fn others(&self) -> usize {
        IN_FLIGHT - IN_FLIGHT / self.queries.max(1)
    }

    /// How many first questions are kept back to make room for as many others.
    fn kept_back(&self, config: &Config) -> usize {
        if is_slow(config) {
            return KEPT_BACK;
        }
        let in_full = IN_FULL * self.queries.saturating_sub(1);
        in_full.saturating_sub(self.others()).min(KEPT_BACK)
    }

    /// How many questions may go to rows that are not known to lie on the path, beside the
    /// first ones.
    fn ahead(&self, behind: usize, config: &Config) -> usize {
        if is_slow(config) {
            return 0;
        }
        let open = |row: &Row, from: usize| {
            let slots = row.slots.iter().skip(from);
            slots.filter(|slot| !slot.is_settled()).count()
        };
        let on_the_way = self.rows.iter().take(behind).skip(self.told);
        let waiting: usize = on_the_way.map(|row| open(row, 0)).sum();
        let beyond = self.rows.iter().skip(behind.max(self.told));
        let guessed: usize = beyond
            .flat_map(|row| row.slots.iter().skip(1))
            .filter(|slot| !matches!(slot, Slot::Open(_)))
            .count();
        let kept_back = self.far.saturating_sub(self.horizon);
        let others = self.others() + kept_back.min(self.kept_back(config));
        others.saturating_sub(waiting + guessed)
    }

    /// Asks rows again, slowly, where that can tell a limit on answers from loss.
    pub(super) fn ask_again(&mut self) {
        let end = self.end;
        let found = end.is_some() && self.reach() == end;
        for at in self.told..self.behind_last() {
            let is_end = found && end == Some(at);
            let beyond = if is_end { self.beyond(at).0.count() } else { 0 };
            let queries = self.queries;
            let Some(row) = self.rows.get_mut(at) else {
                break;
            };
            let answered = row.heard().count();
            if !row.is_settled()
                || answered == 0
                || !row.again.is_empty()
                || row.undecided
                || (is_end && answered + beyond >= queries)
                || end.is_some_and(|end| at > end)
            {
                continue;
            }
            let mut lost: Vec<usize> = (0..)
                .zip(&row.slots)
                .filter(|(_, slot)| matches!(slot, Slot::Lost))
                .map(|(query, _)| query)
                .collect();
            // One lost in the middle of the way says nothing; at its end, it is a hole.
            if lost.len() < if is_end { 1 } else { 2 } {
                continue;
            }
            if is_end {
                lost.truncate(queries.saturating_sub(answered + beyond));
            }
            // From the last question or answer on, as it was the last that a limit counted.
            let seen = row.heard().map(|(_, heard)| heard.seen).max();
            let mut when = seen.map_or(row.latest, |seen| seen.max(row.latest));
            for &query in &lost {
                when = when.saturating_add(SLOWLY);
                if let Some(slot) = row.slots.get_mut(query) {
                    *slot = Slot::Open(Some(when));
                }
            }
            row.again = lost;
        }
    }

    /// Where nothing but slow questions is waited for, those are given up that may take longer
    /// than `until`. False where there are none.
    pub(super) fn stop_asking_again(
        &mut self,
        now: Duration,
        stop: usize,
        until: Duration,
        config: &Config,
        ledger: &Ledger,
    ) -> bool {
        let told = self.told;
        let others = self.rows.iter().take(stop).skip(told).any(|row| {
            let slots = row.slots.iter().enumerate();
            let mut open = slots.filter(|(_, slot)| !slot.is_settled());
            open.any(|(query, _)| !row.again.contains(&query))
        });
        if others {
            return false;
        }
        let mut any = false;
        for at in told..stop.min(self.rows.len()) {
            let (patience, _) = self.patience(at, config.wait);
            let Some(row) = self.rows.get_mut(at) else {
                break;
            };
            for (query, slot) in row.slots.iter_mut().enumerate() {
                let asked = match slot {
                    Slot::Open(Some(when)) => *when,
                    Slot::Asked(index) => ledger.get(*index).map_or(now, |sent| sent.at),
                    Slot::Queued | Slot::Open(None) => now,
                    Slot::Answered(..) | Slot::Lost | Slot::Refused(_) => continue,
                };
                if asked.saturating_add(patience) > until {
                    *slot = Slot::Lost;
                    row.again.retain(|&slow| slow != query);
                    row.undecided = row.again.is_empty();
                    any = true;
                }
            }
        }
        any
    }
}
