//! Interfaces that go and come, and what is refused.

use std::net::Ipv4Addr;

use dotquad::capture::FrameSource;
use dotquad::error::Kind;
use dotquad::net::live::{Backend, Options};
use libtest_mimic::Failed;

use super::super::cable::{cable, ip, up};
use super::{
    BACKENDS, PATIENCE, adds_up, check, counted, finish, listen, notice, numbers, options, same,
    seen, send,
};

pub(super) fn down() -> Result<(), Failed> {
    cable()?;
    for backend in BACKENDS {
        let options = Options {
            backend,
            ..options("right")
        };
        let mut live = listen(&options, "udp port 9000")?;
        if backend == Backend::Pnet {
            notice(&mut live)?;
        }
        send(Ipv4Addr::new(10, 7, 0, 2), 2)?;
        counted(&live, 2)?;
        ip("link set dev right down")?;
        let mut frames = Vec::new();
        let mut notices = Vec::new();
        for _ in 0..PATIENCE {
            let batch = live.next_batch()?.unwrap();
            frames.extend(seen(&batch));
            notices.extend_from_slice(batch.notices());
            if !notices.is_empty() && frames.len() == 2 {
                break;
            }
        }
        same(
            &notices,
            &vec!["right is down: waiting for it to come back".to_owned()],
        )?;
        up(&["left", "right"])?;
        same(&notice(&mut live)?, &"right is up again".to_owned())?;
        send(Ipv4Addr::new(10, 7, 0, 2), 3)?;
        frames.extend(finish(&mut live, 5)?);
        same(&numbers(&frames), &vec![0, 1, 0, 1, 2])?;
        adds_up(&live.meter().read())?;
    }
    Ok(())
}

pub(super) fn removed() -> Result<(), Failed> {
    for backend in BACKENDS {
        cable()?;
        let options = Options {
            backend,
            ..options("right")
        };
        let mut live = listen(&options, "udp port 9000")?;
        send(Ipv4Addr::new(10, 7, 0, 2), 5)?;
        counted(&live, 5)?;
        ip("link del right")?;
        let mut packets = 0;
        let error = loop {
            match live.next_batch() {
                Ok(Some(batch)) => packets += batch.len(),
                Ok(None) => return Err("it ended without a word".into()),
                Err(error) => break error,
            }
        };
        check(packets == 5, || format!("{backend:?}: {packets} packets"))?;
        same(&error.kind(), &Kind::Usage)?;
        let words = "listening on right: the interface was removed".to_owned();
        same(&error.to_string(), &words)?;
        adds_up(&live.meter().read())?;
        check(live.next_batch()?.is_none(), || "a batch".to_owned())?;
    }
    Ok(())
}

pub(super) fn one_removed() -> Result<(), Failed> {
    cable()?;
    let options = Options::new(vec!["right".to_owned(), "lo".to_owned()]);
    let mut live = listen(&options, "udp port 9000")?;
    send(Ipv4Addr::new(10, 7, 0, 2), 5)?;
    counted(&live, 5)?;
    ip("link del right")?;
    let mut frames = Vec::new();
    let mut told = String::new();
    for _ in 0..PATIENCE {
        let batch = live.next_batch()?.unwrap();
        frames.extend(seen(&batch));
        told.extend(batch.notices().iter().map(String::as_str));
        if !told.is_empty() {
            break;
        }
    }
    same(&told.as_str(), &"right was removed: the others go on")?;
    send(Ipv4Addr::LOCALHOST, 3)?;
    frames.extend(finish(&mut live, 8)?);
    same(&frames.len(), &8)?;
    adds_up(&live.meter().read())
}

pub(super) fn pnet() -> Result<(), Failed> {
    let options = Options {
        backend: Backend::Pnet,
        ..options("lo")
    };
    let mut live = listen(&options, "udp port 9000")?;
    let told = notice(&mut live)?;
    check(told.contains("direction") && told.contains("VLAN"), || told)
}

pub(super) fn wrong() -> Result<(), Failed> {
    ip("link add asleep type veth peer name other")?;
    for (interface, words) in [
        ("absent", "listening on absent: there is no such interface"),
        ("asleep", "listening on asleep: the interface is down"),
    ] {
        let error = listen(&options(interface), "").err();
        let error = error.ok_or_else(|| format!("{interface} was opened"))?;
        same(&error.kind(), &Kind::Usage)?;
        check(error.to_string().starts_with(words), || error.to_string())?;
    }
    let both = Options::new(vec!["any".to_owned(), "lo".to_owned()]);
    check(listen(&both, "").is_err(), || "any and lo".to_owned())?;
    // Where there is no card, there is no clock of its own.
    let card = Options {
        timestamps: dotquad::net::live::Timestamps::Hardware,
        ..options("lo")
    };
    check(listen(&card, "").is_err(), || "a card's clock".to_owned())
}
