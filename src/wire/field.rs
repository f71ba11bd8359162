//! One description, many outputs: what a field is, and the visitor that every output is made of.
//!
//! A protocol file says once, by visiting, what its fields are. It must not know who listens:
//! a line, a table, NDJSON and a header diagram all hear the same words. Everything here is
//! borrowed and lazy, so that what a listener ignores costs nothing.

use std::fmt::{self, Display};

/// Where a field lies: bits counted from the first bit of its layer, most significant first,
/// as the RFCs draw them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bits {
    /// First bit.
    pub start: u32,
    /// Number of bits; 0 for what is derived and not carried (`checksum_ok`).
    pub len: u32,
}

impl Bits {
    /// Derived, not carried.
    pub const NONE: Self = Self { start: 0, len: 0 };
}

/// `len` bits from bit `start` of the layer.
#[must_use]
pub const fn bits(start: u32, len: u32) -> Bits {
    Bits { start, len }
}

/// `len` bytes from byte `start` of the layer, as bits. Positions inside one frame fit easily;
/// absurd ones saturate.
#[must_use]
pub fn bytes(start: usize, len: usize) -> Bits {
    let bits = |bytes: usize| u32::try_from(bytes.saturating_mul(8)).unwrap_or(u32::MAX);
    Bits {
        start: bits(start),
        len: bits(len),
    }
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A number people read in decimal.
    Number(u64),
    /// A number people read in hexadecimal, with this many digits; still a number in NDJSON.
    Hex(u64, u8),
    /// A signed number.
    Signed(i64),
    /// A flag.
    Bool(bool),
    /// An IPv4 address.
    Ipv4([u8; 4]),
    /// An IPv6 address.
    Ipv6([u8; 16]),
    /// A MAC address.
    Mac([u8; 6]),
    /// Bytes with no further meaning.
    Bytes(&'a [u8]),
    /// Text as it came off the wire: any bytes at all, to be escaped by whoever shows it.
    Text(&'a [u8]),
    /// Known to be unknown: a checksum that cannot be judged.
    Unknown,
}

/// How the one-line summary uses a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brief {
    /// Not at all.
    Hidden,
    /// The sender's address.
    Source,
    /// The receiver's address.
    Destination,
    /// The sender's port, joined to the address before it.
    SourcePort,
    /// The receiver's port.
    DestinationPort,
    /// The name of what is inside, used when no layer follows that says it better.
    Inside,
    /// These words, then the value.
    Value(&'static str),
    /// These words, then the meaning instead of the value.
    Meaning(&'static str),
}

/// One field of one layer.
#[derive(Clone, Copy)]
pub struct Field<'a> {
    /// The RFC's word in `snake_case`: NDJSON key and CSV column. Empty inside a list.
    pub name: &'static str,
    /// What a person reads.
    pub label: &'static str,
    /// Where it lies.
    pub bits: Bits,
    /// What it holds.
    pub value: Value<'a>,
    /// What that means, if more than the value says.
    pub meaning: Option<&'a dyn Display>,
    /// How the one-line summary uses it.
    pub brief: Brief,
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} = {:?}", self.name, self.bits, self.value)?;
        self.meaning
            .map_or(Ok(()), |meaning| write!(f, " ({meaning})"))
    }
}

impl<'a> Field<'a> {
    /// A field with a value and nothing else to say.
    #[inline]
    #[must_use]
    pub const fn new(
        name: &'static str,
        label: &'static str,
        bits: Bits,
        value: Value<'a>,
    ) -> Self {
        Self {
            name,
            label,
            bits,
            value,
            meaning: None,
            brief: Brief::Hidden,
        }
    }

    /// A decimal number.
    #[inline]
    #[must_use]
    pub fn number(
        name: &'static str,
        label: &'static str,
        bits: Bits,
        value: impl Into<u64>,
    ) -> Self {
        Self::new(name, label, bits, Value::Number(value.into()))
    }

    /// A number shown in hexadecimal, with as many digits as its bits need.
    #[inline]
    #[must_use]
    pub fn hex(name: &'static str, label: &'static str, bits: Bits, value: impl Into<u64>) -> Self {
        let digits = bits.len.div_ceil(4).min(16) as u8;
        Self::new(name, label, bits, Value::Hex(value.into(), digits))
    }

    /// A flag.
    #[inline]
    #[must_use]
    pub const fn flag(name: &'static str, label: &'static str, bits: Bits, value: bool) -> Self {
        Self::new(name, label, bits, Value::Bool(value))
    }

    /// An IPv4 address.
    #[inline]
    #[must_use]
    pub const fn ipv4(name: &'static str, label: &'static str, bits: Bits, value: [u8; 4]) -> Self {
        Self::new(name, label, bits, Value::Ipv4(value))
    }

    /// A MAC address.
    #[inline]
    #[must_use]
    pub const fn mac(name: &'static str, label: &'static str, bits: Bits, value: [u8; 6]) -> Self {
        Self::new(name, label, bits, Value::Mac(value))
    }

    /// Bytes without further meaning.
    #[inline]
    #[must_use]
    pub const fn bytes(
        name: &'static str,
        label: &'static str,
        bits: Bits,
        value: &'a [u8],
    ) -> Self {
        Self::new(name, label, bits, Value::Bytes(value))
    }

    /// The same field with a meaning beside its value.
    #[inline]
    #[must_use]
    pub const fn meaning(mut self, meaning: &'a dyn Display) -> Self {
        self.meaning = Some(meaning);
        self
    }

    /// The same field, used so in the one-line summary.
    #[inline]
    #[must_use]
    pub const fn brief(mut self, brief: Brief) -> Self {
        self.brief = brief;
        self
    }
}

/// How the fields between an `open` and its `close` belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Named fields: `"flags":{"df":true}`.
    Object,
    /// Values or items in a row: `"options":[...]`; what is inside has no names of its own.
    List,
    /// One entry of a list that has named fields.
    Item,
    /// An object that holds the layers of a datagram an ICMP error quotes.
    Quote,
}

/// A group of fields: flags, options, one option.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// Key, empty for an item.
    pub name: &'static str,
    /// What a person reads.
    pub label: &'static str,
    /// Where the whole group lies.
    pub bits: Bits,
    /// How its fields belong together.
    pub shape: Shape,
}

/// The head of one layer.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// Which protocol.
    pub protocol: super::packet::Protocol,
    /// First byte of the layer within the frame.
    pub start: u32,
    /// Bytes of its header that were captured.
    pub len: u32,
    /// 0 for what the frame carries, 1 for what an ICMP error in it quotes, and so on.
    pub depth: u8,
}

/// Who listens to a description. A visitor may be called with any fields in any order; it must
/// not expect a protocol to send a particular one.
pub trait Visitor {
    /// A layer begins. Answer false to skip its fields; `end_layer` comes all the same.
    fn layer(&mut self, head: Head) -> bool;
    /// A field of the innermost open layer or group.
    fn field(&mut self, field: Field<'_>);
    /// A group begins.
    fn open(&mut self, group: Group);
    /// The innermost group ends; it had this shape.
    fn close(&mut self, shape: Shape);
    /// The innermost layer ends.
    fn end_layer(&mut self);
    /// Words for the one-line summary alone, where no single field says it: TCP's flags in a
    /// row. Who does not write a line need not listen.
    #[inline]
    fn say(&mut self, words: &dyn Display) {
        let _ = words;
    }

    /// A group of named fields.
    #[inline]
    fn object(
        &mut self,
        name: &'static str,
        label: &'static str,
        bits: Bits,
        fields: impl FnOnce(&mut Self),
    ) where
        Self: Sized,
    {
        self.open(Group {
            name,
            label,
            bits,
            shape: Shape::Object,
        });
        fields(self);
        self.close(Shape::Object);
    }

    /// A list of values or items.
    #[inline]
    fn list(
        &mut self,
        name: &'static str,
        label: &'static str,
        bits: Bits,
        items: impl FnOnce(&mut Self),
    ) where
        Self: Sized,
    {
        self.open(Group {
            name,
            label,
            bits,
            shape: Shape::List,
        });
        items(self);
        self.close(Shape::List);
    }

    /// One entry of a list, with named fields; `label` is what a person reads as its title.
    #[inline]
    fn item(&mut self, label: &'static str, bits: Bits, fields: impl FnOnce(&mut Self))
    where
        Self: Sized,
    {
        self.open(Group {
            name: "",
            label,
            bits,
            shape: Shape::Item,
        });
        fields(self);
        self.close(Shape::Item);
    }
}

/// Reads big-endian values out of a header that may end anywhere.
#[derive(Debug, Clone, Copy)]
pub struct Lens<'a>(pub &'a [u8]);

impl<'a> Lens<'a> {
    /// The byte at `at`.
    #[inline]
    #[must_use]
    pub fn u8(self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    /// Two bytes from `at`, most significant first.
    #[inline]
    #[must_use]
    pub fn u16(self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_be_bytes)
    }

    /// Four bytes from `at`, most significant first.
    #[inline]
    #[must_use]
    pub fn u32(self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_be_bytes)
    }

    /// Eight bytes from `at`, most significant first.
    #[inline]
    #[must_use]
    pub fn u64(self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_be_bytes)
    }

    /// `N` bytes from `at`.
    #[inline]
    #[must_use]
    pub fn array<const N: usize>(self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..)?.first_chunk().copied()
    }

    /// The bytes from `start` up to `end`, or as many of them as there are.
    #[inline]
    #[must_use]
    pub fn slice(self, start: usize, end: usize) -> &'a [u8] {
        let end = end.min(self.0.len());
        self.0.get(start..end).unwrap_or_default()
    }
}

/// A length that a header claims, beside what there is.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Bytes that the header claims.
    pub claimed: u32,
    /// Bytes that there are by the word of the layers above.
    pub present: u32,
}

impl Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.present.checked_sub(self.claimed) {
            None => {
                let missing = self.claimed.saturating_sub(self.present);
                write!(f, "{missing} more than there is")
            }
            Some(0) => f.write_str("bytes"),
            Some(behind) => write!(f, "bytes, {behind} behind it"),
        }
    }
}

/// A meaning that may be missing: the name, or nothing but the words `unknown`.
#[derive(Debug, Clone, Copy)]
pub struct Name(pub Option<&'static str>);

impl Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.unwrap_or("unknown"))
    }
}
