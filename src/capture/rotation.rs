//! One capture as a row of files: when a file ends, what the next one is called, which go.
//!
//! A file is written under a temporary name beside its own, and renamed when it is whole, so that
//! whoever sees a file may take it. Knows no clock: packets bring their time, and whoever has a
//! clock may tell it. How a moment becomes part of a name is for [`Names`] to say, and what
//! happens to files for [`Files`].

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt::Debug;
use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use super::reader::plain;
use super::{Interface, Statistics, Writer, Written};
use crate::error::{self, Error, Kind, Result};
use crate::wire::frame::{Frame, Time};

/// How long after a period packets of it may still come, in nanoseconds: the ring hands them on
/// within a fraction of this.
const GRACE: i128 = 2_000_000_000;

/// A compressed file ends when less than this part of its size is left: smaller members compress
/// badly.
const LAST_MEMBER: u64 = 16;

/// What ends a file; whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// No file is larger than this many bytes, unless a single frame is.
    pub bytes: Option<NonZeroU64>,
    /// No file has more frames.
    pub frames: Option<NonZeroU64>,
    /// No file has frames of two periods.
    pub period: Option<Period>,
}

/// Time cut in equal parts. A frame on the boundary belongs to the later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// How long each is.
    pub seconds: NonZeroU64,
    /// They begin at multiples of their length on the clock, else with the first frame.
    pub aligned: bool,
}

/// What files are called.
pub trait Names: Debug + Send {
    /// The name of a file whose first frame has this time. The same name twice in a row is told
    /// apart by a counter.
    fn name(&mut self, first: Time) -> PathBuf;

    /// True when every file gets a counter, as the name says nothing of time.
    fn is_fixed(&self) -> bool;

    /// Seconds that the clock of [`Period::aligned`] is ahead of UTC.
    fn offset(&self, _at: Time) -> i64 {
        0
    }
}

/// What is done to files.
pub trait Files: Debug + Send {
    /// Begins a file that will be renamed to `name`.
    ///
    /// # Errors
    /// [`Kind::Usage`] when it cannot be created, or there is something of that name that is no
    /// regular file.
    fn create(&mut self, partial: &Path, name: &Path) -> Result<Writer>;

    /// Gives a whole file its name; an older file of the name goes.
    ///
    /// # Errors
    /// [`Kind::Write`] when it cannot be renamed.
    fn publish(&mut self, partial: &Path, name: &Path) -> Result<()>;

    /// Removes an old file, if it is there.
    ///
    /// # Errors
    /// [`Kind::Write`] when it cannot be removed.
    fn remove(&mut self, name: &Path) -> Result<()>;
}

/// The files of this host.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    fn create(&mut self, partial: &Path, name: &Path) -> Result<Writer> {
        if fs::symlink_metadata(name).is_ok_and(|found| !found.is_file()) {
            return Err(Error::usage(
                format!("creating {}", error::named(name)),
                "there is something else of this name, which a rotated file would replace",
            ));
        }
        Writer::create_beside(partial, name)
    }

    fn publish(&mut self, partial: &Path, name: &Path) -> Result<()> {
        fs::rename(partial, name)
            .map_err(|why| failed(format!("renaming {}", error::named(partial)), &why))
    }

    fn remove(&mut self, name: &Path) -> Result<()> {
        match fs::remove_file(name) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                Err(failed(format!("removing {}", error::named(name)), &why))
            }
            _ => Ok(()),
        }
    }
}

fn failed(doing: String, why: &std::io::Error) -> Error {
    Error::new(Kind::Write, doing, plain(why))
}

/// The name under which a file is written: `x.pcapng` becomes `x.pcapng.part`.
#[must_use]
pub fn partial(name: &Path) -> PathBuf {
    let mut partial = name.as_os_str().to_owned();
    partial.push(".part");
    partial.into()
}

/// The name with a counter before its endings: `x.pcap.zst` becomes `x-00007.pcap.zst`.
#[must_use]
pub fn counted(name: &Path, count: u64) -> PathBuf {
    let own = name.file_name().unwrap_or_default().as_encoded_bytes();
    // A name that begins with a dot is not an ending.
    let endings = own
        .iter()
        .skip(1)
        .position(|byte| *byte == b'.')
        .map_or(own.len(), |at| at + 1);
    let (stem, endings) = own.split_at_checked(endings).unwrap_or((own, &[]));
    let lossy = |part| String::from_utf8_lossy(part).into_owned();
    name.with_file_name(format!("{}-{count:05}{}", lossy(stem), lossy(endings)))
}

/// A capture being written to a row of files.
#[derive(Debug)]
pub struct Rotation {
    limits: Limits,
    /// How many finished files to keep.
    keep: Option<usize>,
    names: Box<dyn Names>,
    files: Box<dyn Files>,
    open: Option<Open>,
    finished: VecDeque<PathBuf>,
    /// The name before counting of the file before, and how many had it in a row.
    last: Option<(PathBuf, u64)>,
    /// The time of the first frame of all.
    origin: Option<Time>,
    /// What is in finished files.
    written: Written,
    failed: Option<Error>,
}

/// The file being written.
#[derive(Debug)]
struct Open {
    writer: Writer,
    name: PathBuf,
    partial: PathBuf,
    frames: u64,
    /// Which period it belongs to.
    period: i128,
}

impl Rotation {
    /// Nothing is created before the first frame.
    #[must_use]
    pub fn new(
        limits: Limits,
        keep: Option<usize>,
        names: Box<dyn Names>,
        files: Box<dyn Files>,
    ) -> Self {
        Self {
            limits,
            keep,
            names,
            files,
            open: None,
            finished: VecDeque::new(),
            last: None,
            origin: None,
            written: Written::default(),
            failed: None,
        }
    }

    /// What has reached the files so far.
    #[must_use]
    pub fn written(&self) -> Written {
        let open = self.open.as_ref().map(|open| open.writer.written());
        let open = open.unwrap_or_default();
        Written {
            frames: self.written.frames.saturating_add(open.frames),
            bytes: self.written.bytes.saturating_add(open.bytes),
        }
    }

    /// Adds a frame, to a new file if it is time for one.
    ///
    /// # Errors
    /// As [`Writer::write`], or what kept a file from being created, renamed or removed. What was
    /// written until then is whole and has its name, and the error says how much it is; from then
    /// on every call answers it.
    pub fn write(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.add(frame, interface);
        result.map_err(|error| self.fail(error))
    }

    fn add(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<()> {
        let time = frame.time.unwrap_or_default();
        let period = self.period(time);
        if let Some(open) = &mut self.open
            && ends(open, &self.limits, period, frame, interface)?
        {
            self.close()?;
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(begin(
                self.files.as_mut(),
                next_name(self.names.as_mut(), &mut self.last, time),
                period,
            )?),
        };
        open.frames = open.frames.saturating_add(1);
        open.writer.write(frame, interface)
    }

    /// Which period a moment belongs to; all are one where there are none.
    fn period(&mut self, time: Time) -> i128 {
        let Some(period) = self.limits.period else {
            return 0;
        };
        let since = if period.aligned {
            let offset = i128::from(self.names.offset(time)) * 1_000_000_000;
            time.total_nanoseconds() + offset
        } else {
            time.since(*self.origin.get_or_insert(time))
        };
        since.div_euclid(i128::from(period.seconds.get()) * 1_000_000_000)
    }

    /// Tells the time, so that a file whose period is over need not wait for the next frame.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn tick(&mut self, now: Time) -> Result<()> {
        let settled = now.total_nanoseconds() - GRACE;
        let (seconds, nanoseconds) = (
            settled.div_euclid(1_000_000_000),
            settled.rem_euclid(1_000_000_000),
        );
        let settled = Time {
            seconds: i64::try_from(seconds).unwrap_or(i64::MIN),
            nanoseconds: u32::try_from(nanoseconds).unwrap_or(0),
        };
        let over = self.failed.is_none()
            && match self.open.as_ref().map(|open| open.period) {
                Some(period) => self.period(settled) > period,
                None => false,
            };
        if over {
            let result = self.close();
            return result.map_err(|error| self.fail(error));
        }
        Ok(())
    }

    /// Writes out everything so far.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn flush(&mut self) -> Result<()> {
        let result = match (&self.failed, &mut self.open) {
            (Some(error), _) => return Err(error.clone()),
            (None, Some(open)) => open.writer.flush(),
            (None, None) => Ok(()),
        };
        result.map_err(|error| self.fail(error))
    }

    /// States what was counted on an interface, in the last file.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn statistics(
        &mut self,
        interface: &Interface,
        index: u32,
        statistics: &Statistics,
    ) -> Result<()> {
        let result = match &mut self.open {
            Some(open) => open.writer.statistics(interface, index, statistics),
            None => Ok(()),
        };
        result.map_err(|error| self.fail(error))
    }

    /// Finishes the last file and says how much was written to all of them.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn finish(mut self) -> Result<Written> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let result = self.close();
        result.map_err(|error| self.fail(error))?;
        Ok(self.written)
    }

    /// Finishes the file being written, gives it its name and lets old ones go.
    fn close(&mut self) -> Result<()> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let written = open.writer.finish()?;
        self.files.publish(&open.partial, &open.name)?;
        self.written.frames = self.written.frames.saturating_add(written.frames);
        self.written.bytes = self.written.bytes.saturating_add(written.bytes);
        // A name that comes round again is one file, as new as its last writing.
        self.finished.retain(|name| *name != open.name);
        self.finished.push_back(open.name);
        while self.keep.is_some_and(|keep| self.finished.len() > keep) {
            if let Some(oldest) = self.finished.pop_front() {
                self.files.remove(&oldest)?;
            }
        }
        Ok(())
    }

    /// Leaves what is whole under its name, and remembers the failure.
    fn fail(&mut self, error: Error) -> Error {
        let mut error = error;
        let whole = self.written();
        let before = self.written;
        if let Some(open) = self.open.take() {
            // The writer has cut the file back to whole records. Should renaming fail too, the
            // first failure is the one to tell.
            self.written = whole;
            drop(open.writer);
            let _ = self.files.publish(&open.partial, &open.name);
        }
        if error.kind() != Kind::ClosedPipe && before.frames > 0 {
            let (frames, files) = (before.frames, self.finished.len());
            error = error.advice(format!(
                "{} {} written to the files before it, of which {files} {} kept",
                error::counted(frames, "frame"),
                if frames == 1 { "was" } else { "were" },
                if files == 1 { "is" } else { "are" },
            ));
        }
        self.failed = Some(error.clone());
        error
    }
}

impl Drop for Rotation {
    fn drop(&mut self) {
        // After a finish there is nothing left; otherwise there is nobody to tell.
        if self.failed.is_none() {
            let _ = self.close();
        }
    }
}

/// True when this frame belongs to another file.
fn ends(
    open: &mut Open,
    limits: &Limits,
    period: i128,
    frame: &Frame<'_>,
    interface: &Interface,
) -> Result<bool> {
    // A frame may be a little late; a whole period back, the clock was set.
    if period > open.period || period < open.period - 1 {
        return Ok(true);
    }
    if limits.frames.is_some_and(|most| open.frames >= most.get()) {
        return Ok(true);
    }
    let Some(most) = limits.bytes.map(NonZeroU64::get) else {
        return Ok(false);
    };
    let cost = open.writer.cost(frame, interface);
    if open.writer.size().saturating_add(cost) <= most {
        return Ok(false);
    }
    if !open.writer.is_compressed() {
        return Ok(true);
    }
    // What is still to be compressed was counted as it is: ending the member tells.
    open.writer.flush()?;
    let room = most.saturating_sub(open.writer.size());
    Ok(room < cost.max(most / LAST_MEMBER))
}

fn begin(files: &mut dyn Files, name: PathBuf, period: i128) -> Result<Open> {
    let partial = partial(&name);
    Ok(Open {
        writer: files.create(&partial, &name)?,
        name,
        partial,
        frames: 0,
        period,
    })
}

/// The next file's name, told apart from the one before.
fn next_name(names: &mut dyn Names, last: &mut Option<(PathBuf, u64)>, time: Time) -> PathBuf {
    let name = names.name(time);
    let count = match last.take() {
        Some((before, count)) if before == name => count.saturating_add(1),
        _ => 1,
    };
    *last = Some((name.clone(), count));
    if count > 1 || names.is_fixed() {
        counted(&name, count)
    } else {
        name
    }
}
