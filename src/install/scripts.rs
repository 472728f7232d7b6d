//! Packages' own scripts at install: whose may run, where they stand, in which order.
//!
//! No package runs anything at install unless a rule names it: one of the project's `trustedDependencies`, or of
//! the user's `trusted-dependencies`:
//!
//! | rule | allows |
//! |---|---|
//! | `esbuild` | every version from the registry that this machine's configuration gives the name |
//! | `esbuild@0.25.0` | that version from there |
//! | `esbuild@sha512-…` | that archive, wherever it comes from |
//!
//! The name is the package's own, not the alias that it stands under, and a package of that name from anywhere else
//! (another registry, git, an address, a folder) is another package. What an archive bundles is not asked for by
//! anybody and never runs anything.
//!
//! A package whose scripts run has copies of its own of the store's files ([`super::unit::Op::Package`]): what a
//! script changes, it changes there. That it was trusted is part of its unit's digest, so that a tree changes with
//! the rules; which units still wait for their scripts is in the [state](super::state): they are made anew, and
//! their scripts run, by the next install.

use super::store::Key;
use super::unit::{Op, Unit};
use crate::error::{Error, Result};
use crate::json::{self, Scanner, Syntax, loose};
use crate::resolve::graph::{Graph, Package, PackageId};
use std::path::Path;

/// A package.json of more bytes than this is none.
const LIMIT: u64 = 16 << 20;

/// In the order in which they run.
pub const EVENTS: [&str; 3] = ["preinstall", "install", "postinstall"];

/// Whose scripts may run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// The user's own rules, for every project.
    pub user: Vec<String>,
    /// The project's.
    pub project: Vec<String>,
}

impl Trust {
    pub fn is_empty(&self) -> bool {
        self.user.is_empty() && self.project.is_empty()
    }

    /// `usual`: the source that the configuration gives the package's name.
    pub fn allows(&self, package: &Package, usual: &str) -> bool {
        !package.is_linked() && self.user.iter().chain(&self.project).any(|rule| allows(rule, package, usual))
    }
}

fn allows(rule: &str, package: &Package, usual: &str) -> bool {
    let (name, which) = parts(rule);
    if name != package.name.as_str() {
        return false;
    }
    match which {
        None => package.source == usual,
        Some(hash)
            if hash.contains('-') && package.integrity.as_ref().is_some_and(|i| i.to_string() == hash) =>
        {
            true
        }
        Some(version) => package.source == usual && package.version.to_string() == version,
    }
}

/// Name, and what stands behind it.
pub fn parts(rule: &str) -> (&str, Option<&str>) {
    match rule.get(1..).and_then(|rest| rest.find('@')) {
        Some(at) => (&rule[..=at], Some(&rule[at + 2..])),
        None => (rule, None),
    }
}

/// A package in the tree whose scripts are to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub package: PackageId,
    pub name: String,
    pub version: String,
    /// The unit that it stands in; relative to `node_modules`, as `place` (`../a/node_modules/x`: of a member).
    pub unit: String,
    pub place: String,
    /// The project can do without it.
    pub optional: bool,
}

/// What stands before the units of a member's own `node_modules`.
pub fn of_member(path: &str) -> String {
    format!("../{path}/node_modules/")
}

/// The packages with files of their own in the units called `todo`: what others need first. Of each tree
/// what stands before its units.
pub fn jobs(graph: &Graph, keys: &[Option<Key>], trees: &[(String, &[Unit])], todo: &[String]) -> Vec<Job> {
    let ranks = ranks(graph);
    let mut jobs = Vec::new();
    for (tree, unit) in trees.iter().flat_map(|(tree, units)| units.iter().map(move |u| (tree, u))) {
        let path = format!("{tree}{}", unit.path);
        for op in unit.ops.iter().filter(|_| todo.contains(&path)) {
            let Op::Package { at, key, own: true } = op else { continue };
            let Some(id) = graph.ids().find(|id| keys[id.index()] == Some(*key)) else { continue };
            let package = graph.package(id);
            jobs.push(Job {
                package: id,
                name: package.name.to_string(),
                version: package.version.to_string(),
                unit: path.clone(),
                place: if at.is_empty() { path.clone() } else { format!("{path}/{at}") },
                optional: false,
            });
        }
    }
    mirror::order::sort_by(&mut jobs, |a: &Job, b: &Job| {
        (ranks[a.package.index()], &a.place).cmp(&(ranks[b.package.index()], &b.place))
    });
    jobs
}

/// Dependencies before those who need them; of a circle, whoever is met last is first.
fn ranks(graph: &Graph) -> Vec<usize> {
    let mut ranks = vec![usize::MAX; graph.packages.len()];
    let mut seen = vec![false; graph.packages.len()];
    let mut next = 0;
    for root in graph.ids() {
        let mut stack = vec![(root, 0)];
        while let Some((id, edge)) = stack.last_mut() {
            let id = *id;
            if *edge == 0 && std::mem::replace(&mut seen[id.index()], true) {
                stack.pop();
                continue;
            }
            let edges = &graph.package(id).dependencies;
            let below = edges[*edge..].iter().position(|e| e.target.is_some_and(|t| !seen[t.index()]));
            match below {
                Some(step) => {
                    *edge += step + 1;
                    if let Some(target) = edges[*edge - 1].target {
                        stack.push((target, 0));
                    }
                }
                None => {
                    ranks[id.index()] = next;
                    next += 1;
                    stack.pop();
                }
            }
        }
    }
    ranks
}

/// What a package.json says of scripts.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Own {
    /// Those of [`EVENTS`] that it has, in their order.
    pub scripts: Vec<(&'static str, String)>,
    /// `node-gyp rebuild` is npm's meaning of a binding.gyp.
    pub is_gyp: bool,
}

/// Reads the scripts of the package at `dir`, as it lies there.
///
/// # Errors
/// There is no package.json, or it cannot be read.
pub fn read(dir: &Path) -> Result<Own> {
    let path = dir.join("package.json");
    let bytes = mirror::file::read(&path, LIMIT)?;
    let mut own = Own::default();
    let mut gyp = dir.join("binding.gyp").is_file();
    let text = json::text(&bytes).map_err(|_| unreadable(&path))?;
    let mut found: [Option<String>; 3] = [None, None, None];
    let mut json = Scanner::new(text, Syntax::Json);
    let outcome: std::result::Result<(), json::Error> =
        loose::members(&mut json, |json, key| match &*key.name {
            "scripts" => loose::members(json, |json, key| {
                let text = loose::text(json)?.filter(|t| !t.is_empty());
                if let (Some(i), Some(text)) = (EVENTS.iter().position(|e| *e == key.name), text) {
                    found[i] = Some(text.into_owned());
                }
                Ok(())
            }),
            "gypfile" => {
                gyp &= json.skip()? != "false";
                Ok(())
            }
            _ => json.skip().map(drop),
        });
    outcome.map_err(|_: json::Error| unreadable(&path))?;
    if gyp && found[0].is_none() && found[1].is_none() {
        found[1] = Some("node-gyp rebuild".into());
        own.is_gyp = true;
    }
    own.scripts = EVENTS.into_iter().zip(found).filter_map(|(event, text)| Some((event, text?))).collect();
    Ok(own)
}

fn unreadable(path: &Path) -> Box<Error> {
    Box::new(Error::Io { action: "read", path: path.into(), source: std::io::ErrorKind::InvalidData.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::graph::EdgeKind::Normal;

    #[test]
    fn rules() {
        let mut graph = crate::install::hoist::tests::graph(&[(0, Vec::new())], &[(0, 0)]);
        let package = &mut graph.packages[0];
        package.name = mirror::name::PackageName::parse("@s/a").unwrap();
        package.version = mirror::version::Version::parse("1.2.3").unwrap();
        let hash =
            "sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==";
        package.integrity = Some(mirror::digest::Integrity::parse(hash).unwrap());
        let allowed = |rule: &str, source: &str, usual: &str| {
            let mut package = graph.packages[0].clone();
            package.source = source.into();
            Trust { project: vec![rule.into()], ..Trust::default() }.allows(&package, usual)
        };
        for (rule, here, elsewhere) in [
            ("@s/a", true, false),
            ("@s/a@1.2.3", true, false),
            ("@s/a@1.2.4", false, false),
            ("@s/a@^1", false, false),
            ("a", false, false),
            ("@s", false, false),
            ("*", false, false),
            ("", false, false),
            (&format!("@s/a@{hash}"), true, true),
            ("@s/a@sha512-AAAA", false, false),
        ] {
            assert_eq!(allowed(rule, "npm", "npm"), here, "{rule}");
            assert_eq!(allowed(rule, "npm+http://127.0.0.1/", "npm"), elsewhere, "{rule}");
            assert!(!allowed(rule, "link:packages/a", "link:packages/a"), "{rule}");
        }
    }

    #[test]
    fn what_is_needed_comes_first() {
        // 0 needs 1 and 3, 1 needs 2, 2 needs 1 (a circle), 4 needs nothing.
        let edge = |to: usize| (to, to, Normal);
        let graph = crate::install::hoist::tests::graph(
            &[(0, vec![edge(1), edge(3)]), (1, vec![edge(2)]), (2, vec![edge(1)]), (3, vec![]), (4, vec![])],
            &[(0, 0), (4, 4)],
        );
        let ranks = ranks(&graph);
        assert!(ranks[1] < ranks[0] && ranks[3] < ranks[0] && ranks[2] < ranks[1]);
        let mut all = ranks.clone();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn what_a_package_json_says() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            mirror::file::replace_scratch(&dir.path().join(name), text.as_bytes()).unwrap()
        };
        let is = |text: &str| {
            file("package.json", text);
            read(dir.path())
                .map(|own| own.scripts.into_iter().map(|(e, t)| format!("{e}: {t}")).collect::<Vec<_>>())
        };
        assert!(read(dir.path()).is_err());
        assert!(is("{").is_err());
        assert_eq!(is("{\"scripts\": 1}").unwrap(), [""; 0]);
        let odd = r#"{"scripts": {"postinstall": "b", "install": 5, "preinstall": "", "test": "c"}}"#;
        assert_eq!(is(odd).unwrap(), ["postinstall: b"]);
        file("binding.gyp", "{}");
        assert_eq!(is("{}").unwrap(), ["install: node-gyp rebuild"]);
        assert_eq!(is(odd).unwrap(), ["install: node-gyp rebuild", "postinstall: b"]);
        assert_eq!(is("{\"gypfile\": false}").unwrap(), [""; 0]);
        assert_eq!(is(r#"{"scripts": {"preinstall": "a"}}"#).unwrap(), ["preinstall: a"]);
    }
}
