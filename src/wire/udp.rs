//! UDP (RFC 768).
//!
//! Knows its eight bytes and where the datagram ends; what a port stands for beyond that is one
//! line in `by_port`.

use std::fmt::{self, Display};

use super::anomaly::Anomaly;
use super::checksum::{Unjudged, Verdict};
use super::field::{Field, Value, Visitor, bits};
use super::names::{self, Transport};
use super::packet::{Next, Protocol, Reason, Region, View, Walk};
use super::transport;

/// Ports, length, checksum.
const HEADER: usize = 8;
/// The most that the length field can say.
const MAX_LENGTH: usize = 65_535;

#[inline]
pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let Some(&header) = walk.bytes(region).first_chunk::<HEADER>() else {
        if !region.is_empty() {
            walk.push(Protocol::Udp, region, HEADER);
        }
        if region.promised_len() < HEADER && !walk.context.fragmented {
            walk.anomaly(Anomaly::UdpTruncated);
        }
        return walk.stop_cut(Protocol::Udp, region, HEADER);
    };
    walk.push(Protocol::Udp, region, HEADER);
    let destination = u16::from_be_bytes([header[2], header[3]]);
    let length = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let carried = u16::from_be_bytes([header[6], header[7]]);
    // A length of zero is a jumbogram's (RFC 2675 section 4), or was left for the hardware to
    // fill in: the datagram is presumed to fill what carries it.
    let datagram = if length == 0 {
        region
    } else {
        region.first(length)
    };
    if walk.judge.checksums {
        walk.set_checksum(verdict(walk, datagram, length, carried));
    }
    if walk.judge.anomalies && !walk.is_quoted() {
        judge(walk, region, destination, length);
    }
    if length != 0 && length < HEADER {
        return walk.stop(
            Protocol::Udp,
            region,
            Reason::Invalid("the length is smaller than the header"),
        );
    }
    // What IP carries behind the datagram is the surplus area of RFC 9868: not the user's data.
    if length != 0 {
        walk.trailer(region.after(length));
    }
    Some((by_port(destination), datagram.after(HEADER)))
}

/// What a destination port says comes next. A port is a hint: only what can be told from chance
/// by its own header belongs here.
#[inline]
fn by_port(destination: u16) -> Protocol {
    match destination {
        names::PORT_VXLAN => Protocol::Vxlan,
        _ => Protocol::Payload,
    }
}

/// Over IPv4 a checksum of zero means none (RFC 768); over IPv6 tunnels may leave it out too
/// (RFC 6935).
#[inline]
fn verdict(walk: &Walk<'_>, datagram: Region, length: usize, carried: u16) -> Verdict {
    if carried == 0 {
        return Verdict::Absent;
    }
    if length != 0 && (length < HEADER || datagram.promised_len() < length) {
        return Verdict::Unknown(if walk.context.fragmented {
            Unjudged::Fragment
        } else {
            Unjudged::Length
        });
    }
    match transport::verdict(walk, names::PROTOCOL_UDP, datagram, carried) {
        // A sum of zero is sent as its other form, because zero means none (RFC 768).
        Verdict::Bad { expected: 0 } => Verdict::Bad { expected: 0xffff },
        verdict => verdict,
    }
}

fn judge(walk: &mut Walk<'_>, region: Region, destination: u16, length: usize) {
    let present = region.promised_len();
    if matches!(walk.checksum(), Verdict::Bad { .. }) {
        walk.anomaly(Anomaly::UdpChecksumBad);
    }
    let presumed = length == 0 && (present > MAX_LENGTH || walk.frame.offload.segmentation);
    if length < HEADER && !presumed {
        walk.anomaly(Anomaly::UdpLengthShort);
    }
    // The length is that of all fragments together.
    if length > present && !walk.context.fragmented {
        walk.anomaly(Anomaly::UdpLengthLong);
    }
    if destination == 0 {
        walk.anomaly(Anomaly::UdpPortZero);
    }
}

#[inline]
pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    transport::ports(lens, Transport::Udp, v);
    let Some(length) = lens.u16(4) else { return };
    v.field(
        Field::number("length", "Length", bits(32, 16), length).meaning(&Length {
            length,
            present: view.promised_len(),
        }),
    );
    let Some(checksum) = lens.u16(6) else { return };
    v.field(Field::hex("checksum", "Checksum", bits(48, 16), checksum));
    let ok = view.layer.checksum.ok().map_or(Value::Unknown, Value::Bool);
    v.field(Field::new("checksum_ok", "Checksum", bits(0, 0), ok).meaning(&view.layer.checksum));
}

/// The length beside what IP carries; a fragment or a quote carries less by right.
struct Length {
    length: u16,
    present: u32,
}

impl Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (length, present) = (usize::from(self.length), self.present as usize);
        if length == 0 {
            return write!(f, "presumed {present}: a jumbogram or left to offload");
        }
        let Some(data) = length.checked_sub(HEADER) else {
            return f.write_str("smaller than the header");
        };
        write!(f, "bytes, {data} of them data")?;
        match present.checked_sub(length) {
            None => write!(f, ", {} not here", length.saturating_sub(present)),
            Some(0) => Ok(()),
            Some(surplus) => write!(f, ", {surplus} behind it"),
        }
    }
}

#[cfg(test)]
mod tests;
