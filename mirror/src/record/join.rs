//! Joining two records of one package: what the mirror has and what came now.
//!
//! Facts about an archive never change: two hashes for one version are a
//! conflict that a person has to look at. Mutable facts (dist-tags, deprecation)
//! come from the side that heard from upstream later. Where an archive lies
//! already is kept.

use super::{Location, RecordBuilder, RecordView, VersionRecord};
use crate::digest::{Algorithm, Integrity};
use crate::error::{Conflict, Error, Result};
use crate::trust::is_statement;
use crate::version::Version;
use std::collections::{HashMap, HashSet};

/// Who tells the new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Teller {
    /// Upstream, or an archive: what it says later counts, and of a complete answer also what it does not say.
    Upstream,
    /// Another mirror. Whichever is joined with which, in whatever order and how often: the facts
    /// are the same in the end (a semilattice). Of two facts about one thing the one that upstream
    /// changed later counts, then the one whose bytes are greater; no version is forgotten.
    Mirror,
}

/// `place` says where a location of `new` really is (a pack that was only now
/// given its hash, or nowhere).
pub(crate) fn join(
    old: Option<&RecordView>,
    new: &RecordView,
    teller: Teller,
    place: &mut dyn FnMut(&VersionRecord) -> Location,
) -> Result<Vec<u8>> {
    if old.is_none() && (0..new.len()).all(|i| !new.is_present(i)) {
        return Ok(new.to_bytes()?.into_owned());
    }
    let mut b = RecordBuilder::new(new.key().clone());
    let newer = old.is_none_or(|o| match teller {
        Teller::Upstream => (new.changed(), new.checked()) >= (o.changed(), o.checked()),
        Teller::Mirror => tagged(new) >= tagged(o),
    });
    let fresh = if newer { new } else { old.unwrap_or(new) };
    let stale = if newer { old } else { Some(new) };
    b.tags = fresh.tags().map(owned).collect();
    if b.tags.is_empty() {
        b.tags = stale.into_iter().flat_map(|s| s.tags()).map(owned).collect();
    }
    // Complete as of the last time that one side was.
    let sides = || [old, Some(new)].into_iter().flatten();
    let whole = sides().filter(|r| r.complete()).max_by_key(|r| (r.checked(), r.etag()));
    let asked = whole.unwrap_or_else(|| match teller {
        Teller::Upstream => fresh,
        Teller::Mirror => sides().max_by_key(|r| (r.checked(), r.etag())).unwrap_or(new),
    });
    b.complete = whole.is_some();
    b.checked = asked.checked();
    b.etag = asked.etag().to_string();
    b.modified = fresh.changed();
    // A version that upstream no longer has, and that is not here, is gone.
    let pruning = teller == Teller::Upstream && new.complete() && newer;

    let mut known: HashMap<&str, usize> = HashMap::new();
    if let Some(o) = old {
        known.extend((0..o.len()).map(|i| (o.version(i), i)));
    }
    for i in 0..new.len() {
        let text = new.version(i);
        match (old, known.remove(text)) {
            (Some(o), Some(j)) => {
                let as_of = as_of(o, j).max(as_of(new, i));
                if !new.is_present(i)
                    && o.body(j).ok() == new.body(i).ok()
                    && o.published(j) == new.published(i)
                {
                    copy(&mut b, o, j, as_of)?;
                } else {
                    let newer = match teller {
                        Teller::Upstream => newer,
                        Teller::Mirror => described(new, i)? >= described(o, j)?,
                    };
                    let v = join_version(new, newer, o.load(j)?, new.load(i)?, place)?;
                    b.push_version(&VersionRecord { as_of: Some(as_of), ..v })?;
                }
            }
            _ if new.is_present(i) => {
                let mut v = new.load(i)?;
                v.location = place(&v);
                b.push_version(&VersionRecord { as_of: Some(as_of(new, i)), ..v })?;
            }
            _ => copy(&mut b, new, i, as_of(new, i))?,
        }
    }
    if let Some(o) = old {
        // In their order: what is sorted already is not sorted again.
        let mut rest: Vec<usize> = known.into_values().collect();
        crate::order::sort(&mut rest);
        for j in rest {
            if !pruning || o.is_present(j) {
                copy(&mut b, o, j, as_of(o, j))?;
            }
        }
    }
    b.finish()
}

/// What decides which tags count: one that has none has nothing to say.
fn tagged(r: &RecordView) -> (bool, u64, Vec<(&str, &str)>) {
    let tags: Vec<(&str, &str)> = r.tags().collect();
    (!tags.is_empty(), r.changed(), tags)
}

/// What decides whose description of a version counts: since when it stands, then its bytes (without
/// those that say what and where the archive is, and what publishers state of it).
fn described(r: &RecordView, i: usize) -> Result<(u64, Vec<u8>)> {
    let mut described = VersionRecord {
        integrity: None,
        sha256: None,
        location: Location::Absent,
        size: 0,
        unpacked: 0,
        published: 0,
        ..r.load(i)?
    };
    described.extra.retain(|fact| !is_statement(fact));
    Ok((as_of(r, i), super::build::body(&described)))
}

fn as_of(r: &RecordView, i: usize) -> u64 {
    r.as_of(i).unwrap_or(r.changed())
}

/// The same record without one version.
pub(crate) fn without(view: &RecordView, version: &str) -> Result<Vec<u8>> {
    let mut b = RecordBuilder::new(view.key().clone());
    b.modified = view.modified();
    b.checked = view.checked();
    b.tags = view.tags().filter(|(_, v)| *v != version).map(owned).collect();
    // Whoever asks upstream again must not be told that nothing changed.
    for i in (0..view.len()).filter(|i| view.version(*i) != version) {
        copy(&mut b, view, i, as_of(view, i))?;
    }
    b.finish()
}

/// The same record without the `refused` versions; of those in `absent` the archive is not there.
pub(crate) fn restricted(
    view: &RecordView,
    refused: &HashSet<usize>,
    absent: &HashSet<usize>,
) -> Result<Vec<u8>> {
    let mut b = RecordBuilder::new(view.key().clone());
    (b.modified, b.checked, b.complete) = (view.changed(), view.checked(), view.complete());
    b.etag = view.etag().to_string();
    let is_refused = |version: &str| refused.iter().any(|i| view.version(*i) == version);
    b.tags = view.tags().filter(|(_, version)| !is_refused(version)).map(owned).collect();
    for i in (0..view.len()).filter(|i| !refused.contains(i)) {
        let location = if absent.contains(&i) { Location::Absent } else { view.location(i) };
        copy_to(&mut b, view, i, as_of(view, i), location)?;
    }
    b.finish()
}

/// Two hashes for one version, in row `j` of ours and row `i` of theirs.
pub(crate) fn differing(
    ours: &RecordView,
    j: usize,
    theirs: &RecordView,
    i: usize,
) -> Result<Option<Conflict>> {
    if ours.body(j).ok() == theirs.body(i).ok() {
        return Ok(None);
    }
    let (a, b) = (ours.load(j)?, theirs.load(i)?);
    Ok(differing_hashes(&a, &b).map(|(ours, hash)| Conflict {
        key: theirs.key().clone(),
        version: a.version.to_string(),
        ours,
        theirs: hash,
    }))
}

fn owned((a, b): (&str, &str)) -> (String, String) {
    (a.to_string(), b.to_string())
}

fn copy(b: &mut RecordBuilder, from: &RecordView, i: usize, as_of: u64) -> Result<()> {
    copy_to(b, from, i, as_of, from.location(i))
}

fn copy_to(b: &mut RecordBuilder, from: &RecordView, i: usize, as_of: u64, location: Location) -> Result<()> {
    let fault = |what| Error::Record { key: from.key().name.clone(), what };
    let version =
        Version::parse(from.version(i)).map_err(|_| fault("has a version that is not a version"))?;
    let body = from.body(i).map_err(fault)?;
    b.push_encoded(version, from.is_deprecated(i), location, (from.published(i), Some(as_of)), &body)
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
    v.size = v.size.max(other.size);
    v.location = Location::Absent;
    if let Some((location, sha256, size)) = bytes {
        v.sha256 = sha256.or(v.sha256);
        (v.location, v.size) = (location, size);
    }
    let strength = |i: &Option<Integrity>| i.as_ref().map(Integrity::algorithm);
    if strength(&other.integrity) > strength(&v.integrity) {
        v.integrity = other.integrity;
    }
    v.unpacked = v.unpacked.max(other.unpacked);
    v.published = v.published.max(other.published);
    // What a publisher has stated is of the archive, which never changes.
    let more: Vec<_> = other.extra.into_iter().filter(|f| is_statement(f) && !v.extra.contains(f)).collect();
    if !more.is_empty() {
        v.extra.extend(more);
        crate::order::sort(&mut v.extra);
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
mod tests;
