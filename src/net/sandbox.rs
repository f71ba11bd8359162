//! The sandbox: what a command needs no more once everything is open, it gives up.
//!
//! In this order: the bounding set, groups, group, user, all other capability sets, new
//! privileges for ever, the file system (Landlock), system calls (seccomp). Each step takes what
//! the one before it still needed. It must not know what a command does, only which calls of
//! [`Command`]'s table it makes; nor does it print: what a person should hear is in [`Entered`].
//! Elsewhere than on Linux there is no sandbox, and its notices say so.

#[cfg(target_os = "linux")]
mod calls;
#[cfg(target_os = "linux")]
mod files;
#[cfg(target_os = "linux")]
mod filter;
#[cfg(target_os = "linux")]
mod identity;
#[cfg(target_os = "linux")]
mod privileges;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// The commands that have a list of system calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Reads saved captures, writes text or one capture.
    Decode,
    /// As [`Command::Decode`].
    Stats,
    /// Reads rings and packet sockets, writes text or captures.
    Sniff,
    /// Sends and receives over sockets that are open.
    Ping,
    /// As [`Command::Ping`].
    Trace,
    /// As [`Command::Ping`].
    Send,
    /// Reads a saved capture and sends over a socket that is open.
    Replay,
    /// The child that looks up names: makes sockets to name servers and daemons, reads and loads
    /// what the C library needs for it. Under root it becomes nobody.
    Resolver,
}

impl Command {
    /// All that a person types.
    pub const ALL: [Self; 7] = [
        Self::Decode,
        Self::Stats,
        Self::Sniff,
        Self::Ping,
        Self::Trace,
        Self::Send,
        Self::Replay,
    ];

    /// Whether it holds sockets.
    #[must_use]
    pub fn is_live(self) -> bool {
        !matches!(self, Self::Decode | Self::Stats)
    }
}

/// What a command still needs when everything is open.
#[derive(Debug, Clone, Copy)]
pub struct Sandbox<'a> {
    /// Whose list of system calls holds.
    pub command: Command,
    /// Who to become, as typed: a user's name or number. None: under sudo who called it, if we
    /// are root; else who we are.
    pub user: Option<&'a str>,
    /// The folder in which files may still be created, renamed and removed.
    pub output_folder: Option<&'a Path>,
    /// Files that may still be opened for reading.
    pub inputs: &'a [PathBuf],
    /// Folders and files that may still be read, with all that is in them. What is not there is
    /// left out.
    pub readable: &'a [PathBuf],
}

/// A user and its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The name, where the host knows one.
    pub name: Option<String>,
    /// The user's number.
    pub uid: u32,
    /// The number of the user's group.
    pub gid: u32,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => f.write_str(name),
            None => write!(f, "user {}", self.uid),
        }
    }
}

/// What was entered, and what this kernel could not give.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Entered {
    /// A missing wall is worth a word: a live command that root started, or one that opens files
    /// later, which only a wall keeps from being others.
    pub is_exposed: bool,
    /// The user we became, where it is another one.
    pub user: Option<Identity>,
    /// The bounding set is empty. It stays as it is for who lacks CAP_SETPCAP, and new
    /// privileges being forbidden makes it harmless.
    pub bounding_set_cleared: bool,
    /// The file system is shut but for what was named (Landlock is in this kernel).
    pub files_confined: bool,
    /// System calls are filtered (seccomp is in this kernel, and a list for this processor).
    pub calls_confined: bool,
}

impl Sandbox<'_> {
    /// A sandbox in which nothing more is opened.
    #[must_use]
    pub fn new(command: Command) -> Self {
        Self {
            command,
            user: None,
            output_folder: None,
            inputs: &[],
            readable: &[],
        }
    }

    /// Shuts the sandbox around this process, for good.
    ///
    /// To be called when sockets, files, the time zone and databases are open and children have
    /// been started, and before any other thread is: capabilities are a thread's own
    /// (capabilities(7)), and threads inherit from the one that starts them. So
    /// [`super::signals::Signals::watch`] comes after it.
    ///
    /// With an output folder, a file is created, renamed and removed there before this answers:
    /// what the user we became may not write is found now and not at the first rotation.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`] when another thread runs, the user is unknown or cannot be
    /// become, a step fails that this kernel has, or the folder cannot be written. The process may
    /// then be half inside, and should end.
    #[cfg(target_os = "linux")]
    pub fn enter(self) -> Result<Entered> {
        privileges::must_be_alone()?;
        let is_exposed = self.is_exposed();
        let user = match self.command {
            Command::Resolver => identity::nobody()?,
            _ => identity::target(self.user)?,
        };
        let bounding_set_cleared = privileges::clear_bounding_set()?;
        if let Some(user) = &user {
            user.become_it()?;
        }
        privileges::clear_capabilities()?;
        privileges::forbid_new_ones()?;
        let files_confined = files::confine(&self, user.as_ref())?;
        let calls_confined = filter::confine(&self)?;
        if let Some(folder) = self.output_folder {
            files::try_out(folder, user.as_ref())?;
        }
        Ok(Entered {
            is_exposed,
            user,
            bounding_set_cleared,
            files_confined,
            calls_confined,
        })
    }

    fn is_exposed(&self) -> bool {
        let is_root = nix::unistd::geteuid().is_root();
        (is_root && self.command.is_live()) || !self.inputs.is_empty()
    }

    /// No other platform has a sandbox here.
    ///
    /// # Errors
    /// A user is named.
    #[cfg(not(target_os = "linux"))]
    pub fn enter(self) -> Result<Entered> {
        if let Some(user) = self.user {
            let doing = format!("becoming user {}", user.escape_debug());
            return Err(Error::usage(doing, "there is no sandbox on this platform"));
        }
        Ok(Entered {
            is_exposed: self.is_exposed(),
            user: None,
            bounding_set_cleared: false,
            files_confined: false,
            calls_confined: false,
        })
    }
}

impl Entered {
    /// What a person should hear: the walls that this kernel lacks, where they matter; with
    /// `verbose` also who we are now, and what stays.
    #[must_use]
    pub fn notices(&self, verbose: bool) -> Vec<String> {
        let mut notices = Vec::new();
        if self.is_exposed {
            if !self.files_confined {
                notices.push(
                    "the sandbox lacks a wall: this kernel has no Landlock (files are guarded by \
                     the user's rights only, where any may be opened at all)"
                        .to_owned(),
                );
            }
            if !self.calls_confined {
                notices.push(
                    "the sandbox lacks a wall: no system call filter for this kernel or processor"
                        .to_owned(),
                );
            }
        }
        if verbose && let Some(user) = &self.user {
            notices.push(format!("running as {user} now"));
        }
        if verbose && !self.bounding_set_cleared {
            notices.push(
                "the capability bounding set stays, as CAP_SETPCAP is missing (harmless: new \
                 privileges are forbidden)"
                    .to_owned(),
            );
        }
        notices
    }
}

/// Whether root started this process: not whoever runs a set-user-ID copy.
#[must_use]
pub fn started_by_root() -> bool {
    nix::unistd::getuid().is_root()
}

/// The error of a step, and the way round it.
#[cfg(target_os = "linux")]
fn failed(doing: &str, why: impl fmt::Display) -> Error {
    Error::usage(format!("entering the sandbox: {doing}"), why)
        .advice("--no-sandbox does without it")
}
