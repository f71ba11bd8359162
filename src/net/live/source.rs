//! The live source itself: several sockets, one stream of batches, an end that loses nothing.
//!
//! Knows when to wait, what to hand out next and when all has been read; not how packets are
//! fetched.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, SockRef, Socket, Type};

use super::directory::{Directory, Presence};
use super::meter::{Counted, Meter};
use super::open::{self, REFUSE, words};
use super::tap::{self, State, Tap};
use super::{Backend, Options, Wanted};
use crate::capture::{Batch, FrameSource, Interface};
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::net::interface::Links;
use crate::wire::frame::Time;

/// The longest that a caller waits for a batch.
const PATIENCE: Duration = Duration::from_millis(200);
/// How often the kernel's counters are read, which are 32 bits wide.
const COUNTING: Duration = Duration::from_secs(1);
/// How often an interface that is down is looked at.
const LOOKING: Duration = Duration::from_millis(100);
/// How long to wait when a ring says that it has packets, but they are the ones on loan.
const NAP: Duration = Duration::from_millis(1);

const RUNNING: u8 = 0;
const FINISH: u8 = 1;
const ABANDON: u8 = 2;

/// A live source: opened whole, with filters attached before the first packet can come.
///
/// Its batches are leases on the ring: each gives its block back when its last clone is dropped,
/// so whoever keeps many of them keeps the ring full.
#[derive(Debug)]
pub struct Live {
    taps: Vec<Tap>,
    listening: Vec<Interface>,
    directory: Directory,
    meter: Meter,
    stopper: Stopper,
    /// Readable when a stop was asked for.
    woken: UnixStream,
    /// Closing it waits until the kernel has let go of every packet that was on its way.
    barrier: Option<Socket>,
    /// How long a block may wait for an earlier one of another ring.
    patience: Duration,
    notices: Vec<String>,
    next_number: u64,
    /// When the block that was handed out last begins.
    last_first: Time,
    /// When the kernel's counters were read last.
    counted: Instant,
    /// When interfaces that are down were looked at last.
    looked: Instant,
    /// No packet is let in any more; what is there must have been handed over by then.
    closing: Option<Instant>,
    failure: Option<Error>,
    ended: bool,
}

/// Ends a live source from any thread. No packet enters the ring after that; whoever asks for
/// batches gets what is in it, or not, and then `None`.
#[derive(Clone)]
pub struct Stopper {
    state: Arc<AtomicU8>,
    wake: Arc<UnixStream>,
}

impl fmt::Debug for Stopper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.load(Ordering::Relaxed);
        f.debug_struct("Stopper")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

impl Stopper {
    /// The packets that are in the ring are still handed out.
    pub fn finish(&self) {
        self.ask(FINISH);
    }

    /// The packets that are in the ring are counted as left unread.
    pub fn abandon(&self) {
        self.ask(ABANDON);
    }

    fn ask(&self, how: u8) {
        if self.state.fetch_max(how, Ordering::Release) == RUNNING {
            // Full or gone, it has been or need not be woken.
            let _ = io::Write::write(&mut &*self.wake, &[1]);
        }
    }
}

impl Live {
    /// Opens the sockets; `compile` makes the filter of each, of an empty expression where every
    /// packet is wanted.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::error::Kind::Usage): an interface that is missing or down, the
    /// privilege that is missing, a filter that does not compile or that the kernel refuses.
    pub fn open(
        options: &Options,
        compile: &mut dyn FnMut(&Wanted<'_>) -> Result<Filter>,
    ) -> Result<Self> {
        let failed = |why: io::Error| Error::usage("listening", words(&why));
        let links = Links::open().map_err(failed)?;
        let mut directory = Directory::new(links, options.snaplen);
        let opened = open::open(options, &mut directory, compile)?;
        let (woken, wake) = UnixStream::pair().map_err(failed)?;
        wake.set_nonblocking(true).map_err(failed)?;
        let barrier = Socket::new(Domain::PACKET, Type::RAW.cloexec(), None).map_err(failed)?;
        let names = opened.listening.iter().filter_map(|it| it.name.as_deref());
        let names: Vec<&str> = names.collect();
        let sockets = opened.taps.iter().map(|tap| Counted {
            socket: Arc::clone(&tap.socket),
            is_ring: tap.backend() == Backend::Ring,
            place: names.iter().position(|name| *name == tap.name).unwrap_or(0),
        });
        let gauges = opened.taps.iter().filter_map(Tap::gauge).collect();
        Ok(Self {
            meter: Meter::new(sockets.collect(), gauges, &names),
            taps: opened.taps,
            listening: opened.listening,
            directory,
            stopper: Stopper {
                state: Arc::new(AtomicU8::new(RUNNING)),
                wake: Arc::new(wake),
            },
            woken,
            barrier: Some(barrier),
            // A block is handed over one or two of its time limits after its first packet.
            patience: options
                .block_timeout
                .saturating_mul(2)
                .saturating_add(NAP)
                .min(PATIENCE),
            notices: opened.notices,
            next_number: 1,
            last_first: Time::default(),
            counted: Instant::now(),
            looked: Instant::now(),
            closing: None,
            failure: None,
            ended: false,
        })
    }

    /// What is listened to: one entry for each name of the options, `any` being one.
    #[must_use]
    pub fn listening(&self) -> &[Interface] {
        &self.listening
    }

    /// How to end it from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// Its counters.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.meter.clone()
    }

    fn stop_asked(&self) -> u8 {
        self.stopper.state.load(Ordering::Acquire)
    }

    /// Lets no packet in any more.
    fn close(&mut self, now: Instant) {
        for tap in &self.taps {
            // Where it fails, packets go on to come until the time below.
            let _ = tap::attach(tap.socket.as_fd(), REFUSE);
        }
        // A packet may have passed the filter and not have reached the ring. Closing any packet
        // socket waits until none is under way (synchronize_net in packet_release).
        self.barrier = None;
        let longest = self.patience.saturating_add(PATIENCE);
        self.closing = Some(now.checked_add(longest).unwrap_or(now));
    }

    /// Takes what the kernel has finished on every socket.
    fn fetch(&mut self) -> bool {
        let before: usize = self.taps.iter().map(|tap| tap.ready.len()).sum();
        let mut errors = Vec::new();
        for (index, tap) in self.taps.iter_mut().enumerate() {
            if let Err(error) = tap.fetch(&mut self.directory) {
                errors.push((index, error));
            }
        }
        for (index, error) in errors {
            self.failed(index, &error);
        }
        let after: usize = self.taps.iter().map(|tap| tap.ready.len()).sum();
        after > before
    }

    /// What to do about an error of a socket.
    fn failed(&mut self, index: usize, error: &io::Error) {
        let Some(tap) = self.taps.get(index) else {
            return;
        };
        if tap.state == State::Gone {
            return;
        }
        // pnet has words of its own for a poll that brought an error and no packet.
        let down = error.raw_os_error() == Some(libc::ENETDOWN) || error.raw_os_error().is_none();
        if down && tap.number != 0 {
            self.look(index, true);
        } else if self.failure.is_none() {
            let name = &tap.name;
            self.failure = Some(Error::usage(format!("listening on {name}"), words(error)));
        }
    }

    /// Looks how the interface is; `was_down` says that the kernel said it had gone down.
    fn look(&mut self, index: usize, was_down: bool) {
        let Some(tap) = self.taps.get_mut(index) else {
            return;
        };
        let Some(presence) = self.directory.presence(tap.number) else {
            return;
        };
        let name = &tap.name;
        let (state, notice) = match (tap.state, presence) {
            (State::Gone, _) => return,
            (_, Presence::Gone) => (State::Gone, None),
            (State::Up, Presence::Down) => (
                State::Down,
                Some(format!("{name} is down: waiting for it to come back")),
            ),
            (State::Down, Presence::Up) => (State::Up, Some(format!("{name} is up again"))),
            (State::Up, Presence::Up) if was_down => {
                (State::Up, Some(format!("{name} went down and is up again")))
            }
            (state, _) => (state, None),
        };
        tap.state = state;
        let name = name.clone();
        self.tell(notice);
        if state == State::Gone {
            if self.taps.iter().any(|tap| tap.state != State::Gone) {
                self.tell(Some(format!("{name} was removed: the others go on")));
            } else if self.failure.is_none() {
                self.failure = Some(Error::usage(
                    format!("listening on {name}"),
                    "the interface was removed",
                ));
            }
        }
    }

    /// Says something once, however many sockets an interface has.
    fn tell(&mut self, notice: Option<String>) {
        if let Some(notice) = notice
            && !self.notices.contains(&notice)
        {
            self.notices.push(notice);
        }
    }

    /// Looks at interfaces that were down, and takes the errors that sockets have.
    fn look_around(&mut self, with_errors: &[usize], now: Instant) {
        let again = now.saturating_duration_since(self.looked) >= LOOKING;
        if again {
            self.looked = now;
        }
        for index in 0..self.taps.len() {
            let Some(tap) = self.taps.get(index) else {
                continue;
            };
            if with_errors.contains(&index) {
                let error = SockRef::from(&tap.socket).take_error();
                if let Ok(Some(error)) | Err(error) = error {
                    self.failed(index, &error);
                }
            } else if again && tap.state == State::Down {
                self.look(index, false);
            }
        }
    }

    /// The socket whose packets are next, if it is time to hand them out; else until when to wait.
    fn due(&self, now: Instant) -> Due {
        let heads = self.taps.iter().enumerate();
        let heads = heads.filter_map(|(index, tap)| Some((index, tap.ready.front()?)));
        let Some((index, ready)) = heads.min_by_key(|(_, ready)| ready.first) else {
            return Due::Nothing;
        };
        let may_come = |tap: &Tap| tap.ready.is_empty() && tap.state == State::Up;
        let until = ready.seen.checked_add(self.patience).unwrap_or(now);
        if now >= until || !self.taps.iter().any(may_come) {
            Due::Now(index)
        } else {
            Due::At(until)
        }
    }

    /// Makes the batch of a socket's next packets; none when they are thrown away.
    fn hand_out(&mut self, index: usize) -> Option<Batch> {
        let taken = self.taps.get_mut(index)?.take(&mut self.directory)?;
        let packets = u64::try_from(taken.places.len()).unwrap_or(u64::MAX);
        if taken.broken {
            let notice = "a block of the ring did not hold together: some packets of it are lost";
            self.notices.push(notice.to_owned());
        }
        if self.stop_asked() == ABANDON {
            self.meter.left_unread(packets);
            return None;
        }
        if taken.first < self.last_first {
            self.meter.out_of_order(packets);
        }
        self.last_first = self.last_first.max(taken.first);
        self.meter.delivered(packets);
        let first_number = self.next_number;
        self.next_number = first_number.saturating_add(packets);
        let table = self.directory.table();
        Some(Batch::leased(
            first_number,
            taken.lease,
            taken.places,
            table,
        ))
    }

    /// An empty batch that tells what there is to tell.
    fn telling(&mut self) -> Batch {
        let notices = std::mem::take(&mut self.notices);
        Batch::telling(self.next_number, notices, self.directory.table())
    }

    /// Waits until something comes, or this moment.
    fn wait(&mut self, now: Instant, until: Instant) -> Result<()> {
        let left = until.saturating_duration_since(now);
        // Rounded up, or the last part of a millisecond would be spent in a circle.
        let milliseconds = left.as_micros().div_ceil(1000);
        let limit = PollTimeout::try_from(milliseconds).unwrap_or(PollTimeout::MAX);
        let mut polled: Vec<PollFd<'_>> = self
            .taps
            .iter()
            .map(|tap| PollFd::new(tap.socket.as_fd(), PollFlags::POLLIN))
            .collect();
        if self.closing.is_none() {
            polled.push(PollFd::new(self.woken.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut polled, limit) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(Error::usage("waiting for packets", error.desc())),
        }
        let has = |polled: &PollFd<'_>, flags| {
            polled
                .revents()
                .is_some_and(|events| events.intersects(flags))
        };
        let taps = polled.iter().take(self.taps.len());
        let readable = taps.clone().any(|it| has(it, PollFlags::POLLIN));
        let with_errors: Vec<usize> = taps
            .enumerate()
            .filter(|(_, it)| has(it, PollFlags::POLLERR))
            .map(|(index, _)| index)
            .collect();
        self.look_around(&with_errors, Instant::now());
        // A ring is readable as long as its last block is on loan.
        if (readable || !with_errors.is_empty()) && !self.fetch() {
            thread::sleep(NAP.min(left));
        }
        Ok(())
    }
}

/// What is next.
enum Due {
    /// The packets of this socket.
    Now(usize),
    /// Some packets, when no earlier ones have come by then.
    At(Instant),
    Nothing,
}

impl FrameSource for Live {
    /// The next batch; an empty one when none came within 200 ms, so that whoever asks can look
    /// at signals and clocks. `None` after a stop, when the ring has been emptied and the counters
    /// are final.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::error::Kind::Usage) when the last interface was removed, or what the
    /// kernel says: after everything that came before has been handed out.
    fn next_batch(&mut self) -> Result<Option<Batch>> {
        if self.ended {
            return Ok(None);
        }
        let started = Instant::now();
        let patience = started.checked_add(PATIENCE).unwrap_or(started);
        let mut now = started;
        loop {
            if now.saturating_duration_since(self.counted) >= COUNTING {
                self.counted = now;
                self.meter.poll();
            }
            let must_end = self.failure.is_some() || self.stop_asked() != RUNNING;
            if must_end && self.closing.is_none() {
                self.close(now);
            }
            self.fetch();
            if !self.notices.is_empty() {
                return Ok(Some(self.telling()));
            }
            let mut until = patience;
            match self.due(now) {
                Due::Now(index) => {
                    if let Some(batch) = self.hand_out(index) {
                        return Ok(Some(batch));
                    }
                    continue;
                }
                Due::At(at) if now < patience => until = until.min(at),
                Due::At(_) => return Ok(Some(self.telling())),
                Due::Nothing => {
                    if let Some(closing) = self.closing {
                        if now >= closing || self.meter.adds_up() {
                            self.ended = true;
                            self.meter.poll();
                            return self.failure.take().map_or(Ok(None), Err);
                        }
                        until = until.min(closing).min(now.checked_add(NAP).unwrap_or(now));
                    } else if now >= patience {
                        return Ok(Some(self.telling()));
                    }
                }
            }
            self.wait(now, until)?;
            now = Instant::now();
        }
    }
}

const _: fn() = || {
    fn owned_by_any_thread<T: Send>() {}
    owned_by_any_thread::<Live>();
};
