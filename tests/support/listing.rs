//! Directory trees as text: what is where, of which type, executable or not, pointing whither.
//!
//! ```text
//! d  a/
//! f  a/index.js
//! x  a/cli.js
//! l  .bin/a -> ../a/cli.js
//! p  fifo
//! ```

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Sorted by path. `skip` holds names or paths below `dir`, a trailing `*` takes any ending; `contents` adds a hash per file.
pub fn list(dir: &Path, skip: &[String], contents: bool) -> io::Result<String> {
    let mut rows = Vec::new();
    let meta = fs::symlink_metadata(dir)?;
    if meta.is_dir() {
        walk(dir, "", skip, contents, &mut rows)?;
    } else {
        rows.push(row(dir, String::new(), &meta, contents)?);
    }
    rows.sort();
    Ok(rows.into_iter().map(|(_, line)| line + "\n").collect())
}

fn walk(
    dir: &Path,
    below: &str,
    skip: &[String],
    contents: bool,
    rows: &mut Vec<(String, String)>,
) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{below}{name}");
        if skip.iter().any(|pattern| matches(pattern, &path) || matches(pattern, &name)) {
            continue;
        }
        let meta = fs::symlink_metadata(entry.path())?;
        rows.push(row(&entry.path(), path.clone(), &meta, contents)?);
        if meta.is_dir() {
            walk(&entry.path(), &format!("{path}/"), skip, contents, rows)?;
        }
    }
    Ok(())
}

fn row(at: &Path, path: String, meta: &fs::Metadata, contents: bool) -> io::Result<(String, String)> {
    let kind = meta.file_type();
    let line = if kind.is_dir() {
        format!("d  {path}/")
    } else if kind.is_symlink() {
        format!("l  {path} -> {}", fs::read_link(at)?.display())
    } else if kind.is_fifo() {
        format!("p  {path}")
    } else if !kind.is_file() {
        format!("?  {path}")
    } else {
        let mode = if meta.permissions().mode() & 0o111 != 0 { 'x' } else { 'f' };
        if contents {
            let hash = Sha256::digest(fs::read(at)?);
            let short: String = hash.iter().take(8).map(|b| format!("{b:02x}")).collect();
            format!("{mode}  {path} {short}")
        } else {
            format!("{mode}  {path}")
        }
    };
    Ok((path, line))
}

pub fn matches(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(head) => text.starts_with(head),
        None => pattern == text,
    }
}
