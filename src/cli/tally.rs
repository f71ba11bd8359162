//! What a live capture needs beside its packets: when to end, and counters that add up.
//!
//! The kernel's counters and those of the ring come from a [`Meter`]; what was refused and shown is
//! counted here, so that the sums are of two independent sources. Knows how they are told, not
//! how packets come.

use std::time::Duration;

use super::Console;
use super::accounts::Accounts;
use super::progress::Status;
use super::text::Text;
use crate::capture::{Interface, Lost};
use crate::net::clock::{self, Stopwatch};
use crate::net::live::{Figures, Live, Meter, Stopper};
use crate::net::signals::Signals;
use crate::wire::frame::Time;

/// What became of frames that were handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Shown,
    Written,
}

/// How counters are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Words,
    Ndjson,
}

/// The counters of a live capture, and what ends it.
#[derive(Debug)]
pub(super) struct Tally {
    meter: Meter,
    stopper: Stopper,
    fate: Fate,
    form: Form,
    /// End after this long.
    pub(super) duration: Option<Duration>,
    since: Stopwatch,
    start: Time,
    listening: Vec<Interface>,
    /// Frames that the filter here refused.
    refused: u64,
    /// The line that a person sees meanwhile.
    pub(super) status: Option<Status>,
}

impl Tally {
    pub(super) fn new(live: &Live, fate: Fate, form: Form) -> Self {
        Self {
            meter: live.meter(),
            stopper: live.stopper(),
            fate,
            form,
            duration: None,
            since: Stopwatch::start(),
            start: clock::wall(),
            listening: live.listening().to_vec(),
            refused: 0,
            status: None,
        }
    }

    /// Says something where the status line stands.
    pub(super) fn aside(&self, say: impl FnOnce()) {
        match &self.status {
            Some(status) => status.aside(say),
            None => say(),
        }
    }

    /// Looks at signals and the clock: ends the capture when it is time, tells the counters when
    /// somebody wants to know.
    pub(super) fn look(&mut self, signals: &mut Signals, done: u64, console: &mut Console<'_>) {
        let now = self.since.elapsed();
        if signals.interrupted().is_some() || self.duration.is_some_and(|most| now >= most) {
            self.stopper.finish();
        }
        if signals.asked() {
            self.tell(done, console);
        }
    }

    /// What was lost before it reached us.
    pub(super) fn lost(&self) -> Lost {
        let figures = self.meter.read();
        Lost {
            by_interface: Some(figures.dropped_interface),
            by_system: Some(figures.dropped_ring),
        }
    }

    /// Ends the capture now: what is in the ring is left unread.
    pub(super) fn enough(&self) {
        self.stopper.abandon();
    }

    /// Counts frames that the filter refused.
    pub(super) fn refuse(&mut self, frames: u64) {
        self.refused = self.refused.saturating_add(frames);
    }

    /// Counts frames that were handed on and not wanted any more.
    pub(super) fn unused(&self, frames: u64) {
        if frames > 0 {
            self.meter.unused(frames);
        }
    }

    /// What a pcapng file is told in the end.
    pub(super) fn accounts(&self) -> Accounts {
        Accounts {
            start: self.start,
            end: clock::wall(),
            listening: self.listening.clone(),
            parts: self.meter.parts(),
        }
    }

    /// Tells the counters, `done` being the frames shown or written.
    pub(super) fn tell(&self, done: u64, console: &mut Console<'_>) {
        let mut text = Text::default();
        tell(
            &self.meter.read(),
            self.refused,
            done,
            self.fate,
            self.form,
            &mut text,
        );
        self.aside(|| {
            // Counters that nobody can read any more are no reason to fail.
            let _ = console.err.write_all(text.as_bytes());
            let _ = console.err.flush();
        });
    }
}

fn tell(figures: &Figures, refused: u64, done: u64, fate: Fate, form: Form, out: &mut Text) {
    let fate = match fate {
        Fate::Shown => "shown",
        Fate::Written => "written",
    };
    let mut counters = vec![
        (figures.matched, "matched", "matched"),
        (figures.delivered, "delivered", "delivered"),
        (done, fate, fate),
        (refused, "refused", "refused by the filter"),
        (figures.dropped_ring, "dropped_ring", "dropped by the ring"),
        (figures.left_unread, "left_unread", "left unread"),
        (
            figures.dropped_interface,
            "dropped_interface",
            "dropped by the interface",
        ),
    ];
    if figures.out_of_order > 0 || form == Form::Ndjson {
        counters.push((figures.out_of_order, "out_of_order", "out of order"));
    }
    if form == Form::Ndjson {
        out.str("{\"event\":\"counters\"");
    }
    for (count, key, words) in counters {
        match form {
            Form::Words => {
                out.number(count);
                out.push(b' ');
                out.str(words);
                out.push(b'\n');
            }
            Form::Ndjson => {
                out.str(",\"");
                out.str(key);
                out.str("\":");
                out.number(count);
            }
        }
    }
    if form == Form::Ndjson {
        out.str("}\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_in_words_and_as_an_object() {
        let figures = Figures {
            matched: 30,
            delivered: 20,
            dropped_ring: 7,
            left_unread: 3,
            dropped_interface: 1,
            ..Figures::default()
        };
        let told = |fate, form, figures: &Figures| {
            let mut text = Text::default();
            tell(figures, 4, 16, fate, form, &mut text);
            text.into_string()
        };
        assert_eq!(
            told(Fate::Shown, Form::Words, &figures),
            "30 matched\n20 delivered\n16 shown\n4 refused by the filter\n7 dropped by the ring\n\
             3 left unread\n1 dropped by the interface\n"
        );
        assert_eq!(
            told(Fate::Written, Form::Ndjson, &figures),
            "{\"event\":\"counters\",\"matched\":30,\"delivered\":20,\"written\":16,\"refused\":4,\
             \"dropped_ring\":7,\"left_unread\":3,\"dropped_interface\":1,\"out_of_order\":0}\n"
        );
        let late = Figures {
            out_of_order: 2,
            ..figures
        };
        assert!(told(Fate::Shown, Form::Words, &late).ends_with("\n2 out of order\n"));
    }
}
