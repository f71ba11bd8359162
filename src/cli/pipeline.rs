//! From a source of batches to one ordered stream of rendered pieces, on all cores.
//!
//! A reader thread deals batches to the workers in turn; each worker renders with no memory of
//! other frames; whoever holds the [`Pieces`] collects in the same turn. Dealing and collecting in
//! turn is all the order there is, so no lock and no reordering is needed, and the channels'
//! capacity of one bounds memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use super::render::{Piece, Renderer, Storage};
use super::selector::Selector;
use crate::capture::{self, Batch, FrameSource};
use crate::error::{Error, Result};
use crate::filter::Fragments;
use crate::wire::frame::Time;

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
    turn: usize,
    /// Bytes of the input consumed so far, over all captures.
    pub(super) consumed: Arc<AtomicU64>,
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
    /// Starts reading `files` and rendering with `workers` copies of `renderer`.
    ///
    /// # Errors
    /// When the first capture cannot be opened or is none; what happens to later ones comes as
    /// [`Made::Failed`] in its place.
    pub(super) fn start(files: Vec<PathBuf>, workers: usize, renderer: &Renderer) -> Result<Self> {
        let consumed = Arc::new(AtomicU64::new(0));
        let mut inputs = Vec::new();
        let mut pieces = Self {
            workers: Vec::new(),
            recycle: Vec::new(),
            turn: 0,
            consumed: Arc::clone(&consumed),
        };
        let mut files = files.into_iter();
        let Some(first) = files.next() else {
            return Ok(pieces);
        };
        let several = files.len() > 0;
        let reader = capture::open(&first)?;
        let selector = renderer.selector.clone().filter(|selector| selector.deep);
        for worker in 0..workers {
            let (input, work) = sync_channel::<Result<Dealt>>(1);
            let (done, output) = sync_channel(1);
            let (recycle, used) = sync_channel(2);
            let renderer = renderer.for_worker(worker);
            spawn(move || work_through(&work, &done, &used, renderer))?;
            inputs.push(input);
            pieces.workers.push(output);
            pieces.recycle.push(recycle);
        }
        spawn(move || {
            let mut dealer = Dealer {
                inputs,
                turn: 0,
                origin: None,
                next_number: 1,
                several,
                consumed,
                selector,
                fragments: Fragments::new(),
            };
            let _ = dealer.capture(reader, &first)
                && files.all(|file| match capture::open(&file) {
                    Ok(reader) => dealer.capture(reader, &file),
                    Err(error) => dealer.deal(Err(error)),
                });
        })?;
        Ok(pieces)
    }

    /// The next piece if it is ready, waiting for it no longer than `patience`.
    pub(super) fn next(&mut self, patience: Duration) -> Next {
        let Some(worker) = self.workers.get(self.turn) else {
            return Next::End;
        };
        let made = if patience.is_zero() {
            worker
                .try_recv()
                .map_err(|error| error == TryRecvError::Empty)
        } else {
            worker
                .recv_timeout(patience)
                .map_err(|error| error == RecvTimeoutError::Timeout)
        };
        match made {
            Ok(made) => {
                if matches!(&made, Made::Failed(_))
                    || matches!(&made, Made::Piece(piece) if piece.last)
                {
                    self.turn = (self.turn + 1) % self.workers.len();
                }
                Next::Made(made)
            }
            Err(true) => Next::Waiting,
            Err(false) => Next::End,
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

/// Reads captures one after the other and deals their batches in turn.
struct Dealer {
    inputs: Vec<SyncSender<Result<Dealt>>>,
    turn: usize,
    origin: Option<Time>,
    next_number: u64,
    several: bool,
    consumed: Arc<AtomicU64>,
    /// A filter whose fragments must be seen in order.
    selector: Option<Selector>,
    fragments: Fragments,
}

impl Dealer {
    /// Deals a whole capture; false when nobody listens any more.
    fn capture(&mut self, mut reader: capture::Reader, path: &std::path::Path) -> bool {
        let file = self.several.then(|| Arc::from(path.to_string_lossy()));
        let position = reader.position();
        let before = self.consumed.load(Ordering::Relaxed);
        reader.set_first_number(self.next_number);
        loop {
            let batch = reader.next_batch();
            self.consumed
                .store(before + position.load(Ordering::Relaxed), Ordering::Relaxed);
            let dealt = match batch {
                Ok(Some(batch)) => {
                    self.next_number = batch.first_number() + batch.len() as u64;
                    if self.origin.is_none() {
                        self.origin = batch.frames().find_map(|frame| frame.time);
                    }
                    self.select(&batch).map(|selected| Dealt {
                        batch,
                        file: file.clone(),
                        origin: self.origin,
                        selected,
                    })
                }
                Ok(None) => return true,
                Err(error) => Err(error),
            };
            if !self.deal(dealt) {
                return false;
            }
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

    fn deal(&mut self, dealt: Result<Dealt>) -> bool {
        let Some(input) = self.inputs.get(self.turn) else {
            return false;
        };
        let listening = input.send(dealt).is_ok();
        self.turn = (self.turn + 1) % self.inputs.len();
        listening
    }
}

/// One worker: renders what it is dealt until there is no more, or nobody listens.
fn work_through(
    work: &Receiver<Result<Dealt>>,
    done: &SyncSender<Made>,
    used: &Receiver<Storage>,
    mut renderer: Renderer,
) {
    while let Ok(dealt) = work.recv() {
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
