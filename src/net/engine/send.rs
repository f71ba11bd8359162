//! Probes to messages, and what the kernel says to them.

use std::io;
use std::net::SocketAddrV4;
use std::os::fd::AsFd;

use libc::c_int;

use super::open::TIMESTAMPING;
use super::stamps::Naming;
use super::{BATCH, Engine, Port, Role, Sink};
use crate::net::ancillary::{self, Control, Name};
use crate::net::drive::Clock;
use crate::net::sockopt;
use crate::probe::{Event, Fragmentation, Outbox, Probe};

/// The control message that gives a probe's send stamp its number (since Linux 6.13).
const SCM_TS_OPT_ID: c_int = 81;

/// `IP_DF` of the IPv4 header's flags and fragment offset.
const DONT_FRAGMENT: u16 = 0x4000;

/// After so many probes without send stamps, replies have none either: they would be timed in vain.
const UNSTAMPED: usize = 1000;

/// How often a probe is tried again after an error that belonged to an earlier one.
const ATTEMPTS: u32 = 64;

/// How far sending came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::net) enum Progress {
    /// All probes are dealt with.
    Done,
    /// A socket, or the queue behind it, has no room at present.
    Full {
        /// The socket's place.
        place: usize,
        /// It tells when it has room again (EAGAIN). A raw socket that is full and any queue that
        /// is say ENOBUFS both, and of those only the socket tells.
        tells: bool,
    },
}

/// Of a batch, what happened to the rest of it.
enum Rest {
    /// Nothing: all went.
    Went,
    /// It must be made anew, from the next probe on.
    Anew,
    /// It has to wait.
    Waits(Progress),
}

/// `IP_MTU_DISCOVER`'s number (ip(7)).
pub(super) fn discovery(fragmentation: Fragmentation) -> c_int {
    match fragmentation {
        Fragmentation::Dont => libc::IP_PMTUDISC_DONT,
        Fragmentation::Want => libc::IP_PMTUDISC_WANT,
        Fragmentation::Do => libc::IP_PMTUDISC_DO,
        Fragmentation::Probe => libc::IP_PMTUDISC_PROBE,
    }
}

impl Engine {
    /// Sends the probes from place `at` on, and moves `at` behind those that are dealt with: each
    /// was handed over or refused. One that would have to wait is refused, too, when
    /// `impatient`.
    pub(in crate::net) fn send<R>(
        &mut self,
        outbox: &Outbox<R>,
        at: &mut usize,
        impatient: bool,
        clock: &Clock,
        sink: Sink<'_>,
    ) -> Progress {
        while let Some((probe, options, body)) = outbox.probe(*at) {
            let Some(index) = self.way_for(probe, options, body) else {
                refused(probe, libc::EPROTONOSUPPORT, None, clock, sink);
                *at = at.saturating_add(1);
                continue;
            };
            self.outgoing.clear();
            while let Some((next, options, body)) =
                outbox.probe(at.saturating_add(self.outgoing.len()))
            {
                let same = next.fragmentation == probe.fragmentation
                    && self.way_for(next, options, body) == Some(index);
                if !same || self.outgoing.len() == BATCH {
                    break;
                }
                self.write(index, next, options, body);
            }
            if let Err(error) = self.fragment(index, probe.fragmentation) {
                refused(probe, number(&error), None, clock, sink);
                *at = at.saturating_add(1);
                continue;
            }
            self.time_replies(probe.stamped);
            match self.post(index, outbox, at, impatient, clock, sink) {
                Rest::Went | Rest::Anew => {}
                Rest::Waits(progress) => return progress,
            }
        }
        Progress::Done
    }

    /// The place of the socket that a probe goes through.
    fn way_for(&self, probe: &Probe, options: &[u8], body: &[u8]) -> Option<usize> {
        if options.len() > 40 || !options.len().is_multiple_of(4) {
            return None;
        }
        let role = if probe.identification.is_some() {
            Role::HeaderIncluded
        } else if self.raw {
            Role::Raw(probe.protocol)
        } else {
            match probe.protocol {
                1 => Role::Ping,
                17 => Role::Udp(u16::from_be_bytes(*body.first_chunk()?)),
                _ => return None,
            }
        };
        self.ports.iter().position(|port| port.role == role)
    }

    /// Sets who may fragment what the socket sends, where that changes.
    fn fragment(&mut self, index: usize, fragmentation: Fragmentation) -> io::Result<()> {
        let Some(port) = self.ports.get_mut(index) else {
            return Ok(());
        };
        // Also where we write the header with the flag: what the kernel has learnt of the path
        // would keep a datagram that is to find it out from leaving.
        if port.fragmentation == fragmentation {
            return Ok(());
        }
        let number = discovery(fragmentation);
        let (level, name) = (libc::SOL_IP, libc::IP_MTU_DISCOVER);
        sockopt::set(port.socket.as_fd(), level, name, &number)?;
        port.fragmentation = fragmentation;
        Ok(())
    }

    /// Writes a probe as the next message.
    fn write(&mut self, index: usize, probe: &Probe, options: &[u8], body: &[u8]) {
        let Some(port) = self.ports.get(index) else {
            return;
        };
        // None of this can fill the room there is.
        let mut control = Control::new();
        let mut add = |level, kind, data: &[u8]| {
            let _ = control.push(level, kind, data);
        };
        if let Some(stamps) = port.stamps.as_ref().filter(|_| probe.stamped) {
            let flags = self.record_flags.to_ne_bytes();
            add(libc::SOL_SOCKET, TIMESTAMPING, &flags);
            if let Some(number) = stamps.told(self.outgoing.len()) {
                add(libc::SOL_SOCKET, SCM_TS_OPT_ID, &number.to_ne_bytes());
            }
        }
        if port.role == Role::HeaderIncluded {
            let source = probe.source.or(self.source);
            let name = Name::ipv4(SocketAddrV4::new(probe.destination, 0));
            self.outgoing.push(name, &control, |bytes| {
                write_header(bytes, probe, source, options, body.len());
                bytes.extend_from_slice(options);
                bytes.extend_from_slice(body);
            });
            return;
        }
        if let Some(ttl) = probe.ttl {
            add(libc::SOL_IP, libc::IP_TTL, &c_int::from(ttl).to_ne_bytes());
        }
        if probe.tos != 0 {
            add(
                libc::SOL_IP,
                libc::IP_TOS,
                &c_int::from(probe.tos).to_ne_bytes(),
            );
        }
        if let Some(source) = probe.source {
            add(
                libc::SOL_IP,
                libc::IP_PKTINFO,
                &ancillary::with_source(source),
            );
        }
        if !options.is_empty() {
            add(libc::SOL_IP, libc::IP_RETOPTS, options);
        }
        // The kernel writes a datagram socket's UDP header.
        let (to, body) = match port.role {
            Role::Udp(_) => (udp_port(body), body.get(8..).unwrap_or_default()),
            _ => (0, body),
        };
        let name = if port.peer == Some(probe.destination) {
            Name::none()
        } else {
            Name::ipv4(SocketAddrV4::new(probe.destination, to))
        };
        let append = |bytes: &mut Vec<u8>| bytes.extend_from_slice(body);
        self.outgoing.push(name, &control, append);
    }

    /// Has replies stamped when their probes are, and not when probes have long had none.
    fn time_replies(&mut self, stamped: bool) {
        if stamped {
            self.timing.unstamped = 0;
        }
        let wanted = self.timing.unstamped < UNSTAMPED;
        if wanted == self.timing.on {
            return;
        }
        self.timing.on = wanted;
        let flags = if wanted { self.timing.flags } else { 0 };
        let hearing = self.ports.iter().filter(|port| port.role == Role::Hearing);
        for port in hearing {
            let _ = sockopt::set(port.socket.as_fd(), libc::SOL_SOCKET, TIMESTAMPING, &flags);
        }
    }

    /// Hands the messages written to the kernel.
    fn post<R>(
        &mut self,
        index: usize,
        outbox: &Outbox<R>,
        at: &mut usize,
        impatient: bool,
        clock: &Clock,
        sink: Sink<'_>,
    ) -> Rest {
        let mut first = 0_usize;
        let mut attempts = 0_u32;
        while first < self.outgoing.len() {
            let Some(port) = self.ports.get_mut(index) else {
                return Rest::Went;
            };
            let began = clock.now();
            let error = match self.outgoing.send(port.socket.as_fd(), first) {
                Ok(sent) => {
                    attempts = 0;
                    first = first.saturating_add(sent);
                    self.expected = self.expected.saturating_add(sent);
                    for _ in 0..sent {
                        let Some((probe, _, body)) = outbox.probe(*at) else {
                            break;
                        };
                        if let Some(stamps) = &mut port.stamps {
                            stamps.went(probe.id, probe.stamped);
                        }
                        if !probe.stamped {
                            self.timing.unstamped = self.timing.unstamped.saturating_add(1);
                        }
                        if let Role::Udp(from) = port.role {
                            let to = SocketAddrV4::new(probe.destination, udp_port(body));
                            self.unanswered.went(from, to, probe.id);
                        }
                        sink(began, &Event::HandedOver { id: probe.id });
                        *at = at.saturating_add(1);
                    }
                    continue;
                }
                Err(error) => error,
            };
            let number = number(&error);
            let waits = match number {
                libc::EINTR => continue,
                libc::EAGAIN | libc::ENOBUFS => Some(Progress::Full {
                    place: index,
                    tells: number == libc::EAGAIN,
                }),
                _ => None,
            };
            if let Some(progress) = waits.filter(|_| !impatient) {
                return Rest::Waits(progress);
            }
            let naming = port.stamps.as_ref().map(super::stamps::Stamps::naming);
            if number == libc::EINVAL && naming == Some(Naming::Tried) {
                // The kernel may not know of numbers that go with probes.
                self.count_anew(index);
                return Rest::Anew;
            }
            // A firewall of this host refuses each by itself.
            let hears_errors =
                port.role.is_datagram() || port.peer.is_some() && number != libc::EPERM;
            if hears_errors && attempts < ATTEMPTS {
                // An error that came back for an earlier probe is told to the next to be sent.
                attempts = attempts.saturating_add(1);
                if self.drain(index, clock, sink) > 0 || attempts == 1 {
                    continue;
                }
            }
            let Some((probe, ..)) = outbox.probe(*at) else {
                return Rest::Went;
            };
            // A probe of the path went by no memory of it, and was refused by the interface.
            let mtu = (number == libc::EMSGSIZE)
                .then(|| match probe.fragmentation {
                    Fragmentation::Probe => self.link_mtu_towards(probe.destination),
                    _ => self.mtu_towards(probe.destination),
                })
                .and_then(io::Result::ok);
            let stamped = probe.stamped;
            refused(probe, number, mtu, clock, sink);
            *at = at.saturating_add(1);
            first = first.saturating_add(1);
            attempts = 0;
            let stamps = self
                .ports
                .get_mut(index)
                .and_then(|port| port.stamps.as_mut());
            if stamps.is_some_and(|stamps| stamped && stamps.refused()) {
                // What was sent has its stamp by now, mostly.
                self.drain(index, clock, sink);
                self.count_anew(index);
            }
        }
        Rest::Went
    }

    /// Makes the kernel count a socket's send stamps from zero.
    fn count_anew(&mut self, index: usize) {
        let Some(port) = self.ports.get_mut(index) else {
            return;
        };
        let set = |port: &Port, flags: &u32| {
            sockopt::set(port.socket.as_fd(), libc::SOL_SOCKET, TIMESTAMPING, flags)
        };
        let again = set(port, &0).and_then(|()| set(port, &self.stamp_flags));
        match (&mut port.stamps, again) {
            (Some(stamps), Ok(())) => stamps.count_anew(),
            (stamps, _) => *stamps = None,
        }
    }
}

/// Tells that a probe was refused.
fn refused(probe: &Probe, error: i32, mtu: Option<u32>, clock: &Clock, sink: Sink<'_>) {
    let event = Event::SendFailed {
        id: probe.id,
        error,
        mtu,
    };
    sink(clock.now(), &event);
}

fn number(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}

/// The destination port of a UDP header.
fn udp_port(body: &[u8]) -> u16 {
    let port = body.get(2..).and_then(|rest| rest.first_chunk());
    port.copied().map_or(0, u16::from_be_bytes)
}

/// Appends the IPv4 header (RFC 791 section 3.1). The kernel fills in the total length and the
/// checksum, and the source where it is zero (raw(7)).
fn write_header(
    bytes: &mut Vec<u8>,
    probe: &Probe,
    source: Option<std::net::Ipv4Addr>,
    options: &[u8],
    body: usize,
) {
    let length = options.len().saturating_add(20);
    let words = u8::try_from(length / 4).unwrap_or(5);
    let total = u16::try_from(length.saturating_add(body)).unwrap_or(u16::MAX);
    let flags = match probe.fragmentation {
        Fragmentation::Do | Fragmentation::Probe => DONT_FRAGMENT,
        Fragmentation::Want | Fragmentation::Dont => 0,
    };
    bytes.extend([0x40 | words, probe.tos]);
    bytes.extend(total.to_be_bytes());
    bytes.extend(probe.identification.unwrap_or(0).to_be_bytes());
    bytes.extend(flags.to_be_bytes());
    bytes.extend([probe.ttl.unwrap_or(64), probe.protocol, 0, 0]);
    bytes.extend(source.map_or([0; 4], |source| source.octets()));
    bytes.extend(probe.destination.octets());
}
