//! The pcapng format: the walk over its blocks, section by section.
//!
//! Frames come from enhanced, simple and obsolete packet blocks; interface descriptions are
//! kept; every other block is stepped over and never numbered
//! (<https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html>). Packet blocks are read
//! in place here; interface descriptions, which are rare and mostly options, by `pcap-parser`.
//! Knows nothing of where the bytes come from.

use std::sync::Arc;

use pcap_parser::pcapng::{
    InterfaceDescriptionBlock, OptionCode, PcapNGOption, parse_interfacedescriptionblock_be,
    parse_interfacedescriptionblock_le,
};
use pcap_parser::{BOM_MAGIC, EPB_MAGIC, IDB_MAGIC, SHB_MAGIC, SPB_MAGIC};

use super::batch::{Batch, Chunk, Interface, Resolution};
use super::byte_order::Order;
use super::lengths::{MAX_TRANSFER, Oddities, max_captured};
use super::reader::{Damage, Walked};
use super::record::Record;
use crate::wire::frame::{Direction, LinkType, Offload};

/// The first four bytes of a pcapng file, the same in either byte order.
pub(super) const MAGIC: [u8; 4] = SHB_MAGIC.to_be_bytes();

/// The obsolete packet block, which `pcap-parser` has no name for.
const PB_MAGIC: u32 = 2;

/// The longest block that is believed, as libpcap has it.
const MAX_BLOCK: u32 = 16 << 20;

/// What a block may add to the frame in it: fixed fields and options.
const MAX_BLOCK_OVERHEAD: u32 = 128 << 10;

/// How many interfaces one section may describe. Many times what any host has; it bounds what
/// a file of nothing but descriptions can cost.
const MAX_INTERFACES: usize = 1 << 17;

/// How many bytes of interface names and descriptions are kept of one section.
const MAX_TEXT: usize = 4 << 20;

/// How many comments are kept of one frame.
const MAX_COMMENTS: usize = 1 << 12;

/// Bits of `epb_flags` (draft-ietf-opsawg-pcapng section 4.3.1).
pub(super) mod flag {
    /// The two bits of the direction, and their values.
    pub(in crate::capture) const DIRECTION: u32 = 0b11;
    pub(in crate::capture) const IN: u32 = 0b01;
    pub(in crate::capture) const OUT: u32 = 0b10;
    pub(in crate::capture) const CHECKSUM_NOT_READY: u32 = 1 << 9;
    pub(in crate::capture) const CHECKSUM_VALID: u32 = 1 << 10;
    pub(in crate::capture) const SEGMENTATION: u32 = 1 << 11;
}

/// Option codes of packet blocks.
pub(super) const OPT_COMMENT: u16 = 1;
pub(super) const OPT_EPB_FLAGS: u16 = 2;

/// Where a walk stands: the section it is in.
#[derive(Debug, Clone)]
pub(super) struct Pcapng {
    order: Order,
    sections: u32,
    interfaces: Arc<Vec<Interface>>,
    /// What may still be kept of interface names and descriptions.
    text_left: usize,
    /// Raised while an interface carries whole transfers as frames.
    max_block: u32,
    /// Where sections end within the chunk being walked: records so far, and their interfaces.
    ended: Vec<(usize, Arc<Vec<Interface>>)>,
    oddities: Oddities,
}

impl Pcapng {
    pub(super) fn new() -> Self {
        Self {
            order: Order::Little,
            sections: 0,
            interfaces: Arc::default(),
            text_left: MAX_TEXT,
            max_block: MAX_BLOCK,
            ended: Vec::new(),
            oddities: Oddities::default(),
        }
    }

    /// The interfaces of the section so far.
    pub(super) fn interfaces(&self) -> &Arc<Vec<Interface>> {
        &self.interfaces
    }

    /// Cuts a walked chunk into one batch a section.
    pub(super) fn batches(&mut self, chunk: &Arc<Chunk>) -> impl Iterator<Item = Batch> {
        let last = (chunk.records.len(), Arc::clone(&self.interfaces));
        self.ended.push(last);
        let mut from = 0;
        self.ended.drain(..).filter_map(move |(to, interfaces)| {
            let batch = Batch::new(Arc::clone(chunk), from, to, interfaces);
            from = to;
            (!batch.is_empty() || !batch.notices().is_empty()).then_some(batch)
        })
    }

    /// Walks the whole blocks in the chunk's bytes from `from` up to `filled`.
    pub(super) fn walk(
        &mut self,
        chunk: &mut Chunk,
        from: usize,
        filled: usize,
    ) -> Result<Walked, Damage> {
        // Taken out so that blocks can be borrowed while records are added.
        let bytes = std::mem::take(&mut chunk.bytes);
        let walked = self.walk_bytes(bytes.get(..filled).unwrap_or_default(), from, chunk);
        chunk.bytes = bytes;
        walked
    }

    fn walk_bytes(
        &mut self,
        bytes: &[u8],
        from: usize,
        chunk: &mut Chunk,
    ) -> Result<Walked, Damage> {
        let mut at = from;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let Some([block_type, length, magic]) = rest.as_chunks::<4>().0.first_chunk() else {
                return Ok(Walked {
                    consumed: at,
                    need: 12,
                });
            };
            let damaged = |why| Damage { at, why };
            let order = if *block_type == MAGIC {
                byte_order(*magic).map_err(damaged)?
            } else {
                self.order
            };
            let block_type = order.u32(*block_type);
            let length = order.u32(*length);
            self.check_length(length).map_err(damaged)?;
            let Some(block) = rest.get(..length as usize) else {
                return Ok(Walked {
                    consumed: at,
                    need: length as usize,
                });
            };
            let trailer = block.last_chunk::<4>().map(|bytes| order.u32(*bytes));
            if trailer != Some(length) {
                return Err(damaged(format!(
                    "a block of {length} bytes whose last field says {} bytes",
                    trailer.unwrap_or(0)
                )));
            }
            // Between the two fields at either end.
            let body = block
                .get(8..block.len().saturating_sub(4))
                .unwrap_or_default();
            match block_type {
                EPB_MAGIC => self.packet(Packet::enhanced(order, body), at, chunk),
                SPB_MAGIC => self.simple(body, at, chunk),
                PB_MAGIC => self.packet(Packet::obsolete(order, body), at, chunk),
                IDB_MAGIC => self.interface(block),
                SHB_MAGIC => self.section(order, body, chunk.records.len()),
                _ => Ok(()),
            }
            .map_err(damaged)?;
            at += block.len();
        }
    }

    fn check_length(&self, length: u32) -> Result<(), String> {
        if length < 12 {
            Err(format!(
                "a block length of {length} bytes, less than the 12 of an empty block"
            ))
        } else if !length.is_multiple_of(4) {
            Err(format!(
                "a block length of {length} bytes, not a multiple of 4"
            ))
        } else if length > self.max_block {
            Err(format!(
                "a block length of {length} bytes, more than the {} that are possible here",
                self.max_block
            ))
        } else {
            Ok(())
        }
    }

    /// A new section: nothing of the last one counts any more. Its own length is not believed,
    /// because writers are known to get it wrong and nothing depends on it.
    fn section(&mut self, order: Order, body: &[u8], records: usize) -> Result<(), String> {
        let Some([_, _, major, minor]) = order.u16s(body) else {
            return Err("a section header block without a version".into());
        };
        // Some writers called 1.0 so; there never was a 1.1.
        if !matches!((major, minor), (1, 0 | 2)) {
            return Err(format!(
                "pcapng version {major}.{minor} is unknown; versions 1.0 and 1.2 can be read"
            ));
        }
        self.order = order;
        let ended = std::mem::take(&mut self.interfaces);
        if records > self.ended.last().map_or(0, |(records, _)| *records) {
            self.ended.push((records, ended));
        }
        self.sections = self.sections.saturating_add(1);
        self.text_left = MAX_TEXT;
        self.max_block = MAX_BLOCK;
        Ok(())
    }

    fn interface(&mut self, block: &[u8]) -> Result<(), String> {
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(format!(
                "a section with more than {MAX_INTERFACES} interfaces"
            ));
        }
        let parsed = match self.order {
            Order::Little => parse_interfacedescriptionblock_le(block),
            Order::Big => parse_interfacedescriptionblock_be(block),
        };
        let Ok((_, description)) = parsed else {
            return Err(format!(
                "an interface description block of {} bytes, less than its 20",
                block.len()
            ));
        };
        let interface = self.describe(&description);
        let limit = max_captured(interface.link_type.0, 0);
        if limit == MAX_TRANSFER {
            self.max_block = MAX_TRANSFER + MAX_BLOCK_OVERHEAD;
        }
        Arc::make_mut(&mut self.interfaces).push(interface);
        Ok(())
    }

    fn describe(&mut self, block: &InterfaceDescriptionBlock<'_>) -> Interface {
        let link_type = LinkType(u16::try_from(block.linktype.0).unwrap_or(u16::MAX));
        let mut interface = Interface {
            snaplen: block.snaplen,
            resolution: Resolution::MICRO,
            section: self.sections.saturating_sub(1),
            ..Interface::new(link_type)
        };
        // The options are read one by one because `pcap-parser` takes a time offset for
        // little-endian whatever the section's byte order is.
        for option in &block.options {
            match option.code {
                OptionCode::EndOfOpt => break,
                OptionCode::IfName => interface.name = self.text(option),
                OptionCode::IfDescription => interface.description = self.text(option),
                OptionCode::IfTsresol => {
                    if let Some([resolution]) = exactly::<1>(option) {
                        interface.resolution = match resolution & 0x7f {
                            exponent if resolution & 0x80 == 0 => Resolution::Decimal(exponent),
                            exponent => Resolution::Binary(exponent),
                        };
                    }
                }
                OptionCode::IfTsoffset => {
                    if let Some(offset) = exactly::<8>(option) {
                        interface.time_offset = self.order.i64(offset);
                    }
                }
                _ => {}
            }
        }
        interface
    }

    /// The text of an option, as long as the section's budget allows.
    fn text(&mut self, option: &PcapNGOption<'_>) -> Option<String> {
        let bytes = option.as_bytes().ok()?;
        self.text_left = self.text_left.checked_sub(bytes.len())?;
        let text = String::from_utf8_lossy(bytes);
        Some(text.trim_end_matches('\0').to_owned())
    }

    /// A frame of an enhanced or an obsolete packet block.
    fn packet(
        &mut self,
        packet: Result<Packet<'_>, String>,
        at: usize,
        chunk: &mut Chunk,
    ) -> Result<(), String> {
        let packet = packet?;
        let Some(interface) = self.interfaces.get(packet.interface as usize) else {
            return Err(self.unknown_interface(packet.interface));
        };
        let ticks = u64::from(packet.ticks_high) << 32 | u64::from(packet.ticks_low);
        let time = interface.resolution.time(ticks, interface.time_offset);
        let mut record = Record::new(
            at + 28,
            packet.captured,
            packet.wire_len,
            interface.link_type,
        )
        .time(time)
        .interface(packet.interface);
        let mut comments = Vec::new();
        if !packet.options.is_empty() {
            for (code, value) in options(self.order, packet.options) {
                let Some(value) = value else {
                    self.oddities.option(chunk, at);
                    break;
                };
                match (code, <[u8; 4]>::try_from(value)) {
                    (OPT_COMMENT, _) if comments.len() < MAX_COMMENTS => {
                        comments.push(String::from_utf8_lossy(value).into_owned());
                    }
                    (OPT_EPB_FLAGS, Ok(flags)) => {
                        let flags = self.order.u32(flags);
                        record = record.direction(direction(flags)).offload(offload(flags));
                    }
                    _ => {}
                }
            }
        }
        let snaplen = interface.snaplen;
        self.oddities
            .check(chunk, at, packet.captured, packet.wire_len, snaplen);
        chunk.push(record, comments);
        Ok(())
    }

    /// A simple packet block: no time, and as many bytes as interface 0's snaplen leaves.
    fn simple(&mut self, body: &[u8], at: usize, chunk: &mut Chunk) -> Result<(), String> {
        let Some((wire_len, data)) = body.split_first_chunk() else {
            return Err("a simple packet block without a length".into());
        };
        let wire_len = self.order.u32(*wire_len);
        let Some(interface) = self.interfaces.first() else {
            return Err(self.unknown_interface(0));
        };
        let captured = match interface.snaplen {
            0 => wire_len,
            snaplen => wire_len.min(snaplen),
        };
        if captured as usize > data.len() {
            return Err(short("a simple packet block", captured, data.len()));
        }
        let record = Record::new(at + 12, captured, wire_len, interface.link_type).interface(0);
        chunk.push(record, Vec::new());
        Ok(())
    }

    fn unknown_interface(&self, index: u32) -> String {
        match self.interfaces.len() {
            0 => format!("a packet of interface {index} before any interface is described"),
            1 => format!("a packet of interface {index}, but only interface 0 is described"),
            n => format!(
                "a packet of interface {index}, but only 0 to {} are described",
                n - 1
            ),
        }
    }

    /// What is missing when the input ends in this many bytes, fewer than a block.
    pub(super) fn cut(rest: usize, need: usize) -> String {
        if rest < 12 {
            format!("the file ends inside a block header: 12 bytes expected, {rest} are there")
        } else {
            format!("the file ends inside a block: {need} bytes expected, {rest} are there")
        }
    }
}

/// What enhanced and obsolete packet blocks have in common.
struct Packet<'a> {
    interface: u32,
    ticks_high: u32,
    ticks_low: u32,
    captured: u32,
    wire_len: u32,
    options: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Section 4.3 of the draft.
    #[inline]
    fn enhanced(order: Order, body: &'a [u8]) -> Result<Self, String> {
        Self::new(order, body, "an enhanced packet block")
    }

    /// Section 4.4 of earlier drafts: a 16-bit interface and a count of drops, else alike.
    fn obsolete(order: Order, body: &'a [u8]) -> Result<Self, String> {
        let mut packet = Self::new(order, body, "a packet block")?;
        packet.interface = order.u16s(body).map_or(0, |[interface]| interface.into());
        Ok(packet)
    }

    #[inline]
    fn new(order: Order, body: &'a [u8], kind: &str) -> Result<Self, String> {
        let fields = order.u32s(body).zip(body.get(20..));
        let Some(([interface, ticks_high, ticks_low, captured, wire_len], data)) = fields else {
            return Err(format!("{kind} without its fixed fields"));
        };
        let Some(after) = data.get(captured as usize..) else {
            return Err(short(kind, captured, data.len()));
        };
        // The block's length is a multiple of four, and so is where its data begins.
        let padding = captured.wrapping_neg() % 4;
        Ok(Self {
            interface,
            ticks_high,
            ticks_low,
            captured,
            wire_len,
            options: after.get(padding as usize..).unwrap_or_default(),
        })
    }
}

fn short(kind: &str, captured: u32, room: usize) -> String {
    format!("a captured length of {captured} bytes in {kind} with room for {room}")
}

/// The byte order of a section, from its byte-order magic.
fn byte_order(magic: [u8; 4]) -> Result<Order, String> {
    if u32::from_le_bytes(magic) == BOM_MAGIC {
        Ok(Order::Little)
    } else if u32::from_be_bytes(magic) == BOM_MAGIC {
        Ok(Order::Big)
    } else {
        let [a, b, c, d] = magic;
        Err(format!(
            "a section header block whose byte-order magic is {a:02x} {b:02x} {c:02x} {d:02x}"
        ))
    }
}

fn direction(flags: u32) -> Option<Direction> {
    match flags & flag::DIRECTION {
        flag::IN => Some(Direction::In),
        flag::OUT => Some(Direction::Out),
        _ => None,
    }
}

fn offload(flags: u32) -> Offload {
    Offload {
        checksum_not_ready: flags & flag::CHECKSUM_NOT_READY != 0,
        checksum_valid: flags & flag::CHECKSUM_VALID != 0,
        segmentation: flags & flag::SEGMENTATION != 0,
    }
}

/// The options of a packet block, up to the end mark or the first one that does not fit, which
/// has no value: damage in them never costs the frame.
fn options(order: Order, bytes: &[u8]) -> impl Iterator<Item = (u16, Option<&[u8]>)> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let ([c0, c1, l0, l1], after) = rest.split_first_chunk::<4>()?;
        let code = order.u16([*c0, *c1]);
        let length = usize::from(order.u16([*l0, *l1]));
        if code == 0 {
            return None;
        }
        let value = after.get(..length);
        rest = after.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((code, value))
    })
}

/// The value of an option that has exactly this many bytes.
fn exactly<const N: usize>(option: &PcapNGOption<'_>) -> Option<[u8; N]> {
    option.as_bytes().ok()?.try_into().ok()
}
