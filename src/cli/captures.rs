//! The captures to be read, in their order: opened before the sandbox where that can be, and
//! otherwise when their turn comes.
//!
//! It must not know what is in them.

use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::capture::{Input, Reader};
use crate::error::Result;

/// How many captures are open at a time: well below the 1,024 descriptors that a process may
/// have unless told otherwise (getrlimit(2)).
const OPEN: usize = 256;

/// Captures that wait for their turn.
#[derive(Debug)]
pub(super) struct Captures {
    waiting: std::vec::IntoIter<Capture>,
}

#[derive(Debug)]
struct Capture {
    path: PathBuf,
    /// None: it is still to be opened. A failure is told when its turn comes.
    input: Option<Result<Input>>,
}

impl Captures {
    /// Opens the first one, and of the others as many as may be: not FIFOs, as opening one waits
    /// for somebody who writes to it, who may be waiting for us to read another first.
    ///
    /// Waits for the first bytes of the first one: until something comes there is nothing to do,
    /// and nothing to be made for it.
    ///
    /// # Errors
    /// The first one cannot be opened, or begins as no capture does.
    pub(super) fn open(files: &[PathBuf]) -> Result<Self> {
        let mut captures = Vec::with_capacity(files.len());
        for (index, path) in files.iter().enumerate() {
            let now = index == 0 || (index < OPEN && !is_fifo(path));
            let mut input = now.then(|| Input::open(path));
            if let (0, Some(Ok(first))) = (index, &mut input) {
                first.recognise()?;
            }
            if let (0, Some(Err(error))) = (index, &input) {
                return Err(error.clone());
            }
            let path = path.clone();
            captures.push(Capture { path, input });
        }
        Ok(Self {
            waiting: captures.into_iter(),
        })
    }

    /// Those that are still to be opened.
    pub(super) fn later(&self) -> Vec<PathBuf> {
        let waiting = self.waiting.as_slice().iter();
        let later = waiting.filter(|capture| capture.input.is_none());
        later.map(|capture| capture.path.clone()).collect()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// The next one and its name; None when there is none.
    pub(super) fn next(&mut self) -> Option<(PathBuf, Result<Reader>)> {
        let Capture { path, input } = self.waiting.next()?;
        let input = input.unwrap_or_else(|| Input::open(&path));
        Some((path, input.and_then(Input::read)))
    }
}

/// A FIFO that has a name of its own. A shell's `<(...)` is none: it has a writer already.
fn is_fifo(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
        && path.canonicalize().is_ok()
}
