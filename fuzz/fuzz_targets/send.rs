//! Any text as a spec file, any words as flags beside it: what `send --dry-run` makes of them.
#![no_main]

use std::fs;

use clap::Parser;
use dotquad::cli::args::Cli;
use dotquad::cli::{self, Console};
use libfuzzer_sys::fuzz_target;

/// Words that would lead elsewhere: to files, to names, to the wire.
const ELSEWHERE: [&str; 5] = ["-w", "--data-file", "--spec", "--interface", "-i"];

fuzz_target!(|input: (&str, &str)| {
    let (spec, flags) = input;
    if ELSEWHERE.iter().any(|word| flags.contains(word)) {
        return;
    }
    let file = std::env::temp_dir().join(format!("dotquad-fuzz-{}.toml", std::process::id()));
    let Some(name) = file.to_str().filter(|_| fs::write(&file, spec).is_ok()) else {
        return;
    };
    let fixed = ["dotquad", "send", "--no-sandbox", "--dry-run", "--spec", name];
    let flags = flags.split(' ').filter(|word| word.starts_with('-'));
    let last = ["--destination=192.0.2.1", "--source=192.0.2.2"];
    let words = fixed.into_iter().chain(last).chain(flags);
    if let Ok(cli) = Cli::try_parse_from(words) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut console = Console {
            out: &mut out,
            err: &mut err,
        };
        if let Err(error) = cli::run(&cli, &mut console) {
            let said = error.to_string();
            assert!(!said.contains(|c: char| c.is_control()), "{said:?}");
        }
    }
});
