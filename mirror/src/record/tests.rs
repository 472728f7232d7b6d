use super::*;
use crate::digest::{Algorithm, Hasher};
use proptest::prelude::*;

pub(crate) fn sample() -> Record {
    let mut h = Hasher::new(Algorithm::Sha512);
    h.update(b"archive");
    let mut a = VersionRecord::new(Version::parse("1.0.0-rc.1").unwrap());
    a.integrity = Some(h.finish());
    a.sha256 = Some(Hash::of(b"archive"));
    a.location = Location::Pack { pack: Hash::of(b"pack"), offset: 77 };
    a.size = 7;
    a.unpacked = 70_000;
    a.published = 1_700_000_000;
    let dep = |name: &str, range: &str, kind| Dependency {
        name: name.into(),
        range: range.into(),
        kind,
        condition: String::new(),
    };
    a.dependencies = vec![
        dep("a", "^1.0.0", DependencyKind::Normal),
        dep("@b/c", "npm:x@1 || 2", DependencyKind::PeerOptional),
        Dependency { condition: "zx".into(), ..dep("d", "", DependencyKind::Dev) },
    ];
    a.bins = vec![("x".into(), "bin/x.js".into())];
    a.os = vec!["!win32".into()];
    a.libc = vec!["musl".into()];
    a.engines = vec![("node".into(), ">=18".into())];
    a.extra = vec![("feature.x".into(), "y".into())];
    a.bundled = vec!["z".into()];
    let mut b = VersionRecord::new(Version::new(1, 0, 0));
    b.location = Location::Blob;
    b.deprecated = Some(String::new());
    b.tarball = Some("https://example.com/x.tgz".into());
    b.install_script = true;
    b.cpu = vec!["arm64".into()];
    Record {
        key: Key::npm("@scope/name"),
        complete: true,
        checked: 5,
        etag: "W/\"x\"".into(),
        modified: 6,
        tags: vec![("latest".into(), "1.0.0".into()), ("next".into(), "1.0.0-rc.1".into())],
        versions: vec![a, b, VersionRecord::new(Version::new(10, 0, 0))],
    }
}

fn encoded(r: &Record) -> Vec<u8> {
    let mut out = Vec::new();
    r.encode(&mut out).unwrap();
    out
}

#[test]
fn round_trip_and_view() {
    let r = sample();
    let bytes = encoded(&r);
    assert_eq!(Record::decode(&bytes).unwrap(), r);
    let v = RecordView::parse(bytes.into()).unwrap();
    assert_eq!(v.key(), &r.key);
    assert_eq!((v.complete(), v.checked(), v.modified(), v.etag()), (true, 5, 6, "W/\"x\""));
    assert_eq!(v.tag("next"), Some("1.0.0-rc.1"));
    assert_eq!(v.tag("beta"), None);
    assert_eq!(v.versions().collect::<Vec<_>>(), ["1.0.0-rc.1", "1.0.0", "10.0.0"]);
    assert_eq!([0, 1, 2].map(|i| v.is_present(i)), [true, true, false]);
    assert_eq!([0, 1, 2].map(|i| v.is_deprecated(i)), [false, true, false]);
    assert_eq!(v.published(0), 1_700_000_000);
    assert_eq!(v.packs().collect::<Vec<_>>(), [Hash::of(b"pack")]);
    assert_eq!(v.load(1).unwrap(), r.versions[1]);
    assert!(v.load(3).is_err());
    assert_eq!((v.version(3), v.is_present(3), v.find("1.0.0")), ("", false, Some(1)));
}

#[test]
fn same_facts_same_bytes_whatever_the_order() {
    let r = sample();
    let mut b = RecordBuilder::new(r.key.clone());
    (b.complete, b.checked, b.etag, b.modified) = (true, 5, r.etag.clone(), 6);
    b.tags = r.tags.iter().rev().cloned().collect();
    b.push_version(&VersionRecord::new(Version::new(1, 0, 0))).unwrap();
    for v in r.versions.iter().rev() {
        b.push_version(v).unwrap();
    }
    assert_eq!(b.finish().unwrap(), encoded(&r));
}

#[test]
fn what_the_format_cannot_hold_is_an_error() {
    let mut r = sample();
    r.versions[0].deprecated = Some("x".repeat(3 << 20));
    assert!(matches!(r.encode(&mut Vec::new()), Err(Error::Record { .. })));
    let mut r = sample();
    r.key.name = "a\0b".into();
    assert!(matches!(r.encode(&mut Vec::new()), Err(Error::Record { .. })));
}

#[test]
fn every_cut_is_found() {
    let bytes = encoded(&sample());
    for n in 0..bytes.len() {
        assert!(Record::decode(&bytes[..n]).is_err(), "{n}");
    }
    let mut longer = bytes;
    longer.push(0);
    assert!(Record::decode(&longer).is_err());
}

/// Touches everything a view can say.
fn exercise(bytes: Vec<u8>) {
    if let Ok(v) = RecordView::parse(bytes.into()) {
        let _ = (v.etag(), v.tags().count(), v.tag("latest"), v.packs().count());
        for i in 0..v.len() + 1 {
            let _ = (v.version(i), v.is_present(i), v.location(i), v.load(i));
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        exercise(bytes.clone());
        let head = [1, 1, 1, b'a', 1, b'b', 0];
        bytes.splice(0..0, head);
        exercise(bytes);
    }

    #[test]
    fn changed_bytes_never_panic(changes in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8)) {
        let mut bytes = encoded(&sample());
        for (at, b) in changes {
            let n = bytes.len();
            bytes[at % n] = b;
        }
        exercise(bytes);
    }
}

#[test]
fn every_ecosystem_and_hash_function_has_its_number() {
    use Ecosystem::*;
    for (n, e) in [Npm, Minz, Pkgx, Github, Git, Http, Custom].into_iter().enumerate() {
        assert_eq!((e as usize, Ecosystem::from_number(n as u8 + 1)), (n + 1, Some(e)));
    }
    assert_eq!((Ecosystem::from_number(0), Ecosystem::from_number(8)), (None, None));
    for (n, a) in
        [Algorithm::Sha1, Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512].into_iter().enumerate()
    {
        let mut r = sample();
        r.versions = vec![VersionRecord::new(Version::new(1, 0, 0))];
        r.versions[0].integrity = Some(Hasher::new(a).finish());
        let bytes = encoded(&r);
        let digest = r.versions[0].integrity.as_ref().unwrap().bytes();
        let at = bytes.windows(digest.len()).position(|w| w == digest).unwrap();
        assert_eq!(bytes[at - 1], n as u8 + 1);
        assert_eq!(Record::decode(&bytes).unwrap(), r);
    }
    let (minz, npm) = (Key::minz("a"), Key::npm("a"));
    assert!(npm < minz && npm.to_bytes() < minz.to_bytes());
    for source in ["", "a\0b", &"s".repeat(5000)] {
        let mut r = sample();
        r.key.source = source.into();
        assert!(r.encode(&mut Vec::new()).is_err(), "{} bytes", source.len());
    }
}
