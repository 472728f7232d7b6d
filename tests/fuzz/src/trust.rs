//! Texts that are signed, what is remembered of mirrors, keyrings and signatures' files.

use mirror::held::Held;
use mirror::trust::{Head, Keys, Pin, PublicKey, body_hash};
use mirror::want::WantList;
use pantry::keyring::{Keyring, Signed};

/// What is read is written and read again, the same.
pub fn trust(data: &[u8]) {
    if let Some(keys) = Keys::parse(data) {
        assert_eq!(Keys::parse(&keys.to_bytes()), Some(keys.clone()));
        // What is written is what was read, signatures in any number included: nothing is read in two ways.
        assert_eq!(keys.to_bytes(), data);
        _ = keys.is_whole();
    }
    if let Some(head) = Head::parse(data) {
        assert_eq!(head.to_bytes(), data);
        assert!(!head.is_signed_by(&[]));
    }
    if let Some(pin) = Pin::parse(data) {
        assert_eq!(Pin::parse(&pin.to_bytes()), Some(pin));
    }
    if let Ok(ring) = Keyring::parse(data) {
        assert_eq!(Keyring::parse(ring.to_text().as_bytes()), Ok(ring));
    }
    if let Some(signed) = Signed::parse(data) {
        assert_eq!(Signed::parse(signed.to_text().as_bytes()), Some(signed));
    }
    if let Some(key) = std::str::from_utf8(data).ok().and_then(PublicKey::from_pem) {
        assert_eq!(PublicKey::from_pem(&key.to_pem()), Some(key));
        assert_eq!(PublicKey::parse(&key.to_string()), Some(key));
    }
    _ = body_hash(data);
}

/// What is missing on machines, and what mirrors were seen to hold.
pub fn want(data: &[u8]) {
    if let Some(mut list) = WantList::parse(data) {
        assert_eq!(WantList::parse(&list.to_bytes()).as_ref(), Some(&list));
        let (wants, lacks) = (list.wants.clone(), list.lacks.clone());
        assert!(!list.want(&wants) && !list.lack(&lacks));
    }
    if let Some(held) = Held::parse(data) {
        assert_eq!(Held::parse(&held.to_bytes()), Some(held));
    }
}
