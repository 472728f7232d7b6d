//! What a lockfile leaves open, from the index of packages.

use super::unify::unify;
use super::{Foreign, Gaps, takes};
use crate::error::{Error, Missing, Result, Status, Whereabouts};
use crate::resolve::choose::find;
use crate::resolve::failure::{self, Reason};
use crate::resolve::graph::{Edge, EdgeKind, Graph, Group, Package, PackageId};
use crate::resolve::index::Index;
use crate::resolve::spec::Spec;
use crate::resolve::{Resolution, Warning};
use mirror::digest::Integrity;
use mirror::name::{BinName, PackageName, RelPath, escape};
use mirror::record::{Dependency, DependencyKind, VersionRecord};
use std::collections::HashMap;

impl Foreign {
    /// The packages that the index will be asked for, with their versions.
    pub fn questions(&self) -> Vec<(PackageName, String)> {
        let asked =
            |p: &&Package| !p.is_local() && (self.gaps != Gaps::Hashes || !is_strong(p.integrity.as_ref()));
        self.graph.packages.iter().filter(asked).map(|p| (p.name.clone(), p.version.to_string())).collect()
    }

    /// Whether archives of this machine have something to tell.
    pub fn has_archives(&self) -> bool {
        !self.packed.is_empty()
    }

    /// Gives each package the authority that its name belongs to here: lockfiles of others do not say.
    pub fn set_sources(&mut self, source: &dyn Fn(&PackageName) -> String) {
        for package in self.graph.packages.iter_mut().filter(|p| !p.is_local()) {
            package.source = source(&package.name);
        }
    }

    /// The graph, where there are no questions.
    pub fn into_graph(self) -> Graph {
        match self.gaps {
            Gaps::Hashes => self.graph,
            Gaps::Details | Gaps::Edges => {
                let Graph { packages, importers, places } = self.graph;
                Graph { places, ..unify(packages, importers) }
            }
        }
    }

    /// The graph, with what is open taken from `index`. An optional dependency that it does not know is left out,
    /// any other package is an error; one that it knows under another hash is refused where its archive is read.
    pub fn complete(&mut self, index: &dyn Index) -> Result<Resolution> {
        let mut by_name: HashMap<PackageName, Vec<usize>> = HashMap::new();
        for (i, package) in self.graph.packages.iter().enumerate() {
            by_name.entry(package.name.clone()).or_default().push(i);
        }
        let mut absent = Vec::new();
        for i in 0..self.graph.packages.len() {
            let package = &self.graph.packages[i];
            let strong = is_strong(package.integrity.as_ref());
            if package.is_linked() || self.gaps == Gaps::Hashes && strong {
                continue;
            }
            if let Some(path) = package.packed() {
                // One that is not there, or another by now, is told by whoever compares it with the manifests.
                let now = self.packed.iter().find(|p| p.path == path && p.name == package.name);
                let Some(record) = now.map(|p| p.record.clone()) else { continue };
                if !strong {
                    self.graph.packages[i].integrity.clone_from(&record.integrity);
                }
                if self.gaps != Gaps::Hashes {
                    let edges = self.edges(i, &record, &by_name)?;
                    self.graph.packages[i].dependencies = edges;
                    details(&mut self.graph.packages[i], record);
                }
                continue;
            }
            let known = index.package(&package.name)?;
            let found = known.as_ref().and_then(|c| Some((c, find(&**c, &package.version)?)));
            let Some((candidates, at)) = found else {
                absent.push((PackageId(i as u32), Reason::UnknownName));
                continue;
            };
            let record = candidates.load(at)?;
            if !strong {
                self.graph.packages[i].integrity.clone_from(&record.integrity);
                // Neither its hash nor its bytes: nothing could be locked.
                if !is_strong(record.integrity.as_ref()) && !candidates.is_available(at) {
                    let version = record.version.to_string();
                    let (as_of, was_here) = (candidates.checked(), false);
                    absent.push((PackageId(i as u32), Reason::Absent { version, as_of, was_here }));
                }
            }
            if self.gaps != Gaps::Hashes {
                let edges = self.edges(i, &record, &by_name)?;
                let package = &mut self.graph.packages[i];
                package.dependencies = edges;
                details(package, record);
            }
        }
        let mut warnings = Vec::new();
        for (id, reason) in absent {
            warnings.push(Warning::LeftOut(self.leave_out(id, reason)?));
        }
        let (maker, gaps) = (self.maker, if warnings.is_empty() { self.gaps } else { Gaps::Details });
        let graph =
            Self { maker, gaps, graph: std::mem::take(&mut self.graph), packed: Vec::new() }.into_graph();
        Ok(Resolution { graph, warnings })
    }

    /// Cuts the edges to a package that cannot be had, all of which have to be optional.
    fn leave_out(&mut self, id: PackageId, reason: Reason) -> Result<failure::Missing> {
        let package = self.graph.package(id);
        let (name, range) = (package.name.to_string(), package.version.to_string());
        let chain = self.graph.chain(id);
        let mut is_optional = true;
        for package in &mut self.graph.packages {
            for edge in package.dependencies.iter_mut().filter(|e| e.target == Some(id)) {
                is_optional &= matches!(edge.kind, EdgeKind::Optional | EdgeKind::PeerOptional);
                edge.target = None;
            }
        }
        for wanted in self.graph.importers.iter_mut().flat_map(|i| &mut i.dependencies) {
            if wanted.target == Some(id) {
                is_optional &= wanted.group == Group::Optional;
                wanted.target = None;
            }
        }
        if is_optional {
            return Ok(failure::Missing { package: name, range, reason, chain: Vec::new(), last_seen: None });
        }
        let whereabouts = Whereabouts::Unknown;
        let missing = Missing { package: name, range, chain, whereabouts, last_seen: None };
        Err(Box::new(Error::Missing(Box::new(missing))))
    }

    /// The edges that the record names, each to where the lockfile leads, or to whoever in it will do.
    fn edges(
        &self,
        i: usize,
        record: &VersionRecord,
        by_name: &HashMap<PackageName, Vec<usize>>,
    ) -> Result<Vec<Edge>> {
        let package = &self.graph.packages[i];
        let told = &package.dependencies;
        let mut edges: Vec<Edge> = Vec::with_capacity(told.len());
        let mut named: Vec<&Dependency> = record.dependencies.iter().collect();
        // As npm: one edge a name; a normal one overrules a peer, an optional one both.
        mirror::order::sort_by_key(&mut named, |d| (&d.name, rank(d.kind)));
        for dependency in named {
            let Ok(alias) = PackageName::parse(&dependency.name) else { continue };
            if record.bundled.contains(&dependency.name) {
                continue;
            }
            let led = told.iter().find(|e| e.alias == alias).and_then(|e| e.target);
            let mut kind = match dependency.kind {
                DependencyKind::Optional => EdgeKind::Optional,
                DependencyKind::Peer => EdgeKind::Peer,
                DependencyKind::PeerOptional => EdgeKind::PeerOptional,
                _ => EdgeKind::Normal,
            };
            let target = match led {
                None if self.gaps == Gaps::Edges => self.somebody(&alias, &dependency.range, by_name),
                led => led,
            };
            match (target, kind) {
                // The other package manager was content without it.
                (None, EdgeKind::Peer) => kind = EdgeKind::PeerOptional,
                (None, EdgeKind::Normal) => {
                    return Err(Box::new(Error::Other {
                        status: Status::Failed,
                        message: format!(
                            "{}@{} depends on {alias} {}, which is not in the lockfile of {}",
                            package.name,
                            package.version,
                            escape(&dependency.range),
                            self.maker.name()
                        ),
                        hints: vec![
                            "make it anew with its own package manager, or delete it to go by the manifest"
                                .into(),
                        ],
                    }));
                }
                _ => {}
            }
            if edges.last().is_some_and(|e| e.alias == alias) {
                edges.pop();
            }
            edges.push(Edge { alias, range: dependency.range.clone(), kind, target });
        }
        // What the project added to the package by its settings.
        for edge in told {
            if edges.iter().all(|e| e.alias != edge.alias)
                && !record.bundled.iter().any(|b| b == edge.alias.as_str())
                && let Some(target) = edge.target
            {
                let range = self.graph.package(target).version.to_string();
                edges.push(Edge { range, ..edge.clone() });
            }
        }
        Ok(edges)
    }

    /// Where nobody says which: what the project itself has, else the highest that will do.
    fn somebody(
        &self,
        alias: &PackageName,
        range: &str,
        by_name: &HashMap<PackageName, Vec<usize>>,
    ) -> Option<PackageId> {
        let package = |id: PackageId| self.graph.package(id);
        let root = self.graph.importers.iter().find(|i| i.path.is_empty());
        let own = root.and_then(|i| {
            i.dependencies.iter().find(|w| w.alias == *alias && w.group != Group::Peer)?.target
        });
        if let Some(own) = own.filter(|own| takes(range, &package(*own).version)) {
            return Some(own);
        }
        let name = Spec::parse(range).package;
        let all = by_name.get(name.as_ref().unwrap_or(alias))?.iter().map(|&i| PackageId(i as u32));
        all.filter(|id| takes(range, &package(*id).version)).max_by_key(|id| &package(*id).version)
    }
}

fn is_strong(integrity: Option<&Integrity>) -> bool {
    integrity.is_some_and(|i| i.algorithm().is_strong())
}

fn rank(kind: DependencyKind) -> u8 {
    match kind {
        DependencyKind::Optional => 2,
        DependencyKind::Peer | DependencyKind::PeerOptional => 0,
        _ => 1,
    }
}

/// What the package is like.
fn details(package: &mut Package, record: VersionRecord) {
    let usable = record.bins.iter().filter_map(|(command, path)| {
        let last = command.rsplit(['/', '\\', ':']).next().unwrap_or(command);
        Some((BinName::parse(last).ok()?, RelPath::normalise(path).ok()?))
    });
    package.bins = usable.collect();
    mirror::order::sort(&mut package.bins);
    package.bins.dedup_by(|x, y| x.0 == y.0);
    package.os = record.os;
    package.cpu = record.cpu;
    package.libc = record.libc;
    package.engines = record.engines;
    package.bundled = record.bundled;
    package.install_script = record.install_script;
    package.deprecated = record.deprecated;
    if package.tarball.is_none() {
        package.tarball = record.tarball;
    }
}
