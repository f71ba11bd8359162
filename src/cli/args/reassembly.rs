//! What can be typed about fragments.

use clap::{Args, ValueEnum};

use crate::survey::reassembly;

/// How fragments are put together.
#[derive(Debug, Clone, Args)]
pub struct Reassembly {
    /// Show datagrams put together from their fragments too, after the frame that completes each
    #[arg(long)]
    pub reassemble: bool,
    /// Memory for datagrams that are not whole yet, in MiB; the oldest are given up first
    #[arg(long = "reassembly-mib", value_name = "N", default_value_t = 32, requires = "reassemble",
        value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub mib: u32,
    /// Whom to believe where fragments overlap
    #[arg(
        long = "reassembly-policy",
        value_name = "NAME",
        value_enum,
        default_value_t,
        requires = "reassemble"
    )]
    pub policy: Policy,
}

/// Whom a host believes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Policy {
    /// What came first
    First,
    /// What came last
    Last,
    /// Who starts further left
    Bsd,
    /// Nobody: an overlap discards the datagram
    #[default]
    Linux,
    /// Who came first, unless enclosed
    Windows,
    /// Who came first, unless covered from before its start
    Solaris,
}

impl From<Policy> for reassembly::Policy {
    fn from(policy: Policy) -> Self {
        match policy {
            Policy::First => Self::First,
            Policy::Last => Self::Last,
            Policy::Bsd => Self::Bsd,
            Policy::Linux => Self::Linux,
            Policy::Windows => Self::Windows,
            Policy::Solaris => Self::Solaris,
        }
    }
}
