//! Numbers computed from a frame, each built once: equal computations have equal ids, so that the
//! compiler sees which it already has in a register.
//!
//! Offsets here are where the program will load from, whatever the expression called them.

use std::collections::{HashMap, HashSet};

use super::tree::Operator;

/// One number; equal ids are equal numbers for any frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ValueId(u32);

impl ValueId {
    /// For indexing sets of values.
    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// How a number is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Value {
    Constant(u32),
    /// The frame's length on the wire.
    Length,
    /// Something the kernel knows beside the frame's bytes; reading it never fails.
    Ancillary(Ancillary),
    /// `size` bytes at `offset` plus `base`, first one most significant.
    Load {
        size: u8,
        base: Option<ValueId>,
        offset: u32,
    },
    /// Four times the low half of the byte at `offset`: the length of an IPv4 header.
    HeaderLength {
        offset: u32,
    },
    Negate(ValueId),
    Binary {
        operator: Operator,
        left: ValueId,
        right: ValueId,
    },
}

/// What the Linux kernel offers beside the bytes: offsets from its `SKF_AD_OFF`
/// (include/uapi/linux/filter.h).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Ancillary {
    /// The Ethertype.
    Protocol = 0,
    /// Which way the frame went: 4 for sent.
    PacketType = 4,
    InterfaceIndex = 8,
    /// The ARPHRD number of the interface.
    HardwareType = 28,
    /// The control information of the VLAN tag that the hardware took out.
    VlanTag = 44,
    /// Whether the hardware took a VLAN tag out.
    VlanTagPresent = 48,
    /// The Ethertype of that tag.
    VlanProtocol = 60,
}

impl Ancillary {
    /// The offset to load from.
    pub(super) fn offset(self) -> u32 {
        0xffff_f000 + self as u32
    }
}

/// All values of one compilation.
#[derive(Debug, Default)]
pub(super) struct Values {
    nodes: Vec<Value>,
    /// For each value what has to be loaded for it, parts before wholes.
    loads: Vec<Box<[ValueId]>>,
    ids: HashMap<Value, ValueId>,
}

impl Values {
    pub(super) fn get(&self, id: ValueId) -> Value {
        self.nodes
            .get(id.index())
            .copied()
            .unwrap_or(Value::Constant(0))
    }

    pub(super) fn constant(&mut self, number: u32) -> ValueId {
        self.intern(Value::Constant(number))
    }

    pub(super) fn as_constant(&self, id: ValueId) -> Option<u32> {
        match self.get(id) {
            Value::Constant(number) => Some(number),
            _ => None,
        }
    }

    /// The value's id. Nothing that could fail is folded away: a load past the frame's end rejects
    /// the frame even if the number loaded would not matter.
    pub(super) fn intern(&mut self, value: Value) -> ValueId {
        let value = self.folded(value);
        if let Some(&id) = self.ids.get(&value) {
            return id;
        }
        let id = ValueId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.loads.push(self.loads_of(value, id));
        self.nodes.push(value);
        self.ids.insert(value, id);
        id
    }

    pub(super) fn binary(&mut self, operator: Operator, left: ValueId, right: ValueId) -> ValueId {
        self.intern(Value::Binary {
            operator,
            left,
            right,
        })
    }

    fn folded(&self, value: Value) -> Value {
        match value {
            Value::Negate(of) => match self.as_constant(of) {
                Some(number) => Value::Constant(number.wrapping_neg()),
                None => value,
            },
            Value::Binary {
                operator,
                left,
                right,
            } => {
                match (self.as_constant(left), self.as_constant(right)) {
                    (Some(first), Some(second)) => {
                        operator.apply(first, second).map_or(value, Value::Constant)
                    }
                    (None, Some(second)) if is_identity(operator, second) => self.get(left),
                    // A constant on the right is an instruction's operand; on the left it would
                    // need a register.
                    (Some(_), None) if commutes(operator) => Value::Binary {
                        operator,
                        left: right,
                        right: left,
                    },
                    _ => value,
                }
            }
            _ => value,
        }
    }

    /// Everything that has to be loaded for the value, parts before wholes.
    pub(super) fn loads(&self, id: ValueId) -> &[ValueId] {
        self.loads.get(id.index()).map_or(&[], |loads| loads)
    }

    /// The value and everything it is computed from without a load between.
    pub(super) fn parts(&self, id: ValueId) -> HashSet<ValueId> {
        let mut found = HashSet::new();
        let mut left = vec![id];
        while let Some(id) = left.pop() {
            if !found.insert(id) {
                continue;
            }
            match self.get(id) {
                Value::Negate(of) => left.push(of),
                Value::Binary {
                    left: first, right, ..
                } => left.extend([first, right]),
                _ => {}
            }
        }
        found
    }

    fn loads_of(&self, value: Value, id: ValueId) -> Box<[ValueId]> {
        let (parts, fails) = match value {
            Value::Load { base, .. } => ([base, None], true),
            Value::HeaderLength { .. } => ([None, None], true),
            Value::Negate(of) => ([Some(of), None], false),
            // A division by a computed number can reject the frame, as a load can.
            Value::Binary {
                operator: Operator::Divide | Operator::Modulo,
                left,
                right,
            } => ([Some(left), Some(right)], self.as_constant(right).is_none()),
            Value::Binary { left, right, .. } => ([Some(left), Some(right)], false),
            Value::Constant(_) | Value::Length | Value::Ancillary(_) => ([None, None], false),
        };
        let mut loads = Vec::new();
        for part in parts.into_iter().flatten() {
            for load in self.loads(part) {
                if !loads.contains(load) {
                    loads.push(*load);
                }
            }
        }
        if fails {
            loads.push(id);
        }
        loads.into()
    }
}

/// True where the right operand leaves the left one as it is.
fn is_identity(operator: Operator, right: u32) -> bool {
    match operator {
        Operator::Add
        | Operator::Subtract
        | Operator::Or
        | Operator::Xor
        | Operator::ShiftLeft
        | Operator::ShiftRight => right == 0,
        Operator::Multiply | Operator::Divide => right == 1,
        Operator::And => right == u32::MAX,
        Operator::Modulo => false,
    }
}

pub(super) fn commutes(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Add | Operator::Multiply | Operator::And | Operator::Or | Operator::Xor
    )
}

/// How a value is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Comparison {
    Equal,
    Greater,
    GreaterEqual,
    /// Some bit is set in both.
    AnyBit,
}

impl Comparison {
    pub(super) fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Greater => left > right,
            Self::GreaterEqual => left >= right,
            Self::AnyBit => left & right != 0,
        }
    }
}

/// Two numbers compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Test {
    pub(super) comparison: Comparison,
    pub(super) left: ValueId,
    pub(super) right: ValueId,
}

/// A boolean of tests, evaluated from left to right and no further than needed. A test that
/// loads past the end of the frame rejects the frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Logic {
    Constant(bool),
    Test(Test),
    Not(Box<Logic>),
    And(Vec<Logic>),
    Or(Vec<Logic>),
}

impl Logic {
    /// True when all are; constants are folded.
    pub(super) fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Self::Constant(true) => {}
                Self::Constant(false) => {
                    kept.push(part);
                    break;
                }
                Self::And(inner) => kept.extend(inner),
                part => kept.push(part),
            }
        }
        match kept.as_slice() {
            [] => Self::Constant(true),
            // What stands before may still reject the frame, so it can go only if it is nothing.
            [_] => kept.pop().unwrap_or(Self::Constant(true)),
            _ => Self::And(kept),
        }
    }

    /// True when one is; constants are folded.
    pub(super) fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut kept = Vec::new();
        for part in parts {
            match part {
                Self::Constant(false) => {}
                Self::Constant(true) => {
                    kept.push(part);
                    break;
                }
                Self::Or(inner) => kept.extend(inner),
                part => kept.push(part),
            }
        }
        match kept.as_slice() {
            [] => Self::Constant(false),
            [_] => kept.pop().unwrap_or(Self::Constant(false)),
            _ => Self::Or(kept),
        }
    }
}

impl std::ops::Not for Logic {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::Constant(known) => Self::Constant(!known),
            Self::Not(inner) => *inner,
            logic => Self::Not(Box::new(logic)),
        }
    }
}
