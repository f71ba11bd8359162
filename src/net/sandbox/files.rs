//! The file system from inside: nothing but what was named (landlock(7)).
//!
//! What is open stays open. It must not know what is written.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};

use super::{Identity, Sandbox, failed};
use crate::error::{self, Error, Result};

/// The newest rules known here; an older kernel does as many of them as it can.
const KNOWN: ABI = ABI::V6;

/// Names tried for a file that nobody else has.
const ATTEMPTS: u32 = 16;

/// Shuts the file system; answers whether this kernel can.
///
/// # Errors
/// The output folder cannot be entered, or a rule is refused.
pub(super) fn confine(sandbox: &Sandbox<'_>, user: Option<&Identity>) -> Result<bool> {
    let shut = |error: RulesetError| failed("shutting the file system", error);
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(KNOWN))
        .and_then(|rules| rules.scope(Scope::from_all(KNOWN)))
        .map_err(shut)?;
    if !sandbox.command.is_live() {
        rules = rules
            .handle_access(AccessNet::from_all(KNOWN))
            .map_err(shut)?;
    }
    let mut rules = rules.create().map_err(shut)?;
    if let Some(folder) = sandbox.output_folder {
        let opened = PathFd::new(folder).map_err(|why| no_entry(folder, user, &why))?;
        let rights: BitFlags<AccessFs> =
            AccessFs::WriteFile | AccessFs::MakeReg | AccessFs::RemoveFile | AccessFs::Truncate;
        rules = rules
            .add_rule(PathBeneath::new(opened, rights))
            .map_err(shut)?;
    }
    for input in sandbox.inputs {
        // What is not there has no rule; opening it fails when its turn comes, and says why. A
        // rule about a folder would be one about all that is in it. What has no name of its own,
        // as the pipes of /dev/fd, can have no rule and needs none (landlock(7)).
        let is_file = input.canonicalize().is_ok_and(|name| !name.is_dir());
        if is_file && let Ok(opened) = PathFd::new(input) {
            rules = rules
                .add_rule(PathBeneath::new(opened, AccessFs::ReadFile))
                .map_err(shut)?;
        }
    }
    for place in sandbox.readable {
        let Ok(opened) = PathFd::new(place) else {
            continue;
        };
        let rights = if place.is_dir() {
            AccessFs::ReadFile | AccessFs::ReadDir
        } else {
            AccessFs::ReadFile.into()
        };
        rules = rules
            .add_rule(PathBeneath::new(opened, rights))
            .map_err(shut)?;
    }
    let status = rules.restrict_self().map_err(shut)?;
    Ok(status.ruleset != RulesetStatus::NotEnforced
        && matches!(status.landlock, LandlockStatus::Available { .. }))
}

/// Creates a file in the folder, renames and removes it.
///
/// # Errors
/// What the user may not do there.
pub(super) fn try_out(folder: &Path, user: Option<&Identity>) -> Result<()> {
    probe(folder).map_err(|why| no_entry(folder, user, &why))
}

fn probe(folder: &Path) -> io::Result<()> {
    let process = std::process::id();
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for attempt in 0..ATTEMPTS {
        let path =
            |part: &str| -> PathBuf { folder.join(format!(".dotquad-{process}-{attempt}{part}")) };
        let (first, second) = (path(""), path("-renamed"));
        // Never through what somebody else put there: only a file that was not there is ours.
        match OpenOptions::new().write(true).create_new(true).open(&first) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                last = error;
                continue;
            }
            Err(error) => return Err(error),
        }
        return match fs::rename(&first, &second) {
            Ok(()) => fs::remove_file(&second),
            Err(error) => {
                let _ = fs::remove_file(&first);
                Err(error)
            }
        };
    }
    Err(last)
}

fn no_entry(folder: &Path, user: Option<&Identity>, why: &dyn std::fmt::Display) -> Error {
    let folder = error::named(folder);
    let who = user.map_or_else(String::new, |user| format!(" as {user}"));
    Error::usage(
        format!("trying to create, rename and remove a file in {folder}{who}"),
        why,
    )
    .advice("--user NAME chooses who writes, or choose another folder")
}
