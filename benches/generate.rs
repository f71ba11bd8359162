//! Writes a big capture, byte for byte the same each time:
//! `cargo run --release --example traffic -- [--hosts N] [--packets N] FILE`.
//!
//! 1,000,000 packets between 59 hosts, unless told otherwise.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

#[path = "generate/traffic.rs"]
mod traffic;

struct Wanted {
    hosts: u32,
    packets: usize,
    file: String,
}

/// What was typed, or `None` when it makes no sense.
fn wanted(mut words: impl Iterator<Item = String>) -> Option<Wanted> {
    let (mut hosts, mut packets, mut file) = (59, 1_000_000, None);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--hosts" => hosts = words.next()?.parse().ok()?,
            "--packets" => packets = words.next()?.parse().ok()?,
            _ if word.starts_with('-') || file.is_some() => return None,
            _ => file = Some(word),
        }
    }
    let file = file?;
    Some(Wanted {
        hosts,
        packets,
        file,
    })
}

fn write(wanted: &Wanted) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(&wanted.file)?);
    traffic::write(&mut out, wanted.packets, wanted.hosts)?;
    out.flush()
}

fn main() -> ExitCode {
    let Some(wanted) = wanted(std::env::args().skip(1)) else {
        eprintln!("usage: traffic [--hosts N] [--packets N] FILE");
        return ExitCode::from(2);
    };
    match write(&wanted) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("writing {}: {why}", wanted.file);
            ExitCode::from(2)
        }
    }
}
