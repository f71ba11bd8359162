//! Captured bytes to the spec that builds them again, byte for byte.
//!
//! Every value that would come out right by itself is left open, so that a person who changes one
//! field gets a packet that is right in all others. What no value can say stays literal: each step
//! is tried, built and compared.

use std::net::Ipv4Addr;

use super::igmp::{Igmp, Version3};
use super::transport::{Extensions, Icmp, Object, Tcp, Transport, Udp};
use super::{Ethernet, HEADER, Ipv4, Spec, Vlan};
use crate::wire::field::Lens;
use crate::wire::frame::Frame;
use crate::wire::names;
use crate::wire::packet::{Layer, Packet, Protocol};

/// Quotes within quotes that are taken apart; deeper ones are payload.
const MAX_QUOTES: u8 = 2;

impl Spec {
    /// The outermost IPv4 datagram of a captured frame with what trails behind it, and its
    /// Ethernet header where it has one. None where the frame holds no IPv4.
    #[must_use]
    pub fn read(frame: &Frame<'_>, packet: &Packet) -> Option<Self> {
        let layers = packet.layers();
        let at = layers
            .iter()
            .position(|layer| layer.protocol == Protocol::Ipv4 && layer.depth == 0)?;
        let start = layers.get(at)?.start as usize;
        let mut spec = datagram(frame.bytes.get(start..)?, 0);
        spec.ethernet = layers
            .split_at_checked(at)
            .and_then(|(before, _)| ethernet(before, frame.bytes.get(..start)?));
        Some(spec)
    }
}

impl Spec {
    /// The spec of a datagram that begins with its IPv4 header, and of what trails behind it.
    #[must_use]
    pub fn read_datagram(bytes: &[u8]) -> Self {
        datagram(bytes, 0)
    }
}

/// The Ethernet header, the tags behind it and what else there is before the datagram.
fn ethernet(layers: &[Layer], bytes: &[u8]) -> Option<Ethernet> {
    let (first, rest) = layers.split_first()?;
    if first.protocol != Protocol::Ethernet {
        return None;
    }
    let lens = Lens(bytes);
    let tags = rest.iter().take_while(|it| it.protocol == Protocol::Vlan);
    let mut at = 12_usize;
    let mut vlans = Vec::new();
    for _ in tags {
        vlans.push(Vlan {
            tpid: lens.u16(at)?,
            tci: lens.u16(at.checked_add(2)?)?,
        });
        at = at.checked_add(4)?;
    }
    let ethernet = Ethernet {
        destination: Some(lens.array(0)?),
        source: Some(lens.array(6)?),
        vlans,
        ethertype: lens.u16(at)?,
        shim: bytes.get(at.checked_add(2)?..)?.to_vec(),
    };
    let mut again = Vec::new();
    ethernet.write(&mut again);
    (again == bytes).then_some(ethernet)
}

/// The spec of a datagram and what trails behind it; `quotes` is how deep in quotes it stands.
fn datagram(bytes: &[u8], quotes: u8) -> Spec {
    let mut spec = literal(bytes);
    for transport in transports(&spec, quotes) {
        let mut candidate = spec.clone();
        candidate.payload = transport.1;
        candidate.transport = transport.0;
        if builds(&candidate, bytes) {
            spec = candidate;
            break;
        }
    }
    // What would be right by itself is left open; the order matters only for what depends on
    // lengths.
    relax(&mut spec, bytes, |spec| spec.ipv4.protocol = None);
    relax(&mut spec, bytes, |spec| spec.ipv4.ihl = None);
    relax(&mut spec, bytes, |spec| spec.ipv4.total_length = None);
    relax(&mut spec, bytes, |spec| spec.ipv4.checksum = None);
    match &spec.transport {
        Transport::None => {}
        Transport::Icmp(_) => {
            for open in [
                |icmp: &mut Icmp| icmp.length = None,
                // What is filled in need not be said by the word it lies in.
                |icmp: &mut Icmp| {
                    let [a, _, c, d] = icmp.rest;
                    icmp.rest = [a, 0, c, d];
                },
                |icmp: &mut Icmp| icmp.checksum = None,
                |icmp: &mut Icmp| {
                    icmp.extensions
                        .iter_mut()
                        .for_each(|extensions| extensions.checksum = None);
                },
            ] {
                relax(&mut spec, bytes, |spec| {
                    if let Transport::Icmp(icmp) = &mut spec.transport {
                        open(icmp);
                    }
                });
            }
        }
        Transport::Igmp(_) => {
            for open in [
                |igmp: &mut Igmp| igmp.checksum = None,
                |igmp: &mut Igmp| match &mut igmp.version3 {
                    None => {}
                    Some(Version3::Query(query)) => query.count = None,
                    Some(Version3::Report(report)) => report.count = None,
                },
            ] {
                relax(&mut spec, bytes, |spec| {
                    if let Transport::Igmp(igmp) = &mut spec.transport {
                        open(igmp);
                    }
                });
            }
        }
        Transport::Udp(_) => {
            for open in [
                |udp: &mut Udp| udp.length = None,
                |udp: &mut Udp| udp.checksum = None,
            ] {
                relax(&mut spec, bytes, |spec| {
                    if let Transport::Udp(udp) = &mut spec.transport {
                        open(udp);
                    }
                });
            }
        }
        Transport::Tcp(_) => {
            for open in [
                |tcp: &mut Tcp| tcp.data_offset = None,
                |tcp: &mut Tcp| tcp.checksum = None,
            ] {
                relax(&mut spec, bytes, |spec| {
                    if let Transport::Tcp(tcp) = &mut spec.transport {
                        open(tcp);
                    }
                });
            }
        }
    }
    spec
}

fn builds(spec: &Spec, bytes: &[u8]) -> bool {
    spec.datagram().is_ok_and(|built| built == bytes)
}

/// Keeps the change if the same bytes come out of it.
fn relax(spec: &mut Spec, bytes: &[u8], change: impl FnOnce(&mut Spec)) {
    let mut candidate = spec.clone();
    change(&mut candidate);
    if builds(&candidate, bytes) {
        *spec = candidate;
    }
}

/// Every field as it stands, whatever the header says of the rest; a header that is not whole is
/// filled up with zeros and cut off again.
fn literal(bytes: &[u8]) -> Spec {
    let mut header = [0; HEADER];
    for (to, from) in header.iter_mut().zip(bytes) {
        *to = *from;
    }
    let [
        first,
        service,
        l1,
        l2,
        i1,
        i2,
        f1,
        f2,
        ttl,
        protocol,
        c1,
        c2,
        ..,
    ] = header;
    let lens = Lens(&header);
    let address = |at| Ipv4Addr::from(lens.array(at).unwrap_or([0; 4]));
    let total_length = u16::from_be_bytes([l1, l2]);
    let header_len = usize::from(first & 0x0f).saturating_mul(4);
    let whole = Lens(bytes);
    let options = whole.slice(HEADER, header_len.max(HEADER)).to_vec();
    let data = whole.slice(HEADER.saturating_add(options.len()), usize::MAX);
    let data_len = usize::from(total_length)
        .checked_sub(header_len.max(HEADER))
        .unwrap_or(data.len());
    let (payload, trailer) = data.split_at_checked(data_len).unwrap_or((data, &[]));
    Spec {
        ethernet: None,
        ipv4: Ipv4 {
            version: first >> 4,
            ihl: Some(first & 0x0f),
            dscp: service >> 2,
            ecn: service & 3,
            total_length: Some(total_length),
            identification: u16::from_be_bytes([i1, i2]),
            reserved: f1 & 0x80 != 0,
            df: f1 & 0x40 != 0,
            mf: f1 & 0x20 != 0,
            fragment_offset: u16::from_be_bytes([f1 & 0x1f, f2]).saturating_mul(8),
            ttl,
            protocol: Some(protocol),
            checksum: Some(u16::from_be_bytes([c1, c2])),
            source: Some(address(12)),
            destination: address(16),
            options,
        },
        transport: Transport::None,
        payload: payload.to_vec(),
        trailer: trailer.to_vec(),
        truncate: u32::try_from(bytes.len())
            .ok()
            .filter(|_| bytes.len() < HEADER),
    }
}

/// The ways to take the payload apart, best first, each with the payload that is left.
fn transports(spec: &Spec, quotes: u8) -> Vec<(Transport, Vec<u8>)> {
    if spec.ipv4.fragment_offset != 0 || spec.truncate.is_some() {
        return Vec::new();
    }
    let lens = Lens(&spec.payload);
    let tail = |from| lens.slice(from, usize::MAX).to_vec();
    let known = match spec.ipv4.protocol {
        Some(names::PROTOCOL_ICMP) => return icmp(lens, quotes),
        Some(names::PROTOCOL_IGMP) => {
            let ways = [true, false].map(|whole| Igmp::read(&spec.payload, whole));
            let ways = ways.into_iter().flatten();
            return ways
                .map(|(igmp, rest)| (Transport::Igmp(igmp), rest.to_vec()))
                .collect();
        }
        Some(names::PROTOCOL_UDP) => udp(lens).map(|udp| (Transport::Udp(udp), tail(8))),
        Some(names::PROTOCOL_TCP) => tcp(lens).map(|(tcp, end)| (Transport::Tcp(tcp), tail(end))),
        _ => None,
    };
    known.into_iter().collect()
}

fn udp(lens: Lens<'_>) -> Option<Udp> {
    Some(Udp {
        source_port: lens.u16(0)?,
        destination_port: lens.u16(2)?,
        length: Some(lens.u16(4)?),
        checksum: Some(lens.u16(6)?),
    })
}

fn tcp(lens: Lens<'_>) -> Option<(Tcp, usize)> {
    let word = lens.u16(12)?;
    let end = usize::from(word >> 12).saturating_mul(4).max(20);
    let tcp = Tcp {
        source_port: lens.u16(0)?,
        destination_port: lens.u16(2)?,
        sequence: lens.u32(4)?,
        acknowledgment: lens.u32(8)?,
        data_offset: u8::try_from(word >> 12).ok(),
        flags: word & 0x0fff,
        window: lens.u16(14)?,
        checksum: Some(lens.u16(16)?),
        urgent_pointer: lens.u16(18)?,
        options: lens.slice(20, end).to_vec(),
    };
    Some((tcp, end))
}

fn icmp(lens: Lens<'_>, quotes: u8) -> Vec<(Transport, Vec<u8>)> {
    let plain = || {
        let rest: [u8; 4] = lens.array(4)?;
        Some(Icmp {
            kind: lens.u8(0)?,
            code: lens.u8(1)?,
            checksum: Some(lens.u16(2)?),
            rest,
            length: None,
            quote: None,
            extensions: None,
        })
    };
    let Some(plain) = plain() else {
        return Vec::new();
    };
    let body = lens.slice(8, usize::MAX);
    let mut ways = Vec::new();
    if plain.kind == 42
        && let Some(extensions) = extensions(body)
    {
        let message = Icmp {
            extensions: Some(extensions),
            ..plain.clone()
        };
        ways.push((Transport::Icmp(message), Vec::new()));
    }
    if matches!(plain.kind, 3 | 4 | 5 | 11 | 12) && !body.is_empty() && quotes < MAX_QUOTES {
        let words = usize::from(plain.rest.get(1).copied().unwrap_or_default());
        let padded = if words == 0 {
            128
        } else {
            words.saturating_mul(4)
        };
        if let Some((quote, behind)) = body.split_at_checked(padded)
            && let Some(extensions) = extensions(behind)
        {
            // What pads the quote is not the quote's.
            let total = Lens(quote).u16(2).map_or(padded, usize::from);
            let message = |quoted: &[u8], length| Icmp {
                length,
                quote: Some(Box::new(datagram(quoted, quotes.saturating_add(1)))),
                extensions: Some(extensions.clone()),
                ..plain.clone()
            };
            let shorter = Lens(quote).slice(0, total.max(HEADER));
            let length = plain.rest.get(1).copied();
            for quoted in [shorter, quote] {
                ways.push((Transport::Icmp(message(quoted, length)), Vec::new()));
            }
        }
        let message = Icmp {
            quote: Some(Box::new(datagram(body, quotes.saturating_add(1)))),
            ..plain.clone()
        };
        ways.push((Transport::Icmp(message), Vec::new()));
    }
    ways.push((Transport::Icmp(plain), body.to_vec()));
    ways
}

/// An extension structure that takes all of the bytes (RFC 4884 section 7).
fn extensions(bytes: &[u8]) -> Option<Extensions> {
    let lens = Lens(bytes);
    if lens.u16(0)? != 0x2000 {
        return None;
    }
    let checksum = Some(lens.u16(2)?);
    let mut objects = Vec::new();
    let mut rest = lens.slice(4, usize::MAX);
    while !rest.is_empty() {
        let lens = Lens(rest);
        let (object, behind) = rest.split_at_checked(usize::from(lens.u16(0)?))?;
        objects.push(Object {
            class: lens.u8(2)?,
            kind: lens.u8(3)?,
            data: object.get(4..)?.to_vec(),
        });
        rest = behind;
    }
    Some(Extensions { checksum, objects })
}
