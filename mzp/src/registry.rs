//! MinZ packages as mirrors hold them: the index record of a version, written
//! by [`crate::publish`] and read by the solver; and where its archive lies.
//!
//! What only MinZ needs stands in the record's `extra`, sorted by key:
//!
//! | key | value |
//! |---|---|
//! | `description` | one line |
//! | `keywords` | joined by commas |
//! | `feature.NAME` | what it brings, joined by commas |
//! | `targets` | `supported`, joined by commas |
//! | `wants.NAME` or `wants.NAME@PLATFORM` | features of that dependency, joined by commas; `!default` without its defaults |

use crate::error::{Error, Result};
use crate::feature::Part;
use crate::manifest::Manifest;
use crate::platform::{Platform, Support};
use crate::requirement::Requirement;
use crate::solve::{Candidate, Need, PackageSource};
use crate::suggestion::nearest;
use mirror::Mirror;
use mirror::digest::Hash;
use mirror::mirror::Prefix;
use mirror::name::{MinzName, NameError};
use mirror::record::{Dependency, DependencyKind, Ecosystem, Key, RecordView, VersionRecord};
use mirror::version::Version;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

/// The id of the default MinZ registry.
pub const SOURCE: &str = "minz";

pub fn key(name: &MinzName) -> Key {
    Key { ecosystem: Ecosystem::Minz, source: SOURCE.into(), name: name.to_string() }
}

/// Mirrors in their order, opened when first asked. Read only.
pub struct Registry {
    /// Each must be a mirror.
    named: Vec<PathBuf>,
    /// Used when there is one.
    home: Option<PathBuf>,
    waiting: Box<dyn Fn(&str)>,
    open: OnceCell<Vec<Mirror>>,
    known: RefCell<HashMap<MinzName, Rc<Vec<RecordView>>>>,
}

impl Registry {
    /// `waiting` is told who deletes from a mirror at the moment, if somebody does.
    pub fn new(named: Vec<PathBuf>, home: Option<PathBuf>, waiting: Box<dyn Fn(&str)>) -> Self {
        Self { named, home, waiting, open: OnceCell::new(), known: RefCell::default() }
    }

    pub fn mirrors(&self) -> Result<&[Mirror]> {
        if let Some(list) = self.open.get() {
            return Ok(list);
        }
        let mut list = Vec::new();
        let waiting = &mut |holder: &str| (self.waiting)(holder);
        for dir in &self.named {
            list.push(Mirror::open_pinned(dir, waiting)?);
        }
        if let Some(home) = &self.home {
            match Mirror::open_pinned(home, waiting) {
                Ok(m) if !list.iter().any(|have| have.dir() == m.dir()) => list.push(m),
                Ok(_) | Err(mirror::Error::NotAMirror { .. }) => {}
                // Not made yet.
                Err(mirror::Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(self.open.get_or_init(|| list))
    }

    /// What each mirror knows of a package, in the mirrors' order.
    fn records(&self, name: &MinzName) -> Result<Rc<Vec<RecordView>>> {
        if let Some(known) = self.known.borrow().get(name) {
            return Ok(known.clone());
        }
        let mut found = Vec::new();
        for mirror in self.mirrors()? {
            found.extend(mirror.lookup(&key(name))?);
        }
        let found = Rc::new(found);
        self.known.borrow_mut().insert(name.clone(), found.clone());
        Ok(found)
    }

    /// The newest version that is no pre-release; where all are, the newest.
    pub fn newest(&self, name: &MinzName) -> Result<Option<Version>> {
        let versions = self.versions(name)?;
        Ok(versions.iter().rev().find(|v| !v.is_prerelease()).or(versions.last()).cloned())
    }

    /// The record of a version that is present. Two mirrors must not disagree about its archive.
    pub fn record(&self, name: &MinzName, version: &Version) -> Result<VersionRecord> {
        let text = version.to_string();
        let mut found: Option<VersionRecord> = None;
        for view in self.records(name)?.iter() {
            let Some(i) = view.find(&text).filter(|i| view.is_present(*i)) else { continue };
            let record = view.load(i)?;
            match &found {
                None => found = Some(record),
                Some(first) => {
                    if let (Some(a), Some(b)) = (&first.sha256, &record.sha256)
                        && a != b
                    {
                        return Err(mismatch(name, version, a, b));
                    }
                }
            }
        }
        found.ok_or_else(|| Error::AbsentVersion {
            name: name.clone(),
            version: version.clone(),
            present: Vec::new(),
        })
    }

    /// Walks the records of all packages, a mirror after the other.
    pub fn for_each(
        &self,
        f: &mut dyn FnMut(RecordView) -> std::result::Result<(), mirror::Error>,
    ) -> Result<()> {
        let prefix = Prefix::Names { ecosystem: Ecosystem::Minz, source: SOURCE, begin: "" };
        Ok(self.mirrors()?.iter().try_for_each(|mirror| mirror.for_each(prefix, f))?)
    }

    /// The first mirror that has this very archive.
    pub fn archive(
        &self,
        name: &MinzName,
        version: &Version,
        sha256: &Hash,
    ) -> Result<(&Mirror, VersionRecord)> {
        let text = version.to_string();
        let mut other = None;
        for mirror in self.mirrors()? {
            if let Some(record) = mirror.find_archive(&key(name), &text)? {
                match record.sha256 {
                    Some(found) if found == *sha256 => return Ok((mirror, record)),
                    found => other = found,
                }
            }
        }
        Err(match other {
            Some(found) => mismatch(name, version, sha256, &found),
            None => {
                let present = self.versions(name)?;
                Error::AbsentVersion { name: name.clone(), version: version.clone(), present }
            }
        })
    }
}

fn mismatch(name: &MinzName, version: &Version, expected: &Hash, found: &Hash) -> Error {
    Error::HashMismatch {
        name: name.clone(),
        version: version.clone(),
        expected: expected.to_string(),
        found: found.to_string(),
    }
}

impl PackageSource for Registry {
    fn versions(&self, name: &MinzName) -> Result<Vec<Version>> {
        let mut out = Vec::new();
        for view in self.records(name)?.iter() {
            for i in (0..view.len()).filter(|i| view.is_present(*i)) {
                // A record with a version that is none is skipped, not trusted.
                out.extend(Version::parse(view.version(i)));
            }
        }
        mirror::order::sort(&mut out);
        out.dedup();
        Ok(out)
    }

    fn dependencies(&self, name: &MinzName, version: &Version) -> Result<Candidate> {
        readable(name, version, candidate(&self.record(name, version)?))
    }

    fn suggest(&self, name: &MinzName) -> Option<String> {
        let mut names = Vec::new();
        let walked = self.for_each(&mut |view| {
            names.push(view.key().name.clone());
            Ok(())
        });
        walked.ok()?;
        nearest(name.as_str(), names.iter().map(String::as_str)).map(String::from)
    }
}

/// Names a record that breaks its grammar.
pub fn readable<T>(name: &MinzName, version: &Version, read: std::result::Result<T, NameError>) -> Result<T> {
    read.map_err(|e| {
        mirror::Error::Record { key: format!("{name} {version} ({e})"), what: "cannot be read" }.into()
    })
}

/// What solving needs of a record. Nothing in it is trusted.
pub fn candidate(record: &VersionRecord) -> std::result::Result<Candidate, NameError> {
    let extra = |key: &str| extra(record, key);
    let words =
        |text: &str| -> Vec<String> { text.split(',').filter(|w| !w.is_empty()).map(String::from).collect() };
    let mut out = Candidate {
        sha256: record.sha256.map(|h| h.to_string()).unwrap_or_default(),
        // A machine that this version does not know cannot be built for either.
        supported: words(extra("targets").unwrap_or("")).iter().filter_map(|t| Support::find(t)).collect(),
        ..Candidate::default()
    };
    for d in record.dependencies.iter().filter(|d| d.kind != DependencyKind::Dev) {
        let platform = match d.condition.as_str() {
            "" => None,
            name => match Platform::find(name) {
                Some(p) => Some(p),
                None => continue,
            },
        };
        let wants = extra(&wants_key(d)).unwrap_or("");
        let mut features = words(wants);
        features.retain(|f| f != "!default");
        features.iter().try_for_each(|f| crate::feature::check_name(f))?;
        out.needs.push(Need {
            name: MinzName::parse(&d.name)?,
            requirement: Requirement::parse(&d.range)?,
            platform,
            optional: d.kind == DependencyKind::Optional,
            features,
            default_features: !wants.split(',').any(|w| w == "!default"),
        });
    }
    for (key, value) in &record.extra {
        if let Some(name) = key.strip_prefix("feature.") {
            let parts = words(value).iter().map(|p| Part::parse(p)).collect::<std::result::Result<_, _>>()?;
            out.features.push((name.to_string(), parts));
        }
    }
    Ok(out)
}

/// What a record says under one of the keys that only MinZ needs.
pub fn extra<'a>(record: &'a VersionRecord, key: &str) -> Option<&'a str> {
    record.extra.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
}

fn wants_key(d: &Dependency) -> String {
    if d.condition.is_empty() {
        format!("wants.{}", d.name)
    } else {
        format!("wants.{}@{}", d.name, d.condition)
    }
}

/// The record of a package whose manifest this is; hash and sizes are the caller's.
pub fn record(manifest: &Manifest) -> VersionRecord {
    let mut record = VersionRecord::new(manifest.version.clone());
    let mut extra: Vec<(String, String)> = Vec::new();
    for (platform, d) in manifest.all_dependencies() {
        let dependency = Dependency {
            name: d.name.to_string(),
            range: d.requirement.to_string(),
            kind: if d.optional { DependencyKind::Optional } else { DependencyKind::Normal },
            condition: platform.map_or(String::new(), |p| p.name.to_string()),
        };
        let mut wants = d.features.clone();
        if !d.default_features {
            wants.push("!default".into());
        }
        if !wants.is_empty() {
            extra.push((wants_key(&dependency), wants.join(",")));
        }
        record.dependencies.push(dependency);
    }
    mirror::order::sort_by(&mut record.dependencies, |a, b| {
        (&a.name, &a.condition).cmp(&(&b.name, &b.condition))
    });
    for f in &manifest.features {
        let parts: Vec<_> = f.parts.iter().map(ToString::to_string).collect();
        extra.push((format!("feature.{}", f.name), parts.join(",")));
    }
    if !manifest.supported.is_empty() {
        let names: Vec<_> = manifest.supported.iter().map(Support::name).collect();
        extra.push(("targets".into(), names.join(",")));
    }
    if let Some(description) = &manifest.description {
        extra.push(("description".into(), description.chars().take(500).collect()));
    }
    if !manifest.keywords.is_empty() {
        // What has a comma in it is two.
        extra.push(("keywords".into(), manifest.keywords.join(",").chars().take(500).collect()));
    }
    mirror::order::sort(&mut extra);
    record.extra = extra;
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_record_says_what_the_manifest_said() {
        let text = "[package]\nname = \"gfx\"\nversion = \"1.2.0\"\ndescription = \"d\"\n[dependencies]\ncore = \"1\"\nutils = { version = \">=0.3, <2\", features = [\"a\", \"b\"], default-features = false, optional = true }\n[platform-dependencies.cpm]\ncore = \"1.2\"\n[targets]\nsupported = [\"z80\", \"c64\"]\n[features]\nx = [\"src/x.minz\", \"utils/fast\"]\n[dev-dependencies]\ntesting = \"1\"\n[metadata]\nkeywords = [\"fast\", \"tiny\"]\n";
        let manifest = Manifest::parse(Path::new("mzp.toml"), text).unwrap();
        let record = record(&manifest);
        let keys: Vec<_> = record.extra.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            keys,
            [
                "description=d",
                "feature.x=src/x.minz,utils/fast",
                "keywords=fast,tiny",
                "targets=z80,c64",
                "wants.utils=a,b,!default"
            ]
        );
        let candidate = candidate(&record).unwrap();
        let mut expected: Vec<_> = manifest.all_dependencies().map(|(p, d)| Need::of(p, d)).collect();
        mirror::order::sort_by_key(&mut expected, |n| (n.name.clone(), n.platform.map(|p| p.name)));
        assert_eq!(candidate.needs, expected);
        assert_eq!(candidate.features[0].1, manifest.features[0].parts);
        assert_eq!(candidate.supported, manifest.supported);
    }

    #[test]
    fn a_hostile_record_is_an_error_not_a_path() {
        let mut record = VersionRecord::new(Version::new(1, 0, 0));
        record.dependencies.push(Dependency {
            name: "../../etc".into(),
            range: "1".into(),
            kind: DependencyKind::Normal,
            condition: String::new(),
        });
        assert!(candidate(&record).is_err());
        record.dependencies.clear();
        record.extra.push(("feature.x".into(), "../x.minz".into()));
        assert!(candidate(&record).is_err());
    }
}
