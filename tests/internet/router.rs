//! An internet in real time, behind a TUN device: what the kernel routes out at `near` is read
//! here, and the answers are written to it when they are due. Knows the kernel's side of the
//! cable; what becomes of a datagram is the internet's business.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use tappers::{Interface, Tun};

use super::internet::Internet;

/// How long the router waits for something to carry when nothing is on its way.
const IDLE: Duration = Duration::from_secs(60);

/// Makes the device, with 192.0.2.1 and everything behind it.
fn cable(mtu: u16) -> io::Result<Tun> {
    let tun = Tun::new_named(Interface::new("near")?)?;
    let script = format!(
        "ip link set lo up
         ip link set near mtu {mtu} addrgenmode none
         ip addr add 192.0.2.1/32 dev near
         ip link set near up
         ip route add default dev near"
    );
    let made = Command::new("sh").args(["-ec", &script]).output()?;
    if made.status.success() {
        return Ok(tun);
    }
    Err(io::Error::other(
        String::from_utf8_lossy(&made.stderr).into_owned(),
    ))
}

/// Whether this is a probe: what our own kernel answers to answers (resets, port unreachable) is
/// not carried.
fn is_probe(datagram: &[u8]) -> bool {
    datagram.len() >= 28
        && datagram[0] >> 4 == 4
        && match datagram[9] {
            1 => datagram[20] == 8,
            6 => datagram.get(33).is_some_and(|flags| flags & 0x16 == 0x02),
            17 => true,
            _ => false,
        }
}

/// Plays an internet for as long as this process lives. The number is that of probes carried.
pub(crate) fn play(internet: Internet, mtu: u16) -> io::Result<Arc<AtomicUsize>> {
    let tun = Arc::new(cable(mtu)?);
    let carried = Arc::new(AtomicUsize::new(0));
    let (count, inward) = (Arc::clone(&carried), Arc::clone(&tun));
    let (arrived, arrivals) = channel();
    thread::spawn(move || {
        let mut room = vec![0; 1 << 16];
        while let Ok(length) = inward.recv(&mut room) {
            let at = Instant::now();
            let datagram = &room[..length];
            if is_probe(datagram) {
                count.fetch_add(1, Ordering::Relaxed);
                if arrived.send((at, datagram.to_vec())).is_err() {
                    break;
                }
            }
        }
    });
    thread::spawn(move || carry(internet, &arrivals, &tun));
    Ok(carried)
}

fn carry(mut internet: Internet, arrivals: &Receiver<(Instant, Vec<u8>)>, tun: &Tun) {
    let start = Instant::now();
    let mut coming: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>> = BinaryHeap::new();
    let mut order = 0;
    loop {
        let due = coming.peek().map(|Reverse((due, ..))| *due);
        let left = due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
        match arrivals.recv_timeout(left) {
            Ok((at, datagram)) => {
                let now = at.duration_since(start).as_nanos() as u64;
                for (delay, back) in internet.carry(now, &datagram) {
                    order += 1;
                    coming.push(Reverse((at + Duration::from_nanos(delay), order, back)));
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        while let Some(Reverse((due, ..))) = coming.peek()
            && *due <= Instant::now()
        {
            if let Some(Reverse((_, _, back))) = coming.pop() {
                // A device that is down or full loses it, as a wire would.
                let _ = tun.send(&back);
            }
        }
    }
}
