//! `mzp.lock`: what was chosen, for every target the project supports.
//!
//! ```toml
//! # Written by mzp …
//! version = 1
//!
//! [project]
//! targets = ["z80"]                    # `supported` of mzp.toml
//! dependencies = [
//!     "game-engine ^0.1.0",            # name, requirement, then what applies of:
//!     "zx-hardware ^2.0.0 for spectrum",
//!     "zx-graphics ^1.0.0 with sprites,tiles without defaults",
//! ]
//!
//! [[package]]                          # sorted by name, one of each
//! name = "game-engine"
//! version = "0.1.0"
//! source = "github:user/repo@v1"       # only where it comes from elsewhere than the registry
//! sha256 = "…"                         # of the archive's bytes
//! dependencies = [
//!     "zx-graphics ^1.0.0",
//! ]
//! ```
//! One line per dependency, sorted, so that two branches merge cleanly; the
//! same input gives the same bytes. Nothing in it says where the registry or a
//! mirror is; a source that the manifest names ([`Origin`]) is repeated, in
//! `dependencies` behind ` from `.

use crate::error::{Error, Result};
use crate::feature;
use crate::manifest::Manifest;
use crate::origin::Origin;
use crate::place::Place;
use crate::platform::Platform;
use crate::requirement::Requirement;
use crate::solve::{Chosen, Need, project_needs};
use crate::text;
use crate::toml::{self, Data};
use mirror::digest::Hash;
use mirror::name::MinzName;
use mirror::order::Map;
use mirror::version::Version;
use std::fmt::Write as _;
use std::path::Path;

pub const FILE: &str = "mzp.lock";
/// Longest lock that is read, in bytes.
pub const LIMIT: u64 = 8 << 20;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    pub targets: Vec<String>,
    /// The project's needs, as text.
    pub dependencies: Vec<String>,
    /// Sorted by name.
    pub packages: Vec<Locked>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    pub name: MinzName,
    pub version: Version,
    pub origin: Origin,
    pub sha256: Hash,
    pub needs: Vec<Need>,
}

impl Lock {
    /// What the solver chose for a project.
    pub fn of(manifest: &Manifest, chosen: Vec<Chosen>) -> Result<Self> {
        let mut lock = Self::asked(manifest);
        for c in chosen {
            let Chosen { name, version, origin, sha256, needs } = c;
            let Some(sha256) = sha256 else {
                return Err(Error::AbsentVersion { name, version, present: Vec::new() });
            };
            lock.packages.push(Locked { name, version, origin, sha256, needs });
        }
        Ok(lock)
    }

    /// The part that comes from the manifest alone.
    fn asked(manifest: &Manifest) -> Self {
        let mut targets: Vec<_> = manifest.supported.iter().map(|s| s.name().to_string()).collect();
        mirror::order::sort(&mut targets);
        let dev = manifest.dev_dependencies.iter().map(|d| (None, d));
        let all: Vec<_> = manifest.all_dependencies().chain(dev).map(|(_, d)| d).collect();
        let from = |need: &Need| {
            let named = all.iter().find(|d| d.name == need.name && d.origin != Origin::Registry);
            named.map_or(String::new(), |d| format!(" from {}", d.origin))
        };
        let mut dependencies: Vec<_> =
            project_needs(manifest).iter().map(|(n, _)| write_need(n) + &from(n)).collect();
        mirror::order::sort(&mut dependencies);
        dependencies.dedup();
        Self { targets, dependencies, packages: Vec::new() }
    }

    /// What in the manifest the lock does not know, or no longer has to; `None`: it fits.
    pub fn difference(&self, manifest: &Manifest) -> Option<String> {
        let asked = Self::asked(manifest);
        if asked.targets != self.targets {
            return Some("the supported targets changed".into());
        }
        if let Some(new) = asked.dependencies.iter().find(|d| !self.dependencies.contains(d)) {
            return Some(format!("`{new}` is not in it"));
        }
        self.dependencies
            .iter()
            .find(|d| !asked.dependencies.contains(d))
            .map(|old| format!("`{old}` is no longer asked for"))
    }

    pub fn get(&self, name: &MinzName) -> Option<&Locked> {
        let i = self.packages.binary_search_by(|p| p.name.cmp(name)).ok()?;
        Some(&self.packages[i])
    }

    /// The versions to keep when solving again.
    pub fn preferred(&self) -> Map<MinzName, Version> {
        let mut preferred = Map::new();
        preferred.extend(self.packages.iter().map(|p| (p.name.clone(), p.version.clone())));
        preferred
    }

    pub fn write(&self) -> String {
        let mut out = String::from(
            "# Written by mzp from mzp.toml. Keep it with the project.\nversion = 1\n\n[project]\n",
        );
        if !self.targets.is_empty() {
            let list: Vec<_> = self.targets.iter().map(|t| format!("{t:?}")).collect();
            let _ = writeln!(out, "targets = [{}]", list.join(", "));
        }
        write_list(&mut out, self.dependencies.iter().cloned());
        for p in &self.packages {
            let _ = write!(out, "\n[[package]]\nname = \"{}\"\nversion = \"{}\"\n", p.name, p.version);
            if p.origin != Origin::Registry {
                let _ = writeln!(out, "source = \"{}\"", p.origin);
            }
            let _ = writeln!(out, "sha256 = \"{}\"", p.sha256);
            if !p.needs.is_empty() {
                write_list(&mut out, p.needs.iter().map(write_need));
            }
        }
        out
    }

    /// Reads `dir/mzp.lock`; `Ok(None)` when there is none.
    pub fn load(dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(FILE);
        text::read(&path, LIMIT)?.map(|t| Self::parse(&path, &t)).transpose()
    }

    /// The lock of a project, which must be there and fit.
    pub fn require(manifest: &Manifest) -> Result<Self> {
        let path = manifest.root().join(FILE);
        match Self::load(manifest.root())? {
            None => Err(Error::NoLock { path }),
            Some(lock) => match lock.difference(manifest) {
                Some(what) => Err(Error::LockStale { path, what }),
                None => Ok(lock),
            },
        }
    }

    /// Strict: what this module would not write is refused.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let at = |offset: usize, what: String| Error::Lock { place: Place::at(path, text, offset), what };
        if text.trim().is_empty() {
            return Err(at(0, "is empty".into()));
        }
        if let Some(i) = text.find("<<<<<<< ").filter(|&i| i == 0 || text.as_bytes()[i - 1] == b'\n') {
            return Err(at(i, "has merge conflict markers".into()));
        }
        let document = toml::parse(text).map_err(|wrong| at(wrong.offset, wrong.message.to_string()))?;
        let table = Entry { at: &at, start: 0, table: &document };
        match table.table.get("version").map(|value| &value.data) {
            Some(Data::Integer("1")) => {}
            Some(Data::Integer(i)) => {
                return Err(at(0, format!("has format version {i}, and this mzp knows 1")));
            }
            _ => return Err(at(0, "has no format version".into())),
        }
        table.only(&["version", "project", "package"])?;
        let mut lock = Self { targets: Vec::new(), dependencies: Vec::new(), packages: Vec::new() };
        match table.table.get("project").and_then(|v| Some((v.span.start, v.table()?))) {
            Some((start, table)) => {
                let project = Entry { at: &at, start, table };
                project.only(&["targets", "dependencies"])?;
                lock.targets = project.strings("targets")?.into_iter().map(|(_, s)| s).collect();
                for (offset, line) in project.strings("dependencies")? {
                    let (need, from) =
                        line.split_once(" from ").map_or((&*line, None), |(n, f)| (n, Some(f)));
                    read_need(need).map_err(|e| at(offset, e))?;
                    from.map(Origin::parse).transpose().map_err(|e| at(offset, e.to_string()))?;
                    lock.dependencies.push(line);
                }
            }
            None => return Err(at(0, "has no [project]".into())),
        }
        let packages = match table.table.get("package") {
            Some(value) => value.list().ok_or_else(|| at(0, "`package` is not a list of tables".into()))?,
            None => &[],
        };
        for p in packages {
            let start = p.span.start;
            let Some(t) = p.table() else { return Err(at(start, "is not a table".into())) };
            let entry = Entry { at: &at, start, table: t };
            entry.only(&["name", "version", "source", "sha256", "dependencies"])?;
            let (offset, name) = entry.string("name")?;
            let name = MinzName::parse(&name).map_err(|e| at(offset, e.to_string()))?;
            let (o, version) = entry.string("version")?;
            let version = Version::parse(&version).map_err(|e| at(o, e.to_string()))?;
            let mut origin = Origin::Registry;
            if t.get("source").is_some() {
                let (o, text) = entry.string("source")?;
                origin = Origin::parse(&text).map_err(|e| at(o, e.to_string()))?;
                if matches!(&origin, Origin::Github(r) if r.tag().is_none()) {
                    return Err(at(o, "names no release".into()));
                }
            }
            let (o, sha256) = entry.string("sha256")?;
            let sha256 = Hash::parse(&sha256).map_err(|e| at(o, e.to_string()))?;
            let mut needs = Vec::new();
            for (o, line) in entry.strings("dependencies")? {
                needs.push(read_need(&line).map_err(|e| at(o, e))?);
            }
            if lock.packages.last().is_some_and(|last: &Locked| last.name >= name) {
                return Err(at(offset, format!("{name} is out of order or there twice")));
            }
            lock.packages.push(Locked { name, version, origin, sha256, needs });
        }
        lock.check_edges().map_err(|what| at(0, what))?;
        Ok(lock)
    }

    /// Every edge leads to a package that satisfies it.
    fn check_edges(&self) -> std::result::Result<(), String> {
        let meets = |who: &str, n: &Need| match self.get(&n.name) {
            None => Err(format!("{who} needs {}, which is not in it", n.name)),
            Some(p) if !n.requirement.matches(&p.version) => {
                Err(format!("{who} needs {} {}, and {} is in it", n.name, n.requirement, p.version))
            }
            Some(_) => Ok(()),
        };
        for p in &self.packages {
            p.needs.iter().try_for_each(|n| meets(p.name.as_str(), n))?;
        }
        Ok(())
    }
}

fn write_list(out: &mut String, items: impl Iterator<Item = String>) {
    out.push_str("dependencies = [\n");
    for i in items {
        let _ = writeln!(out, "    \"{i}\",");
    }
    out.push_str("]\n");
}

/// `NAME REQUIREMENT`, then what applies of ` for TARGET`, ` with FEATURE,…`, ….
pub fn write_need(n: &Need) -> String {
    let mut out = format!("{} {}", n.name, n.requirement);
    if let Some(p) = n.platform {
        let _ = write!(out, " for {p}");
    }
    if !n.features.is_empty() {
        let _ = write!(out, " with {}", n.features.join(","));
    }
    if !n.default_features {
        out.push_str(" without defaults");
    }
    if n.optional {
        out.push_str(" optional");
    }
    out
}

fn read_need(text: &str) -> std::result::Result<Need, String> {
    let mut rest = text;
    let mut cut = |word: &str| match rest.split_once(word) {
        Some((head, tail)) => {
            rest = head;
            Some(tail)
        }
        None => None,
    };
    let optional = cut(" optional");
    let without = cut(" without defaults");
    let features = cut(" with ");
    let platform = cut(" for ");
    if optional.is_some_and(|t| !t.is_empty()) || without.is_some_and(|t| !t.is_empty()) {
        return Err("is not a dependency".into());
    }
    let (name, requirement) = rest.split_once(' ').ok_or("is not a dependency")?;
    let platform = match platform {
        Some(p) => Some(Platform::find(p).ok_or_else(|| format!("unknown target `{p}`"))?),
        None => None,
    };
    let features: Vec<String> = features.map_or(Vec::new(), |f| f.split(',').map(String::from).collect());
    for f in &features {
        feature::check_name(f).map_err(|e| e.to_string())?;
    }
    Ok(Need {
        name: MinzName::parse(name).map_err(|e| e.to_string())?,
        requirement: Requirement::parse(requirement).map_err(|e| e.to_string())?,
        platform,
        optional: optional.is_some(),
        features,
        default_features: without.is_none(),
    })
}

/// A table of the lock: few keys, all known.
struct Entry<'a> {
    at: &'a dyn Fn(usize, String) -> Error,
    start: usize,
    table: &'a toml::Table<'a>,
}

impl Entry<'_> {
    fn only(&self, known: &[&str]) -> Result<()> {
        match self.table.entries.iter().find(|entry| !known.contains(&&*entry.key)) {
            Some(entry) => Err((self.at)(entry.key_span.start, format!("unknown key `{}`", entry.key))),
            None => Ok(()),
        }
    }
    fn string(&self, key: &str) -> Result<(usize, String)> {
        match self.table.get(key).map(|v| (v.span.start, v.text())) {
            Some((o, Some(text))) => Ok((o, text.to_string())),
            Some((o, None)) => Err((self.at)(o, format!("`{key}` is not a string"))),
            None => Err((self.at)(self.start, format!("has a package without `{key}`"))),
        }
    }
    fn strings(&self, key: &str) -> Result<Vec<(usize, String)>> {
        let wrong = |o| (self.at)(o, format!("`{key}` is not a list of strings"));
        let Some(value) = self.table.get(key) else { return Ok(Vec::new()) };
        let items = value.list().ok_or_else(|| wrong(value.span.start))?;
        let item = |v: &toml::Value<'_>| {
            Ok((v.span.start, v.text().ok_or_else(|| wrong(v.span.start))?.to_string()))
        };
        items.iter().map(item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(dependencies: &str) -> Manifest {
        let text = format!(
            "[package]\nname = \"game\"\nversion = \"0.1.0\"\n[targets]\nsupported = [\"z80\"]\n{dependencies}"
        );
        Manifest::parse(Path::new("mzp.toml"), &text).unwrap()
    }
    fn parse(text: &str) -> Result<Lock> {
        Lock::parse(Path::new("mzp.lock"), text)
    }
    fn sample() -> (Manifest, Lock) {
        let m = manifest(
            "[dependencies]\ngfx = { version = \">=1.0.0, <2.0.0\", features = [\"b\", \"a\"], default-features = false }\n[platform-dependencies.spectrum]\ncore = \"1\"\n",
        );
        let chosen = |name: &str, needs: Vec<Need>| Chosen {
            name: MinzName::parse(name).unwrap(),
            version: Version::parse("1.5.0").unwrap(),
            sha256: Some(Hash::of(name.as_bytes())),
            origin: Origin::Registry,
            needs,
        };
        let need = read_need("core ^1.0.0 for spectrum optional").unwrap();
        let lock = Lock::of(&m, vec![chosen("core", vec![]), chosen("gfx", vec![need])]).unwrap();
        (m, lock)
    }

    #[test]
    fn written_read_and_the_same() {
        let (m, lock) = sample();
        let text = lock.write();
        assert_eq!(
            text.lines().take(9).collect::<Vec<_>>(),
            [
                "# Written by mzp from mzp.toml. Keep it with the project.",
                "version = 1",
                "",
                "[project]",
                "targets = [\"z80\"]",
                "dependencies = [",
                "    \"core 1 for spectrum\",",
                "    \"gfx >=1.0.0, <2.0.0 with a,b without defaults\",",
                "]",
            ]
        );
        let again = parse(&text).unwrap();
        assert_eq!(again, lock);
        assert_eq!(again.write(), text);
        assert_eq!(again.difference(&m), None);
        assert_eq!(again.preferred().len(), 2);
    }

    #[test]
    fn says_what_changed() {
        let (_, lock) = sample();
        assert_eq!(
            lock.difference(&manifest("[dependencies]\ngfx = \"1\"\n")).unwrap(),
            "`gfx 1` is not in it"
        );
        assert_eq!(lock.difference(&manifest("")).unwrap(), "`core 1 for spectrum` is no longer asked for");
    }

    #[test]
    fn what_it_would_not_write_is_refused() {
        let (_, lock) = sample();
        let text = lock.write();
        for (broken, expected) in [
            (String::new(), "mzp.lock:1:1: is empty"),
            (format!("<<<<<<< ours\n{text}"), "mzp.lock:1:1: has merge conflict markers"),
            (
                text.replace("version = 1\n", "version = 2\n"),
                "mzp.lock:1:1: has format version 2, and this mzp knows 1",
            ),
            (text.replace("name = \"gfx\"", "name = \"../gfx\""), "is not a valid MinZ package name"),
            (text.replace("name = \"gfx\"", "name = \"core\""), "core is out of order or there twice"),
            (text.replace("1.5.0", "0.5.0"), "gfx needs core ^1.0.0, and 0.5.0 is in it"),
            (text.replace("name = \"core\"", "name = \"cord\""), "gfx needs core, which is not in it"),
            (text.replace("sha256", "sha1"), "unknown key `sha1`"),
            (text.replace("sha256 = \"", "sha256 = \"zz"), "is not a valid SHA-256"),
            (text.replace("for spectrum\"", "for vic20\""), "unknown target `vic20`"),
        ] {
            let message = parse(&broken).unwrap_err().to_string();
            assert!(message.contains(expected), "{message} lacks {expected}");
        }
        for end in 0..text.len() - 1 {
            // Torn anywhere: never a panic, and never a lock that claims more.
            let _ = parse(&text[..end]);
        }
    }
}
