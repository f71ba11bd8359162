//! Lanes: a sweep that is to go as fast as it can, on several cores. Each has a part of the targets,
//! an identifier and sockets of its own.
//!
//! What a run says does not depend on how many lanes it has, but for the order of what happens at
//! once. On one stay runs that something rules as a whole: a rate, a deadline, answers that set
//! the pace, a file replaced after each round, an identifier that was named, and TCP and UDP
//! probes, which are told apart by their ports.

use std::ops::{ControlFlow, Range};
use std::thread::available_parallelism;
use std::time::Duration;

use super::plan::{self, Plan};
use super::session::Session;
use crate::cli::args::{Ping as Args, PingFormat};
use crate::error::Result;
use crate::net::drive::{Clock, drive};
use crate::net::engine::{Engine, Errors, Options};
use crate::net::lanes::{Gatherer, Lane, drive_all};
use crate::probe::ping::{Kind, Pace, Part, Ping, Report, Whole};

/// Each reply is looked at once for every lane: more would stand in each other's way.
const MOST: u32 = 4;
/// A lane that was not asked for has so many targets at least.
const WORTHWHILE: u32 = 4096;

/// A stretch of the targets, and the sockets by which it is asked.
pub(super) type Opened = (Range<u32>, Engine);

/// Opens the sockets of all lanes, at least of one, and learns from them what the kernel chose.
///
/// # Errors
/// As the engine's.
pub(super) fn open(args: &Args, plan: &mut Plan) -> Result<Vec<Opened>> {
    let stretches = Part::stretches(&plan.config.targets, wanted(args, plan));
    let others = u16::try_from(stretches.len().saturating_sub(1)).unwrap_or(0);
    let drawn = plan.config.identifier;
    let others: Vec<u16> = (1..=others).map(|lane| drawn.wrapping_add(lane)).collect();
    if !others.is_empty() {
        plan.options.errors = Errors::AllBut(others.clone());
    }
    let mut engines = vec![plan::open(args, plan)?];
    for identifier in others {
        engines.push(Engine::open(&Options {
            icmp: Some(identifier),
            errors: Errors::Own,
            ..plan.options.clone()
        })?);
    }
    Ok(stretches.into_iter().zip(engines).collect())
}

/// Runs to the end, and tells it.
///
/// # Errors
/// What kept the run from going on, or its output from being written.
pub(super) fn run(
    mut opened: Vec<Opened>,
    clock: &Clock,
    session: &mut Session<'_, '_, '_>,
) -> Result<()> {
    let config = session.shared.config.clone();
    if let [(_, engine)] = opened.as_mut_slice() {
        let mut machine = Ping::new(config);
        drive(&mut machine, engine, clock, session)?;
        return session.end(&machine);
    }
    let count = u32::try_from(opened.len()).unwrap_or(1);
    let lane = |(stretch, engine): Opened| {
        let identifier = engine.identifier().unwrap_or(config.identifier);
        Lane {
            machine: Part::new(&config, &stretch, count, identifier),
            engine,
        }
    };
    let mut lanes: Vec<Lane<Part>> = opened.into_iter().map(lane).collect();
    let driven = drive_all(&mut lanes, Part::stop, clock, session);
    let mut whole = Whole::new(lanes.into_iter().map(|lane| lane.machine).collect());
    if !session.has_failed() {
        let _ = whole.sum_up(clock.now(), |report| session.take(&report));
    }
    session.end(&whole)?;
    driven
}

impl Gatherer<Report> for Session<'_, '_, '_> {
    fn report(&mut self, report: Report) -> ControlFlow<()> {
        self.take(&report)
    }

    fn look(&mut self, now: Duration) -> ControlFlow<()> {
        self.keep_told(now, || None);
        if self.signals.interrupted().is_some() {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    fn idle(&mut self) -> ControlFlow<()> {
        self.write()
    }
}

/// How many lanes there should be.
fn wanted(args: &Args, plan: &Plan) -> u32 {
    let config = &plan.config;
    let told_apart = match config.kind {
        Kind::Echo | Kind::Timestamp { .. } | Kind::Extended { .. } => args.identifier.is_none(),
        Kind::Tcp(_) | Kind::Udp(_) => false,
    };
    let ruled = config.rate.is_some()
        || config.deadline.is_some()
        || config.count.is_none()
        || config.pace != Pace::Interval
        || args.format == PingFormat::Prometheus && args.output.is_some();
    if !plan.many || !told_apart || ruled || args.mtu {
        return 1;
    }
    if let Some(lanes) = args.lanes {
        return u32::from(lanes);
    }
    let cores = available_parallelism().map_or(1, |it| u32::try_from(it.get()).unwrap_or(1));
    cores.min(MOST).min(config.targets.len() / WORTHWHILE)
}
