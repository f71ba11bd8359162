//! The path MTU to a host: probes that nobody may fragment, larger and smaller, until the largest
//! that is answered is known.
//!
//! Routers that tell their MTU (RFC 1191) save steps; where they are silent, halving finds it.

use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::time::Duration;

use super::Args;
use super::output::Output;
use super::plan::Plan;
use super::targets::Chosen;
use crate::cli::args::PingFormat;
use crate::cli::{Console, Outcome, confine};
use crate::error::{Error, Result};
use crate::net::drive::{Clock, Watcher, drive};
use crate::net::engine::Engine;
use crate::net::sandbox::{Command, Sandbox};
use crate::net::signals::Signals;
use crate::probe::Fragmentation;
use crate::probe::ping::{Config, Ping, Report};

/// What every path carries (RFC 791 section 3.2).
const LEAST: u32 = 68;
const LARGEST: u32 = 65_535;
/// The headers of IPv4 and ICMP.
const HEADERS: u32 = 28;
/// EMSGSIZE (errno(3)).
const TOO_LONG: i32 = 90;

/// What became of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fate {
    /// It arrived.
    Arrived,
    /// Somebody said that it is too large, and perhaps what is not.
    Refused {
        by: Option<Ipv4Addr>,
        mtu: Option<u32>,
    },
    /// Nobody said anything.
    #[default]
    Silent,
}

/// Watches the probes of one size.
struct Try<'a> {
    fate: Fate,
    /// An error that has nothing to do with the size.
    error: Option<String>,
    signals: &'a Signals,
}

impl Watcher<Ping> for Try<'_> {
    fn report(&mut self, report: Report) -> ControlFlow<()> {
        match report {
            Report::Reply(_) => self.fate = Fate::Arrived,
            Report::Error(it) if it.icmp_type == 3 && it.code == 4 => {
                self.fate = Fate::Refused {
                    by: Some(it.from),
                    mtu: it.mtu.map(u32::from).filter(|mtu| *mtu > 0),
                };
            }
            Report::Error(it) if it.fatal => {
                let mut text = crate::cli::text::Text::default();
                super::words::failure(&mut text, &it);
                text.str(" from ");
                text.ipv4(it.from.octets());
                self.error = Some(text.into_string());
            }
            Report::Unsent { error, mtu, .. } if error == TOO_LONG => {
                self.fate = Fate::Refused { by: None, mtu };
            }
            Report::Unsent { error, .. } => self.error = Some(super::words::errno(error)),
            _ => return ControlFlow::Continue(()),
        }
        ControlFlow::Break(())
    }

    fn look(&mut self, machine: &mut Ping, _now: Duration) -> ControlFlow<()> {
        if self.signals.interrupted().is_some() {
            machine.stop();
        }
        ControlFlow::Continue(())
    }
}

/// The largest size that arrives, between one that does and one that does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Search {
    /// Arrived, or taken for it as every path carries it.
    arrives: u32,
    /// Did not arrive.
    fails: u32,
    next: u32,
}

impl Search {
    fn new(known: u32) -> Self {
        let next = known.clamp(LEAST, LARGEST);
        Self {
            arrives: LEAST - 1,
            fails: next + 1,
            next,
        }
    }

    /// Takes in what became of the size that was next; false when the search is over.
    fn take(&mut self, fate: Fate) -> bool {
        match fate {
            Fate::Arrived => self.arrives = self.next,
            Fate::Silent => self.fails = self.next,
            Fate::Refused { mtu, .. } => {
                self.fails = self.next;
                // Larger than that is too large there, so that this one is next.
                if let Some(mtu) = mtu.filter(|mtu| (self.arrives + 1..self.next).contains(mtu)) {
                    self.fails = mtu + 1;
                    self.next = mtu;
                    return true;
                }
            }
        }
        self.next = u32::midpoint(self.arrives, self.fails);
        self.fails > self.arrives + 1
    }
}

/// Finds the path MTU to the one target.
///
/// # Errors
/// As the command's.
pub(super) fn run(
    args: &Args,
    plan: Plan,
    mut engine: Engine,
    chosen: &Chosen,
    console: &mut Console<'_>,
) -> Result<Outcome> {
    let target = plan.config.targets.get(0).unwrap_or(Ipv4Addr::UNSPECIFIED);
    let known = engine.mtu_towards(target);
    let known = known.map_err(|why| Error::usage(format!("pinging {target}"), why))?;
    let mut output = Output::open(args.output.as_deref(), console)?;
    confine::enter(
        &args.confinement,
        &Sandbox::new(Command::Ping),
        args.verbose,
        output.console,
    )?;
    let signals = Signals::watch_quit()?;
    let clock = Clock::start();
    let mut config = Config {
        count: Some(args.count.unwrap_or(2)),
        interval: args.interval.unwrap_or(Duration::from_millis(500)),
        wait: args.wait.unwrap_or(Duration::from_secs(1)),
        patience: crate::probe::ping::Patience::Each,
        fragmentation: Fragmentation::Probe,
        deadline: None,
        send_stamps: false,
        options: Vec::new(),
        ..plan.config
    };
    let label = chosen.labels.get(&0).cloned();
    let label = label.unwrap_or_else(|| target.to_string());
    let mut search = Search::new(known);
    let mut told = None;
    let mut why = None;
    loop {
        config.size = u16::try_from(search.next - HEADERS).unwrap_or(u16::MAX);
        // What still comes of an earlier size has another cookie.
        config.seed = config.seed.map(|half| half.wrapping_add(1));
        let mut machine = Ping::new(config.clone());
        let mut one = Try {
            fate: Fate::Silent,
            error: None,
            signals: &signals,
        };
        drive(&mut machine, &mut engine, &clock, &mut one)?;
        if signals.interrupted().is_some() {
            return Ok(Outcome::No);
        }
        if one.error.is_some() {
            why = one.error;
        }
        step(args, &mut output, search.next, one.fate);
        output.flush()?;
        if let Fate::Refused {
            mtu: Some(mtu), by, ..
        } = one.fate
        {
            told = Some((mtu, by));
        }
        if !search.take(one.fate) {
            break;
        }
    }
    let found = (search.arrives >= LEAST).then_some(search.arrives);
    let told = told.filter(|(mtu, _)| Some(*mtu) == found);
    verdict(
        args,
        &mut output,
        &label,
        target,
        found,
        told,
        why.as_deref(),
    );
    output.flush()?;
    Ok(if found.is_some() {
        Outcome::Done
    } else {
        Outcome::No
    })
}

/// What became of one size, for who wants to know.
fn step(args: &Args, output: &mut Output<'_, '_>, size: u32, fate: Fate) {
    if !args.verbose {
        return;
    }
    let what = match fate {
        Fate::Arrived => "arrived".to_owned(),
        Fate::Silent => "no answer".to_owned(),
        Fate::Refused { by, mtu } => {
            let by = by.map_or("this host".to_owned(), |by| by.to_string());
            let mtu = mtu.map_or("unknown".to_owned(), |mtu| mtu.to_string());
            format!("too large for {by} (mtu = {mtu})")
        }
    };
    output
        .err
        .display(&format_args!("dotquad: {size} bytes: {what}\n"));
}

fn verdict(
    args: &Args,
    output: &mut Output<'_, '_>,
    label: &str,
    target: Ipv4Addr,
    found: Option<u32>,
    told: Option<(u32, Option<Ipv4Addr>)>,
    why: Option<&str>,
) {
    let out = &mut output.text;
    let by = told.and_then(|(_, by)| by);
    if args.format == PingFormat::Ndjson {
        out.str("{\"event\":\"path_mtu\",\"target\":");
        out.json(label.as_bytes());
        out.display(&format_args!(",\"address\":\"{target}\",\"path_mtu\":"));
        match found {
            Some(found) => out.number(u64::from(found)),
            None => out.str("null"),
        }
        if let Some(by) = by {
            out.display(&format_args!(",\"told_by\":\"{by}\""));
        }
        out.str("}\n");
        return;
    }
    if let Some(found) = found {
        out.str("path MTU to ");
        out.escaped(label.as_bytes());
        out.display(&format_args!(" ({target}) is {found} bytes"));
        match by {
            Some(by) => out.display(&format_args!(", told by {by}")),
            None if told.is_none() => out.str(", found by trying"),
            None => {}
        }
        out.push(b'\n');
    } else {
        let why = why.unwrap_or("nothing is answered");
        output.err.display(&format_args!(
            "dotquad: finding the path MTU to {target}: {why}\n"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sizes that are tried on a path of this MTU, with routers that tell it or not.
    fn tried(known: u32, path: u32, tells: bool) -> (u32, Vec<u32>) {
        let mut search = Search::new(known);
        let mut sizes = Vec::new();
        loop {
            sizes.push(search.next);
            let mtu = tells.then_some(path);
            let fate = if search.next <= path {
                Fate::Arrived
            } else {
                Fate::Refused { by: None, mtu }
            };
            if !search.take(fate) {
                return (search.arrives, sizes);
            }
        }
    }

    #[test]
    fn a_told_mtu_takes_two_steps_and_an_untold_one_halves() {
        assert_eq!(tried(1500, 1500, true), (1500, vec![1500]));
        assert_eq!(tried(1500, 1400, true), (1400, vec![1500, 1400]));
        for path in [68, 69, 576, 1279, 1280, 1499] {
            let (found, sizes) = tried(1500, path, false);
            assert_eq!(found, path);
            assert!(sizes.len() <= 12, "{sizes:?}");
        }
    }

    #[test]
    fn silence_everywhere_is_no_mtu() {
        let mut search = Search::new(1500);
        while search.take(Fate::Silent) {}
        assert!(search.arrives < LEAST);
    }
}
