//! The house's rules that no compiler checks: which hosts a file may name, that no path of somebody's machine slips in, that
//! the top level stays as DESIGN section 2 draws it.

#![allow(clippy::disallowed_methods)] // a test reads the tree

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Built-in upstreams (one file of the sources names each) and places that documentation may point to.
const HOSTS: [&str; 11] = [
    "registry.npmjs.com",
    "dist.pkgx.dev",
    "api.github.com",
    "github.com",
    "gitlab.com",
    "bitbucket.org",
    "registry.minz-lang.org",
    "docs.rs",
    "semver.org",
    "www.rfc-editor.org",
    "no-color.org",
];

/// What must not match a NO_PROXY entry that looks like it.
const NO_PROXY_TABLE: [&str; 3] = ["badexample.com", "notlocalhost.com", "printer.local"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files() -> Vec<PathBuf> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if ["target", ".git", ".bench", "node_modules", "corpus", "crashes"].contains(&name.as_str()) {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => walk(&path, found),
                // Cargo's lock names cargo's own registry.
                Ok(kind) if kind.is_file() && name != "Cargo.lock" => found.push(path),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(root(), &mut found);
    found
}

fn texts() -> impl Iterator<Item = (String, String)> {
    files().into_iter().filter_map(|path| {
        let name = path.strip_prefix(root()).unwrap_or(&path).to_string_lossy().into_owned();
        fs::read_to_string(&path).ok().map(|text| (name, text))
    })
}

fn host_is_allowed(host: &str) -> bool {
    let loopback =
        host == "localhost" || host == "[" || host.starts_with("127.") || host.starts_with("[::1]");
    // Reserved for documentation and tests (RFC 2606).
    let reserved = ["example.com", "example.org", "example.net", "example", "test", "invalid", "localhost"]
        .iter()
        .any(|end| host == *end || host.ends_with(&format!(".{end}")));
    let number = host.chars().all(|c| c.is_ascii_digit() || c == '.');
    loopback || reserved || number || NO_PROXY_TABLE.contains(&host) || HOSTS.contains(&host)
}

#[test]
fn no_file_names_a_host_that_is_not_built_in_or_reserved() {
    let mut wrong = BTreeSet::new();
    for (name, text) in texts() {
        // What the ledger quotes is the specification's own.
        if name == "tests/spec.tsv" {
            continue;
        }
        // Metadata of real packages names its sponsors; registries it may not name either.
        let schemes: &[&str] = if name.contains("/fixture") { &[] } else { &["http://", "https://"] };
        for scheme in schemes {
            for part in text.split(*scheme).skip(1) {
                let end = part.find(|c: char| !(c.is_ascii_alphanumeric() || ".-[]:".contains(c)));
                let authority = &part[..end.unwrap_or(part.len())];
                let host =
                    if authority.starts_with('[') { "[" } else { authority.split(':').next().unwrap_or("") };
                let host = host.trim_end_matches('.').to_ascii_lowercase();
                if host.contains('.') && !host_is_allowed(&host) {
                    wrong.insert(format!("{name}: {scheme}{host}"));
                }
            }
        }
        // A registry may also be named without its scheme.
        for part in text.split("registry.").skip(1) {
            let end =
                part.find(|c: char| !(c.is_ascii_alphanumeric() || ".-".contains(c))).unwrap_or(part.len());
            let host = format!("registry.{}", part[..end].trim_end_matches('.'));
            let top = host.rsplit('.').next().unwrap_or_default();
            if ["com", "org", "net", "dev", "io"].contains(&top)
                && host.matches('.').count() > 1
                && !host_is_allowed(&host)
            {
                wrong.insert(format!("{name}: {host}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

#[test]
fn no_file_names_somebodys_home() {
    let homes = [concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];
    let mut wrong = Vec::new();
    for (name, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            // `$CASE/home/x` is no home, and neither is that of a user called `u`.
            let is_home = |(at, home): (usize, &str)| {
                let joined = line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || "_}])".contains(c));
                let user =
                    line[at + home.len()..].split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or("");
                !joined && !["u", "user", "me", "you"].contains(&user)
            };
            if homes.iter().any(|home| line.match_indices(home).any(is_home)) {
                wrong.push(format!("{name}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_top_level_is_as_drawn() {
    let drawn = [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "Makefile",
        "README.md",
        "mirror",
        "mzp",
        "src",
        "tests",
        "z80-fixtures",
        "target",
    ];
    let strays: Vec<_> = fs::read_dir(root())
        .expect("the tree")
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .filter(|n| !n.starts_with('.') && !drawn.contains(&n.as_str()))
        .collect();
    assert!(strays.is_empty(), "at the top: {strays:?}");
}
