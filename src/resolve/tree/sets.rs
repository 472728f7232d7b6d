//! Nodes compared and gathered: who could stand for whom, what only one of them needs, which peers belong together.

use super::{EdgeId, NodeId, Tree};
use crate::resolve::names::Fold;
use std::cmp::Ordering;

impl Tree {
    /// The same package at the same version, in folders of the same name.
    pub fn matches(&self, a: NodeId, b: NodeId) -> bool {
        a == b
            || self.node(a).name == self.node(b).name
                && self.node(a).link == self.node(b).link
                && match (self.manifest(a), self.manifest(b)) {
                    (Some(x), Some(y)) => x.name == y.name && x.version == y.version,
                    _ => false,
                }
    }

    /// How the versions compare; `None` when one has none.
    pub fn compare(&self, a: NodeId, b: NodeId) -> Option<Ordering> {
        Some(self.manifest(a)?.version.cmp_precedence(&self.manifest(b)?.version))
    }

    /// Whether everybody who depends on `old` would be content with `new`,
    /// not counting dependants that only `old` keeps in the tree, nor those
    /// beside it in `ignored` that ask for it as a peer.
    pub fn can_replace(&self, new: NodeId, old: NodeId, ignored: &[Fold]) -> bool {
        if self.node(new).name != self.node(old).name
            || self.manifest(new).map(|m| m.name) != self.manifest(old).map(|m| m.name)
        {
            return false;
        }
        if !self.node(old).edges_out.is_empty() && self.node(new).rule != self.node(old).rule {
            return false;
        }
        let kept = self.gather(&[old], |t, e| t.edge(e).to != Some(old) && t.is_valid(e));
        let parent = self.node(old).parent;
        self.node(old).edges_in.iter().all(|&e| {
            let edge = self.edge(e);
            let from = self.node(edge.from);
            let beside = parent.is_some()
                && from.parent == parent
                && edge.kind.is_peer()
                && ignored.contains(&self.names.fold(from.name));
            beside || kept.contains(edge.from) || self.satisfies(new, e)
        })
    }

    /// `seed` and all that it depends on, minus what others depend on too.
    /// Edges that `counts` denies do not matter.
    pub fn gather(&self, seed: &[NodeId], counts: impl Fn(&Self, EdgeId) -> bool) -> NodeSet {
        let mut set = NodeSet::default();
        seed.iter().for_each(|&n| {
            set.insert(n);
        });
        let mut i = 0;
        while i < set.list.len() {
            for &e in &self.node(set.list[i]).edges_out {
                if let Some(to) = self.edge(e).to
                    && !set.contains(to)
                    && counts(self, e)
                {
                    set.insert(to);
                }
            }
            i += 1;
        }
        loop {
            let before = set.list.len();
            let mut list = std::mem::take(&mut set.list);
            list.retain(|&n| {
                let outside = |&e: &EdgeId| !set.contains(self.edge(e).from) && counts(self, e);
                let keep = !self.node(n).edges_in.iter().any(outside);
                if !keep {
                    set.remove(n);
                }
                keep
            });
            set.list = list;
            if set.list.len() == before {
                return set;
            }
        }
    }

    /// The deepest place where something that `start` depends on may lie: a
    /// package's peers cannot lie inside it.
    pub fn deepest(&self, start: NodeId, fold: Fold) -> NodeId {
        self.ancestry(start)
            .find(|&n| {
                self.above(n).is_none()
                    || self.edge_named(n, fold).is_none_or(|e| !self.edge(e).kind.is_peer())
            })
            .unwrap_or(start)
    }

    /// The peer sets that a node is a member of: the edge that brings each in
    /// (not a peer edge, or out of an importer), and its members.
    pub fn peer_sets(&self, node: NodeId) -> Vec<(EdgeId, Vec<NodeId>)> {
        let mut union = NodeSet::default();
        union.insert(node);
        let mut i = 0;
        while i < union.list.len() {
            let n = union.list[i];
            i += 1;
            for &e in &self.node(n).edges_out {
                if let Some(to) = self.edge(e).to
                    && self.edge(e).kind.is_peer()
                    && self.is_valid(e)
                {
                    union.insert(to);
                }
            }
            for &e in &self.node(n).edges_in {
                if self.edge(e).kind.is_peer() && self.is_valid(e) {
                    union.insert(self.edge(e).from);
                }
            }
        }
        let mut sets = Vec::new();
        for &peer in &union.list {
            for &entry in &self.node(peer).edges_in {
                let enters = !self.edge(entry).kind.is_peer() || self.is_top(self.edge(entry).from);
                if !enters || !self.is_valid(entry) {
                    continue;
                }
                let mut set = NodeSet::default();
                set.insert(peer);
                let mut i = 0;
                while i < set.list.len() {
                    for &e in &self.node(set.list[i]).edges_out {
                        if let Some(to) = self.edge(e).to
                            && self.edge(e).kind.is_peer()
                            && self.is_valid(e)
                        {
                            set.insert(to);
                        }
                    }
                    i += 1;
                }
                if set.contains(node) {
                    sets.push((entry, set.list));
                }
            }
        }
        sets
    }
}

/// Nodes, each once, in the order they came.
#[derive(Default)]
pub struct NodeSet {
    pub list: Vec<NodeId>,
    bits: Vec<u64>,
}

impl NodeSet {
    pub fn contains(&self, id: NodeId) -> bool {
        self.bits.get(id.0 as usize / 64).is_some_and(|word| word >> (id.0 % 64) & 1 == 1)
    }
    pub fn insert(&mut self, id: NodeId) -> bool {
        let (word, bit) = (id.0 as usize / 64, 1 << (id.0 % 64));
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        let new = self.bits[word] & bit == 0;
        if new {
            self.bits[word] |= bit;
            self.list.push(id);
        }
        new
    }
    fn remove(&mut self, id: NodeId) {
        if let Some(word) = self.bits.get_mut(id.0 as usize / 64) {
            *word &= !(1 << (id.0 % 64));
        }
    }
}
