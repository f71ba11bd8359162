//! Probes as state machines that are told the time: they decide what to send, wait for and
//! believe, and never see a socket or a clock.
//!
//! ```text
//!            poll(now) -> Wait            send, report
//!   net/ ────────────────────▶ Machine ─────────────────▶ Outbox ──▶ net/ sends, cli/ shows
//!            handle(now, Event)
//! ```
//!
//! `now` is time since the run began, on a clock that never steps; what the kernel stamps is a
//! [`Stamp`], a type of its own. A simulated network is therefore a simulated clock.

pub mod event;
pub mod outbox;
pub mod ping;
pub mod stamp;
pub mod targets;
pub mod trace;

use std::time::Duration;

pub use event::{Event, Quoted};
pub use outbox::{Fragmentation, Outbox, Probe, ProbeId};
pub use stamp::{Rtt, Source, Stamp};

/// Until when a machine has nothing to do if nothing happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Poll again at this time, or after the next event, whichever is first. A time that is not
    /// after `now` asks for another poll as soon as what was handed out is sent.
    Until(Duration),
    /// All is said and done.
    Done,
}

/// A conversation with the network, driven from outside.
pub trait Machine {
    /// What is told to the person, in the order it became known.
    type Report;

    /// Sends and reports what is due at `now`.
    fn poll(&mut self, now: Duration, outbox: &mut Outbox<Self::Report>) -> Wait;

    /// Takes what the network brought at `now`. Call [`poll`](Self::poll) after it.
    fn handle(&mut self, now: Duration, event: &Event<'_>, outbox: &mut Outbox<Self::Report>);
}
