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

/// Writes them: all, or none when that fails.
pub fn write(root: &Path, manifests: &[Rewritten], lock: Option<&str>) -> Result<()> {
    if manifests.is_empty() {
        return lock.map_or(Ok(()), |text| Ok(mirror::file::replace(&root.join(LOCKFILE), text.as_bytes())?));
    }
    manifests.iter().try_for_each(|m| unchanged(root, m))?;
    let mut done = 0;
    let written = (|| {
        if let Some(text) = lock {
            mirror::file::replace(&root.join(NEXT), text.as_bytes())?;
        }
        for manifest in manifests {
            mirror::file::replace(&root.join(&manifest.path), manifest.new.as_bytes())?;
            done += 1;
        }
        lock.map_or(Ok(()), |_| promote(root))
    })();
    if written.is_err() {
        // Whatever cannot be undone either is left to the next run.
        let undone = manifests[..done].iter().all(|m| match &m.old {
            Some(old) => mirror::file::replace(&root.join(&m.path), old.as_bytes()).is_ok(),
            None => std::fs::remove_file(root.join(&m.path)).is_ok(),
        });
        if undone {
            let _ = discard(root);
        }
    }
    written
}

fn promote(root: &Path) -> Result<()> {
    Ok(mirror::file::promote(&root.join(NEXT), &root.join(LOCKFILE))?)
}

fn discard(root: &Path) -> Result<()> {
    let next = root.join(NEXT);
    match std::fs::remove_file(&next) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", &next)(e)),
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
