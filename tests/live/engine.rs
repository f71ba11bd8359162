//! The sockets under the probes: what is sent arrives, what comes back is told, with the kernel's
//! time stamps, and what fails says why.
//!
//! Each scene runs in a process and a network namespace of its own.

#![allow(clippy::indexing_slicing, reason = "what is not there has failed")]

use std::env;
use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process::{Command, ExitCode};
use std::time::Duration;

use dotquad::net::engine::{Engine, Mode, Options};
use dotquad::net::interface::{interfaces, is_local};
use dotquad::probe::{Fragmentation, Rtt, Source};
use dotquad::wire::checksum::Pseudo;
use libtest_mimic::{Failed, Trial};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};

use super::Powers;
use sender::{Sender, echo_request, probe, run, udp};

#[path = "engine/sender.rs"]
mod sender;
#[path = "engine/trouble.rs"]
mod trouble;

/// Set for the process that plays a scene.
const SCENE: &str = "DOTQUAD_LIVE_ENGINE_SCENE";

const IDENTIFIER: u16 = 0x5ab4;
const LO: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Set for the process of a user who may nothing.
const NOBODY: &str = "DOTQUAD_LIVE_NOBODY";

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
    ("engine_fragments", &[], trouble::fragments),
    ("engine_local_drops", &[], trouble::local_drops),
    ("engine_foreign_is_not_heard", &[], foreign),
    ("engine_refused", &[], trouble::refused),
    ("engine_route", &[], route),
    ("engine_ttl_raw", &[Need::Ip], || time_to_live(Mode::Raw)),
    ("engine_ttl_datagram", &[Need::Ip], || {
        time_to_live(Mode::Datagram)
    }),
    ("engine_full_socket", &[Need::Ip], trouble::full_socket),
    ("engine_interface_vanishes", &[Need::Ip], trouble::vanishing),
    (
        "engine_without_permission",
        &[Need::Root],
        trouble::permission,
    ),
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
        powers.trial(name, move || crate::play(SCENE, name))
    };
    SCENES.iter().map(trial).collect()
}

/// The scene that this process is for, if it is for one.
pub(super) fn scene() -> Option<ExitCode> {
    let name = env::var(SCENE).ok()?;
    let Some((.., scene)) = SCENES.iter().find(|(known, ..)| *known == name) else {
        eprintln!("{name} is no scene");
        return Some(ExitCode::FAILURE);
    };
    // Nobody cannot, and need not.
    let up = match env::var_os(NOBODY) {
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

fn route() -> Result<(), Failed> {
    let mut engine = open(&icmp(Mode::Raw))?;
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
