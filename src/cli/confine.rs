//! Into the sandbox as the command line has it, and aloud where it is left out.
//!
//! Knows the words and the switches; what a sandbox is, [`crate::net::sandbox`] knows.

use super::Console;
use super::args::Confinement;
use crate::error::Result;
use crate::net::sandbox::Sandbox;

/// Enters the sandbox, or says that there is none. To be called when everything is open and before
/// any thread starts; so before [`crate::net::signals::Signals::watch`].
///
/// `--user` overrides the sandbox's own user; `verbose` says what else there is to know.
///
/// # Errors
/// As [`Sandbox::enter`].
pub(super) fn enter(
    args: &Confinement,
    sandbox: &Sandbox<'_>,
    verbose: bool,
    console: &mut Console<'_>,
) -> Result<()> {
    if args.no_sandbox {
        console.note(&"no sandbox: whatever goes wrong here can do all that this user may");
        return Ok(());
    }
    let user = args.user.as_deref().or(sandbox.user);
    for notice in (Sandbox { user, ..*sandbox }).enter()?.notices(verbose) {
        console.note(&notice);
    }
    Ok(())
}
