//! What is around the tar stream: gzip members, xz streams, or nothing.

use super::tar::Tar;
use super::{gzip, stream};
use lzma_rust2::{CheckType, XzOptions, XzWriter};
use std::io::Write;

/// Kinds that are about gzip.
pub fn gzipped(kind: &str) -> Option<Vec<u8>> {
    let tar = stream("ok-plain").expect("a known kind");
    let good = gzip(&tar);
    Some(match kind {
        "truncated" => {
            let noisy = gzip(&stream("ok-noise").expect("a known kind"));
            noisy[..noisy.len() / 2].to_vec()
        }
        "trailing-garbage" => [&good[..], b"and now for something completely different"].concat(),
        "not-gzip" => b"<!DOCTYPE html><html>Not found</html>\n".to_vec(),
        "empty" => Vec::new(),
        "gz-reserved-flags" => member(&tar, 0x80, b""),
        "gz-header-checksum" => member(&tar, 2, b"zz"),
        "gz-other-method" => [&[0x1f, 0x8b, 9][..], &good[3..]].concat(),
        "gz-checksum" => flipped(good, 8),
        "gz-length" => flipped(good, 4),
        "gz-no-trailer" => good[..good.len() - 8].to_vec(),
        "gz-cut" => good[..good.len() - 20].to_vec(),
        "gz-damaged" => [&good[..20], &[0xff; 20], &good[40..]].concat(),
        "gz-in-gz" => gzip(&good),
        "gz-second-archive" => [&good[..], &good].concat(),
        // No block behind the file's last one: what follows is not the file's fault.
        "gz-garbage-behind-a-file" => {
            let mut files = Tar::default();
            files.file("package/package.json", br#"{"name":"evil","version":"1.0.0"}"#);
            files.file("package/a.js", &[b'x'; 512]);
            [gzip(&files.bytes), b"garbage".to_vec()].concat()
        }
        "gz-zeros-then-garbage" => [&good[..], &[0; 512], b"x"].concat(),
        "ok-gz-name" => member(&tar, 8, b"evil.tar\0"),
        "ok-gz-comment" => member(&tar, 16, b"hello\0"),
        "ok-gz-extra" => member(&tar, 4, b"\x04\0abcd"),
        "ok-gz-everything" => member(&tar, 4 | 8 | 16, b"\x04\0abcdname\0comment\0"),
        "ok-gz-text" => member(&tar, 1, b""),
        "ok-gz-header-checksum" => {
            let crc = crc32fast::hash(&[0x1f, 0x8b, 8, 2, 0, 0, 0, 0, 0, 255]) as u16;
            member(&tar, 2, &crc.to_le_bytes())
        }
        "ok-gz-members" => [gzip(&tar[..700]), gzip(&tar[700..])].concat(),
        "ok-gz-empty-member" => [&good[..], &gzip(b"")].concat(),
        "ok-gz-zeros" => [&good[..], &[0; 1000]].concat(),
        "ok-not-compressed" => tar,
        _ => return None,
    })
}

/// Kinds that are about xz, and any kind of tar stream in xz.
pub fn xz(kind: &str) -> Option<Vec<u8>> {
    let tar = stream("ok-plain").expect("a known kind");
    let good = compressed(&tar, CheckType::Crc64);
    Some(match kind {
        "truncated" => good[..good.len() / 2].to_vec(),
        "cut-in-footer" => good[..good.len() - 3].to_vec(),
        "trailing-garbage" => [&good[..], b"garbage!"].concat(),
        "odd-padding" => [&good[..], &[0; 3]].concat(),
        "zeros-then-garbage" => [&good[..], &[0; 4], b"x"].concat(),
        // Five bytes from the end of the block header stands its dictionary's size: 40 is 4 GiB.
        "dictionary" => block_header(good, |header| header[4] = 40),
        "ok-dictionary-64-mib" => block_header(good, |header| header[4] = 28),
        "dictionary-96-mib" => block_header(good, |header| header[4] = 29),
        "unknown-filter" => block_header(good, |header| header[2] = 0x30),
        "checksum" => flipped(good, 44),
        "index" => flipped(good, 20),
        "damaged" => [&good[..40], &[0xff; 8], &good[48..]].concat(),
        "gzip-inside" => compressed(&gzip(&tar), CheckType::Crc64),
        "ok-streams" => {
            [compressed(&tar[..700], CheckType::Crc32), compressed(&tar[700..], CheckType::Sha256)].concat()
        }
        "ok-padding" => [&good[..], &[0; 8]].concat(),
        "ok-crc32" => compressed(&tar, CheckType::Crc32),
        "ok-sha256" => compressed(&tar, CheckType::Sha256),
        kind => compressed(&stream(kind)?, CheckType::Crc64),
    })
}

fn compressed(bytes: &[u8], check: CheckType) -> Vec<u8> {
    let mut options = XzOptions::with_preset(1);
    options.set_check_sum_type(check);
    let mut writer = XzWriter::new(Vec::new(), options).expect("xz in memory");
    writer.write_all(bytes).expect("xz in memory");
    writer.finish().expect("xz in memory")
}

/// Changes the first block's header behind its length and flags, and seals it again.
fn block_header(mut bytes: Vec<u8>, edit: impl Fn(&mut [u8])) -> Vec<u8> {
    let length = (usize::from(bytes[12]) + 1) * 4;
    let header = &mut bytes[12..12 + length];
    edit(header);
    let crc = crc32fast::hash(&header[..length - 4]);
    header[length - 4..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// One bit changed, so many bytes from the end.
fn flipped(mut bytes: Vec<u8>, from_end: usize) -> Vec<u8> {
    let at = bytes.len() - from_end;
    bytes[at] ^= 1;
    bytes
}

/// A gzip member with these flags, and what they announce.
fn member(bytes: &[u8], flags: u8, fields: &[u8]) -> Vec<u8> {
    let plain = gzip(bytes);
    [&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 255][..], fields, &plain[10..]].concat()
}
