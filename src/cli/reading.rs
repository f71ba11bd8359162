//! The captures of a command line as one source of batches: one after the other, their frames
//! numbered on.
//!
//! It must not know what becomes of frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::captures::Captures;
use super::pipeline::Source;
use crate::capture::{self, Batch, FrameSource, Interface};
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
        };
        reading.open_next().transpose()?;
        Ok(reading)
    }

    /// Bytes of the input consumed so far; the count goes on while the captures are elsewhere.
    pub(super) fn consumed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.consumed)
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
            match batch? {
                Some(batch) => {
                    self.next_number = batch.first_number() + batch.len() as u64;
                    return Ok(Some(batch));
                }
                None => self.open = None,
            }
        }
    }
}

impl Source for Reading {
    fn name(&self) -> Option<Arc<str>> {
        self.open.as_ref()?.name.clone()
    }
}
