//! Bringing one mirror up to date with another, in any direction and order, any number of times:
//! the records are the same in the end (`record::join` says how two are joined), and so is what is here.
//!
//! The version vectors say first whether there is anything to take at all: two slots and one
//! snapshot of the other mirror are read for that. Then there are two ways:
//!
//! * **forward**: all that this mirror holds is in the other one as well. Its state is taken over as it
//!   is, segments and packs with it; only files move. As git's fast-forward.
//! * **joined**: the records of the segments that this mirror does not have are joined with its own,
//!   some thousands a commit, and the packs and blobs that hold something new are taken over whole.
//!
//! Files go to their final names as they arrive. An interrupted sync leaves files that no state
//! names; the next one finds them by their hash. What a commit has made true stays true.
//!
//! A version with two hashes is taken from neither: both are reported, the rest goes on, and the
//! other mirror's claims are not taken over, so that the next sync sounds the alarm again. So it is
//! with what is damaged there, and with what a [`Choice`] leaves out.

mod carrier;
mod copy;
mod gain;
mod joining;

pub use carrier::Carrier;
pub(crate) use copy::is_their_damage;

use crate::batch::{Batch, Claims};
use crate::commit::clean_tmp;
use crate::commit::seal::{NewFile, Next, seal};
use crate::digest::Hash;
use crate::error::{Conflict, Result};
use crate::layout::{self, Folder};
use crate::lock::{Lock, Mode};
use crate::mirror::{self, Mirror};
use crate::record::{Key, VersionRecord};
use crate::snapshot::{self, FileEntry, SegmentEntry, Snapshot};
use copy::Copying;
use joining::Joining;
use std::collections::HashSet;

/// Says of a version whether its archive is wanted.
pub type Wanted<'a> = dyn Fn(&Key, &VersionRecord) -> bool + 'a;

/// What of the other mirror is worth the space.
#[derive(Default)]
pub struct Choice<'a> {
    /// Archives that may be taken; `None`: all.
    pub wanted: Option<&'a Wanted<'a>>,
    /// Bytes of archives at most, in the order of the packages' names.
    pub limit: Option<u64>,
    /// What tells this choice from others, so that a second run knows that it looked already. Empty: it looks each time.
    pub name: String,
}

impl Choice<'_> {
    fn is_all(&self) -> bool {
        self.wanted.is_none() && self.limit.is_none()
    }
    fn is_remembered(&self) -> bool {
        self.is_all() || !self.name.is_empty()
    }
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Way {
    #[default]
    Nothing,
    Forward,
    Joined,
}

/// What there is to take, or was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub way: Way,
    /// Records that change here. Forward: those of the segments taken over.
    pub records: u64,
    /// Archives that are new here; not counted on the way forward.
    pub archives: u64,
    /// Files to copy, and their bytes (chosen archives: each counts as one).
    pub files: u64,
    pub bytes: u64,
    /// Files among them that an interrupted sync had brought already.
    pub found: u64,
    /// Archives that the choice left out, and their bytes.
    pub left_out: u64,
    pub left_out_bytes: u64,
    /// Archives among them that were wanted, and too much.
    pub over_limit: u64,
    /// The same version with other bytes there.
    pub conflicts: Vec<Conflict>,
    /// What the other mirror could not give, and why.
    pub damaged: Vec<String>,
}

/// Whom a running sync tells what.
pub struct Watch<'a> {
    /// Bytes copied, and bytes in all.
    pub progress: &'a mut dyn FnMut(u64, u64),
    /// Who holds a lock that is waited for.
    pub waiting: &'a mut dyn FnMut(&str),
}

/// What [`take`] would do now. Reads, writes nothing.
pub fn plan(target: &Mirror, from: &Carrier, choice: &Choice<'_>) -> Result<Report> {
    let source = from.mirror();
    match way(target.snapshot(), source.snapshot(), choice) {
        Way::Nothing => Ok(Report::default()),
        Way::Forward => Ok(forwarded(target, from, &lacking(target, from)?)),
        Way::Joined => {
            let mut joining = Joining::new(target, from, choice);
            while joining.chunk(target, &mut |_, _| Ok(()))? {}
            Ok(joining.report)
        }
    }
}

/// Takes what the other mirror has and this one lacks. `target` was opened pinned: what is brought
/// and not yet named by a state must not be cleaned up meanwhile.
pub fn take(target: &Mirror, from: &Carrier, choice: &Choice<'_>, watch: &mut Watch<'_>) -> Result<Report> {
    loop {
        let base = target.refresh()?;
        match way(base.snapshot(), from.mirror().snapshot(), choice) {
            Way::Nothing => return Ok(Report::default()),
            Way::Joined => return joined(&base, Joining::new(&base, from, choice), choice, watch),
            Way::Forward => {}
        }
        let lacking = lacking(&base, from)?;
        let report = forwarded(&base, from, &lacking);
        let mut batch = Batch::begin(&base, report.bytes)?;
        let mut copying = Copying::new(base.layout(), from, batch.dir.clone(), report.bytes);
        match forward(&base, from, lacking, &batch, &mut copying, watch)? {
            Forward::Done => {
                batch.clean();
                return Ok(Report { found: copying.found, ..report });
            }
            // Somebody committed meanwhile: what was brought is found again.
            Forward::Overtaken => {}
            // The index is whole and some archive is not: the others, record by record.
            Forward::Damaged => {
                let mut joining = Joining::new(&base, from, choice);
                (joining.lost, joining.report.damaged) = (copying.lost, copying.damaged);
                return joined(&base, joining, choice, watch);
            }
        }
    }
}

fn way(target: &Snapshot, source: &Snapshot, choice: &Choice<'_>) -> Way {
    // A copy of this very mirror, made by other means: what its numbers stand for is not known.
    let copy = target.id == source.id;
    if copy && target.sequence == source.sequence && target.segments == source.segments {
        return Way::Nothing;
    }
    let known = source.is_whole() && target.has(&source.vector);
    let looked =
        || choice.is_remembered() && target.policy_value(&seen(source)) == Some(&mark(source, choice));
    if !copy && (known || looked()) {
        return Way::Nothing;
    }
    let forward =
        !copy && choice.is_all() && target.is_whole() && source.is_whole() && source.has(&target.vector);
    if forward { Way::Forward } else { Way::Joined }
}

/// The policy in which a mirror notes that it has looked at what its vector cannot stand for.
fn seen(source: &Snapshot) -> String {
    format!("{}{}", snapshot::SEEN, source.id)
}

fn mark(source: &Snapshot, choice: &Choice<'_>) -> String {
    format!("{} {}", source.mark(), choice.name)
}

/// Segments of the source that the target does not have.
fn new_segments<'a>(target: &Snapshot, source: &'a Snapshot) -> impl Iterator<Item = &'a SegmentEntry> {
    let known: HashSet<Hash> = target.segments.iter().map(|s| s.file.hash).collect();
    source.segments.iter().filter(move |s| !known.contains(&s.file.hash))
}

/// All files of the source's state that the target's does not name.
fn lacking(target: &Mirror, from: &Carrier) -> Result<Vec<(Folder, FileEntry)>> {
    let (t, s) = (target.snapshot(), from.mirror().snapshot());
    let mut lacking = Vec::new();
    let packs: HashSet<Hash> = t.packs.iter().map(|p| p.hash).collect();
    lacking.extend(s.packs.iter().filter(|p| !packs.contains(&p.hash)).map(|p| (Folder::Packs, *p)));
    if s.blobs != t.blobs
        && let Some((list, _)) = s.blobs
    {
        from.bring(Folder::Snapshots, &list)?;
        let mut known = HashSet::new();
        target.each_blob(&mut |blob, parts| {
            known.extend(parts.iter().map(|p| p.hash).chain((parts.is_empty()).then_some(blob.hash)));
            Ok(())
        })?;
        from.mirror().each_blob(&mut |blob, parts| {
            let whole = [blob];
            let parts = if parts.is_empty() { &whole } else { parts };
            lacking.extend(parts.iter().filter(|p| known.insert(p.hash)).map(|p| (Folder::Blobs, *p)));
            Ok(())
        })?;
        lacking.push((Folder::Snapshots, list));
    }
    lacking.extend(t.newer_tools(s).into_iter().map(|(_, tool, _)| (Folder::Tools, tool)));
    lacking.extend(new_segments(t, s).map(|e| (Folder::Segments, e.file)));
    Ok(lacking)
}

/// What the way forward comes to.
fn forwarded(target: &Mirror, from: &Carrier, lacking: &[(Folder, FileEntry)]) -> Report {
    let new = new_segments(target.snapshot(), from.mirror().snapshot());
    Report {
        way: Way::Forward,
        records: new.map(|s| s.records).sum(),
        files: lacking.len() as u64,
        bytes: lacking.iter().map(|(_, f)| f.bytes).sum(),
        ..Report::default()
    }
}

enum Forward {
    Done,
    Overtaken,
    Damaged,
}

fn forward(
    base: &Mirror,
    from: &Carrier,
    lacking: Vec<(Folder, FileEntry)>,
    batch: &Batch,
    copying: &mut Copying<'_>,
    watch: &mut Watch<'_>,
) -> Result<Forward> {
    let source = from.mirror().snapshot();
    let mut files = Vec::new();
    for (folder, entry) in lacking {
        match copying.bring(folder, &entry, watch)? {
            Some(temp) => files.push(NewFile { temp, folder, entry }),
            None => return Ok(Forward::Damaged),
        }
    }
    let _lock = Lock::acquire(&base.layout().path(layout::LOCK), Mode::Exclusive, watch.waiting)?;
    if base.refresh()?.sequence() != base.sequence() {
        return Ok(Forward::Overtaken);
    }
    clean_tmp(base.layout())?;
    let mut state = base.snapshot().clone();
    state.segments = source.segments.clone();
    state.packs = source.packs.clone();
    state.blobs = source.blobs;
    for (platform, tool, since) in base.snapshot().newer_tools(source) {
        state.set_tool(platform, tool, since);
    }
    if base.is_behind() {
        state.renew();
    }
    for (id, n) in &source.vector {
        match state.vector.binary_search_by(|(own, _)| own.cmp(id)) {
            Ok(i) => state.vector[i].1 = state.vector[i].1.max(*n),
            Err(i) => state.vector.insert(i, (*id, *n)),
        }
    }
    seal(base, &batch.dir, Next { state, date: mirror::now(), files }, &mut |_| {})?;
    Ok(Forward::Done)
}

/// Joins record by record, some thousands a commit.
fn joined(
    base: &Mirror,
    mut joining: Joining<'_>,
    choice: &Choice<'_>,
    watch: &mut Watch<'_>,
) -> Result<Report> {
    let from = joining.from;
    // Chosen archives are copied as they are met; what they come to has to be known before. Of others it is
    // known when the first thousands of records have been looked through, which mostly are all.
    let mut total = if choice.is_all() { None } else { Some(plan(base, from, choice)?.bytes) };
    let (mut brought, mut found) = (0, 0);
    loop {
        let base = base.refresh()?;
        let from_here = joining.position();
        let batch = Batch::begin(&base, if brought == 0 { total.unwrap_or(0) } else { 0 })?;
        let mut copying = Copying::new(base.layout(), from, batch.dir.clone(), total.unwrap_or(0));
        copying.copied = brought;
        let (mut packs, mut blobs): (HashSet<Hash>, HashSet<FileEntry>) = Default::default();
        let more = joining.chunk(&base, &mut |gain, chosen| {
            if choice.is_all() {
                packs.extend(&gain.packs);
                blobs.extend(gain.blobs.iter().copied());
                batch.put_view(&gain.record)
            } else {
                copying.archives(from.mirror(), &batch, gain, chosen, watch)
            }
        })?;
        if total.is_none() {
            copying.total = joining.report.bytes + if more { joining.ahead(&base)? } else { 0 };
            batch.reserve(copying.total)?;
            total = Some(copying.total);
        }
        for pack in from.mirror().snapshot().packs.iter().filter(|p| packs.contains(&p.hash)) {
            if let Some(path) = copying.bring(Folder::Packs, pack, watch)? {
                batch.adopt_pack(*pack, path);
            }
        }
        for blob in &blobs {
            let parts = from.mirror().blob_parts(&blob.hash, blob.bytes)?.unwrap_or_default();
            let mut here = Vec::new();
            for part in &parts {
                here.extend(copying.bring(Folder::Blobs, part, watch)?.map(|path| (*part, path)));
            }
            if !parts.is_empty() && here.len() == parts.len() {
                batch.adopt_blob(*blob, here);
            } else {
                copying.lost.insert(blob.hash);
            }
        }
        (brought, found) = (copying.copied, found + copying.found);
        if !copying.lost.is_empty() {
            // Once more from where this began, without what cannot be had.
            joining.again(from_here, copying.lost, copying.damaged);
            continue;
        }
        let source = from.mirror().snapshot();
        // Room that was set is for archives.
        if !more && choice.limit.is_none() {
            for (platform, tool, since) in base.snapshot().newer_tools(source) {
                joining.report.files += 1;
                joining.report.bytes += tool.bytes;
                if let Some(path) = copying.bring(Folder::Tools, &tool, watch)? {
                    batch.adopt_tool(platform, tool, since, path);
                }
            }
            joining.report.damaged.append(&mut copying.damaged);
        }
        let report = &joining.report;
        let looked =
            !more && report.conflicts.is_empty() && report.damaged.is_empty() && base.id() != source.id;
        let all = looked && report.left_out == 0 && source.is_whole();
        if looked && !all && choice.is_remembered() {
            batch.set_policy(&seen(source), Some(&mark(source, choice)));
        }
        batch.merge(Claims { vector: if all { source.vector.clone() } else { Vec::new() } });
        batch.commit(watch.waiting)?;
        if !more {
            return Ok(Report { found, ..joining.report });
        }
    }
}

#[cfg(test)]
mod tests;
