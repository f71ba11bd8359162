//! The sockets under a probe machine: probes go out in batches, and what comes back becomes
//! events.
//!
//! ```text
//! raw        a socket of each protocol sends, and hears nothing but its own send stamps;
//!            others hear: ICMP, UDP and TCP, through filters that pass only what may be ours
//! datagram   the kernel's own ping and UDP sockets, without privilege: it writes and hides the
//!            headers, and tells errors by the error queue
//! ```
//!
//! Nothing here waits, decides what to send, or believes what comes.

mod open;
mod receive;
mod send;
mod sieve;
mod stamps;

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use socket2::Socket;

use super::batch::{Inbox, Outgoing};
use super::route::Ways;
use super::sockopt;
use crate::error::{Error, Result};
use crate::probe::{Event, Fragmentation, ProbeId, Source, Stamp};
pub(super) use send::Progress;
use stamps::Stamps;

/// How many messages one system call moves.
const BATCH: usize = 64;

/// Which sockets to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Raw ones, or where they are not allowed datagram ones.
    #[default]
    Auto,
    /// Raw ones (raw(7)): `CAP_NET_RAW` is needed.
    Raw,
    /// Datagram ones: icmp(7) sockets need a group in `net.ipv4.ping_group_range`, UDP nothing.
    Datagram,
}

/// Which ICMP errors a raw engine hears, by the identifier of the quoted message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Errors {
    /// All that come to this host.
    #[default]
    All,
    /// All but those about messages with one of these, whose engines hear them.
    AllBut(Vec<u16>),
    /// Those about messages with this engine's own; the rest is heard by another.
    Own,
}

/// What an engine is opened for. The default is for nothing at all: name the protocols.
#[derive(Debug, Clone)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "socket options are what they are"
)]
pub struct Options {
    /// Which sockets.
    pub mode: Mode,
    /// ICMP probes, with this identifier. A datagram socket has one of its own:
    /// [`Engine::identifier`].
    pub icmp: Option<u16>,
    /// Which ICMP errors are heard, where other engines hear beside this one; raw only.
    pub errors: Errors,
    /// UDP probes, from these ports. A datagram engine opens a socket for each.
    pub udp: Option<RangeInclusive<u16>>,
    /// TCP probes, from these ports; raw only.
    pub tcp: Option<RangeInclusive<u16>>,
    /// Some probes choose their identification field. A datagram engine cannot, and refuses them:
    /// look at [`Engine::is_raw`] before.
    pub header_included: bool,
    /// Where all probes go, if to one place and fast: raw sockets then need no address with each.
    /// From there on they keep the source they have at the beginning.
    pub only: Option<Ipv4Addr>,
    /// Send from this address of ours.
    pub source: Option<Ipv4Addr>,
    /// Send through this interface (`SO_BINDTODEVICE`, socket(7)).
    pub interface: Option<OsString>,
    /// Mark what is sent (`SO_MARK`, socket(7)).
    pub mark: Option<u32>,
    /// Allow broadcast destinations (`SO_BROADCAST`).
    pub broadcast: bool,
    /// Send to hosts of attached networks only (`SO_DONTROUTE`).
    pub bypass_routing: bool,
    /// Multicast is not looped back to this host.
    pub no_multicast_loop: bool,
    /// Bytes for what came and was not read yet, as a wish (`SO_RCVBUF`).
    pub receive_buffer: usize,
    /// Bytes for what waits to be sent (`SO_SNDBUF`); the system's default if not given.
    pub send_buffer: Option<usize>,
    /// The most bytes taken of a message from its IPv4 header on; the rest is cut.
    pub largest: usize,
    /// Ask when each probe left.
    pub send_stamps: bool,
    /// Ask the network card, too; what it says is used where it times both ways.
    pub hardware_stamps: bool,
    /// Number send stamps by counting, as must be done before Linux 6.13, even where probes can
    /// carry their numbers.
    pub count_stamps: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            mode: Mode::Auto,
            icmp: None,
            errors: Errors::All,
            udp: None,
            tcp: None,
            header_included: false,
            only: None,
            source: None,
            interface: None,
            mark: None,
            broadcast: false,
            bypass_routing: false,
            no_multicast_loop: false,
            receive_buffer: 4 << 20,
            send_buffer: None,
            largest: 2048,
            send_stamps: true,
            hardware_stamps: false,
            count_stamps: false,
        }
    }
}

/// What a socket is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// Sends a protocol's messages, for which the kernel writes the IPv4 header.
    Raw(u8),
    /// Sends whole datagrams (`IPPROTO_RAW`, raw(7)).
    HeaderIncluded,
    /// Hears whole datagrams.
    Hearing,
    /// Sends and hears echoes (icmp(7)).
    Ping,
    /// Sends and hears UDP payloads from and at this port.
    Udp(u16),
}

impl Role {
    fn hears(self) -> bool {
        matches!(self, Self::Hearing | Self::Ping | Self::Udp(_))
    }

    fn is_datagram(self) -> bool {
        matches!(self, Self::Ping | Self::Udp(_))
    }
}

/// One socket.
#[derive(Debug)]
struct Port {
    socket: Socket,
    role: Role,
    /// Where it sends unless told otherwise.
    peer: Option<Ipv4Addr>,
    /// As the socket is set at present.
    fragmentation: Fragmentation,
    /// Present when it is asked for send stamps.
    stamps: Option<Stamps>,
    /// The kernel's count of what did not fit the receive buffer, as last seen.
    drops: u32,
}

/// The sockets under a probe machine.
#[derive(Debug)]
pub struct Engine {
    ports: Vec<Port>,
    /// What the last wait found of each.
    ready: Vec<PollFlags>,
    /// Never sends: it is connected to learn what the kernel knows of a path.
    scout: Socket,
    ways: Option<Ways>,
    interface: Option<OsString>,
    identifier: Option<u16>,
    raw: bool,
    source: Option<Ipv4Addr>,
    stamp_flags: u32,
    timing: Timing,
    /// What makes a packet be stamped.
    record_flags: u32,
    inbox: Inbox,
    outgoing: Outgoing,
    cards: Cards,
    unanswered: Unanswered,
    /// A UDP datagram whose header the kernel hid and we wrote again.
    rebuilt: Vec<u8>,
    /// Probes that went since replies were last looked for: on this host there are as many by now.
    expected: usize,
    /// One raw socket hears: looking at it takes no longer than asking whether it has something.
    one_ear: bool,
    /// It was not asked, and only supposed to have something.
    unasked: bool,
}

/// Whether replies are stamped.
#[derive(Debug)]
struct Timing {
    /// What makes them be.
    flags: u32,
    on: bool,
    /// So many probes had no stamps since the last that had one: replies to them are timed in vain.
    unstamped: usize,
}

/// Whether the network card has been seen to time what is sent, and what comes.
#[derive(Debug, Clone, Copy, Default)]
struct Cards {
    sent: bool,
    came: bool,
}

impl Cards {
    /// The better stamp: the card's only where the card times the other way too, as two clocks
    /// cannot be compared.
    fn choose(self, software: Option<i64>, hardware: Option<i64>) -> Option<Stamp> {
        let hardware = hardware.filter(|_| self.sent && self.came);
        let hardware = hardware.map(|nanoseconds| (nanoseconds, Source::Hardware));
        let best = hardware.or(software.map(|nanoseconds| (nanoseconds, Source::Kernel)));
        best.map(|(nanoseconds, source)| Stamp {
            nanoseconds,
            source,
        })
    }
}

/// The probes of datagram UDP sockets by their ports and addresses, as far as that tells them
/// apart: an error need not quote more.
#[derive(Debug, Default)]
struct Unanswered(HashMap<(u16, SocketAddrV4), Option<ProbeId>>);

impl Unanswered {
    /// Beyond this, older ones are forgotten.
    const MOST: usize = 1 << 16;

    fn went(&mut self, from: u16, to: SocketAddrV4, id: ProbeId) {
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        let only = |known: &mut Option<ProbeId>| *known = None;
        self.0
            .entry((from, to))
            .and_modify(only)
            .or_insert(Some(id));
    }

    fn only(&self, from: u16, to: SocketAddrV4) -> Option<ProbeId> {
        self.0.get(&(from, to)).copied().flatten()
    }
}

/// Whom events are told to, with the time of the run.
type Sink<'a> = &'a mut dyn FnMut(Duration, &Event<'_>);

impl Engine {
    /// Opens all the sockets that will be needed: none is opened later.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`]: neither kind of socket is allowed, an address, interface or
    /// port cannot be had, or what is asked for cannot be done without privilege. The message says
    /// what to do.
    pub fn open(options: &Options) -> Result<Self> {
        open::engine(options)
    }

    /// Whether the sockets are raw ones, so that whole datagrams are sent and seen.
    #[must_use]
    pub fn is_raw(&self) -> bool {
        self.raw
    }

    /// The identifier of ICMP probes: the one asked for, or that of the datagram socket, which
    /// the kernel writes into every probe whatever stands there.
    #[must_use]
    pub fn identifier(&self) -> Option<u16> {
        self.identifier
    }

    /// The address that probes to `destination` will come from.
    ///
    /// # Errors
    /// What the kernel says when it knows no way there.
    pub fn source_towards(&self, destination: Ipv4Addr) -> io::Result<Ipv4Addr> {
        if let Some(source) = self.source {
            return Ok(source);
        }
        self.look_towards(destination)?;
        let address = self.scout.local_addr()?;
        let address = address.as_socket_ipv4().ok_or(io::ErrorKind::Unsupported)?;
        Ok(*address.ip())
    }

    /// The path MTU to `destination` as the kernel knows it, in bytes; at least the interface's.
    /// May be asked at any time, in a sandbox as well.
    ///
    /// # Errors
    /// What the kernel says when it knows no way there.
    pub fn mtu_towards(&mut self, destination: Ipv4Addr) -> io::Result<u32> {
        let ways = self.ways.as_mut().ok_or(io::ErrorKind::Unsupported)?;
        ways.mtu(destination)
    }

    /// The MTU of the interface on the way to `destination`, in bytes: what a router told of the
    /// path may be old. May be asked at any time, in a sandbox as well.
    ///
    /// # Errors
    /// As [`mtu_towards`](Self::mtu_towards).
    pub fn link_mtu_towards(&mut self, destination: Ipv4Addr) -> io::Result<u32> {
        let ways = self.ways.as_mut().ok_or(io::ErrorKind::Unsupported)?;
        ways.link_mtu(destination)
    }

    /// Connects the scout, which sends nothing (udp(7)).
    fn look_towards(&self, destination: Ipv4Addr) -> io::Result<()> {
        // Connected twice it would keep the first address as its own.
        sockopt::disconnect(self.scout.as_fd())?;
        // With its peer it lost its interface: a group would have no way without a route.
        if let Some(interface) = &self.interface {
            self.scout.bind_device(Some(interface.as_bytes()))?;
        }
        // The discard service: no port matters here.
        self.scout
            .connect(&SocketAddrV4::new(destination, 9).into())
    }

    /// Waits until a socket has something, one may be written to if `blocked` says so, `wake`
    /// becomes readable, or the time is over; no time waits for none.
    ///
    /// Says whether it was for anything but time, or that there is no need to ask.
    ///
    /// # Errors
    /// When the kernel refuses to wait.
    pub(super) fn wait(
        &mut self,
        limit: Duration,
        blocked: Option<usize>,
        wake: Option<BorrowedFd<'_>>,
    ) -> Result<bool> {
        self.unasked = limit.is_zero() && blocked.is_none() && self.one_ear;
        if self.unasked {
            return Ok(true);
        }
        let mut polled: Vec<PollFd<'_>> = Vec::with_capacity(self.ports.len().saturating_add(1));
        for (index, port) in self.ports.iter().enumerate() {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, port.role.hears());
            flags.set(PollFlags::POLLOUT, blocked == Some(index));
            polled.push(PollFd::new(port.socket.as_fd(), flags));
        }
        polled.extend(wake.map(|wake| PollFd::new(wake, PollFlags::POLLIN)));
        let found = match ppoll(&mut polled, Some(TimeSpec::from_duration(limit)), None) {
            Ok(found) => found,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(Error::usage("waiting for replies", error)),
        };
        self.ready.clear();
        let flags = polled.iter().map(PollFd::revents);
        self.ready
            .extend(flags.map(|flags| flags.unwrap_or(PollFlags::empty())));
        Ok(found > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_times_one_way_is_not_used() {
        let source = |cards: Cards, software, hardware| {
            cards.choose(software, hardware).map(|stamp| stamp.source)
        };
        let (none, both) = (
            Cards::default(),
            Cards {
                sent: true,
                came: true,
            },
        );
        assert_eq!(source(none, Some(1), Some(2)), Some(Source::Kernel));
        assert_eq!(source(both, Some(1), Some(2)), Some(Source::Hardware));
        assert_eq!(source(both, Some(1), None), Some(Source::Kernel));
        assert_eq!(source(none, None, Some(2)), None);
    }

    #[test]
    fn ports_tell_a_probe_as_long_as_it_is_the_only_one() {
        let to = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 33434);
        let mut unanswered = Unanswered::default();
        unanswered.went(1000, to, 7);
        unanswered.went(1001, to, 8);
        assert_eq!(unanswered.only(1000, to), Some(7));
        assert_eq!(unanswered.only(1001, to), Some(8));
        unanswered.went(1000, to, 9);
        assert_eq!(unanswered.only(1000, to), None);
        assert_eq!(unanswered.only(1002, to), None);
    }
}
