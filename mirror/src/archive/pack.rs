//! Making an archive: the same files give the same bytes (DESIGN promise 8).
//!
//! Entries sorted by path under `package/`, modes 0644 or 0755, owner 0, the
//! modification time that npm uses (1985-10-26T08:15:00Z), no directories, a
//! gzip header without time and system.

use crate::name::RelPath;
use flate2::{Compression, GzBuilder};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// Seconds since 1970 of 1985-10-26T08:15:00Z.
const TIME: u64 = 499_162_500;

/// Writes `files` of `directory` (in any order; each a regular file, links are
/// refused) as a `.tgz` to `out`.
pub fn pack(directory: &Path, files: &[RelPath], out: &mut dyn Write) -> io::Result<()> {
    let mut files: Vec<&RelPath> = files.iter().collect();
    crate::order::sort(&mut files);
    files.dedup();
    // 255: "unknown" system (RFC 1952), so that no host shows through.
    let gzip = GzBuilder::new().mtime(0).operating_system(255).write(out, Compression::best());
    let mut tar = Builder::new(gzip);
    for path in files {
        let (file, size, executable) = open(&directory.join(path.as_str()))?;
        let mut header = Header::new_ustar();
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        header.set_mode(if executable { 0o755 } else { 0o644 });
        header.set_mtime(TIME);
        header.set_uid(0);
        header.set_gid(0);
        tar.append_data(&mut header, format!("package/{path}"), Exactly { file, left: size })?;
    }
    tar.into_inner()?.finish()?.flush()
}

/// Opens a regular file without following a link and without waiting on a FIFO.
fn open(path: &Path) -> io::Result<(File, u64, bool)> {
    let file = crate::file::open_regular(path).map_err(io::Error::other)?;
    let meta = file.metadata()?;
    Ok((file, meta.len(), crate::file::is_executable(&meta)))
}

/// The announced number of bytes, or an error: a file that changes while it is
/// packed must not shift what follows.
struct Exactly {
    file: File,
    left: u64,
}

impl Read for Exactly {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(out.len());
        let n = self.file.read(&mut out[..most])?;
        if n == 0 && most > 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "a file became shorter while it was packed",
            ));
        }
        self.left -= n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_the_announced_length_or_there_is_no_archive() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        crate::file::replace(&path, b"12345").unwrap();
        let announced = |left| {
            let mut out = Vec::new();
            Exactly { file: File::open(&path).unwrap(), left }.read_to_end(&mut out).map(|_| out)
        };
        assert_eq!(announced(5).unwrap(), b"12345");
        assert_eq!(announced(3).unwrap(), b"123", "one that grows");
        assert_eq!(announced(6).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
