//! What goes by while a packet is sent: copies of it, to be compared with what was built, and
//! replies to it.
//!
//! Reads frames that it is handed; knows nothing of sockets or time.

use super::show::{Shower, frame};
use crate::cli::text::Text;
use crate::net::transmit::Seen;
use crate::wire::build::Spec;
use crate::wire::field::Lens;
use crate::wire::frame::{Direction, LinkType};
use crate::wire::names;
use crate::wire::packet::{Packet, Protocol};

/// Bytes of an Ethernet header, which the kernel writes before a datagram.
pub(super) const ETHERNET: usize = 14;

/// What is looked for among the frames that go by.
pub(super) struct Watch {
    pub(super) spec: Spec,
    pub(super) frames: Vec<Vec<u8>>,
    pub(super) link_type: LinkType,
    /// Bytes that the kernel puts before each of `frames`.
    pub(super) ahead: usize,
    pub(super) compares: bool,
    pub(super) listens: bool,
    /// How many of each frame have left and were not seen yet.
    pub(super) pending: Vec<u64>,
    /// Frames that were seen to leave as they were built.
    pub(super) compared: u64,
    /// One that looks like ours and is not as it was built.
    pub(super) other: Option<Vec<u8>>,
    pub(super) replies: u64,
    pub(super) shower: Shower,
    pub(super) out: Text,
}

/// How two packets differ: where first, and in how many bytes.
fn difference(built: &[u8], seen: &[u8]) -> (usize, usize) {
    let pairs = || built.iter().zip(seen);
    let first = pairs().take_while(|(built, seen)| built == seen).count();
    let other = pairs().filter(|(built, seen)| built != seen).count();
    (
        first,
        other.saturating_add(built.len().abs_diff(seen.len())),
    )
}

impl Watch {
    /// What is to be said of packets that did not leave as they were built, if there are any.
    pub(super) fn complaint(&self) -> Option<String> {
        let missing = self
            .pending
            .iter()
            .fold(0, |sum: u64, it| sum.saturating_add(*it));
        let frames = self.frames.iter().zip(&self.pending);
        let missed = frames.filter(|(_, pending)| **pending > 0);
        // Of several that are missing, the one that it is most likely to be.
        let nearest = self.other.as_ref().and_then(|seen| {
            missed
                .map(|(built, _)| (difference(built, seen), built, seen))
                .min_by_key(|((_, bytes), ..)| *bytes)
        });
        let Some(((at, _), built, seen)) = nearest else {
            return match missing {
                0 => None,
                1 => Some("1 packet was not seen to leave".to_owned()),
                many => Some(format!("{many} packets were not seen to leave")),
            };
        };
        let byte = |bytes: &[u8]| match bytes.get(at) {
            Some(byte) => format!("0x{byte:02x}"),
            None => "not there".to_owned(),
        };
        let whole = match (self.ahead, self.link_type) {
            (0, LinkType::ETHERNET) => "frame",
            _ => "datagram",
        };
        Some(format!(
            "byte {at} of the {whole} left as {} and was built as {}; {} bytes left and {} were built",
            byte(seen),
            byte(built),
            seen.len(),
            built.len()
        ))
    }

    /// Looks at one frame: it is a copy of ours, a reply, or no matter.
    pub(super) fn see(&mut self, seen: Seen<'_>) {
        match seen.direction {
            Direction::Out if self.compares => {
                let body = seen.bytes.get(self.ahead..).unwrap_or_default();
                let known = self.frames.iter().zip(&mut self.pending);
                let known = known
                    .filter(|(built, pending)| built.as_slice() == body && **pending > 0)
                    .map(|(_, pending)| pending)
                    .next();
                if let Some(pending) = known {
                    *pending = pending.saturating_sub(1);
                    self.compared = self.compared.saturating_add(1);
                } else if self.resembles(seen.bytes) {
                    self.other.get_or_insert_with(|| body.to_vec());
                }
            }
            Direction::In if self.listens => {
                let mut frame = frame(seen.bytes, self.link_type, self.replies.saturating_add(1));
                frame.time = Some(seen.time);
                frame.direction = Some(Direction::In);
                let mut line = Text::default();
                self.shower.show(&frame, None, &mut line);
                if answers(seen.bytes, &self.shower.packet, &self.spec) {
                    self.replies = self.replies.saturating_add(1);
                    self.out.raw(line.as_bytes());
                }
            }
            Direction::In | Direction::Out => {}
        }
    }

    /// Whether a frame goes where ours went, by the same protocol.
    fn resembles(&self, bytes: &[u8]) -> bool {
        let start = match (self.link_type, &self.spec.ethernet) {
            (LinkType::ETHERNET, Some(ethernet)) => ethernet.length(),
            (LinkType::ETHERNET, None) => ETHERNET,
            _ => 0,
        };
        let lens = Lens(bytes.get(start..).unwrap_or_default());
        lens.u8(9) == Some(self.spec.protocol())
            && lens.array(16) == Some(self.spec.ipv4.destination.octets())
    }
}

/// Whether a frame answers the packet: the same protocol the other way, or an ICMP error that
/// quotes it.
fn answers(bytes: &[u8], packet: &Packet, spec: &Spec) -> bool {
    let own = spec.ipv4.source().octets();
    let peer = spec.ipv4.destination;
    let layers = packet.layers();
    let mut headers = layers
        .iter()
        .filter(|layer| layer.protocol == Protocol::Ipv4)
        .map(|layer| {
            (
                layer.depth,
                bytes.get(layer.start as usize..).unwrap_or_default(),
            )
        });
    let Some((0, outer)) = headers.next() else {
        return false;
    };
    let quoted = headers.find(|(depth, _)| *depth == 1);
    let lens = Lens(outer);
    if let Some((_, quoted)) = quoted {
        let quote = Lens(quoted);
        return quote.array(12) == Some(own)
            && quote.array(16) == Some(peer.octets())
            && quote.u8(9) == Some(spec.protocol())
            && ports(quoted).is_none_or(|ports| sent_ports(spec).is_none_or(|sent| sent == ports));
    }
    let to_many = peer.is_multicast() || peer.is_broadcast();
    if lens.array(16) != Some(own)
        || !to_many && lens.array(12) != Some(peer.octets())
        || lens.u8(9) != Some(spec.protocol())
    {
        return false;
    }
    match (sent_ports(spec), ports(outer)) {
        (Some((source, destination)), Some(ports)) => ports == (destination, source),
        // A host that talks to itself sees its own request come in too.
        (None, _) if spec.protocol() == names::PROTOCOL_ICMP => {
            let own = spec.datagram().unwrap_or_default();
            outer.get(20) != own.get(20)
        }
        _ => true,
    }
}

/// The ports of a UDP or TCP datagram, as far as it is there.
fn ports(datagram: &[u8]) -> Option<(u16, u16)> {
    let lens = Lens(datagram);
    if !matches!(lens.u8(9)?, names::PROTOCOL_TCP | names::PROTOCOL_UDP) {
        return None;
    }
    let start = usize::from(lens.u8(0)? & 0x0f).checked_mul(4)?;
    Some((lens.u16(start)?, lens.u16(start.checked_add(2)?)?))
}

fn sent_ports(spec: &Spec) -> Option<(u16, u16)> {
    ports(&spec.datagram().ok()?)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::cli::args::Color;
    use crate::cli::send::words::Show;
    use crate::wire::frame::Time;

    /// One that is waited for, and what is said once this frame has gone by.
    fn said(
        link_type: LinkType,
        ahead: usize,
        change: impl FnOnce(&mut Vec<u8>),
    ) -> Option<String> {
        let mut spec = Spec::default();
        spec.ipv4.destination = Ipv4Addr::new(192, 0, 2, 1);
        let other = Spec {
            payload: vec![7; 100],
            ..spec.clone()
        };
        let frames: Vec<Vec<u8>> = [&other, &spec]
            .map(|spec| spec.datagram().unwrap_or_default())
            .into();
        let mut bytes = vec![0; ahead];
        bytes.extend(frames.last().into_iter().flatten());
        change(&mut bytes);
        let mut watch = Watch {
            spec,
            frames,
            link_type,
            ahead,
            compares: true,
            listens: false,
            pending: vec![1, 1],
            compared: 0,
            other: None,
            replies: 0,
            shower: Shower::new(Show::Line, Color::Never),
            out: Text::default(),
        };
        watch.see(Seen {
            bytes: &bytes,
            direction: Direction::Out,
            time: Time::default(),
        });
        watch.complaint()
    }

    #[test]
    fn what_left_otherwise_is_told_by_the_packet_it_is_nearest_to() {
        let same = said(LinkType::ETHERNET, ETHERNET, |_| {});
        assert_eq!(same.as_deref(), Some("1 packet was not seen to leave"));
        let changed = said(LinkType::ETHERNET, ETHERNET, |bytes| {
            bytes
                .iter_mut()
                .skip(14 + 8)
                .take(1)
                .for_each(|ttl| *ttl = 9);
        });
        let words = "byte 8 of the datagram left as 0x09 and was built as 0x40; 20 bytes left and 20 were built";
        assert_eq!(changed.as_deref(), Some(words));
        let longer = said(LinkType::RAW, 0, |bytes| bytes.push(1));
        let words = "byte 20 of the datagram left as 0x01 and was built as not there; 21 bytes left and 20 were built";
        assert_eq!(longer.as_deref(), Some(words));
        // Somebody else's: another protocol, another destination.
        for at in [9, 19] {
            let foreign = said(LinkType::RAW, 0, |bytes| {
                bytes
                    .iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|byte| *byte ^= 1);
            });
            assert_eq!(foreign.as_deref(), Some("2 packets were not seen to leave"));
        }
    }
}
