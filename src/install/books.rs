//! A project's manifests and its lock, changed together.
//!
//! ```text
//! .pantry.lock.next   the lock's new text, made durable first
//! package.json …      each manifest replaced
//! pantry.lock         what was beside it, by a rename
//! ```
//!
//! A run that finds `.pantry.lock.next` after a kill or a power cut takes it for the lock when it
//! fits the manifests and the lock does not: then they are the new ones. Otherwise they are the old
//! ones, and it goes. The project is locked meanwhile.

use super::run::{LOCKFILE, read_lock};
use crate::error::{Error, Result, Status};
use crate::lockfile;
use crate::resolve::ImporterRequest;
use mirror::name::escape;
use std::path::{Path, PathBuf};

pub const NEXT: &str = ".pantry.lock.next";

/// A manifest with its text before (`None`: there was no file) and now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// Relative to the project.
    pub path: PathBuf,
    pub old: Option<String>,
    pub new: String,
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
        for manifest in manifests {
            begun += 1;
            put(&manifest.path, manifest.new.as_bytes())?;
        }
        lock.map_or(Ok(()), |_| promote(root))
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
    remove(&root.join(NEXT))
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
    Err(Error::Other { status: Status::Failed, message, hints: vec!["run the command again".into()] })
}
