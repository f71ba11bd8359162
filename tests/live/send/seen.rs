//! What goes by while a packet is sent: its copy, which may not be what was built, and the answers.

use std::io::Read;
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};

use super::super::Powers;
use super::{MAC_B, Pair, dotquad, good, sh, text};

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    let mut trials = vec![
        powers.trial("send_shows_what_comes_back", shows_replies),
        powers.trial("send_shows_tags_that_come_back", shows_tags),
        powers.trial("send_says_when_the_interface_goes_down", goes_down),
    ];
    for (name, test) in [
        ("send_says_what_left_otherwise", left_otherwise as Test),
        ("send_says_what_never_left", never_left),
    ] {
        trials.push(if has_egress_hook() {
            powers.trial(name, test)
        } else {
            let name = format!("{name} (needs nft and the kernel's egress hook)");
            let missing = || Err("nft cannot hook what leaves".into());
            Trial::test(name, missing).with_ignored_flag(true)
        });
    }
    trials
}

type Test = fn() -> Result<(), Failed>;

/// The rules of `nft`, which change what leaves by an interface after it was handed over.
fn rules(device: &str, rule: &str) -> String {
    format!(
        "table netdev {device} {{ chain out {{ type filter hook egress device \"{device}\" \
         priority 0; {rule}; }}; }}"
    )
}

/// Whether there is nft(8), and a kernel that does what it says (Linux 5.16): tried on a namespace
/// of its own.
fn has_egress_hook() -> bool {
    let script = format!("ip link set lo up; nft '{}'", rules("lo", "drop"));
    let mut trial = Command::new("unshare");
    trial.args(["-n", "sh", "-ec", &script]);
    let quiet = trial.stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// A pair whose near end has an address and knows the far one's; `rule` is for what leaves.
fn hooked(name: &str, net: u8, rule: &str) -> Pair {
    let pair = Pair::new(name);
    let a = &pair.a;
    sh(&format!(
        "ip addr add 10.77.{net}.1/24 dev {a}; \
         ip neigh add 10.77.{net}.2 lladdr {MAC_B} dev {a}; nft '{}'",
        rules(a, rule)
    ));
    pair
}

fn left_otherwise() -> Result<(), Failed> {
    let pair = hooked("dqs8", 8, "ip ttl set 9");
    let (_, mut wire) = pair.listen();
    // By a raw socket, and by a frame of our own.
    for (more, place) in [
        (&[][..], "byte 8 of the datagram left as 0x09"),
        (&["--id", "0"], "byte 22 of the frame left as 0x09"),
    ] {
        let output = dotquad(&[&["send", "10.77.8.2", "--icmp"][..], more].concat());
        let (out, err) = text(&output);
        assert_eq!(output.status.code(), Some(1), "{out}{err}");
        assert!(
            err.contains("0 seen to leave as built, 1 not") && err.contains(place),
            "{err}"
        );
        assert!(err.contains("was built as 0x40"), "{err}");
        // It is no false alarm.
        assert_eq!(wire.next()?[22], 9);
    }
    // Of three fragments the one that is changed is told from the others.
    sh(&format!(
        "nft delete table netdev {a}; nft '{}'",
        rules(&pair.a, "ip frag-off & 0x1fff == 138 ip ttl set 9"),
        a = pair.a
    ));
    let args = [
        "send",
        "10.77.8.2",
        "--data-len",
        "2900",
        "--fragment",
        "1124",
    ];
    let output = dotquad(&args);
    let (out, err) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    for words in [
        "2 seen to leave as built, 1 not",
        "byte 22 of the frame left as 0x09",
        "1138 bytes left and 1138 were built",
    ] {
        assert!(err.contains(words), "{words}: {err}");
    }
    Ok(())
}

fn never_left() -> Result<(), Failed> {
    let _pair = hooked("dqs9", 9, "drop");
    let output = dotquad(&[
        "send",
        "10.77.9.2",
        "--icmp",
        "-c",
        "2",
        "--interval",
        "0.01",
    ]);
    let (out, err) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{out}{err}");
    assert!(
        err.contains("0 seen to leave as built, 2 not")
            && err.contains("2 packets were not seen to leave"),
        "{err}"
    );
    // A packet socket is told that its frame was thrown away.
    let output = dotquad(&["send", "10.77.9.2", "--icmp", "--id", "0"]);
    let (out, err) = text(&output);
    assert_eq!(output.status.code(), Some(2), "{out}{err}");
    assert!(
        err.contains("0 packets sent") && err.contains("refused 1 of 1"),
        "{err}"
    );
    Ok(())
}

fn goes_down() -> Result<(), Failed> {
    let pair = Pair::new("dqsa");
    let (_, mut wire) = pair.listen();
    let mut child = Command::new(env!("CARGO_BIN_EXE_dotquad"))
        .args(["send", "10.77.10.2", "-i", &pair.a, "--ethernet", MAC_B])
        .args([
            "--source",
            "10.77.10.1",
            "--udp",
            "-c",
            "1000",
            "--interval",
            "0.02",
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    // Once the first has arrived there are more to come.
    wire.next()?;
    sh(&format!("ip link set {} down", pair.a));
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err)?;
    assert_eq!(child.wait()?.code(), Some(2), "{err}");
    assert!(err.contains("down"), "{err}");
    Ok(())
}

fn shows_replies() -> Result<(), Failed> {
    sh("ip link set lo up");
    let (out, err) = good(&[
        "send",
        "127.0.0.1",
        "--icmp",
        "--icmp-id",
        "77",
        "--listen",
        "0.3",
    ]);
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.len() == 2 && lines[1].contains("echo reply"), "{out}");
    assert!(err.contains("1 reply"), "{err}");
    // Nobody is there: the error quotes our datagram, and another's would not be shown.
    let args = [
        "send",
        "127.0.0.1",
        "--udp",
        "--sport",
        "4321",
        "--dport",
        "9",
        "--listen",
        "0.3",
    ];
    let (out, err) = good(&args);
    assert!(
        out.contains("unreachable") && err.contains("1 reply"),
        "{out}{err}"
    );
    // A broken packet gets no answer, and that is said.
    let args = [
        "send",
        "127.0.0.1",
        "--icmp",
        "--icmp-checksum",
        "1",
        "--listen",
        "0.1",
    ];
    let output = dotquad(&args);
    let (_, err) = text(&output);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(err.contains("0 replies"), "{err}");
    Ok(())
}

/// Another host on a VLAN answers: its tag, which the kernel takes out of the frame, is shown.
fn shows_tags() -> Result<(), Failed> {
    let pair = Pair::new("dqsb");
    let (mut reply, mut wire) = pair.listen();
    let answering = std::thread::spawn(move || {
        let request = wire.next().unwrap().to_vec();
        let mut answer = [&request[6..12], &request[..6], &[0x81, 0, 0xa0, 0x64]].concat();
        answer.extend(&request[12..26]);
        answer.extend(&request[30..34]);
        answer.extend(&request[26..30]);
        // An echo reply to an echo request without a payload (RFC 792): 8 becomes 0.
        answer.extend([0, 0, 0xff, 0xff, 0, 0, 0, 0]);
        reply.send_to(&answer, None).unwrap().unwrap();
    });
    let args = ["send", "10.77.11.2", "-i", &pair.a, "--ethernet", MAC_B];
    let more = ["--source", "10.77.11.1", "--vlan", "100/5", "--icmp"];
    let show = ["--listen", "1", "--format", "ndjson"];
    let (out, err) = good(&[&args[..], &more, &show].concat());
    answering.join().unwrap();
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}{err}");
    for words in [
        "\"vlan\"",
        "\"priority\":5",
        "\"type\":0",
        "\"direction\":\"in\"",
    ] {
        assert!(lines[1].contains(words), "{words}: {out}");
    }
    assert!(err.contains("1 reply"), "{err}");
    Ok(())
}
