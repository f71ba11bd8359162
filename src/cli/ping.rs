//! `dotquad ping`: from what was typed to the exit code.
//!
//! Everything is opened first, then the sandbox shuts, then the machine is driven. What a probe
//! means is probe/'s matter, how it travels net/'s.

mod lanes;
mod lookup;
mod many;
mod mtu;
mod numbers;
mod output;
mod plan;
mod prometheus;
mod records;
mod route;
mod session;
mod show;
mod spread;
mod text;
mod times;
mod words;

use std::io::IsTerminal;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use super::args::{HeaderTimes, Ping as Args, PingFormat};
use super::targets::{self, Chosen};
use super::{Console, Outcome, confine};
use crate::error::{Error, Result};
use crate::net::clock;
use crate::net::drive::Clock;
use crate::net::engine::Engine;
use crate::net::interface::interfaces;
use crate::net::resolver::Resolver;
use crate::net::sandbox::{Command, Sandbox};
use crate::net::signals::Signals;
use crate::probe::ping::Kind;
use output::{Output, Replaced};
use plan::Plan;
use session::{Progress, Session, Verdict};
use show::{Shared, Show};

/// Targets whose way is looked up one by one, where all must leave from one address.
const LOOKED_UP: u32 = 65_536;

/// Runs the command.
///
/// # Errors
/// Wrong words, missing permission, names without an address, outputs that cannot be written.
pub(super) fn run(args: &Args, console: &mut Console<'_>) -> Result<Outcome> {
    if args.ipv6 {
        return Err(Error::usage("reading -6", "dotquad speaks IPv4")
            .advice("leave it out, or ask another tool"));
    }
    let (hops, words) = match args.targets.split_last() {
        Some((target, hops)) if args.timestamps == Some(HeaderTimes::Tsprespec) => {
            (hops, std::slice::from_ref(target))
        }
        _ => (&[][..], args.targets.as_slice()),
    };
    let chosen = targets::choose(words)?;
    for error in &chosen.unresolved {
        console.note(error);
    }
    let mut plan = plan::plan(args, &chosen, hops, &interfaces()?)?;
    let target = chosen.targets.get(0).unwrap_or(Ipv4Addr::UNSPECIFIED);
    if plan.spread && !plan.many {
        console.note(&format_args!("pinging many at once by way of {target}"));
    }
    let mut lanes = lanes::open(args, &mut plan)?;
    let source = match lanes.first() {
        Some((_, engine)) => source(engine, &mut plan, target)?,
        None => None,
    };
    let from = (!args.interface.is_empty())
        .then_some((source, plan.device.as_deref().unwrap_or_default()))
        .and_then(|(source, device)| Some((source?, device.to_owned())));
    if args.mtu {
        if plan.many {
            return Err(Error::usage("reading --mtu", "it takes one target"));
        }
        if let Some((_, engine)) = lanes.pop() {
            return mtu::run(args, &plan, engine, &chosen, console);
        }
    }
    go(args, plan, lanes, chosen, from.as_ref(), console)
}

/// Checks the way to a single target before anything is sent. The address that probes leave from,
/// where that is known.
fn source(engine: &Engine, plan: &mut Plan, target: Ipv4Addr) -> Result<Option<Ipv4Addr>> {
    let towards = |target| {
        engine
            .source_towards(target)
            .map_err(|why| Error::usage(format!("pinging {target}"), why))
    };
    let segments = matches!(plan.config.kind, Kind::Tcp(_));
    if plan.many && !segments {
        return Ok(None);
    }
    let source = towards(target)?;
    if segments {
        // A segment's checksum covers its source address (RFC 9293 section 3.1).
        plan.config.source = Some(source);
        if plan.config.targets.len() <= LOOKED_UP {
            for other in plan.config.targets.iter() {
                let theirs = towards(other)?;
                if theirs != source {
                    return Err(Error::usage(
                        format!("pinging {target} and {other}"),
                        format!("probes leave from {source} and from {theirs}"),
                    )
                    .advice("-I chooses one address, or ping them one after the other"));
                }
            }
        }
    }
    Ok(Some(source))
}

/// Shuts the sandbox and runs.
fn go(
    args: &Args,
    plan: Plan,
    lanes: Vec<lanes::Opened>,
    chosen: Chosen,
    from: Option<&(Ipv4Addr, String)>,
    console: &mut Console<'_>,
) -> Result<Outcome> {
    let Plan {
        mut config, many, ..
    } = plan;
    let target = config.targets.get(0).unwrap_or(Ipv4Addr::UNSPECIFIED);
    let unresolved = !chosen.unresolved.is_empty();
    let resolver = match chosen.resolver {
        known if !args.names => {
            drop(known);
            None
        }
        Some(known) => Some(known),
        None => Some(Resolver::start()?),
    };
    let replaced = match &args.output {
        Some(path) if args.format == PingFormat::Prometheus && path != Path::new("-") => {
            Some(Replaced::new(path)?)
        }
        _ => None,
    };
    let path = args.output.as_deref().filter(|_| replaced.is_none());
    let mut output = Output::open(path, console)?;
    let sandbox = Sandbox {
        output_folder: replaced.as_ref().map(|(folder, _)| folder.as_path()),
        ..Sandbox::new(Command::Ping)
    };
    confine::enter(&args.confinement, &sandbox, args.verbose, output.console)?;
    let mut signals = Signals::watch_quit()?;
    let first = (!many).then_some(target);
    let names = resolver.map(|resolver| lookup::Names::start(resolver, first));

    let began = clock::wall();
    let run_clock = Clock::start();
    if let Kind::Timestamp { wall } = &mut config.kind {
        let seconds = u64::try_from(began.seconds).unwrap_or(0);
        *wall = Duration::new(seconds, began.nanoseconds);
    }
    let shared = Shared {
        config,
        labels: chosen.labels,
        names: names.transpose()?,
        began,
    };
    let terminal = path.is_none() && std::io::stdout().is_terminal();
    let show: Box<dyn Show> = match args.format {
        PingFormat::Text if many => Box::new(many::Many::new(args)),
        PingFormat::Text => {
            let lines = text::Lines::new(args, &shared, target, terminal);
            let from = from.map(|(source, device)| (*source, device.as_str()));
            lines.begin(&mut output.text, &shared, target, from);
            Box::new(lines)
        }
        PingFormat::Ndjson => Box::new(records::Ndjson),
        PingFormat::Csv => {
            output.text.str(records::COLUMNS);
            Box::new(records::Csv)
        }
        PingFormat::Prometheus => Box::new(prometheus::Prometheus),
    };
    output.flush()?;
    let targets = shared.config.targets.len();
    let mut session = Session::new(show, shared, output, &mut signals);
    session.verbose = args.verbose;
    session.replaced = replaced.map(|(_, file)| file);
    if args.live && terminal && !many && args.format == PingFormat::Text && !args.flood {
        session.latest = Some(spread::Latest::default());
    }
    if many {
        // Objects and rows that stream over a terminal are progress themselves.
        let streams = matches!(args.format, PingFormat::Ndjson | PingFormat::Csv);
        session.settles = args.format == PingFormat::Text;
        session.progress = Some(Progress::new(targets, !(streams && terminal)));
    }
    lanes::run(lanes, &run_clock, &mut session)?;
    let verdict = session.verdict;
    if unresolved {
        return Err(Error::usage(
            "pinging all of them",
            "not every name has an address",
        ));
    }
    Ok(judge(args, many, verdict))
}

/// Yes or no.
fn judge(args: &Args, many: bool, verdict: Verdict) -> Outcome {
    let yes = if let Some(least) = args.min_alive {
        verdict.alive >= least
    } else if many {
        verdict.silent == 0
    } else {
        // With a deadline the count is one of answers.
        let wanted = args.count.filter(|_| args.deadline.is_some());
        verdict.least.unwrap_or(0) >= wanted.unwrap_or(1)
    };
    if yes { Outcome::Done } else { Outcome::No }
}
