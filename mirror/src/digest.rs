//! Hashes: our own SHA-256 of every file of a mirror, and the integrity an
//! upstream gives for an archive (Subresource Integrity, or npm's old shasum).

use crate::name::NameError;
use base64ct::{Base64, Encoding};
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
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}
impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// RFC 4648 base32, upper case, no padding.
pub fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut acc, mut bits) = (0u32, 0);
    for &b in bytes {
        acc = (acc << 8) | u32::from(b);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(ALPHABET[((acc >> bits) & 31) as usize]));
        }
    }
    if bits > 0 {
        out.push(char::from(ALPHABET[((acc << (5 - bits)) & 31) as usize]));
    }
    out
}

fn hex_decode(text: &str, out: &mut [u8]) -> Option<()> {
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

/// RFC 4648 base64 with padding, only its one canonical spelling, into exactly
/// `out`. A digest is no secret: base64ct's constant time took a quarter of
/// reading a lockfile.
fn base64_decode(text: &[u8], out: &mut [u8]) -> Option<()> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const DIGITS: [u8; 256] = {
        let (mut table, mut i) = ([255; 256], 0);
        while i < 64 {
            table[ALPHABET[i] as usize] = i as u8;
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
        write!(f, "{}-{}", self.algorithm.name(), Base64::encode_string(self.bytes()))
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
mod tests {
    use super::*;

    #[test]
    fn names_and_text() {
        let h = Hash::of(b"");
        assert_eq!(h.to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(Hash::parse(&h.to_string()).unwrap(), h);
        assert!(Hash::parse(&h.to_string().to_uppercase()).is_err(), "a hash is written in one way");
        // First 11 characters of `printf '' | sha256sum | xxd -r -p | base32`.
        assert_eq!(h.file_name(), "4OYMIQUY.7QO");
        for not in ["", "e3", &h.to_string()[1..], &format!("{h}0"), &"g".repeat(64)] {
            assert!(Hash::parse(not).is_err(), "{not}");
        }
        assert_eq!(format!("{h:?}"), h.to_string());
        // The test vectors of RFC 4648, without their padding.
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn base64_is_read_as_base64ct_reads_it() {
        for size in [20, 32, 48, 64] {
            for seed in 0..50u8 {
                let digest: Vec<u8> = (0..size).map(|i| (i as u8).wrapping_mul(seed) ^ seed).collect();
                let text = Base64::encode_string(&digest);
                let mut out = vec![0; size];
                assert_eq!(base64_decode(text.as_bytes(), &mut out), Some(()));
                assert_eq!(out, digest);
                // Every damage to one character: the same verdict and bytes.
                for at in 0..text.len() {
                    for c in *b"A/=-_ \x80z" {
                        let mut damaged = text.clone().into_bytes();
                        damaged[at] = c;
                        let mut theirs = vec![0; size + 3];
                        let expected = Base64::decode(&damaged, &mut theirs).ok().filter(|d| d.len() == size);
                        let ours = base64_decode(&damaged, &mut out).map(|()| &out[..]);
                        assert_eq!(ours, expected, "{:?}", String::from_utf8_lossy(&damaged));
                    }
                }
                let mut longer = vec![0; size + 1];
                assert_eq!(base64_decode(text.as_bytes(), &mut longer), None);
                assert_eq!(base64_decode(&text.as_bytes()[..text.len() - 1], &mut out), None);
            }
        }
    }

    #[test]
    fn strongest_hash_is_kept() {
        let sha512 = {
            let mut h = Hasher::new(Algorithm::Sha512);
            h.update(b"x");
            h.finish()
        };
        let sha1 = {
            let mut h = Hasher::new(Algorithm::Sha1);
            h.update(b"x");
            h.finish()
        };
        let both = Integrity::parse(&format!("{sha1} {sha512}?opt md5-xx")).unwrap();
        assert_eq!(both, sha512);
        assert_eq!(Integrity::parse(&sha512.to_string()).unwrap(), sha512);
        assert_eq!(Integrity::from_shasum("11f6ad8ec52a2984abaafd7c3b516503785c2072").unwrap(), sha1);
        for bad in ["", "sha512", "sha512-", "sha512-AAAA", "md5-AAAA", "sha512-!!!"] {
            assert!(Integrity::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_function_has_its_name_its_length_and_its_digest() {
        // Of `abc`, as FIPS 180 gives them.
        let digests = [
            (Algorithm::Sha1, "a9993e36"),
            (Algorithm::Sha256, "ba7816bf"),
            (Algorithm::Sha384, "cb00753f"),
            (Algorithm::Sha512, "ddaf35a1"),
        ];
        for (algorithm, begins) in digests {
            let mut h = Hasher::new(algorithm);
            h.update(b"a");
            h.update(b"bc");
            let i = h.finish();
            assert_eq!((i.algorithm(), i.bytes().len()), (algorithm, algorithm.size()));
            let hex: String = i.bytes().iter().map(|b| format!("{b:02x}")).collect();
            assert!(hex.starts_with(begins), "{hex}");
            let text = i.to_string();
            assert!(text.starts_with(&format!("{}-", algorithm.name())));
            assert_eq!(Integrity::parse(&text).unwrap(), i);
            assert_eq!(format!("{i:?}"), text);
            assert_eq!(Integrity::from_bytes(algorithm, i.bytes()), Some(i.clone()));
            for wrong in [0, 19, i.bytes().len() + 1, 65] {
                assert_eq!(Integrity::from_bytes(algorithm, &[7; 65][..wrong]), None, "{wrong}");
            }
            assert_eq!(algorithm.is_strong(), algorithm != Algorithm::Sha1);
            // Among equally strong ones the first, as among unequal ones the stronger, wherever it stands.
            let other = Integrity::from_bytes(algorithm, &vec![7; algorithm.size()]).unwrap();
            assert_eq!(Integrity::parse(&format!("{i} {other}")).unwrap(), i);
            assert_eq!(Integrity::parse(&format!("{other} {i}")).unwrap(), other);
        }
        let shasum = "a9993e364706816aba3e25717850c26c9cd0d89d";
        let i = Integrity::from_shasum(shasum).unwrap();
        assert_eq!(i.to_string(), "sha1-qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
        assert_eq!(Integrity::from_shasum(&shasum.to_uppercase()).unwrap(), i);
        for not in ["", &shasum[2..], &format!("{shasum}00"), &shasum.replace('a', "g")] {
            assert!(Integrity::from_shasum(not).is_err(), "{not}");
        }
    }
}
