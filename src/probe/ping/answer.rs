//! What an answer and the quote of an error say, before anybody believes it. Total on any bytes.

use std::net::Ipv4Addr;

use super::config::{Config, Kind};
use super::message::{self, ICMP, TCP, UDP};
use super::report::{Answer, Which, WrongByte};
use crate::wire::checksum::Sum;
use crate::wire::field::Lens;

/// An answer of the kind that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heard<'a> {
    /// The lowest bits of the number of the probe that it claims to answer.
    pub(super) sequence: u64,
    /// The identifier or port is ours.
    pub(super) ours: bool,
    /// The checksum is wrong.
    pub(super) damaged: bool,
    pub(super) answer: Answer,
    /// What came back of the payload, in an echo.
    payload: &'a [u8],
    /// The acknowledgement, in a TCP segment.
    acknowledged: u32,
}

/// Reads a message that came under `protocol`; `None` when it is no answer of that kind. With
/// `ours`, the kernel has checked the identifier; `cut` messages cannot be summed.
pub(super) fn hear<'a>(
    config: &Config,
    protocol: u8,
    message: &'a [u8],
    ours: bool,
    cut: bool,
) -> Option<Heard<'a>> {
    let lens = Lens(message);
    if protocol != message::protocol(&config.kind) {
        return None;
    }
    let icmp = |sequence, answer, payload| {
        Some(Heard {
            sequence,
            ours: ours || lens.u16(4) == Some(config.identifier),
            damaged: !cut && Sum::new().with(message).fold() != 0xffff,
            answer,
            payload,
            acknowledged: 0,
        })
    };
    let kind = lens.u8(0)?;
    match config.kind {
        Kind::Echo if kind == 0 => {
            let sequence = u64::from(lens.u16(6)?);
            icmp(sequence, Answer::Echo, message.get(8..)?)
        }
        Kind::Timestamp { .. } if kind == 14 => {
            let answer = Answer::Timestamp {
                originate: lens.u32(8)?,
                receive: lens.u32(12)?,
                transmit: lens.u32(16)?,
                ahead: None,
            };
            icmp(u64::from(lens.u16(6)?), answer, &[])
        }
        Kind::Extended { .. } if kind == 43 => {
            // RFC 8335 section 3: state in the upper three bits, A, 4 and 6 in the lower.
            let bits = lens.u8(7)?;
            let answer = Answer::Extended {
                code: lens.u8(1)?,
                state: bits >> 5,
                active: bits & 4 != 0,
                ipv4: bits & 2 != 0,
                ipv6: bits & 1 != 0,
            };
            icmp(u64::from(lens.u8(6)?), answer, &[])
        }
        Kind::Tcp(port) | Kind::Udp(port) => {
            let to = lens.u16(2)?;
            let answer = if protocol == TCP {
                let flags = lens.u8(13)?;
                let open = flags & 0x16 == 0x12;
                if !open && flags & 0x04 == 0 {
                    return None;
                }
                Answer::Tcp { open }
            } else {
                // A UDP header has eight bytes.
                lens.u16(6)?;
                Answer::Udp { open: true }
            };
            let number = message::of_port(config, to);
            Some(Heard {
                sequence: number.unwrap_or(0),
                ours: lens.u16(0) == Some(port) && number.is_some(),
                // The sums of what comes over lo are never filled in.
                damaged: false,
                answer,
                payload: &[],
                acknowledged: lens.u32(8).unwrap_or(0),
            })
        }
        _ => None,
    }
}

/// What speaks for an answer being one to a certain probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence {
    /// All of the cookie that the probe had room for came back.
    pub(super) proved: bool,
    /// Less payload came back than was sent.
    pub(super) truncated: bool,
    /// The first byte that differs.
    pub(super) wrong: Option<WrongByte>,
}

impl Heard<'_> {
    /// An answer that came as something else than a message of its own.
    pub(super) fn of(answer: Answer, number: u64) -> Self {
        Heard {
            sequence: number,
            ours: true,
            damaged: false,
            answer,
            payload: &[],
            acknowledged: 0,
        }
    }

    /// What it claims: the target and the lowest 32 bits of the number.
    pub(super) fn claim(&self) -> Option<(Ipv4Addr, u32)> {
        message::claim(self.payload)
    }

    /// Of its payload as much as the probe `which` carried.
    pub(super) fn returned(&self, config: &Config, which: Which) -> Box<[u8]> {
        let sent = usize::from(message::size(config, which.number));
        self.payload.get(..sent).unwrap_or(self.payload).into()
    }

    /// Compares it with what the probe `which` carried.
    pub(super) fn evidence(&self, config: &Config, which: Which) -> Evidence {
        match config.kind {
            Kind::Echo => {
                let sent = usize::from(message::size(config, which.number));
                let wrong = message::wrong_byte(config, which, self.payload);
                let proof = sent.min(message::PROOF);
                let agreed = wrong.map_or(self.payload.len(), |wrong| wrong.index as usize);
                Evidence {
                    proved: agreed >= proof,
                    truncated: self.payload.len() < sent,
                    wrong,
                }
            }
            Kind::Tcp(_) => {
                let ours = message::tcp_sequence(config.seed, which.target, which.number);
                Evidence {
                    proved: self.acknowledged == ours.wrapping_add(1),
                    truncated: false,
                    wrong: None,
                }
            }
            // Nothing secret comes back; timestamps are compared with the time that was sent.
            Kind::Timestamp { .. } | Kind::Extended { .. } | Kind::Udp(_) => Evidence {
                proved: true,
                truncated: false,
                wrong: None,
            },
        }
    }
}

/// What a quoted datagram proves of a probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quote<'a> {
    pub(super) destination: Ipv4Addr,
    pub(super) sequence: u64,
    /// What is quoted behind the first eight bytes.
    payload: &'a [u8],
    /// The sequence number, of a SYN.
    first: Option<u32>,
}

/// Reads the datagram that an error quotes; `None` when it is none of ours, or cannot be told.
pub(super) fn quote<'a>(config: &Config, datagram: &'a [u8]) -> Option<Quote<'a>> {
    let lens = Lens(datagram);
    let first = lens.u8(0)?;
    let header = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header < 20 {
        return None;
    }
    // Of a fragment but the first, no transport header is there to be quoted.
    let fragment = lens.u16(6)? & 0x1fff;
    let protocol = lens.u8(9)?;
    if fragment != 0 || protocol != message::protocol(&config.kind) {
        return None;
    }
    let destination = Ipv4Addr::from_bits(lens.u32(16)?);
    let inner = datagram.get(header..)?;
    let lens = Lens(inner);
    let (ours, sequence) = match protocol {
        ICMP => {
            let sequence = asked(config, inner)?;
            (lens.u16(4)? == config.identifier, sequence)
        }
        TCP | UDP => {
            let (from, to) = (lens.u16(0)?, lens.u16(2)?);
            let ours = matches!(config.kind, Kind::Tcp(port) | Kind::Udp(port) if port == to);
            let number = message::of_port(config, from).filter(|_| ours);
            (number.is_some(), number.unwrap_or(0))
        }
        _ => return None,
    };
    ours.then(|| Quote {
        destination,
        sequence,
        payload: inner.get(8..).unwrap_or_default(),
        first: lens.u32(4).filter(|_| protocol == TCP),
    })
}

impl Quote<'_> {
    /// False when more is quoted than the first eight bytes and that is not what probe `which`
    /// carried. Routers need not quote more (RFC 792), so no more is asked for.
    pub(super) fn agrees(&self, config: &Config, which: Which) -> bool {
        if let Some(first) = self.first {
            return first == message::tcp_sequence(config.seed, which.target, which.number);
        }
        match config.kind {
            Kind::Echo | Kind::Udp(_) => carries(config, which, self.payload),
            _ => true,
        }
    }
}

/// The sequence number of an ICMP message that is a question of ours, whatever its identifier.
fn asked(config: &Config, message: &[u8]) -> Option<u64> {
    let lens = Lens(message);
    let (kind, sequence) = match config.kind {
        Kind::Timestamp { .. } => (13, u64::from(lens.u16(6)?)),
        Kind::Extended { .. } => (42, u64::from(lens.u8(6)?)),
        _ => (8, u64::from(lens.u16(6)?)),
    };
    (lens.u8(0)? == kind).then_some(sequence)
}

/// Of what the kernel remembers of a probe ([`Quoted::Sent`](crate::probe::Quoted::Sent)): the
/// sequence number if it says one, and the payload.
pub(super) fn remembered<'a>(config: &Config, bytes: &'a [u8]) -> (Option<u64>, &'a [u8]) {
    if message::protocol(&config.kind) != ICMP {
        return (None, bytes);
    }
    let payload = bytes.get(8..).unwrap_or_default();
    (asked(config, bytes), payload)
}

/// False when `payload` begins with something else than the proof of probe `which`.
pub(super) fn carries(config: &Config, which: Which, payload: &[u8]) -> bool {
    let sent = usize::from(message::size(config, which.number));
    let proof = message::proof(config.seed, which.target, which.number);
    let same = |(a, b): (&u8, &u8)| a == b;
    proof.iter().take(sent).zip(payload).all(same)
}
