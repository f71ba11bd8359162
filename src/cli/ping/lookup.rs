//! Names beside the run: a thread asks the resolver, and lines show what is known when they are
//! written.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::net::resolver::Resolver;

/// The table is emptied when it holds so many: anybody may send errors.
const MOST: usize = 65_536;
/// How long the first name is waited for.
const FIRST: Duration = Duration::from_secs(1);

type Table = HashMap<Ipv4Addr, Option<Arc<str>>>;

/// Names by address, as far as they are known.
#[derive(Debug)]
pub(super) struct Names {
    table: Arc<Mutex<Table>>,
    wanted: Sender<Ipv4Addr>,
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
    pub(super) fn start(resolver: Resolver, first: Option<Ipv4Addr>) -> Result<Self> {
        let table: Arc<Mutex<Table>> = Arc::default();
        let (wanted, asked) = channel();
        let (tell, told) = channel();
        let shared = Arc::clone(&table);
        std::thread::Builder::new()
            .spawn(move || {
                for address in asked {
                    let name = resolver.name(address);
                    lock(&shared).insert(address, name);
                    // Nobody listens after the first.
                    let _ = tell.send(());
                }
            })
            .map_err(|why| Error::usage("starting to look up names", why))?;
        let names = Self { table, wanted };
        if let Some(first) = first
            && names.known(first).is_none()
        {
            // Without an answer by then the address alone is shown.
            let _ = told.recv_timeout(FIRST);
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
        let _ = self.wanted.send(address);
        None
    }
}
