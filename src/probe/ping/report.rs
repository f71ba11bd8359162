//! What a run of pings tells, as values. Knows no format.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::probe::{Rtt, Stamp};

/// One probe: which target, and which of the probes to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Which {
    /// The target.
    pub target: Ipv4Addr,
    /// Its index in [`Targets`](crate::probe::targets::Targets).
    pub index: u32,
    /// The number of the probe, from 1 on, retries counted. What the wire carries of it are
    /// its lowest 16 bits (extended echo: 8; TCP and UDP: 12, in the source port).
    pub number: u64,
}

impl Which {
    /// The number as ping(8) shows it: 16 bits.
    #[must_use]
    pub fn sequence(&self) -> u16 {
        (self.number & 0xffff) as u16
    }
}

/// Something that became known.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// A probe was answered.
    Reply(Reply),
    /// An answer came that counts for nothing, and why.
    Strange(Reply, Oddity),
    /// A probe is given up. It may still be answered late.
    Lost {
        /// Which.
        probe: Which,
        /// True when the run ended before its time was over.
        cut: bool,
    },
    /// The next probe goes out, and this one has no answer yet.
    Unanswered(Which),
    /// An ICMP error came.
    Error(Failure),
    /// A probe could not be sent.
    Unsent {
        /// Which.
        probe: Which,
        /// The error number, as in errno(3).
        error: i32,
        /// For EMSGSIZE, the MTU that the kernel knows.
        mtu: Option<u32>,
    },
    /// So many messages did not fit into our own receive buffer: losses from here on may be ours.
    LocalDrops(u64),
    /// All targets were asked so often, and the next round begins or there is none.
    Round(u64),
    /// The sums for one target; the last that is told of it.
    Summary(Box<Summary>),
}

/// An answer.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "any of them may go with any other"
)]
pub struct Reply {
    /// To which probe.
    pub probe: Which,
    /// Who sent it.
    pub from: Ipv4Addr,
    /// Length of the message in bytes, from the ICMP, UDP or TCP header on.
    pub bytes: u32,
    /// The time to live it arrived with.
    pub ttl: Option<u8>,
    /// The type of service octet it arrived with.
    pub tos: Option<u8>,
    /// How long it took, by our own table of what was sent when. `None` for an answer so late
    /// that its probe is forgotten.
    pub rtt: Option<Rtt>,
    /// When the kernel saw it.
    pub stamp: Option<Stamp>,
    /// When it was seen, on the run's clock.
    pub seen: Duration,
    /// The probe had been answered before.
    pub duplicate: bool,
    /// The probe had been given up before.
    pub late: bool,
    /// A probe sent later was answered earlier (RFC 4737 section 3.3).
    pub reordered: bool,
    /// Part of the payload is missing.
    pub truncated: bool,
    /// The first byte of the payload that is not what was sent.
    pub wrong: Option<WrongByte>,
    /// The payload that came back, no more of it than was sent, where a byte of it is wrong.
    pub returned: Option<Box<[u8]>>,
    /// What it says.
    pub answer: Answer,
    /// The IPv4 options it arrived with.
    pub options: OptionBytes,
}

impl Reply {
    /// True when its payload is not what was sent.
    #[must_use]
    pub fn corrupted(&self) -> bool {
        self.truncated || self.wrong.is_some()
    }
}

/// A byte of a payload that came back changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongByte {
    /// Its index in the payload.
    pub index: u32,
    /// What was sent.
    pub should: u8,
    /// What came back.
    pub was: u8,
}

/// What an answer says beside that it is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// An ICMP echo reply.
    Echo,
    /// An ICMP timestamp reply: milliseconds since midnight UT, as they stand there.
    Timestamp {
        /// What we sent.
        originate: u32,
        /// When they got it.
        receive: u32,
        /// When they answered.
        transmit: u32,
        /// Their clock minus ours in milliseconds, halfway; `None` when they count otherwise
        /// (the high bit, RFC 792).
        ahead: Option<i64>,
    },
    /// An ICMP extended echo reply (RFC 8335 section 3).
    Extended {
        /// 0: no error; else malformed, no such interface, no such table entry, several.
        code: u8,
        /// The neighbour's state, 3 bits.
        state: u8,
        /// The interface is active.
        active: bool,
        /// IPv4 runs on it.
        ipv4: bool,
        /// IPv6 runs on it.
        ipv6: bool,
    },
    /// A TCP segment: SYN+ACK (open) or RST (closed).
    Tcp {
        /// The port is open.
        open: bool,
    },
    /// A UDP datagram, or port unreachable when not open.
    Udp {
        /// The port is open.
        open: bool,
    },
}

/// Why an answer counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Oddity {
    /// The cookie is right, and the target did not send it.
    WrongSource,
    /// The cookie is right, the identifier or port is not.
    WrongIdentifier,
    /// Source, identifier and sequence are right, the cookie is not: damaged or forged.
    WrongCookie,
    /// Its checksum is wrong.
    BadChecksum,
    /// Right in everything, but so old that nobody knows whether it is late or a duplicate.
    Stale,
}

/// The options of an IPv4 header, as they stood there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct OptionBytes {
    bytes: [u8; 40],
    len: u8,
}

impl OptionBytes {
    /// The first 40 bytes at most: a header holds no more.
    #[must_use]
    pub fn new(options: &[u8]) -> Self {
        let mut bytes = [0; 40];
        let mut len = 0;
        for (to, from) in bytes.iter_mut().zip(options) {
            *to = *from;
            len += 1;
        }
        Self { bytes, len }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl std::fmt::Debug for OptionBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.bytes().fmt(f)
    }
}

/// An ICMP error about a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// Which probe; `None` for one that is no longer waited for or cannot be told apart.
    pub probe: Option<Which>,
    /// The target it was sent to, and its index.
    pub target: Ipv4Addr,
    /// The target's index.
    pub index: u32,
    /// Who sent the error.
    pub from: Ipv4Addr,
    /// ICMP type.
    pub icmp_type: u8,
    /// ICMP code.
    pub code: u8,
    /// Next-hop MTU, for "fragmentation needed" (0 from routers older than RFC 1191).
    pub mtu: Option<u16>,
    /// The second 32-bit word of the message.
    pub info: u32,
    /// False for what does not end the probe: redirect and source quench.
    pub fatal: bool,
    /// The time to live the error arrived with.
    pub ttl: Option<u8>,
    /// When the kernel saw it.
    pub stamp: Option<Stamp>,
    /// When it was seen, on the run's clock.
    pub seen: Duration,
}

/// What became of the probes to one target. Each probe that was sent is in exactly one of
/// `received`, `late`, `failed`, `lost`, `waiting`.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// The target.
    pub target: Ipv4Addr,
    /// Its index.
    pub index: u32,
    /// Probes sent, retries and what the kernel refused included.
    pub transmitted: u64,
    /// Probes answered in time.
    pub received: u64,
    /// Probes answered after they were given up.
    pub late: u64,
    /// Probes ended by an ICMP error or refused by the kernel.
    pub failed: u64,
    /// Probes given up and never answered.
    pub lost: u64,
    /// Probes still waited for: 0 but in the middle of a run.
    pub waiting: u64,
    /// One of the last three probes that have ended was answered.
    pub recent: bool,
    /// Answers to probes that had been answered.
    pub duplicates: u64,
    /// Answers whose payload or checksum was wrong.
    pub corrupted: u64,
    /// Answers overtaken by those of later probes (RFC 4737).
    pub reordered: u64,
    /// ICMP errors, and probes that the kernel refused.
    pub errors: u64,
    /// Round trips, `None` when there were none.
    pub rtt: Option<RoundTrips>,
    /// From the first probe of the run to the last answer or probe.
    pub elapsed: Duration,
    /// From the first probe of the run to the last probe (ping's `time`).
    pub sending: Duration,
    /// The most probes that were out when one was answered, itself included (ping's `pipe`); 0
    /// where there are many targets.
    pub pipe: u64,
}

impl Summary {
    /// Probes answered at all, in time or late.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.received.saturating_add(self.late)
    }

    /// Probes not answered, in percent of those sent; 0 when none was sent.
    #[must_use]
    pub fn loss_percent(&self) -> f64 {
        if self.transmitted == 0 {
            return 0.0;
        }
        let missing = self.transmitted.saturating_sub(self.answered());
        #[expect(clippy::cast_precision_loss, reason = "a percentage")]
        let percent = missing as f64 * 100.0 / self.transmitted as f64;
        percent
    }
}

/// Round trips to one target in nanoseconds; duplicates are not counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RoundTrips {
    /// The shortest.
    pub min: u64,
    /// The mean.
    pub mean: f64,
    /// The longest.
    pub max: u64,
    /// The standard deviation of the population (ping's `mdev`).
    pub stddev: f64,
    /// RFC 3550's formula (section 6.4.1) on round trips: round-trip delay variation.
    pub jitter: f64,
    /// A moving average that gives the latest an eighth of the weight.
    pub ewma: f64,
    /// 50th, 90th and 99th percentile: exact for one or two round trips, of more to three digits
    /// where a histogram was kept.
    pub percentiles: Option<[u64; 3]>,
}
