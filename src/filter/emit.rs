//! The decision graph to instructions: what is in which register, and how far jumps reach.

use std::collections::{HashMap, HashSet};

use super::bpf::{Instruction, MEMORY, code};
use super::graph::{ACCEPT, Graph, NodeId, REJECT};
use super::tree::Operator;
use super::value::{Comparison, Test, Value, ValueId, Values, commutes};

/// How many words of memory keep values for later tests; the rest holds parts of sums.
const KEPT: u32 = 8;

/// How many computed bases are looked at for which to keep.
const MOST_BASES: usize = 256;

/// The program that starts at `entry`; none if a number is too deep for the memory there is.
pub(super) fn program(
    values: &Values,
    graph: &Graph,
    entry: NodeId,
    accept: u32,
) -> Option<Vec<Instruction>> {
    let order = graph.reachable(entry);
    let mut emitter = Emitter {
        values,
        kept: shared_bases(values, graph, &order),
        lines: Vec::new(),
        state: Registers::default(),
        temporaries: 0,
    };
    let slots = graph.len() + 2;
    let mut arriving: Vec<Option<Registers>> = vec![None; slots];
    let mut starts: Vec<usize> = vec![0; slots];
    for &id in &order {
        let Some(node) = graph.node(id) else { continue };
        let at = id.0 as usize;
        emitter.state = arriving
            .get_mut(at)
            .and_then(Option::take)
            .unwrap_or_default();
        if let Some(start) = starts.get_mut(at) {
            *start = emitter.lines.len();
        }
        emitter.test(node.test, node.yes, node.no)?;
        for next in [node.yes, node.no] {
            if let Some(slot) = arriving.get_mut(next.0 as usize) {
                match slot {
                    None => *slot = Some(emitter.state.clone()),
                    Some(known) => known.meet(&emitter.state),
                }
            }
        }
    }
    let blocks = Blocks::new(&emitter.lines, &starts, &order);
    let (lines, starts, entry) = blocks.merged(slots, entry);
    Some(linked(&lines, &starts, entry, accept))
}

/// The computed bases worth keeping in memory, in order of use: those that take some instructions
/// to compute and are needed for more than one load or further base, or by more than one test if
/// they take many.
fn shared_bases(values: &Values, graph: &Graph, order: &[NodeId]) -> Vec<ValueId> {
    let mut uses: Vec<(ValueId, u32)> = Vec::new();
    let mut loads: HashSet<ValueId> = HashSet::new();
    for &id in order {
        let Some(node) = graph.node(id) else { continue };
        for side in [node.test.left, node.test.right] {
            for &load in values.loads(side) {
                let Value::Load {
                    base: Some(base), ..
                } = values.get(load)
                else {
                    continue;
                };
                let many = values.loads(base).len() > 2;
                let sum = matches!(values.get(base), Value::Binary { .. });
                if !sum || !(loads.insert(load) || many) {
                    continue;
                }
                if let Some((_, count)) = uses.iter_mut().find(|(other, _)| *other == base) {
                    *count += 1;
                } else if uses.len() < MOST_BASES {
                    uses.push((base, 1));
                }
            }
        }
    }
    for (base, _) in uses.clone() {
        let parts = values.parts(base);
        for (other, count) in &mut uses {
            *count += u32::from(*other != base && parts.contains(other));
        }
    }
    uses.retain(|&(_, count)| count > 1);
    uses.into_iter()
        .map(|(base, _)| base)
        .take(KEPT as usize)
        .collect()
}

/// What the registers and the memory hold, whichever way led here.
#[derive(Debug, Clone, Default)]
struct Registers {
    a: Option<ValueId>,
    x: Option<ValueId>,
    /// Which of the kept values are in memory, as bits.
    memory: u32,
}

impl Registers {
    fn meet(&mut self, other: &Self) {
        self.a = self.a.filter(|_| self.a == other.a);
        self.x = self.x.filter(|_| self.x == other.x);
        self.memory &= other.memory;
    }
}

/// An instruction, or a branch whose targets have no distance yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Line {
    Plain(Instruction),
    Branch {
        code: u16,
        k: u32,
        yes: NodeId,
        no: NodeId,
    },
}

struct Emitter<'a> {
    values: &'a Values,
    kept: Vec<ValueId>,
    lines: Vec<Line>,
    state: Registers,
    temporaries: u32,
}

impl Emitter<'_> {
    fn put(&mut self, code: u16, k: u32) {
        self.lines.push(Line::Plain(Instruction::new(code, k)));
    }

    fn test(&mut self, test: Test, yes: NodeId, no: NodeId) -> Option<()> {
        let jump = match test.comparison {
            Comparison::Equal => code::JEQ,
            Comparison::Greater => code::JGT,
            Comparison::GreaterEqual => code::JGE,
            Comparison::AnyBit => code::JSET,
        };
        let branch = if let Some(k) = self.values.as_constant(test.right) {
            self.load_a(test.left)?;
            Line::Branch {
                code: code::JMP | jump | code::K,
                k,
                yes,
                no,
            }
        } else {
            self.load_both(test.left, test.right)?;
            Line::Branch {
                code: code::JMP | jump | code::X,
                k: 0,
                yes,
                no,
            }
        };
        self.lines.push(branch);
        Some(())
    }

    /// The memory word that holds the value now.
    fn remembered(&self, value: ValueId) -> Option<u32> {
        let at = self.kept.iter().position(|&kept| kept == value)?;
        let at = u32::try_from(at).ok()?;
        (self.state.memory >> at & 1 == 1).then_some(at)
    }

    /// Puts the accumulator's value, just computed, into memory if it is one to keep.
    fn remember(&mut self, value: ValueId) {
        let Some(at) = self.kept.iter().position(|&kept| kept == value) else {
            return;
        };
        if let Ok(at) = u32::try_from(at) {
            self.put(code::ST, at);
            self.state.memory |= 1 << at;
        }
    }

    fn load_a(&mut self, value: ValueId) -> Option<()> {
        if self.state.a == Some(value) {
            return Some(());
        }
        if self.state.x == Some(value) {
            self.put(code::MISC | code::TXA, 0);
        } else if let Some(at) = self.remembered(value) {
            self.put(code::LD | code::MEM, at);
        } else {
            self.compute(value)?;
        }
        self.state.a = Some(value);
        Some(())
    }

    fn compute(&mut self, value: ValueId) -> Option<()> {
        match self.values.get(value) {
            Value::Constant(number) => self.put(code::LD | code::IMM, number),
            Value::Length => self.put(code::LD | code::LEN, 0),
            Value::Ancillary(ancillary) => {
                self.put(code::LD | code::W | code::ABS, ancillary.offset());
            }
            Value::Load { size, base, offset } => {
                let width = match size {
                    1 => code::B,
                    2 => code::H,
                    _ => code::W,
                };
                let mode = match base {
                    None => code::ABS,
                    Some(base) => {
                        self.load_x(base)?;
                        code::IND
                    }
                };
                self.put(code::LD | width | mode, offset);
            }
            Value::HeaderLength { .. } => {
                self.load_x(value)?;
                self.put(code::MISC | code::TXA, 0);
            }
            Value::Negate(of) => {
                self.load_a(of)?;
                self.put(code::ALU | code::NEG, 0);
            }
            Value::Binary {
                operator,
                left,
                right,
            } => {
                let operation = code::ALU | operation(operator);
                if let Some(k) = self.values.as_constant(right) {
                    self.load_a(left)?;
                    self.put(operation | code::K, k);
                } else {
                    let swapped = commutes(operator)
                        && (self.state.x == Some(left) || self.state.a == Some(right))
                        && self.state.x != Some(right);
                    let (left, right) = if swapped {
                        (right, left)
                    } else {
                        (left, right)
                    };
                    self.load_both(left, right)?;
                    self.put(operation | code::X, 0);
                }
                self.state.a = Some(value);
                self.remember(value);
            }
        }
        Some(())
    }

    /// Into the index register.
    fn load_x(&mut self, value: ValueId) -> Option<()> {
        if self.state.x == Some(value) {
            return Some(());
        }
        if self.state.a == Some(value) {
            self.put(code::MISC | code::TAX, 0);
            self.state.x = Some(value);
            return Some(());
        }
        if !self.load_x_directly(value) {
            self.load_a(value)?;
            self.put(code::MISC | code::TAX, 0);
        }
        self.state.x = Some(value);
        Some(())
    }

    /// One instruction that leaves the accumulator alone, if there is one.
    fn load_x_directly(&mut self, value: ValueId) -> bool {
        if let Some(at) = self.remembered(value) {
            self.put(code::LDX | code::W | code::MEM, at);
        } else {
            match self.values.get(value) {
                Value::Constant(number) => self.put(code::LDX | code::W | code::IMM, number),
                Value::Length => self.put(code::LDX | code::W | code::LEN, 0),
                Value::HeaderLength { offset } => self.put(code::LDX | code::B | code::MSH, offset),
                _ => return false,
            }
        }
        self.state.x = Some(value);
        true
    }

    fn load_both(&mut self, left: ValueId, right: ValueId) -> Option<()> {
        let both = self.state.a == Some(left) || self.keeps_x(left, right);
        if self.state.x == Some(right) && both {
            return self.load_a(left);
        }
        if self.state.a == Some(left) && self.load_x_directly(right) {
            return Some(());
        }
        let direct = self.remembered(right).is_some()
            || matches!(
                self.values.get(right),
                Value::Constant(_) | Value::Length | Value::HeaderLength { .. }
            );
        if direct {
            self.load_a(left)?;
            return self.load_x(right);
        }
        if self.keeps_x(left, right) {
            self.load_x(right)?;
            return self.load_a(left);
        }
        self.load_a(right)?;
        if self.remembered(right).is_some() {
            self.load_a(left)?;
            return self.load_x(right);
        }
        let at = KEPT + self.temporaries;
        if at >= MEMORY {
            return None;
        }
        self.put(code::ST, at);
        self.temporaries += 1;
        let done = self.load_a(left);
        self.temporaries -= 1;
        done?;
        self.put(code::LDX | code::W | code::MEM, at);
        self.state.x = Some(right);
        Some(())
    }

    /// Computing `value` into the accumulator, whatever that holds, leaves `x` in the index
    /// register.
    fn keeps_x(&self, value: ValueId, x: ValueId) -> bool {
        if value == x {
            return true;
        }
        match self.values.get(value) {
            Value::Constant(_) | Value::Length | Value::Ancillary(_) => true,
            Value::Load { base, .. } => base.is_none_or(|base| base == x),
            Value::HeaderLength { .. } => false,
            Value::Negate(of) => self.keeps_x(of, x),
            Value::Binary { left, right, .. } => {
                self.keeps_x(left, x) && (right == x || self.values.as_constant(right).is_some())
            }
        }
    }
}

fn operation(operator: Operator) -> u16 {
    match operator {
        Operator::Add => code::ADD,
        Operator::Subtract => code::SUB,
        Operator::Multiply => code::MUL,
        Operator::Divide => code::DIV,
        Operator::Modulo => code::MOD,
        Operator::And => code::AND,
        Operator::Or => code::OR,
        Operator::Xor => code::XOR,
        Operator::ShiftLeft => code::LSH,
        Operator::ShiftRight => code::RSH,
    }
}

/// The emitted nodes, each a run of lines that ends in a branch.
struct Blocks<'a> {
    blocks: Vec<(NodeId, &'a [Line])>,
}

impl<'a> Blocks<'a> {
    fn new(lines: &'a [Line], starts: &[usize], order: &[NodeId]) -> Self {
        let start = |id: &NodeId| starts.get(id.0 as usize).copied().unwrap_or(lines.len());
        let ends = order.iter().skip(1).map(start).chain([lines.len()]);
        let blocks = order
            .iter()
            .zip(ends)
            .map(|(id, end)| (*id, lines.get(start(id)..end).unwrap_or_default()))
            .collect();
        Self { blocks }
    }

    /// The same program with equal blocks made one. Blocks of different tests are equal when the
    /// registers hold what each tests already: a list of addresses is the same code for the source
    /// and the destination.
    fn merged(&self, slots: usize, entry: NodeId) -> (Vec<Line>, Vec<usize>, NodeId) {
        let mut same: Vec<NodeId> = (0..slots)
            .map(|id| NodeId(u32::try_from(id).unwrap_or(0)))
            .collect();
        let mut seen: HashMap<Vec<Line>, NodeId> = HashMap::new();
        let mut kept: Vec<(NodeId, Vec<Line>)> = Vec::new();
        // Children stand after their parents, so from the end every target is settled.
        for (id, lines) in self.blocks.iter().rev() {
            let settled = |id: NodeId| same.get(id.0 as usize).copied().unwrap_or(id);
            let lines: Vec<Line> = lines
                .iter()
                .map(|line| match *line {
                    Line::Plain(instruction) => Line::Plain(instruction),
                    Line::Branch { code, k, yes, no } => Line::Branch {
                        code,
                        k,
                        yes: settled(yes),
                        no: settled(no),
                    },
                })
                .collect();
            if let Some(&other) = seen.get(&lines) {
                if let Some(slot) = same.get_mut(id.0 as usize) {
                    *slot = other;
                }
            } else {
                seen.insert(lines.clone(), *id);
                kept.push((*id, lines));
            }
        }
        let mut starts = vec![0; slots];
        let mut lines = Vec::new();
        for (id, block) in kept.into_iter().rev() {
            if let Some(start) = starts.get_mut(id.0 as usize) {
                *start = lines.len();
            }
            lines.extend(block);
        }
        let entry = same.get(entry.0 as usize).copied().unwrap_or(entry);
        (lines, starts, entry)
    }
}

/// Gives every branch its distances. A conditional jump reaches 255 instructions; what is further
/// is reached by an unconditional one right after it, or returned there and then.
fn linked(lines: &[Line], starts: &[usize], entry: NodeId, accept: u32) -> Vec<Instruction> {
    let mut far: Vec<(bool, bool)> = vec![(false, false); lines.len()];
    let (positions, ends) = loop {
        let mut positions = Vec::with_capacity(lines.len() + 1);
        let mut at = 0;
        for (yes, no) in &far {
            positions.push(at);
            at += 1 + usize::from(*yes) + usize::from(*no);
        }
        positions.push(at);
        let uses = |end: NodeId| {
            entry == end
                || lines.iter().any(|line| match line {
                    Line::Branch { yes, no, .. } => *yes == end || *no == end,
                    Line::Plain(_) => false,
                })
        };
        let accept_at = at;
        let reject_at = at + usize::from(uses(ACCEPT));
        let ends = (accept_at, reject_at, uses(ACCEPT), uses(REJECT));
        let place = |id: NodeId| place(id, starts, &positions, ends.0, ends.1);
        let mut changed = false;
        for ((line, far), &position) in lines.iter().zip(&mut far).zip(&positions) {
            let Line::Branch { yes, no, .. } = line else {
                continue;
            };
            for (id, far) in [(yes, &mut far.0), (no, &mut far.1)] {
                if !*far && place(*id).saturating_sub(position + 1) > 255 {
                    *far = true;
                    changed = true;
                }
            }
        }
        if !changed {
            break (positions, ends);
        }
    };
    let place = |id: NodeId| place(id, starts, &positions, ends.0, ends.1);
    let mut program = Vec::with_capacity(ends.1 + 1);
    for ((line, &(far_yes, far_no)), &position) in lines.iter().zip(&far).zip(&positions) {
        match *line {
            Line::Plain(instruction) => program.push(instruction),
            Line::Branch { code, k, yes, no } => {
                let near = |id: NodeId| place(id).saturating_sub(position + 1);
                let jump_true = if far_yes { 0 } else { near(yes) };
                let jump_false = if far_no {
                    usize::from(far_yes)
                } else {
                    near(no)
                };
                let byte = |distance: usize| u8::try_from(distance).unwrap_or(u8::MAX);
                let (jump_true, jump_false) = (byte(jump_true), byte(jump_false));
                program.push(Instruction {
                    code,
                    jump_true,
                    jump_false,
                    k,
                });
                for (id, _) in [(yes, far_yes), (no, far_no)]
                    .into_iter()
                    .filter(|(_, far)| *far)
                {
                    let distance = place(id).saturating_sub(program.len() + 1);
                    program.push(match id {
                        ACCEPT => Instruction::new(code::RET | code::K, accept),
                        REJECT => Instruction::new(code::RET | code::K, 0),
                        _ => Instruction::new(
                            code::JMP | code::JA,
                            u32::try_from(distance).unwrap_or(u32::MAX),
                        ),
                    });
                }
            }
        }
    }
    if ends.2 {
        program.push(Instruction::new(code::RET | code::K, accept));
    }
    if ends.3 {
        program.push(Instruction::new(code::RET | code::K, 0));
    }
    program
}

/// The instruction a node starts at.
fn place(id: NodeId, starts: &[usize], positions: &[usize], accept: usize, reject: usize) -> usize {
    match id {
        ACCEPT => accept,
        REJECT => reject,
        id => starts
            .get(id.0 as usize)
            .and_then(|&line| positions.get(line))
            .copied()
            .unwrap_or(reject),
    }
}
