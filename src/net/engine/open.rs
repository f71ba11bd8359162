//! Opening an engine's sockets, and saying what is missing when they may not be opened.

use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use libc::c_int;
use nix::sys::prctl;
use socket2::{Domain, Protocol, Socket, Type};

use super::stamps::{Naming, Stamps};
use super::{BATCH, Cards, Engine, Mode, Options, Port, Role, Timing, Unanswered, sieve};
use crate::error::{Error, Result, named};
use crate::net::ancillary;
use crate::net::batch::{Inbox, Outgoing, Received};
use crate::net::route::Ways;
use crate::net::sockopt;
use crate::probe::Fragmentation;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
/// Whole datagrams, header included (raw(7)).
const RAW: u8 = 255;

/// Protocol level of raw sockets (`SOL_RAW`), and its option that drops ICMP types by a bit mask
/// (`ICMP_FILTER`, raw(7)).
const SOL_RAW: c_int = 255;
const ICMP_FILTER: c_int = 1;

/// `SO_TIMESTAMPING` whose times have 64 bits on every machine; also its control message.
pub(super) const TIMESTAMPING: c_int = 65;

/// The most ports of a datagram engine, as each takes a descriptor.
const MOST_PORTS: usize = 512;

/// Why sockets could not be had.
enum Refusal {
    /// The kernel does not allow this kind of socket.
    Forbidden(io::Error),
    /// Anything else.
    Failed(Error),
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Opens an engine of the mode that is asked for, or of the better one that is allowed.
pub(super) fn engine(options: &Options) -> Result<Engine> {
    let opened = match options.mode {
        Mode::Raw => raw(options),
        Mode::Datagram => datagram(options),
        Mode::Auto => match raw(options) {
            Err(Refusal::Forbidden(error)) if only_raw(options).is_some() => {
                Err(Refusal::Forbidden(error))
            }
            Err(Refusal::Forbidden(_)) => datagram(options),
            opened => opened,
        },
    };
    opened.map_err(|refusal| match refusal {
        Refusal::Failed(error) => error,
        Refusal::Forbidden(error) => forbidden(options, &error),
    })
}

/// What is asked for that datagram sockets cannot do.
fn only_raw(options: &Options) -> Option<&'static str> {
    options.tcp.is_some().then_some("sending TCP probes")
}

/// The sentence that helps.
fn forbidden(options: &Options, error: &io::Error) -> Error {
    let program = std::env::current_exe().ok();
    let program = program.as_deref().map_or("dotquad".to_owned(), named);
    let setcap = format!("CAP_NET_RAW: sudo setcap cap_net_raw+ep {program}");
    let (doing, advice) = match (options.mode, only_raw(options)) {
        (_, Some(deed)) => (
            format!("opening a raw socket for {deed}"),
            format!("run it as root or give it {setcap}"),
        ),
        (Mode::Raw, None) => (
            "opening a raw socket".to_owned(),
            format!("run it as root or give it {setcap}"),
        ),
        (Mode::Auto | Mode::Datagram, None) => (
            "opening an ICMP socket".to_owned(),
            format!(
                "run it as root, give it {setcap}, or let everyone ping: \
                 sudo sysctl net.ipv4.ping_group_range=\"0 2147483647\""
            ),
        ),
    };
    Error::usage(doing, error).advice(advice)
}

/// A socket of this kind, for what all of them are told.
fn socket(options: &Options, kind: Type, protocol: Option<u8>) -> Result<Socket, Refusal> {
    let protocol = protocol.map(|number| Protocol::from(i32::from(number)));
    let socket = Socket::new(Domain::IPV4, kind, protocol).map_err(|error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            Refusal::Forbidden(error)
        } else {
            Refusal::Failed(Error::usage("opening a socket", error))
        }
    })?;
    socket
        .set_nonblocking(true)
        .map_err(because("setting up a socket"))?;
    if let Some(interface) = &options.interface {
        let doing = format!("sending through {}", named(Path::new(interface)));
        let bound = socket.bind_device(Some(interface.as_bytes()));
        bound
            .map_err(|error| Error::usage(doing, error).advice("dotquad interfaces lists them"))?;
    }
    if let Some(mark) = options.mark {
        socket.set_mark(mark).map_err(|error| {
            Error::usage(format!("marking packets with {mark}"), error)
                .advice("CAP_NET_ADMIN or CAP_NET_RAW is needed")
        })?;
    }
    Ok(socket)
}

/// An error of the system, under what was being done.
fn because(doing: &'static str) -> impl Fn(io::Error) -> Error {
    move |error| Error::usage(doing, error)
}

/// Gives a sending socket its address, port and permissions.
fn prepare(options: &Options, socket: &Socket, port: u16) -> Result<()> {
    let source = options.source.unwrap_or(Ipv4Addr::UNSPECIFIED);
    if options.source.is_some() || port != 0 {
        socket
            .bind(&SocketAddrV4::new(source, port).into())
            .map_err(|error| {
                let what = match port {
                    0 => source.to_string(),
                    port => format!("{source} port {port}"),
                };
                Error::usage(format!("sending from {what}"), error)
            })?;
    }
    let set = |socket: &Socket| {
        if options.broadcast {
            socket.set_broadcast(true)?;
        }
        if options.bypass_routing {
            sockopt::set(socket.as_fd(), libc::SOL_SOCKET, libc::SO_DONTROUTE, &1)?;
        }
        if options.no_multicast_loop {
            socket.set_multicast_loop_v4(false)?;
        }
        if let Some(bytes) = options.send_buffer {
            socket.set_send_buffer_size(bytes)?;
        }
        let want = super::send::discovery(Fragmentation::Want);
        sockopt::set(socket.as_fd(), libc::SOL_IP, libc::IP_MTU_DISCOVER, &want)
    };
    set(socket).map_err(because("setting up a sending socket"))
}

/// Makes a socket hear: a large buffer, receive stamps, and a count of what did not fit.
fn hear(options: &Options, socket: &Socket) -> Result<()> {
    let set = || {
        let bytes = c_int::try_from(options.receive_buffer).unwrap_or(c_int::MAX);
        let level = libc::SOL_SOCKET;
        // Beyond the system's limit only with CAP_NET_ADMIN.
        if sockopt::set(socket.as_fd(), level, libc::SO_RCVBUFFORCE, &bytes).is_err() {
            socket.set_recv_buffer_size(options.receive_buffer)?;
        }
        sockopt::set(socket.as_fd(), level, libc::SO_RXQ_OVFL, &1)
    };
    set().map_err(because("setting up a receiving socket"))
}

/// Asks for time stamps. A kernel without them is no failure: the run's own clock remains.
fn ask_for_stamps(socket: &Socket, flags: u32) -> bool {
    sockopt::set(socket.as_fd(), libc::SOL_SOCKET, TIMESTAMPING, &flags).is_ok()
}

/// Waits until receive stamps are made: the kernel begins that some time after the first socket
/// asks, and the first replies would have none. A datagram of our own to ourselves tells; without
/// a loopback nothing does, and nothing is lost but those stamps.
fn await_stamps(inbox: &mut Inbox) {
    const LIMIT: Duration = Duration::from_millis(20);
    const PAUSE: Duration = Duration::from_micros(50);
    let own = || {
        let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0).into())?;
        socket.connect(&socket.local_addr()?)?;
        io::Result::Ok(socket)
    };
    let Ok(socket) = own() else {
        return;
    };
    let flags = libc::SOF_TIMESTAMPING_SOFTWARE | libc::SOF_TIMESTAMPING_RX_SOFTWARE;
    let began = Instant::now();
    while ask_for_stamps(&socket, flags)
        && began.elapsed() < LIMIT
        && socket.send(&[0]).is_ok()
        && inbox.receive(socket.as_fd(), 0).is_ok()
    {
        let stamped = |message: Received<'_>| {
            let mut notes = message.control.iter();
            notes.any(|(_, kind, data)| {
                kind == TIMESTAMPING && matches!(ancillary::time_stamps(data), Some((Some(_), _)))
            })
        };
        if inbox.messages().any(stamped) {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

/// The flags for the stamps of what comes.
fn hearing_flags(options: &Options) -> u32 {
    let mut flags = libc::SOF_TIMESTAMPING_SOFTWARE | libc::SOF_TIMESTAMPING_RX_SOFTWARE;
    if options.hardware_stamps {
        flags |= libc::SOF_TIMESTAMPING_RAW_HARDWARE | libc::SOF_TIMESTAMPING_RX_HARDWARE;
    }
    flags
}

/// The flags for the stamps of what goes: numbered, and without the packet itself. Which packets
/// have any is told with each.
fn sending_flags(options: &Options) -> u32 {
    if !options.send_stamps {
        return 0;
    }
    let mut flags = libc::SOF_TIMESTAMPING_SOFTWARE
        | libc::SOF_TIMESTAMPING_OPT_ID
        | libc::SOF_TIMESTAMPING_OPT_TSONLY;
    if options.hardware_stamps {
        flags |= libc::SOF_TIMESTAMPING_RAW_HARDWARE | libc::SOF_TIMESTAMPING_OPT_TX_SWHW;
    }
    flags
}

/// The flags that go with a packet that is to be stamped.
fn record_flags(options: &Options) -> u32 {
    let mut flags = libc::SOF_TIMESTAMPING_TX_SOFTWARE;
    if options.hardware_stamps {
        flags |= libc::SOF_TIMESTAMPING_TX_HARDWARE;
    }
    flags
}

fn stamps(options: &Options, socket: &Socket, flags: u32) -> Option<Stamps> {
    let asked = ask_for_stamps(socket, flags) && options.send_stamps;
    let naming = if options.count_stamps {
        Naming::Counted
    } else {
        Naming::Tried
    };
    asked.then(|| Stamps::new(naming))
}

fn port(socket: Socket, role: Role, stamps: Option<Stamps>) -> Port {
    Port {
        socket,
        role,
        peer: None,
        fragmentation: Fragmentation::Want,
        stamps,
        drops: 0,
    }
}

fn raw(options: &Options) -> Result<Engine, Refusal> {
    let mut ports = Vec::new();
    let mut sending = Vec::new();
    let udp = options.udp.as_ref();
    let tcp = options.tcp.as_ref();
    let protocols = [
        (ICMP, options.icmp.is_some()),
        (UDP, udp.is_some()),
        (TCP, tcp.is_some()),
    ];
    for (protocol, wanted) in protocols {
        if wanted {
            sending.push((Role::Raw(protocol), protocol));
        }
    }
    if options.header_included {
        sending.push((Role::HeaderIncluded, RAW));
    }
    let flags = sending_flags(options);
    for (role, protocol) in sending {
        let socket = socket(options, Type::RAW, Some(protocol))?;
        // It sends only. A copy of all that comes would cost time and the room of its stamps.
        let deaf = |socket: &Socket| {
            socket.attach_filter(&sieve::compiled(&sieve::nothing()))?;
            if protocol == ICMP {
                sockopt::set(socket.as_fd(), SOL_RAW, ICMP_FILTER, &u32::MAX)?;
            }
            Ok(())
        };
        deaf(&socket).map_err(because("setting up a sending socket"))?;
        prepare(options, &socket, 0)?;
        let stamps = stamps(options, &socket, flags);
        // Where there is no way, the first probe says so.
        let connected = |to: &Ipv4Addr| socket.connect(&SocketAddrV4::new(*to, 0).into()).is_ok();
        let peer = options.only.filter(connected);
        ports.push(Port {
            peer,
            ..port(socket, role, stamps)
        });
    }
    let mut hearing = vec![(ICMP, sieve::icmp(options.icmp, &options.errors))];
    hearing.extend(udp.map(|ports| (UDP, sieve::ports(ports))));
    hearing.extend(tcp.map(|ports| (TCP, sieve::ports(ports))));
    for (protocol, filter) in hearing {
        // Replies may come by another way than probes go: no interface, no address.
        let open = Options {
            interface: None,
            mark: None,
            ..options.clone()
        };
        let socket = socket(&open, Type::RAW, Some(protocol))?;
        let attach = |socket: &Socket| {
            socket.attach_filter(&sieve::compiled(&filter))?;
            if protocol == ICMP {
                let passed = sieve::ERRORS.iter().chain(&sieve::REPLIES);
                // Types from 32 on pass always: the mask has no bit for them.
                let passed = passed.filter_map(|kind| 1_u32.checked_shl(u32::from(*kind)));
                let dropped = !passed.fold(0, |mask, bit| mask | bit);
                sockopt::set(socket.as_fd(), SOL_RAW, ICMP_FILTER, &dropped)?;
            }
            Ok(())
        };
        attach(&socket).map_err(because("setting up a receiving socket"))?;
        hear(options, &socket)?;
        ask_for_stamps(&socket, hearing_flags(options));
        ports.push(port(socket, Role::Hearing, None));
    }
    assemble(options, ports, options.icmp, true, flags)
}

fn datagram(options: &Options) -> Result<Engine, Refusal> {
    if let Some(deed) = only_raw(options) {
        return Err(Refusal::Failed(
            Error::usage(deed, "a datagram socket cannot do it").advice("use raw sockets"),
        ));
    }
    let mut ports = Vec::new();
    let mut identifier = None;
    let flags = hearing_flags(options) | sending_flags(options);
    let mut add = |socket: Socket, role| -> Result<()> {
        let ask = |name| sockopt::set(socket.as_fd(), libc::SOL_IP, name, &1);
        for name in [
            libc::IP_RECVERR,
            libc::IP_RECVTTL,
            libc::IP_RECVTOS,
            libc::IP_RECVOPTS,
            libc::IP_PKTINFO,
        ] {
            ask(name).map_err(because("setting up a datagram socket"))?;
        }
        hear(options, &socket)?;
        let stamps = stamps(options, &socket, flags);
        ports.push(port(socket, role, stamps));
        Ok(())
    };
    if options.icmp.is_some() {
        let socket = socket(options, Type::DGRAM, Some(ICMP))?;
        prepare(options, &socket, 0)?;
        // Bound to no port it gets an identifier that no other socket has (icmp(7)).
        let source = options.source.unwrap_or(Ipv4Addr::UNSPECIFIED);
        if options.source.is_none() {
            let any = SocketAddrV4::new(source, 0).into();
            socket
                .bind(&any)
                .map_err(because("taking an ICMP identifier"))?;
        }
        let address = socket.local_addr().ok().and_then(|it| it.as_socket_ipv4());
        identifier = address.map(|address| address.port());
        add(socket, Role::Ping)?;
    }
    let udp = options.udp.clone().unwrap_or(RangeInclusive::new(1, 0));
    if udp.len() > MOST_PORTS {
        let what = format!("opening {} UDP sockets", udp.len());
        let error = Error::usage(what, format!("{MOST_PORTS} source ports are the most"));
        return Err(Refusal::Failed(error.advice("use fewer, or raw sockets")));
    }
    for number in udp {
        let socket = socket(options, Type::DGRAM, Some(UDP))?;
        prepare(options, &socket, number)?;
        let address = socket.local_addr().ok().and_then(|it| it.as_socket_ipv4());
        let number = address.map_or(number, |address| address.port());
        add(socket, Role::Udp(number))?;
    }
    assemble(options, ports, identifier, false, flags)
}

fn assemble(
    options: &Options,
    ports: Vec<Port>,
    identifier: Option<u16>,
    raw: bool,
    stamp_flags: u32,
) -> Result<Engine, Refusal> {
    let scout = socket(options, Type::DGRAM, Some(UDP))?;
    // Deadlines are kept to the microsecond, not to the 50 that are usual (prctl(2)).
    let _ = prctl::set_timerslack(1000);
    // Asked for a broadcast's way without this, the kernel refuses.
    let _ = scout.set_broadcast(true);
    let mut inbox = Inbox::new(BATCH, options.largest.clamp(128, 0xffff));
    await_stamps(&mut inbox);
    let ears = ports.iter().filter(|port| port.role.hears());
    Ok(Engine {
        one_ear: raw && ears.count() == 1,
        ports,
        ready: Vec::new(),
        scout,
        ways: Ways::open(options.interface.as_deref()).ok(),
        interface: options.interface.clone(),
        identifier,
        raw,
        source: options.source,
        stamp_flags,
        timing: Timing {
            flags: hearing_flags(options),
            on: true,
            unstamped: 0,
        },
        record_flags: record_flags(options),
        inbox,
        outgoing: Outgoing::new(BATCH),
        cards: Cards::default(),
        unanswered: Unanswered::default(),
        rebuilt: Vec::new(),
        expected: 0,
        unasked: false,
    })
}
