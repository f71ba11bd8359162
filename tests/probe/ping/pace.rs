//! When probes go out: on absolute deadlines, with every letter that moves them.

use std::time::Duration;

use dotquad::probe::ping::{Config, Pace, Patience, Report};

use super::{answers, echo, ms, one, reply_from, run, run_late};

/// Times at which probes were sent, under `config`, with answers after `delay` or none.
fn times(config: Config, lateness: Duration, delay: Option<Duration>) -> Vec<Duration> {
    let mut times = Vec::new();
    run_late(config, lateness, |now, _, probe, body, post| {
        times.push(now);
        if let Some(delay) = delay {
            post.deliver(now + delay, reply_from(probe.destination, echo(body)));
        }
    });
    times
}

#[test]
fn a_thousand_pings_do_not_drift() {
    let config = Config {
        interval: ms(10),
        ..one(1000)
    };
    for lateness in [Duration::ZERO, Duration::from_micros(900)] {
        let times = times(config.clone(), lateness, Some(ms(3)));
        assert_eq!(times.len(), 1000);
        for (nth, &time) in times.iter().enumerate() {
            let due = ms(10) * u32::try_from(nth).unwrap();
            assert!(time >= due && time <= due + lateness, "{nth}: {time:?}");
        }
        assert!(times[999] <= times[0] + ms(9_990) + lateness);
    }
}

#[test]
fn who_was_stopped_for_long_keeps_the_grid_and_sends_no_burst() {
    let config = Config {
        interval: ms(100),
        ..one(50)
    };
    // Polls are 10.05 s late: whole intervals are left out each time.
    let times = times(config, ms(10_050), None);
    assert_eq!(times.len(), 50);
    let most = times.iter().map(|&from| {
        times
            .iter()
            .filter(|&&t| t >= from && t < from + ms(1000))
            .count()
    });
    assert!(most.max().unwrap() <= 12, "{times:?}");
}

#[test]
fn preload_goes_out_at_once() {
    let config = Config {
        preload: 3,
        ..one(6)
    };
    let times = times(config, Duration::ZERO, Some(ms(1)));
    assert_eq!(times, [0, 0, 0, 100, 200, 300].map(ms));
}

#[test]
fn a_flood_sends_when_answered_and_a_hundred_times_a_second() {
    let config = Config {
        pace: Pace::Flood,
        ..one(5)
    };
    let answered = times(config.clone(), Duration::ZERO, Some(ms(2)));
    assert_eq!(answered, [0, 2, 4, 6, 8].map(ms));
    let silent = times(config, Duration::ZERO, None);
    assert_eq!(silent, [0, 10, 20, 30, 40].map(ms));
}

#[test]
fn an_adaptive_pace_follows_the_answers_and_the_interval() {
    let config = Config {
        pace: Pace::Adaptive,
        interval: ms(2),
        ..one(5)
    };
    let slow = times(config.clone(), Duration::ZERO, Some(ms(30)));
    assert_eq!(slow, [0, 30, 60, 90, 120].map(ms));
    let fast = times(
        config.clone(),
        Duration::ZERO,
        Some(Duration::from_micros(50)),
    );
    assert_eq!(fast, [0, 2, 4, 6, 8].map(ms));
    // The third is lost: after twice the average the next goes out.
    let mut times = Vec::new();
    run(config, |now, nth, probe, body, post| {
        times.push(now);
        if nth != 2 {
            post.deliver(now + ms(30), reply_from(probe.destination, echo(body)));
        }
    });
    assert_eq!(times, [0, 30, 60, 120, 150].map(ms));
}

#[test]
fn the_rate_is_kept_over_all() {
    let config = Config {
        interval: Duration::ZERO,
        rate: Some(1000.0),
        ..one(2500)
    };
    let times = times(config, Duration::from_micros(300), Some(ms(1)));
    assert_eq!(times.len(), 2500);
    for (nth, &time) in times.iter().enumerate() {
        let due = ms(nth as u64);
        assert!(time >= due && time <= due + ms(1), "{nth}: {time:?}");
    }
}

#[test]
fn a_deadline_ends_the_run_and_a_count_then_counts_answers() {
    // Without answers: probes until the deadline, and all of them are accounted for.
    let config = Config {
        deadline: Some(ms(1050)),
        ..one(3)
    };
    let (_, told) = run(config.clone(), |_, _, _, _, _| {});
    assert_eq!(told.end, ms(1050));
    let summary = told.summary();
    assert_eq!((summary.transmitted, summary.lost), (11, 11));
    let cut = |report: &Report| matches!(report, Report::Lost { cut: true, .. });
    // The first was given up after its second, the others were cut short.
    assert_eq!(told.count(cut), 10);
    // One probe in two is answered: three answers end it.
    let (_, told) = run(config.clone(), |now, nth, probe, body, post| {
        if nth % 2 == 1 {
            post.deliver(now + ms(1), reply_from(probe.destination, echo(body)));
        }
    });
    let summary = told.summary();
    assert_eq!((summary.transmitted, summary.received), (6, 3));
    assert_eq!(told.end, ms(501));
}

#[test]
fn patience_at_the_end_is_twice_the_longest_round_trip() {
    let config = Config {
        patience: Patience::End,
        ..one(3)
    };
    // The first takes 150 ms, the others never come: 200 + 300.
    let (_, told) = run(config.clone(), |now, nth, probe, body, post| {
        if nth == 0 {
            post.deliver(now + ms(150), reply_from(probe.destination, echo(body)));
        }
    });
    assert_eq!(told.end, ms(500));
    assert_eq!((told.summary().received, told.summary().lost), (1, 2));
    // Nothing ever comes: the wait, after the last.
    let (_, told) = run(config.clone(), |_, _, _, _, _| {});
    assert_eq!(told.end, ms(1200));
    // An answer after two seconds is none too late while the run goes on.
    let long = Config {
        count: Some(30),
        ..config
    };
    let (_, told) = run(long, answers(ms(2000)));
    let summary = told.summary();
    assert_eq!((summary.received, summary.late), (30, 0));
    assert_eq!(summary.pipe, 20);
}

#[test]
fn unanswered_probes_are_told_when_the_next_goes_out() {
    let config = Config {
        tell_unanswered: true,
        ..one(4)
    };
    let (_, told) = run(config, |now, nth, probe, body, post| {
        let delay = if nth == 1 { 150 } else { 1 };
        post.deliver(now + ms(delay), reply_from(probe.destination, echo(body)));
    });
    let unanswered: Vec<_> = told
        .reports
        .iter()
        .filter_map(|(time, report)| match report {
            Report::Unanswered(which) => Some((*time, which.number)),
            _ => None,
        })
        .collect();
    assert_eq!(unanswered, [(ms(200), 2)]);
    assert_eq!(told.summary().received, 4);
}

#[test]
fn retries_wait_longer_each_time() {
    let config = Config {
        retries: 3,
        backoff: 2.0,
        wait: ms(100),
        ..one(1)
    };
    let mut times = Vec::new();
    let (_, told) = run(config, |now, _, _, _, _| times.push(now));
    // 100, then 200, then 400, then 800.
    assert_eq!(times, [0, 100, 300, 700].map(ms));
    assert_eq!(told.end, ms(1500));
    assert_eq!(told.summary().lost, 4);
}

#[test]
fn nobody_and_nothing_end_at_once() {
    let (_, told) = run(one(0), |_, _, _, _, _| unreachable!("nothing is sent"));
    assert_eq!((told.end, told.summary().transmitted), (Duration::ZERO, 0));
    let config = Config {
        targets: dotquad::probe::targets::Targets::default(),
        ..one(1)
    };
    let (_, told) = run(config, |_, _, _, _, _| unreachable!("nobody is asked"));
    assert!(told.reports.is_empty());
}
