//! The loop that drives a probe machine over an engine, in the time of a clock that never steps.
//!
//! It waits for whatever is first: something that came, the machine's deadline, or the watcher.
//! It knows neither what is probed nor what is shown.

use std::ops::ControlFlow;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::engine::{Engine, Progress};
use crate::error::Result;
use crate::probe::{Event, Machine, Outbox, Wait};

/// How often a watcher that cannot wake the loop is asked whether it has something.
const GLANCE: Duration = Duration::from_millis(100);
/// How long a full queue is left alone that may not tell when it has room again.
const CONGESTION: Duration = Duration::from_millis(1);
/// How long probes wait for room; then they are refused, so that a machine learns of it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The time of a run: since it began, on a clock that never steps.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// The run begins.
    #[must_use]
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// The time since then.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Whom a run is for: it takes the reports, and may end the run.
pub trait Watcher<M: Machine> {
    /// Takes a report. Break ends the run.
    fn report(&mut self, report: M::Report) -> ControlFlow<()>;

    /// Asked at every turn, and must be quick: the place to look at signals, and to ask the
    /// machine for something. Break ends the run.
    fn look(&mut self, _machine: &mut M, _now: Duration) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Called before the loop waits: the place to write out what was reported. Break ends the run.
    fn idle(&mut self) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// Becomes readable when [`look`](Self::look) should be called. Without it a wait lasts at
    /// most a tenth of a second.
    fn wake(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The machine was done.
    Done,
    /// The watcher ended it.
    Stopped,
}

/// Runs a machine to its end, or until its watcher ends it.
///
/// # Errors
/// When the kernel refuses to wait, which it does not for any packet's sake.
pub fn drive<M: Machine>(
    machine: &mut M,
    engine: &mut Engine,
    clock: &Clock,
    watcher: &mut impl Watcher<M>,
) -> Result<Ending> {
    let mut outbox = Outbox::default();
    // Probes on their way out, and how many are dealt with.
    let mut leaving: Outbox<M::Report> = Outbox::default();
    let mut gone = 0_usize;
    let mut blocked: Option<Duration> = None;
    // When something was last told, where that was right now.
    let mut told: Option<Duration> = None;
    loop {
        let now = told.take().unwrap_or_else(|| clock.now());
        if watcher.look(machine, now).is_break() {
            return Ok(Ending::Stopped);
        }
        // A machine whose probes wait for room is not asked for more.
        let mut deadline = None;
        if leaving.is_sent() {
            match machine.poll(now, &mut outbox) {
                Wait::Until(time) => deadline = Some(time),
                Wait::Done if outbox.is_sent() => {
                    let mut news = false;
                    engine.look_for_drops(clock, &mut |now, event| {
                        news = true;
                        machine.handle(now, event, &mut outbox);
                    });
                    if hand_on(&mut outbox, watcher).is_break() {
                        return Ok(Ending::Stopped);
                    }
                    if news {
                        continue;
                    }
                    let _ = watcher.idle();
                    return Ok(Ending::Done);
                }
                Wait::Done => deadline = Some(now),
            }
            if hand_on(&mut outbox, watcher).is_break() {
                return Ok(Ending::Stopped);
            }
            std::mem::swap(&mut outbox, &mut leaving);
            gone = 0;
        }

        let mut progress = Progress::Done;
        let sending = !leaving.is_sent();
        let before = gone;
        if sending {
            let impatient = blocked.is_some_and(|since| now.saturating_sub(since) > PATIENCE);
            progress = engine.send(&leaving, &mut gone, impatient, clock, &mut |now, event| {
                machine.handle(now, event, &mut outbox);
            });
            if progress == Progress::Done {
                leaving.clear_probes();
                blocked = None;
            } else if gone > before || blocked.is_none() {
                blocked = Some(now);
            }
        }

        let (mut limit, room) = match progress {
            // What was sent may have changed the deadline.
            Progress::Done if sending => (Duration::ZERO, None),
            Progress::Done => {
                let left = deadline.map(|time| time.saturating_sub(clock.now()));
                (left.unwrap_or_default(), None)
            }
            Progress::Full { place, tells: true } => (GLANCE, Some(place)),
            // A socket that has room and still does not get rid of anything would spin.
            Progress::Full { place, .. } => (CONGESTION, (gone > before).then_some(place)),
        };
        if !limit.is_zero() {
            if hand_on(&mut outbox, watcher).is_break() || watcher.idle().is_break() {
                return Ok(Ending::Stopped);
            }
            if watcher.wake().is_none() {
                limit = limit.min(GLANCE);
            }
        }
        let mut sink = |now, event: &Event<'_>| {
            told = Some(now);
            machine.handle(now, event, &mut outbox);
        };
        if engine.wait(limit, room, watcher.wake())? {
            engine.receive(clock, &mut sink);
        } else if !limit.is_zero() {
            engine.look_for_drops(clock, &mut sink);
        }
        if hand_on(&mut outbox, watcher).is_break() {
            return Ok(Ending::Stopped);
        }
    }
}

/// Hands the reports on, in order, until the watcher has enough.
fn hand_on<M: Machine>(
    outbox: &mut Outbox<M::Report>,
    watcher: &mut impl Watcher<M>,
) -> ControlFlow<()> {
    outbox
        .reports()
        .try_for_each(|report| watcher.report(report))
}
