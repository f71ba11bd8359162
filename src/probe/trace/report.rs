//! What a trace tells. Knows how to say what was found, not how it is found.

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use crate::probe::Rtt;
use crate::wire::icmp_extensions::{Interface, Label};

/// What the machine reports: of each target the hops in order of distance, then the summary.
#[derive(Debug, Clone, PartialEq)]
pub enum Report {
    /// A hop, with all that became of its queries.
    Hop(Hop),
    /// The end of a target's trace.
    Summary(Summary),
}

/// One distance of a path.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a finding of its own, and any may stand beside any"
)]
pub struct Hop {
    /// The destination.
    pub target: Ipv4Addr,
    /// The time to live the probes left with.
    pub ttl: u8,
    /// Which time the path was asked, from 1.
    pub cycle: u32,
    /// The flow the probes belonged to; each answer names its own with `multipath`.
    pub flow: u16,
    /// What became of each query, in the order they were asked. Probes sent beyond the target
    /// before it was found count as queries of it.
    pub queries: Vec<Query>,
    /// An address of this hop stood earlier in the path, with another one between.
    pub repeated: bool,
    /// It answers slow questions and leaves quick ones: a limit on answers, no loss.
    pub rate_limited: bool,
    /// It answered only some questions, and there was no time to ask it slowly: a limit on
    /// answers, or loss.
    pub undecided: bool,
    /// Between the last hop that answered and this one, addresses or ports were translated.
    pub nat: bool,
    /// The link behind this hop takes no larger datagrams.
    pub mtu: Option<Mtu>,
}

/// One question to a hop.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// The flow of the probe.
    pub flow: u16,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It was answered.
    Answered(Box<Answer>),
    /// Nothing came in time.
    Lost,
    /// The kernel refused to send it, with this error number (errno(3)).
    Refused(i32),
}

/// An answer to a probe.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Who answered.
    pub address: Ipv4Addr,
    /// How long it took.
    pub rtt: Rtt,
    /// Type and code of the ICMP message; `None` for TCP and UDP answers.
    pub icmp: Option<(u8, u8)>,
    /// The time to live the answer arrived with.
    pub reply_ttl: Option<u8>,
    /// From that, the likely length of the way back in hops: initial values are 64, 128 or 255.
    pub return_hops: Option<u8>,
    /// The time to live the probe had when it was given up, where it is not 1.
    pub quoted_ttl: Option<u8>,
    /// The type of service the probe had there, where it is not what it left with.
    pub tos_quoted: Option<u8>,
    /// MPLS labels the probe carried there (RFC 4950), top first.
    pub labels: Vec<Label>,
    /// Interfaces the hop names (RFC 5837).
    pub interfaces: Vec<Interface>,
    /// The key of the probe that came back changed, or not at all.
    pub unmatched_key: Option<Key>,
    /// What traceroute marks such an answer with, when it is no ordinary one.
    pub mark: Option<Mark>,
    /// For TCP, whether the port is open.
    pub open: Option<bool>,
}

/// What a probe is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Key {
    /// The destination address.
    Destination,
    /// The identification field of the IPv4 header.
    Identification,
    /// The UDP checksum, the ICMP sequence number or the TCP sequence number.
    Transport,
    /// Source and destination port, or the identifier of an echo request.
    Flow,
}

impl Key {
    /// The word for it in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Destination => "destination",
            Self::Identification => "identification",
            Self::Transport => "transport",
            Self::Flow => "flow",
        }
    }
}

/// An ICMP unreachable (or stranger) message, as traceroute(8) marks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mark {
    /// !N: network unreachable, unknown or not for this type of service, or the source isolated.
    Network,
    /// !H: host unreachable, unknown or not for this type of service.
    Host,
    /// !P: protocol unreachable.
    Protocol,
    /// !F: fragmentation needed, with the next hop's MTU in bytes where it is told.
    Fragmentation(Option<u16>),
    /// !S: source route failed.
    SourceRoute,
    /// !X: communication administratively prohibited.
    Prohibited,
    /// !V: host precedence violation.
    Precedence,
    /// !C: precedence cutoff in effect.
    Cutoff,
    /// `!<code>`: any other code of type 3.
    Code(u8),
    /// `!<type-code>`: any other message, such as a parameter problem.
    Other(u8, u8),
}

impl Mark {
    /// The mark for an ICMP error; `None` for those a trace lives from: time to live exceeded,
    /// and port unreachable. `info` is the message's second word.
    #[must_use]
    pub fn of(icmp_type: u8, code: u8, info: u32) -> Option<Self> {
        Some(match (icmp_type, code) {
            (11, 0) | (3, 3) | (0, _) => return None,
            (3, 0 | 6 | 8 | 11) => Self::Network,
            (3, 1 | 7 | 12) => Self::Host,
            (3, 2) => Self::Protocol,
            (3, 4) => Self::Fragmentation(match (info & 0xffff) as u16 {
                0 => None,
                mtu => Some(mtu),
            }),
            (3, 5) => Self::SourceRoute,
            (3, 9 | 10 | 13) => Self::Prohibited,
            (3, 14) => Self::Precedence,
            (3, 15) => Self::Cutoff,
            (3, _) => Self::Code(code),
            _ => Self::Other(icmp_type, code),
        })
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Network => "!N",
            Self::Host => "!H",
            Self::Protocol => "!P",
            Self::Fragmentation(None) => "!F",
            Self::Fragmentation(Some(mtu)) => return write!(f, "!F-{mtu}"),
            Self::SourceRoute => "!S",
            Self::Prohibited => "!X",
            Self::Precedence => "!V",
            Self::Cutoff => "!C",
            Self::Code(code) => return write!(f, "!<{code}>"),
            Self::Other(kind, code) => return write!(f, "!<{kind}-{code}>"),
        })
    }
}

/// The largest datagram a link takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mtu {
    /// Bytes, the IPv4 header included.
    pub bytes: u16,
    /// How it is known.
    pub source: MtuSource,
}

/// How an MTU came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MtuSource {
    /// The hop said so (RFC 1191 section 4).
    Told,
    /// The hop said only that the datagram was too large; the size was searched for.
    Searched,
    /// Nobody said anything: larger datagrams vanish behind the hop.
    Silent,
}

impl MtuSource {
    /// The word for it in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Searched => "searched",
            Self::Silent => "silent",
        }
    }
}

/// How a hop shares its load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Balancing {
    /// Packets of one flow stay together.
    PerFlow,
    /// Each packet goes its own way.
    PerPacket,
}

impl Balancing {
    /// The word for it in the output.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PerFlow => "per-flow",
            Self::PerPacket => "per-packet",
        }
    }
}

/// A link between two hops that `multipath` found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// The distance of `from`.
    pub ttl: u8,
    /// The nearer end; `None` is a hop that is silent.
    pub from: Option<Ipv4Addr>,
    /// The farther end.
    pub to: Option<Ipv4Addr>,
}

/// The end of one target's trace.
#[derive(Debug, Clone, PartialEq, Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a finding of its own, and any may stand beside any"
)]
pub struct Summary {
    /// The destination.
    pub target: Option<Ipv4Addr>,
    /// Whether it was reached.
    pub reached: bool,
    /// Its distance, or that of the last hop that answered.
    pub hops: u8,
    /// Distances of hops before which addresses or ports are translated.
    pub nat_hops: Vec<u8>,
    /// The largest datagram that gets there unfragmented, in bytes, where it was looked for.
    pub path_mtu: Option<u16>,
    /// From the first probe to the end.
    pub duration: Duration,
    /// Probes that left.
    pub probes: u64,
    /// Answers to no probe of ours, to one answered already, or after their hop was told.
    pub strays: u64,
    /// Messages that our own receive buffer had no room for.
    pub local_drops: u64,
    /// With `multipath`, the links between hops, in order.
    pub links: Vec<Link>,
    /// With `multipath`, by what rule packets come to one or another router of a hop: the hop's
    /// distance first.
    pub balancing: Vec<(u8, Balancing)>,
    /// With `multipath`, that the budget did not suffice.
    pub exhausted: bool,
    /// The path went round in circles.
    pub looped: bool,
    /// Somebody would wait no longer: it is not all that there is.
    pub interrupted: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What traceroute 2.1.2 prints behind the time of an answer, for each code of type 3.
    #[test]
    fn marks_are_those_of_traceroute() {
        let marks = [
            "!N", "!H", "!P", "", "!F", "!S", "!N", "!H", "!N", "!X", "!X", "!N", "!H", "!X", "!V",
            "!C", "!<16>",
        ];
        let shown = |icmp_type, code, info| {
            let mark = Mark::of(icmp_type, code, info);
            mark.map(|mark| mark.to_string()).unwrap_or_default()
        };
        for (code, mark) in (0..).zip(marks) {
            assert_eq!(shown(3, code, 0), mark, "code {code}");
        }
        assert_eq!(shown(3, 4, 1400), "!F-1400");
        assert_eq!(shown(11, 0, 0), "");
        assert_eq!(shown(12, 0, 0x1400_0000), "!<12-0>");
        assert_eq!(shown(11, 7, 0), "!<11-7>");
    }
}
