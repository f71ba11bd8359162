//! Counters that add up, whatever is full, left or too early.

use std::net::{Ipv4Addr, UdpSocket};
use std::thread;

use dotquad::capture::FrameSource;
use dotquad::net::live::Options;
use libtest_mimic::Failed;

use super::{
    BACKENDS, PATIENCE, adds_up, check, counted, finish, listen, numbers, options, rest, same,
    seen, send,
};

pub(super) fn full() -> Result<(), Failed> {
    const PACKETS: u32 = 100_000;
    for backend in BACKENDS {
        let options = Options {
            backend,
            ring_mib: 1,
            ..options("lo")
        };
        let mut live = listen(&options, "udp port 9000")?;
        // Nobody reads meanwhile.
        send(Ipv4Addr::LOCALHOST, PACKETS)?;
        let frames = finish(&mut live, PACKETS.try_into()?)?;
        let figures = live.meter().read();
        let case = || format!("{backend:?}: {figures:?}, {} seen", frames.len());
        check(figures.matched == u64::from(PACKETS), case)?;
        check(figures.dropped_ring > 0 && figures.left_unread == 0, case)?;
        check(figures.delivered == u64::try_from(frames.len())?, case)?;
        adds_up(&figures)?;
        // What was seen is what came first, in order.
        let numbers = numbers(&frames);
        check(numbers.is_sorted() && numbers.first() == Some(&0), case)?;
    }
    Ok(())
}

pub(super) fn left() -> Result<(), Failed> {
    for backend in BACKENDS {
        let options = Options {
            backend,
            ..options("lo")
        };
        let mut live = listen(&options, "udp port 9000")?;
        send(Ipv4Addr::LOCALHOST, 100)?;
        counted(&live, 100)?;
        live.stopper().abandon();
        let (frames, _) = rest(&mut live)?;
        let figures = live.meter().read();
        same(&frames, &Vec::new())?;
        same(&(figures.matched, figures.left_unread), &(100, 100))?;
        adds_up(&figures)?;
        // Nothing is let in after the end, and the end is final.
        send(Ipv4Addr::LOCALHOST, 10)?;
        check(live.next_batch()?.is_none(), || "a batch".to_owned())?;
        same(&live.meter().read().matched, &100)?;
    }
    Ok(())
}

pub(super) fn filter_first() -> Result<(), Failed> {
    for backend in BACKENDS {
        for _ in 0..20 {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            // Other traffic from before the opening until after the end.
            let (sender, stop) = std::sync::mpsc::channel::<()>();
            let other = thread::spawn(move || {
                while stop.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                    let _ = socket.send_to(b"unwanted", (Ipv4Addr::LOCALHOST, 9001));
                }
            });
            let options = Options {
                backend,
                ..options("lo")
            };
            let mut live = listen(&options, "udp dst port 9000")?;
            send(Ipv4Addr::LOCALHOST, 1)?;
            let frames = finish(&mut live, 1)?;
            drop(sender);
            other.join().map_err(|_| "the sender panicked")?;
            same(&frames.len(), &1)?;
            same(&live.meter().read().matched, &1)?;
        }
    }
    Ok(())
}

pub(super) fn given_back() -> Result<(), Failed> {
    let options = Options {
        ring_mib: 1,
        ..options("lo")
    };
    let mut live = listen(&options, "udp port 9000")?;
    // Whoever keeps batches keeps the ring full, and the kernel counts what finds no room.
    let mut kept = Vec::new();
    for _ in 0..8 {
        send(Ipv4Addr::LOCALHOST, 10)?;
        for _ in 0..PATIENCE {
            let batch = live.next_batch()?.unwrap();
            if !batch.is_empty() {
                kept.push(batch);
                break;
            }
        }
    }
    same(&kept.len(), &8)?;
    same(&live.meter().read().ring_fill, &100)?;
    let before = live.meter().read().dropped_ring;
    send(Ipv4Addr::LOCALHOST, 10)?;
    counted(&live, 90)?;
    same(&(live.meter().read().dropped_ring - before), &10)?;
    // A clone keeps its block; the bytes stay as they were while it does.
    let clone = kept.last().unwrap().clone();
    let bytes = seen(&clone);
    drop(kept);
    same(&live.meter().read().ring_fill, &12)?;
    send(Ipv4Addr::LOCALHOST, 10)?;
    let matched = 100;
    let frames = finish(&mut live, matched)?;
    same(&numbers(&frames), &(0..10).collect())?;
    same(&seen(&clone), &bytes)?;
    adds_up(&live.meter().read())
}
