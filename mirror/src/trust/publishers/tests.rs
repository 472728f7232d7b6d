use super::*;
use crate::digest::{Algorithm, Hash};
use crate::record::Ecosystem;
use crate::trust::SecretKey;

fn secret(n: u8) -> SecretKey {
    SecretKey::new([n; 32]).unwrap()
}

fn publisher(n: u8, scope: &str) -> Publisher {
    Publisher { key: secret(n).public(), name: String::new(), scope: scope.into() }
}

#[test]
fn of_whom_something_is_asked() {
    let key = |source: &str, name: &str| Key {
        ecosystem: if source == "minz" { Ecosystem::Minz } else { Ecosystem::Npm },
        source: source.into(),
        name: name.into(),
    };
    let of = |rules: &[(&str, Policy)], key: &Key| {
        let rules = rules.iter().map(|(p, policy)| Rule::new(p, *policy).unwrap()).collect();
        Publishers::new(rules, "ring".into(), |_| Ok(Vec::new())).policy(key)
    };
    use Policy::{Off, Required, Warn};
    let rules = [
        ("*", Warn),
        ("minz:*", Off),
        ("@a/*", Required),
        ("@a/b", Off),
        ("npm:left", Required),
        ("left", Off),
        ("r.example.com:8080:*", Required),
    ];
    for (source, name, expected) in [
        ("npm", "x", Warn),
        ("minz", "x", Off),
        ("npm", "@a/c", Required),
        ("npm", "@a/b", Off),
        ("npm", "@ab/c", Warn),
        ("npm", "left", Required),
        ("npm", "left-pad", Warn),
        ("r.example.com:8080", "x", Required),
        ("minz", "left", Off),
    ] {
        assert_eq!(of(&rules, &key(source, name)), expected, "{source} {name}");
    }
    // None, two of the same: nothing, the stricter.
    assert_eq!(of(&[], &key("npm", "x")), Off);
    assert_eq!(of(&[("x", Required), ("x", Warn)], &key("npm", "x")), Required);
    for bad in ["", "a*", "@a*", "@a/", "@/*", "@a/*/*", "**", ":*", "npm:", "a b", "../x", "a@1", "npm:a*"] {
        assert_eq!(Rule::new(bad, Warn), None, "{bad}");
    }
}

#[test]
fn a_statement_is_of_one_package_one_version_and_one_hash() {
    let ring = |_: &Path| Ok(vec![publisher(1, ""), publisher(2, "@a")]);
    assert!(publisher(2, "@a").is_for("@a/b") && !publisher(2, "@a").is_for("@ab/c"));
    let all = Publishers::new(vec![Rule::new("*", Policy::Required).unwrap()], "ring".into(), ring);
    let hash = |text: &str| Integrity::from(Hash::of(text.as_bytes()));
    let fact = |n: u8, name: &str, version: &str, integrity: Integrity| {
        let (name, version) = (name.to_string(), version.to_string());
        let said = Statement { ecosystem: Ecosystem::Npm, name, version, integrity, date: 7 };
        said.fact(secret(n).public().id(), &said.sign(&secret(n)))
    };
    let check = |policy, facts: &[(String, String)]| match all.check(
        policy,
        &Key::npm("left"),
        "1.0.0",
        &hash("x"),
        facts,
    ) {
        Ok(None) => "good",
        Ok(Some(_)) => "said",
        Err(Error::Unvouched(u)) => match u.doubt {
            Doubt::Unsigned => "unsigned",
            Doubt::Unknown(_) => "unknown",
            Doubt::OtherKind(_) => "other kind",
            Doubt::Wrong(_) => "wrong",
        },
        Err(e) => panic!("{e}"),
    };
    let good = fact(1, "left", "1.0.0", hash("x"));
    let long = Integrity::from_bytes(Algorithm::Sha512, &[7; 64]).unwrap();
    let (name, value) = good.clone();
    for (facts, expected) in [
        (vec![good.clone()], "good"),
        (vec![], "unsigned"),
        (vec![("targets".into(), "z80".into()), ("signature.".into(), value.clone())], "unsigned"),
        (vec![fact(3, "left", "1.0.0", hash("x"))], "unknown"),
        // A key that counts for another scope.
        (vec![fact(2, "left", "1.0.0", hash("x"))], "unknown"),
        (vec![fact(1, "right", "1.0.0", hash("x"))], "wrong"),
        (vec![fact(1, "left", "1.0.1", hash("x"))], "wrong"),
        (vec![fact(1, "left", "1.0.0", hash("y"))], "wrong"),
        (vec![fact(1, "left", "1.0.0", long)], "other kind"),
        (vec![(name.clone(), value.replacen('7', "8", 1))], "wrong"),
        (vec![(name.clone(), String::new())], "wrong"),
        // Another's signature under a name that is trusted.
        (vec![(name.clone(), fact(3, "left", "1.0.0", hash("x")).1)], "wrong"),
        // A good one is enough, whatever is beside it.
        (vec![(name, String::new()), fact(3, "left", "1.0.0", hash("x")), good], "good"),
    ] {
        assert_eq!(check(Policy::Required, &facts), expected, "{facts:?}");
        let known = ["good", "wrong"].contains(&expected);
        assert_eq!(check(Policy::Warn, &facts), if known { expected } else { "said" }, "{facts:?}");
        assert_eq!(check(Policy::Off, &facts), if known { expected } else { "good" }, "{facts:?}");
    }
}
