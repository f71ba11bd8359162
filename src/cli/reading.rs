//! The captures of a command line as one source of batches: one after the other, their frames
//! numbered on.
//!
//! It must not know what becomes of frames.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::captures::Captures;
use super::pipeline::Source;
use crate::capture::{self, Batch, Compression, Format, FrameSource, Interface, Lost};
use crate::error::Result;

/// Captures that are read in turn.
#[derive(Debug)]
pub(super) struct Reading {
    /// Captures that are still to be read.
    captures: Captures,
    several: bool,
    open: Option<Open>,
    next_number: u64,
    /// Bytes of the input consumed so far, over all captures.
    consumed: Arc<AtomicU64>,
    /// What the captures so far say was lost before it reached them.
    lost: Arc<Mutex<Lost>>,
    /// The part of it that the captures before the one being read say.
    lost_before: Lost,
}

/// The capture being read.
#[derive(Debug)]
struct Open {
    reader: capture::Reader,
    /// Its name, where several are read.
    name: Option<Arc<str>>,
    /// Bytes consumed of the captures before it.
    before: u64,
}

impl Reading {
    /// Begins with the first one.
    ///
    /// # Errors
    /// When it is none; what happens to later ones comes in its place.
    pub(super) fn start(captures: Captures) -> Result<Self> {
        let mut reading = Self {
            several: captures.len() > 1,
            captures,
            open: None,
            next_number: 1,
            consumed: Arc::default(),
            lost: Arc::default(),
            lost_before: Lost::default(),
        };
        reading.open_next().transpose()?;
        Ok(reading)
    }

    /// Bytes of the input consumed so far; the count goes on while the captures are elsewhere.
    pub(super) fn consumed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.consumed)
    }

    /// What was lost before it reached the captures; the sum goes on while they are elsewhere.
    pub(super) fn lost(&self) -> Arc<Mutex<Lost>> {
        Arc::clone(&self.lost)
    }

    /// The format of the first capture and what it is packed in.
    pub(super) fn container(&self) -> Option<(Format, Compression)> {
        let reader = &self.open.as_ref()?.reader;
        Some((reader.format(), reader.compression()))
    }

    /// The first interface, where it is known before any frame.
    pub(super) fn interface(&self) -> Option<Interface> {
        let open = self.open.as_ref()?;
        open.reader.interfaces().first().cloned()
    }

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
}

impl FrameSource for Reading {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
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
            let lost = self.lost_before.and(open.reader.lost());
            if lost != Lost::default()
                && let Ok(mut told) = self.lost.lock()
            {
                *told = lost;
            }
            if let Some(batch) = batch? {
                self.next_number = batch.first_number() + batch.len() as u64;
                return Ok(Some(batch));
            }
            self.lost_before = lost;
            self.open = None;
        }
    }
}

impl Source for Reading {
    fn name(&self) -> Option<Arc<str>> {
        self.open.as_ref()?.name.clone()
    }
}
