//! What a machine hands out: probes for the network, reports for the person. Reused from poll to
//! poll, so that a probe costs no allocation. Knows no protocol.

use std::net::Ipv4Addr;
use std::ops::Range;

/// A probe's number, chosen by its machine; what becomes of the probe is told under it.
pub type ProbeId = u64;

/// Who may cut the datagram into pieces (`IP_MTU_DISCOVER`, ip(7)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fragmentation {
    /// The host's and path's own ways: DF as the kernel sees fit (`IP_PMTUDISC_WANT`).
    #[default]
    Want,
    /// Nobody: DF is set and the path MTU the kernel knows is obeyed (`IP_PMTUDISC_DO`).
    Do,
    /// Everybody: DF is never set (`IP_PMTUDISC_DONT`).
    Dont,
    /// Nobody: DF is set, and the path MTU the kernel knows is not asked (`IP_PMTUDISC_PROBE`).
    Probe,
}

/// Of a datagram to be sent, everything that is not bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// Under which its [`Event`](super::Event)s come back.
    pub id: ProbeId,
    /// Where to.
    pub destination: Ipv4Addr,
    /// Where from; `None` leaves it to the routing table.
    pub source: Option<Ipv4Addr>,
    /// Time to live; `None` is the kernel's default.
    pub ttl: Option<u8>,
    /// The type of service octet: DSCP and ECN.
    pub tos: u8,
    /// Who may fragment it.
    pub fragmentation: Fragmentation,
    /// The identification field where it matters; takes a header-included socket.
    pub identification: Option<u16>,
    /// The protocol number of `body`: 1, 6 or 17.
    pub protocol: u8,
    /// Whether the kernel is asked when it leaves, which takes about a microsecond of its own.
    pub stamped: bool,
}

/// Probes to be sent and reports to be shown, each in order.
#[derive(Debug)]
pub struct Outbox<R> {
    bytes: Vec<u8>,
    probes: Vec<(Probe, Range<usize>, Range<usize>)>,
    reports: Vec<R>,
}

impl<R> Default for Outbox<R> {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            probes: Vec::new(),
            reports: Vec::new(),
        }
    }
}

impl<R> Outbox<R> {
    /// Hands out a probe: the IPv4 `options` as they stand in the header (padded to 32-bit
    /// words), and what the datagram carries, which `body` appends to the bytes it is given, with
    /// its checksum.
    pub fn send(&mut self, probe: Probe, options: &[u8], body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(options);
        let middle = self.bytes.len();
        body(&mut self.bytes);
        // A body that took bytes away has none.
        let end = self.bytes.len().max(middle);
        self.bytes.resize(end, 0);
        self.probes.push((probe, start..middle, middle..end));
    }

    /// Tells the person something.
    pub fn report(&mut self, report: R) {
        self.reports.push(report);
    }

    /// The probes to be sent: each with its options and its body.
    #[must_use]
    pub fn probes(&self) -> impl ExactSizeIterator<Item = (&Probe, &[u8], &[u8])> {
        self.probes.iter().map(|(probe, options, body)| {
            let part = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
            (probe, part(options), part(body))
        })
    }

    /// How many probes wait to be sent.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.probes.len()
    }

    /// The probe of this place among those to be sent, with its options and its body.
    #[must_use]
    pub fn probe(&self, place: usize) -> Option<(&Probe, &[u8], &[u8])> {
        let (probe, options, body) = self.probes.get(place)?;
        let part = |range: &Range<usize>| self.bytes.get(range.clone()).unwrap_or_default();
        Some((probe, part(options), part(body)))
    }

    /// True when no probe waits to be sent.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.probes.is_empty()
    }

    /// Forgets the probes, which have been sent.
    pub fn clear_probes(&mut self) {
        self.probes.clear();
        self.bytes.clear();
    }

    /// How many reports there are.
    #[must_use]
    pub fn reported(&self) -> usize {
        self.reports.len()
    }

    /// Changes the reports from this one on.
    pub fn revise(&mut self, from: usize, change: impl FnMut(&mut R)) {
        self.reports.iter_mut().skip(from).for_each(change);
    }

    /// Takes the reports, in order.
    pub fn reports(&mut self) -> impl Iterator<Item = R> {
        self.reports.drain(..)
    }
}
