//! Reading every byte of a mirror and holding it against its hash: both root
//! slots, snapshots, segments with every block, packs with every archive,
//! blobs; and the records against where they say their archives lie.
//!
//! Finds every flipped bit. Changes nothing.

use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use crate::layout::{self, Folder, SLOTS};
use crate::mirror::{self, Mirror};
use crate::pack::{self, PackedArchive};
use crate::record::{Key, Location, RecordView, VersionRecord};
use crate::root::Slot;
use crate::segment::Segment;
use crate::snapshot::{FileEntry, Snapshot};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// How far it has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    pub file: &'a Path,
    pub bytes: u64,
    /// Bytes of all files that will be read.
    pub total: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    pub path: PathBuf,
    /// A clause that follows the path, such as «does not match its hash».
    pub what: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub files: u64,
    pub bytes: u64,
    /// Packages and present archives in the index.
    pub records: u64,
    pub archives: u64,
    pub damaged: Vec<Damage>,
}

/// What is damaged, for who mends it.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// A root slot is broken.
    pub slots: bool,
    pub readme: bool,
    pub keys: bool,
    /// Files that are missing, or are not what their hash says.
    pub files: Vec<(Folder, FileEntry)>,
    /// Archives that are not where their records say, or not what they say: key and version.
    pub archives: Vec<(Key, String)>,
    /// Something could not be read for want of something else than whole bytes: what is here is not known.
    pub shaky: bool,
    /// Files that are whole.
    pub good: HashSet<(Folder, Hash)>,
}

/// Checks everything that the mirror's state refers to, and that the other slot
/// refers to. Only what stops the whole check is an error; damage is reported.
pub fn verify(mirror: &Mirror, progress: &mut dyn FnMut(Progress<'_>)) -> Result<Report> {
    let state = |mirror: &Mirror, progress: &mut dyn FnMut(Progress<'_>)| {
        look(mirror, HashSet::new(), progress).map(|(report, _)| report)
    };
    let mut report = state(mirror, progress)?;
    let mut sequence = mirror.sequence();
    // Others may have committed and cleaned up meanwhile: what was missing then counts only if the
    // state that needed it is still one of the two.
    for _ in 0..8 {
        if report.damaged.is_empty() {
            break;
        }
        let newer = mirror.refresh()?;
        if newer.sequence() == sequence {
            break;
        }
        report = state(&newer, progress)?;
        sequence = newer.sequence();
    }
    Ok(report)
}

/// One look at the state, without another one at the files that are known to be `good`.
pub(crate) fn look(
    mirror: &Mirror,
    good: HashSet<(Folder, Hash)>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<(Report, Faults)> {
    let mut v = Verifier {
        mirror,
        progress,
        report: Report::default(),
        faults: Faults::default(),
        total: 0,
        seen: good,
        packs: HashMap::new(),
        bad: HashSet::new(),
        lost: HashSet::new(),
    };
    v.run()?;
    for (folder, entry) in &v.faults.files {
        v.seen.remove(&(*folder, entry.hash));
    }
    v.faults.good = v.seen;
    Ok((v.report, v.faults))
}

struct Verifier<'a> {
    mirror: &'a Mirror,
    progress: &'a mut dyn FnMut(Progress<'_>),
    report: Report,
    faults: Faults,
    total: u64,
    seen: HashSet<(Folder, Hash)>,
    /// Indexes of packs, a few at a time.
    packs: HashMap<Hash, Vec<PackedArchive>>,
    /// Archives whose bytes are not what they were: pack and offset, or the blob's own hash.
    bad: HashSet<(Hash, u64)>,
    /// Packs whose own index cannot be read: their archives are looked at one by one.
    lost: HashSet<Hash>,
}

impl Verifier<'_> {
    fn run(&mut self) -> Result<()> {
        let snapshot = self.mirror.snapshot();
        let other = self.slots();
        self.total =
            [Some(snapshot), other.as_ref()].into_iter().flatten().map(total).fold(0, u64::saturating_add);
        self.readme();
        self.keys()?;
        self.files(snapshot)?;
        self.records()?;
        if let Some(other) = &other {
            self.files(other)?;
        }
        Ok(())
    }

    fn damage(&mut self, path: &Path, what: impl Into<String>) {
        let damage = Damage { path: path.into(), what: what.into() };
        if !self.report.damaged.contains(&damage) {
            self.report.damaged.push(damage);
        }
    }

    /// As [`note`](Self::note), of one file of the state.
    fn fault(&mut self, folder: Folder, entry: FileEntry, error: Error) -> Result<()> {
        if !self.faults.files.contains(&(folder, entry)) {
            self.faults.files.push((folder, entry));
        }
        self.note(error)
    }

    /// Turns what is wrong with one file into a finding.
    fn note(&mut self, error: Error) -> Result<()> {
        // EIO is what a worn medium says of one place.
        let worn = matches!(&error, Error::Io { source, .. } if source.raw_os_error() == Some(5));
        self.faults.shaky |= error.is_of_the_system() && !worn;
        match error {
            Error::Damaged { path, what } => self.damage(&path, what),
            Error::WrongBytes { path, .. } => self.damage(&path, "does not match its hash"),
            Error::NotRegular { path } => self.damage(&path, "is not a regular file"),
            Error::Io { action, path, source } => self.damage(&path, format!("cannot {action} it: {source}")),
            Error::Record { key, what } => {
                let path = self.mirror.dir().to_path_buf();
                self.damage(&path, format!("the record of {key} {what}"));
            }
            e => return Err(e),
        }
        Ok(())
    }

    /// Both slots; the snapshot of the one that is not in use.
    fn slots(&mut self) -> Option<Snapshot> {
        let mut other = None;
        for (i, (slot, name)) in self.mirror.slots().clone().iter().zip(SLOTS).enumerate() {
            let path = self.mirror.layout().path(name);
            self.report.files += 1;
            match slot {
                Slot::Broken(what) => {
                    self.faults.slots = true;
                    self.damage(&path, *what);
                }
                Slot::Valid(root) if i != self.mirror.chosen() => {
                    match mirror::load_snapshot(self.mirror.layout(), root) {
                        Ok(loaded) => other = Some(loaded.snapshot),
                        Err(e) => {
                            // An error that stops everything would have stopped the opening.
                            let entry = FileEntry { hash: root.snapshot, bytes: root.length };
                            let _ = self.fault(Folder::Snapshots, entry, e);
                        }
                    }
                }
                _ => {}
            }
        }
        other
    }

    fn readme(&mut self) {
        let path = self.mirror.layout().path(layout::README);
        self.report.files += 1;
        match file::read(&path, 1 << 16) {
            Ok(bytes) if mirror::is_readme(self.mirror.id(), &bytes) => return,
            Ok(_) => self.damage(&path, "is not the text that it was made with"),
            Err(e) => self.damage(&path, e.to_string()),
        }
        self.faults.readme = true;
    }

    /// The chain of keys, and that the state in use is signed by its end.
    fn keys(&mut self) -> Result<()> {
        let head = self.mirror.head();
        let before = self.report.damaged.len();
        match self.mirror.keys(None) {
            Ok(Some(keys)) => {
                self.report.files += keys.version;
                if !head.signatures.is_empty() && !head.is_signed_by(&keys.keys) {
                    let path = self.mirror.dir().to_path_buf();
                    self.damage(&path, "its state is not signed by one of its keys");
                }
            }
            Ok(None) if head.signatures.is_empty() => {}
            Ok(None) => {
                self.damage(&self.mirror.layout().path(layout::KEYS), "does not hold the mirror's keys")
            }
            Err(e) => self.note(e)?,
        }
        self.faults.keys = self.report.damaged.len() > before;
        Ok(())
    }

    fn files(&mut self, s: &Snapshot) -> Result<()> {
        let tools = s.tools.iter().map(|t| (Folder::Tools, t.1));
        let origins = s.origins.iter().map(|o| (Folder::Snapshots, o.snapshot));
        let list = s.blobs.iter().map(|b| (Folder::Snapshots, b.0));
        for (folder, entry) in tools.chain(origins).chain(list) {
            if let Err(e) = self.whole(folder, &entry) {
                self.fault(folder, entry, e)?;
            }
        }
        for entry in &s.segments {
            let checked = match self.whole(Folder::Segments, &entry.file) {
                Ok(Some(_)) => Segment::open(self.mirror.layout(), entry)
                    .and_then(|segment| segment.check(entry, &mut |_| Ok(()))),
                Ok(None) => Ok(()),
                Err(e) => {
                    self.fault(Folder::Segments, entry.file, e)?;
                    continue;
                }
            };
            if let Err(e) = checked {
                self.note(e)?;
            }
        }
        for entry in &s.packs {
            if let Err(e) = self.pack(entry) {
                self.note(e)?;
            }
        }
        self.blobs(s)
    }

    /// Hashes a file; `None` when it was done already.
    fn whole(&mut self, folder: Folder, entry: &FileEntry) -> Result<Option<(File, PathBuf)>> {
        if !self.seen.insert((folder, entry.hash)) {
            return Ok(None);
        }
        let (file, path) = self.mirror.layout().need(folder, &entry.hash, entry.bytes)?;
        self.report.files += 1;
        let mut hasher = Sha256::new();
        self.stream(&file, &path, 0, entry.bytes, &mut [&mut hasher])?;
        let found = Hash(hasher.finalize().into());
        if found != entry.hash {
            return Err(Error::wrong_bytes(path, entry.hash, found));
        }
        Ok(Some((file, path)))
    }

    fn stream(
        &mut self,
        file: &File,
        path: &Path,
        mut at: u64,
        mut left: u64,
        hashers: &mut [&mut Sha256],
    ) -> Result<()> {
        let mut buffer = vec![0; 1 << 18];
        while left > 0 {
            let want = left.min(buffer.len() as u64) as usize;
            let n = file.read_at(&mut buffer[..want], at).map_err(Error::io("read", path))?;
            if n == 0 {
                return Err(Error::damaged(path, "ends too early"));
            }
            hashers.iter_mut().for_each(|h| h.update(&buffer[..n]));
            (at, left) = (at + n as u64, left - n as u64);
            self.report.bytes += n as u64;
            (self.progress)(Progress { file: path, bytes: self.report.bytes, total: self.total });
        }
        Ok(())
    }

    /// The pack's hash, and every archive against the pack's own index: of a pack that is damaged
    /// in one place the others are good.
    fn pack(&mut self, entry: &FileEntry) -> Result<()> {
        if self.seen.contains(&(Folder::Packs, entry.hash)) {
            return Ok(());
        }
        if let Err(e) = self.whole(Folder::Packs, entry) {
            self.fault(Folder::Packs, *entry, e)?;
        }
        let archives = self.archives(entry);
        if archives.is_err() {
            self.lost.insert(entry.hash);
        }
        archives
    }

    fn archives(&mut self, entry: &FileEntry) -> Result<()> {
        let (file, path) = self.mirror.layout().need(Folder::Packs, &entry.hash, entry.bytes)?;
        let mut bytes = Vec::new();
        for a in pack::read_index(&file, &path, entry.bytes)? {
            bytes.resize(a.size as usize, 0);
            let read = file.read_exact_at(&mut bytes, a.offset);
            if read.is_err() || Hash::of(&bytes) != a.sha256 {
                self.damage(&path, format!("the archive at {} does not match its hash", a.offset));
                self.bad.insert((entry.hash, a.offset));
            }
        }
        Ok(())
    }

    fn blobs(&mut self, s: &Snapshot) -> Result<()> {
        let mut blobs = Vec::new();
        let listed = mirror::each_blob(self.mirror.layout(), s, &mut |blob, parts| {
            blobs.push((blob, parts.to_vec()));
            Ok(())
        });
        if let Err(e) = listed {
            self.note(e)?;
        }
        for (blob, parts) in blobs {
            if !parts.is_empty() {
                self.parts(&blob, &parts)?;
            } else if let Err(e) = self.whole(Folder::Blobs, &blob) {
                self.bad.insert((blob.hash, 0));
                self.fault(Folder::Blobs, blob, e)?;
            }
        }
        Ok(())
    }

    /// Each part's hash and that of all together, in one pass.
    fn parts(&mut self, blob: &FileEntry, parts: &[FileEntry]) -> Result<()> {
        if !self.seen.insert((Folder::Blobs, blob.hash)) {
            return Ok(());
        }
        let (mut all, before) = (Sha256::new(), self.faults.files.len());
        for part in parts {
            if let Err(e) = self.part(part, &mut all) {
                self.bad.insert((blob.hash, 0));
                self.fault(Folder::Blobs, *part, e)?;
            }
        }
        if self.faults.files.len() > before {
            self.seen.remove(&(Folder::Blobs, blob.hash));
        } else if Hash(all.finalize().into()) != blob.hash {
            self.bad.insert((blob.hash, 0));
            let path = self.mirror.layout().folder(Folder::Blobs, &blob.hash);
            self.damage(&path, format!("the parts of blob {} do not make it up", blob.hash));
        }
        Ok(())
    }

    fn part(&mut self, part: &FileEntry, all: &mut Sha256) -> Result<()> {
        let (file, path) = self.mirror.layout().need(Folder::Blobs, &part.hash, part.bytes)?;
        self.report.files += 1;
        self.seen.insert((Folder::Blobs, part.hash));
        let mut one = Sha256::new();
        self.stream(&file, &path, 0, part.bytes, &mut [&mut one, all])?;
        let found = Hash(one.finalize().into());
        if found == part.hash { Ok(()) } else { Err(Error::wrong_bytes(path, part.hash, found)) }
    }

    /// Every record decodes, and its archives are where it says.
    fn records(&mut self) -> Result<()> {
        let mut blobs: HashMap<Hash, u64> = HashMap::new();
        let layout = self.mirror.layout();
        // A list that cannot be read was reported when its file was.
        let _ = mirror::each_blob(layout, self.mirror.snapshot(), &mut |b, _| {
            blobs.insert(b.hash, b.bytes);
            Ok(())
        });
        let mirror = self.mirror;
        let walked = mirror.for_each(mirror::Prefix::All, &mut |view| {
            self.report.records += 1;
            self.record(&view, &blobs)
        });
        // A block that cannot be read was reported with its segment.
        match walked {
            Err(e @ (Error::Damaged { .. } | Error::Io { .. } | Error::NotRegular { .. })) => self.note(e),
            other => other,
        }
    }

    fn record(&mut self, view: &RecordView, blobs: &HashMap<Hash, u64>) -> Result<()> {
        let dir = self.mirror.dir().to_path_buf();
        let mut last = None;
        for i in 0..view.len() {
            let v = match view.load(i) {
                Ok(v) => v,
                Err(e) => {
                    self.note(e)?;
                    continue;
                }
            };
            if last.as_ref().is_some_and(|l| *l >= v.version) {
                self.damage(&dir, format!("the record of {} is not in order", view.key().name));
            }
            let found = match &v.location {
                Location::Absent => true,
                Location::Pack { pack, offset } => self.packed(pack)?.is_some_and(|index| {
                    index.iter().any(|a| {
                        a.offset == u64::from(*offset) && a.size == v.size && Some(a.sha256) == v.sha256
                    })
                }),
                Location::Blob => v.sha256.and_then(|h| blobs.get(&h)) == Some(&v.size),
            };
            self.report.archives += u64::from(v.location.is_present());
            let is_lost = |pack| self.lost.contains(pack);
            let what = match &v.location {
                Location::Pack { pack, .. } if is_lost(pack) => (!self.is_whole(&v)).then_some("is damaged"),
                Location::Pack { pack, offset } if self.bad.contains(&(*pack, u64::from(*offset))) => {
                    Some("is damaged")
                }
                Location::Blob if v.sha256.is_some_and(|h| self.bad.contains(&(h, 0))) => Some("is damaged"),
                _ => (!found).then_some("is not where its record says"),
            };
            if let Some(what) = what {
                self.damage(&dir, format!("the archive of {}@{} {what}", view.key().name, v.version));
                self.faults.archives.push((view.key().clone(), v.version.to_string()));
            }
            last = Some(v.version);
        }
        Ok(())
    }

    /// Whether an archive's bytes are those of its record, whatever its pack says.
    fn is_whole(&self, v: &VersionRecord) -> bool {
        let mut bytes = Vec::new();
        let read =
            self.mirror.read_archive("", v).map(|mut a| std::io::Read::read_to_end(&mut a, &mut bytes));
        matches!(read, Ok(Ok(_))) && v.sha256 == Some(Hash::of(&bytes))
    }

    /// The index of a pack that the snapshot lists; `None`: there is no such pack, or it is broken.
    fn packed(&mut self, hash: &Hash) -> Result<Option<&Vec<PackedArchive>>> {
        if !self.packs.contains_key(hash) {
            let packs = &self.mirror.snapshot().packs;
            let Ok(i) = packs.binary_search_by(|p| p.hash.cmp(hash)) else { return Ok(None) };
            let index = self
                .mirror
                .layout()
                .need(Folder::Packs, hash, packs[i].bytes)
                .and_then(|(file, path)| pack::read_index(&file, &path, packs[i].bytes));
            let Ok(index) = index else { return Ok(None) };
            if self.packs.len() >= 64 {
                self.packs.clear();
            }
            self.packs.insert(*hash, index);
        }
        Ok(self.packs.get(hash))
    }
}

fn total(s: &Snapshot) -> u64 {
    let files = s.segments.iter().map(|s| s.file.bytes).chain(s.packs.iter().map(|p| p.bytes));
    files.fold(0, u64::saturating_add)
}

#[cfg(test)]
pub(crate) mod tests;
