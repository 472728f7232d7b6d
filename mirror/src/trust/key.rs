//! Ed25519 keys and signatures (RFC 8032), in the strict reading: the scalar below the group's
//! order, points in their one encoding and not of small order. So nobody but the key's owner can
//! make a second signature of a text, and no key has a signature that fits every text.
//! `ed25519-compact` checks all of that with every verification; a table of such cases is the test.

use crate::digest::{self, Hash, hex, hex_decode};
use crate::error::{Error, Result};
use base64ct::{Base64, Encoding};
use std::fmt;
use std::path::Path;

/// The first eight bytes of a public key's SHA-256, as 16 hexadecimal digits: a name, not a proof.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyId([u8; 8]);

/// A public key that signatures can be checked with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey([u8; 32]);

#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 64]);

/// Overwritten in memory when it goes. Shown as its id, never as itself.
#[derive(Clone)]
pub struct SecretKey(ed25519_compact::KeyPair);

impl KeyId {
    /// 16 lower-case hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut id = [0; 8];
        hex_decode(text, &mut id).filter(|()| text.bytes().all(|b| !b.is_ascii_uppercase()))?;
        Some(Self(id))
    }
}

impl PublicKey {
    /// `None`: these bytes are no key, or one that verifies nothing.
    pub fn new(bytes: [u8; 32]) -> Option<Self> {
        ed25519_compact::PublicKey::new(bytes).validate().ok()?;
        Some(Self(bytes))
    }
    /// Base64, as [`Display`](fmt::Display) writes it.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        digest::base64_decode(text.as_bytes(), &mut bytes)?;
        Self::new(bytes)
    }
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
    pub fn id(&self) -> KeyId {
        let mut id = [0; 8];
        id.copy_from_slice(&Hash::of(&self.0).0[..8]);
        KeyId(id)
    }
    pub fn verify(&self, message: &[u8], signature: &Signature) -> bool {
        let signature = ed25519_compact::Signature::new(signature.0);
        ed25519_compact::PublicKey::new(self.0).verify(message, &signature).is_ok()
    }
}

impl Signature {
    pub fn new(bytes: [u8; 64]) -> Self {
        Self(bytes)
    }
    /// Base64 with padding.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 64];
        digest::base64_decode(text.as_bytes(), &mut bytes)?;
        Some(Self(bytes))
    }
    pub fn bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

impl SecretKey {
    /// A new one, from the system's random numbers.
    pub fn generate() -> Result<Self> {
        let mut seed = [0; 32];
        loop {
            getrandom::getrandom(&mut seed).map_err(|e| Error::Io {
                action: "read",
                path: "/dev/urandom".into(),
                source: std::io::Error::other(e.to_string()),
            })?;
            if let Some(key) = Self::new(seed) {
                return Ok(key);
            }
        }
    }
    /// The key of this seed; `None`: all zeros.
    pub fn new(seed: [u8; 32]) -> Option<Self> {
        ed25519_compact::KeyPair::try_from_seed(ed25519_compact::Seed::new(seed)).ok().map(Self)
    }
    /// The seed as 64 hexadecimal digits, with or without a newline behind them.
    pub fn parse(text: &str) -> Option<Self> {
        let mut seed = [0; 32];
        hex_decode(text.trim(), &mut seed)?;
        Self::new(seed)
    }
    /// The seed as [`parse`](Self::parse) reads it: for the file that keeps it.
    pub fn to_text(&self) -> String {
        hex(&*self.0.sk.seed())
    }
    pub fn public(&self) -> PublicKey {
        PublicKey(*self.0.pk)
    }
    /// The same text gives the same signature.
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature(*self.0.sk.sign(message, None))
    }
    /// Reads a key's file. `None`: it holds none.
    pub fn read(path: &Path) -> Result<Option<Self>> {
        let bytes = crate::file::read(path, 4096)?;
        Ok(std::str::from_utf8(&bytes).ok().and_then(Self::parse))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}
impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64::encode_string(&self.0))
    }
}
impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Base64::encode_string(&self.0))
    }
}
impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({})", self.public().id())
    }
}
