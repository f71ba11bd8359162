//! What can be typed about how packets are shown, wherever they come from.

use super::reassembly::Reassembly;
use clap::Args;

use super::Format;
use crate::cli::time;

/// How packets are shown.
#[derive(Debug, Clone, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch on the command line"
)]
pub struct Show {
    /// How to show frames
    #[arg(long, value_enum, default_value_t, conflicts_with_all = ["verbose", "count"])]
    pub format: Format,
    /// Every field of every layer: the same as --format detail
    #[arg(short = 'v', conflicts_with = "count")]
    pub verbose: bool,
    /// Columns of --format csv: frame,time,ipv4.source,tcp.flags.syn ...
    #[arg(long, value_name = "COLUMNS")]
    pub fields: Option<String>,
    /// Only say how many frames there are
    #[arg(long)]
    pub count: bool,
    /// Hexadecimal below each frame
    #[arg(short = 'x')]
    pub hex: bool,
    /// Hexadecimal and ASCII below each frame
    #[arg(short = 'X')]
    pub hex_ascii: bool,
    /// ASCII below each frame
    #[arg(short = 'A')]
    pub ascii: bool,
    /// The link layer's header on the line too
    #[arg(short = 'e')]
    pub link: bool,
    /// Stop after this many frames
    #[arg(short = 'c', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Worker threads (default: one a core); the output never depends on it
    #[arg(short = 'j', value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: Option<u16>,
    /// How to show the time
    #[arg(long, value_enum, default_value_t, value_name = "HOW")]
    pub time: time::Format,
    /// Look up the names of addresses
    #[arg(long, conflicts_with = "numeric")]
    pub names: bool,
    /// Never look up names: the default, accepted for habit
    #[arg(short = 'n', action = clap::ArgAction::Count)]
    pub numeric: u8,
    /// Let the filter look through VLAN tags, MPLS, PPPoE and tunnels, and let ports match later
    /// fragments too
    #[arg(long)]
    pub deep: bool,
    /// What to do with fragments
    #[command(flatten)]
    pub reassembly: Reassembly,
    /// Look for anomalies that only several packets together show, too: duplicates, loops, scans
    #[arg(long, conflicts_with = "no_anomalies")]
    pub track: bool,
    /// Do not look for anomalies
    #[arg(long)]
    pub no_anomalies: bool,
}
