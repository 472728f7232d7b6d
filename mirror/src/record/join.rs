//! Joining two records of one package: what the mirror has and what came now.
//!
//! Facts about an archive never change: two hashes for one version are a
//! conflict that a person has to look at. Mutable facts (dist-tags, deprecation)
//! come from the side that heard from upstream later. Where an archive lies
//! already is kept.

use super::{Location, RecordBuilder, RecordView, VersionRecord};
use crate::digest::{Algorithm, Integrity};
use crate::error::{Conflict, Error, Result};
use crate::version::Version;
use std::collections::HashMap;

/// `place` says where a location of `new` really is (a pack that was only now
/// given its hash, or nowhere).
pub(crate) fn join(
    old: Option<&RecordView>,
    new: &RecordView,
    place: &mut dyn FnMut(&VersionRecord) -> Location,
) -> Result<Vec<u8>> {
    if old.is_none() && (0..new.len()).all(|i| !new.is_present(i)) {
        return Ok(new.to_bytes()?.into_owned());
    }
    let mut b = RecordBuilder::new(new.key().clone());
    let newer = old.is_none_or(|o| (new.modified(), new.checked()) >= (o.modified(), o.checked()));
    let fresh = if newer { new } else { old.unwrap_or(new) };
    let stale = if newer { old } else { Some(new) };
    b.modified = fresh.modified();
    b.tags = fresh.tags().map(owned).collect();
    if b.tags.is_empty() {
        b.tags = stale.into_iter().flat_map(|s| s.tags()).map(owned).collect();
    }
    // Complete as of the last time that one side was.
    let whole = [old, Some(new)].into_iter().flatten().filter(|r| r.complete()).max_by_key(|r| r.checked());
    let asked = whole.unwrap_or(fresh);
    b.complete = whole.is_some();
    b.checked = asked.checked();
    b.etag = asked.etag().to_string();
    // A version that upstream no longer has, and that is not here, is gone.
    let pruning = new.complete() && newer;

    let mut known: HashMap<&str, usize> = HashMap::new();
    if let Some(o) = old {
        known.extend((0..o.len()).map(|i| (o.version(i), i)));
    }
    for i in 0..new.len() {
        let text = new.version(i);
        match (old, known.remove(text)) {
            (Some(o), Some(j)) => {
                if !new.is_present(i)
                    && o.body(j).ok() == new.body(i).ok()
                    && o.is_deprecated(j) == new.is_deprecated(i)
                {
                    copy(&mut b, o, j)?;
                } else {
                    let (ours, theirs) = (o.load(j)?, new.load(i)?);
                    b.push_version(&join_version(new, newer, ours, theirs, place)?)?;
                }
            }
            _ if new.is_present(i) => {
                let mut v = new.load(i)?;
                v.location = place(&v);
                b.push_version(&v)?;
            }
            _ => copy(&mut b, new, i)?,
        }
    }
    if let Some(o) = old {
        // In their order: what is sorted already is not sorted again.
        let mut rest: Vec<usize> = known.into_values().collect();
        crate::order::sort(&mut rest);
        for j in rest {
            if !pruning || o.is_present(j) {
                copy(&mut b, o, j)?;
            }
        }
    }
    b.finish()
}

/// The same record without one version.
pub(crate) fn without(view: &RecordView, version: &str) -> Result<Vec<u8>> {
    let mut b = RecordBuilder::new(view.key().clone());
    b.modified = view.modified();
    b.checked = view.checked();
    b.tags = view.tags().filter(|(_, v)| *v != version).map(owned).collect();
    // Whoever asks upstream again must not be told that nothing changed.
    for i in (0..view.len()).filter(|i| view.version(*i) != version) {
        copy(&mut b, view, i)?;
    }
    b.finish()
}

fn owned((a, b): (&str, &str)) -> (String, String) {
    (a.to_string(), b.to_string())
}

fn copy(b: &mut RecordBuilder, from: &RecordView, i: usize) -> Result<()> {
    let fault = |what| Error::Record { key: from.key().name.clone(), what };
    let version =
        Version::parse(from.version(i)).map_err(|_| fault("has a version that is not a version"))?;
    let body = from.body(i).map_err(fault)?;
    b.push_encoded(version, from.is_deprecated(i), from.location(i), from.published(i), &body)
}

fn join_version(
    new: &RecordView,
    newer: bool,
    ours: VersionRecord,
    mut theirs: VersionRecord,
    place: &mut dyn FnMut(&VersionRecord) -> Location,
) -> Result<VersionRecord> {
    if let Some((a, b)) = differing_hashes(&ours, &theirs) {
        return Err(Error::Conflict(Box::new(Conflict {
            key: new.key().clone(),
            version: ours.version.to_string(),
            ours: a,
            theirs: b,
        })));
    }
    if theirs.location.is_present() {
        theirs.location = place(&theirs);
    }
    // Where the bytes lie, with the hash and length of just those bytes: the
    // mirror's own copy before a second one.
    let bytes = [&ours, &theirs]
        .into_iter()
        .find(|v| v.location.is_present())
        .map(|v| (v.location.clone(), v.sha256, v.size));
    let (mut v, other) = if newer { (theirs, ours) } else { (ours, theirs) };
    v.sha256 = v.sha256.or(other.sha256);
    if v.size == 0 {
        v.size = other.size;
    }
    v.location = Location::Absent;
    if let Some((location, sha256, size)) = bytes {
        v.sha256 = sha256.or(v.sha256);
        (v.location, v.size) = (location, size);
    }
    let strength = |i: &Option<Integrity>| i.as_ref().map(Integrity::algorithm);
    if strength(&other.integrity) > strength(&v.integrity) {
        v.integrity = other.integrity;
    }
    if v.unpacked == 0 {
        v.unpacked = other.unpacked;
    }
    if v.published == 0 {
        v.published = other.published;
    }
    Ok(v)
}

/// Two hashes of the same kind that differ.
fn differing_hashes(a: &VersionRecord, b: &VersionRecord) -> Option<(String, String)> {
    let sha256 = |v: &VersionRecord| {
        v.sha256.map(|h| h.0.to_vec()).or_else(|| {
            v.integrity.as_ref().filter(|i| i.algorithm() == Algorithm::Sha256).map(|i| i.bytes().to_vec())
        })
    };
    if let (Some(x), Some(y)) = (&a.integrity, &b.integrity)
        && x.algorithm() == y.algorithm()
        && x != y
    {
        return Some((x.to_string(), y.to_string()));
    }
    match (sha256(a), sha256(b)) {
        (Some(x), Some(y)) if x != y => {
            let text = |bytes: &[u8]| {
                Integrity::from_bytes(Algorithm::Sha256, bytes).map_or(String::new(), |i| i.to_string())
            };
            Some((text(&x), text(&y)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Hash;
    use crate::record::{Key, Record};

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
        let bytes = join(Some(old), new, &mut |v| v.location.clone()).unwrap();
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
            match join(Some(&old), &new, &mut |v| v.location.clone()) {
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

    /// All that is known of an archive that is not here, and then it comes.
    #[test]
    fn an_archive_that_comes_later_is_here() {
        let known = VersionRecord { location: Location::Absent, ..present(1, "p") };
        let old = record(1, true, "", vec![known]);
        let r = joined(&old, &record(2, false, "", vec![present(1, "p")]));
        assert_eq!(r.versions[0].location, present(1, "p").location);
    }
}
