//! The compiler, the machine and the tree's evaluation agree: on random expressions over random
//! frames, saved and as a kernel would see them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test fails by panicking"
)]

use proptest::prelude::*;

use expressions::expression;

use super::bpf::code;
use super::evaluate::Evaluator;
use super::layout::Order;
use super::{Expression, Filter, Instruction, NoNames, Options, Target, resolve};
use crate::wire::frame::{Direction, Frame, LinkType, Offload};

/// Also asked by the live tests for programs to attach.
mod expressions;

/// A packet of IP version 4 or 6, or ARP, and its Ethertype.
fn packet() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let payload = (
        prop::sample::select(vec![79_u16, 80, 81, 82, 4789, 6081]),
        prop::sample::select(vec![79_u16, 80, 81, 82, 4789, 6081]),
        prop::collection::vec(prop_oneof![0_u8..4, any::<u8>()], 0..60),
    )
        .prop_map(|(source, destination, rest)| {
            let mut bytes = source.to_be_bytes().to_vec();
            bytes.extend(destination.to_be_bytes());
            bytes.extend(rest);
            bytes
        });
    let protocol = prop::sample::select(vec![1_u8, 2, 4, 6, 17, 17, 41, 44, 47, 51, 58, 132]);
    let fragment = prop::sample::select(vec![0_u16, 0, 0, 0x2000, 0x4000, 0x0001, 0x2003]);
    let ipv4 = (
        protocol.clone(),
        fragment,
        4_u8..8,
        0_u8..4,
        0_u8..4,
        payload.clone(),
    )
        .prop_map(
            |(protocol, fragment, words, source, destination, payload)| {
                let mut bytes = vec![0x40 | words, 0, 0, 100, 0, 7];
                bytes.extend(fragment.to_be_bytes());
                bytes.extend([64, protocol, 0, 0, 10, 0, 0, source, 10, 0, 0, destination]);
                bytes.resize(usize::from(words.max(5)) * 4, 0);
                bytes.extend(payload);
                (0x0800, bytes)
            },
        );
    let ipv6 = (protocol, 0_u8..3, 0_u8..3, payload).prop_map(
        |(protocol, source, destination, payload)| {
            let mut bytes = vec![0x60, 0, 0, 0, 0, 50, protocol, 64];
            for last in [source, destination] {
                bytes.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
            }
            bytes.extend(payload);
            (0x86dd, bytes)
        },
    );
    let arp = (
        prop::sample::select(vec![0x0806_u16, 0x8035]),
        0_u8..4,
        0_u8..4,
    )
        .prop_map(|(kind, source, destination)| {
            let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, 1, 2, 2, 2, 2, 2, 2];
            bytes.extend([10, 0, 0, source, 3, 3, 3, 3, 3, 3, 10, 0, 0, destination]);
            (kind, bytes)
        });
    let llc = prop::collection::vec(
        prop::sample::select(vec![
            0_u8, 3, 7, 8, 0x42, 0x81, 0x9b, 0xaa, 0xe0, 0xf0, 0xfe, 0xff,
        ]),
        3..20,
    )
    .prop_map(|bytes| (60, bytes));
    prop_oneof![6 => ipv4, 3 => ipv6, 1 => arp, 1 => llc]
}

/// UDP to `port` over a version of IP, and its Ethertype.
fn over_udp(sixth: bool, port: u16, payload: &[u8]) -> (u16, Vec<u8>) {
    let mut bytes = if sixth {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 90, 17, 64];
        for last in [0, 1] {
            bytes.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
        }
        bytes
    } else {
        vec![
            0x45, 0, 0, 99, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        ]
    };
    bytes.extend([0, 79]);
    bytes.extend(port.to_be_bytes());
    bytes.extend([0, 70, 0, 0]);
    bytes.extend(payload);
    (if sixth { 0x86dd } else { 0x0800 }, bytes)
}

/// `bytes` of Ethertype `kind` in one encapsulation.
fn wrap((kind, bytes): (u16, Vec<u8>), way: u8, id: u8, sixth: bool) -> (u16, Vec<u8>) {
    let mut outer: Vec<u8> = Vec::new();
    let ethernet = [2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3];
    match way {
        0 | 1 => {
            outer.extend([0x20, id]);
            outer.extend(kind.to_be_bytes());
            outer.extend(bytes);
            (if way == 0 { 0x8100 } else { 0x88a8 }, outer)
        }
        2 => {
            outer.extend([0, 0, id << 4 | 1, 64]);
            outer.extend(bytes);
            (0x8847, outer)
        }
        3 => {
            let ppp: u16 = if kind == 0x86dd { 0x57 } else { 0x21 };
            outer.extend([0x11, 0, 0, id, 0, 50]);
            outer.extend(ppp.to_be_bytes());
            outer.extend(bytes);
            (0x8864, outer)
        }
        4 => {
            outer.extend([8, 0, 0, 0, 0, 0, id, 0]);
            outer.extend(ethernet);
            outer.extend(kind.to_be_bytes());
            outer.extend(bytes);
            over_udp(sixth, 4789, &outer)
        }
        // Geneve with one word of options, around a packet or a frame.
        _ => {
            let bridged = way > 5;
            outer.extend([1, 0]);
            outer.extend(if bridged { 0x6558 } else { kind }.to_be_bytes());
            outer.extend([0, 0, id, 0, 9, 9, 9, 9]);
            if bridged {
                outer.extend(ethernet);
                outer.extend(kind.to_be_bytes());
            }
            outer.extend(bytes);
            over_udp(sixth, 6081, &outer)
        }
    }
}

/// A packet with up to three encapsulations around it, and its Ethertype.
fn wrapped() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let wraps = prop::collection::vec((0_u8..7, 0_u8..3, any::<bool>()), 0..3);
    (packet(), wraps).prop_map(|(packet, wraps)| {
        wraps.into_iter().fold(packet, |inner, (way, id, sixth)| {
            wrap(inner, way, id, sixth)
        })
    })
}

/// A whole frame of a link type, sometimes cut short.
fn frame() -> impl Strategy<Value = (LinkType, Vec<u8>)> {
    let link_type = prop::sample::select(vec![
        LinkType::ETHERNET,
        LinkType::ETHERNET,
        LinkType::ETHERNET,
        LinkType::LINUX_SLL,
        LinkType::LINUX_SLL2,
        LinkType::RAW,
        LinkType::NULL,
        LinkType::LOOP,
        LinkType::PPP,
        LinkType::C_HDLC,
        LinkType::IPV4,
    ]);
    let cut = prop_oneof![3 => Just(usize::MAX), 1 => 0_usize..80];
    (link_type, wrapped(), cut, 0_u8..5).prop_map(|(link_type, (kind, packet), cut, way)| {
        let kind = kind.to_be_bytes();
        let mut bytes = match link_type {
            LinkType::ETHERNET => {
                vec![2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, way, kind[0], kind[1]]
            }
            LinkType::LINUX_SLL => {
                vec![0, way, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, kind[0], kind[1]]
            }
            LinkType::LINUX_SLL2 => {
                vec![
                    kind[0], kind[1], 0, 0, 0, 0, 0, way, 0, 1, way, 6, 1, 2, 3, 4, 5, 6, 0, 0,
                ]
            }
            LinkType::NULL => {
                let family: u32 = if kind[0] == 8 { 2 } else { 30 };
                let family = if way % 2 == 0 { family } else { family << 24 };
                family.to_be_bytes().to_vec()
            }
            LinkType::LOOP => vec![0, 0, 0, if kind[0] == 8 { 2 } else { 24 }],
            LinkType::PPP => vec![0xff, 3, 0, if kind[0] == 8 { 0x21 } else { 0x57 }],
            LinkType::C_HDLC => vec![0x0f, 0, kind[0], kind[1]],
            _ => Vec::new(),
        };
        bytes.extend(packet);
        bytes.truncate(cut);
        (link_type, bytes)
    })
}

fn as_frame(link_type: LinkType, bytes: &[u8]) -> Frame<'_> {
    Frame {
        number: 1,
        time: None,
        link_type,
        wire_len: bytes.len() as u32,
        bytes,
        interface: None,
        direction: Some(if bytes.len().is_multiple_of(2) {
            Direction::In
        } else {
            Direction::Out
        }),
        offload: Offload::default(),
        comments: &[],
    }
}

/// The filter and the evaluator of an expression, where the link type allows it.
fn both(
    text: &str,
    link_type: LinkType,
    target: Target,
    deep: bool,
) -> Option<(Filter, Evaluator)> {
    let expression = Expression::parse(text).map_err(|e| format!("{e}")).unwrap();
    let options = Options {
        deep,
        target,
        link_type,
        snaplen: 0,
        netmask: Some(0xffff_fffc),
        resolve: &NoNames,
    };
    let filter = Filter::compile(&expression, &options).ok()?;
    let tree = expression.tree.as_ref().unwrap();
    let tree = resolve::resolved(tree, &expression.text, &NoNames).unwrap();
    Some((
        filter,
        Evaluator {
            tree,
            link_type,
            netmask: options.netmask,
            deep,
        },
    ))
}

/// What a kernel knows of a frame beside what its filter can load.
struct Kernel<'a> {
    bytes: &'a [u8],
    protocol: u32,
    packet_type: u32,
    interface: u32,
    hardware: u32,
    tag: Option<(u32, u32)>,
}

/// Classic BPF as the kernel runs it, written apart from [`super::Machine`].
fn kernel_runs(program: &[Instruction], kernel: &Kernel<'_>) -> u32 {
    let (mut a, mut x, mut at, mut memory) = (0_u32, 0_u32, 0_usize, [0_u32; 16]);
    let load = |at: u64, size: u64| -> Option<u32> {
        let field = kernel
            .bytes
            .get(usize::try_from(at).ok()?..usize::try_from(at + size).ok()?)?;
        Some(
            field
                .iter()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte)),
        )
    };
    loop {
        let i = program[at];
        at += 1;
        let size = [4, 2, 1, 0][usize::from(i.code >> 3 & 3)];
        let operand = if i.code & 8 == 0 { i.k } else { x };
        match i.code & 7 {
            code::LD => {
                let loaded = match i.code & 0xe0 {
                    code::IMM => Some(i.k),
                    code::ABS if i.k >= 0xffff_f000 => Some(match i.k - 0xffff_f000 {
                        0 => kernel.protocol,
                        4 => kernel.packet_type,
                        8 => kernel.interface,
                        28 => kernel.hardware,
                        44 => kernel.tag.map_or(0, |(_, tag)| tag),
                        48 => u32::from(kernel.tag.is_some()),
                        60 => kernel.tag.map_or(0, |(protocol, _)| protocol),
                        _ => return 0,
                    }),
                    code::ABS => load(i.k.into(), size),
                    code::IND => load(u64::from(x) + u64::from(i.k), size),
                    code::MEM => Some(memory[i.k as usize]),
                    _ => Some(kernel.bytes.len() as u32),
                };
                let Some(loaded) = loaded else { return 0 };
                a = loaded;
            }
            code::LDX => match i.code & 0xe0 {
                code::MEM => x = memory[i.k as usize],
                code::LEN => x = kernel.bytes.len() as u32,
                code::MSH => {
                    let Some(byte) = load(i.k.into(), 1) else {
                        return 0;
                    };
                    x = 4 * (byte & 15);
                }
                _ => x = i.k,
            },
            code::ST => memory[i.k as usize] = a,
            code::STX => memory[i.k as usize] = x,
            code::ALU => {
                a = match i.code & 0xf0 {
                    code::ADD => a.wrapping_add(operand),
                    code::SUB => a.wrapping_sub(operand),
                    code::MUL => a.wrapping_mul(operand),
                    code::DIV | code::MOD if operand == 0 => return 0,
                    code::DIV => a / operand,
                    code::MOD => a % operand,
                    code::AND => a & operand,
                    code::OR => a | operand,
                    code::XOR => a ^ operand,
                    code::LSH => a.wrapping_shl(operand),
                    code::RSH => a.wrapping_shr(operand),
                    _ => a.wrapping_neg(),
                }
            }
            code::JMP => {
                let holds = match i.code & 0xf0 {
                    code::JA => {
                        at += i.k as usize;
                        continue;
                    }
                    code::JEQ => a == operand,
                    code::JGT => a > operand,
                    code::JGE => a >= operand,
                    _ => a & operand != 0,
                };
                at += usize::from(if holds { i.jump_true } else { i.jump_false });
            }
            code::RET => return if i.code & 0x18 == 0x10 { a } else { i.k },
            _ if i.code & 0x80 == 0 => x = a,
            _ => a = x,
        }
    }
}

/// What the kernel makes of a frame that is saved as `bytes`.
fn seen_by_kernel(link_type: LinkType, bytes: &[u8]) -> Option<(Target, Vec<u8>, Kernel<'static>)> {
    let half = |at: usize| {
        bytes
            .get(at..at + 2)
            .map(|b| u32::from(b[0]) << 8 | u32::from(b[1]))
    };
    let mut kernel = Kernel {
        bytes: &[],
        protocol: 0,
        packet_type: if bytes.len().is_multiple_of(2) { 0 } else { 4 },
        interface: 0,
        hardware: 1,
        tag: None,
    };
    match link_type {
        LinkType::ETHERNET => {
            let mut seen = bytes.to_vec();
            if let (Some(protocol @ (0x8100 | 0x88a8)), Some(tag)) = (half(12), half(14)) {
                kernel.tag = Some((protocol, tag));
                seen.drain(12..16);
            }
            Some((Target::Live, seen, kernel))
        }
        LinkType::LINUX_SLL2 => {
            kernel.interface = u32::from(*bytes.get(7)?);
            kernel.packet_type = u32::from(*bytes.get(10)?);
            let seen = cooked(&mut kernel, bytes.get(20..)?, half(0)?);
            Some((Target::LiveCooked, seen, kernel))
        }
        LinkType::LINUX_SLL => {
            kernel.packet_type = half(0)?;
            let seen = cooked(&mut kernel, bytes.get(16..)?, half(14)?);
            Some((Target::LiveCooked, seen, kernel))
        }
        _ => None,
    }
}

/// The packet behind a cooked header that names this protocol. A tag in front of it was taken out
/// by the hardware, or by the kernel, which keeps that from its filter.
fn cooked(kernel: &mut Kernel<'_>, behind: &[u8], protocol: u32) -> Vec<u8> {
    kernel.protocol = protocol;
    let (0x8100 | 0x88a8, Some((tag, packet))) = (protocol, behind.split_first_chunk::<4>()) else {
        return behind.to_vec();
    };
    if !behind.len().is_multiple_of(3) {
        kernel.tag = Some((protocol, u32::from_be_bytes([0, 0, tag[0], tag[1]])));
        kernel.protocol = u32::from_be_bytes([0, 0, tag[2], tag[3]]);
    }
    packet.to_vec()
}

/// The frame is not one whose header a host of the other byte order wrote.
fn is_of_this_machine(link_type: LinkType, bytes: &[u8]) -> bool {
    link_type != LinkType::NULL || Order::of_small(bytes) == Order::HOST
}

/// As many cases as PROPTEST_CASES says, and no fewer than are enough for every day.
fn cases() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.max(2000),
        ..default
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn program_and_tree_agree(text in expression(true), (link_type, bytes) in frame()) {
        let Some((filter, evaluator)) = both(&text, link_type, Target::File, false) else {
            return Ok(());
        };
        let frame = as_frame(link_type, &bytes);
        prop_assert!(super::validate(filter.program()).is_ok());
        if let Some(expected) = evaluator.evaluate(&frame, None) {
            prop_assert_eq!(filter.matches(&frame), expected);
            if is_of_this_machine(link_type, &bytes) {
                let accepted = super::Machine::new(filter.program()).unwrap().run(&frame) != 0;
                prop_assert!(accepted || !expected);
                prop_assert!(accepted == expected || !filter.is_exact());
            }
            prop_assert!(!(filter.never_matches() && expected));
            prop_assert!(!filter.accepts_all() || expected || !filter.is_exact());
        }
    }

    #[test]
    fn the_kernel_lets_every_match_pass(
        text in expression(true),
        deep: bool,
        (link_type, bytes) in frame(),
    ) {
        let Some((target, seen, kernel)) = seen_by_kernel(link_type, &bytes) else {
            return Ok(());
        };
        let Some((filter, evaluator)) = both(&text, link_type, target, deep) else {
            return Ok(());
        };
        prop_assert!(super::validate(filter.program()).is_ok());
        let kernel = Kernel { bytes: &seen, ..kernel };
        let passed = kernel_runs(filter.program(), &kernel) != 0;
        if let Some(expected) = evaluator.evaluate(&as_frame(link_type, &bytes), None) {
            prop_assert!(passed || !expected, "a match is lost");
            prop_assert!(passed == expected || !filter.is_exact(), "the program is not exact");
        }
    }

    #[test]
    fn a_deep_program_lets_every_match_pass(
        text in expression(true),
        (link_type, bytes) in frame(),
    ) {
        let Some((filter, evaluator)) = both(&text, link_type, Target::File, true) else {
            return Ok(());
        };
        let frame = as_frame(link_type, &bytes);
        let passed = super::Machine::new(filter.program()).unwrap().run(&frame) != 0;
        let expected = evaluator.evaluate(&frame, None) == Some(true);
        prop_assert_eq!(filter.matches(&frame), expected);
        let program_decides = is_of_this_machine(link_type, &bytes);
        prop_assert!(passed || !expected || !program_decides, "a match is lost");
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[ ()\\[\\]a-z0-9.:/&|!=<>+*\\\\-]{0,40}") {
        let _ = Expression::parse(&text);
    }
}
