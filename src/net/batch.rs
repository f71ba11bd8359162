//! Many messages in one system call: `sendmmsg(2)` and `recvmmsg(2)` with a name and control
//! messages of its own for each.
//!
//! The slabs are made once and used again, so that a message costs no allocation. Any socket and
//! any address family will do; what names and control messages mean is their reader's matter
//! ([`super::ancillary`]).

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr;

use libc::{c_int, c_uint, iovec, mmsghdr, msghdr};

use super::ancillary::{Control, Name};

/// Slabs to receive into.
#[derive(Debug)]
pub(super) struct Inbox {
    /// `slots` times `stride` bytes.
    bytes: Vec<u8>,
    /// From one slot to the next: more than `size`, so that slots do not share cache sets.
    stride: usize,
    /// The most bytes taken of a message.
    size: usize,
    slots: Vec<Slot>,
    vectors: Vectors,
    /// How many messages the next call asks for, as making ready for more than come takes time.
    wanted: usize,
    /// How many messages the last call brought.
    filled: usize,
    /// Whether it brought all it asked for.
    crowded: bool,
}

/// Of a message received, what is not its bytes.
#[derive(Debug, Clone, Copy)]
struct Slot {
    name: Name,
    control: Control,
    length: usize,
    flags: c_int,
}

/// One message received.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received<'a> {
    /// Its bytes, as many as fit.
    pub(super) bytes: &'a [u8],
    /// Whom it came from; in an error queue, whom the failed message went to.
    pub(super) name: &'a Name,
    /// What the kernel says of it.
    pub(super) control: &'a Control,
    /// True when the slab was too small for all of it (`MSG_TRUNC`).
    pub(super) truncated: bool,
}

impl Inbox {
    /// Slabs for `slots` messages of up to `size` bytes.
    pub(super) fn new(slots: usize, size: usize) -> Self {
        const LINE: usize = 64;
        let stride = size
            .max(1)
            .div_ceil(LINE)
            .saturating_add(1)
            .saturating_mul(LINE);
        let slot = Slot {
            name: Name::none(),
            control: Control::new(),
            length: 0,
            flags: 0,
        };
        Self {
            bytes: vec![0; stride.saturating_mul(slots)],
            stride,
            size: size.max(1),
            slots: vec![slot; slots],
            vectors: Vectors::new(slots),
            wanted: slots,
            filled: 0,
            crowded: false,
        }
    }

    /// Takes what has come; waits for none. Asks for one message more than the call before brought,
    /// and for twice as many if that one brought all it asked for. With `MSG_ERRQUEUE` in `flags`
    /// from the error queue. None at all is Ok(0).
    ///
    /// # Errors
    /// What the kernel says, except that there is nothing or that a signal came.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>, flags: c_int) -> io::Result<usize> {
        self.filled = 0;
        self.crowded = false;
        self.vectors.clear();
        let chunks = self.bytes.chunks_exact_mut(self.stride);
        for (slot, chunk) in self.slots.iter_mut().zip(chunks).take(self.wanted) {
            let room = chunk.len().min(self.size);
            self.vectors.push(
                (slot.name.bytes.as_mut_ptr(), slot.name.bytes.len()),
                (chunk.as_mut_ptr(), room),
                (slot.control.bytes.as_mut_ptr(), slot.control.bytes.len()),
            );
        }
        let headers = self.vectors.headers();
        let count = c_uint::try_from(headers.len()).unwrap_or(0);
        let flags = flags | libc::MSG_DONTWAIT;
        // SAFETY: the descriptor is open while it is borrowed. Each of the `count` headers points
        // to a name, an iovec and a control buffer that were made above from exclusive borrows of
        // self, which outlive the call, with the lengths there are; the iovec points to a chunk of
        // `self.bytes` likewise. No time limit is given.
        let result = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                headers.as_mut_ptr(),
                count,
                flags as _,
                ptr::null_mut(),
            )
        };
        let Ok(filled) = usize::try_from(result) else {
            return none_yet(io::Error::last_os_error());
        };
        for (slot, header) in self.slots.iter_mut().zip(headers.iter()).take(filled) {
            slot.length = usize::try_from(header.msg_len).unwrap_or(0);
            let header = &header.msg_hdr;
            slot.name.length = usize::try_from(header.msg_namelen).unwrap_or(0);
            slot.control.length = header.msg_controllen as _;
            slot.flags = header.msg_flags;
        }
        self.filled = filled;
        self.crowded = filled == self.wanted;
        let more = if self.crowded { filled } else { 1 };
        self.wanted = filled.saturating_add(more).min(self.slots.len());
        Ok(filled)
    }

    /// Takes one message, if one has come, without name or control messages, and tells of no more:
    /// half the work of [`receive`](Self::receive) for who knows how many there are and whence.
    ///
    /// # Errors
    /// As there.
    pub(super) fn receive_bare(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.filled = 0;
        self.crowded = false;
        let first = self.slots.first_mut();
        let Some((slot, bytes)) = first.zip(self.bytes.get_mut(..self.size)) else {
            return Ok(0);
        };
        // All of a message's length is told, whatever fits.
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        // SAFETY: the descriptor is open while it is borrowed, and the kernel writes at most as
        // many bytes as the slice it is given has, which is borrowed exclusively.
        let result = unsafe {
            libc::recv(
                socket.as_raw_fd(),
                bytes.as_mut_ptr().cast(),
                bytes.len(),
                flags,
            )
        };
        let Ok(length) = usize::try_from(result) else {
            return none_yet(io::Error::last_os_error());
        };
        slot.name.length = 0;
        slot.control.length = 0;
        slot.length = length.min(bytes.len());
        slot.flags = if length > bytes.len() {
            libc::MSG_TRUNC
        } else {
            0
        };
        self.filled = 1;
        Ok(1)
    }

    /// Whether the last call brought all it asked for, so that there may be more.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// The messages of the last call, in the order they came.
    pub(super) fn messages(&self) -> impl Iterator<Item = Received<'_>> {
        let chunks = self.bytes.chunks_exact(self.stride);
        let slots = self.slots.iter().take(self.filled);
        slots.zip(chunks).map(|(slot, chunk)| Received {
            bytes: chunk.get(..slot.length.min(self.size)).unwrap_or_default(),
            name: &slot.name,
            control: &slot.control,
            truncated: slot.flags & libc::MSG_TRUNC != 0,
        })
    }
}

/// No message, unless it is for another reason than that there is none, or a signal came.
fn none_yet(error: io::Error) -> io::Result<usize> {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
        _ => Err(error),
    }
}

/// Messages to be sent, copied here one after the other.
#[derive(Debug)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    controls: Vec<u8>,
    messages: Vec<Letter>,
    vectors: Vectors,
}

#[derive(Debug, Clone, Copy)]
struct Letter {
    name: Name,
    /// Where its control messages end in `controls`, and it in `bytes`; both begin where those of
    /// the one before end.
    control_end: usize,
    end: usize,
}

impl Outgoing {
    /// Room for `slots` messages at first; it grows when there are more.
    pub(super) fn new(slots: usize) -> Self {
        Self {
            bytes: Vec::new(),
            controls: Vec::new(),
            messages: Vec::with_capacity(slots),
            vectors: Vectors::new(slots),
        }
    }

    /// Forgets all messages and keeps the room.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.controls.clear();
        self.messages.clear();
    }

    /// How many messages there are.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// Adds a message that goes to `name`, with `control`, of the bytes that `body` appends.
    pub(super) fn push(&mut self, name: Name, control: &Control, body: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        body(&mut self.bytes);
        // A body that took bytes away has none.
        if self.bytes.len() < start {
            self.bytes.resize(start, 0);
        }
        self.controls.extend_from_slice(control.as_bytes());
        self.messages.push(Letter {
            name,
            control_end: self.controls.len(),
            end: self.bytes.len(),
        });
    }

    /// Sends the messages from number `first` on, until one is refused, and says how many went.
    /// Waits for nothing.
    ///
    /// # Errors
    /// Why the first of them was refused.
    pub(super) fn send(&mut self, socket: BorrowedFd<'_>, first: usize) -> io::Result<usize> {
        if let (0, [letter], []) = (first, self.messages.as_slice(), self.controls.as_slice()) {
            return plainly(socket, &letter.name, &self.bytes);
        }
        self.vectors.clear();
        let before = first
            .checked_sub(1)
            .and_then(|last| self.messages.get(last));
        let (mut start, mut control_start) =
            before.map_or((0, 0), |letter| (letter.end, letter.control_end));
        for letter in self.messages.iter_mut().skip(first) {
            let body = self.bytes.get_mut(start..letter.end).unwrap_or_default();
            let control = self.controls.get_mut(control_start..letter.control_end);
            let control = control.unwrap_or_default();
            (start, control_start) = (letter.end, letter.control_end);
            self.vectors.push(
                (letter.name.bytes.as_mut_ptr(), letter.name.as_bytes().len()),
                (body.as_mut_ptr(), body.len()),
                (control.as_mut_ptr(), control.len()),
            );
        }
        let headers = self.vectors.headers();
        if headers.is_empty() {
            return Ok(0);
        }
        let count = c_uint::try_from(headers.len()).unwrap_or(0);
        // SAFETY: the descriptor is open while it is borrowed. Each of the `count` headers points
        // to a name, an iovec and control messages of `self.messages`, `self.bytes` and
        // `self.controls`, borrowed above with the lengths that are filled; they outlive the call,
        // and the kernel writes to nothing but the headers' own lengths.
        let result = unsafe {
            match headers {
                [header] => {
                    let sent =
                        libc::sendmsg(socket.as_raw_fd(), &raw const header.msg_hdr, SEND_FLAGS);
                    if sent < 0 { -1 } else { 1 }
                }
                headers => libc::sendmmsg(
                    socket.as_raw_fd(),
                    headers.as_mut_ptr(),
                    count,
                    SEND_FLAGS as _,
                ),
            }
        };
        usize::try_from(result).map_err(|_| io::Error::last_os_error())
    }
}

/// Waits for nothing, and never kills.
const SEND_FLAGS: c_int = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// Sends one message that has no control messages, which takes less than one that may.
fn plainly(socket: BorrowedFd<'_>, name: &Name, bytes: &[u8]) -> io::Result<usize> {
    let name = name.as_bytes();
    let at = if name.is_empty() {
        ptr::null()
    } else {
        name.as_ptr().cast()
    };
    let length = libc::socklen_t::try_from(name.len()).unwrap_or(0);
    // SAFETY: the descriptor is open while it is borrowed; the kernel reads as many bytes as the
    // two slices have, which outlive the call.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            bytes.as_ptr().cast(),
            bytes.len(),
            SEND_FLAGS,
            at,
            length,
        )
    };
    if sent < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(1)
}

/// The kernel's own view of some messages, made anew for each call: it overwrites the lengths.
struct Vectors {
    parts: Vec<iovec>,
    headers: Vec<mmsghdr>,
}

// SAFETY: the pointers are made and used within one call of `receive` or `send`; between calls they
// are never followed, so it does not matter on which thread they lie.
unsafe impl Send for Vectors {}

impl std::fmt::Debug for Vectors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vectors").finish_non_exhaustive()
    }
}

impl Vectors {
    fn new(slots: usize) -> Self {
        Self {
            parts: Vec::with_capacity(slots),
            headers: Vec::with_capacity(slots),
        }
    }

    fn clear(&mut self) {
        self.parts.clear();
        self.headers.clear();
    }

    /// Adds one: where its name, its bytes and its control messages are, and how long. No name and
    /// no control messages are of no length.
    fn push(&mut self, name: (*mut u8, usize), body: (*mut u8, usize), control: (*mut u8, usize)) {
        let present = |(at, length): (*mut u8, usize)| match length {
            0 => ptr::null_mut(),
            _ => at.cast(),
        };
        self.parts.push(iovec {
            iov_base: body.0.cast(),
            iov_len: body.1,
        });
        // SAFETY: zeros are a header without name, bytes and control messages; libc says it so
        // because its padding differs from system to system.
        let mut header: msghdr = unsafe { std::mem::zeroed() };
        header.msg_name = present(name);
        header.msg_namelen = libc::socklen_t::try_from(name.1).unwrap_or(0);
        header.msg_control = present(control);
        header.msg_controllen = control.1 as _;
        header.msg_iovlen = 1;
        self.headers.push(mmsghdr {
            msg_hdr: header,
            msg_len: 0,
        });
    }

    /// The headers, each told where its bytes are, now that no more is added.
    fn headers(&mut self) -> &mut [mmsghdr] {
        for (header, part) in self.headers.iter_mut().zip(&mut self.parts) {
            header.msg_hdr.msg_iov = ptr::from_mut(part);
        }
        &mut self.headers
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use super::*;
    use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn messages_arrive_with_their_names_and_lengths() {
        let loopback = SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0);
        let (from, to) = (
            UdpSocket::bind(loopback).unwrap(),
            UdpSocket::bind(loopback).unwrap(),
        );
        let SocketAddr::V4(target) = to.local_addr().unwrap() else {
            panic!("an IPv4 socket has an IPv4 address");
        };
        let mut outgoing = Outgoing::new(1);
        for length in 0..5_u8 {
            outgoing.push(Name::ipv4(target), &Control::new(), |bytes| {
                bytes.extend(0..length);
            });
        }
        // The first two go alone.
        assert_eq!(outgoing.len(), 5);
        assert_eq!(outgoing.send(from.as_fd(), 2).unwrap(), 3);
        assert_eq!(outgoing.send(from.as_fd(), 5).unwrap(), 0);
        outgoing.clear();
        assert_eq!(outgoing.send(from.as_fd(), 0).unwrap(), 0);

        let mut inbox = Inbox::new(2, 3);
        assert_eq!(inbox.receive(to.as_fd(), 0).unwrap(), 2);
        let received: Vec<_> = inbox
            .messages()
            .map(|message| (message.bytes.to_vec(), message.truncated))
            .collect();
        assert_eq!(received, [(vec![0, 1], false), (vec![0, 1, 2], false)]);
        assert_eq!(inbox.receive(to.as_fd(), 0).unwrap(), 1);
        let last = inbox.messages().next().unwrap();
        assert_eq!((last.bytes, last.truncated), (&[0, 1, 2][..], true));
        assert_eq!(
            last.name.as_ipv4().map(SocketAddr::V4),
            Some(from.local_addr().unwrap())
        );
        assert_eq!(inbox.receive(to.as_fd(), 0).unwrap(), 0);
        assert_eq!(inbox.messages().count(), 0);
    }

    #[test]
    fn a_refusal_says_why_and_how_many_went_before() {
        let (from, to) = UnixDatagram::pair().unwrap();
        let mut outgoing = Outgoing::new(4);
        for _ in 0..2000 {
            outgoing.push(Name::none(), &Control::new(), |bytes| bytes.push(1));
        }
        let sent = outgoing.send(from.as_fd(), 0).unwrap();
        assert!(sent > 0 && sent < 2000);
        let error = outgoing.send(from.as_fd(), sent).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(to);
        let error = outgoing.send(from.as_fd(), sent).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
