//! Writing an archive's files into a fresh private directory.
//!
//! The directory is made here and nobody else knows it yet, every directory in
//! it is made here too, and links are never made: so a path below its handle
//! cannot lead out of it. One `openat` (`O_CREAT|O_EXCL`, which follows no link) with the
//! final mode and one `write` per small file; no `stat`, no `chmod`, nothing
//! synced (what is extracted can be made again, promise 3).
//!
//! The caller publishes the directory by one rename once [`super::read`] has
//! said `Ok`, and removes it otherwise.

use super::read::{Entry, Sink};
use crate::digest::crc32;
use crate::name::RelPath;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::collections::HashMap;
use std::io::{self, BufRead};
use std::os::fd::OwnedFd;
use std::path::Path;

/// A file as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    pub path: RelPath,
    pub executable: bool,
    /// Bytes.
    pub size: u64,
    /// CRC-32 (IEEE) of the content: finds edits and rot, not malice.
    pub crc32: u32,
}

/// All that a package's directory holds, in the order it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    /// Parents before their children; the package's own directory is not listed.
    pub directories: Vec<RelPath>,
    /// Each path once.
    pub files: Vec<ListedFile>,
}

/// The sink that extracts.
pub struct Extract {
    root: OwnedFd,
    listing: Listing,
    /// Where a replaced file stands in the listing; filled at the first one.
    places: Option<HashMap<RelPath, usize>>,
}

impl Extract {
    /// Makes `directory` (its parent exists, it does not).
    pub fn create(directory: &Path) -> io::Result<Self> {
        rustix::fs::mkdirat(CWD, directory, Mode::from(0o755))?;
        let root = crate::file::open_directory(CWD, directory)?;
        Ok(Self { root, listing: Listing::default(), places: None })
    }

    pub fn into_listing(self) -> Listing {
        self.listing
    }

    /// Removes the file that an earlier entry of the same path made.
    fn replace(&mut self, path: &RelPath) -> io::Result<()> {
        rustix::fs::unlinkat(&self.root, path.as_str(), AtFlags::empty())?;
        let files = &mut self.listing.files;
        let places = self
            .places
            .get_or_insert_with(|| files.iter().enumerate().map(|(i, f)| (f.path.clone(), i)).collect());
        if let Some(place) = places.remove(path) {
            files.swap_remove(place);
            if let Some(moved) = files.get(place) {
                places.insert(moved.path.clone(), place);
            }
        }
        Ok(())
    }
}

impl Sink for Extract {
    fn directory(&mut self, path: &RelPath) -> io::Result<()> {
        rustix::fs::mkdirat(&self.root, path.as_str(), Mode::from(0o755))?;
        self.listing.directories.push(path.clone());
        Ok(())
    }

    fn file(&mut self, entry: Entry, content: &mut dyn BufRead) -> io::Result<()> {
        let Entry { path, executable, size, replaces } = entry;
        if replaces {
            self.replace(&path)?;
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL;
        let mode = Mode::from(if executable { 0o755 } else { 0o644 });
        let file = crate::file::openat(&self.root, path.as_str(), flags, mode)?;
        let mut crc = 0;
        loop {
            let bytes = content.fill_buf()?;
            if bytes.is_empty() {
                break;
            }
            crc = crc32(crc, bytes);
            let n = bytes.len();
            write_all(&file, bytes)?;
            content.consume(n);
        }
        if let Some(places) = &mut self.places {
            places.insert(path.clone(), self.listing.files.len());
        }
        self.listing.files.push(ListedFile { path, executable, size, crc32: crc });
        Ok(())
    }
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => bytes = &bytes[n..],
            Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
