//! Whatever stands there, an install gives the wanted tree: any graph after any
//! other, with any linker after any other, over damage, leftovers and installs
//! that failed, `node_modules` is what a first install would have made.

use super::{World, archive};
use crate::install::fill;
use crate::install::hoist::tests::graph;
use crate::install::platform::Platform;
use crate::install::select::{Groups, select};
use crate::install::state::Fingerprint;
use crate::install::store::{Listed, Wanted};
use crate::install::tree::{self, Done};
use crate::install::unit::Linker;
use crate::resolve::graph::{EdgeKind, Graph};
use mirror::archive::Workspace;
use mirror::name::{BinName, RelPath};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const NAMES: usize = 4;
const LINKERS: [Linker; 3] = [Linker::Hoisted, Linker::Isolated, Linker::Store];

type Rows = (Vec<(usize, Vec<(usize, usize)>)>, Vec<(usize, usize)>);

#[derive(Debug, Clone)]
enum Step {
    Install(Rows, usize, bool),
    /// The lock cannot be written when everything else is ready.
    Fails(Rows, usize),
    Damage(usize, usize),
}

fn rows() -> impl Strategy<Value = Rows> {
    let edges = proptest::collection::vec((0..NAMES, 0..6usize), 0..4);
    let packages = proptest::collection::vec((0..NAMES, edges), 1..6);
    (packages, proptest::collection::vec((0..NAMES, 0..6usize), 0..4))
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (rows(), 0..3usize, proptest::bool::weighted(0.2)).prop_map(|(r, l, f)| Step::Install(r, l, f)),
        1 => (rows(), 0..3usize).prop_map(|(r, l)| Step::Fails(r, l)),
        3 => (0..9usize, 0..20usize).prop_map(|(kind, which)| Step::Damage(kind, which)),
    ]
}

/// The graph, its packages' archives in the store.
fn made(world: &World, (packages, wanted): &Rows) -> Graph {
    let n = packages.len();
    let edges = |edges: &[(usize, usize)]| edges.iter().map(|(a, t)| (*a, t % n, EdgeKind::Normal)).collect();
    let packages: Vec<_> = packages.iter().map(|(name, e)| (*name, edges(e))).collect();
    let wanted: Vec<_> = wanted.iter().map(|(a, t)| (*a, t % n)).collect();
    let mut graph = graph(&packages, &wanted);
    for (i, package) in graph.packages.iter_mut().enumerate() {
        let (name, version) = (package.name.as_str(), package.version.to_string());
        let text = format!("{name}@{version}");
        let files = [("index.js", text.as_str()), ("lib/a.js", "a"), ("cli.js", "#!")];
        let (bytes, integrity) = archive(name, &version, &files[..2 + i % 2]);
        let bins: Vec<RelPath> =
            if i % 2 == 1 { vec![RelPath::parse("cli.js").unwrap()] } else { Vec::new() };
        package.bins =
            bins.iter().map(|p| (BinName::parse(&format!("{name}-bin")).unwrap(), p.clone())).collect();
        let wanted = Wanted { integrity: Some(&integrity), name, version: &version, bins: &bins };
        world.store.add(&mut bytes.as_slice(), &wanted, &mut Workspace::new(), Listed::Now).unwrap();
        package.integrity = Some(integrity);
    }
    graph
}

fn install(
    world: &World,
    project: &Path,
    rows: &Rows,
    linker: usize,
    force: bool,
    fails: bool,
) -> crate::error::Result<Done> {
    let graph = made(world, rows);
    let selection =
        select(&graph, Groups { dev: true, optional: true }, &Platform::current(), &[], &[], None);
    let linker = LINKERS[linker];
    let options = Fingerprint::of(linker, linker.name());
    let own = vec![false; graph.packages.len()];
    let wanted = tree::Wanted {
        project,
        graph: &graph,
        selection: &selection,
        names: "",
        linker,
        options,
        own: &own,
        force,
        prune: false,
        links: &[],
        apart: None,
        threads: 2,
    };
    super::apply::recover(&world.project).unwrap();
    let plan = tree::plan(&wanted, &world.store, None).unwrap();
    assert!(plan.missing.is_empty() && fill::keys(&graph, &selection.included).is_ok());
    tree::build(&wanted, &world.store, &plan, &mut || match fails {
        true => Err(crate::error::Error::NoHome.into()),
        false => Ok(Vec::new()),
    })
}

/// Path → what is there. Our own books are not looked at, nor what tools keep.
fn tree(project: &Path) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    let mut folders = vec![project.join("node_modules")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = path.strip_prefix(project).unwrap().to_string_lossy().into_owned();
            let kind = entry.file_type().unwrap();
            if name.ends_with(".pantry/state") || name.ends_with(".cache") {
                continue;
            }
            let what = if kind.is_symlink() {
                format!("-> {}", std::fs::read_link(&path).unwrap().display())
            } else if kind.is_dir() {
                folders.push(path);
                String::new()
            } else {
                let mode = entry.metadata().unwrap().permissions().mode() & 0o111;
                format!("{mode:o} {}", String::from_utf8_lossy(&std::fs::read(&path).unwrap()))
            };
            out.insert(name, what);
        }
    }
    out
}

/// What people, tools and killed runs do. Whether only `--force` can notice it.
fn damage(project: &Path, kind: usize, which: usize) -> bool {
    let modules = project.join("node_modules");
    let mut tops: Vec<_> =
        std::fs::read_dir(&modules).into_iter().flatten().flatten().map(|e| e.path()).collect();
    tops.retain(|p| !p.file_name().unwrap().to_string_lossy().starts_with('.'));
    tops.sort();
    let top = tops.get(which % tops.len().max(1));
    let remove = |path: &Path| match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => std::fs::remove_dir_all(path).unwrap(),
        Ok(_) => std::fs::remove_file(path).unwrap(),
        Err(_) => {}
    };
    let write = |path: &Path, text: &str| mirror::file::replace_scratch(path, text.as_bytes()).map(drop);
    let own = modules.join(".pantry");
    match (kind, top) {
        (0, Some(top)) => remove(top),
        (1, Some(top)) => {
            remove(top);
            std::os::unix::fs::symlink("../..", top).unwrap();
        }
        (2, Some(top)) => {
            remove(top);
            write(top, "a file").unwrap();
        }
        // Inside a unit: what stands there is believed until --force.
        (3, Some(top)) if top.is_dir() && !top.is_symlink() => {
            remove(&top.join("index.js"));
            write(&top.join("added.js"), "by hand").unwrap();
            return true;
        }
        (4, _) => remove(&modules),
        (5, _) => remove(&own.join("state")),
        (6, _) if own.is_dir() => {
            std::fs::create_dir_all(own.join("stage/0")).unwrap();
            std::fs::create_dir_all(own.join("trash/7")).unwrap();
            let _ = write(
                &own.join("journal"),
                if which.is_multiple_of(2) { "put 0 p0\ndrop 1 p1\nend\n" } else { "put 0" },
            );
        }
        (7, _) => {
            std::fs::create_dir_all(project.join(".node_modules-new/p0")).unwrap();
            std::fs::create_dir_all(project.join(".node_modules-old/p1")).unwrap();
        }
        _ if modules.is_dir() => std::fs::create_dir_all(modules.join(".cache/tool")).unwrap(),
        _ => {}
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 8, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn an_install_gives_the_wanted_tree_from_any_earlier_one(
        steps in proptest::collection::vec(step(), 0..6), last in rows(), linker in 0..3usize,
    ) {
        let world = World::new();
        let mut unseen = false;
        for step in &steps {
            match step {
                Step::Install(rows, linker, force) => {
                    install(&world, &world.project, rows, *linker, *force, false).unwrap();
                    unseen &= !force;
                }
                Step::Fails(rows, linker) => {
                    let cache = world.project.join("node_modules/.cache").exists();
                    crate::install::apply::recover(&world.project).unwrap();
                    let before = tree(&world.project);
                    prop_assert!(install(&world, &world.project, rows, *linker, false, true).is_err());
                    prop_assert_eq!(tree(&world.project), before, "a failed install changed something");
                    prop_assert_eq!(world.project.join("node_modules/.cache").exists(), cache);
                }
                Step::Damage(kind, which) => unseen |= damage(&world.project, *kind, *which),
            }
        }
        let cache = world.project.join("node_modules/.cache").exists();
        install(&world, &world.project, &last, linker, unseen, false).unwrap();
        let fresh = world.project.parent().unwrap().join("fresh");
        std::fs::create_dir(&fresh).unwrap();
        install(&world, &fresh, &last, linker, false, false).unwrap();
        prop_assert_eq!(tree(&world.project), tree(&fresh));
        prop_assert_eq!(world.project.join("node_modules/.cache").exists(), cache, "a tool's cache is kept");
        let left: Vec<_> = std::fs::read_dir(&world.project).unwrap().flatten().map(|e| e.file_name()).collect();
        prop_assert_eq!(left, ["node_modules"]);
        // And then there is nothing left to do.
        let again = install(&world, &world.project, &last, linker, false, false).unwrap();
        prop_assert_eq!((again.changes.put, again.changes.dropped), (0, 0));
    }
}
