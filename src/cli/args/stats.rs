//! What can be typed about statistics and about the catalogue of anomalies.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Confinement;
use crate::survey::stats;

/// Show what a saved capture holds as a whole.
///
/// FILE is what `dotquad decode` reads; the words after it are a filter in the same language.
/// Conversations and endpoints are of the outermost IPv4 header of each frame, and bytes are the
/// lengths of frames on the wire.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Stats {
    /// The capture, then a filter in tcpdump's language: `icmp or port 53`
    #[arg(value_name = "FILE [FILTER]", num_args = 0..)]
    pub words: Vec<String>,
    /// One more capture; frames are numbered on, in the order given
    #[arg(short = 'r', long = "read", value_name = "FILE")]
    pub read: Vec<PathBuf>,
    /// How to show them
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Which tables (default: all; csv: conversations)
    #[arg(long, value_enum, value_name = "TABLE", value_delimiter = ',')]
    pub table: Vec<Table>,
    /// The first N rows of each table (default: 10 as text, all otherwise)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub top: Option<u32>,
    /// What conversations, endpoints and protocols are ranked by
    #[arg(long, value_enum, default_value_t, value_name = "WHAT")]
    pub by: By,
    /// Worker threads (default: one a core); the output never depends on it
    #[arg(short = 'j', value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// Let the filter look through VLAN tags, MPLS, PPPoE and tunnels, and let ports match later
    /// fragments too
    #[arg(long)]
    pub deep: bool,
    /// Count anomalies that only several packets together show, too: duplicates, loops, scans
    #[arg(long, conflicts_with = "no_anomalies")]
    pub track: bool,
    /// Do not look for anomalies, nor verify checksums
    #[arg(long)]
    pub no_anomalies: bool,
    /// Never look up names: the default, accepted for habit
    #[arg(short = 'n', action = clap::ArgAction::Count)]
    pub numeric: u8,
    /// The sandbox
    #[command(flatten)]
    pub confinement: Confinement,
}

/// How statistics are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// A page for people
    #[default]
    Text,
    /// One JSON object a row
    Ndjson,
    /// One table, comma separated
    Csv,
}

/// The tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Table {
    /// How much, from when to when, how large, how fast, what was lost
    Capture,
    /// Frames by interface
    Interfaces,
    /// The protocol tree
    Protocols,
    /// What each IPv4 address sent and received
    Endpoints,
    /// What two IPv4 addresses said to each other
    Conversations,
    /// Frames by length
    Sizes,
    /// Frames by the protocol number of the IPv4 header
    IpProtocols,
    /// Frames by TTL
    Ttl,
    /// Frames by the routers they have likely passed
    Hops,
    /// Frames by DSCP
    Dscp,
    /// Frames by ECN codepoint
    Ecn,
    /// First, middle and last fragments
    Fragments,
    /// Frames by IPv4 option
    Options,
    /// Frames by anomaly, each with its first frame
    Anomalies,
    /// Packets and bytes over time
    Rate,
}

/// What conversations and endpoints are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum By {
    /// How many packets
    #[default]
    Packets,
    /// How many bytes
    Bytes,
}

impl By {
    pub(in crate::cli) fn measure(self) -> stats::Measure {
        match self {
            Self::Packets => stats::Measure::Packets,
            Self::Bytes => stats::Measure::Bytes,
        }
    }
}

/// Show the catalogue of anomalies.
///
/// An anomaly is what the standards do not allow, or what is hardly ever meant well. What is
/// legal, however rare, is none.
#[derive(Debug, Args)]
pub struct Anomalies {
    /// One of them in full
    #[arg(long, value_name = "ID")]
    pub explain: Option<String>,
    /// A table for people or objects for programs
    #[arg(long, value_enum, default_value_t)]
    pub format: CatalogueFormat,
}

/// How the catalogue is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum CatalogueFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object an anomaly
    Ndjson,
}

const EXAMPLES: &str = "\
Examples:
  dotquad stats trace.pcapng                          a page about the capture
  dotquad stats --top 3 --by bytes trace.pcapng       who sends most
  dotquad stats --table conversations --format csv trace.pcap
  dotquad stats --format ndjson trace.pcap.zst icmp   objects for programs

Exit status: 0 done; 1 the capture is damaged (all that came before is counted);
2 wrong usage, or a file cannot be opened; 130 interrupted.";
