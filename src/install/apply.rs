//! Putting a wanted tree in place so that at every instant `node_modules` is
//! the old one or the new one, or something the next run completes by itself.
//!
//! *As a whole*, when there is no tree of ours: everything is made in
//! `.node_modules-new` beside it, with its state file, and renamed (exchanged,
//! where something stands there). What stood there is emptied afterwards, its state
//! first: a tree that is half gone must not be taken for a finished one.
//! *By units*, when a tree of ours changes:
//!
//! ```text
//! node_modules/.pantry/stage/<n>   new units, made first; may be thrown away at any time
//! node_modules/.pantry/journal     written by one rename: from here on the change goes forward
//! node_modules/.pantry/trash/<n>   old units, renamed aside
//! node_modules/.pantry/state       written last
//! ```
//!
//! The journal: a line `put <n> <path>` or `drop <n> <path>` per unit, and `end`.
//! Carrying it out again after a kill is harmless: a unit that is no longer in
//! `stage` has arrived. It goes last, after the state and the leftovers. A run
//! that finds one carries it out and drops the state, which may be the old one
//! over the new tree: everything is then made anew.
//!
//! `node_modules` can come with the project (git carries links): nothing in it is
//! believed to be ours because of its name alone. A link in the place of a folder
//! is never followed, always replaced.
//!
//! The lockfile is written once everything that needs room is made, and before
//! anything in the tree changes: a full disk leaves both as they were.
//!
//! The project's directory itself is locked (`flock`) while this runs.

use super::build::Builder;
use super::state::{Draft, Input, State};
use super::unit::{Digest, Op, Unit};
use crate::error::{Error, Result};
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

const MODULES: &str = "node_modules";
const NEW: &str = ".node_modules-new";
pub const OLD: &str = ".node_modules-old";
const STAGE: &str = "node_modules/.pantry/stage";
const TRASH: &str = "node_modules/.pantry/trash";
const NEXT: &str = "node_modules/.pantry/state-next";
const JOURNAL: &str = "node_modules/.pantry/journal";
const MEMBERS: &str = "node_modules/.pantry/members";
const BOOKS: &str = "node_modules/.pantry";
/// Bytes; ten thousand units take one million.
const JOURNAL_LIMIT: u64 = 16 << 20;

/// How many units were put in place, removed, left alone.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Changes {
    pub put: usize,
    pub dropped: usize,
    pub kept: usize,
}

impl Changes {
    pub fn and(self, other: Self) -> Self {
        Self {
            put: self.put + other.put,
            dropped: self.dropped + other.dropped,
            kept: self.kept + other.kept,
        }
    }
}

pub fn open_dir(path: &Path) -> Result<OwnedFd> {
    mirror::file::openat(CWD, path, OFlags::DIRECTORY, Mode::empty())
        .map_err(|e| Error::Io { action: "open", path: path.to_path_buf(), source: e.into() }.into())
}

fn failed<'a>(
    action: &'static str,
    project: &'a Path,
    name: &'a str,
) -> impl Fn(io::Error) -> Box<Error> + 'a {
    move |source| Box::new(Error::Io { action, path: project.join(name), source })
}

/// What is done between making the new tree and putting it in place.
pub struct Settle<'a> {
    /// Writes the lockfile, if it has changed, and gives the inputs as they were when they were read.
    pub save: &'a mut dyn FnMut() -> Result<Vec<Input>>,
    /// The state, but for them.
    pub draft: &'a Draft,
}

/// A state file whose room on the disk is taken before anything changes.
struct Reserved {
    file: std::fs::File,
    path: PathBuf,
}

impl Reserved {
    fn at(path: PathBuf, draft: &Draft) -> Result<Self> {
        let blank = vec![b' '; draft.room()];
        let mut file = mirror::file::create_new(&path)?;
        match io::Write::write_all(&mut file, &blank) {
            Ok(()) => Ok(Self { file, path }),
            Err(source) => {
                let _ = std::fs::remove_file(&path);
                Err(Box::new(Error::Io { action: "write", path, source }))
            }
        }
    }

    fn fill(self, text: &str) -> Result<PathBuf> {
        let written = std::os::unix::fs::FileExt::write_all_at(&self.file, text.as_bytes(), 0)
            .and_then(|()| self.file.set_len(text.len() as u64));
        match written {
            Ok(()) => Ok(self.path),
            Err(source) => Err(Box::new(Error::Io { action: "write", path: self.path, source })),
        }
    }
}

/// Whether no run that was killed left anything that [`recover`] would take away.
pub fn is_clean(project: &Path) -> bool {
    [JOURNAL, NEW, OLD, MEMBERS, super::books::NEXT, super::books::EDITS]
        .iter()
        .all(|name| !exists(project, name))
}

/// From here on members' trees change: until that is over, the project's state says nothing.
pub fn open_members(project: &Path) -> Result<()> {
    if is_folder(project, BOOKS) && !exists(project, MEMBERS) {
        mirror::file::write_scratch(&project.join(MEMBERS), b"")?;
    }
    Ok(())
}

/// They are all as they should be.
pub fn close_members(project: &Path) -> Result<()> {
    remove_tree(project, MEMBERS)
}

/// Takes out of a member's `node_modules` all that was there, and the folder itself if nothing is left in it.
pub fn empty(folder: &Path, builder: &Builder<'_>, before: &State, settle: Settle<'_>) -> Result<Changes> {
    if !is_folder(folder, BOOKS) {
        std::fs::create_dir_all(folder.join(BOOKS)).map_err(failed("create", folder, BOOKS))?;
    }
    let changes = by_units(folder, builder, &[], before, &[], settle)?;
    remove_tree(folder, BOOKS)?;
    // Whatever else is in there stays.
    let _ = std::fs::remove_dir(folder.join(MODULES));
    Ok(changes)
}

/// Whether a change of the tree has begun that the next run carries out.
pub fn is_under_way(project: &Path) -> bool {
    [JOURNAL, OLD].iter().any(|name| exists(project, name))
}

/// Whether a run ended in the middle of its work.
pub fn is_unfinished(project: &Path) -> bool {
    !is_clean(project) || [STAGE, TRASH, NEXT].iter().any(|name| exists(project, name))
}

/// Completes or undoes what a killed run left. Call with the project locked.
pub fn recover(project: &Path) -> Result<()> {
    // A finished new tree that was about to take the place of an old one that is already aside.
    if !exists(project, MODULES) {
        let finished = is_folder(project, NEW) && exists(project, &format!("{NEW}/.pantry/state"));
        if finished && is_folder(project, &format!("{NEW}/.pantry")) {
            std::fs::rename(project.join(NEW), project.join(MODULES))
                .map_err(failed("rename", project, NEW))?;
        } else if is_folder(project, OLD) {
            std::fs::rename(project.join(OLD), project.join(MODULES))
                .map_err(failed("rename", project, OLD))?;
        }
    }
    if is_folder(project, MODULES) {
        if !is_folder(project, BOOKS) {
            remove_tree(project, BOOKS)?;
        }
        if let Some(journal) = read_journal(project)? {
            carry_out(project, &journal)?;
            remove_tree(project, super::state::PATH)?;
        }
        remove_tree(project, NEXT)?;
        remove_tree(project, STAGE)?;
        remove_tree(project, TRASH)?;
        remove_tree(project, JOURNAL)?;
        mirror::file::clean_temporaries(&project.join(super::state::PATH));
    }
    discard(project, NEW)?;
    discard(project, OLD)
}

/// Takes a folder's tree away, finished or not; whether there was one. `dry`: only looks.
pub fn clear(folder: &Path, dry: bool) -> Result<bool> {
    let found = [MODULES, NEW, OLD].iter().any(|name| exists(folder, name));
    if dry {
        return Ok(found);
    }
    discard(folder, NEW)?;
    discard(folder, OLD)?;
    // Aside in one step; there it is a finished tree that may come back, until its state is gone.
    match std::fs::rename(folder.join(MODULES), folder.join(NEW)) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(failed("rename", folder, MODULES)(e)),
        _ => {}
    }
    discard(folder, NEW)?;
    Ok(found)
}

/// Removes a tree that stands aside; what `node_modules` keeps whoever makes it goes there first.
fn discard(project: &Path, name: &str) -> Result<()> {
    if is_folder(project, name) {
        if is_folder(project, MODULES) {
            keep_foreign(&project.join(name), &project.join(MODULES))
                .map_err(failed("replace", project, MODULES))?;
        }
        if is_folder(project, &format!("{name}/.pantry")) {
            remove_tree(project, &format!("{name}/.pantry/state"))?;
        }
    }
    remove_tree(project, name)
}

/// A folder itself, not a link to one.
fn is_folder(project: &Path, name: &str) -> bool {
    std::fs::symlink_metadata(project.join(name)).is_ok_and(|meta| meta.is_dir())
}

fn exists(project: &Path, name: &str) -> bool {
    std::fs::symlink_metadata(project.join(name)).is_ok()
}

fn remove_tree(project: &Path, name: &str) -> Result<()> {
    match std::fs::remove_dir_all(project.join(name)) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) if e.kind() == io::ErrorKind::NotADirectory => {
            std::fs::remove_file(project.join(name)).map_err(failed("remove", project, name))
        }
        Err(e) => Err(failed("remove", project, name)(e)),
    }
}

/// Makes the tree anew and puts it in place in one step. What was there goes,
/// except hidden folders that are not a package manager's (`.cache`, `.vite`).
pub fn whole(project: &Path, builder: &Builder<'_>, units: &[Unit], settle: Settle<'_>) -> Result<Changes> {
    let path = project.join(NEW);
    std::fs::create_dir(&path).map_err(failed("create", project, NEW))?;
    let swapped = fill(project, &path, builder, units, settle).and_then(|()| swap_whole(project));
    if swapped.is_err() {
        let _ = std::fs::remove_dir_all(&path);
    }
    // What stood there may hold what is kept: from here on it is only emptied.
    swapped?;
    discard(project, OLD)?;
    Ok(Changes { put: units.len(), ..Changes::default() })
}

fn fill(project: &Path, new: &Path, builder: &Builder<'_>, units: &[Unit], settle: Settle<'_>) -> Result<()> {
    let base = open_dir(new)?;
    std::fs::create_dir(new.join(".pantry")).map_err(failed("create", project, NEW))?;
    let all: Vec<&Unit> = units.iter().collect();
    builder.build(&base, new, &all, &|_, unit| unit.path.clone())?;
    let state = Reserved::at(new.join(".pantry/state"), settle.draft)?;
    let inputs = (settle.save)()?;
    let todo: Vec<&str> = units.iter().filter(|u| u.has_own()).map(|u| u.path.as_str()).collect();
    state.fill(&settle.draft.finish(&inputs, new, &todo)).map(drop)
}

/// Puts the new tree in place; what stood there is aside then.
fn swap_whole(project: &Path) -> Result<()> {
    let io = failed("replace", project, MODULES);
    let (new, modules, old) = (project.join(NEW), project.join(MODULES), project.join(OLD));
    if !exists(project, MODULES) {
        return std::fs::rename(&new, &modules).map_err(io);
    }
    let dir = open_dir(project)?;
    match rustix::fs::renameat_with(&dir, NEW, &dir, MODULES, RenameFlags::EXCHANGE) {
        // Back again if that fails: whoever called removes what is called new.
        Ok(()) => std::fs::rename(&new, &old).inspect_err(|_| {
            let _ = rustix::fs::renameat_with(&dir, NEW, &dir, MODULES, RenameFlags::EXCHANGE);
        }),
        // Between the two renames a kill leaves both trees whole; `recover` goes forward.
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
            std::fs::rename(&modules, &old).and_then(|()| {
                std::fs::rename(&new, &modules).inspect_err(|_| _ = std::fs::rename(&old, &modules))
            })
        }
        Err(e) => Err(e.into()),
    }
    .map_err(io)
}

/// Caches that tools keep in `node_modules` stay; other package managers' books do not.
fn keep_foreign(modules: &Path, new: &Path) -> io::Result<()> {
    const BOOKS: [&str; 8] = [
        ".bin",
        ".pantry",
        ".package-lock.json",
        ".modules.yaml",
        ".pnpm",
        ".pnpm-workspace-state-v1.json",
        ".yarn-integrity",
        ".yarn-state.yml",
    ];
    for entry in std::fs::read_dir(modules)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(text) = name.to_str() else { continue };
        if text.starts_with('.') && !BOOKS.contains(&text) && !new.join(text).exists() {
            std::fs::rename(entry.path(), new.join(text))?;
        }
    }
    Ok(())
}

/// Whether `node_modules` is a folder that no rename can replace: a mount point.
/// (A link is replaced, never followed: a clone may bring one that points anywhere.)
pub fn is_pinned(project: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    match (std::fs::metadata(project), std::fs::symlink_metadata(project.join(MODULES))) {
        (Ok(here), Ok(modules)) => modules.is_dir() && modules.dev() != here.dev(),
        _ => false,
    }
}

/// What stands at the units' places, without following a link.
struct Standing<'a> {
    modules: &'a Path,
    /// Scopes and other folders above units → whether they are folders.
    parents: HashMap<&'a str, bool>,
}

impl<'a> Standing<'a> {
    fn meta(&mut self, path: &'a str) -> Option<std::fs::Metadata> {
        let modules = self.modules;
        for (end, _) in path.match_indices('/') {
            let plain = *self.parents.entry(&path[..end]).or_insert_with(|| {
                std::fs::symlink_metadata(modules.join(&path[..end])).is_ok_and(|meta| meta.is_dir())
            });
            if !plain {
                return None;
            }
        }
        std::fs::symlink_metadata(modules.join(path)).ok()
    }

    /// Whether something of the unit's own kind is there.
    fn holds(&mut self, unit: &'a Unit) -> bool {
        let Some(meta) = self.meta(&unit.path) else { return false };
        match unit.ops.first() {
            // Nothing is known of it but that it stood (`apart`), and that is no longer sure.
            None => false,
            Some(Op::Link { at, target }) if at.is_empty() => {
                std::fs::read_link(self.modules.join(&unit.path)).is_ok_and(|t| t == Path::new(target))
            }
            _ => meta.is_dir(),
        }
    }
}

/// What of `units` is not in the tree as it should be.
pub fn differing<'u>(project: &Path, units: &'u [Unit], before: &State) -> Vec<&'u Unit> {
    let mut old: HashMap<&str, Digest> = before.units.iter().map(|(p, d)| (p.as_str(), *d)).collect();
    // What scripts were at work in when they were stopped is made anew.
    for unit in &before.todo {
        old.remove(unit.as_str());
    }
    let modules = project.join(MODULES);
    let mut standing = Standing { modules: &modules, parents: HashMap::new() };
    // A folder whose time is the same has the same entries.
    let untouched = before.dirs_unchanged(project);
    let mut stands =
        |unit: &'u Unit| (untouched && !unit.path.starts_with(".pantry/")) || standing.holds(unit);
    let is_same = |unit: &&Unit| old.get(unit.path.as_str()) == Some(&unit.digest);
    units.iter().filter(|unit| !is_same(unit) || !stands(unit)).collect()
}

/// Changes a tree of ours to `units`, touching only what differs. What is called `strangers` goes, too.
pub fn by_units(
    project: &Path,
    builder: &Builder<'_>,
    units: &[Unit],
    before: &State,
    strangers: &[String],
    settle: Settle<'_>,
) -> Result<Changes> {
    let changed = differing(project, units, before);
    if changed.iter().any(|unit| unit.ops.is_empty()) {
        let source = io::Error::other("somebody else changed it meanwhile");
        return Err(failed("change", project, MODULES)(source));
    }
    let wanted: std::collections::HashSet<&str> = units.iter().map(|u| u.path.as_str()).collect();
    let modules = project.join(MODULES);
    let mut standing = Standing { modules: &modules, parents: HashMap::new() };
    let known = before.units.iter().map(|(path, _)| path).chain(strangers);
    let dropped: Vec<&str> =
        known.map(String::as_str).filter(|p| !wanted.contains(p) && standing.meta(p).is_some()).collect();
    let changes = Changes { put: changed.len(), dropped: dropped.len(), kept: units.len() - changed.len() };
    if changed.is_empty() && dropped.is_empty() {
        let state = Reserved::at(project.join(NEXT), settle.draft)?;
        let inputs = (settle.save)().inspect_err(|_| drop(remove_tree(project, NEXT)))?;
        finish(project, state, settle.draft, &inputs, &[])?;
        return Ok(changes);
    }
    let (stage, trash) = (project.join(STAGE), project.join(TRASH));
    let prepared = (|| {
        std::fs::create_dir_all(&stage).map_err(failed("create", project, STAGE))?;
        std::fs::create_dir_all(&trash).map_err(failed("create", project, TRASH))?;
        let base = open_dir(&stage)?;
        builder.build(&base, &stage, &changed, &|i, _| i.to_string())?;
        let mut journal = String::new();
        for (i, unit) in changed.iter().enumerate() {
            let _ = writeln!(journal, "put {i} {}", unit.path);
        }
        for (i, path) in dropped.iter().enumerate() {
            let _ = writeln!(journal, "drop {} {path}", changed.len() + i);
        }
        journal.push_str("end\n");
        let temporary = project.join(STAGE).join("journal");
        mirror::file::write_scratch(&temporary, journal.as_bytes())?;
        let state = Reserved::at(project.join(NEXT), settle.draft)?;
        let inputs = (settle.save)()?;
        std::fs::rename(&temporary, project.join(JOURNAL)).map_err(failed("write", project, JOURNAL))?;
        Ok((journal, state, inputs))
    })();
    let (journal, state, inputs) = match prepared {
        Ok(prepared) => prepared,
        Err(e) => {
            let _ = std::fs::remove_dir_all(&stage);
            let _ = std::fs::remove_dir_all(&trash);
            let _ = remove_tree(project, NEXT);
            return Err(e);
        }
    };
    carry_out(project, &journal)?;
    let todo: Vec<&str> = changed.iter().filter(|u| u.has_own()).map(|u| u.path.as_str()).collect();
    finish(project, state, settle.draft, &inputs, &todo)?;
    remove_tree(project, STAGE)?;
    remove_tree(project, TRASH)?;
    remove_tree(project, JOURNAL)?;
    Ok(changes)
}

fn finish(project: &Path, state: Reserved, draft: &Draft, inputs: &[Input], todo: &[&str]) -> Result<()> {
    let next = state.fill(&draft.finish(inputs, &project.join(MODULES), todo))?;
    let path = super::state::PATH;
    std::fs::rename(next, project.join(path)).map_err(failed("write", project, path))
}

/// The journal that a killed run left. One that is torn by a power cut, or is none of ours, says
/// nothing: the units it would name may not be whole.
fn read_journal(project: &Path) -> Result<Option<String>> {
    use mirror::Error as M;
    match mirror::file::read(&project.join(JOURNAL), JOURNAL_LIMIT) {
        Ok(bytes) => {
            let text = String::from_utf8(bytes).ok().filter(|text| text.ends_with("end\n"));
            Ok(Some(text.unwrap_or_default()))
        }
        Err(M::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(M::NotRegular { .. } | M::TooLarge { .. }) => Ok(Some(String::new())),
        Err(e) => Err(e.into()),
    }
}

/// Does what the journal says; may be called again after a kill at any point.
fn carry_out(project: &Path, journal: &str) -> Result<()> {
    let modules = project.join(MODULES);
    let (stage, trash) = (project.join(STAGE), project.join(TRASH));
    std::fs::create_dir_all(&trash).map_err(failed("create", project, TRASH))?;
    for line in journal.lines() {
        let mut words = line.splitn(3, ' ');
        let (Some(verb), Some(number), Some(path)) = (words.next(), words.next(), words.next()) else {
            continue;
        };
        let put = verb == "put";
        let Some(target) = inside(&modules, path, number, put) else { continue };
        let from = stage.join(number);
        if put && std::fs::symlink_metadata(&from).is_err() {
            continue;
        }
        aside(&target, &trash.join(number)).map_err(failed("move aside", project, MODULES))?;
        if put {
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent).map_err(failed("create", project, MODULES))?;
            }
            std::fs::rename(&from, &target).map_err(failed("put in place", project, MODULES))?;
        } else {
            use io::ErrorKind as K;
            // An empty scope folder goes with its last package, and what held nothing but it.
            for parent in target.ancestors().skip(1).take_while(|p| *p != modules) {
                match std::fs::remove_dir(parent) {
                    Err(e) if matches!(e.kind(), K::DirectoryNotEmpty | K::AlreadyExists) => break,
                    Err(e) if e.kind() != K::NotFound => return Err(failed("remove", project, MODULES)(e)),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

/// The journal is a file in a folder that others can write to: its paths are checked like any
/// outside text. A link on the way is no way: it goes when something is put there.
fn inside(modules: &Path, path: &str, number: &str, put: bool) -> Option<PathBuf> {
    number.parse::<u32>().ok()?;
    let path = mirror::name::RelPath::parse(path).ok()?;
    // Our own books are not a unit; the packages of `linker=isolated` are.
    if path.as_str() == ".pantry"
        || (path.as_str().starts_with(".pantry/") && !path.as_str().starts_with(".pantry/pkgs/"))
    {
        return None;
    }
    let target = modules.join(path.as_str());
    let parents: Vec<&Path> = target.ancestors().skip(1).take_while(|p| *p != modules).collect();
    for parent in parents.into_iter().rev() {
        match std::fs::symlink_metadata(parent) {
            Ok(meta) if !meta.is_dir() && put => std::fs::remove_file(parent).ok()?,
            Ok(meta) if !meta.is_dir() => return None,
            _ => {}
        }
    }
    Some(target)
}

fn aside(target: &Path, trash: &Path) -> io::Result<()> {
    match std::fs::rename(target, trash) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) if matches!(e.kind(), io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists) => {
            std::fs::remove_dir_all(trash)?;
            std::fs::rename(target, trash)
        }
        other => other,
    }
}
