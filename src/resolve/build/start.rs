//! What stands before anything new is loaded: the importers, and the tree of the lock.

use super::Builder;
use crate::install::hoist;
use crate::resolve::collate;
use crate::resolve::failure::Failure;
use crate::resolve::graph::Graph;
use crate::resolve::index::Index;
use crate::resolve::names::{Dep, Dependencies, Kind, Manifest, ManifestId, Name, Names, Origin};
use crate::resolve::tree::{EdgeId, Tree};
use crate::resolve::{Folder, ImporterRequest, Packed, Request, overrides};
use mirror::name::PackageName;
use mirror::version::Version;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

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
            packed: request.importers.iter().flat_map(|i| i.packed.iter().cloned()).collect(),
            queue: BTreeSet::new(),
        };
        let mut importers: Vec<&ImporterRequest> = request.importers.iter().collect();
        mirror::order::sort_by(&mut importers, |a, b| a.path.cmp(&b.path));
        builder.tree.rules = match request.importers.iter().find(|i| i.path.is_empty()) {
            Some(root) => overrides::Rules::new(&root.overrides, &mut builder.tree.names),
            None => overrides::Rules::default(),
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
            // An archive that is still the one that was locked.
            let same =
                |p: &&Packed| package.packed() == Some(&p.path) && p.record.integrity == package.integrity;
            let origin = match self.packed.iter().find(same) {
                Some(p) => Origin::Index {
                    source: package.source.as_str().into(),
                    record: Rc::new(p.record.clone()),
                },
                None => Origin::Locked(id),
            };
            self.tree.manifests.push(Manifest {
                name,
                version: package.version.clone(),
                dependencies,
                peers,
                bundled,
                origin,
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
