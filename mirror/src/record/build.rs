//! Writing a record, version by version, so that whoever scans a packument
//! never has to hold all its versions as structs.

use super::codec::{put_number, put_text};
use super::{
    AS_OF, DEPRECATED, Key, LOCATION_BLOB, LOCATION_PACK, Location, MAX_BODY, MAX_RECORD, MAX_VERSIONS,
    RECORD_FORMAT, Record, VersionRecord,
};
use crate::digest::{Algorithm, Hash, Integrity};
use crate::error::Error;
use crate::version::Version;

/// Collects encoded versions in any order; [`finish`](Self::finish) sorts them.
///
/// The same facts give the same bytes, whatever the order of the pushes.
pub struct RecordBuilder {
    pub key: Key,
    /// As in [`Record`].
    pub complete: bool,
    pub checked: u64,
    pub etag: String,
    pub modified: u64,
    /// In any order; the last of two equal tags counts.
    pub tags: Vec<(String, String)>,
    entries: Vec<Entry>,
    bodies: Vec<u8>,
}

struct Entry {
    version: Version,
    deprecated: bool,
    location: Location,
    published: u64,
    as_of: Option<u64>,
    body: std::ops::Range<usize>,
}

impl RecordBuilder {
    pub fn new(key: Key) -> Self {
        Self {
            key,
            complete: false,
            checked: 0,
            etag: String::new(),
            modified: 0,
            tags: Vec::new(),
            entries: Vec::new(),
            bodies: Vec::new(),
        }
    }

    /// Number of versions pushed so far.
    pub fn len(&self) -> usize {
        self.entries.len()
    }
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Encodes one version. Pushed twice, the last one counts.
    pub fn push_version(&mut self, v: &VersionRecord) -> Result<(), Error> {
        let start = self.bodies.len();
        put_body(&mut self.bodies, v);
        self.close(Entry {
            version: v.version.clone(),
            deprecated: v.deprecated.is_some(),
            location: v.location.clone(),
            published: v.published,
            as_of: v.as_of,
            body: start..self.bodies.len(),
        })
    }

    /// A version whose body is encoded already (copied from another record).
    pub(crate) fn push_encoded(
        &mut self,
        version: Version,
        deprecated: bool,
        location: Location,
        (published, as_of): (u64, Option<u64>),
        body: &[u8],
    ) -> Result<(), Error> {
        let start = self.bodies.len();
        self.bodies.extend_from_slice(body);
        let body = start..self.bodies.len();
        self.close(Entry { version, deprecated, location, published, as_of, body })
    }

    /// A version whose body `put` appends.
    pub(super) fn push_with(
        &mut self,
        version: Version,
        deprecated: bool,
        location: Location,
        published: u64,
        put: impl FnOnce(&mut Vec<u8>),
    ) -> Result<(), Error> {
        let start = self.bodies.len();
        put(&mut self.bodies);
        let body = start..self.bodies.len();
        self.close(Entry { version, deprecated, location, published, as_of: None, body })
    }

    /// Gives versions the time of publication that `of` knows for them (a
    /// packument may tell it after the versions).
    pub fn set_published(&mut self, of: &dyn Fn(&Version) -> Option<u64>) {
        for entry in &mut self.entries {
            entry.published = of(&entry.version).unwrap_or(entry.published);
        }
    }

    fn close(&mut self, entry: Entry) -> Result<(), Error> {
        let fault = if entry.body.len() > MAX_BODY {
            Some("has a version with more than 2 MiB of metadata")
        } else if self.bodies.len() > MAX_RECORD {
            Some("is larger than 128 MiB")
        } else if self.entries.len() >= MAX_VERSIONS {
            Some("has more than 1,000,000 versions")
        } else {
            None
        };
        if let Some(what) = fault {
            self.bodies.truncate(entry.body.start);
            return Err(Error::Record { key: self.key.name.clone(), what });
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The record's bytes, as drawn in [`super`].
    pub fn finish(mut self) -> Result<Vec<u8>, Error> {
        self.key.check()?;
        // Stable, so that of equal versions the last pushed stands last.
        crate::order::sort_by(&mut self.entries, |a, b| a.version.cmp(&b.version));
        let mut kept: Vec<Entry> = Vec::with_capacity(self.entries.len());
        for e in std::mem::take(&mut self.entries) {
            match kept.last_mut() {
                Some(last) if last.version == e.version => *last = e,
                _ => kept.push(e),
            }
        }
        crate::order::sort_by(&mut self.tags, |a, b| a.0.cmp(&b.0));
        let mut tags: Vec<&(String, String)> = Vec::with_capacity(self.tags.len());
        for t in &self.tags {
            match tags.last_mut() {
                Some(last) if last.0 == t.0 => *last = t,
                _ => tags.push(t),
            }
        }
        let mut packs: Vec<Hash> = kept
            .iter()
            .filter_map(|e| match e.location {
                Location::Pack { pack, .. } => Some(pack),
                _ => None,
            })
            .collect();
        crate::order::sort(&mut packs);
        packs.dedup();

        let mut out = Vec::with_capacity(128 + 24 * kept.len() + self.bodies.len());
        out.push(RECORD_FORMAT);
        out.push(self.key.ecosystem as u8);
        put_text(&mut out, &self.key.source);
        put_text(&mut out, &self.key.name);
        out.push(u8::from(self.complete));
        put_number(&mut out, self.checked);
        put_text(&mut out, &self.etag);
        // Written in one way: 0 says the same.
        put_number(&mut out, if self.modified == self.checked { 0 } else { self.modified });
        put_number(&mut out, tags.len() as u64);
        for (tag, version) in tags {
            put_text(&mut out, tag);
            put_text(&mut out, version);
        }
        put_number(&mut out, packs.len() as u64);
        packs.iter().for_each(|p| out.extend_from_slice(&p.0));
        put_number(&mut out, kept.len() as u64);
        let changed = if self.modified == 0 { self.checked } else { self.modified };
        for e in &kept {
            put_text(&mut out, &e.version.to_string());
            let location = match e.location {
                Location::Absent => 0,
                Location::Pack { .. } => LOCATION_PACK,
                Location::Blob => LOCATION_BLOB,
            };
            let as_of = e.as_of.filter(|t| *t != changed);
            let as_of_flag = if as_of.is_some() { AS_OF } else { 0 };
            out.push(location | if e.deprecated { DEPRECATED } else { 0 } | as_of_flag);
            if let Location::Pack { pack, offset } = e.location {
                put_number(&mut out, packs.binary_search(&pack).unwrap_or(0) as u64);
                put_number(&mut out, u64::from(offset));
            }
            as_of.into_iter().for_each(|t| put_number(&mut out, t));
            put_number(&mut out, e.published);
            put_number(&mut out, e.body.len() as u64);
        }
        for e in &kept {
            out.extend_from_slice(&self.bodies[e.body.clone()]);
        }
        if out.len() > MAX_RECORD {
            return Err(Error::Record { key: self.key.name, what: "is larger than 128 MiB" });
        }
        Ok(out)
    }
}

impl Record {
    /// Appends the record's bytes to `out`. Fails only on what the format cannot
    /// hold (a version with more than 2 MiB of metadata, a bad key).
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut b = RecordBuilder::new(self.key.clone());
        b.complete = self.complete;
        b.checked = self.checked;
        b.etag = self.etag.clone();
        b.modified = self.modified;
        b.tags = self.tags.clone();
        for v in &self.versions {
            b.push_version(v)?;
        }
        out.append(&mut b.finish()?);
        Ok(())
    }
}

pub(super) fn algorithm_number(i: &Integrity) -> u8 {
    match i.algorithm() {
        Algorithm::Sha1 => 1,
        Algorithm::Sha256 => 2,
        Algorithm::Sha384 => 3,
        Algorithm::Sha512 => 4,
    }
}

/// One version, encoded.
pub(super) fn body(v: &VersionRecord) -> Vec<u8> {
    let mut out = Vec::new();
    put_body(&mut out, v);
    out
}

fn put_body(out: &mut Vec<u8>, v: &VersionRecord) {
    match &v.integrity {
        None => out.push(0),
        Some(i) => {
            out.push(algorithm_number(i));
            out.extend_from_slice(i.bytes());
        }
    }
    out.push(
        u8::from(v.sha256.is_some())
            | u8::from(v.tarball.is_some()) << 1
            | u8::from(v.install_script) << 2
            | u8::from(v.deprecated.is_some()) << 3,
    );
    if let Some(h) = &v.sha256 {
        out.extend_from_slice(&h.0);
    }
    put_number(out, v.size);
    put_number(out, v.unpacked);
    for t in [&v.tarball, &v.deprecated].into_iter().flatten() {
        put_text(out, t);
    }
    put_number(out, v.dependencies.len() as u64);
    for d in &v.dependencies {
        out.push(d.kind as u8 | u8::from(!d.condition.is_empty()) << 3);
        put_text(out, &d.name);
        put_text(out, &d.range);
        if !d.condition.is_empty() {
            put_text(out, &d.condition);
        }
    }
    for pairs in [&v.bins, &v.engines, &v.extra] {
        put_number(out, pairs.len() as u64);
        for (a, b) in pairs {
            put_text(out, a);
            put_text(out, b);
        }
    }
    for list in [&v.bundled, &v.os, &v.cpu, &v.libc] {
        put_number(out, list.len() as u64);
        list.iter().for_each(|t| put_text(out, t));
    }
}
