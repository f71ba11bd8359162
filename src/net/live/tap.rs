//! One packet socket on an interface: opened so that nothing unwanted slips in, then emptied by
//! the ring, by messages or by pnet's channel.
//!
//! Knows how packets are fetched; not in which order those of several sockets are handed out.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nix::libc;
use pnet::datalink;
use socket2::{Domain, SockFilter, SockRef, Socket, Type};

use super::block;
use super::directory::{Directory, WHOLE_FRAME};
use super::link::{Layer, ROOM, SENDER_LEN, Sender, Told};
use super::{Backend, Timestamps};
use crate::capture::{Lease, Places};
use crate::filter::Instruction;
use crate::net::ancillary;
use crate::net::batch::{Inbox, Received};
use crate::net::ring::{self, Block, Ring};
use crate::net::sockopt;
use crate::wire::frame::{Frame, Time};

/// How many messages one call brings.
const MESSAGES: usize = 64;
/// `SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE`: stamps of the kernel.
const KERNEL_STAMPS: u32 = 1 << 3 | 1 << 4;
/// `SOF_TIMESTAMPING_RX_HARDWARE | SOF_TIMESTAMPING_RAW_HARDWARE`: stamps of the card.
const CARD_STAMPS: u32 = 1 << 2 | 1 << 6;
/// `SOF_TIMESTAMPING_RAW_HARDWARE`, as a ring wants it.
const RING_CARD_STAMPS: libc::c_int = 1 << 6;

/// What a socket is opened for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Request<'a> {
    /// The name of the interface.
    pub(super) name: &'a str,
    /// Its number, 0 for all.
    pub(super) number: u32,
    pub(super) layer: Layer,
    /// The whole program, prologue included.
    pub(super) program: &'a [Instruction],
    pub(super) mebibytes: u32,
    pub(super) timeout: Duration,
    pub(super) snaplen: u32,
    pub(super) promiscuous: bool,
    pub(super) timestamps: Timestamps,
}

/// A socket that packets are fetched from.
pub(super) struct Tap {
    pub(super) name: String,
    /// The number of its interface, 0 for all.
    pub(super) number: u32,
    pub(super) socket: Arc<OwnedFd>,
    pub(super) state: State,
    /// What has been fetched and not handed out, in order.
    pub(super) ready: VecDeque<Ready>,
    layer: Layer,
    /// The place of its interface in the table; none where each packet has its own.
    place: Option<u32>,
    snaplen: usize,
    source: Source,
}

/// How the interface of a socket is, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Up,
    Down,
    Gone,
}

enum Source {
    Ring(Ring),
    Messages(Inbox),
    Channel(Box<dyn datalink::DataLinkReceiver>),
    /// The same where there is no link header. What a packet is stands in its sender's address,
    /// which pnet throws away: each is looked at here before the channel takes it.
    Peeked(Inbox, Box<dyn datalink::DataLinkReceiver>),
}

/// Packets that are to be handed out together.
pub(super) struct Ready {
    /// When the first of them came.
    pub(super) first: Time,
    /// When they were fetched.
    pub(super) seen: Instant,
    load: Load,
}

enum Load {
    Block(Block),
    Copied(Copied),
}

/// Bytes of our own.
#[derive(Default)]
struct Copied {
    bytes: Vec<u8>,
    places: Places,
}

impl Lease for Copied {
    fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap")
            .field("name", &self.name)
            .field("backend", &self.backend())
            .field("layer", &self.layer)
            .field("state", &self.state)
            .field("ready", &self.ready.len())
            .finish_non_exhaustive()
    }
}

/// Why a socket could not be opened.
#[derive(Debug)]
pub(super) enum Refused {
    /// This way of fetching cannot be had; another one may.
    Backend(io::Error),
    /// Nothing can be captured at all: at what, and why.
    Whole(&'static str, io::Error),
}

impl Tap {
    /// Opens a socket of this kind. It hears nothing before the filter is attached and the ring is
    /// made: it is bound last.
    pub(super) fn open(request: &Request<'_>, backend: Backend) -> Result<Self, Refused> {
        let kind = match request.layer {
            Layer::Own(_) => Type::RAW,
            Layer::Cooked | Layer::Cooked2 => Type::DGRAM,
        };
        let socket = Socket::new(Domain::PACKET, kind.nonblocking().cloexec(), None);
        let socket = socket.map_err(|why| Refused::Whole("opening a packet socket", why))?;
        let socket = Arc::new(OwnedFd::from(socket));
        attach(socket.as_fd(), request.program)
            .map_err(|why| Refused::Whole("attaching the filter", why))?;
        if request.timestamps == Timestamps::Hardware {
            ring::stamp_in_hardware(socket.as_fd(), request.name)
                .map_err(|why| Refused::Whole("switching on the card's time stamps", why))?;
        }
        if request.promiscuous && request.number != 0 {
            be_promiscuous(socket.as_fd(), request.number)
                .map_err(|why| Refused::Whole("switching on promiscuous mode", why))?;
        }
        let source = match backend {
            Backend::Ring => ring(socket.as_fd(), request).map(Source::Ring),
            Backend::Recvmmsg => messages(socket.as_fd(), request).map(Source::Messages),
            Backend::Pnet if matches!(request.layer, Layer::Own(_)) => {
                channel(&socket, request).map(Source::Channel)
            }
            // The channel binds the socket, so this comes first.
            Backend::Pnet => beside(socket.as_fd(), request, 1, 1)
                .and_then(|inbox| Ok(Source::Peeked(inbox, channel(&socket, request)?))),
        };
        let source = source.map_err(Refused::Backend)?;
        if backend != Backend::Pnet {
            let number = libc::c_int::try_from(request.number).unwrap_or(libc::c_int::MAX);
            ring::bind(socket.as_fd(), number)
                .map_err(|why| Refused::Whole("binding to it", why))?;
        }
        Ok(Self {
            name: request.name.to_owned(),
            number: request.number,
            socket,
            state: State::Up,
            ready: VecDeque::new(),
            layer: request.layer,
            place: None,
            snaplen: match request.snaplen {
                0 => usize::MAX,
                snaplen => usize::try_from(snaplen).unwrap_or(usize::MAX),
            },
            source,
        })
    }

    /// Says where in the table its interface stands.
    pub(super) fn set_place(&mut self, place: u32) {
        self.place = Some(place);
    }

    /// How packets are fetched.
    pub(super) fn backend(&self) -> Backend {
        match self.source {
            Source::Ring(_) => Backend::Ring,
            Source::Messages(_) => Backend::Recvmmsg,
            Source::Channel(_) | Source::Peeked(..) => Backend::Pnet,
        }
    }

    /// A handle to its ring's fill, if it has a ring.
    pub(super) fn gauge(&self) -> Option<ring::Gauge> {
        match &self.source {
            Source::Ring(ring) => Some(ring.gauge()),
            _ => None,
        }
    }

    /// Takes what the kernel has finished, waiting for nothing.
    ///
    /// # Errors
    /// What the kernel says, `ENETDOWN` among it.
    pub(super) fn fetch(&mut self, directory: &mut Directory) -> io::Result<()> {
        let seen = Instant::now();
        let mut copied = Copied::default();
        let mut interface = |number| match self.place {
            Some(place) => place,
            None => directory.place(number, self.layer.link_type()),
        };
        match &mut self.source {
            Source::Ring(ring) => {
                while let Some(block) = ring.take() {
                    let first = block::summary(block.bytes()).map(|summary| summary.time);
                    self.ready.push_back(Ready {
                        first: first.unwrap_or_default(),
                        seen,
                        load: Load::Block(block),
                    });
                }
                return Ok(());
            }
            Source::Messages(inbox) => {
                inbox.receive(self.socket.as_fd(), 0)?;
                for message in inbox.messages() {
                    copied.message(&message, self.layer, self.snaplen, &mut interface);
                }
            }
            Source::Peeked(inbox, receiver) => {
                // Nobody else reads the socket: what is looked at is what is taken.
                for _ in 0..MESSAGES {
                    let taken = match inbox.receive(self.socket.as_fd(), libc::MSG_PEEK) {
                        Ok(0) => break,
                        Ok(_) => receiver.next(),
                        Err(error) => Err(error),
                    };
                    match (taken, inbox.messages().next()) {
                        (Ok(bytes), Some(message)) => {
                            let message = Received { bytes, ..message };
                            copied.message(&message, self.layer, self.snaplen, &mut interface);
                        }
                        (Err(error), _) if copied.places.is_empty() => return Err(error),
                        // It will be said again.
                        _ => break,
                    }
                }
            }
            Source::Channel(receiver) => {
                for _ in 0..MESSAGES {
                    match receiver.next() {
                        Ok(bytes) => copied.bare(bytes, self.layer, self.snaplen, self.place),
                        Err(error) if error.kind() == io::ErrorKind::TimedOut => break,
                        Err(error) if copied.places.is_empty() => return Err(error),
                        // It will be said again.
                        Err(_) => break,
                    }
                }
            }
        }
        if let Some(first) = copied.places.first_time() {
            self.ready.push_back(Ready {
                first,
                seen,
                load: Load::Copied(copied),
            });
        }
        Ok(())
    }

    /// Takes the next packets out of what is ready, each at its place.
    pub(super) fn take(&mut self, directory: &mut Directory) -> Option<Taken> {
        let ready = self.ready.pop_front()?;
        Some(match ready.load {
            Load::Copied(mut copied) => Taken {
                places: std::mem::take(&mut copied.places),
                lease: Box::new(copied),
                first: ready.first,
                broken: false,
            },
            Load::Block(mut block) => {
                // The smallest packet takes more than this of a block.
                const SMALLEST: usize = 80;
                let bytes = block.bytes_mut();
                let packets = block::summary(bytes).map_or(0, |summary| summary.packets);
                let packets = usize::try_from(packets).unwrap_or(usize::MAX);
                let mut places = Places::with_capacity(packets.min(bytes.len() / SMALLEST));
                let mut interface = |number| match self.place {
                    Some(place) => place,
                    None => directory.place(number, self.layer.link_type()),
                };
                let walked =
                    block::walk(bytes, self.layer, self.snaplen, &mut interface, &mut places);
                Taken {
                    places,
                    lease: Box::new(block),
                    first: ready.first,
                    broken: walked.is_err(),
                }
            }
        })
    }
}

/// Packets on their way out.
pub(super) struct Taken {
    pub(super) places: Places,
    pub(super) lease: Box<dyn Lease>,
    /// When the first of them came.
    pub(super) first: Time,
    /// True when the kernel's block did not hold together.
    pub(super) broken: bool,
}

/// Attaches a program in the place of the one before.
pub(super) fn attach(socket: BorrowedFd<'_>, program: &[Instruction]) -> io::Result<()> {
    let program: Vec<SockFilter> = program
        .iter()
        .map(|it| SockFilter::new(it.code, it.jump_true, it.jump_false, it.k))
        .collect();
    SockRef::from(&socket).attach_filter(&program)
}

fn be_promiscuous(socket: BorrowedFd<'_>, number: u32) -> io::Result<()> {
    // `struct packet_mreq`: interface (4), type (2), length of an address (2), address (8).
    let mut request = [0_u8; 16];
    let kind = u16::try_from(libc::PACKET_MR_PROMISC).unwrap_or_default();
    let words = number.to_ne_bytes().into_iter().chain(kind.to_ne_bytes());
    for (to, from) in request.iter_mut().zip(words) {
        *to = from;
    }
    sockopt::set(
        socket,
        libc::SOL_PACKET,
        libc::PACKET_ADD_MEMBERSHIP,
        &request,
    )
}

fn ring(socket: BorrowedFd<'_>, request: &Request<'_>) -> io::Result<Ring> {
    if request.timestamps == Timestamps::Hardware {
        let name = libc::PACKET_TIMESTAMP;
        sockopt::set(socket, libc::SOL_PACKET, name, &RING_CARD_STAMPS)?;
    }
    Ring::open(socket, request.mebibytes, request.timeout)
}

fn messages(socket: BorrowedFd<'_>, request: &Request<'_>) -> io::Result<Inbox> {
    enlarge(socket, request.mebibytes);
    let size = match request.snaplen {
        0 => WHOLE_FRAME,
        snaplen => snaplen.min(WHOLE_FRAME),
    };
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    beside(socket, request, MESSAGES, size)
}

/// Room for messages of this size, and for all that the kernel tells beside them.
fn beside(
    socket: BorrowedFd<'_>,
    request: &Request<'_>,
    messages: usize,
    size: usize,
) -> io::Result<Inbox> {
    let on: libc::c_int = 1;
    sockopt::set(socket, libc::SOL_PACKET, libc::PACKET_AUXDATA, &on)?;
    let stamps = match request.timestamps {
        Timestamps::Kernel => KERNEL_STAMPS,
        Timestamps::Hardware => KERNEL_STAMPS | CARD_STAMPS,
    };
    sockopt::set(socket, libc::SOL_SOCKET, libc::SO_TIMESTAMPING_NEW, &stamps)?;
    Ok(Inbox::new(messages, size))
}

/// pnet's channel over our own socket, which it binds.
fn channel(
    socket: &OwnedFd,
    request: &Request<'_>,
) -> io::Result<Box<dyn datalink::DataLinkReceiver>> {
    enlarge(socket.as_fd(), request.mebibytes);
    let interface = datalink::NetworkInterface {
        name: request.name.to_owned(),
        description: String::new(),
        index: request.number,
        mac: None,
        ips: Vec::new(),
        flags: 0,
    };
    let size = usize::try_from(WHOLE_FRAME).unwrap_or(usize::MAX);
    let config = datalink::Config {
        read_buffer_size: size,
        read_timeout: Some(Duration::ZERO),
        promiscuous: false,
        // pnet closes what it is given.
        socket_fd: Some(socket.try_clone()?.into_raw_fd()),
        ..datalink::Config::default()
    };
    match datalink::channel(&interface, config)? {
        datalink::Channel::Ethernet(_, receiver) => Ok(receiver),
        _ => Err(io::Error::other("pnet has no channel for it")),
    }
}

/// Makes the receive buffer as large as a ring would be, if it may be, else as large as it may.
fn enlarge(socket: BorrowedFd<'_>, mebibytes: u32) {
    let bytes = mebibytes.max(1).saturating_mul(1 << 20);
    // The kernel doubles what it is given.
    let bytes = libc::c_int::try_from(bytes / 2).unwrap_or(libc::c_int::MAX);
    let (level, forced) = (libc::SOL_SOCKET, libc::SO_RCVBUFFORCE);
    if sockopt::set(socket, level, forced, &bytes).is_err() {
        // Cut to net.core.rmem_max: the counters show whether that is enough.
        let _ = sockopt::set(socket, level, libc::SO_RCVBUF, &bytes);
    }
}

impl Copied {
    /// Adds a packet with all that its control messages tell; its bytes are as many as were taken.
    fn message(
        &mut self,
        message: &Received<'_>,
        layer: Layer,
        snaplen: usize,
        interface: &mut dyn FnMut(u32) -> u32,
    ) {
        let mut sender = [0; SENDER_LEN];
        for (to, from) in sender.iter_mut().zip(message.name.as_bytes()) {
            *to = *from;
        }
        let captured = u32::try_from(message.bytes.len()).unwrap_or(u32::MAX);
        let mut told = Told::new(Sender(&sender), captured);
        let mut time = None;
        for (level, kind, data) in message.control.iter() {
            if level == libc::SOL_PACKET && kind == libc::PACKET_AUXDATA {
                told.auxdata(data);
            } else if level == libc::SOL_SOCKET && kind == libc::SO_TIMESTAMPING_NEW {
                let stamps = ancillary::time_stamps(data);
                time = stamps.and_then(|(kernel, card)| card.or(kernel));
            }
        }
        told.time = time.map_or_else(now, |nanoseconds| Time {
            seconds: nanoseconds.div_euclid(1_000_000_000),
            nanoseconds: u32::try_from(nanoseconds.rem_euclid(1_000_000_000)).unwrap_or(0),
        });
        let floor = self.bytes.len();
        let start = floor.saturating_add(ROOM);
        self.bytes.resize(start, 0);
        self.bytes.extend_from_slice(message.bytes);
        let end = self.bytes.len();
        let place = told.complete(layer, &mut self.bytes, floor, start..end, snaplen);
        let frame = told.frame(
            layer,
            interface(told.sender.interface()),
            start - place.start,
        );
        self.places.push(place, &frame);
    }

    /// Adds a packet of which nothing more is known.
    fn bare(&mut self, bytes: &[u8], layer: Layer, snaplen: usize, interface: Option<u32>) {
        let start = self.bytes.len();
        let kept = bytes.get(..snaplen).unwrap_or(bytes);
        self.bytes.extend_from_slice(kept);
        let frame = Frame {
            number: 0,
            time: Some(now()),
            link_type: layer.link_type(),
            wire_len: u32::try_from(kept.len()).unwrap_or(u32::MAX),
            bytes: &[],
            interface,
            direction: None,
            offload: crate::wire::frame::Offload::default(),
            comments: &[],
        };
        self.places.push(start..self.bytes.len(), &frame);
    }
}

/// The time of day.
fn now() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time {
        seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        nanoseconds: since.subsec_nanos(),
    }
}
