//! SEE/: heads of mirrors that machines have seen, each with its mirror's own signatures. Whoever knows
//! a mirror's keys learns from any other mirror how far that one was, and knows an old copy when it comes.
//! Named by their content, as other files; a further head of the same mirror takes the place of the one before.

use super::Head;
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use crate::layout::{self, names};
use crate::lock::{Lock, Mode};
use crate::mirror::Mirror;
use std::io::{self, Write};
use std::path::PathBuf;

/// Most heads that are read, and the longest.
const MAX_HEADS: usize = 256;
const MAX_BYTES: u64 = 8 << 10;

impl Mirror {
    /// What others left here. Nothing of it is believed yet; what cannot be read is passed over.
    pub fn heads_seen(&self) -> Result<Vec<(Head, PathBuf)>> {
        let folder = self.layout().path(layout::SEEN);
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::from_io("read", &folder, e)),
        };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|e| e.path()).take(MAX_HEADS).collect();
        crate::order::sort(&mut paths);
        let head = |path: PathBuf| Some((Head::parse(&file::read(&path, MAX_BYTES).ok()?)?, path));
        Ok(paths.into_iter().filter_map(head).collect())
    }

    /// Leaves heads here, durably; of each mirror the furthest. How many are new.
    pub fn leave_heads(&self, heads: &[Head], waiting: &mut dyn FnMut(&str)) -> Result<usize> {
        let layout = self.layout();
        if layout.lower {
            return Err(Error::ReadOnly { path: layout.dir.clone() });
        }
        let _lock = Lock::acquire(&layout.path(layout::LOCK), Mode::Exclusive, waiting)?;
        crate::commit::clean_tmp(layout)?;
        let there = self.heads_seen()?;
        let (tmp, folder) = (layout.path(layout::TMP), layout.path(layout::SEEN));
        let (mut new, mut old) = (Vec::new(), Vec::new());
        for head in heads {
            let of_same = || there.iter().filter(|(other, _)| other.id == head.id);
            if of_same().any(|(other, _)| other.sequence >= head.sequence) {
                continue;
            }
            let bytes = head.to_bytes();
            let temp = tmp.join("HEAD");
            file::create_new(&temp)?.write_all(&bytes).map_err(Error::io("write", &temp))?;
            for name in names(&Hash::of(&bytes)) {
                let path = folder.join(name);
                if file::rename_new(&temp, &path)? {
                    new.push(path);
                    break;
                }
            }
            old.extend(of_same().map(|(_, path)| path.clone()));
        }
        if !new.is_empty() {
            file::sync_files(&layout.dir, &tmp, &new)?;
        }
        // Only now the new ones are there for good.
        old.iter().try_for_each(|path| file::remove(path))?;
        Ok(new.len())
    }
}
