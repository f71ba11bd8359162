//! Makes every capture beside this file, byte for byte the same each time:
//! `cargo run --example captures`. With `--check` it writes nothing and says what differs.
//!
//! It knows the protocols from their RFCs alone. It must not use the library whose captures these
//! are, nor any crate that builds packets: a second opinion has to come from elsewhere.

#![allow(
    dead_code,
    reason = "the example runs it all, the test that compares uses a part"
)]
#![allow(
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "a maker that contradicts itself has to stop, and its numbers are its own"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

#[path = "make/anomalies.rs"]
mod anomalies;
#[path = "make/conversations.rs"]
mod conversations;
#[path = "make/damage.rs"]
mod damage;
#[path = "make/file.rs"]
mod file;
#[path = "make/formats.rs"]
mod formats;
#[path = "make/fragments.rs"]
mod fragments;
#[path = "make/icmp.rs"]
mod icmp;
#[path = "make/igmp.rs"]
mod igmp;
#[path = "make/links.rs"]
mod links;
#[path = "make/options.rs"]
mod options;
#[path = "make/packet.rs"]
mod packet;
#[path = "make/readme.rs"]
mod readme;
#[path = "make/tour.rs"]
mod tour;
#[path = "make/tunnels.rs"]
mod tunnels;

pub(crate) use anomalies::Oddity;

/// One capture.
pub(crate) struct Capture {
    /// Its name within `captures/`.
    pub path: String,
    /// What it shows, for the table in README.md.
    pub shows: String,
    /// The file.
    pub bytes: Vec<u8>,
}

fn capture(path: &str, shows: &str, bytes: Vec<u8>) -> Capture {
    Capture {
        path: path.into(),
        shows: shows.into(),
        bytes,
    }
}

/// Everything in the folder that is made: captures by theme, then README.md.
pub(crate) fn everything() -> Vec<Capture> {
    let themes = [
        ("Conversations", conversations::captures()),
        ("Fragments", fragments::captures()),
        ("IPv4 options", options::captures()),
        ("ICMP", icmp::captures()),
        ("IGMP", igmp::captures()),
        ("Link layers", links::captures()),
        ("Tunnels and IPv6", tunnels::captures()),
        ("File formats", formats::captures()),
        ("Damaged files", damage::captures()),
    ];
    let readme = readme::text(&tour::capture(), &themes, &oddities());
    let mut all = vec![tour::capture()];
    all.extend(themes.into_iter().flat_map(|(_, captures)| captures));
    all.extend(oddities().iter().map(Oddity::capture));
    all.push(capture("README.md", "", readme.into_bytes()));
    all
}

/// The captures of `anomalies/`, with what fires in which of their frames.
pub(crate) fn oddities() -> Vec<Oddity> {
    anomalies::all()
}

/// The folder this file is in.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("captures")
}

/// Sixteen bits of a number that must fit.
fn short(number: usize) -> u16 {
    u16::try_from(number).expect("fits in 16 bits")
}

/// Thirty-two bits of a number that must fit.
fn long(number: usize) -> u32 {
    u32::try_from(number).expect("fits in 32 bits")
}

fn main() -> ExitCode {
    let check = std::env::args().any(|word| word == "--check");
    let mut code = ExitCode::SUCCESS;
    for made in everything() {
        let path = folder().join(&made.path);
        let same = fs::read(&path).is_ok_and(|bytes| bytes == made.bytes);
        if same {
            continue;
        }
        if check {
            println!("{} differs", made.path);
            code = ExitCode::FAILURE;
        } else if let Err(why) = write(&path, &made.bytes) {
            println!("writing {}: {why}", path.display());
            return ExitCode::from(2);
        } else {
            println!("{} written", made.path);
        }
    }
    code
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes)
}
