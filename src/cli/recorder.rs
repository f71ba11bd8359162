//! `-w`: frames go to their file from a thread of its own, so that a slow disk does not keep the
//! next packet from being taken.
//!
//! Batches are queued as the leases they are, without a copy: for a live source the ring is the
//! queue. Knows when to flush; what a capture looks like is capture/'s matter.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::accounts::{Accounts, Entries};
use crate::capture::rotation::Rotation;
use crate::capture::{Batch, Interface, Writer, Written};
use crate::error::{Error, Result};
use crate::net::clock::{self, Stopwatch};
use crate::wire::frame::Frame;

/// No frame waits longer for the disk.
const FLUSH: Duration = Duration::from_secs(1);

/// A capture being written, to one file or a row of them.
#[derive(Debug)]
pub(super) enum Capture {
    One(Box<Writer>),
    Row(Box<Rotation>),
}

impl Capture {
    fn write(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<()> {
        match self {
            Self::One(writer) => writer.write(frame, interface),
            Self::Row(rotation) => rotation.write(frame, interface),
        }
    }

    fn next_source(&mut self) {
        // A row is written by live sources only, which are one.
        if let Self::One(writer) = self {
            writer.next_source();
        }
    }

    fn flush(&mut self) -> Result<()> {
        match self {
            Self::One(writer) => writer.flush(),
            Self::Row(rotation) => {
                rotation.tick(clock::wall())?;
                rotation.flush()
            }
        }
    }

    fn written(&self) -> Written {
        match self {
            Self::One(writer) => writer.written(),
            Self::Row(rotation) => rotation.written(),
        }
    }

    fn finish(mut self, end: End, entries: &Entries) -> Result<Written> {
        let blocks = end.accounts.map(|accounts| accounts.blocks(entries));
        let blocks = blocks.unwrap_or_default();
        for (interface, index, statistics) in &blocks {
            match &mut self {
                Self::One(writer) => writer.statistics(interface, *index, statistics)?,
                Self::Row(rotation) => rotation.statistics(interface, *index, statistics)?,
            }
        }
        match self {
            Self::One(mut writer) => {
                if let Some(interface) = &end.interface {
                    let counted = blocks.first();
                    writer.declare(interface, counted.map_or(0, |(_, index, _)| *index))?;
                }
                writer.finish()
            }
            Self::Row(rotation) => rotation.finish(),
        }
    }
}

/// Frames of a batch to be written.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) batch: Batch,
    pub(super) frames: Chosen,
    /// They come from another source than those before.
    pub(super) next_source: bool,
}

/// Which frames of a batch.
#[derive(Debug)]
pub(super) enum Chosen {
    All(Range<usize>),
    Some(Vec<u32>),
}

/// What is said when there are no more frames.
#[derive(Debug, Default)]
pub(super) struct End {
    /// An interface to be declared: of a capture that has no frame.
    pub(super) interface: Option<Interface>,
    pub(super) accounts: Option<Accounts>,
}

#[derive(Debug)]
enum Task {
    Write(Parcel),
    Finish(End),
}

/// The thread that writes.
#[derive(Debug)]
pub(super) struct Recorder {
    tasks: SyncSender<Task>,
    thread: Option<JoinHandle<Result<Written>>>,
    /// Frames that are whole in the output.
    whole: Arc<AtomicU64>,
}

impl Recorder {
    /// Starts it; at most `queue` parcels wait. With `at_once`, each is written as it comes. Frames
    /// are counted by interface where there are `entries`, for the accounts in the end.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(
        capture: Capture,
        queue: usize,
        at_once: bool,
        entries: Option<Entries>,
    ) -> Result<Self> {
        let (tasks, received) = sync_channel(queue);
        let whole = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&whole);
        let thread = std::thread::Builder::new()
            .spawn(move || record(capture, &received, at_once, entries, &counted))
            .map_err(|error| Error::usage("starting a thread", error))?;
        Ok(Self {
            tasks,
            thread: Some(thread),
            whole,
        })
    }

    /// Queues frames, waiting for room if need be.
    ///
    /// # Errors
    /// Why nothing more is written.
    pub(super) fn write(&mut self, parcel: Parcel) -> Result<()> {
        match self.tasks.send(Task::Write(parcel)) {
            Ok(()) => Ok(()),
            Err(_) => self.join().map(drop),
        }
    }

    /// Whether it still writes: who has nothing to write may ask at times.
    ///
    /// # Errors
    /// Why nothing more is written.
    pub(super) fn look(&mut self) -> Result<()> {
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            return self.join().map(drop);
        }
        Ok(())
    }

    /// Writes what is queued and ends the capture.
    ///
    /// # Errors
    /// Why not all of it was written, unless that was told before.
    pub(super) fn finish(&mut self, end: End) -> Result<Written> {
        if self.thread.is_none() {
            return Ok(Written::default());
        }
        // When nobody listens any more, joining tells why.
        let _ = self.tasks.send(Task::Finish(end));
        self.join()
    }

    /// Frames that are whole in the output so far.
    pub(super) fn whole(&self) -> u64 {
        self.whole.load(Ordering::Acquire)
    }

    fn join(&mut self) -> Result<Written> {
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            // A thread that died has said so itself.
            _ => Err(Error::usage("writing the capture", "the writer has ended")),
        }
    }
}

/// The thread's work: writes what comes until there is no more.
fn record(
    mut capture: Capture,
    tasks: &Receiver<Task>,
    at_once: bool,
    mut entries: Option<Entries>,
    whole: &AtomicU64,
) -> Result<Written> {
    let mut flushed = Stopwatch::start();
    loop {
        let task = match tasks.try_recv() {
            Err(TryRecvError::Empty) => {
                let left = if at_once {
                    // All is on its way: the next wait may be long.
                    FLUSH
                } else {
                    FLUSH.saturating_sub(flushed.elapsed())
                };
                tasks.recv_timeout(left)
            }
            Ok(task) => Ok(task),
            Err(TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
        };
        let done = match task {
            Ok(Task::Write(parcel)) => write(&mut capture, &parcel, entries.as_mut()),
            Ok(Task::Finish(end)) => {
                let flushed = capture.flush();
                whole.store(capture.written().frames, Ordering::Release);
                return flushed.and_then(|()| capture.finish(end, &entries.unwrap_or_default()));
            }
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => {
                break Err(Error::usage("writing the capture", "it was given up"));
            }
        };
        let done = done.and_then(|()| {
            if at_once || flushed.elapsed() >= FLUSH {
                flushed = Stopwatch::start();
                capture.flush()?;
            }
            Ok(())
        });
        whole.store(capture.written().frames, Ordering::Release);
        if let Err(error) = done {
            break Err(error);
        }
    }
}

fn write(capture: &mut Capture, parcel: &Parcel, mut entries: Option<&mut Entries>) -> Result<()> {
    if parcel.next_source {
        capture.next_source();
    }
    let mut add = |frame: &Frame<'_>| match parcel.batch.interface(frame) {
        Some(interface) => {
            if let Some(entries) = &mut entries {
                entries.count(frame, interface);
            }
            capture.write(frame, interface)
        }
        None => capture.write(frame, &Interface::new(frame.link_type)),
    };
    match &parcel.frames {
        Chosen::All(range) => parcel
            .batch
            .frames()
            .take(range.end)
            .skip(range.start)
            .try_for_each(|frame| add(&frame)),
        Chosen::Some(places) => places
            .iter()
            .filter_map(|place| parcel.batch.frame(*place as usize))
            .try_for_each(|frame| add(&frame)),
    }
}

/// True when whoever reads this output may be waiting for it: a pipe, a FIFO, a terminal.
pub(super) fn is_read_live(path: &Path) -> bool {
    let found = if path.as_os_str() == "-" {
        let own = io::stdout().as_fd().try_clone_to_owned();
        own.and_then(|own| File::from(own).metadata())
    } else {
        path.metadata()
    };
    // What is not there yet will be a file.
    found.is_ok_and(|found| !found.is_file())
}
