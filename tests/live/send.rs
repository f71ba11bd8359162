//! Packets that leave as they were asked for: by the kernel's way or by frames of our own, in
//! fragments that the kernel joins again, and every refusal before anything is sent. Each field
//! has its place in `fields`, what is read back and what comes back in `seen`.

#![allow(
    clippy::indexing_slicing,
    clippy::unnecessary_wraps,
    reason = "a test stops at the first surprise; libtest-mimic asks for results"
)]

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use pnet::datalink::{self, Channel, Config, DataLinkReceiver, DataLinkSender};

use super::{Powers, cable};

#[path = "send/fields.rs"]
mod fields;
#[path = "send/seen.rs"]
mod seen;

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    let mut trials = fields::trials(powers);
    trials.extend(seen::trials(powers));
    trials.extend([
        powers.trial("send_by_raw_socket", by_raw_socket),
        powers.trial("send_asks_for_the_neighbour", asks_for_the_neighbour),
        powers.trial("send_fragments_are_joined_by_the_kernel", fragments_join),
        powers.trial("send_refuses_before_it_sends", refuses),
    ]);
    trials
}

/// A veth pair of its own for each test: `A` sends, `B` receives, and neither says a word of its
/// own accord.
pub(super) struct Pair {
    pub(super) a: String,
    pub(super) b: String,
}

pub(super) const MAC_A: &str = "02:00:00:00:0a:01";
pub(super) const MAC_B: &str = "02:00:00:00:0a:02";

impl Pair {
    pub(super) fn new(name: &str) -> Self {
        let pair = Self {
            a: format!("{name}a"),
            b: format!("{name}b"),
        };
        let (a, b) = (&pair.a, &pair.b);
        sh(&format!(
            "ip link set lo up; \
             ip link add {a} address {MAC_A} mtu 9000 type veth peer name {b} address {MAC_B} mtu 9000 && \
             for i in {a} {b}; do \
               echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6; \
               echo 0 >/proc/sys/net/ipv4/conf/$i/rp_filter; \
             done; \
             echo 0 >/proc/sys/net/ipv4/conf/all/rp_filter"
        ));
        assert!(cable::up(&[a, b]).is_ok(), "{name} does not come up");
        pair
    }

    pub(super) fn listen(&self) -> (Box<dyn DataLinkSender>, Box<dyn DataLinkReceiver>) {
        let mut found = datalink::interfaces().into_iter();
        let found = found.find(|it| it.name == self.b).unwrap();
        let config = Config {
            read_timeout: Some(Duration::from_secs(5)),
            read_buffer_size: 1 << 17,
            ..Config::default()
        };
        match datalink::channel(&found, config).unwrap() {
            Channel::Ethernet(sender, receiver) => (sender, receiver),
            _ => panic!("no Ethernet channel"),
        }
    }
}

pub(super) fn sh(script: &str) {
    let status = Command::new("sh").args(["-ec", script]).status().unwrap();
    assert!(status.success(), "{script}");
}

pub(super) fn dotquad(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dotquad"));
    command.args(args).stdin(Stdio::null()).output().unwrap()
}

/// Runs the command and expects success.
pub(super) fn good(args: &[&str]) -> (String, String) {
    let output = dotquad(args);
    let (out, err) = text(&output);
    assert!(output.status.success(), "{args:?}: {out}{err}");
    (out, err)
}

pub(super) fn text(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (text(&output.stdout), text(&output.stderr))
}

/// The bytes that a dry run says the packet has.
pub(super) fn built(args: &[&str]) -> Vec<u8> {
    built_frames(args).concat()
}

/// The bytes of each frame that a dry run says there is.
pub(super) fn built_frames(args: &[&str]) -> Vec<Vec<u8>> {
    let (out, _) = good(&[args, &["--dry-run", "--format", "hex"]].concat());
    let mut frames: Vec<Vec<u8>> = Vec::new();
    for line in out.lines() {
        let (place, digits) = line.split_once(": ").unwrap();
        if place.trim() == "0x0000" {
            frames.push(Vec::new());
        }
        let digits: String = digits.split_whitespace().collect();
        for pair in digits.as_bytes().chunks(2) {
            let pair = std::str::from_utf8(pair).unwrap();
            let byte = u8::from_str_radix(pair, 16).unwrap();
            frames.last_mut().unwrap().push(byte);
        }
    }
    frames
}

/// The frame as a receiver sees it: the kernel takes the outer VLAN tag out of it.
pub(super) fn untagged(mut frame: Vec<u8>) -> Vec<u8> {
    if matches!(frame.get(12..14), Some([0x81, 0x00] | [0x88, 0xa8])) && frame.len() >= 16 {
        frame.drain(12..16);
    }
    frame
}

fn by_raw_socket() -> Result<(), Failed> {
    let pair = Pair::new("dqs2");
    sh(&format!(
        "ip addr add 10.77.2.1/24 dev {a}; ip neigh add 10.77.2.2 lladdr {MAC_B} dev {a}",
        a = pair.a
    ));
    let (_, mut wire) = pair.listen();
    let args = [
        "send",
        "10.77.2.2",
        "--icmp",
        "--data",
        "by the kernel's own way",
    ];
    let asked = built(&args);
    assert_eq!(asked[12..16], [10, 77, 2, 1]);
    let (_, err) = good(&[&args[..], &["-c", "3"]].concat());
    assert!(err.starts_with("dotquad: 3 packets sent"), "{err}");
    assert!(err.contains("3 seen to leave as built"), "{err}");
    for _ in 0..3 {
        let seen = wire.next().unwrap();
        assert_eq!(seen[14..], asked);
        assert_eq!(seen[..6], [2, 0, 0, 0, 0x0a, 2]);
    }
    // Not by a raw socket: the kernel would choose another identification. By the same way.
    let args = ["send", "10.77.2.2", "--icmp", "--id", "0"];
    let asked = built(&args);
    good(&args);
    assert_eq!(wire.next().unwrap()[14..], asked);
    // Fast, and all of them.
    let args = [
        "send",
        "10.77.2.2",
        "--udp",
        "-c",
        "5000",
        "--rate",
        "0",
        "--yes",
    ];
    let (_, err) = good(&args);
    assert!(
        err.contains("5000 packets sent") && err.contains("none compared"),
        "{err}"
    );
    // Longer than the link takes.
    let output = dotquad(&["send", "10.77.2.2", "--udp", "--data-len", "9000"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).1.contains("--fragment"), "{output:?}");
    Ok(())
}

fn asks_for_the_neighbour() -> Result<(), Failed> {
    let pair = Pair::new("dqs3");
    sh(&format!("ip addr add 10.77.3.1/24 dev {}", pair.a));
    let (mut reply, mut wire) = pair.listen();
    // Nobody answers.
    let output = dotquad(&["send", "10.77.3.9", "--udp", "--id", "0"]);
    let (out, err) = text(&output);
    assert_eq!(output.status.code(), Some(2), "{out}{err}");
    assert!(
        err.contains("10.77.3.9") && err.contains("--ethernet"),
        "{err}"
    );
    assert!(out.contains("ARP"), "the request is shown: {out}");
    assert_eq!(wire.next().unwrap()[38..42], [10, 77, 3, 9]);
    // Somebody answers (RFC 826).
    let answering = thread::spawn(move || {
        let request = wire.next().unwrap().to_vec();
        let mut answer = [&request[6..12], &[2, 0, 0, 0, 0, 9]].concat();
        answer.extend([8, 6, 0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 9]);
        answer.extend(&request[38..42]);
        answer.extend(&request[22..32]);
        reply.send_to(&answer, None).unwrap().unwrap();
        // The receiver sees what it sends itself, too.
        loop {
            let frame = wire.next().unwrap().to_vec();
            if frame[12..14] == [8, 0] {
                return frame;
            }
        }
    });
    let args = ["send", "10.77.3.8", "--udp", "--id", "0", "--dport", "9"];
    let asked = built(&args);
    let (out, _) = good(&args);
    assert_eq!(
        out.matches("ARP").count(),
        2,
        "question and answer are shown: {out}"
    );
    let frame = answering.join().unwrap();
    assert_eq!(frame[..6], [2, 0, 0, 0, 0, 9]);
    assert_eq!(frame[14..], asked);
    Ok(())
}

fn fragments_join() -> Result<(), Failed> {
    let pair = Pair::new("dqs4");
    sh(&format!("ip addr add 10.77.4.2/24 dev {}", pair.b));
    let receiver = UdpSocket::bind("10.77.4.2:7777").unwrap();
    receiver
        .set_read_timeout(Some(Duration::from_secs(5)))
        .unwrap();
    let base = [
        "send",
        "10.77.4.2",
        "-i",
        &pair.a,
        "--ethernet",
        MAC_B,
        "--source",
        "10.77.4.9",
        "--udp",
        "--sport",
        "5",
        "--dport",
        "7777",
        "--data-len",
        "3000",
        "--fragment",
        "576",
    ];
    let expected: Vec<u8> = (0..3000_u32).map(|at| (at & 0xff) as u8).collect();
    let mut buffer = vec![0; 65_536];
    for (id, more) in [
        ("11", &["--option", "rr:3", "--option", "ra"][..]),
        ("12", &["--fragment-order", "reverse"]),
        ("13", &["--fragment-order", "random", "--seed", "5"]),
    ] {
        // More fragments than one: 3008 bytes in pieces of at most 552.
        let args = [&base[..], &["--id", id], more].concat();
        let (out, err) = good(&args);
        assert!(out.lines().count() >= 6, "{out}");
        assert!(err.contains(" seen to leave as built"), "{err}");
        let (length, from) = receiver.recv_from(&mut buffer).unwrap();
        assert_eq!(from.to_string(), "10.77.4.9:5");
        assert_eq!(buffer[..length], expected, "{more:?}");
    }
    // With a hole or an overlap in it nothing comes of it: whole ones sent later come first.
    good(&[&base[..], &["--id", "14", "--fragment-gap", "8"]].concat());
    good(&[&base[..], &["--id", "15", "--fragment-overlap", "8"]].concat());
    let marker = ["--data", "behind", "--id", "16"];
    let mut args = base[..13].to_vec();
    args.extend(marker);
    good(&args);
    let (length, _) = receiver.recv_from(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"behind");
    Ok(())
}

fn refuses() -> Result<(), Failed> {
    let pair = Pair::new("dqs5");
    sh(&format!("ip addr add 10.77.5.1/24 brd + dev {}", pair.a));
    let (_, mut wire) = pair.listen();
    let a = pair.a.as_str();
    for (args, words) in [
        (&["10.77.5.255", "--icmp"][..], "--broadcast"),
        (&["255.255.255.255", "--icmp", "-i", a], "--broadcast"),
        (&["239.1.2.3", "--udp", "-i", a], "--broadcast"),
        (
            &["10.77.5.2", "--icmp", "--ethernet", "ff:ff:ff:ff:ff:ff"],
            "--broadcast",
        ),
        (
            &["10.77.5.2", "--icmp", "--ethernet", "01:00:5e:01:02:03"],
            "--broadcast",
        ),
        (&["10.77.5.2", "--icmp", "-c", "1001"], "--yes"),
        (
            &["10.77.5.2", "--icmp", "-c", "2", "--rate", "1001"],
            "--yes",
        ),
        (&["10.77.5.2", "--icmp", "-c", "2", "--rate", "0"], "--yes"),
        (
            &["10.77.5.2", "--icmp", "-c", "2", "--interval", "0.0005"],
            "--yes",
        ),
        (
            &["10.77.5.2", "--udp", "--data-len", "65508"],
            "total_length",
        ),
        (&["10.77.5.2", "--icmp", "-i", "nowhere0"], "nowhere0"),
        (&["192.0.2.1", "--icmp"], "route"),
    ] {
        let output = dotquad(&[&["send"][..], args].concat());
        let (out, err) = text(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {out}{err}");
        assert!(err.contains(words), "{args:?}: {err}");
    }
    let file = captures().join("icmp_echo.pcap");
    let file = file.to_str().unwrap();
    let output = dotquad(&["replay", file, "-i", a, "--topspeed"]);
    assert!(text(&output).1.contains("--yes"), "{output:?}");
    // Too fast at its own pace, in a file and in a stream: 300 frames in 29.9 ms.
    let folder = tempfile::tempdir()?;
    let quick = folder.path().join("quick.pcap");
    let bytes = paced(300, 100);
    std::fs::write(&quick, &bytes)?;
    let quick = quick.to_str().unwrap();
    for more in [&[][..], &["--speed", "2"]] {
        let output = dotquad(&[&["replay", quick, "-i", a][..], more].concat());
        let (out, err) = text(&output);
        assert_eq!(output.status.code(), Some(2), "{out}{err}");
        for words in ["frame 101", "1000 frames a second", "--yes"] {
            assert!(err.contains(words), "{words}: {err}");
        }
    }
    let cooked = captures().join("linux_sll.pcap");
    let output = dotquad(&["replay", cooked.to_str().unwrap(), "-i", a]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).1.contains("LINUX_SLL"), "{output:?}");
    let arp = captures().join("arp.pcap");
    let output = dotquad(&["replay", arp.to_str().unwrap(), "-i", a]);
    assert!(text(&output).1.contains("--broadcast"), "{output:?}");
    // Without the privilege.
    for args in [
        &["send", "10.77.5.2", "--icmp"][..],
        &[
            "send",
            "10.77.5.2",
            "--icmp",
            "--id",
            "0",
            "--ethernet",
            MAC_B,
        ],
        &["replay", file, "-i", a],
    ] {
        let mut command = Command::new("setpriv");
        command.args(["--inh-caps", "-all", "--bounding-set", "-all", "--"]);
        command.arg(env!("CARGO_BIN_EXE_dotquad")).args(args);
        let output = command.output().unwrap();
        let (out, err) = text(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {out}{err}");
        for words in ["CAP_NET_RAW", "setcap", "--dry-run", "-w"] {
            assert!(err.contains(words), "{args:?}: {err}");
        }
    }
    // None of it has left: the first frame to arrive is the one that is meant.
    let args = [
        "send",
        "10.77.5.255",
        "--broadcast",
        "--udp",
        "--data",
        "meant",
    ];
    good(&args);
    assert!(wire.next().unwrap().ends_with(b"meant"));
    Ok(())
}

/// A capture of so many frames of 60 bytes, so many microseconds apart.
pub(super) fn paced(frames: u32, apart: u32) -> Vec<u8> {
    let mut pcap = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
    pcap.extend([0; 8]);
    pcap.extend(65_536_u32.to_le_bytes());
    pcap.extend(1_u32.to_le_bytes());
    for number in 0..frames {
        let at = number * apart;
        pcap.extend((at / 1_000_000).to_le_bytes());
        pcap.extend((at % 1_000_000).to_le_bytes());
        pcap.extend([60, 0, 0, 0, 60, 0, 0, 0]);
        // To a station that is not there; its number stands at the end.
        pcap.extend([2, 0, 0, 0, 0x0a, 0x99, 2, 0, 0, 0, 0x0a, 1, 0x88, 0xb5]);
        pcap.extend([0; 42]);
        pcap.extend(number.to_be_bytes());
    }
    pcap
}

pub(super) fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}
