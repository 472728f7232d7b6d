//! Building the tree: importers first, then every placed package's own
//! dependencies, breadth first, in the order of their paths.

mod load;
mod start;

use super::choose::Rules;
use super::collate;
use super::failure::{Failure, Missing, PeerConflict, Reason, Step, Warning};
use super::index::{Candidates, Index};
use super::names::{Kind, ManifestId, Name, SpecId};
use super::place::Placed;
use super::tree::{EdgeId, NodeId, NodeSet, Tree};
use super::{Folder, Packed};
use crate::install::hoist;
use mirror::name::PackageName;
use mirror::record::VersionRecord;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// No real tree has as many places; hostile metadata has more.
const MOST_NODES: usize = 1_000_000;
/// 300 MB of them; a project of 10,000 direct dependencies needs fewer than 100,000.
const MOST_EDGES: usize = 10 << 20;
/// Versions times parts of ranges, compared in all. A large project comes to two
/// million; hostile metadata has 100,000 versions and as many parts.
const MOST_COMPARED: usize = 300_000_000;
/// How often folders may be looked at: so many times at all, and for each
/// folder that stands. Real trees need one to three; where peers exclude each
/// other in a ring, npm's way of placing them goes round without end.
const STEPS: usize = 2_000;
const STEPS_PER_NODE: usize = 20;

/// A dependency that could not be loaded.
pub struct Unloaded {
    pub package: Name,
    pub spec: SpecId,
    pub reason: Reason,
}

pub struct Builder<'a> {
    pub tree: Tree,
    pub members: Vec<NodeId>,
    /// Names whose packages are chosen anew wherever they are.
    pub updates: Vec<Name>,
    pub warnings: Vec<Warning>,
    pub failures: Vec<Unloaded>,
    /// There is a lock.
    pub from_lock: bool,
    /// Something was placed, or a manifest asks for other things than the lock holds.
    pub changed: bool,
    /// Packages loaded so far for the dependency at hand.
    pub loads: u32,
    paths: Vec<(NodeId, String)>,
    explicit: Vec<EdgeId>,
    legacy_peers: bool,
    pub strict_peers: bool,
    pub prefer_dedupe: bool,
    rules: Rules,
    index: &'a dyn Index,
    packages: HashMap<Name, Option<Rc<dyn Candidates>>>,
    sources: HashMap<Name, Rc<str>>,
    chosen: HashMap<(Name, SpecId), Result<ManifestId, Reason>>,
    loaded: HashMap<(Name, usize), ManifestId>,
    /// The version that was looked at last.
    looked_at: Option<((Name, usize), VersionRecord)>,
    compared: usize,
    folders: Vec<(Folder, ManifestId)>,
    packed: Vec<Packed>,
    queue: BTreeSet<(u32, Box<[u8]>, NodeId)>,
}

impl Builder<'_> {
    pub fn run(&mut self) -> Result<(), Failure> {
        for name in self.updates.clone() {
            for node in self.tree.named(name) {
                for e in self.tree.node(node).edges_in.clone() {
                    self.enqueue(self.tree.edge(e).from);
                }
            }
        }
        self.enqueue(self.tree.root);
        let mut members = self.members.clone();
        let (mut steps, mut most) = (0, STEPS);
        loop {
            while let Some((_, _, node)) = self.queue.pop_first() {
                if self.tree.in_project(node) && !self.tree.node(node).seen {
                    self.tree.node_mut(node).seen = true;
                    steps += 1;
                    if steps > most {
                        most = STEPS + STEPS_PER_NODE * self.standing();
                        if steps > most {
                            return Err(Failure::Unsettled { chain: self.chain(node) });
                        }
                        // More than can be laid out (`install::hoist`).
                        if self.standing() > hoist::MOST_PLACES {
                            return Err(Failure::TooLarge { places: hoist::MOST_PLACES });
                        }
                    }
                    self.step(node)?;
                }
            }
            // npm comes to the members when the project's own tree stands.
            if members.is_empty() {
                return Ok(());
            }
            members.drain(..).for_each(|m| self.enqueue(m));
        }
    }

    /// How many folders there are now.
    fn standing(&self) -> usize {
        let tops = std::iter::once(self.tree.root).chain(self.members.iter().copied());
        tops.map(|top| self.tree.subtree(top).len()).sum()
    }

    fn enqueue(&mut self, node: NodeId) {
        if !self.tree.in_project(node) {
            return;
        }
        let mut key = Vec::new();
        collate::key(&self.path(node), &mut key);
        self.queue.insert((self.tree.depth(node), key.into(), node));
    }

    fn again(&mut self, node: NodeId) {
        self.tree.node_mut(node).seen = false;
        self.enqueue(node);
    }

    pub fn importer(&self, path: &str) -> Option<NodeId> {
        self.paths.iter().find(|(_, p)| p == path).map(|p| p.0)
    }

    pub fn edge_of(&self, node: NodeId, alias: &PackageName) -> Option<EdgeId> {
        let is = |&e: &EdgeId| self.tree.names.text(self.tree.edge(e).name) == alias;
        self.tree.node(node).edges_out.iter().copied().find(is)
    }

    pub fn path(&self, node: NodeId) -> String {
        let importer =
            |n: NodeId| self.paths.iter().find(|p| p.0 == n).map_or_else(String::new, |p| p.1.clone());
        self.tree.path(node, &importer)
    }

    /// Loads and places what `node` depends on and does not have.
    fn step(&mut self, node: NodeId) -> Result<(), Failure> {
        let mut tasks = Vec::new();
        for edge in self.problems(node) {
            if self.tree.edge(edge).conflicted {
                continue;
            }
            let (fold, kind, name) = {
                let e = self.tree.edge(edge);
                (e.fold, e.kind, e.name)
            };
            // Loaded already, as a peer of what was loaded before?
            let set = self.virtual_root(node, true);
            let loaded = self.tree.edge_named(set, fold).filter(|&e| self.tree.is_valid(e));
            let mut dep = loaded.and_then(|e| self.tree.edge(e).to).filter(|&d| self.tree.satisfies(d, edge));
            let anew = self.updates.contains(&name) || self.explicit.contains(&edge);
            if dep.is_none() && kind == Kind::PeerOptional && !anew {
                dep = self.somewhere(self.tree.above(node).unwrap_or(node), edge);
            }
            let dep = match dep {
                Some(dep) => dep,
                None => {
                    if self.tree.edges.len() > MOST_EDGES {
                        return Err(Failure::TooLarge { places: MOST_EDGES });
                    }
                    let mut required = NodeSet::default();
                    required.insert(node);
                    self.load(edge, kind.is_peer().then_some(set), None, &mut required, 0)?
                }
            };
            tasks.push((edge, dep));
        }
        mirror::order::sort_by(&mut tasks, |a, b| {
            let text = |e| self.tree.names.text(self.tree.edge(e).name).as_str();
            collate::compare(text(a.0), text(b.0))
        });
        for (edge, dep) in tasks {
            let explicit = self.explicit.contains(&edge);
            let placed = self.place(edge, dep, explicit)?;
            self.settle(&placed);
            // npm looks at them once, and can leave what the override of the first moment asked for.
            for node in std::mem::take(&mut self.tree.moved) {
                if self.tree.node(node).seen && !self.problems(node).is_empty() {
                    self.again(node);
                }
            }
        }
        if self.tree.nodes.len() > MOST_NODES {
            return Err(Failure::TooLarge { places: MOST_NODES });
        }
        Ok(())
    }

    /// Everybody whom a placement left without what it needs is looked at (again).
    fn settle(&mut self, placed: &Placed) {
        if let Some(node) = placed.node {
            self.changed = true;
            for e in self.tree.node(node).edges_in.clone() {
                let edge = self.tree.edge(e);
                if e != placed.edge && !edge.conflicted && !self.tree.is_valid(e) {
                    self.again(edge.from);
                }
            }
            self.enqueue(node);
            for &n in &placed.again {
                self.again(n);
            }
        }
        for child in &placed.children {
            self.settle(child);
        }
    }

    /// The edges out of `node` that something has to be done about.
    fn problems(&self, node: NodeId) -> Vec<EdgeId> {
        let t = &self.tree;
        let bundled: &[Name] = t.manifest(node).map_or(&[], |m| &m.bundled);
        let is_problem = |&e: &EdgeId| {
            let edge = t.edge(e);
            if bundled.contains(&edge.name) {
                return false;
            }
            match edge.to {
                None => edge.kind != Kind::PeerOptional || self.explicit.contains(&e),
                Some(to) if t.node(to).failure.is_some() => false,
                Some(_) => !t.is_valid(e) || self.updates.contains(&edge.name) || self.explicit.contains(&e),
            }
        };
        t.node(node).edges_out.iter().copied().filter(is_problem).collect()
    }

    /// The nearest node at or under `top` that would do, for an optional peer:
    /// nothing is fetched for its sake.
    fn somewhere(&self, top: NodeId, edge: EdgeId) -> Option<NodeId> {
        let name = self.tree.edge(edge).name;
        let depth = |n: NodeId| self.tree.ancestry(n).position(|a| a == top);
        let fits = |&n: &NodeId| self.tree.node(n).parent.is_some() && self.tree.satisfies(n, edge);
        let all = self.tree.named(name);
        all.into_iter().filter(fits).filter_map(|n| Some((depth(n)?, n))).min().map(|found| found.1)
    }

    /// From an importer to `node`, the shortest way.
    pub fn chain(&self, node: NodeId) -> Vec<Step> {
        let t = &self.tree;
        if !t.in_project(node) {
            let source = t.node(t.node(node).root).source;
            let mut chain = source.map_or_else(Vec::new, |s| self.chain(s));
            if t.node(node).source.is_none() {
                chain.push(self.step_of(node));
            }
            return chain;
        }
        let mut came_from: HashMap<NodeId, NodeId> = HashMap::new();
        let mut queue = std::collections::VecDeque::from([node]);
        let mut end = node;
        while let Some(n) = queue.pop_front() {
            end = n;
            if t.is_importer(n) {
                break;
            }
            for &e in &t.node(n).edges_in {
                let from = t.edge(e).from;
                if from != node && !came_from.contains_key(&from) {
                    came_from.insert(from, n);
                    queue.push_back(from);
                }
            }
        }
        let way = std::iter::successors(Some(end), |n| came_from.get(n).copied());
        way.map(|n| self.step_of(n)).collect()
    }

    fn step_of(&self, node: NodeId) -> Step {
        let t = &self.tree;
        if t.is_importer(node) {
            return Step { name: self.path(node), version: None };
        }
        let version = t.manifest(node).map_or_else(String::new, |m| m.version.to_string());
        Step { name: t.names.text(t.node(node).name).to_string(), version: Some(version) }
    }

    pub fn missing(&self, failure: u32, chain: Vec<Step>) -> Missing {
        let f = &self.failures[failure as usize];
        Missing {
            package: self.tree.names.text(f.package).to_string(),
            range: self.tree.names.value(f.spec).to_string(),
            reason: f.reason.clone(),
            chain,
            last_seen: None,
        }
    }

    pub fn peer_conflict(&self, edge: EdgeId, there: Option<NodeId>) -> PeerConflict {
        let t = &self.tree;
        let e = t.edge(edge);
        let version = |n: NodeId| t.manifest(n).map(|m| m.version.to_string());
        let found_for = there.map_or_else(Vec::new, |there| {
            let ins = t.node(there).edges_in.iter().filter(|&&e| e != edge && t.is_valid(e));
            let who = |&e: &EdgeId| {
                let from = t.edge(e).from;
                let from = t.node(from).source.unwrap_or(from);
                (self.step_of(from), t.names.value(t.edge(e).spec).to_string())
            };
            ins.take(3).map(who).collect()
        });
        PeerConflict {
            peer: t.names.text(e.name).to_string(),
            range: t.names.value(e.spec).to_string(),
            chain: self.chain(e.from),
            found: there.and_then(version),
            found_for,
        }
    }
}

fn index(error: Box<crate::error::Error>) -> Failure {
    Failure::Index(error)
}
