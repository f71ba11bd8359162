//! What it listens to, and how: several rings, foreign frames, stamps, tags, names.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use libtest_mimic::Failed;
use pnet::datalink::{self, DataLinkSender};

use super::super::cable::{cable, ip, up};
use super::super::names;
use super::{PORT, decode, dotquad, folder, send, send_to, sniff, started};

/// Two rings share the loopback: each frame is written once, a flow in its order.
pub(super) fn fanout() -> Result<(), Failed> {
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let path = path.to_string_lossy();
    let filter = "udp dst port 9000";
    let sniffer = sniff(&["-i", "lo", "--fanout", "2", "-w", &path, filter])?;
    // A line of titles, then one for each packet socket here; a column is the protocol.
    let sockets = fs::read_to_string("/proc/thread-self/net/packet")?;
    let listening = sockets.lines().filter(|line| line.contains(" 0003 "));
    assert_eq!(listening.count(), 2, "{sockets}");
    let mut ports = Vec::new();
    for _ in 0..20 {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        ports.push(socket.local_addr()?.port());
        for number in 0..10 {
            socket.send_to(&vec![b'x'; number], ("127.0.0.1", PORT))?;
        }
    }
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    ended.comes_to("written", 200);
    let fields = ["--format", "csv", "--fields", "udp.source_port,udp.length"];
    let mut flows: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in decode(&[&fields[..], &[&path]].concat())?.lines().skip(1) {
        let (port, length) = row.split_once(',').ok_or("two columns")?;
        let flow = flows.entry(port.to_owned()).or_default();
        flow.push(length.to_owned());
    }
    assert_eq!(flows.len(), ports.len());
    // RFC 768: the length counts the header's 8 bytes.
    let lengths: Vec<String> = (8..18).map(|length| length.to_string()).collect();
    for port in ports {
        assert_eq!(flows.get(&port.to_string()), Some(&lengths));
    }
    Ok(())
}

/// A bridge hands up what is not for it only while it is promiscuous.
pub(super) fn promiscuous() -> Result<(), Failed> {
    cable()?;
    ip("link add name br type bridge")?;
    ip("link set dev br addrgenmode none")?;
    ip("link set dev br address 02:00:00:00:00:10")?;
    ip("link set dev right master br")?;
    up(&["br"])?;
    ip("neighbour replace 10.7.0.2 lladdr 02:00:00:00:00:10 dev left nud permanent")?;
    ip("neighbour add 10.7.0.3 lladdr 02:00:00:00:00:99 dev left nud permanent")?;
    let promiscuity = || -> Result<String, Failed> {
        let words = ["-d", "link", "show", "dev", "br"];
        let shown = Command::new("ip").args(words).output()?.stdout;
        let shown = String::from_utf8(shown)?;
        let mut rest = shown.split_whitespace();
        rest.find(|word| *word == "promiscuity");
        Ok(rest.next().ok_or("no promiscuity")?.to_owned())
    };
    for (words, expected, seen) in [
        (&["-i", "br", "udp"][..], "0", &["10.7.0.2"][..]),
        (
            &["-i", "br", "--promiscuous", "udp"],
            "1",
            &["10.7.0.3", "10.7.0.2"],
        ),
    ] {
        let sniffer = sniff(words)?;
        assert_eq!(promiscuity()?, expected);
        // The foreign one first: what follows it says that it is over.
        send_to(("10.7.0.3", PORT), 1)?;
        send_to(("10.7.0.2", PORT), 1)?;
        sniffer.signal("INT")?;
        let ended = sniffer.ended()?;
        let lines = ended.lines();
        assert_eq!(lines.len(), seen.len(), "{lines:?}");
        for (line, address) in lines.iter().zip(seen) {
            assert!(line.contains(&format!("> {address}:{PORT} ")), "{line}");
        }
        assert_eq!(promiscuity()?, "0");
    }
    Ok(())
}

pub(super) fn timestamps() -> Result<(), Failed> {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH);
    for backend in ["ring", "recvmmsg"] {
        let words = [
            "-i",
            "lo",
            "--backend",
            backend,
            "--timestamps",
            "kernel",
            "--time",
            "epoch",
            "-c",
            "2",
            "udp",
        ];
        let sniffer = sniff(&words)?;
        let before = now()?.as_nanos();
        send(2)?;
        let ended = sniffer.ended()?;
        // Only now: on a busy machine lo hands on what was sent when the sender has gone on.
        let after = now()?.as_nanos();
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let mut last = before;
        for line in ended.lines() {
            let stamp = line.split(' ').nth(1).ok_or("a time")?;
            let (seconds, fraction) = stamp.split_once('.').ok_or("a fraction")?;
            assert_eq!(fraction.len(), 9, "{line}");
            let stamp: u128 = format!("{seconds}{fraction}").parse()?;
            // The clock is the one that is read here, and the packet came between the readings.
            assert!(last <= stamp && stamp <= after, "{before} {line} {after}");
            last = stamp;
        }
    }
    // There is no card behind these, so no clock of one.
    cable()?;
    for interface in ["left", "lo", "any"] {
        let output = Command::new(dotquad())
            .args(["sniff", "-i", interface, "--timestamps", "hardware"])
            .output()?;
        let said = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(2), "{said}");
        let begins =
            format!("dotquad: listening on {interface}: switching on the card's time stamps: ");
        assert!(
            said.starts_with(&begins) && said.contains("leave out --timestamps hardware"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    Ok(())
}

/// Sends frames as they are into the left end of the cable.
pub(super) fn wire() -> Result<Box<dyn DataLinkSender>, Failed> {
    let interfaces = datalink::interfaces();
    let left = interfaces.iter().find(|it| it.name == "left");
    let left = left.ok_or("there is no left end")?;
    match datalink::channel(left, datalink::Config::default())? {
        datalink::Channel::Ethernet(sender, _) => Ok(sender),
        _ => Err("no channel".into()),
    }
}

/// A UDP datagram behind these tags, the last Ethertype among them.
pub(super) fn frame(tags: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
    frame.extend(tags);
    frame.extend([0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0x66, 0xbd]);
    frame.extend([10, 7, 0, 1, 10, 7, 0, 2]);
    frame.extend([0x10, 0x00, 0x23, 0x28, 0, 12, 0, 0, 0, 0, 0, 1]);
    frame
}

/// On all interfaces, too, tags are where they were on the wire, and the kernel's filter selects
/// the frames that the filter over the file selects.
pub(super) fn tags_on_any() -> Result<(), Failed> {
    cable()?;
    let mut wire = wire()?;
    let frames = [
        frame(&[0x08, 0x00]),
        frame(&[0x81, 0x00, 0x60, 0x05, 0x08, 0x00]),
        frame(&[0x81, 0x00, 0x00, 0x06, 0x08, 0x00]),
        frame(&[0x88, 0xa8, 0x00, 0x05, 0x08, 0x00]),
        // Of two tags the kernel tells the outer one.
        frame(&[0x88, 0xa8, 0x00, 0x05, 0x81, 0x00, 0x00, 0x06, 0x08, 0x00]),
    ];
    let folder = folder()?;
    let (all, some) = (folder.path().join("all"), folder.path().join("some"));
    let (all, some) = (all.to_string_lossy(), some.to_string_lossy());
    for (backend, filter, least) in [
        ("ring", "vlan", 8),
        ("ring", "vlan 5 and udp", 5),
        ("ring", "udp", 2),
        ("ring", "not vlan", 2),
        ("ring", "vlan 5 and udp dst port 9000 and udp[8:4] = 1", 4),
        ("ring", "ip[8] = 64", 2),
        ("ring", "vlan and ip[8] = 64", 6),
        ("ring", "len = 56 and ether proto 0x8100", 4),
        ("ring", "not (vlan 5 and udp)", 4),
        ("recvmmsg", "vlan 5 and udp", 5),
        ("pnet", "vlan 5 and udp", 5),
    ] {
        let whole = sniff(&["-i", "any", "-w", &all])?;
        let part = sniff(&["-i", "any", "--backend", backend, "-w", &some, filter])?;
        for frame in &frames {
            wire.send_to(frame, None).ok_or("it was not sent")??;
        }
        let mut written = Vec::new();
        for sniffer in [whole, part] {
            sniffer.signal("INT")?;
            let ended = sniffer.ended()?;
            assert_eq!(ended.code, Some(0), "{}", ended.err);
            written.push(ended.adds_up("written"));
        }
        // Each frame leaves one end and comes to the other.
        assert_eq!(written.first(), Some(&10), "{filter}");
        let lines = |words: &[&str]| -> Result<Vec<String>, Failed> {
            let text = decode(&[&["--format", "ndjson"], words].concat())?;
            // Numbers and times are those of each sniffer.
            let rest = |line: &str| Some(line.split_once("\"caplen\"")?.1.to_owned());
            Ok(text.lines().filter_map(rest).collect())
        };
        let expected = lines(&[&all, filter])?;
        assert_eq!(lines(&[&some])?, expected, "{backend} {filter}");
        assert!(expected.len() >= least, "{filter}: {expected:?}");
        if filter == "vlan 5 and udp" {
            for words in [
                "\"protocol\":33024",
                "\"layer\":\"vlan\"",
                "\"id\":5",
                "\"direction\":\"in\"",
                "\"direction\":\"out\"",
                "\"layer\":\"udp\"",
            ] {
                assert!(
                    expected.iter().any(|it| it.contains(words)),
                    "{words} {expected:?}"
                );
            }
        }
    }
    Ok(())
}

/// Names are looked up by a child while the sniffer itself is locked in; the name server is played
/// here.
pub(super) fn names_are_asked_for() -> Result<(), Failed> {
    const SCRIPT: &str = "mount --bind \"$1\" /etc && shift && exec \"$@\"";
    ip("address add 192.0.2.80/32 dev lo")?;
    let etc = names::etc()?;
    let asked = names::serve()?;
    let mut command = Command::new("unshare");
    command.args(["-m", "--", "sh", "-c", SCRIPT, "sh"]);
    command
        .arg(etc.path())
        .args([dotquad(), "sniff", "-i", "lo"]);
    command.args(["--names", "udp and host web.example"]);
    let mut sniffer = started(command)?;
    assert_eq!(asked.try_iter().next().as_deref(), Some("web.example"));
    let process = format!("/proc/{}/status", sniffer.child.id());
    let status = fs::read_to_string(Path::new(&process))?;
    assert!(status.contains("\nSeccomp:\t2\n"), "{status}");
    let socket = UdpSocket::bind("192.0.2.80:0")?;
    // A name comes as soon as it is known, and nobody waits for it: so it is asked for until then.
    let mut line = String::new();
    for _ in 0..1000 {
        socket.send_to(b"x", ("192.0.2.80", PORT))?;
        line = sniffer.lines(1)?.swap_remove(0);
        if line.contains("web.example") {
            break;
        }
    }
    assert!(line.contains(&format!("> web.example:{PORT} ")), "{line}");
    assert!(asked.try_iter().any(|it| it == "80.2.0.192.in-addr.arpa"));
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    ended.adds_up("shown");
    Ok(())
}
