//! The archive reader. The input is no archive but what one is made of, or a mutation would have to guess checksums:
//! its first byte says how, and what follows is the tar stream or a list of entries.

use super::Fresh;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use mirror::archive::{ArchiveError, Entry, Expect, Extract, Limits, Sink, Summary, Workspace};
use mirror::digest::{Algorithm, Hash, Hasher};
use mirror::name::RelPath;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Read, Write};
use std::path::Path;

pub fn archive(data: &[u8]) {
    let Some((&how, rest)) = data.split_first() else { return };
    let bytes = match how % 8 {
        // As it is.
        0 => rest.to_vec(),
        // A tar stream with right checksums: as it is, in one gzip member, or in two and zeros behind them.
        1 => with_checksums(rest),
        2 | 3 => gzip(&with_checksums(rest), how),
        7 => zip(rest),
        _ => gzip(&entries(rest), how),
    };
    let limits = Limits { bytes: 8 << 20, entries: 500, depth: 8, name: 200, ..Limits::default() };
    let expect = Expect { sha256: true, manifests: true, ..Expect::default() };
    let mut workspace = Workspace::new();
    let (mut first, mut second) = (Seen::default(), Seen::default());
    let outcome = workspace.read(&mut &bytes[..], &expect, &limits, &mut first);
    // Once more, with used buffers and a source that gives a few bytes at a time.
    let step = 1 + usize::from(how);
    let again = workspace.read(&mut Drops { bytes: &bytes, step }, &expect, &limits, &mut second);
    // In damaged deflate data the pieces decide what is seen first, what is damaged or what that makes.
    if how % 8 > 0 || outcome.is_ok() {
        assert_eq!(format!("{outcome:?}"), format!("{again:?}"));
    } else {
        assert!(again.is_err());
    }
    match outcome {
        Ok(summary) => {
            assert_eq!(first, second);
            first.check(&summary, &bytes);
            first.written(&bytes, &limits, &summary);
        }
        Err(e) => {
            assert!(!matches!(e, ArchiveError::Write { .. }), "{e}");
            super::says(&e);
        }
    }
}

/// What a sink was given.
#[derive(Default, Debug, PartialEq, Eq)]
struct Seen {
    directories: Vec<RelPath>,
    files: BTreeMap<RelPath, (bool, Vec<u8>)>,
    unpacked: u64,
}

impl Sink for Seen {
    fn directory(&mut self, path: &RelPath) -> io::Result<()> {
        stays_inside(path);
        let parent = path.as_str().rsplit_once('/').map(|(p, _)| p);
        assert!(
            parent.is_none_or(|p| self.directories.iter().any(|d| d.as_str() == p)),
            "{path} before {parent:?}"
        );
        assert!(!self.directories.contains(path) && !self.files.contains_key(path), "{path} twice");
        self.directories.push(path.clone());
        Ok(())
    }

    fn file(&mut self, entry: Entry, content: &mut dyn BufRead) -> io::Result<()> {
        stays_inside(&entry.path);
        let mut bytes = Vec::new();
        if entry.size % 3 == 1 {
            // A reader that does not want it all.
            content.take(entry.size / 2).read_to_end(&mut bytes)?;
        } else {
            content.read_to_end(&mut bytes)?;
            assert_eq!(bytes.len() as u64, entry.size);
        }
        let parent = entry.path.as_str().rsplit_once('/').map(|(p, _)| p);
        assert!(parent.is_none_or(|p| self.directories.iter().any(|d| d.as_str() == p)), "{}", entry.path);
        assert!(!self.directories.contains(&entry.path));
        self.unpacked += entry.size;
        let before = self.files.insert(entry.path.clone(), (entry.executable, bytes));
        assert_eq!(before.is_some(), entry.replaces, "{}", entry.path);
        Ok(())
    }
}

impl Seen {
    fn check(&self, summary: &Summary, bytes: &[u8]) {
        let mut hasher = Hasher::new(Algorithm::Sha512);
        hasher.update(bytes);
        assert_eq!(summary.integrity, hasher.finish());
        assert_eq!(summary.sha256, Some(Hash::of(bytes)));
        let counted = (summary.compressed, summary.unpacked, summary.files as usize);
        assert_eq!(counted, (bytes.len() as u64, self.unpacked, self.files.len()));
        let folded: BTreeSet<String> =
            self.files.keys().chain(&self.directories).map(|p| p.as_str().to_lowercase()).collect();
        assert_eq!(
            folded.len(),
            self.files.len() + self.directories.len(),
            "two names that some disks take for one"
        );
    }

    /// On a disk it is the same; packed again and read again, too.
    fn written(&self, bytes: &[u8], limits: &Limits, summary: &Summary) {
        let folder = Fresh::new("archive");
        let (to, packed) = (folder.0.join("out"), &mut Vec::new());
        let mut extract = Extract::create(&to).expect("an empty folder");
        let read = mirror::archive::read(&mut &bytes[..], &Expect::default(), limits, &mut extract);
        assert_eq!(read.expect("it was read before").files, summary.files);
        let mut found = BTreeMap::new();
        walk(&to, "", &mut found);
        let names: Vec<RelPath> = self.files.keys().cloned().collect();
        assert_eq!(found.keys().collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());
        mirror::archive::pack(&to, &names, packed).expect("what was just written");
        let mut again = Seen::default();
        let expect = Expect { manifests: true, ..Expect::default() };
        let repacked = mirror::archive::read(&mut &packed[..], &expect, &Limits::default(), &mut again);
        let repacked = repacked.expect("our own archives can be read");
        assert_eq!((repacked.files, &repacked.package_json), (summary.files, &summary.package_json));
        for (path, (executable, content)) in &again.files {
            assert_eq!(found[path].0, *executable, "{path}");
            assert!(found[path].1.starts_with(content));
            assert!(found[path].1.starts_with(&self.files[path].1), "{path}");
        }
    }
}

fn walk(dir: &Path, below: &str, found: &mut BTreeMap<RelPath, (bool, Vec<u8>)>) {
    for entry in std::fs::read_dir(dir).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("{below}{}", entry.file_name().into_string().expect("UTF-8"));
        let meta = entry.path().symlink_metadata().expect("its type");
        if meta.is_dir() {
            walk(&entry.path(), &format!("{name}/"), found);
        } else {
            assert!(meta.is_file(), "{name}");
            let content = std::fs::read(entry.path()).expect("its content");
            let path = RelPath::parse(&name).expect("a name that was admitted");
            found.insert(path, (mirror::file::is_executable(&meta), content));
        }
    }
}

pub fn stays_inside(path: &RelPath) {
    let text = path.as_str();
    assert!(!text.starts_with('/') && !text.contains(['\\', '\0']) && !text.chars().any(char::is_control));
    assert!(text.split('/').all(|s| !matches!(s, "" | "." | "..")), "{text}");
}

/// Gives a few bytes at a time.
struct Drops<'a> {
    bytes: &'a [u8],
    step: usize,
}

impl Read for Drops<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.step.min(out.len()).min(self.bytes.len());
        out[..n].copy_from_slice(&self.bytes[..n]);
        self.bytes = &self.bytes[n..];
        Ok(n)
    }
}

fn gzip(tar: &[u8], how: u8) -> Vec<u8> {
    let member = |part: &[u8]| {
        let mut out = GzEncoder::new(Vec::new(), Compression::new(u32::from(how >> 7)));
        out.write_all(part).and_then(|()| out.finish()).expect("memory takes all")
    };
    if how & 0x40 == 0 {
        return member(tar);
    }
    let (left, right) = tar.split_at(tar.len() / 2);
    [member(left), member(right), vec![0; usize::from(how & 0x38)]].concat()
}

fn with_checksums(tar: &[u8]) -> Vec<u8> {
    let mut out = tar.to_vec();
    let mut at = 0;
    while let Some(block) = out.get_mut(at..at + 512) {
        if block.iter().any(|b| *b != 0) {
            sum(block);
        }
        let size =
            std::str::from_utf8(&block[124..135]).ok().and_then(|t| u64::from_str_radix(t.trim(), 8).ok());
        at += 512 + usize::try_from(size.unwrap_or(0).min(1 << 30).next_multiple_of(512)).unwrap_or(0);
    }
    out
}

fn sum(header: &mut [u8]) {
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|b| u32::from(*b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
}

/// `TYPE FLAGS LENGTH NAME` for each: a header, then a content that the flags choose. Pax records have their text
/// as content; the flags also say whether the name goes into the header's `prefix`.
fn entries(mut rest: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let [kind, flags, length, tail @ ..] = rest {
        let (name, next) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = next;
        let kind = b"000005xgLK12"[usize::from(*kind) % 12];
        let mut header = [0; 512];
        let content = match kind {
            b'x' | b'g' => pax(name),
            b'L' | b'K' => [name, b"\0"].concat(),
            b'5' => Vec::new(),
            _ => vec![b'{'; usize::from(flags & 15) * 37],
        };
        let (prefix, short) = match flags & 16 {
            0 => (&name[..0], name),
            _ => name.split_at(name.iter().position(|b| *b == b'/').unwrap_or(0)),
        };
        for (at, width, text) in [(0, 100, short), (345, 155, prefix)] {
            let n = text.len().min(width);
            header[at..at + n].copy_from_slice(&text[..n]);
        }
        let mode = if flags & 32 == 0 { "0000644\0" } else { "0000755\0" };
        header[100..108].copy_from_slice(mode.as_bytes());
        header[124..136].copy_from_slice(format!("{:011o}\0", content.len()).as_bytes());
        header[156] = kind;
        header[257..265].copy_from_slice(if flags & 64 == 0 { b"ustar\x0000" } else { b"ustar  \0" });
        sum(&mut header);
        out.extend_from_slice(&header);
        out.extend_from_slice(&content);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

/// The same list as a zip archive: every entry in its place and in the directory, its checksum right.
fn zip(mut rest: &[u8]) -> Vec<u8> {
    let (mut out, mut directory, mut count) = (Vec::new(), Vec::new(), 0u16);
    while let [kind, flags, length, tail @ ..] = rest {
        let (name, next) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = next;
        let content = vec![b'{'; usize::from(flags & 15) * 37];
        let (stored, method) = match kind & 1 {
            0 => (content.clone(), 0u16),
            _ => {
                let mut deflate = DeflateEncoder::new(Vec::new(), Compression::new(u32::from(kind >> 7)));
                (deflate.write_all(&content).and_then(|()| deflate.finish()).expect("memory takes all"), 8)
            }
        };
        let mut crc = flate2::Crc::new();
        crc.update(&content);
        // From the version needed to the length of the extra field: in both headers the same.
        let mut common =
            [20u16, if flags & 64 == 0 { 0 } else { 0x800 }, method, 0, 33].map(u16::to_le_bytes).concat();
        for n in [crc.sum(), stored.len() as u32, content.len() as u32] {
            common.extend_from_slice(&n.to_le_bytes());
        }
        common.extend_from_slice(&(name.len() as u16).to_le_bytes());
        common.extend_from_slice(&[0, 0]);
        let at = out.len() as u32;
        out.extend_from_slice(&[b"PK\x03\x04", &common[..], name, &stored].concat());
        let mode: u32 = [0o100_644, 0o100_755, 0o040_755, 0o120_777][usize::from(kind >> 1 & 3)] << 16;
        let unix = 3u16 << 8 | 20;
        directory.extend_from_slice(&[b"PK\x01\x02", &unix.to_le_bytes()[..], &common, &[0; 6]].concat());
        directory.extend_from_slice(&[&mode.to_le_bytes()[..], &at.to_le_bytes(), name].concat());
        count += 1;
    }
    let (at, length) = (out.len() as u32, directory.len() as u32);
    let ends = [&[0; 4][..], &count.to_le_bytes(), &count.to_le_bytes()].concat();
    let place = [length.to_le_bytes(), at.to_le_bytes()].concat();
    [&out[..], &directory, b"PK\x05\x06", &ends, &place, &[0; 2]].concat()
}

/// `KEY=VALUE` lines with their lengths in front.
fn pax(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in text.split(|b| *b == b'\n').filter(|r| !r.is_empty()) {
        let mut length = record.len() + 3;
        while length != length.to_string().len() + record.len() + 2 {
            length = length.to_string().len() + record.len() + 2;
        }
        out.extend_from_slice(format!("{length} ").as_bytes());
        out.extend_from_slice(record);
        out.push(b'\n');
    }
    out
}
