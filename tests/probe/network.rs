//! A network that is simulated, and the clock with it: a queue of what will happen, and a loop
//! that leads a machine from one event to the next. Knows no protocol; a [`World`] says what
//! becomes of a probe.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use dotquad::probe::{Event, Machine, Outbox, Probe, ProbeId, Quoted, Source, Stamp, Wait};

/// Random numbers that are the same in every run (splitmix64, Steele and others 2014).
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.roll() % end.max(1)
    }

    /// True so many times in a thousand.
    pub fn permille(&mut self, odds: u64) -> bool {
        self.below(1000) < odds
    }
}

/// An [`Event`] that owns its bytes.
#[derive(Debug, Clone)]
pub enum Mail {
    Reply {
        source: Ipv4Addr,
        protocol: u8,
        message: Vec<u8>,
        truncated: bool,
        ttl: u8,
        stamp: Option<Stamp>,
        ours: bool,
    },
    Error {
        offender: Ipv4Addr,
        icmp_type: u8,
        code: u8,
        info: u32,
        /// The datagram that is quoted.
        quoted: Vec<u8>,
    },
    /// An error by the kernel's own memory.
    Remembered {
        offender: Ipv4Addr,
        icmp_type: u8,
        code: u8,
        destination: Ipv4Addr,
        id: Option<ProbeId>,
        payload: Vec<u8>,
    },
    Sent(ProbeId, Stamp),
    HandedOver(ProbeId),
    SendFailed(ProbeId, i32, Option<u32>),
    LocalDrops(u64),
}

impl Mail {
    pub fn event(&self) -> Event<'_> {
        match self {
            Self::Reply {
                source,
                protocol,
                message,
                truncated,
                ttl,
                stamp,
                ours,
            } => Event::Reply {
                source: *source,
                destination: None,
                protocol: *protocol,
                message,
                truncated: *truncated,
                ttl: Some(*ttl),
                tos: Some(0),
                options: &[],
                stamp: *stamp,
                ours: *ours,
            },
            Self::Error {
                offender,
                icmp_type,
                code,
                info,
                quoted,
            } => error(
                *offender,
                *icmp_type,
                *code,
                *info,
                Quoted::Datagram(quoted),
            ),
            Self::Remembered {
                offender,
                icmp_type,
                code,
                destination,
                id,
                payload,
            } => error(
                *offender,
                *icmp_type,
                *code,
                0,
                Quoted::Sent {
                    destination: *destination,
                    port: 0,
                    id: *id,
                    payload,
                },
            ),
            Self::Sent(id, stamp) => Event::Sent {
                id: *id,
                stamp: *stamp,
            },
            Self::HandedOver(id) => Event::HandedOver { id: *id },
            Self::SendFailed(id, error, mtu) => Event::SendFailed {
                id: *id,
                error: *error,
                mtu: *mtu,
            },
            Self::LocalDrops(count) => Event::LocalDrops(*count),
        }
    }
}

fn error(offender: Ipv4Addr, icmp_type: u8, code: u8, info: u32, quoted: Quoted<'_>) -> Event<'_> {
    Event::IcmpError {
        offender,
        icmp_type,
        code,
        info,
        message: None,
        quoted,
        ttl: Some(60),
        tos: None,
        stamp: None,
    }
}

/// What will happen when.
#[derive(Debug, Default)]
pub struct Post {
    queue: BTreeMap<(Duration, u64), Mail>,
    number: u64,
}

impl Post {
    /// `mail` arrives at `time`, after all that was put there for the same time before.
    pub fn deliver(&mut self, time: Duration, mail: Mail) {
        self.queue.insert((time, self.number), mail);
        self.number += 1;
    }
}

/// What becomes of probes.
pub trait World {
    /// A probe was sent: with its options, and its bytes behind the IPv4 header.
    fn sent(&mut self, now: Duration, probe: &Probe, options: &[u8], body: &[u8], post: &mut Post);
}

/// Leads `machine` through `world` to its end; each report is told with its time. Polls come so
/// much later than they should. Returns when the machine was done.
pub fn run<M: Machine>(
    machine: &mut M,
    world: &mut impl World,
    lateness: Duration,
    mut told: impl FnMut(Duration, M::Report, &mut M),
) -> Duration {
    let mut now = Duration::ZERO;
    let mut post = Post::default();
    let mut outbox = Outbox::default();
    let mut idle = 0;
    loop {
        let wait = machine.poll(now, &mut outbox);
        let mut something = !outbox.is_sent();
        for (probe, options, body) in outbox.probes() {
            world.sent(now, probe, options, body, &mut post);
        }
        outbox.clear_probes();
        for report in outbox.reports().collect::<Vec<_>>() {
            something = true;
            told(now, report, machine);
        }
        let Wait::Until(until) = wait else {
            return now;
        };
        let mail = post.queue.keys().next().map(|&(time, _)| time);
        let wake = if until <= now { now } else { until + lateness };
        let next = mail.map_or(wake, |mail| mail.min(wake));
        idle = if something || next > now { 0 } else { idle + 1 };
        assert!(idle < 100, "polled at {now:?} again and again, to no end");
        assert!(
            now < Duration::from_secs(1_000_000),
            "a run that does not end"
        );
        now = now.max(next);
        while let Some(entry) = post.queue.first_entry()
            && entry.key().0 <= now
        {
            machine.handle(now, &entry.remove().event(), &mut outbox);
        }
    }
}

/// What the kernel's clock shows at a time of the run, if it began at `wall` nanoseconds.
pub fn stamp(wall: i64, now: Duration) -> Stamp {
    Stamp {
        nanoseconds: wall.saturating_add(i64::try_from(now.as_nanos()).unwrap()),
        source: Source::Kernel,
    }
}

/// The datagram that carried `body`, as an error would quote it: 20 bytes of header and so many
/// of the body.
pub fn datagram(probe: &Probe, body: &[u8], quoted: usize) -> Vec<u8> {
    let length = u16::try_from(20 + body.len()).unwrap();
    let mut bytes = vec![0x45, probe.tos];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 0, 0x40, 0, 1, probe.protocol, 0, 0]);
    bytes.extend([10, 0, 0, 1]);
    bytes.extend(probe.destination.octets());
    bytes.extend(body.iter().take(quoted));
    bytes
}
