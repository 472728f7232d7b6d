//! Hashes: our own SHA-256 of every file of a mirror, and the integrity an
//! upstream gives for an archive (Subresource Integrity, or npm's old shasum).

use crate::name::NameError;
use sha2::{Digest, Sha256, Sha384, Sha512};
use std::fmt;

/// A SHA-256, the identity of every immutable file and archive of a mirror.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
    /// 64 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let mut out = [0; 32];
        let written = text.bytes().all(|b| !b.is_ascii_uppercase());
        if text.len() != 64 || !written || hex_decode(text, &mut out).is_none() {
            return Err(NameError {
                kind: "SHA-256",
                text: text.into(),
                rule: "is not 64 lower-case hexadecimal digits",
            });
        }
        Ok(Self(out))
    }
    /// The file name a mirror gives to content with this hash: the first 11
    /// base32 characters (RFC 4648, no padding) as `ABCDEFGH.IJK`. 55 bits: a
    /// hint, never an identity.
    pub fn file_name(&self) -> String {
        let b = base32(&self.0[..7]);
        format!("{}.{}", &b[..8], &b[8..11])
    }
}
impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// CRC-32 (ISO-HDLC, as in gzip and zip) of bytes that follow others whose checksum is `before`; 0: of none.
pub fn crc32(before: u32, bytes: &[u8]) -> u32 {
    zlib_rs::crc32::crc32(before, bytes)
}

/// RFC 4648 base32, upper case, no padding.
pub fn base32(bytes: &[u8]) -> String {
    in_digits(bytes, 5, b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
}

/// Lower-case hexadecimal digits, two a byte.
pub fn hex(bytes: &[u8]) -> String {
    in_digits(bytes, 4, b"0123456789abcdef")
}

/// RFC 4648 base64 with padding. A digest is no secret: this need not take the same time for all, as base64ct does.
fn base64(bytes: &[u8]) -> String {
    let mut text = in_digits(bytes, 6, BASE64);
    while !text.len().is_multiple_of(4) {
        text.push('=');
    }
    text
}

/// So many bits a digit, the last one filled up with zeros.
fn in_digits(bytes: &[u8], width: usize, alphabet: &[u8]) -> String {
    let mut out = vec![0; (bytes.len() * 8).div_ceil(width)];
    for (i, digit) in out.iter_mut().enumerate() {
        let (at, before) = (i * width / 8, i * width % 8);
        let next = bytes.get(at + 1).copied().unwrap_or(0);
        let pair = u16::from_be_bytes([bytes[at], next]) << before;
        *digit = alphabet[usize::from(pair) >> (16 - width)];
    }
    String::from_utf8(out).unwrap_or_default()
}

/// What [`hex`] wrote, in either case; `None` when it is not exactly as many digits.
pub fn hex_decode(text: &str, out: &mut [u8]) -> Option<()> {
    let b = text.as_bytes();
    if b.len() != out.len() * 2 {
        return None;
    }
    let digit = |c: u8| char::from(c).to_digit(16).map(|d| d as u8);
    for (i, o) in out.iter_mut().enumerate() {
        *o = digit(b[2 * i])? << 4 | digit(b[2 * i + 1])?;
    }
    Some(())
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 base64 with padding, only its one canonical spelling, into exactly
/// `out`. A digest is no secret: base64ct's constant time took a quarter of
/// reading a lockfile.
pub(crate) fn base64_decode(text: &[u8], out: &mut [u8]) -> Option<()> {
    const DIGITS: [u8; 256] = {
        let (mut table, mut i) = ([255; 256], 0);
        while i < 64 {
            table[BASE64[i] as usize] = i as u8;
            i += 1;
        }
        table
    };
    let pad = (3 - out.len() % 3) % 3;
    if text.len() != out.len().div_ceil(3) * 4 || !text.ends_with(&b"=="[..pad]) {
        return None;
    }
    let (mut acc, mut bits, mut done) = (0u32, 0, 0);
    for &c in &text[..text.len() - pad] {
        let digit = DIGITS[usize::from(c)];
        if digit > 63 {
            return None;
        }
        acc = acc << 6 | u32::from(digit);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            *out.get_mut(done)? = (acc >> bits) as u8;
            done += 1;
        }
    }
    // What does not fill a byte has to be zero.
    (done == out.len() && acc & ((1 << bits) - 1) == 0).then_some(())
}

/// Hash functions an integrity may use, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }
    /// Digest length in bytes.
    pub fn size(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
    /// Whether a lock may rest on it (promise 2: every entry has a strong hash).
    pub fn is_strong(self) -> bool {
        self != Self::Sha1
    }
}

/// What an upstream says an archive's bytes hash to: the strongest of the
/// hashes it gave. Text form: `sha512-<base64>`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Integrity {
    algorithm: Algorithm,
    bytes: [u8; 64],
}

impl Integrity {
    /// Reads an SRI text (several hashes separated by blanks, options after `?`
    /// ignored) and keeps the strongest.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        let bad = |rule| NameError { kind: "integrity", text: text.chars().take(200).collect(), rule };
        let mut best: Option<Self> = None;
        for item in text.split_ascii_whitespace() {
            let Some((name, value)) = item.split_once('-') else { return Err(bad("has no `-`")) };
            let algorithm = match name {
                "sha1" => Algorithm::Sha1,
                "sha256" => Algorithm::Sha256,
                "sha384" => Algorithm::Sha384,
                "sha512" => Algorithm::Sha512,
                _ => continue,
            };
            let value = value.split('?').next().unwrap_or("");
            let mut bytes = [0; 64];
            if base64_decode(value.as_bytes(), &mut bytes[..algorithm.size()]).is_none() {
                return Err(bad("is not base64 of the right length"));
            }
            if best.as_ref().is_none_or(|b| algorithm > b.algorithm) {
                best = Some(Self { algorithm, bytes });
            }
        }
        best.ok_or_else(|| bad("names no hash function we know"))
    }

    /// npm's `dist.shasum`: 40 hexadecimal digits of SHA-1.
    pub fn from_shasum(text: &str) -> Result<Self, NameError> {
        let mut bytes = [0; 64];
        hex_decode(text, &mut bytes[..20]).ok_or(NameError {
            kind: "shasum",
            text: text.chars().take(200).collect(),
            rule: "is not 40 hexadecimal digits",
        })?;
        Ok(Self { algorithm: Algorithm::Sha1, bytes })
    }

    /// From the bare digest; `None` when the length is wrong.
    pub fn from_bytes(algorithm: Algorithm, digest: &[u8]) -> Option<Self> {
        let mut bytes = [0; 64];
        bytes.get_mut(..digest.len())?.copy_from_slice(digest);
        (digest.len() == algorithm.size()).then_some(Self { algorithm, bytes })
    }

    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.size()]
    }
}
impl From<Hash> for Integrity {
    fn from(hash: Hash) -> Self {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&hash.0);
        Self { algorithm: Algorithm::Sha256, bytes }
    }
}
impl fmt::Display for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.algorithm.name())?;
        f.write_str("-")?;
        f.write_str(&base64(self.bytes()))
    }
}
impl fmt::Debug for Integrity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Computes one integrity over bytes as they stream by.
#[derive(Clone)]
pub enum Hasher {
    Sha1(sha1::Sha1),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    pub fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha1 => Self::Sha1(sha1::Sha1::default()),
            Algorithm::Sha256 => Self::Sha256(Sha256::new()),
            Algorithm::Sha384 => Self::Sha384(Sha384::new()),
            Algorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(h) => h.update(bytes),
            Self::Sha256(h) => h.update(bytes),
            Self::Sha384(h) => h.update(bytes),
            Self::Sha512(h) => h.update(bytes),
        }
    }
    pub fn finish(self) -> Integrity {
        let mut bytes = [0; 64];
        let algorithm = match self {
            Self::Sha1(h) => {
                bytes[..20].copy_from_slice(&h.finalize());
                Algorithm::Sha1
            }
            Self::Sha256(h) => {
                bytes[..32].copy_from_slice(&h.finalize());
                Algorithm::Sha256
            }
            Self::Sha384(h) => {
                bytes[..48].copy_from_slice(&h.finalize());
                Algorithm::Sha384
            }
            Self::Sha512(h) => {
                bytes[..64].copy_from_slice(&h.finalize());
                Algorithm::Sha512
            }
        };
        Integrity { algorithm, bytes }
    }
}

#[cfg(test)]
mod tests;
