//! The keys of NDJSON are a promise: the list in the code, the README's table and what the
//! descriptions say over every capture are the same.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use dotquad::cli::keys::KEYS;
use serde_json::Value;

/// Keys that no capture of this project shows: rare messages of IPv6, which is not what dotquad
/// is about, and a length field that only 802.3 frames behind a VLAN tag have.
const UNSHOWN: &[&str] = &[
    "vlan.length",
    "ipv6.extensions.last_entry",
    "ipv6.extensions.flags",
    "ipv6.extensions.tag",
    "ipv6.extensions.data",
    "ipv6.extensions.options.jumbo_payload_length",
    "ipv6.extensions.type",
    "icmpv6.flags.router",
    "icmpv6.flags.solicited",
    "icmpv6.flags.override",
    "icmpv6.pointer",
];

fn captures(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            captures(&path, found);
        } else if path.to_string_lossy().contains(".pcap") {
            found.push(path);
        }
    }
}

/// Every path below a layer that leads to a value.
fn paths(value: &Value, layer: &str, path: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                match key.as_str() {
                    "layer" if path.is_empty() => {}
                    "quoted" => layers(&value["layers"], found),
                    _ if path.is_empty() => paths(value, layer, key, found),
                    _ => paths(value, layer, &format!("{path}.{key}"), found),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                paths(item, layer, path, found);
            }
        }
        _ => {
            found.insert(format!("{layer}.{path}"));
        }
    }
}

fn layers(value: &Value, found: &mut BTreeSet<String>) {
    for layer in value.as_array().unwrap() {
        paths(layer, layer["layer"].as_str().unwrap(), "", found);
    }
}

fn listed() -> BTreeSet<String> {
    KEYS.iter()
        .flat_map(|(layer, keys)| keys.iter().map(move |key| format!("{layer}.{key}")))
        .collect()
}

#[test]
fn the_list_is_what_the_captures_show() {
    let mut files = Vec::new();
    captures(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("captures"),
        &mut files,
    );
    assert!(!files.is_empty());
    let mut shown = BTreeSet::new();
    for file in files {
        let output = assert_cmd::cargo::cargo_bin_cmd!("dotquad")
            .args(["decode", "--format", "ndjson"])
            .arg(&file)
            .output()
            .unwrap();
        for line in output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            let object: Value = serde_json::from_slice(line).unwrap();
            layers(&object["layers"], &mut shown);
        }
    }
    let unshown: BTreeSet<String> = UNSHOWN.iter().map(|key| (*key).to_owned()).collect();
    let listed = listed();
    assert_eq!(
        shown.difference(&listed).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "keys that are not listed"
    );
    let missing: BTreeSet<String> = listed.difference(&shown).cloned().collect();
    assert_eq!(missing, unshown, "keys that no capture shows");
}

#[test]
fn the_readme_has_the_same_table() {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    for (layer, keys) in KEYS {
        let keys: Vec<String> = keys.iter().map(|key| format!("`{key}`")).collect();
        let row = format!("| `{layer}` | {} |", keys.join(" "));
        assert!(readme.contains(&row), "README.md lacks this row:\n{row}");
    }
}
