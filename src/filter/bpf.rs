//! Classic BPF: the instruction, its notations, and what makes a program valid.
//!
//! The instruction set is that of the BSD Packet Filter (`McCanne` and Jacobson, 1993) with the
//! Linux additions (include/uapi/linux/filter.h). Knows nothing of how programs are made or run.

use std::fmt;

/// The longest program a Linux socket takes.
pub const LONGEST_KERNEL_PROGRAM: usize = 4096;

/// One instruction, as the kernel's `sock_filter` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    /// What to do: class, size, mode, operation.
    pub code: u16,
    /// How many instructions to skip when a condition holds.
    pub jump_true: u8,
    /// How many instructions to skip when it does not.
    pub jump_false: u8,
    /// The operand.
    pub k: u32,
}

impl Instruction {
    /// An instruction that does not branch.
    pub(super) const fn new(code: u16, k: u32) -> Self {
        Self {
            code,
            jump_true: 0,
            jump_false: 0,
            k,
        }
    }
}

/// Names for the numbers of `code`.
pub(super) mod code {
    pub(in super::super) const LD: u16 = 0x00;
    pub(in super::super) const LDX: u16 = 0x01;
    pub(in super::super) const ST: u16 = 0x02;
    pub(in super::super) const STX: u16 = 0x03;
    pub(in super::super) const ALU: u16 = 0x04;
    pub(in super::super) const JMP: u16 = 0x05;
    pub(in super::super) const RET: u16 = 0x06;
    pub(in super::super) const MISC: u16 = 0x07;

    pub(in super::super) const W: u16 = 0x00;
    pub(in super::super) const H: u16 = 0x08;
    pub(in super::super) const B: u16 = 0x10;

    pub(in super::super) const IMM: u16 = 0x00;
    pub(in super::super) const ABS: u16 = 0x20;
    pub(in super::super) const IND: u16 = 0x40;
    pub(in super::super) const MEM: u16 = 0x60;
    pub(in super::super) const LEN: u16 = 0x80;
    pub(in super::super) const MSH: u16 = 0xa0;

    pub(in super::super) const ADD: u16 = 0x00;
    pub(in super::super) const SUB: u16 = 0x10;
    pub(in super::super) const MUL: u16 = 0x20;
    pub(in super::super) const DIV: u16 = 0x30;
    pub(in super::super) const OR: u16 = 0x40;
    pub(in super::super) const AND: u16 = 0x50;
    pub(in super::super) const LSH: u16 = 0x60;
    pub(in super::super) const RSH: u16 = 0x70;
    pub(in super::super) const NEG: u16 = 0x80;
    pub(in super::super) const MOD: u16 = 0x90;
    pub(in super::super) const XOR: u16 = 0xa0;

    pub(in super::super) const JA: u16 = 0x00;
    pub(in super::super) const JEQ: u16 = 0x10;
    pub(in super::super) const JGT: u16 = 0x20;
    pub(in super::super) const JGE: u16 = 0x30;
    pub(in super::super) const JSET: u16 = 0x40;

    pub(in super::super) const K: u16 = 0x00;
    pub(in super::super) const X: u16 = 0x08;

    pub(in super::super) const TAX: u16 = 0x00;
    pub(in super::super) const TXA: u16 = 0x80;
}

/// How many words of scratch memory a program has.
pub(super) const MEMORY: u32 = 16;

/// Why a program is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Invalid {
    /// Which instruction, from 0.
    pub at: usize,
    /// What is wrong with it.
    pub why: &'static str,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "instruction {}: {}", self.at, self.why)
    }
}

impl std::error::Error for Invalid {}

/// Checks what a kernel checks: known instructions, jumps forward and inside the program, memory
/// within bounds, no division by a constant zero, and a return at the end.
///
/// # Errors
///
/// The first instruction that breaks a rule.
pub fn validate(program: &[Instruction]) -> Result<(), Invalid> {
    use code::{ALU, JMP, LD, LDX, MISC, RET, ST, STX};
    for (at, instruction) in program.iter().enumerate() {
        let wrong = |why| Err(Invalid { at, why });
        let Instruction {
            code,
            jump_true,
            jump_false,
            k,
        } = *instruction;
        let left = program.len() - at - 1;
        match code & 0x07 {
            LD | LDX if !is_load(code) => return wrong("no such load"),
            LD | LDX if code & 0xe0 == code::MEM && k >= MEMORY => return wrong("no such memory"),
            ST | STX if code & !0x07 != 0 => return wrong("no such store"),
            ST | STX if k >= MEMORY => return wrong("no such memory"),
            ALU => match code & 0xf8 {
                op if op & 0xf0 > code::XOR => return wrong("no such operation"),
                op if op & 0xf0 == code::NEG && op & code::X != 0 => {
                    return wrong("no such operation");
                }
                code::DIV | code::MOD if k == 0 => return wrong("division by zero"),
                code::LSH | code::RSH if k > 31 => return wrong("shift by more than 31"),
                _ => {}
            },
            JMP if code == JMP | code::JA && usize::try_from(k).map_or(true, |k| k >= left) => {
                return wrong("jump out of the program");
            }
            JMP if code == JMP | code::JA => {}
            JMP => {
                if !matches!(code & 0xf0, code::JEQ | code::JGT | code::JGE | code::JSET) {
                    return wrong("no such jump");
                }
                if usize::from(jump_true.max(jump_false)) >= left {
                    return wrong("jump out of the program");
                }
            }
            RET if !matches!(code & 0xf8, 0x00 | 0x10) => return wrong("no such return"),
            MISC if !matches!(code & 0xf8, code::TAX | code::TXA) => {
                return wrong("no such instruction");
            }
            _ => {}
        }
        if code > 0xff {
            return wrong("no such instruction");
        }
    }
    match program.last() {
        Some(last) if last.code & 0x07 == RET => Ok(()),
        _ => Err(Invalid {
            at: program.len().saturating_sub(1),
            why: "no return at the end",
        }),
    }
}

/// True for the loads there are.
fn is_load(code: u16) -> bool {
    use code::{ABS, B, H, IMM, IND, LD, LDX, LEN, MEM, MSH, W};
    const LOADS: [u16; 13] = [
        LD | W | ABS,
        LD | H | ABS,
        LD | B | ABS,
        LD | W | IND,
        LD | H | IND,
        LD | B | IND,
        LD | W | IMM,
        LD | W | MEM,
        LD | W | LEN,
        LDX | W | IMM,
        LDX | W | MEM,
        LDX | W | LEN,
        LDX | B | MSH,
    ];
    LOADS.contains(&code)
}

/// How a program is written out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notation {
    /// Mnemonics, as `tcpdump -d` prints them.
    Assembly,
    /// Initialisers of C structures, as `tcpdump -dd` prints them.
    C,
    /// Decimal numbers, the count first, as `tcpdump -ddd` prints them.
    Decimal,
}

/// A program in a notation; every line ends with a newline.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    /// The program.
    pub program: &'a [Instruction],
    /// How to write it.
    pub notation: Notation,
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.notation {
            Notation::Assembly => {
                for (at, instruction) in self.program.iter().enumerate() {
                    assembly(f, at, *instruction)?;
                }
            }
            Notation::C => {
                for Instruction {
                    code,
                    jump_true,
                    jump_false,
                    k,
                } in self.program
                {
                    writeln!(f, "{{ {code:#x}, {jump_true}, {jump_false}, {k:#010x} }},")?;
                }
            }
            Notation::Decimal => {
                writeln!(f, "{}", self.program.len())?;
                for Instruction {
                    code,
                    jump_true,
                    jump_false,
                    k,
                } in self.program
                {
                    writeln!(f, "{code} {jump_true} {jump_false} {k}")?;
                }
            }
        }
        Ok(())
    }
}

fn assembly(f: &mut fmt::Formatter<'_>, at: usize, instruction: Instruction) -> fmt::Result {
    let Instruction {
        code,
        jump_true,
        jump_false,
        k,
    } = instruction;
    let (name, operand) = mnemonic(code, k, at);
    if code & 0x07 == code::JMP && code != code::JMP | code::JA {
        let to_true = at + 1 + usize::from(jump_true);
        let to_false = at + 1 + usize::from(jump_false);
        return writeln!(
            f,
            "({at:03}) {name:<8} {operand:<16} jt {to_true}\tjf {to_false}"
        );
    }
    writeln!(f, "({at:03}) {name:<8} {operand}")
}

fn mnemonic(code: u16, k: u32, at: usize) -> (&'static str, String) {
    use code::{
        ABS, ALU, B, H, IMM, IND, JA, JMP, LD, LDX, LEN, MEM, MISC, MSH, RET, ST, STX, TAX,
    };
    let size = match code & 0x18 {
        H => "ldh",
        B => "ldb",
        _ => "ld",
    };
    let hex = format!("#{k:#x}");
    let k_or_x = if code & code::X == 0 {
        hex.clone()
    } else {
        "x".to_owned()
    };
    match code & 0x07 {
        LD => match code & 0xe0 {
            IMM => ("ld", hex),
            ABS => (
                size,
                ancillary(k).map_or_else(|| format!("[{k}]"), |name| format!("[{name}]")),
            ),
            IND => (size, format!("[x + {k}]")),
            MEM => ("ld", format!("M[{k}]")),
            LEN => ("ld", "#pktlen".to_owned()),
            _ => ("unimp", format!("{code:#x}")),
        },
        LDX => match code & 0xe0 {
            IMM => ("ldx", hex),
            MEM => ("ldx", format!("M[{k}]")),
            LEN => ("ldx", "#pktlen".to_owned()),
            MSH => ("ldxb", format!("4*([{k}]&0xf)")),
            _ => ("unimp", format!("{code:#x}")),
        },
        ST => ("st", format!("M[{k}]")),
        STX => ("stx", format!("M[{k}]")),
        ALU => {
            let shift = if code & code::X == 0 {
                format!("#{k}")
            } else {
                "x".to_owned()
            };
            match code & 0xf0 {
                code::ADD => ("add", shift),
                code::SUB => ("sub", shift),
                code::MUL => ("mul", shift),
                code::DIV => ("div", shift),
                code::MOD => ("mod", shift),
                code::AND => ("and", k_or_x),
                code::OR => ("or", k_or_x),
                code::XOR => ("xor", k_or_x),
                code::LSH => ("lsh", shift),
                code::RSH => ("rsh", shift),
                code::NEG => ("neg", String::new()),
                _ => ("unimp", format!("{code:#x}")),
            }
        }
        JMP => match code & 0xf0 {
            JA => ("ja", (at as u64 + 1 + u64::from(k)).to_string()),
            code::JEQ => ("jeq", k_or_x),
            code::JGT => ("jgt", k_or_x),
            code::JGE => ("jge", k_or_x),
            code::JSET => ("jset", k_or_x),
            _ => ("unimp", format!("{code:#x}")),
        },
        RET if code & 0x18 == 0x10 => ("ret", String::new()),
        RET => ("ret", format!("#{k}")),
        MISC if code & 0xf8 == TAX => ("tax", String::new()),
        _ => ("txa", String::new()),
    }
}

/// The name of what lies at an offset that only the Linux kernel has.
fn ancillary(k: u32) -> Option<&'static str> {
    Some(match k.checked_sub(0xffff_f000)? {
        0 => "proto",
        4 => "type",
        8 => "ifidx",
        12 => "nla",
        16 => "nlan",
        20 => "mark",
        24 => "queue",
        28 => "hatype",
        32 => "rxhash",
        36 => "cpu",
        44 => "vlan_tci",
        48 => "vlanp",
        60 => "vlan_tpid",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: [Instruction; 4] = [
        Instruction::new(0x28, 12),
        Instruction {
            code: 0x15,
            jump_true: 0,
            jump_false: 1,
            k: 0x800,
        },
        Instruction::new(0x06, 262_144),
        Instruction::new(0x06, 0),
    ];

    #[test]
    fn the_three_notations() {
        let listing = |notation| {
            Listing {
                program: &PROGRAM,
                notation,
            }
            .to_string()
        };
        assert_eq!(
            listing(Notation::Assembly),
            "(000) ldh      [12]\n\
             (001) jeq      #0x800           jt 2\tjf 3\n\
             (002) ret      #262144\n\
             (003) ret      #0\n"
        );
        assert_eq!(
            listing(Notation::C),
            "{ 0x28, 0, 0, 0x0000000c },\n\
             { 0x15, 0, 1, 0x00000800 },\n\
             { 0x6, 0, 0, 0x00040000 },\n\
             { 0x6, 0, 0, 0x00000000 },\n"
        );
        assert_eq!(
            listing(Notation::Decimal),
            "4\n40 0 0 12\n21 0 1 2048\n6 0 0 262144\n6 0 0 0\n"
        );
    }

    #[test]
    fn broken_programs_are_refused() {
        assert_eq!(validate(&PROGRAM), Ok(()));
        let ja = |k| Instruction::new(0x05, k);
        assert_eq!(
            validate(&[ja(1), Instruction::new(0x06, 1), Instruction::new(0x06, 0)]),
            Ok(())
        );
        let ret = Instruction::new(0x06, 0);
        for broken in [
            vec![],
            vec![Instruction::new(0x28, 12)],
            vec![
                Instruction {
                    code: 0x15,
                    jump_true: 1,
                    jump_false: 0,
                    k: 0,
                },
                ret,
            ],
            vec![Instruction::new(0x05, 1), ret],
            vec![Instruction::new(0x05, u32::MAX), ret],
            vec![Instruction::new(0x02, 16), ret],
            vec![Instruction::new(0x60, 16), ret],
            vec![Instruction::new(0x34, 0), ret],
            vec![Instruction::new(0x64, 32), ret],
            vec![Instruction::new(0x18, 0), ret],
            vec![Instruction::new(0xff, 0), ret],
            vec![Instruction::new(0x106, 0), ret],
        ] {
            assert!(validate(&broken).is_err(), "{broken:?}");
        }
    }
}
