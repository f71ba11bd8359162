//! Headers drawn as the RFCs draw them, thirty-two bits a row, with the packet's own values.
//!
//! A visitor that collects the fields of one layer by their bits and draws them when the layer
//! ends; it knows no protocol, so every header there is has its picture.

use super::line::{ranges, value};
use super::paint::{Paint, Role};
use super::shot::Shot;
use super::text::Text;
use crate::wire::field::{Field, Group, Head, Shape, Value, Visitor};
use crate::wire::packet::{Kind, visit};

/// Bits a row.
const ROW: u32 = 32;
/// Rows one header may take; a longer one is drawn this far.
const MAX_ROWS: u32 = 40;

pub(super) fn render(shot: &Shot<'_>, paint: Paint, out: &mut Text) {
    if let Some(whole) = shot.beyond.whole {
        out.str("Reassembled from frames ");
        ranges(&whole.frames, out);
        out.push(b'\n');
    }
    let mut visitor = Drawing {
        out,
        paint,
        open: Vec::new(),
    };
    visit(shot.frame, shot.packet, &mut visitor);
    out.push(b'\n');
}

/// One field, as it will stand in its box.
#[derive(Debug)]
struct Cell {
    start: u32,
    len: u32,
    label: &'static str,
    value: String,
}

/// A header being collected. An ICMP error's waits while what it quotes is drawn inside it.
#[derive(Debug)]
struct Header {
    head: Head,
    cells: Vec<Cell>,
    drawn: bool,
}

struct Drawing<'a> {
    out: &'a mut Text,
    paint: Paint,
    open: Vec<Header>,
}

impl Visitor for Drawing<'_> {
    fn layer(&mut self, head: Head) -> bool {
        self.open.push(Header {
            head,
            cells: Vec::new(),
            drawn: false,
        });
        head.protocol.kind() != Kind::Data
    }

    fn field(&mut self, field: Field<'_>) {
        let Some(header) = self.open.last_mut() else {
            return;
        };
        let next = header.cells.last().map_or(0, |cell| cell.start + cell.len);
        if field.bits.len == 0 || field.bits.start < next || field.bits.start / ROW >= MAX_ROWS {
            return;
        }
        let mut text = Text::default();
        match field.value {
            Value::Bool(set) => text.push(if set { b'1' } else { b'0' }),
            other => value(&mut text, other),
        }
        header.cells.push(Cell {
            start: field.bits.start,
            len: field.bits.len.min(MAX_ROWS * ROW - field.bits.start),
            label: field.label,
            value: String::from_utf8_lossy(text.as_bytes()).into_owned(),
        });
    }

    fn open(&mut self, group: Group) {
        if group.shape == Shape::Quote {
            self.draw();
        }
    }

    fn close(&mut self, _: Shape) {}

    fn end_layer(&mut self) {
        self.draw();
        self.open.pop();
    }
}

impl Drawing<'_> {
    fn draw(&mut self) {
        let Some(header) = self.open.last_mut() else {
            return;
        };
        if std::mem::replace(&mut header.drawn, true) {
            return;
        }
        let paint = self.paint;
        let out = &mut *self.out;
        paint.start(out, Role::Protocol);
        out.str(header.head.protocol.label());
        paint.end(out);
        if header.head.depth > 0 {
            out.str(", quoted");
        }
        out.str(", ");
        out.number(u64::from(header.head.len));
        out.str(" bytes at ");
        out.number(u64::from(header.head.start));
        out.push(b'\n');
        if header.cells.is_empty() {
            return;
        }
        let boxes = boxes(&header.cells);
        out.str("  0                   1                   2                   3\n");
        out.str("  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1\n");
        let rows = boxes.last().map_or(0, |last| last.row + 1);
        for row in 0..rows {
            let above: Vec<&Box> = boxes
                .iter()
                .filter(|piece| row > 0 && piece.row == row - 1)
                .collect();
            let pieces: Vec<&Box> = boxes.iter().filter(|piece| piece.row == row).collect();
            rule(out, &above, &pieces);
            for line in 0..2 {
                out.push(b' ');
                for piece in &pieces {
                    out.push(b'|');
                    let text = if line == 0 {
                        &piece.label
                    } else {
                        &piece.value
                    };
                    paint.start(
                        out,
                        if line == 0 {
                            Role::Quiet
                        } else {
                            Role::Meaning
                        },
                    );
                    centred(out, text, piece.width());
                    paint.end(out);
                }
                out.str("|\n");
            }
        }
        let last: Vec<&Box> = boxes.iter().filter(|piece| piece.row + 1 == rows).collect();
        rule(out, &last, &[]);
    }
}

/// A part of a field that lies in one row.
#[derive(Debug)]
struct Box {
    row: u32,
    first: u32,
    bits: u32,
    label: String,
    value: String,
}

impl Box {
    /// Characters between its walls: each bit is two wide, less one for the wall.
    fn width(&self) -> usize {
        self.bits as usize * 2 - 1
    }
}

/// Cuts fields into rows and fills what no field covers with empty boxes.
fn boxes(cells: &[Cell]) -> Vec<Box> {
    let mut boxes: Vec<Box> = Vec::new();
    let mut at = 0;
    let mut push = |start: u32, end: u32, label: &str, value: &str| {
        let mut start = start;
        let mut words = (label.to_owned(), value.to_owned());
        while start < end {
            let bits = (ROW - start % ROW).min(end - start);
            let (label, value) = std::mem::take(&mut words);
            boxes.push(Box {
                row: start / ROW,
                first: start % ROW,
                bits,
                label,
                value,
            });
            start += bits;
        }
    };
    for cell in cells {
        push(at, cell.start, "", "");
        at = cell.start + cell.len;
        push(cell.start, at, cell.label, &cell.value);
    }
    boxes
}

/// The line between two rows: a corner wherever either has a wall.
fn rule(out: &mut Text, above: &[&Box], below: &[&Box]) {
    let corner = |at: u32| {
        [above, below]
            .into_iter()
            .flatten()
            .any(|piece| piece.first == at || piece.first + piece.bits == at)
    };
    let end = [above, below]
        .into_iter()
        .flatten()
        .map(|piece| piece.first + piece.bits)
        .max()
        .unwrap_or(ROW);
    out.push(b' ');
    for bit in 0..end {
        out.push(if corner(bit) { b'+' } else { b'-' });
        out.push(b'-');
    }
    out.str("+\n");
}

/// `text` in the middle of `width` characters, cut where it is longer.
fn centred(out: &mut Text, text: &str, width: usize) {
    let len = text.chars().count();
    if len > width {
        let kept: String = text.chars().take(width).collect();
        out.str(&kept);
        return;
    }
    let left = (width - len) / 2;
    for _ in 0..left {
        out.push(b' ');
    }
    out.str(text);
    for _ in 0..width - len - left {
        out.push(b' ');
    }
}
