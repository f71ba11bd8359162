//! Answers and errors that lie, are cut, come from elsewhere, or are no answers at all. Nothing
//! may panic, nothing may be believed that the run's own table does not say, and nothing may
//! vanish without being counted.

use std::net::Ipv4Addr;
use std::time::Duration;

use dotquad::probe::ping::{Answer, Config, Interface, Kind, Oddity, Report};
use dotquad::probe::targets::Targets;

use super::super::network::{Dice, Mail, datagram};
use super::{IDENTIFIER, TARGET, Told, echo, ms, one, reply_from, run, sum};

const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 254);

fn oddities(told: &Told) -> Vec<Oddity> {
    let oddity = |(_, report): &(Duration, Report)| match report {
        Report::Strange(_, oddity) => Some(*oddity),
        _ => None,
    };
    told.reports.iter().filter_map(oddity).collect()
}

fn error(icmp_type: u8, code: u8, info: u32, quoted: Vec<u8>) -> Mail {
    Mail::Error {
        offender: ROUTER,
        icmp_type,
        code,
        info,
        quoted,
    }
}

#[test]
fn a_forged_reply_neither_counts_nor_times() {
    let (ping, told) = run(one(1), |now, _, probe, body, post| {
        // Everything right but the cookie, which an outsider cannot know; then the true one.
        let mut forged = echo(body);
        forged[8..24].fill(0xff);
        sum(&mut forged);
        post.deliver(now + ms(1), reply_from(probe.destination, forged));
        post.deliver(now + ms(7), reply_from(probe.destination, echo(body)));
    });
    assert_eq!(oddities(&told), [Oddity::WrongCookie]);
    let summary = told.summary();
    assert_eq!((summary.received, summary.corrupted), (1, 1));
    assert_eq!(summary.rtt.unwrap().min, 7_000_000);
    assert_eq!(ping.strays().strange, 1);
}

#[test]
fn who_answers_and_as_whom_is_told_apart() {
    let (ping, told) = run(one(1), |now, _, probe, body, post| {
        let elsewhere = Ipv4Addr::new(10, 0, 0, 77);
        post.deliver(now + ms(1), reply_from(elsewhere, echo(body)));
        let mut renamed = echo(body);
        renamed[4..6].copy_from_slice(&[0x99, 0x99]);
        sum(&mut renamed);
        post.deliver(now + ms(2), reply_from(probe.destination, renamed));
        // Another program's ping to the same host, and an echo request.
        let mut other = vec![0, 0, 0, 0, 0x99, 0x99, 0, 1, 1, 2, 3];
        sum(&mut other);
        post.deliver(now + ms(3), reply_from(probe.destination, other));
        post.deliver(now + ms(3), reply_from(probe.destination, body.to_vec()));
        // A sequence number that was never sent.
        let mut early = echo(body);
        early[6..8].copy_from_slice(&[1, 0]);
        sum(&mut early);
        post.deliver(now + ms(4), reply_from(probe.destination, early));
        let mut damaged = echo(body);
        damaged[2] ^= 1;
        post.deliver(now + ms(5), reply_from(probe.destination, damaged));
    });
    let expected = [
        Oddity::WrongSource,
        Oddity::WrongIdentifier,
        Oddity::BadChecksum,
    ];
    assert_eq!(oddities(&told), expected);
    assert_eq!(ping.strays().foreign, 3);
    assert_eq!((told.summary().received, told.summary().lost), (0, 1));
}

#[test]
fn the_kernel_may_choose_the_identifier() {
    let (_, told) = run(one(2), |now, _, probe, body, post| {
        let mut message = echo(body);
        message[4..6].copy_from_slice(&[0x26, 0xbe]);
        sum(&mut message);
        let mail = Mail::Reply {
            source: probe.destination,
            protocol: 1,
            message,
            truncated: false,
            ttl: 64,
            stamp: None,
            ours: true,
        };
        post.deliver(now + ms(1), mail);
    });
    assert_eq!(told.summary().received, 2);
}

#[test]
fn replies_of_every_length_and_payloads_of_every_size() {
    for size in [0u16, 1, 7, 8, 12, 15, 16, 17, 56] {
        for length in 0..=70 {
            let config = Config { size, ..one(1) };
            let (ping, told) = run(config, |now, _, probe, body, post| {
                let mut message = echo(body);
                message.resize(length, 0);
                if length >= 4 {
                    sum(&mut message);
                }
                post.deliver(now + ms(1), reply_from(probe.destination, message));
            });
            let whole = 8 + usize::from(size);
            let proved = 8 + usize::from(size.min(16));
            let summary = told.summary();
            let case = format!("{length} bytes for {size} of payload");
            if length < 8 {
                assert_eq!((summary.received, ping.strays().foreign), (0, 1), "{case}");
            } else if length < proved {
                assert_eq!(oddities(&told), [Oddity::WrongCookie], "{case}");
                assert_eq!((summary.received, summary.corrupted), (0, 1), "{case}");
            } else {
                let reply = told.replies()[0].clone();
                assert_eq!(reply.truncated, length < whole, "{case}");
                assert_eq!(summary.received, 1, "{case}");
                assert_eq!(summary.corrupted, u64::from(length < whole), "{case}");
                assert_eq!(reply.bytes as usize, length);
            }
        }
    }
}

#[test]
fn the_wrong_byte_is_named() {
    let (_, told) = run(one(1), |now, _, probe, body, post| {
        let mut message = echo(body);
        message[8 + 33] = 0xee;
        sum(&mut message);
        post.deliver(now + ms(1), reply_from(probe.destination, message));
    });
    let reply = told.replies()[0].clone();
    let wrong = reply.wrong.unwrap();
    assert_eq!((wrong.index, wrong.should, wrong.was), (33, 33, 0xee));
    assert!(reply.corrupted() && !reply.truncated);
}

#[test]
fn an_error_ends_a_probe_only_if_its_quote_proves_it() {
    let quotes = |probe: &_, body: &[u8]| -> Vec<(bool, Vec<u8>)> {
        let whole = datagram(probe, body, body.len());
        let with = |at: usize, value: u8| {
            let mut quote = whole.clone();
            quote[at] = value;
            quote
        };
        let mut nested = datagram(probe, &[3, 1, 0, 0, 0, 0, 0, 0], 8);
        for _ in 0..20 {
            nested.extend(datagram(probe, &[3, 1, 0, 0, 0, 0, 0, 0], 8));
        }
        nested.extend(&whole);
        let mut quotes: Vec<_> = [0, 7, 8, 19, 20, 27]
            .map(|length| (false, whole[..length].to_vec()))
            .into();
        quotes.extend([
            (true, whole[..28].to_vec()),
            (true, whole[..33].to_vec()),
            (true, whole.clone()),
            (false, nested),
            (false, with(0, 0x4f)),
            (false, with(0, 0x40)),
            (false, with(0, 0x65)),
            // A later fragment, another protocol, another destination.
            (false, with(7, 1)),
            (false, with(9, 17)),
            (false, with(19, 9)),
            // An echo reply, another identifier, a sequence never sent, another cookie.
            (false, with(20, 0)),
            (false, with(25, 0)),
            (false, with(26, 9)),
            (false, with(30, whole[30] ^ 1)),
        ]);
        quotes
    };
    let mut cases = 0;
    for case in 0..20 {
        let mut proves = false;
        let (ping, told) = run(one(1), |now, _, probe, body, post| {
            let quotes = quotes(probe, body);
            cases = quotes.len();
            let (proof, quote) = quotes[case].clone();
            proves = proof;
            post.deliver(now + ms(1), error(3, 1, 0, quote));
        });
        let summary = told.summary();
        let failed = u64::from(proves);
        assert_eq!((summary.failed, summary.errors), (failed, failed), "{case}");
        assert_eq!(summary.lost, 1 - failed, "{case}");
        assert_eq!(ping.strays().unproven, 1 - failed, "{case}");
    }
    assert_eq!(cases, 20);
}

#[test]
fn errors_say_what_they_say() {
    let (_, told) = run(one(3), |now, nth, probe, body, post| {
        let quoted = datagram(probe, body, 8);
        match nth {
            0 => post.deliver(now + ms(1), error(3, 4, 1400, quoted)),
            1 => {
                // Source quench and redirect end nothing; an error after the answer does not.
                post.deliver(now + ms(1), error(4, 0, 0, quoted.clone()));
                post.deliver(now + ms(2), error(5, 1, 0x0a00_0001, quoted.clone()));
                post.deliver(now + ms(3), reply_from(probe.destination, echo(body)));
                post.deliver(now + ms(4), error(11, 0, 0, quoted));
            }
            _ => post.deliver(now + ms(1), error(11, 0, 0, quoted)),
        }
    });
    let failures: Vec<_> = told
        .reports
        .iter()
        .filter_map(|(_, report)| match report {
            Report::Error(failure) => Some(*failure),
            _ => None,
        })
        .collect();
    let said: Vec<_> = failures
        .iter()
        .map(|f| (f.icmp_type, f.probe.unwrap().number, f.fatal, f.mtu))
        .collect();
    let expected = [
        (3, 1, true, Some(1400)),
        (4, 2, false, None),
        (5, 2, false, None),
        (11, 2, true, None),
        (11, 3, true, None),
    ];
    assert_eq!(said, expected);
    assert!(
        failures
            .iter()
            .all(|f| f.from == ROUTER && f.target == TARGET)
    );
    let summary = told.summary();
    let counts = (summary.received, summary.failed, summary.errors);
    assert_eq!(counts, (1, 2, 5));
}

#[test]
fn the_kernels_memory_of_what_was_sent_proves_as_much_as_it_holds() {
    for (kind, id, keep, expected) in [
        (Kind::Echo, true, 0, Some(2)),
        (Kind::Echo, false, 64, Some(2)),
        (Kind::Echo, false, 24, Some(2)),
        (Kind::Echo, false, 8, Some(2)),
        // Not enough to tell which of the two that are on their way.
        (Kind::Echo, false, 7, None),
        (Kind::Echo, false, 0, None),
        (Kind::Udp(53), false, 56, Some(2)),
        (Kind::Udp(53), false, 16, Some(2)),
        (Kind::Udp(53), false, 8, None),
    ] {
        let case = format!("{kind:?} {id} {keep}");
        // Of UDP the kernel keeps what is behind the header; of ICMP all, with its identifier.
        let behind = if kind == Kind::Echo { 0 } else { 8 };
        let config = Config {
            kind,
            interval: ms(10),
            ..one(2)
        };
        let (_, told) = run(config, |now, nth, probe, body, post| {
            if nth == 1 {
                let mut kept = body[behind..behind + keep].to_vec();
                if behind == 0 && keep >= 6 {
                    kept[4..6].fill(0x55);
                }
                let mail = Mail::Remembered {
                    offender: ROUTER,
                    icmp_type: 3,
                    code: 1,
                    destination: probe.destination,
                    id: id.then_some(probe.id),
                    payload: kept,
                };
                post.deliver(now + ms(1), mail);
            }
        });
        let blamed = told.reports.iter().find_map(|(_, report)| match report {
            Report::Error(failure) => Some(failure.probe.map(|probe| probe.number)),
            _ => None,
        });
        assert_eq!(blamed, Some(expected), "{case}");
        assert_eq!(told.summary().errors, 1);
    }
}

#[test]
fn an_error_about_what_was_never_sent_is_nobodys() {
    for keep in [8, 64] {
        let (machine, told) = run(one(1), |now, _, probe, body, post| {
            let mut kept = body[..keep].to_vec();
            // The number of a probe far ahead: in the sequence, and in what the payload claims.
            kept[6..8].copy_from_slice(&7000_u16.to_be_bytes());
            if keep == 64 {
                kept[20..24].copy_from_slice(&7000_u32.to_be_bytes());
            }
            let mail = Mail::Remembered {
                offender: ROUTER,
                icmp_type: 3,
                code: 1,
                destination: probe.destination,
                id: None,
                payload: kept,
            };
            post.deliver(now + ms(1), mail);
        });
        let errors = told.reports.iter();
        let errors = errors.filter(|(_, report)| matches!(report, Report::Error(_)));
        assert_eq!(errors.count(), 0, "{keep}");
        assert_eq!((told.summary().errors, machine.strays().unproven), (0, 1));
    }
}

#[test]
fn the_sequence_wraps_and_nobody_is_taken_for_another() {
    const WRAP: u64 = 65_536;
    let config = Config {
        interval: ms(1),
        wait: ms(100_000),
        ..one(WRAP + 100)
    };
    let mut first = Vec::new();
    let (_, told) = run(config, |now, nth, probe, body, post| {
        let number = nth + 1;
        let reply = reply_from(probe.destination, echo(body));
        match number {
            // Its answer comes when another probe has its sequence number.
            1 => first = echo(body),
            // Answered after the wrap, before the number is used again.
            50 => post.deliver(now + ms(WRAP - 10), reply),
            _ if number == WRAP + 1 => {
                post.deliver(now, reply_from(probe.destination, first.clone()));
                post.deliver(now + ms(3), reply);
            }
            _ => post.deliver(now + ms(2), reply),
        }
    });
    assert_eq!(oddities(&told), [Oddity::Stale]);
    let reply = |number| {
        let replies = told.replies();
        let mut of = replies.into_iter().filter(|r| r.probe.number == number);
        (
            of.next().and_then(|r| r.rtt).map(|r| r.nanoseconds),
            of.count(),
        )
    };
    assert_eq!(reply(1), (None, 0));
    assert_eq!(reply(WRAP + 1), (Some(3_000_000), 0));
    assert_eq!(reply(50), (Some((WRAP - 10) * 1_000_000), 0));
    let summary = told.summary();
    assert_eq!(summary.transmitted, WRAP + 100);
    assert_eq!((summary.received, summary.lost), (WRAP + 99, 1));
    assert_eq!((summary.reordered, summary.duplicates), (1, 0));
}

#[test]
fn any_bytes_at_all() {
    let kinds = [
        Kind::Echo,
        Kind::Timestamp {
            wall: Duration::from_secs(1_700_000_000),
        },
        Kind::Extended {
            interface: Interface::Name("eth0".into()),
            local: true,
        },
        Kind::Tcp(80),
        Kind::Udp(53),
    ];
    let mut dice = Dice(1);
    for round in 0..200u64 {
        let kind = kinds[(round % 5) as usize].clone();
        let config = Config {
            kind,
            size: dice.below(40) as u16,
            targets: Targets::new([(TARGET, Ipv4Addr::new(10, 0, 0, 9))]).unwrap(),
            interval: ms(1),
            wait: ms(30),
            send_stamps: round % 2 == 0,
            ..one(20)
        };
        let protocol = [1, 1, 1, 6, 17][(round % 5) as usize];
        let (_, told) = run(config, |now, _, probe, body, post| {
            // The probe or an answer to it, with a few bytes changed and its end cut or grown.
            let mut bytes = if dice.permille(500) {
                echo(body)
            } else {
                body.to_vec()
            };
            for _ in 0..dice.below(4) {
                let at = dice.below(bytes.len() as u64) as usize;
                bytes[at] = dice.roll() as u8;
            }
            bytes.resize(dice.below(80) as usize, 0xa5);
            let id = if dice.permille(500) {
                probe.id
            } else {
                dice.roll()
            };
            let at = now + ms(dice.below(60));
            let mail = match dice.below(7) {
                0 | 1 => Mail::Reply {
                    source: probe.destination,
                    protocol,
                    message: bytes,
                    truncated: dice.permille(100),
                    ttl: 1,
                    stamp: None,
                    ours: dice.permille(500),
                },
                2 | 3 => {
                    let mut quoted = datagram(probe, &bytes, 80);
                    let at = dice.below(quoted.len() as u64) as usize;
                    quoted[at] ^= 1 << dice.below(8);
                    error(dice.roll() as u8, dice.roll() as u8, u32::MAX, quoted)
                }
                4 => Mail::Remembered {
                    offender: ROUTER,
                    icmp_type: 3,
                    code: 3,
                    destination: probe.destination,
                    id: dice.permille(300).then_some(id),
                    payload: bytes,
                },
                5 => Mail::SendFailed(id, 1, None),
                _ => Mail::HandedOver(id),
            };
            post.deliver(at, mail);
        });
        let summaries = told.reports.iter().filter_map(|(_, report)| match report {
            Report::Summary(summary) => Some(summary),
            _ => None,
        });
        let mut targets = 0;
        for summary in summaries {
            targets += 1;
            let ends = [summary.received, summary.late, summary.failed, summary.lost];
            assert_eq!(ends.iter().sum::<u64>(), summary.transmitted);
            assert_eq!((summary.waiting, summary.transmitted), (0, 20));
        }
        assert_eq!(targets, 8, "round {round}");
    }
}

#[test]
fn ports_answer_open_or_closed() {
    let tcp = Config {
        kind: Kind::Tcp(80),
        source: Some(Ipv4Addr::new(10, 0, 0, 1)),
        ..one(3)
    };
    let (_, told) = run(tcp, |now, nth, probe, body, post| {
        let sequence = u32::from_be_bytes(body[4..8].try_into().unwrap());
        let mut segment = [0u8; 20];
        segment[..2].copy_from_slice(&body[2..4]);
        segment[2..4].copy_from_slice(&body[..2]);
        // The third acknowledges something that was never sent.
        let acknowledged = sequence.wrapping_add(if nth == 2 { 2 } else { 1 });
        segment[8..12].copy_from_slice(&acknowledged.to_be_bytes());
        segment[13] = if nth == 0 { 0x12 } else { 0x14 };
        let mail = Mail::Reply {
            source: probe.destination,
            protocol: 6,
            message: segment.to_vec(),
            truncated: false,
            ttl: 64,
            stamp: None,
            ours: false,
        };
        post.deliver(now + ms(1), mail);
    });
    let answers: Vec<_> = told.replies().iter().map(|r| r.answer).collect();
    let expected = [Answer::Tcp { open: true }, Answer::Tcp { open: false }];
    assert_eq!(answers, expected);
    assert_eq!(oddities(&told), [Oddity::WrongCookie]);

    let udp = Config {
        kind: Kind::Udp(53),
        ..one(2)
    };
    let (_, told) = run(udp, |now, nth, probe, body, post| {
        let quoted = datagram(probe, body, 8);
        // Port unreachable from the host itself is an answer, from a router it is none.
        let offender = if nth == 0 { probe.destination } else { ROUTER };
        let mail = Mail::Error {
            offender,
            icmp_type: 3,
            code: 3,
            info: 0,
            quoted,
        };
        post.deliver(now + ms(1), mail);
    });
    assert_eq!(told.replies()[0].answer, Answer::Udp { open: false });
    assert_eq!((told.summary().received, told.summary().failed), (1, 1));
}

#[test]
fn their_clock_is_compared_with_ours() {
    // Ours shows half a second before midnight when the run begins; theirs is 2 s ahead.
    let wall = Duration::from_millis(86_400_000 * 3 - 500);
    let config = Config {
        kind: Kind::Timestamp { wall },
        ..one(2)
    };
    let (_, told) = run(config, |now, nth, probe, body, post| {
        let mut message = body.to_vec();
        message[0] = 14;
        let there = if nth == 0 { 1_500u32 + 20 } else { 0x8000_0001 };
        message[12..16].copy_from_slice(&there.to_be_bytes());
        message[16..20].copy_from_slice(&there.to_be_bytes());
        sum(&mut message);
        post.deliver(now + ms(40), reply_from(probe.destination, message.clone()));
        // An answer to a question that was not asked.
        message[8] ^= 1;
        sum(&mut message);
        post.deliver(now + ms(41), reply_from(probe.destination, message));
    });
    let ahead: Vec<_> = told
        .replies()
        .iter()
        .map(|reply| match reply.answer {
            Answer::Timestamp { ahead, .. } => ahead,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ahead, [Some(2_000), None]);
    assert_eq!(oddities(&told), [Oddity::WrongCookie]);
}

#[test]
fn an_extended_echo_tells_of_an_interface() {
    let config = Config {
        kind: Kind::Extended {
            interface: Interface::Index(2),
            local: true,
        },
        ..one(1)
    };
    let (_, told) = run(config, |now, _, probe, body, post| {
        assert_eq!((body[0], body[6], body[7]), (42, 1, 1));
        // RFC 8335 section 3: state, two reserved bits, active, IPv4, IPv6.
        let mut message = vec![43, 0, 0, 0, 0, 0, body[6], 0b0100_0110];
        message[4..6].copy_from_slice(&IDENTIFIER.to_be_bytes());
        sum(&mut message);
        post.deliver(now + ms(1), reply_from(probe.destination, message));
    });
    let expected = Answer::Extended {
        code: 0,
        state: 2,
        active: true,
        ipv4: true,
        ipv6: false,
    };
    assert_eq!(told.replies()[0].answer, expected);
}

#[test]
fn a_broadcast_is_answered_by_many() {
    let broadcast = Ipv4Addr::new(10, 0, 0, 255);
    let config = Config {
        targets: Targets::one(broadcast),
        broadcast: true,
        ..one(2)
    };
    let (_, told) = run(config, |now, _, _, body, post| {
        for host in 1..=3 {
            let host = Ipv4Addr::new(10, 0, 0, host);
            post.deliver(now + ms(1), reply_from(host, echo(body)));
        }
    });
    let summary = told.summary();
    assert_eq!((summary.received, summary.duplicates), (2, 4));
    assert_eq!(told.replies()[2].from, Ipv4Addr::new(10, 0, 0, 3));
}
