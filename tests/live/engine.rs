//! The sockets under the probes: what is sent arrives, what comes back is told, with the kernel's
//! time stamps, and what fails says why.
//!
//! Each scene runs in a process and a network namespace of its own.

#![allow(clippy::indexing_slicing, reason = "what is not there has failed")]

use std::collections::HashMap;
use std::env;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::ops::ControlFlow;
use std::os::fd::AsRawFd;
use std::process::{Command, ExitCode};
use std::time::Duration;

use dotquad::net::drive::{Clock, Ending, Watcher, drive};
use dotquad::net::engine::{Engine, Mode, Options};
use dotquad::net::interface::{interfaces, is_local};
use dotquad::probe::{
    Event, Fragmentation, Machine, Outbox, Probe, ProbeId, Quoted, Rtt, Source, Stamp, Wait,
};
use dotquad::wire::checksum::{Pseudo, checksum};
use libtest_mimic::{Failed, Trial};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

use super::Powers;

/// Set for the process that plays a scene.
const SCENE: &str = "DOTQUAD_LIVE_ENGINE_SCENE";

/// Longer than any scene takes: a machine gives up then.
const LIMIT: Duration = Duration::from_secs(20);

const IDENTIFIER: u16 = 0x5ab4;
const LO: Ipv4Addr = Ipv4Addr::LOCALHOST;

type Scene = fn() -> Result<(), Failed>;

/// The scenes, and what they need beside a namespace.
const SCENES: &[(&str, &[Need], Scene)] = &[
    ("engine_raw_echo", &[], || echo(Mode::Raw, false)),
    ("engine_raw_echo_counted_stamps", &[], || {
        echo(Mode::Raw, true)
    }),
    ("engine_datagram_echo", &[], || echo(Mode::Datagram, false)),
    ("engine_datagram_echo_counted_stamps", &[], || {
        echo(Mode::Datagram, true)
    }),
    ("engine_header_included", &[], header_included),
    ("engine_options", &[], record_route),
    ("engine_closed_port_raw", &[], closed_port_raw),
    ("engine_closed_port_datagram", &[], closed_port_datagram),
    ("engine_udp_reply", &[], udp_reply),
    ("engine_tcp_reset", &[], tcp_reset),
    ("engine_fragments", &[], fragments),
    ("engine_local_drops", &[], local_drops),
    ("engine_foreign_is_not_heard", &[], foreign),
    ("engine_refused", &[], refused),
    ("engine_route", &[], route),
    ("engine_ttl_raw", &[Need::Ip], || time_to_live(Mode::Raw)),
    ("engine_ttl_datagram", &[Need::Ip], || {
        time_to_live(Mode::Datagram)
    }),
    ("engine_interface_vanishes", &[Need::Ip], vanishing),
    ("engine_without_permission", &[Need::Root], permission),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// iproute2.
    Ip,
    /// Other users beside root: not in a user namespace with one.
    Root,
}

impl Need {
    fn missing(self) -> Option<&'static str> {
        let has = match self {
            Self::Ip => Command::new("ip").arg("-V").output().is_ok(),
            Self::Root => fs::read_to_string("/proc/self/uid_map")
                .is_ok_and(|map| map.split_whitespace().last() == Some("4294967295")),
        };
        (!has).then_some(match self {
            Self::Ip => "needs iproute2",
            Self::Root => "needs real root",
        })
    }
}

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    let trial = |(name, needs, _): &(&'static str, &[Need], Scene)| {
        let name = *name;
        if let Some(why) = needs.iter().find_map(|need| need.missing()) {
            let missing = move || Err(why.into());
            return Trial::test(format!("{name} ({why})"), missing).with_ignored_flag(true);
        }
        powers.trial(name, move || play(name))
    };
    SCENES.iter().map(trial).collect()
}

/// Plays a scene in a process and a namespace of its own.
fn play(name: &str) -> Result<(), Failed> {
    let mut scene = Command::new("unshare");
    scene.args(["-n", "--"]).arg(env::current_exe()?);
    let played = scene.env(SCENE, name).output()?;
    if played.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&played.stderr).into_owned().into())
}

/// The scene that this process is for, if it is for one.
pub(super) fn scene() -> Option<ExitCode> {
    let name = env::var(SCENE).ok()?;
    let Some((.., scene)) = SCENES.iter().find(|(known, ..)| *known == name) else {
        eprintln!("{name} is no scene");
        return Some(ExitCode::FAILURE);
    };
    // Nobody cannot, and need not.
    let up = match env::var_os("DOTQUAD_LIVE_NOBODY") {
        Some(_) => Ok(()),
        None => set_link(1, 65_536),
    };
    let played = up.and_then(|()| scene());
    Some(match played {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            eprintln!("{}", failed.message().unwrap_or("failed"));
            ExitCode::FAILURE
        }
    })
}

/// Brings an interface up with this MTU (RTM_NEWLINK, rtnetlink(7)).
fn set_link(index: u32, mtu: u32) -> Result<(), Failed> {
    let kernel = socket(
        AddressFamily::Netlink,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC,
        SockProtocol::NetlinkRoute,
    )?;
    let mut request = Vec::new();
    for word in [40_u32, 0x0005_0010, 1, 0, 0, index, 1, 1] {
        request.extend(word.to_ne_bytes());
    }
    request.extend([8_u16, 4].map(u16::to_ne_bytes).as_flattened());
    request.extend(mtu.to_ne_bytes());
    let to = NetlinkAddr::new(0, 0);
    sendto(kernel.as_raw_fd(), &request, &to, MsgFlags::empty())?;
    let mut answer = [0; 64];
    recv(kernel.as_raw_fd(), &mut answer, MsgFlags::empty())?;
    ensure(answer[16..20] == [0; 4], "the link cannot be set")
}

fn ensure(holds: bool, what: &str) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what.into()) }
}

fn shell(script: &str) -> Result<(), Failed> {
    let output = Command::new("sh").args(["-ec", script]).output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure(output.status.success(), &format!("{script}: {text}"))
}

/// Lets this group use datagram ICMP sockets.
fn allow_ping() -> Result<(), Failed> {
    Ok(fs::write("/proc/sys/net/ipv4/ping_group_range", "0 0")?)
}

/// What was told, with nothing borrowed.
#[derive(Debug, Default)]
struct Log {
    handed: HashMap<ProbeId, Duration>,
    sent: HashMap<ProbeId, Stamp>,
    failed: Vec<(ProbeId, i32, Option<u32>)>,
    replies: Vec<Reply>,
    errors: Vec<Error>,
    drops: u64,
}

#[derive(Debug)]
struct Reply {
    seen: Duration,
    source: Ipv4Addr,
    destination: Option<Ipv4Addr>,
    message: Vec<u8>,
    truncated: bool,
    ttl: Option<u8>,
    tos: Option<u8>,
    options: Vec<u8>,
    stamp: Option<Stamp>,
    ours: bool,
}

/// Destination, port, probe and what was carried.
type Remembered = (Ipv4Addr, u16, Option<ProbeId>, Vec<u8>);

#[derive(Debug)]
struct Error {
    offender: Ipv4Addr,
    kind: (u8, u8),
    /// The quoted datagram, or what the kernel remembers.
    quoted: Result<Vec<u8>, Remembered>,
    whole: bool,
    ttl: Option<u8>,
    stamped: bool,
}

/// Sends probes, a few at a time, and writes down what it is told.
struct Sender {
    probes: Vec<(Probe, Vec<u8>, Vec<u8>)>,
    next: usize,
    window: usize,
    /// Wait no longer for the stamps and replies of those that got none.
    settle: Duration,
    quiet_since: Duration,
    log: Log,
}

impl Sender {
    fn new(probes: Vec<(Probe, Vec<u8>)>) -> Self {
        let with_options = |(probe, body)| (probe, Vec::new(), body);
        Self {
            probes: probes.into_iter().map(with_options).collect(),
            next: 0,
            window: 50,
            settle: Duration::from_secs(3),
            quiet_since: Duration::ZERO,
            log: Log::default(),
        }
    }

    fn answered(&self) -> usize {
        let drops = usize::try_from(self.log.drops).unwrap_or(usize::MAX);
        let told = self.log.replies.len() + self.log.errors.len() + self.log.failed.len();
        told.saturating_add(drops)
    }
}

impl Machine for Sender {
    type Report = ();

    fn poll(&mut self, now: Duration, outbox: &mut Outbox<()>) -> Wait {
        let give_up = now > LIMIT || now > self.quiet_since + self.settle;
        if give_up || self.answered() >= self.probes.len() {
            return Wait::Done;
        }
        let end = self.answered().saturating_add(self.window);
        for (probe, options, body) in self.probes.iter().take(end).skip(self.next) {
            outbox.send(*probe, options, |bytes| bytes.extend(body));
        }
        self.next = self.next.max(end.min(self.probes.len()));
        Wait::Until(self.quiet_since + self.settle + Duration::from_millis(1))
    }

    fn handle(&mut self, now: Duration, event: &Event<'_>, _outbox: &mut Outbox<()>) {
        self.quiet_since = now;
        match *event {
            Event::HandedOver { id, began } => {
                let began = Duration::from_nanos(began);
                assert!(began <= now);
                assert!(self.log.handed.insert(id, began).is_none());
            }
            Event::Sent { id, stamp } => {
                self.log.sent.insert(id, stamp);
            }
            Event::SendFailed { id, error, mtu } => self.log.failed.push((id, error, mtu)),
            Event::LocalDrops(more) => self.log.drops += more,
            Event::Reply {
                source,
                destination,
                message,
                truncated,
                ttl,
                tos,
                options,
                stamp,
                ours,
                ..
            } => self.log.replies.push(Reply {
                seen: now,
                source,
                destination,
                message: message.to_vec(),
                truncated,
                ttl,
                tos,
                options: options.to_vec(),
                stamp,
                ours,
            }),
            Event::IcmpError {
                offender,
                icmp_type,
                code,
                message,
                quoted,
                ttl,
                stamp,
                ..
            } => self.log.errors.push(Error {
                offender,
                kind: (icmp_type, code),
                quoted: match quoted {
                    Quoted::Datagram(bytes) => Ok(bytes.to_vec()),
                    Quoted::Sent {
                        destination,
                        port,
                        id,
                        payload,
                    } => Err((destination, port, id, payload.to_vec())),
                },
                whole: message.is_some(),
                ttl,
                stamped: stamp.is_some(),
            }),
        }
    }
}

struct Nobody;

impl Watcher<Sender> for Nobody {
    fn report(&mut self, (): ()) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

fn run(mut sender: Sender, engine: &mut Engine) -> Result<Log, Failed> {
    let ending = drive(&mut sender, engine, &Clock::start(), &mut Nobody)?;
    ensure(ending == Ending::Done, "nobody ended the run")?;
    Ok(sender.log)
}

fn probe(id: ProbeId, destination: Ipv4Addr, protocol: u8) -> Probe {
    Probe {
        id,
        destination,
        source: None,
        ttl: None,
        tos: 0,
        fragmentation: Fragmentation::Want,
        identification: None,
        protocol,
    }
}

/// An echo request (RFC 792).
fn echo_request(sequence: u16, length: usize) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0];
    message.extend(IDENTIFIER.to_be_bytes());
    message.extend(sequence.to_be_bytes());
    message.extend((0..length).map(|place| u8::try_from(place % 251).unwrap()));
    let sum = checksum(&message).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    message
}

/// A UDP datagram (RFC 768).
fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).unwrap();
    let words = [from, to, length, 0].map(u16::to_be_bytes);
    let mut message = words.as_flattened().to_vec();
    message.extend(payload);
    let pseudo = Pseudo::V4(LO.octets(), LO.octets()).sum(17, u32::from(length));
    let sum = pseudo.with(&message).checksum().to_be_bytes();
    message[6..8].copy_from_slice(&sum);
    message
}

fn open(options: &Options) -> Result<Engine, Failed> {
    Ok(Engine::open(options)?)
}

fn icmp(mode: Mode) -> Options {
    Options {
        mode,
        icmp: Some(IDENTIFIER),
        ..Options::default()
    }
}

fn sequence(reply: &[u8]) -> u64 {
    u64::from(u16::from_be_bytes([reply[6], reply[7]]))
}

/// A thousand echoes, each with its reply, both stamped by the kernel.
fn echo(mode: Mode, count_stamps: bool) -> Result<(), Failed> {
    const COUNT: u16 = 1000;
    allow_ping()?;
    let options = Options {
        count_stamps,
        ..icmp(mode)
    };
    let mut engine = open(&options)?;
    assert_eq!(engine.is_raw(), mode == Mode::Raw);
    let identifier = engine.identifier().unwrap();
    assert_eq!(identifier == IDENTIFIER, mode == Mode::Raw);
    let probes = (0..COUNT).map(|number| {
        let mut probe = probe(u64::from(number), LO, 1);
        probe.ttl = Some(33);
        probe.tos = 0xb8;
        (probe, echo_request(number, 56))
    });
    let log = run(Sender::new(probes.collect()), &mut engine)?;
    assert_eq!(log.handed.len(), usize::from(COUNT));
    assert_eq!(log.replies.len(), usize::from(COUNT));
    assert_eq!((log.failed.len(), log.errors.len(), log.drops), (0, 0, 0));
    let mut kernel = 0;
    let mut round_trips = Vec::new();
    for (number, reply) in (0..).zip(&log.replies) {
        assert_eq!(sequence(&reply.message), number);
        assert_eq!(reply.message[4..6], identifier.to_be_bytes());
        assert_eq!(reply.message[8..], echo_request(0, 56)[8..]);
        assert_eq!((reply.message[0], reply.message.len()), (0, 64));
        assert_eq!((reply.source, reply.destination), (LO, Some(LO)));
        assert_eq!((reply.ttl, reply.tos), (Some(64), Some(0xb8)));
        assert_eq!(
            (reply.truncated, reply.ours),
            (false, mode == Mode::Datagram)
        );
        let sent = log.sent.get(&number).copied();
        let rtt = Rtt::between(log.handed[&number], sent, reply.seen, reply.stamp);
        if rtt.source == Source::Kernel {
            kernel += 1;
            round_trips.push(rtt.nanoseconds);
        }
    }
    round_trips.sort_unstable();
    if env::var_os("DOTQUAD_SHOW").is_some() {
        eprintln!("median {:?} ns", round_trips.get(round_trips.len() / 2));
    }
    assert_eq!(log.sent.len(), usize::from(COUNT));
    // A clock that is set meanwhile may cost some.
    ensure(
        kernel > COUNT - 10,
        &format!("{kernel} timed by the kernel"),
    )
}

/// Identification, DF, TTL, TOS and options as they were asked for, seen in the quote of an error.
fn header_included() -> Result<(), Failed> {
    let options = Options {
        udp: Some(4000..=4000),
        header_included: true,
        ..icmp(Mode::Raw)
    };
    let mut engine = open(&options)?;
    let mut first = probe(1, LO, 17);
    first.identification = Some(0xbeef);
    first.ttl = Some(9);
    first.tos = 0x28;
    first.fragmentation = Fragmentation::Do;
    let mut second = first;
    second.id = 2;
    second.identification = Some(0xf00d);
    second.fragmentation = Fragmentation::Dont;
    let mut sender = Sender::new(vec![
        (first, udp(4000, 4001, b"one")),
        (second, udp(4000, 4001, b"two")),
    ]);
    // No operation, four times (RFC 791 section 3.1).
    sender.probes[1].1 = vec![1; 4];
    let log = run(sender, &mut engine)?;
    assert_eq!(log.errors.len(), 2, "{log:?}");
    let quotes: Vec<&Vec<u8>> = log
        .errors
        .iter()
        .filter_map(|it| it.quoted.as_ref().ok())
        .collect();
    let [one, two] = quotes.as_slice() else {
        return Err("two quotes".into());
    };
    assert_eq!(one[..10], [0x45, 0x28, 0, 31, 0xbe, 0xef, 0x40, 0, 9, 17]);
    assert_eq!(one[20..], udp(4000, 4001, b"one"));
    assert_eq!(two[..10], [0x46, 0x28, 0, 35, 0xf0, 0x0d, 0, 0, 9, 17]);
    assert_eq!(two[20..24], [1; 4]);
    assert_eq!(two[24..], udp(4000, 4001, b"two"));
    assert_eq!(log.sent.len(), 2);
    Ok(())
}

/// A record route option (RFC 791 section 3.1) goes out, and comes back with an address in it.
fn record_route() -> Result<(), Failed> {
    allow_ping()?;
    for mode in [Mode::Raw, Mode::Datagram] {
        let mut engine = open(&icmp(mode))?;
        let mut sender = Sender::new(vec![(probe(1, LO, 1), echo_request(1, 8))]);
        sender.probes[0].1 = vec![7, 15, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let log = run(sender, &mut engine)?;
        let reply = log.replies.first().ok_or("a reply")?;
        assert_eq!(reply.options[..2], [7, 15], "{mode:?}");
        assert_eq!(reply.options[3..7], LO.octets(), "{mode:?}");
    }
    Ok(())
}

fn closed_port_raw() -> Result<(), Failed> {
    let options = Options {
        mode: Mode::Raw,
        udp: Some(4000..=4000),
        ..Options::default()
    };
    let mut engine = open(&options)?;
    let body = udp(4000, 4001, b"anybody?");
    let probes = (0..100).map(|id| (probe(id, LO, 17), body.clone()));
    let log = run(Sender::new(probes.collect()), &mut engine)?;
    assert_eq!(log.errors.len(), 100);
    for error in &log.errors {
        assert_eq!((error.offender, error.kind), (LO, (3, 3)));
        assert!(error.whole && error.stamped && error.ttl == Some(64));
        assert_eq!(error.quoted.as_ref().unwrap()[20..], body);
    }
    assert_eq!((log.handed.len(), log.failed.len()), (100, 0));
    Ok(())
}

/// The kernel remembers where it went and what it carried; the probe is known where it is alone.
fn closed_port_datagram() -> Result<(), Failed> {
    let options = Options {
        mode: Mode::Datagram,
        udp: Some(4000..=4003),
        ..Options::default()
    };
    let mut engine = open(&options)?;
    let to = |id: u64| u16::try_from(5000 + id / 4).unwrap();
    let probes = (0..400).map(|id| {
        let from = u16::try_from(4000 + id % 4).unwrap();
        let body = udp(from, to(id), &id.to_be_bytes());
        (probe(id, LO, 17), body)
    });
    let log = run(Sender::new(probes.collect()), &mut engine)?;
    assert_eq!(log.failed, []);
    assert_eq!((log.handed.len(), log.errors.len()), (400, 400));
    let mut known = Vec::new();
    for error in &log.errors {
        assert_eq!((error.offender, error.kind), (LO, (3, 3)));
        assert!(!error.whole && error.stamped && error.ttl == Some(64));
        let Err((destination, port, id, payload)) = &error.quoted else {
            return Err("no header is shown".into());
        };
        let id = id.unwrap();
        assert_eq!((*destination, *port), (LO, to(id)));
        assert_eq!(payload.as_slice(), id.to_be_bytes());
        known.push(id);
    }
    known.sort_unstable();
    assert!(known.into_iter().eq(0..400));
    assert_eq!(log.sent.len(), 400);
    Ok(())
}

/// A UDP service answers; both engines tell the same datagram.
fn udp_reply() -> Result<(), Failed> {
    for (mode, from) in [(Mode::Raw, 4000_u16), (Mode::Datagram, 4001)] {
        let service = UdpSocket::bind((LO, 0))?;
        let to = service.local_addr()?.port();
        let answer = std::thread::spawn(move || {
            let mut bytes = [0; 16];
            let (length, asker) = service.recv_from(&mut bytes)?;
            service.send_to(&bytes[..length], asker)
        });
        let options = Options {
            mode,
            udp: Some(from..=from),
            ..Options::default()
        };
        let mut engine = open(&options)?;
        let mut sender = Sender::new(vec![(probe(1, LO, 17), udp(from, to, b"hello"))]);
        // On a raw socket nobody has the port: an error goes to the service, whose quote is heard.
        sender.settle = Duration::from_millis(500);
        let log = run(sender, &mut engine)?;
        answer.join().unwrap()?;
        let reply = log.replies.first().ok_or("a reply")?;
        assert_eq!(reply.message[..6], udp(to, from, b"hello")[..6]);
        assert_eq!(reply.message[8..], *b"hello");
        assert_eq!((reply.source, reply.destination), (LO, Some(LO)));
        assert!(reply.stamp.is_some() && reply.ttl == Some(64));
    }
    Ok(())
}

/// A closed TCP port answers a SYN with RST+ACK (RFC 9293 section 3.10.7.1).
fn tcp_reset() -> Result<(), Failed> {
    let options = Options {
        tcp: Some(4000..=4009),
        ..Options::default()
    };
    let mut engine = open(&options)?;
    let mut syn = Vec::new();
    syn.extend([4005_u16, 4010].map(u16::to_be_bytes).as_flattened());
    syn.extend([0, 0, 0, 77, 0, 0, 0, 0, 0x50, 0x02, 0x20, 0, 0, 0, 0, 0]);
    let pseudo = Pseudo::V4(LO.octets(), LO.octets()).sum(6, 20);
    let sum = pseudo.with(&syn).checksum().to_be_bytes();
    syn[16..18].copy_from_slice(&sum);
    let log = run(Sender::new(vec![(probe(1, LO, 6), syn)]), &mut engine)?;
    let reply = log.replies.first().ok_or("a reply")?;
    assert_eq!(
        reply.message[..4],
        *[4010_u16, 4005].map(u16::to_be_bytes).as_flattened()
    );
    assert_eq!(reply.message[8..12], 78_u32.to_be_bytes());
    assert_eq!(reply.message[13], 0x14);
    let datagram = Options {
        mode: Mode::Datagram,
        ..options
    };
    let error = Engine::open(&datagram).expect_err("TCP takes a raw socket");
    ensure(error.to_string().contains("raw"), &error.to_string())
}

/// The kernel cuts what is too long, unless nobody may.
fn fragments() -> Result<(), Failed> {
    set_link(1, 1500)?;
    allow_ping()?;
    for mode in [Mode::Raw, Mode::Datagram] {
        let options = Options {
            largest: 4096,
            ..icmp(mode)
        };
        let mut engine = open(&options)?;
        let want = probe(1, LO, 1);
        let mut never = probe(2, LO, 1);
        never.fragmentation = Fragmentation::Do;
        let last = probe(3, LO, 1);
        let log = run(
            Sender::new(vec![
                (want, echo_request(1, 3000)),
                (never, echo_request(2, 3000)),
                (last, echo_request(3, 3000)),
            ]),
            &mut engine,
        )?;
        assert_eq!(log.failed, [(2, libc::EMSGSIZE, Some(1500))]);
        let lengths: Vec<_> = log.replies.iter().map(|it| it.message.len()).collect();
        assert_eq!(lengths, [3008, 3008]);
        assert_eq!(log.sent.len(), 2, "stamps of those that went");
        // A slab that is too small is told.
        let mut engine = open(&icmp(mode))?;
        let log = run(
            Sender::new(vec![(want, echo_request(1, 3000))]),
            &mut engine,
        )?;
        assert!(log.replies.first().is_some_and(|it| it.truncated));
    }
    Ok(())
}

/// What does not fit the receive buffer is counted.
fn local_drops() -> Result<(), Failed> {
    allow_ping()?;
    for mode in [Mode::Raw, Mode::Datagram] {
        let options = Options {
            receive_buffer: 1,
            send_stamps: false,
            ..icmp(mode)
        };
        let mut engine = open(&options)?;
        let probes = (0..200).map(|id| {
            let sequence = u16::try_from(id).unwrap();
            (probe(id, LO, 1), echo_request(sequence, 1000))
        });
        let mut sender = Sender::new(probes.collect());
        sender.window = usize::MAX;
        sender.settle = Duration::from_millis(500);
        let log = run(sender, &mut engine)?;
        let came = u64::try_from(log.replies.len()).unwrap();
        assert_eq!(log.handed.len(), 200);
        assert!(log.drops > 0, "{mode:?}: {came} came");
        // A full raw socket may count the requests, which pass it on the loopback, too.
        match mode {
            Mode::Datagram => assert_eq!(came + log.drops, 200),
            _ => assert!(came + log.drops >= 200),
        }
        assert_eq!(log.sent.len(), 0);
    }
    Ok(())
}

/// Other people's echoes do not get past the filter in the kernel, nor count as drops.
fn foreign() -> Result<(), Failed> {
    let mut ours = open(&icmp(Mode::Raw))?;
    let theirs = Options {
        icmp: Some(IDENTIFIER + 1),
        ..Options::default()
    };
    let mut theirs = open(&theirs)?;
    let probes = |count: u16| {
        let one = |number| (probe(u64::from(number), LO, 1), echo_request(number, 8));
        Sender::new((0..count).map(one).collect())
    };
    // These carry our identifier, so that the other engine's sockets hear nothing of it.
    let mut mistaken = probes(10);
    mistaken.settle = Duration::from_millis(200);
    let log = run(mistaken, &mut theirs)?;
    assert_eq!((log.handed.len(), log.replies.len(), log.drops), (10, 0, 0));
    // But ours did, and still does.
    let log = run(probes(5), &mut ours)?;
    let heard: Vec<_> = log.replies.iter().map(|it| sequence(&it.message)).collect();
    assert!(heard.into_iter().eq((0..10).chain(0..5)));
    Ok(())
}

/// No way there: each probe is refused with the kernel's own reason, and the others go.
fn refused() -> Result<(), Failed> {
    allow_ping()?;
    for (mode, count_stamps) in [
        (Mode::Raw, false),
        (Mode::Raw, true),
        (Mode::Datagram, false),
    ] {
        let options = Options {
            count_stamps,
            ..icmp(mode)
        };
        let mut engine = open(&options)?;
        let nowhere = Ipv4Addr::new(192, 0, 2, 1);
        let probes = (0..20).map(|id| {
            let to = if id % 2 == 0 { LO } else { nowhere };
            let sequence = u16::try_from(id).unwrap();
            (probe(id, to, 1), echo_request(sequence, 56))
        });
        let mut probes: Vec<_> = probes.collect();
        // A protocol the engine was not opened for.
        probes.push((probe(20, LO, 17), udp(1, 2, b"")));
        let log = run(Sender::new(probes), &mut engine)?;
        let odd = (1..20).step_by(2).map(|id| (id, libc::ENETUNREACH, None));
        let mut expected: Vec<_> = odd.collect();
        expected.push((20, libc::EPROTONOSUPPORT, None));
        assert_eq!(log.failed, expected);
        assert_eq!((log.handed.len(), log.replies.len()), (10, 10));
        for reply in &log.replies {
            let id = sequence(&reply.message);
            let rtt = Rtt::between(
                log.handed[&id],
                log.sent.get(&id).copied(),
                reply.seen,
                reply.stamp,
            );
            assert!(
                count_stamps || rtt.source == Source::Kernel,
                "{id}: {log:?}"
            );
        }
    }
    Ok(())
}

fn route() -> Result<(), Failed> {
    let engine = open(&icmp(Mode::Raw))?;
    let other = Ipv4Addr::new(127, 9, 9, 9);
    assert_eq!(engine.source_towards(other)?, LO);
    assert_eq!(engine.mtu_towards(LO)?, 65_535);
    assert!(engine.source_towards(Ipv4Addr::new(192, 0, 2, 1)).is_err());
    let interfaces = interfaces()?;
    assert!(is_local(other, &interfaces) && !is_local(Ipv4Addr::new(192, 0, 2, 1), &interfaces));
    let elsewhere = Options {
        source: Some(Ipv4Addr::new(192, 0, 2, 1)),
        ..icmp(Mode::Raw)
    };
    let error = Engine::open(&elsewhere).expect_err("not an address of this host");
    assert!(
        error.to_string().starts_with("sending from 192.0.2.1: "),
        "{error}"
    );
    let nameless = Options {
        interface: Some("no such".into()),
        ..icmp(Mode::Raw)
    };
    let error = Engine::open(&nameless).expect_err("not an interface");
    ensure(
        error.to_string().starts_with("sending through no such: "),
        &error.to_string(),
    )
}

/// A router, which is a namespace of its own, says that the time to live is over.
fn time_to_live(mode: Mode) -> Result<(), Failed> {
    allow_ping()?;
    let mut router = Command::new("unshare")
        .args(["-n", "sleep", "30"])
        .spawn()?;
    let pid = router.id();
    let inside = format!("nsenter -t {pid} -n");
    let script = format!(
        "until [ \"$(readlink /proc/{pid}/ns/net)\" != \"$(readlink /proc/self/ns/net)\" ]; do :; done
         ip link add veth1 type veth peer name veth2
         ip link set veth2 netns {pid}
         ip addr add 10.9.0.1/24 dev veth1; ip link set veth1 up
         {inside} ip addr add 10.9.0.2/24 dev veth2; {inside} ip link set veth2 up
         {inside} ip route add 10.10.0.0/16 via 10.9.0.1
         {inside} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'
         ip route add 10.10.0.0/16 via 10.9.0.2"
    );
    let played = shell(&script).and_then(|()| {
        let options = Options {
            mode,
            icmp: Some(IDENTIFIER),
            udp: Some(4000..=4000),
            ..Options::default()
        };
        let mut engine = open(&options)?;
        let far = Ipv4Addr::new(10, 10, 1, 1);
        let mut echo = probe(1, far, 1);
        echo.ttl = Some(1);
        let mut datagram = probe(2, far, 17);
        datagram.ttl = Some(1);
        let body = udp(4000, 4001, b"");
        run(
            Sender::new(vec![(echo, echo_request(7, 56)), (datagram, body)]),
            &mut engine,
        )
    });
    router.kill()?;
    router.wait()?;
    let log = played?;
    assert_eq!(log.errors.len(), 2, "{log:?}");
    for error in &log.errors {
        assert_eq!(
            (error.offender, error.kind),
            (Ipv4Addr::new(10, 9, 0, 2), (11, 0))
        );
        assert!(error.stamped && error.ttl == Some(64));
    }
    match &log.errors[0].quoted {
        Ok(datagram) => {
            assert_eq!((datagram[8], datagram[9]), (1, 1));
            assert_eq!(datagram[20..], echo_request(7, 56));
        }
        Err((destination, port, id, payload)) => {
            assert_eq!(
                (*destination, *port, *id),
                (Ipv4Addr::new(10, 10, 1, 1), 0, None)
            );
            // The message as sent, from its type on; the identifier is the kernel's.
            assert_eq!((payload[0], sequence(payload)), (8, 7));
            assert_eq!(payload[8..], echo_request(7, 56)[8..]);
        }
    }
    if let Err((_, port, id, _)) = &log.errors[1].quoted {
        assert_eq!((*port, *id), (4001, Some(2)));
    }
    Ok(())
}

/// The interface goes away under an engine that is bound to it.
fn vanishing() -> Result<(), Failed> {
    shell(
        "ip link add veth3 type veth peer name veth4; ip addr add 10.7.0.1/24 dev veth3
         ip link set veth4 up; ip link set veth3 up",
    )?;
    let options = Options {
        interface: Some("veth3".into()),
        ..icmp(Mode::Raw)
    };
    let mut engine = open(&options)?;
    let send = |engine: &mut Engine| {
        let probe = probe(1, Ipv4Addr::new(10, 7, 0, 9), 1);
        let mut sender = Sender::new(vec![(probe, echo_request(1, 8))]);
        sender.settle = Duration::from_millis(200);
        run(sender, engine)
    };
    let log = send(&mut engine)?;
    assert_eq!((log.handed.len(), log.failed.len()), (1, 0));
    shell("ip link del veth3")?;
    let log = send(&mut engine)?;
    assert_eq!((log.handed.len(), log.failed.len()), (0, 1));
    Ok(())
}

/// Without permission, the error says how to get it. The process that has none is another user's.
fn permission() -> Result<(), Failed> {
    if env::var_os("DOTQUAD_LIVE_NOBODY").is_some() {
        let error = Engine::open(&icmp(Mode::Auto)).expect_err("nobody may not ping");
        let text = error.to_string();
        for word in [
            "CAP_NET_RAW",
            "sudo setcap cap_net_raw+ep",
            "net.ipv4.ping_group_range",
        ] {
            ensure(text.contains(word), &format!("{word} is not in: {text}"))?;
        }
        // UDP takes no permission.
        let udp = Options {
            udp: Some(4000..=4000),
            ..Options::default()
        };
        let mut engine = open(&udp)?;
        let body = self::udp(4000, 4001, b"");
        let log = run(Sender::new(vec![(probe(1, LO, 17), body)]), &mut engine)?;
        assert_eq!(log.errors.len(), 1);
        return Ok(());
    }
    // The program may lie where only root can look.
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("live");
    fs::copy(env::current_exe()?, &copy)?;
    shell(&format!(
        "chmod 755 {} {}",
        folder.path().display(),
        copy.display()
    ))?;
    let mut nobody = Command::new("setpriv");
    nobody
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--",
        ])
        .arg(&copy)
        .env("DOTQUAD_LIVE_NOBODY", "1");
    let output = nobody.output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure(output.status.success(), &text)
}
