//! GRE (RFC 2784, RFC 2890), its ancestor (RFC 1701) and PPTP's enhanced form (RFC 2637).
//!
//! Knows the header with all its optional parts and which bytes the checksum covers; what is
//! tunnelled is named by an EtherType.

use std::fmt::{self, Display};

use super::anomaly::Anomaly;
use super::checksum::{Sum, Unjudged, Verdict};
use super::ethernet::{EtherType, by_ethertype};
use super::field::{Brief, Field, Lens, Name, Value, Visitor, bits, bytes};
use super::names;
use super::packet::{Next, Protocol, Reason, Region, View, Walk};

/// Flags, version, protocol type.
const HEADER: usize = 4;
const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const STRICT: u16 = 0x0800;
/// In version 1 only.
const ACKNOWLEDGMENT: u16 = 0x0080;

/// What the first two bytes say the header holds.
#[derive(Clone, Copy)]
struct Shape(u16);

impl Shape {
    fn has(self, flag: u16) -> bool {
        self.0 & flag != 0
    }

    fn version(self) -> u16 {
        self.0 & 7
    }

    fn is_pptp(self) -> bool {
        self.version() == 1
    }

    /// Checksum and offset stand together when either is used (RFC 1701).
    fn checksum(self) -> Option<usize> {
        (!self.is_pptp() && self.has(CHECKSUM | ROUTING)).then_some(HEADER)
    }

    /// PPTP's key is always there, whatever its flag says.
    fn key(self) -> Option<usize> {
        (self.is_pptp() || self.has(KEY)).then(|| self.checksum().map_or(HEADER, |at| at + 4))
    }

    fn sequence(self) -> Option<usize> {
        self.has(SEQUENCE)
            .then(|| self.key().or(self.checksum()).map_or(HEADER, |at| at + 4))
    }

    fn acknowledgment(self) -> Option<usize> {
        (self.is_pptp() && self.has(ACKNOWLEDGMENT))
            .then(|| self.sequence().or(self.key()).map_or(HEADER, |at| at + 4))
    }

    /// The header without RFC 1701's source routes.
    fn len(self) -> usize {
        self.acknowledgment()
            .or(self.sequence())
            .or(self.key())
            .or(self.checksum())
            .map_or(HEADER, |at| at + 4)
    }
}

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let lens = walk.lens(region);
    let (Some(flags), Some(kind)) = (lens.u16(0), lens.u16(2)) else {
        return walk.stop_short(Protocol::Gre, region, HEADER, Some(Anomaly::GreTruncated));
    };
    let shape = Shape(flags);
    if shape.version() > 1 {
        walk.push(Protocol::Gre, region, HEADER);
        walk.anomaly(Anomaly::GreVersion);
        return walk.stop(
            Protocol::Gre,
            region,
            Reason::Invalid("the version is neither 0 nor 1"),
        );
    }
    let need = shape.len();
    if lens.0.len() < need {
        return walk.stop_short(Protocol::Gre, region, need, Some(Anomaly::GreTruncated));
    }
    walk.push(Protocol::Gre, region, need);
    if let Some(at) = shape.checksum()
        && shape.has(CHECKSUM)
        && walk.judge.checksums
    {
        let verdict = verdict(walk, region, lens.u16(at).unwrap_or_default());
        walk.set_checksum(verdict);
        if verdict.ok() == Some(false) {
            walk.anomaly(Anomaly::GreChecksumBad);
        }
    }
    let rest = region.after(need);
    if !shape.is_pptp() {
        if shape.has(ROUTING) {
            // Source routes lie in between; nobody has sent them for decades.
            return Some((Protocol::Payload, rest));
        }
        return Some((by_ethertype(kind), rest));
    }
    // The high half of PPTP's key counts the payload.
    let length = shape.key().and_then(|at| lens.u16(at)).unwrap_or_default();
    let length = usize::from(length);
    if !shape.has(SEQUENCE) || length == 0 {
        // An acknowledgment alone.
        return Some((Protocol::Payload, rest));
    }
    walk.trailer(rest.after(length));
    let data = rest.first(length);
    if kind == names::ETHERTYPE_PPP {
        return Some((Protocol::Ppp, data));
    }
    Some((Protocol::Payload, data))
}

fn verdict(walk: &Walk<'_>, region: Region, carried: u16) -> Verdict {
    if walk.context.fragmented {
        Verdict::Unknown(Unjudged::Fragment)
    } else if !region.is_whole() {
        Verdict::Unknown(Unjudged::Cut)
    } else {
        Sum::new().with(walk.bytes(region)).verdict(carried)
    }
}

pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(flags) = lens.u16(0) else { return };
    let shape = Shape(flags);
    v.object("flags", "Flags", bits(0, 13), |v| {
        for (name, label, at, flag) in [
            ("checksum", "Checksum present", 0, CHECKSUM),
            ("routing", "Routing present", 1, ROUTING),
            ("key", "Key present", 2, KEY),
            ("sequence", "Sequence number present", 3, SEQUENCE),
            ("strict", "Strict source route", 4, STRICT),
        ] {
            v.field(Field::flag(name, label, bits(at, 1), shape.has(flag)));
        }
        if shape.is_pptp() {
            let present = shape.has(ACKNOWLEDGMENT);
            v.field(Field::flag(
                "acknowledgment",
                "Acknowledgment number present",
                bits(8, 1),
                present,
            ));
        }
    });
    v.field(Field::number(
        "recursion",
        "Recursion control",
        bits(5, 3),
        flags >> 8 & 7,
    ));
    let version = shape.version();
    let name = match version {
        0 => "GRE",
        1 => "GRE, PPTP",
        _ => "GRE, unknown version",
    };
    v.field(
        Field::number("version", "Version", bits(13, 3), version)
            .meaning(&Name(Some(name)))
            .brief(Brief::Meaning("")),
    );
    let Some(kind) = lens.u16(2) else { return };
    v.field(
        Field::hex("protocol_type", "Protocol type", bits(16, 16), kind)
            .meaning(&Inside(kind))
            .brief(Brief::Inside),
    );
    if version > 1 {
        return;
    }
    if let Some(at) = shape.checksum() {
        describe_checksum(view, lens, at, v);
    }
    if let Some(at) = shape.key() {
        describe_key(lens, at, shape, v);
    }
    if let Some((at, sequence)) = number(lens, shape.sequence()) {
        v.field(
            Field::number("sequence", "Sequence number", bytes(at, 4), sequence)
                .brief(Brief::Value("seq ")),
        );
    }
    if let Some((at, number)) = number(lens, shape.acknowledgment()) {
        v.field(
            Field::number(
                "acknowledgment",
                "Acknowledgment number",
                bytes(at, 4),
                number,
            )
            .brief(Brief::Value("ack ")),
        );
    }
}

fn number(lens: Lens<'_>, at: Option<usize>) -> Option<(usize, u32)> {
    at.and_then(|at| Some((at, lens.u32(at)?)))
}

fn describe_checksum<V: Visitor>(view: &View<'_>, lens: Lens<'_>, at: usize, v: &mut V) {
    let Some(checksum) = lens.u16(at) else { return };
    v.field(Field::hex("checksum", "Checksum", bytes(at, 2), checksum));
    let verdict = &view.layer.checksum;
    let ok = verdict.ok().map_or(Value::Unknown, Value::Bool);
    v.field(Field::new("checksum_ok", "Checksum", bits(0, 0), ok).meaning(verdict));
    let Some(offset) = lens.u16(at + 2) else {
        return;
    };
    v.field(Field::number(
        "offset",
        "Source route offset",
        bytes(at + 2, 2),
        offset,
    ));
}

fn describe_key<V: Visitor>(lens: Lens<'_>, at: usize, shape: Shape, v: &mut V) {
    if !shape.is_pptp() {
        let Some(key) = lens.u32(at) else { return };
        v.field(Field::number("key", "Key", bytes(at, 4), key).brief(Brief::Value("key ")));
        return;
    }
    let Some(length) = lens.u16(at) else { return };
    v.field(
        Field::number("payload_length", "Payload length", bytes(at, 2), length).meaning(&"bytes"),
    );
    let Some(call) = lens.u16(at + 2) else {
        return;
    };
    v.field(Field::number("call_id", "Call", bytes(at + 2, 2), call).brief(Brief::Value("call ")));
}

/// An EtherType, with those that only GRE carries.
struct Inside(u16);

impl Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0x0000 => f.write_str("nothing, a keepalive"),
            0x2001 => f.write_str("NHRP, Cisco"),
            0x883e => f.write_str("WCCP"),
            0x88be => f.write_str("ERSPAN type I or II"),
            0x22eb => f.write_str("ERSPAN type III"),
            kind => EtherType(kind).fmt(f),
        }
    }
}
