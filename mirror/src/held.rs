//! Where things were seen: of each mirror that this machine has synced with, what it held. So a package
//! that is missing can be said to be on the stick with that label. Only a hint, in a folder of the
//! user's; whatever of it is lost or out of date costs nothing but the hint.
//!
//! ```text
//! pantry-held 1
//! label TEXT                 what the mirror calls itself, otherwise where it was; escaped as in a snapshot
//! date SECONDS               when it was seen last
//! segment HASH             * those that have been looked through
//! marks N
//! N × 8 bytes                sorted: the first of the SHA-256 of a key, or of a key, a NUL and a version
//! ```
//! A file's name is the mirror's id.

use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::file;
use crate::mirror::Mirror;
use crate::record::Key;
use crate::root::number;
use crate::segment::{Merge, Source};
use crate::snapshot::{MirrorId, escape, unescape_text};
use crate::trust::Lines;
use std::collections::HashSet;
use std::fmt::Write;
use std::io;
use std::path::Path;

/// Most marks of one mirror: 16 MiB. What goes beyond is not told.
const MOST: usize = 1 << 20;
const LIMIT: u64 = 32 << 20;

/// What a mirror was seen to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub label: String,
    /// Unix seconds.
    pub date: u64,
    segments: Vec<Hash>,
    marks: Vec<u64>,
}

impl Held {
    /// Looks through what of the mirror's index is new since the last time.
    pub fn note(folder: &Path, mirror: &Mirror, now: u64) -> Result<()> {
        let path = folder.join(mirror.id().to_string());
        let snapshot = mirror.snapshot();
        let empty = Self { label: String::new(), date: 0, segments: Vec::new(), marks: Vec::new() };
        let mut held = Self::read(&path).unwrap_or(empty);
        let known: HashSet<Hash> = held.segments.iter().copied().collect();
        let is_new = |s: &crate::snapshot::SegmentEntry| !known.contains(&s.file.hash);
        let mut merge = Merge::new(mirror.sources_of(&is_new, &[]));
        while let Some(item) = merge.next()?
            && held.marks.len() < MOST
        {
            let view = item.view().map_err(|e| e.at(mirror.dir()))?;
            let present = (0..view.len()).filter(|i| view.is_present(*i));
            let before = held.marks.len();
            held.marks.extend(present.map(|i| mark(view.key(), Some(view.version(i)))));
            if held.marks.len() > before {
                held.marks.push(mark(view.key(), None));
            }
        }
        crate::order::sort(&mut held.marks);
        held.marks.dedup();
        held.label = match snapshot.label.as_str() {
            "" => mirror.dir().to_string_lossy().into_owned(),
            label => label.into(),
        };
        held.date = now;
        held.segments = snapshot.segments.iter().map(|s| s.file.hash).collect();
        file::make_dirs(folder)?;
        file::replace_scratch(&path, &held.to_bytes())
    }

    /// What every mirror was seen to hold, the one that was seen last first.
    pub fn all(folder: &Path) -> Result<Vec<(MirrorId, Self)>> {
        let entries = match std::fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(Error::from_io("read", folder, e)),
        };
        let held = |path: &Path| Some((MirrorId::parse(path.file_name()?.to_str()?)?, Self::read(path)?));
        let mut all: Vec<(MirrorId, Self)> = entries.flatten().filter_map(|e| held(&e.path())).collect();
        crate::order::sort_by_key(&mut all, |(id, held)| (std::cmp::Reverse(held.date), *id));
        Ok(all)
    }

    /// Whether it held that version, or (`None`) any of that package.
    pub fn has(&self, key: &Key, version: Option<&str>) -> bool {
        self.marks.binary_search(&mark(key, version)).is_ok()
    }

    fn read(path: &Path) -> Option<Self> {
        Self::parse(&file::read(path, LIMIT).ok()?)
    }

    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let head = b"\nmarks ";
        let at = bytes.windows(head.len()).position(|w| w == head)? + head.len();
        let end = at + bytes[at..].iter().position(|b| *b == b'\n')? + 1;
        let (text, marks) = bytes.split_at(end);
        let mut lines = Lines::of("pantry-held", text)?;
        let label = unescape_text(lines.take("label")?)?;
        let date = number(lines.take("date")?).ok()?;
        let mut segments = Vec::new();
        while let Some(hash) = lines.take("segment") {
            segments.push(Hash::parse(hash).ok()?);
        }
        let count = number(lines.take("marks")?).ok()?;
        let (marks, rest) = marks.as_chunks::<8>();
        let marks: Vec<u64> = marks.iter().map(|m| u64::from_be_bytes(*m)).collect();
        (rest.is_empty() && marks.len() as u64 == count).then_some(Self { label, date, segments, marks })
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text =
            format!("pantry-held 1\nlabel {}\ndate {}\n", escape(self.label.as_bytes()), self.date);
        for hash in &self.segments {
            let _ = writeln!(text, "segment {hash}");
        }
        let _ = writeln!(text, "marks {}", self.marks.len());
        let mut bytes = text.into_bytes();
        bytes.reserve(8 * self.marks.len());
        self.marks.iter().for_each(|m| bytes.extend(m.to_be_bytes()));
        bytes
    }
}

fn mark(key: &Key, version: Option<&str>) -> u64 {
    let mut bytes = key.to_bytes();
    if let Some(version) = version {
        bytes.push(0);
        bytes.extend(version.as_bytes());
    }
    let [a, b, c, d, e, f, g, h, ..] = Hash::of(&bytes).0;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Batch;
    use crate::mirror::InitOptions;
    use crate::record::{Ecosystem, VersionRecord};
    use crate::version::Version;
    use std::io::Write as _;

    fn key(name: &str) -> Key {
        Key { ecosystem: Ecosystem::Npm, source: "npm".into(), name: name.into() }
    }

    fn add(mirror: &Mirror, name: &str, version: &str, archive: bool) -> Mirror {
        let batch = Batch::begin(mirror, 0).unwrap();
        let mut record = VersionRecord::new(Version::parse(version).unwrap());
        if archive {
            let mut writer = batch.archive().unwrap();
            writer.write_all(name.as_bytes()).unwrap();
            record = writer.finish().unwrap().of(record);
        }
        batch.put_version(key(name), record).unwrap();
        batch.commit(&mut |_| {}).unwrap();
        mirror.refresh().unwrap()
    }

    #[test]
    fn what_was_seen_is_known_afterwards() {
        let dir = tempfile::tempdir().unwrap();
        let (mirror, places) = (dir.path().join("m"), dir.path().join("held"));
        assert_eq!(Held::all(&places).unwrap(), []);
        let m = Mirror::init(&mirror, &InitOptions { label: "BLUE".into(), ..Default::default() }).unwrap();
        let m = add(&m, "left", "1.0.0", true);
        let m = add(&m, "only-known", "1.0.0", false);
        Held::note(&places, &m, 5).unwrap();
        let m = add(&m, "right", "2.0.0", true);
        Held::note(&places, &m, 7).unwrap();
        let all = Held::all(&places).unwrap();
        let [(id, held)] = all.as_slice() else { panic!("{all:?}") };
        assert_eq!(*id, m.id());
        assert_eq!((held.label.as_str(), held.date), ("BLUE", 7));
        assert!(held.has(&key("left"), Some("1.0.0")) && held.has(&key("left"), None));
        assert!(held.has(&key("right"), Some("2.0.0")) && !held.has(&key("right"), Some("1.0.0")));
        assert!(!held.has(&key("only-known"), None) && !held.has(&key("only-known"), Some("1.0.0")));
        assert_eq!(held.marks.len(), 4);
    }

    #[test]
    fn what_is_damaged_is_not_there() {
        let whole = Held { label: "a b".into(), date: 1, segments: vec![Hash::of(b"x")], marks: vec![1, 2] };
        let bytes = whole.to_bytes();
        assert_eq!(Held::parse(&bytes), Some(whole));
        for end in 0..bytes.len() {
            assert_eq!(Held::parse(&bytes[..end]), None, "{end}");
        }
    }
}
