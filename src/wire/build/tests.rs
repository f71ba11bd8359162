//! Built packets taken apart again: by dotquad's own lenses, and by etherparse, which shares no
//! code with either.

use proptest::prelude::*;

use super::fragment::{Cut, Order, fragments};
use super::igmp::{Query, Record, Report, Version3};
use super::*;
use crate::wire::checksum::{Verdict, checksum};
use crate::wire::field::{Field, Group, Head, Shape, Value, Visitor};
use crate::wire::frame::{Frame, LinkType, Offload};
use crate::wire::packet::{Judge, Packet, Protocol, dissect, visit};

fn frame(bytes: &[u8], link_type: LinkType) -> Frame<'_> {
    Frame {
        number: 1,
        time: None,
        link_type,
        wire_len: u32::try_from(bytes.len()).unwrap(),
        bytes,
        interface: None,
        direction: None,
        offload: Offload::default(),
        comments: &[],
    }
}

/// Every named field of the layers a frame carries, as `layer.name`.
#[derive(Default)]
struct Fields {
    layers: Vec<&'static str>,
    groups: Vec<&'static str>,
    seen: Vec<(String, u64)>,
}

impl Visitor for Fields {
    fn layer(&mut self, head: Head) -> bool {
        self.layers.push(head.protocol.name());
        true
    }
    fn field(&mut self, field: Field<'_>) {
        let value = match field.value {
            Value::Number(number) | Value::Hex(number, _) => number,
            Value::Bool(set) => u64::from(set),
            Value::Ipv4(address) => u64::from(u32::from_be_bytes(address)),
            _ => return,
        };
        let mut name = self.layers.last().unwrap().to_string();
        // What stands in a list has no name of its own.
        for group in self
            .groups
            .iter()
            .chain([&field.name])
            .filter(|it| !it.is_empty())
        {
            name.push('.');
            name.push_str(group);
        }
        self.seen.push((name, value));
    }
    fn open(&mut self, group: Group) {
        self.groups.push(group.name);
    }
    fn close(&mut self, _: Shape) {
        self.groups.pop();
    }
    fn end_layer(&mut self) {
        self.layers.pop();
    }
}

fn seen(bytes: &[u8]) -> (Packet, Fields) {
    let frame = frame(bytes, LinkType::IPV4);
    let mut packet = Packet::new();
    dissect(&frame, Judge::ALL, &mut packet);
    let mut fields = Fields::default();
    visit(&frame, &packet, &mut fields);
    (packet, fields)
}

impl Fields {
    fn all(&self, name: &str) -> Vec<u64> {
        let found = self.seen.iter().filter(|(known, _)| known == name);
        found.map(|(_, value)| *value).collect()
    }

    fn get(&self, name: &str) -> Option<u64> {
        let found = self.seen.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value)
    }
}

/// A group record: type, group, sources, words of auxiliary data.
type Entry = (u8, u32, Vec<u32>, u8);

fn udp(payload: usize) -> Spec {
    Spec {
        ipv4: Ipv4 {
            source: Some([192, 0, 2, 1].into()),
            destination: [198, 51, 100, 2].into(),
            ..Ipv4::default()
        },
        transport: Transport::Udp(Udp {
            source_port: 1024,
            destination_port: 53,
            ..Udp::default()
        }),
        payload: (0..payload)
            .map(|at| u8::try_from(at % 251).unwrap())
            .collect(),
        ..Spec::default()
    }
}

fn any_ipv4() -> impl Strategy<Value = Ipv4> {
    let numbers = (
        0..16u8,
        0..64u8,
        0..4u8,
        any::<u16>(),
        any::<[bool; 3]>(),
        0..8192u16,
        any::<u8>(),
    );
    let addresses = (any::<u32>(), any::<u32>());
    (
        numbers,
        addresses,
        prop::collection::vec(any::<u8>(), 0..=40),
        any::<Option<u16>>(),
    )
        .prop_map(|(numbers, addresses, options, checksum)| {
            let (_, dscp, ecn, identification, [reserved, df, mf], offset, ttl) = numbers;
            Ipv4 {
                dscp,
                ecn,
                identification,
                reserved,
                df,
                mf,
                fragment_offset: offset * 8,
                ttl,
                checksum,
                source: Some(addresses.0.into()),
                destination: addresses.1.into(),
                options,
                ..Ipv4::default()
            }
        })
}

proptest! {
    #[test]
    fn an_ipv4_header_comes_back(ipv4 in any_ipv4(), payload in prop::collection::vec(any::<u8>(), 0..64)) {
        let spec = Spec { ipv4: ipv4.clone(), payload: payload.clone(), ..Spec::default() };
        let bytes = spec.datagram().unwrap();
        let (packet, fields) = seen(&bytes);
        for (name, value) in [
            ("version", 4), ("ihl", 5 + ipv4.options.len().div_ceil(4) as u64),
            ("dscp", ipv4.dscp.into()), ("ecn", ipv4.ecn.into()),
            ("total_length", bytes.len() as u64), ("identification", ipv4.identification.into()),
            ("flags.reserved", ipv4.reserved.into()), ("flags.df", ipv4.df.into()),
            ("flags.mf", ipv4.mf.into()), ("fragment_offset", ipv4.fragment_offset.into()),
            ("ttl", ipv4.ttl.into()), ("protocol", PROTOCOL_EXPERIMENT.into()),
            ("source", u32::from(ipv4.source()).into()), ("destination", u32::from(ipv4.destination).into()),
        ] {
            prop_assert_eq!(fields.get(&format!("ipv4.{name}")), Some(value), "{}", name);
        }
        if let Some(given) = ipv4.checksum {
            prop_assert_eq!(fields.get("ipv4.checksum"), Some(given.into()));
        } else {
            prop_assert_eq!(packet.layers()[0].checksum, Verdict::Good);
        }
        prop_assert!(bytes.ends_with(&payload));
    }

    #[test]
    fn etherparse_reads_the_same_header(ipv4 in any_ipv4()) {
        let spec = Spec { ipv4: Ipv4 { checksum: None, ..ipv4.clone() }, ..Spec::default() };
        let bytes = spec.datagram().unwrap();
        let (theirs, _) = etherparse::Ipv4Header::from_slice(&bytes).unwrap();
        prop_assert_eq!(theirs.dscp.value(), ipv4.dscp);
        prop_assert_eq!(theirs.ecn.value(), ipv4.ecn);
        prop_assert_eq!(usize::from(theirs.total_len), bytes.len());
        prop_assert_eq!(theirs.identification, ipv4.identification);
        prop_assert_eq!((theirs.dont_fragment, theirs.more_fragments), (ipv4.df, ipv4.mf));
        prop_assert_eq!(theirs.fragment_offset.value() * 8, ipv4.fragment_offset);
        prop_assert_eq!(theirs.time_to_live, ipv4.ttl);
        prop_assert_eq!(theirs.source, ipv4.source().octets());
        prop_assert_eq!(theirs.destination, ipv4.destination.octets());
        // It cannot say the reserved flag.
        if !ipv4.reserved {
            prop_assert_eq!(theirs.header_checksum, theirs.calc_header_checksum());
        }
    }

    #[test]
    fn a_udp_header_comes_back(ports: (u16, u16), len in 0..100usize, length: Option<u16>) {
        let transport = Transport::Udp(Udp { source_port: ports.0, destination_port: ports.1, length, checksum: None });
        let bytes = Spec { transport, ..udp(len) }.datagram().unwrap();
        let (packet, fields) = seen(&bytes);
        prop_assert_eq!(fields.get("udp.source_port"), Some(ports.0.into()));
        prop_assert_eq!(fields.get("udp.destination_port"), Some(ports.1.into()));
        prop_assert_eq!(fields.get("udp.length"), Some(length.map_or(len as u64 + 8, u64::from)));
        if length.is_none() {
            prop_assert_eq!(packet.layers()[1].checksum, Verdict::Good);
        }
    }

    #[test]
    fn a_tcp_header_comes_back(
        ports: (u16, u16), numbers: (u32, u32), flags in 0..4096u16, window: u16, urgent_pointer: u16,
        options in prop::collection::vec(any::<u8>(), 0..=40), len in 0..100usize,
    ) {
        let tcp = Tcp {
            source_port: ports.0, destination_port: ports.1, sequence: numbers.0, acknowledgment: numbers.1,
            data_offset: None, flags, window, checksum: None, urgent_pointer, options: options.clone(),
        };
        let bytes = Spec { transport: Transport::Tcp(tcp), ..udp(len) }.datagram().unwrap();
        let (theirs, rest) = etherparse::TcpHeader::from_slice(&bytes[20..]).unwrap();
        prop_assert_eq!((theirs.source_port, theirs.destination_port), ports);
        prop_assert_eq!((theirs.sequence_number, theirs.acknowledgment_number), numbers);
        prop_assert_eq!((theirs.window_size, theirs.urgent_pointer), (window, urgent_pointer));
        let bits = [theirs.fin, theirs.syn, theirs.rst, theirs.psh, theirs.ack, theirs.urg, theirs.ece, theirs.cwr, theirs.ns];
        prop_assert_eq!(bits.iter().rev().fold(0u16, |all, bit| all << 1 | u16::from(*bit)), flags & 0x1ff);
        prop_assert!(theirs.options.as_slice().starts_with(&options));
        prop_assert_eq!(rest.len(), len);
        let (packet, fields) = seen(&bytes);
        prop_assert_eq!(fields.get("tcp.sequence"), Some(numbers.0.into()));
        prop_assert_eq!(packet.layers()[1].checksum, Verdict::Good);
    }

    #[test]
    fn an_icmp_message_comes_back(kind: u8, code: u8, rest: [u8; 4], payload in prop::collection::vec(any::<u8>(), 0..64)) {
        let icmp = Icmp { kind, code, rest, ..Icmp::default() };
        let bytes = Spec { transport: Transport::Icmp(icmp), payload, ..udp(0) }.datagram().unwrap();
        prop_assert_eq!(&bytes[20..22], &[kind, code]);
        prop_assert_eq!(&bytes[24..28], &rest);
        // A sum over a message with its checksum in place is zero (RFC 1071 section 1).
        prop_assert_eq!(checksum(&bytes[20..]), 0);
    }

    #[test]
    fn the_fields_of_an_icmp_message_are_seen(kind in prop::sample::select(vec![0u8, 8]), code: u8, rest: [u8; 4], payload in prop::collection::vec(any::<u8>(), 0..64)) {
        let icmp = Icmp { kind, code, rest, ..Icmp::default() };
        let bytes = Spec { transport: Transport::Icmp(icmp), payload, ..udp(0) }.datagram().unwrap();
        let (packet, fields) = seen(&bytes);
        let [a, b, c, d] = rest.map(u64::from);
        for (name, value) in [
            ("type", kind.into()), ("code", code.into()), ("identifier", a << 8 | b), ("sequence", c << 8 | d),
        ] {
            prop_assert_eq!(fields.get(&format!("icmpv4.{name}")), Some(value), "{}", name);
        }
        prop_assert_eq!(packet.layers()[1].checksum, Verdict::Good);
    }

    #[test]
    fn an_igmp_query_comes_back(
        numbers in (any::<Option<u8>>(), 0..16u8, any::<bool>(), 0..8u8, any::<u8>()), group: u32,
        count: Option<u16>, sources in prop::collection::vec(any::<u32>().prop_map(Ipv4Addr::from), 0..9),
    ) {
        let (code, reserved, suppress, robustness, interval) = numbers;
        let query = Query { reserved, suppress, robustness, interval, count, sources: sources.clone() };
        let igmp = Igmp { code, group: group.into(), version3: Some(Version3::Query(query)), ..Igmp::default() };
        let spec = Spec { transport: Transport::Igmp(igmp), ..udp(0) };
        let bytes = spec.datagram().unwrap();
        let (packet, fields) = seen(&bytes);
        for (name, value) in [
            ("type", 0x11), ("max_resp_code", code.unwrap_or(100).into()), ("group_address", group.into()),
            ("resv", reserved.into()), ("s", suppress.into()), ("qrv", robustness.into()), ("qqic", interval.into()),
            ("number_of_sources", count.map_or(sources.len() as u64, u64::from)),
        ] {
            prop_assert_eq!(fields.get(&format!("igmp.{name}")), Some(value), "{}", name);
        }
        let read: Vec<u64> = fields.all("igmp.source_addresses");
        let said = sources.iter().map(|it| u64::from(u32::from(*it)));
        prop_assert_eq!(read, said.take(count.map_or(usize::MAX, usize::from)).collect::<Vec<_>>());
        prop_assert_eq!(packet.layers()[1].checksum, Verdict::Good);
        prop_assert_eq!(Spec::read_datagram(&bytes).datagram().unwrap(), bytes);
    }

    #[test]
    fn an_igmp_report_comes_back(
        reserved: u16, count: Option<u16>,
        records in prop::collection::vec((any::<u8>(), any::<u32>(), prop::collection::vec(any::<u32>(), 0..5), 0..4u8), 0..6),
    ) {
        let whole = |(kind, group, sources, words): &Entry| Record::Whole {
            kind: *kind,
            group: (*group).into(),
            sources: sources.iter().map(|it| Ipv4Addr::from(*it)).collect(),
            auxiliary: vec![*words; usize::from(*words) * 4],
        };
        let report = Report { reserved, count, records: records.iter().map(whole).collect() };
        let igmp = Igmp { version3: Some(Version3::Report(report)), ..Igmp::default() };
        let bytes = Spec { transport: Transport::Igmp(igmp.clone()), ..udp(0) }.datagram().unwrap();
        let (packet, fields) = seen(&bytes);
        prop_assert_eq!(&bytes[20..22], &[0x22, 0]);
        prop_assert_eq!(fields.get("igmp.flags"), Some(reserved.into()));
        let number = count.map_or(records.len() as u64, u64::from);
        prop_assert_eq!(fields.get("igmp.number_of_group_records"), Some(number));
        let counted = records.iter().take(count.map_or(usize::MAX, usize::from));
        let expected = |value: fn(&Entry) -> u64| counted.clone().map(value).collect::<Vec<_>>();
        for (name, values) in [
            ("record_type", expected(|it| it.0.into())),
            ("multicast_address", expected(|it| it.1.into())),
            ("number_of_sources", expected(|it| it.2.len() as u64)),
            ("aux_data_len", expected(|it| it.3.into())),
        ] {
            prop_assert_eq!(fields.all(&format!("igmp.group_records.{name}")), values, "{}", name);
        }
        let sources: Vec<u64> = counted.flat_map(|it| it.2.iter().copied().map(u64::from)).collect();
        prop_assert_eq!(fields.all("igmp.group_records.source_addresses"), sources);
        prop_assert_eq!(packet.layers()[1].checksum, Verdict::Good);
        // And back, the numbers that are right by themselves left open.
        let read = Spec::read_datagram(&bytes);
        prop_assert_eq!(read.datagram().unwrap(), bytes);
        if count.is_none() {
            let right = Igmp { kind: Some(0x22), code: Some(0), ..igmp };
            prop_assert_eq!(read.transport, Transport::Igmp(right));
        }
    }

    #[test]
    fn any_bytes_are_read_and_built_again(mut bytes in prop::collection::vec(any::<u8>(), 0..160), protocol in prop::sample::select(vec![1u8, 2, 6, 17, 99]), sane: bool) {
        if sane && bytes.len() >= 28 {
            bytes[0] = 0x45;
            bytes[6..8].fill(0);
            bytes[9] = protocol;
            let len = u16::try_from(bytes.len()).unwrap();
            bytes[2..4].copy_from_slice(&len.to_be_bytes());
        }
        let frame = frame(&bytes, LinkType::IPV4);
        let mut packet = Packet::new();
        dissect(&frame, Judge::ALL, &mut packet);
        if packet.layers().first().is_some_and(|layer| layer.protocol == Protocol::Ipv4) {
            let spec = Spec::read(&frame, &packet).unwrap();
            prop_assert_eq!(spec.frame().unwrap(), bytes);
        }
    }

    #[test]
    fn fragments_join_to_the_datagram(len in 0..4000usize, mtu in 68..1500u16, options in prop::sample::select(vec![vec![], vec![148, 4, 0, 0], vec![7, 7, 4, 0, 0, 0, 0, 148, 4, 0, 0]]), mf: bool, base in 0..100u16) {
        let mut spec = udp(len);
        spec.ipv4.options = options;
        spec.ipv4.mf = mf;
        spec.ipv4.fragment_offset = base * 8;
        let whole = spec.datagram().unwrap();
        let header = usize::from(whole[0] & 15) * 4;
        let mut joined = Vec::new();
        let pieces = fragments(&whole, &Cut { mtu, ..Cut::default() }).unwrap();
        for (at, piece) in pieces.iter().enumerate() {
            let own = usize::from(piece[0] & 15) * 4;
            let word = u16::from_be_bytes([piece[6], piece[7]]);
            prop_assert!(piece.len() <= usize::from(mtu));
            prop_assert_eq!(checksum(&piece[..own]), 0);
            prop_assert_eq!(usize::from(u16::from_be_bytes([piece[2], piece[3]])), piece.len());
            prop_assert_eq!(usize::from(word & 0x1fff) * 8, usize::from(base) * 8 + joined.len());
            prop_assert_eq!(word & 0x2000 != 0, mf || at + 1 < pieces.len());
            joined.extend_from_slice(&piece[own..]);
        }
        prop_assert_eq!(&joined, &whole[header..]);
    }
}

#[test]
fn what_is_given_is_taken_literally() {
    let mut spec = udp(4);
    spec.ipv4.version = 6;
    spec.ipv4.ihl = Some(15);
    spec.ipv4.total_length = Some(1);
    spec.ipv4.protocol = Some(6);
    spec.ipv4.checksum = Some(0xdead);
    spec.transport = Transport::Udp(Udp {
        length: Some(3),
        checksum: Some(0),
        ..Udp::default()
    });
    let bytes = spec.datagram().unwrap();
    assert_eq!(bytes[..4], [0x6f, 0, 0, 1]);
    assert_eq!(bytes[9..12], [6, 0xde, 0xad]);
    assert_eq!(bytes[20..], [0, 0, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3]);
}

/// RFC 4884 section 5.1 and RFC 4950: the quote is padded to 128 bytes and its length said in
/// words, and the structure has a checksum of its own.
#[test]
fn an_error_with_a_label_stack_is_as_rfc_4950_has_it() {
    let entry = Object::mpls_entry(24_001, 5, true, 1);
    assert_eq!(entry, [0x05, 0xdc, 0x1b, 0x01]);
    let icmp = Icmp {
        kind: 11,
        quote: Some(Box::new(udp(4))),
        extensions: Some(Extensions {
            checksum: None,
            objects: vec![Object {
                class: 1,
                kind: 1,
                data: entry.to_vec(),
            }],
        }),
        ..Icmp::default()
    };
    let spec = Spec {
        transport: Transport::Icmp(icmp),
        ..udp(0)
    };
    let bytes = spec.datagram().unwrap();
    let message = &bytes[20..];
    assert_eq!(message.len(), 8 + 128 + 4 + 8);
    assert_eq!(message[5], 32);
    assert_eq!(checksum(&message[136..]), 0);
    assert_eq!(message[136..138], [0x20, 0]);
    assert_eq!(message[140..148], [0, 8, 1, 1, 0x05, 0xdc, 0x1b, 0x01]);
    let (packet, fields) = seen(&bytes);
    assert_eq!(packet.anomalies(), []);
    assert_eq!(fields.get("udp.quoted.layers.destination_port"), Some(53));
    // And back, with everything that is right by itself left open.
    let read = Spec::read(&frame(&bytes, LinkType::IPV4), &packet).unwrap();
    assert_eq!(read, spec);
}

#[test]
fn what_cannot_be_right_is_refused_and_named() {
    let mut spec = udp(0);
    spec.ipv4.options = vec![1; 41];
    let error = spec.datagram().unwrap_err().to_string();
    assert!(error.contains("options") && error.contains("40"), "{error}");
    let error = udp(65_508).datagram().unwrap_err().to_string();
    assert!(error.contains("65535"), "{error}");
    assert_eq!(udp(65_507).datagram().unwrap().len(), 65_535);
}

#[test]
fn fragments_can_be_wrong_on_purpose() {
    let whole = udp(100).datagram().unwrap();
    let offsets = |cut: &Cut| -> Vec<(u16, usize)> {
        let pieces = fragments(&whole, cut).unwrap();
        pieces
            .iter()
            .map(|piece| {
                let word = u16::from_be_bytes([piece[6], piece[7]]);
                ((word & 0x1fff) * 8, piece.len() - 20)
            })
            .collect()
    };
    let cut = Cut {
        mtu: 68,
        ..Cut::default()
    };
    assert_eq!(offsets(&cut), [(0, 48), (48, 48), (96, 12)]);
    let overlap = Cut { overlap: 8, ..cut };
    assert_eq!(offsets(&overlap), [(0, 48), (40, 48), (80, 28)]);
    let gap = Cut { gap: 16, ..cut };
    assert_eq!(offsets(&gap), [(0, 48), (64, 44)]);
    let order = |order| offsets(&Cut { order, ..cut });
    assert_eq!(order(Order::Reverse), [(96, 12), (48, 48), (0, 48)]);
    let shuffled = order(Order::Random { seed: 7 });
    assert_eq!(shuffled, order(Order::Random { seed: 7 }));
    let orders: std::collections::HashSet<_> =
        (0..64).map(|seed| order(Order::Random { seed })).collect();
    assert!(orders.len() >= 5, "{orders:?}");
    for bad in [
        Cut { mtu: 67, ..cut },
        Cut { overlap: 4, ..cut },
        Cut { overlap: 48, ..cut },
        Cut { gap: 56 * 8, ..cut },
    ] {
        assert!(fragments(&whole, &bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_rewritten_frame_has_the_checksums_of_its_new_addresses() {
    let rewrite = Rewrite {
        source: Some([10, 9, 8, 7].into()),
        destination: Some([203, 0, 113, 255].into()),
        source_mac: Some([2, 0, 0, 0, 0, 9]),
        destination_mac: Some([2, 0, 0, 0, 0, 8]),
    };
    let tcp = Transport::Tcp(Tcp::default());
    let absent = Transport::Udp(Udp {
        checksum: Some(0),
        ..Udp::default()
    });
    for transport in [
        udp(0).transport,
        tcp,
        absent,
        Transport::Icmp(Icmp::default()),
    ] {
        let mut spec = Spec {
            ethernet: Some(Ethernet::default()),
            transport,
            ..udp(33)
        };
        let bytes = spec.frame().unwrap();
        let frame = frame(&bytes, LinkType::ETHERNET);
        let mut packet = Packet::new();
        dissect(&frame, Judge::ALL, &mut packet);
        let mut out = Vec::new();
        rewrite.apply(&frame, &packet, &mut out);
        spec.ipv4.source = Some([10, 9, 8, 7].into());
        spec.ipv4.destination = [203, 0, 113, 255].into();
        spec.ethernet = Some(Ethernet {
            destination: Some([2, 0, 0, 0, 0, 8]),
            source: Some([2, 0, 0, 0, 0, 9]),
            ..Ethernet::default()
        });
        assert_eq!(out, spec.frame().unwrap());
    }
}
