//! Writing segments from records that come in order, with one block and one
//! fence in memory.
//!
//! Where a segment ends depends on its keys more than on the history: after
//! 1 MiB the first key whose hash says so ends it, at the latest 4 MiB (or a
//! fence of 32 KiB, so that a cold lookup stays below 64 KiB). Equal content
//! gives mostly equal files, whatever order it came in.

use super::{HEADER, TRAILER, block, half_hash};
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use crate::record::RecordView;
use crate::record::codec::put_number;
use crate::snapshot::{FileEntry, SegmentEntry};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

const MIN_BYTES: u64 = 1 << 20;
const MAX_BYTES: u64 = 4 << 20;
const MIN_FENCE: usize = 8 << 10;
const MAX_FENCE: usize = 30 << 10;

pub(crate) struct SegmentWriter<'a> {
    /// Where temporary files go.
    dir: &'a Path,
    level: u32,
    /// Deflate blocks; otherwise they are stored (a commit at speed).
    compress: bool,
    open: Option<Open>,
    done: Vec<(SegmentEntry, PathBuf)>,
}

struct Open {
    file: BufWriter<File>,
    path: PathBuf,
    hasher: Sha256,
    at: u64,
    fence: Vec<u8>,
    blocks: u64,
    records: u64,
    first: Vec<u8>,
    last: Vec<u8>,
    /// First key of the block before, which the fence's keys share bytes with.
    fence_key: Vec<u8>,
    content: Vec<u8>,
    content_first: Vec<u8>,
    marks: Vec<u8>,
}

impl<'a> SegmentWriter<'a> {
    pub fn new(dir: &'a Path, level: u32, compress: bool) -> Self {
        Self { dir, level, compress, open: None, done: Vec::new() }
    }

    /// Appends a record. Keys must ascend.
    pub fn push(&mut self, key: &[u8], record: &[u8]) -> Result<()> {
        if record.len() > block::BLOCK {
            let view = RecordView::parse(record.into())?;
            let (head, bodies) = view.lengths();
            let stored = block::encode_large(record, head, bodies, self.compress);
            return self.push_large(key, &stored, record.len());
        }
        let compress = self.compress;
        let open = self.begin(key)?;
        if !open.content.is_empty() && open.content.len() + record.len() > block::BLOCK {
            open.close_block(compress)?;
        }
        if open.content.is_empty() {
            open.content_first = key.to_vec();
        }
        put_number(&mut open.content, record.len() as u64);
        open.content.extend_from_slice(record);
        open.note(key);
        Ok(())
    }

    /// Appends a record that is encoded as a large block already.
    pub fn push_large(&mut self, key: &[u8], stored: &[u8], raw: usize) -> Result<()> {
        let compress = self.compress;
        let open = self.begin(key)?;
        open.close_block(compress)?;
        open.content_first = key.to_vec();
        open.note(key);
        open.write_block(stored, raw)
    }

    /// The open segment that `key` belongs into.
    fn begin(&mut self, key: &[u8]) -> Result<&mut Open> {
        let ends = |o: &Open| {
            let bytes = o.at + o.content.len() as u64 / 3;
            let fence = o.fence.len() + o.marks.len();
            if bytes >= MAX_BYTES || fence >= MAX_FENCE {
                return true;
            }
            let h = Hash::of(key).0;
            (bytes >= MIN_BYTES || fence >= MIN_FENCE)
                && (u16::from(h[2]) << 8 | u16::from(h[3])) & 0x7ff == 0
        };
        if self.open.as_ref().is_some_and(ends) {
            self.close_segment()?;
        }
        if self.open.is_none() {
            let path = self.dir.join(format!("S{}", self.done.len()));
            let mut file = BufWriter::with_capacity(1 << 16, file::create_new(&path)?);
            file.write_all(HEADER).map_err(Error::io("write", &path))?;
            let mut hasher = Sha256::new();
            hasher.update(HEADER);
            self.open = Some(Open {
                file,
                path,
                hasher,
                at: HEADER.len() as u64,
                fence: Vec::new(),
                blocks: 0,
                records: 0,
                first: key.to_vec(),
                last: Vec::new(),
                fence_key: Vec::new(),
                content: Vec::with_capacity(block::BLOCK + 16),
                content_first: Vec::new(),
                marks: Vec::new(),
            });
        }
        self.open.as_mut().ok_or(Error::TooLarge { what: "segments", limit: 0, found: 0 })
    }

    fn close_segment(&mut self) -> Result<()> {
        let Some(mut o) = self.open.take() else { return Ok(()) };
        o.close_block(self.compress)?;
        let mut fence = Vec::with_capacity(o.fence.len() + 8);
        put_number(&mut fence, o.blocks);
        fence.append(&mut o.fence);
        let (fence_at, fence_bytes, fence_hash) = (o.at, fence.len() as u64, half_hash(&fence));
        fence.extend_from_slice(&fence_at.to_le_bytes());
        fence.extend_from_slice(TRAILER);
        o.write(&fence)?;
        o.file.flush().map_err(Error::io("write", &o.path))?;
        let entry = SegmentEntry {
            file: FileEntry { hash: Hash(o.hasher.finalize().into()), bytes: o.at },
            level: self.level,
            records: o.records,
            fence_at,
            fence_bytes,
            fence_hash,
            first: o.first,
            last: o.last,
        };
        self.done.push((entry, o.path));
        Ok(())
    }

    /// The finished segments and their temporary files.
    pub fn finish(mut self) -> Result<Vec<(SegmentEntry, PathBuf)>> {
        self.close_segment()?;
        Ok(self.done)
    }
}

impl Open {
    fn note(&mut self, key: &[u8]) {
        self.marks.extend_from_slice(&super::mark(key));
        self.records += 1;
        self.last.clear();
        self.last.extend_from_slice(key);
    }

    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes).map_err(Error::io("write", &self.path))?;
        self.hasher.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn close_block(&mut self, compress: bool) -> Result<()> {
        if self.content.is_empty() {
            return Ok(());
        }
        let content = std::mem::take(&mut self.content);
        let stored = block::encode_plain(&content, compress);
        self.write_block(&stored, content.len())?;
        self.content = content;
        self.content.clear();
        Ok(())
    }

    fn write_block(&mut self, stored: &[u8], raw: usize) -> Result<()> {
        self.write(stored)?;
        let key = &self.content_first;
        let shared = key.iter().zip(&self.fence_key).take_while(|(a, b)| a == b).count();
        put_number(&mut self.fence, shared as u64);
        put_number(&mut self.fence, (key.len() - shared) as u64);
        self.fence.extend_from_slice(&key[shared..]);
        put_number(&mut self.fence, stored.len() as u64);
        put_number(&mut self.fence, raw as u64);
        self.fence.extend_from_slice(&half_hash(stored));
        put_number(&mut self.fence, self.marks.len() as u64 / 2);
        self.fence.append(&mut self.marks);
        self.fence_key = std::mem::take(&mut self.content_first);
        self.blocks += 1;
        Ok(())
    }
}
