//! Flags and spec files of `send`, mutated: whatever is typed, nothing panics, and a packet that
//! can be shown can be printed as a spec and comes out of that the same byte for byte.

use std::fs;
use std::path::Path;

use clap::Parser;
use dotquad::cli::args::Cli;
use dotquad::cli::{self, Console};

use super::Xorshift;

/// How many command lines and spec files are tried.
const TRIED: usize = 1500;

/// Flags with values that mean something; others come from the values of their neighbours.
const FLAGS: [&str; 62] = [
    "--udp",
    "--tcp",
    "--icmp",
    "--igmp",
    "--ip-version=6",
    "--ihl=15",
    "--dscp=63",
    "--ecn=3",
    "--total-length=65535",
    "--id=0xffff",
    "--reserved",
    "--df=false",
    "--mf",
    "--offset=65528",
    "--ttl=0",
    "--protocol=255",
    "--checksum=0xdead",
    "--destination=255.255.255.255",
    "--option=rr:9",
    "--option=lsrr:10.0.0.1,10.0.0.2",
    "--option=ts:4",
    "--option=ts-address:2",
    "--option=ts-only:10.0.0.1",
    "--option=ra:7",
    "--option=nop",
    "--option=eol",
    "--option=130:0011",
    "--option=0xff00ff",
    "--icmp-type=unreachable",
    "--icmp-code=4",
    "--icmp-checksum=0",
    "--icmp-rest=0xffffffff",
    "--icmp-id=65535",
    "--icmp-mtu=0",
    "--icmp-gateway=0.0.0.0",
    "--icmp-length=255",
    "--icmp-extension=mpls:1048575/7/1/255",
    "--icmp-extension=1/1:00010203",
    "--icmp-quote=45000014000000004001000001020304",
    "--igmp-type=0x22",
    "--igmp-group=224.0.0.22",
    "--sport=0",
    "--dport=65535",
    "--udp-length=7",
    "--udp-checksum=0",
    "--seq=4294967295",
    "--data-offset=4",
    "--flags=FSRPAUEC",
    "--flags=0xfff",
    "--tcp-option=mss:65535",
    "--tcp-option=sack:1-2,3-4",
    "--tcp-option=ts:1,2",
    "--tcp-option=254:00",
    "--data=text",
    "--data-hex=000102",
    "--data-len=65535",
    "--ethernet=02:00:00:00:00:01",
    "--vlan=4095/7/1@0x88a8",
    "--trailer=00ff",
    "--truncate=1",
    "--fragment=68",
    "--fragment-overlap=8",
];

/// Runs a command line as the program would; what it printed, if it was done.
fn run(words: &[&str]) -> Option<String> {
    let cli = Cli::try_parse_from([&["dotquad", "send", "--no-sandbox"], words].concat()).ok()?;
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut console = Console {
        out: &mut out,
        err: &mut err,
    };
    let outcome = cli::run(&cli, &mut console);
    if let Err(error) = &outcome {
        let said = error.to_string();
        assert!(
            !said.contains(|c: char| c.is_control()),
            "{words:?}: {said:?}"
        );
    }
    outcome.ok()?;
    Some(String::from_utf8(out).expect("text comes out"))
}

/// What a command line shows as bytes, and what its printed spec shows.
fn both(words: &[&str], file: &Path) -> Option<()> {
    let bytes = run(&[words, &["--dry-run", "--format", "hex"]].concat())?;
    let spec = run(&[words, &["--dry-run", "--format", "spec"]].concat()).expect("it was shown");
    fs::write(file, &spec).expect("a file can be written");
    let file = file.to_str().expect("a name");
    let mut again = vec!["--spec", file, "--dry-run", "--format", "hex"];
    // These are no part of a packet.
    again.extend(words.iter().filter(|word| word.starts_with("--fragment")));
    let same = run(&again).unwrap_or_else(|| panic!("{words:?} gives\n{spec}"));
    assert_eq!(same, bytes, "{words:?} gives\n{spec}");
    Some(())
}

#[test]
fn what_can_be_sent_can_be_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("it.toml");
    let mut random = Xorshift(0x6a09_e667_f3bc_c908);
    let mut shown = 0;
    for _ in 0..TRIED {
        let mut words: Vec<String> = vec!["192.0.2.1".into(), "--source=192.0.2.2".into()];
        for _ in 0..random.below(8) {
            let mut word = FLAGS[random.below(FLAGS.len())].to_owned();
            if let (Some((name, value)), true) = (word.split_once('='), random.below(3) == 0) {
                let other = FLAGS[random.below(FLAGS.len())];
                let other = other.split_once('=').map_or("", |(_, value)| value);
                let value = match random.below(4) {
                    0 => other.to_owned(),
                    1 => value.chars().take(random.below(value.len())).collect(),
                    2 => format!("{value}{other}"),
                    _ => format!("-{value}"),
                };
                word = format!("{name}={value}");
            }
            words.push(word);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        shown += u32::from(both(&words, &file).is_some());
    }
    assert!(shown > 300, "{shown} packets were shown");
}

/// A spec with everything in it, to be damaged.
const SPEC: &str = r#"
[frame]
truncate = 60

[ethernet]
destination = "02:00:00:00:00:01"
source = "02:00:00:00:00:02"

[ipv4]
source = "192.0.2.2"
destination = "192.0.2.1"
ihl = 8
ttl = 3
checksum = 0xdead
options = ["rr:2", "nop", "130:0011"]

[icmp]
type = 11
code = 0
extensions = ["mpls:24001/0/1/1", "1/1:00010203"]

[icmp.quote.ipv4]
source = "192.0.2.10"
destination = "203.0.113.80"

[icmp.quote.udp]
source_port = 41000
destination_port = 33437

[icmp.quote.payload]
hex = "000102030405"
"#;

#[test]
fn any_spec_is_a_packet_or_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, again) = (folder.path().join("a.toml"), folder.path().join("b.toml"));
    let mut random = Xorshift(0xbb67_ae85_84ca_a73b);
    let lines: Vec<&str> = SPEC.lines().collect();
    let mut shown = 0;
    for _ in 0..TRIED {
        let mut text: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        for _ in 0..=random.below(4) {
            let at = random.below(text.len());
            let other = text[random.below(text.len())].clone();
            match random.below(5) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, other),
                2 => text[at] = text[at].chars().rev().collect(),
                3 => {
                    let value = [
                        "-1",
                        "65536",
                        "\"\"",
                        "[]",
                        "true",
                        "4294967296",
                        "0xff",
                        "1.5",
                    ];
                    let value = value[random.below(value.len())];
                    if let Some((key, _)) = text[at].split_once('=') {
                        text[at] = format!("{key}= {value}");
                    }
                }
                _ => {
                    let end = random.below(text[at].len());
                    text[at].truncate(end);
                }
            }
            if text.is_empty() {
                break;
            }
        }
        fs::write(&file, text.join("\n")).expect("a file can be written");
        let name = file.to_str().expect("a name");
        shown += u32::from(both(&["--spec", name], &again).is_some());
    }
    assert!(shown > 100, "{shown} packets were shown");
}
