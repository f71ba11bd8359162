//! Where a capture's bytes go, and how much of it is whole when they do not all arrive.
//!
//! Knows nothing of formats: bytes are appended to its buffer, and the ends of frames marked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Written;
use crate::capture::Compression;
use crate::capture::reader::plain;
use crate::error::{self, Error, Result, counted};

/// How many bytes are gathered before they are written: one write of a plain capture, one
/// member of a compressed one.
const PLAIN: usize = 256 << 10;
const MEMBER: usize = 1 << 20;

/// An output that is open, and still as it was.
#[derive(Debug)]
pub(super) struct Target {
    name: String,
    file: File,
    /// A regular file that was named.
    own: bool,
    fresh: Fresh,
}

/// The name of a file that was not there before: it goes again when this is dropped, unless it
/// was taken out.
#[derive(Debug, Default)]
struct Fresh(Option<PathBuf>);

impl Drop for Fresh {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // In a sandbox it cannot be done.
            let _ = fs::remove_file(path);
        }
    }
}

impl Target {
    /// Opens a file by name, `-` for standard output.
    pub(super) fn open(path: &Path) -> Result<Self> {
        if path.as_os_str() == "-" {
            let name = "standard output".to_owned();
            let descriptor = io::stdout().as_fd().try_clone_to_owned();
            let file = descriptor
                .map_err(|error| Error::usage(format!("opening {name}"), plain(&error)))?
                .into();
            return Ok(Self {
                name,
                file,
                own: false,
                fresh: Fresh::default(),
            });
        }
        let name = error::named(path);
        let refuse = |error: io::Error| Error::usage(format!("creating {name}"), plain(&error));
        let mut options = OpenOptions::new();
        let options = options.write(true);
        let created = options.clone().create_new(true).open(path);
        let (file, fresh) = if let Ok(file) = created {
            (file, Fresh(Some(path.to_owned())))
        } else {
            // Not emptied by opening it: it may turn out to be a device.
            let file = options.create(true).truncate(false).open(path);
            (file.map_err(refuse)?, Fresh::default())
        };
        let own = file.metadata().map_err(refuse)?.is_file();
        Ok(Self {
            name,
            file,
            own,
            fresh,
        })
    }

    pub(super) fn is_fresh(&self) -> bool {
        self.fresh.0.is_some()
    }
}

/// Something to write to.
enum Output {
    /// A regular file of our own, which can be cut back.
    Regular(File),
    /// Anything else, which is left as it is.
    Stream(Box<dyn Write + Send>),
}

/// A buffer over an output, with the marks that tell whole frames.
pub(super) struct Sink {
    name: String,
    output: Output,
    compression: Compression,
    buffer: Vec<u8>,
    /// Where frames end in the buffer.
    marks: Vec<usize>,
    /// Where the file header or the descriptions end that stand before the first of them.
    preamble: usize,
    packed: Vec<u8>,
    written: Written,
    failed: Option<Error>,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink")
            .field("name", &self.name)
            .field("compression", &self.compression)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl Sink {
    /// Over what is open. Only a regular file is emptied, and not standard output.
    pub(super) fn start(target: Target, compression: Compression) -> Result<Self> {
        let Target {
            name,
            file,
            own,
            mut fresh,
        } = target;
        fresh.0 = None;
        if own {
            file.set_len(0)
                .map_err(|error| Error::usage(format!("creating {name}"), plain(&error)))?;
            return Ok(Self::over(name, Output::Regular(file), compression));
        }
        Ok(Self::over(
            name,
            Output::Stream(Box::new(file)),
            compression,
        ))
    }

    /// Creates a regular file of this name that was not there before; what an earlier run left
    /// behind goes.
    pub(super) fn create_new(path: &Path, compression: Compression) -> Result<Self> {
        let name = error::named(path);
        let create = || OpenOptions::new().write(true).create_new(true).open(path);
        let file = match create() {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let found = fs::symlink_metadata(path);
                if found.is_ok_and(|found| found.is_file()) {
                    fs::remove_file(path).and_then(|()| create())
                } else {
                    Err(error)
                }
            }
            other => other,
        };
        let file = file.map_err(|error| Error::usage(format!("creating {name}"), plain(&error)))?;
        Ok(Self::over(name, Output::Regular(file), compression))
    }

    pub(super) fn stream(
        name: &str,
        write: Box<dyn Write + Send>,
        compression: Compression,
    ) -> Self {
        Self::over(name.to_owned(), Output::Stream(write), compression)
    }

    fn over(name: String, output: Output, compression: Compression) -> Self {
        Self {
            name,
            output,
            compression,
            buffer: Vec::new(),
            marks: Vec::new(),
            preamble: 0,
            packed: Vec::new(),
            written: Written::default(),
            failed: None,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// What has reached the output so far.
    pub(super) fn written(&self) -> Written {
        self.written
    }

    /// What has reached the output and what waits in the buffer, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.written.bytes.saturating_add(self.buffer.len() as u64)
    }

    pub(super) fn is_compressed(&self) -> bool {
        self.compression != Compression::None
    }

    /// That the file has not been removed while it was written.
    pub(super) fn still_there(&self) -> Result<()> {
        let Output::Regular(file) = &self.output else {
            return Ok(());
        };
        match file.metadata() {
            Ok(found) if found.nlink() == 0 => {
                let frames = counted(self.written.frames, "frame");
                let gone = io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("the file was removed meanwhile, and {frames} with it"),
                );
                Err(Error::write(format!("writing {}", self.name), &gone))
            }
            // Where this cannot be known, nothing speaks against it.
            _ => Ok(()),
        }
    }

    /// Where records are appended.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    fn limit(&self) -> usize {
        match self.compression {
            Compression::None => PLAIN,
            _ => MEMBER,
        }
    }

    /// Makes room for this many bytes by writing out what there is, if need be.
    pub(super) fn reserve(&mut self, size: usize) -> Result<()> {
        if self.buffer.is_empty() || self.buffer.len().saturating_add(size) <= self.limit() {
            // A failure may have emptied the buffer: it must not be forgotten.
            return self.failed.clone().map_or(Ok(()), Err);
        }
        self.commit()
    }

    /// Marks the end of something whole that is no frame.
    pub(super) fn end_preamble(&mut self) {
        if self.marks.is_empty() {
            self.preamble = self.buffer.len();
        }
    }

    /// Marks the end of a frame, and writes out what there is when it is enough.
    pub(super) fn end_frame(&mut self) -> Result<()> {
        self.marks.push(self.buffer.len());
        if self.buffer.len() >= self.limit() {
            self.commit()
        } else {
            Ok(())
        }
    }

    /// Writes out everything gathered.
    pub(super) fn commit(&mut self) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        if self.buffer.is_empty() {
            return Ok(());
        }
        let result = match self.compression {
            Compression::None => {
                let (arrived, result) = write_all(&mut self.output, &self.buffer);
                // Of a plain capture every record counts that arrived whole.
                let whole = self.marks.partition_point(|end| *end as u64 <= arrived);
                let end = match whole.checked_sub(1) {
                    Some(last) => self.marks.get(last).copied(),
                    None => Some(self.preamble).filter(|end| *end as u64 <= arrived),
                };
                let bytes = match result {
                    Ok(()) => arrived,
                    Err(_) => end.unwrap_or(0) as u64,
                };
                self.written.frames += whole as u64;
                self.written.bytes += bytes;
                result
            }
            compression => {
                self.packed.clear();
                let result = compression.pack(&self.buffer, &mut self.packed);
                let result = result.and_then(|()| write_all(&mut self.output, &self.packed).1);
                if result.is_ok() {
                    self.written.frames += self.marks.len() as u64;
                    self.written.bytes += self.packed.len() as u64;
                }
                result
            }
        };
        self.buffer.clear();
        self.marks.clear();
        self.preamble = 0;
        result.map_err(|error| self.fail(&error))
    }

    /// Flushes whatever the output itself may hold back.
    pub(super) fn flush(&mut self) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = match &mut self.output {
            Output::Regular(_) => Ok(()),
            Output::Stream(write) => write.flush(),
        };
        result.map_err(|error| self.fail(&error))
    }

    /// Cuts a file of our own back to what is whole, and remembers the failure.
    fn fail(&mut self, error: &io::Error) -> Error {
        let Written { frames, bytes } = self.written;
        let state = match &self.output {
            Output::Regular(file) => match file.set_len(bytes) {
                Ok(()) => "and the file is cut back to them".to_owned(),
                Err(error) => format!("but the file cannot be cut back: {}", plain(&error)),
            },
            Output::Stream(_) => "and there may be part of another".to_owned(),
        };
        let why = format!(
            "{}; {} in {bytes} bytes {} written whole, {state}",
            plain(error),
            counted(frames, "frame"),
            if frames == 1 { "is" } else { "are" },
        );
        let error = io::Error::new(error.kind(), why);
        let error = Error::write(format!("writing {}", self.name), &error);
        self.failed = Some(error.clone());
        error
    }
}

/// Writes all of it, or says how many bytes arrived and why no more.
fn write_all(output: &mut Output, bytes: &[u8]) -> (u64, io::Result<()>) {
    let write: &mut dyn Write = match output {
        Output::Regular(file) => file,
        Output::Stream(write) => write,
    };
    let mut rest = bytes;
    let mut arrived = 0;
    while !rest.is_empty() {
        match write.write(rest) {
            Ok(0) => return (arrived, Err(io::ErrorKind::WriteZero.into())),
            Ok(count) => {
                rest = rest.get(count..).unwrap_or_default();
                arrived += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (arrived, Err(error)),
        }
    }
    (arrived, Ok(()))
}
