//! What a run of pings is asked to do. Knows no command line: its fields are what the letters
//! mean, not the letters.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::probe::Fragmentation;
use crate::probe::targets::Targets;

/// What is sent, and what counts as its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// ICMP echo (RFC 792): types 8 and 0.
    Echo,
    /// ICMP timestamp (RFC 792): types 13 and 14. `wall` is the time since the epoch, UTC, at
    /// which the run began.
    Timestamp {
        /// What the wall's clock showed when the run's clock was zero.
        wall: Duration,
    },
    /// ICMP extended echo (RFC 8335): types 42 and 43.
    Extended {
        /// The interface that is asked about.
        interface: Interface,
        /// True when it belongs to the target itself, false when to a neighbour of it.
        local: bool,
    },
    /// A TCP SYN to this port; SYN+ACK and RST answer it. Takes [`Config::source`], which its
    /// checksum covers.
    Tcp(u16),
    /// A UDP datagram to this port; a datagram back and port unreachable answer it.
    Udp(u16),
}

/// How an extended echo names an interface (RFC 8335 section 2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Interface {
    /// By its name.
    Name(String),
    /// By its number.
    Index(u32),
    /// By one of its addresses.
    Address(Ipv4Addr),
}

/// What the time between two probes to one target depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// On the clock alone.
    #[default]
    Interval,
    /// On the answers: the next goes out when one comes in, and 100 times a second at least.
    Flood,
    /// On the answers, never faster than the interval.
    Adaptive,
}

/// When a probe is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Patience {
    /// Each after [`Config::wait`]; an answer after that is late.
    #[default]
    Each,
    /// All at the end, after twice the longest round trip, or after [`Config::wait`] when
    /// nothing was ever answered; sooner only when the sequence number is needed again. As
    /// ping(8) does it.
    End,
}

/// A run of pings. `Config::default()` is one echo a second of 56 bytes without end, to nobody.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "independent wishes")]
pub struct Config {
    /// Whom to ask.
    pub targets: Targets,
    /// Ask in an order that hits no network in a burst, drawn from the seed.
    pub shuffle: bool,
    /// What to send.
    pub kind: Kind,
    /// Probes per target, retries apart; `None` is without end. Together with `deadline` the
    /// number of answers per target to go on for.
    pub count: Option<u64>,
    /// From one probe to a target to the next.
    pub interval: Duration,
    /// What else the next probe waits for.
    pub pace: Pace,
    /// So many probes to each target go out at once at the beginning; 0 is 1.
    pub preload: u32,
    /// How long an answer is waited for.
    pub wait: Duration,
    /// When that waiting begins.
    pub patience: Patience,
    /// The end of the run, whatever is missing then.
    pub deadline: Option<Duration>,
    /// Packets a second over all targets; `None` is as fast as `in_flight` allows.
    pub rate: Option<f64>,
    /// Probes waited for at once, over all targets; each takes about 150 bytes. Not looked at
    /// with [`Patience::End`].
    pub in_flight: u32,
    /// Probes waited for at once in one /24; `None` has no limit.
    pub in_flight_per_network: Option<u32>,
    /// How often an unanswered probe is sent again.
    pub retries: u32,
    /// How much longer each retry is waited for than the one before; 1 is as long.
    pub backoff: f64,
    /// Bytes of payload behind the ICMP or UDP header.
    pub size: u16,
    /// Probes of all sizes from `size` up to this one, one after the other and over again.
    pub sweep_size: Option<u16>,
    /// What the payload repeats; empty is each byte its own index.
    pub pattern: Vec<u8>,
    /// Time to live; `None` is the kernel's default.
    pub ttl: Option<u8>,
    /// The type of service octet.
    pub tos: u8,
    /// Who may fragment the probes.
    pub fragmentation: Fragmentation,
    /// IPv4 options as they stand in the header.
    pub options: Vec<u8>,
    /// The source address; `None` leaves it to the routing table.
    pub source: Option<Ipv4Addr>,
    /// The ICMP identifier; replaced by the kernel's where the socket chooses it.
    pub identifier: u16,
    /// The ports that TCP and UDP probes leave from: the first and what a power of two of them
    /// leaves room for from there, which has the lowest bits of a probe's number.
    pub ports: RangeInclusive<u16>,
    /// The targets are broadcast or multicast addresses: anybody may answer, and several do.
    pub broadcast: bool,
    /// Where the cookies and the shuffling come from: random, and nobody else's knowledge.
    pub seed: [u64; 2],
    /// The engine tells when probes leave ([`Event::Sent`](crate::probe::Event::Sent)); a reply's
    /// report waits up to a millisecond for it. Probes at more than 20,000 a second are not asked
    /// for: their stamps would cost more than they tell.
    pub send_stamps: bool,
    /// Report each probe that has no answer when the next one goes out.
    pub tell_unanswered: bool,
    /// Keep a histogram of round trips for each of the first 64 targets.
    pub percentiles: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            targets: Targets::default(),
            shuffle: false,
            kind: Kind::Echo,
            count: None,
            interval: Duration::from_secs(1),
            pace: Pace::Interval,
            preload: 1,
            wait: Duration::from_secs(10),
            patience: Patience::Each,
            deadline: None,
            rate: None,
            in_flight: 1 << 16,
            in_flight_per_network: None,
            retries: 0,
            backoff: 1.5,
            size: 56,
            sweep_size: None,
            pattern: Vec::new(),
            ttl: None,
            tos: 0,
            fragmentation: Fragmentation::Want,
            options: Vec::new(),
            source: None,
            identifier: 0,
            ports: super::PORTS,
            broadcast: false,
            seed: [0; 2],
            send_stamps: false,
            tell_unanswered: false,
            percentiles: false,
        }
    }
}
