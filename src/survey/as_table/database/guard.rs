//! Whether a MaxMind DB keeps the format's rules, before the crate that reads it sees it (MaxMind
//! DB file format, version 2.0).
//!
//! The crate follows pointers as deep as they lead, and takes records of the tree at their word.
//! Here the file is walked once from front to back, and nothing is followed: those who write such
//! files point back to what they have written, so what a pointer leads to is known when it is met.
//! What values mean is not known here.

/// The deepest that values stand in each other, with pointers followed.
const DEEPEST: usize = 32;

/// Zeros between the tree and the data.
pub(super) const SEPARATOR: u32 = 16;

// Types of values.
const POINTER: u8 = 1;
const MAP: u8 = 7;
const ARRAY: u8 = 11;
const BOOLEAN: u8 = 14;

/// A value that has been met.
#[derive(Debug, Clone, Copy)]
struct Value {
    /// Where it begins.
    at: u32,
    /// How many values in it have not been met to their ends: it has an end itself when none is.
    left: u32,
    /// How many values it comes to with its pointers followed, itself counted.
    weight: u16,
    /// How deep it is with its pointers followed, itself counted.
    height: u8,
}

/// What stands in front of a value.
struct Head {
    kind: u8,
    /// Bytes, or entries, or where a pointer points.
    size: usize,
    /// Where the value itself begins.
    at: usize,
}

/// The values of a section, in the order of their beginnings.
#[derive(Debug)]
pub(super) struct Values(Vec<Value>);

impl Values {
    /// Those of a whole section.
    pub(super) fn all(section: &[u8]) -> Option<Self> {
        let mut values = Self(Vec::new());
        let mut at = 0;
        while at < section.len() {
            at = values.add(section, at)?;
        }
        Some(values)
    }

    /// The one at the beginning of a section and those in it, whatever is behind.
    pub(super) fn first(section: &[u8]) -> Option<Self> {
        let mut values = Self(Vec::new());
        values.add(section, 0)?;
        Some(values)
    }

    /// Walks over one value and those in it; where the next one begins.
    fn add(&mut self, section: &[u8], mut at: usize) -> Option<usize> {
        // Which values have no end yet.
        let mut open = Vec::new();
        loop {
            let head = head(section, at)?;
            let mut value = Value {
                at: u32::try_from(at).ok()?,
                left: 0,
                weight: 1,
                height: 1,
            };
            at = head.at;
            match head.kind {
                POINTER => {
                    let target = self.index(u32::try_from(head.size).ok()?)?;
                    let target = self.0.get(target).filter(|target| target.left == 0)?;
                    if self::head(section, head.size)?.kind == POINTER {
                        return None;
                    }
                    value.weight = target.weight.checked_add(1)?;
                    value.height = target.height.checked_add(1)?;
                }
                MAP => value.left = u32::try_from(head.size.checked_mul(2)?).ok()?,
                ARRAY => value.left = u32::try_from(head.size).ok()?,
                BOOLEAN => {}
                _ => {
                    at = at
                        .checked_add(head.size)
                        .filter(|at| *at <= section.len())?;
                }
            }
            open.push(self.0.len());
            self.0.push(value);
            while let Some(done) = open.last().and_then(|index| self.0.get(*index).copied()) {
                if open.len() > DEEPEST || usize::from(done.height) > DEEPEST {
                    return None;
                }
                if done.left > 0 {
                    break;
                }
                open.pop();
                let Some(holder) = open.last().and_then(|index| self.0.get_mut(*index)) else {
                    return Some(at);
                };
                holder.left = holder.left.checked_sub(1)?;
                holder.weight = holder.weight.checked_add(done.weight)?;
                holder.height = holder.height.max(done.height.checked_add(1)?);
            }
        }
    }

    /// Which value begins there.
    fn index(&self, at: u32) -> Option<usize> {
        self.0.binary_search_by_key(&at, |value| value.at).ok()
    }

    /// Whether each record of a tree leads to one of its nodes, which are so many and so many bytes
    /// wide, to nothing, or to one of these values.
    pub(super) fn are_led_to(&self, tree: &[u8], nodes: u32, width: usize) -> bool {
        let is_sound = |bytes| match u32::from_be_bytes(bytes).checked_sub(nodes) {
            None | Some(0) => true,
            Some(beyond) => {
                let at = beyond.checked_sub(SEPARATOR);
                at.is_some_and(|at| self.index(at).is_some())
            }
        };
        tree.chunks(width.max(1)).all(|node| match *node {
            [a, b, c, d, e, f] => is_sound([0, a, b, c]) && is_sound([0, d, e, f]),
            [a, b, c, both, d, e, f] => {
                is_sound([both >> 4, a, b, c]) && is_sound([both & 15, d, e, f])
            }
            [a, b, c, d, e, f, g, h] => is_sound([a, b, c, d]) && is_sound([e, f, g, h]),
            _ => false,
        })
    }
}

/// Bytes as a number, the first one the highest.
fn number(section: &[u8], at: usize, count: usize) -> Option<usize> {
    let bytes = section.get(at..at.checked_add(count)?)?;
    let sum = |sum: usize, byte: &u8| sum << 8 | usize::from(*byte);
    Some(bytes.iter().fold(0, sum))
}

fn head(section: &[u8], at: usize) -> Option<Head> {
    let control = number(section, at, 1)?;
    let mut at = at.checked_add(1)?;
    let low = control & 0x1f;
    let mut kind = u8::try_from(control >> 5).ok()?;
    if kind == POINTER {
        let (count, high, base) = match low {
            0..8 => (1, low, 0),
            8..16 => (2, low & 7, 2048),
            16..24 => (3, low & 7, 526_336),
            24 => (4, 0, 0),
            // The format ignores the low bits here, and nobody sets them; the crate reads more
            // bytes if they are set.
            _ => return None,
        };
        let value = high << (count * 8) | number(section, at, count)?;
        return Some(Head {
            kind,
            size: value.checked_add(base)?,
            at: at.checked_add(count)?,
        });
    }
    if kind == 0 {
        kind = u8::try_from(number(section, at, 1)?.checked_add(7)?).ok()?;
        at = at.checked_add(1)?;
    }
    if matches!(kind, 12 | 13 | 16..) {
        return None;
    }
    // How many bytes say the size, and what is to be added to what they say.
    let (count, base) = match low {
        29 => (1, 29),
        30 => (2, 285),
        31 => (3, 65_821),
        size => (0, size),
    };
    Some(Head {
        kind,
        size: number(section, at, count)?.checked_add(base)?,
        at: at.checked_add(count)?,
    })
}
