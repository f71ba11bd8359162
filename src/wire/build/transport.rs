//! Transport headers and messages: ICMP, UDP and TCP values to bytes; IGMP's are next door.
//!
//! Knows nothing of the IPv4 header but the pseudo header that the checksums cover.

use super::igmp::Igmp;
use super::{Spec, put, too_much};
use crate::error::Result;
use crate::wire::checksum::{Pseudo, checksum};
use crate::wire::names;

/// The shortest quote before an extension structure, in bytes (RFC 4884 section 3).
const LEAST_QUOTE: usize = 128;
/// Errors whose second word has room for the length of the quote (RFC 4884 section 4).
const MULTIPART: [u8; 3] = [3, 11, 12];

/// What stands between the IPv4 header and the payload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Transport {
    /// Nothing: the datagram carries the payload.
    #[default]
    None,
    /// An ICMP message.
    Icmp(Icmp),
    /// An IGMP message.
    Igmp(Igmp),
    /// A UDP header.
    Udp(Udp),
    /// A TCP header.
    Tcp(Tcp),
}

/// An ICMP message (RFC 792).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Icmp {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Right by the bytes when not given.
    pub checksum: Option<u16>,
    /// The second word: identifier and sequence, gateway, pointer or MTU, as the type has it.
    pub rest: [u8; 4],
    /// The quote's length in words, the second byte of `rest`: filled in when not given, in
    /// errors with extensions (RFC 4884 section 4).
    pub length: Option<u8>,
    /// The datagram an error quotes.
    pub quote: Option<Box<Spec>>,
    /// The extension structure behind the quote, which is then padded to 128 bytes at least.
    pub extensions: Option<Extensions>,
}

impl Default for Icmp {
    /// An echo request.
    fn default() -> Self {
        Self {
            kind: 8,
            code: 0,
            checksum: None,
            rest: [0; 4],
            length: None,
            quote: None,
            extensions: None,
        }
    }
}

/// The extension structure of an ICMP message (RFC 4884 section 7).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Extensions {
    /// Right by the bytes when not given.
    pub checksum: Option<u16>,
    /// Its objects.
    pub objects: Vec<Object>,
}

/// One object of an extension structure (RFC 4884 section 7.1); its length is always right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Class number: 1 is an MPLS label stack (RFC 4950).
    pub class: u8,
    /// Class sub-type.
    pub kind: u8,
    /// What it carries.
    pub data: Vec<u8>,
}

impl Object {
    /// One entry of an MPLS label stack, as it stands in the packet (RFC 3032 section 2.1).
    #[must_use]
    pub const fn mpls_entry(label: u32, class: u8, bottom: bool, ttl: u8) -> [u8; 4] {
        let word = (label & 0x000f_ffff) << 12
            | (class as u32 & 7) << 9
            | (bottom as u32) << 8
            | ttl as u32;
        word.to_be_bytes()
    }
}

/// A UDP header (RFC 768).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Udp {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// In bytes; right by the bytes when not given.
    pub length: Option<u16>,
    /// Right by the bytes when not given; 0 says that there is none.
    pub checksum: Option<u16>,
}

/// A TCP header (RFC 9293 section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tcp {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Sequence number.
    pub sequence: u32,
    /// Acknowledgment number.
    pub acknowledgment: u32,
    /// In 32-bit words, 4 bits. When given, the options are not padded either.
    pub data_offset: Option<u8>,
    /// The twelve bits behind the data offset: four reserved ones (the last is AE), then CWR,
    /// ECE, URG, ACK, PSH, RST, SYN, FIN.
    pub flags: u16,
    /// Window.
    pub window: u16,
    /// Right by the bytes when not given.
    pub checksum: Option<u16>,
    /// Urgent pointer.
    pub urgent_pointer: u16,
    /// The options' bytes (see [`TcpOption`](super::options::TcpOption)); padded with zeros to
    /// whole words unless the data offset is given.
    pub options: Vec<u8>,
}

impl Default for Tcp {
    /// A SYN.
    fn default() -> Self {
        Self {
            source_port: 0,
            destination_port: 0,
            sequence: 0,
            acknowledgment: 0,
            data_offset: None,
            flags: 0x002,
            window: 65_535,
            checksum: None,
            urgent_pointer: 0,
            options: Vec::new(),
        }
    }
}

impl Transport {
    /// Its protocol number.
    #[must_use]
    pub fn protocol(&self) -> Option<u8> {
        match self {
            Self::None => None,
            Self::Icmp(_) => Some(names::PROTOCOL_ICMP),
            Self::Igmp(_) => Some(names::PROTOCOL_IGMP),
            Self::Udp(_) => Some(names::PROTOCOL_UDP),
            Self::Tcp(_) => Some(names::PROTOCOL_TCP),
        }
    }

    /// Header and payload.
    pub(super) fn build(&self, pseudo: &Pseudo, payload: &[u8]) -> Result<Vec<u8>> {
        match self {
            Self::None => Ok(payload.to_vec()),
            Self::Icmp(icmp) => icmp.build(payload),
            Self::Igmp(igmp) => igmp.build(payload),
            Self::Udp(udp) => udp.build(pseudo, payload),
            Self::Tcp(tcp) => tcp.build(pseudo, payload),
        }
    }
}

impl Icmp {
    fn build(&self, payload: &[u8]) -> Result<Vec<u8>> {
        let mut bytes = vec![self.kind, self.code, 0, 0];
        bytes.extend_from_slice(&self.rest);
        let mut length = self.length;
        if let Some(quote) = &self.quote {
            let mut quoted = quote.datagram()?;
            if self.extensions.is_some() {
                quoted.resize(quoted.len().max(LEAST_QUOTE).next_multiple_of(4), 0);
                if MULTIPART.contains(&self.kind) {
                    let words = u8::try_from(quoted.len() / 4);
                    length = length.or(Some(words.map_err(|_| {
                        too_much(
                            "icmp.length",
                            quoted.len(),
                            1_020,
                            "--icmp-length or a shorter quote",
                        )
                    })?));
                }
            }
            bytes.extend(quoted);
        }
        if let (Some(length), Some(place)) = (length, bytes.get_mut(5)) {
            *place = length;
        }
        if let Some(extensions) = &self.extensions {
            bytes.extend(extensions.build()?);
        }
        bytes.extend_from_slice(payload);
        let checksum = self.checksum.unwrap_or_else(|| checksum(&bytes));
        put(&mut bytes, 2, checksum);
        Ok(bytes)
    }
}

impl Extensions {
    /// Version 2, reserved bits zero.
    fn build(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0x20, 0, 0, 0];
        for object in &self.objects {
            let length = object.data.len().saturating_add(4);
            let length = u16::try_from(length)
                .map_err(|_| too_much("icmp.extensions", length, 65_535, "a shorter object"))?;
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend_from_slice(&[object.class, object.kind]);
            bytes.extend_from_slice(&object.data);
        }
        let checksum = self.checksum.unwrap_or_else(|| checksum(&bytes));
        put(&mut bytes, 2, checksum);
        Ok(bytes)
    }
}

impl Udp {
    fn build(&self, pseudo: &Pseudo, payload: &[u8]) -> Result<Vec<u8>> {
        let whole = payload.len().saturating_add(8);
        let length = match self.length {
            Some(length) => length,
            None => u16::try_from(whole).map_err(|_| {
                too_much("udp.length", whole, 65_535, "--udp-length or less payload")
            })?,
        };
        let mut bytes = Vec::with_capacity(whole);
        bytes.extend_from_slice(&self.source_port.to_be_bytes());
        bytes.extend_from_slice(&self.destination_port.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(payload);
        let checksum = self.checksum.unwrap_or_else(|| {
            // Zero would say that there is none (RFC 768).
            match sealed(pseudo, names::PROTOCOL_UDP, &bytes) {
                0 => 0xffff,
                sum => sum,
            }
        });
        put(&mut bytes, 6, checksum);
        Ok(bytes)
    }
}

impl Tcp {
    fn build(&self, pseudo: &Pseudo, payload: &[u8]) -> Result<Vec<u8>> {
        let mut options = self.options.clone();
        let words = if let Some(words) = self.data_offset {
            words
        } else {
            options.resize(options.len().next_multiple_of(4), 0);
            let words = options.len().saturating_add(20) / 4;
            u8::try_from(words)
                .ok()
                .filter(|words| *words <= 15)
                .ok_or_else(|| {
                    too_much(
                        "tcp.options",
                        options.len(),
                        40,
                        "--data-offset or fewer options",
                    )
                })?
        };
        let mut bytes = Vec::with_capacity(payload.len().saturating_add(60));
        bytes.extend_from_slice(&self.source_port.to_be_bytes());
        bytes.extend_from_slice(&self.destination_port.to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.acknowledgment.to_be_bytes());
        bytes.extend_from_slice(&(u16::from(words) << 12 | self.flags & 0x0fff).to_be_bytes());
        bytes.extend_from_slice(&self.window.to_be_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&self.urgent_pointer.to_be_bytes());
        bytes.extend(options);
        bytes.extend_from_slice(payload);
        let checksum = self
            .checksum
            .unwrap_or_else(|| sealed(pseudo, names::PROTOCOL_TCP, &bytes));
        put(&mut bytes, 16, checksum);
        Ok(bytes)
    }
}

/// The checksum over pseudo header and segment, whose own field is zero (RFC 9293 section 3.1).
fn sealed(pseudo: &Pseudo, protocol: u8, segment: &[u8]) -> u16 {
    let length = u32::try_from(segment.len()).unwrap_or(u32::MAX);
    pseudo.sum(protocol, length).with(segment).checksum()
}
