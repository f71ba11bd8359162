//! Messages to events.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsFd;
use std::time::Duration;

use libc::c_int;
use nix::poll::PollFlags;

use super::open::TIMESTAMPING;
use super::sieve::ERRORS;
use super::stamps::Stamps;
use super::{Cards, Engine, Port, Role, Sink, Unanswered};
use crate::net::ancillary::{self, Control, ExtendedError};
use crate::net::batch::Received;
use crate::net::drive::Clock;
use crate::net::sockopt;
use crate::probe::{Event, Quoted, Stamp};

/// How many batches are taken from a socket before the machine is asked again.
const ROUNDS: u32 = 16;

/// What `SO_MEMINFO` (since Linux 4.12) tells, and which of it is the number of drops.
const SO_MEMINFO: c_int = 55;
const MEMINFO_WORDS: usize = 9;

/// What the kernel says of a message.
#[derive(Debug, Default)]
struct Notes<'a> {
    software: Option<i64>,
    hardware: Option<i64>,
    ttl: Option<u8>,
    tos: Option<u8>,
    options: &'a [u8],
    destination: Option<Ipv4Addr>,
    error: Option<ExtendedError>,
    drops: Option<u32>,
}

impl<'a> Notes<'a> {
    fn read(control: &'a Control) -> Self {
        let mut notes = Self::default();
        for (level, kind, data) in control.iter() {
            match (level, kind) {
                (libc::SOL_SOCKET, TIMESTAMPING) => {
                    (notes.software, notes.hardware) =
                        ancillary::time_stamps(data).unwrap_or_default();
                }
                (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => notes.drops = ancillary::integer(data),
                (libc::SOL_IP, libc::IP_TTL) => notes.ttl = ancillary::octet(data),
                (libc::SOL_IP, libc::IP_TOS) => notes.tos = ancillary::octet(data),
                (libc::SOL_IP, libc::IP_RECVOPTS) => notes.options = data,
                (libc::SOL_IP, libc::IP_PKTINFO) => {
                    notes.destination = ancillary::destination(data);
                }
                (libc::SOL_IP, libc::IP_RECVERR) => notes.error = ancillary::extended_error(data),
                _ => {}
            }
        }
        notes
    }

    fn stamp(&self, cards: Cards) -> Option<Stamp> {
        cards.choose(self.software, self.hardware)
    }
}

impl Engine {
    /// Tells what came to the sockets that the last wait found ready: send stamps before replies.
    pub(in crate::net) fn receive(&mut self, clock: &Clock, sink: Sink<'_>) {
        for index in 0..self.ports.len() {
            let told = self.found(index, PollFlags::POLLERR);
            // On this host a stamp is there before its reply, so it is looked for unasked.
            let due = |port: &Port| port.stamps.as_ref().is_some_and(Stamps::are_due);
            if !told && !self.ports.get(index).is_some_and(due) {
                continue;
            }
            let came = self.drain(index, clock, sink);
            if told
                && came == 0
                && let Some(port) = self.ports.get(index)
            {
                // An error that no queue holds would wake us for ever.
                let _ = port.socket.take_error();
            }
        }
        for index in 0..self.ports.len() {
            if self.found(index, PollFlags::POLLIN) {
                self.hear(index, clock, sink);
            }
        }
    }

    fn found(&self, index: usize, flag: PollFlags) -> bool {
        if self.unasked {
            let port = self.ports.get(index);
            return flag == PollFlags::POLLIN && port.is_some_and(|port| port.role.hears());
        }
        let found = self.ready.get(index);
        found.is_some_and(|flags| flags.contains(flag))
    }

    /// Tells of local drops that no message has told of, since none came after them.
    pub(in crate::net) fn look_for_drops(&mut self, clock: &Clock, sink: Sink<'_>) {
        for port in self.ports.iter_mut().filter(|port| port.role.hears()) {
            let (level, name) = (libc::SOL_SOCKET, SO_MEMINFO);
            let Ok(words) = sockopt::get::<[u32; MEMINFO_WORDS]>(port.socket.as_fd(), level, name)
            else {
                continue;
            };
            let [.., drops] = words;
            dropped(port, drops, clock.now(), sink);
        }
    }

    /// Tells what a socket heard.
    fn hear(&mut self, index: usize, clock: &Clock, sink: Sink<'_>) {
        let Some(port) = self.ports.get_mut(index) else {
            return;
        };
        // More than that is told by the next wait, and what did not fit by asking for it.
        let bare = self.unasked && self.expected == 1 && !self.timing.on;
        self.expected = 0;
        for _ in 0..ROUNDS {
            let socket = port.socket.as_fd();
            // An error that belongs to something sent is told by the error queue.
            let _ = if bare {
                self.inbox.receive_bare(socket)
            } else {
                self.inbox.receive(socket, 0)
            };
            let now = clock.now();
            for message in self.inbox.messages() {
                let notes = Notes::read(message.control);
                // The first that the card times has a probe that it did not.
                let cards = self.cards;
                self.cards.came |= notes.hardware.is_some();
                if let Some(drops) = notes.drops {
                    dropped(port, drops, now, sink);
                }
                match port.role {
                    Role::Ping | Role::Udp(_) => {
                        datagram(
                            port.role,
                            &message,
                            &notes,
                            cards,
                            &mut self.rebuilt,
                            |event| {
                                sink(now, event);
                            },
                        );
                    }
                    Role::Hearing | Role::Raw(_) | Role::HeaderIncluded => {
                        whole(&message, notes.stamp(cards), |event| sink(now, event));
                    }
                }
            }
            if !self.inbox.is_crowded() {
                return;
            }
        }
    }

    /// Tells what a socket's error queue holds, and says how many entries there were.
    pub(super) fn drain(&mut self, index: usize, clock: &Clock, sink: Sink<'_>) -> usize {
        let Some(port) = self.ports.get_mut(index) else {
            return 0;
        };
        let mut total = 0_usize;
        for _ in 0..ROUNDS {
            let socket = port.socket.as_fd();
            let came = self.inbox.receive(socket, libc::MSG_ERRQUEUE).unwrap_or(0);
            let now = clock.now();
            for message in self.inbox.messages() {
                let notes = Notes::read(message.control);
                let Some(error) = notes.error else {
                    continue;
                };
                match error.origin {
                    libc::SO_EE_ORIGIN_TIMESTAMPING => {
                        self.cards.sent |= notes.hardware.is_some();
                        let stamps = port.stamps.as_mut();
                        let id = stamps.and_then(|stamps| stamps.probe(error.data));
                        if let (Some(id), Some(stamp)) = (id, notes.stamp(self.cards)) {
                            sink(now, &Event::Sent { id, stamp });
                        }
                    }
                    libc::SO_EE_ORIGIN_ICMP => {
                        let event = remembered(
                            port.role,
                            &message,
                            &notes,
                            error,
                            self.cards,
                            &self.unanswered,
                        );
                        if let Some(event) = event {
                            sink(now, &event);
                        }
                    }
                    // What the kernel itself refuses is told by the call that sends.
                    _ => {}
                }
            }
            total = total.saturating_add(came);
            if !self.inbox.is_crowded() {
                break;
            }
        }
        total
    }
}

/// Tells how much more the receive buffer has dropped, by the kernel's running count.
fn dropped(port: &mut Port, count: u32, now: Duration, sink: Sink<'_>) {
    let more = count.wrapping_sub(port.drops);
    // A message that came before the last count was read tells of fewer.
    if more != 0 && more <= u32::MAX / 2 {
        port.drops = count;
        sink(now, &Event::LocalDrops(u64::from(more)));
    }
}

/// What a datagram socket heard.
fn datagram(
    role: Role,
    message: &Received<'_>,
    notes: &Notes<'_>,
    cards: Cards,
    rebuilt: &mut Vec<u8>,
    tell: impl FnOnce(&Event<'_>),
) {
    let Some(from) = message.name.as_ipv4() else {
        return;
    };
    let (protocol, bytes, ours) = match role {
        Role::Udp(port) => {
            // As the header was, but for the checksum, which the kernel found right.
            let length = message.bytes.len().saturating_add(8);
            let length = u16::try_from(length).unwrap_or(u16::MAX);
            rebuilt.clear();
            for word in [from.port(), port, length, 0] {
                rebuilt.extend(word.to_be_bytes());
            }
            rebuilt.extend_from_slice(message.bytes);
            (17, rebuilt.as_slice(), false)
        }
        _ => (1, message.bytes, true),
    };
    tell(&Event::Reply {
        source: *from.ip(),
        destination: notes.destination,
        protocol,
        message: bytes,
        truncated: message.truncated,
        ttl: notes.ttl,
        tos: notes.tos,
        options: notes.options,
        stamp: notes.stamp(cards),
        ours,
    });
}

/// An ICMP error that a datagram socket's error queue holds.
fn remembered<'a>(
    role: Role,
    message: &Received<'a>,
    notes: &Notes<'_>,
    error: ExtendedError,
    cards: Cards,
    unanswered: &Unanswered,
) -> Option<Event<'a>> {
    let to: SocketAddrV4 = message.name.as_ipv4()?;
    let id = match role {
        Role::Udp(from) => unanswered.only(from, to),
        _ => None,
    };
    Some(Event::IcmpError {
        offender: error.offender?,
        icmp_type: error.icmp_type,
        code: error.code,
        info: error.info,
        message: None,
        quoted: Quoted::Sent {
            destination: *to.ip(),
            port: to.port(),
            id,
            payload: message.bytes,
        },
        ttl: notes.ttl,
        tos: notes.tos,
        stamp: notes.stamp(cards),
    })
}

/// A whole datagram that a raw socket heard (RFC 791 section 3.1).
fn whole(message: &Received<'_>, stamp: Option<Stamp>, tell: impl FnOnce(&Event<'_>)) {
    let Some((header, rest)) = message.bytes.split_first_chunk::<20>() else {
        return;
    };
    let [
        first,
        tos,
        _,
        _,
        _,
        _,
        _,
        _,
        ttl,
        protocol,
        _,
        _,
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
    ] = *header;
    let length = usize::from(first & 0x0f)
        .saturating_mul(4)
        .saturating_sub(20);
    let Some((options, body)) = rest.split_at_checked(length) else {
        return;
    };
    let (source, destination) = (Ipv4Addr::new(a, b, c, d), Ipv4Addr::new(e, f, g, h));
    let error = (protocol == 1)
        .then(|| body.split_first_chunk::<8>())
        .flatten();
    if let Some(([icmp_type, code, _, _, word @ ..], quoted)) = error
        && ERRORS.contains(icmp_type)
    {
        tell(&Event::IcmpError {
            offender: source,
            icmp_type: *icmp_type,
            code: *code,
            info: info(*icmp_type, *word),
            message: Some(body),
            quoted: Quoted::Datagram(quote(*icmp_type, *word, quoted)),
            ttl: Some(ttl),
            tos: Some(tos),
            stamp,
        });
        return;
    }
    tell(&Event::Reply {
        source,
        destination: Some(destination),
        protocol,
        message: body,
        truncated: message.truncated,
        ttl: Some(ttl),
        tos: Some(tos),
        options,
        stamp,
        ours: false,
    });
}

/// The number in an error's second word: the MTU (RFC 1191 section 4), the pointer or the gateway
/// (RFC 792). The rest of the word is another field (RFC 4884 section 4) or unused.
fn info(icmp_type: u8, word: [u8; 4]) -> u32 {
    let [pointer, _, c, d] = word;
    match icmp_type {
        3 => u32::from(u16::from_be_bytes([c, d])),
        5 => u32::from_be_bytes(word),
        12 => u32::from(pointer),
        _ => 0,
    }
}

/// The quoted datagram, without the extensions behind it where their place is told (RFC 4884
/// section 5: the second octet of the word counts 32-bit words).
fn quote(icmp_type: u8, word: [u8; 4], quoted: &[u8]) -> &[u8] {
    let [_, words, ..] = word;
    let length = usize::from(words).saturating_mul(4);
    let told = matches!(icmp_type, 3 | 11 | 12) && length != 0;
    quoted.get(..length).filter(|_| told).unwrap_or(quoted)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;
    use crate::net::ancillary::Name;
    use proptest::prelude::*;

    /// What a raw socket's message is told as.
    fn told(bytes: &[u8]) -> Option<String> {
        let (name, control) = (Name::none(), Control::new());
        let message = Received {
            bytes,
            name: &name,
            control: &control,
            truncated: false,
        };
        let mut told = None;
        whole(&message, None, |event| told = Some(format!("{event:?}")));
        told
    }

    #[test]
    fn the_second_word_is_read_as_the_type_has_it() {
        let word = [9, 4, 0x05, 0x78];
        assert_eq!(info(3, word), 1400);
        assert_eq!(info(5, word), 0x0904_0578);
        assert_eq!(info(12, word), 9);
        assert_eq!(info(11, word), 0);
    }

    #[test]
    fn a_quote_ends_where_extensions_begin() {
        let quoted = [7; 20];
        assert_eq!(quote(11, [0, 4, 0, 0], &quoted), &[7; 16]);
        assert_eq!(quote(11, [0; 4], &quoted), &quoted);
        // Not of that type, or more than there is.
        assert_eq!(quote(4, [0, 4, 0, 0], &quoted), &quoted);
        assert_eq!(quote(3, [0, 6, 0, 0], &quoted), &quoted);
    }

    #[test]
    fn a_header_is_taken_apart() {
        let mut bytes = vec![
            0x46, 0x28, 0, 0, 0, 0, 0, 0, 61, 1, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2, 1, 1, 1, 0,
        ];
        assert!(
            told(&bytes)
                .unwrap()
                .contains("ttl: Some(61), tos: Some(40), options: [1, 1, 1, 0]")
        );
        bytes.extend([3, 4, 0, 0, 0, 0, 5, 0x78, 0xaa]);
        let error = told(&bytes).unwrap();
        assert!(
            error.starts_with("IcmpError { offender: 192.0.2.1, icmp_type: 3, code: 4, info: 1400")
        );
        assert!(error.contains("quoted: Datagram([170])"));
        // Options that are not all there.
        assert_eq!(told(bytes.get(..23).unwrap()), None);
    }

    proptest! {
        #[test]
        fn any_datagram_is_told_or_left(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(told(&bytes).is_some(), bytes.len() >= 20.max(
                usize::from(bytes.first().unwrap_or(&0) & 0x0f) * 4));
        }
    }
}
