//! Round trips: from our own table, by the best clock that can be believed, and what is made of
//! them.

use std::time::Duration;

use dotquad::probe::ping::{Config, Report};
use dotquad::probe::{Rtt, Source};

use super::super::network::{Mail, stamp};
use super::{echo, ms, one, reply_from, run};

/// What the kernel's clock shows when a run begins.
const WALL: i64 = 1_700_000_000_000_000_000;

fn stamped(mail: Mail, at: dotquad::probe::Stamp) -> Mail {
    match mail {
        Mail::Reply {
            source,
            protocol,
            message,
            truncated,
            ttl,
            stamp: _,
            ours,
        } => Mail::Reply {
            source,
            protocol,
            message,
            truncated,
            ttl,
            stamp: Some(at),
            ours,
        },
        other => other,
    }
}

fn micros(microseconds: u64) -> Duration {
    Duration::from_micros(microseconds)
}

/// What a reply that took 5 ms, seen by the kernel 20 us earlier and sent 10 us later, is said
/// to have taken when the stamp of its probe comes `later` after it was sent.
fn with_stamp_after(later: Option<Duration>) -> (Duration, Rtt) {
    let config = Config {
        send_stamps: true,
        ..one(1)
    };
    let (_, told) = run(config, move |now, _, probe, body, post| {
        post.deliver(now, Mail::HandedOver(probe.id));
        let sent = stamp(WALL, now + micros(10));
        if let Some(later) = later {
            post.deliver(now + later, Mail::Sent(probe.id, sent));
        }
        let seen = stamp(WALL, now + micros(4980));
        let reply = reply_from(probe.destination, echo(body));
        post.deliver(now + ms(5), stamped(reply, seen));
    });
    let reply = told.replies()[0].clone();
    let told = told
        .reports
        .iter()
        .find(|(_, r)| matches!(r, Report::Reply(_)));
    (told.unwrap().0, reply.rtt.unwrap())
}

#[test]
fn a_missing_stamp_is_waited_for_a_millisecond_and_no_longer() {
    let kernel = Rtt {
        nanoseconds: 4_970_000,
        source: Source::Kernel,
    };
    assert_eq!(with_stamp_after(Some(micros(50))), (ms(5), kernel));
    assert_eq!(with_stamp_after(Some(micros(5600))), (micros(5600), kernel));
    let user = Rtt {
        nanoseconds: 5_000_000,
        source: Source::User,
    };
    assert_eq!(with_stamp_after(None), (ms(6), user));
    assert_eq!(with_stamp_after(Some(micros(6500))), (ms(6), user));
}

/// A network card that times both ways has a clock of its own, and tells after the kernel.
#[test]
fn the_card_is_believed_where_it_times_both_ways() {
    let card = |now: Duration| dotquad::probe::Stamp {
        source: Source::Hardware,
        ..stamp(77, now)
    };
    for (later, source) in [
        (Some(micros(30)), Source::Hardware),
        (Some(micros(5300)), Source::Hardware),
        // Never told: the kernel's stamp of one end is not compared with the card's of the other.
        (None, Source::User),
    ] {
        let config = Config {
            send_stamps: true,
            ..one(1)
        };
        let (_, told) = run(config, move |now, _, probe, body, post| {
            post.deliver(now, Mail::HandedOver(probe.id));
            let kernel = stamp(WALL, now + micros(10));
            post.deliver(now + micros(20), Mail::Sent(probe.id, kernel));
            if let Some(later) = later {
                post.deliver(now + later, Mail::Sent(probe.id, card(now + micros(15))));
            }
            let reply = reply_from(probe.destination, echo(body));
            let reply = stamped(reply, card(now + micros(4975)));
            post.deliver(now + ms(5), reply);
        });
        let rtt = told.replies()[0].rtt.unwrap();
        assert_eq!(rtt.source, source, "{later:?}");
        let nanoseconds = if later.is_some() {
            4_960_000
        } else {
            5_000_000
        };
        assert_eq!(rtt.nanoseconds, nanoseconds, "{later:?}");
    }
}

#[test]
fn a_clock_that_steps_changes_no_round_trip() {
    const HOUR: i64 = 3_600_000_000_000;
    // Forwards and back while probes are on their way; between the steps the stamps are fine.
    let wall = |now: Duration| match now.as_millis() {
        0..=402 => WALL,
        403..=802 => WALL - HOUR,
        _ => WALL + HOUR,
    };
    let config = Config {
        send_stamps: true,
        ..one(12)
    };
    let (_, told) = run(config, |now, _, probe, body, post| {
        post.deliver(now, Mail::Sent(probe.id, stamp(wall(now), now)));
        let then = now + ms(5);
        let reply = reply_from(probe.destination, echo(body));
        post.deliver(then, stamped(reply, stamp(wall(then), then)));
    });
    let rtts: Vec<_> = told.replies().iter().map(|r| r.rtt.unwrap()).collect();
    assert_eq!(rtts.len(), 12);
    for (nth, rtt) in rtts.iter().enumerate() {
        assert_eq!(rtt.nanoseconds, 5_000_000);
        let stepped = nth == 4 || nth == 8;
        assert_eq!(rtt.source == Source::User, stepped, "{nth}");
    }
    assert_eq!(told.summary().reordered, 0);
}

#[test]
fn the_sums_are_those_of_the_formulas() {
    let rtts = [10u64, 14, 9, 30, 12];
    let (_, told) = run(
        Config {
            percentiles: true,
            ..one(5)
        },
        |now, nth, probe, body, post| {
            let delay = ms(rtts[nth as usize]);
            post.deliver(now + delay, reply_from(probe.destination, echo(body)));
            // Duplicates count for nothing here; the last comes after the end.
            post.deliver(now + ms(60), reply_from(probe.destination, echo(body)));
        },
    );
    let summary = told.summary();
    let sums = summary.rtt.unwrap();
    let samples = rtts.map(|ms| ms as f64 * 1e6);
    let mean = samples.iter().sum::<f64>() / 5.0;
    let squares = samples.iter().map(|x| x * x).sum::<f64>() / 5.0;
    let close = |a: f64, b: f64| (a - b).abs() <= b.abs() * 1e-5;
    assert_eq!((sums.min, sums.max), (9_000_000, 30_000_000));
    assert!(close(sums.mean, mean));
    // Population: sqrt(E[x^2] - E[x]^2), as ping's mdev.
    assert!(close(sums.stddev, (squares - mean * mean).sqrt()));
    let mut jitter = 0.0;
    let mut ewma = samples[0];
    for pair in samples.windows(2) {
        jitter += ((pair[1] - pair[0]).abs() - jitter) / 16.0;
        ewma += (pair[1] - ewma) / 8.0;
    }
    assert!(close(sums.jitter, jitter), "{} {jitter}", sums.jitter);
    assert!(close(sums.ewma, ewma));
    let [p50, p90, p99] = sums.percentiles.unwrap();
    assert!(p50.abs_diff(12_000_000) < 12_000);
    assert_eq!((p90, p99), (30_000_000, 30_000_000));
    assert_eq!(summary.duplicates, 4);
    assert_eq!(summary.elapsed, ms(412));
    // The last probe, from which ping(8) reckons its time.
    assert_eq!(summary.sending, ms(400));
}

#[test]
fn a_probe_that_the_kernel_takes_late_is_timed_from_then() {
    let (_, told) = run(one(1), |now, _, probe, body, post| {
        let began = now + ms(700);
        post.deliver(began, Mail::HandedOver(probe.id));
        let reply = reply_from(probe.destination, echo(body));
        post.deliver(began + ms(800), reply);
    });
    let reply = told.replies()[0].clone();
    assert_eq!(reply.rtt.unwrap().nanoseconds, 800_000_000);
    assert!(!reply.late);
}

#[test]
fn only_probes_that_follow_each_other_fast_go_without_stamps() {
    let asked = |interval, preload| {
        let config = Config {
            send_stamps: true,
            interval,
            preload,
            ..one(100)
        };
        let mut asked = Vec::new();
        run(config, |now, _, probe, body, post| {
            asked.push(probe.stamped);
            let reply = reply_from(probe.destination, echo(body));
            post.deliver(now + micros(20), reply);
        });
        asked
    };
    // 60 us is slow enough; a few at once are no flood.
    assert_eq!(asked(micros(60), 1), [true; 100]);
    assert_eq!(asked(ms(10), 10), [true; 100]);
    let swift = asked(micros(40), 1);
    assert!(swift[0], "the first alone is not fast");
    assert_eq!(swift[50..], [false; 50]);
}
