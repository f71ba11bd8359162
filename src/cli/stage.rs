//! The in-order stage that ends every way from frames to output: what needs a memory of other
//! frames happens here, and nowhere before.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::decode::Plan;
use super::pipeline::{Made, Next, Pieces};
use super::render::{Output, Piece, shown_digits};
use super::table::Pages;
use super::text::Text;
use super::{Console, Outcome, time};
use crate::capture::Interface;
use crate::error::{Error, Kind, Result};
use crate::filter::Filter;
use crate::net::signals::Signals;
use crate::survey::fragments::Fragments;
use crate::wire::frame::{Frame, LinkType, Time};

/// How often a waiting stage looks whether it was interrupted.
const PATIENCE: Duration = Duration::from_millis(50);
/// Link types that are spoken of; a file with more is playing games.
const MAX_MET: usize = 16;

/// The in-order stage: takes pieces as they come in the order of the input, applies `--skip` and
/// `-c`, fills the gaps, compares fragments, and writes.
pub(super) struct Stage {
    plan: Plan,
    fragments: Fragments,
    pages: Pages,
    scratch: Text,
    /// The link types met so far, in the order of their first frames.
    met: Vec<LinkType>,
    /// What an output without frames says it is a capture of.
    interface: Option<Interface>,
    file: Option<Arc<str>>,
    /// Frames shown, written or counted.
    done: u64,
    previous: Option<Time>,
}

impl Stage {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            plan,
            fragments: Fragments::default(),
            pages: Pages::default(),
            scratch: Text::default(),
            met: Vec::new(),
            interface: None,
            file: None,
            done: 0,
            previous: None,
        }
    }

    /// Takes every piece to where it belongs.
    ///
    /// # Errors
    /// The input's last damage, or what kept the output from being written.
    pub(super) fn run(
        mut self,
        mut pieces: Pieces,
        signals: &Signals,
        console: &mut Console<'_>,
    ) -> Result<Outcome> {
        self.interface = pieces.interface.take();
        let header = std::mem::take(&mut self.plan.header);
        self.write(console, header.as_bytes())?;
        let mut failed = None;
        let mut interrupted = None;
        while self.plan.limit != Some(0) {
            let next = match pieces.next(Duration::ZERO) {
                Next::Waiting => {
                    self.flush(console)?;
                    pieces.next(PATIENCE)
                }
                next => next,
            };
            interrupted = signals.interrupted();
            if interrupted.is_some() {
                break;
            }
            match next {
                Next::Waiting => {}
                Next::End => break,
                Next::Made(Made::Failed(error)) => {
                    // A damaged capture does not keep the next one from being read.
                    let damaged = error.kind() == Kind::Damaged;
                    if let Some(earlier) = failed.replace(error) {
                        console.note(&earlier);
                    }
                    if !damaged {
                        break;
                    }
                }
                Next::Made(Made::Piece(piece)) => {
                    self.notices(&piece, console);
                    self.piece(&piece, console)?;
                    pieces.recycle(piece);
                }
            }
        }
        self.finish(console)?;
        match (failed, interrupted) {
            (Some(error), _) => Err(error),
            (None, Some(signal)) => Ok(Outcome::Interrupted(signal)),
            (None, None) => Ok(Outcome::Done),
        }
    }

    /// What the person should hear about this part of the input, each thing once.
    fn notices(&mut self, piece: &Piece, console: &mut Console<'_>) {
        if !piece.last {
            return;
        }
        for notice in piece.batch.notices() {
            console.note(notice);
        }
        if let Some(notice) = self.plan.names.as_ref().and_then(|names| names.notice()) {
            console.note(&notice);
        }
        if self.interface.is_none() {
            self.interface = piece.batch.interfaces().first().cloned();
        }
        // All frames are of one link type where all interfaces are.
        let mut interfaces = piece.batch.interfaces().windows(2);
        let mixed = interfaces.any(|pair| matches!(pair, [a, b] if a.link_type != b.link_type));
        let looked_at = if mixed { piece.batch.len() } else { 1 };
        let mut previous = None;
        for frame in piece.batch.frames().take(looked_at) {
            if previous.replace(frame.link_type) != Some(frame.link_type) {
                self.meet(frame.link_type, console);
            }
        }
    }

    /// What there is to say of a link type when its first frame comes.
    fn meet(&mut self, link_type: LinkType, console: &mut Console<'_>) {
        if self.met.len() == MAX_MET || self.met.contains(&link_type) {
            return;
        }
        self.met.push(link_type);
        // What cannot be compiled is told in its place, by the worker that meets it.
        let selector = self.plan.renderer.selector.as_mut();
        let filter = selector.and_then(|selector| selector.filter(link_type).ok());
        if filter.is_some_and(Filter::never_matches) {
            console.note(&format_args!(
                "no frame of link type {link_type} can match this filter"
            ));
        }
        if link_type.name().is_none() {
            console.note(&format_args!(
                "{link_type} is unknown here; its frames are shown as bytes"
            ));
        }
    }

    fn piece(&mut self, piece: &Piece, console: &mut Console<'_>) -> Result<()> {
        let plain = self.plan.skip == 0
            && self.plan.limit.is_none()
            && !piece.late
            && !self.plan.table
            && self.plan.capture.is_none()
            && !self.plan.delta;
        if plain {
            self.write(console, piece.text.as_bytes())?;
            self.done += piece.matched;
            return Ok(());
        }
        if matches!(self.plan.renderer.output, Output::Count) {
            let skipped = self.plan.skip.min(piece.matched);
            self.plan.skip -= skipped;
            let counted = (piece.matched - skipped).min(self.plan.limit.unwrap_or(u64::MAX));
            self.done += counted;
            self.plan.limit = self.plan.limit.map(|left| left - counted);
            return Ok(());
        }
        let mut out = std::mem::take(&mut self.scratch);
        out.clear();
        let result = self.one_by_one(piece, &mut out);
        let written = self.write(console, out.as_bytes());
        self.scratch = out;
        result.and(written)
    }

    /// Frame after frame, for what a whole piece cannot do.
    fn one_by_one(&mut self, piece: &Piece, out: &mut Text) -> Result<()> {
        let mut start = 0;
        for shown in &piece.shown {
            let (text_start, text_end) = (start, shown.end as usize);
            start = text_end;
            let Some(frame) = piece.batch.frame(shown.index as usize) else {
                continue;
            };
            let mut late = Text::default();
            let (text, gap) = if shown.late {
                // Even a frame that is skipped has its say on later fragments.
                let fragments = &mut self.fragments;
                let gap = self.plan.renderer.late(
                    piece,
                    &frame,
                    |frame, packet| fragments.track(frame, packet),
                    &mut late,
                );
                (late.as_bytes(), gap)
            } else {
                let text = piece
                    .text
                    .as_bytes()
                    .get(text_start..text_end)
                    .unwrap_or_default();
                (text, (shown.gap as usize).saturating_sub(text_start))
            };
            if self.plan.skip > 0 {
                self.plan.skip -= 1;
                continue;
            }
            if self.plan.limit == Some(0) {
                return Ok(());
            }
            self.plan.limit = self.plan.limit.map(|left| left - 1);
            self.frame(&frame, piece, text, gap, out)?;
            self.done += 1;
        }
        Ok(())
    }

    fn frame(
        &mut self,
        frame: &Frame<'_>,
        piece: &Piece,
        text: &[u8],
        gap: usize,
        out: &mut Text,
    ) -> Result<()> {
        if let Some(writer) = &mut self.plan.capture {
            if self.file != piece.file {
                self.file.clone_from(&piece.file);
                writer.next_source();
            }
            let unknown = Interface::new(frame.link_type);
            return writer.write(frame, piece.batch.interface(frame).unwrap_or(&unknown));
        }
        let mut filled = Text::default();
        let text = if self.plan.delta {
            let (before, after) = text.split_at_checked(gap).unwrap_or((text, &[]));
            filled.raw(before);
            if let Some(now) = frame.time {
                let since = self.previous.map_or(0, |previous| now.since(previous));
                time::seconds(&mut filled, since, shown_digits(&piece.batch, frame));
                self.previous = Some(now);
            }
            filled.raw(after);
            filled.as_bytes()
        } else {
            text
        };
        if self.plan.table {
            if let Some(page) = self.pages.row(text) {
                out.str(&page);
            }
        } else {
            out.raw(text);
        }
        Ok(())
    }

    fn write(&self, console: &mut Console<'_>, bytes: &[u8]) -> Result<()> {
        console
            .out
            .write_all(bytes)
            .map_err(|error| self.broken(&error))
    }

    fn flush(&self, console: &mut Console<'_>) -> Result<()> {
        console.out.flush().map_err(|error| self.broken(&error))
    }

    fn broken(&self, error: &io::Error) -> Error {
        Error::write(
            format!("writing to standard output after {} frames", self.done),
            error,
        )
    }

    fn finish(&mut self, console: &mut Console<'_>) -> Result<()> {
        let mut end = Text::default();
        if let Some(page) = self.pages.finish() {
            end.str(&page);
        }
        if matches!(self.plan.renderer.output, Output::Count) {
            end.number(self.done);
            end.push(b'\n');
        }
        self.write(console, end.as_bytes())?;
        if let Some(mut writer) = self.plan.capture.take() {
            if let Some(interface) = self.interface.take().filter(|_| self.done == 0) {
                writer.declare(&interface, 0)?;
            }
            writer.finish()?;
        }
        self.flush(console)
    }
}
