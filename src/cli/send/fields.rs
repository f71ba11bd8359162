//! The one table of all that can be said of a packet. Each row is a flag of the command line and a
//! key of the spec file at once, so that neither can hold what the other cannot.

use std::net::Ipv4Addr;

use super::given::{Given, Value, to_hex};
use super::{igmp, notation};
use crate::error::{Error, Result};
use crate::wire::build::igmp::Version3;
use crate::wire::build::{
    Ethernet, Extensions, Icmp, Igmp, Ipv4, MAX_PAYLOAD, Spec, Tcp, Transport, Udp,
};

/// One row.
pub(super) struct Field {
    /// The table of the spec file it stands in.
    pub(super) section: &'static str,
    /// Its key there.
    pub(super) key: &'static str,
    /// Its flag, without the dashes.
    pub(super) flag: &'static str,
    /// What the manual calls its value; empty for a switch.
    pub(super) value: &'static str,
    /// Its line in the manual.
    pub(super) help: &'static str,
    /// It may be given several times.
    pub(super) list: bool,
    /// Puts a value into the packet.
    pub(super) set: fn(&mut Spec, &Given) -> Result<()>,
    /// The value as a spec file says it, where the packet has one.
    pub(super) get: fn(&Spec) -> Option<String>,
}

/// A part of a packet that may or may not be there.
pub(super) trait Part: Sized {
    fn of(spec: &Spec) -> Option<&Self>;
    fn of_mut<'a>(spec: &'a mut Spec, name: &str) -> Result<&'a mut Self>;
}

impl Part for Ipv4 {
    fn of(spec: &Spec) -> Option<&Self> {
        Some(&spec.ipv4)
    }

    fn of_mut<'a>(spec: &'a mut Spec, _: &str) -> Result<&'a mut Self> {
        Ok(&mut spec.ipv4)
    }
}

impl Part for Ethernet {
    fn of(spec: &Spec) -> Option<&Self> {
        spec.ethernet.as_ref()
    }

    fn of_mut<'a>(spec: &'a mut Spec, _: &str) -> Result<&'a mut Self> {
        Ok(spec.ethernet.get_or_insert_default())
    }
}

macro_rules! transports {
    ($($part:ident $name:literal)*) => {
        $(impl Part for $part {
            fn of(spec: &Spec) -> Option<&Self> {
                match &spec.transport {
                    Transport::$part(part) => Some(part),
                    _ => None,
                }
            }

            fn of_mut<'a>(spec: &'a mut Spec, name: &str) -> Result<&'a mut Self> {
                if spec.transport == Transport::None {
                    spec.transport = Transport::$part($part::default());
                }
                let other = section(&spec.transport);
                match &mut spec.transport {
                    Transport::$part(part) => Ok(part),
                    _ => Err(Error::usage(
                        format!("reading {name}"),
                        format!("it belongs to {}, and this packet is {other}", $name),
                    )),
                }
            }
        })*

        /// The table of the spec file that a transport has.
        pub(super) fn section(transport: &Transport) -> &'static str {
            match transport {
                Transport::None => "none",
                $(Transport::$part(_) => $name,)*
            }
        }
    };
}
transports! { Icmp "icmp" Igmp "igmp" Udp "udp" Tcp "tcp" }

/// Rows of plain values: part, field, key, the largest number, flag, value, manual.
macro_rules! plain {
    ($section:literal $part:ident $field:ident $key:literal $most:literal $flag:literal $value:literal $help:literal) => {
        Field {
            section: $section,
            key: $key,
            flag: $flag,
            value: $value,
            help: $help,
            list: false,
            set: |spec, given| {
                let value = Value::read(given, $most)?;
                $part::of_mut(spec, &given.name)?.$field = value;
                Ok(())
            },
            get: |spec| {
                let hexadecimal = matches!($key, "checksum" | "ethertype");
                $part::of(spec)?.$field.show(hexadecimal)
            },
        }
    };
}

/// Rows that are read and shown in a way of their own.
macro_rules! own {
    ($section:literal $key:literal $list:literal $flag:literal $value:literal $help:literal $set:expr, $get:expr) => {
        Field {
            section: $section,
            key: $key,
            flag: $flag,
            value: $value,
            help: $help,
            list: $list,
            set: $set,
            get: $get,
        }
    };
}

/// All of them, in the order of the packet and of the spec file.
pub(super) static FIELDS: &[Field] = &[
    plain!("ethernet" Ethernet destination "destination" 0 "ethernet" "MAC" "Send to this MAC address, by a frame of our own"),
    plain!("ethernet" Ethernet source "source" 0 "ethernet-source" "MAC" "The frame's source (default: the interface's)"),
    own!("ethernet" "vlan" true "vlan" "TAG" "A VLAN tag, outermost first: ID[/PRIORITY[/DEI]][@TPID]"
    |spec, given| {
        let tags: Result<Vec<_>> = given.words()?.iter().map(notation::vlan).collect();
        Ethernet::of_mut(spec, &given.name)?.vlans = tags?;
        Ok(())
    },
    |spec| {
        let vlans = spec.ethernet.as_ref()?.vlans.iter();
        list(&vlans.copied().map(notation::show_vlan).collect::<Vec<_>>())
    }),
    plain!("ethernet" Ethernet ethertype "ethertype" 0xffff "ethertype" "NUMBER" "What the frame says follows (default 0x0800)"),
    own!("ethernet" "shim" false "shim" "HEX" "Bytes between the frame's header and the datagram, as of MPLS, LLC or PPPoE"
        |spec, given| {
            Ethernet::of_mut(spec, &given.name)?.shim = given.hex()?;
            Ok(())
        },
        |spec| bytes(&spec.ethernet.as_ref()?.shim)),
    plain!("ipv4" Ipv4 version "version" 15 "ip-version" "NUMBER" "Version (default 4)"),
    plain!("ipv4" Ipv4 ihl "ihl" 15 "ihl" "WORDS" "Header length in 32-bit words"),
    plain!("ipv4" Ipv4 dscp "dscp" 63 "dscp" "NUMBER" "Differentiated services code point"),
    plain!("ipv4" Ipv4 ecn "ecn" 3 "ecn" "NUMBER" "Explicit congestion notification"),
    plain!("ipv4" Ipv4 total_length "total_length" 0xffff "total-length" "BYTES" "Total length"),
    plain!("ipv4" Ipv4 identification "identification" 0xffff "id" "NUMBER" "Identification (default 1)"),
    plain!("ipv4" Ipv4 reserved "reserved" 1 "reserved" "" "Set the flag that must be zero"),
    plain!("ipv4" Ipv4 df "df" 1 "df" "" "Don't fragment"),
    plain!("ipv4" Ipv4 mf "mf" 1 "mf" "" "More fragments"),
    own!("ipv4" "fragment_offset" false "offset" "BYTES" "Fragment offset, a multiple of 8"
        |spec, given| {
            let offset = u16::read(given, 65_528)?;
            if !offset.is_multiple_of(8) {
                return Err(given.refuse("a multiple of 8"));
            }
            spec.ipv4.fragment_offset = offset;
            Ok(())
        },
        |spec| spec.ipv4.fragment_offset.show(false)),
    plain!("ipv4" Ipv4 ttl "ttl" 255 "ttl" "HOPS" "Time to live (default 64)"),
    plain!("ipv4" Ipv4 protocol "protocol" 255 "protocol" "NUMBER" "Protocol (default: the transport's, or 253)"),
    plain!("ipv4" Ipv4 checksum "checksum" 0xffff "checksum" "NUMBER" "Header checksum"),
    plain!("ipv4" Ipv4 source "source" 0 "source" "ADDRESS" "Source (default: the route's)"),
    plain!("ipv4" Ipv4 destination "destination" 0 "destination" "ADDRESS" "Destination, as the word without a flag"),
    own!("ipv4" "options" true "option" "OPTION" "An option: rr:SLOTS lsrr:A,.. ssrr:A,.. ts:SLOTS ts-address:SLOTS ts-only:A,.. ra[:N] nop eol TYPE:HEX 0xHEX"
        |spec, given| {
            let mut bytes = Vec::new();
            for word in given.words()? {
                notation::ipv4_option(&word)?.write(&mut bytes);
            }
            spec.ipv4.options = bytes;
            Ok(())
        },
        |spec| list(&notation::ipv4_options(&spec.ipv4.options))),
    own!("icmp" "type" false "icmp-type" "TYPE" "ICMP type by number or name (default echo)"
        |spec, given| {
            Icmp::of_mut(spec, &given.name)?.kind = notation::icmp_type(given)?;
            Ok(())
        },
        |spec| Icmp::of(spec)?.kind.show(false)),
    plain!("icmp" Icmp code "code" 255 "icmp-code" "CODE" "ICMP code"),
    plain!("icmp" Icmp checksum "checksum" 0xffff "icmp-checksum" "NUMBER" "ICMP checksum"),
    own!("icmp" "rest" false "icmp-rest" "NUMBER" "All 32 bits behind ICMP's checksum"
    |spec, given| {
        let rest = u32::read(given, u64::from(u32::MAX))?;
        Icmp::of_mut(spec, &given.name)?.rest = rest.to_be_bytes();
        Ok(())
    },
    |spec| match Icmp::of(spec)?.kind {
        5 => None,
        kind if identified(kind) => None,
        _ => u32::from_be_bytes(Icmp::of(spec)?.rest).show(true),
    }),
    own!("icmp" "identifier" false "icmp-id" "NUMBER" "Identifier (default 1)"
        |spec, given| rest(spec, given, |[_, _, c, d], [a, b]| [a, b, c, d]),
        |spec| half(spec, |[a, b, ..]| [a, b])),
    own!("icmp" "sequence" false "icmp-sequence" "NUMBER" "Sequence number"
        |spec, given| rest(spec, given, |[a, b, ..], [c, d]| [a, b, c, d]),
        |spec| half(spec, |[_, _, c, d]| [c, d])),
    own!("icmp" "mtu" false "icmp-mtu" "BYTES" "Next-hop MTU"
        |spec, given| rest(spec, given, |[a, b, ..], [c, d]| [a, b, c, d]),
        |_| None),
    own!("icmp" "pointer" false "icmp-pointer" "BYTE" "The byte that is wrong"
        |spec, given| {
            let pointer = u8::read(given, 255)?;
            let icmp = Icmp::of_mut(spec, &given.name)?;
            let [_, rest @ ..] = &mut icmp.rest;
            let [b, c, d] = *rest;
            icmp.rest = [pointer, b, c, d];
            Ok(())
        },
        |_| None),
    own!("icmp" "gateway" false "icmp-gateway" "ADDRESS" "The better gateway"
    |spec, given| {
        let gateway = Ipv4Addr::read(given, 0)?;
        Icmp::of_mut(spec, &given.name)?.rest = gateway.octets();
        Ok(())
    },
    |spec| match Icmp::of(spec)? {
        Icmp { kind: 5, rest, .. } => Ipv4Addr::from(*rest).show(false),
        _ => None,
    }),
    plain!("icmp" Icmp length "length" 255 "icmp-length" "WORDS" "Length of the quote in 32-bit words"),
    own!("icmp" "extensions" true "icmp-extension" "OBJECT" "An extension object: mpls:LABEL/CLASS/BOTTOM/TTL,.. or CLASS/TYPE:HEX"
    |spec, given| {
        let objects: Result<Vec<_>> = given.words()?.iter().map(notation::object).collect();
        let icmp = Icmp::of_mut(spec, &given.name)?;
        icmp.extensions.get_or_insert_default().objects = objects?;
        Ok(())
    },
    |spec| {
        let objects = Icmp::of(spec)?.extensions.as_ref()?.objects.iter();
        let objects: Vec<String> = objects.map(notation::show_object).collect();
        Some(all(&objects))
    }),
    own!("icmp" "extensions_checksum" false "icmp-extensions-checksum" "NUMBER" "The extension structure's checksum"
        |spec, given| {
            let checksum = Value::read(given, 0xffff)?;
            let icmp = Icmp::of_mut(spec, &given.name)?;
            icmp.extensions.get_or_insert_with(Extensions::default).checksum = checksum;
            Ok(())
        },
        |spec| Icmp::of(spec)?.extensions.as_ref()?.checksum.show(true)),
    own!("icmp" "quote_hex" false "icmp-quote" "HEX" "The datagram an error quotes (in a spec: the tables under icmp.quote)"
        |spec, given| {
            let quote = Spec::read_datagram(&given.hex()?);
            Icmp::of_mut(spec, &given.name)?.quote = Some(Box::new(quote));
            Ok(())
        },
        |_| None),
    plain!("igmp" Igmp kind "type" 255 "igmp-type" "TYPE" "IGMP type (default 34, a report, with --igmp-record, else 17, a query)"),
    plain!("igmp" Igmp code "code" 255 "igmp-code" "NUMBER" "IGMP's second byte: maximum response time (default 100 in a query, else 0)"),
    plain!("igmp" Igmp checksum "checksum" 0xffff "igmp-checksum" "NUMBER" "IGMP checksum"),
    plain!("igmp" Igmp group "group" 0 "igmp-group" "ADDRESS" "Group"),
    own!("igmp" "records" true "igmp-record" "RECORD" "A group record of a version 3 report: TYPE:GROUP[:SOURCE,..[:HEX]] or 0xHEX; TYPE is is-include is-exclude to-include to-exclude allow block or a number, HEX auxiliary data"
    |spec, given| {
        let records: Result<Vec<_>> = given.words()?.iter().map(igmp::record).collect();
        let records = records?;
        igmp::report(spec, given, |report| report.records = records)
    },
    |spec| {
        let records = igmp::of_report(spec)?.records.iter();
        Some(all(&records.map(igmp::show_record).collect::<Vec<_>>()))
    }),
    own!("igmp" "sources" true "igmp-source" "ADDRESS" "A source of a version 3 query"
    |spec, given| {
        let words = given.words()?;
        let sources: Result<Vec<_>> = words.iter().map(|it| Ipv4Addr::read(it, 0)).collect();
        let sources = sources?;
        igmp::query(spec, given, |query| query.sources = sources)
    },
    |spec| {
        let sources = igmp::of_query(spec)?.sources.iter();
        Some(all(&sources.map(Ipv4Addr::to_string).collect::<Vec<_>>()))
    }),
    own!("igmp" "reserved" false "igmp-reserved" "NUMBER" "Reserved bits: 16 in a version 3 report, 4 in a version 3 query"
    |spec, given| if igmp::is_report(spec) {
        let reserved = u16::read(given, 0xffff)?;
        igmp::report(spec, given, |report| report.reserved = reserved)
    } else {
        let reserved = u8::read(given, 15)?;
        igmp::query(spec, given, |query| query.reserved = reserved)
    },
    |spec| match Igmp::of(spec)?.version3.as_ref()? {
        Version3::Query(query) => query.reserved.show(false),
        Version3::Report(report) => report.reserved.show(false),
    }),
    own!("igmp" "suppress" false "igmp-suppress" "" "S of a version 3 query: routers leave their timers alone"
        |spec, given| {
            let suppress = bool::read(given, 1)?;
            igmp::query(spec, given, |query| query.suppress = suppress)
        },
        |spec| igmp::of_query(spec)?.suppress.show(false)),
    own!("igmp" "qrv" false "igmp-qrv" "NUMBER" "The querier's robustness variable"
        |spec, given| {
            let robustness = u8::read(given, 7)?;
            igmp::query(spec, given, |query| query.robustness = robustness)
        },
        |spec| igmp::of_query(spec)?.robustness.show(false)),
    own!("igmp" "qqic" false "igmp-qqic" "CODE" "The querier's query interval, as a code"
        |spec, given| {
            let interval = u8::read(given, 255)?;
            igmp::query(spec, given, |query| query.interval = interval)
        },
        |spec| igmp::of_query(spec)?.interval.show(false)),
    own!("igmp" "count" false "igmp-count" "NUMBER" "Number of group records or sources"
    |spec, given| {
        let count = Value::read(given, 0xffff)?;
        if igmp::is_report(spec) {
            igmp::report(spec, given, |report| report.count = count)
        } else {
            igmp::query(spec, given, |query| query.count = count)
        }
    },
    |spec| match Igmp::of(spec)?.version3.as_ref()? {
        Version3::Query(query) => query.count.show(false),
        Version3::Report(report) => report.count.show(false),
    }),
    plain!("udp" Udp source_port "source_port" 0xffff "sport" "PORT" "Source port"),
    plain!("udp" Udp destination_port "destination_port" 0xffff "dport" "PORT" "Destination port"),
    plain!("udp" Udp length "length" 0xffff "udp-length" "BYTES" "UDP length"),
    plain!("udp" Udp checksum "checksum" 0xffff "udp-checksum" "NUMBER" "UDP checksum; 0 says that there is none"),
    plain!("tcp" Tcp source_port "source_port" 0xffff "sport" "PORT" ""),
    plain!("tcp" Tcp destination_port "destination_port" 0xffff "dport" "PORT" ""),
    plain!("tcp" Tcp sequence "sequence" 0xffff_ffff "seq" "NUMBER" "Sequence number"),
    plain!("tcp" Tcp acknowledgment "acknowledgment" 0xffff_ffff "ack" "NUMBER" "Acknowledgment number"),
    plain!("tcp" Tcp data_offset "data_offset" 15 "data-offset" "WORDS" "TCP's header length in 32-bit words"),
    own!("tcp" "flags" false "flags" "FLAGS" "Letters of FSRPAUEC, or all twelve bits as a number (default S)"
        |spec, given| {
            Tcp::of_mut(spec, &given.name)?.flags = notation::tcp_flags(given)?;
            Ok(())
        },
        |spec| Some(notation::show_tcp_flags(Tcp::of(spec)?.flags))),
    plain!("tcp" Tcp window "window" 0xffff "window" "BYTES" "Window (default 65535)"),
    plain!("tcp" Tcp checksum "checksum" 0xffff "tcp-checksum" "NUMBER" "TCP checksum"),
    plain!("tcp" Tcp urgent_pointer "urgent_pointer" 0xffff "urgent" "NUMBER" "Urgent pointer"),
    own!("tcp" "options" true "tcp-option" "OPTION" "An option: mss:BYTES ws:SHIFT sackok sack:L-R,.. ts:VALUE,REPLY nop eol KIND:HEX 0xHEX"
        |spec, given| {
            let mut bytes = Vec::new();
            for word in given.words()? {
                notation::tcp_option(&word)?.write(&mut bytes);
            }
            Tcp::of_mut(spec, &given.name)?.options = bytes;
            Ok(())
        },
        |spec| list(&notation::tcp_options(&Tcp::of(spec)?.options))),
    own!("payload" "text" false "data" "TEXT" "Payload"
        |spec, given| {
            spec.payload = given.string()?.as_bytes().to_vec();
            Ok(())
        },
        |spec| readable(&spec.payload)),
    own!("payload" "hex" false "data-hex" "HEX" "Payload in hexadecimal"
    |spec, given| {
            spec.payload = given.hex()?;
            Ok(())
        },
    |spec| match spec.payload.as_slice() {
        text if readable(text).is_some() => None,
        other => bytes(other),
    }),
    own!("payload" "file" false "data-file" "FILE" "Payload from a file; - is standard input"
        |spec, given| {
            spec.payload = super::read_limited(given.string()?, MAX_PAYLOAD)?;
            Ok(())
        },
        |_| None),
    own!("payload" "length" false "data-len" "BYTES" "So many bytes of payload: 0, 1, 2 and so on, again from 0 after 255"
        |spec, given| {
            let length = u32::read(given, MAX_PAYLOAD as u64)?;
            let bytes = (0..length).map(|at| u8::try_from(at & 0xff).unwrap_or(0));
            spec.payload = bytes.collect();
            Ok(())
        },
        |_| None),
    own!("payload" "pattern" false "data-pattern" "HEX" "These bytes over and over, instead of those of --data-len"
        |spec, given| {
            let pattern = given.hex()?;
            if pattern.is_empty() {
                return Err(given.refuse("at least one byte"));
            }
            let length = spec.payload.len();
            if length == 0 {
                return Err(given.refuse("of use without a length (--data-len)"));
            }
            spec.payload = pattern.into_iter().cycle().take(length).collect();
            Ok(())
        },
        |_| None),
    own!("frame" "trailer" false "trailer" "HEX" "Bytes behind the datagram"
    |spec, given| {
        spec.trailer = given.hex()?;
        Ok(())
    },
    |spec| bytes(&spec.trailer)),
    own!("frame" "truncate" false "truncate" "BYTES" "Send only so many bytes of the datagram"
        |spec, given| {
            spec.truncate = Some(u32::read(given, 0xffff_ffff)?);
            Ok(())
        },
        |spec| spec.truncate.show(false)),
];

/// ICMP types whose second word is identifier and sequence number.
fn identified(kind: u8) -> bool {
    matches!(kind, 0 | 8 | 13..=18 | 37 | 38)
}

/// What gives the bytes of an identifier: keys of a spec file, and flags.
pub(super) const IDENTIFYING: [(&str, &str); 4] = [
    ("identifier", "icmp-id"),
    ("rest", "icmp-rest"),
    ("pointer", "icmp-pointer"),
    ("gateway", "icmp-gateway"),
];

/// Gives an ICMP message that has an identifier the first there is. A message of zeros alone, Linux
/// answers with a checksum of zero, which is wrong.
pub(super) fn identify(spec: &mut Spec) {
    if let Transport::Icmp(icmp) = &mut spec.transport
        && identified(icmp.kind)
    {
        let [_, _, c, d] = icmp.rest;
        icmp.rest = [0, 1, c, d];
    }
}

fn rest(spec: &mut Spec, given: &Given, put: fn([u8; 4], [u8; 2]) -> [u8; 4]) -> Result<()> {
    let number = u16::read(given, 0xffff)?;
    let icmp = Icmp::of_mut(spec, &given.name)?;
    icmp.rest = put(icmp.rest, number.to_be_bytes());
    Ok(())
}

fn half(spec: &Spec, take: fn([u8; 4]) -> [u8; 2]) -> Option<String> {
    let icmp = Icmp::of(spec).filter(|icmp| identified(icmp.kind))?;
    u16::from_be_bytes(take(icmp.rest)).show(false)
}

/// Text that a person can read and change, as a spec file says it.
fn readable(bytes: &[u8]) -> Option<String> {
    let text = str::from_utf8(bytes).ok().filter(|text| !text.is_empty())?;
    let plain = |byte: u8| byte.is_ascii_graphic() || matches!(byte, b' ' | b'\n' | b'\r' | b'\t');
    let plain = text.bytes().all(plain);
    plain.then(|| quoted(text))
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Bytes as a spec file says them, if there are any.
fn bytes(bytes: &[u8]) -> Option<String> {
    (!bytes.is_empty()).then(|| format!("\"{}\"", to_hex(bytes)))
}

/// A list, if there is anything in it.
fn list(words: &[String]) -> Option<String> {
    (!words.is_empty()).then(|| all(words))
}

fn all(words: &[String]) -> String {
    let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
    format!("[{}]", words.join(", "))
}
