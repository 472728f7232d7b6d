//! What can be made again: the store of extracted packages. Counted and
//! cleared here; a mirror is never a cache, and never touched.

use super::listing::Stored;
use crate::error::{Error, Result};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the store holds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    pub packages: u64,
    /// Sum of the packages' files, in bytes.
    pub bytes: u64,
    pub files: u64,
    /// Trees of `--linker store`. Their files are the packages' own (linked).
    pub shared_trees: u64,
    /// Trees that `px` has made.
    pub px_trees: u64,
    /// What all of it takes on the disk, in bytes: what has several names once.
    pub on_disk: u64,
}

/// Where `px` makes its trees, beside the store.
fn px(store: &Path) -> PathBuf {
    store.with_file_name("px")
}

/// What these folders take on the disk.
fn on_disk(folders: [&Path; 2]) -> u64 {
    let mut open: Vec<PathBuf> = folders.map(PathBuf::from).into();
    let mut found: Vec<(u64, u64)> = Vec::new();
    while let Some(path) = open.pop() {
        let Ok(meta) = path.symlink_metadata() else { continue };
        found.push((meta.ino(), meta.blocks()));
        if meta.is_dir() {
            open.extend(std::fs::read_dir(&path).into_iter().flatten().flatten().map(|e| e.path()));
        }
    }
    mirror::order::sort(&mut found);
    found.dedup();
    found.iter().map(|(_, blocks)| blocks * 512).sum()
}

/// Counts by the listings, and walks for what it takes on the disk. A missing store is an empty one.
pub fn all(store: &Path) -> Result<Stats> {
    let px = px(store);
    let px_trees = names(&px)?.len() as u64;
    Ok(Stats { px_trees, on_disk: on_disk([store, &px]), ..stats(store)? })
}

/// Counts by the listings; no package is walked.
pub fn stats(store: &Path) -> Result<Stats> {
    let mut stats = Stats::default();
    for name in names(store)? {
        if !name.ends_with(".l") {
            continue;
        }
        // One that is gone since the folder was read, or cannot be read (`store verify` names it), counts for nothing.
        let bytes = mirror::file::read(&store.join(&name), 256 << 20);
        if let Some(stored) = bytes.ok().and_then(Stored::parse) {
            stats.packages += 1;
            stats.bytes += stored.total;
            stats.files += stored.file_count() as u64;
        }
    }
    stats.shared_trees = names(&store.join("links"))?.iter().filter(|n| *n != "trusted").count() as u64;
    Ok(stats)
}

/// An extracted package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// `name@version`.
    pub package: String,
    pub key: String,
    pub bytes: u64,
    pub files: u64,
}

/// Every extracted package, sorted; and the shared trees.
pub fn dump(store: &Path) -> Result<(Vec<Entry>, Vec<String>)> {
    let mut entries = Vec::new();
    for name in names(store)? {
        let Some(key) = name.strip_suffix(".l") else { continue };
        let bytes = mirror::file::read(&store.join(&name), 256 << 20);
        let Some(stored) = bytes.ok().and_then(Stored::parse) else { continue };
        let (bytes, files) = (stored.total, stored.file_count() as u64);
        entries.push(Entry { package: stored.package(), key: key.to_string(), bytes, files });
    }
    mirror::order::sort(&mut entries);
    let mut trees = names(&store.join("links"))?;
    trees.retain(|tree| tree != "trusted");
    mirror::order::sort(&mut trees);
    Ok((entries, trees))
}

/// Removes the store and the trees of `px` once no run uses it (`waiting` is called once if one does).
/// It goes aside by one rename first, so that a run that starts meanwhile finds
/// none instead of half of one; and into a private folder, so that two that
/// clear do not remove under each other's hands.
pub fn clear(store: &Path, waiting: &mut dyn FnMut()) -> Result<Stats> {
    let going = store.with_extension("going");
    let alone = match mirror::lock::DirLock::acquire(store, waiting) {
        Ok(lock) => Some(lock),
        Err(mirror::Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(e.into()),
    };
    let px = px(store);
    let trees = names(&px)?;
    if alone.is_none() && trees.is_empty() {
        mirror::lock::remove_private(&going);
        return Ok(Stats::default());
    }
    let stats = Stats { px_trees: trees.len() as u64, ..stats(store)? };
    let (aside, private) = mirror::lock::private_dir(&going)?;
    for (i, tree) in trees.iter().map(|name| px.join(name)).enumerate() {
        // Not while it is made.
        let made = mirror::lock::DirLock::acquire(&tree, waiting)?;
        std::fs::rename(&tree, aside.join(i.to_string())).map_err(Error::io("remove", &tree))?;
        drop(made);
    }
    if alone.is_some() {
        std::fs::rename(store, aside.join("store")).map_err(Error::io("remove", store))?;
    }
    let removed = std::fs::remove_dir_all(&aside).map_err(Error::io("remove", &aside));
    drop((private, alone));
    mirror::lock::remove_private(&going);
    removed?;
    Ok(stats)
}

pub(super) fn names(dir: &Path) -> Result<Vec<String>> {
    match std::fs::read_dir(dir) {
        Ok(entries) => Ok(entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(Error::io("read", dir)(e)),
    }
}
