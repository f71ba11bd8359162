//! The bytes of a probe. Each is a function of the configuration, the target and the probe's
//! number, so that nothing of it need be kept to judge what comes back.

use std::hash::{DefaultHasher, Hasher};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::config::{Config, Interface, Kind};
use super::report::{Which, WrongByte};
use crate::wire::checksum::{Pseudo, checksum};
use crate::wire::field::Lens;

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

/// Cookie, target, number: what the payload begins with, as far as it has room.
pub(super) const PROOF: usize = 16;
/// Ports above those that Linux gives to its own connections (`ip_local_port_range`, ip(7)), for
/// TCP and UDP probes to leave from.
pub const PORTS: RangeInclusive<u16> = 0xf000..=0xffff;
/// Milliseconds of a day, for ICMP timestamps.
pub(super) const DAY: u64 = 86_400_000;

/// The protocol number that probes of a kind travel under.
pub(super) fn protocol(kind: &Kind) -> u8 {
    match kind {
        Kind::Echo | Kind::Timestamp { .. } | Kind::Extended { .. } => ICMP,
        Kind::Tcp(_) => TCP,
        Kind::Udp(_) => UDP,
    }
}

/// How many bits of a probe's number the wire carries where errors quote it.
pub(super) fn sequence_bits(config: &Config) -> u32 {
    match config.kind {
        Kind::Echo | Kind::Timestamp { .. } => 16,
        Kind::Extended { .. } => 8,
        Kind::Tcp(_) | Kind::Udp(_) => port_mask(config).count_ones(),
    }
}

/// The bits of a source port in which a number's lowest stand.
fn port_mask(config: &Config) -> u16 {
    let last = config.ports.end().saturating_sub(*config.ports.start());
    // As many as the range has room for from its first port on.
    let bits = u32::from(last).saturating_add(1).ilog2();
    let aligned = config.ports.start().trailing_zeros();
    u16::MAX.checked_shr(16 - bits.min(aligned)).unwrap_or(0)
}

/// What a source port says of a probe's number; `None` when it is none of ours.
pub(super) fn of_port(config: &Config, port: u16) -> Option<u64> {
    let mask = port_mask(config);
    (port & !mask == *config.ports.start()).then_some(u64::from(port & mask))
}

/// Bytes of payload that probe `number` carries; what has no room for any carries none.
pub(super) fn size(config: &Config, number: u64) -> u16 {
    match config.kind {
        Kind::Echo | Kind::Udp(_) => {}
        Kind::Timestamp { .. } | Kind::Extended { .. } | Kind::Tcp(_) => return 0,
    }
    let most = config.sweep_size.unwrap_or(config.size);
    let sizes = u64::from(most.saturating_sub(config.size)).saturating_add(1);
    let step = number.saturating_sub(1) % sizes;
    u16::try_from(step).map_or(most, |step| config.size.saturating_add(step))
}

/// Milliseconds since midnight UT, at `now` of the run.
pub(super) fn milliseconds(wall: Duration, now: Duration) -> u32 {
    let since = wall.saturating_add(now).as_millis() % u128::from(DAY);
    u32::try_from(since).unwrap_or(0)
}

/// What nobody who has not seen the probe can know about it.
pub(super) fn cookie(seed: [u64; 2], target: Ipv4Addr, number: u64) -> u64 {
    let [a, b] = seed;
    let mut hash = DefaultHasher::new();
    // In one go: the hash takes a third of the time of four.
    hash.write_u128(u128::from(a) << 64 | u128::from(b));
    hash.write_u128(u128::from(target.to_bits()) << 64 | u128::from(number));
    hash.finish()
}

/// The sequence number of a SYN.
pub(super) fn tcp_sequence(seed: [u64; 2], target: Ipv4Addr, number: u64) -> u32 {
    (cookie(seed, target, number) >> 32) as u32
}

/// The port that a probe leaves from.
pub(super) fn port(config: &Config, number: u64) -> u16 {
    config.ports.start() | ((number & 0xffff) as u16 & port_mask(config))
}

/// The beginning of a payload.
pub(super) fn proof(seed: [u64; 2], target: Ipv4Addr, number: u64) -> [u8; PROOF] {
    let cookie = u128::from(cookie(seed, target, number));
    let claim = u128::from(target.to_bits()) << 32 | u128::from(number & 0xffff_ffff);
    (cookie << 64 | claim).to_be_bytes()
}

/// What `payload` claims to be: the target and the lowest 32 bits of the number. Nothing is
/// proved by that before the whole of [`proof`] agrees.
pub(super) fn claim(payload: &[u8]) -> Option<(Ipv4Addr, u32)> {
    let lens = Lens(payload);
    Some((Ipv4Addr::from_bits(lens.u32(8)?), lens.u32(12)?))
}

/// What a payload repeats where no pattern is asked for: each byte is its own index.
const INDICES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut rest: &mut [u8] = &mut bytes;
    let mut index = 0;
    while let [first, more @ ..] = rest {
        *first = index;
        index = index.wrapping_add(1);
        rest = more;
    }
    bytes
};

/// The bytes of a payload from index `from` up to `to`, in parts: what stands behind the proof.
fn filler(pattern: &[u8], from: usize, to: usize) -> impl Iterator<Item = &[u8]> {
    let period = if pattern.is_empty() {
        &INDICES
    } else {
        pattern
    };
    let mut at = from;
    std::iter::from_fn(move || {
        let left = to.checked_sub(at).filter(|&left| left > 0)?;
        let part = period.get(at.checked_rem(period.len())?..)?;
        let part = part.get(..left).unwrap_or(part);
        at = at.saturating_add(part.len());
        Some(part)
    })
}

/// The first byte of `payload` that is not what probe `which` carried.
pub(super) fn wrong_byte(config: &Config, which: Which, payload: &[u8]) -> Option<WrongByte> {
    let sent = usize::from(size(config, which.number)).min(payload.len());
    let proof = proof(config.seed, which.target, which.number);
    let parts = filler(&config.pattern, PROOF, sent);
    let mut rest = payload.get(..sent)?;
    for should in std::iter::once(proof.as_slice()).chain(parts) {
        let (was, later) = rest.split_at_checked(should.len()).unwrap_or((rest, &[]));
        // All of it at once: almost always nothing is wrong.
        if !should.starts_with(was) {
            let before = sent.saturating_sub(rest.len());
            return (before..)
                .zip(should.iter().zip(was))
                .find(|(_, (should, was))| should != was)
                .map(|(at, (&should, &was))| WrongByte {
                    index: u32::try_from(at).unwrap_or(u32::MAX),
                    should,
                    was,
                });
        }
        rest = later;
    }
    None
}

/// Appends the probe: everything behind the IPv4 header, with its checksum.
pub(super) fn write(config: &Config, which: Which, now: Duration, out: &mut Vec<u8>) {
    let start = out.len();
    let sequence = which.sequence();
    match &config.kind {
        Kind::Echo => {
            icmp(out, 8, config.identifier, sequence);
            payload(config, which, out);
        }
        Kind::Timestamp { wall } => {
            icmp(out, 13, config.identifier, sequence);
            out.extend_from_slice(&milliseconds(*wall, now).to_be_bytes());
            out.extend_from_slice(&[0; 8]);
        }
        Kind::Extended { interface, local } => {
            let [_, low] = sequence.to_be_bytes();
            let last = u16::from_be_bytes([low, u8::from(*local)]);
            icmp(out, 42, config.identifier, last);
            identify(interface, out);
        }
        Kind::Tcp(to) => {
            out.extend_from_slice(&port(config, which.number).to_be_bytes());
            out.extend_from_slice(&to.to_be_bytes());
            let first = tcp_sequence(config.seed, which.target, which.number);
            out.extend_from_slice(&first.to_be_bytes());
            // No acknowledgement; six words, SYN, the window; checksum, urgent pointer; an MSS,
            // without which some hosts drop a SYN.
            out.extend_from_slice(&[0, 0, 0, 0, 0x60, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
            out.extend_from_slice(&[2, 4, 0x05, 0xb4]);
        }
        Kind::Udp(to) => {
            let length = size(config, which.number).saturating_add(8);
            for word in [port(config, which.number), *to, length, 0] {
                out.extend_from_slice(&word.to_be_bytes());
            }
            payload(config, which, out);
        }
    }
    seal(config, which, start, out);
}

/// Type, code 0, a checksum to come, identifier and sequence.
fn icmp(out: &mut Vec<u8>, kind: u8, identifier: u16, sequence: u16) {
    out.extend_from_slice(&[kind, 0, 0, 0]);
    out.extend_from_slice(&identifier.to_be_bytes());
    out.extend_from_slice(&sequence.to_be_bytes());
}

fn payload(config: &Config, which: Which, out: &mut Vec<u8>) {
    let size = usize::from(size(config, which.number));
    let proof = proof(config.seed, which.target, which.number);
    out.extend_from_slice(proof.get(..size).unwrap_or(&proof));
    filler(&config.pattern, PROOF, size).for_each(|part| out.extend_from_slice(part));
}

/// The interface identification object (RFC 8335 section 2.1) in its extension structure.
fn identify(interface: &Interface, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0x20, 0, 0, 0]);
    let object = out.len();
    let c_type = match interface {
        Interface::Name(_) => 1,
        Interface::Index(_) => 2,
        Interface::Address(_) => 3,
    };
    out.extend_from_slice(&[0, 0, 3, c_type]);
    match interface {
        Interface::Name(name) => {
            // A Linux name has 15 bytes at most (IFNAMSIZ); the object's length has 16 bits.
            out.extend(name.bytes().take(255));
            let padding = (out.len() - object).wrapping_neg() % 4;
            out.extend(std::iter::repeat_n(0, padding));
        }
        Interface::Index(index) => out.extend_from_slice(&index.to_be_bytes()),
        Interface::Address(address) => {
            out.extend_from_slice(&[0, 1, 4, 0]);
            out.extend_from_slice(&address.octets());
        }
    }
    let length = u16::try_from(out.len() - object).unwrap_or(u16::MAX);
    put(out, object, length);
    let sum = checksum(out.get(start..).unwrap_or_default());
    put(out, start.saturating_add(2), sum);
}

/// Writes the checksum of what stands from `start` on.
fn seal(config: &Config, which: Which, start: usize, out: &mut [u8]) {
    let body = out.get(start..).unwrap_or_default();
    let protocol = protocol(&config.kind);
    let source = config.source.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let pseudo = Pseudo::V4(source.octets(), which.target.octets());
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    let whole = || pseudo.sum(protocol, length).with(body).checksum();
    let (at, sum) = match protocol {
        ICMP => (2, checksum(body)),
        TCP => (16, whole()),
        // Without the source there is none to be had, and UDP may go without (RFC 768).
        _ if config.source.is_none() => return,
        _ => (6, Some(whole()).filter(|&sum| sum != 0).unwrap_or(0xffff)),
    };
    put(out, start.saturating_add(at), sum);
}

fn put(out: &mut [u8], at: usize, value: u16) {
    if let Some(to) = out.get_mut(at..).and_then(|to| to.first_chunk_mut::<2>()) {
        *to = value.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test that cannot go on has failed"
    )]

    use super::*;
    use crate::wire::checksum::Sum;

    fn which(number: u64) -> Which {
        Which {
            target: Ipv4Addr::new(10, 0, 0, 2),
            index: 0,
            number,
        }
    }

    fn bytes(config: &Config, number: u64) -> Vec<u8> {
        let mut out = vec![0xee];
        write(config, which(number), Duration::from_millis(5), &mut out);
        out.split_off(1)
    }

    #[test]
    fn an_echo_is_what_rfc_792_says() {
        let config = Config {
            identifier: 0x1234,
            seed: [1, 2],
            ..Config::default()
        };
        let echo = bytes(&config, 0x1_0003);
        assert_eq!(echo.len(), 64);
        assert_eq!(echo[..2], [8, 0]);
        assert_eq!(echo[4..8], [0x12, 0x34, 0x00, 0x03]);
        assert_eq!(Sum::new().with(&echo).fold(), 0xffff);
        assert_eq!(claim(&echo[8..]), Some((which(0).target, 0x1_0003)));
        assert_eq!(echo[8 + 16..8 + 20], [16, 17, 18, 19]);
        assert_eq!(wrong_byte(&config, which(0x1_0003), &echo[8..]), None);
        assert!(wrong_byte(&config, which(3), &echo[8..]).unwrap().index < 8);
        let mut bad = echo.clone();
        bad[8 + 30] ^= 0x40;
        let wrong = wrong_byte(&config, which(0x1_0003), &bad[8..]).unwrap();
        assert_eq!((wrong.index, wrong.should, wrong.was), (30, 0x1e, 0x5e));
    }

    #[test]
    fn small_payloads_hold_what_fits() {
        for size in 0..=20 {
            let config = Config {
                size,
                pattern: vec![0xab, 0xcd],
                ..Config::default()
            };
            let echo = bytes(&config, 1);
            assert_eq!(echo.len(), 8 + usize::from(size));
            assert_eq!(Sum::new().with(&echo).fold(), 0xffff, "{size}");
            assert_eq!(wrong_byte(&config, which(1), &echo[8..]), None);
            if size == 20 {
                assert_eq!(echo[24..], [0xab, 0xcd, 0xab, 0xcd]);
            }
        }
    }

    #[test]
    fn sizes_go_round() {
        let config = Config {
            size: 100,
            sweep_size: Some(102),
            ..Config::default()
        };
        let sizes: Vec<u16> = (1..=7).map(|number| size(&config, number)).collect();
        assert_eq!(sizes, [100, 101, 102, 100, 101, 102, 100]);
    }

    /// RFC 8335 section 2: type 42, 8 bits of sequence, the L bit last; then version 2 and an
    /// object of class 3.
    #[test]
    fn an_extended_echo_names_the_interface() {
        let extended = |interface| Config {
            kind: Kind::Extended {
                interface,
                local: true,
            },
            identifier: 7,
            ..Config::default()
        };
        let name = bytes(&extended(Interface::Name("eth0a".into())), 0x102);
        assert_eq!(name[..2], [42, 0]);
        assert_eq!(name[4..8], [0, 7, 2, 1]);
        assert_eq!(name[8], 0x20);
        assert_eq!(Sum::new().with(&name[8..]).fold(), 0xffff);
        assert_eq!(name[12..], *b"\x00\x0c\x03\x01eth0a\0\0\0");
        let index = bytes(&extended(Interface::Index(3)), 1);
        assert_eq!(index[12..], [0, 8, 3, 2, 0, 0, 0, 3]);
        let address = bytes(&extended(Interface::Address(Ipv4Addr::LOCALHOST)), 1);
        assert_eq!(address[12..], [0, 12, 3, 3, 0, 1, 4, 0, 127, 0, 0, 1]);
    }

    #[test]
    fn few_ports_carry_few_bits() {
        for (ports, bits, fifth) in [
            (0xf000..=0xffff, 12, 0xf005),
            (0x8040..=0x805f, 5, 0x8045),
            (0x8040..=0x8042, 1, 0x8041),
            (0x8041..=0x805f, 0, 0x8041),
            (0..=0xffff, 16, 5),
        ] {
            let config = Config {
                kind: Kind::Udp(53),
                ports,
                ..Config::default()
            };
            assert_eq!(sequence_bits(&config), bits, "{:x?}", config.ports);
            assert_eq!(port(&config, 5), fifth, "{:x?}", config.ports);
            let known = of_port(&config, fifth);
            assert_eq!(known, Some(5 & ((1 << bits) - 1)), "{:x?}", config.ports);
        }
    }

    #[test]
    fn timestamps_and_transports() {
        let wall = Duration::from_secs(86_400 * 20_000 + 3_600);
        let config = Config {
            kind: Kind::Timestamp { wall },
            ..Config::default()
        };
        let message = bytes(&config, 1);
        assert_eq!(message.len(), 20);
        assert_eq!(message[8..12], 3_600_005u32.to_be_bytes());

        let source = Ipv4Addr::new(10, 0, 0, 1);
        for (kind, protocol) in [(Kind::Tcp(80), TCP), (Kind::Udp(53), UDP)] {
            let config = Config {
                kind,
                source: Some(source),
                ..Config::default()
            };
            let segment = bytes(&config, 0x1_2345);
            assert_eq!(segment[..2], 0xf345u16.to_be_bytes());
            assert_eq!(of_port(&config, 0xf345), Some(0x345));
            assert_eq!(of_port(&config, 0xe345), None);
            let pseudo = Pseudo::V4(source.octets(), which(0).target.octets());
            let length = u32::try_from(segment.len()).unwrap();
            assert_eq!(pseudo.sum(protocol, length).with(&segment).fold(), 0xffff);
        }
    }
}
