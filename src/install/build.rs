//! Making units on disk: directories, links and packages' files, relative to
//! one open directory. Everything made here can be made again, so nothing is
//! synced.
//!
//! Files come from the store by the cheapest way the volume has: reflink (a
//! private copy for free), hard link, copy. The file system's type decides
//! whether reflinks are tried; the first refusal moves down the ladder for the
//! rest of the run.

use super::listing::Stored;
use super::store::{Key, Store};
use super::unit::{Op, Unit};
use crate::error::{Error, Result};
use mirror::digest::crc32;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

const REFLINK: u8 = 0;
const HARD_LINK: u8 = 1;
const COPY: u8 = 2;

/// The way files get from the store into trees, shared by the threads of a run.
pub struct Ladder(AtomicU8);

impl Ladder {
    /// Looks at the volume that the tree will be on.
    pub fn for_volume(dir: BorrowedFd<'_>) -> Self {
        // Magic numbers of statfs(2): btrfs, xfs, bcachefs, and overlay (whose lower file system may clone).
        let clones = rustix::fs::fstatfs(dir)
            .is_ok_and(|s| matches!(s.f_type as u64 & 0xffff_ffff, 0x9123_683e | 0x5846_5342 | 0xca45_1a4e));
        Self(AtomicU8::new(if clones { REFLINK } else { HARD_LINK }))
    }
    pub fn copies() -> Self {
        Self(AtomicU8::new(COPY))
    }
    pub fn name(&self) -> &'static str {
        match self.0.load(Ordering::Relaxed) {
            REFLINK => "reflink",
            HARD_LINK => "hard link",
            _ => "copy",
        }
    }
}

/// Whether symbolic links can be made in `dir`: one probe per volume and run. `name`: what is not
/// there, and would be cleaned up if this process were killed.
pub fn has_symlinks(dir: BorrowedFd<'_>, name: &str) -> std::io::Result<bool> {
    match rustix::fs::symlinkat("x", dir, name) {
        Ok(()) => {
            rustix::fs::unlinkat(dir, name, AtFlags::empty())?;
            Ok(true)
        }
        Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => Ok(false),
        // A full disk says nothing about links.
        Err(e) => Err(e.into()),
    }
}

/// Where units are made.
pub struct Builder<'a> {
    pub store: &'a Store,
    pub listings: &'a HashMap<Key, Stored>,
    pub ladder: &'a Ladder,
    pub threads: usize,
}

struct Job<'a> {
    /// Relative to the base directory.
    at: String,
    key: &'a Key,
    stored: &'a Stored,
    own: bool,
}

impl Builder<'_> {
    /// Makes `units` below `base` (an open directory, `base_path` for messages);
    /// `place` says where a unit goes, relative to it. Nothing may be there yet.
    pub fn build(
        &self,
        base: &OwnedFd,
        base_path: &Path,
        units: &[&Unit],
        place: &dyn Fn(usize, &Unit) -> String,
    ) -> Result<()> {
        let mut jobs = Vec::new();
        let fail =
            |at: &str, e: Errno| Error::Io { action: "create", path: base_path.join(at), source: e.into() };
        let mut parents: std::collections::HashSet<String> = Default::default();
        for (i, unit) in units.iter().enumerate() {
            let root = place(i, unit);
            if let Some((parent, _)) = root.rsplit_once('/') {
                make_parents(base, parent, &mut parents).map_err(|e| fail(parent, e))?;
            }
            for op in &unit.ops {
                let inside = |at: &str| if at.is_empty() { root.clone() } else { format!("{root}/{at}") };
                match op {
                    Op::Directory { at } => {
                        let path = inside(at);
                        make_dir(base, path.as_str()).map_err(|e| fail(&path, e))?;
                    }
                    Op::Package { at, key, own } => {
                        let path = inside(at);
                        make_dir(base, path.as_str()).map_err(|e| fail(&path, e))?;
                        let Some(stored) = self.listings.get(key) else {
                            let path = self.store.dir().join(key.as_str());
                            let source = std::io::ErrorKind::NotFound.into();
                            return Err(Box::new(Error::Io { action: "link", path, source }));
                        };
                        jobs.push(Job { at: path, key, stored, own: *own });
                    }
                    Op::Link { at, target } => {
                        let path = inside(at);
                        make_link(base, path.as_str(), target).map_err(|e| fail(&path, e))?;
                    }
                    Op::Script { at, text } => {
                        let path = inside(at);
                        write_new(base, path.as_str(), text.as_bytes(), 0o755).map_err(|e| fail(&path, e))?;
                    }
                }
            }
        }
        // The largest first, so that the threads end together.
        mirror::order::sort_by_key(&mut jobs, |j| std::cmp::Reverse(j.stored.file_count()));
        let next = AtomicUsize::new(0);
        let failure: Mutex<Option<Box<Error>>> = Mutex::new(None);
        let work = || {
            while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(e) = self.package(base, base_path, job) {
                    next.store(jobs.len(), Ordering::Relaxed);
                    failure.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(e);
                }
            }
        };
        let files: usize = jobs.iter().map(|j| j.stored.file_count()).sum();
        // A thread costs about as much as linking a hundred files.
        let threads = self.threads.min(jobs.len()).min(files / 200 + 1);
        std::thread::scope(|scope| {
            for _ in 1..threads {
                // Without another thread this one does the work.
                let _ = std::thread::Builder::new().spawn_scoped(scope, work);
            }
            work();
        });
        match failure.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            Some(e) => Err(e),
            None => Ok(()),
        }
    }

    /// Whether a unit that stands at its path below `base` is what it should be:
    /// links with their text, files with the store's size and checksum.
    pub fn matches(&self, base: &OwnedFd, unit: &Unit) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        unit.ops.iter().all(|op| {
            let inside =
                |at: &str| if at.is_empty() { unit.path.clone() } else { format!("{}/{at}", unit.path) };
            match op {
                Op::Directory { at } => mirror::file::open_directory(base, inside(at).as_str()).is_ok(),
                Op::Link { at, target } => rustix::fs::readlinkat(base, inside(at).as_str(), Vec::new())
                    .is_ok_and(|text| text.as_bytes() == target.as_bytes()),
                Op::Script { at, text } => open_file_at(base, inside(at).as_str()).is_ok_and(|fd| {
                    read_all(fd, &mut buffer)
                        .is_ok_and(|(n, crc)| n == text.len() as u64 && crc == crc32(0, text.as_bytes()))
                }),
                Op::Package { at, key, .. } => {
                    let (Ok(root), Some(stored)) =
                        (mirror::file::open_directory(base, inside(at).as_str()), self.listings.get(key))
                    else {
                        return false;
                    };
                    let same = stored.walk(
                        |_| Ok(()),
                        |file| {
                            let fd = open_file_at(&root, file.path)?;
                            match read_all(fd, &mut buffer)? {
                                (size, crc) if size == file.size && crc == file.crc32 => Ok(()),
                                _ => Err(std::io::Error::other("differs")),
                            }
                        },
                    );
                    same.is_ok()
                }
            }
        })
    }

    fn package(&self, base: &OwnedFd, base_path: &Path, job: &Job<'_>) -> Result<()> {
        let error = |path: PathBuf, action: &'static str| {
            move |e: Errno| Box::new(Error::Io { action, path, source: e.into() })
        };
        let entry = self.store.dir().join(job.key.as_str());
        let from = mirror::file::open_directory(self.store.fd(), job.key.as_str())
            .map_err(error(entry.clone(), "open"))?;
        let to = mirror::file::open_directory(base, job.at.as_str())
            .map_err(error(base_path.join(&job.at), "open"))?;
        let here = |path: &CStr| base_path.join(&job.at).join(path.to_string_lossy().as_ref());
        job.stored.walk(
            |dir| match rustix::fs::mkdirat(&to, dir, Mode::from_raw_mode(0o777)) {
                // A nested `node_modules` may have been made before its package's own folder of that name.
                Ok(()) | Err(Errno::EXIST) => Ok(()),
                Err(e) => Err(error(here(dir), "create")(e)),
            },
            |file| {
                self.file(from.as_fd(), to.as_fd(), file.path, file.executable, job.own).map_err(
                    |e| match e {
                        // The folders it goes to were made just now: the store's file is what is missing.
                        Errno::NOENT => error(entry.join(file.path.to_string_lossy().as_ref()), "link")(e),
                        e => error(here(file.path), "link")(e),
                    },
                )
            },
        )
    }

    fn file(
        &self,
        from: BorrowedFd<'_>,
        to: BorrowedFd<'_>,
        path: &CStr,
        executable: bool,
        own: bool,
    ) -> std::result::Result<(), Errno> {
        let way = self.ladder.0.load(Ordering::Relaxed);
        if way == HARD_LINK && !own {
            match rustix::fs::linkat(from, path, to, path, AtFlags::empty()) {
                Ok(()) => return Ok(()),
                // Too many links to this one file: copy it, go on linking the others.
                Err(Errno::MLINK) => return copy(from, to, path, executable),
                Err(Errno::XDEV | Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::ACCESS) => {
                    self.ladder.0.store(COPY, Ordering::Relaxed);
                }
                Err(e) => return Err(e),
            }
        } else if way == REFLINK {
            match reflink(from, to, path, executable) {
                Ok(()) => return Ok(()),
                Err(Errno::XDEV | Errno::OPNOTSUPP | Errno::INVAL | Errno::NOTTY | Errno::NOSYS) => {
                    let _ = rustix::fs::unlinkat(to, path, AtFlags::empty());
                    self.ladder.0.store(HARD_LINK, Ordering::Relaxed);
                    return self.file(from, to, path, executable, own);
                }
                Err(e) => return Err(e),
            }
        }
        copy(from, to, path, executable)
    }
}

/// A regular file below `base`; a FIFO there does not hang.
pub fn open_file_at(base: &OwnedFd, path: impl rustix::path::Arg + Copy) -> std::io::Result<std::fs::File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = std::fs::File::from(mirror::file::openat(base, path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::Error::other("not a regular file")) }
}

/// Length and CRC-32 of a file's content.
pub fn read_all(mut file: std::fs::File, buffer: &mut [u8]) -> std::io::Result<(u64, u32)> {
    let (mut crc, mut size) = (0, 0u64);
    loop {
        match std::io::Read::read(&mut file, buffer) {
            Ok(0) => return Ok((size, crc)),
            Ok(n) => {
                crc = crc32(crc, &buffer[..n]);
                size += n as u64;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

fn open_pair(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    path: &CStr,
    executable: bool,
) -> std::result::Result<(OwnedFd, OwnedFd), Errno> {
    let source = mirror::file::openat(from, path, OFlags::RDONLY | OFlags::NOFOLLOW, Mode::empty())?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let mode = Mode::from_raw_mode(if executable { 0o755 } else { 0o644 });
    Ok((source, mirror::file::openat(to, path, flags, mode)?))
}

fn reflink(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    path: &CStr,
    executable: bool,
) -> std::result::Result<(), Errno> {
    let (source, target) = open_pair(from, to, path, executable)?;
    #[cfg(target_os = "linux")]
    return rustix::fs::ioctl_ficlone(&target, &source);
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (source, target);
        Err(Errno::OPNOTSUPP)
    }
}

fn copy(
    from: BorrowedFd<'_>,
    to: BorrowedFd<'_>,
    path: &CStr,
    executable: bool,
) -> std::result::Result<(), Errno> {
    let (source, target) = open_pair(from, to, path, executable)?;
    let (mut source, mut target) = (std::fs::File::from(source), std::fs::File::from(target));
    std::io::copy(&mut source, &mut target).map(drop).map_err(errno)
}

fn errno(e: std::io::Error) -> Errno {
    e.raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)
}

fn make_dir(base: &OwnedFd, path: &str) -> std::result::Result<(), Errno> {
    match rustix::fs::mkdirat(base, path, Mode::from_raw_mode(0o777)) {
        // A package that brings a folder where something is nested in it.
        Err(Errno::EXIST) => Ok(()),
        // An archive may hold files only in `a/b/`; what is nested there needs the folders between.
        Err(Errno::NOENT) => {
            if let Some((parent, _)) = path.rsplit_once('/') {
                make_dir(base, parent)?;
            }
            rustix::fs::mkdirat(base, path, Mode::from_raw_mode(0o777))
        }
        other => other,
    }
}

/// A link may be the first thing in its folder: of packages that need each other under one name,
/// the innermost has nothing nested in it but the link to the one around it.
fn make_link(base: &OwnedFd, path: &str, target: &str) -> std::result::Result<(), Errno> {
    match (rustix::fs::symlinkat(target, base, path), path.rsplit_once('/')) {
        (Err(Errno::NOENT), Some((parent, _))) => {
            make_dir(base, parent)?;
            rustix::fs::symlinkat(target, base, path)
        }
        (made, _) => made,
    }
}

fn make_parents(
    base: &OwnedFd,
    path: &str,
    made: &mut std::collections::HashSet<String>,
) -> std::result::Result<(), Errno> {
    if made.contains(path) {
        return Ok(());
    }
    if let Some((parent, _)) = path.rsplit_once('/') {
        make_parents(base, parent, made)?;
    }
    make_dir(base, path)?;
    made.insert(path.to_string());
    Ok(())
}

/// A new small file with this mode; never follows or replaces anything.
pub fn write_new(base: &OwnedFd, path: &str, bytes: &[u8], mode: u32) -> std::result::Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let mut file = std::fs::File::from(mirror::file::openat(base, path, flags, Mode::from_raw_mode(mode))?);
    std::io::Write::write_all(&mut file, bytes).map_err(errno)
}
