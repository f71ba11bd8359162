//! The binary: parse, run, print what went wrong, choose the exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use dotquad::cli::args::Cli;
use dotquad::cli::{self, Console, Outcome};
use dotquad::error::Kind;

/// The answer is no, or the input is damaged.
const NO: u8 = 1;
/// Usage, permission, cannot open, cannot write.
const FAILED: u8 = 2;
/// Interrupted by a signal: this and its number, as shells have it.
const SIGNAL: u8 = 128;

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Standard error stays unlocked: the progress bar draws from a thread of its own.
    let (mut out, mut err) = (io::stdout().lock(), io::stderr());
    let outcome = cli::run(
        &cli,
        &mut Console {
            out: &mut out,
            err: &mut err,
        },
    );
    match outcome {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::No) => ExitCode::from(NO),
        Ok(Outcome::Interrupted(signal)) => ExitCode::from(SIGNAL.saturating_add(signal)),
        Err(error) if error.kind() == Kind::ClosedPipe => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell when this fails too.
            let _ = writeln!(err, "dotquad: {error}");
            ExitCode::from(if error.kind() == Kind::Damaged {
                NO
            } else {
                FAILED
            })
        }
    }
}
