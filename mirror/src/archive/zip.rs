//! zip archives, read by their central directory.
//!
//! Two descriptions of every entry stand in a zip archive, and the one that
//! counts stands at its end: readers disagree about whatever the two leave open.
//! So an archive is taken only when both say the same and together fill the file
//! from its first byte to its last:
//!
//! ```text
//! local header · name · extra · data (· data descriptor)      one after the other, no gap, no overlap
//! central directory: one record for each of them, no other
//! (zip64 end record · zip64 locator)  end record · comment    ends with the file
//! ```
//!
//! It is kept in memory while it is read (at most [`MOST`] bytes): what was
//! hashed is what is unpacked, and reading a source twice could give other bytes.

use super::error::{ArchiveError, Rule};
use super::read::Limits;
use super::stream::{Method, check_ratio, damaged};
use std::collections::HashSet;
use std::ops::Range;

pub(super) const LOCAL: &[u8] = b"PK\x03\x04";
pub(super) const END: &[u8] = b"PK\x05\x06";
const CENTRAL: &[u8] = b"PK\x01\x02";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR: &[u8] = b"PK\x06\x07";

/// Of the format, in tenths: as far as it is written down.
const VERSION: u16 = 63;

/// Of a zip archive, in bytes.
pub(super) const MOST: usize = 256 << 20;

/// Flags: bits 1 and 2 say how hard it was compressed.
const ENCRYPTED: u16 = 1 | 1 << 6 | 1 << 13;
const DESCRIBED_BEHIND: u16 = 1 << 3;
const UTF8: u16 = 1 << 11;
const KNOWN: u16 = 0b110 | DESCRIBED_BEHIND | UTF8;

/// Extra fields: 64-bit sizes, and a second name.
const ZIP64: u16 = 0x0001;
const UNICODE_PATH: u16 = 0x7075;

/// One entry, both of its descriptions compared.
pub(super) struct Member<'b> {
    pub(super) name: &'b [u8],
    pub(super) directory: bool,
    pub(super) executable: bool,
    pub(super) method: Method,
    pub(super) data: &'b [u8],
    pub(super) size: u64,
    pub(super) crc: u32,
    /// From its local header to behind its data, in the archive.
    place: Range<usize>,
}

/// The entries in the order in which they lie in the file.
pub(super) fn members<'b>(bytes: &'b [u8], limits: &Limits) -> Result<Vec<Member<'b>>, ArchiveError> {
    let end = End::find(bytes)?;
    if end.entries > limits.entries {
        let detail = format!("it has more than {} entries", limits.entries);
        return Err(ArchiveError::refused(Rule::TooManyEntries, b"", detail));
    }
    let mut records = Fields(&bytes[end.directory.clone()]);
    let mut members = Vec::new();
    let mut names = HashSet::new();
    for _ in 0..end.entries {
        let member = Member::read(bytes, &mut records)?;
        if !names.insert(member.name) {
            return Err(ArchiveError::refused(Rule::BadZip, member.name, "stands twice in the archive"));
        }
        members.push(member);
    }
    if !records.0.is_empty() {
        return Err(bad("its directory holds something else behind the entries"));
    }
    crate::order::sort_by_key(&mut members, |m| m.place.start);
    let mut at = 0;
    let mut sum = 0_u64;
    for (i, member) in members.iter().enumerate() {
        if member.place.start != at {
            return Err(refuse(member.name, "overlaps another entry, or follows bytes that belong to none"));
        }
        let next = members.get(i + 1).map_or(end.directory.start, |m| m.place.start);
        at = member.descriptor(bytes, next)?;
        sum = sum.saturating_add(member.size);
    }
    if at != end.directory.start {
        return Err(bad("bytes in front of its directory belong to no entry"));
    }
    if sum > limits.bytes {
        let detail = format!("it unpacks to more than {} bytes", limits.bytes);
        return Err(ArchiveError::refused(Rule::TooLarge, b"", detail));
    }
    check_ratio(sum, bytes.len() as u64, limits)?;
    Ok(members)
}

/// What the end record says, checked against where it stands.
struct End {
    entries: u64,
    directory: Range<usize>,
}

impl End {
    const LENGTH: usize = 22;

    fn find(bytes: &[u8]) -> Result<Self, ArchiveError> {
        let from = bytes.len().saturating_sub(Self::LENGTH + usize::from(u16::MAX));
        // The last one, as every reader that looks from the end finds it.
        let Some(at) = bytes[from..].windows(4).rposition(|w| w == END).map(|at| at + from) else {
            return Err(ArchiveError::refused(
                Rule::Truncated,
                b"",
                "the zip archive's end record is missing",
            ));
        };
        let mut f = Fields(&bytes[at + 4..]);
        let (disk, first_disk) = (f.u16()?, f.u16()?);
        let (here, mut entries) = (u64::from(f.u16()?), u64::from(f.u16()?));
        let (mut size, mut start) = (u64::from(f.u32()?), u64::from(f.u32()?));
        let comment = usize::from(f.u16()?);
        f.take(comment)?;
        // Some writers fill their last block with zeros.
        if f.0.iter().any(|b| *b != 0) {
            let detail = "bytes follow the end of the zip archive";
            return Err(ArchiveError::refused(Rule::TrailingGarbage, b"", detail));
        }
        if (disk, first_disk) != (0, 0) || here != entries {
            return Err(bad("it is one of several volumes"));
        }
        let mut behind = at;
        if at >= 76 && bytes[at - 20..].starts_with(LOCATOR) {
            behind = at - 76;
            let mut f = Fields(&bytes[behind..at]);
            let record = (f.take(4)? == END64, f.u64()?, f.u32()?, f.u32()?, f.u32()?);
            let (here64, entries64, size64, start64) = (f.u64()?, f.u64()?, f.u64()?, f.u64()?);
            let locator = (f.take(4)? == LOCATOR, f.u32()?, f.u64()?, f.u32()?);
            let agrees = |short: u64, most: u64, long: u64| short == long || short == most;
            if (record.0, record.1, record.3, record.4) != (true, 44, 0, 0)
                || locator != (true, 0, behind as u64, 1)
                || here64 != entries64
                || !agrees(entries, 0xffff, entries64)
                || !agrees(size, 0xffff_ffff, size64)
                || !agrees(start, 0xffff_ffff, start64)
            {
                return Err(bad("its two end records do not agree"));
            }
            (entries, size, start) = (entries64, size64, start64);
        }
        match (usize::try_from(start), start.checked_add(size)) {
            (Ok(start), Some(end)) if end == behind as u64 => Ok(Self { entries, directory: start..behind }),
            _ => Err(bad("its directory does not end where its end record begins")),
        }
    }
}

impl<'b> Member<'b> {
    /// The next record of the central directory, and the local header that it points to.
    fn read(bytes: &'b [u8], records: &mut Fields<'b>) -> Result<Self, ArchiveError> {
        let f = records;
        if f.take(4)? != CENTRAL {
            return Err(bad("its directory holds something that is no entry"));
        }
        let (system, needs) = (f.u16()? >> 8, f.u16()? & 0xff);
        let common = Common::read(f)?;
        let (crc, size, full) = (f.u32()?, f.u32()?, f.u32()?);
        let (name, extra, comment) = (usize::from(f.u16()?), usize::from(f.u16()?), usize::from(f.u16()?));
        let (disk, _, attributes, offset) = (f.u16()?, f.u16()?, f.u32()?, f.u32()?);
        let name = f.take(name)?;
        let extra = Extra::read(f.take(extra)?, name)?;
        f.take(comment)?;
        common.check(name)?;
        let mut wide = Fields(extra.wide.unwrap_or_default());
        // In this order, each only where the narrow field is full.
        let full = wide.or_wide(full)?;
        let size = wide.or_wide(size)?;
        let offset = wide.or_wide(offset)?;
        if !wide.0.is_empty() || disk != 0 {
            return Err(refuse(name, "has 64-bit fields that nothing points to, or lies in another volume"));
        }
        let method = match common.method {
            0 if size == full => Method::Stored,
            8 => Method::Deflated,
            0 => return Err(refuse(name, "is stored with two different sizes")),
            other => {
                let detail = format!("is compressed by method {other}; 0 (stored) and 8 (deflate) are read");
                return Err(ArchiveError::refused(Rule::UnknownType, name, detail));
            }
        };
        if common.flags & DESCRIBED_BEHIND != 0 && method == Method::Stored && size > 0 {
            return Err(refuse(name, "is stored, and how long it is stands only behind it"));
        }
        if needs > VERSION {
            return Err(refuse(name, "needs a version of the format that is not known"));
        }
        let (directory, executable) = kind(name, system, attributes, full)?;
        let mut f = usize::try_from(offset).ok().and_then(|at| bytes.get(at..)).map(Fields);
        let local = f
            .as_mut()
            .filter(|f| f.0.starts_with(LOCAL))
            .ok_or_else(|| refuse(name, "is said to lie where no entry is"))?;
        local.take(6)?;
        let other = Common::read(local)?;
        let (crc2, size2, full2) = (local.u32()?, local.u32()?, local.u32()?);
        let (name2, extra2) = (usize::from(local.u16()?), usize::from(local.u16()?));
        let name2 = local.take(name2)?;
        let extra2 = Extra::read(local.take(extra2)?, name2)?;
        let mut wide = Fields(extra2.wide.unwrap_or_default());
        let (full2, size2) = (wide.or_wide(full2)?, wide.or_wide(size2)?);
        let unused = !wide.0.is_empty();
        // What stands behind the data may be left out in front of it.
        let left_out = other.flags & DESCRIBED_BEHIND != 0;
        let same = |a: u64, b: u64| a == b || (left_out && b == 0);
        if unused
            || other != common
            || name2 != name
            || !same(u64::from(crc), u64::from(crc2))
            || !same(size, size2)
            || !same(full, full2)
        {
            return Err(refuse(name, "is described in two ways that do not agree"));
        }
        let (rest, size) = (local.0, usize::try_from(size).unwrap_or(usize::MAX));
        let Some(data) = rest.get(..size) else {
            return Err(refuse(name, "is larger than the archive"));
        };
        let start = offset as usize;
        let place = start..bytes.len() - rest.len() + size;
        Ok(Self { name, directory, executable, method, data, size: full, crc, place })
    }

    /// Where this entry ends, if it fits between its data and `next`: nothing may stand there but a data
    /// descriptor, which says what the directory says.
    fn descriptor(&self, bytes: &[u8], next: usize) -> Result<usize, ArchiveError> {
        let at = self.place.end;
        let flags = u16::from_le_bytes([bytes[self.place.start + 6], bytes[self.place.start + 7]]);
        if flags & DESCRIBED_BEHIND == 0 {
            return Ok(at);
        }
        let refused = || refuse(self.name, "has no descriptor behind it, or one that does not fit");
        let all = bytes.get(at..next).ok_or_else(refused)?;
        let mut f = Fields(all.strip_prefix(DESCRIPTOR).unwrap_or(all));
        let wide = f.0.len() == 20;
        let mut number = |wide: bool| if wide { f.u64() } else { f.u32().map(u64::from) };
        let said = (number(false)?, number(wide)?, number(wide)?);
        if said != (u64::from(self.crc), self.data.len() as u64, self.size) || !f.0.is_empty() {
            return Err(refused());
        }
        Ok(next)
    }
}

/// Directory or file, and whether it can be run.
fn kind(name: &[u8], system: u16, attributes: u32, size: u64) -> Result<(bool, bool), ArchiveError> {
    const MADE_ON_UNIX: [u16; 2] = [3, 19];
    let mode = attributes >> 16;
    let directory = name.ends_with(b"/");
    match mode & 0o170_000 {
        0o120_000 => return Err(ArchiveError::refused(Rule::Link, name, "is a symbolic link")),
        0 | 0o100_000 if !directory => {}
        0 | 0o040_000 if directory => {}
        0o100_000 | 0o040_000 => {
            return Err(refuse(name, "is a directory by its name or by its mode, but not by both"));
        }
        _ => return Err(ArchiveError::refused(Rule::Device, name, "is a device, FIFO or socket")),
    }
    if !directory && attributes & 0x10 != 0 {
        return Err(refuse(name, "is a directory by its attributes and not by its name"));
    }
    if directory && size != 0 {
        return Err(refuse(name, "is a directory with content"));
    }
    Ok((directory, MADE_ON_UNIX.contains(&system) && mode & 0o111 != 0))
}

/// What both descriptions begin with, apart from the date.
#[derive(PartialEq, Eq)]
struct Common {
    flags: u16,
    method: u16,
}

impl Common {
    fn read(f: &mut Fields<'_>) -> Result<Self, ArchiveError> {
        let common = Self { flags: f.u16()?, method: f.u16()? };
        f.take(4)?;
        Ok(common)
    }

    fn check(&self, name: &[u8]) -> Result<(), ArchiveError> {
        if self.flags & ENCRYPTED != 0 {
            return Err(ArchiveError::refused(Rule::Encrypted, name, "is encrypted"));
        }
        if self.flags & !KNOWN != 0 {
            return Err(refuse(name, "has flags that are not read"));
        }
        if name.is_empty() {
            return Err(bad("an entry has no name"));
        }
        if !name.is_ascii() && (self.flags & UTF8 == 0 || std::str::from_utf8(name).is_err()) {
            let detail = "is neither ASCII nor marked as UTF-8, so that readers name it differently";
            return Err(ArchiveError::refused(Rule::BadName, name, detail));
        }
        Ok(())
    }
}

#[derive(Default)]
struct Extra<'b> {
    wide: Option<&'b [u8]>,
}

impl<'b> Extra<'b> {
    fn read(block: &'b [u8], name: &[u8]) -> Result<Self, ArchiveError> {
        let mut extra = Self::default();
        let mut f = Fields(block);
        while !f.0.is_empty() {
            let (id, length) = (f.u16()?, usize::from(f.u16()?));
            let body = f.take(length)?;
            match id {
                ZIP64 if extra.wide.replace(body).is_some() => {
                    return Err(refuse(name, "has its 64-bit sizes twice"));
                }
                // Version, checksum of the name it stands for, then the name.
                UNICODE_PATH if body.get(5..) != Some(name) => return Err(refuse(name, "has two names")),
                _ => {}
            }
        }
        Ok(extra)
    }
}

/// Little-endian fields, one after the other.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn take(&mut self, n: usize) -> Result<&'b [u8], ArchiveError> {
        let short = || ArchiveError::refused(Rule::BadZip, b"", "a record of the zip archive is cut short");
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(short)?;
        self.0 = rest;
        Ok(taken)
    }
    fn number(&mut self, n: usize) -> Result<u64, ArchiveError> {
        let mut wide = [0; 8];
        wide[..n].copy_from_slice(self.take(n)?);
        Ok(u64::from_le_bytes(wide))
    }
    fn u16(&mut self) -> Result<u16, ArchiveError> {
        self.number(2).map(|n| n as u16)
    }
    fn u32(&mut self) -> Result<u32, ArchiveError> {
        self.number(4).map(|n| n as u32)
    }
    fn u64(&mut self) -> Result<u64, ArchiveError> {
        self.number(8)
    }
    /// `narrow`, or the next wide number where it is full and there is one.
    fn or_wide(&mut self, narrow: u32) -> Result<u64, ArchiveError> {
        if narrow == u32::MAX && !self.0.is_empty() { self.u64() } else { Ok(u64::from(narrow)) }
    }
}

fn bad(detail: &str) -> ArchiveError {
    damaged(Rule::BadZip, detail)
}

fn refuse(name: &[u8], detail: &str) -> ArchiveError {
    ArchiveError::refused(Rule::BadZip, name, detail)
}
