use super::*;
use crate::resolve::graph::{Edge, Group, Importer, Package, Wanted};
use mirror::version::Version;
use proptest::prelude::*;

/// Every need of every folder is met by what Node finds from there; parents come first.
#[track_caller]
pub fn check(graph: &Graph) {
    let places = place(graph, &vec![true; graph.packages.len()]).unwrap();
    check_places(graph, &places, &vec![true; graph.packages.len()]);
}

#[track_caller]
fn check_places(graph: &Graph, places: &[Placement], included: &[bool]) {
    let by_path: std::collections::HashMap<&str, &Placement> =
        places.iter().map(|p| (p.path.as_str(), p)).collect();
    assert_eq!(by_path.len(), places.len(), "no path twice");
    let find = |from: &str, alias: &PackageName| {
        let mut folder = from;
        loop {
            let slash = if folder.is_empty() { "" } else { "/" };
            let path = format!("{folder}{slash}node_modules/{alias}");
            if let Some(p) = by_path.get(path.as_str()) {
                return Some(p.package);
            }
            if folder.is_empty() {
                return None;
            }
            // Up to the folder around, or from a member to the project.
            folder = folder.rfind("node_modules/").map_or("", |i| folder[..i].trim_end_matches('/'));
        }
    };
    for (i, p) in places.iter().enumerate() {
        assert!(p.parent.is_none_or(|parent| (parent as usize) < i));
        assert!(included[p.package.index()]);
        if let Some(to) = p.link {
            let to = &places[to as usize];
            assert!(to.package == p.package && p.path.starts_with(&format!("{}/", to.path)), "{p:?}");
            continue;
        }
        for edge in &graph.package(p.package).dependencies {
            if let Some(target) = edge.target.filter(|t| included[t.index()]) {
                assert_eq!(find(&p.path, &edge.alias), Some(target), "{} needs {}", p.path, edge.alias);
            }
        }
    }
    for importer in &graph.importers {
        for wanted in &importer.dependencies {
            if let Some(target) = wanted.target.filter(|t| included[t.index()]) {
                assert_eq!(
                    find(&importer.path, &wanted.alias),
                    Some(target),
                    "{} needs {}",
                    importer.path,
                    wanted.alias
                );
            }
        }
    }
}

pub fn name(i: usize) -> PackageName {
    PackageName::parse(&format!("p{i}")).unwrap()
}

/// A package's name, and its edges: name, target, kind.
pub type Row = (usize, Vec<(usize, usize, EdgeKind)>);

/// Packages by (name, version number) with edges (alias, target, kind); the importer's (alias, target).
pub fn graph(packages: &[Row], wanted: &[(usize, usize)]) -> Graph {
    let package = |(i, (n, edges)): (usize, &Row)| {
        let mut dependencies: Vec<Edge> = edges
            .iter()
            .map(|&(alias, target, kind)| Edge {
                alias: name(alias),
                range: "*".into(),
                kind,
                target: Some(PackageId(target as u32)),
            })
            .collect();
        dependencies.sort_by(|a, b| a.alias.cmp(&b.alias));
        dependencies.dedup_by(|a, b| a.alias == b.alias);
        Package { dependencies, ..Package::new(name(*n), Version::new(i as u64, 0, 0), "npm") }
    };
    let mut dependencies: Vec<Wanted> = wanted
        .iter()
        .map(|&(alias, target)| Wanted {
            alias: name(alias),
            range: "*".into(),
            group: Group::Normal,
            target: Some(PackageId(target as u32)),
        })
        .collect();
    dependencies.sort_by(|a, b| a.alias.cmp(&b.alias));
    dependencies.dedup_by(|a, b| a.alias == b.alias);
    Graph {
        importers: vec![Importer { dependencies, ..Importer::default() }],
        packages: packages.iter().enumerate().map(package).collect(),
        places: Vec::new(),
    }
}

fn paths(graph: &Graph, included: &[bool]) -> Vec<String> {
    place(graph, included)
        .unwrap()
        .into_iter()
        .map(|p| format!("{}={}", p.path.replace("node_modules/", ""), p.package.0))
        .collect()
}

use EdgeKind::{Normal, Peer};

#[test]
fn as_high_as_it_goes() {
    // p0 and p1 need p2 in two versions (2 and 3).
    let g = graph(
        &[(0, vec![(2, 2, Normal)]), (1, vec![(2, 3, Normal)]), (2, vec![]), (2, vec![])],
        &[(0, 0), (1, 1)],
    );
    assert_eq!(paths(&g, &[true; 4]), ["p0=0", "p1=1", "p2=2", "p1/p2=3"]);
    check(&g);
}

#[test]
fn what_is_left_out_still_keeps_its_place() {
    let g = graph(
        &[(0, vec![(2, 2, Normal)]), (1, vec![(2, 3, Normal)]), (2, vec![]), (2, vec![])],
        &[(0, 0), (1, 1)],
    );
    assert_eq!(paths(&g, &[false, true, false, true]), ["p1=1", "p1/p2=3"]);
    assert_eq!(paths(&g, &[true, false, true, true]), ["p0=0", "p2=2"]);
}

#[test]
fn nothing_comes_between_a_folder_and_what_it_sees() {
    // p0 → p1 → p3(3); p1 also → p4 → p3(5), which must not hide p3(3) from p1.
    let g = graph(
        &[
            (0, vec![(1, 1, Normal), (3, 3, Normal)]),
            (1, vec![(3, 3, Normal), (4, 4, Normal)]),
            (2, vec![]),
            (3, vec![]),
            (4, vec![(3, 5, Normal)]),
            (3, vec![]),
        ],
        &[(0, 0)],
    );
    assert_eq!(paths(&g, &[true; 6]), ["p0=0", "p1=1", "p3=3", "p4=4", "p4/p3=5"]);
    check(&g);
}

#[test]
fn peers_beside_their_dependant() {
    // p0 → p1 with peer p2(3); the project has p2(2).
    let g = graph(
        &[(0, vec![(1, 1, Normal), (2, 3, Normal)]), (1, vec![(2, 3, Peer)]), (2, vec![]), (2, vec![])],
        &[(0, 0), (2, 2)],
    );
    assert_eq!(paths(&g, &[true; 4]), ["p0=0", "p2=2", "p0/p1=1", "p0/p2=3"]);
    check(&g);
}

#[test]
fn a_graph_without_end_is_refused() {
    // Every package needs all others under names that clash at every level.
    let n = 12;
    let packages: Vec<_> = (0..n * n)
        .map(|i| (i, (0..n).map(|k| (k, (i * 7 + k * 13 + 1) % (n * n), Normal)).collect()))
        .collect();
    match place(&graph(&packages, &[(0, 0)]), &vec![true; n * n]) {
        Err(Failure::TooLarge { .. }) => {}
        Ok(places) => assert!(places.len() <= MOST_PLACES),
        Err(e) => panic!("{e}"),
    }
}

/// `p0@0 → p1@1 → p0@2 → p1@3 → …`: each hides what the next needs.
#[test]
fn a_graph_that_nests_without_end_is_refused() {
    let n = 10_000;
    let packages: Vec<Row> = (0..n)
        .map(|i| (i % 2, if i + 1 < n { vec![((i + 1) % 2, i + 1, Normal)] } else { vec![] }))
        .collect();
    let failure = place(&graph(&packages, &[(0, 0)]), &vec![true; n]).unwrap_err();
    assert!(matches!(failure, Failure::TooDeep), "{failure}");
}

/// Neither the stack nor the time of a chain of peers grows without bounds.
#[test]
fn a_long_chain_of_peers_ends() {
    for (n, too_large) in [(500, false), (15_000, true)] {
        let row = |i| (i, if i + 1 < n { vec![(i + 1, i + 1, Peer)] } else { vec![] });
        let packages: Vec<Row> = (0..n).map(row).collect();
        match place(&graph(&packages, &[(0, 0)]), &vec![true; n]) {
            Ok(places) => assert_eq!(places.len(), n),
            Err(e) => assert!(too_large && matches!(e, Failure::TooLarge { .. }), "{e}"),
        }
    }
}

pub type Packages = Vec<Row>;

/// Up to 14 packages of 6 names, edges by the target's own name or under another one; cycles welcome.
pub fn graphs() -> impl Strategy<Value = (Packages, Vec<(usize, usize)>, u32)> {
    let kind = proptest::sample::select(vec![
        Normal,
        Normal,
        Normal,
        EdgeKind::Optional,
        Peer,
        EdgeKind::PeerOptional,
    ]);
    let edges = proptest::collection::vec((0usize..40, 0usize..8, kind), 0..4);
    let packages = proptest::collection::vec((0usize..6, edges), 2..15);
    (packages, proptest::collection::vec((0usize..40, 0usize..8), 1..4), any::<u32>()).prop_map(
        |(packages, wanted, included)| {
            let names: Vec<usize> = packages.iter().map(|p| p.0).collect();
            let alias = |target: usize, other: usize| if other == 7 { 8 } else { names[target] };
            let n = names.len();
            let packages = packages
                .iter()
                .map(|(name, edges)| {
                    (
                        *name,
                        edges.iter().map(|&(t, other, kind)| (alias(t % n, other), t % n, kind)).collect(),
                    )
                })
                .collect();
            let wanted = wanted.iter().map(|&(t, other)| (alias(t % n, other), t % n)).collect();
            (packages, wanted, included)
        },
    )
}

/// A layout as the model of another one.
struct Laid<'a>(&'a [Placement]);

impl Model for Laid<'_> {
    fn importer(&self, path: &str) -> Option<u32> {
        path.is_empty().then_some(0)
    }
    fn find(&self, from: u32, alias: &PackageName) -> Option<(u32, u32)> {
        let mut folder = from.checked_sub(1);
        loop {
            if let Some(it) = self.0.iter().position(|p| p.parent == folder && p.alias == *alias) {
                return Some((folder.map_or(0, |f| f + 1), it as u32 + 1));
            }
            folder = self.0[folder? as usize].parent;
        }
    }
}

/// p0 and p1 need p2(2): at the top. Recorded inside p0, p1 gets one of its own.
#[test]
fn what_is_recorded_lies_there() {
    let rows = [(0, vec![(2, 2, Normal)]), (1, vec![(2, 2, Normal)]), (2, vec![])];
    let mut g = graph(&rows, &[(0, 0), (1, 1)]);
    assert_eq!(paths(&g, &[true; 3]), ["p0=0", "p1=1", "p2=2"]);
    g.places = vec!["node_modules/p0/node_modules/p2".into()];
    assert_eq!(paths(&g, &[true; 3]), ["p0=0", "p1=1", "p0/p2=2", "p2=2"]);
    check(&g);
    g.places.push("node_modules/p1/node_modules/p2".into());
    assert_eq!(paths(&g, &[true; 3]), ["p0=0", "p1=1", "p0/p2=2", "p1/p2=2"]);
    check(&g);
}

/// What is recorded higher than it could lie: those who lose sight of theirs get their own.
#[test]
fn what_is_recorded_robs_nobody() {
    // p0 → p1 → p3(3), p0 → p2 → p3(4); p3(3) is the project's own as well.
    let rows = [
        (0, vec![(1, 1, Normal), (2, 2, Normal)]),
        (1, vec![(3, 3, Normal)]),
        (2, vec![(3, 4, Normal)]),
        (3, vec![]),
        (3, vec![]),
    ];
    let mut g = graph(&rows, &[(0, 0), (3, 3)]);
    g.places = vec![
        "node_modules/p0/node_modules/p1".into(),
        "node_modules/p0/node_modules/p2".into(),
        "node_modules/p0/node_modules/p3".into(),
    ];
    assert_eq!(paths(&g, &[true; 5]), ["p0=0", "p3=3", "p0/p1=1", "p0/p2=2", "p0/p3=4", "p0/p1/p3=3"]);
    check(&g);
    // What the project itself needs in another version is not hidden from it.
    g.places = vec!["node_modules/p3".into()];
    assert_eq!(paths(&g, &[true; 5]), ["p0=0", "p3=3", "p1=1", "p2=2", "p2/p3=4"]);
}

/// A place for each of up to 8 levels.
fn recorded() -> impl Strategy<Value = Vec<String>> {
    let path = proptest::collection::vec(0usize..6, 1..4);
    let path = path.prop_map(|names| {
        let folders: Vec<String> = names.iter().map(|&n| format!("node_modules/{}", name(n))).collect();
        folders.join("/")
    });
    proptest::collection::btree_set(path, 0..24).prop_map(|all| all.into_iter().collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Peers that nothing beside them meets only come from a lock that was made by hand.
    #[test]
    fn every_need_is_met_by_what_node_finds((packages, wanted, _) in graphs()) {
        let plain = |e: &[(usize, usize, EdgeKind)]| e.iter().map(|(n, to, _)| (*n, *to, Normal)).collect();
        let packages: Packages = packages.iter().map(|(name, e)| (*name, plain(e))).collect();
        let g = graph(&packages, &wanted);
        if let Ok(places) = place(&g, &vec![true; packages.len()]) {
            check_places(&g, &places, &vec![true; packages.len()]);
            prop_assert_eq!(places, place(&g, &vec![true; packages.len()]).unwrap());
        }
    }

    /// Whatever a lock has recorded, the promise holds, and the layout can be recorded again.
    #[test]
    fn whatever_is_recorded_every_need_is_met((packages, wanted, _) in graphs(), places in recorded()) {
        let plain = |e: &[(usize, usize, EdgeKind)]| e.iter().map(|(n, to, _)| (*n, *to, Normal)).collect();
        let packages: Packages = packages.iter().map(|(name, e)| (*name, plain(e))).collect();
        let g = Graph { places, ..graph(&packages, &wanted) };
        let all = vec![true; packages.len()];
        let Ok(laid) = place(&g, &all) else { return Ok(()) };
        check_places(&g, &laid, &all);
        let bare = Graph { places: Vec::new(), ..g };
        let again = Graph { places: super::places(&bare, &Laid(&laid)).unwrap(), ..bare };
        // But for what was put aside by something that came later, which nobody finds any more.
        let all: Vec<_> = laid.iter().map(|p| (&p.path, p.package)).collect();
        for p in place(&again, &vec![true; packages.len()]).unwrap() {
            prop_assert!(all.contains(&(&p.path, p.package)), "{} in {all:?}", p.path);
        }
    }

    /// Leaving packages out moves none of the others.
    #[test]
    fn leaving_out_moves_nothing((packages, wanted, bits) in graphs()) {
        let g = graph(&packages, &wanted);
        let included: Vec<bool> = (0..packages.len()).map(|i| bits >> i & 1 == 1).collect();
        if let (Ok(all), Ok(some)) = (place(&g, &vec![true; packages.len()]), place(&g, &included)) {
            let all: Vec<_> = all.iter().map(|p| (&p.path, p.package)).collect();
            prop_assert!(some.iter().all(|p| all.contains(&(&p.path, p.package))));
        }
    }
}
