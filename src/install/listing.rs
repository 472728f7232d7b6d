//! The list of what a store entry holds, so that linking a package walks no
//! directory and asks no file for its type.
//!
//! It lies beside the entry (`<key>.l` beside `<key>/`), never inside: an
//! archive cannot contain or overwrite it.
//!
//! ```text
//! "PLS1"                     magic
//! u8                         'D' durable: checked after a restart, or synced
//!                            'U' unsynced: only good while `boot` is the running system
//! [u8; 16]                   boot id of the system that wrote it
//! u32 le                     CRC-32 of everything below
//! u32 le                     number of directories
//! u32 le                     number of files
//! u64 le                     sum of the files' bytes
//! directories                each: path, NUL             (parents first)
//! files                      each: path, NUL, u8 executable, u64 le size, u32 le CRC-32
//! ```
//!
//! Paths are relative with `/`. They end in NUL so that they go to the kernel
//! as they are.

use mirror::archive::Listing;
use std::ffi::CStr;

const MAGIC: &[u8; 4] = b"PLS1";
const HEAD: usize = 4 + 1 + 16 + 4;

/// A listing as stored; entries are borrowed from its bytes.
pub struct Stored {
    bytes: Vec<u8>,
    directories: u32,
    files: u32,
    pub total: u64,
}

/// One file of a package.
pub struct FileEntry<'a> {
    pub path: &'a CStr,
    pub executable: bool,
    pub size: u64,
    pub crc32: u32,
}

/// Which running system wrote something that was not synced; all zero where the system does not tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BootId(pub [u8; 16]);

impl BootId {
    /// Linux gives each start a random id. Elsewhere nothing is trusted less
    /// for having been written by an earlier start.
    pub fn current() -> Self {
        let mut id = [0; 16];
        if let Ok(text) = std::fs::read("/proc/sys/kernel/random/boot_id") {
            let digits = text.iter().filter(|b| b.is_ascii_hexdigit());
            for (i, d) in digits.take(32).enumerate() {
                let value = char::from(*d).to_digit(16).unwrap_or(0) as u8;
                id[i / 2] |= if i % 2 == 0 { value << 4 } else { value };
            }
        }
        Self(id)
    }
}

/// Bytes of a new listing, unsynced in the running system.
pub fn encode(listing: &Listing, boot: BootId) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + listing.files.len() * 48);
    out.extend_from_slice(MAGIC);
    out.push(b'U');
    out.extend_from_slice(&boot.0);
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(listing.directories.len() as u32).to_le_bytes());
    out.extend_from_slice(&(listing.files.len() as u32).to_le_bytes());
    let total: u64 = listing.files.iter().map(|f| f.size).sum();
    out.extend_from_slice(&total.to_le_bytes());
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
    let crc = crc32fast::hash(&out[HEAD..]);
    out[HEAD - 4..HEAD].copy_from_slice(&crc.to_le_bytes());
    out
}

impl Stored {
    /// `None` when the bytes are torn or were never a listing.
    pub fn parse(bytes: Vec<u8>) -> Option<Self> {
        if bytes.len() < HEAD + 16 || &bytes[..4] != MAGIC || !matches!(bytes[4], b'U' | b'D') {
            return None;
        }
        let word = |at: usize| bytes.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_le_bytes);
        if word(HEAD - 4)? != crc32fast::hash(&bytes[HEAD..]) {
            return None;
        }
        let (directories, files) = (word(HEAD)?, word(HEAD + 4)?);
        let total = u64::from_le_bytes(bytes.get(HEAD + 8..HEAD + 16)?.try_into().ok()?);
        Some(Self { bytes, directories, files, total })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the entry may be used as it is by the system that runs now.
    pub fn is_trusted(&self, boot: BootId) -> bool {
        self.bytes[4] == b'D' || self.bytes[5..21] == boot.0
    }

    /// The same listing marked as durable.
    pub fn durable(&self) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        bytes[4] = b'D';
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
        let mut rest = &self.bytes[HEAD + 16..];
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
