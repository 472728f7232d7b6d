//! Reading an archive out of a mirror, wherever it lies, without holding it.

use crate::error::Error;
use crate::layout::{Folder, Layout};
use crate::snapshot::FileEntry;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;

/// The bytes of one archive: a slice of a pack, a blob, or a blob's parts.
pub struct ArchiveSource {
    pub(super) parts: Vec<Part>,
    pub(super) len: u64,
    pub(super) read: u64,
}

pub(super) enum Part {
    Pack { file: Arc<(File, PathBuf)>, at: u64, len: u64 },
    Blob { entry: FileEntry, layout: Layout, open: Option<File> },
}

impl ArchiveSource {
    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.len
    }
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Read for ArchiveSource {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut start = 0;
        for part in &mut self.parts {
            let len = match part {
                Part::Pack { len, .. } => *len,
                Part::Blob { entry, .. } => entry.bytes,
            };
            let within = self.read - start;
            if within >= len {
                start += len;
                continue;
            }
            let want = buffer.len().min((len - within).min(usize::MAX as u64) as usize);
            let buffer = &mut buffer[..want];
            let n = match part {
                Part::Pack { file, at, .. } => crate::file::read_at(&file.0, buffer, *at + within)?,
                Part::Blob { entry, layout, open } => {
                    if open.is_none() {
                        let (f, _) =
                            layout.need(Folder::Blobs, &entry.hash, entry.bytes).map_err(|e| match &e {
                                Error::Io { source, .. } => io::Error::new(source.kind(), e.to_string()),
                                _ => io::Error::other(e.to_string()),
                            })?;
                        *open = Some(f);
                    }
                    match open {
                        Some(f) => crate::file::read_at(f, buffer, within)?,
                        None => 0,
                    }
                }
            };
            if n == 0 && want > 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.read += n as u64;
            return Ok(n);
        }
        Ok(0)
    }
}
