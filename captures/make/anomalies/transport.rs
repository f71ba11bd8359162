//! UDP and TCP.

use super::super::packet::{
    ACK, AE, FIN, IP, OPEN, PSH, RST, SEGMENT, SYN, TCP, Tcp, UDP, URG, cut, ipv4, join, patched,
    pattern, sent, tcp, tcp_segment, udp, udp_message,
};
use super::{Oddity, odd};

pub(crate) fn oddities() -> Vec<Oddity> {
    let mut all = udps();
    all.extend(headers());
    all.extend(flags());
    all.extend(options());
    all
}

/// UDP as it stands, whatever it says.
fn message(bytes: &[u8]) -> Vec<u8> {
    sent(&ipv4(&IP, UDP, bytes))
}

fn udps() -> Vec<Oddity> {
    let good = udp_message(&IP, 5000, 5001, b"message!");
    let empty = udp_message(&IP, 5000, 5001, b"");
    // No checksum, so that the length alone is wrong.
    let says = |length: u8| message(&patched(good.clone(), 4, &[0, length, 0, 0]));
    vec![
        odd(
            "udp.truncated",
            "7 bytes of a header of 8",
            message(&cut(&empty, 7)),
            "8 bytes, of which the snaplen left 7",
            message(&empty),
        )
        .cut(14 + 20 + 7),
        odd(
            "udp.length.short",
            "A length of 7",
            says(7),
            "Of 8: all the data is surplus",
            says(8),
        ),
        odd(
            "udp.length.long",
            "A length of 17 in 16 bytes",
            says(17),
            "Of 16",
            says(16),
        ),
        odd(
            "udp.checksum.bad",
            "A wrong checksum",
            message(&patched(good.clone(), 6, &[0xde, 0xad])),
            "None, which is written 0",
            message(&patched(good.clone(), 6, &[0, 0])),
        ),
        odd(
            "udp.port.zero",
            "To port 0",
            sent(&udp(&IP, 5000, 0, b"nobody")),
            "From port 0, where no answer is wanted",
            sent(&udp(&IP, 0, 5001, b"no answer")),
        ),
    ]
}

/// A segment as it stands, whatever it says.
fn segment(bytes: &[u8]) -> Vec<u8> {
    sent(&ipv4(&IP, TCP, bytes))
}

fn headers() -> Vec<Oddity> {
    let bare = tcp_segment(&IP, &SEGMENT, b"");
    let padded = tcp_segment(
        &IP,
        &Tcp {
            options: &[1, 1, 1, 1],
            ..SEGMENT
        },
        b"",
    );
    let words = |words| {
        sent(&tcp(
            &IP,
            &Tcp {
                data_offset: Some(words),
                ..SEGMENT
            },
            b"",
        ))
    };
    let from = |from| sent(&tcp(&IP, &Tcp { from, ..OPEN }, b""));
    vec![
        odd(
            "tcp.truncated",
            "19 bytes of a header of 20",
            segment(&cut(&bare, 19)),
            "20 bytes, of which the snaplen left 19",
            segment(&bare),
        )
        .cut(14 + 20 + 19),
        odd(
            "tcp.data_offset.short",
            "A header of 4 words",
            words(4),
            "Of 5",
            words(5),
        ),
        odd(
            "tcp.data_offset.long",
            "A header of 6 words in 20 bytes",
            words(6),
            "Of 6 words in 24 bytes",
            segment(&padded),
        ),
        odd(
            "tcp.checksum.bad",
            "A wrong checksum",
            sent(&tcp(
                &IP,
                &Tcp {
                    checksum: Some(0xdead),
                    ..SEGMENT
                },
                b"data",
            )),
            "The right one",
            sent(&tcp(&IP, &SEGMENT, b"data")),
        ),
        odd(
            "tcp.port.zero",
            "From port 0",
            from(0),
            "From port 1",
            from(1),
        ),
    ]
}

fn flags() -> Vec<Oddity> {
    let with = |flags| sent(&tcp(&IP, &Tcp { flags, ..SEGMENT }, b""));
    // The acknowledgment number means nothing without ACK, so it is 0 there.
    let without_ack = |flags| {
        sent(&tcp(
            &IP,
            &Tcp {
                flags,
                acknowledgment: 0,
                ..SEGMENT
            },
            b"",
        ))
    };
    let cookie = join(&[&[34, 10], &pattern(8)]);
    vec![
        odd(
            "tcp.flags.null",
            "No flag",
            without_ack(0),
            "ACK alone",
            with(ACK),
        ),
        odd(
            "tcp.flags.xmas",
            "FIN, PSH and URG",
            without_ack(FIN | PSH | URG),
            "FIN, PSH, URG and ACK",
            with(FIN | PSH | URG | ACK),
        ),
        odd(
            "tcp.flags.syn_fin",
            "SYN and FIN",
            without_ack(SYN | FIN),
            "SYN and ACK",
            with(SYN | ACK),
        ),
        odd(
            "tcp.flags.syn_rst",
            "SYN and RST",
            without_ack(SYN | RST),
            "RST and ACK",
            with(RST | ACK),
        ),
        odd(
            "tcp.flags.fin_without_ack",
            "FIN",
            without_ack(FIN),
            "FIN and ACK",
            with(FIN | ACK),
        ),
        odd(
            "tcp.syn.payload",
            "A SYN with data",
            sent(&tcp(&IP, &OPEN, b"data")),
            "With data and a Fast Open cookie",
            sent(&tcp(
                &IP,
                &Tcp {
                    options: &cookie,
                    ..OPEN
                },
                b"data",
            )),
        ),
        odd(
            "tcp.reserved",
            "The reserved bit beside AE",
            with(ACK | 0x200),
            "AE, which was reserved before Accurate ECN",
            with(ACK | AE),
        ),
    ]
}

fn options() -> Vec<Oddity> {
    let with = |options: &[u8]| sent(&tcp(&IP, &Tcp { options, ..OPEN }, b""));
    vec![
        odd(
            "tcp.option.length",
            "A maximum segment size of 3 bytes",
            with(&[2, 3, 5, 0]),
            "Of 4",
            with(&[2, 4, 5, 0xb4]),
        ),
        odd(
            "tcp.option.duplicate",
            "Two maximum segment sizes",
            with(&[2, 4, 5, 0xb4, 2, 4, 2, 0x18]),
            "One, behind four No Operations",
            with(&[1, 1, 1, 1, 2, 4, 5, 0xb4]),
        ),
        odd(
            "tcp.option.window_scale",
            "A shift of 15",
            with(&[1, 3, 3, 15]),
            "Of 14",
            with(&[1, 3, 3, 14]),
        ),
    ]
}
