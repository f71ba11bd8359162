//! Shortens the decision graph: an edge whose way onward is already decided by the tests before it
//! goes straight to where they lead, and equal nodes that this leaves become one.
//!
//! A test whose answer does not matter goes, with what it loads: a frame cut short is rejected
//! only for bytes that the answer depends on.

use std::collections::HashMap;

use super::graph::{ACCEPT, Graph, Node, NodeId, REJECT};
use super::value::{Comparison, Test, Value, ValueId, Values};

/// Passes that still find something are repeated, but not without end.
const MOST_PASSES: usize = 12;

/// An edge looks this many undecided tests ahead for whether they matter; in large graphs fewer,
/// so that all edges together look at no more than so many.
const LOOK_AHEAD: usize = 24;
const ALL_AHEAD: usize = 12_000;

/// How many nodes with the same test are tried in a node's place.
const MOST_ALIKE: usize = 4;

/// How many values facts are kept about at one point, and how many numbers about one value: what
/// is forgotten only costs a test that could have been spared.
const MOST_FACTS: usize = 48;
const MOST_NUMBERS: usize = 32;

/// The graph with decided edges shortened, and its entry.
pub(super) fn optimised(
    values: &Values,
    mut graph: Graph,
    mut entry: NodeId,
    given: &Facts,
) -> (Graph, NodeId) {
    for _ in 0..MOST_PASSES {
        let (next, start) = pass(values, &graph, entry, given);
        let same = next.len() == graph.len() && start == entry;
        (graph, entry) = (next, start);
        if same {
            break;
        }
    }
    (graph, entry)
}

fn pass(values: &Values, graph: &Graph, entry: NodeId, given: &Facts) -> (Graph, NodeId) {
    let order = graph.reachable(entry);
    let slots = graph.len() + 2;
    let mut at: Vec<Option<Facts>> = vec![None; slots];
    let mut edges: Vec<(NodeId, NodeId)> = vec![(REJECT, REJECT); slots];
    let alike = Alike::new(graph);
    let threaded = |values: &Values, graph: &Graph, to: NodeId, facts: &Facts| {
        alike.instead(values, graph, threaded(values, graph, to, facts), facts)
    };
    let entry = threaded(values, graph, entry, given);
    if let Some(slot) = at.get_mut(entry.0 as usize) {
        *slot = Some(given.clone());
    }
    for id in order {
        let (Some(node), Some(facts)) = (
            graph.node(id),
            at.get_mut(id.0 as usize).and_then(Option::take),
        ) else {
            continue;
        };
        let before = facts;
        let mut facts = before.clone();
        facts.loaded_by(values, node.test);
        let known = [true, false].map(|answer| {
            let mut facts = facts.clone();
            facts.learn(node.test, answer, values);
            facts
        });
        let [if_yes, if_no] = &known;
        let mut arrived = |facts: &Facts, to: NodeId| {
            if let Some(slot) = at.get_mut(to.0 as usize) {
                match slot {
                    None => *slot = Some(facts.clone()),
                    Some(known) => known.meet(facts),
                }
            }
        };
        let (yes, no) = if let Some(answer) = facts.decides(node.test, values) {
            let (facts, to) = if answer {
                (if_yes, node.yes)
            } else {
                (if_no, node.no)
            };
            let only = threaded(values, graph, to, facts);
            arrived(facts, only);
            (only, only)
        } else {
            let yes = threaded(values, graph, node.yes, if_yes);
            let no = threaded(values, graph, node.no, if_no);
            // One way on may find out by itself what this test does.
            let same = |one: NodeId, other: NodeId, facts: &Facts| {
                let mut ahead = ahead(graph);
                replaces(values, graph, one, other, facts, &mut ahead)
            };
            let only = if same(no, yes, if_yes) {
                Some(no)
            } else if same(yes, no, if_no) {
                Some(yes)
            } else {
                None
            };
            if let Some(only) = only {
                arrived(&before, only);
                (only, only)
            } else {
                arrived(if_yes, yes);
                arrived(if_no, no);
                (yes, no)
            }
        };
        if let Some(slot) = edges.get_mut(id.0 as usize) {
            *slot = (yes, no);
        }
    }
    rebuilt(graph, &edges, entry)
}

/// Where `to` leads when `facts` hold: past decided tests, and past those that change nothing.
fn threaded(values: &Values, graph: &Graph, to: NodeId, facts: &Facts) -> NodeId {
    led(values, graph, to, facts, &mut ahead(graph))
}

/// The nodes that start with the same test.
struct Alike {
    by_test: HashMap<Test, Vec<NodeId>>,
}

impl Alike {
    fn new(graph: &Graph) -> Self {
        let mut by_test: HashMap<Test, Vec<NodeId>> = HashMap::new();
        for index in 2..graph.len().saturating_add(2) {
            let id = NodeId(u32::try_from(index).unwrap_or(u32::MAX));
            if let Some(node) = graph.node(id) {
                by_test.entry(node.test).or_default().push(id);
            }
        }
        Self { by_test }
    }

    /// A node nearer to the end that does the same as `to` when `facts` hold, or `to`: what has
    /// been asked for before, with other consequences, need not be asked again.
    fn instead(&self, values: &Values, graph: &Graph, to: NodeId, facts: &Facts) -> NodeId {
        let Some(node) = graph.node(to) else {
            return to;
        };
        let alike = self.by_test.get(&node.test).map_or(&[][..], Vec::as_slice);
        let nearer = alike.iter().take_while(|id| id.0 < to.0);
        nearer
            .take(MOST_ALIKE)
            .copied()
            .find(|&one| replaces(values, graph, one, to, facts, &mut ahead(graph)))
            .unwrap_or(to)
    }
}

/// How many undecided tests may be looked at from one edge.
fn ahead(graph: &Graph) -> usize {
    LOOK_AHEAD.min(ALL_AHEAD / graph.len().max(1))
}

/// `one` leads where `other` does when `facts` hold, and loads nothing that `other` would not:
/// looking at no more than `ahead` tests, or it is not known.
fn replaces(
    values: &Values,
    graph: &Graph,
    one: NodeId,
    other: NodeId,
    facts: &Facts,
    ahead: &mut usize,
) -> bool {
    let one = led(values, graph, one, facts, &mut 0);
    let other = led(values, graph, other, facts, &mut 0);
    if one == other {
        return true;
    }
    let Some(left) = ahead.checked_sub(1) else {
        return false;
    };
    *ahead = left;
    let (first, second) = (graph.node(one), graph.node(other));
    let mut on_both = |test: Test, ways: [(NodeId, NodeId); 2]| {
        let mut facts = facts.clone();
        facts.loaded_by(values, test);
        let [yes, no] = [true, false].map(|answer| {
            let mut facts = facts.clone();
            facts.learn(test, answer, values);
            facts
        });
        let [(one, other), (one_no, other_no)] = ways;
        replaces(values, graph, one, other, &yes, ahead)
            && replaces(values, graph, one_no, other_no, &no, ahead)
    };
    match (first, second) {
        (Some(first), Some(second)) if first.test == second.test => {
            let ways = [(first.yes, second.yes), (first.no, second.no)];
            on_both(first.test, ways)
        }
        (Some(first), _) if facts.has_loaded(first.test, values) => {
            on_both(first.test, [(first.yes, other), (first.no, other)])
        }
        (_, Some(second)) if facts.has_loaded(second.test, values) => {
            on_both(second.test, [(one, second.yes), (one, second.no)])
        }
        _ => false,
    }
}

/// The same, looking at both answers of at most `ahead` tests that are not decided.
fn led(values: &Values, graph: &Graph, mut to: NodeId, facts: &Facts, ahead: &mut usize) -> NodeId {
    while let Some(node) = graph.node(to) {
        if facts.has_loaded(node.test, values) {
            match facts.decides(node.test, values) {
                Some(true) => {
                    to = node.yes;
                    continue;
                }
                Some(false) => {
                    to = node.no;
                    continue;
                }
                None => {}
            }
        }
        let Some(left) = ahead.checked_sub(1) else {
            break;
        };
        *ahead = left;
        let mut answered = |answer: bool, next: NodeId| {
            let mut facts = facts.clone();
            facts.loaded_by(values, node.test);
            facts.learn(node.test, answer, values);
            led(values, graph, next, &facts, ahead)
        };
        let yes = answered(true, node.yes);
        let no = answered(false, node.no);
        if yes != no {
            break;
        }
        to = yes;
    }
    to
}

/// The graph along the new edges, equal nodes made one.
fn rebuilt(graph: &Graph, edges: &[(NodeId, NodeId)], entry: NodeId) -> (Graph, NodeId) {
    let mut reached = vec![false; edges.len()];
    let mut stack = vec![entry];
    while let Some(id) = stack.pop() {
        let (Some(seen), Some(&(yes, no))) =
            (reached.get_mut(id.0 as usize), edges.get(id.0 as usize))
        else {
            continue;
        };
        if !std::mem::replace(seen, true) {
            stack.extend([yes, no]);
        }
    }
    let mut result = Graph::default();
    let mut new = vec![REJECT; edges.len()];
    if let Some(slot) = new.get_mut(1) {
        *slot = ACCEPT;
    }
    let renamed = |new: &[NodeId], id: NodeId| new.get(id.0 as usize).copied().unwrap_or(REJECT);
    for (index, &(yes, no)) in edges.iter().enumerate().skip(2) {
        let id = NodeId(u32::try_from(index).unwrap_or(u32::MAX));
        let (Some(true), Some(node)) = (reached.get(index).copied(), graph.node(id)) else {
            continue;
        };
        let node = Node {
            test: node.test,
            yes: renamed(&new, yes),
            no: renamed(&new, no),
        };
        let id = result.intern(node);
        if let Some(slot) = new.get_mut(index) {
            *slot = id;
        }
    }
    let entry = renamed(&new, entry);
    (result, entry)
}

/// What is known of one value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    /// The least and the greatest it can be.
    low: u32,
    high: u32,
    /// It is one of these, if `Some`; sorted.
    one_of: Option<Vec<u32>>,
    /// It is none of these; sorted.
    none_of: Vec<u32>,
}

impl Known {
    const NOTHING: Self = Self {
        low: 0,
        high: u32::MAX,
        one_of: None,
        none_of: Vec::new(),
    };

    fn allows(&self, number: u32) -> bool {
        (self.low..=self.high).contains(&number)
            && !self.none_of.contains(&number)
            && self
                .one_of
                .as_ref()
                .is_none_or(|numbers| numbers.contains(&number))
    }

    fn equals(&mut self, number: u32) {
        *self = Self {
            low: number,
            high: number,
            one_of: Some(vec![number]),
            none_of: Vec::new(),
        };
    }

    fn differs(&mut self, number: u32) {
        if let Some(numbers) = &mut self.one_of {
            numbers.retain(|&other| other != number);
        } else if self.none_of.len() < MOST_NUMBERS
            && let Err(at) = self.none_of.binary_search(&number)
        {
            self.none_of.insert(at, number);
        }
        if self.low == number && self.low < self.high {
            self.low += 1;
        }
        if self.high == number && self.low < self.high {
            self.high -= 1;
        }
    }

    fn within(&mut self, low: u32, high: u32) {
        self.low = self.low.max(low);
        self.high = self.high.min(high);
        let (low, high) = (self.low, self.high);
        if let Some(numbers) = &mut self.one_of {
            numbers.retain(|number| (low..=high).contains(number));
        }
    }

    /// What holds on either of two ways here.
    fn meet(&mut self, other: &Self) {
        let none_of = match (&self.one_of, &other.one_of) {
            (None, None) => {
                let both = self.none_of.iter().copied();
                both.filter(|number| other.none_of.contains(number))
                    .collect()
            }
            (Some(numbers), None) => {
                let kept = other.none_of.iter().copied();
                kept.filter(|number| !numbers.contains(number)).collect()
            }
            (None, Some(numbers)) => {
                let kept = self.none_of.iter().copied();
                kept.filter(|number| !numbers.contains(number)).collect()
            }
            (Some(_), Some(_)) => Vec::new(),
        };
        self.one_of = match (self.one_of.take(), &other.one_of) {
            (Some(mut mine), Some(theirs)) => {
                mine.extend(theirs);
                mine.sort_unstable();
                mine.dedup();
                (mine.len() <= MOST_NUMBERS).then_some(mine)
            }
            _ => None,
        };
        self.none_of = none_of;
        self.low = self.low.min(other.low);
        self.high = self.high.max(other.high);
    }
}

/// What is known at one point of the graph, whichever way led there.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Per value, sorted by value.
    known: Vec<(ValueId, Known)>,
    /// Answers of tests that say nothing as simple about one value.
    answers: Vec<(Test, bool)>,
    /// The values that have been loaded, as a set of bits.
    loaded: Vec<u64>,
}

impl Facts {
    /// The value is one of these numbers.
    pub(super) fn assume(&mut self, value: ValueId, numbers: &[u32]) {
        let known = self.about(value);
        known.one_of = Some(numbers.to_vec());
        known.low = numbers.iter().copied().min().unwrap_or(0);
        known.high = numbers.iter().copied().max().unwrap_or(u32::MAX);
    }

    fn about(&mut self, value: ValueId) -> &mut Known {
        let at = match self.known.binary_search_by_key(&value, |&(value, _)| value) {
            Ok(at) => at,
            Err(at) => {
                self.known.insert(at, (value, Known::NOTHING));
                at
            }
        };
        // The index was just found or made.
        #[expect(clippy::indexing_slicing, reason = "found or inserted right above")]
        &mut self.known[at].1
    }

    fn find(&self, value: ValueId) -> Option<&Known> {
        let at = self
            .known
            .binary_search_by_key(&value, |&(value, _)| value)
            .ok()?;
        self.known.get(at).map(|(_, known)| known)
    }

    fn is_loaded(&self, value: ValueId) -> bool {
        let word = self.loaded.get(value.index() / 64).copied().unwrap_or(0);
        word >> (value.index() % 64) & 1 == 1
    }

    fn loaded_by(&mut self, values: &Values, test: Test) {
        let loaded = &mut self.loaded;
        let mut mark = |value: ValueId| {
            let index = value.index() / 64;
            if loaded.len() <= index {
                loaded.resize(index + 1, 0);
            }
            if let Some(word) = loaded.get_mut(index) {
                *word |= 1 << (value.index() % 64);
            }
        };
        for side in [test.left, test.right] {
            values.loads(side).iter().copied().for_each(&mut mark);
        }
    }

    fn has_loaded(&self, test: Test, values: &Values) -> bool {
        let loaded = |side| {
            values
                .loads(side)
                .iter()
                .all(|&value| self.is_loaded(value))
        };
        loaded(test.left) && loaded(test.right)
    }

    /// Adds that `test` was answered so.
    fn learn(&mut self, test: Test, answer: bool, values: &Values) {
        let constant = values.as_constant(test.right);
        let room = self.known.len() < MOST_FACTS || self.find(test.left).is_some();
        match (test.comparison, constant) {
            (Comparison::Equal, Some(number)) if room => {
                let known = self.about(test.left);
                if answer {
                    known.equals(number);
                } else {
                    known.differs(number);
                }
            }
            (Comparison::Greater, Some(number)) if room => {
                let known = self.about(test.left);
                match number.checked_add(1) {
                    Some(more) if answer => known.within(more, u32::MAX),
                    _ => known.within(0, number),
                }
            }
            (Comparison::GreaterEqual, Some(number)) if room => {
                let known = self.about(test.left);
                match number.checked_sub(1) {
                    Some(less) if !answer => known.within(0, less),
                    _ => known.within(number, u32::MAX),
                }
            }
            _ => {
                if self.answers.len() < MOST_FACTS {
                    self.answers.push((test, answer));
                }
            }
        }
    }

    fn meet(&mut self, other: &Self) {
        self.known
            .retain_mut(|(value, known)| match other.find(*value) {
                Some(theirs) => {
                    known.meet(theirs);
                    *known != Known::NOTHING
                }
                None => false,
            });
        self.answers.retain(|answer| other.answers.contains(answer));
        for (index, word) in self.loaded.iter_mut().enumerate() {
            *word &= other.loaded.get(index).copied().unwrap_or(0);
        }
    }

    /// The number a value must have, if there is only one.
    fn number(&self, values: &Values, value: ValueId) -> Option<u32> {
        if let Some(Known {
            one_of: Some(numbers),
            ..
        }) = self.find(value)
            && let [number] = numbers.as_slice()
        {
            return Some(*number);
        }
        match values.get(value) {
            Value::Constant(number) => Some(number),
            Value::Negate(of) => Some(self.number(values, of)?.wrapping_neg()),
            Value::Binary {
                operator,
                left,
                right,
            } => operator.apply(self.number(values, left)?, self.number(values, right)?),
            _ => None,
        }
    }

    /// The answer, if it is known.
    fn decides(&self, test: Test, values: &Values) -> Option<bool> {
        let Some(right) = self.number(values, test.right) else {
            return self.answered(test);
        };
        if let Some(left) = self.number(values, test.left) {
            return Some(test.comparison.holds(left, right));
        }
        let simple = self
            .find(test.left)
            .and_then(|known| decided(known, test.comparison, right));
        simple
            .or_else(|| self.masked(test, right, values))
            .or_else(|| self.answered(test))
    }

    fn answered(&self, test: Test) -> Option<bool> {
        self.answers
            .iter()
            .find(|(other, _)| *other == test)
            .map(|&(_, answer)| answer)
    }

    /// The answer for bits of a value that is one of a few.
    fn masked(&self, test: Test, right: u32, values: &Values) -> Option<bool> {
        let Value::Binary {
            operator,
            left,
            right: mask,
        } = values.get(test.left)
        else {
            return None;
        };
        let mask = values.as_constant(mask)?;
        let candidates = self.find(left)?.one_of.as_ref()?;
        let answers = candidates.iter().map(|&candidate| {
            operator
                .apply(candidate, mask)
                .map(|left| test.comparison.holds(left, right))
        });
        agreed(answers)
    }
}

fn decided(known: &Known, comparison: Comparison, right: u32) -> Option<bool> {
    if let Some(numbers) = &known.one_of {
        return agreed(
            numbers
                .iter()
                .map(|&number| Some(comparison.holds(number, right))),
        );
    }
    match comparison {
        Comparison::Equal if !known.allows(right) => Some(false),
        Comparison::Greater if known.low > right => Some(true),
        Comparison::Greater if known.high <= right => Some(false),
        Comparison::GreaterEqual if known.low >= right => Some(true),
        Comparison::GreaterEqual if known.high < right => Some(false),
        _ => None,
    }
}

/// The answer that all give.
fn agreed(mut answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let first = answers.next()??;
    answers.all(|answer| answer == Some(first)).then_some(first)
}
