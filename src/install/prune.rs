//! What of the store no project uses any more.
//!
//! ```text
//! $PANTRY_HOME/projects/HASH -> FOLDER      every project that installed something; one that is gone is forgotten
//! ```
//!
//! A package is used when a project's `pantry.lock` has its archive, or the project's tree says that it
//! has its name and version; a shared tree (`linker=store`), when a project's `node_modules` leads to it.

use super::cache::{Stats, names};
use super::listing::Stored;
use super::run::{LOCKFILE, read_lock};
use super::state::State;
use super::store::Key;
use crate::error::{Error, Result};
use mirror::digest::Hash;
use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const PROJECTS: &str = "projects";

/// Notes that there is this project, before anything of it leads into the store.
///
/// # Errors
/// It cannot be noted, and a `prune` could take its shared trees away. (Where the home has no links, there are none.)
pub fn remember(home: &Path, root: &Path) -> Result<()> {
    let dir = home.join(PROJECTS);
    let hash = Hash::of(root.as_os_str().as_encoded_bytes()).to_string();
    let link = dir.join(&hash[..32]);
    if link.symlink_metadata().is_ok() {
        return Ok(());
    }
    fs::create_dir_all(&dir).map_err(Error::io("create", &dir))?;
    match std::os::unix::fs::symlink(root, &link) {
        Err(e) if !NO_LINKS.contains(&e.kind()) => Err(Error::io("create", &link)(e)),
        _ => Ok(()),
    }
}

/// Another process was first; the volume has no symbolic links.
const NO_LINKS: [ErrorKind; 3] =
    [ErrorKind::AlreadyExists, ErrorKind::PermissionDenied, ErrorKind::Unsupported];

/// What was found, and (unless `dry_run`) removed.
#[derive(Debug, Default)]
pub struct Report {
    pub projects: u64,
    /// `name@version` of what no project uses, sorted.
    pub packages: Vec<String>,
    pub removed: Stats,
}

/// Waits until no run uses the store.
pub fn prune(home: &Path, store: &Path, dry_run: bool, waiting: &mut dyn FnMut()) -> Result<Report> {
    let mut report = Report::default();
    let alone = match mirror::lock::DirLock::acquire(store, waiting) {
        Err(mirror::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Ok(report);
        }
        lock => lock?,
    };
    let used = used(home, store, dry_run, &mut report)?;
    let mut going = Vec::new();
    for name in names(store)? {
        let Some(key) = name.strip_suffix(".l").filter(|key| Key::parse(key).is_some()) else { continue };
        let bytes = mirror::file::read(&store.join(&name), 256 << 20);
        let Some(stored) = bytes.ok().and_then(Stored::parse) else { continue };
        let package = stored.package();
        if used.keys.contains(key) || used.packages.contains(&package) {
            continue;
        }
        report.removed.packages += 1;
        report.removed.bytes += stored.total;
        report.removed.files += stored.file_count() as u64;
        report.packages.push(package);
        // First what says that it is here.
        going.extend([store.join(&name), store.join(key)]);
    }
    let links = store.join("links");
    let trees = names(&links)?.into_iter().filter(|tree| tree != "trusted" && !used.trees.contains(tree));
    let trees: Vec<PathBuf> = trees.map(|tree| links.join(tree)).collect();
    report.removed.shared_trees = trees.len() as u64;
    mirror::order::sort(&mut report.packages);
    if !dry_run {
        if !trees.is_empty() {
            // It vouches for what goes.
            remove(&links.join("trusted"))?;
        }
        going.iter().chain(&trees).try_for_each(|path| remove(path))?;
    }
    drop(alone);
    Ok(report)
}

#[derive(Default)]
struct Used {
    keys: HashSet<String>,
    packages: HashSet<String>,
    trees: HashSet<String>,
}

fn used(home: &Path, store: &Path, dry_run: bool, report: &mut Report) -> Result<Used> {
    let mut used = Used::default();
    let projects = home.join(PROJECTS);
    for name in names(&projects)? {
        let link = projects.join(&name);
        let Ok(root) = fs::read_link(&link) else { continue };
        let state = State::read(&root);
        let lock = read_lock(&root.join(LOCKFILE));
        // One whose lock cannot be read keeps what its tree has; one that cannot be looked into is no reason to delete.
        if matches!(lock, Ok(None)) && state.is_none() {
            if !dry_run {
                remove(&link)?;
            }
            continue;
        }
        report.projects += 1;
        let graph = lock.ok().flatten().map(|(graph, _)| graph);
        let packages = graph.iter().flat_map(|g| &g.packages);
        used.keys.extend(packages.filter_map(|p| Some(Key::of(p.integrity.as_ref()?).as_str().to_string())));
        if let Some(state) = state {
            used.packages.extend(state.names.split(' ').map(String::from));
            let links = state.units.iter().map(|(path, _)| root.join("node_modules").join(path));
            links.for_each(|link| mark(store, &link, &mut used.trees));
        }
    }
    Ok(used)
}

/// Follows a link to a shared tree, and from there to those that it leads to.
fn mark(store: &Path, link: &Path, trees: &mut HashSet<String>) {
    let mut next = vec![link.to_path_buf()];
    while let Some(link) = next.pop() {
        let Ok(target) = fs::read_link(&link) else { continue };
        let target = link.parent().map(|dir| plain(&dir.join(target))).unwrap_or_default();
        let Ok(inside) = target.strip_prefix(store.join("links")) else { continue };
        let Some(tree) = inside.iter().next().and_then(|t| t.to_str()) else { continue };
        if !trees.insert(tree.to_string()) {
            continue;
        }
        let modules = store.join("links").join(tree).join("node_modules");
        for name in names(&modules).unwrap_or_default() {
            match name.starts_with('@') {
                true => {
                    let scoped = names(&modules.join(&name)).unwrap_or_default();
                    next.extend(scoped.into_iter().map(|n| modules.join(&name).join(n)));
                }
                false => next.push(modules.join(name)),
            }
        }
    }
}

/// Without `.` and `..`, by the words alone: as the links of the store are written.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => _ = out.pop(),
            part => out.push(part),
        }
    }
    out
}

fn remove(path: &Path) -> Result<()> {
    let gone = match path.symlink_metadata() {
        Ok(meta) if meta.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) => Err(e),
    };
    match gone {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}
