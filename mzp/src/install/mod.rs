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
use crate::manifest::{self, Manifest, Origin};
use crate::platform::Support;
use crate::registry::Registry;
use crate::requirement::Requirement;
use crate::solve::{PackageSource, Request, project_needs, solve};
use crate::suggestion::nearest;
use crate::text;
use mark::{Mark, State};
use mirror::archive::{ArchiveError, Expect, Extract, Limits, Rule, Workspace};
use mirror::digest::Integrity;
use mirror::lock::DirLock;
use mirror::name::MinzName;
use mirror::version::Version;
use shelf::Shelf;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What is wanted.
#[derive(Debug, Default)]
pub struct Options {
    /// Packages to add to the manifest; without a requirement: `^` what is chosen.
    pub add: Vec<(MinzName, Option<Requirement>)>,
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
    Remove,
}

impl Plan {
    pub fn is_nothing(&self) -> bool {
        self.manifest.is_none()
            && self.lock_text.is_none()
            && self.steps.iter().all(|(_, s)| matches!(s, Step::Keep(_)))
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
    Ok(Plan { root, manifest: new_manifest, lock, old, lock_text: (!same).then_some(text), steps })
}

/// The versions, and the manifest that asks for them.
pub fn choose(project: &Path, registry: &Registry, options: &Options) -> Result<Choice> {
    let mut manifest = Manifest::find(project)?;
    let root = manifest.root().to_path_buf();
    // Added without a requirement: what is chosen decides it.
    let mut open = Vec::new();
    let mut new_manifest = change(&manifest, registry, options, &mut open)?;
    if let Some(text) = &new_manifest {
        manifest = Manifest::parse(&manifest.path, text)?;
    }
    let dev = manifest.dev_dependencies.iter().map(|d| (None, d));
    if let Some((_, d)) = manifest.all_dependencies().chain(dev).find(|(_, d)| d.origin != Origin::Registry) {
        return Err(Error::Source { place: d.place.clone(), name: d.name.clone(), kind: d.origin.kind() });
    }

    let path = root.join(lockfile::FILE);
    let old = Lock::load(&root)?;
    let fits = |lock: &&Lock| lock.difference(&manifest).is_none();
    let keeps = open.is_empty() && options.update.is_none();
    let lock = match &old {
        Some(lock) if options.frozen && !fits(&lock) => {
            let what = lock.difference(&manifest).unwrap_or_default();
            return Err(Error::LockStale { path, what });
        }
        None if options.frozen => return Err(Error::NoLock { path }),
        Some(lock) if keeps && fits(&lock) => lock.clone(),
        _ => {
            let moving = [options.update.as_deref().unwrap_or_default(), &open].concat();
            let mut preferred = old.as_ref().map(Lock::preferred).unwrap_or_default();
            match &options.update {
                Some(names) if names.is_empty() => preferred.clear(),
                Some(names) => present(names, lockfile::FILE, &preferred.keys().collect::<Vec<_>>())?,
                None => {}
            }
            preferred.retain(|name, _| !moving.contains(name));
            let chosen = solve(&Request {
                project: manifest.name.clone(),
                needs: project_needs(&manifest),
                platforms: manifest.platforms(),
                preferred,
                first: &moving,
                source: &Shelf { registry, packages: root.join("packages"), lock: old.as_ref() },
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
                if let Some(new) =
                    lock.get(&p.name).filter(|n| n.version == p.version && n.sha256 != p.sha256)
                {
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
/// What was added for any version goes to `open`.
fn change(
    manifest: &Manifest,
    registry: &Registry,
    options: &Options,
    open: &mut Vec<MinzName>,
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
    for (name, requirement) in &options.add {
        let wanted = match requirement {
            Some(r) => r.to_string(),
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

fn newest(registry: &Registry, name: &MinzName, manifest: &Manifest) -> Result<Version> {
    registry.newest(name)?.ok_or_else(|| Error::UnknownPackage {
        name: name.clone(),
        chain: vec![manifest.name.to_string()],
        suggestion: registry.suggest(name),
    })
}

fn steps(root: &Path, lock: &Lock) -> Result<Vec<(MinzName, Step)>> {
    let packages = root.join("packages");
    let mut out = Vec::new();
    for p in &lock.packages {
        let dir = packages.join(p.name.as_str());
        let to = p.version.clone();
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
        if let Some(name) = name.filter(|n| lock.get(n).is_none())
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
    let touched = plan.steps.iter().any(|(_, s)| !matches!(s, Step::Keep(_)));
    // A run that was killed at its end left its folder.
    if touched || std::fs::symlink_metadata(&staging).is_ok() {
        make(&packages)?;
        make(&staging)?;
        sweep(&staging)?;
        let outcome = replace(plan, registry, &packages, &staging, progress);
        let swept = sweep(&staging).and_then(|()| remove_empty(&staging));
        outcome.and(swept)?;
    }
    remove_empty(&packages)?;
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
    let changes = |s: &Step| !matches!(s, Step::Keep(_) | Step::Remove);
    for (name, _) in plan.steps.iter().filter(|(_, s)| changes(s)) {
        let Some(locked) = plan.lock.get(name) else { continue };
        unpack(locked, registry, &staging.join(format!("new-{name}")), &mut workspace)?;
        progress(name);
    }
    for (name, step) in &plan.steps {
        let (dir, new) = (packages.join(name.as_str()), staging.join(format!("new-{name}")));
        let aside = staging.join(format!("old-{name}"));
        match step {
            Step::Keep(_) => {}
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
    let refused = |e| match e {
        // It is about this disk, not about the archive.
        ArchiveError::Write { source, .. } => Error::io("write to", to)(source),
        e => Error::Archive { name: name.clone(), version: version.clone(), source: Box::new(e) },
    };
    let (mirror, record) = registry.archive(name, version, &locked.sha256)?;
    let mut source = mirror.read_archive(name.as_str(), &record)?;
    let mut sink = Extract::create(to).map_err(Error::io("create", to))?;
    let integrity = Integrity::from(locked.sha256);
    let expect = Expect { integrity: Some(&integrity), manifests: true, ..Expect::default() };
    // A package of MinZ source is never as large as the archive reader would allow.
    let limits = Limits { bytes: 256 << 20, entries: 50_000, ..Limits::default() };
    let summary = workspace.read(&mut source, &expect, &limits, &mut sink).map_err(refused)?;
    let rule =
        |rule, detail: String| refused(ArchiveError::Refused { rule, entry: manifest::FILE.into(), detail });
    let bytes = summary.mzp_toml.ok_or_else(|| rule(Rule::NoManifest, "is missing".into()))?;
    let text = String::from_utf8(bytes).map_err(|_| rule(Rule::NoManifest, "is not UTF-8".into()))?;
    let found = Manifest::parse(&to.join(manifest::FILE), &text)
        .map_err(|e| rule(Rule::NoManifest, format!("cannot be read: {e}")))?;
    if found.name != *name {
        return Err(rule(Rule::NameMismatch, format!("says it is {}", found.name)));
    }
    if found.version != *version {
        return Err(rule(Rule::VersionMismatch, format!("says it is version {}", found.version)));
    }
    let mark = Mark { version: version.clone(), sha256: locked.sha256 };
    mirror::file::write_scratch(&to.join(mark::FILE), mark.write(&sink.into_listing()).as_bytes())?;
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
