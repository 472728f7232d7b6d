use super::*;
use crate::dependency::{Origin, Source};
use crate::json;
use std::fs;

fn read_as(format: Format, text: &str) -> Result<Manifest, Error> {
    read(text.as_bytes(), format.file().as_ref(), format)
}

fn pantry(text: &str) -> Result<Manifest, Error> {
    read_as(Format::PantryJson, text)
}

fn npm(text: &str) -> Result<Manifest, Error> {
    read_as(Format::PackageJson, text)
}

fn words(m: &Manifest) -> Vec<String> {
    let one = |d: &Declared| {
        format!("{:?} {} {}", d.group, d.dependency.alias, d.dependency.npm_words().unwrap_or("?".into()))
    };
    m.dependencies.iter().map(one).collect()
}

/// The specification's native example, with the comments its guide uses.
#[test]
fn reads_the_specifications_example() {
    let text = r#"{
  "name": "my-app",
  "version": "1.0.0",
  // Runtime
  "dependencies": {
    "bun": "1.3.0",
    "react": "18.2.0", /* pinned */
    "stacksjs/bunpress": "latest",
    "lib": { "source": "http", "url": "https://cdn.example.com/lib.zip", "version": "2.0.0" },
  },
  "devDependencies": { "typescript": "5.0.0" },
  "scripts": { "dev": "bun run src/index.ts" },
  "services": { "postgres": { "autoStart": true, "port": 5432 }, "redis": true },
  "sourceResolution": {
    "order": ["npm", "pkgx"],
    "preferences": { "bun": "pkgx", "@*/*": "npm" }
  },
}"#;
    let m = pantry(text).unwrap();
    assert_eq!(m.name.as_ref().unwrap().as_str(), "my-app");
    assert_eq!(m.version, Some(Version::new(1, 0, 0)));
    assert_eq!(
        words(&m),
        ["Normal bun ?", "Normal react 18.2.0", "Normal bunpress ?", "Normal lib ?", "Dev typescript 5.0.0"]
    );
    // `sourceResolution` counts although it stands last.
    assert!(matches!(&m.dependencies[0].dependency.source, Source::Pkgx { project, .. } if project == "bun"));
    let Source::Auto { order, .. } = &m.dependencies[1].dependency.source else { panic!() };
    assert_eq!(order, &[Origin::Npm, Origin::Pkgx]);
    assert_eq!(m.scripts, [("dev".into(), "bun run src/index.ts".into())]);
    assert_eq!(
        m.raw(&m.services).unwrap(),
        r#"{ "postgres": { "autoStart": true, "port": 5432 }, "redis": true }"#
    );
    let place = m.excerpt(m.dependencies[1].offset);
    assert_eq!(
        (place.to_string().as_str(), place.text.as_str()),
        ("pantry.json:7:5", "    \"react\": \"18.2.0\", /* pinned */")
    );
    assert!(m.warnings.is_empty());
}

#[test]
fn reads_package_json_as_npm_does() {
    let m = npm(r#"{"name": "@s/app", "version": "v1.2.3", "private": true, "type": ["anything"],
        "dependencies": {"a": "^1", "b": "npm:c@2", "d": "owner/repo"},
        "peerDependencies": {"p": "1", "q": "2"}, "peerDependenciesMeta": {"q": {"optional": true}, "p": {"x": 1}},
        "optionalDependencies": {"fsevents": "^2"}, "bundleDependencies": true,
        "bin": "./cli.js", "engines": {"node": ">=18"}, "os": "linux", "cpu": ["x64", "!arm"],
        "workspaces": {"packages": ["packages/*", "!packages/old"]}, "trustedDependencies": ["esbuild"],
        "overrides": {"x": {"y": "1"}}, "scripts": {"test": "t", "odd": 1}, "mirrors": "ignored", "dependenciesMeta": 0}"#)
    .unwrap();
    assert_eq!(
        words(&m),
        ["Normal a ^1", "Normal b npm:c@2", "Normal d ?", "Peer p 1", "Peer q 2", "Optional fsevents ^2"]
    );
    assert_eq!(
        m.dependencies.iter().map(|d| d.optional_peer).collect::<Vec<_>>(),
        [false, false, false, false, true, false]
    );
    assert_eq!(m.bundled, ["a", "b", "d"]);
    assert_eq!((m.bin[0].0.as_str(), m.bin[0].1.as_str()), ("app", "cli.js"));
    assert_eq!(
        (m.os.as_slice(), m.cpu.as_slice()),
        (&["linux".to_string()][..], &["x64".to_string(), "!arm".into()][..])
    );
    assert_eq!(m.workspaces, ["packages/*", "!packages/old"]);
    assert_eq!((m.trusted.as_slice(), m.mirrors.len()), (&["esbuild".to_string()][..], 0));
    assert_eq!(m.raw(&m.overrides), Some(r#"{"x": {"y": "1"}}"#));
    let warnings: Vec<String> = m.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["package.json:7:66: `scripts.odd` cannot be used and is left out"]);
    for text in ["{}", "\u{feff}{\r\n}\r\n", r#"{"name": "", "version": "", "dependencies": null}"#] {
        assert!(npm(text).unwrap().dependencies.is_empty(), "{text}");
    }
}

fn refusal(result: Result<Manifest, Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn refuses_with_the_place() {
    for (text, words) in [
        ("", "pantry.json: the manifest is empty"),
        (" // nothing\n", "pantry.json:2:1: the text ends in the middle"),
        ("{\"a\": 1", "pantry.json:1:8: the text ends in the middle"),
        ("[]", "pantry.json:1:1: expected an object, found an array"),
        ("{} {}", "pantry.json:1:4: expected the end of the file, found `{`"),
        ("{\"dependencies\": []}", "pantry.json:1:18: `dependencies` has to be an object, not an array"),
        (
            "{\"dependencies\": {\"a\": 1}}",
            "pantry.json:1:24: `a` has to be a string or an object, not a number",
        ),
        (
            "{\"dependencies\": {\n\"a\": \"1\",\n\"b\": \"1\",\n\"a\": \"2\"}}",
            "pantry.json:4:1: `a` stands here a second time, the first time at 2:1",
        ),
        (
            "{\"dependencies\": {},\n \"dependencies\": {}}",
            "pantry.json:2:2: `dependencies` stands here a second time, the first time at 1:2",
        ),
        (
            "{\"dependencies\": {\"../../x\": \"1\"}}",
            "pantry.json:1:19: the dependency `../../x`: `../../x` is not `owner/repository`",
        ),
        (
            "{\"dependencies\": {\"@a/../b\": \"1\"}}",
            "pantry.json:1:19: the dependency `@a/../b`: `@a/../b` is not a valid package name: it contains a `/`",
        ),
        (
            "{\"dependencies\": {\"a\": {\"source\": \"git\", \"x\": \"\"}}}",
            "pantry.json:1:24: the dependency `a`: a dependency with `\"source\": \"git\"` has no option `x`",
        ),
        (
            "{\"version\": \"1.0.0/../..\"}",
            "pantry.json:1:13: `1.0.0/../..` is not a valid version: it has a part that is not a number",
        ),
        ("{\"scripts\": {\"a\\nb\": \"x\"}}", "pantry.json:1:14: `a\\u{a}b` cannot be a script's name"),
        (
            "{\"workspaces\": [\"a\", \"../../*\"]}",
            "pantry.json:1:22: the workspace pattern `../../*` leaves the project",
        ),
        (
            "{\"sourceResolution\": {\"order\": [\"cargo\"]}}",
            "pantry.json:1:33: `cargo` is not a source; the order names pkgx, npm and github",
        ),
        (
            "{\n<<<<<<< HEAD\n\"a\": 1\n=======\n}",
            "pantry.json:2:1: the manifest holds the markers of an unresolved merge",
        ),
    ] {
        assert_eq!(refusal(pantry(text)), words, "{text}");
    }
    for name in ["../x", "a/b/c", ".", "..", "node_modules", "CON", &"x".repeat(300)] {
        let e = pantry(&format!("{{\"name\": \"{name}\"}}")).unwrap_err();
        assert!(matches!(e.problem, Problem::Name(_)), "{name}");
        assert!(e.excerpt.is_some());
    }
    let e = npm("{\"a\": 1, // no\n}").unwrap_err();
    assert_eq!(e.to_string(), "package.json:1:10: comments are not allowed in this file");
    assert!(e.hint().unwrap().contains("pantry.jsonc"));
    assert_eq!(
        refusal(npm("{\"a\": 1,}")),
        "package.json:1:8: a comma before a closing bracket is not allowed in this file"
    );
    let e = npm("{\"dependencies\": {\"a\": {\"source\": \"npm\"}}}").unwrap_err();
    assert_eq!(e.to_string(), "package.json:1:24: `a` has to be a string, not an object");
    let e = read(b"{\"a\": \"\xff\"}", "x".as_ref(), Format::PantryJson).unwrap_err();
    assert!(matches!(e.problem, Problem::Syntax(json::Problem::NotUtf8)));
}

#[test]
fn is_bounded() {
    for text in ["[".repeat(200_000), format!("{{\"x\": {}", "[".repeat(200_000)), "{\"a\":".repeat(200_000)]
    {
        let e = pantry(&text).unwrap_err();
        assert!(e.excerpt.unwrap().text.len() < 500);
    }
    let e = pantry(&format!("{{\"x\": {}", "[".repeat(200_000))).unwrap_err();
    assert!(matches!(e.problem, Problem::Syntax(json::Problem::TooDeep)));
    let large = vec![b' '; LIMIT + 1];
    assert!(matches!(read(&large, "x".as_ref(), Format::PantryJson).unwrap_err().problem, Problem::TooLarge));
    let range = vec!["^1.0.0"; 10_000].join(" || ");
    let used = || rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime).tv_sec;
    let before = used();
    assert_eq!(npm(&format!("{{\"dependencies\": {{\"a\": \"{range}\"}}}}")).unwrap().dependencies.len(), 1);
    assert!(used() - before < 5);
}

#[test]
fn groups_overrule_one_another_as_in_npm() {
    let m = npm(r#"{"devDependencies": {"a": "1", "p": "3"}, "dependencies": {"a": "2", "o": "1", "s": "1"},
        "optionalDependencies": {"o": "2", "s": "1"}, "peerDependencies": {"p": ">=3"}}"#)
    .unwrap();
    let manifests = [m];
    let merged = merge(&manifests).unwrap();
    let found: Vec<String> = merged
        .requests
        .iter()
        .map(|r| {
            format!(
                "{} {:?} {}",
                r.declared.dependency.alias,
                r.declared.group,
                r.declared.dependency.npm_words().unwrap()
            )
        })
        .collect();
    assert_eq!(found, ["a Dev 1", "o Optional 2", "p Dev 3", "s Optional 1"]);
    let warnings: Vec<String> = merged.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "package.json:1:60: a is also in devDependencies, which counts",
            "package.json:1:70: o is also in optionalDependencies, which counts",
        ]
    );
}

#[test]
fn two_files_are_one_project_unless_they_contradict() {
    let own = pantry(r#"{"dependencies": {"react": "^18", "nodejs.org": "20"}}"#).unwrap();
    let same = npm(r#"{"devDependencies": {"react": "^18", "vite": "5"}}"#).unwrap();
    let both = [own.clone(), same];
    let merged = merge(&both).unwrap();
    let found: Vec<_> =
        merged.requests.iter().map(|r| (r.declared.key.as_str(), r.manifest.format)).collect();
    assert_eq!(
        found,
        [("nodejs.org", Format::PantryJson), ("react", Format::PantryJson), ("vite", Format::PackageJson)]
    );
    let e =
        merge(&[own, npm("{\"dependencies\": {\n\"react\": \"^17\"}}").unwrap()]).map(|_| ()).unwrap_err();
    assert_eq!(e.to_string(), "package.json:2:1: react is asked for differently at pantry.json:1:19");
    let clash = pantry(r#"{"dependencies": {"a/x": "1", "b/x": "1"}}"#).unwrap();
    let e = merge(&[clash]).map(|_| ()).unwrap_err();
    assert_eq!(e.to_string(), "pantry.json:1:31: this and `a/x` at 1:19 would both be installed as x");
}

#[test]
fn finds_the_nearest_project() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let put = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        #[allow(clippy::disallowed_methods)]
        fs::write(path, text).unwrap();
    };
    put("package.json", r#"{"dependencies": {"a": "1"}}"#);
    put("inner/pantry.jsonc", "{}");
    put("inner/package.json", "{}");
    put("inner/deep/er/x", "");
    put("inner/deep/package.json/x", "");
    put("two/pantry.json", "{}");
    put("two/package.jsonc", "{}");
    put("code/config/deps.ts", "export default {}");
    put("mixed/config/deps.ts", "throw 1");
    put("mixed/package.json", "{}");
    let found = |start: &str| find(&root.join(start)).unwrap();
    // A folder called package.json is not a manifest.
    let project = found("inner/deep/er");
    assert_eq!(
        (project.root, project.files),
        (root.join("inner"), vec![Format::PantryJsonc, Format::PackageJson])
    );
    assert_eq!(found("inner").edited(), root.join("inner/pantry.jsonc"));
    assert_eq!(found("two/..").files, [Format::PackageJson]);
    assert_eq!(found("").read().unwrap()[0].dependencies.len(), 1);
    let e = find(&root.join("two")).unwrap_err();
    assert!(e.to_string().ends_with("two: both pantry.json and package.jsonc are here"), "{e}");
    let project = found("code/config");
    assert_eq!(project.root, root.join("code"));
    let e = project.read().unwrap_err();
    assert!(matches!(e.problem, Problem::Code));
    assert!(e.to_string().contains("pantry allow"));
    let project = found("mixed");
    assert_eq!(project.files, [Format::PackageJson]);
    assert_eq!(project.warnings, [Warning::CodeIgnored { path: root.join("mixed/config/deps.ts") }]);
    // A pipe would hang whoever opens it.
    fs::create_dir_all(root.join("pipe")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(root.join("pipe/package.json")).status();
    if made.is_ok_and(|s| s.success()) {
        assert!(matches!(find(&root.join("pipe")).unwrap_err().problem, Problem::NotAFile));
    }
}

proptest::proptest! {
    #[test]
    fn damage_never_panics(changes in proptest::collection::vec((proptest::prelude::any::<proptest::sample::Index>(), proptest::prelude::any::<u8>()), 1..8)) {
        let mut bytes = br#"{"name": "a", "dependencies": {"x/y": "1", "b": {"source": "npm", "version": "^1"}}, "bin": {"a": "./b"},
            "workspaces": ["a/*"], "peerDependenciesMeta": {"q": {"optional": true}}, "sourceResolution": {"order": ["npm"]}}"#.to_vec();
        for (place, byte) in changes {
            let i = place.index(bytes.len());
            bytes[i] = byte;
        }
        for format in [Format::PantryJson, Format::PackageJson] {
            if let Ok(m) = read(&bytes, "x".as_ref(), format) {
                let _ = merge(&[m]).map(|_| ());
            }
        }
    }
}
