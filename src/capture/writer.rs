//! Writing a capture: frames in, records out, whole ones whatever happens.
//!
//! Owns what a record looks like in either format; how the bytes reach the file, and what
//! becomes of them when the disk is full, is the sink's matter.

mod pcapng;
mod sink;

use std::io::Write;
use std::path::Path;

use self::pcapng::Pcapng;
use self::sink::Sink;
use super::Compression;
use super::batch::Interface;
use super::lengths::MAX_TRANSFER;
use super::pcap;
use crate::error::{Error, Result};
use crate::wire::frame::{Frame, LinkType, Time};

/// Which format to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Classic pcap with microseconds.
    PcapMicro,
    /// Classic pcap with nanoseconds.
    PcapNano,
    /// Classic pcap with what the first interface stamps: nanoseconds if it stamps anything
    /// finer than microseconds.
    Pcap,
    /// pcapng, one section.
    Pcapng,
}

impl Format {
    /// What the ending of a file's name asks for: `.pcap` is classic pcap and all else pcapng,
    /// and `.gz`, `.zst` or `.lz4` after it pack that.
    #[must_use]
    pub fn from_name(path: &Path) -> (Self, Compression) {
        let packed = path.extension().and_then(Compression::from_extension);
        let inner = match packed {
            Some(_) => path.file_stem().map(Path::new),
            None => Some(path),
        };
        let format = match inner.and_then(Path::extension) {
            Some(extension) if extension.eq_ignore_ascii_case("pcap") => Self::Pcap,
            _ => Self::Pcapng,
        };
        (format, packed.unwrap_or(Compression::None))
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Written {
    /// Frames that are whole in the output.
    pub frames: u64,
    /// Bytes of the output, after compression.
    pub bytes: u64,
}

/// What was counted on an interface, as far as it is known: an interface statistics block of
/// pcapng.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statistics {
    /// When counting began.
    pub start: Option<Time>,
    /// When counting ended.
    pub end: Option<Time>,
    /// Frames the interface itself dropped (`isb_ifdrop`).
    pub interface_dropped: Option<u64>,
    /// Frames that matched the filter in the kernel (`isb_filteraccept`).
    pub matched: Option<u64>,
    /// Frames that matched and found no room (`isb_osdrop`).
    pub dropped: Option<u64>,
    /// Frames handed to us (`isb_usrdeliv`).
    pub delivered: Option<u64>,
    /// What else there is to say of the numbers.
    pub comment: Option<String>,
}

/// Where a capture is to be written: open, and still as it was.
#[derive(Debug)]
pub struct Target {
    opened: sink::Target,
    format: Format,
    compression: Compression,
}

impl Target {
    /// Opens what [`Writer::create`] opens, creates it if it is not there, and does not empty it.
    /// What is created goes again, if it still can, unless a writer starts with it.
    ///
    /// # Errors
    /// As [`Writer::create`].
    pub fn open(path: &Path) -> Result<Self> {
        let (format, compression) = Format::from_name(path);
        Ok(Self {
            opened: sink::Target::open(path)?,
            format,
            compression,
        })
    }

    /// Whether it was created just now.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.opened.is_fresh()
    }
}

/// A capture being written.
///
/// Frames are gathered and written many at a time; a compressed capture is a row of members of
/// whole records, each readable without the ones after it. A writer that is dropped without
/// [`finish`](Self::finish) writes what it has gathered and tells nobody how that went.
#[derive(Debug)]
pub struct Writer {
    sink: Sink,
    records: Records,
}

#[derive(Debug)]
enum Records {
    Pcap {
        format: Format,
        /// The link type and whether nanoseconds are written, once the header is.
        header: Option<(LinkType, bool)>,
    },
    Pcapng(Pcapng),
}

/// The snaplen that a pcap header states when the source has no limit.
const UNLIMITED: u32 = 262_144;

impl Writer {
    /// Creates a capture whose name says what to write, see [`Format::from_name`]. `-` is
    /// standard output, as plain pcapng. A regular file is emptied first; devices and FIFOs
    /// are opened as they are.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::error::Kind::Usage) when it cannot be opened for writing.
    pub fn create(path: &Path) -> Result<Self> {
        Self::start(Target::open(path)?)
    }

    /// As [`create`](Self::create), of a target that is open.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::error::Kind::Usage) when it cannot be emptied.
    pub fn start(target: Target) -> Result<Self> {
        let sink = Sink::start(target.opened, target.compression)?;
        Ok(Self::over(sink, target.format))
    }

    /// Creates a regular file that is not there yet, as [`create`](Self::create) would a file of
    /// the name `like`: for a file that is renamed to it when it is whole. What an earlier run
    /// left behind under this name is removed; a link is never followed.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_beside(path: &Path, like: &Path) -> Result<Self> {
        let (format, compression) = Format::from_name(like);
        Ok(Self::over(Sink::create_new(path, compression)?, format))
    }

    /// Writes a capture to anything; `name` is what messages call it.
    #[must_use]
    pub fn new(
        name: &str,
        write: impl Write + Send + 'static,
        format: Format,
        compression: Compression,
    ) -> Self {
        Self::over(Sink::stream(name, Box::new(write), compression), format)
    }

    fn over(mut sink: Sink, format: Format) -> Self {
        let records = match format {
            Format::Pcapng => {
                let mut pcapng = Pcapng::default();
                pcapng.start_section(sink.buffer());
                Records::Pcapng(pcapng)
            }
            format => Records::Pcap {
                format,
                header: None,
            },
        };
        Self { sink, records }
    }

    /// States an interface before, or without, any frame of it: the link type of a pcap file
    /// that stays empty, the interface table of a pcapng file.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn declare(&mut self, interface: &Interface, index: u32) -> Result<()> {
        match &mut self.records {
            Records::Pcap { format, header } => {
                if header.is_none() {
                    let nanosecond = match format {
                        Format::PcapMicro => false,
                        Format::PcapNano => true,
                        _ => interface.resolution.digits() > 6,
                    };
                    write_header(self.sink.buffer(), interface, nanosecond);
                    *header = Some((interface.link_type, nanosecond));
                }
            }
            Records::Pcapng(pcapng) => {
                self.sink.reserve(pcapng::MAX_DESCRIPTION)?;
                pcapng.interface(self.sink.buffer(), interface, index);
            }
        }
        self.sink.end_preamble();
        Ok(())
    }

    /// Tells that the frames from now on come from another source: its interfaces are not the
    /// ones known so far, even where they look alike.
    pub fn next_source(&mut self) {
        if let Records::Pcapng(pcapng) = &mut self.records {
            pcapng.next_source();
        }
    }

    /// Adds a frame of this interface.
    ///
    /// In pcapng a time stamp has the unit of its interface (nanoseconds if that is finer or
    /// binary), in pcap that of the file; what is finer is cut. pcap keeps a frame without a
    /// time as 1970-01-01, and so does pcapng where a simple packet block cannot hold it.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::error::Kind::Usage) for a frame that the format cannot hold: a
    /// second link type in pcap, a time before 1970 or after the format's last one. Otherwise
    /// the output's failure ([`Kind::Write`](crate::error::Kind::Write) or
    /// [`ClosedPipe`](crate::error::Kind::ClosedPipe)), saying how much is whole; from then on
    /// every call answers it.
    pub fn write(&mut self, frame: &Frame<'_>, interface: &Interface) -> Result<()> {
        self.declare(interface, frame.interface.unwrap_or(0))?;
        let size = frame
            .comments
            .iter()
            .fold(frame.bytes.len(), |size, text| size + text.len() + 8);
        self.sink
            .reserve(size.saturating_add(pcapng::MAX_DESCRIPTION))?;
        let written = match &mut self.records {
            Records::Pcap { header, .. } => {
                let (link_type, nanosecond) = header.unwrap_or((frame.link_type, true));
                write_record(self.sink.buffer(), frame, link_type, nanosecond)
            }
            Records::Pcapng(pcapng) => pcapng.frame(self.sink.buffer(), frame, interface),
        };
        match written {
            Ok(()) => self.sink.end_frame(),
            Err(error) => Err(self.refused(error)),
        }
    }

    fn refused(&self, error: Refused) -> Error {
        let Refused { why, advice } = error;
        let error = Error::usage(format!("writing {}", self.sink.name()), why);
        match advice {
            Some(advice) => error.advice(advice),
            None => error,
        }
    }

    /// What has reached the output so far.
    #[must_use]
    pub fn written(&self) -> Written {
        self.sink.written()
    }

    /// How large the output is with everything so far, in bytes; what is still to be compressed
    /// counts as it is.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.sink.size()
    }

    /// True when the output is compressed: [`flush`](Self::flush) then makes it smaller.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.sink.is_compressed()
    }

    /// The most bytes that this frame would add to the [`size`](Self::size).
    #[must_use]
    pub fn cost(&self, frame: &Frame<'_>, interface: &Interface) -> u64 {
        let cost = match &self.records {
            Records::Pcap { header, .. } => {
                let header = if header.is_none() { 24 } else { 0 };
                header + 16 + frame.bytes.len()
            }
            Records::Pcapng(pcapng) => pcapng.cost(frame, interface),
        };
        cost as u64
    }

    /// States what was counted on an interface, in pcapng only: classic pcap has no place for it.
    /// An interface without any frame so far is described first.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn statistics(
        &mut self,
        interface: &Interface,
        index: u32,
        statistics: &Statistics,
    ) -> Result<()> {
        let Records::Pcapng(pcapng) = &mut self.records else {
            return Ok(());
        };
        self.sink.reserve(pcapng::MAX_DESCRIPTION)?;
        pcapng.statistics(self.sink.buffer(), interface, index, statistics);
        self.sink.end_preamble();
        Ok(())
    }

    /// Writes out everything so far; in a compressed capture this ends the member.
    ///
    /// # Errors
    /// The output's failure, as [`write`](Self::write).
    pub fn flush(&mut self) -> Result<()> {
        self.sink.commit()?;
        self.sink.flush()
    }

    /// Writes out the rest and says how much it was.
    ///
    /// # Errors
    /// The output's failure, as [`write`](Self::write), and that somebody has removed the file.
    pub fn finish(mut self) -> Result<Written> {
        if let Records::Pcap { header: None, .. } = self.records {
            self.declare(&Interface::new(LinkType::ETHERNET), 0)?;
        }
        self.flush()?;
        self.sink.still_there()?;
        Ok(self.sink.written())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // After a finish there is nothing left; otherwise there is nobody to tell.
        let _ = self.flush();
    }
}

/// Why the format cannot hold a frame.
struct Refused {
    why: String,
    advice: Option<&'static str>,
}

fn write_header(out: &mut Vec<u8>, interface: &Interface, nanosecond: bool) {
    let magic = if nanosecond {
        pcap::NANO_MAGIC
    } else {
        pcap::MICRO_MAGIC
    };
    let snaplen = match interface.snaplen {
        0 => UNLIMITED,
        snaplen => snaplen,
    };
    out.extend_from_slice(&magic.to_le_bytes());
    out.extend_from_slice(&2_u16.to_le_bytes());
    out.extend_from_slice(&4_u16.to_le_bytes());
    out.extend_from_slice(&[0; 8]);
    out.extend_from_slice(&snaplen.to_le_bytes());
    out.extend_from_slice(&u32::from(interface.link_type.0).to_le_bytes());
}

fn write_record(
    out: &mut Vec<u8>,
    frame: &Frame<'_>,
    link_type: LinkType,
    nanosecond: bool,
) -> Result<(), Refused> {
    if frame.link_type != link_type {
        return Err(Refused {
            why: format!(
                "frame {} is of {}, the frames before it of {link_type}, and a pcap file holds one kind",
                frame.number, frame.link_type
            ),
            advice: Some("write pcapng: any name that does not end in .pcap"),
        });
    }
    let time = frame.time.unwrap_or_default();
    let Ok(seconds) = u32::try_from(time.seconds) else {
        return Err(Refused {
            advice: Some("write pcapng: any name that does not end in .pcap"),
            ..out_of_range(
                frame.number,
                time,
                "pcap, which begins in 1970 and ends in 2106",
            )
        });
    };
    let fraction = if nanosecond {
        time.nanoseconds
    } else {
        time.nanoseconds / 1_000
    };
    let captured = captured(frame)?;
    for field in [seconds, fraction, captured, frame.wire_len] {
        out.extend_from_slice(&field.to_le_bytes());
    }
    out.extend_from_slice(frame.bytes);
    Ok(())
}

/// The captured length, if any format can hold it.
fn captured(frame: &Frame<'_>) -> Result<u32, Refused> {
    let length = frame.bytes.len();
    match u32::try_from(length) {
        Ok(captured) if captured <= MAX_TRANSFER => Ok(captured),
        _ => Err(Refused {
            why: format!(
                "frame {} has {length} bytes, too many for a capture",
                frame.number
            ),
            advice: None,
        }),
    }
}

fn out_of_range(number: u64, time: Time, format: &str) -> Refused {
    Refused {
        why: format!(
            "the time of frame {number}, {} seconds from 1970, cannot be told in {format}",
            time.seconds
        ),
        advice: None,
    }
}
