//! The isolated linker: a virtual store inside the project.
//!
//! ```text
//! node_modules/react                 → .pantry/pkgs/react@19.2.0/node_modules/react
//! node_modules/.pantry/pkgs/
//!   react-dom@19.2.0/node_modules/
//!     react-dom/                     its files
//!     react                          → ../../react@19.2.0/node_modules/react
//!   node_modules/scheduler           → ../scheduler@0.27.0/node_modules/scheduler
//! ```
//!
//! The project sees its own dependencies, nothing else. A package sees its own first; behind them, in
//! `pkgs/node_modules`, lies one version of every other, because many load what they do not name
//! (webpack's loaders, Babel's and PostCSS's plugins): pnpm and bun do the same. All links are relative,
//! so the project can be moved.

use super::bins::{Bin, preferred};
use super::store::Key;
use super::unit::{Op, Unit, bin_ops};
use crate::resolve::graph::{Graph, Importer, PackageId};

/// Folder name of a package in a virtual store: `name@version`, a scope's `/`
/// written as `+`, a variant as `#n`. None of these can be part of a name's own
/// grammar in a way that makes two packages meet.
pub fn folder(graph: &Graph, id: PackageId) -> String {
    let package = graph.package(id);
    let name = package.name.as_str().replace('/', "+");
    match package.variant {
        0 => format!("{name}@{}", package.version),
        n => format!("{name}@{}#{n}", package.version),
    }
}

/// The packages of all importers. `keys` is `None` for what is not installed, and for folders; `own`: which
/// packages get files of their own, and the programs that their scripts may call.
pub fn packages(graph: &Graph, keys: &[Option<Key>], own: &[bool]) -> Vec<Unit> {
    let mut units = Vec::new();
    let included = |id: PackageId| keys[id.index()].is_some();
    for id in graph.ids() {
        let Some(key) = keys[id.index()] else { continue };
        let package = graph.package(id);
        let name = package.name.as_str();
        let mut ops = vec![Op::Directory { at: "node_modules".into() }];
        scope_directory(&mut ops, "node_modules", name);
        ops.push(Op::Package { at: format!("node_modules/{name}"), key, own: own[id.index()] });
        for edge in &package.dependencies {
            let Some(target) = edge.target else { continue };
            let folder_of_project = graph.package(target).folder();
            if !included(target) && folder_of_project.is_none() {
                continue;
            }
            let alias = edge.alias.as_str();
            // A package that depends on its own name under another version keeps seeing itself.
            if alias == name {
                continue;
            }
            scope_directory(&mut ops, "node_modules", alias);
            let up = if alias.contains('/') { "../../.." } else { "../.." };
            let target = match folder_of_project {
                Some(path) => format!("../../../{up}/{path}"),
                None => format!("{up}/{}/node_modules/{}", folder(graph, target), graph.package(target).name),
            };
            ops.push(Op::Link { at: format!("node_modules/{alias}"), target });
        }
        if own[id.index()] {
            let edges = package.dependencies.iter().filter_map(|e| Some((e.alias.as_str(), e.target?)));
            let included: Vec<bool> = keys.iter().map(Option::is_some).collect();
            ops.extend(bins(graph, edges, &included, "node_modules/.bin"));
        }
        units.push(Unit::new(format!(".pantry/pkgs/{}", folder(graph, id)), ops));
    }
    units
}

/// What packages find that they do not name: whoever comes first from the importers, level by level. A
/// link of its own each, so that a change of one touches no other. What the project asks for lies above.
pub fn undeclared(graph: &Graph, keys: &[Option<Key>]) -> Vec<Unit> {
    let mut seen: std::collections::HashSet<&str> = Default::default();
    let mut reached = vec![false; keys.len()];
    let mut found: Vec<(&str, PackageId)> = Vec::new();
    for importer in &graph.importers {
        found.extend(direct(importer));
        // The project's own importer is the first.
        if importer.path.is_empty() {
            seen.extend(found.iter().map(|(alias, _)| alias));
        }
    }
    let (mut units, mut at) = (Vec::new(), 0);
    while let Some(&(alias, id)) = found.get(at) {
        if keys[id.index()].is_some() {
            if seen.insert(alias) {
                let up = if alias.contains('/') { "../.." } else { ".." };
                let target = format!("{up}/{}/node_modules/{}", folder(graph, id), graph.package(id).name);
                let link = Op::Link { at: String::new(), target };
                units.push(Unit::new(format!(".pantry/pkgs/node_modules/{alias}"), vec![link]));
            }
            if !std::mem::replace(&mut reached[id.index()], true) {
                let edges = graph.package(id).dependencies.iter();
                found.extend(edges.filter_map(|e| Some((e.alias.as_str(), e.target?))));
            }
        }
        at += 1;
    }
    units
}

/// The links of one importer, and its commands. `included`: what is installed.
pub fn links(graph: &Graph, importer: &Importer, keys: &[Option<Key>], included: &[bool]) -> Vec<Unit> {
    let mut units = Vec::new();
    for (alias, id) in direct(importer).filter(|(_, id)| included[id.index()]) {
        let target = match (graph.package(id).folder(), importer.path.as_str()) {
            (Some(path), _) => format!("{}{path}", up(importer, alias)),
            (None, _) if keys[id.index()].is_none() => continue,
            (None, at) => {
                let base = match at {
                    "" => if alias.contains('/') { "../" } else { "" }.to_string(),
                    _ => format!("{}node_modules/", up(importer, alias)),
                };
                format!("{base}.pantry/pkgs/{}/node_modules/{}", folder(graph, id), graph.package(id).name)
            }
        };
        units.push(Unit::new(alias.to_string(), vec![Op::Link { at: String::new(), target }]));
    }
    units.extend(bin_unit(graph, importer, included));
    units
}

/// From where an importer's dependency lies to the project's root.
pub fn up(importer: &Importer, alias: &str) -> String {
    let own = importer.path.split('/').filter(|part| !part.is_empty()).count();
    "../".repeat(own + 1 + usize::from(alias.contains('/')))
}

/// Alias and package of an importer's dependencies, each alias once.
pub fn direct(importer: &Importer) -> impl Iterator<Item = (&str, PackageId)> {
    let mut seen: std::collections::HashSet<&str> = Default::default();
    importer
        .dependencies
        .iter()
        .filter_map(|w| w.target.map(|t| (w.alias.as_str(), t)))
        .filter(move |(alias, _)| seen.insert(alias))
}

/// `.bin` of an importer, holding the commands of its direct dependencies only.
pub fn bin_unit(graph: &Graph, importer: &Importer, included: &[bool]) -> Option<Unit> {
    let ops = bins(graph, direct(importer), included, "");
    (!ops.is_empty()).then(|| Unit::new(".bin".into(), ops))
}

/// A folder at `at` with the commands of these packages; nothing where they have none.
fn bins<'a>(
    graph: &Graph,
    packages: impl Iterator<Item = (&'a str, PackageId)>,
    included: &[bool],
    at: &str,
) -> Vec<Op> {
    let mut found: Vec<(&str, &str, Bin)> = Vec::new();
    for (alias, id) in packages.filter(|(_, id)| included[id.index()]) {
        let bins = graph.package(id).bins.iter();
        found.extend(bins.map(|(name, path)| (name.as_str(), alias, Bin::new(name, alias, path))));
    }
    // Of each command its owner is the first.
    mirror::order::sort_by(&mut found, |a, b| {
        a.0.cmp(b.0).then_with(|| preferred((a.1, true), (b.1, true), a.0))
    });
    found.dedup_by(|later, first| later.0 == first.0);
    let bins: Vec<Bin> = found.into_iter().map(|(_, _, bin)| bin).collect();
    if bins.is_empty() { Vec::new() } else { bin_ops(at, &bins, true) }
}

/// `@scope` must exist before what lies in it. What lies in one scope comes one after the other, but for
/// the package itself, which is first (a package may have a hundred thousand dependencies: no search).
pub fn scope_directory(ops: &mut Vec<Op>, under: &str, name: &str) {
    if let Some((scope, _)) = name.split_once('/') {
        let at = format!("{under}/{scope}");
        let is_in =
            |op: &Op| op.at().strip_prefix(at.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('/'));
        if ![ops.get(1), ops.last()].into_iter().flatten().any(is_in) {
            ops.push(Op::Directory { at });
        }
    }
}
