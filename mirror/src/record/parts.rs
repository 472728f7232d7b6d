//! Pushing a version without making a [`VersionRecord`] of it: whoever scans
//! a packument has slices of it, and a record with thousands of versions would
//! otherwise cost twenty allocations for each.
//!
//! [`VersionRecord`]: super::VersionRecord

use super::build::algorithm_number;
use super::codec::{put_number, put_text};
use super::{DependencyKind, Location, RecordBuilder};
use crate::digest::Integrity;
use crate::error::Error;
use crate::version::Version;
use std::borrow::Cow;

/// A list of texts, known in number.
pub type Texts<'l, 'a> = &'l mut (dyn ExactSizeIterator<Item = Cow<'a, str>> + 'l);
/// Likewise of pairs.
pub type Pairs<'l, 'a> = &'l mut (dyn ExactSizeIterator<Item = (Cow<'a, str>, Cow<'a, str>)> + 'l);
/// Kind, name, range.
pub type Edges<'l, 'a> =
    &'l mut (dyn ExactSizeIterator<Item = (DependencyKind, Cow<'a, str>, Cow<'a, str>)> + 'l);

/// The facts about one version whose archive is not here; the fields are
/// those of [`super::VersionRecord`].
pub struct Parts<'l, 'a> {
    pub version: Version,
    pub integrity: Option<Integrity>,
    pub unpacked: u64,
    pub tarball: Option<&'a str>,
    pub deprecated: Option<&'a str>,
    pub install_script: bool,
    pub published: u64,
    pub dependencies: Edges<'l, 'a>,
    pub bins: Pairs<'l, 'a>,
    pub engines: Pairs<'l, 'a>,
    pub bundled: Texts<'l, 'a>,
    pub os: Texts<'l, 'a>,
    pub cpu: Texts<'l, 'a>,
    pub libc: Texts<'l, 'a>,
}

impl RecordBuilder {
    /// As [`RecordBuilder::push_version`], from borrowed parts.
    pub fn push_parts(&mut self, parts: Parts<'_, '_>) -> Result<(), Error> {
        let Parts { version, deprecated, published, .. } = parts;
        self.push_with(version, deprecated.is_some(), Location::Absent, published, |out| {
            match &parts.integrity {
                None => out.push(0),
                Some(i) => {
                    out.push(algorithm_number(i));
                    out.extend_from_slice(i.bytes());
                }
            }
            let flag = |on: bool, bit: u8| if on { bit } else { 0 };
            out.push(
                flag(parts.tarball.is_some(), 2)
                    | flag(parts.install_script, 4)
                    | flag(deprecated.is_some(), 8),
            );
            put_number(out, 0);
            put_number(out, parts.unpacked);
            parts.tarball.into_iter().chain(deprecated).for_each(|t| put_text(out, t));
            put_number(out, parts.dependencies.len() as u64);
            for (kind, name, range) in parts.dependencies {
                out.push(kind as u8);
                put_text(out, &name);
                put_text(out, &range);
            }
            for pairs in [parts.bins, parts.engines] {
                put_number(out, pairs.len() as u64);
                for (a, b) in pairs {
                    put_text(out, &a);
                    put_text(out, &b);
                }
            }
            put_number(out, 0);
            for texts in [parts.bundled, parts.os, parts.cpu, parts.libc] {
                put_number(out, texts.len() as u64);
                texts.for_each(|t| put_text(out, &t));
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Algorithm, Hasher};
    use crate::record::{Dependency, Key, VersionRecord};

    /// Both ways to push give the same bytes.
    #[test]
    fn parts_equal_records() {
        let pair = |(a, b): &'static (&str, &str)| (Cow::Borrowed(*a), Cow::Borrowed(*b));
        let text = |t: &'static &str| Cow::Borrowed(*t);
        let owned = |p: &[(&str, &str)]| -> Vec<_> {
            p.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
        };
        let list = |p: &[&str]| -> Vec<_> { p.iter().map(|t| t.to_string()).collect() };
        static BINS: [(&str, &str); 1] = [("x", "bin/x.js")];
        static ENGINES: [(&str, &str); 1] = [("node", ">=18")];
        static DEPS: [(&str, &str); 2] = [("a", "^1"), ("b", "npm:c@2")];
        static OS: [&str; 2] = ["linux", "!win32"];
        let kinds = [DependencyKind::Normal, DependencyKind::PeerOptional];
        for deprecated in [None, Some("old")] {
            for tarball in [None, Some("http://example.com/x.tgz")] {
                let mut record = VersionRecord::new(Version::new(1, 2, 3));
                record.integrity = Some(Hasher::new(Algorithm::Sha512).finish());
                record.unpacked = 300;
                record.tarball = tarball.map(str::to_string);
                record.deprecated = deprecated.map(str::to_string);
                record.install_script = true;
                record.published = 77;
                record.dependencies = DEPS
                    .iter()
                    .zip(kinds)
                    .map(|((name, range), kind)| Dependency {
                        name: name.to_string(),
                        range: range.to_string(),
                        kind,
                        condition: String::new(),
                    })
                    .collect();
                record.bins = owned(&BINS);
                record.engines = owned(&ENGINES);
                record.bundled = list(&["a"]);
                record.os = list(&OS);
                let mut one = RecordBuilder::new(Key::npm("x"));
                one.push_version(&record).unwrap();
                let mut two = RecordBuilder::new(Key::npm("x"));
                two.push_parts(Parts {
                    version: Version::new(1, 2, 3),
                    integrity: record.integrity.clone(),
                    unpacked: 300,
                    tarball,
                    deprecated,
                    install_script: true,
                    published: 77,
                    dependencies: &mut DEPS.iter().zip(kinds).map(|(p, k)| (k, pair(p).0, pair(p).1)),
                    bins: &mut BINS.iter().map(pair),
                    engines: &mut ENGINES.iter().map(pair),
                    bundled: &mut ["a"].iter().map(text),
                    os: &mut OS.iter().map(text),
                    cpu: &mut std::iter::empty(),
                    libc: &mut std::iter::empty(),
                })
                .unwrap();
                assert_eq!(one.finish().unwrap(), two.finish().unwrap());
            }
        }
    }
}
