//! `--reassemble`: which datagrams come out, what a filter makes of them, and what is refused.

use super::{Said, decode, decode_bytes, record};

const FRAGMENTS: &str = "captures/fragments.pcap";

fn lines(words: &str) -> Vec<String> {
    let Said { out, err, code } = decode(words);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{words}");
    out.lines().map(str::to_owned).collect()
}

/// The frames of which datagrams are shown are, and from which frames they came.
fn reassembled(words: &str) -> Vec<(u64, Vec<u64>)> {
    let said = decode(&format!("--reassemble --format ndjson {words}"));
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{words}");
    let number = |value: &serde_json::Value| value.as_u64().expect("a number");
    said.objects()
        .iter()
        .filter_map(|object| {
            let frames = object.get("reassembled")?["frames"].as_array()?;
            Some((
                number(&object["frame"]),
                frames.iter().map(number).collect(),
            ))
        })
        .collect()
}

#[test]
fn the_datagram_stands_behind_the_frame_that_completes_it() {
    let both = [(3, vec![1, 2, 3]), (6, vec![4, 5, 6])];
    assert_eq!(reassembled(FRAGMENTS), both);
    let shown = lines(&format!("--reassemble {FRAGMENTS}"));
    let plain = lines(FRAGMENTS);
    assert_eq!(shown.len(), 8);
    let frames = [&shown[..3], &shown[4..7]].concat();
    assert_eq!(frames, plain, "frames are shown as ever");
    assert!(
        shown[3].ends_with("length 72 reassembled from frames 1-3"),
        "{}",
        shown[3]
    );
    for workers in [1, 2, 7] {
        assert_eq!(
            lines(&format!("--reassemble -j {workers} {FRAGMENTS}")),
            shown
        );
    }
}

#[test]
fn a_transport_checksum_is_judged_over_the_whole() {
    let said = decode(&format!("--reassemble --format ndjson {FRAGMENTS}"));
    let objects = said.objects();
    let layer = |object: usize, layer: usize| objects[object]["layers"][layer].clone();
    assert_eq!(layer(3, 2)["layer"], "udp");
    assert_eq!(layer(3, 2)["checksum_ok"], true);
    assert_eq!(layer(7, 2)["layer"], "icmpv4");
    assert_eq!(layer(7, 2)["checksum_ok"], true);
    assert_eq!(objects[3]["reassembled"]["length"], 100);
    assert_eq!(layer(3, 1)["total_length"], 100);
    assert!(
        objects
            .iter()
            .all(|object| object.get("anomalies").is_none())
    );
}

#[test]
fn a_filter_judges_each_frame_and_each_datagram() {
    // Of the frames, only the first fragment has ports; the datagram has them.
    assert_eq!(lines(&format!("{FRAGMENTS} udp port 5001")).len(), 1);
    let shown = lines(&format!("--reassemble {FRAGMENTS} udp port 5001"));
    assert_eq!(shown.len(), 2);
    assert!(
        shown[0].starts_with("1 ") && shown[1].starts_with("3 "),
        "{shown:?}"
    );
    // The first fragment of the second comes last.
    assert_eq!(
        reassembled(&format!("{FRAGMENTS} icmp[0] == 8")),
        [(6, vec![4, 5, 6])]
    );
    assert_eq!(
        reassembled(&format!("{FRAGMENTS} greater 100")),
        [(3, vec![1, 2, 3])]
    );
    assert_eq!(
        lines(&format!("--reassemble {FRAGMENTS} greater 100")).len(),
        1
    );
    assert_eq!(
        reassembled(&format!("{FRAGMENTS} ether src 02:00:00:00:00:01")).len(),
        2
    );
    assert_eq!(
        reassembled(&format!("--deep {FRAGMENTS} port 5001")).len(),
        1
    );
    assert_eq!(lines(&format!("--reassemble {FRAGMENTS} port 1")), [""; 0]);
}

#[test]
fn limits_count_a_frame_once_with_the_datagram_it_completes() {
    assert_eq!(lines(&format!("--reassemble -c 3 {FRAGMENTS}")).len(), 4);
    assert_eq!(
        lines(&format!("--reassemble --skip 3 {FRAGMENTS}")).len(),
        4
    );
    assert_eq!(
        lines(&format!("--reassemble --skip 2 -c 1 {FRAGMENTS}")).len(),
        2
    );
    // Neither of its fragments is shown for itself; the datagram counts for the last.
    let whole = format!("--reassemble {FRAGMENTS} -c 1 greater 100");
    assert_eq!(lines(&whole).len(), 1);
}

#[test]
fn counting_and_writing_go_by_datagrams_too() {
    let count = |words: &str| lines(&format!("--count --reassemble {words}"));
    assert_eq!(count(FRAGMENTS), ["6"]);
    assert_eq!(count(&format!("{FRAGMENTS} udp port 5001")), ["2"]);
    assert_eq!(count(&format!("{FRAGMENTS} greater 100")), ["1"]);
    assert_eq!(count(&format!("{FRAGMENTS} port 1")), ["0"]);
    assert_eq!(count(&format!("-c 1 {FRAGMENTS} udp port 5001")), ["1"]);
    // What a fragment is of is not known when it comes, so all of them are written; whoever reads
    // them finds the datagrams.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("x.pcapng");
    let path = path.to_str().expect("a name");
    let filter = "udp port 5001";
    assert_eq!(
        lines(&format!("--reassemble -w {path} {FRAGMENTS} {filter}")),
        [""; 0]
    );
    assert_eq!(lines(path), lines(FRAGMENTS));
    let shown = lines(&format!("--reassemble {path} {filter}"));
    assert_eq!(shown, lines(&format!("--reassemble {FRAGMENTS} {filter}")));
    // What is no fragment has to match.
    let dns = "captures/dns_udp.pcap";
    lines(&format!("--reassemble -w {path} {dns} port 1"));
    assert_eq!(lines(&format!("--count {path}")), ["0"]);
}

/// The first of two fragments of a datagram from 192.0.2.1 to 192.0.2.2.
fn half() -> Vec<u8> {
    let mut bytes = vec![0x45, 0, 0, 36, 0, 7, 0x20, 0, 64, 253, 0, 0];
    bytes.extend([192, 0, 2, 1, 192, 0, 2, 2]);
    let sum = dotquad::wire::checksum::checksum(&bytes).to_be_bytes();
    bytes[10..12].copy_from_slice(&sum);
    bytes.resize(36, 7);
    bytes
}

#[test]
fn what_never_came_shows_on_the_next_frame_of_any_kind() {
    let mut whole = half();
    // The same without the flag, under another number: no fragment.
    (whole[5], whole[6]) = (8, 0);
    whole[10..12].fill(0);
    let sum = dotquad::wire::checksum::checksum(&whole[..20]).to_be_bytes();
    whole[10..12].copy_from_slice(&sum);
    let mut capture = super::pcap_header(super::IPV4);
    capture.extend(record(1_700_000_000, 0, &half()));
    for seconds in [60, 61, 62] {
        capture.extend(record(1_700_000_000 + seconds, 0, &whole));
    }
    let odd = |options: &str| {
        let said = decode_bytes(&format!("--format ndjson {options}"), capture.clone());
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
        let objects = said.objects();
        let odd = objects.iter().filter_map(|object| {
            let ids = object.get("anomalies")?.as_array()?.iter();
            let ids: Vec<String> = ids
                .map(|found| format!("{} {}", found["id"], found["frames"]))
                .collect();
            Some((object["frame"].as_u64()?, ids.join(" ")))
        });
        odd.collect::<Vec<_>>()
    };
    let told = "\"ipv4.fragment.timeout\" [1] \"ipv4.fragment.missing_last\" [1]".to_owned();
    for options in ["", "--anomalies-only", "-j 3", "--skip 1"] {
        assert_eq!(odd(options), [(3, told.clone())], "{options}");
    }
    assert_eq!(odd("--anomalies-only -c 1"), [(3, told)]);
    let said = decode_bytes("--count --anomalies-only", capture.clone());
    assert_eq!(said.out, "1\n");
    let said = decode_bytes("--reassemble", capture);
    assert!(said.err.contains("1 not whole within 60 s"), "{}", said.err);
}

#[test]
fn an_overlap_is_resolved_as_the_named_host_would() {
    let capture = "captures/fragments_overlap.pcap";
    let made = |policy: &str| {
        let said = decode(&format!(
            "--reassemble --reassembly-policy {policy} --format ndjson {capture}"
        ));
        let frames = said.objects();
        let whole = frames
            .iter()
            .filter(|object| object.get("reassembled").is_some());
        whole
            .map(|object| object["layers"][2]["checksum_ok"].as_bool())
            .collect::<Vec<_>>()
    };
    assert_eq!(made("linux"), []);
    assert_eq!(made("first"), [Some(true), Some(true)]);
    assert_eq!(
        made("last"),
        [Some(true), Some(false)],
        "other bytes have another sum"
    );
}

#[test]
fn what_does_not_become_whole_is_said_at_the_end() {
    let said = decode("--reassemble captures/ping_of_death.pcap");
    assert_eq!(said.code, Some(0));
    assert!(
        said.err.contains("1 datagram could not be reassembled"),
        "{}",
        said.err
    );
    let mut capture = super::pcap_header(super::IPV4);
    capture.extend(record(1_700_000_000, 0, &half()));
    let said = decode_bytes("--reassemble", capture);
    let named =
        "192.0.2.1 > 192.0.2.2 experimental id 7 (frame 1, without its end): not whole at the end";
    assert!(said.err.contains(named), "{}", said.err);
    let said = decode("--reassemble captures/snaplen_cut.pcap");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
}

/// Starts of datagrams that never end, more than the memory that is allowed.
#[test]
fn memory_is_given_to_the_newest_and_the_rest_is_counted() {
    let mut capture = super::pcap_header(super::IPV4);
    for id in 0..2000_u16 {
        let mut bytes = vec![0x45, 0, 0x05, 0xdc];
        bytes.extend(id.to_be_bytes());
        bytes.extend([0x20, 0, 64, 253, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2]);
        let sum = dotquad::wire::checksum::checksum(&bytes).to_be_bytes();
        bytes[10..12].copy_from_slice(&sum);
        bytes.resize(1500, 7);
        capture.extend(record(1_700_000_000, 0, &bytes));
    }
    let said = decode_bytes("--reassemble --reassembly-mib 1", capture);
    assert_eq!((said.out.lines().count(), said.code), (2000, Some(0)));
    assert!(
        said.err.contains("2000 datagrams could not"),
        "{}",
        said.err
    );
    assert!(
        !said.err.contains(" 0 given up for want of memory"),
        "{}",
        said.err
    );
}

#[test]
fn words_that_mean_nothing_together_are_refused() {
    for words in [
        "--reassembly-mib 1",
        "--reassembly-policy last",
        "--reassemble --reassembly-mib 0",
        "--reassemble --reassembly-policy beos",
    ] {
        let said = decode(&format!("{words} {FRAGMENTS}"));
        assert_eq!(said.code, Some(2), "{words}");
        assert!(said.err.contains("--reassem"), "{words}: {}", said.err);
    }
}
