//! What can be made again: the store of extracted packages. Counted and
//! cleared here; a mirror is never a cache, and never touched.

use super::listing::Stored;
use super::store::{Key, Store};
use crate::error::{Error, Result};
use std::io;
use std::path::Path;

/// What the store holds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    pub packages: u64,
    /// Sum of the packages' files, in bytes.
    pub bytes: u64,
    pub files: u64,
    /// Trees of `--linker store`. Their files are the packages' own (linked).
    pub shared_trees: u64,
}

/// Counts by the listings; no package is walked. A missing store is an empty one.
pub fn stats(store: &Path) -> Result<Stats> {
    let mut stats = Stats::default();
    for name in names(store)? {
        if name.ends_with(".l")
            && let Some(stored) = Stored::parse(mirror::file::read(&store.join(&name), 256 << 20)?)
        {
            stats.packages += 1;
            stats.bytes += stored.total;
            stats.files += stored.file_count() as u64;
        }
    }
    stats.shared_trees = names(&store.join("links"))?.iter().filter(|n| *n != "trusted").count() as u64;
    Ok(stats)
}

/// Removes the store once no run uses it (`waiting` is called once if one does).
/// It goes aside by one rename first, so that a run that starts meanwhile finds
/// none instead of half of one.
pub fn clear(store: &Path, waiting: &mut dyn FnMut()) -> Result<Stats> {
    let _alone = match store.exists() {
        true => Some(mirror::lock::DirLock::acquire(store, waiting)?),
        false => None,
    };
    let stats = stats(store)?;
    let aside = store.with_extension("going");
    match std::fs::remove_dir_all(&aside) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Error::io("remove", &aside)(e)),
        _ => {}
    }
    match std::fs::rename(store, &aside) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(stats),
        other => other.map_err(Error::io("remove", store))?,
    }
    std::fs::remove_dir_all(&aside).map_err(Error::io("remove", &aside))?;
    Ok(stats)
}

/// Compares every file of every package with what was extracted; the entries
/// (`name of its folder`) that differ. Nothing is changed: `install --force` mends.
pub fn verify(dir: &Path, each: &mut dyn FnMut(u64)) -> Result<Vec<String>> {
    if !dir.exists() {
        return Ok(Vec::new());
    }
    let store = Store::open(dir)?;
    let mut differing = Vec::new();
    for name in names(dir)? {
        let Some(key) = name.strip_suffix(".l").and_then(Key::parse) else { continue };
        let good = match store.listing(&key)? {
            Some(listing) => {
                each(listing.total);
                store.verify(&key, &listing)?
            }
            None => false,
        };
        if !good {
            differing.push(key.as_str().to_string());
        }
    }
    store.close();
    mirror::order::sort(&mut differing);
    Ok(differing)
}

fn names(dir: &Path) -> Result<Vec<String>> {
    match std::fs::read_dir(dir) {
        Ok(entries) => Ok(entries.flatten().filter_map(|e| e.file_name().into_string().ok()).collect()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(Error::io("read", dir)(e)),
    }
}
