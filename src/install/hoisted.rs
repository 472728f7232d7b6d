//! The hoisted linker: npm's shape. A unit per top-level folder of
//! `node_modules`, with everything nested in it, and one for `.bin`.

use super::bins::{Bin, preferred};
use super::hoist::Placement;
use super::isolated::direct;
use super::store::Key;
use super::unit::{Op, Unit, bin_ops};
use crate::resolve::graph::Graph;
use std::collections::{BTreeMap, HashSet};

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
    let mut tops: BTreeMap<&str, Vec<Op>> = BTreeMap::new();
    // Folder that holds a `.bin` → command → its owner.
    let mut owners: BTreeMap<&str, BTreeMap<&str, (&str, bool, Bin)>> = BTreeMap::new();
    for placement in placements.iter().filter(|p| p.importer == at) {
        let (folder, key) = (graph.package(placement.package).folder(), keys[placement.package.index()]);
        if key.is_none() && folder.is_none() {
            continue;
        }
        let path = placement.path.strip_prefix(base.as_str()).unwrap_or(&placement.path);
        let (top, inside) = split_top(path);
        let ops = tops.entry(top).or_default();
        // A loop of nesting ends in a link to the folder it came from; without links, in a copy.
        let target = placement.link.filter(|_| symlinks).map(|to| &placements[to as usize].path);
        let (at, down) = (inside.to_string(), target.and_then(|to| placement.path.strip_prefix(to.as_str())));
        ops.push(match (down, folder, key) {
            (Some(down), ..) => Op::Link { at, target: vec![".."; down.matches('/').count() - 1].join("/") },
            (None, Some(folder), _) => Op::Link {
                at,
                target: format!("{}{folder}", "../".repeat(placement.path.matches('/').count())),
            },
            (None, None, Some(key)) => Op::Package { at, key, own: own[placement.package.index()] },
            (None, None, None) => continue,
        });
        let alias = placement.alias.as_str();
        // `…/node_modules` that this folder lies in, relative to the top `node_modules`.
        let home = path[..path.len() - alias.len()].trim_end_matches('/');
        let is_direct = home.is_empty() && named.contains(alias);
        for (name, target) in &graph.package(placement.package).bins {
            let commands = owners.entry(home).or_default();
            let bin = Bin::new(name, alias, target);
            match commands.get(name.as_str()) {
                Some((other, direct, _))
                    if preferred((other, *direct), (alias, is_direct), name.as_str()).is_le() => {}
                _ => {
                    commands.insert(name.as_str(), (alias, is_direct, bin));
                }
            }
        }
    }
    let mut top_bins = None;
    for (home, commands) in owners {
        let bins: Vec<Bin> = commands.into_values().map(|(_, _, bin)| bin).collect();
        if home.is_empty() {
            top_bins = Some(bins);
            continue;
        }
        let (top, inside) = split_top(home);
        if let Some(ops) = tops.get_mut(top) {
            ops.extend(bin_ops(&format!("{inside}/.bin"), &bins, symlinks));
        }
    }
    let mut units: Vec<Unit> = tops.into_iter().map(|(top, ops)| Unit::new(top.to_string(), ops)).collect();
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
