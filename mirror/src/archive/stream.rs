//! The compressed side: reads the source, hashes the very bytes it inflates,
//! and offers the tar stream (or one entry of a zip archive) through a sliding
//! window.
//!
//! ```text
//! source ──64 KiB──▶ input ──hash──▶ gzip, xz, as it is ──▶ window (256 KiB) ──▶ slices, never copied
//! ```
//!
//! What it is, the first bytes say, never a name. gzip framing (RFC 1952) is
//! done in `gzip.rs` and not by a decoder on top of `Read`: what may follow a
//! member is policy, and the window is filled without a copy.

use super::error::{ArchiveError, Rule};
use super::header::is_header;
use super::read::Limits;
use crate::digest::{Algorithm, Hash, Hasher, Integrity, crc32};
use flate2::{Decompress, FlushDecompress, Status};
use lzma_rust2::XzStream;
use std::io::{self, Read};

/// Bytes that are still read after a refusal.
pub(super) const DRAINED: u64 = 256 << 20;

const INPUT: usize = 64 << 10;
const WINDOW: usize = 256 << 10;
/// The most that [`Stream::ensure`] can make contiguous.
pub(super) const CONTIGUOUS: usize = WINDOW / 2;
/// Below this much output a high ratio is harmless (and common: empty files).
pub(super) const RATIO_FROM: u64 = 64 << 20;

/// Buffers that survive from one archive to the next.
pub(super) struct Buffers {
    pub(super) input: Box<[u8]>,
    window: Box<[u8]>,
    pub(super) inflate: Decompress,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { input: vec![0; INPUT].into(), window: vec![0; WINDOW].into(), inflate: Decompress::new(false) }
    }
}

/// What stands at the beginning.
pub(super) enum Format {
    /// However it is compressed.
    Tar,
    Zip,
}

/// How one entry of a zip archive is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflated,
}

pub(super) enum State {
    Header,
    Body,
    Trailer,
    /// A member has ended: another one, zeros to the end, or the end.
    Between,
    Padding,
    /// One xz stream; several may follow each other.
    Xz(Box<XzStream>),
    /// Bytes as they are: a tar stream that nobody compressed (npm takes it too), a stored entry of a zip archive.
    Plain,
    /// Deflate data without a frame: an entry of a zip archive.
    Raw,
    End,
}

/// Hashes of the compressed bytes.
struct Hashes {
    expected: Option<Hasher>,
    sha512: Option<Hasher>,
    sha256: Option<Hasher>,
}

/// What the hashes came to.
pub(super) struct Digests {
    /// Of the algorithm that was expected, if one was.
    pub(super) expected: Option<Integrity>,
    /// The strongest that was computed.
    pub(super) strong: Integrity,
    pub(super) sha256: Option<Hash>,
}

pub(super) struct Stream<'a> {
    source: &'a mut dyn Read,
    pub(super) buffers: &'a mut Buffers,
    limits: &'a Limits,
    hashes: Hashes,
    pub(super) state: State,
    /// What damage is called here.
    damage: Rule,
    pub(super) input: std::ops::Range<usize>,
    window: std::ops::Range<usize>,
    pub(super) crc: u32,
    /// Bytes out of this member, modulo 2^32 (as its trailer counts them).
    pub(super) member: u32,
    pub(super) compressed: u64,
    unpacked: u64,
}

impl<'a> Stream<'a> {
    pub(super) fn new(
        source: &'a mut dyn Read,
        buffers: &'a mut Buffers,
        limits: &'a Limits,
        expected: Option<Algorithm>,
        sha256: bool,
    ) -> Self {
        let strong = expected.is_some_and(Algorithm::is_strong);
        let hashes = Hashes {
            expected: expected.map(Hasher::new),
            sha512: (!strong).then(|| Hasher::new(Algorithm::Sha512)),
            sha256: (sha256 && expected != Some(Algorithm::Sha256)).then(|| Hasher::new(Algorithm::Sha256)),
        };
        Self::over(source, buffers, limits, hashes, State::Header, Rule::BadGzip)
    }

    fn over(
        source: &'a mut dyn Read,
        buffers: &'a mut Buffers,
        limits: &'a Limits,
        hashes: Hashes,
        state: State,
        damage: Rule,
    ) -> Self {
        Self {
            source,
            buffers,
            limits,
            hashes,
            state,
            damage,
            input: 0..0,
            window: 0..0,
            crc: 0,
            member: 0,
            compressed: 0,
            unpacked: 0,
        }
    }

    /// The bytes of one entry of a zip archive. Nothing is hashed: the archive was.
    pub(super) fn entry<'s>(&'s mut self, data: &'s mut dyn Read, method: Method) -> Stream<'s> {
        let state = match method {
            Method::Stored => State::Plain,
            Method::Deflated => {
                self.buffers.inflate.reset(false);
                State::Raw
            }
        };
        let hashes = Hashes { expected: None, sha512: None, sha256: None };
        Stream::over(data, self.buffers, self.limits, hashes, state, Rule::BadZip)
    }

    /// Looks at the first bytes. Nothing has been taken yet.
    pub(super) fn format(&mut self) -> Result<Format, ArchiveError> {
        const BLOCK: usize = 512;
        while self.input.len() < BLOCK && self.read_more()? {}
        let head = &self.buffers.input[self.input.clone()];
        let zip = head.starts_with(super::zip::LOCAL) || head.starts_with(super::zip::END);
        let xz = head.starts_with(super::xz::MAGIC);
        if !super::FORMATS && (zip || xz) {
            return Err(self.damaged("this build of the program reads .tgz archives alone"));
        }
        if zip {
            self.damage = Rule::BadZip;
            return Ok(Format::Zip);
        }
        if xz {
            self.damage = Rule::BadXz;
            self.state = super::xz::begin();
        } else if head.len() >= BLOCK && head[..2] != super::gzip::MAGIC && is_header(&head[..BLOCK]) {
            self.damage = Rule::BadHeader;
            self.state = State::Plain;
        }
        Ok(Format::Tar)
    }

    /// All of the source, for a format whose index stands at its end.
    pub(super) fn whole(&mut self, most: usize) -> Result<Vec<u8>, ArchiveError> {
        let mut all = Vec::new();
        loop {
            let fresh = &self.buffers.input[self.input.clone()];
            if all.len() + fresh.len() > most {
                let detail = format!("a zip archive may have {most} bytes at most");
                return Err(ArchiveError::refused(Rule::TooLarge, b"", detail));
            }
            all.extend_from_slice(fresh);
            if !self.refill()? {
                return Ok(all);
            }
        }
    }

    /// Checksum and length of what one entry's data came to; `None` when they end before the data does.
    pub(super) fn close(mut self) -> Result<Option<(u32, u64)>, ArchiveError> {
        self.ensure(1)?;
        if !self.input.is_empty() || self.refill()? {
            return Ok(None);
        }
        Ok(Some((self.crc, self.unpacked)))
    }

    /// Compressed bytes read so far.
    pub(super) fn compressed(&self) -> u64 {
        self.compressed
    }

    /// What can be had without further inflating.
    pub(super) fn available(&self) -> &[u8] {
        &self.buffers.window[self.window.clone()]
    }

    pub(super) fn consume(&mut self, n: usize) {
        self.window.start = (self.window.start + n).min(self.window.end);
        if self.window.is_empty() {
            self.window = 0..0;
        }
    }

    /// Makes at least `n` (≤ [`CONTIGUOUS`]) bytes available, or all that are
    /// left; says how many there are.
    pub(super) fn ensure(&mut self, n: usize) -> Result<usize, ArchiveError> {
        while self.window.len() < n {
            if !self.fill()? {
                break;
            }
        }
        Ok(self.window.len())
    }

    pub(super) fn damaged(&self, detail: &str) -> ArchiveError {
        damaged(self.damage, detail)
    }

    /// Drops `n` bytes of the tar stream.
    pub(super) fn skip(&mut self, mut n: u64) -> Result<(), ArchiveError> {
        while n > 0 {
            if self.ensure(1)? == 0 {
                return Err(truncated("the data ends inside an entry"));
            }
            let step = usize::try_from(n).unwrap_or(usize::MAX).min(self.window.len());
            self.consume(step);
            n -= step as u64;
        }
        Ok(())
    }

    /// Inflates some more behind what is in the window; false at the end, when
    /// the source has been read (and hashed) to its last byte.
    pub(super) fn fill(&mut self) -> Result<bool, ArchiveError> {
        if self.window.end == WINDOW {
            if self.window.start == 0 {
                // A caller that wants more than fits would loop for ever.
                return Err(truncated("internal window exhausted"));
            }
            self.buffers.window.copy_within(self.window.clone(), 0);
            self.window = 0..self.window.len();
        }
        let end = self.window.end;
        while self.window.end == end {
            match &self.state {
                State::Header => self.header()?,
                State::Body | State::Raw => self.inflate()?,
                State::Plain => self.plain()?,
                State::Xz(_) if super::FORMATS => self.xz()?,
                State::Trailer => self.trailer()?,
                State::Between => self.between()?,
                State::Padding => match self.byte()? {
                    None => self.state = State::End,
                    Some(0) => {}
                    Some(_) => return Err(garbage()),
                },
                State::End | State::Xz(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    fn inflate(&mut self) -> Result<(), ArchiveError> {
        if self.input.is_empty() && !self.refill()? {
            return Err(truncated("the compressed data ends before its end marker"));
        }
        let damage = self.damage;
        let Buffers { input, window, inflate } = &mut *self.buffers;
        let before = (inflate.total_in(), inflate.total_out());
        let target = &mut window[self.window.end..];
        let status = inflate
            .decompress(&input[self.input.clone()], target, FlushDecompress::None)
            .map_err(|_| damaged(damage, "damaged deflate data"))?;
        let after = (inflate.total_in(), inflate.total_out());
        self.input.start += (after.0 - before.0) as usize;
        self.made((after.1 - before.1) as usize)?;
        if status == Status::StreamEnd {
            self.state = if matches!(self.state, State::Raw) { State::End } else { State::Trailer };
        } else if after == before {
            return Err(self.damaged("damaged deflate data"));
        }
        Ok(())
    }

    fn plain(&mut self) -> Result<(), ArchiveError> {
        if self.input.is_empty() && !self.refill()? {
            self.state = State::End;
            return Ok(());
        }
        let n = self.input.len().min(WINDOW - self.window.end);
        let from = &self.buffers.input[self.input.start..self.input.start + n];
        self.buffers.window[self.window.end..self.window.end + n].copy_from_slice(from);
        self.input.start += n;
        self.made(n)
    }

    /// Input and the free part of the window, for a decoder.
    pub(super) fn ends(&mut self) -> (&[u8], &mut [u8]) {
        let Buffers { input, window, .. } = &mut *self.buffers;
        (&input[self.input.clone()], &mut window[self.window.end..])
    }

    /// So many bytes more stand in the window.
    pub(super) fn made(&mut self, n: usize) -> Result<(), ArchiveError> {
        let end = self.window.end + n;
        self.crc = crc32(self.crc, &self.buffers.window[self.window.end..end]);
        self.window.end = end;
        self.member = self.member.wrapping_add(n as u32);
        self.unpacked += n as u64;
        if self.unpacked > self.limits.bytes {
            let detail = format!("it unpacks to more than {} bytes", self.limits.bytes);
            return Err(ArchiveError::refused(Rule::TooLarge, b"", detail));
        }
        check_ratio(self.unpacked, self.compressed, self.limits)
    }

    pub(super) fn unpacked(&self) -> u64 {
        self.unpacked
    }

    pub(super) fn byte(&mut self) -> Result<Option<u8>, ArchiveError> {
        if self.input.is_empty() && !self.refill()? {
            return Ok(None);
        }
        let b = self.buffers.input[self.input.start];
        self.input.start += 1;
        Ok(Some(b))
    }

    pub(super) fn refill(&mut self) -> Result<bool, ArchiveError> {
        self.input = 0..0;
        self.read_more()
    }

    /// Reads behind what is in the input.
    fn read_more(&mut self) -> Result<bool, ArchiveError> {
        let at = self.input.end;
        let n = loop {
            match self.source.read(&mut self.buffers.input[at..]) {
                Ok(n) => break n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(ArchiveError::Read(e)),
            }
        };
        self.input.end += n;
        let fresh = &self.buffers.input[at..self.input.end];
        let Hashes { expected, sha512, sha256 } = &mut self.hashes;
        for hasher in [expected, sha512, sha256].into_iter().flatten() {
            hasher.update(fresh);
        }
        self.compressed += n as u64;
        if self.compressed > self.limits.bytes {
            let detail = format!("it is larger than {} bytes", self.limits.bytes);
            return Err(ArchiveError::refused(Rule::TooLarge, b"", detail));
        }
        Ok(n > 0)
    }

    /// Reads and hashes what is left of the source without inflating it: after
    /// a refusal, so that damage can be told from malice. Not for ever: of a source
    /// that does not end soon, the refusal is all there is to say.
    pub(super) fn drain(&mut self) -> Result<(), ArchiveError> {
        let end = self.compressed.saturating_add(DRAINED);
        while self.refill()? {
            if self.compressed > end {
                return Err(truncated("it does not end"));
            }
        }
        Ok(())
    }

    /// The digests of all that was read.
    pub(super) fn finish(self) -> Digests {
        let expected = self.hashes.expected.map(Hasher::finish);
        let sha512 = self.hashes.sha512.map(Hasher::finish);
        let sha256 = self.hashes.sha256.map(Hasher::finish);
        let as_hash = |i: &Integrity| {
            let mut h = [0; 32];
            h.copy_from_slice(i.bytes().get(..32)?);
            (i.algorithm() == Algorithm::Sha256).then_some(Hash(h))
        };
        let sha256 = sha256.as_ref().or(expected.as_ref()).and_then(as_hash);
        // One of the two is always there: sha512 is computed unless a strong hash was expected.
        let strong = sha512.or_else(|| expected.clone());
        let strong = strong.unwrap_or_else(|| Hasher::new(Algorithm::Sha512).finish());
        Digests { expected, strong, sha256 }
    }
}

pub(super) fn truncated(detail: &str) -> ArchiveError {
    ArchiveError::refused(Rule::Truncated, b"", detail)
}

/// A bomb, as far as it can be told from what came out so far.
pub(super) fn check_ratio(unpacked: u64, compressed: u64, limits: &Limits) -> Result<(), ArchiveError> {
    if unpacked > RATIO_FROM && unpacked / limits.ratio.max(1) > compressed {
        let detail = format!("it unpacks to more than {} times its size", limits.ratio);
        return Err(ArchiveError::refused(Rule::Ratio, b"", detail));
    }
    Ok(())
}

pub(super) fn damaged(rule: Rule, detail: &str) -> ArchiveError {
    ArchiveError::refused(rule, b"", detail)
}

pub(super) fn garbage() -> ArchiveError {
    ArchiveError::refused(Rule::TrailingGarbage, b"", "bytes follow the end of the compressed data")
}
