//! Live sources: what the kernel hands over is what was sent, each packet once, and the counters
//! add up. Every test has a network namespace of its own. Here is what the tests share; one module
//! a theme.

use std::net::{Ipv4Addr, UdpSocket};
use std::thread;

use dotquad::capture::{Batch, FrameSource};
use dotquad::error::Error;
use dotquad::filter::{self, Expression, Filter, NoNames};
use dotquad::net::live::{Backend, Figures, Live, Options};
use dotquad::wire::frame::{Direction, LinkType, Offload};
use libtest_mimic::{Failed, Trial};

use super::Powers;
use super::cable::{self, alone};

#[path = "ring/coming.rs"]
mod coming;
#[path = "ring/counting.rs"]
mod counting;
#[path = "ring/several.rs"]
mod several;
#[path = "ring/showing.rs"]
mod showing;

/// Empty batches in a row, each a fifth of a second, after which nothing more is expected.
const PATIENCE: u32 = 50;

const BACKENDS: [Backend; 3] = [Backend::Ring, Backend::Recvmmsg, Backend::Pnet];

/// The port that tests send to, where nobody listens.
const PORT: u16 = 9000;

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    type Test = fn() -> Result<(), Failed>;
    let tests: [(&str, Test); 17] = [
        ("ring_shows_loopback_once", showing::loopback_once),
        ("ring_shows_the_wanted_direction", showing::direction),
        ("ring_keeps_what_the_snaplen_allows", showing::snaplen),
        ("ring_puts_vlan_tags_back", showing::vlan),
        ("ring_tells_what_is_offloaded", showing::offload),
        ("ring_any_names_interfaces", showing::any),
        ("ring_counters_add_up_when_it_is_full", counting::full),
        ("ring_counters_add_up_when_packets_are_left", counting::left),
        (
            "ring_filter_is_there_before_the_first_packet",
            counting::filter_first,
        ),
        ("ring_waits_for_an_interface_that_is_down", coming::down),
        ("ring_ends_with_its_interface", coming::removed),
        ("ring_goes_on_with_the_other_interface", coming::one_removed),
        ("ring_merges_interfaces", several::two),
        ("ring_shares_an_interface_among_rings", several::fanout),
        ("ring_says_what_pnet_cannot_know", coming::pnet),
        ("ring_says_what_is_wrong_with_an_interface", coming::wrong),
        ("ring_blocks_are_given_back", counting::given_back),
    ];
    let has_ip = cable::has_ip();
    let trial = |(name, test): (&str, Test)| {
        if has_ip {
            return powers.trial(name, move || alone(test));
        }
        let missing = || Err("there is no ip command here".into());
        Trial::test(format!("{name} (needs ip of iproute2)"), missing).with_ignored_flag(true)
    };
    tests.into_iter().map(trial).collect()
}

fn options(interface: &str) -> Options {
    Options::new(vec![interface.to_owned()])
}

fn listen(options: &Options, expression: &str) -> Result<Live, Error> {
    let expression = Expression::parse(expression)?;
    Live::open(options, &mut |wanted| {
        let options = filter::Options {
            deep: false,
            target: wanted.target,
            link_type: wanted.link_type,
            snaplen: wanted.snaplen,
            netmask: wanted.netmask,
            resolve: &NoNames,
        };
        Ok(Filter::compile(&expression, &options)?)
    })
}

/// What a test looks at of a frame.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    number: u64,
    bytes: Vec<u8>,
    wire_len: u32,
    link_type: LinkType,
    interface: String,
    direction: Option<Direction>,
    offload: Offload,
}

fn seen(batch: &Batch) -> Vec<Seen> {
    let frames = batch.frames().map(|frame| Seen {
        number: frame.number,
        bytes: frame.bytes.to_vec(),
        wire_len: frame.wire_len,
        link_type: frame.link_type,
        interface: batch.interface(&frame).unwrap().name.clone().unwrap(),
        direction: frame.direction,
        offload: frame.offload,
    });
    frames.collect()
}

/// Everything from now to the end of the source, and what it told.
fn rest(live: &mut Live) -> Result<(Vec<Seen>, Vec<String>), Error> {
    let (mut frames, mut notices) = (Vec::new(), Vec::new());
    while let Some(batch) = live.next_batch()? {
        frames.extend(seen(&batch));
        notices.extend_from_slice(batch.notices());
    }
    Ok((frames, notices))
}

/// The next notice.
fn notice(live: &mut Live) -> Result<String, Failed> {
    for _ in 0..PATIENCE {
        if let Some(notice) = live.next_batch()?.unwrap().notices().first() {
            return Ok(notice.clone());
        }
    }
    Err("nothing was told".into())
}

/// Waits until the kernel has counted this many packets: what was sent may still be on its way
/// through the loopback or the cable.
fn counted(live: &Live, packets: usize) -> Result<(), Failed> {
    let packets = u64::try_from(packets)?;
    let meter = live.meter();
    for _ in 0..1_000_000 {
        if meter.read().matched >= packets {
            return Ok(());
        }
        thread::yield_now();
    }
    let figures = meter.read();
    Err(format!("{packets} packets were sent: {figures:?}").into())
}

/// Ends the source when this many packets have come in all, and returns those not seen before.
fn finish(live: &mut Live, packets: usize) -> Result<Vec<Seen>, Failed> {
    counted(live, packets)?;
    live.stopper().finish();
    Ok(rest(live)?.0)
}

/// Sends datagrams whose payload is their number.
fn send(to: Ipv4Addr, packets: u32) -> Result<(), Failed> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    for packet in 0..packets {
        // A refusal told by ICMP is not the test's concern.
        let _ = socket.send_to(&packet.to_be_bytes(), (to, PORT));
    }
    Ok(())
}

/// The number at the end of each frame.
fn numbers(frames: &[Seen]) -> Vec<u32> {
    let number = |seen: &Seen| u32::from_be_bytes(*seen.bytes.last_chunk().unwrap());
    frames.iter().map(number).collect()
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what().into()) }
}

fn same<T: PartialEq + std::fmt::Debug>(one: &T, other: &T) -> Result<(), Failed> {
    check(one == other, || format!("{one:?} is not {other:?}"))
}

fn adds_up(figures: &Figures) -> Result<(), Failed> {
    let sum = figures.delivered + figures.dropped_ring + figures.left_unread;
    check(figures.matched == sum, || format!("{figures:?}"))
}
