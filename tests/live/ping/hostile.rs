//! A host whose answers are wrong in every way, and what is made of them.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;

use libtest_mimic::Failed;
use socket2::{Domain, Protocol, Socket, Type};

use super::{code, ensure, far, ip, masked, ping, same};

const NEAR: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 1);
const FAR: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 2);
/// Has an address and no answer.
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 7, 0, 3);

/// The sum over a message (RFC 1071).
fn checksum(message: &[u8]) -> u16 {
    let words = message.chunks(2).map(|pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        u32::from(u16::from_be_bytes([pair[0], low]))
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).unwrap_or(0)
}

fn sealed(mut message: Vec<u8>) -> Vec<u8> {
    message[2..4].fill(0);
    let sum = checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// An ICMP error about a datagram, of which it quotes the header and 8 bytes (RFC 792).
fn error(icmp_type: u8, code: u8, word: [u8; 4], quoted: &[u8]) -> Vec<u8> {
    let mut message = vec![icmp_type, code, 0, 0];
    message.extend(word);
    message.extend(quoted);
    sealed(message)
}

/// The answers to one echo request in a datagram.
fn answers(datagram: &[u8], header: usize) -> Vec<(Ipv4Addr, Vec<u8>)> {
    let request = &datagram[header..];
    let quoted = &datagram[..header + 8];
    let mut reply = request.to_vec();
    reply[0] = 0;
    let right = sealed(reply.clone());
    let number = u16::from_be_bytes([request[6], request[7]]);
    match number {
        2 => vec![(FAR, right.clone()), (FAR, right)],
        3 => Vec::new(),
        4 => {
            let mut wrong = reply;
            wrong[8 + 40] ^= 0xff;
            vec![(FAR, sealed(wrong))]
        }
        5 => vec![(OTHER, right)],
        6 => vec![(FAR, sealed(reply[..40].to_vec()))],
        7 => {
            let mut damaged = right;
            damaged[2] ^= 1;
            vec![(FAR, damaged)]
        }
        // Made up: the right numbers, and none of the payload.
        8 => {
            reply[8..].fill(0);
            vec![(FAR, sealed(reply))]
        }
        // Neither ends the probe nor is an error to ping(8).
        9 => vec![(FAR, error(5, 1, OTHER.octets(), quoted)), (FAR, right)],
        10 => vec![(FAR, error(12, 0, [20, 0, 0, 0], quoted))],
        _ => vec![(FAR, right)],
    }
}

/// Answers echo requests in the kernel's stead.
fn play() -> Result<(), Failed> {
    // Of the namespace of the thread that opens it.
    fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1")?;
    ip("address add 10.7.0.3/24 dev right")?;
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    let other = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4))?;
    socket.bind(&SocketAddrV4::new(FAR, 0).into())?;
    other.bind(&SocketAddrV4::new(OTHER, 0).into())?;
    thread::spawn(move || {
        // Ends with the process: nothing more comes then.
        loop {
            let mut buffer = [0; 2048];
            let Ok(length) = (&socket).read(&mut buffer) else {
                return;
            };
            let datagram = &buffer[..length];
            let header = usize::from(datagram[0] & 15) * 4;
            if datagram.get(header) != Some(&8) {
                continue;
            }
            for (from, reply) in answers(datagram, header) {
                let through = if from == FAR { &socket } else { &other };
                let _ = through.send_to(&reply, &SocketAddrV4::new(NEAR, 0).into());
            }
        }
    });
    Ok(())
}

pub(super) fn answers_are_judged() -> Result<(), Failed> {
    let _end = far(play)?;
    let output = ping("-c 11 -i 0.05 -W 0.3 10.7.0.2")?;
    code(&output, 0)?;
    let byte = 40;
    // The cookie is random.
    let told = masked(&output.stdout);
    let cookie = told.split("byte #0 should be 0x").nth(1);
    let cookie = cookie
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or_default();
    let told = told.replace(&format!("#0 should be 0x{cookie} "), "#0 should be 0xX ");
    same(
        &told,
        &format!(
            "PING 10.7.0.2 (10.7.0.2) 56(84) bytes of data.\n\
             64 bytes from 10.7.0.2: icmp_seq=1 ttl=64 time=N ms\n\
             64 bytes from 10.7.0.2: icmp_seq=2 ttl=64 time=N ms\n\
             64 bytes from 10.7.0.2: icmp_seq=2 ttl=64 time=N ms (DUP!)\n\
             64 bytes from 10.7.0.2: icmp_seq=4 ttl=64 time=N ms\n\
             wrong data byte #{byte} should be 0x{byte:x} but was 0x{:x}\n\
             #16\t10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f 20 21 22 23 24 25 26 27 {:x} \
             29 2a 2b 2c 2d 2e 2f \n\
             #48\t30 31 32 33 34 35 36 37 \n\
             64 bytes from 10.7.0.3: icmp_seq=5 ttl=64 time=N ms (DIFFERENT ADDRESS!)\n\
             40 bytes from 10.7.0.2: icmp_seq=6 ttl=64 (truncated)\n\
             64 bytes from 10.7.0.2: icmp_seq=7 ttl=64 time=N ms (BAD CHECKSUM!)\n\
             64 bytes from 10.7.0.2: icmp_seq=8 ttl=64 time=N ms (NOT WHAT WAS SENT!)\n\
             wrong data byte #0 should be 0xX but was 0x0\n\
             #0\t{zeros}\n\
             #16\t{zeros}{zeros}\n\
             #48\t0 0 0 0 0 0 0 0 \n\
             From 10.7.0.2: icmp_seq=9 Redirect Host(New nexthop: 10.7.0.3)\n\
             64 bytes from 10.7.0.2: icmp_seq=9 ttl=64 time=N ms\n\
             From 10.7.0.2 icmp_seq=10 Parameter problem: pointer = 20\n\
             64 bytes from 10.7.0.2: icmp_seq=11 ttl=64 time=N ms\n\
             \n\
             --- 10.7.0.2 ping statistics ---\n\
             11 packets transmitted, 6 received, +1 duplicates, +2 corrupted, +1 errors, \
             45.4545% packet loss, time Nms\n\
             rtt min/avg/max/mdev = N/N/N/N ms\n",
            byte ^ 0xff,
            byte ^ 0xff,
            zeros = "0 ".repeat(16),
        ),
    )?;
    // What counts for nothing is counted, in every form.
    let output = ping("-q -v -c 9 -i 0.05 -W 0.3 10.7.0.2")?;
    let said = String::from_utf8(output.stderr)?;
    let count = "dotquad: 3 answers that count for nothing\n";
    ensure(said.contains(count), said)?;
    let output = ping("-c 9 -i 0.05 -W 0.3 --format ndjson 10.7.0.2")?;
    let told = String::from_utf8(output.stdout)?;
    let last: serde_json::Value = serde_json::from_str(told.lines().last().unwrap_or_default())?;
    ensure(last["event"] == "strays", told.clone())?;
    ensure(last["strange"] == 3 && last["unproven"] == 0, told)
}
