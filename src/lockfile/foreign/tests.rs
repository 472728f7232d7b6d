use super::*;
use crate::lockfile::push_key;
use crate::resolve::graph::Group;
use crate::resolve::index::{Candidates, Index};
use mirror::name::PackageName;
use mirror::record::{Dependency, DependencyKind, VersionRecord};
use std::rc::Rc;

/// `name@version dep@range peer:dep@range optional:…` a line.
struct Known(Vec<(String, VersionRecord)>);

impl Known {
    fn new(lines: &str) -> Self {
        let mut all: Vec<(String, VersionRecord)> = Vec::new();
        for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
            let mut words = line.split(' ');
            let (name, version) = cut(words.next().unwrap());
            let mut record = VersionRecord::new(Version::parse_loose(version).unwrap());
            record.integrity = Some(mirror::digest::Hash::of(line.as_bytes()).into());
            for word in words {
                let (kind, word) = match word.split_once(':') {
                    Some(("peer", rest)) => (DependencyKind::Peer, rest),
                    Some(("optional", rest)) => (DependencyKind::Optional, rest),
                    _ => (DependencyKind::Normal, word),
                };
                let (name, range) = cut(word);
                let (name, range) = (name.to_string(), range.to_string());
                record.dependencies.push(Dependency { name, range, kind, condition: String::new() });
            }
            all.push((name.into(), record));
        }
        Self(all)
    }
}

fn cut(word: &str) -> (&str, &str) {
    word.split_at_checked(word.rfind('@').unwrap()).map(|(a, b)| (a, &b[1..])).unwrap()
}

struct Versions(Vec<VersionRecord>, Vec<String>);

impl Candidates for Versions {
    fn source(&self) -> &str {
        "npm"
    }
    fn tag(&self, _: &str) -> Option<&str> {
        None
    }
    fn len(&self) -> usize {
        self.0.len()
    }
    fn version(&self, i: usize) -> &str {
        &self.1[i]
    }
    fn is_available(&self, _: usize) -> bool {
        true
    }
    fn is_deprecated(&self, _: usize) -> bool {
        false
    }
    fn load(&self, i: usize) -> Result<VersionRecord> {
        Ok(self.0[i].clone())
    }
}

impl Index for Known {
    fn package(&self, name: &PackageName) -> Result<Option<Rc<dyn Candidates>>> {
        let records: Vec<_> =
            self.0.iter().filter(|(n, _)| n == name.as_str()).map(|(_, r)| r.clone()).collect();
        let texts = records.iter().map(|r| r.version.to_string()).collect();
        Ok(if records.is_empty() { None } else { Some(Rc::new(Versions(records, texts))) })
    }
}

/// Reads a lockfile for a manifest (`alias@range` words) and completes it.
fn taken(maker: Maker, text: &str, asked: &str, index: &str) -> Result<Graph> {
    let requested = |word| {
        let (alias, range) = cut(word);
        let (alias, range) = (PackageName::parse(alias).unwrap(), range.to_string());
        Requested { alias, range, group: Group::Normal, optional_peer: false }
    };
    let asked = ImporterRequest {
        dependencies: asked.split(' ').map(requested).collect(),
        ..ImporterRequest::default()
    };
    let mut foreign = read(maker, text.as_bytes(), Path::new("lock"), &[asked])?;
    Ok(foreign.complete(&Known::new(index))?.graph)
}

/// A line for each package: its key, and where its edges lead.
fn shown(graph: &Graph) -> Vec<String> {
    let key = |id: PackageId| {
        let mut out = String::new();
        push_key(&mut out, graph.package(id));
        out
    };
    let line = |id: PackageId| {
        let mut out = key(id);
        for edge in &graph.package(id).dependencies {
            let target = edge.target.map_or("-".into(), key);
            out.push_str(&format!(" {:?} {}→{target}", edge.kind, edge.range));
        }
        out
    };
    graph.ids().map(line).collect()
}

const PNPM: &str = "
lockfileVersion: '9.0'
importers:
  .:
    dependencies:
      a: {specifier: ^1, version: 1.0.0(p@1.0.0)}
      b: {specifier: ^1, version: 1.0.0}
      p: {specifier: ^1, version: 1.0.0}
snapshots:
  a@1.0.0(p@1.0.0): {dependencies: {p: 1.0.0, s: '1.0.0(p@1.0.0)'}}
  a@1.0.0(p@2.0.0): {dependencies: {p: 2.0.0, s: '1.0.0(p@2.0.0)'}}
  b@1.0.0: {dependencies: {a: 1.0.0(p@2.0.0), c: 1.0.0(q@1.0.0)}, optionalDependencies: {gone: 9.9.9}}
  c@1.0.0(q@1.0.0): {}
  c@1.0.0(q@2.0.0): {}
  p@1.0.0: {}
  p@2.0.0: {}
  s@1.0.0(p@1.0.0): {}
  s@1.0.0(p@2.0.0): {}
  unused@1.0.0: {}
";

const INDEX: &str = "
a@1.0.0 s@^1 peer:p@>=1
b@1.0.0 a@^1 c@^1 optional:gone@9
c@1.0.0 peer:q@*
p@1.0.0
p@2.0.0
s@1.0.0
unused@1.0.0
";

#[test]
fn peers_make_variants_and_what_is_alike_is_one() {
    let graph = taken(Maker::Pnpm, PNPM, "a@^1 b@^1 p@^1", INDEX).unwrap();
    assert_eq!(
        shown(&graph),
        [
            "a@1.0.0 Peer >=1→p@1.0.0 Normal ^1→s@1.0.0",
            "a@1.0.0#1 Peer >=1→p@2.0.0 Normal ^1→s@1.0.0",
            "b@1.0.0 Normal ^1→a@1.0.0#1 Normal ^1→c@1.0.0 Optional 9→-",
            "c@1.0.0 PeerOptional *→-",
            "p@1.0.0",
            "p@2.0.0",
            "s@1.0.0",
        ]
    );
    assert!(graph.packages.iter().all(|p| p.integrity.is_some()));
    assert!(crate::lockfile::is_sorted(&graph));
}

#[test]
fn a_manifest_that_asks_for_something_else_does_not_fit() {
    for (asked, there) in [("a@^1 p@^1", 2), ("a@^2 p@^1", 1), ("a@^1 x@1", 1), ("p@>=1", 1)] {
        let graph = taken(Maker::Pnpm, PNPM, asked, INDEX).unwrap();
        assert_eq!(graph.importers[0].dependencies.len(), there, "{asked}");
    }
}

#[test]
fn what_the_index_lacks_is_missing() {
    let without = INDEX.replace("s@1.0.0\n", "");
    let error = taken(Maker::Pnpm, PNPM, "a@^1", &without).unwrap_err();
    assert_eq!(error.status(), crate::error::Status::Unreachable);
    assert!(error.to_string().contains("s@1.0.0"), "{error}");
}

#[test]
fn what_settings_of_the_project_added_stays() {
    let text = PNPM.replace("unused@1.0.0: {}", "unused@1.0.0: {dependencies: {p: 2.0.0}}");
    let text = text.replace("b: {specifier: ^1, version: 1.0.0}", "unused: {specifier: '1', version: 1.0.0}");
    let graph = taken(Maker::Pnpm, &text, "unused@1", INDEX).unwrap();
    assert_eq!(shown(&graph), ["p@2.0.0", "unused@1.0.0 Normal 2.0.0→p@2.0.0"]);
}

#[test]
fn buns_keys_are_places() {
    let text = r#"{"lockfileVersion": 1,
        "workspaces": {"": {"name": "app", "dependencies": {"@s/a": "^1", "m": "workspace:*"}},
                       "packages/m": {"name": "m", "version": "0.1.0", "dependencies": {"c": "^1"}}},
        "packages": {
            "@s/a": ["@s/a@1.0.0", "", {"dependencies": {"c": "^2"}}, ""],
            "@s/a/c": ["c@2.0.0", "https://example.com/c/-/c-2.0.0.tgz", {}, ""],
            "c": ["c@3.0.0", "", {}, ""],
            "m": ["m@workspace:packages/m"],
            "m/c": ["c@1.0.0", "", {"os": "none", "bin": {"c": "c.js"}}, ""],
        }}"#;
    let mut foreign = read(Maker::Bun, text.as_bytes(), Path::new("bun.lock"), &[]).unwrap();
    assert_eq!(shown(&foreign.graph), ["@s/a@1.0.0 Normal ^2→c@2.0.0", "c@1.0.0", "c@2.0.0", "m@0.1.0"]);
    let paths: Vec<_> = foreign.graph.importers.iter().map(|i| i.path.as_str()).collect();
    assert_eq!(paths, ["", "packages/m"]);
    let graph = foreign.complete(&Known::new("@s/a@1.0.0 c@^2\nc@1.0.0\nc@2.0.0")).unwrap().graph;
    assert_eq!(graph.packages.len(), 4);
}

#[test]
fn yarns_ranges_lead_and_its_peers_are_found() {
    let text = "\u{feff}# yarn lockfile v1\r\n\r\n\"@s/a@^1\", \"@s/a@^1.0.0\":\r\n  version \"1.0.0\"\r\n  \
        resolved \"https://registry.example.com/@s/a/-/a-1.0.0.tgz#0123\"\r\n  dependencies:\r\n    al \"npm:p@^1\"\r\n\
        \"al@npm:p@^1\", p@^1:\r\n  version \"1.0.0\"\r\np@^2:\r\n  version \"2.0.0\"\r\n\
        q@1:\r\n  version \"1.0.0\"\r\n  resolved \"https://cdn.example.com/q.tgz\"\r\n";
    let index = "@s/a@1.0.0 peer:p@>=1 peer:z@1\np@1.0.0\np@2.0.0\nq@1.0.0 peer:p@>=1";
    let graph = taken(Maker::Yarn, text, "@s/a@^1 q@1", index).unwrap();
    assert_eq!(
        shown(&graph),
        [
            // What the project added: yarn's edge stays, with its own words.
            "@s/a@1.0.0 Normal 1.0.0→p@1.0.0 Peer >=1→p@2.0.0 PeerOptional 1→-",
            "p@1.0.0",
            "p@2.0.0",
            "q@1.0.0 Peer >=1→p@2.0.0"
        ]
    );
    let tarballs: Vec<_> = graph.packages.iter().map(|p| p.tarball.as_deref()).collect();
    assert_eq!(tarballs, [None, None, None, Some("https://cdn.example.com/q.tgz")]);
    // The project's own is nearest.
    let graph = taken(Maker::Yarn, text, "p@^1 q@1", index).unwrap();
    assert_eq!(shown(&graph), ["p@1.0.0", "q@1.0.0 Peer >=1→p@1.0.0"]);
}

#[test]
fn who_wrote_a_file() {
    assert_eq!(Maker::of("yarn.lock"), Some(Maker::Yarn));
    assert_eq!(Maker::of("pantry.lock"), None);
    assert!(
        is_earlier(b"{\"version\": \"1.0\"}")
            && !is_earlier(b"{\"lockfileVersion\": 1}")
            && !is_earlier(b"\xff")
    );
}

#[test]
fn what_is_optional_may_be_missing() {
    let text = PNPM.replace("optionalDependencies: {gone: 9.9.9}", "optionalDependencies: {p: 2.0.0}");
    let index = INDEX.replace("optional:gone@9", "optional:p@2").replace("p@2.0.0\n", "");
    let index = index.replace("a@1.0.0 s@^1 peer:p@>=1", "a@1.0.0 s@^1");
    // Of a, p is what the project's settings added: that is not optional.
    let error = taken(Maker::Pnpm, &text, "b@^1", &index).unwrap_err().to_string();
    assert!(error.contains("p@2.0.0"), "{error}");
    let text = text.replace("{p: 2.0.0, s: '1.0.0(p@2.0.0)'}", "{s: '1.0.0(p@2.0.0)'}");
    let graph = taken(Maker::Pnpm, &text, "b@^1", &index).unwrap();
    assert_eq!(
        shown(&graph),
        [
            "a@1.0.0 Normal ^1→s@1.0.0",
            "b@1.0.0 Normal ^1→a@1.0.0 Normal ^1→c@1.0.0 Optional 2→-",
            "c@1.0.0 PeerOptional *→-",
            "s@1.0.0",
        ]
    );
}
