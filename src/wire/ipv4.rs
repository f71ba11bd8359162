//! IPv4 (RFC 791): a forensic decoder that shows every field whatever is wrong with the others.
//!
//! Knows the header, which bytes are the datagram and which trail behind it, and what a host
//! may not send. Options are the next file's business, reassembly nobody's here.

use std::fmt::{self, Display};

use super::anomaly::Anomaly;
use super::checksum::{Pseudo, Sum, Unjudged, Verdict};
use super::field::{Brief, Extent, Field, Lens, Name, Value, Visitor, bits, bytes};
use super::packet::{Next, Protocol, Reason, Region, View, Walk};
use super::{ipv4_options, names};

/// The header without options.
const HEADER: usize = 20;
/// The largest datagram: what the total length can say.
const MAX_DATAGRAM: usize = 65_535;
/// MPLS in IP (RFC 4023).
const PROTOCOL_MPLS: u8 = 137;
/// Ethernet in IP (RFC 8986 section 10.1).
const PROTOCOL_ETHERNET: u8 = 143;

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let lens = walk.lens(region);
    let Some(&header) = lens.0.first_chunk::<HEADER>() else {
        let truncated = Some(Anomaly::Ipv4IhlTruncated);
        return walk.stop_short(Protocol::Ipv4, region, HEADER, truncated);
    };
    let header_len = usize::from(header[0] & 0x0f) * 4;
    let total_length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    walk.push(Protocol::Ipv4, region, header_len.max(HEADER));

    if header[0] >> 4 != 4 {
        walk.anomaly(Anomaly::Ipv4Version);
        return walk.stop(
            Protocol::Ipv4,
            region,
            Reason::Invalid("the version is not 4"),
        );
    }
    if header_len < HEADER {
        walk.anomaly(Anomaly::Ipv4IhlShort);
        return walk.stop(
            Protocol::Ipv4,
            region,
            Reason::Invalid("the header length is below 20 bytes"),
        );
    }
    let options = lens.slice(HEADER, header_len);
    let whole = header_len <= region.len();
    if walk.judge.checksums {
        walk.set_checksum(if whole {
            Sum::new()
                .with(&header)
                .with(options)
                .verdict(u16::from_be_bytes([header[10], header[11]]))
        } else {
            Verdict::Unknown(Unjudged::Cut)
        });
    }
    let data = data(region, header_len, total_length);
    judge(walk, &header, region, data);
    if header_len > HEADER && walk.judge.anomalies {
        ipv4_options::judge(walk, options, whole, !is_first(&header));
    }
    if !whole {
        return walk.stop_cut(Protocol::Ipv4, region, header_len);
    }
    let Some(data) = data else {
        return walk.stop(
            Protocol::Ipv4,
            region,
            Reason::Invalid("the total length is smaller than the header"),
        );
    };
    if total_length >= header_len {
        walk.trailer(region.after(total_length));
    }

    let source = [header[12], header[13], header[14], header[15]];
    let destination = [header[16], header[17], header[18], header[19]];
    // A source route's last stop is the destination that the transport's checksum covers.
    let last_stop = if options.is_empty() {
        None
    } else {
        ipv4_options::last_stop(options)
    };
    walk.context.pseudo = Some(Pseudo::V4(source, last_stop.unwrap_or(destination)));
    walk.context.fragmented = is_fragment(&header);
    walk.context.ttl = Some(header[8]);
    walk.context.to_many = destination[0] >= 224;
    if is_fragment(&header) {
        walk.fragment(offset(&header), more(&header), data);
    }
    if !is_first(&header) {
        return Some((Protocol::Payload, data));
    }
    Some((by_protocol(header[9]), data))
}

/// What an IP protocol number says comes next, over IPv4 and IPv6 alike.
#[inline]
pub(super) fn by_protocol(number: u8) -> Protocol {
    match number {
        names::PROTOCOL_ICMP => Protocol::Icmpv4,
        names::PROTOCOL_IGMP => Protocol::Igmp,
        names::PROTOCOL_IPV4 => Protocol::Ipv4,
        names::PROTOCOL_TCP => Protocol::Tcp,
        names::PROTOCOL_UDP => Protocol::Udp,
        names::PROTOCOL_IPV6 => Protocol::Ipv6,
        names::PROTOCOL_GRE => Protocol::Gre,
        super::ah::PROTOCOL => Protocol::Ah,
        PROTOCOL_MPLS => Protocol::Mpls,
        PROTOCOL_ETHERNET => Protocol::Ethernet,
        names::PROTOCOL_ICMPV6 => Protocol::Icmpv6,
        _ => Protocol::Payload,
    }
}

/// What the first byte says comes next where nothing but the version tells IPv4 from IPv6.
#[inline]
pub(super) fn by_version(first: Option<u8>) -> Protocol {
    match first.map(|byte| byte >> 4) {
        Some(4) => Protocol::Ipv4,
        Some(6) => Protocol::Ipv6,
        _ => Protocol::Payload,
    }
}

/// The bytes behind the header, or `None` when the total length leaves none. A total length of
/// zero is what a capture shows of a segment that the hardware was still to cut (TSO, BIG TCP):
/// the datagram is then presumed to fill its frame.
fn data(region: Region, header_len: usize, total_length: usize) -> Option<Region> {
    if total_length == 0 {
        return Some(region.after(header_len));
    }
    if total_length < header_len {
        return None;
    }
    let end = region.start.saturating_add(total_length);
    let start = region.start.saturating_add(header_len);
    Some(Region {
        start: start.min(region.end),
        end: region.end.min(end),
        promised_end: end,
    })
}

fn offset(header: &[u8; HEADER]) -> u32 {
    u32::from(u16::from_be_bytes([header[6] & 0x1f, header[7]])) * 8
}

fn more(header: &[u8; HEADER]) -> bool {
    header[6] & 0x20 != 0
}

fn is_fragment(header: &[u8; HEADER]) -> bool {
    more(header) || !is_first(header)
}

fn is_first(header: &[u8; HEADER]) -> bool {
    offset(header) == 0
}

/// Everything odd about the fixed header.
#[inline]
fn judge(walk: &mut Walk<'_>, header: &[u8; HEADER], region: Region, data: Option<Region>) {
    if !walk.judge.anomalies || walk.is_quoted() {
        return;
    }
    let header_len = usize::from(header[0] & 0x0f) * 4;
    let total_length = usize::from(u16::from_be_bytes([header[2], header[3]]));
    // A tunnel's first fragment holds only the first part of the datagram inside.
    let in_fragment = walk.context.fragmented;
    if header_len > region.promised_len() && !in_fragment {
        walk.anomaly(Anomaly::Ipv4IhlTruncated);
    }
    if total_length == 0 {
        if !walk.frame.offload.segmentation {
            walk.anomaly(Anomaly::Ipv4TotalLengthZero);
        }
    } else if total_length < header_len {
        walk.anomaly(Anomaly::Ipv4TotalLengthShort);
    } else if total_length > region.promised_len() && !in_fragment {
        walk.anomaly(Anomaly::Ipv4TotalLengthTruncated);
    }
    if header[6] & 0x80 != 0 {
        walk.anomaly(Anomaly::Ipv4FlagsReserved);
    }
    let bad = match walk.checksum() {
        Verdict::Bad { .. } => true,
        Verdict::None | Verdict::Good | Verdict::Absent | Verdict::Unknown(_) => false,
    };
    if bad {
        walk.anomaly(Anomaly::Ipv4ChecksumBad);
    }
    if is_fragment(header)
        && let Some(data) = data
    {
        judge_fragment(walk, header, data);
    }
    match header[8] {
        0 => walk.anomaly(Anomaly::Ipv4TtlZero),
        1 if !explained(header, walk.bytes(data.unwrap_or(region))) => {
            walk.anomaly(Anomaly::Ipv4TtlLow);
        }
        _ => {}
    }
    judge_addresses(walk, header);
    match header[9] {
        names::PROTOCOL_RESERVED => walk.anomaly(Anomaly::Ipv4ProtocolReserved),
        names::PROTOCOL_ICMPV6 => walk.anomaly(Anomaly::Ipv4ProtocolIcmpv6),
        _ => {}
    }
}

fn judge_fragment(walk: &mut Walk<'_>, header: &[u8; HEADER], data: Region) {
    let (offset, len) = (offset(header) as usize, data.promised_len());
    if header[6] & 0x40 != 0 {
        walk.anomaly(Anomaly::Ipv4FragmentDf);
    }
    if more(header) && len % 8 != 0 {
        walk.anomaly(Anomaly::Ipv4FragmentUnaligned);
    }
    let transport = match header[9] {
        names::PROTOCOL_TCP => 20,
        names::PROTOCOL_UDP | names::PROTOCOL_ICMP => 8,
        _ => 0,
    };
    if offset == 0 && len < transport {
        walk.anomaly(Anomaly::Ipv4FragmentTiny);
    }
    if offset == 8 && header[9] == names::PROTOCOL_TCP {
        walk.anomaly(Anomaly::Ipv4FragmentOffsetOne);
    }
    let header_len = usize::from(header[0] & 0x0f) * 4;
    if header_len + offset + len > MAX_DATAGRAM {
        walk.anomaly(Anomaly::Ipv4FragmentOversize);
    }
}

/// Who sends a unicast datagram with TTL 1 for a good reason: traceroute by ICMP, UDP or TCP
/// SYN, BGP between neighbours, routing protocols that never leave the link. Anything but TCP is
/// taken to have one.
fn explained(header: &[u8; HEADER], data: &[u8]) -> bool {
    const BGP: u16 = 179;
    if header[16] >= 224
        || header[16] == 127
        || header[9] != names::PROTOCOL_TCP
        || !is_first(header)
    {
        return true;
    }
    let tcp = Lens(data);
    let syn = tcp.u8(13).is_none_or(|flags| flags & 0x02 != 0);
    syn || tcp.u16(0) == Some(BGP) || tcp.u16(2) == Some(BGP)
}

/// RFC 1122 section 3.2.1.3 and the special-purpose registry of RFC 6890. On a loopback link a
/// host speaks to itself, and nothing is martian.
fn judge_addresses(walk: &mut Walk<'_>, header: &[u8; HEADER]) {
    let source = [header[12], header[13], header[14], header[15]];
    let destination = [header[16], header[17], header[18], header[19]];
    let to_many = destination[0] >= 224 && destination[0] < 240 || destination == [255; 4];
    let within_host = walk.context.loopback || source[0] == 127 && destination[0] == 127;
    let source_martian = match source[0] {
        // 0.0.0.0 speaks before it has an address (DHCP), and IGMP proxies query with it.
        0 => source != [0; 4] || !to_many,
        127 => !within_host,
        first => first >= 224,
    };
    if source_martian {
        walk.anomaly(Anomaly::Ipv4SourceMartian);
    }
    let destination_martian = match destination[0] {
        0 => true,
        127 => !within_host,
        first => first >= 240 && destination != [255; 4],
    };
    if destination_martian {
        walk.anomaly(Anomaly::Ipv4DestinationMartian);
    }
    if source == destination && !within_host {
        walk.anomaly(Anomaly::Ipv4Land);
    }
}

#[inline]
pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    let Some(first) = lens.u8(0) else { return };
    v.field(Field::number("version", "Version", bits(0, 4), first >> 4));
    v.field(
        Field::number("ihl", "Header length", bits(4, 4), first & 0x0f)
            .meaning(&Words(first & 0x0f)),
    );
    let Some(service) = lens.u8(1) else { return };
    v.field(
        Field::number("dscp", "DSCP", bits(8, 6), service >> 2)
            .meaning(&Name(names::dscp(service >> 2))),
    );
    v.field(Field::number("ecn", "ECN", bits(14, 2), service & 3).meaning(&names::ecn(service)));
    let Some(total_length) = lens.u16(2) else {
        return;
    };
    v.field(
        Field::number("total_length", "Total length", bits(16, 16), total_length).meaning(
            &TotalLength {
                total_length,
                present: view.promised_len(),
            },
        ),
    );
    let Some(identification) = lens.u16(4) else {
        return;
    };
    let Some(flags) = lens.u8(6) else { return };
    let Some(fragmentation) = lens.u16(6) else {
        v.field(Field::hex(
            "identification",
            "Identification",
            bits(32, 16),
            identification,
        ));
        return;
    };
    let offset = (fragmentation & 0x1fff) * 8;
    let fragment = flags & 0x20 != 0 || offset != 0;
    let brief = |words| {
        if fragment {
            Brief::Value(words)
        } else {
            Brief::Hidden
        }
    };
    v.field(
        Field::number(
            "identification",
            "Identification",
            bits(32, 16),
            identification,
        )
        .meaning(&Identification {
            number: identification,
            flags,
            fragment,
        })
        .brief(brief("fragment id ")),
    );
    v.object("flags", "Flags", bits(48, 3), |v| {
        v.field(Field::flag(
            "reserved",
            "Reserved",
            bits(48, 1),
            flags & 0x80 != 0,
        ));
        v.field(Field::flag(
            "df",
            "Don't fragment",
            bits(49, 1),
            flags & 0x40 != 0,
        ));
        v.field(Field::flag(
            "mf",
            "More fragments",
            bits(50, 1),
            flags & 0x20 != 0,
        ));
    });
    v.field(
        Field::number("fragment_offset", "Fragment offset", bits(51, 13), offset)
            .meaning(&Offset {
                offset,
                more: flags & 0x20 != 0,
            })
            .brief(brief("offset ")),
    );
    let Some(ttl) = lens.u8(8) else { return };
    v.field(Field::number("ttl", "Time to live", bits(64, 8), ttl).meaning(&Hops(ttl)));
    let Some(protocol) = lens.u8(9) else { return };
    v.field(
        Field::number("protocol", "Protocol", bits(72, 8), protocol)
            .meaning(&names::ProtocolName(protocol))
            .brief(Brief::Inside),
    );
    let Some(checksum) = lens.u16(10) else { return };
    v.field(Field::hex(
        "checksum",
        "Header checksum",
        bits(80, 16),
        checksum,
    ));
    let ok = view.layer.checksum.ok().map_or(Value::Unknown, Value::Bool);
    v.field(
        Field::new("checksum_ok", "Header checksum", bits(0, 0), ok).meaning(&view.layer.checksum),
    );
    let Some(source) = lens.array(12) else { return };
    v.field(
        Field::ipv4("source", "Source", bits(96, 32), source)
            .meaning(&names::AddressKind(source))
            .brief(Brief::Source),
    );
    let Some(destination) = lens.array(16) else {
        return;
    };
    v.field(
        Field::ipv4("destination", "Destination", bits(128, 32), destination)
            .meaning(&names::AddressKind(destination))
            .brief(Brief::Destination),
    );
    let options = lens.slice(HEADER, usize::MAX);
    v.list("options", "Options", bytes(HEADER, options.len()), |v| {
        if !options.is_empty() {
            ipv4_options::fields(options, v);
        }
    });
}

/// A length in 32-bit words, as bytes.
struct Words(u8);

impl Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", u32::from(self.0) * 4)
    }
}

struct TotalLength {
    total_length: u16,
    present: u32,
}

impl Display for TotalLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.total_length == 0 {
            return write!(f, "presumed {}: left to segmentation offload", self.present);
        }
        Extent {
            claimed: u32::from(self.total_length),
            present: self.present,
        }
        .fmt(f)
    }
}

/// RFC 6864: the identification of a datagram that cannot be fragmented means nothing.
struct Identification {
    number: u16,
    flags: u8,
    fragment: bool,
}

impl Display for Identification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04x}", self.number)?;
        if self.flags & 0x40 != 0 && !self.fragment {
            f.write_str(", atomic: of no meaning")?;
        }
        Ok(())
    }
}

struct Offset {
    offset: u16,
    more: bool,
}

impl Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.offset, self.more) {
            (0, false) => "not fragmented",
            (0, true) => "first fragment",
            (_, true) => "middle fragment",
            (_, false) => "last fragment",
        })
    }
}

/// The likely first TTL and the routers passed since: the smallest usual start not below it.
struct Hops(u8);

impl Display for Hops {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = match self.0 {
            0..=32 => 32,
            33..=64 => 64,
            65..=128 => 128,
            129..=255 => 255,
        };
        match start - self.0 {
            0 => write!(f, "as sent"),
            1 => write!(f, "likely {start} at start, 1 hop"),
            hops => write!(f, "likely {start} at start, {hops} hops"),
        }
    }
}
