//! How it ends, whoever ends it, and what it refuses to begin.

use std::fs;
use std::io::{BufReader, Read};
use std::net::UdpSocket;
use std::process::Command;

use libtest_mimic::Failed;

use super::super::cable::{cable, ip, up};
use super::{PORT, count, dotquad, folder, names, send, send_to, sniff, stand_in, started};

pub(super) fn signals() -> Result<(), Failed> {
    let folder = folder()?;
    for (name, signal) in [
        ("x.pcap", "INT"),
        ("x.pcapng", "TERM"),
        ("x.pcapng.gz", "HUP"),
    ] {
        let path = folder.path().join(name);
        let sniffer = sniff(&["-i", "lo", "-w", &path.to_string_lossy(), "udp"])?;
        send(200)?;
        // The second one changes nothing.
        sniffer.signal(signal)?;
        sniffer.signal(signal)?;
        let ended = sniffer.ended()?;
        ended.comes_to("written", 200);
        assert_eq!(count(&path)?, 200);
    }
    Ok(())
}

pub(super) fn duration() -> Result<(), Failed> {
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let words = [
        "-i",
        "lo",
        "-w",
        &path.to_string_lossy(),
        "--duration",
        "200ms",
    ];
    let ended = sniff(&words)?.ended()?;
    ended.comes_to("written", 0);
    // A capture without packets still says of what it is one.
    assert_eq!(count(&path)?, 0);
    Ok(())
}

pub(super) fn reader_leaves() -> Result<(), Failed> {
    let mut sniffer = sniff(&["-i", "lo", "udp"])?;
    send(1)?;
    sniffer.lines(1)?;
    sniffer.out = BufReader::new(stand_in()?);
    send(1)?;
    let ended = sniffer.ended()?;
    assert_eq!(
        (ended.code, ended.err.lines().count()),
        (Some(0), 1),
        "{}",
        ended.err
    );
    Ok(())
}

pub(super) fn disk_full() -> Result<(), Failed> {
    let folder = folder()?;
    for (name, room, more) in [
        ("x.pcap", 64, ""),
        ("x.pcapng", 64, ""),
        // Some members of 1 MiB.
        ("x.pcapng.gz", 2500, ""),
        ("r.pcapng", 64, "--rotate-packets 1000"),
    ] {
        let path = folder.path().join(name);
        let mut command = Command::new("bash");
        // So many KiB of room, of which SIGXFSZ tells at a byte no record ends at.
        let script = format!("ulimit -f {room}; exec \"$0\" sniff -i lo -w \"$1\" {more} udp");
        command.args(["-c", &script, dotquad()]).arg(&path);
        let sniffer = started(command)?;
        // What no compressor makes smaller.
        let mut noise = vec![0_u8; 1000];
        let mut random = fs::File::open("/dev/urandom")?;
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        // More than fits; it ends by itself, and what comes then is nobody's.
        for _ in 0..2 * room {
            random.read_exact(&mut noise)?;
            socket.send_to(&noise, ("127.0.0.1", PORT))?;
        }
        let ended = sniffer.ended()?;
        assert_eq!(ended.code, Some(2), "{name} {}", ended.err);
        let written = ended.adds_up("written");
        let path = match more {
            "" => path,
            _ => folder.path().join("r-00001.pcapng"),
        };
        assert_eq!(count(&path)?, written, "{name} {}", ended.err);
        assert!((room / 3..room).contains(&written), "{name} {written}");
        let last = ended.err.lines().last().unwrap_or_default();
        assert!(
            last.starts_with("dotquad: writing ") && last.contains(&format!("{written} frames")),
            "{last}"
        );
    }
    Ok(())
}

pub(super) fn folder_gone() -> Result<(), Failed> {
    for more in [&[][..], &["--rotate-packets", "100"]] {
        let folder = folder()?;
        let path = folder.path().join("x.pcapng");
        let path = path.to_string_lossy();
        let words = [&["-i", "lo", "--print", "-w", &path, "udp"][..], more].concat();
        let mut sniffer = sniff(&words)?;
        send(5)?;
        // They are on their way to the file when they are shown; it is there in a moment.
        sniffer.lines(5)?;
        while names(folder.path())?.is_empty() {
            std::thread::yield_now();
        }
        fs::remove_dir_all(folder.path())?;
        sniffer.signal("INT")?;
        let ended = sniffer.ended()?;
        assert_eq!(ended.code, Some(2), "{}", ended.err);
        ended.adds_up("written");
        assert!(
            ended
                .err
                .lines()
                .last()
                .is_some_and(|it| it.contains("x.pcapng") || it.contains("x-00001")),
            "{}",
            ended.err
        );
    }
    Ok(())
}

pub(super) fn down() -> Result<(), Failed> {
    cable()?;
    ip("link set dev right down")?;
    let refused = Command::new(dotquad())
        .args(["sniff", "-i", "right"])
        .output()?;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("right") && said.contains("down"), "{said}");
    up(&["left", "right"])?;
    let mut sniffer = sniff(&["-i", "right", "udp"])?;
    send_to(("10.7.0.2", PORT), 1)?;
    assert!(
        sniffer
            .lines(1)?
            .swap_remove(0)
            .contains(" right in 10.7.0.1:")
    );
    ip("link set dev right down")?;
    sniffer.says("down")?;
    up(&["left", "right"])?;
    sniffer.says("up")?;
    send_to(("10.7.0.2", PORT), 1)?;
    assert!(sniffer.lines(1)?.swap_remove(0).starts_with("2 "));
    sniffer.signal("INT")?;
    let ended = sniffer.ended()?;
    ended.comes_to("shown", 2);
    Ok(())
}

pub(super) fn removed() -> Result<(), Failed> {
    cable()?;
    let folder = folder()?;
    let path = folder.path().join("x.pcapng");
    let sniffer = sniff(&["-i", "left", "-w", &path.to_string_lossy(), "udp"])?;
    send_to(("10.7.0.2", PORT), 20)?;
    ip("link delete left")?;
    let ended = sniffer.ended()?;
    assert_eq!(
        (ended.code, ended.adds_up("written")),
        (Some(2), 20),
        "{}",
        ended.err
    );
    assert_eq!(count(&path)?, 20);
    let last = ended.err.lines().last().unwrap_or_default();
    assert!(
        last.starts_with("dotquad: ") && last.contains("left"),
        "{last}"
    );
    Ok(())
}

pub(super) fn refuses() -> Result<(), Failed> {
    let fifo = folder()?;
    let path = fifo.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&path).status()?.success());
    let path = path.to_string_lossy();
    for (words, expected) in [
        (&["-i", "nowhere"][..], "nowhere"),
        (&["-i", "any", "-i", "lo"], "any"),
        (&["-i", "lo", "port"], "port"),
        (&["-i", "lo", "-w", "-", "--rotate-packets", "1"], "rotated"),
        (
            &["-i", "lo", "-w", &path, "--rotate-packets", "1"],
            "rotated",
        ),
        (&["-i", "lo", "-w", "/nowhere/x"], "/nowhere/x"),
        (
            &["-i", "lo", "-w", "/nowhere/x", "--rotate-packets", "1"],
            "/nowhere",
        ),
        (&["-i", "lo", "-w", "x", "--files", "3"], "--rotate-size"),
        (
            &["-i", "lo", "-w", "x-%!", "--rotate-packets", "1"],
            "strftime",
        ),
        (&["-i", "lo", "--rotate-size", "5"], "-w"),
        (&["-i", "lo", "-c", "0"], "-c"),
        (
            &["-i", "lo", "-w", "x", "--rotate-size", "many"],
            "--rotate-size",
        ),
        (&["-i", "lo", "--duration=-1"], "--duration"),
        (&["-i", "lo", "--promiscuous", "-p"], "--promiscuous"),
    ] {
        let output = Command::new(dotquad()).arg("sniff").args(words).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?} {said}");
        assert!(said.contains(expected), "{words:?} {said}");
        assert!(output.stdout.is_empty());
    }
    let listed = Command::new(dotquad()).args(["sniff", "-D"]).output()?;
    assert!(listed.status.success() && String::from_utf8_lossy(&listed.stdout).contains(" lo "));
    Ok(())
}

pub(super) fn no_capability() -> Result<(), Failed> {
    let mut command = Command::new("setpriv");
    command.args([
        "--bounding-set=-net_raw",
        "--inh-caps=-net_raw",
        "--ambient-caps=-net_raw",
    ]);
    let output = command.args([dotquad(), "sniff", "-i", "lo"]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("setcap cap_net_raw"), "{said}");
    Ok(())
}

/// Every thread has given up everything.
pub(super) fn holds_nothing() -> Result<(), Failed> {
    let mut sniffer = sniff(&["-i", "lo", "udp"])?;
    send(1)?;
    sniffer.lines(1)?;
    let threads = format!("/proc/{}/task", sniffer.child.id());
    let mut looked_at = 0;
    for thread in fs::read_dir(threads)? {
        let status = fs::read_to_string(thread?.path().join("status"))?;
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            line.map(|value| value.trim_start_matches(':').trim().to_owned())
        };
        for key in ["CapEff", "CapPrm", "CapInh", "CapAmb"] {
            assert_eq!(value(key).as_deref(), Some("0000000000000000"), "{key}");
        }
        assert_eq!(value("NoNewPrivs").as_deref(), Some("1"));
        assert_eq!(value("Seccomp").as_deref(), Some("2"));
        looked_at += 1;
    }
    assert!(looked_at >= 3, "{looked_at} threads");
    sniffer.signal("INT")?;
    assert_eq!(sniffer.ended()?.code, Some(0));
    Ok(())
}
