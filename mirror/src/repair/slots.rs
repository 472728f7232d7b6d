//! Root slots that are broken. A snapshot lies in SNP/ from before a slot names it until long after, so
//! what a slot held mostly follows from what is there: nothing but the mirror's own files is asked.

use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use crate::layout::{self, Folder, Layout, SLOTS};
use crate::lock::{Lock, Mode};
use crate::mirror::{each_blob, find, load_snapshot, read_slots};
use crate::root::{Root, SLOT, Slot};
use crate::snapshot::{FileEntry, MAX_SNAPSHOT, MirrorId, Snapshot};
use crate::verify::Damage;
use std::path::Path;

/// Bytes of a slot's line that are compared, and how many of them may have changed: those of two
/// different states differ in nearly all.
const LINE: usize = 96;
const CHANGED: usize = 24;

struct Candidate {
    root: Root,
    id: MirrorId,
    previous: Option<Hash>,
}

/// Mends what can be mended of the slots of the mirror in `dir`, before it is opened; with `dry`
/// nothing is written. What was wrong with those that were.
pub fn slots(dir: &Path, dry: bool, waiting: &mut dyn FnMut(&str)) -> Result<Vec<Damage>> {
    let layout = find(dir)?;
    let is_broken = |slots: &[Slot; 2]| slots.iter().any(|slot| matches!(slot, Slot::Broken(_)));
    if layout.lower || !is_broken(&read_slots(&layout)?) {
        return Ok(Vec::new());
    }
    let _lock = match dry {
        true => None,
        false => Some(Lock::acquire(&layout.path(layout::LOCK), Mode::Exclusive, waiting)?),
    };
    let slots = read_slots(&layout)?;
    let candidates = candidates(&layout)?;
    let mut mended = Vec::new();
    for (i, slot) in slots.iter().enumerate() {
        let Slot::Broken(what) = slot else { continue };
        let whole = slots[1 - i].root().and_then(|root| Some((root, load_snapshot(&layout, root).ok()?)));
        let fits = |c: &&Candidate| match &whole {
            Some((root, loaded)) => {
                c.id == loaded.snapshot.id
                    && (c.previous == Some(root.snapshot)
                        || loaded.snapshot.previous == Some(c.root.snapshot))
            }
            None => true,
        };
        let path = layout.path(SLOTS[i]);
        let held = file::read(&path, 2 * SLOT as u64).unwrap_or_default();
        let like = candidates.iter().filter(fits).find(|c| changed(&held, &c.root) <= CHANGED);
        // Nothing of the line is left: the state that follows, if all of it is here; else the one before.
        let newer = || {
            let (root, _) = whole.as_ref()?;
            let mut follow = candidates.iter().filter(|c| c.previous == Some(root.snapshot));
            follow.find(|c| fits(c) && is_complete(&layout, &c.root))
        };
        let older = || {
            let (_, loaded) = whole.as_ref()?;
            candidates.iter().find(|c| loaded.snapshot.previous == Some(c.root.snapshot))
        };
        // Where both are gone: the furthest state that is here.
        let furthest = || {
            let own = |c: &&Candidate| readme_names(&layout, c.id);
            let all = whole.is_none().then(|| candidates.iter().filter(own))?;
            (mended.is_empty() && slots[1 - i].root().is_none()).then_some(())?;
            all.max_by_key(|c| c.root.sequence)
        };
        let Some(found) = like.or_else(newer).or_else(older).or_else(furthest) else { continue };
        if !dry {
            if std::fs::symlink_metadata(&path).is_ok_and(|m| !m.is_file()) {
                file::remove(&path)?;
            }
            crate::commit::seal::write_slot(&layout, i, &found.root)?;
        }
        mended.push(Damage { path, what: (*what).into() });
    }
    Ok(mended)
}

/// Bytes of the line in which they differ.
fn changed(held: &[u8], root: &Root) -> usize {
    let line = root.to_bytes();
    let same = held.iter().zip(&line).take(LINE).filter(|(a, b)| a == b).count();
    LINE - same
}

/// Snapshots in SNP/ that are what their names say.
fn candidates(layout: &Layout) -> Result<Vec<Candidate>> {
    let folder = layout.path(Folder::Snapshots.name());
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(Error::io("read", &folder))? {
        let path = entry.map_err(Error::io("read", &folder))?.path();
        let Ok(bytes) = file::read(&path, MAX_SNAPSHOT) else { continue };
        let hash = Hash::of(&bytes);
        let named = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let Ok(snapshot) = Snapshot::parse(&bytes) else { continue };
        if layout::names(&hash).any(|name| name == named) {
            let (sequence, length) = (snapshot.sequence, bytes.len() as u64);
            let root = Root { sequence, snapshot: hash, length, signature: None };
            found.push(Candidate { root, id: snapshot.id, previous: snapshot.previous });
        }
    }
    Ok(found)
}

/// Whether there is a file for each that the state names.
fn is_complete(layout: &Layout, root: &Root) -> bool {
    let Ok(state) = load_snapshot(layout, root).map(|loaded| loaded.snapshot) else { return false };
    let mut complete = true;
    let mut need = |folder: Folder, entry: &FileEntry| {
        complete &= matches!(layout.open(folder, &entry.hash, entry.bytes), Ok(Some(_)));
    };
    state.segments.iter().for_each(|s| need(Folder::Segments, &s.file));
    state.packs.iter().for_each(|pack| need(Folder::Packs, pack));
    let listed = each_blob(layout, &state, &mut |blob, parts| {
        let whole = [blob];
        let parts = if parts.is_empty() { &whole } else { parts };
        parts.iter().for_each(|part| need(Folder::Blobs, part));
        Ok(())
    });
    listed.is_ok() && complete
}

fn readme_names(layout: &Layout, id: MirrorId) -> bool {
    let text = file::read(&layout.path(layout::README), 1 << 16).unwrap_or_default();
    String::from_utf8_lossy(&text).contains(&id.to_string())
}
