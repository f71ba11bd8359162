//! From words to sockets that are open and a machine that may begin.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::Ipv4Addr;

use crate::cli::Console;
use crate::cli::args::{Percent, Trace as Args};
use crate::error::{Error, Result};
use crate::net::engine::{Engine, Mode, Options};
use crate::net::interface::{Interface, interfaces, is_local};
use crate::probe::targets::Targets;
use crate::probe::trace::{Confidence, Config, Method, Multipath, Pace, Target};

/// More targets than this are asked about.
const CROWD: u32 = 65_536;
/// The most probes that looking for all paths to one target may take.
const BUDGET: u32 = 3000;
/// Source ports are drawn from so many on from here: most hosts use these for no service.
const PORTS: u16 = 33_000;
const DRAWN: u16 = 28_000;
/// Flows have source ports of their own, so many at most.
const FLOWS: u16 = 2048;
/// A datagram socket's port may be taken; another is tried so often.
const ATTEMPTS: u16 = 3;
/// A TCP probe: headers, and one option.
const SYN: u16 = 44;

/// All that is needed to begin.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) engine: Engine,
    pub(super) config: Config,
    /// How long probes are said to be.
    pub(super) shown_length: u16,
    /// Targets that no way leads to.
    pub(super) unreachable: Vec<Error>,
}

fn method(args: &Args) -> Method {
    match (args.icmp, args.tcp) {
        (true, _) => Method::Icmp,
        (_, true) => Method::Tcp,
        _ => Method::Udp,
    }
}

/// Refuses what may be a mistake, and would be felt by others.
///
/// # Errors
/// Without `--yes`: as fast as can be, or very many targets, and not all of them this host.
pub(super) fn guard(args: &Args, targets: &Targets) -> Result<()> {
    if args.max < args.first {
        return Err(Error::usage(
            format!("reading -m {}", args.max),
            format!("the first time to live is {}", args.first),
        ));
    }
    let crowd = targets.len() > CROWD;
    if args.yes || !(crowd || args.rate == Some(0)) {
        return Ok(());
    }
    let own = interfaces()?;
    if targets.iter().all(|address| is_local(address, &own)) {
        return Ok(());
    }
    let (doing, why) = if crowd {
        (
            format!("tracing {} targets", targets.len()),
            format!("more than {CROWD} are taken for a mistake"),
        )
    } else {
        (
            "sending without limit".to_owned(),
            "others will feel it".to_owned(),
        )
    };
    Err(Error::usage(doing, why).advice("--yes does it"))
}

/// Opens the sockets and finds the address to send from for each target.
///
/// # Errors
/// Sockets that may not be opened, an address or interface that is not there.
pub(super) fn open(args: &Args, targets: &Targets) -> Result<Plan> {
    let method = method(args);
    if args.unprivileged && (args.multipath || args.tcp) {
        let (doing, why) = if args.multipath {
            (
                "looking for all paths",
                "each probe's flow is for us to choose",
            )
        } else {
            (
                "tracing by TCP",
                "the answers are segments of no connection",
            )
        };
        let why = format!("it takes a raw socket: {why}");
        return Err(Error::usage(doing, why).advice("root or CAP_NET_RAW, without --unprivileged"));
    }
    let random = RandomState::new().build_hasher().finish();
    let mut attempt = 0;
    let (engine, port) = loop {
        let drawn = (random >> (attempt * 16) & 0xffff) as u16;
        let port = PORTS + drawn % DRAWN;
        match Engine::open(&options(args, method, port)) {
            Ok(engine) => break (engine, port),
            Err(error) => {
                attempt += 1;
                // Only a datagram socket takes a port for itself.
                if attempt >= ATTEMPTS || method != Method::Udp {
                    return Err(error);
                }
            }
        }
    };

    let mut unreachable = Vec::new();
    let mut aims = Vec::new();
    for address in targets.iter() {
        match engine.source_towards(address) {
            Ok(source) => aims.push(Target { address, source }),
            Err(why) => {
                unreachable.push(Error::usage(format!("finding a way to {address}"), why));
            }
        }
    }
    let mtu = if args.mtu {
        Some(first_size(&aims, &interfaces()?))
    } else {
        None
    };
    let mut config = Config::new(aims, method);
    config.source_port = engine.identifier().unwrap_or(port);
    config.port = args.port.unwrap_or(config.port);
    config.flow = args.flow;
    config.first = args.first;
    config.max = args.max;
    config.queries = args.queries.unwrap_or(match args.cycles {
        1 => config.queries,
        // What a cycle asks beyond what routers answer in a second would look like loss.
        _ => 1,
    });
    config.recheck = args.recheck;
    config.wait = args.wait;
    config.tos = args.tos;
    config.length = args.length;
    config.pace = args.rate.map_or(config.pace, Pace::per_second);
    config.cycles = args.cycles;
    config.cycle_interval = args.interval;
    config.mtu = mtu;
    config.multipath = args.multipath.then_some(Multipath {
        confidence: match args.confidence {
            Percent::Low => Confidence::Percent95,
            Percent::High => Confidence::Percent99,
        },
        budget: BUDGET,
        each: args.each_router,
    });
    config.header_included = engine.is_raw();
    config.sent_stamps = true;
    config.seed = random;
    Ok(Plan {
        engine,
        config,
        shown_length: if method == Method::Tcp {
            SYN
        } else {
            args.length
        },
        unreachable,
    })
}

fn options(args: &Args, method: Method, port: u16) -> Options {
    let last = if args.multipath {
        port.saturating_add(FLOWS)
    } else {
        port.saturating_add(args.flow)
    };
    let first = if args.multipath { port } else { last };
    Options {
        mode: match (args.unprivileged, args.multipath) {
            (true, _) => Mode::Datagram,
            // Which flow a probe belongs to is for us to choose.
            (_, true) => Mode::Raw,
            _ => Mode::Auto,
        },
        icmp: (method == Method::Icmp).then_some(port),
        udp: (method == Method::Udp).then_some(first..=last),
        tcp: (method == Method::Tcp).then_some(first..=last),
        header_included: true,
        source: args.source,
        interface: args.interface.clone(),
        ..Options::default()
    }
}

/// The largest datagram that the first link takes: the search begins with it.
fn first_size(targets: &[Target], interfaces: &[Interface]) -> u16 {
    let holds = |interface: &Interface, source: Ipv4Addr| {
        let mut own = interface.ipv4.iter();
        own.any(|prefix| prefix.address == source)
    };
    let sizes = targets.iter().filter_map(|target| {
        let mut interfaces = interfaces.iter();
        interfaces.find(|it| holds(it, target.source))?.mtu
    });
    u16::try_from(sizes.max().unwrap_or(1500)).unwrap_or(u16::MAX)
}

/// Says what a person will not see, and how it could be seen.
pub(super) fn hidden(args: &Args, console: &mut Console<'_>) {
    let flow = if args.icmp {
        ""
    } else {
        ", and probes differ in their destination port, so that load balancers may part them"
    };
    let advice = if args.unprivileged {
        ""
    } else {
        " (root or CAP_NET_RAW sees all)"
    };
    console.note(&format_args!(
        "no raw socket: the kernel hides what hops quote, so NAT, MPLS labels, interfaces, changed \
         TOS and quoted TTL are not seen{flow}{advice}"
    ));
}
