//! Making a batch true. The order is what survives a power cut on FAT:
//!
//! 1. under the writer lock, read the root again (somebody may have committed)
//!    and join the batch's records with what the mirror has now;
//! 2. write segment, blob list and snapshot into TMP/;
//! 3. rename everything to new names, never over an existing one;
//! 4. make it durable (each file after its rename, or one `syncfs`), and the directories; on FAT first
//!    the folder in TMP/, so that no name there still claims what has been renamed (`file`);
//! 5. overwrite the older root slot in place, make it durable.
//!
//! Up to the last step readers and the next process see the old state.

pub(crate) mod seal;

use seal::{NewFile, Next, seal};

use crate::batch::{Batch, Change, Packing, Spool, State};
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use crate::layout::{self, Folder, Layout};
use crate::lock::{Lock, Mode};
use crate::mirror::{self, Mirror};
use crate::record::join::{Teller, join, restricted, without};
use crate::record::{Location, RecordBuilder, RecordView, VersionRecord};
use crate::segment::{Content, Item, Merge, SegmentWriter, Source};
use crate::snapshot::{self, Exclusion, FileEntry, MirrorId, SegmentEntry, Snapshot};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Small deltas that may lie above the base before they are merged.
pub(crate) const MAX_DELTAS: usize = 8;

/// What a commit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitReport {
    /// The mirror's sequence now. Unchanged when there was nothing to do.
    pub sequence: u64,
    /// Records that were written or removed.
    pub records: u64,
    /// Files that are new in the mirror, and their bytes.
    pub files: u64,
    pub bytes: u64,
}

impl Batch {
    /// Makes everything that was put and removed true at once, durably. Waits
    /// for the writer lock; `waiting` is told once who holds it.
    ///
    /// On an error the mirror is as it was.
    pub fn commit(self, waiting: &mut dyn FnMut(&str)) -> Result<CommitReport> {
        self.finish(true, None, waiting, &mut |_| {})
    }

    /// As [`commit`](Self::commit): what was put takes the place of what is there.
    pub(crate) fn mend(self, drop: &Dropping, waiting: &mut dyn FnMut(&str)) -> Result<CommitReport> {
        self.finish(true, Some(drop), waiting, &mut |_| {})
    }

    /// As [`commit`](Self::commit), just as durable, but index blocks are stored
    /// instead of deflated: for the write-through of an install. A later commit
    /// or `gc` compresses them.
    pub fn commit_relaxed(self, waiting: &mut dyn FnMut(&str)) -> Result<CommitReport> {
        self.finish(false, None, waiting, &mut |_| {})
    }

    /// `step` is told after every operation that changes the directory.
    pub(crate) fn finish(
        mut self,
        compress: bool,
        mending: Option<&Dropping>,
        waiting: &mut dyn FnMut(&str),
        step: &mut dyn FnMut(&'static str),
    ) -> Result<CommitReport> {
        let result = self.run(compress, mending, waiting, step);
        self.clean();
        result
    }

    fn run(
        &self,
        compress: bool,
        mending: Option<&Dropping>,
        waiting: &mut dyn FnMut(&str),
        step: &mut dyn FnMut(&'static str),
    ) -> Result<CommitReport> {
        let _lock = Lock::acquire(&self.mirror.layout().path(layout::LOCK), Mode::Exclusive, waiting)?;
        let base = self.mirror.refresh()?;
        clean_tmp(base.layout())?;
        let packing = &mut *self.packing();
        self.close_pack(packing)?;
        let state = &mut *self.state();
        let mut commit = Commit::new(&self.dir, &base, packing, compress);
        if let Some(drop) = mending {
            (commit.dropping, commit.mends, commit.compact) = (Some(drop), true, drop.unreadable);
        }
        commit.run(state, step)
    }
}

/// What leaves the lists.
#[derive(Default)]
pub(crate) struct Dropping {
    pub packs: HashSet<Hash>,
    pub blobs: HashSet<Hash>,
    /// Records that cannot be read.
    pub unreadable: bool,
    /// The blob list, where the one that is there cannot be read: blobs with their parts, sorted.
    pub listed: Option<Vec<(FileEntry, Vec<FileEntry>)>>,
}

/// A new state with the same records (for `gc`): without what is dropped, and
/// with `compact` all levels merged into one. The caller holds the writer lock;
/// `dir` is a folder for temporary files.
pub(crate) fn rewrite(dir: &Path, base: &Mirror, drop: &Dropping, compact: bool) -> Result<CommitReport> {
    let mut packing = Packing::default();
    let mut c = Commit::new(dir, base, &mut packing, true);
    c.compact = compact;
    c.dropping = Some(drop);
    c.run(&mut State::default(), &mut |_| {})
}

struct Commit<'a> {
    dir: &'a Path,
    base: &'a Mirror,
    packing: &'a mut Packing,
    compress: bool,
    /// All levels are merged into one.
    compact: bool,
    /// A new snapshot is written even if nothing changed, without these.
    dropping: Option<&'a Dropping>,
    /// What is put takes the place of what is there.
    mends: bool,
    used_packs: HashSet<Hash>,
    used_blobs: BTreeSet<Hash>,
    /// In order, each once.
    exclusions: Vec<Exclusion>,
}

/// Records that changed, in a spool: key, offset, length.
type Changed = Vec<(Vec<u8>, u64, usize)>;

impl<'a> Commit<'a> {
    fn new(dir: &'a Path, base: &'a Mirror, packing: &'a mut Packing, compress: bool) -> Self {
        let mut exclusions = base.snapshot().exclusions.clone();
        crate::order::sort(&mut exclusions);
        exclusions.dedup();
        Self {
            dir,
            base,
            packing,
            compress,
            compact: false,
            dropping: None,
            mends: false,
            used_packs: HashSet::new(),
            used_blobs: BTreeSet::new(),
            exclusions,
        }
    }

    fn run(mut self, state: &mut State, step: &mut dyn FnMut(&'static str)) -> Result<CommitReport> {
        let old = self.base.snapshot();
        let (spool, changed) = self.join_all(state)?;
        let mut next = old.clone();
        next.exclusions = std::mem::take(&mut self.exclusions);
        if let Some(label) = state.label.take() {
            next.label = label;
        }
        let mut policy: BTreeMap<String, Option<String>> = BTreeMap::new();
        policy.extend(next.policy.drain(..).map(|(name, value)| (name, Some(value))));
        policy.extend(std::mem::take(&mut state.policy));
        next.policy = policy.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let tools = std::mem::take(&mut state.tools);
        tools.iter().for_each(|(platform, entry, since, _)| next.set_tool(platform, *entry, *since));
        self.own(&changed, &mut next, state);
        let same = next.tools == old.tools
            && next.label == old.label
            && next.policy == old.policy
            && next.exclusions == old.exclusions
            && next.vector == old.vector;
        if changed.is_empty() && same && self.dropping.is_none() {
            return Ok(CommitReport { sequence: old.sequence, ..CommitReport::default() });
        }

        // Everything into TMP/ …
        let mut files: Vec<NewFile> = Vec::new();
        files.extend(tools.into_iter().map(|(_, entry, _, temp)| NewFile {
            temp,
            folder: Folder::Tools,
            entry,
        }));
        for (entry, temp) in self.write_segments(&mut next, &spool, &changed)? {
            files.push(NewFile { temp, folder: Folder::Segments, entry: entry.file });
        }
        self.collect_packs(&mut next, &mut files);
        self.collect_blobs(&mut next, &mut files)?;
        let date = state.date.unwrap_or_else(mirror::now);
        let report = seal(self.base, self.dir, Next { state: next, date, files }, step)?;
        Ok(CommitReport { records: changed.len() as u64, ..report })
    }

    /// What the state will hold of whom. Its own entry grows when it holds something that no other
    /// mirror's entry stands for. With a note of a removal gone, what others have of that package
    /// is wanted again: all that is known of them goes, and the next sync looks.
    ///
    /// So it is when archives or records went that stay known to others: what they stand for is no longer
    /// here. A state that cannot be read any more is not forgotten by who has seen it either.
    fn own(&self, changed: &Changed, next: &mut Snapshot, state: &State) {
        let old = self.base.snapshot();
        let merged = state.merged.as_ref();
        let mut vector: BTreeMap<MirrorId, u64> = old.vector.iter().copied().collect();
        let claimed = next.is_whole() && merged.is_some_and(|c| !c.vector.is_empty());
        // Where an archive lies is no fact that others would want.
        let told = !changed.is_empty() || next.tools != old.tools;
        let mut grows = told && !claimed && !self.mends;
        let fewer = state.fewer || self.dropping.is_some_and(|d| d.unreadable);
        if fewer || old.exclusions.iter().any(|e| !next.exclusions.contains(e)) {
            vector.clear();
            next.policy.retain(|(name, _)| !name.starts_with(snapshot::SEEN));
            next.renew();
            grows = true;
        } else if self.base.is_behind() {
            next.renew();
        }
        for (id, sequence) in merged.iter().flat_map(|c| &c.vector) {
            let known = vector.entry(*id).or_default();
            *known = (*known).max(*sequence);
        }
        if grows {
            vector.insert(next.origin(), self.base.next_sequence());
        }
        next.vector = vector.into_iter().collect();
    }

    /// Joins what was asked for with what is there. Only what changes is kept.
    fn join_all(&mut self, state: &mut State) -> Result<(Spool, Changed)> {
        let mut spool = Spool::default();
        let mut changed = Vec::new();
        let theirs = state.merged.is_some() || self.mends;
        let teller = if theirs { Teller::Mirror } else { Teller::Upstream };
        for (bytes, changes) in std::mem::take(&mut state.changes) {
            let key = snapshot::key_from_bytes(&bytes)
                .ok_or(Error::Record { key: String::new(), what: "has a bad key" })?;
            let before = self.base.lookup(&key)?;
            let mut now = before.clone();
            for change in changes {
                now = match change {
                    Change::Put(at, len) => {
                        let new = RecordView::parse(state.spool.read(at, len)?.into())?;
                        let told =
                            (0..new.len()).filter(|i| teller == Teller::Upstream && new.is_present(*i));
                        for i in told {
                            // In again on purpose: the note goes.
                            let version = new.version(i);
                            self.exclusions.retain(|e| {
                                e.key != key || e.version.as_deref().is_some_and(|v| v != version)
                            });
                        }
                        if let (true, Some(view)) = (self.mends, &now) {
                            let again =
                                |i: &usize| new.find(view.version(*i)).is_some_and(|j| new.is_present(j));
                            now = Some(left_out(view, (0..view.len()).filter(again).collect())?);
                        }
                        let place = &mut |v: &VersionRecord| self.place(v);
                        Some(RecordView::parse(join(now.as_ref(), &new, teller, place)?.into())?)
                    }
                    Change::Absent(version) => match now {
                        Some(view) => Some(left_out(&view, view.find(&version).into_iter().collect())?),
                        None => None,
                    },
                    Change::Remove(version) => {
                        let rest = match (&now, &version) {
                            (Some(view), Some(v)) if view.find(v).is_some() => {
                                Some(RecordView::parse(without(view, v)?.into())?)
                            }
                            (view, Some(_)) => view.clone(),
                            (_, None) => None,
                        };
                        if version.is_none() {
                            self.exclusions.retain(|e| e.key != key);
                        }
                        let note = Exclusion { key: key.clone(), version };
                        if let Err(at) = self.exclusions.binary_search(&note) {
                            self.exclusions.insert(at, note);
                        }
                        rest.filter(|r| !r.is_empty())
                    }
                };
            }
            if let Some(view) = &now {
                self.note_used(view)?;
            }
            let bytes_now = match (&before, &now) {
                (None, None) => continue,
                // A record without anything hides what older levels have.
                (Some(_), None) => RecordBuilder::new(key.clone()).finish()?,
                (_, Some(view)) => view.to_bytes()?.into_owned(),
            };
            if let Some(b) = &before
                && *b.to_bytes()? == *bytes_now
            {
                continue;
            }
            let at = spool.append(self.dir, &bytes_now)?;
            changed.push((bytes, at, bytes_now.len()));
        }
        Ok((spool, changed))
    }

    /// Where an archive of the batch really lies: its pack has its hash now. A
    /// place that this mirror does not have (any more) is none.
    fn place(&self, v: &VersionRecord) -> Location {
        match &v.location {
            Location::Pack { pack, offset } => match self.packing.packs.get(pack) {
                Some((entry, _)) => Location::Pack { pack: entry.hash, offset: *offset },
                None if self.base.snapshot().packs.binary_search_by(|p| p.hash.cmp(pack)).is_ok() => {
                    v.location.clone()
                }
                None => Location::Absent,
            },
            Location::Blob if v.sha256.is_some_and(|h| self.packing.blobs.contains_key(&h)) => Location::Blob,
            _ => Location::Absent,
        }
    }

    fn note_used(&mut self, view: &RecordView) -> Result<()> {
        self.used_packs.extend(view.packs());
        for i in (0..view.len()).filter(|i| view.location(*i) == Location::Blob) {
            self.used_blobs.extend(view.load(i)?.sha256);
        }
        Ok(())
    }

    /// Writes what changed as a new delta, together with the levels that are
    /// not much larger than it, so that there are never many.
    fn write_segments(
        &self,
        next: &mut Snapshot,
        spool: &Spool,
        changed: &Changed,
    ) -> Result<Vec<(SegmentEntry, PathBuf)>> {
        let levels = self.base.levels();
        let merged = if self.compact {
            levels.len()
        } else if changed.is_empty() {
            0
        } else {
            let bytes = |r: &Range<usize>| next.segments[r.clone()].iter().map(|s| s.file.bytes).sum();
            let raw: u64 = changed.iter().map(|c| c.2 as u64).sum();
            to_merge(levels.iter().map(bytes).collect(), if self.compress { raw / 3 } else { raw })
        };
        if changed.is_empty() && merged == 0 {
            return Ok(Vec::new());
        }
        let all = merged == levels.len();
        let rest = levels.get(merged).map(|r| next.segments[r.start].level);
        let level = rest.map_or(0, |l| l + 1);
        let mut writer = SegmentWriter::new(self.dir, level, self.compress);
        let mut sources: Vec<Box<dyn Source + '_>> =
            vec![Box::new(Joined { spool, changed: changed.iter() })];
        let unreadable = self.dropping.is_some_and(|d| d.unreadable);
        sources.extend(self.base.sources(0..merged, b"", unreadable));
        let mut merge = Merge::new(sources);
        while let Some(Item { key, content }) = merge.next()? {
            // Under a record that says so and cannot be read may lie what was removed on purpose.
            if unreadable && snapshot::key_from_bytes(&key).is_none_or(|key| next.is_excluded(&key, None)) {
                continue;
            }
            match content {
                Content::Record(r) => {
                    // Nothing lies below that a removed package's mark could hide.
                    if !(all && RecordView::parse(r.clone().into())?.is_tombstone()) {
                        writer.push(&key, &r)?;
                    }
                }
                large if self.compress => {
                    let view = Item { key: key.clone(), content: large }.view()?;
                    writer.push(&key, &view.to_bytes()?)?;
                }
                Content::Large { stored, raw } => writer.push_large(&key, &stored, raw)?,
            }
        }
        let done = writer.finish()?;
        next.segments.retain(|s| rest.is_some_and(|l| s.level <= l));
        next.segments.extend(done.iter().map(|(e, _)| e.clone()));
        Ok(done)
    }

    fn collect_packs(&mut self, next: &mut Snapshot, files: &mut Vec<NewFile>) {
        if let Some(drop) = self.dropping {
            next.packs.retain(|p| !drop.packs.contains(&p.hash));
        }
        for (_, (entry, temp)) in self.packing.packs.drain() {
            // All its archives were here already: not needed.
            if self.used_packs.contains(&entry.hash) {
                next.packs.push(entry);
                files.push(NewFile { temp, folder: Folder::Packs, entry });
            }
        }
        crate::order::sort(&mut next.packs);
        next.packs.dedup();
    }

    /// The old blob list and the new blobs, both sorted, into a new list.
    fn collect_blobs(&mut self, next: &mut Snapshot, files: &mut Vec<NewFile>) -> Result<()> {
        let blobs = std::mem::take(&mut self.packing.blobs);
        let mut new = blobs.into_iter().filter(|(h, _)| self.used_blobs.contains(h)).peekable();
        let dropped = self.dropping.map(|d| &d.blobs).filter(|b| !b.is_empty());
        let same_list = self.dropping.is_none_or(|d| d.listed.is_none());
        if new.peek().is_none() && dropped.is_none() && same_list {
            return Ok(());
        }
        let temp = self.dir.join("BLOBS");
        let mut out = BufWriter::new(file::create_new(&temp)?);
        let mut count = 0;
        let mut line = |blob: FileEntry, parts: &[FileEntry]| {
            count += 1;
            write!(out, "{} {}", blob.hash, blob.bytes)
                .and_then(|()| parts.iter().try_for_each(|p| write!(out, " {} {}", p.hash, p.bytes)))
                .and_then(|()| writeln!(out))
                .map_err(Error::io("write", &temp))
        };
        let mut add = |hash: Hash,
                       blob: crate::batch::PendingBlob,
                       line: &mut dyn FnMut(FileEntry, &[FileEntry]) -> Result<()>| {
            let parts: Vec<FileEntry> = blob.parts.iter().map(|(e, _)| *e).collect();
            files.extend(blob.parts.into_iter().map(|(entry, temp)| NewFile {
                temp,
                folder: Folder::Blobs,
                entry,
            }));
            line(FileEntry { hash, bytes: blob.bytes }, if parts.len() > 1 { &parts } else { &[] })
        };
        let listed = self.dropping.and_then(|d| d.listed.as_ref());
        let mut each = |old: FileEntry, parts: &[FileEntry]| {
            while let Some((hash, blob)) = new.next_if(|(h, _)| *h < old.hash) {
                add(hash, blob, &mut line)?;
            }
            match new.next_if(|(h, _)| *h == old.hash) {
                Some((hash, blob)) if self.mends => return add(hash, blob, &mut line),
                // Here already: the file that is there stays.
                _ => {}
            }
            if dropped.is_some_and(|d| d.contains(&old.hash)) { Ok(()) } else { line(old, parts) }
        };
        match listed {
            Some(listed) => listed.iter().try_for_each(|(blob, parts)| each(*blob, parts))?,
            None => self.base.each_blob(&mut each)?,
        }
        for (hash, blob) in new {
            add(hash, blob, &mut line)?;
        }
        out.flush().map_err(Error::io("write", &temp))?;
        drop(out);
        let list = file::open_regular(&temp)?;
        let bytes = list.metadata().map_err(Error::io("read", &temp))?.len();
        let entry = FileEntry { hash: layout::hash_of(&list, &temp)?, bytes };
        next.blobs = (count > 0).then_some((entry, count));
        if count > 0 {
            files.push(NewFile { temp, folder: Folder::Snapshots, entry });
        }
        Ok(())
    }
}

/// The same record; of those rows the archives are not here.
fn left_out(view: &RecordView, rows: HashSet<usize>) -> Result<RecordView> {
    RecordView::parse(restricted(view, &HashSet::new(), &rows)?.into())
}

/// How many of the levels, newest first and each with its bytes, a delta of `size` bytes takes in: those
/// that are not much larger than what they are merged with, and as many as there are too many.
fn to_merge(levels: Vec<u64>, mut size: u64) -> usize {
    let mut merged = 0;
    while merged < levels.len() && (levels[merged] <= 2 * size || levels.len() - merged > MAX_DELTAS) {
        size += levels[merged];
        merged += 1;
    }
    merged
}

/// The records of this commit as the newest source of a merge.
struct Joined<'a> {
    spool: &'a Spool,
    changed: std::slice::Iter<'a, (Vec<u8>, u64, usize)>,
}

impl Source for Joined<'_> {
    fn next(&mut self) -> Result<Option<Item>> {
        let Some((key, at, len)) = self.changed.next() else { return Ok(None) };
        Ok(Some(Item { key: key.clone(), content: Content::Record(self.spool.read(*at, *len)?) }))
    }
}

/// Removes what dead batches left. Under the writer lock.
pub(crate) fn clean_tmp(layout: &Layout) -> Result<()> {
    let tmp = layout.path(layout::TMP);
    let mut stems = BTreeSet::new();
    for entry in std::fs::read_dir(&tmp).map_err(Error::io("read", &tmp))? {
        let entry = entry.map_err(Error::io("read", &tmp))?;
        stems.insert(PathBuf::from(entry.file_name()).with_extension(""));
    }
    for stem in stems {
        let path = tmp.join(stem);
        let guard = path.with_extension("LCK");
        // A batch makes its lock before its folder and holds it all its life.
        let Ok(Some(lock)) = Lock::attempt(&guard, Mode::Exclusive) else { continue };
        let _ = std::fs::remove_dir_all(&path);
        let _ = std::fs::remove_file(&path);
        let _ = std::fs::remove_file(&guard);
        drop(lock);
    }
    Ok(())
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
