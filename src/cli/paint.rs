//! Colour, where a terminal wants it: it helps and is never needed.

use super::text::Text;

/// What a colour says. The names are roles, so that one table decides how each looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Frame number, time, byte offsets.
    Quiet,
    /// Who and to whom.
    Address,
    /// A protocol's name.
    Protocol,
    /// What a value means.
    Meaning,
    /// What is wrong.
    Wrong,
}

/// Paints, or does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Paint {
    pub(super) on: bool,
}

impl Paint {
    /// Everything until [`Paint::end`] plays this role.
    #[inline]
    pub(super) fn start(self, out: &mut Text, role: Role) {
        if self.on {
            out.str(match role {
                Role::Quiet => "\x1b[2m",
                Role::Address => "\x1b[36m",
                Role::Protocol => "\x1b[1m",
                Role::Meaning => "\x1b[32m",
                Role::Wrong => "\x1b[31m",
            });
        }
    }

    /// Back to the terminal's own colours.
    #[inline]
    pub(super) fn end(self, out: &mut Text) {
        if self.on {
            out.str("\x1b[0m");
        }
    }
}
