//! The words of `dotquad ping`: iputils' letters with iputils' meanings, and what iputils lacks.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};

use super::Confinement;

/// Probes whose bytes are all spoken for.
const SIZED: [&str; 3] = ["tcp", "timestamp", "extended"];

/// Ping one host or a million.
///
/// TARGET is a name, an address, a network (10.0.0.0/24), a range (10.0.0.1-10.0.0.9 or
/// 10.0.0.1-9), or @FILE with one target a line (@- is standard input). One target prints what
/// iputils' ping -n prints; several, and whatever else is a list, end in a table.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_override_self = true)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch on the command line"
)]
pub struct Ping {
    /// Whom to ask: a name, an address, a network (10.0.0.0/24), a range (10.0.0.1-10.0.0.9, 10.0.0.1-9), or @FILE with one of these a line (@- is standard input)
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<String>,

    /// Stop after N probes to each target; with -w after N answers (default: no end for one target, 1 for several)
    #[arg(short = 'c', value_name = "N", value_parser = clap::value_parser!(u64).range(1..=i64::MAX.cast_unsigned()))]
    pub count: Option<u64>,
    /// Seconds from one probe to a target to the next (default 1; 0 is as fast as answers come)
    #[arg(short = 'i', value_name = "SECONDS", value_parser = interval)]
    pub interval: Option<Duration>,
    /// End after so many seconds, whatever is missing then
    #[arg(short = 'w', value_name = "SECONDS", value_parser = some_time)]
    pub deadline: Option<Duration>,
    /// Seconds to wait for an answer (default 1; for one target as text 10, as ping has it)
    #[arg(short = 'W', value_name = "SECONDS", value_parser = some_time)]
    pub wait: Option<Duration>,
    /// Bytes of payload
    #[arg(short = 's', value_name = "BYTES", default_value_t = 56, value_parser = clap::value_parser!(u16).range(0..=65507), conflicts_with_all = SIZED)]
    pub size: u16,
    /// Time to live
    #[arg(short = 't', value_name = "TTL", value_parser = clap::value_parser!(u8).range(1..))]
    pub ttl: Option<u8>,
    /// Type of service octet: DSCP and ECN, decimal or 0x hexadecimal
    #[arg(short = 'Q', value_name = "TOS", value_parser = octet)]
    pub tos: Option<u8>,
    /// Who may fragment the probes
    #[arg(short = 'M', value_name = "MODE", value_enum)]
    pub fragmentation: Option<Discovery>,
    /// Send from this address, or through this interface; both by naming it twice
    #[arg(short = 'I', value_name = "ADDRESS|INTERFACE", action = ArgAction::Append)]
    pub interface: Vec<String>,
    /// Mark the packets (SO_MARK)
    #[arg(short = 'm', value_name = "MARK", value_parser = number)]
    pub mark: Option<u32>,
    /// Fill the payload with these bytes, up to 16 in hexadecimal
    #[arg(short = 'p', value_name = "HEX", value_parser = pattern, conflicts_with_all = SIZED)]
    pub pattern: Option<Pattern>,
    /// Never look up names: the default, accepted for habit
    #[arg(short = 'n', action = ArgAction::Count)]
    pub numeric: u8,
    /// Only the header and the summary
    #[arg(short = 'q')]
    pub quiet: bool,
    /// Flood: the next probe as the answer comes, at least 100 a second; dots for probes
    #[arg(short = 'f')]
    pub flood: bool,
    /// Adapt to the round trip: the next probe as the answer comes
    #[arg(short = 'A')]
    pub adaptive: bool,
    /// Print the time of day before each line
    #[arg(short = 'D')]
    pub stamps: bool,
    /// Tell when the next probe goes out and there is no answer yet
    #[arg(short = 'O')]
    pub outstanding: bool,
    /// Record the route in the IPv4 header
    #[arg(short = 'R', conflicts_with = "timestamps")]
    pub record_route: bool,
    /// Time stamps in the IPv4 header; before TARGET come the hosts that tsprespec names
    #[arg(short = 'T', value_name = "WHAT", value_enum)]
    pub timestamps: Option<HeaderTimes>,
    /// Allow broadcast and multicast targets
    #[arg(short = 'b')]
    pub broadcast: bool,
    /// Send so many probes at once before waiting for answers
    #[arg(short = 'l', value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub preload: u32,
    /// Ring the bell for each answer
    #[arg(short = 'a')]
    pub audible: bool,
    /// The ICMP identifier (default: drawn)
    #[arg(short = 'e', value_name = "ID", value_parser = identifier)]
    pub identifier: Option<u16>,
    /// Tell more
    #[arg(short = 'v')]
    pub verbose: bool,
    /// IPv4: always so
    #[arg(short = '4')]
    pub ipv4: bool,
    /// Refused: dotquad speaks IPv4
    #[arg(short = '6', hide = true)]
    pub ipv6: bool,
    /// Microseconds in every time
    #[arg(short = '3')]
    pub precise: bool,
    /// Do not loop multicast back to this host
    #[arg(short = 'L')]
    pub no_loop: bool,
    /// Bypass routing: hosts of attached networks only
    #[arg(short = 'r')]
    pub bypass: bool,
    /// Size of the send buffer in bytes
    #[arg(short = 'S', value_name = "BYTES", value_parser = clap::value_parser!(u32).range(1..=i64::from(i32::MAX)))]
    pub send_buffer: Option<u32>,

    /// Packets a second over all targets (default 1000 for several); 0: as fast as answers and buffers allow
    #[arg(long, value_name = "N", value_parser = rate)]
    pub rate: Option<f64>,
    /// Threads that share a sweep at --rate 0 (default: one a core, at most 4); what it says never depends on it
    #[arg(short = 'j', value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    pub lanes: Option<u8>,
    /// Ask with TCP SYN to this port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), group = "kind")]
    pub tcp: Option<u16>,
    /// Ask with UDP to this port
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), group = "kind")]
    pub udp: Option<u16>,
    /// Ask with ICMP timestamp requests: how far their clock is ahead
    #[arg(long, group = "kind")]
    pub timestamp: bool,
    /// Ask about an interface of the target by name, number or address (RFC 8335); neighbor:ADDRESS asks about its neighbour
    #[arg(long, value_name = "INTERFACE", group = "kind")]
    pub extended: Option<String>,
    /// Ask again so often when no answer comes, each time half as long again
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub retry: u32,
    /// How to write
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Write to this file; with --format prometheus it is replaced whole after each round
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Draw how the round trips are distributed
    #[arg(long)]
    pub histogram: bool,
    /// Percentiles and delay variation, even where no terminal is
    #[arg(long)]
    pub percentiles: bool,
    /// The latest round trips as a line below the others, on a terminal
    #[arg(long)]
    pub live: bool,
    /// List the targets that answered
    #[arg(long)]
    pub alive: bool,
    /// List the targets that did not answer
    #[arg(long)]
    pub unreachable: bool,
    /// Succeed when so many targets answer
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub min_alive: Option<u32>,
    /// A line for each target with the time of each of its probes
    #[arg(long)]
    pub per_probe: bool,
    /// The order of the table
    #[arg(long, value_enum, default_value_t)]
    pub sort: Sort,
    /// Probes of all sizes from MIN to MAX bytes of payload, over and over
    #[arg(long, value_name = "MIN..MAX", value_parser = sizes, conflicts_with_all = SIZED)]
    pub sweep_size: Option<(u16, u16)>,
    /// Find the path MTU
    #[arg(long, conflicts_with_all = ["kind", "sweep_size", "flood", "adaptive", "fragmentation"])]
    pub mtu: bool,
    /// Yes, so many or so fast, and outside this host
    #[arg(long)]
    pub yes: bool,
    /// Look up the names of those who answer
    #[arg(long, conflicts_with = "numeric")]
    pub names: bool,
    /// The sandbox
    #[command(flatten)]
    pub confinement: Confinement,
}

/// Who may fragment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Discovery {
    /// Nobody: DF is set, and the path MTU that is known is obeyed
    Do,
    /// This host, to the path MTU that is known
    Want,
    /// Everybody: DF is not set
    Dont,
    /// Nobody: DF is set, and the path MTU that is known is not asked
    Probe,
}

/// What a time stamp option holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HeaderTimes {
    /// Times
    Tsonly,
    /// Addresses and times
    Tsandaddr,
    /// Times of the hosts named before TARGET
    Tsprespec,
}

/// How a ping is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object a line, as things happen
    Ndjson,
    /// Comma separated values, as things happen
    Csv,
    /// Prometheus' text format, after each round
    Prometheus,
}

/// The order of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Sort {
    /// By address
    #[default]
    Address,
    /// The quickest first
    Rtt,
    /// The worst first
    Loss,
}

/// Bytes to fill a payload with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(pub Vec<u8>);

/// A number of seconds that a clock can count.
fn seconds(text: &str) -> Result<f64, String> {
    const LONGEST: f64 = 1e9;
    let number: f64 = text
        .parse()
        .map_err(|_| "this is no number of seconds".to_owned())?;
    if !number.is_finite() {
        return Err("a number of seconds has an end".to_owned());
    }
    if number < 0.0 {
        return Err("time does not run backwards".to_owned());
    }
    if number > LONGEST {
        return Err(format!("{LONGEST} seconds are the most"));
    }
    Ok(number)
}

fn interval(text: &str) -> Result<Duration, String> {
    seconds(text).map(Duration::from_secs_f64)
}

fn some_time(text: &str) -> Result<Duration, String> {
    let time = interval(text)?;
    if time.is_zero() {
        return Err("no answer comes in no time".to_owned());
    }
    Ok(time)
}

fn rate(text: &str) -> Result<f64, String> {
    let number: f64 = text
        .parse()
        .map_err(|_| "this is no number of packets".to_owned())?;
    if !(0.0..=1e9).contains(&number) {
        return Err("0 to 1000000000 packets a second".to_owned());
    }
    Ok(number)
}

/// A decimal number, or a hexadecimal one behind 0x.
fn number(text: &str) -> Result<u32, String> {
    let hexadecimal = text.strip_prefix("0x").or(text.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((text, 10), |digits| (digits, 16));
    // from_str_radix takes a sign as well.
    if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return Err("decimal, or hexadecimal behind 0x".to_owned());
    }
    u32::from_str_radix(digits, radix).map_err(|why| why.to_string())
}

fn octet(text: &str) -> Result<u8, String> {
    u8::try_from(number(text)?).map_err(|_| "0 to 255 (0xff)".to_owned())
}

fn identifier(text: &str) -> Result<u16, String> {
    u16::try_from(number(text)?).map_err(|_| "0 to 65535 (0xffff)".to_owned())
}

fn pattern(text: &str) -> Result<Pattern, String> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = Vec::new();
    for pair in text.as_bytes().chunks(2) {
        // An odd last digit is a byte of its own.
        let value = pair.iter().try_fold(0, |value, byte| {
            digit(*byte).map(|digit| value * 16 + digit)
        });
        let value = value.and_then(|value| u8::try_from(value).ok());
        bytes.push(value.ok_or("patterns are hexadecimal digits: ff00")?);
    }
    if bytes.is_empty() || bytes.len() > 16 {
        return Err("1 to 16 bytes in hexadecimal: ff00".to_owned());
    }
    Ok(Pattern(bytes))
}

fn sizes(text: &str) -> Result<(u16, u16), String> {
    let sizes = text.split_once("..").and_then(|(first, last)| {
        let first: u16 = first.parse().ok()?;
        let last: u16 = last.parse().ok()?;
        (first <= last && last <= 65507).then_some((first, last))
    });
    sizes.ok_or_else(|| "two sizes in bytes, the smaller first, at most 65507: 56..1472".to_owned())
}

const EXAMPLES: &str = "\
Examples:
  dotquad ping example.org                          as ping -n, until Ctrl-C
  dotquad ping -c 100 -i 0.01 --histogram 10.0.0.1  how the round trips are distributed
  dotquad ping 10.0.0.0/24 10.0.1.1-10.0.1.9        a table of who answers
  dotquad ping --alive --retry 2 @hosts.txt         only the list of who answers
  dotquad ping --tcp 443 -c 3 example.org           the time to SYN+ACK or RST
  dotquad ping --mtu example.org                    the largest packet that gets there
  dotquad ping -c 10 --format ndjson 10.0.0.1       objects for programs, as things happen
  dotquad ping --format prometheus -o /run/ping.prom -i 15 10.0.0.1 10.0.0.2

Exit status: 0 every target answered (one: at least once; --min-alive N: N of them; with -c and -w:
N times); 1 it did not; 2 wrong usage, no permission, a name that does not resolve, or an output
that cannot be written.";
