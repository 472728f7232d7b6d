use super::*;

fn pantry(name: &str, value: &str) -> Result<Dependency, Problem> {
    parse(name, &Value::Text(value.into()), Dialect::Pantry, &SourceResolution::default())
}

fn npm(value: &str) -> Result<Source, Problem> {
    parse("a", &Value::Text(value.into()), Dialect::Npm, &SourceResolution::default()).map(|d| d.source)
}

fn object(name: &str, options: &[(&str, &str)]) -> Result<Dependency, Problem> {
    let options = options
        .iter()
        .map(|&(k, v)| {
            let setting = match v {
                "true" | "false" => Setting::Flag(v == "true"),
                _ => Setting::Text(v.into()),
            };
            (k.to_string(), setting)
        })
        .collect();
    parse(name, &Value::Options(options), Dialect::Pantry, &SourceResolution::default())
}

fn name(text: &str) -> PackageName {
    PackageName::parse(text).unwrap()
}

fn registry(text: &str, range: &str) -> Source {
    Source::Npm { name: name(text), range: range.into(), registry: None }
}

fn auto(text: &str, range: &str) -> Source {
    let order = vec![Origin::Pkgx, Origin::Npm, Origin::Github];
    Source::Auto { name: name(text), range: range.into(), order }
}

fn github(owner: &str, repo: &str, version: &str, reference: Reference) -> Source {
    Source::Github { owner: owner.into(), repo: repo.into(), version: version.into(), reference }
}

fn git(url: &str, version: &str, reference: Reference) -> Source {
    Source::Git { url: url.into(), version: version.into(), reference }
}

fn pkgx(project: &str, version: &str) -> Source {
    Source::Pkgx { project: project.into(), version: version.into() }
}

/// The tables and examples of the specification, "Simplified Syntax".
#[test]
fn the_name_tells_the_source() {
    let http = |url: &str, version: &str| Source::Http { url: url.into(), version: version.into() };
    for (key, version, alias, source) in [
        ("owner/repo", "^1.0.0", "repo", github("owner", "repo", "^1.0.0", Reference::Default)),
        (
            "stacksjs/bunpress",
            "latest",
            "bunpress",
            github("stacksjs", "bunpress", "latest", Reference::Default),
        ),
        ("ziglang/zig", "0.13.0", "zig", github("ziglang", "zig", "0.13.0", Reference::Default)),
        ("nodejs.org", "20.11.0", "nodejs.org", pkgx("nodejs.org", "20.11.0")),
        ("bun.sh", "~1.0.0", "bun.sh", pkgx("bun.sh", "~1.0.0")),
        ("go.dev", "<=1.21.0", "go.dev", pkgx("go.dev", "<=1.21.0")),
        ("gnu.org/gcc", "14", "gcc", pkgx("gnu.org/gcc", "14")),
        ("@types/node", "^20.0.0", "@types/node", registry("@types/node", "^20.0.0")),
        ("typescript", "^5.0.0", "typescript", auto("typescript", "^5.0.0")),
        ("lodash.merge", "", "lodash.merge", auto("lodash.merge", "*")),
        (
            "https://cdn.example.com/lib-v1.0.0.tar.gz",
            "1.0.0",
            "lib-v1.0.0",
            http("https://cdn.example.com/lib-v1.0.0.tar.gz", "1.0.0"),
        ),
        (
            "https://releases.example.com/internal-lib.tar.xz?x=1",
            "2.5.0",
            "internal-lib",
            http("https://releases.example.com/internal-lib.tar.xz?x=1", "2.5.0"),
        ),
        (
            "https://github.com/user/private-repo.git",
            "main",
            "private-repo",
            git("https://github.com/user/private-repo.git", "main", Reference::Default),
        ),
        (
            "git@github.com:company/internal.git",
            "v2.0.0",
            "internal",
            git("git@github.com:company/internal.git", "v2.0.0", Reference::Default),
        ),
        // npm's own values beside a plain name.
        ("strip", "npm:strip-ansi@^6", "strip", registry("strip-ansi", "^6")),
        ("ui", "workspace:*", "ui", Source::Workspace { range: "*".into() }),
        ("lib", "./lib", "lib", Source::Local { path: "./lib".into(), form: LocalForm::Folder }),
        ("lib", "lib-1.tgz", "lib", Source::Local { path: "lib-1.tgz".into(), form: LocalForm::Archive }),
    ] {
        let found = pantry(key, version).unwrap_or_else(|e| panic!("{key}: {e}"));
        assert_eq!((found.alias.as_str(), found.source, found.global), (alias, source, false), "{key}");
    }
}

#[test]
fn the_projects_rules_come_before_looks() {
    let resolution = SourceResolution {
        order: vec![Origin::Npm, Origin::Github],
        preferences: vec![
            ("typescript".into(), Origin::Npm),
            ("*.io".into(), Origin::Npm),
            ("bun".into(), Origin::Pkgx),
            ("*/*".into(), Origin::Github),
            ("@*/*".into(), Origin::Npm),
        ],
    };
    let read = |n: &str| parse(n, &Value::Text("1".into()), Dialect::Pantry, &resolution).unwrap().source;
    assert_eq!(read("typescript"), registry("typescript", "1"));
    assert_eq!(read("socket.io"), registry("socket.io", "1"));
    assert_eq!(read("bun"), pkgx("bun", "1"));
    assert_eq!(read("a/b"), github("a", "b", "1", Reference::Default));
    assert_eq!(read("@a/b"), registry("@a/b", "1"));
    let order = resolution.order.clone();
    assert_eq!(read("react"), Source::Auto { name: name("react"), range: "1".into(), order });
}

/// "Explicit Source Syntax".
#[test]
fn an_object_tells_the_source() {
    let ok = |n: &str, o: &[(&str, &str)]| object(n, o).unwrap_or_else(|e| panic!("{n}: {e}"));
    let d = ok(
        "bunpress",
        &[("source", "github"), ("repo", "stacksjs/bunpress"), ("tag", "v0.1.0"), ("global", "true")],
    );
    assert_eq!(d.source, github("stacksjs", "bunpress", "latest", Reference::Tag("v0.1.0".into())));
    assert!(d.global);
    let d =
        ok("typescript", &[("source", "npm"), ("version", "^5"), ("registry", "https://npm.example.com")]);
    let registry = Some("https://npm.example.com".into());
    assert_eq!(d.source, Source::Npm { name: name("typescript"), range: "^5".into(), registry });
    let d = ok("lib", &[("source", "http"), ("url", "https://cdn.example.com/x.zip"), ("version", "1.0.0")]);
    assert_eq!(
        d.source,
        Source::Http { url: "https://cdn.example.com/x.zip".into(), version: "1.0.0".into() }
    );
    const URL: (&str, &str) = ("url", "https://github.com/user/repo.git");
    let d = ok("g", &[("source", "git"), URL, ("branch", "main"), ("version", "1.0.0")]);
    assert_eq!(d.source, git(URL.1, "1.0.0", Reference::Branch("main".into())));
    let d = ok("g", &[("source", "git"), URL, ("tag", "v1"), ("version", "1.0.0")]);
    assert_eq!(d.source, git(URL.1, "1.0.0", Reference::Tag("v1".into())));
    assert_eq!(ok("node", &[("source", "pkgx"), ("version", "20.11.0")]).source, pkgx("node", "20.11.0"));
    assert_eq!(ok("x", &[("source", "auto")]).source, auto("x", "latest"));

    use Problem::*;
    for value in ["lib-1.tgz", "./lib", "npm:a@1", "a/b", "1 ../x"] {
        assert_eq!(object("x", &[("source", "npm"), ("version", value)]).unwrap_err(), Range(value.into()));
    }
    let cases: Vec<(&[(&str, &str)], Problem)> = vec![
        (&[("version", "1")], NoSource),
        (&[("source", "cargo")], UnknownSource("cargo".into())),
        (&[("source", "github")], Missing { source: "github", option: "repo" }),
        (&[("source", "npm")], Missing { source: "npm", option: "version" }),
        (&[("source", "http"), ("version", "1")], Missing { source: "http", option: "url" }),
        (
            &[("source", "http"), ("url", "https://example.com/x.zip")],
            Missing { source: "http", option: "version" },
        ),
        (&[("source", "git"), ("version", "1")], Missing { source: "git", option: "url" }),
        (&[("source", "git"), URL], Missing { source: "git", option: "version" }),
        (&[("source", "pkgx")], Missing { source: "pkgx", option: "version" }),
        (&[("source", "git"), URL, ("branch", "a"), ("tag", "b"), ("version", "1")], BranchAndTag),
        (
            &[("source", "npm"), ("version", "1"), ("repo", "a/b")],
            UnknownOption { source: "npm", option: "repo".into() },
        ),
        (
            &[("source", "npm"), ("version", "true")],
            WrongKind { option: "version".into(), expected: "a string" },
        ),
        (
            &[("source", "npm"), ("version", "1"), ("global", "yes")],
            WrongKind { option: "global".into(), expected: "true or false" },
        ),
        (&[("source", "github"), ("repo", "../x/y")], Repository("../x/y".into())),
        (
            &[("source", "github"), ("repo", "a/b"), ("tag", "--upload-pack=x")],
            Word("--upload-pack=x".into()),
        ),
        (
            &[("source", "http"), ("url", "file:///etc/passwd"), ("version", "1")],
            Url("file:///etc/passwd".into()),
        ),
        (
            &[("source", "http"), ("url", "https://example.com/x.exe"), ("version", "1")],
            Format("https://example.com/x.exe".into()),
        ),
        (&[("source", "git"), ("url", "ext::sh -c x"), ("version", "1")], Url("ext::sh -c x".into())),
        (&[("source", "npm"), ("version", "^^ nonsense/")], Range("^^ nonsense/".into())),
    ];
    for (options, problem) in cases {
        assert_eq!(object("x", options).unwrap_err(), problem, "{options:?}");
    }
    assert!(matches!(object("../../x", &[("source", "npm"), ("version", "1")]), Err(Name(_))));
}

/// npm-package-arg's forms.
#[test]
fn values_of_package_json() {
    let local = |path: &str, form| Source::Local { path: path.into(), form };
    let committish = |c: &str| Reference::Committish(c.into());
    for (value, source) in [
        ("^1.2.0", registry("a", "^1.2.0")),
        (" >=1 <2 || 3.x ", registry("a", ">=1 <2 || 3.x")),
        ("", registry("a", "*")),
        ("*", registry("a", "*")),
        ("latest", registry("a", "latest")),
        ("next-11", registry("a", "next-11")),
        ("npm:b@^1", registry("b", "^1")),
        ("npm:@s/b@1.0.0", registry("@s/b", "1.0.0")),
        ("NPM:@s/b", registry("@s/b", "*")),
        ("user/repo", github("user", "repo", "latest", Reference::Default)),
        ("user/repo#v1", github("user", "repo", "latest", committish("v1"))),
        ("user/repo#semver:^1.0", github("user", "repo", "latest", Reference::Range("^1.0".into()))),
        ("github:user/repo#a/b", github("user", "repo", "latest", committish("a/b"))),
        ("https://github.com/user/repo.git#v1", github("user", "repo", "latest", committish("v1"))),
        ("gitlab:user/repo", git("https://gitlab.com/user/repo.git", "latest", Reference::Default)),
        ("git://example.com/r.git#x", git("git://example.com/r.git", "latest", committish("x"))),
        ("git+https://example.com/r", git("https://example.com/r", "latest", Reference::Default)),
        (
            "git+ssh://git@example.com/o/r.git",
            git("ssh://git@example.com/o/r.git", "latest", Reference::Default),
        ),
        ("git+ssh://git@example.com:o/r.git", git("git@example.com:o/r.git", "latest", Reference::Default)),
        (
            "git+ssh://git@example.com:22/o/r.git",
            git("ssh://git@example.com:22/o/r.git", "latest", Reference::Default),
        ),
        ("git@example.com:o/r.git#v1", git("git@example.com:o/r.git", "latest", committish("v1"))),
        (
            "https://example.com/a.tgz",
            Source::Http { url: "https://example.com/a.tgz".into(), version: "latest".into() },
        ),
        ("file:../b", local("../b", LocalForm::Folder)),
        ("file:b.tgz", local("b.tgz", LocalForm::Archive)),
        ("file:///abs/b", local("/abs/b", LocalForm::Folder)),
        ("./b", local("./b", LocalForm::Folder)),
        ("~/b", local("~/b", LocalForm::Folder)),
        ("a/b/c", local("a/b/c", LocalForm::Folder)),
        ("b.tgz", local("b.tgz", LocalForm::Archive)),
        ("link:../b", local("../b", LocalForm::Link)),
        ("workspace:^", Source::Workspace { range: "^".into() }),
    ] {
        assert_eq!(npm(value).unwrap_or_else(|e| panic!("{value}: {e}")), source, "{value}");
    }
    use Problem::*;
    for (value, problem) in [
        ("npm:npm:a@1", NestedAlias("npm:a@1".into())),
        ("npm:b@https://example.com/x.tgz", AliasOf("b@https://example.com/x.tgz".into())),
        ("svn://example.com/x", Scheme("svn".into())),
        ("git+ext://example.com/x", Scheme("ext".into())),
        ("git+https://-oProxyCommand=x/y", Url("https://-oProxyCommand=x/y".into())),
        ("user/repo#--upload-pack=x", Word("--upload-pack=x".into())),
        ("^^1 or so", Range("^^1 or so".into())),
        ("file:", Path(String::new())),
    ] {
        assert_eq!(npm(value).unwrap_err(), problem, "{value}");
    }
    assert!(matches!(npm("npm:../x@1"), Err(Name(_))));
    for bad in ["../../x", ".git", "a/b", "https://example.com/x.tgz", "node_modules", ""] {
        let read = parse(bad, &Value::Text("1".into()), Dialect::Npm, &SourceResolution::default());
        assert!(matches!(read, Err(Name(_))), "{bad}");
    }
    let read = parse("a", &Value::Options(vec![]), Dialect::Npm, &SourceResolution::default());
    assert_eq!(read, Err(NotText));
}

#[test]
fn what_cannot_be_installed_yet_says_what_and_where() {
    assert_eq!(pantry("@a/b", "1").unwrap().npm_words().as_deref(), Some("1"));
    assert_eq!(pantry("react", "^18").unwrap().npm_words().as_deref(), Some("^18"));
    assert_eq!(pantry("s", "npm:strip-ansi@^6").unwrap().npm_words().as_deref(), Some("npm:strip-ansi@^6"));
    let words = |d: Dependency| d.npm().unwrap_err().to_string();
    assert_eq!(
        words(pantry("o/r", "1").unwrap()),
        "r comes from a GitHub repository (o/r), which this version cannot install yet"
    );
    assert_eq!(
        words(pantry("https://u:secret@example.com/x.zip", "1").unwrap()),
        "x comes from an archive at a URL (https://***@example.com/x.zip), which this version cannot install yet"
    );
    assert_eq!(
        words(pantry("nodejs.org", "20").unwrap()),
        "nodejs.org comes from pkgx (nodejs.org), which this version cannot install yet"
    );
}

proptest::proptest! {
    #[test]
    fn never_panics(name in ".{0,20}", value in "[a-z:/@#.+ %é-]{0,24}") {
        for dialect in [Dialect::Pantry, Dialect::Npm] {
            let _ = parse(&name, &Value::Text(value.clone()), dialect, &SourceResolution::default());
            let _ = parse(&value, &Value::Text(name.clone()), dialect, &SourceResolution::default());
            let _ = parse("a", &Value::Text(value.clone()), dialect, &SourceResolution::default());
        }
    }
}
