//! All writing to a mirror. A batch is prepared in a folder of its own under
//! TMP/, by any number of threads and without any lock that others wait for;
//! [`Batch::commit`] makes it true as a whole, or not at all.
//!
//! Dropped, a batch cleans up after itself; killed with its process, it leaves the
//! mirror as it was, and a folder that the next commit knows for garbage.

use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use crate::layout;
use crate::lock::{Lock, Mode};
use crate::mirror::{ArchiveSource, Mirror};
use crate::pack::{PACKED_BELOW, PackWriter};
use crate::record::{Key, Location, Record, RecordView, VersionRecord};
use crate::snapshot::{FileEntry, MirrorId};
use crate::version::Version;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Blobs over this size lie in parts of this size.
const PART: u64 = 1 << 30;

pub struct Batch {
    pub(crate) mirror: Mirror,
    /// This batch's own folder.
    pub(crate) dir: PathBuf,
    /// Held as long as the folder is in use; dies with the process.
    guard: Option<Lock>,
    pub(crate) part: u64,
    state: Mutex<State>,
    packing: Mutex<Packing>,
}

/// What is to be done to the index.
#[derive(Default)]
pub(crate) struct State {
    pub spool: Spool,
    /// By key, in the order in which it was asked for.
    pub changes: BTreeMap<Vec<u8>, Vec<Change>>,
    pub label: Option<String>,
    pub policy: BTreeMap<String, Option<String>>,
    /// Unix seconds; `None`: the clock.
    pub date: Option<u64>,
    /// What is put comes from another mirror, whose claims are taken over with it.
    pub merged: Option<Claims>,
    /// Archives go that others may count on.
    pub fewer: bool,
    /// The tool for other hosts: by platform what it becomes, since when, and its file.
    pub tools: Vec<(String, FileEntry, u64, PathBuf)>,
}

/// What a mirror has of others once the last of their records is joined in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Claims {
    pub vector: Vec<(MirrorId, u64)>,
}

pub(crate) enum Change {
    /// A record in the spool: offset and length.
    Put(u64, usize),
    /// A version's text; `None`: all of them.
    Remove(Option<String>),
    /// A version whose archive goes.
    Absent(String),
}

/// Archives that were stored, and the pack that is open.
#[derive(Default)]
pub(crate) struct Packing {
    open: Option<(PackWriter, Hash)>,
    pub stored: HashMap<Hash, Stored>,
    pub blobs: BTreeMap<Hash, PendingBlob>,
    /// The name a pack has until its hash is known → what it became.
    pub packs: HashMap<Hash, (FileEntry, PathBuf)>,
    files: u64,
}

#[derive(Clone)]
pub(crate) struct PendingBlob {
    pub bytes: u64,
    /// Parts with their temporary files; a whole blob is its own only part.
    pub parts: Vec<(FileEntry, PathBuf)>,
}

/// An archive as it lies in the batch: for [`VersionRecord`](crate::record::VersionRecord)'s
/// fields of the same names. The location is only good for [`Batch::put`] of the same batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub sha256: Hash,
    pub size: u64,
    pub location: Location,
}

impl Stored {
    /// The record of the version whose archive this is.
    pub fn of(self, version: VersionRecord) -> VersionRecord {
        let Self { sha256, size, location } = self;
        VersionRecord { sha256: Some(sha256), size, location, ..version }
    }
}

impl Batch {
    /// `reserve_bytes`: what the batch is expected to write; refused with
    /// [`Error::NoSpace`] when the volume has less than that.
    pub fn begin(mirror: &Mirror, reserve_bytes: u64) -> Result<Self> {
        let root = mirror.dir();
        if mirror.layout().lower {
            return Err(Error::ReadOnly { path: root.into() });
        }
        let tmp = mirror.layout().path(layout::TMP);
        file::make_dir(&tmp)?;
        has_room(root, reserve_bytes)?;
        loop {
            let name = crate::digest::base32(&file::unique().to_le_bytes());
            let dir = tmp.join(&name[..8]);
            // The lock before the folder: a folder whose lock is free is garbage.
            let Some(guard) = Lock::attempt(&dir.with_extension("LCK"), Mode::Exclusive)? else { continue };
            if !file::make_dir(&dir)? {
                continue;
            }
            return Ok(Self {
                mirror: mirror.clone(),
                dir,
                guard: Some(guard),
                part: PART,
                state: Mutex::default(),
                packing: Mutex::default(),
            });
        }
    }

    /// As much is to be written yet: refused as by [`begin`](Self::begin).
    pub(crate) fn reserve(&self, bytes: u64) -> Result<()> {
        has_room(self.mirror.dir(), bytes)
    }

    /// A folder of the caller's own (to be made) that goes with the batch.
    pub fn scratch(&self) -> PathBuf {
        self.dir.join("W")
    }

    /// The mirror it was begun on.
    pub fn mirror(&self) -> &Mirror {
        &self.mirror
    }

    /// Takes in one archive's bytes. Any number of writers at a time.
    pub fn archive(&self) -> Result<ArchiveWriter<'_>> {
        Ok(ArchiveWriter { batch: self, hasher: Sha256::new(), size: 0, buffer: Vec::new(), spill: None })
    }

    /// Joins what is known about a package with what the mirror has: the union
    /// of the versions, the newer mutable facts; where an archive lies already
    /// is kept. Two hashes for one version make the commit fail with [`Error::Conflict`].
    pub fn put(&self, record: &Record) -> Result<()> {
        let mut bytes = Vec::new();
        record.encode(&mut bytes)?;
        self.put_encoded(&record.key, &bytes)
    }

    /// As [`put`](Self::put), of a package of which just one version is known.
    pub fn put_version(&self, key: Key, version: VersionRecord) -> Result<()> {
        self.put(&Record {
            key,
            complete: false,
            checked: 0,
            etag: String::new(),
            modified: 0,
            tags: Vec::new(),
            versions: vec![version],
        })
    }

    /// As [`put`](Self::put), of a record that is encoded already.
    pub fn put_view(&self, view: &RecordView) -> Result<()> {
        self.put_encoded(view.key(), &view.to_bytes()?)
    }

    /// As [`put_view`](Self::put_view); the details of the record's versions are
    /// left in the batch's file afterwards, if they are many.
    pub fn keep_view(&self, view: &mut RecordView) -> Result<()> {
        let bytes = view.to_bytes()?;
        if bytes.len() < KEPT_IN_MEMORY {
            return self.put_encoded(view.key(), &bytes);
        }
        let state = &mut *self.state();
        let (file, at) = state.spool.append_now(&self.dir, &bytes)?;
        state.changes.entry(view.key().to_bytes()).or_default().push(Change::Put(at, bytes.len()));
        drop(bytes);
        view.leave_in(file, at);
        Ok(())
    }

    pub(crate) fn put_encoded(&self, key: &Key, bytes: &[u8]) -> Result<()> {
        let state = &mut *self.state();
        let at = state.spool.append(&self.dir, bytes)?;
        state.changes.entry(key.to_bytes()).or_default().push(Change::Put(at, bytes.len()));
        Ok(())
    }

    /// Takes one version (or all) out of the index and keeps a note that this
    /// was on purpose, so that no sync brings it back. Putting an archive of it
    /// in again takes the note away. The archive's bytes go with the next `gc`.
    pub fn remove(&self, key: &Key, version: Option<&Version>) {
        let version = version.map(ToString::to_string);
        self.state().changes.entry(key.to_bytes()).or_default().push(Change::Remove(version));
    }

    /// Takes in the archive of that record from wherever it is; `None`: its bytes are not the record's.
    pub(crate) fn take(&self, mut source: ArchiveSource, v: &VersionRecord) -> Result<Option<Stored>> {
        let mut writer = self.archive()?;
        let mut buffer = Vec::new();
        loop {
            buffer.clear();
            // What goes into a pack is looked at before it is there.
            match (&mut source).take(PACKED_BELOW).read_to_end(&mut buffer) {
                Ok(0) => break,
                Ok(_) if v.size < PACKED_BELOW && v.sha256 != Some(Hash::of(&buffer)) => return Ok(None),
                Ok(_) => writer.write_all(&buffer).map_err(Error::io("write", &self.dir))?,
                Err(_) => {
                    writer.abandon();
                    return Ok(None);
                }
            }
        }
        let stored = writer.finish()?;
        Ok((v.sha256 == Some(stored.sha256)).then_some(stored))
    }

    /// Lets go of a version's archive; that it exists stays known. Its bytes go with the next `gc`.
    pub fn leave_out(&self, key: &Key, version: &str) {
        let state = &mut *self.state();
        state.fewer = true;
        state.changes.entry(key.to_bytes()).or_default().push(Change::Absent(version.to_string()));
    }

    /// Puts a program for that platform into BIN/, in the place of another one.
    pub fn put_tool(&self, platform: &str, source: &mut dyn Read, since: u64) -> Result<FileEntry> {
        let temp = self.temp();
        let mut file = file::create_new(&temp)?;
        let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 64 << 10]);
        loop {
            let n = source.read(&mut buffer).map_err(Error::io("read", &temp))?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
            file.write_all(&buffer[..n]).map_err(Error::io("write", &temp))?;
            bytes += n as u64;
        }
        let entry = FileEntry { hash: Hash(hasher.finalize().into()), bytes };
        self.adopt_tool(platform, entry, since, temp);
        Ok(entry)
    }

    /// As [`put_tool`](Self::put_tool), of a file that lies in the mirror under its own name already.
    pub(crate) fn adopt_tool(&self, platform: &str, entry: FileEntry, since: u64, path: PathBuf) {
        self.state().tools.push((platform.to_string(), entry, since, path));
    }

    /// Sets (or with `None` removes) a policy of the mirror, such as its platforms.
    pub fn set_policy(&self, name: &str, value: Option<&str>) {
        self.state().policy.insert(name.to_string(), value.map(str::to_string));
    }

    /// From here on what is put are another mirror's records, joined as mirrors join theirs.
    pub(crate) fn merge(&self, claims: Claims) {
        self.state().merged = Some(claims);
    }

    /// A pack that lies in the mirror under its own name already, in no state of it yet.
    pub(crate) fn adopt_pack(&self, pack: FileEntry, path: PathBuf) {
        self.packing().packs.insert(pack.hash, (pack, path));
    }

    /// As [`adopt_pack`](Self::adopt_pack), a blob with its parts (itself, if it lies in one).
    pub(crate) fn adopt_blob(&self, blob: FileEntry, parts: Vec<(FileEntry, PathBuf)>) {
        self.packing().blobs.insert(blob.hash, PendingBlob { bytes: blob.bytes, parts });
    }

    /// What people call the mirror.
    pub fn set_label(&self, label: &str) {
        self.state().label = Some(label.to_string());
    }

    /// The snapshot's date, Unix seconds, where the clock must not decide.
    pub fn set_date(&self, seconds: u64) {
        self.state().date = Some(seconds);
    }

    /// Removes what was prepared, as dropping does; the mirror is as it was.
    pub fn abandon(self) {}

    /// Best effort: what is left is garbage, and known to be.
    pub(crate) fn clean(&mut self) {
        if let Some(guard) = self.guard.take() {
            let _ = std::fs::remove_dir_all(&self.dir);
            let _ = std::fs::remove_file(guard.path());
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    pub(crate) fn packing(&self) -> MutexGuard<'_, Packing> {
        self.packing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the open pack.
    pub(crate) fn close_pack(&self, packing: &mut Packing) -> Result<()> {
        if let Some((pack, name)) = packing.open.take() {
            packing.packs.insert(name, pack.finish()?);
        }
        Ok(())
    }

    fn pack(&self, sha256: Hash, bytes: &[u8]) -> Result<Stored> {
        let packing = &mut *self.packing();
        if let Some(s) = packing.stored.get(&sha256) {
            return Ok(s.clone());
        }
        if packing.open.as_ref().is_some_and(|(p, _)| !p.has_room_for(bytes.len() as u64)) {
            self.close_pack(packing)?;
        }
        if packing.open.is_none() {
            let path = self.dir.join(format!("P{}", packing.packs.len()));
            let name = Hash::of(format!("{} {}", path.display(), file::unique()).as_bytes());
            packing.open = Some((PackWriter::create(path)?, name));
        }
        let Some((pack, name)) = &mut packing.open else {
            return Err(Error::Absent { name: String::new(), version: String::new() });
        };
        let offset = pack.append(sha256, bytes)?;
        let location = Location::Pack { pack: *name, offset };
        let stored = Stored { sha256, size: bytes.len() as u64, location };
        packing.stored.insert(sha256, stored.clone());
        Ok(stored)
    }

    fn temp(&self) -> PathBuf {
        let mut p = self.packing();
        p.files += 1;
        self.dir.join(format!("B{}", p.files))
    }
}

fn has_room(root: &Path, needed: u64) -> Result<()> {
    let free = fs2::available_space(root).map_err(Error::io("read", root))?;
    if free < needed { Err(Error::NoSpace { path: root.into(), needed, free }) } else { Ok(()) }
}

impl Drop for Batch {
    /// What dead batches left goes along, as with a commit; where somebody holds the writer lock,
    /// that one has seen to it.
    fn drop(&mut self) {
        if self.guard.is_none() {
            return;
        }
        self.clean();
        let layout = self.mirror.layout();
        if let Ok(Some(_lock)) = Lock::attempt(&layout.path(layout::LOCK), Mode::Exclusive) {
            let _ = crate::commit::clean_tmp(layout);
        }
    }
}

/// Takes an archive's bytes as they come; small ones end in a pack, others in a
/// file of their own. Never more than 256 KiB of it in memory.
pub struct ArchiveWriter<'a> {
    batch: &'a Batch,
    hasher: Sha256,
    size: u64,
    buffer: Vec<u8>,
    spill: Option<Spill>,
}

/// A blob on its way: the part being written and those done.
struct Spill {
    file: File,
    path: PathBuf,
    hasher: Sha256,
    bytes: u64,
    done: Vec<(FileEntry, PathBuf)>,
}

impl ArchiveWriter<'_> {
    /// Bytes taken so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The archive is complete: its hash, length and where it lies in the batch.
    pub fn finish(mut self) -> Result<Stored> {
        let sha256 = Hash(self.hasher.clone().finalize().into());
        let Some(spill) = self.spill.take() else { return self.batch.pack(sha256, &self.buffer) };
        let mut parts = spill.done;
        let whole = parts.is_empty();
        let hash = if whole { sha256 } else { Hash(spill.hasher.finalize().into()) };
        parts.push((FileEntry { hash, bytes: spill.bytes }, spill.path));
        let stored = Stored { sha256, size: self.size, location: Location::Blob };
        let packing = &mut *self.batch.packing();
        if packing.stored.contains_key(&sha256) {
            // Twice in one batch: once is enough.
            parts.iter().for_each(|(_, p)| _ = std::fs::remove_file(p));
        } else {
            packing.blobs.insert(sha256, PendingBlob { bytes: self.size, parts });
            packing.stored.insert(sha256, stored.clone());
        }
        Ok(stored)
    }

    /// Forgets it.
    pub fn abandon(self) {
        if let Some(s) = self.spill {
            let _ = std::fs::remove_file(&s.path);
            s.done.iter().for_each(|(_, p)| _ = std::fs::remove_file(p));
        }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<()> {
        self.hasher.update(bytes);
        self.size += bytes.len() as u64;
        if self.spill.is_none() {
            if self.size < PACKED_BELOW {
                self.buffer.extend_from_slice(bytes);
                return Ok(());
            }
            self.spill = Some(Spill::begin(self.batch.temp())?);
            let buffer = std::mem::take(&mut self.buffer);
            self.spill(&buffer)?;
        }
        self.spill(bytes)
    }

    fn spill(&mut self, mut bytes: &[u8]) -> Result<()> {
        let Some(s) = &mut self.spill else { return Ok(()) };
        while !bytes.is_empty() {
            if s.bytes == self.batch.part {
                let next = Spill::begin(self.batch.temp())?;
                let full = std::mem::replace(s, next);
                s.done = full.done;
                let hash = if s.done.is_empty() {
                    layout::hash_of(&full.file, &full.path)?
                } else {
                    Hash(full.hasher.finalize().into())
                };
                s.done.push((FileEntry { hash, bytes: full.bytes }, full.path));
            }
            let n = (bytes.len() as u64).min(self.batch.part - s.bytes) as usize;
            s.file.write_all(&bytes[..n]).map_err(Error::io("write", &s.path))?;
            // The first part's hash is found when it turns out to be one; usually
            // it is the whole archive, whose hash is taken already.
            if !s.done.is_empty() {
                s.hasher.update(&bytes[..n]);
            }
            s.bytes += n as u64;
            bytes = &bytes[n..];
        }
        Ok(())
    }
}

impl Spill {
    fn begin(path: PathBuf) -> Result<Self> {
        Ok(Self { file: file::create_new(&path)?, path, hasher: Sha256::new(), bytes: 0, done: Vec::new() })
    }
}

impl Write for ArchiveWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.take(bytes).map_err(|e| match e {
            Error::Io { source, .. } => source,
            e => io::Error::other(e.to_string()),
        })?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Records on their way into a segment, in memory up to 128 KiB, then in a file.
#[derive(Default)]
pub(crate) struct Spool {
    file: Option<(Arc<File>, PathBuf)>,
    written: u64,
    buffer: Vec<u8>,
}

const SPOOLED: usize = 128 << 10;
/// Records below this are not worth a read for each version that is looked at.
const KEPT_IN_MEMORY: usize = 4 << 10;

impl Spool {
    pub fn append(&mut self, dir: &Path, bytes: &[u8]) -> Result<u64> {
        let at = self.written + self.buffer.len() as u64;
        if self.buffer.len() + bytes.len() > SPOOLED {
            return self.append_now(dir, bytes).map(|(_, at)| at);
        }
        self.buffer.extend_from_slice(bytes);
        Ok(at)
    }

    /// Appends to the file itself, and says where.
    pub fn append_now(&mut self, dir: &Path, bytes: &[u8]) -> Result<(Arc<File>, u64)> {
        let (file, path) = match &self.file {
            Some(f) => f,
            None => {
                let path = dir.join(format!("R{:08X}", file::unique() as u32));
                self.file.insert((Arc::new(file::create_new(&path)?), path))
            }
        };
        let at = self.written + self.buffer.len() as u64;
        file.write_all_at(&self.buffer, self.written).map_err(Error::io("write", path))?;
        file.write_all_at(bytes, at).map_err(Error::io("write", path))?;
        self.written = at + bytes.len() as u64;
        self.buffer.clear();
        Ok((file.clone(), at))
    }

    pub fn read(&self, at: u64, len: usize) -> Result<Vec<u8>> {
        if at >= self.written {
            let from = (at - self.written) as usize;
            return Ok(self.buffer[from..from + len].to_vec());
        }
        let mut out = vec![0; len];
        if let Some((file, path)) = &self.file {
            file.read_exact_at(&mut out, at).map_err(Error::io("read", path))?;
        }
        Ok(out)
    }
}

#[cfg(test)]
pub(crate) mod tests;
