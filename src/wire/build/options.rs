//! IPv4 and TCP options, one by one: values to bytes, and bytes to the values that give them
//! back exactly.
//!
//! Knows the layout of those that people write by hand; any other is its number and its data,
//! and what fits no layout at all is raw bytes.

use std::net::Ipv4Addr;

/// An IPv4 option (RFC 791 section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ipv4Option {
    /// End of Options List.
    End,
    /// No Operation.
    NoOperation,
    /// Record Route, Loose or Strict Source Route by their type numbers 7, 131 and 137.
    Route {
        /// Type number.
        kind: u8,
        /// Byte of the option, counted from 1, where the next address belongs.
        pointer: u8,
        /// The slots.
        slots: Vec<Ipv4Addr>,
    },
    /// Internet Timestamp.
    Timestamp {
        /// Byte of the option, counted from 1, where the next stamp belongs.
        pointer: u8,
        /// Hosts that found no room (4 bits).
        overflow: u8,
        /// 0 stamps only, 1 each behind an address, 3 only those whose address is given (4 bits).
        flag: u8,
        /// The slots: for flag 0 stamps alone.
        slots: Vec<(Option<Ipv4Addr>, u32)>,
    },
    /// Router Alert (RFC 2113) with its value; 0 asks every router to look.
    RouterAlert(u16),
    /// Any option: its type number and what stands behind its length.
    Other(u8, Vec<u8>),
    /// Bytes that need not be an option at all.
    Raw(Vec<u8>),
}

/// Type number of Record Route.
pub const RECORD_ROUTE: u8 = 7;
/// Type number of Internet Timestamp.
const TIMESTAMP: u8 = 68;
/// Type number of Loose Source Route.
pub const LOOSE_SOURCE_ROUTE: u8 = 131;
/// Type number of Strict Source Route.
pub const STRICT_SOURCE_ROUTE: u8 = 137;
/// Type number of Router Alert.
const ROUTER_ALERT: u8 = 148;

impl Ipv4Option {
    /// Appends its bytes to `out`. What is too long for a length byte gets a length of 255.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::End => out.push(0),
            Self::NoOperation => out.push(1),
            Self::Route {
                kind,
                pointer,
                slots,
            } => {
                let mut data = vec![*pointer];
                data.extend(slots.iter().flat_map(Ipv4Addr::octets));
                sized(*kind, &data, out);
            }
            Self::Timestamp {
                pointer,
                overflow,
                flag,
                slots,
            } => {
                let mut data = vec![*pointer, overflow << 4 | flag & 0x0f];
                for (address, stamp) in slots {
                    data.extend(address.iter().flat_map(Ipv4Addr::octets));
                    data.extend_from_slice(&stamp.to_be_bytes());
                }
                sized(TIMESTAMP, &data, out);
            }
            Self::RouterAlert(value) => sized(ROUTER_ALERT, &value.to_be_bytes(), out),
            Self::Other(kind, data) => sized(*kind, data, out),
            Self::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// The options that give exactly these bytes again.
    #[must_use]
    pub fn split(bytes: &[u8]) -> Vec<Self> {
        split(bytes, Self::Raw, |kind, data| match (kind, data) {
            (0, None) => Self::End,
            (_, None) => Self::NoOperation,
            (kind, Some(data)) => Self::known(kind, data)
                .filter(|known| known.data_is(data))
                .unwrap_or_else(|| Self::Other(kind, data.to_vec())),
        })
    }

    fn known(kind: u8, data: &[u8]) -> Option<Self> {
        let (&pointer, rest) = data.split_first()?;
        match kind {
            RECORD_ROUTE | LOOSE_SOURCE_ROUTE | STRICT_SOURCE_ROUTE => Some(Self::Route {
                kind,
                pointer,
                slots: addresses(rest),
            }),
            TIMESTAMP => {
                let (&counts, rest) = rest.split_first()?;
                let word = |slot: &[u8]| slot.first_chunk().copied().map(u32::from_be_bytes);
                let slots = match counts & 0x0f {
                    0 => rest
                        .chunks(4)
                        .map(|slot| Some((None, word(slot)?)))
                        .collect::<Option<_>>()?,
                    _ => rest
                        .chunks(8)
                        .map(|slot| {
                            let (address, stamp) = slot.split_at_checked(4)?;
                            Some((Some(Ipv4Addr::from(word(address)?)), word(stamp)?))
                        })
                        .collect::<Option<_>>()?,
                };
                Some(Self::Timestamp {
                    pointer,
                    overflow: counts >> 4,
                    flag: counts & 0x0f,
                    slots,
                })
            }
            ROUTER_ALERT => Some(Self::RouterAlert(u16::from_be_bytes(*data.first_chunk()?))),
            _ => None,
        }
    }

    fn data_is(&self, data: &[u8]) -> bool {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes.get(2..) == Some(data)
    }
}

/// A TCP option (RFC 9293 section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TcpOption {
    /// End of Option List.
    End,
    /// No-Operation.
    NoOperation,
    /// Maximum Segment Size in bytes.
    Mss(u16),
    /// Window Scale (RFC 7323): bits to shift by.
    WindowScale(u8),
    /// SACK Permitted (RFC 2018).
    SackPermitted,
    /// SACK blocks: first sequence number and the one behind the last (RFC 2018).
    Sack(Vec<(u32, u32)>),
    /// Timestamps (RFC 7323): value and echo reply.
    Timestamps(u32, u32),
    /// Any option: its kind and what stands behind its length.
    Other(u8, Vec<u8>),
    /// Bytes that need not be an option at all.
    Raw(Vec<u8>),
}

impl TcpOption {
    /// Appends its bytes to `out`. What is too long for a length byte gets a length of 255.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::End => out.push(0),
            Self::NoOperation => out.push(1),
            Self::Mss(bytes) => sized(2, &bytes.to_be_bytes(), out),
            Self::WindowScale(shift) => sized(3, &[*shift], out),
            Self::SackPermitted => sized(4, &[], out),
            Self::Sack(blocks) => {
                let edges = blocks.iter().flat_map(|&(left, right)| [left, right]);
                let data: Vec<u8> = edges.flat_map(u32::to_be_bytes).collect();
                sized(5, &data, out);
            }
            Self::Timestamps(value, reply) => {
                sized(8, &[value.to_be_bytes(), reply.to_be_bytes()].concat(), out);
            }
            Self::Other(kind, data) => sized(*kind, data, out),
            Self::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }

    /// The options that give exactly these bytes again.
    #[must_use]
    pub fn split(bytes: &[u8]) -> Vec<Self> {
        split(bytes, Self::Raw, |kind, data| match (kind, data) {
            (0, None) => Self::End,
            (_, None) => Self::NoOperation,
            (kind, Some(data)) => {
                Self::known(kind, data).unwrap_or_else(|| Self::Other(kind, data.to_vec()))
            }
        })
    }

    fn known(kind: u8, data: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            let bytes = data.get(at..)?.first_chunk().copied()?;
            Some(u32::from_be_bytes(bytes))
        };
        match (kind, data) {
            (2, &[high, low]) => Some(Self::Mss(u16::from_be_bytes([high, low]))),
            (3, &[shift]) => Some(Self::WindowScale(shift)),
            (4, []) => Some(Self::SackPermitted),
            (5, data) if !data.is_empty() && data.len().is_multiple_of(8) => {
                let blocks = (0..data.len()).step_by(8);
                let blocks = blocks.map(|at| Some((word(at)?, word(at.saturating_add(4))?)));
                blocks.collect::<Option<_>>().map(Self::Sack)
            }
            (8, data) if data.len() == 8 => Some(Self::Timestamps(word(0)?, word(4)?)),
            _ => None,
        }
    }
}

/// Kind, length, data.
fn sized(kind: u8, data: &[u8], out: &mut Vec<u8>) {
    let length = u8::try_from(data.len().saturating_add(2)).unwrap_or(u8::MAX);
    out.extend_from_slice(&[kind, length]);
    out.extend_from_slice(data);
}

/// As many whole addresses as there are.
fn addresses(bytes: &[u8]) -> Vec<Ipv4Addr> {
    let (whole, _) = bytes.as_chunks::<4>();
    whole.iter().copied().map(Ipv4Addr::from).collect()
}

/// Walks a list of options as IPv4 and TCP share it: 0 ends it, 1 stands alone, all others have
/// a length. `option` makes one of a kind and the data behind its length; what cannot be walked,
/// and whatever but zeros stands behind the end, is `raw`.
fn split<T>(
    mut bytes: &[u8],
    raw: impl Fn(Vec<u8>) -> T,
    option: impl Fn(u8, Option<&[u8]>) -> T,
) -> Vec<T> {
    let mut options = Vec::new();
    while let Some((&kind, behind)) = bytes.split_first() {
        if kind == 0 && behind.iter().any(|&byte| byte != 0) {
            break;
        }
        let len = if kind <= 1 {
            1
        } else {
            behind.first().map_or(0, |&len| usize::from(len))
        };
        let Some((whole, rest)) = bytes
            .split_at_checked(len)
            .filter(|_| kind <= 1 || len >= 2)
        else {
            break;
        };
        options.push(option(kind, whole.get(2..).filter(|_| kind > 1)));
        bytes = rest;
    }
    if !bytes.is_empty() {
        options.push(raw(bytes.to_vec()));
    }
    options
}

/// The options of an IPv4 header that stand in every fragment, not only in the first: those with
/// the copied flag (RFC 791 section 3.1). Padding is left out.
#[must_use]
pub fn copied(bytes: &[u8]) -> Vec<u8> {
    let mut kept = Vec::new();
    for option in Ipv4Option::split(bytes) {
        let mut one = Vec::new();
        option.write(&mut one);
        if one.first().is_some_and(|kind| kind & 0x80 != 0) {
            kept.extend(one);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn joined<T>(options: &[T], write: impl Fn(&T, &mut Vec<u8>)) -> Vec<u8> {
        let mut bytes = Vec::new();
        for option in options {
            write(option, &mut bytes);
        }
        bytes
    }

    #[test]
    fn a_record_route_is_as_rfc_791_draws_it() {
        let option = Ipv4Option::Route {
            kind: RECORD_ROUTE,
            pointer: 4,
            slots: vec![Ipv4Addr::UNSPECIFIED; 2],
        };
        let bytes = joined(std::slice::from_ref(&option), Ipv4Option::write);
        assert_eq!(bytes, [7, 11, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Ipv4Option::split(&bytes), [option]);
    }

    #[test]
    fn only_options_with_the_copied_flag_go_into_every_fragment() {
        let list = [7, 3, 4, 1, 131, 7, 4, 192, 0, 2, 1, 148, 4, 0, 0, 0];
        assert_eq!(copied(&list), [131, 7, 4, 192, 0, 2, 1, 148, 4, 0, 0]);
    }

    #[test]
    fn a_syn_has_the_options_of_its_rfcs() {
        let options = [
            TcpOption::Mss(1460),
            TcpOption::SackPermitted,
            TcpOption::Timestamps(1, 2),
            TcpOption::NoOperation,
            TcpOption::WindowScale(7),
        ];
        let bytes = joined(&options, TcpOption::write);
        let expected = [
            2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 1, 3, 3, 7,
        ];
        assert_eq!(bytes, expected);
        assert_eq!(TcpOption::split(&bytes), options);
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(&joined(&Ipv4Option::split(&bytes), Ipv4Option::write), &bytes);
            prop_assert_eq!(&joined(&TcpOption::split(&bytes), TcpOption::write), &bytes);
        }

        #[test]
        fn lists_that_look_like_options_come_back(
            kinds in prop::collection::vec((prop::sample::select(vec![0u8, 1, 7, 68, 131, 137, 148, 2, 3, 4, 5, 8]), 0..12u8), 0..6),
            fill: u8,
        ) {
            let mut bytes = Vec::new();
            for (kind, len) in kinds {
                bytes.push(kind);
                if kind > 1 {
                    bytes.push(len);
                    bytes.extend((2..len).map(|at| fill.wrapping_mul(at)));
                }
            }
            prop_assert_eq!(&joined(&Ipv4Option::split(&bytes), Ipv4Option::write), &bytes);
            prop_assert_eq!(&joined(&TcpOption::split(&bytes), TcpOption::write), &bytes);
        }
    }
}
