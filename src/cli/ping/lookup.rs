//! Names beside the run: a thread asks the resolver, and lines show what is known when they are
//! written.

use std::cell::Cell;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{self, Error};
use crate::net::resolver::Resolver;

/// The table is emptied when it holds so many: anybody may send errors.
const MOST: usize = 65_536;
/// How long the first name is waited for, and how long a table waits after the last.
const FIRST: Duration = Duration::from_secs(1);
/// How often somebody may have had enough.
const STEPS: u32 = 10;

type Table = HashMap<Ipv4Addr, Option<Arc<str>>>;

/// Names by address, as far as they are known.
#[derive(Debug)]
pub(super) struct Names {
    table: Arc<Mutex<Table>>,
    wanted: Sender<Ipv4Addr>,
    told: Receiver<()>,
    /// How many are asked for and not yet told.
    pending: Cell<u64>,
}

fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Names {
    /// Begins with the name of `first`, which the first line is to show: it is waited for, but not
    /// as long as a name server may be silent.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(super) fn start(resolver: Resolver, first: Option<Ipv4Addr>) -> error::Result<Self> {
        let table: Arc<Mutex<Table>> = Arc::default();
        let (wanted, asked) = channel();
        let (tell, told) = channel();
        let shared = Arc::clone(&table);
        std::thread::Builder::new()
            .spawn(move || {
                for address in asked {
                    let name = resolver.name(address);
                    lock(&shared).insert(address, name);
                    // Nobody listens any more when the run is over.
                    let _ = tell.send(());
                }
            })
            .map_err(|why| Error::usage("starting to look up names", why))?;
        let names = Self {
            table,
            wanted,
            told,
            pending: Cell::new(0),
        };
        if let Some(first) = first
            && names.known(first).is_none()
        {
            // Without an answer by then the address alone is shown.
            names.hear(names.told.recv_timeout(FIRST));
        }
        Ok(names)
    }

    /// The name of an address if it is known; otherwise it will be asked for.
    pub(super) fn known(&self, address: Ipv4Addr) -> Option<Arc<str>> {
        let mut table = lock(&self.table);
        if let Some(known) = table.get(&address) {
            return known.clone();
        }
        if table.len() >= MOST {
            table.clear();
        }
        table.insert(address, None);
        // With nobody to ask there is no name.
        if self.wanted.send(address).is_ok() {
            self.pending.set(self.pending.get().saturating_add(1));
        }
        while self.told.try_recv().is_ok() {
            self.hear(Ok(()));
        }
        None
    }

    fn hear(&self, told: Result<(), RecvTimeoutError>) {
        if told.is_ok() {
            self.pending.set(self.pending.get().saturating_sub(1));
        }
    }

    /// Waits for the names that were asked for: while they keep coming, no longer than a second
    /// after the last, and not when somebody has had `enough`.
    pub(super) fn settle(&self, enough: impl Fn() -> bool) {
        let mut left = STEPS;
        while self.pending.get() > 0 && left > 0 && !enough() {
            match self.told.recv_timeout(FIRST / STEPS) {
                told @ Ok(()) => {
                    self.hear(told);
                    left = STEPS;
                }
                Err(RecvTimeoutError::Timeout) => left -= 1,
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}
