//! Conversations of TCP, UDP and ICMP between so many hosts, interleaved as on a busy link.
//!
//! The same frames each time. What is said, how long it is and in which order comes from one
//! stream of random numbers and who says it from another, so that captures of few and of many
//! hosts differ in their addresses alone. Like the maker of the small captures, whose packets it
//! borrows, it must not use the library.

use std::collections::VecDeque;
use std::io::{self, Write};

#[allow(
    dead_code,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "the maker of the small captures needs more of it, and its numbers are its own"
)]
#[path = "../../captures/make/packet.rs"]
mod packet;

use packet::{
    ACK, DF, ETHERTYPE_IPV4, FIN, IP, Ip, OPEN, PSH, SYN, Tcp, echo_word, ethernet, icmp, join,
    tcp, udp,
};

/// When the first frame is seen, in microseconds since 1970.
const START: u64 = 1_700_000_000_000_000;
/// Conversations that go on at the same time.
const OPEN_AT_ONCE: usize = 64;
/// Data bytes of a full segment: 1500 without the headers and the time stamp option.
const FULL: usize = 1448;

/// Sixteen bits of a number that fits; of one that does not, all ones.
fn short(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// Thirty-two bits of a number that fits; of one that does not, all ones.
fn long(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Numbers that look random, by Steele, Lea and Flood's SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// A number below `end`, which is not 0.
    fn below(&mut self, end: u32) -> u32 {
        let high = (u128::from(self.next()) * u128::from(end)) >> 64;
        u32::try_from(high).unwrap_or(0)
    }

    /// A length from `from` up to `to`.
    fn length(&mut self, from: u32, to: u32) -> usize {
        (from + self.below(to - from + 1)) as usize
    }

    fn short(&mut self) -> u16 {
        short(self.length(0, 0xffff))
    }

    /// A port that a client asks from.
    fn port(&mut self) -> u16 {
        short(self.length(49152, 0xffff))
    }

    /// Bytes that do not compress.
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let words = std::iter::repeat_with(|| self.next().to_le_bytes());
        words.flatten().take(len).collect()
    }

    /// Bytes that compress as text does: to about a half.
    fn text(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = self.bytes(len);
        for byte in &mut bytes {
            *byte = b'a' + (*byte & 0xf);
        }
        bytes
    }
}

/// One host.
#[derive(Clone, Copy)]
struct Host {
    address: [u8; 4],
    mac: [u8; 6],
}

impl Host {
    /// The host of this number, somewhere in 10.0.0.0/8: no two of 2^24 share an address, and
    /// few hosts have addresses as long as many have.
    fn new(number: u32) -> Self {
        let [_, b, c, d] = number.wrapping_mul(0x009e_3779).to_be_bytes();
        Self {
            address: [10, b, c, d],
            mac: [0x02, 0, 10, b, c, d],
        }
    }

    fn to(self, other: Self, random: &mut Random) -> Ip<'static> {
        Ip {
            source: self.address,
            destination: other.address,
            id: random.short(),
            flags: DF,
            ..IP
        }
    }

    fn frame(self, other: Self, datagram: &[u8]) -> Vec<u8> {
        ethernet(other.mac, self.mac, ETHERTYPE_IPV4, datagram)
    }
}

/// Frames of one conversation that are still to come.
type Frames = VecDeque<Vec<u8>>;

/// The link and everything on it: an endless row of frames and their times, in microseconds
/// since 1970.
pub(crate) struct Traffic {
    what: Random,
    who: Random,
    hosts: u32,
    begun: u32,
    open: Vec<Frames>,
    now: u64,
}

impl Traffic {
    /// Between `hosts` hosts, of which there are two at least.
    pub(crate) fn between(hosts: u32) -> Self {
        Self {
            what: Random(1),
            who: Random(2),
            hosts: hosts.clamp(2, 1 << 24),
            begun: 0,
            open: vec![Frames::new(); OPEN_AT_ONCE],
            now: START,
        }
    }

    /// A new conversation. Hosts take turns to begin one, so that each has its say.
    fn conversation(&mut self) -> Frames {
        let first = self.begun % self.hosts;
        let second = (first + 1 + self.who.below(self.hosts - 1)) % self.hosts;
        self.begun = self.begun.wrapping_add(1);
        let (client, server) = (Host::new(first), Host::new(second));
        match self.what.below(100) {
            0..37 => Connection::new(client, server, &mut self.what).frames(&mut self.what),
            37..82 => question(client, server, &mut self.what),
            _ => echoes(client, server, &mut self.what),
        }
    }
}

impl Iterator for Traffic {
    type Item = (u64, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        let time = self.now;
        self.now += u64::from(self.what.below(200));
        let slot = self.what.length(0, long(OPEN_AT_ONCE - 1));
        if self.open.get(slot)?.is_empty() {
            *self.open.get_mut(slot)? = self.conversation();
        }
        Some((time, self.open.get_mut(slot)?.pop_front()?))
    }
}

/// A DNS question over UDP and its answer (RFC 1035 section 4).
fn question(client: Host, server: Host, random: &mut Random) -> Frames {
    let (id, port) = (random.short(), random.port());
    let host = random.length(3, 24);
    let [_, length] = short(host).to_be_bytes();
    let name = join(&[&[length], &random.text(host), b"\x07example\x03net\x00"]);
    let answers = random.length(1, 4);
    let asked = join(&[&name, &[0, 1, 0, 1]]);
    let header = |flags: u16, answers: usize| {
        let words = [id, flags, 1, short(answers), 0, 0];
        words.map(u16::to_be_bytes).concat()
    };
    let mut answer = join(&[&header(0x8180, answers), &asked]);
    for _ in 0..answers {
        // The name by a pointer to the question's, an address for an hour.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 10]);
        answer.extend(random.bytes(3));
    }
    let question = join(&[&header(0x0100, 0), &asked]);
    let there = udp(&client.to(server, random), port, 53, &question);
    let back = udp(&server.to(client, random), 53, port, &answer);
    Frames::from([client.frame(server, &there), server.frame(client, &back)])
}

/// A few echo requests and their replies.
fn echoes(client: Host, server: Host, random: &mut Random) -> Frames {
    let identifier = random.short();
    let data = random.bytes(56);
    let mut frames = Frames::new();
    for sequence in 1..=random.length(1, 6) {
        let word = echo_word(identifier, short(sequence));
        let request = icmp(&client.to(server, random), 8, 0, word, &data);
        let reply = icmp(&server.to(client, random), 0, 0, word, &data);
        frames.push_back(client.frame(server, &request));
        frames.push_back(server.frame(client, &reply));
    }
    frames
}

/// One end of a TCP connection.
#[derive(Clone, Copy)]
struct End {
    host: Host,
    port: u16,
    /// Sequence number of the next byte.
    next: u32,
    /// The clock of its time stamps.
    clock: u32,
}

/// A TCP connection: client and server, from SYN to FIN.
struct Connection {
    ends: [End; 2],
    frames: Frames,
}

impl Connection {
    fn new(client: Host, server: Host, random: &mut Random) -> Self {
        let port = if random.below(2) == 0 { 80 } else { 443 };
        let mut end = |host, port| End {
            host,
            port,
            next: random.below(u32::MAX),
            clock: random.below(u32::MAX),
        };
        Self {
            ends: [end(client, 0), end(server, port)],
            frames: Frames::new(),
        }
    }

    fn frames(mut self, random: &mut Random) -> Frames {
        let [client, server] = &mut self.ends;
        client.port = random.port();
        let encrypted = server.port == 443;
        self.client(SYN, &[], random);
        self.server(SYN | ACK, &[], random);
        self.client(ACK, &[], random);
        for _ in 0..random.length(1, 3) {
            let request = request(encrypted, random);
            self.client(ACK | PSH, &request, random);
            self.server(ACK, &[], random);
            let response = response(encrypted, random);
            let segments = response.len().div_ceil(FULL);
            for (at, segment) in (1..).zip(response.chunks(FULL)) {
                let last = at == segments;
                self.server(if last { ACK | PSH } else { ACK }, segment, random);
                if last || at % 2 == 0 {
                    self.client(ACK, &[], random);
                }
            }
        }
        self.client(FIN | ACK, &[], random);
        self.server(FIN | ACK, &[], random);
        self.client(ACK, &[], random);
        self.frames
    }

    fn client(&mut self, flags: u16, data: &[u8], random: &mut Random) {
        let [client, server] = &mut self.ends;
        let frame = segment(client, server, flags, data, random);
        self.frames.push_back(frame);
    }

    fn server(&mut self, flags: u16, data: &[u8], random: &mut Random) {
        let [client, server] = &mut self.ends;
        let frame = segment(server, client, flags, data, random);
        self.frames.push_back(frame);
    }
}

/// A segment that acknowledges all that the other end has sent.
fn segment(
    sender: &mut End,
    receiver: &End,
    flags: u16,
    data: &[u8],
    random: &mut Random,
) -> Vec<u8> {
    sender.clock = sender.clock.wrapping_add(1 + random.below(3));
    let acknowledges = flags & ACK != 0;
    let echo = if acknowledges { receiver.clock } else { 0 };
    // RFC 7323: kind 8, length 10, own clock, the other's.
    let stamps = join(&[&[8, 10], &sender.clock.to_be_bytes(), &echo.to_be_bytes()]);
    let options = if flags & SYN == 0 {
        join(&[&[1, 1], &stamps])
    } else {
        // Maximum segment size 1460, SACK permitted, time stamps, window scale 7.
        join(&[&[2, 4, 0x05, 0xb4, 4, 2], &stamps, &[1, 3, 3, 7]])
    };
    let header = Tcp {
        from: sender.port,
        to: receiver.port,
        sequence: sender.next,
        acknowledgment: if acknowledges { receiver.next } else { 0 },
        flags,
        options: &options,
        ..OPEN
    };
    let datagram = tcp(&sender.host.to(receiver.host, random), &header, data);
    let length = long(data.len()) + u32::from(flags & (SYN | FIN) != 0);
    sender.next = sender.next.wrapping_add(length);
    sender.host.frame(receiver.host, &datagram)
}

fn request(encrypted: bool, random: &mut Random) -> Vec<u8> {
    let len = random.length(20, 460);
    if encrypted {
        return record(&random.bytes(len));
    }
    let cookie = random.text(len);
    join(&[
        b"GET / HTTP/1.1\r\nHost: www.example.net\r\nCookie: ",
        &cookie,
        b"\r\n\r\n",
    ])
}

fn response(encrypted: bool, random: &mut Random) -> Vec<u8> {
    let len = random.length(1, 5 * long(FULL));
    if encrypted {
        return record(&random.bytes(len));
    }
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {len}\r\n\r\n");
    join(&[head.as_bytes(), &random.text(len)])
}

/// A TLS record of application data (RFC 8446 section 5.1).
fn record(data: &[u8]) -> Vec<u8> {
    join(&[&[23, 3, 3], &short(data.len()).to_be_bytes(), data])
}

/// Writes a classic capture of so many frames: Ethernet, microseconds, little-endian.
///
/// # Errors
/// What keeps `out` from taking it.
pub(crate) fn write(out: &mut impl Write, frames: usize, hosts: u32) -> io::Result<()> {
    // Magic number, version 2.4, no zone, no accuracy, snaplen, LINKTYPE_ETHERNET.
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0xffff, 1_u32] {
        out.write_all(&word.to_le_bytes())?;
    }
    for (time, frame) in Traffic::between(hosts).take(frames) {
        let seconds = u32::try_from(time / 1_000_000).unwrap_or(u32::MAX);
        let microseconds = (time % 1_000_000) as u32;
        let len = long(frame.len());
        for word in [seconds, microseconds, len, len] {
            out.write_all(&word.to_le_bytes())?;
        }
        out.write_all(&frame)?;
    }
    Ok(())
}
