//! What a view's link layer carries.

use super::Run;
use super::view::{Link, View};
use crate::filter::deep;
use crate::filter::names::{self, IPV4, IPV6};

impl Run<'_, '_> {
    /// True when the link layer announces this Ethertype or LLC service access point.
    pub(super) fn carries(&self, view: &View, number: u32) -> Option<bool> {
        let network = view.network;
        Some(match view.link {
            Link::Ethernet(field) => {
                let found = self.half(field)?;
                let typed = if number == names::LLC_IPX {
                    names::IPX
                } else {
                    number
                };
                if found > names::LONGEST_802_3 {
                    return Some(found == typed);
                }
                // A number that small is a length, and an LLC header follows.
                match number {
                    names::LLC_IPX => self.llc(network, number)? || self.half(network)? == 0xffff,
                    names::ATALK | names::AARP | 0..=names::LONGEST_802_3 => {
                        self.llc(network, number)?
                    }
                    _ => false,
                }
            }
            Link::Cooked(field) => {
                let found = self.half(field)?;
                match number {
                    names::LLC_IPX if found == 1 || found == names::IPX => true,
                    names::ATALK | names::AARP if found == number => true,
                    names::ATALK | names::AARP | 0..=names::LONGEST_802_3 => {
                        found == 4 && self.llc(network, number)?
                    }
                    _ => found == number,
                }
            }
            Link::EtherType(field) => self.half(field)? == names::cisco(number),
            Link::Ppp(field) => {
                let found = self.half(field)?;
                found == deep::ppp_number(number)
            }
            Link::HostFamily => {
                let found = self.word(0)?;
                family(number, found) || family(number, found.swap_bytes())
            }
            Link::NetworkFamily => family(number, self.word(0)?),
            Link::Version => self.version(network, number)?,
            Link::Mpls => match number {
                IPV4 | IPV6 => {
                    self.byte(network.checked_sub(2)?)? & 1 == 1 && self.version(network, number)?
                }
                _ => false,
            },
            Link::Known(known) => known == number,
            Link::Opaque => false,
        })
    }

    fn version(&self, network: usize, number: u32) -> Option<bool> {
        Some(match number {
            IPV4 => self.byte(network)? >> 4 == 4,
            IPV6 => self.byte(network)? >> 4 == 6,
            _ => false,
        })
    }

    fn llc(&self, network: usize, number: u32) -> Option<bool> {
        let snap = |organization: u32, protocol: u32| {
            let tail = ((organization & 0xffff) << 16) | protocol;
            Some(
                self.word(network + 4)? == tail
                    && self.word(network)? == 0xaaaa_0300 | (organization >> 16),
            )
        };
        match number {
            names::LLC_ISO => Some(self.half(network)? == 0xfefe),
            names::LLC_NETBEUI => Some(self.half(network)? == 0xf0f0),
            names::LLC_IPX => Some(snap(0, names::IPX)? || self.byte(network)? == 0xe0),
            names::ATALK => snap(0x08_0007, names::ATALK),
            names::AARP => snap(0, names::AARP),
            _ => Some(self.byte(network)? == number),
        }
    }
}

/// The BSD address families of IPv4, and of IPv6 on Linux, NetBSD, FreeBSD and macOS.
pub(in crate::filter) fn family(number: u32, found: u32) -> bool {
    match number {
        IPV4 => found == 2,
        IPV6 => matches!(found, 10 | 24 | 28 | 30),
        _ => false,
    }
}
