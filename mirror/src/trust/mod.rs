//! Who says that a mirror's state is the mirror's: keys, signatures, the chain of a mirror's keys,
//! and the heads that go round.
//!
//! Everything that is signed is a short text of its own kind, whose first line names the kind: a
//! signature of one is none of another. A snapshot is signed through its *head*, four lines that
//! name the mirror, the sequence and the SHA-256 of what the snapshot says. So a head with its
//! signatures proves by itself, wherever it is met, that its mirror was that far: a machine that
//! hands it on need not be believed, and makes nothing up.
//!
//! The root slots are not signed (their two fields for it stay `-`): the sequence and the hash that
//! they give are held against the snapshot, which is. A slot that was signed as well would say
//! nothing more, since the older slot's signature could be put back together with it.
//!
//! What a machine makes of all that, and remembers, is in `machine`.

mod chain;
mod change;
mod head;
mod key;
mod machine;
mod pem;
mod publishers;
mod seen;
mod statement;

pub use chain::Keys;
pub(crate) use head::hashes;
pub use head::{Head, body_hash};
pub use key::{KeyId, PublicKey, SecretKey, Signature};
pub use machine::{How, Pin, Policy, Trust, Untrusted, Why};
pub(crate) use publishers::is_statement;
pub use publishers::{Doubt, Publisher, Publishers, Rule, Unvouched};
pub use statement::Statement;

/// Signatures of a document: by which key, and what.
pub type Signed = Vec<(KeyId, Signature)>;

/// A text document, line by line, in its one order.
pub(crate) struct Lines<'a>(pub &'a str);

impl<'a> Lines<'a> {
    /// A document of that kind, in the one version of it that there is.
    pub fn of(kind: &str, bytes: &'a [u8]) -> Option<Self> {
        let mut lines = Self(std::str::from_utf8(bytes).ok()?);
        lines.take(kind).filter(|version| *version == "1")?;
        Some(lines)
    }

    /// What follows `keyword` and a blank, if that is what the next line is.
    pub fn take(&mut self, keyword: &str) -> Option<&'a str> {
        let rest = self.0.strip_prefix(keyword)?.strip_prefix(' ')?;
        let (value, rest) = rest.split_once('\n')?;
        self.0 = rest;
        Some(value)
    }

    /// The signatures at the end; `None` unless the document ends with them.
    pub fn signatures(&mut self) -> Option<Signed> {
        let mut out = Signed::new();
        while let Some(signature) = self.signature() {
            out.push(signature?);
        }
        self.0.is_empty().then_some(out)
    }

    /// The signature that the next line is, if it is one: `Some(None)` when it is broken.
    pub fn signature(&mut self) -> Option<Option<(KeyId, Signature)>> {
        let (key, signature) = self.take("signature")?.split_once(' ').unwrap_or_default();
        Some(KeyId::parse(key).zip(Signature::parse(signature)))
    }
}

/// A document and the lines that [`Lines::signatures`] reads.
pub(crate) fn with_signatures(mut text: String, signatures: &[(KeyId, Signature)]) -> Vec<u8> {
    for (key, signature) in signatures {
        text.push_str(&format!("signature {key} {signature}\n"));
    }
    text.into_bytes()
}

/// How many of `keys` have signed.
pub(crate) fn count(keys: &[PublicKey], signatures: &[(KeyId, Signature)], message: &[u8]) -> usize {
    let signed = |key: &&PublicKey| {
        signatures.iter().any(|(id, signature)| *id == key.id() && key.verify(message, signature))
    };
    keys.iter().filter(signed).count()
}

#[cfg(test)]
mod tests;
