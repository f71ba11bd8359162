//! Hosts and nets: what a word is under the qualifiers before it.

use super::primitive::{Qualifiers, What};
use super::{Kind, Parser, Part, Result, Span, address};
use crate::filter::names::{self, Protocol};
use crate::filter::tree::{Direction, Family, Node, Primitive};

impl Parser<'_> {
    /// A host or net, looked for where the qualifiers say.
    pub(super) fn host_or_net(
        &mut self,
        qualifiers: &Qualifiers,
        word: &str,
        span: Span,
        escaped: bool,
    ) -> Result<Part<Node>> {
        let direction = qualifiers.direction.unwrap_or(Direction::Either);
        let family = match qualifiers.protocol {
            None => Family::Any,
            Some((Protocol::Network(names::IPV4), _)) => Family::Ip,
            Some((Protocol::Network(names::ARP), _)) => Family::Arp,
            Some((Protocol::Network(names::RARP), _)) => Family::Rarp,
            Some((Protocol::Network(names::IPV6), place)) => {
                let Some(address) = address::ip6(word) else {
                    let message = "expected an IPv6 address after `ip6`";
                    return Err(self.error(place.to(span), message));
                };
                return self.host6(qualifiers, direction, address, span);
            }
            Some((Protocol::Link, place)) => {
                if qualifiers.what == What::Net {
                    return Err(self.error(place, "the link layer has no nets"));
                }
                let primitive = match address::ether(word) {
                    Some(address) if !escaped => Primitive::EtherHost {
                        direction,
                        addresses: vec![address],
                    },
                    _ if !escaped && address::dotted(word).is_some() => {
                        return Err(self.error(span, "expected an Ethernet address or a name"));
                    }
                    _ => Primitive::EtherName {
                        direction,
                        name: word.to_owned(),
                    },
                };
                return Ok(self.leaf(primitive, span));
            }
            Some((_, place)) => {
                let message =
                    "a host or net is looked for in `ip`, `ip6`, `arp`, `rarp` or `ether`";
                return Err(self.error(place, message));
            }
        };
        if !escaped {
            if let Some(address) = address::ip6(word) {
                if family != Family::Any {
                    return Err(self.error(span, "an IPv6 address cannot stand in this protocol"));
                }
                return self.host6(qualifiers, direction, address, span);
            }
            if let Some(network) = self.network(qualifiers, word, span)? {
                let primitive = Primitive::Host {
                    family,
                    direction,
                    networks: vec![network],
                };
                return Ok(self.leaf(primitive, span));
            }
            if word.contains(':') {
                let message = if address::ether(word).is_some() {
                    "an Ethernet address is looked for with `ether host`, `ether src` or `ether dst`"
                } else {
                    "this is neither an IPv4 nor an IPv6 address"
                };
                return Err(self.error(span, message));
            }
        }
        let primitive = if qualifiers.what == What::Net {
            Primitive::NetName {
                family,
                direction,
                name: word.to_owned(),
            }
        } else {
            Primitive::HostName {
                family,
                direction,
                name: word.to_owned(),
            }
        };
        Ok(self.leaf(primitive, span))
    }

    /// An IPv4 address or net and what follows it: `/length` or `mask m`.
    fn network(
        &mut self,
        qualifiers: &Qualifiers,
        word: &str,
        span: Span,
    ) -> Result<Option<(u32, u32)>> {
        // A single number is a net when one is asked for, else an address as one number.
        let plain = !word.contains('.') && qualifiers.what != What::Net;
        let (address, bits) = match (address::dotted(word), address::number(word)) {
            (_, Some(Ok(number))) if plain => (number, 32),
            (_, Some(Err(message))) if plain => return Err(self.error(span, message)),
            (Some(Ok(dotted)), _) => dotted,
            (Some(Err(message)), _) => return Err(self.error(span, message)),
            (None, Some(Ok(number @ 0..=255))) => (number << 24, 8),
            (None, Some(Ok(number))) => (number, 32),
            _ => return Ok(None),
        };
        let mut mask = leading_ones(bits);
        let mut end = span;
        if qualifiers.what != What::Host && self.kind() == Kind::Slash {
            self.advance();
            end = self.token().span;
            let length = self.required_number()?;
            if length > 32 {
                return Err(self.error(end, "an IPv4 net is at most 32 bits long"));
            }
            mask = leading_ones(length);
        } else if qualifiers.what == What::Net && self.taken_word("mask") {
            end = self.token().span;
            let text = self.word().unwrap_or_default().to_owned();
            mask = match (address::dotted(&text), address::number(&text)) {
                (_, Some(Ok(number))) if text.starts_with("0x") => number,
                (Some(Ok((mask, _))), _) => mask,
                _ => return Err(self.error(end, "expected a mask, such as 255.255.0.0")),
            };
            self.advance();
        }
        if address & !mask != 0 {
            let [a, b, c, d] = (address & mask).to_be_bytes();
            let message = format!("bits of the host are set: the net is {a}.{b}.{c}.{d}");
            return Err(self.error(span.to(end), message));
        }
        Ok(Some((address, mask)))
    }

    fn host6(
        &mut self,
        qualifiers: &Qualifiers,
        direction: Direction,
        address: u128,
        span: Span,
    ) -> Result<Part<Node>> {
        let mut mask = u128::MAX;
        if qualifiers.what != What::Host && self.taken(Kind::Slash) {
            let end = self.token().span;
            let length = self.required_number()?;
            if length > 128 {
                return Err(self.error(end, "an IPv6 net is at most 128 bits long"));
            }
            mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            if address & !mask != 0 {
                return Err(self.error(span.to(end), "bits of the host are set"));
            }
        }
        let primitive = Primitive::Host6 {
            direction,
            networks: vec![(address, mask)],
        };
        Ok(self.leaf(primitive, span))
    }
}

/// A mask of `bits` ones from the left, at most 32.
fn leading_ones(bits: u32) -> u32 {
    u32::MAX
        .checked_shl(32_u32.saturating_sub(bits))
        .unwrap_or(0)
}
