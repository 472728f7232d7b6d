//! Texts that are signed, what is remembered of mirrors, keyrings, signatures' files and statements in an index.

use mirror::digest::{Hash, Integrity};
use mirror::held::Held;
use mirror::record::Key;
use mirror::trust::{Head, Keys, Pin, Policy, PublicKey, Publisher, Publishers, Rule, SecretKey, body_hash};
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
    if let Ok(text) = std::str::from_utf8(data) {
        statement(text);
    }
}

/// Nothing that anybody makes up is what a trusted key has signed: whatever stands under its name is wrong.
fn statement(text: &str) {
    let key = SecretKey::new([1; 32]).expect("a seed").public();
    let all = Publishers::new(vec![], "keyring.json".into(), |_| {
        let key = SecretKey::new([1; 32]).expect("a seed").public();
        Ok(vec![Publisher { key, name: String::new(), scope: String::new() }])
    });
    let installed = Integrity::from(Hash::of(b"x"));
    let check =
        |facts: &[(String, String)]| all.check(Policy::Off, &Key::npm("left"), "1.0.0", &installed, facts);
    assert!(check(&[(format!("signature.{}", key.id()), text.to_string())]).is_err());
    _ = check(&[(text.to_string(), text.to_string())]);
    for word in text.split_ascii_whitespace() {
        if let Some(rule) = Rule::new(word, Policy::Required) {
            _ = Publishers::new(vec![rule], "keyring.json".into(), |_| Ok(vec![])).policy(&Key::npm(word));
        }
    }
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
