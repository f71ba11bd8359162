//! The in-order stage that ends every way from frames to output: what needs a memory of other
//! frames happens here, and nowhere before.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::pipeline::{Made, Next, Pieces};
use super::plan::Plan;
use super::recorder::{Chosen, End, Parcel};
use super::render::{Output, Piece, Shown, shown_digits};
use super::table::Pages;
use super::tally::Tally;
use super::text::Text;
use super::{Console, Outcome, time};
use crate::error::{Error, Kind, Result, counted};
use crate::filter::Filter;
use crate::net::signals::Signals;
use crate::survey::reassembly::{Reassembly, Together};
use crate::survey::tracks::{Forgotten, Tracks};
use crate::wire::frame::{Frame, LinkType, Time};

mod unfinished;

/// How often a waiting stage looks whether it was interrupted.
const PATIENCE: Duration = Duration::from_millis(50);
/// Link types that are spoken of; a file with more is playing games.
const MAX_MET: usize = 16;

/// The in-order stage: takes pieces as they come in the order of the input, applies `--skip` and
/// `-c`, fills the gaps, compares fragments, and writes.
pub(super) struct Stage {
    plan: Plan,
    reassembly: Reassembly,
    pages: Pages,
    scratch: Text,
    /// The link types met so far, in the order of their first frames.
    met: Vec<LinkType>,
    file: Option<Arc<str>>,
    /// Frames shown, written or counted.
    done: u64,
    /// Frames that were only wanted for the fragments in them, and of which nothing was shown.
    hidden: u64,
    previous: Option<Time>,
}

impl Stage {
    pub(super) fn new(plan: Plan) -> Self {
        Self {
            reassembly: Reassembly::new(plan.reassembly),
            plan,
            pages: Pages::default(),
            scratch: Text::default(),
            met: Vec::new(),
            file: None,
            done: 0,
            hidden: 0,
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
        signals: &mut Signals,
        console: &mut Console<'_>,
    ) -> Result<Outcome> {
        let taken = self.take(&mut pieces, signals, console);
        self.leave(&mut pieces);
        self.unfinished(console);
        self.tracked(console);
        let shown = match &taken {
            Ok(_) => self.finish_text(console),
            Err(_) => Ok(()),
        };
        let written = finish_capture(&mut self.plan, &mut self.done);
        let lost = [
            taken.as_ref().err(),
            shown.as_ref().err(),
            written.as_ref().err(),
        ];
        if let Some(tally) = &mut self.plan.tally {
            tally.status = None;
        }
        if let Some(tally) = &self.plan.tally
            && !lost
                .into_iter()
                .flatten()
                .any(|it| it.kind() == Kind::ClosedPipe)
        {
            tally.tell(self.done, console);
        }
        let (failed, interrupted) = taken?;
        shown.and(written)?;
        match (failed, interrupted) {
            (Some(error), _) => Err(error),
            // A live capture ends no other way.
            (None, Some(signal)) if self.plan.tally.is_none() => Ok(Outcome::Interrupted(signal)),
            (None, _) => Ok(Outcome::Done),
        }
    }

    /// Takes pieces until there are no more, enough, or a signal came; answers what was wrong
    /// with the input, and the signal.
    fn take(
        &mut self,
        pieces: &mut Pieces,
        signals: &mut Signals,
        console: &mut Console<'_>,
    ) -> Result<(Option<Error>, Option<u8>)> {
        let header = std::mem::take(&mut self.plan.header);
        self.write(console, header.as_bytes())?;
        let mut failed = None;
        while self.plan.limit != Some(0) {
            let next = match pieces.next(Duration::ZERO) {
                Next::Waiting => {
                    self.flush(console)?;
                    if let Some(recorder) = &mut self.plan.recorder {
                        recorder.look()?;
                    }
                    self.late_by_clock(console);
                    pieces.next(PATIENCE)
                }
                next => next,
            };
            match &mut self.plan.tally {
                // What is in the ring comes out before the end.
                Some(tally) => tally.look(signals, self.done, console),
                None if signals.interrupted().is_some() => break,
                None => {}
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
                    let (done, hidden) = (self.done, self.hidden);
                    let result = self.piece(&piece, console);
                    if let Some(tally) = &mut self.plan.tally {
                        let (done, hidden) = (self.done - done, self.hidden - hidden);
                        tally.refuse(piece.refused + hidden);
                        tally.unused(piece.matched.saturating_sub(done + hidden));
                    }
                    result?;
                    pieces.recycle(piece);
                }
            }
        }
        Ok((failed, signals.interrupted()))
    }

    /// Lets a live source end: what is still on its way is counted, and the counters are final.
    fn leave(&mut self, pieces: &mut Pieces) {
        let Some(tally) = &mut self.plan.tally else {
            return;
        };
        tally.enough();
        loop {
            match pieces.next(PATIENCE) {
                Next::End => return,
                Next::Made(Made::Piece(piece)) => {
                    tally.refuse(piece.refused);
                    tally.unused(piece.matched);
                }
                Next::Waiting | Next::Made(Made::Failed(_)) => {}
            }
        }
    }

    /// What the person should hear about this part of the input, each thing once.
    fn notices(&mut self, piece: &Piece, console: &mut Console<'_>) {
        if !piece.last {
            return;
        }
        for notice in piece.batch.notices() {
            match &self.plan.tally {
                Some(tally) => tally.aside(|| console.note(notice)),
                None => console.note(notice),
            }
        }
        if let Some(notice) = self.plan.names.as_ref().and_then(|names| names.notice()) {
            console.note(&notice);
        }
        if self.plan.interface.is_none() {
            self.plan.interface = piece.batch.interfaces().first().cloned();
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

    /// What is odd about frames of the piece beside earlier ones, by their places in it. Even a
    /// frame that is skipped has its say on later ones.
    fn track(&mut self, piece: &Piece) -> Vec<(usize, Vec<Together>)> {
        let mut odd = Vec::new();
        if let Some(tracks) = &mut self.plan.tracks {
            for (place, passing) in piece.passings.iter().enumerate() {
                let found = passing.as_ref().map(|passing| tracks.add(passing));
                if let Some(found) = found.filter(|found| !found.is_empty()) {
                    odd.push((place, found));
                }
            }
        }
        odd
    }

    fn piece(&mut self, piece: &Piece, console: &mut Console<'_>) -> Result<()> {
        let due = self.is_due(piece);
        let tracked = self.track(piece);
        let plain = self.plan.skip == 0
            && self.plan.limit.is_none()
            && !piece.late
            && !due
            && tracked.is_empty()
            && !self.plan.table
            && self.plan.recorder.is_none()
            && !self.plan.delta;
        if plain {
            self.write(console, piece.text.as_bytes())?;
            self.done += piece.matched;
            return Ok(());
        }
        let late = piece.late || due || !tracked.is_empty();
        if matches!(self.plan.renderer.output, Output::Count) && !late {
            let skipped = self.plan.skip.min(piece.matched);
            self.plan.skip -= skipped;
            let counted = (piece.matched - skipped).min(self.plan.limit.unwrap_or(u64::MAX));
            self.done += counted;
            self.plan.limit = self.plan.limit.map(|left| left - counted);
            return Ok(());
        }
        if piece.whole {
            let skipped = self.plan.skip.min(piece.matched);
            self.plan.skip -= skipped;
            let taken = (piece.matched - skipped).min(self.plan.limit.unwrap_or(u64::MAX));
            self.plan.limit = self.plan.limit.map(|left| left - taken);
            self.done += taken;
            // Both are below the length of a batch.
            let from = usize::try_from(skipped).unwrap_or(usize::MAX);
            let to = from.saturating_add(usize::try_from(taken).unwrap_or(usize::MAX));
            return self.record(piece, Chosen::All(from..to));
        }
        let mut out = std::mem::take(&mut self.scratch);
        out.clear();
        let mut chosen = Vec::new();
        self.one_by_one(piece, &tracked, &mut chosen, &mut out);
        let recorded = self.record(piece, Chosen::Some(chosen));
        let written = self.write(console, out.as_bytes());
        self.scratch = out;
        recorded.and(written)
    }

    /// Hands frames on to be written, if they are.
    fn record(&mut self, piece: &Piece, frames: Chosen) -> Result<()> {
        let Some(recorder) = &mut self.plan.recorder else {
            return Ok(());
        };
        let none = match &frames {
            Chosen::All(range) => range.is_empty(),
            Chosen::Some(places) => places.is_empty(),
        };
        if none {
            return Ok(());
        }
        let next_source = self.file != piece.file;
        if next_source {
            self.file.clone_from(&piece.file);
        }
        recorder.write(Parcel {
            batch: piece.batch.clone(),
            frames,
            next_source,
        })
    }

    /// True when a frame of the piece shows that the rest of a datagram never came.
    fn is_due(&self, piece: &Piece) -> bool {
        !self.reassembly.is_idle()
            && piece
                .batch
                .frames()
                .any(|frame| self.reassembly.is_due(frame.time))
    }

    /// Frame after frame, for what a whole piece cannot do.
    fn one_by_one(
        &mut self,
        piece: &Piece,
        tracked: &[(usize, Vec<Together>)],
        chosen: &mut Vec<u32>,
        out: &mut Text,
    ) {
        let mut start = 0;
        let mut tracked = tracked.iter().peekable();
        for (place, shown) in piece.shown.iter().enumerate() {
            let (text_start, text_end) = (start, shown.end as usize);
            start = text_end;
            let found = tracked.next_if(|(odd, _)| *odd == place);
            let found = found.map_or(&[][..], |(_, found)| found);
            let Some(frame) = piece.frame(place, *shown) else {
                continue;
            };
            let text = piece.text.as_bytes().get(text_start..text_end);
            let gap = (shown.gap as usize).saturating_sub(text_start);
            let text = (text.unwrap_or_default(), gap);
            if !self.one(piece, &frame, (*shown, found), text, chosen, out) {
                return;
            }
        }
    }

    /// One frame, with what was `found` beside others; `text` is what a worker has made of it. False
    /// when no more are wanted.
    fn one(
        &mut self,
        piece: &Piece,
        frame: &Frame<'_>,
        (shown, found): (Shown, &[Together]),
        (text, gap): (&[u8], usize),
        chosen: &mut Vec<u32>,
        out: &mut Text,
    ) -> bool {
        let mut late = Text::default();
        let (mut whole, mut hidden) = (None, false);
        let due = self.reassembly.is_due(frame.time);
        let (text, gap) = if shown.late || due || !found.is_empty() {
            // Even a frame that is skipped has its say on later fragments.
            let renderer = &mut self.plan.renderer;
            let seen = (&mut self.reassembly, found);
            let (gap, completed) = renderer.late(piece, frame, shown.refused, seen, &mut late);
            if let Some(completed) = completed {
                let mut text = Text::default();
                whole = renderer
                    .whole(piece, frame, &completed, &mut text)
                    .map(|gap| (text, gap));
            }
            hidden = gap.is_none();
            (late.as_bytes(), gap.unwrap_or(0))
        } else if shown.left_out {
            return true;
        } else {
            (text, gap)
        };
        // A frame counts once, whether itself or the datagram that it completes is shown. To write,
        // nobody can wait until it is known what a fragment is of.
        let kept = shown.refused && self.plan.recorder.is_some();
        if hidden && whole.is_none() && !kept {
            self.hidden += u64::from(shown.refused);
            return true;
        }
        if self.plan.skip > 0 {
            self.plan.skip -= 1;
            return true;
        }
        if self.plan.limit == Some(0) {
            return false;
        }
        self.plan.limit = self.plan.limit.map(|left| left - 1);
        if self.plan.recorder.is_some() {
            chosen.push(shown.index);
        }
        if !hidden {
            self.frame(frame, piece, text, gap, out);
        }
        if let Some((text, gap)) = whole {
            self.frame(frame, piece, text.as_bytes(), gap, out);
        }
        self.done += 1;
        true
    }

    fn frame(&mut self, frame: &Frame<'_>, piece: &Piece, text: &[u8], gap: usize, out: &mut Text) {
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
            format!(
                "writing to standard output after {}",
                counted(self.done, "frame")
            ),
            error,
        )
    }

    /// What there is to say of datagrams that were not remembered for long enough.
    fn tracked(&self, console: &mut Console<'_>) {
        let forgotten = self.plan.tracks.as_ref().map(Tracks::forgotten);
        if let Some(notice) = forgotten.and_then(overflow) {
            console.note(&notice);
        }
    }

    fn finish_text(&mut self, console: &mut Console<'_>) -> Result<()> {
        let mut end = Text::default();
        if let Some(page) = self.pages.finish() {
            end.str(&page);
        }
        if matches!(self.plan.renderer.output, Output::Count) {
            end.number(self.done);
            end.push(b'\n');
        }
        self.write(console, end.as_bytes())?;
        self.flush(console)
    }
}

/// Ends the capture being written, if one is; of what was not written in the end, the tally hears,
/// and `done` then is what was.
pub(super) fn finish_capture(plan: &mut Plan, done: &mut u64) -> Result<()> {
    let Some(recorder) = &mut plan.recorder else {
        return Ok(());
    };
    let result = recorder.finish(End {
        interface: plan.interface.take().filter(|_| *done == 0),
        accounts: plan.tally.as_ref().map(Tally::accounts),
    });
    let whole = recorder.whole();
    if let Some(tally) = &plan.tally {
        tally.unused(done.saturating_sub(whole));
    }
    *done = whole;
    result.map(drop)
}

/// What to say where tables were full.
pub(super) fn overflow(forgotten: Forgotten) -> Option<String> {
    let Forgotten {
        datagrams,
        flows,
        hosts,
    } = forgotten;
    (forgotten != Forgotten::default()).then(|| {
        format!(
            "more passed by than can be remembered: {datagrams} datagrams, {flows} flows and \
             {hosts} hosts were forgotten early, and anomalies over several packets may be missing"
        )
    })
}
