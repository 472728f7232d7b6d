//! The tree of folders while it is being built (npm: the ideal tree), and the
//! small trees in which a package is tried out with its peers (virtual roots).
//!
//! Always true between two calls: an edge points to what its name resolves to
//! from its node, walking up; `edges_in` is the inverse of `to`.
//!
//! Not here: which version to take, and where to place it.

use super::names::{Dep, Fold, Kind, Manifest, ManifestId, Name, Names, Origin, SpecId};
use super::overrides::{self, RuleId, Rules};
use super::spec::Wanted;
use std::cmp::Ordering;

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

    /// What an edge asks for in the context of its dependant.
    fn overrule(&mut self, e: EdgeId) {
        let Edge { from, name, own, .. } = *self.edge(e);
        let Node { rule, name: from, .. } = *self.node(from);
        // A folder that a manifest names is what it is.
        if rule == overrides::NONE
            || matches!(self.names.parsed(own).wanted, Wanted::Member(_) | Wanted::Link(_))
        {
            return;
        }
        let rule = self.rules.of_edge(rule, from, name, self.names.parsed(own));
        let spec = self.rules.value(rule, name).unwrap_or(own);
        let edge = self.edge_mut(e);
        (edge.rule, edge.spec) = (rule, spec);
    }

    fn set_context(&mut self, id: NodeId, rule: RuleId, changes: &mut Vec<Handed>) {
        self.node_mut(id).rule = rule;
        self.moved.push(id);
        for i in 0..self.node(id).edges_out.len() {
            let e = self.node(id).edges_out[i];
            let before = self.edge(e).rule;
            self.overrule(e);
            let Edge { rule: now, to, .. } = *self.edge(e);
            if let Some(to) = to.filter(|_| now != before) {
                changes.push((to, before, now));
            }
        }
    }

    /// Gives contexts on from dependants to what they depend on, until all have theirs.
    fn hand_on(&mut self, mut changes: Vec<Handed>) {
        let mut left = MOST_HANDED;
        while let (Some((id, gone, come)), true) = (changes.pop(), left > 0) {
            left -= 1;
            let have = self.node(id).rule;
            let mut now = have;
            if gone != overrides::NONE && gone == have {
                let ins = self.node(id).edges_in.iter().map(|&e| self.edge(e).rule);
                let both = |a: RuleId, b: RuleId| match (a, b) {
                    (overrides::NONE, other) | (other, overrides::NONE) => other,
                    _ => self.rules.specific(b, a).unwrap_or(a),
                };
                now = ins.fold(overrides::NONE, both);
                // Nobody: it is on its way to another place.
                if now == overrides::NONE {
                    self.node_mut(id).rule = now;
                    continue;
                }
            }
            if come != overrides::NONE {
                now =
                    if now == overrides::NONE { come } else { self.rules.specific(now, come).unwrap_or(now) };
            }
            if now != have {
                self.set_context(id, now, &mut changes);
            }
        }
    }

    /// Whether `node` would do for an edge.
    pub fn satisfies(&self, node: NodeId, e: EdgeId) -> bool {
        let edge = self.edge(e);
        if self.node(node).name != edge.name {
            return false;
        }
        // npm asks for the package behind an alias nowhere. Here what the project itself says counts.
        let strict = edge.spec != edge.own || self.is_top(edge.from);
        let fits = |spec| {
            let spec = self.names.parsed(spec);
            match self.manifest(node) {
                Some(m)
                    if strict
                        && *self.names.text(m.name)
                            != *spec.package.as_ref().unwrap_or(self.names.text(edge.name)) =>
                {
                    false
                }
                Some(m) => match (&spec.wanted, &m.origin) {
                    // A tag is something that a registry gave out.
                    (Wanted::Tag(_), Origin::Folder { .. }) => false,
                    (Wanted::Link(wanted), Origin::Folder { path, .. }) => **wanted == **path,
                    (Wanted::Member(_) | Wanted::Link(_), origin)
                        if !matches!(origin, Origin::Folder { .. }) =>
                    {
                        false
                    }
                    _ => spec.is_satisfied_by(&m.version),
                },
                None => matches!(&spec.wanted, Wanted::Range(r) if r.is_star()),
            }
        };
        if edge.spec == edge.own || fits(edge.spec) {
            return fits(edge.spec);
        }
        // Its own words are met by a version that the override is not about.
        fits(edge.own)
            && self
                .rules
                .key(edge.rule)
                .is_some_and(|key| self.manifest(node).is_some_and(|m| !key.satisfies(&m.version)))
    }

    /// An edge is valid when what it points to satisfies it; nothing will do
    /// for an optional one, and a peer may not lie inside its dependant.
    pub fn is_valid(&self, e: EdgeId) -> bool {
        let edge = self.edge(e);
        match edge.to {
            None => edge.kind.is_optional(),
            Some(to) => {
                let local =
                    edge.kind.is_peer() && self.node(to).parent == Some(edge.from) && !self.is_top(edge.from);
                !local && self.satisfies(to, e) && !self.contexts_differ(edge.rule, to)
            }
        }
    }

    /// What a node depends on is chosen by rules that contradict those of a dependant.
    fn contexts_differ(&self, rule: RuleId, node: NodeId) -> bool {
        let there = self.node(node);
        rule != overrides::NONE
            && there.rule != overrides::NONE
            && !there.edges_out.is_empty()
            && self.rules.specific(rule, there.rule).is_none()
    }

    /// It is there because an override names exactly its version.
    pub fn is_overridden(&self, id: NodeId) -> bool {
        let (name, rule) = (self.node(id).name, self.node(id).rule);
        let exact = |spec| match (&self.names.parsed(spec).wanted, self.manifest(id)) {
            (Wanted::Version(version, _), Some(m)) => *version == m.version,
            _ => false,
        };
        self.rules.value(rule, name).is_some()
            && self.node(id).edges_in.iter().any(|&e| {
                let edge = self.edge(e);
                edge.rule != self.node(edge.from).rule && self.rules.value(edge.rule, name).is_some_and(exact)
            })
    }

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
