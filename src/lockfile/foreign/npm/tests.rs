use super::super::{Gaps, Maker};
use crate::error::Result;
use crate::resolve::graph::Graph;
use std::path::Path;

/// All that npm leaves open is a hash.
fn read(bytes: &[u8], path: &Path) -> Result<Graph> {
    let foreign = super::super::read(Maker::Npm, bytes, path, &[])?;
    assert_eq!(foreign.gaps, Gaps::Hashes);
    Ok(foreign.graph)
}
use crate::error::Status;
use crate::resolve::graph::{EdgeKind, Group, Package};

fn parse(packages: &str) -> Result<Graph> {
    let text = format!(
        "{{\"name\": \"app\", \"lockfileVersion\": 3, \"requires\": true, \"packages\": {{{packages}}}}}"
    );
    read(text.as_bytes(), Path::new("package-lock.json"))
}

fn graph(packages: &str) -> Graph {
    parse(packages).unwrap_or_else(|e| panic!("{packages}: {e}"))
}

fn problem(result: Result<Graph>) -> (String, Status, Vec<String>) {
    let e = result.unwrap_err();
    (e.to_string(), e.status(), e.hints())
}

fn hash(byte: u8) -> String {
    mirror::digest::Integrity::from_bytes(mirror::digest::Algorithm::Sha512, &[byte; 64]).unwrap().to_string()
}

fn key(p: &Package) -> String {
    let mut out = String::new();
    crate::lockfile::push_key(&mut out, p);
    out
}

/// `alias→target`, `alias→-`.
fn edges(g: &Graph, package: &str) -> Vec<String> {
    let p = g.packages.iter().find(|p| key(p) == package).unwrap_or_else(|| panic!("no {package}"));
    let to = |id: Option<crate::resolve::graph::PackageId>| id.map_or("-".into(), |id| key(g.package(id)));
    p.dependencies
        .iter()
        .map(|e| format!("{:?} {} {} → {}", e.kind, e.alias, e.range, to(e.target)))
        .collect()
}

fn wanted(g: &Graph, importer: &str) -> Vec<String> {
    let i = g.importers.iter().find(|i| i.path == importer).unwrap_or_else(|| panic!("no {importer}"));
    let to = |id: Option<crate::resolve::graph::PackageId>| id.map_or("-".into(), |id| key(g.package(id)));
    i.dependencies
        .iter()
        .map(|w| format!("{:?} {} {} → {}", w.group, w.alias, w.range, to(w.target)))
        .collect()
}

fn keys(g: &Graph) -> Vec<String> {
    g.packages.iter().map(key).collect()
}

#[test]
fn a_small_project() {
    let (h, weak) = (hash(1), "sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let g = graph(&format!(
        r#""": {{"name": "App!", "version": "x", "dependencies": {{"a": "^1", "pico": "npm:picocolors@1"}},
              "devDependencies": {{"d": "latest", "p": "*"}}, "optionalDependencies": {{"o": "2", "gone": "1", "a": "^1"}},
              "peerDependencies": {{"p": ">=1", "q": "*"}}, "peerDependenciesMeta": {{"q": {{"optional": true}}}}}},
        "node_modules/a": {{"version": "1.2.3", "resolved": "https://r.example.com/a/-/a-1.2.3.tgz", "integrity": "{h}",
            "dependencies": {{"@s/b": "2"}}, "peerDependencies": {{"p": "1", "@s/b": "9", "nope": "*"}},
            "peerDependenciesMeta": {{"nope": {{"optional": true}}, "unasked": {{"optional": true}}}},
            "bin": {{"a": "./bin/a.js", "x/y": "y.js", "bad name": "z", "up": "../z"}}, "engines": {{"npm": ">=9", "node": ">=18"}},
            "os": ["linux", "!win32"], "cpu": "x64", "libc": ["glibc"], "hasInstallScript": true, "deprecated": "old",
            "license": "MIT", "funding": {{"url": "x"}}}},
        "node_modules/@s/b": {{"version": "2.0.0+build", "resolved": "https://r.example.com/@s%2fb/-/b-2.0.0.tgz", "integrity": "{weak}",
            "engines": ["node >= 0.6"], "dependencies": [], "dev": true}},
        "node_modules/d": {{"version": "1.0.0", "resolved": "https://user:secret@cdn.example.com/d.tgz?x#y", "integrity": "{h}"}},
        "node_modules/o": {{"version": "2.0.0", "optional": true}},
        "node_modules/p": {{"version": "1.0.0", "integrity": "{h}"}},
        "node_modules/pico": {{"name": "picocolors", "version": "1.1.1",
            "resolved": "https://r.example.com/picocolors/-/picocolors-1.1.1.tgz", "integrity": "{h}"}},
        "node_modules/extra": {{"version": "1.0.0", "extraneous": true, "dependencies": {{"nowhere": "1"}}}}"#
    ));
    assert_eq!(
        keys(&g),
        ["@s/b@2.0.0+build", "a@1.2.3", "d@1.0.0", "o@2.0.0", "p@1.0.0", "picocolors@1.1.1"]
    );
    assert_eq!(
        wanted(&g, ""),
        [
            "Optional a ^1 → a@1.2.3",
            "Dev d latest → d@1.0.0",
            "Optional gone 1 → -",
            "Optional o 2 → o@2.0.0",
            "Dev p * → p@1.0.0",
            "Peer p >=1 → p@1.0.0",
            "Normal pico npm:picocolors@1 → picocolors@1.1.1",
            "Peer q * → -"
        ]
    );
    assert_eq!(
        edges(&g, "a@1.2.3"),
        ["Normal @s/b 2 → @s/b@2.0.0+build", "PeerOptional nope * → -", "Peer p 1 → p@1.0.0"]
    );
    let a = &g.packages[1];
    let bins: Vec<(&str, &str)> = a.bins.iter().map(|(n, p)| (n.as_str(), p.as_str())).collect();
    assert_eq!(bins, [("a", "bin/a.js"), ("y", "y.js")]);
    assert_eq!(a.engines, [("node".to_string(), ">=18".to_string()), ("npm".into(), ">=9".into())]);
    assert_eq!(
        (&a.os, &a.cpu, &a.libc),
        (&vec!["linux".into(), "!win32".into()], &vec!["x64".into()], &vec!["glibc".into()])
    );
    assert_eq!((a.install_script, a.deprecated.as_deref(), a.source.as_str()), (true, Some("old"), "npm"));
    let found: Vec<_> = g
        .packages
        .iter()
        .map(|p| (p.tarball.as_deref(), p.integrity.as_ref().map(ToString::to_string)))
        .collect();
    assert_eq!(found[0], (None, Some(weak.to_string())));
    assert_eq!(found[1], (None, Some(h.clone())));
    assert_eq!(found[2], (Some("https://cdn.example.com/d.tgz?x"), Some(h.clone())));
    assert_eq!(found[3], (None, None));
    assert!(crate::lockfile::is_sorted(&g));
}

#[test]
fn what_finds_something_else_is_a_variant() {
    let g = graph(
        r#""": {"dependencies": {"a": "1", "b": "1", "c": "1", "x": "2"}},
        "node_modules/a": {"version": "1.0.0", "dependencies": {"x": "1", "y": "1"}},
        "node_modules/a/node_modules/x": {"version": "1.0.0", "dependencies": {"y": "1"}},
        "node_modules/b": {"version": "1.0.0", "dependencies": {"x": "1", "y": "2"}},
        "node_modules/b/node_modules/x": {"version": "1.0.0", "dependencies": {"y": "1"}},
        "node_modules/b/node_modules/y": {"version": "2.0.0"},
        "node_modules/c": {"version": "1.0.0", "dependencies": {"x": "1"}},
        "node_modules/c/node_modules/x": {"version": "1.0.0", "dependencies": {"y": "1"}},
        "node_modules/x": {"version": "2.0.0"},
        "node_modules/y": {"version": "1.0.0"}"#,
    );
    assert_eq!(
        keys(&g),
        ["a@1.0.0", "b@1.0.0", "c@1.0.0", "x@1.0.0", "x@1.0.0#1", "x@2.0.0", "y@1.0.0", "y@2.0.0"]
    );
    assert_eq!(edges(&g, "x@1.0.0"), ["Normal y 1 → y@1.0.0"]);
    assert_eq!(edges(&g, "x@1.0.0#1"), ["Normal y 1 → y@2.0.0"]);
    assert_eq!(edges(&g, "a@1.0.0")[0], "Normal x 1 → x@1.0.0");
    assert_eq!(edges(&g, "b@1.0.0")[0], "Normal x 1 → x@1.0.0#1");
    assert_eq!(edges(&g, "c@1.0.0")[0], "Normal x 1 → x@1.0.0");
}

#[test]
fn cycles_end() {
    let g = graph(
        r#""": {"dependencies": {"a": "1"}},
        "node_modules/a": {"version": "1.0.0", "dependencies": {"b": "1", "a": "1"}},
        "node_modules/b": {"version": "1.0.0", "peerDependencies": {"a": "1"}}"#,
    );
    assert_eq!(edges(&g, "a@1.0.0"), ["Normal a 1 → a@1.0.0", "Normal b 1 → b@1.0.0"]);
    assert_eq!(edges(&g, "b@1.0.0"), ["Peer a 1 → a@1.0.0"]);
}

#[test]
fn what_lies_in_an_archive_is_not_fetched() {
    let g = graph(
        r#""": {"dependencies": {"a": "1", "m": "1"}, "bundleDependencies": ["m"]},
        "node_modules/a": {"version": "1.0.0", "bundleDependencies": ["in"], "dependencies": {"in": "1", "old": "1", "out": "1"}},
        "node_modules/a/node_modules/in": {"version": "1.0.0", "inBundle": true, "dependencies": {"deep": "1"}},
        "node_modules/a/node_modules/old": {"version": "1.0.0", "inBundle": true},
        "node_modules/a/node_modules/deep": {"version": "1.0.0", "inBundle": true},
        "node_modules/m": {"version": "1.0.0", "inBundle": true, "dependencies": {"n": "1"}},
        "node_modules/m/node_modules/n": {"version": "1.0.0", "inBundle": true},
        "node_modules/out": {"version": "1.0.0"}"#,
    );
    assert_eq!(keys(&g), ["a@1.0.0", "m@1.0.0", "n@1.0.0", "out@1.0.0"]);
    assert_eq!(g.packages[0].bundled, ["in", "old"]);
    assert_eq!(edges(&g, "a@1.0.0"), ["Normal out 1 → out@1.0.0"]);
}

#[test]
fn workspaces_are_importers() {
    let g = graph(
        r#""": {"workspaces": ["packages/*"], "dependencies": {"x": "1"}},
        "node_modules/a": {"resolved": "packages/a", "link": true},
        "node_modules/b": {"resolved": "packages/b", "link": true},
        "node_modules/x": {"version": "1.0.0"},
        "packages/a": {"version": "0.1.0", "dependencies": {"b": "*", "x": "2"}, "devDependencies": {"t": "1"}},
        "packages/a/node_modules/x": {"version": "2.0.0"},
        "packages/a/node_modules/t": {"version": "1.0.0"},
        "packages/b": {"name": "b", "dependencies": {"x": "1"}, "devDependencies": {"x": "1"}},
        "packages/gone": {"extraneous": true, "dependencies": {"nowhere": "1"}}"#,
    );
    assert_eq!(keys(&g), ["b@0.0.0", "t@1.0.0", "x@1.0.0", "x@2.0.0"]);
    assert_eq!(g.packages[0].source, "link:packages/b");
    // What a folder asks for, its importer does: asked for twice, it would be laid out twice.
    assert_eq!(edges(&g, "b@0.0.0"), [""; 0]);
    assert_eq!(
        wanted(&g, "packages/a"),
        ["Normal b * → b@0.0.0", "Dev t 1 → t@1.0.0", "Normal x 2 → x@2.0.0"]
    );
    assert_eq!(wanted(&g, "packages/b"), ["Normal x 1 → x@1.0.0", "Dev x 1 → x@1.0.0"]);
    assert_eq!(g.importers.len(), 3);
}

#[test]
fn an_archives_strongest_hash_counts_everywhere() {
    let two = |first: &str, second: &str| {
        parse(&format!(
            r#""": {{"dependencies": {{"a": "1", "x": "1"}}}},
            "node_modules/a": {{"version": "1.0.0", "dependencies": {{"y": "npm:x@1"}}}},
            "node_modules/x": {{"version": "1.0.0"{first}}},
            "node_modules/y": {{"name": "x", "version": "1.0.0"{second}}}"#
        ))
    };
    let integrity = |text: &str| format!(", \"integrity\": \"{text}\"");
    let (h, other, weak) =
        (integrity(&hash(1)), integrity(&hash(2)), integrity("sha1-AAAAAAAAAAAAAAAAAAAAAAAAAAA="));
    for (a, b) in [(&h, &h), (&h, &weak), (&weak, &h), (&h, &String::new()), (&String::new(), &h)] {
        let g = two(a, b).unwrap();
        assert_eq!(keys(&g), ["a@1.0.0", "x@1.0.0"]);
        assert_eq!(g.packages[1].integrity.as_ref().unwrap().to_string(), hash(1));
    }
    let (message, status, _) = problem(two(&h, &other));
    assert!(message.ends_with("x@1.0.0 stands for two different archives"), "{message}");
    assert_eq!(status, Status::Refused);
}

#[test]
fn what_cannot_be_taken_is_named() {
    let one = |entry: &str| {
        parse(&format!(r#""": {{"dependencies": {{"x": "1"}}}}, "node_modules/x": {{{entry}}}"#))
    };
    let asked = |range: &str| {
        parse(&format!(
            r#""": {{"dependencies": {{"x": "{range}"}}}},
            "node_modules/x": {{"version": "1.0.0", "resolved": "https://example.com/x.tgz"}}"#
        ))
    };
    let at = |path: &str| parse(&format!(r#""": {{}}, "{path}": {{"version": "1.0.0"}}"#));
    for (result, words) in [
        (
            one(r#""version": "1.0.0", "resolved": "git+ssh://git@example.com/x.git#abc""#),
            "x@1.0.0 comes from a git repository; only packages of registries can be taken",
        ),
        (
            one(r#""version": "1.0.0", "resolved": "file:/x""#),
            "x@1.0.0 comes from a file; only packages of registries can be taken",
        ),
        (
            asked("https://example.com/x.tgz"),
            "x@1.0.0 comes from an address; only packages of registries can be taken",
        ),
        (
            asked("owner/repo"),
            "x@1.0.0 comes from a git repository; only packages of registries can be taken",
        ),
        (
            one(r#""version": "1.0.0", "resolved": "https://exa mple.com/x.tgz""#),
            "the address of x@1.0.0 is not a plain http or https one",
        ),
        (one(r#""optional": true"#), "`node_modules/x` has no version"),
        (one(r#""version": "1""#), "`1` is not a valid version: it needs three numbers"),
        (
            one(r#""version": "1.0.0", "name": "../y""#),
            "`../y` is not a valid package name: it contains a `/`",
        ),
        (one(r#""version": "1.0.0", "version": "1.0.1""#), "`version` stands here twice"),
        (
            one(r#""version": "1.0.0", "integrity": "sha512-x""#),
            "`sha512-x` is not a valid integrity: it is not base64 of the right length",
        ),
        (
            one(r#""version": "1.0.0", "dependencies": {"y": "^2"}"#),
            "x@1.0.0 depends on y ^2, which is not in the lockfile",
        ),
        (
            one(r#""version": "1.0.0", "dependencies": {"a/b": "1"}"#),
            "`a/b` is not a valid package name: it contains a `/`",
        ),
        (
            one(r#""resolved": "../x", "link": true"#),
            "node_modules/x depends on ../x, which is not in the lockfile",
        ),
        (one(r#""resolved": "/x", "link": true"#), "`/x` lies outside the project"),
        (
            one(r#""resolved": "gone", "link": true"#),
            "node_modules/x depends on gone, which is not in the lockfile",
        ),
        (
            parse(r#""": {"dependencies": {"x": "1"}}"#),
            "the project depends on x 1, which is not in the lockfile",
        ),
        (at("node_modules/../../etc"), "`node_modules/../../etc` lies outside the project"),
        (at("a/../../x"), "`a/../../x` lies outside the project"),
        (at("/x"), "`/x` lies outside the project"),
        (at("node_modules"), "`node_modules` is no place for a package"),
        (at("node_modules/@s"), "`node_modules/@s` is no place for a package"),
        (at("node_modules/x/lib"), "`node_modules/x/lib` is no place for a package"),
        (at("node_modules/CON"), "`CON` is not a valid package name: it is a device name on Windows"),
        (parse(r#""": {}, "": {}"#), "`` stands here twice"),
    ] {
        let (message, _, _) = problem(result);
        let (place, rest) = message.split_once(": ").unwrap();
        assert_eq!(rest, words);
        assert!(place.starts_with("package-lock.json:"), "{place}");
    }
    let (_, status, _) = problem(one(r#""version": "1.0.0", "resolved": "https://\u0000/""#));
    assert_eq!(status, Status::Refused);
}

#[test]
fn what_is_no_such_lockfile() {
    let whole = |text: &str| problem(read(text.as_bytes(), Path::new("package-lock.json")));
    for (text, words, hint) in [
        (
            r#"{"lockfileVersion": 1, "dependencies": {}}"#,
            "package-lock.json:1:21: this lockfile has version 1 (npm 6 and older), which does not say what each package finds",
            "`npm install --package-lock-only --lockfile-version=3` upgrades it",
        ),
        (
            r#"{"lockfileVersion": 4}"#,
            "package-lock.json:1:21: the lockfile has version 4; this program knows npm's up to 3",
            "`npm install --package-lock-only --lockfile-version=3` writes one that can be read",
        ),
        (
            r#"{"lockfileVersion": "3"}"#,
            "package-lock.json:1:21: this is no lockfile of npm: it has no `lockfileVersion`",
            "",
        ),
        (
            r#"{"packages": {}}"#,
            "package-lock.json: this is no lockfile of npm: it has no `lockfileVersion`",
            "",
        ),
        (r#"{"lockfileVersion": 3}"#, "package-lock.json: the lockfile has no `packages`", ""),
        (
            r#"{"lockfileVersion": 3, "packages": []}"#,
            "package-lock.json:1:36: expected an object, found an array",
            "",
        ),
        (
            "  \n",
            "package-lock.json: the lockfile is empty",
            "take it back from version control, or make it anew with `npm install --package-lock-only`",
        ),
        (
            r#"{"lockfileVersion": 3, "packages": {"#,
            "package-lock.json:1:37: the lockfile ends in the middle",
            "take it back from version control, or make it anew with `npm install --package-lock-only`",
        ),
        (
            "{\n<<<<<<< HEAD\n",
            "package-lock.json:2:1: the lockfile holds the markers of an unresolved merge",
            "`npm install --package-lock-only` resolves it",
        ),
    ] {
        let (message, status, hints) = whole(text);
        assert_eq!((message.as_str(), status), (words, Status::Failed));
        assert_eq!(hints, if hint.is_empty() { vec![] } else { vec![hint.to_string()] });
    }
    let e = read(b"\xff", Path::new("x")).unwrap_err();
    assert!(e.to_string().ends_with("this is not UTF-8 text"), "{e}");
    let version_2 = r#"{"packages": {"": {}}, "dependencies": {"x": {}}, "lockfileVersion": 2}"#;
    assert_eq!(read(version_2.as_bytes(), Path::new("x")).unwrap().packages, []);
}

/// As npm 11 wrote it for a project with an alias, optional packages for other
/// platforms and the same nested version twice. The list was made from it by a
/// few lines of Python.
#[test]
fn a_real_one() {
    let g = read(include_bytes!("fixture/package-lock.json"), Path::new("package-lock.json")).unwrap();
    let ours: Vec<String> = g.packages.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
    let theirs: Vec<&str> = include_str!("fixture/packages.txt").lines().collect();
    assert_eq!(ours, theirs);
    assert!(g.packages.iter().all(|p| p.integrity.is_some() && p.tarball.is_none() && p.variant == 0));
    let core = g.packages.iter().find(|p| p.name.as_str() == "@babel/core").unwrap();
    let semver = core.dependencies.iter().find(|e| e.alias.as_str() == "semver").unwrap();
    let semver = g.package(semver.target.unwrap());
    assert_eq!(semver.version.major, 6);
    let rollup = g.packages.iter().find(|p| p.name.as_str() == "rollup").unwrap();
    let native = rollup.dependencies.iter().filter(|e| e.kind == EdgeKind::Optional);
    assert!(native.clone().count() > 20 && native.clone().all(|e| e.target.is_some()));
    let groups: Vec<(&str, Group)> =
        g.importers[0].dependencies.iter().map(|w| (w.alias.as_str(), w.group)).collect();
    assert_eq!(
        groups,
        [
            ("@babel/core", Group::Dev),
            ("pico", Group::Normal),
            ("react-dom", Group::Normal),
            ("rollup", Group::Optional),
            ("semver", Group::Normal)
        ]
    );
    // What it says survives our own format.
    let text = crate::lockfile::write(&g).unwrap();
    assert_eq!(crate::lockfile::read(text.as_bytes(), Path::new("pantry.lock")).unwrap(), g);
}
