//! `dotquad decode`: what was typed becomes a plan, and the in-order stage that ends every plan.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::args::{Color, Decode, Format};
use super::csv::{self, Csv};
use super::hexdump::Dump;
use super::line::{Line, Style};
use super::paint::Paint;
use super::pipeline::{Made, Next, Pieces};
use super::progress::Progress;
use super::render::{Output, Piece, Renderer};
use super::table::Pages;
use super::text::Text;
use super::time::{self, Clock};
use super::{Console, Outcome};
use crate::capture::Writer;
use crate::error::{Error, Kind, Result};
use crate::net::{resolver::Resolver, signals::Signals};
use crate::survey::fragments::Fragments;
use crate::wire::frame::{Frame, Time};
use crate::wire::packet::Judge;

/// How often a waiting stage looks whether it was interrupted.
const PATIENCE: Duration = Duration::from_millis(50);

/// Runs the command.
///
/// # Errors
/// Wrong words, files that cannot be opened, damaged captures, outputs that cannot be written.
pub(super) fn run(args: &Decode, color: Color, console: &mut Console<'_>) -> Result<Outcome> {
    let (files, filter) = files_and_filter(args)?;
    if !filter.is_empty() {
        return Err(Error::usage("reading the filter", "not yet"));
    }
    let plan = Plan::new(args, color, &files)?;
    let signals = Signals::watch()?;
    let workers = match args.workers {
        Some(workers) => usize::from(workers),
        None => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    };
    let pieces = Pieces::start(files.clone(), workers, &plan.renderer)?;
    let progress = Progress::start(&pieces.consumed, &files);
    let mut stage = Stage::new(plan, args);
    let outcome = stage.run(pieces, &signals, console);
    drop(progress);
    outcome
}

/// Which words are captures and which are the filter.
fn files_and_filter(args: &Decode) -> Result<(Vec<PathBuf>, String)> {
    let mut files = Vec::new();
    let mut words = args.words.as_slice();
    if let [first, rest @ ..] = words
        && (args.read.is_empty() || Path::new(first).exists() || first == "-")
    {
        files.push(PathBuf::from(first));
        words = rest;
    }
    files.extend(args.read.iter().cloned());
    if files.is_empty() {
        return Err(
            Error::usage("reading the command line", "no capture is named")
                .advice("dotquad decode FILE, where - is standard input"),
        );
    }
    if let Some(word) = words.iter().find(|word| Path::new(word).is_file()) {
        return Err(Error::usage(
            format!("reading the filter word {word:?}"),
            "this is a file, not part of a filter",
        )
        .advice(format!("-r {word} reads one more capture")));
    }
    Ok((files, words.join(" ")))
}

/// What to do with each frame and where it goes.
struct Plan {
    renderer: Renderer,
    /// Frames go to this capture and are not shown.
    capture: Option<Writer>,
    /// Lines are rows of a table.
    table: bool,
    /// Before the first frame.
    header: Text,
    time: time::Format,
}

impl Plan {
    fn new(args: &Decode, color: Color, files: &[PathBuf]) -> Result<Self> {
        let paint = Paint {
            on: wants_color(color),
        };
        let clock = Clock::new(args.time, None);
        let names = if args.names {
            Some(Arc::new(Resolver::start()?))
        } else {
            None
        };
        let format = if args.verbose {
            Format::Detail
        } else {
            args.format
        };
        if args.fields.is_some() && format != Format::Csv {
            return Err(
                Error::usage("reading --fields", "only --format csv has columns")
                    .advice("add --format csv"),
            );
        }
        let mut header = Text::default();
        let mut judge = Judge {
            checksums: true,
            anomalies: !args.no_anomalies,
        };
        let style = |cells: bool| Style {
            paint: Paint {
                on: paint.on && !cells,
            },
            link: args.link,
            names: names.clone(),
            cells,
        };
        let output = match format {
            _ if args.count => Output::Count,
            _ if args.write.is_some() => Output::Capture,
            Format::Line => Output::Line(Line::new(style(false), clock)),
            Format::Table => Output::Line(Line::new(style(true), clock)),
            Format::Detail => Output::Detail(paint),
            Format::Diagram => Output::Diagram(paint),
            Format::Ndjson => Output::Ndjson,
            Format::Csv => {
                let csv = Csv::new(args.fields.as_deref().unwrap_or(csv::DEFAULT))?;
                judge.checksums = csv.needs_checksums();
                judge.anomalies &= csv.needs_anomalies();
                csv.header(&mut header);
                Output::Csv(csv)
            }
        };
        let dump = match (args.hex, args.hex_ascii, args.ascii) {
            (_, true, _) => Some(Dump::HexAscii),
            (true, ..) => Some(Dump::Hex),
            (_, _, true) => Some(Dump::Ascii),
            _ => None,
        };
        if dump.is_some() && !matches!(format, Format::Line | Format::Detail | Format::Diagram) {
            return Err(Error::usage(
                "reading -x, -X or -A",
                "bytes can stand below lines, details and diagrams only",
            ));
        }
        let capture = match &args.write {
            Some(path) => Some(create(path, files)?),
            None => None,
        };
        Ok(Self {
            renderer: Renderer::new(output, judge, dump),
            capture,
            table: format == Format::Table,
            header,
            time: args.time,
        })
    }
}

/// Creates the capture to write, unless it is one of those to be read.
fn create(path: &Path, files: &[PathBuf]) -> Result<Writer> {
    let same = |file: &PathBuf| match (file.canonicalize(), path.canonicalize()) {
        (Ok(file), Ok(path)) => file == path && path.is_file(),
        _ => false,
    };
    if files.iter().any(same) {
        return Err(Error::usage(
            format!("writing {}", path.display()),
            "it is also the capture to be read",
        )
        .advice("write to another file"));
    }
    Writer::create(path)
}

fn wants_color(color: Color) -> bool {
    match color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never,
    }
}

/// The in-order stage: takes pieces as they come in the order of the input, applies `--skip` and
/// `-c`, fills the gaps, compares fragments, and writes.
struct Stage {
    plan: Plan,
    fragments: Fragments,
    pages: Pages,
    scratch: Text,
    skip: u64,
    left: Option<u64>,
    /// Frames shown, written or counted.
    done: u64,
    previous: Option<Time>,
}

impl Stage {
    fn new(plan: Plan, args: &Decode) -> Self {
        Self {
            plan,
            fragments: Fragments::default(),
            pages: Pages::default(),
            scratch: Text::default(),
            skip: args.skip,
            left: args.limit,
            done: 0,
            previous: None,
        }
    }

    fn run(
        &mut self,
        mut pieces: Pieces,
        signals: &Signals,
        console: &mut Console<'_>,
    ) -> Result<Outcome> {
        let header = std::mem::take(&mut self.plan.header);
        self.write(console, header.as_bytes())?;
        let mut failed = None;
        let mut interrupted = None;
        while self.left != Some(0) {
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
                    for notice in piece.batch.notices().iter().filter(|_| piece.last) {
                        console.note(notice);
                    }
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

    fn piece(&mut self, piece: &Piece, console: &mut Console<'_>) -> Result<()> {
        let plain = self.skip == 0
            && self.left.is_none()
            && !piece.late
            && !self.plan.table
            && self.plan.capture.is_none()
            && self.plan.time != time::Format::Delta;
        if plain {
            self.write(console, piece.text.as_bytes())?;
            self.done += piece.matched;
            return Ok(());
        }
        if matches!(self.plan.renderer.output, Output::Count) {
            let skipped = self.skip.min(piece.matched);
            self.skip -= skipped;
            let counted = (piece.matched - skipped).min(self.left.unwrap_or(u64::MAX));
            self.done += counted;
            self.left = self.left.map(|left| left - counted);
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
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            if self.left == Some(0) {
                return Ok(());
            }
            self.left = self.left.map(|left| left - 1);
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
            return match piece.batch.interface(frame) {
                Some(interface) => writer.write(frame, interface),
                None => Ok(()),
            };
        }
        let mut filled = Text::default();
        let text = if self.plan.time == time::Format::Delta
            && matches!(self.plan.renderer.output, Output::Line(_))
        {
            let (before, after) = text.split_at_checked(gap).unwrap_or((text, &[]));
            filled.raw(before);
            if let Some(now) = frame.time {
                let digits = piece.batch.interface(frame).map_or(6, |interface| {
                    if interface.resolution.digits() > 6 {
                        9
                    } else {
                        6
                    }
                });
                time::seconds(
                    &mut filled,
                    self.previous.map_or(0, |previous| now.since(previous)),
                    digits,
                );
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
        if let Some(writer) = self.plan.capture.take() {
            writer.finish()?;
        }
        self.flush(console)
    }
}
