//! An index segment: records sorted by key in compressed blocks, with a fence
//! table at the end that finds a record's block with one search and no read.
//!
//! ```text
//! 8 bytes   `MIRSEG1\n`
//! blocks    one after the other, see [`block`]
//! fence     n            number of blocks
//!           per block:
//!             n n bytes  its first key: bytes shared with the key before, length of the rest, the rest
//!             n n        length stored, length of the content
//!             16 bytes   the first half of the stored block's SHA-256
//!             n          number of records, then per record 2 bytes: the first of its key's SHA-256
//! 8 bytes   where the fence begins, little endian
//! 8 bytes   `MIRFNC1\n`
//! ```
//! (`n`: a number as in [`crate::record`].) The two bytes per record spare a
//! reader the block of a delta that does not hold the key it looks for.
//! The snapshot repeats where the fence lies and gives its hash, so that a block
//! is trusted by snapshot → fence → block, without reading the segment whole.

pub(crate) mod block;
mod merge;
mod write;

pub(crate) use merge::{Content, Item, Levels, Merge, Source};
pub(crate) use write::SegmentWriter;

use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::layout::{Folder, Layout};
use crate::name::escape;
use crate::record::RecordView;
use crate::record::codec::Cursor;
use crate::snapshot::SegmentEntry;
use block::Block;

/// What was deflated (without a header), which has to have exactly `length` bytes.
pub fn inflate(deflated: &[u8], length: usize) -> std::result::Result<Vec<u8>, &'static str> {
    block::decode(true, deflated, length)
}

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

pub(crate) const HEADER: &[u8; 8] = b"MIRSEG1\n";
pub(crate) const TRAILER: &[u8; 8] = b"MIRFNC1\n";
/// Largest fence that is read.
const MAX_FENCE: u64 = 4 << 20;
/// All first keys of a fence together: each may repeat nearly all of the one before for two bytes.
const MAX_KEYS: usize = 32 << 20;

/// An open segment with its fence in memory.
pub(crate) struct Segment {
    file: File,
    path: PathBuf,
    fence: Fence,
    /// The content that was looked at last: names are mostly asked for in order.
    last: Mutex<Option<(usize, Arc<Vec<u8>>)>>,
}

struct Fence {
    /// First keys, one after the other.
    keys: Vec<u8>,
    blocks: Vec<BlockEntry>,
    marks: Vec<[u8; 2]>,
}

struct BlockEntry {
    key_end: u32,
    marks_end: u32,
    at: u64,
    stored: u32,
    raw: u32,
    hash: [u8; 16],
}

/// The first two bytes of a key's SHA-256.
pub(crate) fn mark(key: &[u8]) -> [u8; 2] {
    let h = Hash::of(key).0;
    [h[0], h[1]]
}

/// The first half of a SHA-256.
pub(crate) fn half_hash(bytes: &[u8]) -> [u8; 16] {
    let mut out = [0; 16];
    out.copy_from_slice(&Hash::of(bytes).0[..16]);
    out
}

impl Segment {
    /// Reads the fence (one read).
    pub fn open(layout: &Layout, entry: &SegmentEntry) -> Result<Self> {
        let (file, path) = layout.need(Folder::Segments, &entry.file.hash, entry.file.bytes)?;
        let fence = Self::fence(&file, &path, entry)?;
        Ok(Self { file, path, fence, last: Mutex::default() })
    }

    fn fence(file: &File, path: &Path, entry: &SegmentEntry) -> Result<Fence> {
        if entry.fence_bytes > MAX_FENCE {
            return Err(Error::damaged(path, "its fence is too large"));
        }
        let mut bytes = vec![0; entry.fence_bytes as usize];
        file.read_exact_at(&mut bytes, entry.fence_at).map_err(Error::io("read", path))?;
        if half_hash(&bytes) != entry.fence_hash {
            return Err(Error::damaged(path, "its fence does not match its hash"));
        }
        Fence::parse(&bytes, entry.fence_at).map_err(|what| Error::damaged(path, format!("its fence {what}")))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
    pub fn len(&self) -> usize {
        self.fence.blocks.len()
    }

    /// The record of a key (as [`Key::to_bytes`](crate::record::Key::to_bytes)):
    /// no read when it cannot be here, else one.
    pub fn lookup(&self, key: &[u8]) -> Result<Option<RecordView>> {
        match self.fence.find(key) {
            Some(i) => self.record(i, key).map_err(|e| e.at(&self.path)),
            None => Ok(None),
        }
    }

    fn record(&self, i: usize, key: &[u8]) -> Result<Option<RecordView>> {
        let held = || self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = held().as_ref().filter(|(n, _)| *n == i).map(|(_, content)| content.clone());
        if let Some(content) = kept {
            return block::find(&content, key);
        }
        let content = match self.block(i)? {
            Block::Plain(content) => Arc::new(content),
            large @ Block::Large { .. } => return large.find(key),
        };
        *held() = Some((i, content.clone()));
        block::find(&content, key)
    }

    /// Reads, checks and decodes the `i`-th block.
    pub fn block(&self, i: usize) -> Result<Block> {
        let b = &self.fence.blocks[i];
        let mut stored = vec![0; b.stored as usize];
        self.file.read_exact_at(&mut stored, b.at).map_err(Error::io("read", &self.path))?;
        if half_hash(&stored) != b.hash {
            return Err(self.bad_block(i, "does not match its hash"));
        }
        Block::decode(stored, b.raw as usize).map_err(|what| self.bad_block(i, what))
    }

    /// Names the first package of the block; what else was in it only the block knew.
    fn bad_block(&self, i: usize, what: &str) -> Error {
        let key = self.fence.key(i);
        let name = key.rsplit(|b| *b == 0).next().unwrap_or_default();
        let name = String::from_utf8_lossy(name);
        Error::damaged(&self.path, format!("block {i}, from the record of {} on, {what}", escape(&name)))
    }

    /// The first block that may hold a key not below `key`.
    pub fn seek(&self, key: &[u8]) -> usize {
        self.fence.after(key).saturating_sub(1)
    }

    /// Everything the file says about itself, block by block: header, trailer,
    /// order and number of records, marks. Calls `each` with every record.
    pub fn check(&self, entry: &SegmentEntry, each: &mut dyn FnMut(&RecordView) -> Result<()>) -> Result<()> {
        let damaged = |what: &str| Err(Error::damaged(&self.path, what));
        let mut head = [0; 8];
        self.file.read_exact_at(&mut head, 0).map_err(Error::io("read", &self.path))?;
        let mut tail = [0; 16];
        let tail_at = entry.fence_at + entry.fence_bytes;
        if tail_at + 16 != entry.file.bytes {
            return damaged("its fence is not at its end");
        }
        self.file.read_exact_at(&mut tail, tail_at).map_err(Error::io("read", &self.path))?;
        if head != *HEADER || tail[8..] != *TRAILER || tail[..8] != entry.fence_at.to_le_bytes() {
            return damaged("its first or last bytes are wrong");
        }
        let (mut last, mut records) = (Vec::new(), 0);
        for i in 0..self.len() {
            let (keys, marks) = self.fence.range(i);
            let views = self.block(i)?.views().map_err(|e| e.at(&self.path))?;
            if views.len() != marks.len() {
                return damaged("its fence counts records wrongly");
            }
            for (n, view) in views.iter().enumerate() {
                let key = view.key().to_bytes();
                if (records > 0 && key <= last)
                    || (records == 0 && key != entry.first)
                    || (n == 0 && key != keys)
                    || mark(&key) != marks[n]
                {
                    return damaged("its records are not in order");
                }
                each(view)?;
                last = key;
                records += 1;
            }
        }
        if records != entry.records || last != entry.last {
            return damaged("it does not hold the records that the snapshot says");
        }
        Ok(())
    }
}

impl Fence {
    fn parse(bytes: &[u8], fence_at: u64) -> std::result::Result<Self, &'static str> {
        let mut c = Cursor::new(bytes);
        let count = c.count()?;
        let mut f = Self { keys: Vec::new(), blocks: Vec::with_capacity(count.min(4096)), marks: Vec::new() };
        let mut at = HEADER.len() as u64;
        for i in 0..count {
            let shared = c.number()? as usize;
            let rest = c.count()?;
            let start = f.keys.len();
            let before = if i < 2 { 0 } else { f.blocks[i - 2].key_end as usize };
            if shared > start - before || shared > 4096 {
                return Err("shares more of a key than there is");
            }
            // The key itself, so that a search compares whole keys.
            f.keys.extend_from_within(before..before + shared);
            f.keys.extend_from_slice(c.take(rest)?);
            let (stored, raw) = (c.number()?, c.number()?);
            let hash = c.array()?;
            let records = c.count()?;
            for m in c.take(records.checked_mul(2).ok_or("is cut off")?)?.chunks_exact(2) {
                f.marks.push([m[0], m[1]]);
            }
            if stored > block::MAX_STORED || raw > block::MAX_RAW || stored == 0 || records == 0 {
                return Err("has a block of an impossible size");
            }
            // Deflate cannot do better than 1,032 to one.
            if raw > stored.saturating_mul(1040) || f.keys.len() > MAX_KEYS {
                return Err("has a block of an impossible size");
            }
            f.blocks.push(BlockEntry {
                key_end: f.keys.len() as u32,
                marks_end: f.marks.len() as u32,
                at,
                stored: stored as u32,
                raw: raw as u32,
                hash,
            });
            at += stored;
            if at > fence_at {
                return Err("has blocks behind its end");
            }
            if i > 0 && f.key(i) <= f.key(i - 1) {
                return Err("is not in order");
            }
        }
        c.end()?;
        if at != fence_at || count == 0 {
            return Err("does not follow its blocks");
        }
        Ok(f)
    }

    fn key(&self, i: usize) -> &[u8] {
        let from = if i == 0 { 0 } else { self.blocks[i - 1].key_end as usize };
        &self.keys[from..self.blocks[i].key_end as usize]
    }
    fn range(&self, i: usize) -> (&[u8], &[[u8; 2]]) {
        let from = if i == 0 { 0 } else { self.blocks[i - 1].marks_end as usize };
        (self.key(i), &self.marks[from..self.blocks[i].marks_end as usize])
    }
    /// How many blocks begin at or before `key`.
    fn after(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.blocks.len());
        while low < high {
            let mid = low + (high - low) / 2;
            if self.key(mid) <= key { low = mid + 1 } else { high = mid }
        }
        low
    }
    fn find(&self, key: &[u8]) -> Option<usize> {
        let i = self.after(key).checked_sub(1)?;
        self.range(i).1.contains(&mark(key)).then_some(i)
    }
}

#[cfg(test)]
mod tests;
