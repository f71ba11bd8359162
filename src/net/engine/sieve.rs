//! What the kernel passes to the sockets that hear: classic BPF over whole IPv4 datagrams, as raw
//! sockets see them. What others sent and asked for costs nothing then.

use std::ops::RangeInclusive;

use socket2::SockFilter;

use crate::filter::Instruction;

/// ICMP's errors (RFC 1122 section 3.2.2) and Redirect: types that quote a datagram.
pub(super) const ERRORS: [u8; 5] = [3, 4, 5, 11, 12];
/// Replies with an identifier where an echo has it: echo, timestamp, information, address mask
/// (RFC 792, RFC 950) and extended echo (RFC 8335).
pub(super) const REPLIES: [u8; 5] = [0, 14, 16, 18, 43];

/// Loads: the length of the IPv4 header to X; a byte and 16 bits from behind the header on.
const HEADER_LENGTH: Instruction = step(0xb1, 0, 0, 0);
const NONE: Instruction = step(0x06, 0, 0, 0);
const ALL: Instruction = step(0x06, 0, 0, u32::MAX);

const fn step(code: u16, jump_true: u8, jump_false: u8, k: u32) -> Instruction {
    Instruction {
        code,
        jump_true,
        jump_false,
        k,
    }
}

fn byte_behind_header(at: u32) -> Instruction {
    step(0x50, 0, 0, at)
}

fn half_behind_header(at: u32) -> Instruction {
    step(0x48, 0, 0, at)
}

/// Skips so many instructions if the value is `k`.
fn skip_if(k: u32, skip: usize) -> Instruction {
    step(0x15, u8::try_from(skip).unwrap_or(u8::MAX), 0, k)
}

/// Passes nothing.
pub(super) fn nothing() -> Vec<Instruction> {
    vec![NONE]
}

/// Passes ICMP errors, and the replies with our identifier if there is one.
pub(super) fn icmp(identifier: Option<u16>) -> Vec<Instruction> {
    let replies: &[u8] = if identifier.is_some() { &REPLIES } else { &[] };
    let mut program = vec![HEADER_LENGTH, byte_behind_header(0)];
    let mut left = ERRORS.len().saturating_add(replies.len());
    for kind in ERRORS {
        left = left.saturating_sub(1);
        // Over the comparisons left and NONE, to ALL.
        program.push(skip_if(u32::from(kind), left.saturating_add(1)));
    }
    for kind in replies {
        left = left.saturating_sub(1);
        // Over ALL, too.
        program.push(skip_if(u32::from(*kind), left.saturating_add(2)));
    }
    program.extend([NONE, ALL]);
    if let Some(identifier) = identifier {
        let ours = skip_if(u32::from(identifier), 1);
        program.extend([half_behind_header(4), ours, NONE, ALL]);
    }
    program
}

/// Passes what goes to one of these ports.
pub(super) fn ports(ports: &RangeInclusive<u16>) -> Vec<Instruction> {
    vec![
        HEADER_LENGTH,
        half_behind_header(2),
        // At least the first; not above the last.
        step(0x35, 1, 0, u32::from(*ports.start())),
        NONE,
        step(0x25, 0, 1, u32::from(*ports.end())),
        NONE,
        ALL,
    ]
}

/// As the kernel takes it.
pub(super) fn compiled(program: &[Instruction]) -> Vec<SockFilter> {
    let instructions = program.iter();
    instructions
        .map(|it| SockFilter::new(it.code, it.jump_true, it.jump_false, it.k))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

    use super::*;
    use crate::filter::Machine;
    use crate::wire::frame::{Frame, LinkType, Offload};

    /// Whether a datagram with an IPv4 header of so many words passes.
    fn passes(program: &[Instruction], words: u8, body: &[u8]) -> bool {
        let mut bytes = vec![0; usize::from(words) * 4];
        *bytes.first_mut().unwrap() = 0x40 | words;
        bytes.extend(body);
        let frame = Frame {
            number: 1,
            time: None,
            link_type: LinkType::RAW,
            wire_len: 0,
            bytes: &bytes,
            interface: None,
            direction: None,
            offload: Offload::default(),
            comments: &[],
        };
        Machine::new(program).unwrap().run(&frame) != 0
    }

    #[test]
    fn errors_pass_and_replies_if_they_are_ours() {
        let with = |kind: u8, identifier: u16| {
            let [a, b] = identifier.to_be_bytes();
            [kind, 0, 0, 0, a, b, 0, 0]
        };
        for words in [5, 15] {
            for kind in 0..=u8::MAX {
                let (error, reply) = (ERRORS.contains(&kind), REPLIES.contains(&kind));
                let own = icmp(Some(0x5ab4));
                assert_eq!(passes(&own, words, &with(kind, 0x5ab4)), error || reply);
                assert_eq!(passes(&own, words, &with(kind, 0x5ab5)), error);
                assert_eq!(passes(&icmp(None), words, &with(kind, 0x5ab4)), error);
                assert!(!passes(&nothing(), words, &with(kind, 0x5ab4)));
            }
        }
        assert!(!passes(&icmp(Some(0)), 5, &[]));
    }

    #[test]
    fn only_our_ports_pass() {
        for (range, yes, no) in [
            (4000..=4003, vec![4000, 4003], vec![3999, 4004, 0, 65_535]),
            (7..=7, vec![7], vec![6, 8]),
            (0..=65_535, vec![0, 65_535], vec![]),
        ] {
            let program = ports(&range);
            let to = |port: u16| {
                let [a, b] = port.to_be_bytes();
                passes(&program, 6, &[0x0f, 0xa1, a, b])
            };
            assert!(yes.into_iter().all(to));
            assert!(!no.into_iter().any(to));
        }
    }
}
