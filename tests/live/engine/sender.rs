//! The machine of the scenes: it sends what it is given, a few at a time, and writes down what it
//! is told. And the probes it sends.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::time::Duration;

use dotquad::net::drive::{Clock, Ending, Watcher, drive};
use dotquad::net::engine::Engine;
use dotquad::probe::{Event, Fragmentation, Machine, Outbox, Probe, ProbeId, Quoted, Stamp, Wait};
use dotquad::wire::checksum::{Pseudo, checksum};
use libtest_mimic::Failed;

use super::{IDENTIFIER, LO, ensure};

/// Longer than any scene takes: the machine gives up then.
const LIMIT: Duration = Duration::from_secs(20);

/// What was told, with nothing borrowed.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) handed: HashMap<ProbeId, Duration>,
    pub(super) sent: HashMap<ProbeId, Stamp>,
    pub(super) failed: Vec<(ProbeId, i32, Option<u32>)>,
    pub(super) replies: Vec<Reply>,
    pub(super) errors: Vec<Error>,
    pub(super) drops: u64,
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) seen: Duration,
    pub(super) source: Ipv4Addr,
    pub(super) destination: Option<Ipv4Addr>,
    pub(super) message: Vec<u8>,
    pub(super) truncated: bool,
    pub(super) ttl: Option<u8>,
    pub(super) tos: Option<u8>,
    pub(super) options: Vec<u8>,
    pub(super) stamp: Option<Stamp>,
    pub(super) ours: bool,
}

/// Destination, port, probe and what was carried.
pub(super) type Remembered = (Ipv4Addr, u16, Option<ProbeId>, Vec<u8>);

#[derive(Debug)]
pub(super) struct Error {
    pub(super) offender: Ipv4Addr,
    pub(super) kind: (u8, u8),
    /// The quoted datagram, or what the kernel remembers.
    pub(super) quoted: Result<Vec<u8>, Remembered>,
    pub(super) whole: bool,
    pub(super) ttl: Option<u8>,
    pub(super) stamped: bool,
}

/// Sends probes, a few at a time, and writes down what it is told.
pub(super) struct Sender {
    pub(super) probes: Vec<(Probe, Vec<u8>, Vec<u8>)>,
    pub(super) next: usize,
    pub(super) window: usize,
    /// Wait no longer for the stamps and replies of those that got none.
    pub(super) settle: Duration,
    pub(super) quiet_since: Duration,
    pub(super) log: Log,
}

impl Sender {
    pub(super) fn new(probes: Vec<(Probe, Vec<u8>)>) -> Self {
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
            Event::HandedOver { id } => {
                assert!(self.log.handed.insert(id, now).is_none());
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

pub(super) struct Nobody;

impl Watcher<Sender> for Nobody {
    fn report(&mut self, (): ()) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

pub(super) fn run(mut sender: Sender, engine: &mut Engine) -> Result<Log, Failed> {
    let ending = drive(&mut sender, engine, &Clock::start(), &mut Nobody)?;
    ensure(ending == Ending::Done, "nobody ended the run")?;
    Ok(sender.log)
}

pub(super) fn probe(id: ProbeId, destination: Ipv4Addr, protocol: u8) -> Probe {
    Probe {
        id,
        destination,
        source: None,
        ttl: None,
        tos: 0,
        fragmentation: Fragmentation::Want,
        identification: None,
        protocol,
        stamped: true,
    }
}

/// An echo request (RFC 792).
pub(super) fn echo_request(sequence: u16, length: usize) -> Vec<u8> {
    let mut message = vec![8, 0, 0, 0];
    message.extend(IDENTIFIER.to_be_bytes());
    message.extend(sequence.to_be_bytes());
    message.extend((0..length).map(|place| u8::try_from(place % 251).unwrap()));
    let sum = checksum(&message).to_be_bytes();
    message[2..4].copy_from_slice(&sum);
    message
}

/// A UDP datagram (RFC 768).
pub(super) fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + 8).unwrap();
    let words = [from, to, length, 0].map(u16::to_be_bytes);
    let mut message = words.as_flattened().to_vec();
    message.extend(payload);
    let pseudo = Pseudo::V4(LO.octets(), LO.octets()).sum(17, u32::from(length));
    let sum = pseudo.with(&message).checksum().to_be_bytes();
    message[6..8].copy_from_slice(&sum);
    message
}
