//! pnpm's lockfile, versions 6 (pnpm 8) and 9 (pnpm 9 and newer).
//!
//! ```text
//! importers:
//!   .:                                     packages/b of the project: `packages/b`
//!     dependencies:
//!       a: {specifier: ^1, version: 1.0.0(c@2.0.0)}
//!       alias: {specifier: npm:c@^2, version: c@2.0.0}
//!       b: {specifier: workspace:*, version: link:packages/b}
//! packages:
//!   a@1.0.0: {resolution: {integrity: sha512-…}}
//! snapshots:                               (6: in packages, whose keys begin with `/`)
//!   a@1.0.0(c@2.0.0):                      a, where its peer c is 2.0.0
//!     dependencies: {c: 2.0.0}
//! ```
//!
//! Of folders and archives beside the manifests, the path stands for the version: `a@file:a.tgz`, in 6 without the name.
//!
//! A package with other peers is another one, as in our graph. Peers stand
//! among the dependencies; those that are not there are missing.

use super::problem::{Fault, Problem, at, common, named};
use super::{importers, local, takes};
use crate::json::{Scanner, Syntax, loose, yaml};
use crate::lockfile::{self, DEFAULT_SOURCE, LINK};
use crate::manifest::workspace::join;
use crate::resolve::ImporterRequest;
use crate::resolve::graph::{Edge, EdgeKind, Graph, Package, PackageId};
use mirror::digest::Integrity;
use mirror::name::PackageName;
use mirror::version::Version;
use std::collections::HashMap;

pub fn document(text: &str, asked: &[ImporterRequest]) -> Result<Graph, Fault> {
    let documents = yaml::documents(text)
        .map_err(|e| Fault { offset: Some(e.offset), problem: Problem::Grammar(e.problem) })?;
    // pnpm keeps what it needs for itself in a document of its own, in front.
    let Some(document) = documents.last() else {
        return Err(Fault { offset: None, problem: Problem::NoVersion });
    };
    let mut reader = Reader::default();
    let graph = reader.document(&document.json).and_then(|()| reader.graph(asked));
    graph.map_err(|fault| Fault { offset: fault.offset.map(|at| document.origin(at)), ..fault })
}

/// A package under one set of peers.
struct Snapshot {
    key: String,
    offset: usize,
    /// Alias, target as it is written, optional.
    edges: Vec<(PackageName, String, bool)>,
}

#[derive(Default)]
struct Archive {
    integrity: Option<Integrity>,
    tarball: Option<String>,
    elsewhere: Option<&'static str>,
    /// Of an archive of this machine, whose key may have neither.
    name: Option<String>,
    version: Option<String>,
}

#[derive(Default)]
struct Reader {
    is_old: bool,
    /// By importer's folder and alias: the target as it is written.
    wanted: HashMap<(String, String), (String, usize)>,
    archives: HashMap<String, Archive>,
    snapshots: Vec<Snapshot>,
}

impl Reader {
    fn document(&mut self, text: &str) -> Result<(), Fault> {
        let mut json = Scanner::new(text, Syntax::Json);
        let mut version = None;
        json.object()?;
        while let Some(key) = json.key()? {
            match &*key.name {
                "lockfileVersion" => {
                    let words = json.skip()?.trim_matches('"').to_string();
                    match words.split('.').next().and_then(|n| n.parse::<u64>().ok()) {
                        Some(6) => self.is_old = true,
                        Some(9) => {}
                        Some(n) if n < 9 => return at(key.offset, Problem::TooOld),
                        Some(_) => return at(key.offset, Problem::TooNew(words)),
                        None => return at(key.offset, Problem::NoVersion),
                    }
                    version = Some(());
                }
                "importers" => loose::members(&mut json, |json, key| {
                    let folder = if key.name == "." { "" } else { &*key.name };
                    loose::members(json, |json, group| self.group(json, folder, &group.name))
                })?,
                group @ ("dependencies" | "devDependencies" | "optionalDependencies") => {
                    self.group(&mut json, "", group)?;
                }
                "packages" => {
                    loose::members(&mut json, |json, key| self.package(json, &key.name, key.offset))?
                }
                "snapshots" => {
                    loose::members(&mut json, |json, key| self.snapshot(json, &key.name, key.offset))?
                }
                "patchedDependencies" => super::unpatched(&mut json)?,
                _ => drop(json.skip()?),
            }
        }
        json.end()?;
        version.ok_or(Fault { offset: None, problem: Problem::NoVersion })
    }

    fn group(&mut self, json: &mut Scanner<'_>, folder: &str, group: &str) -> Result<(), Fault> {
        if !group.ends_with("ependencies") {
            json.skip()?;
            return Ok(());
        }
        loose::members(json, |json, alias| {
            let mut target = None;
            loose::members::<Fault>(json, |json, field| {
                match &*field.name {
                    "version" => target = loose::text(json)?,
                    _ => drop(json.skip()?),
                }
                Ok(())
            })?;
            if let Some(target) = target {
                let place = (folder.to_string(), alias.name.into_owned());
                self.wanted.insert(place, (target.into_owned(), alias.offset));
            }
            Ok(())
        })
    }

    fn package(&mut self, json: &mut Scanner<'_>, key: &str, offset: usize) -> Result<(), Fault> {
        let key = key.strip_prefix('/').unwrap_or(key);
        let mut archive = Archive::default();
        let mut edges = Vec::new();
        loose::members::<Fault>(json, |json, field| {
            match &*field.name {
                "resolution" => resolution(json, &mut archive)?,
                "name" => archive.name = loose::text(json)?.map(Into::into),
                "version" => archive.version = Some(json.skip()?.trim_matches('"').into()),
                "dependencies" => targets(json, &mut edges, false)?,
                "optionalDependencies" => targets(json, &mut edges, true)?,
                _ => drop(json.skip()?),
            }
            Ok(())
        })?;
        let whole = key.to_string();
        let bare = without_peers(key).to_string();
        self.archives.entry(bare).or_insert(archive);
        if self.is_old {
            self.snapshots.push(Snapshot { key: whole, offset, edges });
        }
        Ok(())
    }

    fn snapshot(&mut self, json: &mut Scanner<'_>, key: &str, offset: usize) -> Result<(), Fault> {
        let mut edges = Vec::new();
        loose::members::<Fault>(json, |json, field| {
            match &*field.name {
                "dependencies" => targets(json, &mut edges, false)?,
                "optionalDependencies" => targets(json, &mut edges, true)?,
                _ => drop(json.skip()?),
            }
            Ok(())
        })?;
        self.snapshots.push(Snapshot { key: key.into(), offset, edges });
        Ok(())
    }

    fn graph(&self, asked: &[ImporterRequest]) -> Result<Graph, Fault> {
        let mut packages = Vec::with_capacity(self.snapshots.len());
        let mut known: HashMap<&str, PackageId> = HashMap::new();
        for (i, snapshot) in self.snapshots.iter().enumerate() {
            let offset = snapshot.offset;
            let key = without_peers(&snapshot.key);
            let archive = self.archives.get(key);
            let split = match archive.and_then(|a| a.name.as_deref()) {
                Some(name) if key.starts_with("file:") => Some((name, key)),
                _ => key.get(1..).and_then(|t| t.find('@')).map(|i| (&key[..=i], &key[i + 2..])),
            };
            let Some((name, version)) = split else { return at(offset, Problem::BadKey(key.into())) };
            if let Some(from) = archive.and_then(|a| a.elsewhere).or_else(|| elsewhere(version)) {
                return at(offset, Problem::Unsupported { package: name.into(), from });
            }
            let name = named(offset, PackageName::parse(name))?;
            let source = if version.starts_with("file:") { local(version, "") } else { None };
            let version = match &source {
                Some(source) if source.starts_with(LINK) => Version::new(0, 0, 0),
                Some(_) => named(
                    offset,
                    Version::parse_loose(archive.and_then(|a| a.version.as_deref()).unwrap_or("0.0.0")),
                )?,
                None => named(offset, Version::parse_loose(version))?,
            };
            let integrity = archive.and_then(|a| a.integrity.clone());
            let tarball = archive.and_then(|a| a.tarball.clone());
            let source = source.as_deref().unwrap_or(DEFAULT_SOURCE);
            packages.push(Package { integrity, tarball, ..Package::new(name, version, source) });
            if known.insert(&snapshot.key, PackageId(i as u32)).is_some() {
                return at(offset, common(lockfile::Problem::Twice(snapshot.key.clone())));
            }
        }
        let mut links = Links::default();
        let mut wanted: HashMap<(&str, &str), &str> = HashMap::new();
        wanted.extend(self.wanted.iter().map(|((folder, alias), (to, _))| ((&**folder, &**alias), &**to)));
        let mut folders: Vec<(String, &Snapshot)> = Vec::new();
        for (i, snapshot) in self.snapshots.iter().enumerate() {
            // What a folder asks for, its manifest does.
            if let Some(folder) = packages[i].folder() {
                folders.push((folder.to_string(), snapshot));
                continue;
            }
            for (alias, target, optional) in &snapshot.edges {
                let id = match links.find(&known, "", alias, target, &mut packages) {
                    None if !optional => {
                        let wants = format!("{alias} {target}");
                        return at(snapshot.offset, Problem::Absent { by: snapshot.key.clone(), wants });
                    }
                    id => id,
                };
                let kind = if *optional { EdgeKind::Optional } else { EdgeKind::Normal };
                packages[i].dependencies.push(Edge {
                    alias: alias.clone(),
                    range: String::new(),
                    kind,
                    target: id,
                });
            }
        }
        for (folder, snapshot) in &folders {
            wanted.extend(snapshot.edges.iter().map(|(alias, to, _)| ((&**folder, alias.as_str()), &**to)));
        }
        let importers = importers(asked, |manifest, d| {
            let target = wanted.get(&(&*manifest.path, d.alias.as_str()))?;
            let id = links.find(&known, &manifest.path, &d.alias, target, &mut packages)?;
            let package: &Package = &packages[id.index()];
            (package.is_local() || takes(&d.range, &package.version)).then_some(id)
        });
        Ok(Graph { importers, packages, ..Graph::default() })
    }
}

/// Folders of the workspace that packages of it lead to.
#[derive(Default)]
struct Links(HashMap<String, PackageId>);

impl Links {
    /// What a target stands for: `1.0.0(peer@2)` of the alias, `name@1.0.0`, `link:folder`.
    fn find(
        &mut self,
        known: &HashMap<&str, PackageId>,
        folder: &str,
        alias: &PackageName,
        target: &str,
        packages: &mut Vec<Package>,
    ) -> Option<PackageId> {
        if let Some(path) = target.strip_prefix(LINK) {
            let path = join(folder, path)?;
            if let Some(id) = self.0.get(&path) {
                return Some(*id);
            }
            let id = PackageId(packages.len() as u32);
            packages.push(Package::new(alias.clone(), Version::new(0, 0, 0), &format!("{LINK}{path}")));
            self.0.insert(path, id);
            return Some(id);
        }
        let target = target.strip_prefix('/').unwrap_or(target);
        let own = format!("{alias}@{target}");
        known.get(own.as_str()).or_else(|| known.get(target)).copied()
    }
}

/// `a@1.0.0(c@2.0.0)` without its peers.
fn without_peers(key: &str) -> &str {
    key.split('(').next().unwrap_or(key)
}

fn elsewhere(version: &str) -> Option<&'static str> {
    if version.contains(".git") || version.starts_with("git") || version.contains("codeload.") {
        Some("a git repository")
    } else if version.contains("://") {
        Some("an address")
    } else {
        None
    }
}

fn targets(
    json: &mut Scanner<'_>,
    edges: &mut Vec<(PackageName, String, bool)>,
    optional: bool,
) -> Result<(), Fault> {
    loose::members(json, |json, key| {
        let alias = named(key.offset, PackageName::parse(&key.name))?;
        // A version such as 10 is a number of YAML.
        let target = json.skip()?.trim_matches('"').to_string();
        edges.push((alias, target, optional));
        Ok(())
    })
}

fn resolution(json: &mut Scanner<'_>, archive: &mut Archive) -> Result<(), Fault> {
    loose::members(json, |json, key| {
        match &*key.name {
            "integrity" => {
                if let Some(text) = loose::text(json)? {
                    archive.integrity = Some(named(key.offset, Integrity::parse(&text))?);
                }
            }
            "tarball" => {
                if let Some(text) = loose::text(json)?.filter(|t| !t.starts_with("file:")) {
                    let Ok(url) = mirror::http::Url::parse(&text) else {
                        return at(key.offset, common(lockfile::Problem::BadUrl(text.into_owned())));
                    };
                    archive.tarball = Some(url.without_userinfo().to_string());
                }
            }
            "repo" | "commit" => {
                json.skip()?;
                archive.elsewhere = Some("a git repository");
            }
            _ => drop(json.skip()?),
        }
        Ok(())
    })
}
