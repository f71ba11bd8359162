//! IPv4 options (RFC 791 section 3.1 and its successors): where each one lies, what is odd about
//! it, and what it says.
//!
//! Knows the bytes behind the fixed header and nothing of the header itself. Routes and time
//! stamps are described in `route`, security labels in `security`.

mod route;
mod security;

use std::fmt::{self, Display};

use super::anomaly::Anomaly;
use super::field::{Bits, Brief, Field, Lens, Name, Visitor, bits, bytes};
use super::packet::Walk;

pub(super) use route::SinceMidnight;

/// Where the options begin in the header.
const START: usize = 20;

// Option types by the names of IANA's ip-parameters registry.
const END_OF_LIST: u8 = 0;
const NO_OPERATION: u8 = 1;
const RECORD_ROUTE: u8 = 7;
const EXPERIMENTAL_MEASUREMENT: u8 = 10;
const MTU_PROBE: u8 = 11;
const MTU_REPLY: u8 = 12;
const ENCODE: u8 = 15;
const QUICK_START: u8 = 25;
const TIMESTAMP: u8 = 68;
const TRACEROUTE: u8 = 82;
const SECURITY: u8 = 130;
const LOOSE_SOURCE_ROUTE: u8 = 131;
const EXTENDED_SECURITY: u8 = 133;
const COMMERCIAL_SECURITY: u8 = 134;
const STREAM_ID: u8 = 136;
const STRICT_SOURCE_ROUTE: u8 = 137;
const VISA: u8 = 142;
const IMI_TRAFFIC: u8 = 144;
const EXTENDED_INTERNET: u8 = 145;
const ADDRESS_EXTENSION: u8 = 147;
const ROUTER_ALERT: u8 = 148;
const DIRECTED_BROADCAST: u8 = 149;
const PACKET_STATE: u8 = 151;
const UPSTREAM_MULTICAST: u8 = 152;
const FLOW_CONTROL: u8 = 205;

/// The registered name of an IPv4 option type (IANA ip-parameters).
#[must_use]
pub const fn name(kind: u8) -> Option<&'static str> {
    Some(match kind {
        END_OF_LIST => "End of options list",
        NO_OPERATION => "No operation",
        RECORD_ROUTE => "Record route",
        EXPERIMENTAL_MEASUREMENT => "Experimental measurement",
        MTU_PROBE => "MTU probe",
        MTU_REPLY => "MTU reply",
        ENCODE => "ENCODE",
        QUICK_START => "Quick-Start",
        // RFC 4727 section 5, one number in each class and copied or not.
        30 | 94 | 158 | 222 => "RFC 3692 experiment",
        TIMESTAMP => "Internet timestamp",
        TRACEROUTE => "Traceroute",
        SECURITY => "Security",
        LOOSE_SOURCE_ROUTE => "Loose source route",
        EXTENDED_SECURITY => "Extended security",
        COMMERCIAL_SECURITY => "Commercial security (CIPSO)",
        STREAM_ID => "Stream identifier",
        STRICT_SOURCE_ROUTE => "Strict source route",
        VISA => "Experimental access control (VISA)",
        IMI_TRAFFIC => "IMI traffic descriptor",
        EXTENDED_INTERNET => "Extended Internet protocol",
        ADDRESS_EXTENSION => "Address extension",
        ROUTER_ALERT => "Router alert",
        DIRECTED_BROADCAST => "Selective directed broadcast",
        PACKET_STATE => "Dynamic packet state",
        UPSTREAM_MULTICAST => "Upstream multicast packet",
        FLOW_CONTROL => "Experimental flow control (FINN)",
        _ => return None,
    })
}

/// Withdrawn by RFC 6814 section 3; the MTU options by RFC 1191 before it.
const fn is_deprecated(kind: u8) -> bool {
    matches!(
        kind,
        MTU_PROBE
            | MTU_REPLY
            | ENCODE
            | TRACEROUTE
            | STREAM_ID
            | VISA
            | EXTENDED_INTERNET
            | ADDRESS_EXTENSION
            | DIRECTED_BROADCAST
            | PACKET_STATE
            | UPSTREAM_MULTICAST
    )
}

/// One option as it stands in the header.
#[derive(Clone, Copy)]
struct Entry<'a> {
    /// First byte, counted from the first option.
    at: usize,
    /// Type byte: copied flag, class and number.
    kind: u8,
    /// The whole option, or as much of it as there is.
    bytes: &'a [u8],
    /// What is wrong with its length.
    fault: Option<Fault>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// A length that does not even count type and length themselves.
    Impossible,
    /// The option goes on behind the bytes there are.
    PastEnd,
}

/// The options in order, up to the end of the list or the first length that leads nowhere.
struct Entries<'a> {
    options: &'a [u8],
    at: usize,
    ended: bool,
}

impl<'a> Entries<'a> {
    fn new(options: &'a [u8]) -> Self {
        Self {
            options,
            at: 0,
            ended: false,
        }
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.ended {
            return None;
        }
        let at = self.at;
        let rest = self.options.get(at..)?;
        let (&kind, behind) = rest.split_first()?;
        let (len, fault) = if kind == END_OF_LIST || kind == NO_OPERATION {
            (1, None)
        } else {
            match behind.first().map(|&len| usize::from(len)) {
                Some(0 | 1) => (rest.len(), Some(Fault::Impossible)),
                Some(len) if len <= rest.len() => (len, None),
                _ => (rest.len(), Some(Fault::PastEnd)),
            }
        };
        self.at += len;
        self.ended = kind == END_OF_LIST || fault.is_some();
        Some(Entry {
            at,
            kind,
            bytes: rest.get(..len)?,
            fault,
        })
    }
}

/// Everything odd about the options; `whole` where all of them were captured, `later_fragment`
/// where the fragment offset is not zero.
pub(super) fn judge(walk: &mut Walk<'_>, options: &[u8], whole: bool, later_fragment: bool) {
    let mut seen = 0;
    for entry in Entries::new(options) {
        let kind = entry.kind;
        match entry.fault {
            Some(Fault::PastEnd) if !whole => {}
            Some(_) => walk.anomaly(Anomaly::Ipv4OptionLength),
            None if !length_fits(&entry) => walk.anomaly(Anomaly::Ipv4OptionLength),
            None if !route::pointer_fits(&entry) => walk.anomaly(Anomaly::Ipv4OptionPointer),
            None => {}
        }
        if name(kind).is_none() {
            walk.anomaly(Anomaly::Ipv4OptionUnknown);
        }
        if is_deprecated(kind) {
            walk.anomaly(Anomaly::Ipv4OptionDeprecated);
        }
        if matches!(kind, LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE) {
            walk.anomaly(Anomaly::Ipv4OptionSourceRoute);
        }
        if seen & once(kind) != 0 {
            walk.anomaly(Anomaly::Ipv4OptionDuplicate);
        }
        seen |= once(kind);
        // Padding may come and go with fragmentation; anything else that is not to be copied
        // belongs to the first fragment alone.
        if later_fragment && kind & COPIED == 0 && kind != NO_OPERATION && kind != END_OF_LIST {
            walk.anomaly(Anomaly::Ipv4OptionCopied);
        }
    }
}

/// A bit for each kind that may stand in a datagram only once; the two source routes share one
/// (RFC 1122 section 3.2.1.8).
const fn once(kind: u8) -> u8 {
    match kind {
        RECORD_ROUTE => 1,
        LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => 2,
        TIMESTAMP => 4,
        SECURITY => 8,
        STREAM_ID => 16,
        COMMERCIAL_SECURITY => 32,
        _ => 0,
    }
}

/// Whether a length that stays inside the header is one that its kind can have.
fn length_fits(entry: &Entry<'_>) -> bool {
    let len = entry.bytes.len();
    match entry.kind {
        RECORD_ROUTE | LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE | TIMESTAMP => {
            route::length_fits(entry)
        }
        MTU_PROBE | MTU_REPLY | STREAM_ID | ROUTER_ALERT => len == 4,
        QUICK_START => len == 8,
        TRACEROUTE => len == 12,
        SECURITY | EXTENDED_SECURITY => len >= 3,
        COMMERCIAL_SECURITY => security::tags_fit(entry.bytes),
        DIRECTED_BROADCAST => len % 4 == 2,
        _ => true,
    }
}

/// The types of the options in these bytes behind the fixed header, in order.
pub fn kinds(options: &[u8]) -> impl Iterator<Item = u8> {
    Entries::new(options).map(|entry| entry.kind)
}

/// The last address of a source route that is not yet used up.
pub(super) fn last_stop(options: &[u8]) -> Option<[u8; 4]> {
    Entries::new(options)
        .find(|entry| matches!(entry.kind, LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE))
        .and_then(|entry| route::last_stop(entry.bytes))
}

/// The name of the option that byte `at` of the header belongs to.
pub(super) fn name_at(options: &[u8], at: usize) -> Option<&'static str> {
    let at = at.checked_sub(START)?;
    Entries::new(options)
        .find(|entry| (entry.at..entry.at + entry.bytes.len()).contains(&at))
        .and_then(|entry| name(entry.kind))
}

/// Describes each option as an item; `options` begins at byte 20 of the header.
pub(super) fn fields<V: Visitor>(options: &[u8], v: &mut V) {
    let mut entries = Entries::new(options);
    for entry in entries.by_ref() {
        let at = START + entry.at;
        let label = name(entry.kind).unwrap_or("Unknown option");
        v.item(label, bytes(at, entry.bytes.len()), |v| {
            describe(&entry, at, v);
        });
    }
    let at = START + entries.at;
    let padding = options.get(entries.at..).unwrap_or_default();
    if !padding.is_empty() {
        v.item("Padding", bytes(at, padding.len()), |v| {
            v.field(
                Field::bytes("padding", "Padding", bytes(at, padding.len()), padding).meaning(
                    &if padding.iter().all(|&byte| byte == 0) {
                        "zero, as it should be"
                    } else {
                        "not zero: bytes hidden behind the end of the list"
                    },
                ),
            );
        });
    }
}

fn describe<V: Visitor>(entry: &Entry<'_>, at: usize, v: &mut V) {
    let kind = Field::number("type", "Type", bytes(at, 1), entry.kind);
    v.field(
        kind.meaning(&Kind(entry.kind))
            .brief(if name(entry.kind).is_some() {
                Brief::Hidden
            } else {
                Brief::Value("option ")
            }),
    );
    let lens = Lens(entry.bytes);
    if matches!(entry.kind, END_OF_LIST | NO_OPERATION) {
        return;
    }
    let Some(length) = lens.u8(1) else { return };
    let field = Field::number("length", "Length", bytes(at + 1, 1), length);
    v.field(match entry.fault {
        None => field,
        Some(Fault::Impossible) => field.meaning(&"impossible: type and length alone are 2"),
        Some(Fault::PastEnd) => field.meaning(&"more than there is"),
    });
    let rest = match entry.kind {
        RECORD_ROUTE | LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => route::route(entry, at, v),
        TIMESTAMP => route::timestamps(entry.bytes, at, v),
        SECURITY => security::security(entry.bytes, at, v),
        EXTENDED_SECURITY => security::extended(entry.bytes, at, v),
        COMMERCIAL_SECURITY => security::commercial(entry.bytes, at, v),
        ROUTER_ALERT | MTU_PROBE | MTU_REPLY | STREAM_ID => word(entry, at, v),
        QUICK_START => quick_start(lens, at, v),
        TRACEROUTE => traceroute(lens, at, v),
        DIRECTED_BROADCAST => route::addresses(entry.bytes, at, v),
        _ => 2,
    };
    let data = entry.bytes.get(rest..).unwrap_or_default();
    if !data.is_empty() {
        v.field(Field::bytes(
            "data",
            "Data",
            bytes(at + rest, data.len()),
            data,
        ));
    }
}

/// Options that carry one 16-bit word. Answers how many bytes of the option it has described, as
/// do the functions below.
fn word<V: Visitor>(entry: &Entry<'_>, at: usize, v: &mut V) -> usize {
    let Some(value) = Lens(entry.bytes).u16(2) else {
        return 2;
    };
    let place = bytes(at + 2, 2);
    let alert = Alert(value);
    v.field(match entry.kind {
        ROUTER_ALERT => Field::number("value", "Value", place, value).meaning(&alert),
        STREAM_ID => Field::number("stream_id", "Stream ID", place, value),
        _ => Field::number("mtu", "MTU", place, value),
    });
    4
}

/// RFC 4782 section 3.1.
fn quick_start<V: Visitor>(lens: Lens<'_>, at: usize, v: &mut V) -> usize {
    let Some([first, ttl, nonce @ ..]) = lens.array::<6>(2) else {
        return 2;
    };
    let (function, rate) = (first >> 4, first & 0x0f);
    let nonce = u32::from_be_bytes(nonce);
    v.field(
        Field::number("function", "Function", within(at + 2, 0, 4), function).meaning(&Name(
            match function {
                0 => Some("rate request"),
                8 => Some("report of approved rate"),
                _ => None,
            },
        )),
    );
    v.field(Field::number("rate", "Rate", within(at + 2, 4, 4), rate).meaning(&Rate(rate)));
    v.field(Field::number("qs_ttl", "QS TTL", bytes(at + 3, 1), ttl));
    v.field(Field::hex(
        "qs_nonce",
        "QS nonce",
        within(at + 4, 0, 30),
        nonce >> 2,
    ));
    v.field(Field::number(
        "reserved",
        "Reserved",
        within(at + 4, 30, 2),
        nonce & 3,
    ));
    8
}

/// RFC 1393 section 2.2.
fn traceroute<V: Visitor>(lens: Lens<'_>, at: usize, v: &mut V) -> usize {
    for (offset, name, label) in [
        (2, "id_number", "ID number"),
        (4, "outbound_hop_count", "Outbound hop count"),
        (6, "return_hop_count", "Return hop count"),
    ] {
        let Some(value) = lens.u16(offset) else {
            return offset;
        };
        v.field(Field::number(name, label, bytes(at + offset, 2), value));
    }
    let Some(originator) = lens.array(8) else {
        return 8;
    };
    v.field(Field::ipv4(
        "originator",
        "Originator",
        bytes(at + 8, 4),
        originator,
    ));
    12
}

/// `len` bits from bit `first` of byte `at`.
fn within(at: usize, first: u32, len: u32) -> Bits {
    bits(bytes(at, 0).start + first, len)
}

/// The option goes into every fragment.
const COPIED: u8 = 0x80;

/// An option type taken apart: RFC 791 section 3.1.
struct Kind(u8);

impl Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let copied = if self.0 & COPIED == 0 {
            "not copied"
        } else {
            "copied"
        };
        let class = match self.0 >> 5 & 3 {
            0 => "control",
            2 => "debugging and measurement",
            _ => "reserved class",
        };
        let name = name(self.0).unwrap_or("unknown");
        write!(f, "{name}: {copied}, {class}, number {}", self.0 & 0x1f)
    }
}

/// RFC 2113, with the values of RFC 5350.
struct Alert(u16);

impl Display for Alert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("every router examines the packet"),
            1..=32 => write!(f, "aggregated reservation nesting level {}", self.0 - 1),
            33..=64 => write!(f, "QoS NSLP aggregation level {}", self.0 - 33),
            65 => f.write_str("NSIS NAT and firewall NSLP"),
            66..=65_502 => f.write_str("unassigned"),
            65_503..=65_534 => f.write_str("experimental"),
            65_535 => f.write_str("reserved"),
        }
    }
}

/// RFC 4782 section 3.1: 40,000 bits a second times two to the N, and 0 for none.
struct Rate(u8);

impl Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kilobits = match self.0 {
            0 => 0,
            n => 40_u64 << n.min(15),
        };
        write!(f, "{kilobits} kbit/s")
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that reads what is not there has found something"
)]
mod tests;
