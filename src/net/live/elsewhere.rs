//! The live source of other platforms: there is none, and opening it says so.
//!
//! Its types cannot come into being, so that whoever uses them need not know the platform.

use std::convert::Infallible;

use super::{Figures, Options, Part, Wanted};
use crate::capture::{Batch, FrameSource, Interface};
use crate::error::{Error, Result};
use crate::filter::Filter;

/// A live source that cannot be.
#[derive(Debug)]
pub struct Live(Infallible);

/// What would end it.
#[derive(Debug, Clone)]
pub struct Stopper(Infallible);

/// What would count its packets.
#[derive(Debug, Clone)]
pub struct Meter(Infallible);

impl Live {
    /// Refuses.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::error::Kind::Usage), always.
    pub fn open(
        options: &Options,
        _compile: &mut dyn FnMut(&Wanted<'_>) -> Result<Filter>,
    ) -> Result<Self> {
        let doing = format!("listening on {}", options.interfaces.join(", "));
        Err(Error::usage(doing, "packets are captured on Linux only")
            .advice("decode reads what another program has captured"))
    }

    /// What is listened to.
    #[must_use]
    pub fn listening(&self) -> &[Interface] {
        match self.0 {}
    }

    /// How to end it.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        match self.0 {}
    }

    /// Its counters.
    #[must_use]
    pub fn meter(&self) -> Meter {
        match self.0 {}
    }
}

impl FrameSource for Live {
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        match self.0 {}
    }
}

impl Stopper {
    /// The packets in the ring are still handed out.
    pub fn finish(&self) {
        match self.0 {}
    }

    /// The packets in the ring are counted as left unread.
    pub fn abandon(&self) {
        match self.0 {}
    }
}

impl Meter {
    /// The sums.
    #[must_use]
    pub fn read(&self) -> Figures {
        match self.0 {}
    }

    /// The sums, each name apart.
    #[must_use]
    pub fn parts(&self) -> Vec<Part> {
        match self.0 {}
    }

    /// Counts packets as left unread.
    pub fn unused(&self, _packets: u64) {
        match self.0 {}
    }
}
