//! Filling the store: every package of a selection that is not there yet comes
//! from the nearest mirror that holds its archive. What no mirror holds is
//! returned, for the upstream or for the error.

use super::listing::Stored;
use super::store::{Key, Listed, Store, Wanted};
use crate::error::{Error, Result, Status};
use crate::resolve::graph::{Graph, Package, PackageId};
use crate::source::mirrors::Mirrors;
use mirror::archive::Workspace;
use mirror::name::RelPath;
use mirror::record::{Ecosystem, Key as RecordKey, VersionRecord};
use mirror::trust::{Policy, Publishers};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Where the index record of a package of the graph is.
pub fn record_key(package: &Package) -> RecordKey {
    RecordKey { ecosystem: Ecosystem::Npm, source: package.source.clone(), name: package.name.to_string() }
}

/// The store keys of the included packages; `None` for the others.
pub fn keys(graph: &Graph, included: &[bool]) -> Result<Vec<Option<Key>>> {
    let mut keys = Vec::with_capacity(included.len());
    for (package, on) in graph.packages.iter().zip(included) {
        keys.push(match (on, &package.integrity) {
            (false, _) => None,
            // A folder of the project is a link.
            (true, None) if package.is_linked() => None,
            (true, Some(integrity)) => Some(Key::of(integrity)),
            (true, None) => {
                return Err(Box::new(Error::NoIntegrity {
                    package: format!("{}@{}", package.name, package.version),
                }));
            }
        });
    }
    Ok(keys)
}

/// What is told while the store fills: packages done and in all, archive bytes done.
pub trait Watch: Sync {
    fn package_done(&self, bytes: u64);
    /// A registry (or a mirror in its place) has told about one more name, while versions are chosen.
    fn name_known(&self) {}
    /// Versions are chosen: so many packages have to be brought in from here on.
    fn begin(&self, _packages: usize) {}
    /// Somebody else is waited for.
    fn waiting(&self, _for: Busy<'_>) {}
}

/// What another process has, so that this one waits.
#[derive(Debug, Clone, Copy)]
pub enum Busy<'a> {
    Project,
    Store,
    /// A mirror, and who holds it as far as that is known.
    Mirror(&'a str),
}

/// Nobody looks.
pub struct Unwatched;
impl Watch for Unwatched {
    fn package_done(&self, _: u64) {}
}

/// The listings of all `keys` that the store has and trusts; the ids of the others.
/// `check` compares every file with its checksum and drops what differs (`--force`).
pub fn present(
    store: &Store,
    keys: &[Option<Key>],
    threads: usize,
    check: bool,
) -> Result<(HashMap<Key, Stored>, Vec<PackageId>)> {
    let wanted: Vec<(PackageId, Key)> = {
        let mut seen: std::collections::HashSet<Key> = Default::default();
        let all = keys.iter().enumerate().filter_map(|(i, k)| k.map(|k| (PackageId(i as u32), k)));
        all.filter(|(_, k)| seen.insert(*k)).collect()
    };
    let threads = if check { threads } else { threads.min(wanted.len() / 64 + 1) };
    let found = in_parallel(&wanted, threads, |(id, key)| {
        let mut stored = store.trusted(key)?;
        if let (true, Some(listing)) = (check, &stored)
            && !store.verify(key, listing)?
        {
            store.evict(key)?;
            stored = None;
        }
        Ok((*id, *key, stored))
    })?;
    let (mut listings, mut missing) = (HashMap::with_capacity(wanted.len()), Vec::new());
    for (id, key, stored) in found {
        match stored {
            Some(stored) => drop(listings.insert(key, stored)),
            None => missing.push(id),
        }
    }
    mirror::order::sort(&mut missing);
    Ok((listings, missing))
}

/// Whether the publishers whom the user trusts stand for the packages of which that is asked; what is amiss and no
/// reason to refuse them. It does not matter where they come from, or that they are in the store already: the hash
/// that is locked is the one that has to be signed. What lies on this machine is its user's own.
pub fn vouched(
    publishers: &Publishers,
    mirrors: &Mirrors,
    graph: &Graph,
    included: &[bool],
) -> Result<Vec<String>> {
    let (mut doubts, mut more) = (Vec::new(), 0);
    for (package, _) in graph.packages.iter().zip(included).filter(|(_, on)| **on) {
        let key = record_key(package);
        let policy = publishers.policy(&key);
        let Some(integrity) = &package.integrity else { continue };
        if policy == Policy::Off || package.is_linked() || package.packed().is_some() {
            continue;
        }
        let version = package.version.to_string();
        let facts = mirrors.facts(&key, &version)?;
        match publishers.check(policy, &key, &version, integrity, &facts)? {
            Some(doubt) if doubts.len() < TOLD => doubts.push(doubt.to_string()),
            Some(_) => more += 1,
            None => {}
        }
    }
    if more > 0 {
        doubts.push(format!("and so of {more} more packages"));
    }
    Ok(doubts)
}

/// Doubts that are told one by one.
const TOLD: usize = 5;

/// What the mirrors gave.
#[derive(Default)]
pub struct FromMirrors {
    pub listings: Vec<(Key, Stored)>,
    /// No mirror holds these, or none holds them whole.
    pub elsewhere: Vec<PackageId>,
    /// Mirrors whose archive had to be passed over, and what was wrong with it.
    pub damaged: Vec<(PathBuf, Box<Error>)>,
}

/// Extracts what the mirrors hold of `missing`. Where the archive of one is
/// damaged, the next one that has it is asked.
pub fn from_mirrors(
    store: &Store,
    mirrors: &Mirrors,
    publishers: &Publishers,
    graph: &Graph,
    missing: &[PackageId],
    threads: usize,
    watch: &dyn Watch,
) -> Result<FromMirrors> {
    let mut jobs: Vec<(PackageId, usize, VersionRecord)> = Vec::with_capacity(missing.len());
    let mut all = FromMirrors::default();
    let next = |id: PackageId, from: usize| {
        let package = graph.package(id);
        let key = record_key(package);
        let found = mirrors.archive_from(from, &key, &package.version, package.integrity.as_ref())?;
        // Whatever else is asked of it: what is stated of it must not be wrong.
        if let (Some((_, record)), Some(integrity)) = (&found, &package.integrity)
            && !record.extra.is_empty()
        {
            publishers.check(Policy::Off, &key, &package.version.to_string(), integrity, &record.extra)?;
        }
        Ok::<_, Box<Error>>(found)
    };
    for &id in missing {
        match next(id, 0)? {
            Some((at, record)) => jobs.push((id, at, record)),
            None => all.elsewhere.push(id),
        }
    }
    // The largest first, so that the threads end together.
    mirror::order::sort_by_key(&mut jobs, |(_, _, r)| std::cmp::Reverse(r.size));
    let spaces: Mutex<Vec<Workspace>> = Mutex::default();
    let damaged: Mutex<Vec<(PathBuf, Box<Error>)>> = Mutex::default();
    let made = in_parallel(&jobs, threads, |(id, at, record)| {
        let mut source = Some((*at, record.clone()));
        while let Some((at, record)) = source {
            let package = graph.package(*id);
            let mirror = mirrors.get(at);
            let made = match mirror.read_archive(package.name.as_str(), &record) {
                Ok(mut archive) => {
                    let mut workspace = take(&spaces);
                    let made = add(store, package, &mut archive, &mut workspace);
                    give(&spaces, workspace);
                    made
                }
                Err(e) if is_gone(&e) || mirrors.is_found(at) => {
                    source = next(*id, at + 1)?;
                    continue;
                }
                Err(e) => Err(e.into()),
            };
            match made {
                Ok(made) => {
                    watch.package_done(record.size);
                    return Ok(Ok(made));
                }
                // What nobody named may fail in any way but here.
                Err(e) if e.status() == Status::Refused || (mirrors.is_found(at) && !is_ours(&e)) => {
                    let mut damaged = damaged.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    damaged.push((mirror.dir().to_path_buf(), e));
                }
                Err(e) => return Err(e),
            }
            source = next(*id, at + 1)?;
        }
        Ok(Err(*id))
    })?;
    for made in made {
        match made {
            Ok(made) => all.listings.push(made),
            Err(id) => all.elsewhere.push(id),
        }
    }
    mirror::order::sort(&mut all.elsewhere);
    all.damaged = damaged.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    Ok(all)
}

/// The store cannot be written.
fn is_ours(e: &Error) -> bool {
    match e {
        Error::Archive { source, .. } => matches!(**source, mirror::archive::ArchiveError::Write { .. }),
        Error::Io { .. } => true,
        _ => false,
    }
}

/// The index has the archive, its file is not there.
fn is_gone(e: &mirror::Error) -> bool {
    match e {
        mirror::Error::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
        mirror::Error::Absent { .. } => true,
        _ => false,
    }
}

/// Archives of this machine, which no mirror has, into the store; the rest stays in `missing`.
pub fn packed(
    store: &Store,
    root: &Path,
    graph: &Graph,
    missing: &mut Vec<PackageId>,
) -> Result<Vec<(Key, Stored)>> {
    let mut workspace = Workspace::new();
    let mut made = Vec::new();
    for id in &*missing {
        let package = graph.package(*id);
        if let Some(path) = package.packed() {
            let mut file = mirror::file::open_regular(&root.join(path))?;
            made.push(add(store, package, &mut file, &mut workspace)?);
        }
    }
    missing.retain(|id| graph.package(*id).packed().is_none());
    Ok(made)
}

/// One archive into the store, as the graph says it must be.
pub fn add(
    store: &Store,
    package: &Package,
    source: &mut dyn std::io::Read,
    workspace: &mut Workspace,
) -> Result<(Key, Stored)> {
    let Some(integrity) = &package.integrity else {
        return Err(Box::new(Error::NoIntegrity {
            package: format!("{}@{}", package.name, package.version),
        }));
    };
    let bins: Vec<RelPath> = package.bins.iter().map(|(_, path)| path.clone()).collect();
    let version = package.version.to_string();
    let wanted =
        Wanted { integrity: Some(integrity), name: package.name.as_str(), version: &version, bins: &bins };
    store.add(source, &wanted, workspace, Listed::Now).map(|(key, stored, _)| (key, stored))
}

fn take(spaces: &Mutex<Vec<Workspace>>) -> Workspace {
    spaces.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop().unwrap_or_default()
}
fn give(spaces: &Mutex<Vec<Workspace>>, workspace: Workspace) {
    spaces.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(workspace);
}

/// `work` over all items on this thread and `threads - 1` more; the first error ends it.
pub fn in_parallel<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let results: Mutex<Vec<R>> = Mutex::new(Vec::with_capacity(items.len()));
    let failure: Mutex<Option<Box<Error>>> = Mutex::new(None);
    let run = || {
        let mut own = Vec::new();
        while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
            match work(item) {
                Ok(result) => own.push(result),
                Err(e) => {
                    next.store(items.len(), Ordering::Relaxed);
                    failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(e);
                }
            }
        }
        results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).append(&mut own);
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.clamp(1, items.len().max(1)) {
            // Without another thread this one does the work.
            let _ = std::thread::Builder::new().spawn_scoped(scope, run);
        }
        run();
    });
    match failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        Some(e) => Err(e),
        None => Ok(results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)),
    }
}
