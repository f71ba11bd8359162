//! What captures are packed in: gzip, zstd and LZ4 frames, found by content when reading and
//! chosen by name when writing.
//!
//! Knows nothing of captures. Reading streams through fixed windows, so that a small file that
//! unpacks to a huge one costs time and never memory.

mod lz4;

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Write};
use std::path::Path;

use super::reader::{plain, read_some};
use crate::error::{Error, Result, named};

/// How a capture is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952), any number of members.
    Gzip,
    /// Zstandard (RFC 8878), any number of frames.
    Zstd,
    /// LZ4 frames (<https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>), any number.
    Lz4,
}

/// The logarithm of the largest zstd window, which is what `zstd -d` allows by default: 128 MiB.
const ZSTD_WINDOW: u32 = 27;

/// How many packed bytes are read at a time.
const PACKED: usize = 128 << 10;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: u32 = 0xfd2f_b528;
const LZ4_MAGIC: u32 = 0x184d_2204;

/// Frames of either zstd or LZ4 that hold nothing of the content (RFC 8878 section 3.1.2).
fn is_skippable(magic: u32) -> bool {
    magic & 0xffff_fff0 == 0x184d_2a50
}

impl Compression {
    /// By the ending of a file's name: `.gz`, `.zst`, `.lz4`.
    #[must_use]
    pub fn from_extension(extension: &OsStr) -> Option<Self> {
        match extension.to_str()?.to_ascii_lowercase().as_str() {
            "gz" => Some(Self::Gzip),
            "zst" => Some(Self::Zstd),
            "lz4" => Some(Self::Lz4),
            _ => None,
        }
    }

    fn from_magic(first: [u8; 4]) -> Self {
        match u32::from_le_bytes(first) {
            _ if first.starts_with(&GZIP_MAGIC) => Self::Gzip,
            ZSTD_MAGIC => Self::Zstd,
            LZ4_MAGIC => Self::Lz4,
            _ => Self::None,
        }
    }

    /// Whether something packed can begin with these bytes.
    pub(super) fn begins(first: [u8; 4]) -> bool {
        is_skippable(u32::from_le_bytes(first)) || Self::from_magic(first) != Self::None
    }

    /// Why unpacking failed, in words.
    pub(super) fn explain(self, error: &io::Error) -> String {
        match (self, error.kind()) {
            (Self::None, _) => plain(error),
            (packed, io::ErrorKind::UnexpectedEof) => format!("the {packed} ends too early"),
            (packed, _) => format!("the {packed} is damaged: {}", plain(error)),
        }
    }

    /// Appends to `packed` one whole member (a gzip member, a zstd or LZ4 frame) that holds
    /// `content`.
    pub(super) fn pack(self, content: &[u8], packed: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::None => packed.extend_from_slice(content),
            Self::Gzip => {
                let level = flate2::Compression::default();
                let mut encoder = flate2::write::GzEncoder::new(packed, level);
                encoder.write_all(content)?;
                encoder.finish()?;
            }
            Self::Zstd => {
                let level = zstd::DEFAULT_COMPRESSION_LEVEL;
                let mut encoder = zstd::Encoder::new(packed, level)?;
                encoder.include_checksum(true)?;
                encoder.set_pledged_src_size(Some(content.len() as u64))?;
                encoder.write_all(content)?;
                encoder.finish()?;
            }
            Self::Lz4 => {
                let info = lz4_flex::frame::FrameInfo::new().content_checksum(true);
                let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, packed);
                encoder.write_all(content)?;
                encoder.finish().map_err(io::Error::other)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "plain file",
            Self::Gzip => "gzip stream",
            Self::Zstd => "zstd stream",
            Self::Lz4 => "LZ4 stream",
        })
    }
}

/// An input with whatever it was packed in taken off.
pub(super) struct Unpacked {
    pub(super) input: Box<dyn Read + Send>,
    pub(super) compression: Compression,
}

impl Unpacked {
    /// Looks at the first four bytes and unpacks accordingly; waits for them.
    pub(super) fn new(mut raw: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut first = peek(&mut raw)?;
        // Both zstd and LZ4 may begin with these; what follows them decides.
        while let Some(magic) = first.first_chunk::<4>()
            && is_skippable(u32::from_le_bytes(*magic))
        {
            skip(&mut raw)?;
            first = peek(&mut raw)?;
        }
        let compression = first
            .first_chunk::<4>()
            .map_or(Compression::None, |first| Compression::from_magic(*first));
        let whole = Cursor::new(first).chain(raw);
        let input: Box<dyn Read + Send> = match compression {
            Compression::None => Box::new(whole),
            Compression::Gzip => {
                let buffered = BufReader::with_capacity(PACKED, whole);
                Box::new(flate2::bufread::MultiGzDecoder::new(buffered))
            }
            Compression::Zstd => {
                let buffered = BufReader::with_capacity(PACKED, whole);
                let mut decoder = zstd::Decoder::with_buffer(buffered)?;
                decoder.window_log_max(ZSTD_WINDOW)?;
                Box::new(decoder)
            }
            Compression::Lz4 => Box::new(lz4::Decoder::new(whole)),
        };
        Ok(Self { input, compression })
    }
}

/// A whole file with whatever it was packed in taken off, for tables that are read beside
/// captures.
///
/// # Errors
/// [`Kind::Usage`](crate::error::Kind::Usage) when it cannot be read, is damaged, or holds more
/// than `most` bytes.
pub fn unpack(path: &Path, most: u64) -> Result<Vec<u8>> {
    let failed = |why: &dyn fmt::Display| Error::usage(format!("reading {}", named(path)), why);
    let file = File::open(path).map_err(|why| failed(&plain(&why)))?;
    let unpacked = Unpacked::new(Box::new(file)).map_err(|why| failed(&plain(&why)))?;
    let mut bytes = Vec::new();
    let mut limited = unpacked.input.take(most.saturating_add(1));
    limited
        .read_to_end(&mut bytes)
        .map_err(|why| failed(&unpacked.compression.explain(&why)))?;
    if bytes.len() as u64 > most {
        return Err(failed(&format!("it holds more than {most} bytes")));
    }
    Ok(bytes)
}

/// Up to four bytes: fewer only when the input ends.
fn peek(raw: &mut dyn Read) -> io::Result<Vec<u8>> {
    let mut first = [0; 4];
    let mut filled = 0;
    while let Some(room) = first.get_mut(filled..).filter(|room| !room.is_empty()) {
        match read_some(raw, room)? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(first.get(..filled).unwrap_or_default().to_vec())
}

/// Steps over the rest of a skippable frame, whose magic number is already read.
fn skip(raw: &mut dyn Read) -> io::Result<()> {
    let mut length = [0; 4];
    raw.read_exact(&mut length)?;
    let length = u64::from(u32::from_le_bytes(length));
    if io::copy(&mut raw.take(length), &mut io::sink())? < length {
        let why = "the input ends inside a skippable frame";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
    }
    Ok(())
}
