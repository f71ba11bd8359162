//! Several rings: of several interfaces, or of one.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use dotquad::capture::{Batch, FrameSource};
use dotquad::net::live::{Backend, Options};
use libtest_mimic::Failed;

use super::super::cable::cable;
use super::{
    PATIENCE, Seen, adds_up, check, counted, finish, listen, numbers, options, same, seen, send,
};

pub(super) fn two() -> Result<(), Failed> {
    cable()?;
    let options = Options::new(vec!["lo".to_owned(), "right".to_owned()]);
    let mut live = listen(&options, "udp port 9000")?;
    let names = live.listening().iter().map(|it| it.name.clone().unwrap());
    same(&names.collect::<Vec<_>>(), &options.interfaces)?;
    let mut batches = Vec::new();
    for (round, interface) in (1..).zip(["lo", "right", "lo", "right"]) {
        let to = match interface {
            "lo" => Ipv4Addr::LOCALHOST,
            _ => Ipv4Addr::new(10, 7, 0, 2),
        };
        send(to, 10)?;
        for _ in 0..PATIENCE {
            if batches.iter().map(Batch::len).sum::<usize>() == 10 * round {
                break;
            }
            let batch = live.next_batch()?.unwrap();
            let mut frames = seen(&batch).into_iter();
            check(frames.all(|it| it.interface == interface), || {
                format!("not of {interface}")
            })?;
            batches.push(batch);
        }
    }
    // Sent at once: the blocks come in the order of their first packets.
    send(Ipv4Addr::LOCALHOST, 10)?;
    send(Ipv4Addr::new(10, 7, 0, 2), 10)?;
    counted(&live, 60)?;
    live.stopper().finish();
    while let Some(batch) = live.next_batch()? {
        batches.push(batch);
    }
    let numbers = batches.iter().flat_map(Batch::frames).map(|it| it.number);
    same(&numbers.collect::<Vec<_>>(), &(1..=60).collect())?;
    // Except those that the kernel handed over too late, which are counted.
    let (mut latest, mut late) = (None, 0);
    for batch in &batches {
        let first = batch.frames().next().and_then(|it| it.time);
        if first.is_some() && first < latest {
            late += u64::try_from(batch.len())?;
        }
        latest = latest.max(first);
    }
    let figures = live.meter().read();
    same(&(figures.matched, figures.out_of_order), &(60, late))?;
    adds_up(&figures)
}

pub(super) fn fanout() -> Result<(), Failed> {
    for backend in [Backend::Ring, Backend::Recvmmsg] {
        let options = Options {
            backend,
            fanout: 4,
            ..options("lo")
        };
        let mut live = listen(&options, "udp dst port 9000")?;
        for _ in 0..20 {
            send(Ipv4Addr::LOCALHOST, 50)?;
        }
        let frames = finish(&mut live, 1000)?;
        let mut flows: BTreeMap<Vec<u8>, Vec<Seen>> = BTreeMap::new();
        for frame in frames {
            let source_port = frame.bytes.get(34..36).unwrap().to_vec();
            flows.entry(source_port).or_default().push(frame);
        }
        same(&flows.len(), &20)?;
        for packets in flows.values() {
            // A flow is in one ring, and in order.
            same(&numbers(packets), &(0..50).collect())?;
        }
        adds_up(&live.meter().read())?;
    }
    Ok(())
}
