//! Plays a scenario of `tests/scenarios/` in real time and runs a command in it, in a network
//! namespace that must be fresh:
//!
//!     unshare -n target/release/examples/internet tests/scenarios/quiet-udp.toml traceroute -n
//!
//! The destination is put behind the command's words. How long it took, how many probes it sent
//! and how it ended go to standard error, as an object. No packet leaves the namespace.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a benchmark that cannot go on has failed"
)]

use std::env;
use std::fs;
use std::process::{Command, ExitCode};
use std::sync::atomic::Ordering;
use std::time::Instant;

use toml::Table;

#[path = "../tests/internet/bytes.rs"]
mod bytes;
#[path = "../tests/internet/internet.rs"]
mod internet;
#[path = "../tests/internet/router.rs"]
mod router;

use internet::Internet;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    let [file, program, rest @ ..] = words.as_slice() else {
        eprintln!("internet SCENARIO COMMAND...");
        return ExitCode::FAILURE;
    };
    let text = fs::read_to_string(file).expect("the scenario can be read");
    let scenario: Table = text.parse().expect("the scenario is TOML");
    let internet = Internet::read(&scenario);
    let destination = internet.destination().to_string();
    let mtu = scenario
        .get("interface_mtu")
        .and_then(toml::Value::as_integer);
    let carried = router::play(internet, mtu.unwrap_or(1500) as u16).expect("interfaces are made");
    let start = Instant::now();
    let status = Command::new(program).args(rest).arg(destination).status();
    let seconds = start.elapsed().as_secs_f64();
    let code = status.ok().and_then(|status| status.code()).unwrap_or(-1);
    let probes = carried.load(Ordering::Relaxed);
    eprintln!("{{\"seconds\":{seconds:.6},\"probes\":{probes},\"status\":{code}}}");
    ExitCode::SUCCESS
}
