//! Takes what the machine reports, holds it back until names are known, and writes what is shown.

use std::collections::{HashSet, VecDeque};
use std::io::Write;
use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::time::Duration;

use super::Show;
use super::facts::Facts;
use crate::cli::text::Text;
use crate::error::{Error, Result};
use crate::net::drive::Watcher;
use crate::net::signals::Signals;
use crate::probe::trace::{Hop, Outcome, Report, Trace};

/// How often a wait for names looks at signals.
const GLANCE: Duration = Duration::from_millis(50);
/// When the paths are known, so many waits in a row without a name are enough: two seconds, in
/// which a name server that lives answers.
const GLANCES: u32 = 40;

/// The one who is told.
pub(super) struct Watch<'a> {
    show: Box<dyn Show>,
    facts: Facts,
    signals: Signals,
    out: &'a mut dyn Write,
    text: Text,
    /// Reports that wait for names, in order.
    waiting: VecDeque<Report>,
    reached: HashSet<Ipv4Addr>,
    local_drops: u64,
    exhausted: u64,
    failure: Option<Error>,
}

/// What is to be said at the end.
#[derive(Debug)]
pub(super) struct Told {
    /// Targets that answered.
    pub(super) reached: usize,
    /// Words for people.
    pub(super) notes: Vec<String>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        show: Box<dyn Show>,
        facts: Facts,
        signals: Signals,
        out: &'a mut dyn Write,
    ) -> Self {
        Self {
            show,
            facts,
            signals,
            out,
            text: Text::default(),
            waiting: VecDeque::new(),
            reached: HashSet::new(),
            local_drops: 0,
            exhausted: 0,
            failure: None,
        }
    }

    pub(super) fn start(&mut self) {
        self.show.start(&self.facts, &mut self.text);
    }

    /// Nothing more comes: waits for names, and shows the rest.
    ///
    /// # Errors
    /// The output could not be written.
    pub(super) fn finish(mut self) -> Result<Told> {
        self.release(Duration::ZERO);
        let mut left = GLANCES;
        while !self.waiting.is_empty() && left > 0 && self.signals.interrupted().is_none() {
            let _ = self.write();
            left = if self.release(GLANCE) {
                GLANCES
            } else {
                left - 1
            };
        }
        // What still has no name does without.
        while let Some(report) = self.waiting.pop_front() {
            self.show(&report);
        }
        self.show.finish(&self.facts, &mut self.text);
        let _ = self.write();
        if let Some(failure) = self.failure {
            return Err(failure);
        }
        let mut notes = Vec::new();
        let naming = self.facts.naming.as_ref();
        notes.extend(naming.and_then(super::naming::Naming::notice));
        if left == 0 {
            notes.push(
                "looking up names: no name server has answered for 2 s (what has no name yet is \
                 shown without)"
                    .to_owned(),
            );
        }
        if self.local_drops > 0 {
            notes.push(format!(
                "our own receive buffer had no room for {} messages: some of what is missing may \
                 have come (a lower --rate helps)",
                self.local_drops
            ));
        }
        if self.exhausted > 0 {
            notes.push("the budget of probes did not suffice: there may be more paths".to_owned());
        }
        Ok(Told {
            reached: self.reached.len(),
            notes,
        })
    }

    /// Shows the reports whose names are known; waits for a name at most so long. False when none
    /// came.
    fn release(&mut self, patience: Duration) -> bool {
        let naming = self.facts.naming.as_mut();
        let any = naming.is_some_and(|naming| naming.listen(patience));
        while let Some(report) = self.waiting.pop_front() {
            let naming = self.facts.naming.as_ref();
            if naming.is_some_and(|it| !addresses(&report).all(|address| it.is_settled(address))) {
                self.waiting.push_front(report);
                break;
            }
            self.show(&report);
        }
        any
    }

    fn show(&mut self, report: &Report) {
        match report {
            Report::Hop(hop) => self.show.hop(hop, &self.facts, &mut self.text),
            Report::Summary(summary) => {
                let target = summary.target.unwrap_or(Ipv4Addr::UNSPECIFIED);
                self.show
                    .summary(target, summary, &self.facts, &mut self.text);
            }
        }
    }

    fn write(&mut self) -> ControlFlow<()> {
        if self.text.len() == 0 {
            return ControlFlow::Continue(());
        }
        let bytes = self.text.as_bytes();
        let written = self.out.write_all(bytes).and_then(|()| self.out.flush());
        self.text.clear();
        if let Err(why) = written {
            let error = Error::write("writing the path", &why);
            self.failure.get_or_insert(error);
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// Those who answered in a report.
fn addresses(report: &Report) -> impl Iterator<Item = Ipv4Addr> {
    let queries = match report {
        Report::Hop(hop) => hop.queries.as_slice(),
        Report::Summary(_) => &[],
    };
    queries.iter().filter_map(|query| match &query.outcome {
        Outcome::Answered(answer) => Some(answer.address),
        Outcome::Lost | Outcome::Refused(_) => None,
    })
}

fn reaches(hop: &Hop) -> bool {
    hop.queries.iter().any(
        |query| matches!(&query.outcome, Outcome::Answered(answer) if answer.address == hop.target),
    )
}

impl Watcher<Trace> for Watch<'_> {
    fn report(&mut self, report: Report) -> ControlFlow<()> {
        match &report {
            Report::Hop(hop) if reaches(hop) => {
                self.reached.insert(hop.target);
            }
            Report::Hop(_) => {}
            Report::Summary(summary) => {
                self.reached
                    .extend(summary.target.filter(|_| summary.reached));
                // Each of several targets is told of the same drops.
                self.local_drops = self.local_drops.max(summary.local_drops);
                self.exhausted += u64::from(summary.exhausted);
            }
        }
        if let Some(naming) = &mut self.facts.naming {
            addresses(&report).for_each(|address| naming.ask(address));
        }
        self.waiting.push_back(report);
        self.release(Duration::ZERO);
        ControlFlow::Continue(())
    }

    fn look(&mut self, machine: &mut Trace, now: Duration) -> ControlFlow<()> {
        if self.failure.is_some() {
            return ControlFlow::Break(());
        }
        if self.signals.interrupted().is_some() {
            for report in machine.so_far(now) {
                self.report(report)?;
            }
            return ControlFlow::Break(());
        }
        if !self.waiting.is_empty() {
            self.release(Duration::ZERO);
        }
        ControlFlow::Continue(())
    }

    fn idle(&mut self) -> ControlFlow<()> {
        self.write()
    }
}
