//! Many paths at one time, with one pace: who may send next, who is to be looked at when, and
//! whose answer this is. Knows paths by their number, and nothing of hops.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use super::ledger::Match;
use super::pace::Pacer;
use super::path::{Arrival, Complaint, Path};
use super::quote::Quote;
use super::recipe::named_in_data;
use super::rows::Next;
use super::{Config, Method, Report, Target};
use crate::probe::{Event, Machine, Outbox, ProbeId, Quoted, Wait};

/// The most probes handed out at once.
const BATCH: usize = 256;
/// An id is the number of a path above so many bits, and that of a probe below.
const INDEX_BITS: u32 = 40;

/// Traces to one or many targets. Paths are begun in the order of the targets, as fast as the
/// pace allows; those begun come before those that are not.
#[derive(Debug)]
pub struct Trace {
    config: Config,
    targets: Vec<Target>,
    numbers: HashMap<Ipv4Addr, usize>,
    /// `None` where not begun, or done.
    paths: Vec<Option<Box<Path>>>,
    begun: usize,
    done: usize,
    pacer: Pacer,
    /// Paths that have something to send, and which they are.
    ready: VecDeque<usize>,
    is_ready: Vec<bool>,
    /// When to look at which path; an entry counts if it is the path's own time.
    timers: BinaryHeap<Reverse<(Duration, usize)>>,
    times: Vec<Duration>,
    /// Paths that something happened to.
    touched: Vec<usize>,
}

impl Trace {
    /// Nothing is sent before the first [`poll`](Machine::poll).
    #[must_use]
    pub fn new(mut config: Config) -> Self {
        let mut targets = std::mem::take(&mut config.targets);
        let mut numbers = HashMap::with_capacity(targets.len());
        targets.retain(|target| {
            let number = numbers.len();
            let mut new = false;
            numbers.entry(target.address).or_insert_with(|| {
                new = true;
                number
            });
            new
        });
        let count = targets.len();
        Self {
            pacer: Pacer::new(config.pace),
            config,
            targets,
            numbers,
            paths: std::iter::repeat_with(|| None).take(count).collect(),
            begun: 0,
            done: 0,
            ready: VecDeque::new(),
            is_ready: vec![false; count],
            timers: BinaryHeap::new(),
            times: vec![Duration::MAX; count],
            touched: Vec::new(),
        }
    }

    /// What is known at `now` of the paths that are begun and not complete, in the order of the
    /// targets, with a summary for each: for who will wait no longer. Nothing is to be asked of
    /// the machine after that.
    pub fn so_far(&mut self, now: Duration) -> Vec<Report> {
        let mut reports = Vec::new();
        for path in self.paths.iter_mut().flatten() {
            path.so_far(now, &self.config, |report| reports.push(report));
        }
        reports
    }

    fn path(&mut self, number: usize) -> Option<&mut Path> {
        self.paths.get_mut(number)?.as_deref_mut()
    }

    fn by_id(&mut self, id: ProbeId) -> Option<(usize, u64)> {
        let number = usize::try_from(id >> INDEX_BITS).ok()?;
        self.path(number)?;
        Some((number, id & ((1 << INDEX_BITS) - 1)))
    }

    /// Looks at a path: it may lose patience, want to send, be done.
    fn look(&mut self, number: usize, now: Duration, outbox: &mut Outbox<Report>) {
        let Some(slot) = self.paths.get_mut(number) else {
            return;
        };
        let Some(path) = slot else { return };
        let next = path.advance(now, &self.config, outbox);
        if path.has_asks()
            && let Some(is_ready @ false) = self.is_ready.get_mut(number)
        {
            *is_ready = true;
            self.ready.push_back(number);
        }
        match next {
            Next::At(time) => {
                if let Some(own) = self.times.get_mut(number).filter(|own| **own != time) {
                    *own = time;
                    if time < Duration::MAX {
                        self.timers.push(Reverse((time, number)));
                    }
                }
            }
            Next::Finished => {
                *slot = None;
                self.done += 1;
            }
        }
    }

    fn look_at_touched(&mut self, now: Duration, outbox: &mut Outbox<Report>) {
        while let Some(&Reverse((time, number))) = self.timers.peek() {
            if time > now {
                break;
            }
            self.timers.pop();
            if let Some(own) = self.times.get_mut(number).filter(|own| **own == time) {
                *own = Duration::MAX;
                self.touched.push(number);
            }
        }
        let mut touched = std::mem::take(&mut self.touched);
        for number in touched.drain(..) {
            self.look(number, now, outbox);
        }
        self.touched = touched;
    }

    /// The path that may send next; begins another when all that are begun are content.
    fn sender(&mut self, now: Duration, outbox: &mut Outbox<Report>) -> Option<usize> {
        while self.ready.is_empty() {
            let number = self.begun;
            let target = *self.targets.get(number)?;
            self.begun += 1;
            let path = Path::new(&self.config, target);
            if let Some(slot) = self.paths.get_mut(number) {
                *slot = Some(Box::new(path));
            }
            self.look(number, now, outbox);
        }
        self.ready.front().copied()
    }

    fn send(&mut self, now: Duration, outbox: &mut Outbox<Report>) {
        while self.pacer.next() <= now && outbox.probes().len() < BATCH {
            let Some(number) = self.sender(now, outbox) else {
                return;
            };
            let name = |index: u64| (number as u64) << INDEX_BITS | index;
            let config = &self.config;
            let path = self.paths.get_mut(number).and_then(Option::as_deref_mut);
            let sent = path.is_some_and(|path| path.send(now, config, name, outbox));
            if sent {
                self.pacer.depart(now);
            }
            let more = self.path(number).is_some_and(|path| path.has_asks());
            if !more {
                self.ready.pop_front();
                if let Some(is_ready) = self.is_ready.get_mut(number) {
                    *is_ready = false;
                }
                self.touched.push(number);
            } else if sent && self.touched.last() != Some(&number) {
                self.touched.push(number);
            }
        }
    }

    fn complaint(&mut self, arrival: Arrival, complaint: Complaint<'_>, quoted: &Quoted<'_>) {
        let Some((number, found, quote)) = self.quoted(quoted) else {
            return;
        };
        let config = &self.config;
        let Some(path) = self.paths.get_mut(number).and_then(Option::as_deref_mut) else {
            return;
        };
        match found {
            Some(found) => {
                path.complaint(config, arrival, complaint, found, quote.as_ref());
                self.touched.push(number);
            }
            None => path.stray(),
        }
    }

    /// The path and the probe that a quote is about.
    fn quoted<'a>(
        &mut self,
        quoted: &Quoted<'a>,
    ) -> Option<(usize, Option<Match>, Option<Quote<'a>>)> {
        match *quoted {
            Quoted::Datagram(bytes) => {
                let quote = Quote::read(bytes)?;
                // Where there is one target only, even a changed destination says which.
                let number = match self.numbers.get(&quote.destination) {
                    Some(&number) => number,
                    None if self.targets.len() == 1 => 0,
                    None => return None,
                };
                let config = &self.config;
                let path = self.paths.get(number)?.as_deref()?;
                let found = path.find(&quote, config);
                Some((number, found, Some(quote)))
            }
            Quoted::Sent { id: Some(id), .. } => {
                let (number, index) = self.by_id(id)?;
                let found = self.path(number)?.sent(index);
                Some((number, found, None))
            }
            Quoted::Sent {
                destination,
                payload,
                ..
            } => {
                let number = *self.numbers.get(&destination)?;
                let method = self.config.method;
                let path = self.path(number)?;
                // Of an echo request the message comes back, with or without its data.
                let (data, found) = match method {
                    Method::Icmp => (payload.get(8..)?, path.echo(payload)),
                    Method::Udp | Method::Tcp => {
                        let (_, wanted) = named_in_data(payload)?;
                        (payload, path.numbered(wanted))
                    }
                };
                let fits = named_in_data(data).is_none_or(|(named, _)| named == destination);
                Some((number, found.filter(|_| fits), None))
            }
        }
    }

    fn reply(&mut self, arrival: Arrival, protocol: u8, message: &[u8], ours: bool) {
        let named = || Some(named_in_data(message.get(8..)?)?.0);
        let number = self.numbers.get(&arrival.from).copied();
        let number = number.or_else(|| self.numbers.get(&named()?).copied());
        let Some(number) = number else { return };
        if let Some(path) = self.path(number)
            && path.reply(arrival, protocol, message, ours)
        {
            self.touched.push(number);
        }
    }
}

impl Machine for Trace {
    type Report = Report;

    fn poll(&mut self, now: Duration, outbox: &mut Outbox<Report>) -> Wait {
        self.look_at_touched(now, outbox);
        self.send(now, outbox);
        self.look_at_touched(now, outbox);
        if self.done == self.targets.len() {
            return Wait::Done;
        }
        let mut until = Duration::MAX;
        if let Some(&Reverse((time, _))) = self.timers.peek() {
            until = time;
        }
        if !self.ready.is_empty() || self.begun < self.targets.len() {
            until = until.min(self.pacer.next());
        }
        Wait::Until(until)
    }

    fn handle(&mut self, now: Duration, event: &Event<'_>, _outbox: &mut Outbox<Report>) {
        match *event {
            Event::Reply {
                source,
                protocol,
                message,
                ttl,
                stamp,
                ours,
                ..
            } => {
                let arrival = Arrival {
                    from: source,
                    at: now,
                    ttl,
                    stamp,
                };
                self.reply(arrival, protocol, message, ours);
            }
            Event::IcmpError {
                offender,
                icmp_type,
                code,
                info,
                message,
                ref quoted,
                ttl,
                stamp,
                ..
            } => {
                let arrival = Arrival {
                    from: offender,
                    at: now,
                    ttl,
                    stamp,
                };
                let complaint = Complaint {
                    icmp_type,
                    code,
                    info,
                    message,
                };
                self.complaint(arrival, complaint, quoted);
            }
            Event::Sent { id, stamp } => {
                if let Some((number, index)) = self.by_id(id)
                    && let Some(path) = self.path(number)
                {
                    path.departed(index, stamp);
                    self.touched.push(number);
                }
            }
            Event::HandedOver { id } => {
                if let Some((number, index)) = self.by_id(id)
                    && let Some(path) = self.path(number)
                {
                    path.handed_over(index, now);
                }
            }
            Event::SendFailed { id, error, mtu } => {
                if let Some((number, index)) = self.by_id(id)
                    && let Some(path) = self.path(number)
                {
                    path.refused(index, error, mtu);
                    self.touched.push(number);
                }
            }
            Event::LocalDrops(count) => {
                for path in self.paths.iter_mut().flatten() {
                    path.local_drops(count);
                }
            }
        }
    }
}
