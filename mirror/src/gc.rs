//! Giving back what nothing refers to any more.
//!
//! Archives of removed versions leave the lists of packs and blobs (a pack goes
//! when its last archive is gone), deltas are merged into the base, and files
//! that neither root slot refers to are deleted. Since the older slot still
//! refers to the state before, a change is committed twice.
//!
//! Readers that [pinned](Mirror::open_pinned) the mirror are waited for before
//! anything is deleted, with no lock held: they may be about to commit. What is
//! deleted is decided afterwards, under both locks, from the state as it is then.

use crate::batch::Batch;
use crate::commit::{self, clean_tmp};
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::layout::{self, Folder};
use crate::left;
use crate::lock::{Lock, Mode};
use crate::mirror::{self, Mirror, Prefix};
use crate::record::{Key, Location, RecordBuilder};
use crate::snapshot::Snapshot;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

/// What a clean-up would do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Packs and blobs without any archive that the index offers.
    pub packs: Vec<Hash>,
    pub blobs: Vec<Hash>,
    /// Deltas above the base that will be merged into it.
    pub deltas: usize,
    /// Files that go, with their bytes.
    pub files: Vec<(PathBuf, u64)>,
}

impl Plan {
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, n)| n).sum()
    }
    fn rewrites(&self) -> bool {
        !self.packs.is_empty() || !self.blobs.is_empty() || self.deltas > 0
    }
}

/// What would go if [`run`] ran now. Reads the whole index, writes nothing.
pub fn plan(mirror: &Mirror) -> Result<Plan> {
    let (mut packs, mut blobs) = (HashSet::new(), HashSet::new());
    mirror.for_each(Prefix::All, &mut |view| {
        for i in 0..view.len() {
            match view.location(i) {
                Location::Pack { pack, .. } => _ = packs.insert(pack),
                Location::Blob => blobs.extend(view.load(i)?.sha256),
                Location::Absent => {}
            }
        }
        Ok(())
    })?;
    let mut plan = Plan {
        packs: mirror.snapshot().packs.iter().map(|p| p.hash).filter(|h| !packs.contains(h)).collect(),
        deltas: mirror.levels().len().saturating_sub(1),
        ..Plan::default()
    };
    let mut keep = HashSet::new();
    let layout = mirror.layout();
    mirror::each_blob(layout, mirror.snapshot(), &mut |blob, parts| {
        if blobs.contains(&blob.hash) {
            keep.extend(parts.iter().chain([&blob]).map(|p| (Folder::Blobs, p.hash)));
        } else {
            plan.blobs.push(blob.hash);
        }
        Ok(())
    })?;
    keep.extend(
        mirror.snapshot().packs.iter().filter(|p| packs.contains(&p.hash)).map(|p| (Folder::Packs, p.hash)),
    );
    if plan.deltas == 0 {
        keep.extend(mirror.snapshot().segments.iter().map(|s| (Folder::Segments, s.file.hash)));
    }
    keep.extend(smaller(mirror.snapshot()));
    // A rewrite replaces both slots' snapshots, a stale slot is replaced alone, else both stay.
    let roots = |slots: &mut dyn Iterator<Item = usize>| -> Vec<(Folder, Hash)> {
        slots.filter_map(|i| mirror.slots()[i].root()).map(|r| (Folder::Snapshots, r.snapshot)).collect()
    };
    let stale_slot = other(mirror).is_some_and(|o| refers_to_more(&o, mirror.snapshot()));
    keep.extend(match (plan.rewrites(), stale_slot) {
        (true, _) => Vec::new(),
        (false, true) => roots(&mut std::iter::once(mirror.chosen())),
        (false, false) => roots(&mut (0..2)),
    });
    plan.files = unreferenced(mirror, &keep)?;
    Ok(plan)
}

/// Carries a clean-up out. `waiting` is told who holds a lock that is waited for.
/// What was deleted is in the plan that is returned.
pub fn run(mirror: &Mirror, waiting: &mut dyn FnMut(&str)) -> Result<Plan> {
    let layout = mirror.layout();
    let mut done = compact(mirror, waiting)?;
    // Before the writer lock: who reads may want to commit before it ends.
    let _pin = Lock::acquire(&layout.path(layout::PIN), Mode::Unsigned, waiting)?;
    let _lock = Lock::acquire(&layout.path(layout::LOCK), Mode::Exclusive, waiting)?;
    let mirror = mirror.refresh()?;
    let mut keep = HashSet::new();
    for s in [Some(mirror.snapshot()), other(&mirror).as_ref()].into_iter().flatten() {
        keep.extend(smaller(s));
        keep.extend(s.segments.iter().map(|e| (Folder::Segments, e.file.hash)));
        keep.extend(s.packs.iter().map(|e| (Folder::Packs, e.hash)));
        mirror::each_blob(layout, s, &mut |blob, parts| {
            keep.extend(parts.iter().chain([&blob]).map(|p| (Folder::Blobs, p.hash)));
            Ok(())
        })?;
    }
    keep.extend(mirror.slots().iter().filter_map(|s| s.root()).map(|r| (Folder::Snapshots, r.snapshot)));
    keep.insert((Folder::Snapshots, mirror.snapshot_file().hash));
    done.files = unreferenced(&mirror, &keep)?;
    for (path, _) in &done.files {
        std::fs::remove_file(path).map_err(Error::io("remove", path))?;
    }
    Ok(done)
}

/// Archives that were let go of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Thinned {
    pub archives: u64,
    pub bytes: u64,
}

/// Records that change in one commit.
const CHUNK: u64 = 20_000;

/// Lets go of the archives that are not `wanted`; that there are such versions stays known. Packs of which
/// half or less is wanted are packed anew, so that [`run`] frees what the rest took.
pub fn thin(
    mirror: &Mirror,
    wanted: &dyn Fn(&Key, &str) -> bool,
    dry: bool,
    waiting: &mut dyn FnMut(&str),
) -> Result<Thinned> {
    let mut thinned = Thinned::default();
    // By pack: how many bytes of it are wanted, and whether others are not.
    let mut packs: HashMap<Hash, (u64, bool)> = HashMap::new();
    mirror.for_each(Prefix::All, &mut |view| {
        for i in (0..view.len()).filter(|i| view.is_present(*i)) {
            let keep = wanted(view.key(), view.version(i));
            let bytes = view.load(i)?.size;
            if let Location::Pack { pack, .. } = view.location(i) {
                let counted = packs.entry(pack).or_default();
                counted.0 += if keep { bytes } else { 0 };
                counted.1 |= !keep;
            }
            if !keep {
                thinned.archives += 1;
                thinned.bytes += bytes;
            }
        }
        Ok(())
    })?;
    if dry || thinned.archives == 0 {
        return Ok(thinned);
    }
    let of = |pack: &Hash| mirror.snapshot().packs.iter().find(|p| p.hash == *pack).map_or(0, |p| p.bytes);
    packs.retain(|pack, (bytes, mixed)| *mixed && *bytes > 0 && 2 * *bytes <= of(pack));
    let mut at = Vec::new();
    loop {
        let base = mirror.refresh()?;
        let batch = Batch::begin(&base, 0)?;
        let (mut records, mut more) = (0, false);
        base.for_each_from(&at.clone(), &mut |view| {
            let mut rows = RecordBuilder::new(view.key().clone());
            let mut changed = false;
            for i in (0..view.len()).filter(|i| view.is_present(*i)) {
                if !wanted(view.key(), view.version(i)) {
                    batch.leave_out(view.key(), view.version(i));
                    changed = true;
                } else if matches!(view.location(i), Location::Pack { pack, .. } if packs.contains_key(&pack))
                {
                    let v = view.load(i)?;
                    // What is damaged stays where it is.
                    let source = base.read_archive(&view.key().name, &v);
                    if let Ok(Some(stored)) = source.and_then(|s| batch.take(s, &v)) {
                        rows.push_version(&stored.of(v))?;
                    }
                }
            }
            if !rows.is_empty() {
                batch.put_encoded(view.key(), &rows.finish()?)?;
                changed = true;
            }
            records += u64::from(changed);
            more = records >= CHUNK;
            if more {
                at = view.key().to_bytes();
                at.push(0);
            }
            Ok(!more)
        })?;
        batch.mend(&commit::Dropping::default(), waiting)?;
        if !more {
            return Ok(thinned);
        }
    }
}

/// The first half: a state, in both slots, that refers to no more than it needs.
fn compact(mirror: &Mirror, waiting: &mut dyn FnMut(&str)) -> Result<Plan> {
    let layout = mirror.layout();
    let _lock = Lock::acquire(&layout.path(layout::LOCK), Mode::Exclusive, waiting)?;
    let mirror = mirror.refresh()?;
    clean_tmp(layout)?;
    let done = plan(&mirror)?;
    let stale_slot = other(&mirror).is_some_and(|o| refers_to_more(&o, mirror.snapshot()));
    if done.rewrites() || stale_slot {
        let mut batch = Batch::begin(&mirror, 0)?;
        let rewritten = (|| {
            let mut now = mirror.clone();
            if done.rewrites() {
                let drop = commit::Dropping {
                    packs: done.packs.iter().copied().collect(),
                    blobs: done.blobs.iter().copied().collect(),
                    ..Default::default()
                };
                commit::rewrite(&batch.dir, &now, &drop, done.deltas > 0)?;
                now = now.refresh()?;
            }
            // Once more, so that the older slot refers to it as well.
            let second = batch.dir.join("2");
            crate::file::make_dir(&second)?;
            commit::rewrite(&second, &now, &commit::Dropping::default(), false)
        })();
        batch.clean();
        rewritten?;
    }
    Ok(done)
}

/// Snapshots' own files: blob list, origins, tools.
fn smaller(s: &Snapshot) -> impl Iterator<Item = (Folder, Hash)> {
    let list = s.blobs.iter().map(|(f, _)| (Folder::Snapshots, f.hash));
    let origins = s.origins.iter().map(|o| (Folder::Snapshots, o.snapshot.hash));
    list.chain(origins).chain(s.tools.iter().map(|(_, f)| (Folder::Tools, f.hash)))
}

/// The state that the slot not in use refers to.
fn other(mirror: &Mirror) -> Option<Snapshot> {
    let root = mirror.slots()[1 - mirror.chosen()].root()?;
    mirror::load_snapshot(mirror.layout(), root).ok().map(|loaded| loaded.snapshot)
}

fn refers_to_more(other: &Snapshot, current: &Snapshot) -> bool {
    other.segments.iter().any(|s| !current.segments.contains(s))
        || other.packs.iter().any(|p| !current.packs.contains(p))
        || (other.blobs.is_some() && other.blobs != current.blobs)
}

/// Files in the folders of hashed names whose hash is not to be kept. Only what
/// looks like our own name: a file that somebody else put there stays.
fn unreferenced(mirror: &Mirror, keep: &HashSet<(Folder, Hash)>) -> Result<Vec<(PathBuf, u64)>> {
    let layout = mirror.layout();
    let mut kept: HashSet<(Folder, String)> = HashSet::new();
    for (folder, hash) in keep {
        // All that might hold it: which one does is only known by reading.
        kept.insert((*folder, hash.file_name()[..8].to_string()));
    }
    let mut out = Vec::new();
    for folder in Folder::ALL {
        let top = layout.path(folder.name());
        let mut dirs = vec![top.clone()];
        if folder == Folder::Blobs {
            dirs = list(&top)?.into_iter().filter(|p| p.is_dir()).collect();
        }
        for dir in dirs {
            let mut found: Vec<(String, PathBuf, u64)> = Vec::new();
            for path in list(&dir)? {
                let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("").to_string();
                let meta = std::fs::symlink_metadata(&path).map_err(Error::io("read", &path))?;
                if !meta.is_file() || !is_hash_name(&name) {
                    continue;
                }
                if kept.contains(&(folder, name[..8].to_string())) {
                    found.push((name, path, meta.len()));
                } else {
                    out.push((path, meta.len()));
                }
            }
            crate::order::sort(&mut found);
            for alike in found.chunk_by(|a, b| a.0[..8] == b.0[..8]).filter(|alike| alike.len() > 1) {
                out.extend(not_needed(alike, &|hash| keep.contains(&(folder, hash))));
            }
        }
    }
    for there in [mirror.heads_there()?, mirror.lists_there()?] {
        for path in left::replaced(&there, &[]) {
            out.push((path.clone(), std::fs::metadata(path).map_err(Error::io("read", path))?.len()));
        }
    }
    crate::order::sort(&mut out);
    Ok(out)
}

/// Of files that might hold the same: those that hold nothing that is kept, or what another one holds.
/// Numbered names stay without gaps: a reader stops at the first that is missing.
fn not_needed(alike: &[(String, PathBuf, u64)], is_kept: &dyn Fn(Hash) -> bool) -> Vec<(PathBuf, u64)> {
    let is_numbered = |name: &str| name[9..].bytes().all(|b| b.is_ascii_digit());
    let (mut held, mut out, mut above) = (HashSet::new(), Vec::new(), Vec::new());
    for numbers in [false, true] {
        for (_, path, bytes) in alike.iter().filter(|(name, ..)| is_numbered(name) == numbers) {
            let hash = crate::file::open_regular(path).and_then(|file| layout::hash_of(&file, path));
            // One that cannot be read now may be readable some other time.
            if hash.map_or(true, |hash| is_kept(hash) && held.insert(hash)) {
                above.clear();
            } else if numbers {
                above.push((path.clone(), *bytes));
            } else {
                out.push((path.clone(), *bytes));
            }
        }
    }
    out.append(&mut above);
    out
}

fn list(dir: &Path) -> Result<Vec<PathBuf>> {
    match std::fs::read_dir(dir) {
        Ok(entries) => {
            entries.map(|e| e.map(|e| e.path())).collect::<io::Result<_>>().map_err(Error::io("read", dir))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(Error::from_io("read", dir, e)),
    }
}

/// `ABCDEFGH.IJK` or `ABCDEFGH.000`.
fn is_hash_name(name: &str) -> bool {
    let base32 = |s: &[u8]| s.iter().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'));
    let b = name.as_bytes();
    b.len() == 12
        && b[8] == b'.'
        && base32(&b[..8])
        && (base32(&b[9..]) || b[9..].iter().all(u8::is_ascii_digit))
}

#[cfg(test)]
mod tests;
