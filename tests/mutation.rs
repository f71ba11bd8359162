//! Captures mutated by a seeded generator: whatever comes in, nothing panics, frames are numbered
//! in a row, and what is said can be shown.
//!
//! Every run does the same. `fuzz/` goes on from here, for as long as one likes.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::cargo::cargo_bin_cmd;

#[path = "mutation/listener.rs"]
mod listener;
#[path = "mutation/sums.rs"]
mod sums;
#[path = "mutation/tables.rs"]
mod tables;
#[path = "mutation/words.rs"]
mod words;

/// How many mutants are heard in this process.
const HEARD: usize = 50_000;

/// How many more are decoded by the binary, a process each.
const DECODED: usize = 60;

/// The longest mutant: long enough for any frame, short enough to try many.
const LONGEST: usize = 4096;

/// Most damage is done behind this many bytes: a file whose header is broken has little to say.
const HEADER: usize = 40;

/// George Marsaglia's xorshift64: all that a deterministic test needs.
struct Xorshift(u64);

impl Xorshift {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `bound`, or 0 when there is none.
    fn below(&mut self, bound: usize) -> usize {
        let bound = bound.max(1) as u64;
        usize::try_from(self.next() % bound).unwrap_or(0)
    }
}

/// All captures, in an order that does not depend on the file system.
fn captures() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let mut paths: Vec<PathBuf> = [root.clone(), root.join("anomalies")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).expect("there are captures"))
        .map(|entry| entry.expect("captures can be listed").path())
        .filter(|path| path.is_file() && path.to_string_lossy().contains(".pcap"))
        .collect();
    paths.sort();
    assert!(paths.len() > 100, "the captures were found");
    let read = |path: PathBuf| fs::read(path).expect("a capture can be read");
    paths.into_iter().map(read).collect()
}

/// Values at the edges of what lengths, offsets and counts can be.
const EDGES: [u8; 12] = [0, 1, 3, 4, 5, 7, 8, 0x0f, 0x45, 0x7f, 0x80, 0xff];

/// One capture, damaged in one to eight places.
fn mutant(random: &mut Xorshift, captures: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = captures[random.below(captures.len())].clone();
    for _ in 0..=random.below(8) {
        if bytes.is_empty() {
            break;
        }
        let sound = if random.below(8) > 0 { HEADER } else { 0 };
        let at = (sound + random.below(bytes.len().saturating_sub(sound))).min(bytes.len() - 1);
        let end = bytes.len().min(at + 1 + random.below(16));
        match random.below(8) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = EDGES[random.below(EDGES.len())],
            2 => bytes[at] = u8::try_from(random.below(256)).unwrap_or(0),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            5 => {
                let edge = EDGES[random.below(EDGES.len())];
                bytes.splice(at..at, std::iter::repeat_n(edge, end - at));
            }
            6 => bytes.truncate(at),
            _ => {
                let other = &captures[random.below(captures.len())];
                let from = random.below(other.len());
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from.min(other.len())..]);
            }
        }
    }
    bytes.truncate(LONGEST);
    bytes
}

#[test]
fn nothing_that_comes_in_breaks_a_promise() {
    let captures = captures();
    let mut random = Xorshift(0x1db4_e1d5_0f70_2a91);
    let (mut frames, mut complaints) = (0, 0);
    for _ in 0..HEARD {
        let heard = listener::hear(mutant(&mut random, &captures));
        frames += heard.frames;
        complaints += u64::from(heard.complaint.is_some());
    }
    // That this test looks at what it means to look at.
    assert!(frames > HEARD as u64, "{frames} frames were heard");
    assert!(complaints > 1000, "{complaints} mutants were refused");
}

#[test]
fn the_captures_themselves_keep_every_promise() {
    let frames: u64 = captures()
        .into_iter()
        .map(|capture| listener::hear(capture).frames)
        .sum();
    assert!(frames > 400, "{frames} frames were heard");
}

#[test]
fn what_the_binary_says_of_mutants_is_json_and_an_honest_code() {
    let captures = captures();
    let mut random = Xorshift(0x9e37_79b9_7f4a_7c15);
    for _ in 0..DECODED {
        let mutant = mutant(&mut random, &captures);
        let mut command = cargo_bin_cmd!("dotquad");
        command.args(["decode", "--format", "ndjson", "-"]);
        let output = command.write_stdin(mutant).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        match output.status.code() {
            Some(0) => {}
            Some(1 | 2) => assert!(said.contains("dotquad: reading standard input"), "{said}"),
            code => panic!("exit {code:?}: {said}"),
        }
        let mut before = 0;
        for line in output.stdout.split_inclusive(|byte| *byte == b'\n') {
            assert!(line.ends_with(b"\n"), "only whole lines come out");
            let object: serde_json::Value = serde_json::from_slice(line).expect("it is JSON");
            let number = object["frame"].as_u64().expect("it has a frame number");
            assert!(number > before, "{number} after {before}");
            before = number;
        }
    }
}
