//! Frames that lie: every one becomes one object that says what could be read, and why no more.

use serde_json::Value;

use super::{
    ETHERNET, IPV4, anomalies, checksum, decode_bytes, ipv4, ipv4_with, layer, objects, pcap,
    pcap_header, put, udp,
};

/// The one object of a raw IPv4 frame.
fn one(frame: &[u8]) -> Value {
    only(objects(pcap(IPV4, &[frame.to_vec()])))
}

fn only(mut objects: Vec<Value>) -> Value {
    assert_eq!(objects.len(), 1, "one frame is one object");
    objects.remove(0)
}

/// The IPv4 layer of a raw frame.
fn header(frame: &[u8]) -> Value {
    let object = one(frame);
    layer(&object, "ipv4").cloned().expect("there is a header")
}

/// A datagram whose header was changed and whose checksum was made right again.
fn changed(frame: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut frame = frame.to_vec();
    change(&mut frame);
    let end = frame.len().min(20);
    put(&mut frame, 10, 0);
    let sum = checksum(&frame[..end]);
    put(&mut frame, 10, sum);
    frame
}

/// A frame of which only this many bytes were captured.
fn snapped(frame: &[u8], captured: usize) -> Value {
    let length = |bytes: usize| u32::try_from(bytes).expect("a frame is small");
    let mut bytes = pcap_header(IPV4);
    let words = [0, 0, length(captured), length(frame.len())];
    bytes.extend(words.map(u32::to_le_bytes).concat());
    bytes.extend_from_slice(&frame[..captured]);
    only(objects(bytes))
}

#[test]
fn a_header_that_lies_is_shown_field_by_field_all_the_same() {
    let good = udp(b"data");
    for version in (0..16).filter(|version| *version != 4) {
        let object = one(&changed(&good, |frame| frame[0] = version << 4 | 5));
        assert!(anomalies(&object).contains(&"ipv4.version"), "{object}");
        let header = layer(&object, "ipv4").expect("the link type says it is IPv4");
        assert_eq!(
            (&header["version"], &header["ttl"]),
            (&version.into(), &64.into())
        );
    }
    for ihl in 0..5 {
        let object = one(&changed(&good, |frame| frame[0] = 0x40 | ihl));
        assert!(anomalies(&object).contains(&"ipv4.ihl.short"), "{object}");
        assert_eq!(
            layer(&object, "ipv4").map(|header| &header["destination"]),
            Some(&"198.51.100.2".into())
        );
        assert!(
            layer(&object, "udp").is_none(),
            "where the payload starts is not known"
        );
    }
    let object = one(&changed(&good, |frame| frame[0] = 0x4f));
    assert!(
        anomalies(&object).contains(&"ipv4.ihl.truncated"),
        "{object}"
    );
    assert!(object["stopped"]["reason"].is_string(), "{object}");
}

#[test]
fn the_payload_is_no_more_than_was_promised_and_no_more_than_there_is() {
    let good = udp(b"12345678");
    let payload = |object: &Value| layer(object, "payload").map(|layer| layer["length"].clone());
    // Shorter than the header.
    let object = one(&changed(&good, |frame| put(frame, 2, 19)));
    assert!(
        anomalies(&object).contains(&"ipv4.total_length.short"),
        "{object}"
    );
    // Longer than the frame was on the wire.
    let object = one(&changed(&good, |frame| put(frame, 2, 37)));
    assert!(
        anomalies(&object).contains(&"ipv4.total_length.truncated"),
        "{object}"
    );
    assert_eq!(payload(&object), Some(8.into()));
    // Longer than was captured: the snaplen's doing.
    let object = snapped(&good, 32);
    assert_eq!(
        (anomalies(&object), payload(&object)),
        (vec![], Some(8.into()))
    );
    let captured = layer(&object, "payload").map(|layer| &layer["captured"]);
    assert_eq!(captured, Some(&4.into()));
    // 0, as segmentation offload leaves it: all there is.
    let object = one(&changed(&good, |frame| put(frame, 2, 0)));
    assert!(
        anomalies(&object).contains(&"ipv4.total_length.zero"),
        "{object}"
    );
    assert_eq!(payload(&object), Some(8.into()));
    // Less than there is: the rest is a trailer and nobody's data.
    let object = one(&changed(&good, |frame| frame.extend(b"trailer")));
    assert_eq!(payload(&object), Some(8.into()));
    assert_eq!(
        layer(&object, "trailer").map(|layer| &layer["length"]),
        Some(&7.into())
    );
}

#[test]
fn no_list_of_options_goes_on_for_ever() {
    let past = |bytes: &[u8]| {
        let mut options = bytes.to_vec();
        options.resize(bytes.len().next_multiple_of(4), 0);
        one(&ipv4_with(
            &options,
            17,
            &[0x13, 0x88, 0x13, 0x89, 0, 8, 0, 0],
        ))
    };
    for (options, id) in [
        (&[7, 0, 4, 0][..], Some("ipv4.option.length")),
        (&[7, 1, 4, 0], Some("ipv4.option.length")),
        (&[7, 40, 4, 0], Some("ipv4.option.length")),
        (&[1, 1, 1, 7], Some("ipv4.option.length")),
        (&[1; 40], None),
        (&[0, 0xde, 0xad, 0xbe], None),
        (&[7, 7, 3, 0, 0, 0, 0], Some("ipv4.option.pointer")),
        // Past the end is how a full route says so (RFC 791 section 3.1).
        (&[7, 7, 200, 0, 0, 0, 0], None),
        (&[68, 8, 1, 0, 0, 0, 0, 0], Some("ipv4.option.pointer")),
    ] {
        let object = past(options);
        assert_eq!(
            anomalies(&object).first().copied(),
            id,
            "{options:?}: {object}"
        );
        assert!(
            layer(&object, "udp").is_some(),
            "{options:?}: what follows is found"
        );
        let shown = layer(&object, "ipv4").map(|header| header["options"].to_string());
        assert!(shown.is_some_and(|shown| shown != "[]"), "{options:?}");
    }
    // Nine addresses are all that fit: three bytes and 36.
    let mut full = vec![7, 39, 40];
    full.extend([192, 0, 2, 9].repeat(9));
    let object = past(&full);
    assert_eq!(
        object.to_string().matches("192.0.2.9").count(),
        9,
        "{object}"
    );
}

/// A fragment of datagram `id` at this offset in bytes.
fn fragment(id: u16, offset: u16, more: bool, data: &[u8]) -> Vec<u8> {
    changed(&ipv4(17, data), |frame| {
        put(frame, 4, id);
        put(frame, 6, offset / 8 | u16::from(more) << 13);
    })
}

#[test]
fn fragments_are_compared_and_never_made_up() {
    let ids = |frames: &[Vec<u8>]| -> Vec<String> {
        let objects = objects(pcap(IPV4, frames));
        objects
            .iter()
            .map(|object| anomalies(object).join(" "))
            .collect()
    };
    let data = [1; 16];
    // The ping of death: past 65,535 bytes.
    assert_eq!(
        ids(&[fragment(1, 65_528, false, &[0; 8])]),
        ["ipv4.fragment.oversize"]
    );
    // Teardrop: other bytes where bytes have been.
    let found = ids(&[fragment(1, 0, true, &data), fragment(1, 8, false, &[2; 16])]);
    assert_eq!(found, ["", "ipv4.fragment.overlap ipv4.fragment.conflict"]);
    // Duplicates are legal, and so is any order.
    let (first, last) = (fragment(1, 0, true, &data), fragment(1, 16, false, &data));
    assert_eq!(
        ids(&[last.clone(), first.clone(), first, last]),
        ["", "", "", ""]
    );
    assert_eq!(
        ids(&[fragment(1, 0, true, &[1; 15])]),
        ["ipv4.fragment.unaligned"]
    );
    // Datagrams are told apart.
    assert_eq!(
        ids(&[fragment(1, 0, true, &data), fragment(2, 8, false, &[2; 16])]),
        ["", ""]
    );
    let objects = objects(pcap(
        IPV4,
        &[fragment(1, 0, true, &data), fragment(1, 8, false, &[2; 16])],
    ));
    assert_eq!(
        objects[1]["anomalies"][0]["frames"],
        serde_json::json!([1]),
        "{}",
        objects[1]
    );
}

#[test]
fn later_fragments_have_no_transport_header() {
    let looks_like_udp = &udp(b"data")[20..];
    for protocol in [1, 2, 6, 17] {
        let later = changed(&ipv4(protocol, looks_like_udp), |frame| {
            put(frame, 6, 0x2001)
        });
        let object = one(&later);
        let names: Vec<_> = object["layers"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|layer| &layer["layer"])
            .collect();
        assert_eq!(names, ["ipv4", "payload"], "{object}");
    }
}

#[test]
fn fragments_of_all_datagrams_at_once_stay_within_bounds() {
    let frames: Vec<Vec<u8>> = (0..=u16::MAX)
        .map(|id| fragment(id, 0, true, &[0; 1400]))
        .collect();
    let capture = super::file(&pcap(IPV4, &frames));
    // 95 MB of fragments, more than may be remembered of them.
    let script = "ulimit -v 262144; exec \"$0\" decode -j 1 \"$1\"";
    let output = std::process::Command::new("bash")
        .args(["-c", script])
        .args([assert_cmd::cargo::cargo_bin!("dotquad"), capture.path()])
        .env("MALLOC_ARENA_MAX", "1")
        .output();
    let said = super::Said::from(output.expect("it runs"));
    assert_eq!(
        (said.out.lines().count(), said.code),
        (65_536, Some(0)),
        "{}",
        said.err
    );
}

#[test]
fn a_header_checksum_is_right_wrong_or_not_to_be_judged() {
    let good = udp(b"data");
    assert_eq!(header(&good)["checksum_ok"], true);
    for wrong in [0x0000, 0xffff, 0x1234] {
        let mut bad = good.clone();
        put(&mut bad, 10, wrong);
        let object = one(&bad);
        assert_eq!(
            layer(&object, "ipv4").map(|header| &header["checksum_ok"]),
            Some(&false.into())
        );
        assert_eq!(anomalies(&object), ["ipv4.checksum.bad"], "{wrong:#06x}");
    }
    // A sum that comes out as 0 is written 0 (RFC 1071), which is right then.
    let zero = changed(&good, |frame| {
        let sum = u16::from_be_bytes([frame[10], frame[11]]);
        let id = u16::from_be_bytes([frame[4], frame[5]]);
        let (id, carry) = id.overflowing_add(sum);
        put(frame, 4, id + u16::from(carry));
    });
    assert_eq!(&zero[10..12], &[0, 0], "the sum of all words is 0xffff");
    assert_eq!(header(&zero)["checksum_ok"], true);
    let cut = snapped(&good, 19);
    let shown = layer(&cut, "ipv4").expect("what there is of it");
    assert!(
        shown.get("checksum_ok").is_none_or(Value::is_null),
        "{shown}"
    );
    assert_eq!(anomalies(&cut), Vec::<&str>::new());
}

/// An ICMP message with its checksum.
fn icmp(kind: u8, code: u8, rest: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend(rest);
    message.extend_from_slice(data);
    let sum = checksum(&message);
    put(&mut message, 2, sum);
    ipv4(1, &message)
}

#[test]
fn a_quote_is_read_as_far_as_it_goes() {
    let quoted = udp(b"data");
    for length in [0, 1, 7, 8, 19, 20, 27, 28, 32] {
        let object = one(&icmp(11, 0, [0; 4], &quoted[..length]));
        let error = layer(&object, "icmpv4").expect("there is an error");
        let layers = error["quoted"]["layers"].as_array().map_or(0, Vec::len);
        assert_eq!(layers > 0, length > 0, "{length}: {error}");
        let short = anomalies(&object).contains(&"icmpv4.quote.short");
        assert_eq!(short, length < 28, "{length}: {object}");
        if length >= 20 {
            assert_eq!(error["quoted"]["layers"][0]["destination"], "198.51.100.2");
        }
        if length >= 28 {
            assert_eq!(error["quoted"]["layers"][1]["destination_port"], 5001);
        }
    }
    for first in [0x40, 0x4f, 0x45 ^ 0xf0, 0x00, 0xff] {
        let lying = changed(&quoted, |frame| frame[0] = first);
        let object = one(&icmp(3, 1, [0; 4], &lying));
        assert!(layer(&object, "icmpv4").is_some(), "{object}");
    }
}

#[test]
fn errors_about_errors_end_somewhere() {
    let mut message = udp(b"data");
    for _ in 0..20 {
        message = icmp(3, 1, [0; 4], &message);
    }
    let object = one(&message);
    assert!(
        anomalies(&object).contains(&"icmpv4.error.about_error"),
        "{object}"
    );
    let depth = object.to_string().matches("\"quoted\"").count();
    assert!((1..=5).contains(&depth), "{depth}");
}

#[test]
fn extensions_that_lie_are_marked_and_end() {
    // 128 bytes of quote (length 32 words), then the extension structure of RFC 4884.
    let with = |length: u8, objects: &[u8]| {
        let mut data = udp(&[0; 100]);
        data.truncate(128);
        let mut extension = vec![0x20, 0, 0, 0];
        extension.extend_from_slice(objects);
        let sum = checksum(&extension);
        put(&mut extension, 2, sum);
        data.extend(extension);
        one(&icmp(11, 0, [0, length, 0, 0], &data))
    };
    let mpls = [0, 8, 1, 1, 0x05, 0xdc, 0x11, 0x40];
    let fine = with(32, &mpls);
    assert!(
        !anomalies(&fine).iter().any(|id| id.contains("extension")),
        "{fine}"
    );
    assert!(fine.to_string().contains("24001"), "{fine}");
    for objects in [
        &[0, 0, 1, 1][..],
        &[0, 3, 1, 1],
        &[0xff, 0xff, 1, 1],
        &[0, 9, 1, 1, 0, 0, 0, 0],
    ] {
        let lying = with(32, objects);
        assert!(
            anomalies(&lying).contains(&"icmpv4.extension.length"),
            "{objects:?}: {lying}"
        );
    }
    // A length that points past the message.
    let lying = with(255, &mpls);
    assert!(layer(&lying, "icmpv4").is_some(), "{lying}");
    // A thousand labels in one object.
    let mut stack = (4 + 4000_u16).to_be_bytes().to_vec();
    stack.extend([1, 1]);
    stack.extend([0x05, 0xdc, 0x10, 0x40].repeat(1000));
    let many = with(32, &stack);
    assert_eq!(many.to_string().matches("24001").count(), 1000);
}

#[test]
fn transport_lengths_that_lie_are_marked() {
    let message = |length: u16| {
        let mut bytes = [5000, 5001, length, 0].map(u16::to_be_bytes).concat();
        bytes.extend(b"12345678");
        one(&ipv4(17, &bytes))
    };
    assert!(anomalies(&message(7)).contains(&"udp.length.short"));
    assert!(anomalies(&message(17)).contains(&"udp.length.long"));
    assert_eq!(anomalies(&message(16)), Vec::<&str>::new());
    assert_eq!(anomalies(&message(8)), Vec::<&str>::new());
    // 0 stands for more than 16 bits can say (RFC 2675), which no IPv4 datagram holds.
    assert!(anomalies(&message(0)).contains(&"udp.length.short"));

    let segment = |words: u8, options: &[u8]| {
        let mut bytes = vec![
            0x13,
            0x88,
            0x13,
            0x89,
            0,
            0,
            0,
            1,
            0,
            0,
            0,
            0,
            words << 4,
            2,
            4,
            0,
            0,
            0,
            0,
            0,
        ];
        bytes.extend_from_slice(options);
        let mut pseudo = vec![192, 0, 2, 1, 198, 51, 100, 2, 0, 6];
        pseudo.extend(
            u16::try_from(bytes.len())
                .expect("it is short")
                .to_be_bytes(),
        );
        pseudo.extend_from_slice(&bytes);
        let sum = checksum(&pseudo);
        put(&mut bytes, 16, sum);
        one(&ipv4(6, &bytes))
    };
    for words in 0..5 {
        assert!(
            anomalies(&segment(words, &[])).contains(&"tcp.data_offset.short"),
            "{words}"
        );
    }
    for words in 6..16 {
        assert!(
            anomalies(&segment(words, &[])).contains(&"tcp.data_offset.long"),
            "{words}"
        );
    }
    for options in [[2, 0, 0, 0], [2, 1, 0, 0], [2, 200, 0, 0], [1, 1, 1, 2]] {
        assert!(
            anomalies(&segment(6, &options)).contains(&"tcp.option.length"),
            "{options:?}"
        );
    }
    assert_eq!(anomalies(&segment(6, &[2, 4, 5, 0xb4])), Vec::<&str>::new());
}

#[test]
fn what_is_stacked_without_end_ends_and_says_so() {
    let mut tags = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2].to_vec();
    tags.extend([0x81, 0, 0, 1].repeat(20));
    tags.extend([0x08, 0]);
    tags.extend(udp(b"data"));
    let object = only(objects(pcap(ETHERNET, &[tags])));
    let count = |name: &str, object: &Value| {
        let layers = object["layers"].as_array().into_iter().flatten();
        layers.filter(|layer| layer["layer"] == name).count()
    };
    assert_eq!(count("vlan", &object), 20, "{object}");
    assert!(layer(&object, "udp").is_some(), "{object}");

    let mut inside = udp(b"data");
    for _ in 0..60 {
        inside = ipv4(4, &inside);
    }
    let object = one(&inside);
    assert!((10..61).contains(&count("ipv4", &object)), "{object}");
    assert!(
        object["stopped"]["reason"]
            .as_str()
            .is_some_and(|why| why.contains("layers")),
        "{object}"
    );

    let mut inside = udp(b"data");
    for _ in 0..60 {
        inside = ipv4(47, &[&[0, 0, 8, 0], inside.as_slice()].concat());
    }
    let object = one(&inside);
    assert!(object["stopped"]["reason"].is_string(), "{object}");
}

#[test]
fn frames_of_hardly_any_bytes_are_frames() {
    let lengths = [0, 1, 13, 14];
    let frames: Vec<Vec<u8>> = lengths.iter().map(|length| vec![0; *length]).collect();
    let objects = objects(pcap(ETHERNET, &frames));
    assert_eq!(objects.len(), lengths.len());
    for (object, length) in objects.iter().zip(lengths) {
        assert_eq!(object["caplen"], length, "{object}");
        assert!(layer(object, "ipv4").is_none(), "{object}");
    }
    let said = decode_bytes("", pcap(ETHERNET, &frames));
    assert_eq!((said.out.lines().count(), said.code), (4, Some(0)));
}
