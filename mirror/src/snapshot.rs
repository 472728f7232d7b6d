//! A snapshot: the whole state of a mirror as one immutable text file that
//! names every other file by its full hash.
//!
//! UTF-8, one fact per line, fields separated by one blank, lines in this order
//! (`*`: any number, sorted). Text fields escape every byte but
//! `A-Z a-z 0-9 @ / . _ + ~ : , - ` as `%XX`; a field that would be empty is `-`.
//!
//! ```text
//! pantry-mirror 1                       the format's version
//! id ID                                 32 hexadecimal digits, drawn at random by `init`
//! label TEXT                            what people call it
//! sequence N                            from 1, more with every commit
//! previous HASH|-                       the snapshot before
//! date SECONDS                          Unix time; information, never trusted
//! vector ID SEQUENCE                  * what is in here, per origin
//! policy NAME VALUE                   *
//! exclude KEY VERSION|*               * removed here on purpose; not propagated, not undone by a sync
//! segment HASH BYTES LEVEL RECORDS FENCE-AT FENCE-BYTES FENCE-HASH FIRST LAST
//!                                     * level 0: base, higher: newer; within a level by first key, not overlapping
//! pack HASH BYTES                     *
//! blobs HASH BYTES COUNT                the blob list, a file in SNP/; `blobs - 0 0`: none
//! origin ID SEQUENCE HASH BYTES       * the last snapshot of another origin, a file in SNP/
//! tool NAME HASH BYTES                * a file in BIN/
//! signature KEY SIGNATURE             * over all that stands before; `signature - -`: unsigned
//! ```
//! KEY, FIRST, LAST are [`Key::to_bytes`]: ecosystem byte, source, NUL, name.
//! FENCE-HASH is the first 16 bytes of the fence's SHA-256.
//!
//! The blob list: `HASH BYTES` per line, sorted; a blob over 1 GiB lies in parts, and its
//! line goes on with `HASH BYTES` of each part.

use crate::digest::{Hash, hex, hex_decode};
use crate::record::{Ecosystem, Key};
use crate::root::number;
use std::fmt;

/// The policy that counts how often removals were taken back.
pub(crate) const EPOCH: &str = "epoch";
/// Policies `seen.ID`: what was found when that mirror was looked at, `MARK CHOICE`.
pub(crate) const SEEN: &str = "seen.";
/// Policies `tool.PLATFORM`: since when that program is carried, Unix seconds.
const TOOL: &str = "tool.";
/// Version of the format that is written, and the newest that is read.
pub const FORMAT: u64 = 1;
/// Largest snapshot that is read.
pub(crate) const MAX_SNAPSHOT: u64 = 64 << 20;

/// Who a mirror (an origin) is: drawn once, at random.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MirrorId(pub [u8; 16]);

impl MirrorId {
    /// 32 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 16];
        hex_decode(text, &mut id).filter(|()| text.bytes().all(|b| !b.is_ascii_uppercase()))?;
        Some(Self(id))
    }
}
impl fmt::Display for MirrorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}
impl fmt::Debug for MirrorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub id: MirrorId,
    pub label: String,
    pub sequence: u64,
    pub previous: Option<Hash>,
    /// Unix seconds.
    pub date: u64,
    pub vector: Vec<(MirrorId, u64)>,
    pub policy: Vec<(String, String)>,
    pub exclusions: Vec<Exclusion>,
    pub segments: Vec<SegmentEntry>,
    pub packs: Vec<FileEntry>,
    /// The blob list and how many blobs it names.
    pub blobs: Option<(FileEntry, u64)>,
    pub origins: Vec<Origin>,
    pub tools: Vec<(String, FileEntry)>,
    /// (key id, signature).
    pub signatures: Vec<(String, String)>,
}

/// An immutable file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileEntry {
    pub hash: Hash,
    pub bytes: u64,
}

/// What somebody removed from this mirror. `version`: `None` is all of them.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Exclusion {
    pub key: Key,
    pub version: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentEntry {
    pub file: FileEntry,
    pub level: u32,
    pub records: u64,
    /// Where the fence table begins, its length in bytes and its hash.
    pub fence_at: u64,
    pub fence_bytes: u64,
    pub fence_hash: [u8; 16],
    /// [`Key::to_bytes`] of the first and the last record.
    pub first: Vec<u8>,
    pub last: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    pub id: MirrorId,
    pub sequence: u64,
    pub snapshot: FileEntry,
}

impl Snapshot {
    /// The file's bytes. What must be sorted is expected to be.
    pub fn to_bytes(&self) -> Vec<u8> {
        use std::fmt::Write;
        let mut o = String::with_capacity(512 + 200 * self.segments.len() + 90 * self.packs.len());
        let text = |t: &str| escape(t.as_bytes());
        let _ = writeln!(o, "pantry-mirror {FORMAT}");
        let _ = writeln!(o, "id {}\nlabel {}\nsequence {}", self.id, text(&self.label), self.sequence);
        match &self.previous {
            Some(h) => _ = writeln!(o, "previous {h}"),
            None => o.push_str("previous -\n"),
        }
        let _ = writeln!(o, "date {}", self.date);
        for (id, n) in &self.vector {
            let _ = writeln!(o, "vector {id} {n}");
        }
        for (name, value) in &self.policy {
            let _ = writeln!(o, "policy {} {}", text(name), text(value));
        }
        for e in &self.exclusions {
            let version = e.version.as_deref().map_or("*".to_string(), text);
            let _ = writeln!(o, "exclude {} {version}", escape(&e.key.to_bytes()));
        }
        for s in &self.segments {
            let _ = write!(
                o,
                "segment {} {} {} {} {} {} ",
                s.file.hash, s.file.bytes, s.level, s.records, s.fence_at, s.fence_bytes
            );
            let _ = writeln!(o, "{} {} {}", hex(&s.fence_hash), escape(&s.first), escape(&s.last));
        }
        for p in &self.packs {
            let _ = writeln!(o, "pack {} {}", p.hash, p.bytes);
        }
        match &self.blobs {
            Some((f, count)) => _ = writeln!(o, "blobs {} {} {count}", f.hash, f.bytes),
            None => o.push_str("blobs - 0 0\n"),
        }
        for g in &self.origins {
            let _ = writeln!(o, "origin {} {} {} {}", g.id, g.sequence, g.snapshot.hash, g.snapshot.bytes);
        }
        for (name, f) in &self.tools {
            let _ = writeln!(o, "tool {} {} {}", text(name), f.hash, f.bytes);
        }
        if self.signatures.is_empty() {
            o.push_str("signature - -\n");
        }
        for (k, s) in &self.signatures {
            let _ = writeln!(o, "signature {} {}", text(k), text(s));
        }
        o.into_bytes()
    }

    /// Reads a snapshot; the error says which line is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, ParseError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ParseError::Line(0))?;
        let mut lines = text.split_inclusive('\n');
        let format =
            lines.next().and_then(|l| l.strip_prefix("pantry-mirror ")).and_then(|l| l.strip_suffix('\n'));
        match format.and_then(|n| number(n).ok()) {
            Some(FORMAT) => {}
            Some(n) if n > FORMAT => return Err(ParseError::Newer(n)),
            _ => return Err(ParseError::Line(1)),
        }
        let mut s = Self {
            id: MirrorId([0; 16]),
            label: String::new(),
            sequence: 0,
            previous: None,
            date: 0,
            vector: Vec::new(),
            policy: Vec::new(),
            exclusions: Vec::new(),
            segments: Vec::new(),
            packs: Vec::new(),
            blobs: None,
            origins: Vec::new(),
            tools: Vec::new(),
            signatures: Vec::new(),
        };
        let mut stage = 0;
        for (i, line) in lines.enumerate() {
            stage = s.line(line, stage).ok_or(ParseError::Line(i + 2))?;
        }
        // The last line is a signature's.
        if stage != ORDER.len() - 1 || s.sequence == 0 {
            return Err(ParseError::Line(text.lines().count()));
        }
        Ok(s)
    }

    /// Takes one line in; the position of its keyword in [`ORDER`], or `None`.
    fn line(&mut self, line: &str, stage: usize) -> Option<usize> {
        let (keyword, rest) = line.strip_suffix('\n')?.split_once(' ')?;
        let at = ORDER.iter().position(|(k, _)| *k == keyword)?;
        // One after the other; a repeatable one may follow itself or be left out.
        let again = at == stage && ORDER[at].1;
        let next = at > stage && ORDER[stage + 1..at].iter().all(|(_, many)| *many);
        if !again && !next {
            return None;
        }
        let mut f = rest.split(' ');
        match keyword {
            "id" => self.id = id(f.next()?)?,
            "label" => self.label = unescape_text(f.next()?)?,
            "sequence" => self.sequence = number(f.next()?).ok()?,
            "previous" => {
                self.previous = match f.next()? {
                    "-" => None,
                    h => Some(Hash::parse(h).ok()?),
                }
            }
            "date" => self.date = number(f.next()?).ok()?,
            "vector" => self.vector.push((id(f.next()?)?, number(f.next()?).ok()?)),
            "policy" => self.policy.push((unescape_text(f.next()?)?, unescape_text(f.next()?)?)),
            "exclude" => self.exclusions.push(Exclusion {
                key: key_from_bytes(&unescape(f.next()?)?)?,
                version: match f.next()? {
                    "*" => None,
                    v => Some(unescape_text(v)?),
                },
            }),
            "segment" => {
                let segment = SegmentEntry {
                    file: file(&mut f)?,
                    level: number(f.next()?).ok()?.try_into().ok()?,
                    records: number(f.next()?).ok()?,
                    fence_at: number(f.next()?).ok()?,
                    fence_bytes: number(f.next()?).ok()?,
                    fence_hash: id(f.next()?)?.0,
                    first: unescape(f.next()?)?,
                    last: unescape(f.next()?)?,
                };
                let fits = segment.fence_at.checked_add(segment.fence_bytes)? <= segment.file.bytes;
                let follows = self.segments.last().is_none_or(|p| {
                    p.level < segment.level || (p.level == segment.level && p.last < segment.first)
                });
                if !fits || !follows || segment.first > segment.last {
                    return None;
                }
                self.segments.push(segment);
            }
            "pack" => {
                let pack = file(&mut f)?;
                if self.packs.last().is_some_and(|p| p.hash >= pack.hash) {
                    return None;
                }
                self.packs.push(pack);
            }
            "blobs" if rest == "- 0 0" => return Some(at),
            "blobs" => self.blobs = Some((file(&mut f)?, number(f.next()?).ok()?)),
            "origin" => self.origins.push(Origin {
                id: id(f.next()?)?,
                sequence: number(f.next()?).ok()?,
                snapshot: file(&mut f)?,
            }),
            "tool" => self.tools.push((unescape_text(f.next()?)?, file(&mut f)?)),
            "signature" if rest == "- -" => return Some(at),
            "signature" => self.signatures.push((unescape_text(f.next()?)?, unescape_text(f.next()?)?)),
            _ => return None,
        }
        f.next().is_none().then_some(at)
    }

    /// Whether all that its vector names is here: nothing was removed on purpose. The vector of a
    /// mirror that is not whole says nothing to others.
    pub fn is_whole(&self) -> bool {
        self.exclusions.is_empty()
    }

    /// Whether all that `vector` stands for is here already. What a mirror was born with is nothing.
    pub fn has(&self, vector: &[(MirrorId, u64)]) -> bool {
        vector.iter().all(|(id, n)| *n <= 1 || self.vector.iter().any(|(own, m)| own == id && m >= n))
    }

    /// The id that stands for this mirror in vectors. An entry stands for all that smaller ones of the
    /// same id do; after a removal that is no longer so, and once it is taken back another id begins.
    pub(crate) fn origin(&self) -> MirrorId {
        let Some(epoch) = self.policy_value(EPOCH) else { return self.id };
        let mut id = self.id;
        id.0.copy_from_slice(&Hash::of(format!("{} {epoch}", self.id).as_bytes()).0[..16]);
        id
    }

    /// From here on another id stands for it: what the one so far stood for is not all here any more.
    pub(crate) fn renew(&mut self) {
        let epoch = self.policy_value(EPOCH).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0);
        self.policy.retain(|(name, _)| name != EPOCH);
        self.policy.push((EPOCH.to_string(), (epoch + 1).to_string()));
        crate::order::sort(&mut self.policy);
    }

    pub(crate) fn policy_value(&self, name: &str) -> Option<&str> {
        self.policy.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// What changes with every record that does, in 16 hexadecimal digits.
    pub(crate) fn mark(&self) -> String {
        let origin = self.origin();
        let counts = |id: &MirrorId| self.is_whole() || *id == origin;
        let entries = self.vector.iter().filter(|(id, _)| counts(id));
        let entries: String = entries.map(|(id, n)| format!("{id} {n}\n")).collect();
        hex(&Hash::of(entries.as_bytes()).0[..8])
    }

    /// Since when it carries that program; Unix seconds.
    fn tool_since(&self, platform: &str) -> u64 {
        self.policy_value(&format!("{TOOL}{platform}")).and_then(|since| since.parse().ok()).unwrap_or(0)
    }

    /// Programs of another mirror that this one lacks: those that were put in later, of two at one time
    /// that with the greater hash.
    pub(crate) fn newer_tools<'a>(&self, other: &'a Self) -> Vec<(&'a str, FileEntry, u64)> {
        let theirs = other.tools.iter().map(|(name, file)| (name.as_str(), *file, other.tool_since(name)));
        let is_newer = |(name, file, since): &(&str, FileEntry, u64)| {
            let ours = self.tools.iter().find(|(own, _)| own == name);
            ours.is_none_or(|(own, ours)| (self.tool_since(own), ours.hash) < (*since, file.hash))
        };
        theirs.filter(is_newer).collect()
    }

    pub(crate) fn set_tool(&mut self, platform: &str, file: FileEntry, since: u64) {
        self.tools.retain(|(name, _)| name != platform);
        self.tools.push((platform.to_string(), file));
        crate::order::sort(&mut self.tools);
        let name = format!("{TOOL}{platform}");
        self.policy.retain(|(other, _)| *other != name);
        self.policy.push((name, since.to_string()));
        crate::order::sort(&mut self.policy);
    }

    /// Whether somebody removed this here on purpose.
    pub fn is_excluded(&self, key: &Key, version: Option<&str>) -> bool {
        self.exclusions
            .iter()
            .any(|e| e.key == *key && (e.version.is_none() || e.version.as_deref() == version))
    }
}

/// Keywords in their order, and whether each may stand any number of times.
const ORDER: [(&str, bool); 15] = [
    ("pantry-mirror", false),
    ("id", false),
    ("label", false),
    ("sequence", false),
    ("previous", false),
    ("date", false),
    ("vector", true),
    ("policy", true),
    ("exclude", true),
    ("segment", true),
    ("pack", true),
    ("blobs", false),
    ("origin", true),
    ("tool", true),
    ("signature", true),
];

/// Why bytes are not a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParseError {
    /// Of this newer format.
    Newer(u64),
    /// The number of the first line that is wrong; 0: not text.
    Line(usize),
}

fn file<'a>(f: &mut impl Iterator<Item = &'a str>) -> Option<FileEntry> {
    Some(FileEntry { hash: Hash::parse(f.next()?).ok()?, bytes: number(f.next()?).ok()? })
}

fn id(text: &str) -> Option<MirrorId> {
    MirrorId::parse(text)
}

/// The key of [`Key::to_bytes`].
pub(crate) fn key_from_bytes(bytes: &[u8]) -> Option<Key> {
    let (&ecosystem, rest) = bytes.split_first()?;
    let nul = rest.iter().position(|b| *b == 0)?;
    Some(Key {
        ecosystem: Ecosystem::from_number(ecosystem)?,
        source: std::str::from_utf8(&rest[..nul]).ok()?.to_string(),
        name: std::str::from_utf8(&rest[nul + 1..]).ok()?.to_string(),
    })
}

/// A field: other bytes than the plain ones as `%XX`; nothing as `-`.
pub(crate) fn escape(bytes: &[u8]) -> String {
    use std::fmt::Write;
    match bytes {
        b"" => return "-".into(),
        b"-" | b"*" => return format!("%{:02X}", bytes[0]),
        _ => {}
    }
    let mut out = String::with_capacity(bytes.len() + 8);
    for &b in bytes {
        if b.is_ascii_alphanumeric() || b"@/._+~:,-=".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

pub(crate) fn unescape(field: &str) -> Option<Vec<u8>> {
    if field == "-" {
        return Some(Vec::new());
    }
    let mut out = Vec::with_capacity(field.len());
    let mut bytes = field.bytes();
    while let Some(b) = bytes.next() {
        out.push(match b {
            b'%' => {
                let digit = |c: u8| char::from(c).to_digit(16).map(|d| d as u8);
                digit(bytes.next()?)? << 4 | digit(bytes.next()?)?
            }
            b => b,
        });
    }
    (!out.is_empty()).then_some(out)
}

pub(crate) fn unescape_text(field: &str) -> Option<String> {
    String::from_utf8(unescape(field)?).ok()
}

#[cfg(test)]
pub(crate) mod tests;
