//! What the trackers need to know of one frame: its outermost IPv4 datagram in a few numbers.
//!
//! Read by whoever has dissected the frame, in any order; no memory of other frames here.

use std::net::Ipv4Addr;

use crate::wire::checksum::Verdict;
use crate::wire::frame::{Direction, Frame, LinkType};
use crate::wire::packet::{Layer, Packet, Protocol};

/// Since 1970; far from the edges of what a capture's times can be.
pub(super) type Nanoseconds = i64;

/// How far two moments are from each other, in nanoseconds.
#[inline]
pub(super) fn apart(one: Nanoseconds, other: Nanoseconds) -> u64 {
    one.abs_diff(other)
}

pub(super) const ICMP: u8 = 1;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;

pub(super) const SYN: u8 = 0x02;
pub(super) const RST: u8 = 0x04;
pub(super) const ACK: u8 = 0x10;

/// ARPHRD_LOOPBACK.
const LOOPBACK: [u8; 2] = [0x03, 0x04];

/// Both halves of the product of two numbers: no bit of either is without effect.
#[inline]
pub(super) fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
    let halves = (product as u64, (product >> 64) as u64);
    halves.0 ^ halves.1
}

/// Where frames come from, and the secret that fingerprints are taken with.
#[derive(Debug, Clone, Copy)]
pub struct Origin {
    seed: [u64; 2],
    file: u64,
}

impl Origin {
    /// Frames of this capture, where several are read. With the same `seed`, one that nobody
    /// outside knows, all frames are read that are to be compared.
    #[must_use]
    pub fn new(seed: [u64; 2], file: Option<&str>) -> Self {
        let mut origin = Self { seed, file: 0 };
        origin.file = file.map_or(0, |file| origin.hash(0, file.as_bytes()));
        origin
    }

    fn hash(&self, start: u64, bytes: &[u8]) -> u64 {
        let mut state = start ^ self.seed[0] ^ bytes.len() as u64;
        let mut mix = |block: [u8; 16]| {
            let value = u128::from_le_bytes(block);
            #[expect(clippy::cast_possible_truncation, reason = "the two halves")]
            let (low, high) = (value as u64, (value >> 64) as u64);
            state = fold(state ^ low, high ^ self.seed[1]);
        };
        let (blocks, rest) = bytes.as_chunks::<16>();
        blocks.iter().copied().for_each(&mut mix);
        let mut last = [0; 16];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        mix(last);
        fold(state ^ self.seed[1], self.seed[0] | 1)
    }
}

/// Who speaks to whom: what tells one flow from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) source: u32,
    pub(super) destination: u32,
    pub(super) protocol: u8,
    /// The source port; the identifier of an ICMP echo.
    pub(super) from: u16,
    /// The destination port; 0 where there is none.
    pub(super) to: u16,
}

impl Flow {
    #[inline]
    pub(super) fn key(self) -> u128 {
        u128::from(self.source) << 96
            | u128::from(self.destination) << 64
            | u128::from(self.from) << 32
            | u128::from(self.to) << 16
            | u128::from(self.protocol)
    }
}

/// What an ICMP message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Message {
    /// An echo request.
    Request { sequence: u16 },
    /// An echo reply.
    Reply { sequence: u16 },
    /// An error about this flow.
    Error {
        kind: u8,
        code: u8,
        /// The second word of the message: where a redirect leads.
        word: u32,
        about: Flow,
    },
}

/// One datagram passing by.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Passing {
    pub(super) number: u64,
    pub(super) time: Option<Nanoseconds>,
    /// Index of the layer.
    pub(super) layer: u8,
    pub(super) ttl: u8,
    pub(super) identification: u16,
    pub(super) total_length: u16,
    /// RFC 6864 section 4: it may not be fragmented, and is not.
    pub(super) atomic: bool,
    pub(super) fragment: bool,
    /// The destination is a group or everybody, by its address or by the link's.
    pub(super) to_many: bool,
    pub(super) flow: Flow,
    /// The protocol's header was read: not for later fragments.
    pub(super) has_ports: bool,
    /// The flags of a TCP header.
    pub(super) tcp: u8,
    pub(super) message: Option<Message>,
    /// All of the datagram that routers leave alone.
    pub(super) fingerprint: u64,
    /// The rest of the frame but for the TTL: all before the datagram, and its service.
    pub(super) around: u64,
    /// From whom to whom over which link, in which direction.
    pub(super) link: u64,
    /// The interface, where the source knows it.
    pub(super) interface: Option<u64>,
    pub(super) direction: Option<Direction>,
    /// A link that leads nowhere but to this host.
    pub(super) loopback: bool,
}

impl Passing {
    /// Reads what `packet` found in `frame`; `None` where that is no IPv4 datagram that a host
    /// would take. Header checksums should have been judged.
    #[must_use]
    pub fn read(frame: &Frame<'_>, packet: &Packet, origin: &Origin) -> Option<Self> {
        let layers = packet.layers();
        let place = layers
            .iter()
            .position(|layer| layer.protocol == Protocol::Ipv4)?;
        let (around, rest) = layers.split_at_checked(place)?;
        let (layer, within) = rest.split_first()?;
        if layer.depth > 0 || matches!(layer.checksum, Verdict::Bad { .. }) {
            return None;
        }
        let (before, datagram) = frame
            .bytes
            .get(..layer.end as usize)?
            .split_at_checked(layer.start as usize)?;
        let fixed = datagram.first_chunk::<20>()?;
        let header_len = usize::from(fixed[0] & 0x0f) * 4;
        if fixed[0] >> 4 != 4 || header_len < 20 {
            return None;
        }
        let data = datagram.get(header_len..)?;
        let fragmentation = u16::from_be_bytes([fixed[6], fixed[7]]);
        let fragment = fragmentation & 0x3fff != 0;
        let mut flow = Flow {
            source: u32::from_be_bytes([fixed[12], fixed[13], fixed[14], fixed[15]]),
            destination: u32::from_be_bytes([fixed[16], fixed[17], fixed[18], fixed[19]]),
            protocol: fixed[9],
            from: 0,
            to: 0,
        };
        let first = fragmentation.trailing_zeros() >= 13;
        let broken = within
            .first()
            .is_some_and(|inner| matches!(inner.checksum, Verdict::Bad { .. }));
        let mut tcp = 0;
        let mut message = None;
        match flow.protocol {
            TCP | UDP if first => {
                (flow.from, flow.to) = ports(data)?;
                if flow.protocol == TCP {
                    tcp = *data.get(13)?;
                }
            }
            ICMP if first && !broken => message = read_message(data, &mut flow),
            _ => {}
        }
        let link = Link::read(frame, around, origin);
        Some(Self {
            number: frame.number,
            time: frame
                .time
                .and_then(|time| i64::try_from(time.total_nanoseconds()).ok()),
            layer: u8::try_from(place).ok()?,
            ttl: fixed[8],
            identification: u16::from_be_bytes([fixed[4], fixed[5]]),
            total_length: u16::from_be_bytes([fixed[2], fixed[3]]),
            atomic: fragmentation & 0x4000 != 0 && !fragment,
            fragment,
            to_many: link.to_many || flow.destination >= 0xe000_0000,
            flow,
            has_ports: first,
            tcp,
            message,
            fingerprint: fingerprint(fixed, datagram, origin),
            around: origin.hash(u64::from(fixed[1]), before),
            link: link.hash,
            interface: link.interface,
            direction: link.direction,
            loopback: link.loopback || fixed[12] == 127,
        })
    }

    /// Whether the source is an address that one host alone can have.
    pub(super) fn has_own_source(&self) -> bool {
        let source = Ipv4Addr::from(self.flow.source);
        !source.is_unspecified()
            && !source.is_link_local()
            && !source.is_loopback()
            && source.octets()[0] < 224
    }
}

fn ports(data: &[u8]) -> Option<(u16, u16)> {
    let ports = data.first_chunk::<4>()?;
    Some((
        u16::from_be_bytes([ports[0], ports[1]]),
        u16::from_be_bytes([ports[2], ports[3]]),
    ))
}

fn read_message(data: &[u8], flow: &mut Flow) -> Option<Message> {
    let (head, rest) = data.split_first_chunk::<8>()?;
    let identifier = u16::from_be_bytes([head[4], head[5]]);
    let sequence = u16::from_be_bytes([head[6], head[7]]);
    match head[0] {
        8 => {
            flow.from = identifier;
            Some(Message::Request { sequence })
        }
        0 => {
            flow.to = identifier;
            Some(Message::Reply { sequence })
        }
        3 | 4 | 5 | 11 | 12 => Some(Message::Error {
            kind: head[0],
            code: head[1],
            word: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            about: quoted(rest)?,
        }),
        _ => None,
    }
}

/// The flow of a quoted datagram, if the quote says enough.
fn quoted(quote: &[u8]) -> Option<Flow> {
    let fixed = quote.first_chunk::<20>()?;
    let header_len = usize::from(fixed[0] & 0x0f) * 4;
    let later = u16::from_be_bytes([fixed[6], fixed[7]]) & 0x1fff != 0;
    if fixed[0] >> 4 != 4 || header_len < 20 || later {
        return None;
    }
    let data = quote.get(header_len..)?;
    let (from, to) = match fixed[9] {
        TCP | UDP => ports(data)?,
        ICMP => {
            let head = data.first_chunk::<8>()?;
            if head[0] != 8 {
                return None;
            }
            (u16::from_be_bytes([head[4], head[5]]), 0)
        }
        _ => (0, 0),
    };
    Some(Flow {
        source: u32::from_be_bytes([fixed[12], fixed[13], fixed[14], fixed[15]]),
        destination: u32::from_be_bytes([fixed[16], fixed[17], fixed[18], fixed[19]]),
        protocol: fixed[9],
        from,
        to,
    })
}

/// Routers change the TTL, the checksum and at times the service; nothing else.
fn fingerprint(fixed: &[u8; 20], datagram: &[u8], origin: &Origin) -> u64 {
    let [_, _, l, m, i, d, f, o, _, p, _, _, rest @ ..] = *fixed;
    let [a, b, c, e, g, h, j, k] = rest;
    let header = [l, m, i, d, f, o, p, 0, a, b, c, e, g, h, j, k];
    let data = datagram.get(20..).unwrap_or_default();
    origin.hash(origin.hash(0, &header), data)
}

/// What is known of the way a frame came.
struct Link {
    hash: u64,
    interface: Option<u64>,
    direction: Option<Direction>,
    loopback: bool,
    to_many: bool,
}

impl Link {
    fn read(frame: &Frame<'_>, around: &[Layer], origin: &Origin) -> Self {
        let number = frame.interface.map_or(u64::MAX, u64::from);
        let mut interface = frame
            .interface
            .map(|_| fold(origin.file ^ origin.seed[0], number | 1 << 40));
        let mut direction = frame.direction;
        let mut loopback = matches!(frame.link_type, LinkType::NULL | LinkType::LOOP);
        let mut to_many = false;
        let mut hash = origin.hash(origin.file, &number.to_le_bytes());
        let bytes = frame.bytes;
        match frame.link_type {
            LinkType::ETHERNET => {
                let addresses = bytes.get(..12).unwrap_or_default();
                loopback = addresses.iter().all(|byte| *byte == 0);
                to_many = addresses.first().is_some_and(|byte| byte & 1 == 1);
                hash = origin.hash(hash, addresses);
            }
            LinkType::LINUX_SLL => {
                hash = origin.hash(hash, bytes.get(..14).unwrap_or_default());
                let (kind, hardware) = (bytes.get(1).copied(), bytes.get(2..4));
                loopback = hardware == Some(&LOOPBACK);
                direction = direction.or(of_packet_type(kind));
                to_many = matches!(kind, Some(1 | 2));
            }
            LinkType::LINUX_SLL2 => {
                hash = origin.hash(hash, bytes.get(4..20).unwrap_or_default());
                interface = bytes.get(4..8).map(|index| origin.hash(origin.file, index));
                let (kind, hardware) = (bytes.get(10).copied(), bytes.get(8..10));
                loopback = hardware == Some(&LOOPBACK);
                direction = direction.or(of_packet_type(kind));
                to_many = matches!(kind, Some(1 | 2));
            }
            _ => {}
        }
        let way = match direction {
            None => 0,
            Some(Direction::In) => 1,
            Some(Direction::Out) => 2,
        };
        hash = fold(hash ^ way, origin.seed[1] | 1);
        let tags = around.iter().filter(|it| it.protocol == Protocol::Vlan);
        for tag in tags.filter_map(|it| bytes.get(it.start as usize..)?.first_chunk::<2>()) {
            hash = origin.hash(hash, &[tag[0] & 0x0f, tag[1]]);
        }
        Self {
            hash,
            interface,
            direction,
            loopback,
            to_many,
        }
    }
}

/// The kernel's packet types: to us, to all, to a group, to others, from us.
fn of_packet_type(kind: Option<u8>) -> Option<Direction> {
    match kind? {
        0..=2 => Some(Direction::In),
        4 => Some(Direction::Out),
        _ => None,
    }
}
