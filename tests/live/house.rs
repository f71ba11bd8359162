//! What commands still need once their sandbox is shut, and what they leave behind when they fail
//! before the first packet.

use std::fs;
use std::process::{Command, Output};

use assert_cmd::cargo::cargo_bin;
use libtest_mimic::{Failed, Trial};

use super::Powers;

pub(super) fn trials(powers: Powers) -> Vec<Trial> {
    vec![
        powers.trial("ping_in_its_sandbox_learns_a_paths_mtu", learns_mtu),
        powers.trial("ping_by_an_interface_needs_no_route", needs_no_route),
        powers.trial("sniff_that_fails_to_start_empties_nothing", empties_nothing),
    ]
}

/// `dotquad` with these words in a namespace of its own, after these words of a shell.
fn alone(before: &str, words: &[&str]) -> Result<Output, Failed> {
    let mut command = Command::new("unshare");
    let script = format!("ip link set lo up && {before} && exec \"$@\"");
    command.args(["-n", "--", "sh", "-c", &script, "sh"]);
    command.arg(cargo_bin("dotquad")).args(words);
    Ok(command.env_remove("SUDO_UID").output()?)
}

/// The kernel refuses what is longer than the way's MTU, and is asked for that after the sandbox.
fn learns_mtu() -> Result<(), Failed> {
    let way = "ip addr add 10.77.0.9/32 dev lo && ip route add 10.77.0.0/24 dev lo mtu 900";
    let words = "ping -M do -s 1000 -c 1 -W 1 --format ndjson 10.77.0.1";
    let output = alone(way, &words.split(' ').collect::<Vec<_>>())?;
    let said = String::from_utf8(output.stdout)?;
    assert!(said.contains(r#""errno":90,"mtu":900,"#), "{said}");
    assert_eq!(output.status.code(), Some(1));
    Ok(())
}

/// To all hosts and routers of a link, whatever the routing table says: as ping(8) of iputils.
fn needs_no_route() -> Result<(), Failed> {
    let link = "ip link add va type veth peer name vb && ip addr add 10.9.0.1/24 dev va && \
        ip link set va up && ip link set vb up";
    for target in ["224.0.0.1", "255.255.255.255"] {
        let words = ["ping", "-b", "-I", "va", "-c", "1", "-W", "0.1", target];
        let output = alone(link, &words)?;
        let said = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(said.contains("from 10.9.0.1 va: "), "{said}");
        assert!(said.contains("1 packets transmitted, 0 received"), "{said}");
    }
    Ok(())
}

fn empties_nothing() -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("output.pcapng");
    let name = path.to_str().ok_or("a name")?;
    let words = ["sniff", "-i", "lo", "-w", name, "--user", "no such user"];
    let output = alone("true", &words)?;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!path.exists(), "it never began");
    fs::write(&path, "older")?;
    let output = alone("true", &words)?;
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(fs::read(&path)?, b"older");
    Ok(())
}
