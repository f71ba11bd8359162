//! Finds the largest datagram that reaches a host in one piece, as a machine: by what routers say
//! (RFC 1191), and where they say nothing by bisection (the idea of RFC 4821). Sizes are those of
//! whole IPv4 datagrams, in bytes.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::answer;
use super::config::{Config, Kind};
use super::message;
use super::nanoseconds;
use super::report::Which;
use crate::probe::targets::Targets;
use crate::probe::{Event, Fragmentation, Machine, Outbox, Probe, ProbeId, Quoted, Wait};

/// IPv4 and ICMP headers.
const HEADERS: u16 = 28;
/// Every host and link takes this much (RFC 791 section 3.2).
const LEAST: u16 = 68;

/// What the search is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MtuConfig {
    /// To whom.
    pub target: Ipv4Addr,
    /// The largest size to try: the MTU of the interface.
    pub most: u16,
    /// How long each probe is waited for.
    pub wait: Duration,
    /// So many probes of one size go unanswered before it counts as too big.
    pub tries: u32,
    /// The source address; `None` leaves it to the routing table.
    pub source: Option<Ipv4Addr>,
    /// The ICMP identifier.
    pub identifier: u16,
    /// Where the cookies come from: random.
    pub seed: [u64; 2],
}

/// What became of a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was answered.
    Fits,
    /// A router says that the next link takes this much (0: one older than RFC 1191).
    TooBig {
        /// The router.
        from: Ipv4Addr,
        /// Its next-hop MTU.
        mtu: u16,
    },
    /// The kernel refused it, and knows this MTU.
    Refused {
        /// The error number, as in errno(3).
        error: i32,
        /// The MTU, for EMSGSIZE.
        mtu: Option<u32>,
    },
    /// All tries went unanswered.
    Silent,
    /// Another ICMP error: the host is not to be reached.
    Unreachable {
        /// Who says so.
        from: Ipv4Addr,
        /// ICMP type.
        icmp_type: u8,
        /// ICMP code.
        code: u8,
    },
}

/// What the search tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MtuReport {
    /// A size was tried.
    Tried {
        /// The size.
        size: u16,
        /// What became of it.
        verdict: Verdict,
    },
    /// The end: the largest size that is answered, or `None` when none was.
    Found(Option<u16>),
}

/// The search.
#[derive(Debug)]
pub struct PathMtu {
    config: Config,
    target: Ipv4Addr,
    wait: u64,
    tries: u32,
    /// The largest size that was answered, and the smallest that is known to be too big.
    fits: Option<u16>,
    too_big: u32,
    /// What is tried now, how often it was, and until when its answer is waited for.
    size: u16,
    tried: u32,
    until: Option<u64>,
    /// The sizes of all probes so far, by number from 1 on.
    sizes: Vec<u16>,
    over: bool,
}

impl PathMtu {
    /// A search that has not begun.
    #[must_use]
    pub fn new(config: &MtuConfig) -> Self {
        let most = config.most.max(LEAST);
        Self {
            config: Config {
                targets: Targets::one(config.target),
                kind: Kind::Echo,
                source: config.source,
                identifier: config.identifier,
                seed: config.seed,
                ..Config::default()
            },
            target: config.target,
            wait: nanoseconds(config.wait),
            tries: config.tries.max(1),
            fits: None,
            too_big: u32::from(most) + 1,
            size: most,
            tried: 0,
            until: None,
            sizes: Vec::new(),
            over: false,
        }
    }

    fn which(&self, number: u64) -> Which {
        Which {
            target: self.target,
            index: 0,
            number,
        }
    }

    /// The size of probe `number`, and the configuration that its bytes follow from.
    fn sized(&mut self, number: u64) -> Option<u16> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        let size = *self.sizes.get(index)?;
        self.config.size = size.saturating_sub(HEADERS);
        Some(size)
    }

    /// A size is decided.
    fn decide(&mut self, size: u16, verdict: Verdict, outbox: &mut Outbox<MtuReport>) {
        outbox.report(MtuReport::Tried { size, verdict });
        let mut hint = None;
        match verdict {
            Verdict::Fits => {
                self.fits = self.fits.max(Some(size));
                // An answer that came after its size was given up proves it all the same.
                self.too_big = self.too_big.max(u32::from(size) + 1);
            }
            Verdict::TooBig { mtu, .. } => {
                hint = Some(mtu);
                self.too_big = self.too_big.min(u32::from(size));
            }
            Verdict::Refused { mtu: Some(mtu), .. } => {
                hint = u16::try_from(mtu).ok();
                self.too_big = self.too_big.min(u32::from(size));
            }
            Verdict::Silent => self.too_big = self.too_big.min(u32::from(size)),
            Verdict::Refused { mtu: None, .. } | Verdict::Unreachable { .. } => {
                return self.end(outbox);
            }
        }
        // Who names an MTU that is none of less than what did not fit knows nothing.
        let above = u32::from(self.fits.unwrap_or(LEAST - 1));
        let hint = hint.filter(|&mtu| u32::from(mtu) > above && u32::from(mtu) < self.too_big);
        if let Some(mtu) = hint {
            self.too_big = u32::from(mtu) + 1;
        }
        if self.too_big <= above + 1 {
            return self.end(outbox);
        }
        self.size = match (hint, self.fits) {
            (Some(mtu), _) => mtu,
            // Before searching where nobody says anything: is anybody there?
            (None, None) => LEAST,
            (None, Some(fits)) => {
                let middle = u32::midpoint(u32::from(fits), self.too_big);
                u16::try_from(middle).unwrap_or(fits)
            }
        };
        (self.tried, self.until) = (0, None);
    }

    fn end(&mut self, outbox: &mut Outbox<MtuReport>) {
        if !self.over {
            outbox.report(MtuReport::Found(self.fits));
        }
        self.over = true;
    }

    fn refused(
        &mut self,
        id: ProbeId,
        error: i32,
        mtu: Option<u32>,
        outbox: &mut Outbox<MtuReport>,
    ) {
        if let Some(size) = self.sized(id).filter(|&size| size == self.size) {
            self.decide(size, Verdict::Refused { error, mtu }, outbox);
        }
    }

    /// The probe that an error quotes or remembers.
    fn blame(&mut self, quoted: &Quoted<'_>) -> Option<u16> {
        match *quoted {
            Quoted::Datagram(datagram) => {
                let quote = answer::quote(&self.config, datagram)?;
                let size = self.sized(quote.sequence)?;
                let which = self.which(quote.sequence);
                let ours = quote.destination == self.target && quote.agrees(&self.config, which);
                ours.then_some(size)
            }
            Quoted::Sent {
                destination,
                id,
                payload,
                ..
            } => {
                let (sequence, payload) = answer::remembered(&self.config, payload);
                let number = id.or(sequence)?;
                let size = self.sized(number)?;
                let ours = answer::carries(&self.config, self.which(number), payload);
                (ours && destination == self.target).then_some(size)
            }
        }
    }
}

impl Machine for PathMtu {
    type Report = MtuReport;

    fn poll(&mut self, now: Duration, outbox: &mut Outbox<MtuReport>) -> Wait {
        let t = nanoseconds(now);
        if self.until.is_some_and(|until| t >= until) {
            self.until = None;
            if self.tried >= self.tries {
                self.decide(self.size, Verdict::Silent, outbox);
            }
        }
        if self.over {
            return Wait::Done;
        }
        if let Some(until) = self.until {
            return Wait::Until(Duration::from_nanos(until));
        }
        self.sizes.push(self.size);
        self.tried += 1;
        let number = self.sizes.len() as u64;
        self.sized(number);
        let which = self.which(number);
        let probe = Probe {
            id: number,
            destination: self.target,
            source: self.config.source,
            ttl: None,
            tos: 0,
            // What the kernel remembers of the path is what is to be found out.
            fragmentation: Fragmentation::Probe,
            identification: None,
            protocol: message::ICMP,
            stamped: false,
        };
        let config = &self.config;
        outbox.send(probe, &[], |out| message::write(config, which, now, out));
        let until = t.saturating_add(self.wait.max(1));
        self.until = Some(until);
        Wait::Until(Duration::from_nanos(until))
    }

    fn handle(&mut self, _: Duration, event: &Event<'_>, outbox: &mut Outbox<MtuReport>) {
        if self.over {
            return;
        }
        match *event {
            Event::Reply {
                source,
                protocol,
                message,
                truncated,
                ours,
                ..
            } => {
                let heard = answer::hear(&self.config, protocol, message, ours, truncated);
                let Some(heard) = heard.filter(|h| h.ours && !h.damaged && source == self.target)
                else {
                    return;
                };
                let Some(size) = self.sized(heard.sequence) else {
                    return;
                };
                let evidence = heard.evidence(&self.config, self.which(heard.sequence));
                if evidence.proved && self.fits < Some(size) {
                    self.decide(size, Verdict::Fits, outbox);
                }
            }
            Event::IcmpError {
                offender,
                icmp_type,
                code,
                info,
                ref quoted,
                ..
            } => {
                let Some(size) = self.blame(quoted).filter(|&size| size == self.size) else {
                    return;
                };
                let verdict = match (icmp_type, code) {
                    (4 | 5, _) => return,
                    (3, 4) => Verdict::TooBig {
                        from: offender,
                        mtu: (info & 0xffff) as u16,
                    },
                    _ => Verdict::Unreachable {
                        from: offender,
                        icmp_type,
                        code,
                    },
                };
                self.decide(size, verdict, outbox);
            }
            Event::SendFailed { id, error, mtu } => self.refused(id, error, mtu, outbox),
            Event::Sent { .. } | Event::HandedOver { .. } | Event::LocalDrops(_) => {}
        }
    }
}
