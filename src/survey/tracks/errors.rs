//! What ICMP errors say of datagrams, held against the datagrams that were there, and redirects
//! against each other.
//!
//! A capture may begin late, be filtered or see one direction alone. So an error is only doubted
//! where the capture shows that its addressee speaks to the service quoted, over the same
//! protocol and for a while, and only the flow is unknown.

use super::flows::{Flows, Step};
use super::passing::{Flow, Message, Nanoseconds, Passing, apart};
use super::table::{Dated, Table};
use super::{SECOND, Together};
use crate::wire::anomaly::Anomaly;

/// Errors come within this; what was sent before the capture began is told of no longer.
const WARM: u64 = 10 * SECOND;
/// For so long who spoke to a service is remembered, and what a redirect said.
const LIFE: u64 = 60 * SECOND;
const SERVICES: u32 = 1 << 15;
const REDIRECTS: u32 = 1 << 10;
/// The type of redirects.
const REDIRECT: u8 = 5;
/// Fragments wait for others for longer than errors take otherwise.
const REASSEMBLY: (u8, u8) = (11, 1);

/// A host speaks to a service.
#[derive(Debug)]
struct Service {
    since: Nanoseconds,
    last: Nanoseconds,
    frame: u64,
}

impl Dated for Service {
    fn last(&self) -> Nanoseconds {
        self.last
    }
}

/// What one host was last told about one destination.
#[derive(Debug)]
struct Told {
    last: Nanoseconds,
    frame: u64,
    router: u32,
    gateway: u32,
}

impl Dated for Told {
    fn last(&self) -> Nanoseconds {
        self.last
    }
}

#[derive(Debug)]
pub(super) struct Errors {
    services: Table<Service>,
    redirects: Table<Told>,
}

impl Errors {
    pub(super) fn new(seed: [u64; 2]) -> Self {
        Self {
            services: Table::new(seed, SERVICES, LIFE),
            redirects: Table::new(seed, REDIRECTS, LIFE),
        }
    }

    pub(super) fn forgotten(&self) -> u64 {
        self.services.forgotten() + self.redirects.forgotten()
    }

    #[inline]
    pub(super) fn add(
        &mut self,
        passing: &Passing,
        step: Step,
        flows: &mut Flows,
        complete: bool,
        now: Nanoseconds,
        found: &mut Vec<Together>,
    ) {
        if step == Step::First && passing.has_ports {
            self.speaks(passing, now);
        }
        let Some(Message::Error {
            kind,
            code,
            word,
            about,
        }) = passing.message
        else {
            return;
        };
        if complete && (kind, code) != REASSEMBLY {
            self.quote(passing, about, flows, now, found);
        }
        if kind == REDIRECT {
            self.redirect(passing, about, word, now, found);
        }
    }

    fn speaks(&mut self, passing: &Passing, now: Nanoseconds) {
        let key = service(passing.flow);
        let Some(known) = self.services.get(key) else {
            let known = Service {
                since: now,
                last: now,
                frame: passing.number,
            };
            self.services.insert(key, known, now);
            return;
        };
        if apart(known.last, now) > LIFE {
            known.since = now;
        }
        known.last = now;
        known.frame = passing.number;
    }

    /// The flow that an error quotes should be there.
    fn quote(
        &mut self,
        passing: &Passing,
        about: Flow,
        flows: &mut Flows,
        now: Nanoseconds,
        found: &mut Vec<Together>,
    ) {
        if passing.flow.destination != about.source {
            return;
        }
        let Some(known) = self.services.get(service(about)) else {
            return;
        };
        let warm = apart(known.since, now) >= WARM && apart(known.last, now) <= LIFE;
        if warm && flows.knows(about, now) == Some(false) {
            let frames = vec![known.frame];
            found.push((Anomaly::Icmpv4QuoteUnseen, passing.layer, frames));
        }
    }

    /// Two redirects of one host for one destination should agree, or one lead to the other.
    fn redirect(
        &mut self,
        passing: &Passing,
        about: Flow,
        gateway: u32,
        now: Nanoseconds,
        found: &mut Vec<Together>,
    ) {
        let key = u128::from(about.source) << 32 | u128::from(about.destination);
        let router = passing.flow.source;
        let told = Told {
            last: now,
            frame: passing.number,
            router,
            gateway,
        };
        let Some(before) = self.redirects.get(key) else {
            self.redirects.insert(key, told, now);
            return;
        };
        let agrees = before.router == router && before.gateway == gateway;
        // RFC 1122 section 3.2.2.2: the next one comes from whom the last one led to.
        let leads_on = before.gateway == router && before.router != gateway;
        if apart(before.last, now) <= LIFE && !agrees && !leads_on {
            let frames = vec![before.frame];
            found.push((Anomaly::Icmpv4RedirectContradiction, passing.layer, frames));
        }
        *before = told;
    }
}

/// Who speaks to which service, over whichever port of its own.
fn service(flow: Flow) -> u128 {
    Flow { from: 0, ..flow }.key()
}
