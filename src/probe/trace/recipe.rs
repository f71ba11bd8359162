//! The probes to one destination: how they are made, and how what comes back is recognised.
//!
//! Whatever a load balancer may hash is the same in all probes of a flow: addresses, protocol,
//! type of service, ports, and for ICMP, where the ports would stand, type, code and checksum.
//! Which probe it is stands where none looks: in the IPv4 identification, and in the UDP
//! checksum, the ICMP sequence number or the TCP sequence number. All of these are among the
//! bytes that every error quotes (RFC 792: the header and 64 bits).
//!
//! Knows bytes and numbers; which probes are needed is for others to say.

use std::net::Ipv4Addr;

use super::quote::Quote;
use super::{Config, Key, Method, Target};
use crate::wire::checksum::{Pseudo, Sum};
use crate::wire::field::Lens;
use crate::wire::names::{PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP};

/// IPv4 header without options.
const IPV4: u16 = 20;
/// UDP header, or echo request up to its data.
const HEADER: usize = 8;
/// A datagram must have room for what stands in the data: two bytes that make the checksum come
/// out, the destination and the number of the probe, for answers that bring the data back instead
/// of the header.
pub(super) const LEAST: u16 = IPV4 + 16;
/// The number of a probe that stands in its bytes is one of so many; none is 0, which would let
/// the kernel choose the identification, and say that there is no UDP checksum.
const NUMBERS: u16 = 65_535;

/// What all probes to a destination have in common.
#[derive(Debug, Clone)]
pub(super) struct Recipe {
    pub(super) target: Target,
    method: Method,
    source_port: u16,
    port: u16,
    /// Each probe goes to a port of its own: the kernel writes the identification and hides what
    /// is quoted, and tells a probe by its ports alone.
    spread: bool,
    /// Where the numbers begin, each of its own, so that nobody else's packet fits by chance.
    identification: u16,
    transport: u32,
    checksum: u16,
}

/// Which probe a quote is about, as far as the keys tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    /// The number the identification stands for.
    pub(super) identification: u16,
    /// The number that the transport header stands for.
    pub(super) transport: Option<u16>,
}

/// One of the numbers 1 to 65,535, so many steps on from another of them, round and round.
fn step(number: u16, by: u16) -> u16 {
    let sum = (u32::from(number) + u32::from(by) + u32::from(NUMBERS) - 1) % u32::from(NUMBERS);
    u16::try_from(sum).unwrap_or_default() + 1
}

/// Undoes [`step`].
fn step_back(number: u16, by: u16) -> u16 {
    step(number, NUMBERS - by % NUMBERS)
}

/// Stirs a number so that nothing of it can be guessed from its neighbours (SplitMix64).
pub(super) fn stir(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

impl Recipe {
    pub(super) fn new(config: &Config, target: Target) -> Self {
        let random = stir(config.seed ^ u64::from(target.address.to_bits()));
        Self {
            target,
            method: config.method,
            source_port: config.source_port,
            port: config.port,
            spread: config.method == Method::Udp && !config.header_included,
            identification: (random & 0xffff) as u16,
            checksum: (random >> 16 & 0xffff) as u16,
            transport: (random >> 32 & 0xffff_ffff) as u32,
        }
    }

    pub(super) fn protocol(&self) -> u8 {
        match self.method {
            Method::Udp => PROTOCOL_UDP,
            Method::Icmp => PROTOCOL_ICMP,
            Method::Tcp => PROTOCOL_TCP,
        }
    }

    pub(super) fn is_udp(&self) -> bool {
        self.method == Method::Udp
    }

    /// The identification field of the probe with this number.
    pub(super) fn identification(&self, number: u16) -> u16 {
        step(number, self.identification)
    }

    /// The port that the probe with this number goes to.
    fn port_of(&self, number: u16) -> u16 {
        if !self.spread {
            return self.port;
        }
        let ports = u16::MAX - self.port.max(1);
        let by = number.saturating_sub(1).checked_rem(ports).unwrap_or(0);
        self.port.saturating_add(by)
    }

    /// The source port of a flow; an echo request's identifier is that of flow 0.
    fn flow_port(&self, flow: u16) -> u16 {
        self.source_port.wrapping_add(flow).max(1)
    }

    /// The 16 bits that a NAT would have to change beside addresses and ports: the checksum.
    /// TCP's is not among the quoted bytes.
    pub(super) fn checksum(&self, number: u16, flow: u16) -> Option<u16> {
        match self.method {
            Method::Udp => Some(step(number, (self.transport & 0xffff) as u16)),
            // One of the values that have no double: 0 and 0xffff are the same sum.
            Method::Icmp => Some(step(1, self.checksum.wrapping_add(flow)).min(NUMBERS - 1)),
            Method::Tcp => None,
        }
    }

    /// Appends what the datagram carries, `length` being its total.
    pub(super) fn body(&self, number: u16, flow: u16, length: u16, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        let pseudo = Pseudo::V4(self.target.source.octets(), self.target.address.octets());
        let [high, low] = self.source_port_of(flow).to_be_bytes();
        let transport = usize::from(length.max(LEAST).saturating_sub(IPV4));
        if self.method == Method::Tcp {
            bytes.extend_from_slice(&self.syn(number, flow));
            let len = bytes.len() + usize::from(syn_data(Some(length)));
            bytes.resize(len, 0);
            let segment = bytes.get(start..).unwrap_or_default();
            let len = u32::try_from(segment.len()).unwrap_or_default();
            let sum = pseudo.sum(PROTOCOL_TCP, len).with(segment).checksum();
            write(bytes, start + 16, sum);
            return;
        }
        let checksum = self.checksum(number, flow).unwrap_or_default();
        let [sum_high, sum_low] = checksum.to_be_bytes();
        let seed = if self.method == Method::Udp {
            let [port_high, port_low] = self.port_of(number).to_be_bytes();
            let [len_high, len_low] = u16::try_from(transport).unwrap_or_default().to_be_bytes();
            bytes.extend([
                high, low, port_high, port_low, len_high, len_low, sum_high, sum_low,
            ]);
            pseudo.sum(PROTOCOL_UDP, u32::try_from(transport).unwrap_or_default())
        } else {
            let [seq_high, seq_low] = self.sequence(number).to_be_bytes();
            bytes.extend([8, 0, sum_high, sum_low, high, low, seq_high, seq_low]);
            Sum::new()
        };
        bytes.extend([0, 0]);
        bytes.extend(self.target.address.octets());
        bytes.extend(number.to_be_bytes());
        bytes.resize(start + transport, 0);
        // Addition knows no order: with the wanted checksum in its place, the data takes the
        // value that makes the sum right.
        let sum = seed.with(bytes.get(start..).unwrap_or_default());
        write(bytes, start + HEADER, sum.checksum());
    }

    fn source_port_of(&self, flow: u16) -> u16 {
        match self.method {
            Method::Icmp => self.source_port,
            _ => self.flow_port(flow),
        }
    }

    fn sequence(&self, number: u16) -> u16 {
        number.wrapping_add((self.transport & 0xffff) as u16)
    }

    /// A SYN as RFC 9293 has it, with the one option that every stack sends: the maximum segment
    /// size, 1,460 bytes.
    fn syn(&self, number: u16, flow: u16) -> [u8; 24] {
        let [a, b] = self.flow_port(flow).to_be_bytes();
        let [c, d] = self.port.to_be_bytes();
        let [e, f, g, h] = self.transport.wrapping_add(number.into()).to_be_bytes();
        [
            a, b, c, d, e, f, g, h, 0, 0, 0, 0, 0x60, 0x02, 0xff, 0xff, 0, 0, 0, 0, 2, 4, 0x05,
            0xb4,
        ]
    }

    /// Which probe a quote claims to be about; `None` if it is none of ours for sure.
    pub(super) fn claim(&self, quote: &Quote<'_>) -> Option<Claim> {
        if quote.protocol != self.protocol() {
            return None;
        }
        let transport = Lens(quote.transport);
        let number = match self.method {
            Method::Udp => transport
                .u16(6)
                .filter(|&sum| sum != 0)
                .map(|sum| step_back(sum, (self.transport & 0xffff) as u16)),
            Method::Icmp if transport.u16(0).is_some_and(|kind| kind != 0x0800) => return None,
            Method::Icmp => transport
                .u16(6)
                .and_then(|sequence| self.number_of_sequence(sequence)),
            Method::Tcp => transport
                .u32(4)
                .and_then(|sequence| self.number_of_segment(sequence)),
        };
        Some(Claim {
            identification: step_back(quote.identification.max(1), self.identification),
            transport: number,
        })
    }

    /// The number of the echo request of which at least the header came back.
    pub(super) fn number_of_echo(&self, message: &[u8]) -> Option<u16> {
        self.number_of_sequence(Lens(message).u16(6)?)
    }

    fn number_of_sequence(&self, sequence: u16) -> Option<u16> {
        let number = sequence.wrapping_sub((self.transport & 0xffff) as u16);
        (number != 0).then_some(number)
    }

    fn number_of_segment(&self, sequence: u32) -> Option<u16> {
        let number = u16::try_from(sequence.wrapping_sub(self.transport)).ok()?;
        (number != 0).then_some(number)
    }

    /// Whether the ports, or the identifier, are those of a flow. `None`: not quoted.
    pub(super) fn is_flow(&self, transport: &[u8], flow: u16) -> Option<bool> {
        let transport = Lens(transport);
        if self.method == Method::Icmp {
            return Some(transport.u16(4)? == self.source_port);
        }
        let (source, destination) = (transport.u16(0)?, transport.u16(2)?);
        Some(source == self.flow_port(flow) && destination == self.port)
    }

    /// Which probe an echo reply answers; `ours` where the kernel vouches for the identifier.
    pub(super) fn echoed(&self, message: &[u8], ours: bool) -> Option<u16> {
        let lens = Lens(message);
        if self.method != Method::Icmp || lens.u16(0)? != 0 {
            return None;
        }
        if !ours && lens.u16(4)? != self.source_port {
            return None;
        }
        let number = self.number_of_sequence(lens.u16(6)?)?;
        // The data says the same, unless it was cut away.
        match lens.u16(HEADER + 6) {
            Some(said) if said != number => None,
            _ => Some(number),
        }
    }

    /// What a TCP segment acknowledges, and whether the port is open: RST or SYN with the
    /// acknowledgment that RFC 9293 section 3.10.7 asks for. It is the number of the probe, and
    /// the bytes it carried. Whose flow it is, is for the caller.
    pub(super) fn acknowledged(&self, segment: &[u8]) -> Option<(u16, bool)> {
        let lens = Lens(segment);
        if self.method != Method::Tcp || lens.u16(0)? != self.port {
            return None;
        }
        let flags = lens.u8(13)?;
        let (syn, reset, ack) = (flags & 0x02 != 0, flags & 0x04 != 0, flags & 0x10 != 0);
        if !ack || !(syn || reset) {
            return None;
        }
        let number = self.number_of_segment(lens.u32(8)?.wrapping_sub(1))?;
        Some((number, syn && !reset))
    }

    /// What a TCP segment says of the port it comes from, whatever it acknowledges: one with
    /// neither RST nor SYN (RFC 5961 section 4) says nothing.
    pub(super) fn is_open(&self, segment: &[u8]) -> Option<bool> {
        let flags = Lens(segment)
            .u8(13)
            .filter(|_| self.method == Method::Tcp)?;
        (flags & 0x06 != 0).then_some(flags & 0x04 == 0)
    }

    /// Whether a segment or datagram came back from the port that a probe went to, to the one that
    /// its flow left from.
    pub(super) fn is_back(&self, message: &[u8], number: u16, flow: u16) -> bool {
        let lens = Lens(message);
        lens.u16(0) == Some(self.port_of(number)) && lens.u16(2) == Some(self.flow_port(flow))
    }
}

/// The bytes that a SYN in a datagram of a certain size carries.
pub(super) fn syn_data(size: Option<u16>) -> u16 {
    size.map_or(0, |size| size.saturating_sub(IPV4 + 24))
}

/// The destination and number that a probe's data names.
pub(super) fn named_in_data(data: &[u8]) -> Option<(Ipv4Addr, u16)> {
    let lens = Lens(data);
    Some((lens.array::<4>(2)?.into(), lens.u16(6)?))
}

fn write(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
        *place = value.to_be_bytes();
    }
}

impl Key {
    /// The key that failed, when the others agree on a probe.
    pub(super) fn failed(identification: bool, transport: bool, flow: bool) -> Option<Self> {
        match (identification, transport, flow) {
            (false, ..) => Some(Self::Identification),
            (_, false, _) => Some(Self::Transport),
            (.., false) => Some(Self::Flow),
            _ => None,
        }
    }
}
