//! The members of a workspace: the folders that the project's patterns name.
//!
//! | where | patterns |
//! |---|---|
//! | `pantry.json(c)`, `package.json(c)`, `workspace.json(c)` | `workspaces`: an array, or an object with `packages` |
//! | `pnpm-workspace.yaml` | `packages`, beside `catalog`, `catalogs` and `overrides` |
//!
//! A pattern is a path of which `*`, `?` and `{a,b}` stand for parts of names
//! and `**` for any folders; `!` in front takes out what those before it
//! named. A member is a folder with a manifest. Hidden folders, `node_modules`
//! and what lies behind symbolic links are not looked into.

use super::find::{is_absence, look, read_file};
use super::{Error, Format, LIMIT, Manifest, Problem, Project};
use crate::dependency::{LocalForm, Source};
use crate::json::{Excerpt, Scanner, Syntax, yaml};
use crate::resolve::Packed;
use mirror::name::PackageName;
use mirror::version::Version;
use std::path::{Path, PathBuf};

const FILES: [&str; 2] = ["workspace.json", "workspace.jsonc"];
const PNPM: &str = "pnpm-workspace.yaml";
/// Folders that are looked into.
const MOST_FOLDERS: usize = 100_000;
const MOST_PATTERNS: usize = 1_000;
const DEEPEST: usize = 64;

/// What a project's files say about its members.
#[derive(Debug, Clone, Default)]
pub struct Workspace {
    /// workspace.json(c) and pnpm-workspace.yaml, read as manifests without dependencies.
    pub files: Vec<Manifest>,
    /// Sorted by path.
    pub members: Vec<Member>,
    /// Other folders that the project or a member depends on (`file:`, `link:`), and those that these do.
    pub linked: Vec<Member>,
    /// Archives that any of them depends on (`file:x.tgz`), by path.
    pub archives: Vec<String>,
    /// Those of them that are there, once somebody has read them.
    pub packed: Vec<Packed>,
    /// Relative to the root: files and folders that may say something else one day.
    pub watched: Vec<PathBuf>,
    /// Patterns that name no folder with a manifest.
    pub idle: Vec<String>,
}

/// A folder with manifests of its own.
#[derive(Debug, Clone)]
pub struct Member {
    /// From the root, with `/`.
    pub path: String,
    pub manifests: Vec<Manifest>,
    /// Its own, else its folder's, as npm has it.
    pub name: Option<PackageName>,
    pub version: Version,
}

impl Member {
    fn new(path: String, manifests: Vec<Manifest>) -> Self {
        let last = path.rsplit('/').next().unwrap_or_default();
        let name = manifests.iter().find_map(|m| m.name.clone()).or_else(|| PackageName::parse(last).ok());
        let version = manifests.iter().find_map(|m| m.version.clone());
        Self { path, manifests, name, version: version.unwrap_or(Version::new(0, 0, 0)) }
    }
}

/// The members that `manifests` and the files beside them in `root` name.
pub fn workspace(root: &Path, manifests: &[Manifest]) -> Result<Workspace, Error> {
    let mut found = Workspace { files: files(root)?, ..Workspace::default() };
    found.watched.extend(found.files.iter().filter_map(|m| m.path.file_name()).map(PathBuf::from));
    let patterns: Vec<&String> = manifests.iter().chain(&found.files).flat_map(|m| &m.workspaces).collect();
    if patterns.is_empty() {
        link(root, manifests, &mut found)?;
        return Ok(found);
    }
    let mut walk = Walk { root, watched: Vec::new(), looked: 0, found: Vec::new() };
    let mut paths: Vec<String> = Vec::new();
    for pattern in patterns {
        let taken_out = pattern.strip_prefix('!');
        let parts = parts(taken_out.unwrap_or(pattern));
        if taken_out.is_some() {
            paths.retain(|path| !parts.iter().any(|p| matches(p, path)));
            continue;
        }
        for p in &parts {
            walk.down(&mut String::new(), &p.split('/').collect::<Vec<_>>(), 0)?;
        }
        if walk.found.is_empty() {
            found.idle.push(pattern.clone());
        }
        paths.append(&mut walk.found);
    }
    mirror::order::sort(&mut paths);
    paths.dedup();
    for path in paths {
        if let Some(member) = member(root, &path)? {
            found.members.push(member);
        }
    }
    let mut named: Vec<&Member> = found.members.iter().filter(|m| m.name.is_some()).collect();
    mirror::order::sort_by(&mut named, |a, b| a.name.cmp(&b.name));
    if let Some(two) = named.windows(2).find(|w| w[0].name == w[1].name) {
        let problem = Problem::SameMember { first: two[0].path.clone(), second: two[1].path.clone() };
        return Err(Error::file(root, problem));
    }
    found.watched.extend(walk.watched.into_iter().map(PathBuf::from));
    link(root, manifests, &mut found)?;
    for m in &found.members {
        found.watched.extend(m.manifests.iter().map(|f| Path::new(&m.path).join(f.format.file())));
    }
    Ok(found)
}

/// Finds the folders that dependencies name, from the project's on. What lies outside of the project is a
/// link and no more: its own dependencies are not looked at.
fn link(root: &Path, manifests: &[Manifest], found: &mut Workspace) -> Result<(), Error> {
    let mut open: Vec<String> = locals("", manifests, false);
    found.members.iter().for_each(|m| open.extend(locals(&m.path, &m.manifests, false)));
    while let Some(path) = open.pop() {
        let known = |m: &Member| m.path == path;
        if path.is_empty() || found.members.iter().any(known) || found.linked.iter().any(known) {
            continue;
        }
        if found.linked.len() > MOST_PATTERNS {
            return Err(Error::file(root, Problem::TooManyFolders));
        }
        if let Some(folder) = member(root, &path)? {
            if !path.starts_with("..") {
                open.extend(locals(&path, &folder.manifests, false));
            }
            found.watched.extend(folder.manifests.iter().map(|f| Path::new(&path).join(f.format.file())));
            found.linked.push(folder);
        }
    }
    mirror::order::sort_by(&mut found.linked, |a, b| a.path.cmp(&b.path));
    let mut archives = locals("", manifests, true);
    for folder in found.members.iter().chain(&found.linked).filter(|f| !f.path.starts_with("..")) {
        archives.extend(locals(&folder.path, &folder.manifests, true));
    }
    mirror::order::sort(&mut archives);
    archives.dedup();
    found.watched.extend(archives.iter().map(PathBuf::from));
    found.archives = archives;
    Ok(())
}

/// Once manifests have changed: the folders and archives that they name now; what is new to be watched.
pub fn relink(root: &Path, manifests: &[Manifest], found: &mut Workspace) -> Result<Vec<PathBuf>, Error> {
    let watched = std::mem::take(&mut found.watched);
    found.linked.clear();
    link(root, manifests, found)?;
    let mut new = std::mem::replace(&mut found.watched, watched);
    new.retain(|path| !found.watched.contains(path));
    found.watched.extend(new.iter().cloned());
    Ok(new)
}

/// The folders that the dependencies of manifests in `at` name, or the archives.
fn locals(at: &str, manifests: &[Manifest], archives: bool) -> Vec<String> {
    let all = manifests.iter().flat_map(|m| &m.dependencies);
    all.filter_map(|d| match &d.dependency.source {
        Source::Local { path, form } if (*form == LocalForm::Archive) == archives => join(at, path),
        _ => None,
    })
    .collect()
}

/// `path` as a manifest in `at` means it, from the root: `../` stands in front of what lies outside. `None` for
/// a path that is not relative.
pub fn join(at: &str, path: &str) -> Option<String> {
    if path.starts_with(['/', '~', '\\']) || path.as_bytes().get(1) == Some(&b':') {
        return None;
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in at.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|p| *p != "..") => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The folder at `path` with its manifests, if it has any.
pub fn member(root: &Path, path: &str) -> Result<Option<Member>, Error> {
    let Some(project) = look(&root.join(path))? else { return Ok(None) };
    Ok(Some(Member::new(path.to_string(), project.read()?)))
}

/// The workspace around `project`, whose patterns name its folder, and that folder's path there. `unread`: a manifest
/// above that could be one, were it not broken.
pub fn around(project: &Project, unread: &mut Option<PathBuf>) -> Result<Option<(Project, String)>, Error> {
    for folder in project.root.ancestors().skip(1) {
        let Some(outer) = look(folder)? else { continue };
        let Ok(path) = project.root.strip_prefix(folder) else { continue };
        let Some(path) = path.to_str() else { continue };
        if !outer.files.contains(&Format::DepsTs) {
            let own = outer.files.iter().map(|f| read_file(&folder.join(f.file()), *f));
            let read = own.collect::<Result<Vec<_>, _>>().and_then(|own| Ok((own, files(folder)?)));
            let (own, files) = match read {
                Ok(read) => read,
                // A folder above may be anybody's: no reason to do nothing here.
                Err(e) => {
                    unread.get_or_insert(e.path);
                    continue;
                }
            };
            if names(own.iter().chain(&files).flat_map(|m| &m.workspaces), path) {
                return Ok(Some((outer, path.to_string())));
            }
        }
    }
    Ok(None)
}

fn names<'a>(patterns: impl Iterator<Item = &'a String>, path: &str) -> bool {
    let mut named = false;
    for pattern in patterns {
        let taken_out = pattern.strip_prefix('!');
        if parts(taken_out.unwrap_or(pattern)).iter().any(|p| matches(p, path)) {
            named = taken_out.is_none();
        }
    }
    named
}

fn files(root: &Path) -> Result<Vec<Manifest>, Error> {
    let mut found = Vec::new();
    for name in FILES {
        let path = root.join(name);
        if path.is_file() {
            found.push(read_file(&path, Format::PantryJsonc)?);
        }
    }
    let path = root.join(PNPM);
    match mirror::file::read(&path, LIMIT as u64) {
        Ok(bytes) => found.push(pnpm(&bytes, &path)?),
        Err(mirror::Error::Io { source, .. }) if is_absence(&source) => {}
        Err(e) => return Err(Error::file(&path, Problem::Io(std::io::Error::other(e.to_string())))),
    }
    Ok(found)
}

/// pnpm's file in the words of a manifest.
pub fn pnpm(bytes: &[u8], path: &Path) -> Result<Manifest, Error> {
    let text = String::from_utf8_lossy(bytes);
    let documents = yaml::documents(&text).map_err(|e| Error {
        path: path.to_path_buf(),
        problem: Problem::Yaml(e.problem),
        excerpt: Some(Box::new(Excerpt::new(path, &text, e.offset))),
    })?;
    let document = documents.first().map_or("{}", |d| if d.json == "null" { "{}" } else { &d.json });
    let mut json = Scanner::new(document, Syntax::Json);
    let mut words = String::from("{");
    let syntax = |e: crate::json::Error| Error::file(path, Problem::Syntax(e.problem));
    json.object().map_err(syntax)?;
    while let Some(key) = json.key().map_err(syntax)? {
        json.peek().map_err(syntax)?;
        let value = json.skip().map_err(syntax)?;
        let (before, after) = match &*key.name {
            "packages" => ("\"workspaces\":", ""),
            "catalog" => ("\"catalog\":", ""),
            "catalogs" => ("\"catalogs\":", ""),
            "overrides" => ("\"pnpm\":{\"overrides\":", "}"),
            _ => continue,
        };
        if words.len() > 1 {
            words.push(',');
        }
        [before, value, after].iter().for_each(|s| words.push_str(s));
    }
    words.push('}');
    // The lines are not those of the file.
    super::read(words.as_bytes(), path, Format::PantryJsonc).map_err(|e| Error { excerpt: None, ..e })
}

/// A pattern without braces, of which there may be several then; `./` in front and `/` at the end do not matter.
fn parts(pattern: &str) -> Vec<String> {
    let mut open = vec![pattern.trim_start_matches("./").trim_end_matches('/').to_string()];
    let mut done = Vec::new();
    while let Some(one) = open.pop() {
        let braces = one.find('{').and_then(|a| Some((a, a + one[a..].find('}')?)));
        match braces {
            Some((a, b)) if open.len() + done.len() < MOST_PATTERNS => {
                open.extend(
                    one[a + 1..b].split(',').map(|word| format!("{}{word}{}", &one[..a], &one[b + 1..])),
                );
            }
            _ => done.push(one),
        }
    }
    done.reverse();
    done
}

/// Whether a pattern without braces names that path.
pub fn matches(pattern: &str, path: &str) -> bool {
    fn down(pattern: &[&str], path: &[&str]) -> bool {
        match (pattern.split_first(), path.split_first()) {
            (None, None) => true,
            (Some((&"**", rest)), _) => {
                down(rest, path)
                    || path.split_first().is_some_and(|(p, more)| is_open(p) && down(pattern, more))
            }
            (Some((p, rest)), Some((name, more))) => part_matches(p, name) && down(rest, more),
            _ => false,
        }
    }
    let (pattern, path): (Vec<&str>, Vec<&str>) = (pattern.split('/').collect(), path.split('/').collect());
    // Each `**` doubles the ways.
    pattern.iter().filter(|p| **p == "**").count() <= 4 && path.len() <= DEEPEST && down(&pattern, &path)
}

/// `*` and `?` in one name. A dot in front is not for `*`.
fn part_matches(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && pattern.starts_with(['*', '?']) {
        return false;
    }
    let (p, n): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut i, mut j, mut back) = (0, 0, None);
    while j < n.len() {
        if p.get(i) == Some(&'*') {
            back = Some((i, j));
            i += 1;
        } else if p.get(i).is_some_and(|c| *c == '?' || *c == n[j]) {
            (i, j) = (i + 1, j + 1);
        } else if let Some((star, at)) = back {
            (i, j, back) = (star + 1, at + 1, Some((star, at + 1)));
        } else {
            return false;
        }
    }
    p[i..].iter().all(|c| *c == '*')
}

fn is_open(name: &str) -> bool {
    !name.starts_with('.') && name != "node_modules"
}

struct Walk<'a> {
    root: &'a Path,
    /// Folders whose entries were looked at, and those that are no member yet.
    watched: Vec<String>,
    looked: usize,
    found: Vec<String>,
}

impl Walk<'_> {
    /// Adds the folders at or under `at` that the rest of a pattern names.
    fn down(&mut self, at: &mut String, rest: &[&str], depth: usize) -> Result<(), Error> {
        self.looked += 1;
        if self.looked > MOST_FOLDERS || depth > DEEPEST {
            return Err(Error::file(&self.root.join(&*at), Problem::TooManyFolders));
        }
        let Some((part, more)) = rest.split_first() else {
            if !at.is_empty() && look(&self.root.join(&*at))?.is_some() {
                self.found.push(at.clone());
            } else {
                self.watched.push(if at.is_empty() { ".".into() } else { at.clone() });
            }
            return Ok(());
        };
        if *part == "**" {
            self.down(at, more, depth)?;
        } else if matches!(*part, "" | ".") {
            return self.down(at, more, depth);
        } else if !part.contains(['*', '?']) {
            let is_folder =
                std::fs::symlink_metadata(self.root.join(&*at).join(part)).is_ok_and(|m| m.is_dir());
            if is_folder {
                return self.into(at, part, more, depth);
            }
            self.watched.push(if at.is_empty() { part.to_string() } else { format!("{at}/{part}") });
            return Ok(());
        }
        self.watched.push(if at.is_empty() { ".".into() } else { at.clone() });
        let folder = self.root.join(&*at);
        let entries = std::fs::read_dir(&folder).map_err(|e| Error::file(&folder, Problem::Io(e)))?;
        let is_folder = |e: &std::fs::DirEntry| e.file_type().is_ok_and(|t| t.is_dir());
        let names = entries.flatten().filter(is_folder).filter_map(|e| e.file_name().into_string().ok());
        let mut names: Vec<String> = names.filter(|n| is_open(n)).collect();
        mirror::order::sort(&mut names);
        for name in names {
            if *part == "**" {
                self.into(at, &name, rest, depth)?;
            } else if part_matches(part, &name) {
                self.into(at, &name, more, depth)?;
            }
        }
        Ok(())
    }

    fn into(&mut self, at: &mut String, name: &str, rest: &[&str], depth: usize) -> Result<(), Error> {
        let before = at.len();
        if !at.is_empty() {
            at.push('/');
        }
        at.push_str(name);
        let done = self.down(at, rest, depth + 1);
        at.truncate(before);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_the_root() {
        for (at, path, expected) in [
            ("", "./a", Some("a")),
            ("packages/b", "../a", Some("packages/a")),
            ("packages/b", "../../../x/y", Some("../x/y")),
            ("", "../..", Some("../..")),
            ("a", ".", Some("a")),
            ("", "/etc", None),
            ("", "~/a", None),
            ("", "C:\\a", None),
        ] {
            assert_eq!(join(at, path).as_deref(), expected, "{at} {path}");
        }
    }

    #[test]
    fn patterns_as_npm_reads_them() {
        for (pattern, path, expected) in [
            ("packages/*", "packages/a", true),
            ("packages/*", "packages/a/b", false),
            ("packages/*", "packages/.a", false),
            ("packages/**", "packages/a/b", true),
            ("packages/**", "packages", true),
            ("**/a", "x/y/a", true),
            ("**/a", "node_modules/x/a", false),
            ("a", "a", true),
            ("./a/", "a", true),
            ("pkg-?", "pkg-1", true),
            ("p*s/*-ui", "packages/my-ui", true),
            ("{apps,packages}/*", "apps/x", true),
            ("{apps,packages}/{a,b}", "packages/b", true),
            ("{apps", "{apps", true),
        ] {
            assert_eq!(parts(pattern).iter().any(|p| matches(p, path)), expected, "{pattern} {path}");
        }
        let words = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        let named = |patterns: &[&str], path| names(words(patterns).iter(), path);
        assert!(named(&["p/*", "!p/b"], "p/a") && !named(&["p/*", "!p/b"], "p/b"));
        assert!(named(&["p/*", "!p/b", "p/b"], "p/b"));
    }

    proptest::proptest! {
        #[test]
        fn no_pattern_is_too_odd(pattern in "[a*?{},/!.]{0,30}", path in "[a./*é]{0,30}") {
            let _ = parts(&pattern).iter().filter(|p| matches(p, &path)).count();
        }
    }
}
