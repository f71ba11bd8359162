//! For every anomaly id a capture that fires it and, beside it, a near miss that does not.

use super::file::{ETHERNET, PCAP, Pcap, Record, records};
use super::{Capture, capture, long};

#[path = "anomalies/icmp.rs"]
mod icmp;
#[path = "anomalies/ipv4.rs"]
mod ipv4;
#[path = "anomalies/links.rs"]
mod links;
#[path = "anomalies/together.rs"]
mod together;
#[path = "anomalies/transport.rs"]
mod transport;

/// An anomaly, odd and nearly so.
pub(crate) struct Oddity {
    /// The stable id, and the name of the file.
    pub id: &'static str,
    /// What is odd.
    pub odd: &'static str,
    /// What is not.
    pub near: &'static str,
    /// The link type.
    pub link: u16,
    /// The frames.
    pub frames: Vec<Record>,
    /// The numbers, from 1, of those that fire it; the others do not.
    pub fires: &'static [usize],
}

impl Oddity {
    /// The file.
    pub(crate) fn capture(&self) -> Capture {
        let bytes = Pcap {
            link: self.link,
            ..PCAP
        }
        .file(&self.frames);
        capture(&format!("anomalies/{}.pcap", self.id), self.odd, bytes)
    }
}

pub(crate) fn all() -> Vec<Oddity> {
    let mut all = vec![links::frame_length()];
    all.extend(links::oddities());
    all.extend(ipv4::oddities());
    all.extend(links::ipv6_oddities());
    all.extend(icmp::oddities());
    all.extend(icmp::igmp());
    all.extend(transport::oddities());
    all.extend(together::oddities());
    all
}

/// The usual case: frame 1 is odd, frame 2 nearly so, on Ethernet.
fn odd(
    id: &'static str,
    odd: &'static str,
    first: Vec<u8>,
    near: &'static str,
    second: Vec<u8>,
) -> Oddity {
    Oddity {
        id,
        odd,
        near,
        link: ETHERNET,
        frames: records(&[first, second], 1000),
        fires: &[1],
    }
}

impl Oddity {
    /// Says that the near miss had more on the wire than was captured: so many bytes are left.
    fn cut(mut self, len: usize) -> Self {
        if let Some(record) = self.frames.get_mut(1) {
            record.bytes.truncate(len);
            record.captured = long(record.bytes.len());
        }
        self
    }

    /// On another link type.
    fn on(self, link: u16) -> Self {
        Self { link, ..self }
    }
}
