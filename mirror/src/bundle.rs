//! A mirror as one file: a plain tar of its own files under `PANTRY/`, the state that is in use and nothing else.
//! Any tar unpacks it into a mirror; [`unpack`] is our reader for it.

use crate::archive::{Expect, Extract, Limits, read};
use crate::error::{Error, Result};
use crate::file;
use crate::layout::{self, Folder, README, SLOTS};
use crate::mirror::{self, Mirror};
use crate::root::{self, Root};
use crate::snapshot::FileEntry;
use crate::trust::Keys;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// Of a bundle, which is read as a stream: more than any medium holds, and as many files as the largest mirrors have.
const LIMITS: Limits =
    Limits { bytes: 1 << 50, entries: 20_000_000, ratio: 1000, depth: 4, name: 256, names: 1 << 30 };

/// Writes the mirror to `out`, which is at `place`; each file is held against its hash on the way. How many bytes of files.
///
/// # Errors
/// Something is damaged: what was written so far is worth nothing.
pub fn pack(
    mirror: &Mirror,
    place: &Path,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<u64> {
    let state = mirror.snapshot();
    let mut files: Vec<(Folder, FileEntry)> = vec![(Folder::Snapshots, mirror.snapshot_file())];
    files.extend(state.blobs.iter().map(|(list, _)| (Folder::Snapshots, *list)));
    files.extend(state.origins.iter().map(|o| (Folder::Snapshots, o.snapshot)));
    files.extend(state.segments.iter().map(|s| (Folder::Segments, s.file)));
    files.extend(state.packs.iter().map(|pack| (Folder::Packs, *pack)));
    mirror.each_blob(&mut |blob, parts| {
        let whole = [blob];
        let parts = if parts.is_empty() { &whole } else { parts };
        files.extend(parts.iter().map(|part| (Folder::Blobs, *part)));
        Ok(())
    })?;
    files.extend(state.tools.iter().map(|(_, tool)| (Folder::Tools, *tool)));
    crate::order::sort(&mut files);
    files.dedup();
    let total: u64 = files.iter().map(|(_, entry)| entry.bytes).sum();
    let failed = |e: io::Error| Error::from_io("write", place, e);
    let mut tar = Builder::new(out);
    let mut put = |name: &str, bytes: u64, content: &mut dyn Read| {
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(bytes);
        header.set_mode(0o644);
        header.set_mtime(state.date);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, format!("PANTRY/{name}"), content)
    };
    let entry = mirror.snapshot_file();
    let slot = Root { sequence: state.sequence, snapshot: entry.hash, length: entry.bytes, signature: None };
    let slots = [slot.to_bytes(), root::empty()];
    let readme = mirror::readme(mirror.id());
    put(README, readme.len() as u64, &mut readme.as_bytes()).map_err(failed)?;
    for (name, bytes) in SLOTS.iter().zip(&slots) {
        put(name, bytes.len() as u64, &mut bytes.as_slice()).map_err(failed)?;
    }
    for version in 1.. {
        let name = Keys::file_name(version);
        let Some(bytes) = mirror.key_file(&name)? else { break };
        put(&format!("{}/{name}", layout::KEYS), bytes.len() as u64, &mut bytes.as_slice())
            .map_err(failed)?;
    }
    let mut done = 0;
    for (folder, entry) in files {
        let (file, path) = mirror.layout().need(folder, &entry.hash, entry.bytes)?;
        let mut content = Hashed { file: file.take(entry.bytes), hasher: Sha256::new() };
        let shard = match folder {
            Folder::Blobs => format!("{}/", layout::shard(&entry.hash)),
            _ => String::new(),
        };
        let name = format!("{}/{shard}{}", folder.name(), entry.hash.file_name());
        put(&name, entry.bytes, &mut content).map_err(failed)?;
        let found = crate::digest::Hash(content.hasher.finalize().into());
        if found != entry.hash {
            return Err(Error::wrong_bytes(path, entry.hash, found));
        }
        done += entry.bytes;
        progress(done, total);
    }
    tar.into_inner().and_then(Write::flush).map_err(failed)?;
    Ok(done)
}

struct Hashed {
    file: io::Take<File>,
    hasher: Sha256,
}

impl Read for Hashed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}

/// Unpacks a bundle into `dir`, a new folder of the caller's, by the one archive reader: no name leads out of it.
/// What is there then has yet to be opened and verified.
///
/// # Errors
/// It is cut off, or no such archive.
pub fn unpack(path: &Path, dir: &Path) -> Result<()> {
    let mut source = file::open_regular(path)?;
    let mut into = Extract::create(dir).map_err(Error::io("create", dir))?;
    match read(&mut source, &Expect::default(), &LIMITS, &mut into) {
        Ok(_) => Ok(()),
        Err(crate::archive::ArchiveError::Read(e)) => Err(Error::from_io("read", path, e)),
        Err(e) => Err(Error::damaged(path, e.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::{tests::filled, verify};

    #[test]
    fn a_bundle_is_the_mirror_again_and_no_part_of_it_is() {
        let (_dir, m) = filled();
        let base = tempfile::tempdir().unwrap();
        let (mut bytes, mut again) = (Vec::new(), Vec::new());
        pack(&m, Path::new("out"), &mut bytes, &mut |_, _| {}).unwrap();
        pack(&m, Path::new("out"), &mut again, &mut |_, _| {}).unwrap();
        assert!(bytes == again, "the same mirror gives the same bytes");
        let file = base.path().join("bundle");
        let opened = |bytes: &[u8], n: usize| -> Result<Vec<crate::verify::Damage>> {
            file::replace_scratch(&file, bytes)?;
            let dir = base.path().join(format!("dir{n}"));
            unpack(&file, &dir)?;
            Ok(verify(&Mirror::open(&dir)?, &mut |_| {})?.damaged)
        };
        assert_eq!(opened(&bytes, 0).unwrap(), []);
        let unpacked = Mirror::open(&base.path().join("dir0")).unwrap();
        assert_eq!((unpacked.id(), unpacked.snapshot()), (m.id(), m.snapshot()));
        // Cut off anywhere, or with a flipped bit: an error, or damage.
        for n in 1..60 {
            let cut = opened(&bytes[..bytes.len() * n / 60], n);
            assert!(cut.as_ref().is_err() || !cut.unwrap().is_empty(), "cut at {n}/60");
            let mut flipped = bytes.clone();
            let at = bytes.len() * n / 60 + n;
            flipped[at] ^= 1 << (n % 8);
            let found = opened(&flipped, 100 + n);
            // The blanks behind a file are nobody's.
            let padding = matches!(&found, Ok(damaged) if damaged.is_empty()) && bytes[at] == 0;
            assert!(padding || found.is_err() || !found.unwrap().is_empty(), "flipped at {at}");
        }
        // What is damaged is not packed.
        let pack_file = m.snapshot().packs[0];
        let (_, path) = m.layout().need(Folder::Packs, &pack_file.hash, pack_file.bytes).unwrap();
        let mut rotten = std::fs::read(&path).unwrap();
        rotten[9] ^= 1;
        file::replace_scratch(&path, &rotten).unwrap();
        assert!(matches!(
            pack(&m, Path::new("out"), &mut Vec::new(), &mut |_, _| {}),
            Err(Error::WrongBytes { .. })
        ));
    }
}
