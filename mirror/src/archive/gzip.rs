//! The frame of gzip members (RFC 1952).

use super::error::ArchiveError;
use super::stream::{State, Stream, garbage, truncated};
use crate::digest::crc32;

pub(super) const MAGIC: [u8; 2] = [0x1f, 0x8b];

impl Stream<'_> {
    /// RFC 1952, section 2.3: magic, method, flags, and the optional fields.
    pub(super) fn header(&mut self) -> Result<(), ArchiveError> {
        let mut fixed = [0; 10];
        self.crc = 0;
        for slot in &mut fixed {
            *slot = self.header_byte()?;
        }
        if fixed[..3] != [0x1f, 0x8b, 8] {
            return Err(self.damaged("it is no gzip, xz, zip or tar archive"));
        }
        let flags = fixed[3];
        if flags & 0xe0 != 0 {
            return Err(self.damaged("reserved header flags are set"));
        }
        if flags & 4 != 0 {
            let length = u16::from_le_bytes([self.header_byte()?, self.header_byte()?]);
            for _ in 0..length {
                self.header_byte()?;
            }
        }
        for flag in [8, 16] {
            if flags & flag != 0 {
                while self.header_byte()? != 0 {}
            }
        }
        if flags & 2 != 0 {
            let found = self.crc as u16;
            if u16::from_le_bytes([self.expected_byte()?, self.expected_byte()?]) != found {
                return Err(self.damaged("its header's checksum is wrong"));
            }
        }
        self.buffers.inflate.reset(false);
        self.crc = 0;
        self.member = 0;
        self.state = State::Body;
        Ok(())
    }

    pub(super) fn trailer(&mut self) -> Result<(), ArchiveError> {
        let mut fixed = [0; 8];
        for slot in &mut fixed {
            *slot = self.expected_byte()?;
        }
        let [a, b, c, d, e, f, g, h] = fixed;
        if self.crc != u32::from_le_bytes([a, b, c, d]) || self.member != u32::from_le_bytes([e, f, g, h]) {
            return Err(self.damaged("its checksum does not fit its content"));
        }
        self.state = State::Between;
        Ok(())
    }

    fn header_byte(&mut self) -> Result<u8, ArchiveError> {
        let byte = self.expected_byte()?;
        self.crc = crc32(self.crc, &[byte]);
        Ok(byte)
    }

    fn expected_byte(&mut self) -> Result<u8, ArchiveError> {
        self.byte()?.ok_or_else(|| truncated("the gzip framing is cut short"))
    }

    /// Behind a member: another one, zeros to the end, or the end.
    pub(super) fn between(&mut self) -> Result<(), ArchiveError> {
        self.state = match self.byte()? {
            None => State::End,
            Some(0) => State::Padding,
            Some(first) if first == MAGIC[0] => {
                self.input.start -= 1;
                State::Header
            }
            Some(_) => return Err(garbage()),
        };
        Ok(())
    }
}
