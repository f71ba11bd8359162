//! From the table of system calls to filters in the kernel (seccomp(2)).

use std::collections::BTreeMap;
use std::io;

use nix::libc::{self, c_long};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
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
    let programs = programs(&calls::of(sandbox), processor)
        .map_err(|error| failed("building the system call filter", error))?;
    for program in programs {
        match seccompiler::apply_filter_all_threads(&program) {
            Ok(()) => {}
            Err(error) if is_missing(&error) => return Ok(false),
            Err(error) => return Err(failed("filtering system calls", error)),
        }
    }
    Ok(true)
}

/// Two filters, of which the kernel heeds the stricter answer to each call. A filter of this kind
/// has one answer for what it stops, and two are needed: libc starts threads by clone3(2), whose
/// flags a filter cannot see, and falls back to clone(2) only when there is no such call.
fn programs(calls: &[Call], processor: TargetArch) -> Result<[BpfProgram; 2], BackendError> {
    let errno = |code: i32| SeccompAction::Errno(code.unsigned_abs());
    let absent = SeccompFilter::new(
        Rules::from([(libc::SYS_clone3, Vec::new())]),
        SeccompAction::Allow,
        errno(libc::ENOSYS),
        processor,
    )?;
    let mut rules = rules(calls)?;
    rules.insert(libc::SYS_clone3, Vec::new());
    // The second one is installed through the first; the first allows what it does not name.
    let allowed = SeccompFilter::new(rules, errno(libc::EPERM), SeccompAction::Allow, processor)?;
    Ok([absent.try_into()?, allowed.try_into()?])
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
