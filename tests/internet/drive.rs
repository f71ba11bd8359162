//! Runs a machine on an internet, with a clock that is told the time by the packets. What is
//! sent is seen whole, as on a wire.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::Ipv4Addr;
use std::time::Duration;

use dotquad::probe::{Event, Fragmentation, Machine, Outbox, Probe, Quoted, Stamp, Wait};

use super::bytes;
use super::internet::Internet;

/// What became of a run.
#[derive(Debug)]
pub(crate) struct Run<R> {
    /// Reports, and when they were made.
    pub(crate) reports: Vec<(Duration, R)>,
    /// Datagrams as they left, and when.
    pub(crate) sent: Vec<(Duration, Vec<u8>)>,
    /// When the machine said that it was done.
    pub(crate) end: Duration,
}

/// How the network shows what comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// Whole datagrams.
    Raw,
    /// What the kernel remembers of those it sent.
    Unprivileged,
    /// Whole datagrams, and stamps of departure that come after the answers.
    LateStamps,
}

fn datagram(probe: &Probe, source: Ipv4Addr, body: &[u8]) -> Vec<u8> {
    let source = probe.source.unwrap_or(source);
    let ttl = probe.ttl.unwrap_or(64);
    let mut bytes = bytes::ipv4(
        source,
        probe.destination,
        probe.protocol,
        ttl,
        probe.tos,
        body,
    );
    if let Some(identification) = probe.identification {
        assert_ne!(identification, 0, "the kernel would choose another");
        bytes[4..6].copy_from_slice(&identification.to_be_bytes());
    }
    if matches!(
        probe.fragmentation,
        Fragmentation::Do | Fragmentation::Probe
    ) {
        bytes[6] |= 0x40;
    }
    bytes::fix_header(&mut bytes);
    bytes
}

/// Drives `machine` until it is done. `carry` is given each datagram when it leaves.
pub(crate) fn drive<M: Machine>(
    machine: &mut M,
    sight: Sight,
    mut carry: impl FnMut(u64, &[u8]) -> Vec<(u64, Vec<u8>)>,
) -> Run<M::Report> {
    let mut outbox = Outbox::default();
    let mut now = Duration::ZERO;
    let mut coming: BinaryHeap<Reverse<(u64, u64, Vec<u8>)>> = BinaryHeap::new();
    let mut stamps: Vec<Event<'static>> = Vec::new();
    // A UDP probe by where it went, as far as that tells.
    let mut known: HashMap<(Ipv4Addr, u16), Option<u64>> = HashMap::new();
    let mut run = Run {
        reports: Vec::new(),
        sent: Vec::new(),
        end: now,
    };
    for step in 0.. {
        assert!(step < 2_000_000, "the machine does not come to an end");
        let wait = machine.poll(now, &mut outbox);
        let at = now.as_nanos() as u64;
        run.reports
            .extend(outbox.reports().map(|report| (now, report)));
        let leaving: Vec<(Probe, Vec<u8>)> = outbox
            .probes()
            .map(|(probe, _, body)| (*probe, body.to_vec()))
            .collect();
        outbox.clear_probes();
        for (probe, body) in leaving {
            if probe.protocol == 17 {
                let port = u16::from_be_bytes([body[2], body[3]]);
                let entry = known.entry((probe.destination, port));
                entry.and_modify(|it| *it = None).or_insert(Some(probe.id));
            }
            let bytes = datagram(&probe, Ipv4Addr::LOCALHOST, &body);
            assert_eq!(bytes::residue(&bytes), 0, "a wrong checksum: {bytes:02x?}");
            let handed = Event::HandedOver { id: probe.id };
            machine.handle(now, &handed, &mut outbox);
            if sight == Sight::LateStamps {
                let source = dotquad::probe::Source::Kernel;
                let stamp = Stamp {
                    nanoseconds: at as i64,
                    source,
                };
                stamps.push(Event::Sent {
                    id: probe.id,
                    stamp,
                });
            }
            for (delay, back) in carry(at, &bytes) {
                let order = coming.len() as u64 + run.sent.len() as u64 * 1000;
                coming.push(Reverse((at + delay, order, back)));
            }
            run.sent.push((now, bytes));
        }
        let Wait::Until(until) = wait else {
            run.end = now;
            return run;
        };
        let next = coming
            .peek()
            .map_or(Duration::MAX, |Reverse((at, ..))| Duration::from_nanos(*at));
        if until <= now && next > now {
            continue;
        }
        now = now.max(until.min(next));
        assert_ne!(now, Duration::MAX, "the machine waits for nothing");
        while let Some(Reverse((time, ..))) = coming.peek()
            && Duration::from_nanos(*time) <= now
        {
            let Some(Reverse((_, _, back))) = coming.pop() else {
                break;
            };
            deliver(machine, now, sight, &known, &back, &mut outbox);
        }
        if next <= now {
            for event in stamps.drain(..) {
                machine.handle(now + Duration::from_micros(3), &event, &mut outbox);
            }
        }
    }
    run
}

fn deliver<M: Machine>(
    machine: &mut M,
    now: Duration,
    sight: Sight,
    known: &HashMap<(Ipv4Addr, u16), Option<u64>>,
    back: &[u8],
    outbox: &mut Outbox<M::Report>,
) {
    let message = &back[20..];
    let source = bytes::source(back);
    let stamp = (sight != Sight::Unprivileged).then_some(Stamp {
        nanoseconds: now.as_nanos() as i64,
        source: dotquad::probe::Source::Kernel,
    });
    let is_error = back[9] == 1 && matches!(message[0], 3 | 4 | 5 | 11 | 12);
    if !is_error {
        let event = Event::Reply {
            source,
            destination: Some(bytes::destination(back)),
            protocol: back[9],
            message,
            truncated: false,
            ttl: Some(back[8]),
            tos: Some(back[1]),
            options: &[],
            stamp,
            ours: false,
        };
        machine.handle(now, &event, outbox);
        return;
    }
    let quote = &message[8..];
    let quoted = match sight {
        Sight::Unprivileged => Quoted::Sent {
            destination: bytes::destination(quote),
            port: u16::from_be_bytes([quote[22], quote[23]]),
            id: known
                .get(&(
                    bytes::destination(quote),
                    u16::from_be_bytes([quote[22], quote[23]]),
                ))
                .copied()
                .flatten()
                .filter(|_| quote[9] == 17),
            // Of an echo request the whole message.
            payload: quote
                .get(if quote[9] == 1 { 20 } else { 28 }..)
                .unwrap_or_default(),
        },
        _ => Quoted::Datagram(quote),
    };
    let event = Event::IcmpError {
        offender: source,
        icmp_type: message[0],
        code: message[1],
        info: u32::from_be_bytes([message[4], message[5], message[6], message[7]]),
        message: (sight != Sight::Unprivileged).then_some(message),
        quoted,
        ttl: Some(back[8]),
        tos: Some(back[1]),
        stamp,
    };
    machine.handle(now, &event, outbox);
}

/// The datagrams that an internet brings back.
pub(crate) fn over(internet: &mut Internet) -> impl FnMut(u64, &[u8]) -> Vec<(u64, Vec<u8>)> {
    |now, datagram| internet.carry(now, datagram)
}
