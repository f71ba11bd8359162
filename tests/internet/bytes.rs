//! Packets as routers and hosts make them, byte by byte from the RFCs. Knows no network.

use std::net::Ipv4Addr;

/// RFC 1071.
pub(crate) fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u32;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

pub(crate) fn address(bytes: &[u8]) -> Ipv4Addr {
    Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3])
}

pub(crate) fn source(datagram: &[u8]) -> Ipv4Addr {
    address(&datagram[12..16])
}

pub(crate) fn destination(datagram: &[u8]) -> Ipv4Addr {
    address(&datagram[16..20])
}

/// Puts the right checksum into a header of 20 bytes.
pub(crate) fn fix_header(datagram: &mut [u8]) {
    datagram[10..12].fill(0);
    let sum = checksum(&[&datagram[..20]]);
    datagram[10..12].copy_from_slice(&sum.to_be_bytes());
}

/// RFC 791.
pub(crate) fn ipv4(
    from: Ipv4Addr,
    to: Ipv4Addr,
    protocol: u8,
    ttl: u8,
    tos: u8,
    body: &[u8],
) -> Vec<u8> {
    let mut datagram = vec![0x45, tos, 0, 0, 0, 0, 0, 0, ttl, protocol, 0, 0];
    datagram.extend(from.octets());
    datagram.extend(to.octets());
    datagram.extend(body);
    let len = datagram.len() as u16;
    datagram[2..4].copy_from_slice(&len.to_be_bytes());
    fix_header(&mut datagram);
    datagram
}

fn pseudo(from: Ipv4Addr, to: Ipv4Addr, protocol: u8, len: usize) -> Vec<u8> {
    let mut bytes = from.octets().to_vec();
    bytes.extend(to.octets());
    bytes.extend([0, protocol]);
    bytes.extend((len as u16).to_be_bytes());
    bytes
}

/// The sum of a transport message with its checksum as it stands: 0 when it is right.
pub(crate) fn residue(datagram: &[u8]) -> u16 {
    let body = &datagram[20..];
    if datagram[9] == 1 {
        return checksum(&[body]);
    }
    let pseudo = pseudo(
        source(datagram),
        destination(datagram),
        datagram[9],
        body.len(),
    );
    checksum(&[&pseudo, body])
}

/// A NAT: another source address, and the transport checksum made right again (RFC 3022).
pub(crate) fn translate(datagram: &mut [u8], to: Ipv4Addr) {
    datagram[12..16].copy_from_slice(&to.octets());
    let at = match datagram[9] {
        17 => 26,
        6 => 36,
        _ => return,
    };
    datagram[at..at + 2].fill(0);
    let sum = residue(datagram);
    datagram[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// RFC 792, and RFC 4884 where there are objects.
pub(crate) fn icmp_error(
    icmp_type: u8,
    code: u8,
    info: u32,
    quote: &[u8],
    objects: &[u8],
    lying_length: bool,
) -> Vec<u8> {
    let mut message = vec![icmp_type, code, 0, 0];
    message.extend(info.to_be_bytes());
    message.extend(quote);
    if !objects.is_empty() {
        message.resize(8 + 128, 0);
        message[5] = 32;
        let mut structure = vec![0x20, 0, 0, 0];
        structure.extend(objects);
        let sum = checksum(&[&structure]);
        structure[2..4].copy_from_slice(&sum.to_be_bytes());
        message.extend(structure);
    }
    if lying_length {
        message[5] = 255;
    }
    let sum = checksum(&[&message]);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// RFC 792: the same with type 0.
pub(crate) fn echo_reply(request: &[u8]) -> Vec<u8> {
    let mut reply = request.to_vec();
    reply[0] = 0;
    reply[2..4].fill(0);
    let sum = checksum(&[&reply]);
    reply[2..4].copy_from_slice(&sum.to_be_bytes());
    reply
}

/// RFC 9293 section 3.10.7: SYN and ACK from an open port, RST and ACK from a closed one. A curt
/// one sends RST alone, as some packet filters do.
pub(crate) fn tcp_answer(from: Ipv4Addr, to: Ipv4Addr, syn: &[u8], port: &str) -> Vec<u8> {
    let sequence = u32::from_be_bytes([syn[4], syn[5], syn[6], syn[7]]);
    // A reset acknowledges the data too (section 3.10.7.1).
    let data = syn.len() - usize::from(syn[12] >> 4) * 4;
    let (own, count, flags) = match port {
        "open" => (9, sequence.wrapping_add(1), 0x12),
        "curt" => (0, 0, 0x04),
        _ => (0, sequence.wrapping_add(1 + data as u32), 0x14),
    };
    let mut segment = [&syn[2..4], &syn[0..2]].concat();
    segment.extend(u32::to_be_bytes(own));
    segment.extend(u32::to_be_bytes(count));
    segment.extend([0x50, flags, 0, 0, 0, 0, 0, 0]);
    let sum = checksum(&[&pseudo(from, to, 6, segment.len()), &segment]);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// Somebody listens, and says four bytes.
pub(crate) fn udp_answer(from: Ipv4Addr, to: Ipv4Addr, datagram: &[u8]) -> Vec<u8> {
    let mut answer = [&datagram[2..4], &datagram[0..2]].concat();
    answer.extend([0, 12, 0, 0]);
    answer.extend(*b"what");
    let sum = checksum(&[&pseudo(from, to, 17, 12), &answer]);
    answer[6..8].copy_from_slice(&sum.to_be_bytes());
    answer
}
