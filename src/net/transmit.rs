//! Putting exact bytes on the wire, and watching them leave.
//!
//! A raw socket is used for datagrams that the kernel would not change, a packet socket for all
//! else. Bytes come in whole; what they mean is told by whoever built them.

use std::ffi::OsStr;
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::ancillary::{Control, Name};
use super::batch::{Inbox, Outgoing};
use super::clock::wall;
use super::interface::Interface;
use super::live::link::{Sender, Told};
use super::route::Path;
use super::{ring, sockopt};
use crate::error::{Error, Kind, Result, counted};
use crate::wire::checksum::checksum;
use crate::wire::frame::{Direction, LinkType, Time};

/// Messages a system call.
pub const BATCH: usize = 64;
/// Raw datagrams with a header of our own (raw(7)).
const IPPROTO_RAW: i32 = 255;
/// Room in a socket's buffers, so that a burst neither waits nor is lost.
const BUFFER: usize = 4 << 20;
/// Frames of any interface fit: 64 KiB, its header and tags.
const MAX_FRAME: usize = (64 << 10) + 64;
/// How long a full queue is waited for before the packet counts as failed.
const PATIENCE: Duration = Duration::from_secs(2);
/// EtherType of IPv4, for links without headers.
const ETH_P_IP: u16 = 0x0800;
/// Both MAC addresses of an Ethernet header: a tag that was taken out comes after them.
const ADDRESSES: usize = 12;

/// Whether a raw socket would send these bytes as they are: the kernel fills in total length,
/// checksum, a zero identification and a zero source (raw(7)), reassembles fragments where it
/// tracks connections, and refuses what is longer than the link takes.
#[must_use]
pub fn kernel_keeps(datagram: &[u8], mtu: Option<u32>) -> bool {
    let Some(header) = datagram.first_chunk::<20>() else {
        return false;
    };
    let [
        first,
        _,
        l1,
        l2,
        i1,
        i2,
        f1,
        f2,
        _,
        _,
        _,
        _,
        s1,
        s2,
        s3,
        s4,
        ..,
    ] = *header;
    let words = usize::from(first & 0x0f);
    let whole = datagram.get(..words.saturating_mul(4));
    first >> 4 == 4
        && words >= 5
        && whole.is_some_and(|header| checksum(header) == 0)
        && usize::from(u16::from_be_bytes([l1, l2])) == datagram.len()
        && [i1, i2] != [0; 2]
        && [f1 & 0x3f, f2] == [0; 2]
        && [s1, s2, s3, s4] != [0; 4]
        && mtu.is_none_or(|mtu| datagram.len() as u64 <= u64::from(mtu))
}

/// What came of a burst.
#[derive(Debug, Default)]
pub struct Burst {
    /// Packets the kernel took.
    pub sent: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Packets it refused.
    pub failed: u64,
    /// Why it refused the first of them.
    pub error: Option<io::Error>,
}

impl Burst {
    /// Adds what came of another burst.
    pub fn add(&mut self, other: Self) {
        self.sent = self.sent.saturating_add(other.sent);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.failed = self.failed.saturating_add(other.failed);
        self.error = self.error.take().or(other.error);
    }

    /// An error if anything failed; `done` says what was to be done.
    ///
    /// # Errors
    /// [`Kind::Write`] with the kernel's first reason.
    pub fn check(self, doing: &str) -> Result<()> {
        let Some(why) = self.error else {
            return Ok(());
        };
        let all = self.sent.saturating_add(self.failed);
        let error = Error::new(
            Kind::Write,
            doing,
            format!(
                "the kernel refused {} of {}: {}",
                self.failed,
                counted(all, "packet"),
                super::plain(&why)
            ),
        );
        Err(match why.raw_os_error() {
            Some(libc::EMSGSIZE) => error.advice("--fragment MTU cuts a datagram into pieces"),
            Some(libc::EINVAL) => error.advice("a frame is no shorter than its link's header"),
            _ => error,
        })
    }
}

/// A socket that sends what it was loaded with, as often as it is told.
#[derive(Debug)]
pub struct Transmitter {
    socket: Socket,
    name: Name,
    outgoing: Outgoing,
    /// Of each packet that is loaded.
    lengths: Vec<usize>,
}

impl Transmitter {
    /// Sends datagrams to `destination`; the kernel finds the way, by this interface if one is
    /// given.
    ///
    /// # Errors
    /// Without the privilege, or when the interface cannot be used.
    pub fn datagrams(destination: Ipv4Addr, by: Option<&OsStr>) -> Result<Self> {
        let open = || {
            let protocol = Protocol::from(IPPROTO_RAW);
            let socket = Socket::new(Domain::IPV4, Type::RAW, Some(protocol))?;
            socket.set_broadcast(true)?;
            if let Some(by) = by {
                socket.bind_device(Some(by.as_bytes()))?;
            }
            Ok(socket)
        };
        let socket = open().map_err(|why| refused("opening a raw socket", &why))?;
        Ok(Self::over(
            socket,
            Name::ipv4(SocketAddrV4::new(destination, 0)),
        ))
    }

    /// Sends whole frames by this interface.
    ///
    /// # Errors
    /// Without the privilege.
    pub fn frames(by: &Interface) -> Result<Self> {
        let open = || Socket::new(Domain::PACKET, Type::RAW, None);
        let socket = open().map_err(|why| refused("opening a packet socket", &why))?;
        // With no protocol the kernel reads the frame's own, where the link has headers.
        let protocol = match by.link_type {
            Some(LinkType::ETHERNET) => 0,
            _ => ETH_P_IP,
        };
        let mut sockaddr = [0; 20];
        let family = u16::try_from(libc::AF_PACKET).unwrap_or_default();
        let [a, b] = family.to_ne_bytes();
        let [c, d] = protocol.to_be_bytes();
        let [e, f, g, h] = by.index.to_ne_bytes();
        if let Some(start) = sockaddr.first_chunk_mut() {
            *start = [a, b, c, d, e, f, g, h];
        }
        Ok(Self::over(socket, Name::new(&sockaddr)))
    }

    fn over(socket: Socket, name: Name) -> Self {
        // A smaller buffer only means more waiting.
        let _ = socket.set_send_buffer_size(BUFFER);
        Self {
            socket,
            name,
            outgoing: Outgoing::new(BATCH),
            lengths: Vec::with_capacity(BATCH),
        }
    }

    /// Forgets what was loaded.
    pub fn clear(&mut self) {
        self.outgoing.clear();
        self.lengths.clear();
    }

    /// Adds a packet to the burst.
    pub fn load(&mut self, packet: &[u8]) {
        let control = Control::new();
        self.lengths.push(packet.len());
        self.outgoing
            .push(self.name, &control, |out| out.extend_from_slice(packet));
    }

    /// How many packets are loaded.
    #[must_use]
    pub fn loaded(&self) -> usize {
        self.outgoing.len()
    }

    /// Sends what is loaded from packet number `first` on, waiting where the queue is full; it
    /// stays loaded.
    pub fn send(&mut self, first: usize) -> Burst {
        let mut burst = Burst::default();
        let mut at = first;
        let mut since = None;
        while at < self.outgoing.len() {
            match self.outgoing.send(self.socket.as_fd(), at) {
                Ok(0) => break,
                Ok(sent) => {
                    let lengths = self.lengths.iter().skip(at).take(sent);
                    let bytes: usize = lengths.sum();
                    burst.bytes = burst.bytes.saturating_add(bytes as u64);
                    at = at.saturating_add(sent);
                    burst.sent = burst.sent.saturating_add(sent as u64);
                    since = None;
                }
                Err(why) if is_full(&why) && !is_over(&mut since) => self.wait(&why),
                Err(why) if why.kind() == io::ErrorKind::Interrupted => {}
                Err(why) => {
                    burst.failed = burst.failed.saturating_add(1);
                    burst.error.get_or_insert(why);
                    at = at.saturating_add(1);
                    since = None;
                }
            }
        }
        burst
    }

    fn wait(&self, why: &io::Error) {
        if why.raw_os_error() == Some(libc::ENOBUFS) {
            // The interface's queue is full, which no socket event tells.
            sleep(Duration::from_micros(50));
            return;
        }
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLOUT)];
        // A signal or an error shows at the next attempt.
        let _ = poll(&mut fds, 100_u8);
    }
}

fn is_full(why: &io::Error) -> bool {
    why.kind() == io::ErrorKind::WouldBlock || why.raw_os_error() == Some(libc::ENOBUFS)
}

/// Whether it has been waited for long enough.
fn is_over(since: &mut Option<Instant>) -> bool {
    since.get_or_insert_with(Instant::now).elapsed() > PATIENCE
}

/// A refusal, and what to do about it.
fn refused(doing: &str, why: &io::Error) -> Error {
    if why.kind() == io::ErrorKind::PermissionDenied {
        return Error::usage(doing, "it takes the capability CAP_NET_RAW").advice(
            "run as root, or once: sudo setcap cap_net_raw+ep \"$(command -v dotquad)\"; \
             send --dry-run and send -w FILE need no privilege",
        );
    }
    Error::usage(doing, super::plain(why))
}

/// One frame that went by.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'a> {
    /// Its bytes from the link layer on, with the VLAN tag that the hardware took out.
    pub bytes: &'a [u8],
    /// Whether this host received or sent it.
    pub direction: Direction,
    /// When it was taken from the socket.
    pub time: Time,
}

/// Watches an interface.
#[derive(Debug)]
pub struct Tap {
    socket: Socket,
    inbox: Inbox,
    /// The frame into which a tag is put back.
    tagged: Vec<u8>,
    /// Whether its frames have a place for a tag.
    ethernet: bool,
}

impl Tap {
    /// Watches all frames of this interface from here on.
    ///
    /// # Errors
    /// Without the privilege.
    pub fn open(on: &Interface) -> Result<Self> {
        let open = || {
            let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
            // A smaller buffer only means that a burst may be missed.
            let _ = socket.set_recv_buffer_size(BUFFER);
            let wanted: libc::c_int = 1;
            sockopt::set(
                socket.as_fd(),
                libc::SOL_PACKET,
                libc::PACKET_AUXDATA,
                &wanted,
            )?;
            let index = i32::try_from(on.index).map_err(io::Error::other)?;
            ring::bind(socket.as_fd(), index)?;
            Ok(socket)
        };
        Ok(Self {
            socket: open().map_err(|why| refused("opening a packet socket", &why))?,
            inbox: Inbox::new(16, MAX_FRAME),
            tagged: Vec::new(),
            ethernet: on.link_type == Some(LinkType::ETHERNET),
        })
    }

    /// Takes what has gone by, waiting no longer than `patience` for the first of it; the answer
    /// says whether there was any.
    ///
    /// # Errors
    /// When the interface has gone down or away.
    pub fn read(&mut self, patience: Duration, mut visit: impl FnMut(Seen<'_>)) -> Result<bool> {
        let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        // A signal ends the wait early.
        if poll(&mut fds, patience).unwrap_or(0) == 0 {
            return Ok(false);
        }
        self.inbox
            .receive(self.socket.as_fd(), 0)
            .map_err(|why| Error::usage("watching the interface", super::plain(&why)))?;
        let time = wall();
        let mut any = false;
        for message in self.inbox.messages() {
            any = true;
            let mut sender = [0; 20];
            for (to, from) in sender.iter_mut().zip(message.name.as_bytes()) {
                *to = *from;
            }
            let length = u32::try_from(message.bytes.len()).unwrap_or(u32::MAX);
            let sender = Sender(&sender);
            let mut told = Told::new(sender, length);
            for (level, kind, data) in message.control.iter() {
                if (level, kind) == (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
                    told.auxdata(data);
                }
            }
            let halves = message.bytes.split_at_checked(ADDRESSES);
            let tag = told.tag().filter(|_| self.ethernet);
            let bytes = match (tag, halves) {
                (Some(tag), Some((addresses, rest))) => {
                    self.tagged.clear();
                    for part in [addresses, &tag, rest] {
                        self.tagged.extend_from_slice(part);
                    }
                    &self.tagged
                }
                _ => message.bytes,
            };
            visit(Seen {
                bytes,
                direction: sender.direction(),
                time,
            });
        }
        Ok(any)
    }
}

/// One ARP question and what came of it, as frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The frame we sent (RFC 826).
    pub request: Vec<u8>,
    /// The frame that answered it and the address it gave, if one came.
    pub reply: Option<(Vec<u8>, [u8; 6])>,
}

/// Asks for the next hop's MAC address by one ARP request of our own, and waits so long.
///
/// # Errors
/// Without the privilege, or when the request cannot be sent.
pub fn ask(path: &Path, source: Option<Ipv4Addr>, patience: Duration) -> Result<Asked> {
    let own = path.interface.mac.map_or([0; 6], |mac| mac.0);
    let sender = source.or(path.source).unwrap_or(Ipv4Addr::UNSPECIFIED);
    let mut request = vec![0xff; 6];
    request.extend(own);
    // Ethernet type ARP; hardware Ethernet, protocol IPv4, six bytes, four bytes, request.
    request.extend([0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 1]);
    request.extend(own);
    request.extend(sender.octets());
    request.extend([0; 6]);
    request.extend(path.next_hop.octets());
    let mut tap = Tap::open(&path.interface)?;
    let mut transmitter = Transmitter::frames(&path.interface)?;
    transmitter.load(&request);
    if let Some(why) = transmitter.send(0).error {
        return Err(Error::usage(
            format!("asking for {} by ARP", path.next_hop),
            super::plain(&why),
        ));
    }
    let mut reply = None;
    let start = Instant::now();
    while reply.is_none() {
        let Some(left) = patience.checked_sub(start.elapsed()) else {
            break;
        };
        tap.read(left, |seen| {
            let answer = answers(seen.bytes, path.next_hop);
            if let Some(mac) = answer.filter(|_| seen.direction == Direction::In) {
                reply.get_or_insert((seen.bytes.to_vec(), mac));
            }
        })?;
    }
    Ok(Asked { request, reply })
}

/// The sender's MAC address of an ARP reply from this host.
fn answers(frame: &[u8], host: Ipv4Addr) -> Option<[u8; 6]> {
    let arp = frame.get(12..)?;
    let mac = arp.get(10..16)?.first_chunk().copied();
    let wanted = [0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 2];
    (arp.starts_with(&wanted) && arp.get(16..20)? == host.octets())
        .then_some(mac)
        .flatten()
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::indexing_slicing,
        reason = "a test stops at the first surprise"
    )]

    use super::*;
    use crate::wire::build::{Ipv4, Spec};

    #[test]
    fn the_kernel_keeps_only_what_it_would_have_written_itself() {
        let good = Spec {
            ipv4: Ipv4 {
                source: Some(Ipv4Addr::new(192, 0, 2, 1)),
                destination: Ipv4Addr::new(198, 51, 100, 2),
                ..Ipv4::default()
            },
            payload: vec![0; 100],
            ..Spec::default()
        };
        let keeps = |change: fn(&mut Spec)| {
            let mut spec = good.clone();
            change(&mut spec);
            kernel_keeps(&spec.datagram().unwrap_or_default(), Some(1500))
        };
        assert!(keeps(|_| {}));
        assert!(keeps(|spec| spec.ipv4.df = true));
        assert!(keeps(|spec| spec.ipv4.reserved = true));
        assert!(keeps(|spec| spec.ipv4.ttl = 0));
        // Payload posing as options: the kernel does not read them.
        assert!(keeps(|spec| spec.ipv4.ihl = Some(15)));
        let changed: [fn(&mut Spec); 10] = [
            |spec| spec.ipv4.version = 5,
            |spec| spec.ipv4.ihl = Some(4),
            |spec| (spec.ipv4.ihl, spec.payload) = (Some(15), Vec::new()),
            |spec| spec.ipv4.total_length = Some(119),
            |spec| spec.ipv4.checksum = Some(0),
            |spec| spec.ipv4.identification = 0,
            |spec| spec.ipv4.source = None,
            |spec| spec.ipv4.mf = true,
            |spec| spec.ipv4.fragment_offset = 8,
            |spec| spec.payload = vec![0; 1481],
        ];
        for change in changed {
            assert!(!keeps(change));
        }
        assert!(!kernel_keeps(&[0x45; 19], None));
    }

    #[test]
    fn only_the_host_that_was_asked_for_answers() {
        let mut frame = vec![2; 12];
        frame.extend([0x08, 0x06, 0, 1, 0x08, 0x00, 6, 4, 0, 2]);
        frame.extend([2, 0, 0, 0, 0, 9, 10, 0, 0, 1]);
        let host = Ipv4Addr::new(10, 0, 0, 1);
        assert_eq!(answers(&frame, host), Some([2, 0, 0, 0, 0, 9]));
        assert_eq!(answers(&frame, Ipv4Addr::new(10, 0, 0, 2)), None);
        for length in 0..frame.len() {
            assert_eq!(answers(&frame[..length], host), None);
        }
        frame[21] = 1;
        assert_eq!(answers(&frame, host), None);
    }
}
