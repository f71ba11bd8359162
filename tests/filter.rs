//! Filters over the captures: which frames each expression matches, what the command lines say,
//! and that programs are those tcpdump makes where the two agree on what is best.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::collections::HashMap;
use std::path::PathBuf;

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;
use dotquad::capture::{FrameSource, open};
use dotquad::filter::{Expression, Filter, Fragments, NoNames, Options, Target};

#[path = "filter/table.rs"]
mod table;

fn capture(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "captures", name]
        .iter()
        .collect()
}

/// The numbers of the frames that match.
fn matched(name: &str, text: &str, deep: bool) -> Vec<u64> {
    let expression = Expression::parse(text).expect(text);
    let mut filters = HashMap::new();
    let mut fragments = Fragments::new();
    let mut found = Vec::new();
    let mut reader = open(&capture(name)).expect(name);
    while let Some(batch) = reader.next_batch().expect(name) {
        for frame in batch.frames() {
            let filter = filters.entry(frame.link_type.0).or_insert_with(|| {
                let options = Options {
                    deep,
                    target: Target::File,
                    link_type: frame.link_type,
                    snaplen: 0,
                    netmask: None,
                    resolve: &NoNames,
                };
                Filter::compile(&expression, &options).expect(text)
            });
            let matches = if deep {
                fragments.matches(filter, &frame)
            } else {
                filter.matches(&frame)
            };
            if matches {
                found.push(frame.number);
            }
        }
    }
    found
}

fn compare(rows: table::Rows, deep: bool) {
    let mut wrong = Vec::new();
    for (name, expressions) in rows {
        for (text, expected) in *expressions {
            let found = matched(name, text, deep);
            if found != *expected {
                wrong.push(format!("{name} {text}: {found:?}, not {expected:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_expression_matches_the_frames_tcpdump_matches() {
    let count: usize = table::PEERS.iter().map(|(_, rows)| rows.len()).sum();
    assert!(count > 150, "the table has {count} rows");
    compare(table::PEERS, false);
}

#[test]
fn where_tcpdump_differs_the_bytes_decide() {
    compare(table::OWN, false);
}

#[test]
fn deep_expressions_match_what_is_inside() {
    compare(table::DEEP, true);
}

/// What the program says: exit status, standard output, standard error.
fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command: Command = cargo_bin_cmd!("dotquad");
    let output = command
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(args)
        .output()
        .expect("it runs");
    let text = |bytes| String::from_utf8(bytes).expect("it speaks UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Programs as tcpdump 4.99 prints them with -d, -dd and -ddd for Ethernet.
const PROGRAMS: &[(&str, &str, &str)] = &[
    (
        "arp",
        "asm",
        "(000) ldh      [12]\n\
         (001) jeq      #0x806           jt 2\tjf 3\n\
         (002) ret      #262144\n\
         (003) ret      #0\n",
    ),
    (
        "arp",
        "c",
        "{ 0x28, 0, 0, 0x0000000c },\n\
         { 0x15, 0, 1, 0x00000806 },\n\
         { 0x6, 0, 0, 0x00040000 },\n\
         { 0x6, 0, 0, 0x00000000 },\n",
    ),
    (
        "arp",
        "decimal",
        "4\n40 0 0 12\n21 0 1 2054\n6 0 0 262144\n6 0 0 0\n",
    ),
    (
        "tcp port 80",
        "asm",
        "(000) ldh      [12]\n\
         (001) jeq      #0x86dd          jt 2\tjf 8\n\
         (002) ldb      [20]\n\
         (003) jeq      #0x6             jt 4\tjf 19\n\
         (004) ldh      [54]\n\
         (005) jeq      #0x50            jt 18\tjf 6\n\
         (006) ldh      [56]\n\
         (007) jeq      #0x50            jt 18\tjf 19\n\
         (008) jeq      #0x800           jt 9\tjf 19\n\
         (009) ldb      [23]\n\
         (010) jeq      #0x6             jt 11\tjf 19\n\
         (011) ldh      [20]\n\
         (012) jset     #0x1fff          jt 19\tjf 13\n\
         (013) ldxb     4*([14]&0xf)\n\
         (014) ldh      [x + 14]\n\
         (015) jeq      #0x50            jt 18\tjf 16\n\
         (016) ldh      [x + 16]\n\
         (017) jeq      #0x50            jt 18\tjf 19\n\
         (018) ret      #262144\n\
         (019) ret      #0\n",
    ),
    (
        "ip[6:2] & 0x1fff != 0",
        "decimal",
        "6\n40 0 0 12\n21 0 3 2048\n40 0 0 20\n69 0 1 8191\n6 0 0 262144\n6 0 0 0\n",
    ),
];

#[test]
fn programs_are_written_as_tcpdump_writes_them() {
    for (text, format, expected) in PROGRAMS {
        let (code, out, _) = run(&["filter", "--format", format, text]);
        assert_eq!(code, Some(0), "{text}");
        assert_eq!(out, *expected, "{text} as {format}");
    }
}

#[test]
fn the_program_is_explained() {
    let (code, _, said) = run(&["filter", "tcp", "port", "80", "or", "443"]);
    assert_eq!(code, Some(0));
    assert!(said.contains("destination port 443"), "{said}");
    assert!(said.contains("exact"), "{said}");
    let (_, _, said) = run(&["filter", "--deep", "port", "80"]);
    assert!(said.contains("superset"), "{said}");
    let (_, out, said) = run(&["filter", "--link-type", "NULL", "ip"]);
    let family = 2_u32.to_ne_bytes();
    let compared = format!("jeq      #{:#x} ", u32::from_be_bytes(family));
    assert!(out.contains(&compared), "{out}");
    assert_eq!(out.lines().count(), 4, "as tcpdump's: {out}");
    assert!(said.contains("byte order"), "{said}");
}

#[test]
fn errors_put_a_caret_under_the_word() {
    for words in [
        &["filter", "tcp", "port", "htpp"][..],
        &["decode", "captures/arp.pcap", "tcp", "port", "htpp"],
        &["decode", "captures/arp.pcap", "tcp port htpp"],
    ] {
        let (code, out, said) = run(words);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{words:?}");
        let lines: Vec<&str> = said.lines().collect();
        let [message, shown, caret] = lines.as_slice() else {
            panic!("{said}")
        };
        assert!(message.contains("expected"), "{said}");
        assert_eq!(shown.trim_start(), "tcp port htpp", "{said}");
        assert_eq!(shown.find("htpp"), caret.find('^'), "{said}");
        assert_eq!(caret.trim(), "^^^^", "{said}");
    }
    // In the language, but not on this link type; it is known when the first frame comes.
    let (code, _, said) = run(&["decode", "captures/raw_ip.pcap", "icmp and vlan 3"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("no VLAN tags here"), "{said}");
}

#[test]
fn what_can_never_match_is_said() {
    let (code, out, said) = run(&["filter", "--link-type", "RAW", "arp"]);
    assert_eq!((code, out.as_str()), (Some(0), "(000) ret      #0\n"));
    assert!(said.contains("no frame of this link type can match"));
    let (code, out, said) = run(&["decode", "captures/raw_ip.pcap", "arp"]);
    assert_eq!((code, out.as_str()), (Some(0), ""));
    assert!(said.contains("no frame of link type RAW can match"));
}

#[test]
fn a_hostile_expression_is_refused() {
    // Words as long as the system lets one be (MAX_ARG_STRLEN is 128 KiB).
    let hostile = [
        "(".repeat(100_000),
        format!("1 = {}1", "-".repeat(100_000)),
        format!("ip[0]{} = 1", " + ip[0]".repeat(15_000)),
        format!("tcp{}", " and (udp or icmp".repeat(7_000)),
    ];
    for text in &hostile {
        let (code, out, said) = run(&["decode", "captures/arp.pcap", text]);
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(said.len() < 1000, "what is shown is short");
        assert!(said.contains("nested too deeply"), "{said}");
    }
}

#[test]
fn the_number_of_workers_changes_nothing() {
    for words in [
        &["captures/tour.pcapng", "udp", "or", "arp"][..],
        &["--deep", "captures/tour.pcapng", "src port 31337"],
        &["--deep", "captures/fragments.pcap", "port", "5000"],
        &["--format", "ndjson", "captures/ipv6.pcap", "port 80"],
        &["--count", "captures/tcp_flags.pcap", "tcp[13] & 2 = 2"],
    ] {
        let with = |workers: &str| run(&[&["decode", "-j", workers], words].concat());
        let one = with("1");
        assert_eq!(one.0, Some(0), "{words:?}");
        assert!(!one.1.is_empty(), "{words:?}");
        assert_eq!(one, with("2"), "{words:?}");
    }
}

#[test]
fn deep_filters_follow_a_datagram_into_its_later_fragments() {
    let counted = |deep: &[&str]| {
        let words = ["captures/fragments.pcap", "port", "5000"];
        run(&[&["decode", "--count"], deep, &words].concat()).1
    };
    assert_eq!(counted(&[]).trim(), "1");
    assert_eq!(counted(&["--deep"]).trim(), "3");
}

#[test]
fn a_filter_counts_shows_and_writes_the_same_frames() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kept.pcap");
    let path = path.to_str().unwrap();
    let tour = "captures/tour.pcapng";
    let (_, counted, _) = run(&["decode", "--count", tour, "icmp or port 53"]);
    assert_eq!(counted.trim(), "5");
    let (_, shown, _) = run(&["decode", tour, "icmp or port 53"]);
    assert_eq!(shown.lines().count(), 5);
    let (code, ..) = run(&["decode", "-w", path, tour, "icmp or port 53"]);
    assert_eq!(code, Some(0));
    let (_, counted, _) = run(&["decode", "--count", path]);
    assert_eq!(counted.trim(), "5");
}
