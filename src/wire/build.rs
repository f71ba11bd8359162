//! Values to bytes: one IPv4 packet, legal or deliberately broken.
//!
//! Whatever a [`Spec`] leaves open is filled in rightly: lengths, header length, protocol and
//! checksums. Whatever it gives is taken literally, however wrong. Knows nothing of sockets, of
//! notations or of how a spec came to be; [`Spec::read`] makes one out of captured bytes, and
//! [`fragment`] cuts what was built into fragments.

pub mod fragment;
pub mod igmp;
pub mod options;
mod read;
mod rewrite;
#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
mod tests;
mod transport;

use std::net::Ipv4Addr;

pub use igmp::Igmp;
pub use rewrite::Rewrite;
pub use transport::{Extensions, Icmp, Object, Tcp, Transport, Udp};

use super::checksum::{Pseudo, Sum};
use super::{ipv4_options, names};
use crate::error::{Error, Result};

/// The IPv4 header without options, in bytes (RFC 791 section 3.1).
pub(super) const HEADER: usize = 20;
/// The most bytes the IHL can give a header, in 32-bit words.
const MAX_WORDS: usize = 15;
/// Used for experimentation and testing (RFC 3692): the protocol of a packet that has none.
pub const PROTOCOL_EXPERIMENT: u8 = 253;
/// The most bytes of payload a packet may be given; far beyond what a datagram can hold, so that
/// lengths may lie.
pub const MAX_PAYLOAD: usize = 256 << 10;

/// An Ethernet header, its VLAN tags and what else stands before the datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ethernet {
    /// Who it is for; zeros unless whoever sends the frame fills it in.
    pub destination: Option<[u8; 6]>,
    /// Who it comes from; zeros unless whoever sends the frame fills it in.
    pub source: Option<[u8; 6]>,
    /// Tags, outermost first (IEEE 802.1Q).
    pub vlans: Vec<Vlan>,
    /// What follows; `0x0800` for IPv4.
    pub ethertype: u16,
    /// Bytes between this header and the datagram: of MPLS, LLC, PPPoE or another.
    pub shim: Vec<u8>,
}

/// A VLAN tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vlan {
    /// The EtherType that announces it: `0x8100`, `0x88a8` or another.
    pub tpid: u16,
    /// Priority (3 bits), drop eligible (1 bit), VLAN identifier (12 bits).
    pub tci: u16,
}

impl Default for Ethernet {
    fn default() -> Self {
        Self {
            destination: None,
            source: None,
            vlans: Vec::new(),
            ethertype: names::ETHERTYPE_IPV4,
            shim: Vec::new(),
        }
    }
}

impl Ethernet {
    /// How many bytes it puts before the datagram.
    #[must_use]
    pub fn length(&self) -> usize {
        let tags = self.vlans.len().saturating_mul(4);
        tags.saturating_add(self.shim.len()).saturating_add(14)
    }

    /// Appends the header to `out`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.destination.unwrap_or_default());
        out.extend_from_slice(&self.source.unwrap_or_default());
        for vlan in &self.vlans {
            out.extend_from_slice(&vlan.tpid.to_be_bytes());
            out.extend_from_slice(&vlan.tci.to_be_bytes());
        }
        out.extend_from_slice(&self.ethertype.to_be_bytes());
        out.extend_from_slice(&self.shim);
    }
}

/// The fields of an IPv4 header (RFC 791 section 3.1). `None` is filled in rightly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipv4 {
    /// 4 bits.
    pub version: u8,
    /// Header length in 32-bit words, 4 bits. When given, the options are not padded either.
    pub ihl: Option<u8>,
    /// 6 bits (RFC 2474).
    pub dscp: u8,
    /// 2 bits (RFC 3168).
    pub ecn: u8,
    /// In bytes.
    pub total_length: Option<u16>,
    /// Identification.
    pub identification: u16,
    /// The flag that must be zero.
    pub reserved: bool,
    /// Don't fragment.
    pub df: bool,
    /// More fragments.
    pub mf: bool,
    /// In bytes: a multiple of 8, at most 65,528; what is no multiple is rounded down.
    pub fragment_offset: u16,
    /// Time to live.
    pub ttl: u8,
    /// Protocol number; the transport's when not given.
    pub protocol: Option<u8>,
    /// Header checksum.
    pub checksum: Option<u16>,
    /// Source address; 0.0.0.0 unless whoever sends the packet fills it in.
    pub source: Option<Ipv4Addr>,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// The options' bytes (see [`options::Ipv4Option`]); padded with zeros, which are End of
    /// Options List, to whole words unless the header length is given.
    pub options: Vec<u8>,
}

impl Default for Ipv4 {
    fn default() -> Self {
        Self {
            version: 4,
            ihl: None,
            dscp: 0,
            ecn: 0,
            total_length: None,
            // Not zero: the kernel would choose another.
            identification: 1,
            reserved: false,
            df: false,
            mf: false,
            fragment_offset: 0,
            ttl: 64,
            protocol: None,
            checksum: None,
            source: None,
            destination: Ipv4Addr::UNSPECIFIED,
            options: Vec::new(),
        }
    }
}

impl Ipv4 {
    /// The source address as it will stand in the header.
    #[must_use]
    pub fn source(&self) -> Ipv4Addr {
        self.source.unwrap_or(Ipv4Addr::UNSPECIFIED)
    }
}

/// One packet, as values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Spec {
    /// The frame's header, where it is given.
    pub ethernet: Option<Ethernet>,
    /// The datagram's header.
    pub ipv4: Ipv4,
    /// What stands between that header and the payload.
    pub transport: Transport,
    /// What the transport carries, or the datagram when there is none.
    pub payload: Vec<u8>,
    /// Bytes of the frame behind the datagram.
    pub trailer: Vec<u8>,
    /// Only so many bytes of datagram and trailer are kept.
    pub truncate: Option<u32>,
}

impl Spec {
    /// The datagram from its IPv4 header on, with whatever trails behind it.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::error::Kind::Usage) when a field that is to be filled in cannot
    /// hold its value: options beyond 40 bytes, lengths beyond 65,535.
    pub fn datagram(&self) -> Result<Vec<u8>> {
        let mut bytes = self.header()?;
        let header = bytes.len();
        bytes.extend(self.data()?);
        let total = match self.ipv4.total_length {
            Some(total) => total,
            None => u16::try_from(bytes.len()).map_err(|_| {
                too_much(
                    "total_length",
                    bytes.len(),
                    65_535,
                    "--total-length or less payload",
                )
            })?,
        };
        put(&mut bytes, 2, total);
        let checksum = self.ipv4.checksum.unwrap_or_else(|| {
            // The bytes that a receiver sums are those that the IHL says.
            let words = bytes.first().map_or(0, |first| usize::from(first & 0x0f));
            let summed = match words.saturating_mul(4) {
                claimed if claimed >= HEADER => claimed.min(bytes.len()),
                _ => header,
            };
            Sum::new()
                .with(bytes.get(..summed).unwrap_or_default())
                .checksum()
        });
        put(&mut bytes, 10, checksum);
        bytes.extend_from_slice(&self.trailer);
        if let Some(kept) = self.truncate {
            bytes.truncate(usize::try_from(kept).unwrap_or(usize::MAX));
        }
        Ok(bytes)
    }

    /// The frame: the Ethernet header, where there is one, and the [`datagram`](Self::datagram).
    ///
    /// # Errors
    /// As [`datagram`](Self::datagram).
    pub fn frame(&self) -> Result<Vec<u8>> {
        let mut frame = Vec::new();
        if let Some(ethernet) = &self.ethernet {
            ethernet.write(&mut frame);
        }
        frame.extend(self.datagram()?);
        Ok(frame)
    }

    /// What the datagram carries: transport header and payload.
    fn data(&self) -> Result<Vec<u8>> {
        let last_stop = ipv4_options::last_stop(&self.ipv4.options);
        let destination = last_stop.unwrap_or(self.ipv4.destination.octets());
        let pseudo = Pseudo::V4(self.ipv4.source().octets(), destination);
        self.transport.build(&pseudo, &self.payload)
    }

    /// The protocol number that the header carries.
    #[must_use]
    pub fn protocol(&self) -> u8 {
        let own = self.transport.protocol();
        self.ipv4.protocol.or(own).unwrap_or(PROTOCOL_EXPERIMENT)
    }

    /// The header with zeros for total length and checksum.
    fn header(&self) -> Result<Vec<u8>> {
        let ip = &self.ipv4;
        let mut options = ip.options.clone();
        let words = if let Some(words) = ip.ihl {
            words
        } else {
            options.resize(options.len().next_multiple_of(4), 0);
            let words = HEADER.saturating_add(options.len()) / 4;
            if words > MAX_WORDS {
                let most = MAX_WORDS * 4 - HEADER;
                return Err(too_much(
                    "options",
                    options.len(),
                    most,
                    "--ihl or fewer options",
                ));
            }
            u8::try_from(words).unwrap_or(u8::MAX)
        };
        let fragmentation = (u16::from(ip.reserved) << 15)
            | (u16::from(ip.df) << 14)
            | (u16::from(ip.mf) << 13)
            | (ip.fragment_offset / 8);
        let mut header = Vec::with_capacity(HEADER.saturating_add(options.len()));
        header.push(ip.version << 4 | words & 0x0f);
        header.push(ip.dscp << 2 | ip.ecn & 3);
        header.extend_from_slice(&[0; 2]);
        header.extend_from_slice(&ip.identification.to_be_bytes());
        header.extend_from_slice(&fragmentation.to_be_bytes());
        header.extend_from_slice(&[ip.ttl, self.protocol(), 0, 0]);
        header.extend_from_slice(&ip.source().octets());
        header.extend_from_slice(&ip.destination.octets());
        header.extend(options);
        Ok(header)
    }
}

/// Overwrites two bytes at `at`, if they are there.
fn put(bytes: &mut [u8], at: usize, value: u16) {
    let place = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
    if let Some(place) = place {
        *place = value.to_be_bytes();
    }
}

fn too_much(field: &str, value: usize, most: usize, advice: &str) -> Error {
    Error::usage(
        format!("building the packet's {field}"),
        format!("{value} bytes are more than {most}"),
    )
    .advice(format!("give {advice}"))
}
