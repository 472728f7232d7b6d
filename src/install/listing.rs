//! The list of what a store entry holds, so that linking a package walks no
//! directory and asks no file for its type.
//!
//! It lies beside the entry (`<key>.l` beside `<key>/`), never inside: an
//! archive cannot contain or overwrite it.
//!
//! ```text
//! "PLS2"                     magic
//! u32 le                     CRC-32 of everything below
//! u8                         'D' durable: checked after a restart, or synced
//!                            'U' unsynced: only good while `boot` is the running system
//! [u8; 16]                   start of the system and disk that it was written on (`BootId`)
//! u32 le                     number of directories
//! u32 le                     number of files
//! u64 le                     sum of the files' bytes
//! package                    name@version, NUL           (for messages)
//! directories                each: path, NUL             (parents first)
//! files                      each: path, NUL, u8 executable, u64 le size, u32 le CRC-32
//! ```
//!
//! Paths are relative with `/`. They end in NUL so that they go to the kernel
//! as they are.

use mirror::archive::Listing;
use mirror::digest::crc32;
use std::ffi::CStr;
use std::path::Path;

const MAGIC: &[u8; 4] = b"PLS2";
/// What the checksum does not cover: the magic and itself.
const SEALED: usize = 4 + 4;
const HEAD: usize = SEALED + 1 + 16;

/// A listing as stored; entries are borrowed from its bytes.
pub struct Stored {
    bytes: Vec<u8>,
    directories: u32,
    files: u32,
    /// Where the paths begin.
    paths: usize,
    pub total: u64,
}

/// One file of a package.
pub struct FileEntry<'a> {
    pub path: &'a CStr,
    pub executable: bool,
    pub size: u64,
    pub crc32: u32,
}

/// Which running system wrote something that was not synced, and to which disks; all zero where the system does not tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// Linux gives each start a random id, and each disk a number of its own when it appears: a stick that
    /// was pulled out has lost what was not synced without any restart. Elsewhere, and on volumes that
    /// are no single disk, nothing is trusted less for that.
    pub fn of(folders: &[&Path]) -> Self {
        let mut id = [0; 16];
        if let Ok(text) = std::fs::read("/proc/sys/kernel/random/boot_id") {
            let digits = text.iter().filter(|b| b.is_ascii_hexdigit());
            for (i, d) in digits.take(32).enumerate() {
                let value = char::from(*d).to_digit(16).unwrap_or(0) as u8;
                id[i / 2] |= if i % 2 == 0 { value << 4 } else { value };
            }
        }
        for (i, folder) in folders.iter().enumerate() {
            let number = disk_number(folder).unwrap_or(0).to_le_bytes();
            id[8 * (i % 2)..].iter_mut().zip(number).for_each(|(byte, n)| *byte ^= n);
        }
        Self(id)
    }
}

/// How many disks the system had seen when the folder's one appeared.
fn disk_number(folder: &Path) -> Option<u64> {
    #[cfg(target_os = "linux")]
    {
        use std::os::unix::fs::MetadataExt;
        let device = std::fs::metadata(folder).ok()?.dev();
        let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
        // No block device: tmpfs, overlay, a share.
        if major == 0 {
            return None;
        }
        let here = format!("/sys/dev/block/{major}:{minor}");
        // A partition has no number; its disk stands above it.
        let text =
            ["diskseq", "../diskseq"].iter().find_map(|f| std::fs::read(format!("{here}/{f}")).ok())?;
        std::str::from_utf8(&text).ok()?.trim().parse().ok()
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = folder;
        None
    }
}

fn seal(bytes: &mut [u8]) {
    let crc = crc32(0, &bytes[SEALED..]);
    bytes[4..SEALED].copy_from_slice(&crc.to_le_bytes());
}

/// Bytes of a new listing of `name@version`, unsynced in the running system.
pub fn encode(listing: &Listing, package: &str, boot: BootId) -> Vec<u8> {
    let mut out = Vec::with_capacity(96 + listing.files.len() * 48);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[0; 4]);
    out.push(b'U');
    out.extend_from_slice(&boot.0);
    out.extend_from_slice(&(listing.directories.len() as u32).to_le_bytes());
    out.extend_from_slice(&(listing.files.len() as u32).to_le_bytes());
    let total: u64 = listing.files.iter().map(|f| f.size).sum();
    out.extend_from_slice(&total.to_le_bytes());
    out.extend_from_slice(package.as_bytes());
    out.push(0);
    for dir in &listing.directories {
        out.extend_from_slice(dir.as_str().as_bytes());
        out.push(0);
    }
    for file in &listing.files {
        out.extend_from_slice(file.path.as_str().as_bytes());
        out.push(0);
        out.push(u8::from(file.executable));
        out.extend_from_slice(&file.size.to_le_bytes());
        out.extend_from_slice(&file.crc32.to_le_bytes());
    }
    seal(&mut out);
    out
}

/// `name@version` as the bytes of a listing have it, torn or not: fit for a message.
pub fn package(bytes: &[u8]) -> String {
    let rest = bytes.get(HEAD + 16..).unwrap_or_default();
    let end = rest.iter().take(300).position(|b| *b == 0).unwrap_or(0);
    String::from_utf8_lossy(&rest[..end]).into_owned()
}

impl Stored {
    /// `None` when the bytes are torn or were never a listing.
    pub fn parse(bytes: Vec<u8>) -> Option<Self> {
        if bytes.len() < HEAD + 16 || &bytes[..4] != MAGIC || !matches!(bytes[SEALED], b'U' | b'D') {
            return None;
        }
        let word = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
        if word(4)? != crc32(0, &bytes[SEALED..]) {
            return None;
        }
        let (directories, files) = (word(HEAD)?, word(HEAD + 4)?);
        let total = u64::from_le_bytes(bytes.get(HEAD + 8..HEAD + 16)?.try_into().ok()?);
        let paths = HEAD + 16 + CStr::from_bytes_until_nul(&bytes[HEAD + 16..]).ok()?.count_bytes() + 1;
        Some(Self { bytes, directories, files, paths, total })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the entry may be used as it is by the system that runs now.
    pub fn is_trusted(&self, boot: BootId) -> bool {
        self.bytes[SEALED] == b'D' || self.bytes[SEALED + 1..HEAD] == boot.0
    }

    /// `name@version`.
    pub fn package(&self) -> String {
        package(&self.bytes)
    }

    /// The same listing marked as durable.
    pub fn durable(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[SEALED] = b'D';
        seal(&mut bytes);
        bytes
    }

    pub fn file_count(&self) -> usize {
        self.files as usize
    }

    /// Calls `dir` for every directory, parents first, then `file` for every file.
    pub fn walk<E>(
        &self,
        mut dir: impl FnMut(&CStr) -> Result<(), E>,
        mut file: impl FnMut(&FileEntry<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = &self.bytes[self.paths..];
        // The checksum was right, so a short read below means a writer's bug: stop quietly at the end.
        for _ in 0..self.directories {
            let Ok(path) = CStr::from_bytes_until_nul(rest) else { return Ok(()) };
            rest = &rest[path.count_bytes() + 1..];
            dir(path)?;
        }
        for _ in 0..self.files {
            let Ok(path) = CStr::from_bytes_until_nul(rest) else { return Ok(()) };
            rest = &rest[path.count_bytes() + 1..];
            let Some((meta, tail)) = rest.split_at_checked(13) else { return Ok(()) };
            rest = tail;
            let mut size = [0; 8];
            size.copy_from_slice(&meta[1..9]);
            let mut crc = [0; 4];
            crc.copy_from_slice(&meta[9..13]);
            file(&FileEntry {
                path,
                executable: meta[0] != 0,
                size: u64::from_le_bytes(size),
                crc32: u32::from_le_bytes(crc),
            })?;
        }
        Ok(())
    }
}
