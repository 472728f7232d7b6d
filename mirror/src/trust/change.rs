//! Changing whose a mirror is. Every step leaves a mirror that a reader of before and one of afterwards
//! believe: keys come after the state that the new ones have signed as well, and before the first that
//! only they sign. (A mirror that was unsigned gets its keys first: nobody is held to them yet.)
//!
//! A version that needs more signatures than one machine can give waits as KEY/NNNNNNNN.NEW, the one file
//! of a mirror beside the slots that is replaced; to a reader it is nothing.

use super::Keys;
use crate::batch::Batch;
use crate::commit::{self, CommitReport, Dropping, clean_tmp};
use crate::error::{Error, Result};
use crate::file;
use crate::layout::{self, Layout};
use crate::lock::{Lock, Mode};
use crate::mirror::Mirror;
use std::io::Write;
use std::path::PathBuf;

impl Mirror {
    /// Adds a version of the keys to KEY/, durably. One of that number that is there already is not
    /// touched: [`Error::AlreadyThere`], unless it is the same.
    pub fn add_keys(&self, keys: &Keys, waiting: &mut dyn FnMut(&str)) -> Result<()> {
        let layout = self.layout();
        let _lock = lock(layout, waiting)?;
        clean_tmp(layout)?;
        let (temp, path) =
            (layout.path(layout::TMP).join("KEY"), key_path(layout, &Keys::file_name(keys.version)));
        let bytes = keys.to_bytes();
        file::create_new(&temp)?.write_all(&bytes).map_err(Error::io("write", &temp))?;
        if !file::rename_new(&temp, &path)? {
            file::remove(&temp)?;
            if self.key_file(&Keys::file_name(keys.version))?.is_none_or(|there| there != bytes) {
                return Err(Error::AlreadyThere { path });
            }
        }
        file::sync_files(&layout.dir, &layout.path(layout::TMP), &[path])
    }

    /// The version after `keys` that waits for signatures, if one of `keys` has signed it: what a
    /// stranger put there is not signed by mistake.
    pub fn proposal(&self, keys: &Keys) -> Result<Option<Keys>> {
        let bytes = self.key_file(&proposal_name(keys.version + 1))?;
        let next = bytes.and_then(|bytes| Keys::parse(&bytes));
        let ours =
            |next: &Keys| next.id == keys.id && next.version == keys.version + 1 && next.has(&keys.keys, 1);
        Ok(next.filter(ours))
    }

    /// Puts a version there that waits, in the place of another.
    pub fn propose(&self, next: &Keys, waiting: &mut dyn FnMut(&str)) -> Result<()> {
        let _lock = lock(self.layout(), waiting)?;
        file::replace(&key_path(self.layout(), &proposal_name(next.version)), &next.to_bytes())
    }

    /// Makes `next` the mirror's keys, which has to follow from what they are now. Commits to this
    /// opening have to be signed by one of the keys before and one of those afterwards.
    pub fn rotate(&self, next: &Keys, waiting: &mut dyn FnMut(&str)) -> Result<()> {
        self.sign_anew(waiting)?;
        self.add_keys(next, waiting)?;
        file::remove(&key_path(self.layout(), &proposal_name(next.version)))
    }

    /// A state with the same content, signed by whoever signs for this opening now.
    pub fn sign_anew(&self, waiting: &mut dyn FnMut(&str)) -> Result<CommitReport> {
        let layout = self.layout();
        let _lock = lock(layout, waiting)?;
        let now = self.refresh()?;
        clean_tmp(layout)?;
        let mut batch = Batch::begin(&now, 0)?;
        let done = commit::rewrite(&batch.dir, &now, &Dropping::default(), false);
        batch.clean();
        done
    }
}

fn lock(layout: &Layout, waiting: &mut dyn FnMut(&str)) -> Result<Lock> {
    if layout.lower {
        return Err(Error::ReadOnly { path: layout.dir.clone() });
    }
    Lock::acquire(&layout.path(layout::LOCK), Mode::Exclusive, waiting)
}

fn proposal_name(version: u64) -> String {
    format!("{version:08}.NEW")
}

fn key_path(layout: &Layout, name: &str) -> PathBuf {
    layout.path(layout::KEYS).join(name)
}
