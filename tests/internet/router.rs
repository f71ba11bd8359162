//! An internet in real time, behind one end of a pair of virtual Ethernet interfaces: what the
//! kernel sends out at `near` comes in at `far`, and the answers go back when they are due.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use pnet::datalink::{self, Channel, DataLinkSender};

use super::internet::Internet;

/// Destination, source and type of an Ethernet frame.
const ETHERNET: usize = 14;
/// How long the router waits for something to carry when nothing is on its way.
const IDLE: Duration = Duration::from_secs(60);

/// Makes the interfaces, with 192.0.2.1 and everything behind `near`. Frames to `near`'s own
/// address are nobody's at `far`: the kernel leaves them to the router.
fn link(mtu: u16) -> io::Result<()> {
    let script = format!(
        "ip link set lo up
         ip link add near mtu {mtu} type veth peer name far mtu {mtu}
         ip link set near arp off
         ip addr add 192.0.2.1/32 dev near
         ip link set near up
         ip link set far up
         ip route add default dev near"
    );
    let made = Command::new("sh").args(["-ec", &script]).output()?;
    if made.status.success() {
        return Ok(());
    }
    Err(io::Error::other(
        String::from_utf8_lossy(&made.stderr).into_owned(),
    ))
}

/// The datagram in a frame, if it is a probe: what our own kernel answers to answers (resets,
/// port unreachable) is not carried.
fn probe(frame: &[u8]) -> Option<&[u8]> {
    let datagram = frame
        .get(ETHERNET..)
        .filter(|_| frame[12..14] == [8, 0] && frame.len() >= ETHERNET + 28)?;
    let datagram = datagram.get(..usize::from(u16::from_be_bytes([datagram[2], datagram[3]])))?;
    let wanted = match datagram[9] {
        1 => datagram[20] == 8,
        6 => datagram.get(33)? & 0x16 == 0x02,
        17 => true,
        _ => false,
    };
    wanted.then_some(datagram)
}

/// Plays an internet for as long as this process lives. The number is that of probes carried.
pub(crate) fn play(internet: Internet, mtu: u16) -> io::Result<Arc<AtomicUsize>> {
    link(mtu)?;
    let mut interfaces = datalink::interfaces().into_iter();
    let far = interfaces.find(|it| it.name == "far");
    let far = far.ok_or(io::ErrorKind::NotFound)?;
    let config = datalink::Config {
        write_buffer_size: 1 << 17,
        read_buffer_size: 1 << 17,
        ..datalink::Config::default()
    };
    let Channel::Ethernet(sender, mut receiver) = datalink::channel(&far, config)? else {
        return Err(io::ErrorKind::Unsupported.into());
    };
    let carried = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&carried);
    let (arrived, arrivals) = channel();
    thread::spawn(move || {
        while let Ok(frame) = receiver.next() {
            if let Some(datagram) = probe(frame) {
                count.fetch_add(1, Ordering::Relaxed);
                let back_to: [u8; 6] = std::array::from_fn(|at| frame[6 + at]);
                if arrived
                    .send((Instant::now(), back_to, datagram.to_vec()))
                    .is_err()
                {
                    break;
                }
            }
        }
    });
    thread::spawn(move || carry(internet, &arrivals, sender));
    Ok(carried)
}

type Arrival = (Instant, [u8; 6], Vec<u8>);

fn carry(
    mut internet: Internet,
    arrivals: &Receiver<Arrival>,
    mut sender: Box<dyn DataLinkSender>,
) {
    let start = Instant::now();
    let mut coming: BinaryHeap<Reverse<(Instant, u64, Vec<u8>)>> = BinaryHeap::new();
    let mut order = 0;
    loop {
        let due = coming.peek().map(|Reverse((due, ..))| *due);
        let left = due.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
        match arrivals.recv_timeout(left) {
            Ok((at, back_to, datagram)) => {
                let now = at.duration_since(start).as_nanos() as u64;
                for (delay, back) in internet.carry(now, &datagram) {
                    let mut frame = back_to.to_vec();
                    frame.extend([2, 0, 0, 0, 0, 1, 8, 0]);
                    frame.extend(back);
                    order += 1;
                    coming.push(Reverse((at + Duration::from_nanos(delay), order, frame)));
                }
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        while let Some(Reverse((due, ..))) = coming.peek()
            && *due <= Instant::now()
        {
            if let Some(Reverse((_, _, frame))) = coming.pop() {
                let _ = sender.send_to(&frame, None);
            }
        }
    }
}
