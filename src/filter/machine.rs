//! The BPF machine: runs a classic BPF program over a saved frame.
//!
//! A program is checked and decoded once; running it allocates nothing, and a load that would
//! leave the frame rejects the frame, as in the kernel.

use super::bpf::{self, Instruction, Invalid, code};
use super::tree::Operator;
use super::value::Ancillary;
use crate::wire::frame::{Direction, Frame};

/// A decoded program. Jump targets are instruction numbers.
#[derive(Debug, Clone)]
pub struct Machine {
    steps: Box<[Step]>,
    /// Memory is cleared for a frame only if the program has any.
    memory: bool,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Word(u32),
    Half(u32),
    Byte(u32),
    WordAtX(u32),
    HalfAtX(u32),
    ByteAtX(u32),
    Immediate(u32),
    Recall(u32),
    Length,
    PacketType,
    /// Something the kernel knows and a saved frame does not.
    Unknown,
    XImmediate(u32),
    XRecall(u32),
    XLength,
    HeaderLength(u32),
    Store(u32),
    StoreX(u32),
    Arithmetic(Operator, u32),
    ArithmeticX(Operator),
    Negate,
    Jump(u32),
    Equal {
        k: u32,
        yes: u32,
        no: u32,
    },
    Greater {
        k: u32,
        yes: u32,
        no: u32,
    },
    GreaterEqual {
        k: u32,
        yes: u32,
        no: u32,
    },
    AnyBit {
        k: u32,
        yes: u32,
        no: u32,
    },
    EqualX {
        yes: u32,
        no: u32,
    },
    GreaterX {
        yes: u32,
        no: u32,
    },
    GreaterEqualX {
        yes: u32,
        no: u32,
    },
    AnyBitX {
        yes: u32,
        no: u32,
    },
    Return(u32),
    ReturnA,
    ToX,
    ToA,
}

impl Machine {
    /// Decodes a program.
    ///
    /// # Errors
    ///
    /// The first instruction that [`bpf::validate`] refuses.
    pub fn new(program: &[Instruction]) -> Result<Self, Invalid> {
        bpf::validate(program)?;
        let steps: Box<[Step]> = program
            .iter()
            .enumerate()
            .map(|(at, instruction)| decoded(at, *instruction))
            .collect();
        let memory = steps
            .iter()
            .any(|step| matches!(step, Step::Recall(_) | Step::XRecall(_)));
        Ok(Self { steps, memory })
    }

    /// How many bytes of the frame the program asks for; 0 when it does not match.
    #[must_use]
    pub fn run(&self, frame: &Frame<'_>) -> u32 {
        let mut memory = [0; bpf::MEMORY as usize];
        let memory: &mut [u32] = if self.memory { &mut memory } else { &mut [] };
        // A rejected frame and a program that runs out of steps answer the same.
        self.steps(frame, memory).unwrap_or(0)
    }

    fn steps(&self, frame: &Frame<'_>, memory: &mut [u32]) -> Option<u32> {
        let bytes = frame.bytes;
        let (mut a, mut x) = (0_u32, 0_u32);
        let mut at = 0;
        // Jumps only go forward, so this ends.
        loop {
            let step = *self.steps.get(at)?;
            at += 1;
            match step {
                Step::Word(k) => a = word(bytes, k.into())?,
                Step::Half(k) => a = half(bytes, k.into())?,
                Step::Byte(k) => a = byte(bytes, k.into())?,
                Step::WordAtX(k) => a = word(bytes, u64::from(x) + u64::from(k))?,
                Step::HalfAtX(k) => a = half(bytes, u64::from(x) + u64::from(k))?,
                Step::ByteAtX(k) => a = byte(bytes, u64::from(x) + u64::from(k))?,
                Step::Immediate(k) => a = k,
                Step::Recall(k) => a = *memory.get(k as usize)?,
                Step::Length => a = frame.wire_len,
                Step::PacketType => {
                    a = match frame.direction? {
                        Direction::In => 0,
                        Direction::Out => 4,
                    }
                }
                Step::Unknown => return None,
                Step::XImmediate(k) => x = k,
                Step::XRecall(k) => x = *memory.get(k as usize)?,
                Step::XLength => x = frame.wire_len,
                Step::HeaderLength(k) => x = 4 * (byte(bytes, k.into())? & 0xf),
                Step::Store(k) => {
                    if let Some(cell) = memory.get_mut(k as usize) {
                        *cell = a;
                    }
                }
                Step::StoreX(k) => {
                    if let Some(cell) = memory.get_mut(k as usize) {
                        *cell = x;
                    }
                }
                Step::Arithmetic(operator, k) => a = operator.apply(a, k)?,
                Step::ArithmeticX(operator) => a = operator.apply(a, x)?,
                Step::Negate => a = a.wrapping_neg(),
                Step::Jump(to) => at = to as usize,
                Step::Equal { k, yes, no } => at = if a == k { yes } else { no } as usize,
                Step::Greater { k, yes, no } => at = if a > k { yes } else { no } as usize,
                Step::GreaterEqual { k, yes, no } => at = if a >= k { yes } else { no } as usize,
                Step::AnyBit { k, yes, no } => at = if a & k != 0 { yes } else { no } as usize,
                Step::EqualX { yes, no } => at = if a == x { yes } else { no } as usize,
                Step::GreaterX { yes, no } => at = if a > x { yes } else { no } as usize,
                Step::GreaterEqualX { yes, no } => at = if a >= x { yes } else { no } as usize,
                Step::AnyBitX { yes, no } => at = if a & x != 0 { yes } else { no } as usize,
                Step::Return(k) => return Some(k),
                Step::ReturnA => return Some(a),
                Step::ToX => x = a,
                Step::ToA => a = x,
            }
        }
    }
}

fn byte(bytes: &[u8], at: u64) -> Option<u32> {
    bytes
        .get(usize::try_from(at).ok()?)
        .map(|&byte| byte.into())
}

fn half(bytes: &[u8], at: u64) -> Option<u32> {
    let field = bytes.get(usize::try_from(at).ok()?..)?.first_chunk()?;
    Some(u16::from_be_bytes(*field).into())
}

fn word(bytes: &[u8], at: u64) -> Option<u32> {
    let field = bytes.get(usize::try_from(at).ok()?..)?.first_chunk()?;
    Some(u32::from_be_bytes(*field))
}

/// Where the kernel's own knowledge starts among the offsets.
const ANCILLARY: u32 = 0xffff_f000;
const PACKET_TYPE: u32 = ANCILLARY + Ancillary::PacketType as u32;

/// One valid instruction decoded.
fn decoded(at: usize, instruction: Instruction) -> Step {
    use code::{
        ABS, ALU, B, H, IMM, IND, JA, JMP, K, LD, LDX, LEN, MEM, MISC, MSH, ST, STX, TAX, TXA, W,
    };
    let Instruction {
        code,
        jump_true,
        jump_false,
        k,
    } = instruction;
    let after = u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1);
    let yes = after.saturating_add(jump_true.into());
    let no = after.saturating_add(jump_false.into());
    match code {
        _ if code & 0x07 == LD && code & 0xe0 == ABS && k == PACKET_TYPE => Step::PacketType,
        _ if code & 0x07 == LD && code & 0xe0 == ABS && k >= ANCILLARY => Step::Unknown,
        _ if code == LD | W | ABS => Step::Word(k),
        _ if code == LD | H | ABS => Step::Half(k),
        _ if code == LD | B | ABS => Step::Byte(k),
        _ if code == LD | W | IND => Step::WordAtX(k),
        _ if code == LD | H | IND => Step::HalfAtX(k),
        _ if code == LD | B | IND => Step::ByteAtX(k),
        _ if code == LD | W | IMM => Step::Immediate(k),
        _ if code == LD | W | MEM => Step::Recall(k),
        _ if code == LD | W | LEN => Step::Length,
        _ if code == LDX | W | IMM => Step::XImmediate(k),
        _ if code == LDX | W | MEM => Step::XRecall(k),
        _ if code == LDX | W | LEN => Step::XLength,
        _ if code == LDX | B | MSH => Step::HeaderLength(k),
        ST => Step::Store(k),
        STX => Step::StoreX(k),
        _ if code == MISC | TAX => Step::ToX,
        _ if code == MISC | TXA => Step::ToA,
        _ if code == JMP | JA => Step::Jump(after.saturating_add(k)),
        _ if code & 0x07 == JMP => match (code & 0xf0, code & 0x08 == K) {
            (code::JEQ, true) => Step::Equal { k, yes, no },
            (code::JGT, true) => Step::Greater { k, yes, no },
            (code::JGE, true) => Step::GreaterEqual { k, yes, no },
            (_, true) => Step::AnyBit { k, yes, no },
            (code::JEQ, false) => Step::EqualX { yes, no },
            (code::JGT, false) => Step::GreaterX { yes, no },
            (code::JGE, false) => Step::GreaterEqualX { yes, no },
            (_, false) => Step::AnyBitX { yes, no },
        },
        _ if code & 0x07 == ALU => match operator(code & 0xf0) {
            None => Step::Negate,
            Some(operator) if code & 0x08 == K => Step::Arithmetic(operator, k),
            Some(operator) => Step::ArithmeticX(operator),
        },
        _ if code & 0x18 == 0x10 => Step::ReturnA,
        _ => Step::Return(k),
    }
}

fn operator(operation: u16) -> Option<Operator> {
    Some(match operation {
        code::ADD => Operator::Add,
        code::SUB => Operator::Subtract,
        code::MUL => Operator::Multiply,
        code::DIV => Operator::Divide,
        code::OR => Operator::Or,
        code::AND => Operator::And,
        code::LSH => Operator::ShiftLeft,
        code::RSH => Operator::ShiftRight,
        code::MOD => Operator::Modulo,
        code::XOR => Operator::Xor,
        _ => return None,
    })
}
