//! yarn's lockfile: of yarn 1 in a language of its own, of 2 to 4 in YAML.
//!
//! ```text
//! a@^1.0.0, a@^1.1.0:                          "a@npm:^1.0.0, a@npm:^1.1.0":
//!   version "1.1.0"                              version: 1.1.0
//!   resolved "https://…/a-1.1.0.tgz#<sha1>"      resolution: "a@npm:1.1.0"
//!   integrity sha512-…                           checksum: …      of yarn's own archive: no use here
//!   dependencies:                                dependencies:
//!     c "^2.0.0"                                   c: "npm:^2.0.0"
//! ```
//!
//! Folders and archives beside the manifests are `a@file:a.tgz`; of yarn 2 on, with whose manifest is meant behind it.
//!
//! A key is what was asked for; so an edge leads to the entry that has it among
//! its keys. Who gets which peer stands nowhere.

use super::problem::{Fault, Problem, at, common, named};
use super::{importers, local, takes};
use crate::json::{Scanner, Syntax, loose, yaml};
use crate::lockfile::{self, DEFAULT_SOURCE, LINK};
use crate::resolve::ImporterRequest;
use crate::resolve::graph::{Edge, EdgeKind, Graph, Package, PackageId};
use mirror::digest::Integrity;
use mirror::name::{PackageName, RelPath};
use mirror::version::Version;
use std::collections::HashMap;

/// Newest `__metadata.version` that is known: yarn 4.
const NEWEST: u64 = 10;

/// An entry of either language.
#[derive(Default)]
struct Entry {
    offset: usize,
    keys: Vec<String>,
    version: Option<String>,
    /// `resolved` without its fragment, or `resolution`.
    from: Option<String>,
    integrity: Option<String>,
    /// Alias, range, optional.
    edges: Vec<(String, String, bool)>,
    /// Dependencies that may be missing, of yarn 2 and newer.
    optional: Vec<String>,
}

pub fn document(text: &str, asked: &[ImporterRequest]) -> Result<Graph, Fault> {
    if text.lines().any(|l| l.starts_with("__metadata:")) {
        let documents = yaml::documents(text)
            .map_err(|e| Fault { offset: Some(e.offset), problem: Problem::Grammar(e.problem) })?;
        let Some(document) = documents.first() else {
            return Err(Fault { offset: None, problem: Problem::NoVersion });
        };
        let graph = berry(&document.json).and_then(|entries| graph(&entries, asked));
        return graph.map_err(|fault| Fault { offset: fault.offset.map(|at| document.origin(at)), ..fault });
    }
    graph(&classic(text)?, asked)
}

fn graph(entries: &[Entry], asked: &[ImporterRequest]) -> Result<Graph, Fault> {
    let mut packages = Vec::with_capacity(entries.len());
    let mut known: HashMap<String, PackageId> = HashMap::new();
    let mut read = Vec::with_capacity(entries.len());
    for entry in entries {
        let offset = entry.offset;
        let Some(first) = entry.keys.first() else { continue };
        let bad = || Fault { offset: Some(offset), problem: Problem::BadKey(first.clone()) };
        let (alias, range) = split(first).ok_or_else(bad)?;
        // A patch that yarn itself brings stands beside what it patches.
        if range.starts_with("patch:") && range.contains("builtin<") {
            continue;
        }
        let own = match entry.from.as_deref().and_then(split) {
            Some((name, from)) if from.starts_with("npm:") => Some(name),
            _ => range.strip_prefix("npm:").and_then(split).map(|(name, _)| name),
        };
        let name = named(offset, PackageName::parse(own.unwrap_or(alias)))?;
        let Some(version) = &entry.version else {
            return at(offset, Problem::NoPackageVersion(first.clone()));
        };
        let mut package = if let Some(folder) = range.strip_prefix("workspace:") {
            let folder =
                entry.from.as_deref().and_then(|f| f.split_once("workspace:")).map_or(folder, |f| f.1);
            if folder == "." {
                continue;
            }
            let Ok(path) = RelPath::normalise(folder) else {
                return at(offset, Problem::Outside(folder.into()));
            };
            Package::new(name, Version::new(0, 0, 0), &format!("{LINK}{path}"))
        } else if let Some(source) = of_machine(range) {
            let version = match source.starts_with(LINK) {
                true => Version::new(0, 0, 0),
                false => named(offset, Version::parse_loose(version))?,
            };
            known.insert(normal(alias, &source), PackageId(packages.len() as u32));
            Package::new(name, version, &source)
        } else {
            if let Some(from) = elsewhere(range, entry.from.as_deref().unwrap_or("")) {
                return at(offset, Problem::Unsupported { package: name.to_string(), from });
            }
            let version = named(offset, Version::parse_loose(version))?;
            let integrity = entry.integrity.as_deref().map(Integrity::parse).transpose();
            let integrity = named(offset, integrity)?;
            Package { integrity, ..Package::new(name, version, DEFAULT_SOURCE) }
        };
        if !package.is_local() {
            package.tarball = tarball(entry, &package)?;
        }
        let id = PackageId(packages.len() as u32);
        for key in &entry.keys {
            let (alias, range) = split(key).ok_or_else(bad)?;
            if known.insert(normal(alias, range), id).is_some_and(|other| other != id) {
                return at(offset, common(lockfile::Problem::Twice(key.clone())));
            }
        }
        packages.push(package);
        read.push(entry);
    }
    for (i, entry) in read.iter().enumerate() {
        if packages[i].is_linked() {
            continue;
        }
        for (alias, range, optional) in &entry.edges {
            let optional = *optional || entry.optional.contains(alias);
            let target = known.get(&normal(alias, range)).copied();
            if target.is_none() && !optional {
                let wants = format!("{alias} {range}");
                return at(entry.offset, Problem::Absent { by: entry.keys[0].clone(), wants });
            }
            let alias = named(entry.offset, PackageName::parse(alias))?;
            let kind = if optional { EdgeKind::Optional } else { EdgeKind::Normal };
            packages[i].dependencies.push(Edge { alias, range: plain(range).into(), kind, target });
        }
    }
    let importers = importers(asked, |_, d| {
        let id = known.get(&normal(d.alias.as_str(), &d.range)).copied()?;
        let package = &packages[id.index()];
        (package.is_local() || takes(&d.range, &package.version)).then_some(id)
    });
    Ok(Graph { importers, packages, ..Graph::default() })
}

/// `@s/a@^1` → (`@s/a`, `^1`).
fn split(key: &str) -> Option<(&str, &str)> {
    let at = key.get(1..)?.find('@')? + 1;
    Some((&key[..at], &key[at + 1..]))
}

/// One spelling of what is asked for: yarn 2 and newer put `npm:` before ranges, too.
fn normal(alias: &str, range: &str) -> String {
    format!("{alias}@{}", plain(range))
}

fn plain(range: &str) -> &str {
    match range.strip_prefix("npm:") {
        Some(rest) if split(rest).is_none() => rest,
        _ => range,
    }
}

/// The source of a folder or an archive of this machine.
fn of_machine(range: &str) -> Option<String> {
    let (path, whose) = range.split_once("::").unwrap_or((range, ""));
    let is_path = ["file:", "link:", "portal:", "./", "../"].iter().any(|p| path.starts_with(p));
    // `locator=app%40workspace%3Apackages%2Fa`
    let at = whose.split_once("workspace%3A").map_or("", |(_, at)| at.split('&').next().unwrap_or(at));
    is_path.then(|| local(path, &at.replace("%2F", "/")))?
}

fn elsewhere(range: &str, from: &str) -> Option<&'static str> {
    let either = |f: &dyn Fn(&str) -> bool| f(range) || f(from);
    if either(&|t| t.starts_with("patch:") || t.contains("@patch:")) {
        Some(super::PATCH)
    } else if range.starts_with("git")
        || range.contains(".git")
        || from.contains(".git")
        || from.contains("codeload.")
    {
        Some("a git repository")
    } else if range.contains("://") {
        Some("an address")
    } else {
        None
    }
}

/// Where the archive lies, if not where it is looked for anyway.
fn tarball(entry: &Entry, package: &Package) -> Result<Option<String>, Fault> {
    match entry.from.as_deref().filter(|f| f.starts_with("http:") || f.starts_with("https:")) {
        Some(from) => super::npm::entry::address(from, &package.name, &package.version)
            .map_err(|problem| Fault { offset: Some(entry.offset), problem }),
        None => Ok(None),
    }
}

/// Entries of YAML that became JSON.
fn berry(text: &str) -> Result<Vec<Entry>, Fault> {
    let mut json = Scanner::new(text, Syntax::Json);
    let mut entries = Vec::new();
    json.object()?;
    while let Some(key) = json.key()? {
        if key.name == "__metadata" {
            metadata(&mut json)?;
            continue;
        }
        let mut entry = Entry { offset: key.offset, ..Entry::default() };
        entry.keys = key.name.split(", ").map(str::to_string).collect();
        loose::members::<Fault>(&mut json, |json, field| {
            match &*field.name {
                "version" => entry.version = Some(json.skip()?.trim_matches('"').into()),
                "resolution" => entry.from = loose::text(json)?.map(Into::into),
                "dependencies" => loose::members::<Fault>(json, |json, key| {
                    let range = json.string()?.into_owned();
                    entry.edges.push((key.name.into_owned(), range, false));
                    Ok(())
                })?,
                "dependenciesMeta" => loose::members::<Fault>(json, |json, dependency| {
                    let mut optional = false;
                    loose::members::<Fault>(json, |json, key| {
                        optional |= loose::truth(json)? && key.name == "optional";
                        Ok(())
                    })?;
                    entry.optional.extend(optional.then(|| dependency.name.into_owned()));
                    Ok(())
                })?,
                _ => drop(json.skip()?),
            }
            Ok(())
        })?;
        entries.push(entry);
    }
    json.end()?;
    Ok(entries)
}

fn metadata(json: &mut Scanner<'_>) -> Result<(), Fault> {
    loose::members(json, |json, key| {
        let value = json.skip()?.trim_matches('"');
        match value.parse::<u64>() {
            Ok(n) if key.name == "version" && n > NEWEST => at(key.offset, Problem::TooNew(value.into())),
            _ => Ok(()),
        }
    })
}

/// Entries of yarn 1: lines, whose indentation tells what they belong to.
fn classic(text: &str) -> Result<Vec<Entry>, Fault> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut section = String::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let here = offset;
        offset += line.len();
        let line = line.trim_start_matches('\u{feff}').trim_end();
        let words = line.trim_start_matches(' ');
        if words.is_empty() || words.starts_with('#') {
            continue;
        }
        let grammar = |problem| Fault { offset: Some(here), problem: Problem::Grammar(problem) };
        let (key, value) = match words.strip_suffix(':') {
            Some(key) => (key, None),
            None => {
                let (key, rest) =
                    word(words).ok_or_else(|| grammar("this text is not closed in its line"))?;
                let (value, rest) =
                    word(rest.trim_start()).ok_or_else(|| grammar("this text is not closed in its line"))?;
                if !rest.trim().is_empty() || value.is_empty() {
                    return Err(grammar("expected a name and a value"));
                }
                (key, Some(value))
            }
        };
        match (line.len() - words.len(), value, entries.last_mut()) {
            (0, None, _) => {
                let keys = key.split(", ").map(|k| k.trim_matches('"').to_string()).collect();
                entries.push(Entry { offset: here, keys, ..Entry::default() });
                section.clear();
            }
            (2, None, Some(_)) => section = key.into(),
            (2, Some(value), Some(entry)) => {
                section.clear();
                match key {
                    "version" => entry.version = Some(value.into()),
                    "resolved" => entry.from = Some(value.split('#').next().unwrap_or(value).into()),
                    "integrity" => entry.integrity = Some(value.into()),
                    _ => {}
                }
            }
            (4, Some(value), Some(entry)) => match section.as_str() {
                "dependencies" => entry.edges.push((key.into(), value.into(), false)),
                "optionalDependencies" => entry.edges.push((key.into(), value.into(), true)),
                _ => {}
            },
            _ => return Err(grammar("this line belongs to nothing above")),
        }
    }
    Ok(entries)
}

/// The first word of a line, which may stand in quotes, and the rest.
fn word(text: &str) -> Option<(&str, &str)> {
    match text.strip_prefix('"') {
        Some(rest) => rest.split_once('"'),
        None => Some(text.split_once(' ').unwrap_or((text, ""))),
    }
}
