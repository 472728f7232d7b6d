//! From a dependency's value to the manifest of a version.

use super::{Builder, MOST_COMPARED, Unloaded, index};
use crate::resolve::choose::{Rules, choose_with};
use crate::resolve::failure::{Failure, Reason, Step};
use crate::resolve::graph::PACKED;
use crate::resolve::index::Candidates;
use crate::resolve::names::{Dep, Dependencies, Kind, Manifest, ManifestId, Name, Origin, SpecId};
use crate::resolve::spec::{Spec, Unsupported, Wanted};
use crate::resolve::{Folder, Packed};
use mirror::name::PackageName;
use mirror::record::{DependencyKind, VersionRecord};
use mirror::version::Version;
use std::rc::Rc;

impl Builder<'_> {
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
            Wanted::Packed(path) => match self.packed.iter().find(|p| *p.path == **path).cloned() {
                Some(Packed { name, record, .. }) => {
                    let name = self.tree.names.name(&name);
                    Ok(self.recorded(name, format!("{PACKED}{path}").into(), record)?)
                }
                None => Err(Reason::Unsupported(Unsupported::File)),
            },
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
        let source = self.sources.entry(package).or_insert_with(|| candidates.source().into()).clone();
        let id = self.recorded(package, source, record)?;
        self.loaded.insert((package, i), id);
        Ok(id)
    }

    /// The manifest that a record tells of.
    fn recorded(
        &mut self,
        package: Name,
        source: Rc<str>,
        record: VersionRecord,
    ) -> Result<ManifestId, Failure> {
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
        let id = ManifestId(self.tree.manifests.len() as u32);
        self.tree.manifests.push(Manifest {
            name: package,
            version: record.version.clone(),
            dependencies,
            peers,
            bundled,
            origin: Origin::Index { source, record: Rc::new(record) },
        });
        Ok(id)
    }

    /// Notes that something could not be loaded.
    pub fn fail(&mut self, name: Name, spec: SpecId, reason: Reason) -> u32 {
        let package = self.tree.names.parsed(spec).package.clone();
        let package = package.map_or(name, |p| self.tree.names.name(&p));
        self.failures.push(Unloaded { package, spec, reason });
        self.failures.len() as u32 - 1
    }
}

/// Why nothing could be chosen.
fn why_none(candidates: &dyn Candidates, wanted: &Wanted, rules: &Rules) -> Result<Reason, Failure> {
    let fits = |i: usize| {
        let Ok(version) = Version::parse(candidates.version(i)) else { return false };
        match wanted {
            Wanted::Range(range) => range.is_star() || range.satisfies(&version),
            Wanted::Version(_, range) => range.satisfies(&version),
            Wanted::Tag(tag) => candidates.tag(tag) == Some(candidates.version(i)),
            Wanted::Unsupported(_) | Wanted::Member(_) | Wanted::Link(_) | Wanted::Packed(_) => false,
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
