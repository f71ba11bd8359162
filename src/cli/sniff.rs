//! `dotquad sniff`: what was typed becomes a live source and the plan of what happens to its
//! packets, which is decode's.

use std::num::NonZeroU64;
use std::path::Path;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::accounts::{ANY, Entries};
use super::args::{self, Color, Format, Sniff, Way};
use super::naming::Template;
use super::pipeline::{Pieces, Source};
use super::plan::{self, Plan, workers};
use super::progress::{Status, Weighed};
use super::recorder::{Capture, Recorder, is_read_live};
use super::selector::Selector;
use super::stage::Stage;
use super::stats::{self, Watch};
use super::tally::{Fate, Form, Tally};
use super::{Console, Outcome, confine, interfaces, time};
use crate::capture::rotation::{Disk, Limits, Period, Rotation};
use crate::capture::{Interface, Target, Writer};
use crate::error::{self, Error, Result};
use crate::net::interface::default_interface;
use crate::net::live::{Backend, Live, Options, Timestamps};
use crate::net::sandbox::{Command, Sandbox};
use crate::net::signals::Signals;
use crate::wire::frame::Direction;

/// Batches that may wait for the disk: as many as a ring has blocks, so that the ring is the queue.
const QUEUE: usize = 64;
/// How long the kernel may gather packets: when each is wanted at once, when somebody watches, and
/// when nobody does.
const AT_ONCE: Duration = Duration::from_millis(1);
const WATCHED: Duration = Duration::from_millis(10);
const UNWATCHED: Duration = Duration::from_millis(100);

/// Runs the command.
///
/// # Errors
/// Wrong words, missing privileges, interfaces that cannot be listened to or are removed, outputs
/// that cannot be written.
pub(super) fn run(args: &Sniff, color: Color, console: &mut Console<'_>) -> Result<Outcome> {
    if args.list {
        return interfaces::run(interfaces::Format::Table, console.out).map(|()| Outcome::Done);
    }
    if args.stats_every.is_some() {
        stats::refuse(args)?;
    }
    let shows = args.write.is_none() || args.print;
    let mut selector = Selector::parse_live(
        &args.words.join(" "),
        args.show.deep,
        args.show.reassembly.reassemble,
    )?;
    let options = options(args, shows, console)?;
    let mut impossible = Vec::new();
    let live = Live::open(&options, &mut |wanted| {
        let filter = selector.for_socket(wanted)?;
        if filter.never_matches() {
            impossible.push(wanted.interface.to_owned());
        }
        selector.keep(wanted.link_type, filter.clone());
        Ok(filter)
    })?;
    for interface in impossible {
        console.note(&format_args!(
            "no frame of {interface} can match this filter"
        ));
    }
    let selector = Some(selector).filter(|selector| !selector.is_exact());
    let mut plan = Plan::new(&args.show, color, shows, selector)?;
    // What the kernel refuses is no less missing than what is refused here.
    let filtered = !args.words.is_empty();
    plan.reassembly.complete = !filtered || args.show.reassembly.reassemble;
    if args.show.track {
        plan.track(args.words.is_empty() && args.direction == Way::Both);
    }
    let capture = match &args.write {
        Some(path) => Some(capture(args, path)?),
        None => None,
    };
    let folder = match (&capture, &args.write) {
        (Some(Output::Row(_)), Some(path)) => Some(folder(path)),
        _ => None,
    };
    let workers = if shows || args.show.workers.is_some() {
        workers(args.show.workers)
    } else {
        1
    };
    let at_once = args.line_buffered || args.write.as_deref().is_some_and(is_read_live);
    // Everything is open.
    let sandbox = Sandbox {
        output_folder: folder,
        ..Sandbox::new(Command::Sniff)
    };
    confine::enter(&args.confinement, &sandbox, args.show.verbose, console)?;
    let mut signals = Signals::watch_live()?;
    let fate = if capture.is_some() {
        Fate::Written
    } else {
        Fate::Shown
    };
    if let Some(capture) = capture {
        let capture = match capture {
            // Only now: what fails before must not empty an older capture.
            Output::One(target) => Capture::One(Box::new(Writer::start(target)?)),
            Output::Row(rotation) => Capture::Row(rotation),
        };
        plan.recorder = Some(Recorder::start(
            capture,
            QUEUE,
            at_once,
            Some(Entries::default()),
        )?);
    }
    let form = match plan::format(&args.show) {
        Format::Ndjson => Form::Ndjson,
        _ => Form::Words,
    };
    plan.interface = live.listening().first().cloned();
    let mut tally = Tally::new(&live, fate, form);
    tally.duration = args.duration;
    console.note(&format_args!(
        "listening on {}",
        described(live.listening(), &options)
    ));
    let live = Weighed::new(live, shows && !args.show.count);
    tally.status = Status::start(&live);
    if let Some(every) = args.stats_every {
        let format = plan::format(&args.show);
        return Watch::new(plan, tally, every, format, color, filtered).run(
            live,
            workers,
            &mut signals,
            console,
        );
    }
    plan.tally = Some(tally);
    let pieces = Pieces::start(live, workers, &plan.renderer)?;
    Stage::new(plan).run(pieces, &mut signals, console)
}

impl Source for Weighed {}

/// What to listen to, and how.
fn options(args: &Sniff, shows: bool, console: &mut Console<'_>) -> Result<Options> {
    let mut interfaces = args.interfaces.clone();
    if interfaces.is_empty() {
        interfaces.push(if let Some(interface) = default_interface()? {
            interface.name.to_string_lossy().into_owned()
        } else {
            console.note(&"there is no default route here: listening on all interfaces");
            ANY.to_owned()
        });
    }
    if interfaces.len() > 1 && interfaces.iter().any(|name| name == ANY) {
        return Err(Error::usage(
            "reading -i",
            "any is all interfaces, and others are named beside it",
        )
        .advice("name any alone, or those that are wanted"));
    }
    Ok(Options {
        direction: match args.direction {
            Way::In => Some(Direction::In),
            Way::Out => Some(Direction::Out),
            Way::Both => None,
        },
        snaplen: args.snaplen,
        promiscuous: args.promiscuous,
        ring_mib: args.ring_mib,
        block_timeout: match (args.line_buffered, shows && !args.show.count) {
            (true, _) => AT_ONCE,
            (_, true) => WATCHED,
            _ if args.write.as_deref().is_some_and(is_read_live) => WATCHED,
            _ => UNWATCHED,
        },
        backend: match args.backend {
            args::Backend::Ring => Backend::Ring,
            args::Backend::Recvmmsg => Backend::Recvmmsg,
            args::Backend::Pnet => Backend::Pnet,
        },
        fanout: args.fanout,
        timestamps: match args.timestamps {
            args::Timestamps::Kernel => Timestamps::Kernel,
            args::Timestamps::Hardware => Timestamps::Hardware,
        },
        ..Options::new(interfaces)
    })
}

/// Where captures are to be written: one file, opened now, or a row of them.
enum Output {
    One(Target),
    Row(Box<Rotation>),
}

fn capture(args: &Sniff, path: &Path) -> Result<Output> {
    let limits = Limits {
        bytes: args.rotate_size,
        frames: args.rotate_packets,
        period: args.rotate_time.map(|seconds: NonZeroU64| Period {
            seconds,
            aligned: args.rotate_aligned,
        }),
    };
    if limits == Limits::default() {
        if args.files.is_some() {
            return Err(Error::usage(
                "reading --files",
                "there is only one file, as nothing begins a new one",
            )
            .advice("add --rotate-size, --rotate-time or --rotate-packets"));
        }
        return Target::open(path).map(Output::One);
    }
    if path.as_os_str() == "-" || is_read_live(path) {
        return Err(Error::usage(
            format!("writing {}", error::named(path)),
            "it is no regular file, and only those can be rotated",
        ));
    }
    if path.file_name().is_none() {
        return Err(Error::usage(
            format!("writing {}", error::named(path)),
            "it is the name of a folder",
        )
        .advice("name a file in it"));
    }
    let zone = match args.show.time {
        time::Format::Local => TimeZone::system(),
        _ => TimeZone::UTC,
    };
    let names = Box::new(Template::new(path, zone)?);
    let keep = args.files.and_then(|files| usize::try_from(files).ok());
    let rotation = Rotation::new(limits, keep, names, Box::new(Disk));
    Ok(Output::Row(Box::new(rotation)))
}

/// The folder of a file.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The interfaces as a person reads them.
fn described(listening: &[Interface], options: &Options) -> String {
    let mut words = Vec::new();
    for interface in listening {
        let name = interface.name.as_deref().unwrap_or(ANY);
        words.push(format!(
            "{} ({})",
            error::named(Path::new(name)),
            interface.link_type
        ));
    }
    let kept = match options.snaplen {
        0 => "whole frames".to_owned(),
        bytes => format!("the first {bytes} bytes of frames"),
    };
    format!("{}, {kept}", words.join(", "))
}
