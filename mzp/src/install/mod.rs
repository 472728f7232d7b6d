//! Installing: from `mzp.toml` and the mirrors to `mzp.lock` and `packages/`.
//!
//! First a [`Plan`], made without changing anything. Carried out, every archive
//! is fetched, checked and unpacked into `packages/.staging` before the first
//! old package is replaced; each is replaced by one rename; then the manifest
//! and the lock are written, durably. Killed at any moment, the next install
//! finishes or starts again. The project is [locked](lock) from before the plan to
//! the end: what was read is still so when it is written.
//!
//! What mzp put into `packages/` carries a mark ([`mark`]); a folder without one
//! is the user's, and is never touched.

pub mod mark;
mod shelf;
#[cfg(test)]
mod tests;
pub mod vendor;

use crate::error::{Error, FeatureProblem, Result};
use crate::feature::Part;
use crate::lockfile::{self, Lock, Locked};
use crate::manifest::edit::{self, Table};
use crate::manifest::{self, Manifest};
use crate::origin::{Folder, Origin, Word};
use crate::package::{self, Wanted};
use crate::pins::Pins;
use crate::platform::Support;
use crate::registry::Registry;
use crate::requirement::Requirement;
use crate::solve::{PackageSource, Request, project_needs, solve};
use crate::suggestion::nearest;
use crate::text;
use mark::{Mark, State};
use mirror::archive::{ArchiveError, Extract, Rule, Workspace};
use mirror::lock::DirLock;
use mirror::name::MinzName;
use mirror::order::Map;
use mirror::version::Version;
use shelf::Shelf;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What is wanted.
#[derive(Debug, Default)]
pub struct Options {
    /// Packages to add to the manifest; a name without a requirement: `^` what is chosen. Folders are absolute.
    pub add: Vec<Word>,
    /// Where they are added.
    pub table: Table,
    /// Packages to take out of every table of the manifest.
    pub remove: Vec<MinzName>,
    /// These may move, and the others only where they must; none named: all may.
    pub update: Option<Vec<MinzName>>,
    /// The lock must fit and is not changed.
    pub frozen: bool,
}

/// What will be done.
#[derive(Debug)]
pub struct Plan {
    pub root: PathBuf,
    /// The manifest's new text, where it changes.
    pub manifest: Option<String>,
    pub lock: Lock,
    /// The lock before.
    pub old: Option<Lock>,
    /// The lock's text, where it changes.
    pub lock_text: Option<String>,
    /// In the lock's order, then what goes.
    pub steps: Vec<(MinzName, Step)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Keep(Version),
    Add(Version),
    Replace {
        from: Version,
        to: Version,
    },
    /// It was changed or is incomplete.
    Restore(Version),
    /// It is a folder, and is used where it is.
    Folder(Version),
    Remove,
}

impl Plan {
    pub fn is_nothing(&self) -> bool {
        self.manifest.is_none()
            && self.lock_text.is_none()
            && self.steps.iter().all(|(_, s)| matches!(s, Step::Keep(_) | Step::Folder(_)))
    }
}

/// The project that `start` lies in is this process's while this lives.
/// `waiting` is called once if another process has it.
pub fn lock(start: &Path, waiting: &mut dyn FnMut()) -> Result<DirLock> {
    Ok(DirLock::acquire(Manifest::find(start)?.root(), waiting)?)
}

/// What is chosen, before anybody looks at what is installed.
pub struct Choice {
    /// As it is or is to be.
    pub manifest: Manifest,
    /// Its new text, where it changes.
    text: Option<String>,
    pub lock: Lock,
    pub old: Option<Lock>,
}

/// Reads what is there and decides. Changes nothing.
pub fn plan(project: &Path, registry: &Registry, options: &Options) -> Result<Plan> {
    let Choice { manifest, text: new_manifest, lock, old } = choose(project, registry, options)?;
    let root = manifest.root().to_path_buf();
    let text = lock.write();
    let same = text::read(&root.join(lockfile::FILE), 8 << 20)?.is_some_and(|t| t == text);
    let steps = steps(&root, &lock)?;
    for p in lock.packages.iter().filter(|p| !matches!(p.origin, Origin::Folder(_))) {
        let stays = steps.iter().any(|(name, step)| *name == p.name && matches!(step, Step::Keep(_)));
        registry.vouched(&p.origin, &p.name, &p.version, &p.sha256, !stays)?;
    }
    Ok(Plan { root, manifest: new_manifest, lock, old, lock_text: (!same).then_some(text), steps })
}

/// The versions, and the manifest that asks for them.
pub fn choose(project: &Path, registry: &Registry, options: &Options) -> Result<Choice> {
    let mut manifest = Manifest::find(project)?;
    let root = manifest.root().to_path_buf();
    // Added without a requirement: what is chosen decides it. And what is named anew.
    let (mut open, mut named) = (Vec::new(), Vec::new());
    let mut new_manifest = change(&manifest, registry, options, &mut open, &mut named)?;
    if let Some(text) = &new_manifest {
        manifest = Manifest::parse(&manifest.path, text)?;
    }
    let pins = Pins::of(&manifest)?;
    let path = root.join(lockfile::FILE);
    let old = Lock::load(&root)?;
    let different = match &old {
        Some(lock) => lock.difference(&manifest).map_or_else(|| pins.difference(lock), |d| Ok(Some(d)))?,
        None => None,
    };
    let keeps = open.is_empty() && named.is_empty() && options.update.is_none();
    let lock = match (&old, different) {
        (Some(_), Some(what)) if options.frozen => return Err(Error::LockStale { path, what }),
        (None, _) if options.frozen => return Err(Error::NoLock { path }),
        (Some(lock), None) if keeps => lock.clone(),
        _ => {
            let moving = [options.update.as_deref().unwrap_or_default(), &open, &named].concat();
            let all = options.update.as_ref().is_some_and(Vec::is_empty);
            let mut preferred = old.as_ref().map(Lock::preferred).unwrap_or_default();
            match &options.update {
                Some(names) if names.is_empty() => preferred = Map::new(),
                Some(names) => present(names, lockfile::FILE, &preferred.keys().collect::<Vec<_>>())?,
                None => {}
            }
            let mut staying = Map::new();
            staying.extend(preferred.into_iter().filter(|(name, _)| !moving.contains(name)));
            let chosen = solve(&Request {
                project: manifest.name.clone(),
                needs: project_needs(&manifest),
                platforms: manifest.platforms(),
                preferred: staying,
                first: &moving,
                source: &Shelf::new(registry, root.join("packages"), old.as_ref(), &pins, &|name| {
                    all || moving.contains(name)
                }),
            })?;
            for c in chosen.iter().filter(|c| open.contains(&c.name)) {
                let wanted = Requirement::caret(&c.version);
                let text = new_manifest.get_or_insert_default();
                *text = edit::set_dependency(&manifest.path, text, options.table, &c.name, &wanted)?;
            }
            if let Some(text) = &new_manifest {
                manifest = Manifest::parse(&manifest.path, text)?;
            }
            let lock = Lock::of(&manifest, chosen)?;
            // A locked archive that changed its hash under the same version.
            for p in old.iter().flat_map(|l| &l.packages) {
                let is_same = |n: &&Locked| n.version == p.version && n.origin == p.origin;
                if matches!(p.origin, Origin::Folder(_)) {
                    continue;
                }
                if let Some(new) = lock.get(&p.name).filter(is_same).filter(|n| n.sha256 != p.sha256) {
                    return Err(Error::HashMismatch {
                        name: p.name.clone(),
                        version: p.version.clone(),
                        expected: p.sha256.to_string(),
                        found: new.sha256.to_string(),
                    });
                }
            }
            lock
        }
    };
    Ok(Choice { manifest, text: new_manifest, lock, old })
}

/// The manifest's text after what is to be removed and added; `None`: nothing is.
/// What was added for any version goes to `open`, what has an origin of its own to `named`.
fn change(
    manifest: &Manifest,
    registry: &Registry,
    options: &Options,
    open: &mut Vec<MinzName>,
    named: &mut Vec<MinzName>,
) -> Result<Option<String>> {
    if options.add.is_empty() && options.remove.is_empty() {
        return Ok(None);
    }
    if let Table::Platform(platform) = options.table
        && !manifest.platforms().contains(&platform)
    {
        return Err(Error::Unsupported {
            package: manifest.name.clone(),
            platform: platform.name,
            supported: manifest.supported.iter().map(Support::name).collect(),
        });
    }
    let path = &manifest.path;
    let mut text = text::require(path)?;
    let dev = manifest.dev_dependencies.iter();
    let names: Vec<_> = manifest.all_dependencies().map(|(_, d)| d).chain(dev).map(|d| &d.name).collect();
    present(&options.remove, manifest::FILE, &names)?;
    for name in &options.remove {
        for f in &manifest.features {
            let needs = |part: &Part| match part {
                Part::File(_) => false,
                Part::Name(n) => n == name.as_str() && manifest.features.iter().all(|f| f.name != *n),
                Part::Of(n, _) => n == name,
            };
            if f.parts.iter().any(needs) {
                return Err(Error::Feature {
                    place: Some(f.place.clone()),
                    package: manifest.name.clone(),
                    feature: f.name.clone(),
                    problem: FeatureProblem::Needs(name.clone()),
                });
            }
        }
        // A name that was given twice is gone by now.
        text = edit::remove_dependency(path, &text, name)?.unwrap_or(text);
    }
    for word in &options.add {
        let (name, requirement) = match word {
            Word::Name(name, requirement) => (name, requirement),
            Word::Folder(dir) => {
                let (name, folder) = package_folder(manifest.root(), dir)?;
                text = edit::set_origin(path, &text, options.table, &name, &Origin::Folder(folder))?;
                named.push(name);
                continue;
            }
            Word::Origin(origin) => {
                let (name, _) = registry.single(&registry.released(origin)?, false)?;
                text = edit::set_origin(path, &text, options.table, &name, origin)?;
                named.push(name);
                continue;
            }
        };
        let wanted = match requirement {
            Some(r) => r.to_string(),
            // It is where it is, in the version that it has.
            None if has_origin(manifest, name) => {
                named.push(name.clone());
                continue;
            }
            None => match newest(registry, name, manifest)? {
                only if only.is_prerelease() => Requirement::caret(&only),
                _ => {
                    open.push(name.clone());
                    "*".into()
                }
            },
        };
        text = edit::set_dependency(path, &text, options.table, name, &wanted)?;
    }
    Ok(Some(text))
}

/// Each of the names must be known to the file.
fn present(names: &[MinzName], file: &'static str, known: &[&MinzName]) -> Result<()> {
    match names.iter().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => Err(Error::NotNamed {
            file,
            name: name.clone(),
            suggestion: nearest(name.as_str(), known.iter().map(|n| n.as_str())).map(String::from),
        }),
    }
}

fn has_origin(manifest: &Manifest, name: &MinzName) -> bool {
    let dev = manifest.dev_dependencies.iter().map(|d| (None, d));
    manifest.all_dependencies().chain(dev).any(|(_, d)| d.name == *name && d.origin != Origin::Registry)
}

/// The package in a folder, and where that is, seen from the project.
fn package_folder(root: &Path, dir: &Path) -> Result<(MinzName, Folder)> {
    let found = |dir: &Path| std::fs::canonicalize(dir).map_err(Error::io("read", dir));
    let (root, dir) = (found(root)?, found(dir)?);
    if !dir.is_dir() {
        let what = "is not a folder (`pantry mirror add` takes archives)".into();
        return Err(Error::Pack { path: dir, what });
    }
    let Some(manifest) = Manifest::load(&dir)? else {
        return Err(Error::Pack { path: dir, what: "has no mzp.toml".into() });
    };
    let folder = Folder::between(&root, &dir).map_err(|e| Error::Pack { path: dir, what: e.rule.into() })?;
    Ok((manifest.name, folder))
}

fn newest(registry: &Registry, name: &MinzName, manifest: &Manifest) -> Result<Version> {
    registry.newest(&Origin::Registry, name)?.ok_or_else(|| Error::UnknownPackage {
        name: name.clone(),
        chain: vec![manifest.name.to_string()],
        suggestion: registry.suggest(name),
        registry: registry.asked(name),
    })
}

fn steps(root: &Path, lock: &Lock) -> Result<Vec<(MinzName, Step)>> {
    let packages = root.join("packages");
    let mut out = Vec::new();
    for p in &lock.packages {
        let dir = packages.join(p.name.as_str());
        let to = p.version.clone();
        if matches!(p.origin, Origin::Folder(_)) {
            out.push((p.name.clone(), Step::Folder(to)));
            continue;
        }
        let step = match mark::state(&dir)? {
            State::Absent => Step::Add(to),
            State::Foreign => return Err(Error::NotOurs { path: dir }),
            State::Changed => Step::Restore(to),
            State::Whole(m) if m.version == p.version && m.sha256 == p.sha256 => Step::Keep(to),
            State::Whole(m) => Step::Replace { from: m.version, to },
        };
        out.push((p.name.clone(), step));
    }
    for entry in entries(&packages)? {
        let name = entry.file_name().to_str().and_then(|n| MinzName::parse(n).ok());
        let unpacked = |n: &MinzName| lock.get(n).is_some_and(|p| !matches!(p.origin, Origin::Folder(_)));
        if let Some(name) = name.filter(|n| !unpacked(n))
            && matches!(mark::state(&entry.path())?, State::Whole(_) | State::Changed)
        {
            out.push((name, Step::Remove));
        }
    }
    Ok(out)
}

/// Carries out a plan that was made under the project's lock. `progress` is told
/// each package that is unpacked.
pub fn run(
    plan: &Plan,
    _project: &DirLock,
    registry: &Registry,
    progress: &mut dyn FnMut(&MinzName),
) -> Result<()> {
    let packages = plan.root.join("packages");
    let staging = packages.join(".staging");
    let touched = plan.steps.iter().any(|(_, s)| !matches!(s, Step::Keep(_) | Step::Folder(_)));
    // A run that was killed at its end left its folder.
    if touched || std::fs::symlink_metadata(&staging).is_ok() {
        make(&packages)?;
        make(&staging)?;
        sweep(&staging)?;
        let outcome = replace(plan, registry, &packages, &staging, progress);
        let swept = sweep(&staging).and_then(|()| remove_empty(&staging));
        outcome.and(swept.and_then(|()| remove_empty(&packages)))?;
    } else {
        remove_empty(&packages)?;
    }
    registry.keep()?;
    // The lock first: whoever is stopped between the two can say the same again, `remove` too.
    let files = [(lockfile::FILE, &plan.lock_text), (manifest::FILE, &plan.manifest)];
    let mut before = Vec::new();
    for (name, text) in files {
        let Some(text) = text else { continue };
        let path = plan.root.join(name);
        before.push((path.clone(), text::read(&path, lockfile::LIMIT)?));
        if let Err(e) = mirror::file::replace(&path, text.as_bytes()) {
            // What could not be done whole is not half done.
            for (path, text) in before {
                let _ = match text {
                    Some(text) => mirror::file::replace(&path, text.as_bytes()),
                    None => mirror::file::remove(&path),
                };
            }
            return Err(e.into());
        }
    }
    Ok(())
}

fn replace(
    plan: &Plan,
    registry: &Registry,
    packages: &Path,
    staging: &Path,
    progress: &mut dyn FnMut(&MinzName),
) -> Result<()> {
    let mut workspace = Workspace::new();
    let changes = |s: &Step| !matches!(s, Step::Keep(_) | Step::Folder(_) | Step::Remove);
    let wanted = plan.steps.iter().filter(|(_, s)| changes(s));
    registry.prefetch(wanted.filter_map(|(name, _)| plan.lock.get(name)))?;
    for (name, _) in plan.steps.iter().filter(|(_, s)| changes(s)) {
        let Some(locked) = plan.lock.get(name) else { continue };
        unpack(locked, registry, &staging.join(format!("new-{name}")), &mut workspace)?;
        progress(name);
    }
    // A contradiction between what came and what is known is found before anything changes.
    registry.keep()?;
    for (name, step) in &plan.steps {
        let (dir, new) = (packages.join(name.as_str()), staging.join(format!("new-{name}")));
        let aside = staging.join(format!("old-{name}"));
        match step {
            Step::Keep(_) | Step::Folder(_) => {}
            Step::Remove => std::fs::rename(&dir, &aside).map_err(Error::io("remove", &dir))?,
            _ => exchange(&new, &dir, &aside)?,
        }
    }
    Ok(())
}

/// Puts the new tree in the old one's place: in one step where the system can.
fn exchange(new: &Path, dir: &Path, aside: &Path) -> Result<()> {
    if std::fs::symlink_metadata(dir).is_ok() {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{CWD, RenameFlags, renameat_with};
            if renameat_with(CWD, new, CWD, dir, RenameFlags::EXCHANGE).is_ok() {
                return Ok(());
            }
        }
        std::fs::rename(dir, aside).map_err(Error::io("replace", dir))?;
    }
    std::fs::rename(new, dir).map_err(Error::io("create", dir))
}

fn unpack(locked: &Locked, registry: &Registry, to: &Path, workspace: &mut Workspace) -> Result<()> {
    let (name, version) = (&locked.name, &locked.version);
    let mut source = registry.archive(&locked.origin, name, version, &locked.sha256)?;
    let mut sink = Extract::create(to).map_err(Error::io("create", to))?;
    let shown = format!("{name} {version}");
    let wanted =
        Wanted { name: Some(name), version: Some(version), sha256: Some(&locked.sha256), shown: &shown };
    package::read(&mut source, &wanted, &mut sink, workspace).map_err(|e| match e {
        Error::Archive { package, source } => match *source {
            // It is about this disk, not about the archive.
            ArchiveError::Write { source, .. } => Error::io("write to", to)(source),
            source => Error::Archive { package, source: Box::new(source) },
        },
        e => e,
    })?;
    let listing = sink.into_listing();
    if listing.files.iter().any(|f| f.path.as_str() == mark::FILE) {
        let (rule, entry, detail) = (Rule::BadName, mark::FILE.into(), "is mzp's own mark".into());
        let source = Box::new(ArchiveError::Refused { rule, entry, detail });
        return Err(Error::Archive { package: shown, source });
    }
    let mark = Mark { version: version.clone(), sha256: locked.sha256 };
    mirror::file::write_scratch(&to.join(mark::FILE), mark.write(&listing).as_bytes())?;
    Ok(())
}

/// A folder of the project's own: a link in its place would lead the install
/// elsewhere.
fn make(dir: &Path) -> Result<()> {
    match std::fs::create_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        other => return other.map_err(Error::io("create", dir)),
    }
    match std::fs::symlink_metadata(dir) {
        Ok(m) if m.is_dir() => Ok(()),
        Ok(_) => Err(Error::NotOurs { path: dir.to_path_buf() }),
        Err(e) => Err(Error::io("read", dir)(e)),
    }
}

/// Removes what a killed run left in the staging folder.
fn sweep(staging: &Path) -> Result<()> {
    for entry in entries(staging)? {
        let path = entry.path();
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => std::fs::remove_dir_all(&path),
            _ => std::fs::remove_file(&path),
        }
        .map_err(Error::io("remove", &path))?;
    }
    Ok(())
}

/// None of a folder that is not there.
fn entries(dir: &Path) -> Result<Vec<std::fs::DirEntry>> {
    match std::fs::read_dir(dir).and_then(Iterator::collect) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries.map_err(Error::io("read", dir)),
    }
}

/// Unless something is in it.
fn remove_empty(dir: &Path) -> Result<()> {
    match std::fs::remove_dir(dir) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => Ok(()),
        done => done.map_err(Error::io("remove", dir)),
    }
}

/// Whether what is installed is what the lock says, for those that build from
/// it. A package the user keeps in `packages/` by hand counts as it is.
pub fn check(root: &Path, lock: &Lock) -> Result<()> {
    for p in &lock.packages {
        let dir = root.join("packages").join(p.name.as_str());
        if matches!(p.origin, Origin::Folder(_)) {
            continue;
        }
        match mark::read(&dir)? {
            Some(m) if m.version != p.version || m.sha256 != p.sha256 => {
                let what = format!("{} {} is installed, and {} is locked", p.name, m.version, p.version);
                return Err(Error::LockStale { path: dir, what });
            }
            _ => {}
        }
    }
    Ok(())
}
