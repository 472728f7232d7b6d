use super::*;
use crate::digest::Hash;
use crate::record::{Dependency, DependencyKind, Key, Record};
use proptest::prelude::*;

fn record(checked: u64, complete: bool, tag: &str, versions: Vec<VersionRecord>) -> RecordView {
    let r = Record {
        key: Key::npm("a"),
        complete,
        checked,
        etag: format!("e{checked}"),
        modified: 0,
        tags: if tag.is_empty() { vec![] } else { vec![("latest".into(), tag.into())] },
        versions,
    };
    let mut bytes = Vec::new();
    r.encode(&mut bytes).unwrap();
    RecordView::parse(bytes.into()).unwrap()
}
fn version(n: u64) -> VersionRecord {
    VersionRecord::new(Version::new(n, 0, 0))
}
fn present(n: u64, place: &str) -> VersionRecord {
    let location = Location::Pack { pack: Hash::of(place.as_bytes()), offset: 9 };
    VersionRecord { location, sha256: Some(Hash::of(b"bytes")), size: 5, ..version(n) }
}
fn joined(old: &RecordView, new: &RecordView) -> Record {
    let bytes = join(Some(old), new, Teller::Upstream, &mut |v| v.location.clone()).unwrap();
    Record::decode(&bytes).unwrap()
}

#[test]
fn mutable_facts_come_from_the_side_that_asked_later() {
    let mut old = version(1);
    old.deprecated = Some("old words".into());
    let a = record(10, true, "1.0.0", vec![old, version(2)]);
    let b = record(20, false, "3.0.0", vec![version(1), version(3)]);
    for r in [joined(&a, &b), joined(&b, &a)] {
        assert_eq!(r.tags[0].1, "3.0.0");
        // Complete as of 10: what upstream published since is not known.
        assert_eq!((r.complete, r.checked, r.etag.as_str()), (true, 10, "e10"));
        assert_eq!(r.versions.len(), 3);
        assert_eq!(r.versions[0].deprecated, None);
    }
    // A plain archive knows nothing about tags.
    assert_eq!(joined(&a, &record(0, false, "", vec![present(9, "p")])).tags[0].1, "1.0.0");
}

#[test]
fn an_archive_keeps_its_place_and_versions_gone_upstream_go_unless_they_are_here() {
    let old = record(10, true, "", vec![version(1), present(2, "ours"), present(3, "ours")]);
    let new = record(20, true, "", vec![present(2, "theirs"), version(4)]);
    let r = joined(&old, &new);
    assert_eq!(r.versions.iter().map(|v| v.version.major).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(r.versions[0].location, present(2, "ours").location);
    let r = joined(&record(10, true, "", vec![version(2)]), &new);
    assert_eq!((r.versions[0].location.clone(), r.versions[0].size), (present(2, "theirs").location, 5));
}

#[test]
fn joining_twice_is_joining_once() {
    let old = record(10, true, "1.0.0", vec![version(1), present(2, "ours")]);
    let new = record(20, false, "2.0.0", vec![present(1, "theirs"), version(2)]);
    let once = joined(&old, &new);
    let mut bytes = Vec::new();
    once.encode(&mut bytes).unwrap();
    assert_eq!(joined(&RecordView::parse(bytes.into()).unwrap(), &new), once);
}

#[test]
fn two_hashes_are_a_conflict_whichever_fields_hold_them() {
    let with = |sha256: Option<&[u8]>, integrity: Option<&[u8]>| VersionRecord {
        sha256: sha256.map(Hash::of),
        integrity: integrity.map(|i| Hash::of(i).into()),
        ..version(1)
    };
    let cases = [
        (with(Some(b"a"), None), with(Some(b"b"), None), true),
        (with(None, Some(b"a")), with(None, Some(b"b")), true),
        (with(Some(b"a"), None), with(None, Some(b"b")), true),
        (with(Some(b"a"), None), with(None, Some(b"a")), false),
        (with(Some(b"a"), None), with(None, None), false),
    ];
    for (a, b, conflict) in cases {
        let (old, new) = (record(1, false, "", vec![a]), record(2, false, "", vec![b]));
        match join(Some(&old), &new, Teller::Upstream, &mut |v| v.location.clone()) {
            Err(Error::Conflict(c)) => {
                assert!(conflict);
                let text = |bytes: &[u8]| Integrity::from(Hash::of(bytes)).to_string();
                assert_eq!((c.version.as_str(), c.ours, c.theirs), ("1.0.0", text(b"a"), text(b"b")));
            }
            result => assert!(result.is_ok() && !conflict),
        }
    }
}

#[test]
fn what_one_side_knows_is_kept_and_of_two_answers_the_later() {
    let all = |n: u64| VersionRecord { size: n, unpacked: n + 1, published: n + 2, ..version(1) };
    let facts = |r: Record| (r.versions[0].size, r.versions[0].unpacked, r.versions[0].published);
    let (early, late, nothing) = (all(10), all(20), version(1));
    let one = |checked, v: &VersionRecord| record(checked, true, "", vec![v.clone()]);
    assert_eq!(facts(joined(&one(1, &early), &one(2, &nothing))), (10, 11, 12));
    assert_eq!(facts(joined(&one(1, &nothing), &one(2, &late))), (20, 21, 22));
    assert_eq!(facts(joined(&one(1, &early), &one(2, &late))), (20, 21, 22));
    assert_eq!(facts(joined(&one(2, &late), &one(1, &early))), (20, 21, 22));
}

#[test]
fn the_stronger_integrity_stays() {
    let with = |algorithm: Algorithm| {
        let integrity = Integrity::from_bytes(algorithm, &vec![7; algorithm.size()]);
        VersionRecord { integrity, ..version(1) }
    };
    for (a, b) in [(Algorithm::Sha1, Algorithm::Sha512), (Algorithm::Sha512, Algorithm::Sha1)] {
        let r = joined(&record(1, true, "", vec![with(a)]), &record(2, true, "", vec![with(b)]));
        assert_eq!(r.versions[0].integrity.as_ref().map(Integrity::algorithm), Some(Algorithm::Sha512));
    }
}

/// Upstream knows nothing of it, and changes a description as often as it likes.
#[test]
fn what_publishers_state_stays() {
    let facts = |names: &[&str]| names.iter().map(|n| (n.to_string(), String::new())).collect::<Vec<_>>();
    let with = |names: &[&str]| VersionRecord { extra: facts(names), ..present(1, "p") };
    let old = record(1, true, "", vec![with(&["about", "signature.b"])]);
    let r = joined(&old, &record(2, true, "", vec![with(&["signature.a", "targets"])]));
    assert_eq!(r.versions[0].extra, facts(&["signature.a", "signature.b", "targets"]));
    let r = joined(&old, &record(2, true, "", vec![version(1)]));
    assert_eq!(r.versions[0].extra, facts(&["signature.b"]));
}

/// All that is known of an archive that is not here, and then it comes.
#[test]
fn an_archive_that_comes_later_is_here() {
    let known = VersionRecord { location: Location::Absent, ..present(1, "p") };
    let old = record(1, true, "", vec![known]);
    let r = joined(&old, &record(2, false, "", vec![present(1, "p")]));
    assert_eq!(r.versions[0].location, present(1, "p").location);
}

/// What some mirror may hold of one package: any of three versions, heard at any time, with any
/// description. Hashes agree, as they do when nobody lies.
fn any_record() -> impl Strategy<Value = Record> {
    let one = (0..3u64, any::<bool>(), 0..3u8, 0..3u64, proptest::option::of(0..3u64), 0..64u8);
    let versions = proptest::collection::vec(one, 0..4);
    let head = (any::<bool>(), 0..4u64, 0..3u64, proptest::option::of(0..3u64), 0..2u8);
    (head, versions).prop_map(|((complete, checked, modified, tag, etag), versions)| {
        let mut record = Record {
            key: Key::npm("a"),
            complete,
            // Tags are upstream's: who has some has asked.
            checked: checked.max(u64::from(tag.is_some())),
            etag: format!("e{etag}"),
            modified,
            tags: tag
                .map(|v| ("latest".to_string(), Version::new(v, 0, 0).to_string()))
                .into_iter()
                .collect(),
            versions: Vec::new(),
        };
        for (n, here, describes, published, as_of, known) in versions {
            let bytes = format!("bytes of {n}");
            let algorithm = if known & 1 == 0 { Algorithm::Sha1 } else { Algorithm::Sha512 };
            let mut v = if here { present(n, &bytes) } else { version(n) };
            v.sha256 = (here || known & 2 != 0).then(|| Hash::of(bytes.as_bytes()));
            v.integrity = Integrity::from_bytes(algorithm, &vec![n as u8; algorithm.size()]);
            v.unpacked = u64::from(known & 4) * (n + 1);
            (v.published, v.as_of) = (published, as_of);
            v.deprecated = (describes == 1).then(|| "old".to_string());
            if describes == 2 {
                let (name, range) = ("b".to_string(), "1".to_string());
                let kind = DependencyKind::Normal;
                v.dependencies = vec![Dependency { name, range, kind, condition: String::new() }];
            }
            // What two publishers state of it, and what upstream says beside.
            let facts = [(8, "signature.a"), (16, "signature.b"), (32, "targets")];
            let facts = facts.into_iter().filter(|(bit, _)| known & bit != 0);
            v.extra = facts.map(|(_, name)| (name.to_string(), format!("{n}"))).collect();
            record.versions.retain(|o| o.version != v.version);
            record.versions.push(v);
        }
        record.versions.sort_by(|a, b| a.version.cmp(&b.version));
        record
    })
}

fn view(r: &Record) -> RecordView {
    let mut bytes = Vec::new();
    r.encode(&mut bytes).unwrap();
    RecordView::parse(bytes.into()).unwrap()
}

/// As two mirrors join theirs, without saying where an archive lies: that is each one's own.
fn merged(old: &Record, new: &Record) -> Record {
    let bytes = join(Some(&view(old)), &view(new), Teller::Mirror, &mut |v| v.location.clone()).unwrap();
    Record::decode(&bytes).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn what_mirrors_join_is_the_same_in_any_order(a in any_record(), b in any_record(), c in any_record()) {
        let own = |r: Record| merged(&r, &r);
        let (a, b, c) = (own(a), own(b), own(c));
        prop_assert_eq!(merged(&a, &b), merged(&b, &a));
        prop_assert_eq!(merged(&merged(&a, &b), &c), merged(&a, &merged(&b, &c)));
        let both = merged(&a, &b);
        prop_assert_eq!(merged(&both, &b), both.clone());
        prop_assert_eq!(merged(&a, &both), both);
    }
}
