//! What can be typed after `dotquad sniff`.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::{Confinement, Show};
use crate::cli::quantity;

/// Show the packets of network interfaces as they come, or write them to a capture.
///
/// The words are a pcap-filter expression, which the kernel applies. Lines, details, objects and
/// the rest are those of decode; direction and interface are always shown. Ctrl-C ends it, and
/// counters say what became of every packet; SIGUSR1 shows them on the way. It needs CAP_NET_RAW.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch on the command line"
)]
pub struct Sniff {
    /// A filter in tcpdump's language: `icmp or port 53`
    #[arg(value_name = "FILTER", num_args = 0..)]
    pub words: Vec<String>,
    /// An interface to listen to, or any for all of them (default: the default route's, else any);
    /// may be given several times
    #[arg(short = 'i', long = "interface", value_name = "NAME")]
    pub interfaces: Vec<String>,
    /// List the interfaces, and do nothing else
    #[arg(short = 'D', long = "list-interfaces", exclusive = true)]
    pub list: bool,
    /// How frames are shown
    #[command(flatten)]
    pub show: Show,
    /// Write the frames to a capture instead: pcapng, or pcap by the name's ending; .gz, .zst and
    /// .lz4 compress; - is standard output
    #[arg(short = 'w', value_name = "FILE", conflicts_with = "count")]
    pub write: Option<PathBuf>,
    /// Show the frames that are written, too
    #[arg(long, requires = "write")]
    pub print: bool,
    /// Each packet at once, whatever it costs
    #[arg(short = 'l')]
    pub line_buffered: bool,
    /// End after this long: 30s, 5m, 1h
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    pub duration: Option<Duration>,
    /// Begin a new file before one grows larger: 100M, 1GiB
    #[arg(long, value_name = "SIZE", value_parser = quantity::bytes, requires = "write")]
    pub rotate_size: Option<NonZeroU64>,
    /// Begin a new file each time this has passed: 60s, 15m, 1h; -w may have strftime's words
    #[arg(long, value_name = "TIME", value_parser = quantity::seconds, requires = "write")]
    pub rotate_time: Option<NonZeroU64>,
    /// Let --rotate-time begin at its multiples on the clock: every full hour for 1h
    #[arg(long, requires = "rotate_time")]
    pub rotate_aligned: bool,
    /// Begin a new file after this many frames
    #[arg(long, value_name = "N", requires = "write")]
    pub rotate_packets: Option<NonZeroU64>,
    /// Keep the newest N finished files and remove older ones
    #[arg(long, value_name = "N", requires = "write", value_parser = clap::value_parser!(u32).range(1..))]
    pub files: Option<u32>,
    /// Only packets that go this way
    #[arg(long, value_enum, default_value_t, value_name = "WAY")]
    pub direction: Way,
    /// Packets for other hosts too
    #[arg(long, conflicts_with = "no_promiscuous")]
    pub promiscuous: bool,
    /// Only packets for this host: the default, accepted for habit
    #[arg(short = 'p')]
    pub no_promiscuous: bool,
    /// Bytes of a frame to keep; 0 keeps all
    #[arg(short = 's', long, value_name = "BYTES", default_value_t = 0,
        value_parser = clap::value_parser!(u32).range(0..=262_144))]
    pub snaplen: u32,
    /// Size of the ring that packets wait in, in MiB
    #[arg(long, value_name = "MIB", default_value_t = 64,
        value_parser = clap::value_parser!(u32).range(1..=2048))]
    pub ring_mib: u32,
    /// How to fetch packets
    #[arg(long, value_enum, default_value_t)]
    pub backend: Backend,
    /// Rings for each interface, a flow always in the same one
    #[arg(long, value_name = "N", default_value_t = 1,
        value_parser = clap::value_parser!(u16).range(1..=64))]
    pub fanout: u16,
    /// Whose clock
    #[arg(long, value_enum, default_value_t, value_name = "CLOCK")]
    pub timestamps: Timestamps,
    /// Show statistics instead of packets each time this has passed: those of all that has come so
    /// far, as `dotquad stats` shows them; with --format ndjson as objects
    #[arg(long, value_name = "TIME", value_parser = quantity::duration)]
    pub stats_every: Option<Duration>,
    /// The sandbox
    #[command(flatten)]
    pub confinement: Confinement,
}

/// Which way packets go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Way {
    /// Received
    In,
    /// Sent
    Out,
    /// Received and sent
    #[default]
    Both,
}

/// Ways to fetch packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Backend {
    /// A ring shared with the kernel
    #[default]
    Ring,
    /// Batches of messages
    Recvmmsg,
    /// pnet's channel
    Pnet,
}

/// Whose clock stamps packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Timestamps {
    /// The kernel's
    #[default]
    Kernel,
    /// The network card's, where it has one
    Hardware,
}

const EXAMPLES: &str = "\
Examples:
  dotquad sniff                                    the default route's interface, a line a packet
  dotquad sniff -i any icmp                        all interfaces
  dotquad sniff -i eth0 -v -c 1 'tcp[tcpflags] & tcp-syn != 0'
  dotquad sniff -i eth0 -w web.pcapng.zst port 80  until Ctrl-C
  dotquad sniff -i eth0 -w web.pcapng --print port 80
  dotquad sniff -i eth0 -w 'eth0-%Y%m%d-%H%M.pcapng' --rotate-time 1h --rotate-aligned --files 24
  dotquad sniff -i eth0 -w - | dotquad decode -    a capture down a pipe
  dotquad sniff -i eth0 --format ndjson --duration 10s port 53

Exit status: 0 done, also when ended by SIGINT, SIGTERM or SIGHUP; 2 wrong usage, a missing
privilege, an interface that cannot be listened to or is removed, an output that cannot be
written in full.";
