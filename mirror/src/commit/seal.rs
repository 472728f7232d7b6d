//! Steps 3 to 5 of a commit: a state whose files are prepared becomes the mirror's.

use super::CommitReport;
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use crate::layout::{Folder, Layout, SLOTS};
use crate::mirror::Mirror;
use crate::root::Root;
use crate::snapshot::{FileEntry, Snapshot};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The state that is to follow.
pub(crate) struct Next {
    /// Its sequence, the state before it, its date and signatures are filled in here.
    pub state: Snapshot,
    /// Unix seconds.
    pub date: u64,
    /// The files that it names and the mirror does not have yet.
    pub files: Vec<NewFile>,
}

/// A file that is whole.
pub(crate) struct NewFile {
    /// In the writer's folder in TMP/; a file elsewhere has its name already.
    pub temp: PathBuf,
    pub folder: Folder,
    pub entry: FileEntry,
}

/// Makes `next` the state that follows `base`. The caller holds the writer lock since before he
/// read `base`; `dir` is his folder in TMP/.
pub(crate) fn seal(
    base: &Mirror,
    dir: &Path,
    next: Next,
    step: &mut dyn FnMut(&'static str),
) -> Result<CommitReport> {
    let Next { mut state, date, mut files } = next;
    state.sequence = base.next_sequence();
    state.previous = Some(base.snapshot_file().hash);
    state.date = date;
    let bytes = base.sealed(&mut state)?;
    let entry = FileEntry { hash: Hash::of(&bytes), bytes: bytes.len() as u64 };
    let temp = dir.join("SNAPSHOT");
    write_new(&temp, &bytes)?;
    files.push(NewFile { temp, folder: Folder::Snapshots, entry });
    step("prepared");

    // To the names they deserve, durable …
    let layout = base.layout();
    let mut placed = Vec::new();
    for file in &files {
        placed.push(match file.temp.starts_with(dir) {
            true => layout.place(&file.temp, file.folder, &file.entry.hash, file.entry.bytes)?,
            false => file.temp.clone(),
        });
        step("renamed");
    }
    crate::order::sort(&mut placed);
    placed.dedup();
    file::sync_files(&layout.dir, dir, &placed)?;
    step("synced");

    // … and true.
    let root = Root { sequence: state.sequence, snapshot: entry.hash, length: entry.bytes, signature: None };
    write_slot(layout, 1 - base.chosen(), &root)?;
    step("rooted");
    Ok(CommitReport {
        sequence: state.sequence,
        records: 0,
        files: files.len() as u64,
        bytes: files.iter().map(|f| f.entry.bytes).sum(),
    })
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<()> {
    file::create_new(path)?.write_all(bytes).map_err(Error::io("write", path))
}

/// Overwrites a slot in place: 4,096 bytes, no change to any directory.
pub(crate) fn write_slot(layout: &Layout, slot: usize, root: &Root) -> Result<()> {
    let path = layout.path(SLOTS[slot]);
    let file = file::open_or_create(&path)?;
    let fresh = file.metadata().map_err(Error::io("write", &path))?.len() != crate::root::SLOT as u64;
    file.write_all_at(&root.to_bytes(), 0).map_err(Error::io("write", &path))?;
    if fresh {
        file.set_len(crate::root::SLOT as u64).map_err(Error::io("write", &path))?;
    }
    file.sync_all().map_err(Error::io("write", &path))?;
    if fresh { file::sync_dir(&layout.dir) } else { Ok(()) }
}
