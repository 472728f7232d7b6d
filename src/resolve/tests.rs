//! Small cases, each named after the rule of npm that it shows, and properties
//! over random registries. `tests/conformance` compares with npm itself.

use super::graph::{EdgeKind, Graph, Group, PackageId};
use super::index::{Candidates, Index};
use super::*;
use crate::error::{Error, Status};
use crate::install::hoist;
use mirror::record::{Dependency, DependencyKind, VersionRecord};
use mirror::version::Version;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// A registry in memory, and which names it was asked for.
#[derive(Default)]
pub struct World {
    packages: BTreeMap<String, Rc<Shelf>>,
    asked: RefCell<Vec<String>>,
}

#[derive(Default, Clone)]
struct Shelf {
    tags: BTreeMap<String, String>,
    versions: Vec<(VersionRecord, bool)>,
}

impl Index for World {
    fn package(&self, name: &PackageName) -> Result<Option<Rc<dyn Candidates>>, Box<Error>> {
        self.asked.borrow_mut().push(name.to_string());
        Ok(self.packages.get(name.as_str()).map(|s| Rc::clone(s) as Rc<dyn Candidates>))
    }
}

impl Candidates for Shelf {
    fn source(&self) -> &str {
        "npm"
    }
    fn tag(&self, tag: &str) -> Option<&str> {
        self.tags.get(tag).map(String::as_str)
    }
    fn len(&self) -> usize {
        self.versions.len()
    }
    fn version(&self, i: usize) -> &str {
        &self.versions[i].0.extra[0].1
    }
    fn is_available(&self, i: usize) -> bool {
        self.versions[i].1
    }
    fn is_deprecated(&self, i: usize) -> bool {
        self.versions[i].0.deprecated.is_some()
    }
    fn published(&self, i: usize) -> u64 {
        self.versions[i].0.published
    }
    fn checked(&self) -> u64 {
        1_795_219_200
    }
    fn load(&self, i: usize) -> Result<VersionRecord, Box<Error>> {
        Ok(self.versions[i].0.clone())
    }
}

/// `peer:a@^1` → the kind before the colon, name, range (`_` is a blank).
fn words(text: &str) -> impl Iterator<Item = (&str, String, String)> {
    text.split_whitespace().map(|word| {
        let (kind, rest) = ["opt:", "peer:", "peeropt:", "dev:", "bundled:"]
            .iter()
            .find_map(|k| Some((k.trim_end_matches(':'), word.strip_prefix(k)?)))
            .unwrap_or(("", word));
        let at = rest[1..].find('@').map_or(rest.len(), |i| i + 1);
        (kind, rest[..at].to_string(), rest[at..].trim_start_matches('@').replace('_', " "))
    })
}

/// One line per version, `name@1.0.0 FLAGS: DEPENDENCIES`, or `name tag=1.0.0`.
/// Flags: `deprecated`, `absent`, `gone` (was here), `node=RANGE`, `date=SECONDS`.
pub fn world(lines: &[&str]) -> World {
    let mut shelves: BTreeMap<String, Shelf> = BTreeMap::new();
    for line in lines {
        let (head, dependencies) = line.split_once(": ").unwrap_or((line, ""));
        let mut head = head.split_whitespace();
        let id = head.next().unwrap();
        let Some(at) = id[1..].find('@') else {
            for tag in head {
                let (tag, version) = tag.split_once('=').unwrap();
                shelves.entry(id.into()).or_default().tags.insert(tag.into(), version.into());
            }
            continue;
        };
        let (name, version) = (&id[..at + 1], &id[at + 2..]);
        let mut v = VersionRecord::new(Version::parse(version).unwrap());
        v.extra.push(("text".into(), version.into()));
        let mut here = true;
        for flag in head {
            match flag.split_once('=').unwrap_or((flag, "")) {
                ("deprecated", _) => v.deprecated = Some("old".into()),
                ("absent", _) => here = false,
                ("gone", _) => (here, v.sha256) = (false, Some(mirror::digest::Hash([1; 32]))),
                ("node", range) => v.engines.push(("node".into(), range.into())),
                ("date", seconds) => v.published = seconds.parse().unwrap(),
                ("bin", bin) => {
                    let (command, path) = bin.split_once('>').unwrap();
                    v.bins.push((command.into(), path.into()));
                }
                ("os", os) => v.os.push(os.into()),
                _ => panic!("{flag}"),
            }
        }
        for (kind, name, range) in words(dependencies) {
            let kind = match kind {
                "opt" => DependencyKind::Optional,
                "peer" => DependencyKind::Peer,
                "peeropt" => DependencyKind::PeerOptional,
                "dev" => DependencyKind::Dev,
                "bundled" => {
                    v.bundled.push(name.clone());
                    DependencyKind::Normal
                }
                _ => DependencyKind::Normal,
            };
            v.dependencies.push(Dependency { name, range, kind, condition: String::new() });
        }
        shelves.entry(name.into()).or_default().versions.push((v, here));
    }
    for shelf in shelves.values_mut() {
        shelf.versions.sort_by(|a, b| a.0.version.cmp(&b.0.version));
        if let Some((last, _)) = shelf.versions.last() {
            shelf.tags.entry("latest".into()).or_insert(last.version.to_string());
        }
    }
    World { packages: shelves.into_iter().map(|(n, s)| (n, Rc::new(s))).collect(), asked: RefCell::default() }
}

pub fn importer(path: &str, dependencies: &str) -> ImporterRequest {
    let dependencies = words(dependencies).map(|(kind, name, range)| Requested {
        alias: PackageName::parse(&name).unwrap(),
        range,
        group: match kind {
            "dev" => Group::Dev,
            "opt" => Group::Optional,
            "peer" | "peeropt" => Group::Peer,
            _ => Group::Normal,
        },
        optional_peer: kind == "peeropt",
    });
    ImporterRequest { path: path.into(), dependencies: dependencies.collect(), ..Default::default() }
}

pub fn project(dependencies: &str) -> Request<'static> {
    Request { importers: vec![importer("", dependencies)], ..Request::default() }
}

/// `a > b@1.0.0`: b in a's node_modules. An alias shows the package: `x=b@1.0.0`.
fn shown(path: &str, what: &str) -> String {
    let path = path.trim_start_matches('/');
    let folders: Vec<&str> = path.split("node_modules/").map(|f| f.trim_end_matches('/')).collect();
    let (name, version) = what.rsplit_once('@').unwrap();
    let (last, above) = folders.split_last().unwrap();
    let mut out: Vec<String> = above.iter().filter(|f| !f.is_empty()).map(|f| f.to_string()).collect();
    out.push(if *last == name { what.into() } else { format!("{last}={name}@{version}") });
    out.join(" > ")
}

/// The folders that a graph makes.
fn folders(graph: &Graph) -> Vec<String> {
    let mut all: Vec<(String, String)> = hoist::place(graph, &vec![true; graph.packages.len()])
        .unwrap()
        .into_iter()
        .map(|p| {
            let package = graph.package(p.package);
            (p.path, format!("{}@{}", package.name, package.version))
        })
        .collect();
    all.sort();
    all.iter().map(|(path, what)| shown(path, what)).collect()
}

/// Resolves, checks the invariants, and gives the folders.
#[track_caller]
fn resolved(world: &World, request: &Request<'_>) -> (Resolution, Vec<String>) {
    let resolution = resolve(request, world).unwrap_or_else(|e| panic!("{e}"));
    check(&resolution);
    let ours: Vec<String> =
        tree(request, world).unwrap().iter().map(|(path, what)| shown(path, what)).collect();
    let hoisted = folders(&resolution.graph);
    assert_eq!(hoisted, ours, "the graph gives the resolver's own tree");
    (resolution, hoisted)
}

#[track_caller]
fn expect(lines: &[&str], dependencies: &str, tree: &[&str]) {
    assert_eq!(resolved(&world(lines), &project(dependencies)).1, tree);
}

/// Every edge leads to something that satisfies it, or to nothing and is
/// optional, or is a peer that a warning names.
#[track_caller]
fn check(resolution: &Resolution) {
    let graph = &resolution.graph;
    let satisfied = |range: &str, to: graph::PackageId| {
        spec::Spec::parse(range).is_satisfied_by(&graph.package(to).version)
    };
    for importer in &graph.importers {
        for wanted in &importer.dependencies {
            match wanted.target {
                Some(to) => assert!(satisfied(&wanted.range, to), "{wanted:?}"),
                None => assert!(matches!(wanted.group, Group::Optional | Group::Peer), "{wanted:?}"),
            }
        }
        assert!(importer.dependencies.is_sorted_by_key(|w| (w.alias.clone(), w.group)));
    }
    for (i, package) in graph.packages.iter().enumerate() {
        for edge in &package.dependencies {
            let warned = || {
                resolution.warnings.iter().any(|w| {
                    matches!(w, Warning::PeerConflict(c) if c.peer == edge.alias.as_str() && c.range == edge.range)
                })
            };
            match (edge.target, edge.kind) {
                (Some(to), EdgeKind::Peer | EdgeKind::PeerOptional) => {
                    assert!(satisfied(&edge.range, to) || warned(), "{}: {edge:?}", package.name)
                }
                (Some(to), _) => assert!(satisfied(&edge.range, to), "{}: {edge:?}", package.name),
                (None, EdgeKind::Peer) => assert!(warned(), "{}: {edge:?}", package.name),
                (None, kind) => assert!(kind != EdgeKind::Normal, "{}: {edge:?}", package.name),
            }
        }
        assert!(package.dependencies.is_sorted_by_key(|e| e.alias.clone()));
        if let Some(next) = graph.packages.get(i + 1) {
            let id = |p: &graph::Package| (p.name.clone(), p.version.clone(), p.variant);
            assert!(id(package) < id(next));
        }
    }
}

#[test]
fn latest_is_taken_when_it_satisfies_else_the_highest() {
    let lines =
        ["a latest=1.1.0", "a@1.0.0", "a@1.1.0", "a@1.2.0", "a@2.0.0", "a@3.0.0-rc.1", "a next=3.0.0-rc.1"];
    expect(&lines, "a@^1.0.0", &["a@1.1.0"]);
    expect(&lines, "a@>=1.2", &["a@2.0.0"]);
    expect(&lines, "a@*", &["a@1.1.0"]);
    expect(&lines, "a@next", &["a@3.0.0-rc.1"]);
    expect(&lines, "a@1.0.0", &["a@1.0.0"]);
}

/// `a >> b@^1 = 2`, several parted by `; `; with `!` in front the project's own dependencies follow.
fn overrides(text: &str) -> Vec<Override> {
    let one = |text: &str| {
        let (path, value) = text.trim_start_matches('!').split_once(" = ").unwrap();
        let mut path: Vec<Selector> = path
            .split(' ')
            .filter(|w| !w.starts_with('>'))
            .map(|w| {
                let (name, range) = w[1..].split_once('@').map_or((w, ""), |(n, r)| (&w[..=n.len()], r));
                Selector { name: PackageName::parse(name).unwrap(), range: range.into(), direct: false }
            })
            .collect();
        let direct = text.contains(" > ");
        path.iter_mut().skip(1).for_each(|s| s.direct = direct);
        Override { path, value: value.into(), overrules: text.starts_with('!') }
    };
    text.split("; ").map(one).collect()
}

/// Each as npm answers it, but for `a > b`, which npm does not have.
#[test]
fn overrides_count_everywhere_or_under_a_package() {
    let lines = [
        "top@1.0.0: mid@1 deep@2",
        "mid@1.0.0: deep@2",
        "mid@2.0.0: deep@2",
        "deep@1.0.0",
        "deep@2.0.0: leaf@2",
        "leaf@1.0.0",
        "leaf@2.0.0",
        "twig@1.0.0: deep@2",
    ];
    let lines = world(&lines);
    for (rules, asked, tree) in [
        ("deep = 1", "top@1", "deep@1.0.0, mid@1.0.0, top@1.0.0"),
        ("mid >> deep = 1", "top@1", "deep@2.0.0, leaf@2.0.0, mid@1.0.0, mid > deep@1.0.0, top@1.0.0"),
        ("deep@2 = 1; mid@2 = 1.0.0", "top@1", "deep@1.0.0, mid@1.0.0, top@1.0.0"),
        ("deep@1 = 9", "top@1", "deep@2.0.0, leaf@2.0.0, mid@1.0.0, top@1.0.0"),
        ("top >> leaf = 1", "top@1", "deep@2.0.0, leaf@1.0.0, mid@1.0.0, top@1.0.0"),
        ("top > leaf = 1", "top@1", "deep@2.0.0, leaf@2.0.0, mid@1.0.0, top@1.0.0"),
        ("deep > leaf = 1", "top@1", "deep@2.0.0, leaf@1.0.0, mid@1.0.0, top@1.0.0"),
        ("leaf = npm:twig@1; twig >> deep = 1", "mid@1", "deep@2.0.0, leaf=twig@1.0.0, mid@1.0.0"),
        ("!deep = 1", "deep@2 mid@1", "deep@1.0.0, mid@1.0.0"),
    ] {
        let root = ImporterRequest { overrides: overrides(rules), ..importer("", asked) };
        let request = Request { importers: vec![root], ..Request::default() };
        let found: Vec<String> =
            super::tree(&request, &lines).unwrap().iter().map(|(path, what)| shown(path, what)).collect();
        assert_eq!(found.join(", "), tree, "{rules}");
        // The same again from its own lock, without a question.
        let first = resolve(&request, &lines).unwrap();
        let locked = Request { locked: Some(&first.graph), ..request.clone() };
        lines.asked.borrow_mut().clear();
        assert_eq!(resolve(&locked, &lines).unwrap().graph, first.graph, "{rules}");
        assert!(lines.asked.borrow().is_empty(), "{rules}: {:?}", lines.asked.borrow());
    }
    let root = ImporterRequest { overrides: overrides("deep = 1"), ..importer("", "deep@2") };
    let refused = resolve(&Request { importers: vec![root], ..Request::default() }, &lines);
    assert!(matches!(refused, Err(Failure::Overridden { .. })));
}

#[test]
fn deprecated_versions_only_when_there_is_no_other() {
    let lines = ["a@1.0.0", "a@1.1.0 deprecated", "a@2.0.0 deprecated"];
    expect(&lines, "a@^1.0.0", &["a@1.0.0"]);
    expect(&lines, "a@*", &["a@1.0.0"]);
    expect(&lines, "a@2", &["a@2.0.0"]);
}

#[test]
fn engines_and_dates_bear_on_the_choice_when_asked_for() {
    let world = world(&["a@1.0.0 node=>=16 date=10", "a@1.1.0 node=>=22 date=20"]);
    let mut request = project("a@1");
    assert_eq!(resolved(&world, &request).1, ["a@1.1.0"]);
    request.rules.node = Version::new(20, 1, 0).into();
    assert_eq!(resolved(&world, &request).1, ["a@1.0.0"]);
    request.rules = Rules { before: Some(15), ..Rules::default() };
    assert_eq!(resolved(&world, &request).1, ["a@1.0.0"]);
    let mut request = project("a@latest");
    request.rules.before = Some(15);
    assert_eq!(resolve(&request, &world).unwrap().graph.packages[0].version, Version::new(1, 0, 0));
}

#[test]
fn an_alias_has_its_own_folder() {
    let lines = ["a@1.0.0", "a@2.0.0", "b@1.0.0: old@npm:a@1"];
    expect(&lines, "a@2 b@1 new@npm:a@*", &["a@2.0.0", "b@1.0.0", "new=a@2.0.0", "old=a@1.0.0"]);
}

#[test]
fn a_dependency_is_shared_where_versions_agree_and_nested_where_they_do_not() {
    let lines = ["a@1.0.0: x@^1", "b@1.0.0: x@^2", "c@1.0.0: x@2.0.0", "x@1.0.0", "x@2.0.0", "x@2.1.0"];
    expect(&lines, "a@1 b@1", &["a@1.0.0", "b@1.0.0", "b > x@2.1.0", "x@1.0.0"]);
    // The importer's own wish has the top place.
    expect(&lines, "a@1 x@2", &["a@1.0.0", "a > x@1.0.0", "x@2.1.0"]);
}

/// npm REPLACE: x@2.1.0 stands until c wants exactly 2.0.0, which b is content with, too? No:
/// only a newer one replaces an older one; an older one is nested.
#[test]
fn a_newer_version_replaces_an_older_one_where_everybody_agrees() {
    let lines = ["a@1.0.0: x@2.0.0||2.1.0", "x@2.0.0", "x@2.1.0", "x latest=2.0.0", "b@1.0.0: x@2.1.0"];
    expect(&lines, "a@1 b@1", &["a@1.0.0", "b@1.0.0", "x@2.1.0"]);
    let lines = ["a@1.0.0: x@^2", "x@2.0.0", "x@2.1.0", "c@1.0.0: x@2.0.0"];
    expect(&lines, "a@1 c@1", &["a@1.0.0", "c@1.0.0", "c > x@2.0.0", "x@2.1.0"]);
}

#[test]
fn peers_lie_beside_their_dependant() {
    let lines = ["a@1.0.0: peer:p@^1", "p@1.0.0: q@1", "p@2.0.0", "q@1.0.0"];
    expect(&lines, "a@1", &["a@1.0.0", "p@1.0.0", "q@1.0.0"]);
    // The importer's broad wish is narrowed by the peer's.
    expect(&lines, "a@1 p@*", &["a@1.0.0", "p@1.0.0", "q@1.0.0"]);
}

#[test]
fn a_dependency_goes_no_higher_than_its_peers() {
    let lines = ["a@1.0.0: b@1 p@1", "b@1.0.0: peer:p@1", "p@1.0.0", "p@2.0.0"];
    expect(&lines, "a@1 p@2", &["a@1.0.0", "a > b@1.0.0", "a > p@1.0.0", "p@2.0.0"]);
}

#[test]
fn a_peer_conflict_of_the_project_is_an_error() {
    let world = world(&["a@1.0.0: peer:p@^1", "p@1.0.0", "p@2.0.0"]);
    let failure = resolve(&project("a@1 p@2"), &world).unwrap_err();
    let Failure::PeerConflict(conflict) = &failure else { panic!("{failure:?}") };
    assert_eq!((conflict.peer.as_str(), conflict.range.as_str()), ("p", "^1"));
    assert_eq!(conflict.found.as_deref(), Some("2.0.0"));
    assert_eq!(conflict.chain.last().unwrap().to_string(), "a@1.0.0");
    assert_eq!(Box::<Error>::from(failure).status(), Status::Failed);
}

#[test]
fn a_peer_and_another_wish_for_the_same_name_are_both_met_by_nesting() {
    let world = world(&["m@1.0.0: a@1 p@2", "a@1.0.0: peer:p@^1", "p@1.0.0", "p@2.0.0"]);
    let request = project("m@1");
    let resolution = resolve(&request, &world).unwrap();
    assert_eq!(resolution.warnings, []);
    let tree = tree(&request, &world).unwrap();
    let tree: Vec<String> = tree.into_iter().map(|(path, what)| format!("{path} {what}")).collect();
    assert_eq!(tree.len(), 4, "{tree:?}");
}

#[test]
fn the_projects_own_peers_are_installed() {
    expect(&["a@1.0.0", "b@1.0.0"], "peer:a@1 peeropt:b@1", &["a@1.0.0"]);
}

#[test]
fn legacy_peers_are_not_looked_at() {
    let world = world(&["a@1.0.0: peer:p@^1", "p@1.0.0", "p@2.0.0"]);
    let request = Request { legacy_peers: true, ..project("a@1 p@2") };
    let graph = resolve(&request, &world).unwrap().graph;
    assert_eq!(graph.packages.len(), 2);
    // The graph says whom they find, for layouts in which a package sees its own only.
    assert_eq!(graph.packages[0].dependencies[0].target, Some(PackageId(1)));
    let request = Request { legacy_peers: true, ..project("a@1") };
    assert_eq!(resolve(&request, &world).unwrap().graph.packages[0].dependencies[0].target, None);
}

/// A conflict that is not the project's own is let pass, but strictly.
#[test]
fn strict_peers_must_agree() {
    let world = world(&["a@1.0.0: q@1 p@2", "q@1.0.0: peer:p@1", "p@1.0.0", "p@2.0.0"]);
    let lenient = resolve(&project("a@1 p@2"), &world).unwrap();
    assert!(matches!(lenient.warnings[..], [Warning::PeerConflict(_)]));
    let request = Request { strict_peers: true, ..project("a@1 p@2") };
    assert!(matches!(resolve(&request, &world), Err(Failure::PeerConflict(_))));
}

/// npm/cli#8726: an optional peer is not installed; but where another version
/// turns up beside its dependant, one that fits is put in its place.
#[test]
fn optional_peers_are_checked_when_present() {
    expect(&["a@1.0.0: peeropt:p@2", "p@2.0.0"], "a@1", &["a@1.0.0"]);
    let lines = ["a@1.0.0: peeropt:p@2", "b@1.0.0: p@1", "p@1.0.0", "p@2.0.0"];
    expect(&lines, "a@1 b@1", &["a@1.0.0", "b@1.0.0", "b > p@1.0.0", "p@2.0.0"]);
}

#[test]
fn an_optional_dependency_that_cannot_be_had_goes_with_its_branch() {
    let lines = ["a@1.0.0: opt:b@1 opt:z@1", "b@1.0.0: c@1 d@1", "d@1.0.0: gone@1", "c@1.0.0"];
    let (resolution, tree) = resolved(&world(&lines), &project("a@1 opt:y@1"));
    assert_eq!(tree, ["a@1.0.0"]);
    let mut left: Vec<String> = resolution.warnings.iter().map(Warning::to_string).collect();
    left.sort();
    assert_eq!(
        left,
        [
            "left out an optional dependency: gone@1 is unknown to every index here\n  wanted by a@1.0.0 -> b@1.0.0 -> d@1.0.0",
            "left out an optional dependency: y@1 is unknown to every index here",
            "left out an optional dependency: z@1 is unknown to every index here\n  wanted by a@1.0.0",
        ]
    );
    assert_eq!(resolution.graph.importers[0].dependencies[1].target, None);
}

#[test]
fn everything_that_is_missing_is_told_at_once_with_the_way_to_it() {
    let world = world(&[
        "a@1.0.0: b@1 unknown@1",
        "b@1.0.0: here@^3 absent@2 gone@1",
        "here@1.0.0",
        "here@2.0.0",
        "absent@2.0.0 absent",
        "gone@1.0.0 gone",
    ]);
    let failure = resolve(&project("a@1"), &world).unwrap_err();
    let Failure::Missing(missing) = &failure else { panic!("{failure:?}") };
    let mut reasons: Vec<_> = missing.iter().map(|m| (m.package.as_str(), m.reason.clone())).collect();
    reasons.sort_by_key(|r| r.0);
    let as_of = 1_795_219_200;
    assert_eq!(
        reasons,
        [
            ("absent", Reason::Absent { version: "2.0.0".into(), as_of, was_here: false }),
            ("gone", Reason::Absent { version: "1.0.0".into(), as_of, was_here: true }),
            ("here", Reason::NoVersion { available: vec!["1.0.0".into(), "2.0.0".into()] }),
            ("unknown", Reason::UnknownName),
        ]
    );
    let chain: Vec<String> = missing[0].chain.iter().map(Step::to_string).collect();
    assert_eq!(chain[..2], ["the project", "a@1.0.0"]);
    let error = Box::<Error>::from(failure);
    assert_eq!(error.status(), Status::Unreachable);
    assert!(error.hints().iter().any(|h| h.contains("mirror pull --from")), "{:?}", error.hints());
    assert!(error.to_string().contains("wanted by a@1.0.0 -> b@1.0.0"), "{error}");
}

#[test]
fn one_missing_package_is_that_error() {
    let failure = resolve(&project("nope@^1"), &world(&[])).unwrap_err();
    let Error::Missing(missing) = *Box::<Error>::from(failure) else { panic!() };
    assert_eq!((missing.package.as_str(), missing.range.as_str()), ("nope", "^1"));
}

#[test]
fn an_absent_archive_is_never_chosen() {
    expect(&["a@1.0.0", "a@1.1.0 absent"], "a@1", &["a@1.0.0"]);
}

#[test]
fn what_is_not_in_a_registry_names_dependant_and_value() {
    let failure = resolve(&project("a@1"), &world(&["a@1.0.0: b@github:u/r"])).unwrap_err();
    let error = Box::<Error>::from(failure);
    assert_eq!(error.status(), Status::Failed);
    let text = error.to_string();
    assert!(text.starts_with("b: `github:u/r` is a git repository") && text.contains("a@1.0.0"), "{text}");
    expect(&["a@1.0.0: opt:b@./x"], "a@1", &["a@1.0.0"]);
}

#[test]
fn bundled_dependencies_are_not_resolved() {
    let world = world(&["a@1.0.0: bundled:b@1 c@1", "b@1.0.0", "c@1.0.0"]);
    let (resolution, tree) = resolved(&world, &project("a@1"));
    assert_eq!(tree, ["a@1.0.0", "c@1.0.0"]);
    assert_eq!(resolution.graph.packages[0].bundled, ["b"]);
    assert_eq!(resolution.graph.packages[0].dependencies.len(), 1);
}

#[test]
fn other_platforms_packages_are_kept() {
    expect(&["a@1.0.0: opt:w@1", "w@1.0.0 os=win32"], "a@1", &["a@1.0.0", "w@1.0.0"]);
}

#[test]
fn a_later_kind_takes_an_earlier_ones_place() {
    // npm makes peer edges first, then normal, optional, dev ones.
    let world = world(&["a@1.0.0: x@1 opt:x@1", "x@2.0.0"]);
    assert_eq!(resolved(&world, &project("a@1")).1, ["a@1.0.0"]);
    let (resolution, tree) = resolved(&world, &project("dev:x@2 peer:x@*"));
    assert_eq!(tree, ["x@2.0.0"]);
    assert_eq!(resolution.graph.importers[0].dependencies.len(), 2);
}

#[test]
fn cycles_end() {
    expect(&["a@1.0.0: b@1", "b@1.0.0: a@1", "c@1.0.0: c@1"], "a@1 c@1", &["a@1.0.0", "b@1.0.0", "c@1.0.0"]);
}

/// a@1 → b@1 → a@2 → b@2 → a@1: npm ends the nesting with a link.
#[test]
fn a_loop_of_nesting_ends_in_a_link() {
    let world = world(&["a@1.0.0: b@1", "b@1.0.0: a@2", "a@2.0.0: b@2", "b@2.0.0: a@1"]);
    let (resolution, tree) = resolved(&world, &project("a@1"));
    assert_eq!(
        tree,
        ["a@1.0.0", "b@1.0.0", "b > a@2.0.0", "b > b@2.0.0", "b > b > a@1.0.0", "b > b > b@1.0.0"]
    );
    let graph = &resolution.graph;
    let places = hoist::place(graph, &vec![true; graph.packages.len()]).unwrap();
    let link = places.iter().find(|p| p.link.is_some()).unwrap();
    assert_eq!(places[link.link.unwrap() as usize].path, "node_modules/b");
}

#[test]
fn peers_that_ask_for_each_other_in_turn_end() {
    let world = world(&[
        "a@1.0.0: peer:b@1",
        "b@1.0.0: peer:a@2",
        "a@2.0.0: peer:b@2",
        "b@2.0.0: peer:a@1",
        "m@1.0.0: a@1",
    ]);
    // Nobody can be content; the point is that there is an answer.
    let _ = resolve(&project("a@1"), &world);
    let _ = resolve(&project("m@1"), &world);
}

/// Found at random: npm 11 ends here with an error of its own code.
#[test]
fn peers_that_push_each_other_out_end_in_an_error() {
    let world = world(&[
        "a@1.0.0: d@^2.0.0 opt:g@1.1.0 peeropt:f@^1.0.0",
        "a@1.1.0: h@^1.0.0 peeropt:a@1||2 e@<3",
        "a@2.0.0: opt:e@1||2 f@^1||^3 peer:g@^2.0.0",
        "a@3.0.0: b@^1||^3 h@1.1.0",
        "b@1.0.0: g@1||2 a@1||2 g@1||2",
        "b@1.1.0: f@1.1.0 peer:a@>=2 peer:c@1.1.0",
        "b@2.0.0: peeropt:d@1.1.0",
        "b@3.0.0: peer:c@^2.0.0",
        "c@1.0.0: ",
        "c@1.1.0: f@^1.0.0 opt:b@1||2 f@^1||^3",
        "c@2.0.0: peer:e@>=2 h@^1||^3",
        "c@3.0.0: opt:e@1||2 peeropt:f@* peeropt:e@^1||^3",
        "d@1.0.0: peer:a@>=2 opt:f@^2.0.0 peer:g@^1.0.0",
        "d@1.1.0: ",
        "d@2.0.0: d@* c@>=2",
        "d@3.0.0: ",
        "e@1.0.0: ",
        "e@1.1.0: g@^1.0.0 opt:c@* c@1.1.0",
        "e@2.0.0: ",
        "e@3.0.0: peer:a@^1||^3 b@^1.0.0",
        "f@1.0.0: ",
        "f@1.1.0: opt:b@^1.0.0 opt:c@^1||^3",
        "f@2.0.0: opt:b@^1.0.0 h@>=2 b@*",
        "f@3.0.0: peeropt:f@1.1.0 peer:c@*",
        "g@1.0.0: peer:h@* a@<3",
        "g@1.1.0: ",
        "g@2.0.0: ",
        "g@3.0.0: peer:d@^1||^3 b@^2.0.0",
        "h@1.0.0: b@>=2 opt:h@*",
        "h@1.1.0: f@* peer:d@1.1.0 opt:g@*",
        "h@2.0.0: b@* peeropt:b@<3",
        "h@3.0.0: peeropt:h@<3",
    ]);
    let failure = resolve(&project("c@1||2"), &world).unwrap_err();
    assert!(matches!(&failure, Failure::Unsettled { chain } if chain.len() > 1), "{failure:?}");
}

/// Found at random: f's own optional peer is another f. The stack must not end before the answer.
#[test]
fn peers_that_replace_each_other_while_being_placed_end() {
    let world = world(&[
        "a@1.0.0: peeropt:f@^1.0.0 c@1.1.0 opt:e@*",
        "a@1.1.0: b@1.1.0",
        "a@2.0.0: ",
        "a@3.0.0: e@* d@>=2 peeropt:f@^2.0.0",
        "b@1.0.0: b@^2.0.0",
        "b@1.1.0: peer:d@*",
        "b@2.0.0: peeropt:e@*",
        "b@3.0.0: d@1.1.0 opt:a@^1.0.0",
        "c@1.0.0: c@>=2",
        "c@1.1.0: ",
        "c@2.0.0: f@^1||^3",
        "c@3.0.0: opt:a@^1||^3 opt:b@<3",
        "d@1.0.0: peer:a@<3 peeropt:c@1||2",
        "d@1.1.0: peeropt:b@<3 d@^2.0.0 peeropt:g@^2.0.0",
        "d@2.0.0: g@^2.0.0",
        "d@3.0.0: g@^1.0.0 opt:a@<3 e@^1||^3",
        "e@1.0.0: ",
        "e@1.1.0: c@<3",
        "e@2.0.0: ",
        "e@3.0.0: peeropt:e@^2.0.0 peeropt:c@<3",
        "f@1.0.0: peer:f@<3 peeropt:e@1.1.0",
        "f@1.1.0: f@>=2",
        "f@2.0.0: peer:f@1||2 peer:g@>=2",
        "f@3.0.0: peeropt:f@^2.0.0 peeropt:h@>=2",
        "g@1.0.0: ",
        "g@1.1.0: f@^1||^3 peer:c@<3",
        "g@2.0.0: f@1.1.0 peeropt:c@^1||^3 c@^2.0.0",
        "g@3.0.0: peer:d@*",
        "h@1.0.0: h@^2.0.0 peeropt:f@^1||^3",
        "h@1.1.0: e@* peeropt:d@^1.0.0 d@>=2",
        "h@2.0.0: peer:g@1.1.0",
        "h@3.0.0: f@>=2 d@1.1.0",
    ]);
    let failure = resolve(&project("b@<3 f@<3"), &world).unwrap_err();
    assert!(matches!(failure, Failure::PeerConflict(_)), "{failure:?}");
}

/// `a@1 → b@1 → a@2 → b@2 → …`: each version hides the one that the next needs.
#[test]
fn versions_that_nest_without_end_are_refused() {
    let lines: Vec<String> =
        (1..2_000).flat_map(|i| [format!("a@{i}.0.0: b@{i}"), format!("b@{i}.0.0: a@{}", i + 1)]).collect();
    let world = world(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let failure = resolve(&project("a@1"), &world).unwrap_err();
    assert!(matches!(failure, Failure::TooDeep), "{failure}");
}

/// A dependant's wishes are shown once for each of them: not all of them each time.
#[test]
fn many_direct_dependencies_take_edges_by_their_number() {
    let count = 4_000;
    let mut lines = vec!["host@1.0.0".to_string()];
    lines.extend((0..count).map(|i| format!("p{i}@1.0.0: peer:host@1 p{}@1", (i + 1) % count)));
    let world = world(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let wanted = (0..count).map(|i| format!("p{i}@1 ")).collect::<String>();
    let mut builder = build::Builder::new(&project(&wanted), &world).unwrap();
    builder.run().unwrap();
    assert_eq!(finish::listing(&builder).len(), count + 1);
    assert!(builder.tree.edges.len() < 8 * count, "{} edges", builder.tree.edges.len());
}

#[test]
fn a_range_with_as_many_parts_as_there_are_versions_is_refused() {
    let lines: Vec<String> = (0..20_000).map(|i| format!("a@1.{i}.0")).collect();
    let mut world = world(&lines.iter().map(String::as_str).collect::<Vec<_>>());
    let parts = |n: usize| (0..n).map(|i| format!("9.{i}.0||")).collect::<String>() + "1.0.0";
    let failure = resolve(&project(&format!("a@{}", parts(20_000))), &world).unwrap_err();
    assert!(matches!(failure, Failure::TooLarge { .. }), "{failure}");
    // Either alone is only large.
    let (resolution, _) = resolved(&world, &project(&format!("a@{}", parts(10))));
    assert_eq!(resolution.graph.packages[0].version, Version::new(1, 0, 0));
    world.packages.retain(|_, shelf| {
        let mut few = Shelf::clone(shelf);
        few.versions.truncate(10);
        *shelf = Rc::new(few);
        true
    });
    let (resolution, _) = resolved(&world, &project(&format!("a@{}", parts(20_000))));
    assert_eq!(resolution.graph.packages[0].version, Version::new(1, 0, 0));
}

#[test]
fn a_version_with_other_dependencies_elsewhere_is_another_variant() {
    let lines = ["a@1.0.0: m@1 x@1", "m@1.0.0: peer:x@*", "b@1.0.0: m@1 x@2", "x@1.0.0", "x@2.0.0"];
    let world = world(&lines);
    let (resolution, tree) = resolved(&world, &project("a@1 b@1"));
    let of_m: Vec<u32> =
        resolution.graph.packages.iter().filter(|p| p.name.as_str() == "m").map(|p| p.variant).collect();
    assert_eq!(of_m.len(), tree.iter().filter(|t| t.ends_with("m@1.0.0")).count().min(of_m.len()));
    assert_eq!(of_m, (0..of_m.len() as u32).collect::<Vec<_>>());
    let again = resolve(&project("b@1 a@1"), &world).unwrap();
    assert_eq!(again, resolution);
}

#[test]
fn bad_commands_are_left_out_with_a_warning() {
    let world = world(&["a@1.0.0 bin=../evil>x.js bin=ok>./bin/ok.js bin=bad>../../x"]);
    let (resolution, _) = resolved(&world, &project("a@1"));
    let bins: Vec<String> =
        resolution.graph.packages[0].bins.iter().map(|(n, p)| format!("{n}={p}")).collect();
    // npm keeps the last part of a command's name.
    assert_eq!(bins, ["evil=x.js", "ok=bin/ok.js"]);
    assert_eq!(resolution.warnings.len(), 1);
}

#[test]
fn a_bad_dependency_name_is_an_error() {
    let failure = resolve(&project("a@1"), &world(&["a@1.0.0: ../evil@1"])).unwrap_err();
    assert!(matches!(failure, Failure::Name { .. }), "{failure:?}");
    expect(&["a@1.0.0: opt:../evil@1"], "a@1", &["a@1.0.0"]);
}

#[test]
fn names_that_differ_in_case_share_a_place() {
    let lines = ["a@1.0.0: JSONStream@1", "JSONStream@1.0.0", "jsonstream@1.0.0"];
    expect(&lines, "a@1 jsonstream@1", &["a@1.0.0", "a > JSONStream@1.0.0", "jsonstream@1.0.0"]);
}

#[test]
fn a_lock_is_kept_and_the_index_not_asked() {
    let old = world(&["a@1.0.0: b@^1", "b@1.0.0", "c@1.0.0"]);
    let (locked, _) = resolved(&old, &project("a@1 c@1"));
    let new =
        world(&["a@1.0.0: b@^1", "a@1.9.0: b@^1", "b@1.0.0", "b@1.1.0", "c@1.0.0", "d@1.0.0: b@^1.0.0"]);
    let mut request = project("a@1 c@1");
    request.locked = Some(&locked.graph);
    assert_eq!(resolve(&request, &new).unwrap(), locked);
    assert_eq!(*new.asked.borrow(), [""; 0]);
    // Adding changes nothing else.
    let mut request = project("a@1 c@1 d@1");
    request.locked = Some(&locked.graph);
    let (added, tree) = resolved(&new, &request);
    assert_eq!(tree, ["a@1.0.0", "b@1.0.0", "c@1.0.0", "d@1.0.0"]);
    assert_eq!(new.asked.borrow()[0], "d");
    assert!(new.asked.borrow().iter().all(|n| n == "d"));
    // Removing takes along what only that needed.
    let mut request = project("c@1");
    request.locked = Some(&added.graph);
    assert_eq!(resolved(&new, &request).1, ["c@1.0.0"]);
    // A changed range is followed, and what it shares stays.
    let mut request = project("a@^1.5 c@1 d@1");
    request.locked = Some(&added.graph);
    assert_eq!(resolved(&new, &request).1, ["a@1.9.0", "b@1.0.0", "c@1.0.0", "d@1.0.0"]);
}

/// What a lock makes keeps an optional peer out of its dependant's own folder, as the resolver does.
#[test]
fn an_absent_optional_peer_of_the_right_version_stays_outside() {
    let world = world(&[
        "a@1.0.0: c@2",
        "c@1.1.0: e@*",
        "c@2.0.0",
        "d@2.0.0: peer:f@*",
        "e@3.0.0: peer:g@1.1.0",
        "f@3.0.0: c@1.1.0 peeropt:e@*",
        "g@1.1.0",
        "g@2.0.0",
    ]);
    let wanted = "g@^2.0.0 a@1 d@^2.0.0";
    let (resolution, tree) = resolved(&world, &project(wanted));
    let relocked = Request { locked: Some(&resolution.graph), ..project(wanted) };
    assert_eq!(resolved(&world, &relocked), (resolution.clone(), tree));
}

/// h's peer is another a in d's folder: it goes further up, where its own one is.
#[test]
fn a_lock_finds_the_place_where_the_right_peer_is() {
    let world =
        world(&["a@1.1.0: b@1.1.0", "a@2.0.0", "b@1.1.0", "d@3.0.0: h@^2.0.0 a@^1.0.0", "h@2.0.0: peer:a@*"]);
    let tree = ["a@2.0.0", "d@3.0.0", "d > a@1.1.0", "d > b@1.1.0", "h@2.0.0"];
    let shown = resolved(&world, &project("d@* a@^2.0.0")).1;
    assert!(shown.contains(&"h@2.0.0".to_string()), "{shown:?}");
    assert_eq!(shown.len(), tree.len());
}

/// Without its places the graph does not say that c@3 lay at the top; without the lock there is an answer.
#[test]
fn a_lock_that_does_not_fit_together_any_more_is_left() {
    let world = world(&[
        "a@1.0.0",
        "a@1.1.0",
        "a@2.0.0",
        "a@3.0.0",
        "c@1.0.0",
        "c@1.1.0: a@^1.0.0",
        "c@2.0.0: h@*",
        "c@3.0.0",
        "e@1.0.0",
        "e@1.1.0",
        "e@2.0.0: peer:g@^2.0.0 c@^2.0.0",
        "e@3.0.0",
        "f@1.0.0",
        "f@1.1.0",
        "f@2.0.0",
        "f@3.0.0",
        "g@1.0.0",
        "g@1.1.0",
        "g@2.0.0: peeropt:h@1||2",
        "g@3.0.0",
        "h@1.0.0",
        "h@1.1.0",
        "h@2.0.0: peer:c@^1||^3 e@^1.0.0",
        "h@3.0.0",
    ]);
    let locked = resolve(&project("e@1||2"), &world).unwrap();
    assert!(!locked.graph.places.is_empty());
    let request = Request { locked: Some(&locked.graph), ..project("e@1||2") };
    assert_eq!(resolve(&request, &world).unwrap(), locked);
    let bare = Graph { places: Vec::new(), ..locked.graph.clone() };
    let request = Request { locked: Some(&bare), ..project("e@1||2") };
    let mut again = resolve(&request, &world).unwrap();
    assert!(matches!(again.warnings.remove(0), Warning::LockLeft(_)));
    assert_eq!(again, locked);
}

#[test]
fn named_packages_are_updated_wherever_they_are() {
    let old = world(&["a@1.0.0: b@^1", "b@1.0.0", "c@1.0.0: b@1.0.0"]);
    let (locked, _) = resolved(&old, &project("a@1 c@1"));
    let new = world(&["a@1.0.0: b@^1", "a@1.1.0: b@^1", "b@1.0.0", "b@1.1.0", "c@1.0.0: b@1.0.0"]);
    let mut request = project("a@1 c@1");
    request.locked = Some(&locked.graph);
    request.update = vec![PackageName::parse("a").unwrap()];
    assert_eq!(resolved(&new, &request).1, ["a@1.1.0", "b@1.0.0", "c@1.0.0"]);
    request.update = Vec::new();
    request.explicit = vec![(String::new(), PackageName::parse("a").unwrap())];
    assert_eq!(resolved(&new, &request).1, ["a@1.1.0", "b@1.0.0", "c@1.0.0"]);
}

#[test]
fn what_only_an_optional_peer_holds_goes_with_its_dependant() {
    let world = world(&["a@1.0.0: peeropt:t@1", "t@1.0.0"]);
    let (locked, tree) = resolved(&world, &project("a@1 dev:t@1"));
    assert_eq!(tree, ["a@1.0.0", "t@1.0.0"]);
    let mut request = project("a@1");
    request.locked = Some(&locked.graph);
    assert_eq!(resolved(&world, &request).1, ["a@1.0.0"]);
}

#[test]
fn members_share_what_the_project_has() {
    let world = world(&["a@1.0.0: x@1", "x@1.0.0", "x@2.0.0"]);
    let importers =
        vec![importer("packages/m", "x@2"), importer("packages/l", "a@1 x@1"), importer("", "a@1")];
    let request = Request { importers, ..Request::default() };
    let (resolution, tree) = resolved(&world, &request);
    assert_eq!(tree, ["a@1.0.0", "x@1.0.0", "packages/m > x@2.0.0"]);
    let paths: Vec<&str> = resolution.graph.importers.iter().map(|i| i.path.as_str()).collect();
    assert_eq!(paths, ["", "packages/l", "packages/m"]);
    let relocked = Request { locked: Some(&resolution.graph), ..request.clone() };
    assert_eq!(resolve(&relocked, &world).unwrap().graph, resolution.graph);
}

/// A random registry of `a` … `h` as lines for [`world`].
pub fn registries() -> impl Strategy<Value = (Vec<String>, String)> {
    let range =
        proptest::sample::select(vec!["^1.0.0", "^2.0.0", "*", ">=2", "1||2", "<3", "^1||^3", "1.1.0"]);
    let kind = proptest::sample::select(vec!["", "", "", "", "opt:", "peer:", "peeropt:"]);
    let dependency = (kind, 0u8..8, range.clone());
    let version = proptest::collection::vec(dependency, 0..4);
    let package = proptest::collection::vec(version, 4..5);
    let wanted = proptest::collection::vec((0u8..8, range), 1..4);
    (proptest::collection::vec(package, 8..9), wanted).prop_map(|(packages, wanted)| {
        let name = |i: u8| char::from(b'a' + i);
        let mut lines = Vec::new();
        for (p, versions) in packages.iter().enumerate() {
            for (v, dependencies) in ["1.0.0", "1.1.0", "2.0.0", "3.0.0"].iter().zip(versions) {
                let dependencies: Vec<String> = dependencies
                    .iter()
                    .map(|(kind, n, range)| format!("{kind}{}@{range}", name(*n)))
                    .collect();
                lines.push(format!("{}@{v}: {}", name(p as u8), dependencies.join(" ")));
            }
        }
        let wanted: Vec<String> = wanted.iter().map(|(n, range)| format!("{}@{range}", name(*n))).collect();
        (lines, wanted.join(" "))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_resolution_holds_together((lines, wanted) in registries(), legacy_peers in any::<bool>()) {
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let world = world(&lines);
        let mut request = Request { legacy_peers, ..project(&wanted) };
        request.importers[0].dependencies.sort_by(|a, b| a.alias.cmp(&b.alias));
        request.importers[0].dependencies.dedup_by(|a, b| a.alias == b.alias);
        if let Ok(resolution) = resolve(&request, &world) {
            // A peer that was let pass has no place where Node would find what the graph says.
            if resolution.warnings.is_empty() && !legacy_peers {
                check(&resolution);
                hoist::tests::check(&resolution.graph);
            }
            // What the lock will lay out is the resolver's own tree.
            let ours: Vec<String> =
                tree(&request, &world).unwrap().iter().map(|(path, what)| shown(path, what)).collect();
            prop_assert_eq!(folders(&resolution.graph), ours);
            // The order of the manifest does not matter.
            let mut reversed = request.clone();
            reversed.importers[0].dependencies.reverse();
            prop_assert_eq!(&resolve(&reversed, &world).unwrap(), &resolution);
            // What is locked is a fixed point, but for peers that were let pass and are tried again.
            if resolution.warnings.is_empty() {
                let relocked = Request { locked: Some(&resolution.graph), ..request.clone() };
                let again = resolve(&relocked, &world).unwrap();
                if legacy_peers {
                    prop_assert_eq!(&again, &resolution);
                } else {
                    check(&again);
                }
            }
        }
    }
}
