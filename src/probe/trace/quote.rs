//! What an ICMP error quotes of the datagram it is about. Reads what is there; whose datagram it
//! is, is not its business.

use std::net::Ipv4Addr;

use crate::wire::field::Lens;

/// A quoted datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Quote<'a> {
    pub(super) tos: u8,
    pub(super) identification: u16,
    pub(super) ttl: u8,
    pub(super) protocol: u8,
    pub(super) source: Ipv4Addr,
    pub(super) destination: Ipv4Addr,
    /// From the first byte of the transport header, as far as it was quoted.
    pub(super) transport: &'a [u8],
}

impl<'a> Quote<'a> {
    /// Reads it; `None` when it is no IPv4 header, less than one, or a later fragment.
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let lens = Lens(bytes);
        let first = lens.u8(0)?;
        let header = usize::from(first & 0x0f) * 4;
        if first >> 4 != 4 || header < 20 || lens.u16(6)? & 0x1fff != 0 {
            return None;
        }
        Some(Self {
            tos: lens.u8(1)?,
            identification: lens.u16(4)?,
            ttl: lens.u8(8)?,
            protocol: lens.u8(9)?,
            source: lens.array::<4>(12)?.into(),
            destination: lens.array::<4>(16)?.into(),
            transport: bytes.get(header..).unwrap_or_default(),
        })
    }
}
