//! What of a mirror others may read: files by their well-known names, and nothing else that lies there.

use super::Mirror;
use crate::error::{Error, Result};
use crate::file;
use crate::layout::{self, Folder, README, SLOTS};
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// A file that is given out.
pub struct Public {
    pub file: File,
    pub path: PathBuf,
    pub bytes: u64,
    /// Named by its content: it never changes.
    pub immutable: bool,
}

impl Mirror {
    /// The file of that name below the mirror's folder, its parts divided by slashes. `None`: there is none,
    /// or it is nobody else's business (locks, what is being written, want-lists and heads).
    pub fn public(&self, name: &str) -> Result<Option<Public>> {
        let parts: Vec<&str> = name.split('/').collect();
        let hashed = |top: &str| Folder::ALL.iter().any(|folder| folder.name() == top);
        let immutable = match parts.as_slice() {
            [name] if SLOTS.contains(name) || *name == README => false,
            [layout::KEYS, name] if is_key(name) => false,
            ["BLB", shard, name] if is_shard(shard) && is_hash_name(name) => true,
            [top, name] if hashed(top) && *top != "BLB" && is_hash_name(name) => true,
            _ => return Ok(None),
        };
        let layout = self.layout();
        let shown: Vec<String> = parts.iter().map(|part| layout.name(part)).collect();
        let Some((name, folders)) = shown.split_last() else { return Ok(None) };
        let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
        let path = folders.iter().fold(layout.dir.clone(), |path, folder| path.join(folder)).join(name);
        let file = match file::open_below(&layout.dir, &folders, name) {
            Ok(file) => file,
            // A link leads somewhere else, a FIFO nowhere.
            Err(Error::NotRegular { .. }) => return Ok(None),
            Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let bytes = file.metadata().map_err(Error::io("read", &path))?.len();
        Ok(Some(Public { file, path, bytes, immutable }))
    }
}

fn is_key(name: &str) -> bool {
    name.strip_suffix(".KEY").is_some_and(|n| n.len() == 8 && n.bytes().all(|b| b.is_ascii_digit()))
}

fn is_shard(name: &str) -> bool {
    name.len() == 2 && name.parse::<u8>().is_ok_and(|n| n < 32)
}

/// `ABCDEFGH.IJK`, where the end may be a number.
fn is_hash_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    name.len() == 12 && name.bytes().enumerate().all(|(i, b)| if i == 8 { b == b'.' } else { plain(b) })
}

#[cfg(test)]
mod tests {
    use crate::verify::tests::filled;

    #[test]
    fn only_well_known_names_are_given_out() {
        let (dir, m) = filled();
        let pack = crate::digest::Hash::file_name(&m.snapshot().packs[0].hash);
        let hidden =
            ["LOCK", "PIN", "TMP/X", "WNT/ABCDEFGH.IJK", "SEE/ABCDEFGH.IJK", "", "PAK", "PAK/", "BLB/05"];
        let outside =
            ["../x", "PAK/../ROOT.A", "/etc/passwd", "pak/x", "PAK//X", "ROOT.A/", "BLB/32/ABCDEFGH.IJK"];
        for name in hidden.iter().chain(&outside) {
            assert!(m.public(name).unwrap().is_none(), "{name}");
        }
        for (name, immutable) in [("ROOT.A", false), ("MIRROR.TXT", false), (&*format!("PAK/{pack}"), true)] {
            let public = m.public(name).unwrap().unwrap();
            assert_eq!((public.immutable, public.bytes > 0), (immutable, true), "{name}");
        }
        // A link in the place of a file is not followed.
        let path = dir.path().join("PAK/AAAAAAAA.AAA");
        std::os::unix::fs::symlink("/etc/hostname", path).unwrap();
        assert!(m.public("PAK/AAAAAAAA.AAA").unwrap().is_none());
    }
}
