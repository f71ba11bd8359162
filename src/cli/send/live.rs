//! The packet on the wire: the way it takes, how often and how fast, whether it left as it was
//! built, and what comes back.

use std::time::Duration;

use super::show::{Shower, frame};
use super::speed::{CAREFUL, duration, per_second, times};
use super::watch::{ETHERNET, Watch};
use super::{SendArgs, Show, cut, framed, print};
use crate::cli::args::Color;
use crate::cli::text::Text;
use crate::cli::{Console, Outcome, confine};
use crate::error::{Error, Result};
use crate::net::clock::wall;
use crate::net::pace::{self, Pace};
use crate::net::route::{self, Path, Reach};
use crate::net::sandbox::{self, Sandbox};
use crate::net::signals::Signals;
use crate::net::transmit::{self, BATCH, Burst, Tap, Transmitter, kernel_keeps};
use crate::wire::build::{Ethernet, Spec};
use crate::wire::frame::{Direction, LinkType};

/// How long a neighbour may take to answer.
const ARP_PATIENCE: Duration = Duration::from_secs(1);
/// How long after the last packet its copy is waited for.
const COPY_PATIENCE: Duration = Duration::from_millis(200);

/// Runs the command.
///
/// # Errors
/// No privilege, no way, a missing permission on the command line, packets that were refused or
/// that left otherwise than they were built.
pub(super) fn run(
    args: &SendArgs,
    mut spec: Spec,
    color: Color,
    console: &mut Console<'_>,
) -> Result<Outcome> {
    let mut shower = Shower::new(args.format.unwrap_or(Show::Line), color);
    let path = way(args, &spec)?;
    spec.ipv4.source = spec.ipv4.source.or(path.source);
    let packets = cut(args, &spec)?;
    let pace = Speed::new(args, packets.len());
    guard(args, &spec, &path, &pace)?;
    let mtu = path.interface.mtu;
    // Frames are faster than datagrams, which matters only without a limit.
    let flood = pace.period.is_none() && args.listen.is_none() && !pace.compares();
    let by_frame = spec.ethernet.is_some()
        || flood && path.reach == Reach::Unicast && path.interface.mac.is_some()
        || packets.iter().any(|it| !kernel_keeps(it, mtu));
    let link_type = path.interface.link_type.unwrap_or(LinkType::LINUX_SLL);
    // The route, the neighbours and the ARP request want sockets that the sandbox will not give:
    // all of it happens before, on answers of the kernel and one reply of fixed form.
    let (frames, transmitter) = if by_frame {
        let transmitter = Transmitter::frames(&path.interface)?;
        address(&mut spec, &path, &mut shower, console)?;
        let frames = packets.iter().map(|it| framed(&spec, it)).collect();
        (frames, transmitter)
    } else {
        let by = args.interface.as_deref();
        (packets, Transmitter::datagrams(spec.ipv4.destination, by)?)
    };
    let shown = match (by_frame, link_type) {
        (true, link_type) => link_type,
        (false, _) => LinkType::IPV4,
    };
    let mut out = Text::default();
    for (number, bytes) in (1..).zip(&frames) {
        let mut frame = frame(bytes, shown, number);
        frame.time = Some(wall());
        frame.direction = Some(Direction::Out);
        shower.show(&frame, None, &mut out);
    }
    print(console, &out)?;
    // Elsewhere it is not known what the kernel puts before a datagram.
    let known = matches!(link_type, LinkType::ETHERNET | LinkType::RAW);
    let compares = pace.compares() && known;
    let tap = if compares || args.listen.is_some() {
        Some(Tap::open(&path.interface)?)
    } else {
        None
    };
    pace::sharpen();
    let sandbox = Sandbox::new(sandbox::Command::Send);
    confine::enter(&args.confinement, &sandbox, false, console)?;
    let signals = Signals::watch()?;
    let mut run = Run {
        watch: Watch {
            ahead: match (by_frame, link_type) {
                (false, LinkType::ETHERNET) => ETHERNET,
                _ => 0,
            },
            pending: vec![0; frames.len()],
            frames,
            link_type,
            compares,
            listens: args.listen.is_some(),
            compared: 0,
            other: None,
            replies: 0,
            spec,
            shower,
            out: Text::default(),
        },
        tap,
        transmitter,
        burst: Burst::default(),
    };
    let clock = Pace::start();
    run.send(&pace, clock, &signals, console)?;
    let took = clock.elapsed();
    let listen = args.listen.map(duration);
    run.finish(listen, &signals, console)?;
    run.report(took, listen.is_some(), console)
}

/// How often and how fast.
struct Speed {
    /// How often the packet is sent.
    count: u64,
    /// Frames it makes.
    frames: usize,
    /// From one packet to the next; None is as fast as can be.
    period: Option<Duration>,
}

impl Speed {
    fn new(args: &SendArgs, frames: usize) -> Self {
        let each = match (args.interval, args.rate) {
            (Some(seconds), _) => Some(duration(seconds)).filter(|it| !it.is_zero()),
            (None, Some(0)) => None,
            (None, rate) => {
                // Fragments count as packets.
                let all = times(Duration::from_secs(1), frames as u64);
                all.checked_div(rate.unwrap_or(1_000))
            }
        };
        Self {
            count: args.count,
            frames,
            period: each,
        }
    }

    fn total(&self) -> u64 {
        self.count.saturating_mul(self.frames as u64)
    }

    /// Packets a second, if there is a limit.
    fn rate(&self) -> Option<u128> {
        self.period
            .map(|period| per_second(self.frames as u64, period))
    }

    fn is_fast(&self) -> bool {
        self.rate().is_none_or(|rate| rate > CAREFUL.into())
    }

    /// Whether what leaves is read back.
    fn compares(&self) -> bool {
        !self.is_fast() || self.total() <= BATCH as u64
    }
}

/// The way to the destination.
fn way(args: &SendArgs, spec: &Spec) -> Result<Path> {
    let destination = spec.ipv4.destination;
    let by = args.interface.as_deref();
    let addressed = spec
        .ethernet
        .as_ref()
        .is_some_and(|it| it.destination.is_some());
    match (route::path(destination, by), by) {
        // Whoever names interface and MAC address needs no route.
        (Err(_), Some(by)) if addressed => {
            let interface = route::interface(by)?;
            Ok(Path {
                source: interface.ipv4.first().map(|own| own.address),
                interface,
                next_hop: destination,
                reach: Reach::Unicast,
            })
        }
        (path, _) => path,
    }
}

/// Asks for the flags that say that it is meant.
fn guard(args: &SendArgs, spec: &Spec, path: &Path, pace: &Speed) -> Result<()> {
    let destination = spec.ipv4.destination;
    let group_mac = match &spec.ethernet {
        Some(Ethernet {
            destination: Some([first, ..]),
            ..
        }) => first & 1 != 0,
        _ => false,
    };
    if group_mac && !args.broadcast && !path.interface.flags.is_loopback() {
        return Err(Error::usage(
            "sending to the MAC address that is given",
            "it is a broadcast or multicast address",
        )
        .advice("add --broadcast if that is meant"));
    }
    let to_many = destination.is_multicast()
        || destination.is_broadcast()
        || matches!(path.reach, Reach::Broadcast | Reach::Multicast);
    if to_many && !args.broadcast {
        return Err(Error::usage(
            format!("sending to {destination}"),
            "it is a broadcast or multicast address",
        )
        .advice("add --broadcast if that is meant"));
    }
    let far = path.reach != Reach::Local && !route::is_own(destination)?;
    let much = pace.total() > CAREFUL || pace.is_fast() && pace.total() > 1;
    if far && much && !args.yes {
        let rate = match pace.rate() {
            Some(rate) => format!("{rate} a second"),
            None => "as fast as can be".to_owned(),
        };
        return Err(Error::usage(
            format!("sending {} packets, {rate}, to {destination}", pace.total()),
            "more than 1000, or more than 1000 a second, to another host",
        )
        .advice("add --yes if that is meant"));
    }
    Ok(())
}

/// Completes the Ethernet header, by asking for the neighbour if need be.
fn address(
    spec: &mut Spec,
    path: &Path,
    shower: &mut Shower,
    console: &mut Console<'_>,
) -> Result<()> {
    let interface = &path.interface;
    let name = interface.name.to_string_lossy();
    match interface.link_type {
        Some(LinkType::ETHERNET) => {}
        Some(LinkType::RAW) if spec.ethernet.is_none() => return Ok(()),
        Some(LinkType::RAW) => {
            return Err(Error::usage(
                format!("sending by {name}"),
                "it takes datagrams without an Ethernet header",
            )
            .advice("leave out --ethernet, --ethertype, --vlan and --shim"));
        }
        _ => {
            return Err(Error::usage(
                format!("sending by {name}"),
                "its frames have a header that dotquad does not build",
            ));
        }
    }
    let ethernet = spec.ethernet.get_or_insert_with(Ethernet::default);
    if ethernet.source.is_none() {
        ethernet.source = interface.mac.map(|mac| mac.0);
    }
    if ethernet.destination.is_some() || interface.flags.is_loopback() {
        return Ok(());
    }
    ethernet.destination = match path.reach {
        Reach::Broadcast => Some([0xff; 6]),
        Reach::Multicast => Some(route::group_mac(spec.ipv4.destination)),
        Reach::Local | Reach::Unicast => route::neighbour(interface.index, path.next_hop)?,
    };
    if ethernet.destination.is_none() {
        let asked = transmit::ask(path, spec.ipv4.source, ARP_PATIENCE)?;
        let mut out = Text::default();
        let reply = asked.reply.as_ref().map(|(bytes, _)| bytes);
        let frames = [
            (Some(&asked.request), Direction::Out),
            (reply, Direction::In),
        ];
        for (number, (bytes, direction)) in (1..).zip(frames) {
            let Some(bytes) = bytes else { continue };
            let mut frame = frame(bytes, LinkType::ETHERNET, number);
            frame.time = Some(wall());
            frame.direction = Some(direction);
            shower.show(&frame, None, &mut out);
        }
        print(console, &out)?;
        let Some((_, mac)) = asked.reply else {
            return Err(Error::usage(
                format!("asking for {} on {name}", path.next_hop),
                "nobody answered the ARP request",
            )
            .advice("--ethernet MAC sends without asking"));
        };
        ethernet.destination = Some(mac);
    }
    Ok(())
}

/// A packet being sent.
struct Run {
    watch: Watch,
    tap: Option<Tap>,
    transmitter: Transmitter,
    burst: Burst,
}

impl Run {
    fn send(
        &mut self,
        pace: &Speed,
        clock: Pace,
        signals: &Signals,
        console: &mut Console<'_>,
    ) -> Result<()> {
        let each = self.watch.frames.len().max(1);
        // One packet at a time where each is watched, else as many as a call takes.
        let most = if pace.is_fast() {
            (BATCH / each).max(1)
        } else {
            1
        };
        let copies = usize::try_from(pace.count).unwrap_or(usize::MAX).min(most);
        for _ in 0..copies {
            for bytes in &self.watch.frames {
                self.transmitter.load(bytes);
            }
        }
        let mut done = 0_u64;
        while done < pace.count && signals.interrupted().is_none() {
            let left = pace.count.saturating_sub(done);
            let mut now = copies.min(usize::try_from(left).unwrap_or(usize::MAX));
            if let Some(period) = pace.period {
                if !self.wait(clock, times(period, done), console)? {
                    continue;
                }
                // Whatever is due by now goes at once.
                let due = clock.elapsed().as_nanos().checked_div(period.as_nanos());
                let due = due.unwrap_or(0).saturating_sub(done.into());
                now = now.min(usize::try_from(due).unwrap_or(usize::MAX).saturating_add(1));
            }
            let first = copies.saturating_sub(now).saturating_mul(each);
            let burst = self.transmitter.send(first);
            if self.watch.compares && burst.failed == 0 {
                for pending in &mut self.watch.pending {
                    *pending = pending.saturating_add(now as u64);
                }
            }
            self.burst.add(burst);
            done = done.saturating_add(now as u64);
            self.look(Duration::ZERO, console)?;
        }
        Ok(())
    }

    /// Waits for the deadline a while, watching; true when it has come.
    fn wait(&mut self, clock: Pace, deadline: Duration, console: &mut Console<'_>) -> Result<bool> {
        // A socket wakes in whole milliseconds; the rest is for the clock.
        const CLOSE: Duration = Duration::from_millis(2);
        let left = deadline.saturating_sub(clock.elapsed());
        if self.tap.is_some() && left > CLOSE {
            let patience = left.saturating_sub(CLOSE).min(Duration::from_millis(50));
            self.look(patience, console)?;
            return Ok(false);
        }
        Ok(clock.wait(deadline))
    }

    /// Looks at what has gone by; true if there was any.
    fn look(&mut self, patience: Duration, console: &mut Console<'_>) -> Result<bool> {
        let Some(tap) = &mut self.tap else {
            return Ok(false);
        };
        let watch = &mut self.watch;
        let any = tap.read(patience, |seen| watch.see(seen))?;
        if watch.out.len() > 0 {
            print(console, &watch.out)?;
            watch.out.clear();
        }
        Ok(any)
    }

    /// Waits for the last copies, and for replies as long as was asked for.
    fn finish(
        &mut self,
        listen: Option<Duration>,
        signals: &Signals,
        console: &mut Console<'_>,
    ) -> Result<()> {
        let clock = Pace::start();
        loop {
            let missing = self.watch.pending.iter().any(|count| *count > 0);
            let wanted = if missing {
                COPY_PATIENCE
            } else {
                Duration::ZERO
            };
            let wanted = wanted.max(listen.unwrap_or_default());
            let left = wanted.saturating_sub(clock.elapsed());
            if left.is_zero() || self.tap.is_none() || signals.interrupted().is_some() {
                // What is in the socket already counts; a flood of others' frames ends too.
                for _ in 0..1_000 {
                    if !self.look(Duration::ZERO, console)? {
                        break;
                    }
                }
                return Ok(());
            }
            self.look(left.min(Duration::from_millis(50)), console)?;
        }
    }

    /// Says what was done.
    fn report(self, took: Duration, listened: bool, console: &mut Console<'_>) -> Result<Outcome> {
        let Self { watch, burst, .. } = self;
        let missing: u64 = watch.pending.iter().sum();
        let speed = match burst.sent {
            0 | 1 => String::new(),
            sent => format!(
                " in {:.3} s, {} a second",
                took.as_secs_f64(),
                per_second(sent, took)
            ),
        };
        let compared = match (watch.compares, missing) {
            (false, _) => "; none compared with what left".to_owned(),
            (true, 0) => format!("; {} seen to leave as built", watch.compared),
            (true, missing) => {
                format!("; {} seen to leave as built, {missing} not", watch.compared)
            }
        };
        let replies = match (listened, watch.replies) {
            (false, _) => String::new(),
            (true, 1) => "; 1 reply".to_owned(),
            (true, replies) => format!("; {replies} replies"),
        };
        console.note(&format_args!(
            "{}{speed}{compared}{replies}",
            sent(burst.sent)
        ));
        burst.check("sending")?;
        if let Some(why) = watch.complaint() {
            return Err(Error::damaged(
                "comparing what left with what was built",
                why,
            ));
        }
        // As with ping: nobody answers is an answer, and it is no.
        Ok(if listened && watch.replies == 0 {
            Outcome::No
        } else {
            Outcome::Done
        })
    }
}

/// How many packets.
fn sent(count: u64) -> String {
    match count {
        1 => "1 packet sent".to_owned(),
        count => format!("{count} packets sent"),
    }
}
