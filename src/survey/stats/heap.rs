//! Which of many records weighs least, while weights only grow: a heap of the places of records.
//!
//! Four children to a node, which lie in one line of cache. Knows places and weights, and nothing
//! of what they are of.

/// Children of a node.
const CHILDREN: usize = 4;

/// The least of some weights, each at a place from 0 on.
#[derive(Debug, Clone)]
pub(super) struct Heap {
    /// Weight and place; no node weighs more than its children.
    nodes: Vec<(u64, u32)>,
    /// The node of each place.
    at: Vec<u32>,
}

impl Heap {
    /// The weights of the places 0, 1, 2 and so on.
    pub(super) fn new(weights: impl Iterator<Item = u64>) -> Self {
        let nodes: Vec<(u64, u32)> = weights.zip(0..).collect();
        let at = nodes.iter().map(|(_, place)| *place).collect();
        let mut heap = Self { nodes, at };
        for node in (0..heap.nodes.len().div_ceil(CHILDREN)).rev() {
            heap.sink(node);
        }
        heap
    }

    /// The least weight, and one of the places that have it.
    pub(super) fn least(&self) -> Option<(u64, u32)> {
        self.nodes.first().copied()
    }

    /// Makes what is at this place heavier.
    #[inline]
    pub(super) fn add(&mut self, place: u32, weight: u64) {
        let Some(&node) = self.at.get(place as usize) else {
            return;
        };
        if let Some((sum, _)) = self.nodes.get_mut(node as usize) {
            *sum = sum.saturating_add(weight);
        }
        self.sink(node as usize);
    }

    /// Lets a node change places with its lightest child as long as that is lighter.
    fn sink(&mut self, mut node: usize) {
        let Some(&moved) = self.nodes.get(node) else {
            return;
        };
        loop {
            let first = node.saturating_mul(CHILDREN).saturating_add(1);
            let end = first.saturating_add(CHILDREN).min(self.nodes.len());
            let children = self.nodes.get(first..end).unwrap_or_default();
            let lightest = (first..)
                .zip(children)
                .min_by_key(|(_, (weight, _))| *weight);
            match lightest {
                Some((child, &lighter)) if lighter.0 < moved.0 => {
                    self.put(node, lighter);
                    node = child;
                }
                _ => break,
            }
        }
        self.put(node, moved);
    }

    fn put(&mut self, node: usize, entry: (u64, u32)) {
        if let Some(slot) = self.nodes.get_mut(node) {
            *slot = entry;
        }
        if let Some(at) = self.at.get_mut(entry.1 as usize) {
            // There are as many nodes as places.
            *at = u32::try_from(node).unwrap_or(u32::MAX);
        }
    }
}
