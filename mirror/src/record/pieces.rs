//! The bodies of a large record, compressed in pieces of some 16 KiB, so that a
//! package with thousands of versions costs no more than its table and the one
//! version that is taken.

use crate::segment::block;
use std::ops::Range;

#[derive(Clone)]
pub(crate) struct Pieces {
    /// The stored bytes of all pieces, one after the other.
    pub stored: Box<[u8]>,
    pub list: Box<[Piece]>,
}

#[derive(Clone, Copy)]
pub(crate) struct Piece {
    /// Where its content begins among the bodies, and its length.
    pub raw_at: usize,
    pub raw: usize,
    /// Where it lies in `stored`, and its length there.
    pub at: usize,
    pub len: usize,
    pub deflated: bool,
}

impl Pieces {
    pub fn raw_len(&self) -> u64 {
        self.list.last().map_or(0, |p| (p.raw_at + p.raw) as u64)
    }

    fn decode(&self, p: &Piece) -> Result<Vec<u8>, &'static str> {
        let stored = self.stored.get(p.at..p.at + p.len).ok_or("is cut off")?;
        block::decode(p.deflated, stored, p.raw)
    }

    /// The content at `at`, which usually lies in one piece.
    pub fn read(&self, at: Range<usize>) -> Result<Vec<u8>, &'static str> {
        let mut out = Vec::with_capacity(at.len().min(block::PIECE * 2));
        let first = self.list.partition_point(|p| p.raw_at + p.raw <= at.start);
        for p in &self.list[first..] {
            if p.raw_at >= at.end {
                break;
            }
            let raw = self.decode(p)?;
            let from = at.start.saturating_sub(p.raw_at);
            let to = (at.end - p.raw_at).min(raw.len());
            out.extend_from_slice(raw.get(from..to).ok_or("is cut off")?);
        }
        if out.len() == at.len() { Ok(out) } else { Err("is cut off") }
    }

    pub fn append_all(&self, out: &mut Vec<u8>) -> Result<(), &'static str> {
        for p in &self.list {
            out.extend_from_slice(&self.decode(p)?);
        }
        Ok(())
    }
}
