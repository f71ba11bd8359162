//! Finding every hop between here and there.
//!
//! The machine asks all distances of a path at once, with probes that a load balancer cannot
//! tell apart, and works out from what comes back where the path goes and what the network does
//! to packets on the way. Knows no socket and no clock; what is shown how is not its business.

mod ledger;
mod level;
mod mtu;
mod multipath;
mod pace;
mod path;
mod quote;
mod recipe;
pub mod report;
mod row;
mod rows;
mod run;

use std::net::Ipv4Addr;
use std::time::Duration;

pub use report::{
    Answer, Balancing, Hop, Key, Link, Mark, Mtu, MtuSource, Outcome, Query, Report, Summary,
};
pub use run::Trace;

/// What the probes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// UDP datagrams to a port that nobody listens on.
    Udp,
    /// ICMP echo requests.
    Icmp,
    /// TCP segments with SYN set.
    Tcp,
}

/// Where a path leads, and from where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The destination.
    pub address: Ipv4Addr,
    /// The address of ours that probes to it leave from: what the routing table chooses, or what
    /// the person asked for. Transport checksums cover it.
    pub source: Ipv4Addr,
}

/// At most so many packets in any stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Packets; 0 is without limit.
    pub packets: u32,
    /// In any such stretch.
    pub per: Duration,
}

impl Pace {
    /// For one target: 64 packets in 10 ms.
    pub const ONE: Self = Self {
        packets: 64,
        per: Duration::from_millis(10),
    };

    /// So many packets a second, let go in bursts of what falls due in 10 ms; 0 is without
    /// limit.
    #[must_use]
    pub fn per_second(packets: u32) -> Self {
        let burst = packets.div_ceil(100);
        Self {
            packets: burst,
            per: Duration::from_secs(burst.into())
                .checked_div(packets)
                .unwrap_or_default(),
        }
    }
}

/// How sure `multipath` must be that a hop has no more branches than it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confidence {
    /// 95 percent.
    Percent95,
    /// 99 percent.
    Percent99,
}

/// Looking for all paths that a load balancer may choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Multipath {
    /// At each branching point.
    pub confidence: Confidence,
    /// The most probes for one target.
    pub budget: u32,
    /// Ask behind each router for itself everywhere, also where routers of a hop look alike: more
    /// probes, and no way is missed that only some flows of one of them take.
    pub each: bool,
}

/// What is to be traced, and how.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where to; a destination that comes twice is traced once.
    pub targets: Vec<Target>,
    /// With what.
    pub method: Method,
    /// Source port, or identifier of the echo requests; with [`flow`](Self::flow) added to it.
    /// Two runs at one time should differ in it.
    pub source_port: u16,
    /// Destination port; echo requests have none.
    pub port: u16,
    /// Which of the paths: probes of one flow all go the same way through balancers by flow.
    pub flow: u16,
    /// The first time to live, at least 1.
    pub first: u8,
    /// The last.
    pub max: u8,
    /// Questions to each hop, at least 1.
    pub queries: u8,
    /// The longest wait for an answer.
    pub wait: Duration,
    /// The type of service octet.
    pub tos: u8,
    /// Total length of a datagram, in bytes; raised to what the method needs.
    pub length: u16,
    /// Probes of all targets together.
    pub pace: Pace,
    /// Give up after so many silent hops in a row at the end.
    pub gap: u8,
    /// How often the whole path is asked.
    pub cycles: u32,
    /// From the start of one cycle to the next.
    pub cycle_interval: Duration,
    /// Wait for hops that answered only some and are asked again slowly, to tell a limit on
    /// answers from loss: a second and more for each question. Otherwise they are asked again
    /// while something else is waited for anyway, and for 3 s in all where the end is silent;
    /// those that there is no time for are told as [undecided](Hop::undecided).
    /// [`multipath`](Self::multipath) waits always: it needs the answers.
    pub recheck: bool,
    /// Look for the path MTU, beginning with this size, in bytes: the MTU of the interface. Hops
    /// are told when it is known.
    pub mtu: Option<u16>,
    /// Look for all paths, instead of asking one hop by hop; [`mtu`](Self::mtu) is then that of
    /// the way of flow 0.
    pub multipath: Option<Multipath>,
    /// The network sends whole datagrams as they are given, identification included. Otherwise
    /// (datagram sockets) a probe is known by what the kernel remembers of it.
    pub header_included: bool,
    /// Stamps of departure are told ([`Event::Sent`](super::Event::Sent)); an answer waits up to
    /// 1 ms for the one it needs.
    pub sent_stamps: bool,
    /// Randomness, from which numbers are made that others should not guess.
    pub seed: u64,
}

impl Config {
    /// What `dotquad trace` does when nothing else is asked for.
    #[must_use]
    pub fn new(targets: Vec<Target>, method: Method) -> Self {
        let several = targets.len() > 1;
        Self {
            pace: if several {
                Pace::per_second(1000)
            } else {
                Pace::ONE
            },
            targets,
            method,
            source_port: 49_152,
            port: match method {
                Method::Tcp => 80,
                Method::Udp | Method::Icmp => 33_434,
            },
            flow: 0,
            first: 1,
            max: 30,
            queries: 3,
            wait: Duration::from_secs(5),
            tos: 0,
            length: 60,
            gap: 5,
            cycles: 1,
            cycle_interval: Duration::from_secs(1),
            recheck: false,
            mtu: None,
            multipath: None,
            header_included: true,
            sent_stamps: false,
            seed: 0,
        }
    }
}
