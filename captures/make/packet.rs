//! Packets, header by header, straight from the RFCs: lengths and checksums are right unless a
//! field says otherwise.
//!
//! It must not use the library whose captures these are, so that the two can disagree.

use super::{long, short};

/// The host that asks, in most captures.
pub(crate) const A: [u8; 4] = [192, 0, 2, 1];
/// The host that answers.
pub(crate) const B: [u8; 4] = [198, 51, 100, 2];
/// A router between the two.
pub(crate) const ROUTER: [u8; 4] = [203, 0, 113, 9];
/// The interface of `A`.
pub(crate) const MAC_A: [u8; 6] = [0x02, 0, 0, 0, 0, 0x01];
/// The interface that `A` sends to.
pub(crate) const MAC_B: [u8; 6] = [0x02, 0, 0, 0, 0, 0x02];

/// EtherType of IPv4.
pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub(crate) const ETHERTYPE_IPV6: u16 = 0x86dd;

/// RFC 791 flags, as the top three bits of their field.
pub(crate) const RESERVED: u8 = 4;
/// Don't fragment.
pub(crate) const DF: u8 = 2;
/// More fragments.
pub(crate) const MF: u8 = 1;

/// The fields of an IPv4 header (RFC 791 section 3.1). `None` means right by the bytes.
#[derive(Clone, Copy)]
pub(crate) struct Ip<'a> {
    pub version: u8,
    pub ihl: Option<u8>,
    pub tos: u8,
    pub total_length: Option<u16>,
    pub id: u16,
    pub flags: u8,
    /// In bytes; a multiple of eight.
    pub offset: usize,
    pub ttl: u8,
    pub checksum: Option<u16>,
    pub source: [u8; 4],
    pub destination: [u8; 4],
    /// Filled up to whole words with zeros, which are End of Options List.
    pub options: &'a [u8],
}

/// From `A` to `B`, nothing special.
pub(crate) const IP: Ip<'static> = Ip {
    version: 4,
    ihl: None,
    tos: 0,
    total_length: None,
    id: 0x3039,
    flags: 0,
    offset: 0,
    ttl: 64,
    checksum: None,
    source: A,
    destination: B,
    options: &[],
};

/// From `B` to `A`, four hops away.
pub(crate) const REPLY: Ip<'static> = Ip {
    id: 0x8235,
    ttl: 60,
    source: B,
    destination: A,
    ..IP
};

/// From the router to `A`, as ICMP errors come.
pub(crate) const FROM_ROUTER: Ip<'static> = Ip {
    id: 0x1a0a,
    ttl: 254,
    source: ROUTER,
    destination: A,
    ..IP
};

pub(crate) const ICMP: u8 = 1;
pub(crate) const IGMP: u8 = 2;
pub(crate) const IPIP: u8 = 4;
pub(crate) const TCP: u8 = 6;
pub(crate) const UDP: u8 = 17;
pub(crate) const IPV6: u8 = 41;
pub(crate) const GRE: u8 = 47;
pub(crate) const AH: u8 = 51;
pub(crate) const ICMPV6: u8 = 58;

/// The Internet checksum (RFC 1071) over the parts in a row; each but the last of even length.
pub(crate) fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0u32;
    for part in parts {
        for pair in part.chunks(2) {
            let word = match *pair {
                [high, low] => [high, low],
                [high] => [high, 0],
                _ => [0, 0],
            };
            sum += u32::from(u16::from_be_bytes(word));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !short(sum as usize)
}

/// Overwrites bytes at a place, for what no field can say.
pub(crate) fn patched(mut bytes: Vec<u8>, at: usize, new: &[u8]) -> Vec<u8> {
    bytes
        .get_mut(at..at + new.len())
        .expect("a patch lies within the packet")
        .copy_from_slice(new);
    bytes
}

/// The first bytes of something.
pub(crate) fn cut(bytes: &[u8], len: usize) -> Vec<u8> {
    bytes
        .get(..len)
        .expect("a cut is within the bytes")
        .to_vec()
}

/// Everything from a place on.
pub(crate) fn from(bytes: &[u8], at: usize) -> Vec<u8> {
    bytes.get(at..).expect("a cut is within the bytes").to_vec()
}

/// Concatenation.
pub(crate) fn join(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// A counting pattern, so that a byte shown shows where it came from.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n & 0xff) as u8).collect()
}

/// A datagram.
pub(crate) fn ipv4(ip: &Ip<'_>, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut options = ip.options.to_vec();
    options.resize(options.len().next_multiple_of(4), 0);
    let header_len = 20 + options.len();
    let total = ip
        .total_length
        .unwrap_or_else(|| short(header_len + payload.len()));
    let fragmentation = u16::from(ip.flags) << 13 | short(ip.offset / 8);
    let ihl = ip.ihl.unwrap_or((header_len / 4) as u8);
    let mut header = vec![ip.version << 4 | ihl, ip.tos];
    header.extend(total.to_be_bytes());
    header.extend(ip.id.to_be_bytes());
    header.extend(fragmentation.to_be_bytes());
    header.extend([ip.ttl, protocol, 0, 0]);
    header.extend(ip.source);
    header.extend(ip.destination);
    header.extend(options);
    let sum = ip.checksum.unwrap_or_else(|| checksum(&[&header]));
    let header = patched(header, 10, &sum.to_be_bytes());
    join(&[&header, payload])
}

/// Cuts a transport message into fragments of so many bytes.
pub(crate) fn fragments(ip: &Ip<'_>, protocol: u8, message: &[u8], size: usize) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for (index, piece) in message.chunks(size).enumerate() {
        let offset = index * size;
        let last = offset + piece.len() == message.len();
        let part = Ip {
            flags: if last { 0 } else { MF },
            offset,
            ..*ip
        };
        out.push(ipv4(&part, protocol, piece));
    }
    out
}

/// The pseudo header of UDP and TCP (RFC 768, RFC 9293 section 3.1).
fn pseudo(ip: &Ip<'_>, protocol: u8, len: usize) -> Vec<u8> {
    let mut bytes = [ip.source, ip.destination].concat();
    bytes.extend([0, protocol]);
    bytes.extend(short(len).to_be_bytes());
    bytes
}

/// A UDP message between the addresses of `ip` (RFC 768).
pub(crate) fn udp_message(ip: &Ip<'_>, from: u16, to: u16, data: &[u8]) -> Vec<u8> {
    let mut message = Vec::new();
    message.extend(from.to_be_bytes());
    message.extend(to.to_be_bytes());
    message.extend(short(8 + data.len()).to_be_bytes());
    message.extend([0, 0]);
    message.extend(data);
    let sum = match checksum(&[&pseudo(ip, UDP, message.len()), &message]) {
        0 => 0xffff,
        sum => sum,
    };
    patched(message, 6, &sum.to_be_bytes())
}

/// A UDP datagram.
pub(crate) fn udp(ip: &Ip<'_>, from: u16, to: u16, data: &[u8]) -> Vec<u8> {
    ipv4(ip, UDP, &udp_message(ip, from, to, data))
}

pub(crate) const FIN: u16 = 0x001;
pub(crate) const SYN: u16 = 0x002;
pub(crate) const RST: u16 = 0x004;
pub(crate) const PSH: u16 = 0x008;
pub(crate) const ACK: u16 = 0x010;
pub(crate) const URG: u16 = 0x020;
pub(crate) const ECE: u16 = 0x040;
pub(crate) const CWR: u16 = 0x080;
pub(crate) const AE: u16 = 0x100;

/// The fields of a TCP header (RFC 9293 section 3.1). `None` means right by the bytes.
#[derive(Clone, Copy)]
pub(crate) struct Tcp<'a> {
    pub from: u16,
    pub to: u16,
    pub sequence: u32,
    pub acknowledgment: u32,
    pub data_offset: Option<u8>,
    /// The twelve bits behind the data offset, reserved ones included.
    pub flags: u16,
    pub window: u16,
    pub checksum: Option<u16>,
    pub urgent: u16,
    /// Filled up to whole words with zeros, which are End of Option List.
    pub options: &'a [u8],
}

/// A connection request to a web server.
pub(crate) const OPEN: Tcp<'static> = Tcp {
    from: 49152,
    to: 80,
    sequence: 1000,
    acknowledgment: 0,
    data_offset: None,
    flags: SYN,
    window: 64240,
    checksum: None,
    urgent: 0,
    options: &[],
};

/// A segment within the connection.
pub(crate) const SEGMENT: Tcp<'static> = Tcp {
    sequence: 1001,
    acknowledgment: 5001,
    flags: ACK,
    window: 502,
    ..OPEN
};

/// A TCP segment between the addresses of `ip`.
pub(crate) fn tcp_segment(ip: &Ip<'_>, tcp: &Tcp<'_>, data: &[u8]) -> Vec<u8> {
    let mut options = tcp.options.to_vec();
    options.resize(options.len().next_multiple_of(4), 0);
    let words = tcp.data_offset.unwrap_or(((20 + options.len()) / 4) as u8);
    let mut segment = Vec::new();
    segment.extend(tcp.from.to_be_bytes());
    segment.extend(tcp.to.to_be_bytes());
    segment.extend(tcp.sequence.to_be_bytes());
    segment.extend(tcp.acknowledgment.to_be_bytes());
    segment.extend((u16::from(words) << 12 | tcp.flags).to_be_bytes());
    segment.extend(tcp.window.to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(tcp.urgent.to_be_bytes());
    segment.extend(options);
    segment.extend(data);
    let sum = tcp
        .checksum
        .unwrap_or_else(|| checksum(&[&pseudo(ip, TCP, segment.len()), &segment]));
    patched(segment, 16, &sum.to_be_bytes())
}

/// A TCP datagram.
pub(crate) fn tcp(ip: &Ip<'_>, tcp: &Tcp<'_>, data: &[u8]) -> Vec<u8> {
    ipv4(ip, TCP, &tcp_segment(ip, tcp, data))
}

/// A message whose checksum stands in its third and fourth byte: ICMP, IGMP.
pub(crate) fn summed(message: &[u8]) -> Vec<u8> {
    let message = patched(message.to_vec(), 2, &[0, 0]);
    let sum = checksum(&[&message]);
    patched(message, 2, &sum.to_be_bytes())
}

/// An ICMP message (RFC 792): type, code, the second word, the rest.
pub(crate) fn icmp_message(kind: u8, code: u8, word: [u8; 4], rest: &[u8]) -> Vec<u8> {
    summed(&join(&[&[kind, code, 0, 0], &word, rest]))
}

/// An ICMP datagram.
pub(crate) fn icmp(ip: &Ip<'_>, kind: u8, code: u8, word: [u8; 4], rest: &[u8]) -> Vec<u8> {
    ipv4(ip, ICMP, &icmp_message(kind, code, word, rest))
}

/// The second word of an echo message.
pub(crate) fn echo_word(identifier: u16, sequence: u16) -> [u8; 4] {
    long(usize::from(identifier) << 16 | usize::from(sequence)).to_be_bytes()
}

/// An echo request with so many bytes of data.
pub(crate) fn echo(ip: &Ip<'_>, sequence: u16, len: usize) -> Vec<u8> {
    icmp(ip, 8, 0, echo_word(7, sequence), &pattern(len))
}

/// The answer.
pub(crate) fn echo_reply(ip: &Ip<'_>, sequence: u16, len: usize) -> Vec<u8> {
    icmp(ip, 0, 0, echo_word(7, sequence), &pattern(len))
}

/// Router Alert (RFC 2113), which IGMP carries.
pub(crate) const ROUTER_ALERT: &[u8] = &[148, 4, 0, 0];

/// An IGMP datagram to a group, as RFC 3376 section 4 wants it: TTL 1, Router Alert.
pub(crate) fn igmp(group: [u8; 4], message: &[u8]) -> Vec<u8> {
    let ip = Ip {
        ttl: 1,
        tos: 0xc0,
        destination: group,
        options: ROUTER_ALERT,
        ..IP
    };
    ipv4(&ip, IGMP, &summed(message))
}

/// An Ethernet II frame.
pub(crate) fn ethernet(to: [u8; 6], from: [u8; 6], ethertype: u16, payload: &[u8]) -> Vec<u8> {
    join(&[&to, &from, &ethertype.to_be_bytes(), payload])
}

/// A datagram on its way from `A`.
pub(crate) fn sent(datagram: &[u8]) -> Vec<u8> {
    ethernet(MAC_B, MAC_A, ETHERTYPE_IPV4, datagram)
}

/// A datagram on its way to `A`.
pub(crate) fn received(datagram: &[u8]) -> Vec<u8> {
    ethernet(MAC_A, MAC_B, ETHERTYPE_IPV4, datagram)
}

/// A datagram to a group, in the frame that RFC 1112 section 6.4 gives it; to everyone, in a
/// broadcast frame.
pub(crate) fn to_many(datagram: &[u8]) -> Vec<u8> {
    let to = match datagram.get(16..20) {
        Some(&[224..=239, b, c, d]) => [0x01, 0x00, 0x5e, b & 0x7f, c, d],
        _ => [0xff; 6],
    };
    ethernet(to, MAC_A, ETHERTYPE_IPV4, datagram)
}
