//! Programs that mzp starts: where they are, and whether they are still the same.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

/// A program by its path, or in the folders of a PATH.
pub fn find(program: &OsStr, path: &[PathBuf]) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    match program.as_encoded_bytes().contains(&b'/') {
        true => Some(PathBuf::from(program)).filter(runs),
        false => path.iter().map(|dir| dir.join(program)).find(runs),
    }
}

/// What changes when a program is replaced: where it lies, its size, its times. `None`: it is not here.
/// Its bytes are not read: a compiler has many.
pub fn identity(program: &OsStr, path: &[PathBuf]) -> Option<String> {
    let file = find(program, path)?.canonicalize().ok()?;
    let m = std::fs::metadata(&file).ok()?;
    let times = (m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
    Some(format!("{file:?} {} {} {} {times:?}", m.dev(), m.ino(), m.size()))
}
