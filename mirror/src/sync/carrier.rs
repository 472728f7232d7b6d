//! Where a sync takes files from: a directory, or a static web server, of which as much is fetched
//! into a folder as is to be read.
//!
//! All files but the root slots are immutable and named by their content, so a server needs nothing
//! but to give them out. One that knows `Range` lets a download that broke off go on where it was.

use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use crate::http::{Client, HttpError, Request, Url};
use crate::layout::{self, Folder, Layout, SLOTS, names};
use crate::mirror::Mirror;
use crate::record::{Location, VersionRecord};
use crate::root::{self, Root, Slot};
use crate::snapshot::FileEntry;
use crate::trust::Keys;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Largest document of KEY/ that is fetched, and how many.
const MAX_KEYS: u64 = 64 << 10;
const MAX_VERSIONS: u64 = 1000;
const BUFFER: usize = 256 << 10;
/// How often a download that broke off is taken up again.
const TRIES: usize = 4;

pub struct Carrier {
    mirror: Mirror,
    remote: Option<Remote>,
}

/// A mirror behind a web server.
struct Remote {
    client: Client,
    /// Ends with a slash.
    base: Url,
    /// What was fetched lies here as it does there.
    layout: Layout,
}

impl Carrier {
    /// A directory. `mirror` was opened pinned: what its state names stays.
    pub fn folder(mirror: Mirror) -> Self {
        Self { mirror, remote: None }
    }

    /// The mirror at `url` (or in its folder `PANTRY`): both slots and one snapshot are fetched into
    /// `scratch`, a new folder of the caller's, who removes it.
    pub fn remote(client: Client, url: &Url, scratch: &Path) -> Result<Self> {
        let layout = Layout { dir: scratch.into(), lower: false };
        file::make_dir(scratch)?;
        for folder in layout::FOLDERS {
            file::make_dir(&layout.path(folder))?;
        }
        let root = with_slash(url)?;
        let mut remote = Remote { client, base: root.clone(), layout };
        let mut slots = remote.slots()?;
        if slots.is_empty() {
            remote.base = below(&root, "PANTRY/")?;
            slots = remote.slots()?;
        }
        if slots.is_empty() {
            return Err(Error::NotAMirror { path: PathBuf::from(root.to_string()) });
        }
        crate::order::sort_by_key(&mut slots, |slot| std::cmp::Reverse(slot.sequence));
        let mut first = None;
        for slot in slots {
            let entry = FileEntry { hash: slot.snapshot, bytes: slot.length };
            match remote.bring(Folder::Snapshots, &entry) {
                Ok(()) => break,
                Err(e) => first = first.or(Some(e)),
            }
        }
        let mirror = match Mirror::open(&remote.layout.dir) {
            Ok(mirror) => mirror,
            Err(e) => return Err(first.unwrap_or(e)),
        };
        Ok(Self { mirror, remote: Some(remote) })
    }

    /// The state that is taken from.
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// Where it is, for people.
    pub fn place(&self) -> PathBuf {
        self.remote.as_ref().map_or(self.mirror.dir().into(), |r| PathBuf::from(r.base.to_string()))
    }

    /// From here on the mirror's keys can be read, for who does not know them yet.
    pub fn bring_keys(&self) -> Result<()> {
        self.remote.as_ref().map_or(Ok(()), Remote::keys)
    }

    /// From here on [`mirror`](Self::mirror) can read this file.
    pub(super) fn bring(&self, folder: Folder, entry: &FileEntry) -> Result<()> {
        self.remote.as_ref().map_or(Ok(()), |remote| remote.bring(folder, entry))
    }

    /// From here on all its records can be read.
    pub fn bring_index(&self) -> Result<()> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let state = self.mirror.snapshot();
        for segment in &state.segments {
            remote.bring(Folder::Segments, &segment.file)?;
        }
        state.blobs.iter().try_for_each(|(list, _)| remote.bring(Folder::Snapshots, list))
    }

    /// From here on that archive can be read.
    pub(crate) fn bring_archive(&self, v: &VersionRecord) -> Result<()> {
        let Some(remote) = &self.remote else { return Ok(()) };
        match (&v.location, v.sha256) {
            (Location::Pack { pack, .. }, _) => {
                let packs = self.mirror.snapshot().packs.iter();
                packs.filter(|p| p.hash == *pack).try_for_each(|pack| remote.bring(Folder::Packs, pack))
            }
            (Location::Blob, Some(hash)) => {
                let parts = self.mirror.blob_parts(&hash, v.size)?.unwrap_or_default();
                parts.iter().try_for_each(|part| remote.bring(Folder::Blobs, part))
            }
            _ => Ok(()),
        }
    }

    /// Whether it has such a file, by its name and length, or as far as its state says.
    pub(crate) fn has(&self, folder: Folder, entry: &FileEntry) -> bool {
        let named = || {
            let (mirror, s) = (&self.mirror, self.mirror.snapshot());
            match folder {
                Folder::Snapshots => s.blobs.iter().any(|(list, _)| list == entry),
                Folder::Segments => s.segments.iter().any(|s| s.file == *entry),
                Folder::Packs => s.packs.contains(entry),
                Folder::Tools => s.tools.iter().any(|(_, tool)| tool == entry),
                Folder::Blobs => {
                    let mut found = false;
                    let listed = self.bring_index().and_then(|()| {
                        mirror.each_blob(&mut |blob, parts| {
                            found |= blob == *entry || parts.contains(entry);
                            Ok(())
                        })
                    });
                    listed.is_ok() && found
                }
            }
        };
        match &self.remote {
            Some(_) => named(),
            None => matches!(self.mirror.layout().open(folder, &entry.hash, entry.bytes), Ok(Some(_))),
        }
    }

    /// Copies one file of the state to `temp`, which is new. `copied` is told how many bytes came.
    pub(crate) fn copy(
        &self,
        folder: Folder,
        entry: &FileEntry,
        temp: &Path,
        copied: &mut dyn FnMut(u64),
    ) -> Result<()> {
        if let Some(remote) = &self.remote {
            return remote.fetch(folder, entry, temp, copied);
        }
        let (mut source, path) = self.mirror.layout().need(folder, &entry.hash, entry.bytes)?;
        let mut copy = Copy::new(temp)?;
        copy.take(&mut source, &path, entry.bytes, copied)?;
        copy.finish(entry, path)
    }
}

impl Remote {
    /// The slots that are valid; none: there is no mirror.
    fn slots(&self) -> Result<Vec<Root>> {
        let mut found = Vec::new();
        for name in SLOTS {
            if let Some(bytes) = self.document(name, root::SLOT as u64)? {
                found.extend(Slot::parse(&bytes).root().cloned());
            }
        }
        Ok(found)
    }

    /// Fetches a file that is not named by its content; `None`: there is none.
    fn document(&self, name: &str, cap: u64) -> Result<Option<Vec<u8>>> {
        let url = below(&self.base, name)?;
        let answer = self.client.get(&Request { cap, ..Request::new(&url) }).map_err(|e| failed(&url, e))?;
        match answer.status {
            200 => {
                let bytes = answer.body.read_whole().map_err(|e| failed(&url, e))?;
                file::replace_scratch(&self.layout.path(name), &bytes)?;
                Ok(Some(bytes))
            }
            404 | 410 => Ok(None),
            status => Err(refused(&url, status)),
        }
    }

    /// The documents of KEY/, as many as there are.
    fn keys(&self) -> Result<()> {
        for version in 1..=MAX_VERSIONS {
            if self.document(&format!("KEY/{}", Keys::file_name(version)), MAX_KEYS)?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn bring(&self, folder: Folder, entry: &FileEntry) -> Result<()> {
        if self.layout.open(folder, &entry.hash, entry.bytes)?.is_some() {
            return Ok(());
        }
        let temp = self.layout.path(layout::TMP).join("FETCH");
        self.fetch(folder, entry, &temp, &mut |_| {})?;
        self.layout.place(&temp, folder, &entry.hash, entry.bytes).map(|_| ())
    }

    /// Tries the names that content with this hash may have.
    fn fetch(
        &self,
        folder: Folder,
        entry: &FileEntry,
        temp: &Path,
        copied: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let mut wrong = None;
        for (i, name) in names(&entry.hash).enumerate() {
            let shard = match folder {
                Folder::Blobs => format!("{}/", layout::shard(&entry.hash)),
                _ => String::new(),
            };
            let url = below(&self.base, &format!("{}/{shard}{name}", folder.name()))?;
            let _ = std::fs::remove_file(temp);
            match self.download(&url, entry, temp, copied) {
                Ok(true) => return Ok(()),
                // The first name may be free again while the second one is used.
                Ok(false) if i == 0 => {}
                Ok(false) => break,
                Err(e @ Error::WrongBytes { .. }) => wrong = Some(e),
                Err(e) => return Err(e),
            }
        }
        Err(wrong.unwrap_or_else(|| {
            let path = format!("{}{}/{}", self.base, folder.name(), entry.hash.file_name());
            Error::from_io("fetch", Path::new(&path), io::ErrorKind::NotFound.into())
        }))
    }

    /// `false`: there is no such file.
    fn download(
        &self,
        url: &Url,
        entry: &FileEntry,
        temp: &Path,
        copied: &mut dyn FnMut(u64),
    ) -> Result<bool> {
        let mut copy = Copy::new(temp)?;
        for attempt in 1.. {
            let request = Request { cap: entry.bytes, from: copy.bytes, ..Request::new(url) };
            let mut answer = match self.client.get(&request) {
                // It would send more than the file has.
                Err(HttpError::TooLarge { .. }) => return Err(copy.other(entry, url)),
                other => other.map_err(|e| failed(url, e))?,
            };
            match answer.status {
                206 if copy.bytes > 0 => {}
                200 => copy.again()?,
                404 | 410 => return Ok(false),
                status => return Err(refused(url, status)),
            }
            let place = PathBuf::from(url.to_string());
            match copy.take(&mut answer.body, &place, entry.bytes - copy.bytes, copied) {
                Err(Error::Io { source, .. })
                    if attempt < TRIES && HttpError::inside(&source).is_some_and(HttpError::is_transient) => {
                }
                Err(e) => return Err(e),
                Ok(()) => return copy.finish(entry, place).map(|()| true),
            }
        }
        Ok(false)
    }
}

/// A file on its way, hashed as it is written.
struct Copy<'a> {
    temp: &'a Path,
    file: File,
    hasher: Sha256,
    bytes: u64,
}

impl<'a> Copy<'a> {
    fn new(temp: &'a Path) -> Result<Self> {
        Ok(Self { temp, file: file::create_new(temp)?, hasher: Sha256::new(), bytes: 0 })
    }

    fn again(&mut self) -> Result<()> {
        self.file.set_len(0).map_err(Error::io("write", self.temp))?;
        std::io::Seek::rewind(&mut self.file).map_err(Error::io("write", self.temp))?;
        (self.hasher, self.bytes) = (Sha256::new(), 0);
        Ok(())
    }

    fn take(
        &mut self,
        from: &mut dyn Read,
        path: &Path,
        mut left: u64,
        copied: &mut dyn FnMut(u64),
    ) -> Result<()> {
        let mut buffer = vec![0; BUFFER];
        while left > 0 {
            let want = left.min(BUFFER as u64) as usize;
            let n = match from.read(&mut buffer[..want]) {
                Ok(0) => break,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(Error::io("read", path))?,
            };
            self.hasher.update(&buffer[..n]);
            self.file.write_all(&buffer[..n]).map_err(Error::io("write", self.temp))?;
            (left, self.bytes) = (left - n as u64, self.bytes + n as u64);
            copied(n as u64);
        }
        Ok(())
    }

    fn finish(self, entry: &FileEntry, path: PathBuf) -> Result<()> {
        let found = Hash(self.hasher.finalize().into());
        if found == entry.hash { Ok(()) } else { Err(Error::wrong_bytes(path, entry.hash, found)) }
    }

    fn other(self, entry: &FileEntry, url: &Url) -> Error {
        let found = Hash(self.hasher.finalize().into());
        Error::wrong_bytes(PathBuf::from(url.to_string()), entry.hash, found)
    }
}

fn with_slash(url: &Url) -> Result<Url> {
    if url.path().ends_with('/') { Ok(url.clone()) } else { below(url, "/") }
}

fn below(url: &Url, tail: &str) -> Result<Url> {
    url.with(tail).map_err(|e| failed(url, e))
}

fn failed(url: &Url, error: HttpError) -> Error {
    Error::from_io("fetch", Path::new(&url.to_string()), io::Error::other(error))
}

fn refused(url: &Url, status: u16) -> Error {
    failed(url, HttpError::Broken { url: url.clone(), detail: format!("the status is {status}") })
}
