//! Fragments as this machine's own kernel takes them: what it hands a receiver is what the policy
//! named after it makes.

#![allow(
    clippy::indexing_slicing,
    reason = "a test that cannot build its fragment has failed"
)]

use std::net::UdpSocket;
use std::time::Duration;

use dotquad::survey::reassembly::{Options, Policy, Reassembly};
use dotquad::wire::checksum::checksum;
use dotquad::wire::frame::{Frame, LinkType, Offload, Time};
use dotquad::wire::packet::{Judge, Packet, dissect};
use libtest_mimic::{Failed, Trial};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::Powers;
use super::cable::{alone, has_ip};

/// Datagrams that are sent in pieces.
const DATAGRAMS: u16 = 1500;
/// The UDP header and what follows, in bytes: the length every header gives.
const LENGTH: u16 = 64;

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    let name = "reassembly_agrees_with_the_kernel";
    if !has_ip() {
        let missing = || Err("there is no ip(8)".into());
        return vec![Trial::test(format!("{name} (needs ip)"), missing).with_ignored_flag(true)];
    }
    vec![powers.trial(name, || alone(kernel_agrees))]
}

/// A piece of a datagram: its place in eights, its data, and whether more follow.
#[derive(Debug, Clone)]
struct Piece {
    at: u16,
    data: Vec<u8>,
    more: bool,
}

/// Pieces of every kind: most of them of a datagram cut at its eights, some lying anywhere, some
/// of an odd length or none, some ending the datagram somewhere else, in any order, some twice.
fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let units = LENGTH / 8;
    let cuts = prop::collection::btree_set(1..units, 1..4);
    let strays = prop::collection::vec((0..units, 0..4_u16, 0..12_u8, any::<bool>()), 0..3);
    (cuts, strays, any::<bool>()).prop_flat_map(move |(cuts, strays, twice)| {
        let starts: Vec<u16> = [0].into_iter().chain(cuts.iter().copied()).collect();
        let ends = cuts.iter().copied().chain([units]);
        let mut spans: Vec<(u16, u16, bool)> = starts
            .into_iter()
            .zip(ends)
            .map(|(start, end)| (start, (end - start) * 8, end < units))
            .collect();
        if twice {
            spans.extend_from_within(..);
        }
        for (at, len, odd, more) in strays {
            let odd = u16::from(odd.saturating_sub(8));
            let stray = (at, (len * 8).saturating_sub(odd), more || at + len < units);
            // The kernel does not take a datagram that goes nowhere.
            if stray.1 > 0 || at > 0 {
                spans.push(stray);
            }
        }
        let count = spans.len();
        let bytes = prop::collection::vec(any::<u8>(), count);
        (Just(spans).prop_shuffle(), bytes).prop_map(|(spans, bytes)| {
            spans
                .into_iter()
                .zip(bytes)
                .map(|((at, len, more), byte)| Piece {
                    at,
                    data: vec![byte; usize::from(len)],
                    more,
                })
                .collect()
        })
    })
}

/// The piece as a datagram of this identification over loopback. Whoever brings the start brings
/// the same UDP header, without a checksum, so that what is in the rest is nobody's business.
fn datagram(piece: &Piece, id: u16, port: u16) -> Vec<u8> {
    let mut data = piece.data.clone();
    if piece.at == 0 {
        let header = [1, port, LENGTH, 0].map(u16::to_be_bytes).concat();
        for (to, from) in data.iter_mut().zip(header) {
            *to = from;
        }
    }
    let total = u16::try_from(20 + data.len()).expect("it is small");
    let mut bytes = vec![0x45, 0];
    bytes.extend(total.to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.extend((u16::from(piece.more) << 13 | piece.at).to_be_bytes());
    bytes.extend([64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
    let sum = checksum(&bytes).to_be_bytes();
    bytes[10..12].copy_from_slice(&sum);
    bytes.extend(data);
    bytes
}

/// What a UDP receiver would get of a datagram: nothing where it is shorter than its header says.
fn payload(bytes: &[u8]) -> Option<Vec<u8>> {
    bytes.get(28..20 + usize::from(LENGTH)).map(<[u8]>::to_vec)
}

/// What the policy makes of these fragments.
fn expected(fragments: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut reassembly = Reassembly::new(Options {
        assemble: true,
        policy: Policy::Linux,
        ..Options::default()
    });
    let mut packet = Packet::new();
    let mut made = Vec::new();
    for (number, bytes) in (1..).zip(fragments) {
        let frame = Frame {
            number,
            time: Some(Time::default()),
            link_type: LinkType::IPV4,
            wire_len: u32::try_from(bytes.len()).expect("it is small"),
            bytes,
            interface: None,
            direction: None,
            offload: Offload::default(),
            comments: &[],
        };
        dissect(&frame, Judge::ALL, &mut packet);
        if packet.fragment().is_none() {
            // Not a fragment at all: the kernel hands it on as it is.
            made.extend(payload(bytes));
        }
        let whole = reassembly.track(&frame, &packet).whole;
        made.extend(whole.and_then(|whole| payload(&whole.bytes)));
    }
    made
}

fn kernel_agrees() -> Result<(), Failed> {
    // One core handles what it sends itself, in order.
    let this = Pid::from_raw(0);
    let mine = sched_getaffinity(this)?;
    let first = (0..CpuSet::count()).find(|&core| mine.is_set(core).unwrap_or(false));
    let mut one = CpuSet::new();
    one.set(first.unwrap_or(0))?;
    sched_setaffinity(this, &one)?;

    let receiver = UdpSocket::bind("127.0.0.1:0")?;
    receiver.set_read_timeout(Some(Duration::from_secs(10)))?;
    let address = receiver.local_addr()?;
    let sender = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(255)))?;
    sender.set_header_included_v4(true)?;
    let marker = UdpSocket::bind("127.0.0.1:0")?;
    let to = SockAddr::from(address);

    let mut runner = TestRunner::deterministic();
    let strategy = pieces();
    let mut delivered = 0;
    for id in 1..=DATAGRAMS {
        let pieces = strategy.new_tree(&mut runner)?.current();
        let fragments: Vec<Vec<u8>> = pieces
            .iter()
            .map(|piece| datagram(piece, id, address.port()))
            .collect();
        for fragment in &fragments {
            sender.send_to(fragment, &to)?;
        }
        marker.send_to(&id.to_be_bytes(), address)?;
        let mut got = Vec::new();
        let mut buffer = [0; 256];
        loop {
            let len = receiver.recv(&mut buffer)?;
            let bytes = &buffer[..len];
            if bytes == id.to_be_bytes() {
                break;
            }
            got.push(bytes.to_vec());
        }
        let expected = expected(&fragments);
        delivered += got.len();
        if got != expected {
            return Err(format!("{id}: {pieces:?}\n  gave {got:?}\n  not  {expected:?}").into());
        }
    }
    // Both ends of the policy have been seen.
    let most = usize::from(DATAGRAMS);
    if delivered < most / 10 || delivered > most * 9 / 10 {
        return Err(format!("{delivered} of {most} datagrams came through").into());
    }
    Ok(())
}
