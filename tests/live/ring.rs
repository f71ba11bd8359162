//! Live sources: what the kernel hands over is what was sent, each packet once, and the counters
//! add up. Every test has a network namespace of its own.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::thread;

use dotquad::capture::{Batch, FrameSource};
use dotquad::error::{Error, Kind};
use dotquad::filter::{self, Expression, Filter, NoNames};
use dotquad::net::live::{Backend, Figures, Live, Options};
use dotquad::wire::frame::{Direction, LinkType, Offload};
use libtest_mimic::{Failed, Trial};
use pnet::datalink;

use super::Powers;
use super::cable::{self, alone, cable, ip, up};

/// Empty batches in a row, each a fifth of a second, after which nothing more is expected.
const PATIENCE: u32 = 50;

const BACKENDS: [Backend; 3] = [Backend::Ring, Backend::Recvmmsg, Backend::Pnet];

/// The port that tests send to, where nobody listens.
const PORT: u16 = 9000;

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    type Test = fn() -> Result<(), Failed>;
    let tests: [(&str, Test); 17] = [
        ("ring_shows_loopback_once", loopback_once),
        ("ring_shows_the_wanted_direction", direction),
        ("ring_keeps_what_the_snaplen_allows", snaplen),
        ("ring_puts_vlan_tags_back", vlan),
        ("ring_tells_what_is_offloaded", offload),
        ("ring_any_names_interfaces", any),
        ("ring_counters_add_up_when_it_is_full", full),
        ("ring_counters_add_up_when_packets_are_left", left),
        ("ring_filter_is_there_before_the_first_packet", filter_first),
        ("ring_waits_for_an_interface_that_is_down", down),
        ("ring_ends_with_its_interface", removed),
        ("ring_goes_on_with_the_other_interface", one_removed),
        ("ring_merges_interfaces", two),
        ("ring_shares_an_interface_among_rings", fanout),
        ("ring_says_what_pnet_cannot_know", pnet),
        ("ring_says_what_is_wrong_with_an_interface", wrong),
        ("ring_blocks_are_given_back", given_back),
    ];
    let has_ip = cable::has_ip();
    let trial = |(name, test): (&str, Test)| {
        if has_ip {
            return powers.trial(name, move || alone(test));
        }
        let missing = || Err("there is no ip command here".into());
        Trial::test(format!("{name} (needs ip of iproute2)"), missing).with_ignored_flag(true)
    };
    tests.into_iter().map(trial).collect()
}

fn options(interface: &str) -> Options {
    Options::new(vec![interface.to_owned()])
}

fn listen(options: &Options, expression: &str) -> Result<Live, Error> {
    let expression = Expression::parse(expression)?;
    Live::open(options, &mut |wanted| {
        let options = filter::Options {
            deep: false,
            target: wanted.target,
            link_type: wanted.link_type,
            snaplen: wanted.snaplen,
            netmask: wanted.netmask,
            resolve: &NoNames,
        };
        Ok(Filter::compile(&expression, &options)?)
    })
}

/// What a test looks at of a frame.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    number: u64,
    bytes: Vec<u8>,
    wire_len: u32,
    link_type: LinkType,
    interface: String,
    direction: Option<Direction>,
    offload: Offload,
}

fn seen(batch: &Batch) -> Vec<Seen> {
    let frames = batch.frames().map(|frame| Seen {
        number: frame.number,
        bytes: frame.bytes.to_vec(),
        wire_len: frame.wire_len,
        link_type: frame.link_type,
        interface: batch.interface(&frame).unwrap().name.clone().unwrap(),
        direction: frame.direction,
        offload: frame.offload,
    });
    frames.collect()
}

/// Everything from now to the end of the source, and what it told.
fn rest(live: &mut Live) -> Result<(Vec<Seen>, Vec<String>), Error> {
    let (mut frames, mut notices) = (Vec::new(), Vec::new());
    while let Some(batch) = live.next_batch()? {
        frames.extend(seen(&batch));
        notices.extend_from_slice(batch.notices());
    }
    Ok((frames, notices))
}

/// The next notice.
fn notice(live: &mut Live) -> Result<String, Failed> {
    for _ in 0..PATIENCE {
        if let Some(notice) = live.next_batch()?.unwrap().notices().first() {
            return Ok(notice.clone());
        }
    }
    Err("nothing was told".into())
}

/// Waits until the kernel has counted this many packets: what was sent may still be on its way
/// through the loopback or the cable.
fn counted(live: &Live, packets: usize) -> Result<(), Failed> {
    let packets = u64::try_from(packets)?;
    let meter = live.meter();
    for _ in 0..1_000_000 {
        if meter.read().matched >= packets {
            return Ok(());
        }
        thread::yield_now();
    }
    let figures = meter.read();
    Err(format!("{packets} packets were sent: {figures:?}").into())
}

/// Ends the source when this many packets have come in all, and returns those not seen before.
fn finish(live: &mut Live, packets: usize) -> Result<Vec<Seen>, Failed> {
    counted(live, packets)?;
    live.stopper().finish();
    Ok(rest(live)?.0)
}

/// Sends datagrams whose payload is their number.
fn send(to: Ipv4Addr, packets: u32) -> Result<(), Failed> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    for packet in 0..packets {
        // A refusal told by ICMP is not the test's concern.
        let _ = socket.send_to(&packet.to_be_bytes(), (to, PORT));
    }
    Ok(())
}

/// The number at the end of each frame.
fn numbers(frames: &[Seen]) -> Vec<u32> {
    let number = |seen: &Seen| u32::from_be_bytes(*seen.bytes.last_chunk().unwrap());
    frames.iter().map(number).collect()
}

fn check(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what().into()) }
}

fn same<T: PartialEq + std::fmt::Debug>(one: &T, other: &T) -> Result<(), Failed> {
    check(one == other, || format!("{one:?} is not {other:?}"))
}

fn adds_up(figures: &Figures) -> Result<(), Failed> {
    let sum = figures.delivered + figures.dropped_ring + figures.left_unread;
    check(figures.matched == sum, || format!("{figures:?}"))
}

fn loopback_once() -> Result<(), Failed> {
    for backend in BACKENDS {
        let options = Options {
            backend,
            ..options("lo")
        };
        let mut live = listen(&options, "udp port 9000")?;
        send(Ipv4Addr::LOCALHOST, 50)?;
        let frames = finish(&mut live, 50)?;
        same(&numbers(&frames), &(0..50).collect())?;
        let figures = live.meter().read();
        same(&(figures.matched, figures.delivered), &(50, 50))?;
        adds_up(&figures)?;
        for (number, frame) in (1..).zip(&frames) {
            // Ethernet 14, IPv4 20, UDP 8, payload 4.
            same(&(frame.bytes.len(), frame.wire_len), &(46, 46))?;
            same(&frame.link_type, &LinkType::ETHERNET)?;
            same(&(frame.number, frame.interface.as_str()), &(number, "lo"))?;
            let direction = (backend != Backend::Pnet).then_some(Direction::In);
            same(&frame.direction, &direction)?;
        }
    }
    Ok(())
}

fn direction() -> Result<(), Failed> {
    cable()?;
    let expected = [
        ("lo", Direction::In, 20),
        ("lo", Direction::Out, 20),
        ("left", Direction::In, 0),
        ("left", Direction::Out, 20),
        ("right", Direction::In, 20),
        ("right", Direction::Out, 0),
        // Received at lo and at the right end; sent from lo and from the left end.
        ("any", Direction::In, 40),
        ("any", Direction::Out, 40),
    ];
    for (interface, direction, packets) in expected {
        for backend in [Backend::Ring, Backend::Recvmmsg] {
            let options = Options {
                backend,
                direction: Some(direction),
                ..options(interface)
            };
            let mut live = listen(&options, "udp dst port 9000")?;
            send(Ipv4Addr::LOCALHOST, 20)?;
            send(Ipv4Addr::new(10, 7, 0, 2), 20)?;
            let frames = finish(&mut live, packets)?;
            let case = || format!("{interface} {direction:?} {backend:?}: {}", frames.len());
            check(frames.len() == packets, case)?;
            check(
                frames.iter().all(|it| it.direction == Some(direction)),
                case,
            )?;
            adds_up(&live.meter().read())?;
        }
    }
    // Both ways on everything: lo once, the cable at both ends.
    let mut live = listen(&options("any"), "udp dst port 9000")?;
    send(Ipv4Addr::LOCALHOST, 20)?;
    send(Ipv4Addr::new(10, 7, 0, 2), 20)?;
    let frames = finish(&mut live, 60)?;
    same(&frames.len(), &60)?;
    same(&live.meter().read().matched, &60)
}

fn snaplen() -> Result<(), Failed> {
    for (interface, backend, link) in [
        ("lo", Backend::Ring, 14),
        ("lo", Backend::Recvmmsg, 14),
        ("any", Backend::Ring, 20),
        ("any", Backend::Recvmmsg, 20),
    ] {
        let options = Options {
            backend,
            snaplen: 40,
            ..options(interface)
        };
        let mut live = listen(&options, "udp port 9000")?;
        send(Ipv4Addr::LOCALHOST, 1)?;
        let frames = finish(&mut live, 1)?;
        let sizes: Vec<_> = frames
            .iter()
            .map(|it| (it.bytes.len(), it.wire_len))
            .collect();
        same(&sizes, &vec![(40, link + 32)])?;
        same(&live.listening().first().unwrap().snaplen, &40)?;
    }
    Ok(())
}

fn vlan() -> Result<(), Failed> {
    cable()?;
    // A frame as it stands on the wire. The kernel takes the tag out on reception.
    let tagged = |protocol: [u8; 2], number: u8| {
        let addresses: [&[u8]; 2] = [&[2, 0, 0, 0, 0, 2], &[2, 0, 0, 0, 0, 1]];
        let tag = [protocol[0], protocol[1], 0x60, 0x05, 0x08, 0x00];
        let mut ip = vec![0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0];
        ip.extend([10, 7, 0, 1, 10, 7, 0, 2]);
        let udp = [0x10, 0x00, 0x23, 0x28, 0, 12, 0, 0, 0, 0, 0, number];
        [addresses.concat(), tag.to_vec(), ip, udp.to_vec()].concat()
    };
    let left = datalink::interfaces()
        .into_iter()
        .find(|it| it.name == "left");
    let left = left.ok_or("there is no left end")?;
    let channel = datalink::channel(&left, datalink::Config::default())?;
    let datalink::Channel::Ethernet(mut sender, _receiver) = channel else {
        return Err("no channel".into());
    };
    for backend in [Backend::Ring, Backend::Recvmmsg] {
        let options = Options {
            backend,
            ..options("right")
        };
        let mut live = listen(&options, "vlan 5 and udp port 9000")?;
        let sent: Vec<Vec<u8>> = [[0x81, 0x00], [0x88, 0xa8], [0x81, 0x00]]
            .into_iter()
            .zip(0..)
            .map(|(protocol, number)| tagged(protocol, number))
            .collect();
        for frame in &sent {
            sender.send_to(frame, None).ok_or("it was not sent")??;
        }
        // The same without a tag.
        send(Ipv4Addr::new(10, 7, 0, 2), 3)?;
        let frames = finish(&mut live, 3)?;
        let bytes: Vec<_> = frames.iter().map(|it| it.bytes.clone()).collect();
        same(&bytes, &sent)?;
        check(frames.iter().all(|it| it.wire_len == 50), || {
            format!("{frames:?}")
        })?;
    }
    Ok(())
}

fn offload() -> Result<(), Failed> {
    ip("link set dev lo mtu 1500")?;
    for backend in [Backend::Ring, Backend::Recvmmsg] {
        let options = Options {
            backend,
            ..options("lo")
        };
        let mut live = listen(&options, "ip")?;
        // The loopback leaves checksums to a card that never comes.
        send(Ipv4Addr::LOCALHOST, 1)?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let mut stream = TcpStream::connect(listener.local_addr()?)?;
        let (mut peer, _) = listener.accept()?;
        stream.write_all(&vec![0; 20_000])?;
        peer.read_exact(&mut vec![0; 20_000])?;
        // All bytes have been read, so all of them have passed.
        let frames = finish(&mut live, 0)?;
        let protocol = |seen: &&Seen| seen.bytes.get(23).copied();
        let udp: Vec<_> = frames
            .iter()
            .filter(|it| protocol(it) == Some(17))
            .collect();
        same(&udp.len(), &1)?;
        check(udp.iter().all(|it| it.offload.checksum_not_ready), || {
            format!("{udp:?}")
        })?;
        let large = frames.iter().filter(|it| it.wire_len > 1514);
        let large: Vec<_> = large.map(|it| it.offload.segmentation).collect();
        check(!large.is_empty() && large.iter().all(|&it| it), || {
            format!("segments: {large:?}")
        })?;
        check(!udp.iter().any(|it| it.offload.segmentation), || {
            format!("{udp:?}")
        })?;
    }
    Ok(())
}

fn any() -> Result<(), Failed> {
    cable()?;
    for backend in [Backend::Ring, Backend::Recvmmsg] {
        let options = Options {
            backend,
            ..options("any")
        };
        let mut live = listen(&options, "udp dst port 9000")?;
        same(
            &live.listening().first().unwrap().name.as_deref(),
            &Some("any"),
        )?;
        send(Ipv4Addr::LOCALHOST, 2)?;
        // An interface that was not there when listening began.
        ip("link add late type veth peer name other")?;
        ip("link set dev late addrgenmode none")?;
        ip("link set dev other addrgenmode none")?;
        ip("address add 10.9.0.1/24 dev late")?;
        up(&["late", "other"])?;
        ip("neighbour add 10.9.0.2 lladdr 02:00:00:00:00:09 dev late nud permanent")?;
        send(Ipv4Addr::new(10, 9, 0, 2), 3)?;
        send(Ipv4Addr::new(10, 7, 0, 2), 4)?;
        let frames = finish(&mut live, 16)?;
        ip("link del late")?;
        let mut names = BTreeMap::new();
        for frame in &frames {
            *names.entry(frame.interface.as_str()).or_insert(0) += 1;
            same(&frame.link_type, &LinkType::LINUX_SLL2)?;
            same(&(frame.bytes.len(), frame.wire_len), &(52, 52))?;
            // Protocol IPv4; then the packet behind 20 bytes.
            same(&frame.bytes.get(..4), &Some(&[8, 0, 0, 0][..]))?;
            same(&frame.bytes.get(20), &Some(&0x45))?;
            // Packet type 4 is sent.
            let sent = frame.bytes.get(10) == Some(&4);
            same(&sent, &(frame.direction == Some(Direction::Out)))?;
        }
        let expected = [
            ("lo", 2),
            ("late", 3),
            ("other", 3),
            ("left", 4),
            ("right", 4),
        ];
        let expected = BTreeMap::from(expected);
        same(&names, &expected)?;
    }
    Ok(())
}

fn full() -> Result<(), Failed> {
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

fn left() -> Result<(), Failed> {
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

fn filter_first() -> Result<(), Failed> {
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

fn down() -> Result<(), Failed> {
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

fn removed() -> Result<(), Failed> {
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

fn one_removed() -> Result<(), Failed> {
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

fn two() -> Result<(), Failed> {
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

fn fanout() -> Result<(), Failed> {
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

fn pnet() -> Result<(), Failed> {
    let options = Options {
        backend: Backend::Pnet,
        ..options("lo")
    };
    let mut live = listen(&options, "udp port 9000")?;
    let told = notice(&mut live)?;
    check(told.contains("direction") && told.contains("VLAN"), || told)
}

fn wrong() -> Result<(), Failed> {
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
    let pnet = Options {
        backend: Backend::Pnet,
        ..options("any")
    };
    check(listen(&pnet, "").is_err(), || "any by pnet".to_owned())?;
    // Where there is no card, there is no clock of its own.
    let card = Options {
        timestamps: dotquad::net::live::Timestamps::Hardware,
        ..options("lo")
    };
    check(listen(&card, "").is_err(), || "a card's clock".to_owned())
}

fn given_back() -> Result<(), Failed> {
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
