//! Who to be: the user that was named, the one behind sudo, or whoever we are.
//!
//! It must not know what the user may do afterwards.

use std::{env, fs};

use nix::unistd::{
    Gid, Uid, User, getegid, geteuid, getresgid, getresuid, getuid, initgroups, setgroups,
    setresgid, setresuid,
};

use super::{Identity, failed};
use crate::error::{Error, Result};

/// The user and the group that own no file: the kernel's overflow identity.
const NOBODY: u32 = 65_534;

/// Who to become; None to stay who we are.
///
/// # Errors
/// The named user is unknown, or another one than ours and we are not root.
pub(super) fn target(user: Option<&str>) -> Result<Option<Identity>> {
    if let Some(user) = user {
        let target = named(user)?;
        let ours = (target.uid, target.gid) == (geteuid().as_raw(), getegid().as_raw());
        if !ours && !geteuid().is_root() {
            return Err(Error::usage(format!("becoming {target}"), "only root can")
                .advice("leave out --user"));
        }
        return Ok(geteuid().is_root().then_some(target));
    }
    if !geteuid().is_root() {
        return Ok(None);
    }
    // A set-user-ID copy: who started it, whatever the environment says.
    if !getuid().is_root() {
        let gid = nix::unistd::getgid().as_raw();
        return Ok(Some(known(getuid().as_raw(), gid)));
    }
    // sudo(8) says who called it.
    let number = |name| env::var(name).ok().and_then(|value| value.parse().ok());
    Ok(match (number("SUDO_UID"), number("SUDO_GID")) {
        (Some(uid), Some(gid)) if uid != 0 => Some(known(uid, gid)),
        _ => None,
    })
}

/// Who to become when it is nobody's business who we were: root becomes the user that owns
/// nothing. None to stay who we are.
///
/// # Errors
/// As [`target`].
pub(super) fn nobody() -> Result<Option<Identity>> {
    let target = target(None)?;
    if target.is_some() || !geteuid().is_root() || !is_here("uid") || !is_here("gid") {
        return Ok(target);
    }
    Ok(Some(Identity {
        name: None,
        uid: NOBODY,
        gid: NOBODY,
    }))
}

/// Whether [`NOBODY`] is one of the users (or groups) of this user namespace: who is root in one
/// of his own alone has nobody else to become (user_namespaces(7)).
fn is_here(kind: &str) -> bool {
    let Ok(map) = fs::read_to_string(format!("/proc/self/{kind}_map")) else {
        return true;
    };
    map.lines().any(|line| {
        let mut numbers = line.split_whitespace().map(str::parse::<u32>);
        let (Some(Ok(first)), _, Some(Ok(count))) =
            (numbers.next(), numbers.next(), numbers.next())
        else {
            return false;
        };
        NOBODY
            .checked_sub(first)
            .is_some_and(|offset| offset < count)
    })
}

/// The user of this name, or else of this number.
fn named(user: &str) -> Result<Identity> {
    let unknown = |why: &str| Error::usage(format!("looking up user {}", user.escape_debug()), why);
    let found = match user.parse() {
        Ok(number) => User::from_uid(Uid::from_raw(number)),
        Err(_) => User::from_name(user),
    };
    match found {
        Ok(Some(found)) => Ok(Identity {
            name: Some(found.name),
            uid: found.uid.as_raw(),
            gid: found.gid.as_raw(),
        }),
        Ok(None) => Err(unknown("this host has none")
            .advice("--user takes a name of /etc/passwd or its number")),
        Err(error) => Err(unknown(error.desc())),
    }
}

fn known(uid: u32, gid: u32) -> Identity {
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    Identity {
        name: user.map(|user| user.name),
        uid,
        gid,
    }
}

impl Identity {
    /// Groups, group, user: real, effective and saved, so that there is no way back.
    pub(super) fn become_it(&self) -> Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let name = self.name.clone().map(std::ffi::CString::new);
        let groups = match name {
            Some(Ok(name)) => initgroups(&name, gid),
            // Unknown to the host: in no group but its own.
            _ => setgroups(&[gid]),
        };
        groups
            .and_then(|()| setresgid(gid, gid, gid))
            .and_then(|()| setresuid(uid, uid, uid))
            .map_err(|error| {
                Error::usage(format!("becoming {self}"), error.desc())
                    .advice("--user NAME chooses another, --user root stays root")
            })?;
        // Believed only when seen.
        let is_it = getresuid().is_ok_and(|it| [it.real, it.effective, it.saved] == [uid; 3])
            && getresgid().is_ok_and(|it| [it.real, it.effective, it.saved] == [gid; 3]);
        if is_it {
            Ok(())
        } else {
            Err(failed("changing the user", "the kernel kept the old one"))
        }
    }
}
