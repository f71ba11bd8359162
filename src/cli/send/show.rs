//! A packet that was built or seen, in any of the ways decode shows one.

use crate::cli::args::Color;
use crate::cli::hexdump::{self, Dump};
use crate::cli::line::{Line, Style};
use crate::cli::paint::Paint;
use crate::cli::shot::{Beyond, Shot};
use crate::cli::text::Text;
use crate::cli::time::{Clock, Format};
use crate::cli::{detail, diagram, ndjson, plan};
use crate::wire::build::Spec;
use crate::wire::frame::{Frame, LinkType, Offload};
use crate::wire::packet::{Judge, Packet, dissect};

use super::spec;
use super::words::Show;

/// A frame of these bytes of which nothing else is known.
pub(super) fn frame(bytes: &[u8], link_type: LinkType, number: u64) -> Frame<'_> {
    Frame {
        number,
        time: None,
        link_type,
        wire_len: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        bytes,
        interface: None,
        direction: None,
        offload: Offload::default(),
        comments: &[],
    }
}

/// Shows frames one after the other.
#[derive(Debug)]
pub(super) struct Shower {
    format: Show,
    paint: Paint,
    line: Line,
    pub(super) packet: Packet,
}

impl Shower {
    pub(super) fn new(format: Show, color: Color) -> Self {
        let paint = Paint {
            on: plan::wants_color(color),
        };
        let style = Style {
            paint,
            link: false,
            names: None,
            cells: false,
        };
        Self {
            format,
            paint,
            line: Line::new(style, Clock::new(Format::default(), None)),
            packet: Packet::new(),
        }
    }

    /// Takes a frame apart and shows it.
    pub(super) fn show(&mut self, frame: &Frame<'_>, interface: Option<&str>, out: &mut Text) {
        dissect(frame, Judge::ALL, &mut self.packet);
        let shot = Shot {
            frame,
            packet: &self.packet,
            file: None,
            interface,
            digits: 6,
            show_anomalies: true,
            beyond: Beyond::default(),
        };
        match self.format {
            Show::Line => {
                self.line.render(&shot, out);
            }
            Show::Detail => {
                detail::render(&shot, self.paint, out);
                hexdump::render(frame.bytes, Dump::HexAscii, out);
            }
            Show::Diagram => diagram::render(&shot, self.paint, out),
            Show::Hex => hexdump::render(frame.bytes, Dump::Hex, out),
            Show::Ndjson => ndjson::render(&shot, out),
            Show::Spec => match Spec::read(frame, &self.packet) {
                Some(spec) => spec::write(&spec, out),
                None => out.str("# no IPv4 packet\n"),
            },
        }
    }
}
