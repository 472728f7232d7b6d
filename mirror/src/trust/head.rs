//! What is signed of a snapshot, and how the signature gets into it.
//!
//! ```text
//! pantry-head 1
//! id ID               the mirror
//! sequence N
//! body HASH           SHA-256 of the snapshot up to its first signature line
//! signature KEY SIGNATURE   * over the four lines above; the snapshot's own
//! ```
//! A file in SEE/ is such a head with its signatures. In a snapshot only the signatures stand: the
//! rest follows from it.

use super::{Lines, PublicKey, SecretKey, Signature, Signed, count, with_signatures};
use crate::digest::Hash;
use crate::error::{Error, Result};
use crate::mirror::Mirror;
use crate::root::number;
use crate::snapshot::{MirrorId, Snapshot};
use sha2::{Digest, Sha256};

/// How far a mirror was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub id: MirrorId,
    pub sequence: u64,
    pub body: Hash,
    pub signatures: Signed,
}

impl Head {
    /// The head of a snapshot whose [`body_hash`] is given. Of its signatures those that can be ours.
    pub fn of(snapshot: &Snapshot, body: Hash) -> Self {
        let ours = |(key, signature): &(String, String)| {
            Some((super::KeyId::parse(key)?, Signature::parse(signature)?))
        };
        let signatures = snapshot.signatures.iter().filter_map(ours).collect();
        Self { id: snapshot.id, sequence: snapshot.sequence, body, signatures }
    }

    /// Whether one of the keys has signed it.
    pub fn is_signed_by(&self, keys: &[PublicKey]) -> bool {
        count(keys, &self.signatures, self.text().as_bytes()) > 0
    }

    fn text(&self) -> String {
        format!("pantry-head 1\nid {}\nsequence {}\nbody {}\n", self.id, self.sequence, self.body)
    }

    /// The file in SEE/.
    pub fn to_bytes(&self) -> Vec<u8> {
        with_signatures(self.text(), &self.signatures)
    }

    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = Lines::of("pantry-head", bytes)?;
        let id = MirrorId::parse(lines.take("id")?)?;
        let sequence = number(lines.take("sequence")?).ok()?;
        let body = Hash::parse(lines.take("body")?).ok()?;
        Some(Self { id, sequence, body, signatures: lines.signatures()? })
    }
}

/// SHA-256 of what a snapshot says: of its bytes up to the first signature line.
pub fn body_hash(bytes: &[u8]) -> Hash {
    hashes(bytes).1
}

/// The hash of a snapshot's whole file, and that of its body, in one pass.
pub(crate) fn hashes(bytes: &[u8]) -> (Hash, Hash) {
    let mut end = bytes.len();
    while let Some((_, before)) = bytes[..end].split_last() {
        let line = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        if !bytes[line..].starts_with(b"signature ") {
            break;
        }
        end = line;
    }
    let mut hasher = Sha256::new_with_prefix(&bytes[..end]);
    let body = Hash(hasher.clone().finalize().into());
    hasher.update(&bytes[end..]);
    (Hash(hasher.finalize().into()), body)
}

impl Mirror {
    /// From now on, commits to this opening, its clones and refreshed views are signed with these keys.
    pub fn sign_with(&self, keys: Vec<SecretKey>) {
        let _ = self.signers().set(keys);
    }

    /// How far this mirror is, as its origin signed it.
    pub fn head(&self) -> Head {
        Head::of(self.snapshot(), self.body())
    }

    /// The bytes of the state that is to follow: signed, where there is a key for it. A mirror that
    /// was signed is not continued without.
    pub(crate) fn sealed(&self, next: &mut Snapshot) -> Result<Vec<u8>> {
        let keys = self.signers().get().map_or(&[][..], Vec::as_slice);
        if keys.is_empty() && !self.snapshot().signatures.is_empty() {
            return Err(Error::NoKey { path: self.dir().into() });
        }
        Ok(next.sealed(keys))
    }
}

impl Snapshot {
    /// Its bytes, with no signatures but those of `keys`.
    pub(crate) fn sealed(&mut self, keys: &[SecretKey]) -> Vec<u8> {
        self.signatures.clear();
        let bytes = self.to_bytes();
        if keys.is_empty() {
            return bytes;
        }
        let head = Head::of(self, body_hash(&bytes)).text();
        let sign = |key: &SecretKey| (key.public().id().to_string(), key.sign(head.as_bytes()).to_string());
        self.signatures = keys.iter().map(sign).collect();
        self.to_bytes()
    }
}
