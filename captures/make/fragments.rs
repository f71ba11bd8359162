//! Datagrams in pieces: in order, out of order, overlapping, too large.

use super::file::{ETHERNET, pcap};
use super::packet::{
    ICMP, IP, Ip, MF, UDP, echo_word, fragments, from, icmp_message, ipv4, join, patched, pattern,
    sent, udp_message,
};
use super::{Capture, capture};

pub(crate) fn captures() -> Vec<Capture> {
    vec![
        capture(
            "fragments.pcap",
            "A UDP datagram in three fragments, then an echo request in three, last one first: \
             later fragments carry no transport header",
            pcap(ETHERNET, &in_pieces()),
        ),
        capture(
            "fragments_overlap.pcap",
            "Teardrop: frames 2 and 4 bring again the last 8 bytes of the fragment before them, \
             frame 2 the same bytes (overlap), frame 4 other ones (conflict); frame 5 is the \
             start of a third datagram and overlaps nothing",
            pcap(ETHERNET, &overlapping()),
        ),
        capture(
            "ping_of_death.pcap",
            "An echo request whose last fragment reaches past 65,535 bytes",
            pcap(ETHERNET, &oversize()),
        ),
    ]
}

fn in_pieces() -> Vec<Vec<u8>> {
    let message = udp_message(&IP, 5000, 5001, &pattern(72));
    let mut pieces = fragments(&IP, UDP, &message, 32);
    let echo = icmp_message(8, 0, echo_word(7, 1), &pattern(56));
    let backwards = fragments(&Ip { id: 0x3040, ..IP }, ICMP, &echo, 24);
    pieces.extend(backwards.into_iter().rev());
    pieces.iter().map(|piece| sent(piece)).collect()
}

/// A datagram in two fragments, of which the second starts 8 bytes too early and may bring
/// other bytes there.
pub(crate) fn teardrop(id: u16, conflict: bool) -> Vec<Vec<u8>> {
    let message = udp_message(&IP, 5000, 5001, &pattern(40));
    let first = Ip {
        id,
        flags: MF,
        ..IP
    };
    let second = Ip {
        id,
        offset: 16,
        ..IP
    };
    let head = super::packet::cut(&message, 24);
    let mut tail = from(&message, 16);
    if conflict {
        tail = patched(tail, 0, b"CONFLICT");
    }
    vec![
        sent(&ipv4(&first, UDP, &head)),
        sent(&ipv4(&second, UDP, &tail)),
    ]
}

fn overlapping() -> Vec<Vec<u8>> {
    let mut frames = teardrop(0x1001, false);
    frames.extend(teardrop(0x1002, true));
    let message = udp_message(&IP, 5000, 5001, &pattern(40));
    let other = Ip {
        id: 0x1003,
        flags: MF,
        ..IP
    };
    frames.push(sent(&ipv4(&other, UDP, &super::packet::cut(&message, 24))));
    frames
}

/// The ends of a datagram of 65,600 bytes; what lies between is not needed to tell.
fn oversize() -> Vec<Vec<u8>> {
    let head = join(&[&icmp_message(8, 0, echo_word(7, 1), &pattern(24))]);
    vec![
        sent(&ipv4(&Ip { flags: MF, ..IP }, ICMP, &head)),
        sent(&ipv4(
            &Ip {
                offset: 65_520,
                ..IP
            },
            ICMP,
            &pattern(80),
        )),
    ]
}
