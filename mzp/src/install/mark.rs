//! The mark in a package's folder that says mzp put it there, from which
//! archive, and what it must hold:
//!
//! ```text
//! mzp 1
//! 1.2.0 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
//! 3610a686 412 mzp.toml
//! 0c2bbff1 1822 src/lib.minz
//! ```
//! Version and SHA-256 of the archive; then CRC-32, length and path of each
//! file. Packages are not synced file by file: after a power cut the mark or a
//! file may be anything, and a package that is not whole is installed again.

use crate::error::{Error, Result};
use mirror::archive::Listing;
use mirror::digest::Hash;
use mirror::name::RelPath;
use mirror::version::Version;
use std::fmt::Write as _;
use std::path::Path;

/// Its name: hidden, and never in an archive that mzp packs.
pub const FILE: &str = ".mzp";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    pub version: Version,
    pub sha256: Hash,
}

/// What a package's folder is.
#[derive(Debug, PartialEq, Eq)]
pub enum State {
    Absent,
    /// Not made by mzp.
    Foreign,
    /// Made by mzp, and not what it made any more.
    Changed,
    Whole(Mark),
}

impl Mark {
    pub fn write(&self, listing: &Listing) -> String {
        let mut out = format!("mzp 1\n{} {}\n", self.version, self.sha256);
        for f in &listing.files {
            let _ = writeln!(out, "{:08x} {} {}", f.crc32, f.size, f.path);
        }
        out
    }
}

/// CRC-32, length, path.
type Marked = (u32, u64, RelPath);

fn parse(text: &str) -> Option<(Mark, Vec<Marked>)> {
    let mut lines = text.strip_suffix('\n')?.lines();
    if lines.next()? != "mzp 1" {
        return None;
    }
    let (version, sha256) = lines.next()?.split_once(' ')?;
    let mark = Mark { version: Version::parse(version).ok()?, sha256: Hash::parse(sha256).ok()? };
    let mut files = Vec::new();
    for line in lines {
        let mut words = line.splitn(3, ' ');
        let crc32 = u32::from_str_radix(words.next()?, 16).ok()?;
        let size = words.next()?.parse().ok()?;
        files.push((crc32, size, RelPath::parse(words.next()?).ok()?));
    }
    Some((mark, files))
}

fn text(dir: &Path) -> Result<Option<String>> {
    match mirror::file::read(&dir.join(FILE), 16 << 20) {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(mirror::Error::Io { source, .. })
            if matches!(source.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            Ok(None)
        }
        Err(mirror::Error::NotRegular { .. }) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// The mark alone, the files not looked at.
pub fn read(dir: &Path) -> Result<Option<Mark>> {
    Ok(text(dir)?.and_then(|t| parse(&t)).map(|(mark, _)| mark))
}

/// Compares the folder with its mark: every file's length and CRC.
pub fn state(dir: &Path) -> Result<State> {
    match std::fs::symlink_metadata(dir) {
        Ok(m) if m.is_dir() => {}
        Ok(_) => return Ok(State::Foreign),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(State::Absent),
        Err(e) => return Err(Error::io("read", dir)(e)),
    }
    let Some(text) = text(dir)? else { return Ok(State::Foreign) };
    let Some((mark, files)) = parse(&text) else { return Ok(State::Changed) };
    let whole = files.iter().all(|(crc32, size, path)| {
        let path = dir.join(path.as_str());
        std::fs::symlink_metadata(&path).is_ok_and(|m| m.is_file() && m.len() == *size)
            && mirror::file::read(&path, *size).is_ok_and(|b| mirror::digest::crc32(0, &b) == *crc32)
    });
    Ok(if whole { State::Whole(mark) } else { State::Changed })
}
