//! Chosen fields as comma-separated values (RFC 4180), one row a frame.
//!
//! A column is a path of field names: `ipv4.source`, `tcp.flags.syn`, `icmpv4.quoted.ipv4.ttl`.
//! A layer that stands twice gives its first, the outermost; what a list holds stands in one cell,
//! joined by `;`. It knows the columns of the frame itself and no protocol.

use super::shot::Shot;
use super::text::Text;
use crate::error::{Error, Result};
use crate::wire::field::{Field, Group, Head, Shape, Value, Visitor};
use crate::wire::packet::{Protocol, visit};

/// Columns when `--fields` does not say.
pub(super) const DEFAULT: &str = "frame,time,len,ipv4.source,ipv4.destination,ipv4.protocol,ipv4.ttl,ipv4.identification,anomalies";

/// What belongs to the frame and not to a layer.
const FRAME: &[&str] = &[
    "frame",
    "file",
    "time",
    "caplen",
    "len",
    "interface",
    "direction",
    "layers",
    "anomalies",
    "reassembled",
    "stopped",
];

/// The chosen columns.
#[derive(Debug, Clone)]
pub(super) struct Csv {
    columns: Vec<Column>,
    cells: Vec<Text>,
    path: Vec<&'static str>,
}

#[derive(Debug, Clone)]
struct Column {
    /// As the user wrote it.
    title: String,
    source: Source,
    /// The last name of its path: what a field is compared with first.
    last: String,
}

#[derive(Debug, Clone)]
enum Source {
    Frame(&'static str),
    Layer {
        protocol: Protocol,
        path: Vec<String>,
    },
}

impl Csv {
    /// Understands a list of columns; a name that cannot exist is refused here.
    pub(super) fn new(fields: &str) -> Result<Self> {
        let columns: Vec<Column> = fields
            .split(',')
            .map(|title| column(title.trim()))
            .collect::<Result<_>>()?;
        let cells = vec![Text::default(); columns.len()];
        Ok(Self {
            columns,
            cells,
            path: Vec::new(),
        })
    }

    /// True when a column needs checksums judged.
    pub(super) fn needs_checksums(&self) -> bool {
        self.needs_anomalies()
            || self.columns.iter().any(|column| match &column.source {
                Source::Frame(_) => false,
                Source::Layer { path, .. } => path.iter().any(|name| name == "checksum_ok"),
            })
    }

    /// True when a column shows anomalies.
    pub(super) fn needs_anomalies(&self) -> bool {
        self.columns
            .iter()
            .any(|column| matches!(column.source, Source::Frame("anomalies")))
    }

    /// The first row.
    pub(super) fn header(&self, out: &mut Text) {
        for (at, column) in self.columns.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            out.str(&column.title);
        }
        out.push(b'\n');
    }

    /// One frame's row.
    pub(super) fn render(&mut self, shot: &Shot<'_>, out: &mut Text) {
        for cell in &mut self.cells {
            cell.clear();
        }
        self.path.clear();
        if self
            .columns
            .iter()
            .any(|column| matches!(column.source, Source::Layer { .. }))
        {
            let mut pick = Pick {
                columns: &self.columns,
                cells: &mut self.cells,
                path: &mut self.path,
                root: None,
                seen: 0,
            };
            visit(shot.frame, shot.packet, &mut pick);
        }
        for (at, (column, cell)) in self.columns.iter().zip(&mut self.cells).enumerate() {
            if let Source::Frame(name) = column.source {
                frame_column(name, shot, cell);
            }
            if at > 0 {
                out.push(b',');
            }
            quoted(cell.as_bytes(), out);
        }
        out.push(b'\n');
    }
}

fn column(title: &str) -> Result<Column> {
    let wrong = |why: String| {
        Error::usage(format!("reading --fields {title:?}"), why)
            .advice("columns are frame, time, len ... or a layer and its field as in --format ndjson: ipv4.source, tcp.flags.syn")
    };
    if let Some(name) = FRAME.iter().find(|name| **name == title) {
        return Ok(Column {
            title: title.to_owned(),
            source: Source::Frame(name),
            last: String::new(),
        });
    }
    let mut path = title.split('.');
    let layer = path.next().unwrap_or_default();
    let Some(protocol) = Protocol::ALL
        .iter()
        .find(|protocol| protocol.name() == layer)
    else {
        return Err(wrong(format!("there is no column or layer {layer:?}")));
    };
    let path: Vec<String> = path.map(str::to_owned).collect();
    let Some(last) = path.last().cloned() else {
        return Err(wrong(format!("{layer} is a layer; which of its fields?")));
    };
    if !super::keys::known(&path, *protocol) {
        return Err(wrong(format!("{layer} has no field {:?}", path.join("."))));
    }
    Ok(Column {
        title: title.to_owned(),
        source: Source::Layer {
            protocol: *protocol,
            path,
        },
        last,
    })
}

fn frame_column(name: &str, shot: &Shot<'_>, cell: &mut Text) {
    let frame = shot.frame;
    match name {
        "frame" => cell.number(frame.number),
        "file" => cell.escaped(shot.file.unwrap_or_default().as_bytes()),
        "time" => {
            if let Some(time) = frame.time {
                super::time::epoch(cell, time, 9);
            }
        }
        "caplen" => cell.number(frame.bytes.len() as u64),
        "len" => cell.number(u64::from(frame.wire_len)),
        "interface" => cell.escaped(shot.interface.unwrap_or_default().as_bytes()),
        "direction" => cell.str(
            frame
                .direction
                .map_or("", crate::wire::frame::Direction::name),
        ),
        "layers" => {
            for layer in shot.packet.layers().iter().filter(|layer| layer.depth == 0) {
                separate(cell, b'/');
                cell.str(layer.protocol.name());
            }
        }
        "anomalies" => {
            for found in shot.packet.anomalies() {
                separate(cell, b';');
                cell.str(found.anomaly.id());
            }
        }
        "reassembled" => {
            for frame in shot.beyond.whole.iter().flat_map(|whole| &whole.frames) {
                separate(cell, b';');
                cell.number(*frame);
            }
        }
        _ => {
            if let Some(stopped) = shot.packet.stopped() {
                cell.str(stopped.protocol.name());
                cell.str(": ");
                cell.display(&stopped.reason);
            }
        }
    }
}

#[inline]
fn separate(cell: &mut Text, separator: u8) {
    if cell.len() > 0 {
        cell.push(separator);
    }
}

/// RFC 4180 section 2: quotes around what needs them, doubled inside.
pub(super) fn quoted(cell: &[u8], out: &mut Text) {
    if cell
        .iter()
        .any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'))
    {
        out.push(b'"');
        for byte in cell {
            if *byte == b'"' {
                out.push(b'"');
            }
            out.push(*byte);
        }
        out.push(b'"');
    } else {
        out.raw(cell);
    }
}

/// Picks the fields of the chosen columns out of a description.
struct Pick<'a> {
    columns: &'a [Column],
    cells: &'a mut [Text],
    /// Names of the open groups and quoted layers below the root layer.
    path: &'a mut Vec<&'static str>,
    /// The layer that the frame itself carries, while it is open and not skipped.
    root: Option<Protocol>,
    /// The protocols whose outermost layer has been visited, by their place in the table.
    seen: u64,
}

impl Pick<'_> {
    /// Puts a field that may be the one a column asks for into its cell.
    #[inline(never)]
    fn pick(&mut self, at: usize, name: &'static str, value: Value<'_>) {
        let (Some(column), Some(cell)) = (self.columns.get(at), self.cells.get_mut(at)) else {
            return;
        };
        if let Source::Layer { protocol, path } = &column.source
            && self.root == Some(*protocol)
            && matches(path, self.path, name)
        {
            separate(cell, b';');
            plain(cell, value);
        }
    }
}

impl Visitor for Pick<'_> {
    #[inline]
    fn layer(&mut self, head: Head) -> bool {
        if head.depth > 0 {
            self.path.push(head.protocol.name());
            return true;
        }
        let bit = 1 << (head.protocol as u64 % 64);
        let asks = |column: &Column| match &column.source {
            Source::Layer { protocol, .. } => *protocol == head.protocol,
            Source::Frame(_) => false,
        };
        let wanted = self.seen & bit == 0 && self.columns.iter().any(asks);
        self.seen |= bit;
        self.root = wanted.then_some(head.protocol);
        wanted
    }

    // A field's name is known where it is described; inlined there, comparing it with a column's
    // costs next to nothing.
    #[expect(
        clippy::inline_always,
        reason = "measured: a quarter of the time of a row"
    )]
    #[inline(always)]
    fn field(&mut self, field: Field<'_>) {
        for at in 0..self.columns.len() {
            // A nameless field is an entry of the list whose name comes last on the path.
            if self
                .columns
                .get(at)
                .is_some_and(|column| column.last == field.name || field.name.is_empty())
            {
                self.pick(at, field.name, field.value);
            }
        }
    }

    #[inline]
    fn open(&mut self, group: Group) {
        self.path.push(if group.name == "layers" {
            ""
        } else {
            group.name
        });
    }

    #[inline]
    fn close(&mut self, _: Shape) {
        self.path.pop();
    }

    #[inline]
    fn end_layer(&mut self) {
        self.path.pop();
    }
}

/// Whether a column's path is that of a field below the open groups; nameless ones do not count.
#[inline]
fn matches(column: &[String], open: &[&'static str], field: &'static str) -> bool {
    if open.is_empty() {
        return matches!(column, [only] if only == field);
    }
    let names = open
        .iter()
        .copied()
        .chain([field])
        .filter(|name| !name.is_empty());
    names.eq(column.iter().map(String::as_str))
}

/// A value as a program reads it: numbers in decimal, flags as 0 and 1, unknown as nothing.
#[inline]
fn plain(cell: &mut Text, value: Value<'_>) {
    match value {
        Value::Number(value) | Value::Hex(value, _) => cell.number(value),
        Value::Bool(value) => cell.push(if value { b'1' } else { b'0' }),
        Value::Text(text) => cell.escaped(text),
        Value::Unknown => {}
        other => super::line::value(cell, other),
    }
}
