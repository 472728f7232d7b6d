//! Packages as another lockfile lists them → a [`Graph`] in our order: what
//! nothing leads to is left out, and of packages that are alike there is one.

use crate::resolve::graph::{EdgeKind, Graph, Importer, Package, PackageId};
use mirror::name::PackageName;
use mirror::version::Version;
use std::collections::HashMap;

/// `packages` in any order, an id being a place in that list; their variants do
/// not count. Of those that are alike the first counts, and variants are
/// numbered in that order.
///
/// Packages of one name, version and source are alike as long as their edges
/// lead to the same: begin with all of them together, part those that differ,
/// until nothing changes.
pub fn unify(packages: Vec<Package>, importers: Vec<Importer>) -> Graph {
    let reached = reach(&packages, &importers);
    let class_of = classes(&packages, &reached);
    // The first package of each class, then those in the order of a graph.
    let mut taken = vec![false; packages.len()];
    let mut first: Vec<usize> = reached
        .iter()
        .copied()
        .filter(|&i| !std::mem::replace(&mut taken[class_of[i] as usize], true))
        .collect();
    mirror::order::sort_by_key(&mut first, |&i| identity(&packages[i]));
    let mut ids = vec![PackageId(0); packages.len()];
    for (id, &i) in first.iter().enumerate() {
        ids[class_of[i] as usize] = PackageId(id as u32);
    }
    let id = |target: &mut Option<PackageId>| {
        *target = target.map(|t| ids[class_of[t.index()] as usize]);
    };
    let mut graph = Graph { importers, packages: Vec::with_capacity(first.len()), places: Vec::new() };
    let mut packages: Vec<Option<Package>> = packages.into_iter().map(Some).collect();
    for i in first {
        let Some(mut package) = packages[i].take() else { continue };
        package.variant = match graph.packages.last() {
            Some(last) if (&last.name, &last.version) == (&package.name, &package.version) => {
                last.variant + 1
            }
            _ => 0,
        };
        package.dependencies.iter_mut().for_each(|e| id(&mut e.target));
        mirror::order::sort_by(&mut package.dependencies, |x, y| (&x.alias, x.kind).cmp(&(&y.alias, y.kind)));
        graph.packages.push(package);
    }
    for importer in &mut graph.importers {
        importer.dependencies.iter_mut().for_each(|w| id(&mut w.target));
        mirror::order::sort_by(&mut importer.dependencies, |x, y| {
            (&x.alias, x.group).cmp(&(&y.alias, y.group))
        });
    }
    mirror::order::sort_by(&mut graph.importers, |x, y| x.path.cmp(&y.path));
    graph
}

type Identity<'a> = (&'a PackageName, &'a Version, &'a str);

fn identity(package: &Package) -> Identity<'_> {
    (&package.name, &package.version, &package.source)
}

/// Where the edges of importers and packages lead, ascending.
fn reach(packages: &[Package], importers: &[Importer]) -> Vec<usize> {
    let mut seen = vec![false; packages.len()];
    let mut queue: Vec<PackageId> =
        importers.iter().flat_map(|i| &i.dependencies).filter_map(|w| w.target).collect();
    while let Some(id) = queue.pop() {
        if !std::mem::replace(&mut seen[id.index()], true) {
            queue.extend(packages[id.index()].dependencies.iter().filter_map(|e| e.target));
        }
    }
    (0..packages.len()).filter(|&i| seen[i]).collect()
}

/// Each package's class; `u32::MAX` for those that are not reached.
fn classes(packages: &[Package], reached: &[usize]) -> Vec<u32> {
    let mut of = vec![u32::MAX; packages.len()];
    let mut sizes: Vec<u32> = Vec::new();
    let mut known: HashMap<Identity<'_>, u32> = HashMap::new();
    for &i in reached {
        let next = known.len() as u32;
        of[i] = *known.entry(identity(&packages[i])).or_insert(next);
        sizes.resize(known.len(), 0);
        sizes[of[i] as usize] += 1;
    }
    loop {
        let mut parts: HashMap<(u32, Vec<_>), u32> = HashMap::new();
        let mut finer = of.clone();
        let mut counts: Vec<u32> = Vec::new();
        for &i in reached {
            // What stands alone cannot be parted.
            let edges = if sizes[of[i] as usize] > 1 { leads(&packages[i], &of) } else { Vec::new() };
            let next = parts.len() as u32;
            finer[i] = *parts.entry((of[i], edges)).or_insert(next);
            counts.resize(parts.len(), 0);
            counts[finer[i] as usize] += 1;
        }
        let done = counts.len() == sizes.len();
        (of, sizes) = (finer, counts);
        if done {
            return of;
        }
    }
}

/// A package's edges and the class each leads to.
fn leads<'a>(package: &'a Package, of: &[u32]) -> Vec<(&'a str, &'a str, EdgeKind, u32)> {
    let class = |target: Option<PackageId>| target.map_or(u32::MAX, |t| of[t.index()]);
    package
        .dependencies
        .iter()
        .map(|e| (e.alias.as_str(), e.range.as_str(), e.kind, class(e.target)))
        .collect()
}
