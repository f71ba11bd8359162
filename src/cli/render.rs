//! One worker's share: filter, dissect and render the frames of a batch, with no memory of any
//! other frame. What needs such a memory is left open and marked: the gap for a delta time, and
//! the frames that carry fragments.
//!
//! Knows every output format; none of them knows the others.

use std::sync::Arc;

use super::csv::Csv;
use super::hexdump::{self, Dump};
use super::line::Line;
use super::paint::Paint;
use super::pipeline::{Dealt, Made, Part, Work};
use super::selector::Selector;
use super::send::spec;
use super::shot::{Beyond, Shot};
use super::text::Text;
use super::{detail, diagram, ndjson};
use crate::capture::Batch;
use crate::survey::tracks::{Origin, Passing};
use crate::wire::frame::{Frame, Time};
use crate::wire::packet::{Judge, Packet, dissect};

/// A piece is handed on when its text has grown to this, so that memory stays bounded whatever a
/// frame's rendering may take.
const PIECE: usize = 512 << 10;
/// And when so many datagrams are noted for tracking.
const TRACKED: usize = 4096;

/// How frames come out.
#[derive(Debug, Clone)]
pub(super) enum Output {
    /// Not at all: they are only counted.
    Count,
    /// As they came in, to a capture file.
    Capture,
    Line(Line),
    Detail(Paint),
    Diagram(Paint),
    Ndjson,
    /// As a file for send.
    Spec,
    Csv(Csv),
}

/// Renders frames; every worker has its own.
#[derive(Debug, Clone)]
pub(super) struct Renderer {
    pub(super) output: Output,
    pub(super) judge: Judge,
    pub(super) dump: Option<Dump>,
    /// Which frames to render; the others are passed over.
    pub(super) selector: Option<Selector>,
    /// Only frames with an anomaly.
    pub(super) odd_only: bool,
    /// What passes by is noted for who knows more frames, with this secret.
    pub(super) track: Option<[u64; 2]>,
    /// Fragments are put together, also those that the filter refuses.
    pub(super) reassemble: bool,
    pub(super) packet: Packet,
    worker: usize,
}

/// One frame that matched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    /// Its place in the batch.
    pub(super) index: u32,
    /// Where its text ends.
    pub(super) end: u32,
    /// Where in the text its delta time belongs.
    pub(super) gap: u32,
    /// Not rendered yet: it carries a fragment.
    pub(super) late: bool,
    /// Nothing is odd about it by itself, and only odd ones are wanted.
    pub(super) left_out: bool,
    /// The filter refuses it; only the datagram that it is part of may be shown.
    pub(super) refused: bool,
}

/// Rendered frames.
pub(super) struct Piece {
    pub(super) batch: Batch,
    pub(super) file: Option<Arc<str>>,
    pub(super) origin: Option<Time>,
    pub(super) text: Text,
    pub(super) shown: Vec<Shown>,
    /// The datagram of each of them, where such are tracked.
    pub(super) passings: Vec<Option<Passing>>,
    /// Frames that matched, or that only carry fragments.
    pub(super) matched: u64,
    /// Frames that did neither.
    pub(super) refused: u64,
    /// All frames of the batch matched and none is rendered: `shown` is left empty.
    pub(super) whole: bool,
    /// The number of the first frame shown, where those are numbered that are.
    numbered: Option<u64>,
    /// Some of `shown` are late.
    pub(super) late: bool,
    /// The batch ends here.
    pub(super) last: bool,
    pub(super) worker: usize,
}

/// What a piece leaves behind for the next one.
pub(super) type Storage = (Text, Vec<Shown>, Vec<Option<Passing>>);

impl Piece {
    /// The frame of this place among those shown.
    pub(super) fn frame(&self, place: usize, shown: Shown) -> Option<Frame<'_>> {
        let mut frame = self.batch.frame(shown.index as usize)?;
        if let Some(first) = self.numbered {
            frame.number = first.saturating_add(place as u64);
        }
        Some(frame)
    }
}

impl Part for Piece {
    type Storage = Storage;

    fn is_last(&self) -> bool {
        self.last
    }

    fn worker(&self) -> usize {
        self.worker
    }

    fn into_storage(self) -> Storage {
        (self.text, self.shown, self.passings)
    }
}

impl Renderer {
    pub(super) fn new(
        output: Output,
        judge: Judge,
        dump: Option<Dump>,
        selector: Option<Selector>,
    ) -> Self {
        Self {
            output,
            judge,
            dump,
            selector,
            odd_only: false,
            track: None,
            reassemble: false,
            packet: Packet::new(),
            worker: 0,
        }
    }

    fn piece(
        &self,
        dealt: &Dealt,
        numbered: Option<u64>,
        storage: &mut dyn FnMut() -> Option<Storage>,
    ) -> Piece {
        let (mut text, mut shown, mut passings) = storage().unwrap_or_default();
        text.clear();
        shown.clear();
        passings.clear();
        Piece {
            batch: dealt.batch.clone(),
            file: dealt.file.clone(),
            origin: dealt.origin,
            text,
            shown,
            passings,
            matched: 0,
            refused: 0,
            whole: false,
            numbered,
            late: false,
            last: true,
            worker: self.worker,
        }
    }

    /// Renders one dissected frame; answers where its delta time belongs.
    pub(super) fn render(
        &mut self,
        frame: &Frame<'_>,
        batch: &Batch,
        file: Option<&str>,
        beyond: Beyond<'_>,
        out: &mut Text,
    ) -> usize {
        let interface = batch.interface(frame);
        let shot = Shot {
            frame,
            packet: &self.packet,
            file,
            interface: interface.and_then(|interface| interface.name.as_deref()),
            digits: shown_digits(batch, frame),
            show_anomalies: self.judge.anomalies,
            beyond,
        };
        let mut gap = 0;
        match &mut self.output {
            Output::Count | Output::Capture => {}
            Output::Line(line) => gap = line.render(&shot, out),
            Output::Detail(paint) => detail::render(&shot, *paint, out),
            Output::Diagram(paint) => diagram::render(&shot, *paint, out),
            Output::Ndjson => ndjson::render(&shot, out),
            Output::Spec => spec::render(&shot, out),
            Output::Csv(csv) => csv.render(&shot, out),
        }
        if let Some(dump) = self.dump {
            hexdump::render(frame.bytes, dump, out);
        }
        gap
    }

    /// What is in the frames plays no part.
    pub(super) fn is_blind(&self) -> bool {
        let unseen = matches!(self.output, Output::Count | Output::Capture);
        unseen && !self.odd_only && !self.reassemble
    }

    /// Nothing is odd about the packet, and only odd ones are wanted.
    pub(super) fn is_left_out(&self) -> bool {
        self.odd_only && self.packet.anomalies().is_empty()
    }

    /// Marks a frame that the filter refuses for the in-order stage.
    fn keep_fragment(&self, index: u32, piece: &mut Piece) {
        piece.late = true;
        piece.matched += 1;
        piece.shown.push(Shown {
            index,
            end: u32::try_from(piece.text.len()).unwrap_or(u32::MAX),
            gap: 0,
            late: true,
            left_out: false,
            refused: true,
        });
        if self.track.is_some() {
            piece.passings.push(None);
        }
    }

    fn has_fragment(&mut self, frame: &Frame<'_>) -> bool {
        dissect(frame, Judge::NOTHING, &mut self.packet);
        self.packet.fragment().is_some()
    }
}

impl Work for Renderer {
    type Piece = Piece;

    fn for_worker(&self, worker: usize) -> Self {
        Self {
            worker,
            ..self.clone()
        }
    }

    fn selector(&self) -> Option<&Selector> {
        self.selector.as_ref()
    }

    fn wants_fragments(&self) -> bool {
        self.reassemble
    }

    fn batch(
        &mut self,
        dealt: &Dealt,
        storage: &mut dyn FnMut() -> Option<Storage>,
        send: &mut dyn FnMut(Made) -> bool,
    ) -> bool {
        if let Output::Line(line) = &mut self.output {
            line.start_at(dealt.origin);
        }
        let mut piece = self.piece(dealt, dealt.numbered, storage);
        let unseen = self.is_blind();
        if unseen && self.selector.is_none() {
            piece.matched = dealt.batch.len() as u64;
            piece.whole = true;
            return send(Made::Piece(piece));
        }
        let track = self.track.filter(|_| !unseen);
        let origin = track.map(|seed| Origin::new(seed, dealt.file.as_deref()));
        for (index, frame) in (0..).zip(dealt.batch.frames()) {
            match dealt.selects(self.selector.as_mut(), &frame, index) {
                Ok(true) if dealt.fragments.binary_search(&index).is_err() => {}
                Ok(true) => {
                    self.keep_fragment(index, &mut piece);
                    continue;
                }
                // Whoever selects in order has looked for fragments.
                Ok(false) => {
                    let kept =
                        self.reassemble && dealt.selected.is_none() && self.has_fragment(&frame);
                    if kept {
                        self.keep_fragment(index, &mut piece);
                    } else {
                        piece.refused += 1;
                    }
                    continue;
                }
                Err(error) => return send(Made::Failed(error)),
            }
            let mut frame = frame;
            if let Some(first) = piece.numbered {
                frame.number = first.saturating_add(piece.shown.len() as u64);
            }
            let mut shown = Shown {
                index,
                end: 0,
                gap: 0,
                late: false,
                left_out: false,
                refused: false,
            };
            if !unseen {
                dissect(&frame, self.judge, &mut self.packet);
                if let Some(origin) = &origin {
                    let passing = Passing::read(&frame, &self.packet, origin);
                    piece.passings.push(passing);
                }
                if (self.judge.anomalies || self.reassemble) && self.packet.fragment().is_some() {
                    shown.late = true;
                    piece.late = true;
                } else if self.is_left_out() {
                    if origin.is_none() {
                        continue;
                    }
                    shown.left_out = true;
                } else {
                    let gap = self.render(
                        &frame,
                        &dealt.batch,
                        dealt.file.as_deref(),
                        Beyond::default(),
                        &mut piece.text,
                    );
                    shown.gap = u32::try_from(gap).unwrap_or(u32::MAX);
                }
                shown.end = u32::try_from(piece.text.len()).unwrap_or(u32::MAX);
            }
            piece.matched += u64::from(!shown.left_out);
            piece.shown.push(shown);
            if piece.text.len() > PIECE || piece.passings.len() >= TRACKED {
                piece.last = false;
                let next = piece
                    .numbered
                    .map(|first| first.saturating_add(piece.shown.len() as u64));
                if !send(Made::Piece(std::mem::replace(
                    &mut piece,
                    self.piece(dealt, next, storage),
                ))) {
                    return false;
                }
            }
        }
        send(Made::Piece(piece))
    }
}

/// Digits of a second that are worth showing: six, or nine where the source keeps more than six.
pub(super) fn shown_digits(batch: &Batch, frame: &Frame<'_>) -> usize {
    let fine = batch
        .interface(frame)
        .is_some_and(|interface| interface.resolution.digits() > 6);
    if fine { 9 } else { 6 }
}
