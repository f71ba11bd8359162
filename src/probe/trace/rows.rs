//! One path, asked hop by hop: which question to put next, how long to wait for it, and when a
//! hop's row is complete.
//!
//! Which questions go when is said in `asking`. What came from beyond the target counts as its
//! answers. Knows time and answers, not packets.

mod asking;

use self::asking::asks_late;
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::ledger::{Appearance, Ask, Ledger};
use super::row::{Heard, Place, Row, Slot};
use super::{Answer, Config, Hop, Outcome, Query};
use crate::probe::{Rtt, Stamp};

/// An answer is late after so many times what another of the same hop took ...
const HERE: u32 = 3;
/// ... or so many times what the next hop that answered took.
const NEAR: u32 = 10;
/// On short paths the machines themselves take longer than the way.
const LEAST_WAIT: Duration = Duration::from_millis(10);
/// Hops behind the last that answered may be somewhat slower than all before them.
const TAIL: Duration = Duration::from_millis(500);
/// Where nothing has answered at all, this long before the rest of the questions: twice that, and
/// starting a process, is 3 s.
const SILENCE: Duration = Duration::from_millis(1495);
/// A path whose end is silent has this long for slow questions: as long as it takes where nothing
/// answers.
const GIVEN_UP: Duration = Duration::from_secs(3);
/// An answer waits this long for the stamp of its probe's departure.
const STAMP: Duration = Duration::from_millis(1);

/// What a path wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// To be looked at again at this time, or after an answer.
    At(Duration),
    /// Nothing more.
    Finished,
}

/// The rows of one path.
#[derive(Debug)]
#[expect(clippy::struct_field_names, reason = "rows of rows")]
pub(super) struct Rows {
    first: u8,
    queries: usize,
    flow: u16,
    cycle: u32,
    target: Ipv4Addr,
    rows: Vec<Row>,
    /// When the path was looked at for the first time.
    began: Option<Duration>,
    /// How many rows have been told.
    told: usize,
    /// The last row of the path, once it is known.
    end: Option<usize>,
    /// How many rows have their first question put.
    horizon: usize,
    /// How many may have: all, or those up to where the target was found before.
    far: usize,
    /// How many rows there are up to where the target was found before.
    known: Option<usize>,
    slowest: Option<Duration>,
    /// Addresses that were told, and where.
    addresses: Vec<(Ipv4Addr, u8)>,
    appearance: Appearance,
    pub(super) nat_hops: Vec<u8>,
    pub(super) reached: bool,
    pub(super) looped: bool,
    /// The last hop that answered, or the target's distance.
    pub(super) hops: u8,
}

impl Rows {
    /// `far` is the distance the target was found at before.
    pub(super) fn new(
        config: &Config,
        target: Ipv4Addr,
        untouched: Appearance,
        cycle: u32,
        far: Option<u8>,
    ) -> Self {
        let first = config.first.max(1);
        let count = usize::from(config.max.max(first) - first) + 1;
        let queries = usize::from(config.queries.max(1));
        let row = Row::new(queries);
        let known = far.map(|far| usize::from(far.saturating_sub(first)) + 1);
        Self {
            first,
            queries,
            flow: config.flow,
            cycle,
            target,
            rows: vec![row; count],
            began: None,
            told: 0,
            end: None,
            horizon: 0,
            far: known.map_or(count, |known| known.min(count)),
            known,
            slowest: None,
            addresses: Vec::new(),
            appearance: untouched,
            nat_hops: Vec::new(),
            reached: false,
            looped: false,
            hops: 0,
        }
    }

    fn ttl(&self, row: usize) -> u8 {
        u8::try_from(row).map_or(u8::MAX, |row| self.first.saturating_add(row))
    }

    fn row_of(&self, ttl: u8) -> usize {
        usize::from(ttl.saturating_sub(self.first))
    }

    fn slot(&mut self, ask: &Ask) -> Option<&mut Slot> {
        let row = self.row_of(ask.ttl);
        self.rows
            .get_mut(row)?
            .slots
            .get_mut(usize::from(ask.query))
    }

    /// Whether a question still is worth its packet.
    pub(super) fn wants(&mut self, ask: &Ask) -> bool {
        let end = self.end;
        let beyond = end.is_some_and(|end| self.row_of(ask.ttl) > end);
        match self.slot(ask) {
            Some(slot @ Slot::Queued) if beyond => {
                *slot = Slot::Open(None);
                false
            }
            Some(Slot::Queued) => true,
            _ => false,
        }
    }

    /// A question was handed out as the probe with this index.
    pub(super) fn asked(&mut self, ask: &Ask, index: u64) {
        if let Some(slot) = self.slot(ask) {
            *slot = Slot::Asked(index);
        }
    }

    /// The kernel refused to send a question.
    pub(super) fn refused(&mut self, ask: &Ask, error: i32) {
        if let Some(slot @ Slot::Asked(_)) = self.slot(ask) {
            *slot = Slot::Refused(error);
        }
    }

    /// An answer to the probe with this index. False when it comes too late to be told.
    pub(super) fn heard(&mut self, ask: &Ask, index: u64, heard: Heard) -> bool {
        let late = self.row_of(ask.ttl) < self.told;
        let took = heard.rtt();
        match self.slot(ask) {
            Some(slot @ (Slot::Asked(_) | Slot::Lost | Slot::Open(_) | Slot::Queued)) if !late => {
                let in_time = matches!(slot, Slot::Asked(asked) if *asked == index);
                *slot = Slot::Answered(index, Box::new(heard));
                self.slowest = self.slowest.max(Some(took));
                let row = self.row_of(ask.ttl);
                if let Some(row) = self.rows.get_mut(row).filter(|_| !in_time) {
                    // The first question was answered after all: asking again told nothing.
                    row.again.retain(|&query| query != usize::from(ask.query));
                }
                self.end = self.find_end();
                true
            }
            _ => false,
        }
    }

    /// The stamp of a departure came: its answer's round trip may be known better.
    pub(super) fn retime(&mut self, ask: &Ask, index: u64, at: Duration, stamp: Stamp) {
        if let Some(Slot::Answered(answered, heard)) = self.slot(ask)
            && *answered == index
        {
            heard.answer.rtt = Rtt::between(at, Some(stamp), heard.seen, heard.stamp);
        }
    }

    /// The row of the nearest final answer.
    fn reach(&self) -> Option<usize> {
        self.rows.iter().position(|row| row.place().is_some())
    }

    /// The first row that is silent, as all behind it.
    fn behind_last(&self) -> usize {
        self.last().map_or(0, |last| last + 1)
    }

    /// The last row that has any answer.
    fn last(&self) -> Option<usize> {
        self.rows
            .iter()
            .rposition(|row| row.heard().next().is_some())
    }

    /// Where a path that goes in circles has gone round twice: an address stands there for the
    /// third time, each time with another one between.
    fn circle(&self) -> Option<usize> {
        let address = |at: usize| Some(self.rows.get(at)?.heard().next()?.1.answer.address);
        let comes = |at: usize| {
            address(at).is_some()
                && at
                    .checked_sub(1)
                    .is_none_or(|before| address(before) != address(at))
        };
        (0..self.rows.len()).find(|&at| {
            let same = |&other: &usize| address(other) == address(at) && comes(other);
            comes(at) && (0..at).filter(same).count() >= 2
        })
    }

    /// The last row of the path, as far as is known.
    fn find_end(&self) -> Option<usize> {
        match (self.reach(), self.circle()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// How long the row's questions may take, and whether neither it nor any behind it has
    /// answered.
    fn patience(&self, row: usize, wait: Duration) -> (Duration, bool) {
        // What went beyond the end went as far as the end.
        let row = self.end.map_or(row, |end| row.min(end));
        let rows = self.rows.get(row..).unwrap_or_default();
        let here = rows.first().and_then(Row::slowest).map(|rtt| rtt * HERE);
        let near = || {
            rows.iter()
                .skip(1)
                .find_map(Row::slowest)
                .map(|rtt| rtt * NEAR)
        };
        let known = here.or_else(near);
        let tail = || {
            self.slowest
                .map_or(SILENCE, |rtt| (rtt * HERE).saturating_add(TAIL))
        };
        let patience = known.unwrap_or_else(tail).max(LEAST_WAIT).min(wait);
        (patience, known.is_none())
    }

    /// Gives up what is overdue, asks what is next, tells what is complete.
    pub(super) fn advance(
        &mut self,
        now: Duration,
        config: &Config,
        ledger: &Ledger,
        asks: &mut VecDeque<Ask>,
        mut tell: impl FnMut(Hop),
    ) -> Next {
        let mut wake = Duration::MAX;
        let began = *self.began.get_or_insert(now);
        self.give_up(now, config, ledger, &mut wake);
        self.ask_again();
        self.ask(now, config, asks, &mut wake);
        self.ask_late(now, config, asks, &mut wake);
        loop {
            let end = self.end;
            let silent_end = end.is_none() && self.is_silent_end(config);
            let stop = match end {
                Some(end) => end + 1,
                None if silent_end => self.silent_stop(config),
                None => self.rows.len(),
            };
            if self.told >= stop {
                return Next::Finished;
            }
            let Some(row) = self.rows.get(self.told) else {
                return Next::Finished;
            };
            let settled = if Some(self.told) == end {
                self.is_end_settled(self.told)
            } else {
                row.is_settled() && (end.is_some() || self.last() > Some(self.told) || silent_end)
            };
            if !settled {
                let until = match (end, silent_end) {
                    _ if config.recheck => Duration::MAX,
                    (Some(_), _) => Duration::ZERO,
                    (None, true) => began.saturating_add(GIVEN_UP),
                    (None, false) => Duration::MAX,
                };
                if self.stop_asking_again(now, stop, until, config, ledger) {
                    continue;
                }
                return Next::At(wake);
            }
            if let Some(later) = self.awaits_stamp(now, config, ledger) {
                return Next::At(wake.min(later));
            }
            let hop = self.tell(end);
            tell(hop);
        }
    }

    /// What has become of the rows that are not complete, where nothing more is waited for: of
    /// each its answers and what was given up, as far as the path seems to go.
    pub(super) fn so_far(&mut self, config: &Config, mut tell: impl FnMut(Hop)) {
        let end = self.end;
        let stop = end.map_or_else(|| self.silent_stop(config), |end| end + 1);
        while self.told < stop {
            let Some(row) = self.rows.get_mut(self.told) else {
                return;
            };
            // What is asked late was given up before.
            let first = row.slots.first_mut().filter(|slot| !slot.is_settled());
            if let Some(slot) = first.filter(|_| row.late) {
                *slot = Slot::Lost;
            }
            row.slots.retain(Slot::is_settled);
            row.again.clear();
            if row.slots.is_empty() {
                return;
            }
            tell(self.tell(end));
        }
    }

    /// How many rows are told of a path whose end is silent: none beyond where the target was
    /// found before, unless the path has become longer.
    fn silent_stop(&self, config: &Config) -> usize {
        let behind = self.behind_last();
        let known = self.known.filter(|&known| known > behind);
        let stop = behind + self.gap(config);
        known.map_or(stop, |known| stop.min(known))
    }

    fn gap(&self, config: &Config) -> usize {
        usize::from(config.gap.max(1)).min(self.rows.len())
    }

    fn give_up(&mut self, now: Duration, config: &Config, ledger: &Ledger, wake: &mut Duration) {
        for at in self.told..self.rows.len() {
            let (patience, is_behind_all) = self.patience(at, config.wait);
            let Some(row) = self.rows.get_mut(at) else {
                break;
            };
            for (query, slot) in row.slots.iter_mut().enumerate() {
                let Slot::Asked(index) = slot else { continue };
                let sent = ledger.get(*index).map_or(Duration::ZERO, |sent| sent.at);
                row.latest = row.latest.max(sent);
                let due = if query == 0 {
                    row.began = row.began.min(sent);
                    sent.saturating_add(patience)
                } else if is_behind_all {
                    // As if it had been put when the first was given up.
                    let given_up = row.began.saturating_add(patience);
                    sent.max(given_up).saturating_add(patience)
                } else {
                    sent.saturating_add(patience)
                };
                if due <= now {
                    *slot = Slot::Lost;
                } else {
                    *wake = (*wake).min(due);
                }
            }
        }
    }

    /// The rows of the gap behind the last hop that answered.
    fn tail(&self, config: &Config) -> impl Iterator<Item = &Row> {
        let behind = self.rows.iter().skip(self.behind_last());
        behind.take(self.gap(config))
    }

    /// Whether the first questions behind the last hop that answered have all been in vain.
    fn is_tail_overdue(&self, config: &Config) -> bool {
        // Of a question that was put twice, the first time counts.
        self.tail(config)
            .all(|row| row.late || row.slots.first().is_none_or(Slot::is_settled))
    }

    /// Whether all questions in the gap have been in vain, a late one too.
    fn is_silent_end(&self, config: &Config) -> bool {
        let late = asks_late(config);
        self.tail(config)
            .all(|row| row.is_settled() && !(late && row.lacks_late()))
    }

    /// Answers from beyond the end, which count as the end's, and how many may yet come.
    fn beyond(&self, end: usize) -> (impl Iterator<Item = (u64, &Heard)>, usize) {
        let rows = self.rows.get(end + 1..).unwrap_or_default();
        let place = self.rows.get(end).and_then(Row::place);
        let heard = rows
            .iter()
            .flat_map(Row::heard)
            .filter(move |(_, heard)| Some(heard.place) == place);
        let slots = rows.iter().flat_map(|row| &row.slots);
        let open = match place {
            Some(_) => slots.filter(|slot| matches!(slot, Slot::Asked(_))).count(),
            None => 0,
        };
        (heard, open)
    }

    /// How many of the end's own questions are needed beside what came from beyond.
    fn missing_at_end(&self, end: usize) -> usize {
        let (heard, open) = self.beyond(end);
        self.queries.saturating_sub(heard.count() + open).max(1)
    }

    /// Whether all the answers to the last row are there, or given up.
    fn is_end_settled(&self, end: usize) -> bool {
        let Some(row) = self.rows.get(end) else {
            return true;
        };
        let (heard, open) = self.beyond(end);
        let answers = row.heard().count() + heard.count();
        let own = row
            .slots
            .iter()
            .any(|slot| matches!(slot, Slot::Asked(_) | Slot::Queued | Slot::Open(Some(_))));
        // Once its own questions have all been put, those beyond it have nothing to make up for.
        let asked = row.slots.iter().all(Slot::is_settled);
        answers >= self.queries || (!own && (open == 0 || asked))
    }

    /// Until when the row waits for stamps of departure that have not come.
    fn awaits_stamp(&self, now: Duration, config: &Config, ledger: &Ledger) -> Option<Duration> {
        if !config.sent_stamps {
            return None;
        }
        let row = self.rows.get(self.told)?;
        let missing = row.heard().filter(|(index, heard)| {
            heard.stamp.is_some() && ledger.get(*index).is_some_and(|sent| sent.stamp.is_none())
        });
        let until = missing.map(|(_, heard)| heard.seen.saturating_add(STAMP));
        until.max().filter(|&until| until > now)
    }

    /// The row that is next, as a report.
    fn tell(&mut self, end: Option<usize>) -> Hop {
        let at = self.told;
        self.told += 1;
        let ttl = self.ttl(at);
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut borrowed: Vec<Answer> = Vec::new();
        if Some(at) == end {
            let (heard, _) = self.beyond(at);
            borrowed = heard.map(|(_, heard)| heard.answer_at(ttl)).collect();
        }
        let mut borrowed = borrowed.into_iter();
        let Some(row) = self.rows.get_mut(at) else {
            return self.hop(ttl, outcomes);
        };
        let undecided = row.undecided;
        let limited = !row.again.is_empty()
            && row.again.iter().all(|&query| {
                row.slots
                    .get(query)
                    .is_some_and(|slot| slot.heard().is_some())
            });
        let mut seen: Vec<Heard> = Vec::new();
        for slot in std::mem::take(&mut row.slots) {
            outcomes.push(match slot {
                Slot::Answered(_, heard) => {
                    seen.push((*heard).clone());
                    Outcome::Answered(Box::new(heard.answer))
                }
                Slot::Refused(error) => Outcome::Refused(error),
                _ => match borrowed.next() {
                    Some(answer) => Outcome::Answered(Box::new(answer)),
                    None => Outcome::Lost,
                },
            });
        }
        // The rows stay, but only to be counted.
        row.slots = seen
            .iter()
            .map(|heard| Slot::Answered(0, Box::new(heard.clone())))
            .collect();
        let mut hop = self.hop(ttl, outcomes);
        hop.rate_limited = limited;
        hop.undecided = undecided;
        if let Some(appearance) = seen.iter().find_map(|heard| heard.appearance) {
            hop.nat = appearance.differs(&self.appearance);
            self.appearance = appearance;
        }
        if hop.nat {
            self.nat_hops.push(ttl);
        }
        for heard in &seen {
            let address = heard.answer.address;
            let before = self
                .addresses
                .iter()
                .rev()
                .find(|(known, _)| *known == address);
            hop.repeated |= before.is_some_and(|&(_, known)| ttl.saturating_sub(known) > 1);
            self.reached |= heard.place == Place::Target && Some(at) == end;
        }
        // A hop that repeats its neighbour's address is where the neighbour stood, for what
        // comes after: no circle.
        let addresses = seen.iter().map(|heard| (heard.answer.address, ttl));
        self.addresses.extend(addresses);
        if !seen.is_empty() {
            self.hops = ttl;
        }
        self.looped |= Some(at) == end && self.reach() != end;
        hop
    }

    fn hop(&self, ttl: u8, outcomes: Vec<Outcome>) -> Hop {
        let flow = self.flow;
        Hop {
            target: self.target,
            ttl,
            cycle: self.cycle,
            flow,
            queries: outcomes
                .into_iter()
                .map(|outcome| Query { flow, outcome })
                .collect(),
            repeated: false,
            rate_limited: false,
            undecided: false,
            nat: false,
            mtu: None,
        }
    }
}
