//! A packument becomes an index record, version by version, as it streams in.
//!
//! A packument is the registry's document about one package:
//!
//! ```text
//! { "name": "…", "modified": "2026-…",            (abbreviated form: application/vnd.npm.install-v1+json)
//!   "dist-tags": { "latest": "1.2.3", … },
//!   "versions": { "1.2.3": { "dependencies": {…}, "dist": {…}, … }, … },
//!   "time": { "modified": "…", "1.2.3": "…" }, "readme": "…", … }        (full form only)
//! ```
//!
//! Memory is one window (64 KiB, more only for a larger version) and the record
//! under construction. Fields that are not needed are skipped; fields of an odd
//! type are read as npm reads them or as if they were not there. A version whose
//! key is not a version, or which says it is another package or version, is
//! left out: it cannot be asked for by what it claims to be.

mod facts;

use super::scan::{Scan, Span, Stop};
use facts::Facts;
use mirror::record::{Key, RecordBuilder};
use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};

const WINDOW: usize = 64 * 1024;
/// The largest version object, and the largest other member that is looked at.
const MEMBER_CAP: usize = 1 << 20;

/// Why a document is no packument of the package that was asked for.
#[derive(Debug)]
pub enum PackumentError {
    /// Reading failed (the error may carry a [`mirror::http::HttpError`]).
    Read(io::Error),
    /// Not the JSON that was expected, at a byte of the document.
    Malformed {
        what: &'static str,
        offset: u64,
    },
    /// It is about another package (as it was written).
    WrongName {
        found: String,
    },
    /// One version has more than 1 MiB of metadata.
    TooLarge {
        offset: u64,
    },
    Record(mirror::Error),
}

impl fmt::Display for PackumentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(e) => write!(f, "{e}"),
            Self::Malformed { what, offset } => {
                write!(f, "the answer is not a package document: {what} (byte {offset})")
            }
            Self::WrongName { found } => {
                write!(f, "the answer is about another package, `{}`", mirror::name::escape(found))
            }
            Self::TooLarge { offset } => {
                write!(f, "a version has more than 1 MiB of metadata (byte {offset})")
            }
            Self::Record(e) => write!(f, "{e}"),
        }
    }
}
impl std::error::Error for PackumentError {}

/// What the scanner has to know besides the document.
pub struct Asked<'a> {
    pub key: Key,
    /// Addresses of the registry, ending with `/`: a tarball that lies where it
    /// would be looked for anyway needs no URL in the record.
    pub bases: &'a [String],
    /// Unix seconds of now.
    pub checked: u64,
    /// The answer's validator.
    pub etag: String,
}

/// Reads a whole document and gives the encoded record.
pub fn scan(source: &mut dyn Read, asked: Asked<'_>) -> Result<Vec<u8>, PackumentError> {
    let mut builder = RecordBuilder::new(asked.key);
    builder.complete = true;
    builder.checked = asked.checked;
    builder.etag = asked.etag;
    let mut bytes = USED.take();
    bytes.resize(WINDOW, 0);
    let mut window = Window { source, bytes, start: 0, end: 0, passed: 0, ended: false };
    let read = Document { times: Vec::new(), facts: Facts::default(), bases: asked.bases }
        .read(&mut window, &mut builder);
    if window.bytes.len() == WINDOW {
        USED.set(window.bytes);
    }
    read?;
    builder.finish().map_err(PackumentError::Record)
}

thread_local! {
    /// The window of the document before, whose pages are there already.
    static USED: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// The part of the document that is in memory.
struct Window<'a> {
    source: &'a mut dyn Read,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes of the document before `start`.
    passed: u64,
    ended: bool,
}

impl Window<'_> {
    fn offset(&self, at: usize) -> u64 {
        self.passed + at as u64
    }

    fn advance(&mut self, n: usize) {
        self.start += n;
        self.passed += n as u64;
    }

    /// Brings in more behind what is there; false at the end of the document.
    fn more(&mut self) -> Result<bool, PackumentError> {
        if self.start > 0 {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.end == self.bytes.len() {
            if self.end >= MEMBER_CAP {
                return Err(PackumentError::TooLarge { offset: self.passed });
            }
            self.bytes.resize(self.end * 2, 0);
        }
        let before = self.end;
        // As full as it goes: the member at the end is begun again each time.
        while self.end < self.bytes.len() && !self.ended {
            match self.source.read(&mut self.bytes[self.end..]) {
                Ok(n) => {
                    self.end += n;
                    self.ended = n == 0;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(PackumentError::Read(e)),
            }
        }
        Ok(self.end > before)
    }

    /// Runs `parse` over the window, again with more when it asks for it, and
    /// passes what it consumed.
    fn parse<T>(
        &mut self,
        mut parse: impl FnMut(&mut Scan<'_>) -> Result<T, Stop>,
    ) -> Result<T, PackumentError> {
        loop {
            let mut scan = Scan::new(&self.bytes[self.start..self.end]);
            let outcome = parse(&mut scan);
            let at = scan.at;
            match outcome {
                Ok(value) => {
                    self.advance(at);
                    return Ok(value);
                }
                Err(Stop::Bad(what)) => {
                    return Err(PackumentError::Malformed { what, offset: self.offset(at) });
                }
                Err(Stop::More) => {
                    if !self.more()? {
                        let offset = self.offset(self.end - self.start);
                        return Err(PackumentError::Malformed { what: "it ends too early", offset });
                    }
                }
            }
        }
    }

    /// Skips a value of any size without keeping it.
    fn skip(&mut self) -> Result<(), PackumentError> {
        let first = self.parse(|s| s.peek())?;
        if !matches!(first, b'{' | b'[' | b'"') {
            return self.parse(|s| s.skip());
        }
        let (mut depth, mut quoted, mut escaped) = (0u64, false, false);
        loop {
            let bytes = &self.bytes[self.start..self.end];
            for (i, &b) in bytes.iter().enumerate() {
                if quoted {
                    match b {
                        _ if escaped => escaped = false,
                        b'\\' => escaped = true,
                        b'"' => quoted = false,
                        _ => {}
                    }
                } else {
                    match b {
                        b'"' => quoted = true,
                        b'{' | b'[' => depth += 1,
                        b'}' | b']' => depth -= 1,
                        _ => {}
                    }
                }
                if depth == 0 && !quoted {
                    self.advance(i + 1);
                    return Ok(());
                }
            }
            self.advance(self.end - self.start);
            if !self.more()? {
                return Err(PackumentError::Malformed { what: "it ends too early", offset: self.passed });
            }
        }
    }
}

struct Document<'a> {
    /// Version → time of publication, as the full form tells it.
    times: Vec<(Box<str>, u64)>,
    facts: Facts,
    bases: &'a [String],
}

enum Top {
    Name,
    Tags,
    Versions,
    Time,
    Modified,
    Other,
    End,
}

impl Document<'_> {
    fn read(mut self, window: &mut Window<'_>, builder: &mut RecordBuilder) -> Result<(), PackumentError> {
        window.parse(|s| s.expect(b'{', "it does not begin with `{`"))?;
        let mut first = true;
        loop {
            let top = window.parse(|s| {
                let mut is_first = first;
                Ok(match s.key(&mut is_first)? {
                    None => Top::End,
                    Some(key) => match key.bytes(s.window) {
                        b"name" => Top::Name,
                        b"dist-tags" => Top::Tags,
                        b"versions" => Top::Versions,
                        b"time" => Top::Time,
                        b"modified" => Top::Modified,
                        _ => Top::Other,
                    },
                })
            })?;
            first = false;
            match top {
                Top::End => break,
                Top::Name => self.name(window, builder)?,
                Top::Tags => members(window, |s, key, value| {
                    if let Some((key, value)) = owned(s, key, value) {
                        builder.tags.push((key, value));
                    }
                })?,
                Top::Versions => self.versions(window, builder)?,
                Top::Time => members(window, |s, key, value| {
                    let Some((key, value)) = owned(s, key, value) else { return };
                    match (key.as_str(), unix_seconds(&value)) {
                        ("modified", Some(t)) => builder.modified = t,
                        ("created", _) | (_, None) => {}
                        (_, Some(t)) => self.times.push((key.into(), t)),
                    }
                })?,
                Top::Modified => {
                    let text = window.parse(|s| Ok(s.string_or_skip()?.map(|v| v.owned(s.window))))?;
                    if let Some(t) = text.flatten().and_then(|t| unix_seconds(&t)) {
                        builder.modified = t;
                    }
                }
                Top::Other => window.skip()?,
            }
        }
        self.end(window)?;
        if !self.times.is_empty() {
            mirror::order::sort(&mut self.times);
            let times = &self.times;
            builder.set_published(&|version| {
                let text = version.to_string();
                times.binary_search_by(|(v, _)| (**v).cmp(&text)).ok().map(|i| times[i].1)
            });
        }
        Ok(())
    }

    fn name(&self, window: &mut Window<'_>, builder: &RecordBuilder) -> Result<(), PackumentError> {
        match window.parse(|s| Ok(s.string_or_skip()?.map(|v| v.owned(s.window))))?.flatten() {
            Some(found) if found != builder.key.name => Err(PackumentError::WrongName { found }),
            _ => Ok(()),
        }
    }

    fn versions(
        &mut self,
        window: &mut Window<'_>,
        builder: &mut RecordBuilder,
    ) -> Result<(), PackumentError> {
        if window.parse(|s| s.peek())? != b'{' {
            return window.skip();
        }
        window.parse(|s| s.expect(b'{', ""))?;
        let (mut first, bases) = (true, self.bases);
        loop {
            let facts = &mut self.facts;
            let pushed = window.parse(|s| {
                let mut is_first = first;
                let Some(key) = s.key(&mut is_first)? else { return Ok(None) };
                facts.read(s, key)?;
                let member = &s.window[..s.at];
                let outcome = match std::str::from_utf8(member) {
                    Ok(text) => facts.push(text, builder, bases),
                    Err(_) => lossy(member, first, facts, builder, bases)?,
                };
                Ok(Some(outcome))
            })?;
            match pushed {
                None => return Ok(()),
                Some(outcome) => outcome.map_err(PackumentError::Record)?,
            }
            first = false;
        }
    }

    /// Only blanks may follow.
    fn end(&self, window: &mut Window<'_>) -> Result<(), PackumentError> {
        loop {
            let rest = &window.bytes[window.start..window.end];
            if rest.iter().any(|b| !b.is_ascii_whitespace()) {
                let what = "something follows its end";
                return Err(PackumentError::Malformed { what, offset: window.passed });
            }
            let n = rest.len();
            window.advance(n);
            if !window.more()? {
                return Ok(());
            }
        }
    }
}

/// The same for a member that is not quite UTF-8, with U+FFFD for what is not.
fn lossy(
    member: &[u8],
    mut first: bool,
    facts: &mut Facts,
    builder: &mut RecordBuilder,
    bases: &[String],
) -> Result<Result<(), mirror::Error>, Stop> {
    let text = String::from_utf8_lossy(member);
    let mut s = Scan::new(text.as_bytes());
    if let Some(key) = s.key(&mut first)? {
        facts.read(&mut s, key)?;
    }
    Ok(facts.push(&text, builder, bases))
}

/// Calls `each` for every member of a small-valued object; any other value is skipped.
fn members(
    window: &mut Window<'_>,
    mut each: impl FnMut(&[u8], Span, Option<Span>),
) -> Result<(), PackumentError> {
    if window.parse(|s| s.peek())? != b'{' {
        return window.skip();
    }
    window.parse(|s| s.expect(b'{', ""))?;
    let mut first = true;
    loop {
        let done = window.parse(|s| {
            let mut is_first = first;
            let Some(key) = s.key(&mut is_first)? else { return Ok(true) };
            let value = s.string_or_skip()?;
            each(s.window, key, value);
            Ok(false)
        })?;
        if done {
            return Ok(());
        }
        first = false;
    }
}

fn owned(window: &[u8], key: Span, value: Option<Span>) -> Option<(String, String)> {
    Some((key.owned(window)?, value?.owned(window)?))
}

/// Seconds since 1970 of `YYYY-MM-DDTHH:MM:SS[.fff]Z`.
pub fn unix_seconds(text: &str) -> Option<u64> {
    let number = |at: std::ops::Range<usize>| -> Option<u64> {
        let digits = text.get(at)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if !text.ends_with('Z') || separators.iter().any(|(i, b)| text.as_bytes().get(*i) != Some(b)) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if year < 1970
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    // Days from the civil date, years counted from March (Howard Hinnant).
    let (y, m) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests;
