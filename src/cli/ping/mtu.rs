//! The path MTU to a host, by the machine that searches it: what it tells becomes words.

use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::time::Duration;

use super::Args;
use super::output::Output;
use super::plan::Plan;
use super::words;
use crate::cli::args::PingFormat;
use crate::cli::targets::Chosen;
use crate::cli::text::Text;
use crate::cli::{Console, Outcome, confine};
use crate::error::{Error, Result};
use crate::net::drive::{Clock, Ending, Watcher, drive};
use crate::net::engine::Engine;
use crate::net::sandbox::{Command, Sandbox};
use crate::net::signals::Signals;
use crate::probe::ping::{MtuConfig, MtuReport, PathMtu, Verdict};

/// Takes in what the search tells.
struct Told<'a, 'b, 'c> {
    output: Output<'a, 'b>,
    signals: &'c Signals,
    verbose: bool,
    found: Option<u16>,
    /// Who spoke of an MTU last, and of which.
    hint: Option<(Ipv4Addr, u16)>,
    /// Why nothing arrives, in the words of who said it last.
    why: Option<String>,
    error: Option<Error>,
}

impl Watcher<PathMtu> for Told<'_, '_, '_> {
    fn report(&mut self, report: MtuReport) -> ControlFlow<()> {
        match report {
            MtuReport::Found(found) => self.found = found,
            MtuReport::Tried { size, verdict } => {
                let what = match verdict {
                    Verdict::Fits => "arrived".to_owned(),
                    Verdict::Silent => "no answer".to_owned(),
                    Verdict::TooBig { from, mtu } => {
                        self.hint = Some((from, mtu));
                        format!("too large for {from} (mtu = {mtu})")
                    }
                    Verdict::Refused { error, mtu } => {
                        let mtu = mtu.map_or(String::new(), |mtu| format!(" (mtu = {mtu})"));
                        let why = format!("{}{mtu}", words::errno(error));
                        self.why = Some(why.clone());
                        why
                    }
                    Verdict::Unreachable {
                        from,
                        icmp_type,
                        code,
                    } => {
                        let mut text = Text::default();
                        words::error(&mut text, icmp_type, code, 0);
                        let why = format!("{} from {from}", text.into_string());
                        self.why = Some(why.clone());
                        why
                    }
                };
                if self.verbose {
                    let err = &mut self.output.err;
                    err.display(&format_args!("dotquad: {size} bytes: {what}\n"));
                }
            }
        }
        match self.output.relieve() {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                self.error = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn look(&mut self, _machine: &mut PathMtu, _now: Duration) -> ControlFlow<()> {
        if self.signals.interrupted().is_some() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

/// Finds the path MTU to the one target.
///
/// # Errors
/// As the command's.
pub(super) fn run(
    args: &Args,
    plan: &Plan,
    mut engine: Engine,
    chosen: &Chosen,
    console: &mut Console<'_>,
) -> Result<Outcome> {
    if !matches!(args.format, PingFormat::Text | PingFormat::Ndjson) {
        return Err(Error::usage(
            "reading --format",
            "a path MTU is told as text or as ndjson",
        ));
    }
    let target = plan.config.targets.get(0).unwrap_or(Ipv4Addr::UNSPECIFIED);
    let most = engine.link_mtu_towards(target);
    let most = most.map_err(|why| Error::usage(format!("pinging {target}"), why))?;
    let output = Output::open(args.output.as_deref(), console)?;
    let sandbox = Sandbox::new(Command::Ping);
    confine::enter(&args.confinement, &sandbox, args.verbose, output.console)?;
    let signals = Signals::watch_quit()?;
    let mut machine = PathMtu::new(&MtuConfig {
        target,
        most: u16::try_from(most).unwrap_or(u16::MAX),
        wait: args.wait.unwrap_or(Duration::from_secs(1)),
        tries: args.retry.saturating_add(2),
        source: plan.config.source,
        identifier: plan.config.identifier,
        seed: plan.config.seed,
    });
    let mut told = Told {
        output,
        signals: &signals,
        verbose: args.verbose,
        found: None,
        hint: None,
        why: None,
        error: None,
    };
    let ending = drive(&mut machine, &mut engine, &Clock::start(), &mut told)?;
    if let Some(error) = told.error {
        return Err(error);
    }
    if ending == Ending::Stopped {
        return Ok(Outcome::No);
    }
    let label = chosen.labels.get(&0).cloned();
    tell(
        args,
        &mut told,
        &label.unwrap_or_else(|| target.to_string()),
        target,
    );
    told.output.flush()?;
    Ok(if told.found.is_some() {
        Outcome::Done
    } else {
        Outcome::No
    })
}

/// The end of the search.
fn tell(args: &Args, told: &mut Told<'_, '_, '_>, label: &str, target: Ipv4Addr) {
    let out = &mut told.output.text;
    let by = told.hint.filter(|(_, mtu)| Some(*mtu) == told.found);
    if args.format == PingFormat::Ndjson {
        out.str("{\"event\":\"path_mtu\",\"target\":");
        out.json(label.as_bytes());
        out.display(&format_args!(",\"address\":\"{target}\",\"path_mtu\":"));
        match told.found {
            Some(found) => out.number(u64::from(found)),
            None => out.str("null"),
        }
        if let Some((by, _)) = by {
            out.display(&format_args!(",\"told_by\":\"{by}\""));
        }
        out.str("}\n");
        return;
    }
    if let Some(found) = told.found {
        out.str("path MTU to ");
        out.escaped(label.as_bytes());
        out.display(&format_args!(" ({target}) is {found} bytes"));
        if let Some((by, _)) = by {
            out.display(&format_args!(", told by {by}"));
        }
        out.push(b'\n');
    } else {
        let why = told.why.as_deref().unwrap_or("nothing is answered");
        let err = &mut told.output.err;
        err.display(&format_args!(
            "dotquad: finding the path MTU to {target}: {why}\n"
        ));
    }
}
