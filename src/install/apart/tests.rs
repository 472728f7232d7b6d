use super::*;
use crate::install::hoist::tests::{Packages, graphs, name};
use crate::install::store::Key;
use crate::install::unit::Unit;
use crate::install::{fill, hoist, hoisted};
use mirror::digest::{Algorithm, Integrity};
use mirror::version::Version;
use proptest::prelude::*;

type Part = (Packages, Vec<(usize, usize)>, u32);

/// Several graphs as one, with names of their own or with some in common, sorted as a lock is.
fn joined(parts: &[(&Part, usize, u64)]) -> Graph {
    let mut graph = Graph::default();
    let mut wanted: Vec<Wanted> = Vec::new();
    for ((packages, asked, _), names, number) in parts {
        let first = graph.packages.len();
        let mut part = hoist::tests::graph(packages, asked);
        let renamed = |alias: &PackageName| {
            let i: usize = alias.as_str()[1..].parse().unwrap();
            name(i + names)
        };
        let moved = |to: Option<PackageId>| to.map(|to| PackageId(to.0 + first as u32));
        for package in &mut part.packages {
            package.name = renamed(&package.name);
            package.version = Version::new(package.version.major, *number, 0);
            let bytes = format!("{}@{}", package.name, package.version);
            let bytes = mirror::digest::Hash::of(bytes.as_bytes()).0;
            package.integrity = Integrity::from_bytes(Algorithm::Sha256, &bytes);
            for edge in &mut package.dependencies {
                (edge.alias, edge.target) = (renamed(&edge.alias), moved(edge.target));
            }
            package.dependencies.sort_by(|a, b| a.alias.cmp(&b.alias));
        }
        let own = part.importers.remove(0).dependencies;
        wanted.extend(own.into_iter().map(|w| Wanted {
            alias: renamed(&w.alias),
            target: moved(w.target),
            ..w
        }));
        graph.packages.append(&mut part.packages);
    }
    wanted.sort_by(|a, b| a.alias.cmp(&b.alias));
    wanted.dedup_by(|a, b| a.alias == b.alias);
    let mut order: Vec<usize> = (0..graph.packages.len()).collect();
    let key = |i: usize| (graph.packages[i].name.clone(), graph.packages[i].version.clone());
    order.sort_by_key(|i| key(*i));
    let place = |id: PackageId| PackageId(order.iter().position(|i| *i == id.index()).unwrap() as u32);
    let mut packages: Vec<Package> = order.iter().map(|i| graph.packages[*i].clone()).collect();
    packages.iter_mut().flat_map(|p| &mut p.dependencies).for_each(|e| e.target = e.target.map(place));
    wanted.iter_mut().for_each(|w| w.target = w.target.map(place));
    let importers = vec![Importer { dependencies: wanted, ..Importer::default() }];
    Graph { importers, packages, places: Vec::new() }
}

fn units(graph: &Graph) -> Option<Vec<Unit>> {
    let on = vec![true; graph.packages.len()];
    let keys: Vec<Option<Key>> = fill::keys(graph, &on).unwrap();
    let placements = hoist::place(graph, &on).ok()?;
    Some(hoisted::units(graph, 0, &placements, &keys, &vec![false; on.len()], true))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    /// The tree of the whole is the tree that stood, without what goes and with what comes.
    #[test]
    fn what_stays_lies_where_it_lay(
        (stays, goes, comes) in (graphs(), graphs(), graphs()),
        (beyond, past) in (0usize..14, 0usize..21),
        (some, others) in (any::<bool>(), any::<bool>()),
    ) {
        let (went, came) = ((&goes, beyond, 1), (&comes, past, 2));
        let (old, new) = ([(&stays, 0, 0), went], [(&stays, 0, 0), came]);
        let (old, new) = (joined(&old[..1 + usize::from(some)]), joined(&new[..1 + usize::from(others)]));
        let (Some(before), Some(after)) = (units(&old), units(&new)) else { return Ok(()) };
        let Some(apart) = between(&old, &new) else {
            // Names of their own are enough.
            let meet = (some && beyond < 9) || (others && past < 9);
            let many = goes.0.len() + comes.0.len() > 12;
            prop_assert!(meet || many, "{old:#?}\n{new:#?}");
            return Ok(());
        };
        let mut told = before;
        told.retain(|unit| apart.gone.iter().all(|name| name.as_str() != unit.path));
        told.extend(units(&apart.graph).unwrap());
        told.sort_by(|a, b| a.path.cmp(&b.path));
        prop_assert_eq!(told, after);
    }
}
