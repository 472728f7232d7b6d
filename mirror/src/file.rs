//! The one place that writes files so that they last, and the one that opens
//! files of a mirror for reading.
//!
//! Durable: written beside its target, made durable, renamed, and made durable
//! *again*: on FAT what was synced before a rename is lost with it (2,072 of
//! 2,072 files in a power-cut test; none with the second sync). An error of
//! `fsync` is final: the kernel forgets which pages failed, so nothing here tries
//! twice.
//!
//! FAT (exFAT alike) writes names, sizes and the table of clusters in any order, and what was
//! deleted or renamed without a sync may still stand in a directory afterwards, claiming clusters
//! that belong to another file by now: whoever cleans it up frees them under that file. So there a
//! durable point is a `syncfs`, after which nothing on the disk claims what is ours, and before it
//! the directory that the files were renamed out of. Elsewhere fsyncs do, up to a number.
//!
//! Scratch: what can be made again (stores, caches, staged trees). Not synced.
//!
//! Reading: `O_NOFOLLOW | O_NONBLOCK`, then a look at what was opened: a link
//! or FIFO on a stick from somewhere neither leads out of it nor hangs.

use crate::error::{Error, Result};
use crate::lock::{Mode, attempt};
use rustix::fs::{AtFlags, CWD, Mode as Permissions, OFlags, RenameFlags};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// `openat`, made again when a signal interrupts it (slow file systems let that happen), and nothing that a child inherits.
pub fn openat<P: rustix::path::Arg + Copy>(
    dir: impl AsFd,
    path: P,
    flags: OFlags,
    mode: Permissions,
) -> rustix::io::Result<OwnedFd> {
    rustix::io::retry_on_intr(|| rustix::fs::openat(&dir, path, flags | OFlags::CLOEXEC, mode))
}

/// Opens a directory, unless a link to one stands there (at the path's last part).
pub fn open_directory<P: rustix::path::Arg + Copy>(dir: impl AsFd, path: P) -> rustix::io::Result<OwnedFd> {
    openat(dir, path, OFlags::DIRECTORY | OFlags::NOFOLLOW, Permissions::empty())
}

/// Reads at an offset, again when a signal interrupts it.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, at) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

/// Opens a regular file for reading; anything else is [`Error::NotRegular`].
pub fn open_regular(path: &Path) -> Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let fd = openat(CWD, path, flags, Permissions::empty()).map_err(|e| open_error(path, e))?;
    regular(File::from(fd), path)
}

/// Opens `folders/name` below `dir`, following no link on the way.
pub(crate) fn open_below(dir: &Path, folders: &[&str], name: &str) -> Result<File> {
    let mut path = dir.to_path_buf();
    let mut fd = openat(CWD, dir, OFlags::DIRECTORY, Permissions::empty()).map_err(|e| open_error(dir, e))?;
    for f in folders {
        path.push(f);
        fd = open_directory(&fd, *f).map_err(|e| open_error(&path, e))?;
    }
    path.push(name);
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = openat(&fd, name, flags, Permissions::empty()).map_err(|e| open_error(&path, e))?;
    regular(File::from(file), &path)
}

fn open_error(path: &Path, e: rustix::io::Errno) -> Error {
    // ENXIO: a socket; ELOOP (ENOTDIR for a folder): a link.
    if matches!(e, rustix::io::Errno::LOOP | rustix::io::Errno::NXIO | rustix::io::Errno::NOTDIR) {
        return Error::NotRegular { path: path.into() };
    }
    Error::Io { action: "open", path: path.into(), source: e.into() }
}

fn regular(file: File, path: &Path) -> Result<File> {
    let meta = file.metadata().map_err(Error::io("read", path))?;
    if !meta.is_file() {
        return Err(Error::NotRegular { path: path.into() });
    }
    Ok(file)
}

/// Reads a whole regular file, refusing more than `limit` bytes.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    read_open(open_regular(path)?, path, limit)
}

/// One read of as many bytes as the file has: a second one, to see whether it
/// ends there, would be a third of the cost of opening a mirror.
pub(crate) fn read_open(file: File, path: &Path, limit: u64) -> Result<Vec<u8>> {
    let len = file.metadata().map_err(Error::io("read", path))?.len();
    if len > limit {
        return Err(Error::TooLarge { what: "file size", limit, found: len });
    }
    let mut out = vec![0; len as usize];
    file.read_exact_at(&mut out, 0).map_err(Error::io("read", path))?;
    Ok(out)
}

/// A name that nobody else uses: process, counter and clock behind the hash
/// keys that the standard library draws at random. Unique, not secret.
pub(crate) fn unique() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut h = RandomState::new().build_hasher();
    h.write_u64(COUNTER.fetch_add(1, Ordering::Relaxed));
    h.write_u32(std::process::id());
    h.write_u128(std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_nanos()));
    h.finish()
}

/// Replaces the file at `path` by `bytes`: at every instant the old or the new
/// content, and durable when this returns. Keeps the mode of the old file.
/// A symbolic link at `path` is refused ([`Error::NotRegular`]).
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    put_bytes(path, bytes, None)
}

/// As [`replace`], for what nobody but its owner may read (mode 0600).
pub fn replace_private(path: &Path, bytes: &[u8]) -> Result<()> {
    put_bytes(path, bytes, Some(std::fs::Permissions::from_mode(0o600)))
}

fn put_bytes(path: &Path, bytes: &[u8], wanted: Option<std::fs::Permissions>) -> Result<()> {
    let mode = match std::fs::symlink_metadata(path) {
        Ok(m) if m.is_file() => Some(m.permissions()),
        Ok(_) => return Err(Error::NotRegular { path: path.into() }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(Error::from_io("write", path, e)),
    };
    // Whoever opens a secret's file before there is anything in it reads it afterwards.
    let (mut file, temp) = temporary(path, if wanted.is_some() { 0o600 } else { 0o644 })?;
    let result = (|| {
        if let Some(mode) = wanted.or(mode) {
            file.set_permissions(mode).map_err(Error::io("write", path))?;
        }
        file.write_all(bytes).map_err(Error::io("write", path))?;
        file.sync_all().map_err(Error::io("write", path))?;
        put(&file, &temp, path)
    })();
    if result.is_err() {
        let _ = std::fs::remove_file(&temp);
    }
    result
}

/// A file that is durable under another name beside it takes the place of the one at `path`, durably.
pub fn promote(from: &Path, path: &Path) -> Result<()> {
    clean_temporaries(path);
    put(&open_regular(from)?, from, path)
}

fn put(file: &File, from: &Path, path: &Path) -> Result<()> {
    // While it is open, the old file keeps its clusters: what the disk says of it stays true until
    // the name has got its new content there.
    let _old = open_regular(path);
    std::fs::rename(from, path).map_err(Error::io("write", path))?;
    if is_fat(file) {
        sync_dir(parent(path))?;
        sync_volume(file, path)
    } else {
        file.sync_all().map_err(Error::io("write", path))?;
        sync_dir(parent(path))
    }
}

/// Whether the volume of an open file or directory is a FAT or exFAT one.
fn is_fat(file: &File) -> bool {
    #[cfg(target_os = "linux")]
    return rustix::fs::fstatfs(file)
        .is_ok_and(|s| matches!(s.f_type as u64 & 0xffff_ffff, 0x4d44 | 0x2011_bab0));
    #[cfg(not(target_os = "linux"))]
    {
        let _ = file;
        false
    }
}

/// To be called when files that can be made again have been made in `dir`. On FAT alone they are made durable: a folder
/// whose clusters a power cut (or a hand that pulls the stick) kept from the disk holds whatever lay there before, and the
/// kernel sets a volume with such a folder read-only.
pub fn settle(dir: &Path) -> Result<()> {
    let file = File::open(dir).map_err(Error::io("open", dir))?;
    if is_fat(&file) { sync_volume(&file, dir) } else { Ok(()) }
}

/// Makes everything on the volume durable.
fn sync_volume(file: &File, path: &Path) -> Result<()> {
    #[cfg(target_os = "linux")]
    return rustix::fs::syncfs(file).map_err(|e| Error::from_io("write", path, e.into()));
    #[cfg(not(target_os = "linux"))]
    file.sync_all().map_err(Error::io("write", path))
}

/// As [`replace`], without any sync: for what can be made again.
pub fn replace_scratch(path: &Path, bytes: &[u8]) -> Result<()> {
    let (mut file, temp) = temporary(path, 0o644)?;
    let written = file.write_all(bytes).and_then(|()| std::fs::rename(&temp, path));
    let result = written.map_err(Error::io("write", path));
    if result.is_err() {
        let _ = std::fs::remove_file(&temp);
    }
    result
}

/// Writes a new file, without any sync, in a place that is private already.
pub fn write_scratch(path: &Path, bytes: &[u8]) -> Result<()> {
    create_new(path)?.write_all(bytes).map_err(Error::io("write", path))
}

/// Creates a file that must not exist (no link is followed), mode 0644.
pub fn create_new(path: &Path) -> Result<File> {
    create_with(path, 0o644)
}

fn create_with(path: &Path, mode: u32) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(Error::io("create", path))
}

/// Opens for reading and writing, made if missing, nothing truncated, no link followed.
pub(crate) fn open_or_create(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o644)
        .custom_flags((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32)
        .open(path)
        .map_err(Error::io("open", path))?;
    regular(file, path)
}

/// Makes a directory's entries durable. File systems that cannot sync a
/// directory (some FUSE ones) have nothing to sync.
pub fn sync_dir(path: &Path) -> Result<()> {
    let dir = File::open(path).map_err(Error::io("open", path))?;
    match dir.sync_all() {
        Err(e) if !matches!(e.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Err(Error::from_io("write", path, e))
        }
        _ => Ok(()),
    }
}

/// Makes files durable after they were renamed out of `from` to where they belong below `root`, and
/// the directories they lie in. More than sixteen at once, or on FAT: one `syncfs`.
pub(crate) fn sync_files(root: &Path, from: &Path, files: &[PathBuf]) -> Result<()> {
    let volume = File::open(root).map_err(Error::io("open", root))?;
    let fat = is_fat(&volume);
    if fat {
        sync_dir(from)?;
    }
    if fat || (cfg!(target_os = "linux") && files.len() > 16) {
        return sync_volume(&volume, root);
    }
    let mut dirs: Vec<&Path> = Vec::new();
    for path in files {
        let file = OpenOptions::new().read(true).write(true).open(path).map_err(Error::io("open", path))?;
        file.sync_all().map_err(Error::io("write", path))?;
        // A folder made for it must last as well.
        dirs.extend(path.ancestors().skip(1).take_while(|d| *d != root && d.starts_with(root)));
    }
    dirs.push(root);
    crate::order::sort(&mut dirs);
    dirs.dedup();
    dirs.into_iter().try_for_each(sync_dir)
}

/// Renames unless the new name is taken: then `Ok(false)`, nothing changed.
pub(crate) fn rename_new(from: &Path, to: &Path) -> Result<bool> {
    use rustix::io::Errno;
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    match rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => return Ok(true),
        Err(Errno::EXIST) => return Ok(false),
        // The file system does not know the flag.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        Err(e) => return Err(Error::from_io("write", to, e.into())),
    }
    if rustix::fs::statat(CWD, to, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
        return Ok(false);
    }
    std::fs::rename(from, to).map_err(Error::io("write", to))?;
    Ok(true)
}

/// Makes a directory unless it is there; says whether it made one. A link in
/// its place is refused.
pub(crate) fn make_dir(path: &Path) -> Result<bool> {
    match std::fs::create_dir(path) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => match std::fs::symlink_metadata(path) {
            Ok(m) if m.is_dir() => Ok(false),
            _ => Err(Error::NotRegular { path: path.into() }),
        },
        Err(e) => Err(Error::from_io("create", path, e)),
    }
}

/// Removes a file, if it is there.
pub fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(Error::io("remove", path)),
    }
}

/// Makes a directory and what is missing above it, for everybody to read and for its owner alone to
/// write. Unlike the standard library's, it holds its ground where another process takes the directory
/// away at that moment: what stood in the way is gone by the time one looks at it.
pub fn make_dirs(path: &Path) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o755);
    for _ in 0..100 {
        match builder.create(path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && !stands_in_the_way(path) => {}
            other => return other.map_err(Error::io("create", path)),
        }
    }
    Err(Error::from_io("create", path, io::Error::other("others take it away again and again")))
}

/// Whether something has the name that is no directory and leads to none.
fn stands_in_the_way(path: &Path) -> bool {
    match std::fs::metadata(path) {
        Ok(found) => !found.is_dir(),
        Err(_) => std::fs::symlink_metadata(path).is_ok_and(|found| !found.is_dir()),
    }
}

/// A new file `.NAME.<16 hex digits>` beside the one it will replace. Locked while it is written:
/// one whose lock is free was left by a process that was killed, and goes first.
fn temporary(path: &Path, mode: u32) -> Result<(File, PathBuf)> {
    clean_temporaries(path);
    loop {
        let mut name = stem(path);
        name.push(format!("{:016x}", unique()));
        let temp = path.with_file_name(name);
        let file = create_with(&temp, mode)?;
        if is_ours(&file, &temp) {
            return Ok((file, temp));
        }
    }
}

/// Locks a new temporary file. Somebody who cleans may be faster; without locks nobody cleans.
fn is_ours(file: &File, temp: &Path) -> bool {
    match attempt(file, Mode::Exclusive, temp) {
        Ok(locked) => locked && std::fs::symlink_metadata(temp).is_ok(),
        Err(_) => true,
    }
}

fn stem(path: &Path) -> OsString {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".");
    name
}

/// Removes what killed processes left of [`replace`] and [`replace_scratch`] at `path`, as far as
/// that is possible.
pub fn clean_temporaries(path: &Path) {
    let stem = stem(path);
    for entry in std::fs::read_dir(parent(path)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let rest = name.as_bytes().strip_prefix(stem.as_bytes());
        if rest.is_some_and(|r| r.len() == 16 && r.iter().all(u8::is_ascii_hexdigit))
            && let Ok(file) = open_regular(&entry.path())
            && attempt(&file, Mode::Exclusive, path).unwrap_or(false)
        {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    }
}

/// Whether the owner may execute it (the one bit of a mode that installs keep).
pub fn is_executable(meta: &std::fs::Metadata) -> bool {
    meta.permissions().mode() & 0o100 != 0
}

#[cfg(test)]
mod tests;
