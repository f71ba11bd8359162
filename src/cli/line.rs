//! One line a frame: who, to whom, what, how big, and what is wrong.
//!
//! A visitor over the one field description. It knows the parts a layer may play and the places
//! a field may ask for, and no protocol by name; whatever a protocol marks as brief shows up here
//! in the order it is visited.

use std::fmt::Display;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::paint::{Paint, Role};
use super::shot::Shot;
use super::text::Text;
use super::time::Clock;
use crate::net::resolver::Resolver;
use crate::survey::reassembly::Difference;
use crate::wire::field::{Brief, Field, Group, Head, Shape, Value, Visitor};
use crate::wire::frame::Time;
use crate::wire::packet::{Kind, Layer, Protocol, visit};

/// Contradictions of one fragment that are told.
const DIFFERENCES: usize = 2;
/// Bytes of a value that are told.
const VALUE: usize = 8;

/// Ends a cell of a table row; cannot occur in the text, which has no control bytes.
pub(super) const CELL: u8 = 0x1f;

/// What the line shows beside the usual.
#[derive(Debug, Clone)]
pub(super) struct Style {
    pub(super) paint: Paint,
    /// Link layer headers too.
    pub(super) link: bool,
    /// Addresses as names.
    pub(super) names: Option<Arc<Resolver>>,
    /// Cells for a table instead of one line of text.
    pub(super) cells: bool,
}

/// Writes lines; keeps scratch space from frame to frame.
#[derive(Debug, Clone)]
pub(super) struct Line {
    style: Style,
    clock: Clock,
    scratch: Scratch,
}

/// Pieces that are visited before the place they are shown at.
#[derive(Debug, Clone, Default)]
struct Scratch {
    inside: Text,
    tail: Text,
}

impl Line {
    pub(super) fn new(style: Style, clock: Clock) -> Self {
        Self {
            style,
            clock,
            scratch: Scratch::default(),
        }
    }

    /// Sets the zero of relative times, if it is not set yet.
    pub(super) fn start_at(&mut self, origin: Option<Time>) {
        self.clock.start(origin);
    }

    /// Writes the line; answers where in `out` the delta time belongs.
    pub(super) fn render(&mut self, shot: &Shot<'_>, out: &mut Text) -> usize {
        let paint = self.style.paint;
        let gap = self.start(shot, out);
        let layers = shot.packet.layers();
        let start = out.len();
        let mut visitor = Words {
            out,
            style: &self.style,
            scratch: &mut self.scratch,
            layers,
            visited: 0,
            head: None,
            who: Who::default(),
            label: "",
            addressed: false,
            transport: false,
            first: self.style.cells,
        };
        visit(shot.frame, shot.packet, &mut visitor);
        let (addressed, transport) = (visitor.addressed, visitor.transport);
        if self.style.cells && !addressed {
            let words = out.split_off(start);
            out.raw(&[CELL, CELL]);
            out.str(innermost(layers));
            out.push(CELL);
            out.raw(&words);
        }
        if layers
            .first()
            .is_none_or(|layer| layer.protocol == Protocol::Payload)
        {
            out.push(b' ');
            out.display(&shot.frame.link_type);
        }
        // A header that was cut says nothing of the data behind it.
        length(layers, transport && shot.packet.stopped().is_none(), out);
        if (shot.frame.bytes.len() as u64) < u64::from(shot.frame.wire_len) {
            out.str(" [");
            out.number(shot.frame.bytes.len() as u64);
            out.str(" of ");
            out.number(u64::from(shot.frame.wire_len));
            out.str(" bytes]");
        }
        if let Some(whole) = shot.beyond.whole {
            out.str(" reassembled from frames ");
            ranges(&whole.frames, out);
        }
        if let Some(stopped) = shot.packet.stopped() {
            paint.start(out, Role::Wrong);
            out.str(" [");
            out.str(stopped.protocol.label());
            out.str(": ");
            out.display(&stopped.reason);
            out.push(b']');
            paint.end(out);
        }
        if shot.show_anomalies {
            for found in shot.packet.anomalies() {
                paint.start(out, Role::Wrong);
                out.str(" !");
                out.str(found.anomaly.id());
                if let Some(frames) = shot.frames_of(found.anomaly) {
                    for (at, frame) in frames.iter().enumerate() {
                        out.str(if at == 0 { "(frame " } else { ", " });
                        out.number(*frame);
                    }
                    let differences = shot.differences_of(found.anomaly);
                    for difference in differences.iter().take(DIFFERENCES) {
                        out.str("; ");
                        contradiction(difference, out);
                    }
                    if differences.len() > DIFFERENCES {
                        out.str("; ..");
                    }
                    out.push(b')');
                }
                paint.end(out);
            }
        }
        out.push(b'\n');
        gap
    }

    /// Number, time, and how the frame went through which interface.
    #[inline]
    fn start(&mut self, shot: &Shot<'_>, out: &mut Text) -> usize {
        let paint = self.style.paint;
        let space = if self.style.cells { CELL } else { b' ' };
        paint.start(out, Role::Quiet);
        out.number(shot.frame.number);
        out.push(space);
        let gap = out.len();
        self.clock.write(out, shot.frame.time, shot.digits);
        paint.end(out);
        if self.style.cells {
            out.push(CELL);
            return gap;
        }
        if let Some(file) = shot.file {
            out.push(b' ');
            out.escaped(file.as_bytes());
        }
        if let Some(interface) = shot.interface {
            out.push(b' ');
            out.escaped(interface.as_bytes());
        }
        if let Some(direction) = shot.frame.direction {
            out.push(b' ');
            out.str(direction.name());
        }
        gap
    }
}

/// Numbers in their order, neighbours joined: `1-3, 7`.
pub(super) fn ranges(numbers: &[u64], out: &mut Text) {
    let follows = |a: &u64, b: &u64| a.checked_add(1) == Some(*b);
    for (at, run) in numbers.chunk_by(follows).enumerate() {
        if at > 0 {
            out.str(", ");
        }
        if let [first, .., last] = run {
            out.number(*first);
            out.push(b'-');
            out.number(*last);
        } else if let [only] = run {
            out.number(*only);
        }
    }
}

/// Where and how a fragment contradicts an earlier one: `bytes 16-23: 6161.. in frame 14, 6262..
/// here`, counted as fragment offsets are.
pub(super) fn contradiction(difference: &Difference, out: &mut Text) {
    let Difference {
        frame,
        offset,
        length,
        earlier,
        later,
    } = difference;
    let value = |words: &str, bytes: &[u8], out: &mut Text| {
        out.str(words);
        out.hex_bytes(bytes.get(..VALUE).unwrap_or(bytes));
        if *length as usize > VALUE {
            out.str("..");
        }
    };
    out.str(if *length == 1 { "byte " } else { "bytes " });
    out.number(u64::from(*offset));
    if *length > 1 {
        out.push(b'-');
        out.number(u64::from(*offset) + u64::from(*length) - 1);
    }
    value(": ", earlier, out);
    out.str(" in frame ");
    out.number(*frame);
    value(", ", later, out);
    out.str(" here");
}

/// The last protocol that the frame itself carries.
fn innermost(layers: &[Layer]) -> &'static str {
    let last = layers
        .iter()
        .rev()
        .find(|layer| layer.depth == 0 && layer.protocol.kind() != Kind::Data);
    last.map_or("", |layer| layer.protocol.label())
}

/// How much of the frame is data: the payload's length, or 0 for a transport without any.
fn length(layers: &[Layer], transport: bool, out: &mut Text) {
    let carried = |layer: &&Layer| layer.depth == 0 && layer.protocol != Protocol::Trailer;
    match layers.iter().rev().find(carried) {
        Some(layer) if layer.protocol == Protocol::Payload => {
            out.str(" length ");
            out.number(u64::from(layer.promised_end.saturating_sub(layer.start)));
        }
        Some(layer) if transport && layer.protocol.kind() == Kind::Message => out.str(" length 0"),
        _ => {}
    }
}

/// Addresses and ports, held back until both are known.
#[derive(Debug, Clone, Copy, Default)]
struct Who {
    source: Option<Address>,
    destination: Option<Address>,
    source_port: Option<u64>,
    destination_port: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Address {
    Ipv4([u8; 4]),
    Ipv6([u8; 16]),
    Mac([u8; 6]),
}

struct Words<'a> {
    out: &'a mut Text,
    style: &'a Style,
    scratch: &'a mut Scratch,
    layers: &'a [Layer],
    /// Layers begun so far; the last of them is the one being visited.
    visited: usize,
    head: Option<Head>,
    who: Who,
    /// The label still to be written behind the addresses.
    label: &'static str,
    /// Addresses have been written.
    addressed: bool,
    /// A layer with ports has been seen.
    transport: bool,
    /// Nothing has been written yet where no space is wanted: a cell, a parenthesis.
    first: bool,
}

impl Words<'_> {
    /// The layer after this one, if it belongs to the same stack.
    #[inline]
    fn following(&self) -> Option<Kind> {
        let depth = self.layers.get(self.visited.checked_sub(1)?)?.depth;
        let next = self.layers.get(self.visited)?;
        (next.depth == depth).then(|| next.protocol.kind())
    }

    /// Whether the layer being visited names addresses, and so speaks after them.
    #[inline]
    fn is_network(&self) -> bool {
        self.head
            .is_some_and(|head| head.protocol.kind() == Kind::Network)
    }

    #[inline]
    fn space(&mut self) {
        if self.first {
            self.first = false;
        } else {
            self.out.push(b' ');
        }
    }

    /// Writes what was held back: addresses with their ports, the label, and what the network
    /// layer had to say.
    #[inline(never)]
    fn flush(&mut self) {
        if self.who.source.is_some() || self.who.destination.is_some() {
            self.addresses();
        }
        if !self.label.is_empty() {
            let label = std::mem::take(&mut self.label);
            self.word(label);
        }
        if self.scratch.inside.len() > 0 {
            self.space();
            self.out.raw(self.scratch.inside.as_bytes());
            self.scratch.inside.clear();
        }
        if self.scratch.tail.len() > 0 {
            self.out.raw(self.scratch.tail.as_bytes());
            self.scratch.tail.clear();
        }
    }

    #[inline]
    fn addresses(&mut self) {
        let who = std::mem::take(&mut self.who);
        let cells = self.style.cells && !self.addressed;
        self.addressed = true;
        self.space();
        self.style.paint.start(self.out, Role::Address);
        self.address(who.source, who.source_port);
        if cells {
            self.out.push(CELL);
        } else {
            self.out.str(" > ");
        }
        self.address(who.destination, who.destination_port);
        self.style.paint.end(self.out);
        if cells {
            self.out.push(CELL);
            self.out.str(innermost(self.layers));
            self.out.push(CELL);
            self.first = true;
            self.label = "";
        }
    }

    #[inline]
    fn address(&mut self, address: Option<Address>, port: Option<u64>) {
        match address {
            Some(Address::Ipv4(address)) => {
                let name = self
                    .style
                    .names
                    .as_ref()
                    .and_then(|names| names.name(Ipv4Addr::from(address)));
                match name {
                    Some(name) => self.out.escaped(name.as_bytes()),
                    None => self.out.ipv4(address),
                }
            }
            Some(Address::Ipv6(address)) if port.is_some() => {
                self.out.push(b'[');
                self.out.ipv6(address);
                self.out.push(b']');
            }
            Some(Address::Ipv6(address)) => self.out.ipv6(address),
            Some(Address::Mac(address)) => self.out.mac(address),
            None => self.out.push(b'?'),
        }
        if let Some(port) = port {
            self.out.push(b':');
            self.out.number(port);
        }
    }

    /// A field that has its place on the line.
    #[expect(clippy::inline_always, reason = "measured: see `field`")]
    #[inline(always)]
    fn brief(&mut self, field: Field<'_>) {
        let address = match field.value {
            Value::Ipv4(address) => Some(Address::Ipv4(address)),
            Value::Ipv6(address) => Some(Address::Ipv6(address)),
            Value::Mac(address) => Some(Address::Mac(address)),
            _ => None,
        };
        let port = match field.value {
            Value::Number(port) => Some(port),
            _ => None,
        };
        match field.brief {
            Brief::Hidden => {}
            Brief::Source => self.who.source = address,
            Brief::Destination => self.who.destination = address,
            Brief::SourcePort => {
                self.who.source_port = port;
                self.transport |= self.head.is_some_and(|head| head.depth == 0);
            }
            Brief::DestinationPort => self.who.destination_port = port,
            Brief::Inside => {
                let network = self.is_network();
                let said = match self.following() {
                    None | Some(Kind::Data) => false,
                    // Addresses after addresses need a word between them.
                    Some(Kind::Network) => !network,
                    Some(Kind::Link | Kind::Tag | Kind::Message) => true,
                };
                if !said {
                    match field.meaning {
                        Some(meaning) => self.scratch.inside.display(meaning),
                        None => value(&mut self.scratch.inside, field.value),
                    }
                }
            }
            Brief::Value(words) | Brief::Meaning(words) => {
                let out = if self.is_network() {
                    self.scratch.tail.push(b' ');
                    &mut self.scratch.tail
                } else {
                    self.flush();
                    self.space();
                    &mut *self.out
                };
                out.str(words);
                match (field.brief, field.meaning) {
                    (Brief::Meaning(_), Some(meaning)) => out.display(meaning),
                    _ => value(out, field.value),
                }
            }
        }
    }

    /// A protocol's name.
    #[inline]
    fn word(&mut self, label: &str) {
        self.space();
        self.style.paint.start(self.out, Role::Protocol);
        self.out.str(label);
        self.style.paint.end(self.out);
    }
}

/// A value as a person reads it on a line.
#[inline]
pub(super) fn value(out: &mut Text, value: Value<'_>) {
    match value {
        Value::Number(value) => out.number(value),
        Value::Hex(value, digits) => {
            out.str("0x");
            out.hex(value, digits);
        }
        Value::Signed(value) => out.signed(value),
        Value::Bool(value) => out.str(if value { "true" } else { "false" }),
        Value::Ipv4(address) => out.ipv4(address),
        Value::Ipv6(address) => out.ipv6(address),
        Value::Mac(address) => out.mac(address),
        Value::Bytes(bytes) => out.hex_bytes(bytes),
        Value::Text(text) => out.escaped(text),
        Value::Unknown => out.push(b'?'),
    }
}

impl Visitor for Words<'_> {
    #[inline]
    fn layer(&mut self, head: Head) -> bool {
        self.head = Some(head);
        self.visited += 1;
        match head.protocol.kind() {
            Kind::Data => {
                self.flush();
                false
            }
            Kind::Link => {
                let alone = matches!(self.following(), None | Some(Kind::Data));
                if !(self.style.link || alone) {
                    return false;
                }
                self.flush();
                true
            }
            Kind::Tag => {
                self.flush();
                self.word(head.protocol.name());
                true
            }
            Kind::Network => {
                self.flush();
                true
            }
            Kind::Message => {
                self.label = head.protocol.label();
                true
            }
        }
    }

    // Most fields are hidden, and which ones is known where they are described: inlined there,
    // they cost nothing at all (a third of the time of a line otherwise).
    #[expect(clippy::inline_always, reason = "measured: see above")]
    #[inline(always)]
    fn field(&mut self, field: Field<'_>) {
        if field.brief != Brief::Hidden {
            self.brief(field);
        }
    }

    #[inline]
    fn say(&mut self, words: &dyn Display) {
        self.flush();
        self.space();
        self.out.display(words);
    }

    #[inline]
    fn open(&mut self, group: Group) {
        if group.shape == Shape::Quote {
            self.flush();
            self.out.str(" (");
            self.first = true;
        }
    }

    #[inline]
    fn close(&mut self, shape: Shape) {
        if shape == Shape::Quote {
            self.out.push(b')');
            self.first = false;
        }
    }

    #[inline]
    fn end_layer(&mut self) {
        let kind = self.head.map(|head| head.protocol.kind());
        // A network layer waits for the ports of what follows it.
        if kind != Some(Kind::Network) || self.following() != Some(Kind::Message) {
            self.flush();
        }
        if kind == Some(Kind::Link) && self.style.link && self.following().is_some() && !self.first
        {
            self.out.push(b',');
        }
    }
}
