//! Advisory locks (`flock`) on fixed files and directories. The kernel frees them
//! when the holder dies, so there is no stale lock; what is written in a file
//! (process, host, time) is only for the message of whoever waits.
//!
//! Never taken on read-only media: there is nobody to wait for.
//!
//! **Order.** Who holds one of these asks only for those below it, so nobody
//! waits in a circle:
//!
//! ```text
//! project      its directory, one process at a time          install, mzp install
//! store        its directory, shared; alone: cache:clear     install, store verify
//! PIN          of any number of mirrors, shared              whoever reads a mirror for longer than a look
//!              of one mirror, alone                          gc, while it deletes; it holds no other lock before
//! LOCK         of one mirror at a time                       every commit; nothing is asked for under it
//! trust/LOCK   the machine's pins and keys                   whoever changes them; nothing is asked for under it
//! ```
//!
//! A batch's own lock in TMP/ and the private folders of runs are never waited for.

use crate::error::{Error, Result};
use crate::file;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Shared,
    Exclusive,
    /// Exclusive, without a word on who holds it: what is written in a file that
    /// is mostly shared would name somebody who has long gone.
    Unsigned,
}

/// Bytes of a lock file that says who holds it.
const SIGNATURE: u64 = 160;

/// Held until dropped (or until the process ends).
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock on the file at `path` (made if missing). If somebody holds
    /// it, calls `waiting` once with who that is, then waits.
    pub fn acquire(path: &Path, mode: Mode, waiting: &mut dyn FnMut(&str)) -> Result<Self> {
        loop {
            let file = file::open_or_create(path)?;
            if !attempt(&file, mode, path)? {
                waiting(&holder(&file));
                wait(&file, mode, path)?;
            }
            if let Some(lock) = Self::settled(file, path)? {
                if mode == Mode::Exclusive {
                    lock.sign();
                }
                return Ok(lock);
            }
        }
    }

    /// Takes the lock if it is free; `None` if somebody holds it. Nobody waits for such a lock: it is not
    /// signed, and its file takes no room.
    pub fn attempt(path: &Path, mode: Mode) -> Result<Option<Self>> {
        loop {
            let file = file::open_or_create(path)?;
            if !attempt(&file, mode, path)? {
                return Ok(None);
            }
            if let Some(lock) = Self::settled(file, path)? {
                return Ok(Some(lock));
            }
        }
    }

    /// Somebody may have removed the file between opening and locking it: a
    /// lock on a file without a name protects nothing.
    fn settled(file: File, path: &Path) -> Result<Option<Self>> {
        if !is_at(&file, path)? {
            return Ok(None);
        }
        Ok(Some(Self { file, path: path.into() }))
    }

    /// Writes who holds it. Only information: a failure (a full disk) is no obstacle.
    ///
    /// Never shorter than before, and made to last when longer: on FAT a length that a power cut has made
    /// untrue names clusters that are free or another file's. Cutting such a file short afterwards
    /// takes them from their owner, or makes the kernel set the volume read-only.
    fn sign(&self) {
        let uname = rustix::system::uname();
        let now = crate::time::now();
        let text = format!(
            "process {} on {} since {}",
            std::process::id(),
            uname.nodename().to_string_lossy(),
            crate::time::date(now)
        );
        let line = format!("{text:<width$}\n", width = SIGNATURE as usize - 1);
        let had = self.file.metadata().map_or(0, |m| m.len());
        if self.file.write_all_at(line.as_bytes(), 0).is_ok() && had < line.len() as u64 {
            let _ = self.file.sync_all();
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether what was opened is still what the path leads to.
fn is_at(file: &File, path: &Path) -> Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let ours = file.metadata().map_err(Error::io("lock", path))?;
    match std::fs::metadata(path) {
        Ok(m) => Ok((m.dev(), m.ino()) == (ours.dev(), ours.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Error::from_io("lock", path, e)),
    }
}

fn wait(file: &File, mode: Mode, path: &Path) -> Result<()> {
    loop {
        let result = match mode {
            Mode::Shared => fs2::FileExt::lock_shared(file),
            Mode::Exclusive | Mode::Unsigned => fs2::FileExt::lock_exclusive(file),
        };
        match result {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other.map_err(Error::io("lock", path)),
        }
    }
}

pub(crate) fn attempt(file: &File, mode: Mode, path: &Path) -> Result<bool> {
    let result = match mode {
        Mode::Shared => fs2::FileExt::try_lock_shared(file),
        Mode::Exclusive | Mode::Unsigned => fs2::FileExt::try_lock_exclusive(file),
    };
    match result {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(e) if e.kind() == io::ErrorKind::Interrupted => attempt(file, mode, path),
        Err(e) => Err(Error::from_io("lock", path, e)),
    }
}

fn holder(mut file: &File) -> String {
    let mut text = String::new();
    let _ = file.seek(SeekFrom::Start(0));
    let _ = file.take(300).read_to_string(&mut text);
    match text.lines().next().unwrap_or("").trim() {
        "" => "another process".to_string(),
        t => t.to_string(),
    }
}

/// A lock on a directory itself, without any file in it: a project is locked
/// this way, so that nothing is left in it.
#[derive(Debug)]
pub struct DirLock {
    _dir: File,
}

impl DirLock {
    /// Takes the exclusive lock; calls `waiting` once if somebody holds it, then waits.
    /// The lock is on what the path leads to when it is held, whatever was there before.
    pub fn acquire(path: &Path, waiting: &mut dyn FnMut()) -> Result<Self> {
        Self::held(path, Mode::Exclusive, waiting)
    }

    /// Takes the lock together with other users of the directory, after whoever has it alone.
    pub fn shared(path: &Path, waiting: &mut dyn FnMut()) -> Result<Self> {
        Self::held(path, Mode::Shared, waiting)
    }

    fn held(path: &Path, mode: Mode, waiting: &mut dyn FnMut()) -> Result<Self> {
        let mut told = false;
        loop {
            let dir = File::open(path).map_err(Error::io("open", path))?;
            let free = match attempt(&dir, mode, path) {
                // Where the file system has no locks there is nobody to wait for.
                Err(_) if mode == Mode::Shared => true,
                free => free?,
            };
            if !free {
                if !std::mem::replace(&mut told, true) {
                    waiting();
                }
                wait(&dir, mode, path)?;
            }
            if is_at(&dir, path)? {
                return Ok(Self { _dir: dir });
            }
        }
    }
}

/// A shared lock on a file that is there already, which is not written to, so
/// that it can be had wherever the file can be read. `None` where it cannot be
/// opened, or the file system has no locks: nobody could be waited for.
pub fn share(path: &Path, waiting: &mut dyn FnMut(&str)) -> Result<Option<Lock>> {
    let Ok(file) = file::open_regular(path) else { return Ok(None) };
    match attempt(&file, Mode::Shared, path) {
        Ok(true) => {}
        Ok(false) => {
            waiting(&holder(&file));
            wait(&file, Mode::Shared, path)?;
        }
        Err(_) => return Ok(None),
    }
    Ok(Some(Lock { file, path: path.into() }))
}

/// The lock on a folder of private folders, alone, if nobody has it: whoever has it may take away
/// what is in there, and the folder itself.
fn alone(parent: &Path) -> Option<File> {
    let dir = File::open(parent).ok()?;
    let free = attempt(&dir, Mode::Exclusive, parent).unwrap_or(false);
    (free && is_at(&dir, parent).unwrap_or(false)).then_some(dir)
}

/// Removes the private directories of dead processes below `parent`, as far as that is possible.
pub fn clean_private(parent: &Path) {
    let Some(alone) = alone(parent) else { return };
    let mut dead = Vec::new();
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let path = entry.path();
        let Ok(dir) = File::open(&path) else { continue };
        if is_dead(&dir, &path) {
            dead.push((path, dir));
        }
    }
    // They are locked now, and their names are taken: nobody need wait until they are gone.
    drop(alone);
    for (path, _held) in dead {
        let _ = std::fs::remove_dir_all(path);
    }
}

/// Whoever can lock it has found a dead process's folder, or one that its owner has just taken away: another
/// may have its name by now.
fn is_dead(dir: &File, path: &Path) -> bool {
    attempt(dir, Mode::Exclusive, path).unwrap_or(false) && is_at(dir, path).unwrap_or(false)
}

/// As [`clean_private`], and `parent` goes as well when nothing is left in it.
pub fn remove_private(parent: &Path) {
    clean_private(parent);
    if let Some(_alone) = alone(parent) {
        let _ = std::fs::remove_dir(parent);
    }
}

/// Makes `parent` and has a share in the lock on it: meanwhile nobody takes it for empty, nor a new folder
/// that is not locked yet for a dead process's.
fn share_in(parent: &Path, mut make: impl FnMut(&Path) -> Result<()>) -> Result<DirLock> {
    loop {
        make(parent)?;
        match DirLock::shared(parent, &mut || {}) {
            // Whoever was the last in it took it away.
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
            held => return held,
        }
    }
}

/// A fresh private directory `parent/<pid in hexadecimal>-<n>`, locked while the
/// returned lock lives. What dead processes left beside it is removed first.
pub fn private_dir(parent: &Path) -> Result<(PathBuf, DirLock)> {
    clean_private(parent);
    let _making = share_in(parent, file::make_dirs)?;
    for n in 0u32.. {
        let path = parent.join(format!("{:x}-{n}", std::process::id()));
        match std::fs::create_dir(&path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => continue,
            other => other.map_err(Error::io("create", &path))?,
        }
        let locked = File::open(&path).map_err(Error::io("open", &path)).and_then(|dir| {
            wait(&dir, Mode::Exclusive, &path)?;
            Ok(DirLock { _dir: dir })
        });
        if locked.is_err() {
            let _ = std::fs::remove_dir(&path);
        }
        return Ok((path, locked?));
    }
    Err(Error::from_io("create", parent, io::Error::other("no free name")))
}

#[cfg(test)]
mod tests;
