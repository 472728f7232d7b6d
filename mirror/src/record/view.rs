//! Reading a record lazily: a resolver looks at the version numbers and flags
//! of all versions, and decodes the one or two it takes.

use super::codec::Cursor;
use super::pieces::Pieces;
use super::{
    AS_OF, DEPRECATED, Dependency, DependencyKind, Ecosystem, Key, LOCATION_BLOB, LOCATION_MASK,
    LOCATION_PACK, Location, MAX_BODY, MAX_RECORD, MAX_VERSIONS, RECORD_FORMAT, Record, VersionRecord,
};
use crate::digest::{Algorithm, Hash, Integrity};
use crate::error::Error;
use crate::version::Version;
use std::borrow::Cow;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// An encoded record with its table of versions looked through once (one
/// allocation, nothing copied). Any bytes may be given: what breaks the format
/// is an error, never a panic.
#[derive(Clone)]
pub struct RecordView {
    /// The whole record, or only what stands before its bodies.
    bytes: Box<[u8]>,
    bodies: Bodies,
    key: Key,
    complete: bool,
    checked: u64,
    modified: u64,
    etag: Range<u32>,
    tags: Range<u32>,
    packs: Range<u32>,
    rows: Box<[Row]>,
}

/// Where the bodies are.
#[derive(Clone)]
enum Bodies {
    Here,
    /// Those of a large record, each piece decoded when it is asked for.
    Pieces(Box<Pieces>),
    /// In a file from that byte on, each read when it is asked for.
    File(Arc<File>, u64),
}

/// What finding a version takes; all else stays where it is in `bytes`.
#[derive(Clone)]
struct Row {
    /// Where the version's text begins; after it come the flags, and the rest.
    text: u32,
    /// Counted from the start of `bytes`, or from the first body where that is elsewhere.
    body: u32,
    body_len: u32,
    text_len: u16,
    flags: u8,
}

const UNREADABLE: &str = "cannot be read again from the file it was put into";

type Read<T> = Result<T, &'static str>;

impl RecordView {
    /// Takes the bytes of one whole record.
    pub fn parse(bytes: Box<[u8]>) -> Result<Self, Error> {
        Self::read(bytes, Bodies::Here).map_err(|what| Error::Record { key: String::new(), what })
    }

    /// `bytes` ends before the first body, which `pieces` hold.
    pub(crate) fn parse_pieces(bytes: Box<[u8]>, pieces: Pieces) -> Result<Self, Error> {
        Self::read(bytes, Bodies::Pieces(Box::new(pieces)))
            .map_err(|what| Error::Record { key: String::new(), what })
    }

    /// Leaves the bodies in `file`, where all the record's bytes lie from `at` on.
    pub(crate) fn leave_in(&mut self, file: Arc<File>, at: u64) {
        let (head, _) = self.lengths();
        if let Bodies::Here = self.bodies {
            self.rows.iter_mut().for_each(|r| r.body -= head as u32);
            self.bytes = self.bytes[..head].into();
        }
        self.bodies = Bodies::File(file, at + head as u64);
    }

    fn read(bytes: Box<[u8]>, bodies: Bodies) -> Read<Self> {
        if bytes.len() > MAX_RECORD {
            return Err("is larger than 128 MiB");
        }
        let mut c = Cursor::new(&bytes);
        let key = read_key(&mut c)?;
        let complete = match c.byte()? {
            0 => false,
            1 => true,
            _ => return Err("has unknown flags"),
        };
        let checked = c.number()?;
        let etag = span(&mut c, |c| c.text().map(|_| ()))?;
        // The span holds the length too; keep only the text.
        let etag = {
            let mut e = Cursor { bytes: &bytes, at: etag.start as usize };
            e.number()?;
            e.at as u32..etag.end
        };
        let modified = c.number()?;
        let tag_count = c.count()?;
        let tags = span(&mut c, |c| {
            for _ in 0..tag_count {
                c.text()?;
                c.text()?;
            }
            Ok(())
        })?;
        let pack_count = c.count()?;
        let packs = span(&mut c, |c| c.take(pack_count.saturating_mul(32)).map(|_| ()))?;
        let count = c.count()?;
        // A row takes at least four bytes.
        if count > MAX_VERSIONS || count > c.left() / 4 {
            return Err("has more versions than bytes");
        }
        let mut rows = Vec::with_capacity(count);
        for _ in 0..count {
            let len = c.count()?;
            let text = c.at as u32;
            if len > 256 || !c.take(len)?.is_ascii() {
                return Err("has a version that is not a version");
            }
            let flags = c.byte()?;
            if flags & !(LOCATION_MASK | DEPRECATED | AS_OF) != 0 || flags & LOCATION_MASK == LOCATION_MASK {
                return Err("has unknown flags");
            }
            if flags & LOCATION_MASK == LOCATION_PACK {
                if c.number()? >= pack_count as u64 {
                    return Err("points to a pack that it does not list");
                }
                u32::try_from(c.number()?).map_err(|_| "points behind the end of a pack")?;
            }
            if flags & AS_OF != 0 {
                c.number()?;
            }
            c.number()?;
            let body_len = c.number()?;
            if body_len > MAX_BODY as u64 {
                return Err("has a version with more than 2 MiB of metadata");
            }
            rows.push(Row { text, text_len: len as u16, flags, body: 0, body_len: body_len as u32 });
        }
        let (start, end) = match &bodies {
            Bodies::Pieces(p) => {
                c.end()?;
                (0, p.raw_len())
            }
            _ => (c.at as u64, bytes.len() as u64),
        };
        let mut at = start;
        for row in &mut rows {
            row.body = at as u32;
            at += u64::from(row.body_len);
            if at > end {
                return Err("is cut off");
            }
        }
        if at != end {
            return Err("has bytes after its end");
        }
        Ok(Self { bodies, key, complete, checked, modified, etag, tags, packs, rows: rows.into(), bytes })
    }

    pub fn key(&self) -> &Key {
        &self.key
    }
    pub fn complete(&self) -> bool {
        self.complete
    }
    /// Unix seconds of the last answer from upstream; 0: never asked.
    pub fn checked(&self) -> u64 {
        self.checked
    }
    /// Unix seconds of the upstream's own modification time; 0: not given.
    pub fn modified(&self) -> u64 {
        self.modified
    }
    /// Since when the mutable facts stand: where upstream does not say when it changed something,
    /// since it was asked.
    pub(crate) fn changed(&self) -> u64 {
        if self.modified == 0 { self.checked } else { self.modified }
    }
    /// Empty: none.
    pub fn etag(&self) -> &str {
        self.text(self.etag.clone())
    }
    /// (tag, version), sorted by tag.
    pub fn tags(&self) -> impl Iterator<Item = (&str, &str)> {
        let mut c = Cursor::new(&self.bytes[self.tags.start as usize..self.tags.end as usize]);
        std::iter::from_fn(move || {
            if c.left() == 0 {
                return None;
            }
            Some((c.text().ok()?, c.text().ok()?))
        })
    }
    /// The version a dist-tag points to.
    pub fn tag(&self, tag: &str) -> Option<&str> {
        self.tags().find(|(t, _)| *t == tag).map(|(_, v)| v)
    }
    /// Number of versions.
    pub fn len(&self) -> usize {
        self.rows.len()
    }
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
    /// The `i`-th version's text, ascending; `""` past the end.
    pub fn version(&self, i: usize) -> &str {
        self.rows.get(i).map_or("", |r| self.text(r.text..r.text + u32::from(r.text_len)))
    }
    pub fn versions(&self) -> impl DoubleEndedIterator<Item = &str> + ExactSizeIterator {
        (0..self.rows.len()).map(|i| self.version(i))
    }
    /// The row of exactly that version.
    pub fn find(&self, version: &str) -> Option<usize> {
        (0..self.rows.len()).find(|&i| self.version(i) == version)
    }
    /// Its archive is in this mirror.
    pub fn is_present(&self, i: usize) -> bool {
        self.rows.get(i).is_some_and(|r| r.flags & LOCATION_MASK != 0)
    }
    pub fn is_deprecated(&self, i: usize) -> bool {
        self.rows.get(i).is_some_and(|r| r.flags & DEPRECATED != 0)
    }
    /// Unix seconds; 0: not known.
    pub fn published(&self, i: usize) -> u64 {
        let Some(r) = self.rows.get(i) else { return 0 };
        let mut c = self.rest(r);
        if r.flags & AS_OF != 0 {
            let _ = c.number();
        }
        c.number().unwrap_or(0)
    }
    /// Since when the version's mutable facts stand, where the record as a whole does not say it.
    pub fn as_of(&self, i: usize) -> Option<u64> {
        let r = self.rows.get(i).filter(|r| r.flags & AS_OF != 0)?;
        self.rest(r).number().ok()
    }
    /// Behind the row's location.
    fn rest(&self, r: &Row) -> Cursor<'_> {
        let mut c = Cursor { bytes: &self.bytes, at: r.text as usize + r.text_len as usize + 1 };
        if r.flags & LOCATION_MASK == LOCATION_PACK {
            let _ = (c.number(), c.number());
        }
        c
    }
    /// Where the archive lies.
    pub fn location(&self, i: usize) -> Location {
        let Some(r) = self.rows.get(i) else { return Location::Absent };
        match r.flags & LOCATION_MASK {
            LOCATION_PACK => {
                let mut c = Cursor { bytes: &self.bytes, at: r.text as usize + r.text_len as usize + 1 };
                let (Ok(number), Ok(offset)) = (c.number(), c.number()) else { return Location::Absent };
                let at = self.packs.start as usize + 32 * number as usize;
                let mut pack = [0; 32];
                pack.copy_from_slice(&self.bytes[at..at + 32]);
                Location::Pack { pack: Hash(pack), offset: offset as u32 }
            }
            LOCATION_BLOB => Location::Blob,
            _ => Location::Absent,
        }
    }
    /// The packs that versions of this record lie in.
    pub fn packs(&self) -> impl Iterator<Item = Hash> {
        self.bytes[self.packs.start as usize..self.packs.end as usize].chunks_exact(32).map(|c| {
            let mut h = [0; 32];
            h.copy_from_slice(c);
            Hash(h)
        })
    }

    /// Decodes one version.
    pub fn load(&self, i: usize) -> Result<VersionRecord, Error> {
        let fault = |what| Error::Record { key: self.key.name.clone(), what };
        let body = self.body(i).map_err(fault)?;
        let version =
            Version::parse(self.version(i)).map_err(|_| fault("has a version that is not a version"))?;
        let mut v = VersionRecord::new(version);
        v.location = self.location(i);
        v.published = self.published(i);
        v.as_of = self.as_of(i);
        read_body(&body, self.is_deprecated(i), &mut v).map_err(fault)?;
        Ok(v)
    }

    /// Decodes everything.
    pub fn to_record(&self) -> Result<Record, Error> {
        Ok(Record {
            key: self.key.clone(),
            complete: self.complete,
            checked: self.checked,
            etag: self.etag().to_string(),
            modified: self.modified,
            tags: self.tags().map(|(t, v)| (t.to_string(), v.to_string())).collect(),
            versions: (0..self.len()).map(|i| self.load(i)).collect::<Result<_, _>>()?,
        })
    }

    /// The whole record, encoded.
    pub fn to_bytes(&self) -> Result<Cow<'_, [u8]>, Error> {
        let length = self.rows.last().map_or(0, |r| r.body as usize + r.body_len as usize);
        let whole = || {
            let mut out = Vec::with_capacity(self.bytes.len() + length);
            out.extend_from_slice(&self.bytes);
            out
        };
        let fault = |what| Error::Record { key: self.key.name.clone(), what };
        match &self.bodies {
            Bodies::Here => Ok(Cow::Borrowed(&self.bytes)),
            Bodies::Pieces(p) => {
                let mut out = whole();
                p.append_all(&mut out).map_err(fault)?;
                Ok(Cow::Owned(out))
            }
            Bodies::File(file, at) => {
                let mut out = whole();
                out.resize(self.bytes.len() + length, 0);
                file.read_exact_at(&mut out[self.bytes.len()..], *at).map_err(|_| fault(UNREADABLE))?;
                Ok(Cow::Owned(out))
            }
        }
    }
    /// One version, encoded.
    pub(crate) fn body(&self, i: usize) -> Read<Cow<'_, [u8]>> {
        let r = self.rows.get(i).ok_or("has no such version")?;
        let at = r.body as usize..r.body as usize + r.body_len as usize;
        match &self.bodies {
            Bodies::Here => self.bytes.get(at).map(Cow::Borrowed).ok_or("is cut off"),
            Bodies::Pieces(p) => p.read(at).map(Cow::Owned),
            Bodies::File(file, start) => {
                let mut out = vec![0; at.len()];
                file.read_exact_at(&mut out, start + at.start as u64).map_err(|_| UNREADABLE)?;
                Ok(Cow::Owned(out))
            }
        }
    }
    /// Lengths of the part before the bodies, and of each body: where a large
    /// record may be cut into pieces.
    pub(crate) fn lengths(&self) -> (usize, impl Iterator<Item = usize>) {
        let bodies = self.rows.iter().map(|r| r.body_len as usize);
        let head = match (&self.bodies, self.rows.first()) {
            (Bodies::Here, Some(r)) => r.body as usize,
            _ => self.bytes.len(),
        };
        (head, bodies)
    }
    /// Marks a package that was removed: nothing is known, nothing was asked.
    pub(crate) fn is_tombstone(&self) -> bool {
        self.rows.is_empty() && self.checked == 0
    }
    fn text(&self, at: Range<u32>) -> &str {
        let bytes = self.bytes.get(at.start as usize..at.end as usize).unwrap_or(&[]);
        std::str::from_utf8(bytes).unwrap_or("")
    }
}

impl std::fmt::Debug for RecordView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecordView({:?}, {} versions)", self.key, self.len())
    }
}

impl Record {
    /// Decodes a whole record; the inverse of [`Record::encode`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Error> {
        RecordView::parse(bytes.into())?.to_record()
    }
}

/// The key at the front of a record, without looking further.
pub(crate) fn read_key(c: &mut Cursor<'_>) -> Read<Key> {
    if c.byte()? != RECORD_FORMAT {
        return Err("is of an unknown format");
    }
    let ecosystem = Ecosystem::from_number(c.byte()?).ok_or("is of an unknown ecosystem")?;
    let key = Key { ecosystem, source: c.text()?.to_string(), name: c.text()?.to_string() };
    key.fault().map_or(Ok(key), Err)
}

fn span(c: &mut Cursor<'_>, read: impl FnOnce(&mut Cursor<'_>) -> Read<()>) -> Read<Range<u32>> {
    let start = c.at as u32;
    read(c)?;
    Ok(start..c.at as u32)
}

fn read_body(bytes: &[u8], deprecated: bool, v: &mut VersionRecord) -> Read<()> {
    let c = &mut Cursor::new(bytes);
    let algorithm = match c.byte()? {
        0 => None,
        1 => Some(Algorithm::Sha1),
        2 => Some(Algorithm::Sha256),
        3 => Some(Algorithm::Sha384),
        4 => Some(Algorithm::Sha512),
        _ => return Err("has an unknown hash function"),
    };
    if let Some(a) = algorithm {
        v.integrity = Integrity::from_bytes(a, c.take(a.size())?);
    }
    let flags = c.byte()?;
    if flags & !0b1111 != 0 || (flags & 8 != 0) != deprecated {
        return Err("has unknown flags");
    }
    if flags & 1 != 0 {
        v.sha256 = Some(Hash(c.array()?));
    }
    v.size = c.number()?;
    v.unpacked = c.number()?;
    if flags & 2 != 0 {
        v.tarball = Some(c.text()?.to_string());
    }
    v.install_script = flags & 4 != 0;
    if flags & 8 != 0 {
        v.deprecated = Some(c.text()?.to_string());
    }
    let count = c.count()?;
    v.dependencies.reserve_exact(count.min(256));
    for _ in 0..count {
        let k = c.byte()?;
        let kind = match k & 7 {
            0 => DependencyKind::Normal,
            1 => DependencyKind::Optional,
            2 => DependencyKind::Peer,
            3 => DependencyKind::PeerOptional,
            4 => DependencyKind::Dev,
            _ => return Err("has an unknown kind of dependency"),
        };
        if k > 15 {
            return Err("has unknown flags");
        }
        v.dependencies.push(Dependency {
            name: c.text()?.to_string(),
            range: c.text()?.to_string(),
            kind,
            condition: if k & 8 != 0 { c.text()?.to_string() } else { String::new() },
        });
    }
    for pairs in [&mut v.bins, &mut v.engines, &mut v.extra] {
        for _ in 0..c.count()? {
            pairs.push((c.text()?.to_string(), c.text()?.to_string()));
        }
    }
    for list in [&mut v.bundled, &mut v.os, &mut v.cpu, &mut v.libc] {
        for _ in 0..c.count()? {
            list.push(c.text()?.to_string());
        }
    }
    c.end()
}
