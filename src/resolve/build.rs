//! Building the tree: importers first, then every placed package's own
//! dependencies, breadth first, in the order of their paths.

use super::choose::{Rules, choose_with};
use super::collate;
use super::failure::{Failure, Missing, PeerConflict, Reason, Step, Warning};
use super::graph::Graph;
use super::index::{Candidates, Index};
use super::names::{Dep, Dependencies, Kind, Manifest, ManifestId, Name, Names, Origin, SpecId};
use super::place::Placed;
use super::spec::Wanted;
use super::spec::{Spec, Unsupported};
use super::tree::{EdgeId, NodeId, NodeSet, Tree};
use super::{Folder, ImporterRequest, Request};
use crate::install::hoist;
use mirror::name::PackageName;
use mirror::record::{DependencyKind, VersionRecord};
use mirror::version::Version;
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
    queue: BTreeSet<(u32, Box<[u8]>, NodeId)>,
}

impl<'a> Builder<'a> {
    /// The importers (and what a lock holds) in place, nothing new loaded yet.
    pub fn new(request: &Request<'_>, index: &'a dyn Index) -> Result<Self, Failure> {
        let mut builder = Self {
            tree: Tree::new(Names::default()),
            members: Vec::new(),
            updates: Vec::new(),
            warnings: Vec::new(),
            failures: Vec::new(),
            from_lock: request.locked.is_some(),
            changed: request.locked.is_some_and(|locked| asks_otherwise(&request.importers, locked)),
            loads: 0,
            paths: Vec::new(),
            explicit: Vec::new(),
            legacy_peers: request.legacy_peers,
            strict_peers: request.strict_peers,
            prefer_dedupe: request.prefer_dedupe,
            rules: request.rules.clone(),
            index,
            packages: HashMap::new(),
            sources: HashMap::new(),
            chosen: HashMap::new(),
            loaded: HashMap::new(),
            looked_at: None,
            compared: 0,
            folders: Vec::new(),
            queue: BTreeSet::new(),
        };
        let mut importers: Vec<&ImporterRequest> = request.importers.iter().collect();
        mirror::order::sort_by(&mut importers, |a, b| a.path.cmp(&b.path));
        builder.tree.rules = match request.importers.iter().find(|i| i.path.is_empty()) {
            Some(root) => super::overrides::Rules::new(&root.overrides, &mut builder.tree.names),
            None => super::overrides::Rules::default(),
        };
        let nothing = ImporterRequest::default();
        let root = request.importers.iter().find(|i| i.path.is_empty()).unwrap_or(&nothing);
        root.folders.iter().for_each(|f| builder.add_folder(f));
        if importers.first().is_none_or(|i| !i.path.is_empty()) {
            importers.insert(0, &nothing);
        }
        for importer in importers {
            builder.add_importer(importer);
        }
        builder.link_members();
        builder.refuse_overridden()?;
        if let Some(locked) = request.locked {
            builder.add_locked(locked)?;
        }
        builder.updates = request.update.iter().map(|n| builder.tree.names.name(n)).collect();
        for (path, alias) in &request.explicit {
            let edge = builder.importer(path).and_then(|n| builder.edge_of(n, alias));
            builder.explicit.extend(edge);
        }
        Ok(builder)
    }

    fn add_folder(&mut self, folder: &Folder) {
        let name = self.tree.names.name(&folder.name);
        let manifest = ManifestId(self.tree.manifests.len() as u32);
        self.tree.manifests.push(Manifest {
            name,
            version: folder.version.clone(),
            dependencies: Dependencies::default(),
            peers: Vec::new(),
            bundled: Vec::new(),
            origin: Origin::Folder { at: self.folders.len() as u32, path: folder.path.as_str().into() },
        });
        self.folders.push((folder.clone(), manifest));
    }

    /// As npm: the project has a link to every member, whoever needs it.
    fn link_members(&mut self) {
        let members: Vec<ManifestId> = self.folders.iter().filter(|f| f.0.member).map(|f| f.1).collect();
        for manifest in members {
            let name = self.tree.manifests[manifest.0 as usize].name;
            let node = self.tree.add(name, Some(manifest), None);
            self.tree.attach(node, self.tree.root);
        }
    }

    /// The folder that a dependency's value means.
    fn folder(&self, name: Name, spec: SpecId) -> Result<ManifestId, Reason> {
        let Spec { package, wanted } = self.tree.names.parsed(spec);
        let package = package.as_ref().unwrap_or_else(|| self.tree.names.text(name));
        let named = |f: &&(Folder, ManifestId)| match wanted {
            Wanted::Link(path) => f.0.path == **path,
            _ => f.0.member && f.0.name == *package,
        };
        match (self.folders.iter().find(named), wanted) {
            (None, Wanted::Member(_)) => Err(Reason::NoMember { version: None }),
            (None, _) => Err(Reason::Unsupported(Unsupported::File)),
            (Some((folder, _)), Wanted::Member(range))
                if !range.is_star() && !range.satisfies(&folder.version) =>
            {
                Err(Reason::NoMember { version: Some(folder.version.to_string()) })
            }
            (Some((_, manifest)), _) => Ok(*manifest),
        }
    }

    fn add_importer(&mut self, request: &ImporterRequest) {
        let is_root = self.paths.is_empty();
        let names = &mut self.tree.names;
        let mut dependencies: Vec<Dep> = request
            .dependencies
            .iter()
            .map(|d| Dep { name: names.name(&d.alias), spec: names.spec(&d.range), kind: d.kind() })
            .filter(|d| !(self.legacy_peers && d.kind.is_peer()))
            .collect();
        if is_root {
            for (folder, _) in self.folders.iter().filter(|f| f.0.member) {
                let (name, spec) = (names.name(&folder.name), names.spec("workspace:*"));
                dependencies.retain(|d| names.fold(d.name) != names.fold(name));
                dependencies.push(Dep { name, spec, kind: Kind::Normal });
            }
        }
        mirror::order::sort_by(&mut dependencies, |a, b| {
            collate::compare(names.text(a.name).as_str(), names.text(b.name).as_str())
        });
        let dependencies = Dependencies::new(dependencies, names);
        // Never looked up: an importer has no folder in node_modules.
        let name = Name(u32::MAX);
        let manifest = ManifestId(self.tree.manifests.len() as u32);
        self.tree.manifests.push(Manifest {
            name,
            version: Version::new(0, 0, 0),
            dependencies,
            peers: Vec::new(),
            bundled: Vec::new(),
            origin: Origin::Importer,
        });
        let node = self.tree.add(name, Some(manifest), None);
        self.tree.add_importer(node, (!is_root).then_some(self.tree.root));
        if !is_root {
            self.members.push(node);
        }
        self.paths.push((node, request.path.clone()));
    }

    /// As npm: what the project itself asks for is not overridden.
    fn refuse_overridden(&self) -> Result<(), Failure> {
        let t = &self.tree;
        for &e in &t.node(t.root).edges_out {
            let edge = t.edge(e);
            if edge.spec != edge.own && !t.rules.overrules(edge.rule) {
                let text = |spec| t.names.value(spec).to_string();
                return Err(Failure::Overridden {
                    package: t.names.text(edge.name).to_string(),
                    range: text(edge.own),
                    by: text(edge.spec),
                });
            }
        }
        Ok(())
    }

    /// The tree that the lock's graph makes, with its places: npm leaves what stands where it stands.
    fn add_locked(&mut self, graph: &Graph) -> Result<(), Failure> {
        let names = &mut self.tree.names;
        let first = self.tree.manifests.len() as u32;
        for id in graph.ids() {
            let package = graph.package(id);
            let edges = package.dependencies.iter();
            let (dependencies, peers) = edges
                .map(|e| Dep { name: names.name(&e.alias), spec: names.spec(&e.range), kind: e.kind.into() })
                .partition(|d| !(self.legacy_peers && d.kind.is_peer()));
            let dependencies = Dependencies::new(dependencies, names);
            let bundled =
                package.bundled.iter().filter_map(|b| PackageName::parse(b).ok()).collect::<Vec<_>>();
            let name = names.name(&package.name);
            let bundled = bundled.iter().map(|b| names.name(b)).collect();
            self.tree.manifests.push(Manifest {
                name,
                version: package.version.clone(),
                dependencies,
                peers,
                bundled,
                origin: Origin::Locked(id),
            });
        }
        let placements = hoist::place(graph, &vec![true; graph.packages.len()])?;
        let mut nodes = Vec::with_capacity(placements.len());
        for placement in &placements {
            // Folders are what the manifests say today: members stand there already, others are linked anew.
            if graph.package(placement.package).is_linked() {
                nodes.push(self.tree.root);
                continue;
            }
            let name = self.tree.names.name(&placement.alias);
            let manifest = Some(ManifestId(first + placement.package.0));
            let node = match placement.link {
                None => self.tree.add(name, manifest, None),
                Some(to) => {
                    let node = self.tree.add(name, None, None);
                    self.tree.node_mut(node).manifest = manifest;
                    self.tree.node_mut(node).link = nodes.get(to as usize).copied();
                    node
                }
            };
            let parent = match placement.parent {
                Some(parent) => nodes.get(parent as usize).copied(),
                None => graph.importers.get(placement.importer as usize).and_then(|i| self.importer(&i.path)),
            };
            self.tree.attach(node, parent.unwrap_or(self.tree.root));
            nodes.push(node);
        }
        for &node in &nodes {
            let unsettled = |&e: &EdgeId| self.tree.edge(e).to.is_none() || !self.tree.is_valid(e);
            if self.tree.node(node).edges_out.iter().any(unsettled) {
                self.enqueue(node);
            }
        }
        Ok(())
    }

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

    /// The manifest of what a dependency's value asks for. The outer error ends
    /// the resolution, the inner one only if the dependency is not optional.
    pub fn choose(&mut self, name: Name, spec: SpecId) -> Result<Result<ManifestId, Reason>, Failure> {
        if let Some(known) = self.chosen.get(&(name, spec)) {
            return Ok(known.clone());
        }
        let parsed = self.tree.names.parsed(spec).clone();
        let package = parsed.package.as_ref().map_or(name, |p| self.tree.names.name(p));
        let answer = match &parsed.wanted {
            Wanted::Unsupported(kind) => Err(Reason::Unsupported(*kind)),
            Wanted::Member(_) | Wanted::Link(_) => self.folder(name, spec),
            wanted => match self.candidates(package)? {
                None => Err(Reason::UnknownName),
                Some(candidates) => {
                    let parts = if let Wanted::Range(range) = wanted { range.length() } else { 1 };
                    self.compared = self.compared.saturating_add(candidates.len().saturating_mul(parts));
                    if self.compared > MOST_COMPARED {
                        return Err(Failure::TooLarge { places: MOST_COMPARED });
                    }
                    let rules = self.rules.of(self.tree.names.text(package).as_str());
                    let found = choose_with(&*candidates, wanted, &rules, &mut |i| {
                        self.fits(package, &*candidates, i)
                    });
                    match found.map_err(index)? {
                        Some(i) => Ok(self.manifest(package, &*candidates, i)?),
                        None => Err(why_none(&*candidates, wanted, &rules)?),
                    }
                }
            },
        };
        self.chosen.insert((name, spec), answer.clone());
        Ok(answer)
    }

    /// Whether a version is for the node that is here. What is loaded for that is not loaded again.
    fn fits(&mut self, package: Name, candidates: &dyn Candidates, i: usize) -> crate::error::Result<bool> {
        if self.rules.node.is_unknown() {
            return Ok(true);
        }
        if let Some(known) = self.loaded.get(&(package, i))
            && let Origin::Index { record, .. } = &self.tree.manifests[known.0 as usize].origin
        {
            return Ok(self.rules.node.fits(&record.engines));
        }
        let record = candidates.load(i)?;
        let fits = self.rules.node.fits(&record.engines);
        self.looked_at = Some(((package, i), record));
        Ok(fits)
    }

    fn candidates(&mut self, package: Name) -> Result<Option<Rc<dyn Candidates>>, Failure> {
        if let Some(known) = self.packages.get(&package) {
            return Ok(known.clone());
        }
        let found = self.index.package(self.tree.names.text(package)).map_err(index)?;
        self.packages.insert(package, found.clone());
        Ok(found)
    }

    fn manifest(
        &mut self,
        package: Name,
        candidates: &dyn Candidates,
        i: usize,
    ) -> Result<ManifestId, Failure> {
        if let Some(&known) = self.loaded.get(&(package, i)) {
            return Ok(known);
        }
        let record = match self.looked_at.take() {
            Some((which, record)) if which == (package, i) => record,
            _ => candidates.load(i).map_err(index)?,
        };
        let (mut dependencies, mut peers) = (Vec::with_capacity(record.dependencies.len()), Vec::new());
        for d in &record.dependencies {
            let kind = match d.kind {
                DependencyKind::Normal => Kind::Normal,
                DependencyKind::Optional => Kind::Optional,
                DependencyKind::Peer => Kind::Peer,
                DependencyKind::PeerOptional => Kind::PeerOptional,
                DependencyKind::Dev => continue,
            };
            let aside = self.legacy_peers && kind.is_peer();
            let name = match PackageName::parse(&d.name) {
                Ok(name) => name,
                Err(_) if kind.is_optional() || aside => continue,
                Err(source) => {
                    let step = Step {
                        name: self.tree.names.text(package).to_string(),
                        version: Some(record.version.to_string()),
                    };
                    return Err(Failure::Name { source, dependant: step });
                }
            };
            let names = &mut self.tree.names;
            let dep = Dep { name: names.name(&name), spec: names.spec(&d.range), kind };
            if aside { peers.push(dep) } else { dependencies.push(dep) }
        }
        let dependencies = Dependencies::new(dependencies, &self.tree.names);
        let bundled = record.bundled.iter().filter_map(|b| PackageName::parse(b).ok()).collect::<Vec<_>>();
        let bundled = bundled.iter().map(|b| self.tree.names.name(b)).collect();
        let source = self.sources.entry(package).or_insert_with(|| candidates.source().into()).clone();
        let id = ManifestId(self.tree.manifests.len() as u32);
        self.tree.manifests.push(Manifest {
            name: package,
            version: record.version.clone(),
            dependencies,
            peers,
            bundled,
            origin: Origin::Index { source, record: Rc::new(record) },
        });
        self.loaded.insert((package, i), id);
        Ok(id)
    }

    /// Notes that something could not be loaded.
    pub fn fail(&mut self, name: Name, spec: SpecId, reason: Reason) -> u32 {
        let package = self.tree.names.parsed(spec).package.clone();
        let package = package.map_or(name, |p| self.tree.names.name(&p));
        self.failures.push(Unloaded { package, spec, reason });
        self.failures.len() as u32 - 1
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

/// Whether the manifests ask for anything that the lock was not made for.
fn asks_otherwise(importers: &[ImporterRequest], locked: &Graph) -> bool {
    let mut asked: Vec<_> = importers
        .iter()
        .flat_map(|i| i.dependencies.iter().map(|d| (i.path.as_str(), &d.alias, d.group, d.range.as_str())))
        .collect();
    let mut had: Vec<_> = locked
        .importers
        .iter()
        .flat_map(|i| i.dependencies.iter().map(|d| (i.path.as_str(), &d.alias, d.group, d.range.as_str())))
        .collect();
    mirror::order::sort(&mut asked);
    mirror::order::sort(&mut had);
    asked != had
}

/// Why nothing could be chosen.
fn why_none(candidates: &dyn Candidates, wanted: &Wanted, rules: &Rules) -> Result<Reason, Failure> {
    let fits = |i: usize| {
        let Ok(version) = Version::parse(candidates.version(i)) else { return false };
        match wanted {
            Wanted::Range(range) => range.is_star() || range.satisfies(&version),
            Wanted::Version(_, range) => range.satisfies(&version),
            Wanted::Tag(tag) => candidates.tag(tag) == Some(candidates.version(i)),
            Wanted::Unsupported(_) | Wanted::Member(_) | Wanted::Link(_) => false,
        }
    };
    let absent = (0..candidates.len()).rev().find(|&i| !candidates.is_available(i) && fits(i));
    Ok(match absent {
        Some(i) => Reason::Absent {
            version: candidates.version(i).to_string(),
            as_of: candidates.checked(),
            was_here: candidates.load(i).map_err(index)?.sha256.is_some(),
        },
        None => {
            let here =
                (0..candidates.len()).filter(|&i| candidates.is_available(i) && rules.in_time(candidates, i));
            Reason::NoVersion { available: here.map(|i| candidates.version(i).to_string()).collect() }
        }
    })
}
