//! The words of `dotquad trace`: traceroute's letters where it has them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

use super::Confinement;

/// Find every hop between here and there.
///
/// TARGET is a name, an address, a network (10.0.0.0/24), a range (10.0.0.1-9), or @FILE with one
/// target a line (@- is standard input). All hops are asked at once, along one path: what a load
/// balancer looks at is the same in all probes.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_override_self = true)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch on the command line"
)]
pub struct Trace {
    /// Where to
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<String>,

    /// With UDP datagrams (the default)
    #[arg(short = 'U', long, group = "method")]
    pub udp: bool,
    /// With ICMP echo requests
    #[arg(short = 'I', long, group = "method")]
    pub icmp: bool,
    /// With TCP segments that have SYN set
    #[arg(short = 'T', long, group = "method")]
    pub tcp: bool,
    /// Destination port (default: 33434 for UDP, 80 for TCP)
    #[arg(short = 'p', long, value_name = "PORT", conflicts_with = "icmp",
          value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,

    /// First time to live
    #[arg(short = 'f', long, value_name = "TTL", default_value_t = 1,
          value_parser = clap::value_parser!(u8).range(1..))]
    pub first: u8,
    /// Last time to live
    #[arg(short = 'm', long, value_name = "TTL", default_value_t = 30,
          value_parser = clap::value_parser!(u8).range(1..))]
    pub max: u8,
    /// Questions to each hop (default: 3; with several cycles 1 in each, as routers commonly
    /// answer one a second)
    #[arg(short = 'q', long, value_name = "N",
          value_parser = clap::value_parser!(u8).range(1..=10))]
    pub queries: Option<u8>,
    /// Wait until hops that answered only in part are asked slowly: a limit on answers, or loss
    #[arg(long)]
    pub recheck: bool,
    /// The longest wait for an answer, in seconds
    #[arg(short = 'w', long, value_name = "SECONDS", default_value = "5", value_parser = wait)]
    pub wait: Duration,
    /// Send from this address of this host
    #[arg(short = 's', long, value_name = "ADDRESS")]
    pub source: Option<std::net::Ipv4Addr>,
    /// Send through this interface
    #[arg(short = 'i', long, value_name = "INTERFACE")]
    pub interface: Option<std::ffi::OsString>,
    /// Type of service octet: DSCP and ECN, decimal or 0x hexadecimal
    #[arg(short = 'Q', long, value_name = "TOS", default_value = "0", value_parser = octet)]
    pub tos: u8,
    /// Total length of a probe, in bytes (TCP segments carry no data)
    #[arg(short = 'l', long, value_name = "BYTES", default_value_t = 60, conflicts_with = "mtu",
          value_parser = clap::value_parser!(u16).range(36..))]
    pub length: u16,
    /// Packets a second over all targets; 0 is without limit (default: 64 in 10 ms for one target,
    /// 1000 for several)
    #[arg(long, value_name = "N")]
    pub rate: Option<u32>,
    /// Do it, although it is many targets or as fast as can be
    #[arg(long)]
    pub yes: bool,

    /// Follow another path: probes of one flow go the same way through load balancers
    #[arg(long, value_name = "N", default_value_t = 0, conflicts_with = "multipath",
          value_parser = clap::value_parser!(u16).range(..=1023))]
    pub flow: u16,
    /// Find all paths that load balancers may choose
    #[arg(long, conflicts_with_all = ["mtu", "queries"])]
    pub multipath: bool,
    /// How sure to be, in percent, that a hop has no more branches than were found
    #[arg(
        long,
        value_enum,
        default_value_t,
        value_name = "PERCENT",
        requires = "multipath"
    )]
    pub confidence: Percent,
    /// Ask behind each router for itself, also where the routers of a hop look alike
    #[arg(long, requires = "multipath")]
    pub each_router: bool,
    /// Find the path MTU, and the hop before each narrow link
    #[arg(long)]
    pub mtu: bool,
    /// Ask the whole path so many times, and sum up
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..))]
    pub cycles: u32,
    /// Seconds from the start of one cycle to the next
    #[arg(long, value_name = "SECONDS", default_value = "1", requires = "cycles",
          value_parser = interval)]
    pub interval: Duration,

    /// How to show the path (default: text; a table for several cycles)
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<TraceFormat>,
    /// Look up the names of hops
    #[arg(long, conflicts_with = "numeric")]
    pub names: bool,
    /// Never look up names: the default, accepted for habit
    #[arg(short = 'n', action = ArgAction::Count)]
    pub numeric: u8,
    /// Say whose network each hop is in, by this table: ip2asn (TSV, also packed) or mmdb
    #[arg(long = "as", value_name = "FILE")]
    pub table: Option<PathBuf>,
    /// Do without raw sockets even where they are allowed
    #[arg(long)]
    pub unprivileged: bool,
    /// The sandbox
    #[command(flatten)]
    pub confinement: Confinement,
}

/// How a path is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// A line a hop, as traceroute has it
    Text,
    /// A table with loss and times, as mtr's report has it
    Table,
    /// One JSON object a query, then one a target
    Ndjson,
    /// A graph of hops and links for Graphviz
    Dot,
    /// Comma separated values, a row a query
    Csv,
}

/// How sure to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Percent {
    /// 95 percent
    #[default]
    #[value(name = "95")]
    Low,
    /// 99 percent
    #[value(name = "99")]
    High,
}

/// The longest time that is meant: a day.
const LONGEST: f64 = 86_400.0;

fn interval(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "this is no number of seconds".to_owned())?;
    if !(0.0..=LONGEST).contains(&seconds) {
        return Err(format!("0 to {LONGEST} seconds"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

fn wait(text: &str) -> Result<Duration, String> {
    let time = interval(text)?;
    if time.is_zero() {
        return Err("no answer comes in no time".to_owned());
    }
    Ok(time)
}

fn octet(text: &str) -> Result<u8, String> {
    let hexadecimal = text.strip_prefix("0x").or(text.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((text, 10), |digits| (digits, 16));
    // from_str_radix takes a sign as well.
    if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return Err("decimal, or hexadecimal behind 0x".to_owned());
    }
    u8::from_str_radix(digits, radix).map_err(|_| "0 to 255 (0xff)".to_owned())
}

const EXAMPLES: &str = "\
Examples:
  dotquad trace example.net                        the path, in one round trip
  dotquad trace -T -p 443 --names example.net      by TCP, with names
  dotquad trace --mtu 192.0.2.1                    the path MTU and who narrows it
  dotquad trace --multipath --format dot 192.0.2.1 | dot -Tsvg > paths.svg
  dotquad trace --cycles 10 192.0.2.1              loss and times at each hop
  dotquad trace --as ip2asn-v4.tsv.gz --format ndjson @targets.txt

Exit status: 0 every target was reached; 1 one was not; 2 wrong usage, no permission, or a name
that has no address.";
