//! What is shown of each packet: once, whole, with all that the kernel knows of it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use dotquad::net::live::{Backend, Options};
use dotquad::wire::frame::{Direction, LinkType};
use libtest_mimic::Failed;
use pnet::datalink;

use super::super::cable::{cable, ip, up};
use super::{BACKENDS, Seen, adds_up, check, finish, listen, numbers, options, same, send};

pub(super) fn loopback_once() -> Result<(), Failed> {
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

pub(super) fn direction() -> Result<(), Failed> {
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

pub(super) fn snaplen() -> Result<(), Failed> {
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

pub(super) fn vlan() -> Result<(), Failed> {
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

pub(super) fn offload() -> Result<(), Failed> {
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

pub(super) fn any() -> Result<(), Failed> {
    cable()?;
    for backend in BACKENDS {
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
