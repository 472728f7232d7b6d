//! The hoisted linker: npm's shape. A unit per top-level folder of
//! `node_modules`, with everything nested in it, and one for `.bin`.

use super::bins::{Bin, preferred};
use super::hoist::Placement;
use super::isolated::direct;
use super::store::Key;
use super::unit::{Op, Unit, bin_ops};
use crate::resolve::graph::Graph;
use std::collections::HashSet;

/// What lies in the `node_modules` of one importer (its place in the graph).
/// `placements` come parents first, with paths relative to the project
/// (`node_modules/a/node_modules/b`). `own`: which packages get files of their own.
/// `symlinks`: whether the volume has them.
pub fn units(
    graph: &Graph,
    at: u32,
    placements: &[Placement],
    keys: &[Option<Key>],
    own: &[bool],
    symlinks: bool,
) -> Vec<Unit> {
    let importer = &graph.importers[at as usize];
    let base = match importer.path.as_str() {
        "" => "node_modules/".to_string(),
        path => format!("{path}/node_modules/"),
    };
    let named: HashSet<&str> = direct(importer).map(|(alias, _)| alias).collect();
    // Of each top-level folder, in the order in which they are made.
    let mut all: Vec<(&str, Op)> = Vec::with_capacity(placements.len());
    // Folder that holds a `.bin`, command, who has it.
    let mut commands: Vec<(&str, &str, (&str, bool), Bin)> = Vec::new();
    for placement in placements.iter().filter(|p| p.importer == at) {
        let (folder, key) = (graph.package(placement.package).folder(), keys[placement.package.index()]);
        if key.is_none() && folder.is_none() {
            continue;
        }
        let path = placement.path.strip_prefix(base.as_str()).unwrap_or(&placement.path);
        let (top, inside) = split_top(path);
        // A loop of nesting ends in a link to the folder it came from; without links, in a copy.
        let target = placement.link.filter(|_| symlinks).map(|to| &placements[to as usize].path);
        let (at, down) = (inside.to_string(), target.and_then(|to| placement.path.strip_prefix(to.as_str())));
        let op = match (down, folder, key) {
            (Some(down), ..) => Op::Link { at, target: vec![".."; down.matches('/').count() - 1].join("/") },
            (None, Some(folder), _) => Op::Link {
                at,
                target: format!("{}{folder}", "../".repeat(placement.path.matches('/').count())),
            },
            (None, None, Some(key)) => Op::Package { at, key, own: own[placement.package.index()] },
            (None, None, None) => continue,
        };
        all.push((top, op));
        let alias = placement.alias.as_str();
        // `…/node_modules` that this folder lies in, relative to the top `node_modules`.
        let home = path[..path.len() - alias.len()].trim_end_matches('/');
        let is_direct = home.is_empty() && named.contains(alias);
        for (name, target) in &graph.package(placement.package).bins {
            commands.push((home, name.as_str(), (alias, is_direct), Bin::new(name, alias, target)));
        }
    }
    let mut top_bins = None;
    // Of each command its owner is the first.
    mirror::order::sort_by(&mut commands, |a, b| {
        (a.0, a.1).cmp(&(b.0, b.1)).then_with(|| preferred(a.2, b.2, a.1))
    });
    commands.dedup_by(|later, first| (later.0, later.1) == (first.0, first.1));
    let mut commands = commands.into_iter().peekable();
    while let Some((home, _, _, first)) = commands.next() {
        let mut bins = vec![first];
        while let Some((_, _, _, bin)) = commands.next_if(|c| c.0 == home) {
            bins.push(bin);
        }
        if home.is_empty() {
            top_bins = Some(bins);
            continue;
        }
        let (top, inside) = split_top(home);
        all.extend(bin_ops(&format!("{inside}/.bin"), &bins, symlinks).into_iter().map(|op| (top, op)));
    }
    mirror::order::sort_by(&mut all, |a, b| a.0.cmp(b.0));
    let mut all = all.into_iter().peekable();
    let mut units = Vec::new();
    while let Some((top, first)) = all.next() {
        let mut ops = vec![first];
        while let Some((_, op)) = all.next_if(|next| next.0 == top) {
            ops.push(op);
        }
        units.push(Unit::new(top.to_string(), ops));
    }
    if let Some(bins) = top_bins {
        units.insert(0, Unit::new(".bin".into(), bin_ops("", &bins, symlinks)));
    }
    units
}

/// `@scope/a/node_modules/b` → (`@scope/a`, `node_modules/b`).
fn split_top(path: &str) -> (&str, &str) {
    let skip = if path.starts_with('@') { path.find('/').map_or(path.len(), |i| i + 1) } else { 0 };
    match path[skip..].find('/') {
        Some(i) => (&path[..skip + i], &path[skip + i + 1..]),
        None => (path, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::split_top;

    #[test]
    fn tops() {
        assert_eq!(split_top("react"), ("react", ""));
        assert_eq!(split_top("@a/b"), ("@a/b", ""));
        assert_eq!(split_top("@a/b/node_modules/c"), ("@a/b", "node_modules/c"));
        assert_eq!(split_top("x/node_modules/@s/y"), ("x", "node_modules/@s/y"));
    }
}
