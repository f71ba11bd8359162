//! What can be typed. Each doc comment here is a line of the manual (`--help`).
//!
//! Words only: what they mean together is for the command to say.

mod ping;
mod reassembly;
mod show;
mod sniff;
mod stats;
mod trace;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use ping::{Discovery, Format as PingFormat, HeaderTimes, Ping, Sort};
pub use reassembly::Reassembly;
pub use show::Show;
pub use sniff::{Backend, Sniff, Timestamps, Way};
pub use stats::{Anomalies, By, CatalogueFormat, Format as StatsFormat, Stats, Table};
pub use trace::{Percent, Trace, TraceFormat};

use super::interfaces;
use super::send::{ReplayArgs, SendArgs};

/// Takes IPv4 packets apart field by field.
#[derive(Debug, Parser)]
#[command(
    name = "dotquad",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
    /// When to use colour; auto is for terminals, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub color: Color,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Color {
    /// On a terminal
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The commands. What can be said to one is put together when it is the one that runs.
#[derive(Debug, Subcommand)]
#[command(defer = true)]
pub enum Command {
    /// Show the packets of a saved capture
    Decode(Box<Decode>),
    /// Show packets as they come, or write them to a capture
    Sniff(Box<Sniff>),
    /// Show what a saved capture holds as a whole
    Stats(Box<Stats>),
    /// Show the catalogue of anomalies
    Anomalies(Anomalies),
    /// Ping one host or a million
    Ping(Box<Ping>),
    /// Put one exact packet on the wire, or show it
    Send(Box<SendArgs>),
    /// Send a saved capture again
    Replay(ReplayArgs),
    /// Find every hop between here and there
    Trace(Box<Trace>),
    /// Show the program that a filter becomes
    Filter(FilterArgs),
    /// List the network interfaces
    Interfaces {
        /// A table for people or objects for programs
        #[arg(long, value_enum, default_value_t)]
        format: interfaces::Format,
    },
    /// Answer name queries on standard input (for dotquad's own use)
    #[command(name = "__resolver", hide = true)]
    Resolver,
}

/// How far a command trusts itself once everything is open.
#[derive(Debug, Clone, Args)]
pub struct Confinement {
    /// As root: become this user once everything is open (default: who called sudo)
    #[arg(long, value_name = "NAME", conflicts_with = "no_sandbox")]
    pub user: Option<String>,
    /// Keep every privilege, and the use of files and system calls
    #[arg(long)]
    pub no_sandbox: bool,
}

/// Show the program that a filter becomes.
///
/// The classic BPF program goes to standard output, what it looks for in words to standard error.
#[derive(Debug, Args)]
pub struct FilterArgs {
    /// The expression, in tcpdump's language
    #[arg(value_name = "EXPRESSION", required = true)]
    pub words: Vec<String>,
    /// What frames begin with, by name or LINKTYPE_ number
    #[arg(long, value_name = "TYPE", default_value = "ETHERNET")]
    pub link_type: String,
    /// How to write the program
    #[arg(long, value_enum, default_value_t)]
    pub format: Notation,
    /// For live capture: tags that the hardware took out are looked up with the kernel
    #[arg(long)]
    pub live: bool,
    /// Look through VLAN tags, MPLS, PPPoE and tunnels
    #[arg(long)]
    pub deep: bool,
    /// Bytes of a matching frame to keep
    #[arg(long, value_name = "BYTES", default_value_t = 262_144)]
    pub snaplen: u32,
}

/// How a program is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Notation {
    /// Assembly, as tcpdump -d
    #[default]
    Asm,
    /// C array elements, as tcpdump -dd
    C,
    /// Decimal numbers, as tcpdump -ddd
    Decimal,
}

/// How frames are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// One line a frame
    #[default]
    Line,
    /// Every field of every layer: byte offset, bits, value, meaning
    Detail,
    /// Headers drawn as in RFC 791, with this packet's values
    Diagram,
    /// A table of frames
    Table,
    /// One JSON object a frame
    Ndjson,
    /// Chosen fields, comma separated (see --fields)
    Csv,
    /// A file for send --spec, for each IPv4 packet
    Spec,
}

/// Show the packets of a saved capture.
///
/// FILE is pcap or pcapng, plain or compressed with gzip, zstd or lz4, found by content and not by
/// name; - is standard input. The words after it are a pcap-filter expression.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Decode {
    /// The capture, then a filter in tcpdump's language: `icmp or port 53`
    #[arg(value_name = "FILE [FILTER]", num_args = 0..)]
    pub words: Vec<String>,
    /// One more capture; frames are numbered on, in the order given
    #[arg(short = 'r', long = "read", value_name = "FILE")]
    pub read: Vec<PathBuf>,
    /// How frames are shown
    #[command(flatten)]
    pub show: Show,
    /// Only frames with an anomaly, with --track
    #[arg(long, conflicts_with = "no_anomalies")]
    pub anomalies_only: bool,
    /// Leave out the first N frames
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub skip: u64,
    /// Write the frames to a capture instead: pcapng, or pcap by the name's ending; .gz, .zst and .lz4 compress
    #[arg(short = 'w', value_name = "FILE", conflicts_with_all = ["format", "verbose", "count"])]
    pub write: Option<PathBuf>,
    /// The sandbox
    #[command(flatten)]
    pub confinement: Confinement,
}

const EXAMPLES: &str = "\
Examples:
  dotquad decode trace.pcapng                      one line a frame
  dotquad decode -v -c 1 trace.pcapng              every field of the first frame
  dotquad decode --format diagram trace.pcapng     headers as the RFCs draw them
  dotquad decode trace.pcapng icmp or port 53      what tcpdump's filter selects
  dotquad decode --format ndjson trace.pcap.zst    objects for programs
  dotquad decode --format csv --fields frame,ipv4.source,ipv4.ttl trace.pcap
  tcpdump -w - | dotquad decode -                  live, each packet as it comes

Exit status: 0 done; 1 the capture is damaged (all that came before is shown);
2 wrong usage, or a file cannot be opened or written; 130 interrupted.";
