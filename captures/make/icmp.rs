//! ICMP: errors with what they quote, extensions, and the questions of RFC 792 and later.

use super::file::{ETHERNET, pcap};
use super::packet::{
    A, B, DF, FROM_ROUTER, IP, Ip, OPEN, REPLY, ROUTER, Tcp, UDP, cut, echo, echo_word, icmp, join,
    patched, pattern, received, sent, summed, tcp, to_many, udp,
};
use super::{Capture, capture, short};

pub(crate) fn captures() -> Vec<Capture> {
    let file = |frames: Vec<Vec<u8>>| pcap(ETHERNET, &frames);
    vec![
        capture(
            "icmp_unreachable.pcap",
            "Destination unreachable in its 16 codes, each quoting a UDP header and 8 bytes",
            file((0..16).map(|code| error(3, code, [0; 4])).collect()),
        ),
        capture(
            "icmp_frag_needed.pcap",
            "Fragmentation needed: next hop of 1400 bytes, of 68, and of an old router that does \
             not say",
            file([1400u16, 68, 0].into_iter().map(frag_needed).collect()),
        ),
        capture(
            "icmp_redirect.pcap",
            "Redirect in its four codes",
            file(
                (0..4)
                    .map(|code| error(5, code, [192, 0, 2, 254]))
                    .collect(),
            ),
        ),
        capture(
            "icmp_time_exceeded.pcap",
            "Time exceeded in transit and in reassembly; the first quotes 8 bytes of TCP",
            file(vec![
                about(11, 0, [0; 4], &cut(&syn(), 28)),
                error(11, 1, [0; 4]),
            ]),
        ),
        capture(
            "icmp_parameter_problem.pcap",
            "Parameter problem: at the type of service, a required option missing, a bad length",
            file(vec![
                error(12, 0, [1, 0, 0, 0]),
                error(12, 1, [0; 4]),
                error(12, 2, [2, 0, 0, 0]),
            ]),
        ),
        capture("icmp_extensions.pcap", EXTENSIONS, file(extensions())),
        capture(
            "icmp_extended_echo.pcap",
            "Extended echo (RFC 8335): interface asked for by name, index and address; replies",
            file(extended_echo()),
        ),
        capture(
            "icmp_timestamp_mask.pcap",
            "Timestamp, information and address mask: requests and replies; the second timestamp \
             reply says its times are not standard",
            file(timestamps_and_masks()),
        ),
        capture(
            "icmp_router_advertisement.pcap",
            "Router solicitation, advertisement with two routers, mobility agent advertisement",
            file(routers()),
        ),
        capture(
            "icmp_rare.pcap",
            "Source quench, alternate host, traceroute, datagram conversion, domain name, \
             Photuris, Seamoby, experiment",
            file(rare()),
        ),
        capture("icmp_quotes.pcap", QUOTES, file(quotes())),
    ]
}

const EXTENSIONS: &str = "RFC 4884 extensions: an MPLS stack of two (RFC 4950); interface \
                          information by index, address, name and MTU (RFC 5837); a legacy error \
                          whose length is 0; an object of an unknown class; TCP unreachable with \
                          the next hop's address";

const QUOTES: &str = "What errors quote: all of a datagram, 8 bytes of TCP, a header with options, \
                      a later fragment, a header cut in two, nothing; an error about an error";

/// The datagram that the errors are about: a traceroute probe.
fn probe() -> Vec<u8> {
    udp(&Ip { ttl: 1, ..IP }, 40000, 33434, &pattern(24))
}

fn syn() -> Vec<u8> {
    tcp(&Ip { flags: DF, ..IP }, &OPEN, b"")
}

/// An ICMP error from the router.
pub(crate) fn about(kind: u8, code: u8, word: [u8; 4], quoted: &[u8]) -> Vec<u8> {
    received(&about_from(ROUTER, A, kind, code, word, quoted))
}

/// One from any router to any host, as a datagram.
pub(crate) fn about_from(
    source: [u8; 4],
    destination: [u8; 4],
    kind: u8,
    code: u8,
    word: [u8; 4],
    quoted: &[u8],
) -> Vec<u8> {
    let ip = Ip {
        tos: 0xc0,
        source,
        destination,
        ..FROM_ROUTER
    };
    icmp(&ip, kind, code, word, quoted)
}

/// One that quotes the header and 8 bytes of the probe.
fn error(kind: u8, code: u8, word: [u8; 4]) -> Vec<u8> {
    about(kind, code, word, &cut(&probe(), 28))
}

fn frag_needed(mtu: u16) -> Vec<u8> {
    let [high, low] = mtu.to_be_bytes();
    let large = udp(&Ip { flags: DF, ..IP }, 5000, 5001, &pattern(1452));
    about(3, 4, [0, 0, high, low], &cut(&large, 28))
}

/// An extension object (RFC 4884 section 8).
pub(crate) fn object(class: u8, c_type: u8, payload: &[u8]) -> Vec<u8> {
    let [high, low] = short(4 + payload.len()).to_be_bytes();
    join(&[&[high, low, class, c_type], payload])
}

/// An extension structure: version 2 and a checksum (RFC 4884 section 7).
pub(crate) fn extension(objects: &[Vec<u8>]) -> Vec<u8> {
    let all = objects.concat();
    summed(&join(&[&[0x20, 0, 0, 0], &all]))
}

/// A datagram as RFC 4884 section 5.1 wants it before an extension: 128 bytes.
pub(crate) fn filled(datagram: &[u8]) -> Vec<u8> {
    let mut quoted = datagram.to_vec();
    quoted.resize(128, 0);
    quoted
}

/// A label stack entry (RFC 3032 section 2.1): label, class, bottom of stack, TTL.
pub(crate) fn mpls(label: u32, class: u32, bottom: bool, ttl: u8) -> Vec<u8> {
    (label << 12 | class << 9 | u32::from(bottom) << 8 | u32::from(ttl))
        .to_be_bytes()
        .to_vec()
}

/// What a router says of the interface the datagram came in by (RFC 5837 section 4): index,
/// address, name, MTU.
pub(crate) fn interface_information() -> Vec<u8> {
    let mut payload = 17u32.to_be_bytes().to_vec();
    payload.extend([0, 1, 0, 0]);
    payload.extend(ROUTER);
    payload.extend(b"\x0cge-0/0/1.0\0");
    payload.extend(1500u32.to_be_bytes());
    object(2, 0b0000_1111, &payload)
}

/// The MPLS stack that the time exceeded here carries.
pub(crate) fn label_stack() -> Vec<u8> {
    object(
        1,
        1,
        &join(&[&mpls(24001, 0, false, 1), &mpls(299_776, 5, true, 1)]),
    )
}

/// Thirty-two words of the original datagram.
const WORDS: [u8; 4] = [0, 32, 0, 0];

fn extensions() -> Vec<Vec<u8>> {
    let with = |word, kind, code, objects: &[Vec<u8>], datagram: &[u8]| {
        about(
            kind,
            code,
            word,
            &join(&[&filled(datagram), &extension(objects)]),
        )
    };
    let next_hop = object(2, 0b1100_0100, &join(&[&[0, 1, 0, 0], &B]));
    vec![
        with(WORDS, 11, 0, &[label_stack()], &probe()),
        with(WORDS, 11, 0, &[interface_information()], &probe()),
        with([0; 4], 11, 0, &[label_stack()], &probe()),
        with(
            WORDS,
            12,
            0,
            &[object(200, 1, &[1, 2, 3, 4]), label_stack()],
            &probe(),
        ),
        with(WORDS, 3, 1, &[next_hop], &syn()),
    ]
}

fn extended_echo() -> Vec<Vec<u8>> {
    // Identifier 7, sequence 1, local bit; then state, active, IPv4, IPv6.
    let ask = |sequence, object: Vec<u8>| {
        sent(&icmp(
            &IP,
            42,
            0,
            [0, 7, sequence, 1],
            &extension(&[object]),
        ))
    };
    let answer =
        |sequence, code, bits| received(&icmp(&REPLY, 43, code, [0, 7, sequence, bits], &[]));
    vec![
        ask(1, object(3, 1, b"eth0")),
        answer(1, 0, 0b0000_0110),
        ask(2, object(3, 2, &2u32.to_be_bytes())),
        answer(2, 2, 0),
        ask(3, object(3, 3, &join(&[&[0, 1, 4, 0], &B]))),
        answer(3, 0, 0b0100_0111),
    ]
}

fn timestamps_and_masks() -> Vec<Vec<u8>> {
    let times = |times: [u32; 3]| times.map(u32::to_be_bytes).concat();
    let word = echo_word(7, 1);
    vec![
        sent(&icmp(&IP, 13, 0, word, &times([80_000_000, 0, 0]))),
        received(&icmp(
            &REPLY,
            14,
            0,
            word,
            &times([80_000_000, 80_000_012, 80_000_012]),
        )),
        received(&icmp(
            &REPLY,
            14,
            0,
            word,
            &times([80_000_000, 0x8000_0001, 0x8000_0002]),
        )),
        sent(&icmp(&IP, 15, 0, word, &[])),
        received(&icmp(&REPLY, 16, 0, word, &[])),
        sent(&icmp(&IP, 17, 0, word, &[0; 4])),
        received(&icmp(&REPLY, 18, 0, word, &[255, 255, 255, 0])),
    ]
}

fn routers() -> Vec<Vec<u8>> {
    let to = |group| Ip {
        ttl: 1,
        destination: group,
        ..IP
    };
    let lifetime = |count: u8| [count, 2, 0x07, 0x08];
    let entry = |address: [u8; 4], preference: i32| join(&[&address, &preference.to_be_bytes()]);
    let two = join(&[&entry(A, 0), &entry([192, 0, 2, 2], -5)]);
    // RFC 5944 section 2.1.1: type 16, length, sequence, lifetime, flags, care-of address.
    let agent = join(&[&entry(A, 0), &[16, 10, 0, 1, 0x07, 0x08, 0xb0, 0], &ROUTER]);
    vec![
        to_many(&icmp(&to([224, 0, 0, 2]), 10, 0, [0; 4], &[])),
        to_many(&icmp(&to([224, 0, 0, 1]), 9, 0, lifetime(2), &two)),
        to_many(&icmp(&to([224, 0, 0, 1]), 9, 16, lifetime(1), &agent)),
    ]
}

fn rare() -> Vec<Vec<u8>> {
    let quoted = cut(&probe(), 28);
    // RFC 1393: outbound 3 hops, return unknown, 1 Gbit/s in bytes a second, MTU 1500.
    let traceroute = [0, 3, 0xff, 0xff, 0x07, 0x73, 0x59, 0x40, 0, 0, 0x05, 0xdc];
    let name = join(&[&3600u32.to_be_bytes(), b"\x04host\x07example\x03net\0\0"]);
    vec![
        about(4, 0, [0; 4], &quoted),
        about(6, 0, [192, 0, 2, 254], &[]),
        about(30, 0, [0x12, 0x34, 0, 0], &traceroute),
        about(31, 1, [0, 0, 0, 9], &quoted),
        sent(&icmp(&IP, 37, 0, echo_word(7, 1), &[])),
        received(&icmp(&REPLY, 38, 0, echo_word(7, 1), &name)),
        about(40, 2, [0, 0, 0, 0], &quoted),
        about(41, 0, [5, 0, 0, 0], &[1, 2, 3, 4]),
        sent(&icmp(&IP, 253, 0, [0; 4], b"RFC 4727")),
    ]
}

fn quotes() -> Vec<Vec<u8>> {
    let unreachable = |quoted: &[u8]| about(3, 3, [0; 4], quoted);
    let options = Ip {
        options: &[148, 4, 0, 0],
        ..IP
    };
    let later = Ip { offset: 1480, ..IP };
    let inner = icmp(
        &Ip {
            source: A,
            destination: B,
            ..IP
        },
        11,
        0,
        [0; 4],
        &cut(&probe(), 28),
    );
    let lying = patched(cut(&probe(), 28), 0, &[0x4f]);
    vec![
        unreachable(&probe()),
        unreachable(&cut(&syn(), 28)),
        unreachable(&cut(&udp(&options, 5000, 5001, b"alert"), 32)),
        unreachable(&super::packet::ipv4(&later, UDP, &pattern(8))),
        unreachable(&cut(&probe(), 12)),
        unreachable(&[]),
        unreachable(&lying),
        unreachable(&inner),
        // What a polite host does quote: an echo request.
        unreachable(&cut(&echo(&IP, 1, 8), 28)),
        unreachable(&tcp(
            &IP,
            &Tcp {
                options: &[2, 4, 5, 0xb4],
                ..OPEN
            },
            b"",
        )),
    ]
}
