//! From the table of system calls to filters in the kernel (seccomp(2)).

use std::collections::BTreeMap;
use std::io;

use nix::libc::{self, c_long};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

use super::calls::{self, Call, When};
use super::{Sandbox, failed};
use crate::error::Result;

/// What may be called, and how.
type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// Filters this thread's system calls and those of all that it starts; answers whether this
/// kernel and processor can.
///
/// # Errors
/// The kernel has filters and refuses ours.
pub(super) fn confine(sandbox: &Sandbox<'_>) -> Result<bool> {
    let Ok(processor) = TargetArch::try_from(std::env::consts::ARCH) else {
        return Ok(false);
    };
    let program = program(&calls::of(sandbox), processor)
        .map_err(|error| failed("building the system call filter", error))?;
    match seccompiler::apply_filter_all_threads(&program) {
        Ok(()) => Ok(true),
        Err(error) if is_missing(&error) => Ok(false),
        Err(error) => Err(failed("filtering system calls", error)),
    }
}

/// One filter with two answers. What the list does not allow is not permitted; but clone3(2) is
/// said not to exist, as libc starts threads by it, whose flags a filter cannot see, and falls back
/// to clone(2) only then.
fn program(calls: &[Call], processor: TargetArch) -> Result<BpfProgram, BackendError> {
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let allowed = SeccompFilter::new(rules(calls)?, refused, SeccompAction::Allow, processor)?;
    let mut program = absent(libc::SYS_clone3).to_vec();
    program.extend(BpfProgram::try_from(allowed)?);
    Ok(program)
}

/// The beginning of a filter that says of a call that there is none (seccomp(2), "Filters"). It
/// stands before the question which processor's numbers are meant: those of newer calls, as this
/// is, are the same on all, and what means another's is stopped behind it.
fn absent(call: c_long) -> [sock_filter; 3] {
    let instruction = |code: u32, k, jf| sock_filter {
        code: u16::try_from(code).unwrap_or(u16::MAX),
        jt: 0,
        jf,
        k,
    };
    let number = u32::try_from(call).unwrap_or(u32::MAX);
    let answer = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    [
        // The number is the first of what a filter looks at.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, number, 1),
        instruction(libc::BPF_RET | libc::BPF_K, answer, 0),
    ]
}

/// A call that stands in the list several times may be made in each of those ways; no rule at all
/// is leave for every way.
fn rules(calls: &[Call]) -> Result<Rules, BackendError> {
    let mut rules = Rules::new();
    for (number, when) in calls {
        let ways = match when {
            When::Always => Vec::new(),
            When::Is(argument, values) => {
                let way = |value: &u64| way(*argument, SeccompCmpOp::Eq, *value);
                values.iter().map(way).collect::<Result<_, _>>()?
            }
            When::Has(argument, bits) => {
                vec![way(*argument, SeccompCmpOp::MaskedEq(*bits), *bits)?]
            }
            When::Lacks(argument, bits) => {
                vec![way(*argument, SeccompCmpOp::MaskedEq(*bits), 0)?]
            }
            When::Ourselves => {
                let own = u64::from(std::process::id());
                vec![way(0, SeccompCmpOp::Eq, own)?]
            }
        };
        match rules.get_mut(number) {
            Some(before) if before.is_empty() || ways.is_empty() => before.clear(),
            Some(before) => before.extend(ways),
            None => {
                rules.insert(*number, ways);
            }
        }
    }
    Ok(rules)
}

fn way(argument: u8, is: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    // Commands, flags and process numbers are C ints: the kernel ignores their upper halves, and
    // so must we.
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, is, value)?;
    SeccompRule::new(vec![condition])
}

/// This kernel was built without filters: said by the one error for both calls that install them.
fn is_missing(error: &seccompiler::Error) -> bool {
    let (seccompiler::Error::Seccomp(why) | seccompiler::Error::Prctl(why)) = error else {
        return false;
    };
    let code = why.raw_os_error();
    code == Some(libc::ENOSYS) || io::ErrorKind::InvalidInput == why.kind()
}
