//! Making an archive: the same files give the same bytes (DESIGN promise 8).
//!
//! Entries sorted by path under `package/`, modes 0644 or 0755, owner 0, the
//! modification time that npm uses (1985-10-26T08:15:00Z), no directories, a
//! gzip header without time and system.

use crate::name::RelPath;
use flate2::{Compression, GzBuilder};
use rustix::fs::{CWD, FileType, Mode, OFlags};
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
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = crate::file::openat(CWD, path, flags, Mode::empty())?;
    let stat = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        let message = format!("{} is not a regular file", path.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    Ok((File::from(file), stat.st_size as u64, stat.st_mode & 0o111 != 0))
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
