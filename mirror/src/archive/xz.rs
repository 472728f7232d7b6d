//! xz streams, one after another (`lzma-rust2` does the format, in safe code).
//!
//! Ours is what bounds them: the dictionary, and how many empty blocks may
//! stand in an archive (the decoder keeps a record of every block until it has
//! compared the index with them).

use super::error::{ArchiveError, Rule};
use super::stream::{State, Stream, garbage, truncated};
use lzma_rust2::{Action, Status, XzStream};
use std::io::ErrorKind;

pub(super) const MAGIC: &[u8] = b"\xfd7zXZ\0";

/// `xz -9` uses a dictionary of 64 MiB. Beside it the decoder needs little.
const DICTIONARY: u32 = 64 << 20;
const MEMORY_KIB: u32 = (DICTIONARY >> 10) + 1024;
/// What cannot be compressed grows by less than this: beyond it there are empty blocks.
const OVERHEAD: u64 = 1 << 20;

pub(super) fn begin() -> State {
    State::Xz(Box::new(XzStream::new_mem_limit(false, MEMORY_KIB)))
}

impl Stream<'_> {
    pub(super) fn xz(&mut self) -> Result<(), ArchiveError> {
        let more = !self.input.is_empty() || self.refill()?;
        // Taken out for as long as it works on the buffers beside it.
        let State::Xz(mut xz) = std::mem::replace(&mut self.state, State::End) else {
            return Ok(());
        };
        let action = if more { Action::Run } else { Action::Finish };
        let (input, window) = self.ends();
        let step = xz.process(input, window, action).map_err(|e| match e.kind() {
            ErrorKind::OutOfMemory => {
                let detail = format!("it needs a dictionary of more than {DICTIONARY} bytes");
                ArchiveError::refused(Rule::TooLarge, b"", detail)
            }
            ErrorKind::UnexpectedEof => truncated("the xz data is cut short"),
            _ => self.damaged(&e.to_string()),
        })?;
        self.input.start += step.bytes_consumed;
        self.made(step.bytes_produced)?;
        if self.compressed > self.unpacked() + OVERHEAD {
            return Err(self.damaged("it is far larger than what it holds"));
        }
        if step.status == Status::StreamEnd {
            self.after_xz()?;
        } else if !more {
            return Err(truncated("the xz data is cut short"));
        } else {
            self.state = State::Xz(xz);
        }
        Ok(())
    }

    /// Behind a stream: another one, zeros (in fours) to the end, or the end.
    fn after_xz(&mut self) -> Result<(), ArchiveError> {
        let mut zeros = 0_u64;
        loop {
            match self.byte()? {
                None if zeros.is_multiple_of(4) => self.state = State::End,
                Some(first) if zeros == 0 && first == MAGIC[0] => {
                    self.input.start -= 1;
                    self.state = begin();
                }
                Some(0) => {
                    zeros += 1;
                    continue;
                }
                _ => return Err(garbage()),
            }
            return Ok(());
        }
    }
}
