//! What was sent to one destination, and which of it an answer is about.
//!
//! A probe is known by destination plus any one key of its own; the key that failed is kept,
//! because that is the sign of a NAT or of a router that mangles. Knows nothing of hops.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::Key;
use super::quote::Quote;
use super::recipe::Recipe;
use crate::probe::Stamp;
use crate::wire::field::Lens;
use crate::wire::names::PROTOCOL_ICMP;

/// Numbers go round after this many; probes older than half of that are forgotten.
const NUMBERS: u64 = 65_535;
const KEPT: usize = 32_768;

/// What a probe is for, in the words of whoever asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Ask {
    pub(super) ttl: u8,
    /// Which question to that hop.
    pub(super) query: u16,
    pub(super) flow: u16,
    /// Total length and DF, where the size is what is asked about.
    pub(super) size: Option<u16>,
}

/// A probe that was handed out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) ask: Ask,
    pub(super) at: Duration,
    pub(super) stamp: Option<Stamp>,
    pub(super) answered: bool,
    /// The answer came from somebody on the way.
    pub(super) passed: bool,
}

/// Probes in the order they were handed out.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    sent: VecDeque<Sent>,
    /// How many were forgotten.
    forgotten: u64,
}

/// A probe, and what did not come back as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    /// Which, counted from 0.
    pub(super) index: u64,
    pub(super) failed: Option<Key>,
}

/// The number that stands in a probe's bytes.
pub(super) fn number(index: u64) -> u16 {
    u16::try_from(index % NUMBERS + 1).unwrap_or(1)
}

impl Ledger {
    pub(super) fn len(&self) -> u64 {
        self.forgotten + self.sent.len() as u64
    }

    pub(super) fn push(&mut self, ask: Ask, at: Duration) -> u64 {
        if self.sent.len() >= KEPT && self.sent.pop_front().is_some() {
            self.forgotten += 1;
        }
        self.sent.push_back(Sent {
            ask,
            at,
            stamp: None,
            answered: false,
            passed: false,
        });
        self.len() - 1
    }

    pub(super) fn get(&self, index: u64) -> Option<&Sent> {
        let index = usize::try_from(index.checked_sub(self.forgotten)?).ok()?;
        self.sent.get(index)
    }

    pub(super) fn get_mut(&mut self, index: u64) -> Option<&mut Sent> {
        let index = usize::try_from(index.checked_sub(self.forgotten)?).ok()?;
        self.sent.get_mut(index)
    }

    /// The youngest probe with this number.
    pub(super) fn index_of(&self, wanted: u16) -> Option<u64> {
        let last = self.len().checked_sub(1)?;
        let back = (u64::from(number(last)) + NUMBERS - u64::from(wanted.max(1))) % NUMBERS;
        let index = last.checked_sub(back)?;
        self.get(index).map(|_| index)
    }

    /// Probes from the oldest that is remembered.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u64, &Sent)> {
        (self.forgotten..).zip(&self.sent)
    }

    /// Which probe a quote is about. `whole`: the identification left as it was made, so that it
    /// counts.
    pub(super) fn find(&self, recipe: &Recipe, quote: &Quote<'_>, whole: bool) -> Option<Match> {
        let claim = recipe.claim(quote)?;
        let by_identification = Some(claim.identification)
            .filter(|_| whole)
            .and_then(|number| self.index_of(number));
        let by_transport = claim.transport.and_then(|number| self.index_of(number));
        let flow_of = |index: u64| {
            let flow = self.get(index)?.ask.flow;
            recipe.is_flow(quote.transport, flow)
        };
        let here = quote.destination == recipe.target.address;
        let found = match (by_identification, by_transport) {
            (Some(index), Some(other)) if index == other => {
                let flow = flow_of(index) != Some(false);
                Match {
                    index,
                    failed: Key::failed(true, true, flow),
                }
            }
            // Somebody else's probe from this very host, which has our number by chance: were
            // it ours, a NAT that gave back the address would have given back the ports.
            (Some(index), _)
                if flow_of(index) == Some(false) && quote.source == recipe.target.source =>
            {
                return None;
            }
            // Two keys, two probes: a UDP checksum is what a NAT changes, the sequence numbers
            // are not.
            (Some(_), Some(index)) if !recipe.is_udp() && flow_of(index) == Some(true) => Match {
                index,
                failed: Some(Key::Identification),
            },
            (Some(index), _) => Match {
                index,
                failed: Some(Key::Transport),
            },
            (None, Some(index)) => {
                if flow_of(index) == Some(false) {
                    return None;
                }
                Match {
                    index,
                    failed: whole.then_some(Key::Identification),
                }
            }
            (None, None) => return None,
        };
        match (here, found.failed) {
            (true, _) => Some(found),
            // Another destination is believed only if all else is right.
            (false, None) => Some(Match {
                failed: Some(Key::Destination),
                ..found
            }),
            (false, Some(_)) => None,
        }
    }
}

/// One's complement subtraction (RFC 1071), with one zero.
fn difference(quoted: u16, sent: u16) -> u16 {
    let (sum, carry) = quoted.overflowing_add(!sent);
    match sum.wrapping_add(carry.into()) {
        0xffff => 0,
        sum => sum,
    }
}

/// Addresses and ports as a hop saw them, to be compared from hop to hop: between two that see
/// different ones, somebody translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Appearance {
    source: Ipv4Addr,
    /// The ports, or the identifier.
    flow: Option<u32>,
    /// Quoted checksum less the one that was sent, in one's complement. A NAT that gives the
    /// addresses back to a quote commonly leaves the checksum that it made.
    checksum: Option<u16>,
}

impl Appearance {
    /// As it left.
    pub(super) fn untouched(recipe: &Recipe) -> Self {
        Self {
            source: recipe.target.source,
            flow: None,
            checksum: Some(0),
        }
    }

    /// As a quote shows the probe with this index.
    pub(super) fn of(recipe: &Recipe, quote: &Quote<'_>, index: u64, flow: u16) -> Self {
        let transport = Lens(quote.transport);
        let echo = quote.protocol == PROTOCOL_ICMP;
        let ports = if echo {
            transport.u16(4).map(u32::from)
        } else {
            transport.u32(0)
        };
        let same = recipe.is_flow(quote.transport, flow) == Some(true);
        let sent = recipe.checksum(number(index), flow);
        // No checksum at all is a way some hosts have of quoting.
        let quoted = transport
            .u16(if echo { 2 } else { 6 })
            .filter(|&quoted| quoted != 0);
        Self {
            source: quote.source,
            flow: ports.filter(|_| !same),
            checksum: sent
                .zip(quoted)
                .map(|(sent, quoted)| difference(quoted, sent)),
        }
    }

    /// Whether what both show is not the same.
    pub(super) fn differs(&self, earlier: &Self) -> bool {
        let checksum = matches!((self.checksum, earlier.checksum), (Some(a), Some(b)) if a != b);
        self.source != earlier.source || self.flow != earlier.flow || checksum
    }
}
