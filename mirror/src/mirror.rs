//! Opening a mirror and looking things up: two slots and one snapshot to open,
//! then one read per lookup. Nothing here writes.

mod archive;
mod blobs;
mod init;
mod public;

pub use archive::ArchiveSource;
use archive::Part;
pub(crate) use blobs::each_blob;
pub use init::InitOptions;
pub(crate) use init::{is_readme, readme};

use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use crate::layout::{self, Folder, Layout, SLOTS};
use crate::lock::{self, Lock};
use crate::record::{Ecosystem, Key, Location, RecordView, VersionRecord};
use crate::root::{self, Root, Slot};
use crate::segment::{Levels, Merge, Segment, Source};
use crate::snapshot::{FileEntry, MAX_SNAPSHOT, MirrorId, ParseError, SegmentEntry, Snapshot};
use crate::trust::{self, SecretKey};
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// One snapshot of a mirror. Cheap to clone, to share and to send; it does not
/// see later commits until [`refresh`](Self::refresh).
#[derive(Clone)]
pub struct Mirror(Arc<Inner>);

struct Inner {
    layout: Layout,
    slots: [Slot; 2],
    /// Which slot the snapshot is from.
    chosen: usize,
    snapshot: Snapshot,
    file: FileEntry,
    /// The hash of what is signed of the snapshot.
    body: Hash,
    /// Ranges of [`Snapshot::segments`], newest level first.
    levels: Vec<Range<usize>>,
    /// Why the slot with the highest sequence is not the one in use.
    fallback: Option<String>,
    open: Arc<OpenFiles>,
}

/// Files that were opened, kept over [`Mirror::refresh`]: they never change.
#[derive(Default)]
struct OpenFiles {
    segments: Mutex<HashMap<Hash, Arc<Segment>>>,
    packs: Mutex<HashMap<Hash, Arc<(File, PathBuf)>>>,
    /// Signs what is committed.
    signers: OnceLock<Vec<SecretKey>>,
    /// Held while anybody has a view of this opening.
    _pin: Option<Lock>,
}

/// Fences kept in memory at most: 30 KiB each, up to 110 in a mirror of a million packages.
const MAX_SEGMENTS: usize = 48;
const MAX_PACKS: usize = 64;

/// Which records [`Mirror::for_each`] walks.
#[derive(Debug, Clone, Copy)]
pub enum Prefix<'a> {
    All,
    Ecosystem(Ecosystem),
    /// Names of one source that begin like this (all, if empty).
    Names {
        ecosystem: Ecosystem,
        source: &'a str,
        begin: &'a str,
    },
}

impl Prefix<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::All => Vec::new(),
            Self::Ecosystem(e) => vec![*e as u8],
            Self::Names { ecosystem, source, begin } => {
                Key { ecosystem: *ecosystem, source: (*source).into(), name: (*begin).into() }.to_bytes()
            }
        }
    }
}

impl Mirror {
    /// Opens the mirror in `dir` (or in its folder `PANTRY`): two slots and one
    /// snapshot are read, nothing is written, no lock is taken.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_with(dir, Arc::default())
    }

    /// As [`open`](Self::open), and `gc` deletes nothing as long as this mirror, a
    /// clone or a refreshed one lives: what its snapshot names stays readable.
    /// `waiting` is told when a `gc` that is deleting is waited for.
    ///
    /// Nothing is written for that; where there are no locks nothing is pinned.
    /// Not before calling `gc` in the same process: it would wait for itself.
    pub fn open_pinned(dir: &Path, waiting: &mut dyn FnMut(&str)) -> Result<Self> {
        let pin = lock::share(&find(dir)?.path(layout::PIN), waiting)?;
        Self::open_with(dir, Arc::new(OpenFiles { _pin: pin, ..OpenFiles::default() }))
    }

    fn open_with(dir: &Path, open: Arc<OpenFiles>) -> Result<Self> {
        let layout = find(dir)?;
        let mut tries = 0;
        loop {
            let slots = read_slots(&layout)?;
            match Self::choose(&layout, &slots) {
                Ok((chosen, Loaded { snapshot, file, body }, fallback)) => {
                    let levels = levels(&snapshot.segments);
                    return Ok(Self(Arc::new(Inner {
                        layout,
                        slots,
                        chosen,
                        snapshot,
                        file,
                        body,
                        levels,
                        fallback,
                        open,
                    })));
                }
                // Commits and a clean-up between the two reads: look again.
                Err(_) if tries < 2 && read_slots(&layout)? != slots => tries += 1,
                Err(e) => return Err(e),
            }
        }
    }

    /// The valid slot with the highest sequence whose snapshot is whole.
    fn choose(layout: &Layout, slots: &[Slot; 2]) -> Result<(usize, Loaded, Option<String>)> {
        let mut order: Vec<(usize, &Root)> =
            slots.iter().enumerate().filter_map(|(i, s)| Some((i, s.root()?))).collect();
        crate::order::sort_by_key(&mut order, |(_, r)| std::cmp::Reverse(r.sequence));
        let mut first_error: Option<Error> = None;
        for (i, root) in order {
            match load_snapshot(layout, root) {
                Ok(loaded) => {
                    let broken = |(i, s): (usize, &Slot)| match s {
                        Slot::Broken(what) => Some(format!("{} {what}", SLOTS[i])),
                        _ => None,
                    };
                    let fallback = first_error
                        .map(|e| e.to_string())
                        .or_else(|| slots.iter().enumerate().find_map(broken));
                    return Ok((i, loaded, fallback));
                }
                Err(e @ Error::NewerFormat { .. }) => return Err(e),
                // It may be whole and only not readable now: the state before it must not be
                // offered, let alone be built upon.
                Err(e) if e.is_of_the_system() => return Err(e),
                Err(e) => first_error = first_error.or(Some(e)),
            }
        }
        Err(first_error.unwrap_or_else(|| Error::damaged(&layout.dir, "no root slot is valid")))
    }

    /// The latest snapshot of the same directory. What is in memory stays.
    pub fn refresh(&self) -> Result<Self> {
        Self::open_with(&self.0.layout.dir, self.0.open.clone())
    }

    /// As [`refresh`](Self::refresh), and every file is opened anew: some may have been replaced.
    pub(crate) fn opened_anew(&self) -> Result<Self> {
        held(&self.0.open.segments).clear();
        held(&self.0.open.packs).clear();
        self.refresh()
    }

    pub fn dir(&self) -> &Path {
        &self.0.layout.dir
    }
    pub fn id(&self) -> MirrorId {
        self.0.snapshot.id
    }
    pub fn sequence(&self) -> u64 {
        self.0.snapshot.sequence
    }
    pub fn snapshot(&self) -> &Snapshot {
        &self.0.snapshot
    }
    /// The snapshot's own hash and length.
    pub fn snapshot_file(&self) -> FileEntry {
        self.0.file
    }
    /// Both slots as they were read: `ROOT.A`, `ROOT.B`.
    pub fn slots(&self) -> &[Slot; 2] {
        &self.0.slots
    }
    /// Which slot this snapshot is from.
    pub(crate) fn chosen(&self) -> usize {
        self.0.chosen
    }
    /// Whether there was, or may have been, a later state than the one in use, which cannot be read.
    pub(crate) fn is_behind(&self) -> bool {
        match &self.0.slots[1 - self.0.chosen] {
            Slot::Empty => false,
            Slot::Broken(_) => true,
            Slot::Valid(root) => root.sequence > self.sequence(),
        }
    }

    /// The number of the state that follows. One that cannot be read any more had a number that
    /// somebody may have seen: with other content it would be a fork.
    pub(crate) fn next_sequence(&self) -> u64 {
        let other = self.0.slots[1 - self.0.chosen].root().map_or(0, |root| root.sequence);
        let lost = u64::from(self.is_behind() && other == 0);
        self.sequence().max(other) + lost + 1
    }

    /// Why the state in use may not be the latest: a slot or its snapshot is damaged.
    pub fn fallback(&self) -> Option<&str> {
        self.0.fallback.as_deref()
    }
    /// Whether everybody on this machine may write here. With the sticky bit nothing can be replaced.
    pub fn is_for_all_to_write(&self) -> bool {
        self.dir().metadata().is_ok_and(|m| std::os::unix::fs::MetadataExt::mode(&m) & 0o1002 == 0o002)
    }
    /// Whether this process may not write here. Asks the file system each time.
    pub fn is_read_only(&self) -> bool {
        self.0.layout.lower || rustix::fs::access(&self.0.layout.dir, rustix::fs::Access::WRITE_OK).is_err()
    }
    pub(crate) fn body(&self) -> Hash {
        self.0.body
    }
    pub(crate) fn signers(&self) -> &OnceLock<Vec<SecretKey>> {
        &self.0.open.signers
    }
    pub(crate) fn layout(&self) -> &Layout {
        &self.0.layout
    }
    pub(crate) fn levels(&self) -> &[Range<usize>] {
        &self.0.levels
    }

    pub(crate) fn segment(&self, entry: &SegmentEntry) -> Result<Arc<Segment>> {
        if let Some(s) = held(&self.0.open.segments).get(&entry.file.hash) {
            return Ok(s.clone());
        }
        // Opened outside the lock: two threads may do it twice, none waits.
        let segment = Arc::new(Segment::open(&self.0.layout, entry)?);
        let mut cache = held(&self.0.open.segments);
        if cache.len() >= MAX_SEGMENTS {
            cache.clear();
        }
        cache.insert(entry.file.hash, segment.clone());
        Ok(segment)
    }

    /// What the mirror knows about one package; `None`: nothing. One read per
    /// level that holds the name, and one more the first time a segment is used.
    pub fn lookup(&self, key: &Key) -> Result<Option<RecordView>> {
        let bytes = key.to_bytes();
        let segments = &self.0.snapshot.segments;
        for range in &self.0.levels {
            let level = &segments[range.clone()];
            let Some(i) = level.partition_point(|s| s.first <= bytes).checked_sub(1) else { continue };
            if level[i].last < bytes {
                continue;
            }
            if let Some(view) = self.segment(&level[i])?.lookup(&bytes)? {
                return Ok((!view.is_tombstone()).then_some(view));
            }
        }
        Ok(None)
    }

    /// One version of one package, if its archive is here.
    pub fn find_archive(&self, key: &Key, version: &str) -> Result<Option<VersionRecord>> {
        let Some(view) = self.lookup(key)? else { return Ok(None) };
        match view.find(version) {
            Some(i) if view.is_present(i) => view.load(i).map(Some),
            _ => Ok(None),
        }
    }

    /// Walks records in the order of their keys, one block per level in memory.
    pub fn for_each(&self, prefix: Prefix<'_>, f: &mut dyn FnMut(RecordView) -> Result<()>) -> Result<()> {
        let from = prefix.bytes();
        let mut merge = Merge::new(self.sources(0..self.0.levels.len(), &from, false));
        while let Some(item) = merge.next()? {
            if !item.key.starts_with(&from) {
                break;
            }
            let view = item.view().map_err(|e| e.at(self.dir()))?;
            if !view.is_tombstone() {
                f(view)?;
            }
        }
        Ok(())
    }

    /// The records from a key on, as long as `f` wants more.
    pub(crate) fn for_each_from(
        &self,
        from: &[u8],
        f: &mut dyn FnMut(RecordView) -> Result<bool>,
    ) -> Result<()> {
        let mut merge = Merge::new(self.sources(0..self.0.levels.len(), from, false));
        while let Some(item) = merge.next()? {
            let view = item.view().map_err(|e| e.at(self.dir()))?;
            if !view.is_tombstone() && !f(view)? {
                break;
            }
        }
        Ok(())
    }

    /// All records that can be read. Where a newer one cannot, an older one is told.
    pub(crate) fn for_each_whole(&self, f: &mut dyn FnMut(RecordView) -> Result<()>) -> Result<()> {
        let mut merge = Merge::new(self.sources(0..self.0.levels.len(), b"", true));
        while let Some(item) = merge.next()? {
            match item.view() {
                Ok(view) if !view.is_tombstone() => f(view)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The records of those segments that `take` accepts, from a key on: a source a level, newest first.
    pub(crate) fn sources_of<'a>(
        &'a self,
        take: &dyn Fn(&SegmentEntry) -> bool,
        from: &[u8],
    ) -> Vec<Box<dyn Source + 'a>> {
        let segments = &self.0.snapshot.segments;
        let mut sources: Vec<Box<dyn Source + 'a>> = Vec::new();
        for range in &self.0.levels {
            let taken = range.clone().filter(|i| segments[*i].last.as_slice() >= from && take(&segments[*i]));
            let taken: Vec<usize> = taken.collect();
            let open = move |i: usize| self.segment(&segments[i]);
            sources.push(Box::new(Levels::new(taken, open, from)));
        }
        sources
    }

    /// The levels of that range (0: the newest) as sources for a merge.
    /// `lenient`: what cannot be read is left out.
    pub(crate) fn sources(
        &self,
        levels: Range<usize>,
        from: &[u8],
        lenient: bool,
    ) -> Vec<Box<dyn Source + '_>> {
        self.0.levels[levels]
            .iter()
            .map(|range| {
                let level = &self.0.snapshot.segments[range.clone()];
                let start = level.partition_point(|s| s.last.as_slice() < from);
                let open = move |i: usize| self.segment(&level[i]);
                Box::new(Levels::new(start..level.len(), open, from).lenient(lenient)) as Box<dyn Source>
            })
            .collect()
    }

    /// The bytes of a version's archive. They are as they lie there: whoever
    /// uses them hashes what he uses.
    pub fn read_archive(&self, name: &str, v: &VersionRecord) -> Result<ArchiveSource> {
        let absent = || Error::Absent { name: name.to_string(), version: v.version.to_string() };
        match &v.location {
            Location::Absent => Err(absent()),
            Location::Pack { pack, offset } => {
                let packs = &self.0.snapshot.packs;
                let i = packs.binary_search_by(|p| p.hash.cmp(pack)).map_err(|_| absent())?;
                let file = self.pack(&packs[i])?;
                let at = u64::from(*offset);
                if at.checked_add(v.size).is_none_or(|end| end > packs[i].bytes) {
                    return Err(Error::damaged(&file.1, "an archive lies behind its end"));
                }
                Ok(ArchiveSource { parts: vec![Part::Pack { file, at, len: v.size }], len: v.size, read: 0 })
            }
            Location::Blob => {
                let hash = v.sha256.ok_or_else(absent)?;
                let parts = self.blob_parts(&hash, v.size)?.ok_or_else(absent)?;
                let parts = parts.into_iter().map(|p| Part::Blob {
                    entry: p,
                    layout: self.0.layout.clone(),
                    open: None,
                });
                Ok(ArchiveSource { parts: parts.collect(), len: v.size, read: 0 })
            }
        }
    }

    /// The files a blob consists of: itself, or the parts that the blob list names.
    pub(crate) fn blob_parts(&self, hash: &Hash, bytes: u64) -> Result<Option<Vec<FileEntry>>> {
        if self.0.layout.open(Folder::Blobs, hash, bytes)?.is_some() {
            return Ok(Some(vec![FileEntry { hash: *hash, bytes }]));
        }
        let mut found = None;
        self.each_blob(&mut |blob, parts| {
            if blob.hash == *hash {
                found = Some(if parts.is_empty() { vec![blob] } else { parts.to_vec() });
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Walks the blob list: every blob, and its parts if it has any.
    pub(crate) fn each_blob(&self, f: &mut dyn FnMut(FileEntry, &[FileEntry]) -> Result<()>) -> Result<()> {
        each_blob(&self.0.layout, &self.0.snapshot, f)
    }

    fn pack(&self, entry: &FileEntry) -> Result<Arc<(File, PathBuf)>> {
        if let Some(p) = held(&self.0.open.packs).get(&entry.hash) {
            return Ok(p.clone());
        }
        let pack = Arc::new(self.0.layout.need(Folder::Packs, &entry.hash, entry.bytes)?);
        let mut cache = held(&self.0.open.packs);
        if cache.len() >= MAX_PACKS {
            cache.clear();
        }
        cache.insert(entry.hash, pack.clone());
        Ok(pack)
    }
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mirror({}, {})", self.dir().display(), self.sequence())
    }
}

/// Nothing here can be left half done by a panic: a poisoned lock is as good.
fn held<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn now() -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_secs())
}

/// The directory itself or its folder `PANTRY`, in either case.
pub(crate) fn find(dir: &Path) -> Result<Layout> {
    for folder in ["", "PANTRY", "pantry"] {
        let at = if folder.is_empty() { dir.to_path_buf() } else { dir.join(folder) };
        for lower in [false, true] {
            let layout = Layout { dir: at.clone(), lower };
            if SLOTS.iter().any(|s| std::fs::symlink_metadata(layout.path(s)).is_ok()) {
                return Ok(layout);
            }
        }
    }
    match std::fs::metadata(dir) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::from_io("open", dir, e)),
        _ => Err(Error::NotAMirror { path: dir.into() }),
    }
}

pub(crate) fn read_slots(layout: &Layout) -> Result<[Slot; 2]> {
    let mut out = [Slot::Empty, Slot::Empty];
    for (slot, name) in out.iter_mut().zip(SLOTS) {
        *slot = match file::read(&layout.path(name), root::SLOT as u64) {
            Ok(bytes) => Slot::parse(&bytes),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Slot::Broken("is missing")
            }
            Err(Error::TooLarge { .. }) => Slot::Broken("is not 4,096 bytes long"),
            Err(Error::NotRegular { .. }) => Slot::Broken("is not a regular file"),
            Err(e) => return Err(e),
        };
    }
    Ok(out)
}

/// A snapshot as it was read: its own hash and length, and the hash of what is signed of it.
pub(crate) struct Loaded {
    pub snapshot: Snapshot,
    pub file: FileEntry,
    pub body: Hash,
}

pub(crate) fn load_snapshot(layout: &Layout, root: &Root) -> Result<Loaded> {
    let entry = FileEntry { hash: root.snapshot, bytes: root.length };
    let (f, path) = layout.need(Folder::Snapshots, &entry.hash, entry.bytes)?;
    let bytes = file::read_open(f, &path, MAX_SNAPSHOT)?;
    let (found, body) = trust::hashes(&bytes);
    if found != entry.hash {
        return Err(Error::wrong_bytes(path, entry.hash, found));
    }
    let snapshot = Snapshot::parse(&bytes).map_err(|e| match e {
        ParseError::Newer(found) => Error::NewerFormat { path: layout.dir.clone(), found },
        ParseError::Line(n) => Error::damaged(&path, format!("line {n} is wrong")),
    })?;
    if snapshot.sequence != root.sequence {
        return Err(Error::damaged(&path, "its sequence is not the root slot's"));
    }
    Ok(Loaded { snapshot, file: entry, body })
}

/// Ranges of equal level, newest (highest) first.
fn levels(segments: &[SegmentEntry]) -> Vec<Range<usize>> {
    let mut out: Vec<Range<usize>> = Vec::new();
    for (i, s) in segments.iter().enumerate() {
        match out.last_mut() {
            Some(r) if segments[r.start].level == s.level => r.end = i + 1,
            _ => out.push(i..i + 1),
        }
    }
    out.reverse();
    out
}

#[cfg(test)]
mod tests;
