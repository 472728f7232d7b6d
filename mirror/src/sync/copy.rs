//! Bringing files over: hashed on the way, given their final name as soon as they are whole, and
//! found there by whoever comes after an interruption.

use super::Watch;
use super::carrier::Carrier;
use super::gain::Gain;
use crate::batch::Batch;
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::layout::{self, Folder, Layout};
use crate::mirror::Mirror;
use crate::record::{Location, RecordBuilder, VersionRecord};
use crate::snapshot::FileEntry;
use std::collections::HashSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

const BUFFER: usize = 256 << 10;

pub struct Copying<'a> {
    layout: &'a Layout,
    pub from: &'a Carrier,
    /// The batch's folder in TMP/.
    dir: PathBuf,
    pub total: u64,
    pub copied: u64,
    /// Files that were here already.
    pub found: u64,
    /// What cannot be had from there, and why.
    pub lost: HashSet<Hash>,
    pub damaged: Vec<String>,
}

impl<'a> Copying<'a> {
    pub fn new(layout: &'a Layout, from: &'a Carrier, dir: PathBuf, total: u64) -> Self {
        Self { layout, from, dir, total, copied: 0, found: 0, lost: HashSet::new(), damaged: Vec::new() }
    }

    /// Where the file lies here now; `None`: it is damaged there.
    pub fn bring(
        &mut self,
        folder: Folder,
        entry: &FileEntry,
        watch: &mut Watch<'_>,
    ) -> Result<Option<PathBuf>> {
        if let Ok(Some((file, path))) = self.layout.open(folder, &entry.hash, entry.bytes)
            && layout::hash_of(&file, &path)? == entry.hash
        {
            self.found += 1;
            self.copied += entry.bytes;
            (watch.progress)(self.copied, self.total);
            return Ok(Some(path));
        }
        let temp = self.dir.join("COPY");
        match self.copy(folder, entry, &temp, watch) {
            Ok(()) => self.layout.place(&temp, folder, &entry.hash, entry.bytes).map(Some),
            Err(e) => {
                let _ = std::fs::remove_file(&temp);
                if folder == Folder::Segments || !is_their_damage(&e, self.from) {
                    return Err(e);
                }
                self.damaged.push(e.to_string());
                self.lost.insert(entry.hash);
                Ok(None)
            }
        }
    }

    fn copy(&mut self, folder: Folder, entry: &FileEntry, temp: &Path, watch: &mut Watch<'_>) -> Result<()> {
        let (copied, total) = (&mut self.copied, self.total);
        self.from.copy(folder, entry, temp, &mut |n| {
            *copied += n;
            (watch.progress)(*copied, total);
        })
    }

    /// Chosen archives one by one, into packs of our own, and the record with where they lie now.
    pub fn archives(
        &mut self,
        source: &Mirror,
        batch: &Batch,
        gain: &Gain,
        chosen: &[usize],
        watch: &mut Watch<'_>,
    ) -> Result<()> {
        let key = gain.record.key();
        for pack in source.snapshot().packs.iter().filter(|p| gain.packs.contains(&p.hash)) {
            self.from.bring(Folder::Packs, pack)?;
        }
        for blob in &gain.blobs {
            for part in source.blob_parts(&blob.hash, blob.bytes)?.unwrap_or_default() {
                self.from.bring(Folder::Blobs, &part)?;
            }
        }
        batch.put_view(&gain.record)?;
        let mut builder = RecordBuilder::new(key.clone());
        for &i in chosen {
            let version = gain.record.load(i)?;
            match self.archive(source, batch, &key.name, &version) {
                Ok(stored) => builder.push_version(&stored.of(version))?,
                Err(e) if is_their_damage(&e, self.from) => {
                    self.damaged.push(e.to_string());
                    self.lost.extend(match version.location {
                        Location::Pack { pack, .. } => Some(pack),
                        _ => version.sha256,
                    });
                }
                Err(e) => return Err(e),
            }
            (watch.progress)(self.copied, self.total);
        }
        batch.put_encoded(key, &builder.finish()?)
    }

    fn archive(
        &mut self,
        source: &Mirror,
        batch: &Batch,
        name: &str,
        v: &VersionRecord,
    ) -> Result<crate::batch::Stored> {
        let mut bytes = source.read_archive(name, v)?;
        let mut writer = batch.archive()?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let n = match bytes.read(&mut buffer) {
                Ok(0) => break,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                other => other.map_err(Error::io("read", source.dir()))?,
            };
            writer.write_all(&buffer[..n]).map_err(Error::io("write", &self.dir))?;
            self.copied += n as u64;
        }
        let stored = writer.finish()?;
        match v.sha256 {
            Some(expected) if expected != stored.sha256 => {
                Err(Error::wrong_bytes(source.dir().into(), expected, stored.sha256))
            }
            _ => Ok(stored),
        }
    }
}

/// Whether it is the other mirror that is damaged, not this one, nor the way between them.
pub fn is_their_damage(error: &Error, from: &Carrier) -> bool {
    let theirs = |path: &Path| path.starts_with(from.place()) || path.starts_with(from.mirror().dir());
    match error {
        Error::WrongBytes { path, .. } | Error::Damaged { path, .. } | Error::NotRegular { path } => {
            theirs(path)
        }
        Error::Io { path, source: e, .. } => {
            use std::io::ErrorKind as K;
            // EIO is what a worn stick says of one place.
            theirs(path)
                && (matches!(e.kind(), K::NotFound | K::UnexpectedEof) || e.raw_os_error() == Some(5))
        }
        Error::Absent { .. } => true,
        _ => false,
    }
}
