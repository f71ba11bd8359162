//! What every form of output is asked, and what it may ask.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use super::lookup::Names;
use super::output::Output;
use crate::cli::text::Text;
use crate::error::Result;
use crate::net::clock;
use crate::probe::ping::{Config, Report, Summary, Sums};
use crate::probe::{Source, Stamp};
use crate::wire::frame::Time;

/// A form of output. Data goes to `out`, words to `err`.
pub(super) trait Show {
    /// Takes what became known.
    fn report(&mut self, report: &Report, shared: &Shared, out: &mut Text, err: &mut Text);

    /// The probe of this number went to the only target.
    fn sent(&mut self, _number: u64, _out: &mut Text) {}

    /// How it goes, for a person who asks.
    fn status(&self, _summary: &Summary, _err: &mut Text) {}

    /// Everything is told; `sums` are still known.
    ///
    /// # Errors
    /// The output cannot be written.
    fn end(
        &mut self,
        _sums: &dyn Sums,
        _shared: &Shared,
        _output: &mut Output<'_, '_>,
    ) -> Result<()> {
        Ok(())
    }
}

/// What is true of the whole run.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) config: Config,
    /// What was typed for a target that was not typed as its address, by index.
    pub(super) labels: HashMap<u32, String>,
    pub(super) names: Option<Names>,
    /// The time of day when the run's clock was zero.
    pub(super) began: Time,
}

impl Shared {
    /// What was typed for a target.
    pub(super) fn label(&self, index: u32, address: Ipv4Addr) -> String {
        let label = self.labels.get(&index);
        label.cloned().unwrap_or_else(|| address.to_string())
    }

    /// The name of an address, where names are wanted and this one is known by now.
    pub(super) fn name(&self, address: Ipv4Addr) -> Option<Arc<str>> {
        self.names.as_ref()?.known(address)
    }

    /// The time of day.
    #[expect(clippy::unused_self, reason = "the run's clocks are here")]
    pub(super) fn clock(&self) -> Time {
        clock::wall()
    }

    /// The time of day of something that was seen: the kernel's word for it, or else our own. The
    /// clock of a card may have another zero.
    pub(super) fn time(&self, stamp: Option<Stamp>, seen: Duration) -> Time {
        let kernel = stamp.filter(|stamp| stamp.source == Source::Kernel);
        let total = if let Some(stamp) = kernel {
            i128::from(stamp.nanoseconds)
        } else {
            let seen = i128::try_from(seen.as_nanos()).unwrap_or(i128::MAX);
            self.began.total_nanoseconds().saturating_add(seen)
        };
        let second = 1_000_000_000;
        Time {
            seconds: i64::try_from(total.div_euclid(second)).unwrap_or(i64::MAX),
            nanoseconds: u32::try_from(total.rem_euclid(second)).unwrap_or(0),
        }
    }
}
