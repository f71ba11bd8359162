//! Names in filters and of addresses: the child asks a name server over the network, reads the
//! host's files, and holds no power meanwhile.
//!
//! The name server is a thread here, on an address of the namespace's loopback interface; the
//! program is started where /etc says so, in a mount namespace of its own.

use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;

use assert_cmd::cargo::cargo_bin;
use libtest_mimic::{Failed, Trial};

use super::Powers;

/// Where the name server listens: an address no other test uses.
const SERVER: Ipv4Addr = Ipv4Addr::new(127, 53, 0, 1);

/// The files of /etc that name something (nsswitch.conf(5), resolv.conf(5), hosts(5), networks(5),
/// ethers(5)).
const FILES: [(&str, &str); 5] = [
    ("nsswitch.conf", "hosts: files dns\nnetworks: files\n"),
    (
        "resolv.conf",
        "nameserver 127.53.0.1\noptions timeout:1 attempts:1\n",
    ),
    ("hosts", "127.0.0.1 localhost\n192.0.2.77 printer.example\n"),
    ("networks", "office 10.1.0.0\n"),
    ("ethers", "02:00:00:00:00:fe gate.example\n"),
];

/// What the name server knows.
const ZONE: [(&str, &[Ipv4Addr]); 3] = [
    (
        "web.example",
        &[
            Ipv4Addr::new(192, 0, 2, 80),
            Ipv4Addr::new(198, 51, 100, 80),
        ],
    ),
    ("gate.example", &[Ipv4Addr::new(192, 0, 2, 254)]),
    ("host.example", &[Ipv4Addr::new(192, 0, 2, 1)]),
];

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    let name = "names_in_filters_are_asked_for";
    if powers.namespace && !can_mount() {
        let missing = || Err("no mount namespace can be made here".into());
        let name = format!("{name} (needs a mount namespace)");
        return vec![Trial::test(name, missing).with_ignored_flag(true)];
    }
    vec![powers.trial(name, names_are_asked_for)]
}

/// A namespace can be made in which files of /etc are others.
pub(super) fn can_mount() -> bool {
    let mut probe = Command::new("unshare");
    probe.args(["-m", "--", "mount", "--bind", "/etc", "/etc"]);
    let quiet = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

fn names_are_asked_for() -> Result<(), Failed> {
    let up = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status()?;
    if !up.success() {
        return Err("the loopback interface does not come up".into());
    }
    let folder = etc()?;
    let asked = serve()?;
    // Words of the filter, the same in numbers, and the names that the server hears of.
    for (named, plain, questions) in [
        (
            "host web.example",
            "host 192.0.2.80 or 198.51.100.80",
            &["web.example"][..],
        ),
        (
            "src host web.example and tcp port 80",
            "src host (192.0.2.80 or 198.51.100.80) and tcp port 80",
            &["web.example"],
        ),
        (
            "dst WEB.example",
            "dst host 192.0.2.80 or 198.51.100.80",
            &["web.example"],
        ),
        // In /etc/hosts: no server is asked.
        ("host printer.example", "host 192.0.2.77", &[]),
        ("net office", "net 10.1.0.0/16", &[]),
        (
            "ether host gate.example",
            "ether host 02:00:00:00:00:fe",
            &[],
        ),
        (
            "gateway gate.example",
            "ether host 02:00:00:00:00:fe and not host 192.0.2.254",
            &["gate.example"],
        ),
        // Port and protocol names are the language's own.
        ("udp port domain", "udp port 53", &[]),
    ] {
        let found = listing(folder.path(), named)?;
        let expected = listing(folder.path(), plain)?;
        if found != expected || found.is_empty() {
            return Err(format!("{named}:\n{found}instead of\n{expected}").into());
        }
        let mut heard: Vec<String> = asked.try_iter().collect();
        heard.dedup();
        if heard != questions {
            return Err(format!("{named}: the server was asked for {heard:?}").into());
        }
    }
    for unknown in [
        "host nobody.example",
        "net nowhere",
        "ether host nobody.example",
    ] {
        let output = run(folder.path(), unknown)?;
        let said = String::from_utf8_lossy(&output.stderr);
        let word = unknown.rsplit(' ').next().unwrap_or(unknown);
        let shown = said.contains(&format!("cannot resolve `{word}`")) && said.contains('^');
        if output.status.code() != Some(2) || !shown {
            return Err(format!("{unknown}: {:?}, {said}", output.status).into());
        }
    }
    addresses_have_names(folder.path())
}

/// `dotquad decode --names` shows the name that the server knows, and the child that asked for it
/// is inside its sandbox; as root it is root no more.
fn addresses_have_names(etc: &Path) -> Result<(), Failed> {
    let mut command = inside(etc, &["decode", "--names", "-"]);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = piped.env_remove("SUDO_UID").spawn()?;
    let mut input = child.stdin.take().ok_or("it is piped")?;
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/captures/icmp_echo.pcap");
    input.write_all(&fs::read(capture)?)?;
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().ok_or("it is piped")?).read_line(&mut line)?;
    let statuses = children(child.id())?;
    drop(input);
    let ended = child.wait()?;
    if !ended.success() || !line.contains("host.example > 198.51.100.2 ") {
        return Err(format!("{ended}: {line}").into());
    }
    let [status] = &statuses[..] else {
        return Err(format!("{} children", statuses.len()).into());
    };
    let map = fs::read_to_string("/proc/self/uid_map")?;
    let is_root = map.split_whitespace().eq(["0", "0", "4294967295"]);
    let user = if is_root { "65534" } else { "0" };
    let ids = [user; 4].join(" ");
    let none = "0000000000000000";
    for (key, expected) in [
        ("Uid", ids.as_str()),
        ("CapInh", none),
        ("CapPrm", none),
        ("CapEff", none),
        ("CapAmb", none),
        ("CapBnd", none),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
        ("Threads", "1"),
    ] {
        let line = status
            .lines()
            .find_map(|line| line.split_once(':').filter(|it| it.0 == key));
        let found = line.map(|(_, value)| value.trim().replace('\t', " "));
        if found.as_deref() != Some(expected) {
            return Err(format!("{key} is {found:?}, not {expected}").into());
        }
    }
    Ok(())
}

/// A folder to be seen as /etc.
pub(super) fn etc() -> io::Result<tempfile::TempDir> {
    let folder = tempfile::tempdir()?;
    // As /etc is: the child is nobody, who reads what all may read.
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    for (name, text) in FILES {
        fs::write(folder.path().join(name), text)?;
    }
    Ok(folder)
}

/// What the kernel says of each child of a process.
fn children(parent: u32) -> io::Result<Vec<String>> {
    let parent = format!("PPid:\t{parent}\n");
    let mut children = Vec::new();
    for process in fs::read_dir("/proc")? {
        // Processes come and go meanwhile.
        if let Ok(status) = fs::read_to_string(process?.path().join("status"))
            && status.contains(&parent)
        {
            children.push(status);
        }
    }
    Ok(children)
}

/// The program for a filter, as it is printed.
fn listing(etc: &Path, filter: &str) -> Result<String, Failed> {
    let output = run(etc, filter)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{filter}: {:?}, {said}", output.status).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// `dotquad filter` where `etc` is /etc.
fn run(etc: &Path, filter: &str) -> io::Result<Output> {
    inside(etc, &["filter", filter]).output()
}

/// `dotquad` with these words where `etc` is /etc.
fn inside(etc: &Path, words: &[&str]) -> Command {
    const SCRIPT: &str = "mount --bind \"$1\" /etc && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "--", "sh", "-c", SCRIPT, "sh"]);
    command.arg(etc).arg(cargo_bin("dotquad")).args(words);
    command
}

/// Starts the name server, which runs as long as this program; the names it is asked for, in lower
/// case.
pub(super) fn serve() -> io::Result<Receiver<String>> {
    let socket = UdpSocket::bind((SERVER, 53))?;
    let (heard, asked) = mpsc::channel();
    thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, client)) = socket.recv_from(&mut question) {
            let Some((name, answer)) = answer(question.get(..length).unwrap_or_default()) else {
                continue;
            };
            // Nobody listens any more when the test is over.
            if heard.send(name).is_err() || socket.send_to(&answer, client).is_err() {
                break;
            }
        }
    });
    Ok(asked)
}

/// The name that a message asks the IPv4 addresses or the name of, and the answer (RFC 1035 sections
/// 3.5 and 4.1).
fn answer(message: &[u8]) -> Option<(String, Vec<u8>)> {
    let (header, rest) = message.split_at_checked(12)?;
    let mut labels: Vec<String> = Vec::new();
    let mut left = rest;
    loop {
        let (&length, more) = left.split_first()?;
        let (label, more) = more.split_at_checked(length.into())?;
        left = more;
        if label.is_empty() {
            break;
        }
        labels.push(String::from_utf8_lossy(label).to_lowercase());
    }
    let question = rest.get(..rest.len().checked_sub(left.len())?.checked_add(4)?)?;
    let name = labels.join(".");
    // Type A or PTR, class IN.
    let (known, records): (bool, Vec<Vec<u8>>) = match left.get(..4)? {
        [0, 12, 0, 1] => {
            let named = |addresses: &[Ipv4Addr]| addresses.iter().any(|it| reverse(*it) == name);
            let found = ZONE.iter().find(|(_, addresses)| named(addresses));
            let record = found.map(|(name, _)| encoded(name));
            (found.is_some(), record.into_iter().collect())
        }
        kind => {
            let found = ZONE.iter().find(|(zone, _)| *zone == name);
            let addresses = found.filter(|_| kind == [0, 1, 0, 1]);
            let addresses = addresses.map_or(&[][..], |(_, found)| *found);
            let records = addresses.iter().map(|it| it.octets().to_vec());
            (found.is_some(), records.collect())
        }
    };
    let mut answer = header.get(..2)?.to_vec();
    // A response, recursion desired and available; 3 says that there is no such name.
    answer.extend([0x81, if known { 0x80 } else { 0x83 }]);
    answer.extend([0, 1, 0, u8::try_from(records.len()).ok()?, 0, 0, 0, 0]);
    answer.extend(question);
    let kind = left.get(..4)?;
    for record in records {
        // The name is the one at byte 12; the type and class asked for, for a minute.
        answer.extend([0xc0, 12]);
        answer.extend(kind);
        answer.extend([0, 0, 0, 60, 0, u8::try_from(record.len()).ok()?]);
        answer.extend(record);
    }
    Some((name, answer))
}

/// The name under which the name of an address is found.
fn reverse(address: Ipv4Addr) -> String {
    let [a, b, c, d] = address.octets();
    format!("{d}.{c}.{b}.{a}.in-addr.arpa")
}

/// A name as it stands in a message.
fn encoded(name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for label in name.split('.').chain([""]) {
        bytes.push(u8::try_from(label.len()).expect("labels are short"));
        bytes.extend(label.as_bytes());
    }
    bytes
}
