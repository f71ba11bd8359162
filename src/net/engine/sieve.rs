//! What the kernel passes to the sockets that hear: classic BPF over whole IPv4 datagrams, as raw
//! sockets see them. What others sent and asked for costs nothing then.

use std::ops::RangeInclusive;

use socket2::SockFilter;

use super::Errors;
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

/// Passes ICMP errors as far as `errors` says, and the replies with our identifier if there is one.
pub(super) fn icmp(identifier: Option<u16>, errors: &Errors) -> Vec<Instruction> {
    let replies: &[u8] = if identifier.is_some() { &REPLIES } else { &[] };
    let quoting = match (errors, identifier) {
        (Errors::AllBut(others), _) => quoting_none_of(others),
        (Errors::Own, Some(own)) => quoting(own),
        (Errors::Own, None) | (Errors::All, _) => vec![ALL],
    };
    let mut program = vec![HEADER_LENGTH, byte_behind_header(0)];
    let mut left = ERRORS.len().saturating_add(replies.len());
    for kind in ERRORS {
        left = left.saturating_sub(1);
        // Over the comparisons left and NONE.
        program.push(skip_if(u32::from(kind), left.saturating_add(1)));
    }
    for kind in replies {
        left = left.saturating_sub(1);
        // Over what is asked of errors, too.
        let skip = left.saturating_add(1).saturating_add(quoting.len());
        program.push(skip_if(u32::from(*kind), skip));
    }
    program.push(NONE);
    program.extend(quoting);
    if let Some(identifier) = identifier {
        let ours = skip_if(u32::from(identifier), 1);
        program.extend([half_behind_header(4), ours, NONE, ALL]);
    }
    program
}

/// Loads the first byte that an error quotes and adds the length of the quoted header, too, to X.
const QUOTED_HEADER: [Instruction; 5] = [
    step(0x50, 0, 0, 8),
    step(0x54, 0, 0, 0x0f),
    step(0x64, 0, 0, 2),
    step(0x0c, 0, 0, 0),
    step(0x07, 0, 0, 0),
];

/// Where the identifier of a quoted echo is, behind both headers.
const QUOTED_IDENTIFIER: u32 = 8 + 4;

/// Passes an error about a message with this identifier. What is too short for one is not.
fn quoting(own: u16) -> Vec<Instruction> {
    let mut program = QUOTED_HEADER.to_vec();
    let ours = skip_if(u32::from(own), 1);
    program.extend([half_behind_header(QUOTED_IDENTIFIER), ours, NONE, ALL]);
    program
}

/// Passes an error unless it is about a message with one of these identifiers.
fn quoting_none_of(others: &[u16]) -> Vec<Instruction> {
    // Passes what has fewer bytes behind X. All have more than those by their IPv4 header alone, so
    // that nothing falls below zero.
    let at_least = |bytes| {
        let length = step(0x80, 0, 0, 0);
        [length, step(0x14, 0, 0, bytes), step(0x3d, 1, 0, 0), ALL]
    };
    let mut program = at_least(8 + 1).to_vec();
    program.extend(QUOTED_HEADER);
    program.extend(at_least(QUOTED_IDENTIFIER + 2));
    program.push(half_behind_header(QUOTED_IDENTIFIER));
    for (before, other) in others.iter().enumerate() {
        let skip = others.len().saturating_sub(before);
        program.push(skip_if(u32::from(*other), skip));
    }
    program.extend([ALL, NONE]);
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
            wire_len: u32::try_from(bytes.len()).unwrap(),
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
                let own = icmp(Some(0x5ab4), &Errors::All);
                assert_eq!(passes(&own, words, &with(kind, 0x5ab4)), error || reply);
                assert_eq!(passes(&own, words, &with(kind, 0x5ab5)), error);
                assert_eq!(
                    passes(&icmp(None, &Errors::All), words, &with(kind, 0x5ab4)),
                    error
                );
                assert!(!passes(&nothing(), words, &with(kind, 0x5ab4)));
            }
        }
        assert!(!passes(&icmp(Some(0), &Errors::All), 5, &[]));
    }

    /// Of engines side by side, each reply and each error passes to exactly one.
    #[test]
    fn each_error_is_heard_by_one_of_several() {
        let lanes = [
            icmp(Some(0x1000), &Errors::AllBut(vec![0x1001, 0x1002])),
            icmp(Some(0x1001), &Errors::Own),
            icmp(Some(0x1002), &Errors::Own),
        ];
        let who = |words, body: &[u8]| {
            let hears = |lane: &&Vec<Instruction>| passes(lane, words, body);
            let heard = lanes.iter().filter(hears).count();
            (heard == 1).then(|| lanes.iter().position(|lane| passes(lane, words, body)))?
        };
        for words in [5, 15] {
            for kind in ERRORS {
                for quoted_words in [5_u8, 6, 15] {
                    let mut error = vec![kind, 0, 0, 0, 0x10, 0x01, 0, 0, 0x40 | quoted_words];
                    error.resize(8 + usize::from(quoted_words) * 4 + 4, 0);
                    for (identifier, lane) in [(0x1000_u16, 0), (0x1001, 1), (0x1002, 2), (7, 0)] {
                        let mut error = error.clone();
                        error.extend(identifier.to_be_bytes());
                        assert_eq!(who(words, &error), Some(lane), "{error:x?}");
                        // Cut short by one byte, it is nobody's.
                        error.pop();
                        assert_eq!(who(words, &error), Some(0), "{error:x?}");
                        error.extend([1, 2, 3]);
                    }
                }
                for length in 8..28 {
                    let error: Vec<u8> =
                        [kind].into_iter().chain([0x45; 27]).take(length).collect();
                    assert_eq!(who(words, &error), Some(0), "{length}");
                }
            }
            assert_eq!(who(words, &[0, 0, 0, 0, 0x10, 0x02, 0, 0]), Some(2));
            assert_eq!(who(words, &[0, 0, 0, 0, 0x10, 0x00, 0, 0]), Some(0));
            assert_eq!(who(words, &[0, 0, 0, 0, 0x10, 0x03, 0, 0]), None);
        }
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
