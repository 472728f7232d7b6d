//! Reading and keeping at once: what is read goes to a mirror's archive writer
//! as well, so that the bytes that were checked are the bytes that are stored.

use mirror::batch::ArchiveWriter;
use std::io::{self, Read, Write};

pub struct Tee<'r, 'b> {
    source: &'r mut dyn Read,
    writer: ArchiveWriter<'b>,
    failure: Option<io::Error>,
}

impl<'r, 'b> Tee<'r, 'b> {
    pub fn new(source: &'r mut dyn Read, writer: ArchiveWriter<'b>) -> Self {
        Self { source, writer, failure: None }
    }

    /// The writer with everything that was read; the error that writing met.
    pub fn finish(self) -> io::Result<ArchiveWriter<'b>> {
        match self.failure {
            Some(e) => {
                self.writer.abandon();
                Err(e)
            }
            None => Ok(self.writer),
        }
    }
}

impl Read for Tee<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read(buffer)?;
        if let Err(e) = self.writer.write_all(&buffer[..n]) {
            let kind = e.kind();
            self.failure = Some(e);
            return Err(kind.into());
        }
        Ok(n)
    }
}
