//! Text files of a project, read whole and with a bound. What is not a regular
//! file (a device, a FIFO) is refused before it is opened, so that nothing
//! hangs on it.

use crate::error::{Error, Result};
use std::io::Read;
use std::path::Path;

/// Longest manifest, lock or source file, in bytes.
pub const LIMIT: u64 = 1 << 20;

/// A file's text, a byte order mark removed. `Ok(None)`: there is no such file.
pub fn read(path: &Path, limit: u64) -> Result<Option<String>> {
    let failed = |source| Error::Io { action: "read", path: path.to_path_buf(), source };
    match std::fs::metadata(path) {
        Ok(m) if m.is_file() => {}
        Ok(_) => return Err(failed(std::io::Error::other("not a regular file"))),
        Err(e) if matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(e) => return Err(failed(e)),
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(limit + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > limit {
        return Err(Error::TooLong { path: path.to_path_buf(), limit });
    }
    if text.starts_with('\u{feff}') {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Ok(Some(text))
}

/// A file that must be there.
pub fn require(path: &Path) -> Result<String> {
    read(path, LIMIT)?.ok_or_else(|| Error::Io {
        action: "read",
        path: path.to_path_buf(),
        source: std::io::ErrorKind::NotFound.into(),
    })
}
