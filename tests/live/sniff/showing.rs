//! What it shows and writes: the same by every way, and the counters of it.

#![allow(
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};

use libtest_mimic::Failed;
use serde_json::Value;

use super::super::cable::{cable, ip};
use super::listening::{frame, wire};
use super::{PORT, count, decode, dotquad, folder, names, send, sniff, stand_in};

pub(super) fn writes_what_it_shows() -> Result<(), Failed> {
    same_lines("lo")
}

pub(super) fn any_writes_what_it_shows() -> Result<(), Failed> {
    same_lines("any")
}

/// Lines that sniff shows are those that decode shows of what sniff has written, in every format.
fn same_lines(interface: &str) -> Result<(), Failed> {
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let path = path.to_string_lossy();
    for format in ["line", "detail", "ndjson", "table"] {
        let words = [
            "-i", interface, "-w", &path, "--print", "--format", format, "-c", "40", "udp",
        ];
        let sniffer = sniff(&words)?;
        send(40)?;
        let ended = sniffer.ended()?;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let shown = String::from_utf8_lossy(&ended.out);
        assert_eq!(shown, decode(&["--format", format, &path])?, "{format}");
        assert!(shown.lines().count() >= 40, "{shown}");
        if format != "ndjson" {
            assert_eq!(ended.adds_up("written"), 40);
        }
        if format == "line" {
            let first = ended.lines().swap_remove(0);
            assert!(
                first.starts_with("1 ") && first.contains(" lo in 127.0.0.1:"),
                "{first}"
            );
        }
    }
    Ok(())
}

/// Later fragments have no ports; the kernel lets them pass, and the filter here sees the datagram.
pub(super) fn reassembles() -> Result<(), Failed> {
    let mtu = ["link", "set", "lo", "mtu", "1500"];
    assert!(Command::new("ip").args(mtu).status()?.success());
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let path = path.to_string_lossy();
    let filter = format!("udp port {PORT}");
    let send = || -> Result<(), Failed> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        for (length, port) in [(4000, PORT), (4000, PORT + 1), (9, PORT + 1), (9, PORT)] {
            socket.send_to(&vec![b'x'; length], ("127.0.0.1", port))?;
        }
        Ok(())
    };
    // Written are three fragments of each, and what matches by itself.
    let words = [
        "-i",
        "lo",
        "--reassemble",
        "-w",
        &path,
        "--print",
        "-c",
        "7",
        &filter,
    ];
    let sniffer = sniff(&words)?;
    send()?;
    let ended = sniffer.ended()?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert_eq!(ended.adds_up("written"), 7);
    let shown = String::from_utf8_lossy(&ended.out);
    assert_eq!(shown, decode(&["--reassemble", &path, &filter])?);
    let shown: Vec<&str> = shown.lines().collect();
    assert_eq!(shown.len(), 3, "{shown:?}");
    assert!(shown[1].starts_with("3 "), "{shown:?}");
    assert!(
        shown[1].ends_with("length 4000 reassembled from frames 1-3"),
        "{shown:?}"
    );
    assert!(shown[2].starts_with("7 "), "{shown:?}");

    let sniffer = sniff(&["-i", "lo", "--reassemble", "-c", "3", &filter])?;
    send()?;
    let ended = sniffer.ended()?;
    assert_eq!(ended.adds_up("shown"), 3, "{}", ended.err);
    assert_eq!(ended.lines().len(), 3);
    // The second fragment, and the three of the other datagram: nothing of them is shown. What is
    // no fragment and has another port does not come at all.
    assert_eq!(ended.counter("refused by the filter"), 4, "{}", ended.err);
    Ok(())
}

/// The statistics of a capture that goes on are those of the capture that is written meanwhile.
pub(super) fn surveys() -> Result<(), Failed> {
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let path = path.to_string_lossy();
    let words = [
        "-i",
        "lo",
        "--stats-every",
        "50ms",
        "--format",
        "ndjson",
        "-w",
        &path,
        "udp",
    ];
    let mut sniffer = sniff(&words)?;
    send(7)?;
    let packets = |line: &str| {
        let object: Value = serde_json::from_str(line).ok()?;
        let is_first = object["event"] == "capture";
        is_first.then(|| object["packets"].as_u64())?
    };
    while packets(&sniffer.lines(1)?[0]) != Some(7) {}
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    assert!(ended.err.contains("\"written\":7"), "{}", ended.err);
    let lines = ended.lines();
    let last = lines.iter().rposition(|line| packets(line) == Some(7));
    let last = last.ok_or("no last page")?;
    // What a file is, and what it says of interfaces, is its own matter.
    let same = |line: &&String| {
        !line.starts_with("{\"event\":\"capture\"") && !line.starts_with("{\"event\":\"interface\"")
    };
    let here: Vec<&String> = lines[last..].iter().filter(same).collect();
    let output = Command::new(dotquad())
        .args(["stats", "--format", "ndjson", &path])
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let there: Vec<&String> = lines.iter().filter(same).collect();
    assert_eq!(here, there);
    assert!(here.iter().any(|line| line.contains("\"conversation\"")));

    // A page for people each time, and no packet.
    let mut sniffer = sniff(&["-i", "lo", "--stats-every", "50ms", "udp"])?;
    send(2)?;
    let mut titles = 0;
    while titles < 3 {
        titles += u32::from(sniffer.lines(1)?[0] == "Capture\n");
    }
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    assert_eq!(ended.adds_up("shown"), 2);
    let text = String::from_utf8_lossy(&ended.out);
    assert!(text.contains("IPv4 conversations"), "{text}");
    assert!(!text.contains(" > "), "{text}");
    Ok(())
}

/// The same of all that comes by: UDP, ICMP, TCP in segments that a card would cut, large frames
/// and tagged ones, of two interfaces.
pub(super) fn real_traffic() -> Result<(), Failed> {
    cable()?;
    for interface in ["left", "right"] {
        ip(&format!("link set dev {interface} mtu 9000"))?;
    }
    ip("link set dev lo mtu 1500")?;
    let mut wire = wire()?;
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let path = path.to_string_lossy();
    for backend in ["ring", "recvmmsg", "pnet"] {
        let words = [
            "-i",
            "lo",
            "-i",
            "right",
            "-w",
            &path,
            "--print",
            "--format",
            "ndjson",
            "--backend",
            backend,
        ];
        let sniffer = sniff(&words)?;
        // Nobody listens there, and ICMP says so.
        send(5)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut stream = TcpStream::connect(listener.local_addr()?)?;
        let (mut peer, _) = listener.accept()?;
        stream.write_all(&vec![0; 20_000])?;
        peer.read_exact(&mut vec![0; 20_000])?;
        let socket = UdpSocket::bind("10.7.0.1:0")?;
        socket.send_to(&vec![0; 8000], ("10.7.0.2", PORT))?;
        let tagged = frame(&[0x81, 0x00, 0x00, 0x05, 0x08, 0x00]);
        wire.send_to(&tagged, None).ok_or("it was not sent")??;
        sniffer.signal("INT")?;
        let ended = sniffer.ended()?;
        assert_eq!(ended.code, Some(0), "{}", ended.err);
        let shown = String::from_utf8_lossy(&ended.out);
        assert_eq!(shown, decode(&["--format", "ndjson", &path])?, "{backend}");
        let mut frames = Vec::new();
        for line in ended.lines() {
            frames.push(serde_json::from_str::<Value>(&line)?);
        }
        let some = |what: &dyn Fn(&Value) -> bool, words: &str| {
            assert!(frames.iter().any(what), "{backend}: {words}: {shown}");
        };
        let has = |frame: &Value, layer: &str| {
            let layers = frame["layers"].as_array().into_iter().flatten();
            layers.into_iter().any(|it| it["layer"] == layer)
        };
        for layer in ["udp", "icmpv4", "tcp"] {
            some(&|it| it["interface"] == "lo" && has(it, layer), layer);
        }
        // 14 + 20 + 8 and the data.
        some(
            &|it| it["interface"] == "right" && it["len"] == 8042,
            "large",
        );
        some(
            &|it| it["interface"] == "lo" && it["len"].as_u64() > Some(1514),
            "segments",
        );
        if backend != "pnet" {
            some(&|it| has(it, "vlan"), "a tag");
            some(&|it| it["offload"]["segmentation"] == true, "GSO");
        }
        // What a card was to compute is not called wrong.
        assert!(
            !shown.contains("checksum.bad") || backend == "pnet",
            "{shown}"
        );
    }
    Ok(())
}

pub(super) fn backends() -> Result<(), Failed> {
    // Without the time and, for pnet, without the direction.
    let plain = |lines: Vec<String>| -> Vec<String> {
        let plain = |line: String| {
            let words = line.split(' ').filter(|word| *word != "in").enumerate();
            let kept = words.filter(|(place, _)| *place != 1);
            kept.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
        };
        lines.into_iter().map(plain).collect()
    };
    let mut seen = Vec::new();
    for backend in ["ring", "recvmmsg", "pnet"] {
        let sniffer = sniff(&["-i", "lo", "--backend", backend, "-c", "30", "udp"])?;
        // The same source port for each.
        let socket = UdpSocket::bind("127.0.0.1:40000")?;
        for number in 0..30 {
            socket.send_to(&vec![b'x'; number], ("127.0.0.1", PORT))?;
        }
        drop(socket);
        let ended = sniffer.ended()?;
        ended.comes_to("shown", 30);
        assert_eq!(
            ended.err.contains("with pnet the direction"),
            backend == "pnet"
        );
        seen.push(plain(ended.lines()));
    }
    assert_eq!(seen[0].len(), 30);
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0], seen[2]);
    Ok(())
}

/// The kernel's filter selects the frames that the filter over the file selects.
pub(super) fn selects_as_decode() -> Result<(), Failed> {
    let folder = folder()?;
    let (all, some) = (
        folder.path().join("all.pcapng"),
        folder.path().join("some.pcapng"),
    );
    for filter in [
        "dst port 9000",
        "udp[4:2] > 60 and src host 127.0.0.1",
        "icmp",
        "len > 100",
    ] {
        let (all, some) = (all.to_string_lossy(), some.to_string_lossy());
        let whole = sniff(&["-i", "lo", "-w", &all])?;
        let part = sniff(&["-i", "lo", "-w", &some, filter])?;
        // Nobody listens, so ICMP answers; packets are on the loopback when they are sent.
        send(100)?;
        for sniffer in [whole, part] {
            sniffer.signal("INT")?;
            let ended = sniffer.ended()?;
            assert_eq!(ended.code, Some(0), "{}", ended.err);
            ended.adds_up("written");
        }
        let layers = |text: String| -> Vec<String> {
            // All but the number and the time, which is stamped for each socket.
            let rest = |line: &str| {
                line.split_once("\"caplen\"")
                    .map(|(_, rest)| rest.to_owned())
            };
            text.lines().filter_map(rest).collect()
        };
        let expected = layers(decode(&["--format", "ndjson", &all, filter])?);
        assert_eq!(
            layers(decode(&["--format", "ndjson", &some])?),
            expected,
            "{filter}"
        );
        assert!(!expected.is_empty(), "{filter}");
    }
    Ok(())
}

/// Where the kernel's program is coarser than the filter, the rest is refused here, counted, and
/// leaves no gap in the numbers.
pub(super) fn coarse_program() -> Result<(), Failed> {
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let path = path.to_string_lossy();
    let filter = "udp dst port 9000 and len > 100";
    let sniffer = sniff(&["-i", "lo", "--deep", "-w", &path, "--print", filter])?;
    send(100)?;
    sniffer.signal("TERM")?;
    let ended = sniffer.ended()?;
    assert_eq!(ended.code, Some(0), "{}", ended.err);
    // 14 + 20 + 8 and the data.
    assert_eq!(ended.adds_up("written"), 41, "{}", ended.err);
    assert_eq!(String::from_utf8_lossy(&ended.out), decode(&[&path])?);
    Ok(())
}

pub(super) fn limit() -> Result<(), Failed> {
    for words in [
        &["-i", "lo", "-c", "7"][..],
        &["-i", "lo", "-c", "7", "--count"],
    ] {
        let sniffer = sniff(words)?;
        send(500)?;
        let ended = sniffer.ended()?;
        ended.comes_to("shown", 7);
    }
    Ok(())
}

pub(super) fn rotates() -> Result<(), Failed> {
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let path = path.to_string_lossy();
    let words = [
        "-i",
        "lo",
        "-w",
        &path,
        "--rotate-packets",
        "10",
        "--files",
        "3",
        "udp",
    ];
    let sniffer = sniff(&words)?;
    send(55)?;
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    ended.comes_to("written", 55);
    let kept = ["x-00004.pcapng", "x-00005.pcapng", "x-00006.pcapng"];
    assert_eq!(names(folder.path())?, kept);
    let mut counts = Vec::new();
    for name in kept {
        counts.push(count(&folder.path().join(name))?);
    }
    assert_eq!(counts, [10, 10, 5]);

    // By size, packed, with the time in the name.
    let folder = self::folder()?;
    let path = folder.path().join("%Y-x.pcap.zst");
    let path = path.to_string_lossy();
    let sniffer = sniff(&["-i", "lo", "-w", &path, "--rotate-size", "2k", "udp"])?;
    send(3000)?;
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    ended.comes_to("written", 3000);
    let mut sum = 0;
    let kept = names(folder.path())?;
    assert!(kept.len() > 2, "{kept:?}");
    for name in kept {
        assert!(
            name.starts_with("20") && name.ends_with(".pcap.zst"),
            "{name}"
        );
        let path = folder.path().join(name);
        assert!(fs::metadata(&path)?.len() <= 2000);
        sum += count(&path)?;
    }
    assert_eq!(sum, 3000);
    Ok(())
}

pub(super) fn asked() -> Result<(), Failed> {
    let mut sniffer = sniff(&["-i", "lo", "udp"])?;
    send(5)?;
    assert_eq!(sniffer.lines(5)?.len(), 5);
    sniffer.signal("USR1")?;
    sniffer.says("5 shown\n")?;
    sniffer.says("dropped by the interface\n")?;
    sniffer.said.clear();
    send(5)?;
    sniffer.lines(5)?;
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    ended.comes_to("shown", 10);
    Ok(())
}

pub(super) fn as_object() -> Result<(), Failed> {
    let mut sniffer = sniff(&["-i", "lo", "--format", "ndjson", "udp"])?;
    send(3)?;
    for line in sniffer.lines(3)? {
        let frame: Value = serde_json::from_str(&line)?;
        assert_eq!(
            (&frame["interface"], &frame["direction"]),
            (&"lo".into(), &"in".into())
        );
    }
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    let last = ended.err.lines().last().unwrap_or_default();
    let object: Value = serde_json::from_str(last)?;
    assert_eq!(object["event"], "counters");
    for (key, count) in [
        ("matched", 3),
        ("delivered", 3),
        ("shown", 3),
        ("refused", 0),
        ("dropped_ring", 0),
        ("left_unread", 0),
    ] {
        assert_eq!(object[key], count, "{last}");
    }
    assert!(object["dropped_interface"].is_u64() && object["out_of_order"].is_u64());
    Ok(())
}

/// A capture into a FIFO, which is opened as it is and left there.
pub(super) fn fifo() -> Result<(), Failed> {
    let folder = folder()?;
    let path = folder.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status()?.success());
    // Each waits for the other to open it.
    let mut decoder = Command::new(dotquad())
        .args(["decode", &path.to_string_lossy()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(decoder.stdout.take().expect("it is piped"));
    let sniffer = sniff(&["-i", "lo", "-l", "-w", &path.to_string_lossy(), "udp"])?;
    for number in 1..=3 {
        send(1)?;
        let mut line = String::new();
        lines.read_line(&mut line)?;
        assert!(line.starts_with(&format!("{number} ")), "{line:?}");
    }
    sniffer.signal("TERM")?;
    let ended = sniffer.ended()?;
    ended.comes_to("written", 3);
    assert_eq!(decoder.wait()?.code(), Some(0));
    assert_eq!(names(folder.path())?, ["fifo"]);
    Ok(())
}

/// A capture down a pipe, each packet readable before the next is sent.
pub(super) fn pipe() -> Result<(), Failed> {
    let mut sniffer = sniff(&["-i", "lo", "-l", "-w", "-", "udp"])?;
    let pipe = std::mem::replace(
        &mut sniffer.out,
        // Nothing else is read of it.
        BufReader::new(stand_in()?),
    );
    let mut decoder = Command::new(dotquad())
        .args(["decode", "-"])
        .stdin(pipe.into_inner())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(decoder.stdout.take().expect("it is piped"));
    for number in 1..=5 {
        send(1)?;
        let mut line = String::new();
        lines.read_line(&mut line)?;
        assert!(line.starts_with(&format!("{number} ")), "{line:?}");
    }
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    ended.comes_to("written", 5);
    let mut rest = String::new();
    lines.read_to_string(&mut rest)?;
    assert_eq!((rest.as_str(), decoder.wait()?.code()), ("", Some(0)));
    Ok(())
}
