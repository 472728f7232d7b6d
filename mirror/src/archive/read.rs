//! One pass over an archive: hash, inflate, check, hand over.

use super::error::{ArchiveError, Rule, shown};
use super::header::{Headers, Kind, padding};
use super::manifest;
use super::names::{Admitted, Names};
use super::stream::{Buffers, CONTIGUOUS, Format, Stream, truncated};
use super::zip;
use crate::digest::{Hash, Integrity};
use crate::name::RelPath;
use std::io::{self, BufRead, Read};

/// The largest `package.json` or `mzp.toml` that is looked at, in bytes.
pub const MANIFEST_CAP: u64 = 1 << 20;

/// Ceilings; each is named in the refusal it causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Of one archive, compressed or unpacked (and so of any file in it).
    pub bytes: u64,
    /// Headers of every kind; also files and the directories that they need.
    pub entries: u64,
    /// Unpacked to compressed, looked at beyond 64 MiB.
    pub ratio: u64,
    /// Directories below each other.
    pub depth: usize,
    /// Bytes of a path as written.
    pub name: usize,
    /// Bytes of all paths together, the folders on the way (each a path of its own) included: they are kept to find
    /// collisions. The largest real packages have a tenth of the default.
    pub names: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 4 << 30, entries: 200_000, ratio: 1000, depth: 256, name: 4096, names: 32 << 20 }
    }
}

/// What the archive must be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expect<'a> {
    pub integrity: Option<&'a Integrity>,
    /// Of the `package.json` in it. With either of the two, there must be one.
    pub name: Option<&'a str>,
    pub version: Option<&'a str>,
    /// Our own SHA-256 is wanted too.
    pub sha256: bool,
    /// The manifests' bytes are wanted in [`Summary`].
    pub manifests: bool,
}

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub path: RelPath,
    pub executable: bool,
    /// Bytes.
    pub size: u64,
    /// The same path came before: this one takes its place.
    pub replaces: bool,
}

/// Where the files go. Nothing that arrives here may be used before [`read`]
/// has returned `Ok`: the hash is known only at the end.
pub trait Sink {
    /// Once for each directory that holds a file, parents first.
    fn directory(&mut self, path: &RelPath) -> io::Result<()>;
    /// `content` gives exactly `entry.size` bytes; what is left unread is
    /// skipped. Files up to 128 KiB come in one piece from `fill_buf`.
    fn file(&mut self, entry: Entry, content: &mut dyn BufRead) -> io::Result<()>;
}

/// Checks only.
impl Sink for () {
    fn directory(&mut self, _: &RelPath) -> io::Result<()> {
        Ok(())
    }
    fn file(&mut self, _: Entry, _: &mut dyn BufRead) -> io::Result<()> {
        Ok(())
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Of the compressed bytes: the algorithm that was expected when it is a
    /// strong one, otherwise SHA-512.
    pub integrity: Integrity,
    /// When it was wanted (or expected).
    pub sha256: Option<Hash>,
    /// Compressed bytes.
    pub compressed: u64,
    /// Sum of the bytes of all file entries (a replaced one counts too).
    pub unpacked: u64,
    /// Files at the end (a replaced one counts once).
    pub files: u32,
    pub package_json: Option<Vec<u8>>,
    pub mzp_toml: Option<Vec<u8>>,
}

/// Reads one archive with buffers of its own; for several, keep a [`Workspace`].
pub fn read(
    source: &mut dyn Read,
    expect: &Expect<'_>,
    limits: &Limits,
    sink: &mut dyn Sink,
) -> Result<Summary, ArchiveError> {
    Workspace::new().read(source, expect, limits, sink)
}

/// The buffers of one reading thread, about 400 KB.
pub struct Workspace {
    buffers: Buffers,
    names: Names,
}

impl Default for Workspace {
    fn default() -> Self {
        Self::new()
    }
}

impl Workspace {
    pub fn new() -> Self {
        Self { buffers: Buffers::new(), names: Names::new() }
    }

    /// See [`read`]. `source` is read to its end.
    pub fn read(
        &mut self,
        source: &mut dyn Read,
        expect: &Expect<'_>,
        limits: &Limits,
        sink: &mut dyn Sink,
    ) -> Result<Summary, ArchiveError> {
        let Self { buffers, names } = self;
        names.reset();
        let algorithm = expect.integrity.map(Integrity::algorithm);
        let mut stream = Stream::new(source, buffers, limits, algorithm, expect.sha256);
        let mut walk = Walk::new(expect);
        let outcome = walk.run(&mut stream, names, limits, sink);
        // Damaged bytes can break any rule: when they are not the ones that were
        // asked for, that is what has to be said.
        if outcome.as_ref().is_err_and(ArchiveError::is_refusal)
            && (expect.integrity.is_none() || stream.drain().is_err())
        {
            return Err(outcome.err().unwrap_or_else(|| truncated("")));
        }
        if let Err(e @ (ArchiveError::Read(_) | ArchiveError::Write { .. })) = outcome {
            return Err(e);
        }
        let compressed = stream.compressed();
        let digests = stream.finish();
        if let (Some(expected), Some(found)) = (expect.integrity, digests.expected)
            && *expected != found
        {
            return Err(ArchiveError::Integrity {
                expected: Box::new(expected.clone()),
                found: Box::new(found),
            });
        }
        outcome?;
        walk.check(expect)?;
        Ok(Summary {
            integrity: digests.strong,
            sha256: digests.sha256,
            compressed,
            unpacked: walk.unpacked,
            files: walk.files,
            package_json: walk.package_json,
            mzp_toml: walk.mzp_toml,
        })
    }
}

/// What accumulates over the entries.
struct Walk {
    keep: bool,
    unpacked: u64,
    files: u32,
    package_json: Option<Vec<u8>>,
    mzp_toml: Option<Vec<u8>>,
}

impl Walk {
    fn new(expect: &Expect<'_>) -> Self {
        let keep = expect.manifests || expect.name.is_some() || expect.version.is_some();
        Self { keep, unpacked: 0, files: 0, package_json: None, mzp_toml: None }
    }

    fn run(
        &mut self,
        stream: &mut Stream<'_>,
        names: &mut Names,
        limits: &Limits,
        sink: &mut dyn Sink,
    ) -> Result<(), ArchiveError> {
        match stream.format()? {
            Format::Zip if super::FORMATS => self.zip(stream, names, limits, sink),
            _ => self.tar(stream, names, limits, sink),
        }
    }

    fn tar(
        &mut self,
        stream: &mut Stream<'_>,
        names: &mut Names,
        limits: &Limits,
        sink: &mut dyn Sink,
    ) -> Result<(), ArchiveError> {
        let mut headers = Headers::default();
        while let Some(kind) = headers.next(stream, limits)? {
            match kind {
                Kind::Directory => names.directory(&headers.name, limits)?,
                Kind::File { executable, size } => {
                    self.file(stream, &headers.name, executable, size, names, limits, sink)?;
                    stream.skip(padding(size))?;
                }
            }
        }
        Ok(())
    }

    fn zip(
        &mut self,
        stream: &mut Stream<'_>,
        names: &mut Names,
        limits: &Limits,
        sink: &mut dyn Sink,
    ) -> Result<(), ArchiveError> {
        let bytes = stream.whole(zip::MOST)?;
        let members = zip::members(&bytes, limits)?;
        if members.iter().any(|m| matches!(m.name, b"package.json" | b"mzp.toml")) {
            names.without_root();
        }
        for member in members {
            if member.directory {
                names.directory(member.name, limits)?;
                continue;
            }
            let mut data = member.data;
            let mut content = stream.entry(&mut data, member.method);
            self.file(&mut content, member.name, member.executable, member.size, names, limits, sink)?;
            let done = content.close().map_err(|e| e.of_entry(member.name))?;
            if done != Some((member.crc, member.size)) {
                let detail = "does not have the size or the checksum that the archive says";
                return Err(ArchiveError::refused(Rule::BadZip, member.name, detail));
            }
        }
        Ok(())
    }

    /// Hands one file over, and takes all of its content from the stream.
    #[allow(clippy::too_many_arguments)] // each of them is another part's state
    fn file(
        &mut self,
        stream: &mut Stream<'_>,
        name: &[u8],
        executable: bool,
        size: u64,
        names: &mut Names,
        limits: &Limits,
        sink: &mut dyn Sink,
    ) -> Result<(), ArchiveError> {
        if size > limits.bytes {
            let detail = format!("is larger than {} bytes", limits.bytes);
            return Err(ArchiveError::refused(Rule::TooLarge, name, detail));
        }
        let Some(Admitted { path, replaces }) = names.file(name, limits)? else {
            return stream.skip(size).map_err(|e| e.of_entry(name));
        };
        for directory in names.fresh() {
            let directory = directory?;
            sink.directory(&directory).map_err(|e| write_error(name, e))?;
        }
        self.files += u32::from(!replaces);
        self.unpacked += size;
        let entry = Entry { path, executable, size, replaces };
        let slot = match entry.path.as_str() {
            "package.json" if self.keep => Some(&mut self.package_json),
            "mzp.toml" if self.keep => Some(&mut self.mzp_toml),
            _ => None,
        };
        if let Some(slot) = slot {
            let bytes = small_file(stream, &entry).map_err(|e| e.of_entry(name))?;
            sink.file(entry, &mut &bytes[..]).map_err(|e| write_error(name, e))?;
            *slot = Some(bytes);
            return Ok(());
        }
        let mut content = Content { stream, left: size, failed: None };
        let done = sink.file(entry, &mut content);
        let left = content.left;
        if let Some(e) = content.failed {
            return Err(e.of_entry(name));
        }
        done.map_err(|e| write_error(name, e))?;
        stream.skip(left).map_err(|e| e.of_entry(name))
    }

    fn check(&self, expect: &Expect<'_>) -> Result<(), ArchiveError> {
        if expect.name.is_none() && expect.version.is_none() {
            return Ok(());
        }
        match &self.package_json {
            Some(json) => manifest::check(json, expect.name, expect.version),
            None => Err(ArchiveError::refused(Rule::NoManifest, b"", "it holds no package.json")),
        }
    }
}

fn small_file(stream: &mut Stream<'_>, entry: &Entry) -> Result<Vec<u8>, ArchiveError> {
    if entry.size > MANIFEST_CAP {
        let detail = format!("is larger than {MANIFEST_CAP} bytes");
        return Err(ArchiveError::refused(Rule::TooLarge, entry.path.as_str().as_bytes(), detail));
    }
    let mut bytes = Vec::with_capacity(entry.size as usize);
    let mut content = Content { stream, left: entry.size, failed: None };
    match content.read_to_end(&mut bytes) {
        Ok(_) => Ok(bytes),
        Err(e) => Err(content.failed.unwrap_or(ArchiveError::Read(e))),
    }
}

fn write_error(name: &[u8], source: io::Error) -> ArchiveError {
    ArchiveError::Write { entry: shown(name), source }
}

/// The bytes of one file, straight from the window.
struct Content<'s, 'a> {
    stream: &'s mut Stream<'a>,
    left: u64,
    /// Why reading failed: `io::Error` cannot carry it through the sink.
    failed: Option<ArchiveError>,
}

impl BufRead for Content<'_, '_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        let wanted = if self.left <= CONTIGUOUS as u64 { self.left as usize } else { 1 };
        let got = match self.stream.ensure(wanted) {
            Ok(got) if got >= wanted => got,
            Ok(_) => {
                self.failed = Some(truncated("the data ends inside a file"));
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Err(e) => {
                self.failed = Some(e);
                return Err(io::ErrorKind::InvalidData.into());
            }
        };
        let n = usize::try_from(self.left).unwrap_or(usize::MAX).min(got);
        Ok(&self.stream.available()[..n])
    }
    fn consume(&mut self, n: usize) {
        let n = (n as u64).min(self.left);
        self.left -= n;
        self.stream.consume(n as usize);
    }
}

impl Read for Content<'_, '_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = {
            let bytes = self.fill_buf()?;
            let n = bytes.len().min(out.len());
            out[..n].copy_from_slice(&bytes[..n]);
            n
        };
        self.consume(n);
        Ok(n)
    }
}
