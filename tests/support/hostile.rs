//! Archives that must be refused, and a few legal oddities that must not be. The headers are written by hand, since no
//! decent library would write them.

use super::package::gzip;

/// A named archive for package `evil@1.0.0` (unless the kind says otherwise), as compressed bytes.
pub fn archive(kind: &str) -> Option<Vec<u8>> {
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
        "truncated" => {
            tar.file("package/index.js", &noise(100_000));
            let mut bytes = tar.finish();
            bytes.truncate(bytes.len() / 2);
            return Some(bytes);
        }
        "trailing-garbage" => {
            let mut bytes = tar.finish();
            bytes.extend_from_slice(b"and now for something completely different");
            return Some(bytes);
        }
        "not-gzip" => return Some(b"<!DOCTYPE html><html>Not found</html>\n".to_vec()),
        "empty" => return Some(Vec::new()),
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
    Some(tar.finish())
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

#[derive(Default)]
struct Tar {
    bytes: Vec<u8>,
}

impl Tar {
    fn file(&mut self, path: &str, content: &[u8]) {
        self.entry(path, b'0', "", 0o644, content);
    }

    fn link(&mut self, path: &str, target: &str, kind: u8) {
        self.entry(path, kind, target, 0o644, b"");
    }

    fn header(path: &str, kind: u8, target: &str, mode: u32, size: u64) -> [u8; 512] {
        let mut h = [0_u8; 512];
        let name = path.as_bytes();
        h[..name.len().min(100)].copy_from_slice(&name[..name.len().min(100)]);
        h[100..108].copy_from_slice(format!("{mode:07o}\0").as_bytes());
        h[108..116].copy_from_slice(b"0000000\0");
        h[116..124].copy_from_slice(b"0000000\0");
        h[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
        h[136..148].copy_from_slice(b"03560116604\0");
        h[156] = kind;
        h[157..157 + target.len()].copy_from_slice(target.as_bytes());
        h[257..265].copy_from_slice(b"ustar\x0000");
        Self::seal(&mut h);
        h
    }

    fn seal(h: &mut [u8; 512]) {
        h[148..156].copy_from_slice(b"        ");
        let sum: u32 = h.iter().map(|b| u32::from(*b)).sum();
        h[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }

    fn entry(&mut self, path: &str, kind: u8, target: &str, mode: u32, content: &[u8]) {
        self.bytes.extend_from_slice(&Self::header(path, kind, target, mode, content.len() as u64));
        self.bytes.extend_from_slice(content);
        self.pad();
    }

    fn pax_file(&mut self, path: &str, content: &[u8]) {
        let body = format!(" path={path}\n");
        let mut len = body.len() + 1;
        while format!("{len}").len() + body.len() != len {
            len = format!("{len}").len() + body.len();
        }
        self.entry("package/PaxHeader", b'x', "", 0o644, format!("{len}{body}").as_bytes());
        let short: String = path.chars().take(99).collect();
        self.file(&short, content);
    }

    /// So many bytes of nothing.
    fn zeros(&mut self, path: &str, size: u64) {
        self.bytes.extend_from_slice(&Self::header(path, b'0', "", 0o644, size));
        self.bytes.resize(self.bytes.len() + usize::try_from(size).expect("64 bits"), 0);
    }

    fn pad(&mut self) {
        let padded = self.bytes.len().next_multiple_of(512);
        self.bytes.resize(padded, 0);
    }

    fn finish(mut self) -> Vec<u8> {
        self.bytes.resize(self.bytes.len() + 1024, 0);
        gzip(&self.bytes)
    }
}
