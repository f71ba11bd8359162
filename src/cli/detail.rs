//! Every field of every layer, one a line: byte offset in the frame, bits, label, value, meaning.
//!
//! The page a student reads. A visitor like any other; it knows no protocol.

use super::line::{contradiction, ranges, value};
use super::paint::{Paint, Role};
use super::shot::Shot;
use super::text::Text;
use crate::wire::field::{Bits, Field, Group, Head, Shape, Visitor};
use crate::wire::packet::visit;

/// Column in which values begin, and the width they are given before meanings.
const LABEL: usize = 30;
const VALUE: usize = 18;

pub(super) fn render(shot: &Shot<'_>, paint: Paint, out: &mut Text) {
    let frame = shot.frame;
    paint.start(out, Role::Protocol);
    out.str("Frame ");
    out.number(frame.number);
    paint.end(out);
    if let Some(file) = shot.file {
        out.str("  ");
        out.escaped(file.as_bytes());
    }
    out.str("  ");
    match frame.time {
        Some(time) => super::time::date(out, time),
        None => out.str("no time"),
    }
    out.str("  ");
    out.number(u64::from(frame.wire_len));
    out.str(" bytes");
    if frame.bytes.len() as u64 != u64::from(frame.wire_len) {
        out.str(", ");
        out.number(frame.bytes.len() as u64);
        out.str(" captured");
    }
    if let Some(interface) = shot.interface {
        out.str("  ");
        out.escaped(interface.as_bytes());
    }
    if let Some(direction) = frame.direction {
        out.push(b' ');
        out.str(direction.name());
    }
    out.push(b'\n');
    if let Some(whole) = shot.beyond.whole {
        out.str("  Datagram of ");
        out.number(u64::from(whole.length));
        out.str(" bytes, reassembled from frames ");
        ranges(&whole.frames, out);
        out.push(b'\n');
    }
    for comment in frame.comments {
        out.str("  Comment: ");
        out.escaped(comment.as_bytes());
        out.push(b'\n');
    }
    let mut visitor = Page {
        out,
        paint,
        indent: 0,
        start: 0,
    };
    visit(frame, shot.packet, &mut visitor);
    if let Some(stopped) = shot.packet.stopped() {
        paint.start(out, Role::Wrong);
        out.str("  Stopped at byte ");
        out.number(u64::from(stopped.offset));
        out.str(": ");
        out.str(stopped.protocol.label());
        out.str(": ");
        out.display(&stopped.reason);
        paint.end(out);
        out.push(b'\n');
    }
    if shot.show_anomalies {
        anomalies(shot, paint, out);
    }
}

fn anomalies(shot: &Shot<'_>, paint: Paint, out: &mut Text) {
    for found in shot.packet.anomalies() {
        let entry = found.anomaly.entry();
        paint.start(out, Role::Wrong);
        out.str("  ! ");
        out.str(entry.id);
        paint.end(out);
        out.str(": ");
        out.str(entry.meaning);
        out.str(" (");
        out.str(entry.rfc);
        out.push(b')');
        if let Some(frames) = shot.frames_of(found.anomaly) {
            out.str(" with frame");
            for (at, frame) in frames.iter().enumerate() {
                out.str(if at == 0 { " " } else { ", " });
                out.number(*frame);
            }
        }
        for (tool, name) in [
            ("Suricata", entry.suricata),
            ("Zeek", entry.zeek),
            ("Wireshark", entry.wireshark),
        ] {
            if !name.is_empty() {
                out.str("; ");
                out.str(tool);
                out.str(": ");
                out.str(name);
            }
        }
        out.push(b'\n');
        for difference in shot.differences_of(found.anomaly) {
            out.str("      ");
            contradiction(difference, out);
            out.push(b'\n');
        }
    }
}

struct Page<'a> {
    out: &'a mut Text,
    paint: Paint,
    indent: usize,
    /// First byte of the layer being described.
    start: u32,
}

impl Page<'_> {
    fn spaces(&mut self, count: usize) {
        for _ in 0..count {
            self.out.push(b' ');
        }
    }

    /// Byte offset in the frame, and the bits where they are not whole bytes.
    fn place(&mut self, bits: Bits) {
        let line = self.out.len();
        self.spaces(4);
        if bits.len > 0 {
            self.paint.start(self.out, Role::Quiet);
            let at = self.out.len();
            self.out
                .number(u64::from(self.start) + u64::from(bits.start / 8));
            self.pad(at, 5);
            if !bits.start.is_multiple_of(8) || !bits.len.is_multiple_of(8) {
                let first = bits.start % 8;
                self.out.push(b'.');
                self.out.number(u64::from(first));
                if bits.len > 1 {
                    self.out.push(b'-');
                    self.out.number(u64::from(first) + u64::from(bits.len) - 1);
                }
            }
            self.paint.end(self.out);
        }
        let invisible = if self.paint.on && bits.len > 0 {
            "\x1b[2m\x1b[0m".len()
        } else {
            0
        };
        self.pad(line + invisible, 15);
        self.spaces(self.indent * 2);
    }

    /// Spaces up to `width` columns from byte `from` of the output.
    fn pad(&mut self, from: usize, width: usize) {
        let shown = String::from_utf8_lossy(self.out.as_bytes().get(from..).unwrap_or_default())
            .chars()
            .count();
        self.spaces(width.saturating_sub(shown));
    }
}

impl Visitor for Page<'_> {
    fn layer(&mut self, head: Head) -> bool {
        self.start = head.start;
        self.spaces(2 + self.indent * 2);
        self.paint.start(self.out, Role::Protocol);
        self.out.str(head.protocol.label());
        self.paint.end(self.out);
        self.out.str(", ");
        self.out.number(u64::from(head.len));
        self.out.str(" bytes at ");
        self.out.number(u64::from(head.start));
        self.out.push(b'\n');
        true
    }

    fn field(&mut self, field: Field<'_>) {
        self.place(field.bits);
        let at = self.out.len();
        self.out.str(field.label);
        self.pad(at, LABEL.saturating_sub(self.indent * 2));
        if !self.out.ends_with(b' ') {
            self.out.push(b' ');
        }
        let at = self.out.len();
        value(self.out, field.value);
        if let Some(meaning) = field.meaning {
            self.pad(at, VALUE);
            self.out.str("  ");
            self.paint.start(self.out, Role::Meaning);
            self.out.display(meaning);
            self.paint.end(self.out);
        }
        while self.out.ends_with(b' ') {
            self.out.truncate(self.out.len() - 1);
        }
        self.out.push(b'\n');
    }

    fn open(&mut self, group: Group) {
        if group.shape == Shape::List && group.bits.len == 0 {
            // An empty list of options, and the list of quoted layers, whose heads say enough.
            self.indent += 1;
            return;
        }
        self.place(group.bits);
        self.out.str(group.label);
        self.out.push(b'\n');
        self.indent += 1;
    }

    fn close(&mut self, _: Shape) {
        self.indent = self.indent.saturating_sub(1);
    }

    fn end_layer(&mut self) {}
}
