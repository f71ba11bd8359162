//! The protocol tree: how many packets went which way through the layers.
//!
//! A path is counted once, where it ends; the tree above it is summed up at the end.

use std::collections::HashMap;

use super::counts::Volume;
use crate::wire::packet::{Packet, Protocol};

/// Layers of a path that are told apart; what lies deeper is counted with the last of them.
pub const MAX_DEPTH: usize = 16;

/// Paths that are kept apart. Somebody who makes up more of them makes them shorter.
const MOST: usize = 4096;

/// The layers of a path from the outside in, a byte each: 0 is none.
type Path = u128;

/// Packets and bytes by path.
#[derive(Debug, Clone, Default)]
pub struct Paths {
    /// In the order they were first seen in.
    list: Vec<(Path, Volume)>,
    index: HashMap<Path, usize>,
    /// The place of the path before: the next one is likely the same.
    latest: usize,
}

/// A node of the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The layers from the outside in.
    pub path: Vec<Protocol>,
    /// All packets that went through it.
    pub volume: Volume,
}

impl Paths {
    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.index.clear();
    }

    /// Counts a packet. Payload and trailers are no layers of the tree, unless there is nothing
    /// else; nor is what an ICMP error quotes.
    #[inline]
    pub(super) fn add(&mut self, packet: &Packet, volume: Volume) {
        let mut path = 0;
        let mut depth = 0;
        for layer in packet.layers() {
            let data = matches!(layer.protocol, Protocol::Payload | Protocol::Trailer);
            if layer.depth == 0 && !data && depth < MAX_DEPTH {
                path = path << 8 | (layer.protocol as Path + 1);
                depth += 1;
            }
        }
        if depth == 0 && !packet.layers().is_empty() {
            path = Protocol::Payload as Path + 1;
        }
        self.put(path, volume);
    }

    #[inline]
    fn put(&mut self, path: Path, volume: Volume) {
        if let Some((latest, sum)) = self.list.get_mut(self.latest)
            && *latest == path
        {
            sum.add(volume);
            return;
        }
        let mut path = path;
        loop {
            if let Some(&place) = self.index.get(&path) {
                self.latest = place;
                if let Some((_, sum)) = self.list.get_mut(place) {
                    sum.add(volume);
                }
                return;
            }
            // The empty path always finds room, so this ends.
            if self.list.len() < MOST || path == 0 {
                self.latest = self.list.len();
                self.index.insert(path, self.latest);
                self.list.push((path, volume));
                return;
            }
            path >>= 8;
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (path, volume) in &other.list {
            self.put(*path, *volume);
        }
    }

    /// The tree, each node before its children; siblings by `weight`, the heaviest first, and
    /// then by name.
    #[must_use]
    pub fn tree(&self, weight: impl Fn(&Volume) -> u64) -> Vec<Node> {
        let mut sums: HashMap<Path, Volume> = HashMap::new();
        for (path, volume) in &self.list {
            let mut path = *path;
            while path != 0 {
                sums.entry(path).or_default().add(*volume);
                path >>= 8;
            }
        }
        let mut children: HashMap<Path, Vec<Path>> = HashMap::new();
        for path in sums.keys() {
            children.entry(path >> 8).or_default().push(*path);
        }
        let volume = |path: &Path| sums.get(path).copied().unwrap_or_default();
        for siblings in children.values_mut() {
            // The heaviest last, to be taken from the end.
            siblings.sort_by_cached_key(|path| {
                let name = protocol(*path).map_or("", Protocol::name);
                (weight(&volume(path)), std::cmp::Reverse(name))
            });
        }
        let mut tree = Vec::with_capacity(sums.len());
        let mut waiting = children.remove(&0).unwrap_or_default();
        while let Some(path) = waiting.pop() {
            tree.push(Node {
                path: protocols(path),
                volume: volume(&path),
            });
            waiting.extend(children.remove(&path).unwrap_or_default());
        }
        tree
    }
}

/// The last protocol of a path.
fn protocol(path: Path) -> Option<Protocol> {
    let number = usize::try_from(path & 0xff).ok()?.checked_sub(1)?;
    Protocol::ALL.get(number).copied()
}

fn protocols(mut path: Path) -> Vec<Protocol> {
    let mut protocols = Vec::new();
    while path != 0 {
        protocols.extend(protocol(path));
        path >>= 8;
    }
    protocols.reverse();
    protocols
}
