//! The blob list: which blobs a mirror has, and which of them lie in parts. Read
//! as a stream, since it may name millions.

use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::layout::{Folder, Layout};
use crate::root;
use crate::snapshot::{FileEntry, Snapshot};
use std::io::{self, BufRead, Read};

/// As [`Mirror::each_blob`], of any snapshot of that directory.
pub(crate) fn each_blob(
    layout: &Layout,
    snapshot: &Snapshot,
    f: &mut dyn FnMut(FileEntry, &[FileEntry]) -> Result<()>,
) -> Result<()> {
    let Some((entry, count)) = &snapshot.blobs else { return Ok(()) };
    let (file, path) = layout.need(Folder::Snapshots, &entry.hash, entry.bytes)?;
    let mut list = io::BufReader::new(file);
    let (mut line, mut n, mut last) = (Vec::new(), 0, None);
    loop {
        line.clear();
        let read =
            (&mut list).take(1 << 20).read_until(b'\n', &mut line).map_err(Error::io("read", &path))?;
        if read == 0 {
            break;
        }
        n += 1;
        let (blob, parts) = std::str::from_utf8(&line)
            .ok()
            .and_then(parse_blob)
            .filter(|(b, _)| last.is_none_or(|l| l < b.hash))
            .ok_or_else(|| Error::damaged(&path, format!("line {n} is wrong")))?;
        last = Some(blob.hash);
        f(blob, &parts)?;
    }
    if n != *count {
        return Err(Error::damaged(&path, format!("it has {n} lines instead of {count}")));
    }
    Ok(())
}

/// One line of the blob list.
fn parse_blob(line: &str) -> Option<(FileEntry, Vec<FileEntry>)> {
    let mut f = line.strip_suffix('\n')?.split(' ');
    let mut entry = || -> Option<Option<FileEntry>> {
        let Some(hash) = f.next() else { return Some(None) };
        let bytes = root::number(f.next()?).ok()?;
        Some(Some(FileEntry { hash: Hash::parse(hash).ok()?, bytes }))
    };
    let blob = entry()??;
    let mut parts = Vec::new();
    while let Some(p) = entry()? {
        parts.push(p);
    }
    let sum = parts.iter().try_fold(0u64, |a, p| a.checked_add(p.bytes))?;
    (parts.is_empty() || sum == blob.bytes).then_some((blob, parts))
}
