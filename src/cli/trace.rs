//! `dotquad trace`: what was typed becomes sockets and a machine, and what the machine reports
//! becomes what is shown.

mod csv;
mod dot;
mod facts;
mod lines;
mod marks;
mod naming;
mod ndjson;
mod plan;
mod table;
mod watch;
mod ways;

use std::net::Ipv4Addr;

use super::args::{Trace as Args, TraceFormat};
use super::text::Text;
use super::{Console, Outcome, confine, targets};
use crate::capture::unpack;
use crate::error::{Error, Result, named};
use crate::net::drive::{Clock, drive};
use crate::net::resolver::Resolver;
use crate::net::sandbox::{self, Sandbox};
use crate::net::signals::Signals;
use crate::probe::trace::{Hop, Summary, Trace};
use crate::survey::as_table::AsTable;
use facts::Facts;
use naming::Naming;
use watch::Watch;

/// The largest table of autonomous systems that is read, in bytes: ten times those there are.
const LARGEST_TABLE: u64 = 512 << 20;

/// A way to show paths. Reports of one target come in the order of its hops, the summary last.
trait Show {
    /// Before anything is known.
    fn start(&mut self, _facts: &Facts, _out: &mut Text) {}

    /// A hop.
    fn hop(&mut self, hop: &Hop, facts: &Facts, out: &mut Text);

    /// The end of a target's path.
    fn summary(&mut self, target: Ipv4Addr, summary: &Summary, facts: &Facts, out: &mut Text);

    /// Nothing more comes, perhaps before all is known.
    fn finish(&mut self, _facts: &Facts, _out: &mut Text) {}
}

/// Runs the command.
///
/// # Errors
/// Wrong words, no permission, names without addresses, an output that cannot be written.
pub(super) fn run(args: &Args, console: &mut Console<'_>) -> Result<Outcome> {
    let mut chosen = targets::choose(&args.targets)?;
    let resolver = match chosen.resolver.take() {
        Some(resolver) if args.names => Some(resolver),
        None if args.names => Some(Resolver::start()?),
        _ => None,
    };
    let table = args.table.as_deref().map(read_table).transpose()?;
    plan::guard(args, &chosen.targets)?;
    let mut plan = plan::open(args, &chosen.targets)?;
    let mut untraced: Vec<Error> = chosen.unresolved;
    untraced.append(&mut plan.unreachable);
    // Where there is nothing else to do, the last of them is what the command ends with.
    let last = untraced.pop_if(|_| plan.config.targets.is_empty());
    let missing = untraced.iter().map(|error| console.note(error)).count();
    if let Some(last) = last {
        return Err(last);
    }
    if !plan.engine.is_raw() {
        plan::hidden(args, console);
    }

    let sandbox = Sandbox::new(sandbox::Command::Trace);
    confine::enter(&args.confinement, &sandbox, false, console)?;
    let signals = Signals::watch()?;
    let facts = Facts {
        naming: resolver.map(Naming::start).transpose()?,
        table,
        labels: chosen
            .labels
            .into_iter()
            .filter_map(|(index, label)| Some((chosen.targets.get(index)?, label)))
            .collect(),
    };
    let show = show(args, &plan);
    let count = plan.config.targets.len();
    let mut watch = Watch::new(show, facts, signals, console.out);
    let mut machine = Trace::new(plan.config);
    watch.start();
    let driven = drive(&mut machine, &mut plan.engine, &Clock::start(), &mut watch);
    let told = watch.finish();
    driven?;
    let told = told?;
    for note in told.notes {
        console.note(&note);
    }
    if missing > 0 {
        let many = if missing == 1 {
            "target was"
        } else {
            "targets were"
        };
        let doing = format!("tracing {} targets", count.saturating_add(missing));
        return Err(Error::usage(
            doing,
            format!("{missing} {many} not to be found, as said above"),
        ));
    }
    Ok(if told.reached >= count {
        Outcome::Done
    } else {
        Outcome::No
    })
}

fn read_table(path: &std::path::Path) -> Result<AsTable> {
    let bytes = unpack(path, LARGEST_TABLE)?;
    AsTable::read(bytes).map_err(|why| {
        Error::usage(format!("reading {}", named(path)), why)
            .advice("an ip2asn-v4.tsv, plain or packed, or an mmdb file")
    })
}

fn show(args: &Args, plan: &plan::Plan) -> Box<dyn Show> {
    let several = plan.config.targets.len() > 1;
    let format = args.format.unwrap_or(if args.cycles > 1 {
        TraceFormat::Table
    } else {
        TraceFormat::Text
    });
    match format {
        TraceFormat::Text if args.multipath => Box::new(ways::Ways::new(plan)),
        TraceFormat::Text => Box::new(lines::Lines::new(plan)),
        TraceFormat::Table => Box::new(table::Table::new(several)),
        TraceFormat::Ndjson => Box::new(ndjson::Ndjson::new(plan.config.cycles > 1)),
        TraceFormat::Dot => Box::new(dot::Dot::new(args.multipath)),
        TraceFormat::Csv => Box::new(csv::Csv),
    }
}
