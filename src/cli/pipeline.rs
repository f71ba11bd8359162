//! From a source of batches to one ordered stream of pieces made of them, on all cores.
//!
//! Whichever worker is free reads the next batch itself, so that its bytes are in the cache of
//! the core that works on them, and notes that the next turn is its own; it works with no memory
//! of other frames. Whoever holds the [`Pieces`] collects in the order of the turns. Only reading
//! is done one at a time, nothing is put back in order, and the channels' capacity bounds memory.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use super::render::{Piece, Renderer};
use super::selector::{Order, Selector};
use crate::capture::{Batch, FrameSource};
use crate::error::{Error, Result};
use crate::filter::Fragments;
use crate::wire::frame::{Frame, Time};
use crate::wire::packet::{Judge, Packet, dissect};

/// How many pieces a worker may be ahead of whoever collects them.
const AHEAD: usize = 2;

/// Where batches come from, whatever it is.
pub(super) trait Source: FrameSource + Send {
    /// The name of the capture that the last batch came from, where there are several.
    fn name(&self) -> Option<Arc<str>> {
        None
    }
}

/// What workers do with a batch; each has its own.
pub(super) trait Work: Sized + Send + 'static {
    /// What becomes of a batch.
    type Piece: Part;

    /// The same, for the worker of this number.
    fn for_worker(&self, worker: usize) -> Self;

    /// The filter that frames have to pass.
    fn selector(&self) -> Option<&Selector>;

    /// Frames with fragments are wanted too where the filter needs the frames before them.
    fn wants_fragments(&self) -> bool {
        false
    }

    /// Makes pieces of a batch and sends them; false when nobody takes them any more.
    fn batch(
        &mut self,
        dealt: &Dealt,
        storage: &mut dyn FnMut() -> Option<Storage<Self>>,
        send: &mut dyn FnMut(Made<Self::Piece>) -> bool,
    ) -> bool;
}

/// What is made of a batch, or of a part of it.
pub(super) trait Part: Send {
    /// What it leaves behind for the next one.
    type Storage: Send;

    /// The batch ends here.
    fn is_last(&self) -> bool;

    /// The number of the worker that made it.
    fn worker(&self) -> usize;

    fn into_storage(self) -> Self::Storage;
}

type Storage<W> = <<W as Work>::Piece as Part>::Storage;

/// What the reader deals out.
pub(super) struct Dealt {
    pub(super) batch: Batch,
    /// The capture's name, where several are read.
    pub(super) file: Option<Arc<str>>,
    /// Time of the first frame of all.
    pub(super) origin: Option<Time>,
    /// The frames a filter selects, where that takes the frames before them.
    pub(super) selected: Option<Vec<u32>>,
    /// Those of them that it refuses, and that only carry a fragment.
    pub(super) fragments: Vec<u32>,
    /// The number of the first of the selected frames, where those are numbered that are selected.
    pub(super) numbered: Option<u64>,
}

impl Dealt {
    /// Whether the filter lets the frame of this place through; one that needs the frames before
    /// it has been asked by the reader.
    ///
    /// # Errors
    /// A word of the filter means nothing on this link type.
    #[inline]
    pub(super) fn selects(
        &self,
        selector: Option<&mut Selector>,
        frame: &Frame<'_>,
        index: u32,
    ) -> Result<bool> {
        match (&self.selected, selector) {
            (Some(selected), _) => Ok(selected.binary_search(&index).is_ok()),
            (None, Some(selector)) => selector.matches(frame),
            (None, None) => Ok(true),
        }
    }
}

/// What a worker hands back: a piece, the last one of its batch being marked; or what went
/// wrong at this place of the input.
pub(super) enum Made<P = Piece> {
    Piece(P),
    Failed(Error),
}

/// Pieces, in the order of the input.
pub(super) struct Pieces<W: Work = Renderer> {
    workers: Vec<Receiver<Made<W::Piece>>>,
    recycle: Vec<SyncSender<Storage<W>>>,
    /// Which worker has the batch that comes next.
    turns: Receiver<usize>,
    /// The worker whose batch is being collected.
    turn: Option<usize>,
}

/// What came of asking for the next piece.
pub(super) enum Next<P = Piece> {
    Made(Made<P>),
    /// Nothing is ready yet.
    Waiting,
    /// All is done.
    End,
}

impl<W: Work> Pieces<W> {
    /// Starts reading `source` and working with `workers` copies of `work`.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(super) fn start(source: impl Source + 'static, workers: usize, work: &W) -> Result<Self> {
        let (dealt, turns) = channel();
        let mut pieces = Self {
            workers: Vec::new(),
            recycle: Vec::new(),
            turns,
            turn: None,
        };
        let dealer = Dealer {
            source: Box::new(source),
            turns: dealt,
            origin: None,
            selector: work
                .selector()
                .cloned()
                .filter(|selector| selector.order != Order::Any),
            selected: 0,
            fragments: Fragments::new(),
            wants_fragments: work.wants_fragments(),
            packet: Packet::new(),
        };
        let dealer = Arc::new(Mutex::new(dealer));
        for worker in 0..workers {
            let dealer = Arc::clone(&dealer);
            let (done, output) = sync_channel(AHEAD);
            let (recycle, used) = sync_channel(AHEAD + 1);
            let work = work.for_worker(worker);
            spawn(move || work_through(&dealer, worker, &done, &used, work))?;
            pieces.workers.push(output);
            pieces.recycle.push(recycle);
        }
        Ok(pieces)
    }

    /// The next piece if it is ready, waiting for it no longer than `patience`.
    pub(super) fn next(&mut self, patience: Duration) -> Next<W::Piece> {
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
                    || matches!(&made, Made::Piece(piece) if piece.is_last())
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
    pub(super) fn recycle(&self, piece: W::Piece) {
        if let Some(recycle) = self.recycle.get(piece.worker()) {
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

/// Reads batches and deals them to whoever asks.
struct Dealer {
    source: Box<dyn Source>,
    /// Where it is noted who was dealt what, in order.
    turns: Sender<usize>,
    origin: Option<Time>,
    /// A filter that must see frames in order.
    selector: Option<Selector>,
    /// How many frames it has selected.
    selected: u64,
    fragments: Fragments,
    /// Frames with fragments are selected, whatever the filter says.
    wants_fragments: bool,
    packet: Packet,
}

impl Dealer {
    /// The next batch, for this worker; `None` when there is none, or nobody listens any more.
    fn deal(&mut self, worker: usize) -> Option<Result<Dealt>> {
        let dealt = self.next().transpose()?;
        self.turns.send(worker).ok()?;
        Some(dealt)
    }

    fn next(&mut self) -> Result<Option<Dealt>> {
        loop {
            let Some(batch) = self.source.next_batch()? else {
                return Ok(None);
            };
            // A live source has nothing to say at times.
            if batch.is_empty() && batch.notices().is_empty() {
                continue;
            }
            if self.origin.is_none() {
                self.origin = batch.frames().find_map(|frame| frame.time);
            }
            let first = self.selected.saturating_add(1);
            let renumbers = |selector: &Selector| selector.order == Order::Renumbered;
            let mut fragments = Vec::new();
            let selected = self.select(&batch, &mut fragments)?;
            return Ok(Some(Dealt {
                file: self.source.name(),
                origin: self.origin,
                numbered: self
                    .selector
                    .as_ref()
                    .is_some_and(renumbers)
                    .then_some(first),
                selected,
                fragments,
                batch,
            }));
        }
    }

    /// The places of the frames that the in-order filter selects, if there is one; among them those
    /// of `fragments`, which are only wanted for what they carry.
    fn select(&mut self, batch: &Batch, fragments: &mut Vec<u32>) -> Result<Option<Vec<u32>>> {
        let Some(selector) = &mut self.selector else {
            return Ok(None);
        };
        let mut selected = Vec::new();
        for (index, frame) in (0..).zip(batch.frames()) {
            if selector.matches_in_order(&frame, &mut self.fragments)? {
                selected.push(index);
            } else if self.wants_fragments {
                dissect(&frame, Judge::NOTHING, &mut self.packet);
                if self.packet.fragment().is_some() {
                    selected.push(index);
                    fragments.push(index);
                }
            }
        }
        self.selected = self.selected.saturating_add(selected.len() as u64);
        Ok(Some(selected))
    }
}

/// One worker: works on what it is dealt until there is no more, or nobody listens.
fn work_through<W: Work>(
    dealer: &Mutex<Dealer>,
    worker: usize,
    done: &SyncSender<Made<W::Piece>>,
    used: &Receiver<Storage<W>>,
    mut work: W,
) {
    // Unlocked again before the batch is worked on; a lock is poisoned when another worker died.
    let next = || dealer.lock().ok()?.deal(worker);
    while let Some(dealt) = next() {
        let listening = match dealt {
            Ok(dealt) => work.batch(&dealt, &mut || used.try_recv().ok(), &mut |made| {
                done.send(made).is_ok()
            }),
            Err(error) => done.send(Made::Failed(error)).is_ok(),
        };
        if !listening {
            return;
        }
    }
}
