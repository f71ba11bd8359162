//! Options that routers write into: record route, the two source routes and the Internet
//! timestamp (RFC 791 section 3.1).
//!
//! Pointers count from 1 at the type byte, as the RFC counts them; positions in the code count
//! from 0.

use std::fmt::{self, Display};

use super::{
    Entry, LOOSE_SOURCE_ROUTE, RECORD_ROUTE, STRICT_SOURCE_ROUTE, TIMESTAMP, bytes, within,
};
use crate::wire::field::{Brief, Field, Lens, Visitor};

/// Type, length, pointer.
const ROUTE: usize = 3;
/// Type, length, pointer, overflow and flag.
const STAMPS: usize = 4;

/// What a timestamp option collects, by its flag.
const STAMPS_ONLY: u8 = 0;
const WITH_ADDRESSES: u8 = 1;
const PRESPECIFIED: u8 = 3;

/// Where the slots of an option begin and how long each is; `None` where that cannot be told.
fn slots(entry: &Entry<'_>) -> Option<(usize, usize)> {
    match entry.kind {
        RECORD_ROUTE | LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => Some((ROUTE, 4)),
        TIMESTAMP => match Lens(entry.bytes).u8(3)? & 0x0f {
            STAMPS_ONLY => Some((STAMPS, 4)),
            WITH_ADDRESSES | PRESPECIFIED => Some((STAMPS, 8)),
            _ => None,
        },
        _ => None,
    }
}

/// Whether the data is a whole number of slots.
pub(super) fn length_fits(entry: &Entry<'_>) -> bool {
    let least = if entry.kind == TIMESTAMP {
        STAMPS
    } else {
        ROUTE
    };
    let len = entry.bytes.len();
    len >= least && slots(entry).is_none_or(|(first, slot)| (len - first).is_multiple_of(slot))
}

/// Whether the pointer of an option that has one points at a slot, or behind the last.
pub(super) fn pointer_fits(entry: &Entry<'_>) -> bool {
    let Some((first, slot)) = slots(entry) else {
        return true;
    };
    let Some(pointer) = Lens(entry.bytes).u8(2).map(usize::from) else {
        return true;
    };
    match pointer.checked_sub(first + 1) {
        None => false,
        Some(past) => pointer > entry.bytes.len() || past.is_multiple_of(slot),
    }
}

/// The last address of a source route whose pointer is still inside it.
pub(super) fn last_stop(option: &[u8]) -> Option<[u8; 4]> {
    let (pointer, length) = (*option.get(2)?, *option.get(1)?);
    let data = option.get(ROUTE..)?;
    if pointer > length || usize::from(length) > option.len() {
        return None;
    }
    data.as_chunks().0.last().copied()
}

/// Record route and source routes. Answers how many bytes of the option it has described, as do
/// the functions below.
pub(super) fn route<V: Visitor>(entry: &Entry<'_>, at: usize, v: &mut V) -> usize {
    let Some(pointer) = Lens(entry.bytes).u8(2) else {
        return 2;
    };
    let recording = entry.kind == RECORD_ROUTE;
    let len = entry.bytes.len();
    v.field(
        Field::number("pointer", "Pointer", bytes(at + 2, 1), pointer).meaning(&Pointer {
            to: pointer.into(),
            first: ROUTE,
            slot: 4,
            len,
            full: if recording {
                "full"
            } else {
                "the route is used up"
            },
        }),
    );
    let slots = entry.bytes.get(ROUTE..).unwrap_or_default().as_chunks().0;
    let end = ROUTE + slots.len() * 4;
    let words = match entry.kind {
        RECORD_ROUTE => "recorded ",
        LOOSE_SOURCE_ROUTE => "loose route ",
        _ => "strict route ",
    };
    v.list("addresses", "Addresses", bytes(at + 3, end - ROUTE), |v| {
        for (index, &address) in slots.iter().enumerate() {
            let offset = ROUTE + index * 4;
            let slot = Slot::new(offset, pointer, recording);
            let shown = !recording || slot == Slot::Written;
            v.field(
                Field::ipv4("", "Address", bytes(at + offset, 4), address)
                    .meaning(&slot)
                    .brief(match (shown, index) {
                        (false, _) => Brief::Hidden,
                        (true, 0) => Brief::Value(words),
                        (true, _) => Brief::Value(""),
                    }),
            );
        }
    });
    end
}

/// A bare list of addresses (selective directed broadcast, RFC 1770).
pub(super) fn addresses<V: Visitor>(option: &[u8], at: usize, v: &mut V) -> usize {
    let slots = option.get(2..).unwrap_or_default().as_chunks().0;
    let len = slots.len() * 4;
    v.list("addresses", "Addresses", bytes(at + 2, len), |v| {
        for (index, &address) in slots.iter().enumerate() {
            v.field(Field::ipv4(
                "",
                "Address",
                bytes(at + 2 + index * 4, 4),
                address,
            ));
        }
    });
    2 + len
}

/// The Internet timestamp.
pub(super) fn timestamps<V: Visitor>(option: &[u8], at: usize, v: &mut V) -> usize {
    let lens = Lens(option);
    let Some(pointer) = lens.u8(2) else { return 2 };
    let second = lens.u8(3);
    let flag = second.map(|second| second & 0x0f);
    let slot = match flag {
        Some(STAMPS_ONLY) => 4,
        _ => 8,
    };
    v.field(
        Field::number("pointer", "Pointer", bytes(at + 2, 1), pointer).meaning(&Pointer {
            to: pointer.into(),
            first: STAMPS,
            slot,
            len: option.len(),
            full: "full",
        }),
    );
    let (Some(second), Some(flag)) = (second, flag) else {
        return 3;
    };
    v.field(
        Field::number("overflow", "Overflow", within(at + 3, 0, 4), second >> 4)
            .meaning(&"hosts that found no room"),
    );
    v.field(
        Field::number("flag", "Flag", within(at + 3, 4, 4), flag).meaning(&match flag {
            STAMPS_ONLY => "timestamps only",
            WITH_ADDRESSES => "each with its address",
            PRESPECIFIED => "from the addresses given",
            _ => "unassigned",
        }),
    );
    if !matches!(flag, STAMPS_ONLY | WITH_ADDRESSES | PRESPECIFIED) {
        return STAMPS;
    }
    let data = option.get(STAMPS..).unwrap_or_default();
    let end = option.len() - data.len() % slot;
    v.list(
        "entries",
        "Entries",
        bytes(at + STAMPS, end - STAMPS),
        |v| {
            for (index, entry) in data.chunks_exact(slot).enumerate() {
                let offset = STAMPS + index * slot;
                let state = Slot::new(offset, pointer, true);
                v.item("Entry", bytes(at + offset, slot), |v| {
                    let stamp = at + offset + slot - 4;
                    if slot == 8
                        && let Some(&address) = entry.first_chunk()
                    {
                        v.field(
                            Field::ipv4("address", "Address", bytes(at + offset, 4), address)
                                .meaning(&state),
                        );
                    }
                    let Some(&time) = entry.last_chunk() else {
                        return;
                    };
                    let time = u32::from_be_bytes(time);
                    let field = Field::number("timestamp", "Timestamp", bytes(stamp, 4), time);
                    let since_midnight = SinceMidnight(time);
                    v.field(if state == Slot::Written {
                        field.meaning(&since_midnight)
                    } else {
                        field.meaning(&state)
                    });
                });
            }
        },
    );
    end
}

/// Where a pointer points.
struct Pointer {
    to: usize,
    first: usize,
    slot: usize,
    len: usize,
    full: &'static str,
}

impl Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to.checked_sub(self.first + 1) {
            None => f.write_str("points before the first slot"),
            Some(_) if self.to > self.len => f.write_str(self.full),
            Some(past) if past.is_multiple_of(self.slot) => {
                write!(f, "slot {}", past / self.slot + 1)
            }
            Some(_) => f.write_str("points into the middle of a slot"),
        }
    }
}

/// What has become of one slot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// A router has written here.
    Written,
    /// The next router writes here.
    NextFree,
    /// Not yet reached.
    Free,
    /// The source route's next stop.
    NextStop,
    /// Further stops of the source route.
    ToCome,
}

impl Slot {
    fn new(offset: usize, pointer: u8, recording: bool) -> Self {
        match ((offset + 1).cmp(&usize::from(pointer)), recording) {
            (std::cmp::Ordering::Less, _) => Self::Written,
            (std::cmp::Ordering::Equal, true) => Self::NextFree,
            (std::cmp::Ordering::Greater, true) => Self::Free,
            (std::cmp::Ordering::Equal, false) => Self::NextStop,
            (std::cmp::Ordering::Greater, false) => Self::ToCome,
        }
    }
}

impl Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Written => "recorded",
            Self::NextFree => "next to be written",
            Self::Free => "free",
            Self::NextStop => "next stop",
            Self::ToCome => "to come",
        })
    }
}

/// A time of day as RFC 791 and RFC 792 carry it: milliseconds since midnight, Universal Time,
/// or with the high bit set anything else. Some hosts send it in the wrong byte order.
pub(in crate::wire) struct SinceMidnight(pub(in crate::wire) u32);

impl Display for SinceMidnight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DAY: u32 = 86_400_000;
        let clock = |f: &mut fmt::Formatter<'_>, milliseconds: u32| {
            let seconds = milliseconds / 1000;
            write!(
                f,
                "{:02}:{:02}:{:02}.{:03} UTC",
                seconds / 3600,
                seconds / 60 % 60,
                seconds % 60,
                milliseconds % 1000
            )
        };
        if self.0 < DAY {
            return clock(f, self.0);
        }
        f.write_str(if self.0 >> 31 == 1 {
            "non-standard"
        } else {
            "not a time of day"
        })?;
        if self.0.swap_bytes() < DAY {
            f.write_str("; little-endian it would be ")?;
            clock(f, self.0.swap_bytes())?;
        }
        Ok(())
    }
}
