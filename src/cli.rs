//! What the user typed and what the user reads: one file a command, one file a renderer.
//!
//! Nothing here opens a terminal or chooses an exit code; `main` hands in a [`Console`] and turns
//! the [`Outcome`] into one.

use std::fmt::Display;
use std::io::Write;

mod accounts;
mod anomalies;
pub mod args;
mod captures;
mod confine;
mod csv;
mod decode;
mod detail;
mod diagram;
mod filter;
mod hexdump;
pub mod interfaces;
pub mod keys;
mod late;
mod line;
mod naming;
mod ndjson;
mod paint;
#[cfg(target_os = "linux")]
mod ping;
mod pipeline;
mod plan;
mod progress;
mod quantity;
mod reading;
mod recorder;
mod render;
mod selector;
pub mod send;
mod shot;
mod sniff;
mod stage;
mod stats;
mod table;
mod tally;
#[cfg(target_os = "linux")]
mod targets;
mod text;
pub mod time;
#[cfg(target_os = "linux")]
mod trace;

use crate::error::Result;

/// Where data and words go.
#[expect(missing_debug_implementations, reason = "writers have nothing to show")]
pub struct Console<'a> {
    /// Data.
    pub out: &'a mut dyn Write,
    /// Words.
    pub err: &'a mut dyn Write,
}

impl Console<'_> {
    /// Says something that is no error.
    fn note(&mut self, words: &dyn Display) {
        // Words that nobody can read any more are no reason to stop.
        let _ = writeln!(self.err, "dotquad: {words}");
    }
}

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was done.
    Done,
    /// Everything was done, and the answer is no.
    No,
    /// A signal of this number interrupted it; what was finished is out.
    Interrupted(u8),
}

/// Runs a command.
///
/// # Errors
/// Whatever keeps the command from doing all that was asked.
pub fn run(cli: &args::Cli, console: &mut Console<'_>) -> Result<Outcome> {
    match &cli.command {
        args::Command::Decode(decode) => decode::run(decode, cli.color, console),
        args::Command::Sniff(sniff) => sniff::run(sniff, cli.color, console),
        args::Command::Stats(stats) => stats::run(stats, cli.color, console),
        args::Command::Anomalies(anomalies) => anomalies::run(anomalies, cli.color, console),
        #[cfg(target_os = "linux")]
        args::Command::Ping(args) => ping::run(args, console),
        #[cfg(not(target_os = "linux"))]
        args::Command::Ping(_) => Err(crate::error::Error::usage(
            "pinging",
            "it takes Linux's sockets",
        )),
        args::Command::Send(send) => send::run(send, cli.color, console),
        #[cfg(target_os = "linux")]
        args::Command::Replay(replay) => send::replay(replay, console),
        #[cfg(not(target_os = "linux"))]
        args::Command::Replay(_) => Err(crate::error::Error::usage(
            "replaying",
            "it takes Linux's sockets",
        )),
        #[cfg(target_os = "linux")]
        args::Command::Trace(trace) => trace::run(trace, console),
        #[cfg(not(target_os = "linux"))]
        args::Command::Trace(_) => Err(crate::error::Error::usage(
            "tracing",
            "it takes Linux's sockets",
        )),
        args::Command::Filter(filter) => filter::run(filter, console),
        args::Command::Interfaces { format } => {
            interfaces::run(*format, console.out).map(|()| Outcome::Done)
        }
        args::Command::Resolver => {
            crate::net::resolver::serve(std::io::stdin().lock(), &mut *console.out)
                .map(|()| Outcome::Done)
        }
    }
}
