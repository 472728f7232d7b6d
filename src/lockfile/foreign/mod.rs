//! Lockfiles that other package managers wrote → the resolved [`Graph`], with
//! exactly the versions that they hold. They are only read; what we write is
//! `pantry.lock`.
//!
//! | file | written by | what it tells |
//! |---|---|---|
//! | `package-lock.json`, `npm-shrinkwrap.json` | npm 7 and newer | everything, the layout too; at times without a hash |
//! | `pnpm-lock.yaml` | pnpm 8 and newer | who gets what, peers too; not what was asked for, nor commands |
//! | `yarn.lock` | yarn 1, and 2 to 4 | what each range came to; nothing of peers; from 2 on no hash |
//! | `bun.lock` | bun 1.2 and newer | who gets what, commands; not what wants to run scripts |
//! | `pantry.lock` | the earlier pantry | names and versions |
//!
//! What a file does not tell, the index of packages does ([`complete`]): mirrors
//! or a registry are asked for each package that it names, and for nothing else.
//! Folders and archives of this machine tell it themselves.
//!
//! ```text
//! bytes ─► npm | pnpm | yarn | bun | earlier ─► Foreign ─► complete (index) ─► unify ─► Graph
//! ```

mod bun;
pub mod complete;
mod earlier;
mod npm;
mod pnpm;
mod problem;
mod unify;
mod yarn;

use super::read::conflict;
use crate::dependency::is_archive;
use crate::error::{Error, Result};
use crate::json::{self, Excerpt};
use crate::manifest::workspace::join;
use crate::resolve::graph::{Graph, Importer, LINK, PACKED, Package, PackageId, Wanted};
use crate::resolve::spec::Spec;
use crate::resolve::{ImporterRequest, Packed, Requested};
use mirror::name::escape;
use mirror::version::Version;
use problem::{Fault, Problem};
use std::path::{Path, PathBuf};

/// Who wrote a lockfile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    Npm,
    Pnpm,
    Yarn,
    Bun,
    /// The pantry before this one; its file is called as ours.
    Earlier,
}

impl Maker {
    /// The files, in the order in which a project's are looked for.
    pub const FILES: [(&'static str, Self); 5] = [
        ("npm-shrinkwrap.json", Self::Npm),
        ("package-lock.json", Self::Npm),
        ("pnpm-lock.yaml", Self::Pnpm),
        ("bun.lock", Self::Bun),
        ("yarn.lock", Self::Yarn),
    ];

    /// By a file's name.
    pub fn of(file: &str) -> Option<Self> {
        Self::FILES.iter().find(|(name, _)| *name == file).map(|(_, maker)| *maker)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Npm => "npm",
            Self::Pnpm => "pnpm",
            Self::Yarn => "yarn",
            Self::Bun => "bun",
            Self::Earlier => "the earlier pantry",
        }
    }

    /// The newest version of its format that is known here.
    fn newest(self) -> &'static str {
        match self {
            Self::Npm => "3",
            Self::Pnpm => "9",
            Self::Yarn => "10",
            Self::Bun | Self::Earlier => "2",
        }
    }
}

/// A lockfile, read.
#[derive(Debug)]
pub struct Foreign {
    pub maker: Maker,
    graph: Graph,
    gaps: Gaps,
    /// The archives beside the manifests, as they are now.
    packed: Vec<Packed>,
}

/// What a lockfile leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gaps {
    /// Hashes, here and there. The graph is one.
    Hashes,
    /// What packages are like; the edges are there. Packages stand as they were read, alike ones too.
    Details,
    /// Also edges: to peers, or all of them.
    Edges,
}

/// Reads a lockfile. `asked`: what the manifests ask for. `path` is only for messages.
pub fn read(maker: Maker, bytes: &[u8], path: &Path, asked: &[ImporterRequest]) -> Result<Foreign> {
    let fail = |problem: Problem, excerpt| Err(problem.into_error(maker, path, excerpt));
    if bytes.len() > super::LIMIT {
        return fail(Problem::Common(super::Problem::TooLarge), None);
    }
    let lossy;
    let (text, result) = match json::text(bytes) {
        Ok(text) if text.trim_start_matches('\u{feff}').trim().is_empty() => {
            return fail(Problem::Common(super::Problem::Empty), None);
        }
        Ok(text) => (text, document(maker, text, asked)),
        Err(e) => {
            lossy = String::from_utf8_lossy(bytes);
            (&*lossy, Err(e.into()))
        }
    };
    let Fault { offset, problem } = match result {
        Ok((mut graph, gaps)) => {
            let root = asked.iter().find(|a| a.path.is_empty());
            for folder in root.iter().flat_map(|r| &r.folders) {
                let same = |p: &&mut Package| p.folder() == Some(&*folder.path);
                if let Some(package) = graph.packages.iter_mut().find(same) {
                    (package.name, package.version) = (folder.name.clone(), folder.version.clone());
                    package.bins.clone_from(&folder.bins);
                }
            }
            let packed = root.map(|r| r.packed.clone()).unwrap_or_default();
            return Ok(Foreign { maker, graph, gaps, packed });
        }
        Err(fault) => fault,
    };
    let (offset, problem) = match conflict(text) {
        Some(at) => (Some(at), Problem::Common(super::Problem::MergeConflict)),
        None if problem.is_torn() => (offset, Problem::Common(super::Problem::Torn)),
        None => (offset, problem),
    };
    fail(problem, offset.map(|at| Box::new(Excerpt::new(path, text, at))))
}

fn document(
    maker: Maker,
    text: &str,
    asked: &[ImporterRequest],
) -> std::result::Result<(Graph, Gaps), Fault> {
    match maker {
        Maker::Npm => Ok((overridden(npm::document(text)?, asked), Gaps::Hashes)),
        Maker::Pnpm => Ok((pnpm::document(text, asked)?, Gaps::Details)),
        Maker::Yarn => Ok((yarn::document(text, asked)?, Gaps::Edges)),
        Maker::Bun => Ok((overridden(bun::document(text, asked)?, asked), Gaps::Details)),
        Maker::Earlier => Ok((earlier::document(text, asked)?, Gaps::Edges)),
    }
}

/// The lockfile of another package manager in a project's folder.
pub fn path(root: &Path) -> Option<PathBuf> {
    let earlier = root.join(super::FILE);
    let is_earlier =
        || mirror::file::read(&earlier, super::LIMIT as u64).is_ok_and(|bytes| is_earlier(&bytes));
    if earlier.is_file() && is_earlier() {
        return Some(earlier);
    }
    Maker::FILES.iter().map(|(file, _)| root.join(file)).find(|path| path.exists())
}

/// The same, read, and its name.
pub fn find(root: &Path, asked: &[ImporterRequest]) -> Result<Option<(&'static str, Foreign)>> {
    path(root).map(|path| named(&path, asked)).transpose()
}

/// The lockfile at `path`, and its name, which tells who wrote it.
pub fn named(path: &Path, asked: &[ImporterRequest]) -> Result<(&'static str, Foreign)> {
    let name = path.file_name().unwrap_or_default();
    let known =
        [(super::FILE, Maker::Earlier)].into_iter().chain(Maker::FILES).find(|(file, _)| name == *file);
    let bytes = mirror::file::read(path, super::LIMIT as u64)?;
    match known {
        Some((_, Maker::Earlier)) if !is_earlier(&bytes) => Err(unknown(path)),
        Some((file, maker)) => Ok((file, read(maker, &bytes, path, asked)?)),
        None => Err(unknown(path)),
    }
}

fn unknown(path: &Path) -> Box<Error> {
    let files = Maker::FILES.map(|(file, _)| file);
    Box::new(Error::Usage {
        message: format!("{} is no lockfile of another package manager", escape(&path.to_string_lossy())),
        hint: Some(format!("those that can be read are called {}", files.join(", "))),
    })
}

/// Whether a pantry.lock is one of the earlier pantry's: ours begins with `lockfileVersion`.
pub fn is_earlier(bytes: &[u8]) -> bool {
    // Its beginning tells; every install asks.
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(256)]);
    let mut json = json::Scanner::new(&head, json::Syntax::Json);
    json.object().is_ok() && json.key().is_ok_and(|key| key.is_some_and(|key| key.name == "version"))
}

/// The source of a folder or an archive of this machine that a lockfile names by its path, from the folder `at`;
/// nothing of what is no path.
fn local(words: &str, at: &str) -> Option<String> {
    let path = ["file:", "link:", "portal:"].iter().find_map(|p| words.strip_prefix(p)).unwrap_or(words);
    let kind = if is_archive(path) { PACKED } else { LINK };
    Some(format!("{kind}{}", join(at, path)?))
}

/// The importers of manifests. What `target` has no answer for is not in the lock, which then does not fit.
fn importers(
    asked: &[ImporterRequest],
    mut target: impl FnMut(&ImporterRequest, &Requested) -> Option<PackageId>,
) -> Vec<Importer> {
    let mut importers = Vec::with_capacity(asked.len());
    for manifest in asked {
        let mut dependencies = Vec::with_capacity(manifest.dependencies.len());
        for d in &manifest.dependencies {
            let target = target(manifest, d);
            if target.is_some() {
                dependencies.push(Wanted {
                    alias: d.alias.clone(),
                    range: d.range.clone(),
                    group: d.group,
                    target,
                });
            }
        }
        importers.push(Importer {
            path: manifest.path.clone(),
            dependencies,
            overrides: manifest.overrides_as_text(),
        });
    }
    importers
}

/// A graph whose importers come from the lockfile: what its edges lead to, the manifests' overrides have made so.
/// Paths are written as they are in ours.
fn overridden(mut graph: Graph, asked: &[ImporterRequest]) -> Graph {
    let Graph { importers, packages, .. } = &mut graph;
    for importer in importers {
        let Some(manifest) = asked.iter().find(|a| a.path == importer.path) else { continue };
        importer.overrides = manifest.overrides_as_text();
        for wanted in &mut importer.dependencies {
            let source = wanted.target.map(|id| &packages[id.index()].source);
            let same = |d: &&Requested| d.alias == wanted.alias && Some(&d.range) == source;
            if let Some(d) = manifest.dependencies.iter().find(same) {
                wanted.range.clone_from(&d.range);
            }
        }
    }
    graph
}

/// Reads over `patchedDependencies`: what is patched is not what its archive holds.
fn unpatched(json: &mut json::Scanner<'_>) -> std::result::Result<(), Fault> {
    json::loose::members(json, |json, key| {
        json.skip()?;
        let package = key.name.into_owned();
        problem::at(key.offset, Problem::Unsupported { package, from: PATCH })
    })
}

/// Where a patched package comes from.
const PATCH: &str = "a patch of this project";

/// Whether a manifest's range would take this version.
fn takes(range: &str, version: &Version) -> bool {
    Spec::parse(range).is_satisfied_by(version)
}

#[cfg(test)]
mod tests;
