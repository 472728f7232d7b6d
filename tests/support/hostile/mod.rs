//! Archives that must be refused, and legal oddities that must not be. The headers are written by hand, since no
//! decent library would write them.
//!
//! A kind is a word: of a tar stream ([`plain`], [`headers`]; in gzip, or after `xz-` in xz), of the frame around one
//! ([`frames`]), or after `zip-` of a zip archive ([`zip`]). What becomes of each stands in [`outcomes`].
//!
//! The unit tests of the reader include this directory (`mirror/src/archive/corpus.rs`): it stands on nothing beside it.

mod frames;
mod headers;
pub mod outcomes;
mod tar;
mod zip;

use flate2::{Compression, GzBuilder};
use std::io::Write;
use tar::Tar;

/// A named archive for package `evil@1.0.0` (unless the kind says otherwise), as compressed bytes.
pub fn archive(kind: &str) -> Option<Vec<u8>> {
    if let Some(kind) = kind.strip_prefix("zip-") {
        return zip::archive(kind);
    }
    if let Some(kind) = kind.strip_prefix("xz-") {
        return frames::xz(kind);
    }
    frames::gzipped(kind).or_else(|| Some(gzip(&stream(kind)?)))
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::new(6));
    encoder.write_all(bytes).expect("into memory");
    encoder.finish().expect("into memory")
}

/// The tar stream of a kind.
pub fn stream(kind: &str) -> Option<Vec<u8>> {
    if let Some(bytes) = headers::stream(kind) {
        return Some(bytes);
    }
    plain(kind).map(|tar| ended(tar.bytes))
}

/// With the end marker that every writer sets.
fn ended(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

fn plain(kind: &str) -> Option<Tar> {
    let mut tar = Tar::default();
    if kind != "no-manifest" {
        tar.file("package/package.json", br#"{"name":"evil","version":"1.0.0"}"#);
    }
    match kind {
        "traversal" => tar.file("package/../../../../../../../../escaped-traversal", b"x"),
        "traversal-inner" => tar.file("package/a/../../../../../../../../escaped-inner", b"x"),
        "absolute" => tar.file("/tmp/escaped-absolute", b"x"),
        "backslash" => tar.file("package/..\\..\\escaped", b"x"),
        "drive" => tar.file("package/C:\\escaped", b"x"),
        "control-character" => tar.file("package/a\x1b[31mb", b"x"),
        "newline" => tar.file("package/a\nb", b"x"),
        "symlink" => tar.link("package/link", "/etc/passwd", b'2'),
        "symlink-then-write" => {
            tar.link("package/dir", "../../../../..", b'2');
            tar.file("package/dir/escaped-link", b"x");
        }
        "hardlink" => tar.link("package/link", "/etc/passwd", b'1'),
        "character-device" => tar.link("package/null", "", b'3'),
        "block-device" => tar.link("package/disk", "", b'4'),
        "fifo" => tar.link("package/pipe", "", b'6'),
        "case-collision" => {
            tar.file("package/Index.js", b"one");
            tar.file("package/index.js", b"two");
        }
        "unicode-collision" => {
            tar.file("package/caf\u{e9}.js", b"one");
            tar.file("package/cafe\u{301}.js", b"two");
        }
        "file-then-directory" => {
            tar.file("package/a", b"x");
            tar.file("package/a/b", b"x");
        }
        "reserved-name" => tar.file("package/CON", b"x"),
        "name-mismatch" => {
            tar = Tar::default();
            tar.file("package/package.json", br#"{"name":"other","version":"1.0.0"}"#);
        }
        "version-mismatch" => {
            tar = Tar::default();
            tar.file("package/package.json", br#"{"name":"evil","version":"6.6.6"}"#);
        }
        "broken-manifest" => {
            tar = Tar::default();
            tar.file("package/package.json", br#"{"name":"evil","version":"#);
        }
        "no-manifest" => tar.file("package/index.js", b"x"),
        "bomb" => tar.zeros("package/zeros", 128 << 20),
        "many-entries" => {
            let mut header = Tar::header("package/000000", b'0', "", 0o644, 0);
            for n in 0..200_001_u32 {
                // Only the digits change, and the checksum with them.
                let digits = format!("{n:06}");
                header[8..14].copy_from_slice(digits.as_bytes());
                Tar::seal(&mut header);
                tar.bytes.extend_from_slice(&header);
            }
        }
        "deep" => tar.pax_file(&format!("package/{}end", "d/".repeat(600)), b"x"),
        "long-name" => tar.pax_file(&format!("package/{}", "n".repeat(300)), b"x"),
        "setuid" => tar.entry("package/run", b'0', "", 0o4755, b"#!/bin/sh\n"),
        "bad-checksum" => {
            tar.file("package/index.js", b"x");
            let at = tar.bytes.len() - 1024;
            tar.bytes[at] ^= 1;
        }
        // Legal, and found in real packages: they install.
        "ok-duplicate" => {
            tar.file("package/./dist/x.js", b"first");
            tar.file("package/dist/x.js", b"last");
        }
        "ok-other-root" => {
            tar = Tar::default();
            tar.file("evil/package.json", br#"{"name":"evil","version":"1.0.0"}"#);
            tar.file("evil/index.js", b"x");
        }
        "ok-odd-modes" => tar.entry("package/x.js", b'0', "", 0o600, b"x"),
        "ok-pax-long" => tar.pax_file(&format!("package/{}/x.js", "l".repeat(180)), b"x"),
        "ok-plain" => tar.file("package/index.js", b"module.exports = 1\n"),
        _ => return None,
    }
    Some(tar)
}

/// Bytes that do not compress: a xorshift with a fixed seed.
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    })
    .take(len)
    .collect()
}
