//! Live tests: the kernel has its say, in a network namespace of its own.
//!
//! The program starts itself again inside `unshare -n` (as root) or `unshare -Urn`, before any
//! thread starts; no packet leaves the namespace. Where none can be made, every test is there by
//! its name and ignored, never passed.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

use std::env;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

#[path = "live/cable.rs"]
mod cable;
#[path = "live/engine.rs"]
mod engine;
#[path = "live/filter.rs"]
mod filter;
#[path = "live/house.rs"]
mod house;
#[path = "live/names.rs"]
mod names;
#[path = "live/ping.rs"]
mod ping;
#[path = "live/reassembly.rs"]
mod reassembly;
#[path = "live/replay.rs"]
mod replay;
#[path = "live/ring.rs"]
mod ring;
#[path = "live/sandbox.rs"]
mod sandbox;
#[path = "live/send.rs"]
mod send;
#[path = "live/sniff.rs"]
mod sniff;
#[path = "live/trace.rs"]
mod trace;

/// Set for the program inside the namespace.
const INSIDE: &str = "DOTQUAD_LIVE_NAMESPACE";

/// What a live test can ask for, and why it is missing where it is.
#[derive(Debug, Clone, Copy)]
struct Powers {
    /// A network namespace in which this program may do everything.
    namespace: bool,
}

impl Powers {
    /// A test that needs the namespace.
    fn trial(
        self,
        name: &str,
        test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
    ) -> Trial {
        if self.namespace {
            return Trial::test(name, test);
        }
        let missing = || Err("no network namespace can be made here".into());
        Trial::test(format!("{name} (needs a network namespace)"), missing).with_ignored_flag(true)
    }
}

/// The words of `unshare` that make a namespace here.
fn namespace() -> Option<&'static [&'static str]> {
    let ways: [&[&str]; 2] = [&["-n"], &["-Urn"]];
    ways.into_iter().find(|words| {
        let mut probe = Command::new("unshare");
        probe.args(*words).args(["--", "true"]);
        let quiet = probe.stdout(Stdio::null()).stderr(Stdio::null()).status();
        quiet.is_ok_and(|status| status.success())
    })
}

/// Plays a scene in a process and a namespace of its own: this program again, told by `variable`
/// which scene it is for.
fn play(variable: &str, scene: &str) -> Result<(), Failed> {
    let mut again = Command::new("unshare");
    again.args(["-n", "--"]).arg(env::current_exe()?);
    let played = again.env(variable, scene).output()?;
    if played.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&played.stderr).into_owned().into())
}

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).collect();
    if let [first, rest @ ..] = words.as_slice()
        && first == sandbox::INSIDE
    {
        return sandbox::be_inside(rest);
    }
    if let Some(played) = trace::scene() {
        return played;
    }
    if let Some(played) = engine::scene() {
        return played;
    }
    let inside = env::var_os(INSIDE).is_some();
    if !inside
        && let Some(words) = namespace()
        && let Ok(own) = env::current_exe()
    {
        let mut again = Command::new("unshare");
        again
            .args(words)
            .arg("--")
            .arg(own)
            .args(env::args_os().skip(1));
        let error = again.env(INSIDE, "1").exec();
        eprintln!("unshare: {error}");
        return ExitCode::FAILURE;
    }
    let powers = Powers { namespace: inside };
    let arguments = Arguments::from_args();
    let listing = arguments.list;
    let mut trials = filter::trials(powers);
    trials.extend(replay::trials(powers));
    trials.extend(send::trials(powers));
    trials.extend(names::trials(powers));
    trials.extend(house::trials(powers));
    trials.extend(trace::trials(powers));
    trials.extend(reassembly::trials(powers));
    trials.extend(ping::trials(powers));
    trials.extend(ring::trials(powers));
    trials.extend(sandbox::trials());
    trials.extend(engine::trials(powers));
    trials.extend(sniff::trials(powers));
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !listing {
        let ran = conclusion.num_passed + conclusion.num_failed;
        println!("live tests: {ran} ran, {} ignored", conclusion.num_ignored);
    }
    conclusion.exit_code()
}
