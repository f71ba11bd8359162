//! Asking rtnetlink for a list: a dump request out, whole messages in (RFC 3549, netlink(7)).
//!
//! Knows how messages and attributes are laid out and how a dump ends; what they mean is for
//! the caller. Netlink never leaves the host: every number is in host byte order.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect, recv, send,
    socket,
};

/// Length of `struct nlmsghdr`: length (4), type (2), flags (2), sequence (4), port (4).
const HEADER_LEN: usize = 16;
/// Length of `struct rtattr`: length (2), type (2).
const ATTRIBUTE_LEN: usize = 4;
/// Messages and attributes begin at multiples of this.
const ALIGNMENT: usize = 4;
/// The two high bits of an attribute's type are flags (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const ATTRIBUTE_TYPE_MASK: u16 = 0x3fff;
/// The kernel fills at most 32 KiB at a time when the reader offers more.
const BUFFER_LEN: usize = 64 * 1024;
/// How often a dump is begun again because the list changed under it.
const ATTEMPTS: u32 = 16;

/// Request flags: the whole list, please (`NLM_F_REQUEST | NLM_F_DUMP`).
const REQUEST_DUMP: u16 = 0x0301;
/// Request flag: one answer (`NLM_F_REQUEST`).
const REQUEST: u16 = 0x0001;
/// Answer flag: the list changed under way (`NLM_F_DUMP_INTR`).
const DUMP_INTERRUPTED: u16 = 0x0010;
/// Message type: an error, or that all is well (`NLMSG_ERROR`).
const ERROR: u16 = 2;
/// Message type: the list ends (`NLMSG_DONE`).
const DONE: u16 = 3;

/// One message: its type, its flags and what follows its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) body: &'a [u8],
}

/// An rtnetlink socket. It needs no privilege: lists are open to everyone.
#[derive(Debug)]
pub(super) struct Netlink {
    socket: OwnedFd,
    sequence: u32,
}

impl Netlink {
    /// A socket that talks to the kernel and hears nobody else.
    pub(super) fn open() -> io::Result<Self> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkRoute,
        )?;
        // Connected to port 0, the kernel, the socket refuses what other processes send it.
        connect(socket.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Asks for the list that request type `kind` names and hands each entry to `parse`, which
    /// keeps what it wants. `family_header_len` is the length of the request's fixed part, all
    /// zeros: any family, any interface.
    ///
    /// A list that changes while it is read is read again.
    pub(super) fn list<T>(
        &mut self,
        kind: u16,
        family_header_len: usize,
        mut parse: impl FnMut(Message<'_>) -> Option<T>,
    ) -> io::Result<Vec<T>> {
        for _ in 0..ATTEMPTS {
            self.sequence = self.sequence.wrapping_add(1);
            let request = request(kind, self.sequence, family_header_len);
            send(self.socket.as_raw_fd(), &request, MsgFlags::empty())?;
            let mut entries = Vec::new();
            if self.read_list(|message| entries.extend(parse(message)))? {
                return Ok(entries);
            }
        }
        Err(io::Error::other("the list kept changing while it was read"))
    }

    /// Asks one question, whose body is a fixed part and attributes, and hands the one answer to
    /// `parse`; None when it does not say what was asked for.
    pub(super) fn ask<T>(
        &mut self,
        kind: u16,
        body: &[u8],
        parse: impl Fn(Message<'_>) -> Option<T>,
    ) -> io::Result<Option<T>> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = message(kind, REQUEST, self.sequence, body);
        send(self.socket.as_raw_fd(), &request, MsgFlags::empty())?;
        let mut buffer = vec![0; BUFFER_LEN];
        loop {
            let length = match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_TRUNC) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            match next_message(buffer.get(..length).unwrap_or_default()) {
                Some((_, sequence, _)) if sequence != self.sequence => {}
                Some((message, ..)) if message.kind == ERROR => return Err(error_of(message)),
                Some((message, ..)) => return Ok(parse(message)),
                None => return Err(io::Error::other("the kernel sent half a message")),
            }
        }
    }

    /// Reads until the list ends; false when it changed under way and is not to be trusted.
    fn read_list(&self, mut visit: impl FnMut(Message<'_>)) -> io::Result<bool> {
        let mut buffer = vec![0; BUFFER_LEN];
        let mut consistent = true;
        loop {
            // With MSG_TRUNC the kernel tells the whole length even of what did not fit.
            let length = match recv(self.socket.as_raw_fd(), &mut buffer, MsgFlags::MSG_TRUNC) {
                Err(Errno::EINTR) => continue,
                other => other?,
            };
            let mut rest = buffer
                .get(..length)
                .ok_or_else(|| io::Error::other("the kernel sent more than fits"))?;
            while let Some((message, sequence, after)) = next_message(rest) {
                rest = after;
                if sequence != self.sequence {
                    continue;
                }
                consistent &= message.flags & DUMP_INTERRUPTED == 0;
                match message.kind {
                    DONE => return Ok(consistent),
                    ERROR => return Err(error_of(message)),
                    _ => visit(message),
                }
            }
            if !rest.is_empty() || length == 0 {
                return Err(io::Error::other("the kernel sent half a message"));
            }
        }
    }
}

/// A dump request with a fixed part of zeros.
fn request(kind: u16, sequence: u32, family_header_len: usize) -> Vec<u8> {
    message(kind, REQUEST_DUMP, sequence, &vec![0; family_header_len])
}

/// A request: header, and the body with the port left to the kernel.
fn message(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = HEADER_LEN.saturating_add(body.len());
    let mut bytes = Vec::with_capacity(length);
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes
}

/// The errno in an error message, which the kernel sends negated.
fn error_of(message: Message<'_>) -> io::Error {
    match message.body.first_chunk() {
        Some(&code) => io::Error::from_raw_os_error(i32::from_ne_bytes(code).saturating_neg()),
        None => io::Error::other("the kernel refused without a reason"),
    }
}

/// The first message of `bytes`, its sequence number, and what comes after it; None at the end
/// or where a message is not whole.
fn next_message(bytes: &[u8]) -> Option<(Message<'_>, u32, &[u8])> {
    let (header, _) = bytes.split_at_checked(HEADER_LEN)?;
    let length = usize::try_from(u32_at(header, 0)?).ok()?;
    let body = bytes.get(HEADER_LEN..length)?;
    let message = Message {
        kind: u16_at(header, 4)?,
        flags: u16_at(header, 6)?,
        body,
    };
    Some((message, u32_at(header, 8)?, after(bytes, length)))
}

/// The attributes (type, value) in `bytes`; it ends where the next one is not whole.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & ATTRIBUTE_TYPE_MASK;
        let value = bytes.get(ATTRIBUTE_LEN..length)?;
        bytes = after(bytes, length);
        Some((kind, value))
    })
}

/// What follows an item of `length` bytes and its padding; the last item may go without.
fn after(bytes: &[u8], length: usize) -> &[u8] {
    bytes
        .get(length.next_multiple_of(ALIGNMENT)..)
        .unwrap_or_default()
}

/// The 16-bit number at this offset, in host byte order.
pub(super) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let value = bytes.get(offset..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*value))
}

/// The 32-bit number at this offset, in host byte order.
pub(super) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let value = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*value))
}

/// An attribute and its padding.
pub(super) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(ATTRIBUTE_LEN.saturating_add(value.len())).unwrap_or(u16::MAX);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use nix::libc;

    use super::*;

    #[test]
    fn a_request_is_a_header_and_zeros() {
        let bytes = request(libc::RTM_GETLINK, 7, 16);
        let (message, sequence, rest) = next_message(&bytes).unwrap();
        assert_eq!(bytes.len(), 32);
        assert_eq!((message.kind, sequence), (18, 7));
        // NLM_F_REQUEST is 1, NLM_F_ROOT 0x100, NLM_F_MATCH 0x200 (RFC 3549, section 2.3.2.2).
        assert_eq!(message.flags, 0x301);
        assert_eq!(message.body, [0; 16]);
        assert!(rest.is_empty());
    }

    #[test]
    fn messages_follow_each_other_at_multiples_of_four() {
        let mut bytes = request(16, 1, 3);
        bytes.push(0);
        bytes.extend(request(20, 2, 8));
        let (first, _, rest) = next_message(&bytes).unwrap();
        let (second, _, rest) = next_message(rest).unwrap();
        assert_eq!((first.kind, first.body.len()), (16, 3));
        assert_eq!((second.kind, second.body.len()), (20, 8));
        assert!(rest.is_empty());
    }

    #[test]
    fn a_message_that_is_not_whole_is_none() {
        let bytes = request(16, 1, 16);
        for length in 0..bytes.len() {
            assert_eq!(next_message(&bytes[..length]), None);
        }
        for claimed in 0_u32..16 {
            let mut bytes = bytes.clone();
            bytes[..4].copy_from_slice(&claimed.to_ne_bytes());
            assert_eq!(next_message(&bytes), None);
        }
    }

    #[test]
    fn attributes_end_where_one_is_cut() {
        let mut bytes = attribute(3, b"lo\0");
        bytes.extend(attribute(0x8000 | 4, &1500_u32.to_ne_bytes()));
        let all: Vec<_> = attributes(&bytes).collect();
        assert_eq!(all, [(3, &b"lo\0"[..]), (4, &1500_u32.to_ne_bytes()[..])]);
        for length in 0..bytes.len() {
            let expected = usize::from(length >= 7);
            assert_eq!(attributes(&bytes[..length]).count(), expected, "{length}");
        }
        for claimed in 0_u16..4 {
            assert_eq!(
                attributes(&[claimed.to_ne_bytes(), [3, 0]].concat()).count(),
                0
            );
        }
    }

    #[test]
    fn a_refusal_carries_the_errno() {
        let body = (-libc::EPERM).to_ne_bytes();
        let message = Message {
            kind: ERROR,
            flags: 0,
            body: &body,
        };
        assert_eq!(error_of(message).raw_os_error(), Some(libc::EPERM));
    }

    #[test]
    fn the_kernel_refuses_a_request_it_does_not_know() {
        let mut netlink = Netlink::open().unwrap();
        let answer = netlink.list(0x7ffc, 16, |_| Some(()));
        assert_eq!(answer.unwrap_err().raw_os_error(), Some(libc::EOPNOTSUPP));
    }
}
