//! A block of a segment. Its first byte says how it is stored:
//!
//! ```text
//! 0  stored     then the content
//! 1  deflated   then the content as raw deflate (RFC 1951)
//! 2  large      one record of more than 16 KiB, in pieces
//! ```
//! The content of 0 and 1 is records, each a number (its length) and its bytes;
//! a block of about 16 KiB ends where a record ends (32 KiB, measured: 3 % smaller, lookups 1.6 times as long). A large block:
//!
//! ```text
//! n        number of pieces, at least 1
//!          per piece: 1 byte (0 stored, 1 deflated), n length of its content, n length stored
//! the pieces' stored bytes, in that order
//! ```
//! The first piece is the record up to its first body, the others hold bodies,
//! none cut in two; all contents together are the record.

use crate::error::Error;
use crate::record::codec::{Cursor, put_number};
use crate::record::pieces::{Piece, Pieces};
use crate::record::{MAX_RECORD, RecordView};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// Content after which a block is closed. A record above it is a large one.
pub(crate) const BLOCK: usize = 16 << 10;
/// Content after which a piece of a large record is closed.
pub(crate) const PIECE: usize = 16 << 10;
pub(crate) const MAX_RAW: u64 = MAX_RECORD as u64 + (1 << 20);
pub(crate) const MAX_STORED: u64 = MAX_RAW + (1 << 20);

const STORED: u8 = 0;
const DEFLATED: u8 = 1;
const LARGE: u8 = 2;

/// A decoded block.
pub(crate) enum Block {
    Plain(Vec<u8>),
    /// One record, its pieces still compressed; and the block as it is stored.
    Large {
        head: Box<[u8]>,
        pieces: Pieces,
        stored: Vec<u8>,
    },
}

type Read<T> = Result<T, &'static str>;

impl Block {
    /// `raw`: length of the content.
    pub fn decode(stored: Vec<u8>, raw: usize) -> Read<Self> {
        match stored.first() {
            Some(&STORED) if stored.len() == raw + 1 => {
                let mut content = stored;
                content.remove(0);
                Ok(Self::Plain(content))
            }
            Some(&DEFLATED) => decode(true, &stored[1..], raw).map(Self::Plain),
            Some(&LARGE) => {
                let (head, pieces) = large(&stored, raw)?;
                Ok(Self::Large { head, pieces, stored })
            }
            _ => Err("is stored in an unknown way"),
        }
    }

    /// The record of that key.
    pub fn find(self, key: &[u8]) -> Result<Option<RecordView>, Error> {
        match self {
            Self::Plain(content) => find(&content, key),
            Self::Large { head, pieces, .. } => {
                if holds(&head, key) {
                    RecordView::parse_pieces(head, pieces).map(Some)
                } else {
                    Ok(None)
                }
            }
        }
    }

    /// All its records.
    pub fn views(self) -> Result<Vec<RecordView>, Error> {
        match self {
            Self::Plain(content) => {
                Records(Cursor::new(&content)).map(|r| RecordView::parse(r.map_err(bare)?.into())).collect()
            }
            Self::Large { head, pieces, .. } => Ok(vec![RecordView::parse_pieces(head, pieces)?]),
        }
    }
}

/// The record of that key in the content of a plain block.
pub(super) fn find(content: &[u8], key: &[u8]) -> Result<Option<RecordView>, Error> {
    for record in Records(Cursor::new(content)) {
        let record = record.map_err(bare)?;
        if holds(record, key) {
            return RecordView::parse(record.into()).map(Some);
        }
    }
    Ok(None)
}

fn bare(what: &'static str) -> Error {
    Error::Record { key: String::new(), what }
}

/// Whether an encoded record begins with that key, without decoding it.
fn holds(record: &[u8], key: &[u8]) -> bool {
    let mut c = Cursor::new(record);
    let mut read = || -> Read<bool> {
        c.byte()?;
        let ecosystem = c.byte()?;
        let source = c.text()?.as_bytes();
        let name = c.text()?.as_bytes();
        let n = source.len() + 1;
        Ok(key.len() == n + 1 + name.len()
            && key[0] == ecosystem
            && &key[1..n] == source
            && key[n] == 0
            && &key[n + 1..] == name)
    };
    read() == Ok(true)
}

/// The records of a plain block's content.
pub(crate) struct Records<'a>(pub Cursor<'a>);

impl<'a> Iterator for Records<'a> {
    type Item = Read<&'a [u8]>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.left() == 0 {
            return None;
        }
        let item = self.0.count().and_then(|n| self.0.take(n));
        if item.is_err() {
            self.0.at = self.0.bytes.len();
        }
        Some(item)
    }
}

fn large(stored: &[u8], raw: usize) -> Read<(Box<[u8]>, Pieces)> {
    let mut c = Cursor::new(stored);
    c.byte()?;
    let count = c.count()?;
    let mut list = Vec::with_capacity(count.min(4096));
    let (mut at, mut raw_at) = (0usize, 0usize);
    for _ in 0..count {
        let deflated = match c.byte()? {
            STORED => false,
            DEFLATED => true,
            _ => return Err("has a piece stored in an unknown way"),
        };
        let (r, len) = (c.number()?, c.number()?);
        if r > raw as u64 || len > stored.len() as u64 || r > len.saturating_mul(1040) {
            return Err("has a piece of an impossible size");
        }
        list.push(Piece { raw_at, raw: r as usize, at, len: len as usize, deflated });
        raw_at = raw_at.saturating_add(r as usize);
        at = at.saturating_add(len as usize);
    }
    if raw_at != raw || at != c.left() || list.is_empty() {
        return Err("has pieces that do not add up");
    }
    let first = list.remove(0);
    let data = c.take(at)?;
    let head = decode(first.deflated, &data[..first.len], first.raw)?;
    for p in &mut list {
        p.raw_at -= first.raw;
        p.at -= first.len;
    }
    Ok((head.into(), Pieces { stored: data[first.len..].into(), list: list.into() }))
}

/// A stored block of whole records.
pub(crate) fn encode_plain(content: &[u8], compress: bool) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() / 2);
    out.push(DEFLATED);
    if compress && deflate(content, &mut out) {
        return out;
    }
    out.clear();
    out.push(STORED);
    out.extend_from_slice(content);
    out
}

/// A stored block of one large record. `head`: bytes before its first body;
/// `bodies`: the lengths of its bodies.
pub(crate) fn encode_large(
    record: &[u8],
    head: usize,
    bodies: impl Iterator<Item = usize>,
    compress: bool,
) -> Vec<u8> {
    let mut lengths = vec![head];
    let mut open = 0;
    for n in bodies {
        if open > 0 && open + n > PIECE {
            lengths.push(open);
            open = 0;
        }
        open += n;
    }
    if open > 0 {
        lengths.push(open);
    }
    let mut table = vec![LARGE];
    put_number(&mut table, lengths.len() as u64);
    let mut data = Vec::with_capacity(record.len() / 2);
    let mut at = 0;
    for n in lengths {
        let content = &record[at..at + n];
        at += n;
        let start = data.len();
        let deflated = compress && deflate(content, &mut data);
        if !deflated {
            data.truncate(start);
            data.extend_from_slice(content);
        }
        table.push(u8::from(deflated));
        put_number(&mut table, n as u64);
        put_number(&mut table, (data.len() - start) as u64);
    }
    table.append(&mut data);
    table
}

/// Appends `content` deflated; `false` when that would not be shorter (`out` is
/// then the caller's to truncate).
fn deflate(content: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.reserve(content.len());
    let mut c = Compress::new(Compression::new(6), false);
    let done = c.compress_vec(content, out, FlushCompress::Finish);
    matches!(done, Ok(Status::StreamEnd)) && out.len() - start < content.len()
}

/// The content of stored bytes; refused unless it has exactly `raw` bytes.
pub(crate) fn decode(deflated: bool, stored: &[u8], raw: usize) -> Read<Vec<u8>> {
    if !deflated {
        return if stored.len() == raw { Ok(stored.to_vec()) } else { Err("has the wrong length") };
    }
    let mut out = Vec::with_capacity(raw + 1);
    let mut d = Decompress::new(false);
    match d.decompress_vec(stored, &mut out, FlushDecompress::Finish) {
        Ok(Status::StreamEnd) if out.len() == raw && d.total_in() == stored.len() as u64 => Ok(out),
        _ => Err("cannot be inflated"),
    }
}
