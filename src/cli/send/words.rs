//! What can be typed after `dotquad send` and `dotquad replay`. The flags of single fields come
//! from the table of fields.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, ValueEnum};

use super::fields::FIELDS;
use super::given::{Given, Typed};
use crate::cli::args::Confinement;

/// Put one exact packet on the wire, or show it.
///
/// Whatever is not given is filled in rightly: lengths, checksums, header lengths, the source, the
/// way. Whatever is given is taken literally, however wrong; numbers are decimal, or hexadecimal
/// behind 0x.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch on the command line"
)]
pub struct SendArgs {
    /// Where to: an IPv4 address or a name
    // The flag of the same meaning has the name.
    #[arg(id = "to", value_name = "DESTINATION")]
    pub destination: Option<String>,
    /// A UDP header
    #[arg(long, group = "transport")]
    pub udp: bool,
    /// A TCP header
    #[arg(long, group = "transport")]
    pub tcp: bool,
    /// An ICMP message
    #[arg(long, group = "transport")]
    pub icmp: bool,
    /// An IGMP message
    #[arg(long, group = "transport")]
    pub igmp: bool,
    /// Begin with the packet of this file, as decode --format spec prints it; - is standard input
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// Show the packet and send nothing
    #[arg(long, conflicts_with = "write")]
    pub dry_run: bool,
    /// How to show packets (default: detail and hexadecimal with --dry-run, else line)
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<Show>,
    /// Write the packet to a capture instead of the wire; as often as -c says
    #[arg(short = 'w', value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Send by this interface
    #[arg(short = 'i', long, value_name = "INTERFACE")]
    pub interface: Option<OsString>,
    /// How often to send the packet
    #[arg(short = 'c', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: u64,
    /// Packets a second (default 1000); 0 is as fast as can be
    #[arg(long, value_name = "N", conflicts_with = "interval")]
    pub rate: Option<u32>,
    /// Seconds from one packet to the next
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_hyphen_values = true)]
    pub interval: Option<f64>,
    /// Show what comes back, for so many seconds after the last packet
    #[arg(long, value_name = "SECONDS", value_parser = seconds, allow_hyphen_values = true)]
    pub listen: Option<f64>,
    /// Cut the datagram into fragments of at most so many bytes, headers included
    #[arg(long, value_name = "MTU", value_parser = clap::value_parser!(u16).range(68..))]
    pub fragment: Option<u16>,
    /// Let each fragment begin so many bytes before the one before it ends
    #[arg(long, value_name = "BYTES", requires = "fragment", default_value_t = 0)]
    pub fragment_overlap: u16,
    /// Never send so many bytes behind the first fragment
    #[arg(long, value_name = "BYTES", requires = "fragment", default_value_t = 0)]
    pub fragment_gap: u16,
    /// In which order fragments leave
    #[arg(
        long,
        value_enum,
        value_name = "ORDER",
        requires = "fragment",
        default_value_t
    )]
    pub fragment_order: FragmentOrder,
    /// Another number, another random order
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Send to a broadcast or multicast address
    #[arg(long)]
    pub broadcast: bool,
    /// Send more than 1000 packets, or more than 1000 a second, to another host
    #[arg(long)]
    pub yes: bool,
    /// The sandbox
    #[command(flatten)]
    pub confinement: Confinement,
    #[command(flatten)]
    pub(super) fields: Fields,
}

/// How a packet is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Show {
    /// One line
    Line,
    /// Every field, and the bytes
    Detail,
    /// Headers as the RFCs draw them
    Diagram,
    /// The bytes
    Hex,
    /// One JSON object
    Ndjson,
    /// A file for --spec
    Spec,
}

/// In which order fragments leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum FragmentOrder {
    /// First to last
    #[default]
    Forward,
    /// Last to first
    Reverse,
    /// Shuffled, see --seed
    Random,
}

/// Send a saved capture again.
///
/// FILE and FILTER are those of decode. Frames leave as they were captured, at their own pace
/// unless told otherwise.
#[derive(Debug, Args)]
#[command(after_help = REPLAY_EXAMPLES)]
pub struct ReplayArgs {
    /// The capture, then a filter in tcpdump's language
    #[arg(value_name = "FILE [FILTER]", num_args = 1.., required = true)]
    pub words: Vec<String>,
    /// Send by this interface
    #[arg(short = 'i', long, value_name = "INTERFACE")]
    pub interface: OsString,
    /// So many times as fast as it was captured
    #[arg(long, value_name = "FACTOR", value_parser = factor, allow_hyphen_values = true, group = "pace")]
    pub speed: Option<f64>,
    /// Frames a second
    #[arg(long, value_name = "N", group = "pace", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// As fast as can be
    #[arg(long, group = "pace")]
    pub topspeed: bool,
    /// Stop after this many frames
    #[arg(short = 'c', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub limit: Option<u64>,
    /// Another source: an IPv4 address or a MAC address, or both with a comma
    #[arg(long, value_name = "ADDRESS")]
    pub rewrite_source: Option<String>,
    /// Another destination: an IPv4 address or a MAC address, or both with a comma
    #[arg(long, value_name = "ADDRESS")]
    pub rewrite_destination: Option<String>,
    /// Send frames to broadcast or multicast addresses
    #[arg(long)]
    pub broadcast: bool,
    /// Send more than 1000 frames, or more than 1000 a second over a tenth of a second, by an
    /// interface that is no loopback
    #[arg(long)]
    pub yes: bool,
    /// The sandbox
    #[command(flatten)]
    pub confinement: Confinement,
}

/// Seconds as typed: a number that is not negative, up to a day.
fn seconds(text: &str) -> Result<f64, String> {
    within(text, 86_400.0, "seconds from 0 to 86400")
}

fn factor(text: &str) -> Result<f64, String> {
    within(text, 1e6, "a number above 0, up to 1000000")
        .ok()
        .filter(|factor| *factor > 0.0)
        .ok_or_else(|| "not a number above 0, up to 1000000".to_owned())
}

fn within(text: &str, most: f64, range: &str) -> Result<f64, String> {
    let value = text.parse().ok();
    value
        .filter(|value: &f64| value.is_finite() && (0.0..=most).contains(value))
        .ok_or_else(|| format!("not {range}"))
}

/// The single fields that were given, by flag, in the order of the table.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    pub(super) given: Vec<(&'static str, Given)>,
}

impl FromArgMatches for Fields {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut fields = Self::default();
        fields.update_from_arg_matches(matches)?;
        Ok(fields)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        for field in FIELDS {
            let known = self.given.iter().any(|(flag, _)| *flag == field.flag);
            if known || matches.value_source(field.flag) != Some(ValueSource::CommandLine) {
                continue;
            }
            let words = matches.get_many::<String>(field.flag);
            let words: Vec<String> = words.into_iter().flatten().cloned().collect();
            let value = match words.as_slice() {
                [one] if !field.list => Typed::Text(one.clone()),
                _ => Typed::List(words),
            };
            let name = format!("--{}", field.flag);
            self.given.push((field.flag, Given { name, value }));
        }
        Ok(())
    }
}

impl Args for Fields {
    fn augment_args(mut command: Command) -> Command {
        let mut flags = Vec::new();
        for field in FIELDS {
            // One flag may belong to several transports.
            if flags.contains(&field.flag) {
                continue;
            }
            flags.push(field.flag);
            let heading = match field.section {
                "ethernet" | "frame" => "Frame",
                "ipv4" => "IPv4",
                "icmp" => "ICMP",
                "igmp" => "IGMP",
                "udp" => "UDP",
                "tcp" => "TCP",
                _ => "Payload",
            };
            let mut arg = Arg::new(field.flag)
                .long(field.flag)
                .help(field.help)
                .help_heading(heading);
            if field.list {
                arg = arg.action(ArgAction::Append);
            }
            arg = if field.value.is_empty() {
                arg.num_args(0..=1)
                    .require_equals(true)
                    .default_missing_value("true")
                    .value_name("true|false")
            } else {
                // Numbers that are no numbers of ours, such as -1, are refused by name.
                arg.value_name(field.value).allow_hyphen_values(true)
            };
            command = command.arg(arg);
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

const EXAMPLES: &str = "\
Examples:
  dotquad send 192.0.2.1 --icmp --dry-run               an echo request, every field
  dotquad send 192.0.2.1 --icmp --listen 1              send it, show what comes back
  dotquad send 192.0.2.1 --udp --dport 53 --checksum 0xdead --reserved
                                                        what no stack would send
  dotquad send 192.0.2.1 --tcp --dport 80 --flags SF --tcp-option mss:1460
  dotquad send 192.0.2.1 --udp --dport 9 --data-len 4000 --fragment 576 --fragment-order reverse
  dotquad send 224.0.0.22 --igmp-record to-exclude:239.1.2.3 --ttl 1 --option ra --broadcast
  dotquad decode --format spec -c 1 trace.pcap icmp > it.toml
  dotquad send --spec it.toml --ttl 3                   catch a packet, change it, send it again

Exit status: 0 done; 1 something left otherwise than it was built, or --listen and nothing came
back; 2 wrong usage, no privilege, no way, or not everything could be sent.";

const REPLAY_EXAMPLES: &str = "\
Examples:
  dotquad replay trace.pcapng -i veth0                  as it was captured
  dotquad replay trace.pcapng udp port 53 -i veth0 --speed 10
  dotquad replay trace.pcapng -i veth0 --rewrite-destination 192.0.2.9,02:00:00:00:00:09

Exit status: 0 done; 1 the capture is damaged (all that came before is sent); 2 wrong usage, no
privilege, or not everything could be sent.";
