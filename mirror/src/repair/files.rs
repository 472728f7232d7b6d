//! Whole files: by their hash from other mirrors, or from what is known anyway.

use super::{Help, Mended, Report, shown};
use crate::batch::Batch;
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use crate::layout::{self, Folder, Layout, holds, names};
use crate::lock::{Lock, Mode};
use crate::mirror::{self, Mirror};
use crate::snapshot::FileEntry;
use crate::sync::{Watch, is_their_damage};
use crate::trust::Keys;
use crate::verify::Faults;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// Copies that get their names together.
const GROUP: u64 = 64 << 20;

/// Where a file of that hash lies, if nothing is in its way.
pub(super) fn path(layout: &Layout, folder: Folder, hash: &Hash) -> PathBuf {
    layout.folder(folder, hash).join(layout.name(&hash.file_name()))
}

/// All files that the state in use names.
pub(super) fn needed(now: &Mirror) -> Result<HashSet<(Folder, FileEntry)>> {
    let s = now.snapshot();
    let mut needed = HashSet::from([(Folder::Snapshots, now.snapshot_file())]);
    needed.extend(s.segments.iter().map(|e| (Folder::Segments, e.file)));
    needed.extend(s.packs.iter().map(|e| (Folder::Packs, *e)));
    needed.extend(s.blobs.iter().map(|(list, _)| (Folder::Snapshots, *list)));
    needed.extend(s.origins.iter().map(|o| (Folder::Snapshots, o.snapshot)));
    needed.extend(s.tools.iter().map(|(_, tool)| (Folder::Tools, *tool)));
    let listed = now.each_blob(&mut |blob, parts| {
        needed.extend(parts.iter().chain([&blob]).map(|part| (Folder::Blobs, *part)));
        Ok(())
    });
    match listed {
        // Then there is a finding about it.
        Err(Error::Damaged { .. } | Error::Io { .. } | Error::NotRegular { .. }) | Ok(()) => Ok(needed),
        Err(e) => Err(e),
    }
}

/// Whether anything was mended.
pub(super) fn mend(
    now: &Mirror,
    faults: &Faults,
    help: &Help<'_>,
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<bool> {
    let before = report.mended.len();
    let layout = now.layout();
    let largest = faults.files.iter().map(|(_, entry)| entry.bytes).max().unwrap_or(0);
    let batch = Batch::begin(now, largest)?;
    if faults.readme {
        let path = layout.path(layout::README);
        document(now, &batch, &path, mirror::readme(now.id()).as_bytes(), watch)?;
        report.mended.push(Mended { what: shown(&path), from: None });
    }
    if faults.keys {
        keys(now, &batch, help, report, watch)?;
    }
    let (mut ready, mut bytes) = (Vec::new(), 0);
    let mut down = vec![false; help.others.len()];
    let total = faults.files.iter().map(|(_, entry)| entry.bytes).sum();
    let mut copied = 0;
    for (n, (folder, entry)) in faults.files.iter().enumerate() {
        let temp = batch.dir.join(format!("F{n}"));
        for (other, down) in help.others.iter().zip(&mut down).filter(|(_, down)| !**down) {
            let done = other.copy(*folder, entry, &temp, &mut |n| {
                copied += n;
                (watch.progress)(copied, total);
            });
            match done {
                Ok(()) => {
                    let what = shown(&path(layout, *folder, &entry.hash));
                    report.mended.push(Mended { what, from: Some(other.place()) });
                    report.bytes += entry.bytes;
                    bytes += entry.bytes;
                    ready.push((temp.clone(), *folder, *entry));
                    break;
                }
                Err(e) => {
                    let _ = std::fs::remove_file(&temp);
                    let ours = matches!(&e, Error::Io { path, .. } if path.starts_with(&batch.dir));
                    if ours || matches!(e, Error::ReadOnly { .. } | Error::NoSpace { .. }) {
                        return Err(e);
                    }
                    *down = !is_their_damage(&e, other);
                }
            }
        }
        if bytes >= GROUP {
            settle(now, &batch, &mut ready, watch)?;
            bytes = 0;
        }
    }
    settle(now, &batch, &mut ready, watch)?;
    Ok(report.mended.len() > before)
}

/// Gives copies their names, durably, and only then takes away what is damaged of the same names.
pub(super) fn settle(
    now: &Mirror,
    batch: &Batch,
    ready: &mut Vec<(PathBuf, Folder, FileEntry)>,
    watch: &mut Watch<'_>,
) -> Result<()> {
    if ready.is_empty() {
        return Ok(());
    }
    let layout = now.layout();
    let _lock = Lock::acquire(&layout.path(layout::LOCK), Mode::Exclusive, watch.waiting)?;
    let mut placed = Vec::new();
    for (temp, folder, entry) in ready.iter() {
        let of_hash = layout.folder(*folder, &entry.hash);
        for dir in [&layout.path(folder.name()), &of_hash] {
            // A link in its place leads somewhere else.
            if std::fs::symlink_metadata(dir).is_ok_and(|m| !m.is_dir()) {
                file::remove(dir)?;
            }
            file::make_dir(dir)?;
        }
        placed.push(layout.place(temp, *folder, &entry.hash, entry.bytes)?);
    }
    file::sync_files(&layout.dir, &batch.dir, &placed)?;
    for (_, folder, entry) in ready.drain(..) {
        clear(layout, folder, &entry)?;
    }
    Ok(())
}

/// Removes what has a name of that content and is neither it nor another one of that name. Numbered names
/// stay without gaps, since a reader stops at the first that is missing.
fn clear(layout: &Layout, folder: Folder, entry: &FileEntry) -> Result<()> {
    let dir = layout.folder(folder, &entry.hash);
    let mut damaged = Vec::new();
    let mut last = 0;
    for (i, name) in names(&entry.hash).enumerate() {
        let path = dir.join(layout.name(&name));
        let Ok(meta) = std::fs::symlink_metadata(&path) else { if i == 0 { continue } else { break } };
        if holds(&path, &entry.hash, meta.len()) || is_another(&path, &name) {
            last = i;
        } else {
            damaged.push((i, path, meta.is_dir()));
        }
    }
    for (_, path, is_dir) in damaged.into_iter().rev().filter(|(i, ..)| *i == 0 || *i > last) {
        if is_dir {
            let _ = std::fs::remove_dir(&path);
        } else {
            file::remove(&path)?;
        }
    }
    Ok(())
}

/// Whether the file's content deserves the name that it has.
fn is_another(path: &Path, name: &str) -> bool {
    let hash = file::open_regular(path).and_then(|file| layout::hash_of(&file, path));
    hash.is_ok_and(|hash| names(&hash).any(|fits| fits == name))
}

/// Puts a file there that is not named by its content, in the place of a damaged one.
fn document(now: &Mirror, batch: &Batch, path: &Path, bytes: &[u8], watch: &mut Watch<'_>) -> Result<()> {
    let layout = now.layout();
    let _lock = Lock::acquire(&layout.path(layout::LOCK), Mode::Exclusive, watch.waiting)?;
    let temp = batch.dir.join("TEXT");
    file::remove(&temp)?;
    file::write_scratch(&temp, bytes)?;
    for dir in path.ancestors().skip(1).take_while(|dir| *dir != layout.dir) {
        file::make_dir(dir)?;
    }
    file::remove(path)?;
    if !file::rename_new(&temp, path)? {
        return Err(Error::AlreadyThere { path: path.into() });
    }
    file::sync_files(&layout.dir, &batch.dir, &[path.to_path_buf()])
}

/// The chain of keys up to what is known here of them. Another mirror's word counts for what lies between.
fn keys(
    now: &Mirror,
    batch: &Batch,
    help: &Help<'_>,
    report: &mut Report,
    watch: &mut Watch<'_>,
) -> Result<()> {
    let Some(known) = help.keys else { return Ok(()) };
    let copies = || help.others.iter().filter(|other| other.mirror().id() == now.id());
    let mut last: Option<Keys> = None;
    let mut chain = Vec::new();
    for version in 1..=known.version {
        let name = Keys::file_name(version);
        let fits = |next: &Keys| match &last {
            _ if version == known.version => next == known,
            Some(last) => next.follows(last),
            None => next.version == 1 && next.id == now.id() && next.is_whole(),
        };
        let parsed = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| Keys::parse(&bytes)).filter(fits);
        let own = parsed(now.key_file(&name).ok().flatten());
        let had = own.is_some();
        let found = own.map(|keys| (keys, None)).or_else(|| {
            if version == known.version {
                return Some((known.clone(), None));
            }
            copies().find_map(|other| {
                other.bring_keys().ok()?;
                let keys = parsed(other.mirror().key_file(&name).ok().flatten())?;
                Some((keys, Some(other.place())))
            })
        });
        // Without one of them there is no way to the last.
        let Some((keys, from)) = found else { return Ok(()) };
        if !had {
            chain.push((name, keys.to_bytes(), from));
        }
        last = Some(keys);
    }
    for (name, bytes, from) in chain {
        let path = now.layout().path(layout::KEYS).join(name);
        document(now, batch, &path, &bytes, watch)?;
        report.mended.push(Mended { what: shown(&path), from });
    }
    Ok(())
}
