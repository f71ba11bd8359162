//! Several machines driven at once, each over an engine and on a thread of its own; what they
//! report comes to one watcher, on the thread that called.
//!
//! Reports travel in chunks whose memory goes back and forth, so that one costs no allocation, and
//! no lane gets far ahead of whoever takes them. It knows neither what is probed nor what is shown.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use super::drive::{Clock, Watcher, drive};
use super::engine::Engine;
use crate::error::{Error, Result};
use crate::probe::Machine;

/// So many reports travel together.
const CHUNK: usize = 128;
/// So many chunks of each lane are on their way or wait.
const CHUNKS: usize = 4;
/// How often the watcher is asked whether it has something.
const GLANCE: Duration = Duration::from_millis(100);

/// What the watcher wants of the lanes; the higher holds.
const RUN: u8 = 0;
const STOP: u8 = 1;
const LEAVE: u8 = 2;

/// A machine and the engine under it. Two lanes share no cache line, as each has its own core.
#[derive(Debug)]
#[repr(align(128))]
pub struct Lane<M> {
    /// The machine.
    pub machine: M,
    /// Its sockets.
    pub engine: Engine,
}

/// Whom all lanes are for: it takes their reports, and may end the run.
pub trait Gatherer<R> {
    /// Takes a report; those of one lane come in their order. Break ends the run.
    fn report(&mut self, report: R) -> ControlFlow<()>;

    /// Asked again and again, and must be quick: the place to look at signals. Break asks all
    /// machines to stop, each in its own way; their reports are taken until they have.
    fn look(&mut self, now: Duration) -> ControlFlow<()>;

    /// Called when all reports so far are taken: the place to write out. Break ends the run.
    fn idle(&mut self) -> ControlFlow<()>;
}

/// A lane's watcher: it gathers reports and passes them on.
struct Reporter<'a, M: Machine> {
    lane: usize,
    chunk: Vec<M::Report>,
    full: SyncSender<(usize, Vec<M::Report>)>,
    empty: Receiver<Vec<M::Report>>,
    wish: &'a AtomicU8,
    stop: fn(&mut M),
}

impl<M: Machine> Reporter<'_, M> {
    fn pass_on(&mut self) -> ControlFlow<()> {
        if self.chunk.is_empty() {
            return ControlFlow::Continue(());
        }
        let next = self.empty.try_recv();
        let next = next.unwrap_or_else(|_| Vec::with_capacity(CHUNK));
        let full = std::mem::replace(&mut self.chunk, next);
        match self.full.send((self.lane, full)) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    }
}

impl<M: Machine> Watcher<M> for Reporter<'_, M> {
    fn report(&mut self, report: M::Report) -> ControlFlow<()> {
        self.chunk.push(report);
        if self.chunk.len() < CHUNK {
            return ControlFlow::Continue(());
        }
        self.pass_on()
    }

    fn look(&mut self, machine: &mut M, _now: Duration) -> ControlFlow<()> {
        match self.wish.load(Ordering::Relaxed) {
            RUN => ControlFlow::Continue(()),
            STOP => {
                (self.stop)(machine);
                ControlFlow::Continue(())
            }
            _ => ControlFlow::Break(()),
        }
    }

    fn idle(&mut self) -> ControlFlow<()> {
        self.pass_on()
    }
}

/// Runs all machines to their ends, or until the watcher ends them. `stop` is how a machine is
/// asked to come to its end.
///
/// # Errors
/// The first thing that kept a lane from going on; then the others were stopped.
pub fn drive_all<M>(
    lanes: &mut [Lane<M>],
    stop: fn(&mut M),
    clock: &Clock,
    watcher: &mut impl Gatherer<M::Report>,
) -> Result<()>
where
    M: Machine + Send,
    M::Report: Send,
{
    let wish = AtomicU8::new(RUN);
    let (full, coming) = sync_channel(lanes.len().saturating_mul(CHUNKS));
    let mut backs = Vec::new();
    thread::scope(|scope| {
        let mut threads = Vec::new();
        let mut result = Ok(());
        for (number, lane) in lanes.iter_mut().enumerate() {
            let (back, empty) = sync_channel(CHUNKS);
            backs.push(back);
            let (full, wish) = (full.clone(), &wish);
            let drive_one = move || {
                let mut reporter = Reporter {
                    lane: number,
                    chunk: Vec::with_capacity(CHUNK),
                    full,
                    empty,
                    wish,
                    stop,
                };
                let Lane { machine, engine } = lane;
                let driven = drive(machine, engine, clock, &mut reporter);
                if driven.is_err() {
                    // Whoever reads the sums should not wait for the others' targets.
                    wish.fetch_max(STOP, Ordering::Relaxed);
                }
                // What was reported before a failure counts.
                let _ = reporter.pass_on();
                driven.map(|_| ())
            };
            match thread::Builder::new().spawn_scoped(scope, drive_one) {
                Ok(thread) => threads.push(thread),
                Err(why) => {
                    wish.fetch_max(STOP, Ordering::Relaxed);
                    result = Err(Error::usage("starting a thread", why));
                    break;
                }
            }
        }
        drop(full);
        gather(&coming, &backs, &wish, clock, watcher);
        for thread in threads {
            match thread.join() {
                Ok(driven) => result = result.and(driven),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        result
    })
}

/// Takes what comes until nobody reports any more.
fn gather<R>(
    coming: &Receiver<(usize, Vec<R>)>,
    backs: &[SyncSender<Vec<R>>],
    wish: &AtomicU8,
    clock: &Clock,
    watcher: &mut impl Gatherer<R>,
) {
    let mut has_enough = false;
    loop {
        if watcher.look(clock.now()).is_break() {
            wish.fetch_max(STOP, Ordering::Relaxed);
        }
        let next = match coming.try_recv() {
            Err(TryRecvError::Empty) => {
                has_enough |= watcher.idle().is_break();
                if has_enough {
                    wish.fetch_max(LEAVE, Ordering::Relaxed);
                }
                match coming.recv_timeout(GLANCE) {
                    Err(RecvTimeoutError::Timeout) => continue,
                    Err(RecvTimeoutError::Disconnected) => return,
                    Ok(next) => next,
                }
            }
            Err(TryRecvError::Disconnected) => return,
            Ok(next) => next,
        };
        let (lane, mut chunk) = next;
        for report in chunk.drain(..) {
            // What comes after the end is taken so that no lane waits, and left.
            if !has_enough && watcher.report(report).is_break() {
                has_enough = true;
                wish.fetch_max(LEAVE, Ordering::Relaxed);
            }
        }
        if let Some(back) = backs.get(lane) {
            // A lane that is over needs none back.
            let _ = back.try_send(chunk);
        }
    }
}
