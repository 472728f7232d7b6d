//! What the last install made of `node_modules`, kept in `node_modules/.pantry/state`.
//!
//! ```text
//! pantry-state 1
//! boot <32 hex digits> U|D           the system that wrote it; D: checked after a restart
//! options <32 hex digits> <linker>   linker, groups, platform, … (see `Fingerprint`)
//! packages <count>
//! input <mtime ns> <size> <inode> <path>     manifests and lockfile, relative to the project
//! dir <mtime ns> <path>              node_modules, its scopes and `.bin`, relative to it
//! todo <path>                        a unit whose packages' scripts have not run to their end (`scripts`)
//! unit <32 hex digits> <path>        what each unit was made from (`unit`)
//! names <name>@<version> …            the packages, for telling what the next install changes (`difference`)
//! ```
//!
//! «Nothing to do» is decided from the lines before the first `unit`: a stat of
//! each input and directory, before anything is parsed or a thread is started.
//! The file is written last, so a tree without one is not finished.

use super::listing::BootId;
use super::unit::{Digest, Linker, Unit};
use mirror::digest::{hex, hex_decode};
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub const PATH: &str = "node_modules/.pantry/state";
const FIRST: &str = "pantry-state 1";
/// Bytes; ten thousand units take one million.
const LIMIT: u64 = 16 << 20;

#[derive(Debug, Default)]
pub struct State {
    boot: [u8; 16],
    durable: bool,
    options: [u8; 16],
    /// How the tree is built; nothing when nobody knows.
    pub linker: Option<Linker>,
    pub packages: usize,
    /// As [`super::difference::names`] has them.
    pub names: String,
    inputs: Vec<(i128, u64, u64, String)>,
    dirs: Vec<(i128, String)>,
    /// Units that wait for scripts.
    pub todo: Vec<String>,
    /// Path → digest, in the order of the file.
    pub units: Vec<(String, Digest)>,
}

/// The time of an input that is not there.
const MISSING: i128 = -1;

/// The options an install's result depends on, besides its inputs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fingerprint(pub [u8; 16], pub Linker);

impl Fingerprint {
    pub fn of(linker: Linker, text: &str) -> Self {
        let mut out = [0; 16];
        out.copy_from_slice(&mirror::digest::Hash::of(text.as_bytes()).0[..16]);
        Self(out, linker)
    }
}

/// A manifest or lockfile as it was at one moment: taken before it is read, so
/// that a change made while an install runs is not taken for what was installed.
#[derive(Debug, Clone)]
pub struct Input {
    /// Relative to the project.
    pub path: PathBuf,
    mtime: i128,
    size: u64,
    inode: u64,
}

impl Input {
    /// `None` when it is not there.
    pub fn look(project: &Path, path: &Path) -> Option<Self> {
        let meta = std::fs::metadata(project.join(path)).ok()?;
        Some(Self { path: path.into(), mtime: mtime(&meta), size: meta.len(), inode: meta.ino() })
    }

    /// The same of what may come one day.
    pub fn look_or_miss(project: &Path, path: &Path) -> Self {
        Self::look(project, path).unwrap_or_else(|| Self {
            path: path.into(),
            mtime: MISSING,
            size: 0,
            inode: 0,
        })
    }
}

fn mtime(meta: &std::fs::Metadata) -> i128 {
    i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec())
}

/// A link, a pipe or something enormous in its place, or above it, is no state.
fn text(project: &Path) -> Option<String> {
    for folder in ["node_modules", "node_modules/.pantry"] {
        std::fs::symlink_metadata(project.join(folder)).ok().filter(std::fs::Metadata::is_dir)?;
    }
    String::from_utf8(mirror::file::read(&project.join(PATH), LIMIT).ok()?).ok()
}

impl State {
    /// `None` when there is none or it cannot be read: then the tree is made anew.
    pub fn read(project: &Path) -> Option<Self> {
        Self::parse(&text(project)?, true)
    }

    /// As [`read`](Self::read), without the units: enough to see that nothing has changed.
    pub fn read_head(project: &Path) -> Option<Self> {
        Self::parse(&text(project)?, false)
    }

    /// Stands for a tree that we did not make: everything in it is known, nothing of it is wanted.
    pub fn foreign(project: &Path) -> Self {
        let mut units = Vec::new();
        for entry in std::fs::read_dir(project.join("node_modules")).into_iter().flatten().flatten() {
            if let Some(name) = entry.file_name().to_str().filter(|n| !n.starts_with('.') || *n == ".bin") {
                units.push((name.to_string(), Digest([0; 16])));
            }
        }
        Self { units, ..Self::default() }
    }

    /// Packages in `node_modules` that no install of ours put there: folders and links, also in scopes.
    pub fn strangers(&self, project: &Path) -> Vec<String> {
        let modules = project.join("node_modules");
        let names = |dir: &Path| -> Vec<String> {
            let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
            entries.filter_map(|e| e.file_name().into_string().ok()).filter(|n| !n.starts_with('.')).collect()
        };
        let mut found = Vec::new();
        for name in names(&modules) {
            if !name.starts_with('@') {
                found.push(name);
                continue;
            }
            let scope = modules.join(&name);
            match std::fs::symlink_metadata(&scope) {
                Ok(meta) if meta.is_dir() => {
                    found.extend(names(&scope).into_iter().map(|n| format!("{name}/{n}")));
                }
                _ => found.push(name),
            }
        }
        found.retain(|path| self.units.iter().all(|(unit, _)| unit != path));
        mirror::order::sort(&mut found);
        found
    }

    fn parse(text: &str, with_units: bool) -> Option<Self> {
        // The last line proves that the file was written to its end.
        let mut lines = text.strip_suffix("end .\n")?.lines();
        if lines.next() != Some(FIRST) {
            return None;
        }
        let mut state = Self::default();
        for line in lines {
            let (key, rest) = line.split_once(' ')?;
            match key {
                "boot" => {
                    let (id, mark) = rest.split_once(' ')?;
                    state.boot = hex16(id)?;
                    state.durable = mark == "D";
                }
                "options" => {
                    let (hash, linker) = rest.split_once(' ')?;
                    (state.options, state.linker) = (hex16(hash)?, Linker::parse(linker));
                }
                "packages" => state.packages = rest.parse().ok()?,
                "input" => {
                    let mut part = rest.splitn(4, ' ');
                    state.inputs.push((
                        part.next()?.parse().ok()?,
                        part.next()?.parse().ok()?,
                        part.next()?.parse().ok()?,
                        part.next()?.to_string(),
                    ));
                }
                "dir" => {
                    let (time, path) = rest.split_once(' ')?;
                    state.dirs.push((time.parse().ok()?, path.to_string()));
                }
                "todo" => state.todo.push(rest.to_string()),
                "unit" if !with_units => break,
                "unit" => {
                    let (digest, path) = rest.split_once(' ')?;
                    state.units.push((path.to_string(), Digest(hex16(digest)?)));
                }
                "names" => state.names = rest.to_string(),
                _ => return None,
            }
        }
        Some(state)
    }

    /// Whether nothing at all has changed since the state was written.
    pub fn is_current(&self, project: &Path, options: Fingerprint, boot: BootId) -> bool {
        self.options == options.0
            && self.is_trusted(boot)
            && !self.inputs.is_empty()
            && self.inputs.iter().all(|(time, size, inode, path)| {
                match std::fs::metadata(project.join(path)) {
                    Ok(m) => mtime(&m) == *time && m.len() == *size && m.ino() == *inode,
                    Err(_) => *time == MISSING,
                }
            })
            && self.dirs_unchanged(project)
    }

    /// Whether nobody added or removed entries of the directories we know.
    pub fn dirs_unchanged(&self, project: &Path) -> bool {
        let modules = project.join("node_modules");
        !self.dirs.is_empty()
            && self
                .dirs
                .iter()
                .all(|(time, path)| std::fs::metadata(modules.join(path)).is_ok_and(|m| mtime(&m) == *time))
    }

    /// Written by the running system, or checked since it started.
    pub fn is_trusted(&self, boot: BootId) -> bool {
        self.durable || self.boot == boot.0
    }

    pub fn has_input(&self, path: &str) -> bool {
        self.inputs.iter().any(|i| i.3 == path)
    }
}

/// A state about to be written. Directory times are taken when it is
/// [finished](Draft::finish), after the last change to the tree.
pub struct Draft {
    text: String,
    units: String,
    names: String,
    /// Members that have a `node_modules` of their own.
    pub beside: Vec<String>,
    /// Units of theirs that wait for scripts, as [`super::scripts::Job::unit`] has them.
    pub todo: Vec<String>,
    /// Members and what else is watched because of them take room, too.
    pub inputs: usize,
}

impl Draft {
    pub fn new(boot: BootId, options: Fingerprint, packages: usize, units: &[Unit], names: String) -> Self {
        let text = format!(
            "{FIRST}\nboot {} U\noptions {} {}\npackages {packages}\n",
            hex(&boot.0),
            hex(&options.0),
            options.1.name()
        );
        let mut list = String::new();
        for unit in units {
            list.extend(["unit ", &hex(&unit.digest.0), " ", &unit.path, "\n"]);
        }
        Self { text, units: list, names, beside: Vec::new(), todo: Vec::new(), inputs: 0 }
    }

    /// Bytes that [`Draft::finish`] surely has room in: a line for a scope or for scripts is shorter than one
    /// for a unit, and a line for each of a few inputs is to come.
    pub fn room(&self) -> usize {
        let todo: usize = self.todo.iter().map(|path| path.len() + 8).sum();
        self.text.len() + 3 * self.units.len() + self.names.len() + 2_000 + self.inputs * 400 + todo
    }

    /// The whole file for a tree at `modules` (which may still be in its private place).
    /// `todo`: units that wait for scripts.
    pub fn finish(&self, inputs: &[Input], modules: &Path, todo: &[&str]) -> String {
        let mut text = self.text.clone();
        for Input { path, mtime, size, inode } in inputs {
            let _ = writeln!(text, "input {mtime} {size} {inode} {}", path.display());
        }
        let mut dirs = vec![String::new(), ".bin".to_string()];
        let mut last = "";
        for line in self.units.lines() {
            let path = line.rsplit(' ').next().unwrap_or("");
            if let Some((scope, _)) = path.split_once('/').filter(|(s, _)| s.starts_with('@'))
                && scope != last
            {
                dirs.push(scope.to_string());
                last = scope;
            }
        }
        dirs.dedup();
        dirs.extend(self.beside.iter().map(|member| format!("../{member}/node_modules")));
        for dir in dirs {
            if let Ok(meta) = std::fs::metadata(modules.join(&dir)) {
                let _ = writeln!(text, "dir {} {dir}", mtime(&meta));
            }
        }
        for path in todo.iter().copied().chain(self.todo.iter().map(String::as_str)) {
            let _ = writeln!(text, "todo {path}");
        }
        text.push_str(&self.units);
        let _ = writeln!(text, "names {}", self.names);
        text.push_str("end .\n");
        text
    }
}

/// Writes down that the scripts of these units have run; folders are looked at again, for scripts may
/// have made something in them. The project must be locked.
pub fn ran(project: &Path, units: &[&str]) -> crate::error::Result<()> {
    let Some(old) = text(project) else { return Ok(()) };
    let modules = project.join("node_modules");
    let mut new = String::with_capacity(old.len());
    for line in old.lines() {
        match line.split_once(' ') {
            Some(("todo", path)) if units.contains(&path) => continue,
            Some(("dir", rest)) => {
                let dir = rest.split_once(' ').map_or("", |(_, dir)| dir);
                if let Ok(meta) = std::fs::metadata(modules.join(dir)) {
                    let _ = writeln!(new, "dir {} {dir}", mtime(&meta));
                }
            }
            _ => {
                new.push_str(line);
                new.push('\n');
            }
        }
    }
    Ok(mirror::file::replace_scratch(&project.join(PATH), new.as_bytes())?)
}

fn hex16(text: &str) -> Option<[u8; 16]> {
    let mut out = [0; 16];
    hex_decode(text, &mut out).map(|()| out)
}
