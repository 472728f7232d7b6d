//! The tree of folders while it is being built (npm: the ideal tree), and the
//! small trees in which a package is tried out with its peers (virtual roots).
//!
//! Always true between two calls: an edge points to what its name resolves to
//! from its node, walking up; `edges_in` is the inverse of `to`.
//!
//! Not here: which version to take, and where to place it.

mod contexts;
mod sets;

pub use sets::NodeSet;

use super::names::{Dep, Fold, Kind, Manifest, ManifestId, Name, Names, SpecId};
use super::overrides::{self, RuleId, Rules};

/// A node, the context that a dependant no longer brings, the one that it brings now.
type Handed = (NodeId, RuleId, RuleId);

/// Contexts that go round in a ring of dependencies end somewhere.
const MOST_HANDED: usize = 1_000_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u32);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EdgeId(pub u32);

/// A folder of `node_modules`, an importer, or a virtual root.
#[derive(Debug)]
pub struct Node {
    /// The folder's name.
    pub name: Name,
    /// `None`: nothing could be loaded; see `failure`.
    pub manifest: Option<ManifestId>,
    /// Place in the builder's list of failures.
    pub failure: Option<u32>,
    pub parent: Option<NodeId>,
    /// The importer around a workspace member.
    pub outer: Option<NodeId>,
    /// The topmost node of the tree it is in; itself when it is in none.
    pub root: NodeId,
    /// A virtual root: the node whose dependencies it shows. Its edges are made
    /// when they are first asked for ([`Tree::wish`]).
    pub source: Option<NodeId>,
    /// A symbolic link to an ancestor, which ends a loop of nesting.
    pub link: Option<NodeId>,
    /// Sorted by name.
    pub children: Vec<(Fold, NodeId)>,
    pub edges_out: Vec<EdgeId>,
    pub edges_in: Vec<EdgeId>,
    /// Its dependencies have been placed.
    pub seen: bool,
    /// The virtual root made last for this node.
    pub virtual_root: Option<NodeId>,
    /// The override in whose context it stands.
    rule: RuleId,
    indexed: bool,
}

#[derive(Debug)]
pub struct Edge {
    pub from: NodeId,
    pub name: Name,
    pub fold: Fold,
    /// What it asks for: its own words, or those of an override.
    pub spec: SpecId,
    /// Its own words.
    pub own: SpecId,
    /// The context that it hands on.
    pub rule: RuleId,
    pub kind: Kind,
    pub to: Option<NodeId>,
    /// A peer conflict that was let pass.
    pub conflicted: bool,
}

pub struct Tree {
    pub names: Names,
    pub manifests: Vec<Manifest>,
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    /// The project.
    pub root: NodeId,
    pub rules: Rules,
    /// Nodes whose context has changed.
    pub moved: Vec<NodeId>,
    /// Edges out of nodes that are or were in the project's tree, by name.
    edges_by_name: Vec<Vec<EdgeId>>,
    /// Nodes that are or were in the project's tree, by name.
    nodes_by_name: Vec<Vec<NodeId>>,
}

impl Tree {
    pub fn new(names: Names) -> Self {
        Self {
            names,
            manifests: Vec::new(),
            nodes: Vec::new(),
            edges: Vec::new(),
            root: NodeId(0),
            rules: Rules::default(),
            moved: Vec::new(),
            edges_by_name: Vec::new(),
            nodes_by_name: Vec::new(),
        }
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }
    pub fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }
    pub fn edge(&self, id: EdgeId) -> &Edge {
        &self.edges[id.0 as usize]
    }
    pub fn edge_mut(&mut self, id: EdgeId) -> &mut Edge {
        &mut self.edges[id.0 as usize]
    }
    pub fn manifest(&self, id: NodeId) -> Option<&Manifest> {
        self.node(id).manifest.map(|m| &self.manifests[m.0 as usize])
    }

    /// A node outside of any tree, with an edge per dependency.
    pub fn add(&mut self, name: Name, manifest: Option<ManifestId>, failure: Option<u32>) -> NodeId {
        let id = self.add_bare(name, manifest, failure);
        let count = manifest.map_or(0, |m| self.manifests[m.0 as usize].dependencies.list().len());
        let edges = (0..count).filter_map(|i| self.add_edge(id, i)).collect();
        self.node_mut(id).edges_out = edges;
        id
    }

    fn add_bare(&mut self, name: Name, manifest: Option<ManifestId>, failure: Option<u32>) -> NodeId {
        let id = NodeId(self.nodes.len() as u32);
        self.nodes.push(Node {
            name,
            manifest,
            failure,
            parent: None,
            outer: None,
            root: id,
            source: None,
            link: None,
            children: Vec::new(),
            edges_out: Vec::new(),
            edges_in: Vec::new(),
            seen: false,
            virtual_root: None,
            rule: overrides::NONE,
            indexed: false,
        });
        id
    }

    /// An edge for a node's dependency at that place in its list.
    fn add_edge(&mut self, from: NodeId, at: usize) -> Option<EdgeId> {
        let dep = *self.manifest(from)?.dependencies.list().get(at)?;
        let fold = self.names.fold(dep.name);
        let Dep { name, spec, kind } = dep;
        let (own, rule, to, conflicted) = (spec, overrides::NONE, None, false);
        self.edges.push(Edge { from, name, fold, spec, own, rule, kind, to, conflicted });
        let id = EdgeId(self.edges.len() as u32 - 1);
        self.overrule(id);
        Some(id)
    }

    /// Shows the dependencies of `source` in a tree of its own. There is one for
    /// nearly every dependency, of which few edges ever matter: those that point
    /// to something, and those that are asked for by name.
    pub fn add_virtual_root(&mut self, source: NodeId) -> NodeId {
        let Node { name, manifest, failure, rule, .. } = *self.node(source);
        let id = self.add_bare(name, manifest, failure);
        self.node_mut(id).rule = rule;
        self.node_mut(id).source = Some(source);
        self.node_mut(source).virtual_root = Some(id);
        id
    }

    /// As [`edge_named`](Self::edge_named), also where a virtual root has not made its edge yet.
    pub fn wish(&mut self, id: NodeId, fold: Fold) -> Option<EdgeId> {
        let known = self.edge_named(id, fold);
        if known.is_some() || self.node(id).source.is_none() {
            return known;
        }
        let place = |t: &Self, fold| t.manifest(id)?.dependencies.position(fold);
        let at = place(self, fold)?;
        let edge = self.add_edge(id, at)?;
        let before = |&e: &EdgeId| place(self, self.edge(e).fold) < Some(at);
        let i = self.node(id).edges_out.partition_point(before);
        self.node_mut(id).edges_out.insert(i, edge);
        Some(edge)
    }

    /// Makes a node without parent part of the project's tree: the root itself, or a member.
    pub fn add_importer(&mut self, id: NodeId, outer: Option<NodeId>) {
        if outer.is_none() {
            self.root = id;
        }
        self.node_mut(id).outer = outer;
        self.node_mut(id).root = self.root;
        if !self.rules.is_empty() {
            self.set_context(id, overrides::ROOT, &mut Vec::new());
        }
        self.index(id);
        for e in self.node(id).edges_out.clone() {
            self.reload(e);
        }
    }

    pub fn in_project(&self, id: NodeId) -> bool {
        self.node(id).root == self.root
    }
    /// An importer or a virtual root.
    pub fn is_top(&self, id: NodeId) -> bool {
        self.node(id).parent.is_none()
    }
    /// The project or a workspace member.
    pub fn is_importer(&self, id: NodeId) -> bool {
        self.is_top(id) && self.in_project(id)
    }
    /// Where a name is looked up next.
    pub fn above(&self, id: NodeId) -> Option<NodeId> {
        let node = self.node(id);
        node.parent.or(node.outer)
    }
    /// The node and all that are above it.
    pub fn ancestry(&self, id: NodeId) -> impl Iterator<Item = NodeId> {
        std::iter::successors(Some(id), |&n| self.above(n))
    }
    pub fn depth(&self, id: NodeId) -> u32 {
        std::iter::successors(self.node(id).parent, |&n| self.node(n).parent).count() as u32
    }
    pub fn is_inside(&self, id: NodeId, of: NodeId) -> bool {
        self.ancestry(id).any(|n| n == of)
    }
    pub fn child(&self, id: NodeId, fold: Fold) -> Option<NodeId> {
        let children = &self.node(id).children;
        children.binary_search_by_key(&fold, |c| c.0).ok().map(|i| children[i].1)
    }
    pub fn edge_named(&self, id: NodeId, fold: Fold) -> Option<EdgeId> {
        let edges = &self.node(id).edges_out;
        if self.node(id).source.is_some() {
            return edges.iter().copied().find(|&e| self.edge(e).fold == fold);
        }
        // A link has none.
        edges.get(self.manifest(id)?.dependencies.position(fold)?).copied()
    }
    pub fn resolve(&self, id: NodeId, fold: Fold) -> Option<NodeId> {
        self.ancestry(id).find_map(|n| self.child(n, fold))
    }
    /// Nodes of the project's tree with exactly this folder name, oldest first.
    pub fn named(&self, name: Name) -> Vec<NodeId> {
        let all = self.nodes_by_name.get(name.0 as usize);
        all.into_iter().flatten().copied().filter(|&n| self.in_project(n)).collect()
    }

    /// The node and everything nested in it.
    pub fn subtree(&self, id: NodeId) -> Vec<NodeId> {
        let mut all = vec![id];
        let mut i = 0;
        while i < all.len() {
            all.extend(self.node(all[i]).children.iter().map(|c| c.1));
            i += 1;
        }
        all
    }

    /// Puts a node without parent into `parent`; what has its place is taken out.
    pub fn attach(&mut self, id: NodeId, parent: NodeId) {
        let (name, fold) = (self.node(id).name, self.names.fold(self.node(id).name));
        if let Some(there) = self.child(parent, fold) {
            self.detach(there);
        }
        let children = &mut self.node_mut(parent).children;
        let at = children.partition_point(|c| c.0 < fold);
        children.insert(at, (fold, id));
        self.node_mut(id).parent = Some(parent);
        let root = self.node(parent).root;
        let family = self.subtree(id);
        for &n in &family {
            self.node_mut(n).root = root;
            if root == self.root {
                self.index(n);
            }
        }
        self.reload_named(parent, fold);
        for &n in &family {
            for i in 0..self.node(n).edges_out.len() {
                self.reload(self.node(n).edges_out[i]);
            }
        }
        debug_assert_eq!(self.node(id).name, name);
    }

    /// Takes a node, with everything nested in it, out of its tree.
    pub fn detach(&mut self, id: NodeId) {
        let fold = self.names.fold(self.node(id).name);
        let Some(parent) = self.node_mut(id).parent.take() else { return };
        let children = &mut self.node_mut(parent).children;
        if let Ok(at) = children.binary_search_by_key(&fold, |c| c.0) {
            children.remove(at);
        }
        let family = self.subtree(id);
        for &n in &family {
            self.node_mut(n).root = id;
        }
        for &n in &family {
            for e in self.node(n).edges_in.clone() {
                if self.node(self.edge(e).from).root != id {
                    self.reload(e);
                }
            }
            for i in 0..self.node(n).edges_out.len() {
                self.reload(self.node(n).edges_out[i]);
            }
        }
    }

    /// Puts `new` where `old` is; it takes over what is nested in there.
    pub fn replace(&mut self, old: NodeId, new: NodeId) {
        let Some(parent) = self.node(old).parent else { return };
        if self.node(new).link.is_none() {
            let kids = std::mem::take(&mut self.node_mut(old).children);
            for &(_, kid) in &kids {
                self.node_mut(kid).parent = Some(new);
                for n in self.subtree(kid) {
                    self.node_mut(n).root = new;
                }
            }
            self.node_mut(new).children = kids;
        }
        self.detach(old);
        self.attach(new, parent);
    }

    fn index(&mut self, id: NodeId) {
        if std::mem::replace(&mut self.node_mut(id).indexed, true) {
            return;
        }
        // Importers have no folder in node_modules.
        if self.node(id).parent.is_some() {
            let name = self.node(id).name.0 as usize;
            if self.nodes_by_name.len() <= name {
                self.nodes_by_name.resize(name + 1, Vec::new());
            }
            self.nodes_by_name[name].push(id);
        }
        if self.edges_by_name.len() < self.names.folds() {
            self.edges_by_name.resize(self.names.folds(), Vec::new());
        }
        for i in 0..self.node(id).edges_out.len() {
            let e = self.node(id).edges_out[i];
            let fold = self.edge(e).fold.0 as usize;
            self.edges_by_name[fold].push(e);
        }
    }

    /// Looks again where edges of that name, out of `under` or what is in it, point to.
    fn reload_named(&mut self, under: NodeId, fold: Fold) {
        if !self.in_project(under) {
            for n in self.subtree(under) {
                if let Some(e) = self.wish(n, fold) {
                    self.reload(e);
                }
            }
            return;
        }
        let Some(edges) = self.edges_by_name.get_mut(fold.0 as usize).map(std::mem::take) else { return };
        for &e in &edges {
            let from = self.edge(e).from;
            if self.in_project(from) && self.is_inside(from, under) {
                self.reload(e);
            }
        }
        self.edges_by_name[fold.0 as usize] = edges;
    }

    fn reload(&mut self, e: EdgeId) {
        let Edge { from, fold, to, .. } = *self.edge(e);
        let now = self.resolve(from, fold);
        if now == to {
            return;
        }
        if let Some(to) = to {
            let edges = &mut self.node_mut(to).edges_in;
            if let Some(at) = edges.iter().position(|&x| x == e) {
                edges.remove(at);
            }
        }
        if let Some(now) = now {
            self.node_mut(now).edges_in.push(e);
        }
        self.edge_mut(e).to = now;
        let rule = self.edge(e).rule;
        if rule != overrides::NONE {
            let mut changes = Vec::new();
            changes.extend(to.map(|to| (to, rule, overrides::NONE)));
            changes.extend(now.map(|now| (now, overrides::NONE, rule)));
            self.hand_on(changes);
        }
    }

    /// About how long [`Tree::path`] is.
    pub fn path_length(&self, id: NodeId) -> usize {
        let nested = self.ancestry(id).filter(|&n| !self.is_top(n));
        nested.map(|n| "/node_modules/".len() + self.names.text(self.node(n).name).as_str().len()).sum()
    }

    /// The folder's path from the project: `node_modules/a/node_modules/b`, `packages/x`.
    /// `importer` gives an importer's own path.
    pub fn path(&self, id: NodeId, importer: &dyn Fn(NodeId) -> String) -> String {
        match self.node(id).parent {
            None => importer(id),
            Some(parent) => {
                let mut path = self.path(parent, importer);
                if !path.is_empty() {
                    path.push('/');
                }
                path + "node_modules/" + self.names.text(self.node(id).name).as_str()
            }
        }
    }
}
