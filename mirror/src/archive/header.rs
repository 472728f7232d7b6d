//! The tar side: one header after another, with what pax headers and GNU long
//! names say about the next entry.
//!
//! The walk is our own, on `tar`'s header type, so that an archive which two
//! readers would understand differently is refused instead of read in one of
//! the two ways: malformed or contradictory pax records, sizes that disagree,
//! two names for one entry, data behind the end.

use super::error::{ArchiveError, Rule, shown};
use super::read::Limits;
use super::stream::{CONTIGUOUS, Stream, truncated};
use tar::{EntryType, Header};

const BLOCK: usize = 512;
/// A pax header or a long name beyond this is refused.
const EXTENSION: u64 = 64 << 10;

pub(super) enum Kind {
    File { executable: bool, size: u64 },
    Directory,
}

/// Reads the headers of one archive.
#[derive(Default)]
pub(super) struct Headers {
    /// The current entry's name as the archive wrote it.
    pub(super) name: Vec<u8>,
    has_long_name: bool,
    pax_path: bool,
    pax_size: Option<u64>,
    extended: bool,
    entries: u64,
}

impl Headers {
    /// The next file or directory; `None` at the end, which has been checked.
    pub(super) fn next(
        &mut self,
        stream: &mut Stream<'_>,
        limits: &Limits,
    ) -> Result<Option<Kind>, ArchiveError> {
        self.name.clear();
        (self.has_long_name, self.pax_path, self.pax_size, self.extended) = (false, false, None, false);
        loop {
            let got = stream.ensure(BLOCK)?;
            if got == 0 {
                if self.extended {
                    return Err(truncated("a header describes an entry that is not there"));
                }
                return Ok(None);
            }
            if got < BLOCK {
                // Less than a block can only be padding.
                return self.end(stream);
            }
            let block = &stream.available()[..BLOCK];
            if block.iter().all(|b| *b == 0) {
                return self.end(stream);
            }
            let header = Header::from_byte_slice(block);
            check_sum(header)?;
            let kind = header.entry_type();
            let size = header_size(header)?;
            self.entries += 1;
            if self.entries > limits.entries {
                let detail = format!("it has more than {} entries", limits.entries);
                return Err(ArchiveError::refused(Rule::TooManyEntries, b"", detail));
            }
            match kind {
                EntryType::GNULongName => {
                    if self.has_long_name || self.pax_path {
                        return Err(bad(&self.name, "has two names"));
                    }
                    let text = extension(stream, size)?;
                    let end = text.iter().position(|b| *b == 0).unwrap_or(text.len());
                    self.name.clear();
                    self.name.extend_from_slice(&text[..end]);
                    (self.has_long_name, self.extended) = (true, true);
                    finish_extension(stream, size)?;
                }
                // Only links have link names, and those are refused by their own header.
                EntryType::GNULongLink => {
                    extension(stream, size)?;
                    self.extended = true;
                    finish_extension(stream, size)?;
                }
                EntryType::XGlobalHeader => {
                    for record in Records::new(extension(stream, size)?) {
                        let (key, _) = record?;
                        if matches!(key, b"path" | b"linkpath" | b"size") || key.starts_with(b"GNU.sparse") {
                            return Err(bad(b"", "a global header sets the path or size of every entry"));
                        }
                    }
                    finish_extension(stream, size)?;
                }
                // `X` is what Solaris writes for `x`.
                kind if kind == EntryType::XHeader || kind.as_byte() == b'X' => {
                    if self.pax_path || self.pax_size.is_some() {
                        return Err(bad(&self.name, "has two extended headers"));
                    }
                    self.pax(extension(stream, size)?)?;
                    self.extended = true;
                    finish_extension(stream, size)?;
                }
                _ => return self.entry(stream, kind, size).map(Some),
            }
        }
    }

    fn pax(&mut self, block: &[u8]) -> Result<(), ArchiveError> {
        for record in Records::new(block) {
            let (key, value) = record?;
            match key {
                b"path" if self.has_long_name || self.pax_path => {
                    return Err(bad(&self.name, "has two names"));
                }
                b"path" => {
                    self.name.clear();
                    self.name.extend_from_slice(value);
                    self.pax_path = true;
                }
                b"size" => {
                    let number =
                        std::str::from_utf8(value).ok().filter(|v| v.bytes().all(|b| b.is_ascii_digit()));
                    let Some(number) = number.and_then(|v| v.parse().ok()) else {
                        return Err(bad(b"", "an extended header gives a size that is no number"));
                    };
                    if self.pax_size.replace(number).is_some() {
                        return Err(bad(b"", "an extended header gives two sizes"));
                    }
                }
                k if k.starts_with(b"GNU.sparse") => {
                    let detail = "an extended header describes a sparse file";
                    return Err(ArchiveError::refused(Rule::UnknownType, b"", detail));
                }
                _ => {}
            }
        }
        // With NULs inside the counted size libarchive leaves the whole header out.
        if block.ends_with(&[0]) && (self.pax_path || self.pax_size.is_some()) {
            return Err(bad(&self.name, "has an extended header that only some readers take"));
        }
        Ok(())
    }

    fn entry(&mut self, stream: &mut Stream<'_>, kind: EntryType, size: u64) -> Result<Kind, ArchiveError> {
        let header = Header::from_byte_slice(&stream.available()[..BLOCK]);
        if !self.has_long_name && !self.pax_path {
            let (magic, prefix) = (&header.as_bytes()[257..265], until_nul(&header.as_bytes()[345..500]));
            let name = until_nul(&header.as_old().name);
            match magic {
                b"ustar\x0000" if !prefix.is_empty() => {
                    self.name.extend_from_slice(prefix);
                    self.name.push(b'/');
                }
                // GNU keeps times there. Of any other header some readers take it for a prefix, some do not.
                b"ustar\x0000" | b"ustar  \0" => {}
                _ if prefix.is_empty() => {}
                _ => return Err(bad(name, "has a prefix that only some readers see")),
            }
            self.name.extend_from_slice(name);
        }
        // The executable bits; a mode that is no number counts as none.
        let executable = header.mode().unwrap_or(0) & 0o111 != 0;
        let name = &self.name;
        let refuse = |rule, detail: String| Err(ArchiveError::refused(rule, name, detail));
        match kind {
            EntryType::Symlink | EntryType::Link => {
                let target = shown(until_nul(&header.as_old().linkname));
                let what = if kind == EntryType::Link { "hard" } else { "symbolic" };
                return refuse(Rule::Link, format!("is a {what} link to `{target}`"));
            }
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                return refuse(Rule::Device, "is a device or FIFO".into());
            }
            EntryType::Regular | EntryType::Continuous | EntryType::Directory => {}
            other => {
                let code = shown(&[other.as_byte()]);
                return refuse(Rule::UnknownType, format!("has the unknown type `{code}`"));
            }
        }
        if self.pax_size.is_some_and(|s| s != size) {
            return refuse(Rule::BadHeader, "has two different sizes".into());
        }
        if name.is_empty() {
            return refuse(Rule::BadHeader, "an entry has no name".into());
        }
        // Archives older than ustar mark a directory by a slash alone.
        let is_directory = kind == EntryType::Directory || (name.ends_with(b"/") && size == 0);
        if name.ends_with(b"/") && !is_directory {
            return refuse(Rule::BadHeader, "is a file whose name ends with a slash".into());
        }
        if is_directory && size != 0 {
            return refuse(Rule::BadHeader, "is a directory with content".into());
        }
        stream.consume(BLOCK);
        Ok(if is_directory { Kind::Directory } else { Kind::File { executable, size } })
    }

    /// Behind the first zero block there may only be zeros: some readers go on
    /// to another archive there, others stop.
    fn end(&mut self, stream: &mut Stream<'_>) -> Result<Option<Kind>, ArchiveError> {
        if self.extended {
            return Err(truncated("a header describes an entry that is not there"));
        }
        loop {
            let rest = stream.available();
            if rest.iter().any(|b| *b != 0) {
                let detail = "data follows the end of the tar stream";
                return Err(ArchiveError::refused(Rule::TrailingGarbage, b"", detail));
            }
            let n = rest.len();
            stream.consume(n);
            if !stream.fill()? {
                return Ok(None);
            }
        }
    }
}

/// The bytes that fill the last block of `size` bytes.
pub(super) fn padding(size: u64) -> u64 {
    size.wrapping_neg() % BLOCK as u64
}

/// The body of an extension header (the header itself is dropped with it).
fn extension<'s>(stream: &'s mut Stream<'_>, size: u64) -> Result<&'s [u8], ArchiveError> {
    const { assert!(EXTENSION as usize + 2 * BLOCK <= CONTIGUOUS) };
    if size > EXTENSION {
        let detail = format!("a name or extended header is larger than {EXTENSION} bytes");
        return Err(ArchiveError::refused(Rule::TooLarge, b"", detail));
    }
    let (size, whole) = (size as usize, (size + padding(size)) as usize);
    if stream.ensure(BLOCK + whole)? < BLOCK + whole {
        return Err(truncated("the tar stream ends inside a header"));
    }
    let (body, rest) = stream.available()[BLOCK..BLOCK + whole].split_at(size);
    // Some readers look to the end of the block.
    if rest.iter().any(|b| *b != 0) {
        return Err(bad(b"", "something follows a name or extended header in its last block"));
    }
    Ok(body)
}

fn finish_extension(stream: &mut Stream<'_>, size: u64) -> Result<(), ArchiveError> {
    stream.skip(BLOCK as u64 + size + padding(size))
}

/// Whether `block` (of 512 bytes) begins a tar stream.
pub(super) fn is_header(block: &[u8]) -> bool {
    let header = Header::from_byte_slice(block);
    let bytes = header.as_bytes();
    let sum = |b: &[u8]| b.iter().map(|b| u32::from(*b)).sum::<u32>();
    let computed = sum(&bytes[..148]) + sum(&bytes[156..]) + 8 * 32;
    header.cksum().is_ok_and(|c| c == computed)
}

fn check_sum(header: &Header) -> Result<(), ArchiveError> {
    if is_header(header.as_bytes()) {
        return Ok(());
    }
    Err(bad(b"", "a tar header's checksum is wrong (not a tar archive, or damaged)"))
}

fn header_size(header: &Header) -> Result<u64, ArchiveError> {
    let field = &header.as_old().size;
    let name = until_nul(&header.as_old().name);
    // Binary sizes have a first byte of 0x80; `tar` reads the last eight bytes only.
    if field[0] & 0x80 != 0 && (field[0] != 0x80 || field[1..4] != [0; 3]) {
        return Err(bad(name, "has a negative or impossible size"));
    }
    if field[0] & 0x80 != 0 {
        return header.entry_size().map_err(|_| bad(name, "has a size that is no number"));
    }
    octal(field).ok_or_else(|| bad(name, "has a size that is no number"))
}

/// Blanks, digits, then blanks or whatever stands behind a NUL; nothing at all is zero. Only what all readers take for
/// the same number: some would stop at a sign or at a blank in between, some would not.
fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(until_nul(field)).ok()?.trim_matches(' ');
    let digits = text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok().filter(|_| digits) }
}

fn until_nul(field: &[u8]) -> &[u8] {
    &field[..field.iter().position(|b| *b == 0).unwrap_or(field.len())]
}

fn bad(name: &[u8], detail: &str) -> ArchiveError {
    ArchiveError::refused(Rule::BadHeader, name, detail)
}

/// The records of a pax header: `LENGTH KEY=VALUE\n`, where LENGTH counts all of it.
struct Records<'a>(&'a [u8]);

impl<'a> Records<'a> {
    fn new(block: &'a [u8]) -> Self {
        Self(block)
    }
    fn take(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let space = self.0.iter().position(|b| *b == b' ').filter(|i| (1..=7).contains(i))?;
        let digits = std::str::from_utf8(&self.0[..space]).ok()?;
        let length: usize = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())??;
        let record = self.0.get(space + 1..length)?.strip_suffix(b"\n")?;
        self.0 = &self.0[length..];
        let equals = record.iter().position(|b| *b == b'=').filter(|i| *i > 0)?;
        Some((&record[..equals], &record[equals + 1..]))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(&'a [u8], &'a [u8]), ArchiveError>;
    fn next(&mut self) -> Option<Self::Item> {
        // Some writers pad the last block with NULs inside the counted size.
        if self.0.iter().all(|b| *b == 0) {
            return None;
        }
        let record = self.take();
        if record.is_none() {
            self.0 = &[];
        }
        Some(record.ok_or_else(|| bad(b"", "a pax record is malformed")))
    }
}
