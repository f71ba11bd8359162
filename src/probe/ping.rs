//! Ping, as a machine: one host or sixteen million, one probe or a flood. Knows what to send when
//! and what to make of what comes; no socket, no clock, no output.

pub mod config;
pub mod report;

pub use config::{Config, Interface, Kind, Pace, Patience};
pub use report::{
    Answer, Failure, Oddity, OptionBytes, Reply, Report, RoundTrips, Summary, Which, WrongByte,
};

/// A run of pings.
#[derive(Debug)]
pub struct Ping {
    config: Config,
    strays: Strays,
}

/// What came and belongs to no probe: counted for the whole run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Strays {
    /// Answers that are not ours, other people's pings most of all.
    pub foreign: u64,
    /// Answers reported as [`Report::Strange`].
    pub strange: u64,
    /// ICMP errors that quote nothing of ours, or nothing that can be read.
    pub unproven: u64,
    /// Messages that our own receive buffer had no room for.
    pub local_drops: u64,
}

impl Ping {
    /// A run that has not begun.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            strays: Strays::default(),
        }
    }

    /// Ends the run at the next poll: nothing more is sent, what is waited for is given up.
    pub fn stop(&mut self) {}

    /// The sums so far for the target with this index.
    #[must_use]
    pub fn summary(&self, index: u32) -> Option<Summary> {
        let _ = (index, &self.config);
        None
    }

    /// What came and belongs to no probe.
    #[must_use]
    pub fn strays(&self) -> Strays {
        self.strays
    }
}
