//! The compressed side: reads the source, hashes the very bytes it inflates,
//! and offers the tar stream through a sliding window.
//!
//! ```text
//! source ──64 KiB──▶ input ──hash──▶ inflate ──▶ window (256 KiB) ──▶ slices, never copied
//! ```
//!
//! gzip framing (RFC 1952) is done here and not by a decoder on top of `Read`:
//! what may follow a member is policy, and the window is filled without a copy.

use super::error::{ArchiveError, Rule};
use super::read::Limits;
use crate::digest::{Algorithm, Hash, Hasher, Integrity};
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, Read};

/// Bytes that are still read after a refusal.
const DRAINED: u64 = 256 << 20;

const INPUT: usize = 64 * 1024;
const WINDOW: usize = 256 * 1024;
/// The most that [`Stream::ensure`] can make contiguous.
pub(super) const CONTIGUOUS: usize = WINDOW / 2;
/// Below this much output a high ratio is harmless (and common: empty files).
const RATIO_FROM: u64 = 64 << 20;

/// Buffers that survive from one archive to the next.
pub(super) struct Buffers {
    input: Box<[u8]>,
    window: Box<[u8]>,
    inflate: Decompress,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self { input: vec![0; INPUT].into(), window: vec![0; WINDOW].into(), inflate: Decompress::new(false) }
    }
}

enum State {
    Header,
    Body,
    Trailer,
    /// A member has ended: another one, zeros to the end, or the end.
    Between,
    Padding,
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
    buffers: &'a mut Buffers,
    limits: &'a Limits,
    hashes: Hashes,
    state: State,
    input: std::ops::Range<usize>,
    window: std::ops::Range<usize>,
    crc: crc32fast::Hasher,
    /// Bytes out of this member, modulo 2^32 (as its trailer counts them).
    member: u32,
    compressed: u64,
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
        Self {
            source,
            buffers,
            limits,
            hashes,
            state: State::Header,
            input: 0..0,
            window: 0..0,
            crc: crc32fast::Hasher::new(),
            member: 0,
            compressed: 0,
            unpacked: 0,
        }
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

    /// Drops `n` bytes of the tar stream.
    pub(super) fn skip(&mut self, mut n: u64) -> Result<(), ArchiveError> {
        while n > 0 {
            if self.ensure(1)? == 0 {
                return Err(truncated("the tar stream ends inside an entry"));
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
        loop {
            match self.state {
                State::Header => self.header()?,
                State::Body => {
                    if self.inflate()? {
                        return Ok(true);
                    }
                }
                State::Trailer => self.trailer()?,
                State::Between => match self.byte()? {
                    None => self.state = State::End,
                    Some(0) => self.state = State::Padding,
                    Some(0x1f) => {
                        self.input.start -= 1;
                        self.state = State::Header;
                    }
                    Some(_) => return Err(garbage()),
                },
                State::Padding => match self.byte()? {
                    None => self.state = State::End,
                    Some(0) => {}
                    Some(_) => return Err(garbage()),
                },
                State::End => return Ok(false),
            }
        }
    }

    fn inflate(&mut self) -> Result<bool, ArchiveError> {
        if self.input.is_empty() && !self.refill()? {
            return Err(truncated("the compressed data ends before its end marker"));
        }
        let Buffers { input, window, inflate } = &mut *self.buffers;
        let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
        let target = &mut window[self.window.end..];
        let status = inflate
            .decompress(&input[self.input.clone()], target, FlushDecompress::None)
            .map_err(|e| bad_gzip(e.message().unwrap_or("damaged deflate data").to_string()))?;
        let read = (inflate.total_in() - before_in) as usize;
        let made = (inflate.total_out() - before_out) as usize;
        self.crc.update(&target[..made]);
        self.input.start += read;
        self.window.end += made;
        self.member = self.member.wrapping_add(made as u32);
        self.unpacked += made as u64;
        if self.unpacked > self.limits.bytes {
            let detail = format!("it unpacks to more than {} bytes", self.limits.bytes);
            return Err(ArchiveError::refused(Rule::TooLarge, b"", detail));
        }
        if self.unpacked > RATIO_FROM && self.unpacked / self.limits.ratio.max(1) > self.compressed {
            let detail = format!("it unpacks to more than {} times its size", self.limits.ratio);
            return Err(ArchiveError::refused(Rule::Ratio, b"", detail));
        }
        if status == Status::StreamEnd {
            self.state = State::Trailer;
        } else if read == 0 && made == 0 {
            return Err(bad_gzip("damaged deflate data".into()));
        }
        Ok(made > 0)
    }

    /// RFC 1952, section 2.3: magic, method, flags, and the optional fields.
    fn header(&mut self) -> Result<(), ArchiveError> {
        let mut fixed = [0; 10];
        for slot in &mut fixed {
            *slot = self.expected_byte()?;
        }
        if fixed[..3] != [0x1f, 0x8b, 8] {
            return Err(bad_gzip("it is not a gzip file".into()));
        }
        let flags = fixed[3];
        if flags & 0xe0 != 0 {
            return Err(bad_gzip("reserved header flags are set".into()));
        }
        if flags & 4 != 0 {
            let length = u16::from_le_bytes([self.expected_byte()?, self.expected_byte()?]);
            for _ in 0..length {
                self.expected_byte()?;
            }
        }
        for flag in [8, 16] {
            if flags & flag != 0 {
                while self.expected_byte()? != 0 {}
            }
        }
        if flags & 2 != 0 {
            self.expected_byte()?;
            self.expected_byte()?;
        }
        self.buffers.inflate.reset(false);
        self.crc = crc32fast::Hasher::new();
        self.member = 0;
        self.state = State::Body;
        Ok(())
    }

    fn trailer(&mut self) -> Result<(), ArchiveError> {
        let mut fixed = [0; 8];
        for slot in &mut fixed {
            *slot = self.expected_byte()?;
        }
        let [a, b, c, d, e, f, g, h] = fixed;
        if std::mem::take(&mut self.crc).finalize() != u32::from_le_bytes([a, b, c, d])
            || self.member != u32::from_le_bytes([e, f, g, h])
        {
            return Err(bad_gzip("its checksum does not fit its content".into()));
        }
        self.state = State::Between;
        Ok(())
    }

    fn expected_byte(&mut self) -> Result<u8, ArchiveError> {
        self.byte()?.ok_or_else(|| truncated("the gzip framing is cut short"))
    }

    fn byte(&mut self) -> Result<Option<u8>, ArchiveError> {
        if self.input.is_empty() && !self.refill()? {
            return Ok(None);
        }
        let b = self.buffers.input[self.input.start];
        self.input.start += 1;
        Ok(Some(b))
    }

    fn refill(&mut self) -> Result<bool, ArchiveError> {
        let n = loop {
            match self.source.read(&mut self.buffers.input) {
                Ok(n) => break n,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(ArchiveError::Read(e)),
            }
        };
        self.input = 0..n;
        let fresh = &self.buffers.input[..n];
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

fn bad_gzip(detail: String) -> ArchiveError {
    ArchiveError::refused(Rule::BadGzip, b"", detail)
}

fn garbage() -> ArchiveError {
    ArchiveError::refused(Rule::TrailingGarbage, b"", "bytes follow the end of the gzip data")
}
