//! Where things lie in a mirror's directory, and how a file is found by its hash.
//!
//! A file's name is a hint of 55 bits: two contents may want one name. The
//! second one uses `.000`, `.001`, … instead of its extension; whoever looks
//! for a hash takes the file of the right length, and when there are several,
//! the one whose bytes match.

use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

pub(crate) const SLOTS: [&str; 2] = ["ROOT.A", "ROOT.B"];
pub(crate) const README: &str = "MIRROR.TXT";
pub(crate) const LOCK: &str = "LOCK";
pub(crate) const PIN: &str = "PIN";
pub(crate) const TMP: &str = "TMP";
pub(crate) const KEYS: &str = "KEY";
pub(crate) const SEEN: &str = "SEE";
pub(crate) const WANTS: &str = "WNT";
/// Every folder of a mirror, made by `init`.
pub(crate) const FOLDERS: [&str; 9] = [KEYS, "SNP", "SEG", "PAK", "BLB", WANTS, SEEN, "BIN", TMP];

/// The folders of files named by hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Folder {
    Snapshots,
    Segments,
    Packs,
    Blobs,
    Tools,
}

impl Folder {
    pub const ALL: [Self; 5] = [Self::Snapshots, Self::Segments, Self::Packs, Self::Blobs, Self::Tools];
    pub fn name(self) -> &'static str {
        match self {
            Self::Snapshots => "SNP",
            Self::Segments => "SEG",
            Self::Packs => "PAK",
            Self::Blobs => "BLB",
            Self::Tools => "BIN",
        }
    }
}

/// `00` … `31`: the shard of BLB/ that a hash belongs to, its first five bits.
pub(crate) fn shard(hash: &Hash) -> String {
    format!("{:02}", hash.0[0] >> 3)
}

/// A mirror's directory, and whether its names are shown in lower case (as
/// Linux shows ISO 9660 without extensions).
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub dir: PathBuf,
    pub lower: bool,
}

impl Layout {
    /// A name as it stands in this directory.
    pub fn name(&self, name: &str) -> String {
        if self.lower { name.to_ascii_lowercase() } else { name.to_string() }
    }
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(self.name(name))
    }
    /// The folder that holds a file with that hash.
    pub fn folder(&self, folder: Folder, hash: &Hash) -> PathBuf {
        let path = self.path(folder.name());
        if folder == Folder::Blobs { path.join(shard(hash)) } else { path }
    }

    fn open_named(&self, folder: Folder, hash: &Hash, name: &str) -> Result<Option<File>> {
        let top = self.name(folder.name());
        let shard = shard(hash);
        let folders: &[&str] = if folder == Folder::Blobs { &[&top, &shard] } else { &[&top] };
        match file::open_below(&self.dir, folders, &self.name(name)) {
            Ok(f) => Ok(Some(f)),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Opens the file with that hash and length. The content is hashed only
    /// where the name does not decide; `None`: there is no file of that name.
    pub fn open(&self, folder: Folder, hash: &Hash, bytes: u64) -> Result<Option<(File, PathBuf)>> {
        let (mut wrong, mut fits) = (None, Vec::new());
        for (i, name) in names(hash).enumerate() {
            let Some(f) = self.open_named(folder, hash, &name)? else {
                // The first name may be free again while the second one is used.
                if i == 0 { continue } else { break }
            };
            let path = self.folder(folder, hash).join(self.name(&name));
            let len = f.metadata().map_err(Error::io("read", &path))?.len();
            if len == bytes {
                fits.push((f, path));
            } else {
                wrong = Some((path, len));
            }
        }
        if fits.len() > 1 {
            for (f, path) in &fits {
                // One that cannot be read is not the one.
                if hash_of(f, path).is_ok_and(|found| found == *hash) {
                    return Ok(Some((f.try_clone().map_err(Error::io("open", path))?, path.clone())));
                }
            }
        }
        match (fits.into_iter().next(), wrong) {
            (Some(found), _) => Ok(Some(found)),
            (None, Some((path, len))) => {
                Err(Error::damaged(&path, format!("it has {len} bytes instead of {bytes}")))
            }
            (None, None) => Ok(None),
        }
    }

    /// As [`open`](Self::open), for what the snapshot says is there.
    pub fn need(&self, folder: Folder, hash: &Hash, bytes: u64) -> Result<(File, PathBuf)> {
        self.open(folder, hash, bytes)?.ok_or_else(|| {
            let path = self.folder(folder, hash).join(self.name(&hash.file_name()));
            match folder {
                // Without its archives a mirror is a smaller one; without its index it is none.
                Folder::Snapshots | Folder::Segments => Error::damaged(&path, "it is missing"),
                _ => Error::Io { action: "open", path, source: io::ErrorKind::NotFound.into() },
            }
        })
    }

    /// Gives a finished temporary file the name its content deserves. A file
    /// with the same content that is there already is kept instead.
    pub fn place(&self, temp: &Path, folder: Folder, hash: &Hash, bytes: u64) -> Result<PathBuf> {
        let dir = self.folder(folder, hash);
        file::make_dir(&dir)?;
        for name in names(hash) {
            let path = dir.join(self.name(&name));
            if file::rename_new(temp, &path)? {
                return Ok(path);
            }
            if holds(&path, hash, bytes) {
                std::fs::remove_file(temp).map_err(Error::io("remove", temp))?;
                return Ok(path);
            }
        }
        Err(Error::damaged(&dir, format!("every name for {hash} is taken by other content")))
    }
}

/// Whether the file there can be read, and is this one.
pub(crate) fn holds(path: &Path, hash: &Hash, bytes: u64) -> bool {
    let Ok(file) = file::open_regular(path) else { return false };
    file.metadata().is_ok_and(|m| m.len() == bytes) && hash_of(&file, path).is_ok_and(|h| h == *hash)
}

/// The names content with that hash may have, first choice first.
pub(crate) fn names(hash: &Hash) -> impl Iterator<Item = String> {
    let first = hash.file_name();
    let stem = first[..9].to_string();
    std::iter::once(first).chain((0..1000).map(move |n| format!("{stem}{n:03}")))
}

/// SHA-256 of a whole file, from its beginning.
pub(crate) fn hash_of(file: &File, path: &Path) -> Result<Hash> {
    let mut h = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut at = 0;
    loop {
        let n = file::read_at(file, &mut buffer, at).map_err(Error::io("read", path))?;
        if n == 0 {
            break;
        }
        at += n as u64;
        h.update(&buffer[..n]);
    }
    Ok(Hash(h.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, bytes: &[u8]) {
        file::replace_scratch(path, bytes).unwrap();
    }

    #[test]
    fn a_taken_name_uses_the_next_extension() {
        let dir = tempfile::tempdir().unwrap();
        let l = Layout { dir: dir.path().into(), lower: false };
        file::make_dir(&l.path("PAK")).unwrap();
        let hash = Hash::of(b"right");
        let dir = l.folder(Folder::Packs, &hash);
        // Other content of the same length has the name, as a torn commit may leave it.
        write(&dir.join(hash.file_name()), b"wrong");
        let temp = l.dir.join("t");
        write(&temp, b"right");
        let path = l.place(&temp, Folder::Packs, &hash, 5).unwrap();
        assert!(path.to_string_lossy().ends_with(".000"), "{path:?}");
        let (_, found) = l.need(Folder::Packs, &hash, 5).unwrap();
        assert_eq!(found, path);
        // Again: what is there is kept, and the temporary file goes.
        write(&temp, b"right");
        assert_eq!(l.place(&temp, Folder::Packs, &hash, 5).unwrap(), path);
        assert!(!temp.exists());
        assert!(matches!(l.open(Folder::Packs, &hash, 6), Err(Error::Damaged { .. })));
        assert!(l.open(Folder::Packs, &Hash::of(b"none"), 6).unwrap().is_none());
    }

    #[test]
    fn lower_case_media() {
        let dir = tempfile::tempdir().unwrap();
        let l = Layout { dir: dir.path().into(), lower: true };
        let hash = Hash::of(b"x");
        std::fs::create_dir_all(dir.path().join("blb").join(shard(&hash))).unwrap();
        write(&dir.path().join("blb").join(shard(&hash)).join(hash.file_name().to_ascii_lowercase()), b"x");
        assert!(l.open(Folder::Blobs, &hash, 1).unwrap().is_some());
    }
}
