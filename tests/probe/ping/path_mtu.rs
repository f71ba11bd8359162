//! The search for the path MTU: routers that say it, that say half of it, and that say nothing.

use std::net::Ipv4Addr;
use std::time::Duration;

use dotquad::probe::ping::{MtuConfig, MtuReport, PathMtu, Verdict};
use dotquad::probe::{Fragmentation, Probe};

use super::super::network::{self, Mail, Post, datagram};
use super::{Does, IDENTIFIER, TARGET, echo, ms, reply_from};

const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

/// What a link on the path does with what is too big for it.
#[derive(Clone, Copy)]
enum Link {
    /// Says its MTU.
    Says(u16),
    /// Says that it is too big and no more (RFC 792).
    Says0(u16),
    /// Says an MTU that makes no sense.
    Lies(u16, u16),
    /// Drops it.
    Hole(u16),
}

/// The search on a path of these links: what was tried, what was found, and when.
fn search(most: u16, path: &[Link], alive: bool) -> (Vec<u16>, Option<u16>, Duration) {
    let mut machine = PathMtu::new(&MtuConfig {
        target: TARGET,
        most,
        wait: ms(500),
        tries: 2,
        source: None,
        identifier: IDENTIFIER,
        seed: [5, 6],
    });
    let mut tried = Vec::new();
    let mut found = Vec::new();
    let path = path.to_vec();
    let mut world = Does(
        move |now, _, probe: &Probe, body: &[u8], post: &mut Post| {
            assert_eq!(probe.fragmentation, Fragmentation::Probe);
            let size = u16::try_from(20 + body.len()).unwrap();
            let error = |info| Mail::Error {
                offender: ROUTER,
                icmp_type: 3,
                code: 4,
                info,
                quoted: datagram(probe, body, 8),
            };
            for link in &path {
                match *link {
                    Link::Says(mtu) if size > mtu => {
                        return post.deliver(now + ms(10), error(u32::from(mtu)));
                    }
                    Link::Says0(mtu) if size > mtu => {
                        return post.deliver(now + ms(10), error(0));
                    }
                    Link::Lies(mtu, says) if size > mtu => {
                        return post.deliver(now + ms(10), error(u32::from(says)));
                    }
                    Link::Hole(mtu) if size > mtu => return,
                    _ => {}
                }
            }
            if alive {
                post.deliver(now + ms(10), reply_from(probe.destination, echo(body)));
            }
        },
        0,
    );
    let end = network::run(
        &mut machine,
        &mut world,
        Duration::ZERO,
        |_, report, _| match report {
            MtuReport::Tried { size, .. } => tried.push(size),
            MtuReport::Found(mtu) => found.push(mtu),
        },
    );
    assert_eq!(found.len(), 1, "said once");
    (tried, found[0], end)
}

#[test]
fn a_path_as_wide_as_the_interface_takes_one_round_trip() {
    assert_eq!(search(1500, &[], true), (vec![1500], Some(1500), ms(10)));
}

#[test]
fn routers_that_say_it_are_asked_once_each() {
    let path = [Link::Says(1492), Link::Says(1400), Link::Says(1450)];
    let expected = (vec![1500, 1492, 1400], Some(1400), ms(30));
    assert_eq!(search(1500, &path, true), expected);
}

#[test]
fn silence_and_nonsense_are_searched_through() {
    for mtu in [68u16, 69, 576, 1006, 1279, 1280, 1499] {
        for link in [
            Link::Says0(mtu),
            Link::Lies(mtu, 9000),
            Link::Lies(mtu, 20),
            Link::Hole(mtu),
        ] {
            let (tried, found, _) = search(1500, &[link], true);
            assert_eq!(found, Some(mtu));
            // The first, the least, and a bisection of 1,432 sizes.
            assert!(tried.len() <= 2 + 11, "{tried:?}");
        }
    }
}

#[test]
fn nobody_there_is_said_soon() {
    let (tried, found, end) = search(1500, &[], false);
    assert_eq!((tried, found), (vec![1500, 68], None));
    assert_eq!(end, ms(2000));
}

#[test]
fn the_kernel_knows_its_own_interface() {
    let mut machine = PathMtu::new(&MtuConfig {
        target: TARGET,
        most: 9000,
        wait: ms(500),
        tries: 2,
        source: None,
        identifier: IDENTIFIER,
        seed: [5, 6],
    });
    let mut told = Vec::new();
    let mut world = Does(
        |now, _, probe: &Probe, body: &[u8], post: &mut Post| {
            if body.len() > 1480 {
                post.deliver(now, Mail::SendFailed(probe.id, 90, Some(1500)));
            } else {
                post.deliver(now + ms(1), reply_from(probe.destination, echo(body)));
            }
        },
        0,
    );
    network::run(&mut machine, &mut world, Duration::ZERO, |_, report, _| {
        told.push(report);
    });
    let refused = Verdict::Refused {
        error: 90,
        mtu: Some(1500),
    };
    let tried = |size, verdict| MtuReport::Tried { size, verdict };
    let expected = [
        tried(9000, refused),
        tried(1500, Verdict::Fits),
        MtuReport::Found(Some(1500)),
    ];
    assert_eq!(told, expected);
}
