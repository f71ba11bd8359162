//! LZ4 frames one after another, as one stream.
//!
//! `lz4_flex` decodes them, but takes an end of input between two blocks for the end of the
//! frame, and stops at the end of every frame. [`Framing`] follows the frame format itself, so
//! that a cut stream is told from a finished one
//! (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>).

use std::io::{self, BufReader, Read};

use lz4_flex::frame::FrameDecoder;

use super::{LZ4_MAGIC, PACKED, is_skippable, skip};
use crate::capture::reader::read_some;

/// Decodes any number of LZ4 frames, with skippable ones among them.
pub(super) struct Decoder<R: Read> {
    frames: FrameDecoder<Framing<BufReader<R>>>,
}

impl<R: Read> Decoder<R> {
    pub(super) fn new(packed: R) -> Self {
        let framing = Framing {
            packed: BufReader::with_capacity(PACKED, packed),
            part: Part::Between,
            fields: Vec::new(),
            served: 0,
            data: 0,
        };
        Self {
            frames: FrameDecoder::new(framing),
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.frames.read(room)? {
                // The end of a frame, and of the input only if there is none after it.
                0 if !matches!(self.frames.get_ref().part, Part::End) => {}
                count => return Ok(count),
            }
        }
    }
}

/// Which part of the format comes next.
enum Part {
    /// A frame, or the end.
    Between,
    /// A block of a frame whose descriptor says this.
    Block {
        block_checksum: bool,
        content_checksum: bool,
    },
    /// Nothing.
    End,
}

/// Passes the bytes of LZ4 frames on unchanged, and fails where they end too early.
struct Framing<R: Read> {
    packed: R,
    part: Part,
    /// The descriptor or block size just read, of which `served` bytes are passed on.
    fields: Vec<u8>,
    served: usize,
    /// How many bytes of the block are still to be passed on.
    data: u64,
}

impl<R: Read> Framing<R> {
    /// Reads exactly this many bytes of fields.
    fn gather(&mut self, count: usize) -> io::Result<()> {
        let from = self.fields.len();
        self.fields.resize(from + count, 0);
        let room = self.fields.get_mut(from..).unwrap_or_default();
        self.packed.read_exact(room).map_err(cut)
    }

    /// Reads the fields of the next part.
    fn next_part(&mut self) -> io::Result<()> {
        self.fields.clear();
        self.served = 0;
        match self.part {
            Part::End => Ok(()),
            Part::Between => self.next_frame(),
            Part::Block {
                block_checksum,
                content_checksum,
            } => {
                self.gather(4)?;
                let size = self.fields.first_chunk().copied().unwrap_or_default();
                // The top bit tells an uncompressed block; zero is the end mark.
                let size = u32::from_le_bytes(size) & 0x7fff_ffff;
                if size > 0 {
                    self.data = u64::from(size) + if block_checksum { 4 } else { 0 };
                } else {
                    self.part = Part::Between;
                    if content_checksum {
                        self.gather(4)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn next_frame(&mut self) -> io::Result<()> {
        loop {
            self.fields.clear();
            self.fields.resize(4, 0);
            let (first, rest) = self.fields.split_at_mut(1);
            if read_some(&mut self.packed, first)? == 0 {
                self.fields.clear();
                self.part = Part::End;
                return Ok(());
            }
            self.packed.read_exact(rest).map_err(cut)?;
            let magic = self.fields.first_chunk().copied().unwrap_or_default();
            match u32::from_le_bytes(magic) {
                LZ4_MAGIC => break,
                other if is_skippable(other) => skip(&mut self.packed).map_err(cut)?,
                other => {
                    let why = format!("{other:#010x} is no LZ4 frame");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
            }
        }
        // FLG, BD; then a content size and a dictionary id if FLG has them; then a checksum.
        self.gather(2)?;
        let flags = self.fields.get(4).copied().unwrap_or(0);
        let has = |bit: u8| flags & (1 << bit) != 0;
        let size = if has(3) { 8 } else { 0 };
        let dictionary = if has(0) { 4 } else { 0 };
        self.gather(size + dictionary + 1)?;
        self.part = Part::Block {
            block_checksum: has(4),
            content_checksum: has(2),
        };
        Ok(())
    }
}

impl<R: Read> Read for Framing<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            let fields = self.fields.get(self.served..).unwrap_or_default();
            if !fields.is_empty() {
                let count = fields.len().min(room.len());
                let (Some(from), Some(to)) = (fields.get(..count), room.get_mut(..count)) else {
                    return Ok(0);
                };
                to.copy_from_slice(from);
                self.served += count;
                return Ok(count);
            }
            if self.data > 0 {
                let most = usize::try_from(self.data)
                    .unwrap_or(usize::MAX)
                    .min(room.len());
                let count = read_some(&mut self.packed, room.get_mut(..most).unwrap_or_default())?;
                if count == 0 && most > 0 {
                    return Err(cut(io::ErrorKind::UnexpectedEof.into()));
                }
                self.data -= count as u64;
                return Ok(count);
            }
            if matches!(self.part, Part::End) {
                return Ok(0);
            }
            self.next_part()?;
        }
    }
}

/// An early end under a kind that `lz4_flex` does not take for a clean one.
fn cut(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(io::ErrorKind::InvalidData, "it ends too early")
        }
        _ => error,
    }
}
