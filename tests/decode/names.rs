//! `interfaces`, and the names that `--names` finds: only what this machine knows by itself.

use serde_json::Value;

use super::{decode, dotquad};

#[test]
fn the_loopback_is_listed() {
    let said = dotquad(&["interfaces"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let mut lines = said.out.lines().map(|line| line.split_whitespace().next());
    assert!(lines.any(|name| name == Some("lo")), "{}", said.out);

    let said = dotquad(&["interfaces", "--format", "ndjson"]);
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    let objects = said.objects();
    let lo = objects
        .iter()
        .find(|object| object["name"] == "lo")
        .expect("lo is there");
    assert!(lo["index"].as_u64() > Some(0), "{lo}");
    assert!(
        lo["mtu"].is_u64() && lo["ipv4"].is_array() && lo["mac"] == Value::Null,
        "{lo}"
    );
}

#[test]
fn names_come_from_this_machine() {
    // 127.0.0.1 to itself: no question leaves the machine.
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let mut known = hosts.lines().filter_map(|line| {
        let words: Vec<&str> = line.split('#').next()?.split_whitespace().collect();
        (words.first() == Some(&"127.0.0.1"))
            .then(|| words.get(1).map(|name| (*name).to_owned()))?
    });
    let Some(name) = known.next() else {
        // Nobody but a server could say, and none is asked.
        let said = decode("captures/loopback_ethernet.pcap");
        assert!(
            said.out.contains("127.0.0.1 > 127.0.0.1 ICMP"),
            "{}",
            said.out
        );
        return;
    };
    let said = decode("--names captures/loopback_ethernet.pcap");
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""));
    assert!(
        said.out.contains(&format!(" {name} > {name} ICMP ")),
        "{}",
        said.out
    );
    // Programs get addresses.
    let said = decode("--names --format ndjson captures/loopback_ethernet.pcap");
    assert!(
        said.out.contains("\"source\":\"127.0.0.1\""),
        "{}",
        said.out
    );
}

#[test]
fn nobody_asks_for_names_unless_told() {
    for habit in ["", "-n", "-nn"] {
        let said = decode(&format!("{habit} captures/loopback_ethernet.pcap"));
        assert_eq!(said.code, Some(0), "{habit}: {}", said.err);
        assert!(
            said.out.contains(" 127.0.0.1 > 127.0.0.1 ICMP "),
            "{}",
            said.out
        );
    }
    let said = decode("-n --names captures/loopback_ethernet.pcap");
    assert_eq!((said.out.as_str(), said.code), ("", Some(2)));
}
