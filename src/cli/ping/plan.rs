//! What was typed becomes a run: what the machine is told, what the sockets are opened for, and
//! what is refused.
//!
//! Knows letters and their limits. It opens nothing.

use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::hash::{BuildHasher, Hasher};
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::cli::args::{Discovery, HeaderTimes, Ping, PingFormat};
use crate::cli::targets::{self, Chosen};
use crate::error::{Error, Result};
use crate::net::engine::{Engine, Mode, Options};
use crate::net::interface::{Interface as Card, is_local};
use crate::net::sandbox::started_by_root;
use crate::probe::Fragmentation;
use crate::probe::ping::{Config, Interface, Kind, PORTS, Pace, Patience};

/// The shortest interval of who is not root, as iputils has it.
const SHORTEST: Duration = Duration::from_millis(2);
/// The most probes sent ahead by who is not root, as iputils has it.
const AHEAD: u32 = 3;
/// Packets a second of a sweep, and probes on their way in each /24.
const RATE: f64 = 1000.0;
const PER_NETWORK: u32 = 64;
/// More targets than this must be meant.
const MANY: u32 = 65_536;
/// Datagram sockets that UDP probes leave from in turn, a power of two; and how often others are
/// tried where somebody has one of their ports.
const SOCKETS: u16 = 64;
const ATTEMPTS: u32 = 8;
/// Faster than this, stamps of what is sent cost more than they tell.
const STAMPED_RATE: f64 = 20_000.0;

/// A run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) config: Config,
    pub(super) options: Options,
    /// Several targets: a table instead of lines.
    pub(super) many: bool,
    /// A target is a broadcast or multicast address.
    pub(super) spread: bool,
    /// The interface that was named.
    pub(super) device: Option<String>,
}

/// Plans a run over these targets.
///
/// # Errors
/// What does not go together, and what must not be done without a word more.
pub(super) fn plan(args: &Ping, chosen: &Chosen, hops: &[String], cards: &[Card]) -> Result<Plan> {
    // Several were meant, even if there is one alone, or what is asked for is about several: a list
    // of hosts may hold one, and what reads the table should not wait for ever then.
    let lists = args.alive || args.unreachable || args.per_probe || args.min_alive.is_some();
    let many = chosen.listed || lists;
    let spread = guard_broadcast(args, chosen, cards)?;
    guard_flood(args, chosen, many, cards)?;
    // Who asks again has to give up first, each time: ping(8) waits once, at the end.
    let linger = args.format == PingFormat::Text && !many && args.retry == 0;
    let kind = kind(args)?;
    let endless = args.deadline.is_some() || repeats(args);
    let size = args.sweep_size.map_or(args.size, |(least, _)| least);
    let rate = match args.rate {
        Some(0.0) => None,
        Some(rate) => Some(rate),
        None => many.then_some(RATE),
    };
    let swift = many && rate.is_none_or(|rate| rate > STAMPED_RATE);
    let mut config = Config {
        targets: chosen.targets.clone(),
        shuffle: many,
        kind,
        count: args.count.or((many && !endless).then_some(1)),
        interval: args.interval.unwrap_or(if args.flood || args.adaptive {
            Duration::ZERO
        } else {
            Duration::from_secs(1)
        }),
        pace: Pace::Interval,
        preload: args.preload,
        wait: args
            .wait
            .unwrap_or(Duration::from_secs(if linger { 10 } else { 1 })),
        patience: if linger {
            Patience::End
        } else {
            Patience::Each
        },
        deadline: args.deadline,
        rate,
        in_flight: 1 << 16,
        in_flight_per_network: (many && args.rate != Some(0.0)).then_some(PER_NETWORK),
        retries: args.retry,
        backoff: 1.5,
        size,
        sweep_size: args.sweep_size.map(|(_, most)| most),
        pattern: args.pattern.clone().map_or_else(Vec::new, |it| it.0),
        ttl: args.ttl,
        tos: args.tos.unwrap_or(0),
        fragmentation: args
            .fragmentation
            .map_or(Fragmentation::Want, |it| match it {
                Discovery::Do => Fragmentation::Do,
                Discovery::Want => Fragmentation::Want,
                Discovery::Dont => Fragmentation::Dont,
                Discovery::Probe => Fragmentation::Probe,
            }),
        options: header_options(args, hops)?,
        source: None,
        identifier: args.identifier.unwrap_or_else(|| (random() >> 48) as u16),
        ports: PORTS,
        broadcast: spread && !many,
        seed: [random(), random()],
        send_stamps: !swift,
        tell_unanswered: args.outstanding,
        percentiles: true,
    };
    if args.adaptive {
        config.pace = Pace::Adaptive;
        if !started_by_root() {
            config.interval = config.interval.max(SHORTEST);
        }
    } else if config.interval.is_zero() && !many {
        config.pace = Pace::Flood;
    }
    let (source, device) = interface(args)?;
    let options = Options {
        mode: mode(&config.kind),
        icmp: match config.kind {
            Kind::Tcp(_) | Kind::Udp(_) => None,
            _ => Some(config.identifier),
        },
        udp: matches!(config.kind, Kind::Udp(_)).then_some(PORTS),
        tcp: matches!(config.kind, Kind::Tcp(_)).then_some(PORTS),
        only: match config.pace {
            Pace::Flood if config.targets.len() == 1 => config.targets.get(0),
            _ => None,
        },
        source,
        interface: device.clone().map(OsString::from),
        mark: args.mark,
        broadcast: args.broadcast,
        bypass_routing: args.bypass,
        no_multicast_loop: args.no_loop,
        receive_buffer: if swift { 32 << 20 } else { 4 << 20 },
        send_buffer: args
            .send_buffer
            .and_then(|bytes| usize::try_from(bytes).ok()),
        largest: largest(&config),
        send_stamps: config.send_stamps,
        hardware_stamps: true,
        ..Options::default()
    };
    Ok(Plan {
        config,
        options,
        many,
        spread,
        device,
    })
}

/// Opens the sockets, and learns from them what the kernel chose. UDP needs no privilege, but a
/// socket for each port.
///
/// # Errors
/// As the engine's.
pub(super) fn open(args: &Ping, plan: &mut Plan) -> Result<Engine> {
    let mut opened = Engine::open(&plan.options);
    if matches!(plan.config.kind, Kind::Udp(_)) && opened.is_err() {
        for _ in 0..ATTEMPTS {
            let first = PORTS.start() | ((random() & 0xfff) as u16 & !(SOCKETS - 1));
            let ports = first..=first | (SOCKETS - 1);
            plan.config.ports = ports.clone();
            plan.options.mode = Mode::Datagram;
            plan.options.udp = Some(ports);
            opened = Engine::open(&plan.options);
            if opened.is_ok() {
                break;
            }
        }
    }
    let engine = opened?;
    if let Some(identifier) = engine.identifier() {
        if let Some(wanted) = args.identifier.filter(|wanted| *wanted != identifier) {
            let why = "without raw sockets the kernel chooses it";
            return Err(Error::usage(format!("taking identifier {wanted}"), why)
                .advice("leave -e out, or run it as root or with CAP_NET_RAW"));
        }
        plan.config.identifier = identifier;
    }
    Ok(engine)
}

/// Rounds follow each other until somebody ends them.
fn repeats(args: &Ping) -> bool {
    args.format == PingFormat::Prometheus && args.output.is_some()
}

/// The most bytes of an answer: headers, options, and the largest payload.
fn largest(config: &Config) -> usize {
    let most = config.size.max(config.sweep_size.unwrap_or(0));
    usize::from(most).saturating_add(128).max(2048)
}

/// What datagram sockets cannot send needs raw ones, which the error then names.
fn mode(kind: &Kind) -> Mode {
    match kind {
        Kind::Echo | Kind::Extended { .. } => Mode::Auto,
        Kind::Timestamp { .. } | Kind::Tcp(_) | Kind::Udp(_) => Mode::Raw,
    }
}

/// Random bits: the keys of std's hash maps are the system's randomness.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

fn kind(args: &Ping) -> Result<Kind> {
    if let Some(port) = args.tcp {
        return Ok(Kind::Tcp(port));
    }
    if let Some(port) = args.udp {
        return Ok(Kind::Udp(port));
    }
    if args.timestamp {
        // The wall's clock is read when the run begins.
        let wall = Duration::ZERO;
        return Ok(Kind::Timestamp { wall });
    }
    let Some(interface) = &args.extended else {
        return Ok(Kind::Echo);
    };
    let refused = |why| {
        Error::usage(
            format!("reading --extended {}", interface.escape_debug()),
            why,
        )
    };
    let (interface, local) = match interface.strip_prefix("neighbor:") {
        Some(address) => {
            let address = address
                .parse()
                .map_err(|_| refused("a neighbour is named by its address"))?;
            (Interface::Address(address), false)
        }
        None => (
            if let Ok(address) = interface.parse::<Ipv4Addr>() {
                Interface::Address(address)
            } else if let Ok(index) = interface.parse() {
                Interface::Index(index)
            } else if (1..=63).contains(&interface.len()) {
                // RFC 8335 section 2.1: the name, padded to words.
                Interface::Name(interface.clone())
            } else {
                return Err(refused("a name has 1 to 63 bytes"));
            },
            true,
        ),
    };
    Ok(Kind::Extended { interface, local })
}

/// The address and the interface that `-I` names.
fn interface(args: &Ping) -> Result<(Option<Ipv4Addr>, Option<String>)> {
    let (mut source, mut device) = (None, None);
    for word in &args.interface {
        let twice = match word.parse::<Ipv4Addr>() {
            Ok(address) => source.replace(address).is_some(),
            Err(_) => device.replace(word.clone()).is_some(),
        };
        if twice {
            return Err(Error::usage(
                format!("reading -I {}", word.escape_debug()),
                "one address and one interface are the most",
            ));
        }
    }
    Ok((source, device))
}

/// Record Route and Timestamp (RFC 791 section 3.1), as large as the header allows.
fn header_options(args: &Ping, hops: &[String]) -> Result<Vec<u8>> {
    let mut options = Vec::new();
    if args.record_route {
        // No Operation, then type, length, pointer and nine empty addresses.
        options.extend([1, 7, 39, 4]);
        options.resize(40, 0);
    }
    match args.timestamps {
        None => {}
        Some(HeaderTimes::Tsonly) => {
            options.extend([68, 40, 5, 0]);
            options.resize(40, 0);
        }
        Some(HeaderTimes::Tsandaddr) => {
            options.extend([68, 36, 5, 1]);
            options.resize(36, 0);
        }
        Some(HeaderTimes::Tsprespec) => {
            if hops.is_empty() || hops.len() > 4 {
                return Err(Error::usage(
                    "reading -T tsprespec",
                    format!("{} hosts are named before the target", hops.len()),
                )
                .advice("1 to 4 can be: dotquad ping -T tsprespec HOST TARGET"));
            }
            let length = u8::try_from(hops.len() * 8 + 4).unwrap_or(36);
            options.extend([68, length, 5, 3]);
            for hop in hops {
                options.extend(targets::one(hop)?.octets());
                options.extend([0; 4]);
            }
        }
    }
    Ok(options)
}

/// True when a target is a broadcast or multicast address, and may be.
fn guard_broadcast(args: &Ping, chosen: &Chosen, cards: &[Card]) -> Result<bool> {
    let ends = |it: &Card| {
        it.ipv4
            .iter()
            .filter(|prefix| prefix.bits < 31)
            .map(|prefix| {
                let host = u32::MAX.checked_shr(u32::from(prefix.bits)).unwrap_or(0);
                Ipv4Addr::from_bits(prefix.address.to_bits() | host)
            })
            .collect::<Vec<_>>()
    };
    let broadcasts: Vec<Ipv4Addr> = cards.iter().flat_map(ends).collect();
    let multicast = Ipv4Addr::new(224, 0, 0, 0);
    let first_multicast = chosen
        .targets
        .len()
        .checked_sub(1)
        .and_then(|last| chosen.targets.get(last))
        .filter(|last| *last >= multicast);
    // The last of all is above all multicast, or one itself; a set is in order.
    let spread = first_multicast
        .and_then(|_| {
            chosen
                .targets
                .iter()
                .find(|it| it.is_multicast() || it.is_broadcast())
        })
        .or_else(|| {
            chosen
                .named
                .iter()
                .copied()
                .find(|it| broadcasts.contains(it))
        });
    match spread {
        Some(address) if !args.broadcast => {
            let what = if address.is_multicast() {
                "this is a multicast address: many may answer"
            } else {
                "this is a broadcast address: many may answer"
            };
            Err(Error::usage(format!("pinging {address}"), what).advice("-b allows it"))
        }
        spread => Ok(spread.is_some()),
    }
}

/// Refuses what would be too much for others without a word more.
fn guard_flood(args: &Ping, chosen: &Chosen, many: bool, cards: &[Card]) -> Result<()> {
    let privileged = started_by_root();
    if args.preload > AHEAD && !privileged {
        let what = format!("sending {} probes ahead", args.preload);
        return Err(Error::usage(what, "only root may send more than 3"));
    }
    let unlimited = args.rate == Some(0.0);
    let crowd = chosen.targets.len() > MANY;
    let paced = !many || args.count != Some(1);
    let short = args
        .interval
        .map_or(args.flood, |interval| interval < SHORTEST);
    let short = paced && short && !privileged;
    if args.yes || !(unlimited || crowd || short) {
        return Ok(());
    }
    if chosen
        .targets
        .iter()
        .all(|address| is_local(address, cards))
    {
        return Ok(());
    }
    let refused = |what: String, why: &str| Err(Error::usage(what, why).advice("--yes does it"));
    if crowd {
        let what = format!("pinging {} targets", chosen.targets.len());
        return refused(what, "more than 65,536 outside this host");
    }
    if unlimited {
        return refused(
            "pinging as fast as possible".to_owned(),
            "outside this host that is a flood",
        );
    }
    refused(
        "pinging with less than 2 ms between probes".to_owned(),
        "outside this host only root may",
    )
}
