//! Making a new, empty mirror.

use super::{Mirror, now};
use crate::commit::clean_tmp;
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use crate::layout::{self, FOLDERS, Folder, Layout, SLOTS};
use crate::lock::{Lock, Mode};
use crate::root::{self, Root, Slot};
use crate::snapshot::{FORMAT, MirrorId, Snapshot};
use crate::trust::{Keys, SecretKey};
use std::io::Write;
use std::path::Path;

/// What [`Mirror::init`] writes into a new mirror.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// What people call it («BLUE»); may be empty.
    pub label: String,
    /// `None`: drawn at random.
    pub id: Option<[u8; 16]>,
    /// Unix seconds; `None`: now.
    pub date: Option<u64>,
    /// Signs this and what follows, and is the first of KEY/. `None`: the mirror is unsigned.
    pub signer: Option<SecretKey>,
}

impl Mirror {
    /// Whether a mirror was made here, to its end: what an `init` that was killed leaves is none.
    pub fn is_made(dir: &Path) -> bool {
        dir.join(SLOTS[0]).exists()
    }

    /// The mirror in `dir`, made there on first use, by whoever is first.
    pub fn open_or_init(dir: &Path, label: &str) -> Result<Self> {
        if Self::is_made(dir) {
            return Self::open(dir);
        }
        match Self::init(dir, &InitOptions { label: label.into(), ..InitOptions::default() }) {
            Err(Error::AlreadyThere { .. }) => Self::open(dir),
            made => made,
        }
    }

    /// Makes a new, empty mirror; the directory is made if missing. Refused
    /// where a mirror is already ([`Error::AlreadyThere`]).
    pub fn init(dir: &Path, options: &InitOptions) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let layout = Layout { dir: dir.into(), lower: false };
        let there = |name: &str| std::fs::symlink_metadata(dir.join(name)).is_ok();
        // The second slot alone is what an `init` that was killed left, unless it refers to something.
        let refers = || {
            let bytes = file::read(&layout.path(SLOTS[1]), root::SLOT as u64);
            bytes.is_ok_and(|b| Slot::parse(&b).root().is_some())
        };
        let taken = || there(SLOTS[0]) || SLOTS.iter().any(|s| there(&s.to_ascii_lowercase())) || refers();
        let refuse_another = || match taken() {
            true => Err(Error::AlreadyThere { path: dir.into() }),
            false => Ok(()),
        };
        refuse_another()?;
        // Whoever makes one here at the same moment is done in milliseconds: nobody is told of the wait.
        let _lock = Lock::acquire(&layout.path(layout::LOCK), Mode::Exclusive, &mut |_| {})?;
        refuse_another()?;
        for folder in FOLDERS {
            file::make_dir(&layout.path(folder))?;
        }
        // What an `init` that was killed left.
        clean_tmp(&layout)?;
        let id = MirrorId(options.id.unwrap_or_else(|| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&file::unique().to_le_bytes());
            id[8..].copy_from_slice(&file::unique().to_le_bytes());
            id
        }));
        let mut snapshot = Snapshot {
            id,
            label: options.label.clone(),
            sequence: 1,
            previous: None,
            date: options.date.unwrap_or_else(now),
            vector: vec![(id, 1)],
            policy: Vec::new(),
            exclusions: Vec::new(),
            segments: Vec::new(),
            packs: Vec::new(),
            blobs: None,
            origins: Vec::new(),
            tools: Vec::new(),
            signatures: Vec::new(),
        };
        let bytes = snapshot.sealed(options.signer.as_slice());
        let hash = Hash::of(&bytes);
        let tmp = layout.path(layout::TMP);
        let temp = |name: &str| tmp.join(format!("{name}{:08X}", file::unique() as u32));
        let scratch = |path: &Path, bytes: &[u8]| {
            file::create_new(path)?.write_all(bytes).map_err(Error::io("write", path))
        };
        let mut made = Vec::new();
        let t = temp("S");
        scratch(&t, &bytes)?;
        made.push(layout.place(&t, Folder::Snapshots, &hash, bytes.len() as u64)?);
        made.push(layout.path(layout::LOCK));
        let first_keys = format!("{}/{}", layout::KEYS, Keys::file_name(1));
        let signer = options.signer.as_ref();
        // Of an `init` that was killed, for another id.
        file::remove(&layout.path(&first_keys))?;
        for (name, content) in [
            (layout::README, Some(readme(id).into_bytes())),
            (layout::PIN, Some(Vec::new())),
            (&first_keys, signer.map(|key| Keys::first(id, key, snapshot.date).to_bytes())),
            (SLOTS[1], Some(root::empty().to_vec())),
        ] {
            let Some(content) = content else { continue };
            let (t, path) = (temp("I"), layout.path(name));
            scratch(&t, &content)?;
            // Over what an `init` that was killed left: it was for another id.
            std::fs::rename(&t, &path).map_err(Error::io("write", &path))?;
            made.push(path);
        }
        file::sync_files(dir, &tmp, &made)?;
        // With this name the directory becomes a mirror.
        let first = Root { sequence: 1, snapshot: hash, length: bytes.len() as u64, signature: None };
        let t = temp("R");
        scratch(&t, &first.to_bytes())?;
        if !file::rename_new(&t, &layout.path(SLOTS[0]))? {
            std::fs::remove_file(&t).map_err(Error::io("remove", &t))?;
            return Err(Error::AlreadyThere { path: dir.into() });
        }
        file::sync_files(dir, &tmp, &[layout.path(SLOTS[0])])?;
        let made = Self::open(dir)?;
        if let Some(key) = signer {
            made.sign_with(vec![key.clone()]);
        }
        Ok(made)
    }
}

/// What follows in MIRROR.TXT: lines that begin with four blanks are for a shell.
const BY_HAND: &str = include_str!("byhand.txt");

/// MIRROR.TXT.
pub(crate) fn readme(id: MirrorId) -> String {
    first_readme(id) + BY_HAND
}

/// Whether it is the text that a mirror was made with, by this version or by those before.
pub(crate) fn is_readme(id: MirrorId, text: &[u8]) -> bool {
    let first = first_readme(id);
    text.strip_prefix(first.as_bytes()).is_some_and(|rest| rest.is_empty() || rest == BY_HAND.as_bytes())
}

fn first_readme(id: MirrorId) -> String {
    format!(
        "This folder is a pantry mirror: a package registry that is a plain directory.\n\
         \n\
         id      {id}\n\
         format  {FORMAT}\n\
         \n\
         Install from it, without any network:   pantry install --offline --mirror <this folder>\n\
         Check every byte of it:                 pantry mirror verify <this folder>\n\
         \n\
         Copy it as it is, to any medium; nothing in it depends on where it lies.\n\
         Do not edit files in it: each is named by a hash of its content.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_init_left_goes_with_the_next() {
        let dir = tempfile::tempdir().unwrap();
        let tmp = dir.path().join("TMP");
        std::fs::create_dir(&tmp).unwrap();
        for name in ["S0123ABCD", "I0123ABCD", "R0123ABCD"] {
            file::replace_scratch(&tmp.join(name), b"half").unwrap();
        }
        let m = Mirror::init(dir.path(), &InitOptions::default()).unwrap();
        assert_eq!(std::fs::read_dir(&tmp).unwrap().count(), 0);
        assert_eq!(m.sequence(), 1);
    }

    #[test]
    fn the_note_for_people_of_a_killed_init_is_not_kept() {
        let dir = tempfile::tempdir().unwrap();
        let another = readme(MirrorId([7; 16]));
        file::replace_scratch(&dir.path().join(layout::README), another.as_bytes()).unwrap();
        file::replace_scratch(&dir.path().join(SLOTS[1]), b"torn").unwrap();
        let m = Mirror::init(dir.path(), &InitOptions::default()).unwrap();
        let text = std::fs::read_to_string(dir.path().join(layout::README)).unwrap();
        assert_eq!(text, readme(m.id()));
        // A slot that refers to something is no remains of an `init`.
        std::fs::rename(dir.path().join(SLOTS[0]), dir.path().join(SLOTS[1])).unwrap();
        let again = Mirror::init(dir.path(), &InitOptions::default());
        assert!(matches!(again, Err(Error::AlreadyThere { .. })));
    }

    #[test]
    fn of_many_at_once_one_makes_it() {
        let dir = tempfile::tempdir().unwrap();
        let made = std::thread::scope(|s| {
            let all: Vec<_> =
                (0..8).map(|_| s.spawn(|| Mirror::init(dir.path(), &InitOptions::default()))).collect();
            all.into_iter().map(|t| t.join().unwrap()).collect::<Vec<_>>()
        });
        let (won, lost): (Vec<_>, Vec<_>) = made.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|r| matches!(r, Err(Error::AlreadyThere { .. }))), "{lost:?}");
        assert_eq!(Mirror::open(dir.path()).unwrap().id(), won[0].as_ref().unwrap().id());
        assert_eq!(std::fs::read_dir(dir.path().join("TMP")).unwrap().count(), 0);
    }
}
