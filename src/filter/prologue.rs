//! What a program on a packet socket begins with: which copies of a packet are wanted at all.
//!
//! A packet socket is shown what is sent as well as what is received, and on the loopback both of
//! every packet. The kernel decides before it copies anything, so that its counters count what is
//! wanted. Knows packet types and hardware types (packet(7), if_arp.h); nothing of sockets.

use super::Instruction;
use crate::wire::frame::Direction;

/// Where the socket listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// On the loopback.
    Loopback,
    /// On any one other interface.
    Other,
    /// On all interfaces at once, the loopback among them.
    All,
}

/// The most instructions a prologue has.
pub(super) const LONGEST: usize = 5;

/// Loads what only the kernel knows of a packet: its type (`SKF_AD_PKTTYPE`).
const LOAD_PACKET_TYPE: Instruction = Instruction::new(0x20, 0xffff_f004);
/// The same for the kind of its interface (`SKF_AD_HATYPE`).
const LOAD_HARDWARE: Instruction = Instruction::new(0x20, 0xffff_f01c);
/// Refuses the packet.
const REFUSE: Instruction = Instruction::new(0x06, 0);

/// `PACKET_OUTGOING`: a packet on its way out.
const OUTGOING: u32 = 4;
/// `ARPHRD_LOOPBACK`.
const LOOPBACK: u32 = 772;

/// Skips instructions, as many as are given for each outcome.
const fn if_equal(k: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction {
        code: 0x15,
        jump_true,
        jump_false,
        k,
    }
}

/// The program with the prologue that the scope and the wanted direction ask for; both directions
/// are wanted when none is named.
///
/// On the loopback each packet passes once: as it is received, or as it is sent where only sent
/// ones are wanted.
#[must_use]
pub fn on_socket(
    program: &[Instruction],
    scope: Scope,
    direction: Option<Direction>,
) -> Vec<Instruction> {
    // Every prologue ends with the refusal, jumped over by what may go on: the program behind it
    // may be of any length.
    let prologue: &[Instruction] = match (direction, scope) {
        (None, Scope::Other) => &[],
        (None, Scope::All) => &[
            LOAD_PACKET_TYPE,
            if_equal(OUTGOING, 0, 3),
            LOAD_HARDWARE,
            if_equal(LOOPBACK, 0, 1),
            REFUSE,
        ],
        (None, Scope::Loopback) | (Some(Direction::In), _) => {
            &[LOAD_PACKET_TYPE, if_equal(OUTGOING, 0, 1), REFUSE]
        }
        (Some(Direction::Out), _) => &[LOAD_PACKET_TYPE, if_equal(OUTGOING, 1, 0), REFUSE],
    };
    [prologue, program].concat()
}

#[cfg(test)]
mod tests {
    use super::super::validate;
    use super::*;

    #[test]
    fn every_prologue_is_valid_and_of_known_length() {
        let program = vec![Instruction::new(0x06, 262_144); super::super::LONGEST_KERNEL_PROGRAM];
        for scope in [Scope::Loopback, Scope::Other, Scope::All] {
            for direction in [None, Some(Direction::In), Some(Direction::Out)] {
                let whole = on_socket(&program, scope, direction);
                assert_eq!(validate(&whole), Ok(()), "{scope:?} {direction:?}");
                assert!(whole.len() - program.len() <= LONGEST);
                assert!(whole.ends_with(&program));
            }
        }
    }
}
