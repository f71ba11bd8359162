//! Reading a saved capture: chunks in, whole frames out, damage told where it is.
//!
//! Owns the buffers and the errors; what the bytes mean is the format's matter, and what they
//! were packed in is `compression`'s.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::FrameSource;
use super::batch::{Batch, Chunk, Interface, Pool, Resolution};
use super::compression::{Compression, Unpacked};
use super::lost::Lost;
use super::pcap::{self, Pcap};
use super::pcapng::{self, Pcapng};
use crate::error::{self, Error, Result};

/// How far a walk over a chunk came.
#[derive(Debug)]
pub(super) struct Walked {
    /// Everything before this place in the chunk is dealt with.
    pub(super) consumed: usize,
    /// How many bytes from there on are needed before there is more to see.
    pub(super) need: usize,
}

/// Where in the chunk the input is damaged, and how.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) at: usize,
    pub(super) why: String,
}

#[derive(Debug)]
enum Format {
    Pcap(Pcap, Arc<Vec<Interface>>),
    Pcapng(Pcapng),
}

/// A saved capture being read.
///
/// Each batch is what one read returned, cut to whole records, so frames that come down a pipe
/// are handed on as soon as they are whole. Memory is a few pooled chunks; a frame larger than
/// a chunk grows one only as its bytes really arrive.
pub struct Reader {
    name: String,
    input: Box<dyn Read + Send>,
    compression: Compression,
    position: Arc<AtomicU64>,
    size: Option<u64>,
    format: Format,
    pool: Pool,
    /// The chunk being filled: `consumed..filled` of it is still to be walked.
    chunk: Chunk,
    consumed: usize,
    filled: usize,
    /// How many bytes from `consumed` on the next record has, as far as is known.
    need: usize,
    /// Batches of the last chunk that are still to be handed out.
    ready: VecDeque<Batch>,
    /// What comes after them.
    failure: Option<Error>,
    ended: bool,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader")
            .field("name", &self.name)
            .field("format", &self.format)
            .field("compression", &self.compression)
            .finish_non_exhaustive()
    }
}

/// Opens a saved capture; `-` is standard input.
///
/// # Errors
/// [`Kind::Usage`](crate::error::Kind::Usage) when there is no such file, it may not be read,
/// or it is no capture; [`Kind::Damaged`](crate::error::Kind::Damaged) when it begins as a
/// capture and ends within its header.
pub fn open(path: &Path) -> Result<Reader> {
    Input::open(path)?.read()
}

/// A saved capture that is open, and of which at most the first bytes have been read.
#[derive(Debug)]
pub struct Input {
    name: String,
    file: File,
    /// Its first bytes, once they have been looked at.
    head: Vec<u8>,
    size: Option<u64>,
}

impl Input {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::error::Kind::Usage) when there is no such file, it may not be
    /// read, or it is a directory.
    pub fn open(path: &Path) -> Result<Self> {
        if path.as_os_str() == "-" {
            let name = "standard input".to_owned();
            let descriptor = io::stdin().as_fd().try_clone_to_owned();
            let file = descriptor
                .map_err(|error| Error::usage(format!("opening {name}"), plain(&error)))?
                .into();
            return Ok(Self {
                name,
                file,
                head: Vec::new(),
                size: None,
            });
        }
        let name = error::named(path);
        let refuse = |error: io::Error| Error::usage(format!("opening {name}"), plain(&error));
        let file = File::open(path).map_err(refuse)?;
        let metadata = file.metadata().map_err(refuse)?;
        if metadata.is_dir() {
            return Err(Error::usage(format!("opening {name}"), "it is a directory")
                .advice("name a capture in it"));
        }
        let size = metadata.is_file().then_some(metadata.len());
        Ok(Self {
            name,
            file,
            head: Vec::new(),
            size,
        })
    }

    /// Waits for the first bytes and looks whether a capture, or what one may be packed in, can
    /// begin with them. Takes nothing apart: it may be done where a hostile capture could still
    /// do harm, and before anything is made to hold what will be read.
    ///
    /// # Errors
    /// As [`open`], of what these bytes tell.
    pub fn recognise(&mut self) -> Result<()> {
        let reading = || format!("reading {}", self.name);
        self.head.resize(4, 0);
        let filled = read_some(&mut self.file, &mut self.head)
            .map_err(|error| Error::damaged(reading(), plain(&error)))?;
        self.head.truncate(filled);
        let known = self.head.first_chunk().is_some_and(|first| {
            pcap::is_magic(*first) || *first == pcapng::MAGIC || Compression::begins(*first)
        });
        if known {
            Ok(())
        } else {
            Err(no_capture(reading(), &self.head, Compression::None))
        }
    }

    /// Begins to read it.
    ///
    /// # Errors
    /// As [`open`], once it is open.
    pub fn read(self) -> Result<Reader> {
        let whole = io::Cursor::new(self.head).chain(self.file);
        let mut reader = Reader::new(&self.name, whole)?;
        reader.size = self.size;
        Ok(reader)
    }
}

impl Reader {
    /// Reads a capture from anything; `name` is what messages call it. Waits for the first
    /// bytes, which say what it is.
    ///
    /// # Errors
    /// As [`open`].
    pub fn new(name: &str, read: impl Read + Send + 'static) -> Result<Self> {
        let position = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            read,
            count: Arc::clone(&position),
        };
        let unpacked = Unpacked::new(Box::new(counted));
        let reading = || format!("reading {name}");
        let Unpacked {
            mut input,
            compression,
        } = unpacked.map_err(|error| Error::damaged(reading(), plain(&error)))?;

        let mut pool = Pool::default();
        let mut chunk = pool.take();
        chunk.first_number = 1;
        let failed = |error| Error::damaged(reading(), compression.explain(&error));
        let mut filled = fill(&mut input, &mut chunk, 0, 4).map_err(failed)?;
        let start = chunk.bytes.get(..filled).unwrap_or_default();
        let format = match start.first_chunk::<4>() {
            Some(first) if pcap::is_magic(*first) => {
                filled = fill(&mut input, &mut chunk, filled, pcap::HEADER).map_err(failed)?;
                let Some(header) = chunk.bytes.first_chunk().filter(|_| filled >= pcap::HEADER)
                else {
                    return Err(Error::damaged(
                        reading(),
                        format!(
                            "the file ends inside its header: 24 bytes expected, {filled} are there"
                        ),
                    ));
                };
                let (pcap, notices) =
                    Pcap::new(header).map_err(|why| Error::usage(reading(), why))?;
                chunk.notices = notices;
                let interfaces = Arc::new(vec![pcap.interface()]);
                Format::Pcap(pcap, interfaces)
            }
            Some(&pcapng::MAGIC) => Format::Pcapng(Pcapng::new()),
            _ => return Err(no_capture(reading(), start, compression)),
        };
        let consumed = match format {
            Format::Pcap(..) => pcap::HEADER,
            Format::Pcapng(_) => 0,
        };
        Ok(Self {
            name: name.to_owned(),
            input,
            compression,
            position,
            size: None,
            format,
            pool,
            chunk,
            consumed,
            filled,
            need: 0,
            ready: VecDeque::new(),
            failure: None,
            ended: false,
        })
    }

    /// The number of the first frame, 1 unless told otherwise: the frames of several files run
    /// on. To be called before the first batch is taken.
    pub fn set_first_number(&mut self, number: u64) {
        self.chunk.first_number = number;
    }

    /// How many bytes of the input have been read, before decompression. The count goes on
    /// while the reader is elsewhere, so a progress bar may keep it.
    #[must_use]
    pub fn position(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.position)
    }

    /// How many bytes a regular file had when it was opened.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// What the capture is packed in.
    #[must_use]
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// How the capture is written.
    #[must_use]
    pub fn format(&self) -> super::Format {
        match &self.format {
            Format::Pcapng(_) => super::Format::Pcapng,
            Format::Pcap(_, interfaces) => match interfaces.first() {
                Some(interface) if interface.resolution == Resolution::NANO => {
                    super::Format::PcapNano
                }
                _ => super::Format::PcapMicro,
            },
        }
    }

    /// What the capture has said so far of frames that never reached it. Classic pcap says
    /// nothing.
    #[must_use]
    pub fn lost(&self) -> Lost {
        match &self.format {
            Format::Pcap(..) => Lost::default(),
            Format::Pcapng(pcapng) => pcapng.lost(),
        }
    }

    /// The interfaces described so far. Classic pcap has its one from the start.
    #[must_use]
    pub fn interfaces(&self) -> &[Interface] {
        match &self.format {
            Format::Pcap(_, interfaces) => interfaces,
            Format::Pcapng(pcapng) => pcapng.interfaces(),
        }
    }

    /// Walks what there is; true when there is something to hand out.
    fn walk(&mut self) -> bool {
        let (chunk, from, filled) = (&mut self.chunk, self.consumed, self.filled);
        let walked = match &mut self.format {
            Format::Pcap(pcap, _) => pcap.walk(chunk, from, filled),
            Format::Pcapng(pcapng) => pcapng.walk(chunk, from, filled),
        };
        match walked {
            Ok(Walked { consumed, need }) => {
                self.consumed = consumed;
                self.need = need;
            }
            Err(Damage { at, why }) => {
                self.failure = Some(self.damaged(at, &why));
                self.ended = true;
            }
        }
        if self.chunk.records.is_empty() && !self.ended {
            return false;
        }
        self.hand_out();
        true
    }

    /// Seals the chunk into batches and goes on in another one, with what was not consumed.
    fn hand_out(&mut self) {
        let mut next = self.pool.take();
        next.base = self.chunk.base + self.consumed as u64;
        next.first_number = self.chunk.next_number();
        let rest = self.chunk.bytes.get(self.consumed..self.filled);
        let rest = rest.unwrap_or_default();
        if next.bytes.len() < rest.len() {
            next.bytes.resize(rest.len(), 0);
        }
        if let Some(start) = next.bytes.get_mut(..rest.len()) {
            start.copy_from_slice(rest);
        }
        self.filled = rest.len();
        self.consumed = 0;
        let sealed = self.pool.lend(std::mem::replace(&mut self.chunk, next));
        match &mut self.format {
            Format::Pcap(_, interfaces) => {
                let to = sealed.records.len();
                if to > 0 || !sealed.notices.is_empty() {
                    let batch = Batch::new(sealed, 0, to, Arc::clone(interfaces));
                    self.ready.push_back(batch);
                }
            }
            Format::Pcapng(pcapng) => self.ready.extend(pcapng.batches(&sealed)),
        }
    }

    /// One read; `Ok(0)` at the end of the input.
    fn read(&mut self) -> io::Result<usize> {
        if self.consumed > 0 {
            // Only part of a record is left, or nothing: the cheapest moment to make room.
            self.chunk.bytes.copy_within(self.consumed..self.filled, 0);
            self.chunk.base += self.consumed as u64;
            self.filled -= self.consumed;
            self.consumed = 0;
        }
        let length = self.chunk.bytes.len();
        if self.filled == length {
            // A record larger than the chunk. Doubling as bytes arrive, never past its end: a
            // number in the file costs nothing until the file has really brought the bytes.
            let longer = (2 * length).min(self.need.max(length + 1));
            let bytes = &mut self.chunk.bytes;
            bytes.reserve_exact(longer - length);
            bytes.resize(longer, 0);
        }
        let room = self.chunk.bytes.get_mut(self.filled..).unwrap_or_default();
        let count = read_some(&mut self.input, room)?;
        self.filled += count;
        Ok(count)
    }

    /// The end of the input: clean, or inside a record.
    fn end(&mut self) {
        self.ended = true;
        let rest = self.filled - self.consumed;
        if rest > 0 {
            let why = match &self.format {
                Format::Pcap(pcap, _) => pcap.cut(rest, self.need),
                Format::Pcapng(_) => Pcapng::cut(rest, self.need),
            };
            self.failure = Some(self.damaged(self.consumed, &why));
        }
        self.hand_out();
    }

    fn damaged(&self, at: usize, why: &str) -> Error {
        let byte = self.chunk.base + at as u64;
        let number = self.chunk.next_number();
        let stream = match self.compression {
            Compression::None => "",
            _ => " after decompression",
        };
        Error::damaged(
            format!("reading {}", self.name),
            format!("damaged at byte {byte}{stream}, frame {number}: {why}"),
        )
    }
}

impl FrameSource for Reader {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        loop {
            if let Some(batch) = self.ready.pop_front() {
                return Ok(Some(batch));
            }
            if let Some(error) = self.failure.take() {
                return Err(error);
            }
            if self.ended {
                return Ok(None);
            }
            if self.walk() {
                continue;
            }
            match self.read() {
                Ok(0) => self.end(),
                Ok(_) => {}
                Err(error) => {
                    self.ended = true;
                    let why = self.compression.explain(&error);
                    self.failure = Some(self.damaged(self.filled, &why));
                    self.hand_out();
                }
            }
        }
    }
}

/// Reads until `enough` bytes of the chunk are filled or the input ends.
fn fill(
    input: &mut dyn Read,
    chunk: &mut Chunk,
    mut filled: usize,
    enough: usize,
) -> io::Result<usize> {
    while filled < enough {
        match read_some(input, chunk.bytes.get_mut(filled..).unwrap_or_default())? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// One read that a signal does not disturb.
pub(super) fn read_some(input: &mut dyn Read, room: &mut [u8]) -> io::Result<usize> {
    loop {
        match input.read(room) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A reader that claims more than it was given room for is not believed.
            other => return other.map(|count| count.min(room.len())),
        }
    }
}

/// Why these first bytes, at most a few thousand, are no capture.
fn no_capture(reading: String, start: &[u8], compression: Compression) -> Error {
    let whole = [
        pcap::MICRO_MAGIC.to_le_bytes(),
        pcap::MICRO_MAGIC.to_be_bytes(),
        pcap::NANO_MAGIC.to_le_bytes(),
        pcap::NANO_MAGIC.to_be_bytes(),
        pcapng::MAGIC,
    ];
    let inside = match compression {
        Compression::None => String::new(),
        packed => format!(" inside the {packed}"),
    };
    if start.is_empty() {
        return Error::usage(reading, format!("empty{inside}: not a capture"));
    }
    if start.len() < 4 && whole.iter().any(|magic| magic.starts_with(start)) {
        let why = format!(
            "the file ends inside its first four bytes, {} are there",
            start.len()
        );
        return Error::damaged(reading, why);
    }
    let first: Vec<String> = start
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let first = first.join(" ");
    Error::usage(
        reading,
        format!("not a pcap or pcapng capture (the first bytes{inside} are {first})"),
    )
}

/// An I/O error in words, without the number that Rust adds to them.
pub(super) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

/// Counts what is read, for a progress bar.
struct Counted<R> {
    read: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.read.read(room)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
