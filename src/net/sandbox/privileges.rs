//! Capabilities and new privileges (capabilities(7), PR_SET_NO_NEW_PRIVS(2const)).
//!
//! Everything here is about the calling thread; it must not know why it is done.

use std::fs;

use caps::{CapSet, Capability};

use super::failed;
use crate::error::Result;

/// Refuses when another thread runs: it would keep what this one gives up.
///
/// Where /proc is not mounted this cannot be told, and the caller's word must do.
pub(super) fn must_be_alone() -> Result<()> {
    match fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(threads) if threads > 1 => Err(failed(
            "looking for threads",
            format!("{threads} run already, and only one may"),
        )),
        _ => Ok(()),
    }
}

/// Empties the bounding set, if we may; answers whether we could.
pub(super) fn clear_bounding_set() -> Result<bool> {
    let failed = |error| failed("emptying the bounding set", error);
    if !caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).map_err(failed)? {
        return Ok(false);
    }
    // One by one: an older kernel refuses to hear of capabilities it does not have.
    for capability in caps::runtime::thread_all_supported() {
        caps::drop(None, CapSet::Bounding, capability).map_err(failed)?;
    }
    Ok(true)
}

/// Empties all other sets.
pub(super) fn clear_capabilities() -> Result<()> {
    // A set cannot hold what the one before it must hold: ambient needs inheritable and
    // permitted. With the permitted ones the effective ones go, which must be among them.
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Permitted] {
        caps::clear(None, set).map_err(|error| failed("giving up capabilities", error))?;
    }
    // Believed only when seen; the kernel keeps nothing ambient that is not permitted.
    for set in [CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        let left = caps::read(None, set).map_err(|error| failed("reading capabilities", error))?;
        if !left.is_empty() {
            return Err(failed(
                "giving up capabilities",
                format!("{set:?}: {left:?} are left"),
            ));
        }
    }
    Ok(())
}

/// No program started from here on gains anything by being set-user-ID or by its capabilities.
pub(super) fn forbid_new_ones() -> Result<()> {
    nix::sys::prctl::set_no_new_privs()
        .map_err(|error| failed("forbidding new privileges", error.desc()))
}
