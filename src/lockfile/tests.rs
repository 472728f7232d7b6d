use super::*;
use crate::json;
use crate::resolve::graph::{Edge, Importer, PackageId, Wanted};
use crate::resolve::{Folder, ImporterRequest, Override, Requested, Selector};
use mirror::digest::{Algorithm, Integrity};
use mirror::name::{BinName, PackageName, RelPath};
use mirror::version::Version;
use proptest::prelude::*;
use std::path::Path;

fn name(text: &str) -> PackageName {
    PackageName::parse(text).unwrap()
}

fn hash(byte: u8) -> Integrity {
    Integrity::from_bytes(Algorithm::Sha512, &[byte; 64]).unwrap()
}

fn package(text: &str, version: &str) -> Package {
    Package { integrity: Some(hash(7)), ..Package::new(name(text), Version::parse(version).unwrap(), "npm") }
}

fn edge(alias: &str, range: &str, kind: EdgeKind, target: Option<u32>) -> Edge {
    Edge { alias: name(alias), range: range.into(), kind, target: target.map(PackageId) }
}

fn wanted(alias: &str, range: &str, group: Group, target: Option<u32>) -> Wanted {
    Wanted { alias: name(alias), range: range.into(), group, target: target.map(PackageId) }
}

/// Everything the format can say, once.
fn sample() -> Graph {
    let mut ansi = package("ansi", "6.0.1");
    ansi.bins = vec![(BinName::parse("ansi").unwrap(), RelPath::parse("bin/a.js").unwrap())];
    ansi.engines = vec![("node".into(), ">=8".into())];
    ansi.deprecated = Some("use \"other\"\u{202e}".into());
    ansi.install_script = true;
    let mut dom = package("dom", "18.2.0");
    dom.dependencies = vec![
        edge("fs", "^2", EdgeKind::Optional, None),
        edge("js", "^3.0.0 || ^4.0.0", EdgeKind::Normal, Some(2)),
        edge("strip", "npm:ansi@6", EdgeKind::Normal, Some(0)),
    ];
    let mut js = package("js", "4.0.0");
    js.os = vec!["!win32".into()];
    js.cpu = vec!["x64".into(), "arm64".into()];
    js.libc = vec!["glibc".into()];
    js.bundled = vec!["inner".into()];
    js.dependencies =
        vec![edge("dom", "*", EdgeKind::Peer, Some(1)), edge("t", "", EdgeKind::PeerOptional, None)];
    let mut js1 = js.clone();
    js1.variant = 1;
    js1.dependencies.clear();
    let mut private = package("@corp/x", "1.0.0-rc.1+b");
    private.source = "npm+https://npm.example.com/".into();
    private.tarball = Some("https://files.example.com/x.tgz".into());
    let mut linked = package("zz", "0.0.0");
    linked.source = "link:packages/zz".into();
    linked.integrity = None;
    // `@corp/x` sorts in front: every id above moves by one.
    let shift = |mut p: Package| {
        for e in &mut p.dependencies {
            e.target = e.target.map(|id| PackageId(id.0 + 1));
        }
        p
    };
    Graph {
        importers: vec![
            Importer {
                path: String::new(),
                overrides: Vec::new(),
                dependencies: vec![
                    wanted("@corp/x", "^1.0.0-rc", Group::Dev, Some(0)),
                    wanted("dom", "latest", Group::Normal, Some(2)),
                    wanted("fs", "^2.3.0", Group::Optional, None),
                    wanted("js", "4", Group::Normal, Some(4)),
                    wanted("strip", "npm:ansi@6", Group::Normal, Some(1)),
                ],
            },
            Importer { path: "packages/zz".into(), ..Importer::default() },
        ],
        packages: vec![private, shift(ansi), shift(dom), shift(js), shift(js1), linked],
        places: vec!["node_modules/dom/node_modules/js".into(), "packages/zz/node_modules/@corp/x".into()],
    }
}

fn read_text(text: &str) -> Result<Graph, Error> {
    read(text.as_bytes(), Path::new("pantry.lock"))
}

#[test]
fn the_format_as_documented() {
    let h = hash(7).to_string();
    let expected = format!(
        r#"{{
  "lockfileVersion": 1,
  "importers": {{
    "": {{
      "dependencies": {{
        "dom": "18.2.0 latest",
        "js": "4.0.0#1 4",
        "strip": "ansi@6.0.1 npm:ansi@6"
      }},
      "devDependencies": {{
        "@corp/x": "1.0.0-rc.1+b ^1.0.0-rc"
      }},
      "optionalDependencies": {{
        "fs": "- ^2.3.0"
      }}
    }},
    "packages/zz": {{}}
  }},
  "packages": {{
    "@corp/x@1.0.0-rc.1+b": {{"source": "npm+https://npm.example.com/", "tarball": "https://files.example.com/x.tgz", "integrity": "{h}"}},
    "ansi@6.0.1": {{"integrity": "{h}", "bin": {{"ansi": "bin/a.js"}}, "engines": {{"node": ">=8"}}, "installScript": true, "deprecated": "use \"other\"\u202e"}},
    "dom@18.2.0": {{"integrity": "{h}", "dependencies": {{"js": "4.0.0 ^3.0.0 || ^4.0.0", "strip": "ansi@6.0.1 npm:ansi@6"}}, "optionalDependencies": {{"fs": "- ^2"}}}},
    "js@4.0.0": {{"integrity": "{h}", "peerDependencies": {{"dom": "18.2.0 *"}}, "optionalPeerDependencies": {{"t": "- "}}, "bundled": ["inner"], "os": ["!win32"], "cpu": ["x64", "arm64"], "libc": ["glibc"]}},
    "js@4.0.0#1": {{"integrity": "{h}", "bundled": ["inner"], "os": ["!win32"], "cpu": ["x64", "arm64"], "libc": ["glibc"]}},
    "zz@0.0.0": {{"source": "link:packages/zz"}}
  }},
  "places": [
    "node_modules/dom/node_modules/js",
    "packages/zz/node_modules/@corp/x"
  ]
}}
"#
    );
    let graph = sample();
    assert!(is_sorted(&graph));
    let text = write(&graph).unwrap();
    assert_eq!(text, expected);
    assert_eq!(read_text(&text).unwrap(), graph);
    let empty = "{\n  \"lockfileVersion\": 1,\n  \"importers\": {},\n  \"packages\": {}\n}\n";
    assert_eq!(write(&Graph::default()).unwrap(), empty);
    assert_eq!(read_text(empty).unwrap(), Graph::default());
}

/// Lines in any order, as a merge may leave them, with CRLF and a BOM.
#[test]
fn order_of_lines_does_not_matter() {
    let graph = sample();
    let text = write(&graph).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_string).collect();
    for (first, last) in [("\"packages\"", "  },"), ("\"places\"", "  ]")] {
        let from = lines.iter().position(|l| l.contains(first)).unwrap() + 1;
        let to = from + lines[from..].iter().position(|l| l == last).unwrap();
        for l in &mut lines[from..to] {
            *l = format!("{},", l.trim_end_matches(','));
        }
        lines[from..to].reverse();
        let last = lines[to - 1].trim_end_matches(',').to_string();
        lines[to - 1] = last;
    }
    let shuffled = format!("\u{feff}{}", lines.join("\r\n"));
    assert_eq!(read_text(&shuffled).unwrap(), graph);
}

#[test]
fn passwords_never_reach_the_file() {
    let mut graph = Graph { packages: vec![package("a", "1.0.0")], ..Graph::default() };
    graph.packages[0].source = "npm+https://u:s3cret@npm.example.com/x@y/".into();
    graph.packages[0].tarball = Some("https://u:s3cret@npm.example.com/a.tgz".into());
    let text = write(&graph).unwrap();
    assert!(!text.contains("s3cret"), "{text}");
    assert!(
        text.contains("npm+https://npm.example.com/x@y/") && text.contains("https://npm.example.com/a.tgz")
    );
}

#[test]
fn a_weak_hash_is_never_written() {
    let mut graph = Graph { packages: vec![package("a", "1.0.0")], ..Graph::default() };
    graph.packages[0].integrity = Integrity::from_bytes(Algorithm::Sha1, &[1; 20]);
    assert_eq!(write(&graph).unwrap_err().problem, Problem::WeakIntegrity("a@1.0.0".into(), Algorithm::Sha1));
    graph.packages[0].integrity = None;
    assert_eq!(write(&graph).unwrap_err().problem, Problem::NoIntegrity("a@1.0.0".into()));
}

/// Places outside the project, in no package's folder, or more than a layout can have.
#[test]
fn what_is_no_place_is_refused() {
    let with = |places: &str| {
        let text = write(&Graph::default()).unwrap();
        text.replace("\"packages\": {}", &format!("\"packages\": {{}},\n  \"places\": {places}"))
    };
    for place in [
        "",
        "a",
        "node_modules",
        "node_modules/",
        "/node_modules/a",
        "../node_modules/a",
        "x/../node_modules/a",
        "xnode_modules/a",
        "node_modules/../a",
        "node_modules/a/b",
        "node_modules/a/",
        "node_modules/a/lib/node_modules/b",
        "node_modules//node_modules/a",
        "node_modules/node_modules/a",
        "node_modules/.pantry",
        "node_modules/.bin/x",
        "node_modules/a\\\\b",
        "C:/node_modules/a",
        "node_modules/a\\u0000",
    ] {
        let text = with(&format!("[\"{place}\"]"));
        assert!(matches!(refusal(&text).0, Problem::BadPlace(_)), "{place}");
        assert_eq!(refusal(&text).1, Some((5, 14)), "{place}");
    }
    let long = format!("node_modules/a{}", "/node_modules/a".repeat(300));
    assert!(matches!(refusal(&with(&format!("[\"{long}\"]"))).0, Problem::BadPlace(_)));
    let many: Vec<String> = (0..=20_000).map(|i| format!("\"node_modules/p{i}\"")).collect();
    assert!(matches!(refusal(&with(&format!("[{}]", many.join(",")))).0, Problem::BadPlace(_)));
    assert_eq!(
        refusal(&with("[\"node_modules/b\", \"node_modules/a\", \"node_modules/b\"]")).0,
        Problem::Twice("node_modules/b".into())
    );
    assert!(matches!(refusal(&with("{}")).0, Problem::Syntax(_)));
    assert!(matches!(refusal(&with("[1]")).0, Problem::Syntax(_)));
    assert!(read_text(&with("[]")).unwrap().places.is_empty());
    // The folder of a member that is gone, or a package that is: nobody asks for it.
    assert_eq!(read_text(&with("[\"gone/node_modules/a\"]")).unwrap().places, ["gone/node_modules/a"]);
}

/// Line and column.
type Place = Option<(u32, u32)>;

fn refusal(text: &str) -> (Problem, Place) {
    let e = read_text(text).unwrap_err();
    (e.problem, e.excerpt.map(|x| (x.position.line, x.position.column)))
}

/// A lockfile with these package lines and importer lines.
fn lock(importer: &str, packages: &str) -> String {
    format!(
        "{{\n\"lockfileVersion\": 1,\n\"importers\": {{\"\": {{\"dependencies\": {{{importer}}}}}}},\n\"packages\": {{\n{packages}\n}}\n}}\n"
    )
}

#[test]
fn torn_empty_conflicted_and_newer_files_say_so() {
    for blank in ["", " \n", "\u{feff}\n"] {
        assert_eq!(refusal(blank), (Problem::Empty, None));
    }
    let text = write(&sample()).unwrap();
    for cut in (1..text.trim_end().len()).filter(|&i| text.is_char_boundary(i)) {
        let (problem, place) = refusal(&text[..cut]);
        assert_eq!(problem, Problem::Torn, "cut at {cut}");
        assert!(place.is_some());
    }
    let conflicted = text.replace("    \"ansi@", "<<<<<<< HEAD\n    \"ansi@");
    assert_eq!(refusal(&conflicted), (Problem::MergeConflict, Some((21, 1))));
    let e = read_text(&conflicted).unwrap_err();
    assert!(e.hint().unwrap().contains("pantry install"));
    assert_eq!(e.to_string(), "pantry.lock:21:1: the lockfile holds the markers of an unresolved merge");
    assert_eq!(
        refusal(&text.replace("Version\": 1", "Version\": 2")),
        (Problem::NewerVersion(2), Some((2, 22)))
    );
    for text in ["{}", "{\"name\": 1}", "{\"lockfileVersion\": 0}", "{\"lockfileVersion\": \"1\"}"] {
        assert_eq!(refusal(text).0, Problem::NoVersion, "{text}");
    }
    assert_eq!(refusal("{\"lockfileVersion\": 1}").0, Problem::NoSection("importers"));
    assert!(matches!(refusal("[]").0, Problem::Syntax(_)));
    let e = read(b"{\"lockfileVersion\": 1,\n \xff", Path::new("x")).unwrap_err();
    assert_eq!(e.problem, Problem::Syntax(json::Problem::NotUtf8));
    assert_eq!(e.excerpt.unwrap().position.line, 2);
}

#[test]
fn every_promise_is_kept_when_reading() {
    use Problem::*;
    let h = hash(1).to_string();
    let a = format!("\"a@1.0.0\": {{\"integrity\": \"{h}\"}}");
    let sha1 = Integrity::from_bytes(Algorithm::Sha1, &[1; 20]).unwrap();
    let with = |extra: &str| lock("", &format!("\"a@1.0.0\": {{\"integrity\": \"{h}\"{extra}}}"));
    assert!(read_text(&lock("\"a\": \"1.0.0 ^1\"", &a)).is_ok());

    let cases: Vec<(String, Problem, Place)> = vec![
        (lock("", "\"a@1.0.0\": {}"), NoIntegrity("a@1.0.0".into()), Some((5, 1))),
        (
            lock("", &format!("\"a@1.0.0\": {{\"integrity\": \"{sha1}\"}}")),
            WeakIntegrity("a@1.0.0".into(), Algorithm::Sha1),
            Some((5, 1)),
        ),
        (lock("", &format!("{a},\n{a}")), Twice("a@1.0.0".into()), Some((6, 1))),
        (lock("\"a\": \"1.0.0 1\", \"a\": \"1.0.0 1\"", &a), Twice("a".into()), None),
        (
            lock("", &format!("{a},\n\"a@1.0.0#1\": {{\"integrity\": \"{}\"}}", hash(2))),
            TwoArchives("a@1.0.0#1".into()),
            Some((6, 1)),
        ),
        (lock("\"a\": \"2.0.0 ^2\"", &a), Nowhere("a@2.0.0".into()), Some((3, 42))),
        (lock("\"a\": \"b@1.0.0 npm:b\"", &a), Nowhere("b@1.0.0".into()), Some((3, 42))),
        (lock("\"a\": \"- ^2\"", &a), Unresolved("a".into()), Some((3, 42))),
        (lock("\"a\": \"1.0.0\"", &a), BadTarget("1.0.0".into()), Some((3, 42))),
        (with(", \"dependencies\": {\"b\": \"- 1\"}"), Unresolved("b".into()), None),
        (with(", \"dependencies\": {\"b\": \"1.0.0 1\"}"), Nowhere("b@1.0.0".into()), None),
        (with(", \"peers\": {}"), UnknownField("peers".into()), None),
        (with(", \"os\": [], \"os\": []"), Twice("os".into()), None),
        (with(", \"tarball\": \"file:///etc/passwd\""), BadUrl("a@1.0.0".into()), None),
        (with(", \"tarball\": \"https://u:p@example.com/a.tgz\""), BadUrl("a@1.0.0".into()), None),
        (lock("", "\"a\": {}"), BadKey("a".into()), Some((5, 1))),
        (lock("", "\"@a\": {}"), BadKey("@a".into()), None),
        (lock("", "\"a@1.0.0#0\": {}"), BadKey("a@1.0.0#0".into()), None),
        (lock("", "\"a@1.0.0#01\": {}"), BadKey("a@1.0.0#01".into()), None),
        (lock("", "\"a@1.0.0#\": {}"), BadKey("a@1.0.0#".into()), None),
    ];
    for (text, problem, place) in cases {
        let (found, at) = refusal(&text);
        assert_eq!(found, problem, "{text}");
        if place.is_some() {
            assert_eq!(at, place, "{text}");
        }
    }
    // Everything that could become a path goes through its parser.
    for text in [
        lock("\"../../x\": \"- ^1\"", &a),
        lock("", "\"../../x@1.0.0\": {}"),
        lock("", "\"node_modules@1.0.0\": {}"),
        lock("", "\"a@1.0.0/../..\": {}"),
        lock("", "\"a@^1.0.0\": {}"),
        with(", \"bin\": {\"../x\": \"a.js\"}"),
        with(", \"bin\": {\"x\": \"../a.js\"}"),
        with(", \"bin\": {\"x\": \"/a.js\"}"),
        with(", \"dependencies\": {\".git/hooks\": \"1.0.0 1\"}"),
        lock("", "\"a@1.0.0\": {\"source\": \"link:/x\"}"),
        lock("", "\"a@1.0.0\": {\"integrity\": \"md5-AAAA\"}"),
        "{\"lockfileVersion\": 1, \"importers\": {\"../a\": {}}, \"packages\": {}}".into(),
    ] {
        assert!(matches!(refusal(&text), (Name(_), Some(_))), "{text}");
    }
    assert_eq!(read_text(&lock("", "\"a@1.0.0\": {}")).unwrap_err().status(), crate::error::Status::Refused);
}

#[test]
fn what_fits_and_what_does_not() {
    let graph = sample();
    let (corp, dom, fs, js, strip, new) =
        (name("@corp/x"), name("dom"), name("fs"), name("js"), name("strip"), name("new"));
    let ask = |alias: &PackageName, range: &str, group| Requested {
        alias: alias.clone(),
        range: range.into(),
        group,
        optional_peer: false,
    };
    let asked =
        |path: &str, dependencies| ImporterRequest { path: path.into(), dependencies, ..Default::default() };
    let mut root = vec![
        ask(&strip, "npm:ansi@6", Group::Normal),
        ask(&js, "4", Group::Normal),
        ask(&dom, "latest", Group::Normal),
        ask(&fs, "^2.3.0", Group::Optional),
        ask(&corp, "^1.0.0-rc", Group::Dev),
    ];
    let zz = Folder {
        path: "packages/zz".into(),
        name: name("zz"),
        version: Version::new(0, 0, 0),
        bins: vec![],
        member: true,
    };
    let whole = |dependencies, folder: &Folder| {
        [
            asked("packages/zz", vec![]),
            ImporterRequest { folders: vec![folder.clone()], ..asked("", dependencies) },
        ]
    };
    assert_eq!(fits(&graph, &whole(root.clone(), &zz)), Ok(()));
    let newer = Folder { version: Version::new(0, 1, 0), ..zz.clone() };
    let found = fits(&graph, &whole(root.clone(), &newer)).unwrap_err();
    assert_eq!(found, [Difference::Folder { path: "packages/zz".into() }]);
    let other = Folder { path: "packages/b".into(), name: name("b"), ..zz };
    assert_eq!(fits(&graph, &whole(root.clone(), &other)).unwrap_err().len(), 2);
    root[1].range = "^4".into();
    root[2].group = Group::Dev;
    root.remove(0);
    root.push(ask(&new, "1", Group::Normal));
    let found = fits(&graph, &[asked("", root), asked("packages/b", vec![])]).unwrap_err();
    let words: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "dom has moved from dependencies to devDependencies",
            "js is locked for 4, asked for as ^4",
            "new 1 is not in the lock",
            "strip is in the lock, but no longer asked for",
            "the lock does not know packages/b",
            "packages/zz has no manifest any more",
            "the package in packages/zz has another name, version or command",
        ]
    );
    // An empty lock fits a project that asks for nothing.
    assert_eq!(fits(&Graph::default(), &[asked("", vec![])]), Ok(()));
    let by = |value: &str| Override {
        path: vec![Selector { name: name("a"), range: "^1".into(), direct: false }],
        value: value.into(),
        overrules: false,
    };
    let with = |overrides| ImporterRequest { overrides, ..asked("", vec![]) };
    let found = fits(&Graph::default(), &[with(vec![by("2")])]).unwrap_err();
    let words: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(words, ["the lock was made with other overrides: nothing where a@^1 by 2 is asked for"]);
    let overrides = with(vec![by("2")]).overrides_as_text();
    let graph = Graph { importers: vec![Importer { overrides, ..Importer::default() }], ..Graph::default() };
    let text = write(&graph).unwrap();
    assert!(
        text.contains("    \"\": {\n      \"overrides\": {\n        \"a@^1\": \"2\"\n      }\n    }"),
        "{text}"
    );
    assert_eq!(read(text.as_bytes(), Path::new(FILE)).unwrap(), graph);
    assert_eq!(fits(&graph, &[with(vec![by("2")])]), Ok(()));
    assert!(fits(&graph, &[with(vec![by("3")])]).is_err() && fits(&graph, &[asked("", vec![])]).is_err());
    let twice = text.replace("\"a@^1\": \"2\"", "\"a@^1\": \"2\", \"a@^1\": \"2\"");
    assert!(read(twice.as_bytes(), Path::new(FILE)).is_err());
}

fn graphs() -> impl Strategy<Value = Graph> {
    let names = prop::sample::select(vec!["a", "b", "@s/c", "D", "e.f", "g-h", "@s/i"]);
    let versions = prop::sample::select(vec!["1.0.0", "1.0.0-rc.1", "2.10.3", "2.9.0+b", "0.0.0"]);
    let words = prop::collection::vec("[a-z!\"\\\\é\u{202e}]{0,6}", 0..3);
    let one = (names, versions, 0u32..3, any::<u8>(), words, any::<bool>(), prop::option::of(".{0,12}"));
    let edges = prop::collection::vec((0usize..7, any::<prop::sample::Index>(), 0usize..4, ".{0,8}"), 0..6);
    (prop::collection::vec((one, edges), 1..12), any::<u8>()).prop_map(|(packages, salt)| {
        let aliases = ["a", "b", "@s/c", "D", "e.f", "other", "@s/z"];
        let mut all: Vec<(Package, _)> = packages
            .into_iter()
            .map(|((n, v, variant, _, words, script, text), edges)| {
                let mut p = package(n, v);
                p.variant = variant;
                p.integrity = Some(hash(salt));
                p.os = words.clone();
                p.bundled = words;
                p.install_script = script;
                p.deprecated = text;
                (p, edges)
            })
            .collect();
        all.sort_by(|(a, _), (b, _)| (&a.name, &a.version, a.variant).cmp(&(&b.name, &b.version, b.variant)));
        all.dedup_by(|(a, _), (b, _)| (&a.name, &a.version, a.variant) == (&b.name, &b.version, b.variant));
        let count = all.len();
        let mut graph = Graph::default();
        let mut root = Importer::default();
        for (mut p, edges) in all {
            for (alias, target, kind, range) in edges {
                let target = (kind == 0 || alias % 2 == 0).then(|| target.index(count) as u32);
                let e = edge(aliases[alias], &range, KINDS[kind].0, target);
                root.dependencies.push(Wanted {
                    alias: e.alias.clone(),
                    range: e.range.clone(),
                    group: [Group::Normal, Group::Optional, Group::Peer, Group::Optional][kind],
                    target: e.target,
                });
                p.dependencies.push(e);
            }
            p.dependencies.sort_by(|a, b| (&a.alias, a.kind).cmp(&(&b.alias, b.kind)));
            p.dependencies.dedup_by(|a, b| (&a.alias, a.kind) == (&b.alias, b.kind));
            graph.packages.push(p);
        }
        root.dependencies.sort_by(|a, b| (&a.alias, a.group).cmp(&(&b.alias, b.group)));
        root.dependencies.dedup_by(|a, b| (&a.alias, a.group) == (&b.alias, b.group));
        graph.importers.push(root);
        graph.places =
            graph.packages.iter().map(|p| format!("node_modules/x/node_modules/{}", p.name)).collect();
        graph.places.dedup();
        graph
    })
}

proptest! {
    #[test]
    fn what_was_written_is_read(graph in graphs()) {
        let text = write(&graph).unwrap();
        let again = read_text(&text).unwrap();
        prop_assert_eq!(&again, &graph);
        prop_assert_eq!(write(&again).unwrap(), text);
    }

    /// Any damage is an answer or an error, never a panic; and what is read
    /// from damaged bytes can be written and read again.
    #[test]
    fn damage_never_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..3), 1..6)) {
        let mut bytes = write(&sample()).unwrap().into_bytes();
        for (place, byte, what) in changes {
            let i = place.index(bytes.len());
            match what {
                0 => bytes[i] = byte,
                1 => drop(bytes.remove(i)),
                _ => bytes.insert(i, byte),
            }
        }
        if let Ok(graph) = read(&bytes, Path::new("x")) {
            prop_assert!(is_sorted(&graph));
            let text = write(&graph).unwrap();
            prop_assert_eq!(read_text(&text).unwrap(), graph);
        }
    }
}
