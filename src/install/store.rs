//! Extracted packages, shared by all projects of a user.
//!
//! ```text
//! $PANTRY_HOME/store/
//!   <key>/          the package's files, never edited in place
//!   <key>.l         what they are (`listing`)
//!   tmp/<run>/      entries being made; a run's folder is locked while it lives
//!   links/          the shared trees of `linker=store` (`shared`)
//! ```
//!
//! The key is the first 20 bytes of the archive's integrity in base32. An entry
//! appears whole: its files are made in a private folder, hashed as they are
//! inflated, and renamed into place once the digest matched. Only what has a
//! listing is here: it gets its name just before the entry, or, for what comes
//! from upstream, when a mirror has the archive too ([`Store::list`]): who is
//! killed before that fetches it again. An entry without one is compared with
//! the archive before it is taken.
//!
//! Nothing here is synced. What an earlier start of the system left unsynced is
//! compared with the listing's checksums once, then marked durable, or dropped
//! and extracted again ([`Store::trusted`]).

use super::build::{open_file_at, read_all};
use super::listing::{self, BootId, Stored};
use crate::error::{Error, Result, Status};
use mirror::archive::{ArchiveError, Expect, Extract, Limits, Sink, Summary, Workspace};
use mirror::digest::{Integrity, base32};
use mirror::name::RelPath;
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::ffi::CStr;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// The name of an entry: 32 base32 characters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key([u8; 32]);

impl Key {
    pub fn of(integrity: &Integrity) -> Self {
        let mut out = [0; 32];
        // SHA-256 and stronger have at least 32 bytes; SHA-1 has exactly 20.
        out.copy_from_slice(base32(&integrity.bytes()[..20]).as_bytes());
        Self(out)
    }
    /// The name of an entry's folder, read back.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7')).then_some(Self(bytes))
    }
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An open store.
pub struct Store {
    dir: PathBuf,
    fd: OwnedFd,
    boot: BootId,
    /// Shared with other runs; `cache:clear` waits for it.
    _in_use: mirror::lock::DirLock,
    scratch: Scratch,
}

/// This run's private folder under `tmp/`, made when it is first needed.
struct Scratch {
    made: std::sync::Mutex<Option<(PathBuf, mirror::lock::DirLock)>>,
    next: AtomicU32,
}

/// When an entry counts as being here.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    Now,
    /// With [`Store::list`].
    Later,
}

/// What the archive of an entry must be.
pub struct Wanted<'a> {
    /// `None`, or a weak one: the entry is named by our own SHA-256 instead.
    pub integrity: Option<&'a Integrity>,
    pub name: &'a str,
    pub version: &'a str,
    /// Files that become executable whatever their mode in the archive.
    pub bins: &'a [RelPath],
}

impl Store {
    /// Opens the store, made if it is not there. `waiting` is told when it is being cleared.
    pub fn open(dir: &Path, waiting: &mut dyn FnMut()) -> Result<Self> {
        let io = |action| move |source| Error::Io { action, path: dir.to_path_buf(), source };
        let in_use = loop {
            mirror::file::make_dirs(dir)?;
            match mirror::lock::DirLock::shared(dir, waiting) {
                // `cache:clear` took it away.
                Err(mirror::Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                locked => break locked?,
            }
        };
        let fd = mirror::file::openat(CWD, dir, OFlags::DIRECTORY, Mode::empty())
            .map_err(|e| io("open")(e.into()))?;
        // Whoever owns it can change what is linked into projects.
        let owner = rustix::fs::fstat(&fd).map_err(|e| io("read")(e.into()))?.st_uid;
        let me = rustix::process::geteuid().as_raw();
        if owner != me && owner != 0 && me != 0 {
            return Err(Box::new(Error::Other {
                status: Status::Refused,
                message: format!(
                    "{} belongs to another user ({owner}), who could change what is installed from it",
                    mirror::name::escape(&dir.to_string_lossy())
                ),
                hints: vec![
                    "set PANTRY_HOME to a folder of your own, or take this one over with chown".into(),
                ],
            }));
        }
        Self::clean(dir);
        Ok(Self {
            dir: dir.to_path_buf(),
            fd,
            boot: BootId::of(&[dir]),
            _in_use: in_use,
            scratch: Scratch { made: std::sync::Mutex::new(None), next: AtomicU32::new(0) },
        })
    }

    /// Removes what killed runs left in the store at `dir`, be there one or not. One look at a
    /// folder that is not there or empty when nobody was killed.
    pub fn clean(dir: &Path) {
        mirror::lock::clean_private(&dir.join("tmp"));
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }
    pub fn fd(&self) -> &OwnedFd {
        &self.fd
    }
    pub fn boot(&self) -> BootId {
        self.boot
    }

    /// The entry's listing, if the entry is here and may be used. An entry of an
    /// earlier start of the system is checked first; a bad one is dropped.
    pub fn trusted(&self, key: &Key) -> Result<Option<Stored>> {
        let Some(stored) = self.listing(key)? else { return Ok(None) };
        if stored.is_trusted(self.boot) {
            return Ok(Some(stored));
        }
        if self.verify(key, &stored)? {
            self.mend_modes(key, &stored);
            self.put_listing(key, &stored.durable(), &self.listing_path(key))?;
            return Ok(Some(stored));
        }
        self.evict(key)?;
        Ok(None)
    }

    /// The listing as it stands; `None` when there is no entry or its listing is torn.
    pub fn listing(&self, key: &Key) -> Result<Option<Stored>> {
        match self.read(&format!("{}.l", key.as_str())) {
            Ok(bytes) => match Stored::parse(bytes) {
                Some(stored) if self.has(key) => Ok(Some(stored)),
                _ => Ok(None),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.error("read", key, e)),
        }
    }

    /// Whether there is an entry of that name; [`trusted`](Self::trusted) says whether it may be used.
    pub fn has(&self, key: &Key) -> bool {
        rustix::fs::accessat(&self.fd, key.as_str(), rustix::fs::Access::EXISTS, AtFlags::empty()).is_ok()
    }

    pub(super) fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW;
        let mut file = std::fs::File::from(mirror::file::openat(&self.fd, name, flags, Mode::empty())?);
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether every file has the size and checksum of the listing.
    pub fn verify(&self, key: &Key, stored: &Stored) -> Result<bool> {
        let mut good = true;
        self.each_wrong(key, stored, &mut |_, _| {
            good = false;
            false
        })?;
        Ok(good)
    }

    /// Calls `f` with every listed file that is not as it was extracted, and what
    /// is wrong with it, as long as `f` says to go on.
    pub fn each_wrong(
        &self,
        key: &Key,
        stored: &Stored,
        f: &mut dyn FnMut(&CStr, &'static str) -> bool,
    ) -> Result<()> {
        let Ok(root) = mirror::file::open_directory(&self.fd, key.as_str()) else {
            f(c"", "is missing");
            return Ok(());
        };
        let mut buffer = vec![0; 64 * 1024];
        let mut go_on = true;
        let walked: io::Result<()> = stored.walk(
            |_| Ok(()),
            |file| {
                if !go_on {
                    return Ok(());
                }
                match open_file_at(&root, file.path).map(|f| read_all(f, &mut buffer)) {
                    Ok(Ok(content)) if content == (file.size, file.crc32) => {}
                    Ok(Ok(_)) => go_on = f(file.path, "differs from what was extracted"),
                    Ok(Err(_)) => go_on = f(file.path, "cannot be read"),
                    Err(e) if e.kind() == io::ErrorKind::NotFound => go_on = f(file.path, "is missing"),
                    Err(_) => go_on = f(file.path, "is not a regular file"),
                }
                Ok(())
            },
        );
        walked.map_err(|e| self.error("read", key, e))
    }

    /// Whether that error is an entry's having been dropped by another process.
    pub fn has_lost(&self, error: &Error) -> bool {
        matches!(error, Error::Io { path, source, .. }
            if source.kind() == io::ErrorKind::NotFound && path.starts_with(&self.dir))
    }

    /// A power cut may keep a file's content and lose the change of its mode. Volumes without modes have none to lose.
    fn mend_modes(&self, key: &Key, stored: &Stored) {
        let Ok(root) = mirror::file::open_directory(&self.fd, key.as_str()) else { return };
        let _: io::Result<()> = stored.walk(
            |_| Ok(()),
            |file| {
                if let (true, Ok(f)) = (file.executable, open_file_at(&root, file.path))
                    && f.metadata().is_ok_and(|m| !mirror::file::is_executable(&m))
                {
                    let _ = f.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755));
                }
                Ok(())
            },
        );
    }

    /// Drops an entry: its listing first, and for good. It may say «durable», which must not outlive a power cut
    /// beside the files that come in the place of these. Shared trees may have its files as hard links.
    pub fn evict(&self, key: &Key) -> Result<()> {
        self.distrust_trees()?;
        self.drop_file(&format!("{}.l", key.as_str()))?;
        mirror::file::sync_dir(&self.dir)?;
        self.drop_folder(key.as_str())
    }

    /// Every shared tree is looked at again before it is used.
    pub fn distrust_trees(&self) -> Result<()> {
        self.drop_file("links/trusted")
    }

    fn drop_file(&self, name: &str) -> Result<()> {
        let path = self.dir.join(name);
        match std::fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &path)(e)),
            _ => Ok(()),
        }
    }

    /// Takes a folder of the store (`<key>`, `links/<tree>`) out of use by one rename, and removes it.
    pub fn drop_folder(&self, name: &str) -> Result<()> {
        let aside = self.private_path()?;
        let path = self.dir.join(name);
        match std::fs::rename(&path, &aside) {
            Ok(()) => std::fs::remove_dir_all(&aside).map_err(Error::io("remove", &aside)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(e) => Err(Error::io("remove", &path)(e)),
        }
    }

    /// Reads an archive into the store in one pass: the bytes that are hashed
    /// are the bytes that are installed. On any refusal nothing remains.
    pub fn add(
        &self,
        source: &mut dyn Read,
        wanted: &Wanted<'_>,
        workspace: &mut Workspace,
        listed: Listed,
    ) -> Result<(Key, Stored, Summary)> {
        let (scratch, number) = self.scratch_name()?;
        let private = scratch.join(format!("{number:x}"));
        let outcome = self.extract(source, wanted, workspace, &private).and_then(|(bytes, summary)| {
            let key = Key::of(&strong(&summary));
            let unreadable = || self.error("list", &key, io::Error::other("its own listing cannot be read"));
            let stored = Stored::parse(bytes).ok_or_else(unreadable)?;
            // Files without a listing that can be read are worth nothing by their name alone: a kill,
            // a power cut or a flipped bit may have been at them.
            if self.has(&key) {
                match self.verify(&key, &stored)? {
                    true => self.mend_modes(&key, &stored),
                    false => self.evict(&key)?,
                }
            }
            let list = match listed {
                Listed::Now => self.listing_path(&key),
                Listed::Later => later(&scratch, &key),
            };
            self.put_listing(&key, stored.bytes(), &list)?;
            match std::fs::rename(&private, self.dir.join(key.as_str())) {
                Ok(()) => {}
                // Another process was faster; it extracted the same a moment ago.
                Err(e)
                    if matches!(
                        e.kind(),
                        io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::AlreadyExists
                    ) =>
                {
                    let _ = std::fs::remove_dir_all(&private);
                }
                Err(e) => return Err(self.error("rename into", &key, e)),
            }
            Ok((key, stored, summary))
        });
        if outcome.is_err() {
            let _ = std::fs::remove_dir_all(&private);
        }
        outcome
    }

    fn extract(
        &self,
        source: &mut dyn Read,
        wanted: &Wanted<'_>,
        workspace: &mut Workspace,
        private: &Path,
    ) -> Result<(Vec<u8>, Summary)> {
        let io = |action| move |source| Box::new(Error::Io { action, path: private.to_path_buf(), source });
        let mut sink = Extract::create(private).map_err(io("create"))?;
        let summary = read(source, wanted, workspace, &mut sink).map_err(|e| {
            Box::new(match *e {
                // It is about this disk, not about the archive.
                Error::Archive { source, package } => match *source {
                    ArchiveError::Write { source, .. } => {
                        Error::Io { action: "write to", path: self.dir.clone(), source }
                    }
                    source => Error::Archive { package, source: Box::new(source) },
                },
                e => e,
            })
        })?;
        let mut listing = sink.into_listing();
        // npm makes the files behind commands executable whatever the archive says.
        for file in listing.files.iter_mut().filter(|f| !f.executable && wanted.bins.contains(&f.path)) {
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(private.join(file.path.as_str()), mode).map_err(io("write"))?;
            file.executable = true;
        }
        let package = format!("{}@{}", wanted.name, wanted.version);
        Ok((listing::encode(&listing, &package, self.boot), summary))
    }

    fn put_listing(&self, key: &Key, bytes: &[u8], at: &Path) -> Result<()> {
        let (scratch, number) = self.scratch_name()?;
        let temporary = scratch.join(format!("{number:x}.l"));
        mirror::file::write_scratch(&temporary, bytes)?;
        std::fs::rename(&temporary, at).map_err(|e| self.error("list", key, e))
    }

    /// Lists an entry that was [added](Self::add) to be listed later. Where that cannot be done it
    /// is not here, and comes again when it is wanted.
    pub fn list(&self, key: &Key) {
        if let Ok((scratch, _)) = self.scratch_name() {
            let _ = std::fs::rename(later(&scratch, key), self.listing_path(key));
        }
    }

    fn listing_path(&self, key: &Key) -> PathBuf {
        self.dir.join(format!("{}.l", key.as_str()))
    }

    /// This run's folder, and a number that it has not used yet.
    fn scratch_name(&self) -> Result<(PathBuf, u32)> {
        let number = self.scratch.next.fetch_add(1, Ordering::Relaxed);
        let mut made = self.scratch.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((dir, _)) = &*made {
            return Ok((dir.clone(), number));
        }
        let (dir, lock) = mirror::lock::private_dir(&self.dir.join("tmp"))?;
        *made = Some((dir.clone(), lock));
        Ok((dir, number))
    }

    /// A fresh folder in the store's own file system, for trees that will be renamed into it.
    pub fn private_path(&self) -> Result<PathBuf> {
        let (dir, number) = self.scratch_name()?;
        Ok(dir.join(format!("{number:x}")))
    }

    /// Removes this run's private folder. Not in `Drop`: a panic aborts anyway,
    /// and what is left is cleaned by the next run that looks at the store.
    pub fn close(self) {
        let made = self.scratch.made.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some((dir, lock)) = made {
            let _ = std::fs::remove_dir_all(&dir);
            drop(lock);
        }
    }

    fn error(&self, action: &'static str, key: &Key, source: io::Error) -> Box<Error> {
        Box::new(Error::Io { action, path: self.dir.join(key.as_str()), source })
    }
}

/// Where the listing of an entry waits in a run's own folder.
fn later(scratch: &Path, key: &Key) -> PathBuf {
    scratch.join(format!("{}.l", key.as_str()))
}

/// The hash an entry (and a lock) rests on: the upstream's where it is strong, else our SHA-256.
pub fn strong(summary: &Summary) -> Integrity {
    summary.sha256.map_or_else(|| summary.integrity.clone(), Integrity::from)
}

/// Reads an archive only to see that it is what was asked for.
pub fn check(
    source: &mut dyn Read,
    wanted: &Wanted<'_>,
    workspace: &mut Workspace,
) -> Result<(Key, Summary)> {
    let summary = read(source, wanted, workspace, &mut ())?;
    Ok((Key::of(&strong(&summary)), summary))
}

fn read(
    source: &mut dyn Read,
    wanted: &Wanted<'_>,
    workspace: &mut Workspace,
    sink: &mut dyn Sink,
) -> Result<Summary> {
    let is_strong = wanted.integrity.is_some_and(|i| i.algorithm().is_strong());
    let expect = Expect {
        integrity: wanted.integrity,
        name: Some(wanted.name),
        version: Some(wanted.version),
        sha256: !is_strong,
        ..Expect::default()
    };
    let mut summary = workspace.read(source, &expect, &Limits::default(), sink).map_err(|source| {
        Error::Archive { package: format!("{}@{}", wanted.name, wanted.version), source: Box::new(source) }
    })?;
    if is_strong {
        summary.sha256 = None;
    }
    Ok(summary)
}
