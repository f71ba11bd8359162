//! Simulated datagrams on a simulated clock, one tracker after the other: what fires, what comes
//! near, and what tables that are full make of it. The frames of captures/anomalies/ go the whole
//! way from bytes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use proptest::prelude::*;

use super::passing::{ACK, Flow, ICMP, Message, RST, SYN, TCP, UDP};
use super::*;
use crate::wire::anomaly::Anomaly;
use crate::wire::frame::{Direction, Frame, LinkType, Offload, Time};
use crate::wire::packet::{Judge, Packet, dissect};

mod messages;

const A: u32 = 0xc000_0201;
const B: u32 = 0xc633_6402;
const MILLISECOND: i64 = 1_000_000;

/// A UDP datagram from `A` to `B`, about nothing.
const PASSING: Passing = Passing {
    number: 0,
    time: Some(0),
    layer: 1,
    ttl: 64,
    identification: 0,
    total_length: 100,
    atomic: true,
    fragment: false,
    to_many: false,
    flow: Flow {
        source: A,
        destination: B,
        protocol: UDP,
        from: 40_000,
        to: 53,
    },
    has_ports: true,
    tcp: 0,
    message: None,
    fingerprint: 0,
    around: 0,
    link: 1,
    interface: None,
    direction: None,
    loopback: false,
};

/// Numbers frames, lets a millisecond pass with each, and hears what is found.
struct Scene {
    tracks: Tracks,
    number: u64,
    now: i64,
    heard: Vec<(Anomaly, u64, Vec<u64>)>,
}

impl Scene {
    fn new() -> Self {
        Self {
            tracks: Tracks::new([3, 4], true),
            number: 0,
            now: 1_700_000_000_000_000_000,
            heard: Vec::new(),
        }
    }

    fn filtered() -> Self {
        Self {
            tracks: Tracks::new([3, 4], false),
            ..Self::new()
        }
    }

    fn wait(&mut self, milliseconds: i64) {
        self.now += milliseconds * MILLISECOND;
    }

    /// A datagram that is like no other.
    fn pass(&mut self, passing: Passing) {
        let fingerprint = self.number + 1000;
        self.pass_again(Passing {
            fingerprint,
            ..passing
        });
    }

    /// One of which the fingerprint counts.
    fn pass_again(&mut self, passing: Passing) {
        self.wait(1);
        self.number += 1;
        let passing = Passing {
            number: self.number,
            time: Some(self.now),
            ..passing
        };
        for (anomaly, layer, frames) in self.tracks.add(&passing) {
            assert_eq!(layer, passing.layer);
            self.heard.push((anomaly, self.number, frames));
        }
    }

    fn ids(&self) -> Vec<(&'static str, u64)> {
        let heard = self.heard.iter();
        heard.map(|(anomaly, at, _)| (anomaly.id(), *at)).collect()
    }
}

fn flow(source: u32, destination: u32, protocol: u8, from: u16, to: u16) -> Flow {
    Flow {
        source,
        destination,
        protocol,
        from,
        to,
    }
}

fn tcp(flow: Flow, flags: u8) -> Passing {
    Passing {
        flow,
        tcp: flags,
        ..PASSING
    }
}

fn request(source: u32, destination: u32, identifier: u16, sequence: u16) -> Passing {
    Passing {
        flow: flow(source, destination, ICMP, identifier, 0),
        message: Some(Message::Request { sequence }),
        ..PASSING
    }
}

fn reply(source: u32, destination: u32, identifier: u16, sequence: u16) -> Passing {
    Passing {
        flow: flow(source, destination, ICMP, 0, identifier),
        message: Some(Message::Reply { sequence }),
        ..PASSING
    }
}

fn error(from: u32, kind: u8, word: u32, about: Flow) -> Passing {
    Passing {
        flow: flow(from, about.source, ICMP, 0, 0),
        message: Some(Message::Error {
            kind,
            code: 0,
            word,
            about,
        }),
        ..PASSING
    }
}

#[test]
fn a_copy_at_once_is_a_duplicate_and_a_later_one_is_not() {
    let mut scene = Scene::new();
    let numbered = Passing {
        identification: 7,
        ..PASSING
    };
    scene.pass_again(numbered);
    scene.pass_again(numbered);
    scene.wait(1001);
    scene.pass_again(numbered);
    // In another frame over the same link, or on another link, it is being forwarded.
    scene.pass_again(Passing {
        around: 2,
        ..numbered
    });
    scene.pass_again(Passing {
        link: 2,
        ..numbered
    });
    assert_eq!(scene.heard, [(Anomaly::Ipv4Duplicate, 2, vec![1])]);
}

#[test]
fn who_does_not_number_may_say_the_same_twice() {
    let mut scene = Scene::new();
    scene.pass_again(PASSING);
    scene.pass_again(PASSING);
    assert_eq!(scene.heard, []);
}

#[test]
fn a_loop_takes_three_sightings_with_falling_ttl() {
    let mut scene = Scene::new();
    for ttl in [64, 62, 60, 58] {
        scene.pass_again(Passing { ttl, ..PASSING });
    }
    assert_eq!(scene.heard, [(Anomaly::Ipv4Loop, 3, vec![1, 2])]);
    let mut scene = Scene::new();
    for ttl in [1, 2, 3, 2, 1, 2] {
        // Traceroute there and back again, were it to use one number.
        scene.pass_again(Passing {
            ttl,
            fingerprint: u64::from(ttl),
            ..PASSING
        });
    }
    assert_eq!(scene.heard, []);
}

#[test]
fn a_steady_flow_keeps_its_ttl() {
    let mut scene = Scene::new();
    for ttl in [57, 57, 57, 57, 47, 57, 47] {
        scene.pass(Passing { ttl, ..PASSING });
    }
    assert_eq!(scene.heard, [(Anomaly::Ipv4TtlChanged, 5, vec![4])]);
}

#[test]
fn what_looks_like_a_change_of_ttl() {
    let mut scene = Scene::new();
    // Too soon.
    for ttl in [57, 57, 57, 47, 57, 47, 57, 47, 57] {
        scene.pass(Passing { ttl, ..PASSING });
    }
    // A traceroute with one flow and several queries a hop.
    let path = Passing {
        flow: flow(A, B + 1, UDP, 33_000, 33_434),
        ..PASSING
    };
    for ttl in [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3] {
        scene.pass(Passing { ttl, ..path });
    }
    // Both sides of a router, and the numbers used again after a minute, or for a connection.
    let web = flow(A, B, TCP, 50_000, 80);
    for _ in 0..5 {
        scene.pass(tcp(web, ACK));
        scene.pass(Passing {
            ttl: 63,
            link: 2,
            ..tcp(web, ACK)
        });
    }
    scene.pass(Passing {
        ttl: 60,
        ..tcp(web, SYN)
    });
    for _ in 0..5 {
        scene.pass(Passing {
            ttl: 60,
            ..tcp(web, ACK)
        });
    }
    scene.wait(61_000);
    scene.pass(tcp(web, ACK));
    assert_eq!(scene.heard, []);
}

#[test]
fn one_identification_for_all_that_may_be_fragmented() {
    let open = Passing {
        atomic: false,
        identification: 9,
        ..PASSING
    };
    let mut scene = Scene::new();
    for _ in 0..6 {
        scene.pass(open);
    }
    let expected = (Anomaly::Ipv4IdentificationConstant, 4, vec![1, 2, 3]);
    assert_eq!(scene.heard, [expected]);
    let mut scene = Scene::new();
    for n in 0..20 {
        // Copies of one datagram, all too small ones, atomic ones, counted ones, and DHCP.
        scene.pass_again(Passing { link: n, ..open });
        scene.pass(Passing {
            total_length: 68,
            flow: flow(A, 1, UDP, 1, 1),
            ..open
        });
        scene.pass(Passing {
            flow: flow(A, 2, UDP, 1, 1),
            ..PASSING
        });
        scene.pass(Passing {
            flow: flow(A, 3, UDP, 1, 1),
            identification: u16::try_from(n).unwrap(),
            ..open
        });
        scene.pass(Passing {
            flow: flow(0, u32::MAX, UDP, 68, 67),
            ..open
        });
    }
    assert_eq!(scene.heard, []);
}

#[test]
fn own_addresses_do_not_arrive() {
    let out = Passing {
        direction: Some(Direction::Out),
        interface: Some(1),
        ..PASSING
    };
    let into = Passing {
        direction: Some(Direction::In),
        link: 2,
        ..out
    };
    let mut scene = Scene::new();
    scene.pass(out);
    scene.pass(Passing {
        loopback: true,
        ..into
    });
    scene.pass(into);
    assert_eq!(scene.heard, [(Anomaly::Ipv4SourceOwn, 3, vec![1])]);
    // A bridge or a router hands on what it got, whichever is seen first.
    let mut scene = Scene::new();
    scene.pass_again(out);
    scene.pass_again(into);
    scene.pass(into);
    assert_eq!(scene.heard, []);
}

#[test]
fn sources_stay_where_they_are() {
    let into = |interface| Passing {
        direction: Some(Direction::In),
        interface: Some(interface),
        link: interface,
        ..PASSING
    };
    let mut scene = Scene::new();
    scene.pass(into(1));
    scene.pass(into(2));
    scene.pass(into(1));
    assert_eq!(scene.heard, [(Anomaly::Ipv4SourceInterface, 2, vec![1])]);
    let mut scene = Scene::new();
    scene.pass(into(1));
    scene.wait(10_001);
    scene.pass(into(2));
    // The interface of which nothing is known says nothing.
    scene.pass(Passing {
        interface: None,
        ..into(3)
    });
    assert_eq!(scene.heard, []);
}

#[test]
fn many_hosts_that_do_not_answer_are_a_scan() {
    let mut scene = Scene::new();
    for host in 0..25 {
        scene.pass(tcp(flow(A, B + host, TCP, 50_000, 22), SYN));
    }
    scene.wait(1001);
    scene.pass(tcp(flow(A, B + 25, TCP, 50_000, 22), SYN));
    assert_eq!(scene.ids(), [("ipv4.scan.hosts", 26)]);
    assert_eq!(scene.heard[0].2, (1..=16).collect::<Vec<u64>>());
    // Told once.
    for host in 26..90 {
        scene.pass(tcp(flow(A, B + host, TCP, 50_000, 22), SYN));
    }
    assert_eq!(scene.heard.len(), 1);
}

#[test]
fn who_speaks_to_many_is_no_scanner() {
    let mut scene = Scene::new();
    for host in 0..200 {
        let to = flow(A, B + host, TCP, 50_000, 443);
        let back = flow(B + host, A, TCP, 443, 50_000);
        scene.pass(tcp(to, SYN));
        scene.wait(20);
        match host % 4 {
            // One answers; one is only seen to have done so; one refuses; one is down.
            0 => scene.pass(tcp(back, SYN | ACK)),
            1 => scene.pass(tcp(to, ACK)),
            2 => scene.pass(tcp(back, RST | ACK)),
            _ => {}
        }
        scene.wait(2000);
    }
    assert_eq!(scene.heard, []);
}

#[test]
fn a_burst_of_connections_has_time_to_be_answered() {
    let mut scene = Scene::new();
    for host in 0..60 {
        scene.pass(tcp(flow(A, B + host, TCP, 50_000, 443), SYN));
    }
    assert_eq!(scene.heard, []);
}

#[test]
fn many_ports_that_are_refused_are_a_scan() {
    let mut scene = Scene::new();
    for port in 1..=16 {
        scene.pass(tcp(flow(A, B, TCP, 50_000, port), SYN));
        scene.pass(tcp(flow(B, A, TCP, port, 50_000), RST | ACK));
    }
    assert_eq!(scene.ids(), [("ipv4.scan.ports", 31)]);
    let mut scene = Scene::filtered();
    for port in 1..=100 {
        scene.pass(tcp(flow(A, B, TCP, 50_000, port), SYN));
        scene.wait(2000);
    }
    assert_eq!(scene.heard, [], "answers may have been filtered out");
}

#[test]
fn udp_scans_are_known_by_their_errors() {
    let tries = |ttl| {
        let mut scene = Scene::new();
        for port in 1000..1020 {
            let to = flow(A, B, UDP, 50_000, port);
            scene.pass(Passing {
                ttl,
                flow: to,
                ..PASSING
            });
            scene.pass(error(B, 3, 0, to));
        }
        scene.ids()
    };
    assert_eq!(tries(64), [("ipv4.scan.ports", 31)]);
    assert_eq!(tries(20), [], "traceroute counts ports too");
    // A server that answers, of which the questions are not seen; and one nobody answers.
    let mut scene = Scene::new();
    for port in 40_000..40_100 {
        scene.pass(Passing {
            flow: flow(A, B, UDP, 53, port),
            ..PASSING
        });
        scene.pass(Passing {
            flow: flow(A, B + 1, UDP, 60_000, port),
            ..PASSING
        });
        scene.wait(2000);
    }
    assert_eq!(scene.heard, []);
}

#[test]
fn a_sweep_of_pings_is_a_scan_where_hardly_anybody_answers() {
    let sweep = |answering: u32| {
        let mut scene = Scene::new();
        for host in 0..100 {
            scene.pass(request(A, B + host, 1, 1));
            if host % 100 < answering {
                scene.pass(reply(B + host, A, 1, 1));
            }
            scene.wait(100);
        }
        scene.ids().iter().map(|(id, _)| *id).collect::<Vec<_>>()
    };
    assert_eq!(sweep(1), ["ipv4.scan.hosts"]);
    assert!(sweep(0).is_empty(), "answers may not be seen here");
    assert!(sweep(100).is_empty());
}

#[test]
fn full_tables_say_so_and_conclude_nothing_from_what_is_missing() {
    let mut scene = Scene::new();
    let asks = |from, to| Passing {
        flow: flow(A, to, UDP, from, 53),
        ..PASSING
    };
    scene.pass(asks(40_000, B));
    scene.wait(11_000);
    scene.pass(asks(40_001, B));
    assert_eq!(scene.tracks.forgotten(), Forgotten::default());
    for other in 0..40_000_u32 {
        scene.pass(Passing {
            flow: flow(other + 1000, other, UDP, 1, 2),
            has_ports: true,
            ..PASSING
        });
    }
    let forgotten = scene.tracks.forgotten();
    assert!(forgotten.flows > 0 && forgotten.hosts > 0, "{forgotten:?}");
    scene.pass(asks(40_003, B));
    scene.pass(error(B, 3, 0, asks(40_002, B).flow));
    scene.pass(error(B, 3, 0, asks(40_000, B).flow));
    for host in 0..20 {
        scene.pass(reply(B + host, A, 5, 1));
    }
    let unseen = |(id, _): &(&str, u64)| *id == "icmpv4.quote.unseen";
    assert!(!scene.ids().iter().any(unseen), "{:?}", scene.ids());
}

prop_compose! {
    fn any_passing()(
        bytes in proptest::collection::vec(any::<u8>(), 0..80),
        head in 0..4_usize,
        time in proptest::option::of(any::<i64>()),
        link in prop_oneof![Just(1_u16), Just(113), Just(276), Just(101)],
    ) -> (Vec<u8>, Option<i64>, u16) {
        // Mostly headers that are read.
        let mut frame = match link {
            1 => [&[2; 12][..], &[8, 0]].concat(),
            113 => [&[0; 14][..], &[8, 0]].concat(),
            276 => [&[8, 0][..], &[0; 18]].concat(),
            _ => Vec::new(),
        };
        let protocol = [1, 6, 17, 99][head];
        let mut header = vec![0x45, 0, 0, 60, 0, 1, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        let mut sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
        sum = (sum & 0xffff) + (sum >> 16);
        let sum = !u16::try_from(sum).unwrap();
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        frame.extend(header);
        frame.extend(bytes);
        (frame, time, link)
    }
}

proptest! {
    /// Any bytes at any time, in any order.
    #[test]
    fn nothing_breaks_it(frames in proptest::collection::vec(any_passing(), 0..200)) {
        let mut tracks = Tracks::new([5, 6], true);
        let mut packet = Packet::new();
        for (number, (bytes, time, link)) in (1..).zip(&frames) {
            let frame = Frame {
                number,
                time: time.map(|time| Time {
                    seconds: time,
                    nanoseconds: 999_999_999,
                }),
                link_type: LinkType(*link),
                wire_len: 60,
                bytes,
                interface: Some(0),
                direction: None,
                offload: Offload::default(),
                comments: &[],
            };
            dissect(&frame, Judge::ALL, &mut packet);
            let Some(passing) = Passing::read(&frame, &packet, &Origin::new([5, 6], Some("x"))) else {
                continue;
            };
            for (_, layer, frames) in tracks.add(&passing) {
                prop_assert!(usize::from(layer) < packet.layers().len());
                prop_assert!(!frames.is_empty() && frames.iter().all(|it| *it < number));
            }
        }
    }

    /// What is found does not depend on the secret.
    #[test]
    fn the_seed_decides_nothing(seed in any::<[u64; 2]>(), hosts in proptest::collection::vec(0..40_u32, 0..300)) {
        let mut one = Tracks::new([1, 2], true);
        let mut other = Tracks::new(seed, true);
        for (number, host) in (1..).zip(hosts) {
            let passing = Passing {
                number,
                time: Some(i64::try_from(number).unwrap() * 100 * MILLISECOND),
                fingerprint: u64::from(host % 7),
                identification: 5,
                atomic: false,
                ttl: 64 - u8::try_from(host % 3).unwrap(),
                ..tcp(flow(A, B + host, TCP, 50_000, 22), SYN)
            };
            prop_assert_eq!(one.add(&passing), other.add(&passing));
        }
    }
}
