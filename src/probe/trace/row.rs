//! The questions to one hop and what became of them. Knows nothing of its neighbours.

use std::time::Duration;

use super::Answer;
use super::ledger::Appearance;
use crate::probe::Stamp;

/// What an answer means for the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The path goes on behind who answered.
    OnTheWay,
    /// The path ends there, short of the target.
    Stopped,
    /// The target answered.
    Target,
}

/// An answer, and what it is worth.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) answer: Answer,
    /// The time to live that the probe left with.
    pub(super) ttl: u8,
    pub(super) place: Place,
    pub(super) appearance: Option<Appearance>,
    /// When.
    pub(super) seen: Duration,
    /// The kernel's stamp of it.
    pub(super) stamp: Option<Stamp>,
}

impl Heard {
    pub(super) fn rtt(&self) -> Duration {
        Duration::from_nanos(self.answer.rtt.nanoseconds)
    }

    /// The answer, as it would have been to a probe with just the time to live to get there.
    pub(super) fn answer_at(&self, ttl: u8) -> Answer {
        let more = self.ttl.saturating_sub(ttl);
        let quoted = self.answer.quoted_ttl.map(|ttl| ttl.saturating_sub(more));
        Answer {
            quoted_ttl: quoted.filter(|&ttl| ttl != 1),
            ..self.answer.clone()
        }
    }
}

/// A question.
#[derive(Debug, Clone)]
pub(super) enum Slot {
    /// Not put, or to be put again not before this.
    Open(Option<Duration>),
    /// Handed over to be sent when the pace allows.
    Queued,
    Asked(u64),
    Answered(u64, Box<Heard>),
    Lost,
    Refused(i32),
}

impl Slot {
    pub(super) fn is_settled(&self) -> bool {
        matches!(self, Self::Answered(..) | Self::Lost | Self::Refused(_))
    }

    pub(super) fn heard(&self) -> Option<(u64, &Heard)> {
        match self {
            Self::Answered(index, heard) => Some((*index, heard)),
            _ => None,
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) slots: Vec<Slot>,
    /// Slots that are asked again, slowly.
    pub(super) again: Vec<usize>,
    /// It should have been asked again, but there was no time.
    pub(super) undecided: bool,
    /// A question went so long after the first that a limit on answers may have let go.
    pub(super) late: bool,
    /// When the first question left.
    pub(super) began: Duration,
    /// When the last of those left that waited for an answer.
    pub(super) latest: Duration,
}

impl Row {
    pub(super) fn new(queries: usize) -> Self {
        Self {
            slots: vec![Slot::Open(None); queries],
            again: Vec::new(),
            undecided: false,
            late: false,
            began: Duration::MAX,
            latest: Duration::ZERO,
        }
    }

    pub(super) fn heard(&self) -> impl Iterator<Item = (u64, &Heard)> {
        self.slots.iter().filter_map(Slot::heard)
    }

    pub(super) fn is_settled(&self) -> bool {
        self.slots.iter().all(Slot::is_settled)
    }

    /// Whether what is silent now may yet answer a late question.
    pub(super) fn lacks_late(&self) -> bool {
        !self.late && matches!(self.slots.first(), Some(Slot::Lost))
    }

    pub(super) fn slowest(&self) -> Option<Duration> {
        self.heard().map(|(_, heard)| heard.rtt()).max()
    }

    pub(super) fn place(&self) -> Option<Place> {
        let mut places = self.heard().map(|(_, heard)| heard.place);
        places.find(|&place| place != Place::OnTheWay)
    }
}
