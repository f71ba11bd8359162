//! PPP (RFC 1661), with or without the address and control bytes of HDLC-like framing (RFC
//! 1662) and with compressed protocol fields.
//!
//! Knows the header and the registered protocol numbers; what the control protocols say to each
//! other is left as it is.

use std::fmt::{self, Display};

use super::anomaly::Anomaly;
use super::field::{Brief, Field, Lens, Name, Visitor, bits, bytes};
use super::packet::{Next, Protocol, Region, View, Walk};

/// All stations, unnumbered information: what address and control always say (RFC 1662 section
/// 3.1). No protocol has this number, so they are recognised wherever PPP is carried.
const FRAMING: [u8; 2] = [0xff, 0x03];
const IPV4: u16 = 0x0021;
const IPV6: u16 = 0x0057;
const MPLS_UNICAST: u16 = 0x0281;
const MPLS_MULTICAST: u16 = 0x0283;

/// Where the protocol field lies and what it says.
struct Header {
    at: usize,
    len: usize,
    protocol: u16,
}

/// Fails with the number of bytes that a header would need.
fn read(lens: Lens<'_>) -> Result<Header, usize> {
    let at = if lens.array(0) == Some(FRAMING) {
        FRAMING.len()
    } else {
        0
    };
    match lens.u8(at) {
        // Protocol numbers are odd in their last byte and even in their first: an odd first byte
        // is the last one too (RFC 1661 section 6.5).
        Some(first) if first & 1 == 1 => Ok(Header {
            at,
            len: at + 1,
            protocol: u16::from(first),
        }),
        _ => lens.u16(at).map_or(Err(at + 2), |protocol| {
            Ok(Header {
                at,
                len: at + 2,
                protocol,
            })
        }),
    }
}

pub(super) fn dissect(walk: &mut Walk<'_>, region: Region) -> Next {
    let header = match read(walk.lens(region)) {
        Ok(header) => header,
        Err(need) => {
            return walk.stop_short(Protocol::Ppp, region, need, Some(Anomaly::PppTruncated));
        }
    };
    walk.push(Protocol::Ppp, region, header.len);
    Some((
        match header.protocol {
            IPV4 => Protocol::Ipv4,
            IPV6 => Protocol::Ipv6,
            MPLS_UNICAST | MPLS_MULTICAST => Protocol::Mpls,
            _ => Protocol::Payload,
        },
        region.after(header.len),
    ))
}

pub(super) fn fields<V: Visitor>(view: &View<'_>, v: &mut V) {
    let lens = view.lens();
    if lens.array(0) == Some(FRAMING) {
        let [address, control] = FRAMING;
        v.field(
            Field::hex("address", "Address", bits(0, 8), address)
                .meaning(&Name(Some("all stations"))),
        );
        v.field(
            Field::hex("control", "Control", bits(8, 8), control)
                .meaning(&Name(Some("unnumbered information"))),
        );
    }
    let Ok(header) = read(lens) else { return };
    v.field(
        Field::hex(
            "protocol",
            "Protocol",
            bytes(header.at, header.len - header.at),
            header.protocol,
        )
        .meaning(&PppProtocol(header.protocol))
        .brief(Brief::Inside),
    );
}

/// IANA's PPP numbers.
struct PppProtocol(u16);

impl Display for PppProtocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            0x0001 => "padding",
            IPV4 => "IPv4",
            0x0023 => "OSI",
            0x0029 => "AppleTalk",
            0x002b => "IPX",
            0x002d => "compressed TCP/IP (RFC 1144)",
            0x002f => "uncompressed TCP/IP (RFC 1144)",
            0x0031 => "bridged frame",
            0x003d => "multilink fragment",
            0x0053 => "encrypted",
            IPV6 => "IPv6",
            0x00fb => "compressed on one link",
            0x00fd => "compressed",
            MPLS_UNICAST => "MPLS",
            MPLS_MULTICAST => "MPLS multicast",
            0x8021 => "IPCP, IPv4 control",
            0x8023 => "OSINLCP, OSI control",
            0x8031 => "BCP, bridging control",
            0x8053 => "ECP, encryption control",
            0x8057 => "IPV6CP, IPv6 control",
            0x80fd => "CCP, compression control",
            0x8281 => "MPLSCP, MPLS control",
            0xc021 => "LCP, link control",
            0xc023 => "PAP, password authentication",
            0xc025 => "LQR, link quality report",
            0xc02b => "BACP, bandwidth allocation control",
            0xc223 => "CHAP, challenge handshake",
            0xc227 => "EAP, extensible authentication",
            number => return write!(f, "PPP protocol 0x{number:04x}"),
        })
    }
}
