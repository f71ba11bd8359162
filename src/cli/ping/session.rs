//! A run as it goes: reports become output, signals an end or a status line, and the sums a
//! verdict.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::Duration;

use super::output::{Output, Replaced};
use super::prometheus;
use super::show::{Shared, Show};
use super::spread::Latest;
use crate::cli::text::Text;
use crate::error::{Error, Result, counted};
use crate::net::drive::Watcher;
use crate::net::signals::Signals;
use crate::probe::ping::{Ping, Report, Summary, Sums};

/// How often a person sees how far a sweep is.
const PROGRESS: Duration = Duration::from_millis(200);

/// Whom the run is for.
pub(super) struct Session<'a, 'b, 'c> {
    pub(super) show: Box<dyn Show>,
    pub(super) shared: Shared,
    pub(super) output: Output<'a, 'b>,
    pub(super) signals: &'c mut Signals,
    /// What is replaced after each round.
    pub(super) replaced: Option<Replaced>,
    /// A line of the latest round trips, on a terminal.
    pub(super) latest: Option<Latest>,
    /// How far a sweep is.
    pub(super) progress: Option<Progress>,
    /// Names are shown at the end, and waited for.
    pub(super) settles: bool,
    /// Tell more.
    pub(super) verbose: bool,
    pub(super) verdict: Verdict,
    round: bool,
    error: Option<Error>,
}

/// What the sums say.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Verdict {
    /// Targets that answered, and that did not.
    pub(super) alive: u32,
    pub(super) silent: u32,
    /// The fewest answers of a target.
    pub(super) least: Option<u64>,
    /// Messages that did not fit our receive buffer.
    pub(super) local_drops: u64,
}

impl Verdict {
    fn take(&mut self, summary: &Summary) {
        let answered = summary.answered();
        if answered > 0 {
            self.alive += 1;
        } else {
            self.silent += 1;
        }
        self.least = Some(self.least.map_or(answered, |least| least.min(answered)));
    }
}

/// A sweep's progress, on standard error.
#[derive(Debug)]
pub(super) struct Progress {
    /// When it is drawn again, where a person would see it.
    next: Option<Duration>,
    targets: u64,
    answers: u64,
    ended: u64,
    drawn: bool,
}

impl Progress {
    /// Drawn on the way if it `may` be and there is a terminal, and told to who asks.
    pub(super) fn new(targets: u32, may: bool) -> Self {
        Self {
            next: (may && std::io::stderr().is_terminal()).then_some(PROGRESS),
            targets: u64::from(targets),
            answers: 0,
            ended: 0,
            drawn: false,
        }
    }

    fn draw(&mut self, now: Duration, err: &mut Text) {
        if self.next.is_none_or(|next| now < next) {
            return;
        }
        self.next = Some(now + PROGRESS);
        self.drawn = true;
        err.str("\r\x1b[K");
        self.say(now, err);
    }

    /// A line of its own.
    fn tell(&mut self, now: Duration, err: &mut Text) {
        self.clear(err);
        self.say(now, err);
        err.push(b'\n');
    }

    fn say(&self, now: Duration, err: &mut Text) {
        let done = self.answers.saturating_add(self.ended);
        err.display(&format_args!(
            "{} done to {}, {} answered, {:.1} s",
            counted(done, "probe"),
            counted(self.targets, "target"),
            self.answers,
            now.as_secs_f64()
        ));
    }

    fn clear(&mut self, err: &mut Text) {
        if std::mem::take(&mut self.drawn) {
            err.str("\r\x1b[K");
        }
    }
}

impl<'a, 'b, 'c> Session<'a, 'b, 'c> {
    pub(super) fn new(
        show: Box<dyn Show>,
        shared: Shared,
        output: Output<'a, 'b>,
        signals: &'c mut Signals,
    ) -> Self {
        Self {
            show,
            shared,
            output,
            signals,
            replaced: None,
            latest: None,
            progress: None,
            settles: false,
            verbose: false,
            verdict: Verdict::default(),
            round: false,
            error: None,
        }
    }

    /// Keeps the first error, and ends the run for it.
    fn heed(&mut self, result: Result<()>) -> ControlFlow<()> {
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.error.get_or_insert(error);
                ControlFlow::Break(())
            }
        }
    }

    /// Tells what is left to tell.
    ///
    /// # Errors
    /// What ended the run, or keeps the rest from being written.
    pub(super) fn end(&mut self, sums: &dyn Sums) -> Result<()> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.replaced.is_some() {
            self.replace(sums)?;
        } else {
            self.show.end(sums, &self.shared, &mut self.output)?;
        }
        if let Some(progress) = &mut self.progress {
            progress.clear(&mut self.output.err);
        }
        let strays = sums.strays();
        let others = [
            (strays.foreign, "answers to others"),
            (strays.strange, "answers that count for nothing"),
            (strays.unproven, "errors about nothing of ours"),
        ];
        for (count, what) in others.into_iter().filter(|it| self.verbose && it.0 > 0) {
            let err = &mut self.output.err;
            err.display(&format_args!("dotquad: {count} {what}\n"));
        }
        if self.verdict.local_drops > 0 {
            self.output.err.display(&format_args!(
                "dotquad: {} messages did not fit our receive buffer: losses may be ours (a lower \
                 --rate leaves it time)\n",
                self.verdict.local_drops
            ));
        }
        self.output.flush()
    }

    fn replace(&self, sums: &dyn Sums) -> Result<()> {
        let Some(replaced) = &self.replaced else {
            return Ok(());
        };
        replaced.replace(|write| prometheus::write(sums, &self.shared, write))
    }

    /// True when the run ended for an error of its output.
    pub(super) fn has_failed(&self) -> bool {
        self.error.is_some()
    }

    /// Takes what became known.
    pub(super) fn take(&mut self, report: &Report) -> ControlFlow<()> {
        match report {
            Report::Summary(summary) => self.verdict.take(summary),
            Report::LocalDrops(count) => {
                self.verdict.local_drops = self.verdict.local_drops.saturating_add(*count);
            }
            Report::Round(_) => self.round = true,
            _ => {}
        }
        if matches!(report, Report::Summary(_))
            && std::mem::take(&mut self.settles)
            && let Some(names) = &self.shared.names
        {
            names.settle(|| self.signals.interrupted().is_some());
        }
        if let Some(progress) = &mut self.progress {
            match report {
                Report::Reply(reply) if !reply.duplicate => progress.answers += 1,
                Report::Lost { .. } | Report::Error(_) | Report::Unsent { .. } => {
                    progress.ended += 1;
                }
                Report::Summary(_) => progress.clear(&mut self.output.err),
                _ => {}
            }
            // Before a list that may go to the same terminal.
            if self.output.err.len() > 0 {
                let result = self.output.flush();
                if self.heed(result).is_break() {
                    return ControlFlow::Break(());
                }
            }
        }
        let (text, err) = (&mut self.output.text, &mut self.output.err);
        let before = text.len();
        if self.latest.is_some() {
            text.str("\r\x1b[K");
        }
        let start = text.len();
        self.show.report(report, &self.shared, text, err);
        if let Some(latest) = &mut self.latest {
            match report {
                Report::Reply(reply) => latest.take(reply.rtt.map(|rtt| rtt.nanoseconds)),
                Report::Lost { .. } | Report::Error(_) => latest.take(None),
                _ => {}
            }
            if text.len() == start {
                text.truncate(before);
            } else if !matches!(report, Report::Summary(_)) {
                latest.draw(text);
            }
        }
        let result = self.output.relieve();
        self.heed(result)
    }

    /// Says how far it is if somebody asked, and shows it where a person would see it. `one` are
    /// the sums of a single target.
    pub(super) fn keep_told(&mut self, now: Duration, one: impl FnOnce() -> Option<Summary>) {
        let err = &mut self.output.err;
        if self.signals.asked() {
            if let Some(progress) = &mut self.progress {
                progress.tell(now, err);
            } else if let Some(summary) = one() {
                if self.latest.is_some() {
                    self.output.text.str("\r\x1b[K");
                }
                self.show.status(&summary, err);
            }
        }
        if let Some(progress) = &mut self.progress {
            progress.draw(now, err);
        }
    }

    /// Writes what there is.
    pub(super) fn write(&mut self) -> ControlFlow<()> {
        let result = self.output.flush();
        self.heed(result)
    }
}

impl Watcher<Ping> for Session<'_, '_, '_> {
    fn report(&mut self, report: Report) -> ControlFlow<()> {
        self.take(&report)
    }

    fn look(&mut self, machine: &mut Ping, now: Duration) -> ControlFlow<()> {
        if self.signals.interrupted().is_some() {
            machine.stop();
        }
        self.keep_told(now, || machine.summary(0));
        if self.progress.is_none() {
            self.show
                .sent(machine.transmitted(0), &mut self.output.text);
        }
        if std::mem::take(&mut self.round) && self.replaced.is_some() {
            let result = self.replace(machine);
            return self.heed(result);
        }
        ControlFlow::Continue(())
    }

    fn idle(&mut self) -> ControlFlow<()> {
        self.write()
    }
}
