//! From a source of batches to one ordered stream of rendered pieces, on all cores.
//!
//! Whichever worker is free reads the next batch itself, so that its bytes are in the cache of
//! the core that renders them, and notes that the next turn is its own; it renders with no memory
//! of other frames. Whoever holds the [`Pieces`] collects in the order of the turns. Only reading
//! is done one at a time, nothing is put back in order, and the channels' capacity bounds memory.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::captures::Captures;
use super::render::{Piece, Renderer, Storage};
use super::selector::Selector;
use crate::capture::{self, Batch, FrameSource, Interface};
use crate::error::{Error, Result};
use crate::filter::Fragments;
use crate::wire::frame::Time;

/// How many pieces a worker may be ahead of whoever collects them.
const AHEAD: usize = 2;

/// What the reader deals out.
pub(super) struct Dealt {
    pub(super) batch: Batch,
    /// The capture's name, where several are read.
    pub(super) file: Option<Arc<str>>,
    /// Time of the first frame of all.
    pub(super) origin: Option<Time>,
    /// The frames a filter selects, where that takes the frames before them.
    pub(super) selected: Option<Vec<u32>>,
}

/// What a worker hands back: a piece, the last one of its batch being marked; or what went
/// wrong at this place of the input.
pub(super) enum Made {
    Piece(Piece),
    Failed(Error),
}

/// Rendered pieces, in the order of the input.
pub(super) struct Pieces {
    workers: Vec<Receiver<Made>>,
    recycle: Vec<SyncSender<Storage>>,
    /// Which worker has the batch that comes next.
    turns: Receiver<usize>,
    /// The worker whose batch is being collected.
    turn: Option<usize>,
    /// Bytes of the input consumed so far, over all captures.
    pub(super) consumed: Arc<AtomicU64>,
    /// The first capture's first interface, where that is known before any frame.
    pub(super) interface: Option<Interface>,
}

/// What came of asking for the next piece.
pub(super) enum Next {
    Made(Made),
    /// Nothing is ready yet.
    Waiting,
    /// All is done.
    End,
}

impl Pieces {
    /// Starts reading `captures` and rendering with `workers` copies of `renderer`.
    ///
    /// # Errors
    /// When the first capture is none; what happens to later ones comes as [`Made::Failed`] in
    /// its place.
    pub(super) fn start(captures: Captures, workers: usize, renderer: &Renderer) -> Result<Self> {
        let (dealt, turns) = channel();
        let mut pieces = Self {
            workers: Vec::new(),
            recycle: Vec::new(),
            turns,
            turn: None,
            consumed: Arc::default(),
            interface: None,
        };
        let mut dealer = Dealer {
            several: captures.len() > 1,
            captures,
            open: None,
            turns: dealt,
            origin: None,
            next_number: 1,
            consumed: Arc::clone(&pieces.consumed),
            selector: renderer.selector.clone().filter(|selector| selector.deep),
            fragments: Fragments::new(),
        };
        dealer.open_next().transpose()?;
        let interfaces = dealer.open.as_ref().map(|open| open.reader.interfaces());
        pieces.interface = interfaces.and_then(|interfaces| interfaces.first().cloned());
        let dealer = Arc::new(Mutex::new(dealer));
        for worker in 0..workers {
            let dealer = Arc::clone(&dealer);
            let (done, output) = sync_channel(AHEAD);
            let (recycle, used) = sync_channel(AHEAD + 1);
            let renderer = renderer.for_worker(worker);
            spawn(move || work_through(&dealer, worker, &done, &used, renderer))?;
            pieces.workers.push(output);
            pieces.recycle.push(recycle);
        }
        Ok(pieces)
    }

    /// The next piece if it is ready, waiting for it no longer than `patience`.
    pub(super) fn next(&mut self, patience: Duration) -> Next {
        let turn = match self.turn {
            Some(turn) => Ok(turn),
            None => self.turns.recv_timeout(patience),
        };
        let made = turn.and_then(|turn| {
            self.turn = Some(turn);
            let worker = self.workers.get(turn);
            worker.map_or(Err(RecvTimeoutError::Disconnected), |worker| {
                worker.recv_timeout(patience)
            })
        });
        match made {
            Ok(made) => {
                if matches!(&made, Made::Failed(_))
                    || matches!(&made, Made::Piece(piece) if piece.last)
                {
                    self.turn = None;
                }
                Next::Made(made)
            }
            Err(RecvTimeoutError::Timeout) => Next::Waiting,
            Err(RecvTimeoutError::Disconnected) => Next::End,
        }
    }

    /// Gives a piece's storage back to the worker that made it.
    pub(super) fn recycle(&self, piece: Piece) {
        if let Some(recycle) = self.recycle.get(piece.worker) {
            // A worker with storage to spare lets this one go.
            let _ = recycle.try_send(piece.into_storage());
        }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<()> {
    // Detached on purpose: a reader may be blocked in a read that never returns, and must not
    // keep the process from ending.
    thread::Builder::new()
        .spawn(work)
        .map(drop)
        .map_err(|error| {
            Error::usage("starting a thread", error).advice("try fewer workers with -j")
        })
}

/// Reads captures one after the other and deals their batches to whoever asks.
struct Dealer {
    /// Captures that are still to be read.
    captures: Captures,
    several: bool,
    open: Option<Open>,
    /// Where it is noted who was dealt what, in order.
    turns: Sender<usize>,
    origin: Option<Time>,
    next_number: u64,
    consumed: Arc<AtomicU64>,
    /// A filter whose fragments must be seen in order.
    selector: Option<Selector>,
    fragments: Fragments,
}

/// The capture being read.
struct Open {
    reader: capture::Reader,
    /// Its name, where several are read.
    name: Option<Arc<str>>,
    /// Bytes consumed of the captures before it.
    before: u64,
}

impl Dealer {
    /// Begins the next capture; `None` when there is none.
    fn open_next(&mut self) -> Option<Result<()>> {
        let (file, reader) = self.captures.next()?;
        Some(reader.map(|mut reader| {
            reader.set_first_number(self.next_number);
            self.open = Some(Open {
                reader,
                name: self.several.then(|| Arc::from(file.to_string_lossy())),
                before: self.consumed.load(Ordering::Relaxed),
            });
        }))
    }

    /// The next batch, for this worker; `None` when there is none, or nobody listens any more.
    fn deal(&mut self, worker: usize) -> Option<Result<Dealt>> {
        let dealt = self.next().transpose()?;
        self.turns.send(worker).ok()?;
        Some(dealt)
    }

    fn next(&mut self) -> Result<Option<Dealt>> {
        loop {
            let Some(open) = &mut self.open else {
                match self.open_next() {
                    Some(opened) => opened?,
                    None => return Ok(None),
                }
                continue;
            };
            let batch = open.reader.next_batch();
            let position = open.reader.position().load(Ordering::Relaxed);
            self.consumed
                .store(open.before + position, Ordering::Relaxed);
            let Some(batch) = batch? else {
                self.open = None;
                continue;
            };
            self.next_number = batch.first_number() + batch.len() as u64;
            if self.origin.is_none() {
                self.origin = batch.frames().find_map(|frame| frame.time);
            }
            return Ok(Some(Dealt {
                file: open.name.clone(),
                origin: self.origin,
                selected: self.select(&batch)?,
                batch,
            }));
        }
    }

    /// The places of the frames that the in-order filter selects, if there is one.
    fn select(&mut self, batch: &Batch) -> Result<Option<Vec<u32>>> {
        let Some(selector) = &mut self.selector else {
            return Ok(None);
        };
        let mut selected = Vec::new();
        for (index, frame) in (0..).zip(batch.frames()) {
            if selector.matches_in_order(&frame, &mut self.fragments)? {
                selected.push(index);
            }
        }
        Ok(Some(selected))
    }
}

/// One worker: renders what it is dealt until there is no more, or nobody listens.
fn work_through(
    dealer: &Mutex<Dealer>,
    worker: usize,
    done: &SyncSender<Made>,
    used: &Receiver<Storage>,
    mut renderer: Renderer,
) {
    // Unlocked again before the batch is rendered; a lock is poisoned when another worker died.
    let next = || dealer.lock().ok()?.deal(worker);
    while let Some(dealt) = next() {
        let listening = match dealt {
            Ok(dealt) => renderer.batch(&dealt, &mut || used.try_recv().ok(), &mut |made| {
                done.send(made).is_ok()
            }),
            Err(error) => done.send(Made::Failed(error)).is_ok(),
        };
        if !listening {
            return;
        }
    }
}
