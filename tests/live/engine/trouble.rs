//! What does not fit, does not go or is not allowed is told, and nothing else suffers.

use std::env;
use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

use dotquad::net::engine::{Engine, Mode, Options};
use dotquad::probe::{Fragmentation, Rtt, Source};
use libtest_mimic::Failed;

use super::sender::{Sender, echo_request, probe, run, udp};
use super::{LO, NOBODY, allow_ping, ensure, icmp, open, sequence, set_link, shell};

/// The kernel cuts what is too long, unless nobody may.
pub(super) fn fragments() -> Result<(), Failed> {
    set_link(1, 1500)?;
    allow_ping()?;
    for mode in [Mode::Raw, Mode::Datagram] {
        let options = Options {
            largest: 4096,
            ..icmp(mode)
        };
        let mut engine = open(&options)?;
        let want = probe(1, LO, 1);
        let mut never = probe(2, LO, 1);
        never.fragmentation = Fragmentation::Do;
        let last = probe(3, LO, 1);
        let log = run(
            Sender::new(vec![
                (want, echo_request(1, 3000)),
                (never, echo_request(2, 3000)),
                (last, echo_request(3, 3000)),
            ]),
            &mut engine,
        )?;
        assert_eq!(log.failed, [(2, libc::EMSGSIZE, Some(1500))]);
        let lengths: Vec<_> = log.replies.iter().map(|it| it.message.len()).collect();
        assert_eq!(lengths, [3008, 3008]);
        assert_eq!(log.sent.len(), 2, "stamps of those that went");
        // A slab that is too small is told.
        let mut engine = open(&icmp(mode))?;
        let log = run(
            Sender::new(vec![(want, echo_request(1, 3000))]),
            &mut engine,
        )?;
        assert!(log.replies.first().is_some_and(|it| it.truncated));
    }
    Ok(())
}

/// What does not fit the receive buffer is counted.
pub(super) fn local_drops() -> Result<(), Failed> {
    allow_ping()?;
    for mode in [Mode::Raw, Mode::Datagram] {
        let options = Options {
            receive_buffer: 1,
            send_stamps: false,
            ..icmp(mode)
        };
        let mut engine = open(&options)?;
        let probes = (0..200).map(|id| {
            let sequence = u16::try_from(id).unwrap();
            (probe(id, LO, 1), echo_request(sequence, 1000))
        });
        let mut sender = Sender::new(probes.collect());
        sender.window = usize::MAX;
        sender.settle = Duration::from_millis(500);
        let log = run(sender, &mut engine)?;
        let came = u64::try_from(log.replies.len()).unwrap();
        assert_eq!(log.handed.len(), 200);
        assert!(log.drops > 0, "{mode:?}: {came} came");
        // A full raw socket may count the requests, which pass it on the loopback, too.
        match mode {
            Mode::Datagram => assert_eq!(came + log.drops, 200),
            _ => assert!(came + log.drops >= 200),
        }
        assert_eq!(log.sent.len(), 0);
    }
    Ok(())
}

/// No way there: each probe is refused with the kernel's own reason, and the others go.
pub(super) fn refused() -> Result<(), Failed> {
    allow_ping()?;
    for (mode, count_stamps) in [
        (Mode::Raw, false),
        (Mode::Raw, true),
        (Mode::Datagram, false),
    ] {
        let options = Options {
            count_stamps,
            ..icmp(mode)
        };
        let mut engine = open(&options)?;
        let nowhere = Ipv4Addr::new(192, 0, 2, 1);
        let probes = (0..20).map(|id| {
            let to = if id % 2 == 0 { LO } else { nowhere };
            let sequence = u16::try_from(id).unwrap();
            (probe(id, to, 1), echo_request(sequence, 56))
        });
        let mut probes: Vec<_> = probes.collect();
        // A protocol the engine was not opened for.
        probes.push((probe(20, LO, 17), udp(1, 2, b"")));
        let log = run(Sender::new(probes), &mut engine)?;
        let odd = (1..20).step_by(2).map(|id| (id, libc::ENETUNREACH, None));
        let mut expected: Vec<_> = odd.collect();
        expected.push((20, libc::EPROTONOSUPPORT, None));
        assert_eq!(log.failed, expected);
        assert_eq!((log.handed.len(), log.replies.len()), (10, 10));
        for reply in &log.replies {
            let id = sequence(&reply.message);
            let rtt = Rtt::between(
                log.handed[&id],
                log.sent.get(&id).copied(),
                reply.seen,
                reply.stamp,
            );
            assert!(
                count_stamps || rtt.source == Source::Kernel,
                "{id}: {log:?}"
            );
        }
    }
    Ok(())
}

/// Nobody answers for the address, so that what is sent stays in the socket: what has no room is
/// refused after a while, and nothing is lost unheard.
pub(super) fn full_socket() -> Result<(), Failed> {
    shell(
        "ip link add veth5 type veth peer name veth6; ip addr add 10.6.0.1/24 dev veth5
         ip link set veth6 up; ip link set veth5 up",
    )?;
    let options = Options {
        send_buffer: Some(1),
        ..icmp(Mode::Raw)
    };
    let mut engine = open(&options)?;
    let probes = (0..40).map(|id| {
        let sequence = u16::try_from(id).unwrap();
        (
            probe(id, Ipv4Addr::new(10, 6, 0, 9), 1),
            echo_request(sequence, 1000),
        )
    });
    let mut sender = Sender::new(probes.collect());
    sender.settle = Duration::from_millis(1500);
    let log = run(sender, &mut engine)?;
    assert!(!log.handed.is_empty());
    assert!(!log.failed.is_empty());
    for (_, error, _) in &log.failed {
        assert!([libc::EAGAIN, libc::ENOBUFS].contains(error), "{log:?}");
    }
    assert_eq!(log.handed.len() + log.failed.len(), 40);
    Ok(())
}

/// The interface goes away under an engine that is bound to it.
pub(super) fn vanishing() -> Result<(), Failed> {
    shell(
        "ip link add veth3 type veth peer name veth4; ip addr add 10.7.0.1/24 dev veth3
         ip link set veth4 up; ip link set veth3 up",
    )?;
    let options = Options {
        interface: Some("veth3".into()),
        ..icmp(Mode::Raw)
    };
    let mut engine = open(&options)?;
    let send = |engine: &mut Engine| {
        let probe = probe(1, Ipv4Addr::new(10, 7, 0, 9), 1);
        let mut sender = Sender::new(vec![(probe, echo_request(1, 8))]);
        sender.settle = Duration::from_millis(200);
        run(sender, engine)
    };
    let log = send(&mut engine)?;
    assert_eq!((log.handed.len(), log.failed.len()), (1, 0));
    shell("ip link del veth3")?;
    let log = send(&mut engine)?;
    assert_eq!((log.handed.len(), log.failed.len()), (0, 1));
    Ok(())
}

/// Without permission, the error says how to get it. The process that has none is another user's.
pub(super) fn permission() -> Result<(), Failed> {
    if env::var_os(NOBODY).is_some() {
        let error = Engine::open(&icmp(Mode::Auto)).expect_err("nobody may not ping");
        let text = error.to_string();
        for word in [
            "CAP_NET_RAW",
            "sudo setcap cap_net_raw+ep",
            "net.ipv4.ping_group_range",
        ] {
            ensure(text.contains(word), &format!("{word} is not in: {text}"))?;
        }
        // UDP takes no permission, unless a probe chooses its identification.
        let options = Options {
            header_included: true,
            udp: Some(4000..=4000),
            ..Options::default()
        };
        let mut engine = open(&options)?;
        assert!(!engine.is_raw());
        let body = udp(4000, 4001, b"");
        let mut chosen = probe(2, LO, 17);
        chosen.identification = Some(7);
        let probes = vec![(probe(1, LO, 17), body.clone()), (chosen, body)];
        let log = run(Sender::new(probes), &mut engine)?;
        assert_eq!(log.errors.len(), 1);
        assert_eq!(log.failed, [(2, libc::EPROTONOSUPPORT, None)]);
        return Ok(());
    }
    // The program may lie where only root can look.
    let folder = tempfile::tempdir()?;
    let copy = folder.path().join("live");
    fs::copy(env::current_exe()?, &copy)?;
    shell(&format!(
        "chmod 755 {} {}",
        folder.path().display(),
        copy.display()
    ))?;
    let mut nobody = Command::new("setpriv");
    nobody
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "--",
        ])
        .arg(&copy)
        .env(NOBODY, "1");
    let output = nobody.output()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure(output.status.success(), &text)
}
