//! Entries → graph: who finds whom, from the importers on.

use super::Entries;
use super::entry::{self, Declared, Entry, Place};
use crate::dependency::{self, Dialect, Source, SourceResolution, Value};
use crate::install::hoist;
use crate::lockfile::foreign::problem::{Fault, Problem, at, common};
use crate::lockfile::foreign::unify::unify;
use crate::lockfile::{self, DEFAULT_SOURCE, LINK};
use crate::manifest::workspace::join;
use crate::resolve::collate;
use crate::resolve::graph::{Edge, EdgeKind, Graph, Group, Importer, Package, PackageId, Wanted};
use mirror::digest::Integrity;
use mirror::name::PackageName;
use mirror::version::Version;
use std::collections::HashMap;

pub fn graph(entries: Entries<'_>) -> Result<Graph, Fault> {
    let mut walk = Walk { entries: &entries, edges: HashMap::new(), identities: HashMap::new() };
    let importers: Vec<usize> = (0..entries.list.len())
        .filter(|&i| entries.list[i].place == Place::Folder)
        .filter(|&i| !entries.list[i].is_extraneous || entries.list[i].path.is_empty())
        .filter(|&i| !entries.list[i].is_outside())
        .collect();
    walk.reach(&importers)?;
    walk.build(&importers, &walk.in_order())
}

/// Where an edge leads: an index of the declaration, and of the entry.
type Found = (usize, Option<usize>);

struct Walk<'a> {
    entries: &'a Entries<'a>,
    /// Of every entry that is reached: by alias, one an alias but for development dependencies.
    edges: HashMap<usize, Edges>,
    /// Of every entry that is a package of the graph.
    identities: HashMap<usize, Identity>,
}

struct Edges {
    found: Vec<Found>,
    /// What lies in the entry's own archive.
    bundled: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Identity {
    name: PackageName,
    version: Version,
    source: String,
}

impl<'a> Walk<'a> {
    fn entry(&self, i: usize) -> &'a Entry<'a> {
        &self.entries.list[i]
    }

    /// Follows all edges from the importers.
    fn reach(&mut self, importers: &[usize]) -> Result<(), Fault> {
        let mut queue = importers.to_vec();
        while let Some(i) = queue.pop() {
            if self.edges.contains_key(&i) {
                continue;
            }
            let edges = self.edges_of(i)?;
            for &(declared, target) in &edges.found {
                let Some(target) = target else { continue };
                if !self.identities.contains_key(&target) {
                    let identity = self.identity(target, &self.entry(i).declared[declared].alias)?;
                    self.identities.insert(target, identity);
                }
                queue.push(target);
            }
            self.edges.insert(i, edges);
        }
        Ok(())
    }

    fn identity(&self, i: usize, alias: &PackageName) -> Result<Identity, Fault> {
        let entry = self.entry(i);
        let name = entry.own_name().unwrap_or(alias).clone();
        match (&entry.version, &entry.place) {
            (version, Place::Folder) => {
                let version = version.clone().unwrap_or_else(|| Version::new(0, 0, 0));
                Ok(Identity { name, version, source: format!("{LINK}{}", entry.path) })
            }
            (Some(version), _) => {
                let source = entry.packed().unwrap_or_else(|| DEFAULT_SOURCE.into());
                Ok(Identity { name, version: version.clone(), source })
            }
            (None, _) => at(entry.offset, Problem::NoPackageVersion(entry.path.clone())),
        }
    }

    fn edges_of(&self, i: usize) -> Result<Edges, Fault> {
        let entry = self.entry(i);
        let mut edges = Edges { found: Vec::new(), bundled: entry.bundled.clone() };
        if entry.is_outside() {
            return Ok(edges);
        }
        for d in effective(&entry.declared) {
            let declared = &entry.declared[d];
            // What the project itself bundles is installed as anything else.
            if entry.place != Place::Folder && entry.bundled.iter().any(|b| b == declared.alias.as_str()) {
                continue;
            }
            let Some(found) = self.find(&entry.path, declared.alias.as_str()) else {
                if matches!(declared.group, Group::Normal | Group::Dev) {
                    let wants = format!("{} {}", declared.alias, declared.range);
                    let wants = wants.trim_end().to_string();
                    return at(declared.offset, Problem::Absent { by: entry.shown(), wants });
                }
                edges.found.push((d, None));
                continue;
            };
            if self.is_inside_archive(found) {
                edges.bundled.push(declared.alias.to_string());
                continue;
            }
            edges.found.push((d, Some(self.behind(found, declared)?)));
        }
        Ok(edges)
    }

    /// What Node finds for `name` from `path`: the nearest `node_modules` upwards that has it.
    fn find(&self, path: &str, name: &str) -> Option<usize> {
        let mut folder = path;
        let mut place = String::with_capacity(path.len() + name.len() + 14);
        loop {
            if !folder.ends_with("node_modules") {
                place.clear();
                place.push_str(folder);
                place.push_str(if folder.is_empty() { "node_modules/" } else { "/node_modules/" });
                place.push_str(name);
                if let Some(&i) = self.entries.by_path.get(place.as_str()) {
                    return Some(i);
                }
            }
            if folder.is_empty() {
                return None;
            }
            folder = folder.rfind('/').map_or("", |at| &folder[..at]);
        }
    }

    /// Whether the entry is part of a package's archive. What the project
    /// bundles is marked as well, and is not.
    fn is_inside_archive(&self, i: usize) -> bool {
        let entry = self.entry(i);
        let mut parts = entry.path.split("node_modules/");
        let (Some(folder), Some(top), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
            return false;
        };
        let top = format!("{folder}node_modules/{}", top.trim_end_matches('/'));
        let top = self.entries.by_path.get(top.as_str());
        entry.in_bundle && !top.is_some_and(|&t| self.entry(t).in_bundle)
    }

    /// The entry that counts: of a link, the folder. Only folders and packages of registries do.
    fn behind(&self, i: usize, declared: &Declared) -> Result<usize, Fault> {
        let entry = self.entry(i);
        if !entry.is_link {
            return match foreign(declared).filter(|_| entry.packed().is_none()) {
                Some(from) => at(entry.offset, Problem::Unsupported { package: entry.shown(), from }),
                None => Ok(i),
            };
        }
        let resolved = entry.resolved.as_deref().unwrap_or("");
        let Some(folder) = join("", resolved) else {
            return at(entry.offset, Problem::Outside(resolved.into()));
        };
        match self.entries.by_path.get(folder.as_str()) {
            Some(&folder) if self.entry(folder).place == Place::Folder => Ok(folder),
            _ => at(entry.offset, Problem::Absent { by: entry.path.clone(), wants: resolved.into() }),
        }
    }

    /// All packages: shallow ones first, then by path, as `resolve` visits them.
    fn in_order(&self) -> Vec<usize> {
        let mut nodes: Vec<(usize, Vec<u8>, usize)> = Vec::with_capacity(self.identities.len());
        for &i in self.identities.keys() {
            let path = &self.entry(i).path;
            let mut key = Vec::with_capacity(path.len() * 2 + 1);
            collate::key(path, &mut key);
            nodes.push((path.matches("node_modules/").count(), key, i));
        }
        mirror::order::sort(&mut nodes);
        nodes.into_iter().map(|n| n.2).collect()
    }

    /// Every entry that is a package, with its edges; then those that are alike as one.
    fn build(&self, importers: &[usize], nodes: &[usize]) -> Result<Graph, Fault> {
        let archives = self.archives(nodes)?;
        let mut ids = vec![PackageId(u32::MAX); self.entries.list.len()];
        for (id, &n) in nodes.iter().enumerate() {
            ids[n] = PackageId(id as u32);
        }
        let id = |target: Option<usize>| target.map(|t| ids[t]);
        let mut packages = Vec::with_capacity(nodes.len());
        for &n in nodes {
            let (entry, identity, edges) = (self.entry(n), &self.identities[&n], &self.edges[&n]);
            let edge = |(d, target): &Found| {
                let declared = &entry.declared[*d];
                let (alias, range) = (declared.alias.clone(), declared.range.clone());
                Some(Edge { alias, range, kind: kind(declared)?, target: id(*target) })
            };
            let (integrity, tarball) = archives.get(identity).cloned().unwrap_or_default();
            packages.push(Package {
                name: identity.name.clone(),
                version: identity.version.clone(),
                variant: 0,
                source: identity.source.clone(),
                integrity,
                tarball,
                // What a folder asks for, its importer does.
                dependencies: match entry.place {
                    Place::Folder => Vec::new(),
                    Place::Installed(_) => edges.found.iter().filter_map(edge).collect(),
                },
                bins: entry.bins.clone(),
                os: entry.os.clone(),
                cpu: entry.cpu.clone(),
                libc: entry.libc.clone(),
                engines: entry.engines.clone(),
                bundled: if entry.place == Place::Folder { Vec::new() } else { edges.bundled.clone() },
                install_script: entry.install_script,
                deprecated: entry.deprecated.clone(),
            });
        }
        let mut all = Vec::with_capacity(importers.len());
        for &i in importers {
            let entry = self.entry(i);
            let wanted = |(d, target): &Found| {
                let Declared { alias, range, group, .. } = entry.declared[*d].clone();
                Wanted { alias, range, group, target: id(*target) }
            };
            let dependencies = self.edges[&i].found.iter().map(wanted).collect();
            all.push(Importer { path: entry.path.clone(), dependencies, overrides: Vec::new() });
        }
        let mut graph = unify(packages, all);
        // What cannot be laid out is told by whoever is to lay it out.
        graph.places = hoist::places(&graph, self).unwrap_or_default();
        Ok(graph)
    }

    /// One version of one package is one archive, wherever it stands: the
    /// strongest hash that any of its entries has. Linked folders have none.
    fn archives(&self, nodes: &[usize]) -> Result<HashMap<&Identity, Archive>, Fault> {
        let mut archives: HashMap<&Identity, Archive> = HashMap::new();
        for &n in nodes {
            let (entry, identity) = (self.entry(n), &self.identities[&n]);
            if entry.place == Place::Folder {
                continue;
            }
            let tarball = match entry.packed() {
                Some(_) => None,
                None => entry::tarball(entry, &identity.name, &identity.version)?,
            };
            let Some((integrity, known)) = archives.get_mut(identity) else {
                archives.insert(identity, (entry.integrity.clone(), tarball));
                continue;
            };
            let strength = |i: &Option<Integrity>| i.as_ref().map(|i| i.algorithm());
            if strength(integrity) == strength(&entry.integrity) && *integrity != entry.integrity {
                return at(entry.offset, common(lockfile::Problem::TwoArchives(entry.shown())));
            }
            if strength(integrity) < strength(&entry.integrity) {
                integrity.clone_from(&entry.integrity);
            }
            // With one hash, one address will do.
            if tarball.is_none() {
                *known = None;
            }
        }
        Ok(archives)
    }
}

/// The layout that npm has made is the model of ours.
impl hoist::Model for Walk<'_> {
    fn importer(&self, path: &str) -> Option<u32> {
        self.entries.by_path.get(path).map(|&i| i as u32)
    }

    fn find(&self, from: u32, alias: &PackageName) -> Option<(u32, u32)> {
        let it = Self::find(self, &self.entry(from as usize).path, alias.as_str())?;
        let above = self.entry(it).path.strip_suffix(alias.as_str())?.strip_suffix("node_modules/")?;
        Some((hoist::Model::importer(self, above.trim_end_matches('/'))?, it as u32))
    }
}

/// Its hash and where it lies, as in [`Package`].
type Archive = (Option<Integrity>, Option<String>);

/// Which declarations count, by alias. As in npm one edge a name: an optional
/// dependency overrules a normal one, that a peer. Development dependencies,
/// which only folders have, stand beside them.
fn effective(declared: &[Declared]) -> Vec<usize> {
    let rank = |d: &Declared| match d.group {
        Group::Dev => 0,
        Group::Peer => 1,
        Group::Normal => 2,
        Group::Optional => 3,
    };
    let mut order: Vec<usize> = (0..declared.len()).collect();
    mirror::order::sort_by_key(&mut order, |&d| {
        (&declared[d].alias, declared[d].group == Group::Dev, rank(&declared[d]))
    });
    let mut out: Vec<usize> = Vec::with_capacity(order.len());
    for d in order {
        let same = |&last: &usize| {
            declared[last].alias == declared[d].alias
                && (declared[last].group == Group::Dev) == (declared[d].group == Group::Dev)
        };
        if out.last().is_some_and(same) {
            out.pop();
        }
        out.push(d);
    }
    out
}

/// `None`: only for whoever works on the folder.
fn kind(declared: &Declared) -> Option<EdgeKind> {
    match declared.group {
        Group::Normal => Some(EdgeKind::Normal),
        Group::Optional => Some(EdgeKind::Optional),
        Group::Peer if declared.optional_peer => Some(EdgeKind::PeerOptional),
        Group::Peer => Some(EdgeKind::Peer),
        Group::Dev => None,
    }
}

/// Where a dependency comes from, if not from a registry.
fn foreign(declared: &Declared) -> Option<&'static str> {
    if !declared.range.contains([':', '/']) {
        return None;
    }
    let value = Value::Text(declared.range.clone());
    match dependency::parse(declared.alias.as_str(), &value, Dialect::Npm, &SourceResolution::default())
        .ok()?
        .source
    {
        Source::Http { .. } => Some("an address"),
        Source::Git { .. } | Source::Github { .. } => Some("a git repository"),
        Source::Local { .. } => Some("a file"),
        _ => None,
    }
}
