//! What several datagrams show that none of them does.

use super::super::file::{Record, records};
use super::super::packet::{
    A, ACK, B, DF, ETHERTYPE_IPV4, FROM_ROUTER, IP, Ip, MAC_A, MAC_B, OPEN, REPLY, ROUTER, RST,
    SEGMENT, SYN, Tcp, cut, echo, echo_reply, ethernet, icmp, join, pattern, received, sent, tcp,
    udp,
};
use super::{ETHERNET, Oddity};

/// Linux cooked capture, version 2.
const COOKED: u16 = 276;
/// ARPHRD_ETHER and ARPHRD_LOOPBACK.
const ETHER: u16 = 1;
const LOOPBACK: u16 = 772;
/// The kernel's packet types: to this host, from this host.
const TO_US: u8 = 0;
const FROM_US: u8 = 4;
/// Another host beside `B`.
const C: [u8; 4] = [198, 51, 100, 3];

pub(crate) fn oddities() -> Vec<Oddity> {
    vec![
        duplicate(),
        routing_loop(),
        ttl(),
        identification(),
        own(),
        interface(),
        hosts(),
        ports(),
        smurf(),
        unseen(),
        redirects(),
    ]
}

/// Frames at these milliseconds.
fn at(frames: &[(u32, Vec<u8>)]) -> Vec<Record> {
    let bytes: Vec<Vec<u8>> = frames.iter().map(|(_, bytes)| bytes.clone()).collect();
    let mut records = records(&bytes, 0);
    for (record, (milliseconds, _)) in records.iter_mut().zip(frames) {
        record.seconds += milliseconds / 1000;
        record.fraction = milliseconds % 1000 * 1000;
    }
    records
}

/// The last octet of a host.
fn octet(number: u32) -> u8 {
    u8::try_from(number).expect("a host of the network")
}

fn duplicate() -> Oddity {
    let says = |id| sent(&udp(&Ip { id, ..IP }, 40_000, 514, b"<13>door open"));
    Oddity {
        id: "ipv4.duplicate",
        odd: "Frame 2 is frame 1 again, 15 microseconds later",
        near: "Frame 3 says the same under another number; frame 4 is frame 3 again, 3 s later",
        link: ETHERNET,
        frames: {
            let mut frames = at(&[(0, says(1)), (0, says(1)), (1, says(2)), (3001, says(2))]);
            if let Some(record) = frames.get_mut(1) {
                record.fraction += 15;
            }
            frames
        },
        fires: &[2],
    }
}

fn routing_loop() -> Oddity {
    let pass = |id, ttl| sent(&echo(&Ip { id, ttl, ..IP }, id, 8));
    let back = |id, ttl| {
        let datagram = echo(&Ip { id, ttl, ..IP }, id, 8);
        ethernet(MAC_A, MAC_B, ETHERTYPE_IPV4, &datagram)
    };
    Oddity {
        id: "ipv4.loop",
        odd: "Frame 5 is the same datagram between the same stations for the third time, with TTL \
              60 after 64 and 62",
        near: "Frames 6 to 8 are three sightings too, one of them the other way",
        link: ETHERNET,
        frames: at(&[
            (0, pass(1, 64)),
            (1, back(1, 63)),
            (2, pass(1, 62)),
            (3, back(1, 61)),
            (4, pass(1, 60)),
            (5, pass(2, 64)),
            (6, back(2, 63)),
            (7, pass(2, 62)),
        ]),
        fires: &[5],
    }
}

fn ttl() -> Oddity {
    let data = |from, ttl, id| {
        let ip = Ip { id, ttl, ..REPLY };
        let segment = Tcp {
            from: 80,
            to: from,
            sequence: 1000 + u32::from(id),
            ..SEGMENT
        };
        received(&tcp(&ip, &segment, b"x"))
    };
    let reset = |from, ttl, id| {
        let ip = Ip { id, ttl, ..REPLY };
        let segment = Tcp {
            from: 80,
            to: from,
            sequence: 1000 + u32::from(id),
            flags: RST | ACK,
            ..SEGMENT
        };
        received(&tcp(&ip, &segment, b""))
    };
    Oddity {
        id: "ipv4.ttl.changed",
        odd: "Frame 5 resets a connection with TTL 47 after four segments with 57",
        near: "Frame 7 does so after a single one",
        link: ETHERNET,
        frames: at(&[
            (0, data(49_152, 57, 1)),
            (10, data(49_152, 57, 2)),
            (20, data(49_152, 57, 3)),
            (30, data(49_152, 57, 4)),
            (40, reset(49_152, 47, 5)),
            (50, data(49_153, 57, 6)),
            (60, reset(49_153, 47, 7)),
        ]),
        fires: &[5],
    }
}

fn identification() -> Oddity {
    let numbered = |flags, destination, text: u8| {
        let ip = Ip {
            id: 0,
            flags,
            destination,
            ..IP
        };
        sent(&udp(&ip, 40_000, 514, &[text; 64]))
    };
    let mut frames: Vec<(u32, Vec<u8>)> = Vec::new();
    for (start, flags, destination) in [(0, 0, B), (10, DF, C)] {
        for n in 0..4 {
            let data = b'a' + octet(n);
            frames.push((start + n, numbered(flags, destination, data)));
        }
    }
    Oddity {
        id: "ipv4.identification.constant",
        odd: "Frame 4 has the identification 0 like the three before, and may be fragmented",
        near: "Frames 5 to 8 have it too, and may not",
        link: ETHERNET,
        frames: at(&frames),
        fires: &[4],
    }
}

/// A datagram as the kernel hands it out: over which interface, of which kind, which way.
fn cooked(index: u32, hardware: u16, kind: u8, datagram: &[u8]) -> Vec<u8> {
    let address = if hardware == LOOPBACK { [0; 6] } else { MAC_A };
    join(&[
        &ETHERTYPE_IPV4.to_be_bytes(),
        &[0, 0],
        &index.to_be_bytes(),
        &hardware.to_be_bytes(),
        &[kind, 6],
        &address,
        &[0, 0],
        datagram,
    ])
}

fn own() -> Oddity {
    let from = |source, id| echo(&Ip { id, source, ..IP }, id, 8);
    Oddity {
        id: "ipv4.source.own",
        odd: "Frame 2 arrives from the address that frame 1 was sent from",
        near: "Frame 4 does so over the loopback interface",
        link: COOKED,
        frames: at(&[
            (0, cooked(2, ETHER, FROM_US, &from(A, 1))),
            (5, cooked(2, ETHER, TO_US, &from(A, 2))),
            (10, cooked(2, ETHER, FROM_US, &from(ROUTER, 3))),
            (15, cooked(1, LOOPBACK, TO_US, &from(ROUTER, 4))),
        ]),
        fires: &[2],
    }
}

fn interface() -> Oddity {
    let from = |source, id| {
        let ip = Ip {
            source,
            destination: A,
            id,
            ..IP
        };
        cooked_from(&echo(&ip, id, 8))
    };
    let bridged = from(C, 3);
    Oddity {
        id: "ipv4.source.interface",
        odd: "Frame 2 arrives on interface 3 from the source of frame 1, which came over 2",
        near: "Frames 3 and 4 are one datagram, on interface 2 and on its bridge",
        link: COOKED,
        frames: at(&[
            (0, from(B, 1)(2)),
            (5, from(B, 2)(3)),
            (10, bridged(2)),
            (10, bridged(5)),
            (15, from(C, 4)(5)),
        ]),
        fires: &[2],
    }
}

/// The same datagram, arriving on an interface.
fn cooked_from(datagram: &[u8]) -> impl Fn(u32) -> Vec<u8> + use<> {
    let datagram = datagram.to_vec();
    move |index| cooked(index, ETHER, TO_US, &datagram)
}

/// A host of the network 198.18.0.0/24 is asked to open a port; its answer with these flags.
fn ask(source: [u8; 4], host: u8, port: u16) -> Vec<u8> {
    let ip = Ip {
        source,
        destination: [198, 18, 0, host],
        id: u16::from(host) + port,
        ..IP
    };
    let open = Tcp { to: port, ..OPEN };
    sent(&tcp(&ip, &open, b""))
}

fn answer(source: [u8; 4], host: u8, port: u16, flags: u16) -> Vec<u8> {
    let ip = Ip {
        source: [198, 18, 0, host],
        destination: source,
        id: u16::from(host) + port + 7,
        ..REPLY
    };
    let answer = Tcp {
        from: port,
        to: OPEN.from,
        acknowledgment: 1001,
        flags,
        ..OPEN
    };
    received(&tcp(&ip, &answer, b""))
}

fn hosts() -> Oddity {
    let mut frames = Vec::new();
    for host in 1..=25 {
        frames.push((host, ask(A, octet(host), 22)));
    }
    frames.push((1500, ask(A, 26, 22)));
    for host in 1..=26 {
        frames.push((2000 + host, ask(C, octet(host), 22)));
    }
    frames.push((2100, answer(C, 1, 22, SYN | ACK)));
    frames.push((2101, answer(C, 2, 22, SYN | ACK)));
    frames.push((4000, ask(C, 26, 22)));
    Oddity {
        id: "ipv4.scan.hosts",
        odd: "Frame 26 asks one more host for its port 22 when 25 have not answered for a second",
        near: "Frame 55 is of a source that has asked as many, of which 2 have answered",
        link: ETHERNET,
        frames: at(&frames),
        fires: &[26],
    }
}

fn ports() -> Oddity {
    let mut frames = Vec::new();
    let mut time = 0;
    for (source, open) in [(A, 0), (C, 2)] {
        for port in 1..=16 {
            let flags = if port > open { RST | ACK } else { SYN | ACK };
            frames.push((time, ask(source, 1, port)));
            frames.push((time + 1, answer(source, 1, port, flags)));
            time += 2;
        }
    }
    Oddity {
        id: "ipv4.scan.ports",
        odd: "Frame 31 asks for one more port when 15 have been refused",
        near: "Frame 64 is the 14th refusal among 16 ports",
        link: ETHERNET,
        frames: at(&frames),
        fires: &[31],
    }
}

fn smurf() -> Oddity {
    let ask = |host, sequence| {
        let ip = Ip {
            destination: [198, 51, 100, host],
            id: sequence,
            ..IP
        };
        sent(&echo(&ip, sequence, 8))
    };
    let reply = |host, sequence| {
        let ip = Ip {
            source: [198, 51, 100, host],
            id: sequence,
            ..REPLY
        };
        received(&echo_reply(&ip, sequence, 8))
    };
    Oddity {
        id: "icmpv4.smurf",
        odd: "Frame 4 is the third reply to frame 1 of a host that it did not go to",
        near: "Frame 8 is the second to frame 5",
        link: ETHERNET,
        frames: at(&[
            (0, ask(255, 1)),
            (1, reply(1, 1)),
            (2, reply(2, 1)),
            (3, reply(3, 1)),
            (30_000, ask(9, 2)),
            (30_001, reply(9, 2)),
            (30_002, reply(8, 2)),
            (30_003, reply(7, 2)),
        ]),
        fires: &[4],
    }
}

/// An error of the router's to `A` about a datagram.
fn error(router: [u8; 4], id: u16, head: (u8, u8, [u8; 4]), about: &[u8]) -> Vec<u8> {
    let ip = Ip {
        source: router,
        id,
        ..FROM_ROUTER
    };
    let (kind, code, word) = head;
    received(&icmp(&ip, kind, code, word, &cut(about, 28)))
}

fn unseen() -> Oddity {
    let ask = |from, id| udp(&Ip { id, ..IP }, from, 53, &pattern(20));
    let unreachable = (3, 3, [0; 4]);
    Oddity {
        id: "icmpv4.quote.unseen",
        odd: "Frame 3 is about a question from port 40002, which nobody has asked",
        near: "Frame 4 is about frame 2",
        link: ETHERNET,
        frames: at(&[
            (0, sent(&ask(40_000, 1))),
            (11_000, sent(&ask(40_001, 2))),
            (11_010, error(B, 3, unreachable, &ask(40_002, 3))),
            (11_020, error(B, 4, unreachable, &ask(40_001, 2))),
        ]),
        fires: &[3],
    }
}

fn redirects() -> Oddity {
    let [first, second, third] = [10, 11, 12].map(|host| [203, 0, 113, host]);
    let about = |destination| echo(&Ip { destination, ..IP }, 1, 8);
    let redirect =
        |router, id, gateway, destination| error(router, id, (5, 1, gateway), &about(destination));
    Oddity {
        id: "icmpv4.redirect.contradiction",
        odd: "Frame 2 sends the host to another gateway for the same destination than frame 1",
        near: "Frame 4 does too, and comes from the gateway that frame 3 has sent it to",
        link: ETHERNET,
        frames: at(&[
            (0, redirect(ROUTER, 1, first, B)),
            (10, redirect(ROUTER, 2, second, B)),
            (20, redirect(ROUTER, 3, first, C)),
            (30, redirect(first, 4, third, C)),
        ]),
        fires: &[2],
    }
}
