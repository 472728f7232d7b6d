use super::*;

fn secret(n: u8) -> SecretKey {
    SecretKey::new([n; 32]).unwrap()
}

fn entry(n: u8, name: &str, scope: &str) -> Entry {
    Entry { key: secret(n).public(), name: name.into(), scope: scope.into() }
}

fn npm(name: &str, version: &str) -> Option<(Ecosystem, String, String)> {
    Some((Ecosystem::Npm, name.into(), version.into()))
}

/// As the earlier program wrote it: base64 of the bare key between the markers.
fn earlier(n: u8) -> String {
    let key = secret(n).public();
    format!("\"{}\": \"-----BEGIN PUBLIC KEY-----\\n{key}\\n-----END PUBLIC KEY-----\\n\"", key.id())
}

#[test]
fn keyrings_of_now_and_of_the_earlier_program() {
    let mut ring = Keyring::default();
    for n in 1..6 {
        ring.add(entry(n, if n == 2 { "Zoë \"Z\"" } else { "" }, if n == 3 { "@x" } else { "" }));
    }
    assert_eq!(Keyring::parse(ring.to_text().as_bytes()), Ok(Keyring(ring.0.clone())));
    assert_eq!(ring.0.len(), 5);
    ring.add(entry(1, "one", ""));
    assert_eq!((ring.0.len(), ring.find(secret(1).public().id()).unwrap().name.as_str()), (5, "one"));
    let old = format!("{{{}, {}}}", earlier(1), earlier(2));
    let old = Keyring::parse(old.as_bytes()).unwrap();
    assert_eq!(old.find(secret(2).public().id()), Some(&entry(2, "", "")));
    assert_eq!(old.find(secret(3).public().id()), None);
    assert_eq!(Keyring::parse(b"{}"), Ok(Keyring::default()));
    let small = earlier(1).replace(&secret(1).public().to_string(), &"A".repeat(43)) + "=";
    for bad in [
        "".to_string(),
        "[]".into(),
        "{\"x\": 1}".into(),
        format!("{{{}", earlier(1)),
        format!("{{{}}} x", earlier(1)),
        // Under another's id; no key at all; one that fits everything.
        format!(
            "{{{}}}",
            earlier(1).replacen(
                &secret(1).public().id().to_string(),
                &secret(2).public().id().to_string(),
                1
            )
        ),
        format!("{{{}}}", earlier(1).replace("PUBLIC", "PRIVATE")),
        format!("{{{small}}}"),
    ] {
        assert!(Keyring::parse(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn a_signature_is_of_bytes_a_name_a_version_and_a_date() {
    let (key, friend) = (secret(1), entry(1, "Friend", ""));
    let signed = Signed::new(&key, b"bytes", npm("left", "1.0.0"), 1_700_000_000);
    let text = signed.to_text();
    assert_eq!(Signed::parse(text.as_bytes()), Some(Signed::parse(text.as_bytes()).unwrap()));
    let parse = |text: &str| Signed::parse(text.as_bytes());
    let good = |text: &str, bytes: &[u8]| parse(text).is_some_and(|s| s.verify(&friend, bytes).is_ok());
    assert!(good(&text, b"bytes") && !good(&text, b"Bytes"));
    assert!(parse(&text).unwrap().verify(&entry(2, "", ""), b"bytes").is_err());
    for (from, to) in [
        ("npm:left", "npm:right"),
        ("npm:left", "minz:left"),
        ("1.0.0", "1.0.1"),
        ("1700000000", "1700000001"),
    ] {
        assert!(text.contains(from) && !good(&text.replace(from, to), b"bytes"), "{from}");
    }
    // The statement of one archive beside the bytes of another, each signed.
    let other = Signed::new(&key, b"others", npm("left", "1.0.0"), 1_700_000_000);
    let mixed = Signed { statement: other.statement, ..parse(&text).unwrap() };
    assert!(mixed.verify(&friend, b"bytes").is_err());
    // Half a statement is none.
    let without = |field: &str| {
        let at = text.find(&format!(",\"{field}\"")).unwrap();
        let end = text[at + 1..].find([',', '}']).unwrap() + at + 1;
        format!("{}{}", &text[..at], &text[end..])
    };
    for field in ["package", "version", "integrity", "statement", "signature", "key_id", "timestamp"] {
        assert!(parse(&without(field)).is_none(), "{field}");
    }
    for bad in [
        text.replace("ed25519", "sha256"),
        text.replace("{\"algorithm", "{\"algorithm\":\"ed25519\",\"algorithm"),
        text.replace(&signed.key.to_string(), "0123"),
        text.replace("npm:left", "left"),
        text.replace("\"1.0.0\"", "1"),
        format!("{text}x"),
        "{}".into(),
    ] {
        assert!(parse(&bad).is_none(), "{bad}");
    }
}

#[test]
fn what_the_earlier_program_signed_is_read_and_counts_for_no_scope() {
    let key = secret(1);
    let text = format!(
        "{{\"algorithm\":\"ed25519\",\"signature\":\"{}\",\"key_id\":\"{}\",\"timestamp\":5,\"key_url\":\"x\"}}\n",
        key.sign(b"bytes"),
        key.public().id()
    );
    let signed = Signed::parse(text.as_bytes()).unwrap();
    assert!(signed.statement.is_none());
    assert_eq!(signed.verify(&entry(1, "", ""), b"bytes"), Ok(()));
    assert!(signed.verify(&entry(1, "", "@x"), b"bytes").is_err());
}

#[test]
fn a_key_for_a_scope_counts_for_nothing_else() {
    let signed = |name: &str| Signed::new(&secret(1), b"bytes", npm(name, "1.0.0"), 5);
    let friend = entry(1, "", "@x");
    assert!(signed("@x/left").verify(&friend, b"bytes").is_ok());
    for name in ["left", "@xy/left", "@x", "@y/left"] {
        assert!(signed(name).verify(&friend, b"bytes").is_err(), "{name}");
    }
}
