//! `dotquad replay`: a saved capture on the wire again, at its own pace or another.

use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use super::ReplayArgs;
use super::given::{Given, Value, mac};
use super::speed::{CAREFUL, duration, per_second, times};
use crate::capture::{FrameSource, open};
use crate::cli::selector::Selector;
use crate::cli::{Console, Outcome, confine};
use crate::error::{Error, Result};
use crate::net::interface::Interface;
use crate::net::pace::{self, Pace};
use crate::net::route;
use crate::net::sandbox::{self, Sandbox};
use crate::net::signals::Signals;
use crate::net::transmit::{BATCH, Burst, Transmitter};
use crate::wire::build::Rewrite;
use crate::wire::frame::{Frame, LinkType, Time};
use crate::wire::packet::{Judge, Packet, dissect};

/// A burst of at most so many frames is left as it was captured, however fast.
const BURST: usize = 100;
/// More than a burst within this time is more than 1,000 frames a second.
const TENTH: i128 = 100_000_000;
/// Within this of its time a frame is in time.
const IN_TIME: Duration = Duration::from_millis(1);

/// Runs the command.
///
/// # Errors
/// Wrong words, no privilege, a capture that is damaged or does not suit the interface, frames
/// that were refused.
pub(in crate::cli) fn run(args: &ReplayArgs, console: &mut Console<'_>) -> Result<Outcome> {
    let (file, filter) = args
        .words
        .split_first()
        .ok_or_else(|| Error::usage("reading the command line", "no capture is named"))?;
    let path = Path::new(file);
    let interface = route::interface(&args.interface)?;
    let rewrite = rewrite(args)?;
    let mut gate = Gate {
        selector: Selector::parse(&filter.join(" "), false)?,
        args,
        interface: &interface,
        passed: 0,
        recent: VecDeque::with_capacity(BURST),
    };
    gate.check_speed()?;
    let mut reader = open(path)?;
    let ahead = if path.is_file() {
        Some(open(path)?)
    } else {
        None
    };
    let transmitter = Transmitter::frames(&interface)?;
    pace::sharpen();
    let sandbox = Sandbox::new(sandbox::Command::Replay);
    confine::enter(&args.confinement, &sandbox, false, console)?;
    let signals = Signals::watch()?;
    // Before the first frame leaves, all of them are looked at, where that can be done.
    if let Some(mut reader) = ahead {
        'scan: while let Ok(Some(batch)) = reader.next_batch() {
            for frame in batch.frames() {
                if gate.limit_reached() {
                    break 'scan;
                }
                gate.admits(&frame, &rewrite)?;
            }
        }
        gate.passed = 0;
        gate.recent.clear();
    }
    let mut player = Player {
        transmitter,
        rewrite,
        packet: Packet::new(),
        scratch: Vec::new(),
        clock: Pace::start(),
        first: None,
        burst: Burst::default(),
        cut: 0,
        latest: Duration::ZERO,
        late: 0,
        paced: !args.topspeed,
    };
    let mut end = None;
    'all: loop {
        let batch = match reader.next_batch() {
            Ok(Some(batch)) => batch,
            Ok(None) => break,
            Err(error) => {
                end = Some(error);
                break;
            }
        };
        for frame in batch.frames() {
            if gate.limit_reached() || signals.interrupted().is_some() {
                break 'all;
            }
            match gate.admits(&frame, &player.rewrite) {
                Ok(true) => player.play(&frame, args, &signals),
                Ok(false) => {}
                // Of a stream, some may have left before: that is told too.
                Err(error) => {
                    end = Some(error);
                    break 'all;
                }
            }
        }
    }
    player.flush();
    player.report(console)?;
    end.map_or(Ok(Outcome::Done), Err)
}

/// Decides which frames go.
struct Gate<'a> {
    selector: Option<Selector>,
    args: &'a ReplayArgs,
    interface: &'a Interface,
    passed: u64,
    /// When the last frames were captured.
    recent: VecDeque<Time>,
}

impl Gate<'_> {
    fn limit_reached(&self) -> bool {
        self.args.limit.is_some_and(|limit| self.passed >= limit)
    }

    /// Whether the speed that is asked for is meant.
    fn check_speed(&self) -> Result<()> {
        let fast =
            self.args.topspeed || self.args.rate.is_some_and(|rate| u64::from(rate) > CAREFUL);
        if fast && !self.args.yes && !self.interface.flags.is_loopback() {
            return Err(Error::usage(
                "reading the speed",
                "more than 1000 frames a second leave for other hosts",
            )
            .advice("add --yes if that is meant"));
        }
        Ok(())
    }

    /// Whether a frame goes; an error if it may not.
    fn admits(&mut self, frame: &Frame<'_>, rewrite: &Rewrite) -> Result<bool> {
        if let Some(selector) = &mut self.selector
            && !selector.matches(frame)?
        {
            return Ok(false);
        }
        let name = self.interface.name.to_string_lossy();
        let doing = || format!("sending frame {} by {name}", frame.number);
        let takes = self.interface.link_type.unwrap_or(LinkType::LINUX_SLL);
        let suits = match takes {
            LinkType::RAW => matches!(
                frame.link_type,
                LinkType::RAW
                    | LinkType::RAW_BSD
                    | LinkType::RAW_OPENBSD
                    | LinkType::IPV4
                    | LinkType::IPV6
            ),
            takes => takes == LinkType::ETHERNET && frame.link_type == takes,
        };
        if !suits {
            return Err(Error::usage(
                doing(),
                format!(
                    "it is of {}, and the interface takes {takes}",
                    frame.link_type
                ),
            ));
        }
        self.passed = self.passed.saturating_add(1);
        if self.interface.flags.is_loopback() {
            return Ok(true);
        }
        if self.passed > CAREFUL && !self.args.yes {
            return Err(
                Error::usage(doing(), "more than 1000 frames leave for other hosts")
                    .advice("add --yes if that is meant"),
            );
        }
        if !self.args.yes && self.is_fast(frame) {
            return Err(Error::usage(
                doing(),
                "from here on more than 1000 frames a second leave for other hosts",
            )
            .advice("add --yes if that is meant, or slow down: --speed 0.1 or --rate 1000"));
        }
        let group = match (takes, rewrite.destination_mac) {
            (LinkType::ETHERNET, Some([first, ..])) => first & 1 != 0,
            (LinkType::ETHERNET, None) => frame.bytes.first().is_some_and(|first| first & 1 != 0),
            // Without MAC addresses the datagram's own says it.
            _ => match frame.bytes {
                [first, ..] if first >> 4 == 6 => frame.bytes.get(24) == Some(&0xff),
                bytes => {
                    let own = bytes.get(16..).and_then(<[u8]>::first_chunk);
                    let own = rewrite.destination.or(own.copied().map(Ipv4Addr::from));
                    own.is_some_and(|own| own.is_multicast() || own.is_broadcast())
                }
            },
        };
        if group && !self.args.broadcast {
            let others = match takes {
                LinkType::ETHERNET => "not ether multicast",
                _ => "not dst net 224.0.0.0/3",
            };
            return Err(
                Error::usage(doing(), "it goes to a broadcast or multicast address").advice(
                    format!("add --broadcast if that is meant, or choose frames: {others}"),
                ),
            );
        }
        Ok(true)
    }

    /// Whether this frame ends a burst of more than 1,000 frames a second, where the capture sets
    /// the pace: over a tenth of a second, so that a few answers in a row are no burst.
    fn is_fast(&mut self, frame: &Frame<'_>) -> bool {
        let Some(time) = frame.time else { return false };
        if self.args.rate.is_some() || self.args.topspeed {
            return false;
        }
        let first = match self.recent.len() {
            BURST => self.recent.pop_front(),
            _ => None,
        };
        self.recent.push_back(time);
        // Frames that were captured before an earlier one leave at once.
        let span = first.map(|first| time.since(first).max(0));
        let span = span.map(|span| match self.args.speed {
            Some(speed) => scaled(span, speed),
            None => span,
        });
        span.is_some_and(|span| span < TENTH)
    }
}

/// A time in nanoseconds, so many times as fast.
fn scaled(nanoseconds: i128, speed: f64) -> i128 {
    let nanoseconds = u64::try_from(nanoseconds).unwrap_or(u64::MAX);
    let scaled = Duration::from_nanos(nanoseconds).as_secs_f64() / speed;
    i128::try_from(duration(scaled).as_nanos()).unwrap_or(i128::MAX)
}

/// Sends frames when their time has come.
struct Player {
    transmitter: Transmitter,
    rewrite: Rewrite,
    packet: Packet,
    scratch: Vec<u8>,
    clock: Pace,
    first: Option<Time>,
    burst: Burst,
    /// Frames of which the capture holds only a part.
    cut: u64,
    /// The most that a frame left after its time.
    latest: Duration,
    /// Whether frames have a time to leave at.
    paced: bool,
    /// Frames that left more than a millisecond after their time.
    late: u64,
}

impl Player {
    fn play(&mut self, frame: &Frame<'_>, args: &ReplayArgs, signals: &Signals) {
        let number = self.burst.sent.saturating_add(self.burst.failed);
        // The first leaves at once; times are counted from there.
        if number == 0 && self.transmitter.loaded() == 0 {
            self.clock = Pace::start();
        }
        let deadline = if args.topspeed {
            None
        } else if let Some(rate) = args.rate {
            let queued = number.saturating_add(self.transmitter.loaded() as u64);
            Some(times(Duration::from_secs(1), queued) / rate.max(1))
        } else {
            frame.time.map(|time| {
                let first = *self.first.get_or_insert(time);
                let since = u64::try_from(time.since(first).max(0)).unwrap_or(u64::MAX);
                let since = Duration::from_nanos(since);
                match args.speed {
                    Some(speed) => duration(since.as_secs_f64() / speed),
                    None => since,
                }
            })
        };
        // What is due already waits for the batch to fill; what is not sends off the batch first.
        if let Some(deadline) = deadline
            && deadline > self.clock.elapsed()
        {
            self.flush();
            while !self.clock.wait(deadline) {
                if signals.interrupted().is_some() {
                    return;
                }
            }
        }
        if self.rewrite.is_empty() {
            self.transmitter.load(frame.bytes);
        } else {
            let judge = Judge {
                checksums: false,
                anomalies: false,
            };
            dissect(frame, judge, &mut self.packet);
            self.rewrite.apply(frame, &self.packet, &mut self.scratch);
            self.transmitter.load(&self.scratch);
        }
        self.cut = self.cut.saturating_add(u64::from(
            (frame.bytes.len() as u64) < u64::from(frame.wire_len),
        ));
        if self.transmitter.loaded() >= BATCH || !args.topspeed {
            self.flush();
        }
        // Judged when it has left, not before: an interface that is slow to take it counts.
        if let Some(deadline) = deadline {
            let late = self.clock.elapsed().saturating_sub(deadline);
            self.latest = self.latest.max(late);
            self.late = self.late.saturating_add(u64::from(late > IN_TIME));
        }
    }

    fn flush(&mut self) {
        let burst = self.transmitter.send(0);
        self.burst.add(burst);
        self.transmitter.clear();
    }

    fn report(self, console: &mut Console<'_>) -> Result<()> {
        let took = self.clock.elapsed();
        let paced = match (self.paced, self.late) {
            (false, _) => String::new(),
            (true, late) => format!(
                "; {late} more than 1 ms late, at most {:.3} ms",
                self.latest.as_secs_f64() * 1e3
            ),
        };
        let frames = if self.burst.sent == 1 {
            "frame"
        } else {
            "frames"
        };
        console.note(&format_args!(
            "{} {frames} sent, {} bytes, in {:.3} s: {} a second; {} failed{paced}",
            self.burst.sent,
            self.burst.bytes,
            took.as_secs_f64(),
            per_second(self.burst.sent, took),
            self.burst.failed,
        ));
        if self.cut > 0 {
            console.note(&format_args!(
                "frames of which the capture holds only the first part: {}",
                self.cut
            ));
        }
        self.burst.check("replaying")
    }
}

/// The addresses that are to be put in.
fn rewrite(args: &ReplayArgs) -> Result<Rewrite> {
    let mut rewrite = Rewrite::default();
    if let Some(text) = &args.rewrite_source {
        (rewrite.source, rewrite.source_mac) = addresses("--rewrite-source", text)?;
    }
    if let Some(text) = &args.rewrite_destination {
        (rewrite.destination, rewrite.destination_mac) = addresses("--rewrite-destination", text)?;
    }
    Ok(rewrite)
}

fn addresses(flag: &str, text: &str) -> Result<(Option<Ipv4Addr>, Option<[u8; 6]>)> {
    let (mut ip, mut ethernet) = (None, None);
    for word in text.split(',') {
        if let Some(found) = mac(word) {
            ethernet = Some(found);
            continue;
        }
        let given = Given::text(flag, word);
        let found = Ipv4Addr::read(&given, 0);
        ip = Some(found.map_err(|_| given.refuse("an IPv4 address or a MAC address"))?);
    }
    Ok((ip, ethernet))
}
