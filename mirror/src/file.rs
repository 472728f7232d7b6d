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
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
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
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
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
    let mode = match std::fs::symlink_metadata(path) {
        Ok(m) if m.is_file() => Some(m.permissions()),
        Ok(_) => return Err(Error::NotRegular { path: path.into() }),
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        Err(e) => return Err(Error::from_io("write", path, e)),
    };
    let (mut file, temp) = temporary(path)?;
    let result = (|| {
        file.write_all(bytes).map_err(Error::io("write", path))?;
        if let Some(mode) = mode {
            file.set_permissions(mode).map_err(Error::io("write", path))?;
        }
        file.sync_all().map_err(Error::io("write", path))?;
        // While it is open, the old file keeps its clusters: what the disk says of it stays true until
        // the name has got its new content there.
        let _old = open_regular(path);
        std::fs::rename(&temp, path).map_err(Error::io("write", path))?;
        let fat = is_fat(&file);
        if fat {
            sync_dir(parent(path))?;
            sync_volume(&file, path)?;
        } else {
            file.sync_all().map_err(Error::io("write", path))?;
        }
        Ok(fat)
    })();
    if result.is_err() {
        let _ = std::fs::remove_file(&temp);
    }
    if result? { Ok(()) } else { sync_dir(parent(path)) }
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
    let (mut file, temp) = temporary(path)?;
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
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o644)
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
fn temporary(path: &Path) -> Result<(File, PathBuf)> {
    clean_temporaries(path);
    loop {
        let mut name = stem(path);
        name.push(format!("{:016x}", unique()));
        let temp = path.with_file_name(name);
        let file = create_new(&temp)?;
        // Somebody who cleans may be faster than the lock. Without locks nobody cleans.
        match attempt(&file, Mode::Exclusive, &temp) {
            Ok(false) => {}
            Ok(true) if std::fs::symlink_metadata(&temp).is_err() => {}
            _ => return Ok((file, temp)),
        }
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
mod tests {
    use super::*;

    #[test]
    fn replaces_and_keeps_the_mode() {
        let dir = tempfile::tempdir().unwrap();
        let p = dir.path().join("x.json");
        replace(&p, b"one").unwrap();
        std::fs::set_permissions(&p, std::fs::Permissions::from_mode(0o600)).unwrap();
        replace(&p, b"two").unwrap();
        assert_eq!(read(&p, 10).unwrap(), b"two");
        assert_eq!(std::fs::metadata(&p).unwrap().permissions().mode() & 0o777, 0o600);
        replace_scratch(&p, b"three").unwrap();
        assert_eq!(read(&p, 10).unwrap(), b"three");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(matches!(read(&p, 4), Err(Error::TooLarge { found: 5, .. })));
    }

    #[test]
    fn what_a_killed_writer_left_goes_with_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let at = |n: &str| dir.path().join(n);
        let there = || std::fs::read_dir(dir.path()).unwrap().count();
        for name in [".x.0123456789abcdef", ".x.0123456789abcdefg", ".y.0123456789abcdef", ".x.note"] {
            write_scratch(&at(name), b"half").unwrap();
        }
        // Somebody else is writing just now.
        let (_held, live) = temporary(&at("x")).unwrap();
        assert_eq!(there(), 4);
        replace(&at("x"), b"one").unwrap();
        assert!(live.exists() && !at(".x.0123456789abcdef").exists());
        assert_eq!(there(), 5);
        replace_scratch(&at("y"), b"two").unwrap();
        assert_eq!(there(), 5);
        assert_eq!(std::fs::read(at("x")).unwrap(), b"one");
    }

    #[test]
    fn a_directory_is_made_though_others_take_it_away() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("one/two");
        std::thread::scope(|scope| {
            let making = scope.spawn(|| (0..5_000).for_each(|_| make_dirs(&path).unwrap()));
            while !making.is_finished() {
                let _ = std::fs::remove_dir(&path);
            }
        });
        make_dirs(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o022, 0);
        for (name, to) in [("dangling", "nowhere"), ("led", "one/two")] {
            std::os::unix::fs::symlink(to, dir.path().join(name)).unwrap();
        }
        make_dirs(&dir.path().join("led/three")).unwrap();
        write_scratch(&dir.path().join("file"), b"").unwrap();
        for name in ["dangling", "file", "file/below"] {
            let said = make_dirs(&dir.path().join(name)).unwrap_err().to_string();
            assert!(!said.contains("again and again"), "{said}");
        }
    }

    #[test]
    fn links_and_pipes_are_not_files() {
        let dir = tempfile::tempdir().unwrap();
        let at = |n: &str| dir.path().join(n);
        replace(&at("real"), b"x").unwrap();
        std::os::unix::fs::symlink(at("real"), at("link")).unwrap();
        rustix::fs::mknodat(
            CWD,
            at("pipe"),
            rustix::fs::FileType::Fifo,
            Permissions::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        std::fs::create_dir(at("dir")).unwrap();
        std::os::unix::fs::symlink(at("dir"), at("dirlink")).unwrap();
        replace(&at("dir").join("f"), b"x").unwrap();
        for n in ["link", "pipe", "dir"] {
            assert!(matches!(open_regular(&at(n)), Err(Error::NotRegular { .. })), "{n}");
        }
        assert!(matches!(replace(&at("link"), b"y"), Err(Error::NotRegular { .. })));
        assert!(open_below(dir.path(), &["dir"], "f").is_ok());
        assert!(matches!(open_below(dir.path(), &["dirlink"], "f"), Err(Error::NotRegular { .. })));
        for n in ["real", "link", "pipe", "dirlink"] {
            assert!(open_directory(CWD, &at(n)).is_err(), "{n}");
        }
        let fd = open_directory(CWD, &at("dir")).unwrap();
        assert!(rustix::io::fcntl_getfd(&fd).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
        // Nor does a pipe where a folder should be make anybody wait.
        for (folders, name) in [(&["pipe"][..], "f"), (&[], "pipe"), (&[], "link"), (&[], "dir")] {
            assert!(matches!(open_below(dir.path(), folders, name), Err(Error::NotRegular { .. })), "{name}");
        }
        assert!(matches!(open_below(&at("pipe"), &[], "f"), Err(Error::NotRegular { .. })));
        std::os::unix::fs::symlink(at("none"), at("dangling")).unwrap();
        for n in ["link", "dangling", "pipe", "dir"] {
            assert!(open_or_create(&at(n)).is_err(), "{n}");
        }
        assert!(!at("none").exists());
        assert_eq!(std::fs::read(at("real")).unwrap(), b"x");
    }

    #[test]
    fn a_taken_name_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        replace(&a, b"a").unwrap();
        replace(&b, b"b").unwrap();
        assert!(!rename_new(&a, &b).unwrap());
        assert_eq!(std::fs::read(&b).unwrap(), b"b");
        assert!(rename_new(&a, &dir.path().join("c")).unwrap());
    }

    #[test]
    fn errors_name_the_file_and_are_not_taken_for_something_else() {
        let dir = tempfile::tempdir().unwrap();
        let at = |n: &str| dir.path().join(n);
        write_scratch(&at("file"), b"x").unwrap();
        // A folder is read as one.
        assert!(read_at(&File::open(dir.path()).unwrap(), &mut [0; 4], 0).is_err());
        let mut two = [0; 2];
        assert_eq!(read_at(&File::open(at("file")).unwrap(), &mut two, 0).unwrap(), 1);
        assert!(make_dir(&at("new")).unwrap() && !make_dir(&at("new")).unwrap());
        std::os::unix::fs::symlink("new", at("link")).unwrap();
        for n in ["file", "link"] {
            assert!(matches!(make_dir(&at(n)), Err(Error::NotRegular { .. })), "{n}");
        }
        let absent = at("none/x");
        assert!(matches!(make_dir(&absent), Err(Error::Io { action: "create", .. })));
        let action = |r: Result<()>| match r {
            Err(Error::Io { action, path, .. }) => (action, path),
            other => panic!("{other:?}"),
        };
        assert_eq!(action(replace(&absent, b"x")).0, "create");
        assert_eq!(action(sync_dir(&absent)), ("open", absent.clone()));
        assert_eq!(action(settle(&absent)), ("open", absent.clone()));
        assert_eq!(
            action(sync_files(dir.path(), dir.path(), std::slice::from_ref(&absent))),
            ("open", absent)
        );
        assert!(rename_new(&at("absent"), &at("to")).is_err());
    }

    /// Some file systems cannot sync a directory: `/proc` is one.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_directory_that_cannot_be_synced_needs_no_sync() {
        assert!(File::open("/proc/self").unwrap().sync_all().is_err());
        sync_dir(Path::new("/proc/self")).unwrap();
    }

    #[test]
    fn a_bare_name_lies_in_the_current_folder() {
        assert_eq!(parent(Path::new("x")), Path::new("."));
        assert_eq!(parent(Path::new("/")), Path::new("."));
        assert_eq!(parent(Path::new("a/b/x")), Path::new("a/b"));
    }

    #[test]
    fn the_owner_may_execute_it() {
        let dir = tempfile::tempdir().unwrap();
        let p = dir.path().join("x");
        write_scratch(&p, b"x").unwrap();
        for (mode, executable) in [(0o755, true), (0o500, true), (0o644, false), (0o611, false)] {
            std::fs::set_permissions(&p, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_executable(&std::fs::metadata(&p).unwrap()), executable, "{mode:o}");
        }
    }

    /// Who cleans up while others write takes nobody's file away.
    #[test]
    fn a_file_is_replaced_though_others_clean_up() {
        let dir = tempfile::tempdir().unwrap();
        let p = dir.path().join("x");
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| (0..100).for_each(|_| replace_scratch(&p, b"whole").unwrap()));
            while !writing.is_finished() {
                clean_temporaries(&p);
            }
        });
        assert_eq!(read(&p, 10).unwrap(), b"whole");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
