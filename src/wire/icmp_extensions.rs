//! What may follow the quote in an ICMP error: the extension structure of RFC 4884 and its
//! objects (RFC 4950, RFC 5837, RFC 8335, RFC 8883).
//!
//! Knows the structure and how to find it; the message around it is ICMP's business.

mod interface;
mod reading;

use super::anomaly::Anomaly;
use super::checksum::{Sum, Unjudged, Verdict};
use super::field::{Brief, Field, Lens, Name, Value, Visitor, bits, bytes};
use super::packet::{Region, View, Walk};

pub use reading::{Extensions, Interface, Label, Role, read};

/// What stands before the quote.
const ICMP_HEADER: usize = 8;
/// Version, reserved bits, checksum.
const HEADER: usize = 4;
/// Length, class, class type.
const OBJECT: usize = 4;
/// Where implementations older than RFC 4884 put the structure, and the shortest quote that may
/// stand before one, in 32-bit words.
const LEAST_WORDS: u8 = 32;
/// The only version there is.
const VERSION: u8 = 2;

// Classes, by IANA's icmp-parameters-ext-classes.
const MPLS: u8 = 1;
const INTERFACE_INFORMATION: u8 = 2;
const INTERFACE_IDENTIFICATION: u8 = 3;
const EXTENDED_INFORMATION: u8 = 4;
const NODE_IDENTIFICATION: u8 = 5;

/// Where the extension structure of a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// There is none.
    Absent,
    /// At this byte of the message.
    At(usize),
    /// The length of the quote leaves no room for one.
    Lying,
}

/// Finds the structure in an error that may have one: by the length of the quote, or with no
/// length by its looks where older routers put it (RFC 4884 section 5.5). `message` is what was
/// captured from the ICMP header on, `promised_len` what there should be.
pub(super) fn place(message: &[u8], promised_len: usize) -> Place {
    let Some(&words) = message.get(5) else {
        return Place::Absent;
    };
    let at = ICMP_HEADER + usize::from(words) * 4;
    let old = ICMP_HEADER + usize::from(LEAST_WORDS) * 4;
    if words == 0 {
        return if is_believable(message, old, promised_len) {
            Place::At(old)
        } else {
            Place::Absent
        };
    }
    if at == promised_len {
        return Place::Absent;
    }
    if at + HEADER > promised_len {
        return Place::Lying;
    }
    if too_few_words(words) && message.get(at).is_some_and(|first| first >> 4 != VERSION) {
        return if is_believable(message, old, promised_len) {
            Place::At(old)
        } else {
            Place::Lying
        };
    }
    Place::At(at)
}

/// Where a structure of one object that begins at byte `at` ends. An extended echo request has
/// exactly one (RFC 8335 section 2), and some senders put data of their own behind it.
pub(super) fn end_of_one(message: Lens<'_>, at: usize) -> Option<usize> {
    message
        .u16(at + HEADER)
        .map(usize::from)
        .filter(|&len| len >= OBJECT)
        .map(|len| at + HEADER + len)
}

/// Whether a length is given, but one shorter than the 128 bytes that RFC 4884 section 3 asks
/// for.
pub(super) fn too_few_words(words: u8) -> bool {
    words != 0 && words < LEAST_WORDS
}

/// Whether what stands at `at` looks so much like the structure that it must be one.
fn is_believable(message: &[u8], at: usize, promised_len: usize) -> bool {
    let structure = Lens(message.get(at..).unwrap_or_default());
    message.len() == promised_len
        && structure.0.len() >= HEADER + OBJECT
        && structure.u8(0).is_some_and(|first| first >> 4 == VERSION)
        && structure.u16(2).is_some_and(|checksum| checksum != 0)
        && Sum::new().with(structure.0).fold() == 0xffff
}

/// One object of a structure.
#[derive(Clone, Copy)]
struct Object<'a> {
    /// First byte, counted from the structure's first.
    at: usize,
    /// The object with its header, or as much of it as was captured.
    bytes: &'a [u8],
    /// Whether its length is possible.
    sound: bool,
}

/// The objects in order, up to the first whose length leads nowhere; `promised_len` is what the
/// whole structure should have.
fn objects(structure: &[u8], promised_len: usize) -> impl Iterator<Item = Object<'_>> {
    let mut at = HEADER;
    std::iter::from_fn(move || {
        let rest = structure.get(at..).filter(|rest| !rest.is_empty())?;
        let room = promised_len.saturating_sub(at);
        let claimed = Lens(rest).u16(0).map(usize::from);
        let sound = match claimed {
            Some(len) => (OBJECT..=room).contains(&len),
            None => room >= OBJECT,
        };
        let len = claimed
            .filter(|_| sound)
            .unwrap_or(rest.len())
            .min(rest.len());
        let object = Object {
            at,
            bytes: rest.get(..len)?,
            sound,
        };
        at += len;
        Some(object)
    })
}

/// Everything odd about a structure; `whole` where all of it was captured.
pub(super) fn judge(walk: &mut Walk<'_>, region: Region, promised_len: usize, whole: bool) {
    let structure = walk.bytes(region);
    let lens = Lens(structure);
    let Some(first) = lens.u8(0) else { return };
    if first >> 4 != VERSION {
        walk.anomaly(Anomaly::Icmpv4ExtensionVersion);
        return;
    }
    if whole && verdict(structure).ok() == Some(false) {
        walk.anomaly(Anomaly::Icmpv4ExtensionChecksum);
    }
    if promised_len < HEADER || objects(structure, promised_len).any(|object| !object.sound) {
        walk.anomaly(Anomaly::Icmpv4ExtensionLength);
    }
}

/// The verdict on a structure that is all there; zero says that the sender left it out.
fn verdict(structure: &[u8]) -> Verdict {
    match Lens(structure).u16(2) {
        None => Verdict::None,
        Some(0) => Verdict::Absent,
        Some(carried) => Sum::new().with(structure).verdict(carried),
    }
}

/// Describes the structure from byte `at` of the message to byte `promised_end`, or as much of
/// it as was captured, as the object `extensions`.
pub(super) fn fields<V: Visitor>(view: &View<'_>, at: usize, promised_end: usize, v: &mut V) {
    let structure = Lens(view.all()).slice(at, promised_end);
    if structure.is_empty() {
        return;
    }
    // A first fragment cannot say how long the whole message is.
    let promised_len = match view.layer.checksum {
        Verdict::Unknown(Unjudged::Fragment) => usize::MAX,
        _ => promised_end.saturating_sub(at),
    };
    // Where ICMP's own checksum could be judged, all of this one's bytes are there too.
    let verdict = match view.layer.checksum {
        Verdict::Good | Verdict::Bad { .. } => verdict(structure),
        other => other,
    };
    v.object(
        "extensions",
        "Extensions",
        bytes(at, structure.len()),
        |v| {
            describe(structure, promised_len, verdict, at, v);
        },
    );
}

fn describe<V: Visitor>(
    structure: &[u8],
    promised_len: usize,
    verdict: Verdict,
    at: usize,
    v: &mut V,
) {
    let lens = Lens(structure);
    let start = bytes(at, 0).start;
    let Some(first) = lens.u8(0) else { return };
    v.field(Field::number(
        "version",
        "Version",
        bits(start, 4),
        first >> 4,
    ));
    let Some(word) = lens.u16(0) else { return };
    v.field(Field::number(
        "reserved",
        "Reserved",
        bits(start + 4, 12),
        word & 0x0fff,
    ));
    let Some(checksum) = lens.u16(2) else { return };
    v.field(Field::hex(
        "checksum",
        "Checksum",
        bytes(at + 2, 2),
        checksum,
    ));
    let ok = verdict.ok().map_or(Value::Unknown, Value::Bool);
    v.field(Field::new("checksum_ok", "Checksum", bits(0, 0), ok).meaning(&verdict));
    if first >> 4 != VERSION {
        let data = lens.slice(HEADER, usize::MAX);
        if !data.is_empty() {
            let place = bytes(at + HEADER, data.len());
            v.field(Field::bytes("data", "Data", place, data));
        }
        return;
    }
    let len = structure.len() - HEADER;
    v.list("objects", "Objects", bytes(at + HEADER, len), |v| {
        for object in objects(structure, promised_len) {
            let class = object.bytes.get(2).copied();
            let label = class.and_then(class_name).unwrap_or("Object");
            let at = at + object.at;
            v.item(label, bytes(at, object.bytes.len()), |v| {
                describe_object(&object, at, v);
            });
        }
    });
}

const fn class_name(class: u8) -> Option<&'static str> {
    Some(match class {
        MPLS => "MPLS label stack",
        INTERFACE_INFORMATION => "Interface information",
        INTERFACE_IDENTIFICATION => "Interface identification",
        EXTENDED_INFORMATION => "Extended information",
        NODE_IDENTIFICATION => "Node identification",
        247.. => "Private use",
        _ => return None,
    })
}

fn describe_object<V: Visitor>(object: &Object<'_>, at: usize, v: &mut V) {
    let lens = Lens(object.bytes);
    let Some(length) = lens.u16(0) else { return };
    let field = Field::number("length", "Length", bytes(at, 2), length);
    v.field(if object.sound {
        field
    } else {
        field.meaning(&"impossible here")
    });
    let Some(class) = lens.u8(2) else { return };
    v.field(
        Field::number("class", "Class", bytes(at + 2, 1), class).meaning(&Name(class_name(class))),
    );
    let Some(c_type) = lens.u8(3) else { return };
    let field = Field::number("c_type", "Class type", bytes(at + 3, 1), c_type);
    v.field(match (class, c_type) {
        (MPLS, 1) => field.meaning(&"incoming label stack"),
        (INTERFACE_IDENTIFICATION, 1) => field.meaning(&"by name"),
        (INTERFACE_IDENTIFICATION, 2) => field.meaning(&"by index"),
        (INTERFACE_IDENTIFICATION, 3) => field.meaning(&"by address"),
        (EXTENDED_INFORMATION, 1) => field.meaning(&"pointer"),
        _ => field,
    });
    if !object.sound {
        leftover(lens, OBJECT, at, v);
        return;
    }
    let described = match (class, c_type) {
        (MPLS, 1) => label_stack(object.bytes, at, v),
        (INTERFACE_INFORMATION, _) => interface::information(object.bytes, c_type, at, v),
        (INTERFACE_IDENTIFICATION, _) => interface::identification(object.bytes, c_type, at, v),
        (NODE_IDENTIFICATION, _) => interface::node(object.bytes, c_type, at, v),
        (EXTENDED_INFORMATION, 1) => match lens.u32(OBJECT) {
            Some(pointer) => {
                let place = bytes(at + OBJECT, 4);
                v.field(Field::number("pointer", "Pointer", place, pointer));
                OBJECT + 4
            }
            None => OBJECT,
        },
        _ => OBJECT,
    };
    leftover(lens, described, at, v);
}

/// What of an object has no description of its own.
fn leftover<V: Visitor>(lens: Lens<'_>, described: usize, at: usize, v: &mut V) {
    let data = lens.slice(described, usize::MAX);
    if !data.is_empty() {
        let place = bytes(at + described, data.len());
        v.field(Field::bytes("data", "Data", place, data));
    }
}

/// RFC 4950 section 3: the labels the datagram arrived with, top first. Answers how many bytes
/// of the object it has described.
fn label_stack<V: Visitor>(object: &[u8], at: usize, v: &mut V) -> usize {
    let stack = object.get(OBJECT..).unwrap_or_default().as_chunks().0;
    let len = stack.len() * 4;
    v.list("mpls", "Label stack", bytes(at + OBJECT, len), |v| {
        for (index, &entry) in stack.iter().enumerate() {
            let word = u32::from_be_bytes(entry);
            let place = bytes(at + OBJECT + index * 4, 4);
            let start = place.start;
            v.item("Label stack entry", place, |v| {
                let label = Field::number("label", "Label", bits(start, 20), word >> 12);
                v.field(label.brief(Brief::Value("mpls ")));
                v.field(Field::number(
                    "tc",
                    "Traffic class",
                    bits(start + 20, 3),
                    word >> 9 & 7,
                ));
                v.field(Field::flag(
                    "bottom",
                    "Bottom of stack",
                    bits(start + 23, 1),
                    word & 0x100 != 0,
                ));
                v.field(Field::number(
                    "ttl",
                    "Time to live",
                    bits(start + 24, 8),
                    word & 0xff,
                ));
            });
        }
    });
    OBJECT + len
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that reads what is not there has found something"
)]
mod tests;
