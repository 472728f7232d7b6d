//! Archives one by one, and the lists of where they are.

use super::files::{path, settle};
use super::{Help, Mended, Report, shown};
use crate::batch::Batch;
use crate::commit::Dropping;
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::layout::Folder;
use crate::mirror::{ArchiveSource, Mirror, Prefix};
use crate::record::{Key, Location, RecordBuilder, RecordView, VersionRecord};
use crate::snapshot::FileEntry;
use crate::sync::{Carrier, Watch};
use crate::verify::{Damage, Faults};
use std::collections::HashSet;
use std::io::Read;

/// Brings damaged archives from wherever they are, and tells the records.
pub(super) fn mend(
    now: &Mirror,
    faults: &Faults,
    help: &Help<'_>,
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let of = |folder: Folder| {
        let files = faults.files.iter().filter(move |(of, _)| *of == folder);
        files.map(|(_, entry)| entry.hash).collect::<HashSet<Hash>>()
    };
    let (packs, blobs) = (of(Folder::Packs), of(Folder::Blobs));
    let wrong: HashSet<(Vec<u8>, &str)> =
        faults.archives.iter().map(|(key, version)| (key.to_bytes(), version.as_str())).collect();
    let mut drop = Dropping::default();
    let batch = Batch::begin(now, 0)?;
    let (mut kept, mut mended): (HashSet<Hash>, Vec<Mended>) = Default::default();
    let blind = super::is_blind(now, faults);
    walk(now, blind, &mut |view| {
        let mut rows = RecordBuilder::new(view.key().clone());
        let bytes = view.key().to_bytes();
        for i in (0..view.len()).filter(|i| view.is_present(*i)) {
            let suspect = match view.location(i) {
                Location::Pack { pack, .. } => packs.contains(&pack),
                _ => false,
            };
            let is_wrong = wrong.contains(&(bytes.clone(), view.version(i)));
            if !suspect && !is_wrong && view.location(i) != Location::Blob {
                continue;
            }
            let v = view.load(i)?;
            let lost_blob = v.sha256.filter(|h| v.location == Location::Blob && blobs.contains(h));
            if !(is_wrong || lost_blob.is_some() || suspect && !is_here(now, &v)) {
                continue;
            }
            // The same bytes may have come under another name.
            let twice = v.sha256.and_then(|hash| batch.packing().stored.get(&hash).cloned());
            let mut found = twice.map(|stored| (stored, None));
            for other in help.others {
                if found.is_none()
                    && let Some(source) = there(other, view.key(), &v)
                {
                    found = batch.take(source, &v)?.map(|stored| (stored, Some(other.place())));
                }
            }
            let what = format!("{}@{}", view.key().name, v.version);
            match found {
                Some((stored, from)) => {
                    report.bytes += v.size;
                    mended.push(Mended { what, from });
                    rows.push_version(&stored.of(v))?;
                }
                None if help.forget => {
                    batch.leave_out(view.key(), view.version(i));
                    drop.blobs.extend(v.sha256.filter(|_| v.location == Location::Blob));
                    report.forgotten.push(format!("the archive of {what}"));
                }
                None => {
                    kept.extend(match v.location {
                        Location::Pack { pack, .. } => Some(pack),
                        _ => None,
                    });
                }
            }
        }
        if rows.is_empty() { Ok(()) } else { batch.put_encoded(view.key(), &rows.finish()?) }
    })?;
    // A record that cannot be read may need any of them.
    drop.packs = packs.into_iter().filter(|pack| !blind && !kept.contains(pack)).collect();
    if !drop.packs.is_empty() {
        // What is whole of a pack that goes.
        walk(now, false, &mut |view| {
            let mut rows = RecordBuilder::new(view.key().clone());
            for i in (0..view.len()).filter(|i| view.is_present(*i)) {
                if !matches!(view.location(i), Location::Pack { pack, .. } if drop.packs.contains(&pack)) {
                    continue;
                }
                let v = view.load(i)?;
                let taken_already = batch.packing().stored.get(&v.sha256.unwrap_or(Hash([0; 32]))).cloned();
                let stored = match taken_already {
                    Some(stored) => Some(stored),
                    None => match now.read_archive(&view.key().name, &v) {
                        Ok(source) => batch.take(source, &v)?,
                        Err(_) if help.forget => None,
                        Err(e) => return Err(e),
                    },
                };
                match stored {
                    Some(stored) => rows.push_version(&stored.of(v))?,
                    // It goes with its pack where that was asked for; otherwise it was whole just now.
                    None if help.forget => {}
                    None => return Err(Error::damaged(now.dir(), "it cannot be read twice alike")),
                }
            }
            if rows.is_empty() { Ok(()) } else { batch.put_encoded(view.key(), &rows.finish()?) }
        })?;
    }
    let names = |pack: &Hash| now.snapshot().packs.iter().any(|p| p.hash == *pack);
    if mended.is_empty() && drop.blobs.is_empty() && !drop.packs.iter().any(names) {
        return Ok(());
    }
    batch.mend(&drop, watch.waiting)?;
    report.mended.extend(mended);
    Ok(())
}

/// Records; with `lenient` without those that cannot be read.
fn walk(now: &Mirror, lenient: bool, f: &mut dyn FnMut(RecordView) -> Result<()>) -> Result<()> {
    if lenient { now.for_each_whole(f) } else { now.for_each(Prefix::All, f) }
}

fn is_here(now: &Mirror, v: &VersionRecord) -> bool {
    let mut bytes = Vec::new();
    let read = now.read_archive("", v).map(|archive| archive.take(v.size + 1).read_to_end(&mut bytes));
    matches!(read, Ok(Ok(_))) && v.sha256 == Some(Hash::of(&bytes))
}

/// The same archive in another mirror; its bytes have yet to be looked at.
fn there(other: &Carrier, key: &Key, ours: &VersionRecord) -> Option<ArchiveSource> {
    other.bring_index().ok()?;
    let mirror = other.mirror();
    let view = mirror.lookup(key).ok()??;
    let i = view.find(&ours.version.to_string()).filter(|i| view.is_present(*i))?;
    let theirs = view.load(i).ok()?;
    if theirs.sha256 != ours.sha256 || theirs.sha256.is_none() || theirs.size != ours.size {
        return None;
    }
    other.bring_archive(&theirs).ok()?;
    mirror.read_archive(&key.name, &theirs).ok()
}

/// Makes the blob list anew, from the records; whether it did.
pub(super) fn list(
    now: &Mirror,
    faults: &Faults,
    help: &Help<'_>,
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<bool> {
    let Some((list, _)) = now.snapshot().blobs else { return Ok(false) };
    if !faults.files.contains(&(Folder::Snapshots, list)) {
        return Ok(false);
    }
    let mut blobs: Vec<FileEntry> = Vec::new();
    walk(now, false, &mut |view| {
        for i in (0..view.len()).filter(|i| view.location(*i) == Location::Blob) {
            let v = view.load(i)?;
            blobs.extend(v.sha256.map(|hash| FileEntry { hash, bytes: v.size }));
        }
        Ok(())
    })?;
    crate::order::sort(&mut blobs);
    blobs.dedup();
    let mut listed = Vec::new();
    for blob in blobs {
        let here = |part: &FileEntry| {
            matches!(now.layout().open(Folder::Blobs, &part.hash, part.bytes), Ok(Some(_)))
        };
        // Which parts one has only a list says; that they make it up is looked at afterwards.
        let parts = || {
            let lists = help.others.iter().filter(|other| other.bring_index().is_ok());
            let mut parts = lists.filter_map(|o| o.mirror().blob_parts(&blob.hash, blob.bytes).ok()?);
            parts.find(|parts| parts.len() > 1 && parts.iter().all(here))
        };
        let parts = if here(&blob) { None } else { parts() };
        listed.push((blob, parts.unwrap_or_default()));
    }
    let mut text = String::new();
    for (blob, parts) in &listed {
        text.push_str(&format!("{} {}", blob.hash, blob.bytes));
        parts.iter().for_each(|p| text.push_str(&format!(" {} {}", p.hash, p.bytes)));
        text.push('\n');
    }
    let batch = Batch::begin(now, text.len() as u64)?;
    if Hash::of(text.as_bytes()) == list.hash {
        let temp = batch.dir.join("LIST");
        crate::file::write_scratch(&temp, text.as_bytes())?;
        settle(now, &batch, &mut vec![(temp, Folder::Snapshots, list)], watch)?;
    } else {
        batch.mend(&Dropping { listed: Some(listed), ..Dropping::default() }, watch.waiting)?;
    }
    let what = shown(&path(now.layout(), Folder::Snapshots, &list.hash));
    report.mended.push(Mended { what, from: None });
    Ok(true)
}

/// What would become of one archive; of `settled` packs and blobs a copy was found.
pub(super) fn plan(
    now: &Mirror,
    key: &Key,
    version: &str,
    settled: &HashSet<Hash>,
    help: &Help<'_>,
    report: &mut Report,
) {
    let Ok(Some(v)) = now.find_archive(key, version) else { return };
    let covered = match &v.location {
        Location::Pack { pack, .. } => settled.contains(pack),
        _ => v.sha256.is_some_and(|hash| settled.contains(&hash)),
    };
    if covered {
        return;
    }
    let what = format!("{}@{version}", key.name);
    match help.others.iter().find(|other| there(other, key, &v).is_some()) {
        Some(other) => {
            report.bytes += v.size;
            report.mended.push(Mended { what, from: Some(other.place()) });
        }
        None => {
            let path = now.dir().to_path_buf();
            report.lost.push(Damage { path, what: format!("the archive of {what} is in no other mirror") });
        }
    }
}
