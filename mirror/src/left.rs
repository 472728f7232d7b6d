//! What machines leave on a mirror beside its state, for others to find: heads (SEE/) and want-lists
//! (WNT/). One document for each mirror that it is about, named by its content; a further one of the
//! same takes the place of the one before. No reader of packages needs them.

use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use crate::layout::{self, names};
use crate::lock::{Lock, Mode};
use crate::mirror::Mirror;
use crate::snapshot::MirrorId;
use std::io::{self, Write};
use std::path::PathBuf;

/// Most documents that are read of a folder.
const MOST: usize = 256;

/// A document: whose it is, and what grows with each further one.
pub(crate) struct Left {
    pub id: MirrorId,
    pub number: u64,
    pub bytes: Vec<u8>,
}

/// The files in `folder`, by name.
pub(crate) fn files(mirror: &Mirror, folder: &str) -> Result<Vec<PathBuf>> {
    let folder = mirror.layout().path(folder);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::from_io("read", &folder, e)),
    };
    let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).take(MOST).collect();
    crate::order::sort(&mut paths);
    Ok(paths)
}

/// The documents in `folder`, by name. What cannot be read, or is not what its name says, is passed over.
pub(crate) fn read(mirror: &Mirror, folder: &str, limit: u64) -> Result<Vec<(Vec<u8>, PathBuf)>> {
    let paths = files(mirror, folder)?;
    let document = |path: PathBuf| {
        let bytes = file::read(&path, limit).ok()?;
        let name = path.file_name()?.to_str()?.to_ascii_uppercase();
        let is_its = name.get(..9) == Hash::of(&bytes).file_name().get(..9);
        is_its.then_some((bytes, path))
    };
    Ok(paths.into_iter().filter_map(document).collect())
}

/// What a further one has replaced, and whoever did that was killed before it could take it away; or will replace.
pub(crate) fn replaced<'a>(
    there: &'a [(MirrorId, u64, PathBuf)],
    coming: &[(MirrorId, u64)],
) -> Vec<&'a PathBuf> {
    let is_old = |id: &MirrorId, number: &u64| {
        let mut all =
            there.iter().map(|(id, number, _)| (id, number)).chain(coming.iter().map(|(i, n)| (i, n)));
        all.any(|(other, further)| other == id && further > number)
    };
    there.iter().filter(|(id, number, _)| is_old(id, number)).map(|(_, _, path)| path).collect()
}

/// Leaves documents, durably; of each mirror the furthest. `there`: what [`read`] found, as it was
/// understood. How many are new. Where all are there under their names, nothing is read or written.
pub(crate) fn leave(
    mirror: &Mirror,
    folder: &str,
    documents: &[Left],
    there: &mut dyn FnMut() -> Result<Vec<(MirrorId, u64, PathBuf)>>,
    waiting: &mut dyn FnMut(&str),
) -> Result<usize> {
    let layout = mirror.layout();
    let names_there = files(mirror, folder)?;
    let is_there = |d: &&Left| {
        names_there.contains(&layout.path(folder).join(layout.name(&Hash::of(&d.bytes).file_name())))
    };
    let documents: Vec<&Left> = documents.iter().filter(|d| !is_there(d)).collect();
    if documents.is_empty() {
        return Ok(0);
    }
    if layout.lower {
        return Err(Error::ReadOnly { path: layout.dir.clone() });
    }
    let _lock = Lock::acquire(&layout.path(layout::LOCK), Mode::Exclusive, waiting)?;
    crate::commit::clean_tmp(layout)?;
    let there = there()?;
    // Who copies a mirror may leave out what is empty.
    file::make_dir(&layout.path(folder))?;
    let (tmp, folder) = (layout.path(layout::TMP), layout.path(folder));
    let mut new = Vec::new();
    let further = documents.iter().map(|d| (d.id, d.number));
    let old = replaced(&there, &further.collect::<Vec<_>>());
    for document in documents {
        if there.iter().any(|(id, number, _)| *id == document.id && *number >= document.number) {
            continue;
        }
        let temp = tmp.join("LEFT");
        file::create_new(&temp)?.write_all(&document.bytes).map_err(Error::io("write", &temp))?;
        for name in names(&Hash::of(&document.bytes)) {
            let path = folder.join(name);
            if file::rename_new(&temp, &path)? {
                new.push(path);
                break;
            }
        }
    }
    if !new.is_empty() {
        file::sync_files(&layout.dir, &tmp, &new)?;
    }
    // Only now the new ones are there for good.
    old.iter().try_for_each(|path| file::remove(path))?;
    Ok(new.len())
}
