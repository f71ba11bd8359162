//! The table: which system calls each command makes once everything is open.
//!
//! What is not in it answers EPERM; clone3 answers ENOSYS. A command that needs a call more gets
//! a line here. Numbers are libc's, so the table reads the same on every processor; calls that
//! only older processors have stand apart.

use nix::libc::{self, c_int, c_long};

use super::{Command, Sandbox};

/// A call and how it may be made.
pub(super) type Call = (c_long, When);

/// How a call may be made. Arguments are counted from 0 and looked at as 32 bits.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    /// In any way.
    Always,
    /// With this argument one of these.
    Is(u8, &'static [u64]),
    /// With these bits of this argument set.
    Has(u8, u64),
    /// With none of these bits of this argument set.
    Lacks(u8, u64),
    /// With our own process as first argument.
    Ourselves,
}

use When::{Always, Has, Is, Lacks, Ourselves};

const THREAD: u64 = bits(libc::CLONE_THREAD);
const EXECUTABLE: u64 = bits(libc::PROT_EXEC);
const OF_DESCRIPTOR: u64 = bits(libc::AT_EMPTY_PATH);

/// libc's type of requests differs between C libraries.
#[allow(
    clippy::unnecessary_cast,
    clippy::cast_sign_loss,
    reason = "by C library"
)]
const TERMINAL: &[u64] = &[
    libc::TCGETS as u64,
    libc::TCGETS2 as u64,
    libc::TIOCGWINSZ as u64,
];

/// Whether a read of a socket waits.
#[allow(
    clippy::unnecessary_cast,
    clippy::cast_sign_loss,
    reason = "by C library"
)]
const WAITING: &[u64] = &[libc::FIONBIO as u64];

/// How much has come.
#[allow(
    clippy::unnecessary_cast,
    clippy::cast_sign_loss,
    reason = "by C library"
)]
const READABLE: &[u64] = &[libc::FIONREAD as u64];

/// The calls of everyone: memory, threads, clocks, signals, and descriptors that are open.
const BASE: &[Call] = &[
    // Memory, none of it to be run.
    (libc::SYS_brk, Always),
    (libc::SYS_madvise, Always),
    (libc::SYS_mmap, Lacks(2, EXECUTABLE)),
    (libc::SYS_mprotect, Lacks(2, EXECUTABLE)),
    (libc::SYS_mremap, Always),
    (libc::SYS_munmap, Always),
    // Threads, but no processes; threads get names.
    (libc::SYS_clone, Has(0, THREAD)),
    (libc::SYS_exit, Always),
    (libc::SYS_exit_group, Always),
    (libc::SYS_futex, Always),
    (libc::SYS_getpid, Always),
    (libc::SYS_getrandom, Always),
    (libc::SYS_gettid, Always),
    (libc::SYS_prctl, Is(0, &[bits(libc::PR_SET_NAME)])),
    (libc::SYS_rseq, Always),
    (libc::SYS_sched_getaffinity, Always),
    (libc::SYS_sched_yield, Always),
    (libc::SYS_set_robust_list, Always),
    // Clocks.
    (libc::SYS_clock_getres, Always),
    (libc::SYS_clock_gettime, Always),
    (libc::SYS_clock_nanosleep, Always),
    (libc::SYS_gettimeofday, Always),
    (libc::SYS_nanosleep, Always),
    (libc::SYS_restart_syscall, Always),
    // Signals: waited for, and raised by abort(3).
    (libc::SYS_rt_sigaction, Always),
    (libc::SYS_rt_sigprocmask, Always),
    (libc::SYS_rt_sigreturn, Always),
    (libc::SYS_rt_sigtimedwait, Always),
    (libc::SYS_sigaltstack, Always),
    (libc::SYS_tgkill, Ourselves),
    // Descriptors.
    (libc::SYS_close, Always),
    (libc::SYS_fcntl, Always),
    (libc::SYS_fstat, Always),
    (libc::SYS_ftruncate, Always),
    (libc::SYS_lseek, Always),
    (libc::SYS_newfstatat, Has(3, OF_DESCRIPTOR)),
    (libc::SYS_ppoll, Always),
    (libc::SYS_read, Always),
    (libc::SYS_statx, Has(2, OF_DESCRIPTOR)),
    (libc::SYS_write, Always),
    (libc::SYS_writev, Always),
    // Terminals: is it one, and how wide.
    (libc::SYS_ioctl, Is(1, TERMINAL)),
    // The resolver at the other end of a socket pair.
    (libc::SYS_recvfrom, Always),
    (libc::SYS_sendto, Always),
    (libc::SYS_setsockopt, Always),
];

#[cfg(target_arch = "x86_64")]
const BASE_OLDER: &[Call] = &[(libc::SYS_poll, Always)];
#[cfg(not(target_arch = "x86_64"))]
const BASE_OLDER: &[Call] = &[];

/// Captures that are opened when their turn comes. What may be opened is Landlock's matter.
const INPUTS: &[Call] = &[(libc::SYS_openat, Always)];

/// Files created, renamed and removed in the output folder. Which folder is Landlock's matter.
const OUTPUTS: &[Call] = &[
    (libc::SYS_newfstatat, Always),
    (libc::SYS_openat, Always),
    (libc::SYS_renameat2, Always),
    (libc::SYS_statx, Always),
    (libc::SYS_unlinkat, Always),
];

#[cfg(target_arch = "x86_64")]
const OUTPUTS_OLDER: &[Call] = &[
    (libc::SYS_rename, Always),
    (libc::SYS_renameat, Always),
    (libc::SYS_unlink, Always),
];
#[cfg(target_arch = "aarch64")]
const OUTPUTS_OLDER: &[Call] = &[(libc::SYS_renameat, Always)];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const OUTPUTS_OLDER: &[Call] = &[];

/// Packets over sockets that are open.
const PACKETS: &[Call] = &[
    (libc::SYS_getsockname, Always),
    (libc::SYS_getsockopt, Always),
    (libc::SYS_ioctl, Is(1, WAITING)),
    (libc::SYS_recvmmsg, Always),
    (libc::SYS_recvmsg, Always),
    (libc::SYS_sendmmsg, Always),
    (libc::SYS_sendmsg, Always),
];

/// A datagram socket that is connected to ask the kernel for a path's MTU, and sends nothing. No
/// other can be: there is no call that makes one, and those that are open send where they like.
const SCOUT: &[Call] = &[(libc::SYS_connect, Is(2, &[ADDRESS]))];

/// The length of a socket's IPv4 address.
const ADDRESS: u64 = size_of::<libc::sockaddr_in>() as u64;

/// What the C library's resolver does, with the modules that nsswitch.conf(5) may name.
const NAMES: &[Call] = &[
    // Asking name servers, and daemons of this host.
    (
        libc::SYS_socket,
        Is(
            0,
            &[
                bits(libc::AF_UNIX),
                bits(libc::AF_INET),
                bits(libc::AF_INET6),
                bits(libc::AF_NETLINK),
            ],
        ),
    ),
    (libc::SYS_bind, Always),
    (libc::SYS_connect, Always),
    (libc::SYS_getpeername, Always),
    (libc::SYS_getsockname, Always),
    (libc::SYS_getsockopt, Always),
    (libc::SYS_ioctl, Is(1, READABLE)),
    (libc::SYS_recvmsg, Always),
    (libc::SYS_sendmmsg, Always),
    (libc::SYS_sendmsg, Always),
    // Reading files of /etc. Which may be read is Landlock's matter.
    (libc::SYS_faccessat, Always),
    (libc::SYS_getdents64, Always),
    (libc::SYS_newfstatat, Always),
    (libc::SYS_openat, Always),
    (libc::SYS_readlinkat, Always),
    (libc::SYS_statx, Always),
    // Loading modules: the one list in which memory may be run.
    (libc::SYS_mmap, Always),
    (libc::SYS_mprotect, Always),
    // Who and where we are.
    (libc::SYS_getegid, Always),
    (libc::SYS_geteuid, Always),
    (libc::SYS_getgid, Always),
    (libc::SYS_getuid, Always),
    (libc::SYS_sysinfo, Always),
    (libc::SYS_uname, Always),
];

#[cfg(target_arch = "x86_64")]
const NAMES_OLDER: &[Call] = &[
    (libc::SYS_access, Always),
    (libc::SYS_open, Always),
    (libc::SYS_readlink, Always),
    (libc::SYS_stat, Always),
];
#[cfg(not(target_arch = "x86_64"))]
const NAMES_OLDER: &[Call] = &[];

/// What a command adds to the base.
fn additions(command: Command) -> &'static [&'static [Call]] {
    match command {
        Command::Decode | Command::Stats => &[],
        Command::Sniff | Command::Send | Command::Replay => &[PACKETS],
        Command::Ping | Command::Trace => &[PACKETS, SCOUT],
        Command::Resolver => &[NAMES, NAMES_OLDER],
    }
}

/// The calls that may be made in a sandbox.
pub(super) fn of(sandbox: &Sandbox<'_>) -> Vec<Call> {
    let mut lists = vec![BASE, BASE_OLDER];
    lists.extend(additions(sandbox.command));
    if !sandbox.inputs.is_empty() {
        lists.push(INPUTS);
    }
    if sandbox.output_folder.is_some() {
        lists.extend([OUTPUTS, OUTPUTS_OLDER]);
    }
    lists.concat()
}

/// The bits of a C int, as the filter sees them.
const fn bits(value: c_int) -> u64 {
    value.cast_unsigned() as u64
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::*;

    /// All sandboxes there are: each command with and without what it may leave open.
    fn all<'a>(inputs: &'a [PathBuf], folder: &'a Path) -> Vec<Sandbox<'a>> {
        let mut all = Vec::new();
        for command in Command::ALL {
            for inputs in [&[], inputs] {
                for output_folder in [None, Some(folder)] {
                    all.push(Sandbox {
                        output_folder,
                        inputs,
                        ..Sandbox::new(command)
                    });
                }
            }
        }
        all
    }

    #[test]
    fn no_list_holds_a_way_out() {
        let ways_out = [
            libc::SYS_bpf,
            libc::SYS_capset,
            libc::SYS_chroot,
            libc::SYS_clone3,
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_init_module,
            libc::SYS_io_uring_enter,
            libc::SYS_io_uring_setup,
            libc::SYS_kexec_load,
            libc::SYS_keyctl,
            libc::SYS_kill,
            libc::SYS_linkat,
            libc::SYS_memfd_create,
            libc::SYS_mkdirat,
            libc::SYS_mknodat,
            libc::SYS_mount,
            libc::SYS_open_by_handle_at,
            libc::SYS_perf_event_open,
            libc::SYS_pidfd_getfd,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_ptrace,
            libc::SYS_seccomp,
            libc::SYS_setns,
            libc::SYS_setuid,
            libc::SYS_socket,
            libc::SYS_symlinkat,
            libc::SYS_unshare,
            libc::SYS_userfaultfd,
        ];
        let (inputs, folder) = ([PathBuf::from("/input")], Path::new("/output"));
        for sandbox in all(&inputs, folder) {
            for (call, _) in of(&sandbox) {
                assert!(!ways_out.contains(&call), "{call} in {sandbox:?}");
            }
        }
    }

    #[test]
    fn files_are_opened_only_where_something_is_left_to_open() {
        let (inputs, folder) = ([PathBuf::from("/input")], Path::new("/output"));
        let has = |sandbox: &Sandbox<'_>, call| of(sandbox).iter().any(|(it, _)| *it == call);
        for sandbox in all(&inputs, folder) {
            let (opens, writes) = (!sandbox.inputs.is_empty(), sandbox.output_folder.is_some());
            assert_eq!(has(&sandbox, libc::SYS_openat), opens || writes);
            assert_eq!(has(&sandbox, libc::SYS_unlinkat), writes);
            assert_eq!(has(&sandbox, libc::SYS_renameat2), writes);
        }
    }

    #[test]
    fn only_who_asks_for_a_path_connects() {
        for command in Command::ALL {
            let calls = of(&Sandbox::new(command));
            let has = calls.iter().any(|(call, _)| *call == libc::SYS_connect);
            let asks = matches!(command, Command::Ping | Command::Trace);
            assert_eq!(has, asks, "{command:?}");
        }
    }

    #[test]
    fn only_commands_with_sockets_have_messages() {
        for command in Command::ALL {
            let calls = of(&Sandbox::new(command));
            let has = calls.iter().any(|(call, _)| *call == libc::SYS_sendmmsg);
            assert_eq!(has, command.is_live(), "{command:?}");
        }
    }
}
