//! Manifests of a project and its members, and its lock, changed together.
//!
//! ```text
//! .pantry.lock.next   the lock's new text, made durable first
//! .pantry.edits       where several manifests change: their new texts, by one rename
//! package.json …      each manifest replaced
//! pantry.lock         what was beside it, by a rename
//! ```
//!
//! A run that finds `.pantry.edits` after a kill or a power cut writes what of it is not written yet, unless
//! somebody else has changed one of the manifests since. Without it, `.pantry.lock.next` is taken for the lock
//! when it fits the manifests and the lock does not: then they are the new ones. Otherwise they are the old
//! ones, and it goes. The project is locked meanwhile.
//!
//! `.pantry.edits`: for each manifest a line with its path, one with the SHA-256 of its old text (`-`: there was
//! no file), one with the length of the new text, and that text.

use super::run::{LOCKFILE, read_lock};
use crate::error::{Error, Result, Status};
use crate::lockfile;
use crate::manifest::{Format, LIMIT};
use crate::resolve::ImporterRequest;
use mirror::digest::Hash;
use mirror::name::{RelPath, escape};
use std::path::{Path, PathBuf};

pub const NEXT: &str = ".pantry.lock.next";
pub const EDITS: &str = ".pantry.edits";

/// A manifest with its text before (`None`: there was no file) and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// Relative to the project.
    pub path: PathBuf,
    pub old: Option<String>,
    pub new: String,
}

/// Whether a run that writes manifests did not come to its end.
pub fn has_begun(root: &Path) -> bool {
    is_pending(root) || root.join(EDITS).symlink_metadata().is_ok()
}

/// Finishes what a run that changed several manifests began; to be called before they are read.
pub fn finish(root: &Path) -> Result<()> {
    let path = root.join(EDITS);
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let text =
        mirror::file::read(&path, 64 * LIMIT as u64).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let edits = text.as_deref().and_then(|text| edits(root, text)).unwrap_or_default();
    for (path, new) in &edits {
        mirror::file::replace(path, new.as_bytes())?;
    }
    if !edits.is_empty() && is_pending(root) {
        promote(root)?;
    }
    remove(&path)
}

/// What a journal says, if each manifest is still as it was before, or is as it is to be. It is a file like any
/// other: what it names has to be a manifest inside the project, behind no link.
fn edits<'a>(root: &Path, mut text: &'a str) -> Option<Vec<(PathBuf, &'a str)>> {
    let mut edits = Vec::new();
    while !text.is_empty() {
        let mut parts = text.splitn(4, '\n');
        let (path, hash) = (RelPath::parse(parts.next()?).ok()?, parts.next()?);
        let (new, rest) = (parts.next()?.parse().ok(), parts.next()?);
        let new = rest.get(..new?)?;
        text = &rest[new.len()..];
        let last = path.segments().last()?;
        let folders = Path::new(path.as_str()).ancestors().skip(1).map(|at| root.join(at));
        let mut folders = folders.take_while(|at| at.as_path() != root);
        if ![Format::PantryJson, Format::PantryJsonc, Format::PackageJsonc, Format::PackageJson]
            .iter()
            .any(|f| f.file() == last)
            || !folders.all(|at| at.symlink_metadata().is_ok_and(|m| m.is_dir()))
        {
            return None;
        }
        let path = root.join(path.as_str());
        let now = mirror::file::read(&path, LIMIT as u64).ok();
        let stood = now.as_ref().map_or_else(|| "-".into(), |now| Hash::of(now).to_string());
        if stood != hash && now.as_deref() != Some(new.as_bytes()) {
            return None;
        }
        edits.push((path, new));
    }
    Some(edits)
}

fn journal(manifests: &[Rewritten]) -> String {
    let mut text = String::new();
    for Rewritten { path, old, new } in manifests {
        let hash = old.as_ref().map_or_else(|| "-".into(), |old| Hash::of(old.as_bytes()).to_string());
        text.push_str(&format!("{}\n{hash}\n{}\n{new}", path.display(), new.len()));
    }
    text
}

/// Whether a run that wrote them ended before its time.
pub fn is_pending(root: &Path) -> bool {
    root.join(NEXT).symlink_metadata().is_ok()
}

/// Finishes or undoes what that run began. `asked` is what the manifests ask for.
pub fn recover(root: &Path, asked: &[ImporterRequest]) -> Result<()> {
    let (next, lock) = (root.join(NEXT), root.join(LOCKFILE));
    let fits = |path: &Path| matches!(read_lock(path), Ok(Some((graph, _))) if lockfile::fits(&graph, asked).is_ok());
    if fits(&next) && !fits(&lock) {
        return promote(root);
    }
    discard(root)
}

/// The lock's text before (`None`: there was no file) and now.
pub struct Lock<'a> {
    pub old: Option<&'a [u8]>,
    pub new: &'a str,
}

/// Writes them: all, or none when that fails.
pub fn write(root: &Path, manifests: &[Rewritten], lock: Option<&Lock<'_>>) -> Result<()> {
    let put = |path: &Path, text: &[u8]| mirror::file::replace(&root.join(path), text);
    let lockfile = Path::new(LOCKFILE);
    if manifests.is_empty() {
        return lock.map_or(Ok(()), |lock| Ok(put(lockfile, lock.new.as_bytes())?));
    }
    manifests.iter().try_for_each(|m| unchanged(root, m))?;
    let mut begun = 0;
    let written = (|| {
        if let Some(lock) = lock {
            put(Path::new(NEXT), lock.new.as_bytes())?;
        }
        if manifests.len() > 1 {
            put(Path::new(EDITS), journal(manifests).as_bytes())?;
        }
        for manifest in manifests {
            begun += 1;
            put(&manifest.path, manifest.new.as_bytes())?;
        }
        lock.map_or(Ok(()), |_| promote(root))?;
        if manifests.len() > 1 { remove(&root.join(EDITS)) } else { Ok(()) }
    })();
    if written.is_err() {
        undo(root, &manifests[..begun], lock.filter(|_| begun == manifests.len() && !is_pending(root)));
    }
    written
}

/// Brings back what was there before, also where writing failed only after it was done. What cannot
/// be undone is left to the next run.
pub fn undo(root: &Path, manifests: &[Rewritten], lock: Option<&Lock<'_>>) {
    let back = |path: &Path, old: Option<&[u8]>| match old {
        Some(old) => mirror::file::replace(&root.join(path), old).is_ok(),
        None => remove(&root.join(path)).is_ok(),
    };
    let locked = lock.is_none_or(|lock| back(Path::new(LOCKFILE), lock.old));
    if locked && manifests.iter().all(|m| back(&m.path, m.old.as_deref().map(str::as_bytes))) {
        let _ = discard(root);
    }
}

fn promote(root: &Path) -> Result<()> {
    Ok(mirror::file::promote(&root.join(NEXT), &root.join(LOCKFILE))?)
}

fn discard(root: &Path) -> Result<()> {
    remove(&root.join(EDITS)).and_then(|()| remove(&root.join(NEXT)))
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Refuses to write over what somebody else has written meanwhile.
fn unchanged(root: &Path, manifest: &Rewritten) -> Result<()> {
    let path = root.join(&manifest.path);
    let same = match &manifest.old {
        Some(old) => mirror::file::read(&path, crate::manifest::LIMIT as u64)? == old.as_bytes(),
        None => path.symlink_metadata().is_err(),
    };
    if same {
        return Ok(());
    }
    let message = format!("{} was changed by somebody else meanwhile", escape(&path.to_string_lossy()));
    Err(Box::new(Error::Other {
        status: Status::Failed,
        message,
        hints: vec!["run the command again".into()],
    }))
}
