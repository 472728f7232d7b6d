use super::*;
use base64ct::{Base64, Encoding};

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
fn base64_is_that_of_base64ct() {
    for size in [20, 32, 48, 64] {
        for seed in 0..50u8 {
            let digest: Vec<u8> = (0..size).map(|i| (i as u8).wrapping_mul(seed) ^ seed).collect();
            let text = Base64::encode_string(&digest);
            assert_eq!(base64(&digest), text);
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
