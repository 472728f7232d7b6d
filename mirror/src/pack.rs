//! A pack: archives of less than 256 KiB in one file of up to 32 MiB, so that a
//! stick with 128 KiB clusters does not waste a third of itself.
//!
//! ```text
//! 8 bytes   `MIRPAK1\n`
//! archives  as they came from upstream, one after the other
//! index     n number of archives, then per archive: 32 bytes SHA-256, n offset in the file, n length
//! 8 bytes   where the index begins, little endian
//! 8 bytes   `MIRPKI1\n`
//! ```
//! Nothing needs the index to read a mirror (records say where an archive lies);
//! it is there so that a pack can be checked, merged and salvaged on its own.

use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use crate::record::codec::{Cursor, put_number};
use crate::snapshot::FileEntry;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// Archives of this many bytes and more are blobs.
pub const PACKED_BELOW: u64 = 256 << 10;
/// A pack is closed before it would grow past this.
pub(crate) const MAX_PACK: u64 = 32 << 20;
const HEADER: &[u8; 8] = b"MIRPAK1\n";
const TRAILER: &[u8; 8] = b"MIRPKI1\n";
/// 40 bytes for each of the smallest archives a pack can hold.
const MAX_INDEX: u64 = 64 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PackedArchive {
    pub sha256: Hash,
    pub offset: u64,
    pub size: u64,
}

pub(crate) struct PackWriter {
    file: File,
    path: PathBuf,
    hasher: Sha256,
    at: u64,
    index: Vec<PackedArchive>,
}

impl PackWriter {
    pub fn create(path: PathBuf) -> Result<Self> {
        let file = file::create_new(&path)?;
        let mut w = Self { file, path, hasher: Sha256::new(), at: 0, index: Vec::new() };
        w.write(HEADER)?;
        Ok(w)
    }

    pub fn has_room_for(&self, bytes: u64) -> bool {
        // With some bytes for the index, which holds 40 for every archive.
        self.at + bytes + 48 * (self.index.len() as u64 + 2) <= MAX_PACK
    }

    /// Appends an archive; where it lies.
    pub fn append(&mut self, sha256: Hash, bytes: &[u8]) -> Result<u32> {
        let offset = self.at;
        self.write(bytes)?;
        self.index.push(PackedArchive { sha256, offset, size: bytes.len() as u64 });
        Ok(offset as u32)
    }

    /// Writes the index. The file is complete, and not durable yet.
    pub fn finish(mut self) -> Result<(FileEntry, PathBuf)> {
        let index_at = self.at;
        let mut index = Vec::with_capacity(self.index.len() * 40 + 24);
        put_number(&mut index, self.index.len() as u64);
        for a in &self.index {
            index.extend_from_slice(&a.sha256.0);
            put_number(&mut index, a.offset);
            put_number(&mut index, a.size);
        }
        index.extend_from_slice(&index_at.to_le_bytes());
        index.extend_from_slice(TRAILER);
        self.write(&index)?;
        Ok((FileEntry { hash: Hash(self.hasher.finalize().into()), bytes: self.at }, self.path))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io("write", &self.path))?;
        self.hasher.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }
}

/// Reads a pack's own index; every archive lies inside the file.
pub(crate) fn read_index(file: &File, path: &Path, bytes: u64) -> Result<Vec<PackedArchive>> {
    let damaged = |what: &str| Error::damaged(path, what);
    let (mut head, mut tail) = ([0; 8], [0; 16]);
    if bytes < 24 {
        return Err(damaged("it is too short"));
    }
    file.read_exact_at(&mut head, 0).map_err(Error::io("read", path))?;
    file.read_exact_at(&mut tail, bytes - 16).map_err(Error::io("read", path))?;
    let mut at = [0; 8];
    at.copy_from_slice(&tail[..8]);
    let index_at = u64::from_le_bytes(at);
    if head != *HEADER || tail[8..] != *TRAILER || index_at < 8 || index_at > bytes - 16 {
        return Err(damaged("its first or last bytes are wrong"));
    }
    let len = bytes - 16 - index_at;
    if len > MAX_INDEX {
        return Err(damaged("its index is too large"));
    }
    let mut index = vec![0; len as usize];
    file.read_exact_at(&mut index, index_at).map_err(Error::io("read", path))?;
    let read = || -> std::result::Result<Vec<PackedArchive>, &'static str> {
        let mut c = Cursor::new(&index);
        let count = c.count()?;
        let mut out = Vec::with_capacity(count.min(c.left() / 34));
        // One after the other: an archive that a million entries share would be hashed a million times.
        let mut at = HEADER.len() as u64;
        for _ in 0..count {
            let a = PackedArchive { sha256: Hash(c.array()?), offset: c.number()?, size: c.number()? };
            if a.offset != at || a.size > index_at - at {
                return Err("does not name its archives one after the other");
            }
            at += a.size;
            out.push(a);
        }
        c.end()?;
        if at == index_at { Ok(out) } else { Err("does not name all of its archives") }
    };
    read().map_err(|what| Error::damaged(path, format!("its index {what}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_names_what_was_appended() {
        let dir = tempfile::tempdir().unwrap();
        let mut w = PackWriter::create(dir.path().join("p")).unwrap();
        let texts: [&[u8]; 3] = [b"one", b"", b"three"];
        let offsets = texts.map(|t| w.append(Hash::of(t), t).unwrap());
        assert!(w.has_room_for(1000) && !w.has_room_for(MAX_PACK));
        let (entry, path) = w.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((Hash::of(&bytes), bytes.len() as u64), (entry.hash, entry.bytes));
        let f = file::open_regular(&path).unwrap();
        let index = read_index(&f, &path, entry.bytes).unwrap();
        for ((t, o), a) in texts.iter().zip(offsets).zip(&index) {
            assert_eq!((a.sha256, a.offset, a.size), (Hash::of(t), u64::from(o), t.len() as u64));
            assert_eq!(&bytes[o as usize..o as usize + t.len()], *t);
        }
        // Two entries for one archive, and one for none.
        let index_at = bytes.len() - 16 - (1 + 3 * 34);
        for (at, value) in [(index_at + 1 + 34 + 32, 8), (index_at + 1 + 33, 2), (index_at, 2)] {
            let mut b = bytes.clone();
            b[at] = value;
            file::replace_scratch(&path, &b).unwrap();
            let f = file::open_regular(&path).unwrap();
            assert!(read_index(&f, &path, entry.bytes).is_err(), "{at}");
        }
        // Whatever the bytes say, reading them ends.
        for n in 0..bytes.len() {
            let mut b = bytes.clone();
            b[n] ^= 0xff;
            file::replace_scratch(&path, &b).unwrap();
            let f = file::open_regular(&path).unwrap();
            let _ = read_index(&f, &path, entry.bytes);
        }
    }

    /// What has room makes no pack of more than 32 MiB, with all that its index takes.
    #[test]
    fn there_is_room_to_the_last_byte_that_the_index_leaves() {
        let dir = tempfile::tempdir().unwrap();
        let mut w = PackWriter::create(dir.path().join("p")).unwrap();
        for n in 0..3u64 {
            // Of 48 bytes for each archive, this one and one more.
            let room = MAX_PACK - (8 + 5 * n) - 48 * (n + 2);
            assert!(w.has_room_for(room) && !w.has_room_for(room + 1), "{n}");
            w.append(Hash([n as u8; 32]), b"bytes").unwrap();
        }
        let (entry, _) = w.finish().unwrap();
        assert!(entry.bytes <= 8 + 15 + 48 * 4);
    }

    #[test]
    fn what_is_wrong_with_a_pack_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("p");
        let said = |bytes: &[u8], sparse: u64| {
            file::replace_scratch(&path, bytes).unwrap();
            let f = File::options().read(true).write(true).open(&path).unwrap();
            let len = bytes.len() as u64 + sparse;
            if sparse > 0 {
                f.set_len(len).unwrap();
                f.write_all_at(&8u64.to_le_bytes(), len - 16).unwrap();
                f.write_all_at(TRAILER, len - 8).unwrap();
            }
            read_index(&f, &path, len).map(|i| i.len()).map_err(|e| e.to_string())
        };
        let clause = |bytes: &[u8], sparse, what: &str| {
            let e = said(bytes, sparse).unwrap_err();
            assert!(e.contains(what), "{e} has no «{what}»");
        };
        let pack = |archives: &[u8], index: &[u8], at: u64| {
            [HEADER, archives, index, &at.to_le_bytes(), &TRAILER[..]].concat()
        };
        assert_eq!(said(&pack(b"", &[0], 8), 0), Ok(0));
        clause(&[0; 23], 0, "too short");
        clause(&[0; 10], 0, "too short");
        let ends = "first or last bytes";
        // Where the index is said to begin: before the archives, behind its own end.
        for at in [0, 7, 10, 17, 40, u64::MAX] {
            clause(&pack(b"", &[0], at), 0, ends);
        }
        clause(&pack(b"", b"", 8), 0, "is cut off");
        let whole = pack(b"", &[0], 8);
        for at in [0, whole.len() - 1] {
            let mut b = whole.clone();
            b[at] ^= 1;
            clause(&b, 0, ends);
        }
        // An index of 64 MiB is looked at (zeros: no archives, and bytes behind that), a larger one is not.
        clause(HEADER, MAX_INDEX + 16, "its index has bytes");
        clause(HEADER, MAX_INDEX + 17, "its index is too large");
        let index = |offset: u8, size: u8| [&[1][..], &[9; 32], &[offset, size]].concat();
        let at = 8 + 5;
        assert_eq!(said(&pack(b"bytes", &index(8, 5), at), 0), Ok(1));
        clause(&pack(b"bytes", &index(8, 6), at), 0, "one after the other");
        clause(&pack(b"bytes", &index(8, 20), at), 0, "one after the other");
        clause(&pack(b"bytes", &index(7, 5), at), 0, "one after the other");
        clause(&pack(b"bytes", &index(9, 4), at), 0, "one after the other");
        clause(&pack(b"bytes", &index(8, 4), at), 0, "all of its archives");
    }
}
