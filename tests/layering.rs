//! The laws of the house, proved by reading `src/`: one-way doors between the rooms, one owner for
//! each dependency and each power, and the shape of files.
//!
//! A violation names file and line. The laws themselves are tried on small bad snippets below.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::fs;
use std::path::Path;

#[path = "layering/source.rs"]
mod source;

/// The rooms from left to right. Rooms of one rank do not know each other.
const ROOMS: &[(&str, u8)] = &[
    ("error", 0),
    ("wire", 1),
    ("capture", 2),
    ("filter", 2),
    ("probe", 2),
    ("survey", 2),
    ("net", 3),
    ("cli", 4),
    ("main", 5),
];

/// The most lines of a file.
const LONGEST: usize = 600;

/// Names that say nothing about what a module is for.
const NAMELESS: &[&str] = &[
    "utils", "util", "helpers", "helper", "common", "types", "misc",
];

/// Files that may say `unsafe`.
const UNSAFE: &[&str] = &["net/ring.rs", "net/batch.rs", "net/sockopt.rs"];

/// The one file outside net/ that may look at a clock: indicatif draws from a thread of its own.
const PROGRESS: &str = "cli/progress.rs";

/// Rooms that are bytes and values only.
const PURE: &[&str] = &["wire", "filter", "probe", "survey"];

/// What of the standard library is no value.
const POWERS: &[&str] = &["fs", "io", "process", "thread", "env", "os"];

/// A dependency and the room that owns it.
type Owned = (String, String);

#[test]
fn the_house_keeps_its_laws() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let owners = owners(&fs::read_to_string(root.join("Cargo.toml")).expect("there is a manifest"));
    assert!(owners.len() >= 10, "the manifest's owners: {owners:?}");
    let mut files = Vec::new();
    collect(&root.join("src"), "", &mut files);
    assert!(files.len() >= 50, "src/ was found");
    let broken: Vec<String> = files
        .iter()
        .flat_map(|(name, text)| violations(name, text, &owners))
        .collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

/// All Rust files below `folder`, named from src/ on.
fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("src/ can be read") {
        let path = entry.expect("src/ can be read").path();
        let own = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{prefix}{own}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).expect("a source file is text");
            files.push((name, text));
        }
    }
}

/// Who owns which dependency: the manifest says it in comments that are a room's name.
fn owners(manifest: &str) -> Vec<Owned> {
    let mut owners = Vec::new();
    let (mut within, mut room) = (false, "");
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            within = section.ends_with("dependencies]") && !section.starts_with("dev-");
            room = "";
        } else if let Some(comment) = line.strip_prefix("# ") {
            room = comment;
        } else if let Some((name, _)) = line.split_once(" = ").filter(|_| within) {
            assert!(rank(room).is_some(), "{name} stands under no room's name");
            owners.push((name.replace('-', "_"), room.to_owned()));
        }
    }
    owners
}

fn rank(room: &str) -> Option<u8> {
    let found = ROOMS.iter().find(|(name, _)| *name == room);
    found.map(|(_, rank)| *rank)
}

/// What is wrong with a file of this name below src/.
fn violations(name: &str, text: &str, owners: &[Owned]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut say = |line: usize, what: String| broken.push(format!("src/{name}:{line}: {what}"));

    let module: Vec<&str> = name.trim_end_matches(".rs").split('/').collect();
    let room = module[0];
    if room != "lib" && rank(room).is_none() {
        say(1, format!("{room} is no room of the house"));
    }
    if !text.starts_with("//! ") {
        say(1, "the file does not open with what it is (//!)".to_owned());
    }
    let lines = text.lines().count();
    if lines > LONGEST {
        say(lines, format!("{lines} lines; {LONGEST} are the most"));
    }
    if module.last() == Some(&"mod") {
        say(
            1,
            "a module's file stands beside its folder, not in it".to_owned(),
        );
    }
    if let Some(bad) = module.iter().find(|part| NAMELESS.contains(part)) {
        say(1, format!("{bad} says nothing about what is in it"));
    }

    let code = source::code_only(text);
    let tokens = source::tokens(&code);
    for pair in tokens.windows(2) {
        let (token, line, next) = (pair[0].text, pair[0].line, pair[1].text);
        let prints = matches!(token, "println" | "print" | "eprintln" | "eprint" | "dbg");
        if prints && next == "!" && room != "main" {
            say(line, format!("{token}! belongs to main.rs"));
        }
        if token == "unsafe" && !UNSAFE.contains(&name) {
            say(line, "unsafe is for ring, batch and sockopt".to_owned());
        }
        if token == "mod" && NAMELESS.contains(&next) {
            say(line, format!("{next} says nothing about what is in it"));
        }
        let clock = token == "SystemTime" || (token == "::" && next == "now");
        if clock && room != "net" && name != PROGRESS {
            say(line, "clocks belong to net/".to_owned());
        }
    }
    for path in source::paths(&tokens) {
        let shown = path.segments.join("::");
        match goes_to(&module, &path) {
            Goal::Room(to) if to != room && room != "lib" => match (rank(to), rank(room)) {
                (Some(to_rank), Some(own)) if to_rank < own => {}
                (Some(_), _) => say(path.line, format!("{room} may not know {to} ({shown})")),
                (None, _) => say(path.line, format!("{to} is no room ({shown})")),
            },
            Goal::Room(_) => {}
            Goal::Outside => {
                let first = path.segments[0];
                let owner = owners.iter().find(|(dependency, _)| dependency == first);
                // Parsing is what main is for, and only clap can do it.
                let leave = (first, room) == ("clap", "main");
                if let Some((_, owner)) = owner.filter(|(_, owner)| owner != room && !leave) {
                    say(path.line, format!("{first} belongs to {owner} ({shown})"));
                }
                let power = first == "std"
                    && path
                        .segments
                        .get(1)
                        .is_some_and(|part| POWERS.contains(part));
                if power && PURE.contains(&room) {
                    say(path.line, format!("{room} is bytes and values ({shown})"));
                }
                if shown.ends_with("process::exit") && room != "main" {
                    say(path.line, "the exit code belongs to main.rs".to_owned());
                }
            }
        }
    }
    broken
}

/// Where a path leads.
enum Goal<'a> {
    /// Into a room of the crate.
    Room(&'a str),
    /// To a dependency, the standard library, or a name at hand.
    Outside,
}

/// Resolves a path that stands in the file of this module.
fn goes_to<'a>(module: &[&'a str], path: &source::Path<'a>) -> Goal<'a> {
    let segments = path.segments.as_slice();
    // How many modules deep the path starts, counted from the crate's root.
    let depth = match module {
        ["lib"] => 0,
        parts => parts.len(),
    } + path.inline;
    let supers = segments.iter().take_while(|part| **part == "super").count();
    let rest = match segments[0] {
        // `$crate` too. The binary's own root is main.
        "crate" | "dotquad" => &segments[1..],
        "super" if supers >= depth => &segments[supers..],
        "super" | "self" => return Goal::Room(module[0]),
        _ => return Goal::Outside,
    };
    match rest.first() {
        // Re-exported at the root.
        Some(&"Error" | &"Result") => Goal::Room("error"),
        // The whole house at once.
        None | Some(&"*" | &"self") => Goal::Room("the crate's root"),
        Some(room) => Goal::Room(room),
    }
}

/// What is wrong with a snippet, without file and line.
fn wrong(name: &str, snippet: &str) -> Vec<String> {
    let owners = [
        ("etherparse".to_owned(), "wire".to_owned()),
        ("clap".to_owned(), "cli".to_owned()),
    ];
    let text = format!("//! What it is.\n{snippet}\n");
    let broken = violations(name, &text, &owners);
    let only = |line: String| {
        line.splitn(3, ':')
            .nth(2)
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    broken.into_iter().map(only).collect()
}

#[test]
fn a_door_opens_to_the_left_only() {
    for (name, snippet) in [
        ("wire/ipv4.rs", "use crate::capture::Batch;"),
        ("wire/ipv4.rs", "use super::super::cli::text;"),
        ("wire/ipv4.rs", "fn f() { crate::net::interface::list(); }"),
        ("wire/ipv4.rs", "use crate::{error::Error, cli::line};"),
        (
            "wire/ipv4.rs",
            "mod tests { use super::super::super::survey::fragments; }",
        ),
        ("wire/ipv4.rs", "type A = Vec<crate::cli::line::Line>;"),
        (
            "wire/ipv4.rs",
            "macro_rules! m { () => { $crate::cli::run() } }",
        ),
        ("wire.rs", "use super::filter;"),
        ("wire.rs", "use dotquad::net;"),
        ("capture/pcap.rs", "use crate::survey::fragments;"),
        ("filter.rs", "use crate::capture::Batch;"),
        ("error.rs", "use crate::wire::frame::Frame;"),
        ("net/ring.rs", "use crate::cli::args;"),
        ("net/ring.rs", "use crate::*;"),
        ("net/ring.rs", "use crate::{self as root};"),
        ("wire/ipv4.rs", "use crate::nowhere::Thing;"),
    ] {
        assert_eq!(wrong(name, snippet).len(), 1, "{name}: {snippet}");
    }
    for (name, snippet) in [
        (
            "cli/line.rs",
            "use crate::wire::{field::Field, frame::{Frame, Time}};",
        ),
        (
            "cli/line.rs",
            "use super::text::Text; use crate::net::resolver;",
        ),
        ("net/ring.rs", "use super::super::capture::Batch;"),
        (
            "wire/ipv4.rs",
            "mod tests { use super::*; use super::super::packet; }",
        ),
        ("wire/tcp/tests.rs", "use super::super::packet::Packet;"),
        ("wire/ipv4.rs", "use crate::{Error, Result};"),
        (
            "main.rs",
            "use dotquad::cli::args::Cli; use dotquad::error::Kind;",
        ),
        ("lib.rs", "pub use error::{Error, Result};"),
        (
            "wire/ipv4.rs",
            "// use crate::cli;\n/* crate::cli::x /* y */ */",
        ),
        (
            "wire/ipv4.rs",
            "const A: &str = \"crate::cli::x\"; const B: &str = r#\"\" crate::cli::x\"#;",
        ),
        (
            "wire/ipv4.rs",
            "fn f<'a>(a: &'a u8) -> char { '\"' } // \" crate::cli::x",
        ),
    ] {
        assert_eq!(
            wrong(name, snippet),
            Vec::<String>::new(),
            "{name}: {snippet}"
        );
    }
}

#[test]
fn a_dependency_has_one_owner() {
    assert_eq!(
        wrong("net/ring.rs", "use etherparse::SlicedPacket;"),
        ["etherparse belongs to wire (etherparse::SlicedPacket)"]
    );
    for (name, snippet) in [
        ("wire/ipv4.rs", "#[derive(clap::ValueEnum)] enum A {}"),
        ("capture.rs", "fn f() -> etherparse::err::Len { todo() }"),
        ("capture.rs", "use etherparse;"),
        ("main.rs", "use etherparse::SlicedPacket;"),
    ] {
        assert_eq!(wrong(name, snippet).len(), 1, "{name}: {snippet}");
    }
    for (name, snippet) in [
        (
            "wire/ipv4.rs",
            "use etherparse::{SlicedPacket, Ipv4Header};",
        ),
        ("cli/args.rs", "use clap::Parser;"),
        ("main.rs", "use clap::Parser;"),
        ("net/ring.rs", "use super::etherparse::Odd;"),
    ] {
        assert_eq!(
            wrong(name, snippet),
            Vec::<String>::new(),
            "{name}: {snippet}"
        );
    }
}

#[test]
fn the_manifest_names_the_owners() {
    let manifest = "[package]\nname = \"x\"\n[dependencies]\n# wire\nether-parse = \"1\"\n# cli\n\
        clap = { version = \"4\" }\n[dev-dependencies]\nproptest = \"1\"\n\
        [target.'cfg(unix)'.dependencies]\n# net\nnix = \"1\"\n[profile.dev]\nopt-level = 1\n";
    let expected = [("ether_parse", "wire"), ("clap", "cli"), ("nix", "net")];
    let expected = expected.map(|(name, room)| (name.to_owned(), room.to_owned()));
    assert_eq!(owners(manifest), expected);
}

#[test]
fn a_power_has_one_owner() {
    for (name, snippet) in [
        ("cli/line.rs", "fn f() { println!(\"x\"); }"),
        ("cli/line.rs", "fn f() { eprint!(\"x\"); }"),
        ("wire/ipv4.rs", "fn f() { dbg!(1); }"),
        ("cli/line.rs", "fn f() { std::process::exit(1); }"),
        (
            "cli/line.rs",
            "use std::process; fn f() { process::exit(1) }",
        ),
        ("cli/line.rs", "fn f() { let t = Instant::now(); }"),
        ("cli/time.rs", "fn f() { jiff::Timestamp::now(); }"),
        ("survey.rs", "fn f(t: SystemTime) {}"),
        ("wire/ipv4.rs", "use std::io::Write;"),
        ("survey.rs", "use std::fs::File;"),
        ("net/interface.rs", "fn f() { unsafe { g() } }"),
    ] {
        assert_eq!(wrong(name, snippet).len(), 1, "{name}: {snippet}");
    }
    for (name, snippet) in [
        (
            "main.rs",
            "fn f() { eprintln!(\"x\"); std::process::exit(1) }",
        ),
        (
            "cli/line.rs",
            "fn f(out: &mut W) { writeln!(out, \"println!\"); self.print(); }",
        ),
        ("net/clock.rs", "fn f() { let t = Instant::now(); }"),
        ("cli/progress.rs", "fn f() { let t = Instant::now(); }"),
        ("net/ring.rs", "fn f() { unsafe { g() } }"),
        ("wire/ipv4.rs", "use std::net::Ipv4Addr; use std::fmt;"),
        ("survey.rs", "fn f(now: Time) { now.since(then) }"),
    ] {
        assert_eq!(
            wrong(name, snippet),
            Vec::<String>::new(),
            "{name}: {snippet}"
        );
    }
}

#[test]
fn a_file_has_a_shape() {
    assert!(
        violations("wire/ipv4.rs", "use std::fmt;\n", &[])[0].starts_with("src/wire/ipv4.rs:1: ")
    );
    assert_eq!(wrong("wire/mod.rs", "").len(), 1);
    assert_eq!(wrong("wire/utils.rs", "").len(), 1);
    assert_eq!(wrong("wire/ipv4.rs", "mod helpers { }").len(), 1);
    assert_eq!(wrong("attic/ipv4.rs", "").len(), 1);
    assert_eq!(wrong("wire/ipv4.rs", &"\n".repeat(LONGEST)).len(), 1);
    assert_eq!(
        wrong("wire/ipv4.rs", &"\n".repeat(LONGEST - 2)),
        Vec::<String>::new()
    );
}

#[test]
fn a_violation_names_its_line() {
    let text = "//! What it is.\n\n/* a\nb */ const A: &str = \"\n\n\";\nuse crate::cli::x;\n";
    assert_eq!(
        violations("wire/ipv4.rs", text, &[]),
        ["src/wire/ipv4.rs:7: wire may not know cli (crate::cli::x)"]
    );
}
